/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tests of xml/framer: what it cuts, what it refuses, that chunking changes nothing, and that its
 * limits are exact. The numbers X.. are those of the list of hostile input.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "xml/framer.h"

#include <stdio.h>
#include <stdlib.h>

#define H "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
#define XML "<?xml version='1.0'?>"

/* The outcome of a whole input: "O" open, "S" stanza, "_" space (a run of them), "C" close, and in
 * the end "..." when more bytes are needed, or the fault's name. */
struct outcome {
    char text[512];
    size_t taken;
};

static void note(struct outcome *o, const char *what)
{
    size_t n = strlen(o->text);
    if (strcmp(what, "_") == 0 && n && o->text[n - 1] == '_')
        return; /* how space is cut depends on the chunks */
    snprintf(o->text + n, sizeof(o->text) - n, "%s", what);
}

/* Feeds one chunk; false after a fault. */
static bool feed(struct framer *f, const char *p, size_t n, struct outcome *o)
{
    static const char *const names[] = {"", "O", "S", "_", "C", ""};
    while (n) {
        enum frame frame;
        size_t taken = framer_scan(f, p, n, &frame);
        assert_true(taken <= n);
        assert_true(taken > 0);
        o->taken += taken;
        p += taken;
        n -= taken;
        note(o, names[frame]);
        if (frame == FRAME_FAULT) {
            note(o, xml_fault_name(f->fault));
            return false;
        }
    }
    return true;
}

/* first: size of the first chunk; chunk: of the others. */
static struct outcome run(const struct framer *fresh, struct span in, size_t first, size_t chunk)
{
    struct framer f = *fresh;
    struct outcome o = {.taken = 0};
    size_t at = 0, n = first < in.n ? first : in.n;
    while (at < in.n) {
        /* A copy of its own, so that a look past the chunk is found out. */
        char *copy = mem_strndup(in.p + at, n);
        bool go_on = feed(&f, copy, n, &o);
        free(copy);
        if (!go_on)
            return o;
        at += n;
        n = chunk < in.n - at ? chunk : in.n - at;
    }
    if (f.frame_bytes)
        note(&o, "...");
    return o;
}

/* The same at every chunking, and as expected. */
static void expect(const struct framer *fresh, struct span in, const char *expected)
{
    static const size_t chunks[] = {1, 2, 3, 7, 64};
    struct outcome whole = run(fresh, in, in.n, in.n);
    if (strcmp(whole.text, expected) != 0)
        print_error("input: %.*s\n", SPAN_ARG(in));
    assert_string_equal(whole.text, expected);
    for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
        struct outcome o = run(fresh, in, chunks[i], chunks[i]);
        assert_string_equal(o.text, expected);
        assert_int_equal(o.taken, whole.taken);
    }
    for (size_t cut = 1; cut < in.n && in.n < 2000; cut++) {
        struct outcome o = run(fresh, in, cut, in.n);
        assert_string_equal(o.text, expected);
        assert_int_equal(o.taken, whole.taken);
    }
}

struct framer_case {
    const char *in;
    size_t n;
    const char *expected;
};

#define CASE(in, expected)                                                                         \
    {                                                                                              \
        in, sizeof(in) - 1, expected                                                               \
    }

static void expect_all(const struct framer *fresh, const struct framer_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect(fresh, span_make(cases[i].in, cases[i].n), cases[i].expected);
}

static struct framer stream_framer(void)
{
    struct framer f;
    framer_init(&f, &framer_limits_client);
    return f;
}

/* In an open stream. */
static struct framer open_framer(void)
{
    struct framer f = stream_framer();
    enum frame frame;
    assert_int_equal(framer_scan(&f, H, sizeof(H) - 1, &frame), sizeof(H) - 1);
    assert_int_equal(frame, FRAME_OPEN);
    return f;
}

