/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Accounts as publish-subscribe services: requests of their owner, of contacts and of strangers,
 * here and elsewhere.
 */
#include "sm_pep.h"

/* The operations of an owner, one after the other (XEP-0060 5 to 8). */
static const struct say owner_says[] = {
    {IQ("set", "", PUBSUB(PUBLISH("n", "1", E("one")))),
     "<pubsub xmlns='" PS "'><publish node='n'><item id='1'/></publish></pubsub></iq>"},
    {IQ("get", "", PUBSUB("<items node='n'/>")),
     "<items node='n'><item id='1'><e xmlns='urn:e'>one</e></item></items></pubsub></iq>"},
    /* one item is kept by default */
    {IQ("set", "", PUBSUB(PUBLISH("n", "2", E("two")))), "type='result'"},
    {IQ("get", "", PUBSUB("<items node='n'/>")), "<items node='n'><item id='2'>"},
    {IQ("get", "", PUBSUB("<items node='none'/>")), "<item-not-found"},
    {IQ("get", "", PUBSUB("<items/>")), "<nodeid-required xmlns='" PS "#errors'/>"},
    {IQ("set", "", PUBSUB("<publish node='n'><item id='3'/></publish>")), "<payload-required"},
    {IQ("set", "", PUBSUB("<publish node='n'/>")), "<item-required"},
    {IQ("set", "", PUBSUB("<publish node='n'><item><e xmlns='u'/><f xmlns='u'/></item>"
                          "</publish>")), "<invalid-payload"},
    {IQ("set", "", PUBSUB("<unheard/>")), "<bad-request"},
    {IQ("get", "", PUBSUB(PUBLISH("n", "1", E("")))), "<bad-request"},
    /* configure */
    {IQ("get", "", OWNER("<configure node='n'/>")),
     "<field var='pubsub#access_model' type='list-single'"},
    {IQ("set", "", OWNER("<configure node='n'>" FORM("node_config", FIELD("max_items", "max")
        FIELD("title", "N&amp;N") FIELD("access_model", "open")) "</configure>")),
     "<iq type='result' id='q' to='alice@prime.test/x'/>"},
    {IQ("get", "", OWNER("<configure node='n'/>")), "<value>max</value>"},
    {IQ("set", "", OWNER("<configure node='n'>" FORM("node_config", FIELD("max_items", "9"))
        "</configure>")), "<not-acceptable"},
    {IQ("set", "", OWNER("<configure node='n'>" FORM("node_config", FIELD("access_model", "magic"))
        "</configure>")), "<not-acceptable"},
    {IQ("set", "", OWNER("<configure node='n'>" FORM("node_config", FIELD("persist_items", "yes"))
        "</configure>")), "<bad-request"},
    {IQ("set", "", OWNER("<configure node='none'>" FORM("node_config", "") "</configure>")),
     "<item-not-found"},
    {IQ("get", "", OWNER("<default/>")), "<value>presence</value>"},
    /* items */
    {IQ("set", "", PUBSUB(PUBLISH("n", "3", E("three")))), "type='result'"},
    {IQ("set", "", PUBSUB(PUBLISH("n", "4", E("four")))), "type='result'"},
    {IQ("get", "", PUBSUB("<items node='n' max_items='2'/>")), "<items node='n'><item id='3'>"},
    {IQ("get", "", PUBSUB("<items node='n'><item id='2'/><item id='9'/></items>")),
     "<items node='n'><item id='2'><e xmlns='urn:e'>two</e></item></items>"},
    {IQ("get", "", PUBSUB("<items node='n'/><set xmlns='http://jabber.org/protocol/rsm'>"
                          "<max>1</max><after>2</after></set>")),
     "<item id='3'><e xmlns='urn:e'>three</e></item></items>"
     "<set xmlns='http://jabber.org/protocol/rsm'><first index='1'>3</first><last>3</last>"
     "<count>3</count></set>"},
    {IQ("get", "", PUBSUB("<items node='n'/><set xmlns='http://jabber.org/protocol/rsm'>"
                          "<max>2</max><before/></set>")), "<first index='1'>3</first>"},
    {IQ("get", "", PUBSUB("<items node='n'/><set xmlns='http://jabber.org/protocol/rsm'>"
                          "<max>2</max><before>4</before></set>")), "<first index='0'>2</first>"},
    {IQ("get", "", PUBSUB("<items node='n'/><set xmlns='http://jabber.org/protocol/rsm'>"
                          "<after>x</after></set>")), "<item-not-found"},
    {IQ("set", "", PUBSUB("<retract node='n'><item id='3'/></retract>")), "type='result'"},
    {IQ("set", "", PUBSUB("<retract node='n'><item id='3'/></retract>")), "<item-not-found"},
    {IQ("set", "", PUBSUB("<retract node='n'/>")), "<item-required"},
    /* publish-options: XEP-0060 7.1.5 */
    {IQ("set", "", PUBSUB(PUBLISH("n", "5", E("")) OPTIONS(FIELD("access_model", "open")))),
     "type='result'"},
    {IQ("set", "", PUBSUB(PUBLISH("n", "6", E("")) OPTIONS(FIELD("access_model", "whitelist")))),
     "<precondition-not-met xmlns='" PS "#errors'/>"},
    {IQ("set", "", PUBSUB(PUBLISH("n", "6", E("")) OPTIONS(FIELD("unheard", "1")))),
     "<precondition-not-met"},
    {IQ("get", "", PUBSUB("<items node='n' max_items='1'/>")), "<items node='n'><item id='5'>"},
    {IQ("set", "", PUBSUB(PUBLISH("w", "1", E("")) OPTIONS(FIELD("access_model", "whitelist")
        FIELD("max_items", "max") FIELD("persist_items", "true")
        FIELD("send_last_published_item", "never")))), "type='result'"},
    {IQ("get", "", OWNER("<configure node='w'/>")), "<value>whitelist</value>"},
    /* create */
    {IQ("set", "", PUBSUB("<create node='c'/><configure>" FORM("node_config",
        FIELD("access_model", "roster") FIELD("roster_groups_allowed", "Friends")) "</configure>")),
     "<iq type='result' id='q' to='alice@prime.test/x'/>"},
    {IQ("set", "", PUBSUB("<create node='c'/>")), "<conflict"},
    {IQ("set", "", PUBSUB("<create/>")), "<create node='"},
    /* affiliations and subscriptions */
    {IQ("set", "", OWNER("<affiliations node='w'><affiliation jid='bob@prime.test'"
                         " affiliation='member'/><affiliation jid='d@e' affiliation='outcast'/>"
                         "</affiliations>")), "type='result'"},
    {IQ("get", "", OWNER("<affiliations node='w'/>")),
     "<affiliation jid='alice@prime.test' affiliation='owner'/>"
     "<affiliation jid='bob@prime.test' affiliation='member'/>"
     "<affiliation jid='d@e' affiliation='outcast'/></affiliations>"},
    {IQ("set", "", OWNER("<affiliations node='w'><affiliation jid='alice@prime.test'"
                         " affiliation='none'/></affiliations>")), "<not-acceptable"},
    {IQ("get", "", PUBSUB("<affiliations/>")), "<affiliation node='w' affiliation='owner'/>"},
    {IQ("set", "", OWNER("<subscriptions node='w'><subscription jid='bob@prime.test'"
                         " subscription='subscribed'/></subscriptions>")), "type='result'"},
    {IQ("get", "", OWNER("<subscriptions node='w'/>")),
     "<subscription jid='bob@prime.test' subscription='subscribed'/></subscriptions>"},
    {IQ("set", "", PUBSUB("<subscribe node='n' jid='alice@prime.test'/>")),
     "<subscription node='n' jid='alice@prime.test' subscription='subscribed'/>"},
    {IQ("get", "", PUBSUB("<subscriptions/>")), "<subscription node='n' jid='alice@prime.test'"},
    {IQ("set", "", PUBSUB("<unsubscribe node='n' jid='alice@prime.test'/>")), "type='result'"},
    {IQ("set", "", PUBSUB("<unsubscribe node='n' jid='alice@prime.test'/>")), "<not-subscribed"},
    {IQ("set", "", PUBSUB("<subscribe node='n' jid='bob@prime.test'/>")), "<invalid-jid"},
    {IQ("set", "", PUBSUB("<subscribe node='n'/>")), "<jid-required"},
    /* purge, delete */
    {IQ("set", "", OWNER("<purge node='n'/>")), "type='result'"},
    {IQ("get", "", PUBSUB("<items node='n'/>")), "<items node='n'></items>"},
    {IQ("set", "", OWNER("<delete node='n'/>")), "type='result'"},
    {IQ("get", "", PUBSUB("<items node='n'/>")), "<item-not-found"},
    {IQ("set", "", OWNER("<delete node='n'/>")), "<item-not-found"},
};

