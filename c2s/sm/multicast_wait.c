/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * multicast_wait - messages to many that wait until it is known at which servers of the network
 * their recipients are at home: so that each server gets one copy, and not one for each of its
 * users.
 *
 * Who has not been found in MULTICAST_WAIT_MS is sent to alone, and waited for there
 * (network/edge.c). What a session says after that to many waits behind it. Called by multicast.c;
 * a message goes back to it, or to where its session has moved to.
 */
#include "c2s/sm/multicast.h"

#include <stdlib.h>

struct wait {
    struct list_node node; /* of sm_multicast.waits */
    struct sm *sm;
    struct sm_session *session; /* NULL: it has gone on; only look-ups are under way */
    struct stanza stanza;
    struct buf to; /* in->to */
    struct link_done done;
    struct timer deadline;
    size_t asked; /* look-ups under way */
    size_t bytes;
    bool is_late;
};

static void wait_free(struct wait *w)
{
    list_remove(&w->node);
    timer_stop(&w->deadline);
    stanza_free(&w->stanza);
    buf_free(&w->to);
    free(w);
}

/* Its session is free; what is left goes with the last look-up. */
static struct sm_session *leave(struct wait *w)
{
    struct sm_session *session = w->session;

    session->sm->multicast->wait_bytes -= w->bytes;
    session->unresolved_bytes -= w->bytes;
    session->unresolved--;
    w->session = NULL;
    timer_stop(&w->deadline);
    return session;
}

static void settle(struct wait *w)
{
    if (!w->session && w->asked == 0)
        wait_free(w);
}

static void go_on(struct wait *w)
{
    struct sm_session *session = leave(w);
    struct sm_in in = {
        .sm = w->sm,
        .session = session,
        .stanza = &w->stanza,
        .done = w->done,
    };
    struct jid_scratch scratch SM_HOT;

    jid_parse(buf_span(&w->to), &in.to, &scratch);
    sm_multicast_go_on(&in);
    sm_done(in.done, true);
    settle(w);
    sm_session_drained(session); /* it may have waited for this to end */
    sm_session_unref(session);
}

/* The first one of that session that still waits; NULL: none. */
static struct wait *first_of(const struct sm_multicast *m, const struct sm_session *session)
{
    LIST_FOR_EACH (node, &m->waits) {
        struct wait *w = CONTAINER_OF(node, struct wait, node);
        if (w->session == session)
            return w;
    }
    return NULL;
}

/* All that need not wait any more, in their order. */
static void release(struct sm_multicast *m, struct sm_session *session)
{
    struct wait *w;

    sm_session_ref(session);
    while ((w = first_of(m, session)) != NULL && (w->asked == 0 || w->is_late))
        go_on(w);
    sm_session_unref(session);
}

static void on_deadline(void *ctx)
{
    struct wait *w = ctx;

    w->is_late = true;
    release(w->sm->multicast, w->session);
}

static void on_home(void *ctx, const struct sm_home *home)
{
    struct wait *w = ctx;

    (void)home; /* it is in the cache, or he is sent to alone */
    w->asked--;
    if (w->asked == 0 && w->session)
        release(w->sm->multicast, w->session);
    else
        settle(w);
}

static size_t weight_of(const struct stanza *s)
{
    return sizeof(struct wait) + arena_held(&s->arena) +
           s->node_cap * sizeof(struct stanza_node) + s->attr_cap * sizeof(struct stanza_attr);
}

static struct wait *wait_new(struct sm_in *in)
{
    struct sm_multicast *m = sm_multicast_of(in->sm);
    struct wait *w = mem_zalloc(sizeof(*w));

    w->sm = in->sm;
    w->session = sm_session_ref(in->session);
    stanza_copy(&w->stanza, in->stanza);
    w->stanza.from = arena_span(&w->stanza.arena, in->stanza->from);
    buf_append(&w->to, in->to.full);
    w->bytes = weight_of(&w->stanza);
    m->wait_bytes += w->bytes;
    w->session->unresolved_bytes += w->bytes;
    w->session->unresolved++;
    list_append(&m->waits, &w->node);
    return w;
}

static bool has_room(const struct wait *w)
{
    return w->session->unresolved_bytes <= SM_MAX_HELD_BYTES &&
           w->sm->multicast->wait_bytes <= SM_MAX_ALL_HELD_BYTES;
}

/* One that cannot wait is refused: on its own it would overtake what does. */
bool sm_multicast_wait(struct sm_in *in, const struct span *unknown, size_t count)
{
    struct sm_multicast *m = in->sm->multicast;
    struct wait *w;

    if (!in->session || (count == 0 && (!m || !first_of(m, in->session))))
        return false;
    w = wait_new(in);
    if (!has_room(w)) {
        sm_session_unref(leave(w));
        settle(w);
        sm_refuse(in, STANZA_RESOURCE_CONSTRAINT, "too much at the moment");
        return true;
    }
    w->done = sm_in_take_done(in);
    for (size_t i = 0; i < count; i++)
        w->asked += sm_home_ask(in->sm, unknown[i], on_home, w);
    if (w->asked == 0)
        w->is_late = true;
    timer_start(&w->deadline, in->sm->loop, w->is_late ? 0 : MULTICAST_WAIT_MS, on_deadline, w);
    return true;
}

void sm_multicast_give_back(struct sm_session *s, void (*take)(struct sm_session *s,
                                                               struct stanza *st,
                                                               struct link_done done))
{
    struct wait *w;

    if (s->unresolved == 0 || !s->sm->multicast)
        return;
    while ((w = first_of(s->sm->multicast, s)) != NULL) {
        leave(w);
        take(s, &w->stanza, w->done);
        settle(w);
        sm_session_unref(s);
    }
}

void sm_multicast_waits_free(struct sm_multicast *m)
{
    LIST_FOR_EACH (node, &m->waits) {
        struct wait *w = CONTAINER_OF(node, struct wait, node);
        struct sm_session *session = w->session;
        const struct link_done done = session ? w->done : (struct link_done){0};
        if (session)
            sm_session_unref(leave(w));
        wait_free(w);
        sm_done(done, false);
    }
}
