/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * map - open addressing with linear probing over SipHash-1-3.
 *
 * A removed slot becomes free at once when its run ends there, else a tombstone; tombstones count
 * as used and vanish when the table is rebuilt. Only map_put rebuilds, so a walk survives removal.
 */
#include "base/map.h"

#include "base/mem.h"

#include <endian.h>
#include <stdlib.h>

#define MAP_MIN_CAPACITY 16
#define MAP_SHRINK_CAPACITY 64 /* smaller tables are never given back */

enum { SLOT_FREE, SLOT_DELETED, SLOT_FIRST_HASH };

static uint64_t key0 = 0x9e3779b97f4a7c15, key1 = 0xbf58476d1ce4e5b9;

/* --- the hash: SipHash-1-3 (Aumasson and Bernstein), 64 bits out --- */

static uint64_t mix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

void map_seed(uint64_t seed)
{
    key0 = mix(&seed);
    key1 = mix(&seed);
}

static inline uint64_t rotl(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] = rotl(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] = rotl(v[2], 32);
}

static inline uint64_t load_le64(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return le64toh(word);
}

static uint64_t hash_of(struct span key)
{
    uint64_t v[4] = {key0 ^ 0x736f6d6570736575, key1 ^ 0x646f72616e646f6d,
                     key0 ^ 0x6c7967656e657261, key1 ^ 0x7465646279746573};
    const char *p = key.p;
    size_t left = key.n;

    for (; left >= 8; p += 8, left -= 8) {
        uint64_t word = load_le64(p);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)key.n << 56;
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)(unsigned char)p[i] << (8 * i);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t map_hash(struct span key)
{
    return hash_of(key);
}

static uint32_t slot_hash(struct span key)
{
    uint32_t hash = (uint32_t)hash_of(key);
    return hash < SLOT_FIRST_HASH ? hash + SLOT_FIRST_HASH : hash;
}

/* --- the table --- */

/* The slot that holds key, or NULL. There is always a free slot, so every run ends. */
static struct map_slot *find(const struct map *m, uint32_t hash, struct span key)
{
    if (m->count == 0)
        return NULL;
    for (size_t i = hash;; i++) {
        struct map_slot *slot = &m->slots[i & (m->capacity - 1)];
        if (slot->hash == SLOT_FREE)
            return NULL;
        if (slot->hash == hash && span_eq(span_make(slot->key, slot->key_len), key))
            return slot;
    }
}

/* The first slot of key's run that can take it; key itself is not in the table. */
static struct map_slot *find_room(const struct map *m, uint32_t hash)
{
    size_t i = hash;
    while (m->slots[i & (m->capacity - 1)].hash >= SLOT_FIRST_HASH)
        i++;
    return &m->slots[i & (m->capacity - 1)];
}

static void rebuild(struct map *m, size_t capacity)
{
    struct map old = *m;

    m->slots = mem_zalloc(capacity * sizeof(*m->slots));
    m->capacity = capacity;
    m->used = m->count;
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i].hash >= SLOT_FIRST_HASH)
            *find_room(m, old.slots[i].hash) = old.slots[i];
    free(old.slots);
}

/* Keeps at least a quarter of the slots free, and a large table not nearly empty. */
static void make_room(struct map *m)
{
    bool full = m->used + 1 > m->capacity - m->capacity / 4;
    bool empty = m->capacity > MAP_SHRINK_CAPACITY && m->count < m->capacity / 16;

    if (!full && !empty)
        return;
    size_t capacity = MAP_MIN_CAPACITY;
    while (capacity < (m->count + 1) * 2)
        capacity *= 2;
    rebuild(m, capacity);
}

void *map_get(const struct map *m, struct span key)
{
    struct map_slot *slot = find(m, slot_hash(key), key);
    return slot ? slot->value : NULL;
}

void *map_put(struct map *m, struct span key, void *value)
{
    uint32_t hash = slot_hash(key);
    struct map_slot *slot = find(m, hash, key);

    if (slot) {
        void *old = slot->value;
        slot->key = key.p; /* the old key goes with the old value */
        slot->value = value;
        return old;
    }
    make_room(m);
    slot = find_room(m, hash);
    if (slot->hash == SLOT_FREE)
        m->used++;
    m->count++;
    *slot =
        (struct map_slot){.hash = hash, .key_len = (uint32_t)key.n, .key = key.p, .value = value};
    return NULL;
}

/* Frees the slot, and the tombstones before it, when its run ends there. */
static void clear_slot(struct map *m, struct map_slot *slot)
{
    size_t mask = m->capacity - 1;
    size_t i = (size_t)(slot - m->slots);

    *slot = (struct map_slot){.hash = SLOT_DELETED};
    if (m->slots[(i + 1) & mask].hash != SLOT_FREE)
        return;
    for (; m->slots[i].hash == SLOT_DELETED; i = (i - 1) & mask) {
        m->slots[i].hash = SLOT_FREE;
        m->used--;
    }
}

void *map_remove(struct map *m, struct span key)
{
    struct map_slot *slot = find(m, slot_hash(key), key);

    if (!slot)
        return NULL;
    void *value = slot->value;
    clear_slot(m, slot);
    m->count--;
    if (m->count == 0 && m->capacity > MAP_SHRINK_CAPACITY)
        map_free(m);
    return value;
}

void map_free(struct map *m)
{
    free(m->slots);
    *m = (struct map){0};
}

void *map_next(const struct map *m, size_t *cursor)
{
    while (*cursor < m->capacity) {
        const struct map_slot *slot = &m->slots[(*cursor)++];
        if (slot->hash >= SLOT_FIRST_HASH)
            return slot->value;
    }
    return NULL;
}
