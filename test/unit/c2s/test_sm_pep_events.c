/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who is told what an account publishes, and when: by capabilities, by subscription, on coming.
 */
#include "sm_pep.h"
#include "sm_two.h"

/* Features: disco#info and "n+notify" of a client/pc named T. */
#define CAPS_N                                                                                     \
    "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='x' "                            \
    "ver='umWUyCQekcDAAfGil8vi41WZD6o='/>"
#define INFO_N                                                                                     \
    "<query xmlns='http://jabber.org/protocol/disco#info'>"                                        \
    "<identity category='client' type='pc' name='T'/>"                                             \
    "<feature var='http://jabber.org/protocol/disco#info'/><feature var='n+notify'/></query>"

/* Says that it is available with the capabilities n+notify, and answers what it is asked. */
static void come(struct kit *k, struct kit_client *c)
{
    const char *heard, *id;
    char xml[1024];

    kit_say(k, c, "<presence>" CAPS_N "</presence>");
    heard = kit_heard(c);
    id = strstr(heard, "id='caps-");
    if (!id)
        return;
    snprintf(xml, sizeof(xml), "<iq type='result' to='%.*s@prime.test' id='%.*s'>" INFO_N "</iq>",
             (int)strcspn(c->jid, "@"), c->jid, (int)strcspn(id + 4, "'"), id + 4);
    kit_say(k, c, xml);
}

#define EVENT_OF_ALICE "<message to='bob@prime.test/y' from='alice@prime.test' id='"

static void who_is_interested_is_told(void **state)
{
    struct kit *k = with_contacts();
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *b = kit_open(k, "bob", "prime.test", "y");
    struct kit_client *e = kit_open(k, "eve", "prime.test", "z");
    const char *heard;
    (void)state;

    come(k, a), come(k, b), come(k, e);
    kit_heard(a), kit_heard(b), kit_heard(e);
    kit_say(k, a, IQ("set", "", PUBSUB(PUBLISH("n", "1", E("one")))));
    EXPECT(a, "<message to='alice@prime.test/x' from='alice@prime.test' id='");
    heard = kit_heard(b);
    EXPECT_IN(heard, EVENT_OF_ALICE);
    EXPECT_IN(heard, "<event xmlns='" PS "#event'><items node='n'><item id='1'>"
                     "<e xmlns='urn:e'>one</e></item></items></event></message>");
    EXPECT_NOTHING(e);
    /* nobody asked for m */
    kit_say(k, a, IQ("set", "", PUBSUB(PUBLISH("m", "1", E("")))));
    EXPECT_NOTHING(b);
    kit_heard(a);
    kit_say(k, a, IQ("set", "", PUBSUB("<retract node='n' notify='1'><item id='1'/></retract>")));
    EXPECT(b, "<items node='n'><retract id='1'/></items>");
    kit_say(k, a, IQ("set", "", OWNER("<purge node='n'/>")));
    EXPECT(b, "<purge node='n'/>");
    kit_say(k, a, IQ("set", "", OWNER("<delete node='n'/>")));
    EXPECT(b, "<delete node='n'/>");
    kit_heard(a);
    /* of a whitelist, only its members */
    kit_say(k, a, IQ("set", "", PUBSUB(PUBLISH("n", "1", E("")) OPTIONS(FIELD("access_model",
        "whitelist")))));
    EXPECT(a, "<items node='n'>");
    EXPECT_NOTHING(b);
    /* blocked */
    kit_say(k, a, IQ("set", "", OWNER("<configure node='n'>" FORM("node_config",
        FIELD("access_model", "open")) "</configure>")));
    kit_say(k, a, IQ("set", "", "<block xmlns='urn:xmpp:blocking'><item jid='bob@prime.test'/>"
                                "</block>"));
    kit_heard(b);
    kit_say(k, a, IQ("set", "", PUBSUB(PUBLISH("n", "1", E("")))));
    EXPECT_NOTHING(b);
    kit_say(k, a, IQ("set", "", "<unblock xmlns='urn:xmpp:blocking'/>"));
    kit_say(k, a, IQ("set", "", PUBSUB(PUBLISH("n", "1", E("")))));
    EXPECT(b, "<items node='n'>");
    /* gone */
    kit_say(k, b, "<presence type='unavailable'/>");
    kit_heard(b);
    kit_say(k, a, IQ("set", "", PUBSUB(PUBLISH("n", "1", E("")))));
    EXPECT_NOTHING(b);
    kit_close(k, a), kit_close(k, b), kit_close(k, e);
    kit_free(k);
}

