/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * loop_timer - a binary heap of timers, the same for both makes of loop.
 *
 * The common case is a deadline that is pushed later again and again (a session's idle limit), so
 * that is one store: the entry keeps its place by the old deadline, which is then a lower bound,
 * and is moved when it comes up. Only an earlier deadline moves an entry at once.
 */
#include "base/loop_private.h"

#include <stdlib.h>

static bool entry_before(const struct loop_entry *a, const struct loop_entry *b)
{
    return a->deadline < b->deadline || (a->deadline == b->deadline && a->seq < b->seq);
}

static void heap_put(struct loop *loop, size_t i, struct loop_entry e)
{
    loop->heap[i] = e;
    e.timer->slot = i + 1;
}

static void sift_up(struct loop *loop, size_t i, struct loop_entry e)
{
    while (i > 0 && entry_before(&e, &loop->heap[(i - 1) / 2])) {
        heap_put(loop, i, loop->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_put(loop, i, e);
}

static void sift_down(struct loop *loop, size_t i, struct loop_entry e)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= loop->heap_n)
            break;
        if (child + 1 < loop->heap_n && entry_before(&loop->heap[child + 1], &loop->heap[child]))
            child++;
        if (!entry_before(&loop->heap[child], &e))
            break;
        heap_put(loop, i, loop->heap[child]);
        i = child;
    }
    heap_put(loop, i, e);
}

static void heap_remove(struct loop *loop, size_t i)
{
    struct loop_entry last = loop->heap[--loop->heap_n];

    if (i == loop->heap_n)
        return;
    if (i > 0 && entry_before(&last, &loop->heap[(i - 1) / 2]))
        sift_up(loop, i, last);
    else
        sift_down(loop, i, last);
}

void timer_start(struct timer *t, struct loop *loop, uint64_t delay_ms, void (*fire)(void *ctx),
                 void *ctx)
{
    loop_uv_freshen(loop);
    uint64_t now = loop_now(loop);
    uint64_t deadline = delay_ms < UINT64_MAX - now ? now + delay_ms : UINT64_MAX;

    if (t->slot != 0 && t->loop != loop)
        timer_stop(t);
    t->loop = loop;
    t->deadline = deadline;
    t->fire = fire;
    t->ctx = ctx;
    if (t->slot != 0) {
        if (loop->heap[t->slot - 1].deadline > deadline)
            sift_up(loop, t->slot - 1, (struct loop_entry){deadline, loop->seq++, t});
        return;
    }
    if (loop->heap_n == loop->heap_cap) {
        loop->heap_cap = loop->heap_cap ? 2 * loop->heap_cap : 64;
        loop->heap = mem_realloc(loop->heap, loop->heap_cap * sizeof(*loop->heap));
    }
    sift_up(loop, loop->heap_n++, (struct loop_entry){deadline, loop->seq++, t});
}

void timer_stop(struct timer *t)
{
    if (t->slot == 0)
        return;
    size_t i = t->slot - 1;
    t->slot = 0;
    heap_remove(t->loop, i);
}

/* Puts pushed-back entries where they belong, until the top one is true. */
static void settle_top(struct loop *loop)
{
    while (loop->heap_n > 0 && loop->heap[0].timer->deadline > loop->heap[0].deadline) {
        struct timer *t = loop->heap[0].timer;
        sift_down(loop, 0, (struct loop_entry){t->deadline, loop->seq++, t});
    }
}

uint64_t loop_timers_next(struct loop *loop)
{
    settle_top(loop);
    return loop->heap_n > 0 ? loop->heap[0].deadline : UINT64_MAX;
}

void loop_timers_fire(struct loop *loop)
{
    uint64_t now = loop_now(loop);
    uint64_t first_new = loop->seq;

    while (loop->heap_n > 0 && loop->heap[0].deadline <= now) {
        struct loop_entry top = loop->heap[0];
        if (top.timer->deadline > now) {
            settle_top(loop);
            continue;
        }
        /* Entries as due as this one but older sort before it: only new ones are left. */
        if (top.seq >= first_new && top.deadline == now)
            break;
        timer_stop(top.timer);
        top.timer->fire(top.timer->ctx);
    }
}

void loop_timers_free(struct loop *loop)
{
    for (size_t i = 0; i < loop->heap_n; i++)
        loop->heap[i].timer->slot = 0;
    free(loop->heap);
    loop->heap = NULL;
    loop->heap_n = loop->heap_cap = 0;
}
