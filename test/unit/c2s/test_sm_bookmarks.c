/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One list of rooms, as items, as an element of private XML and as one item (XEP-0402, 0049, 0048,
 * 0411).
 */
#include "sm_kit.h"

#define PS "http://jabber.org/protocol/pubsub"
#define IQ(type, inside) "<iq type='" type "' id='q'>" inside "</iq>"
#define PUBSUB(type, inside) IQ(type, "<pubsub xmlns='" PS "'>" inside "</pubsub>")
#define PRIVATE(type, inside)                                                                      \
    IQ(type, "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'>" inside         \
             "</storage></query>")
#define ROOM(id, inside)                                                                           \
    PUBSUB("set", "<publish node='urn:xmpp:bookmarks:1'><item id='" id "'>" inside                 \
                  "</item></publish><publish-options><x xmlns='jabber:x:data' type='submit'>"      \
                  "<field var='FORM_TYPE'><value>" PS "#publish-options</value></field>"           \
                  "<field var='pubsub#access_model'><value>whitelist</value></field>"              \
                  "<field var='pubsub#max_items'><value>max</value></field></x></publish-options>")
#define GET_NEW PUBSUB("get", "<items node='urn:xmpp:bookmarks:1'/>")
#define GET_OLD PUBSUB("get", "<items node='storage:bookmarks'/>")
#define STORAGE(inside) "<storage xmlns='storage:bookmarks'>" inside "</storage>"

struct say {
    const char *xml, *answer;
};

static const struct say says[] = {
    {PRIVATE("get", ""),
     "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query></iq>"},
    {ROOM("a@muc.test", "<conference xmlns='urn:xmpp:bookmarks:1' name='A&amp;A' autojoin='1'>"
          "<nick>me</nick><extensions><x xmlns='urn:x'/></extensions></conference>"),
     "type='result'"},
    {PRIVATE("get", ""), STORAGE("<conference jid='a@muc.test' name='A&amp;A' autojoin='1'>"
                                 "<nick>me</nick><extensions><x xmlns='urn:x'/></extensions>"
                                 "</conference>")},
    {GET_OLD, "<items node='storage:bookmarks'><item id='current'>"
              "<storage xmlns='storage:bookmarks'><conference jid='a@muc.test'"},
    /* from the old to the new: what is not there any more goes, what the old do not know stays */
    {PRIVATE("set", "<conference jid='A@muc.test' name='A' autojoin='true'/>"
                    "<conference jid='b@muc.test'><nick>you</nick><password>p</password>"
                    "</conference><url name='u' url='http://u/'/><conference jid='@@'/>"),
     "type='result'"},
    {GET_NEW,
     "<item id='a@muc.test'><conference xmlns='urn:xmpp:bookmarks:1' name='A' autojoin='true'>"
     "<extensions><x xmlns='urn:x'/></extensions></conference></item>"
     "<item id='b@muc.test'><conference xmlns='urn:xmpp:bookmarks:1'><nick>you</nick>"
     "<password>p</password></conference></item></items>"},
    {PRIVATE("get", ""), "</conference><url name='u' url='http://u/'/></storage>"},
    {PUBSUB("set", "<publish node='storage:bookmarks'><item id='current'>" STORAGE(
                   "<conference jid='b@muc.test' name='B'/>") "</item></publish>"),
     "<publish node='storage:bookmarks'><item id='current'/></publish>"},
    {GET_NEW, "<items node='urn:xmpp:bookmarks:1'><item id='b@muc.test'>"
              "<conference xmlns='urn:xmpp:bookmarks:1' name='B'></conference></item></items>"},
    {PUBSUB("set", "<publish node='storage:bookmarks'><item id='current'><x xmlns='y'/></item>"
                   "</publish>"), "<invalid-payload"},
    {PRIVATE("get", ""), STORAGE("<conference jid='b@muc.test' name='B'></conference>")},
    {PUBSUB("set", "<retract node='urn:xmpp:bookmarks:1'><item id='b@muc.test'/></retract>"),
     "type='result'"},
    {GET_OLD, "<item id='current'><storage xmlns='storage:bookmarks'/></item>"},
};

static void all_see_the_same(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(says); i++) {
        kit_say(k, a, says[i].xml);
        EXPECT(a, says[i].answer);
    }
    kit_close(k, a);
    kit_free(k);
}

/* XEP-0411 4: what comes from private XML is shown to nobody, whatever the node was. */
static void they_stay_private(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *b = kit_open(k, "bob", "prime.test", "y");
    (void)state;

    kit_say(k, a, PUBSUB("set", "<create node='urn:xmpp:bookmarks:1'/><configure>"
                         "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>" PS
                         "#node_config</value></field><field var='pubsub#access_model'><value>open"
                         "</value></field></x></configure>"));
    kit_say(k, a, PRIVATE("set", "<conference jid='b@muc.test'/>"));
    kit_heard(a);
    kit_say(k, b, "<iq type='get' id='q' to='alice@prime.test'><pubsub xmlns='" PS "'><items"
                  " node='urn:xmpp:bookmarks:1'/></pubsub></iq>");
    EXPECT(b, "<item-not-found"); /* he is a stranger (C25) */
    kit_say(k, b, "<iq type='get' id='q' to='alice@prime.test'><pubsub xmlns='" PS "'><items"
                  " node='storage:bookmarks'/></pubsub></iq>");
    EXPECT(b, "<item-not-found");
    kit_close(k, a), kit_close(k, b);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_see_the_same),
        cmocka_unit_test(they_stay_private),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
