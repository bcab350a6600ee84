/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tests of xml/parser: what a frame becomes, what is refused, and that a fault stays with the frame
 * that caused it. The numbers X.. are those of the list of hostile input.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "dump.h"
#include "xml/parser.h"

#include <malloc.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define CLIENT SPAN("jabber:client")
#define C "{jabber:client}"
#define X "{http://www.w3.org/XML/1998/namespace}"

static int free_shared(void **state)
{
    (void)state;
    xml_parser_shared_free();
    return 0;
}

/* The dump of what text becomes, or the name of the fault; to be freed. */
static char *parse(struct xml_parser *p, struct span text)
{
    struct stanza s = {.nodes = NULL};
    enum xml_fault fault = xml_parse_stanza(p, text, &s);
    if (fault)
        assert_int_equal(s.node_count, 0);
    char *result = fault ? mem_strdup_span(span_of(xml_fault_name(fault))) : dump_stanza(&s);
    stanza_free(&s);
    return result;
}

static void expect(struct xml_parser *p, const char *text, const char *expected)
{
    char *result = parse(p, span_of(text));
    if (strcmp(result, expected) != 0)
        print_error("input: %s\n", text);
    assert_string_equal(result, expected);
    free(result);
}

struct parser_case {
    const char *text, *expected;
};

static void test_good(void **state)
{
    static const struct parser_case cases[] = {
        {"<message/>", C "message"},
        {"<message></message>", C "message"},
        {"<message to='a' from=\"b\"><body>hi</body></message>",
         C "message[from=b to=a](" C "body(\"hi\"))"},
        {"<message xmlns='jabber:client'/>", C "message"},
        {"<message xmlns='jabber:server'/>", "{jabber:server}message"}, /* X26 is for others */
        {"<iq><q xmlns='u'><i/></q><r/></iq>", C "iq({u}q({u}i) " C "r)"},
        {"<iq><p:q xmlns:p='u' p:k='v' k='w'><i/></p:q></iq>", C "iq({u}q[k=w {u}k=v](" C "i))"},
        {"<a xmlns=''><b/><c xmlns='u'/></a>", "a(b {u}c)"},
        {"<a><b xmlns=''/></a>", C "a(b)"},
        {"<a xml:lang='de'/>", C "a[" X "lang=de]"},
        {"<a>&lt;&amp;&gt;&quot;&apos;</a>", C "a(\"<&>\"'\")"}, /* X07 */
        {"<a b='1&amp;2&lt;&#10;&#9;&#13;&#x41;'/>", C "a[b=1&2<\n\t\rA]"},
        {"<a b='x\ny\tz'/>", C "a[b=x y z]"},
        {"<a>x\r\ny&#13;</a>", C "a(\"x\ny\r\")"},
        {"<a><![CDATA[x\r\ny\r]]>\n<![CDATA[\n\r\r\n]]></a>", C "a(\"x\ny\n\n\n\n\n\")"},
        {"<a>one<![CDATA[<two/>&amp;]]>three</a>", C "a(\"one<two/>&amp;three\")"}, /* X29 */
        {"<a><![CDATA[]]></a>", C "a"},
        {"<a> <b/> </a>", C "a(\" \" " C "b \" \")"},
        {"<a>\xC3\xA9&#233;&#x1F600;</a>", C "a(\"\xC3\xA9\xC3\xA9\xF0\x9F\x98\x80\")"},
        {"<v xmlns='vcard-temp'/>", "{vcard-temp}v"}, /* no absolute URI */
        {"<v xmlns='a b&amp;c'/>", "{a b&c}v"},       /* X19: no URI at all */
        {"<p:v xmlns:p='a b'/>", "{a b}v"},
        {"<stream:error><x/></stream:error>", "{http://etherx.jabber.org/streams}error(" C "x)"},
        {"<e:m xmlns:e='jabber:client' e:to='x' to='y'/>", C "m[to=y " C "to=x]"}, /* X30 */
        {"<a><![CDATA[]]]]><![CDATA[>]]></a>", C "a(\"]]>\")"},
        /* a declaration that is repeated as it was */
        {"<a><b xmlns='u' xmlns='u'/></a>", C "a({u}b)"},
        {"<a><b xmlns='u' k='1' xmlns=\"u\" l='2' xmlns='u'><c/>t</b></a>",
         C "a({u}b[k=1 l=2]({u}c \"t\"))"},
        {"<iq><c xmlns='u:v#w' xmlns='u:v#w' n='x'><d xmlns='y' xmlns='y'/></c><e/></iq>",
         C "iq({u:v#w}c[n=x]({y}d) " C "e)"},
    };
    (void)state;
    struct xml_parser *p = xml_parser_shared(CLIENT);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect(p, cases[i].text, cases[i].expected);
}

