/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_form - data forms and result sets, as they are read and written. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "xml/parser.h"
#include "xmpp/form.h"
#include "xmpp/ns.h"

static struct stanza s;

/* The content of a message. */
static void read_in(const char *content)
{
    struct buf frame = {0};

    buf_printf(&frame, "<message>%s</message>", content);
    assert_int_equal(
        xml_parse_stanza(xml_parser_shared(SPAN(NS_CLIENT)), buf_span(&frame), &s), XML_OK);
    buf_free(&frame);
}

static void assert_span(struct span got, const char *expected)
{
    if (!expected) {
        assert_true(span_is_none(got));
        return;
    }
    assert_false(span_is_none(got));
    assert_int_equal(got.n, strlen(expected));
    assert_memory_equal(got.p, expected, got.n);
}

#define FIELD(var, value) "<field var='" var "'><value>" value "</value></field>"
#define FORM(type, content) "<x xmlns='jabber:x:data' type='" type "'>" content "</x>"

static void a_form_is_found_by_its_type(void **state)
{
    (void)state;
    static const struct {
        const char *content, *form_type, *value; /* of a field "v" in what is found */
        bool is_found;
    } rows[] = {
        {"", "urn:a", NULL, false},
        {"", NULL, NULL, false},
        {FORM("submit", FIELD("FORM_TYPE", "urn:a") FIELD("v", "1")), "urn:a", "1", true},
        {FORM("submit", FIELD("FORM_TYPE", "urn:a") FIELD("v", "1")), NULL, "1", true},
        {FORM("submit", FIELD("FORM_TYPE", "urn:b") FIELD("v", "1")), "urn:a", NULL, false},
        {FORM("submit", FIELD("v", "1")), "urn:a", NULL, false},
        {FORM("submit", FIELD("v", "1")), NULL, "1", true},
        {FORM("submit", FIELD("FORM_TYPE", "urn:b") FIELD("v", "1"))
         FORM("submit", FIELD("FORM_TYPE", "urn:a") FIELD("v", "2"))
         FORM("submit", FIELD("FORM_TYPE", "urn:a") FIELD("v", "3")), "urn:a", "2", true},
        {FORM("cancel", ""), "urn:a", NULL, true},
        {"<x xmlns='urn:other' type='submit'>" FIELD("v", "1") "</x>", NULL, NULL, false},
        {"<y xmlns='jabber:x:data'/>", NULL, NULL, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        read_in(rows[i].content);
        uint32_t form = form_find(&s, 0, span_of(rows[i].form_type));
        assert_int_equal(form != 0, rows[i].is_found);
        assert_span(form_value(&s, form, SPAN("v")), rows[i].value);
    }
}

static void its_type_is_told(void **state)
{
    (void)state;
    read_in(FORM("submit", ""));
    uint32_t form = form_find(&s, 0, SPAN_NONE);
    assert_true(form_is_type(&s, form, SPAN("submit")));
    assert_false(form_is_type(&s, form, SPAN("cancel")));
    assert_false(form_is_type(&s, 0, SPAN("submit")));
    read_in("<x xmlns='jabber:x:data'/>");
    form = form_find(&s, 0, SPAN_NONE);
    assert_int_not_equal(form, 0);
    assert_false(form_is_type(&s, form, SPAN("submit")));
}

static void fields_have_values(void **state)
{
    (void)state;
    read_in(FORM("submit", "<field var='none'/><field var='empty'><value/></field>"
                           "<field><value>nameless</value></field>"
                           "<field var='other'><v xmlns='urn:x'>1</v></field>"
                           "<field var='two'><value>a&amp;b</value><value>c</value></field>"
                           "<field var='two'><value>hidden behind it</value></field>"));
    uint32_t form = form_find(&s, 0, SPAN_NONE);
    assert_span(form_value(&s, form, SPAN("missing")), NULL);
    assert_span(form_value(&s, form, SPAN("none")), NULL);
    assert_span(form_value(&s, form, SPAN("other")), NULL);
    assert_span(form_value(&s, form, SPAN("empty")), "");
    assert_span(form_value(&s, form, SPAN("two")), "a&b");
    assert_int_equal(form_field(&s, form, SPAN("missing")), 0);
    assert_int_not_equal(form_field(&s, form, SPAN("none")), 0);
    assert_int_equal(form_field(&s, 0, SPAN("none")), 0);
    uint32_t field = form_field(&s, form, SPAN("two"));
    uint32_t value = stanza_child(&s, field, SPAN(NS_FORM), SPAN("value"));
    value = stanza_next(&s, value, SPAN(NS_FORM), SPAN("value"));
    assert_span(stanza_text(&s, value), "c");
    assert_int_equal(stanza_next(&s, value, SPAN(NS_FORM), SPAN("value")), 0);
}

static void booleans_have_four_spellings(void **state)
{
    (void)state;
    static const struct {
        const char *content;
        bool is_sound, before, after;
    } rows[] = {
        {FIELD("b", "1"), true, false, true},     {FIELD("b", "true"), true, false, true},
        {FIELD("b", "0"), true, true, false},     {FIELD("b", "false"), true, true, false},
        {"", true, true, true},                   {"", true, false, false},
        {"<field var='b'/>", true, true, true},   {FIELD("b", "True"), false, true, true},
        {FIELD("b", ""), false, true, true},      {FIELD("b", "2"), false, false, false},
        {FIELD("b", " 1"), false, false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf content = {0};
        buf_printf(&content, FORM("submit", "%s"), rows[i].content);
        read_in(buf_z(&content));
        buf_free(&content);
        bool value = rows[i].before;
        assert_int_equal(form_boolean(&s, form_find(&s, 0, SPAN_NONE), SPAN("b"), &value),
                         rows[i].is_sound);
        assert_int_equal(value, rows[i].after);
    }
}

static void forms_are_written(void **state)
{
    (void)state;
    struct buf out = {0};
    form_write_begin(&out, "form", SPAN("urn:a"));
    form_write_field(&out, "v", "text-single", "A 'label'", SPAN("<&>"));
    form_write_field(&out, "w", NULL, NULL, SPAN_NONE);
    form_write_field(&out, "e", NULL, NULL, SPAN(""));
    form_write_multi_begin(&out, "m", "list-multi", NULL);
    form_write_value(&out, SPAN("1"));
    form_write_value(&out, SPAN("2"));
    form_write_option(&out, "One", SPAN("1"));
    form_write_option(&out, NULL, SPAN("2"));
    form_write_multi_end(&out);
    form_write_end(&out);
    assert_string_equal(
        buf_z(&out),
        "<x xmlns='jabber:x:data' type='form'>"
        "<field var='FORM_TYPE' type='hidden'><value>urn:a</value></field>"
        "<field var='v' type='text-single' label='A &apos;label&apos;'>"
        "<value>&lt;&amp;&gt;</value></field><field var='w'></field>"
        "<field var='e'><value></value></field>"
        "<field var='m' type='list-multi'><value>1</value><value>2</value>"
        "<option label='One'><value>1</value></option><option><value>2</value></option></field>"
        "</x>");
    buf_clear(&out);
    form_write_begin(&out, "submit", SPAN_NONE);
    form_write_end(&out);
    assert_string_equal(buf_z(&out), "<x xmlns='jabber:x:data' type='submit'></x>");
    buf_free(&out);
}

#define SET(content) "<set xmlns='http://jabber.org/protocol/rsm'>" content "</set>"

static void result_sets_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *content;
        bool is_sound, is_there, is_backward;
        int64_t max, index; /* -1: not given */
        const char *after, *before;
    } rows[] = {
        {"", true, false, false, -1, -1, NULL, NULL},
        {"<set/>", true, false, false, -1, -1, NULL, NULL},
        {SET(""), true, true, false, -1, -1, NULL, NULL},
        {SET("<max>10</max>"), true, true, false, 10, -1, NULL, NULL},
        {SET("<max>0</max>"), true, true, false, 0, -1, NULL, NULL},
        {SET("<max>10</max><after>x&lt;y</after>"), true, true, false, 10, -1, "x<y", NULL},
        {SET("<after/>"), true, true, false, -1, -1, NULL, NULL},
        {SET("<before/><max>4294967295</max>"), true, true, true, 4294967295, -1, NULL, ""},
        {SET("<before>z</before>"), true, true, true, -1, -1, NULL, "z"},
        {SET("<after>a</after><before>b</before>"), true, true, true, -1, -1, "a", "b"},
        {SET("<index>7</index><max>3</max>"), true, true, false, 3, 7, NULL, NULL},
        {SET("<max xmlns='urn:x'>q</max>"), true, true, false, -1, -1, NULL, NULL},
        {SET("<max/>"), false, true, false, -1, -1, NULL, NULL},
        {SET("<max>-1</max>"), false, true, false, -1, -1, NULL, NULL},
        {SET("<max>ten</max>"), false, true, false, -1, -1, NULL, NULL},
        {SET("<max>99999999999999999999</max>"), false, true, false, -1, -1, NULL, NULL},
        {SET("<index>1.5</index>"), false, true, false, -1, -1, NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rsm rsm;
        read_in(rows[i].content);
        assert_int_equal(rsm_read(&s, 0, &rsm), rows[i].is_sound);
        if (!rows[i].is_sound)
            continue;
        assert_int_equal(rsm.is_there, rows[i].is_there);
        assert_int_equal(rsm.is_backward, rows[i].is_backward);
        assert_int_equal(rsm.has_max ? (int64_t)rsm.max : -1, rows[i].max);
        assert_int_equal(rsm.has_index ? (int64_t)rsm.index : -1, rows[i].index);
        assert_span(rsm.after, rows[i].after);
        assert_span(rsm.before, rows[i].before);
    }
}

static void result_sets_are_written(void **state)
{
    (void)state;
    static const struct {
        const char *first, *last;
        int64_t index, count;
        const char *expected;
    } rows[] = {
        {NULL, NULL, -1, -1, "<set xmlns='http://jabber.org/protocol/rsm'></set>"},
        {NULL, NULL, 3, 0, SET("<count>0</count>")},
        {"a&", "b<", -1, -1, SET("<first>a&amp;</first><last>b&lt;</last>")},
        {"a", "b", 0, 10000000000,
         SET("<first index='0'>a</first><last>b</last><count>10000000000</count>")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out = {0};
        rsm_write(&out, span_of(rows[i].first), span_of(rows[i].last), rows[i].index,
                  rows[i].count);
        assert_string_equal(buf_z(&out), rows[i].expected);
        buf_free(&out);
    }
}

static int end(void **state)
{
    (void)state;
    stanza_free(&s);
    xml_parser_shared_free();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_form_is_found_by_its_type),
        cmocka_unit_test(its_type_is_told),
        cmocka_unit_test(fields_have_values),
        cmocka_unit_test(booleans_have_four_spellings),
        cmocka_unit_test(forms_are_written),
        cmocka_unit_test(result_sets_are_read),
        cmocka_unit_test(result_sets_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
