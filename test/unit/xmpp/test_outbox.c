/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Queues to other servers on virtual time, with the database in memory: a process that is killed is
 * one that is freed without a flush, while the store stays.
 */
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

static void on_ready(void *ctx, struct outbox *o)
{
    struct world *w = ctx;
    w->ready++;
    w->readied = o;
}

static void on_expired(void *ctx, struct outbox *o, struct span stanza)
{
    struct world *w = ctx;
    (void)o;
    w->expired_count++;
    buf_append(&w->expired, stanza);
    buf_append_char(&w->expired, ' ');
}

static const struct outbox_events events = {.on_ready = on_ready, .on_expired = on_expired};

static void no_line(void *ctx, struct span line)
{
    (void)ctx;
    (void)line;
}

static const struct store_migration migrations[] = {{1, outbox_schema}, {0, NULL}};

static struct world *world_new(void)
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
static void kill_and_start(struct world *w, bool settle)
{
    outboxes_free(&w->all);
    loop_sim_settle(w->loop);
    w->ready = 0;
    w->readied = NULL;
    w->all = outboxes_new(w->loop, w->store, &w->opts, &events, w);
    if (settle)
        loop_sim_settle(w->loop);
}

static void world_free(struct world *w)
{
    if (w->all)
        outboxes_free(&w->all);
    store_close(&w->store);
    loop_free(&w->loop);
    buf_free(&w->expired);
    log_set_sink(NULL, NULL);
    free(w);
}

static struct outbox *open_key(struct world *w, const char *key)
{
    return outbox_open(w->all, span_of(key), w);
}

static bool put(struct outbox *o, unsigned number)
{
    char text[16];
    int n = snprintf(text, sizeof text, "%u", number);
    return outbox_put(o, span_make(text, (size_t)n));
}

static void put_range(struct outbox *o, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        assert_true(put(o, i));
}

static unsigned number_of(struct span stanza)
{
    uint64_t n;
    assert_true(span_to_u64(stanza, UINT32_MAX, &n));
    return (unsigned)n;
}

/* Sends what there is, [from, to), in order; acknowledges as it goes when acks. */
static void take(struct world *w, struct outbox *o, unsigned from, unsigned to, bool acks)
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

static void expect_nothing(struct world *w, struct outbox *o)
{
    assert_true(span_is_none(outbox_next(o)));
    loop_sim_advance(w->loop, 2 * TICK);
    assert_true(span_is_none(outbox_next(o)));
}

static size_t rows(struct world *w);

/* --- in memory -------------------------------------------------------------------------------- */

static void test_in_order(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    size_t stanzas, bytes;
    uint64_t age;
    (void)state;
    assert_true(outbox_is_empty(o));
    assert_true(span_eq(outbox_key(o), SPAN("a b")));
    assert_ptr_equal(outbox_owner(o), w);
    put_range(o, 0, 5);
    loop_sim_advance(w->loop, 300);
    outbox_figures(o, &stanzas, &bytes, &age);
    assert_int_equal(stanzas, 5);
    assert_int_equal(bytes, 5);
    assert_int_equal(age, 300);
    take(w, o, 0, 3, false);
    assert_int_equal(outbox_unacked(o), 3);
    assert_false(outbox_acked(o, 4)); /* so many were never sent */
    assert_true(outbox_acked(o, 2));
    assert_int_equal(outbox_unacked(o), 1);
    take(w, o, 3, 5, false);
    assert_true(outbox_acked(o, 3));
    assert_true(outbox_is_empty(o));
    expect_nothing(w, o);
    assert_int_equal(w->ready, 0); /* nobody is told of what he has just put */
    world_free(w);
}

static void test_rewind(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 6);
    take(w, o, 0, 4, false);
    assert_true(outbox_acked(o, 1));
    outbox_rewind(o);
    assert_int_equal(outbox_unacked(o), 0);
    take(w, o, 1, 6, true);
    assert_true(outbox_is_empty(o));
    world_free(w);
}

/* What is acknowledged within the spill time never sees the store. */
static void test_never_stored(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    uint64_t commits = store_commits(w->store);
    for (unsigned i = 0; i < 100; i++) {
        put_range(o, i, i + 1);
        take(w, o, i, i + 1, false);
        loop_sim_advance(w->loop, 1000);
        assert_true(outbox_acked(o, 1));
    }
    loop_sim_advance(w->loop, 2 * SPILL);
    assert_int_equal(store_commits(w->store), commits);
    world_free(w);
}

