/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stored messages: which are kept, how many and for how long, and bringing them, in order and
 * once.
 */
#include "sm_kit.h"

#define TO_BOB "<message id='m' type='chat' from='alice@prime.test/x' to='bob@prime.test'>"

struct rule {
    const char *payload;
    int stored;
    bool is_refused;
};

static const struct rule rules[] = {
    {"<body>1</body>", 1, false},
    {"<body>1</body><no-store xmlns='urn:xmpp:hints'/>", 0, true},
    {"<body>1</body><no-permanent-store xmlns='urn:xmpp:hints'/>", 1, false},
    {"", 0, false},
    {"<composing xmlns='http://jabber.org/protocol/chatstates'/>", 0, false},
    {"<composing xmlns='http://jabber.org/protocol/chatstates'/><thread>t</thread>", 0, false},
    {"<composing xmlns='http://jabber.org/protocol/chatstates'/><store xmlns='urn:xmpp:hints'/>",
     1, false},
    {"<received xmlns='urn:xmpp:receipts' id='7'/>", 1, false},
    {"<received xmlns='urn:xmpp:receipts' id='7'/><no-store xmlns='urn:xmpp:hints'/>", 0, false},
    {"<encrypted xmlns='eu.siacs.conversations.axolotl'/>", 1, false},
    {"<body xmlns='other'/>", 1, false},
};

static void keeps_what_is_worth_keeping(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        struct kit *k = kit_new(NULL);
        struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
        char xml[512];
        snprintf(xml, sizeof(xml), TO_BOB "%s</message>", rules[i].payload);
        kit_say(k, alice, xml);
        if (kit_offline_count(k, "bob") != rules[i].stored)
            print_error("%s\n", rules[i].payload);
        assert_int_equal(kit_offline_count(k, "bob"), rules[i].stored);
        if (rules[i].is_refused)
            EXPECT(alice, "<service-unavailable");
        else
            EXPECT_NOTHING(alice);
        kit_close(k, alice);
        kit_free(k);
    }
}

static void say_body(struct kit *k, struct kit_client *c, const char *body, bool is_input_only)
{
    char xml[256];
    snprintf(xml, sizeof(xml), TO_BOB "<body>%s</body></message>", body);
    if (is_input_only)
        kit_input(k, c, xml);
    else
        kit_say(k, c, xml);
}

static void brings_them_in_order_with_their_time(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    (void)state;

    say_body(k, alice, "one", false);
    say_body(k, alice, "t&lt;wo", false);
    struct kit_client *bob = kit_open(k, "bob", "net.test", "b");
    kit_say(k, bob, "<presence><priority>-1</priority></presence>");
    assert_null(strstr(kit_heard(bob), "<body>"));
    kit_say(k, bob, "<presence/>");
    const char *heard = kit_heard(bob);
    EXPECT_IN(heard, "<body>one</body><delay xmlns='urn:xmpp:delay' from='net.test'"
                     " stamp='2026-01-01T00:");
    EXPECT_IN(heard, "Z'/></message><message ");
    EXPECT_IN(heard, "from='alice@prime.test/x'");
    assert_true(strstr(heard, "one") < strstr(heard, "t&lt;wo"));
    assert_int_equal(kit_offline_count(k, "bob"), 0);
    kit_say(k, bob, "<presence type='unavailable'/>");
    kit_heard(bob);
    kit_say(k, bob, "<presence/>");
    assert_null(strstr(kit_heard(bob), "<body>"));
    kit_close(k, bob), kit_close(k, alice);
    kit_free(k);
}

/* C27: and other users do not notice */
static void the_store_of_a_user_is_limited(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    (void)state;

    for (int i = 0; i < 4; i++) {
        say_body(k, alice, "x", false);
        EXPECT_NOTHING(alice);
    }
    say_body(k, alice, "x", false);
    EXPECT(alice, "<message to='alice@prime.test/x' from='bob@prime.test' id='m' type='error'>"
                  "<error type='cancel'><service-unavailable");
    kit_say(k, alice, "<message to='alice@prime.test'><body>to me</body></message>");
    EXPECT_NOTHING(alice);
    assert_int_equal(kit_offline_count(k, "bob"), 4);
    assert_int_equal(kit_offline_count(k, "alice"), 1);
    kit_close(k, alice);
    kit_free(k);
}

static void so_are_its_bytes(void **state)
{
    struct sm_opts opts = *kit_opts();
    (void)state;

    opts.max_offline_bytes = 250;
    struct kit *k = kit_new(&opts);
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    say_body(k, alice, "1", false), say_body(k, alice, "2", false);
    EXPECT_NOTHING(alice);
    say_body(k, alice, "3", false);
    EXPECT(alice, "<service-unavailable");
    kit_close(k, alice);
    kit_free(k);
}

