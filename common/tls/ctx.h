/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ctx - certificates, keys and policy of one TLS endpoint; and TLS sessions as conn transports.
 *
 * TLS 1.2 and 1.3 only, no renegotiation, no early data, no compression, no session ids for 1.2.
 * A context is reference-counted: sessions keep the one that they began with, a reload makes a new
 * one.
 */
#ifndef TLS_CTX_H
#define TLS_CTX_H

#include "base/conn.h"

struct tls_ctx;

struct tls_ctx_opts {
    const char *cert_file; /* PEM chain; server side: required */
    const char *key_file;  /* PEM; must not be readable by others */
    const char *ca_file;   /* client side: PEM to verify the peer with; NULL: no verification */
    const char *priority;  /* GnuTLS priority string; NULL: the policy above */
    struct span alpn;      /* "xmpp-client"; none: no ALPN */
    /* As a server: the client is asked for its certificate. Any is taken, also none at all: peer.h
     * says afterwards what it is worth. */
    bool ask_peer;
    /* As a client: any certificate is taken in the handshake; ca_file is what peer.h trusts. */
    bool trust_later;
};

/* For opts.priority: 1.3 and nothing else, between servers that we know. */
#define TLS_ONLY_13                                                                                \
    "SECURE128:-VERS-ALL:+VERS-TLS1.3:"                                                            \
    "-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:+GROUP-SECP521R1:"                 \
    "%SERVER_PRECEDENCE"

#define TLS_ERROR_MAX 256

/* NULL with a line in error_r: file missing, key does not fit, others may read it. Certificates
 * that have expired or are not valid yet are warned of only. */
struct tls_ctx *tls_ctx_new(const struct tls_ctx_opts *opts, char error_r[TLS_ERROR_MAX]);
struct tls_ctx *tls_ctx_ref(struct tls_ctx *ctx);
void tls_ctx_unref(struct tls_ctx **ctx);

/* The simulated twin: sessions of it do nothing and have no bindings; for connections without
 * descriptors (fakes), whose handshake always succeeds. */
struct tls_ctx *tls_ctx_twin(void);

/* For a process: a context; on a simulated loop, the twin. */
struct tls_ctx *tls_ctx_make(const struct loop *loop, const struct tls_ctx_opts *opts,
                             char error_r[TLS_ERROR_MAX]);
/* For a process whose streams with other servers go both ways, one context each, with what opts has
 * in common: whatever certificate the other shows is taken in the handshake, and looked at
 * afterwards. They take the place of those in *in and *out; false, with a line in error_r: these
 * stay. */
bool tls_ctx_renew_both(const struct loop *loop, const struct tls_ctx_opts *opts,
                        struct tls_ctx **in, struct tls_ctx **out, char error_r[TLS_ERROR_MAX]);

/* A transport for conn_start_transport: session and its ops. The session takes a ref on ctx. */
extern const struct transport_ops tls_transport;
/* alpn: require that the client's ALPN, when it sends one, names ours (direct TLS). */
void *tls_server_new(struct tls_ctx *ctx, int fd, bool alpn);
/* server_name: for SNI and verification; may be none for IP addresses. */
void *tls_client_new(struct tls_ctx *ctx, int fd, struct span server_name);

/* --- a session, given as conn_transport() --- */

enum tls_binding { TLS_BINDING_EXPORTER, TLS_BINDING_SERVER_END_POINT };

/* Channel-binding data (RFC 9266, RFC 5929) into out_r (64 bytes); its length, 0: not available. */
size_t tls_channel_binding(void *session, enum tls_binding kind, unsigned char out_r[64]);
bool tls_is_13(void *session);
const char *tls_describe(void *session); /* "TLS1.3 ECDHE… AES-256-GCM" for the log */

#endif
