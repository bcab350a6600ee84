/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_net_match - the roster match: whom a phone book finds, whom it is asked of, and what
 * other members may ask and say.
 */
#include "net_kit.h"

#define NS NS_KONTALK_ROSTER
#define QUERY(items) "<query xmlns='" NS "'>" items "</query>"
#define ITEM(jid) "<item jid='" jid "'/>"
#define DAY_MS (24u * 3600 * 1000)

static struct kit_client *come(struct kit *k)
{
    struct kit_client *c = kit_open(k, "alice", "prime.test", "r");
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(k);
    assert_non_null(c->session);
    buf_clear(&k->link.out);
    return c;
}

static void match(struct kit *k, struct kit_client *c, const char *query)
{
    struct buf xml = {0};
    buf_printf(&xml, "<iq type='get' id='q' to='probe@prime.test'>%s</iq>", query);
    kit_say(k, c, buf_z(&xml));
    buf_free(&xml);
}

static void leave(struct kit *k, struct kit_client *c)
{
    kit_close(k, c);
    sm_link_events.on_released(k->sm, SPAN("alice@prime.test"));
    kit_settle(k);
}

/* The addresses of a query, each the name of a user with its domain. */
static void match_users(struct kit *k, struct kit_client *c, const char *const users[])
{
    struct buf xml = {0};
    buf_append_z(&xml, "<query xmlns='" NS "'>");
    for (; *users; users++)
        buf_printf(&xml, "<item jid='%s@net.test'/>", *users);
    buf_append_z(&xml, "</query>");
    match(k, c, buf_z(&xml));
    buf_free(&xml);
}

static const char *answer_of(const char *items, bool is_complete)
{
    static char xml[2048];
    snprintf(xml, sizeof(xml), "<query xmlns='" NS "' complete='%s'>%s</query>",
             is_complete ? "true" : "false", items);
    return xml;
}

static const char *item(const char *user, const char *host)
{
    static char xml[256];
    snprintf(xml, sizeof(xml), "<item jid='%s@%s'/>", user, host);
    return xml;
}

#define RESULT(items)                                                                              \
    "<iq type='result' id='q' from='probe@prime.test' to='alice@prime.test/r'>" QUERY(items) "</iq>"

/* --- here --- */

static void test_users_here(void **state)
{
    struct kit *k = net_new("", NULL); /* this server alone in its network */
    struct kit_client *c = come(k);
    (void)state;
    match(k, c, QUERY(ITEM("bob@prime.test") ITEM("Alice@net.test") ITEM("nobody@prime.test")
                      ITEM("bob@net.test/r") ITEM("bob@far.test") ITEM("prime.test")));
    EXPECT(c, RESULT(ITEM("bob@prime.test") ITEM("alice@prime.test")));
    match(k, c, QUERY(""));
    EXPECT(c, RESULT(""));
    assert_int_equal(buf_len(&k->link.out), 0);
    kit_close(k, c);
    net_free(k);
}

static void test_slices(void **state)
{
    struct kit *k = net_new("", NULL);
    struct kit_client *c = come(k);
    struct buf xml = {0};
    (void)state;
    buf_append_z(&xml, "<query xmlns='" NS "'>");
    for (int i = 0; i < 499; i++)
        buf_printf(&xml, "<item jid='nobody%d@prime.test'/>", i);
    buf_append_z(&xml, ITEM("bob@prime.test"));
    size_t n = buf_len(&xml);
    buf_append_z(&xml, "</query>");
    match(k, c, buf_z(&xml));
    EXPECT(c, RESULT(ITEM("bob@prime.test")));
    xml.tail = xml.head + n;
    buf_append_z(&xml, ITEM("carol@prime.test") "</query>");
    match(k, c, buf_z(&xml));
    EXPECT(c, "not-acceptable");
    buf_free(&xml);
    kit_close(k, c);
    net_free(k);
}

static void test_bad_addresses(void **state)
{
    struct kit *k = net_new("", NULL);
    struct kit_client *c = come(k);
    (void)state;
    match(k, c, QUERY(ITEM("bob@prime.test") ITEM("@prime.test")));
    EXPECT(c, "bad-request");
    match(k, c, QUERY("<item/>"));
    EXPECT(c, "bad-request");
    kit_say(k, c, "<iq type='set' id='q' to='probe@prime.test'>" QUERY("") "</iq>");
    EXPECT(c, "service-unavailable");
    kit_close(k, c);
    net_free(k);
}

