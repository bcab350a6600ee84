/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * announce - presence that could not be told, or heard, because a link or an instance was gone.
 *
 * When our link to the router is back, each user's resources are shown to his contacts elsewhere
 * again, and those are asked: some users at a time, for there may be many. And a session that ends
 * while nobody owns its user is gone for its contacts, too, whom the store knows.
 *
 * Called by user.c, front.c and session.c.
 */
#include "c2s/sm/contacts/contacts.h"

#include <stdlib.h>

#define USERS_AT_ONCE 50
#define WAIT_MS 20

/* --- the link is back --- */

static void announce(struct sm_user *user)
{
    if (user->state != SM_USER_OWNED)
        return;
    LIST_FOR_EACH (node, &user->sessions) {
        struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (!s->is_available || s->is_gone)
            continue;
        sm_broadcast_elsewhere(s, buf_span(&s->presence));
        sm_probe_elsewhere(s);
    }
}

static void announce_some(void *ctx)
{
    struct sm *sm = ctx;

    if (!sm_is_linked(sm))
        return; /* begins anew when it is back */
    for (int i = 0; i < USERS_AT_ONCE && !list_is_empty(&sm->unannounced); i++) {
        struct sm_user *user = CONTAINER_OF(sm->unannounced.next, struct sm_user, announcing);
        list_remove(&user->announcing);
        announce(user);
    }
    if (!list_is_empty(&sm->unannounced))
        timer_start(&sm->announce_wait, sm->loop, WAIT_MS, announce_some, sm);
}

void sm_announce(struct sm_user *user)
{
    struct sm *sm = user->sm;

    list_remove(&user->announcing);
    list_append(&sm->unannounced, &user->announcing);
    if (!timer_is_running(&sm->announce_wait))
        timer_start(&sm->announce_wait, sm->loop, WAIT_MS, announce_some, sm);
}

/* --- nobody owns the user --- */

struct farewell {
    struct sm_job job; /* first */
    struct buf full;
    struct buf contacts; /* separated by LF */
};

static int farewell_run(struct db *db, struct store_job *job)
{
    struct farewell *f = (struct farewell *)(void *)job;
    const struct span full = buf_span(&f->full);
    struct db_stmt *st =
        db_sql(db, "SELECT jid FROM roster WHERE account = (SELECT id FROM account WHERE name = ?1)"
                   " AND (subscription & 2) AND jid NOT IN"
                   " (SELECT jid FROM block WHERE block.account = roster.account)");
    int got;

    _Static_assert(SM_SUB_FROM == 2, "the bit in the statement");
    db_bind_text(st, 1, span_make(full.p, span_index(full, '@')));
    while ((got = db_step(st)) > 0) {
        buf_append(&f->contacts, db_text(st, 0));
        buf_append_char(&f->contacts, '\n');
    }
    db_reset(st);
    return got;
}

static bool farewell_finish(struct sm_job *job, int result)
{
    struct farewell *f = (struct farewell *)job;
    struct span rest = buf_span(&f->contacts), full = buf_span(&f->full);

    (void)result;
    while (rest.n > 0) {
        size_t n = span_index(rest, '\n');
        sm_broadcast_to(job->sm, span_make(rest.p, n), full,
                        sm_presence_unavailable(job->sm, full));
        rest = span_from(rest, n + 1);
    }
    return true;
}

static void farewell_destroy(struct sm_job *job)
{
    struct farewell *f = (struct farewell *)job;

    buf_free(&f->full);
    buf_free(&f->contacts);
}

void sm_announce_end(struct sm_session *s)
{
    struct farewell *f;

    sm_presence_end_directed(s);
    if (!s->is_available)
        return;
    s->is_available = false;
    f = mem_zalloc(sizeof(*f));
    buf_append(&f->full, s->full);
    f->job.bytes = sizeof(*f) + 65536;
    f->job.finish = farewell_finish;
    f->job.destroy = farewell_destroy;
    if (sm_job_submit(s->sm, STORE_READ, &f->job, NULL, NULL, farewell_run))
        return;
    farewell_destroy(&f->job);
    free(f);
}
