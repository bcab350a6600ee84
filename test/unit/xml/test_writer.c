/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tests of xml/writer: exact bytes, and that what is written is read again as the same stanza.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "dump.h"
#include "xml/framer.h"
#include "xml/parser.h"
#include "xml/writer.h"

#include <stdio.h>

#define CLIENT SPAN("jabber:client")
#define COMPONENT SPAN("jabber:component:accept")
#define SERVER SPAN("jabber:server")

static int free_shared(void **state)
{
    (void)state;
    xml_parser_shared_free();
    return 0;
}

static void parse(const char *text, struct stanza *s)
{
    enum xml_fault fault = xml_parse_stanza(xml_parser_shared(CLIENT), span_of(text), s);
    if (fault)
        print_error("input: %s\n", text);
    assert_int_equal(fault, XML_OK);
}

static void expect_buf(struct buf *b, const char *expected)
{
    assert_string_equal(buf_z(b), expected);
    buf_free(b);
}

static void expect_written(const char *text, const struct stanza_write_opts *opts,
                           const char *expected)
{
    struct stanza s = {.nodes = NULL};
    struct buf b = {.p = NULL};
    parse(text, &s);
    stanza_write(&b, &s, opts);
    expect_buf(&b, expected);
    stanza_free(&s);
}

static void test_namespaces(void **state)
{
    static const struct {
        const char *in, *same, *mapped; /* to jabber:client; from it to jabber:component:accept */
    } cases[] = {
        {"<m/>", "<m/>", "<m/>"},
        {"<m><b>t</b><c></c></m>", "<m><b>t</b><c/></m>", "<m><b>t</b><c/></m>"},
        {"<m xmlns='u'/>", "<m xmlns='u'/>", "<m xmlns='u'/>"},
        {"<p:m xmlns:p='u'><p:a/></p:m>", "<m xmlns='u'><a/></m>", "<m xmlns='u'><a/></m>"},
        {"<m><x xmlns='u'><y/><z xmlns='v'/></x></m>", "<m><x xmlns='u'><y/><z xmlns='v'/></x></m>",
         "<m><x xmlns='u'><y/><z xmlns='v'/></x></m>"},
        /* A stanza within a stanza stays what it was. */
        {"<m><f xmlns='u'><m xmlns='jabber:client'><b/></m><g/></f><b/></m>",
         "<m><f xmlns='u'><m xmlns='jabber:client'><b/></m><g/></f><b/></m>",
         "<m><f xmlns='u'><m xmlns='jabber:client'><b/></m><g/></f><b/></m>"},
        {"<m xmlns='u'><a xmlns='jabber:client'/></m>",
         "<m xmlns='u'><a xmlns='jabber:client'/></m>",
         "<m xmlns='u'><a xmlns='jabber:client'/></m>"},
        {"<m><c xmlns='jabber:component:accept'><d xmlns='jabber:client'/></c></m>",
         "<m><c xmlns='jabber:component:accept'><d xmlns='jabber:client'/></c></m>",
         "<m><c><d/></c></m>"},
        {"<m><f xmlns='u'/><c xmlns='jabber:component:accept'/></m>",
         "<m><f xmlns='u'/><c xmlns='jabber:component:accept'/></m>", "<m><f xmlns='u'/><c/></m>"},
        {"<m><f xmlns='u'>t</f><c xmlns='jabber:component:accept'/></m>",
         "<m><f xmlns='u'>t</f><c xmlns='jabber:component:accept'/></m>",
         "<m><f xmlns='u'>t</f><c/></m>"},
        {"<m><f xmlns='u'><a xmlns='jabber:component:accept'/></f></m>",
         "<m><f xmlns='u'><a xmlns='jabber:component:accept'/></f></m>",
         "<m><f xmlns='u'><a xmlns='jabber:component:accept'/></f></m>"},
        {"<m><n xmlns=''><o/><p xmlns='jabber:client'/></n></m>",
         "<m><n xmlns=''><o/><p xmlns='jabber:client'/></n></m>",
         "<m><n xmlns=''><o/><p xmlns='jabber:client'/></n></m>"},
        {"<m><a xmlns='u'/><b xmlns='u'><c/></b>t<d/></m>",
         "<m><a xmlns='u'/><b xmlns='u'><c/></b>t<d/></m>",
         "<m><a xmlns='u'/><b xmlns='u'><c/></b>t<d/></m>"},
        {"<m><a xmlns='u&amp;&apos;'/></m>", "<m><a xmlns='u&amp;&apos;'/></m>",
         "<m><a xmlns='u&amp;&apos;'/></m>"},
    };
    (void)state;
    const struct stanza_write_opts same = {.ns = CLIENT};
    const struct stanza_write_opts mapped = {.ns = COMPONENT, .from_ns = CLIENT};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        expect_written(cases[i].in, &same, cases[i].same);
        expect_written(cases[i].in, &mapped, cases[i].mapped);
    }
    const struct stanza_write_opts other = {.ns = SERVER};
    expect_written("<m><b/></m>", &other, "<m xmlns='jabber:client'><b/></m>");
    const struct stanza_write_opts nowhere = {.ns = SPAN_NONE};
    expect_written("<m><b/></m>", &nowhere, "<m xmlns='jabber:client'><b/></m>");
    expect_written("<m xmlns=''><b/></m>", &nowhere, "<m><b/></m>");
}

