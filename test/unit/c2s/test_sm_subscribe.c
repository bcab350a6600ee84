/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stanzas of subscriptions, between users who are here, elsewhere, or not there: RFC 6121 3.
 */
#include "sm_kit.h"

#define GET "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>"

static struct kit_client *follow(struct kit *k, const char *user, const char *resource)
{
    struct kit_client *c = kit_open(k, user, "prime.test", resource);
    kit_say(k, c, GET);
    kit_heard(c);
    return c;
}

static struct kit_client *online(struct kit *k, const char *user, const char *resource)
{
    struct kit_client *c = follow(k, user, resource);
    kit_say(k, c, "<presence/>");
    kit_heard(c);
    return c;
}

static int64_t requests(struct kit *k, const char *user)
{
    return kit_sql(k,
                   "SELECT count(*) FROM roster_request WHERE account ="
                   " (SELECT id FROM account WHERE name = ?1)",
                   user);
}

/* text is in what is heard, and before, if given, comes earlier. */
static void in_order(const char *heard, const char *before, const char *text)
{
    const char *first = strstr(heard, before), *then = strstr(heard, text);
    if (!first || !then || first > then)
        fail_msg("expected \"%s\", then \"%s\" in \"%s\"", before, text, heard);
}

static void two_become_friends(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = online(k, "alice", "a"), *a2 = follow(k, "alice", "a2");
    struct kit_client *b = online(k, "bob", "b"), *mute = kit_open(k, "bob", "prime.test", "m");
    (void)state;

    kit_say(k, a, "<presence type='subscribe' to='bob@prime.test/x' id='s1'>"
                  "<status>me</status></presence>");
    EXPECT(a, "<item jid='bob@prime.test' subscription='none' ask='subscribe'></item>");
    EXPECT(a2, " ask='subscribe'");
    const char *heard = kit_heard(b);
    EXPECT_IN(heard, "<presence to='bob@prime.test' from='alice@prime.test'");
    EXPECT_IN(heard, " id='s1'");
    EXPECT_IN(heard, "><status>me</status></presence>");
    assert_null(strstr(heard, "<iq"));
    assert_int_equal(requests(k, "bob"), 1);
    /* again: nothing new for bob, nor for alice */
    kit_say(k, a, "<presence type='subscribe' to='bob@prime.test'/>");
    EXPECT_NOTHING(a);
    EXPECT_NOTHING(b);
    kit_say(k, b, "<presence type='subscribed' to='alice@prime.test'/>");
    EXPECT(b, "<item jid='alice@prime.test' subscription='from'></item>");
    heard = kit_heard(a);
    in_order(heard, "type='subscribed'", "<item jid='bob@prime.test' subscription='to'></item>");
    in_order(heard, "subscription='to'",
             "<presence to='alice@prime.test' from='bob@prime.test/b'/>");
    heard = kit_heard(a2);
    EXPECT_IN(heard, "subscription='to'");
    assert_null(strstr(heard, "prime.test/b")); /* not available */
    assert_int_equal(requests(k, "bob"), 0);
    /* the other way round */
    kit_say(k, b, "<presence type='subscribe' to='alice@prime.test'/>");
    EXPECT(b, " subscription='from' ask='subscribe'");
    kit_heard(a);
    kit_say(k, a, "<presence type='subscribed' to='bob@prime.test'/>");
    EXPECT(a, " subscription='both'");
    heard = kit_heard(b);
    EXPECT_IN(heard, " subscription='both'");
    EXPECT_IN(heard, "from='alice@prime.test/a'");
    EXPECT_NOTHING(mute);
    kit_close(k, a);
    kit_close(k, a2);
    kit_close(k, b);
    kit_close(k, mute);
    kit_free(k);
}

/* Makes them so without the stanzas. */
static void befriend(struct kit *k, const char *sql_subscription)
{
    static const char both[] = "INSERT INTO roster (account, jid, subscription)"
                               " SELECT id, ?1, 3 FROM account";
    static const char from[] = "INSERT INTO roster (account, jid, subscription)"
                               " SELECT id, ?1, 2 FROM account WHERE name = 'alice'";
    bool is_both = strcmp(sql_subscription, "both") == 0;
    kit_sql(k, is_both ? both : from, "bob@prime.test");
    if (is_both)
        kit_sql(k,
                "UPDATE roster SET jid = ?1 WHERE account ="
                " (SELECT id FROM account WHERE name = 'bob')",
                "alice@prime.test");
}

