/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conn - what sockets and fakes share: the public calls, the state, the one way to the end.
 *
 *   CONNECTING → (HANDSHAKE →) OPEN → CLOSING → CLOSED
 *
 * A transport may be started in OPEN, too. conn_abort goes to CLOSED from anywhere.
 */
#include "base/conn_private.h"

#include <assert.h>
#include <errno.h>

static_assert(sizeof(struct conn) <= 512, "an idle session must stay small");

static const struct conn_handler nobody;

static void conn_tick(void *ctx);

struct conn *conn_make(struct loop *loop, enum conn_state state)
{
    struct conn *c = mem_zalloc(sizeof(*c));

    c->loop = loop;
    c->handler = &nobody;
    c->tick.call = conn_tick;
    c->tick.ctx = c;
    c->low_water = CONN_LOW_WATER;
    c->fd = -1;
    c->state = state;
    list_append(&loop->io.conns, &c->node);
    return c;
}

void conn_tick_soon(struct conn *c)
{
    loop_defer_late(c->loop, &c->tick);
}

static const char *close_reason(const struct conn *c)
{
    if (c->transport_failed && c->ops->reason) {
        const char *reason = c->ops->reason(c->transport);
        if (reason)
            return reason;
    }
    if (c->error != 0)
        return strerrordesc_np(-c->error);
    return c->eof ? "eof" : NULL;
}

/* The last word to the handler, then the memory. */
static void conn_conclude(struct conn *c)
{
    if (c->handler->on_close)
        c->handler->on_close(c->ctx, c->error, close_reason(c));
    loop_defer_cancel(&c->tick);
    list_remove(&c->node);
    if (c->ops && c->ops->free)
        c->ops->free(c->transport);
    buf_free(&c->out);
    if (c->fake)
        conn_fake_destroy(c);
    else
        conn_fd_destroy(c);
}

static void conn_tick(void *ctx)
{
    struct conn *c = ctx;

    if (c->state == CONN_CLOSED)
        conn_conclude(c);
    else if (c->fake)
        conn_fake_tick(c);
    else
        conn_fd_tick(c);
}

void conn_drop_all(struct loop *loop)
{
    LIST_FOR_EACH(node, &loop->io.conns)
    {
        struct conn *c = CONTAINER_OF(node, struct conn, node);
        conn_set_handler(c, NULL, NULL);
        conn_abort(c, 0);
    }
}

void conn_set_handler(struct conn *c, const struct conn_handler *handler, void *ctx)
{
    c->handler = handler ? handler : &nobody;
    c->ctx = ctx;
}

static void on_deadline(void *ctx)
{
    conn_abort(ctx, -ETIMEDOUT);
}

void conn_deadline(struct conn *c, uint64_t ms)
{
    timer_start(&c->timer, c->loop, ms, on_deadline, c);
}

void conn_ended(struct conn *c)
{
    if (c->eof || c->state == CONN_CLOSED)
        return;
    c->eof = true;
    if (c->state == CONN_CLOSING)
        return;
    if (c->handler->on_eof)
        c->handler->on_eof(c->ctx);
    else
        conn_close(c);
}

/* --- transport --- */

void conn_start_transport(struct conn *c, const struct transport_ops *ops, void *t)
{
    assert(!c->ops);
    c->ops = ops;
    c->transport = t;
    /* Nobody queues 4 GiB to be sent in clear. */
    c->clear_left = (uint32_t)buf_len(&c->out);
    if (c->state == CONN_OPEN) {
        c->state = CONN_HANDSHAKE;
        conn_deadline(c, CONN_HANDSHAKE_MS);
        conn_tick_soon(c);
    }
}

void *conn_transport(const struct conn *c)
{
    return c->transport;
}

bool conn_is_secure(const struct conn *c)
{
    return c->secure;
}

/* --- output --- */

struct buf *conn_out(struct conn *c)
{
    struct loop_io *io = &c->loop->io;

