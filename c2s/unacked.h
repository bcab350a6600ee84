/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * unacked - the stanzas that a client has not acknowledged (XEP-0198), oldest first: their bytes in
 * one buffer, their lengths and times in a ring.
 *
 * Some of the last may not have been sent yet: what was kept for a client that is away. A zeroed
 * struct is an empty queue; its owner bounds it.
 */
#ifndef C2S_UNACKED_H
#define C2S_UNACKED_H

#include "base/buf.h"

struct unacked_entry;

struct unacked {
    struct buf bytes;
    struct unacked_entry *ring;
    uint32_t first, count, cap; /* cap: a power of 2, or 0 */
    uint32_t unsent;            /* of count */
    uint32_t acked;             /* the peer's h: modulo 2^32 */
};

/* A copy of the stanza, written, or (not is_sent) to be written later. at: loop_now. */
void unacked_add(struct unacked *q, struct span stanza, uint64_t at, bool is_sent);
/* The client has handled h stanzas of those sent: they go. False: it was never sent as many. */
bool unacked_ack(struct unacked *q, uint32_t h);
/* All that is left, to be sent (again) now. */
struct span unacked_send_all(struct unacked *q);
/* The oldest; false: none. Valid until the next call. */
bool unacked_first(const struct unacked *q, struct span *stanza_r, uint64_t *at_r);
/* One after the other; *i and *at begin at 0. */
bool unacked_next(const struct unacked *q, uint32_t *i, size_t *at, struct span *stanza_r);
void unacked_drop_first(struct unacked *q);
void unacked_free(struct unacked *q);

#endif
