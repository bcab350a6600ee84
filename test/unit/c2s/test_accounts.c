/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_accounts - users made, found, changed, listed, removed; many at once; the end meanwhile. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "c2s/accounts.h"
#include "c2s/schema.h"
#include "store/db.h"

#define ITERATIONS 20 /* the tests are not about time */

struct world {
    struct loop *loop;
    struct store *store;
    struct accounts *accounts;
};

struct answer {
    struct loop *loop; /* to stop at the last; NULL: simulated */
    size_t *left;
    int count;
    enum accounts_result result;
    struct sasl_credentials found;
};

static void answered(struct answer *a, enum accounts_result r)
{
    a->count++;
    a->result = r;
    if (a->left && --*a->left == 0)
        loop_stop(a->loop);
}

static void on_done(void *ctx, enum accounts_result r)
{
    answered(ctx, r);
}

static void on_found(void *ctx, enum accounts_result r, const struct sasl_credentials *c)
{
    struct answer *a = ctx;
    assert_non_null(c);
    a->found = *c;
    answered(a, r);
}

static int setup(void **state)
{
    char error[STORE_ERROR_MAX];
    struct world *w = calloc(1, sizeof(*w));
    crypto_init();
    crypto_simulate(42);
    w->loop = loop_new_sim();
    struct store_opts opts = {.migrations = c2s_migrations};
    w->store = store_open(w->loop, &opts, error);
    assert_non_null(w->store);
    w->accounts = accounts_new(w->loop, w->store, ITERATIONS);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    accounts_free(&w->accounts);
    store_close(&w->store);
    loop_free(&w->loop);
    crypto_simulate(0);
    free(w);
    return 0;
}

static enum accounts_result add(struct world *w, const char *user, const char *password)
{
    struct answer a = {0};
    accounts_add(w->accounts, span_of(user), span_of(password), on_done, &a);
    assert_int_equal(a.count, 0); /* never from inside the call */
    loop_sim_settle(w->loop);
    assert_int_equal(a.count, 1);
    return a.result;
}

static enum accounts_result passwd(struct world *w, const char *user, const char *password)
{
    struct answer a = {0};
    accounts_set_password(w->accounts, span_of(user), span_of(password), on_done, &a);
    assert_int_equal(a.count, 0);
    loop_sim_settle(w->loop);
    assert_int_equal(a.count, 1);
    return a.result;
}

static enum accounts_result del(struct world *w, const char *user)
{
    struct answer a = {0};
    accounts_delete(w->accounts, span_of(user), on_done, &a);
    assert_int_equal(a.count, 0);
    loop_sim_settle(w->loop);
    assert_int_equal(a.count, 1);
    return a.result;
}

static enum accounts_result find(struct world *w, const char *user, struct sasl_credentials *c)
{
    struct answer a = {0};
    accounts_credentials(w->accounts, span_of(user), on_found, &a);
    assert_int_equal(a.count, 0);
    loop_sim_settle(w->loop);
    assert_int_equal(a.count, 1);
    *c = a.found;
    return a.result;
}

/* Whether password makes the stored keys. */
static bool opens(const struct sasl_credentials *c, const char *password)
{
    struct scram_keys k;
    bool good = c->exists;
    good =
        good &&
        scram_keys_derive(CRYPTO_SHA1, span_of(password), c->sha1.iterations, c->sha1.salt, &k) &&
        memcmp(k.stored_key, c->sha1.stored_key, 20) == 0 &&
        memcmp(k.server_key, c->sha1.server_key, 20) == 0;
    return good &&
           scram_keys_derive(CRYPTO_SHA256, span_of(password), c->sha256.iterations, c->sha256.salt,
                             &k) &&
           memcmp(k.stored_key, c->sha256.stored_key, 32) == 0 &&
           memcmp(k.server_key, c->sha256.server_key, 32) == 0;
}

static void an_account_lives(void **state)
{
    struct world *w = *state;
    struct sasl_credentials c, first;
    assert_int_equal(find(w, "alice", &c), ACCOUNTS_UNKNOWN);
    assert_false(c.exists);
    assert_int_equal(add(w, "alice", "secret"), ACCOUNTS_OK);
    assert_int_equal(add(w, "alice", "other"), ACCOUNTS_EXISTS);
    assert_int_equal(add(w, "multicast", "secret"), ACCOUNTS_EXISTS); /* the host's service */
    assert_int_equal(find(w, "alice", &first), ACCOUNTS_OK);
    assert_true(opens(&first, "secret"));
    assert_int_equal(first.sha1.iterations, ITERATIONS);
    assert_memory_not_equal(first.sha1.salt, first.sha256.salt, 16);

    assert_int_equal(passwd(w, "alice", "changed"), ACCOUNTS_OK);
    assert_int_equal(find(w, "alice", &c), ACCOUNTS_OK);
    assert_true(opens(&c, "changed"));
    assert_false(opens(&c, "secret"));
    assert_memory_not_equal(first.sha1.salt, c.sha1.salt, 16);
    assert_int_equal(passwd(w, "bob", "x"), ACCOUNTS_UNKNOWN);

    assert_int_equal(del(w, "alice"), ACCOUNTS_OK);
    assert_int_equal(del(w, "alice"), ACCOUNTS_UNKNOWN);
    assert_int_equal(find(w, "alice", &c), ACCOUNTS_UNKNOWN);
    assert_int_equal(add(w, "alice", "again"), ACCOUNTS_OK);
}

