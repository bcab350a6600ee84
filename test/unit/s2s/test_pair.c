/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pairs: back-off, bounces, acknowledgements, questions, and both directions over one stream, in
 * virtual time.
 */
#include "far.h"

#include "s2s/out.h"
#include "s2s/policy.h"

/* --- no such server --------------------------------------------------------------------------- */

static void test_not_found(void **state)
{
    struct house *h = house_new("");
    (void)state;
    house_link(h);
    send_to(h, GONE, 0);
    pass(h, 100);
    expect_bounce(h, "<remote-server-not-found");
    size_t asked = resolver_sim_asked(h->resolver);
    for (int i = 0; i < 5; i++) { /* for a minute that is known */
        pass(h, 10000);
        send_to(h, GONE, 1);
        expect_bounce(h, "<remote-server-not-found");
    }
    assert_int_equal(resolver_sim_asked(h->resolver), asked);
    pass(h, 12000);
    send_to(h, GONE, 2);
    pass(h, 100);
    expect_bounce(h, "<remote-server-not-found");
    assert_true(resolver_sim_asked(h->resolver) > asked);
    house_free(h);
}

/* Names that are none, addresses, what lies within: no connection is tried (S11, S12). */
static void test_where_we_never_go(void **state)
{
    static const char *const domains[] = {"127.0.0.1", "[::1]",      "localhost",
                                          "router",    "in.example", ("unknown." HOST)};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
        struct house *h = house_new("");
        resolver_sim_add(h->resolver, RESOLVE_A, "in.example", "10.1.2.3", false);
        resolver_sim_add(h->resolver, RESOLVE_A, "localhost", "127.0.0.1", false);
        resolver_sim_add(h->resolver, RESOLVE_A, "router", "8.8.8.8", false);
        house_link(h);
        send_to(h, domains[i], 0);
        pass(h, 100);
        expect_bounce(h, "<remote-server-not-found");
        assert_int_equal(h->dials, 0);
        house_free(h);
    }
}

/* Errors are never answered (S14). */
static void test_errors_die(void **state)
{
    struct house *h = house_new("");
    (void)state;
    house_link(h);
    wire_say(h->router, "<message type='error' from='romeo@" HOST "' to='juliet@" GONE "'/>");
    pass(h, 1000);
    expect_no_bounce(h);
    house_free(h);
}

/* --- trouble that may heal -------------------------------------------------------------------- */

/* When it dials, from now: within [low, high] ms of the last attempt. */
static void expect_dial_between(struct house *h, uint64_t low, uint64_t high)
{
    unsigned before = h->dials;
    pass(h, low - 1);
    assert_int_equal(h->dials, before);
    pass(h, high - low + 2);
    assert_int_equal(h->dials, before + 1);
}

static void test_backoff(void **state)
{
    static const uint64_t waits[] = {15000, 30000, 60000, 120000, 240000, 300000, 300000};
    struct house *h = house_new("");
    (void)state;
    house_link(h);
    send_one(h, 0);
    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        far_hangs_up(h);
        assert_int_equal(the_pair(h)->state, PAIR_WAITING);
        assert_int_equal(the_pair(h)->failures, i + 1);
        send_one(h, 1 + (unsigned)i); /* does not hurry it */
        uint64_t dialled_before = loop_now(h->loop);
        unsigned before = h->dials;
        while (h->dials == before)
            pass(h, 500);
        uint64_t waited = loop_now(h->loop) - dialled_before;
        assert_true(waited >= waits[i] * 3 / 4 && waited <= waits[i] + 500);
    }
    expect_no_bounce(h);
    far_external(h, "", "");
    expect_messages(h->dialled, 0, 1 + ARRAY_LEN(waits));
    house_free(h);
}

