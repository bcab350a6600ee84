/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest - the owner's side of front.c: a client of another instance is one more sm_client, whose
 * output goes there in envelopes, one a tick.
 */
#include "c2s/sm/sm_private.h"

#include <stdlib.h>

#define ID_MAX_BYTES 64

struct sm_guest {
    struct sm_client client; /* first */
    struct sm *sm;
    struct sm_peer *front;
    struct sm_session *session; /* NULL while opening */
    struct deferred flush;
    struct buf out;
    enum stream_error kicked;
    bool is_over;
    struct span key, id; /* in text: "instance/id" */
    char text[];
};

/* The link takes nothing: the session is ended, as any whose queue is full. */
static void flush(void *ctx)
{
    struct sm_guest *g = ctx;

    if (buf_len(&g->out) == 0)
        return;
    struct buf *out =
        sm_envelope_begin(g->sm, g->front, "output", g->id, (struct link_done){0});
    if (out) {
        if (g->session && g->session->is_away)
            xml_attr(out, "away", SPAN("true"));
        xml_raw(out, SPAN(">"));
        buf_append(out, buf_span(&g->out));
        sm_envelope_end_with(g->sm, out, "output");
    }
    buf_clear(&g->out);
    if (!out && g->session)
        sm_session_kick(g->session, STREAM_RESOURCE_CONSTRAINT, NULL);
}

static void guest_free(struct sm_guest *g)
{
    loop_defer_cancel(&g->flush);
    map_remove(&g->sm->guests, g->key);
    sm_peer_put(g->sm, g->front);
    buf_free(&g->out);
    free(g);
}

/* --- what the session manager does to a client --- */

static struct buf *guest_begin(struct sm_client *c)
{
    struct sm_guest *g = (struct sm_guest *)c;

    return g->is_over || !g->sm->link ? NULL : &g->out;
}

static void guest_end(struct sm_client *c)
{
    struct sm_guest *g = (struct sm_guest *)c;

    loop_defer(g->sm->loop, &g->flush);
}

static size_t guest_backlog(const struct sm_client *c)
{
    return buf_len(&((const struct sm_guest *)c)->out);
}

static void say_kick(struct sm_guest *g)
{
    struct buf *out = sm_envelope_begin(g->sm, g->front, "kick", g->id, (struct link_done){0});

    if (!out)
        return;
    xml_attr(out, "condition", span_of(stream_error_name(g->kicked)));
    sm_envelope_end(g->sm, out);
}

static void guest_kick(struct sm_client *c, enum stream_error e, const char *text)
{
    struct sm_guest *g = (struct sm_guest *)c;

    (void)text;
    if (g->is_over)
        return;
    flush(g);
    g->is_over = true;
    g->kicked = e;
    say_kick(g);
}

static void answer(struct sm *sm, const struct sm_peer *front, struct span id, enum stanza_error e)
{
    struct buf *out = sm_envelope_begin(sm, front, "opened", id, (struct link_done){0});

    if (!out)
        return;
    if (e != STANZA_ERROR_NONE)
        xml_attr(out, "error", span_of(stanza_error_name(e)));
    sm_envelope_end(sm, out);
}

static void guest_opened(struct sm_client *c, struct sm_session *session, struct span full_jid,
                         enum stanza_error e, const char *text)
{
    struct sm_guest *g = (struct sm_guest *)c;

    (void)full_jid, (void)text;
    g->session = session;
    answer(g->sm, g->front, g->id, e);
    if (e != STANZA_ERROR_NONE)
        guest_free(g);
}

static const struct sm_client_ops guest_ops = {
    .begin = guest_begin,
    .end = guest_end,
    .backlog = guest_backlog,
    .kick = guest_kick,
    .opened = guest_opened,
};

bool sm_is_guest(const struct sm_client *c)
{
    return c->ops == &guest_ops;
}

/* --- the words of the front --- */

static struct sm_guest *find(struct sm *sm, struct span from, struct span id)
{
    struct buf *key = &sm->scratch;

    buf_clear(key);
    buf_append(key, from);
    buf_append_char(key, '/');
    buf_append(key, id);
    return map_get(&sm->guests, buf_span(key));
}

