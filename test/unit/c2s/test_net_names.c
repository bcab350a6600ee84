/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_net_names - a user of the network is one person by all his addresses: romeo@net.test, at
 * home at beta, later at gamma.
 */
#include "net_kit.h"

#include "c2s/sm/contacts/contacts.h"

#define ROSTER "<query xmlns='jabber:iq:roster'>"
#define BLOCKING " xmlns='urn:xmpp:blocking'"
#define MAM "urn:xmpp:mam:2"
#define PS "http://jabber.org/protocol/pubsub"

static struct kit_client *come(struct kit *k, const char *user, const char *domain,
                               const char *resource)
{
    struct kit_client *c = kit_open(k, user, domain, resource);
    char bare[64];

    snprintf(bare, sizeof(bare), "%s@prime.test", user);
    if (!c->session)
        sm_link_events.on_claim(k->sm, span_of(bare), SPAN_NONE);
    kit_settle(k);
    assert_non_null(c->session);
    kit_say(k, c, "<iq type='get' id='r'>" ROSTER "</query></iq>");
    kit_say(k, c, "<presence/>");
    buf_clear(&c->out);
    buf_clear(&k->link.out);
    return c;
}

static struct kit *begin(void)
{
    struct sm_opts opts = net_opts(NULL);

    opts.archive = true;
    opts.archive_rule = SM_ARCHIVE_ALWAYS;
    opts.archive_page = 250;
    struct kit *k = net_new(NET_TABLE, &opts);
    net_learn(k, "romeo", "beta.test");
    return k;
}

static const struct sm_user *alice_of(const struct kit *k)
{
    return sm_user_owned(k->sm, SPAN("alice"));
}

static int64_t rows(struct kit *k)
{
    return kit_sql(k,
                   "SELECT count(*) FROM roster WHERE account ="
                   " (SELECT id FROM account WHERE name = ?1)",
                   "alice");
}

static void add_contact(struct kit *k, const char *sql)
{
    assert_int_not_equal(kit_sql(k, sql, "alice"), 0);
}

#define CONTACT(jid)                                                                               \
    "INSERT INTO roster (account, jid, subscription) SELECT id, '" jid "', 3 FROM account"         \
    " WHERE name = ?1"

/* --- names ------------------------------------------------------------------------------------ */

static void test_names(void **state)
{
    static const struct {
        const char *jid, *name, *other, *given, *stored;
    } cases[] = {
        {"romeo@net.test", "romeo@prime.test", "romeo@net.test", "", "romeo@net.test"},
        {"romeo@prime.test", "romeo@prime.test", "romeo@net.test", "", "romeo@prime.test"},
        {"romeo@beta.test", "romeo@prime.test", "romeo@net.test", "romeo@beta.test",
         "romeo@net.test"},
        {"romeo@far.test", "romeo@far.test", "", "", "romeo@far.test"},
        {"beta.test", "beta.test", "", "", "beta.test"},
        {"net.test", "net.test", "", "", "net.test"},
    };
    struct kit *k = begin();
    struct arena arena = {0};
    char text[JID_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct span jid = span_of(cases[i].jid);
        const struct sm_names n = sm_names_of(k->sm, &arena, jid);
        assert_true(span_eq(n.jid, span_of(cases[i].name)));
        assert_true(span_eq(n.other, span_of(cases[i].other)));
        assert_true(span_eq(n.given, span_of(cases[i].given)));
        assert_true(span_eq(n.stored, span_of(cases[i].stored)));
        assert_true(span_eq(sm_name_of(k->sm, jid, text), span_of(cases[i].name)));
        assert_true(span_eq(sm_stored_jid(k->sm, jid, text),
                            cases[i].other[0] ? span_of(cases[i].other) : jid));
    }
    assert_true(span_eq(sm_stored_jid(k->sm, SPAN("a@beta.test/b@beta.test"), text),
                        SPAN("a@net.test/b@beta.test")));
    arena_free(&arena);
    net_free(k);
}

/* --- the roster ------------------------------------------------------------------------------- */

