/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * front - sessions of clients here whose user another instance owns: what the client says goes
 * there, what comes back goes to the client (envelope.c has the words).
 *
 * A front belongs to its session (s->front), which has no user here; user.c hands it over when the
 * claim is refused. When the owner is gone the client is sent away, to come back and be claimed.
 */
#include "c2s/sm/sm_private.h"

#include "tls/crypto.h"

#include <stdlib.h>

#define OWNERS_MAX 3

struct sm_front {
    struct sm_session *session;
    struct sm_peer *owner; /* NULL: gone */
    char id[17];
};

/* Says one word without content; false when the link takes nothing. */
static bool say(struct sm_front *f, const char *word, struct span jid)
{
    struct sm *sm = f->session->sm;
    struct buf *out = sm_envelope_begin(sm, f->owner, word, span_of(f->id), (struct link_done){0});

    if (!out)
        return false;
    xml_attr(out, "jid", jid);
    sm_envelope_end(sm, out);
    return true;
}

void sm_front_open(struct sm_session *s, struct span owner)
{
    struct sm_front *f = mem_zalloc(sizeof(*f));

    f->session = s;
    f->owner = sm_peer_get(s->sm, owner);
    crypto_random_hex(f->id, 8);
    s->front = f;
    map_put(&s->sm->fronts, span_of(f->id), f);
    if (!say(f, "open", s->full))
        sm_session_ready(s, STANZA_RESOURCE_CONSTRAINT);
}

static void lose_owner(struct sm_front *f)
{
    if (f->owner)
        sm_peer_put(f->session->sm, f->owner);
    f->owner = NULL;
}

void sm_front_forget(struct sm_session *s)
{
    struct sm_front *f = s->front;

    lose_owner(f);
    map_remove(&s->sm->fronts, span_of(f->id));
    s->front = NULL;
    free(f);
}

void sm_front_close(struct sm_session *s)
{
    if (s->front->owner)
        say(s->front, "close", SPAN_NONE);
    sm_front_forget(s);
}

void sm_front_input(struct sm_session *s, struct stanza *stanza, struct link_done done)
{
    struct sm_front *f = s->front;
    struct buf *out;

    if (!f->owner || s->is_gone) {
        sm_done(done, false);
        return;
    }
    out = sm_envelope_begin(s->sm, f->owner, "input", span_of(f->id), done);
    if (!out) { /* done has been called */
        sm_session_kick(s, STREAM_RESOURCE_CONSTRAINT, NULL);
        return;
    }
    xml_raw(out, SPAN(">"));
    stanza_write_node(out, stanza, 0, SPAN(NS_CLIENT));
    sm_envelope_end_with(s->sm, out, "input");
}

/* NULL, and the owner is told, when there is no such session (any more). */
static struct sm_front *find(struct sm *sm, struct span from, const struct stanza *e, uint32_t node)
{
    struct span id = stanza_attr(e, node, SPAN("id"));
    struct sm_front *f = map_get(&sm->fronts, id);

    if (f && f->owner && span_eq(sm_peer_name(f->owner), from))
        return f;
    struct sm_peer *peer = sm_peer_get(sm, from);
    struct buf *out = sm_envelope_begin(sm, peer, "close", id, (struct link_done){0});
    if (out)
        sm_envelope_end(sm, out);
    sm_peer_put(sm, peer);
    return NULL;
}

/* The owner is one no more: the router knows who is. Not for ever, lest two send us round. */
static void ask_again(struct sm_session *s)
{
    sm_front_forget(s);
    if (++s->owners_asked > OWNERS_MAX)
        sm_session_ready(s, STANZA_RESOURCE_CONSTRAINT);
    else
        sm_session_claim(s, span_make(s->bare.p, span_index(s->bare, '@')));
}

void sm_front_on_opened(struct sm *sm, struct span from, struct stanza *e, uint32_t node)
{
    struct sm_front *f = find(sm, from, e, node);
    struct span error = stanza_attr(e, node, SPAN("error"));

    if (!f || f->session->state != SM_SESSION_OPENING || !list_is_empty(&f->session->node))
        return;
    if (span_is_none(error)) {
        sm_session_ready(f->session, STANZA_ERROR_NONE);
        return;
    }
    enum stanza_error cause = stanza_error_parse(error);
    if (cause == SM_NOT_OWNER)
        ask_again(f->session);
    else
        sm_session_ready(f->session,
                         cause == STANZA_ERROR_NONE ? STANZA_UNDEFINED_CONDITION : cause);
}

void sm_front_output(struct sm *sm, struct span from, struct stanza *e, uint32_t node)
{
    struct sm_front *f = find(sm, from, e, node);
    struct sm_out out;

    if (!f || f->session->state != SM_SESSION_OPEN)
        return;
    struct buf *buf = sm_out_begin(sm, f->session, &out);
    for (uint32_t c = stanza_child(e, node, SPAN_NONE, SPAN_NONE); c;
         c = stanza_next(e, c, SPAN_NONE, SPAN_NONE))
        stanza_write_node(buf, e, c, SPAN(NS_CLIENT));
    sm_out_end(&out);
}

void sm_front_kick(struct sm *sm, struct span from, struct stanza *e, uint32_t node)
{
    struct sm_front *f = find(sm, from, e, node);

    if (f && f->session->state == SM_SESSION_OPEN)
        sm_session_kick(f->session, stream_error_parse(stanza_attr(e, node, SPAN("condition"))),
                        NULL);
}

void sm_front_peer_down(struct sm *sm, struct span instance)
{
    struct sm_front *f;
    size_t cursor = 0;

    while ((f = map_next(&sm->fronts, &cursor)) != NULL) {
        if (!f->owner ||
            (!span_is_none(instance) && !span_eq(sm_peer_name(f->owner), instance)))
            continue;
        lose_owner(f);
        if (f->session->state == SM_SESSION_OPEN)
            sm_session_kick(f->session, STREAM_RESET, "the server of your account has gone");
        else
            ask_again(f->session);
    }
}

void sm_front_user_deleted(struct sm *sm, struct span name)
{
    struct sm_front *f;
    size_t cursor = 0;

    while ((f = map_next(&sm->fronts, &cursor)) != NULL) {
        struct span full = f->session->full;
        if (f->session->state == SM_SESSION_OPEN &&
            span_eq(span_make(full.p, span_index(full, '@')), name))
            sm_session_kick(f->session, STREAM_NOT_AUTHORIZED, "account deleted");
    }
}

void sm_front_drop_all(struct sm *sm)
{
    struct sm_front *f;
    size_t cursor = 0;

    while ((f = map_next(&sm->fronts, &cursor)) != NULL) {
        struct sm_session *s = f->session;
        sm_front_forget(s);
        s->client = NULL;
        sm_session_unref(s);
    }
}
