/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * edge - addresses: into the network, and out to clients.
 *
 * In: a stanza for user@NETWORK goes to that user's home: here, or user@HOME for another server.
 * What is not known at once waits (edge_wait.c). A stanza from outside of the network goes to his
 * home as it is, in an envelope, so that he sees what its sender wrote; it is passed on once only
 * (c2s/NETWORK.md). A stanza of another server's user must come from his home. Out: what is written
 * to a client has addresses in the domain that it opened.
 *
 * Called by route.c for all that comes, by contacts/ and pep/ for presence, by deliver.c for all
 * that is written to clients.
 */
#include "c2s/sm/network/edge.h"

#define REASON "the server of this user does not answer"

/* --- from whom -------------------------------------------------------------------------------- */

/* The user of another member in whose name it has come; an empty localpart: it is no user's. */
struct speaker {
    struct span local, host;
};

static struct speaker speaker_of(const struct sm_in *in)
{
    const struct span bare = jid_bare_of(in->stanza->from);
    const size_t at = span_index(bare, '@');
    const struct speaker who = {span_make(bare.p, at),
                                at < bare.n ? span_from(bare, at + 1) : bare};

    if (at == bare.n || sm_is_local_domain(in->sm, who.host) || !sm_is_member(in->sm, who.host) ||
        sm_is_reserved(who.local))
        return (struct speaker){SPAN(""), SPAN("")};
    return who;
}

static bool is_at_home(const struct sm_home *home, const struct speaker *who)
{
    return home->kind == SM_HOME_AT && span_eq(home->host, who->host);
}

/* A server may have to end what it began while the user was its own: it answers what one of ours
 * has sent to him there, and says that he is no longer online there, or where he is. */
static bool ends_what_was(const struct sm_in *in, const struct speaker *who,
                          const struct sm_home *home)
{
    const struct stanza *s = in->stanza;

    if (sm_moved_says(s, edge_domain(in->sm, home)))
        return true;
    if (span_eq(s->type, SPAN("unavailable")) && span_eq(stanza_root(s)->name, SPAN("presence")))
        return sm_home_was(in->sm, who->local, who->host);
    return sm_moved_was_sent(in->sm, s);
}

bool edge_settle_sender(struct sm_in *in, const struct sm_home *home)
{
    const struct speaker who = speaker_of(in);

    if (is_at_home(home, &who) || ends_what_was(in, &who, home))
        return true;
    if (home->kind == SM_HOME_NOBODY) {
        /* That he is there may not have got about: who answers him asks again. */
        sm_home_forget(in->sm, who.local);
        return true;
    }
    LOG(LOG_INFO, "network.not_its_user", F_SPAN("from", jid_bare_of(in->stanza->from)));
    if (home->kind == SM_HOME_UNREACHABLE)
        sm_refuse(in, STANZA_REMOTE_SERVER_TIMEOUT, "who knows where you are does not answer");
    else
        sm_refuse(in, STANZA_FORBIDDEN, "this user is at home at another server");
    return false;
}

/* Who is elsewhere as far as we know may have moved there, who was nobody may have registered. */
bool sm_edge_sender(struct sm_in *in)
{
    const struct speaker who = speaker_of(in);

    if (in->sm->is_closed || span_is_empty(who.local))
        return true;
    if (!edge_is_waiting(in->sm, who.local)) {
        const struct sm_home home = sm_home_peek(in->sm, who.local);
        if (home.kind == SM_HOME_HERE || home.kind == SM_HOME_UNREACHABLE ||
            is_at_home(&home, &who) || ends_what_was(in, &who, &home))
            return edge_settle_sender(in, &home);
    }
    edge_keep_sender(in, who.local);
    return false;
}

/* --- in --------------------------------------------------------------------------------------- */

