/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conn_open - the beginning of connections over descriptors, and what goes at their end.
 *
 * A failure at the beginning is told with on_close, as any other: the makers never return NULL.
 */
#include "base/conn_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

void conn_set_tcp_options(int fd)
{
    int on = 1;
    /* A phone that vanished is noticed after six minutes of silence; carriers forget idle
     * connections after about as long. */
    int idle = 300, interval = 20, probes = 3;
    unsigned stall = CONN_STALL_MS;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &stall, sizeof(stall));
}

/* Puts fd, which may be a negative errno, under c; a failure is told with on_close. */
static void fd_begin(struct conn *c, int fd)
{
    if (fd < 0) {
        conn_abort(c, fd);
        return;
    }
    c->fd = fd;
    if (loop_is_sim(c->loop)) {
        conn_abort(c, -ENETUNREACH); /* virtual time has no network */
        return;
    }
    int err = uv_poll_init(loop_uv(c->loop), &c->poll, fd);
    if (err) {
        conn_abort(c, err);
        return;
    }
    c->polled = true;
    c->poll.data = c;
    conn_fd_watch(c);
}

struct conn *conn_new_fd(struct loop *loop, int fd, const struct addr *peer)
{
    struct conn *c = conn_make(loop, CONN_OPEN);

    if (peer) {
        c->peer = *peer;
    } else {
        c->peer.len = sizeof(c->peer.ss);
        if (getpeername(fd, (struct sockaddr *)&c->peer.ss, &c->peer.len) != 0)
            c->peer.len = 0;
    }
    fd_begin(c, fd);
    return c;
}

struct conn *conn_connect(struct loop *loop, const struct addr *to)
{
    struct conn *c = conn_make(loop, CONN_CONNECTING);

    c->peer = *to;
    int fd = socket(to->ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && !addr_is_unix(to))
        conn_set_tcp_options(fd);
    fd_begin(c, fd < 0 ? -errno : fd);
    if (c->state == CONN_CLOSED)
        return c;
    conn_deadline(c, CONN_CONNECT_MS);
    if (connect(fd, (const struct sockaddr *)&to->ss, to->len) == 0) {
        c->connected = true;
        conn_tick_soon(c);
    } else if (errno != EINPROGRESS) {
        conn_abort(c, -errno);
    }
    return c;
}

static void on_uv_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void conn_fd_destroy(struct conn *c)
{
    int fd = c->fd;

    /* libuv must forget the descriptor before its number can be used again. */
    if (c->polled)
        uv_close((uv_handle_t *)&c->poll, on_uv_closed);
    else
        free(c);
    if (fd >= 0)
        close(fd);
}
