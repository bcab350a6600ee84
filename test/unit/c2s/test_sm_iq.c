/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the server answers by itself: disco, ping, version, time.
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
    EXPECT(a, "<query xmlns='http://jabber.org/protocol/disco#items'>"
              "<item jid='multicast@prime.test'/></query>");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(answers_are_not_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