static void test_starts(void **state)
{
    static const struct framer_case cases[] = {
        CASE(H, "O"),
        CASE(XML H, "O"),
        CASE("<?xml version=\"1.0\" encoding=\"utf-8\" standalone='yes' ?>\r\n\t " H, "O"),
        CASE("<?xml\nversion = '1.0'\tencoding='UTF-8'?>" H "<a/>", "OS"),
        CASE("<?xml version='1.0' standalone=\"yes\"?>" H, "O"),
        CASE(" \n" H "<a/>", "_OS"),
        CASE("<a>", "O"),
        CASE("<a b='1>2/>'>", "O"),
        CASE(H "</stream:stream>", "OC"),
        CASE(H "</stream:stream\n>", "OC"),
        CASE(H "</stream:stream><!DOCTYPE what follows is ignored", "OC"), /* X35 */
        CASE("", ""),
        CASE("<", "..."),
        CASE("<stream:stream", "..."),
        CASE("<?xml version='1.0'", "..."),
        CASE("<a/>", "bad-format"),
        CASE("</a>", "not-well-formed"),
        CASE("<>", "not-well-formed"),
        CASE("<1>", "not-well-formed"),
        CASE("hello", "not-well-formed"),
        CASE(XML "hello", "not-well-formed"),
        CASE(" hello", "_not-well-formed"),
        CASE("<![CDATA[x]]>", "restricted-xml"),
        CASE("<!DOCTYPE l [<!ENTITY a 'lol'>]>", "restricted-xml"), /* X01 to X04 */
        CASE(XML "<!DOCTYPE l SYSTEM 'file:///x'>", "restricted-xml"),
        CASE("<!-- x -->" H, "restricted-xml"),
        CASE(XML XML, "restricted-xml"), /* X14 */
        CASE(" " XML, "_restricted-xml"),
        CASE("<?xml-stylesheet?>", "restricted-xml"),
        CASE("<?php?>", "restricted-xml"),
        CASE("<?"
             "?>",
             "restricted-xml"),
        CASE("<?xml version='1.1'?>", "restricted-xml"),
        CASE("<?xml version='2.0'?>", "restricted-xml"),
        CASE("<?xml version='1.0' standalone='no'?>", "restricted-xml"),
        CASE("<?xml version='1.0' standalone='maybe'?>", "not-well-formed"),
        CASE("<?xml encoding='UTF-8'?>", "not-well-formed"),
        CASE("<?xml version='1.0'encoding='UTF-8'?>", "not-well-formed"),
        CASE("<?xml version='1.0' encoding='UTF-8\"?>", "not-well-formed"),
        CASE("<?xml version='1.0' encoding=UTF-8?>", "not-well-formed"),
        CASE("<?xml standalone='yes' version='1.0'?>", "not-well-formed"),
        CASE("<?xml version='1.0' more='x'?>", "not-well-formed"),
        CASE("<?xml version='1.0' version='1.0'?>", "not-well-formed"),
        CASE("<?xml version='1.\xC3\xA9'?>", "not-well-formed"),
        CASE("<?xml version='1.0' \x01?>", "not-well-formed"),
        CASE("<?xml version='1.0' encoding='ISO-8859-1'?>", "unsupported-encoding"), /* X13 */
        CASE("<?xml version='1.0' encoding='UTF-7'?>", "unsupported-encoding"),
        CASE("<?xml version='1.0' encoding='utf-16'?>", "unsupported-encoding"),
        CASE("<?xml version='1.0' encoding='bogus'?>", "unsupported-encoding"),
        CASE("<?xml version='1.0' encoding=''?>", "unsupported-encoding"),
    };
    (void)state;
    struct framer f = stream_framer();
    expect_all(&f, cases, ARRAY_LEN(cases));
}

