/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * outbox_store - the outbox's jobs of the store: what is there at the start, writing, reading back,
 * deleting. run() works on the storage thread, on what its job owns; done() on the loop.
 */
#include "xmpp/outbox_private.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

/* What one job carries at most. */
#define SLICE_STANZAS 256
#define SLICE_BYTES (256 * 1024)
/* Until it is tried again after the store has refused. */
#define RETRY_MS 1000

/* seq: as in memory; at: ms since 1970, when it was accepted. */
const char outbox_schema[] = "CREATE TABLE outbox ("
                             " key TEXT NOT NULL,"
                             " seq INTEGER NOT NULL,"
                             " at INTEGER NOT NULL,"
                             " stanza BLOB NOT NULL,"
                             " PRIMARY KEY (key, seq)"
                             ") STRICT, WITHOUT ROWID;";

/* --- jobs ------------------------------------------------------------------------------------ */

static struct outbox_job *job_new(struct outboxes *all, struct outbox *o)
{
    size_t n = o ? o->key.n : 0;
    struct outbox_job *j = mem_zalloc(sizeof(*j) + n);

    j->all = all;
    j->o = o;
    if (n)
        memcpy(j->text, o->key.p, n);
    j->key = span_make(j->text, n);
    j->wall = loop_wall(all->loop) - (int64_t)loop_now(all->loop);
    list_append(&all->jobs, &j->node);
    return j;
}

static void job_free(struct outbox_job *j)
{
    if (j->all)
        list_remove(&j->node);
    ring_free(&j->ring);
    buf_free(&j->found);
    free(j);
}

static struct outbox_job *job_of(struct store_job *job)
{
    return CONTAINER_OF(job, struct outbox_job, job);
}

static void submit(struct outbox_job *j, enum store_kind kind,
                   int (*run)(struct db *db, struct store_job *job),
                   void (*done)(struct store_job *job, int result))
{
    j->job.run = run;
    j->job.done = done;
    store_submit(j->all->store, kind, &j->job);
}

void outboxes_drop_jobs(struct outboxes *all)
{
    LIST_FOR_EACH(node, &all->jobs)
    {
        list_remove(node);
        CONTAINER_OF(node, struct outbox_job, node)->all = NULL;
    }
}

static void log_refusal(const struct outbox_job *j, const char *what, int result)
{
    LOG(LOG_ERROR, "outbox.store", F_STR("what", what), F_SPAN("key", j->key),
        F_INT("stanzas", j->ring.count),
        F_STR("err", result == STORE_FULL ? "disk full" : "failed"));
}

/* --- what is there at the start -------------------------------------------------------------- */

struct found {
    int64_t first, last, count, bytes, at;
    size_t key_len;
};

static int run_load(struct db *db, struct store_job *job)
{
    struct outbox_job *j = job_of(job);
    struct db_stmt *st = db_sql(db, "SELECT key, MIN(seq), MAX(seq), COUNT(*), SUM(LENGTH(stanza)),"
                                    " MIN(at) FROM outbox GROUP BY key");
    int result;

    while ((result = db_step(st)) == 1) {
        struct span key = db_text(st, 0);
        struct found f = {.first = db_int(st, 1),
                          .last = db_int(st, 2),
                          .count = db_int(st, 3),
                          .bytes = db_int(st, 4),
                          .at = db_int(st, 5),
                          .key_len = key.n};
        buf_append(&j->found, span_make((const char *)&f, sizeof(f)));
        buf_append(&j->found, key);
    }
    return result;
}

/* Wall time of the store as loop time; what lies in the future is taken for new. */
static int64_t loop_time(const struct outbox_job *j, int64_t wall)
{
    int64_t now = (int64_t)loop_now(j->all->loop), at = wall - j->wall;

    return at < now ? at : now;
}

/* What has come since the start is newer than what is in the store. */
static void on_found(struct outbox_job *j, const struct found *f, struct span key)
{
    struct outbox *o = outbox_find_or_add(j->all, key);
    uint64_t end = (uint64_t)f->last + 1;

    ring_add_from(&o->front, &o->back, 0, o->back.count);
    ring_free(&o->back);
    o->back = o->front;
    o->front = (struct ring){0};
    for (uint32_t i = 0; i < o->back.count; i++)
        ring_at(&o->back, i)->seq += end;
    o->next_seq += end;
    if (o->give_up_end > 0)
        o->give_up_end += end;
    o->gap.start = o->dropped_end = o->deleted_end = (uint64_t)f->first;
    o->gap.end = o->stored_end = end;
    o->gap.count = (size_t)f->count;
    o->gap.bytes = (size_t)f->bytes;
    o->gap.at = loop_time(j, f->at);
    o->is_wanted = true;
    outbox_set_busy(o);
}

