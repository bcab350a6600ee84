/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_net_shown - a client that knows others by their servers is not told by the way where more
 * people are at home than its account may ask for in a day: neither by addresses that it is shown,
 * nor by errors; and those with whom its user has a subscription cost nothing.
 */
#include "net_kit.h"

#include "c2s/sm/network/resolver.h"

static struct kit *net_of(size_t daily)
{
    struct sm_opts opts = net_opts(NULL);

    opts.net.match_daily = daily;
    return net_new(NET_TABLE, &opts);
}

#define CONTACT(subscription)                                                                      \
    "INSERT INTO roster (account, jid, subscription, ask)"                                         \
    " SELECT id, ?1, " #subscription ", 0 FROM account WHERE name = 'alice'"

static struct kit_client *come(struct kit *k, const char *domain)
{
    struct kit_client *c = kit_open(k, "alice", domain, "r");

    if (!c->session)
        sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(k);
    assert_non_null(c->session);
    buf_clear(&c->out);
    buf_clear(&k->link.out);
    return c;
}

/* It may have to wait. */
static void roster_set(struct kit *k, struct kit_client *c, const char *jid)
{
    char xml[256];

    snprintf(xml, sizeof(xml),
             "<iq type='set' id='set'><query xmlns='" NS_ROSTER "'><item jid='%s'/></query></iq>",
             jid);
    kit_input(k, c, xml);
    kit_settle(k);
}

static void expect_jid(struct kit_client *c, const char *user, const char *domain)
{
    char text[128];

    snprintf(text, sizeof(text), "<item jid='%s@%s'", user, domain);
    EXPECT(c, text);
}

#define ROSTER_GET "<iq type='get' id='get'><query xmlns='" NS_ROSTER "'/></iq>"

/* --- addresses -------------------------------------------------------------------------------- */

static void test_roster_set(void **state)
{
    struct kit *k = net_of(2);
    struct kit_client *alice = come(k, "prime.test");
    const char *nobody = net_user(k, "beta.test", "gamma.test", 0);
    const char *user = net_user(k, "beta.test", "gamma.test", 1);
    char jid[64];

    (void)state;
    kit_say(k, alice, ROSTER_GET);
    EXPECT(alice, "id='get'");
    net_learn(k, "juliet", "beta.test");
    net_learn(k, "romeo", "beta.test");
    roster_set(k, alice, "juliet@net.test");
    expect_jid(alice, "juliet", "beta.test");
    snprintf(jid, sizeof(jid), "%s@net.test", nobody);
    roster_set(k, alice, jid); /* costs the same */
    net_answer(k, "beta.test", net_home(nobody, NULL, 0, true));
    kit_settle(k);
    expect_jid(alice, nobody, "net.test");
    /* Used up: whom the cache has, and whom it has not. */
    roster_set(k, alice, "romeo@net.test");
    expect_jid(alice, "romeo", "net.test");
    roster_set(k, alice, "romeo@beta.test");
    expect_jid(alice, "romeo", "net.test");
    buf_clear(&k->link.out);
    snprintf(jid, sizeof(jid), "%s@net.test", user);
    roster_set(k, alice, jid);
    expect_jid(alice, user, "net.test");
    EXPECT_NOT_ASKED(k, "beta.test");
    EXPECT_NOT_ASKED(k, "gamma.test");
    /* Who has been shown is shown again. */
    kit_say(k, alice, ROSTER_GET);
    const char *heard = kit_heard(alice);
    EXPECT_IN(heard, "<item jid='juliet@beta.test'");
    EXPECT_IN(heard, "<item jid='romeo@net.test'");
    /* A new day. */
    loop_sim_advance(k->loop, 25 * 3600 * 1000);
    net_learn(k, "romeo", "beta.test");
    roster_set(k, alice, "romeo@net.test");
    expect_jid(alice, "romeo", "beta.test");
    kit_close(k, alice);
    net_free(k);
}

