/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conn_fake - two connections joined in memory, for tests on any loop.
 *
 * At the end of the tick an end's output becomes a segment in flight; when its delay is over the
 * bytes are handed to the peer, if that reads. Nothing lies in between as a system's buffers would:
 * what a paused peer has not been given counts as output of the sender.
 */
#include "base/conn_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

struct fake_segment {
    struct list_node node;
    uint64_t due;
    struct buf data;
};

static struct fake_segment *first_segment(const struct conn_fake *f)
{
    return list_is_empty(&f->flight) ? NULL
                                     : CONTAINER_OF(f->flight.next, struct fake_segment, node);
}

static void segment_free(struct fake_segment *seg)
{
    list_remove(&seg->node);
    buf_free(&seg->data);
    free(seg);
}

/* The tick's output sets out. */
static void fake_depart(struct conn *c)
{
    struct conn_fake *f = &c->pair;

    if (buf_len(&c->out) == 0)
        return;
    struct fake_segment *seg = mem_zalloc(sizeof(*seg));
    seg->due = loop_now(c->loop) + f->delay_ms;
    seg->data = c->out;
    c->out = (struct buf){0};
    f->flight_bytes += buf_len(&seg->data);
    list_append(&f->flight, &seg->node);
}

/* Hands one piece of a segment to the peer; false: the peer does not read now. */
static bool fake_arrive(struct conn *c, struct fake_segment *seg)
{
    struct conn_fake *f = &c->pair;
    struct conn *peer = f->peer;
    struct span piece = buf_span(&seg->data);

    if (peer && peer->state < CONN_CLOSING) {
        if (peer->state != CONN_OPEN || peer->paused > 0)
            return false;
        if (f->chunk > 0 && piece.n > f->chunk)
            piece.n = f->chunk;
    } else {
        peer = NULL;
    }
    buf_consume(&seg->data, piece.n); /* the memory stays: the segment still owns it */
    f->flight_bytes -= piece.n;
    c->taken += piece.n;
    if (peer && peer->handler->on_data)
        peer->handler->on_data(peer->ctx, piece);
    return true;
}

static void on_arrival(void *ctx)
{
    conn_tick_soon(ctx);
}

static void fake_deliver(struct conn *c)
{
    struct conn_fake *f = &c->pair;
    struct fake_segment *seg;
    uint64_t now = loop_now(c->loop);
    bool progress = false, stuck = false;

    while (!stuck && c->state != CONN_CLOSED && (seg = first_segment(f)) && seg->due <= now) {
        stuck = !fake_arrive(c, seg);
        progress = progress || !stuck;
        if (buf_len(&seg->data) == 0)
            segment_free(seg);
    }
    if (c->state == CONN_CLOSED)
        return;
    seg = first_segment(f);
    if (seg && seg->due > now)
        timer_start(&f->arrival, c->loop, seg->due - now, on_arrival, c);
    if (c->state == CONN_CLOSING)
        return;
    if (!stuck)
        timer_stop(&c->timer);
    else if (progress || !timer_is_running(&c->timer))
        conn_deadline(c, CONN_STALL_MS);
}

static void fake_handshake(struct conn *c)
{
    c->state = CONN_OPEN;
    c->secure = true;
    c->clear_left = 0;
    if (c->handler->on_secure)
        c->handler->on_secure(c->ctx);
    if (c->pair.peer)
        conn_tick_soon(c->pair.peer); /* it has waited with its bytes */
}

void conn_fake_tick(struct conn *c)
{
    struct conn_fake *f = &c->pair;

    if (conn_out_len(c) > c->low_water)
        c->above = true;
    fake_depart(c);
    fake_deliver(c);
    if (c->state == CONN_HANDSHAKE)
        fake_handshake(c);
    if (c->state == CONN_CLOSING && conn_out_len(c) == 0)
        conn_abort(c, 0);
    if (c->state == CONN_OPEN && f->peer_ended && c->paused == 0)
        conn_ended(c);
    conn_check_drain(c);
}

void conn_fake_stop(struct conn *c)
{
    struct conn *peer = c->pair.peer;

    timer_stop(&c->pair.arrival);
    if (!peer)
        return;
    c->pair.peer = NULL;
    peer->pair.peer = NULL;
    peer->pair.peer_ended = true;
    conn_tick_soon(peer);
}

void conn_fake_recall(struct conn *c)
{
    struct buf all = {0};
    struct fake_segment *seg;

    while ((seg = first_segment(&c->pair))) {
        buf_append(&all, buf_span(&seg->data));
        segment_free(seg);
    }
    buf_append(&all, buf_span(&c->out));
    buf_free(&c->out);
    c->out = all;
    c->pair.flight_bytes = 0;
}

void conn_fake_destroy(struct conn *c)
{
    struct fake_segment *seg;

    while ((seg = first_segment(&c->pair)))
        segment_free(seg);
    free(c);
}

static struct conn *fake_make(struct loop *loop, size_t chunk, uint64_t delay_ms)
{
    struct conn *c = conn_make(loop, CONN_OPEN);
    struct sockaddr_in *in4 = (struct sockaddr_in *)&c->peer.ss;

    in4->sin_family = AF_INET;
    in4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->peer.len = sizeof(*in4);
    c->fake = true;
    c->pair.chunk = chunk;
    c->pair.delay_ms = delay_ms;
    list_init(&c->pair.flight);
    return c;
}

void conn_pair_fake(struct loop *loop, size_t chunk, uint64_t delay_ms, struct conn **a_r,
                    struct conn **b_r)
{
    *a_r = fake_make(loop, chunk, delay_ms);
    *b_r = fake_make(loop, chunk, delay_ms);
    (*a_r)->pair.peer = *b_r;
    (*b_r)->pair.peer = *a_r;
}
