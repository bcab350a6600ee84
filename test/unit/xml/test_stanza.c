/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tests of xml/stanza: building, changing, finding and copying flat trees.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "dump.h"

#include <stdio.h>

#define CLIENT SPAN("jabber:client")
#define XML_NS SPAN("http://www.w3.org/XML/1998/namespace")

static void expect_dump(const struct stanza *s, const char *expected)
{
    char *text = dump_stanza(s);
    assert_string_equal(text, expected);
    free(text);
}

static void expect_span(struct span s, const char *expected)
{
    if (!expected) {
        assert_null(s.p);
        return;
    }
    assert_non_null(s.p);
    assert_true(span_eq(s, span_of(expected)));
}

static void test_build(void **state)
{
    (void)state;
    struct stanza s = {.nodes = NULL};
    char name[] = "message";
    assert_int_equal(stanza_add(&s, 7, CLIENT, span_of(name)), 0);
    memset(name, 'x', sizeof(name) - 1); /* strings are copied */
    stanza_set_attr(&s, 0, SPAN("to"), SPAN("a@b"));
    uint32_t body = stanza_add(&s, 0, SPAN_NONE, SPAN("body"));
    stanza_add_text(&s, body, SPAN("hello "));
    stanza_add_text(&s, body, SPAN(""));
    stanza_add_text(&s, body, SPAN("world"));
    uint32_t x = stanza_add(&s, 0, SPAN("urn:x"), SPAN("x"));
    stanza_set_attr(&s, x, SPAN("k"), SPAN("v"));
    stanza_add(&s, x, SPAN(""), SPAN("none"));
    expect_dump(&s, "{jabber:client}message[to=a@b]({jabber:client}body(\"hello \" \"world\") "
                    "{urn:x}x[k=v](none))");
    expect_span(stanza_text(&s, body), "hello world");
    expect_span(stanza_text(&s, x), "");
    assert_int_equal(stanza_child_count(&s, 0), 2);
    assert_int_equal(stanza_child_count(&s, body), 0);
    stanza_free(&s);
    assert_int_equal(s.node_count, 0);
}

static void test_text_is_a_view_when_it_is_one_piece(void **state)
{
    (void)state;
    struct stanza s = {.nodes = NULL};
    stanza_add(&s, 0, CLIENT, SPAN("a"));
    stanza_add(&s, 0, CLIENT, SPAN("b"));
    stanza_add_text(&s, 0, SPAN("one"));
    stanza_add(&s, 0, CLIENT, SPAN("c"));
    assert_ptr_equal(stanza_text(&s, 0).p, s.nodes[2].text.p);
    stanza_add_text(&s, 0, SPAN(" two"));
    expect_span(stanza_text(&s, 0), "one two");
    expect_span(stanza_text(&s, 99), "");
    stanza_free(&s);
}

static void test_find(void **state)
{
    (void)state;
    struct stanza s = {.nodes = NULL};
    assert_int_equal(stanza_child(&s, 0, SPAN_NONE, SPAN_NONE), 0);
    stanza_add(&s, 0, CLIENT, SPAN("m"));
    assert_int_equal(stanza_child(&s, 0, SPAN_NONE, SPAN_NONE), 0);
    stanza_add_text(&s, 0, SPAN("text"));
    uint32_t a = stanza_add(&s, 0, SPAN("u:1"), SPAN("a"));
    uint32_t b = stanza_add(&s, 0, SPAN("u:2"), SPAN("a"));
    uint32_t c = stanza_add(&s, 0, SPAN(""), SPAN("c"));
    uint32_t d = stanza_add(&s, 0, SPAN("u:1"), SPAN("d"));
    assert_int_equal(stanza_child(&s, 0, SPAN_NONE, SPAN_NONE), a);
    assert_int_equal(stanza_child(&s, 0, SPAN("u:2"), SPAN_NONE), b);
    assert_int_equal(stanza_child(&s, 0, SPAN("u:2"), SPAN("a")), b);
    assert_int_equal(stanza_child(&s, 0, SPAN(""), SPAN_NONE), c);
    assert_int_equal(stanza_child(&s, 0, SPAN("u:3"), SPAN_NONE), 0);
    assert_int_equal(stanza_next(&s, a, SPAN_NONE, SPAN("a")), b);
    assert_int_equal(stanza_next(&s, a, SPAN("u:1"), SPAN_NONE), d);
    assert_int_equal(stanza_next(&s, d, SPAN_NONE, SPAN_NONE), 0);
    assert_true(stanza_is(&s, 0, CLIENT, SPAN("m")));
    assert_true(stanza_is(&s, a, SPAN_NONE, SPAN("a")));
    assert_false(stanza_is(&s, 1, SPAN_NONE, SPAN_NONE)); /* text */
    assert_false(stanza_is(&s, 0, SPAN("u:1"), SPAN("m")));
    assert_false(stanza_is(&s, 0, CLIENT, SPAN("mm")));
    assert_false(stanza_is(&s, 1000, SPAN_NONE, SPAN_NONE));
    stanza_free(&s);
}

