/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * inbound - the edge that stanzas of other servers come in by, on streams of both directions: in.c
 * and out.c call it for each. What it lets pass has addresses that are prepared and proved, and
 * nothing in it that only a server of ours may say.
 *
 * RFC 6120 4.9.3.7 (improper-addressing), 4.9.3.9 (invalid-from), 8.1. A stanza's fault is that
 * stanza's error; a lie about an address is the stream's.
 */
#include "s2s/inbound.h"

#include "base/log.h"
#include "s2s/flood.h"
#include "s2s/in.h"
#include "s2s/pair.h"
#include "xmpp/handled.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"

#include <stdlib.h>

/* What one call knows of its stanza. */
struct arrival {
    struct s2s *s2s;
    struct stanza *stanza;
    struct jid from, to;
    struct link_done done;
};

/* --- answers ---------------------------------------------------------------------------------- */

/* To the sender, by the queue of the other direction. */
static void answer(struct s2s *s, struct span name, struct span id, struct span from,
                   struct span to, enum stanza_error e)
{
    static struct stanza reply;
    struct pair *p = pair_get(s, jid_domain_of(from), jid_domain_of(to));
    if (!p || s->is_flushing) {
        LOG(LOG_WARN, "inbound.unanswered", F_SPAN("to", to), F_STR("cond", stanza_error_name(e)));
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
    pair_send(p, &reply);
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
    struct s2s *s2s;
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
        answer(c->s2s, span_of(c->name), c->has_id ? id : SPAN_NONE, to, from,
               STANZA_RESOURCE_CONSTRAINT);
    }
    crossing_free(c);
    if (done.call)
        done.call(done.ctx, safe);
}

static const char *literal_of(struct span name)
{
    return span_eq(name, SPAN("message")) ? "message"
           : span_eq(name, SPAN("iq"))    ? "iq"
                                          : "presence";
}

static struct link_done cross(const struct arrival *a)
{
    struct crossing *c = spare;
    if (c) {
        spare = c->next;
        spare_count--;
    } else {
        c = mem_zalloc(sizeof *c);
    }
    c->s2s = a->s2s;
    c->done = a->done;
    c->name = literal_of(stanza_root(a->stanza)->name);
    c->has_id = !span_is_none(a->stanza->id);
    c->id_n = a->stanza->id.n;
    c->from_n = a->from.full.n;
    buf_append(&c->text, a->stanza->id);
    buf_append(&c->text, a->from.full);
    buf_append(&c->text, a->to.full);
    return (struct link_done){on_crossed, c};
}

void in_free_addresses(struct s2s *s)
{
    map_free(&s->addresses);
    flood_free(s);
    handled_free_tokens();
    while (spare) {
        struct crossing *c = spare;
        spare = c->next;
        buf_free(&c->text);
        free(c);
    }
    spare_count = 0;
}

/* --- addresses -------------------------------------------------------------------------------- */

/* The domain of what is no address: by its look alone. */
static bool domain_of_malformed(struct span to, char out[JID_PART_MAX + 1], struct span *domain_r)
{
    struct span bare = span_make(to.p, span_index(to, '/'));
    size_t at = span_index(bare, '@');
    return jid_prep_domain(at < bare.n ? span_from(bare, at + 1) : bare, out, domain_r);
}

/* A component that is not there is the router's to answer for. */
static enum stream_error check_proof(const struct arrival *a, inbound_proof proof, void *ctx,
                                     struct span local)
{
    if (!relay_is_ours(a->s2s, local) &&
        !(relay_is_below_host(a->s2s, local) && proof(ctx, local, a->from.domain)))
        return STREAM_HOST_UNKNOWN;
    return proof(ctx, local, a->from.domain) ? STREAM_ERROR_NONE : STREAM_INVALID_FROM;
}

/* An address that somebody has mistyped: he is told, the stream lives. */
static enum stream_error refuse_malformed(struct arrival *a, inbound_proof proof, void *ctx)
{
    char out[JID_PART_MAX + 1];
    struct span domain;
    if (!domain_of_malformed(a->stanza->to, out, &domain))
        return STREAM_IMPROPER_ADDRESSING;
    enum stream_error e = check_proof(a, proof, ctx, domain);
    if (!e && may_answer(a->stanza))
        answer(a->s2s, stanza_root(a->stanza)->name, a->stanza->id, domain, a->from.full,
               STANZA_JID_MALFORMED);
    return e;
}

/* --- what may not pass ------------------------------------------------------------------------ */

/* In any spelling: who reads it may prepare it first. */
static bool is_our_address(const struct s2s *s, struct span who)
{
    static struct jid_scratch scratch;
    struct jid jid;
    return !span_is_empty(who) && jid_parse(who, &jid, &scratch) &&
           (relay_is_ours(s, jid.domain) || relay_is_below_host(s, jid.domain));
}