/* Who has blocked the asker looks like nobody, in either way of writing him. */
static void test_blockers_here(void **state)
{
    static const char *const entries[] = {"alice@prime.test", "alice@net.test"};
    struct kit *k = net_new("", NULL);
    struct kit_client *c = come(k);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        kit_sql(k, "DELETE FROM block WHERE jid <> ?1", "");
        kit_sql(k, "INSERT INTO block SELECT id, ?1 FROM account WHERE name = 'bob'", entries[i]);
        match(k, c, QUERY(ITEM("bob@prime.test") ITEM("alice@prime.test")));
        EXPECT(c, RESULT(ITEM("alice@prime.test")));
    }
    kit_close(k, c);
    net_free(k);
}

static void test_quota(void **state)
{
    struct sm_opts opts = net_opts(NULL);
    opts.net.match_daily = 4;
    struct kit *k = net_new("", &opts);
    struct kit_client *c = come(k);
    (void)state;
    match(k, c, QUERY(ITEM("a@prime.test") ITEM("b@prime.test")));
    EXPECT(c, RESULT(""));
    match(k, c, QUERY(ITEM("c@prime.test") ITEM("d@prime.test") ITEM("e@prime.test")));
    EXPECT(c, "resource-constraint");
    match(k, c, QUERY(ITEM("c@prime.test") ITEM("d@prime.test")));
    EXPECT(c, RESULT(""));
    match(k, c, QUERY(""));
    EXPECT(c, RESULT(""));
    match(k, c, QUERY(ITEM("bob@prime.test")));
    EXPECT(c, "<error type='wait'><resource-constraint");
    /* of the account: another session of it has no other */
    leave(k, c);
    c = come(k);
    match(k, c, QUERY(ITEM("bob@prime.test")));
    EXPECT(c, "resource-constraint");
    loop_sim_advance(k->loop, DAY_MS / 4 + DAY_MS / 100);
    match(k, c, QUERY(ITEM("bob@prime.test")));
    EXPECT(c, RESULT(ITEM("bob@prime.test")));
    match(k, c, QUERY(ITEM("bob@prime.test")));
    EXPECT(c, "resource-constraint");
    loop_sim_advance(k->loop, DAY_MS + DAY_MS / 100);
    match(k, c, QUERY(ITEM("a@prime.test") ITEM("b@prime.test") ITEM("c@prime.test")
                      ITEM("bob@prime.test")));
    EXPECT(c, RESULT(ITEM("bob@prime.test")));
    kit_close(k, c);
    net_free(k);
}

/* --- asking others --- */

/* The directory names the home; that is asked whether he is there for this asker. */
static void test_by_the_directory(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *c = come(k);
    const char *u = net_user(k, "beta.test", "prime.test", 0);
    const char *v = net_user(k, "beta.test", "gamma.test", 0);
    const char *w = net_user(k, "beta.test", "gamma.test", 1);
    char expected[512];
    (void)state;
    match_users(k, c, (const char *[]){"bob", u, v, w, NULL});
    EXPECT_NOTHING(c);
    EXPECT_NOT_ASKED(k, "gamma.test");
    snprintf(expected, sizeof(expected),
             "<query xmlns='" NS "' for='alice@prime.test'><item jid='%s@net.test'/>", u);
    EXPECT_IN(buf_z(&k->link.out), expected);
    /* one is its own, one is gamma's, one is nobody's */
    snprintf(expected, sizeof(expected), "<item jid='%s@beta.test'/><item jid='%s@gamma.test'/>", u,
             v);
    net_answer(k, "probe@beta.test", answer_of(expected, true));
    EXPECT_NOTHING(c);
    EXPECT_NOT_ASKED(k, "probe@beta.test");
    net_answer(k, "probe@gamma.test", answer_of(item(v, "gamma.test"), false));
    snprintf(expected, sizeof(expected),
             RESULT(ITEM("bob@prime.test") ITEM("%s@beta.test") ITEM("%s@gamma.test")), u, v);
    EXPECT(c, expected);
    assert_int_equal(buf_len(&k->link.out), 0);
    kit_close(k, c);
    net_free(k);
}

/* The home says nothing of who has blocked the asker; that is no reason to ask on. */
static void test_blockers_elsewhere(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *c = come(k);
    const char *v = net_user(k, "beta.test", "prime.test", 0);
    (void)state;
    match_users(k, c, (const char *[]){v, NULL});
    net_answer(k, "probe@beta.test", answer_of(item(v, "gamma.test"), true));
    net_answer(k, "probe@gamma.test", answer_of("", true));
    EXPECT(c, RESULT(""));
    assert_int_equal(buf_len(&k->link.out), 0);
    kit_close(k, c);
    net_free(k);
}

/* We are a directory that knows all: there is nobody to ask about who is not in it, and one to ask
 * about who is. Who asks us hears that we know. */
