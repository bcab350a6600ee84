/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * relay - the router's side of the links: what it gives goes to the peers, what peers bring goes to
 * it, what cannot be delivered goes back to its sender; and the names of others that we hold there.
 *
 * RFC 6120 8.3.1 (what is answered). Nothing but the names outlives a call.
 */
#include "base/log.h"
#include "base/mem.h"
#include "net/peer.h"
#include "xml/parser.h"
#include "xmpp/ns.h"

#include <stdio.h>
#include <stdlib.h>

/* --- names of ours, which peers are told ------------------------------------------------------ */

struct name {
    size_t n;
    char text[];
};

static bool is_below(struct span domain, struct span host)
{
    return domain.n > host.n + 1 && span_ends(domain, host) &&
           domain.p[domain.n - host.n - 1] == '.';
}

bool relay_is_ours(const struct net *n, struct span domain)
{
    return span_eq(domain, n->host) || is_below(domain, n->host);
}

static void on_route(void *ctx, struct span name, bool is_up)
{
    struct net *n = ctx;
    if (!is_below(name, n->host))
        return;
    if (!is_up) {
        struct name *gone = map_remove(&n->names, name);
        if (gone)
            peers_tell_name(n, name, false);
        free(gone);
        return;
    }
    struct name *fresh = mem_alloc(sizeof *fresh + name.n);
    fresh->n = name.n;
    memcpy(fresh->text, name.p, name.n);
    struct name *old = map_put(&n->names, span_make(fresh->text, fresh->n), fresh);
    if (!old)
        peers_tell_name(n, name, true);
    free(old);
}

void relay_each_name(const struct net *n, void (*each)(void *ctx, struct span name), void *ctx)
{
    const struct name *name;
    size_t cursor = 0;
    while ((name = map_next(&n->names, &cursor)))
        each(ctx, span_make(name->text, name->n));
}

/* The router tells them all again when it is back. */
static void forget_names(struct net *n)
{
    size_t cursor = 0;
    for (struct name *name; (name = map_next(&n->names, &cursor));) {
        peers_tell_name(n, span_make(name->text, name->n), false);
        free(name);
    }
    map_free(&n->names);
    n->names = (struct map){0};
}

/* --- names of others, which we hold ----------------------------------------------------------- */

enum binding_state { BINDING_WANTED, BINDING_ASKED, BINDING_HELD, BINDING_REFUSED };

struct binding {
    enum binding_state state;
    bool was_refused; /* before: nothing is sent from it until it has been granted */
    uint32_t id;      /* of the question */
    size_t n;
    char name[];
};

static struct span binding_name(const struct binding *b)
{
    return span_make(b->name, b->n);
}

static void ask(struct net *n, struct binding *b)
{
    b->id = link_bind(n->link, binding_name(b));
    b->state = BINDING_ASKED;
}

void relay_bind(struct net *n, struct span name)
{
    if (map_get(&n->bindings, name))
        return;
    struct binding *b = mem_zalloc(sizeof *b + name.n);
    b->n = name.n;
    memcpy(b->name, name.p, name.n);
    map_put(&n->bindings, binding_name(b), b);
    if (n->link && link_is_up(n->link))
        ask(n, b);
}

void relay_unbind(struct net *n, struct span name)
{
    struct binding *b = map_remove(&n->bindings, name);
    if (!b)
        return;
    if (n->link && link_is_up(n->link) && b->state != BINDING_REFUSED)
        link_unbind(n->link, binding_name(b));
    free(b);
}

static void on_bound(void *ctx, uint32_t id, struct span cond)
{
    struct net *n = ctx;
    size_t cursor = 0;
    struct binding *b;
    while ((b = map_next(&n->bindings, &cursor)))
        if (b->state == BINDING_ASKED && b->id == id)
            break;
    if (!b) /* unbound meanwhile */
        return;
    b->was_refused = !span_is_none(cond);
    b->state = b->was_refused ? BINDING_REFUSED : BINDING_HELD;
    if (b->was_refused)
        LOG(LOG_ERROR, "relay.bind_refused", F_SPAN("name", binding_name(b)),
            F_SPAN("cond", cond), F_STR("hint", "names of [component net] in router.conf"));
}

