/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_net_resolver - where users are at home: what is known, and what ends that.
 */
#include "net_kit.h"

static void test_without_network_everybody_is_here(void **state)
{
    (void)state;
    struct kit *k = kit_new(NULL);
    struct net_asker a = {0};
    EXPECT_HOME(k, "alice", SM_HOME_HERE);
    assert_false(sm_home_ask(k->sm, SPAN("alice"), net_on_home, &a));
    sm_home_forget(k->sm, SPAN("alice"));
    sm_home_learn(k->sm, SPAN("alice"), SPAN("beta.test"), 1);
    sm_home_on_account(k->sm, SPAN("alice"), true);
    kit_free(k);
}

static void test_alone_everybody_is_here(void **state)
{
    (void)state;
    struct kit *k = net_new("beta.test " NET_FINGERPRINT_BETA " disabled\n", NULL);
    EXPECT_HOME(k, "nobody", SM_HOME_HERE);
    net_free(k);
}

static void test_account_here(void **state)
{
    (void)state;
    struct kit *k = net_new(NET_TABLE, NULL);
    struct net_asker a = {0};
    EXPECT_HOME(k, "alice", SM_HOME_UNKNOWN);
    net_ask(k, "alice", &a);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.home.kind, SM_HOME_HERE);
    EXPECT_HOME(k, "alice", SM_HOME_HERE);
    assert_int_equal(buf_len(&k->link.out), 0);
    loop_sim_advance(k->loop, 61 * 1000);
    EXPECT_HOME(k, "alice", SM_HOME_UNKNOWN);
    net_free(k);
}

/* --- the cache --- */

static void test_learnt(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        int64_t stamp;
        enum sm_home_kind kind;
        const char *at;
    } steps[] = {
        {"beta.test", 1000, SM_HOME_AT, "beta.test"},
        {"gamma.test", 999, SM_HOME_AT, "beta.test"},                    /* older */
        {"gamma.test", 1001, SM_HOME_AT, "gamma.test"},                  /* newer */
        {"elsewhere.test", 2000, SM_HOME_AT, "gamma.test"},              /* no member */
        {"beta.test", INT64_C(9000000000000), SM_HOME_AT, "gamma.test"}, /* in the future */
        {"prime.test", 1000, SM_HOME_AT, "gamma.test"}, /* he has moved away after that */
        {"prime.test", 1002, SM_HOME_UNKNOWN, ""},      /* the accounts say whether he is */
    };
    struct kit *k = net_new(NET_TABLE, NULL);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        sm_home_learn(k->sm, SPAN("carol"), span_of(steps[i].host), steps[i].stamp);
        struct sm_home home = sm_home_peek(k->sm, SPAN("carol"));
        assert_int_equal(home.kind, steps[i].kind);
        assert_true(span_eq(home.host, span_of(steps[i].at)));
    }
    net_free(k);
}

static void test_entries_end(void **state)
{
    (void)state;
    struct kit *k = net_new(NET_TABLE, NULL);
    net_learn(k, "carol", "beta.test");
    loop_sim_advance(k->loop, 3600 * 1000 - 1000);
    EXPECT_HOME(k, "carol", SM_HOME_AT);
    loop_sim_advance(k->loop, 1000);
    EXPECT_HOME(k, "carol", SM_HOME_UNKNOWN);
    net_learn(k, "carol", "beta.test");
    EXPECT_HOME(k, "carol", SM_HOME_AT);
    sm_home_forget(k->sm, SPAN("carol"));
    EXPECT_HOME(k, "carol", SM_HOME_UNKNOWN);
    net_free(k);
}

/* An older stamp does not count any more once the newer one's entry has ended. */
static void test_ended_entries_protect_nothing(void **state)
{
    (void)state;
    struct kit *k = net_new(NET_TABLE, NULL);
    sm_home_learn(k->sm, SPAN("carol"), SPAN("beta.test"), 1000);
    loop_sim_advance(k->loop, 3600 * 1000);
    sm_home_learn(k->sm, SPAN("carol"), SPAN("gamma.test"), 900);
    assert_true(span_eq(sm_home_peek(k->sm, SPAN("carol")).host, SPAN("gamma.test")));
    net_free(k);
}

static void test_least_recently_used_goes(void **state)
{
    (void)state;
    struct sm_opts opts = net_opts(NULL);
    opts.net.max_cache = 3;
    struct kit *k = net_new(NET_TABLE, &opts);
    net_learn(k, "u1", "beta.test");
    net_learn(k, "u2", "beta.test");
    net_learn(k, "u3", "beta.test");
    EXPECT_HOME(k, "u1", SM_HOME_AT);
    net_learn(k, "u4", "gamma.test");
    EXPECT_HOME(k, "u2", SM_HOME_UNKNOWN);
    EXPECT_HOME(k, "u3", SM_HOME_AT);
    EXPECT_HOME(k, "u1", SM_HOME_AT);
    net_learn(k, "u3", "gamma.test"); /* it is there already: nobody goes */
    EXPECT_HOME(k, "u4", SM_HOME_AT);
    EXPECT_HOME(k, "u1", SM_HOME_AT);
    net_free(k);
}

