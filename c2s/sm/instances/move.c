/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * move - a session whose user changes owners goes on: its client stays connected, and hears and is
 * heard again once the new owner has it.
 *
 * It moves when a front has lost its owner (front.c: the user is claimed again, and served here if
 * that is granted) and when a user's claim has gone to another instance (user.c). It is opened
 * again as any opening is, with what it had: resource, last presence, whom it told that directly,
 * what else it asked for. Meanwhile its client is not read; what comes all the same, and
 * what comes back from an owner that has never got it, is kept in order, up to a bound.
 */
#include "c2s/sm/sm_private.h"

#include <stdlib.h>

struct held {
    struct list_node node;
    struct stanza stanza;
    size_t bytes;
    struct link_done done;
};

static void held_free(struct sm_session *s, struct held *h)
{
    list_remove(&h->node);
    s->held_bytes -= h->bytes;
    s->sm->held_bytes -= h->bytes;
    stanza_free(&h->stanza);
    free(h);
}

static struct held *first_held(const struct sm_session *s)
{
    return list_is_empty(&s->held) ? NULL : CONTAINER_OF(s->held.next, struct held, node);
}

static void hold_client(struct sm_session *s, bool is_held)
{
    if (s->is_held == is_held || !s->client || !s->client->ops->hold)
        return;
    s->is_held = is_held;
    s->client->ops->hold(s->client, is_held);
}

void sm_move_begin(struct sm_session *s)
{
    LOG(LOG_INFO, "sm.moving", F_SPAN("jid", s->full));
    s->is_moved = true;
    s->owners_asked = 0;
    sm_fellows_miss(s);
    sm_session_reopen(s);
    hold_client(s, true);
}

void sm_move_arrive(struct sm_session *s)
{
    s->is_moved = false;
    sm_fellows_wait(s);
    if (s->user) {
        sm_presence_resume(s);
        sm_pep_resumed(s);
    }
    sm_full_tell(s);
    sm_push_tell(s);
    list_append(&s->sm->arrived, &s->arrival);
}

static void go_on(struct sm_session *s)
{
    struct held *h;

    while ((h = first_held(s)) != NULL) {
        sm_input(s, &h->stanza, h->done);
        held_free(s, h);
    }
    hold_client(s, false);
}

void sm_move_go_on(struct sm *sm)
{
    while (!list_is_empty(&sm->arrived)) {
        struct sm_session *s = CONTAINER_OF(sm->arrived.next, struct sm_session, arrival);
        list_remove(&s->arrival);
        go_on(s);
    }
}

static void drop_held(struct sm_session *s)
{
    struct held *h;

    while ((h = first_held(s)) != NULL) {
        struct link_done done = h->done;
        held_free(s, h);
        sm_done(done, false);
    }
}

void sm_move_fail(struct sm_session *s, enum stanza_error e)
{
    drop_held(s);
    if (e == STANZA_CONFLICT)
        s->is_available = false; /* who has its address now is */
    sm_session_kick(s, e == STANZA_CONFLICT ? STREAM_CONFLICT : STREAM_RESET,
                    e == STANZA_CONFLICT ? "replaced by a new session"
                                         : "the server of your account has gone");
    hold_client(s, false);
}

void sm_move_input(struct sm_session *s, struct stanza *stanza, struct link_done done)
{
    struct sm *sm = s->sm;
    struct sm_in in = {.sm = sm, .session = s, .stanza = stanza};

    if (s->is_gone) {
        sm_done(done, false);
        return;
    }
    struct held *h = mem_zalloc(sizeof(*h));
    stanza_copy(&h->stanza, stanza);
    h->done = done;
    h->bytes = sizeof(*h) + arena_held(&h->stanza.arena) +
               h->stanza.node_cap * sizeof(struct stanza_node) +
               h->stanza.attr_cap * sizeof(struct stanza_attr);
    s->held_bytes += h->bytes;
    sm->held_bytes += h->bytes;
    list_append(&s->held, &h->node);
    if (s->held_bytes <= SM_MAX_HELD_BYTES && sm->held_bytes <= SM_MAX_ALL_HELD_BYTES)
        return;
    held_free(s, h);
    stanza->from = s->full;
    sm_refuse(&in, STANZA_RESOURCE_CONSTRAINT, "too much at the moment");
    sm_done(done, true);
}

/* --- the id that it had --- */

static void forget_was(struct sm_session *s)
{
    if (s->was[0])
        map_remove(&s->sm->moved, span_of(s->was));
    s->was[0] = '\0';
}

void sm_move_set_was(struct sm_session *s, struct span id)
{
    forget_was(s);
    if (id.n >= sizeof(s->was))
        return;
    memcpy(s->was, id.p, id.n);
    s->was[id.n] = '\0';
    map_put(&s->sm->moved, span_of(s->was), s);
}

void sm_move_on_returned(struct sm *sm, struct span id)
{
    struct sm_session *s = map_get(&sm->moved, id);

    if (s)
        sm_input(s, &sm->content, (struct link_done){0});
}

void sm_move_drop(struct sm_session *s)
{
    list_remove(&s->arrival);
    drop_held(s);
    forget_was(s);
    sm_fellows_free(s);
}

/* --- what it had --- */

/* What it has asked its account for, and goes on getting. */
static const struct {
    struct span type, ns, name;
    size_t mark; /* a bool of the session */
    bool value;
} wishes[] = {
    {SPAN_INIT("get"), SPAN_INIT(NS_ROSTER), SPAN_INIT("query"),
     offsetof(struct sm_session, is_interested), true},
    {SPAN_INIT("set"), SPAN_INIT(NS_CARBONS), SPAN_INIT("enable"),
     offsetof(struct sm_session, has_carbons), true},
    {SPAN_INIT("set"), SPAN_INIT(NS_CARBONS), SPAN_INIT("disable"),
     offsetof(struct sm_session, has_carbons), false},
    {SPAN_INIT("get"), SPAN_INIT(NS_BLOCKING), SPAN_INIT("blocklist"),
     offsetof(struct sm_session, has_blocklist), true},
};

static void note_wish(struct sm_session *s, const struct stanza *stanza)
{
    if (!span_eq(stanza_root(stanza)->name, SPAN("iq")) ||
        (!span_is_none(stanza->to) && !span_eq(stanza->to, s->bare)))
        return;
    for (size_t i = 0; i < ARRAY_LEN(wishes); i++) {
        if (span_eq(stanza->type, wishes[i].type) &&
            stanza_child(stanza, 0, wishes[i].ns, wishes[i].name))
            *(bool *)((char *)s + wishes[i].mark) = wishes[i].value;
    }
    sm_push_note_request(s, stanza);
}

void sm_move_note(struct sm_session *s, struct stanza *stanza)
{
    struct sm_in in = {.sm = s->sm, .session = s, .stanza = stanza};

    if (span_eq(stanza_root(stanza)->name, SPAN("presence"))) {
        if (sm_in_clean(&in))
            sm_presence_note(&in);
    } else {
        note_wish(s, stanza);
    }
}
