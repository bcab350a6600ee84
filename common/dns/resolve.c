/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * resolve - what both resolvers share: questions under way, their deadlines, their answers.
 *
 * Called by dial.c. A question belongs to the resolver from resolve_ask until its answer has been
 * given or it has been cancelled; the asker's struct only points to it.
 */
#include "dns/resolve_private.h"

#include <stdlib.h>

const char *resolve_status_name(enum resolve_status s)
{
    switch (s) {
    case RESOLVE_FOUND:
        return "found";
    case RESOLVE_NO_NAME:
        return "nxdomain";
    case RESOLVE_NO_DATA:
        return "nodata";
    case RESOLVE_BOGUS:
        return "bogus";
    case RESOLVE_FAILED:
        return "failed";
    }
    return "failed";
}

void resolver_init(struct resolver *r, struct loop *loop, const struct resolve_backend *backend)
{
    r->loop = loop;
    r->backend = backend;
    list_init(&r->questions);
}

/* Takes it from everybody who knows of it but the caller. */
static void question_detach(struct question *q)
{
    q->resolver->backend->drop(q->resolver, q);
    timer_stop(&q->timeout);
    loop_defer_cancel(&q->ready);
    list_remove(&q->node);
    q->query->resolver = NULL;
    q->query->backend = NULL;
}

void question_finish(struct question *q, const struct resolve_answer *answer)
{
    void (*done)(void *ctx, const struct resolve_answer *answer) = q->query->done;
    void *ctx = q->query->ctx;

    question_detach(q);
    free(q);
    done(ctx, answer);
}

static void on_ready(void *ctx)
{
    struct question *q = ctx;

    q->resolver->backend->answer(q->resolver, q);
}

void question_ready(struct question *q)
{
    loop_defer(q->resolver->loop, &q->ready);
}

static void fail(void *ctx)
{
    question_finish(ctx, &(struct resolve_answer){.status = RESOLVE_FAILED});
}

/* What no DNS can know is not asked for. */
static bool is_name_sane(struct span name)
{
    return name.n > 0 && name.n <= RESOLVE_NAME_MAX && !memchr(name.p, '\0', name.n);
}

void resolve_ask(struct resolver *r, struct resolve_query *q, enum resolve_kind kind,
                 struct span name, void (*done)(void *ctx, const struct resolve_answer *answer),
                 void *ctx)
{
    struct question *it = mem_zalloc(sizeof(*it));

    *q = (struct resolve_query){.resolver = r, .done = done, .ctx = ctx, .backend = it};
    it->resolver = r;
    it->query = q;
    it->kind = kind;
    it->ready.call = on_ready;
    it->ready.ctx = it;
    list_append(&r->questions, &it->node);
    r->asked++;
    if (!is_name_sane(name)) {
        it->ready.call = fail;
        question_ready(it);
        return;
    }
    memcpy(it->name, name.p, name.n);
    timer_start(&it->timeout, r->loop, RESOLVE_TIMEOUT_MS, fail, it);
    r->backend->ask(r, it);
}

void resolve_cancel(struct resolve_query *q)
{
    struct question *it = q->backend;

    if (!q->resolver)
        return;
    question_detach(it);
    free(it);
}

void resolver_flush(struct resolver *r)
{
    r->backend->flush(r);
}

void resolver_free(struct resolver **r_p)
{
    struct resolver *r = *r_p;

    if (!r)
        return;
    *r_p = NULL;
    LIST_FOR_EACH(node, &r->questions)
    {
        struct question *q = CONTAINER_OF(node, struct question, node);
        question_detach(q);
        free(q);
    }
    r->backend->free(r);
}

size_t resolver_asked(const struct resolver *r)
{
    return r->asked;
}

size_t resolver_sim_asked(const struct resolver *r)
{
    return r->asked;
}
