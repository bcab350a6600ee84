/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pair_ask - asking another server whether a dialback key is its own (XEP-0220 2.1.2): in.c asks,
 * out.c carries question and answer.
 */
#include "s2s/pair.h"

#include "base/log.h"
#include "s2s/out.h"
#include "s2s/policy.h"

#define QUESTION_MS 30000

static struct pair_question *question_of(struct list_node *node)
{
    return CONTAINER_OF(node, struct pair_question, node);
}

static void answer(struct pair_question *q, enum pair_answer a)
{
    struct pair *p = q->pair;
    list_remove(&q->node);
    q->pair = NULL;
    LOG(LOG_DEBUG, "pair.answered", F_SPAN("local", p->local), F_SPAN("remote", p->remote),
        F_STR("answer", a == PAIR_VALID     ? "valid"
                        : a == PAIR_INVALID ? "invalid"
                                            : "none"));
    q->done(q->ctx, a);
}

bool pair_has_unasked(const struct pair *p)
{
    uint64_t now = loop_now(p->s2s->loop);
    LIST_FOR_EACH(node, &p->questions)
    {
        if (!question_of(node)->is_sent && question_of(node)->deadline > now)
            return true;
    }
    return false;
}

/* --- deadlines -------------------------------------------------------------------------------- */

static void on_deadline(void *ctx);

static void watch(struct pair *p)
{
    uint64_t now = loop_now(p->s2s->loop), first = UINT64_MAX;
    LIST_FOR_EACH(node, &p->questions)
    {
        if (question_of(node)->deadline < first)
            first = question_of(node)->deadline;
    }
    if (first == UINT64_MAX)
        timer_stop(&p->ask);
    else
        timer_start(&p->ask, p->s2s->loop, first > now ? first - now : 0, on_deadline, p);
}

/* Answers those for whom it is over; what done() asks anew is not looked at. */
static void answer_over(struct pair *p,
                        bool (*is_over)(const struct pair_question *q, uint64_t now))
{
    struct list_node old;
    list_init(&old);
    while (!list_is_empty(&p->questions)) {
        struct list_node *node = p->questions.next;
        list_remove(node);
        list_append(&old, node);
    }
    while (!list_is_empty(&old)) {
        struct pair_question *q = question_of(old.next);
        list_remove(&q->node);
        list_append(&p->questions, &q->node);
        if (is_over(q, loop_now(p->s2s->loop)))
            answer(q, PAIR_NOT_THERE);
    }
    watch(p);
}

static bool is_late(const struct pair_question *q, uint64_t now)
{
    return q->deadline <= now;
}

static bool is_any(const struct pair_question *q, uint64_t now)
{
    (void)q;
    (void)now;
    return true;
}

static bool is_sent(const struct pair_question *q, uint64_t now)
{
    return q->is_sent || q->deadline <= now;
}

static void on_deadline(void *ctx)
{
    answer_over(ctx, is_late);
}

void pair_ask_lost(struct pair *p, enum stanza_error e)
{
    answer_over(p, e == STANZA_ERROR_NONE ? is_sent : is_any);
}

/* --- asking ----------------------------------------------------------------------------------- */

static bool may_reach(const struct pair *p)
{
    return !p->s2s->is_stopping && !relay_is_ours(p->s2s, p->remote) &&
           !policy_of(p->s2s, p->remote).is_denied;
}

void pair_on_askable(struct pair *p)
{
    LIST_FOR_EACH(node, &p->questions)
    {
        struct pair_question *q = question_of(node);
        if (q->is_sent)
            continue;
        q->is_sent = true;
        out_ask(p->out, q);
    }
}

void pair_ask(struct pair *p, struct pair_question *q)
{
    uint64_t now = loop_now(p->s2s->loop);
    bool may = may_reach(p);
    q->pair = p;
    q->is_sent = false;
    q->deadline = may ? now + QUESTION_MS : now;
    list_append(&p->questions, &q->node);
    watch(p);
    p->last_used = now;
    if (!may)
        return;
    if (!p->out)
        pair_reach(p);
    else if (out_can_ask(p->out))
        pair_on_askable(p);
}

void pair_unask(struct pair_question *q)
{
    if (!q->pair)
        return;
    list_remove(&q->node);
    watch(q->pair);
    q->pair = NULL;
}

bool pair_on_verified(struct pair *p, struct span id, enum pair_answer a)
{
    LIST_FOR_EACH(node, &p->questions)
    {
        struct pair_question *q = question_of(node);
        if (!q->is_sent || !span_eq(id, span_of(q->id)))
            continue;
        answer(q, a);
        watch(p);
        return true;
    }
    return false;
}
