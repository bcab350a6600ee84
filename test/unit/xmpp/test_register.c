/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Registration queries: read in both spellings, written, and lengths in characters.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "xml/parser.h"
#include "xmpp/ns.h"
#include "xmpp/register.h"

#include <stdio.h>

#define FORM(type, fields) "<x xmlns='jabber:x:data'" type ">" fields "</x>"
#define FIELD(var, value) "<field var='" var "'><value>" value "</value></field>"

static void expect(struct span got, const char *want)
{
    assert_int_equal(span_is_none(got), want == NULL);
    if (want)
        assert_true(span_eq(got, span_of(want)));
}

static void reads_queries(void **state)
{
    static const struct {
        const char *inside, *username, *password;
        bool is_removal, has_more;
    } cases[] = {
        {"", NULL, NULL, false, false},
        {"<username>a</username><password>b</password>", "a", "b", false, true},
        {"<username/>", "", NULL, false, false},
        {"<password>a&amp;b</password>", NULL, "a&b", false, false},
        {"<username xmlns='urn:other'>a</username>", NULL, NULL, false, false},
        {"<remove/>", NULL, NULL, true, false},
        {"<remove xmlns='urn:other'/>", NULL, NULL, false, false},
        {"<remove/><username>a</username>", "a", NULL, true, true},
        /* a form counts, whatever stands beside it */
        {"<username>x</username>" FORM(" type='submit'", FIELD("username", "a")
                                       FIELD("password", "b")), "a", "b", false, true},
        {"<username>x</username>" FORM("", FIELD("password", "b")), NULL, "b", false, true},
    };
    char xml[600];
    struct stanza s = {0};
    struct register_query q;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(xml, sizeof(xml), "<iq><query xmlns='jabber:iq:register'>%s</query></iq>",
                 cases[i].inside);
        assert_int_equal(xml_parse_stanza(xml_parser_shared(SPAN(NS_CLIENT)), span_of(xml), &s),
                         XML_OK);
        register_read(&s, stanza_child(&s, 0, SPAN(NS_REGISTER), SPAN("query")), &q);
        expect(q.username, cases[i].username);
        expect(q.password, cases[i].password);
        assert_int_equal(q.is_removal, cases[i].is_removal);
        assert_int_equal(q.has_more, cases[i].has_more);
    }
    stanza_free(&s);
    xml_parser_shared_free();
}

static void writes_a_form_both_ways(void **state)
{
    struct buf out = {0};
    (void)state;
    register_write_form(&out, SPAN("Say <who>"));
    assert_string_equal(
        buf_z(&out),
        "<query xmlns='jabber:iq:register'><instructions>Say &lt;who&gt;</instructions>"
        "<username/><password/><x xmlns='jabber:x:data' type='form'>"
        "<instructions>Say &lt;who&gt;</instructions>"
        "<field var='FORM_TYPE' type='hidden'><value>jabber:iq:register</value></field>"
        "<field var='username' type='text-single' label='Name'><required/></field>"
        "<field var='password' type='text-private' label='Password'><required/></field>"
        "</x></query>");
    buf_free(&out);
}

static void counts_characters(void **state)
{
    (void)state;
    assert_int_equal(register_length(SPAN_NONE), 0);
    assert_int_equal(register_length(SPAN("abc")), 3);
    assert_int_equal(register_length(SPAN("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80")), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_queries),
        cmocka_unit_test(writes_a_form_both_ways),
        cmocka_unit_test(counts_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