static void test_we_are_the_directory(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *c = come(k);
    char set[32], u[32], expected[256];
    (void)state;
    snprintf(u, sizeof(u), "%s", net_user(k, "prime.test", "beta.test", 0));
    const char *v = net_user(k, "prime.test", "beta.test", 1);
    snprintf(set, sizeof(set), "%lld", (long long)servers_set(k->sm->net->servers));
    kit_sql(k, "INSERT INTO home_heard SELECT 'beta.test', CAST(?1 AS INTEGER)", set);
    match_users(k, c, (const char *[]){u, NULL});
    EXPECT_NOTHING(c);
    net_answer(k, "probe@beta.test", answer_of("", true));
    EXPECT(c, RESULT(""));
    kit_sql(k, "INSERT INTO home_heard SELECT 'gamma.test', CAST(?1 AS INTEGER)", set);
    kit_sql(k, "INSERT INTO home (user, host, stamp, proof)"
               " VALUES (?1, 'gamma.test', 7, x'')", v);
    match_users(k, c, (const char *[]){u, NULL});
    EXPECT(c, RESULT(""));
    match_users(k, c, (const char *[]){u, v, NULL});
    net_answer(k, "probe@gamma.test", answer_of(item(v, "gamma.test"), true));
    snprintf(expected, sizeof(expected), RESULT(ITEM("%s@gamma.test")), v);
    EXPECT(c, expected);
    assert_int_equal(buf_len(&k->link.out), 0);
    struct buf xml = {0};
    buf_printf(&xml,
               "<iq type='get' id='x' from='beta.test' to='probe@prime.test'><query xmlns='" NS
               "'>" ITEM("%s@net.test") ITEM("%s@net.test") "</query></iq>",
               u, v);
    kit_link_say(k, buf_z(&xml));
    buf_free(&xml);
    snprintf(expected, sizeof(expected), " complete='true'>" ITEM("%s@gamma.test") "</query>", v);
    EXPECT_LINK(k, expected);
    kit_close(k, c);
    net_free(k);
}

/* A directory that does not know all, or does not answer: then all are asked, each once. */
static void test_all(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *c = come(k);
    const char *v = net_user(k, "beta.test", "prime.test", 0);
    char expected[256];
    (void)state;
    match_users(k, c, (const char *[]){v, NULL});
    net_answer(k, "probe@beta.test", answer_of("", false));
    EXPECT_NOTHING(c);
    net_answer(k, "probe@gamma.test", answer_of(item(v, "gamma.test"), false));
    EXPECT_NOTHING(c);
    net_reply(k, "error", net_asked(k, "probe@beta.test", ""), "probe@beta.test",
              "<error type='cancel'><service-unavailable xmlns='" NS_STANZA_ERRORS "'/></error>");
    snprintf(expected, sizeof(expected), RESULT(ITEM("%s@gamma.test")), v);
    EXPECT(c, expected);
    kit_close(k, c);
    net_free(k);
}

/* What has been found by the deadline is the answer. */
static void test_deadline(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *c = come(k);
    const char *u = net_user(k, "beta.test", "prime.test", 0);
    const char *v = net_user(k, "gamma.test", "prime.test", 0);
    char expected[256];
    (void)state;
    match_users(k, c, (const char *[]){u, v, NULL});
    net_answer(k, "probe@gamma.test", answer_of(item(v, "gamma.test"), true));
    loop_sim_advance(k->loop, 60 * 1000 - 100);
    loop_sim_advance(k->loop, 200);
    snprintf(expected, sizeof(expected), RESULT(ITEM("%s@gamma.test")), v);
    EXPECT(c, expected);
    kit_close(k, c);
    net_free(k);
}

/* A07: a member is believed about its own users, and asked about those of others. */
static void test_lies(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *c = come(k);
    const char *u = net_user(k, "beta.test", "gamma.test", 0);
    char items[1024];
    (void)state;
    match_users(k, c, (const char *[]){u, NULL});
    snprintf(items, sizeof(items),
             ITEM("%s@gamma.test") ITEM("%s@far.test") ITEM("bob@prime.test") ITEM("x@beta.test")
                 ITEM("@") "<item/>", u, u);
    net_answer(k, "probe@beta.test", answer_of(items, true));
    EXPECT_NOTHING(c);
    net_answer(k, "probe@gamma.test", answer_of("", true));
    EXPECT_NOT_ASKED(k, "probe@beta.test");
    EXPECT(c, RESULT(""));
    kit_close(k, c);
    net_free(k);
}

/* Where nobody can be asked, what is known here is the answer. */
static void test_nobody_to_ask(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *c = come(k);
    (void)state;
    net_route(k, "beta.test", false);
    net_route(k, "gamma.test", false);
    match(k, c, QUERY(ITEM("bob@net.test") ITEM("carol@net.test") ITEM("dave@beta.test")));
    EXPECT(c, RESULT(ITEM("bob@prime.test")));
    kit_close(k, c);
    net_free(k);
}