static void passwords_are_checked(void **state)
{
    struct world *w = *state;
    struct sasl_credentials c;
    char longest[1025];
    memset(longest, 'x', sizeof(longest));
    longest[1024] = '\0';
    assert_int_equal(add(w, "a", ""), ACCOUNTS_BAD_PASSWORD);
    assert_int_equal(add(w, "a", longest), ACCOUNTS_BAD_PASSWORD);
    assert_int_equal(add(w, "a", "tab\there"), ACCOUNTS_BAD_PASSWORD);
    assert_int_equal(add(w, "a", "\xFF"), ACCOUNTS_BAD_PASSWORD);
    assert_int_equal(find(w, "a", &c), ACCOUNTS_UNKNOWN);
    longest[1023] = '\0';
    assert_int_equal(add(w, "a", longest), ACCOUNTS_OK);
    assert_int_equal(passwd(w, "a", ""), ACCOUNTS_BAD_PASSWORD);
    assert_int_equal(find(w, "a", &c), ACCOUNTS_OK);
    assert_true(opens(&c, longest));
}

/* --- what hangs on an account --- */

struct sql_job {
    struct store_job job;
    const char *sql;
    int64_t value;
    int result;
};

static int run_sql(struct db *db, struct store_job *job)
{
    struct sql_job *j = CONTAINER_OF(job, struct sql_job, job);
    struct db_stmt *st = db_sql(db, j->sql);
    int result = db_step(st);
    j->value = result == 1 ? db_int(st, 0) : -1;
    return result < 0 ? result : 0;
}

static void on_sql(struct store_job *job, int result)
{
    CONTAINER_OF(job, struct sql_job, job)->result = result;
}

static int64_t ask(struct world *w, const char *sql)
{
    struct sql_job j = {.job = {.run = run_sql, .done = on_sql}, .sql = sql, .result = 99};
    store_submit(w->store, STORE_WRITE, &j.job);
    loop_sim_settle(w->loop);
    assert_int_equal(j.result, 0);
    return j.value;
}

static void nothing_is_inherited(void **state)
{
    struct world *w = *state;
    assert_int_equal(add(w, "alice", "one"), ACCOUNTS_OK);
    int64_t number = ask(w, "SELECT id FROM account");
    ask(w, "INSERT INTO roster (account, jid) SELECT id, 'bob@example.com' FROM account");
    ask(w, "INSERT INTO offline (account, stamp, bytes, stanza) SELECT id, 1, 1, '' FROM account");
    ask(w, "INSERT INTO roster_version (account, version) SELECT id, 1 FROM account");
    assert_int_equal(del(w, "alice"), ACCOUNTS_OK);
    /* What hangs on the old number goes later (test_sm_erase). */
    assert_int_equal(add(w, "alice", "two"), ACCOUNTS_OK);
    assert_true(ask(w, "SELECT id FROM account WHERE name = 'alice'") > number);
    assert_int_equal(ask(w, "SELECT count(*) FROM roster JOIN account ON id = account"
                            " WHERE account.name = 'alice'"), 0);
    assert_int_equal(ask(w, "SELECT count(*) FROM account WHERE name <> 'alice'"
                            " AND length(stored_sha1) > 0"), 0);
    assert_int_equal(del(w, "alice"), ACCOUNTS_OK);
    assert_int_equal(del(w, "alice"), ACCOUNTS_UNKNOWN);
}

static void damaged_keys_are_no_keys(void **state)
{
    struct world *w = *state;
    struct sasl_credentials c;
    assert_int_equal(add(w, "alice", "one"), ACCOUNTS_OK);
    ask(w, "UPDATE account SET stored_sha256 = x'00'");
    assert_int_equal(find(w, "alice", &c), ACCOUNTS_FAILED);
    assert_false(c.exists);
    ask(w, "UPDATE account SET iterations = 0");
    assert_int_equal(find(w, "alice", &c), ACCOUNTS_FAILED);
}

/* --- listing --- */

struct listed {
    struct answer answer;
    size_t count;
    char last[32];
    bool in_order;
    int64_t created;
};

static void on_each(void *ctx, struct span user, int64_t created)
{
    struct listed *l = ctx;
    char name[32];
    snprintf(name, sizeof(name), "%.*s", SPAN_ARG(user));
    l->in_order = l->in_order && strcmp(l->last, name) < 0;
    memcpy(l->last, name, sizeof(name));
    l->created = created;
    l->count++;
}

