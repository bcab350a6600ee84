/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The filter when something ends meanwhile: sessions, the ownership of users, the filter, the
 * session manager. Nothing is lost or handled twice, and each completion comes once.
 */
#include "sm_filter.h"

/* "Send and go": it has said that it goes after what it has sent. */
static void a_session_ends_behind_its_words(void **state)
{
    struct kit *k = filter_kit(filter_opts());
    struct kit_client *a = filter_come(k, "alice", "a"), *b = filter_come(k, "bob", "b");
    char id[64];
    (void)state;

    say_waiting(k, a, "<presence to='room@far.test/a'/>");
    answer_one(k, PASS);
    EXPECT_LINK(k, "<presence to='room@far.test/a'");
    say_waiting(k, a, "<message to='room@far.test' type='groupchat'><body>bye</body></message>");
    kit_input(k, a, TO_BOB("2"));
    const struct questions *q = asked(k, 2);
    memcpy(id, q->ids[0], sizeof(id));
    char second[64];
    memcpy(second, q->ids[1], sizeof(second));
    sm_close(a->session);
    a->session = NULL;
    kit_settle(k);
    assert_string_equal(kit_drain(&k->link.out), "");
    assert_string_equal(kit_drain(&k->link.words), "");
    /* its name is free meanwhile, and messages for it are not its */
    kit_link_say(k, "<message from='alice@prime.test/z' to='alice@prime.test/a'><body>3</body>"
                    "</message>");
    assert_int_equal(kit_offline_count(k, "alice"), 1);
    answer(k, second, PASS);
    EXPECT_NOTHING(b);
    answer(k, id, PASS);
    const char *out = kit_drain(&k->link.out);
    const char *bye = strstr(out, "<body>bye<"), *gone = strstr(out, "type='unavailable'");
    assert_true(bye && gone && bye < gone);
    EXPECT(b, "<body>2<");
    EXPECT_WORDS(k, "release alice@prime.test\n");
    assert_int_equal(a->done_count, 4);
    assert_int_equal(a->unsafe_count, 0);
    kit_close(k, a), kit_close(k, b);
    kit_free(k);
}

/* A new one of the same resource comes while the old one's words wait. */
static void a_session_is_replaced(void **state)
{
    struct kit *k = filter_kit(filter_opts());
    struct kit_client *a = filter_come(k, "alice", "a"), *b = filter_come(k, "bob", "b");
    (void)state;

    say_waiting(k, a, TO_BOB("1"));
    struct kit_client *again = kit_come(k, "alice", "a", "");
    assert_int_equal(a->kicked, STREAM_CONFLICT);
    sm_close(a->session);
    a->session = NULL;
    kit_say(k, again, "<presence/>");
    kit_heard(again);
    answer_one(k, DROP("")); /* nobody hears why */
    EXPECT_NOTHING(again);
    EXPECT_NOTHING(b);
    assert_int_equal(a->done_count, 2);
    kit_link_say(k, "<message from='prime.test' to='alice@prime.test/a'><body>1</body></message>");
    EXPECT(again, "<body>1<");
    kit_close(k, a), kit_close(k, b), kit_close(k, again);
    kit_free(k);
}

/* With the process: whoever waits for a completion is told that it is not safe. */
static void the_session_manager_ends(void **state)
{
    struct kit *k = filter_kit(filter_opts());
    struct kit_client *a = filter_come(k, "alice", "a"), *b = filter_come(k, "bob", "b");
    (void)state;

    say_waiting(k, a, TO_BOB("1"));
    say_waiting(k, a, TO_BOB("2"));
    kit_link_say(k, "<message from='x@far.test' to='bob@prime.test'><body>3</body></message>");
    sm_close(a->session);
    a->session = NULL;
    sm_free(&k->sm);
    assert_int_equal(a->done_count, 3);
    assert_int_equal(a->unsafe_count, 2);
    EXPECT_NOTHING(b);
    b->session = NULL;
    kit_close(k, a), kit_close(k, b);
    kit_free(k);
}