/* Nobody keeps the others from asking. */
static void test_many_at_once(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *c = come(k);
    (void)state;
    for (int i = 0; i < 5; i++)
        match(k, c, QUERY(ITEM("carol@net.test")));
    EXPECT_NOTHING(c);
    match(k, c, QUERY(ITEM("carol@net.test")));
    EXPECT(c, "<error type='wait'><resource-constraint");
    loop_sim_advance(k->loop, 61 * 1000);
    const char *heard = kit_heard(c);
    for (int i = 0; i < 5; i++) {
        heard = strstr(heard, RESULT(""));
        assert_non_null(heard);
        heard++;
    }
    kit_close(k, c);
    net_free(k);
}

/* Who asks may leave, and the server may stop. */
static void test_ends(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *c = come(k);
    (void)state;
    match(k, c, QUERY(ITEM("carol@net.test")));
    leave(k, c);
    loop_sim_advance(k->loop, 61 * 1000);
    c = come(k);
    match(k, c, QUERY(ITEM("carol@net.test")));
    kit_input(k, c, "<iq type='get' id='q' to='probe@prime.test'>" QUERY(ITEM("bob@net.test"))
                    "</iq>");
    sm_free(&k->sm);
    buf_free(&c->out);
    free(c);
    net_free(k);
}

/* --- questions of others --- */

#define OWN(jid) "<item jid='" jid "' stamp='1'/>"
#define ASK(from, attrs, items)                                                                    \
    "<iq type='get' id='x' from='" from "' to='probe@prime.test'><query xmlns='" NS "'" attrs ">"  \
    items "</query></iq>"

static void test_members_ask(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    (void)state;
    kit_sql(k, "INSERT INTO block SELECT id, ?1 FROM account WHERE name = 'bob'",
            "dave@beta.test");
    kit_link_say(k, ASK("beta.test/c2s-1.beta.test", " for='eve@beta.test'",
                        ITEM("bob@net.test") ITEM("alice@prime.test") ITEM("carol@net.test")
                        ITEM("alice@gamma.test") ITEM("alice@far.test")));
    EXPECT_LINK(k, "<iq type='result' id='x' from='probe@prime.test'"
                   " to='beta.test/c2s-1.beta.test'><query xmlns='" NS "' complete='");
    kit_link_say(k, ASK("beta.test", " for='eve@beta.test'",
                        ITEM("bob@net.test") ITEM("alice@prime.test")));
    EXPECT_LINK(k, "'>" OWN("bob@prime.test") OWN("alice@prime.test") "</query>");
    kit_link_say(k, ASK("probe@beta.test", " for='dave@beta.test'",
                        ITEM("bob@net.test") ITEM("alice@net.test")));
    EXPECT_LINK(k, "'>" OWN("alice@prime.test") "</query>");
    /* nobody else is asked because of it */
    kit_link_say(k, ASK("beta.test", "", ITEM("carol@net.test")));
    EXPECT_NOT_ASKED(k, "probe@gamma.test");
    net_free(k);
}

static void test_who_may_not_ask(void **state)
{
    static const struct {
        const char *xml, *error;
    } cases[] = {
        {ASK("far.test", "", ITEM("bob@net.test")), "forbidden"},
        {ASK("x@far.test/r", "", ITEM("bob@net.test")), "forbidden"},
        {ASK("dave@beta.test/r", "", ITEM("bob@net.test")), "forbidden"},
        {ASK("delta.test", "", ITEM("bob@net.test")), "forbidden"},
        {ASK("rooms.prime.test", "", ITEM("bob@net.test")), "forbidden"},
        {ASK("beta.test", " for='dave@gamma.test'", ITEM("bob@net.test")), "forbidden"},
        {ASK("beta.test", " for='alice@prime.test'", ITEM("bob@net.test")), "forbidden"},
        {ASK("beta.test", " for='@'", ITEM("bob@net.test")), "bad-request"},
        {ASK("beta.test", "", "<item/>"), "bad-request"},
    };
    struct kit *k = net_new(NET_TABLE "delta.test " NET_FINGERPRINT_DELTA " disabled\n", NULL);
    (void)state;
    net_learn(k, "dave", "beta.test");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        kit_link_say(k, cases[i].xml);
        EXPECT_LINK(k, cases[i].error);
    }
    net_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_users_here),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_bad_addresses),
        cmocka_unit_test(test_blockers_here),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_by_the_directory),
        cmocka_unit_test(test_blockers_elsewhere),
        cmocka_unit_test(test_we_are_the_directory),
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_nobody_to_ask),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_members_ask),
        cmocka_unit_test(test_who_may_not_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
