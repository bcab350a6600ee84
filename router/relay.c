/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * relay - decides where a stanza goes, and puts it there: the router's hot path.
 *
 * Claim, then domain route (exclusive or shared), then default route, then back. Bytes of our own
 * processes are passed on verbatim: only their start tag is looked at. What a third-party component
 * sends has been parsed by the stream engine and is written afresh, because it may hold what would
 * break a strict peer. Neither way allocates.
 */
#include "base/log.h"
#include "router/router.h"
#include "xml/writer.h"
#include "xmpp/ns.h"

#include <stdlib.h>

/* --- decide ----------------------------------------------------------------------------------- */

enum fate {
    FATE_PEER,
    FATE_FENCE,  /* its user changes hands */
    FATE_SETTLE, /* it is too early to say */
    FATE_NOBODY,
};

struct decision {
    enum fate fate;
    const char *rule; /* what decided, for relay_explain */
    struct peer *peer;
    struct claim *claim;
};

static struct decision decide_shared(struct router *r, const struct route *route,
                                     const struct packet *k)
{
    struct decision d = {.fate = FATE_PEER};
    if (!r->settle.done) {
        d.fate = FATE_SETTLE;
        d.rule = "shared domain, settling after a start";
    } else if (!span_is_none(k->to.local)) {
        d.claim = claims_find(&r->claims, k->to.bare);
        d.rule = d.claim ? "claim" : "shared domain, hash of the address";
        if (d.claim && d.claim->fence)
            d.fate = FATE_FENCE;
        else
            d.peer = d.claim ? d.claim->owner : route_pick(route, k->to.bare);
    } else {
        if (!span_is_none(k->to.resource))
            d.peer = route_instance(route, k->to.resource);
        d.rule = d.peer ? "instance of a shared domain" : "shared domain, hash of the sender";
        /* By the sender, so that a conversation with the domain itself stays with one member. */
        if (!d.peer)
            d.peer = route_pick(route, jid_bare_of(k->from));
    }
    return d;
}

static struct decision decide(struct router *r, const struct packet *k)
{
    const struct route *route = routes_find(&r->routes, k->to.domain);
    if (route && route->kind == ROUTE_SHARED)
        return decide_shared(r, route, k);
    if (route)
        return (struct decision){.rule = "domain", .peer = route->members[0].peer};
    struct peer *fallback = r->routes.fallback;
    bool ours = conf_is_ours(r->conf, k->to.domain);
    if (!r->settle.done && (ours || (!fallback && conf_has_default(r->conf))))
        return (struct decision){.fate = FATE_SETTLE, .rule = "settling after a start"};
    /* Names of ours do not leave by the default route; and what has come in by it does not go out
     * again: that would be an open relay. */
    if (ours || !fallback || fallback == k->sender)
        return (struct decision){.fate = FATE_NOBODY,
                                 .rule = ours ? "a name of ours that is not connected"
                                              : "no route and no default route"};
    return (struct decision){.rule = "default route", .peer = fallback};
}

struct relay_view relay_explain(struct router *r, const struct jid *to, struct span from)
{
    static const char *const fates[] = {"delivered", "held: its user changes hands",
                                        "held: too early to say", "bounced"};
    const struct packet k = {.from = from, .to = *to};
    struct decision d = decide(r, &k);
    return (struct relay_view){.rule = d.rule, .fate = fates[d.fate], .peer = d.peer};
}

/* --- deliver ---------------------------------------------------------------------------------- */

static void write_packet(struct buf *out, const struct packet *k)
{
    if (!k->tree) {
        buf_append(out, k->frame);
        return;
    }
    stanza_write(out, k->tree,
                 &(struct stanza_write_opts){.ns = SPAN(NS_COMPONENT),
                                             .from_ns = SPAN(NS_CLIENT),
                                             .to = k->to.full,
                                             .from = k->from});
}

/* The packet as bytes: its frame, or written into router->scratch. */
static struct span packet_bytes(struct router *r, const struct packet *k)
{
    if (!k->tree)
        return k->frame;
    struct buf *out = router_scratch(r);
    write_packet(out, k);
    return buf_span(out);
}