static struct sm_guest *guest_new(struct sm *sm, struct sm_peer *front, struct span id)
{
    struct span name = sm_peer_name(front);
    struct sm_guest *g = mem_zalloc(sizeof(*g) + name.n + 1 + id.n);

    memcpy(g->text, name.p, name.n);
    g->text[name.n] = '/';
    memcpy(g->text + name.n + 1, id.p, id.n);
    g->key = span_make(g->text, name.n + 1 + id.n);
    g->id = span_from(g->key, name.n + 1);
    g->client.ops = &guest_ops;
    g->sm = sm;
    g->front = front;
    g->flush.call = flush;
    g->flush.ctx = g;
    map_put(&sm->guests, g->key, g);
    return g;
}

static void end(struct sm_guest *g);

/* It goes on elsewhere, or in another guest: nobody is told that it went. */
static void end_silently(struct sm_guest *g)
{
    if (g->session)
        sm_presence_forget(g->session);
    end(g);
}

/* The same client has been here before, and we have not noticed that it had left. */
static void drop_former(struct sm *sm, struct span from, struct span was)
{
    struct sm_guest *g = span_is_none(was) ? NULL : find(sm, from, was);

    if (g)
        end_silently(g);
}

/* What the session had elsewhere; after sm_open, whose answer is still to come. */
static void take_state(struct sm_guest *g, struct stanza *e, uint32_t node)
{
    struct sm_session *s = sm_session_opening(g->sm, &g->client);
    struct sm_in in = {.sm = g->sm, .session = s, .stanza = &g->sm->content};
    uint64_t age;

    if (!s || !span_to_u64(stanza_attr(e, node, SPAN("age")), s->since, &age))
        return;
    s->is_moved = true;
    s->since -= age;
    s->is_interested = span_eq(stanza_attr(e, node, SPAN("interested")), SPAN("true"));
    s->has_carbons = span_eq(stanza_attr(e, node, SPAN("carbons")), SPAN("true"));
    s->has_blocklist = span_eq(stanza_attr(e, node, SPAN("blocklist")), SPAN("true"));
    sm_push_take_key(s, stanza_attr(e, node, SPAN("push")));
    if (sm_envelope_content(g->sm, e, node) && sm_in_clean(&in))
        sm_presence_note(&in);
}

void sm_guest_open(struct sm *sm, struct span from, struct stanza *e, uint32_t node)
{
    struct span id = stanza_attr(e, node, SPAN("id"));
    struct sm_peer *front;
    struct jid_scratch scratch;
    struct jid jid;

    if (span_is_empty(id) || id.n > ID_MAX_BYTES || find(sm, from, id))
        return;
    front = sm_peer_get(sm, from);
    if (!jid_parse(stanza_attr(e, node, SPAN("jid")), &jid, &scratch) || jid_is_bare(&jid) ||
        span_is_none(jid.local) || !sm_is_local_domain(sm, jid.domain) ||
        !sm_user_owned(sm, jid.local)) {
        answer(sm, front, id, SM_NOT_OWNER);
        sm_peer_put(sm, front);
        return;
    }
    struct sm_guest *g = guest_new(sm, front, id);
    sm_open(sm, &g->client, jid.local, jid.domain, jid.resource);
    take_state(g, e, node);
    drop_former(sm, from, stanza_attr(e, node, SPAN("was")));
}

static struct sm_session *session_of(const struct sm_guest *g)
{
    return g->session ? g->session : sm_session_opening(g->sm, &g->client);
}

void sm_guest_directed(struct sm *sm, struct span from, struct stanza *e, uint32_t node)
{
    struct sm_guest *g = find(sm, from, stanza_attr(e, node, SPAN("id")));
    struct sm_session *s = g && !g->is_over ? session_of(g) : NULL;
    struct jid_scratch scratch;
    struct jid jid;

    if (!s)
        return;
    for (uint32_t to = stanza_child(e, node, SPAN(NS_FRONT), SPAN("to")); to;
         to = stanza_next(e, to, SPAN(NS_FRONT), SPAN("to"))) {
        if (jid_parse(stanza_attr(e, to, SPAN("jid")), &jid, &scratch))
            sm_presence_remember_directed(s, jid.full);
    }
}

