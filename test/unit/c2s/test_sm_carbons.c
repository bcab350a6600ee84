/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Copies for a user's other clients (XEP-0280): which messages, for whom, how often.
 */
#include "sm_two.h"

#define ENABLE "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>"
#define DISABLE "<iq type='set' id='c'><disable xmlns='urn:xmpp:carbons:2'/></iq>"
#define COPY(way, to, inner)                                                                       \
    "<message to='" to "' from='alice@prime.test' type='chat'><" way                               \
    " xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"                           \
    "<message xmlns='jabber:client' " inner "</message></forwarded></" way "></message>"
#define BODY "<body>hi &amp; ho</body>"
#define IS_COPY "xmlns='urn:xmpp:carbons:2'><forwarded"

static void begin_three(struct kit *k, struct kit_client *at[3])
{
    at[0] = kit_come(k, "alice", "a", "<presence/>");
    at[1] = kit_come(k, "alice", "b", "<presence/>");
    at[2] = kit_come(k, "bob", "b", "<presence/>");
    kit_say(k, at[1], ENABLE);
    EXPECT(at[1], "<iq type='result' id='c' to='alice@prime.test/b'/>");
    kit_heard(at[0]);
}

static void end_three(struct kit *k, struct kit_client *at[3])
{
    for (size_t i = 3; i > 0; i--)
        kit_close(k, at[i - 1]);
    kit_free(k);
}

static void both_ways(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *at[3];
    (void)state;

    begin_three(k, at);
    kit_say(k, at[0], "<message to='bob@prime.test' type='chat' id='1'>" BODY "</message>");
    assert_string_equal(kit_heard(at[1]),
                        COPY("sent", "alice@prime.test/b",
                             "to='bob@prime.test' from='alice@prime.test/a' id='1' type='chat'>"
                             BODY));
    EXPECT_NOTHING(at[0]);
    EXPECT(at[2], "id='1'");
    kit_say(k, at[2], "<message to='alice@prime.test/a' type='chat' id='2'>" BODY "</message>");
    assert_string_equal(kit_heard(at[1]),
                        COPY("received", "alice@prime.test/b",
                             "to='alice@prime.test/a' from='bob@prime.test/b' id='2' type='chat'>"
                             BODY));
    EXPECT(at[0], "<message to='alice@prime.test/a' from='bob@prime.test/b' id='2'");
    /* who sends gets none, enabled or not; to the bare JID each has one */
    kit_say(k, at[1], "<message to='bob@prime.test' type='chat' id='3'>" BODY "</message>");
    EXPECT_NOTHING(at[0]);
    EXPECT_NOTHING(at[1]);
    kit_say(k, at[2], "<message to='alice@prime.test' type='chat' id='4'>" BODY "</message>");
    assert_null(strstr(kit_heard(at[1]), IS_COPY));
    assert_null(strstr(kit_heard(at[0]), IS_COPY));
    /* nor is there one for whom it is meant */
    kit_say(k, at[2], "<message to='alice@prime.test/b' type='chat' id='5'>" BODY "</message>");
    assert_null(strstr(kit_heard(at[1]), IS_COPY));
    /* from the router */
    kit_link_say(k, "<message to='alice@prime.test/a' from='c@far.test/d' type='chat'>"
                    "<body>x</body></message>");
    EXPECT(at[1], "<message xmlns='jabber:client' to='alice@prime.test/a' from='c@far.test/d'"
                  " type='chat'><body>x</body></message>");
    kit_heard(at[0]);
    /* off again, on again, twice */
    kit_say(k, at[1], DISABLE);
    kit_heard(at[1]);
    kit_say(k, at[0], "<message to='bob@prime.test' type='chat'>" BODY "</message>");
    EXPECT_NOTHING(at[1]);
    kit_say(k, at[1], ENABLE);
    kit_say(k, at[1], ENABLE);
    kit_heard(at[1]);
    kit_say(k, at[0], "<message to='bob@prime.test' type='chat'>" BODY "</message>");
    EXPECT(at[1], "<sent xmlns");
    end_three(k, at);
}

