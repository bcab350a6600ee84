/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * In-band registration of those who are logged in: who they are, another password, no account any
 * more; nobody else's (SECURITY.md C02); and what becomes of a removed account's name (T24).
 */
#include "sm_kit.h"

#include "c2s/accounts.h"
#include "c2s/accounts_sm.h"
#include "xmpp/sasl.h"

#define QUERY(inside) "<query xmlns='jabber:iq:register'>" inside "</query>"
#define FIELDS(name, password)                                                                     \
    QUERY("<username>" name "</username><password>" password "</password>")
#define FORM(name, password)                                                                       \
    QUERY("<username>bob</username><password>not this one</password>"                              \
          "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"                         \
          "<value>jabber:iq:register:changepassword</value></field>"                               \
          "<field var='username'><value>" name "</value></field>"                                  \
          "<field var='password'><value>" password "</value></field></x>")
#define IQ(type, to, inside) "<iq type='" type "' id='q'" to ">" inside "</iq>"
#define TO_HOST " to='prime.test'"
#define TO_BOB " to='bob@prime.test'"

struct scene {
    struct kit *k;
    struct accounts *accounts;
    struct kit_client *alice;
};

static struct scene begin(void)
{
    struct sm_opts opts = *kit_opts();
    struct scene t;
    opts.min_password = 8;
    t.k = kit_new(&opts);
    t.accounts = accounts_new(t.k->loop, t.k->store, 4096);
    sm_set_accounts(t.k->sm, &accounts_sm_ops, t.accounts);
    t.alice = kit_open(t.k, "alice", "prime.test", "x");
    return t;
}

static void end(struct scene *t)
{
    if (t->alice)
        kit_close(t->k, t->alice);
    if (t->k->sm)
        sm_free(&t->k->sm);
    accounts_free(&t->accounts);
    kit_free(t->k);
}

/* Until the pool and the store have answered. */
static void settle(struct scene *t)
{
    loop_sim_settle(t->k->loop);
}

static void on_found(void *ctx, enum accounts_result r, const struct sasl_credentials *c)
{
    struct sasl_credentials *found = ctx;
    assert_int_equal(r, ACCOUNTS_OK);
    *found = *c;
}

static bool is_password(struct scene *t, const char *name, const char *password)
{
    struct sasl_credentials found = {.exists = false};
    struct scram_keys keys;
    accounts_credentials(t->accounts, span_of(name), on_found, &found);
    settle(t);
    assert_true(found.exists);
    if (found.sha256.iterations != 4096 ||
        !scram_keys_derive(CRYPTO_SHA256, span_of(password), 4096, found.sha256.salt, &keys))
        return false;
    return memcmp(keys.stored_key, found.sha256.stored_key, 32) == 0;
}

/* The kit's accounts have keys that are none. */
static bool is_untouched(struct scene *t, const char *name)
{
    return kit_sql(t->k, "SELECT count(*) FROM account WHERE name = ?1 AND salt_sha1 = x'00'"
                         " AND stored_sha256 = x'00'", name) == 1;
}

static int64_t exists(struct scene *t, const char *name)
{
    return kit_sql(t->k, "SELECT count(*) FROM account WHERE name = ?1", name);
}

/* --- asking ----------------------------------------------------------------------------------- */

static void tells_who_is_registered(void **state)
{
    static const char *const gets[] = {IQ("get", "", QUERY("")), IQ("get", TO_HOST, QUERY("")),
                                       IQ("get", " to='net.test'", QUERY("")),
                                       IQ("get", " to='alice@net.test'", QUERY(""))};
    struct scene t = begin();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(gets); i++) {
        kit_say(t.k, t.alice, gets[i]);
        EXPECT(t.alice, "<registered/><username>alice</username><password/></query>");
    }
    kit_say(t.k, t.alice, IQ("get", TO_BOB, QUERY("")));
    EXPECT(t.alice, "<service-unavailable");
    kit_say(t.k, t.alice, IQ("get", TO_HOST,
                             "<query xmlns='http://jabber.org/protocol/disco#info'/>"));
    EXPECT(t.alice, "<feature var='jabber:iq:register'/>");
    end(&t);
}

