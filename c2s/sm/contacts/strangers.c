/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * strangers - presence from whom a user knows nothing of comes a little at a time: anybody may show
 * himself to anybody (RFC 6121 4.6), but not a hundred thousand of him.
 *
 * A row of hooks.c, for accounts that are owned here. Presence is always let through from the
 * user's contacts, from what he has shown himself to (rooms), and from himself; of the rest as much
 * as fits the rate, and what does not is dropped: presence is never answered. Allocates nothing.
 */
#include "c2s/sm/contacts/contacts.h"

#define PER_SECOND 10
#define AT_ONCE 100
#define TELL_EVERY_MS 60000

static bool is_news(const struct stanza *s)
{
    return span_eq(stanza_root(s)->name, SPAN("presence")) &&
           (span_is_empty(s->type) || span_eq(s->type, SPAN("unavailable")));
}

static bool is_from_contact(const struct sm_user *user, struct span bare)
{
    const struct sm_contact *c = sm_contact_find(user->profile, bare);
    const size_t at = span_index(bare, '@');

    if (c && (c->subscription & SM_SUB_TO))
        return true;
    return at < bare.n && sm_user_is(user, span_make(bare.p, at), span_from(bare, at + 1));
}

/* One of his clients has sent its presence there: to him or, of a room, to somebody in it. */
static bool is_shown_to(const struct sm_user *user, struct span bare)
{
    LIST_FOR_EACH(node, &user->sessions)
    {
        const struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        struct span address;
        size_t cursor = 0;
        while (!span_is_none(address = sm_presence_next_directed(s, &cursor))) {
            if (span_eq(jid_bare_of(address), bare))
                return true;
        }
    }
    return false;
}

static void drop(struct sm_user *user, struct span from)
{
    const uint64_t now = loop_now(user->sm->loop);

    user->strangers_dropped++;
    if (user->strangers_told && now - user->strangers_told < TELL_EVERY_MS)
        return;
    LOG(LOG_WARN, "sm.presence_flood", F_SPAN("user", user->bare), F_SPAN("from", from),
        F_INT("dropped", user->strangers_dropped));
    user->strangers_told = now;
    user->strangers_dropped = 0;
}

bool sm_strangers_receiving(struct sm_in *in, struct sm_user *user)
{
    struct jid_scratch scratch SM_HOT;
    struct jid from;

    if (!is_news(in->stanza) || (!in->session && !in->is_from_link))
        return true;
    if (!jid_parse(in->stanza->from, &from, &scratch))
        return false;
    if (is_from_contact(user, from.bare))
        return true;
    if (user->strangers.burst == 0)
        rate_init(&user->strangers, PER_SECOND, AT_ONCE, loop_now(user->sm->loop));
    if (rate_take(&user->strangers, 1, loop_now(user->sm->loop)) == 0 ||
        is_shown_to(user, from.bare))
        return true;
    drop(user, in->stanza->from);
    return false;
}
