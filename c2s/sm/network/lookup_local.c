/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lookup_local - where a user is at home, as far as the store here knows: by the accounts, and by
 * the records of homes if this server is a directory of his. The first step of a look-up
 * (lookup.c), which is told on the loop.
 */
#include "c2s/sm/network/record.h"
#include "c2s/sm/network/resolver.h"

#include <stdlib.h>

struct local {
    struct sm_job job; /* first */
    struct servers *servers;
    void (*done)(void *ctx, const struct sm_home *home);
    void *ctx;
    struct sm_home home;
    struct buf text; /* home.host points into it */
    size_t n;
    char user[];
};

/* A record that is newer than the account speaks of a user who has moved (moved.c). Where we are
 * no directory a record may be old: nobody has it mended here. */
static int run(struct db *db, struct store_job *job)
{
    struct local *l = (struct local *)(void *)job;
    const struct span user = span_make(l->user, l->n);
    const int64_t created = sm_account_created(db, user);
    const bool is_directory = sm_is_directory(l->servers, user);
    struct sm_home_record r;
    const int got = sm_record_load(db, user, &r, &l->text);
    const bool is_elsewhere = got > 0 && servers_has_other(l->servers, r.host);

    if (got < 0)
        return got;
    if (created >= 0 && !(is_elsewhere && sm_record_beats(&r, l->job.sm->opts.host, created)))
        l->home = (struct sm_home){.kind = SM_HOME_HERE, .stamp = created};
    else if (is_elsewhere && (is_directory || created >= 0))
        l->home = (struct sm_home){.kind = SM_HOME_AT, .host = r.host, .stamp = r.stamp};
    else if (is_directory && sm_has_heard_all(db, l->servers))
        l->home.kind = SM_HOME_NOBODY;
    return STORE_OK;
}

/* After sm_free those who asked are no more. */
static bool finish(struct sm_job *job, int result)
{
    struct local *l = (struct local *)job;

    if (result < 0)
        l->home.kind = SM_HOME_UNREACHABLE;
    if (!job->sm->is_closed)
        l->done(l->ctx, &l->home);
    return true;
}

static void destroy(struct sm_job *job)
{
    struct local *l = (struct local *)job;

    servers_unref(&l->servers);
    buf_free(&l->text);
}

bool sm_lookup_local(struct sm *sm, struct span user,
                     void (*done)(void *ctx, const struct sm_home *home), void *ctx)
{
    struct local *l = mem_zalloc(sizeof(*l) + user.n);

    l->servers = servers_ref(sm->net->servers);
    l->done = done;
    l->ctx = ctx;
    l->n = user.n;
    memcpy(l->user, user.p, user.n);
    l->job.bytes = sizeof(*l) + user.n;
    l->job.finish = finish;
    l->job.destroy = destroy;
    if (sm_job_submit(sm, STORE_READ, &l->job, NULL, NULL, run))
        return true;
    destroy(&l->job);
    free(l);
    return false;
}