/* Nobody's but the account's own business. */
static void for_oneself_only(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *at[3];
    (void)state;

    begin_three(k, at);
    kit_say(k, at[2], "<iq type='set' id='c' to='alice@prime.test'>"
                      "<enable xmlns='urn:xmpp:carbons:2'/></iq>");
    EXPECT(at[2], "<not-allowed");
    kit_say(k, at[2], "<iq type='set' id='c' to='nobody@prime.test'>"
                      "<enable xmlns='urn:xmpp:carbons:2'/></iq>");
    EXPECT(at[2], "<not-allowed");
    kit_say(k, at[0], "<iq type='get' id='d' to='prime.test'>"
                      "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
    const char *heard = kit_heard(at[0]);
    EXPECT_IN(heard, "<feature var='urn:xmpp:carbons:2'/>");
    EXPECT_IN(heard, "<feature var='urn:xmpp:carbons:rules:0'/>");
    end_three(k, at);
}

struct rule {
    const char *attrs, *children;
    bool is_sent, is_received;
};

#define RECEIPT "<received xmlns='urn:xmpp:receipts' id='1'/>"
#define STATE "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
#define MARKER "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>"
#define ROOM "<x xmlns='http://jabber.org/protocol/muc#user'/>"
#define INVITED "<x xmlns='http://jabber.org/protocol/muc#user'><invite from='a@b'/></x>"
#define DIRECT "<x xmlns='jabber:x:conference' jid='r@s'/>"

/* XEP-0280 6.1 */
static const struct rule rules[] = {
    {"type='chat'", "<body>x</body>", true, true},
    {"type='chat'", "<encrypted xmlns='eu.siacs.conversations.axolotl'/>", true, true},
    {"type='chat'", STATE, true, true},
    {"", "<body>x</body>", true, true},
    {"type='normal'", "<body>x</body>", true, true},
    {"type='strange'", "<body>x</body>", true, true},
    {"", "<subject>x</subject>", false, false},
    {"", "<body xmlns='other'>x</body>", false, false},
    {"", RECEIPT, true, true},
    {"", STATE, true, true},
    {"", MARKER, true, true},
    {"", DIRECT, true, true},
    {"", INVITED, true, true},
    {"type='groupchat'", "<body>x</body>", false, false},
    {"type='groupchat'", "<body>x</body>" RECEIPT, false, false},
    {"type='headline'", "<body>x</body>", false, false},
    {"type='headline'", RECEIPT, false, false},
    {"type='chat'", "<body>x</body><private xmlns='urn:xmpp:carbons:2'/>", false, false},
    {"type='chat'", "<body>x</body><no-copy xmlns='urn:xmpp:hints'/>", false, false},
    {"type='chat'", "<body>x</body><store xmlns='urn:xmpp:hints'/>", true, true},
    /* of a room, the full JID of an occupant: it tells all of the user's clients itself */
    {"type='chat'", "<body>x</body>" ROOM, true, false},
    /* copies of copies go round for ever; C04 */
    {"type='chat'", "<received xmlns='urn:xmpp:carbons:2'/><body>x</body>", false, false},
    {"type='chat'", "<sent xmlns='urn:xmpp:carbons:2'/><body>x</body>", false, false},
    {"type='error'", "<error/>", false, false},
};

static void by_the_rules(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *at[3];
    char text[1024];
    (void)state;

    begin_three(k, at);
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        snprintf(text, sizeof(text), "<message to='far@far.test/x' %s>%s</message>",
                 rules[i].attrs, rules[i].children);
        kit_say(k, at[0], text);
        bool is_sent = strstr(kit_heard(at[1]), "<sent xmlns='urn:xmpp:carbons:2'><forw") != NULL;
        snprintf(text, sizeof(text),
                 "<message to='alice@prime.test/a' from='far@far.test/x' %s>%s</message>",
                 rules[i].attrs, rules[i].children);
        kit_link_say(k, text);
        bool is_received =
            strstr(kit_heard(at[1]), "<received xmlns='urn:xmpp:carbons:2'><forw") != NULL;
        if (is_sent != rules[i].is_sent || is_received != rules[i].is_received)
            fail_msg("%s %s", rules[i].attrs, rules[i].children);
    }
    end_three(k, at);
}

