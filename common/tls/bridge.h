/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bridge - certificates that carry an OpenPGP key: a self-made X.509 certificate whose public key
 * is the OpenPGP master key and which has that key, as packets, in an extension. For servers; the
 * extension's OID is short, so that every library reads it. What is in such a certificate proves
 * nothing by itself: server_key.h (xmpp) says whether the parts fit.
 */
#ifndef TLS_BRIDGE_H
#define TLS_BRIDGE_H

#include "base/buf.h"
#include "tls/ctx.h"

/* An arc of our own below 2.25, which fits into 63 bits. */
#define TLS_BRIDGE_OID "2.25.5270240710"

struct tls_bridge {
    struct buf n, e;    /* the certificate's RSA key, big-endian without leading zeros */
    struct buf openpgp; /* what the extension holds: the bits of its BIT STRING */
};

/* Of a certificate, DER; of a PEM file; of the other side of a TLS session (struct transport's
 * session). False with a reason: no certificate, not RSA, no such extension. */
bool tls_bridge_read(struct span der, struct tls_bridge *b_r, char error_r[TLS_ERROR_MAX]);
bool tls_bridge_open(const char *file, struct tls_bridge *b_r, char error_r[TLS_ERROR_MAX]);
bool tls_bridge_of_peer(void *session, struct tls_bridge *b_r, char error_r[TLS_ERROR_MAX]);
void tls_bridge_free(struct tls_bridge *b);

/* The numbers of an RSA key, as spans; all of them. */
struct tls_rsa {
    struct span n, e, d, p, q, u; /* u = q^-1 mod p */
};
/* The certificate (PEM) of that key: subject O="OpenPGP to X.509 Bridge", CN=uid, subjectAltName
 * DNS host, valid from created (seconds since 1970) for 20 years, self-signed with SHA-256; and the
 * key (PEM). */
bool tls_bridge_make(const struct tls_rsa *rsa, struct span openpgp, struct span uid,
                     struct span host, int64_t created, struct buf *cert_pem, struct buf *key_pem,
                     char error_r[TLS_ERROR_MAX]);

/* --- signatures with such keys: RSA PKCS #1 1.5 with SHA-256 --- */

struct tls_signer;
struct tls_signer *tls_signer_open(const char *key_file, char error_r[TLS_ERROR_MAX]);
void tls_signer_free(struct tls_signer **s);
bool tls_sign(struct tls_signer *s, struct span text, struct buf *signature);
bool tls_verify(struct span n, struct span e, struct span text, struct span signature);

#endif
