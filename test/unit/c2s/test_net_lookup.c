/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_net_lookup - finding out where a user is at home: who is asked, who is believed, and what
 * those who wait are told.
 */
#include "net_play.h"

/* --- what the store here knows --- */

/* Accounts of the kit were made at 0; records are of 1000. */
#define RECORD_AT(host)                                                                            \
    "INSERT INTO home (user, host, stamp, proof) VALUES (?1, '" host "', 1000, x'')"

static void test_records_here(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second; /* the user's directory */
        const char *made;           /* when he registered here; NULL: no account */
        const char *record;
        enum sm_home_kind kind; /* UNKNOWN: others are asked */
        const char *host;
    } cases[] = {
        {"prime.test", "beta.test", NULL, RECORD_AT("gamma.test"), SM_HOME_AT, "gamma.test"},
        {"beta.test", "prime.test", NULL, RECORD_AT("gamma.test"), SM_HOME_AT, "gamma.test"},
        /* it may be old: nobody tells us any more */
        {"beta.test", "gamma.test", NULL, RECORD_AT("gamma.test"), SM_HOME_UNKNOWN, NULL},
        /* the account has gone, or that server */
        {"prime.test", "beta.test", NULL, RECORD_AT("prime.test"), SM_HOME_UNKNOWN, NULL},
        {"prime.test", "beta.test", NULL, RECORD_AT("delta.test"), SM_HOME_UNKNOWN, NULL},
        /* who has moved away, and who has come back */
        {"beta.test", "gamma.test", "0", RECORD_AT("gamma.test"), SM_HOME_AT, "gamma.test"},
        {"beta.test", "gamma.test", "2000", RECORD_AT("gamma.test"), SM_HOME_HERE, ""},
        {"beta.test", "gamma.test", "0", RECORD_AT("delta.test"), SM_HOME_HERE, ""},
        {"prime.test", "beta.test", "1000", RECORD_AT("prime.test"), SM_HOME_HERE, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct play p = play_new();
        p.user = net_user(p.k, cases[i].first, cases[i].second, 0);
        if (cases[i].made)
            kit_account(p.k, p.user);
        if (cases[i].made && strcmp(cases[i].made, "0") != 0)
            kit_sql(p.k,
                    strcmp(cases[i].made, "1000") == 0
                        ? "UPDATE account SET created = 1000 WHERE name = ?1"
                        : "UPDATE account SET created = 2000 WHERE name = ?1",
                    p.user);
        kit_sql(p.k, cases[i].record, p.user);
        net_ask(p.k, p.user, &p.a);
        if (cases[i].kind == SM_HOME_UNKNOWN) {
            assert_int_equal(p.a.count, 0);
            assert_int_equal(p.k->sm->net->counts.asked, 1);
        } else {
            expect(&p, cases[i].kind, cases[i].host);
            assert_int_equal(p.k->sm->net->counts.asked, 0);
        }
        net_free(p.k);
    }
}

/* A directory that has heard of everybody's users need ask nobody. */
static void test_complete_here(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second;
        int heard; /* of how many others, by the table of now */
        bool is_nobody;
    } cases[] = {{"prime.test", "beta.test", 2, true},
                 {"prime.test", "beta.test", 1, false},
                 {"beta.test", "gamma.test", 2, false}};
    static const char *const hosts[] = {"beta.test", "gamma.test"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct play p = play_new();
        char sql[128];
        p.user = net_user(p.k, cases[i].first, cases[i].second, 0);
        snprintf(sql, sizeof(sql), "INSERT INTO home_heard (host, servers) VALUES (?1, %lld)",
                 (long long)servers_set(p.k->sm->net->servers));
        for (int n = 0; n < cases[i].heard; n++)
            kit_sql(p.k, sql, hosts[n]);
        net_ask(p.k, p.user, &p.a);
        if (cases[i].is_nobody)
            expect(&p, SM_HOME_NOBODY, "");
        else
            assert_int_equal(p.a.count, 0);
        net_free(p.k);
    }
}

/* --- the directory --- */

static void test_first_directory_is_home(void **state)
{
    (void)state;
    struct play p = play_new();
    net_ask(p.k, p.user, &p.a);
    EXPECT_NOT_ASKED(p.k, "gamma.test");
    net_answer(p.k, "beta.test", net_home(p.user, "beta.test", STAMP, false));
    expect(&p, SM_HOME_AT, "beta.test");
    assert_int_equal(p.a.home.stamp, STAMP);
    assert_int_equal(p.k->sm->net->counts.asked, 1);
    assert_int_equal(p.k->sm->net->counts.probed, 0);
    EXPECT_NOT_ASKED(p.k, "gamma.test");
    net_free(p.k);
}

