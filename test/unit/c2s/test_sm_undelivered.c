/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a client never got, and clients that take no messages: here, and with another owner. */
#include "sm_two.h"

#define HERE "alice@prime.test/a"
#define ERROR_OF(kind) "<" kind " to='bob@prime.test/b' from='" HERE "' id='1' type='error'>"

/* A message that is said on the day before is new to everybody who is here. */
static int64_t yesterday(struct kit *k)
{
    return loop_wall(k->loop) - 86400000;
}

static void goes_where_an_offline_users_would(void **state)
{
    static const struct {
        const char *stanza;
        const char *other;   /* what another resource of alice hears; "": nothing */
        int64_t stored;      /* when there is no other */
        const char *sender;  /* what bob hears */
    } cases[] = {
        {"<message to='" HERE "' from='bob@prime.test/b' type='chat' id='1'><body>1</body>"
         "</message>",
         "id='1' type='chat'><body>1</body><delay xmlns='urn:xmpp:delay' from='prime.test' stamp='",
         1, ""},
        {"<message to='alice@prime.test' from='bob@prime.test/b' id='1'><body>1</body></message>",
         "<body>1</body><delay ", 1, ""},
        {"<message to='" HERE "' from='bob@prime.test/b' type='headline'><body>1</body></message>",
         "", 0, ""},
        {"<message to='" HERE "' from='bob@prime.test/b' type='groupchat' id='1'><body>1</body>"
         "</message>", "", 0, ERROR_OF("message")},
        {"<message to='" HERE "' from='bob@prime.test/b' type='error' id='1'><error/></message>",
         "", 0, ""},
        {"<message to='" HERE "' from='bob@prime.test/b' id='1'><composing"
         " xmlns='http://jabber.org/protocol/chatstates'/></message>", "<composing", 0, ""},
        {"<iq to='" HERE "' from='bob@prime.test/b' type='get' id='1'><x xmlns='y'/></iq>",
         "", 0, ERROR_OF("iq")},
        {"<iq to='" HERE "' from='bob@prime.test/b' type='result' id='1'/>", "", 0, ""},
        {"<iq to='" HERE "' type='set' id='1'><query xmlns='jabber:iq:roster'/></iq>", "", 0, ""},
        {"<iq to='" HERE "' from='alice@prime.test' type='set' id='1'><x xmlns='y'/></iq>",
         "", 0, ""},
        {"<presence to='" HERE "' from='bob@prime.test/b'/>", "", 0, ""},
        {"<presence to='alice@prime.test' from='bob@prime.test' type='subscribe'/>", "", 0, ""},
        {"<message to='" HERE "' from='alice@prime.test'><received xmlns='urn:xmpp:carbons:2'/>"
         "<body>1</body></message>", "", 0, ""},
        {"<message to='" HERE "' from='bob@prime.test'><result xmlns='urn:xmpp:mam:2'/>"
         "<body>1</body></message>", "", 0, ""},
        {"<message to='" HERE "'><body>1</body></message>", "", 0, ""},
        {"<message to='prime.test' from='bob@prime.test/b'><body>1</body></message>", "", 0, ""},
        {"<oops", "", 0, ""},
    };
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
        bool has_other = i % 2 == 1;
        struct kit *k = kit_new(NULL);
        struct kit_client *a = kit_come(k, "alice", "a", "<presence/>");
        struct kit_client *b = kit_come(k, "bob", "b", "");
        struct kit_client *o = has_other ? kit_come(k, "alice", "o", "<presence/>") : NULL;
        sm_undelivered(a->session, span_of(cases[i / 2].stanza), yesterday(k));
        kit_settle(k);
        assert_int_equal(kit_offline_count(k, "alice"), has_other ? 0 : cases[i / 2].stored);
        if (o && *cases[i / 2].other)
            EXPECT(o, cases[i / 2].other);
        else if (o)
            EXPECT_NOTHING(o);
        if (*cases[i / 2].sender)
            EXPECT(b, cases[i / 2].sender);
        else
            EXPECT_NOTHING(b);
        kit_close(k, a);
        kit_close(k, b);
        if (o)
            kit_close(k, o);
        kit_free(k);
    }
}

/* Nothing more goes to a session that has given something back. */
static void it_takes_nothing_more(void **state)
{
    (void)state;
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_come(k, "alice", "a", "<presence/>");
    struct kit_client *b = kit_come(k, "bob", "b", "");
    sm_undelivered(a->session, SPAN("<presence to='" HERE "' from='x@y'/>"), 0);
    kit_say(k, b, "<message to='" HERE "'><body>1</body></message>");
    EXPECT_NOTHING(a);
    assert_int_equal(kit_offline_count(k, "alice"), 1);
    kit_close(k, a);
    kit_close(k, b);
    kit_free(k);
}