static const struct parser_case bad[] = {
    {"<a>&foo;</a>", "not-well-formed"}, /* X07 */
    {"<a b='&foo;'/>", "not-well-formed"},
    {"<a>&amp</a>", "not-well-formed"},
    {"<a>&</a>", "not-well-formed"},
    {"<a>&#0;</a>", "not-well-formed"}, /* X08 */
    {"<a>&#x1;</a>", "not-well-formed"},
    {"<a>&#xD800;</a>", "not-well-formed"},
    {"<a>&#xFFFE;</a>", "not-well-formed"},
    {"<a>&#x110000;</a>", "not-well-formed"},
    {"<a>&#x100000041;</a>", "not-well-formed"},
    {"<a b='&#0;'/>", "not-well-formed"},
    {"<a b='&#xFFFF;'/>", "not-well-formed"},
    {"<a b='&#x100000041;'/>", "not-well-formed"},
    {"<gajim:die/>", "not-well-formed"}, /* X16 */
    {"<a foo:bar='1'/>", "not-well-formed"},
    {"<a><gajim:die/></a>", "not-well-formed"},
    {"<a b='1' b='2'/>", "not-well-formed"}, /* X17 */
    {"<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>", "not-well-formed"},
    {"<a xmlns='u' xmlns='v'/>", "not-well-formed"},
    {"<a xmlns='u' xmlns='u'/>", "not-well-formed"},
    {"<a><b xmlns='u' xmlns='uu'/></a>", "not-well-formed"},
    {"<a><b xmlns='uu' xmlns='u'/></a>", "not-well-formed"},
    {"<a><b xmlns='u' xmlns=''/></a>", "not-well-formed"},
    {"<a><b xmlns='u' xmlns='&#x75;'/></a>", "not-well-formed"},
    {"<a><b xmlns='u' xmlns='u' xmlns='v'/></a>", "not-well-formed"},
    {"<a><b xmlns='u' xmlns='u' c='1' c='1'/></a>", "not-well-formed"},
    {"<a><b xmlns='u' xmlns='u' c:d='1'/></a>", "not-well-formed"},
    {"<a><b xmlns='u' xmlns='u'><c></b></a>", "not-well-formed"},
    {"<a><b xmlns='u' xmlns='u'>&foo;</b></a>", "not-well-formed"},
    {"<a><b xmlns='u' xmlns='u'", "not-well-formed"},
    {"<a><b xmlns:p='u' xmlns:p='u'/></a>", "not-well-formed"},
    {"<a xmlns:p='u' xmlns:p='u'/>", "not-well-formed"},
    {"<a xmlns:xml='u'/>", "not-well-formed"}, /* X18 */
    {"<a xmlns:xmlns='u'/>", "not-well-formed"},
    {"<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>", "not-well-formed"},
    {"<a xmlns:p='http://www.w3.org/2000/xmlns/'/>", "not-well-formed"},
    {"<a xmlns:p=''/>", "not-well-formed"},
    {"<a:b:c xmlns:a='u'/>", "not-well-formed"},
    {"<:c/>", "not-well-formed"},
    {"<c:/>", "not-well-formed"},
    {"<a></b>", "not-well-formed"},
    {"<a><b></a></b>", "not-well-formed"},
    {"<a xmlns:p='u'><p:b></b></a>", "not-well-formed"},
    {"<a b/>", "not-well-formed"},
    {"<a b=c/>", "not-well-formed"},
    {"<a b='c'd='e'/>", "not-well-formed"},
    {"<a 'c'/>", "not-well-formed"},
    {"<a>]]></a>", "not-well-formed"},
    {"<a b='<'/>", "not-well-formed"},
    {"<a", "not-well-formed"},
    {"<a>", "not-well-formed"},
    {"<a/><b/>", "not-well-formed"},
    {"<a\xF0\x9F\x98\x80/>", "not-well-formed"}, /* no name before the fifth edition */
    {"<a b\xF0\x9F\x98\x80='c'/>", "not-well-formed"},
    {"<\xCD\xB0/>", "not-well-formed"},
    {"<a/><b>", "not-well-formed"},
    {"</a>", "not-well-formed"},
    {"</root>", "not-well-formed"},
    {"", "not-well-formed"},
    {"<a/>x", "not-well-formed"},
    {"x<a/>", "bad-format"},
    {"<a><stream:stream to='x'/></a>", "invalid-xml"}, /* X25 */
    {"<a><b><stream:error/></b></a>", "invalid-xml"},
    {"<a><s:b xmlns:s='http://etherx.jabber.org/streams'/></a>", "invalid-xml"},
    {"<stream:error><stream:x/></stream:error>", "invalid-xml"},
    {"<a stream:to='x'/>", "invalid-xml"},
    {"<xml:a/>", "invalid-xml"},
    {"<a><xml:b/></a>", "invalid-xml"},
    /* The framer lets none of these through; the parser stands without it, too. */
    {"<a><!-- x --></a>", "restricted-xml"},
    {"<!-- x --><a/>", "restricted-xml"},
    {"<a><?pi x?></a>", "restricted-xml"},
    {"<a>\x01</a>", "not-well-formed"},
    {"<a>\xC0\xBC</a>", "not-well-formed"},
    {"<a><!DOCTYPE x></a>", "not-well-formed"},
};

