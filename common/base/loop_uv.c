/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * loop_uv - the make of loop on libuv.
 *
 * One uv_timer_t stands for the whole heap of timers; it is armed before each poll. Deferred calls
 * run before each poll (what timers queued) and after it (what input queued).
 */
#include "base/loop_private.h"

#include <assert.h>
#include <stdlib.h>
#include <uv.h>

struct loop_uv {
    uv_loop_t uv;
    uv_timer_t timer;
    uv_prepare_t before_poll;
    uv_check_t after_poll;
    uv_idle_t no_wait; /* active while deferred calls are left: the poll does not block */
    struct list_node signals;
    uint64_t armed; /* what timer is set to; UINT64_MAX: not set */
    bool running;
};

struct signal_watch {
    uv_signal_t handle;
    struct list_node node;
    void (*call)(void *ctx, int signum);
    void *ctx;
};

struct loop_wakeup {
    union {
        uv_async_t async;
        struct deferred deferred; /* simulated */
    };
    struct loop *loop;
    void (*call)(void *ctx);
    void *ctx;
};

struct uv_job {
    uv_work_t req;
    struct loop *loop;
    void (*work)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

static void on_timer(uv_timer_t *handle)
{
    struct loop *loop = handle->data;

    loop->uv->armed = UINT64_MAX;
    loop_timers_fire(loop);
}

static void on_no_wait(uv_idle_t *handle)
{
    (void)handle;
}

static void on_before_poll(uv_prepare_t *handle)
{
    struct loop *loop = handle->data;
    struct loop_uv *u = loop->uv;

    if (loop_run_deferred(loop))
        uv_idle_start(&u->no_wait, on_no_wait);
    else
        uv_idle_stop(&u->no_wait);

    uint64_t next = loop_timers_next(loop);
    if (next == u->armed)
        return;
    uint64_t now = uv_now(&u->uv);
    if (next == UINT64_MAX)
        uv_timer_stop(&u->timer);
    else
        uv_timer_start(&u->timer, on_timer, next > now ? next - now : 0, 0);
    u->armed = next;
}

static void on_after_poll(uv_check_t *handle)
{
    loop_run_deferred(handle->data);
}

struct loop_uv *loop_uv_new(struct loop *loop)
{
    struct loop_uv *u = mem_zalloc(sizeof(*u));

    /* Fails only when the system has no descriptors or memory left for a process that starts. */
    if (uv_loop_init(&u->uv) != 0)
        abort();
    list_init(&u->signals);
    u->armed = UINT64_MAX;
    uv_timer_init(&u->uv, &u->timer);
    uv_prepare_init(&u->uv, &u->before_poll);
    uv_check_init(&u->uv, &u->after_poll);
    uv_idle_init(&u->uv, &u->no_wait);
    u->timer.data = u->before_poll.data = u->after_poll.data = u->no_wait.data = loop;
    uv_prepare_start(&u->before_poll, on_before_poll);
    uv_check_start(&u->after_poll, on_after_poll);
    return u;
}

uv_loop_t *loop_uv(struct loop *loop)
{
    return loop->uv ? &loop->uv->uv : NULL;
}

uint64_t loop_uv_now(const struct loop *loop)
{
    return uv_now(&loop->uv->uv);
}

void loop_uv_freshen(struct loop *loop)
{
    if (loop->uv && !loop->uv->running)
        uv_update_time(&loop->uv->uv);
}

void loop_uv_run(struct loop *loop)
{
    loop->uv->running = true;
    while (!loop->stopped)
        uv_run(&loop->uv->uv, UV_RUN_DEFAULT);
    loop->uv->running = false;
}

void loop_uv_stop(struct loop *loop)
{
    /* Also keeps the poll of this tick from blocking. The tick is finished: deferred calls run. */
    if (loop->uv && loop->uv->running)
        uv_stop(&loop->uv->uv);
}

/* --- work on other threads --- */

static void job_work(uv_work_t *req)
{
    struct uv_job *job = req->data;

    job->work(job->arg);
}

static void job_done(uv_work_t *req, int status)
{
    struct uv_job *job = req->data;
    struct uv_job copy = *job;

    (void)status;
    free(job);
    copy.loop->works--;
    copy.done(copy.arg);
}

void loop_uv_work(struct loop *loop, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
    struct uv_job *job = mem_zalloc(sizeof(*job));

    *job = (struct uv_job){.loop = loop, .work = work, .done = done, .arg = arg};
    job->req.data = job;
    int err = uv_queue_work(&loop->uv->uv, &job->req, job_work, job_done);
    assert(err == 0);
    (void)err;
}

/* --- wakeups --- */

static void on_async(uv_async_t *handle)
{
    struct loop_wakeup *w = handle->data;

    w->call(w->ctx);
}

static void on_sim_wakeup(void *ctx)
{
    struct loop_wakeup *w = ctx;

    w->call(w->ctx);
}

struct loop_wakeup *loop_wakeup_new(struct loop *loop, void (*call)(void *ctx), void *ctx)
{
    struct loop_wakeup *w = mem_zalloc(sizeof(*w));

