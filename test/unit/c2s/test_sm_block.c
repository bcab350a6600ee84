/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Block lists (XEP-0191): requests and pushes, and that who is blocked cannot tell whether the user
 * is there (C24).
 */
#include "sm_two.h"

#define NS_BLOCK " xmlns='urn:xmpp:blocking'"
#define GET "<iq type='get' id='g'><blocklist" NS_BLOCK "/></iq>"
#define SET(id, what, items)                                                                       \
    "<iq type='set' id='" id "'><" what NS_BLOCK ">" items "</" what "></iq>"
#define BLOCK(jid) SET("s", "block", "<item jid='" jid "'/>")
#define UNBLOCK(jid) SET("s", "unblock", "<item jid='" jid "'/>")
#define DONE "<iq type='result' id='s'"

static void lists_and_pushes(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_come(k, "alice", "a", ""), *b = kit_come(k, "alice", "b", "");
    (void)state;

    kit_say(k, a, GET);
    EXPECT(a, "<blocklist xmlns='urn:xmpp:blocking'></blocklist></iq>");
    /* prepared; XEP-0377 may say why */
    kit_say(k, a, SET("s", "block",
                      "<item jid='Bob@FAR.test'><report xmlns='urn:xmpp:reporting:1'"
                      " reason='urn:xmpp:reporting:spam'/></item><item jid='bad.test'/>"));
    const char *heard = kit_heard(a);
    EXPECT_IN(heard, DONE);
    EXPECT_IN(heard, "to='alice@prime.test/a'><block xmlns='urn:xmpp:blocking'>"
                     "<item jid='bob@far.test'/><item jid='bad.test'/></block></iq>");
    EXPECT_NOTHING(b); /* has not asked for the list */
    kit_say(k, b, GET);
    heard = kit_heard(b);
    EXPECT_IN(heard, "<item jid='bob@far.test'/>");
    EXPECT_IN(heard, "<item jid='bad.test'/>");
    kit_say(k, b, UNBLOCK("bad.test"));
    kit_heard(b);
    EXPECT(a, "<unblock xmlns='urn:xmpp:blocking'><item jid='bad.test'/></unblock></iq>");
    kit_say(k, a, GET);
    EXPECT(a, "<blocklist xmlns='urn:xmpp:blocking'><item jid='bob@far.test'/></blocklist>");
    /* kept, and gone at once */
    kit_close(k, b), kit_close(k, a);
    a = kit_come(k, "alice", "a", "");
    kit_say(k, a, GET);
    EXPECT(a, "<item jid='bob@far.test'/>");
    kit_say(k, a, SET("s", "unblock", ""));
    EXPECT(a, "<unblock xmlns='urn:xmpp:blocking'></unblock></iq>");
    kit_say(k, a, GET);
    EXPECT(a, "<blocklist xmlns='urn:xmpp:blocking'></blocklist></iq>");
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM block WHERE ?1 != ''", "x"), 0);
    kit_close(k, a);
    kit_free(k);
}

struct request {
    const char *xml, *answer;
};

static const struct request requests[] = {
    {SET("s", "block", ""), "<bad-request"},
    {SET("s", "block", "<item jid='@x'/>"), "<jid-malformed"},
    {SET("s", "block", "<item/>"), "<jid-malformed"},
    {SET("s", "unblock", "<item jid='a@b@c'/>"), "<jid-malformed"},
    /* himself, in either domain, and his server */
    {BLOCK("alice@prime.test"), "<not-allowed"},
    {BLOCK("alice@net.test/x"), "<not-allowed"},
    {BLOCK("prime.test"), "<not-allowed"},
    {BLOCK("net.test/x"), "<not-allowed"},
    {UNBLOCK("never@was.test"), DONE},
    /* the list has room for 4: all of a request or nothing */
    {SET("s", "block", "<item jid='a@x'/><item jid='b@x'/><item jid='c@x'/>"), DONE},
    {SET("s", "block", "<item jid='d@x'/><item jid='e@x'/>"), "<resource-constraint"},
    {SET("s", "block", "<item jid='d@x'/><item jid='a@x'/>"), DONE},
    {BLOCK("e@x"), "<resource-constraint"},
    {SET("s", "block",
         "<item jid='a@x'/><item jid='b@x'/><item jid='c@x'/><item jid='d@x'/><item jid='a@x'/>"),
     "<resource-constraint"},
    {UNBLOCK("a@x"), DONE},
    {BLOCK("e@x"), DONE},
    /* another's: the same of nobody */
    {"<iq type='get' id='g' to='bob@prime.test'><blocklist" NS_BLOCK "/></iq>", "<forbidden"},
    {"<iq type='get' id='g' to='nobody@prime.test'><blocklist" NS_BLOCK "/></iq>", "<forbidden"},
    {"<iq type='set' id='g' to='bob@prime.test'><unblock" NS_BLOCK "/></iq>", "<forbidden"},
    {"<iq type='get' id='g' to='prime.test'><query"
     " xmlns='http://jabber.org/protocol/disco#info'/></iq>",
     "<feature var='urn:xmpp:blocking'/>"},
};