static void test_escaping(void **state)
{
    (void)state;
    struct stanza s = {.nodes = NULL};
    struct buf b = {.p = NULL};
    stanza_add(&s, 0, CLIENT, SPAN("m"));
    stanza_set_attr(&s, 0, SPAN("k"), SPAN("&<>\"'\t\n\r \xC3\xA9"));
    stanza_add_text(&s, 0, SPAN("a&<>\"'\t\n\r]]>\xC3\xA9"));
    stanza_write_node(&b, &s, 0, CLIENT);
    expect_buf(&b, "<m k='&amp;&lt;&gt;&quot;&apos;&#9;&#10;&#13; \xC3\xA9'>"
                   "a&amp;&lt;&gt;&quot;&apos;\t\n&#13;]]&gt;\xC3\xA9</m>");
    stanza_free(&s);
    xml_text(&b, SPAN(""));
    xml_text(&b, SPAN_NONE);
    xml_text(&b, SPAN("<long enough to be skipped over in steps>\n"));
    xml_value(&b, SPAN("'\n"));
    xml_attr(&b, "to", SPAN("a'b"));
    xml_attr(&b, "from", SPAN_NONE);
    xml_attr(&b, "id", SPAN(""));
    xml_raw(&b, SPAN("</x>"));
    expect_buf(&b, "&lt;long enough to be skipped over in steps&gt;\n&apos;&#10;"
                   " to='a&apos;b' id=''</x>");
    /* X29, X31 */
    const struct stanza_write_opts opts = {.ns = CLIENT};
    expect_written("<m><b><![CDATA[<presence/>]]></b></m>", &opts,
                   "<m><b>&lt;presence/&gt;</b></m>");
    expect_written("<m k='&#10;&#9;&#13;&quot;&lt;'/>", &opts, "<m k='&#10;&#9;&#13;&quot;&lt;'/>");
}

static const char *entity(char c, bool in_value)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&apos;";
    case '\r':
        return "&#13;";
    case '\t':
        return in_value ? "&#9;" : NULL;
    case '\n':
        return in_value ? "&#10;" : NULL;
    default:
        return NULL;
    }
}

static void expect_escaped(struct span text, bool in_value)
{
    struct buf want = {.p = NULL}, have = {.p = NULL};
    for (size_t i = 0; i < text.n; i++) {
        const char *e = entity(text.p[i], in_value);
        if (e)
            buf_append_z(&want, e);
        else
            buf_append_char(&want, text.p[i]);
    }
    (in_value ? xml_value : xml_text)(&have, text);
    assert_int_equal(buf_len(&have), buf_len(&want));
    assert_memory_equal(buf_z(&have), buf_z(&want), buf_len(&want));
    buf_free(&want);
    buf_free(&have);
}

/* Each byte at each place of texts that are shorter and longer than what is looked at at once. */
static void test_escaping_everywhere(void **state)
{
    char text[40];
    (void)state;
    for (size_t n = 1; n <= sizeof(text); n++) {
        for (size_t at = 0; at < n; at++) {
            for (int c = 1; c < 256; c++) {
                memset(text, 'x', n);
                text[at] = (char)c;
                text[n - 1 - at / 2] = (char)(c ^ 1);
                expect_escaped(span_make(text, n), false);
                expect_escaped(span_make(text, n), true);
            }
        }
    }
}