static void test_roster_item(void **state)
{
    struct kit *k = begin();
    struct kit_client *net = come(k, "alice", "net.test", "n"),
                      *host = come(k, "alice", "prime.test", "h");

    (void)state;
    kit_say(k, host,
            "<iq type='set' id='1'>" ROSTER "<item jid='romeo@beta.test' name='R'/></query>"
            "</iq>");
    EXPECT(net, "<item jid='romeo@net.test' name='R'");
    EXPECT(host, "<item jid='romeo@beta.test' name='R'");
    kit_say(k, net,
            "<iq type='set' id='2'>" ROSTER "<item jid='romeo@net.test' name='M'/></query>"
            "</iq>");
    EXPECT(host, "<item jid='romeo@beta.test' name='M'");
    assert_int_equal(rows(k), 1);
    net_learn(k, "romeo", "gamma.test");
    kit_heard(host);
    kit_say(k, host, "<iq type='get' id='3'>" ROSTER "</query></iq>");
    EXPECT(host, "<item jid='romeo@gamma.test' name='M'");
    kit_say(k, host,
            "<iq type='set' id='4'>" ROSTER "<item jid='romeo@gamma.test'"
            " subscription='remove'/></query></iq>");
    EXPECT(host, "<item jid='romeo@gamma.test' subscription='remove'/>");
    assert_int_equal(rows(k), 0);
    assert_null(sm_contact_find(alice_of(k)->profile, SPAN("romeo@net.test")));
    kit_say(k, net, "<iq type='set' id='5'>" ROSTER "<item jid='alice@beta.test'/></query></iq>");
    EXPECT(net, "<not-allowed");
    kit_close(k, net);
    kit_close(k, host);
    net_free(k);
}

/* Asked from one server, answered in the network, gone to another: one contact. */
static void test_subscription(void **state)
{
    struct kit *k = begin();
    struct kit_client *alice = come(k, "alice", "net.test", "n");
    const char *sent;

    (void)state;
    kit_link_say(k, "<presence xmlns='" NS_COMPONENT "' type='subscribe' from='romeo@beta.test'"
                    " to='alice@prime.test'/>");
    EXPECT(alice, "from='romeo@net.test' type='subscribe'");
    kit_say(k, alice, "<presence to='romeo@net.test' type='subscribed'/>");
    EXPECT(alice, "<item jid='romeo@net.test' subscription='from'");
    sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, "to='romeo@beta.test' from='alice@net.test' type='subscribed'");
    EXPECT_IN(sent, "to='romeo@beta.test' from='alice@net.test/n'");
    kit_say(k, alice, "<presence to='romeo@net.test' type='subscribe'/>");
    net_learn(k, "romeo", "gamma.test");
    kit_link_say(k, "<presence xmlns='" NS_COMPONENT "' type='subscribed' from='romeo@gamma.test'"
                    " to='alice@prime.test'/>");
    EXPECT(alice, "<item jid='romeo@net.test' subscription='both'");
    assert_int_equal(rows(k), 1);
    assert_true(sm_user_is_seen_by(alice_of(k), SPAN("romeo@gamma.test/R")));
    assert_true(sm_user_is_seen_by(alice_of(k), SPAN("romeo@net.test")));
    buf_clear(&k->link.out);
    kit_say(k, alice, "<presence><show>away</show></presence>");
    EXPECT_LINK(k, "to='romeo@gamma.test' from='alice@net.test/n'");
    kit_say(k, alice, "<presence to='romeo@gamma.test' type='unsubscribed'/>");
    EXPECT(alice, "<item jid='romeo@net.test' subscription='to'");
    assert_false(sm_user_is_seen_by(alice_of(k), SPAN("romeo@beta.test")));
    kit_close(k, alice);
    net_free(k);
}

/* Nobody owns her: the store knows him, too; and who has her name elsewhere is not she. */
static void test_absent(void **state)
{
    static const struct {
        const char *from, *answer;
    } cases[] = {
        {"romeo@beta.test/R", "type='unavailable'"},
        {"romeo@gamma.test/R", "type='unavailable'"},
        {"juliet@beta.test/R", "type='unsubscribed'"},
        {"romeo@far.test/R", "type='unsubscribed'"},
    };
    struct kit *k = begin();
    char xml[300];

    (void)state;
    add_contact(k, CONTACT("romeo@net.test"));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(xml, sizeof(xml),
                 "<presence xmlns='" NS_COMPONENT "' type='probe' from='%s'"
                 " to='alice@prime.test'/>",
                 cases[i].from);
        net_hear(k, xml);
        EXPECT_LINK(k, cases[i].answer);
    }
    net_free(k);
}

