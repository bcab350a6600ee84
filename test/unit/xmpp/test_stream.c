/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stream engine with a small receiving role: headers, rules, faults, restarts, pauses, ends;
 * everything at each chunk size.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../wire.h"
#include "base/mem.h"
#include "xmpp/ns.h"
#include "xmpp/stream.h"

enum { STRANGER, FRIEND };

#define HEAD                                                                                       \
    "<?xml version='1.0'?><stream:stream to='h' version='1.0' xmlns='jabber:client' "              \
    "xmlns:stream='http://etherx.jabber.org/streams'>"
#define END "</stream:stream>"

struct host {
    struct stream stream;
    struct loop *loop;
    struct wire *wire;
    unsigned messages, spaces, closed;
    bool pause_on_message;
};

static void on_header(struct stream *s, const struct stanza *header)
{
    (void)header;
    stream_send_header(s, &(struct stream_header){.from = SPAN("h")});
    stream_send(s, SPAN("<stream:features/>"));
}

static void on_hello(struct stream *s, struct stanza *stanza)
{
    (void)stanza;
    stream_set_state(s, FRIEND);
    stream_send(s, SPAN("<welcome/>"));
    stream_restart(s);
}

static void on_message(struct stream *s, struct stanza *stanza)
{
    struct host *h = s->ctx;
    h->messages++;
    stanza_write(stream_out(s), stanza, &(struct stanza_write_opts){.ns = SPAN(NS_CLIENT)});
    stream_flush(s);
    if (h->pause_on_message)
        stream_pause(s);
}

static void on_upgrade(struct stream *s, struct stanza *stanza)
{
    static const struct transport_ops none;
    (void)stanza;
    stream_send(s, SPAN("<proceed/>"));
    stream_start_tls(s, &none, NULL);
}

static void on_space(struct stream *s)
{
    struct host *h = s->ctx;
    h->spaces++;
}

static void on_closed(struct stream *s)
{
    struct host *h = s->ctx;
    h->closed++;
}

static const struct stream_rule rules[] = {
    {STREAM_IN(FRIEND), NS_CLIENT, "message", on_message},
    {STREAM_IN(STRANGER), "urn:test", "hello", on_hello},
    {STREAM_IN(STRANGER), NS_TLS, "starttls", on_upgrade},
};
static const char *const states[] = {"stranger", "friend"};
static const struct stream_role role = {
    .name = "test",
    .ns = NS_CLIENT,
    .declares = "xmlns:more='urn:more'",
    .has_version = true,
    .state_names = states,
    .rules = rules,
    .rule_count = ARRAY_LEN(rules),
    .on_header = on_header,
    .on_space = on_space,
    .on_closed = on_closed,
};

static struct host *host_new(size_t chunk)
{
    struct host *h = mem_zalloc(sizeof *h);
    struct conn *near;
    h->loop = loop_new_sim();
    h->wire = wire_new(h->loop, chunk, &near);
    stream_init(&h->stream, &role, h->loop, near, h);
    stream_set_from(&h->stream, SPAN("h"));
    return h;
}

static void host_free(struct host *h)
{
    wire_free(&h->wire);
    loop_sim_advance(h->loop, 10000);
    assert_int_equal(h->closed, 1);
    loop_free(&h->loop);
    xml_parser_shared_free();
    free(h);
}

static void befriend(struct host *h)
{
    wire_say(h->wire, HEAD "<hello xmlns='urn:test'/>" HEAD);
    wire_expect(h->wire, "<welcome/>");
}

/* Each test below is called once for every chunk size. */
#define AT_ALL_CHUNKS(test)                                                                        \
    static void test##_at_all(void **state)                                                        \
    {                                                                                              \
        (void)state;                                                                               \
        for (size_t i = 0; i < WIRE_CHUNKS; i++)                                                   \
            test(wire_chunks[i]);                                                                  \
    }

