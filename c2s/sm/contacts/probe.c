/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * probe - asking for the presence of contacts, and answering: RFC 6121 4.3.
 *
 * A resource that comes is shown its contacts: those owned here at once, the others by a probe over
 * the router. Who asks and may not see gets the same answer whether there is such an account or
 * not (unsubscribed). Called by presence.c.
 */
#include "c2s/sm/contacts/contacts.h"

/* --- asking --- */

/* The contact is owned here. */
static void show(struct sm_session *newcomer, const struct sm_user *contact)
{
    if (!sm_user_is_seen_by(contact, newcomer->full) ||
        sm_is_blocked(contact, newcomer->full))
        return;
    LIST_FOR_EACH (node, &contact->sessions) {
        const struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (s->is_available && !s->is_gone)
            sm_presence_write(newcomer, newcomer->full, buf_span(&s->presence));
    }
}

static void ask(struct sm_session *s, const struct sm_contact *c, struct span probe,
                bool is_elsewhere_only)
{
    const struct sm_user *user = NULL;

    if (!span_is_none(c->local) && sm_is_network_domain(s->sm, c->domain))
        user = sm_user_owned(s->sm, c->local);
    if (user && !is_elsewhere_only)
        show(s, user);
    else if (!user)
        sm_broadcast_to(s->sm, c->bare, s->full, probe);
}

static void ask_all(struct sm_session *s, bool is_elsewhere_only)
{
    const struct sm_user *user = s->user;
    const struct sm_contact *c;
    struct buf probe = {0};
    size_t cursor = 0;

    xml_attr(&probe, "from", s->full);
    xml_raw(&probe, SPAN(" type='probe'/>"));
    while ((c = sm_contact_next(user->profile, &cursor)) != NULL) {
        if ((c->subscription & SM_SUB_TO) && !sm_is_blocked(user, c->bare))
            ask(s, c, buf_span(&probe), is_elsewhere_only);
    }
    buf_free(&probe);
}

void sm_probe_contact(struct sm_session *s, const struct sm_contact *c)
{
    struct buf probe = {0};

    xml_attr(&probe, "from", s->full);
    xml_raw(&probe, SPAN(" type='probe'/>"));
    ask(s, c, buf_span(&probe), false);
    buf_free(&probe);
}

void sm_probe_contacts(struct sm_session *s)
{
    ask_all(s, false);
}

void sm_probe_elsewhere(struct sm_session *s)
{
    ask_all(s, true);
}

/* --- answering --- */

/* From: the address that was probed, or a resource of it. */
static void answer(struct sm *sm, const struct jid *who, struct span presence)
{
    struct sm_user *user = NULL;
    struct sm_session *s;

    if (!span_is_none(who->local) && sm_is_local_domain(sm, who->domain))
        user = sm_user_owned(sm, who->local);
    if (!user)
        sm_broadcast_over_link(sm, who, presence);
    else if (!jid_is_bare(who) && (s = sm_user_session(user, who->resource)) != NULL)
        sm_presence_write(s, s->full, presence);
}

static void refuse(struct sm_in *in, const struct jid *who)
{
    sm_presence_notice(in->sm, in->to.bare, who->bare, "unsubscribed");
}

static void answer_owned(struct sm_in *in, const struct sm_user *user, const struct jid *who)
{
    bool is_any = false;

    LIST_FOR_EACH (node, &user->sessions) {
        const struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (!s->is_available || s->is_gone ||
            (!jid_is_bare(&in->to) && !span_eq(s->resource, in->to.resource)))
            continue;
        answer(in->sm, who, buf_span(&s->presence));
        is_any = true;
    }
    if (!is_any)
        answer(in->sm, who, sm_presence_unavailable(in->sm, in->to.full));
}

/* --- an account that nobody owns --- */

enum { PROBE_ALLOWED = 1, PROBE_REFUSED, PROBE_BLOCKED };

struct absent {
    struct sm_task task; /* first */
    struct span name;
    struct sm_names who;
};

static int absent_run(struct db *db, struct store_job *store_job)
{
    struct absent *absent = (struct absent *)(void *)store_job;

    if (sm_account_blocks(absent->task.job.sm, db, absent->name, absent->who.jid))
        return PROBE_BLOCKED;
    return sm_account_is_seen_by_any(db, absent->name, &absent->who) ? PROBE_ALLOWED
                                                                     : PROBE_REFUSED;
}

static void absent_done(struct sm_task *task, struct sm_in *in, int result)
{
    struct jid_scratch scratch SM_HOT;
    struct jid who;

    (void)task;
    if (!jid_parse(in->stanza->from, &who, &scratch))
        return;
    if (result == PROBE_ALLOWED)
        answer(in->sm, &who, sm_presence_unavailable(in->sm, in->to.full));
    else if (result == PROBE_REFUSED && !sm_moved_refuse(in))
        refuse(in, &who);
}

/* One of our own instances does not need to hear what it takes for granted. */
static void answer_absent(struct sm_in *in, const struct jid *who)
{
    if (sm_is_local_domain(in->sm, who->domain))
        return;
    struct absent *absent = mem_zalloc(sizeof(*absent));
    struct arena *arena = &absent->task.request.arena;
    stanza_copy(&absent->task.request, in->stanza);
    absent->name = arena_span(arena, in->to.local);
    absent->who = sm_names_of(in->sm, arena, arena_span(arena, who->bare));
    sm_task_submit(in, STORE_READ, &absent->task, absent_run, absent_done);
}

void sm_probe_answer(struct sm_in *in, struct sm_user *user)
{
    struct jid_scratch scratch SM_HOT;
    struct jid who;

    if (!jid_parse(in->stanza->from, &who, &scratch))
        return;
    if (!user)
        answer_absent(in, &who);
    else if (sm_user_is_seen_by(user, who.bare))
        answer_owned(in, user, &who);
    else
        refuse(in, &who);
}
