/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * selftest_client - see the header. The certificate is pinned: whatever the system trusts, the
 * server must show the one in the file that its configuration names.
 */
#include "router/ctl/selftest_client.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* libstrophe's handler for unknown certificates has no context, hence one for all clients. */
static struct {
    char *leaf;       /* base64 without line ends */
    struct buf chain; /* all of the file's certificates, each ended by a line feed */
    bool refused;     /* another one was shown */
} trusted;

static const char other_cert[] = "the server shows another certificate than the file that its "
                                 "settings name (was it reloaded?)";

/* --- the certificate --- */

static const char pem_begin[] = "-----BEGIN CERTIFICATE-----";
static const char pem_end[] = "-----END CERTIFICATE-----";

/* Appends the base64 of the first certificate in pem; returns what follows it, NULL: none. */
static const char *pem_next(const char *pem, struct buf *base64)
{
    const char *p = strstr(pem, pem_begin);
    const char *end = p ? strstr(p, pem_end) : NULL;

    if (!end)
        return NULL;
    for (p += strlen(pem_begin); p < end; p++)
        if (!strchr(" \t\r\n", *p))
            buf_append_char(base64, *p);
    return end;
}

bool client_trust(const char *file, char reason_r[256])
{
    struct buf text = {.max = 1 << 20}, leaf = {0};
    FILE *f = fopen(file, "re");
    size_t n = 0;

    if (!f) {
        snprintf(reason_r, 256, "the server's certificate %.150s: %s", file, strerror(errno));
        return false;
    }
    for (char *to; (to = buf_reserve(&text, 4096)) && (n = fread(to, 1, 4096, f)) > 0;)
        buf_commit(&text, n);
    fclose(f);
    pem_next(buf_z(&text), &leaf);
    trusted.leaf = mem_strdup_span(buf_span(&leaf));
    for (const char *p = buf_z(&text); (p = pem_next(p, &trusted.chain));)
        buf_append_char(&trusted.chain, '\n');
    if (buf_len(&leaf) == 0)
        snprintf(reason_r, 256, "there is no certificate in %.200s", file);
    bool found = buf_len(&leaf) > 0;
    buf_free(&leaf);
    buf_wipe(&text); /* the key may be in the same file */
    return found;
}

void client_trust_end(void)
{
    free(trusted.leaf);
    trusted.leaf = NULL;
    buf_free(&trusted.chain);
}

/* Also asked for the certificates above the leaf: they must be the file's, too. */
static int on_unknown_cert(const xmpp_tlscert_t *cert, const char *const error)
{
    struct buf base64 = {0};

    (void)error;
    pem_next(xmpp_tlscert_get_pem(cert), &base64);
    bool known = buf_len(&base64) > 0 && strstr(buf_z(&trusted.chain), buf_z(&base64));
    buf_free(&base64);
    trusted.refused = !known;
    return known;
}

static bool shows_trusted_cert(struct client *c)
{
    struct buf base64 = {0};
    xmpp_tlscert_t *cert = xmpp_conn_get_peer_cert(c->conn);

    if (cert)
        pem_next(xmpp_tlscert_get_pem(cert), &base64);
    bool same = buf_len(&base64) > 0 && strcmp(buf_z(&base64), trusted.leaf) == 0;
    buf_free(&base64);
    if (cert)
        xmpp_tlscert_free(cert);
    return same;
}

/* --- the stream --- */

static void fault(struct client *c, const char *what, const char *detail)
{
    if (!c->fault[0])
        snprintf(c->fault, sizeof(c->fault), "%s%s%.150s", what, detail ? ": " : "",
                 detail ? detail : "");
}

