/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * front - sessions of clients here whose user another instance owns: what the client says goes
 * there, what comes back goes to the client (envelope.c has the words).
 *
 * A front belongs to its session (s->front), which has no user here; user.c hands it over when the
 * claim is refused. When the owner is gone, the session moves (move.c).
 */
#include "c2s/sm/sm_private.h"

#include "tls/crypto.h"

#include <stdlib.h>

#define OWNERS_MAX 3
#define DIRECTED_BYTES 16384 /* of addresses in one word */

struct sm_front {
    struct sm_session *session;
    struct sm_peer *owner; /* NULL: gone */
    char id[17];
};

static void write_state(const struct sm_session *s, struct buf *out)
{
    xml_raw(out, SPAN(" age='"));
    buf_append_u64(out, loop_now(s->sm->loop) - s->since);
    xml_raw(out, SPAN("'"));
    if (s->was[0])
        xml_attr(out, "was", span_of(s->was));
    if (s->is_interested)
        xml_attr(out, "interested", SPAN("true"));
    if (s->has_carbons)
        xml_attr(out, "carbons", SPAN("true"));
    if (s->has_blocklist)
        xml_attr(out, "blocklist", SPAN("true"));
    if (s->push)
        xml_attr(out, "push", span_of(s->push));
}

static bool say_open(struct sm_front *f)
{
    const struct sm_session *s = f->session;
    struct sm *sm = s->sm;
    struct buf *out =
        sm_envelope_begin(sm, f->owner, "open", span_of(f->id), (struct link_done){0});

    if (!out)
        return false;
    xml_attr(out, "jid", s->full);
    if (s->is_moved)
        write_state(s, out);
    if (s->is_moved && s->is_available) {
        xml_raw(out, SPAN("><presence"));
        buf_append(out, buf_span(&s->presence));
        sm_envelope_end_with(sm, out, "open");
    } else {
        sm_envelope_end(sm, out);
    }
    return true;
}

/* Some of them; false: these were the last. */
static bool say_some_directed(struct sm_front *f, size_t *cursor)
{
    const struct sm_session *s = f->session;
    struct span address = sm_presence_next_directed(s, cursor);
    struct buf *out;

    if (span_is_none(address) ||
        !(out = sm_envelope_begin(s->sm, f->owner, "directed", span_of(f->id),
                                  (struct link_done){0})))
        return false;
    xml_raw(out, SPAN(">"));
    for (size_t n = 0; !span_is_none(address); address = sm_presence_next_directed(s, cursor)) {
        xml_raw(out, SPAN("<f:to"));
        xml_attr(out, "jid", address);
        xml_raw(out, SPAN("/>"));
        n += address.n;
        if (n > DIRECTED_BYTES)
            break;
    }
    sm_envelope_end_with(s->sm, out, "directed");
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
    if (!say_open(f)) {
        sm_session_ready(s, STANZA_RESOURCE_CONSTRAINT);
        return;
    }
    size_t cursor = 0;
    while (s->is_moved && say_some_directed(f, &cursor))
        ;
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

struct buf *sm_front_begin(struct sm_session *s, const char *word)
{
    struct sm_front *f = s->front;

    if (!f || !f->owner)
        return NULL;
    return sm_envelope_begin(s->sm, f->owner, word, span_of(f->id), (struct link_done){0});
}

static void say_close(struct sm *sm, const struct sm_peer *owner, struct span id)
{
    struct buf *out = sm_envelope_begin(sm, owner, "close", id, (struct link_done){0});

    if (out)
        sm_envelope_end(sm, out);
}

void sm_front_close(struct sm_session *s)
{
    struct sm_front *f = s->front;

    if (f->owner)
        say_close(s->sm, f->owner, span_of(f->id));
    else
        sm_announce_end(s); /* of whom the owner knew */
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
    sm_move_note(s, stanza);
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
    say_close(sm, peer, id);
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

/* The owner is gone, or serves this session no more. */
static void lose(struct sm_front *f)
{
    struct sm_session *s = f->session;

    if (s->is_gone) {
        lose_owner(f);
        return;
    }
    if (s->state == SM_SESSION_OPEN)
        sm_move_begin(s);
    if (s->state == SM_SESSION_MOVING)
        sm_move_set_was(s, span_of(f->id));
    ask_again(s);
}

/* Also about a front that has been given up meanwhile, of which a stanza comes back. */
void sm_front_on_lost(struct sm *sm, struct span from, struct stanza *e, uint32_t node)
{
    struct span id = stanza_attr(e, node, SPAN("id"));
    struct sm_front *f = map_get(&sm->fronts, id);

    if (f && f->owner && span_eq(sm_peer_name(f->owner), from))
        lose(f);
    if (sm_envelope_content(sm, e, node))
        sm_move_on_returned(sm, id);
}

void sm_front_on_opened(struct sm *sm, struct span from, struct stanza *e, uint32_t node)
{
    struct sm_front *f = find(sm, from, e, node);
    struct span error = stanza_attr(e, node, SPAN("error"));

    if (!f || f->session->state == SM_SESSION_OPEN || !list_is_empty(&f->session->node))
        return;
    if (span_is_none(error)) {
        sm_session_open_front(f->session); /* at once: what comes next is for the client already */
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

    if (!f || f->session->state != SM_SESSION_OPEN) {
        sm_undelivered_output(sm, from, e, node);
        return;
    }
    bool is_missed = f->session->is_away && span_is_none(stanza_attr(e, node, SPAN("away")));
    struct buf *buf = sm_out_begin(sm, f->session, &out);
    if (!out.client)
        sm_undelivered_output(sm, from, e, node);
    for (uint32_t c = stanza_child(e, node, SPAN_NONE, SPAN_NONE); c;
         c = stanza_next(e, c, SPAN_NONE, SPAN_NONE)) {
        size_t at = buf_len(buf);
        stanza_write_node(buf, e, c, SPAN(NS_CLIENT));
        if (is_missed && out.client) /* it has crossed our word that the client is away */
            sm_missed(f->session, span_from(buf_span(buf), at));
        sm_fellows_note(f->session, e, c);
    }
    sm_out_end(&out);
}

void sm_front_kick(struct sm *sm, struct span from, struct stanza *e, uint32_t node)
{
    struct sm_front *f = find(sm, from, e, node);

    if (f && f->session->state != SM_SESSION_OPENING)
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
        lose(f);
    }
}

void sm_front_user_ended(struct sm *sm, struct span name, const char *text)
{
    struct sm_front *f;
    size_t cursor = 0;

    while ((f = map_next(&sm->fronts, &cursor)) != NULL) {
        struct span full = f->session->full;
        if (f->session->state != SM_SESSION_OPENING &&
            span_eq(span_make(full.p, span_index(full, '@')), name))
            sm_session_kick(f->session, STREAM_NOT_AUTHORIZED, text);
    }
}

void sm_front_drop_all(struct sm *sm)
{
    struct sm_front *f;
    size_t cursor = 0;

    while ((f = map_next(&sm->fronts, &cursor)) != NULL) {
        struct sm_session *s = f->session;
        sm_move_drop(s);
        sm_front_forget(s);
        s->client = NULL;
        sm_session_unref(s);
    }
}
