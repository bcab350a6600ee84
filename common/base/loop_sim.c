/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * loop_sim - the make of loop on virtual time: no descriptors, no threads, nothing by chance.
 *
 * Time stands still but for loop_sim_advance (and loop_run, which jumps from timer to timer).
 */
#include "base/loop_private.h"

#include <stdio.h>
#include <stdlib.h>

/* Ticks without time moving on, after which the simulated program is taken to be in a circle. */
#define SETTLE_MAX 10000000

struct sim_work {
    struct deferred deferred;
    struct loop *loop;
    void (*work)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

static void sim_work_run(void *ctx)
{
    struct sim_work *w = ctx;
    struct sim_work copy = *w;

    free(w);
    copy.work(copy.arg);
    copy.loop->works--;
    copy.done(copy.arg);
}

void loop_sim_work(struct loop *loop, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
    struct sim_work *w = mem_zalloc(sizeof(*w));

    *w = (struct sim_work){.loop = loop, .work = work, .done = done, .arg = arg};
    w->deferred.call = sim_work_run;
    w->deferred.ctx = w;
    loop_defer(loop, &w->deferred);
}

void loop_sim_settle(struct loop *loop)
{
    for (int ticks = 0;; ticks++) {
        loop_timers_fire(loop);
        if (!loop_run_deferred(loop) && loop_timers_next(loop) > loop->sim_now)
            return;
        if (ticks == SETTLE_MAX) {
            fputs("loop_sim_settle: never comes to rest\n", stderr);
            abort();
        }
    }
}

void loop_sim_advance(struct loop *loop, uint64_t ms)
{
    uint64_t until = loop->sim_now + ms;

    loop_sim_settle(loop);
    while (loop_timers_next(loop) <= until) {
        loop->sim_now = loop_timers_next(loop);
        loop_sim_settle(loop);
    }
    loop->sim_now = until;
}

void loop_sim_run(struct loop *loop)
{
    loop_sim_settle(loop);
    while (!loop->stopped && loop_timers_next(loop) != UINT64_MAX) {
        loop->sim_now = loop_timers_next(loop);
        loop_sim_settle(loop);
    }
}
