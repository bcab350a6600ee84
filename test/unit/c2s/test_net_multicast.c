/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_net_multicast - one message to many users of a network: each of its servers gets one copy,
 * and gives it to its own users only.
 */
#include "net_kit.h"

#define NS "http://jabber.org/protocol/address"
#define LIST(items) "<addresses xmlns='" NS "'>" items "</addresses>"
#define TO(jid) "<address type='to' jid='" jid "'/>"
#define CC(jid) "<address type='cc' jid='" jid "'/>"
#define BCC(jid) "<address type='bcc' jid='" jid "'/>"
#define GOT(type, jid) "<address type='" type "' jid='" jid "' delivered='true'/>"
#define BODY "<body>hi</body>"
#define SAY(id, list) "<message to='multicast@prime.test' id='" id "'>" LIST(list) BODY "</message>"

static struct kit_client *come(struct kit *k, const char *user)
{
    char bare[64];
    struct kit_client *c = kit_open(k, user, "prime.test", "r");
    snprintf(bare, sizeof(bare), "%s@prime.test", user);
    if (!c->session)
        sm_link_events.on_claim(k->sm, span_of(bare), SPAN_NONE);
    kit_settle(k);
    assert_non_null(c->session);
    kit_say(k, c, "<presence/>");
    kit_heard(c);
    buf_clear(&k->link.out);
    return c;
}

static struct kit *begin(void)
{
    struct sm_opts opts = net_opts(NULL);
    opts.max_addresses = 20;
    return net_new(NET_TABLE, &opts);
}

static size_t count(const char *heard, const char *text)
{
    size_t n = 0;
    for (; (heard = strstr(heard, text)) != NULL; heard++)
        n++;
    return n;
}

static const char *link_heard(struct kit *k)
{
    return kit_drain(&k->link.out);
}

/* Ten people of three servers: two copies leave. */
static void test_one_copy_for_each_server(void **state)
{
    struct kit *k = begin();
    struct kit_client *alice = come(k, "alice"), *bob = come(k, "bob");
    (void)state;
    net_learn(k, "b1", "beta.test");
    net_learn(k, "b2", "beta.test");
    net_learn(k, "b3", "beta.test");
    net_learn(k, "g1", "gamma.test");
    net_learn(k, "g2", "gamma.test");
    kit_say(k, alice, SAY("m", TO("b1@net.test") TO("b2@net.test/r") CC("b3@beta.test")
                          TO("b4@beta.test") TO("bob@net.test") TO("g1@net.test")
                          TO("g2@gamma.test") CC("g3@gamma.test") BCC("g4@gamma.test")
                          TO("bob@prime.test")));
    const char *out = link_heard(k);
    assert_int_equal(count(out, "<message "), 2);
    assert_null(strstr(out, "<iq "));
    EXPECT_IN(out, "<message to='beta.test' from='alice@prime.test/r' id='m'>" LIST(
                       TO("b1@beta.test") TO("b2@beta.test/r") CC("b3@beta.test")
                       TO("b4@beta.test") GOT("to", "bob@net.test") GOT("to", "g1@net.test")
                       GOT("to", "g2@gamma.test") GOT("cc", "g3@gamma.test")
                       GOT("to", "bob@prime.test")) BODY "</message>");
    EXPECT_IN(out, "<message to='gamma.test' from='alice@prime.test/r' id='m'>" LIST(
                       GOT("to", "b1@net.test") GOT("to", "b2@net.test/r")
                       GOT("cc", "b3@beta.test") GOT("to", "b4@beta.test")
                       GOT("to", "bob@net.test") TO("g1@gamma.test") TO("g2@gamma.test")
                       CC("g3@gamma.test") GOT("to", "bob@prime.test") BCC("g4@gamma.test"))
                       BODY "</message>");
    assert_int_equal(count(kit_heard(bob), BODY), 2);
    /* of one only: the message itself */
    kit_say(k, alice, SAY("n", TO("b1@net.test") TO("bob@prime.test")));
    EXPECT_LINK(k, "<message to='b1@beta.test' from='alice@prime.test/r' id='n'>");
    assert_int_equal(alice->unsafe_count, 0);
    kit_close(k, alice);
    kit_close(k, bob);
    net_free(k);
}

/* Who is not known is looked up first, and the next message does not overtake this one. */
static void test_waits_for_homes(void **state)
{
    struct kit *k = begin();
    struct kit_client *alice = come(k, "alice");
    const char *u = net_user(k, "beta.test", "gamma.test", 0);
    struct buf xml = {0};
    (void)state;
    net_learn(k, "g1", "gamma.test");
    net_learn(k, "g2", "gamma.test");
    buf_printf(&xml, "<message to='prime.test' id='1'><addresses xmlns='" NS "'>" TO("%s@net.test")
                     TO("g1@net.test") TO("g2@net.test") "</addresses>" BODY "</message>", u);
    kit_input(k, alice, buf_z(&xml));
    kit_input(k, alice, SAY("2", TO("g1@net.test") TO("g2@net.test")));
    kit_settle(k);
    assert_int_equal(alice->done_count, 1); /* of her presence */
    assert_null(strstr(buf_z(&k->link.out), "<message "));
    net_answer(k, "beta.test", net_home(u, "beta.test", 1, false));
    const char *out = link_heard(k);
    assert_int_equal(count(out, "<message "), 3);
    const char *first = strstr(out, "id='1'"), *second = strstr(out, "id='2'");
    assert_non_null(first);
    assert_non_null(second);
    assert_true(first < second);
    assert_int_equal(alice->done_count, 3);
    assert_int_equal(alice->unsafe_count, 0);
    buf_free(&xml);
    kit_close(k, alice);
    net_free(k);
}