/* An acknowledgement says that all is well again. */
static void test_success_resets(void **state)
{
    struct house *h = house_new("");
    (void)state;
    house_link(h);
    send_one(h, 0);
    for (int i = 0; i < 3; i++) {
        far_hangs_up(h);
        pass(h, 70000);
    }
    assert_int_equal(the_pair(h)->failures, 3);
    far_external(h, "", OFFER_SM);
    assert_int_equal(the_pair(h)->failures, 3);
    wire_say(h->dialled, "<a xmlns='urn:xmpp:sm:3' h='1'/>");
    assert_int_equal(the_pair(h)->failures, 0);
    send_one(h, 1);
    far_hangs_up(h);
    expect_dial_between(h, 1, 1100); /* it was good: soon */
    far_hangs_up(h);
    expect_dial_between(h, 11250, 15000);
    house_free(h);
}

static void test_time_to_live(void **state)
{
    struct house *h = house_new("[limits]\nqueue_time = 10m\n");
    (void)state;
    resolver_sim_status(h->resolver, "_xmpp-server._tcp." PEER, RESOLVE_FAILED);
    resolver_sim_status(h->resolver, "_xmpps-server._tcp." PEER, RESOLVE_FAILED);
    resolver_sim_status(h->resolver, PEER, RESOLVE_FAILED);
    house_link(h);
    send_one(h, 0);
    pass(h, 595000);
    expect_no_bounce(h);
    assert_int_equal(queued(h), 1);
    pass(h, 10000);
    expect_bounce(h, "<remote-server-timeout");
    pass(h, 400000);
    /* nothing waits: nobody tries, and it is forgotten */
    assert_null(pair_find(h->s2s, SPAN(HOST), SPAN(PEER)));
    house_free(h);
}

/* Domains that do not answer are no other domain's trouble. */
static void test_many_unreachable(void **state)
{
    struct house *h = house_new("");
    char name[64];
    (void)state;
    house_link(h);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "_xmpp-server._tcp.d%u.example", i);
        resolver_sim_delay(h->resolver, name, 9000);
        snprintf(name, sizeof name, "d%u.example", i);
        send_to(h, name, i);
    }
    assert_int_equal(h->dials, 0);
    send_one(h, 0);
    assert_int_equal(h->dials, 1); /* in the same moment */
    far_external(h, "", "");
    expect_messages(h->dialled, 0, 1);
    house_free(h);
}

static void test_too_many(void **state)
{
    struct house *h = house_new("[limits]\nmax_pairs = 16\n");
    char name[64];
    (void)state;
    house_link(h);
    for (unsigned i = 0; i < 16; i++) {
        snprintf(name, sizeof name, "d%u.example", i);
        resolver_sim_delay(h->resolver, name, 9000);
        send_to(h, name, i);
    }
    wire_heard(h->router);
    send_one(h, 0);
    expect_bounce(h, "<resource-constraint");
    pass(h, 150000); /* they have been found not to exist, and forgotten */
    wire_heard(h->router);
    send_one(h, 0);
    expect_no_bounce(h);
    assert_int_equal(h->dials, 1);
    house_free(h);
}

/* Domains that do not exist keep out none that does. */
static void test_too_many_of_nowhere(void **state)
{
    struct house *h = house_new("[limits]\nmax_pairs = 16\n");
    char name[64];
    (void)state;
    house_link(h);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "d%u.example", i);
        send_to(h, name, i);
        pass(h, 100);
        expect_bounce(h, "<remote-server-not-found");
        assert_true(h->s2s->pairs.count <= 16);
    }
    send_one(h, 0);
    expect_no_bounce(h);
    assert_int_equal(h->dials, 1);
    house_free(h);
}

static void test_full(void **state)
{
    struct house *h = house_new("[limits]\nqueue = 10\nqueue_bytes = 1M\nqueue_stored = 1M\n");
    (void)state;
    house_link(h);
    char *text = mem_alloc(200000);
    memset(text, 'x', 200000);
    for (int i = 0; i < 20; i++) {
        wire_say(h->router, "<message from='romeo@" HOST "/orchard' to='juliet@" PEER "'><body>");
        wire_say_span(h->router, span_make(text, 200000));
        wire_say(h->router, "</body></message>");
    }
    expect_bounce(h, "<resource-constraint");
    assert_true(queued(h) >= 5);
    free(text);
    house_free(h);
}