static void test_subscribe(void **state)
{
    struct kit *k = net_of(1);
    struct kit_client *alice = come(k, "prime.test");

    (void)state;
    kit_say(k, alice, ROSTER_GET);
    EXPECT(alice, "id='get'");
    net_learn(k, "juliet", "beta.test");
    net_learn(k, "romeo", "beta.test");
    kit_say(k, alice, "<presence type='subscribe' to='juliet@net.test'/>");
    expect_jid(alice, "juliet", "beta.test");
    kit_say(k, alice, "<presence type='subscribe' to='romeo@net.test'/>");
    expect_jid(alice, "romeo", "net.test");
    /* He has accepted: so she knows that he is there. */
    kit_link_say(k, "<presence xmlns='" NS_COMPONENT "' type='subscribed' from='romeo@beta.test'"
                    " to='alice@prime.test'/>");
    kit_settle(k);
    expect_jid(alice, "romeo", "beta.test");
    kit_close(k, alice);
    net_free(k);
}

/* Contacts with a subscription, in either direction, and the others. */
static void test_roster(void **state)
{
    struct kit *k = net_of(1);
    struct kit_client *alice;
    const char *heard;

    (void)state;
    kit_sql(k, CONTACT(1), "to@net.test");
    kit_sql(k, CONTACT(2), "from@net.test");
    kit_sql(k, CONTACT(3), "both@net.test");
    kit_sql(k, CONTACT(0), "none1@net.test");
    kit_sql(k, CONTACT(0), "none2@net.test");
    alice = come(k, "prime.test");
    net_learn(k, "to", "beta.test");
    net_learn(k, "from", "beta.test");
    net_learn(k, "both", "beta.test");
    net_learn(k, "none1", "beta.test");
    net_learn(k, "none2", "beta.test");
    kit_say(k, alice, ROSTER_GET);
    heard = kit_heard(alice);
    EXPECT_IN(heard, "<item jid='to@beta.test'");
    EXPECT_IN(heard, "<item jid='from@beta.test'");
    EXPECT_IN(heard, "<item jid='both@beta.test'");
    assert_true(!strstr(heard, "none1@beta.test") != !strstr(heard, "none2@beta.test"));
    assert_true(!strstr(heard, "none1@net.test") != !strstr(heard, "none2@net.test"));
    kit_close(k, alice);
    net_free(k);
}

/* Whatever she writes to herself, and in the name of whom. */
static void test_payload(void **state)
{
    struct kit *k = net_of(1);
    struct kit_client *alice = come(k, "prime.test");
    const char *heard;

    (void)state;
    net_learn(k, "juliet", "beta.test");
    net_learn(k, "romeo", "beta.test");
    kit_say(k, alice,
            "<message to='alice@prime.test/r'><x xmlns='urn:example:x' jid='alice@net.test'>"
            "<y jid='juliet@net.test'/><y jid='romeo@net.test'/><y jid='romeo@beta.test'/>"
            "<y jid='probe@beta.test'/></x></message>");
    heard = kit_heard(alice);
    EXPECT_IN(heard, "jid='alice@prime.test'><y jid='juliet@beta.test'/><y jid='romeo@net.test'/>"
                     "<y jid='romeo@net.test'/><y jid='probe@beta.test'/>");
    kit_close(k, alice);
    net_free(k);
}

/* It is one quota, and what a match has found is not paid for twice. */
static void test_one_quota(void **state)
{
    struct kit *k = net_of(3);
    struct kit_client *alice = come(k, "prime.test");

    (void)state;
    net_learn(k, "juliet", "beta.test");
    net_learn(k, "romeo", "beta.test");
    kit_say(k, alice,
            "<iq type='get' id='1' to='probe@prime.test'><query xmlns='" NS_KONTALK_ROSTER "'>"
            "<item jid='juliet@net.test'/><item jid='bob@net.test'/></query></iq>");
    net_answer(k, "probe@beta.test",
               "<query xmlns='" NS_KONTALK_ROSTER "' complete='true'>"
               "<item jid='juliet@beta.test' stamp='1700000000000'/></query>");
    kit_settle(k);
    EXPECT(alice, "<item jid='juliet@beta.test'/>");
    kit_say(k, alice, "<message to='alice@prime.test/r'><y jid='romeo@net.test'/></message>");
    EXPECT(alice, "<y jid='romeo@beta.test'/>");
    kit_say(k, alice,
            "<iq type='get' id='2' to='probe@prime.test'><query xmlns='" NS_KONTALK_ROSTER "'>"
            "<item jid='bob@net.test'/></query></iq>");
    EXPECT(alice, "resource-constraint");
    kit_close(k, alice);
    net_free(k);
}

