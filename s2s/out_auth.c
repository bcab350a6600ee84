/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * out_auth - from the connection to a stream that carries stanzas: STARTTLS, whose certificate the
 * peer has, SASL EXTERNAL (XEP-0178), else dialback (XEP-0220), XEP-0288, XEP-0198.
 *
 * Who the peer is, its certificate says, or, where the configuration allows that, the DNS alone.
 * The rules of out.c call these.
 */
#include "s2s/out_private.h"

#include "base/log.h"
#include "base/mem.h"
#include "s2s/dialback.h"
#include "s2s/policy.h"
#include "tls/crypto.h"
#include "xmpp/ns.h"

#include <stdio.h>
#include <stdlib.h>

#define NS_BIDI "urn:xmpp:bidi"
#define NS_BIDI_FEATURE "urn:xmpp:features:bidi"
#define PEER_ID_MAX 1024

/* --- whose certificate ------------------------------------------------------------------------ */

static enum tls_peer_verdict check_certificate(const struct out *o, const struct s2s_policy *policy)
{
    const struct dial_target *t = o->target; /* NULL: it has been ready for long */
    struct tls_peer_want want = {
        .domain = span_of(o->domain),
        .service = "xmpp-server",
        .pin = policy->pin,
        .tlsa = t ? t->tlsa : NULL,
        .tlsa_count = t ? t->tlsa_count : 0,
        .tlsa_name = t && t->is_secure ? t->name : SPAN_NONE,
    };
    return tls_peer_check(conn_transport(o->stream.conn), &want);
}

/* A pin or a TLSA record that does not fit is never passed over: somebody is in between. */
static bool is_acceptable(enum tls_peer_verdict v, const struct s2s_policy *policy)
{
    if (v == TLS_PEER_OK)
        return true;
    return !policy->requires_cert && v != TLS_PEER_WRONG_PIN && v != TLS_PEER_WRONG_TLSA &&
           span_is_none(policy->pin);
}

/* False: the stream has been ended. */
static bool check_peer(struct out *o)
{
    struct s2s_policy policy = policy_of(o->s2s, o->pair->remote);
    bool is_secure = conn_is_secure(o->stream.conn);
    enum tls_peer_verdict v = is_secure ? check_certificate(o, &policy) : TLS_PEER_NONE;
    char reason[120];

    if (is_secure)
        out_note(o, "%s, certificate: %s", tls_describe(conn_transport(o->stream.conn)),
                 tls_peer_verdict_name(v));
    o->is_proved = v == TLS_PEER_OK && span_is_none(policy.pin);
    if (is_acceptable(v, &policy))
        return true;
    snprintf(reason, sizeof reason, is_secure ? "its certificate cannot be accepted: %s" : "%s",
             is_secure ? tls_peer_verdict_name(v) : "it shows no certificate");
    out_fail(o, STREAM_NOT_AUTHORIZED, STANZA_NOT_AUTHORIZED, reason);
    return false;
}

bool out_is_allowed(const struct out *o)
{
    const uint32_t looks_later =
        STREAM_IN(OUT_OPENED) | STREAM_IN(OUT_TLS) | STREAM_IN(OUT_SECURED);
    struct s2s_policy policy = policy_of(o->s2s, o->pair->remote);
    if (policy.is_denied)
        return false;
    if (!o->has_stream || !stream_is_open(&o->stream) || (looks_later & STREAM_IN(o->stream.state)))
        return true;
    if (!conn_is_secure(o->stream.conn))
        return !policy.requires_tls && is_acceptable(TLS_PEER_NONE, &policy);
    if (o->is_proved && span_is_none(policy.pin))
        return true;
    return is_acceptable(check_certificate(o, &policy), &policy);
}

/* --- headers, STARTTLS ------------------------------------------------------------------------ */

void out_on_header(struct stream *s, const struct stanza *header)
{
    struct out *o = out_of(s);
    struct span id = stanza_attr(header, 0, SPAN("id"));
    free(o->peer_id);
    o->peer_id = NULL;
    /* The stream's own copy is cut, and the key needs all of it. */
    if (id.n > 0 && id.n <= PEER_ID_MAX)
        o->peer_id = mem_strdup_span(id);
}

