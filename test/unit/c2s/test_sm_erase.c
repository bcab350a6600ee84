/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_sm_erase - removed accounts: contacts are told, everything goes in slices, and the next one
 * of that name has nothing of it. SECURITY.md T24 */
#include "test/unit/c2s/sm_kit.h"

/* As accounts_delete does it. */
static void drop(struct kit *k, const char *name)
{
    kit_sql(k, "UPDATE account SET name = '/' || id || '/' || name WHERE name = ?1", name);
    sm_user_deleted(k->sm, span_of(name));
}

/* So many messages of the user's. */
#define FILL_ARCHIVE(k, name, n)                                                                   \
    kit_sql(k,                                                                                     \
            "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < " #n ")"     \
            " INSERT INTO archive (account, id, peer, stanza)"                                     \
            " SELECT account.id, i, 'x@y', '<message/>' FROM c, account WHERE name = ?1",          \
            name)
#define COUNT(k, what) kit_sql(k, "SELECT count(*) FROM " what " WHERE ?1 = ''", "")

struct answer {
    int count;
    bool is_whole;
};

static void on_erased(void *ctx, bool is_whole)
{
    struct answer *a = ctx;
    a->count++;
    a->is_whole = is_whole;
}

static void everything_goes_in_slices(void **state)
{
    struct kit *k = kit_new(NULL);
    struct answer a = {0};
    (void)state;

    FILL_ARCHIVE(k, "alice", 1700);
    FILL_ARCHIVE(k, "bob", 100);
    kit_sql(k, "INSERT INTO offline (account, stamp, bytes, stanza)"
               " SELECT id, 1, 1, 'x' FROM account WHERE name = ?1", "alice");
    kit_sql(k, "INSERT INTO private SELECT id, 'ns', 'n', 1, 'x' FROM account WHERE name = ?1",
            "alice");
    drop(k, "alice");
    sm_erase(k->sm, SPAN("alice"), on_erased, &a);
    kit_account(k, "alice"); /* the name is free while the rows go */
    int64_t left = COUNT(k, "archive");
    assert_true(left > 100 && left < 1800); /* a slice at a time */
    assert_int_equal(a.count, 0);
    loop_sim_advance(k->loop, 1000);
    assert_int_equal(a.count, 1);
    assert_true(a.is_whole);
    assert_int_equal(COUNT(k, "archive"), 100); /* bob's */
    assert_int_equal(COUNT(k, "private"), 0);
    assert_int_equal(COUNT(k, "offline"), 0);
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM account WHERE name LIKE ?1", "/%"), 0);
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM account WHERE name = ?1", "alice"), 1);
    kit_free(k);
}