/*
 * The target's stream is ending: it is no route any more, and the packet is decided anew. What is
 * held for users of the target may be relayed in between, with the scratch room that the packet
 * borrows from: so it is copied first.
 */
static void deliver_elsewhere(struct router *r, const struct packet *k, struct peer *gone)
{
    struct hold hold = {0};
    hold_add(&hold, k->from, k->to.full, packet_bytes(r, k), 1, SIZE_MAX);
    struct held *held = hold_take(&hold);
    peer_down(gone);
    relay_held(r, held);
    free(held);
}

static void deliver(struct router *r, const struct packet *k, struct peer *to)
{
    if (!peer_is_up(to)) {
        deliver_elsewhere(r, k, to);
        return;
    }
    if (flow_is_full(to, k->frame.n)) {
        bounce_packet(r, k, STANZA_RESOURCE_CONSTRAINT, NULL);
        return;
    }
    size_t queued = stream_out_len(&to->stream);
    struct buf *out = stream_out(&to->stream);
    size_t start = buf_len(out);
    write_packet(out, k);
    stream_flush(&to->stream);
    to->sent = true;
    r->counters.stanzas++;
    if (router_is_tapped(r))
        router_tap(r, k->sender ? k->sender->name : SPAN("held"), to->name,
                   span_from(buf_span(out), start));
    if (to->record)
        record_frame(to->record, false, span_from(buf_span(out), start));
    flow_queued(to, k->sender, queued);
}

void relay_packet(struct router *r, const struct packet *k)
{
    struct decision d = decide(r, k);
    bool kept = true;
    switch (d.fate) {
    case FATE_PEER:
        deliver(r, k, d.peer);
        break;
    case FATE_FENCE:
        kept = claim_hold(d.claim, k->from, k->to.full, packet_bytes(r, k));
        break;
    case FATE_SETTLE:
        kept = hold_add(&r->settle.hold, k->from, k->to.full, packet_bytes(r, k), SETTLE_STANZAS,
                        SETTLE_BYTES);
        break;
    case FATE_NOBODY:
        bounce_packet(r, k, STANZA_SERVICE_UNAVAILABLE, NULL);
        break;
    }
    if (!kept)
        bounce_packet(r, k, STANZA_RESOURCE_CONSTRAINT, NULL);
}

void relay_held(struct router *r, const struct held *held)
{
    struct starttag tag;
    struct packet k = {.from = held->from, .frame = held->frame};
    if (!starttag_scan(held->frame, &tag) || !jid_parse(held->to, &k.to, &r->to_scratch))
        return;
    k.name = tag.name;
    k.type = tag.type;
    relay_packet(r, &k);
}

/* --- envelopes -------------------------------------------------------------------------------- */

/* An envelope as bytes: delivered by its address, or returned. */
static void relay_envelope(struct peer *p, struct span from, struct span to, struct span frame)
{
    struct router *r = p->router;
    const struct route *route = routes_find(&r->routes, jid_domain_of(to));
    struct peer *target = route && route->kind != ROUTE_SHARED ? route->members[0].peer : NULL;
    /* They are the talk of those who share a domain, and believed there: what faces other servers
     * has no say in it, and of these only who relays is given any. */
    if (!target || !target->is_internal || !peer_is_up(target) || p->bound_shared == 0 ||
        (target->bound_shared == 0 && !target->component->relays)) {
        bounce_envelope(p, from, to, frame, STANZA_SERVICE_UNAVAILABLE);
        return;
    }
    if (flow_is_full(target, frame.n)) {
        bounce_envelope(p, from, to, frame, STANZA_RESOURCE_CONSTRAINT);
        return;
    }
    size_t queued = stream_out_len(&target->stream);
    stream_send(&target->stream, frame);
    target->sent = true;
    r->counters.envelopes++;
    if (router_is_tapped(r))
        router_tap(r, p->name, target->name, frame);
    if (target->record)
        record_frame(target->record, false, frame);
    flow_queued(target, p, queued);
}

/* --- stanzas ---------------------------------------------------------------------------------- */

/* Names of one's own are compared byte by byte. Whoever speaks for others speaks for all names that
 * are not ours: theirs must be prepared, or one could be a name of ours in capitals. */