/* More than a batch, and live ones that come between them. */
static void nothing_overtakes(void **state)
{
    struct sm_opts opts = *kit_opts();
    char body[16];
    (void)state;

    opts.max_offline = 1000;
    opts.max_backlog = 1 << 20;
    struct kit *k = kit_new(&opts);
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    for (int i = 0; i < 150; i++) {
        snprintf(body, sizeof(body), "n%03d", i);
        say_body(k, alice, body, true);
    }
    kit_settle(k);
    struct kit_client *bob = kit_open(k, "bob", "prime.test", "b");
    kit_input(k, bob, "<presence/>");
    for (int i = 150; i < 200; i++) {
        snprintf(body, sizeof(body), "n%03d", i);
        say_body(k, alice, body, true);
        if (i % 7 == 0)
            loop_sim_settle(k->loop);
    }
    /* to his full JID it takes its turn, too */
    kit_input(k, alice, "<message to='bob@prime.test/b'><body>n200</body></message>");
    kit_settle(k);
    kit_input(k, alice, "<message to='bob@prime.test/b'><body>n201</body></message>");
    assert_int_equal(alice->done_count, 202);
    const char *at = kit_heard(bob);
    for (int i = 0; i < 202; i++) {
        char expected[32];
        snprintf(expected, sizeof(expected), "<body>n%03d</body>", i);
        at = strstr(at, "<body>");
        assert_non_null(at);
        assert_memory_equal(at, expected, strlen(expected));
        at++;
    }
    assert_null(strstr(at, "<body>"));
    assert_int_equal(kit_offline_count(k, "bob"), 0);
    kit_close(k, bob), kit_close(k, alice);
    kit_free(k);
}

/* The rest waits until the client has read. */
static void a_slow_client_gets_them_slowly(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    (void)state;

    say_body(k, alice, "one", false);
    struct kit_client *bob = kit_open(k, "bob", "prime.test", "b");
    bob->backlog = 6000;
    kit_say(k, bob, "<presence/>");
    assert_null(strstr(kit_heard(bob), "<body>"));
    bob->backlog = 0;
    loop_sim_advance(k->loop, 200);
    EXPECT(bob, "<body>one</body>");
    kit_close(k, bob), kit_close(k, alice);
    kit_free(k);
}

/* A session that ends on the way leaves them to the next: none lost, none twice. */
static void the_next_session_takes_over(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    (void)state;

    say_body(k, alice, "one", false);
    struct kit_client *b1 = kit_open(k, "bob", "prime.test", "1");
    struct kit_client *b2 = kit_open(k, "bob", "prime.test", "2");
    kit_input(k, b1, "<presence/>");
    kit_input(k, b2, "<presence/>");
    b1->is_closing = true;
    sm_close(b1->session);
    b1->session = NULL;
    kit_settle(k);
    assert_null(strstr(kit_heard(b1), "<body>"));
    const char *first = strstr(kit_heard(b2), "<body>one</body>");
    assert_non_null(first);
    assert_null(strstr(first + 1, "<body>"));
    assert_int_equal(kit_offline_count(k, "bob"), 0);
    kit_close(k, b1), kit_close(k, b2), kit_close(k, alice);
    kit_free(k);
}

static void found_closed_while_writing(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    (void)state;

    say_body(k, alice, "one", false);
    struct kit_client *b1 = kit_open(k, "bob", "prime.test", "1");
    kit_input(k, b1, "<presence/>");
    b1->is_closing = true;
    kit_settle(k);
    assert_int_equal(kit_offline_count(k, "bob"), 1);
    struct kit_client *b2 = kit_open(k, "bob", "prime.test", "2");
    kit_say(k, b2, "<presence/>");
    EXPECT(b2, "<body>one</body>");
    assert_int_equal(kit_offline_count(k, "bob"), 0);
    kit_close(k, b1), kit_close(k, b2), kit_close(k, alice);
    kit_free(k);
}

/* One that is full in the middle of them: the next gets the rest, and nothing that it has had. */
static void full_while_writing(void **state)
{
    struct sm_opts opts = *kit_opts();
    (void)state;

    opts.max_backlog = 700;
    struct kit *k = kit_new(&opts);
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    static const char *const bodies[] = {"one", "two", "three", "four"};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        say_body(k, alice, bodies[i], false);
    struct kit_client *b1 = kit_open(k, "bob", "prime.test", "1");
    struct kit_client *b2 = kit_open(k, "bob", "prime.test", "2");
    b1->counts_unheard = true;
    b1->backlog = 200;
    kit_input(k, b1, "<presence/>");
    kit_input(k, b2, "<presence/>");
    kit_settle(k);
    assert_int_equal(b1->kicked, STREAM_RESOURCE_CONSTRAINT);
    char *first = mem_strdup_span(span_of(kit_heard(b1)));
    const char *rest = kit_heard(b2);
    EXPECT_IN(first, "<body>one</body>");
    EXPECT_IN(rest, "<body>four</body>");
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        assert_true(!strstr(first, bodies[i]) != !strstr(rest, bodies[i]));
    assert_int_equal(kit_offline_count(k, "bob"), 0);
    free(first);
    kit_close(k, b1), kit_close(k, b2), kit_close(k, alice);
    kit_free(k);
}

