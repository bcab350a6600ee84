/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * match_ask - the roster match of a client, asked of other members in rounds; see match.h.
 *
 * Called by match.c when the store here has been looked at. An address that nobody could say
 * anything about in MATCH_ROUNDS rounds is left out of the answer, as one is whose home is away.
 */
#include "c2s/sm/network/match.h"

#include <stdlib.h>

/* The question to one member in this round. */
struct ask {
    struct list_node node; /* of match.asks */
    struct match *m;
    struct sm_question *question;
    struct span host; /* in the arena */
    struct map names; /* localpart -> struct match_name */
    struct buf payload;
};

static void ask_free(struct ask *a)
{
    list_remove(&a->node);
    map_free(&a->names);
    buf_free(&a->payload);
    free(a);
}

void match_ask_drop(struct match *m)
{
    while (!list_is_empty(&m->asks)) {
        struct ask *a = CONTAINER_OF(m->asks.next, struct ask, node);
        sm_question_drop(&a->question);
        ask_free(a);
    }
}

/* --- whom to ask ------------------------------------------------------------------------------ */

static struct ask *ask_of(struct match *m, struct span host)
{
    struct ask *a;

    LIST_FOR_EACH (node, &m->asks) {
        a = CONTAINER_OF(node, struct ask, node);
        if (span_eq(a->host, host))
            return a;
    }
    a = mem_zalloc(sizeof(*a));
    a->m = m;
    a->host = arena_span(&m->arena, host);
    list_append(&m->asks, &a->node);
    xml_raw(&a->payload, SPAN("<query xmlns='" NS_KONTALK_ROSTER "' for='"));
    xml_value(&a->payload, span_make(m->asker.p, span_index(m->asker, '@')));
    xml_raw(&a->payload, SPAN("@"));
    xml_value(&a->payload, m->sm->opts.host);
    xml_raw(&a->payload, SPAN("'>"));
    return a;
}

static void ask_about(struct match *m, struct span host, struct match_name *name)
{
    struct ask *a = ask_of(m, host);

    map_put(&a->names, name->user, name);
    xml_raw(&a->payload, SPAN("<item jid='"));
    xml_value(&a->payload, name->user);
    xml_raw(&a->payload, SPAN("@"));
    xml_value(&a->payload, m->sm->opts.network);
    xml_raw(&a->payload, SPAN("'/>"));
}

static bool can_be_asked(const struct match *m, struct span host)
{
    return servers_has_other(m->servers, host) && sm_member_is_reachable(m->sm, host);
}

static bool ask_home(struct match *m, struct match_name *name)
{
    if (span_is_none(name->home))
        return false;
    if (can_be_asked(m, name->home)) {
        ask_about(m, name->home, name);
        return true;
    }
    name->not_at = name->home;
    name->home = SPAN_NONE;
    return false;
}

/* True: it is asked, or we are one ourselves and know that there is no such user. */
static bool ask_directory(struct match *m, struct match_name *name)
{
    const struct server *dirs[SERVERS_DIRECTORY];
    const size_t n = servers_directory(m->servers, name->user, dirs);

    if (name->is_directory_asked)
        return false;
    name->is_directory_asked = true;
    for (size_t i = 0; i < n; i++) {
        name->is_settled |= dirs[i]->is_self && m->is_complete;
        if (name->is_settled)
            return true;
        if (can_be_asked(m, dirs[i]->host) && !sm_member_is_silent(m->sm, dirs[i]->host)) {
            ask_about(m, dirs[i]->host, name);
            return true;
        }
    }
    return false;
}

static void ask_all(struct match *m, struct match_name *name)
{
    const struct servers *servers = m->servers;

    name->is_settled = name->is_all_asked;
    if (name->is_settled)
        return;
    name->is_all_asked = true;
    for (size_t i = 0; i < servers_count(servers); i++) {
        const struct span host = servers_at(servers, i)->host;
        if (can_be_asked(m, host) && !span_eq(host, name->not_at))
            ask_about(m, host, name);
    }
}

static void plan(struct match *m)
{
    for (size_t i = 0; i < m->count; i++) {
        struct match_name *name = &m->names[i];
        if (!name->is_settled && !ask_home(m, name) && !ask_directory(m, name))
            ask_all(m, name);
    }
}

/* --- what they say ---------------------------------------------------------------------------- */

