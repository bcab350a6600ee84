/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "c2s/unacked.h"

#include "base/mem.h"

#include <stdlib.h>

/* What an empty queue keeps, for clients that acknowledge as they read. */
#define KEEP_BYTES 4096
#define MIN_RING 16

struct unacked_entry {
    uint64_t at;
    size_t n;
};

static struct unacked_entry *entry(const struct unacked *q, uint32_t i)
{
    return &q->ring[(q->first + i) & (q->cap - 1)];
}

static void grow(struct unacked *q)
{
    uint32_t cap = q->cap ? q->cap * 2 : MIN_RING;
    struct unacked_entry *ring = mem_alloc(cap * sizeof(*ring));

    for (uint32_t i = 0; i < q->count; i++)
        ring[i] = *entry(q, i);
    free(q->ring);
    q->ring = ring;
    q->cap = cap;
    q->first = 0;
}

void unacked_add(struct unacked *q, struct span stanza, uint64_t at, bool is_sent)
{
    if (q->count == q->cap)
        grow(q);
    buf_append(&q->bytes, stanza);
    *entry(q, q->count++) = (struct unacked_entry){at, stanza.n};
    if (!is_sent)
        q->unsent++;
}

/* An empty queue holds little. */
static void shrink(struct unacked *q)
{
    if (q->count > 0)
        return;
    q->first = 0;
    if (q->bytes.cap > KEEP_BYTES)
        buf_free(&q->bytes);
    if (q->cap > MIN_RING) {
        free(q->ring);
        q->ring = NULL;
        q->cap = 0;
    }
}

static void drop(struct unacked *q, uint32_t count)
{
    size_t n = 0;

    for (uint32_t i = 0; i < count; i++)
        n += entry(q, i)->n;
    buf_consume(&q->bytes, n);
    q->first = (q->first + count) & (q->cap - 1);
    q->count -= count;
    if (q->unsent > q->count)
        q->unsent = q->count;
    shrink(q);
}

bool unacked_ack(struct unacked *q, uint32_t h)
{
    uint32_t count = h - q->acked;

    if (count > q->count - q->unsent)
        return false;
    q->acked = h;
    if (count > 0)
        drop(q, count);
    return true;
}

struct span unacked_send_all(struct unacked *q)
{
    q->unsent = 0;
    return buf_span(&q->bytes);
}

bool unacked_first(const struct unacked *q, struct span *stanza_r, uint64_t *at_r)
{
    if (q->count == 0)
        return false;
    *stanza_r = span_make(buf_span(&q->bytes).p, entry(q, 0)->n);
    *at_r = entry(q, 0)->at;
    return true;
}

bool unacked_next(const struct unacked *q, uint32_t *i, size_t *at, struct span *stanza_r)
{
    if (*i >= q->count)
        return false;
    *stanza_r = span_make(buf_span(&q->bytes).p + *at, entry(q, *i)->n);
    *at += stanza_r->n;
    ++*i;
    return true;
}

void unacked_drop_first(struct unacked *q)
{
    if (q->count > 0)
        drop(q, 1);
}

void unacked_free(struct unacked *q)
{
    buf_free(&q->bytes);
    free(q->ring);
    *q = (struct unacked){0};
}
