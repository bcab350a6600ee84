/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_net_edge - what is for a user of the network goes to where he is at home, and waits when
 * that must be asked.
 */
#include "net_kit.h"

#define STAMP 1700000000000

static const char *text(const char *format, const char *user)
{
    static char made[4][2048];
    static size_t at;
    char *out = made[at++ % 4];
    const char *place = strstr(format, "USER");

    snprintf(out, sizeof(made[0]), "%.*s%s%s", (int)(place - format), format, user, place + 4);
    return out;
}

static size_t count_of(const char *heard, const char *what)
{
    size_t n = 0;

    for (const char *at = strstr(heard, what); at; at = strstr(at + 1, what))
        n++;
    return n;
}

/* --- our own users ---------------------------------------------------------------------------- */

static void test_known_home(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");
    const char *sent;

    (void)state;
    net_learn(k, "romeo", "beta.test");
    kit_say(k, alice, "<message to='Romeo@Net.test/R s' id='1'><body>x</body></message>");
    sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, " to='romeo@beta.test/R s'");
    EXPECT_IN(sent, " from='alice@net.test/r'");
    kit_say(k, alice, "<presence to='romeo@net.test'/>");
    EXPECT_LINK(k, "to='romeo@beta.test'");
    kit_say(k, alice,
            "<iq type='get' id='q' to='romeo@net.test'><ping xmlns='urn:xmpp:ping'/></iq>");
    EXPECT_LINK(k, "to='romeo@beta.test'");
    EXPECT_NOTHING(alice);
    kit_close(k, alice);
    net_free(k);
}

/* Whoever is owned here costs no look-up; who has an account here is found in the store. */
static void test_here(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");
    struct kit_client *bob = net_come(k, "bob", "net.test", "r");

    (void)state;
    kit_input(k, alice, "<message to='bob@net.test/r'><body>x</body></message>");
    EXPECT(bob, "<body>x</body>");
    kit_close(k, bob);
    kit_settle(k);
    buf_clear(&k->link.out);
    sm_link_events.on_released(k->sm, SPAN("bob@prime.test"));
    kit_settle(k);
    kit_say(k, alice, "<message to='bob@net.test'><body>y</body></message>");
    EXPECT_LINK(k, "to='bob@prime.test'");
    assert_int_equal(k->sm->net->counts.asked, 0);
    kit_close(k, alice);
    net_free(k);
}

/* Two to the one who is looked up keep their order, with one question; others do not wait. */
static void test_waits(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "beta.test", "gamma.test", 0);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");
    const char *sent;

    (void)state;
    net_learn(k, "romeo", "gamma.test");
    kit_input(k, alice,
              text("<message to='USER@net.test/a' id='1'><body>1</body></message>", user));
    kit_input(k, alice, text("<message to='USER@net.test' id='2'><body>2</body></message>", user));
    kit_input(k, alice, "<message to='romeo@net.test' id='3'><body>3</body></message>");
    kit_settle(k);
    assert_int_equal(alice->done_count, 2); /* its presence, and 3 */
    assert_null(strstr(buf_z(&k->link.out), "<body>1"));
    assert_non_null(strstr(buf_z(&k->link.out), "<body>3"));
    net_answer(k, "beta.test", net_home(user, "beta.test", STAMP, true));
    kit_settle(k);
    EXPECT_NOT_ASKED(k, "beta.test");
    sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, text("to='USER@beta.test/a'", user));
    assert_true(strstr(sent, "<body>1") < strstr(sent, "<body>2"));
    assert_non_null(strstr(sent, "<body>2"));
    assert_int_equal(alice->done_count, 4);
    kit_say(k, alice, text("<message to='USER@net.test' id='4'><body>4</body></message>", user));
    EXPECT_LINK(k, text("to='USER@beta.test'", user));
    EXPECT_NOTHING(alice);
    kit_close(k, alice);
    net_free(k);
}

