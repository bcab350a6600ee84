/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * managed - actors that use stream management (XEP-0198) with resumption.
 */
#include "play.h"

#include <stdio.h>

bool managed_begin(struct play *p, struct actor *a)
{
    static const char before[] = "<enabled xmlns='urn:xmpp:sm:3' id='";
    actor_say(a, SPAN("<enable xmlns='urn:xmpp:sm:3' resume='true'/>"));
    struct span heard = buf_span(&a->heard);
    const char *id = heard.n ? memmem(heard.p, heard.n, before, sizeof before - 1) : NULL;
    if (!id)
        return play_fail(p, "not enabled", SPAN_NONE, heard);
    struct span rest = span_from(heard, (size_t)(id - heard.p) + sizeof before - 1);
    snprintf(a->managed_id, sizeof a->managed_id, "%.*s", (int)span_index(rest, '\''), rest.p);
    return play_hears(p, a, SPAN("...<enabled ...>"));
}

bool managed_resume(struct play *p, struct actor *a, struct span h, size_t number)
{
    struct buf out = {0};
    if (!actor_connect(a, number, true))
        return play_fail(p, "no such c2s", h, SPAN_NONE);
    if (!play_authenticates(p, a, span_of(a->user), SPAN("")))
        return false;
    buf_printf(&out, "<resume xmlns='urn:xmpp:sm:3' previd='%s' h='%.*s'/>", a->managed_id,
               SPAN_ARG(h));
    actor_say(a, buf_span(&out));
    buf_free(&out);
    return true;
}
