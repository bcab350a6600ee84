/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session - one TLS session as a transport of conn: GnuTLS reads and writes the descriptor (by
 * wire.c), conn tells it when. Made by whoever starts TLS, owned by the connection from
 * conn_start_transport on.
 *
 * RFC 8446, RFC 5246, RFC 7301 (ALPN), RFC 5077 (tickets). Renegotiation is refused (CVE-2009-3555
 * and the cost of handshakes on demand); early data is never enabled (replay).
 */
#include "tls/ctx_private.h"

#include "base/mem.h"
#include "tls/wire.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>

/* What a peer may make us hold for one handshake message: a chain with large keys fits. */
#define HANDSHAKE_MAX (32 * 1024)
/* Bytes encrypted per call: the loop's other connections wait meanwhile. */
#define SEND_BUDGET (64 * 1024)
/* Plaintext of the largest record: with that much room another one can be read. */
#define RECORD_MAX (16 * 1024)
/* Warning alerts in a row that are read over; GnuTLS bounds handshake messages itself. */
#define WARNINGS_MAX 8

struct tls_session {
    gnutls_session_t gnutls;
    struct tls_ctx *ctx;
    struct tls_wire wire;
    char *server_name;  /* a client's idea of its peer; NULL: none */
    char *description;  /* made when first asked for */
    const char *reason; /* literal or GnuTLS's constant; NULL: nothing went wrong */
    bool is_server;
    bool done;          /* the handshake is */
    bool in_flight;     /* a record is encrypted and not wholly written */
    bool wants_write;
    bool has_end; /* it came behind data, which has been given first */
    int end;      /* 0 or negative: what reading gives from then on */
};

/* --- what a result means --- */

static int again(struct tls_session *t)
{
    t->wants_write = gnutls_record_get_direction(t->gnutls) == 1;
    return -EAGAIN;
}

/* fatal - keeps the words for the log and tells the peer, as far as the socket takes it at once. */
static int fatal(struct tls_session *t, int ret)
{
    if (ret == GNUTLS_E_FATAL_ALERT_RECEIVED)
        t->reason = gnutls_alert_get_name(gnutls_alert_get(t->gnutls));
    else if (ret == GNUTLS_E_REHANDSHAKE)
        t->reason = "renegotiation refused";
    else if (!t->reason)
        t->reason = gnutls_strerror(ret);
    if (!t->reason)
        t->reason = "unknown TLS alert";

    if (ret == GNUTLS_E_REHANDSHAKE)
        gnutls_alert_send(t->gnutls, GNUTLS_AL_WARNING, GNUTLS_A_NO_RENEGOTIATION);
    else if (ret != GNUTLS_E_FATAL_ALERT_RECEIVED && ret != GNUTLS_E_PUSH_ERROR &&
             ret != GNUTLS_E_PULL_ERROR && ret != GNUTLS_E_PREMATURE_TERMINATION)
        gnutls_alert_send_appropriate(t->gnutls, ret);
    return ret == GNUTLS_E_PREMATURE_TERMINATION || ret == GNUTLS_E_PUSH_ERROR ||
                   ret == GNUTLS_E_PULL_ERROR
               ? -ECONNRESET
               : -EPROTO;
}

/* --- transport_ops --- */

/* The library stops behind what is not data (a ticket): is there more that no poll would tell? */
static bool goes_on(const struct tls_session *t, size_t pending_before)
{
    size_t pending = tls_wire_pending(&t->wire);
    return pending > 0 && pending != pending_before;
}

static int shake_hands(struct tls_session *t)
{
    for (int warnings = 0; warnings < WARNINGS_MAX;) {
        size_t before = tls_wire_pending(&t->wire);
        int ret = gnutls_handshake(t->gnutls);
        if (ret == GNUTLS_E_SUCCESS) {
            t->done = true;
            return 0;
        }
        if (ret == GNUTLS_E_AGAIN && goes_on(t, before))
            continue;
        if (ret == GNUTLS_E_AGAIN)
            return again(t);
        if (gnutls_error_is_fatal(ret))
            return fatal(t, ret);
        if (ret != GNUTLS_E_INTERRUPTED)
            warnings++;
    }
    return fatal(t, GNUTLS_E_TOO_MANY_HANDSHAKE_PACKETS);
}

