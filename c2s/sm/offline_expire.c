/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * offline_expire - stored messages that nobody has fetched for too long are removed (XEP-0160);
 * what is archived is still in the archive. Opened and closed by sm.c.
 *
 * Every hour, one slice a job, with a pause between two, so that whatever else the store is asked
 * for comes in between. Each process does it; a slice that another has removed is simply not there.
 */
#include "c2s/sm/sm_private.h"

#include <stdlib.h>

#define FIRST_MS (60 * 1000)
#define EVERY_MS (3600 * 1000)
#define PAUSE_MS 20
#define DAY_MS (INT64_C(24) * 3600 * 1000)

struct job {
    struct sm_job job; /* first */
    int64_t before, removed;
};

static void sweep(void *ctx);

static int run(struct db *db, struct store_job *store_job)
{
    struct job *j = (struct job *)(void *)store_job;

    j->removed = sm_offline_remove_old(db, j->before);
    return j->removed < 0 ? (int)j->removed : STORE_OK;
}

/* Nothing old among the first: the rest is newer. */
static bool finish(struct sm_job *job, int result)
{
    const struct job *j = (struct job *)job;
    struct sm *sm = job->sm;

    if (sm->is_closed)
        return true;
    if (result < 0)
        LOG(LOG_WARN, "sm.offline_expiry_failed");
    else
        sm->offline_expired += j->removed;
    if (result >= 0 && j->removed > 0) {
        timer_start(&sm->offline_expiry, sm->loop, PAUSE_MS, sweep, sm);
        return true;
    }
    if (sm->offline_expired)
        LOG(LOG_INFO, "sm.offline_expired", F_INT("messages", sm->offline_expired));
    sm->offline_expired = 0;
    timer_start(&sm->offline_expiry, sm->loop, EVERY_MS, sweep, sm);
    return true;
}

/* Settings count from the next slice on. */
static void sweep(void *ctx)
{
    struct sm *sm = ctx;
    struct job *j;

    if (!sm->opts.offline_days) {
        timer_start(&sm->offline_expiry, sm->loop, EVERY_MS, sweep, sm);
        return;
    }
    j = mem_zalloc(sizeof(*j));
    j->before = loop_wall(sm->loop) - sm->opts.offline_days * DAY_MS;
    j->job.finish = finish;
    j->job.bytes = sizeof(*j);
    j->job.is_foreign = true; /* it is never in a hurry */
    if (sm_job_submit(sm, STORE_WRITE, &j->job, NULL, NULL, run))
        return;
    free(j);
    timer_start(&sm->offline_expiry, sm->loop, 1000, sweep, sm);
}

void sm_offline_open(struct sm *sm)
{
    timer_start(&sm->offline_expiry, sm->loop, FIRST_MS, sweep, sm);
}

void sm_offline_close(struct sm *sm)
{
    timer_stop(&sm->offline_expiry);
}