static void changes_the_own_password(void **state)
{
    static const struct {
        const char *iq, *password;
    } cases[] = {
        {IQ("set", "", FIELDS("alice", "correct horse")), "correct horse"},
        {IQ("set", TO_HOST, FIELDS("alice", "battery staple")), "battery staple"},
        {IQ("set", " to='net.test'", FIELDS("ALICE", "12345678")), "12345678"},
        {IQ("set", " to='alice@prime.test'", FIELDS("alice@net.test", "\xC3\xA4\xC3\xB6"
            "\xC3\xBC\xC3\x9F\xC3\xA4\xC3\xB6\xC3\xBC\xC3\x9F")),
         "\xC3\xA4\xC3\xB6\xC3\xBC\xC3\x9F\xC3\xA4\xC3\xB6\xC3\xBC\xC3\x9F"},
        {IQ("set", TO_HOST, FORM("alice@prime.test", "in a form")), "in a form"},
    };
    struct scene t = begin();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        kit_input(t.k, t.alice, cases[i].iq);
        settle(&t);
        EXPECT(t.alice, "<iq type='result' id='q'");
        assert_int_equal(t.alice->done_count, (int)i + 1);
        assert_true(is_password(&t, "alice", cases[i].password));
        assert_true(is_untouched(&t, "bob"));
    }
    end(&t);
}

/* C02; and what is no password. */
static void refuses_what_may_not_be(void **state)
{
    static const struct {
        const char *iq, *answer;
    } cases[] = {
        {IQ("set", "", FIELDS("bob", "correct horse")), "<forbidden"},
        {IQ("set", TO_HOST, FIELDS("bob", "correct horse")), "<forbidden"},
        {IQ("set", TO_HOST, FIELDS("nobody", "correct horse")), "<forbidden"},
        {IQ("set", TO_HOST, FIELDS("alice@far.test", "correct horse")), "<forbidden"},
        {IQ("set", TO_HOST, FIELDS("alice@prime.test/x", "correct horse")), "<forbidden"},
        {IQ("set", TO_HOST, FORM("bob", "correct horse")), "<forbidden"},
        {IQ("set", TO_BOB, FIELDS("bob", "correct horse")), "<forbidden"},
        {IQ("set", TO_BOB, FIELDS("alice", "correct horse")), "<forbidden"},
        {IQ("set", TO_BOB, QUERY("<remove/>")), "<forbidden"},
        {IQ("set", " to='nobody@prime.test'", QUERY("<remove/>")), "<forbidden"},
        {IQ("set", "", QUERY("<remove/><username>bob</username>")), "<bad-request"},
        {IQ("set", "", QUERY("")), "<bad-request"},
        {IQ("set", "", QUERY("<username>alice</username>")), "<bad-request"},
        {IQ("set", "", QUERY("<password>correct horse</password>")), "<bad-request"},
        {IQ("set", "", FIELDS("alice", "")), "<not-acceptable"},
        {IQ("set", "", FIELDS("alice", "seven77")), "<not-acceptable"},
        {IQ("set", "", FIELDS("alice", "\xC3\xA4\xC3\xB6\xC3\xBC\xC3\x9F")), "<not-acceptable"},
        {IQ("set", "", FIELDS("alice", "with\tcontrol")), "<not-acceptable"}, /* SASLprep */
    };
    struct scene t = begin();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        kit_input(t.k, t.alice, cases[i].iq);
        settle(&t);
        EXPECT(t.alice, cases[i].answer);
        assert_int_equal(t.alice->done_count, (int)i + 1);
    }
    assert_true(is_untouched(&t, "alice"));
    assert_true(is_untouched(&t, "bob"));
    end(&t);
}

/* Whoever is not logged in here has nothing here, whatever his name is. */
static void strangers_get_nothing(void **state)
{
    static const char *const froms[] = {"alice@far.test/x", "irc.prime.test", "far.test"};
    struct scene t = begin();
    char xml[600];
    (void)state;
    kit_link_up(t.k);
    for (size_t i = 0; i < ARRAY_LEN(froms); i++) {
        static const char *const tos[] = {"prime.test", "alice@prime.test", "bob@prime.test"};
        for (size_t to = 0; to < ARRAY_LEN(tos); to++) {
            buf_clear(&t.k->link.out);
            snprintf(xml, sizeof(xml), "<iq type='get' id='1' from='%s' to='%s'>" QUERY("")
                     "</iq>", froms[i], tos[to]);
            kit_link_say(t.k, xml);
            EXPECT_LINK(t.k, "<service-unavailable");
            snprintf(xml, sizeof(xml), "<iq type='set' id='1' from='%s' to='%s'>"
                     QUERY("<remove/>") "</iq>", froms[i], tos[to]);
            kit_link_say(t.k, xml);
            EXPECT_LINK(t.k, "<forbidden");
            snprintf(xml, sizeof(xml), "<iq type='set' id='1' from='%s' to='%s'>"
                     FIELDS("alice", "correct horse") "</iq>", froms[i], tos[to]);
            kit_link_say(t.k, xml);
            EXPECT_LINK(t.k, "<forbidden");
        }
    }
    assert_int_equal(exists(&t, "alice"), 1);
    end(&t);
}