static void an_owner_does_it_all(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    (void)state;

    play(k, a, owner_says, ARRAY_LEN(owner_says));
    kit_close(k, a);
    kit_free(k);
}

/* --- others --- */

static const struct access {
    const char *node, *bob, *far, *eve;
} accesses[] = {
    {"open", "type='result'", "type='result'", "type='result'"},
    {"presence", "type='result'", "type='result'",
     "<error type='auth'><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
     "<presence-subscription-required xmlns='" PS "#errors'/>"},
    {"roster", "type='result'", "<not-in-roster-group xmlns='" PS "#errors'/>",
     "<not-in-roster-group"},
    {"white", "<not-allowed", "<closed-node xmlns='" PS "#errors'/>", "<item-not-found"},
    {"none", "<item-not-found", "<item-not-found", "<item-not-found"},
};

/* Whether alice is there or not. */
static void check_access(struct kit *k, struct kit_client *b, struct kit_client *e)
{
    for (size_t i = 0; i < ARRAY_LEN(accesses); i++) {
        char xml[512];
        snprintf(xml, sizeof(xml), IQ("get", TO_ALICE, PUBSUB("<items node='%s'/>")),
                 accesses[i].node);
        kit_say(k, b, xml);
        EXPECT(b, accesses[i].bob);
        kit_say(k, e, xml);
        EXPECT(e, accesses[i].eve);
        snprintf(xml, sizeof(xml), IQ("get", TO_ALICE " from='r@far.test/y'",
                                      PUBSUB("<items node='%s'/>")), accesses[i].node);
        kit_drain(&k->link.out);
        kit_link_say(k, xml);
        EXPECT_LINK(k, accesses[i].far);
    }
}

