/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_jid - addresses: what is borrowed, what is prepared to what, what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "xmpp/jid.h"

/* The whole address as prepared; NULL: refused. */
struct row {
    const char *text, *full;
};

static void check_row(const struct row *row)
{
    struct jid_scratch scratch;
    struct jid jid;
    bool good = jid_parse(span_of(row->text), &jid, &scratch);
    if (good != (row->full != NULL) || (good && !span_eq(jid.full, span_of(row->full)))) {
        print_error("%s: want %s, got %.*s\n", row->text, row->full ? row->full : "refused",
                    good ? (int)jid.full.n : 7, good ? jid.full.p : "refused");
        fail();
    }
    if (!good)
        return;
    /* What is prepared must be borrowed as it is. */
    struct jid_scratch other;
    struct jid again;
    char *copy = strdup(row->full);
    assert_true(jid_parse(span_of(copy), &again, &other));
    assert_true(span_eq(again.full, jid.full));
    assert_true(span_eq(jid_domain_of(jid.full), jid.domain));
    assert_true(span_eq(jid_bare_of(jid.full), jid.bare));
    free(copy);
}

#define CHECK_ROWS(rows)                                                                           \
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)                                    \
    check_row(&rows[i])

static void plain_is_borrowed(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "example.com",
        "alice@example.com",
        "alice@example.com/Phone 7",
        "example.com/a@b/c",
        "a!#$%()*+,-.;=?[\\]^_`{|}~9@x-1.example/\"&'/:<>@ ~",
        "alice@127.0.0.1/x",
        "localhost",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct jid_scratch scratch;
        struct jid jid;
        assert_true(jid_parse(span_of(texts[i]), &jid, &scratch));
        assert_ptr_equal(jid.full.p, texts[i]);
        assert_int_equal(jid.full.n, strlen(texts[i]));
        assert_ptr_equal(jid.bare.p, texts[i]);
    }
}

static void parts_are_split(void **state)
{
    (void)state;
    struct jid_scratch scratch;
    struct jid jid;
    assert_true(jid_parse(SPAN("Alice@Example.Com./home/@x"), &jid, &scratch));
    assert_true(span_eq(jid.local, SPAN("alice")));
    assert_true(span_eq(jid.domain, SPAN("example.com")));
    assert_true(span_eq(jid.resource, SPAN("home/@x")));
    assert_true(span_eq(jid.bare, SPAN("alice@example.com")));
    assert_true(span_eq(jid.full, SPAN("alice@example.com/home/@x")));
    assert_ptr_equal(jid.local.p, jid.full.p);
    assert_ptr_equal(jid.resource.p + jid.resource.n, jid.full.p + jid.full.n);
    assert_false(jid_is_bare(&jid));

    assert_true(jid_parse(SPAN("example.com/x"), &jid, &scratch));
    assert_true(span_is_none(jid.local));
    assert_false(jid_is_domain(&jid));
    assert_true(jid_parse(SPAN("example.com"), &jid, &scratch));
    assert_true(jid_is_domain(&jid) && jid_is_bare(&jid));
}

static void locals_are_prepared(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"ALICE@d", "alice@d"},
        {"\xEF\xBD\x81lice@d", "alice@d"}, /* fullwidth a */
        {"\xC4\xB0@d", "i\xCC\x87@d"},     /* U+0130 */
        {"a\xE2\x80\x8D"
         "b@d",
         "ab@d"}, /* ZWJ is mapped to nothing */
        {"a\xC2\xAD"
         "b@d",
         "ab@d"},                 /* so is the soft hyphen */
        {"\xE2\x80\x8D@d", NULL}, /* and may not be all there is */
        {"stra\xC3\x9F"
         "e@d",
         "strasse@d"},
        {"e\xCC\x81@d", "\xC3\xA9@d"},                /* composed */
        {"\xE2\x84\xAA@d", "k@d"},                    /* Kelvin sign */
        {"\xD7\x90\xD7\x91@d", "\xD7\x90\xD7\x91@d"}, /* Hebrew alone */
        {"\xD7\x90"
         "a@d",
         NULL}, /* mixed directions */
        {"a\xE2\x80\xAE"
         "b@d",
         NULL}, /* U+202E */
        {"a\xE2\x81\xA6"
         "b@d",
         NULL}, /* U+2066, younger than the profile */
        {"a\xD8\x9C"
         "b@d",
         NULL},                                       /* U+061C */
        {"\xD9\xA3@d", "\xD9\xA3@d"},                 /* digits of other scripts stay others */
        {"\xF0\x9F\x98\x80@d", "\xF0\x9F\x98\x80@d"}, /* unassigned in 3.2 */
        {"a\xEF\xBC\xA0"
         "b@d",
         NULL}, /* fullwidth @ */
        {"a\xEF\xBC\x8F"
         "b@d",
         NULL},                   /* fullwidth slash */
        {"\xE2\x84\x80@d", NULL}, /* a/c in one sign */
        {"a b@d", NULL},
        {"a\"b@d", NULL},
        {"a&b@d", NULL},
        {"a'b@d", NULL},
        {"a:b@d", NULL},
        {"a<b@d", NULL},
        {"a>b@d", NULL},
        {"a\tb@d", NULL},
        {"a\x7F"
         "b@d",
         NULL},
        {"a\xC2\xA0"
         "b@d",
         NULL}, /* no-break space */
        {"a\\20b@d", "a\\20b@d"},
    };
    CHECK_ROWS(rows);
}