#define BOUNCE(from, to)                                                                           \
    "<message to='" to "' from='" from "' type='error' id='1'><body>x</body><error type='cancel'>" \
    "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"

/* The others learn that what they have a copy of has not arrived. */
static void bounces(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *at[3];
    (void)state;

    begin_three(k, at);
    kit_link_say(k, BOUNCE("far@far.test", "alice@prime.test/a"));
    EXPECT(at[1], "<received xmlns='urn:xmpp:carbons:2'>");
    /* not of a room that this client is in, nor what nobody is there for */
    kit_say(k, at[0], "<presence to='room@far.test/nick'/>");
    kit_link_say(k, BOUNCE("room@far.test", "alice@prime.test/a"));
    kit_link_say(k, BOUNCE("far@far.test", "alice@prime.test/z"));
    kit_link_say(k, BOUNCE("far@far.test", "alice@prime.test"));
    EXPECT_NOTHING(at[1]);
    end_three(k, at);
}

/* Who gets no messages to the bare JID gets copies. */
static void not_reachable(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *at[3];
    (void)state;

    begin_three(k, at);
    kit_say(k, at[1], "<presence><priority>-1</priority></presence>");
    kit_heard(at[0]), kit_heard(at[1]);
    for (int i = 0; i < 2; i++) {
        const char *to = i ? "<message to='alice@prime.test/zzz' type='chat'>" BODY "</message>"
                           : "<message to='alice@prime.test' type='chat'>" BODY "</message>";
        kit_say(k, at[2], to);
        const char *heard = kit_heard(at[1]);
        EXPECT_IN(heard, "<received xmlns='urn:xmpp:carbons:2'>");
        assert_null(strstr(strstr(heard, "</forwarded>"), "<forwarded"));
        EXPECT(at[0], BODY);
    }
    end_three(k, at);
}

/* To the own account: each of the others has it once, the sender none but as its address says. */
static void to_oneself(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *at[3];
    (void)state;

    begin_three(k, at);
    kit_say(k, at[0], ENABLE);
    kit_heard(at[0]);
    kit_say(k, at[0], "<message to='alice@prime.test' type='chat'>" BODY "</message>");
    const char *heard = kit_heard(at[1]);
    EXPECT_IN(heard, BODY);
    assert_null(strstr(heard, IS_COPY));
    kit_heard(at[0]);
    kit_say(k, at[0], "<message to='alice@prime.test/c' type='chat'>" BODY "</message>");
    assert_null(strstr(kit_heard(at[1]), IS_COPY));
    struct kit_client *c = kit_come(k, "alice", "c", "<presence/>");
    kit_heard(at[0]), kit_heard(at[1]);
    kit_say(k, at[0], "<message to='alice@prime.test/c' type='chat'>" BODY "</message>");
    EXPECT_NOTHING(at[0]);
    heard = kit_heard(at[1]);
    EXPECT_IN(heard, "<received xmlns='urn:xmpp:carbons:2'>");
    assert_null(strstr(heard, "<sent"));
    kit_close(k, c);
    end_three(k, at);
}

/* C04: what only looks like a copy keeps the address of who has sent it. */
static void forged(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *at[3];
    (void)state;

    begin_three(k, at);
    kit_say(k, at[2], "<message to='alice@prime.test/b' type='chat'>"
                      "<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
                      "<message xmlns='jabber:client' from='boss@prime.test' to='alice@prime.test'>"
                      "<body>pay</body></message></forwarded></received></message>");
    EXPECT(at[1], "<message to='alice@prime.test/b' from='bob@prime.test/b' type='chat'>");
    kit_say(k, at[2], "<message to='alice@prime.test/b' from='alice@prime.test' type='chat'/>");
    assert_int_equal(at[2]->kicked, STREAM_INVALID_FROM);
    assert_null(strstr(kit_heard(at[1]), "<message"));
    end_three(k, at);
}

