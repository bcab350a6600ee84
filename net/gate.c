/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gate - the edge that stanzas of other servers of the network come in by. What it lets pass has
 * addresses that are prepared, from the peer's and to ours, and nothing in it that only a server of
 * ours may say.
 *
 * Called by wire_serve.c. A stanza's fault is that stanza's error; a lie about an address is the
 * stream's (RFC 6120 4.9.3.9).
 */
#include "net/gate.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/wire.h"
#include "xml/writer.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"

#include <stdlib.h>

/* What one call knows of its stanza. */
struct arrival {
    struct peer *peer;
    struct stanza *stanza;
    struct jid from, to;
};

/* Too large to be cleared each time. */
static struct jid_scratch from_scratch, to_scratch;

/* --- answers ---------------------------------------------------------------------------------- */

/* To the sender, by the queue of the peer whose he is. */
static void answer(struct net *n, struct span name, struct span id, struct span from,
                   struct span to, enum stanza_error e)
{
    static struct stanza reply;
    struct peer *p = peer_of_domain(n, jid_domain_of(to));
    if (!p || n->is_flushing) {
        LOG(LOG_WARN, "gate.unanswered", F_SPAN("to", to), F_STR("cond", stanza_error_name(e)));
        return;
    }
    stanza_reset(&reply);
    stanza_add(&reply, 0, SPAN(NS_SERVER), name);
    stanza_set_attr(&reply, 0, SPAN("from"), from);
    stanza_set_attr(&reply, 0, SPAN("to"), to);
    stanza_set_attr(&reply, 0, SPAN("id"), id);
    stanza_set_attr(&reply, 0, SPAN("type"), SPAN("error"));
    uint32_t error = stanza_add(&reply, 0, SPAN(NS_SERVER), SPAN("error"));
    stanza_set_attr(&reply, error, SPAN("type"), span_of(stanza_error_type(e)));
    stanza_add(&reply, error, SPAN(NS_STANZA_ERRORS), span_of(stanza_error_name(e)));
    peer_send(p, &reply);
    stanza_free(&reply);
}

static bool may_answer(const struct stanza *s)
{
    return stanza_may_answer_error(stanza_root(s)->name, s->type);
}

/* --- what the router could not take ----------------------------------------------------------- */

/* Between here and the router: enough of the stanza to say that it did not get there. */
struct crossing {
    struct crossing *next; /* of the spare ones */
    struct net *net;
    struct link_done done;
    const char *name; /* a literal */
    struct buf text;  /* id, from, to */
    size_t id_n, from_n;
    bool has_id;
};

#define SPARE_MAX 1024
#define SPARE_TEXT_MAX 1024

static struct crossing *spare;
static size_t spare_count;

static void crossing_free(struct crossing *c)
{
    if (spare_count >= SPARE_MAX || c->text.cap > SPARE_TEXT_MAX) {
        buf_free(&c->text);
        free(c);
        return;
    }
    buf_clear(&c->text);
    c->next = spare;
    spare = c;
    spare_count++;
}

static void on_crossed(void *ctx, bool safe)
{
    struct crossing *c = ctx;
    struct link_done done = c->done;
    if (!safe) {
        struct span text = buf_span(&c->text);
        struct span id = span_make(text.p, c->id_n);
        struct span from = span_make(text.p + c->id_n, c->from_n);
        struct span to = span_from(text, c->id_n + c->from_n);
        answer(c->net, span_of(c->name), c->has_id ? id : SPAN_NONE, to, from,
               STANZA_RESOURCE_CONSTRAINT);
    }
    crossing_free(c);
    done.call(done.ctx, safe);
}

static const char *literal_of(struct span name)
{
    return span_eq(name, SPAN("message"))    ? "message"
           : span_eq(name, SPAN("iq"))       ? "iq"
           : span_eq(name, SPAN("presence")) ? "presence"
                                             : NULL;
}

static struct link_done cross(const struct arrival *a, struct link_done done)
{
    struct crossing *c = spare;
    if (c) {
        spare = c->next;
        spare_count--;
    } else {
        c = mem_zalloc(sizeof *c);
    }
    c->net = a->peer->net;
    c->done = done;
    c->name = literal_of(stanza_root(a->stanza)->name);
    c->has_id = !span_is_none(a->stanza->id);
    c->id_n = a->stanza->id.n;
    c->from_n = a->from.full.n;
    buf_append(&c->text, a->stanza->id);
    buf_append(&c->text, a->from.full);
    buf_append(&c->text, a->to.full);
    return (struct link_done){on_crossed, c};
}

