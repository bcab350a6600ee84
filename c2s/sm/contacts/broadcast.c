/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * broadcast - presence to contacts: RFC 6121 4.2.2, 4.4.2, 4.5.2.
 *
 * The stanza is rendered once; for each recipient only its beginning differs. Contacts who are
 * owned here are written to without a stanza being made of it; the others get it by the router.
 * Called by presence.c and subscribe.c, and by block.c for those who are hidden or shown.
 */
#include "c2s/sm/access.h"
#include "c2s/sm/contacts/contacts.h"

#include <stdlib.h>

static void write_to(struct sm *sm, struct span local, struct span domain, struct span resource,
                     struct span presence)
{
    struct buf *out = sm_is_linked(sm) ? link_begin(sm->link, (struct link_done){0}) : NULL;

    if (!out)
        return;
    xml_raw(out, SPAN("<presence to='"));
    if (!span_is_none(local)) {
        xml_value(out, local);
        xml_raw(out, SPAN("@"));
    }
    xml_value(out, domain);
    if (!span_is_none(resource)) {
        xml_raw(out, SPAN("/"));
        xml_value(out, resource);
    }
    xml_raw(out, SPAN("'"));
    buf_append(out, presence);
    link_end(sm->link);
}

/* --- to a user of the network whose home must be looked up --- */

struct unresolved {
    struct sm *sm;
    struct span local, resource, presence;
    char text[];
};

static void unresolved_write(void *ctx, struct span domain)
{
    const struct unresolved *u = ctx;

    write_to(u->sm, u->local, domain, u->resource, u->presence);
}

static struct span unresolved_put(struct unresolved *u, size_t *n, struct span s)
{
    struct span copy = {s.p ? u->text + *n : NULL, s.n};

    if (s.p && s.n > 0)
        memcpy(u->text + *n, s.p, s.n);
    *n += s.n;
    return copy;
}

static void write_later(struct sm *sm, const struct jid *to, struct span presence)
{
    struct unresolved *u = mem_alloc(sizeof(*u) + to->local.n + to->resource.n + presence.n);
    size_t n = 0;

    u->sm = sm;
    u->local = unresolved_put(u, &n, to->local);
    u->resource = unresolved_put(u, &n, to->resource);
    u->presence = unresolved_put(u, &n, presence);
    sm_edge_address(sm, u->local, unresolved_write, free, u);
}

/* Users are known to the router, and to other servers, by their address at their home. */
void sm_broadcast_over_link(struct sm *sm, const struct jid *to, struct span presence)
{
    struct span domain = to->domain, home;

    if (!sm_is_linked(sm))
        return;
    if (!span_is_none(to->local) && sm_is_local_domain(sm, domain)) {
        home = sm_edge_peek(sm, to->local);
        if (span_is_none(home) && span_eq(domain, sm->opts.network)) {
            write_later(sm, to, presence);
            return;
        }
        if (!span_is_none(home))
            domain = home;
    }
    if (domain.n > 0)
        write_to(sm, to->local, domain, to->resource, presence);
}

static void write_to_all(const struct sm_user *user, struct span presence)
{
    LIST_FOR_EACH (node, &user->sessions) {
        struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (s->is_available && !s->is_gone)
            sm_presence_write(s, s->bare, presence);
    }
}

/* --- behind subscription stanzas, which wait for the store --- */

struct later {
    struct sm_job job; /* first */
    struct buf presence;
};

static int later_run(struct db *db, struct store_job *job)
{
    (void)db, (void)job;
    return STORE_OK;
}

static bool later_finish(struct sm_job *job, int result)
{
    (void)result;
    write_to_all(job->user, buf_span(&((struct later *)job)->presence));
    return true;
}

static void later_destroy(struct sm_job *job)
{
    buf_free(&((struct later *)job)->presence);
}

/* A write, although it writes nothing: those end in their order. */
void sm_broadcast_to_user(struct sm_user *user, struct span presence)
{
    struct later *later;

    if (user->subscribing == 0) {
        write_to_all(user, presence);
        return;
    }
    later = mem_zalloc(sizeof(*later));
    buf_append(&later->presence, presence);
    later->job.bytes = sizeof(*later) + presence.n;
    later->job.finish = later_finish;
    later->job.destroy = later_destroy;
    if (sm_job_submit(user->sm, STORE_WRITE, &later->job, user, NULL, later_run))
        return;
    write_to_all(user, presence);
    later_destroy(&later->job);
    free(later);
}