/* As she was written before her server was in the network; and by two names at once. */
static void test_table_changes(void **state)
{
    struct kit *k = begin();
    struct kit_client *alice;

    (void)state;
    add_contact(k, CONTACT("julia@delta.test"));
    add_contact(k, CONTACT("romeo@beta.test"));
    alice = come(k, "alice", "net.test", "n");
    assert_false(sm_user_is_seen_by(alice_of(k), SPAN("julia@net.test")));
    assert_true(sm_user_is_seen_by(alice_of(k), SPAN("romeo@net.test")));
    net_table(k, NET_TABLE "delta.test " NET_FINGERPRINT_DELTA " enabled\n");
    kit_settle(k);
    assert_true(sm_user_is_seen_by(alice_of(k), SPAN("julia@net.test")));
    assert_true(sm_user_is_seen_by(alice_of(k), SPAN("julia@beta.test/x")));
    kit_say(k, alice,
            "<iq type='set' id='1'>" ROSTER "<item jid='julia@delta.test' name='J'/>"
            "</query></iq>");
    EXPECT(alice, "<item jid='julia@net.test' name='J'");
    net_table(k, "delta.test " NET_FINGERPRINT_DELTA " enabled\n");
    kit_settle(k);
    assert_false(sm_user_is_seen_by(alice_of(k), SPAN("romeo@net.test")));
    assert_true(sm_user_is_seen_by(alice_of(k), SPAN("romeo@beta.test")));
    kit_close(k, alice);
    net_free(k);
}

/* --- block lists ------------------------------------------------------------------------------ */

#define BLOCK(what, jid)                                                                           \
    "<iq type='set' id='b'><" what BLOCKING "><item jid='" jid "'/></" what "></iq>"

static bool blocks(const struct kit *k, const char *who)
{
    return sm_is_blocked(alice_of(k), span_of(who));
}

static void test_block(void **state)
{
    struct kit *k = begin();
    struct kit_client *net = come(k, "alice", "net.test", "n"),
                      *host = come(k, "alice", "prime.test", "h");

    (void)state;
    kit_say(k, net, "<iq type='get' id='l'><blocklist" BLOCKING "/></iq>");
    kit_say(k, host, "<iq type='get' id='l'><blocklist" BLOCKING "/></iq>");
    kit_heard(net);
    kit_heard(host);
    kit_say(k, host, BLOCK("block", "romeo@beta.test"));
    EXPECT(net, "<item jid='romeo@net.test'/>");
    EXPECT(host, "<item jid='romeo@beta.test'/>");
    assert_true(blocks(k, "romeo@beta.test/R"));
    assert_true(blocks(k, "romeo@gamma.test"));
    assert_true(blocks(k, "romeo@net.test"));
    assert_false(blocks(k, "romeo@far.test"));
    net_hear(k, "<message xmlns='" NS_COMPONENT "' from='romeo@gamma.test/R'"
                " to='alice@prime.test'><body>x</body></message>");
    EXPECT_NOTHING(net);
    net_learn(k, "romeo", "beta.test");
    kit_say(k, net, "<message to='romeo@net.test'><body>x</body></message>");
    EXPECT(net, "<blocked xmlns=");
    kit_heard(host);
    kit_say(k, net, BLOCK("unblock", "romeo@net.test"));
    EXPECT(host, "<unblock" BLOCKING "><item jid='romeo@beta.test'/></unblock>");
    assert_false(blocks(k, "romeo@beta.test"));
    kit_heard(net);
    /* a resource, a domain, himself */
    kit_say(k, net, BLOCK("block", "romeo@gamma.test/R"));
    assert_true(blocks(k, "romeo@beta.test/R"));
    assert_false(blocks(k, "romeo@beta.test/S"));
    kit_say(k, net, BLOCK("block", "gamma.test"));
    assert_true(blocks(k, "juliet@gamma.test/x"));
    assert_false(blocks(k, "juliet@beta.test/x"));
    kit_heard(net);
    kit_say(k, net, BLOCK("block", "alice@beta.test"));
    EXPECT(net, "<not-allowed");
    kit_say(k, net, BLOCK("block", "net.test"));
    EXPECT(net, "<not-allowed");
    kit_close(k, net);
    kit_close(k, host);
    net_free(k);
}