/* --- the store -------------------------------------------------------------------------------- */

struct count_job {
    struct store_job job;
    const char *sql;
    int64_t count;
};

static int run_sql(struct db *db, struct store_job *job)
{
    struct count_job *c = CONTAINER_OF(job, struct count_job, job);
    struct db_stmt *st = db_sql(db, c->sql);
    int result = db_step(st);
    if (result == 1)
        c->count = db_int(st, 0);
    db_reset(st);
    return result < 0 ? result : 0;
}

static void on_sql(struct store_job *job, int result)
{
    (void)job;
    assert_int_equal(result, 0);
}

static int64_t sql(struct world *w, enum store_kind kind, const char *text)
{
    struct count_job c = {.job = {.run = run_sql, .done = on_sql}, .sql = text};
    store_submit(w->store, kind, &c.job);
    loop_sim_settle(w->loop);
    return c.count;
}

static size_t rows(struct world *w)
{
    return (size_t)sql(w, STORE_READ, "SELECT COUNT(*) FROM outbox");
}

static void test_spills_after_time(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 10);
    take(w, o, 0, 4, false); /* sent is not yet safe */
    loop_sim_advance(w->loop, SPILL - 100);
    assert_int_equal(rows(w), 0);
    loop_sim_advance(w->loop, TICK + 100);
    assert_int_equal(rows(w), 10);
    kill_and_start(w, true);
    assert_int_equal(w->ready, 1);
    assert_true(span_eq(outbox_key(w->readied), SPAN("a b")));
    assert_null(outbox_owner(w->readied));
    o = open_key(w, "a b");
    take(w, o, 0, 10, true);
    loop_sim_advance(w->loop, 2 * TICK);
    assert_int_equal(rows(w), 0);
    kill_and_start(w, true);
    assert_int_equal(w->ready, 0);
    world_free(w);
}

/* They leave the store in the order of their acknowledgement, in few jobs. */
static void test_acked_leave_the_store(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 100);
    loop_sim_advance(w->loop, SPILL + TICK);
    take(w, o, 0, 60, false);
    assert_true(outbox_acked(o, 40));
    uint64_t commits = store_commits(w->store);
    loop_sim_advance(w->loop, 2 * TICK);
    assert_int_equal(store_commits(w->store), commits + 1);
    assert_int_equal(rows(w), 60);
    kill_and_start(w, true);
    o = open_key(w, "a b");
    take(w, o, 40, 100, true);
    world_free(w);
}

static void test_beyond_memory(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    size_t stanzas, bytes;
    uint64_t age;
    (void)state;
    put_range(o, 0, 5000);
    outbox_figures(o, &stanzas, &bytes, &age);
    assert_int_equal(stanzas, 5000);
    loop_sim_advance(w->loop, 2 * TICK);
    outbox_figures(o, &stanzas, &bytes, &age);
    assert_int_equal(stanzas, 5000);
    assert_int_equal(rows(w), 5000); /* full: nobody waits for the time to pass */
    take(w, o, 0, 1500, true);
    put_range(o, 5000, 5500); /* behind what is in the store */
    take(w, o, 1500, 5500, true);
    assert_true(outbox_is_empty(o));
    loop_sim_advance(w->loop, 2 * TICK);
    assert_int_equal(rows(w), 0);
    /* As before all that. */
    put_range(o, 5500, 5600);
    take(w, o, 5500, 5600, true);
    world_free(w);
}

/* The peer takes what it gets and acknowledges late. */
static void test_beyond_memory_unacked(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 3000);
    take(w, o, 0, 1000, false);
    expect_nothing(w, o); /* memory is full of what has been sent */
    assert_true(outbox_acked(o, 1000));
    take(w, o, 1000, 1500, false);
    outbox_rewind(o);
    take(w, o, 1000, 3000, true);
    assert_true(outbox_is_empty(o));
    world_free(w);
}

/* What is just being written to the store is older than what has come since. */
static void test_while_writing(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 1000);
    loop_sim_advance(w->loop, SPILL + TICK);
    put_range(o, 1000, 1300);
    take(w, o, 0, 1000, true);
    take(w, o, 1000, 1300, true);
    assert_true(outbox_is_empty(o));
    world_free(w);
}

static void test_killed_in_the_middle(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 4000);
    loop_sim_advance(w->loop, SPILL + TICK);
    take(w, o, 0, 2500, true);
    loop_sim_advance(w->loop, 2 * TICK);
    kill_and_start(w, true);
    o = open_key(w, "a b");
    put_range(o, 4000, 4100);
    take(w, o, 2500, 4100, true);
    world_free(w);
}