static void domains_are_prepared(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"EXAMPLE.com", "example.com"},
        {"EXAMPLE.com.", "example.com"},
        {"example.com.", "example.com"},
        {"a@example.com./r", "a@example.com/r"},
        {"example.com..", NULL},
        {"b\xC3\xBC"
         "cher.example",
         "b\xC3\xBC"
         "cher.example"},
        {"B\xC3\x9C"
         "CHER.Example",
         "b\xC3\xBC"
         "cher.example"},
        {"xn--bcher-kva.example", "b\xC3\xBC"
                                  "cher.example"},
        {"XN--BCHER-KVA.example", "b\xC3\xBC"
                                  "cher.example"},
        {"xn--strae-oqa.de", "xn--strae-oqa.de"}, /* IDNA 2008 only: stays */
        {"XN--STRAE-OQA.de", "xn--strae-oqa.de"},
        {"stra\xC3\x9F"
         "e.de",
         "strasse.de"},
        {"a\xE3\x80\x82"
         "b",
         "a.b"}, /* U+3002 */
        {"a\xEF\xBC\x8E"
         "b",
         "a.b"}, /* U+FF0E */
        {"a\xEF\xBD\xA1"
         "b",
         "a.b"}, /* U+FF61 */
        {"a.b\xE3\x80\x82", "a.b"},
        {"a.b\xE3\x80\x82.", NULL},
        {"a.b.\xE3\x80\x82", NULL},
        {"\xE3\x80\x82", NULL},
        {"a.\xE3\x80\x82", NULL},
        {"xn--", NULL},
        {"xn--a", NULL},
        {"xn--abc-", NULL},
        {"xn--vka", "xn--vka"}, /* U+01F3 would be "dz"; U+00DF "ss" */
        {"a.XN--VKA.xn--zca", "a.xn--vka.xn--zca"},
        {"x.xn--.y", NULL},
        {"a..b", NULL},
        {".a", NULL},
        {".", NULL},
        {"-a", NULL},
        {"a-", NULL},
        {"a_b", NULL},
        {"a b", NULL},
        {"a@b@c", NULL},
        {"ex:1", NULL},
        {"\xE2\x92\x88"
         "com",
         NULL}, /* digit one with full stop */
        {"a\xE2\x80\xAE"
         "b.com",
         NULL}, /* U+202E */
        {"a\xE2\x84\x80"
         "b.com",
         NULL},                  /* a/c */
        {"\xEF\xBD\x85x", "ex"}, /* fullwidth */
        {"[::1]", "[::1]"},
        {"a@[2001:DB8:0:0::1]/x", "a@[2001:db8::1]/x"},
        {"[::1", NULL},
        {"[]", NULL},
        {"[::g]", NULL},
        {"[127.0.0.1]", NULL},
        {"[fe80::1%lo]", NULL},
        {"192.0.2.1", "192.0.2.1"},
    };
    CHECK_ROWS(rows);
}

static void resources_are_prepared(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"d/Phone", "d/Phone"},
        {"d/ a ", "d/ a "},
        {"d/e\xCC\x81", "d/\xC3\xA9"},
        {"d/\xF0\x9F\x98\x80", "d/\xF0\x9F\x98\x80"},
        {"d/a\nb", NULL},
        {"d/a\xE2\x80\xA8"
         "b",
         NULL}, /* U+2028 */
        {"d/a\xE2\x80\xAE"
         "b",
         NULL},
        {"d/a\xE2\x81\xA9"
         "b",
         NULL},
    };
    CHECK_ROWS(rows);
}

