/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sessions (resources, conflict, limits) and the claims of their users at the router.
 */
#include "sm_kit.h"

static void opens_with_the_resource_asked_for_or_one_of_ours(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "Bal  cony");
    struct kit_client *b = kit_open(k, "alice", "net.test", "");
    (void)state;

    assert_string_equal(a->jid, "alice@prime.test/Bal  cony");
    assert_int_equal(strlen(b->jid), strlen("alice@net.test/") + 16);
    assert_int_equal(sm_session_count(k->sm), 2);
    assert_int_equal(sm_session_priority(a->session), INT_MIN);
    kit_close(k, a), kit_close(k, b);
    assert_int_equal(sm_session_count(k->sm), 0);
    kit_free(k);
}

static void refuses_what_is_no_resource(void **state)
{
    struct kit *k = kit_new(NULL);
    char big[1100];
    (void)state;

    memset(big, 'x', sizeof(big));
    big[1024] = 0;
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a\x01" "b");
    struct kit_client *b = kit_open(k, "alice", "prime.test", big);
    big[1023] = 0;
    struct kit_client *c = kit_open(k, "alice", "prime.test", big);
    assert_int_equal(a->refused, STANZA_JID_MALFORMED);
    assert_int_equal(b->refused, STANZA_JID_MALFORMED);
    assert_non_null(c->session);
    kit_close(k, a), kit_close(k, b), kit_close(k, c);
    kit_free(k);
}

/* C12, C13 */
static void a_new_session_throws_out_the_old_of_its_resource(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *old = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *new = kit_open(k, "alice", "net.test", "x");
    (void)state;

    assert_int_equal(old->kicked, STREAM_CONFLICT);
    assert_non_null(new->session);
    struct kit_client *bob = kit_open(k, "bob", "prime.test", "y");
    kit_say(k, bob, "<message to='alice@prime.test/x'><body>1</body></message>");
    EXPECT(new, "<body>1</body>");
    EXPECT_NOTHING(old);
    kit_close(k, old), kit_close(k, new), kit_close(k, bob);
    kit_free(k);
}

/* The old stream takes a while to end; its farewell comes before the new one's presence. */
static void the_old_is_gone_before_the_new_is_there(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *old = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *bob = kit_open(k, "bob", "prime.test", "y");
    (void)state;

    kit_say(k, bob, "<presence/>");
    kit_say(k, old, "<presence/>");
    kit_say(k, old, "<presence to='bob@prime.test'/>");
    kit_heard(bob);
    struct kit_client *new = kit_open(k, "alice", "prime.test", "x");
    EXPECT(bob, "type='unavailable'");
    kit_say(k, new, "<presence/>");
    kit_say(k, new, "<presence to='bob@prime.test'/>");
    kit_heard(bob), kit_heard(new);
    kit_close(k, old);
    EXPECT_NOTHING(bob);
    EXPECT_NOTHING(new);
    kit_close(k, new), kit_close(k, bob);
    kit_free(k);
}

static void conflicts_are_limited_in_rate(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *last = kit_open(k, "alice", "prime.test", "x");
    int refused = 0;
    (void)state;

    for (int i = 0; i < 100; i++) {
        struct kit_client *c = kit_open(k, "alice", "prime.test", "x");
        refused += c->refused == STANZA_RESOURCE_CONSTRAINT;
        if (c->session) {
            kit_close(k, last);
            last = c;
        } else {
            kit_close(k, c);
        }
    }
    assert_in_range(refused, 50, 75);
    kit_close(k, last);
    kit_free(k);
}

static void the_sessions_of_a_user_are_limited(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *c[4];
    char resource[2] = "a";
    (void)state;

    for (int i = 0; i < 4; i++, resource[0]++)
        c[i] = kit_open(k, "alice", "prime.test", resource);
    assert_non_null(c[2]->session);
    assert_int_equal(c[3]->refused, STANZA_RESOURCE_CONSTRAINT);
    for (int i = 0; i < 4; i++)
        kit_close(k, c[i]);
    kit_free(k);
}

