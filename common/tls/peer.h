/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * peer - whether the certificate that the other side of a session showed is that of a domain: RFC
 * 9525 (subjectAltName only: DNS-ID, SRV-ID, xmppAddr; never the common name), RFC 5280, and DANE
 * (RFC 6698, RFC 7673). Asked after the handshake, which took any certificate: see trust_later and
 * ask_peer in ctx.h.
 */
#ifndef TLS_PEER_H
#define TLS_PEER_H

#include "tls/ctx.h"

enum tls_peer_verdict {
    TLS_PEER_OK,
    TLS_PEER_NONE,      /* it showed no certificate */
    TLS_PEER_UNTRUSTED, /* the chain ends nowhere that we know */
    TLS_PEER_SELF_SIGNED,
    TLS_PEER_EXPIRED,
    TLS_PEER_NOT_YET,
    TLS_PEER_WRONG_NAME, /* sound, but of somebody else */
    TLS_PEER_WRONG_USE,  /* not for servers */
    TLS_PEER_WEAK,       /* signed or keyed by what nobody trusts any more */
    TLS_PEER_WRONG_PIN,  /* not the one that the configuration names */
    TLS_PEER_WRONG_TLSA, /* not the one that the DNS names */
};
const char *tls_peer_verdict_name(enum tls_peer_verdict v); /* "expired", … */

struct tls_peer_want {
    struct span domain;  /* A-labels, lower case */
    const char *service; /* "xmpp-server", for SRV-IDs */
    /* SHA-256 of the certificate (hex, colons allowed): then nothing else counts. none: no pin */
    struct span pin;
    /* Validated TLSA records, as on the wire: then they decide (usage 2 and 3 need no CA). */
    const struct span *tlsa;
    size_t tlsa_count;
    struct span tlsa_name; /* the SRV target, which is a name of it then, too (RFC 7673) */
};

/* serverAuth is enough, in both directions: no CA issues clientAuth any more. */
enum tls_peer_verdict tls_peer_check(void *session, const struct tls_peer_want *want);
/* Of the peer's certificate; false: it has none. */
bool tls_peer_fingerprint(void *session, unsigned char sha256_r[32]);

/* For tests on simulated connections, which have no certificates: decides instead; NULL: OK. */
extern enum tls_peer_verdict (*tls_peer_twin)(const struct tls_peer_want *want);

#endif
