/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * route - the way in: a client's stanza (sm_input) or one from the link becomes a struct sm_in with
 * a true sender, a prepared recipient and nothing forged in it, and goes to its kind's rules.
 *
 * RFC 6120 8.1.1 (to), 8.1.2 (from), 8.2.3 (iq), 10 (server rules). Called by the transport and the
 * link; nothing here outlives the call.
 */
#include "c2s/sm/access.h"
#include "c2s/sm/sm_private.h"

#include "xmpp/iq.h"

#define NS_OCCUPANT_ID "urn:xmpp:occupant-id:0"

enum sm_kind { SM_MESSAGE, SM_PRESENCE, SM_IQ, SM_UNKNOWN };

static enum sm_kind kind_of(const struct stanza *s)
{
    struct span name = stanza_root(s)->name;

    if (span_eq(name, SPAN("message")))
        return SM_MESSAGE;
    if (span_eq(name, SPAN("presence")))
        return SM_PRESENCE;
    return span_eq(name, SPAN("iq")) ? SM_IQ : SM_UNKNOWN;
}

/* Whether who is a domain of ours, or an address in one, in any spelling: who reads it may prepare
 * it first. */
static bool is_ours(const struct sm *sm, struct span who)
{
    struct jid_scratch scratch SM_HOT;
    struct jid jid;

    return !span_is_empty(who) && jid_parse(who, &jid, &scratch) &&
           sm_is_local_domain(sm, jid.domain);
}

/* The same, or an address that our clients could see as one. */
static bool looks_like_ours(const struct sm *sm, struct span who)
{
    return is_ours(sm, who) ||
           (span_index(who, '@') < who.n && sm_is_network_domain(sm, jid_domain_of(who)));
}

/*
 * Children that only a server may add: whoever reads them trusts them as ours. A delay or a
 * stanza-id of another domain is the sender's own affair.
 */
static bool is_forged(const struct sm *sm, const struct stanza *s, uint32_t node)
{
    struct span ns = s->nodes[node].ns;

    if (span_eq(ns, SPAN(NS_STANZA_ID)))
        return span_eq(s->nodes[node].name, SPAN("stanza-id")) &&
               looks_like_ours(sm, stanza_attr(s, node, SPAN("by")));
    if (span_eq(ns, SPAN(NS_DELAY)))
        return is_ours(sm, stanza_attr(s, node, SPAN("from")));
    if (span_eq(ns, SPAN(NS_NETWORK)))
        return span_eq(s->nodes[node].name, SPAN("via")) ||
               span_eq(s->nodes[node].name, SPAN("to"));
    return span_eq(ns, SPAN(NS_OCCUPANT_ID));
}

/* occupant-id is stripped from clients only: a room elsewhere adds it by right. What another server
 * has passed on says so; s2s has stripped that from whoever has no right to it. */
static void strip_forged(struct sm_in *in)
{
    struct stanza *s = in->stanza;

    stanza_strip_foreign_attrs(s);
    if (!in->is_from_link)
        sm_moved_strip(s);
    for (uint32_t next, node = stanza_root(s)->first; node; node = next) {
        next = s->nodes[node].next;
        if (span_is_none(s->nodes[node].name) || !is_forged(in->sm, s, node))
            continue;
        if (in->is_from_link && span_eq(s->nodes[node].ns, SPAN(NS_OCCUPANT_ID)))
            continue;
        if (in->is_from_link && stanza_is(s, node, SPAN(NS_NETWORK), SPAN("via")))
            in->is_relayed = true;
        else if (in->is_from_link && stanza_is(s, node, SPAN(NS_NETWORK), SPAN("to")))
            in->is_by_network = true;
        stanza_remove(s, node);
    }
}

/* A client may name itself, bare or full, and nobody else (RFC 6120 8.1.2.1). */
static bool stamp_from(struct sm_in *in)
{
    struct span from = in->stanza->from;
    const struct sm_session *session = in->session;

    in->stanza->from = session->full;
    if (span_is_none(from) || span_eq(from, session->full) || span_eq(from, session->bare))
        return true;
    struct jid_scratch scratch;
    struct jid jid;
    return jid_parse(from, &jid, &scratch) &&
           span_eq(jid_is_bare(&jid) ? session->bare : session->full, jid.full);
}