/* Before the store has been looked at, nothing is given: older ones may be in it. */
static void test_put_while_loading(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 10);
    loop_sim_advance(w->loop, SPILL + TICK);
    kill_and_start(w, false);
    o = open_key(w, "a b");
    struct outbox *other = open_key(w, "a c");
    put_range(o, 10, 20);
    put_range(other, 100, 105);
    assert_true(span_is_none(outbox_next(o)));
    assert_true(span_is_none(outbox_next(other)));
    loop_sim_settle(w->loop);
    assert_int_equal(w->ready, 2);
    take(w, o, 0, 20, false);
    take(w, other, 100, 105, true);
    outbox_rewind(o);
    loop_sim_advance(w->loop, SPILL + TICK); /* the numbers of the new ones fit behind the old */
    assert_int_equal(rows(w), 20);
    kill_and_start(w, true);
    take(w, open_key(w, "a b"), 0, 20, true);
    world_free(w);
}

static void on_flushed(void *ctx)
{
    struct world *w = ctx;
    w->flushed++;
}

static void test_flush(void **state)
{
    struct world *w = world_new();
    struct outbox *a = open_key(w, "a b"), *b = open_key(w, "a c");
    (void)state;
    put_range(a, 0, 2500);
    put_range(b, 0, 3);
    take(w, b, 0, 1, false);
    outboxes_flush(w->all, on_flushed, w);
    assert_int_equal(w->flushed, 0);
    loop_sim_settle(w->loop);
    assert_int_equal(w->flushed, 1);
    kill_and_start(w, true);
    assert_int_equal(w->ready, 2);
    take(w, open_key(w, "a b"), 0, 2500, true);
    take(w, open_key(w, "a c"), 0, 3, true);
    world_free(w);
}

static void test_flush_of_nothing(void **state)
{
    struct world *w = world_new();
    (void)state;
    outboxes_flush(w->all, on_flushed, w);
    loop_sim_settle(w->loop);
    assert_int_equal(w->flushed, 1);
    kill_and_start(w, false); /* while the store is being looked at, too */
    put_range(open_key(w, "a b"), 0, 3);
    outboxes_flush(w->all, on_flushed, w);
    loop_sim_settle(w->loop);
    assert_int_equal(w->flushed, 2);
    assert_int_equal(rows(w), 3);
    world_free(w);
}

/* --- time to live ----------------------------------------------------------------------------- */

static void expect_expired(struct world *w, unsigned from, unsigned to)
{
    struct buf want = {0};
    for (unsigned i = from; i < to; i++)
        buf_printf(&want, "%u ", i);
    assert_int_equal(w->expired_count, to - from);
    assert_true(span_eq(buf_span(&w->expired), buf_span(&want)));
    buf_free(&want);
    buf_clear(&w->expired);
    w->expired_count = 0;
}

static void test_expires(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 10);
    loop_sim_advance(w->loop, HOUR / 2);
    put_range(o, 10, 20);
    loop_sim_advance(w->loop, HOUR / 2 - TICK);
    assert_int_equal(w->expired_count, 0);
    loop_sim_advance(w->loop, 3 * TICK);
    expect_expired(w, 0, 10);
    assert_int_equal(rows(w), 10);
    take(w, o, 10, 20, true);
    loop_sim_advance(w->loop, HOUR);
    assert_int_equal(w->expired_count, 0);
    world_free(w);
}

/* Also those that are in the store only, and those of an earlier life of the process. */
static void test_expires_in_the_store(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 3000);
    loop_sim_advance(w->loop, HOUR / 2);
    kill_and_start(w, true);
    loop_sim_advance(w->loop, HOUR / 2 - TICK);
    assert_int_equal(w->expired_count, 0);
    loop_sim_advance(w->loop, 20 * TICK);
    expect_expired(w, 0, 3000);
    assert_int_equal(rows(w), 0);
    world_free(w);
}

/* What is on its way is not given back: the answer to it may be, too. */
static void test_sent_does_not_expire(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 3);
    take(w, o, 0, 2, false);
    loop_sim_advance(w->loop, HOUR + 2 * TICK);
    assert_int_equal(w->expired_count, 0);
    outbox_rewind(o);
    loop_sim_advance(w->loop, 2 * TICK);
    expect_expired(w, 0, 3);
    world_free(w);
}

