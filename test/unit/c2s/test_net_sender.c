/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_net_sender - another server speaks for its own users, and for nobody else's: what comes in
 * the name of one waits until it is known where he is at home.
 */
#include "net_kit.h"

#define STAMP 1700000000000

/* <name from='user@host/x' to='alice@prime.test/r' type='type'>content</name>, by the link; nothing
 * is waited for. */
static void hear(struct kit *k, const char *name, const char *user, const char *host,
                 const char *type, const char *content)
{
    struct buf xml = {0};

    buf_printf(&xml,
               "<%s xmlns='" NS_COMPONENT "' id='i' from='%s@%s/x' to='alice@prime.test%s'%s%s%s>"
               "%s</%s>",
               name, user, host, strcmp(name, "presence") == 0 ? "" : "/r", *type ? " type='" : "",
               type, *type ? "'" : "", content, name);
    kit_parse(k, NS_COMPONENT, buf_z(&xml));
    sm_link_events.on_stanza(k->sm, &k->stanza);
    buf_free(&xml);
}

static void message(struct kit *k, const char *user, const char *host, const char *body)
{
    hear(k, "message", user, host, "chat", body);
    kit_settle(k);
}

#define BODY(text) "<body>" text "</body>"

/* --- at once ---------------------------------------------------------------------------------- */

static void test_is_at_home_there(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");

    (void)state;
    net_learn(k, "romeo", "beta.test");
    message(k, "romeo", "beta.test", BODY("1"));
    EXPECT(alice, BODY("1"));
    assert_int_equal(buf_len(&k->link.out), 0);
    EXPECT_HOME(k, "romeo", SM_HOME_AT);
    kit_close(k, alice);
    net_free(k);
}

/* Services have the same names everywhere; who is outside of the network is not asked for. */
static void test_is_no_user_of_the_network(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");

    (void)state;
    message(k, "probe", "beta.test", BODY("1"));
    EXPECT(alice, BODY("1"));
    message(k, "bob", "far.test", BODY("2"));
    EXPECT(alice, BODY("2"));
    message(k, "bob", "rooms.beta.test", BODY("3"));
    EXPECT(alice, BODY("3"));
    assert_int_equal(buf_len(&k->link.out), 0);
    kit_close(k, alice);
    net_free(k);
}

static void test_is_online_here(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r"),
                      *bob = net_come(k, "bob", "net.test", "r");

    (void)state;
    message(k, "bob", "beta.test", BODY("I am bob"));
    EXPECT_NOTHING(alice);
    EXPECT_LINK(k, "<forbidden");
    hear(k, "presence", "bob", "beta.test", "", "");
    kit_settle(k);
    EXPECT_NOTHING(alice);
    assert_int_equal(buf_len(&k->link.out), 0);
    kit_close(k, alice);
    kit_close(k, bob);
    net_free(k);
}

/* --- after a look-up -------------------------------------------------------------------------- */

/* He has an account, and is not online: the store knows him. */
static void test_has_an_account_here(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");

    (void)state;
    message(k, "bob", "beta.test", BODY("I am bob"));
    EXPECT_NOTHING(alice);
    EXPECT_LINK(k, "<forbidden");
    hear(k, "presence", "bob", "beta.test", "subscribe", "");
    kit_settle(k);
    EXPECT_NOTHING(alice);
    EXPECT_LINK(k, "<forbidden");
    kit_close(k, alice);
    net_free(k);
}

/* One question for all that he has said, which keeps its order; later ones cost none. */
static void test_is_looked_up_once(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "beta.test", "gamma.test", 0);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");
    const char *heard, *first, *second;

    (void)state;
    message(k, user, "beta.test", BODY("1"));
    hear(k, "presence", user, "beta.test", "", "<status>here</status>");
    message(k, user, "beta.test", BODY("2"));
    EXPECT_NOTHING(alice);
    net_answer(k, "beta.test", net_home(user, "beta.test", STAMP, true));
    EXPECT_NOT_ASKED(k, "beta.test");
    kit_settle(k);
    heard = kit_heard(alice);
    first = strstr(heard, BODY("1"));
    second = strstr(heard, BODY("2"));
    assert_true(first && second && first < second);
    buf_clear(&k->link.out);
    message(k, user, "beta.test", BODY("3"));
    EXPECT(alice, BODY("3"));
    assert_int_equal(buf_len(&k->link.out), 0);
    kit_close(k, alice);
    net_free(k);
}

static void test_is_at_home_elsewhere(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "gamma.test", "beta.test", 0);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");

    (void)state;
    message(k, user, "beta.test", BODY("1"));
    net_answer(k, "gamma.test", net_home(user, "gamma.test", STAMP, true));
    kit_settle(k);
    EXPECT_NOTHING(alice);
    EXPECT_LINK(k, "<forbidden");
    message(k, user, "gamma.test", BODY("2"));
    EXPECT(alice, BODY("2"));
    kit_close(k, alice);
    net_free(k);
}