/* --- a peer that does not read: S15
 * ---------------------------------------------------------------- */

static void test_never_reads(void **state)
{
    struct house *h = house_new("[limits]\nbacklog = 64K\n");
    (void)state;
    far_up(h, OFFER_SM);
    wire_heard(h->dialled);
    conn_pause(h->dialled->conn);
    char *text = mem_alloc(20000);
    memset(text, 'x', 20000);
    for (int i = 0; i < 20; i++) {
        wire_say(h->router, "<message from='romeo@" HOST "/orchard' to='juliet@" PEER "'><body>");
        wire_say_span(h->router, span_make(text, 20000));
        wire_say(h->router, "</body></message>");
    }
    free(text);
    assert_int_equal(queued(h), 21);
    assert_true(stream_out_len(out_stream(the_pair(h)->out)) < 64 * 1024 + 25000);
    struct wire *stuck = h->dialled;
    pass(h, 65000);
    assert_int_equal(queued(h), 21);
    expect_no_bounce(h);
    assert_true(the_pair(h)->out == NULL || h->dialled != stuck);
    pass(h, 16000);
    assert_true(h->dialled != stuck);
    far_external(h, "", OFFER_SM);
    assert_true(buf_len(&h->dialled->heard) > 20 * 20000); /* all of it, as fast as it is read */
    house_free(h);
}

/* What has waited goes as the peer reads it. */
static void test_much_at_once(void **state)
{
    struct house *h = house_new("[limits]\nbacklog = 64K\n");
    (void)state;
    house_link(h);
    for (unsigned i = 0; i < 900; i++)
        send_one(h, i);
    house_proved = PEER;
    far_secure(h);
    wire_say(h->dialled, FAR_OPEN("far1") FEATURES(OFFER_EXTERNAL));
    wire_say(h->dialled, "<success xmlns='" SASL "'/>");
    conn_pause(h->dialled->conn);
    wire_say(h->dialled, FAR_OPEN("far2") FEATURES(""));
    size_t len = stream_out_len(out_stream(the_pair(h)->out));
    assert_true(len > 64 * 1024 && len < 66 * 1024);
    conn_resume(h->dialled->conn);
    loop_sim_settle(h->loop);
    assert_int_equal(outbox_unacked(the_pair(h)->outbox), 900);
    house_free(h);
}

/* Slow, but alive: the rest follows as it drains. */
static void test_drains(void **state)
{
    struct house *h = house_new("[limits]\nbacklog = 64K\n");
    (void)state;
    far_up(h, OFFER_SM);
    conn_pause(h->dialled->conn);
    for (unsigned i = 1; i < 900; i++)
        send_one(h, i);
    assert_true(stream_out_len(out_stream(the_pair(h)->out)) < 70 * 1024);
    conn_resume(h->dialled->conn);
    loop_sim_settle(h->loop);
    wire_heard(h->dialled);
    assert_int_equal(outbox_unacked(the_pair(h)->outbox), 900);
    house_free(h);
}

/* --- ends ------------------------------------------------------------------------------------- */

static void test_idle(void **state)
{
    struct house *h = house_new("");
    (void)state;
    far_up(h, OFFER_SM);
    wire_say(h->dialled, A("1"));
    pass(h, 890000);
    assert_false(h->dialled->is_closed);
    wire_heard(h->dialled);
    pass(h, 20000);
    wire_expect_end(h->dialled, "</stream:stream>");
    assert_int_equal(the_pair(h)->state, PAIR_IDLE);
    send_one(h, 1);
    assert_int_equal(h->dials, 2);
    house_free(h);
}