/* What has been learnt meanwhile does not let the next one overtake. */
static void test_none_overtakes(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "beta.test", "gamma.test", 0);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");
    const char *sent;

    (void)state;
    kit_input(k, alice, text("<message to='USER@net.test'><body>1</body></message>", user));
    kit_settle(k);
    net_learn(k, user, "beta.test");
    kit_input(k, alice, text("<message to='USER@beta.test'><body>2</body></message>", user));
    kit_input(k, alice, text("<message to='USER@net.test'><body>3</body></message>", user));
    net_answer(k, "beta.test", net_home(user, "beta.test", STAMP, true));
    kit_settle(k);
    sent = kit_drain(&k->link.out);
    assert_non_null(strstr(sent, "<body>3"));
    assert_true(strstr(sent, "<body>1") < strstr(sent, "<body>2"));
    assert_true(strstr(sent, "<body>2") < strstr(sent, "<body>3"));
    kit_close(k, alice);
    net_free(k);
}

/* As an account that is not here: this server says so. */
static void test_nobody(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "beta.test", "gamma.test", 0);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");

    (void)state;
    kit_input(k, alice, text("<message to='USER@net.test'><body>1</body></message>", user));
    kit_settle(k);
    net_answer(k, "beta.test", net_home(user, NULL, 0, true));
    kit_settle(k);
    EXPECT_LINK(k, text("to='USER@prime.test'", user));
    kit_link_say(k, text("<message xmlns='" NS_COMPONENT "' from='x@far.example'"
                         " to='USER@prime.test'><body>1</body></message>",
                         user));
    EXPECT_LINK(k, "service-unavailable");
    kit_close(k, alice);
    net_free(k);
}

static void test_nobody_answers(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "beta.test", "gamma.test", 0);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");
    const char *heard;

    (void)state;
    kit_input(k, alice, text("<message to='USER@net.test' id='m'><body>1</body></message>", user));
    kit_input(k, alice,
              text("<iq type='get' id='q' to='USER@net.test'><query xmlns='a:b'/></iq>", user));
    kit_input(k, alice, text("<presence to='USER@net.test'/>", user));
    loop_sim_advance(k->loop, 60 * 1000);
    heard = kit_heard(alice);
    assert_int_equal(count_of(heard, "<remote-server-timeout"), 2);
    assert_int_equal(count_of(heard, "type='wait'"), 2);
    EXPECT_IN(heard, "id='m'");
    EXPECT_IN(heard, text("from='USER@net.test'", user));
    assert_int_equal(alice->done_count, 4);
    kit_close(k, alice);
    net_free(k);
}

/* The last words of one who has gone are heard, and he is seen to go behind them. */
static void test_session_ends_meanwhile(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "beta.test", "gamma.test", 0);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");
    const char *sent;

    (void)state;
    net_learn(k, "romeo", "beta.test");
    kit_say(k, alice, "<presence to='romeo@net.test'/>");
    kit_input(k, alice, text("<message to='USER@net.test'><body>last</body></message>", user));
    buf_clear(&k->link.out);
    sm_close(alice->session);
    alice->session = NULL;
    kit_settle(k);
    assert_null(strstr(buf_z(&k->link.out), "unavailable"));
    net_answer(k, "beta.test", net_home(user, "beta.test", STAMP, true));
    kit_settle(k);
    sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, "<body>last</body>");
    EXPECT_IN(sent, "type='unavailable'");
    assert_true(strstr(sent, "<body>last") < strstr(sent, "type='unavailable'"));
    kit_close(k, alice);
    net_free(k);
}