/* A fault concerns only its own frame. */
static void test_bad(void **state)
{
    (void)state;
    struct xml_parser *p = xml_parser_shared(CLIENT);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        expect(p, bad[i].text, bad[i].expected);
        expect(p, "<a b='c'>d</a>", C "a[b=c](\"d\")");
    }
}

/* Cut or with a byte changed at any place: no crash, and the next frame is as ever. */
static void test_damaged(void **state)
{
    static const char good[] =
        "<m to='a@b' x:y='1' xmlns:x='u'><b>t &amp; &#65;<![CDATA[]]></b><c xmlns='v'/></m>";
    static const char bytes[] = "<>/'\"& =:x]\0\x80\xC3";
    (void)state;
    struct xml_parser *p = xml_parser_shared(CLIENT);
    for (size_t i = 0; i < sizeof(good) - 1; i++) {
        char *cut = mem_strndup(good, i);
        free(parse(p, span_make(cut, i)));
        free(cut);
        for (size_t j = 0; j < sizeof(bytes) - 1; j++) {
            char *changed = mem_strndup(good, sizeof(good) - 1);
            changed[i] = bytes[j];
            free(parse(p, span_make(changed, sizeof(good) - 1)));
            free(changed);
        }
        expect(p, "<a/>", C "a");
    }
}

/* X01 to X03, in case no framer stands before it. */
static void test_doctype(void **state)
{
    static const char *const docs[] = {
        "<!DOCTYPE l [<!ENTITY a 'lol'><!ENTITY b '&a;&a;'>]><l>&b;</l>",
        "<!DOCTYPE l SYSTEM 'file:///etc/passwd'><l/>",
        "<?xml version='1.0'?><!DOCTYPE l [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><l>&e;</l>",
        "<!DOCTYPE l><l>",
        "<!-- c --><l>",
        "<?pi?><l>",
    };
    (void)state;
    struct stanza s = {.nodes = NULL};
    for (size_t i = 0; i < ARRAY_LEN(docs); i++) {
        assert_int_equal(xml_parse_open(span_of(docs[i]), &s), XML_RESTRICTED);
        assert_int_equal(s.node_count, 0);
    }
    stanza_free(&s);
}

