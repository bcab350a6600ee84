/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * own - a command for every user: which of his other sessions shall end, say that of a device that
 * he has lost. The request comes to the instance that owns him, which knows all of them.
 */
#include "c2s/sm/admin/admin.h"

#include <inttypes.h>
#include <stdio.h>

static bool is_other(const struct sm_run *run, const struct sm_session *s)
{
    return s != run->session && !s->is_gone;
}

void sm_own_ask_sessions(struct sm_run *run)
{
    const struct sm_user *user = run->session->user;

    LIST_FOR_EACH (node, &user->sessions) {
        const struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (!is_other(run, s))
            continue;
        buf_append(&run->text, s->resource);
        buf_append_char(&run->text, '\n');
    }
    if (buf_len(&run->text) > 0) {
        sm_run_ask(run, buf_span(&run->text));
        return;
    }
    sm_run_note(run, "info", SPAN_NONE, "You have no other sessions.");
    sm_run_complete(run);
}

void sm_own_end_sessions(struct sm_run *run)
{
    const struct sm_user *user = run->session->user;
    char text[64];
    unsigned ended = 0;

    LIST_FOR_EACH (node, &user->sessions) {
        struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (!is_other(run, s) || !sm_run_has_value(run, "resources", s->resource))
            continue;
        sm_session_kick(s, STREAM_POLICY_VIOLATION, "ended by another session of yours");
        ended++;
    }
    snprintf(text, sizeof(text), "Sessions ended: %u", ended);
    sm_run_note(run, "info", SPAN_NONE, text);
    sm_run_complete(run);
}
