/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ctx_private - what ctx.c (credentials and policy), session.c (transports) and peer.c (what the
 * other side's certificate is worth) share.
 */
#ifndef TLS_CTX_PRIVATE_H
#define TLS_CTX_PRIVATE_H

#include "tls/ctx.h"

#include <gnutls/gnutls.h>

struct tls_ctx {
    unsigned refs;
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priority;
    gnutls_datum_t ticket_key; /* session tickets; another context cannot read them */
    gnutls_datum_t alpn;       /* .data NULL: none */
    bool is_twin;              /* of simulated connections: nothing else is set */
    bool has_certificate;      /* can be a server */
    bool verifies;             /* as a client: the peer must have a certificate we trust */
    bool asks_peer;            /* as a server: for a certificate, of whatever worth */
    /* tls-server-end-point of our own certificate: the same for all sessions, and each time the
     * certificate would be decoded anew; 0: not asked for yet. */
    unsigned char end_point[64];
    size_t end_point_len;
};

/* The library's session of a transport; NULL: there is none, as in a twin's. */
gnutls_session_t tls_session_library(void *transport);

#endif