static void test_give_up(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 2600);
    loop_sim_advance(w->loop, 2 * TICK);
    take(w, o, 0, 5, false);
    outbox_give_up(o);
    put_range(o, 2600, 2610); /* they came after it */
    assert_int_equal(w->expired_count, 0);
    loop_sim_advance(w->loop, 20 * TICK);
    expect_expired(w, 0, 2600);
    take(w, o, 2600, 2610, true);
    world_free(w);
}

static void test_give_up_while_loading(void **state)
{
    struct world *w = world_new();
    (void)state;
    put_range(open_key(w, "a b"), 0, 5);
    loop_sim_advance(w->loop, SPILL + TICK);
    kill_and_start(w, false);
    struct outbox *o = open_key(w, "a b");
    put_range(o, 5, 8);
    outbox_give_up(o);
    loop_sim_advance(w->loop, 4 * TICK);
    expect_expired(w, 0, 8);
    world_free(w);
}

/* --- bounds ----------------------------------------------------------------------------------- */

static void test_full(void **state)
{
    struct world *w = world_new();
    (void)state;
    w->opts.max_stanzas = 10;
    w->opts.max_stored = 1000;
    outboxes_set_limits(w->all, &w->opts);
    struct outbox *o = open_key(w, "a b");
    char text[100];
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 20; i++)
        assert_true(outbox_put(o, span_make(text, sizeof text)));
    loop_sim_advance(w->loop, 4 * TICK);
    assert_false(outbox_put(o, span_make(text, sizeof text)));
    for (int i = 0; i < 5; i++) { /* room comes back */
        assert_false(span_is_none(outbox_next(o)));
        outbox_sent(o);
    }
    assert_true(outbox_acked(o, 5));
    outbox_next(o);
    loop_sim_advance(w->loop, 2 * TICK);
    while (!span_is_none(outbox_next(o)))
        outbox_sent(o);
    outbox_acked(o, outbox_unacked(o));
    outbox_next(o);
    loop_sim_advance(w->loop, 2 * TICK);
    assert_true(outbox_put(o, span_make(text, sizeof text)));
    world_free(w);
}

static void test_memory_of_all(void **state)
{
    enum { MANY = 1000, EACH = 20 };
    struct world *w = world_new();
    char key[24];
    (void)state;
    w->opts.max_all_bytes = MANY * EACH / 2; /* of one to four bytes each */
    outboxes_set_limits(w->all, &w->opts);
    for (unsigned round = 0; round < EACH; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            snprintf(key, sizeof key, "a b%u", i);
            assert_true(put(open_key(w, key), i * EACH + round));
        }
        loop_sim_advance(w->loop, TICK);
    }
    kill_and_start(w, true);
    assert_int_equal(w->ready, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "a b%u", i);
        take(w, open_key(w, key), i * EACH, i * EACH + EACH - 1, true);
    }
    world_free(w);
}

/* Memory runs short while the queue is being sent: order stays. */
static void test_evicted(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 900);
    take(w, o, 0, 100, false);
    w->opts.max_all_bytes = 2000;
    outboxes_set_limits(w->all, &w->opts);
    loop_sim_advance(w->loop, 5 * TICK);
    assert_int_equal(rows(w), 900);
    assert_true(outbox_acked(o, 50));
    outbox_rewind(o);
    put_range(o, 900, 910);
    take(w, o, 50, 910, true);
    assert_true(outbox_is_empty(o));
    world_free(w);
}

static void test_too_much_for_all(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    sql(w, STORE_WRITE,
        "CREATE TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'full'); END");
    w->opts.max_stanzas = 10;
    w->opts.max_bytes = 100;
    outboxes_set_limits(w->all, &w->opts);
    unsigned taken = 0;
    while (put(o, taken)) {
        taken++;
        assert_true(taken < 1000);
        loop_sim_advance(w->loop, 100); /* the store takes nothing: memory has an end */
    }
    sql(w, STORE_WRITE, "DROP TRIGGER full");
    loop_sim_advance(w->loop, 4000); /* it heals */
    assert_int_equal(rows(w), taken);
    take(w, o, 0, taken, true);
    world_free(w);
}

/* --- owners ----------------------------------------------------------------------------------- */

static void test_without_owner(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 3);
    outbox_close(&o);
    assert_null(o);
    loop_sim_advance(w->loop, 2 * TICK);
    o = open_key(w, "a b");
    take(w, o, 0, 3, true);
    outbox_close(&o);
    loop_sim_advance(w->loop, 2 * TICK); /* gone: a leak otherwise */
    o = open_key(w, "a b");
    assert_true(outbox_is_empty(o));
    world_free(w);
}

