/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * in_auth - the peer's certificate, and SASL EXTERNAL, which is that certificate put into words
 * (RFC 6120 6, XEP-0178). Called by in.c's rules.
 *
 * EXTERNAL is offered only when the certificate proves the domain that the header names; what it is
 * worth is asked once a stream for that domain.
 */
#include "base/log.h"
#include "s2s/in_private.h"
#include "s2s/policy.h"
#include "tls/crypto.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"

/* Failed attempts on one connection (RFC 6120 6.4.5). */
#define FAILURES_MAX 3

enum tls_peer_verdict in_certificate(const struct in *in, struct span remote)
{
    char ascii[JID_ASCII_MAX + 1];
    struct conn *conn = in->stream.conn;
    if (!conn_is_secure(conn))
        return TLS_PEER_NONE;
    if (!jid_domain_to_ascii(remote, ascii))
        return TLS_PEER_WRONG_NAME;
    struct tls_peer_want want = {
        .domain = span_of(ascii), .service = "xmpp-server", .pin = policy_of(in->s2s, remote).pin};
    return tls_peer_check(conn_transport(conn), &want);
}

bool in_offers_external(struct in *in)
{
    struct stream *s = &in->stream;
    if (s->state != IN_SECURED || span_is_none(in->remote))
        return false;
    if (!in->knows_verdict) {
        in->knows_verdict = true;
        in->verdict = in_certificate(in, in->remote);
        LOG(in->verdict == TLS_PEER_OK ? LOG_DEBUG : LOG_INFO, "in.certificate",
            F_STR("sid", s->id), F_SPAN("remote", in->remote),
            F_STR("verdict", tls_peer_verdict_name(in->verdict)));
    }
    return in->verdict == TLS_PEER_OK;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void fail(struct in *in, const char *condition)
{
    struct stream *s = &in->stream;
    char peer[ADDR_TEXT_MAX];
    LOG(LOG_INFO, "in.auth_failed", F_STR("sid", s->id), F_SPAN("remote", in->remote),
        F_STR("cond", condition), F_STR("peer", addr_format(conn_peer(s->conn), peer)));
    if (s->state == IN_CHALLENGED)
        stream_set_state(s, IN_SECURED);
    struct buf *out = stream_out(s);
    xml_raw(out, SPAN("<failure xmlns='" NS_SASL "'><"));
    buf_append_z(out, condition);
    xml_raw(out, SPAN("/></failure>"));
    stream_flush(s);
    if (++in->failures >= FAILURES_MAX)
        stream_error(s, STREAM_POLICY_VIOLATION, "too many failed attempts");
}

/* The same stream goes on from a new header. */
static void succeed(struct in *in)
{
    struct stream *s = &in->stream;
    in->is_external = true;
    stream_send(s, SPAN("<success xmlns='" NS_SASL "'/>"));
    in_free_pairs(in);
    in_open(in, in->local, in->remote);
    stream_restart(s);
}

/* --- the exchange ----------------------------------------------------------------------------- */

static struct span trimmed(struct span text)
{
    while (text.n > 0 && memchr(" \t\r\n", text.p[0], 4))
        text = span_from(text, 1);
    while (text.n > 0 && memchr(" \t\r\n", text.p[text.n - 1], 4))
        text.n--;
    return text;
}

/* Whom the peer wants to be: the domain of its header, in words or by leaving it out. */
static const char *check_authzid(const struct in *in, struct span message)
{
    char out[JID_PART_MAX + 1];
    struct span domain;
    struct buf text = {0};
    const char *condition = NULL;
    if (span_eq(message, SPAN("=")))
        return NULL;
    if (!base64_decode(&text, message))
        condition = "incorrect-encoding";
    else if (buf_len(&text) > 0 &&
             (!jid_prep_domain(buf_span(&text), out, &domain) || !span_eq(domain, in->remote)))
        condition = "invalid-authzid";
    buf_free(&text);
    return condition;
}

static void decide(struct in *in, struct span message)
{
    const char *condition = check_authzid(in, message);
    if (condition)
        fail(in, condition);
    else
        succeed(in);
}

void in_on_auth(struct stream *s, struct stanza *stanza)
{
    struct in *in = in_of(s);
    struct span mechanism = stanza_attr(stanza, 0, SPAN("mechanism"));
    if (!in_has_room(in))
        return;
    if (s->state == IN_CONNECTED) {
        fail(in, in_requires_tls(in, in->remote) ? "encryption-required" : "invalid-mechanism");
    } else if (!span_eq(mechanism, SPAN("EXTERNAL")) || !in_offers_external(in)) {
        fail(in, "invalid-mechanism");
    } else if (span_is_empty(trimmed(stanza_text(stanza, 0)))) {
        stream_set_state(s, IN_CHALLENGED);
        stream_send(s, SPAN("<challenge xmlns='" NS_SASL "'/>"));
    } else {
        decide(in, trimmed(stanza_text(stanza, 0)));
    }
}

/* An empty response is an empty message. */
void in_on_response(struct stream *s, struct stanza *stanza)
{
    struct span message = trimmed(stanza_text(stanza, 0));
    decide(in_of(s), span_is_empty(message) ? SPAN("=") : message);
}

void in_on_abort(struct stream *s, struct stanza *stanza)
{
    (void)stanza;
    fail(in_of(s), "aborted");
}
