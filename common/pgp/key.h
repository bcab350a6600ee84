/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * key - OpenPGP public keys as they come from elsewhere, and the making of a server's own
 * (RFC 4880). The only door to librnp.
 */
#ifndef PGP_KEY_H
#define PGP_KEY_H

#include "base/buf.h"

#define PGP_FINGERPRINT 40
#define PGP_ERROR_MAX 256
#define PGP_KEY_BYTES_MAX 65536

struct pgp_key;

/* One transferable public key, binary or armoured; a secret key counts as its public half. NULL
 * with a reason: not one, too long, not version 4, its master key revoked, expired or made in the
 * future (by more than a day). */
struct pgp_key *pgp_key_parse(struct span data, char error_r[PGP_ERROR_MAX]);
void pgp_key_free(struct pgp_key **k);
/* Of the master key: upper-case hex and a NUL. */
const char *pgp_key_fingerprint(const struct pgp_key *k);
/* The numbers of an RSA master key, big-endian without leading zeros; false: it is none. Valid as
 * long as the key. */
bool pgp_key_rsa(const struct pgp_key *k, struct span *n_r, struct span *e_r);
/* The user id at that place; none: there are no more. */
struct span pgp_key_uid(const struct pgp_key *k, size_t i);
/* The key as packets, without secrets: what travels. */
void pgp_key_write(const struct pgp_key *k, struct buf *out);

/* A new key of a server: RSA, for signing and certifying, for the user id; the secret key, armoured
 * and without a passphrase, into secret_r. */
bool pgp_key_make(struct span uid, unsigned bits, struct buf *secret_r,
                  char error_r[PGP_ERROR_MAX]);
/* The secret numbers of an armoured key made by pgp_key_make, for TLS: n e d p q (u is q^-1 mod p).
 * The caller wipes them. */
struct pgp_secret {
    struct buf n, e, d, p, q, u;
    int64_t created; /* seconds since 1970 */
};
bool pgp_secret_read(struct span armoured, struct pgp_secret *s_r, char error_r[PGP_ERROR_MAX]);
void pgp_secret_wipe(struct pgp_secret *s);

#endif