/* --- all of it -------------------------------------------------------------------------------- */

static uint32_t lot(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)(*seed >> 8) * below) >> 24);
}

struct model {
    unsigned accepted, acked, next; /* numbers: [acked, accepted) are in it; next is sent next */
    uint64_t at[20000];
};

static void random_send(struct outbox *o, struct model *m, unsigned count)
{
    for (struct span s; count-- > 0 && !span_is_none(s = outbox_next(o));) {
        assert_int_equal(number_of(s), m->next);
        m->next++;
        outbox_sent(o);
    }
}

/* What was old enough is there; what is there is in order, without a gap but at the end. */
static void random_kill(struct world *w, struct model *m, struct outbox **o)
{
    uint64_t now = loop_now(w->loop);
    kill_and_start(w, true);
    *o = open_key(w, "a b");
    struct span s = outbox_next(*o);
    if (span_is_none(s)) {
        for (unsigned i = m->acked; i < m->accepted; i++)
            assert_true(now - m->at[i] <= SPILL + TICK);
        m->acked = m->next = m->accepted;
        return;
    }
    unsigned first = number_of(s), last;
    assert_true(first <= m->acked); /* what was acknowledged just now may come again */
    size_t stanzas, bytes;
    uint64_t age;
    outbox_figures(*o, &stanzas, &bytes, &age);
    last = first + (unsigned)stanzas;
    assert_true(last <= m->accepted);
    for (unsigned i = last; i < m->accepted; i++)
        assert_true(now - m->at[i] <= SPILL + TICK);
    m->acked = m->next = first;
    m->accepted = last;
}

static void random_life(uint32_t seed)
{
    struct world *w = world_new();
    struct model *m = mem_zalloc(sizeof *m);
    w->opts.max_stanzas = 1 + lot(&seed, 40);
    w->opts.max_bytes = 20 + lot(&seed, 200);
    w->opts.max_all_bytes = 100 + lot(&seed, 1000);
    outboxes_set_limits(w->all, &w->opts);
    struct outbox *o = open_key(w, "a b");
    for (int step = 0; step < 600; step++) {
        switch (lot(&seed, 9)) {
        case 0:
        case 1:
        case 2:
            for (unsigned n = lot(&seed, 60); n > 0 && put(o, m->accepted); n--)
                m->at[m->accepted++] = loop_now(w->loop);
            break;
        case 3:
        case 4:
            random_send(o, m, lot(&seed, 80));
            break;
        case 5: {
            unsigned n = lot(&seed, outbox_unacked(o) + 1);
            assert_true(outbox_acked(o, n));
            m->acked += n;
            break;
        }
        case 6:
            outbox_rewind(o);
            m->next = m->acked;
            break;
        case 7:
            loop_sim_advance(w->loop, lot(&seed, 2000));
            break;
        default:
            if (lot(&seed, 6) == 0)
                random_kill(w, m, &o);
            else
                loop_sim_settle(w->loop);
        }
    }
    outbox_rewind(o);
    take(w, o, m->acked, m->accepted, true);
    assert_true(outbox_is_empty(o));
    loop_sim_advance(w->loop, 2 * TICK);
    assert_int_equal(rows(w), 0);
    free(m);
    world_free(w);
}

static void test_random_lives(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 60; seed++)
        random_life(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_rewind),
        cmocka_unit_test(test_never_stored),
        cmocka_unit_test(test_spills_after_time),
        cmocka_unit_test(test_acked_leave_the_store),
        cmocka_unit_test(test_beyond_memory),
        cmocka_unit_test(test_beyond_memory_unacked),
        cmocka_unit_test(test_while_writing),
        cmocka_unit_test(test_killed_in_the_middle),
        cmocka_unit_test(test_put_while_loading),
        cmocka_unit_test(test_flush),
        cmocka_unit_test(test_flush_of_nothing),
        cmocka_unit_test(test_expires),
        cmocka_unit_test(test_expires_in_the_store),
        cmocka_unit_test(test_sent_does_not_expire),
        cmocka_unit_test(test_give_up),
        cmocka_unit_test(test_give_up_while_loading),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_memory_of_all),
        cmocka_unit_test(test_evicted),
        cmocka_unit_test(test_too_much_for_all),
        cmocka_unit_test(test_without_owner),
        cmocka_unit_test(test_random_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