/* What is sent from a name that is not held ends the link to the router. */
static bool may_send_from(const struct net *n, struct span domain)
{
    const struct binding *b = map_get(&n->bindings, domain);
    return !b || b->state == BINDING_HELD || !b->was_refused;
}

/* --- back to the sender ----------------------------------------------------------------------- */

static void answer(struct net *n, const struct stanza *stanza, enum stanza_error e,
                   const char *text)
{
    struct span name = stanza_root(stanza)->name;
    if (!stanza_may_answer_error(name, stanza->type) || stanza_is_error_of_error(stanza))
        return;
    if (!may_send_from(n, jid_domain_of(stanza->to)))
        return;
    struct buf *out = n->link ? link_begin(n->link, (struct link_done){0}) : NULL;
    if (!out) { /* the router has been away for long */
        LOG(LOG_ERROR, "relay.untold", F_SPAN("to", stanza->from), F_SPAN("about", stanza->to),
            F_STR("cond", stanza_error_name(e)));
        return;
    }
    n->counts.bounced++;
    stanza_error_write(out, stanza, SPAN(NS_COMPONENT), stanza->to, stanza->from, e, text);
    link_end(n->link);
}

/* What was to be passed on comes back from where it was addressed to: the network's domain. */
void relay_bounce(struct net *n, struct span stanza, enum stanza_error e, const char *text)
{
    struct stanza tree = {0}, inner = {0};
    if (xml_parse_stanza(xml_parser_shared(SPAN(NS_SERVER)), stanza, &tree) != XML_OK)
        LOG(LOG_ERROR, "relay.unreadable", F_INT("bytes", stanza.n));
    else if (stanza_is(&tree, 0, SPAN(NS_NETWORK), SPAN("relay"))) {
        uint32_t child = stanza_child(&tree, 0, SPAN(NS_SERVER), SPAN_NONE);
        if (child) {
            stanza_copy_node(&inner, &tree, child);
            answer(n, &inner, e, text);
        }
    } else
        answer(n, &tree, e, text);
    stanza_free(&inner);
    stanza_free(&tree);
}

/* --- from the router -------------------------------------------------------------------------- */

struct span relay_from(const struct net *n, const struct jid *from, char text[JID_TEXT_MAX])
{
    struct span rest = span_from(from->full, from->bare.n); /* "/resource" */
    size_t at = span_is_none(from->local) ? 0 : from->local.n + 1;
    if (!span_eq(from->domain, n->network) || at + n->host.n + rest.n > JID_TEXT_MAX)
        return from->full;
    if (at > 0) {
        memcpy(text, from->local.p, from->local.n);
        text[at - 1] = '@';
    }
    memcpy(text + at, n->host.p, n->host.n);
    if (rest.n > 0)
        memcpy(text + at + n->host.n, rest.p, rest.n);
    return span_make(text, at + n->host.n + rest.n);
}

/* The peer that a stanza is for; NULL: it has been answered. */
static struct peer *peer_for(struct net *n, const struct stanza *stanza, struct span to)
{
    struct peer *p = peer_of_domain(n, to);
    if (p && !n->is_stopping)
        return p;
    n->counts.refused++;
    answer(n, stanza, p ? STANZA_SERVICE_UNAVAILABLE : STANZA_REMOTE_SERVER_NOT_FOUND, NULL);
    return NULL;
}

