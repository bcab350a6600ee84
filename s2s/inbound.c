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
#include "xmpp/arrival.h"
#include "xmpp/crossing.h"
#include "xmpp/handled.h"

/* What one call knows of its stanza. */
struct arrival {
    struct s2s *s2s;
    struct stanza *stanza;
    struct jid from, to;
    struct link_done done;
};

/* --- answers ---------------------------------------------------------------------------------- */

/* To the sender, by the queue of the other direction. */
static void send_answer(void *ctx, const struct stanza *error, enum stanza_error e)
{
    struct s2s *s = ctx;
    struct pair *p = pair_get(s, jid_domain_of(error->from), jid_domain_of(error->to));
    if (p && !s->is_flushing)
        pair_send(p, error);
    else
        LOG(LOG_WARN, "inbound.unanswered", F_SPAN("to", error->to),
            F_STR("cond", stanza_error_name(e)));
}

void in_free_addresses(struct s2s *s)
{
    map_free(&s->addresses);
    flood_free(s);
    handled_free_tokens();
    crossing_free_spare();
}

/* --- addresses -------------------------------------------------------------------------------- */

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
    if (!jid_prep_domain(jid_domain_of(a->stanza->to), out, &domain))
        return STREAM_IMPROPER_ADDRESSING;
    enum stream_error e = check_proof(a, proof, ctx, domain);
    if (!e)
        crossing_refuse(a->stanza, domain, a->from.full, STANZA_JID_MALFORMED, send_answer, a->s2s);
    return e;
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

static bool is_ours(const void *ctx, struct span domain)
{
    return relay_is_ours(ctx, domain) || relay_is_below_host(ctx, domain);
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
        crossing_refuse(stanza, a->to.full, a->from.full, STANZA_RESOURCE_CONSTRAINT, send_answer,
                        a->s2s);
        finish(a);
        return;
    }
    arrival_prepare(stanza, &a->from, &a->to, is_ours, a->s2s);
    relay_to_router(a->s2s, stanza,
                    crossing_begin(stanza, a->from.full, a->to.full, a->done, send_answer, a->s2s));
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
