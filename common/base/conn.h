/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conn - a connection: bytes in, bytes out, closed once. TCP and Unix sockets through libuv, or a
 * fake pair in memory for tests. A transport (TLS) can be laid over the bytes at any time.
 *
 * Output goes to a growable buffer that is written once at the end of the tick (loop_defer) and
 * released when empty, so that an idle connection holds no buffers. Input is read into one buffer
 * per loop, shared by all connections; on_data gets a view of it. A connection reads until a short
 * read or a budget per wake-up, so that one peer cannot starve the others.
 *
 * Ownership: conn_* makers give the connection to the caller until on_close; conn_close starts the
 * end. on_close is called exactly once, from the loop (never from inside a conn_* call); after it
 * the pointer is dead. Handlers may call any conn function on any connection, also conn_close on
 * their own: no further on_data comes then.
 */
#ifndef BASE_CONN_H
#define BASE_CONN_H

#include "base/addr.h"
#include "base/buf.h"

#include <sys/types.h>

struct conn;
struct loop;

struct conn_handler {
    /* A conn_connect has succeeded. NULL for accepted ones. */
    void (*on_connect)(void *ctx);
    /* Bytes; valid during the call. */
    void (*on_data)(void *ctx, struct span bytes);
    /* The transport's handshake has succeeded. */
    void (*on_secure)(void *ctx);
    /* The peer sent its end (EOF). NULL: as conn_close. */
    void (*on_eof)(void *ctx);
    /* conn_out_len has fallen to conn_set_low_water or less, having been above. May be NULL. */
    void (*on_drain)(void *ctx);
    /* Gone: 0 after conn_close or EOF, else a negative errno or a transport's reason. */
    void (*on_close)(void *ctx, int error, const char *reason);
};

/*
 * A transport turns the connection's bytes into others (TLS). All calls are non-blocking; results:
 * > 0 bytes, 0 end of stream, -EAGAIN, other negative = fatal (conn asks reason() for words).
 */
struct transport_ops {
    int (*handshake)(void *t); /* 0 done, -EAGAIN, < 0 */
    ssize_t (*recv)(void *t, char *p, size_t n);
    ssize_t (*send)(void *t, const char *p, size_t n);
    bool (*wants_write)(void *t);  /* what the last -EAGAIN waits for */
    size_t (*pending)(void *t);    /* decrypted bytes that poll cannot see */
    void (*bye)(void *t);          /* close_notify, best effort */
    const char *(*reason)(void *t);
    void (*free)(void *t);
};

/* Takes over a connected, non-blocking descriptor. peer may be NULL (then it is asked for). */
struct conn *conn_new_fd(struct loop *loop, int fd, const struct addr *peer);
/* Starts to connect; on_connect or on_close follows (after 10 s at most), never before the return.
 * conn_close before on_connect drops what is queued. */
struct conn *conn_connect(struct loop *loop, const struct addr *to);
/* Two fakes joined to each other, on any loop. Bytes pass at the end of the tick, delayed by
 * delay_ms, in pieces of at most chunk bytes (0: as they come). */
void conn_pair_fake(struct loop *loop, size_t chunk, uint64_t delay_ms, struct conn **a_r,
                    struct conn **b_r);

/* Who is told from now on; must be set in the tick in which the connection was made. NULL: nobody,
 * for an owner that ends before its connection (conn_close or conn_abort it, too). */
void conn_set_handler(struct conn *c, const struct conn_handler *handler, void *ctx);

/*
 * conn_start_transport - lays ops over the descriptor; takes t, freed with the connection. Output
 * queued before goes out in clear first; data read already is not given to it. The handshake
 * starts at once; on_secure or on_close follows. On a fake, no bytes change: the handshake
 * succeeds at the end of the tick.
 */
void conn_start_transport(struct conn *c, const struct transport_ops *ops, void *t);
void *conn_transport(const struct conn *c); /* t, or NULL */
bool conn_is_secure(const struct conn *c);  /* a handshake has succeeded */

/* The output buffer, to write into directly: call conn_flush_soon after appending. Ask for it
 * anew in each tick. What is written to a closing connection goes nowhere. If the peer takes
 * nothing for 60 s while output is queued, the connection ends with -ETIMEDOUT. */
struct buf *conn_out(struct conn *c);
void conn_flush_soon(struct conn *c);
/* conn_out + append + conn_flush_soon. Does nothing on a closing connection. */
void conn_send(struct conn *c, struct span bytes);
size_t conn_out_len(const struct conn *c); /* bytes queued and not yet taken by the system */
uint64_t conn_taken(const struct conn *c); /* bytes that the system has taken so far */
/* The bytes that it has not: in on_close too, until that returns. */
struct span conn_unsent(struct conn *c);
void conn_set_low_water(struct conn *c, size_t bytes); /* default 64 KiB */

/* Stops and restarts reading: back-pressure. Counted: as many resumes as pauses. */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);

/* Closes after what is queued has been written (5 s at most); on_close follows. Idempotent. */
void conn_close(struct conn *c);
/* Closes at once, dropping what is queued; on_close follows with error (0 or negative errno). */
void conn_abort(struct conn *c, int error);
bool conn_is_closing(const struct conn *c);

const struct addr *conn_peer(const struct conn *c); /* for fakes: 127.0.0.1:0 */
int conn_fd(const struct conn *c);                  /* -1 for fakes */
/* The connected peer's uid over a Unix socket (SO_PEERCRED), or -1. */
int64_t conn_peer_uid(const struct conn *c);

#endif