static void test_complete_directory_knows_nobody(void **state)
{
    (void)state;
    struct play p = play_new();
    net_ask(p.k, p.user, &p.a);
    net_answer(p.k, "beta.test", net_home(p.user, NULL, 0, true));
    expect(&p, SM_HOME_NOBODY, "");
    EXPECT_NOT_ASKED(p.k, "gamma.test");
    loop_sim_advance(p.k->loop, 59 * 1000);
    EXPECT_HOME(p.k, p.user, SM_HOME_NOBODY);
    loop_sim_advance(p.k->loop, 1000);
    EXPECT_HOME(p.k, p.user, SM_HOME_UNKNOWN);
    net_free(p.k);
}

static void test_incomplete_directory_is_not_the_last(void **state)
{
    (void)state;
    struct play p = play_new();
    net_ask(p.k, p.user, &p.a);
    net_answer(p.k, "beta.test", net_home(p.user, NULL, 0, false));
    assert_int_equal(p.a.count, 0);
    net_answer(p.k, "gamma.test", net_home(p.user, "gamma.test", STAMP, false));
    expect(&p, SM_HOME_AT, "gamma.test");
    assert_int_equal(p.k->sm->net->counts.asked, 2);
    net_free(p.k);
}

/* This server is the other directory: it has no record. */
static void test_own_directory_is_not_asked(void **state)
{
    (void)state;
    struct play p = play_new();
    p.user = net_user(p.k, "prime.test", "gamma.test", 0);
    net_ask(p.k, p.user, &p.a);
    EXPECT_NOT_ASKED(p.k, "beta.test");
    EXPECT_NOT_ASKED(p.k, "prime.test");
    net_answer(p.k, "gamma.test", net_home(p.user, "gamma.test", STAMP, false));
    expect(&p, SM_HOME_AT, "gamma.test");
    net_free(p.k);
}

static void test_silent_directory(void **state)
{
    (void)state;
    struct play p = play_new();
    const char *next = net_user(p.k, "beta.test", "gamma.test", 1);
    struct net_asker b = {0};
    net_ask(p.k, p.user, &p.a);
    loop_sim_advance(p.k->loop, 5000);
    net_asked(p.k, "beta.test", "");
    net_answer(p.k, "gamma.test", net_home(p.user, "gamma.test", STAMP, false));
    expect(&p, SM_HOME_AT, "gamma.test");
    net_ask(p.k, next, &b); /* nobody waits for beta a second time */
    EXPECT_NOT_ASKED(p.k, "beta.test");
    net_answer(p.k, "gamma.test", net_home(next, NULL, 0, true));
    assert_int_equal(b.home.kind, SM_HOME_NOBODY);
    net_free(p.k);
}

static void test_unreachable_directory(void **state)
{
    (void)state;
    struct play p = play_new();
    net_route(p.k, "beta.test", false);
    net_ask(p.k, p.user, &p.a);
    EXPECT_NOT_ASKED(p.k, "beta.test");
    net_answer(p.k, "gamma.test", net_home(p.user, "gamma.test", STAMP, false));
    expect(&p, SM_HOME_AT, "gamma.test");
    net_free(p.k);
}

static void test_refusing_directory(void **state)
{
    (void)state;
    struct play p = play_new();
    char id[64];
    net_ask(p.k, p.user, &p.a);
    snprintf(id, sizeof(id), "%s", net_asked(p.k, "beta.test", ""));
    net_reply(p.k, "error", id, "beta.test",
              "<error type='auth'><forbidden xmlns='" NS_STANZA_ERRORS "'/></error>");
    net_answer(p.k, "gamma.test", net_home(p.user, "gamma.test", STAMP, false));
    expect(&p, SM_HOME_AT, "gamma.test");
    net_free(p.k);
}

/* --- who is believed --- */

/* What beta, asked as the directory, might say, and what does not count. */
static void test_not_believed(void **state)
{
    (void)state;
    static const struct {
        const char *user; /* NULL: who was asked for */
        const char *host;
        int64_t stamp;
    } cases[] = {
        {"another", "beta.test", STAMP},
        {NULL, "elsewhere.test", STAMP},
        {NULL, "prime.test", STAMP},
        {NULL, "net.test", STAMP},
        {NULL, "", STAMP},
        {NULL, "beta.test", 0},
        {NULL, "beta.test", -5},
        {NULL, "beta.test", INT64_C(9000000000000)},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct play p = play_new();
        net_ask(p.k, p.user, &p.a);
        net_answer(
            p.k, "beta.test",
            net_home(cases[i].user ? cases[i].user : p.user, cases[i].host, cases[i].stamp, false));
        kit_settle(p.k);
        assert_int_equal(p.a.count, 0);
        net_answer(p.k, "gamma.test", net_home(p.user, NULL, 0, true));
        expect(&p, SM_HOME_NOBODY, "");
        net_free(p.k);
    }
}

