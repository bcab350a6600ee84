/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tell - something for all users who are owned here and online: an announcement, or word of a new
 * message of the day. Some users at a time, for there may be many; who comes meanwhile is not among
 * them. Called by census.c, when an instance asks it of all.
 */
#include "c2s/sm/admin/admin.h"

#include <stdlib.h>

#define USERS_AT_ONCE 100
#define WAIT_MS 10
#define TELLS_MAX 16

struct tell {
    struct list_node node; /* in sm->tells */
    struct sm *sm;
    struct timer wait;
    struct stanza message; /* of an announcement */
    uint64_t motd;         /* its number; 0: it is an announcement */
    struct buf names;      /* of users, each ended by LF */
    size_t at;             /* in names */
};

static void tell_free(struct tell *t)
{
    timer_stop(&t->wait);
    list_remove(&t->node);
    t->sm->tell_count--;
    stanza_free(&t->message);
    buf_free(&t->names);
    free(t);
}

static bool is_available(const struct sm_user *user)
{
    LIST_FOR_EACH (node, &user->sessions) {
        const struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (s->is_available && !s->is_gone)
            return true;
    }
    return false;
}

/* False: later. Who is not available gets it when he is. */
static bool tell_motd(const struct tell *t, struct sm_user *user)
{
    if (!user)
        return true;
    if (is_available(user))
        return sm_motd_give(user);
    user->profile->motd = (int64_t)t->motd;
    return true;
}

static bool tell_one(struct tell *t, struct span name)
{
    struct sm_user *user = sm_user_owned(t->sm, name);
    struct buf bare = {0};

    if (t->motd)
        return tell_motd(t, user);
    buf_append(&bare, name);
    buf_append_char(&bare, '@');
    buf_append(&bare, t->sm->opts.host);
    sm_send_notice(t->sm, &t->message, buf_span(&bare));
    buf_free(&bare);
    return true;
}

/* False: the store has no room just now. */
static bool tell_some(struct tell *t, size_t max)
{
    struct span rest = span_from(buf_span(&t->names), t->at);

    for (size_t i = 0; rest.n > 0 && i < max; i++) {
        if (!tell_one(t, sm_line_take(&rest)))
            return false;
        t->at = buf_len(&t->names) - rest.n;
    }
    return true;
}

static void go_on(void *ctx)
{
    struct tell *t = ctx;

    tell_some(t, USERS_AT_ONCE);
    if (t->at < buf_len(&t->names))
        timer_start(&t->wait, t->sm->loop, WAIT_MS, go_on, t);
    else
        tell_free(t);
}

/* Too many at once: the oldest one ends now. */
static void make_room(struct sm *sm)
{
    struct tell *t;

    if (sm->tell_count < TELLS_MAX)
        return;
    t = CONTAINER_OF(sm->tells.next, struct tell, node);
    if (!tell_some(t, SIZE_MAX))
        LOG(LOG_WARN, "tell.dropped", F_INT("bytes", buf_len(&t->names) - t->at));
    tell_free(t);
}

static struct tell *tell_new(struct sm *sm, struct sm_tally *tally)
{
    struct tell *t = mem_zalloc(sizeof(*t));
    const struct sm_user *user;
    size_t cursor = 0;

    make_room(sm);
    t->sm = sm;
    list_append(&sm->tells, &t->node);
    sm->tell_count++;
    while ((user = map_next(&sm->users, &cursor)) != NULL) {
        if (user->state != SM_USER_OWNED || user->session_count == 0)
            continue;
        tally->count += is_available(user);
        buf_append(&t->names, user->name);
        buf_append_char(&t->names, '\n');
    }
    return t;
}

void sm_tell_all(struct sm *sm, struct span text, uint64_t number, struct sm_tally *tally)
{
    struct tell *t = tell_new(sm, tally);
    struct stanza *message = &t->message;

    (void)number;
    stanza_add(message, 0, SPAN(NS_CLIENT), SPAN("message"));
    stanza_set_attr(message, 0, SPAN("from"), sm->opts.host);
    stanza_set_attr(message, 0, SPAN("type"), SPAN("headline"));
    stanza_add_text(message, stanza_add(message, 0, SPAN_NONE, SPAN("subject")),
                    SPAN("Announcement"));
    stanza_add_text(message, stanza_add(message, 0, SPAN_NONE, SPAN("body")), text);
    go_on(t);
}

void sm_tell_motd(struct sm *sm, struct span text, uint64_t number, struct sm_tally *tally)
{
    struct tell *t = tell_new(sm, tally);

    (void)text;
    t->motd = number;
    go_on(t);
}

void sm_tell_close(struct sm *sm)
{
    LIST_FOR_EACH (node, &sm->tells)
        tell_free(CONTAINER_OF(node, struct tell, node));
}
