/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * directed - whom a session has sent its presence to directly: RFC 6121 4.6.
 *
 * They are told when it becomes unavailable, however that happens. Called by presence.c, and by
 * those who move a session to another owner; the addresses belong to the session.
 */
#include "c2s/sm/contacts/contacts.h"

#include <stdlib.h>

struct directed {
    size_t n;
    char address[];
};

bool sm_presence_remember_directed(struct sm_session *s, struct span address)
{
    if (map_get(&s->directed, address))
        return true;
    if (s->directed.count >= SM_MAX_DIRECTED)
        return false;
    struct directed *d = mem_alloc(sizeof(*d) + address.n);
    d->n = address.n;
    memcpy(d->address, address.p, address.n);
    map_put(&s->directed, span_make(d->address, d->n), d);
    return true;
}

struct span sm_presence_next_directed(const struct sm_session *s, size_t *cursor)
{
    const struct directed *d = map_next(&s->directed, cursor);

    return d ? span_make(d->address, d->n) : SPAN_NONE;
}

void sm_directed_forget(struct sm_session *s, struct span address)
{
    free(map_remove(&s->directed, address));
}

void sm_presence_forget_directed(struct sm_session *s)
{
    struct directed *d;
    size_t cursor = 0;

    while ((d = map_next(&s->directed, &cursor)) != NULL)
        free(d);
    map_free(&s->directed);
    s->directed = (struct map){0};
}

/* Those that the broadcast tells, too, hear it once. */
static bool is_told_anyway(const struct sm_session *s, struct span address)
{
    const struct sm_contact *c;

    if (!s->is_available || !s->user || !s->user->profile)
        return false;
    c = sm_contact_find(s->user->profile, jid_bare_of(address));
    return c && (c->subscription & SM_SUB_FROM) && span_eq(address, jid_bare_of(address));
}

static void set_notice(struct stanza *notice, const struct sm_session *s)
{
    stanza_reset(notice);
    stanza_add(notice, 0, SPAN(NS_CLIENT), SPAN("presence"));
    stanza_set_attr(notice, 0, SPAN("type"), SPAN("unavailable"));
    notice->from = s->full;
}

/* Unavailable presence of our own making. */
void sm_presence_end_directed(struct sm_session *s)
{
    struct stanza *notice = &s->sm->notice;
    struct directed *d;
    size_t cursor = 0;

    if (s->directed.count == 0)
        return;
    set_notice(notice, s);
    while ((d = map_next(&s->directed, &cursor)) != NULL) {
        if (!is_told_anyway(s, span_make(d->address, d->n)))
            sm_send_notice(s->sm, notice, span_make(d->address, d->n));
    }
    stanza_reset(notice);
    sm_presence_forget_directed(s);
}

void sm_directed_end_for(struct sm_session *s, struct span jid)
{
    struct stanza *notice = &s->sm->notice;
    struct directed *d;
    size_t cursor = 0;

    while ((d = map_next(&s->directed, &cursor)) != NULL) {
        struct span address = span_make(d->address, d->n);
        if (!span_eq(address, jid) && !span_eq(jid_bare_of(address), jid) &&
            !span_eq(jid_domain_of(address), jid))
            continue;
        set_notice(notice, s);
        sm_send_notice(s->sm, notice, address);
        stanza_reset(notice);
        sm_directed_forget(s, address);
    }
}