static void opens_and_relays(size_t chunk)
{
    struct host *h = host_new(chunk);
    wire_say(h->wire, HEAD);
    if (!strstr(buf_z(&h->wire->heard), " xmlns:more='urn:more' id='"))
        fail_msg("heard: %s", wire_heard(h->wire));
    wire_expect(h->wire, "from='h' version='1.0'");
    wire_say(h->wire, "<hello xmlns='urn:test'/>");
    wire_expect(h->wire, "<welcome/>");
    wire_say(h->wire, HEAD " \n<message to='a@h'><body>1 &lt; 2</body></message>"
                           "<message to='b@h'/>");
    wire_expect(h->wire, "<message to='a@h'><body>1 &lt; 2</body></message><message to='b@h'/>");
    assert_int_equal(h->messages, 2);
    assert_true(h->spaces >= 1);
    wire_say(h->wire, END);
    wire_expect_end(h->wire, END);
    host_free(h);
}
AT_ALL_CHUNKS(opens_and_relays)

/* Every restart gets an id of its own. */
static void ids_are_fresh(size_t chunk)
{
    struct host *h = host_new(chunk);
    wire_say(h->wire, HEAD);
    char first[33];
    memcpy(first, h->stream.id, sizeof first);
    assert_int_equal(strlen(first), 32);
    wire_say(h->wire, "<hello xmlns='urn:test'/>" HEAD);
    assert_string_not_equal(first, h->stream.id);
    host_free(h);
}
AT_ALL_CHUNKS(ids_are_fresh)

struct fault_case {
    const char *say, *expect;
};

#define STREAM_ERROR(cond) "<" cond " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"

static const struct fault_case before_header[] = {
    /* X34 */
    {"<stream:stream to='h' version='1.0' xmlns='jabber:client' xmlns:stream='urn:x'>",
     STREAM_ERROR("invalid-namespace")},
    {"<stream:stream to='h' version='1.0' xmlns='jabber:server' "
     "xmlns:stream='http://etherx.jabber.org/streams'>",
     STREAM_ERROR("invalid-namespace")},
    {"<stream:stream to='h' xmlns='jabber:client' "
     "xmlns:stream='http://etherx.jabber.org/streams'>",
     STREAM_ERROR("unsupported-version")},
    {"<stream:stream to='h' version='0.9' xmlns='jabber:client' "
     "xmlns:stream='http://etherx.jabber.org/streams'>",
     STREAM_ERROR("unsupported-version")},
    {"<stream:flow to='h' version='1.0' xmlns='jabber:client' "
     "xmlns:stream='http://etherx.jabber.org/streams'>",
     STREAM_ERROR("bad-format")},
    {"<!DOCTYPE l [<!ENTITY a 'lol'>]>", STREAM_ERROR("restricted-xml")}, /* X01 */
    {"<?xml version='1.0' encoding='ISO-8859-1'?>", STREAM_ERROR("unsupported-encoding")},
    {"GET / HTTP/1.1\r\n\r\n", "<stream:error>"},
};

static void bad_headers_are_refused(size_t chunk)
{
    for (size_t i = 0; i < ARRAY_LEN(before_header); i++) {
        struct host *h = host_new(chunk);
        wire_say(h->wire, before_header[i].say);
        /* RFC 6120 4.9.1.2: an opening header comes before the error */
        assert_non_null(strstr(buf_z(&h->wire->heard), "<stream:stream "));
        wire_expect_end(h->wire, before_header[i].expect);
        host_free(h);
    }
}
AT_ALL_CHUNKS(bad_headers_are_refused)

