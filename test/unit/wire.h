/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wire - the far end of a fake connection, in the hands of a test: says bytes, keeps what it hears.
 */
#ifndef TEST_WIRE_H
#define TEST_WIRE_H

#include "base/conn.h"
#include "base/loop.h"

struct wire {
    struct list_node node; /* in a list of whoever has many */
    struct loop *loop;
    struct conn *conn; /* NULL once closed */
    struct buf heard;
    bool is_closed;
};

/* The chunk sizes that every stream test runs at; 0 is "as it comes". */
extern const size_t wire_chunks[];
#define WIRE_CHUNKS 5

/* A wire and, in *near_r, the connection for what is tested. */
struct wire *wire_new(struct loop *loop, size_t chunk, struct conn **near_r);
/* Closes if need be, runs the loop until all is quiet, frees. */
void wire_free(struct wire **w);
/* Says text and lets everything that follows from it happen now. */
void wire_say(struct wire *w, const char *text);
void wire_say_span(struct wire *w, struct span bytes);
/* What was heard since the last call, NUL-terminated; valid until the next call. */
const char *wire_heard(struct wire *w);
/* Fails the test unless what was heard contains text (and, the second form, nothing of it). */
void wire_expect(struct wire *w, const char *text);
void wire_expect_not(struct wire *w, const char *text);
/* Hears text somewhere, and then the end of the connection. */
void wire_expect_end(struct wire *w, const char *text);

#endif
