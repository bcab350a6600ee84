/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_net_resolver - where users are at home: what is known, and whom it is asked of.
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_network_everybody_is_here),
        cmocka_unit_test(test_alone_everybody_is_here),
        cmocka_unit_test(test_account_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
