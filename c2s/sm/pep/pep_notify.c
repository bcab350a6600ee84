/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pep_notify - events to whom they interest (XEP-0163 4): explicit subscribers, and the resources
 * of the account and of its contacts whose capabilities say that they want them; and the last items
 * of an account's nodes, for a resource that has just come.
 *
 * Contacts who are owned here are found by their own resources; of the others, presence has told.
 */
#include "c2s/sm/pep/pep.h"

#include "tls/crypto.h"
#include "xml/parser.h"

#include <stdlib.h>

/* The message of an event as a stanza, without a recipient. */
static struct stanza *make_message(struct sm *sm, const struct pubsub_event *event)
{
    struct stanza *s = &sm->pep->message;
    struct buf xml = {0};
    char id[17];
    bool is_made;

    crypto_random_hex(id, 8);
    xml_raw(&xml, SPAN("<message"));
    if (!event->is_normal)
        xml_raw(&xml, SPAN(" type='headline'"));
    xml_attr(&xml, "id", span_of(id));
    xml_raw(&xml, SPAN(">"));
    buf_append(&xml, buf_span(&event->xml));
    if (event->stamp) {
        xml_raw(&xml, SPAN("<delay xmlns='" NS_DELAY "'"));
        xml_attr(&xml, "from", event->service);
        xml_raw(&xml, SPAN(" stamp='"));
        sm_time_write(&xml, event->stamp);
        xml_raw(&xml, SPAN("'/>"));
    }
    xml_raw(&xml, SPAN("</message>"));
    is_made = xml_parse_stanza(xml_parser_shared(SPAN(NS_CLIENT)), buf_span(&xml), s) == XML_OK;
    buf_free(&xml);
    s->from = event->service;
    return is_made ? s : NULL;
}

/* --- whom --- */

struct audience {
    struct sm *sm;
    const struct pubsub_event *event;
    struct map people, denied, subscribers;
    struct arena names; /* of those who are written otherwise in the event's lists */
    /* Full JIDs, each ended by LF: sending may end sessions, and so change the rest. */
    struct buf to;
};

/* The JIDs of a list as a set. A network user is in it as he is stored. */
static void read_set(struct audience *a, struct map *set, const struct buf *list)
{
    char text[JID_TEXT_MAX] SM_HOT;
    struct span rest = buf_span(list), jid;

    while (!span_is_none(jid = pubsub_next_jid(&rest))) {
        struct span stored = sm_stored_jid(a->sm, jid, text);
        if (stored.p == text)
            stored = arena_span(&a->names, stored);
        map_put(set, stored, (void *)(uintptr_t)jid.p);
    }
}

static bool is_in(const struct audience *a, const struct map *set, struct span jid)
{
    char text[JID_TEXT_MAX] SM_HOT;

    return map_get(set, sm_stored_jid(a->sm, jid, text)) != NULL;
}

static void add(struct audience *a, const struct pep_peer *peer)
{
    if (!sm_interest_wants(peer, a->event->node) ||
        is_in(a, &a->subscribers, peer->full) ||
        is_in(a, &a->subscribers, jid_bare_of(peer->full)))
        return; /* subscribers are told anyway */
    buf_append(&a->to, peer->full);
    buf_append_char(&a->to, '\n');
}

static bool may_hear(const struct audience *a, struct span bare)
{
    if (is_in(a, &a->people, bare))
        return true;
    return a->event->is_open && !is_in(a, &a->denied, bare);
}

/* The account's own, and those of contacts elsewhere. */
static void add_peers(struct audience *a, struct span user)
{
    const struct pep_peer *peer;
    size_t cursor = 0;

    while ((peer = sm_interest_next(a->sm, user, &cursor)) != NULL) {
        if (peer->is_own || may_hear(a, jid_bare_of(peer->full)))
            add(a, peer);
    }
}

/* Contacts who are owned here. */
static void add_local(struct audience *a, struct span user)
{
    struct span rest = buf_span(&a->event->people), jid;

    while (!span_is_none(jid = pubsub_next_jid(&rest))) {
        struct span name = sm_pep_local_name(a->sm, jid);
        const struct pep_peer *peer;
        size_t cursor = 0;

        if (span_is_none(name) || span_eq(name, user))
            continue;
        while ((peer = sm_interest_next(a->sm, name, &cursor)) != NULL) {
            if (peer->is_own)
                add(a, peer);
        }
    }
}

/* Not to whom the user has blocked (XEP-0163 4.3.2). */
static void send_to(struct sm *sm, struct span name, struct stanza *message, struct span list,
                    const struct sm_profile *absent)
{
    struct span jid;

    while (!span_is_none(jid = pubsub_next_jid(&list))) {
        const struct sm_user *user = sm_user_owned(sm, name);
        const struct sm_profile *profile = user ? user->profile : absent;
        if (!profile || !sm_profile_blocks(profile, name, jid))
            sm_send_notice(sm, message, jid);
    }
}