bool sm_edge_move_to(struct sm_in *in, struct span host, struct sm_edge_scratch *scratch)
{
    const struct jid old = in->to;
    const size_t bare = old.local.n + 1 + host.n;
    char *text = scratch->text;

    if (bare + 1 + old.resource.n > sizeof(scratch->text))
        return false;
    memcpy(text, old.local.p, old.local.n);
    text[old.local.n] = '@';
    memcpy(text + old.local.n + 1, host.p, host.n);
    in->to = (struct jid){
        .local = span_make(text, old.local.n),
        .domain = span_make(text + old.local.n + 1, host.n),
        .full = span_make(text, bare),
        .bare = span_make(text, bare),
    };
    if (!jid_is_bare(&old)) {
        text[bare] = '/';
        memcpy(text + bare + 1, old.resource.p, old.resource.n);
        in->to.resource = span_make(text + bare + 1, old.resource.n);
        in->to.full.n = bare + 1 + old.resource.n;
    }
    in->stanza->to = in->to.full;
    return true;
}

static void pass_on(struct sm_in *in, struct span host)
{
    struct sm *sm = in->sm;
    const struct span name = stanza_root(in->stanza)->name;
    const struct stanza_write_opts opts = {
        .ns = SPAN(NS_CLIENT),
        .from_ns = stanza_root(in->stanza)->ns,
        .to = in->to.full,
        .from = in->stanza->from,
    };
    struct buf *text = &sm->net->text;
    struct buf *out = sm->link ? link_begin(sm->link, (struct link_done){0}) : NULL;

    if (!out) {
        sm_refuse(in, STANZA_RESOURCE_CONSTRAINT, "no route at the moment");
        return;
    }
    buf_clear(text);
    stanza_write(text, in->stanza, &opts);
    xml_raw(out, SPAN("<envelope xmlns='" NS_ROUTER "'"));
    xml_attr(out, "from", sm->opts.instance);
    xml_attr(out, "to", host);
    xml_raw(out, SPAN("><"));
    xml_raw(out, name);
    xml_raw(out, SPAN(" xmlns='" NS_CLIENT "'"));
    buf_append(out, span_from(buf_span(text), 1 + name.n));
    xml_raw(out, SPAN("</envelope>"));
    link_end(sm->link);
    buf_clear(text);
}

/* One of ours, here or at another instance, or this server. */
static bool is_from_us(const struct sm_in *in)
{
    const struct span from = in->stanza->from;

    return !in->is_from_link || sm_is_local_domain(in->sm, jid_domain_of(from)) ||
           span_eq(jid_domain_of(from), in->sm->opts.instance);
}

/* Another server of the network, its users, or a component of it: what they say nobody else passes
 * on. They hear of his new home when it is found that he has no account here (moved.c). */
static bool is_from_member(const struct sm_in *in)
{
    struct span domain = jid_domain_of(in->stanza->from);

    if (!in->is_from_link)
        return false;
    while (!servers_has_other(in->sm->net->servers, domain)) {
        const size_t dot = span_index(domain, '.');
        if (dot == domain.n)
            return false;
        domain = span_from(domain, dot + 1);
    }
    return true;
}

static bool to_other(struct sm_in *in, struct span host, struct sm_edge_scratch *scratch)
{
    if (is_from_member(in))
        return true;
    if (!is_from_us(in)) {
        pass_on(in, host);
        return false;
    }
    if (!sm_edge_move_to(in, host, scratch)) {
        sm_refuse(in, STANZA_JID_MALFORMED, NULL);
        return false;
    }
    if (!in->is_from_link)
        return true;
    sm_send_to_router(in);
    return false;
}

/* Of a user who is nowhere, this server is the one to say so, as of an account that is not here. */
bool edge_settle(struct sm_in *in, const struct sm_home *home, struct sm_edge_scratch *scratch)
{
    switch (home->kind) {
    case SM_HOME_HERE:
    case SM_HOME_NOBODY:
        return true;
    case SM_HOME_AT:
        return to_other(in, home->host, scratch);
    case SM_HOME_UNKNOWN:
    case SM_HOME_UNREACHABLE:
        break;
    }
    if (!span_eq(in->to.domain, in->sm->opts.network))
        return true; /* to the server that the client has named */
    sm_refuse(in, STANZA_REMOTE_SERVER_TIMEOUT, REASON);
    return false;
}