static void ending_it(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    befriend(k, "both");
    struct kit_client *a = online(k, "alice", "a"), *b = online(k, "bob", "b");
    EXPECT(a, "<presence to='alice@prime.test' from='bob@prime.test/b'/>");
    kit_say(k, a, "<presence type='unsubscribe' to='bob@prime.test'/>");
    const char *heard = kit_heard(a);
    EXPECT_IN(heard, " subscription='from'");
    EXPECT_IN(heard, "from='bob@prime.test/b' type='unavailable'/>");
    in_order(kit_heard(b), "type='unsubscribe'", " subscription='to'");
    kit_say(k, b, "<presence type='unsubscribe' to='alice@prime.test'/>");
    EXPECT(b, " subscription='none'");
    EXPECT(a, " subscription='none'");
    kit_close(k, a);
    kit_close(k, b);
    kit_free(k);
}

static void cancelling_it(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    befriend(k, "both");
    struct kit_client *a = online(k, "alice", "a"), *b = online(k, "bob", "b");
    kit_heard(a);
    kit_say(k, a, "<presence type='unsubscribed' to='bob@prime.test'/>");
    EXPECT(a, " subscription='to'");
    const char *heard = kit_heard(b);
    in_order(heard, "from='alice@prime.test/a' type='unavailable'", "type='unsubscribed'");
    in_order(heard, "type='unsubscribed'", " subscription='from'");
    /* and is not seen any more */
    kit_say(k, a, "<presence><show>away</show></presence>");
    EXPECT_NOTHING(b);
    kit_close(k, a);
    kit_close(k, b);
    kit_free(k);
}

/* RFC 6121 2.5.2 */
static void removing_the_contact(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    befriend(k, "both");
    struct kit_client *a = online(k, "alice", "a"), *b = online(k, "bob", "b");
    kit_heard(a);
    kit_say(k, a, "<iq type='set' id='d'><query xmlns='jabber:iq:roster'>"
                  "<item jid='bob@prime.test' subscription='remove'/></query></iq>");
    const char *heard = kit_heard(a);
    EXPECT_IN(heard, "<item jid='bob@prime.test' subscription='remove'/>");
    EXPECT_IN(heard, "from='bob@prime.test/b' type='unavailable'/>");
    heard = kit_heard(b);
    EXPECT_IN(heard, "from='alice@prime.test/a' type='unavailable'/>");
    in_order(heard, "type='unsubscribe'", " subscription='to'");
    in_order(heard, "type='unsubscribed'", " subscription='none'");
    kit_say(k, a, "<presence><show>away</show></presence>");
    kit_heard(a);
    kit_say(k, b, "<presence><show>away</show></presence>");
    EXPECT_NOTHING(a);
    kit_close(k, a);
    kit_close(k, b);
    kit_free(k);
}

/* RFC 6121 3.4 */
static void approving_in_advance(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = online(k, "alice", "a"), *b = online(k, "bob", "b");
    struct buf out = {0};
    (void)state;

    sm_features(k->sm, &out);
    EXPECT_IN(buf_z(&out), "<sub xmlns='urn:xmpp:features:pre-approval'/>");
    buf_free(&out);
    kit_say(k, b, "<presence type='subscribed' to='alice@prime.test'/>");
    EXPECT(b, "<item jid='alice@prime.test' subscription='none' approved='true'></item>");
    EXPECT_NOTHING(a);
    /* taken back, and given again */
    kit_say(k, b, "<presence type='unsubscribed' to='alice@prime.test'/>");
    EXPECT(b, "<item jid='alice@prime.test' subscription='none'></item>");
    EXPECT_NOTHING(a);
    kit_say(k, b, "<presence type='subscribed' to='alice@prime.test'/>");
    kit_heard(b);
    kit_say(k, a, "<presence type='subscribe' to='bob@prime.test'/>");
    const char *heard = kit_heard(b);
    EXPECT_IN(heard, "<item jid='alice@prime.test' subscription='from'></item>");
    assert_null(strstr(heard, "type='subscribe'"));
    heard = kit_heard(a);
    EXPECT_IN(heard, "type='subscribed'");
    EXPECT_IN(heard, "subscription='to'");
    EXPECT_IN(heard, "from='bob@prime.test/b'");
    assert_int_equal(requests(k, "bob"), 0);
    /* one who has forgotten is told again, and nobody is asked */
    kit_say(k, a, "<presence type='subscribe' to='bob@prime.test'/>");
    EXPECT_NOTHING(a); /* "subscribed" changes nothing for alice */
    EXPECT_NOTHING(b);
    kit_close(k, a);
    kit_close(k, b);
    kit_free(k);
}

