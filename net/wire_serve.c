/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wire_serve - a link that is up: stanzas and words, in and out. The rules of wire.c call these for
 * what comes; peer_queue.c and relay.c write. Acknowledgements are in wire_ack.c.
 */
#include "base/log.h"
#include "net/gate.h"
#include "net/wire_private.h"
#include "xml/writer.h"
#include "xmpp/ns.h"

/* Beyond the settings' size of a stanza: what the way adds to one that has passed an edge. */
#define SLACK 4096
/* Stanzas of one peer that may wait for the router: then its stream waits, too. */
#define WAITING_MAX 256

/* --- from the peer ---------------------------------------------------------------------------- */

/* It has come before, over the link that this one resumes: it is on its way to the router still. */
static bool is_known(struct wire *w)
{
    struct intake *in = w->peer->intake;
    if (in->again == 0)
        return false;
    in->again--;
    return true;
}

static void throttle(struct wire *w)
{
    if (w->net->link)
        link_feed(w->net->link, &w->feeder, &w->stream);
    if (w->peer->intake->handled.waiting < WAITING_MAX || w->is_throttled)
        return;
    w->is_throttled = true;
    stream_pause(&w->stream);
}

void wire_on_handled(struct wire *w)
{
    if (!w->has_stream || !stream_is_open(&w->stream))
        return;
    if (w->owes_ack)
        loop_defer(w->stream.loop, &w->answer);
    if (w->is_throttled && w->peer->intake->handled.waiting <= WAITING_MAX / 2) {
        w->is_throttled = false;
        stream_resume(&w->stream);
    }
}

void wire_on_stanza(struct stream *s, struct stanza *stanza)
{
    struct wire *w = wire_of(s);
    if (!is_known(w) && gate_stanza(w->peer, s, stanza))
        throttle(w);
}

void wire_on_relay(struct stream *s, struct stanza *stanza)
{
    struct wire *w = wire_of(s);
    if (!is_known(w) && gate_relay(w->peer, s, stanza))
        throttle(w);
}

void wire_on_route(struct stream *s, struct stanza *stanza)
{
    struct span state = stanza_attr(stanza, 0, SPAN("state"));
    struct span name = stanza_attr(stanza, 0, SPAN("name"));
    bool is_up = span_eq(state, SPAN("up"));
    if ((!is_up && !span_eq(state, SPAN("down"))) || span_is_empty(name))
        wire_fail(wire_of(s), STREAM_BAD_FORMAT, "a route has a name and a state");
    else if (!peer_on_name(wire_of(s)->peer, name, is_up))
        wire_fail(wire_of(s), STREAM_INVALID_FROM, "a route that is not below its host");
}

void wire_on_routes(struct stream *s, struct stanza *stanza)
{
    (void)stanza;
    peer_names_told(wire_of(s)->peer);
}

void wire_on_other_word(struct stream *s, struct stanza *stanza)
{
    LOG(LOG_DEBUG, "wire.other_word", F_STR("sid", s->id),
        F_SPAN("name", stanza_root(stanza)->name));
}

/* --- to the peer ------------------------------------------------------------------------------ */

static bool is_up(const struct wire *w)
{
    return w->has_stream && w->stream.state == WIRE_UP && w->stream.phase == STREAM_OPEN;
}

struct buf *wire_begin(struct wire *w)
{
    if (!is_up(w) || stream_out_len(&w->stream) > (size_t)w->net->conf->backlog)
        return NULL;
    return stream_out(&w->stream);
}

static void write_route(struct wire *w, struct span name, bool is_up)
{
    struct buf *out = stream_out(&w->stream);
    xml_raw(out, SPAN("<route xmlns='" NS_NETWORK "'"));
    xml_attr(out, "name", name);
    xml_attr(out, "state", is_up ? SPAN("up") : SPAN("down"));
    xml_raw(out, SPAN("/>"));
}

/* Names are few: they may exceed the backlog, for the peer is to know. */
void wire_tell_name(struct wire *w, struct span name, bool has_come)
{
    if (!is_up(w))
        return;
    write_route(w, name, has_come);
    stream_flush(&w->stream);
}

static void tell_one(void *ctx, struct span name)
{
    write_route(ctx, name, true);
}

/* --- it is up --------------------------------------------------------------------------------- */

static void set_limits(struct wire *w)
{
    struct stream *s = &w->stream;
    struct framer_limits limits = framer_limits_link;
    limits.stanza_bytes = (uint32_t)w->net->conf->stanza + SLACK;
    stream_set_limits(s, &limits);
    stream_set_budget(s, 0);
    stream_set_deadline(s, 0);
}

void wire_serve(struct wire *w)
{
    struct stream *s = &w->stream;
    char peer[ADDR_TEXT_MAX];
    stream_set_state(s, WIRE_UP);
    set_limits(w);
    LOG(LOG_INFO, "wire.up", F_SPAN("host", w->peer->host), F_STR("sid", s->id),
        F_STR("fingerprint", w->shown), F_STR("tls", tls_describe(conn_transport(s->conn))),
        F_STR("by", w->is_ours ? "us" : "it"),
        F_STR("peer", addr_format(conn_peer(s->conn), peer)));
    dial_end(&w->dial, &w->notes);
    wire_note(w, "up");
    wire_ack_begin(w);
    relay_each_name(w->net, tell_one, w);
    xml_raw(stream_out(s), SPAN("<routes xmlns='" NS_NETWORK "'/>"));
    stream_flush(s);
    peer_on_drain(w->peer);
}
