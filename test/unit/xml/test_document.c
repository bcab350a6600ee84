/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_document - long documents in pieces of any size: what is told, and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "xml/document.h"
#include "xml/parser.h"
#include "xml/writer.h"

#include <stdio.h>
#include <stdlib.h>

static const struct framer_limits limits = {
    .stanza_bytes = 2000, .tag_bytes = 300, .depth = 10, .elements = 50};
static const size_t pieces[] = {1, 2, 3, 7, 1 << 20};

struct told {
    struct buf text;
    int stop_after; /* calls; 0: never */
    int calls;
};

static bool count(struct told *t)
{
    return ++t->calls != t->stop_after;
}

static bool is_container(void *ctx, size_t level, struct span name)
{
    (void)ctx;
    (void)level;
    return span_eq(name, SPAN("box")) || span_eq(name, SPAN("case"));
}

static bool on_open(void *ctx, size_t level, const struct stanza *tag)
{
    struct told *t = ctx;
    const struct stanza_node *n = stanza_root(tag);
    struct span id = stanza_attr(tag, 0, SPAN("id"));
    buf_printf(&t->text, "%zu<%.*s %.*s|%.*s\n", level, SPAN_ARG(n->name), SPAN_ARG(n->ns),
               SPAN_ARG(id));
    return count(t);
}

static bool on_leaf(void *ctx, size_t level, const struct stanza *leaf)
{
    struct told *t = ctx;
    buf_printf(&t->text, "%zu ", level);
    stanza_write_node(&t->text, leaf, 0, SPAN(""));
    buf_append_char(&t->text, '\n');
    return count(t);
}

static bool on_close(void *ctx, size_t level)
{
    struct told *t = ctx;
    buf_printf(&t->text, "%zu>\n", level);
    return count(t);
}

static const struct xml_document_ops ops = {is_container, on_open, on_leaf, on_close};

/* "ok", "more" (it is not whole), "stopped", or the fault's name. */
static const char *read_in(struct told *t, struct span text, size_t piece)
{
    struct xml_document *d = xml_document_new(&limits, &ops, t);
    enum xml_document_result r = XML_DOCUMENT_OK;
    const char *outcome;
    while (text.n > 0 && r == XML_DOCUMENT_OK) {
        size_t n = text.n < piece ? text.n : piece;
        r = xml_document_feed(d, span_make(text.p, n));
        text = span_from(text, n);
    }
    outcome = r == XML_DOCUMENT_FAULT     ? xml_fault_name(xml_document_fault(d))
              : r == XML_DOCUMENT_STOPPED ? "stopped"
              : xml_document_is_whole(d)  ? "ok"
                                          : "more";
    if (r != XML_DOCUMENT_OK) /* it stays so */
        assert_int_equal(xml_document_feed(d, SPAN("<x/>")), r);
    xml_document_free(&d);
    return outcome;
}

static void check(const char *text, const char *outcome, const char *told)
{
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        struct told t = {0};
        const char *got = read_in(&t, span_of(text), pieces[i]);
        if (strcmp(got, outcome) != 0)
            print_error("%s (in pieces of %zu)\n", text, pieces[i]);
        assert_string_equal(got, outcome);
        if (told)
            assert_string_equal(buf_z(&t.text), told);
        buf_free(&t.text);
    }
}

static void what_is_in_it_is_told_in_order(void **state)
{
    (void)state;
    check("<?xml version='1.0' encoding='UTF-8'?>\n"
          "<root xmlns='u:1' id='r'>\n"
          "  <a x='1'>text &amp; more<b/></a>\n"
          "  <box id='one'><a/><case xmlns='u:2' id='&lt;2>'> <c/> </case>\n</box >"
          "<box id='empty'/>\n"
          "</root>\n\n",
          "ok",
          "0<root u:1|r\n"
          "1 <a xmlns='u:1' x='1'>text &amp; more<b/></a>\n"
          "1<box u:1|one\n"
          "2 <a xmlns='u:1'/>\n"
          "2<case u:2|<2>\n"
          "3 <c xmlns='u:2'/>\n"
          "2>\n"
          "1>\n"
          "1 <box xmlns='u:1' id='empty'/>\n"
          "0>\n");
}

static void namespaces_come_from_around(void **state)
{
    (void)state;
    check("<p:root xmlns:p='u:p' xmlns='u:d' id='r'>"
          "<box xmlns:q=\"u:q&amp;2\"><p:a q:x='1'/><q:b/><c/>"
          "<p:case xmlns:p='u:other'><p:d/><q:e/></p:case></box><p:f/></p:root>",
          "ok",
          "0<root u:p|r\n"
          "1<box u:d|\n"
          "2 <a xmlns='u:p' xmlns:a0='u:q&amp;2' a0:x='1'/>\n"
          "2 <b xmlns='u:q&amp;2'/>\n"
          "2 <c xmlns='u:d'/>\n"
          "2<case u:other|\n"
          "3 <d xmlns='u:other'/>\n"
          "3 <e xmlns='u:q&amp;2'/>\n"
          "2>\n"
          "1>\n"
          "1 <f xmlns='u:p'/>\n"
          "0>\n");
}

