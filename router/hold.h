/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hold - a bounded first-in first-out of stanzas that may not be delivered yet.
 *
 * Used by claims.c (a user changes hands) and settle.c (after a start). Holds copies; whoever
 * takes one frees it.
 */
#ifndef ROUTER_HOLD_H
#define ROUTER_HOLD_H

#include "base/span.h"

struct held {
    struct held *next;
    struct span from, to, frame; /* into bytes; addresses prepared, the frame as it is sent */
    char bytes[];
};

struct hold {
    struct held *first, *last;
    size_t count, bytes;
};

/* False, and nothing is held: it would be more than count stanzas or bytes. */
bool hold_add(struct hold *h, struct span from, struct span to, struct span frame,
              size_t count_max, size_t bytes_max);
struct held *hold_take(struct hold *h); /* the oldest, or NULL; the caller frees it */
void hold_clear(struct hold *h);

#endif
