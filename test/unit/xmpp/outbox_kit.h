/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * outbox_kit - queues to other servers on virtual time, with the database in memory: a process that
 * is killed is one that is freed without a flush, while the store stays.
 */
#ifndef TEST_OUTBOX_KIT_H
#define TEST_OUTBOX_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "store/db.h"
#include "xmpp/outbox.h"

#define TICK 500
#define SPILL 5000
#define HOUR 3600000

struct world {
    struct loop *loop;
    struct store *store;
    struct outboxes *all;
    struct outbox_opts opts;
    struct outbox *readied; /* by the last on_ready */
    unsigned ready, flushed;
    struct buf expired; /* the texts, each with a space behind it */
    unsigned expired_count;
};

static inline void on_ready(void *ctx, struct outbox *o)
{
    struct world *w = ctx;
    w->ready++;
    w->readied = o;
}

static inline void on_expired(void *ctx, struct outbox *o, struct span stanza)
{
    struct world *w = ctx;
    (void)o;
    w->expired_count++;
    buf_append(&w->expired, stanza);
    buf_append_char(&w->expired, ' ');
}

static const struct outbox_events events = {.on_ready = on_ready, .on_expired = on_expired};

static inline void no_line(void *ctx, struct span line)
{
    (void)ctx;
    (void)line;
}

static const struct store_migration migrations[] = {{1, outbox_schema}, {0, NULL}};

static inline struct world *world_new(void)
{
    struct world *w = mem_zalloc(sizeof *w);
    struct store_opts opts = {.migrations = migrations, .exclusive = true};
    char error[STORE_ERROR_MAX];
    log_set_sink(no_line, NULL);
    w->loop = loop_new_sim();
    w->store = store_open(w->loop, &opts, error);
    assert_non_null(w->store);
    w->opts = (struct outbox_opts){.max_stanzas = 1000,
                                   .max_bytes = 4 << 20,
                                   .max_all_bytes = 64 << 20,
                                   .max_stored = 100 << 20,
                                   .spill_ms = SPILL,
                                   .ttl_ms = HOUR};
    w->all = outboxes_new(w->loop, w->store, &w->opts, &events, w);
    loop_sim_settle(w->loop);
    return w;
}

/* kill -9, and a new start; settle: what is in the store has been found. */
static inline void kill_and_start(struct world *w, bool settle)
{
    outboxes_free(&w->all);
    loop_sim_settle(w->loop);
    w->ready = 0;
    w->readied = NULL;
    w->all = outboxes_new(w->loop, w->store, &w->opts, &events, w);
    if (settle)
        loop_sim_settle(w->loop);
}

static inline void world_free(struct world *w)
{
    if (w->all)
        outboxes_free(&w->all);
    store_close(&w->store);
    loop_free(&w->loop);
    buf_free(&w->expired);
    log_set_sink(NULL, NULL);
    free(w);
}

static inline struct outbox *open_key(struct world *w, const char *key)
{
    return outbox_open(w->all, span_of(key), w);
}

static inline bool put(struct outbox *o, unsigned number)
{
    char text[16];
    int n = snprintf(text, sizeof text, "%u", number);
    return outbox_put(o, span_make(text, (size_t)n));
}

static inline void put_range(struct outbox *o, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        assert_true(put(o, i));
}

static inline unsigned number_of(struct span stanza)
{
    uint64_t n;
    assert_true(span_to_u64(stanza, UINT32_MAX, &n));
    return (unsigned)n;
}

/* Sends what there is, [from, to), in order; acknowledges as it goes when acks. */
static inline void take(struct world *w, struct outbox *o, unsigned from, unsigned to, bool acks)
{
    while (from < to) {
        struct span stanza = outbox_next(o);
        if (span_is_none(stanza)) {
            unsigned before = w->ready;
            loop_sim_settle(w->loop);
            if (w->ready == before)
                fail_msg("nothing more at %u of %u", from, to);
            continue;
        }
        assert_int_equal(number_of(stanza), from);
        outbox_sent(o);
        if (acks)
            assert_true(outbox_acked(o, 1));
        from++;
    }
}

static inline void expect_nothing(struct world *w, struct outbox *o)
{
    assert_true(span_is_none(outbox_next(o)));
    loop_sim_advance(w->loop, 2 * TICK);
    assert_true(span_is_none(outbox_next(o)));
}

struct count_job {
    struct store_job job;
    const char *sql;
    int64_t count;
};

static inline int run_sql(struct db *db, struct store_job *job)
{
    struct count_job *c = CONTAINER_OF(job, struct count_job, job);
    struct db_stmt *st = db_sql(db, c->sql);
    int result = db_step(st);
    if (result == 1)
        c->count = db_int(st, 0);
    db_reset(st);
    return result < 0 ? result : 0;
}

static inline void on_sql(struct store_job *job, int result)
{
    (void)job;
    assert_int_equal(result, 0);
}

static inline int64_t sql(struct world *w, enum store_kind kind, const char *text)
{
    struct count_job c = {.job = {.run = run_sql, .done = on_sql}, .sql = text};
    store_submit(w->store, kind, &c.job);
    loop_sim_settle(w->loop);
    return c.count;
}

static inline size_t rows(struct world *w)
{
    return (size_t)sql(w, STORE_READ, "SELECT COUNT(*) FROM outbox");
}

#endif