static void test_used_is_not_idle(void **state)
{
    struct house *h = house_new("");
    (void)state;
    far_up(h, OFFER_SM);
    for (unsigned i = 1; i < 4; i++) {
        char a[64];
        snprintf(a, sizeof a, "<a xmlns='urn:xmpp:sm:3' h='%u'/>", i);
        wire_say(h->dialled, a);
        pass(h, 800000);
        send_one(h, i);
    }
    assert_false(h->dialled->is_closed);
    assert_int_equal(h->dials, 1);
    house_free(h);
}

/* In order, with nothing under way: the next stanza opens the next stream at once. */
static void test_peer_ends(void **state)
{
    struct house *h = house_new("");
    (void)state;
    far_up(h, OFFER_SM);
    wire_say(h->dialled, A("1") "</stream:stream>");
    assert_int_equal(the_pair(h)->state, PAIR_IDLE);
    pass(h, 30000);
    assert_int_equal(h->dials, 1);
    send_one(h, 1);
    assert_int_equal(h->dials, 2);
    far_external(h, "", OFFER_SM);
    expect_messages(h->dialled, 1, 2);
    house_free(h);
}

/* One that takes what it gets and ends, each time, is not asked in a circle. */
static void test_peer_ends_again_and_again(void **state)
{
    struct house *h = house_new("");
    (void)state;
    far_up(h, "");
    for (unsigned i = 1; i < 4; i++) {
        wire_say(h->dialled, "</stream:stream>");
        assert_int_equal(the_pair(h)->failures, i);
        pass(h, (15000u << (i - 1)) * 3 / 4 - 100);
        assert_int_equal(h->dials, i);
        pass(h, (15000u << (i - 1)) / 4 + 200);
        assert_int_equal(h->dials, i + 1);
        far_external(h, "", "");
    }
    expect_messages(h->dialled, 0, 1);
    house_free(h);
}

static void test_close(void **state)
{
    struct house *h = house_new("");
    (void)state;
    far_up(h, OFFER_SM);
    pair_close(the_pair(h));
    loop_sim_settle(h->loop);
    wire_say(h->dialled, "</stream:stream>");
    pass(h, 1100); /* what was not acknowledged goes again, soon */
    assert_int_equal(h->dials, 2);
    far_external(h, "", OFFER_SM);
    expect_messages(h->dialled, 0, 1);
    house_free(h);
}

/* While it dials. */
static void test_close_early(void **state)
{
    struct house *h = house_new("");
    (void)state;
    resolver_sim_delay(h->resolver, "_xmpp-server._tcp." PEER, 3000);
    house_link(h);
    send_one(h, 0);
    pair_close(the_pair(h));
    loop_sim_settle(h->loop);
    assert_int_equal(the_pair(h)->state, PAIR_WAITING);
    pass(h, 6000);
    assert_int_equal(h->dials, 1);
    house_free(h);
}

static void test_stop(void **state)
{
    struct house *h = house_new("");
    (void)state;
    far_up(h, OFFER_SM);
    send_one(h, 1);
    wire_heard(h->dialled);
    s2s_stop(h->s2s, house_on_stopped, h);
    loop_sim_advance(h->loop, 1900);
    wire_expect_not(h->dialled, "system-shutdown");
    loop_sim_advance(h->loop, 200);
    wire_expect(h->dialled, "system-shutdown");
    wire_say(h->dialled, "</stream:stream>");
    pass(h, 6000);
    assert_int_equal(h->stopped, 1);
    assert_int_equal(queued(h), 2); /* in the store, for the next start */
    expect_no_bounce(h);
    house_free(h);
}

