/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * out - the life of a stream that we open: dialled, negotiated (out_auth.c), one target after the
 * other until one is good, then the pair's (out_serve.c), until either side ends it.
 *
 * An out belongs to its pair until pair_on_lost or out_abandon; it frees itself when its stream has
 * gone and no stanza that came over it is under way. RFC 6120 3, 4; XEP-0368.
 */
#include "s2s/out_private.h"

#include "base/log.h"
#include "base/mem.h"
#include "s2s/dialback.h"
#include "s2s/policy.h"
#include "xmpp/ns.h"

#include <stdio.h>
#include <stdlib.h>

struct out *out_of(struct stream *s)
{
    return s->ctx;
}

/* --- what has happened ------------------------------------------------------------------------ */

/* What `s2s explain` tells: it may ask in the middle. */
static void tell_story(struct out *o)
{
    dial_write_story(o->dial, &o->notes, &o->pair->story);
}

void out_note(struct out *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    dial_note(&o->notes, format, args);
    va_end(args);
    if (o->pair)
        tell_story(o);
}

static bool is_final(enum stanza_error e)
{
    return e == STANZA_REMOTE_SERVER_NOT_FOUND || e == STANZA_NOT_AUTHORIZED;
}

/* A server that spoke to us and refused says more than one that did not answer. */
static void note_error(struct out *o, enum stanza_error e, const char *reason)
{
    if (o->error && is_final(o->error) && !is_final(e))
        return;
    o->error = e;
    snprintf(o->reason, sizeof o->reason, "%s", reason);
}