static bool is_sound_iq(const struct stanza *s)
{
    if (span_is_none(s->id))
        return false;
    if (iq_is_request(s))
        return iq_is_valid_request(s);
    return span_eq(s->type, SPAN("result")) || span_eq(s->type, SPAN("error"));
}

struct link_done sm_in_take_done(struct sm_in *in)
{
    struct link_done done = in->done;

    in->done = (struct link_done){0};
    return done;
}

/* No 'to' (RFC 6120 10.3): the account's own affair. */
static void to_self(struct sm_in *in, enum sm_kind kind)
{
    struct sm_session *s = in->session;

    in->to =
        (struct jid){.local = s->user->name, .domain = s->domain, .full = s->bare, .bare = s->bare};
    if (kind == SM_MESSAGE)
        sm_message(in);
    else if (kind == SM_IQ)
        sm_iq_account(in);
    else {
        sm_avatar_stamp(in);
        sm_pep_own_presence(in);
        sm_presence_broadcast(in);
    }
}

static void by_kind(struct sm_in *in, enum sm_kind kind)
{
    if (kind == SM_MESSAGE)
        sm_message(in);
    else if (kind == SM_PRESENCE)
        sm_presence(in);
    else
        sm_iq(in);
}

void sm_in_strip(struct sm_in *in)
{
    strip_forged(in);
}

bool sm_in_clean(struct sm_in *in)
{
    if (!stamp_from(in))
        return false;
    strip_forged(in);
    return true;
}

/* It must not overtake what the client has sent to others. */
static void own_affair(struct sm_in *in, enum sm_kind kind)
{
    if (sm_filter_own(in))
        to_self(in, kind);
}

/* Another instance has given it on by the host's name for him: it is by the network's again. */
static void restore_to(struct sm_in *in, struct sm_edge_scratch *scratch)
{
    in->is_by_network = in->is_by_network && !span_is_none(in->to.local) &&
                        span_eq(in->to.domain, in->sm->opts.host) &&
                        sm_edge_move_to(in, in->sm->opts.network, scratch);
}

/* The recipient may be a user of the network: false: it goes on by itself, or has been answered. */
static bool edge_in(struct sm_in *in, enum sm_direction direction, struct sm_edge_scratch *scratch)
{
    if (!sm_has_network(in->sm))
        return true;
    sm_asked_note(in);
    return sm_edge_in(in, direction, scratch);
}