/* By our host's own name for one who has been here before. What comes from elsewhere hears of his
 * new home when it is found that he has no account here (moved.c). */
static bool by_host(struct sm_in *in, struct sm_edge_scratch *scratch)
{
    const struct sm_home home = sm_home_peek(in->sm, in->to.local);

    return home.kind != SM_HOME_AT || to_other(in, home.host, scratch);
}

/* What changes the roster of a client that knows its contacts by their servers: it is shown the
 * contact as soon as it has done so. */
static bool shows_contact(const struct sm_in *in)
{
    const struct stanza *s = in->stanza;

    return in->session && !span_is_none(s->type) && !span_eq(s->type, SPAN("unavailable")) &&
           span_eq(stanza_root(s)->name, SPAN("presence")) && sm_is_member(in->sm, in->to.domain) &&
           span_eq(in->session->domain, in->sm->opts.host) &&
           sm_home_peek(in->sm, in->to.local).kind == SM_HOME_UNKNOWN &&
           sm_match_may_show(in->session, in->to.local);
}

static bool by_network(struct sm_in *in, enum sm_direction direction,
                       struct sm_edge_scratch *scratch)
{
    const struct sm_home home = sm_home_peek(in->sm, in->to.local);

    if (home.kind != SM_HOME_UNKNOWN)
        return edge_settle(in, &home, scratch);
    edge_keep(in, direction);
    return false;
}

/* What has been passed on to us is not passed on again, whatever we believe of him: he is here, or
 * his account says where he has gone, or he is nobody. */
bool sm_edge_in(struct sm_in *in, enum sm_direction direction, struct sm_edge_scratch *scratch)
{
    struct sm *sm = in->sm;

    if (!sm_has_network(sm) || sm->is_closed)
        return true;
    if (span_is_none(in->to.local) || in->is_relayed || in->is_by_network)
        return true;
    if (edge_is_waiting(sm, in->to.local) && sm_is_network_domain(sm, in->to.domain)) {
        edge_keep(in, direction);
        return false;
    }
    if (shows_contact(in)) {
        edge_keep(in, direction);
        return false;
    }
    if (!sm_is_local_domain(sm, in->to.domain) || sm_user_owned(sm, in->to.local) ||
        sm_is_reserved(in->to.local))
        return true;
    if (span_eq(in->to.domain, sm->opts.network))
        return by_network(in, direction, scratch);
    return in->is_from_link || by_host(in, scratch);
}

/* The router has no way to that server at the moment. */
void sm_edge_on_returned(struct sm *sm, struct stanza *envelope)
{
    const uint32_t child = stanza_child(envelope, 0, SPAN(NS_CLIENT), SPAN_NONE);
    struct sm_in in = {.sm = sm, .stanza = &sm->content, .is_from_link = true};

    if (!child)
        return;
    stanza_copy_node(&sm->content, envelope, child);
    if (!span_is_empty(sm->content.from))
        sm_refuse(&in, STANZA_REMOTE_SERVER_TIMEOUT, REASON);
}

/* --- for presence ----------------------------------------------------------------------------- */

struct span edge_domain(const struct sm *sm, const struct sm_home *home)
{
    if (home->kind == SM_HOME_HERE)
        return sm->opts.host;
    return home->kind == SM_HOME_AT ? home->host : SPAN_NONE;
}

struct span sm_edge_peek(const struct sm *sm, struct span localpart)
{
    if (!sm_has_network(sm) || sm->is_closed || sm_is_reserved(localpart))
        return sm->opts.host;
    if (edge_is_waiting(sm, localpart))
        return SPAN_NONE;
    const struct sm_home home = sm_home_peek(sm, localpart);
    if (home.kind == SM_HOME_UNKNOWN)
        return SPAN_NONE;
    const struct span domain = edge_domain(sm, &home);
    return span_is_none(domain) ? SPAN("") : domain;
}