static void empty_parts_are_refused(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"", NULL},   {"@d", NULL}, {"d/", NULL}, {"a@", NULL}, {"a@/r", NULL},
        {"/r", NULL}, {"@", NULL},  {"/", NULL},  {"@/", NULL},
    };
    CHECK_ROWS(rows);
    struct jid_scratch scratch;
    struct jid jid;
    assert_false(jid_parse(SPAN_NONE, &jid, &scratch));
}

static void bad_utf8_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",
        "\xC3",
        "\xC3(",
        "\xC0\xAF",
        "\xE0\x80\xAF",
        "\xED\xA0\x80",
        "\xE2\x82",
        "\xF0\x9F\x98",
        "\xF4\x90\x80\x80",
        "\xF8\x88\x80\x80\x80",
        "\xFF",
        "\xF0\x80\x80\xAF",
    };
    char out[JID_PART_MAX];
    struct span part;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        /* In memory of its own, so that a sanitizer sees a read beyond it. */
        size_t n = strlen(bad[i]);
        char *p = malloc(n);
        memcpy(p, bad[i], n);
        assert_false(jid_prep_local(span_make(p, n), out, &part));
        assert_false(jid_prep_domain(span_make(p, n), out, &part));
        assert_false(jid_prep_resource(span_make(p, n), out, &part));
        free(p);
    }
    assert_false(jid_prep_local(span_make("a\0b", 3), out, &part));
    assert_false(jid_prep_domain(span_make("A\0b", 3), out, &part));
    assert_false(jid_prep_resource(span_make("a\0b", 3), out, &part));
}

/* n bytes: as many of unit as fit, the rest filled with 'a' in front. */
static struct span fill(char *to, size_t n, const char *unit)
{
    size_t u = strlen(unit), at = n % u;
    memset(to, 'a', at);
    for (; at < n; at += u)
        memcpy(to + at, unit, u);
    return span_make(to, n);
}

static void parts_have_limits(void **state)
{
    (void)state;
    static const char *const units[] = {"a", "\xC3\xBC", "\xE4\xB8\xAD", "\xF0\x9F\x98\x80"};
    char in[JID_PART_MAX + 2], out[JID_PART_MAX];
    struct span part;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        assert_true(jid_prep_local(fill(in, JID_PART_MAX, units[i]), out, &part));
        assert_int_equal(part.n, JID_PART_MAX);
        assert_false(jid_prep_local(fill(in, JID_PART_MAX + 1, units[i]), out, &part));
        assert_true(jid_prep_resource(fill(in, JID_PART_MAX, units[i]), out, &part));
        assert_int_equal(part.n, JID_PART_MAX);
        assert_false(jid_prep_resource(fill(in, JID_PART_MAX + 1, units[i]), out, &part));
    }
    /* Grows past the limit while it is prepared: U+FDFA is eighteen characters. */
    assert_false(jid_prep_resource(fill(in, JID_PART_MAX, "\xEF\xB7\xBA"), out, &part));
    /* Upper case takes the slow path up to the last byte, too. */
    memset(in, 'A', JID_PART_MAX);
    assert_true(jid_prep_local(span_make(in, JID_PART_MAX), out, &part));
    assert_int_equal(part.n, JID_PART_MAX);

    /* 16 labels of 63 letters with 15 dots between make 1,023. */
    fill(in, JID_PART_MAX + 1, "a");
    for (size_t i = 63; i < JID_PART_MAX; i += 64)
        in[i] = '.';
    assert_true(jid_prep_domain(span_make(in, JID_PART_MAX), out, &part));
    assert_int_equal(part.n, JID_PART_MAX);
    in[63] = 'a';
    assert_false(jid_prep_domain(span_make(in, 64), out, &part));
    in[0] = 'A';
    assert_false(jid_prep_domain(span_make(in, 64), out, &part));
    assert_true(jid_prep_domain(span_make(in, 63), out, &part));
    /* 63 octets are counted in the ASCII form. */
    assert_false(jid_prep_domain(fill(in, 124, "\xC3\xBC\x61"), out, &part));
}

