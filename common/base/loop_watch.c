/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * loop_watch - libuv's poll handles, for descriptors that belong to a library.
 *
 * Called by dns/resolve_unbound.c. The watch owns its handle, never the descriptor.
 */
#include "base/loop_watch.h"

#include "base/loop.h"
#include "base/mem.h"

#include <stdlib.h>
#include <uv.h>

struct loop_watch {
    uv_poll_t handle;
    void (*call)(void *ctx);
    void *ctx;
};

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct loop_watch *w = handle->data;

    (void)status;
    (void)events;
    w->call(w->ctx);
}

struct loop_watch *loop_watch_new(struct loop *loop, int fd, void (*call)(void *ctx), void *ctx)
{
    if (loop_is_sim(loop))
        return NULL;
    struct loop_watch *w = mem_zalloc(sizeof(*w));
    w->call = call;
    w->ctx = ctx;
    if (uv_poll_init(loop_uv(loop), &w->handle, fd) != 0) {
        free(w);
        return NULL;
    }
    w->handle.data = w;
    uv_poll_start(&w->handle, UV_READABLE, on_poll);
    return w;
}

void loop_watch_free(struct loop_watch **w_p)
{
    struct loop_watch *w = *w_p;

    if (!w)
        return;
    *w_p = NULL;
    uv_close((uv_handle_t *)&w->handle, on_closed);
}