static const struct fault_case after_login[] = {
    {"<message xmlns='jabber:server'/>", STREAM_ERROR("invalid-namespace")},        /* X26 */
    {"<message xmlns='jabber:component:accept'/>", STREAM_ERROR("invalid-namespace")},
    {"<foo/>", STREAM_ERROR("unsupported-stanza-type")},                            /* X27 */
    {"<foo xmlns='urn:unknown'/>", STREAM_ERROR("unsupported-stanza-type")},
    {"hello", STREAM_ERROR("bad-format")},                                          /* X28 */
    {"<message><!-- x --></message>", STREAM_ERROR("restricted-xml")},              /* X05 */
    {"<?php x?>", STREAM_ERROR("restricted-xml")},                                  /* X06 */
    {"<message><gajim:die/></message>", STREAM_ERROR("not-well-formed")},           /* X16 */
    {"<message a='1' a='2'/>", STREAM_ERROR("not-well-formed")},                    /* X17 */
    {"<message><body></message></body>", STREAM_ERROR("not-well-formed")},
    {"<message><body>&#xD800;</body></message>", STREAM_ERROR("not-well-formed")},  /* X08 */
    {"<message><body>\xC0\xBC</body></message>", STREAM_ERROR("not-well-formed")},  /* X10 */
    {"<message><body><![CDATA[\xC0\xBC]]></body></message>", STREAM_ERROR("not-well-formed")},
    {"<message><stream:stream to='x'/></message>", STREAM_ERROR("invalid-xml")},    /* X25 */
    {"<hello xmlns='urn:test'/>", STREAM_ERROR("not-authorized")}, /* a rule of another state */
};

static void faults_end_the_stream(size_t chunk)
{
    for (size_t i = 0; i < ARRAY_LEN(after_login); i++) {
        struct host *h = host_new(chunk);
        befriend(h);
        wire_say(h->wire, after_login[i].say);
        wire_expect_end(h->wire, after_login[i].expect);
        assert_int_equal(h->messages, 0);
        host_free(h);
    }
}
AT_ALL_CHUNKS(faults_end_the_stream)

static void stanza_before_its_state(size_t chunk)
{
    struct host *h = host_new(chunk);
    wire_say(h->wire, HEAD "<message to='a@h'/>");
    wire_expect_end(h->wire, STREAM_ERROR("not-authorized")); /* T10 */
    assert_int_equal(h->messages, 0);
    host_free(h);
}
AT_ALL_CHUNKS(stanza_before_its_state)

static void too_big_says_so(size_t chunk)
{
    struct host *h = host_new(chunk);
    const struct framer_limits small = {200, 200, 8, 32};
    befriend(h);
    stream_set_limits(&h->stream, &small);
    struct buf big = {0};
    buf_append_z(&big, "<message><body>");
    while (buf_len(&big) < 300)
        buf_append_char(&big, 'x');
    wire_say_span(h->wire, buf_span(&big));
    assert_non_null(strstr(buf_z(&h->wire->heard), "<stanza-too-big xmlns='urn:xmpp:errors'/>"));
    wire_expect_end(h->wire, STREAM_ERROR("policy-violation")); /* X23 */
    buf_free(&big);
    host_free(h);
}
AT_ALL_CHUNKS(too_big_says_so)

static void budget_ends(size_t chunk)
{
    struct host *h = host_new(chunk);
    stream_set_budget(&h->stream, 400);
    befriend(h);
    for (int i = 0; i < 20; i++)
        wire_say(h->wire, "<message/>");
    wire_expect_end(h->wire, STREAM_ERROR("policy-violation"));
    assert_true(h->messages < 20);
    host_free(h);
}
AT_ALL_CHUNKS(budget_ends)

/* A paused stream handles nothing, loses nothing, and goes on in order. */
static void pauses(size_t chunk)
{
    struct host *h = host_new(chunk);
    befriend(h);
    h->pause_on_message = true;
    wire_say(h->wire, "<message id='1'/><message id='2'/><message id='3'/>");
    assert_int_equal(h->messages, 1);
    wire_expect(h->wire, "<message id='1'/>");
    stream_resume(&h->stream);
    loop_sim_settle(h->loop);
    assert_int_equal(h->messages, 2);
    h->pause_on_message = false;
    stream_resume(&h->stream);
    loop_sim_settle(h->loop);
    wire_expect(h->wire, "<message id='2'/><message id='3'/>");
    host_free(h);
}
AT_ALL_CHUNKS(pauses)

/* Paused and resumed by somebody else while a stanza has come in part only. */
static void pauses_within_a_stanza(size_t chunk)
{
    struct host *h = host_new(chunk);
    befriend(h);
    wire_say(h->wire, "<message id='1'><body>half");
    stream_pause(&h->stream);
    wire_say(h->wire, " and half</body></message><message id='2'/>");
    assert_int_equal(h->messages, 0);
    stream_resume(&h->stream);
    loop_sim_settle(h->loop);
    wire_expect(h->wire, "<message id='1'><body>half and half</body></message>"
                         "<message id='2'/>");
    host_free(h);
}
AT_ALL_CHUNKS(pauses_within_a_stanza)