/* --- nobody there --- */

static void a_request_waits(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = online(k, "alice", "a");
    (void)state;

    kit_say(k, a, "<presence type='subscribe' to='bob@prime.test'><nick xmlns='n'>A</nick>"
                  "</presence>");
    EXPECT(a, " ask='subscribe'");
    assert_int_equal(requests(k, "bob"), 1);
    struct kit_client *b = follow(k, "bob", "b");
    EXPECT_NOTHING(b);
    for (int i = 0; i < 2; i++) { /* until it is answered */
        kit_say(k, b, "<presence/>");
        const char *heard = kit_heard(b);
        EXPECT_IN(heard, "<presence to='bob@prime.test' from='alice@prime.test'");
        EXPECT_IN(heard, "type='subscribe'");
        EXPECT_IN(heard, "<nick xmlns='n'>A</nick>");
        kit_say(k, b, "<presence><show>away</show></presence>");
        assert_null(strstr(kit_heard(b), "subscribe"));
        kit_say(k, b, "<presence type='unavailable'/>");
        kit_heard(b);
    }
    /* a requested contact is no item */
    kit_say(k, b, GET);
    assert_null(strstr(kit_heard(b), "alice"));
    kit_close(k, a);
    kit_say(k, b, "<presence type='subscribed' to='alice@prime.test'/>");
    EXPECT(b, " subscription='from'");
    kit_say(k, b, "<presence/>");
    assert_null(strstr(kit_heard(b), "type='subscribe'"));
    /* alice was not there, but her roster knows */
    a = kit_open(k, "alice", "prime.test", "a");
    kit_say(k, a, GET);
    EXPECT(a, "<item jid='bob@prime.test' subscription='to'></item>");
    kit_say(k, a, "<presence/>");
    EXPECT(a, "from='bob@prime.test/b'");
    kit_close(k, a);
    kit_close(k, b);
    kit_free(k);
}

/* What was to be answered when it ended is not asked about any more. */
static void a_request_is_taken_back(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = online(k, "alice", "a");
    (void)state;

    kit_say(k, a, "<presence type='subscribe' to='bob@prime.test'/>");
    kit_say(k, a, "<presence type='unsubscribe' to='bob@prime.test'/>");
    assert_int_equal(requests(k, "bob"), 0);
    kit_say(k, a, "<presence type='subscribe' to='bob@prime.test'/>");
    kit_say(k, a, "<iq type='set' id='d'><query xmlns='jabber:iq:roster'>"
                  "<item jid='bob@prime.test' subscription='remove'/></query></iq>");
    assert_int_equal(requests(k, "bob"), 0);
    kit_close(k, a);
    kit_free(k);
}

/* C25, C26 */
static void an_unknown_user(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = online(k, "alice", "a");
    (void)state;

    kit_say(k, a, "<presence type='subscribe' to='nobody@prime.test'/>");
    const char *heard = kit_heard(a);
    in_order(heard, " ask='subscribe'", "from='nobody@prime.test' type='unsubscribed'");
    in_order(heard, "type='unsubscribed'", "subscription='none'></item>");
    kit_say(k, a, "<presence type='subscribed' to='nobody@prime.test'/>");
    kit_say(k, a, "<presence type='unsubscribe' to='nobody@prime.test'/>");
    kit_heard(a);
    kit_say(k, a, "<presence type='unsubscribed' to='nobody@prime.test'/>");
    assert_null(strstr(kit_heard(a), "<presence"));
    /* oneself */
    kit_say(k, a, "<presence type='subscribe' to='alice@net.test'/>");
    kit_say(k, a, "<presence type='subscribed' to='alice@prime.test'/>");
    EXPECT_NOTHING(a);
    kit_close(k, a);
    kit_free(k);
}

/* --- remote --- */