/* It is over when its last words are out, too. */
static int session_handshake(void *transport)
{
    struct tls_session *t = transport;
    int ret = t->done ? 0 : shake_hands(t);
    int sent = tls_wire_flush(&t->wire);
    tls_wire_keep(&t->wire);
    if (ret < 0 && ret != -EAGAIN)
        return ret;
    if (sent == -EAGAIN) {
        t->wants_write = true;
        return -EAGAIN;
    }
    if (sent < 0)
        return fatal(t, GNUTLS_E_PUSH_ERROR);
    t->wire.gathers = ret < 0;
    return ret;
}

static ssize_t recv_record(struct tls_session *t, char *p, size_t n)
{
    for (int warnings = 0; warnings < WARNINGS_MAX;) {
        size_t before = tls_wire_pending(&t->wire);
        ssize_t ret = gnutls_record_recv(t->gnutls, p, n);
        if (ret >= 0)
            return ret;
        switch (ret) {
        case GNUTLS_E_AGAIN:
            if (goes_on(t, before))
                break;
            return again(t);
        case GNUTLS_E_INTERRUPTED:
            break;
        case GNUTLS_E_PREMATURE_TERMINATION:
            /* Without close_notify a stream may have been cut; XMPP has an end of its own, the end
             * tag, and a stream without it is not trusted to be whole. */
            return 0;
        case GNUTLS_E_WARNING_ALERT_RECEIVED:
            warnings++;
            break;
        default:
            return fatal(t, (int)ret);
        }
    }
    return fatal(t, GNUTLS_E_TOO_MANY_EMPTY_PACKETS);
}

/* As many records as have been read from the socket at once. */
static ssize_t session_recv(void *transport, char *p, size_t n)
{
    struct tls_session *t = transport;
    size_t got = 0;
    if (t->has_end)
        return t->end;
    do {
        ssize_t ret = recv_record(t, p + got, n - got);
        if (ret > 0) {
            got += (size_t)ret;
        } else if (got == 0) {
            tls_wire_keep(&t->wire);
            return ret;
        } else {
            t->has_end = ret != -EAGAIN;
            t->end = (int)ret;
            break;
        }
    } while (n - got >= RECORD_MAX && tls_wire_pending(&t->wire) > 0);
    tls_wire_keep(&t->wire);
    return (ssize_t)got;
}

/* One record; a started one is finished first, with the bytes it has (the caller repeats them). */
static ssize_t send_record(struct tls_session *t, const char *p, size_t n)
{
    ssize_t ret;
    do {
        ret = t->in_flight ? gnutls_record_send(t->gnutls, NULL, 0)
                           : gnutls_record_send(t->gnutls, p, n);
        /* Interrupted too, the record is encrypted: sent again, it would go out twice. */
        t->in_flight = ret == GNUTLS_E_AGAIN || ret == GNUTLS_E_INTERRUPTED;
    } while (ret == GNUTLS_E_INTERRUPTED);
    return ret;
}

static ssize_t session_send(void *transport, const char *p, size_t n)
{
    struct tls_session *t = transport;
    size_t sent = 0;
    while (sent < n && sent < SEND_BUDGET) {
        ssize_t ret = send_record(t, p + sent, n - sent);
        if (ret == GNUTLS_E_AGAIN) {
            int wait = again(t);
            return sent > 0 ? (ssize_t)sent : wait;
        }
        if (ret < 0)
            return fatal(t, (int)ret);
        if (ret == 0)
            return fatal(t, GNUTLS_E_PUSH_ERROR);
        sent += (size_t)ret;
    }
    return (ssize_t)sent;
}

static bool session_wants_write(void *transport)
{
    return ((struct tls_session *)transport)->wants_write;
}

