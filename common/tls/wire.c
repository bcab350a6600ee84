/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wire - reads ahead for TLS sessions, and gathers what their handshakes write.
 */
#include "tls/wire.h"

#include <errno.h>
#include <sys/socket.h>

/* Holds the largest record (16 KiB and what encryption adds), and many small ones. */
#define AHEAD_MAX (32 * 1024)
/* What a handshake with an uncommonly long chain has needed is given back. */
#define FLIGHT_KEEP (32 * 1024)

/* The loop's thread is the only one that reads and writes sessions. */
static char ahead[AHEAD_MAX];
static size_t ahead_head, ahead_tail;
static struct buf flight;

static size_t take_ahead(char *p, size_t n)
{
    size_t there = ahead_tail - ahead_head;
    if (n > there)
        n = there;
    memcpy(p, ahead + ahead_head, n);
    ahead_head += n;
    return n;
}

ssize_t tls_wire_pull(void *wire, void *p, size_t n)
{
    struct tls_wire *w = wire;
    size_t kept = buf_len(&w->kept);
    if (kept > 0) {
        n = n < kept ? n : kept;
        memcpy(p, buf_span(&w->kept).p, n);
        buf_consume(&w->kept, n);
        if (n == kept)
            buf_free(&w->kept);
        return (ssize_t)n;
    }
    if (ahead_head == ahead_tail) {
        ssize_t got = recv(w->fd, ahead, sizeof(ahead), 0);
        if (got <= 0)
            return got;
        ahead_head = 0;
        ahead_tail = (size_t)got;
    }
    return (ssize_t)take_ahead(p, n);
}

void tls_wire_keep(struct tls_wire *w)
{
    if (ahead_head < ahead_tail)
        buf_append(&w->kept, span_make(ahead + ahead_head, ahead_tail - ahead_head));
    ahead_head = ahead_tail = 0;
}

size_t tls_wire_pending(const struct tls_wire *w)
{
    return buf_len(&w->kept) + ahead_tail - ahead_head;
}

ssize_t tls_wire_push(void *wire, const void *p, size_t n)
{
    struct tls_wire *w = wire;
    if (!w->gathers)
        return send(w->fd, p, n, MSG_NOSIGNAL);
    buf_append(&flight, span_make(p, n));
    return (ssize_t)n;
}

/* Sends what it can of b. */
static int send_some(struct tls_wire *w, struct buf *b)
{
    while (buf_len(b) > 0) {
        struct span s = buf_span(b);
        ssize_t n = send(w->fd, s.p, s.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        buf_consume(b, (size_t)n);
    }
    return 0;
}

int tls_wire_flush(struct tls_wire *w)
{
    int result = send_some(w, &w->unsent);
    if (result == 0)
        result = send_some(w, &flight);
    if (result == -EAGAIN)
        buf_append(&w->unsent, buf_span(&flight));
    else
        buf_free(&w->unsent);
    buf_clear(&flight);
    if (flight.cap > FLIGHT_KEEP)
        buf_free(&flight);
    return result;
}

void tls_wire_free(struct tls_wire *w)
{
    buf_free(&w->kept);
    buf_free(&w->unsent);
}