/* What it has taken is not sent again by the next start. */
static void test_stop_waits_for_acks(void **state)
{
    struct house *h = house_new("");
    (void)state;
    far_up(h, OFFER_SM);
    send_one(h, 1);
    wire_heard(h->dialled);
    s2s_stop(h->s2s, house_on_stopped, h);
    loop_sim_settle(h->loop);
    wire_expect(h->dialled, R);
    wire_say(h->dialled, A("1"));
    assert_int_equal(queued(h), 1);
    wire_say(h->dialled, A("2"));
    assert_int_equal(queued(h), 0);
    wire_expect(h->dialled, "system-shutdown");
    wire_say(h->dialled, "</stream:stream>");
    loop_sim_settle(h->loop);
    assert_true(h->s2s->is_flushing); /* without waiting for more */
    house_free(h);
}

/* --- a stanza that the other server cannot bear ----------------------------------------------- */

#define COMPLAINT                                                                                  \
    "<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>" \
    "</stream:stream>"

/* It is found, and goes back; those before and behind it arrive. */
static void test_poison(void **state)
{
    struct house *h = house_new("");
    (void)state;
    far_up(h, OFFER_SM);
    for (unsigned i = 1; i < 4; i++)
        send_one(h, i);
    wire_heard(h->dialled);
    wire_heard(h->router);
    wire_say(h->dialled, COMPLAINT); /* of 1: of which it does not say */
    pass(h, 21000);
    assert_int_equal(h->dials, 2);
    far_external(h, "", OFFER_SM);
    expect_messages(h->dialled, 0, 1); /* one at a time now */
    wire_say(h->dialled, A("1"));
    expect_messages(h->dialled, 1, 2);
    expect_no_bounce(h);
    wire_say(h->dialled, COMPLAINT);
    pass(h, 5000);
    const char *heard = wire_heard(h->router);
    assert_non_null(strstr(heard, "id='m1'"));
    assert_non_null(strstr(heard, "<not-acceptable"));
    assert_non_null(strstr(heard, "policy-violation"));
    pass(h, 1100); /* the others need not wait for that */
    assert_int_equal(h->dials, 3);
    far_external(h, "", OFFER_SM);
    wire_say(h->dialled, A("1"));
    expect_messages(h->dialled, 2, 4);
    wire_say(h->dialled, A("2"));
    assert_int_equal(queued(h), 0);
    expect_no_bounce(h);
    send_one(h, 4);
    send_one(h, 5); /* all is as before */
    expect_messages(h->dialled, 4, 6);
    house_free(h);
}

/* A stream that ends for other reasons says nothing of what was on it. */
static void test_no_poison(void **state)
{
    static const char *const words[] = {
        "<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
        "</stream:error></stream:stream>",
        "</stream:stream>", "<message from='x@" PEER "' to='y@" HOST "'/>", /* our complaint */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        struct house *h = house_new("");
        far_up(h, OFFER_SM);
        wire_heard(h->router);
        for (unsigned n = 0; n < 4; n++) {
            wire_say(h->dialled, words[i]);
            if (h->dialled->conn)
                conn_close(h->dialled->conn);
            while (h->dials < n + 2)
                pass(h, 1000);
            far_external(h, "", OFFER_SM);
        }
        assert_false(outbox_is_careful(the_pair(h)->outbox));
        assert_int_equal(queued(h), 1);
        expect_no_bounce(h);
        house_free(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_found),
        cmocka_unit_test(test_where_we_never_go),
        cmocka_unit_test(test_errors_die),
        cmocka_unit_test(test_backoff),
        cmocka_unit_test(test_success_resets),
        cmocka_unit_test(test_time_to_live),
        cmocka_unit_test(test_many_unreachable),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_too_many_of_nowhere),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_never_reads),
        cmocka_unit_test(test_much_at_once),
        cmocka_unit_test(test_drains),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_used_is_not_idle),
        cmocka_unit_test(test_peer_ends),
        cmocka_unit_test(test_peer_ends_again_and_again),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_close_early),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_stop_waits_for_acks),
        cmocka_unit_test(test_poison),
        cmocka_unit_test(test_no_poison),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