static void a_newcomer_is_sent_the_last_items(void **state)
{
    struct kit *k = with_contacts();
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *b, *e, *a2;
    const char *heard;
    (void)state;

    kit_say(k, a, IQ("set", "", PUBSUB(PUBLISH("n", "1", E("one")))));
    kit_say(k, a, IQ("set", "", PUBSUB(PUBLISH("m", "1", E("")))));
    b = kit_open(k, "bob", "prime.test", "y");
    come(k, b);
    heard = kit_heard(b);
    EXPECT_IN(heard, EVENT_OF_ALICE);
    EXPECT_IN(heard, "<item id='1'><e xmlns='urn:e'>one</e></item></items></event>"
                     "<delay xmlns='urn:xmpp:delay' from='alice@prime.test' stamp='2026-");
    assert_null(strstr(heard, "node='m'"));
    /* once only */
    kit_say(k, b, "<presence><show>away</show>" CAPS_N "</presence>");
    assert_null(strstr(kit_heard(b), "<event"));
    e = kit_open(k, "eve", "prime.test", "z");
    kit_say(k, e, "<presence>" CAPS_N "</presence>");
    assert_null(strstr(kit_heard(e), "<event"));
    a2 = kit_open(k, "alice", "prime.test", "x2");
    kit_say(k, a2, "<presence>" CAPS_N "</presence>");
    EXPECT(a2, "<items node='n'>");
    kit_close(k, a), kit_close(k, b), kit_close(k, e), kit_close(k, a2);
    kit_free(k);
}

/* A contact elsewhere, whose presence comes by the link. */
static void contacts_elsewhere_are_told(void **state)
{
    struct kit *k = with_contacts();
    struct kit_client *a;
    const char *out, *id;
    char xml[1024];
    (void)state;

    kit_link_up(k);
    a = kit_client_new();
    sm_open(k->sm, &a->c, SPAN("alice"), SPAN("prime.test"), SPAN("x"));
    kit_settle(k);
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(k);
    kit_say(k, a, "<presence/>");
    kit_say(k, a, IQ("set", "", PUBSUB(PUBLISH("n", "1", E("one")))));
    kit_heard(a), kit_drain(&k->link.out);
    kit_link_say(k, "<presence from='r@far.test/y' to='alice@prime.test'>" CAPS_N "</presence>");
    out = kit_drain(&k->link.out);
    EXPECT_IN(out, "<iq to='r@far.test/y' from='alice@prime.test' id='caps-");
    id = strstr(out, "id='caps-");
    /* another may not answer for it */
    snprintf(xml, sizeof(xml), "<iq type='result' from='mallory@far.test/y' to='alice@prime.test'"
             " id='%.*s'>" INFO_N "</iq>", (int)strcspn(id + 4, "'"), id + 4);
    kit_link_say(k, xml);
    assert_string_equal(kit_drain(&k->link.out), "");
    memcpy(strstr(xml, "mallory@far.test/y'"), "r@far.test/y'      ", 19);
    kit_link_say(k, xml);
    EXPECT_LINK(k, "<message to='r@far.test/y' from='alice@prime.test' id='");
    /* the second time nobody is asked */
    kit_link_say(k, "<presence from='r@far.test/z' to='alice@prime.test'>" CAPS_N "</presence>");
    out = kit_drain(&k->link.out);
    assert_null(strstr(out, "<iq"));
    EXPECT_IN(out, "<message to='r@far.test/z'");
    kit_link_say(k, "<presence from='r@far.test/y' to='alice@prime.test' type='unavailable'/>");
    kit_say(k, a, IQ("set", "", PUBSUB(PUBLISH("n", "2", E("two")))));
    out = kit_drain(&k->link.out);
    assert_null(strstr(out, "to='r@far.test/y'"));
    EXPECT_IN(out, "<message to='r@far.test/z'");
    /* a stranger's presence makes no difference */
    kit_link_say(k, "<presence from='s@far.test/y' to='alice@prime.test'>" CAPS_N "</presence>");
    assert_string_equal(kit_drain(&k->link.out), "");
    kit_say(k, a, IQ("set", "", OWNER("<configure node='n'>" FORM("node_config",
        FIELD("access_model", "open")) "</configure>")));
    kit_say(k, a, IQ("set", "", PUBSUB(PUBLISH("n", "3", E("three")))));
    out = kit_drain(&k->link.out);
    assert_null(strstr(out, "s@far.test"));
    EXPECT_IN(out, "<message to='r@far.test/z'");
    /* nor does a contact's, where he may not read */
    kit_say(k, a, IQ("set", "", OWNER("<configure node='n'>" FORM("node_config",
        FIELD("access_model", "whitelist")) "</configure>")));
    kit_say(k, a, IQ("set", "", PUBSUB(PUBLISH("n", "4", E("four")))));
    assert_string_equal(kit_drain(&k->link.out), "");
    kit_close(k, a);
    sm_set_link(k->sm, NULL);
    kit_free(k);
}

