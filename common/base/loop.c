/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * loop - what both makes of loop share: deferred calls, clocks, the beginning and the end.
 */
#include "base/loop_private.h"

#include <stdlib.h>
#include <time.h>
#include <uv.h>

/* Rounds of deferred calls in one tick; more wait for the next, so that input is not starved. */
#define DEFERRED_ROUNDS 64
/* Passes over what the end of a loop entails, before what keeps coming is given up. */
#define FREE_ROUNDS 1000
#define SIM_EPOCH 1000000ull
/* 2026-01-01T00:00:00Z */
#define SIM_WALL_EPOCH 1767225600000ll

static struct loop *loop_make(void)
{
    struct loop *loop = mem_zalloc(sizeof(*loop));

    list_init(&loop->calls);
    list_init(&loop->late);
    list_init(&loop->io.conns);
    list_init(&loop->io.listeners);
    return loop;
}

struct loop *loop_new(void)
{
    struct loop *loop = loop_make();

    loop->uv = loop_uv_new(loop);
    return loop;
}

struct loop *loop_new_sim(void)
{
    struct loop *loop = loop_make();

    loop->sim_now = SIM_EPOCH;
    return loop;
}

static bool is_quiet(const struct loop *loop)
{
    return loop->works == 0 && list_is_empty(&loop->calls) && list_is_empty(&loop->late);
}

void loop_free(struct loop **loop_p)
{
    struct loop *loop = *loop_p;

    if (!loop)
        return;
    *loop_p = NULL;
    for (int i = 0; i < FREE_ROUNDS && loop_run_deferred(loop); i++)
        ;
    conn_drop_all(loop);
    listener_drop_all(loop);
    loop_uv_close(loop);
    for (int i = 0; i < FREE_ROUNDS && !is_quiet(loop); i++) {
        loop_uv_finish(loop);
        loop_run_deferred(loop);
    }
    loop_uv_finish(loop);
    loop_timers_free(loop);
    for (size_t i = 0; i < loop->io.spare_count; i++)
        buf_free(&loop->io.spares[i]);
    buf_free(&loop->io.trash);
    free(loop->io.read);
    loop_uv_free(loop);
    free(loop);
}

void loop_run(struct loop *loop)
{
    if (loop->uv)
        loop_uv_run(loop);
    else
        loop_sim_run(loop);
    loop->stopped = false;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
    loop_uv_stop(loop);
}

uint64_t loop_now(const struct loop *loop)
{
    return loop->uv ? loop_uv_now(loop) : loop->sim_now;
}

uint64_t loop_now_us(const struct loop *loop)
{
    return loop->uv ? uv_hrtime() / 1000 : loop->sim_now * 1000;
}

int64_t loop_wall(const struct loop *loop)
{
    struct timespec ts;

    if (!loop->uv)
        return SIM_WALL_EPOCH + (int64_t)(loop->sim_now - SIM_EPOCH);
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool loop_is_sim(const struct loop *loop)
{
    return loop->uv == NULL;
}

static bool is_queued(const struct deferred *d)
{
    return d->node.next != NULL && d->node.next != &d->node;
}

void loop_defer(struct loop *loop, struct deferred *d)
{
    if (!is_queued(d))
        list_append(&loop->calls, &d->node);
}

void loop_defer_late(struct loop *loop, struct deferred *d)
{
    if (!is_queued(d))
        list_append(&loop->late, &d->node);
}

void loop_defer_cancel(struct deferred *d)
{
    if (is_queued(d))
        list_remove(&d->node);
}

/* Runs those that are in the queue now; what they queue waits for the next round. */
static void run_round(struct list_node *queue)
{
    struct list_node round = *queue;

    round.prev->next = round.next->prev = &round;
    list_init(queue);
    while (!list_is_empty(&round)) {
        struct deferred *d = CONTAINER_OF(round.next, struct deferred, node);
        list_remove(&d->node);
        d->call(d->ctx);
    }
}

bool loop_run_deferred(struct loop *loop)
{
    for (int i = 0; i < DEFERRED_ROUNDS; i++) {
        if (!list_is_empty(&loop->calls))
            run_round(&loop->calls);
        else if (!list_is_empty(&loop->late))
            run_round(&loop->late);
        else
            return false;
    }
    return !list_is_empty(&loop->calls) || !list_is_empty(&loop->late);
}

void loop_work(struct loop *loop, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
    loop->works++;
    if (loop->uv)
        loop_uv_work(loop, work, done, arg);
    else
        loop_sim_work(loop, work, done, arg);
}

size_t loop_work_pending(const struct loop *loop)
{
    return loop->works;
}
