/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * crypto - random, digests, comparison: the only door to them. Simulated twin: a seeded generator.
 */
#ifndef TLS_CRYPTO_H
#define TLS_CRYPTO_H

#include "base/buf.h"

enum crypto_hash { CRYPTO_SHA1, CRYPTO_SHA256 };
#define CRYPTO_HASH_MAX 32

size_t crypto_hash_len(enum crypto_hash h); /* 20, 32 */

/* Must be called once before anything else of this room; keeps p11-kit from loading. */
void crypto_init(void);
/* From now on random numbers are a function of seed: tests only. seed 0 ends it. */
void crypto_simulate(uint64_t seed);

void crypto_random(void *p, size_t n);
/* From 0 to below - 1, for times: below is at least 1, and far under 2^32. */
uint64_t crypto_random_below(uint64_t below);
/* An identifier of bytes*8 random bits in lower-case hex, NUL-terminated; text_r: 2*bytes+1. */
void crypto_random_hex(char *text_r, size_t bytes);

void crypto_digest(enum crypto_hash h, struct span data, unsigned char *out_r);
void crypto_hmac(enum crypto_hash h, struct span key, struct span data, unsigned char *out_r);
/* PBKDF2-HMAC (RFC 8018). Slow by design: only on a work thread. */
void crypto_pbkdf2(enum crypto_hash h, struct span password, struct span salt,
                   uint32_t iterations, unsigned char *out_r);

/* Constant time in the lengths given; false at once when the lengths differ. */
bool crypto_equal(struct span a, struct span b);

void crypto_hex(struct span data, char *text_r); /* lower case; 2*n+1 */
void base64_encode(struct buf *out, struct span data);
/* Strict (RFC 4648 4: no spaces, right padding); false when it is none. Appends to out. */
bool base64_decode(struct buf *out, struct span text);

#endif