static void on_other_data(void *ctx, struct span bytes)
{
    struct host *h = ctx;
    (void)bytes;
    stream_resume(&h->stream);
}

/* The resume comes from another connection's event, and new bytes in the same turn of the loop. */
static void resumes_in_order(size_t chunk)
{
    static const struct conn_handler handler = {.on_data = on_other_data};
    struct host *h = host_new(chunk);
    struct conn *theirs, *ours;
    befriend(h);
    conn_pair_fake(h->loop, 0, 0, &theirs, &ours);
    conn_set_handler(ours, &handler, h);
    h->pause_on_message = true;
    wire_say(h->wire, "<message id='1'/><message id='2'/><mess");
    h->pause_on_message = false;
    conn_send(theirs, SPAN("now"));
    wire_say(h->wire, "age id='3'/><message id='4'/>");
    wire_expect(h->wire, "<message id='1'/><message id='2'/><message id='3'/><message id='4'/>");
    conn_abort(theirs, 0);
    conn_abort(ours, 0);
    host_free(h);
}
AT_ALL_CHUNKS(resumes_in_order)

static void times_out(size_t chunk)
{
    struct host *h = host_new(chunk);
    stream_set_deadline(&h->stream, 30000);
    wire_say(h->wire, HEAD);
    loop_sim_advance(h->loop, 29999);
    assert_int_equal(h->closed, 0);
    loop_sim_advance(h->loop, 1);
    wire_expect_end(h->wire, STREAM_ERROR("connection-timeout"));
    host_free(h);
}
AT_ALL_CHUNKS(times_out)

/* A closing stream ends in time, whatever its owner does with the deadline. */
static void closing_has_its_own_deadline(size_t chunk)
{
    struct host *h = host_new(chunk);
    befriend(h);
    stream_error(&h->stream, STREAM_SYSTEM_SHUTDOWN, NULL);
    stream_set_deadline(&h->stream, 0);
    wire_expect_end(h->wire, "");
    host_free(h);
}
AT_ALL_CHUNKS(closing_has_its_own_deadline)

/* T01: what is pipelined behind <starttls/> never acts. */
static void starttls_injection(size_t chunk)
{
    struct host *h = host_new(chunk);
    wire_say(h->wire, HEAD "<starttls xmlns='" NS_TLS "'/>" HEAD "<hello xmlns='urn:test'/>");
    loop_sim_advance(h->loop, 10000);
    wire_expect_not(h->wire, "<welcome/>");
    host_free(h);
}

static void starttls_injection_in_one_piece(void **state)
{
    (void)state;
    starttls_injection(0);
}

static void secures(size_t chunk)
{
    struct host *h = host_new(chunk);
    wire_say(h->wire, HEAD "<starttls xmlns='" NS_TLS "'/>");
    wire_expect(h->wire, "<proceed/>");
    wire_say(h->wire, HEAD "<hello xmlns='urn:test'/>");
    wire_expect(h->wire, "<welcome/>");
    host_free(h);
}
AT_ALL_CHUNKS(secures)

/* Some clients end each line of theirs with a line feed, also where the stream begins anew. */
static void space_before_a_restart(size_t chunk)
{
    struct host *h = host_new(chunk);
    wire_say(h->wire, HEAD "<hello xmlns='urn:test'/>\n \n");
    wire_expect(h->wire, "<welcome/>");
    wire_say(h->wire, "\r\t" HEAD "<message to='a@h'/>");
    wire_expect(h->wire, "<message to='a@h'/>");
    host_free(h);
}
AT_ALL_CHUNKS(space_before_a_restart)

