/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hash - hashes that are the same everywhere and always: for rendezvous hashing, where processes
 * and servers must come to the same result without asking each other. Peers can choose collisions:
 * a table in memory is a map.h.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/span.h"

/* The 64-bit finaliser of MurmurHash3: every input bit reaches every output bit. */
static inline uint64_t hash_mix(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

/* FNV-1a, mixed. */
static inline uint64_t hash_span(struct span s)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
    return hash_mix(h);
}

#endif