static size_t session_pending(void *transport)
{
    struct tls_session *t = transport;
    return gnutls_record_check_pending(t->gnutls) + tls_wire_pending(&t->wire) + t->has_end;
}

static void session_bye(void *transport)
{
    struct tls_session *t = transport;
    if (t->done && !t->reason && !t->wire.gathers)
        gnutls_bye(t->gnutls, GNUTLS_SHUT_WR);
}

static const char *session_reason(void *transport)
{
    return ((struct tls_session *)transport)->reason;
}

static void session_free(void *transport)
{
    struct tls_session *t = transport;
    if (t->gnutls)
        gnutls_deinit(t->gnutls);
    tls_wire_free(&t->wire);
    tls_ctx_unref(&t->ctx);
    free(t->server_name);
    free(t->description);
    free(t);
}

const struct transport_ops tls_transport = {
    .handshake = session_handshake,
    .recv = session_recv,
    .send = session_send,
    .wants_write = session_wants_write,
    .pending = session_pending,
    .bye = session_bye,
    .reason = session_reason,
    .free = session_free,
};

/* --- makers --- */

static struct tls_session *session_new(struct tls_ctx *ctx, int fd, unsigned flags)
{
    struct tls_session *t = mem_zalloc(sizeof(*t));
    t->ctx = tls_ctx_ref(ctx);
    t->is_server = flags & GNUTLS_SERVER;
    if (ctx->is_twin)
        return t;
    if (gnutls_init(&t->gnutls, flags | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0 ||
        gnutls_priority_set(t->gnutls, ctx->priority) < 0 ||
        gnutls_credentials_set(t->gnutls, GNUTLS_CRD_CERTIFICATE, ctx->credentials) < 0)
        abort();
    gnutls_session_set_ptr(t->gnutls, t);
    t->wire = (struct tls_wire){.fd = fd, .gathers = true};
    gnutls_transport_set_ptr(t->gnutls, &t->wire);
    gnutls_transport_set_pull_function(t->gnutls, tls_wire_pull);
    gnutls_transport_set_push_function(t->gnutls, tls_wire_push);
    gnutls_handshake_set_max_packet_length(t->gnutls, HANDSHAKE_MAX);
    return t;
}

void *tls_server_new(struct tls_ctx *ctx, int fd, bool alpn)
{
    struct tls_session *t = session_new(ctx, fd, GNUTLS_SERVER);
    if (ctx->is_twin)
        return t;
    /* The name that a client asks for (SNI) is read and ignored: there is one certificate. */
    gnutls_certificate_server_set_request(
        t->gnutls, ctx->asks_peer ? GNUTLS_CERT_REQUEST : GNUTLS_CERT_IGNORE);
    /* Some would show no certificate but one of the authorities that are named; and a resumed
     * session would be worth what was known of the peer's certificate when it began. */
    if (ctx->asks_peer)
        gnutls_certificate_send_x509_rdn_sequence(t->gnutls, 1);
    else
        gnutls_session_ticket_enable_server(t->gnutls, &ctx->ticket_key);
    if (ctx->alpn.data)
        gnutls_alpn_set_protocols(t->gnutls, &ctx->alpn, 1, alpn ? GNUTLS_ALPN_MANDATORY : 0);
    return t;
}

/*
 * has_dns_name - whether the peer's certificate has a DNS name as subjectAltName. GnuTLS falls
 * back on the common name when it has none, which RFC 9525 forbids.
 */
static bool has_dns_name(gnutls_session_t session)
{
    unsigned count = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
    gnutls_x509_crt_t crt;
    if (!chain || count == 0 || gnutls_x509_crt_init(&crt) < 0)
        return false;
    bool found = false;
    if (gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER) == 0) {
        for (unsigned i = 0; !found; i++) {
            size_t size = 0;
            int type = gnutls_x509_crt_get_subject_alt_name(crt, i, NULL, &size, NULL);
            if (type < 0 && type != GNUTLS_E_SHORT_MEMORY_BUFFER)
                break;
            char name[256];
            size = sizeof(name);
            found = gnutls_x509_crt_get_subject_alt_name(crt, i, name, &size, NULL) ==
                    GNUTLS_SAN_DNSNAME;
        }
    }
    gnutls_x509_crt_deinit(crt);
    return found;
}