    w->loop = loop;
    w->call = call;
    w->ctx = ctx;
    if (!loop->uv) {
        w->deferred.call = on_sim_wakeup;
        w->deferred.ctx = w;
        return w;
    }
    if (uv_async_init(&loop->uv->uv, &w->async, on_async) != 0)
        abort();
    w->async.data = w;
    return w;
}

void loop_wakeup_send(struct loop_wakeup *w)
{
    if (w->loop->uv)
        uv_async_send(&w->async);
    else
        loop_defer(w->loop, &w->deferred);
}

static void free_handle_owner(uv_handle_t *handle)
{
    free(handle->data);
}

void loop_wakeup_free(struct loop_wakeup **w_p)
{
    struct loop_wakeup *w = *w_p;

    if (!w)
        return;
    *w_p = NULL;
    if (w->loop->uv) {
        uv_close((uv_handle_t *)&w->async, free_handle_owner);
        return;
    }
    loop_defer_cancel(&w->deferred);
    free(w);
}

/* --- signals --- */

static void on_signal(uv_signal_t *handle, int signum)
{
    struct signal_watch *s = handle->data;

    s->call(s->ctx, signum);
}

void loop_on_signal(struct loop *loop, int signum, void (*call)(void *ctx, int signum), void *ctx)
{
    if (!loop->uv)
        return;
    struct signal_watch *s = mem_zalloc(sizeof(*s));
    s->call = call;
    s->ctx = ctx;
    uv_signal_init(&loop->uv->uv, &s->handle);
    s->handle.data = s;
    uv_signal_start(&s->handle, on_signal, signum);
    list_append(&loop->uv->signals, &s->node);
}

/* --- the end --- */

static void close_leftover(uv_handle_t *handle, void *arg)
{
    (void)arg;
    /* Only wakeups that nobody freed: everything else has been closed by its own room. */
    if (handle->type == UV_ASYNC && !uv_is_closing(handle))
        uv_close(handle, free_handle_owner);
}

void loop_uv_close(struct loop *loop)
{
    struct loop_uv *u = loop->uv;

    if (!u)
        return;
    uv_close((uv_handle_t *)&u->timer, NULL);
    uv_close((uv_handle_t *)&u->before_poll, NULL);
    uv_close((uv_handle_t *)&u->after_poll, NULL);
    uv_close((uv_handle_t *)&u->no_wait, NULL);
    LIST_FOR_EACH(node, &u->signals)
    {
        struct signal_watch *s = CONTAINER_OF(node, struct signal_watch, node);
        uv_close((uv_handle_t *)&s->handle, free_handle_owner);
    }
}

void loop_uv_finish(struct loop *loop)
{
    if (!loop->uv)
        return;
    /* Wakeups keep the loop alive: none may be left when the last work has come back. */
    while (loop->works > 0)
        uv_run(&loop->uv->uv, UV_RUN_ONCE);
    uv_walk(&loop->uv->uv, close_leftover, NULL);
    uv_run(&loop->uv->uv, UV_RUN_DEFAULT);
}

void loop_uv_free(struct loop *loop)
{
    if (!loop->uv)
        return;
    int err = uv_loop_close(&loop->uv->uv);
    assert(err == 0);
    (void)err;
    free(loop->uv);
}
