/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pace - a client that changes its presence faster than this is heard a little later, and of what
 * it said meanwhile only the last: each change goes to all of its contacts.
 *
 * Called by presence.c for what is to be broadcast. What waits belongs to the session.
 */
#include "c2s/sm/contacts/contacts.h"

#include <stdlib.h>

struct sm_pace {
    struct sm_session *session;
    struct stanza stanza;
    struct timer timer;
};

/* It goes in again as if it had just been said: the session may have moved. */
static void on_time(void *ctx)
{
    struct sm_pace *pace = ctx;
    struct sm_session *s = pace->session;

    s->pace = NULL;
    sm_input(s, &pace->stanza, (struct link_done){0});
    stanza_free(&pace->stanza);
    free(pace);
}

bool sm_pace_defers(struct sm_in *in)
{
    struct sm_session *s = in->session;
    struct loop *loop = in->sm->loop;

    if (s->presences.burst == 0)
        rate_init(&s->presences, in->sm->opts.presence_rate, in->sm->opts.presence_burst,
                  loop_now(loop));
    if (!s->pace) {
        uint64_t wait = rate_take(&s->presences, 1, loop_now(loop));
        if (wait == 0)
            return false;
        s->pace = mem_zalloc(sizeof(*s->pace));
        s->pace->session = s;
        timer_start(&s->pace->timer, loop, wait, on_time, s->pace);
    }
    stanza_copy(&s->pace->stanza, in->stanza);
    return true;
}

void sm_pace_forget(struct sm_session *s)
{
    if (!s->pace)
        return;
    timer_stop(&s->pace->timer);
    stanza_free(&s->pace->stanza);
    free(s->pace);
    s->pace = NULL;
}