static void a_cancelled_opening_is_never_answered(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *c = kit_client_new();
    (void)state;

    sm_open(k->sm, &c->c, SPAN("alice"), SPAN("prime.test"), SPAN("x"));
    sm_open_cancel(k->sm, &c->c);
    kit_settle(k);
    assert_false(c->is_answered);
    /* while the claim is under way */
    kit_link_up(k);
    sm_open(k->sm, &c->c, SPAN("alice"), SPAN("prime.test"), SPAN("x"));
    kit_settle(k);
    sm_open_cancel(k->sm, &c->c);
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(k);
    assert_false(c->is_answered);
    EXPECT_WORDS(k, "claim alice@prime.test\nrelease alice@prime.test\n");
    free(c);
    kit_free(k);
}

static void deleting_a_user_ends_his_sessions(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *b = kit_open(k, "bob", "prime.test", "x");
    (void)state;

    sm_user_deleted(k->sm, SPAN("alice"));
    sm_user_deleted(k->sm, SPAN("nobody"));
    assert_int_equal(a->kicked, STREAM_NOT_AUTHORIZED);
    assert_int_equal(b->kicked, STREAM_ERROR_NONE);
    kit_close(k, a), kit_close(k, b);
    kit_free(k);
}

/* --- claims --- */

static void the_claim_comes_before_the_session(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    kit_link_up(k);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "1");
    struct kit_client *b = kit_open(k, "alice", "prime.test", "2");
    assert_false(a->is_answered);
    EXPECT_WORDS(k, "claim alice@prime.test\n");
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(k);
    assert_non_null(a->session);
    assert_non_null(b->session);
    /* the last one gone */
    kit_close(k, a);
    EXPECT_WORDS(k, "");
    kit_close(k, b);
    EXPECT_WORDS(k, "release alice@prime.test\n");
    sm_link_events.on_released(k->sm, SPAN("alice@prime.test"));
    EXPECT_WORDS(k, "released-ok alice@prime.test\n");
    kit_free(k);
}

/* What has come before the release is committed before the router lets go. */
static void released_ok_waits_for_the_store(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    kit_link_up(k);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "1");
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(k);
    sm_close(a->session);
    kit_drain(&k->link.words);
    kit_parse(k, NS_COMPONENT,
              "<message from='x@y' to='alice@prime.test'><body>1</body></message>");
    sm_link_events.on_stanza(k->sm, &k->stanza);
    sm_link_events.on_released(k->sm, SPAN("alice@prime.test"));
    EXPECT_WORDS(k, "");
    kit_settle(k);
    EXPECT_WORDS(k, "released-ok alice@prime.test\n");
    assert_int_equal(kit_offline_count(k, "alice"), 1);
    free(a);
    kit_free(k);
}

static void who_comes_back_meanwhile_is_claimed_again(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    kit_link_up(k);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "1");
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(k);
    kit_close(k, a);
    struct kit_client *b = kit_open(k, "alice", "prime.test", "1");
    EXPECT_WORDS(k, "claim alice@prime.test\nrelease alice@prime.test\n");
    sm_link_events.on_released(k->sm, SPAN("alice@prime.test"));
    EXPECT_WORDS(k, "released-ok alice@prime.test\nclaim alice@prime.test\n");
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(k);
    assert_non_null(b->session);
    kit_close(k, b);
    kit_free(k);
}

static void without_a_router_it_works_alone_and_claims_later(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    kit_link_up(k);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "1");
    assert_false(a->is_answered);
    kit_link_down(k);
    assert_non_null(a->session);
    struct kit_client *b = kit_open(k, "bob", "prime.test", "1");
    assert_non_null(b->session);
    kit_close(k, b);
    kit_drain(&k->link.words);
    kit_link_up(k);
    EXPECT_WORDS(k, "claims alice@prime.test\n");
    /* another has her meanwhile */
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    assert_int_equal(a->kicked, STREAM_ERROR_NONE);
    assert_true(a->is_held); /* it moves there: test_sm_move.c */
    EXPECT_LINK(k, "<f:open ");
    kit_close(k, a);
    EXPECT_WORDS(k, "");
    kit_free(k);
}

