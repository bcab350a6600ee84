/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the server answers by itself: disco, ping, version, time; and rosters.
 */
#include "sm_kit.h"

#define ASK(type, to, payload) "<iq type='" type "' id='q'" to ">" payload "</iq>"
#define HOST " to='prime.test'"
#define ROSTER(inside) "<query xmlns='jabber:iq:roster'>" inside "</query>"

struct row {
    const char *xml, *answer;
};

static const struct row rows[] = {
    {ASK("get", HOST, "<ping xmlns='urn:xmpp:ping'/>"),
     "<iq type='result' id='q' from='prime.test' to='alice@prime.test/x'/>"},
    {ASK("get", " to='c2s-1.prime.test'", "<ping xmlns='urn:xmpp:ping'/>"), "type='result'"},
    {ASK("get", " to='prime.test/c2s-1'", "<ping xmlns='urn:xmpp:ping'/>"), "type='result'"},
    {ASK("get", " to='alice@net.test'", "<ping xmlns='urn:xmpp:ping'/>"), "type='result'"},
    {ASK("set", HOST, "<ping xmlns='urn:xmpp:ping'/>"), "<not-allowed"},
    {ASK("get", HOST, "<query xmlns='jabber:iq:version'/>"),
     "<name>Kontalk</name><version>1.2.3</version>"},
    {ASK("get", HOST, "<time xmlns='urn:xmpp:time'/>"),
     "<tzo>+00:00</tzo><utc>2026-01-01T00:"},
    {ASK("get", HOST, "<query xmlns='unheard:of'/>"), "<service-unavailable"},
    {ASK("get", HOST, "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
     "<query xmlns='http://jabber.org/protocol/disco#info'>"
     "<identity category='server' type='im' name='Kontalk'/>"
     "<feature var='http://jabber.org/protocol/disco#info'/>"
     "<feature var='http://jabber.org/protocol/disco#items'/>"
     "<feature var='urn:xmpp:ping'/><feature var='jabber:iq:version'/>"
     "<feature var='urn:xmpp:time'/>"},
    {ASK("get", HOST, "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
     "<feature var='msgoffline'/>"},
    {ASK("get", "", "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
     "<identity category='account' type='registered'/>"},
    {ASK("get", HOST, "<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>"),
     "<item-not-found"},
    {ASK("get", HOST, "<query xmlns='http://jabber.org/protocol/disco#items'/>"),
     "<item jid='muc.prime.test'/></query></iq>"},
    {ASK("get", "", "<query xmlns='http://jabber.org/protocol/disco#items'/>"),
     "<item jid='alice@prime.test/x'/></query></iq>"},
    {ASK("get", HOST, ROSTER("")), "<service-unavailable"},
    /* C25: the same of a user and of nobody; C03 */
    {ASK("get", " to='bob@prime.test'", "<ping xmlns='urn:xmpp:ping'/>"), "<service-unavailable"},
    {ASK("get", " to='zoe@prime.test'", "<ping xmlns='urn:xmpp:ping'/>"), "<service-unavailable"},
    {ASK("get", " to='bob@prime.test'", ROSTER("")), "<forbidden"},
    {ASK("get", " to='zoe@prime.test'", ROSTER("")), "<forbidden"},
    {ASK("set", " to='bob@prime.test'", ROSTER("<item jid='a@b'/>")), "<forbidden"},
    {ASK("set", " to='bob@prime.test/b'", ROSTER("<item jid='a@b'/>")), "<service-unavailable"},
    {ASK("set", " to='alice@prime.test/x'", ROSTER("<item jid='a@b'/>")), "<service-unavailable"},
};

static void answers(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *b = kit_open(k, "bob", "prime.test", "b");
    (void)state;

    sm_link_events.on_route(k->sm, SPAN("muc.prime.test"), true);
    sm_link_events.on_route(k->sm, SPAN("muc.prime.test"), true);
    sm_link_events.on_route(k->sm, SPAN("gone.prime.test"), true);
    sm_link_events.on_route(k->sm, SPAN("gone.prime.test"), false);
    sm_link_events.on_route(k->sm, SPAN("c2s-1.prime.test"), true);
    sm_link_events.on_route(k->sm, SPAN("fooprime.test"), true);
    kit_say(k, a, "<presence/>");
    kit_heard(a);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        kit_say(k, a, rows[i].xml);
        EXPECT(a, rows[i].answer);
        EXPECT_NOTHING(b);
    }
    /* another router may know others */
    kit_link_up(k);
    kit_link_down(k);
    kit_heard(a);
    kit_say(k, a, ASK("get", HOST, "<query xmlns='http://jabber.org/protocol/disco#items'/>"));
    EXPECT(a, "<query xmlns='http://jabber.org/protocol/disco#items'></query>");
    kit_close(k, b), kit_close(k, a);
    kit_free(k);
}

/* An answer that nobody has asked for meets silence. */
static void answers_are_not_answered(void **state)
{
    static const char *const to[] = {"", HOST, " to='bob@prime.test'", " to='zoe@prime.test/x'"};
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(to); i++) {
        char xml[128];
        snprintf(xml, sizeof(xml), "<iq type='result' id='1'%s/>", to[i]);
        kit_say(k, a, xml);
        snprintf(xml, sizeof(xml), "<iq type='error' id='1'%s/>", to[i]);
        kit_say(k, a, xml);
        EXPECT_NOTHING(a);
    }
    kit_close(k, a);
    kit_free(k);
}

/* --- rosters --- */

static void set(struct kit *k, struct kit_client *c, const char *item)
{
    char xml[8192];
    snprintf(xml, sizeof(xml), ASK("set", "", ROSTER("%s")), item);
    kit_say(k, c, xml);
}

static void items_are_kept_and_pushed(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    struct kit_client *b = kit_open(k, "alice", "prime.test", "b");
    (void)state;

    kit_say(k, a, ASK("get", "", ROSTER("")));
    EXPECT(a, "<iq type='result' id='q' to='alice@prime.test/a'>"
              "<query xmlns='jabber:iq:roster' ver='1-0'></query></iq>");
    set(k, b, "<item jid='Bob@prime.test/x' name='B&lt;b' subscription='both'>"
              "<group>G&amp;1</group><group>G2</group></item>");
    const char *heard = kit_heard(a);
    EXPECT_IN(heard, "<iq type='set' id='push-");
    EXPECT_IN(heard, "to='alice@prime.test/a'");
    EXPECT_IN(heard, "ver='1-1'><item jid='bob@prime.test' name='B&lt;b' subscription='none'>"
                     "<group>G&amp;1</group><group>G2</group></item></query></iq>");
    /* she has not asked for the roster: no push */
    assert_string_equal(kit_heard(b), "<iq type='result' id='q' to='alice@prime.test/b'/>");
    kit_say(k, b, ASK("get", "", ROSTER("")));
    EXPECT(b, "ver='1-1'><item jid='bob@prime.test' name='B&lt;b'");
    set(k, a, "<item jid='bob@prime.test' name='new'/>");
    EXPECT(b, "<item jid='bob@prime.test' name='new' subscription='none'></item>");
    kit_heard(a);
    set(k, a, "<item jid='bob@prime.test' subscription='remove'/>");
    EXPECT(b, "ver='1-3'><item jid='bob@prime.test' subscription='remove'/>");
    kit_heard(a);
    set(k, a, "<item jid='bob@prime.test' subscription='remove'/>");
    EXPECT(a, "<item-not-found");
    EXPECT_NOTHING(b);
    kit_close(k, b), kit_close(k, a);
    kit_free(k);
}

/* RFC 6121 2.6 */
static void a_known_version_is_answered_with_nothing(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    (void)state;

    set(k, a, "<item jid='bob@prime.test'/>");
    kit_heard(a);
    kit_say(k, a, ASK("get", "", "<query xmlns='jabber:iq:roster' ver='1-1'/>"));
    EXPECT(a, "<iq type='result' id='q' to='alice@prime.test/a'/>");
    kit_say(k, a, ASK("get", "", "<query xmlns='jabber:iq:roster' ver=''/>"));
    EXPECT(a, "<item jid='bob@prime.test'");
    kit_say(k, a, ASK("get", "", "<query xmlns='jabber:iq:roster' ver='1-0'/>"));
    EXPECT(a, "<item jid='bob@prime.test'");
    kit_close(k, a);
    kit_free(k);
}

/* C29 */
static void bad_items_are_refused(void **state)
{
    char name[1200], big_name[1300], big_group[1300];
    memset(name, 'n', sizeof(name));
    name[1024] = 0;
    snprintf(big_name, sizeof(big_name), "<item jid='a@b' name='%s'/>", name);
    snprintf(big_group, sizeof(big_group), "<item jid='a@b'><group>%s</group></item>", name);
    const struct row cases[] = {
        {"", "<bad-request"},
        {"<item jid='a@b'/><item jid='c@b'/>", "<bad-request"},
        {"<item/>", "<jid-malformed"},
        {"<item jid='@'/>", "<jid-malformed"},
        {"<item jid='a@b'><group/></item>", "<not-acceptable"},
        {"<item jid='a@b'><group>a&#10;b</group></item>", "<not-acceptable"},
        {"<item jid='a@b'><group>a</group><group>a</group></item>", "<bad-request"},
        {big_name, "<not-acceptable"},
        {big_group, "<not-acceptable"},
    };
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        set(k, a, cases[i].xml);
        EXPECT(a, cases[i].answer);
    }
    name[1023] = 0;
    snprintf(big_name, sizeof(big_name), "<item jid='a@b' name='%s'/>", name);
    set(k, a, big_name);
    EXPECT(a, "type='result'");
    kit_say(k, a, ASK("get", "", ROSTER("<item jid='a@b'/>")));
    EXPECT(a, "<bad-request");
    kit_close(k, a);
    kit_free(k);
}

