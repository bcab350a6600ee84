/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * peer - one connected component: XEP-0114, the accepting side.
 *
 * Made by router_accept for each connection; owns its stream; freed when that has closed. Its name
 * is bound after the handshake. A stream that ends by itself is noticed at the latest when somebody
 * sends to it or wants its name, so that nothing is written to a stream that nobody reads.
 */
#include "base/log.h"
#include "base/mem.h"
#include "router/router.h"
#include "tls/crypto.h"
#include "tls/ctx.h"
#include "xmpp/link.h"
#include "xmpp/ns.h"

#include <stdlib.h>

#define HANDSHAKE_MS 10000
#define HANDSHAKE_DIGITS 40
/* A failure over a Unix socket, which has no address to count by, is told this much later. */
#define REFUSAL_DELAY_MS 1000

/* The heart beats every 2.5 s: each second beat our own processes are sent a space when idle, all
 * others each twelfth. Our own are suspected after three beats of silence (they send every 5 s):
 * a newcomer may then have their name; after five, 15 s at most, they are dead. */
#define BEAT_MS 2500
#define BEATS_PER_SPACE_INTERNAL 2
#define BEATS_PER_SPACE 12
#define BEATS_UNTIL_SUSPECT 3
#define BEATS_UNTIL_DEAD 5

/* --- heartbeat -------------------------------------------------------------------------------- */

static void on_beat(void *ctx)
{
    struct peer *p = ctx;
    if (!peer_is_up(p))
        return;
    if (p->stream.bytes_in != p->beat_bytes_in || p->waits_for)
        p->silent_beats = 0;
    else
        p->silent_beats++;
    p->beat_bytes_in = p->stream.bytes_in;
    if (p->is_internal && p->silent_beats >= BEATS_UNTIL_DEAD) {
        peer_error(p, STREAM_CONNECTION_TIMEOUT, "silent");
        return;
    }
    if (++p->beats >= (p->is_internal ? BEATS_PER_SPACE_INTERNAL : BEATS_PER_SPACE)) {
        if (!p->sent)
            stream_send(&p->stream, SPAN(" "));
        p->sent = false;
        p->beats = 0;
    }
    timer_start(&p->beat, p->router->loop, BEAT_MS, on_beat, p);
}

/* --- names ------------------------------------------------------------------------------------ */

void peer_error(struct peer *p, enum stream_error e, const char *text)
{
    stream_error(&p->stream, e, text);
    peer_down(p);
}

bool peer_evict_dead(struct peer *holder)
{
    if (!peer_is_up(holder)) {
        peer_down(holder);
        return true;
    }
    if (!holder->is_internal || holder->silent_beats < BEATS_UNTIL_SUSPECT)
        return false;
    LOG(LOG_WARN, "peer.replaced", F_SPAN("name", holder->name), F_STR("peer", holder->address));
    peer_error(holder, STREAM_CONFLICT, "replaced by a new connection");
    return true;
}

bool peer_bind(struct peer *p, struct span name, enum route_kind kind)
{
    struct router *r = p->router;
    const struct route *route = routes_find(&r->routes, name);
    if (route && route_has(route, p))
        return (route->kind == ROUTE_SHARED) == (kind == ROUTE_SHARED);
    if (route && (route->kind != ROUTE_SHARED || kind != ROUTE_SHARED) &&
        (route->count > 1 || !peer_evict_dead(route->members[0].peer)))
        return false;
    route = routes_bind(&r->routes, name, kind, p, p->name);
    p->bound++;
    p->bound_shared += kind == ROUTE_SHARED;
    if (route->count == 1)
        ext_announce(r, route, true);
    return true;
}

void peer_unbind(struct peer *p, struct route *route)
{
    bool gone;
    if (route->count == 1)
        ext_announce(p->router, route, false);
    p->bound--;
    p->bound_shared -= route->kind == ROUTE_SHARED;
    p->from_route = NULL;
    routes_unbind(&p->router->routes, route->name, p, &gone);
}

bool peer_speaks_for_others(const struct peer *p)
{
    return p->router->routes.fallback == p || p->component->relays;
}

bool peer_may_send_from(struct peer *p, struct span domain)
{
    if (p->from_route && span_eq(p->from_route->name, domain))
        return true;
    const struct route *route = routes_find(&p->router->routes, domain);
    if (!route) /* one that relays may be late with what came from a name that has just gone */
        return peer_speaks_for_others(p) &&
               (!conf_is_ours(p->router->conf, domain) ||
                (p->component->relays && component_may_be(p->component, domain)));
    if (!route_has(route, p))
        return false;
    p->from_route = route;
    return true;
}

