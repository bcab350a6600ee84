/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * requests - the subscription requests that wait for an answer, shown to each resource that
 * becomes available until they get one: RFC 6121 3.1.3.
 *
 * Called by presence.c, and by profile.c when they have been read again. Some at a time, and not
 * more than the client takes: the rest waits for the next time.
 */
#include "c2s/sm/contacts/contacts.h"

#include <stdlib.h>

struct show {
    struct sm_job job; /* first */
    int64_t account;
    struct sm_request_batch batch;
};

static void destroy(struct sm_job *job)
{
    struct show *show = (struct show *)job;

    buf_free(&show->batch.text);
    buf_free(&show->batch.last);
}

static int run(struct db *db, struct store_job *store_job)
{
    struct show *show = (struct show *)(void *)store_job;

    return sm_request_list(db, show->account, &show->batch);
}

static bool may_write(const struct sm_session *s)
{
    return s->client && !s->is_gone && s->is_available &&
           s->client->ops->backlog(s->client) <= s->sm->opts.max_backlog / 2;
}

static void show_from(struct sm_session *s, struct buf *last);

static bool finish(struct sm_job *job, int result)
{
    struct show *show = (struct show *)job;
    struct sm_session *s = job->session;
    size_t at = 0;

    for (size_t i = 0; result == STORE_OK && i < show->batch.count; i++) {
        if (!may_write(s))
            return true;
        sm_presence_write(s, s->bare, span_make(show->batch.text.p + at, show->batch.sizes[i]));
        at += show->batch.sizes[i];
    }
    if (show->batch.count == SM_REQUESTS_BATCH && may_write(s) && s->user && s->user->profile)
        show_from(s, &show->batch.last);
    return true;
}

/* Takes last. */
static void show_from(struct sm_session *s, struct buf *last)
{
    struct show *show = mem_zalloc(sizeof(*show));

    show->account = s->user->profile->account;
    show->batch.last = *last;
    *last = (struct buf){0};
    show->job.bytes = SM_REQUESTS_BATCH * SM_REQUEST_BYTES;
    show->job.finish = finish;
    show->job.destroy = destroy;
    if (sm_job_submit(s->sm, STORE_READ, &show->job, s->user, s, run))
        return;
    destroy(&show->job);
    free(show);
}

void sm_requests_show(struct sm_session *s)
{
    struct buf none = {0};

    if (s->user->profile->has_requests)
        show_from(s, &none);
}

void sm_requests_show_all(struct sm_user *user)
{
    LIST_FOR_EACH (node, &user->sessions) {
        struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (s->is_available && !s->is_gone)
            sm_requests_show(s);
    }
}
