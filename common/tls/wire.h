/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wire - what lies between a TLS session and its descriptor: private to session.c.
 *
 * The library asks for a record in two parts, head and rest, and writes each message of a handshake
 * by itself. So that this does not cost a system call each, what has come is read ahead into one
 * room for all sessions, and what a handshake says goes out when it has said it all. Between two
 * calls of a session the room is empty: what is left there is kept by the session, which is rare.
 */
#ifndef TLS_WIRE_H
#define TLS_WIRE_H

#include "base/buf.h"

#include <sys/types.h>

struct tls_wire {
    int fd;
    bool gathers;      /* output waits for tls_wire_flush: during the handshake */
    struct buf kept;   /* has been read ahead */
    struct buf unsent; /* has been gathered, and the socket was full */
};

/* The library's pull and push functions; the pointer is a struct tls_wire. */
ssize_t tls_wire_pull(void *wire, void *p, size_t n);
ssize_t tls_wire_push(void *wire, const void *p, size_t n);

/* At the end of each call that may have pulled. */
void tls_wire_keep(struct tls_wire *w);
/* 0, -EAGAIN: not all of it could be sent now; or another negative errno. */
int tls_wire_flush(struct tls_wire *w);
/* Bytes that have been read ahead. */
size_t tls_wire_pending(const struct tls_wire *w);
void tls_wire_free(struct tls_wire *w);

#endif