/* By names of before there was a network: what a client sees, it can remove. */
static void test_block_of_before(void **state)
{
    struct kit *k = begin();
    struct kit_client *alice;

    (void)state;
    kit_sql(k,
            "INSERT INTO block (account, jid) SELECT id, 'bob@prime.test' FROM account"
            " WHERE name = ?1",
            "alice");
    alice = come(k, "alice", "net.test", "n");
    assert_true(blocks(k, "bob@net.test"));
    kit_say(k, alice, "<iq type='get' id='l'><blocklist" BLOCKING "/></iq>");
    EXPECT(alice, "<item jid='bob@net.test'/>");
    kit_say(k, alice, BLOCK("unblock", "bob@net.test"));
    assert_false(blocks(k, "bob@net.test"));
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM block WHERE jid <> ?1", ""), 0);
    kit_close(k, alice);
    net_free(k);
}

/* --- the archive ------------------------------------------------------------------------------ */

static size_t found(struct kit *k, struct kit_client *c, const char *with)
{
    char xml[600];
    const char *heard;
    size_t n = 0;

    kit_heard(c);
    snprintf(xml, sizeof(xml),
             "<iq type='set' id='q'><query xmlns='" MAM "'><x xmlns='jabber:x:data' type='submit'>"
             "<field var='FORM_TYPE' type='hidden'><value>" MAM "</value></field>"
             "<field var='with'><value>%s</value></field></x></query></iq>",
             with);
    kit_say(k, c, xml);
    heard = kit_heard(c);
    assert_null(strstr(heard, "beta.test"));
    for (const char *at = strstr(heard, "<result "); at; at = strstr(at + 1, "<result "))
        n++;
    return n;
}

static void test_archive(void **state)
{
    struct kit *k = begin();
    struct kit_client *alice = come(k, "alice", "net.test", "n");
    static const char *const names[] = {"romeo@net.test", "romeo@beta.test", "romeo@gamma.test",
                                        "Romeo@net.test"};

    (void)state;
    kit_say(k, alice, "<message to='romeo@net.test' id='1'><body>1</body></message>");
    net_hear(k, "<message xmlns='" NS_COMPONENT "' from='romeo@beta.test/R'"
                " to='alice@prime.test'><body>2</body></message>");
    net_hear(k, "<message xmlns='" NS_COMPONENT "' from='romeo@gamma.test/R'"
                " to='alice@prime.test'><body>3</body></message>");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_int_equal(found(k, alice, names[i]), 3);
    assert_int_equal(found(k, alice, "romeo@net.test/R"), 2);
    assert_int_equal(found(k, alice, "romeo@far.test"), 0);
    kit_close(k, alice);
    net_free(k);
}

static void test_archive_prefs(void **state)
{
    struct kit *k = begin();
    struct kit_client *net = come(k, "alice", "net.test", "n"),
                      *host = come(k, "alice", "prime.test", "h");

    (void)state;
    kit_say(k, host,
            "<iq type='set' id='p'><prefs xmlns='" MAM "' default='always'><always/><never>"
            "<jid>romeo@beta.test</jid></never></prefs></iq>");
    EXPECT(host, "<never><jid>romeo@beta.test</jid></never>");
    kit_say(k, net, "<iq type='get' id='p'><prefs xmlns='" MAM "'/></iq>");
    EXPECT(net, "<never><jid>romeo@net.test</jid></never>");
    net_hear(k, "<message xmlns='" NS_COMPONENT "' from='romeo@gamma.test/R'"
                " to='alice@prime.test'><body>x</body></message>");
    assert_int_equal(found(k, net, "romeo@net.test"), 0);
    kit_close(k, net);
    kit_close(k, host);
    net_free(k);
}

/* --- nodes ------------------------------------------------------------------------------------ */

#define GET_ITEMS(from, node)                                                                      \
    "<iq xmlns='" NS_COMPONENT "' type='get' id='i' from='" from "' to='alice@prime.test'>"        \
    "<pubsub xmlns='" PS "'><items node='" node "'/></pubsub></iq>"