/* Called by GnuTLS in a client's handshake; anything but 0 ends it. */
static int verify_peer(gnutls_session_t session)
{
    struct tls_session *t = gnutls_session_get_ptr(session);
    unsigned status = 0;
    if (gnutls_certificate_verify_peers3(session, t->server_name, &status) < 0) {
        t->reason = "no certificate that can be verified";
        return GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR;
    }
    if (status == 0 && t->server_name && !has_dns_name(session))
        status = GNUTLS_CERT_UNEXPECTED_OWNER;
    if (status == 0)
        return 0;
    t->reason = status & GNUTLS_CERT_EXPIRED            ? "certificate expired"
                : status & GNUTLS_CERT_NOT_ACTIVATED    ? "certificate not yet valid"
                : status & GNUTLS_CERT_UNEXPECTED_OWNER ? "certificate of another name"
                                                        : "certificate not trusted";
    return GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR;
}

void *tls_client_new(struct tls_ctx *ctx, int fd, struct span server_name)
{
    /* Our certificate is shown whatever authorities the server names. */
    unsigned force = ctx->has_certificate ? GNUTLS_FORCE_CLIENT_CERT : 0;
    struct tls_session *t = session_new(ctx, fd, GNUTLS_CLIENT | force);
    if (ctx->is_twin)
        return t;
    if (server_name.n > 0) {
        t->server_name = mem_strdup_span(server_name);
        gnutls_server_name_set(t->gnutls, GNUTLS_NAME_DNS, server_name.p, server_name.n);
    }
    if (ctx->verifies)
        gnutls_session_set_verify_function(t->gnutls, verify_peer);
    if (ctx->alpn.data)
        gnutls_alpn_set_protocols(t->gnutls, &ctx->alpn, 1, 0);
    return t;
}

/* --- about a session --- */

gnutls_session_t tls_session_library(void *transport)
{
    struct tls_session *t = transport;
    return t ? t->gnutls : NULL;
}

static size_t compute_binding(struct tls_session *t, gnutls_channel_binding_t kind,
                              unsigned char out_r[64])
{
    gnutls_datum_t data = {NULL, 0};
    int ret = gnutls_session_channel_binding(t->gnutls, kind, &data);
    size_t n = ret == 0 && data.size <= 64 ? data.size : 0;
    if (n > 0)
        memcpy(out_r, data.data, n);
    gnutls_free(data.data);
    return n;
}

size_t tls_channel_binding(void *session, enum tls_binding kind, unsigned char out_r[64])
{
    struct tls_session *t = session;
    struct tls_ctx *ctx = t->ctx;
    if (!t->done)
        return 0;
    /* Under 1.2 an exporter is unique only with the extended master secret (RFC 9266 4.2); GnuTLS
     * refuses it without. */
    if (kind == TLS_BINDING_EXPORTER)
        return compute_binding(t, GNUTLS_CB_TLS_EXPORTER, out_r);
    if (!t->is_server)
        return compute_binding(t, GNUTLS_CB_TLS_SERVER_END_POINT, out_r);
    if (ctx->end_point_len == 0)
        ctx->end_point_len = compute_binding(t, GNUTLS_CB_TLS_SERVER_END_POINT, ctx->end_point);
    memcpy(out_r, ctx->end_point, ctx->end_point_len);
    return ctx->end_point_len;
}

bool tls_is_13(void *session)
{
    struct tls_session *t = session;
    return t->gnutls && gnutls_protocol_get_version(t->gnutls) == GNUTLS_TLS1_3;
}

const char *tls_describe(void *session)
{
    struct tls_session *t = session;
    if (!t->done)
        return "no TLS";
    if (!t->description) {
        char *text = gnutls_session_get_desc(t->gnutls);
        t->description = mem_strdup_span(span_of(text ? text : "TLS"));
        gnutls_free(text);
    }
    return t->description;
}