static void an_access_model_decides(void **state)
{
    struct kit *k = with_contacts();
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *b = kit_open(k, "bob", "prime.test", "y");
    struct kit_client *e = kit_open(k, "eve", "prime.test", "z");
    (void)state;

    play(k, a, nodes, ARRAY_LEN(nodes));
    sm_set_link(k->sm, &k->link); /* to see the answers; it is not up */
    check_access(k, b, e);
    kit_close(k, a);
    check_access(k, b, e);
    kit_close(k, b), kit_close(k, e);
    kit_free(k);
}

/* What strangers ask of a node, of an account without nodes and of no account at all. */
static const char *const strange[] = {
    PUBSUB("<items node='n'/>"), PUBSUB("<subscriptions/>"), PUBSUB("<affiliations/>"),
    OWNER("<configure node='n'/>"), OWNER("<affiliations node='n'/>"), OWNER("<default/>"),
};
static const char *const strange_sets[] = {
    PUBSUB(PUBLISH("n", "1", E(""))), PUBSUB("<create node='n'/>"), OWNER("<delete node='n'/>"),
    OWNER("<purge node='n'/>"), PUBSUB("<retract node='n'><item id='1'/></retract>"),
    PUBSUB("<subscribe node='n' jid='eve@prime.test'/>"),
    OWNER("<configure node='n'>" FORM("node_config", "") "</configure>"),
};