static int on_message(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *ctx)
{
    struct client *c = ctx;
    const char *type = xmpp_stanza_get_type(stanza);
    const char *from = xmpp_stanza_get_from(stanza);
    char *body = xmpp_message_get_body(stanza);

    (void)conn;
    if (type && strcmp(type, "error") == 0)
        fault(c, "a message came back as an error from", from ? from : "the server");
    else if (body) {
        snprintf(c->received, sizeof(c->received), "%s", body);
        if (c->echoes && from)
            client_send(c, from, c->received);
    }
    if (body)
        xmpp_free(c->ctx, body);
    return 1;
}

static void on_online(struct client *c)
{
    if (c->tls != CLIENT_PLAIN && !shows_trusted_cert(c)) {
        fault(c, other_cert, NULL);
        xmpp_disconnect(c->conn);
        return;
    }
    xmpp_handler_add(c->conn, on_message, NULL, "message", NULL, c);
    xmpp_stanza_t *presence = xmpp_presence_new(c->ctx);
    xmpp_send(c->conn, presence);
    xmpp_stanza_release(presence);
    c->state = CLIENT_ONLINE;
}

static void on_gone(struct client *c, int error, const xmpp_stream_error_t *stream_error)
{
    if (trusted.refused)
        fault(c, other_cert, NULL);
    else if (stream_error)
        fault(c, "the server ended the stream",
              stream_error->text ? stream_error->text : "stream error");
    else if (error)
        fault(c, "the connection broke", error > 0 ? strerror(error) : "TLS");
    else if (c->state == CLIENT_CONNECTING)
        fault(c, "the login was refused", NULL);
    else
        fault(c, "the connection was closed", NULL);
    c->state = CLIENT_GONE;
}

static void on_event(xmpp_conn_t *conn, xmpp_conn_event_t event, int error,
                     xmpp_stream_error_t *stream_error, void *ctx)
{
    (void)conn;
    if (event == XMPP_CONN_CONNECT)
        on_online(ctx);
    else if (event == XMPP_CONN_DISCONNECT || event == XMPP_CONN_FAIL)
        on_gone(ctx, error, stream_error);
}

void client_start(struct client *c, xmpp_ctx_t *ctx, const char *jid, const char *password,
                  const char *address, uint16_t port, enum client_tls tls)
{
    static const long flags[] = {
        [CLIENT_PLAIN] = XMPP_CONN_FLAG_DISABLE_TLS | XMPP_CONN_FLAG_DISABLE_SM,
        [CLIENT_STARTTLS] = XMPP_CONN_FLAG_MANDATORY_TLS | XMPP_CONN_FLAG_DISABLE_SM,
        [CLIENT_DIRECT_TLS] = XMPP_CONN_FLAG_LEGACY_SSL | XMPP_CONN_FLAG_DISABLE_SM,
    };

    c->ctx = ctx;
    c->tls = tls;
    c->state = CLIENT_CONNECTING;
    c->conn = xmpp_conn_new(ctx);
    xmpp_conn_set_flags(c->conn, flags[tls]);
    xmpp_conn_set_certfail_handler(c->conn, on_unknown_cert);
    xmpp_conn_set_jid(c->conn, jid);
    xmpp_conn_set_pass(c->conn, password);
    if (xmpp_connect_client(c->conn, address, port, on_event, c) != XMPP_EOK)
        on_gone(c, ECONNREFUSED, NULL);
}

void client_send(struct client *c, const char *to, const char *body)
{
    xmpp_stanza_t *message = xmpp_message_new(c->ctx, "chat", to, NULL);

    xmpp_message_set_body(message, body);
    xmpp_send(c->conn, message);
    xmpp_stanza_release(message);
}

const char *client_jid(const struct client *c)
{
    return xmpp_conn_get_bound_jid(c->conn);
}

void client_stop(struct client *c)
{
    if (c->state == CLIENT_ONLINE || c->state == CLIENT_CONNECTING)
        xmpp_disconnect(c->conn);
}

void client_free(struct client *c)
{
    if (c->conn)
        xmpp_conn_release(c->conn);
    c->conn = NULL;
}