static void on_stanza(void *ctx, struct stanza *stanza)
{
    static struct jid_scratch from_scratch, to_scratch; /* too large to be cleared each time */
    static char text[JID_TEXT_MAX];
    struct net *n = ctx;
    struct jid from, to;
    n->counts.from_router++;
    if (!jid_parse(stanza->from, &from, &from_scratch) ||
        !jid_parse(stanza->to, &to, &to_scratch)) {
        LOG(LOG_WARN, "relay.malformed", F_SPAN("from", stanza->from), F_SPAN("to", stanza->to));
        answer(n, stanza, STANZA_JID_MALFORMED, NULL);
        return;
    }
    struct peer *p = peer_for(n, stanza, to.domain);
    if (!p)
        return;
    if (!span_eq(from.domain, n->network) && !relay_is_ours(n, from.domain)) {
        n->counts.refused++;
        LOG(LOG_WARN, "relay.not_ours", F_SPAN("from", stanza->from), F_SPAN("to", stanza->to));
        answer(n, stanza, STANZA_NOT_ALLOWED, NULL);
        return;
    }
    stanza->from = relay_from(n, &from, text);
    stanza->to = to.full;
    peer_send(p, stanza);
}

/* From an instance of c2s: for a user at home at the host that the envelope is addressed to, by
 * somebody whom no link may speak for. */
static void on_envelope(void *ctx, struct stanza *envelope)
{
    static struct stanza inner;
    struct net *n = ctx;
    uint32_t child = stanza_child(envelope, 0, SPAN_NONE, SPAN_NONE);
    n->counts.from_router++;
    if (!child)
        return;
    stanza_copy_node(&inner, envelope, child);
    struct peer *p = peer_for(n, &inner, jid_domain_of(envelope->to));
    if (p)
        peer_relay(p, &inner);
    stanza_reset(&inner);
}

static void on_up(void *ctx)
{
    struct net *n = ctx;
    size_t cursor = 0;
    for (struct binding *b; (b = map_next(&n->bindings, &cursor));)
        ask(n, b);
    LOG(LOG_INFO, "net.link_up", F_STR("name", n->name), F_INT("names", n->bindings.count));
}

static void on_down(void *ctx)
{
    struct net *n = ctx;
    size_t cursor = 0;
    for (struct binding *b; (b = map_next(&n->bindings, &cursor));)
        b->state = BINDING_WANTED;
    forget_names(n);
    LOG(LOG_WARN, "net.link_down", F_STR("name", n->name));
}

const struct link_events relay_events = {
    .on_up = on_up,
    .on_down = on_down,
    .on_stanza = on_stanza,
    .on_envelope = on_envelope,
    .on_bound = on_bound,
    .on_route = on_route,
};

/* --- to the router ---------------------------------------------------------------------------- */

static void to_router(struct net *n, const struct stanza *stanza, struct span tail,
                      struct link_done done)
{
    n->counts.to_router++;
    if (!n->link || !may_send_from(n, jid_domain_of(stanza->from))) {
        if (done.call)
            done.call(done.ctx, false);
        return;
    }
    link_send_stanza(n->link, stanza,
                     &(struct stanza_write_opts){.from_ns = SPAN(NS_SERVER), .tail = tail}, done);
}

void relay_to_router(struct net *n, const struct stanza *stanza, struct link_done done)
{
    to_router(n, stanza, SPAN_NONE, done);
}

bool relay_has_room(const struct net *n)
{
    return n->link && link_has_room(n->link);
}

void relay_relayed(struct net *n, struct span peer, const struct stanza *stanza,
                   struct link_done done)
{
    buf_clear(&n->scratch);
    xml_raw(&n->scratch, SPAN("<via xmlns='" NS_NETWORK "'"));
    xml_attr(&n->scratch, "host", peer);
    xml_raw(&n->scratch, SPAN("/>"));
    to_router(n, stanza, buf_span(&n->scratch), done);
}

/* --- end -------------------------------------------------------------------------------------- */

void relay_free(struct net *n)
{
    size_t cursor = 0;
    for (struct name *name; (name = map_next(&n->names, &cursor));)
        free(name);
    map_free(&n->names);
    cursor = 0;
    for (struct binding *b; (b = map_next(&n->bindings, &cursor));)
        free(b);
    map_free(&n->bindings);
}