/* In order: the link goes first, while it can still take what passes. */
static void the_process_stops(void **state)
{
    struct sm_opts *opts = filter_opts();
    opts->filter.refuses = false;
    struct kit *k = filter_kit(opts);
    struct kit_client *a = filter_come(k, "alice", "a");
    (void)state;

    say_waiting(k, a, "<message to='x@far.test'><body>1</body></message>");
    sm_close(a->session);
    a->session = NULL;
    kit_drain(&k->link.out);
    sm_set_link(k->sm, NULL);
    EXPECT_LINK(k, "<message to='x@far.test' from='alice@prime.test/a'><body>1<");
    assert_int_equal(a->done_count, 2);
    assert_int_equal(a->unsafe_count, 0);
    kit_close(k, a);
    kit_free(k);
}

/* The last session of the recipient goes: the router holds what comes until this is handled. */
static void the_recipient_is_released(void **state)
{
    struct kit *k = filter_kit(filter_opts());
    struct kit_client *b = filter_come(k, "bob", "b");
    char id[64];
    (void)state;

    kit_link_say(k, "<message from='x@far.test/1' to='bob@prime.test'><body>1</body></message>");
    memcpy(id, asked(k, 1)->ids[0], sizeof(id));
    kit_close(k, b);
    EXPECT_WORDS(k, "release bob@prime.test\n");
    sm_link_events.on_released(k->sm, SPAN("bob@prime.test"));
    kit_settle(k);
    EXPECT_WORDS(k, "");
    answer(k, id, PASS);
    EXPECT_WORDS(k, "released-ok bob@prime.test\n");
    assert_int_equal(kit_offline_count(k, "bob"), 1);
    kit_free(k);
}

/* Another has him now: what came for him is stored, and his new owner told; what his clients have
 * said goes there, in order, and is asked about there. */
static void the_claim_is_lost(void **state)
{
    struct kit *k = filter_kit(filter_opts());
    struct kit_client *b = filter_come(k, "bob", "b");
    char ids[3][64];
    (void)state;

    kit_link_say(k, "<message from='x@far.test/1' to='bob@prime.test'><body>in</body></message>");
    say_waiting(k, b, "<message to='x@far.test'><body>out1</body></message>");
    say_waiting(k, b, "<message to='x@far.test'><body>out2</body></message>");
    say_waiting(k, b, "<message to='x@far.test'><body>bad</body></message>");
    /* asked() sees them in the order of the link */
    const struct questions *q = asked(k, 4);
    memcpy(ids[0], q->ids[0], 64);
    memcpy(ids[1], q->ids[2], 64);
    memcpy(ids[2], q->ids[3], 64);
    answer(k, ids[1], PASS);
    answer(k, ids[2], DROP(""));
    EXPECT_NOTHING(b);
    sm_link_events.on_claim(k->sm, SPAN("bob@prime.test"), SPAN("c2s-2.prime.test"));
    kit_settle(k);
    EXPECT(b, "<policy-violation");
    assert_int_equal(b->done_count, 2);
    kit_drain(&k->link.out);
    answer(k, ids[0], PASS);
    const char *out = kit_drain(&k->link.out);
    EXPECT_IN(out, "to='bob@prime.test'><stored");
    assert_int_equal(kit_offline_count(k, "bob"), 1);
    kit_close(k, b);
    kit_free(k);
}

/* The same with two instances: a client's words come back from the owner to its front, and go on
 * once the front has the user. */
