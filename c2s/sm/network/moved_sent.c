/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * moved_sent - what our users have sent to users of other servers, as far as it matters when one
 * of those says that a user of its has moved: moved_retry.c makes the stanza of the error again, in
 * the name of our user, so there must have been one.
 *
 * Of each a number is kept, a keyed hash of who has sent what to whom: it costs a word, and nobody
 * else can make one. A later one may take its place, and all are forgotten by a restart: then the
 * client gets the error. Called by who writes to the link; belongs to sm->net.
 */
#include "c2s/sm/network/record.h"

#include <stdlib.h>

#define SLOTS (1u << 18) /* words; a page of them is taken when one is needed */

/* The types with which a stanza of that name may have been refused. */
static const struct {
    struct span name, type;
} types[] = {
    {SPAN_INIT("message"), SPAN_INIT("normal")},
    {SPAN_INIT("message"), SPAN_INIT("chat")},
    {SPAN_INIT("message"), SPAN_INIT("groupchat")},
    {SPAN_INIT("iq"), SPAN_INIT("get")},
    {SPAN_INIT("iq"), SPAN_INIT("set")},
    {SPAN_INIT("presence"), SPAN_INIT("subscribe")},
    {SPAN_INIT("presence"), SPAN_INIT("subscribed")},
    {SPAN_INIT("presence"), SPAN_INIT("unsubscribe")},
    {SPAN_INIT("presence"), SPAN_INIT("unsubscribed")},
    {SPAN_INIT("presence"), SPAN_INIT("probe")},
};

bool sm_moved_is_type(const struct stanza *s, struct span type)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (span_eq(stanza_root(s)->name, types[i].name) && span_eq(type, types[i].type))
            return true;
    }
    return false;
}

/* Our user is one in both of our domains; the other is who he is at that host, by any resource. */
static uint64_t number_of(const struct stanza *s, struct span type, struct span ours,
                          struct span other)
{
    const struct span other_bare = jid_bare_of(other);
    const uint64_t parts[] = {
        map_hash(stanza_root(s)->name),
        map_hash(type),
        map_hash(s->id),
        map_hash(span_make(ours.p, span_index(ours, '@'))),
        map_hash(span_from(ours, jid_bare_of(ours).n)),
        map_hash(other_bare),
    };
    const uint64_t number = map_hash(span_make((const char *)parts, sizeof(parts)));

    return number ? number : 1;
}

void sm_moved_note(struct sm *sm, const struct stanza *s, struct span type, struct span from,
                   struct span to)
{
    struct sm_net *net = sm->net;
    const struct span kind = span_is_empty(type) ? SPAN("normal") : type;
    uint64_t number;

    if (!net || span_index(to, '@') == to.n ||
        !servers_has_other(net->servers, jid_domain_of(to)) || !sm_moved_is_type(s, kind))
        return;
    if (!net->sent)
        net->sent = mem_zalloc(SLOTS * sizeof(*net->sent));
    number = number_of(s, kind, from, to);
    net->sent[number % SLOTS] = number;
}

static bool is_answer(const struct stanza *s)
{
    return span_eq(s->type, SPAN("error")) ||
           (span_eq(s->type, SPAN("result")) && span_eq(stanza_root(s)->name, SPAN("iq")));
}

bool sm_moved_was_sent(const struct sm *sm, const struct stanza *answer)
{
    const uint64_t *sent = sm->net->sent;

    for (size_t i = 0; sent && is_answer(answer) && i < ARRAY_LEN(types); i++) {
        if (!span_eq(stanza_root(answer)->name, types[i].name))
            continue;
        const uint64_t number = number_of(answer, types[i].type, answer->to, answer->from);
        if (sent[number % SLOTS] == number)
            return true;
    }
    return false;
}

/* What asks for presence only, who is allowed to see it may have asked at any time. */
bool sm_moved_take(struct sm *sm, const struct stanza *error, struct span type)
{
    const uint64_t number = number_of(error, type, error->to, error->from);
    uint64_t *slot;

    if (span_eq(type, SPAN("probe")))
        return true;
    if (!sm->net->sent)
        return false;
    slot = &sm->net->sent[number % SLOTS];
    if (*slot != number)
        return false;
    *slot = 0;
    return true;
}
