/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pep_presence - whose capabilities count for whom: of a user's own resources, and of contacts
 * elsewhere who show a user their presence. Those of contacts who are owned here are known as their
 * own (pep_notify.c).
 *
 * Called by route.c, hooks.c and move.c.
 */
#include "c2s/sm/contacts/contacts.h"
#include "c2s/sm/pep/pep.h"

#include "xml/parser.h"

/* A presence stanza of a session, to all: before it is broadcast. */
void sm_pep_own_presence(struct sm_in *in)
{
    struct sm_session *s = in->session;
    const struct interest i = {
        .user = s->user->name, .user_bare = s->bare, .who = s->full, .is_own = true};

    if (span_is_empty(in->stanza->type))
        sm_interest_note(in->sm, &i, in->stanza);
    else if (span_eq(in->stanza->type, SPAN("unavailable")))
        sm_interest_drop(in->sm, s->user->name, s->full);
}

void sm_pep_gone(struct sm_session *s)
{
    sm_interest_drop(s->sm, s->user->name, s->full);
}

/* It was available elsewhere, and nothing is sent again for having moved. */
void sm_pep_resumed(struct sm_session *s)
{
    const struct interest i = {.user = s->user->name, .user_bare = s->bare, .who = s->full,
                               .is_own = true, .is_quiet = true};
    struct stanza presence = {0};
    struct buf xml = {0};

    xml_raw(&xml, SPAN("<presence"));
    buf_append(&xml, buf_span(&s->presence));
    if (s->is_available && xml_parse_stanza(xml_parser_shared(SPAN(NS_CLIENT)), buf_span(&xml),
                                            &presence) == XML_OK)
        sm_interest_note(s->sm, &i, &presence);
    stanza_free(&presence);
    buf_free(&xml);
}

static void note(struct sm_in *in, bool is_absent)
{
    const struct stanza *s = in->stanza;
    struct jid_scratch scratch SM_HOT;
    struct jid from;

    if (!jid_parse(s->from, &from, &scratch))
        return;
    const struct interest i = {
        .user = in->to.local, .user_bare = in->to.bare, .who = from.full,
        .is_absent = is_absent,
        .is_quiet = !jid_is_bare(&in->to), /* the answer to a probe */
    };
    if (!span_is_empty(s->type))
        sm_interest_drop(in->sm, in->to.local, from.full);
    else if (!jid_is_bare(&from))
        sm_interest_note(in->sm, &i, s);
}

static bool is_presence(const struct sm_in *in)
{
    return span_eq(stanza_root(in->stanza)->name, SPAN("presence")) &&
           (span_is_empty(in->stanza->type) || span_eq(in->stanza->type, SPAN("unavailable")));
}

/* Resources of contacts who are owned here are known as their own. */
bool sm_pep_receiving(struct sm_in *in, struct sm_user *user)
{
    if (in->is_from_link && is_presence(in) &&
        (!span_is_empty(in->stanza->type) || sm_user_is_seen_by(user, in->stanza->from)))
        note(in, false);
    return true;
}

/* --- presence for an account that nobody owns --- */

static int absent_run(struct db *db, struct store_job *store_job)
{
    struct pep_task *t = (struct pep_task *)(void *)store_job;
    struct sm_names who;

    if (sm_account_blocks(t->task.job.sm, db, t->user, t->ask.who_full))
        return 0;
    who = sm_names_of(t->task.job.sm, &t->ask.arena, t->ask.who);
    return sm_account_is_seen_by_any(db, t->user, &who) ? 1 : 0;
}

static void absent_done(struct sm_task *task, struct sm_in *in, int result)
{
    (void)task;
    if (result > 0 && !sm_in_user(in))
        note(in, true);
}

/* Contacts are sent the last items whether the user is there or not. */
void sm_pep_absent(struct sm_in *in)
{
    struct pep_task *t;

    if (!is_presence(in) || span_is_none(in->to.local) || !jid_is_bare(&in->to) ||
        !sm_is_local_domain(in->sm, in->to.domain))
        return;
    if (!span_is_empty(in->stanza->type))
        note(in, true);
    else if (stanza_child(in->stanza, 0, SPAN(NS_CAPS), SPAN("c")) && (t = sm_pep_task_new(in)))
        sm_task_submit(in, STORE_READ, &t->task, absent_run, absent_done);
}