/* X12, X15 */
static void test_encodings(void **state)
{
    static const struct framer_case cases[] = {
        CASE("<\0?\0x\0", "unsupported-encoding"),
        CASE("\0<\0?\0x", "unsupported-encoding"),
        CASE("\xFF\xFE<\0?\0", "unsupported-encoding"),
        CASE("\xFE\xFF\0<\0?", "unsupported-encoding"),
        CASE("\0\0\0<", "unsupported-encoding"),
        CASE("\x4C\x6F\xA7\x94\x93", "unsupported-encoding"), /* "<?xml" */
        CASE("\x4C\xA2\xA3\x99", "unsupported-encoding"),     /* "<str" */
        CASE("Lo", "..."),
        CASE("Lorem", "not-well-formed"),
        CASE("Loo", "not-well-formed"),
        CASE("L<", "not-well-formed"),
        CASE("\xEF\xBB\xBF<a>", "not-well-formed"),
        CASE("\x01", "not-well-formed"),
    };
    (void)state;
    struct framer f = stream_framer();
    expect_all(&f, cases, ARRAY_LEN(cases));
}

static void test_stanzas(void **state)
{
    static const struct framer_case cases[] = {
        CASE("<a/>", "S"),
        CASE("<a></a>", "S"),
        CASE("<a></a >", "S"),
        CASE("<a/><b/>\n<c>x</c>", "SS_S"),
        CASE(" \t\r\n", "_"),
        CASE("<iq><c xmlns='u' xmlns='u'/></iq><b/>", "SS"), /* the parser judges that */
        CASE("<a b='>' c=\"/>'\" d = ''/>", "S"),
        CASE("<a><b><c/></b>t<b x='<'", "not-well-formed"),
        CASE("<a><b><c/></b>t</a><d", "S..."),
        CASE("<a>x > y ] ]] </a>", "S"),
        CASE("<a><![CDATA[<presence/>]]></a>", "S"), /* X29 */
        CASE("<a><![CDATA[]]]]><![CDATA[]]></a>", "S"),
        CASE("<a><![CDATA[]]]></a>", "S"),
        CASE("<a><![CDATA[]>]]x]]></a>", "S"),
        CASE("<a><![CDATA[</a>", "..."),
        CASE("<a><![CDATA[]></a>]]></a>", "S"),
        CASE("<p:a xmlns:p='u'/>", "S"),
        CASE("<_a.-1/>", "S"),
        CASE("<\xC3\xA9l\xC3\xA9 \xC3\xA9='\xC3\xA9'>\xC3\xA9</\xC3\xA9l\xC3\xA9>", "S"),
        CASE("hello", "bad-format"), /* X28 */
        CASE("\xC3\xA9", "bad-format"),
        CASE("<a/>x", "Sbad-format"),
        CASE("]]>", "bad-format"),
        CASE("\xFF", "not-well-formed"),
        CASE("\x80", "not-well-formed"),
        CASE("\x01", "not-well-formed"),
        CASE("<![CDATA[x]]>", "restricted-xml"),
        CASE("<!DOCTYPE a>", "restricted-xml"),
        CASE("<a><!DOCTYPE a>", "restricted-xml"),
        CASE("<a><!-- x -->", "restricted-xml"), /* X05 */
        CASE("<a><![CDATa[", "restricted-xml"),
        CASE("<a><![cdata[", "restricted-xml"),
        CASE("<?pi?>", "restricted-xml"), /* X06 */
        CASE("<a><?pi?></a>", "restricted-xml"),
        CASE(XML, "restricted-xml"), /* X14 */
        CASE("< a/>", "not-well-formed"),
        CASE("<a/ >", "not-well-formed"),
        CASE("<a/b>", "not-well-formed"),
        CASE("<a <b/>", "not-well-formed"),
        CASE("<a></>", "not-well-formed"),
        CASE("<a></ a>", "not-well-formed"),
        CASE("<a></a/>", "not-well-formed"),
        CASE("<a></a b='c'>", "not-well-formed"),
        CASE("<a></a<", "not-well-formed"),
        CASE("<a>\x1F", "not-well-formed"),
        CASE("<a \x1F", "not-well-formed"),
        CASE("<a b='\x0B", "not-well-formed"),
        CASE("<a></a\x0C>", "not-well-formed"),
        CASE("<a>\0", "not-well-formed"), /* X09 */
        CASE("<a b='\0", "not-well-formed"),
        CASE("<a\0", "not-well-formed"),
        CASE("\0", "not-well-formed"),
        CASE("<a><![CDATA[\0", "not-well-formed"),
    };
    (void)state;
    struct framer f = open_framer();
    expect_all(&f, cases, ARRAY_LEN(cases));
}