static struct stanza relayed; /* by gate_relay, one at a time */

void gate_free(void)
{
    stanza_free(&relayed);
    while (spare) {
        struct crossing *c = spare;
        spare = c->next;
        buf_free(&c->text);
        free(c);
    }
    spare_count = 0;
}

/* --- what may not pass ------------------------------------------------------------------------ */

/* In any spelling: who reads it may prepare it first. */
static bool is_our_address(const struct net *n, struct span who)
{
    static struct jid_scratch scratch;
    struct jid jid;
    return !span_is_empty(who) && jid_parse(who, &jid, &scratch) &&
           (relay_is_ours(n, jid.domain) || span_eq(jid.domain, n->network));
}

/* Who reads these trusts them as a server's of ours; the words between servers and the router's are
 * for our processes. */
static bool is_server_owned(const struct net *n, const struct stanza *stanza, uint32_t node)
{
    struct span ns = stanza->nodes[node].ns, name = stanza->nodes[node].name;
    if (span_eq(ns, SPAN(NS_STANZA_ID)))
        return span_eq(name, SPAN("stanza-id")) &&
               is_our_address(n, stanza_attr(stanza, node, SPAN("by")));
    if (span_eq(ns, SPAN(NS_DELAY)))
        return is_our_address(n, stanza_attr(stanza, node, SPAN("from")));
    if (span_eq(ns, SPAN(NS_NETWORK)))
        return span_eq(name, SPAN("via")) || span_eq(name, SPAN("to"));
    return span_eq(ns, SPAN(NS_ROUTER));
}

static void strip(const struct net *n, struct stanza *stanza)
{
    stanza_strip_foreign_attrs(stanza);
    for (uint32_t next, node = stanza_root(stanza)->first; node; node = next) {
        next = stanza->nodes[node].next;
        if (!span_is_none(stanza->nodes[node].name) && is_server_owned(n, stanza, node))
            stanza_remove(stanza, node);
    }
}

static void set_prepared(struct stanza *stanza, struct span name, struct span old, struct span new)
{
    if (!span_eq(old, new))
        stanza_set_attr(stanza, 0, name, new);
}

/* --- ends ------------------------------------------------------------------------------------- */

static bool end(const struct peer *p, struct stream *s, enum stream_error e,
                const struct stanza *stanza)
{
    LOG(LOG_WARN, "gate.refused", F_SPAN("host", p->host), F_STR("sid", s->id),
        F_STR("cond", stream_error_name(e)), F_SPAN("from", stanza->from),
        F_SPAN("to", stanza->to));
    p->net->counts.refused++;
    stream_error(s, e, NULL);
    return false;
}

/* What would be answered for ever goes nowhere; true: it has. */
static bool is_endless(struct arrival *a)
{
    if (!span_eq(a->stanza->type, SPAN("error")) || !stanza_is_error_of_error(a->stanza))
        return false;
    struct link_done done = peer_next_done(a->peer);
    LOG(LOG_DEBUG, "gate.error_of_error", F_SPAN("from", a->from.full));
    done.call(done.ctx, true);
    return true;
}

static void prepare(struct arrival *a)
{
    strip(a->peer->net, a->stanza);
    set_prepared(a->stanza, SPAN("from"), a->stanza->from, a->from.full);
    set_prepared(a->stanza, SPAN("to"), a->stanza->to, a->to.full);
}

/* --- between servers -------------------------------------------------------------------------- */

/* An address that somebody has mistyped: he is told, the stream lives. False: it is not even to a
 * domain. */
static enum stream_error refuse_malformed(struct arrival *a)
{
    char out[JID_PART_MAX + 1];
    struct span to = a->stanza->to, domain;
    struct span bare = span_make(to.p, span_index(to, '/'));
    size_t at = span_index(bare, '@');
    if (!jid_prep_domain(at < bare.n ? span_from(bare, at + 1) : bare, out, &domain))
        return STREAM_IMPROPER_ADDRESSING;
    if (!relay_is_ours(a->peer->net, domain))
        return STREAM_HOST_UNKNOWN;
    struct link_done done = peer_next_done(a->peer);
    if (may_answer(a->stanza))
        answer(a->peer->net, stanza_root(a->stanza)->name, a->stanza->id, domain, a->from.full,
               STANZA_JID_MALFORMED);
    done.call(done.ctx, true);
    return STREAM_ERROR_NONE;
}

