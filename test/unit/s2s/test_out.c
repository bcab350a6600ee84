/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Streams that we open: negotiation against a scripted server, in virtual time.
 */
#include "far.h"

#include "s2s/out.h"

static struct house *house_with_message(const char *more)
{
    struct house *h = house_new(more);
    house_link(h);
    send_one(h, 0);
    return h;
}

/* --- the usual way ---------------------------------------------------------------------------- */

static void test_external(void **state)
{
    struct house *h = house_with_message("");
    (void)state;
    assert_int_equal(h->dials, 1);
    wire_say(h->dialled, "");
    const char *heard = wire_heard(h->dialled);
    assert_non_null(strstr(heard, "xmlns='jabber:server'"));
    assert_non_null(strstr(heard, "xmlns:db='jabber:server:dialback'"));
    assert_non_null(strstr(heard, "from='" HOST "'"));
    assert_non_null(strstr(heard, "to='" PEER "'"));
    assert_non_null(strstr(heard, "version='1.0'"));
    assert_string_equal(out_state_name(the_pair(h)->out), "opened");
    house_free(h);

    h = house_new("");
    far_up(h, "");
    assert_string_equal(out_state_name(the_pair(h)->out), "ready");
    expect_messages(h->dialled, 0, 1);
    send_one(h, 1);
    send_one(h, 2);
    expect_messages(h->dialled, 1, 3);
    assert_int_equal(h->dials, 1);
    house_free(h);
}

/* In the namespace of servers, with both addresses. */
static void test_form(void **state)
{
    struct house *h = house_new("");
    (void)state;
    far_up(h, "");
    wire_expect(h->dialled, "<message to='juliet@" PEER "' from='romeo@" HOST
                            "/orchard' id='m0'><body>b0</body></message>");
    house_free(h);
}

static void test_direct_tls(void **state)
{
    struct house *h = house_new("");
    (void)state;
    resolver_sim_clear(h->resolver, "_xmpp-server._tcp." PEER);
    resolver_sim_add(h->resolver, RESOLVE_SRV, "_xmpps-server._tcp." PEER, "0 0 5270 xmpp." PEER,
                     false);
    house_link(h);
    send_one(h, 0);
    assert_string_equal(out_state_name(the_pair(h)->out), "secured"); /* nobody asked for it */
    assert_true(conn_is_secure(out_stream(the_pair(h)->out)->conn));
    wire_expect(h->dialled, "<stream:stream");
    house_proved = PEER;
    wire_say(h->dialled, FAR_OPEN("far") FEATURES(OFFER_EXTERNAL));
    wire_expect(h->dialled, "<auth ");
    house_free(h);
}

static void test_challenge(void **state)
{
    struct house *h = house_with_message("");
    (void)state;
    house_proved = PEER;
    far_secure(h);
    wire_say(h->dialled, FAR_OPEN("far1") FEATURES(OFFER_EXTERNAL));
    wire_say(h->dialled, "<challenge xmlns='" SASL "'/>");
    wire_expect(h->dialled, "<response xmlns='" SASL "'>Y2FwdWxldC5leGFtcGxl</response>");
    house_free(h);
}

/* T25: EXTERNAL or nothing. No SCRAM is spoken, so no count of iterations makes work, and who asks
 * again and again is left. */