static void test_stanzas_without_root(void **state)
{
    static const struct framer_case cases[] = {
        CASE("<a><b/></a>\n<c/>", "S_S"),
        CASE("</a>", "not-well-formed"),
        CASE("<?xml version='1.0'?>", "restricted-xml"),
        CASE("x", "bad-format"),
    };
    (void)state;
    struct framer f;
    framer_init_stanzas(&f, &framer_limits_client);
    expect_all(&f, cases, ARRAY_LEN(cases));
}

static const struct {
    const char *bytes;
    bool is_good;
} sequences[] = {
    {"\x7F", true},
    {"\t\n\r ", true},
    {"\xC2\x80", true},
    {"\xDF\xBF", true},
    {"\xE0\xA0\x80", true},
    {"\xED\x9F\xBF", true},
    {"\xEE\x80\x80", true},
    {"\xEF\xBF\xBD", true},
    {"\xEF\xBB\xBF", true},
    {"\xF0\x90\x80\x80", true},
    {"\xF0\x9F\xBF\xBE", true}, /* only the two of the first plane are barred */
    {"\xF4\x8F\xBF\xBF", true},
    {"\xD0\x96\xE4\xB8\xAD\xF0\x9F\x98\x80\xC3\xA9", true},
    /* X10 */
    {"\xC0\xBC", false},
    {"\xC1\xBF", false},
    {"\xE0\x80\xBC", false},
    {"\xE0\x9F\xBF", false},
    {"\xF0\x80\x80\xBC", false},
    {"\xF0\x82\x82\xAC", false},
    {"\xF0\x8F\xBF\xBF", false},
    /* X11 */
    {"\xED\xA0\x80", false},
    {"\xED\xA0\xBD\xED\xB8\x80", false},
    {"\xED\xBF\xBF", false},
    {"\xF4\x90\x80\x80", false},
    {"\xF5\x80\x80\x80", false},
    {"\xFF", false},
    {"\xFE", false},
    {"\x80", false},
    {"\xC3", false},
    {"\xE4\xB8", false},
    {"\xF0\x9F\x98", false},
    {"\xC3\xC3\xA9", false},
    {"\xE4\xB8\x41", false},
    {"\xEF\xBF\xBE", false},
    {"\xEF\xBF\xBF", false},
    {"\x01", false},
    {"\x0B", false},
    {"\x1F", false},
};

static void test_characters(void **state)
{
    static const struct {
        const char *before, *after;
    } places[] = {
        {"<a>", "</a>"},
        {"<a>some text before ", " and after it</a>"},
        {"<a b='", "'/>"},
        {"<a b=\"value \"c='", "'></a>"},
        {"<a><![CDATA[", "]]></a>"},
        {"<a><![CDATA[]", "]]></a>"},
        {"<a", "/>"},
        {"<a xmlns='urn:", "'/>"},
        {"<a></a", ">"},
    };
    (void)state;
    struct framer f = open_framer();
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        for (size_t j = 0; j < ARRAY_LEN(sequences); j++) {
            char in[128];
            snprintf(in, sizeof(in), "%s%s%s", places[i].before, sequences[j].bytes,
                     places[i].after);
            expect(&f, span_of(in), sequences[j].is_good ? "S" : "not-well-formed");
        }
    }
}

static void test_utf8_check(void **state)
{
    (void)state;
    assert_true(utf8_check(SPAN_NONE));
    assert_true(utf8_check(SPAN("")));
    for (size_t j = 0; j < ARRAY_LEN(sequences); j++) {
        char in[128];
        assert_int_equal(utf8_check(span_of(sequences[j].bytes)), sequences[j].is_good);
        snprintf(in, sizeof(in), "a longer text <&> %s", sequences[j].bytes);
        assert_int_equal(utf8_check(span_of(in)), sequences[j].is_good);
        snprintf(in, sizeof(in), "a longer text <&> %s and more", sequences[j].bytes);
        assert_int_equal(utf8_check(span_of(in)), sequences[j].is_good);
    }
    assert_false(utf8_check(SPAN("a\0b")));
}

