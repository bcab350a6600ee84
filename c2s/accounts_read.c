/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * accounts_read - looking up the keys of one user, and all names. Called by authentication and by
 * the administration.
 */
#include "c2s/accounts_private.h"

/* --- one user's keys --- */

struct lookup {
    struct accounts_call call;
    void (*done)(void *ctx, enum accounts_result r, const struct sasl_credentials *c);
    struct sasl_credentials found;
};

/* False: what is stored has not the length that it must have. */
static bool take_blob(struct db_stmt *st, int column, uint8_t *to, size_t n)
{
    struct span blob = db_blob(st, column);
    if (blob.n != n)
        return false;
    memcpy(to, blob.p, n);
    return true;
}

/* Empty ones: there are none of that hash. */
static bool take_keys(struct db_stmt *st, int column, enum crypto_hash h, struct scram_keys *keys)
{
    size_t n = crypto_hash_len(h);
    int64_t iterations = db_int(st, 0);
    struct span salt = db_blob(st, column);
    if (iterations < 1 || iterations > UINT32_MAX || salt.n > SCRAM_SALT_MAX)
        return false;
    if (salt.n == 0 && db_blob(st, column + 1).n == 0)
        return true;
    keys->iterations = (uint32_t)iterations;
    keys->salt_len = (uint8_t)salt.n;
    return salt.n > 0 && take_blob(st, column, keys->salt, salt.n) &&
           take_blob(st, column + 1, keys->stored_key, n) &&
           take_blob(st, column + 2, keys->server_key, n);
}

static int run_lookup(struct db *db, struct store_job *job)
{
    struct lookup *l = CONTAINER_OF(job, struct lookup, call.job);
    struct db_stmt *st = db_sql(db, "SELECT iterations, salt_sha1, stored_sha1, server_sha1,"
                                    " salt_sha256, stored_sha256, server_sha256"
                                    " FROM account WHERE name = ?");
    db_bind_text(st, 1, span_of(l->call.user));
    int result = db_step(st);
    if (result == 0)
        return ACCOUNTS_UNKNOWN;
    if (result < 0)
        return result;
    if (!take_keys(st, 1, CRYPTO_SHA1, &l->found.sha1) ||
        !take_keys(st, 4, CRYPTO_SHA256, &l->found.sha256))
        return ACCOUNTS_FAILED;
    l->found.exists = true;
    return ACCOUNTS_OK;
}

static void on_looked_up(struct store_job *job, int result)
{
    struct lookup *l = CONTAINER_OF(job, struct lookup, call.job);
    l->done(l->call.ctx, accounts_result_of(result), &l->found);
    mem_wipe(&l->found, sizeof(l->found));
    accounts_call_free(&l->call);
}

void accounts_credentials(struct accounts *a, struct span user,
                          void (*done)(void *ctx, enum accounts_result r,
                                       const struct sasl_credentials *c),
                          void *ctx)
{
    struct lookup *l = accounts_call_new(sizeof(*l), a, user, run_lookup, on_looked_up, ctx);
    l->done = done;
    store_submit(a->store, STORE_READ, &l->call.job);
}

/* --- all names, page by page: neither thread is kept long --- */

#define PAGE 500

struct listing {
    struct accounts_call call;
    void (*each)(void *ctx, struct span user, int64_t created);
    void (*done)(void *ctx, enum accounts_result r);
    struct buf names; /* of this page, each followed by NUL */
    struct buf after; /* the last name of the page before */
    int64_t created[PAGE];
    size_t count;
};

static int run_page(struct db *db, struct store_job *job)
{
    struct listing *l = CONTAINER_OF(job, struct listing, call.job);
    struct db_stmt *st =
        db_sql(db, "SELECT name, created FROM account WHERE name > ?"
                   " AND substr(name, 1, 1) <> '/' ORDER BY name LIMIT ?");
    db_bind_text(st, 1, buf_span(&l->after));
    db_bind_int(st, 2, PAGE);
    buf_clear(&l->names);
    l->count = 0;
    int result;
    while ((result = db_step(st)) == 1) {
        buf_append(&l->names, db_text(st, 0));
        buf_append_char(&l->names, '\0');
        l->created[l->count++] = db_int(st, 1);
    }
    return result;
}

static void listing_end(struct listing *l, enum accounts_result r)
{
    l->done(l->call.ctx, r);
    buf_free(&l->names);
    buf_free(&l->after);
    accounts_call_free(&l->call);
}

static void on_page(struct store_job *job, int result)
{
    struct listing *l = CONTAINER_OF(job, struct listing, call.job);
    struct span rest = buf_span(&l->names), name = SPAN_NONE;
    if (result < 0) {
        listing_end(l, ACCOUNTS_FAILED);
        return;
    }
    for (size_t i = 0; i < l->count; i++) {
        name = span_make(rest.p, span_index(rest, '\0'));
        rest = span_from(rest, name.n + 1);
        l->each(l->call.ctx, name, l->created[i]);
    }
    if (l->count < PAGE) {
        listing_end(l, ACCOUNTS_OK);
    } else if (!l->call.accounts->store) {
        listing_end(l, ACCOUNTS_FAILED);
    } else {
        buf_clear(&l->after);
        buf_append(&l->after, name);
        store_submit(l->call.accounts->store, STORE_READ, &l->call.job);
    }
}

void accounts_list(struct accounts *a, void (*each)(void *ctx, struct span user, int64_t created),
                   void (*done)(void *ctx, enum accounts_result r), void *ctx)
{
    struct listing *l = accounts_call_new(sizeof(*l), a, SPAN(""), run_page, on_page, ctx);
    l->each = each;
    l->done = done;
    store_submit(a->store, STORE_READ, &l->call.job);
}