/* Who has a copy of it, or was there when it went to all, does not get it again. */
static void nobody_gets_it_twice(void **state)
{
    static const char *const stanzas[] = {
        "<message to='" HERE "' from='bob@prime.test/b' type='chat'><body>1</body></message>",
        "<message to='alice@prime.test' from='bob@prime.test/b'><body>1</body></message>",
    };
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(stanzas); i++) {
        bool has_copy = i % 2 == 0;
        struct kit *k = kit_new(NULL);
        struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
        struct kit_client *o = kit_open(k, "alice", "prime.test", "o");
        kit_say(k, o, "<iq type='set' id='1'><enable xmlns='urn:xmpp:carbons:2'/></iq>");
        kit_say(k, o, "<presence/>");
        kit_heard(o);
        sm_undelivered(a->session, span_of(stanzas[i / 2]),
                       loop_wall(k->loop) - (has_copy ? 0 : 86400000));
        kit_settle(k);
        if (has_copy)
            EXPECT_NOTHING(o);
        else
            EXPECT(o, "<body>1</body><delay ");
        assert_int_equal(kit_offline_count(k, "alice"), 0);
        kit_close(k, a);
        kit_close(k, o);
        kit_free(k);
    }
}

/* The sender may be anywhere: then the error takes the router. */
static void strangers_are_told_too(void **state)
{
    (void)state;
    struct kit *k = kit_new(NULL);
    kit_link_up(k);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(k);
    kit_drain(&k->link.out);
    sm_undelivered(a->session, SPAN("<iq to='" HERE "' from='x@elsewhere.test/y' type='get' id='1'>"
                                    "<x xmlns='y'/></iq>"), 0);
    EXPECT_LINK(k, "<iq to='x@elsewhere.test/y' from='" HERE "' id='1' type='error'>");
    kit_close(k, a);
    kit_free(k);
}

/* --- full --- */

static void a_full_client_gets_no_messages(void **state)
{
    (void)state;
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_come(k, "alice", "a", "<presence/>");
    struct kit_client *b = kit_come(k, "bob", "b", "");
    sm_set_full(a->session, true);
    kit_say(k, b, "<message to='" HERE "'><body>1</body></message>");
    kit_say(k, b, "<message to='alice@prime.test'><body>2</body></message>");
    kit_say(k, b, "<message to='" HERE "' type='groupchat' id='3'><body>3</body></message>");
    EXPECT(b, "id='3' type='error'");
    kit_say(k, b, "<iq to='" HERE "' type='get' id='4'><x xmlns='y'/></iq>");
    EXPECT(b, "<service-unavailable");
    EXPECT_NOTHING(a);
    kit_say(k, b, "<presence to='" HERE "'/>");
    EXPECT(a, "<presence ");
    kit_say(k, a, "<iq type='get' id='5'><ping xmlns='urn:xmpp:ping'/></iq>");
    EXPECT(a, "id='5'");
    assert_int_equal(kit_offline_count(k, "alice"), 2);
    sm_set_full(a->session, false);
    kit_settle(k);
    const char *heard = kit_heard(a);
    EXPECT_IN(heard, "<body>1</body><delay ");
    EXPECT_IN(heard, "<body>2</body><delay ");
    kit_settle(k);
    assert_int_equal(kit_offline_count(k, "alice"), 0);
    kit_close(k, a);
    kit_close(k, b);
    kit_free(k);
}

/* --- another owner --- */

static void the_owner_gets_it_back(void **state)
{
    struct two t;
    (void)state;
    struct kit_client *own = begin(&t), *c = open_fronted(&t, "front");
    say(&t, c, "<presence/>");
    kit_heard(own);
    sm_undelivered(c->session,
                   SPAN("<message to='alice@net.test/front' from='bob@prime.test/b' id='1'>"
                        "<body>&amp;</body></message>"),
                   yesterday(t.front));
    sm_undelivered(c->session,
                   SPAN("<iq to='alice@net.test/front' from='x@y.test' type='get' id='2'>"
                        "<x xmlns='y'/></iq>"),
                   yesterday(t.front));
    pump_one(t.front, t.owner, t.owner);
    kit_settle(t.owner);
    const char *heard = kit_heard(own);
    EXPECT_IN(heard, "<message to='alice@prime.test/own' from='bob@prime.test/b' id='1'>"
                     "<body>&amp;</body><delay xmlns='urn:xmpp:delay' from='prime.test'");
    EXPECT_LINK(t.owner, "<iq to='x@y.test' from='alice@net.test/front' id='2' type='error'>");
    kit_close(t.front, c);
    pump(&t);
    kit_close(t.owner, own);
    end(&t);
}