static void test_no_other_mechanism(void **state)
{
    static const char *const challenges[] = {"cj1hLHM9YWJjLGk9MjE0NzQ4MzY0OA==", /* i=2^31 */
                                             "cj1hLHM9YWJjLGk9MQ=="};            /* i=1 */
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(challenges); i++) {
        char text[200];
        struct house *h = house_with_message(ANY_AUTH);
        far_secure(h);
        wire_say(h->dialled, FAR_OPEN("far1") FEATURES(
                                 "<mechanisms xmlns='" SASL "'><mechanism>SCRAM-SHA-256</mechanism>"
                                 "<mechanism>PLAIN</mechanism></mechanisms>"));
        const char *heard = wire_heard(h->dialled);
        assert_null(strstr(heard, "<auth"));
        assert_non_null(strstr(heard, "<db:result"));
        house_free(h);

        h = house_with_message("");
        house_proved = PEER;
        far_secure(h);
        wire_say(h->dialled, FAR_OPEN("far1") FEATURES(OFFER_EXTERNAL));
        snprintf(text, sizeof text, "<challenge xmlns='" SASL "'>%s</challenge>", challenges[i]);
        wire_say(h->dialled, text);
        wire_expect(h->dialled, "<response xmlns='" SASL "'>Y2FwdWxldC5leGFtcGxl</response>");
        wire_say(h->dialled, text);
        heard = wire_heard(h->dialled);
        assert_null(strstr(heard, "<response"));
        assert_non_null(strstr(heard, "</stream:stream>"));
        assert_int_equal(queued(h), 1);
        house_free(h);
    }
}

/* --- STARTTLS --------------------------------------------------------------------------------- */

static void test_tls_not_offered(void **state)
{
    struct house *h = house_with_message(ANY_AUTH);
    (void)state;
    wire_say(h->dialled, FAR_OPEN("far0") FEATURES(OFFER_DIALBACK));
    wire_expect_end(h->dialled, "policy-violation");
    loop_sim_advance(h->loop, 1000);
    expect_bounce(h, "<remote-server-timeout");
    house_free(h);
}