/* The same before TLS: white space cannot act. */
static void space_behind_starttls(void **state)
{
    (void)state;
    struct host *h = host_new(0);
    wire_say(h->wire, HEAD "<starttls xmlns='" NS_TLS "'/>\n");
    wire_expect(h->wire, "<proceed/>");
    wire_say(h->wire, HEAD "<hello xmlns='urn:test'/>");
    wire_expect(h->wire, "<welcome/>");
    host_free(h);
}

/* X35: nothing behind the end tag matters, not even a fault. */
static void after_the_end(size_t chunk)
{
    struct host *h = host_new(chunk);
    befriend(h);
    wire_say(h->wire, END "<message/><!-- -->");
    wire_expect_not(h->wire, "error");
    wire_expect_end(h->wire, END);
    assert_int_equal(h->messages, 0);
    host_free(h);
}
AT_ALL_CHUNKS(after_the_end)

/* A header with prefixes of its own: stanzas may use them. */
static void own_prefixes(size_t chunk)
{
    struct host *h = host_new(chunk);
    wire_say(h->wire, HEAD "<hello xmlns='urn:test'/>"
                           "<stream:stream to='h' version='1.0' xmlns='jabber:client' "
                           "xmlns:p='urn:p' xmlns:stream='http://etherx.jabber.org/streams'>");
    wire_say(h->wire, "<message><p:x/></message>");
    wire_expect(h->wire, "<message><x xmlns='urn:p'/></message>");
    host_free(h);
}
AT_ALL_CHUNKS(own_prefixes)

/* One that we declare ourselves costs the stream no parser of its own; the same for another
 * namespace does. */
static void our_prefixes(size_t chunk)
{
    static const struct {
        const char *declared;
        bool is_own;
    } cases[] = {
        {"xmlns:more='urn:test'", true},
        {"xmlns:more='urn:more'", false},
        {"xmlns:mor='urn:more'", true},
        {"xmlns:more='urn:mor'", true},
        {"xmlns:ore='urn:more'", true},
        {"", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct host *h = host_new(chunk);
        wire_say(h->wire, "<stream:stream to='h' version='1.0' xmlns='jabber:client' "
                          "xmlns:stream='http://etherx.jabber.org/streams' ");
        wire_say(h->wire, cases[i].declared);
        wire_say(h->wire, ">");
        assert_int_equal(h->stream.parser != NULL, cases[i].is_own);
        wire_say(h->wire, i == 0 ? "<more:hello/>" : "<hello xmlns='urn:test'/>");
        wire_expect(h->wire, "<welcome/>");
        host_free(h);
    }
}
AT_ALL_CHUNKS(our_prefixes)

/* Our close waits for the peer's, but not for ever. */
static void closes(size_t chunk)
{
    struct host *h = host_new(chunk);
    befriend(h);
    stream_close(&h->stream);
    loop_sim_settle(h->loop);
    wire_expect(h->wire, END);
    assert_int_equal(h->closed, 0);
    loop_sim_advance(h->loop, 5000);
    assert_int_equal(h->closed, 1);
    host_free(h);
}
AT_ALL_CHUNKS(closes)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_and_relays_at_all),
        cmocka_unit_test(ids_are_fresh_at_all),
        cmocka_unit_test(bad_headers_are_refused_at_all),
        cmocka_unit_test(faults_end_the_stream_at_all),
        cmocka_unit_test(stanza_before_its_state_at_all),
        cmocka_unit_test(too_big_says_so_at_all),
        cmocka_unit_test(budget_ends_at_all),
        cmocka_unit_test(pauses_at_all),
        cmocka_unit_test(pauses_within_a_stanza_at_all),
        cmocka_unit_test(resumes_in_order_at_all),
        cmocka_unit_test(times_out_at_all),
        cmocka_unit_test(closing_has_its_own_deadline_at_all),
        cmocka_unit_test(starttls_injection_in_one_piece),
        cmocka_unit_test(secures_at_all),
        cmocka_unit_test(space_before_a_restart_at_all),
        cmocka_unit_test(space_behind_starttls),
        cmocka_unit_test(after_the_end_at_all),
        cmocka_unit_test(own_prefixes_at_all),
        cmocka_unit_test(our_prefixes_at_all),
        cmocka_unit_test(closes_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