void peer_down(struct peer *p)
{
    struct router *r = p->router;
    if (!p->is_up)
        return;
    p->is_up = false;
    record_peer_down(p);
    size_t cursor = 0;
    struct route *route;
    while (p->bound > 0 && (route = routes_next(&r->routes, &cursor)))
        if (route_has(route, p))
            peer_unbind(p, route);
    if (r->routes.fallback == p)
        r->routes.fallback = NULL;
    timer_stop(&p->beat);
    flow_forget(p);
    claims_forget(&r->claims, p, SPAN_NONE);
    if (p->is_internal)
        settle_instances_changed(r);
    LOG(LOG_INFO, "peer.down", F_SPAN("name", p->name), F_STR("peer", p->address),
        F_STR("cond", p->stream.error ? stream_error_name(p->stream.error) : ""),
        F_STR("reason", p->stream.close_reason ? p->stream.close_reason : ""));
}

/* --- handshake -------------------------------------------------------------------------------- */

static void on_header(struct stream *s, const struct stanza *header)
{
    struct peer *p = s->ctx;
    char text[JID_PART_MAX + 1];
    struct span name;
    if (span_is_none(header->to)) {
        stream_error(s, STREAM_IMPROPER_ADDRESSING, "the name of the component is missing");
        return;
    }
    if (!jid_prep_domain(header->to, text, &name) ||
        !conf_component_for(p->router->conf, name, NULL)) {
        stream_error(s, STREAM_HOST_UNKNOWN, NULL);
        return;
    }
    p->name = span_of(mem_strdup_span(name));
    stream_send_header(s, &(struct stream_header){.from = p->name});
}

/* find_component - whose secret is it? All that may have the name are tried, in the same time. */
static const struct component *find_component(const struct peer *p, struct span digest)
{
    const struct router_conf *conf = p->router->conf;
    const struct component *c = NULL, *found = NULL;
    char given[HANDSHAKE_DIGITS + 1] = "", expected[HANDSHAKE_DIGITS + 1];
    if (digest.n != HANDSHAKE_DIGITS)
        return NULL;
    /* XEP-0114 asks for lower case; not all components heed it. */
    for (size_t i = 0; i < HANDSHAKE_DIGITS; i++)
        given[i] = digest.p[i] >= 'A' && digest.p[i] <= 'F' ? (char)(digest.p[i] + 32)
                                                            : digest.p[i];
    while ((c = conf_component_for(conf, p->name, c))) {
        link_handshake(span_of(p->stream.id), span_of(c->secret), expected);
        if (crypto_equal(span_make(given, HANDSHAKE_DIGITS), span_of(expected)))
            found = c;
    }
    return found;
}

static void refuse(struct peer *p)
{
    LOG(LOG_WARN, "peer.refused", F_SPAN("name", p->name), F_STR("peer", p->address),
        F_INT("uid", conn_peer_uid(p->stream.conn)));
    if (admit_failed(&p->router->admit, &p->addr, loop_now(p->router->loop))) {
        stream_error(&p->stream, STREAM_NOT_AUTHORIZED, NULL);
        return;
    }
    stream_set_state(&p->stream, PEER_REFUSED);
    stream_pause(&p->stream);
    stream_set_deadline(&p->stream, REFUSAL_DELAY_MS);
}

static const struct stream_role *role_of(bool internal);

static void become_ready(struct peer *p)
{
    struct router *r = p->router;
    struct stream *s = &p->stream;
    s->role = role_of(p->is_internal);
    stream_set_state(s, PEER_READY);
    stream_set_deadline(s, 0);
    stream_set_limits(s, p->is_internal ? &framer_limits_link : &framer_limits_component);
    conn_set_low_water(s->conn, (size_t)r->conf->queue / 4);
    stream_send(s, SPAN("<handshake/>"));
    timer_start(&p->beat, r->loop, BEAT_MS, on_beat, p);
    LOG(LOG_INFO, "peer.up", F_SPAN("name", p->name), F_STR("component", p->component->section),
        F_STR("peer", p->address), F_INT("uid", conn_peer_uid(s->conn)),
        F_INT("internal", p->is_internal),
        F_STR("tls", conn_is_secure(s->conn) ? tls_describe(conn_transport(s->conn)) : ""));
    record_peer_up(p);
    settle_activity(r);
    if (p->is_internal)
        settle_instances_changed(r);
    /* What was held for the name follows the handshake. */
    settle_retry(r);
}

static void on_handshake(struct stream *s, struct stanza *stanza)
{
    struct peer *p = s->ctx;
    p->component = find_component(p, stanza_text(stanza, 0));
    if (!p->component) {
        refuse(p);
        return;
    }
    p->section = mem_strdup_span(span_of(p->component->section));
    p->is_internal = p->component->internal;
    p->is_up = true;
    if (!peer_bind(p, p->name, p->is_internal ? ROUTE_INSTANCE : ROUTE_EXCLUSIVE)) {
        LOG(LOG_WARN, "peer.conflict", F_SPAN("name", p->name), F_STR("peer", p->address));
        p->is_up = false;
        stream_error(s, STREAM_CONFLICT, NULL);
        return;
    }
    become_ready(p);
}

