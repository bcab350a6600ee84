/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * filter_drop - what becomes of a stanza that the filter does not let through: the sender hears of
 * it where he may, and who waits for an answer gets one (RFC 6120 8.2.3, 8.3.1).
 *
 * Called by filter.c for what cannot be asked about, and by filter_queue.c for what has waited.
 */
#include "c2s/sm/filter/filter.h"

#include "xmpp/iq.h"

#include <stdio.h>

static bool is_iq(const struct stanza *s)
{
    return span_eq(stanza_root(s)->name, SPAN("iq"));
}

/* Who waits for an answer gets one: an error, which says nothing. */
static void replace_answer(struct sm_filter *f, struct sm_in *in)
{
    const struct stanza *s = in->stanza;
    struct stanza *r = &f->replacement;
    uint32_t error;

    if (s == r)
        return;
    stanza_reset(r);
    stanza_add(r, 0, SPAN(NS_CLIENT), SPAN("iq"));
    stanza_set_attr(r, 0, SPAN("type"), SPAN("error"));
    stanza_set_attr(r, 0, SPAN("id"), s->id);
    stanza_set_attr(r, 0, SPAN("to"), s->to);
    r->from = arena_span(&r->arena, s->from);
    error = stanza_add(r, 0, SPAN_NONE, SPAN("error"));
    stanza_set_attr(r, error, SPAN("type"), SPAN("cancel"));
    stanza_add(r, error, SPAN(NS_STANZA_ERRORS), SPAN("service-unavailable"));
    in->stanza = r;
}

/* For an account that nobody owns: to whom it has blocked it must look as when its user is there,
 * where the list is looked at first. */
struct absent {
    struct sm_task task;   /* first */
    struct span name, who; /* in the request's arena */
    enum stanza_error error;
    char reason[256];
};

static int absent_run(struct db *db, struct store_job *job)
{
    struct absent *a = (struct absent *)(void *)job;

    return sm_account_blocks(a->task.job.sm, db, a->name, a->who) ? 1 : 0;
}

static void absent_done(struct sm_task *task, struct sm_in *in, int result)
{
    const struct absent *a = (const struct absent *)task;

    if (result > 0)
        sm_block_refuse(in);
    else if (result == 0)
        sm_refuse(in, a->error, a->reason[0] ? a->reason : NULL);
    else
        sm_refuse(in, STANZA_INTERNAL_SERVER_ERROR, NULL);
}

static void refuse_absent(struct sm_in *in, enum stanza_error e, const char *reason)
{
    struct absent *a = mem_zalloc(sizeof(*a));

    stanza_copy(&a->task.request, in->stanza);
    a->name = arena_span(&a->task.request.arena, in->to.local);
    a->who = arena_span(&a->task.request.arena, in->stanza->from);
    a->error = e;
    if (reason)
        snprintf(a->reason, sizeof(a->reason), "%s", reason);
    sm_task_submit(in, STORE_READ, &a->task, absent_run, absent_done);
}

bool filter_drop(struct sm_filter *f, struct sm_in *in, enum sm_direction direction,
                 enum stanza_error e, const char *reason)
{
    if (is_iq(in->stanza) && !iq_is_request(in->stanza)) {
        replace_answer(f, in);
        return true;
    }
    if (e == STANZA_ERROR_NONE && is_iq(in->stanza))
        e = STANZA_SERVICE_UNAVAILABLE; /* RFC 6120 8.2.3: each is answered */
    if (e == STANZA_ERROR_NONE)
        return false;
    if (direction == SM_RECEIVING && !sm_in_user(in))
        refuse_absent(in, e, reason);
    else if (direction == SM_SENDING && !span_eq(in->stanza->type, SPAN("error")))
        sm_refuse_always(in, e, reason); /* presence, too: the client sees that it is not told */
    else
        sm_refuse(in, e, reason);
    return false;
}