static void notify(struct sm *sm, struct span user, const struct pubsub_event *event,
                   const struct sm_profile *absent)
{
    struct audience a = {.sm = sm, .event = event};
    struct stanza *message = make_message(sm, event);

    if (!message)
        return;
    if (!event->is_to_subscribers_only) {
        read_set(&a, &a.people, &event->people);
        read_set(&a, &a.denied, &event->denied);
        read_set(&a, &a.subscribers, &event->subscribers);
        add_peers(&a, user);
        add_local(&a, user);
    }
    send_to(sm, user, message, buf_span(&event->subscribers), absent);
    send_to(sm, user, message, buf_span(&a.to), absent);
    map_free(&a.people);
    map_free(&a.denied);
    map_free(&a.subscribers);
    arena_free(&a.names);
    buf_free(&a.to);
}

void sm_pep_notify(struct sm *sm, struct span user, const struct pubsub_ask *ask,
                   const struct sm_profile *absent)
{
    LIST_FOR_EACH (node, &ask->events)
        notify(sm, user, CONTAINER_OF(node, struct pubsub_event, link), absent);
}

/* --- last items, for who has come --- */

struct last {
    struct sm_job job; /* first */
    struct pubsub_ask ask;
    struct buf services; /* bare JIDs of accounts of ours, each ended by LF */
    struct caps *wanted; /* a copy */
};

static bool wants(void *ctx, struct span node)
{
    return caps_wants(ctx, node);
}

static int last_run(struct db *db, struct store_job *store_job)
{
    struct last *l = (struct last *)(void *)store_job;
    struct span rest = buf_span(&l->services), jid;
    int result = 0;

    while (result >= 0 && !span_is_none(jid = pubsub_next_jid(&rest))) {
        struct span name = sm_pep_local_name(l->job.sm, jid);
        l->ask.service = jid;
        l->ask.is_owner = span_eq(name, sm_pep_local_name(l->job.sm, l->ask.who));
        l->ask.account = sm_account_id(db, name);
        if (l->ask.account)
            result = pubsub_last_items(&l->ask, db, wants, l->wanted);
    }
    return result;
}

static bool last_finish(struct sm_job *job, int result)
{
    struct last *l = (struct last *)job;

    if (result < 0)
        return true;
    LIST_FOR_EACH (node, &l->ask.events) {
        struct stanza *message =
            make_message(job->sm, CONTAINER_OF(node, struct pubsub_event, link));
        if (message)
            sm_send_notice(job->sm, message, l->ask.who_full);
    }
    return true;
}

static void last_destroy(struct sm_job *job)
{
    struct last *l = (struct last *)job;

    pubsub_ask_free(&l->ask);
    buf_free(&l->services);
    caps_put(NULL, l->wanted);
}

/* Contacts of the account who are owned here, and who see its presence. */
static void add_contacts(struct buf *services, const struct sm *sm, struct span name)
{
    const struct sm_user *user = sm_user_owned(sm, name);
    const struct sm_contact *c;
    size_t cursor = 0;

    while (user && (c = sm_contact_next(user->profile, &cursor)) != NULL) {
        const struct sm_user *contact;
        if (!(c->subscription & SM_SUB_FROM) || span_is_none(c->local) ||
            !sm_is_network_domain(sm, c->domain))
            continue;
        contact = sm_user_owned(sm, c->local);
        if (!contact || sm_is_blocked(contact, user->bare))
            continue;
        buf_append(services, c->bare);
        buf_append_char(services, '\n');
    }
}

void sm_pep_send_last(struct sm *sm, const struct pep_peer *peer)
{
    struct span user = span_make(peer->user->name, peer->user->name_n);
    const struct caps *caps = peer->own ? peer->own : peer->promised;
    struct last *l = mem_zalloc(sizeof(*l));

    sm_pep_ask_self(&l->ask, sm, peer->user_bare);
    l->ask.who_full = arena_span(&l->ask.arena, peer->full);
    l->ask.who = jid_bare_of(l->ask.who_full);
    buf_append(&l->services, peer->user_bare);
    buf_append_char(&l->services, '\n');
    if (peer->is_own)
        add_contacts(&l->services, sm, user);
    l->wanted = caps_private();
    buf_append(&l->wanted->nodes, buf_span(&caps->nodes));
    l->job.bytes = sizeof(*l) + buf_len(&l->wanted->nodes) + buf_len(&l->services) + 4096;
    l->job.finish = last_finish;
    l->job.destroy = last_destroy;
    if (sm_job_submit(sm, STORE_READ, &l->job, sm_user_find(sm, user), NULL, last_run))
        return;
    last_destroy(&l->job);
    free(l);
}