static void test_tls_optional(void **state)
{
    struct house *h = house_with_message("[policy]\nauth = dialback\ntls = optional\n");
    (void)state;
    wire_say(h->dialled, FAR_OPEN("far0") FEATURES(OFFER_DIALBACK OFFER_EXTERNAL OFFER_BIDI));
    /* no EXTERNAL, no second direction in clear */
    assert_null(strstr(buf_z(&h->dialled->heard), "bidi"));
    expect_key(h, "far0");
    house_free(h);

    h = house_with_message("[policy]\nauth = dialback\ntls = optional\n");
    wire_say(h->dialled, FAR_OPEN("far0") FEATURES(STARTTLS));
    wire_expect(h->dialled, "<starttls"); /* who offers it gets it */
    wire_say(h->dialled, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    loop_sim_advance(h->loop, 6000);
    expect_no_bounce(h);
    assert_int_equal(the_pair(h)->state, PAIR_WAITING);
    house_free(h);
}

/* What somebody has put behind <proceed/> never acts (T02). */
static void test_injection(void **state)
{
    struct house *h = house_with_message(ANY_AUTH);
    (void)state;
    wire_say(h->dialled, FAR_OPEN("far0") FEATURES(STARTTLS));
    wire_say(h->dialled, PROCEED FAR_OPEN("far1") FEATURES(OFFER_DIALBACK) RESULT("valid"));
    assert_true(h->dialled->is_closed);
    wire_expect_not(h->dialled, "<db:result");
    expect_no_bounce(h);
    assert_int_equal(queued(h), 1);
    house_free(h);
}

/* --- the ends --------------------------------------------------------------------------------- */

#define STREAM_ERROR(condition)                                                                    \
    "<stream:error><" condition " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"    \
    "</stream:stream>"

static void test_stream_errors(void **state)
{
    static const struct {
        const char *word, *bounce; /* NULL: it waits */
    } cases[] = {
        {STREAM_ERROR("host-unknown"), "<remote-server-not-found"}, /* ourselves, perhaps: S13 */
        {STREAM_ERROR("host-gone"), "<remote-server-not-found"},
        {STREAM_ERROR("not-authorized"), "<remote-server-timeout"},
        {STREAM_ERROR("resource-constraint"), NULL},
        {STREAM_ERROR("system-shutdown"), NULL},
        {STREAM_ERROR("see-other-host"), NULL}, /* S17 */
        {"</stream:stream>", NULL},
        {"garbage", NULL},
        {"<!-- -->", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct house *h = house_with_message(ANY_AUTH);
        wire_say(h->dialled, FAR_OPEN("far0"));
        wire_say(h->dialled, cases[i].word);
        loop_sim_advance(h->loop, 6000);
        if (cases[i].bounce)
            expect_bounce(h, cases[i].bounce);
        else
            expect_no_bounce(h);
        assert_int_equal(h->dials, 1);
        assert_int_equal(the_pair(h)->state, PAIR_WAITING);
        house_free(h);
    }
}

/* A peer that takes the connection and is silent, or says a byte now and then (S16). */
static void test_slow(void **state)
{
    struct house *h = house_with_message("");
    (void)state;
    for (int i = 0; i < 58; i++) {
        loop_sim_advance(h->loop, 1000);
        wire_say(h->dialled, i == 0   ? "<"
                             : i == 1 ? "s"
                             : i < 8  ? "tream:"[i - 2] ? "t" : ""
                                      : "x");
    }
    assert_false(h->dialled->is_closed);
    loop_sim_advance(h->loop, 5000);
    assert_true(h->dialled->is_closed);
    expect_no_bounce(h);
    assert_int_equal(queued(h), 1);
    house_free(h);
}

static void test_next_target(void **state)
{
    struct house *h = house_new("");
    (void)state;
    resolver_sim_add(h->resolver, RESOLVE_SRV, "_xmpp-server._tcp." PEER, "9 0 5269 two." PEER,
                     false);
    resolver_sim_add(h->resolver, RESOLVE_A, "two." PEER, "8.8.4.5", false);
    house_link(h);
    send_one(h, 0);
    wire_say(h->dialled, FAR_OPEN("far0") FEATURES("")); /* no TLS here */
    wire_say(h->dialled, "</stream:stream>");
    loop_sim_advance(h->loop, 100);
    assert_int_equal(h->dials, 2);
    far_external(h, "", "");
    expect_messages(h->dialled, 0, 1);
    expect_no_bounce(h);
    house_free(h);
}

/* One that says no counts for more than one that is not there. */
static void test_last_target_is_away(void **state)
{
    struct house *h = house_new("");
    (void)state;
    resolver_sim_add(h->resolver, RESOLVE_SRV, "_xmpp-server._tcp." PEER, "9 0 5269 two." PEER,
                     false);
    resolver_sim_add(h->resolver, RESOLVE_A, "two." PEER, "8.8.4.5", false);
    house_link(h);
    send_one(h, 0);
    wire_say(h->dialled, FAR_OPEN("far0") STREAM_ERROR("host-unknown"));
    pass(h, 6000);
    assert_int_equal(h->dials, 2);
    conn_abort(h->dialled->conn, 0);
    pass(h, 1000);
    expect_bounce(h, "<remote-server-not-found");
    house_free(h);
}

static void test_denied(void **state)
{
    struct house *h = house_new("[domain " PEER "]\ndeny = true\n");
    (void)state;
    house_link(h);
    send_one(h, 0);
    expect_bounce(h, "<remote-server-not-found");
    assert_int_equal(h->dials, 0);
    pair_connect(pair_get(h->s2s, SPAN(HOST), SPAN(PEER)));
    loop_sim_advance(h->loop, 1000);
    assert_int_equal(h->dials, 0);
    assert_true(the_pair(h)->is_refused);
    house_free(h);
}

/* --- both directions (XEP-0288) --------------------------------------------------------------- */

#define FROM_JULIET(to)                                                                            \
    "<message from='juliet@" PEER "/balcony' to='romeo@" to "' "                                   \
    "id='j1'><body>hail</body></message>"

static void test_bidi(void **state)
{
    struct house *h = house_new("");
    (void)state;
    house_link(h);
    send_one(h, 0);
    house_proved = PEER;
    far_secure(h);
    wire_say(h->dialled, FAR_OPEN("far1") FEATURES(OFFER_EXTERNAL OFFER_BIDI));
    wire_expect(h->dialled, "<bidi xmlns='urn:xmpp:bidi'/><auth ");
    wire_say(h->dialled, "<success xmlns='" SASL "'/>");
    wire_say(h->dialled, FAR_OPEN("far2") FEATURES(""));
    expect_messages(h->dialled, 0, 1);
    wire_heard(h->router);
    wire_say(h->dialled, FROM_JULIET(HOST));
    wire_expect(h->router, "<body>hail</body>");
    assert_false(h->dialled->is_closed);
    /* It has proved one pair, not the next (S01, S09). */
    wire_say(h->dialled, FROM_JULIET("verona.example"));
    wire_expect_end(h->dialled, "invalid-from");
    wire_expect_not(h->router, "<body>hail</body>");
    house_free(h);
}

/* After login the limits are those of servers. */
static void test_bidi_large(void **state)
{
    struct house *h = house_new("");
    struct buf text = {0};
    (void)state;
    house_link(h);
    send_one(h, 0);
    far_external(h, OFFER_BIDI, "");
    wire_heard(h->router);
    buf_append_z(&text, "<message from='juliet@" PEER "' to='romeo@" HOST "'><body>");
    for (int i = 0; i < 20000; i++)
        buf_append_char(&text, 'x');
    buf_append_z(&text, "hail</body></message>");
    wire_say_span(h->dialled, buf_span(&text));
    wire_expect(h->router, "hail");
    buf_free(&text);
    house_free(h);
}

/* What comes in is a use, too. */
static void test_bidi_is_not_idle(void **state)
{
    struct house *h = house_new("");
    (void)state;
    house_link(h);
    send_one(h, 0);
    far_external(h, OFFER_BIDI, OFFER_SM);
    wire_say(h->dialled, A("1"));
    for (int i = 0; i < 4; i++) {
        pass(h, 600000);
        wire_say(h->dialled, FROM_JULIET(HOST));
    }
    assert_int_equal(h->dials, 1);
    assert_false(h->dialled->is_closed);
    house_free(h);
}

/* The router is away, and the stream ends before it is back. */
static void test_bidi_under_way(void **state)
{
    struct house *h = house_new("");
    (void)state;
    house_link(h);
    send_one(h, 0);
    far_external(h, OFFER_BIDI, OFFER_SM);
    wire_heard(h->dialled);
    conn_abort(h->router->conn, 0);
    loop_sim_settle(h->loop);
    wire_say(h->dialled, FROM_JULIET(HOST) "<r xmlns='urn:xmpp:sm:3'/>");
    wire_expect(h->dialled, "h='0'"); /* not in safe hands */
    conn_abort(h->dialled->conn, 0);
    house_link(h);
    house_free(h);
}

static void test_bidi_other_sender(void **state)
{
    struct house *h = house_new("");
    (void)state;
    house_link(h);
    send_one(h, 0);
    far_external(h, OFFER_BIDI, "");
    wire_heard(h->router);
    wire_say(h->dialled, "<message from='x@paris.example' to='romeo@" HOST "'/>");
    wire_expect_end(h->dialled, "invalid-from");
    wire_expect_not(h->router, "paris.example");
    house_free(h);
}

static void test_no_bidi(void **state)
{
    struct house *h = house_new("");
    (void)state;
    far_up(h, "");
    wire_heard(h->router);
    wire_say(h->dialled, FROM_JULIET(HOST));
    wire_expect_end(h->dialled, "not-authorized");
    wire_expect_not(h->router, "hail");
    house_free(h);
}

/* What comes in is acknowledged when the router has it. */
static void test_acks_of_what_comes(void **state)
{
    struct house *h = house_new("");
    (void)state;
    house_link(h);
    send_one(h, 0);
    far_external(h, OFFER_BIDI, OFFER_SM);
    wire_heard(h->dialled);
    wire_say(h->dialled, "<r xmlns='urn:xmpp:sm:3'/>");
    wire_expect(h->dialled, "<a xmlns='urn:xmpp:sm:3' h='0'/>");
    wire_say(h->dialled, FROM_JULIET(HOST) FROM_JULIET(HOST));
    wire_say(h->dialled, "<r xmlns='urn:xmpp:sm:3'/>");
    wire_expect(h->dialled, "<a xmlns='urn:xmpp:sm:3' h='2'/>");
    house_free(h);
}

/* Who asks and asks and reads no answer (S15). */
static void test_asks_and_never_reads(void **state)
{
    static const char *const words[] = {
        "<r xmlns='urn:xmpp:sm:3'/>",
        "<db:verify from='" PEER "' to='" HOST "' id='1'>1</db:verify>",
        "<db:result from='" PEER "' to='" HOST "'>1</db:result>",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        struct house *h = house_new("[limits]\nbacklog = 64K\n[policy]\nrate = 10M\nburst = 10M\n");
        far_up(h, OFFER_SM);
        conn_pause(h->dialled->conn);
        struct stream *s = out_stream(the_pair(h)->out);
        for (int n = 0; n < 20000 && s->phase == STREAM_OPEN; n++)
            wire_say(h->dialled, words[i]);
        assert_int_equal(s->phase, STREAM_CLOSING);
        assert_true(stream_out_len(s) < 140 * 1024);
        house_free(h);
    }
}

static void test_sm_refused(void **state)
{
    struct house *h = house_new("");
    (void)state;
    house_link(h);
    send_one(h, 0);
    house_proved = PEER;
    far_secure(h);
    wire_say(h->dialled, FAR_OPEN("far1") FEATURES(OFFER_EXTERNAL));
    wire_say(h->dialled, "<success xmlns='" SASL "'/>");
    wire_say(h->dialled, FAR_OPEN("far2") FEATURES(OFFER_SM));
    wire_expect(h->dialled, "<enable xmlns='urn:xmpp:sm:3'/>");
    wire_say(h->dialled, "<failed xmlns='urn:xmpp:sm:3'/>");
    expect_messages(h->dialled, 0, 1);
    assert_false(the_pair(h)->has_acks);
    house_free(h);
}

/* --- a story for people ----------------------------------------------------------------------- */

static void test_story(void **state)
{
    struct house *h = house_new("");
    (void)state;
    far_up(h, "");
    const char *story = buf_z(&the_pair(h)->story);
    assert_non_null(strstr(story, "SRV _xmpp-server._tcp." PEER));
    assert_non_null(strstr(story, "connected to xmpp." PEER ":5269"));
    assert_non_null(strstr(story, "certificate: ok"));
    assert_non_null(strstr(story, "ready"));
    house_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_external),
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_direct_tls),
        cmocka_unit_test(test_challenge),
        cmocka_unit_test(test_no_other_mechanism),
        cmocka_unit_test(test_tls_not_offered),
        cmocka_unit_test(test_tls_optional),
        cmocka_unit_test(test_injection),
        cmocka_unit_test(test_stream_errors),
        cmocka_unit_test(test_slow),
        cmocka_unit_test(test_next_target),
        cmocka_unit_test(test_last_target_is_away),
        cmocka_unit_test(test_denied),
        cmocka_unit_test(test_bidi),
        cmocka_unit_test(test_bidi_large),
        cmocka_unit_test(test_bidi_is_not_idle),
        cmocka_unit_test(test_bidi_under_way),
        cmocka_unit_test(test_bidi_other_sender),
        cmocka_unit_test(test_no_bidi),
        cmocka_unit_test(test_acks_of_what_comes),
        cmocka_unit_test(test_asks_and_never_reads),
        cmocka_unit_test(test_sm_refused),
        cmocka_unit_test(test_story),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