static void on_listed(void *ctx, enum accounts_result r)
{
    on_done(&((struct listed *)ctx)->answer, r);
}

static void all_are_listed_in_order(void **state)
{
    struct world *w = *state;
    static const size_t sizes[] = {0, 1, 499, 500, 501, 1500};
    size_t made = 0;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct answer a = {0};
        for (; made < sizes[i]; made++) {
            char user[32];
            int n = snprintf(user, sizeof(user), "user%zu", (made * 7919) % 100000);
            accounts_add(w->accounts, span_make(user, (size_t)n), SPAN("x"), on_done, &a);
        }
        loop_sim_settle(w->loop);
        struct listed l = {.in_order = true};
        accounts_list(w->accounts, on_each, on_listed, &l);
        loop_sim_settle(w->loop);
        assert_int_equal(l.answer.count, 1);
        assert_int_equal(l.answer.result, ACCOUNTS_OK);
        assert_int_equal(l.count, sizes[i]);
        assert_true(l.in_order);
        if (made > 0)
            assert_true(l.created == loop_wall(w->loop));
    }
}

/* --- many, and the end --- */

static void too_many_are_refused(void **state)
{
    struct world *w = *state;
    enum { GOOD = 16 + 4096, MANY = GOOD + 10 };
    struct answer *answers = calloc(MANY, sizeof(*answers));
    log_threshold = LOG_ERROR;
    for (int i = 0; i < MANY; i++) {
        char user[32];
        int n = snprintf(user, sizeof(user), "u%d", i);
        accounts_add(w->accounts, span_make(user, (size_t)n), SPAN("x"), on_done, &answers[i]);
    }
    loop_sim_settle(w->loop);
    log_threshold = LOG_INFO;
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(answers[i].count, 1);
        assert_int_equal(answers[i].result, i < GOOD ? ACCOUNTS_OK : ACCOUNTS_FAILED);
    }
    free(answers);
}

/* The pool is shared with log-ins, which are refused when 64 calls are on it. */
static void log_ins_find_room(void **state)
{
    struct world *w = *state;
    enum { MANY = 200 };
    struct answer answers[MANY] = {0};
    for (int i = 0; i < MANY; i++)
        accounts_add(w->accounts, SPAN("u"), SPAN("x"), on_done, &answers[i]);
    assert_in_range(loop_work_pending(w->loop), 1, 32);
    loop_sim_settle(w->loop);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(answers[i].count, 1);
}

static void the_end_answers_all(void **state)
{
    struct world *w = *state;
    enum { MANY = 100 };
    struct answer answers[MANY] = {0}, looked = {0}, gone = {0};
    struct listed l = {0};
    accounts_credentials(w->accounts, SPAN("u1"), on_found, &looked);
    accounts_delete(w->accounts, SPAN("u1"), on_done, &gone);
    accounts_list(w->accounts, on_each, on_listed, &l);
    for (int i = 0; i < MANY; i++)
        accounts_add(w->accounts, SPAN("u"), SPAN("x"), on_done, &answers[i]);
    accounts_free(&w->accounts);
    store_close(&w->store);
    loop_sim_settle(w->loop);
    assert_int_equal(looked.count, 1);
    assert_int_equal(gone.count, 1);
    assert_int_equal(l.answer.count, 1);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(answers[i].count, 1);
}

/* On threads and a file: the pool derives in parallel, the store commits in groups. */
static void many_share_commits(void **state)
{
    (void)state;
    enum { MANY = 500 };
    char path[] = "/tmp/test_accounts.XXXXXX", name[64], error[STORE_ERROR_MAX];
    close(mkstemp(path));
    struct loop *loop = loop_new();
    struct store_opts opts = {.path = path, .migrations = c2s_migrations};
    struct store *store = store_open(loop, &opts, error);
    assert_non_null(store);
    struct accounts *accounts = accounts_new(loop, store, ITERATIONS);
    struct answer *answers = calloc(MANY, sizeof(*answers));
    size_t left = MANY;
    for (int i = 0; i < MANY; i++) {
        int n = snprintf(name, sizeof(name), "u%d", i);
        answers[i].left = &left;
        answers[i].loop = loop;
        accounts_add(accounts, span_make(name, (size_t)n), SPAN("x"), on_done, &answers[i]);
    }
    loop_run(loop);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(answers[i].count, 1);
        assert_int_equal(answers[i].result, ACCOUNTS_OK);
    }
    assert_true(store_commits(store) < MANY);
    accounts_free(&accounts);
    store_close(&store);
    loop_free(&loop);
    free(answers);
    unlink(path);
    snprintf(name, sizeof(name), "%s-lock", path);
    unlink(name);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_account_lives),        TEST(passwords_are_checked),
        TEST(nothing_is_inherited),    TEST(damaged_keys_are_no_keys),
        TEST(all_are_listed_in_order), TEST(too_many_are_refused),
        TEST(log_ins_find_room),       TEST(the_end_answers_all),
        cmocka_unit_test(many_share_commits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
