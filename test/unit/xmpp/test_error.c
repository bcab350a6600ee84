/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_error - the words of errors, who may be answered, and what goes out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/mem.h"
#include "xml/parser.h"
#include "xmpp/error.h"
#include "xmpp/ns.h"

static void assert_written(struct buf *out, const char *want)
{
    assert_string_equal(buf_z(out), want);
    buf_clear(out);
}

#define COND(name) "<" name " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
#define TEXT(t) "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>" t "</text>"

static void names_are_those_of_the_rfc(void **state)
{
    (void)state;
    assert_string_equal(stream_error_name(STREAM_NOT_WELL_FORMED), "not-well-formed");
    assert_string_equal(stream_error_name(STREAM_UNSUPPORTED_VERSION), "unsupported-version");
    assert_string_equal(stanza_error_name(STANZA_UNEXPECTED_REQUEST), "unexpected-request");
    for (int e = STANZA_BAD_REQUEST; e <= STANZA_UNEXPECTED_REQUEST; e++)
        assert_int_equal(stanza_error_parse(span_of(stanza_error_name((enum stanza_error)e))), e);
    assert_int_equal(stanza_error_parse(SPAN("")), STANZA_ERROR_NONE);
    assert_int_equal(stanza_error_parse(SPAN_NONE), STANZA_ERROR_NONE);
    assert_int_equal(stanza_error_parse(SPAN("bad-requests")), STANZA_ERROR_NONE);
}