/* --- the role --------------------------------------------------------------------------------- */

static bool on_frame(struct stream *s, struct span frame)
{
    struct peer *p = s->ctx;
    struct starttag tag;
    if (p->record)
        record_frame(p->record, true, frame);
    /* A stream that declares prefixes in its header has a parser of its own: its frames mean
     * nothing without them. */
    if (!p->is_up || s->parser || !starttag_scan(frame, &tag) || tag.has_entity)
        return false;
    return relay_frame(p, &tag, frame);
}

/* What others send is always parsed. */
static bool on_foreign_frame(struct stream *s, struct span frame)
{
    const struct peer *p = s->ctx;
    if (p->record)
        record_frame(p->record, true, frame);
    return false;
}

static void on_unexpected(struct stream *s, struct stanza *stanza)
{
    struct peer *p = s->ctx;
    if (s->state == PEER_HANDSHAKE)
        stream_error(s, STREAM_NOT_AUTHORIZED, NULL);
    else
        stream_unexpected(s, stanza);
    peer_down(p);
}

static void on_drain(struct stream *s)
{
    flow_drained(s->ctx);
}

static void on_deadline(struct stream *s)
{
    stream_error(s, s->state == PEER_REFUSED ? STREAM_NOT_AUTHORIZED : STREAM_CONNECTION_TIMEOUT,
                 NULL);
}

static void on_closed(struct stream *s)
{
    struct peer *p = s->ctx;
    peer_down(p);
    flow_forget(p);
    timer_stop(&p->beat);
    router_peer_closed(p);
}

#define READY STREAM_IN(PEER_READY)

const struct stream_rule peer_rules[] = {
    {STREAM_IN(PEER_HANDSHAKE), NS_COMPONENT, "handshake", on_handshake},
    {READY, NS_COMPONENT, "message", relay_stanza},
    {READY, NS_COMPONENT, "presence", relay_stanza},
    {READY, NS_COMPONENT, "iq", relay_stanza},
    {READY, NS_ROUTER, "envelope", relay_envelope_stanza},
    {READY, NS_ROUTER, "bind", ext_bind},
    {READY, NS_ROUTER, "unbind", ext_unbind},
    {READY, NS_ROUTER, "claim", ext_claim},
    {READY, NS_ROUTER, "claims", ext_claims},
    {READY, NS_ROUTER, "release", ext_release},
    {READY, NS_ROUTER, "released-ok", ext_released_ok},
    {READY, NS_ROUTER, "watch", ext_watch},
    {READY, NS_ROUTER, NULL, ext_unknown},
};
const size_t peer_rule_count = ARRAY_LEN(peer_rules);

static const char *const state_names[PEER_STATES] = {"handshake", "refused", "ready"};

#define ROLE                                                                                       \
    .name = "peer", .ns = NS_COMPONENT, .ns2 = NS_CLIENT, .state_names = state_names,              \
    .rules = peer_rules, .rule_count = ARRAY_LEN(peer_rules), .on_header = on_header,              \
    .on_unexpected = on_unexpected, .on_drain = on_drain, .on_deadline = on_deadline,              \
    .on_closed = on_closed

static const struct stream_role third_party_role = {
    ROLE, .on_frame = on_foreign_frame, .on_unsent = unsent_return};
/* A bad stanza of our own is one bad stanza, not the end of the link for everybody. */
static const struct stream_role internal_role = {
    ROLE, .on_frame = on_frame, .survives_bad_stanza = true};

static const struct stream_role *role_of(bool internal)
{
    return internal ? &internal_role : &third_party_role;
}

/* --- life ------------------------------------------------------------------------------------- */

void peer_new(struct router *r, struct conn *conn, bool with_tls)
{
    struct peer *p = mem_zalloc(sizeof *p);
    p->router = r;
    list_init(&p->feeders);
    list_init(&p->flow_node);
    list_append(&r->peers, &p->node);
    r->peer_count++;
    p->addr = *conn_peer(conn);
    addr_format(&p->addr, p->address);
    stream_init(&p->stream, role_of(false), r->loop, conn, p);
    stream_set_deadline(&p->stream, HANDSHAKE_MS);
    if (!admit_may_try(&r->admit, &p->addr, loop_now(r->loop))) {
        stream_error(&p->stream, STREAM_POLICY_VIOLATION, "too many failed handshakes");
        return;
    }
    if (with_tls)
        stream_start_tls(&p->stream, &tls_transport,
                         tls_server_new(r->tls, conn_fd(conn), false));
}