static void test_too_much_waits(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "beta.test", "gamma.test", 0);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");
    struct buf xml = {0};
    const char *heard;
    int sent = 0;

    (void)state;
    buf_append_z(&xml, text("<message to='USER@net.test'><body>", user));
    for (int i = 0; i < 100000; i++)
        buf_append_z(&xml, "x");
    buf_append_z(&xml, "</body></message>");
    for (; sent < 20; sent++)
        kit_input(k, alice, buf_z(&xml));
    heard = kit_heard(alice);
    assert_non_null(strstr(heard, "<resource-constraint"));
    kit_settle(k);
    assert_in_range(alice->done_count, 2, 20); /* those that were refused, and its presence */
    net_answer(k, "beta.test", net_home(user, "beta.test", STAMP, true));
    kit_settle(k);
    assert_int_equal(alice->done_count, 1 + sent);
    /* and then there is room again */
    kit_say(k, alice, buf_z(&xml));
    EXPECT_NOTHING(alice);
    buf_free(&xml);
    kit_close(k, alice);
    net_free(k);
}

/* Ends with all that waits: none of it has been handled. */
static void test_end_while_waiting(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "beta.test", "gamma.test", 0);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");

    (void)state;
    kit_input(k, alice, text("<message to='USER@net.test'><body>1</body></message>", user));
    sm_free(&k->sm);
    assert_int_equal(alice->unsafe_count, 1);
    alice->session = NULL;
    kit_close(k, alice);
    net_free(k);
}

/* Another instance has the user now: what waits goes there, as the client has sent it. */
static void test_owner_changes(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "beta.test", "gamma.test", 0);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");
    const char *sent;

    (void)state;
    kit_input(k, alice, text("<message to='USER@net.test'><body>1</body></message>", user));
    kit_settle(k);
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    kit_settle(k);
    net_answer(k, "beta.test", net_home(user, "beta.test", STAMP, true));
    sent = kit_drain(&k->link.out);
    assert_null(strstr(sent, "to='user"));
    assert_null(strstr(sent, "<body>1"));
    kit_close(k, alice);
    net_free(k);
}

/* Our host's own name for one who is at home elsewhere. */
static void test_by_host(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *alice = net_come(k, "alice", "prime.test", "r");

    (void)state;
    net_learn(k, "romeo", "beta.test");
    kit_say(k, alice, "<message to='romeo@prime.test'><body>1</body></message>");
    EXPECT_LINK(k, "to='romeo@beta.test'");
    kit_say(k, alice, "<message to='romeo@gamma.test'><body>1</body></message>");
    EXPECT_LINK(k, "to='romeo@gamma.test'"); /* he who knows better is not corrected */
    kit_close(k, alice);
    net_free(k);
}

/* Names of services are nobody's. */
static void test_services(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");

    (void)state;
    kit_say(k, alice,
            "<iq type='get' id='q' to='multicast@net.test'>"
            "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
    EXPECT(alice, "type='result'");
    assert_int_equal(buf_len(&k->link.out), 0);
    kit_close(k, alice);
    net_free(k);
}

/* --- from outside of the network -------------------------------------------------------------- */

#define FROM_FAR                                                                                   \
    "<message xmlns='" NS_COMPONENT "' from='x@far.example/r' to='USER@net.test/z' id='1'>"

static void test_passed_on(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "beta.test", "gamma.test", 0);
    const char *sent;

    (void)state;
    kit_link_say(k, text(FROM_FAR "<body>1</body></message>", user));
    assert_null(strstr(buf_z(&k->link.out), "<body>1"));
    net_answer(k, "beta.test", net_home(user, "beta.test", STAMP, true));
    kit_settle(k);
    sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, "<envelope xmlns='" NS_ROUTER "' from='c2s-1.prime.test' to='beta.test'>"
                    "<message xmlns='jabber:client'");
    EXPECT_IN(sent, text("to='USER@net.test/z'", user));
    EXPECT_IN(sent, "from='x@far.example/r'");
    EXPECT_IN(sent, "<body>1</body></message></envelope>");
    kit_link_say(k, text(FROM_FAR "<body>2</body></message>", user));
    EXPECT_LINK(k, "to='beta.test'><message");
    net_free(k);
}

