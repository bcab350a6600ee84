/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_net_warm - clients that know others by their servers see them so from the first time on; and
 * who is outside gets the answer of the name that he has used.
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

static void subscribe(struct kit *k, const char *owner, const char *user)
{
    kit_sql(k, text("INSERT INTO roster (account, jid, subscription, ask)"
                    " SELECT id, 'USER@net.test', 3, 0 FROM account WHERE name = ?1", user), owner);
}

/* --- clients that know others by their servers ------------------------------------------------ */

/* Such a one is shown its contacts at home from the first time on. */
static void test_roster_of_the_host(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "beta.test", "gamma.test", 0);
    struct kit_client *alice;
    const char *heard;

    (void)state;
    subscribe(k, "alice", user);
    alice = kit_open(k, "alice", "prime.test", "r"); /* presence would look them up, too */
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(k);
    kit_input(k, alice, "<iq type='get' id='r1'><query xmlns='" NS_ROSTER "'/></iq>");
    kit_settle(k);
    assert_null(strstr(kit_heard(alice), "id='r1'"));
    const char *id = net_asked(k, "beta.test", text("'USER'", user));
    assert_true(id[0]);
    net_reply(k, "result", id, "beta.test", net_home(user, "beta.test", STAMP, true));
    kit_settle(k);
    heard = kit_heard(alice);
    EXPECT_IN(heard, "id='r1'");
    EXPECT_IN(heard, text("jid='USER@beta.test'", user));

    /* One that is added, and one that is asked, too. */
    user = net_user(k, "beta.test", "gamma.test", 1);
    kit_input(k, alice, text("<iq type='set' id='r2'><query xmlns='" NS_ROSTER "'>"
                           "<item jid='USER@beta.test'/></query></iq>", user));
    kit_settle(k);
    id = net_asked(k, "beta.test", text("'USER'", user));
    assert_true(id[0]);
    net_reply(k, "result", id, "beta.test", net_home(user, "beta.test", STAMP, true));
    kit_settle(k);
    heard = kit_heard(alice);
    EXPECT_IN(heard, text("<item jid='USER@beta.test'", user));
    EXPECT_IN(heard, "id='r2'");
    user = net_user(k, "beta.test", "gamma.test", 2);
    kit_input(k, alice, text("<presence type='subscribe' to='USER@beta.test'/>", user));
    kit_settle(k);
    id = net_asked(k, "beta.test", text("'USER'", user));
    assert_true(id[0]);
    net_reply(k, "result", id, "beta.test", net_home(user, "beta.test", STAMP, true));
    kit_settle(k);
    EXPECT_IN(kit_heard(alice), text("<item jid='USER@beta.test'", user));
    kit_close(k, alice);
    net_free(k);
}

/* A client that goes while it waits; and the end while one waits. */
static void test_roster_of_who_goes(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "beta.test", "gamma.test", 0);
    struct kit_client *alice, *bob = kit_client_new();

    (void)state;
    subscribe(k, "alice", user);
    alice = kit_open(k, "alice", "prime.test", "r");
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(k);
    kit_input(k, alice, "<iq type='get' id='r1'><query xmlns='" NS_ROSTER "'/></iq>");
    kit_settle(k);
    sm_close(alice->session);
    alice->session = NULL;
    const char *id = net_asked(k, "beta.test", text("'USER'", user));
    assert_true(id[0]);
    net_reply(k, "result", id, "beta.test", net_home(user, "beta.test", STAMP, true));
    kit_settle(k);
    assert_int_equal(alice->done_count, 1);
    kit_close(k, alice);

    sm_home_forget(k->sm, span_of(user));
    subscribe(k, "bob", user);
    sm_open(k->sm, &bob->c, SPAN("bob"), SPAN("prime.test"), SPAN("r"));
    kit_settle(k);
    sm_link_events.on_claim(k->sm, SPAN("bob@prime.test"), SPAN_NONE);
    kit_settle(k);
    kit_input(k, bob, "<iq type='get' id='r1'><query xmlns='" NS_ROSTER "'/></iq>");
    kit_settle(k);
    sm_close(bob->session);
    bob->session = NULL;
    net_free(k);
    assert_int_equal(bob->done_count, 1);
    buf_free(&bob->out);
    free(bob);
}

/* --- several instances ------------------------------------------------------------------------ */

/* Who is outside gets the answer of whom he has asked, also when another instance owns that one. */
static void test_asked_by_the_networks_name(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *alice = net_come(k, "alice", "net.test", "r");
    const char *sent;

    (void)state;
    kit_account(k, "carol");
    kit_link_say(k, "<iq xmlns='" NS_COMPONENT "' type='get' id='1' from='juliet@far.test/x'"
                    " to='carol@net.test'><vCard xmlns='vcard-temp'/></iq>");
    kit_settle(k);
    sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, " to='carol@prime.test'");
    EXPECT_IN(sent, "<to xmlns='" NS_NETWORK "'/></iq>");
    kit_link_say(k, "<iq xmlns='" NS_COMPONENT "' type='get' id='2' from='juliet@far.test/x'"
                    " to='alice@prime.test'><vCard xmlns='vcard-temp'/><to xmlns='" NS_NETWORK
                    "'/></iq>");
    kit_settle(k);
    sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, " id='2'");
    EXPECT_IN(sent, " from='alice@net.test'");
    /* An instance that has it by mistake gives it to nobody again. */
    kit_link_say(k, "<iq xmlns='" NS_COMPONENT "' type='get' id='3' from='juliet@far.test/x'"
                    " to='carol@prime.test'><vCard xmlns='vcard-temp'/><to xmlns='" NS_NETWORK
                    "'/></iq>");
    kit_settle(k);
    sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, " from='carol@net.test'");
    assert_null(strstr(sent, "to='carol@"));
    /* Clients cannot say so, nor are they told. */
    kit_link_say(k, "<message xmlns='" NS_COMPONENT "' from='juliet@far.test/x'"
                    " to='alice@prime.test/r'><body>4</body><to xmlns='" NS_NETWORK
                    "'/></message>");
    kit_settle(k);
    assert_null(strstr(kit_heard(alice), NS_NETWORK));
    kit_close(k, alice);
    net_free(k);
}

/* While the contact is looked up a client's requests wait, but not without end. */
static void test_too_many_wait(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    const char *user = net_user(k, "beta.test", "gamma.test", 0);
    struct kit_client *alice = net_come(k, "alice", "prime.test", "r");
    const char *set = text("<iq type='set' id='set'><query xmlns='" NS_ROSTER "'>"
                           "<item jid='USER@net.test'/></query></iq>", user);
    int count = 0;

    (void)state;
    while (alice->session->unresolved_bytes <= SM_MAX_HELD_BYTES && count++ < 5000)
        kit_input(k, alice, set);
    kit_settle(k);
    assert_in_range(count, 2, 4999);
    assert_null(strstr(kit_heard(alice), "id='set'"));
    kit_input(k, alice, set);
    kit_settle(k);
    EXPECT_IN(kit_heard(alice), "id='set'");
    net_answer(k, "beta.test", net_home(user, "beta.test", STAMP, true));
    kit_settle(k);
    assert_int_equal(alice->session->unresolved_bytes, 0);
    assert_int_equal(k->sm->net->warm_bytes, 0);
    kit_close(k, alice);
    net_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roster_of_the_host),
        cmocka_unit_test(test_too_many_wait),
        cmocka_unit_test(test_roster_of_who_goes),
        cmocka_unit_test(test_asked_by_the_networks_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