static void test_open(void **state)
{
    static const struct parser_case cases[] = {
        {"<?xml version='1.0'?>\n<stream:stream xmlns='jabber:client' "
         "xmlns:stream='http://etherx.jabber.org/streams' to='h' version='1.0' xml:lang='en'>",
         "{http://etherx.jabber.org/streams}stream[to=h version=1.0 "
         "{http://www.w3.org/2000/xmlns/}=jabber:client "
         "{http://www.w3.org/2000/xmlns/}stream=http://etherx.jabber.org/streams " X "lang=en]"},
        {"<?xml version='1.0' encoding='utf-8' standalone='yes'?><a>", "a"},
        {"<?xml version='1.0' encoding='ISO-8859-1'?><a b='\xC3\xA9'>", "a[b=\xC3\xA9]"},
        {"<a xmlns='' b='&lt;'>", "a[b=< {http://www.w3.org/2000/xmlns/}=]"},
        {"<stream:stream>", "not-well-formed"},
        {"<a b='1' b='2'>", "not-well-formed"},
        {"<a><b>", "not-well-formed"},
        {"<a/>", "not-well-formed"},
        {"<a", "not-well-formed"},
        {"", "not-well-formed"},
        {"<a>x", "not-well-formed"},
    };
    (void)state;
    struct stanza s = {.nodes = NULL};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum xml_fault fault = xml_parse_open(span_of(cases[i].text), &s);
        char *dump = dump_stanza(&s);
        assert_string_equal(fault ? xml_fault_name(fault) : dump, cases[i].expected);
        if (i == 0) {
            assert_true(span_eq(s.to, SPAN("h")));
            assert_true(span_eq(s.lang, SPAN("en")));
        }
        free(dump);
    }
    stanza_free(&s);
}

/* A stream whose header declares more prefixes. */
static void test_private_parser(void **state)
{
    (void)state;
    struct stanza header = {.nodes = NULL};
    assert_int_equal(
        xml_parse_open(SPAN("<s:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' "
                            "xmlns:s='http://etherx.jabber.org/streams' xmlns:q='a&quot;&apos;b'>"),
                       &header),
        XML_OK);
    struct xml_parser *p = xml_parser_new(SPAN("jabber:server"), &header);
    stanza_free(&header);
    for (int i = 0; i < 2; i++) {
        expect(p, "<db:result to='x'/>", "{jabber:server:dialback}result[to=x]");
        expect(p, "<s:error/>", "{http://etherx.jabber.org/streams}error");
        expect(p, "<stream:error/>", "{http://etherx.jabber.org/streams}error");
        expect(p, "<a><s:error/></a>", "invalid-xml");
        expect(p, "<q:a/>", "{a\"'b}a");
        expect(p, "<nope:a/>", "not-well-formed");
    }
    xml_parser_free(&p);
    assert_null(p);
    xml_parser_free(&p);
    /* The prefix of the streams can be bound to something else. */
    assert_int_equal(xml_parse_open(SPAN("<a xmlns:stream='u' xmlns='jabber:client'>"), &header),
                     XML_OK);
    p = xml_parser_new(CLIENT, &header);
    expect(p, "<stream:a><stream:b/></stream:a>", "{u}a({u}b)");
    expect(p, "<a><b xmlns='http://etherx.jabber.org/streams'/></a>", "invalid-xml");
    stanza_free(&header);
    xml_parser_free(&p);
}

static void test_shared_parsers(void **state)
{
    (void)state;
    struct xml_parser *client = xml_parser_shared(CLIENT);
    struct xml_parser *server = xml_parser_shared(SPAN("jabber:server"));
    assert_ptr_not_equal(client, server);
    assert_ptr_equal(client, xml_parser_shared(CLIENT));
    expect(client, "<a/>", C "a");
    expect(server, "<a/>", "{jabber:server}a");
    static const char more[] = "xmlns:m='urn:more'";
    struct xml_parser *with = xml_parser_shared_with(CLIENT, more);
    assert_ptr_not_equal(with, client);
    assert_ptr_equal(with, xml_parser_shared_with(CLIENT, more));
    assert_ptr_equal(client, xml_parser_shared(CLIENT));
    expect(with, "<m:a/>", "{urn:more}a");
    expect(with, "<a/>", C "a");
}