/* Who reads these trusts them as a server's of ours; the router's words are for our processes. */
static bool is_server_owned(const struct s2s *s, const struct stanza *stanza, uint32_t node)
{
    struct span ns = stanza->nodes[node].ns;
    if (span_eq(ns, SPAN(NS_STANZA_ID)))
        return span_eq(stanza->nodes[node].name, SPAN("stanza-id")) &&
               is_our_address(s, stanza_attr(stanza, node, SPAN("by")));
    if (span_eq(ns, SPAN(NS_DELAY)))
        return is_our_address(s, stanza_attr(stanza, node, SPAN("from")));
    if (span_eq(ns, SPAN(NS_NETWORK)))
        return span_eq(stanza->nodes[node].name, SPAN("via")) ||
               span_eq(stanza->nodes[node].name, SPAN("to"));
    return span_eq(ns, SPAN(NS_ROUTER));
}

static void strip(const struct s2s *s, struct stanza *stanza)
{
    stanza_strip_foreign_attrs(stanza);
    for (uint32_t next, node = stanza_root(stanza)->first; node; node = next) {
        next = stanza->nodes[node].next;
        if (!span_is_none(stanza->nodes[node].name) && is_server_owned(s, stanza, node))
            stanza_remove(stanza, node);
    }
}

/* --- on to the router ------------------------------------------------------------------------- */

static bool is_answer_to_us(const struct arrival *a)
{
    struct span type = a->stanza->type;
    if (!span_eq(stanza_root(a->stanza)->name, SPAN("iq")) ||
        (!span_eq(type, SPAN("result")) && !span_eq(type, SPAN("error"))))
        return false;
    struct pair *p = pair_find(a->s2s, a->to.domain, a->from.domain);
    return p && pair_on_answer(p, a->stanza);
}

static bool is_flood(const struct arrival *a)
{
    struct span name = stanza_root(a->stanza)->name;
    if (span_eq(name, SPAN("iq")))
        return false;
    enum flood_kind kind = span_eq(name, SPAN("message")) ? FLOOD_MESSAGE : FLOOD_PRESENCE;
    return !flood_admits(a->s2s, kind, a->from.domain, a->to.bare);
}

static void finish(const struct arrival *a)
{
    if (a->done.call)
        a->done.call(a->done.ctx, true);
}

static void set_prepared(struct stanza *stanza, struct span name, struct span old, struct span new)
{
    if (!span_eq(old, new))
        stanza_set_attr(stanza, 0, name, new);
}

static void deliver(struct arrival *a)
{
    struct stanza *stanza = a->stanza;
    if (span_eq(stanza->type, SPAN("error")) && stanza_is_error_of_error(stanza)) {
        LOG(LOG_DEBUG, "inbound.error_of_error", F_SPAN("from", a->from.full));
        finish(a);
        return;
    }
    if (is_answer_to_us(a)) {
        finish(a);
        return;
    }
    if (is_flood(a)) {
        if (may_answer(stanza))
            answer(a->s2s, stanza_root(stanza)->name, stanza->id, a->to.full, a->from.full,
                   STANZA_RESOURCE_CONSTRAINT);
        finish(a);
        return;
    }
    strip(a->s2s, stanza);
    set_prepared(stanza, SPAN("from"), stanza->from, a->from.full);
    set_prepared(stanza, SPAN("to"), stanza->to, a->to.full);
    relay_to_router(a->s2s, stanza, may_answer(stanza) ? cross(a) : a->done);
}

static bool end(struct arrival *a, struct stream *stream, enum stream_error e)
{
    LOG(LOG_WARN, "inbound.refused", F_STR("sid", stream->id), F_STR("cond", stream_error_name(e)),
        F_SPAN("from", a->stanza->from), F_SPAN("to", a->stanza->to));
    stream_error(stream, e, NULL);
    finish(a);
    return false;
}

bool inbound_stanza(struct s2s *s, struct stream *stream, struct stanza *stanza,
                    inbound_proof proof, void *ctx, struct link_done done)
{
    static struct jid_scratch from_scratch, to_scratch; /* too large to be cleared each time */
    struct arrival a = {.s2s = s, .stanza = stanza, .done = done};
    enum stream_error e;
    if (span_is_empty(stanza->from) || span_is_empty(stanza->to) ||
        !jid_parse(stanza->from, &a.from, &from_scratch))
        return end(&a, stream, STREAM_IMPROPER_ADDRESSING);
    if (!jid_parse(stanza->to, &a.to, &to_scratch)) {
        e = refuse_malformed(&a, proof, ctx);
        if (e)
            return end(&a, stream, e);
        finish(&a);
        return true;
    }
    e = check_proof(&a, proof, ctx, a.to.domain);
    if (e)
        return end(&a, stream, e);
    deliver(&a);
    return true;
}
