/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * arena - blocks behind the bump pointer. Blocks form a chain in the order of use; after a reset
 * the chain is used again from its start.
 */
#include "base/arena.h"

#include "base/mem.h"

#include <stdlib.h>

#define ARENA_FIRST_BLOCK 2048
#define ARENA_MAX_BLOCK 65536
#define ARENA_KEEP 65536 /* bytes that a reset keeps beyond the first block */

struct arena_block {
    struct arena_block *next;
    size_t size;
    char data[] __attribute__((aligned(16)));
};

static void use_block(struct arena *a, struct arena_block *block, size_t used)
{
    a->current = block;
    a->next = block->data + used;
    a->end = block->data + block->size;
}

/* Doubling, up to a bound; one large request gets a block of its own size. */
static struct arena_block *new_block(const struct arena *a, size_t n)
{
    size_t size = a->current ? a->current->size * 2 : ARENA_FIRST_BLOCK;

    if (size > ARENA_MAX_BLOCK)
        size = ARENA_MAX_BLOCK;
    if (size < n)
        size = n;
    struct arena_block *block = mem_alloc(sizeof(*block) + size);
    block->size = size;
    block->next = NULL;
    return block;
}

void *arena_grow(struct arena *a, size_t n)
{
    struct arena_block *block = a->current ? a->current->next : NULL;

    if (n > SIZE_MAX / 2)
        abort(); /* a size that went below zero */
    if (!block || block->size < n) {
        block = new_block(a, n);
        if (a->current) {
            block->next = a->current->next;
            a->current->next = block;
        } else {
            a->first = block;
        }
    }
    use_block(a, block, n);
    return block->data;
}

static void free_chain(struct arena_block *block, bool wipe)
{
    while (block) {
        struct arena_block *next = block->next;
        if (wipe)
            mem_wipe(block->data, block->size);
        free(block);
        block = next;
    }
}

size_t arena_held(const struct arena *a)
{
    size_t held = 0;
    for (const struct arena_block *b = a->first; b; b = b->next)
        held += b->size;
    return held;
}

void arena_reset(struct arena *a)
{

    if (!a->first)
        return;
    if (a->first->size > ARENA_MAX_BLOCK) {
        arena_free(a); /* one huge stanza must not stay for the life of a stream */
        return;
    }
    if (arena_held(a) - a->first->size > ARENA_KEEP) {
        free_chain(a->first->next, false);
        a->first->next = NULL;
    }
    use_block(a, a->first, 0);
}

void arena_free(struct arena *a)
{
    free_chain(a->first, false);
    *a = (struct arena){0};
}

void arena_wipe(struct arena *a)
{
    free_chain(a->first, true);
    *a = (struct arena){0};
}