/* Nor what is no answer at all; a denial must name whom it denies. */
static void test_no_answers(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "<home xmlns='" NS_NETWORK "' complete='true'/>",
        "<home xmlns='" NS_NETWORK "' user='another' complete='true'/>",
        "<home xmlns='urn:x' user='carol' complete='true'/>",
        "<homes xmlns='" NS_NETWORK "' user='carol' complete='true'/>",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct play p = play_new();
        net_ask(p.k, p.user, &p.a);
        net_answer(p.k, "beta.test", cases[i]);
        assert_int_equal(p.a.count, 0);
        net_answer(p.k, "gamma.test", net_home(p.user, NULL, 0, true));
        expect(&p, SM_HOME_NOBODY, "");
        net_free(p.k);
    }
}

/* Gamma says that he is at home on beta: without beta's signature that counts for nothing. */
static void test_second_hand_unsigned(void **state)
{
    (void)state;
    struct play p = play_new();
    net_ask(p.k, p.user, &p.a);
    net_answer(p.k, "beta.test", net_home(p.user, "gamma.test", STAMP, false));
    kit_settle(p.k);
    if (*net_asked(p.k, "gamma.test", "<pubkey")) /* its key is asked of it: no answer */
        loop_sim_advance(p.k->loop, 5000);
    assert_int_equal(p.a.count, 0);
    loop_sim_advance(p.k->loop, 20000);
    assert_int_equal(p.a.count, 1);
    assert_int_equal(p.a.home.kind, SM_HOME_UNREACHABLE);
    net_free(p.k);
}

static void test_answer_of_another_server(void **state)
{
    (void)state;
    struct play p = play_new();
    char id[64];
    net_ask(p.k, p.user, &p.a);
    snprintf(id, sizeof(id), "%s", net_asked(p.k, "beta.test", ""));
    net_reply(p.k, "result", id, "gamma.test", net_home(p.user, "gamma.test", STAMP, false));
    net_reply(p.k, "result", id, "evil.test", net_home(p.user, "beta.test", STAMP, false));
    net_reply(p.k, "result", "guessed", "beta.test", net_home(p.user, "beta.test", STAMP, false));
    assert_int_equal(p.a.count, 0);
    net_reply(p.k, "result", id, "beta.test", net_home(p.user, "beta.test", STAMP, false));
    expect(&p, SM_HOME_AT, "beta.test");
    net_free(p.k);
}

/* --- those who wait --- */

static void test_no_router(void **state)
{
    (void)state;
    struct play p = play_new();
    struct net_asker alice = {0};
    kit_link_down(p.k);
    net_ask(p.k, p.user, &p.a);
    expect(&p, SM_HOME_UNREACHABLE, "");
    net_ask(p.k, "alice", &alice);
    assert_int_equal(alice.home.kind, SM_HOME_HERE);
    net_free(p.k);
}

static void test_one_question_for_all(void **state)
{
    (void)state;
    struct play p = play_new();
    struct net_asker others[3] = {{0}};
    net_told = 0;
    net_ask(p.k, p.user, &p.a);
    for (int i = 0; i < 3; i++)
        net_ask(p.k, p.user, &others[i]);
    net_answer(p.k, "beta.test", net_home(p.user, "beta.test", STAMP, false));
    expect(&p, SM_HOME_AT, "beta.test");
    assert_int_equal(p.a.place, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(others[i].count, 1);
        assert_int_equal(others[i].place, i + 2);
        assert_string_equal(others[i].host, "beta.test");
    }
    EXPECT_NOT_ASKED(p.k, "beta.test");
    net_free(p.k);
}

static struct kit *again_kit;
static const char *again_user;
static int again_count;

static void on_again(void *ctx, const struct sm_home *home)
{
    (void)ctx, (void)home;
    if (++again_count == 1) {
        sm_home_forget(again_kit->sm, span_of(again_user));
        assert_true(sm_home_ask(again_kit->sm, span_of(again_user), on_again, NULL));
    }
}

/* Who is told may ask again for the same: that is a look-up of its own. */
static void test_asking_again_from_the_answer(void **state)
{
    (void)state;
    struct play p = play_new();
    again_kit = p.k;
    again_user = p.user;
    again_count = 0;
    assert_true(sm_home_ask(p.k->sm, span_of(p.user), on_again, NULL));
    kit_settle(p.k);
    net_answer(p.k, "beta.test", net_home(p.user, "beta.test", STAMP, false));
    assert_int_equal(again_count, 1);
    net_answer(p.k, "beta.test", net_home(p.user, "beta.test", STAMP, false));
    assert_int_equal(again_count, 2);
    net_free(p.k);
}

