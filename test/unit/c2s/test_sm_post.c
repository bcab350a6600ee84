/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_sm_post - messages of the server: to who is there, into the store for who is not. */
#include "test/unit/c2s/sm_kit.h"

struct answer {
    int count;
    enum sm_post_result result;
    struct sm_post_figures figures;
};

static void on_told(void *ctx, enum sm_post_result r)
{
    struct answer *a = ctx;
    a->count++;
    a->result = r;
}

#define ALL_STORED "SELECT count(*) FROM offline WHERE stanza LIKE ?1"
#define BODY "%<body>Tea &amp; cake</body>%"

static void one_user(void **state)
{
    struct kit *k = kit_new(NULL);
    struct answer a = {0}, none = {0};
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    (void)state;

    kit_say(k, alice, "<presence/>");
    kit_heard(alice);
    sm_post_user(k->sm, SPAN("alice"), SPAN("Tea & cake"), &a.figures, on_told, &a);
    assert_int_equal(a.count, 0);
    kit_settle(k);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.result, SM_POST_DONE);
    assert_int_equal(a.figures.sent, 1);
    const char *heard = kit_heard(alice);
    EXPECT_IN(heard, "from='prime.test'");
    EXPECT_IN(heard, "to='alice@prime.test'");
    EXPECT_IN(heard, "<body>Tea &amp; cake</body>");

    sm_post_user(k->sm, SPAN("bob"), SPAN("Tea & cake"), &a.figures, on_told, &a);
    sm_post_user(k->sm, SPAN("nobody"), SPAN("Tea & cake"), &none.figures, on_told, &none);
    kit_settle(k);
    assert_int_equal(a.count, 2);
    assert_int_equal(kit_sql(k, ALL_STORED, BODY), 1);
    assert_int_equal(none.result, SM_POST_NO_USER);
    assert_int_equal(none.figures.sent, 0);
    kit_close(k, alice);
    kit_free(k);
}

static void everybody(void **state)
{
    struct kit *k = kit_new(NULL);
    struct answer a = {0};
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    (void)state;

    for (int i = 0; i < 120; i++) {
        char name[16];
        snprintf(name, sizeof(name), "u%03d", i);
        kit_account(k, name);
    }
    kit_account(k, "/7/gone"); /* what is left of a removed account */
    kit_say(k, alice, "<presence/>");
    kit_link_up(k); /* other instances may own them: they are told of what is stored */
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN_NONE);
    sm_post_all(k->sm, false, SPAN("Tea & cake"), &a.figures, on_told, &a);
    loop_sim_advance(k->loop, 1);
    assert_true(a.figures.sent < 122); /* not all at once */
    loop_sim_advance(k->loop, 1000);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.figures.sent, 122);
    assert_int_equal(a.figures.failed, 0);
    assert_int_equal(kit_sql(k, ALL_STORED, BODY), 121);
    EXPECT(alice, "<body>Tea &amp; cake</body>");
    EXPECT_LINK(k, "to='u119@prime.test'><stored ");
    kit_close(k, alice);
    kit_free(k);
}

static void only_who_is_online(void **state)
{
    struct kit *k = kit_new(NULL);
    struct answer a = {0};
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *bob = kit_open(k, "bob", "prime.test", "x"); /* not available */
    (void)state;

    kit_say(k, alice, "<presence/>");
    sm_post_all(k->sm, true, SPAN("Tea & cake"), &a.figures, on_told, &a);
    kit_settle(k);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.figures.sent, 1);
    EXPECT(alice, "Tea");
    EXPECT_NOTHING(bob);
    assert_int_equal(kit_sql(k, ALL_STORED, BODY), 0);
    kit_close(k, alice), kit_close(k, bob);
    kit_free(k);
}

static void who_has_no_room_is_counted(void **state)
{
    struct kit *k = kit_new(NULL);
    struct answer a = {0};
    (void)state;

    for (int i = 0; i < 5; i++) {
        sm_post_user(k->sm, SPAN("bob"), SPAN("Tea & cake"), &a.figures, on_told, &a);
        kit_settle(k);
    }
    assert_int_equal(a.count, 5);
    assert_int_equal(a.figures.sent, 0);
    assert_int_equal(a.figures.failed, 1);
    kit_free(k);
}

static void the_end_answers_nobody(void **state)
{
    struct kit *k = kit_new(NULL);
    struct answer a = {0}, b = {0};
    (void)state;

    sm_post_all(k->sm, false, SPAN("Tea & cake"), &a.figures, on_told, &a);
    kit_settle(k);
    a.count = 0;
    sm_post_all(k->sm, false, SPAN("Tea & cake"), &a.figures, on_told, &a);
    loop_sim_settle(k->loop); /* its job is under way */
    sm_post_all(k->sm, true, SPAN("Tea & cake"), &b.figures, on_told, &b);
    kit_free(k);
    assert_int_equal(a.count + b.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_user),           cmocka_unit_test(everybody),
        cmocka_unit_test(only_who_is_online), cmocka_unit_test(who_has_no_room_is_counted),
        cmocka_unit_test(the_end_answers_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