static void strangers_answers_change_nothing(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    kit_link_up(k);
    sm_link_events.on_claim(k->sm, SPAN("zoe@prime.test"), SPAN_NONE);
    sm_link_events.on_claim(k->sm, SPAN("nonsense"), SPAN("c2s-2.prime.test"));
    sm_link_events.on_released(k->sm, SPAN("zoe@prime.test"));
    /* what nobody here wants is not kept from others */
    EXPECT_WORDS(k, "release zoe@prime.test\nreleased-ok zoe@prime.test\n");
    kit_free(k);
}

/* The bulk claim of a returning link met another's release: refused, then granted after all. */
static void a_late_grant_is_used_or_given_back(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "1");
    struct kit_client *b = kit_open(k, "bob", "prime.test", "1");
    (void)state;

    kit_link_up(k);
    kit_drain(&k->link.words);
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    sm_link_events.on_claim(k->sm, SPAN("bob@prime.test"), SPAN("c2s-2.prime.test"));
    kit_close(k, a);
    struct kit_client *again = kit_open(k, "bob", "prime.test", "2");
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN_NONE);
    EXPECT_WORDS(k, "claim bob@prime.test\nrelease alice@prime.test\n");
    sm_link_events.on_claim(k->sm, SPAN("bob@prime.test"), SPAN_NONE);
    kit_settle(k);
    assert_non_null(again->session);
    /* the first is on its way to him who was the owner: he sends it back */
    assert_true(b->is_held);
    const char *id = strstr(kit_drain(&k->link.out), "' jid='bob@prime.test/1'") - 16;
    char xml[512];
    snprintf(xml, sizeof(xml), "<envelope xmlns='" NS_ROUTER "' from='c2s-2.prime.test'"
             " to='c2s-1.prime.test'><f:opened xmlns:f='http://kontalk.org/extensions/front'"
             " id='%.16s' error='gone'/></envelope>", id);
    kit_parse(k, NS_COMPONENT, xml);
    sm_link_events.on_envelope(k->sm, &k->stanza);
    kit_settle(k);
    assert_false(b->is_held);
    assert_int_equal(sm_session_count(k->sm), 2);
    kit_close(k, b);
    EXPECT_WORDS(k, "");
    kit_close(k, again);
    EXPECT_WORDS(k, "release bob@prime.test\n");
    kit_free(k);
}

/* Everything may end in any order. */
static void freed_with_sessions_and_jobs_under_way(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "1");
    struct kit_client *b = kit_client_new();
    (void)state;

    kit_input(k, a, "<presence/>");
    kit_input(k, a, "<presence to='x@y'/>");
    kit_input(k, a, "<message to='bob@prime.test'><body>1</body></message>");
    kit_input(k, a, "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>");
    sm_open(k->sm, &b->c, SPAN("bob"), SPAN("prime.test"), SPAN("x"));
    sm_free(&k->sm);
    kit_settle(k);
    assert_int_equal(a->done_count, 4);
    assert_int_equal(kit_offline_count(k, "bob"), 1);
    buf_free(&a->out);
    free(a), free(b);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_with_the_resource_asked_for_or_one_of_ours),
        cmocka_unit_test(refuses_what_is_no_resource),
        cmocka_unit_test(a_new_session_throws_out_the_old_of_its_resource),
        cmocka_unit_test(the_old_is_gone_before_the_new_is_there),
        cmocka_unit_test(conflicts_are_limited_in_rate),
        cmocka_unit_test(the_sessions_of_a_user_are_limited),
        cmocka_unit_test(a_cancelled_opening_is_never_answered),
        cmocka_unit_test(deleting_a_user_ends_his_sessions),
        cmocka_unit_test(the_claim_comes_before_the_session),
        cmocka_unit_test(released_ok_waits_for_the_store),
        cmocka_unit_test(who_comes_back_meanwhile_is_claimed_again),
        cmocka_unit_test(without_a_router_it_works_alone_and_claims_later),
        cmocka_unit_test(strangers_answers_change_nothing),
        cmocka_unit_test(a_late_grant_is_used_or_given_back),
        cmocka_unit_test(freed_with_sessions_and_jobs_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
