/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ext - the words of our extension of XEP-0114, as PROTOCOL.md gives them: names, claims, watching.
 *
 * Handlers of peer.c's rule table. A component that never says one of these words is never sent
 * one. bind and unbind are for all, within their rights; the rest is for our own processes.
 */
#include "base/log.h"
#include "router/router.h"
#include "xml/writer.h"
#include "xmpp/ns.h"

/* A pattern in `names` may match any number: a bound on what one peer may make us keep. */
#define ROUTES_MAX 10000

/* --- answers ---------------------------------------------------------------------------------- */

/* Stanzas fill a queue up to its cap; what the router itself says may take as much again, so that
 * a component that is only slow does not lose its connection over an answer. */
static bool is_overrun(const struct peer *p)
{
    return stream_out_len(&p->stream) > 2 * (size_t)p->router->conf->queue;
}

/* "<word xmlns='…' id='…'", open: finish follows. NULL: it asks and asks but does not read, and is
 * ended. */
static struct buf *begin(struct peer *p, const char *word, struct span id)
{
    if (!stream_is_open(&p->stream))
        return NULL;
    if (is_overrun(p)) {
        stream_error(&p->stream, STREAM_RESOURCE_CONSTRAINT, "answers are not read");
        return NULL;
    }
    struct buf *out = stream_out(&p->stream);
    if (p->record)
        record_begin(p->record, out);
    xml_raw(out, SPAN("<"));
    buf_append_z(out, word);
    xml_raw(out, SPAN(" xmlns='" NS_ROUTER "'"));
    xml_attr(out, "id", id);
    stream_flush(&p->stream);
    p->sent = true;
    return out;
}

/* It stands whole in the output. */
static void finish(const struct peer *p, const struct buf *out)
{
    if (p->record)
        record_end(p->record, out);
}

/* " type='error'><condition/></word>" */
static void end_error(struct buf *out, const char *word, enum stanza_error e)
{
    xml_raw(out, SPAN(" type='error'><"));
    buf_append_z(out, stanza_error_name(e));
    xml_raw(out, SPAN(" xmlns='" NS_STANZA_ERRORS "'/></"));
    buf_append_z(out, word);
    xml_raw(out, SPAN(">"));
}

static void answer(struct peer *p, const char *word, struct span id, enum stanza_error e)
{
    struct buf *out = begin(p, word, id);
    if (!out)
        return;
    if (e)
        end_error(out, word, e);
    else
        xml_raw(out, SPAN(" type='result'/>"));
    finish(p, out);
}

static bool is_true(const struct stanza *stanza, const char *name)
{
    struct span v = stanza_attr(stanza, 0, span_of(name));
    return span_eq(v, SPAN("true")) || span_eq(v, SPAN("1"));
}

/* --- names ------------------------------------------------------------------------------------ */

static enum stanza_error bind_default(struct peer *p)
{
    struct router *r = p->router;
    struct peer *holder = r->routes.fallback;
    if (!p->component->is_default)
        return STANZA_FORBIDDEN;
    if (holder && holder != p && !peer_evict_dead(holder))
        return STANZA_CONFLICT;
    r->routes.fallback = p;
    return STANZA_ERROR_NONE;
}

static enum stanza_error bind_name(struct peer *p, struct span text, bool shared)
{
    char prepared[JID_PART_MAX + 1];
    struct span name;
    if (!jid_prep_domain(text, prepared, &name))
        return STANZA_BAD_REQUEST;
    if (shared ? !component_may_share(p->component, name) : !component_may_be(p->component, name))
        return STANZA_FORBIDDEN;
    if (p->bound >= ROUTES_MAX)
        return STANZA_RESOURCE_CONSTRAINT;
    if (!peer_bind(p, name, shared ? ROUTE_SHARED : ROUTE_EXCLUSIVE))
        return STANZA_CONFLICT;
    return STANZA_ERROR_NONE;
}

