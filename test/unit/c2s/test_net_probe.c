/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_net_probe - asking all servers where a user is at home, when his directory does not know.
 */
#include "net_play.h"

/* Both directories have not heard of everybody. */
static void play_probe(struct play *p)
{
    *p = play_new();
    net_ask(p->k, p->user, &p->a);
    net_answer(p->k, "beta.test", net_home(p->user, NULL, 0, false));
    net_answer(p->k, "gamma.test", net_home(p->user, NULL, 0, false));
    assert_int_equal(p->a.count, 0);
    assert_int_equal(p->k->sm->net->counts.probed, 1);
}

static void test_probe_finds_home(void **state)
{
    (void)state;
    struct play p;
    play_probe(&p);
    net_answer(p.k, "gamma.test", net_home(p.user, "gamma.test", STAMP, false));
    assert_int_equal(p.a.count, 0); /* beta may know better */
    net_answer(p.k, "beta.test", net_home(p.user, NULL, 0, false));
    expect(&p, SM_HOME_AT, "gamma.test");
    net_free(p.k);
}

/* Who has it does not wait for who is silent. */
static void test_probe_does_not_wait_long(void **state)
{
    (void)state;
    struct play p;
    play_probe(&p);
    net_answer(p.k, "gamma.test", net_home(p.user, "gamma.test", STAMP, false));
    loop_sim_advance(p.k->loop, 600);
    expect(&p, SM_HOME_AT, "gamma.test");
    net_answer(p.k, "beta.test", net_home(p.user, "beta.test", STAMP + 1, false));
    assert_int_equal(p.a.count, 1);
    net_free(p.k);
}

/* A server that leaves the network while it is asked is nobody's home. */
static void test_probe_of_a_former_member(void **state)
{
    (void)state;
    struct play p;
    play_probe(&p);
    net_answer(p.k, "gamma.test", net_home(p.user, "gamma.test", STAMP, false));
    net_table(p.k, "beta.test " NET_FINGERPRINT_BETA " enabled\n");
    loop_sim_advance(p.k->loop, 600);
    assert_int_equal(p.a.count, 1);
    assert_int_equal(p.a.home.kind, SM_HOME_UNREACHABLE);
    net_free(p.k);
}

/* He is there, by a clock that is wrong: so it is not said that there is nobody. */
static void test_probe_of_the_future(void **state)
{
    (void)state;
    struct play p;
    play_probe(&p);
    net_answer(p.k, "gamma.test",
               net_home(p.user, "gamma.test", loop_wall(p.k->loop) + 700000, false));
    net_answer(p.k, "beta.test", net_home(p.user, NULL, 0, false));
    assert_int_equal(p.a.count, 1);
    assert_int_equal(p.a.home.kind, SM_HOME_UNREACHABLE);
    net_free(p.k);
}

static void test_probe_newest_record(void **state)
{
    (void)state;
    struct play p;
    play_probe(&p);
    net_answer(p.k, "gamma.test", net_home(p.user, "gamma.test", STAMP + 1, false));
    net_answer(p.k, "beta.test", net_home(p.user, "beta.test", STAMP, false));
    expect(&p, SM_HOME_AT, "gamma.test");
    assert_int_equal(p.a.home.stamp, STAMP + 1);
    net_free(p.k);
}

static void test_probe_nobody(void **state)
{
    (void)state;
    struct play p;
    play_probe(&p);
    net_answer(p.k, "gamma.test", net_home(p.user, NULL, 0, false));
    net_answer(p.k, "beta.test", net_home(p.user, NULL, 0, false));
    expect(&p, SM_HOME_NOBODY, "");
    net_free(p.k);
}

/* In the probe each speaks for itself. */
static void test_probe_second_hand(void **state)
{
    (void)state;
    struct play p;
    play_probe(&p);
    net_answer(p.k, "gamma.test", net_home(p.user, "beta.test", STAMP, false));
    net_answer(p.k, "beta.test", net_home(p.user, NULL, 0, false));
    expect(&p, SM_HOME_NOBODY, "");
    net_free(p.k);
}

static void test_probe_partial(void **state)
{
    (void)state;
    struct play p;
    play_probe(&p);
    net_answer(p.k, "gamma.test", net_home(p.user, NULL, 0, false));
    loop_sim_advance(p.k->loop, 9900);
    assert_int_equal(p.a.count, 0);
    loop_sim_advance(p.k->loop, 100);
    expect(&p, SM_HOME_UNREACHABLE, "");
    loop_sim_advance(p.k->loop, 2000);
    EXPECT_HOME(p.k, p.user, SM_HOME_UNKNOWN);
    net_free(p.k);
}

/* Who has been waited for in vain just now is not waited for again, and still not known to say no.
 */
static void test_probe_leaves_out_the_silent(void **state)
{
    (void)state;
    struct play p = play_new();
    net_ask(p.k, p.user, &p.a);
    net_asked(p.k, "beta.test", "");
    loop_sim_advance(p.k->loop, 5000);
    net_answer(p.k, "gamma.test", net_home(p.user, NULL, 0, false));
    EXPECT_NOT_ASKED(p.k, "beta.test");
    net_answer(p.k, "gamma.test", net_home(p.user, NULL, 0, false));
    expect(&p, SM_HOME_UNREACHABLE, "");
    net_free(p.k);
}

static void on_nothing(void *ctx, enum stanza_error e, const struct stanza *result,
                       uint32_t payload)
{
    (void)ctx, (void)e, (void)result, (void)payload;
}

/* Probes, which are many questions each, leave room for what costs one. */
static void test_probe_has_no_room(void **state)
{
    (void)state;
    struct play p = play_new();
    net_route(p.k, "beta.test", false);
    net_ask(p.k, p.user, &p.a);
    for (int i = 0; i < 5000; i++)
        assert_non_null(sm_question_ask(p.k->sm, SPAN("beta.test"), false, SPAN("<x/>"), 60000,
                                        on_nothing, NULL));
    net_answer(p.k, "gamma.test", net_home(p.user, NULL, 0, false));
    expect(&p, SM_HOME_UNREACHABLE, "");
    EXPECT_NOT_ASKED(p.k, "gamma.test");
    net_free(p.k);
}

static void test_probe_unroutable(void **state)
{
    (void)state;
    struct play p = play_new();
    net_route(p.k, "beta.test", false);
    net_route(p.k, "gamma.test", false);
    net_ask(p.k, p.user, &p.a);
    expect(&p, SM_HOME_UNREACHABLE, "");
    assert_int_equal(p.k->sm->net->counts.asked, 0);
    net_free(p.k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probe_finds_home),
        cmocka_unit_test(test_probe_does_not_wait_long),
        cmocka_unit_test(test_probe_of_a_former_member),
        cmocka_unit_test(test_probe_of_the_future),
        cmocka_unit_test(test_probe_newest_record),
        cmocka_unit_test(test_probe_nobody),
        cmocka_unit_test(test_probe_second_hand),
        cmocka_unit_test(test_probe_partial),
        cmocka_unit_test(test_probe_leaves_out_the_silent),
        cmocka_unit_test(test_probe_has_no_room),
        cmocka_unit_test(test_probe_unroutable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
