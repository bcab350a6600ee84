/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_net_name - whether a name is free in the whole network, before somebody takes it.
 */
#include "net_kit.h"

struct answer {
    int count;
    enum sm_name_state state;
};

static void on_answer(void *ctx, enum sm_name_state state)
{
    struct answer *a = ctx;
    a->count++;
    a->state = state;
}

static void ask(struct kit *k, const char *name, struct answer *a)
{
    assert_int_equal(sm_name_ask(k->sm, span_of(name), on_answer, a), SM_NAME_ASKED);
    assert_int_equal(a->count, 0);
    kit_settle(k);
}

static void alone_every_name_is_free(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;
    assert_int_equal(sm_name_ask(k->sm, SPAN("carol"), NULL, NULL), SM_NAME_FREE);
    kit_free(k);
    k = net_new("beta.test " NET_FINGERPRINT_BETA " disabled\n", NULL);
    assert_int_equal(sm_name_ask(k->sm, SPAN("carol"), NULL, NULL), SM_NAME_FREE);
    net_free(k);
}

static void nobody_has_it(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *name = net_user(k, "beta.test", "gamma.test", 0);
    struct answer a = {0};
    (void)state;
    ask(k, name, &a);
    net_answer(k, "beta.test", net_home(name, NULL, 0, true));
    assert_int_equal(a.count, 1);
    assert_int_equal(a.state, SM_NAME_FREE);
    net_free(k);
}

static void somebody_has_it(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *name = net_user(k, "beta.test", "gamma.test", 0);
    struct answer a = {0};
    (void)state;
    ask(k, name, &a);
    net_answer(k, "beta.test", net_home(name, "beta.test", 1000, true));
    assert_int_equal(a.count, 1);
    assert_int_equal(a.state, SM_NAME_TAKEN);
    net_free(k);
}

static void here_is_for_others_to_see(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct answer a = {0};
    (void)state;
    ask(k, "alice", &a);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.state, SM_NAME_FREE);
    net_free(k);
}

static void nobody_answers(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct answer a = {0};
    (void)state;
    ask(k, net_user(k, "beta.test", "gamma.test", 0), &a);
    loop_sim_advance(k->loop, 60 * 1000);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.state, SM_NAME_UNCERTAIN);
    net_free(k);
}

static void the_end_is_told(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct answer a = {0};
    (void)state;
    ask(k, net_user(k, "beta.test", "gamma.test", 0), &a);
    net_free(k);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.state, SM_NAME_UNCERTAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_every_name_is_free), cmocka_unit_test(nobody_has_it),
        cmocka_unit_test(somebody_has_it),          cmocka_unit_test(here_is_for_others_to_see),
        cmocka_unit_test(nobody_answers),           cmocka_unit_test(the_end_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