void out_fail(struct out *o, enum stream_error se, enum stanza_error e, const char *reason)
{
    if (!stream_is_open(&o->stream))
        return;
    o->has_failed = true;
    note_error(o, e, reason);
    out_note(o, "given up: %s", reason);
    if (se)
        stream_error(&o->stream, se, reason);
    else
        stream_close(&o->stream);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void free_if_over(struct out *o)
{
    if (o->pair || o->has_stream || handled_is_waiting(&o->handled))
        return;
    loop_defer_cancel(&o->report);
    dial_free(&o->dial);
    buf_free(&o->notes);
    free(o->peer_id);
    free(o);
}

/* Nothing more comes of it: its pair is told. */
static void report(void *ctx)
{
    struct out *o = ctx;
    struct pair *p = o->pair;
    if (p) {
        tell_story(o);
        o->pair = NULL;
        dial_free(&o->dial);
        pair_on_lost(p, NULL, o->error, o->reason);
    }
    free_if_over(o);
}

static void on_handled(void *ctx)
{
    free_if_over(ctx);
}

/* The peer's word for ending it before it was ready. */
static enum stanza_error meaning_of(const struct stream *s)
{
    return s->error == STREAM_HOST_UNKNOWN || s->error == STREAM_HOST_GONE
               ? STANZA_REMOTE_SERVER_NOT_FOUND
           : s->error == STREAM_NOT_AUTHORIZED ? STANZA_NOT_AUTHORIZED
                                               : STANZA_REMOTE_SERVER_TIMEOUT;
}

static const char *words_for(const struct stream *s)
{
    return s->error          ? stream_error_name(s->error)
           : s->close_reason ? s->close_reason
                             : "it ended the stream";
}

static void on_closed(struct stream *s)
{
    struct out *o = out_of(s);
    struct s2s *s2s = o->s2s;
    bool was_ready = s->state == OUT_READY;

    LOG(LOG_INFO, "out.closed", F_SPAN("remote", o->pair ? o->pair->remote : span_of(o->domain)),
        F_STR("sid", s->id), F_STR("state", out_role.state_names[s->state]),
        F_STR("cond", s->error ? stream_error_name(s->error) : ""),
        F_STR("reason", s->close_reason ? s->close_reason : ""), F_INT("bytes", s->bytes_in));
    o->has_stream = false;
    link_feed_end(&o->feeder);
    s2s->out_count--;
    if (o->is_closing || !o->pair) {
        report(o);
    } else if (was_ready) {
        enum stanza_error e = pair_loss_of(s);
        if (e)
            note_error(o, e, words_for(s));
        report(o);
    } else {
        if (!o->has_failed) {
            note_error(o, meaning_of(s), words_for(s));
            out_note(o, "%s", words_for(s));
        }
        dial_next(o->dial);
    }
    s2s_stream_gone(s2s);
}

void out_close(struct out *o, enum stream_error e, const char *text)
{
    o->is_closing = true;
    if (e) /* denied: nobody is to try again */
        note_error(o,
                   e == STREAM_POLICY_VIOLATION ? STANZA_REMOTE_SERVER_NOT_FOUND
                                                : STANZA_REMOTE_SERVER_TIMEOUT,
                   text ? text : stream_error_name(e));
    else
        o->error = STANZA_ERROR_NONE;
    if (!o->has_stream) {
        dial_free(&o->dial);
        loop_defer(o->s2s->loop, &o->report);
    } else if (e) {
        stream_error(&o->stream, e, text);
    } else {
        stream_close(&o->stream);
    }
}

void out_abandon(struct out *o)
{
    o->pair = NULL;
    o->is_closing = true;
    dial_free(&o->dial);
    o->target = NULL;
    if (o->has_stream)
        stream_close(&o->stream);
    free_if_over(o);
}

/* --- the stream ------------------------------------------------------------------------------- */

#define ASKABLE (STREAM_IN(OUT_DIALBACK) | STREAM_IN(OUT_ENABLING) | STREAM_IN(OUT_READY))

static const struct stream_rule rules[] = {
    {STREAM_IN(OUT_READY), NS_SERVER, "message", out_on_stanza},
    {STREAM_IN(OUT_READY), NS_SERVER, "presence", out_on_stanza},
    {STREAM_IN(OUT_READY), NS_SERVER, "iq", out_on_stanza},
    {STREAM_IN(OUT_READY), NS_SM, "a", out_on_a},
    {STREAM_IN(OUT_READY), NS_SM, "r", out_on_r},
    {STREAM_IN(OUT_OPENED) | STREAM_IN(OUT_SECURED) | STREAM_IN(OUT_AUTHED), NS_STREAM, "features",
     out_on_features},
    {STREAM_IN(OUT_TLS), NS_TLS, "proceed", out_on_proceed},
    {STREAM_IN(OUT_TLS), NS_TLS, "failure", out_on_tls_failure},
    {STREAM_IN(OUT_EXTERNAL), NS_SASL, "challenge", out_on_challenge},
    {STREAM_IN(OUT_EXTERNAL), NS_SASL, "success", out_on_success},
    {STREAM_IN(OUT_EXTERNAL), NS_SASL, "failure", out_on_sasl_failure},
    {ASKABLE, NS_DIALBACK, "result", out_on_result},
    {ASKABLE, NS_DIALBACK, "verify", out_on_verify},
    {STREAM_IN(OUT_ENABLING), NS_SM, "enabled", out_on_enabled},
    {STREAM_IN(OUT_ENABLING), NS_SM, "failed", out_on_not_enabled},
};

static const char *const state_names[] = {"opened", "tls",      "secured",  "external",
                                          "authed", "dialback", "enabling", "ready"};

static void on_drain(struct stream *s)
{
    struct out *o = out_of(s);
    if (o->pair && s->state == OUT_READY)
        pair_on_drain(o->pair);
}

static void on_deadline(struct stream *s)
{
    out_fail(out_of(s), STREAM_CONNECTION_TIMEOUT, STANZA_REMOTE_SERVER_TIMEOUT,
             "the time for the negotiation has passed");
}

const struct stream_role out_role = {
    .name = "s2s-out",
    .ns = NS_SERVER,
    .is_initiator = true,
    .has_version = true,
    .declares = "xmlns:db='" NS_DIALBACK "'",
    .state_names = state_names,
    .rules = rules,
    .rule_count = ARRAY_LEN(rules),
    .on_header = out_on_header,
    .on_secure = out_on_secure,
    .on_drain = on_drain,
    .on_deadline = on_deadline,
    .on_closed = on_closed,
};

void out_send_header(struct out *o)
{
    stream_send_header(&o->stream,
                       &(struct stream_header){.from = o->pair->local, .to = o->pair->remote});
}

/* --- dialling --------------------------------------------------------------------------------- */

static void on_connected(void *ctx, struct conn *c, const struct dial_target *target)
{
    struct out *o = ctx;
    struct s2s *s = o->s2s;
    struct s2s_policy policy = policy_of(s, o->pair->remote);

    o->target = target;
    o->has_external = o->has_bidi = o->has_sm = o->is_bidi = o->is_managed = false;
    o->has_failed = o->is_challenged = o->is_proved = false;
    o->has_stream = true;
    s->out_count++;
    stream_init(&o->stream, &out_role, s->loop, c, o);
    stream_set_from(&o->stream, o->pair->local);
    stream_set_rate(&o->stream, policy.rate, policy.burst);
    stream_set_deadline(&o->stream, (uint64_t)s->conf->negotiation_time);
    out_note(o, "connected to %.*s:%u", SPAN_ARG(target->name), target->port);
    if (target->is_direct_tls)
        stream_start_tls(&o->stream, &tls_transport,
                         tls_client_new(s->tls_out, conn_fd(c), span_of(o->domain)));
    else
        out_send_header(o);
}

static void on_dial_failed(void *ctx, enum dial_failure why)
{
    struct out *o = ctx;
    switch (why) {
    case DIAL_NOT_FOUND:
        note_error(o, STANZA_REMOTE_SERVER_NOT_FOUND, "there is no such server");
        break;
    case DIAL_REFUSED:
        note_error(o, STANZA_REMOTE_SERVER_NOT_FOUND, "its addresses are not public ones");
        break;
    case DIAL_TIMEOUT:
        note_error(o, STANZA_REMOTE_SERVER_TIMEOUT, "it could not be reached");
        break;
    case DIAL_EXHAUSTED:
        if (!o->error)
            note_error(o, STANZA_REMOTE_SERVER_TIMEOUT, "none of its hosts took the connection");
        break;
    }
    report(o);
}

static const struct dial_events dial_events = {
    .on_connected = on_connected,
    .on_failed = on_dial_failed,
};

static void start_dial(struct out *o, const struct s2s_policy *policy)
{
    struct s2s *s = o->s2s;
    const struct dial_opts opts = {
        .domain = span_of(o->domain),
        .service = "xmpp-server",
        .direct_service = "xmpps-server",
        .port = 5269,
        .route_host = policy->route_host,
        .route_port = policy->route_port,
        .route_is_direct = policy->route_is_direct,
        .allow_private = policy->allows_private,
        .want_tlsa = s->conf->dane,
        .connect = s2s_test_connect,
        .connect_ctx = s2s_test_ctx,
    };
    o->dial = dial_start(s->loop, s->resolver, &opts, &dial_events, o);
}

struct out *out_new(struct pair *p)
{
    struct out *o = mem_zalloc(sizeof *o);
    struct s2s_policy policy = policy_of(p->s2s, p->remote);

    o->s2s = p->s2s;
    o->pair = p;
    o->report = (struct deferred){.call = report, .ctx = o};
    handled_init(&o->handled, on_handled, o);
    buf_clear(&p->story);
    if (policy.is_denied)
        note_error(o, STANZA_REMOTE_SERVER_NOT_FOUND, "it is denied by the configuration");
    else if (!jid_domain_to_ascii(p->remote, o->domain))
        note_error(o, STANZA_REMOTE_SERVER_NOT_FOUND, "that is no name of a server");
    else
        start_dial(o, &policy);
    if (!o->dial) {
        out_note(o, "%s", o->reason);
        loop_defer(o->s2s->loop, &o->report);
    }
    return o;
}

/* --- for the pair ----------------------------------------------------------------------------- */

void out_on_ready(struct out *o)
{
    struct stream *s = &o->stream;
    struct framer_limits limits = framer_limits_server;
    limits.stanza_bytes = (uint32_t)o->s2s->conf->stanza;

    stream_set_deadline(s, 0);
    stream_set_limits(s, &limits);
    stream_set_state(s, OUT_READY);
    o->error = STANZA_ERROR_NONE;
    LOG(LOG_INFO, "out.ready", F_SPAN("local", o->pair->local), F_SPAN("remote", o->pair->remote),
        F_STR("sid", s->id), F_INT("secure", conn_is_secure(s->conn)), F_INT("bidi", o->is_bidi),
        F_INT("acks", o->is_managed));
    dial_end(&o->dial, &o->notes);
    o->target = NULL;
    out_note(o, "ready%s%s", o->is_managed ? ", with acknowledgements" : "",
             o->is_bidi ? ", for both directions" : "");
    pair_on_ready(o->pair, NULL);
    pair_on_askable(o->pair);
}

static bool is_backlogged(const struct out *o)
{
    return stream_out_len(&o->stream) > (size_t)o->s2s->conf->backlog;
}

/* What we send of our own accord may fill the backlog; as much again is left for answers. */
bool out_has_room(struct out *o)
{
    if (stream_out_len(&o->stream) <= 2 * (size_t)o->s2s->conf->backlog)
        return true;
    stream_error(&o->stream, STREAM_RESOURCE_CONSTRAINT, "too much unread");
    return false;
}

struct buf *out_begin(struct out *o)
{
    struct stream *s = &o->stream;
    if (!o->has_stream || s->state != OUT_READY || !stream_is_open(s) || is_backlogged(o))
        return NULL;
    return stream_out(s);
}

void out_end(struct out *o)
{
    stream_flush(&o->stream);
}

bool out_can_ask(const struct out *o)
{
    return o->has_stream && stream_is_open(&o->stream) && (ASKABLE & STREAM_IN(o->stream.state));
}

bool out_has_acks(const struct out *o)
{
    return o->is_managed;
}

const char *out_state_name(const struct out *o)
{
    return o->has_stream ? state_names[o->stream.state] : "dialling";
}

struct stream *out_stream(struct out *o)
{
    return o->has_stream ? &o->stream : NULL;
}