static void test_cached_attrs(void **state)
{
    (void)state;
    struct stanza s = {.nodes = NULL};
    assert_int_equal(
        xml_parse_stanza(xml_parser_shared(CLIENT),
                         SPAN("<m xmlns:e='u' e:from='no' to='1' from='2' id='' type='4' "
                              "xml:lang='5' lang='no'><x to='no' id='no'/></m>"),
                         &s),
        XML_OK);
    assert_true(span_eq(s.to, SPAN("1")));
    assert_true(span_eq(s.from, SPAN("2")));
    assert_true(s.id.p && s.id.n == 0);
    assert_true(span_eq(s.type, SPAN("4")));
    assert_true(span_eq(s.lang, SPAN("5")));
    assert_int_equal(xml_parse_stanza(xml_parser_shared(CLIENT), SPAN("<m/>"), &s), XML_OK);
    assert_null(s.to.p);
    assert_null(s.lang.p);
    stanza_free(&s);
}

/* A long text with references and line ends comes in many pieces. */
static void test_one_text_node(void **state)
{
    (void)state;
    struct buf b = {.p = NULL}, want = {.p = NULL};
    buf_append_z(&b, "<a>");
    for (int i = 0; i < 5000; i++) {
        buf_printf(&b, "%d &amp; &#233;\n<![CDATA[<%d>]]>", i, i);
        buf_printf(&want, "%d & \xC3\xA9\n<%d>", i, i);
    }
    buf_append_z(&b, "</a>");
    struct stanza s = {.nodes = NULL};
    assert_int_equal(xml_parse_stanza(xml_parser_shared(CLIENT), buf_span(&b), &s), XML_OK);
    assert_int_equal(s.node_count, 2);
    assert_true(span_eq(s.nodes[1].text, buf_span(&want)));
    stanza_free(&s);
    buf_free(&b);
    buf_free(&want);
}

/* Spans of one stanza stay right while the parser goes on and is made anew. */
static void test_stanzas_outlive_their_context(void **state)
{
    (void)state;
    struct xml_parser *p = xml_parser_shared(CLIENT);
    struct stanza kept = {.nodes = NULL}, s = {.nodes = NULL};
    const char *text = "<m a='b'><q:x xmlns:q='urn:some:namespace' q:k='v'>t</q:x></m>";
    assert_int_equal(xml_parse_stanza(p, span_of(text), &kept), XML_OK);
    char *before = dump_stanza(&kept);
    assert_int_not_equal(xml_parse_stanza(p, SPAN("<bad"), &s), XML_OK);
    assert_int_equal(xml_parse_stanza(p, SPAN("<good/>"), &s), XML_OK);
    char *after = dump_stanza(&kept);
    assert_string_equal(before, after);
    free(before);
    free(after);
    stanza_free(&kept);
    stanza_free(&s);
}

static size_t heap_bytes(void)
{
    return mallinfo2().uordblks;
}

/* X24: names that come once and never again do not stay. */
static void test_unique_names(void **state)
{
    (void)state;
    struct xml_parser *p = xml_parser_shared(CLIENT);
    struct stanza s = {.nodes = NULL};
    expect(p, "<a/>", C "a");
    size_t before = heap_bytes(), most = 0;
    for (int i = 0; i < 60000; i++) {
        char text[256];
        int n = snprintf(text, sizeof(text), "<m><e%d a%d='1'/><f xmlns='urn:n:%d'/></m>", i, i, i);
        assert_int_equal(xml_parse_stanza(p, span_make(text, (size_t)n), &s), XML_OK);
        size_t now = heap_bytes();
        if (now > most)
            most = now;
    }
    assert_true(most < before + 2 * 1024 * 1024);
    stanza_free(&s);
}

