/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fellows - the user's other resources that a fronted client has been told of.
 *
 * When the owner dies, those that were connected to it die with it, and nobody is left to say so.
 * So each front remembers whom its client takes for available (front.c shows it what passes), and
 * some time after its session has moved (move.c), when all that live must have been seen again, it
 * says who has not.
 */
#include "c2s/sm/sm_private.h"

#include <stdlib.h>

#define FELLOWS_MAX 100
/* Twice the time after which a front notices the death of an owner. */
#define WAIT_MS 20000

struct fellow {
    bool is_missing;
    size_t n;
    char full[];
};

struct sm_fellows {
    struct sm_session *session;
    struct map all; /* full JID -> struct fellow */
    struct timer wait;
};

static void forget(struct sm_fellows *f, struct span full)
{
    free(map_remove(&f->all, full));
}

static void remember(struct sm_fellows *f, struct span full)
{
    struct fellow *fellow = map_get(&f->all, full);

    if (!fellow) {
        if (f->all.count == FELLOWS_MAX)
            return;
        fellow = mem_zalloc(sizeof(*fellow) + full.n);
        memcpy(fellow->full, full.p, full.n);
        fellow->n = full.n;
        map_put(&f->all, span_make(fellow->full, fellow->n), fellow);
    }
    fellow->is_missing = false;
}

/* A resource of the same user, other than s. */
static bool is_fellow(const struct sm_session *s, struct span full)
{
    size_t at = span_index(full, '@');

    return at < full.n && span_index(full, '/') < full.n && !span_eq(full, s->full) &&
           span_eq(span_make(full.p, at), span_make(s->bare.p, span_index(s->bare, '@'))) &&
           sm_is_local_domain(s->sm, jid_domain_of(full));
}

void sm_fellows_note(struct sm_session *s, const struct stanza *e, uint32_t node)
{
    struct span full = stanza_attr(e, node, SPAN("from"));
    struct span type = stanza_attr(e, node, SPAN("type"));

    if (!span_eq(e->nodes[node].name, SPAN("presence")) || !is_fellow(s, full))
        return;
    if (!s->fellows) {
        s->fellows = mem_zalloc(sizeof(*s->fellows));
        s->fellows->session = s;
    }
    if (span_is_none(type))
        remember(s->fellows, full);
    else if (span_eq(type, SPAN("unavailable")))
        forget(s->fellows, full);
}

void sm_fellows_miss(struct sm_session *s)
{
    struct fellow *fellow;
    size_t cursor = 0;

    if (!s->fellows)
        return;
    timer_stop(&s->fellows->wait);
    while ((fellow = map_next(&s->fellows->all, &cursor)) != NULL)
        fellow->is_missing = true;
}

static void say_gone(struct sm_session *s, struct span full)
{
    struct sm_out out;
    struct buf *buf = sm_out_begin(s->sm, s, &out);

    xml_raw(buf, SPAN("<presence type='unavailable'"));
    xml_attr(buf, "from", full);
    xml_attr(buf, "to", s->full);
    xml_raw(buf, SPAN("/>"));
    sm_out_end(&out);
}

static bool is_here(const struct sm_user *user, struct span full)
{
    const struct sm_session *s =
        sm_user_session(user, span_from(full, span_index(full, '/') + 1));

    return s && s->is_available && span_eq(s->full, full);
}

/* Served here, the client is told of all others by presence.c: there is nothing more to note. */
static void on_wait(void *ctx)
{
    struct sm_fellows *f = ctx;
    struct sm_session *s = f->session;
    struct fellow *fellow;
    size_t cursor = 0;

    while ((fellow = map_next(&f->all, &cursor)) != NULL) {
        struct span full = span_make(fellow->full, fellow->n);
        if (!fellow->is_missing)
            continue;
        if (s->is_available && !(s->user && is_here(s->user, full)))
            say_gone(s, full);
        forget(f, full);
    }
    if (s->user)
        sm_fellows_free(s);
}

void sm_fellows_wait(struct sm_session *s)
{
    if (s->fellows)
        timer_start(&s->fellows->wait, s->sm->loop, WAIT_MS, on_wait, s->fellows);
}

void sm_fellows_free(struct sm_session *s)
{
    struct fellow *fellow;
    size_t cursor = 0;

    if (!s->fellows)
        return;
    timer_stop(&s->fellows->wait);
    while ((fellow = map_next(&s->fellows->all, &cursor)) != NULL)
        free(fellow);
    map_free(&s->fellows->all);
    free(s->fellows);
    s->fellows = NULL;
}
