/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wire - the life of a link's stream, from the accept or the dial to the end, and its rules: one
 * table for both directions, in which the states say whose turn it is.
 *
 * n->wires has all of them; each frees itself when its stream has gone. Its peer, if it has one,
 * is told then, unless it has let go of it before. RFC 6120 section 4 as net/PROTOCOL.md has it.
 */
#include "base/log.h"
#include "base/mem.h"
#include "net/wire_private.h"
#include "xmpp/ns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Bytes before it is up: a header and a few words. */
#define BUDGET 16384

/* --- the end ---------------------------------------------------------------------------------- */

static void free_wire(struct wire *w)
{
    list_remove(&w->node);
    loop_defer_cancel(&w->answer);
    loop_defer_cancel(&w->report);
    dial_free(&w->dial);
    buf_free(&w->notes);
    free(w);
}

void wire_report(struct wire *w)
{
    struct peer *p = w->peer;
    if (p) {
        wire_tell_story(w);
        w->peer = NULL;
        peer_lost(p, w, w->reason);
    }
    free_wire(w);
}

static void on_report(void *ctx)
{
    wire_report(ctx);
}

void wire_fail(struct wire *w, enum stream_error e, const char *why)
{
    if (!stream_is_open(&w->stream))
        return;
    snprintf(w->reason, sizeof w->reason, "%s", why);
    if (e)
        stream_error(&w->stream, e, why);
    else
        stream_close(&w->stream);
}

void wire_cut(struct wire *w, enum stream_error e, const char *why)
{
    struct peer *p = w->peer;
    wire_ack_end(w);
    wire_fail(w, e, why);
    w->peer = NULL;
    if (p)
        peer_lost(p, w, why);
}

void wire_close(struct wire *w, enum stream_error e, const char *text)
{
    if (w->has_stream && !stream_is_open(&w->stream))
        return;
    w->is_closing = true;
    if (!w->has_stream) {
        dial_free(&w->dial);
        loop_defer(w->net->loop, &w->report);
        return;
    }
    if (w->stream.state == WIRE_UP)
        wire_write_a(w); /* so that less comes again */
    if (e)
        stream_error(&w->stream, e, text);
    else
        stream_close(&w->stream);
}

void wire_abandon(struct wire *w)
{
    w->peer = NULL;
    wire_ack_end(w);
    if (w->has_stream)
        stream_close(&w->stream);
    else
        free_wire(w);
}

void wire_outdo(struct wire *w)
{
    w->is_outdone = true;
    w->peer = NULL;
    wire_ack_end(w);
    if (w->has_stream)
        stream_error(&w->stream, STREAM_CONFLICT, "there is another link");
    else
        free_wire(w);
}

void wires_drop(struct net *n, struct peer *p, const char *why)
{
    LIST_FOR_EACH(node, &n->wires)
    {
        struct wire *w = CONTAINER_OF(node, struct wire, node);
        if (w->peer != p)
            continue;
        if (w->has_stream)
            stream_error(&w->stream, STREAM_NOT_AUTHORIZED, why);
        wire_abandon(w);
    }
}

/* Of something that we have written; also that what we have sent is for nobody there. */
static bool is_complaint(const struct stream *s)
{
    return s->is_peer_error &&
           (stream_error_is_complaint(s->error) || s->error == STREAM_HOST_UNKNOWN);
}

static void set_reason(struct wire *w)
{
    const struct stream *s = &w->stream;
    if (*w->reason)
        return;
    if (s->error == STREAM_NOT_AUTHORIZED && s->is_peer_error)
        snprintf(w->reason, sizeof w->reason,
                 "it says not-authorized: its table has no such server as this, or another key "
                 "(ours is %s)",
                 w->net->fingerprint);
    else if (s->error)
        snprintf(w->reason, sizeof w->reason, s->is_peer_error ? "it says %s" : "%s",
                 stream_error_name(s->error));
    else
        snprintf(w->reason, sizeof w->reason, "%s",
                 s->close_reason ? s->close_reason : "it has ended the stream");
}

static void on_closed(struct stream *s)
{
    struct wire *w = wire_of(s);
    struct net *n = w->net;

    set_reason(w);
    LOG(LOG_INFO, "wire.closed", F_SPAN("host", w->peer ? w->peer->host : SPAN_NONE),
        F_STR("sid", s->id), F_STR("state", s->role->state_names[s->state]),
        F_STR("cond", s->error ? stream_error_name(s->error) : ""), F_STR("reason", w->reason),
        F_INT("bytes", s->bytes_in), F_INT("stanzas", s->stanzas_in));
    w->has_stream = false;
    link_feed_end(&w->feeder);
    n->wire_count--;
    wire_ack_end(w);
    if (s->is_peer_error && s->error == STREAM_CONFLICT)
        w->is_outdone = true;
    if (w->peer && w->peer->wire == w && is_complaint(s))
        peer_on_complaint(w->peer, w->reason);
    if (w->peer && w->dial && !w->is_closing && !w->is_outdone) {
        wire_note(w, "given up: %s", w->reason);
        dial_next(w->dial);
    } else {
        wire_report(w);
    }
    net_wire_gone(n);
}

/* --- the rules -------------------------------------------------------------------------------- */

#define UP STREAM_IN(WIRE_UP)