static bool may_pass_from(struct peer *p, struct span from)
{
    struct router *r = p->router;
    struct jid jid;
    if (peer_speaks_for_others(p) &&
        (!jid_parse(from, &jid, &r->from_scratch) || jid.full.p != from.p))
        return false;
    return peer_may_send_from(p, jid_domain_of(from));
}

bool relay_frame(struct peer *p, const struct starttag *tag, struct span frame)
{
    struct router *r = p->router;
    /* Whatever needs an answer of ours, or a closer look, is left to the parser. */
    if (span_is_none(tag->from) || span_is_none(tag->to) || !may_pass_from(p, tag->from))
        return false;
    if (span_eq(tag->xmlns, SPAN(NS_ROUTER)) && span_eq(tag->name, SPAN("envelope"))) {
        relay_envelope(p, tag->from, tag->to, frame);
        return true;
    }
    if (!span_is_none(tag->xmlns) && !span_eq(tag->xmlns, SPAN(NS_COMPONENT)))
        return false;
    if (!stream_is_stanza_name(tag->name) || span_eq(tag->type, SPAN("error")))
        return false;
    struct packet k = {
        .sender = p, .name = tag->name, .type = tag->type, .from = tag->from, .frame = frame};
    if (!jid_parse(tag->to, &k.to, &r->to_scratch))
        return false;
    relay_packet(r, &k);
    return true;
}

static void drop(struct peer *p, const char *why)
{
    p->router->counters.dropped++;
    LOG(LOG_DEBUG, "relay.drop", F_SPAN("name", p->name), F_STR("why", why));
}

/* What was to be passed on, and cannot be, comes back from where it was addressed to: the domain
 * that users of several servers share. */
static bool may_return(const struct peer *p, const struct stanza *stanza, struct span domain)
{
    const struct route *route = routes_find(&p->router->routes, domain);
    return p->component->relays && route && route->kind == ROUTE_SHARED &&
           span_eq(stanza->type, SPAN("error"));
}

/* What comes to a user by another name of a shared domain is given back for the one by which he is
 * claimed: still from whom it has come. */
static bool may_hand_over(const struct peer *p, struct span to)
{
    const struct route *route = routes_find(&p->router->routes, jid_domain_of(to));
    return p->is_internal && route && route->kind == ROUTE_SHARED && route_has(route, p);
}

void relay_stanza(struct stream *s, struct stanza *stanza)
{
    struct peer *p = s->ctx;
    struct router *r = p->router;
    struct jid from;
    if (!jid_parse(stanza->from, &from, &r->from_scratch) ||
        (!peer_may_send_from(p, from.domain) && !may_return(p, stanza, from.domain) &&
         !may_hand_over(p, stanza->to))) {
        peer_error(p, STREAM_INVALID_FROM, NULL);
        return;
    }
    if (span_is_none(stanza->to)) {
        peer_error(p, STREAM_IMPROPER_ADDRESSING, NULL);
        return;
    }
    if (stanza_is_error_of_error(stanza)) {
        drop(p, "an error of an error");
        return;
    }
    stanza_strip_foreign_attrs(stanza);
    struct packet k = {.sender = p,
                       .name = stanza_root(stanza)->name,
                       .type = stanza->type,
                       .from = from.full,
                       .tree = stanza};
    if (jid_parse(stanza->to, &k.to, &r->to_scratch))
        relay_packet(r, &k);
    else
        bounce_packet(r, &k, STANZA_JID_MALFORMED, NULL);
}

void relay_envelope_stanza(struct stream *s, struct stanza *envelope)
{
    struct peer *p = s->ctx;
    struct router *r = p->router;
    struct jid from;
    if (!p->is_internal || span_is_none(envelope->to)) {
        drop(p, "envelope");
        return;
    }
    if (!jid_parse(envelope->from, &from, &r->from_scratch) ||
        !peer_may_send_from(p, from.domain)) {
        peer_error(p, STREAM_INVALID_FROM, NULL);
        return;
    }
    struct buf *out = router_scratch(r);
    stanza_write(out, envelope, &(struct stanza_write_opts){.ns = SPAN(NS_COMPONENT)});
    relay_envelope(p, envelope->from, envelope->to, buf_span(out));
}