static void test_attrs(void **state)
{
    (void)state;
    struct stanza s = {.nodes = NULL};
    stanza_add(&s, 0, CLIENT, SPAN("m"));
    uint32_t x = stanza_add(&s, 0, CLIENT, SPAN("x"));
    for (int i = 0; i < 40; i++) { /* in turns, so that slices must move */
        char name[8];
        snprintf(name, sizeof(name), "n%d", i);
        stanza_set_attr(&s, i % 2 ? x : 0, span_of(name), span_of(name));
    }
    assert_int_equal(s.nodes[0].attr_count, 20);
    assert_int_equal(s.nodes[x].attr_count, 20);
    for (int i = 0; i < 40; i++) {
        char name[8];
        snprintf(name, sizeof(name), "n%d", i);
        expect_span(stanza_attr(&s, i % 2 ? x : 0, span_of(name)), name);
        expect_span(stanza_attr(&s, i % 2 ? 0 : x, span_of(name)), NULL);
    }
    stanza_set_attr(&s, x, SPAN("n3"), SPAN("other"));
    stanza_set_attr(&s, x, SPAN("n5"), SPAN_NONE);
    stanza_set_attr(&s, x, SPAN("never"), SPAN_NONE);
    stanza_set_attr(&s, x, SPAN("n7"), SPAN(""));
    expect_span(stanza_attr(&s, x, SPAN("n3")), "other");
    expect_span(stanza_attr(&s, x, SPAN("n5")), NULL);
    expect_span(stanza_attr(&s, x, SPAN("n7")), "");
    expect_span(stanza_attr(&s, x, SPAN("n39")), "n39");
    expect_span(stanza_attr(&s, 999, SPAN("n39")), NULL);
    assert_int_equal(s.nodes[x].attr_count, 19);
    stanza_free(&s);
}

static void test_attrs_with_namespace(void **state)
{
    (void)state;
    struct stanza s = {.nodes = NULL};
    stanza_add(&s, 0, CLIENT, SPAN("m"));
    stanza_set_attr(&s, 0, SPAN("from"), SPAN("plain"));
    stanza_set_attr_ns(&s, 0, SPAN("urn:e"), SPAN("from"), SPAN("e"));
    stanza_set_attr_ns(&s, 0, SPAN("urn:f"), SPAN("from"), SPAN("f"));
    stanza_set_attr_ns(&s, 0, XML_NS, SPAN("lang"), SPAN("en"));
    stanza_set_attr_ns(&s, 0, XML_NS, SPAN("space"), SPAN("preserve"));
    expect_span(stanza_attr(&s, 0, SPAN("from")), "plain");
    expect_span(stanza_attr_ns(&s, 0, SPAN("urn:f"), SPAN("from")), "f");
    expect_span(stanza_attr(&s, 0, SPAN("lang")), NULL);
    expect_span(s.from, "plain");
    expect_span(s.lang, "en");
    stanza_strip_foreign_attrs(&s);
    expect_dump(&s, "{jabber:client}m[from=plain {http://www.w3.org/XML/1998/namespace}lang=en]");
    stanza_set_attr_ns(&s, 0, XML_NS, SPAN("lang"), SPAN_NONE);
    expect_span(s.lang, NULL);
    stanza_free(&s);
    stanza_strip_foreign_attrs(&s);
}

static void test_cached_attrs(void **state)
{
    static const char *const names[] = {"to", "from", "id", "type"};
    (void)state;
    struct stanza s = {.nodes = NULL};
    struct span *const cached[] = {&s.to, &s.from, &s.id, &s.type};
    stanza_add(&s, 0, CLIENT, SPAN("m"));
    uint32_t x = stanza_add(&s, 0, CLIENT, SPAN("x"));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        stanza_set_attr(&s, x, span_of(names[i]), SPAN("of a child"));
        expect_span(*cached[i], NULL);
        stanza_set_attr(&s, 0, span_of(names[i]), SPAN("one"));
        expect_span(*cached[i], "one");
        stanza_set_attr(&s, 0, span_of(names[i]), SPAN("two"));
        expect_span(*cached[i], "two");
        stanza_set_attr(&s, 0, span_of(names[i]), SPAN_NONE);
        expect_span(*cached[i], NULL);
        stanza_set_attr(&s, 0, span_of(names[i]), SPAN(""));
        expect_span(*cached[i], "");
    }
    stanza_reset(&s);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        expect_span(*cached[i], NULL);
    stanza_free(&s);
}