/* With nothing stored: what comes while that is being found out is not left lying. */
static void a_message_during_the_first_look_arrives(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *bob = kit_open(k, "bob", "prime.test", "1");
    (void)state;

    kit_input(k, bob, "<presence/>");
    say_body(k, alice, "one", false);
    EXPECT(bob, "<body>one</body>");
    assert_int_equal(kit_offline_count(k, "bob"), 0);
    kit_close(k, bob), kit_close(k, alice);
    kit_free(k);
}

/* Unavailable and back while the first load is under way. */
static void two_presences_do_not_bring_them_twice(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    (void)state;

    say_body(k, alice, "one", false);
    struct kit_client *bob = kit_open(k, "bob", "prime.test", "1");
    kit_input(k, bob, "<presence/>");
    kit_input(k, bob, "<presence type='unavailable'/>");
    kit_input(k, bob, "<presence/>");
    kit_settle(k);
    const char *first = strstr(kit_heard(bob), "<body>one</body>");
    assert_non_null(first);
    assert_null(strstr(first + 1, "<body>"));
    kit_close(k, bob), kit_close(k, alice);
    kit_free(k);
}

/* The completion comes with the commit, not before. */
static void safe_means_stored(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    (void)state;

    say_body(k, alice, "one", true);
    assert_int_equal(alice->done_count, 0);
    kit_settle(k);
    assert_int_equal(alice->done_count, 1);
    assert_int_equal(alice->unsafe_count, 0);
    kit_close(k, alice);
    kit_free(k);
}

#define DAY_MS (24 * 3600 * 1000)

/* More than a slice of them; what has just come stays. */
static void the_old_are_removed(void **state)
{
    struct sm_opts opts = *kit_opts();
    (void)state;

    opts.max_offline = 1000;
    opts.max_offline_bytes = 10000000;
    opts.offline_days = 7;
    struct kit *k = kit_new(&opts);
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    for (int i = 0; i < 450; i++)
        say_body(k, alice, "old", false);
    loop_sim_advance(k->loop, 6 * DAY_MS);
    say_body(k, alice, "new", false);
    assert_int_equal(kit_offline_count(k, "bob"), 451);
    loop_sim_advance(k->loop, DAY_MS - 2 * 3600 * 1000);
    assert_int_equal(kit_offline_count(k, "bob"), 451);
    loop_sim_advance(k->loop, 4 * 3600 * 1000);
    assert_int_equal(kit_offline_count(k, "bob"), 1);
    struct kit_client *bob = kit_open(k, "bob", "prime.test", "1");
    kit_say(k, bob, "<presence/>");
    const char *heard = kit_heard(bob);
    EXPECT_IN(heard, "<body>new</body>");
    assert_null(strstr(heard, "<body>old</body>"));
    kit_close(k, bob), kit_close(k, alice);
    kit_free(k);
}

static void for_ever_is_for_ever(void **state)
{
    struct sm_opts opts = *kit_opts();
    (void)state;

    opts.offline_days = 0;
    struct kit *k = kit_new(&opts);
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    say_body(k, alice, "one", false);
    loop_sim_advance(k->loop, INT64_C(40) * DAY_MS);
    assert_int_equal(kit_offline_count(k, "bob"), 1);
    opts.offline_days = 30; /* a reload */
    sm_set_limits(k->sm, &opts);
    loop_sim_advance(k->loop, 2 * 3600 * 1000);
    assert_int_equal(kit_offline_count(k, "bob"), 0);
    kit_close(k, alice);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_is_worth_keeping),
        cmocka_unit_test(brings_them_in_order_with_their_time),
        cmocka_unit_test(the_store_of_a_user_is_limited),
        cmocka_unit_test(so_are_its_bytes),
        cmocka_unit_test(nothing_overtakes),
        cmocka_unit_test(a_slow_client_gets_them_slowly),
        cmocka_unit_test(the_next_session_takes_over),
        cmocka_unit_test(found_closed_while_writing),
        cmocka_unit_test(full_while_writing),
        cmocka_unit_test(a_message_during_the_first_look_arrives),
        cmocka_unit_test(two_presences_do_not_bring_them_twice),
        cmocka_unit_test(safe_means_stored),
        cmocka_unit_test(the_old_are_removed),
        cmocka_unit_test(for_ever_is_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
