/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * accounts - making, changing and removing users. Called by the administration and, once it is
 * offered, by in-band registration.
 *
 * A call is a struct change: queued, derived on a pool thread (PBKDF2 for both hashes), stored,
 * answered, freed. Many at once run in parallel on the pool and share commits in the store. The
 * copy of the password is wiped as soon as its keys are there.
 */
#include "c2s/accounts_private.h"

#include "base/log.h"
#include "c2s/sm/sm.h"

#include <stdlib.h>

/* Enough for the threads of the pool; more would keep log-ins waiting, or have them refused. */
#define WORKING_MAX 16
#define WAITING_MAX 4096
#define PASSWORD_MAX 1023

struct change {
    struct accounts_call call;
    struct list_node node; /* in waiting or refused */
    void (*done)(void *ctx, enum accounts_result r);
    char *password;
    size_t password_len;
    uint32_t iterations;
    int64_t created;
    enum accounts_result result;
    uint8_t salt_sha1[16], salt_sha256[16];
    struct sasl_credentials keys;
};

const char *accounts_result_text(enum accounts_result r)
{
    switch (r) {
    case ACCOUNTS_OK:
        return "ok";
    case ACCOUNTS_EXISTS:
        return "the account exists already";
    case ACCOUNTS_UNKNOWN:
        return "there is no such account";
    case ACCOUNTS_BAD_PASSWORD:
        return "not a usable password";
    case ACCOUNTS_FAILED:
        break;
    }
    return "the storage failed";
}

/* --- the life of a change --- */

static void password_wipe(struct change *c)
{
    if (c->password)
        mem_wipe(c->password, c->password_len);
    free(c->password);
    c->password = NULL;
}

/* Ends it: the one place where a change is answered. */
static void change_answer(struct change *c, enum accounts_result r)
{
    c->done(c->call.ctx, r);
    password_wipe(c);
    mem_wipe(&c->keys, sizeof(c->keys));
    accounts_call_free(&c->call);
}

static int run_add(struct db *db, struct store_job *job);

static void on_stored(struct store_job *job, int result)
{
    struct change *c = CONTAINER_OF(job, struct change, call.job);
    const struct accounts *a = c->call.accounts;
    const enum accounts_result r = accounts_result_of(result);

    if (r == ACCOUNTS_OK && job->run == run_add && a->store && a->on_added)
        a->on_added(a->on_added_ctx, span_of(c->call.user));
    change_answer(c, r);
}

static struct change *change_new(struct accounts *a, struct span user,
                                 int (*run)(struct db *db, struct store_job *job),
                                 void (*done)(void *ctx, enum accounts_result r), void *ctx)
{
    struct change *c = accounts_call_new(sizeof(*c), a, user, run, on_stored, ctx);
    c->done = done;
    list_init(&c->node);
    return c;
}

/* Answers at the end of the tick: never from inside the call. */
static void change_refuse(struct change *c, enum accounts_result r)
{
    struct accounts *a = c->call.accounts;
    c->result = r;
    list_append(&a->refused, &c->node);
    loop_defer(a->loop, &a->answer);
}

static void answer_refused(void *ctx)
{
    struct accounts *a = accounts_ref(ctx);
    while (!list_is_empty(&a->refused)) {
        struct change *c = CONTAINER_OF(a->refused.next, struct change, node);
        list_remove(&c->node);
        change_answer(c, c->result);
    }
    accounts_unref(a);
}

/* --- deriving --- */

static void work(void *arg)
{
    struct change *c = arg;
    struct span password = span_make(c->password, c->password_len);
    bool good =
        scram_keys_derive(CRYPTO_SHA1, password, c->iterations, c->salt_sha1, &c->keys.sha1) &&
        scram_keys_derive(CRYPTO_SHA256, password, c->iterations, c->salt_sha256, &c->keys.sha256);
    c->result = good ? ACCOUNTS_OK : ACCOUNTS_BAD_PASSWORD;
    password_wipe(c);
}

static void on_worked(void *arg);