/* A client of another instance, and what becomes of it when the owner dies. */
static void elsewhere(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *c = open_fronted(&t, "c"), *d = open_fronted(&t, "d");
    (void)state;

    say(&t, c, "<presence/>");
    say(&t, c, ENABLE);
    kit_heard(c), kit_heard(d), kit_heard(own);
    kit_say(t.owner, own, "<message to='bob@prime.test' type='chat'>" BODY "</message>");
    pump(&t);
    EXPECT(c, "<message to='alice@net.test/c' from='alice@net.test' type='chat'>"
              "<sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
              "<message xmlns='jabber:client' to='bob@prime.test' from='alice@prime.test/own'"
              " type='chat'>" BODY "</message></forwarded></sent></message>");
    kit_close(t.owner, own);
    owner_dies(&t);
    EXPECT_WORDS(t.front, "claim alice@prime.test\n");
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(t.front);
    kit_heard(c), kit_heard(d);
    kit_say(t.front, d, "<message to='bob@prime.test' type='chat'>" BODY "</message>");
    EXPECT(c, "<sent xmlns='urn:xmpp:carbons:2'>");
    kit_close(t.front, c), kit_close(t.front, d);
    end(&t);
}

/* It is opened at the new owner with what it had. */
static void moved(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *c, *d;
    (void)state;

    c = kit_open(t.front, "alice", "prime.test", "c");
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(t.front);
    d = kit_open(t.front, "alice", "prime.test", "d");
    kit_say(t.front, c, "<presence/>");
    kit_say(t.front, c, ENABLE);
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    kit_settle(t.front);
    pump(&t);
    kit_heard(c), kit_heard(d), kit_heard(own);
    kit_say(t.owner, own, "<message to='bob@prime.test' type='chat'>" BODY "</message>");
    pump(&t);
    EXPECT(c, "<sent xmlns='urn:xmpp:carbons:2'>");
    EXPECT_NOTHING(d);
    kit_close(t.front, c), kit_close(t.front, d);
    pump(&t);
    kit_close(t.owner, own);
    end(&t);
}

/* One that takes no messages is passed over; then the message goes to all others. */
static void full(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *at[3];
    (void)state;

    begin_three(k, at);
    sm_set_full(at[0]->session, true);
    kit_say(k, at[2], "<message to='alice@prime.test/a' type='chat'>" BODY "</message>");
    const char *heard = kit_heard(at[1]);
    EXPECT_IN(heard, BODY);
    assert_null(strstr(heard, IS_COPY));
    sm_set_full(at[0]->session, false);
    sm_set_full(at[1]->session, true);
    kit_say(k, at[2], "<message to='alice@prime.test/a' type='chat'>" BODY "</message>");
    EXPECT_NOTHING(at[1]);
    end_three(k, at);
}

/* A copy that a client never got is not handled again; a private message is. */
static void undelivered(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *at[3];
    (void)state;

    begin_three(k, at);
    sm_undelivered(at[1]->session,
                   SPAN(COPY("sent", "alice@prime.test/b",
                             "to='bob@prime.test' from='alice@prime.test/a'>" BODY)),
                   loop_wall(k->loop));
    kit_settle(k);
    EXPECT_NOTHING(at[0]);
    sm_undelivered(at[1]->session,
                   SPAN("<message to='alice@prime.test/b' from='bob@prime.test/b' type='chat'>"
                        BODY "<private xmlns='urn:xmpp:carbons:2'/></message>"),
                   loop_wall(k->loop));
    kit_settle(k);
    EXPECT(at[0], BODY);
    /* the copies of another have been made */
    struct kit_client *c = kit_come(k, "alice", "c", ENABLE);
    sm_undelivered(at[0]->session,
                   SPAN("<message to='alice@prime.test/a' from='bob@prime.test/b' type='chat'>"
                        BODY "</message>"),
                   loop_wall(k->loop));
    kit_settle(k);
    EXPECT_NOTHING(c);
    kit_close(k, c);
    end_three(k, at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways), cmocka_unit_test(for_oneself_only),
        cmocka_unit_test(by_the_rules), cmocka_unit_test(bounces),
        cmocka_unit_test(not_reachable), cmocka_unit_test(to_oneself),
        cmocka_unit_test(forged), cmocka_unit_test(elsewhere),
        cmocka_unit_test(moved), cmocka_unit_test(undelivered), cmocka_unit_test(full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