/* Clients that know nobody by his server pay nothing. */
static void test_by_the_network(void **state)
{
    struct kit *k = net_of(1);
    struct kit_client *alice = come(k, "net.test");

    (void)state;
    kit_say(k, alice,
            "<message to='alice@net.test/r'><y jid='juliet@beta.test'/><y jid='romeo@beta.test'/>"
            "</message>");
    EXPECT(alice, "<y jid='juliet@net.test'/><y jid='romeo@net.test'/>");
    kit_say(k, alice,
            "<iq type='get' id='1' to='probe@net.test'><query xmlns='" NS_KONTALK_ROSTER "'>"
            "<item jid='bob@net.test'/></query></iq>");
    EXPECT(alice, "<item jid='bob@net.test'/>");
    kit_close(k, alice);
    net_free(k);
}

/* --- errors ----------------------------------------------------------------------------------- */

static void refuse(struct kit *k, const char *name, const char *id, const char *from,
                   const char *domain)
{
    char xml[512];

    snprintf(xml, sizeof(xml),
             "<%s xmlns='" NS_COMPONENT "' type='error'%s from='%s' to='alice@%s/r'>"
             "<error type='cancel'><service-unavailable xmlns='" NS_STANZA_ERRORS
             "'/></error></%s>", name, id, from, domain, name);
    kit_link_say(k, xml);
    kit_settle(k);
}

/* romeo is at home at beta.test, nobody is nowhere: whose server speaks, then, is ours. */
static const struct {
    const char *domain; /* of the client */
    const char *name, *attrs, *id; /* of the stanza */
    const char *to, *from, *seen;
} errors[] = {
    {"prime.test", "message", "type='groupchat'", " id='1'", "romeo@net.test/none",
     "romeo@beta.test/none", " from='romeo@net.test/none'"},
    {"prime.test", "message", "type='groupchat'", " id='1'", "nobody@net.test/none",
     "nobody@prime.test/none", " from='nobody@net.test/none'"},
    {"prime.test", "message", "", "", "romeo@net.test", "romeo@beta.test",
     " from='romeo@net.test'"},
    {"prime.test", "message", "", "", "nobody@net.test", "nobody@prime.test",
     " from='nobody@net.test'"},
    {"prime.test", "presence", "", " id='1'", "romeo@net.test/x", "romeo@beta.test/x",
     " from='romeo@net.test/x'"},
    {"prime.test", "presence", "", " id='1'", "nobody@net.test/x", "nobody@prime.test/x",
     " from='nobody@net.test/x'"},
    {"prime.test", "presence", "type='subscribe'", "", "romeo@net.test", "romeo@beta.test",
     " from='romeo@net.test'"},
    {"prime.test", "message", "type='groupchat'", " id='1'", "romeo@beta.test/none",
     "romeo@beta.test/none", " from='romeo@beta.test/none'"},
    {"net.test", "message", "type='groupchat'", " id='1'", "romeo@beta.test/none",
     "romeo@beta.test/none", " from='romeo@beta.test/none'"},
    {"net.test", "message", "type='groupchat'", " id='1'", "romeo@net.test/none",
     "romeo@beta.test/none", " from='romeo@net.test/none'"},
    {"net.test", "message", "type='groupchat'", " id='1'", "nobody@net.test/none",
     "nobody@prime.test/none", " from='nobody@net.test/none'"},
};

