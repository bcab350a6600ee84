/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Streams that we open: who the other server is, and how it knows us, in virtual time.
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

/* --- dialback --------------------------------------------------------------------------------- */

static void test_dialback(void **state)
{
    static const char *const features[] = {OFFER_DIALBACK, ""}; /* some do not say that they can */
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(features); i++) {
        struct house *h = house_with_message(ANY_AUTH);
        far_secure(h);
        wire_say(h->dialled, FAR_OPEN("far1") "<stream:features>");
        wire_say(h->dialled, features[i]);
        wire_say(h->dialled, "</stream:features>");
        expect_key(h, "far1");
        wire_say(h->dialled, RESULT("valid"));
        expect_messages(h->dialled, 0, 1);
        house_free(h);
    }
}

/* Their ids may be longer than ours. */
static void test_long_id(void **state)
{
#define LONG_ID "0123456789abcdef-0123456789abcdef-0123456789abcdef-0123456789abcdef"
    struct house *h = house_with_message(ANY_AUTH);
    (void)state;
    far_secure(h);
    wire_say(h->dialled, FAR_OPEN(LONG_ID) FEATURES(OFFER_DIALBACK));
    expect_key(h, LONG_ID);
    house_free(h);
}

static void test_no_id(void **state)
{
    struct house *h = house_with_message(ANY_AUTH);
    (void)state;
    far_secure(h);
    wire_say(h->dialled, "<stream:stream version='1.0' " DECLARED ">" FEATURES(OFFER_DIALBACK));
    wire_expect(h->dialled, "bad-format");
    expect_no_bounce(h);
    house_free(h);
}

/* The certificate is good, ours is not taken: on the same stream by dialback. */
static void test_external_refused(void **state)
{
    struct house *h = house_with_message("");
    (void)state;
    house_proved = PEER;
    far_secure(h);
    wire_say(h->dialled, FAR_OPEN("far1") FEATURES(OFFER_EXTERNAL OFFER_DIALBACK));
    wire_expect(h->dialled, "<auth ");
    wire_say(h->dialled, "<failure xmlns='" SASL "'><not-authorized/></failure>");
    expect_key(h, "far1");
    wire_say(h->dialled, RESULT("valid"));
    expect_messages(h->dialled, 0, 1);
    house_free(h);
}

/* Answers that nobody asked for, or about others, do nothing (S04, S05). */
static void test_foreign_results(void **state)
{
    static const char *const words[] = {
        "<db:result from='paris.example' to='" HOST "' type='valid'/>",
        "<db:result from='" PEER "' to='verona.example' type='valid'/>",
        "<db:verify from='" PEER "' to='" HOST "' id='x' type='valid'/>",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        struct house *h = house_with_message(ANY_AUTH);
        far_secure(h);
        wire_say(h->dialled, FAR_OPEN("far1") FEATURES(OFFER_DIALBACK));
        wire_heard(h->dialled);
        wire_say(h->dialled, words[i]);
        assert_string_equal(out_state_name(the_pair(h)->out), "dialback");
        assert_string_equal(wire_heard(h->dialled), "");
        house_free(h);
    }
}

static void test_result_too_late(void **state)
{
    struct house *h = house_new(ANY_AUTH);
    (void)state;
    far_up(h, OFFER_SM);
    wire_heard(h->dialled);
    wire_say(h->dialled, RESULT("valid"));
    wire_say(h->dialled, RESULT("invalid"));
    assert_string_equal(out_state_name(the_pair(h)->out), "ready");
    assert_string_equal(wire_heard(h->dialled), "");
    house_free(h);
}

/* Requests of the other server's own are not for this stream. */
static void test_requests_over_ours(void **state)
{
    struct house *h = house_with_message(ANY_AUTH);
    (void)state;
    far_secure(h);
    wire_say(h->dialled, FAR_OPEN("far1") FEATURES(OFFER_DIALBACK));
    wire_heard(h->dialled);
    wire_say(h->dialled, "<db:result from='" PEER "' to='" HOST "'>key</db:result>");
    wire_expect(h->dialled, "<db:result from='" HOST "' to='" PEER "' type='error'>");
    wire_say(h->dialled, "<db:verify from='" PEER "' to='" HOST "' id='7'>key</db:verify>");
    wire_expect(h->dialled, "<db:verify from='" HOST "' to='" PEER "' id='7' type='error'>");
    house_free(h);
}

