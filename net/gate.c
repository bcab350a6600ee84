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
#include "net/wire.h"
#include "xml/writer.h"
#include "xmpp/arrival.h"
#include "xmpp/crossing.h"
#include "xmpp/ns.h"

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
static void send_answer(void *ctx, const struct stanza *error, enum stanza_error e)
{
    struct net *n = ctx;
    struct peer *p = peer_of_domain(n, jid_domain_of(error->to));
    if (p && !n->is_flushing)
        peer_send(p, error);
    else
        LOG(LOG_WARN, "gate.unanswered", F_SPAN("to", error->to),
            F_STR("cond", stanza_error_name(e)));
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

static bool is_ours(const void *ctx, struct span domain)
{
    const struct net *n = ctx;
    return relay_is_ours(n, domain) || span_eq(domain, n->network);
}

static void prepare(struct arrival *a)
{
    arrival_prepare(a->stanza, &a->from, &a->to, is_ours, a->peer->net);
}

/* --- between servers -------------------------------------------------------------------------- */

/* An address that somebody has mistyped: he is told, the stream lives. An error: it is not even to
 * a domain of ours. */
static enum stream_error refuse_malformed(struct arrival *a)
{
    char out[JID_PART_MAX + 1];
    struct span domain;
    if (!jid_prep_domain(jid_domain_of(a->stanza->to), out, &domain))
        return STREAM_IMPROPER_ADDRESSING;
    if (!relay_is_ours(a->peer->net, domain))
        return STREAM_HOST_UNKNOWN;
    struct link_done done = peer_next_done(a->peer);
    crossing_refuse(a->stanza, domain, a->from.full, STANZA_JID_MALFORMED, send_answer,
                    a->peer->net);
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
    relay_to_router(p->net, stanza,
                    crossing_begin(stanza, a.from.full, a.to.full, done, send_answer, p->net));
    return true;
}

/* --- what a server passes on ------------------------------------------------------------------ */

/* The one inside, as a stanza of its own; false: there is not exactly one. */
static bool take_out(const struct stanza *relay, struct stanza *inner_r)
{
    uint32_t child = stanza_child(relay, 0, SPAN(NS_SERVER), SPAN_NONE);
    if (!child || stanza_child_count(relay, 0) != 1 ||
        !stream_is_stanza_name(relay->nodes[child].name))
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

/* Somebody of the peer's is told by its link, in the name under which its server knows ours. */
static struct link_done cross(const struct arrival *a, struct link_done done)
{
    static char text[JID_TEXT_MAX];
    struct net *n = a->peer->net;
    return crossing_begin(a->stanza, a->from.full, relay_from(n, &a->to, text), done, send_answer,
                          n);
}

/* What the router has no room for, and for its answer neither, stays with the peer. */
static enum stream_error pass_on(struct arrival *a)
{
    struct net *n = a->peer->net;
    bool is_its = peer_is_its(a->peer, a->from.domain);
    if (is_endless(a))
        return STREAM_ERROR_NONE;
    if (!(is_its && n->conf->relay) && !relay_has_room(n))
        return STREAM_RESOURCE_CONSTRAINT;
    prepare(a);
    struct link_done done = peer_next_done(a->peer);
    if (n->conf->relay) {
        relay_relayed(n, a->peer->host, a->stanza, is_its ? cross(a, done) : done);
        return STREAM_ERROR_NONE;
    }
    LOG(LOG_INFO, "gate.no_relay", F_SPAN("host", a->peer->host), F_SPAN("from", a->from.full));
    bounce(n, a->stanza, STANZA_SERVICE_UNAVAILABLE, "this server takes nothing that is passed on");
    done.call(done.ctx, true);
    return STREAM_ERROR_NONE;
}

static struct stanza relayed; /* by gate_relay, one at a time */

void gate_free(void)
{
    stanza_free(&relayed);
    crossing_free_spare();
}

bool gate_relay(struct peer *p, struct stream *s, struct stanza *relay)
{
    struct arrival a = {.peer = p, .stanza = &relayed};
    enum stream_error e = STREAM_BAD_FORMAT;
    bool is_one = take_out(relay, &relayed);
    if (is_one)
        e = check_relayed(&a);
    if (!e)
        e = pass_on(&a);
    if (e)
        end(p, s, e, is_one ? &relayed : relay);
    stanza_reset(&relayed);
    return e == STREAM_ERROR_NONE;
}
