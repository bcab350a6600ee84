/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hold - one allocation per stanza held: it is rare, and short.
 */
#include "router/hold.h"

#include "base/mem.h"

#include <stdlib.h>

static struct span put(char **to, struct span s)
{
    struct span copy = {*to, s.n};
    if (s.n)
        memcpy(*to, s.p, s.n);
    *to += s.n;
    return copy;
}

bool hold_add(struct hold *h, struct span from, struct span to, struct span frame,
              size_t count_max, size_t bytes_max)
{
    size_t n = from.n + to.n + frame.n;
    if (h->count >= count_max || n > bytes_max || h->bytes > bytes_max - n)
        return false;
    struct held *held = mem_alloc(sizeof *held + n);
    char *at = held->bytes;
    held->next = NULL;
    held->from = put(&at, from);
    held->to = put(&at, to);
    held->frame = put(&at, frame);
    if (h->last)
        h->last->next = held;
    else
        h->first = held;
    h->last = held;
    h->count++;
    h->bytes += n;
    return true;
}

struct held *hold_take(struct hold *h)
{
    struct held *held = h->first;
    if (!held)
        return NULL;
    h->first = held->next;
    if (!h->first)
        h->last = NULL;
    h->count--;
    h->bytes -= held->from.n + held->to.n + held->frame.n;
    return held;
}

void hold_clear(struct hold *h)
{
    struct held *held;
    while ((held = hold_take(h)))
        free(held);
}