/* Once: here he is not, whatever we believe, and nobody is asked. */
static void test_not_passed_on_again(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *users[] = {"romeo", net_user(k, "beta.test", "gamma.test", 0), "alice"};
    const char *sent;

    (void)state;
    net_learn(k, "romeo", "gamma.test");
    for (size_t i = 0; i < ARRAY_LEN(users); i++) {
        kit_link_say(k, text(FROM_FAR "<body>1</body><via xmlns='" NS_NETWORK "' host='beta.test'/>"
                                      "</message>",
                             users[i]));
        sent = kit_drain(&k->link.out);
        EXPECT_IN(sent, text("to='USER@prime.test/z'", users[i])); /* to who has those here */
        assert_null(strstr(sent, "<envelope"));
        assert_null(strstr(sent, "<via"));
        EXPECT_NOT_ASKED(k, "beta.test");
    }
    kit_link_say(k, text("<message xmlns='" NS_COMPONENT "' from='x@far.example/r'"
                         " to='USER@prime.test/z' id='1'><body>1</body></message>",
                         "romeo"));
    EXPECT_LINK(k, "<service-unavailable");
    net_free(k);
}

/* <via/> is between servers. */
static void test_via_is_not_delivered(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");
    struct kit_client *bob = net_come(k, "bob", "net.test", "r");
    const char *heard;

    (void)state;
    kit_link_say(k, text(FROM_FAR "<body>1</body><via xmlns='" NS_NETWORK "' host='beta.test'/>"
                                  "</message>",
                         "alice"));
    heard = kit_heard(alice);
    EXPECT_IN(heard, "<body>1</body>");
    assert_null(strstr(heard, "<via"));
    net_learn(k, "romeo", "beta.test");
    kit_link_say(k,
                 "<message xmlns='" NS_COMPONENT "' from='romeo@beta.test/r' to='alice@prime.test'>"
                 "<body>3</body><stanza-id xmlns='urn:xmpp:sid:0' by='alice@beta.test' id='7'/>"
                 "<stanza-id xmlns='urn:xmpp:sid:0' by='alice@far.test' id='8'/></message>");
    heard = kit_heard(alice);
    EXPECT_IN(heard, "<body>3</body>");
    EXPECT_IN(heard, "id='8'");
    assert_null(strstr(heard, "id='7'"));
    kit_say(k, alice,
            "<message to='bob@net.test'><body>2</body>"
            "<via xmlns='" NS_NETWORK "' host='beta.test'/></message>");
    heard = kit_heard(bob);
    EXPECT_IN(heard, "<body>2</body>");
    assert_null(strstr(heard, "<via"));
    kit_close(k, alice);
    kit_close(k, bob);
    net_free(k);
}

/* The router knows no way to that server: its sender hears so. */
static void test_envelope_comes_back(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *sent;

    (void)state;
    kit_parse(k, NS_COMPONENT,
              "<envelope xmlns='" NS_ROUTER "' type='error' from='gamma.test'"
              " to='c2s-1.prime.test'><message xmlns='jabber:client' from='x@far.example/r'"
              " to='romeo@net.test' id='7'><body>1</body></message></envelope>");
    sm_link_events.on_envelope(k->sm, &k->stanza);
    sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, "to='x@far.example/r'");
    EXPECT_IN(sent, "from='romeo@net.test'");
    EXPECT_IN(sent, "id='7'");
    EXPECT_IN(sent, "<remote-server-timeout");
    net_free(k);
}

/* One of ours, at another instance, whose words come by the router. */
static void test_from_another_instance(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *sent;

    (void)state;
    net_learn(k, "romeo", "beta.test");
    kit_link_say(k, "<message xmlns='" NS_COMPONENT "' from='alice@net.test/r' to='romeo@net.test'>"
                    "<body>1</body></message>");
    sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, "<message");
    EXPECT_IN(sent, "to='romeo@beta.test'");
    assert_null(strstr(sent, "<envelope"));
    net_free(k);
}