static void learn(const struct ask *a, struct match_name *name, struct span stamp)
{
    int64_t ms = 0;

    for (size_t i = 0; i < stamp.n && i < 15 && stamp.p[i] >= '0' && stamp.p[i] <= '9'; i++)
        ms = ms * 10 + (stamp.p[i] - '0');
    name->is_user = name->is_settled = true;
    name->home = a->host;
    if (ms > 0)
        sm_home_learn(a->m->sm, name->user, a->host, ms);
}

/* Of its own users it knows; where another one's is, it may believe, and that one is asked. */
static void read_item(struct ask *a, const struct stanza *s, uint32_t item)
{
    const struct sm *sm = a->m->sm;
    struct jid_scratch scratch;
    struct match_name *name;
    struct jid jid;

    if (!jid_parse(stanza_attr(s, item, SPAN("jid")), &jid, &scratch))
        return;
    name = map_get(&a->names, jid.local);
    if (!name || name->is_settled)
        return;
    if (span_eq(jid.domain, a->host))
        learn(a, name, stanza_attr(s, item, SPAN("stamp")));
    else if (servers_has_other(sm->net->servers, jid.domain) && !span_eq(jid.domain, name->not_at))
        name->home = arena_span(&a->m->arena, jid.domain);
}

static bool is_directory(const struct ask *a, const struct match_name *name)
{
    const struct server *dirs[SERVERS_DIRECTORY];
    const size_t n = servers_directory(a->m->servers, name->user, dirs);

    for (size_t i = 0; i < n; i++) {
        if (span_eq(dirs[i]->host, a->host))
            return true;
    }
    return false;
}

static void read_answer(struct ask *a, const struct stanza *s, uint32_t query)
{
    const bool is_complete = span_eq(stanza_attr(s, query, SPAN("complete")), SPAN("true"));
    struct match_name *name;
    size_t cursor = 0;

    for (uint32_t i = stanza_child(s, query, SPAN(NS_KONTALK_ROSTER), SPAN("item")); i;
         i = stanza_next(s, i, SPAN(NS_KONTALK_ROSTER), SPAN("item")))
        read_item(a, s, i);
    while ((name = map_next(&a->names, &cursor)) != NULL) {
        if (name->is_settled)
            continue;
        if (span_eq(name->home, a->host)) { /* it says nothing of him */
            name->not_at = a->host;
            name->home = SPAN_NONE;
            name->is_settled = name->is_directory_asked; /* which has said that it was there */
        } else if (span_is_none(name->home)) {
            name->is_settled = is_complete && is_directory(a, name);
        }
    }
}

static void next_round(struct match *m);

static void on_answer(void *ctx, enum stanza_error e, const struct stanza *result, uint32_t payload)
{
    struct ask *a = ctx;
    struct match *m = a->m;

    if (e == STANZA_ERROR_NONE &&
        stanza_is(result, payload, SPAN(NS_KONTALK_ROSTER), SPAN("query")))
        read_answer(a, result, payload);
    ask_free(a);
    if (list_is_empty(&m->asks))
        next_round(m);
}

static void send_ask(struct ask *a)
{
    struct sm *sm = a->m->sm;
    struct buf to = {0};

    xml_raw(&a->payload, SPAN("</query>"));
    buf_append_z(&to, SM_PROBE "@");
    buf_append(&to, a->host);
    a->question = sm_question_ask(sm, buf_span(&to), false, buf_span(&a->payload),
                                  sm->opts.net.match_deadline / MATCH_ROUNDS, on_answer, a);
    buf_free(&to);
    buf_free(&a->payload);
    if (!a->question)
        ask_free(a);
}

/* A member that cannot be asked says nothing. */
static void next_round(struct match *m)
{
    while (m->round++ < MATCH_ROUNDS) {
        plan(m);
        LIST_FOR_EACH (node, &m->asks)
            send_ask(CONTAINER_OF(node, struct ask, node));
        if (!list_is_empty(&m->asks))
            return;
    }
    match_answer(m);
}

static void peek(struct match *m, struct match_name *name)
{
    const struct sm_home home = sm_home_peek(m->sm, name->user);

    if (home.kind == SM_HOME_AT && span_is_none(name->home))
        name->home = arena_span(&m->arena, home.host);
    else if (home.kind == SM_HOME_NOBODY)
        name->is_settled = true;
}

void match_ask_others(struct match *m)
{
    for (size_t i = 0; i < m->count; i++) {
        if (!m->names[i].is_settled)
            peek(m, &m->names[i]);
    }
    next_round(m);
}
