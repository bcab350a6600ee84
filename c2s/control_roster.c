/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control_roster - rosters for kontalkctl: `roster list`, `roster add`, `roster remove`.
 */
#include "c2s/control.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX 1023 /* of a name or a group: as clients may set */

static const char *text_of(enum sm_roster_result r)
{
    switch (r) {
    case SM_ROSTER_DONE:
        break;
    case SM_ROSTER_NO_USER:
        return "there is no such account";
    case SM_ROSTER_NO_CONTACT:
        return "that contact is not in the roster";
    case SM_ROSTER_TOO_BIG:
        return "the roster is full";
    case SM_ROSTER_BUSY:
        return "the storage failed, or is too busy";
    }
    return NULL;
}

static void on_done(void *ctx, enum sm_roster_result r)
{
    struct control_work *w = ctx;

    control_work_end(w, text_of(r));
}

static struct control_work *work_new(struct c2s *c2s, struct control_call *call)
{
    struct control_work *w = mem_zalloc(sizeof(*w));

    control_work_begin(w, c2s, call);
    return w;
}

/* The contact's bare JID; false: it is none, or the user himself; the call has been answered. */
static bool parse_contact(struct c2s *c2s, struct control_call *call, struct span text,
                          const struct jid *user, struct jid *jid, struct jid_scratch *scratch)
{
    char reason[256];

    if (!jid_parse(text, jid, scratch) || !jid_is_bare(jid)) {
        snprintf(reason, sizeof(reason), "%.*s is not a contact's address",
                 text.n < 100 ? (int)text.n : 100, text.p);
        control_error(call, reason);
        return false;
    }
    if (span_eq(jid->local, user->local) &&
        (span_eq(jid->domain, c2s->host) || span_eq(jid->domain, c2s->network))) {
        control_error(call, "nobody is in his own roster");
        return false;
    }
    return true;
}

/* --- list --- */

static void on_entry(void *ctx, const struct sm_roster_entry *e)
{
    struct control_work *w = ctx;
    char groups[4096];
    size_t n = e->groups.n < sizeof(groups) ? e->groups.n : sizeof(groups);

    for (size_t i = 0; i < n; i++)
        groups[i] = e->groups.p[i] == '\n' ? ',' : e->groups.p[i];
    const struct span words[] = {e->jid, e->subscription, e->is_asked ? SPAN("yes") : SPAN("no"),
                                 e->name, span_make(groups, n)};
    control_row(w->call, words, ARRAY_LEN(words));
}

void control_roster_list(void *ctx, struct control_call *call, const struct span *args,
                         size_t count)
{
    static const struct span columns[] = {SPAN_INIT("jid"), SPAN_INIT("subscription"),
                                          SPAN_INIT("asked"), SPAN_INIT("name"),
                                          SPAN_INIT("groups")};
    struct c2s *c2s = ctx;
    struct jid jid;
    struct jid_scratch scratch;

    (void)count;
    if (!control_user(c2s, call, args[0], &jid, &scratch))
        return;
    struct control_work *w = work_new(c2s, call);
    control_row(call, columns, ARRAY_LEN(columns));
    sm_roster_list(c2s->sm, jid.local, on_entry, on_done, w);
}

/* --- add and remove --- */

/* "KEY=VALUE"; false: it is no such word, or the value is none that may be. */
static bool read_wish(struct span word, struct sm_roster_entry *e)
{
    const struct {
        struct span key;
        struct span *value;
    } wishes[] = {
        {SPAN("name="), &e->name},
        {SPAN("group="), &e->groups},
        {SPAN("subscription="), &e->subscription},
    };

    for (size_t i = 0; i < ARRAY_LEN(wishes); i++) {
        if (!span_starts(word, wishes[i].key))
            continue;
        struct span value = span_from(word, wishes[i].key.n);
        *wishes[i].value = value;
        return value.n <= TEXT_MAX && span_index(value, '\n') == value.n && utf8_check(value);
    }
    return false;
}

static bool is_subscription(struct span word)
{
    return span_eq(word, SPAN("none")) || span_eq(word, SPAN("to")) ||
           span_eq(word, SPAN("from")) || span_eq(word, SPAN("both"));
}

void control_roster_add(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    struct c2s *c2s = ctx;
    struct sm_roster_entry e = {0};
    struct jid user, contact;
    struct jid_scratch scratch, contact_scratch;

    if (!control_user(c2s, call, args[0], &user, &scratch) ||
        !parse_contact(c2s, call, args[1], &user, &contact, &contact_scratch))
        return;
    for (size_t i = 2; i < count; i++) {
        if (!read_wish(args[i], &e)) {
            control_error(call, "names and groups have a line of at most 1,023 bytes");
            return;
        }
    }
    if (!span_is_none(e.subscription) && !is_subscription(e.subscription)) {
        control_error(call, "a subscription is none, to, from or both");
        return;
    }
    e.jid = contact.bare;
    LOG(LOG_INFO, "roster.add", F_SPAN("user", user.local), F_SPAN("contact", contact.bare));
    sm_roster_put(c2s->sm, user.local, &e, on_done, work_new(c2s, call));
}

void control_roster_remove(void *ctx, struct control_call *call, const struct span *args,
                           size_t count)
{
    struct c2s *c2s = ctx;
    struct jid user, contact;
    struct jid_scratch scratch, contact_scratch;

    (void)count;
    if (!control_user(c2s, call, args[0], &user, &scratch) ||
        !parse_contact(c2s, call, args[1], &user, &contact, &contact_scratch))
        return;
    LOG(LOG_INFO, "roster.remove", F_SPAN("user", user.local), F_SPAN("contact", contact.bare));
    sm_roster_drop(c2s->sm, user.local, contact.bare, on_done, work_new(c2s, call));
}