static void the_longest_address_fits(void **state)
{
    (void)state;
    struct jid_scratch *scratch = malloc(sizeof(*scratch));
    char *text = malloc(JID_TEXT_MAX);
    struct jid jid;
    memset(text, 'A', JID_TEXT_MAX);
    text[JID_PART_MAX] = '@';
    text[2 * JID_PART_MAX + 1] = '/';
    for (size_t i = 63; i < JID_PART_MAX; i += 64)
        text[JID_PART_MAX + 1 + i] = '.';
    memcpy(text + JID_TEXT_MAX - 2, "\xC3\xBC", 2);
    assert_true(jid_parse(span_make(text, JID_TEXT_MAX), &jid, scratch));
    assert_int_equal(jid.full.n, JID_TEXT_MAX);
    assert_int_equal(jid.local.n, JID_PART_MAX);
    assert_int_equal(jid.domain.n, JID_PART_MAX);
    assert_int_equal(jid.resource.n, JID_PART_MAX);
    assert_true(jid.local.p[0] == 'a' && jid.domain.p[0] == 'a' && jid.resource.p[0] == 'A');
    free(text);
    free(scratch);
}

/* Whatever comes out must come out of itself again: no two users behind one spelling. */
static void preparation_is_stable(void **state)
{
    (void)state;
    char in[8], out[JID_PART_MAX], again[JID_PART_MAX];
    struct span part, second;
    for (uint32_t code = 0x80; code < 0x20000; code++) {
        size_t n = 0;
        if (code < 0x800) {
            in[n++] = (char)(0xC0 | code >> 6);
        } else if (code < 0x10000) {
            in[n++] = (char)(0xE0 | code >> 12);
            in[n++] = (char)(0x80 | (code >> 6 & 0x3F));
        } else {
            in[n++] = (char)(0xF0 | code >> 18);
            in[n++] = (char)(0x80 | (code >> 12 & 0x3F));
            in[n++] = (char)(0x80 | (code >> 6 & 0x3F));
        }
        in[n++] = (char)(0x80 | (code & 0x3F));
        bool surrogate = code >= 0xD800 && code < 0xE000;
        if (jid_prep_local(span_make(in, n), out, &part)) {
            assert_false(surrogate);
            assert_true(jid_prep_local(part, again, &second));
            assert_true(span_eq(part, second));
        }
        if (code % 7 == 0 && jid_prep_domain(span_make(in, n), out, &part)) {
            assert_false(surrogate);
            assert_true(jid_prep_domain(part, again, &second));
            assert_true(span_eq(part, second));
        }
    }
}

static void domains_have_an_ascii_form(void **state)
{
    static const struct {
        const char *domain, *ascii; /* NULL: none */
    } cases[] = {
        {"example.org", "example.org"},
        {"b\xC3\xBC" "cher.example", "xn--bcher-kva.example"},
        {"Example.ORG", "example.org"},
        {"xn--bcher-kva.example", "xn--bcher-kva.example"},
        {"[::1]", NULL},
        {"192.0.2.1", "192.0.2.1"},
        {"a_b.example", NULL},
        {"", NULL},
    };
    char out[JID_ASCII_MAX + 1], longest[JID_PART_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool good = jid_domain_to_ascii(span_of(cases[i].domain), out);
        assert_int_equal(good, cases[i].ascii != NULL);
        if (good)
            assert_string_equal(out, cases[i].ascii);
    }
    memset(longest, 'a', sizeof(longest));
    for (size_t i = 60; i < sizeof(longest); i += 61)
        longest[i] = '.';
    assert_true(jid_domain_to_ascii(span_make(longest, JID_ASCII_MAX), out));
    assert_int_equal(strlen(out), JID_ASCII_MAX);
    assert_false(jid_domain_to_ascii(span_make(longest, JID_ASCII_MAX + 1), out));
    assert_false(jid_domain_to_ascii(span_make("a\0b.example", 11), out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_is_borrowed),        cmocka_unit_test(parts_are_split),
        cmocka_unit_test(locals_are_prepared),      cmocka_unit_test(domains_are_prepared),
        cmocka_unit_test(domains_have_an_ascii_form),
        cmocka_unit_test(resources_are_prepared),   cmocka_unit_test(empty_parts_are_refused),
        cmocka_unit_test(bad_utf8_is_refused),      cmocka_unit_test(parts_have_limits),
        cmocka_unit_test(the_longest_address_fits), cmocka_unit_test(preparation_is_stable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