static void test_remove(void **state)
{
    (void)state;
    struct stanza s = {.nodes = NULL};
    uint32_t c[5];
    stanza_add(&s, 0, SPAN(""), SPAN("m"));
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        char name[2] = {(char)('a' + i), 0};
        c[i] = stanza_add(&s, 0, SPAN(""), span_of(name));
        stanza_add(&s, c[i], SPAN(""), SPAN("in"));
    }
    stanza_remove(&s, c[2]);
    expect_dump(&s, "m(a(in) b(in) d(in) e(in))");
    stanza_remove(&s, c[2]); /* harmless */
    stanza_remove(&s, 0);    /* not a child */
    stanza_remove(&s, 1000);
    stanza_remove(&s, c[4]);
    stanza_add(&s, 0, SPAN(""), SPAN("f"));
    expect_dump(&s, "m(a(in) b(in) d(in) f)");
    stanza_remove(&s, c[0]);
    expect_dump(&s, "m(b(in) d(in) f)");
    /* All of them, in a loop that goes on from what it has removed. */
    for (uint32_t at = stanza_child(&s, 0, SPAN_NONE, SPAN_NONE); at;
         at = stanza_next(&s, at, SPAN_NONE, SPAN_NONE))
        stanza_remove(&s, at);
    expect_dump(&s, "m");
    stanza_add(&s, 0, SPAN(""), SPAN("g"));
    expect_dump(&s, "m(g)");
    stanza_free(&s);
}

static void test_copy(void **state)
{
    (void)state;
    struct stanza s = {.nodes = NULL}, copy = {.nodes = NULL}, empty = {.nodes = NULL};
    stanza_add(&s, 0, CLIENT, SPAN("m"));
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t x = stanza_add(&s, i % 7 ? 0 : i / 2, i % 3 ? CLIENT : SPAN("urn:x"), SPAN("x"));
        stanza_set_attr(&s, x, SPAN("k"), SPAN("some value"));
        stanza_set_attr_ns(&s, x, SPAN("urn:y"), SPAN("k"), SPAN(""));
        stanza_add_text(&s, x, SPAN("some text"));
    }
    stanza_set_attr(&s, 0, SPAN("to"), SPAN("a@b"));
    stanza_set_attr_ns(&s, 0, XML_NS, SPAN("lang"), SPAN("en"));
    stanza_remove(&s, stanza_child(&s, 0, SPAN_NONE, SPAN_NONE));
    char *before = dump_stanza(&s);
    stanza_add(&copy, 0, CLIENT, SPAN("old"));
    stanza_copy(&copy, &s);
    stanza_free(&s);
    expect_dump(&copy, before);
    expect_span(copy.to, "a@b");
    expect_span(copy.lang, "en");
    expect_span(copy.from, NULL);
    stanza_copy(&copy, &empty);
    assert_int_equal(copy.node_count, 0);
    expect_span(copy.to, NULL);
    free(before);
    stanza_free(&copy);
}

static void test_reset_keeps_little(void **state)
{
    (void)state;
    struct stanza s = {.nodes = NULL};
    stanza_add(&s, 0, CLIENT, SPAN("m"));
    stanza_set_attr(&s, 0, SPAN("k"), SPAN("v"));
    stanza_reset(&s);
    assert_int_equal(s.node_count, 0);
    assert_non_null(s.nodes); /* a steady state allocates nothing */
    assert_non_null(s.attrs);
    stanza_add(&s, 0, CLIENT, SPAN("m"));
    for (int i = 0; i < 4000; i++)
        stanza_add(&s, 0, CLIENT, SPAN("x"));
    stanza_reset(&s);
    assert_true(s.node_cap * sizeof(*s.nodes) + s.attr_cap * sizeof(*s.attrs) <= 65536);
    stanza_add(&s, 0, CLIENT, SPAN("m"));
    expect_dump(&s, "{jabber:client}m");
    stanza_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_build),
        cmocka_unit_test(test_text_is_a_view_when_it_is_one_piece),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_attrs),
        cmocka_unit_test(test_attrs_with_namespace),
        cmocka_unit_test(test_cached_attrs),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_reset_keeps_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