/* n times c between before and after, judged with the limits. */
static void expect_filled(const struct framer_limits *limits, const char *before, char c, size_t n,
                          const char *after, const char *expected)
{
    struct framer f;
    framer_init_stanzas(&f, limits);
    struct buf b = {.p = NULL};
    buf_append_z(&b, before);
    for (size_t i = 0; i < n; i++)
        buf_append_char(&b, c);
    buf_append_z(&b, after);
    expect(&f, buf_span(&b), expected);
    buf_free(&b);
}

static void test_limit_of_bytes(void **state)
{
    static const struct framer_limits limits = {100, 90, 5, 50};
    (void)state;
    expect_filled(&limits, "<a>", 'x', 92, "</a>", "S"); /* X23: limit - 1, limit, limit + 1 */
    expect_filled(&limits, "<a>", 'x', 93, "</a>", "S");
    expect_filled(&limits, "<a>", 'x', 94, "</a>", "too-big");
    expect_filled(&limits, "<a>", 'x', 1000, "", "too-big");
    expect_filled(&limits, "<a><![CDATA[", 'x', 1000, "", "too-big");
    expect_filled(&limits, "<a/><a>", 'x', 93, "</a><a/>", "SSS");
    expect_filled(&limits, "<a/>", ' ', 1000, "<a/>", "S_S");
    expect_filled(&limits, "<a/><a>", 'x', 94, "</a><a/>", "Stoo-big");
}

static void test_limit_of_tags(void **state)
{
    static const struct framer_limits limits = {1000, 50, 5, 50};
    (void)state;
    expect_filled(&limits, "<a b='", 'x', 41, "'/>", "S");
    expect_filled(&limits, "<a b='", 'x', 42, "'/>", "too-complex");
    expect_filled(&limits, "<a b='", 'x', 500, "", "too-complex");
    expect_filled(&limits, "<a ", ' ', 46, ">t</a>", "S");
    expect_filled(&limits, "<a ", ' ', 47, ">t</a>", "too-complex");
    expect_filled(&limits, "<a>text</a", ' ', 46, ">", "S");
    expect_filled(&limits, "<a>text</a", ' ', 47, ">", "too-complex");
    expect_filled(&limits, "<a>some text before <b c='", 'x', 41, "'/></a>", "S");
    expect_filled(&limits, "<a>some text before <b c='", 'x', 42, "'/></a>", "too-complex");
    /* The limit falls into a character. */
    expect_filled(&limits, "<a b='", 'x', 43, "\xE4\xB8\xAD'/>", "too-complex");
}

static void test_limit_of_depth(void **state)
{
    static const struct framer_limits limits = {1000, 50, 3, 50};
    static const struct framer_case cases[] = {
        CASE("<a><b><c/></b></a>", "S"),
        CASE("<a><b><c></c></b><b><c/></b></a>", "S"),
        CASE("<a><b><c><d/></c></b></a>", "too-complex"),
        CASE("<a/><a><b><c><d/></c></b></a>", "Stoo-complex"),
    };
    (void)state;
    struct framer f;
    framer_init_stanzas(&f, &limits);
    expect_all(&f, cases, ARRAY_LEN(cases));
    /* With a root the depth is the same. */
    framer_init(&f, &limits);
    enum frame frame;
    framer_scan(&f, "<r>", 3, &frame);
    expect_all(&f, cases, ARRAY_LEN(cases));
}

static void test_limit_of_elements(void **state)
{
    static const struct framer_limits limits = {1000, 50, 3, 4};
    static const struct framer_case cases[] = {
        CASE("<a><b/><b/><b/></a>", "S"), CASE("<a><b/><b/><b/></a><a><b/><b/><b/></a>", "SS"),
        CASE("<a><b/><b/><b/><b/></a>", "too-complex"), /* X22 */
    };
    (void)state;
    struct framer f;
    framer_init_stanzas(&f, &limits);
    expect_all(&f, cases, ARRAY_LEN(cases));
}