/* The others do not wait long. */
static void test_does_not_wait_long(void **state)
{
    struct kit *k = begin();
    struct kit_client *alice = come(k, "alice");
    const char *u = net_user(k, "beta.test", "gamma.test", 0);
    struct buf xml = {0};
    (void)state;
    net_learn(k, "g1", "gamma.test");
    net_learn(k, "g2", "gamma.test");
    buf_printf(&xml, "<message to='prime.test' id='1'><addresses xmlns='" NS "'>" TO("%s@net.test")
                     TO("g1@net.test") TO("g2@net.test") "</addresses>" BODY "</message>", u);
    kit_input(k, alice, buf_z(&xml));
    loop_sim_advance(k->loop, 1900);
    assert_int_equal(count(link_heard(k), "<message "), 0);
    loop_sim_advance(k->loop, 200);
    const char *out = link_heard(k);
    assert_int_equal(count(out, "<message "), 1);
    EXPECT_IN(out, "<message to='gamma.test' from='alice@prime.test/r' id='1'>");
    EXPECT_IN(out, TO("g1@gamma.test") TO("g2@gamma.test"));
    assert_int_equal(alice->done_count, 1);
    /* nobody answers for the other one */
    loop_sim_advance(k->loop, 60 * 1000);
    EXPECT(alice, "remote-server-timeout");
    assert_int_equal(alice->done_count, 2);
    assert_int_equal(alice->unsafe_count, 0);
    buf_free(&xml);
    kit_close(k, alice);
    net_free(k);
}

/* Its sender may leave meanwhile, and the server may stop. */
static void test_ends(void **state)
{
    struct kit *k = begin();
    struct kit_client *alice = come(k, "alice"), *bob = come(k, "bob");
    (void)state;
    kit_input(k, alice, SAY("1", TO("nobody@net.test") TO("bob@prime.test")));
    sm_close(alice->session);
    alice->session = NULL;
    loop_sim_advance(k->loop, 2100);
    EXPECT(bob, BODY);
    kit_input(k, bob, SAY("2", TO("none@net.test") TO("bob@prime.test")));
    sm_free(&k->sm);
    assert_int_equal(bob->unsafe_count, 1);
    kit_close(k, alice);
    bob->session = NULL;
    kit_close(k, bob);
    net_free(k);
}

/* Another instance has the sender now: what waits goes there, as he has said it. */
static void test_owner_changes(void **state)
{
    struct kit *k = begin();
    struct kit_client *alice = come(k, "alice");
    const char *u = net_user(k, "beta.test", "gamma.test", 0);
    struct buf xml = {0};
    (void)state;
    buf_printf(&xml, "<message to='prime.test' id='1'><addresses xmlns='" NS "'>" TO("%s@net.test")
                     TO("g1@gamma.test") "</addresses>" BODY "</message>", u);
    kit_input(k, alice, buf_z(&xml));
    kit_settle(k);
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    kit_settle(k);
    const char *id = strstr(buf_z(&k->link.out), "<f:open ");
    assert_non_null(id);
    id = strstr(id, " id='") + 5;
    buf_clear(&xml);
    buf_printf(&xml,
               "<envelope xmlns='" NS_ROUTER "' from='c2s-2.prime.test' to='c2s-1.prime.test'>"
               "<opened xmlns='" NS_FRONT "' id='%.16s'"
               " jid='alice@prime.test/r'/></envelope>", id);
    net_answer(k, "beta.test", net_home(u, "beta.test", 1, true));
    loop_sim_advance(k->loop, 3000);
    assert_int_equal(count(link_heard(k), BODY), 0);
    kit_parse(k, NS_COMPONENT, buf_z(&xml));
    sm_link_events.on_envelope(k->sm, &k->stanza);
    kit_settle(k);
    const char *out = link_heard(k);
    assert_int_equal(count(out, BODY), 1);
    EXPECT_IN(out, "<f:input ");
    EXPECT_IN(out, "<message to='prime.test' id='1'>");
    buf_free(&xml);
    kit_close(k, alice);
    net_free(k);
}

/* A member's copy is for users here, by this host's name for them. */
static void test_copies_of_members(void **state)
{
    static const char *const bad[] = {
        TO("bob@prime.test") TO("g1@gamma.test"),
        TO("bob@prime.test") TO("g1@net.test"),
        TO("bob@net.test"),
        TO("multicast@prime.test"),
    };
    struct kit *k = begin();
    struct kit_client *bob = come(k, "bob");
    (void)state;
    net_learn(k, "g1", "gamma.test");
    net_learn(k, "dave", "beta.test");
    kit_link_say(k, "<message from='dave@beta.test/r' to='prime.test' id='m'>" LIST(
                        GOT("to", "g1@net.test") TO("bob@prime.test")) BODY "</message>");
    EXPECT(bob, "<message to='bob@prime.test' from='dave@beta.test/r' id='m'>");
    assert_int_equal(buf_len(&k->link.out), 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct buf xml = {0};
        buf_printf(&xml, "<message from='dave@beta.test/r' to='prime.test' id='m'>"
                         "<addresses xmlns='" NS "'>%s</addresses>" BODY "</message>", bad[i]);
        kit_link_say(k, buf_z(&xml));
        buf_free(&xml);
        const char *out = link_heard(k);
        EXPECT_IN(out, "forbidden");
        assert_int_equal(count(out, "<message "), 1);
        EXPECT_NOTHING(bob);
    }
    kit_close(k, bob);
    net_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_copy_for_each_server),
        cmocka_unit_test(test_waits_for_homes),
        cmocka_unit_test(test_does_not_wait_long),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_owner_changes),
        cmocka_unit_test(test_copies_of_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
