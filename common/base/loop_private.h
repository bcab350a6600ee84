/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * loop_private - the inside of a loop, for loop*.c, conn*.c and listen.c only.
 *
 * loop.c holds what both makes share (deferred calls, the end), loop_timer.c the heap of timers,
 * loop_uv.c the make on libuv, loop_sim.c the make on virtual time.
 */
#ifndef BASE_LOOP_PRIVATE_H
#define BASE_LOOP_PRIVATE_H

#include "base/buf.h"
#include "base/loop.h"

#define LOOP_READ_MAX (64 * 1024)
#define LOOP_SPARES 16
#define LOOP_SPARE_MAX (64 * 1024)

struct loop_entry {
    uint64_t deadline; /* at most the timer's own: see loop_timer.c */
    uint64_t seq;      /* order among equal deadlines */
    struct timer *timer;
};

/* What the connections of a loop share. */
struct loop_io {
    struct list_node conns;
    struct list_node listeners;
    char *read;                     /* LOOP_READ_MAX bytes, made by the first read */
    struct buf spares[LOOP_SPARES]; /* empty output buffers that wait for their next user */
    size_t spare_count;
    struct buf trash; /* what is written to connections that are closing */
};

struct loop {
    struct loop_uv *uv; /* NULL: simulated */
    uint64_t sim_now;
    struct loop_entry *heap;
    size_t heap_n, heap_cap;
    uint64_t seq;
    struct list_node calls; /* deferred */
    struct list_node late;  /* deferred until no other call is left: flushes */
    size_t works;
    bool stopped;
    struct loop_io io;
};

/* As loop_defer, but after all others: what they queue for a connection goes out in one write. */
void loop_defer_late(struct loop *loop, struct deferred *d);
/* Runs deferred calls until none is left or a bound is reached; true: some are left. */
bool loop_run_deferred(struct loop *loop);

/* Fires what is due now; timers started meanwhile wait for the next call. */
void loop_timers_fire(struct loop *loop);
/* The earliest moment at which one may be due, or UINT64_MAX. */
uint64_t loop_timers_next(struct loop *loop);
/* Ends: every timer left is stopped, the heap's memory released. */
void loop_timers_free(struct loop *loop);

/* libuv's half */
struct loop_uv *loop_uv_new(struct loop *loop);
void loop_uv_run(struct loop *loop);
void loop_uv_stop(struct loop *loop);
uint64_t loop_uv_now(const struct loop *loop);
void loop_uv_freshen(struct loop *loop); /* outside loop_run the cached time is stale */
/* Closes all handles that are left; loop_uv_finish runs what that entails. */
void loop_uv_close(struct loop *loop);
void loop_uv_finish(struct loop *loop);
void loop_uv_free(struct loop *loop);
void loop_uv_work(struct loop *loop, void (*work)(void *arg), void (*done)(void *arg), void *arg);

/* the simulated half */
void loop_sim_run(struct loop *loop);
void loop_sim_work(struct loop *loop, void (*work)(void *arg), void (*done)(void *arg), void *arg);

/* conn.c and listen.c: their part of loop_free, without a word to the handlers. */
void conn_drop_all(struct loop *loop);
void listener_drop_all(struct loop *loop);

#endif