static void test_addresses(void **state)
{
    static const char in[] = "<m id='1' x='2' to='a' type='t'><b to='c'/></m>";
    (void)state;
    struct stanza_write_opts o = {.ns = CLIENT};
    expect_written(in, &o, "<m to='a' id='1' type='t' x='2'><b to='c'/></m>");
    o.to = SPAN("n<w");
    o.from = SPAN("f");
    o.id = SPAN("");
    expect_written(in, &o, "<m to='n&lt;w' from='f' type='t' x='2'><b to='c'/></m>");
    o.type = SPAN("");
    o.id = SPAN("i");
    o.from = SPAN("");
    expect_written(in, &o, "<m to='n&lt;w' id='i' x='2'><b to='c'/></m>");
    expect_written("<m to='' xml:lang='en'/>", &(struct stanza_write_opts){.ns = CLIENT},
                   "<m to='' xml:lang='en'/>");
}

static void test_tail(void **state)
{
    (void)state;
    const struct stanza_write_opts o = {.ns = CLIENT, .tail = SPAN("<t xmlns='v'/>")};
    expect_written("<m/>", &o, "<m><t xmlns='v'/></m>");
    expect_written("<m><b/></m>", &o, "<m><b/><t xmlns='v'/></m>");
}

static void test_attrs_with_namespace(void **state)
{
    (void)state;
    const struct stanza_write_opts o = {.ns = CLIENT};
    expect_written("<m xmlns:e='urn:e' xmlns:f='urn:f' e:from='1' from='2' f:x='3' e:y='4' "
                   "xml:lang='en'/>",
                   &o,
                   "<m from='2' xmlns:a0='urn:e' a0:from='1' xmlns:a2='urn:f' a2:x='3' "
                   "a0:y='4' xml:lang='en'/>");
    expect_written("<m xmlns:e='&lt;'><b e:k='v'/></m>", &o,
                   "<m><b xmlns:a0='&lt;' a0:k='v'/></m>");
}

/* A parsed stream header carries its declarations as attributes: they are not written. */
static void test_declarations(void **state)
{
    (void)state;
    struct stanza s = {.nodes = NULL};
    struct buf b = {.p = NULL};
    assert_int_equal(
        xml_parse_open(SPAN("<s:stream xmlns:s='urn:s' xmlns='jabber:client' to='a'>"), &s),
        XML_OK);
    stanza_write_node(&b, &s, 0, CLIENT);
    expect_buf(&b, "<stream xmlns='urn:s' to='a'/>");
    stanza_free(&s);
}

static void test_nodes(void **state)
{
    (void)state;
    struct stanza s = {.nodes = NULL};
    struct buf b = {.p = NULL};
    stanza_write(&b, &s, &(struct stanza_write_opts){.ns = CLIENT});
    stanza_write_node(&b, &s, 0, CLIENT);
    assert_int_equal(buf_len(&b), 0);
    parse("<m><q xmlns='u'>a<b/>&lt;</q><c/></m>", &s);
    stanza_write_node(&b, &s, 1, SPAN("u"));
    expect_buf(&b, "<q>a<b/>&lt;</q>");
    stanza_write_node(&b, &s, 1, CLIENT);
    expect_buf(&b, "<q xmlns='u'>a<b/>&lt;</q>");
    stanza_write_node(&b, &s, 4, CLIENT);
    expect_buf(&b, "&lt;");
    stanza_remove(&s, 1);
    stanza_write_node(&b, &s, 0, CLIENT);
    expect_buf(&b, "<m><c/></m>");
    stanza_free(&s);
}

/* All or nothing, and behind what stood there before. */
static void test_capped_buffer(void **state)
{
    static const char text[] = "<m to='a'><b>some text</b></m>";
    (void)state;
    struct stanza s = {.nodes = NULL};
    parse(text, &s);
    for (size_t max = 5; max < sizeof(text) + 8; max++) {
        struct buf b = {.max = max};
        assert_true(buf_append_z(&b, "xxx<!"));
        buf_consume(&b, 3);
        stanza_write(&b, &s, &(struct stanza_write_opts){.ns = CLIENT});
        if (max < 2 + sizeof(text) - 1) {
            assert_string_equal(buf_z(&b), "<!");
            xml_text(&b, SPAN("<<<<<<<<<<<<<<<<<<<<"));
            assert_int_equal(buf_len(&b), 2);
        } else {
            assert_int_equal(buf_len(&b), 2 + sizeof(text) - 1);
            assert_string_equal(buf_z(&b) + 2, text);
        }
        buf_free(&b);
    }
    stanza_free(&s);
}