static void bad_and_many(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_come(k, "alice", "a", "");
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        kit_say(k, a, requests[i].xml);
        EXPECT(a, requests[i].answer);
    }
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM block WHERE ?1 != ''", "x"), 4);
    kit_close(k, a);
    kit_free(k);
}

struct match {
    const char *entry, *from;
    bool is_blocked;
};

static const struct match matches[] = {
    {"x@far.test/r", "x@far.test/r", true},
    {"x@far.test/r", "x@far.test/s", false},
    {"x@far.test/r", "x@far.test", false},
    {"x@far.test", "x@far.test/r", true},
    {"x@far.test", "X@Far.test/r", true},
    {"x@far.test", "y@far.test/r", false},
    {"far.test", "x@far.test/r", true},
    {"far.test", "far.test", true},
    {"far.test", "far.test/r", true},
    {"far.test", "x@sub.far.test/r", false},
    {"far.test/r", "far.test/r", true},
    {"far.test/r", "far.test", false},
    {"far.test/r", "x@far.test/r", false},
    /* one account in both domains */
    {"bob@prime.test", "bob@net.test/r", true},
    {"bob@net.test", "bob@prime.test/r", true},
    {"bob@net.test/r", "bob@prime.test/r", true},
    {"bob@net.test/r", "bob@prime.test/s", false},
};

static void what_matches(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_come(k, "alice", "a", "<presence/>");
    char text[512];
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(matches); i++) {
        const struct match *m = &matches[i];
        snprintf(text, sizeof(text), SET("s", "block", "<item jid='%s'/>"), m->entry);
        kit_say(k, a, text);
        EXPECT(a, DONE);
        snprintf(text, sizeof(text),
                 "<message to='alice@prime.test/a' from='%s'><body>x</body></message>", m->from);
        kit_link_say(k, text);
        if ((buf_len(&a->out) == 0) != m->is_blocked)
            fail_msg("%s %s", m->entry, m->from);
        kit_say(k, a, SET("s", "unblock", ""));
        kit_heard(a);
    }
    kit_close(k, a);
    kit_free(k);
}

static const struct request sent[] = {
    {"<message to='x@bad.test/r' type='chat'><body>x</body></message>",
     "<message to='alice@prime.test/a' from='x@bad.test/r' type='error'><error type='cancel'>"
     "<not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
     "<blocked xmlns='urn:xmpp:blocking:errors'/></error></message>"},
    {"<iq to='bad.test' type='get' id='i'><x xmlns='y'/></iq>",
     "<blocked xmlns='urn:xmpp:blocking:errors'/></error></iq>"},
    {"<presence to='x@bad.test' type='subscribe'/>",
     "<blocked xmlns='urn:xmpp:blocking:errors'/></error></presence>"},
    {"<message to='x@bad.test/r' type='error'><error/></message>", ""},
    {"<iq to='x@bad.test/r' type='result' id='i'/>", ""},
    {"<presence to='x@bad.test/r'/>", ""},
};

/* Nothing leaves for who is blocked (XEP-0191 3.3). */
static void sends_nothing(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    kit_link_up(k);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(k);
    kit_say(k, a, "<presence/>");
    kit_say(k, a, BLOCK("bad.test"));
    kit_heard(a);
    kit_drain(&k->link.out);
    for (size_t i = 0; i < ARRAY_LEN(sent); i++) {
        kit_say(k, a, sent[i].xml);
        const char *heard = kit_heard(a);
        if (*sent[i].answer)
            EXPECT_IN(heard, sent[i].answer);
        else
            assert_string_equal(heard, "");
        assert_int_equal(buf_len(&k->link.out), 0);
    }
    kit_say(k, a, "<message to='x@good.test'><body>x</body></message>");
    EXPECT_LINK(k, "x@good.test");
    kit_close(k, a);
    kit_free(k);
}