static void work_next(struct accounts *a)
{
    while (a->working < WORKING_MAX && !list_is_empty(&a->waiting)) {
        struct change *c = CONTAINER_OF(a->waiting.next, struct change, node);
        list_remove(&c->node);
        a->waiting_count--;
        a->working++;
        loop_work(a->loop, work, on_worked, c);
    }
}

static void on_worked(void *arg)
{
    struct change *c = arg;
    struct accounts *a = c->call.accounts;
    a->working--;
    work_next(a);
    if (c->result == ACCOUNTS_OK && a->store)
        store_submit(a->store, STORE_WRITE, &c->call.job);
    else
        change_answer(c, c->result == ACCOUNTS_OK ? ACCOUNTS_FAILED : c->result);
}

static void change_derive(struct change *c, struct span password)
{
    struct accounts *a = c->call.accounts;
    if (span_is_empty(password) || password.n > PASSWORD_MAX) {
        change_refuse(c, ACCOUNTS_BAD_PASSWORD);
        return;
    }
    if (a->waiting_count >= WAITING_MAX) {
        LOG(LOG_WARN, "accounts.busy", F_INT("waiting", a->waiting_count));
        change_refuse(c, ACCOUNTS_FAILED);
        return;
    }
    c->password = mem_strdup_span(password);
    c->password_len = password.n;
    c->iterations = a->iterations;
    crypto_random(c->salt_sha1, sizeof(c->salt_sha1));
    crypto_random(c->salt_sha256, sizeof(c->salt_sha256));
    list_append(&a->waiting, &c->node);
    a->waiting_count++;
    work_next(a);
}

/* --- storing: on the storage thread --- */

static struct span bytes(const void *p, size_t n)
{
    return span_make(p, n);
}

/* Those of one hash; none: empty. */
static void bind_hash(struct db_stmt *st, int index, const struct scram_keys *k, enum crypto_hash h)
{
    size_t n = k->iterations > 0 ? crypto_hash_len(h) : 0;
    db_bind_blob(st, index, bytes(k->salt, k->salt_len));
    db_bind_blob(st, index + 1, bytes(k->stored_key, n));
    db_bind_blob(st, index + 2, bytes(k->server_key, n));
}

/* iterations and the six keys, from index on; both statements name them in this order. */
static void bind_keys(struct db_stmt *st, int index, const struct sasl_credentials *keys)
{
    db_bind_int(st, index, keys->sha1.iterations > 0 ? keys->sha1.iterations : 1);
    bind_hash(st, index + 1, &keys->sha1, CRYPTO_SHA1);
    bind_hash(st, index + 4, &keys->sha256, CRYPTO_SHA256);
}