void ext_bind(struct stream *s, struct stanza *stanza)
{
    struct peer *p = s->ctx;
    struct span name = stanza_attr(stanza, 0, SPAN("name"));
    bool is_default = is_true(stanza, "default");
    enum stanza_error e = STANZA_ERROR_NONE;
    if (!span_is_empty(name))
        e = bind_name(p, name, is_true(stanza, "shared"));
    else if (!is_default)
        e = STANZA_BAD_REQUEST;
    if (!e && is_default)
        e = bind_default(p);
    LOG(e ? LOG_WARN : LOG_INFO, "route.bind", F_SPAN("name", name), F_SPAN("peer", p->name),
        F_INT("default", is_default), F_STR("cond", stanza_error_name(e)));
    answer(p, "bind", stanza->id, e);
    settle_activity(p->router);
    settle_retry(p->router);
}

void ext_unbind(struct stream *s, struct stanza *stanza)
{
    struct peer *p = s->ctx;
    struct router *r = p->router;
    char prepared[JID_PART_MAX + 1];
    struct span name = stanza_attr(stanza, 0, SPAN("name"));
    struct route *route = NULL;
    if (is_true(stanza, "default") && r->routes.fallback == p)
        r->routes.fallback = NULL;
    else if (span_is_empty(name) || !jid_prep_domain(name, prepared, &name) ||
             !(route = routes_find(&r->routes, name)) || !route_has(route, p) ||
             span_eq(name, p->name)) {
        answer(p, "unbind", stanza->id, STANZA_BAD_REQUEST);
        return;
    }
    if (route) {
        bool shared = route->kind == ROUTE_SHARED;
        peer_unbind(p, route);
        if (shared)
            claims_forget(&r->claims, p, name);
    }
    answer(p, "unbind", stanza->id, STANZA_ERROR_NONE);
}

static bool is_public(const struct route *route)
{
    return route->kind != ROUTE_INSTANCE;
}

static void tell_route(struct peer *p, struct span name, bool is_up)
{
    struct buf *out = begin(p, "route", SPAN_NONE);
    if (!out)
        return;
    xml_attr(out, "name", name);
    xml_raw(out, is_up ? SPAN(" state='up'/>") : SPAN(" state='down'/>"));
    finish(p, out);
}

void ext_announce(struct router *r, const struct route *route, bool is_up)
{
    if (!is_public(route))
        return;
    LIST_FOR_EACH(n, &r->peers)
    {
        struct peer *p = CONTAINER_OF(n, struct peer, node);
        if (p->watches && peer_is_up(p))
            tell_route(p, route->name, is_up);
    }
}

void ext_watch(struct stream *s, struct stanza *stanza)
{
    struct peer *p = s->ctx;
    size_t cursor = 0;
    const struct route *route;
    if (!p->is_internal) {
        answer(p, "watch", stanza->id, STANZA_FORBIDDEN);
        return;
    }
    p->watches = true;
    while ((route = routes_next(&p->router->routes, &cursor)))
        if (is_public(route))
            tell_route(p, route->name, true);
}

/* --- claims ----------------------------------------------------------------------------------- */

/* May the peer own that user? *jid_r: the bare JID, prepared. */
static enum stanza_error check_claim(struct peer *p, struct span text, struct span *jid_r)
{
    struct jid jid;
    if (!p->is_internal)
        return STANZA_FORBIDDEN;
    if (!jid_parse(text, &jid, &p->router->from_scratch) || span_is_none(jid.local) ||
        !jid_is_bare(&jid))
        return STANZA_BAD_REQUEST;
    const struct route *route = routes_find(&p->router->routes, jid.domain);
    if (!route || route->kind != ROUTE_SHARED || !route_has(route, p))
        return STANZA_FORBIDDEN;
    *jid_r = jid.bare;
    return STANZA_ERROR_NONE;
}

static void end_claim(struct buf *out, struct span jid, const struct peer *owner)
{
    xml_attr(out, "jid", jid);
    if (owner)
        xml_attr(out, "owner", owner->name);
    xml_raw(out, SPAN("/>"));
}