static const struct stream_rule rules[] = {
    {UP, NS_SERVER, "message", wire_on_stanza},
    {UP, NS_SERVER, "presence", wire_on_stanza},
    {UP, NS_SERVER, "iq", wire_on_stanza},
    {UP, NS_SM, "a", wire_on_a},
    {UP, NS_SM, "r", wire_on_r},
    {UP, NS_NETWORK, "relay", wire_on_relay},
    {UP, NS_NETWORK, "route", wire_on_route},
    {UP, NS_NETWORK, "routes", wire_on_routes},
    {UP, NS_NETWORK, NULL, wire_on_other_word},
    {STREAM_IN(WIRE_HEADER), NS_STREAM, "features", wire_on_features},
    {STREAM_IN(WIRE_OFFERED), NS_SM, "enable", wire_on_enable},
    {STREAM_IN(WIRE_OFFERED), NS_SM, "resume", wire_on_resume},
    {STREAM_IN(WIRE_ASKED), NS_SM, "enabled", wire_on_enabled},
    {STREAM_IN(WIRE_ASKED), NS_SM, "resumed", wire_on_resumed},
    {STREAM_IN(WIRE_ASKED), NS_SM, "failed", wire_on_failed},
};

static const char *const state_names[] = {"securing", "header", "offered", "asked", "up"};

static void on_drain(struct stream *s)
{
    struct wire *w = wire_of(s);
    if (w->peer && s->state == WIRE_UP)
        peer_on_drain(w->peer);
}

static void on_deadline(struct stream *s)
{
    wire_fail(wire_of(s), STREAM_CONNECTION_TIMEOUT, "the time for the negotiation has passed");
}

#define ROLE                                                                                       \
    .ns = NS_SERVER, .has_version = true, .state_names = state_names, .rules = rules,              \
    .rule_count = ARRAY_LEN(rules), .on_header = wire_on_header, .on_secure = wire_on_secure,      \
    .on_drain = on_drain, .on_deadline = on_deadline, .on_closed = on_closed

static const struct stream_role ours = {.name = "net.out", .is_initiator = true, ROLE};
static const struct stream_role theirs = {.name = "net.in", ROLE};

/* --- the beginning ---------------------------------------------------------------------------- */

void wire_begin_stream(struct wire *w, struct conn *c)
{
    const struct net_conf *conf = w->net->conf;
    struct stream *s = &w->stream;
    w->has_stream = true;
    w->net->wire_count++;
    w->reason[0] = '\0';
    stream_init(s, w->is_ours ? &ours : &theirs, w->net->loop, c, w);
    stream_set_from(s, w->net->host);
    stream_set_budget(s, BUDGET);
    stream_set_rate(s, (uint64_t)conf->rate, (uint64_t)conf->burst);
    stream_set_deadline(s, (uint64_t)conf->negotiation_time);
}

static struct wire *wire_new(struct net *n)
{
    struct wire *w = mem_zalloc(sizeof *w);
    w->net = n;
    w->report = (struct deferred){.call = on_report, .ctx = w};
    list_append(&n->wires, &w->node);
    return w;
}

void wire_accept(struct net *n, struct conn *c)
{
    struct wire *w = wire_new(n);
    wire_begin_stream(w, c);
    const char *limit = wire_limit(w);
    if (limit || n->is_stopping) {
        char peer[ADDR_TEXT_MAX];
        LOG(LOG_WARN, "wire.turned_away", F_STR("limit", limit ? limit : "we are stopping"),
            F_STR("peer", addr_format(conn_peer(c), peer)));
        stream_abort(&w->stream);
        return;
    }
    stream_start_tls(&w->stream, &tls_transport, tls_server_new(n->tls_in, conn_fd(c), true));
}

struct wire *wire_dial(struct peer *p)
{
    struct wire *w = wire_new(p->net);
    w->is_ours = true;
    w->peer = p;
    buf_clear(&p->story);
    wire_start_dial(w);
    return w;
}

void wires_close_all(struct net *n)
{
    LIST_FOR_EACH(node, &n->wires)
    {
        struct wire *w = CONTAINER_OF(node, struct wire, node);
        if (!w->is_last && !w->is_closing)
            wire_close(w, STREAM_SYSTEM_SHUTDOWN, NULL);
    }
}

void wires_abort_all(struct net *n)
{
    LIST_FOR_EACH(node, &n->wires)
    {
        struct wire *w = CONTAINER_OF(node, struct wire, node);
        if (w->has_stream && w->stream.conn)
            conn_abort(w->stream.conn, -ETIMEDOUT);
    }
}

/* --- asking ----------------------------------------------------------------------------------- */

bool wire_is_ours(const struct wire *w)
{
    return w->is_ours;
}

bool wire_has_spoken(const struct wire *w)
{
    return w->is_ours && w->has_stream && stream_is_open(&w->stream) &&
           w->stream.state >= WIRE_HEADER;
}

bool wire_is_outdone(const struct wire *w)
{
    return w->is_outdone;
}

void wire_describe(const struct wire *w, struct buf *out)
{
    char peer[ADDR_TEXT_MAX];
    const struct stream *s = &w->stream;
    if (!w->has_stream) {
        buf_append_z(out, "dialling");
        return;
    }
    buf_printf(out, "%s, %s, opened by %s, %s", addr_format(conn_peer(s->conn), peer),
               conn_is_secure(s->conn) ? tls_describe(conn_transport(s->conn)) : "no TLS",
               w->is_ours ? "us" : "it", stream_is_open(s) ? state_names[s->state] : "closing");
}