static const char *answer_of(struct kit *k, struct kit_client *c, const char *type, const char *to,
                             const char *inside)
{
    char xml[2048];
    const char *heard;

    snprintf(xml, sizeof(xml), "<iq type='%s' id='q' to='%s@prime.test'>%s</iq>", type, to, inside);
    kit_say(k, c, xml);
    heard = strstr(kit_heard(c), "type='");
    assert_non_null(heard);
    heard = strchr(heard, '>');
    assert_non_null(heard);
    return heard;
}

static void nobody_looks_like_bob(struct kit *k, struct kit_client *e)
{
    for (size_t i = 0; i < ARRAY_LEN(strange) + ARRAY_LEN(strange_sets); i++) {
        bool is_get = i < ARRAY_LEN(strange);
        const char *inside = is_get ? strange[i] : strange_sets[i - ARRAY_LEN(strange)];
        char first[4096];
        const char *type = is_get ? "get" : "set";
        snprintf(first, sizeof(first), "%s", answer_of(k, e, type, "bob", inside));
        assert_string_equal(first, answer_of(k, e, type, "zoe", inside));
        if (!is_get || i >= 3)
            assert_null(strstr(first, "<pubsub"));
    }
}

/* C25: nothing tells whether there is such an account, not even a node that is closed. */
static void nobody_looks_like_one_without_nodes(void **state)
{
    struct kit *k = with_contacts();
    struct kit_client *e = kit_open(k, "eve", "prime.test", "z");
    struct kit_client *b = kit_open(k, "bob", "prime.test", "y");
    (void)state;

    nobody_looks_like_bob(k, e);
    kit_say(k, b, IQ("set", "", PUBSUB(PUBLISH("n", "1", E(""))
                                       OPTIONS(FIELD("access_model", "whitelist")))));
    EXPECT(b, "type='result'");
    nobody_looks_like_bob(k, e);
    kit_close(k, b);
    nobody_looks_like_bob(k, e);
    kit_close(k, e);
    kit_free(k);
}

static void others_publish_where_they_may(void **state)
{
    static const struct say as_bob[] = {
        {IQ("set", TO_ALICE, PUBSUB(PUBLISH("open", "2", E("")))), "<forbidden"},
        {IQ("set", TO_ALICE, PUBSUB(PUBLISH("new", "2", E("")))), "<forbidden"},
        {IQ("set", TO_ALICE, OWNER("<delete node='open'/>")), "<forbidden"},
        {IQ("get", TO_ALICE, OWNER("<configure node='open'/>")), "<forbidden"},
    };
    static const struct say allow = {
        IQ("set", "", OWNER("<affiliations node='open'><affiliation jid='bob@prime.test'"
                            " affiliation='publisher'/></affiliations>")), "type='result'"};
    static const struct say as_publisher[] = {
        {IQ("set", TO_ALICE, PUBSUB(PUBLISH("open", "2", E("")))), "type='result'"},
        {IQ("set", TO_ALICE, PUBSUB(PUBLISH("open", "2", E("again")))), "type='result'"},
        {IQ("get", TO_ALICE, PUBSUB("<affiliations/>")),
         "<affiliation node='open' affiliation='publisher'/>"},
        {IQ("get", TO_ALICE, PUBSUB("<items node='open'/>")), "publisher='bob@prime.test'"},
        {IQ("set", TO_ALICE, OWNER("<purge node='open'/>")), "<forbidden"},
    };
    struct kit *k = with_contacts();
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *b = kit_open(k, "bob", "prime.test", "y");
    (void)state;

    play(k, a, nodes, ARRAY_LEN(nodes));
    play(k, b, as_bob, ARRAY_LEN(as_bob));
    play(k, a, &allow, 1);
    kit_close(k, a);
    play(k, b, as_publisher, ARRAY_LEN(as_publisher));
    kit_close(k, b);
    kit_free(k);
}