static void a_remote_contact(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = online(k, "alice", "a");
    (void)state;

    kit_link_up(k);
    kit_say(k, a, "<presence type='subscribe' to='x@else.org'/>");
    EXPECT_LINK(k, "<presence to='x@else.org' from='alice@prime.test' type='subscribe'/>");
    kit_link_say(k, "<presence type='subscribed' from='x@else.org' to='alice@prime.test'/>");
    in_order(kit_heard(a), "type='subscribed'", " subscription='to'");
    kit_link_say(k, "<presence type='subscribe' from='x@else.org/r' to='alice@prime.test/a'/>");
    EXPECT(a, "from='x@else.org'");
    kit_say(k, a, "<presence type='subscribed' to='x@else.org'/>");
    const char *sent = kit_drain(&k->link.out);
    in_order(sent, "type='subscribed'", "<presence to='x@else.org' from='alice@prime.test/a'/>");
    kit_heard(a);
    /* what nobody has asked for changes nothing */
    kit_link_say(k, "<presence type='subscribed' from='y@else.org' to='alice@prime.test'/>");
    kit_link_say(k, "<presence type='unsubscribe' from='y@else.org' to='alice@prime.test'/>");
    EXPECT_NOTHING(a);
    kit_link_say(k, "<presence type='subscribe' from='x@else.org' to='alice@prime.test'/>");
    EXPECT_LINK(k, "<presence to='x@else.org' from='alice@prime.test' type='subscribed'/>");
    EXPECT_NOTHING(a);
    kit_link_say(k, "<presence type='unsubscribe' from='x@else.org' to='alice@prime.test'/>");
    EXPECT_LINK(k, "from='alice@prime.test/a' type='unavailable'/>");
    EXPECT(a, " subscription='to'");
    kit_close(k, a);
    kit_free(k);
}

/* Nobody owns bob: his server answers for him; who owns him by then is told. */
static void a_remote_contact_of_an_absent_user(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    kit_link_up(k);
    kit_link_say(k, "<presence type='subscribe' from='x@else.org' to='bob@prime.test'/>");
    assert_int_equal(requests(k, "bob"), 1);
    EXPECT_LINK(k, "<changed xmlns=");
    kit_sql(k, "INSERT INTO roster (account, jid, ask) SELECT id, 'y@else.org', 2 FROM account"
               " WHERE name = ?1", "bob");
    kit_link_say(k, "<presence type='subscribe' from='y@else.org' to='bob@prime.test'/>");
    const char *sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, "<presence to='y@else.org' from='bob@prime.test' type='subscribed'/>");
    EXPECT_IN(sent, "<changed xmlns=");
    kit_link_say(k, "<presence type='subscribe' from='x@else.org' to='nobody@prime.test'/>");
    EXPECT_LINK(k, "<presence to='x@else.org' from='nobody@prime.test' type='unsubscribed'/>");
    kit_link_say(k, "<presence type='unsubscribe' from='x@else.org' to='nobody@prime.test'/>");
    assert_int_equal(buf_len(&k->link.out), 0);
    kit_free(k);
}

/* C26: one a sender, and not more than so many; a very long one loses what it holds. */
static void requests_are_bounded(void **state)
{
    struct kit *k = kit_new(NULL);
    static char xml[9000];
    (void)state;

    kit_link_up(k);
    for (int i = 0; i < 1010; i++) {
        for (int twice = 0; twice < 1 + (i < 5); twice++) {
            snprintf(xml, sizeof(xml),
                     "<presence type='subscribe' from='u%d@else.org' to='bob@prime.test'/>", i);
            kit_link_say(k, xml);
        }
    }
    assert_int_equal(requests(k, "bob"), 1000);
    const char *sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, "to='u1009@else.org' from='bob@prime.test' type='error'");
    assert_null(strstr(sent, "to='u999@else.org'"));
    snprintf(xml, sizeof(xml),
             "<presence type='subscribe' from='long@else.org' to='alice@prime.test'><status>%8000d"
             "</status></presence>", 1);
    kit_link_say(k, xml);
    assert_int_equal(requests(k, "alice"), 1);
    kit_link_down(k);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    kit_say(k, a, "<presence/>");
    EXPECT(a, "<presence to='alice@prime.test' from='long@else.org' type='subscribe'/>");
    kit_close(k, a);
    kit_free(k);
}

