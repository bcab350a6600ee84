/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conn_private - the inside of a connection, for conn*.c only.
 *
 * conn.c has what all connections share and the public calls, conn_open.c and conn_fd.c sockets,
 * conn_fake.c the pairs in memory. Public calls never call a handler: they change the state and
 * queue the tick, from which (and from poll events) handlers are called. The memory goes in
 * conn_conclude only.
 */
#ifndef BASE_CONN_PRIVATE_H
#define BASE_CONN_PRIVATE_H

#include "base/conn.h"
#include "base/loop_private.h"

#include <uv.h>

#define CONN_CONNECT_MS 10000
#define CONN_HANDSHAKE_MS 10000
#define CONN_CLOSE_MS 5000
#define CONN_STALL_MS 60000
#define CONN_LINGER_MS 1000
#define CONN_LOW_WATER (64 * 1024)

enum conn_state {
    CONN_CONNECTING,
    CONN_HANDSHAKE, /* of the transport */
    CONN_OPEN,
    CONN_CLOSING, /* what is queued goes out, nothing comes in */
    CONN_CLOSED,  /* on_close is due */
};

/* One direction of a fake pair: what this end has sent and the other not yet been given. */
struct conn_fake {
    struct conn *peer;       /* NULL: gone */
    struct list_node flight; /* of struct fake_segment */
    size_t flight_bytes;
    size_t chunk;
    uint64_t delay_ms;
    struct timer arrival; /* of the first segment */
    bool peer_ended;      /* the peer's EOF is due or has been given */
};

/* What each wake-up touches comes first: with many connections, each cache line is a miss. */
struct conn {
    struct loop *loop;
    const struct conn_handler *handler; /* never NULL */
    void *ctx;
    int fd; /* -1: fake */
    enum conn_state state : 8;
    uint8_t events; /* what poll waits for */
    bool fake : 1;
    bool polled : 1; /* the poll handle has been made */
    bool secure : 1;
    bool connected : 1;        /* at once, on_connect is due */
    bool eof : 1;              /* the peer's end has been read */
    bool above : 1;            /* the output has been above low water: on_drain is due */
    bool blocked : 1;          /* the system takes no more output for now */
    bool read_off : 1;         /* input came while paused: poll does not wait for more */
    bool read_soon : 1;        /* the transport may have input that poll does not see */
    bool wants_write : 1;      /* the transport's handshake or recv waits for room to write */
    bool transport_failed : 1; /* ask it for the reason */
    bool lingers : 1;          /* closing: nothing goes out any more, the peer's end is awaited */
    uint32_t paused;
    uint32_t clear_left; /* bytes of out that go before the handshake */
    uint64_t taken;      /* bytes of out that are gone: written, or given to a fake's peer */
    size_t low_water;
    struct buf out;
    struct deferred tick;
    struct timer timer; /* connect, handshake, stall or close: one at a time */
    const struct transport_ops *ops;
    void *transport;
    union {
        uv_poll_t poll;
        struct conn_fake pair;
    };

    struct list_node node;
    int error;
    struct addr peer;
};

/* A connection in its first state; conn_fd.c or conn_fake.c adds the rest. */
struct conn *conn_make(struct loop *loop, enum conn_state state);
/* Queues the tick. */
void conn_tick_soon(struct conn *c);
/* (Re)starts the one deadline: the connection ends with -ETIMEDOUT. */
void conn_deadline(struct conn *c, uint64_t ms);
/* The peer's end has come: on_eof, or conn_close. */
void conn_ended(struct conn *c);
/* An emptied output buffer goes back to the loop. */
void conn_release_out(struct conn *c);
/* Calls on_drain when it is due. */
void conn_check_drain(struct conn *c);

/* What is in flight goes back to the output: nothing leaves any more. */
void conn_fake_recall(struct conn *c);

/* Of a socket that connects or listens: those that it accepts inherit them. */
void conn_set_tcp_options(int fd);
void conn_fd_tick(struct conn *c);
/* Makes poll wait for what the state wants: nothing when closed. */
void conn_fd_watch(struct conn *c);
void conn_fd_on_poll(uv_poll_t *handle, int status, int events);
void conn_fd_resumed(struct conn *c);
/* Gives back what the make holds, then the memory, at once or from uv's close callback. */
void conn_fd_destroy(struct conn *c);

void conn_fake_tick(struct conn *c);
void conn_fake_stop(struct conn *c);
void conn_fake_destroy(struct conn *c);

#endif
