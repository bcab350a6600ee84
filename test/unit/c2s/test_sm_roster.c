/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rosters: items, groups, versions, pushes, limits (RFC 6121 2). What subscriptions do to them is
 * in test_sm_subscription.
 */
#include "sm_two.h"

#define ASK(type, payload) "<iq type='" type "' id='q'>" payload "</iq>"
#define ROSTER(inside) "<query xmlns='jabber:iq:roster'>" inside "</query>"

struct row {
    const char *xml, *answer;
};

static void set(struct kit *k, struct kit_client *c, const char *item)
{
    char xml[8192];
    snprintf(xml, sizeof(xml), ASK("set", ROSTER("%s")), item);
    kit_say(k, c, xml);
}

static void items_are_kept_and_pushed(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    struct kit_client *b = kit_open(k, "alice", "prime.test", "b");
    (void)state;

    kit_say(k, a, ASK("get", ROSTER("")));
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
    kit_say(k, b, ASK("get", ROSTER("")));
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
    kit_say(k, a, ASK("get", "<query xmlns='jabber:iq:roster' ver='1-1'/>"));
    EXPECT(a, "<iq type='result' id='q' to='alice@prime.test/a'/>");
    kit_say(k, a, ASK("get", "<query xmlns='jabber:iq:roster' ver=''/>"));
    EXPECT(a, "<item jid='bob@prime.test'");
    kit_say(k, a, ASK("get", "<query xmlns='jabber:iq:roster' ver='1-0'/>"));
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
    kit_say(k, a, ASK("get", ROSTER("<item jid='a@b'/>")));
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
        kit_input(k, a, ASK("get", ROSTER("")));
    EXPECT(a, "<resource-constraint");
    kit_settle(k);
    assert_null(strstr(kit_heard(a), "type='error'"));
    kit_say(k, a, ASK("get", ROSTER("")));
    EXPECT(a, "jid='c@else'");
    kit_close(k, a);
    kit_free(k);
}

/* RFC 6121 2.3.3: nobody is his own contact; 2.5.3: who is not there cannot be removed. */
static void oneself_is_no_contact(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    (void)state;

    set(k, a, "<item jid='alice@prime.test'/>");
    EXPECT(a, "<not-allowed");
    set(k, a, "<item jid='alice@net.test/x' name='me'/>");
    EXPECT(a, "<not-allowed");
    set(k, a, "<item jid='alice@net.test' subscription='remove'/>");
    EXPECT(a, "<item-not-found");
    kit_close(k, a);
    kit_free(k);
}

/* Of the item's attributes a client sets its name alone; 2.1.2.2, 2.1.2.5 */
static void states_are_not_for_clients_to_set(void **state)
{
    static const char *const subscriptions[] = {"to", "from", "both", "none", "strange"};
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    char xml[200];
    (void)state;

    kit_say(k, a, ASK("get", ROSTER("")));
    for (size_t i = 0; i < ARRAY_LEN(subscriptions); i++) {
        kit_heard(a);
        snprintf(xml, sizeof(xml), "<item jid='x@else.org' subscription='%s' ask='subscribe'"
                                   " approved='true'/>", subscriptions[i]);
        set(k, a, xml);
        EXPECT(a, "<item jid='x@else.org' subscription='none'></item>");
    }
    kit_close(k, a);
    kit_free(k);
}

/* A client answers what is pushed to it: nothing comes of that, whatever it answers. */
static void answers_to_pushes_are_silent(void **state)
{
    static const char *const answers[] = {
        "<iq type='result' id='push-1'/>",
        "<iq type='result' id='push-1' to='alice@prime.test'/>",
        ("<iq type='error' id='push-1'><error type='cancel'><not-allowed"
         " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"),
        "<iq type='result' id='no-such-push'/>",
    };
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    (void)state;

    kit_say(k, a, ASK("get", ROSTER("")));
    set(k, a, "<item jid='x@else.org'/>");
    kit_heard(a);
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        kit_say(k, a, answers[i]);
        EXPECT_NOTHING(a);
    }
    kit_close(k, a);
    kit_free(k);
}

