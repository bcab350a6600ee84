/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * loop - the event loop and the only door to clocks, timers, signals and threads.
 *
 * Two makes: loop_new() runs on libuv; loop_new_sim() runs on virtual time, without descriptors or
 * threads, and is stepped by the test. Everything of one loop happens on one thread; only
 * loop_wakeup_send and the work function of loop_work run elsewhere.
 *
 * A tick: timers that are due, then input of connections, then the deferred calls (this is where
 * connections flush what the tick queued for them: one write per connection and tick).
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include "base/list.h"

struct loop;
typedef struct uv_loop_s uv_loop_t;

struct loop *loop_new(void);
struct loop *loop_new_sim(void);
/*
 * loop_free - the end: deferred calls that are queued still run (so does the on_close of a
 * connection that has been closed), loop_work is waited for and done() called. Connections and
 * listeners that nobody has closed go without a word to their handlers; timers are stopped.
 */
void loop_free(struct loop **loop);

/* Runs until loop_stop (libuv) or, on a simulated loop, until nothing is left to do. The tick in
 * which loop_stop is called is finished; called before, it makes loop_run return at once. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Monotonic milliseconds, read once a tick. Virtual on a simulated loop (starts at 1,000,000). */
uint64_t loop_now(const struct loop *loop);
/* Monotonic microseconds read now: for measuring, not for scheduling. */
uint64_t loop_now_us(const struct loop *loop);
/* Milliseconds since 1970 (UTC). On a simulated loop: 2026-01-01T00:00:00Z plus virtual time. */
int64_t loop_wall(const struct loop *loop);

/* libuv's loop, for the rooms of base that need one; NULL on a simulated loop. */
uv_loop_t *loop_uv(struct loop *loop);
bool loop_is_sim(const struct loop *loop);

/* --- timers --- embedded in their owner; zeroed = stopped; cost O(log n) */

struct timer {
    struct loop *loop;
    uint64_t deadline; /* loop_now() time */
    size_t slot;       /* place in the heap + 1; 0: stopped */
    void (*fire)(void *ctx);
    void *ctx;
};

/* (Re)starts it: fire(ctx) is called once, delay_ms from now, unless stopped. May restart it. */
void timer_start(struct timer *t, struct loop *loop, uint64_t delay_ms, void (*fire)(void *ctx),
                 void *ctx);
void timer_stop(struct timer *t); /* harmless when stopped */
static inline bool timer_is_running(const struct timer *t)
{
    return t->slot != 0;
}

/* --- deferred calls --- */

struct deferred {
    struct list_node node; /* .next == NULL or self: not queued */
    void (*call)(void *ctx);
    void *ctx;
};

/* call(ctx) at the end of this tick; queueing a queued one does nothing. */
void loop_defer(struct loop *loop, struct deferred *d);
void loop_defer_cancel(struct deferred *d);

/* --- other threads --- */

/*
 * loop_work - runs work(arg) on a pool thread (libuv's; a simulated loop runs it at the end of the
 * tick), then done(arg) on the loop. work must touch nothing but what arg owns.
 */
void loop_work(struct loop *loop, void (*work)(void *arg), void (*done)(void *arg), void *arg);
/* How many loop_work calls have not come back: for bounding queues. */
size_t loop_work_pending(const struct loop *loop);

/* Wakes the loop from any thread; several sends may become one call. */
struct loop_wakeup;
struct loop_wakeup *loop_wakeup_new(struct loop *loop, void (*call)(void *ctx), void *ctx);
void loop_wakeup_send(struct loop_wakeup *w);
void loop_wakeup_free(struct loop_wakeup **w);

/* --- signals --- call(ctx, signum) on the loop, until loop_free; not on a simulated loop */
void loop_on_signal(struct loop *loop, int signum, void (*call)(void *ctx, int signum), void *ctx);

/* --- simulation only --- */

/* Runs everything that is due now (deferred calls, fake connections' bytes, due timers). */
void loop_sim_settle(struct loop *loop);
/* Moves virtual time on by ms, firing each timer at its own time, settling after each. */
void loop_sim_advance(struct loop *loop, uint64_t ms);

#endif
