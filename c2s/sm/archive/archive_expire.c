/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * archive_expire - what is older than the archive is to go back, and what a user has too much of,
 * is removed; so is what the administration wants to be gone (sm_archive_purge).
 *
 * A sweep removes one slice a job, with a pause between two, so that whatever else the store is
 * asked for comes in between. Regular ones begin every hour; of them there is one at a time. A
 * sweep belongs to sm->archive->sweeps; the job that works for it borrows it.
 */
#include "c2s/sm/archive/archive.h"

#include <stdlib.h>

#define FIRST_MS (60 * 1000)
#define EVERY_MS (3600 * 1000)
#define PAUSE_MS 20
#define ACCOUNTS 20 /* looked at in one slice */
#define DAY_MS (INT64_C(24) * 3600 * 1000)

enum kind { BY_AGE, BY_NUMBER, OF_USER };

struct sm_archive_sweep {
    struct list_node node; /* of sm->archive->sweeps */
    struct sm *sm;
    enum kind kind;
    struct buf name;  /* OF_USER */
    int64_t id_end;   /* BY_AGE, OF_USER */
    size_t messages;  /* BY_NUMBER */
    int64_t account;  /* BY_NUMBER: those up to it have been looked at */
    int64_t removed;
    bool is_regular;
    struct timer pause;
    void (*done)(void *ctx, int64_t removed, bool is_whole);
    void *ctx;
};

struct job {
    struct sm_job job; /* first */
    struct sm_archive_sweep *sweep;
    int64_t account, removed;
    bool is_over;
};

static void sweep_next(struct sm_archive_sweep *s);
static void sweep_begin(struct sm *sm, enum kind kind);

/* --- in run() --------------------------------------------------------------------------------- */

static bool next_account(struct db *db, int64_t *account)
{
    struct db_stmt *st = db_sql(db, "SELECT id FROM account WHERE id > ?1 ORDER BY id LIMIT 1");
    bool is_there;

    db_bind_int(st, 1, *account);
    is_there = db_step(st) > 0;
    if (is_there)
        *account = db_int(st, 0);
    db_reset(st);
    return is_there;
}

/* One who still has too much is looked at again. */
static int64_t remove_excess(struct db *db, struct job *j)
{
    for (int i = 0; i < ACCOUNTS; i++) {
        int64_t account = j->account;
        if (!next_account(db, &account)) {
            j->is_over = true;
            return 0;
        }
        int64_t newest = sm_archive_excess(db, account, j->sweep->messages);
        int64_t removed = newest ? sm_archive_delete(db, account, newest + 1) : 0;
        if (removed < SM_ARCHIVE_SLICE && removed >= 0)
            j->account = account;
        if (removed != 0)
            return removed;
    }
    return 0;
}

static int64_t remove_old(struct db *db, struct job *j)
{
    const struct sm_archive_sweep *s = j->sweep;
    int64_t account = s->kind == OF_USER ? sm_account_id(db, buf_span(&s->name)) : 0, removed = 0;

    if (s->kind == BY_AGE || account)
        removed = sm_archive_delete(db, account, s->id_end);
    j->is_over = removed < SM_ARCHIVE_SLICE;
    return removed;
}

static int run(struct db *db, struct store_job *store_job)
{
    struct job *j = (struct job *)(void *)store_job;

    j->removed = j->sweep->kind == BY_NUMBER ? remove_excess(db, j) : remove_old(db, j);
    return j->removed < 0 ? (int)j->removed : STORE_OK;
}

/* --- on the loop ------------------------------------------------------------------------------ */

static void on_hour(void *ctx)
{
    sweep_begin(ctx, BY_AGE);
}

static void sweep_free(struct sm_archive_sweep *s)
{
    timer_stop(&s->pause);
    list_remove(&s->node);
    buf_free(&s->name);
    free(s);
}