void ext_claim(struct stream *s, struct stanza *stanza)
{
    struct peer *p = s->ctx;
    struct claims *claims = &p->router->claims;
    struct span jid = stanza_attr(stanza, 0, SPAN("jid"));
    enum stanza_error e = check_claim(p, jid, &jid);
    enum claim_result result = CLAIM_FULL;
    if (!e && stanza->id.n > CLAIM_ID_MAX)
        e = STANZA_BAD_REQUEST;
    if (!e)
        result = claims_add(claims, jid, p, stanza->id);
    settle_activity(p->router);
    if (!e && result == CLAIM_WAITING)
        return;
    if (!e && result == CLAIM_FULL)
        e = STANZA_RESOURCE_CONSTRAINT;
    struct buf *out = begin(p, "claim", stanza->id);
    if (!out)
        return;
    if (e) {
        xml_attr(out, "jid", jid);
        end_error(out, "claim", e);
    } else {
        end_claim(out, jid, result == CLAIM_REFUSED ? claims_find(claims, jid)->owner : NULL);
    }
    finish(p, out);
}

/* One line of a bulk claim; what is not granted at once is listed. */
static void claim_line(struct peer *p, struct span line, struct buf *out)
{
    struct claims *claims = &p->router->claims;
    struct span jid;
    if (check_claim(p, line, &jid) != STANZA_ERROR_NONE) {
        LOG(LOG_WARN, "claims.bad", F_SPAN("peer", p->name), F_SPAN("jid", line));
        return;
    }
    enum claim_result result = claims_add(claims, jid, p, SPAN_NONE);
    if (result == CLAIM_GRANTED)
        return;
    const struct claim *claim = claims_find(claims, jid);
    if (!claim) {
        LOG(LOG_ERROR, "claims.full", F_SPAN("peer", p->name));
        return;
    }
    xml_raw(out, SPAN("<claim"));
    end_claim(out, jid, claim->owner);
}

void ext_claims(struct stream *s, struct stanza *stanza)
{
    struct peer *p = s->ctx;
    struct span rest = stanza_text(stanza, 0);
    struct buf *out = begin(p, "claims", stanza->id);
    if (!out)
        return;
    if (!p->is_internal) {
        end_error(out, "claims", STANZA_FORBIDDEN);
        finish(p, out);
        return;
    }
    xml_raw(out, SPAN(">"));
    while (rest.n > 0) {
        struct span line = {rest.p, span_index(rest, '\n')};
        if (line.n > 0)
            claim_line(p, line, out);
        rest = span_from(rest, line.n < rest.n ? line.n + 1 : line.n);
    }
    xml_raw(out, SPAN("</claims>"));
    finish(p, out);
    settle_activity(p->router);
}

void ext_release(struct stream *s, struct stanza *stanza)
{
    struct peer *p = s->ctx;
    struct span jid = stanza_attr(stanza, 0, SPAN("jid"));
    enum stanza_error e = check_claim(p, jid, &jid);
    if (!e && !claims_release(&p->router->claims, jid, p))
        e = STANZA_ITEM_NOT_FOUND;
    struct buf *out = begin(p, "released", stanza->id);
    if (!out)
        return;
    xml_attr(out, "jid", jid);
    if (e)
        end_error(out, "released", e);
    else
        xml_raw(out, SPAN("/>"));
    finish(p, out);
}

void ext_released_ok(struct stream *s, struct stanza *stanza)
{
    struct peer *p = s->ctx;
    struct span jid = stanza_attr(stanza, 0, SPAN("jid"));
    if (check_claim(p, jid, &jid) != STANZA_ERROR_NONE ||
        !claims_released_ok(&p->router->claims, jid, p))
        LOG(LOG_DEBUG, "claims.released_late", F_SPAN("peer", p->name), F_SPAN("jid", jid));
}

void ext_unknown(struct stream *s, struct stanza *stanza)
{
    const struct peer *p = s->ctx;
    LOG(LOG_WARN, "ext.unknown", F_SPAN("peer", p->name),
        F_SPAN("element", stanza_root(stanza)->name));
}

/* --- what the fences tell --------------------------------------------------------------------- */

static void on_claim(void *ctx, struct peer *peer, struct span id, struct span jid,
                     struct peer *owner)
{
    (void)ctx;
    struct buf *out = begin(peer, "claim", id);
    if (!out)
        return;
    end_claim(out, jid, owner == peer ? NULL : owner);
    finish(peer, out);
}

static void on_held(void *ctx, const struct held *held)
{
    relay_held(ctx, held);
}

const struct claims_events ext_claims_events = {.on_claim = on_claim, .on_held = on_held};
