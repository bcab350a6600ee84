/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * accounts_private - what accounts.c (changes) and accounts_read.c (look-ups) share.
 */
#ifndef C2S_ACCOUNTS_PRIVATE_H
#define C2S_ACCOUNTS_PRIVATE_H

#include "base/list.h"
#include "base/loop.h"
#include "c2s/accounts.h"
#include "store/db.h"

struct accounts {
    struct loop *loop;
    struct store *store; /* NULL once accounts_free was called */
    uint32_t iterations;
    void (*on_added)(void *ctx, struct span user); /* or NULL */
    void *on_added_ctx;
    size_t refs; /* the owner's, and one for each call that is under way */

    /* Keys to derive: some on the pool, the others in order behind them. */
    size_t working, waiting_count;
    struct list_node waiting;
    /* Calls that are answered without the database, at the end of the tick. */
    struct list_node refused;
    struct deferred answer;
};

struct accounts *accounts_ref(struct accounts *a);
void accounts_unref(struct accounts *a);

/* What every call has, first in its own struct: a job of the store, and who waits for it. */
struct accounts_call {
    struct store_job job;
    struct accounts *accounts; /* a reference */
    void *ctx;                 /* the caller's */
    char *user;                /* "" when it is about none */
};

/* n bytes, zeroed but for the call at their start; run and done are the job's. */
void *accounts_call_new(size_t n, struct accounts *a, struct span user,
                        int (*run)(struct db *db, struct store_job *job),
                        void (*done)(struct store_job *job, int result), void *ctx);
/* Frees it; it has been answered. */
void accounts_call_free(struct accounts_call *call);

/* Of a store_job's result: run() returns an enum accounts_result, or < 0 from the database. */
static inline enum accounts_result accounts_result_of(int result)
{
    return result < 0 ? ACCOUNTS_FAILED : (enum accounts_result)result;
}

#endif