static void on_loaded_all(struct outboxes *all)
{
    all->is_loading = false;
    LIST_FOR_EACH(node, &all->busy)
    {
        struct outbox *o = CONTAINER_OF(node, struct outbox, node);
        if (all->is_flushing)
            outbox_spill(o);
    }
    outboxes_check_flushed(all);
    outboxes_tick_soon(all, true);
}

static void on_loaded(struct store_job *job, int result)
{
    struct outbox_job *j = job_of(job);
    struct outboxes *all = j->all;
    struct found f;

    if (!all) {
        job_free(j);
        return;
    }
    all->is_looking = false;
    if (result < 0) {
        log_refusal(j, "load", result);
        job_free(j);
        outboxes_check_flushed(all);
        outboxes_tick_soon(all, false); /* tries again: nothing is sent before what is older */
        return;
    }
    for (struct span rest = buf_span(&j->found); rest.n > 0;) {
        memcpy(&f, rest.p, sizeof(f));
        rest = span_from(rest, sizeof(f));
        on_found(j, &f, span_make(rest.p, f.key_len));
        rest = span_from(rest, f.key_len);
    }
    job_free(j);
    on_loaded_all(all);
}

void outboxes_load(struct outboxes *all)
{
    all->is_loading = all->is_looking = true;
    submit(job_new(all, NULL), STORE_READ, run_load, on_loaded);
}

/* --- writing --------------------------------------------------------------------------------- */

static int run_write(struct db *db, struct store_job *job)
{
    struct outbox_job *j = job_of(job);
    const char *p = buf_span(&j->ring.bytes).p;
    int result = 0;

    for (uint32_t i = 0; i < j->ring.count && result >= 0; i++) {
        const struct ring_entry *e = ring_at(&j->ring, i);
        struct db_stmt *st =
            db_sql(db, "INSERT INTO outbox (key, seq, at, stanza) VALUES (?1, ?2, ?3, ?4)");
        db_bind_text(st, 1, j->key);
        db_bind_int(st, 2, (int64_t)e->seq);
        db_bind_int(st, 3, e->at + j->wall);
        db_bind_blob(st, 4, span_make(p, e->n));
        result = db_run(st);
        p += e->n;
    }
    return result;
}

/* It is in the store now, and nowhere else. */
static void add_to_gap(struct outbox *o, const struct ring *r)
{
    if (o->gap.count == 0) {
        o->gap.start = ring_at(r, 0)->seq;
        o->gap.at = ring_at(r, 0)->at;
    }
    o->gap.end = ring_at(r, r->count - 1)->seq + 1;
    o->gap.count += r->count;
    o->gap.bytes += buf_len(&r->bytes);
    o->all->bytes -= buf_len(&r->bytes);
}

static void on_stored(struct outbox *o, const struct outbox_job *j)
{
    o->stored_end = ring_at(&j->ring, j->ring.count - 1)->seq + 1;
    if (j->is_back)
        add_to_gap(o, &j->ring);
    else
        while (o->stored < o->front.count && ring_at(&o->front, o->stored)->seq < o->stored_end)
            o->stored++;
}

/* Kept in memory, and tried again. */
static void on_refused(struct outbox *o, struct outbox_job *j, int result)
{
    log_refusal(j, "write", result);
    o->retry_at = loop_now(o->all->loop) + RETRY_MS;
    if (!j->is_back)
        return;
    ring_add_from(&j->ring, &o->back, 0, o->back.count);
    ring_free(&o->back);
    o->back = j->ring;
    j->ring = (struct ring){0};
}

static void on_written(struct store_job *job, int result)
{
    struct outbox_job *j = job_of(job);
    struct outboxes *all = j->all;
    struct outbox *o = j->o;

    if (!all) {
        job_free(j);
        return;
    }
    o->writing = NULL;
    all->writes--;
    if (result >= 0)
        on_stored(o, j);
    else
        on_refused(o, j, result);
    job_free(j);
    outbox_spill(o);
    if (o->is_wanted) {
        outbox_refill(o);
        outbox_check_ready(o);
    }
    outboxes_check_flushed(all);
}