static void to_contact(struct sm *sm, struct span local, struct span domain, struct span from,
                       struct span presence)
{
    if (!span_is_none(local) && sm_is_network_domain(sm, domain)) {
        struct sm_user *user = sm_user_owned(sm, local);
        if (user) {
            if (!sm_is_blocked(user, from))
                sm_broadcast_to_user(user, presence);
            return;
        }
    }
    if (!sm_access_reaches(sm, from, domain))
        return;
    sm_broadcast_over_link(sm, &(struct jid){.local = local, .domain = domain}, presence);
}

void sm_broadcast_to(struct sm *sm, struct span contact, struct span from, struct span presence)
{
    size_t at = span_index(contact, '@');

    if (at < contact.n)
        to_contact(sm, span_make(contact.p, at), span_from(contact, at + 1), from, presence);
    else
        to_contact(sm, SPAN_NONE, contact, from, presence);
}

static bool is_owned_here(const struct sm *sm, const struct sm_contact *c)
{
    return !span_is_none(c->local) && sm_is_network_domain(sm, c->domain) &&
           sm_user_owned(sm, c->local);
}

static void broadcast(const struct sm_session *s, struct span presence, bool is_elsewhere_only)
{
    const struct sm_user *user = s->user;
    const struct sm_contact *c;
    size_t cursor = 0;

    if (!user->profile)
        return;
    while ((c = sm_contact_next(user->profile, &cursor)) != NULL) {
        if (!(c->subscription & SM_SUB_FROM) || sm_is_blocked(user, c->bare) ||
            (is_elsewhere_only && is_owned_here(s->sm, c)))
            continue;
        to_contact(s->sm, c->local, c->domain, s->full, presence);
    }
}

void sm_broadcast(const struct sm_session *s, struct span presence)
{
    broadcast(s, presence, false);
}

void sm_broadcast_elsewhere(const struct sm_session *s, struct span presence)
{
    broadcast(s, presence, true);
}

void sm_broadcast_all_to(struct sm_user *user, struct span contact)
{
    LIST_FOR_EACH (node, &user->sessions) {
        const struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (s->is_available && !s->is_gone)
            sm_broadcast_to(user->sm, contact, s->full, buf_span(&s->presence));
    }
}

void sm_broadcast_end_to(struct sm_user *user, struct span contact)
{
    LIST_FOR_EACH (node, &user->sessions) {
        const struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (s->is_available)
            sm_broadcast_to(user->sm, contact, s->full,
                            sm_presence_unavailable(user->sm, s->full));
    }
}

/* --- who is hidden, and shown again --- */

/* Not whom another entry of the list blocks. */
static bool is_concerned(const struct sm_user *user, const struct sm_contact *c)
{
    return (c->subscription & SM_SUB_FROM) && !sm_is_blocked(user, c->bare);
}

static void each_subscriber(struct sm_user *user, struct span jid,
                            void (*act)(struct sm_user *user, struct span contact))
{
    const struct sm_contact *c;
    size_t cursor = 0;

    if (span_index(jid, '@') < jid.n) {
        c = sm_contact_find(user->profile, jid);
        if (c && is_concerned(user, c))
            act(user, c->bare);
        return;
    }
    while ((c = sm_contact_next(user->profile, &cursor)) != NULL) {
        if (span_eq(c->domain, jid) && is_concerned(user, c))
            act(user, c->bare);
    }
}

void sm_presence_hide_from(struct sm_user *user, struct span jid)
{
    each_subscriber(user, jid, sm_broadcast_end_to);
    LIST_FOR_EACH (node, &user->sessions)
        sm_directed_end_for(CONTAINER_OF(node, struct sm_session, node), jid);
}

void sm_presence_show_to(struct sm_user *user, struct span jid)
{
    each_subscriber(user, jid, sm_broadcast_all_to);
}
