/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conn_fd - connections over descriptors, watched with uv_poll_t: input, output, handshake. How
 * they begin and end is in conn_open.c.
 *
 * In the steady state a message costs one recv and one send: the interest in input stays set, room
 * to write is only waited for after the system has refused bytes, and a pause gives up the interest
 * only when input does come meanwhile (each change costs two calls of epoll_ctl).
 */
#include "base/conn_private.h"

#include <errno.h>
#include <sys/socket.h>

/* Reads per wake-up, so that one peer cannot starve the others. */
#define READ_BUDGET 4
/* Reads of what a peer has sent before it broke the connection. */
#define LAST_READS 64
/* Writes per tick; a transport takes some 16 KiB at a time. */
#define WRITE_BUDGET 64
/* A transport gives one record a time: after a large one there are probably more. */
#define RECORD_LARGE 4096

static ssize_t fd_recv(struct conn *c, char *p, size_t n)
{
    ssize_t got;

    if (c->secure) {
        got = c->ops->recv(c->transport, p, n);
        c->wants_write = got == -EAGAIN && c->ops->wants_write(c->transport);
        c->transport_failed = got < 0 && got != -EAGAIN;
        return got;
    }
    do
        got = recv(c->fd, p, n, 0);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

static ssize_t fd_send(struct conn *c, const char *p, size_t n)
{
    ssize_t taken;

    if (c->secure) {
        taken = c->ops->send(c->transport, p, n);
        c->transport_failed = taken < 0 && taken != -EAGAIN;
        return taken == 0 ? -EAGAIN : taken;
    }
    do
        taken = send(c->fd, p, n, MSG_NOSIGNAL);
    while (taken < 0 && errno == EINTR);
    return taken < 0 ? -errno : taken;
}

static char *read_buffer(struct conn *c)
{
    struct loop_io *io = &c->loop->io;

    if (!io->read)
        io->read = mem_alloc(LOOP_READ_MAX);
    return io->read;
}

/* --- what poll waits for --- */

static int fd_interest(const struct conn *c)
{
    int write = c->blocked || c->wants_write ? UV_WRITABLE : 0;

    switch (c->state) {
    case CONN_CONNECTING:
        return UV_WRITABLE;
    case CONN_HANDSHAKE:
        return write ? write : UV_READABLE;
    case CONN_OPEN:
        return write | (c->eof || c->read_off ? 0 : UV_READABLE);
    case CONN_CLOSING:
        return write | (c->eof ? 0 : UV_READABLE);
    case CONN_CLOSED:
        break;
    }
    return 0;
}

void conn_fd_watch(struct conn *c)
{
    int want = fd_interest(c);

    if (want == c->events || !c->polled)
        return;
    c->events = (uint8_t)want;
    if (want)
        uv_poll_start(&c->poll, want, conn_fd_on_poll);
    else
        uv_poll_stop(&c->poll);
}

/* --- input --- */

static bool fd_has_more(struct conn *c, size_t got, int budget)
{
    if (!c->secure)
        return got == LOOP_READ_MAX && budget > 0;
    return c->ops->pending(c->transport) > 0 || (got >= RECORD_LARGE && budget > 0);
}

/* Input while closing goes nowhere, but has to be taken: a socket that is closed with unread
 * input resets the connection, and the peer may then lose what was sent to it last. */
static void fd_discard(struct conn *c)
{
    char *p = read_buffer(c);

    for (int i = 0; i < READ_BUDGET; i++) {
        ssize_t n = recv(c->fd, p, LOOP_READ_MAX, 0);
        if (n == 0)
            conn_ended(c);
        if (n <= 0)
            break;
    }
    if (c->lingers && c->eof)
        conn_abort(c, 0);
    conn_fd_watch(c);
}

/* The transport has failed, and told the peer why: it gets a moment to read that. */
static void fd_fail(struct conn *c, int error)
{
    if (!c->transport_failed || error == -ECONNRESET || c->eof) {
        conn_abort(c, error);
        return;
    }
    buf_clear(&c->out);
    conn_release_out(c);
    c->error = error;
    c->state = CONN_CLOSING;
    c->lingers = true;
    c->blocked = c->wants_write = false;
    shutdown(c->fd, SHUT_WR);
    conn_deadline(c, CONN_LINGER_MS);
    fd_discard(c);
}

static void fd_read(struct conn *c, int budget)
{
    char *p = read_buffer(c);

    while (c->state == CONN_OPEN && c->paused == 0 && !c->eof) {
        ssize_t n = fd_recv(c, p, LOOP_READ_MAX);
        if (n == -EAGAIN)
            break;
        if (n < 0) {
            fd_fail(c, (int)n);
            return;
        }
        if (n == 0) {
            conn_ended(c);
            break;
        }
        if (c->handler->on_data)
            c->handler->on_data(c->ctx, span_make(p, (size_t)n));
        if (c->state != CONN_OPEN || !fd_has_more(c, (size_t)n, --budget))
            break;
    }
    conn_fd_watch(c);
}

void conn_fd_resumed(struct conn *c)
{
    if (c->read_off) {
        c->read_off = false;
        conn_fd_watch(c);
    }
    if (c->secure && c->ops->pending(c->transport) > 0) {
        c->read_soon = true;
        conn_tick_soon(c);
    }
}

/* The connection is broken, but what the peer said before (its reason, often) is read first. */
static void fd_broken(struct conn *c, int error)
{
    if (c->state == CONN_OPEN && c->paused == 0 && !c->eof) {
        buf_clear(&c->out);
        fd_read(c, LAST_READS);
    }
    conn_abort(c, error);
}

/* --- output --- */

static void fd_finish(struct conn *c)
{
    if (c->secure && c->ops->bye)
        c->ops->bye(c->transport);
    shutdown(c->fd, SHUT_WR);
    fd_discard(c);
    conn_abort(c, 0);
}

/* Writes up to n bytes of the output. False: the connection is broken (and aborted). */
static bool fd_write(struct conn *c, size_t n)
{
    c->blocked = false;
    for (int budget = WRITE_BUDGET; n > 0; budget--) {
        ssize_t taken = budget > 0 ? fd_send(c, c->out.p + c->out.head, n) : -EAGAIN;
        if (taken == -EAGAIN) {
            c->blocked = true;
            break;
        }
        if (taken < 0) {
            fd_broken(c, (int)taken);
            return false;
        }
        buf_consume(&c->out, (size_t)taken);
        c->taken += (uint64_t)taken;
        n -= (size_t)taken;
        if (n > 0 && !c->secure) {
            c->blocked = true; /* a socket that takes a part only is full */
            break;
        }
    }
    return true;
}

static void fd_flush(struct conn *c)
{
    size_t before = buf_len(&c->out);

    if (before > c->low_water)
        c->above = true;
    if (!fd_write(c, before))
        return;
    bool is_empty = buf_len(&c->out) == 0;
    if (is_empty)
        conn_release_out(c);
    if (c->state == CONN_CLOSING) {
        if (is_empty)
            fd_finish(c);
    } else if (is_empty) {
        timer_stop(&c->timer);
    } else if (buf_len(&c->out) < before || !timer_is_running(&c->timer)) {
        conn_deadline(c, CONN_STALL_MS);
    }
    conn_fd_watch(c);
    conn_check_drain(c);
}

/* --- connecting and handshake --- */

static void fd_handshake(struct conn *c)
{
    if (c->clear_left > 0) {
        size_t before = buf_len(&c->out);
        if (!fd_write(c, c->clear_left))
            return;
        c->clear_left -= (uint32_t)(before - buf_len(&c->out));
        if (c->clear_left > 0) {
            conn_fd_watch(c);
            return;
        }
    }
    int result = c->ops->handshake(c->transport);
    c->wants_write = result == -EAGAIN && c->ops->wants_write(c->transport);
    if (result == 0) {
        c->state = CONN_OPEN;
        c->secure = true;
        /* The handshake may have read ahead. */
        c->read_soon = c->ops->pending(c->transport) > 0;
        timer_stop(&c->timer);
        conn_tick_soon(c);
        if (c->handler->on_secure)
            c->handler->on_secure(c->ctx);
    } else if (result != -EAGAIN) {
        c->transport_failed = true;
        fd_fail(c, result);
    }
    conn_fd_watch(c);
}

static int fd_error(struct conn *c)
{
    int error = 0;
    socklen_t len = sizeof(error);

    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return -error;
}

static void fd_connected(struct conn *c)
{
    c->connected = false;
    if (c->ops) {
        c->state = CONN_HANDSHAKE;
        conn_deadline(c, CONN_HANDSHAKE_MS);
    } else {
        c->state = CONN_OPEN;
        timer_stop(&c->timer);
    }
    conn_tick_soon(c);
    if (c->handler->on_connect)
        c->handler->on_connect(c->ctx);
    conn_fd_watch(c);
}

/* --- events --- */

void conn_fd_tick(struct conn *c)
{
    switch (c->state) {
    case CONN_CONNECTING:
        if (c->connected)
            fd_connected(c);
        break;
    case CONN_HANDSHAKE:
        fd_handshake(c);
        break;
    case CONN_OPEN:
        if (c->read_soon) {
            c->read_soon = false;
            fd_read(c, READ_BUDGET);
        }
        if (c->state == CONN_OPEN)
            fd_flush(c);
        break;
    case CONN_CLOSING:
        if (!c->lingers)
            fd_flush(c);
        break;
    case CONN_CLOSED:
        break;
    }
}

static void on_poll_error(struct conn *c)
{
    c->events = 0; /* libuv has stopped the handle */
    if (c->state == CONN_OPEN && c->paused > 0) {
        c->read_off = true; /* read to the end when resumed */
        return;
    }
    if (c->state == CONN_OPEN && !c->eof)
        fd_read(c, LAST_READS);
    int error = fd_error(c);
    conn_abort(c, error ? error : -ECONNRESET);
}

static void on_open_poll(struct conn *c, int events)
{
    if (events & UV_WRITABLE) {
        if (c->blocked)
            fd_flush(c);
        if (c->wants_write)
            events |= UV_READABLE; /* the transport's input has waited for this */
        c->wants_write = false;
    }
    if (c->state == CONN_OPEN && (events & UV_READABLE)) {
        if (c->paused > 0)
            c->read_off = true;
        else
            fd_read(c, READ_BUDGET);
    }
    conn_fd_watch(c);
}

void conn_fd_on_poll(uv_poll_t *handle, int status, int events)
{
    struct conn *c = handle->data;

    if (status < 0) {
        on_poll_error(c);
        return;
    }
    switch (c->state) {
    case CONN_CONNECTING: {
        int error = fd_error(c);
        if (error)
            conn_abort(c, error);
        else
            fd_connected(c);
        break;
    }
    case CONN_HANDSHAKE:
        fd_handshake(c);
        break;
    case CONN_OPEN:
        on_open_poll(c, events);
        break;
    case CONN_CLOSING:
        if (events & UV_READABLE)
            fd_discard(c);
        if (events & UV_WRITABLE)
            fd_flush(c);
        break;
    case CONN_CLOSED:
        break;
    }
}