#define DB_ERROR(condition)                                                                        \
    "<db:result from='" PEER "' to='" HOST "' type='error'><error type='cancel'><" condition       \
    " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>"

static void test_dialback_failures(void **state)
{
    static const struct {
        const char *word, *condition; /* NULL: it waits */
    } cases[] = {
        {RESULT("invalid"), "<remote-server-timeout"},
        {DB_ERROR("item-not-found"), "<remote-server-not-found"},
        {DB_ERROR("not-authorized"), "<remote-server-timeout"},
        {DB_ERROR("policy-violation"), "<remote-server-timeout"},
        {DB_ERROR("remote-connection-failed"), NULL},
        {DB_ERROR("remote-server-timeout"), NULL},
        {DB_ERROR("resource-constraint"), NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct house *h = house_with_message(ANY_AUTH);
        far_secure(h);
        wire_say(h->dialled, FAR_OPEN("far1") FEATURES(OFFER_DIALBACK));
        wire_heard(h->dialled);
        wire_say(h->dialled, cases[i].word);
        wire_say(h->dialled, "</stream:stream>");
        loop_sim_advance(h->loop, 1000);
        if (cases[i].condition)
            expect_bounce(h, cases[i].condition);
        else
            expect_no_bounce(h);
        assert_int_equal(queued(h), cases[i].condition ? 0 : 1);
        assert_int_equal(the_pair(h)->state, PAIR_WAITING);
        assert_null(the_pair(h)->out);
        house_free(h);
    }
}

/* --- whose certificate ------------------------------------------------------------------------ */

static void test_wrong_certificate(void **state)
{
    struct house *h = house_with_message("[policy]\nauth = certificate\n");
    (void)state;
    far_secure(h);
    wire_say(h->dialled, FAR_OPEN("far1") FEATURES(OFFER_EXTERNAL OFFER_DIALBACK));
    wire_expect_end(h->dialled, "not-authorized");
    loop_sim_advance(h->loop, 1000);
    expect_bounce(h, "<remote-server-timeout");
    send_one(h, 1); /* and so is the next, without a new attempt */
    expect_bounce(h, "self-signed");
    assert_int_equal(h->dials, 1);
    pass(h, 62000);
    send_one(h, 2);
    assert_int_equal(h->dials, 2);
    house_free(h);
}

/* A good certificate is enough for us; how they know us is their matter. */
static void test_certificate_and_dialback(void **state)
{
    struct house *h = house_with_message("[policy]\nauth = certificate\n");
    (void)state;
    house_proved = PEER;
    far_secure(h);
    wire_say(h->dialled, FAR_OPEN("far1") FEATURES(OFFER_DIALBACK));
    expect_key(h, "far1");
    house_free(h);
}

static enum tls_peer_verdict the_verdict;
static char the_domain[128], the_tlsa_name[128], the_pin[128];
static size_t the_tlsa_count;

static enum tls_peer_verdict noting_twin(const struct tls_peer_want *want)
{
    snprintf(the_domain, sizeof the_domain, "%.*s", SPAN_ARG(want->domain));
    snprintf(the_tlsa_name, sizeof the_tlsa_name, "%.*s", SPAN_ARG(want->tlsa_name));
    snprintf(the_pin, sizeof the_pin, "%.*s", SPAN_ARG(want->pin));
    the_tlsa_count = want->tlsa_count;
    assert_string_equal(want->service, "xmpp-server");
    return the_verdict;
}

/* Never passed over: a wrong pin, a wrong TLSA record. */
static void test_verdicts(void **state)
{
    static const struct {
        enum tls_peer_verdict verdict;
        const char *conf;
        bool is_taken;
    } cases[] = {
        {TLS_PEER_OK, ANY_AUTH, true},
        {TLS_PEER_NONE, ANY_AUTH, true},
        {TLS_PEER_EXPIRED, ANY_AUTH, true},
        {TLS_PEER_WRONG_TLSA, ANY_AUTH, false},
        {TLS_PEER_WRONG_PIN, ANY_AUTH, false},
        {TLS_PEER_EXPIRED, "[policy]\nauth = certificate\n", false},
        {TLS_PEER_NONE, "[policy]\nauth = certificate\n", false},
        {TLS_PEER_EXPIRED, ANY_AUTH "[domain " PEER "]\nauth = certificate\n", false},
        {TLS_PEER_OK, "[domain " PEER "]\nauth = certificate\n", true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct house *h = house_with_message(cases[i].conf);
        tls_peer_twin = noting_twin;
        the_verdict = cases[i].verdict;
        far_secure(h);
        wire_say(h->dialled, FAR_OPEN("far1") FEATURES(OFFER_DIALBACK));
        wire_expect(h->dialled, cases[i].is_taken ? "<db:result" : "not-authorized");
        assert_string_equal(the_domain, PEER);
        assert_string_equal(the_tlsa_name, "");
        assert_string_equal(the_pin, "");
        house_free(h);
    }
}

static void test_what_is_asked_of_it(void **state)
{
    struct house *h =
        house_new(ANY_AUTH "[domain " PEER "]\npin = "
                           "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n");
    (void)state;
    tls_peer_twin = noting_twin;
    the_verdict = TLS_PEER_OK;
    resolver_sim_clear(h->resolver, "_xmpp-server._tcp." PEER);
    resolver_sim_clear(h->resolver, "xmpp." PEER);
    resolver_sim_add(h->resolver, RESOLVE_SRV, "_xmpp-server._tcp." PEER, "0 0 5269 xmpp." PEER,
                     true);
    resolver_sim_add(h->resolver, RESOLVE_A, "xmpp." PEER, "8.8.4.4", true);
    resolver_sim_add(h->resolver, RESOLVE_TLSA, "_5269._tcp.xmpp." PEER, "3 1 1 00ff", true);
    resolver_sim_status(h->resolver, "_xmpps-server._tcp." PEER, RESOLVE_NO_NAME);
    house_link(h);
    send_one(h, 0);
    far_secure(h);
    wire_say(h->dialled, FAR_OPEN("far1") FEATURES(OFFER_DIALBACK));
    assert_string_equal(the_tlsa_name, "xmpp." PEER);
    assert_int_equal(the_tlsa_count, 1);
    assert_int_equal(strlen(the_pin), 64);
    house_free(h);
}

/* In the DNS and in certificates a domain has another spelling than in streams. */
static void test_idn(void **state)
{
    struct house *h = house_new("");
    (void)state;
    tls_peer_twin = noting_twin;
    the_verdict = TLS_PEER_OK;
    resolver_sim_add(h->resolver, RESOLVE_A, "xn--mnchen-3ya.example", "8.8.4.4", false);
    house_link(h);
    send_to(h, "m\xc3\xbcnchen.example", 0);
    assert_int_equal(h->dials, 1);
    wire_expect(h->dialled, "to='m\xc3\xbcnchen.example'");
    wire_say(h->dialled, FAR_OPEN("far0") FEATURES(STARTTLS) PROCEED);
    house_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialback),
        cmocka_unit_test(test_long_id),
        cmocka_unit_test(test_no_id),
        cmocka_unit_test(test_external_refused),
        cmocka_unit_test(test_foreign_results),
        cmocka_unit_test(test_result_too_late),
        cmocka_unit_test(test_requests_over_ours),
        cmocka_unit_test(test_dialback_failures),
        cmocka_unit_test(test_wrong_certificate),
        cmocka_unit_test(test_certificate_and_dialback),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_what_is_asked_of_it),
        cmocka_unit_test(test_idn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