static void the_right_can_be_taken(void **state)
{
    char *words[] = {mem_strndup("deny", 4), mem_strndup("alice@net.test", 14),
                     mem_strndup("allow", 5), mem_strndup("local", 5)};
    char name[] = "password";
    const struct sm_rule rule = {name, {words, ARRAY_LEN(words)}};
    struct sm_opts opts = *kit_opts();
    struct scene t = begin();
    (void)state;
    opts.rules = &rule;
    opts.rule_count = 1;
    sm_set_limits(t.k->sm, &opts);
    struct kit_client *bob = kit_open(t.k, "bob", "net.test", "x");
    kit_say(t.k, t.alice, IQ("set", "", FIELDS("alice", "correct horse")));
    EXPECT(t.alice, "<not-allowed");
    kit_say(t.k, t.alice, IQ("set", "", QUERY("<remove/>")));
    EXPECT(t.alice, "<forbidden");
    kit_input(t.k, bob, IQ("set", "", FIELDS("bob", "correct horse")));
    settle(&t);
    EXPECT(bob, "type='result'");
    kit_close(t.k, bob);
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        free(words[i]);
    end(&t);
}

/* --- what comes of it ------------------------------------------------------------------------- */

static void a_new_password_ends_the_others(void **state)
{
    struct scene t = begin();
    struct kit_client *other = kit_open(t.k, "alice", "net.test", "y");
    struct kit_client *bob = kit_open(t.k, "bob", "prime.test", "x");
    (void)state;
    kit_input(t.k, t.alice, IQ("set", "", FIELDS("alice", "correct horse")));
    kit_input(t.k, t.alice, IQ("set", "", FIELDS("alice", "battery staple")));
    EXPECT(t.alice, "<resource-constraint"); /* one at a time */
    settle(&t);
    EXPECT(t.alice, "type='result'");
    assert_int_equal(other->kicked, STREAM_RESET);
    assert_int_equal(t.alice->kicked, STREAM_ERROR_NONE);
    assert_int_equal(bob->kicked, STREAM_ERROR_NONE);
    kit_close(t.k, other);
    kit_close(t.k, bob);
    end(&t);
}

/* T24 */
static void removal_ends_all_sessions(void **state)
{
    struct scene t = begin();
    struct kit_client *other = kit_open(t.k, "alice", "net.test", "y");
    struct kit_client *bob = kit_open(t.k, "bob", "prime.test", "x");
    (void)state;
    kit_input(t.k, t.alice, IQ("set", "", QUERY("<remove/>")));
    settle(&t);
    EXPECT(t.alice, "<iq type='result' id='q'");
    assert_int_equal(t.alice->done_count, 1);
    assert_int_equal(t.alice->kicked, STREAM_NOT_AUTHORIZED);
    assert_int_equal(other->kicked, STREAM_NOT_AUTHORIZED);
    assert_int_equal(bob->kicked, STREAM_ERROR_NONE);
    assert_int_equal(exists(&t, "alice"), 0);
    assert_int_equal(exists(&t, "bob"), 1);
    kit_close(t.k, other);
    kit_close(t.k, bob);
    end(&t);
}

static void without_accounts_there_is_nothing(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    (void)state;
    kit_say(k, alice, IQ("set", "", FIELDS("alice", "correct horse")));
    EXPECT(alice, "<service-unavailable");
    kit_close(k, alice);
    kit_free(k);
}

/* The client, or all of it, goes before the answer. */
static void who_has_gone_hears_nothing(void **state)
{
    (void)state;
    for (int turn = 0; turn < 4; turn++) {
        struct scene t = begin();
        kit_input(t.k, t.alice,
                  turn % 2 ? IQ("set", "", QUERY("<remove/>"))
                           : IQ("set", "", FIELDS("alice", "correct horse")));
        if (turn < 2) {
            sm_close(t.alice->session);
            t.alice->session = NULL;
            settle(&t);
            EXPECT_NOTHING(t.alice);
            assert_int_equal(exists(&t, "alice"), turn % 2 ? 0 : 1);
        } else {
            sm_free(&t.k->sm);
            t.alice->session = NULL;
            accounts_free(&t.accounts);
        }
        settle(&t);
        assert_int_equal(t.alice->done_count, 1);
        end(&t);
    }
}

/* --- T24: the name of a removed account ------------------------------------------------------- */