/* What the age has left may still be too much. */
static void sweep_end(struct sm_archive_sweep *s, bool is_whole)
{
    struct sm *sm = s->sm;
    bool is_regular = s->is_regular;
    enum kind kind = s->kind;

    if (s->removed > 0 || !is_whole)
        LOG(is_whole ? LOG_INFO : LOG_WARN, "sm.archive_removed", F_INT("messages", s->removed),
            F_STR("result", is_whole ? "all" : "failed"));
    if (s->done)
        s->done(s->ctx, s->removed, is_whole);
    sweep_free(s);
    if (is_regular && kind == BY_AGE && is_whole)
        sweep_begin(sm, BY_NUMBER);
    else if (is_regular)
        timer_start(&sm->archive->expiry, sm->loop, EVERY_MS, on_hour, sm);
}

static void on_pause(void *ctx)
{
    sweep_next(ctx);
}

static bool finish(struct sm_job *job, int result)
{
    struct job *j = (struct job *)job;
    struct sm_archive_sweep *s = j->sweep;

    if (job->sm->is_closed) {
        sweep_free(s);
        return true;
    }
    if (result >= 0) {
        s->removed += j->removed;
        s->account = j->account;
    }
    if (result < 0 || j->is_over)
        sweep_end(s, result >= 0);
    else
        timer_start(&s->pause, s->sm->loop, PAUSE_MS, on_pause, s);
    return true;
}

/* When much is queued it waits: it is never in a hurry. */
static void sweep_next(struct sm_archive_sweep *s)
{
    struct job *j = mem_zalloc(sizeof(*j));

    j->sweep = s;
    j->account = s->account;
    j->job.finish = finish;
    j->job.bytes = sizeof(*j);
    if (!sm_job_submit(s->sm, STORE_WRITE, &j->job, NULL, NULL, run)) {
        free(j);
        timer_start(&s->pause, s->sm->loop, 1000, on_pause, s);
    }
}

static struct sm_archive_sweep *sweep_new(struct sm *sm, enum kind kind)
{
    struct sm_archive_sweep *s = mem_zalloc(sizeof(*s));

    s->sm = sm;
    s->kind = kind;
    list_append(&sm->archive->sweeps, &s->node);
    return s;
}

static int64_t id_of_time(int64_t ms)
{
    if (ms < 0)
        ms = 0;
    return ms > SM_ARCHIVE_MAX_TIME ? INT64_MAX : ms << SM_ARCHIVE_TIME_SHIFT;
}

/* Settings count from the next sweep on. */
static void sweep_begin(struct sm *sm, enum kind kind)
{
    struct sm_archive_sweep *s = sweep_new(sm, kind);
    bool is_due;

    s->is_regular = true;
    if (kind == BY_AGE) {
        s->id_end = id_of_time(loop_wall(sm->loop) - sm->opts.archive_days * DAY_MS);
        is_due = sm->opts.archive_days > 0;
    } else {
        s->messages = sm->opts.archive_messages;
        is_due = sm->opts.archive_messages > 0;
    }
    if (is_due)
        sweep_next(s);
    else
        sweep_end(s, true);
}

void sm_archive_purge(struct sm *sm, struct span name, int64_t before_ms,
                      void (*done)(void *ctx, int64_t removed, bool is_whole), void *ctx)
{
    struct sm_archive_sweep *s = sweep_new(sm, span_is_none(name) ? BY_AGE : OF_USER);

    sm_archive_flush(sm);
    buf_append(&s->name, name);
    s->id_end = id_of_time(before_ms);
    s->done = done;
    s->ctx = ctx;
    sweep_next(s);
}

void sm_archive_expiry_open(struct sm *sm)
{
    if (sm->opts.archive)
        timer_start(&sm->archive->expiry, sm->loop, FIRST_MS, on_hour, sm);
}

/* What a job works for goes with it. */
void sm_archive_expiry_close(struct sm *sm)
{
    timer_stop(&sm->archive->expiry);
    LIST_FOR_EACH (node, &sm->archive->sweeps) {
        struct sm_archive_sweep *s = CONTAINER_OF(node, struct sm_archive_sweep, node);
        if (timer_is_running(&s->pause))
            sweep_free(s);
    }
}