struct sm_session *sm_guest_session(struct sm *sm, struct span from, const struct stanza *e,
                                    uint32_t node)
{
    struct sm_guest *g = find(sm, from, stanza_attr(e, node, SPAN("id")));

    return g ? session_of(g) : NULL;
}

void sm_guest_flush(struct sm_session *s)
{
    flush(CONTAINER_OF(s->client, struct sm_guest, client));
}

/* Its front believes in a session that ended while it could not be told. */
static void deny(struct sm *sm, struct span from, struct span id, const struct stanza *e,
                 uint32_t child)
{
    struct sm_peer *front = sm_peer_get(sm, from);
    struct buf *out = sm_envelope_begin(sm, front, "lost", id, (struct link_done){0});

    if (out) {
        xml_raw(out, SPAN(">"));
        if (child)
            stanza_write_node(out, e, child, SPAN(NS_CLIENT));
        sm_envelope_end_with(sm, out, "lost");
    }
    sm_peer_put(sm, front);
}

void sm_guest_input(struct sm *sm, struct span from, struct stanza *e, uint32_t node)
{
    struct span id = stanza_attr(e, node, SPAN("id"));
    struct sm_guest *g = find(sm, from, id);
    uint32_t child = stanza_child(e, node, SPAN(NS_CLIENT), SPAN_NONE);

    if (!g)
        deny(sm, from, id, e, child);
    if (!g || !g->session || !child)
        return;
    if (g->is_over) { /* it has not heard: the link may have been full */
        say_kick(g);
        return;
    }
    sm_envelope_content(sm, e, node);
    sm_input(g->session, &sm->content, (struct link_done){0});
}

static void end(struct sm_guest *g)
{
    struct sm_session *session = g->session;

    g->is_over = true;
    g->session = NULL;
    if (session)
        sm_close(session);
    else
        sm_open_cancel(g->sm, &g->client);
    guest_free(g);
}

void sm_guest_close(struct sm *sm, struct span from, struct stanza *e, uint32_t node)
{
    struct sm_guest *g = find(sm, from, stanza_attr(e, node, SPAN("id")));

    if (g)
        end(g);
}

/* Behind it come its last words that are under way, and which deny() sends back, too. */
void sm_guest_return(struct sm_session *s, struct stanza *stanza, struct link_done done)
{
    struct sm_guest *g = (struct sm_guest *)s->client;
    struct buf *out = sm_envelope_begin(g->sm, g->front, "lost", g->id, (struct link_done){0});

    if (out) {
        xml_raw(out, SPAN(">"));
        stanza_write_node(out, stanza, 0, SPAN(NS_CLIENT));
        sm_envelope_end_with(g->sm, out, "lost");
    } else {
        LOG(LOG_WARN, "sm.guest_lost_stanza", F_SPAN("jid", s->full));
    }
    sm_done(done, out != NULL);
}

static void say_lost(struct sm_guest *g)
{
    if (!g->session) {
        answer(g->sm, g->front, g->id, SM_NOT_OWNER);
        return;
    }
    flush(g);
    struct buf *out = sm_envelope_begin(g->sm, g->front, "lost", g->id, (struct link_done){0});
    if (out)
        sm_envelope_end(g->sm, out);
}

void sm_guest_lose(struct sm_client *c)
{
    struct sm_guest *g = (struct sm_guest *)c;

    say_lost(g);
    guest_free(g);
}

/* Our link is gone, not the front, which may not even notice: it is told when the link is back.
 * The user's other clients here are told that this one is away, as for us it is; contacts, and whom
 * it told directly, will hear from its next owner. */
static void lose_front(struct sm_guest *g)
{
    if (!g->is_over) {
        say_lost(g);
        if (g->session) {
            sm_presence_forget_directed(g->session);
            g->session->is_moved = true;
        }
    }
    end(g);
}

void sm_guest_peer_down(struct sm *sm, struct span instance)
{
    struct sm_guest *g;
    size_t cursor = 0;

    while ((g = map_next(&sm->guests, &cursor)) != NULL) {
        if (span_is_none(instance))
            lose_front(g);
        else if (span_eq(sm_peer_name(g->front), instance))
            end(g);
    }
}