/* --- presence --------------------------------------------------------------------------------- */

static void subscribe(struct kit *k, const char *user)
{
    kit_sql(k,
            text("INSERT INTO roster (account, jid, subscription, ask) SELECT id, 'USER@net.test',"
                 " 3, 0 FROM account WHERE name = ?1",
                 user),
            "alice");
}

static void test_presence(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "beta.test", "gamma.test", 0);
    const char *ghost = net_user(k, "beta.test", "gamma.test", 1);
    struct kit_client *alice;
    const char *sent;

    (void)state;
    net_learn(k, "romeo", "beta.test");
    subscribe(k, "romeo");
    subscribe(k, user);
    subscribe(k, ghost);
    alice = kit_open(k, "alice", "net.test", "r");
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(k);
    kit_input(k, alice, "<presence><status>here</status></presence>");
    kit_settle(k);
    assert_non_null(strstr(buf_z(&k->link.out), "to='romeo@beta.test' from='alice@net.test/r'"));
    assert_null(strstr(buf_z(&k->link.out), text("<presence to='USER@", user)));
    const char *id = net_asked(k, "beta.test", text("'USER'", user));
    assert_true(id[0]);
    net_reply(k, "result", id, "beta.test", net_home(user, "beta.test", STAMP, true));
    id = net_asked(k, "beta.test", text("'USER'", ghost));
    assert_true(id[0]);
    net_reply(k, "result", id, "beta.test", net_home(ghost, NULL, 0, true));
    kit_settle(k);
    sent = kit_drain(&k->link.out);
    assert_int_equal(count_of(sent, text("to='USER@beta.test'", user)), 2); /* and the probe */
    assert_int_equal(count_of(sent, "to='romeo@beta.test'"), 2);
    assert_int_equal(count_of(sent, "<status>here</status>"), 2);
    assert_null(strstr(sent, text("<presence to='USER@", ghost)));
    kit_close(k, alice);
    sent = kit_drain(&k->link.out);
    assert_int_equal(count_of(sent, "type='unavailable'"), 2);
    net_free(k);
}

/* One notice for several: each has its own address, and those that wait have it still. */
static void test_directed(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "beta.test", "gamma.test", 0);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");
    const char *sent;

    (void)state;
    net_learn(k, "romeo", "beta.test");
    net_learn(k, "juliet", "gamma.test");
    sm_presence_remember_directed(alice->session, SPAN("romeo@net.test/a"));
    sm_presence_remember_directed(alice->session, SPAN("juliet@net.test/b"));
    sm_presence_remember_directed(alice->session, span_of(text("USER@net.test/c", user)));
    kit_say(k, alice, "<presence type='unavailable'/>");
    net_answer(k, "beta.test", net_home(user, "beta.test", STAMP, true));
    kit_settle(k);
    sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, "to='romeo@beta.test/a'");
    EXPECT_IN(sent, "to='juliet@gamma.test/b'");
    EXPECT_IN(sent, text("to='USER@beta.test/c'", user));
    assert_true(span_is_none(k->sm->notice.to));
    kit_close(k, alice);
    net_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_home),
        cmocka_unit_test(test_here),
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_none_overtakes),
        cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_nobody_answers),
        cmocka_unit_test(test_session_ends_meanwhile),
        cmocka_unit_test(test_too_much_waits),
        cmocka_unit_test(test_end_while_waiting),
        cmocka_unit_test(test_owner_changes),
        cmocka_unit_test(test_by_host),
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_passed_on),
        cmocka_unit_test(test_not_passed_on_again),
        cmocka_unit_test(test_via_is_not_delivered),
        cmocka_unit_test(test_envelope_comes_back),
        cmocka_unit_test(test_from_another_instance),
        cmocka_unit_test(test_directed),
        cmocka_unit_test(test_presence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
