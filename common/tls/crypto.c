/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * crypto - GnuTLS's generator, digests and comparison behind one door. Called by everyone who needs
 * an identifier, a nonce or a key. Owns nothing but the state of the simulated generator.
 */
#include "tls/crypto.h"

#include "base/mem.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/pkcs11.h>
#include <stdlib.h>

/* xoshiro256**: only of use to tests, which must run alike each time. */
static struct {
    bool on;
    uint64_t s[4];
} sim;

static uint64_t rotl(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

static uint64_t sim_next(void)
{
    uint64_t *s = sim.s;
    uint64_t result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

/* A primitive that fails leaves no safe way on: there is no answer that a caller could use. */
static void must(int ret)
{
    if (ret < 0)
        abort();
}

size_t crypto_hash_len(enum crypto_hash h)
{
    return h == CRYPTO_SHA1 ? 20 : 32;
}

void crypto_init(void)
{
    /* Manual: GnuTLS would load p11-kit's modules else, which need writable and executable memory.
     */
    must(gnutls_pkcs11_init(GNUTLS_PKCS11_FLAG_MANUAL, NULL));
}

void crypto_simulate(uint64_t seed)
{
    sim.on = seed != 0;
    for (size_t i = 0; i < ARRAY_LEN(sim.s); i++) {
        /* splitmix64 spreads a small seed over the whole state. */
        uint64_t z = (seed += 0x9e3779b97f4a7c15u);
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        sim.s[i] = z ^ z >> 31;
    }
}

void crypto_random(void *p, size_t n)
{
    if (!sim.on) {
        must(gnutls_rnd(GNUTLS_RND_KEY, p, n));
        return;
    }
    unsigned char *to = p;
    while (n > 0) {
        uint64_t value = sim_next();
        size_t part = n < sizeof(value) ? n : sizeof(value);
        memcpy(to, &value, part);
        to += part;
        n -= part;
    }
}

uint64_t crypto_random_below(uint64_t below)
{
    uint32_t r;

    crypto_random(&r, sizeof(r));
    return r % below;
}

void crypto_random_hex(char *text_r, size_t bytes)
{
    char random[32];
    text_r[0] = '\0';
    while (bytes > 0) {
        size_t part = bytes < sizeof(random) ? bytes : sizeof(random);
        crypto_random(random, part);
        crypto_hex(span_make(random, part), text_r);
        text_r += 2 * part;
        bytes -= part;
    }
    mem_wipe(random, sizeof(random));
}

void crypto_digest(enum crypto_hash h, struct span data, unsigned char *out_r)
{
    must(gnutls_hash_fast(h == CRYPTO_SHA1 ? GNUTLS_DIG_SHA1 : GNUTLS_DIG_SHA256, data.p, data.n,
                          out_r));
}

static gnutls_mac_algorithm_t mac_of(enum crypto_hash h)
{
    return h == CRYPTO_SHA1 ? GNUTLS_MAC_SHA1 : GNUTLS_MAC_SHA256;
}

void crypto_hmac(enum crypto_hash h, struct span key, struct span data, unsigned char *out_r)
{
    must(gnutls_hmac_fast(mac_of(h), key.p ? key.p : "", key.n, data.p, data.n, out_r));
}

void crypto_pbkdf2(enum crypto_hash h, struct span password, struct span salt, uint32_t iterations,
                   unsigned char *out_r)
{
    gnutls_datum_t key = {(unsigned char *)password.p, (unsigned)password.n};
    gnutls_datum_t with = {(unsigned char *)salt.p, (unsigned)salt.n};
    must(gnutls_pbkdf2(mac_of(h), &key, &with, iterations, out_r, crypto_hash_len(h)));
}

bool crypto_equal(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || gnutls_memcmp(a.p, b.p, a.n) == 0);
}

void crypto_hex(struct span data, char *text_r)
{
    static const char digits[16] = "0123456789abcdef";
    for (size_t i = 0; i < data.n; i++) {
        unsigned char byte = (unsigned char)data.p[i];
        text_r[2 * i] = digits[byte >> 4];
        text_r[2 * i + 1] = digits[byte & 15];
    }
    text_r[2 * data.n] = '\0';
}