/* What another instance sends back may have left here some time before: who has come in between has
 * it not. */
static void the_way_takes_its_time(void **state)
{
    static const struct {
        uint64_t after_ms;
        const char *heard;
    } cases[] = {{14000, "<body>1</body><delay "}, {16000, ""}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct two t;
        struct kit_client *own = begin(&t), *c = open_fronted(&t, "front");
        kit_heard(own);
        loop_sim_advance(t.front->loop, cases[i].after_ms);
        loop_sim_advance(t.owner->loop, cases[i].after_ms);
        kit_drain(&t.front->link.out); /* heartbeats */
        kit_drain(&t.owner->link.out);
        sm_undelivered(c->session,
                       SPAN("<message to='alice@prime.test' from='bob@prime.test/b'>"
                            "<body>1</body></message>"),
                       loop_wall(t.front->loop));
        pump_one(t.front, t.owner, t.owner);
        kit_settle(t.owner);
        if (*cases[i].heard)
            EXPECT(own, cases[i].heard);
        else
            EXPECT_NOTHING(own);
        kit_close(t.front, c);
        kit_close(t.owner, own);
        end(&t);
    }
}

/* What was sent to a client that is no more comes back to the owner. */
static void output_for_nobody_comes_back(void **state)
{
    struct two t;
    (void)state;
    struct kit_client *own = begin(&t), *c = open_fronted(&t, "front");
    struct kit_client *bob = kit_open(t.owner, "bob", "prime.test", "b");
    sm_link_events.on_claim(t.owner->sm, SPAN("bob@prime.test"), SPAN_NONE);
    kit_settle(t.owner);
    say(&t, c, "<presence/>");
    kit_say(t.owner, own, "<presence type='unavailable'/>");
    pump(&t);
    kit_say(t.owner, bob, "<message to='alice@net.test/front'><body>1</body></message>"); /* sent */
    kit_close(t.front, c); /* before it comes */
    pump(&t);
    pump(&t);
    assert_int_equal(kit_offline_count(t.owner, "alice"), 1);
    kit_close(t.owner, own);
    kit_close(t.owner, bob);
    end(&t);
}

/* Nobody can be told: it is kept here, for whoever will be the owner. */
static void without_an_owner_it_is_stored_here(void **state)
{
    struct two t;
    (void)state;
    struct kit_client *own = begin(&t), *c = open_fronted(&t, "front");
    owner_dies(&t);
    sm_undelivered(c->session,
                   SPAN("<message to='alice@net.test/front' from='bob@prime.test/b' id='1'>"
                        "<body>1</body></message>"),
                   yesterday(t.front));
    kit_settle(t.front);
    assert_int_equal(kit_offline_count(t.front, "alice"), 1);
    kit_close(t.front, c);
    kit_close(t.owner, own);
    end(&t);
}

static void the_owner_knows_who_is_full(void **state)
{
    struct two t;
    (void)state;
    struct kit_client *own = begin(&t), *c = open_fronted(&t, "front");
    say(&t, c, "<presence/>");
    kit_heard(c);
    sm_set_full(c->session, true);
    pump(&t);
    kit_say(t.owner, own, "<presence type='unavailable'/>");
    pump(&t);
    kit_heard(c);
    kit_say(t.owner, own, "<message to='alice@net.test/front'><body>1</body></message>");
    pump(&t);
    EXPECT_NOTHING(c);
    assert_int_equal(kit_offline_count(t.owner, "alice"), 1);
    sm_set_full(c->session, false);
    pump(&t);
    pump(&t);
    EXPECT(c, "<body>1</body><delay ");
    kit_close(t.front, c);
    kit_close(t.owner, own);
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_where_an_offline_users_would),
        cmocka_unit_test(it_takes_nothing_more),
        cmocka_unit_test(nobody_gets_it_twice),
        cmocka_unit_test(strangers_are_told_too),
        cmocka_unit_test(a_full_client_gets_no_messages),
        cmocka_unit_test(the_owner_gets_it_back),
        cmocka_unit_test(the_way_takes_its_time),
        cmocka_unit_test(output_for_nobody_comes_back),
        cmocka_unit_test(without_an_owner_it_is_stored_here),
        cmocka_unit_test(the_owner_knows_who_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
