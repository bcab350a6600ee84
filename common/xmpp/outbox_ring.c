/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * outbox_ring - stanzas in memory, as outbox.c keeps them and outbox_store.c carries them.
 */
#include "xmpp/outbox_private.h"

#include "base/mem.h"

#include <stdlib.h>

/* What an empty one keeps, for destinations that acknowledge as they read. */
#define KEEP_BYTES 4096
#define MIN_CAP 16

static void grow(struct ring *r)
{
    uint32_t cap = r->cap ? r->cap * 2 : MIN_CAP;
    struct ring_entry *entries = mem_alloc(cap * sizeof(*entries));

    for (uint32_t i = 0; i < r->count; i++)
        entries[i] = *ring_at(r, i);
    free(r->entries);
    r->entries = entries;
    r->cap = cap;
    r->first = 0;
}

void ring_add(struct ring *r, uint64_t seq, int64_t at, struct span stanza)
{
    if (r->count == r->cap)
        grow(r);
    buf_append(&r->bytes, stanza);
    *ring_at(r, r->count++) = (struct ring_entry){seq, at, stanza.n};
}

struct span ring_bytes(const struct ring *r, uint32_t from, uint32_t to)
{
    size_t before = 0, n = 0;

    for (uint32_t i = 0; i < from; i++)
        before += ring_at(r, i)->n;
    for (uint32_t i = from; i < to; i++)
        n += ring_at(r, i)->n;
    return span_make(buf_span(&r->bytes).p + before, n);
}

void ring_add_from(struct ring *r, const struct ring *other, uint32_t from, uint32_t to)
{
    const char *p = ring_bytes(other, from, from).p;

    for (uint32_t i = from; i < to; i++) {
        const struct ring_entry *e = ring_at(other, i);
        ring_add(r, e->seq, e->at, span_make(p, e->n));
        p += e->n;
    }
}

void ring_drop(struct ring *r, uint32_t count)
{
    buf_consume(&r->bytes, ring_bytes(r, 0, count).n);
    r->first = (r->first + count) & (r->cap - 1);
    r->count -= count;
}

void ring_truncate(struct ring *r, uint32_t count)
{
    r->bytes.tail -= ring_bytes(r, count, r->count).n;
    r->count = count;
}

void ring_shrink(struct ring *r)
{
    if (r->count > 0)
        return;
    r->first = 0;
    if (r->bytes.cap > KEEP_BYTES)
        buf_free(&r->bytes);
    if (r->cap > MIN_CAP) {
        free(r->entries);
        r->entries = NULL;
        r->cap = 0;
    }
}

void ring_free(struct ring *r)
{
    buf_free(&r->bytes);
    free(r->entries);
    *r = (struct ring){0};
}