/* What a stranger may try, and what he hears, if anything: C24. */
static const struct request tries[] = {
    {"<message to='alice@prime.test' type='chat'><body>x</body></message>", "<service-unavailable"},
    {"<message to='alice@prime.test/a'><body>x</body></message>", "<service-unavailable"},
    {"<message to='alice@prime.test/z'><body>x</body></message>", "<service-unavailable"},
    {"<message to='alice@net.test'><body>x</body></message>", "<service-unavailable"},
    {"<message to='alice@prime.test'><body>x</body><no-store xmlns='urn:xmpp:hints'/></message>",
     "<service-unavailable"},
    {"<message to='alice@prime.test/a' type='chat'>"
     "<composing xmlns='http://jabber.org/protocol/chatstates'/></message>", ""},
    {"<message to='alice@prime.test' type='headline'><body>x</body></message>", ""},
    {"<message to='alice@prime.test/a' type='groupchat'><body>x</body></message>", ""},
    {"<message to='alice@prime.test' type='groupchat'><body>x</body></message>", ""},
    {"<message to='alice@prime.test/a' type='error'><error/></message>", ""},
    {"<iq to='alice@prime.test' type='get' id='i'><ping xmlns='urn:xmpp:ping'/></iq>",
     "<service-unavailable"},
    {"<iq to='alice@prime.test/a' type='get' id='i'><ping xmlns='urn:xmpp:ping'/></iq>",
     "<service-unavailable"},
    {"<iq to='alice@prime.test' type='get' id='i'>"
     "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>", "<service-unavailable"},
    {"<iq to='alice@prime.test' type='get' id='i'><query xmlns='jabber:iq:roster'/></iq>",
     "<forbidden"},
    {"<iq to='alice@prime.test' type='set' id='i'><nonsense xmlns='x'/></iq>",
     "<service-unavailable"},
    {"<iq to='alice@prime.test/a' type='result' id='i'/>", ""},
    {"<presence to='alice@prime.test/a'/>", ""},
    {"<presence to='alice@prime.test'/>", ""},
    {"<presence to='alice@prime.test' type='unavailable'/>", ""},
    {"<presence to='alice@prime.test' type='probe'/>", ""},
    {"<presence to='alice@prime.test' type='subscribe'/>", ""},
};

/* Of bob, a client of ours, and of one elsewhere: his words are the same. */
static void try_all(struct kit *k, struct kit_client *bob, struct kit_client *alice)
{
    char text[1024];

    for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
        kit_say(k, bob, tries[i].xml);
        const char *heard = kit_heard(bob);
        if (*tries[i].answer)
            EXPECT_IN(heard, tries[i].answer);
        else if (*heard)
            fail_msg("%s is answered: %s", tries[i].xml, heard);
        if (strstr(tries[i].xml, "@net.test"))
            continue; /* the router knows the host's domain only */
        const char *rest = strchr(tries[i].xml, ' ');
        snprintf(text, sizeof(text), "%.*s from='far@bad.test/f'%s",
                 (int)(rest - tries[i].xml), tries[i].xml, rest);
        k->link.is_up = true;
        sm_set_link(k->sm, &k->link);
        kit_link_say(k, text);
        if (*tries[i].answer)
            EXPECT_LINK(k, tries[i].answer);
        else
            assert_string_equal(kit_drain(&k->link.out), "");
        sm_set_link(k->sm, NULL);
        kit_settle(k);
        if (alice && buf_len(&alice->out) > 0)
            fail_msg("%s arrives: %s", tries[i].xml, kit_heard(alice));
    }
}

