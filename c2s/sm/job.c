/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job - a storage job of the session manager: holds its user and session while it is under way,
 * counts against what may be queued, and calls its completion exactly once.
 */
#include "c2s/sm/sm_private.h"

#include <stdlib.h>

static void on_done(struct store_job *store_job, int result)
{
    struct sm_job *job = (struct sm_job *)(void *)store_job;
    struct sm *sm = job->sm;
    struct sm_user *user = job->user;
    bool is_safe = job->finish(job, result);
    struct link_done done = job->done; /* finish may have passed it on */

    sm->job_bytes -= job->bytes;
    if (job->session)
        sm_session_unref(job->session);
    if (job->destroy)
        job->destroy(job);
    free(job);
    sm_done(done, is_safe);
    if (user) {
        user->jobs--;
        sm_user_settle(user);
    }
    sm_unhold(sm);
}

/* What comes over the link may take half of it: a flood from there must not keep our own clients
 * from the store. */
bool sm_job_has_room(const struct sm *sm, size_t bytes, bool is_foreign)
{
    const unsigned share = is_foreign ? 2 : 1;

    return sm->job_bytes + bytes <= SM_MAX_JOB_BYTES / share &&
           store_pending(sm->store) < SM_MAX_JOBS / share;
}

void sm_job_start(struct sm *sm, enum store_kind kind, struct sm_job *job, struct sm_user *user,
                  struct sm_session *session, int (*run)(struct db *db, struct store_job *job))
{
    job->sm = sm;
    job->user = user;
    if (user)
        user->jobs++;
    job->session = session ? sm_session_ref(session) : NULL;
    sm->job_bytes += job->bytes;
    sm_hold(sm);
    job->job.run = run;
    job->job.done = on_done;
    store_submit(sm->store, kind, &job->job);
}

bool sm_job_submit(struct sm *sm, enum store_kind kind, struct sm_job *job, struct sm_user *user,
                   struct sm_session *session, int (*run)(struct db *db, struct store_job *job))
{
    if (!sm_job_has_room(sm, job->bytes, job->is_foreign))
        return false;
    sm_job_start(sm, kind, job, user, session, run);
    return true;
}

int64_t sm_account_id(struct db *db, struct span name)
{
    struct db_stmt *st = db_sql(db, "SELECT id FROM account WHERE name = ?1");
    int64_t id = 0;

    db_bind_text(st, 1, name);
    if (db_step(st) > 0)
        id = db_int(st, 0);
    db_reset(st);
    return id;
}