/* A long namespace, declared once and used by thousands, is neither copied nor allowed to make the
 * output a multiple of the input. */
static void test_repeated_namespace(void **state)
{
    (void)state;
    struct buf b = {.p = NULL};
    buf_append_z(&b, "<m xmlns:p='");
    for (int i = 0; i < 10000; i++)
        buf_append_char(&b, 'n');
    buf_append_z(&b, "'><p:q>");
    for (int i = 0; i < 4000; i++)
        buf_append_z(&b, "<p:x/>");
    buf_append_z(&b, "</p:q></m>");
    struct stanza s = {.nodes = NULL};
    assert_int_equal(xml_parse_stanza(xml_parser_shared(CLIENT), buf_span(&b), &s), XML_OK);
    assert_int_equal(s.node_count, 4002);
    assert_ptr_equal(s.nodes[2].ns.p, s.nodes[4001].ns.p);
    /* Now each of them would have to declare it. */
    b.tail -= strlen("</p:q></m>");
    buf_append_z(&b, "</p:q>");
    for (int i = 0; i < 50; i++)
        buf_append_z(&b, "<p:x/>");
    buf_append_z(&b, "</m>");
    assert_int_equal(xml_parse_stanza(xml_parser_shared(CLIENT), buf_span(&b), &s),
                     XML_TOO_COMPLEX);
    buf_free(&b);
    stanza_free(&s);
}

/* X21: what is quadratic is bounded by more than the length of a tag. */
static void test_many_attrs_and_declarations(void **state)
{
    (void)state;
    struct xml_parser *p = xml_parser_shared(CLIENT);
    for (int kind = 0; kind < 2; kind++) {
        for (int count = 200; count <= 300; count += 100) {
            struct buf b = {.p = NULL};
            struct stanza s = {.nodes = NULL};
            buf_append_z(&b, "<m");
            for (int i = 0; i < count; i++)
                buf_printf(&b, kind ? " xmlns:a%d='u'" : " a%d='u'", i);
            buf_append_z(&b, "/>");
            assert_int_equal(xml_parse_stanza(p, buf_span(&b), &s),
                             count == 200 ? XML_OK : XML_TOO_COMPLEX);
            stanza_free(&s);
            buf_free(&b);
        }
    }
}

/* Depth is the framer's business; here it may cost no stack. */
static void test_deep(void **state)
{
    (void)state;
    struct buf b = {.p = NULL};
    for (int i = 0; i < 100000; i++)
        buf_append_z(&b, "<a>");
    for (int i = 0; i < 100000; i++)
        buf_append_z(&b, "</a>");
    struct stanza s = {.nodes = NULL};
    assert_int_equal(xml_parse_stanza(xml_parser_shared(CLIENT), buf_span(&b), &s), XML_OK);
    assert_int_equal(s.node_count, 100000);
    stanza_free(&s);
    buf_free(&b);
}

/* The library would like to tell the terminal. */
static void test_silence(void **state)
{
    (void)state;
    int before = dup(STDERR_FILENO), file = memfd_create("stderr", 0);
    assert_true(before >= 0 && file >= 0);
    dup2(file, STDERR_FILENO);
    struct xml_parser *p = xml_parser_new(CLIENT, NULL);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        free(parse(p, span_of(bad[i].text)));
    xml_parser_free(&p);
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    assert_int_equal(lseek(file, 0, SEEK_END), 0);
    close(before);
    close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_doctype),
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_private_parser),
        cmocka_unit_test(test_shared_parsers),
        cmocka_unit_test(test_cached_attrs),
        cmocka_unit_test(test_one_text_node),
        cmocka_unit_test(test_stanzas_outlive_their_context),
        cmocka_unit_test(test_unique_names),
        cmocka_unit_test(test_repeated_namespace),
        cmocka_unit_test(test_many_attrs_and_declarations),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_silence),
    };
    return cmocka_run_group_tests(tests, NULL, free_shared);
}