static void looks_absent(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_come(k, "alice", "a", "<presence/>");
    struct kit_client *b = kit_come(k, "bob", "b", "<presence/>");
    (void)state;

    kit_say(k, a, SET("s", "block", "<item jid='bob@prime.test'/><item jid='bad.test'/>"));
    kit_heard(a);
    try_all(k, b, a);
    kit_say(k, a, "<presence type='unavailable'/>");
    kit_heard(a);
    try_all(k, b, a);
    kit_close(k, a);
    try_all(k, b, NULL);
    assert_int_equal(kit_offline_count(k, "alice"), 0);
    /* who is not blocked is not concerned */
    kit_link_say(k, "<message to='alice@prime.test' from='x@good.test'><body>x</body></message>");
    assert_int_equal(kit_offline_count(k, "alice"), 1);
    kit_close(k, b);
    kit_free(k);
}

/* A contact sees the user go, and come again; once, whatever entries there are. */
static void contacts_see_him_go(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    kit_sql(k, "INSERT INTO roster (account, jid, subscription)"
               " SELECT id, 'bob@prime.test', 3 FROM account WHERE name = ?1", "alice");
    kit_sql(k, "INSERT INTO roster (account, jid, subscription)"
               " SELECT id, 'alice@prime.test', 3 FROM account WHERE name = ?1", "bob");
    struct kit_client *b = kit_come(k, "bob", "b", "<presence/>");
    struct kit_client *a = kit_come(k, "alice", "a", "<presence><show>away</show></presence>");
    kit_heard(b);
    kit_say(k, a, BLOCK("bob@net.test"));
    assert_string_equal(kit_heard(b), "<presence to='bob@prime.test' from='alice@prime.test/a'"
                                      " type='unavailable'/>");
    kit_say(k, a, BLOCK("bob@prime.test"));
    EXPECT_NOTHING(b);
    kit_say(k, a, "<presence/>");
    kit_say(k, a, "<presence type='unavailable'/>");
    kit_say(k, a, "<presence/>");
    EXPECT_NOTHING(b);
    kit_heard(a);
    kit_say(k, b, "<presence><show>dnd</show></presence>");
    EXPECT_NOTHING(a);
    kit_heard(b); /* himself */
    kit_say(k, a, UNBLOCK("bob@net.test"));
    EXPECT_NOTHING(b);
    kit_say(k, a, UNBLOCK("bob@prime.test"));
    EXPECT(b, "<presence to='bob@prime.test' from='alice@prime.test/a'/>");
    /* told directly, without any subscription */
    kit_sql(k, "UPDATE roster SET subscription = 0 WHERE ?1 != ''", "x");
    kit_close(k, a), kit_close(k, b);
    a = kit_come(k, "alice", "a", "<presence/>");
    b = kit_come(k, "bob", "b", "<presence/>");
    kit_say(k, a, "<presence to='bob@prime.test/b'/>");
    EXPECT(b, "<presence to='bob@prime.test/b' from='alice@prime.test/a'");
    kit_say(k, a, BLOCK("bob@prime.test"));
    EXPECT(b, "type='unavailable'");
    kit_close(k, a);
    EXPECT_NOTHING(b);
    kit_close(k, b);
    kit_free(k);
}

/* One's own other clients are never blocked, though a whole domain may be. */
static void own_clients(void **state)
{
    struct sm_opts opts = *kit_opts();
    struct kit *k = kit_new(&opts);
    struct kit_client *a = kit_come(k, "alice", "a", "<presence/>");
    struct kit_client *b = kit_come(k, "alice", "b", "<presence/>");
    (void)state;

    kit_sql(k, "INSERT INTO block SELECT id, 'prime.test' FROM account WHERE name = ?1", "alice");
    kit_close(k, b), kit_close(k, a);
    a = kit_come(k, "alice", "a", "<presence/>");
    b = kit_come(k, "alice", "b", "<presence/>");
    kit_heard(a);
    kit_say(k, a, "<message to='alice@prime.test/b'><body>x</body></message>");
    EXPECT(b, "<body>x</body>");
    kit_say(k, a, GET);
    EXPECT(a, "<item jid='prime.test'/>");
    kit_close(k, b), kit_close(k, a);
    kit_free(k);
}

/* A client of another instance goes on getting changes from the user's next owner. */
static void moved(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *c = open_fronted(&t, "c"), *d = open_fronted(&t, "d");
    (void)state;

    say(&t, c, GET);
    kit_heard(c);
    say(&t, d, BLOCK("x@far.test"));
    EXPECT(c, "<block xmlns='urn:xmpp:blocking'><item jid='x@far.test'/>");
    kit_close(t.owner, own);
    owner_dies(&t);
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(t.front);
    kit_heard(c), kit_heard(d);
    kit_say(t.front, d, BLOCK("y@far.test"));
    EXPECT(c, "<block xmlns='urn:xmpp:blocking'><item jid='y@far.test'/>");
    kit_close(t.front, c), kit_close(t.front, d);
    end(&t);
}