/* The account's user is not there: his contact is sent the last item all the same. */
static void an_absent_account_speaks(void **state)
{
    struct kit *k = with_contacts();
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    const char *out, *id;
    char xml[1024];
    (void)state;

    kit_say(k, a, IQ("set", "", PUBSUB(PUBLISH("n", "1", E("one")))));
    kit_close(k, a);
    kit_link_up(k);
    kit_link_say(k, "<presence from='r@far.test/y' to='alice@prime.test'>" CAPS_N "</presence>");
    out = kit_drain(&k->link.out);
    EXPECT_IN(out, "<iq to='r@far.test/y' from='alice@prime.test' id='caps-");
    id = strstr(out, "id='caps-");
    snprintf(xml, sizeof(xml), "<iq type='result' from='r@far.test/y' to='alice@prime.test'"
             " id='%.*s'>" INFO_N "</iq>", (int)strcspn(id + 4, "'"), id + 4);
    kit_link_say(k, xml);
    EXPECT_LINK(k, "<message to='r@far.test/y' from='alice@prime.test' id='");
    kit_link_say(k, "<presence from='s@far.test/y' to='alice@prime.test'>" CAPS_N "</presence>");
    assert_string_equal(kit_drain(&k->link.out), "");
    sm_set_link(k->sm, NULL);
    kit_free(k);
}

/* One of our users is in a roster by one of his names, and comes by the other. */
static void a_contact_has_two_names(void **state)
{
    struct kit *k = with_contacts();
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    (void)state;

    kit_sql(k, "INSERT INTO roster (account, jid, subscription) SELECT id, 'eve@net.test', 3"
               " FROM account WHERE name = ?1", "alice");
    kit_say(k, a, IQ("set", "", PUBSUB(PUBLISH("n", "1", E("one")))));
    kit_close(k, a);
    kit_link_up(k);
    kit_link_say(k, "<presence from='eve@prime.test/y' to='alice@prime.test'>" CAPS_N
                    "</presence>");
    EXPECT_LINK(k, "<iq to='eve@prime.test/y' from='alice@prime.test' id='caps-");
    sm_set_link(k->sm, NULL);
    kit_free(k);
}

/* What others publish is not sent to whom the account has blocked, its user there or not. */
static void the_blocked_hear_nothing(void **state)
{
    struct kit *k = with_contacts();
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *b = kit_open(k, "bob", "prime.test", "y");
    struct kit_client *e = kit_open(k, "eve", "prime.test", "z");
    (void)state;

    kit_say(k, a, IQ("set", "", PUBSUB("<create node='all'/><configure>" FORM("node_config",
        FIELD("access_model", "open") FIELD("publish_model", "open")) "</configure>")));
    kit_say(k, b, IQ("set", TO_ALICE, PUBSUB("<subscribe node='all' jid='bob@prime.test'/>")));
    kit_say(k, e, IQ("set", TO_ALICE, PUBSUB("<subscribe node='all' jid='eve@prime.test'/>")));
    kit_say(k, b, "<presence/>"), kit_say(k, e, "<presence/>");
    kit_heard(b), kit_heard(e);
    for (int is_away = 0; is_away < 2; is_away++) {
        kit_say(k, b, IQ("set", TO_ALICE, PUBSUB(PUBLISH("all", "1", E("one")))));
        EXPECT(b, "<items node='all'><item id='1'");
        EXPECT(e, "<items node='all'><item id='1'");
        if (is_away)
            kit_sql(k, "INSERT INTO block (account, jid) SELECT id, 'eve@net.test' FROM account"
                       " WHERE name = ?1", "alice");
        else
            kit_say(k, a, "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'>"
                          "<item jid='eve@prime.test'/></block></iq>");
        kit_say(k, b, IQ("set", TO_ALICE, PUBSUB(PUBLISH("all", "2", E("two")))));
        EXPECT(b, "<items node='all'><item id='2'");
        EXPECT_NOTHING(e);
        if (is_away)
            break;
        kit_say(k, a, "<iq type='set' id='u'><unblock xmlns='urn:xmpp:blocking'/></iq>");
        kit_heard(e);
        kit_close(k, a);
    }
    kit_close(k, b), kit_close(k, e);
    kit_free(k);
}

