/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * map - hash table keyed by spans, seeded per process so that peers cannot choose collisions.
 *
 * The table stores pointers to values; the key span must live inside the value (or as long as it
 * is in the table): nothing is copied. Lookups cost one hash and, normally, one comparison,
 * whatever the size. Not to be changed while it is walked, except by map_remove of the value at
 * hand.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/span.h"

struct map_slot {
    uint32_t hash; /* 0: free, 1: deleted */
    uint32_t key_len;
    const char *key;
    void *value;
};

struct map {
    struct map_slot *slots;
    size_t capacity, count, used; /* used counts deleted slots, too */
};

/* map_seed - sets the seed for this process, once, before the first map is filled. */
void map_seed(uint64_t seed);

/* A hash of it that only this process can know. */
uint64_t map_hash(struct span key);

void *map_get(const struct map *m, struct span key); /* NULL when absent */
/* Puts value under key, which must live as long; returns the value that it replaced, or NULL. */
void *map_put(struct map *m, struct span key, void *value);
void *map_remove(struct map *m, struct span key); /* the removed value, or NULL */
void map_free(struct map *m);                     /* the table alone, not the values */

/* map_next - walks all values: *cursor starts at 0; returns NULL at the end. */
void *map_next(const struct map *m, size_t *cursor);

#endif