/* What is believed of him may be old. */
static void test_has_moved_there(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "gamma.test", "beta.test", 0);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");

    (void)state;
    sm_home_learn(k->sm, span_of(user), SPAN("beta.test"), STAMP);
    message(k, user, "gamma.test", BODY("1"));
    EXPECT_NOTHING(alice);
    net_answer(k, "gamma.test", net_home(user, "gamma.test", STAMP + 1, true));
    kit_settle(k);
    EXPECT(alice, BODY("1"));
    /* what was begun before ends */
    hear(k, "presence", user, "beta.test", "unavailable", "");
    kit_settle(k);
    EXPECT(alice, "type='unavailable'");
    buf_clear(&k->link.out);
    /* and nothing else does, or may be said by a third */
    message(k, user, "beta.test", BODY("2"));
    EXPECT_NOTHING(alice);
    net_answer(k, "gamma.test", net_home(user, "gamma.test", STAMP + 1, true));
    kit_settle(k);
    EXPECT_NOTHING(alice);
    EXPECT_LINK(k, "<forbidden");
    kit_close(k, alice);
    net_free(k);
}

static void test_a_third_does_not_end_it(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "gamma.test", "beta.test", 0);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");

    (void)state;
    net_learn(k, user, "gamma.test");
    hear(k, "presence", user, "beta.test", "unavailable", "");
    kit_settle(k);
    net_answer(k, "gamma.test", net_home(user, "gamma.test", STAMP, true));
    kit_settle(k);
    EXPECT_NOTHING(alice);
    kit_close(k, alice);
    net_free(k);
}

/* He may have registered a moment ago: who writes back asks again. */
static void test_nobody_has_him(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "gamma.test", "beta.test", 0);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");

    (void)state;
    message(k, user, "beta.test", BODY("1"));
    net_answer(k, "gamma.test", net_home(user, NULL, 0, true));
    kit_settle(k);
    EXPECT(alice, BODY("1"));
    EXPECT_HOME(k, user, SM_HOME_UNKNOWN);
    kit_close(k, alice);
    net_free(k);
}

static void test_nobody_can_say(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "gamma.test", "beta.test", 0);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");

    (void)state;
    net_route(k, "gamma.test", false);
    net_route(k, "beta.test", false);
    message(k, user, "beta.test", BODY("1"));
    EXPECT_NOTHING(alice);
    EXPECT_LINK(k, "<remote-server-timeout");
    hear(k, "message", user, "beta.test", "error",
         "<error type='cancel'><gone xmlns='" NS_STANZA_ERRORS "'/><home xmlns='" NS_NETWORK
         "'/></error>");
    kit_settle(k);
    EXPECT_NOTHING(alice);
    kit_close(k, alice);
    net_free(k);
}

/* --- what ends what was begun ----------------------------------------------------------------- */

#define UNAVAILABLE                                                                                \
    "<error type='cancel'><service-unavailable xmlns='" NS_STANZA_ERRORS "'/></error>"

/* The server that one of ours has written to answers, whoever lives there. */
static void test_errors_are_answers(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r"),
                      *bob = net_come(k, "bob", "net.test", "r");

    (void)state;
    net_learn(k, "romeo", "gamma.test");
    kit_say(k, alice, "<message to='romeo@beta.test/x' id='i' type='chat'>" BODY("1") "</message>");
    kit_say(k, alice, "<message to='bob@beta.test/x' id='i'>" BODY("1") "</message>");
    kit_say(k, alice, "<iq to='romeo@beta.test/x' id='i' type='get'><q xmlns='urn:q'/></iq>");
    EXPECT_LINK(k, "to='romeo@beta.test/x'");
    hear(k, "message", "romeo", "beta.test", "error", UNAVAILABLE);
    kit_settle(k);
    EXPECT(alice, "<service-unavailable");
    hear(k, "message", "bob", "beta.test", "error", UNAVAILABLE);
    kit_settle(k);
    EXPECT(alice, "<service-unavailable");
    hear(k, "iq", "romeo", "beta.test", "result", "");
    kit_settle(k);
    EXPECT(alice, "type='result'");
    kit_close(k, alice);
    kit_close(k, bob);
    net_free(k);
}

static void test_invented_errors_are_not(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "gamma.test", "beta.test", 0);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r"),
                      *bob = net_come(k, "bob", "net.test", "r");

    (void)state;
    hear(k, "message", "bob", "beta.test", "error", UNAVAILABLE);
    kit_settle(k);
    EXPECT_NOTHING(alice);
    net_learn(k, user, "gamma.test");
    hear(k, "presence", user, "beta.test", "error", UNAVAILABLE);
    kit_settle(k);
    net_answer(k, "gamma.test", net_home(user, "gamma.test", STAMP, true));
    kit_settle(k);
    EXPECT_NOTHING(alice);
    assert_int_equal(buf_len(&k->link.out), 0);
    kit_close(k, alice);
    kit_close(k, bob);
    net_free(k);
}

/* --- the rest of its way ---------------------------------------------------------------------- */