bool gate_stanza(struct peer *p, struct stream *s, struct stanza *stanza)
{
    struct arrival a = {.peer = p, .stanza = stanza};
    if (span_is_empty(stanza->from) || span_is_empty(stanza->to) ||
        !jid_parse(stanza->from, &a.from, &from_scratch))
        return end(p, s, STREAM_IMPROPER_ADDRESSING, stanza);
    if (!span_is(a.from.domain, p->host) && !peer_is_its(p, a.from.domain))
        return end(p, s, STREAM_INVALID_FROM, stanza);
    if (!jid_parse(stanza->to, &a.to, &to_scratch)) {
        enum stream_error e = refuse_malformed(&a);
        return e ? end(p, s, e, stanza) : true;
    }
    if (!relay_is_ours(p->net, a.to.domain))
        return end(p, s, STREAM_HOST_UNKNOWN, stanza);
    if (is_endless(&a))
        return true;
    prepare(&a);
    struct link_done done = peer_next_done(p);
    relay_to_router(p->net, stanza, may_answer(stanza) ? cross(&a, done) : done);
    return true;
}

/* --- what a server passes on ------------------------------------------------------------------ */

/* The one inside, as a stanza of its own; false: there is not exactly one. */
static bool take_out(const struct stanza *relay, struct stanza *inner_r)
{
    uint32_t child = stanza_child(relay, 0, SPAN(NS_SERVER), SPAN_NONE);
    if (!child || stanza_child_count(relay, 0) != 1 || !literal_of(relay->nodes[child].name))
        return false;
    stanza_copy_node(inner_r, relay, child);
    return true;
}

/* Nobody of the network, unless it is a component of the peer: members speak for themselves. */
static bool is_from_outside(const struct peer *p, struct span domain)
{
    const struct net *n = p->net;
    if (span_eq(domain, n->network) || relay_is_ours(n, domain) || span_eq(domain, p->host))
        return false;
    return peer_is_its(p, domain) || !peer_of_domain(n, domain);
}

/* user@NETWORK, or as if a server had found out that his home is here. */
static bool is_for_us(const struct net *n, const struct jid *to)
{
    return (span_eq(to->domain, n->network) && !span_is_none(to->local)) ||
           relay_is_ours(n, to->domain);
}

static enum stream_error check_relayed(struct arrival *a)
{
    const struct stanza *s = a->stanza;
    if (span_is_empty(s->from) || span_is_empty(s->to) ||
        !jid_parse(s->from, &a->from, &from_scratch) || !jid_parse(s->to, &a->to, &to_scratch))
        return STREAM_IMPROPER_ADDRESSING;
    if (!is_from_outside(a->peer, a->from.domain))
        return STREAM_INVALID_FROM;
    return is_for_us(a->peer->net, &a->to) ? STREAM_ERROR_NONE : STREAM_HOST_UNKNOWN;
}

/* The sender is told by our router: he is nobody's of the peer's. */
static void bounce(struct net *n, const struct stanza *stanza, enum stanza_error e,
                   const char *text)
{
    struct buf out = {0};
    stanza_write(&out, stanza, &(struct stanza_write_opts){.ns = SPAN(NS_SERVER)});
    relay_bounce(n, buf_span(&out), e, text);
    buf_free(&out);
}

static void pass_on(struct arrival *a)
{
    struct net *n = a->peer->net;
    if (is_endless(a))
        return;
    prepare(a);
    struct link_done done = peer_next_done(a->peer);
    if (n->conf->relay) {
        relay_relayed(n, a->peer->host, a->stanza, done);
        return;
    }
    LOG(LOG_INFO, "gate.no_relay", F_SPAN("host", a->peer->host), F_SPAN("from", a->from.full));
    bounce(n, a->stanza, STANZA_SERVICE_UNAVAILABLE, "this server takes nothing that is passed on");
    done.call(done.ctx, true);
}

bool gate_relay(struct peer *p, struct stream *s, struct stanza *relay)
{
    struct arrival a = {.peer = p, .stanza = &relayed};
    enum stream_error e = STREAM_BAD_FORMAT;
    bool is_one = take_out(relay, &relayed);
    if (is_one)
        e = check_relayed(&a);
    if (e)
        end(p, s, e, is_one ? &relayed : relay);
    else
        pass_on(&a);
    stanza_reset(&relayed);
    return e == STREAM_ERROR_NONE;
}