void sm_edge_address(struct sm *sm, struct span localpart,
                     void (*write)(void *ctx, struct span domain), void (*release)(void *ctx),
                     void *ctx)
{
    const struct span domain = sm_edge_peek(sm, localpart);

    if (span_is_none(domain)) {
        edge_keep_address(sm, localpart, write, release, ctx);
        return;
    }
    if (domain.n > 0)
        write(ctx, domain);
    release(ctx);
}

/* --- out -------------------------------------------------------------------------------------- */

static bool is_in_network(const struct sm_session *s)
{
    return span_eq(s->domain, s->sm->opts.network);
}

/* Who has opened the network's domain sees no host; who has opened the host's, not the network, and
 * other hosts when he may know who is at home there. */
static bool concerns(const void *ctx, struct span domain)
{
    const struct sm_session *s = ctx;

    if (span_eq(domain, s->sm->opts.network))
        return !is_in_network(s);
    return (is_in_network(s) || !span_eq(domain, s->sm->opts.host)) &&
           sm_is_member(s->sm, domain);
}

static struct span domain_for(const void *ctx, struct span local, struct span domain)
{
    const struct sm_session *s = ctx;
    const struct span network = s->sm->opts.network;

    if (sm_is_reserved(local)) /* a service of that host, and of no other */
        return SPAN_NONE;
    if (is_in_network(s) || !sm_match_may_show(s, local))
        return network;
    if (!span_eq(domain, network))
        return SPAN_NONE;
    const struct sm_home home = sm_home_peek(s->sm, local);
    return edge_domain(s->sm, &home);
}

bool sm_edge_is_on(const struct sm_session *s)
{
    return sm_has_network(s->sm);
}

void sm_edge_out(const struct sm_session *s, struct buf *out, size_t from)
{
    const struct edge_map map = {concerns, domain_for, s};

    if (sm_edge_is_on(s) && !s->sm->is_closed)
        edge_text_rewrite(out, from, &map, &s->sm->net->text);
}

static struct span with_domain(struct span jid, struct span domain, char text[JID_TEXT_MAX])
{
    const size_t at = span_index(jid, '@'), slash = span_index(jid, '/');

    if (span_is_none(domain) || at + 1 + domain.n + (jid.n - slash) > JID_TEXT_MAX)
        return jid;
    memcpy(text, jid.p, at + 1);
    memcpy(text + at + 1, domain.p, domain.n);
    memcpy(text + at + 1 + domain.n, jid.p + slash, jid.n - slash);
    return span_make(text, at + 1 + domain.n + (jid.n - slash));
}

struct span sm_edge_shown(const struct sm_session *s, struct span jid, char text[JID_TEXT_MAX])
{
    const size_t at = span_index(jid, '@'), slash = span_index(jid, '/');

    if (!sm_edge_is_on(s) || at >= slash)
        return jid;
    const struct span old = span_make(jid.p + at + 1, slash - at - 1);
    if (!concerns(s, old))
        return jid;
    return with_domain(jid, domain_for(s, span_make(jid.p, at), old), text);
}

struct span sm_edge_shown_away(const struct sm *sm, struct span from, struct span domain,
                               char text[JID_TEXT_MAX])
{
    const size_t at = span_index(from, '@'), slash = span_index(from, '/');

    if (!sm_has_network(sm) || at >= slash || sm_is_reserved(span_make(from.p, at)))
        return from;
    const struct span old = span_make(from.p + at + 1, slash - at - 1);
    if (span_eq(domain, sm->opts.network))
        return sm_is_member(sm, old) ? with_domain(from, domain, text) : from;
    if (!span_eq(old, sm->opts.network))
        return from;
    const struct sm_home home = sm_home_peek(sm, span_make(from.p, at));
    return with_domain(from, edge_domain(sm, &home), text);
}