/* What is learnt while it is asked for holds, if it is newer. */
static void test_learnt_meanwhile(void **state)
{
    (void)state;
    static const struct {
        int64_t learnt, answered;
        const char *at;
    } cases[] = {{STAMP + 1, STAMP, "gamma.test"},
                 {STAMP, STAMP + 1, "beta.test"},
                 {STAMP, 0, "gamma.test"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct play p = play_new();
        net_ask(p.k, p.user, &p.a);
        sm_home_learn(p.k->sm, span_of(p.user), SPAN("gamma.test"), cases[i].learnt);
        net_answer(p.k, "beta.test",
                   cases[i].answered ? net_home(p.user, "beta.test", cases[i].answered, false)
                                     : net_home(p.user, NULL, 0, true));
        expect(&p, SM_HOME_AT, cases[i].at);
        net_free(p.k);
    }
}

static void test_too_many(void **state)
{
    (void)state;
    struct play p = play_new();
    struct net_asker many = {0}, refused = {0};
    char name[32];
    int n = 0;
    while (n < 20000) {
        snprintf(name, sizeof(name), "many%d", n);
        if (!sm_home_ask(p.k->sm, span_of(name), net_on_home, &many))
            break;
        n++;
    }
    assert_int_equal(n, 10000);
    assert_true(sm_home_ask(p.k->sm, SPAN("many0"), net_on_home, &many)); /* is under way */
    while (n < 200000 && sm_home_ask(p.k->sm, SPAN("many1"), net_on_home, &many))
        n++;
    assert_int_equal(n + 1, 100000);
    loop_sim_advance(p.k->loop, 60000);
    assert_int_equal(many.count, 100000);
    assert_int_equal(refused.count, 0);
    net_free(p.k);
}

/* --- the end --- */

static void test_freed_at_each_stage(void **state)
{
    (void)state;
    for (int stage = 0; stage < 4; stage++) {
        struct play p = play_new();
        assert_true(sm_home_ask(p.k->sm, span_of(p.user), net_on_home, &p.a));
        if (stage > 0)
            kit_settle(p.k);
        if (stage > 1)
            net_answer(p.k, "beta.test",
                       stage == 2 ? net_home(p.user, "gamma.test", STAMP, false)
                                  : net_home(p.user, NULL, 0, false));
        if (stage > 2)
            net_answer(p.k, "gamma.test", net_home(p.user, NULL, 0, false));
        sm_free(&p.k->sm);
        kit_settle(p.k);
        loop_sim_advance(p.k->loop, 60000);
        assert_int_equal(p.a.count, 0);
        net_free(p.k);
    }
}

static struct kit *ending_kit;

static void on_end(void *ctx, const struct sm_home *home)
{
    (void)home;
    ++*(int *)ctx;
    sm_free(&ending_kit->sm);
}

static void test_freed_by_one_who_is_told(void **state)
{
    (void)state;
    struct play p = play_new();
    int ended = 0;
    ending_kit = p.k;
    assert_true(sm_home_ask(p.k->sm, SPAN("alice"), on_end, &ended));
    assert_true(sm_home_ask(p.k->sm, SPAN("alice"), net_on_home, &p.a));
    kit_settle(p.k);
    assert_int_equal(ended, 1);
    assert_int_equal(p.a.count, 0);
    net_free(p.k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_here),
        cmocka_unit_test(test_complete_here),
        cmocka_unit_test(test_first_directory_is_home),
        cmocka_unit_test(test_complete_directory_knows_nobody),
        cmocka_unit_test(test_incomplete_directory_is_not_the_last),
        cmocka_unit_test(test_own_directory_is_not_asked),
        cmocka_unit_test(test_silent_directory),
        cmocka_unit_test(test_unreachable_directory),
        cmocka_unit_test(test_refusing_directory),
        cmocka_unit_test(test_not_believed),
        cmocka_unit_test(test_no_answers),
        cmocka_unit_test(test_second_hand_unsigned),
        cmocka_unit_test(test_answer_of_another_server),
        cmocka_unit_test(test_no_router),
        cmocka_unit_test(test_one_question_for_all),
        cmocka_unit_test(test_asking_again_from_the_answer),
        cmocka_unit_test(test_learnt_meanwhile),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_freed_at_each_stage),
        cmocka_unit_test(test_freed_by_one_who_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