static void what_is_kept_is_bounded(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    char xml[8192], big[5001];
    (void)state;

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = 0;
    for (int i = 0; i < 7; i++) {
        snprintf(xml, sizeof(xml), IQ("set", "", PUBSUB(PUBLISH("n%d", "1", "<e xmlns='u'/>"))), i);
        kit_say(k, a, xml);
        EXPECT(a, i < 6 ? "type='result'" : "<resource-constraint");
    }
    snprintf(xml, sizeof(xml), IQ("set", "", PUBSUB(PUBLISH("n0", "1", "<e xmlns='u'>%s</e>"))),
             big);
    kit_say(k, a, xml);
    EXPECT(a, "<payload-too-big xmlns='" PS "#errors'/>");
    kit_say(k, a, IQ("set", "", OWNER("<configure node='n0'>" FORM("node_config",
        FIELD("max_items", "max")) "</configure>")));
    kit_heard(a);
    big[3000] = 0;
    for (int i = 0; i < 8; i++) {
        snprintf(xml, sizeof(xml),
                 IQ("set", "", PUBSUB(PUBLISH("n0", "%d", "<e xmlns='u'>%s</e>"))), i, big);
        kit_say(k, a, xml);
        EXPECT(a, i < 6 ? "type='result'" : "<resource-constraint");
    }
    for (int i = 0; i < 9; i++) {
        snprintf(xml, sizeof(xml), IQ("set", "", PUBSUB(PUBLISH("n0", "%d", "<e xmlns='u'/>"))), i);
        kit_say(k, a, xml);
        EXPECT(a, "type='result'");
    }
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM pubsub_item JOIN pubsub_node n ON"
                                " node = n.id WHERE n.name = ?1", "n0"), 8);
    kit_close(k, a);
    kit_free(k);
}

static void disco_shows_what_may_be_read(void **state)
{
    struct kit *k = with_contacts();
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *b = kit_open(k, "bob", "prime.test", "y");
    const char *heard;
    (void)state;

    play(k, a, nodes, ARRAY_LEN(nodes));
    kit_say(k, b, IQ("get", TO_ALICE, "<query xmlns='http://jabber.org/protocol/disco#info'/>"));
    heard = kit_heard(b);
    EXPECT_IN(heard, "<identity category='pubsub' type='pep'/>");
    EXPECT_IN(heard, "<feature var='" PS "#publish-options'/>");
    kit_say(k, b, IQ("get", TO_ALICE, "<query xmlns='http://jabber.org/protocol/disco#items'/>"));
    heard = kit_heard(b);
    EXPECT_IN(heard, "<item jid='alice@prime.test' node='roster'/>");
    assert_null(strstr(heard, "white"));
    kit_say(k, b, IQ("get", TO_ALICE,
                     "<query xmlns='http://jabber.org/protocol/disco#info' node='roster'/>"));
    heard = kit_heard(b);
    EXPECT_IN(heard, "<identity category='pubsub' type='leaf'/>");
    EXPECT_IN(heard, "<field var='pubsub#num_items'><value>1</value></field>");
    assert_null(strstr(heard, "Friends"));
    kit_say(k, b, IQ("get", TO_ALICE,
                     "<query xmlns='http://jabber.org/protocol/disco#items' node='open'/>"));
    EXPECT(b, "<item jid='alice@prime.test' name='1'/>");
    kit_say(k, b, IQ("get", TO_ALICE,
                     "<query xmlns='http://jabber.org/protocol/disco#info' node='white'/>"));
    EXPECT(b, "<closed-node");
    kit_close(k, a), kit_close(k, b);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_owner_does_it_all),
        cmocka_unit_test(an_access_model_decides),
        cmocka_unit_test(nobody_looks_like_one_without_nodes),
        cmocka_unit_test(others_publish_where_they_may),
        cmocka_unit_test(what_is_kept_is_bounded),
        cmocka_unit_test(disco_shows_what_may_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