static void faults_have_their_errors(void **state)
{
    (void)state;
    static const struct {
        enum xml_fault fault;
        enum stream_error error;
    } rows[] = {
        {XML_OK, STREAM_ERROR_NONE},
        {XML_NOT_WELL_FORMED, STREAM_NOT_WELL_FORMED},
        {XML_RESTRICTED, STREAM_RESTRICTED_XML},
        {XML_UNSUPPORTED_ENCODING, STREAM_UNSUPPORTED_ENCODING},
        {XML_BAD_FORMAT, STREAM_BAD_FORMAT},
        {XML_TOO_BIG, STREAM_POLICY_VIOLATION},
        {XML_TOO_COMPLEX, STREAM_POLICY_VIOLATION},
        {XML_INVALID, STREAM_INVALID_XML},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(stream_error_of_fault(rows[i].fault), rows[i].error);
}

static void complaints_are_told_from_other_ends(void **state)
{
    (void)state;
    static const enum stream_error complaints[] = {
        STREAM_BAD_FORMAT,      STREAM_BAD_NAMESPACE_PREFIX, STREAM_IMPROPER_ADDRESSING,
        STREAM_INVALID_FROM,    STREAM_INVALID_NAMESPACE,    STREAM_INVALID_XML,
        STREAM_NOT_WELL_FORMED, STREAM_POLICY_VIOLATION,     STREAM_RESTRICTED_XML,
        STREAM_UNSUPPORTED_STANZA_TYPE,
    };
    static const enum stream_error others[] = {
        STREAM_ERROR_NONE,   STREAM_CONFLICT, STREAM_CONNECTION_TIMEOUT,
        STREAM_HOST_UNKNOWN, STREAM_RESET,    STREAM_RESOURCE_CONSTRAINT,
        STREAM_SYSTEM_SHUTDOWN,
    };
    for (size_t i = 0; i < ARRAY_LEN(complaints); i++)
        assert_true(stream_error_is_complaint(complaints[i]));
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_false(stream_error_is_complaint(others[i]));
}

static void stream_errors_are_written(void **state)
{
    (void)state;
    struct buf out = {0};
    stream_error_write(&out, STREAM_CONFLICT, NULL, NULL);
    assert_written(&out, "<stream:error><conflict "
                         "xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>");
    stream_error_write(&out, STREAM_POLICY_VIOLATION, "<too> & 'big'", "stanza-too-big");
    assert_written(&out, "<stream:error><policy-violation "
                         "xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                         "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>"
                         "&lt;too&gt; &amp; &apos;big&apos;</text>"
                         "<stanza-too-big xmlns='urn:xmpp:errors'/></stream:error>");
    buf_free(&out);
}

static void who_is_answered(void **state)
{
    (void)state;
    static const struct {
        const char *name, *type;
        bool answered;
    } rows[] = {
        {"message", NULL, true},
        {"message", "chat", true},
        {"message", "groupchat", true},
        {"message", "xyz", true},
        {"message", "headline", false},
        {"message", "error", false},
        {"iq", "get", true},
        {"iq", "set", true},
        {"iq", "xyz", true},
        {"iq", NULL, true},
        {"iq", "result", false},
        {"iq", "error", false},
        {"presence", "subscribe", true},
        {"presence", NULL, false},
        {"presence", "probe", false},
        {"presence", "unavailable", false},
        {"presence", "error", false},
        {"presence", "unsubscribed", false},
        {"other", NULL, false},
        {"", "get", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(stanza_may_answer_error(span_of(rows[i].name), span_of(rows[i].type)),
                         rows[i].answered);
}

static void make(struct stanza *s, const char *id, const char *from, const char *to)
{
    stanza_add(s, 0, SPAN(NS_CLIENT), SPAN("message"));
    stanza_set_attr(s, 0, SPAN("id"), span_of(id));
    stanza_set_attr(s, 0, SPAN("from"), span_of(from));
    stanza_set_attr(s, 0, SPAN("to"), span_of(to));
    uint32_t body = stanza_add(s, 0, SPAN(NS_CLIENT), SPAN("body"));
    stanza_add_text(s, body, SPAN("not sent back"));
}

static void answers_are_written(void **state)
{
    (void)state;
    struct buf out = {0};
    struct stanza s = {0};
    make(&s, "a<b'&", "alice@x/it's", "bob@y");
    stanza_error_write(&out, &s, SPAN(NS_CLIENT), SPAN_NONE, SPAN_NONE, STANZA_SERVICE_UNAVAILABLE,
                       NULL);
    assert_written(&out, "<message to='alice@x/it&apos;s' from='bob@y' "
                         "id='a&lt;b&apos;&amp;' type='error'><error type='cancel'>" COND(
                             "service-unavailable") "</error></message>");
    stanza_error_write(&out, &s, SPAN(NS_COMPONENT), SPAN("host"), SPAN("carol@z"),
                       STANZA_RESOURCE_CONSTRAINT, "later > now");
    assert_written(&out, "<message to='carol@z' from='host' id='a&lt;b&apos;&amp;' type='error'>"
                         "<error type='wait'>" COND("resource-constraint")
                             TEXT("later &gt; now") "</error></message>");
    /* a condition more, and another type than the first condition's usual one */
    stanza_error_write_with(&out, &s, SPAN_NONE, SPAN_NONE, STANZA_NOT_ACCEPTABLE, SPAN("cancel"),
                            SPAN("<more xmlns='x:y'/>"));
    assert_written(&out, "<message to='alice@x/it&apos;s' from='bob@y' "
                         "id='a&lt;b&apos;&amp;' type='error'><error type='cancel'>" COND(
                             "not-acceptable") "<more xmlns='x:y'/></error></message>");
    stanza_reset(&s);
    make(&s, NULL, NULL, NULL);
    stanza_error_write(&out, &s, SPAN(NS_CLIENT), SPAN_NONE, SPAN_NONE, STANZA_JID_MALFORMED, NULL);
    assert_written(&out, "<message type='error'><error type='modify'>" COND(
                             "jid-malformed") "</error></message>");
    stanza_free(&s);
    buf_free(&out);
}

static void errors_of_errors(void **state)
{
    static const struct {
        const char *text;
        bool is_one;
    } cases[] = {
        {"<message type='error'><body>1</body><error type='cancel'/></message>", false},
        {"<message type='error'><error type='cancel'/><error type='wait'/></message>", true},
        {"<iq type='error' id='1'><error/><query xmlns='urn:x'><error/></query></iq>", false},
        {"<iq type='error' id='1'><error/><query xmlns='urn:x'/><error xmlns='urn:y'/></iq>", true},
        {"<presence type='error'/>", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct stanza s = {0};
        assert_int_equal(xml_parse_stanza(xml_parser_shared(SPAN(NS_CLIENT)),
                                          span_of(cases[i].text), &s),
                         XML_OK);
        assert_int_equal(stanza_is_error_of_error(&s), cases[i].is_one);
        stanza_free(&s);
    }
    xml_parser_shared_free();
}

static void parts_stay_escaped(void **state)
{
    (void)state;
    struct buf out = {0};
    /* As in a start tag: entities as they are; an apostrophe in a value that stood in "…". */
    stanza_error_write_parts(&out, SPAN("iq"), SPAN("1&amp;2"), SPAN("b@y"), SPAN("a@x/'it's'"),
                             STANZA_ITEM_NOT_FOUND, "no");
    assert_written(&out, "<iq to='a@x/&apos;it&apos;s&apos;' from='b@y' id='1&amp;2' type='error'>"
                         "<error type='cancel'>" COND("item-not-found") TEXT("no") "</error></iq>");
    stanza_error_write_parts(&out, SPAN("presence"), SPAN_NONE, SPAN_NONE, SPAN(""),
                             STANZA_ERROR_NONE, NULL);
    assert_written(&out, "<presence to='' type='error'><error type='cancel'>" COND(
                             "undefined-condition") "</error></presence>");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(complaints_are_told_from_other_ends),
        cmocka_unit_test(names_are_those_of_the_rfc), cmocka_unit_test(faults_have_their_errors),
        cmocka_unit_test(stream_errors_are_written),  cmocka_unit_test(who_is_answered),
        cmocka_unit_test(answers_are_written),        cmocka_unit_test(parts_stay_escaped),
        cmocka_unit_test(errors_of_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
