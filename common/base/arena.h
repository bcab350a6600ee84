/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * arena - bump allocator: many small allocations, one release.
 *
 * A zeroed struct is an empty arena. Memory never moves: pointers stay valid until arena_reset or
 * arena_free. arena_reset keeps the first block (so a steady state allocates nothing) and frees
 * the others when they exceed a bound.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/span.h"

struct arena_block;

struct arena {
    struct arena_block *first, *current;
    char *next, *end; /* free room in the current block */
};

void *arena_grow(struct arena *a, size_t n);

/* n bytes, 8-aligned, uninitialised. */
static inline void *arena_alloc(struct arena *a, size_t n)
{
    size_t pad = -(uintptr_t)a->next & 7; /* text may have been put before */
    if ((size_t)(a->end - a->next) < n + pad)
        return arena_grow(a, n);
    char *p = a->next + pad;
    a->next = p + n;
    return p;
}

/* n bytes, unaligned: for text. */
static inline char *arena_bytes(struct arena *a, size_t n)
{
    if ((size_t)(a->end - a->next) < n)
        return arena_grow(a, n);
    char *p = a->next;
    a->next += n;
    return p;
}

static inline struct span arena_span(struct arena *a, struct span s)
{
    if (!s.p)
        return s;
    char *to = arena_bytes(a, s.n ? s.n : 1);
    if (s.n)
        memcpy(to, s.p, s.n);
    return (struct span){to, s.n};
}

void arena_reset(struct arena *a);
void arena_free(struct arena *a);
size_t arena_held(const struct arena *a); /* bytes of all its blocks, used or not */
void arena_wipe(struct arena *a); /* overwrites everything, then frees: for secrets */

#endif