static void what_streams_refuse_is_refused(void **state)
{
    static const struct {
        const char *text, *outcome;
    } cases[] = {
        {"<!DOCTYPE x [<!ENTITY a 'b'>]><root/>", "restricted-xml"},
        {"<?xml version='1.0'?><!DOCTYPE root SYSTEM 'file:///etc/passwd'><root></root>",
         "restricted-xml"},
        {"<root><!DOCTYPE x></root>", "restricted-xml"},
        {"<root><!-- a comment --></root>", "restricted-xml"},
        {"<root><box><?php x?></box></root>", "restricted-xml"},
        {"<root><a>&lol;</a></root>", "not-well-formed"},
        {"<root a='&lol;'></root>", "not-well-formed"},
        {"<root>text</root>", "bad-format"},
        {"<root><box>text</box></root>", "bad-format"},
        {"<root><a></b></root>", "not-well-formed"},
        {"<root><box></root>", "not-well-formed"},
        {"<root><box></case></root>", "not-well-formed"},
        {"<root></root><root></root>", "not-well-formed"},
        {"<root></root>text", "not-well-formed"},
        {"<root a='1' a='2'></root>", "not-well-formed"},
        {"<root><p:box></p:box></root>", "not-well-formed"},
        {"<root><p:a/></root>", "not-well-formed"},
        {"<?xml version='1.0' encoding='UTF-16'?><root></root>", "unsupported-encoding"},
        {"<root>\xff</root>", "not-well-formed"},
        {"<root><a>\xc0\x80</a></root>", "not-well-formed"},
        {"no document at all", "not-well-formed"},
        {" text <root></root>", "not-well-formed"},
        {"\n<root></root>", "ok"},
        {"\xEF\xBB\xBF<?xml version='1.0'?><root></root>", "ok"},
        {"\xEF\xBB<root></root>", "not-well-formed"},
        {"<root><a>", "more"},
        {"<root>", "more"},
        {"<root", "more"},
        {"", "more"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(cases[i].text, cases[i].outcome, NULL);
}

/* So many times the words, in a root. */
static void check_many(const char *word, size_t n, const char *end, const char *outcome)
{
    struct buf text = {0};
    buf_append_z(&text, "<root>");
    for (size_t i = 0; i < n; i++)
        buf_append_z(&text, word);
    buf_append_z(&text, end);
    check(buf_z(&text), outcome, NULL);
    buf_free(&text);
}

static void everything_has_a_bound_but_the_whole(void **state)
{
    (void)state;
    check_many("<a/>", 5000, "</root>", "ok");
    check_many("<box><a/><a/></box>", 500, "</root>", "ok");
    check_many(" ", 5000, "</root>", "ok");
    check_many("<a>", 11, "", "too-complex");
    check_many("<box>", 7, "", "more");
    check_many("<box>", 8, "", "too-complex");
    check_many("<a>xxxxxxxxxx</a>", 1, "<a>", "more");
    check_many("<a b='x", 1, "", "more");

    struct buf big = {0};
    for (int i = 0; i < 400; i++)
        buf_append_z(&big, "0123456789");
    struct buf text = {0};
    buf_printf(&text, "<root><a>%s", buf_z(&big)); /* a leaf that does not end */
    check(buf_z(&text), "too-big", NULL);
    buf_clear(&text);
    buf_printf(&text, "<root><box id='%s", buf_z(&big)); /* a tag that does not */
    check(buf_z(&text), "too-complex", NULL);
    buf_clear(&text);
    buf_printf(&text, "<root id='%s", buf_z(&big));
    check(buf_z(&text), "too-complex", NULL);
    buf_free(&big);
    buf_free(&text);
}

static void a_nul_is_no_space(void **state)
{
    static const struct span texts[] = {
        SPAN_INIT("<root>\0</root>"), SPAN_INIT("<root></root>\0"), SPAN_INIT("\0<root></root>"),
        SPAN_INIT("<root><\0></root>"), SPAN_INIT("<root></root\0>"),
        SPAN_INIT("<root\0></root>"),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        for (size_t k = 0; k < ARRAY_LEN(pieces); k++) {
            struct told t = {0};
            const char *got = read_in(&t, texts[i], pieces[k]);
            assert_true(strcmp(got, "ok") != 0 && strcmp(got, "more") != 0);
            buf_free(&t.text);
        }
    }
}

static void each_call_may_stop_it(void **state)
{
    (void)state;
    for (int n = 1; n <= 6; n++) {
        struct told t = {.stop_after = n};
        assert_string_equal(
            read_in(&t, SPAN("<root><a/><box><b/></box></root>"), 1 << 20), "stopped");
        assert_int_equal(t.calls, n);
        buf_free(&t.text);
    }
}

static void the_line_is_known(void **state)
{
    (void)state;
    struct told t = {0};
    struct xml_document *d = xml_document_new(&limits, &ops, &t);
    assert_int_equal(xml_document_feed(d, SPAN("<root>\n<a>\n\n</a>\n<b></c>")),
                     XML_DOCUMENT_FAULT);
    assert_int_equal(xml_document_line(d), 5);
    xml_document_free(&d);
    buf_free(&t.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_it_is_told_in_order),
        cmocka_unit_test(namespaces_come_from_around),
        cmocka_unit_test(what_streams_refuse_is_refused),
        cmocka_unit_test(everything_has_a_bound_but_the_whole),
        cmocka_unit_test(a_nul_is_no_space),
        cmocka_unit_test(each_call_may_stop_it),
        cmocka_unit_test(the_line_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
