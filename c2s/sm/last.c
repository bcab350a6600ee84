/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * last - XEP-0012: since when the server is there, and since when a user is not; the latter for who
 * may see his presence only. What one of his clients, or another's, knows is asked of that client.
 *
 * A row of iq.c calls it, and presence.c when a session is no longer available.
 */
#include "c2s/sm/sm_private.h"

#include <stdlib.h>

#define STATUS_MAX_BYTES 1024

/* --- leaving --- */

struct leave {
    struct sm_job job; /* first */
    int64_t stamp, login;
    struct buf status;
};

static int leave_run(struct db *db, struct store_job *job)
{
    const struct leave *l = (const struct leave *)(void *)job;
    struct db_stmt *st = db_sql(db, "INSERT INTO last (account, stamp, status, login)"
                                    " SELECT id, ?2, ?3, ?4 FROM account WHERE name = ?1"
                                    " ON CONFLICT (account) DO UPDATE"
                                    " SET stamp = excluded.stamp, status = excluded.status,"
                                    " login = excluded.login");

    db_bind_text(st, 1, l->job.user->name);
    db_bind_int(st, 2, l->stamp);
    db_bind_text(st, 3, buf_span(&l->status));
    db_bind_int(st, 4, l->login);
    return db_run(st);
}

static bool leave_finish(struct sm_job *job, int result)
{
    (void)job, (void)result;
    return true;
}

static void leave_free(struct sm_job *job)
{
    buf_free(&((struct leave *)job)->status);
}

static bool has_available(const struct sm_user *user, const struct sm_session *but)
{
    LIST_FOR_EACH (node, &user->sessions) {
        const struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (s != but && s->is_available && !s->is_gone)
            return true;
    }
    return false;
}

/* Loop time of the newest binding among his sessions. */
static uint64_t newest_login(const struct sm_session *s)
{
    uint64_t newest = s->since;

    LIST_FOR_EACH (node, &s->user->sessions) {
        const struct sm_session *other = CONTAINER_OF(node, struct sm_session, node);
        if (other->since > newest)
            newest = other->since;
    }
    return newest;
}

void sm_last_leave(struct sm_session *s, struct span status)
{
    struct sm *sm = s->sm;

    if (has_available(s->user, s))
        return;
    struct leave *l = mem_zalloc(sizeof(*l));
    l->stamp = loop_wall(sm->loop);
    l->login = l->stamp - (int64_t)(loop_now(sm->loop) - newest_login(s));
    if (status.n <= STATUS_MAX_BYTES)
        buf_append(&l->status, status);
    l->job.bytes = sizeof(*l) + buf_len(&l->status);
    l->job.finish = leave_finish;
    l->job.destroy = leave_free;
    if (sm_job_submit(sm, STORE_WRITE, &l->job, s->user, NULL, leave_run))
        return;
    leave_free(&l->job);
    free(l);
}

/* --- requests --- */

struct look {
    struct sm_task task; /* first */
    struct span name;    /* in the request's arena */
    int64_t stamp;
    struct buf status;
};

static int look_run(struct db *db, struct store_job *job)
{
    struct look *l = (struct look *)(void *)job;
    struct db_stmt *st = db_sql(db, "SELECT stamp, status FROM last WHERE account ="
                                    " (SELECT id FROM account WHERE name = ?1)");

    db_bind_text(st, 1, l->name);
    int got = db_step(st);
    if (got > 0) {
        l->stamp = db_int(st, 0);
        buf_append(&l->status, db_text(st, 1));
    }
    db_reset(st);
    return got;
}

static void answer(struct sm_in *in, uint64_t ms, struct span status)
{
    struct sm_out out;
    struct buf *buf = sm_iq_open(in, &out);

    xml_raw(buf, SPAN("<query xmlns='" NS_LAST "' seconds='"));
    buf_append_u64(buf, ms / 1000);
    xml_raw(buf, SPAN("'>"));
    xml_text(buf, status);
    xml_raw(buf, SPAN("</query>"));
    sm_iq_close(&out);
}

static void look_done(struct sm_task *task, struct sm_in *in, int result)
{
    const struct look *l = (const struct look *)task;
    const int64_t now = loop_wall(in->sm->loop);

    if (result > 0)
        answer(in, now > l->stamp ? (uint64_t)(now - l->stamp) : 0, buf_span(&l->status));
    else
        sm_refuse(in, STANZA_SERVICE_UNAVAILABLE, NULL); /* he has never been here */
}

static void look_free(struct sm_task *task)
{
    buf_free(&((struct look *)task)->status);
}

void sm_last(struct sm_in *in, uint32_t payload)
{
    const struct sm_user *user = sm_in_user(in);

    (void)payload;
    if (span_is_none(in->to.local)) {
        answer(in, loop_now(in->sm->loop) - in->sm->started, SPAN_NONE);
        return;
    }
    if (user && has_available(user, NULL)) {
        answer(in, 0, SPAN_NONE);
        return;
    }
    struct look *l = mem_zalloc(sizeof(*l));
    stanza_copy(&l->task.request, in->stanza);
    l->task.destroy = look_free;
    l->name = arena_span(&l->task.request.arena, in->to.local);
    sm_task_submit(in, STORE_READ, &l->task, look_run, look_done);
}