static void a_roster_is_bounded(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    char xml[64];
    (void)state;

    for (int i = 0; i < 5; i++) {
        snprintf(xml, sizeof(xml), "<item jid='c%d@else'/>", i);
        set(k, a, xml);
        EXPECT(a, "type='result'");
    }
    set(k, a, "<item jid='c6@else'/>");
    EXPECT(a, "<resource-constraint");
    set(k, a, "<item jid='c1@else' name='changed'/>");
    EXPECT(a, "type='result'");
    kit_close(k, a);
    kit_free(k);
}

/* What a client makes us hold of its roster at one time: an item's texts, and how often it asks. */
static void a_roster_does_not_fill_the_memory(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    char group[1001], xml[5400];
    (void)state;

    memset(group, 'g', 1000);
    group[1000] = 0;
    snprintf(xml, sizeof(xml), "<item jid='c@else'><group>1%s</group><group>2%s</group>"
             "<group>3%s</group><group>4%s</group></item>", group, group, group, group);
    set(k, a, xml);
    EXPECT(a, "type='result'");
    snprintf(xml, sizeof(xml), "<item jid='c@else' name='%s'><group>1%s</group><group>2%s</group>"
             "<group>3%s</group><group>4%s</group></item>", group, group, group, group, group);
    set(k, a, xml);
    EXPECT(a, "<not-acceptable");
    for (int i = 0; i < 5; i++)
        kit_input(k, a, ASK("get", "", ROSTER("")));
    EXPECT(a, "<resource-constraint");
    kit_settle(k);
    assert_null(strstr(kit_heard(a), "type='error'"));
    kit_say(k, a, ASK("get", "", ROSTER("")));
    EXPECT(a, "jid='c@else'");
    kit_close(k, a);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(answers_are_not_answered),
        cmocka_unit_test(items_are_kept_and_pushed),
        cmocka_unit_test(a_known_version_is_answered_with_nothing),
        cmocka_unit_test(bad_items_are_refused),
        cmocka_unit_test(a_roster_is_bounded),
        cmocka_unit_test(a_roster_does_not_fill_the_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