static void test_counts(void **state)
{
    (void)state;
    struct kit *k = net_new(NET_TABLE, NULL);
    const struct sm_net *net = k->sm->net;
    EXPECT_HOME(k, "carol", SM_HOME_UNKNOWN);
    net_learn(k, "carol", "beta.test");
    EXPECT_HOME(k, "carol", SM_HOME_AT);
    EXPECT_HOME(k, "carol", SM_HOME_AT);
    assert_int_equal(net->counts.peeks, 3);
    assert_int_equal(net->counts.cached, 2);
    net_free(k);
}

/* --- accounts and tables that change --- */

static void test_who_is_online_is_here(void **state)
{
    (void)state;
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *alice = kit_come(k, "alice", "a", "");
    EXPECT_HOME(k, "alice", SM_HOME_HERE);
    kit_close(k, alice);
    net_free(k);
}

static void test_account_made(void **state)
{
    (void)state;
    struct kit *k = net_new(NET_TABLE, NULL);
    struct net_asker a = {0};
    net_learn(k, "carol", "beta.test");
    kit_account(k, "carol");
    sm_user_added(k->sm, SPAN("carol"));
    kit_settle(k);
    EXPECT_HOME(k, "carol", SM_HOME_UNKNOWN);
    net_ask(k, "carol", &a);
    assert_int_equal(a.home.kind, SM_HOME_HERE);
    net_free(k);
}

static void test_account_removed(void **state)
{
    (void)state;
    struct kit *k = net_new(NET_TABLE, NULL);
    struct net_asker a = {0};
    net_ask(k, "alice", &a);
    EXPECT_HOME(k, "alice", SM_HOME_HERE);
    sm_user_deleted(k->sm, SPAN("alice"));
    EXPECT_HOME(k, "alice", SM_HOME_UNKNOWN);
    net_free(k);
}

/* What the store says while the account is being removed is told, and not kept. */
static void test_account_removed_meanwhile(void **state)
{
    (void)state;
    struct kit *k = net_new(NET_TABLE, NULL);
    struct net_asker a = {0};
    kit_link_down(k); /* no other instance is told, which would have us forget it once more */
    assert_true(sm_home_ask(k->sm, SPAN("alice"), net_on_home, &a));
    sm_user_deleted(k->sm, SPAN("alice"));
    kit_settle(k);
    assert_int_equal(a.count, 1);
    EXPECT_HOME(k, "alice", SM_HOME_UNKNOWN);
    net_free(k);
}

/* The other instances forget the name, too. */
static void test_account_told_to_other_instances(void **state)
{
    (void)state;
    struct kit *k = net_new(NET_TABLE, NULL);
    kit_sql(k, "INSERT INTO instance (name) VALUES (?1)", "c2s-2.prime.test");
    sm_user_added(k->sm, SPAN("carol"));
    kit_settle(k);
    EXPECT_LINK(k, "question='account' number='0'>carol</f:ask>");
    net_learn(k, "dave", "beta.test");
    kit_parse(k, NS_COMPONENT,
              "<envelope xmlns='" NS_ROUTER "' from='c2s-2.prime.test' to='c2s-1.prime.test'>"
              "<ask xmlns='http://kontalk.org/extensions/front' id='7' question='account'"
              " number='0'>dave</ask></envelope>");
    sm_link_events.on_envelope(k->sm, &k->stanza);
    EXPECT_HOME(k, "dave", SM_HOME_UNKNOWN);
    net_free(k);
}

static void test_other_times(void **state)
{
    (void)state;
    struct kit *k = net_new(NET_TABLE, NULL);
    struct sm_opts opts = net_opts(NULL);
    opts.net.cache = 1000;
    net_learn(k, "carol", "beta.test");
    sm_set_limits(k->sm, &opts);
    net_learn(k, "dave", "beta.test");
    loop_sim_advance(k->loop, 1000);
    EXPECT_HOME(k, "carol", SM_HOME_AT);
    EXPECT_HOME(k, "dave", SM_HOME_UNKNOWN);
    net_free(k);
}

static void test_another_table(void **state)
{
    (void)state;
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *nobody = net_user(k, "beta.test", "gamma.test", 0);
    struct net_asker a = {0};
    net_learn(k, "carol", "beta.test");
    net_learn(k, "dave", "gamma.test");
    net_ask(k, nobody, &a);
    net_answer(k, "beta.test", net_home(nobody, NULL, 0, true));
    EXPECT_HOME(k, nobody, SM_HOME_NOBODY);
    net_table(k, "beta.test " NET_FINGERPRINT_BETA " enabled\n"
                 "gamma.test " NET_FINGERPRINT_GAMMA " disabled\n"
                 "delta.test " NET_FINGERPRINT_DELTA " enabled\n");
    EXPECT_HOME(k, "carol", SM_HOME_AT);
    EXPECT_HOME(k, "dave", SM_HOME_UNKNOWN);
    EXPECT_HOME(k, nobody, SM_HOME_UNKNOWN);
    net_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_network_everybody_is_here),
        cmocka_unit_test(test_alone_everybody_is_here),
        cmocka_unit_test(test_account_here),
        cmocka_unit_test(test_learnt),
        cmocka_unit_test(test_entries_end),
        cmocka_unit_test(test_ended_entries_protect_nothing),
        cmocka_unit_test(test_least_recently_used_goes),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_who_is_online_is_here),
        cmocka_unit_test(test_account_made),
        cmocka_unit_test(test_account_removed),
        cmocka_unit_test(test_account_removed_meanwhile),
        cmocka_unit_test(test_account_told_to_other_instances),
        cmocka_unit_test(test_other_times),
        cmocka_unit_test(test_another_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