static bool offers_external(const struct stanza *features)
{
    struct stanza *f = (struct stanza *)(uintptr_t)features;
    uint32_t list = stanza_child(features, 0, SPAN(NS_SASL), SPAN("mechanisms"));
    uint32_t m = list ? stanza_child(features, list, SPAN(NS_SASL), SPAN("mechanism")) : 0;
    for (; m; m = stanza_next(features, m, SPAN(NS_SASL), SPAN("mechanism")))
        if (span_eq(stanza_text(f, m), SPAN("EXTERNAL")))
            return true;
    return false;
}

static void start_tls(struct out *o)
{
    stream_send(&o->stream, SPAN("<starttls xmlns='" NS_TLS "'/>"));
    stream_set_state(&o->stream, OUT_TLS);
}

void out_on_proceed(struct stream *s, struct stanza *stanza)
{
    struct out *o = out_of(s);
    (void)stanza;
    stream_start_tls(s, &tls_transport,
                     tls_client_new(o->s2s->tls_out, conn_fd(s->conn), span_of(o->domain)));
}

void out_on_tls_failure(struct stream *s, struct stanza *stanza)
{
    (void)stanza;
    out_fail(out_of(s), STREAM_ERROR_NONE, STANZA_REMOTE_SERVER_TIMEOUT, "it refused STARTTLS");
}

void out_on_secure(struct stream *s)
{
    struct out *o = out_of(s);
    stream_set_state(s, OUT_SECURED);
    if (o->pair)
        out_send_header(o);
}

/* --- who we are ------------------------------------------------------------------------------- */

static void write_authzid(struct out *o, struct buf *out)
{
    base64_encode(out, o->pair->local);
}

static void start_external(struct out *o)
{
    struct buf *out = stream_out(&o->stream);
    xml_raw(out, SPAN("<auth xmlns='" NS_SASL "' mechanism='EXTERNAL'>"));
    write_authzid(o, out);
    xml_raw(out, SPAN("</auth>"));
    stream_flush(&o->stream);
    stream_set_state(&o->stream, OUT_EXTERNAL);
}

static void start_dialback(struct out *o)
{
    char key[DIALBACK_KEY_LEN + 1];
    struct pair *p = o->pair;
    if (!o->peer_id) {
        out_fail(o, STREAM_BAD_FORMAT, STANZA_REMOTE_SERVER_TIMEOUT, "its stream has no usable id");
        return;
    }
    dialback_key(o->s2s, p->remote, p->local, span_of(o->peer_id), key);
    dialback_write_result(stream_out(&o->stream), p->local, p->remote, SPAN_NONE, span_of(key));
    stream_flush(&o->stream);
    stream_set_state(&o->stream, OUT_DIALBACK);
    pair_on_askable(p);
}

static void authenticate(struct out *o)
{
    if (!check_peer(o))
        return;
    bool is_secure = conn_is_secure(o->stream.conn);
    if (o->has_bidi && is_secure) {
        stream_send(&o->stream, SPAN("<bidi xmlns='" NS_BIDI "'/>"));
        o->is_bidi = true;
    }
    if (o->has_external && is_secure)
        start_external(o);
    else
        start_dialback(o);
}

/* EXTERNAL has one message, which <auth/> has carried: whatever a challenge asks, there is no other
 * answer (T25). */
void out_on_challenge(struct stream *s, struct stanza *stanza)
{
    struct out *o = out_of(s);
    (void)stanza;
    if (o->is_challenged) {
        out_fail(o, STREAM_ERROR_NONE, STANZA_REMOTE_SERVER_TIMEOUT, "it asks for SASL twice");
        return;
    }
    o->is_challenged = true;
    struct buf *out = stream_out(s);
    xml_raw(out, SPAN("<response xmlns='" NS_SASL "'>"));
    write_authzid(o, out);
    xml_raw(out, SPAN("</response>"));
    stream_flush(s);
}

void out_on_success(struct stream *s, struct stanza *stanza)
{
    struct out *o = out_of(s);
    (void)stanza;
    out_note(o, "authenticated by our certificate");
    stream_restart(s);
    stream_set_state(s, OUT_AUTHED);
    out_send_header(o);
}

/* A condition as people may read it: the peer chooses the element. */
static struct span plain(struct span name)
{
    if (name.n == 0 || name.n > 40)
        return SPAN("for no known reason");
    for (size_t i = 0; i < name.n; i++)
        if ((name.p[i] < 'a' || name.p[i] > 'z') && name.p[i] != '-')
            return SPAN("for no known reason");
    return name;
}

void out_on_sasl_failure(struct stream *s, struct stanza *stanza)
{
    struct out *o = out_of(s);
    uint32_t cond = stanza_child(stanza, 0, SPAN(NS_SASL), SPAN_NONE);
    out_note(o, "our certificate is not taken: %.*s",
             SPAN_ARG(plain(cond ? stanza->nodes[cond].name : SPAN_NONE)));
    start_dialback(o);
}