/* The client, or the whole, goes while the store is at it. */
static void cut_short(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_come(k, "alice", "a", "");
    (void)state;

    kit_input(k, a, BLOCK("x@far.test"));
    sm_close(a->session);
    a->session = NULL;
    kit_settle(k);
    kit_close(k, a);
    a = kit_come(k, "alice", "a", "");
    kit_say(k, a, GET);
    EXPECT(a, "<item jid='x@far.test'/>");
    kit_input(k, a, UNBLOCK("x@far.test"));
    sm_free(&k->sm);
    a->session = NULL;
    kit_settle(k);
    kit_close(k, a);
    kit_free(k);
}

/* Another instance, which took the user for its own, has changed what is kept of him. */
static void follows_what_others_change(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    kit_sql(k, "INSERT INTO block (account, jid) SELECT id, 'old@far.test' FROM account"
               " WHERE name = ?1", "alice");
    kit_sql(k, "INSERT INTO roster (account, jid, subscription) SELECT id, 'eve@far.test', 3"
               " FROM account WHERE name = ?1", "alice");
    kit_sql(k, "INSERT INTO roster (account, jid, subscription) SELECT id, 'joe@far.test', 3"
               " FROM account WHERE name = ?1", "alice");
    kit_link_up(k);
    struct kit_client *a = kit_come(k, "alice", "a", "<presence/>");
    kit_say(k, a, GET);
    kit_say(k, a, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
    kit_heard(a), kit_drain(&k->link.out);
    kit_sql(k, "UPDATE block SET jid = 'eve@far.test' WHERE ?1 != ''", "x");
    kit_sql(k, "UPDATE roster SET subscription = 1 WHERE jid = ?1", "joe@far.test");
    kit_link_say(k, "<message type='headline' from='prime.test' to='alice@prime.test'>"
                    "<changed xmlns='http://kontalk.org/extensions/front'/></message>");
    const char *heard = kit_heard(a);
    EXPECT_IN(heard, "<unblock xmlns='urn:xmpp:blocking'><item jid='old@far.test'/></unblock>");
    EXPECT_IN(heard, "<block xmlns='urn:xmpp:blocking'><item jid='eve@far.test'/></block>");
    EXPECT_IN(heard, "<item jid='joe@far.test' subscription='to'>");
    const char *out = kit_drain(&k->link.out);
    EXPECT_IN(out, "<presence to='eve@far.test' from='alice@prime.test/a' type='unavailable'/>");
    EXPECT_IN(out, "<presence to='joe@far.test' from='alice@prime.test/a' type='unavailable'/>");
    /* nothing has changed since */
    kit_link_say(k, "<message type='headline' from='prime.test' to='alice@prime.test'>"
                    "<changed xmlns='http://kontalk.org/extensions/front'/></message>");
    EXPECT_NOTHING(a);
    kit_sql(k, "DELETE FROM roster WHERE jid = ?1", "joe@far.test");
    kit_sql(k, "UPDATE roster SET subscription = 1 WHERE jid = ?1", "eve@far.test");
    kit_sql(k, "DELETE FROM block WHERE ?1 != ''", "x");
    kit_link_say(k, "<message type='headline' from='prime.test' to='alice@prime.test'>"
                    "<changed xmlns='http://kontalk.org/extensions/front'/></message>");
    heard = kit_heard(a);
    EXPECT_IN(heard, "<unblock xmlns='urn:xmpp:blocking'><item jid='eve@far.test'/></unblock>");
    EXPECT_IN(heard, "<item jid='joe@far.test' subscription='remove'/>");
    kit_close(k, a);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_and_pushes), cmocka_unit_test(bad_and_many),
        cmocka_unit_test(what_matches), cmocka_unit_test(sends_nothing),
        cmocka_unit_test(looks_absent), cmocka_unit_test(own_clients),
        cmocka_unit_test(follows_what_others_change),
        cmocka_unit_test(moved), cmocka_unit_test(cut_short),
        cmocka_unit_test(contacts_see_him_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