/* A message to many comes to the host. */
static void test_messages_to_many(void **state)
{
    static const char *const homes[] = {"beta.test", "gamma.test"};
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(homes); i++) {
        const char *user = net_user(k, homes[i], "prime.test", 0);
        struct buf xml = {0};
        buf_printf(&xml,
                   "<message xmlns='" NS_COMPONENT "' from='%s@beta.test/x' to='prime.test' id='m'>"
                   "<addresses xmlns='http://jabber.org/protocol/address'>"
                   "<address type='to' jid='alice@prime.test'/></addresses>" BODY("1") "</message>",
                   user);
        kit_link_say(k, buf_z(&xml));
        buf_free(&xml);
        EXPECT_NOTHING(alice);
        net_answer(k, homes[i], net_home(user, homes[i], STAMP, true));
        kit_settle(k);
        if (i == 0)
            EXPECT(alice, BODY("1"));
        else
            EXPECT_LINK(k, "<forbidden");
        EXPECT_NOTHING(alice);
    }
    kit_close(k, alice);
    net_free(k);
}

/* Another instance has given it on by the host's name: he answers by the network's. */
static void test_from_another_instance(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "gamma.test", "beta.test", 0);
    struct buf xml = {0};

    (void)state;
    buf_printf(&xml,
               "<iq xmlns='" NS_COMPONENT "' type='get' id='q' from='%s@beta.test/x'"
               " to='alice@prime.test'><q xmlns='urn:q'/><to xmlns='" NS_NETWORK "'/></iq>",
               user);
    kit_link_say(k, buf_z(&xml));
    net_answer(k, "gamma.test", net_home(user, NULL, 0, true));
    kit_settle(k);
    EXPECT_LINK(k, " from='alice@net.test'");
    buf_free(&xml);
    net_free(k);
}

/* --- room, and ends --------------------------------------------------------------------------- */

/* All that a server has kept while this one was away comes at once. */
static void test_much_waits(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "beta.test", "gamma.test", 0);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");
    char body[40];
    const char *at;

    (void)state;
    for (int i = 0; i < 5000; i++) {
        snprintf(body, sizeof(body), BODY("m%d"), i);
        hear(k, "message", user, "beta.test", "chat", body);
    }
    kit_settle(k);
    net_answer(k, "beta.test", net_home(user, "beta.test", STAMP, true));
    kit_settle(k);
    at = buf_z(&alice->out);
    for (int i = 0; i < 5000; i++) {
        snprintf(body, sizeof(body), BODY("m%d"), i);
        at = strstr(at, body);
        assert_non_null(at);
    }
    assert_int_equal(buf_len(&k->link.out), 0);
    kit_close(k, alice);
    net_free(k);
}

static void test_too_much_waits(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "gamma.test", "beta.test", 0);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");
    struct buf body = {0};

    (void)state;
    buf_append_z(&body, "<body>");
    for (int i = 0; i < 100000; i++)
        buf_append_z(&body, "x");
    buf_append_z(&body, "</body>");
    for (int i = 0; i < 200; i++)
        hear(k, "message", user, "beta.test", "chat", buf_z(&body));
    assert_non_null(strstr(buf_z(&k->link.out), "<resource-constraint"));
    kit_settle(k);
    EXPECT_NOTHING(alice);
    net_answer(k, "gamma.test", net_home(user, NULL, 0, true));
    kit_settle(k);
    EXPECT(alice, "xxx");
    buf_clear(&k->link.out);
    net_learn(k, user, "beta.test");
    message(k, user, "beta.test", BODY("room again"));
    EXPECT(alice, BODY("room again"));
    buf_free(&body);
    kit_close(k, alice);
    net_free(k);
}

static void test_the_end_comes_meanwhile(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "gamma.test", "beta.test", 0);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");

    (void)state;
    message(k, user, "beta.test", BODY("1"));
    buf_clear(&k->link.out);
    sm_edge_away(k->sm);
    EXPECT_NOTHING(alice);
    EXPECT_LINK(k, "<remote-server-timeout");
    message(k, user, "beta.test", BODY("2"));
    kit_close(k, alice);
    net_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_at_home_there),
        cmocka_unit_test(test_is_no_user_of_the_network),
        cmocka_unit_test(test_is_online_here),
        cmocka_unit_test(test_has_an_account_here),
        cmocka_unit_test(test_is_looked_up_once),
        cmocka_unit_test(test_is_at_home_elsewhere),
        cmocka_unit_test(test_has_moved_there),
        cmocka_unit_test(test_a_third_does_not_end_it),
        cmocka_unit_test(test_nobody_has_him),
        cmocka_unit_test(test_nobody_can_say),
        cmocka_unit_test(test_errors_are_answers),
        cmocka_unit_test(test_invented_errors_are_not),
        cmocka_unit_test(test_messages_to_many),
        cmocka_unit_test(test_from_another_instance),
        cmocka_unit_test(test_much_waits),
        cmocka_unit_test(test_too_much_waits),
        cmocka_unit_test(test_the_end_comes_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