static void contacts_are_told(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    kit_sql(k, "INSERT INTO roster (account, jid, subscription)"
               " SELECT id, 'bob@prime.test', 3 FROM account WHERE name = ?1", "alice");
    kit_sql(k, "INSERT INTO roster (account, jid, subscription)"
               " SELECT id, 'far@away.example', 1 FROM account WHERE name = ?1", "alice");
    kit_sql(k, "INSERT INTO roster (account, jid, subscription)"
               " SELECT id, 'nothing@away.example', 0 FROM account WHERE name = ?1", "alice");
    kit_sql(k, "INSERT INTO roster_request (account, jid, stamp, stanza)"
               " SELECT id, 'asks@away.example', 1, ' />' FROM account WHERE name = ?1", "alice");
    kit_sql(k, "INSERT INTO roster (account, jid, subscription)"
               " SELECT id, 'alice@prime.test', 3 FROM account WHERE name = ?1", "bob");
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *b = kit_open(k, "bob", "prime.test", "x");
    kit_say(k, b, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
    kit_say(k, b, "<presence/>");
    kit_say(k, a, "<presence/>");
    kit_heard(b);
    kit_link_up(k);
    kit_settle(k);
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_drain(&k->link.out);

    drop(k, "alice");
    const char *heard = kit_heard(b);
    EXPECT_IN(heard, "from='alice@prime.test/x' type='unavailable'");
    loop_sim_advance(k->loop, 5000);
    heard = kit_heard(b);
    EXPECT_IN(heard, "type='unsubscribe'/>");
    EXPECT_IN(heard, "type='unsubscribed'/>");
    EXPECT_IN(heard, "subscription='none'");
    heard = kit_drain(&k->link.out);
    EXPECT_IN(heard, "<presence to='far@away.example' from='alice@prime.test'"
                     " type='unsubscribe'/>");
    EXPECT_IN(heard, "<presence to='asks@away.example' from='alice@prime.test'"
                     " type='unsubscribed'/>");
    assert_null(strstr(heard, "nothing@"));
    assert_null(strstr(heard, "far@away.example' from='alice@prime.test' type='unsubscribed'"));
    kit_close(k, a), kit_close(k, b);
    kit_free(k);
}

/* SECURITY.md T24 */
static void the_next_of_that_name_has_nothing_of_it(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    kit_sql(k, "INSERT INTO roster (account, jid, subscription)"
               " SELECT id, 'bob@prime.test', 3 FROM account WHERE name = ?1", "alice");
    kit_sql(k, "INSERT INTO offline (account, stamp, bytes, stanza)"
               " SELECT id, 1, 1, '<message><body>old</body></message>' FROM account"
               " WHERE name = ?1", "alice");
    struct kit_client *old = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *b = kit_open(k, "bob", "prime.test", "x");
    kit_say(k, b, "<presence/>");
    drop(k, "alice");
    kit_account(k, "alice");
    assert_int_equal(old->kicked, STREAM_NOT_AUTHORIZED);

    /* The old stream has not even ended. */
    struct kit_client *a = kit_open(k, "alice", "prime.test", "y");
    assert_int_equal(a->refused, STANZA_ERROR_NONE);
    kit_heard(b);
    kit_say(k, a, "<presence/>");
    kit_say(k, a, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
    const char *heard = kit_heard(a);
    assert_null(strstr(heard, "bob@"));
    assert_null(strstr(heard, "old"));
    assert_null(strstr(kit_heard(b), "alice@prime.test/y"));
    loop_sim_advance(k->loop, 5000);
    assert_int_equal(a->kicked, STREAM_ERROR_NONE);
    assert_int_equal(COUNT(k, "roster"), 0);
    kit_close(k, old), kit_close(k, a), kit_close(k, b);
    kit_free(k);
}

/* One that waits for the claim when the account goes is not let in. */
static void openings_are_refused(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    kit_link_up(k);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    assert_false(a->is_answered);
    drop(k, "alice");
    kit_settle(k);
    assert_true(a->is_answered);
    assert_int_equal(a->refused, STANZA_NOT_AUTHORIZED);
    kit_close(k, a);
    kit_free(k);
}

/* What a process that was killed has left. */
static void the_next_start_goes_on(void **state)
{
    struct kit *k = kit_new(NULL);
    struct answer a = {0};
    (void)state;

    sm_free(&k->sm);
    kit_sql(k, "UPDATE account SET name = '/' || id || '/' || name WHERE name = ?1", "alice");
    k->sm = sm_new(k->loop, k->store, kit_opts());
    loop_sim_advance(k->loop, 5000);
    assert_int_equal(COUNT(k, "account"), 1);

    sm_erase(k->sm, SPAN("alice"), on_erased, &a); /* there is nothing left */
    kit_settle(k);
    assert_int_equal(a.count, 1);
    assert_true(a.is_whole);
    kit_free(k);
}

static void the_end_forgets_who_waits(void **state)
{
    struct kit *k = kit_new(NULL);
    struct answer a = {0};
    (void)state;

    drop(k, "alice");
    sm_erase(k->sm, SPAN("alice"), on_erased, &a);
    kit_free(k);
    assert_int_equal(a.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_goes_in_slices),
        cmocka_unit_test(contacts_are_told),
        cmocka_unit_test(the_next_of_that_name_has_nothing_of_it),
        cmocka_unit_test(openings_are_refused),
        cmocka_unit_test(the_next_start_goes_on),
        cmocka_unit_test(the_end_forgets_who_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