static int run_add(struct db *db, struct store_job *job)
{
    struct change *c = CONTAINER_OF(job, struct change, call.job);
    struct db_stmt *st = db_sql(db, "INSERT INTO account (name, created, iterations,"
                                    " salt_sha1, stored_sha1, server_sha1,"
                                    " salt_sha256, stored_sha256, server_sha256)"
                                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
    db_bind_text(st, 1, span_of(c->call.user));
    db_bind_int(st, 2, c->created);
    bind_keys(st, 3, &c->keys);
    int result = db_run(st);
    return result == DB_CONSTRAINT ? ACCOUNTS_EXISTS : result;
}

static int run_set_password(struct db *db, struct store_job *job)
{
    struct change *c = CONTAINER_OF(job, struct change, call.job);
    struct db_stmt *st = db_sql(db, "UPDATE account SET iterations = ?2, salt_sha1 = ?3,"
                                    " stored_sha1 = ?4, server_sha1 = ?5, salt_sha256 = ?6,"
                                    " stored_sha256 = ?7, server_sha256 = ?8 WHERE name = ?1");
    db_bind_text(st, 1, span_of(c->call.user));
    bind_keys(st, 2, &c->keys);
    int result = db_run(st);
    return result < 0 || db_changes(db) > 0 ? result : ACCOUNTS_UNKNOWN;
}

/* What hangs on it may be much: c2s/sm/erase.c takes it away, in slices. No name has a '/'. */
static int run_delete(struct db *db, struct store_job *job)
{
    struct change *c = CONTAINER_OF(job, struct change, call.job);
    struct db_stmt *st = db_sql(db, "UPDATE account SET name = '/' || id || '/' || name,"
                                    " stored_sha1 = x'', server_sha1 = x'', stored_sha256 = x'',"
                                    " server_sha256 = x'' WHERE name = ?");
    db_bind_text(st, 1, span_of(c->call.user));
    int result = db_run(st);
    return result < 0 || db_changes(db) > 0 ? result : ACCOUNTS_UNKNOWN;
}

/* --- the door --- */

struct accounts *accounts_new(struct loop *loop, struct store *store, uint32_t iterations)
{
    struct accounts *a = mem_zalloc(sizeof(*a));
    a->loop = loop;
    a->store = store;
    a->iterations = iterations;
    a->refs = 1;
    list_init(&a->waiting);
    list_init(&a->refused);
    a->answer = (struct deferred){.call = answer_refused, .ctx = a};
    return a;
}

struct accounts *accounts_ref(struct accounts *a)
{
    a->refs++;
    return a;
}

void accounts_unref(struct accounts *a)
{
    if (--a->refs > 0)
        return;
    loop_defer_cancel(&a->answer);
    free(a);
}

void *accounts_call_new(size_t n, struct accounts *a, struct span user,
                        int (*run)(struct db *db, struct store_job *job),
                        void (*done)(struct store_job *job, int result), void *ctx)
{
    struct accounts_call *call = mem_zalloc(n);
    call->job.run = run;
    call->job.done = done;
    call->accounts = accounts_ref(a);
    call->ctx = ctx;
    call->user = mem_strdup_span(user);
    return call;
}

void accounts_call_free(struct accounts_call *call)
{
    struct accounts *a = call->accounts;
    free(call->user);
    free(call);
    accounts_unref(a);
}

void accounts_set_iterations(struct accounts *a, uint32_t iterations)
{
    a->iterations = iterations;
}

void accounts_on_added(struct accounts *a, void (*call)(void *ctx, struct span user), void *ctx)
{
    a->on_added = call;
    a->on_added_ctx = ctx;
}

void accounts_free(struct accounts **a_p)
{
    struct accounts *a = *a_p;
    if (!a)
        return;
    *a_p = NULL;
    a->store = NULL; /* what comes back from the pool does not reach it any more */
    while (!list_is_empty(&a->waiting)) {
        struct change *c = CONTAINER_OF(a->waiting.next, struct change, node);
        list_remove(&c->node);
        a->waiting_count--;
        change_refuse(c, ACCOUNTS_FAILED);
    }
    answer_refused(a);
    accounts_unref(a);
}

void accounts_add(struct accounts *a, struct span user, struct span password,
                  void (*done)(void *ctx, enum accounts_result r), void *ctx)
{
    struct change *c = change_new(a, user, run_add, done, ctx);
    c->created = loop_wall(a->loop);
    if (sm_is_reserved(user))
        change_refuse(c, ACCOUNTS_EXISTS); /* the name is taken */
    else
        change_derive(c, password);
}

void accounts_add_without_password(struct accounts *a, struct span user,
                                   void (*done)(void *ctx, enum accounts_result r), void *ctx)
{
    struct change *c = change_new(a, user, run_add, done, ctx);
    c->created = loop_wall(a->loop);
    store_submit(a->store, STORE_WRITE, &c->call.job);
}

void accounts_set_password(struct accounts *a, struct span user, struct span password,
                           void (*done)(void *ctx, enum accounts_result r), void *ctx)
{
    change_derive(change_new(a, user, run_set_password, done, ctx), password);
}

void accounts_delete(struct accounts *a, struct span user,
                     void (*done)(void *ctx, enum accounts_result r), void *ctx)
{
    store_submit(a->store, STORE_WRITE, &change_new(a, user, run_delete, done, ctx)->call.job);
}
