/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * intern - an open-addressing table of addresses, emptied by counting rounds. Owned by a parser.
 */
#include "xml/intern.h"

#include "base/mem.h"

#include <stdlib.h>

#define FIRST_CAPACITY 32
#define KEEP_CAPACITY 1024

void intern_free(struct intern *t)
{
    free(t->slots);
    *t = (struct intern){.slots = NULL};
}

void intern_reset(struct intern *t)
{
    if (t->capacity > KEEP_CAPACITY || t->round == UINT32_MAX)
        intern_free(t);
    t->count = 0;
    t->round++;
}

static struct intern_slot *find(const struct intern *t, const void *key)
{
    uint64_t hash = (uint64_t)(uintptr_t)key * 0x9E3779B97F4A7C15u;
    uint32_t at = (uint32_t)(hash >> 32) & (t->capacity - 1);
    while (t->slots[at].round == t->round && t->slots[at].key != key)
        at = (at + 1) & (t->capacity - 1);
    return &t->slots[at];
}

static void grow(struct intern *t)
{
    struct intern old = *t;
    t->capacity = old.capacity ? old.capacity * 2 : FIRST_CAPACITY;
    t->slots = mem_zalloc(t->capacity * sizeof(*t->slots));
    if (t->round == 0)
        t->round = 1; /* fresh slots are of round 0 */
    for (uint32_t i = 0; i < old.capacity; i++) {
        if (old.slots[i].round == old.round)
            *find(t, old.slots[i].key) = old.slots[i];
    }
    free(old.slots);
}

struct span intern_get(struct intern *t, struct arena *a, const char *z)
{
    if (t->count * 2 >= t->capacity)
        grow(t);
    struct intern_slot *slot = find(t, z);
    if (slot->round != t->round) {
        *slot = (struct intern_slot){z, t->round, arena_span(a, span_of(z))};
        t->count++;
    }
    return slot->copy;
}