static uint32_t slice_end(const struct ring *r, uint32_t from)
{
    uint32_t to = from;

    for (size_t n = 0; to < r->count && to - from < SLICE_STANZAS && n < SLICE_BYTES; to++)
        n += ring_at(r, to)->n;
    return to;
}

void outbox_write(struct outbox *o)
{
    struct outbox_job *j = job_new(o->all, o);

    if (o->stored < o->front.count) {
        ring_add_from(&j->ring, &o->front, o->stored, slice_end(&o->front, o->stored));
    } else {
        j->ring = o->back;
        j->is_back = true;
        o->back = (struct ring){0};
    }
    o->writing = j;
    o->all->writes++;
    submit(j, STORE_WRITE, run_write, on_written);
}

/* --- reading back ---------------------------------------------------------------------------- */

static int run_read(struct db *db, struct store_job *job)
{
    struct outbox_job *j = job_of(job);
    struct db_stmt *st = db_sql(db, "SELECT seq, at, stanza FROM outbox"
                                    " WHERE key = ?1 AND seq >= ?2 AND seq < ?3 ORDER BY seq");
    int result = 0;

    db_bind_text(st, 1, j->key);
    db_bind_int(st, 2, (int64_t)j->start);
    db_bind_int(st, 3, (int64_t)j->end);
    while (j->ring.count < SLICE_STANZAS && buf_len(&j->ring.bytes) < SLICE_BYTES &&
           (result = db_step(st)) == 1)
        ring_add(&j->ring, (uint64_t)db_int(st, 0), db_int(st, 1), db_blob(st, 2));
    db_reset(st);
    return result < 0 ? result : 0;
}

static void take_slice(struct outbox *o, struct outbox_job *j)
{
    size_t n = buf_len(&j->ring.bytes);

    if (j->ring.count == 0) {
        log_refusal(j, "rows are missing", STORE_FAILED);
        o->gap.count = o->gap.bytes = 0;
        return;
    }
    for (uint32_t i = 0; i < j->ring.count; i++)
        ring_at(&j->ring, i)->at = loop_time(j, ring_at(&j->ring, i)->at);
    const struct ring_entry *last = ring_at(&j->ring, j->ring.count - 1);
    o->gap.start = last->seq + 1;
    o->gap.at = last->at;
    o->gap.count -= j->ring.count < o->gap.count ? j->ring.count : o->gap.count;
    o->gap.bytes -= n < o->gap.bytes ? n : o->gap.bytes;
    ring_add_from(&o->front, &j->ring, 0, j->ring.count);
    o->stored = o->front.count;
    o->all->bytes += n;
}

static void on_read(struct store_job *job, int result)
{
    struct outbox_job *j = job_of(job);
    struct outbox *o = j->o;

    if (!j->all) {
        job_free(j);
        return;
    }
    o->reading = NULL;
    if (result >= 0)
        take_slice(o, j);
    else
        log_refusal(j, "read", result);
    job_free(j);
    if (result < 0)
        return; /* the next tick tries again */
    outbox_expire(o);
    if (o->is_wanted && !outbox_has_unsent(o))
        outbox_refill(o);
    outbox_check_ready(o);
}

void outbox_read(struct outbox *o)
{
    struct outbox_job *j = job_new(o->all, o);

    j->start = o->gap.start;
    j->end = o->gap.end;
    o->reading = j;
    submit(j, STORE_READ, run_read, on_read);
}

/* --- deleting -------------------------------------------------------------------------------- */

static int run_delete(struct db *db, struct store_job *job)
{
    struct outbox_job *j = job_of(job);
    struct db_stmt *st = db_sql(db, "DELETE FROM outbox WHERE key = ?1 AND seq < ?2");

    db_bind_text(st, 1, j->key);
    db_bind_int(st, 2, (int64_t)j->end);
    return db_run(st);
}

static void on_deleted(struct store_job *job, int result)
{
    struct outbox_job *j = job_of(job);

    if (j->all) {
        j->o->deleting = NULL;
        if (result >= 0)
            j->o->deleted_end = j->end;
        else
            log_refusal(j, "delete", result);
    }
    job_free(j);
}

void outbox_delete(struct outbox *o)
{
    struct outbox_job *j = job_new(o->all, o);

    j->end = o->dropped_end;
    o->deleting = j;
    submit(j, STORE_WRITE, run_delete, on_deleted);
}