/* 2.1.6, and C03: a roster is its owner's alone, and a push comes from nobody else. */
static void nobody_else_reads_or_writes_it(void **state)
{
    static const char *const to[] = {"alice@prime.test", "alice@prime.test/a", "bob@prime.test",
                                     "nobody@prime.test"};
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    char xml[400];
    (void)state;

    kit_say(k, a, ASK("get", ROSTER("")));
    kit_heard(a);
    kit_link_up(k);
    for (size_t i = 0; i < ARRAY_LEN(to); i++) {
        for (int is_set = 0; is_set < 2; is_set++) {
            snprintf(xml, sizeof(xml),
                     "<iq type='%s' id='q' from='x@else.org/r' to='%s'>" ROSTER("%s") "</iq>",
                     is_set ? "set" : "get", to[i], is_set ? "<item jid='y@else.org'/>" : "");
            kit_link_say(k, xml);
            EXPECT_LINK(k, "type='error'");
            EXPECT_NOTHING(a);
        }
    }
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM roster WHERE ?1 = ?1", ""), 0);
    kit_close(k, a);
    kit_free(k);
}

/* Each change, of whatever kind, makes a version of its own, and the push carries it. */
static void every_change_has_its_version(void **state)
{
    static const char *const changes[] = {
        ASK("set", ROSTER("<item jid='x@else.org'/>")),
        ASK("set", ROSTER("<item jid='x@else.org' name='X'/>")),
        "<presence type='subscribe' to='x@else.org'/>",
        "<presence type='unsubscribe' to='x@else.org'/>",
        "<presence type='subscribed' to='x@else.org'/>",
        ASK("set", ROSTER("<item jid='x@else.org' subscription='remove'/>")),
    };
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    char ver[40];
    (void)state;

    kit_say(k, a, ASK("get", ROSTER("")));
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        kit_heard(a);
        kit_say(k, a, changes[i]);
        snprintf(ver, sizeof(ver), "ver='1-%zu'", i + 1);
        EXPECT(a, ver);
    }
    /* what changes nothing has none */
    kit_say(k, a, "<presence type='unsubscribe' to='x@else.org'/>");
    kit_say(k, a, "<presence type='unsubscribed' to='x@else.org'/>");
    kit_say(k, a, ASK("get", "<query xmlns='jabber:iq:roster' ver='1-6'/>"));
    EXPECT(a, "<iq type='result' id='q' to='alice@prime.test/a'/>");
    kit_close(k, a);
    kit_free(k);
}

/* Name and groups stay when a subscription changes, and the other way round. */
static void names_and_states_do_not_disturb_each_other(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    (void)state;

    kit_say(k, a, ASK("get", ROSTER("")));
    set(k, a, "<item jid='x@else.org' name='X'><group>g</group></item>");
    kit_heard(a);
    kit_say(k, a, "<presence type='subscribe' to='x@else.org'/>");
    EXPECT(a, "<item jid='x@else.org' name='X' subscription='none' ask='subscribe'>"
              "<group>g</group></item>");
    set(k, a, "<item jid='x@else.org' name='Y'/>");
    EXPECT(a, "<item jid='x@else.org' name='Y' subscription='none' ask='subscribe'></item>");
    kit_close(k, a);
    kit_free(k);
}

/* By a client of another instance: as by one of the owner's own. */
static void a_fronted_client_has_the_same_roster(void **state)
{
    struct two t;
    (void)state;

    struct kit_client *own = begin(&t);
    struct kit_client *far = open_fronted(&t, "far");
    kit_say(t.owner, own, ASK("get", ROSTER("")));
    say(&t, far, ASK("get", ROSTER("")));
    kit_heard(own), kit_heard(far);
    say(&t, far, ASK("set", ROSTER("<item jid='x@else.org' name='X'/>")));
    EXPECT(far, "<item jid='x@else.org' name='X' subscription='none'/>");
    EXPECT(own, "<item jid='x@else.org' name='X' subscription='none'>");
    kit_close(t.front, far);
    pump(&t);
    kit_close(t.owner, own);
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_are_kept_and_pushed),
        cmocka_unit_test(a_known_version_is_answered_with_nothing),
        cmocka_unit_test(bad_items_are_refused),
        cmocka_unit_test(a_roster_is_bounded),
        cmocka_unit_test(a_roster_does_not_fill_the_memory),
        cmocka_unit_test(oneself_is_no_contact),
        cmocka_unit_test(states_are_not_for_clients_to_set),
        cmocka_unit_test(answers_to_pushes_are_silent),
        cmocka_unit_test(nobody_else_reads_or_writes_it),
        cmocka_unit_test(every_change_has_its_version),
        cmocka_unit_test(names_and_states_do_not_disturb_each_other),
        cmocka_unit_test(a_fronted_client_has_the_same_roster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