static void a_fronted_client_gets_its_words_back(void **state)
{
    struct sm_opts opts = *filter_opts();
    struct two t;
    char id[64];
    (void)state;

    opts.instance = SPAN("c2s-2.prime.test");
    t.front = kit_new(NULL);
    t.owner = kit_new(&opts);
    kit_link_up(t.front), kit_link_up(t.owner);
    struct kit_client *own = kit_come(t.owner, "alice", "own", "");
    struct kit_client *far = open_fronted(&t, "far");
    assert_non_null(far->session);
    kit_drain(&t.owner->link.out);
    for (int i = 1; i <= 2; i++) {
        char xml[100];
        snprintf(xml, sizeof(xml), "<message to='x@far.test'><body>%d</body></message>", i);
        kit_input(t.front, far, xml);
        pump_one(t.front, t.owner, t.owner);
        kit_settle(t.owner);
    }
    memcpy(id, asked(t.owner, 2)->ids[1], sizeof(id));
    answer_as(t.owner, FILTER, "result", id, PASS);
    assert_string_equal(kit_drain(&t.owner->link.out), "");
    sm_link_events.on_claim(t.owner->sm, SPAN("alice@prime.test"), SPAN("c2s-1.prime.test"));
    kit_settle(t.owner);
    pump_one(t.owner, t.front, t.front);
    kit_settle(t.front);
    assert_true(far->is_held);
    kit_drain(&t.front->link.out);
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(t.front);
    const char *out = kit_drain(&t.front->link.out);
    const char *one = strstr(out, "<body>1<"), *two = strstr(out, "<body>2<");
    assert_true(one && two && one < two);
    assert_null(strstr(two + 1, "<body>2<"));
    kit_close(t.front, far), kit_close(t.owner, own);
    end(&t);
}

static void the_filter_changes(void **state)
{
    struct sm_opts *opts = filter_opts();
    struct kit *k = filter_kit(opts);
    struct kit_client *a = filter_come(k, "alice", "a"), *b = filter_come(k, "bob", "b");
    (void)state;

    say_waiting(k, a, TO_BOB("1"));
    opts->filter.deadline = 50; /* from now on */
    sm_set_limits(k->sm, opts);
    EXPECT_NOTHING(b);
    say_waiting(k, a, TO_BOB("2"));
    asked(k, 2);
    opts->filter.component = SPAN("other.test");
    sm_set_limits(k->sm, opts); /* the first was asked, and is none any more */
    const char *heard = kit_heard(a);
    EXPECT_IN(heard, "id='1'");
    EXPECT_IN(heard, "id='2'");
    say_waiting(k, a, TO_BOB("3"));
    EXPECT_IN(asked(k, 1)->text, "to='other.test'");
    opts->filter.component = SPAN("");
    sm_set_limits(k->sm, opts); /* there is none, and what waits passes */
    EXPECT(b, "<body>3<");
    assert_int_equal(a->done_count, 4);
    kit_say(k, a, TO_BOB("4"));
    EXPECT(b, "<body>4<");
    opts->filter.component = SPAN(FILTER);
    sm_set_limits(k->sm, opts);
    say_waiting(k, a, TO_BOB("5"));
    answer_one(k, PASS);
    EXPECT(b, "<body>5<");
    kit_close(k, a), kit_close(k, b);
    kit_free(k);
}

/* The account is deleted while a message for it waits: it is refused, as for any that is none. */
static void the_recipient_is_deleted(void **state)
{
    struct kit *k = filter_kit(filter_opts());
    char id[64];
    (void)state;

    kit_link_say(k, "<message from='x@far.test/1' to='bob@prime.test' id='1'><body>1</body>"
                    "</message>");
    memcpy(id, asked(k, 1)->ids[0], sizeof(id));
    kit_sql(k, "DELETE FROM account WHERE name = ?1", "bob");
    answer(k, id, PASS);
    EXPECT_LINK(k, "<service-unavailable");
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_ends_behind_its_words),
        cmocka_unit_test(a_session_is_replaced),
        cmocka_unit_test(the_session_manager_ends),
        cmocka_unit_test(the_process_stops),
        cmocka_unit_test(the_recipient_is_released),
        cmocka_unit_test(the_claim_is_lost),
        cmocka_unit_test(a_fronted_client_gets_its_words_back),
        cmocka_unit_test(the_filter_changes),
        cmocka_unit_test(the_recipient_is_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
