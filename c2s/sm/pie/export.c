/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * export - accounts as a document of XEP-0227, written slice by slice: one slice a job, and the
 * next one when whoever gets it has taken the last ones. So a million archived messages cost the
 * memory of a slice, and keep neither the storage thread nor the loop. What changes meanwhile may
 * be in it or not; each row is as it was at one moment.
 *
 * Called by c2s/control_pie.c. The struct is in sm->exports until done() has been called.
 */
#include "c2s/sm/pie/pie.h"

#include <stdlib.h>

#define QUEUED_MAX (1u << 20)
#define WAIT_MS 20
#define AGAIN_MS 1000 /* the store has no room */

struct sm_export {
    struct list_node node; /* of sm->exports */
    struct sm *sm;
    struct sm_export_ops ops;
    void *ctx;
    bool is_one, is_stopped;
    uint64_t users;
    struct buf name;           /* of the account that is being written */
    struct pie_cursor cursor;  /* account 0: the next one is to be found */
    struct timer wait;         /* running: no job is under way */
};

struct slice {
    struct sm_job job; /* first */
    struct sm_export *e;
    struct pie_cursor cursor;
    struct buf name, xml;
    bool is_one, is_over, is_last; /* of the account; of all */
};

/* --- in run() --------------------------------------------------------------------------------- */

/* 1: that account, or the next one. */
static int find_account(struct db *db, struct slice *s)
{
    struct db_stmt *st =
        s->is_one ? db_sql(db, "SELECT id, name FROM account WHERE name = ?1")
                  : db_sql(db, "SELECT id, name FROM account WHERE name > ?1"
                               " AND substr(name, 1, 1) <> '/' ORDER BY name LIMIT 1");
    int got;

    db_bind_text(st, 1, buf_span(&s->name));
    got = db_step(st);
    if (got > 0) {
        struct buf name = {0};
        s->cursor.account = db_int(st, 0);
        buf_append(&name, db_text(st, 1));
        buf_free(&s->name);
        s->name = name;
    }
    db_reset(st);
    return got;
}

static int run(struct db *db, struct store_job *store_job)
{
    struct slice *s = (struct slice *)(void *)store_job;
    int got = s->cursor.account ? 1 : find_account(db, s);

    s->is_last = got == 0;
    if (got <= 0)
        return got;
    s->cursor.name = buf_span(&s->name);
    return pie_export_slice(db, &s->cursor, &s->xml, &s->is_over);
}

/* --- on the loop ------------------------------------------------------------------------------ */

static void next_slice(void *ctx);

static void cursor_free(struct pie_cursor *c)
{
    buf_free(&c->text);
}

static void export_end(struct sm_export *e, enum sm_pie_result r)
{
    if (!e->sm->is_closed)
        e->ops.done(e->ctx, r, e->users);
    timer_stop(&e->wait);
    list_remove(&e->node);
    cursor_free(&e->cursor);
    buf_free(&e->name);
    free(e);
}

static void write_literal(struct sm_export *e, const char *text)
{
    e->ops.write(e->ctx, span_of(text));
}

static void write_head(struct sm_export *e)
{
    struct buf head = {0};

    buf_append_z(&head, "<?xml version='1.0' encoding='UTF-8'?>\n<server-data xmlns='" NS_PIE
                        "'>\n<host");
    xml_attr(&head, "jid", e->sm->opts.host);
    buf_append_z(&head, ">\n");
    e->ops.write(e->ctx, buf_span(&head));
    buf_free(&head);
}

static void over(struct sm_export *e)
{
    if (e->is_one && e->users == 0) {
        export_end(e, SM_PIE_NO_USER);
        return;
    }
    if (e->users == 0)
        write_head(e);
    write_literal(e, "</host>\n</server-data>\n");
    export_end(e, SM_PIE_DONE);
}

static void destroy(struct sm_job *job)
{
    struct slice *s = (struct slice *)job;

    cursor_free(&s->cursor);
    buf_free(&s->name);
    buf_free(&s->xml);
}

static bool finish(struct sm_job *job, int result)
{
    struct slice *s = (struct slice *)job;
    struct sm_export *e = s->e;

    if (result < 0 || job->sm->is_closed || e->is_stopped) {
        export_end(e, SM_PIE_FAILED);
        return true;
    }
    if (s->is_last) {
        over(e);
        return true;
    }
    if (e->users == 0 && !e->cursor.account)
        write_head(e);
    e->ops.write(e->ctx, buf_span(&s->xml));
    struct buf name = e->name;
    e->name = s->name;
    s->name = name;
    struct pie_cursor cursor = e->cursor;
    e->cursor = s->cursor;
    s->cursor = cursor;
    if (s->is_over) {
        e->users++;
        cursor_free(&e->cursor);
        e->cursor = (struct pie_cursor){.sm = job->sm, .host = job->sm->opts.host};
    }
    if (s->is_over && e->is_one)
        over(e);
    else
        timer_start(&e->wait, job->sm->loop, 0, next_slice, e);
    return true;
}

static void next_slice(void *ctx)
{
    struct sm_export *e = ctx;
    struct slice *s;

    if (e->is_stopped) {
        export_end(e, SM_PIE_FAILED);
        return;
    }
    if (e->ops.queued(e->ctx) > QUEUED_MAX) {
        timer_start(&e->wait, e->sm->loop, WAIT_MS, next_slice, e);
        return;
    }
    s = mem_zalloc(sizeof(*s));
    s->e = e;
    s->is_one = e->is_one;
    s->cursor = e->cursor;
    s->cursor.text = (struct buf){0};
    buf_append(&s->cursor.text, buf_span(&e->cursor.text));
    buf_append(&s->name, buf_span(&e->name));
    s->job.finish = finish;
    s->job.destroy = destroy;
    s->job.bytes = 2 * PIE_SLICE_BYTES;
    s->job.is_foreign = true; /* it is in no hurry */
    if (sm_job_submit(e->sm, STORE_READ, &s->job, NULL, NULL, run))
        return;
    destroy(&s->job);
    free(s);
    timer_start(&e->wait, e->sm->loop, AGAIN_MS, next_slice, e);
}

struct sm_export *sm_export(struct sm *sm, struct span user, const struct sm_export_ops *ops,
                            void *ctx)
{
    struct sm_export *e = mem_zalloc(sizeof(*e));

    e->sm = sm;
    e->ops = *ops;
    e->ctx = ctx;
    e->is_one = !span_is_none(user);
    e->cursor = (struct pie_cursor){.sm = sm, .host = sm->opts.host};
    buf_append(&e->name, user);
    list_append(&sm->exports, &e->node);
    sm_archive_flush(sm);
    timer_start(&e->wait, sm->loop, 0, next_slice, e);
    return e;
}

void sm_export_stop(struct sm_export *e)
{
    e->is_stopped = true;
}

/* One that a job works for ends with that. */
void sm_export_close(struct sm *sm)
{
    LIST_FOR_EACH (node, &sm->exports) {
        struct sm_export *e = CONTAINER_OF(node, struct sm_export, node);
        if (timer_is_running(&e->wait))
            export_end(e, SM_PIE_FAILED);
    }
}