    if (c->state >= CONN_CLOSING) {
        if (io->trash.cap > LOOP_SPARE_MAX)
            buf_free(&io->trash);
        buf_clear(&io->trash);
        return &io->trash;
    }
    if (!c->out.p && io->spare_count > 0)
        c->out = io->spares[--io->spare_count];
    return &c->out;
}

void conn_release_out(struct conn *c)
{
    struct loop_io *io = &c->loop->io;

    if (!c->out.p)
        return;
    if (c->out.cap <= LOOP_SPARE_MAX && io->spare_count < LOOP_SPARES) {
        buf_clear(&c->out);
        io->spares[io->spare_count++] = c->out;
        c->out = (struct buf){0};
    } else {
        buf_free(&c->out);
    }
}

void conn_flush_soon(struct conn *c)
{
    /* A blocked connection goes on when poll says so; another attempt would be a wasted call. */
    if (c->state < CONN_CLOSING && !c->blocked)
        conn_tick_soon(c);
}

void conn_send(struct conn *c, struct span bytes)
{
    if (c->state >= CONN_CLOSING || bytes.n == 0)
        return;
    buf_append(conn_out(c), bytes);
    conn_flush_soon(c);
}

size_t conn_out_len(const struct conn *c)
{
    if (c->state == CONN_CLOSED)
        return 0;
    return buf_len(&c->out) + (c->fake ? c->pair.flight_bytes : 0);
}

uint64_t conn_taken(const struct conn *c)
{
    return c->taken;
}

struct span conn_unsent(struct conn *c)
{
    if (c->fake)
        conn_fake_recall(c);
    return buf_span(&c->out);
}

void conn_set_low_water(struct conn *c, size_t bytes)
{
    c->low_water = bytes;
}

void conn_check_drain(struct conn *c)
{
    size_t len = conn_out_len(c);

    if (len > c->low_water)
        c->above = true;
    else if (c->above) {
        c->above = false;
        if (c->state <= CONN_OPEN && c->handler->on_drain)
            c->handler->on_drain(c->ctx);
    }
}

/* --- input --- */

void conn_pause(struct conn *c)
{
    c->paused++;
}

void conn_resume(struct conn *c)
{
    assert(c->paused > 0);
    if (--c->paused > 0 || c->state == CONN_CLOSED)
        return;
    if (c->fake && c->pair.peer)
        conn_tick_soon(c->pair.peer);
    if (c->fake)
        conn_tick_soon(c);
    else
        conn_fd_resumed(c);
}

/* --- the end --- */

void conn_close(struct conn *c)
{
    if (c->state >= CONN_CLOSING)
        return;
    if (c->state == CONN_CONNECTING) {
        conn_abort(c, 0);
        return;
    }
    /* During a handshake only what belongs before it can go out. */
    if (c->state == CONN_HANDSHAKE && !c->fake)
        c->out.tail = c->out.head + c->clear_left;
    c->state = CONN_CLOSING;
    conn_deadline(c, CONN_CLOSE_MS);
    conn_tick_soon(c);
}

void conn_abort(struct conn *c, int error)
{
    if (c->state == CONN_CLOSED)
        return;
    c->state = CONN_CLOSED;
    if (c->error == 0) /* else a transport has failed before */
        c->error = error;
    timer_stop(&c->timer);
    if (c->fake)
        conn_fake_stop(c);
    else
        conn_fd_watch(c);
    conn_tick_soon(c);
}

bool conn_is_closing(const struct conn *c)
{
    return c->state >= CONN_CLOSING;
}

/* --- facts --- */

const struct addr *conn_peer(const struct conn *c)
{
    return &c->peer;
}

int conn_fd(const struct conn *c)
{
    return c->fd;
}

int64_t conn_peer_uid(const struct conn *c)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);

    if (c->fd < 0 || !addr_is_unix(&c->peer) ||
        getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
        return -1;
    return (int64_t)cred.uid;
}