#define BEFRIEND(k, account, contact, subscription)                                                \
    kit_sql(k, "INSERT INTO roster (account, jid, subscription) SELECT id, '" contact "', "        \
               subscription " FROM account WHERE name = ?1", account)

static int64_t subscriptions(struct scene *t, const char *name)
{
    return kit_sql(t->k, "SELECT sum(subscription) FROM roster WHERE account ="
                         " (SELECT id FROM account WHERE name = ?1)", name);
}

static void on_deleted(void *ctx, enum accounts_result r)
{
    assert_int_equal(r, ACCOUNTS_OK);
    sm_user_deleted(ctx, SPAN("alice"));
}

/* With the router there and without, in both ways of removing. */
static void others_are_told(void **state)
{
    (void)state;
    for (int turn = 0; turn < 4; turn++) {
        struct scene t = begin();
        const bool is_linked = turn & 1;
        kit_account(t.k, "carol");
        BEFRIEND(t.k, "bob", "alice@net.test", "3");     /* by her other name */
        BEFRIEND(t.k, "carol", "alice@prime.test", "2"); /* who is absent */
        BEFRIEND(t.k, "alice", "bob@prime.test", "3");
        BEFRIEND(t.k, "alice", "carol@net.test", "1");
        BEFRIEND(t.k, "alice", "r@far.test", "3");
        kit_close(t.k, t.alice);
        t.alice = kit_open(t.k, "alice", "prime.test", "x");
        struct kit_client *bob = kit_open(t.k, "bob", "prime.test", "x");
        kit_say(t.k, bob, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
        kit_say(t.k, bob, "<presence/>");
        EXPECT(bob, "subscription='both'");
        t.k->link.is_up = is_linked;
        if (is_linked)
            sm_set_link(t.k->sm, &t.k->link);
        if (turn & 2) {
            accounts_delete(t.accounts, SPAN("alice"), on_deleted, t.k->sm);
            settle(&t);
        } else
            kit_input(t.k, t.alice, IQ("set", "", QUERY("<remove/>")));
        loop_sim_advance(t.k->loop, 3000);
        const char *heard = kit_heard(bob);
        EXPECT_IN(heard, "subscription='none'");
        EXPECT_IN(heard, "type='unsubscribed'");
        assert_int_equal(subscriptions(&t, "bob"), 0);
        const char *said = kit_drain(&t.k->link.out);
        if (is_linked) {
            EXPECT_IN(said, "to='r@far.test' from='alice@prime.test' type='unsubscribed'");
            EXPECT_IN(said, "to='r@far.test' from='alice@prime.test' type='unsubscribe'");
            EXPECT_IN(said, "to='carol@prime.test' from='alice@prime.test' type='unsubscribe'");
        } else {
            assert_int_equal(subscriptions(&t, "carol"), 0);
        }
        kit_close(t.k, bob);
        end(&t);
    }
}

static void rights_at_nodes_end(void **state)
{
    struct scene t = begin();
    (void)state;
    kit_sql(t.k, "INSERT INTO pubsub_node SELECT 7, id, 'n', 0, 0, 0, 0, 0, 0, 0, 0, '', '', '',"
                 " '' FROM account WHERE name = ?1", "bob");
    kit_sql(t.k, "INSERT INTO pubsub_affiliation VALUES (7, 'alice@prime.test', 4),"
                 " (7, 'alice@net.test', 1), (7, 'malice@prime.test', 4) RETURNING ?1", "");
    kit_sql(t.k, "INSERT INTO pubsub_subscription VALUES (7, 'alice@prime.test/x', 1),"
                 " (7, 'alice@net.test', 1), (7, 'alice@prime.testing', 1) RETURNING ?1", "");
    sm_user_deleted(t.k->sm, SPAN("alice"));
    settle(&t);
    assert_int_equal(kit_sql(t.k, "SELECT count(*) FROM pubsub_affiliation WHERE ?1 = ''", ""), 2);
    assert_int_equal(kit_sql(t.k, "SELECT count(*) FROM pubsub_subscription WHERE ?1 = ''", ""), 1);
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_who_is_registered),
        cmocka_unit_test(changes_the_own_password),
        cmocka_unit_test(refuses_what_may_not_be),
        cmocka_unit_test(strangers_get_nothing),
        cmocka_unit_test(the_right_can_be_taken),
        cmocka_unit_test(a_new_password_ends_the_others),
        cmocka_unit_test(removal_ends_all_sessions),
        cmocka_unit_test(without_accounts_there_is_nothing),
        cmocka_unit_test(who_has_gone_hears_nothing),
        cmocka_unit_test(others_are_told),
        cmocka_unit_test(rights_at_nodes_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