static void subscribers_are_told(void **state)
{
    struct kit *k = with_contacts();
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *b = kit_open(k, "bob", "prime.test", "y");
    struct kit_client *e = kit_open(k, "eve", "prime.test", "z");
    const char *heard;
    (void)state;

    play(k, a, nodes, ARRAY_LEN(nodes));
    kit_say(k, b, "<presence/>"), kit_say(k, e, "<presence/>");
    kit_heard(b), kit_heard(e);
    kit_say(k, e, IQ("set", TO_ALICE, PUBSUB("<subscribe node='presence' jid='eve@prime.test'/>")));
    EXPECT(e, "<presence-subscription-required");
    kit_say(k, e, IQ("set", TO_ALICE, PUBSUB("<subscribe node='open' jid='eve@prime.test'/>")));
    heard = kit_heard(e);
    EXPECT_IN(heard, "<subscription node='open' jid='eve@prime.test' subscription='subscribed'/>");
    EXPECT_IN(heard, "<items node='open'><item id='1'>");
    kit_say(k, a, IQ("set", "", PUBSUB(PUBLISH("open", "2", E("")))));
    EXPECT(e, "<items node='open'><item id='2'>");
    /* options */
    kit_say(k, e, IQ("get", TO_ALICE, PUBSUB("<options node='open' jid='eve@prime.test'/>")));
    EXPECT(e, "var='pubsub#deliver'");
    kit_say(k, e, IQ("set", TO_ALICE, PUBSUB("<options node='open' jid='eve@prime.test'>"
        FORM("subscribe_options", FIELD("deliver", "0")) "</options>")));
    EXPECT(e, "type='result'");
    kit_say(k, a, IQ("set", "", PUBSUB(PUBLISH("open", "3", E("")))));
    EXPECT_NOTHING(e);
    kit_say(k, e, IQ("set", TO_ALICE, PUBSUB("<unsubscribe node='open' jid='eve@prime.test'/>")));
    EXPECT(e, "subscription='none'");
    /* access that has ended ends the events */
    kit_say(k, b, IQ("set", TO_ALICE, PUBSUB("<subscribe node='presence' jid='bob@prime.test'/>")));
    kit_heard(b);
    kit_say(k, a, IQ("set", "", PUBSUB(PUBLISH("presence", "2", E("")))));
    EXPECT(b, "<items node='presence'>");
    kit_sql(k, "UPDATE roster SET subscription = 1 WHERE jid = ?1", "bob@prime.test");
    kit_say(k, a, IQ("set", "", PUBSUB(PUBLISH("presence", "2", E("")))));
    EXPECT_NOTHING(b);
    kit_sql(k, "UPDATE roster SET subscription = 3 WHERE jid = ?1", "bob@prime.test");
    kit_say(k, a, IQ("set", "", PUBSUB(PUBLISH("presence", "2", E("")))));
    EXPECT(b, "<items node='presence'>");
    kit_say(k, a, IQ("set", "", OWNER("<configure node='presence'>" FORM("node_config",
        FIELD("access_model", "whitelist")) "</configure>")));
    kit_say(k, a, IQ("set", "", PUBSUB(PUBLISH("presence", "3", E("")))));
    EXPECT_NOTHING(b);
    kit_close(k, a), kit_close(k, b), kit_close(k, e);
    kit_free(k);
}

/* The session goes on under another owner, who asks what it wants, and sends nothing again. */
static void interest_moves_with_the_session(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = kit_open(t.front, "alice", "net.test", "far");
    const char *heard, *id;
    char xml[1024];
    (void)state;

    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(t.front);
    come(t.front, far);
    kit_say(t.owner, own, IQ("set", "", PUBSUB(PUBLISH("n", "1", E("one")))));
    kit_heard(far);
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    pump(&t);
    heard = kit_heard(far);
    EXPECT_IN(heard, "from='alice@net.test' id='caps-");
    id = strstr(heard, "id='caps-");
    snprintf(xml, sizeof(xml), "<iq type='result' to='alice@net.test' id='%.*s'>" INFO_N "</iq>",
             (int)strcspn(id + 4, "'"), id + 4);
    say(&t, far, xml);
    EXPECT_NOTHING(far);
    kit_say(t.owner, own, IQ("set", "", PUBSUB(PUBLISH("n", "2", E("two")))));
    pump(&t);
    EXPECT(far, "<items node='n'><item id='2'>");
    kit_close(t.front, far), kit_close(t.owner, own);
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_interested_is_told),
        cmocka_unit_test(a_newcomer_is_sent_the_last_items),
        cmocka_unit_test(contacts_elsewhere_are_told),
        cmocka_unit_test(an_absent_account_speaks),
        cmocka_unit_test(a_contact_has_two_names),
        cmocka_unit_test(the_blocked_hear_nothing),
        cmocka_unit_test(subscribers_are_told),
        cmocka_unit_test(interest_moves_with_the_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