static void test_deep(void **state)
{
    (void)state;
    struct stanza s = {.nodes = NULL};
    struct buf b = {.p = NULL};
    uint32_t node = stanza_add(&s, 0, CLIENT, SPAN("a"));
    for (int i = 0; i < 100000; i++)
        node = stanza_add(&s, node, SPAN_NONE, SPAN("a"));
    stanza_write(&b, &s, &(struct stanza_write_opts){.ns = CLIENT});
    assert_int_equal(buf_len(&b), 100000 * 7 + 4);
    buf_free(&b);
    stanza_free(&s);
}

/* --- round trips --- */

static uint32_t seed;

static uint32_t below(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 16) % n;
}

static void add_random_text(struct buf *b)
{
    static const char *const pieces[] = {"x",      "&amp;",  "&lt;",     "&gt;",
                                         "&apos;", "&quot;", "\n",       "\t",
                                         "&#13;",  "&#10;",  "\xC3\xA9", "longer text "};
    for (uint32_t n = below(6); n; n--)
        buf_append_z(b, pieces[below(ARRAY_LEN(pieces))]);
}

/* A random element with prefixes, declarations, attributes and children; at most depth deep. */
static void add_random_element(struct buf *b, unsigned depth)
{
    static const char *const spaces[] = {"", "jabber:client", "jabber:component:accept", "u",
                                         "v w"};
    char name[16];
    const char *prefix = below(3) ? "" : below(2) ? "p:" : "q:";
    snprintf(name, sizeof(name), "%s%c", prefix, 'a' + (char)below(4));
    buf_printf(b, "<%s", name);
    /* On every element, so that the prefixes are always there. */
    buf_printf(b, " xmlns:p='%s'", spaces[1 + below(2)]);
    buf_printf(b, " xmlns:q='%s'", spaces[3 + below(2)]);
    if (below(2))
        buf_printf(b, " xmlns='%s'", spaces[below(ARRAY_LEN(spaces))]);
    static const char *const attrs[] = {"to", "from", "id", "p:to", "q:id", "q:x", "xml:lang", "k"};
    for (size_t i = 0; i < ARRAY_LEN(attrs); i++) {
        if (below(3))
            continue;
        buf_printf(b, " %s='", attrs[i]);
        add_random_text(b);
        buf_append_z(b, "'");
    }
    buf_append_z(b, ">");
    for (uint32_t n = depth ? below(4) : 0; n; n--) {
        if (below(3))
            add_random_element(b, depth - 1);
        else
            add_random_text(b);
    }
    buf_printf(b, "</%s>", name);
}

static void expect_round_trip(struct span text)
{
    struct stanza s = {.nodes = NULL}, again = {.nodes = NULL};
    struct buf out = {.p = NULL};
    struct framer f;
    enum frame frame;
    struct xml_parser *p = xml_parser_shared(CLIENT);
    assert_int_equal(xml_parse_stanza(p, text, &s), XML_OK);
    stanza_write(&out, &s, &(struct stanza_write_opts){.ns = CLIENT});
    framer_init_stanzas(&f, &framer_limits_client);
    assert_int_equal(framer_scan(&f, out.p, buf_len(&out), &frame), buf_len(&out));
    assert_int_equal(frame, FRAME_STANZA);
    assert_int_equal(xml_parse_stanza(p, buf_span(&out), &again), XML_OK);
    char *before = dump_stanza(&s), *after = dump_stanza(&again);
    assert_string_equal(before, after);
    free(before);
    free(after);
    /* A copy is written alike. */
    struct buf out2 = {.p = NULL};
    stanza_copy(&again, &s);
    stanza_write(&out2, &again, &(struct stanza_write_opts){.ns = CLIENT});
    assert_true(span_eq(buf_span(&out), buf_span(&out2)));
    buf_free(&out);
    buf_free(&out2);
    stanza_free(&s);
    stanza_free(&again);
}

static void test_round_trip(void **state)
{
    (void)state;
    for (seed = 1; seed < 3000; seed++) {
        uint32_t this_seed = seed;
        struct buf b = {.p = NULL};
        add_random_element(&b, 4);
        expect_round_trip(buf_span(&b));
        buf_free(&b);
        seed = this_seed;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_namespaces),
        cmocka_unit_test(test_escaping),
        cmocka_unit_test(test_escaping_everywhere),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_tail),
        cmocka_unit_test(test_attrs_with_namespace),
        cmocka_unit_test(test_declarations),
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_capped_buffer),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, free_shared);
}