static void test_limits_change(void **state)
{
    (void)state;
    struct framer f;
    enum frame frame;
    framer_init_stanzas(&f, &framer_limits_client);
    char text[9000];
    memset(text, 'x', sizeof(text));
    memcpy(text, "<a>", 3);
    assert_int_equal(framer_scan(&f, text, sizeof(text), &frame), sizeof(text));
    assert_int_equal(frame, FRAME_MORE);
    framer_set_limits(&f, &framer_limits_prelogin); /* below what has come already */
    assert_int_equal(framer_scan(&f, "x", 1, &frame), 1);
    assert_int_equal(frame, FRAME_FAULT);
    assert_int_equal(f.fault, XML_TOO_BIG);
    assert_int_equal(framer_scan(&f, "<a/>", 4, &frame), 4); /* it stays so */
    assert_int_equal(frame, FRAME_FAULT);
}

/* A declaration is collected only up to a bound. */
static void test_long_declaration(void **state)
{
    (void)state;
    struct framer f = stream_framer();
    struct buf b = {.p = NULL};
    buf_append_z(&b, "<?xml version='1.0'");
    for (int i = 0; i < 300; i++)
        buf_append_char(&b, ' ');
    buf_append_z(&b, "?>");
    expect(&f, buf_span(&b), "too-complex");
    buf_free(&b);
}

/* Frames are cut where they end, at every chunk size. */
static void test_frames_bytes(void **state)
{
    static const char *const frames[] = {
        XML "\n" H,
        "<a b='c'>text</a>",
        "\n",
        "<d/>",
        "<e><f/>\xC3\xA9<![CDATA[</e>]]></e>",
        "</stream:stream>",
    };
    char all[512] = "";
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(frames); i++)
        strncat(all, frames[i], sizeof(all) - strlen(all) - 1);
    size_t len = strlen(all);
    for (size_t chunk = 1; chunk <= len; chunk++) {
        struct framer f = stream_framer();
        size_t begin = 0, at = 0, count = 0;
        while (at < len) {
            enum frame frame;
            size_t n = len - at < chunk ? len - at : chunk;
            at += framer_scan(&f, all + at, n, &frame);
            if (frame == FRAME_MORE)
                continue;
            assert_int_not_equal(frame, FRAME_FAULT);
            assert_true(count < ARRAY_LEN(frames));
            assert_int_equal(at - begin, strlen(frames[count]));
            assert_memory_equal(all + begin, frames[count], at - begin);
            begin = at;
            count++;
        }
        assert_int_equal(count, ARRAY_LEN(frames));
    }
}

static void test_empty_chunk(void **state)
{
    (void)state;
    struct framer f = open_framer();
    enum frame frame;
    assert_int_equal(framer_scan(&f, "<a>", 0, &frame), 0);
    assert_int_equal(frame, FRAME_MORE);
}

static void test_fault_names(void **state)
{
    (void)state;
    assert_string_equal(xml_fault_name(XML_OK), "ok");
    assert_string_equal(xml_fault_name(XML_INVALID), "invalid-xml");
    assert_string_equal(xml_fault_name((enum xml_fault)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starts),         cmocka_unit_test(test_encodings),
        cmocka_unit_test(test_stanzas),        cmocka_unit_test(test_stanzas_without_root),
        cmocka_unit_test(test_characters),     cmocka_unit_test(test_utf8_check),
        cmocka_unit_test(test_limit_of_bytes), cmocka_unit_test(test_limit_of_tags),
        cmocka_unit_test(test_limit_of_depth), cmocka_unit_test(test_limit_of_elements),
        cmocka_unit_test(test_limits_change),  cmocka_unit_test(test_long_declaration),
        cmocka_unit_test(test_frames_bytes),   cmocka_unit_test(test_empty_chunk),
        cmocka_unit_test(test_fault_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