static void test_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        struct kit *k = net_of(5000);
        struct kit_client *alice = come(k, errors[i].domain);
        const struct sm_home nobody = {.kind = SM_HOME_NOBODY};
        char xml[512];

        net_learn(k, "romeo", "beta.test");
        sm_cache_settle(k->sm, SPAN("nobody"), &nobody);
        snprintf(xml, sizeof(xml), "<%s %s%s to='%s'/>", errors[i].name, errors[i].attrs,
                 errors[i].id, errors[i].to);
        kit_say(k, alice, xml);
        EXPECT_LINK(k, " to='");
        kit_heard(alice);
        for (int n = 0; n < 2; n++) { /* several may come */
            refuse(k, errors[i].name, errors[i].id, errors[i].from, errors[i].domain);
            EXPECT(alice, errors[i].seen);
        }
        kit_close(k, alice);
        net_free(k);
    }
}

/* Whose server denies a subscription: his, or ours, when there is no such user. */
static const struct {
    const char *user, *host;
} denials[] = {{"romeo", "beta.test"}, {"nobody", "prime.test"}, {"bob", "prime.test"}};

static void test_denials(void **state)
{
    const struct sm_home nobody = {.kind = SM_HOME_NOBODY};
    char text[256];

    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(denials); i++) {
        const char *user = denials[i / 2].user, *host = denials[i / 2].host;
        const bool is_used_up = i % 2;
        struct kit *k = net_of(is_used_up ? 1 : 2);
        struct kit_client *alice = come(k, "prime.test");
        net_learn(k, "romeo", "beta.test");
        sm_cache_settle(k->sm, SPAN("nobody"), &nobody);
        kit_say(k, alice, ROSTER_GET);
        kit_say(k, alice, "<message to='alice@prime.test/r'><y jid='a@net.test'/></message>");
        snprintf(text, sizeof(text), "<presence type='subscribe' to='%s@net.test'/>", user);
        kit_say(k, alice, text);
        kit_heard(alice);
        snprintf(text, sizeof(text),
                 "<presence xmlns='" NS_COMPONENT "' type='unsubscribed' from='%s@%s'"
                 " to='alice@prime.test'/>", user, host);
        kit_link_say(k, text);
        kit_settle(k);
        snprintf(text, sizeof(text), " from='%s@%s'", user, is_used_up ? "net.test" : host);
        EXPECT(alice, text);
        kit_close(k, alice);
        net_free(k);
    }
}

/* So many at once that what was written is not remembered: the rest counts, and for who is here, or
 * nowhere, as for who is there. */
static void test_flood(void **state)
{
    struct kit *k = net_of(10);
    struct kit_client *alice = come(k, "prime.test");
    char text[256];
    int shown = 0;

    (void)state;
    for (int i = 0; i < 300; i++) {
        snprintf(text, sizeof(text), "user%d", i);
        net_learn(k, text, "beta.test");
        snprintf(text, sizeof(text), "<message type='groupchat' id='%d' to='user%d@net.test/x'/>",
                 i, i);
        kit_say(k, alice, text);
    }
    kit_heard(alice);
    for (int i = 0; i < 300; i++) {
        char id[32], want[64];
        snprintf(id, sizeof(id), " id='%d'", i);
        snprintf(text, sizeof(text), "user%d@%s/x", i, i % 2 ? "beta.test" : "prime.test");
        snprintf(want, sizeof(want), " from='user%d@net.test/x'", i);
        refuse(k, "message", id, text, "prime.test");
        shown += !strstr(kit_heard(alice), want);
    }
    assert_int_equal(shown, 10);
    kit_close(k, alice);
    net_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roster_set),
        cmocka_unit_test(test_subscribe),
        cmocka_unit_test(test_roster),
        cmocka_unit_test(test_payload),
        cmocka_unit_test(test_one_quota),
        cmocka_unit_test(test_by_the_network),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_denials),
        cmocka_unit_test(test_flood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