static void from_client(struct sm_in *in)
{
    struct stanza *s = in->stanza;
    enum sm_kind kind = kind_of(s);
    struct jid_scratch scratch SM_HOT;
    struct sm_edge_scratch edge SM_HOT;

    if (kind == SM_UNKNOWN) {
        sm_session_kick(in->session, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
        return;
    }
    if (!sm_in_clean(in)) {
        sm_session_kick(in->session, STREAM_INVALID_FROM, NULL);
        return;
    }
    if (kind == SM_IQ && !is_sound_iq(s))
        sm_refuse(in, STANZA_BAD_REQUEST, NULL);
    else if (span_is_none(s->to))
        own_affair(in, kind);
    else if (!jid_parse(s->to, &in->to, &scratch))
        sm_refuse(in, STANZA_JID_MALFORMED, NULL);
    else if (edge_in(in, SM_SENDING, &edge) && sm_hooks_sending(in))
        by_kind(in, kind);
}

/* A request to an account is answered by what knows the session's user: it may have none by now. */
void sm_in_go_on(struct sm_in *in, enum sm_direction direction)
{
    enum sm_kind kind = kind_of(in->stanza);

    if (direction == SM_SENDING && span_is_none(in->stanza->to))
        to_self(in, kind);
    else if (direction == SM_SENDING) {
        if (sm_hooks_sending(in))
            by_kind(in, kind);
    } else if (kind == SM_IQ && iq_is_request(in->stanza) && in->session && !in->session->user)
        sm_refuse(in, STANZA_RESOURCE_CONSTRAINT, NULL);
    else
        by_kind(in, kind);
}

void sm_input(struct sm_session *session, struct stanza *stanza, struct link_done done)
{
    if (session->state == SM_SESSION_MOVING) {
        sm_move_input(session, stanza, done);
        return;
    }
    if (session->front) {
        sm_front_input(session, stanza, done);
        return;
    }
    if (session->state != SM_SESSION_OPEN || session->is_gone) {
        sm_done(done, false);
        return;
    }
    struct sm_in in = {.sm = session->sm, .session = session, .stanza = stanza, .done = done};
    from_client(&in);
    sm_done(in.done, true);
}

/* What its sender tells about homes. True: it has been taken. */
static bool is_known_by_network(struct sm_in *in)
{
    const struct stanza *stanza = in->stanza;

    if (span_eq(stanza->type, SPAN("error")))
        return sm_moved_retry(in);
    if (span_eq(jid_domain_of(stanza->from), in->sm->opts.network))
        sm_home_seen(in->sm, stanza->from);
    return false;
}

void sm_in_from_link(struct sm_in *in)
{
    const enum sm_kind kind = kind_of(in->stanza);
    struct sm_edge_scratch edge SM_HOT;

    if (kind == SM_IQ && !is_sound_iq(in->stanza))
        sm_refuse(in, STANZA_BAD_REQUEST, NULL);
    else if (!edge_in(in, SM_RECEIVING, &edge))
        return;
    else if ((kind != SM_MESSAGE || !sm_owner_on_told(in)) && sm_services_sending(in))
        by_kind(in, kind);
    if (kind == SM_PRESENCE && !sm_in_user(in))
        sm_pep_absent(in);
}

void sm_on_link_stanza(void *ctx, struct stanza *stanza)
{
    struct sm_in in = {.sm = ctx, .stanza = stanza, .is_from_link = true};
    struct jid_scratch scratch SM_HOT;
    struct sm_edge_scratch edge SM_HOT;

    if (kind_of(stanza) == SM_UNKNOWN || span_is_empty(stanza->from) ||
        !jid_parse(stanza->to, &in.to, &scratch)) {
        LOG(LOG_WARN, "sm.bad_stanza", F_SPAN("from", stanza->from), F_SPAN("to", stanza->to));
        return;
    }
    strip_forged(&in);
    if (in.is_by_network)
        restore_to(&in, &edge);
    if (sm_has_network(in.sm) && (is_known_by_network(&in) || !sm_edge_sender(&in)))
        return;
    sm_in_from_link(&in);
}

/* It may be sent again, to others: its 'to' is as it was. */
void sm_send_notice(struct sm *sm, struct stanza *stanza, struct span to)
{
    const struct span was = stanza->to;
    struct sm_in in = {.sm = sm, .stanza = stanza};
    struct jid_scratch scratch SM_HOT;
    struct sm_edge_scratch edge SM_HOT;

    if (jid_parse(to, &in.to, &scratch) && sm_access_reaches(sm, stanza->from, in.to.domain) &&
        edge_in(&in, SM_RECEIVING, &edge))
        by_kind(&in, kind_of(stanza));
    stanza->to = was;
}

struct sm_user *sm_in_user(const struct sm_in *in)
{
    if (span_is_none(in->to.local) || !sm_is_local_domain(in->sm, in->to.domain))
        return NULL;
    return sm_user_owned(in->sm, in->to.local);
}

/*
 * sm_in_place - the three rules: ours and here; ours and elsewhere, or foreign: the router; ours
 * and nobody's: from storage. What the router has sent us with the host's domain is ours to handle
 * whatever we think, so that nothing goes round.
 */
enum sm_place sm_in_place(const struct sm_in *in, struct sm_user **user_r)
{
    const struct sm *sm = in->sm;

    *user_r = NULL;
    if (!sm_is_local_domain(sm, in->to.domain)) {
        if (span_eq(in->to.domain, sm->opts.instance))
            return SM_PLACE_HOST;
        return in->is_from_link ? SM_PLACE_NOWHERE : SM_PLACE_ROUTER;
    }
    if (span_is_none(in->to.local))
        return SM_PLACE_HOST;
    *user_r = sm_user_owned(sm, in->to.local);
    if (*user_r)
        return SM_PLACE_USER;
    if (!sm_is_linked(sm))
        return SM_PLACE_ABSENT;
    if (in->is_from_link && (in->is_by_network || span_eq(in->to.domain, sm->opts.host)))
        return SM_PLACE_ABSENT;
    return SM_PLACE_ROUTER;
}
