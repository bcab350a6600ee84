/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * task - a request that is answered when the store has: a job that keeps the stanza, and gives its
 * finish the same struct sm_in that the handler had.
 *
 * Called by the handlers of iq.c's table. The task is the handler's own struct, with a struct
 * sm_task as its first member, from mem_zalloc; it is freed here in every case.
 */
#include "c2s/sm/sm_private.h"

#include <stdlib.h>

static void destroy(struct sm_job *job)
{
    struct sm_task *task = (struct sm_task *)job;

    if (task->destroy)
        task->destroy(task);
    stanza_free(&task->request);
    buf_free(&task->to);
}

/* A session that is gone hears nothing: what is written goes nowhere. */
static bool finish(struct sm_job *job, int result)
{
    struct sm_task *task = (struct sm_task *)job;
    struct sm_session *session = job->session && job->session->client ? job->session : NULL;
    struct sm_in in = {
        .sm = job->sm,
        .session = session,
        .stanza = &task->request,
        .done = job->done,
        .is_from_link = task->is_from_link,
        .is_by_network = task->is_by_network,
    };
    struct jid_scratch scratch SM_HOT;

    job->done = (struct link_done){0};
    jid_parse(buf_span(&task->to), &in.to, &scratch);
    task->finish(task, &in, result);
    sm_done(in.done, true);
    return true;
}

/* Who must not be released or forgotten while it runs. */
static struct sm_user *user_of(const struct sm_in *in)
{
    struct sm_user *user = sm_in_user(in);

    return user || !in->session ? user : in->session->user;
}

bool sm_task_submit(struct sm_in *in, enum store_kind kind, struct sm_task *task,
                    int (*run)(struct db *db, struct store_job *job),
                    void (*done)(struct sm_task *task, struct sm_in *in, int result))
{
    if (task->request.node_count == 0)
        stanza_copy(&task->request, in->stanza);
    task->request.from = arena_span(&task->request.arena, in->stanza->from);
    buf_append(&task->to, in->to.full);
    task->is_from_link = in->is_from_link;
    task->is_by_network = in->is_by_network;
    task->finish = done;
    task->job.finish = finish;
    task->job.destroy = destroy;
    task->job.bytes += 4096;
    task->job.is_foreign = in->is_from_link;
    task->job.done = in->done;
    if (sm_job_submit(in->sm, kind, &task->job, user_of(in), in->session, run)) {
        sm_in_take_done(in);
        return true;
    }
    destroy(&task->job);
    free(task);
    sm_refuse(in, STANZA_RESOURCE_CONSTRAINT, "too much at once");
    return false;
}