/* Another instance took it while the link was away: it is shown when we are told. */
static void a_request_that_came_elsewhere(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = online(k, "alice", "a"), *mute = follow(k, "alice", "mute");
    (void)state;

    kit_link_up(k);
    kit_sql(k,
            "INSERT INTO roster_request (account, jid, stamp, stanza) SELECT id, ?1, 0,"
            " ' from=''x@else.org'' type=''subscribe''/>' FROM account WHERE name = 'alice'",
            "x@else.org");
    EXPECT_NOTHING(a);
    kit_link_say(k, "<message type='headline' from='prime.test' to='alice@prime.test'>"
                    "<changed xmlns='http://kontalk.org/extensions/front'/></message>");
    assert_string_equal(kit_heard(a), "<presence to='alice@prime.test' from='x@else.org'"
                                      " type='subscribe'/>");
    EXPECT_NOTHING(mute);
    kit_close(k, a);
    kit_close(k, mute);
    kit_free(k);
}

/* All of them come, as the client takes them. */
static void many_requests_are_shown(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;
    for (int i = 0; i < 40; i++) {
        char jid[40];
        snprintf(jid, sizeof(jid), "u%02d@else.org", i);
        kit_sql(k,
                "INSERT INTO roster_request (account, jid, stamp, stanza) SELECT id, ?1, 0,"
                " ' from=''' || ?1 || ''' type=''subscribe''/>' FROM account WHERE name = 'bob'",
                jid);
    }
    struct kit_client *b = kit_open(k, "bob", "prime.test", "b");
    kit_say(k, b, "<presence/>");
    const char *heard = kit_heard(b);
    EXPECT_IN(heard, "<presence to='bob@prime.test' from='u00@else.org' type='subscribe'/>");
    EXPECT_IN(heard, "'u16@else.org'");
    EXPECT_IN(heard, "'u39@else.org'");
    kit_say(k, b, "<presence type='unavailable'/>");
    b->backlog = 6000;
    kit_heard(b);
    kit_say(k, b, "<presence/>");
    assert_null(strstr(kit_heard(b), "type='subscribe'"));
    kit_close(k, b);
    kit_free(k);
}

/* --- two domains, one user --- */

static void both_our_domains(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = online(k, "alice", "a"), *b = online(k, "bob", "b");
    (void)state;

    kit_say(k, a, "<presence type='subscribe' to='bob@net.test'/>");
    EXPECT(a, "<item jid='bob@net.test' subscription='none' ask='subscribe'>");
    kit_heard(b);
    kit_say(k, b, "<presence type='subscribed' to='alice@net.test'/>");
    EXPECT(b, "<item jid='alice@net.test' subscription='from'>");
    EXPECT(a, "<item jid='bob@net.test' subscription='to'>");
    /* the same contact */
    kit_say(k, a, "<presence type='unsubscribe' to='bob@prime.test'/>");
    EXPECT(a, "<item jid='bob@net.test' subscription='none'>");
    EXPECT(b, "<item jid='alice@net.test' subscription='none'>");
    kit_say(k, a, "<iq type='set' id='d'><query xmlns='jabber:iq:roster'>"
                  "<item jid='bob@prime.test' name='B'/></query></iq>");
    EXPECT(a, "<item jid='bob@net.test' name='B' subscription='none'>");
    kit_close(k, a);
    kit_close(k, b);
    kit_free(k);
}

/* The roster is full: no more contacts, whatever the way. */
static void the_roster_is_bounded(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = online(k, "alice", "a");
    char xml[100];
    (void)state;

    kit_link_up(k);
    for (int i = 0; i < 6; i++) {
        kit_drain(&k->link.out);
        kit_heard(a);
        snprintf(xml, sizeof(xml), "<presence type='subscribe' to='u%d@else.org'/>", i);
        kit_say(k, a, xml);
    }
    EXPECT(a, "<resource-constraint");
    assert_int_equal(buf_len(&k->link.out), 0);
    kit_close(k, a);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_become_friends),
        cmocka_unit_test(ending_it),
        cmocka_unit_test(cancelling_it),
        cmocka_unit_test(removing_the_contact),
        cmocka_unit_test(approving_in_advance),
        cmocka_unit_test(a_request_waits),
        cmocka_unit_test(a_request_is_taken_back),
        cmocka_unit_test(an_unknown_user),
        cmocka_unit_test(a_remote_contact),
        cmocka_unit_test(a_remote_contact_of_an_absent_user),
        cmocka_unit_test(requests_are_bounded),
        cmocka_unit_test(a_request_that_came_elsewhere),
        cmocka_unit_test(many_requests_are_shown),
        cmocka_unit_test(both_our_domains),
        cmocka_unit_test(the_roster_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