/* --- proved ----------------------------------------------------------------------------------- */

static void on_authenticated(struct out *o)
{
    if (!o->has_sm) {
        out_on_ready(o);
        return;
    }
    stream_send(&o->stream, SPAN("<enable xmlns='" NS_SM "'/>"));
    stream_set_state(&o->stream, OUT_ENABLING);
}

static void on_dialback_error(struct out *o, struct stanza *stanza)
{
    uint32_t error = stanza_child(stanza, 0, SPAN_NONE, SPAN("error"));
    uint32_t cond = error ? stanza_child(stanza, error, SPAN(NS_STANZA_ERRORS), SPAN_NONE) : 0;
    enum stanza_error e = cond ? stanza_error_parse(stanza->nodes[cond].name) : STANZA_ERROR_NONE;
    char reason[120];

    snprintf(reason, sizeof reason, "it could not verify us: %s",
             e ? stanza_error_name(e) : "for no known reason");
    if (e == STANZA_ITEM_NOT_FOUND)
        e = STANZA_REMOTE_SERVER_NOT_FOUND; /* it does not serve that domain */
    else if (e == STANZA_NOT_AUTHORIZED || e == STANZA_NOT_ALLOWED || e == STANZA_FORBIDDEN ||
             e == STANZA_POLICY_VIOLATION)
        e = STANZA_NOT_AUTHORIZED;
    else
        e = STANZA_REMOTE_SERVER_TIMEOUT;
    out_fail(o, STREAM_ERROR_NONE, e, reason);
}

/* The answer to our key. What it says of other pairs nobody has asked. */
void out_on_result(struct stream *s, struct stanza *stanza)
{
    struct out *o = out_of(s);
    if (span_is_none(stanza->type)) {
        if (!out_has_room(o))
            return;
        dialback_write_error(stream_out(s), "result", stanza->to, stanza->from, SPAN_NONE,
                             STANZA_NOT_ALLOWED); /* XEP-0288: domains of its own, over ours */
        stream_flush(s);
        return;
    }
    if (s->state != OUT_DIALBACK || !span_eq(stanza->from, o->pair->remote) ||
        !span_eq(stanza->to, o->pair->local)) {
        LOG(LOG_WARN, "out.unasked_result", F_SPAN("remote", o->pair->remote),
            F_SPAN("from", stanza->from), F_SPAN("to", stanza->to));
        return;
    }
    if (span_eq(stanza->type, SPAN("valid"))) {
        out_note(o, "authenticated by dialback");
        on_authenticated(o);
    } else if (span_eq(stanza->type, SPAN("error"))) {
        on_dialback_error(o, stanza);
    } else {
        out_fail(o, STREAM_ERROR_NONE, STANZA_NOT_AUTHORIZED,
                 "it holds our dialback key for wrong");
    }
}

/* --- features --------------------------------------------------------------------------------- */

static void on_clear_features(struct out *o, const struct stanza *features)
{
    if (stanza_child(features, 0, SPAN(NS_TLS), SPAN("starttls")))
        start_tls(o);
    else if (policy_of(o->s2s, o->pair->remote).requires_tls)
        out_fail(o, STREAM_POLICY_VIOLATION, STANZA_NOT_AUTHORIZED, "it offers no TLS");
    else
        authenticate(o);
}

void out_on_features(struct stream *s, struct stanza *stanza)
{
    struct out *o = out_of(s);
    o->has_external = offers_external(stanza);
    o->has_bidi = stanza_child(stanza, 0, SPAN(NS_BIDI_FEATURE), SPAN("bidi")) != 0;
    o->has_sm = stanza_child(stanza, 0, SPAN(NS_SM), SPAN("sm")) != 0;
    if (s->state == OUT_AUTHED)
        on_authenticated(o);
    else if (s->state == OUT_SECURED)
        authenticate(o);
    else
        on_clear_features(o, stanza);
}

/* --- XEP-0198 --------------------------------------------------------------------------------- */

void out_on_enabled(struct stream *s, struct stanza *stanza)
{
    struct out *o = out_of(s);
    (void)stanza;
    o->is_managed = true;
    out_on_ready(o);
}

void out_on_not_enabled(struct stream *s, struct stanza *stanza)
{
    (void)stanza;
    out_on_ready(out_of(s));
}