#define PUBLISH(node, access)                                                                      \
    "<iq type='set' id='s'><pubsub xmlns='" PS "'><publish node='" node "'><item id='1'>"          \
    "<e xmlns='urn:e'/></item></publish><publish-options><x xmlns='jabber:x:data' type='submit'>"  \
    "<field var='FORM_TYPE' type='hidden'><value>" PS "#publish-options</value></field>"           \
    "<field var='pubsub#access_model'><value>" access "</value></field></x></publish-options>"     \
    "</pubsub></iq>"

static void test_nodes(void **state)
{
    struct kit *k = begin();
    struct kit_client *alice;

    (void)state;
    add_contact(k, CONTACT("romeo@net.test"));
    alice = come(k, "alice", "net.test", "n");
    kit_say(k, alice, PUBLISH("p", "presence"));
    kit_say(k, alice, PUBLISH("w", "whitelist"));
    net_hear(k, GET_ITEMS("romeo@beta.test/R", "p"));
    EXPECT_LINK(k, "<item id='1'");
    net_hear(k, GET_ITEMS("juliet@beta.test/R", "p"));
    EXPECT_LINK(k, "type='error'");
    kit_link_say(k, GET_ITEMS("alice@beta.test/R", "p"));
    EXPECT_LINK(k, "type='error'");
    net_hear(k, GET_ITEMS("juliet@beta.test/R", "w"));
    EXPECT_LINK(k, "type='error'");
    kit_say(k, alice,
            "<iq type='set' id='a'><pubsub xmlns='" PS "#owner'><affiliations node='w'>"
            "<affiliation jid='juliet@net.test' affiliation='member'/></affiliations>"
            "</pubsub></iq>");
    net_hear(k, GET_ITEMS("juliet@beta.test/R", "w"));
    EXPECT_LINK(k, "<item id='1'");
    kit_link_say(k, GET_ITEMS("juliet@far.test/R", "w"));
    EXPECT_LINK(k, "type='error'");
    /* a subscription, of one who knows himself by the network's domain */
    kit_link_say(k, "<iq xmlns='" NS_COMPONENT "' type='set' id='s' from='romeo@beta.test/R'"
                    " to='alice@prime.test'><pubsub xmlns='" PS "'><subscribe node='p'"
                    " jid='romeo@net.test'/></pubsub></iq>");
    EXPECT_LINK(k, "subscription='subscribed'");
    kit_say(k, alice, PUBLISH("p", "presence"));
    EXPECT_LINK(k, "<message to='romeo@beta.test' from='alice@net.test'");
    kit_close(k, alice);
    net_free(k);
}

/* A contact at another server whose client wants to hear of a node. */
static void test_events(void **state)
{
    struct kit *k = begin();
    struct kit_client *alice;
    const char *sent, *id;
    char xml[1024];

    (void)state;
    add_contact(k, CONTACT("romeo@net.test"));
    alice = come(k, "alice", "net.test", "n");
    kit_link_say(k, "<presence xmlns='" NS_COMPONENT "' from='romeo@beta.test/R'"
                    " to='alice@prime.test'><c xmlns='http://jabber.org/protocol/caps' hash='sha-1'"
                    " node='x' ver='umWUyCQekcDAAfGil8vi41WZD6o='/></presence>");
    EXPECT(alice, "from='romeo@net.test/R'");
    sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, "to='romeo@beta.test/R'");
    id = strstr(sent, "id='caps-");
    assert_non_null(id);
    snprintf(
        xml, sizeof(xml),
        "<iq xmlns='" NS_COMPONENT "' type='result' from='romeo@beta.test/R'"
        " to='alice@prime.test' id='%.*s'><query xmlns='http://jabber.org/protocol/disco#info'>"
        "<identity category='client' type='pc' name='T'/>"
        "<feature var='http://jabber.org/protocol/disco#info'/><feature var='n+notify'/>"
        "</query></iq>",
        (int)strcspn(id + 4, "'"), id + 4);
    kit_link_say(k, xml);
    kit_say(k, alice, PUBLISH("n", "presence"));
    EXPECT_LINK(k, "<message to='romeo@beta.test/R' from='alice@net.test'");
    kit_close(k, alice);
    net_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),           cmocka_unit_test(test_roster_item),
        cmocka_unit_test(test_subscription),    cmocka_unit_test(test_absent),
        cmocka_unit_test(test_table_changes),   cmocka_unit_test(test_block),
        cmocka_unit_test(test_block_of_before), cmocka_unit_test(test_archive),
        cmocka_unit_test(test_archive_prefs),   cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
