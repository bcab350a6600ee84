/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session - a client's session from sm_open to sm_close: resource, conflict, limits.
 *
 * Called by the transport; user.c says when a session may be opened. An opening is answered from a
 * deferred call, never from inside sm_open. A session is referenced by its list and by its jobs.
 * RFC 6120 7 (resource binding), 7.7.2.2 (conflict).
 */
#include "c2s/sm/access.h"
#include "c2s/sm/sm_private.h"

#include "tls/crypto.h"

#include <stdlib.h>

static struct span client_key(const uintptr_t *address)
{
    return span_make((const char *)address, sizeof(*address));
}

struct sm_session *sm_session_ref(struct sm_session *s)
{
    s->refs++;
    return s;
}

void sm_session_unref(struct sm_session *s)
{
    if (--s->refs > 0)
        return;
    sm_presence_forget(s);
    sm_push_drop_session(s);
    sm_asked_free(s);
    free(s);
}

static struct sm_session *session_new(struct sm *sm, struct sm_client *c, struct span user,
                                      struct span domain, struct span resource)
{
    size_t n = user.n + 1 + domain.n + 1 + resource.n;
    struct sm_session *s = mem_zalloc(sizeof(*s) + n);
    char *p = s->text;

    memcpy(p, user.p, user.n);
    p += user.n;
    *p++ = '@';
    s->domain = span_make(p, domain.n);
    memcpy(p, domain.p, domain.n);
    p += domain.n;
    s->bare = span_make(s->text, (size_t)(p - s->text));
    *p++ = '/';
    s->resource = span_make(p, resource.n);
    if (resource.n)
        memcpy(p, resource.p, resource.n);
    s->full = span_make(s->text, n);
    s->sm = sm;
    s->client = c;
    s->client_address = (uintptr_t)c;
    s->refs = 1;
    s->since = loop_now(sm->loop);
    list_init(&s->node);
    list_init(&s->arrival);
    list_init(&s->held);
    return s;
}

/* The client's wish, prepared, or a name of ours in made. */
static bool choose_resource(struct span wish, char *prepared, char made[17], struct span *r)
{
    if (!span_is_empty(wish))
        return jid_prep_resource(wish, prepared, r);
    crypto_random_hex(made, 8);
    *r = span_make(made, 16);
    return true;
}

/* An opening is no user's any more; afterwards he may be settled. */
static struct sm_user *leave_opening(struct sm_session *s)
{
    struct sm_user *user = s->user;

    list_remove(&s->node);
    map_remove(&s->sm->openings, client_key(&s->client_address));
    if (user)
        user->opening_count--;
    return user;
}

static void refuse_opening(struct sm_session *s, enum stanza_error e)
{
    struct sm_user *user = leave_opening(s);
    struct sm_client *c = s->client;

    if (s->front)
        sm_front_forget(s);
    s->user = NULL;
    if (s->state == SM_SESSION_MOVING) {
        sm_move_fail(s, e);
        if (user)
            sm_user_settle(user);
        return;
    }
    s->client = NULL;
    s->state = SM_SESSION_CLOSED;
    sm_session_unref(s);
    if (user)
        sm_user_settle(user);
    c->ops->opened(c, NULL, SPAN_NONE, e, NULL);
}

/* Streams that are being ended take a while to go; their farewell must not come after the presence
 * of the one that has their address now. */
static void say_farewells(const struct sm_user *user, struct span resource)
{
    LIST_FOR_EACH (node, &user->sessions) {
        struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (s->is_gone && span_eq(s->resource, resource))
            sm_presence_close(s);
    }
}

static size_t max_sessions(const struct sm_session *s)
{
    const struct sm_opts *opts = &s->sm->opts;

    if (s->user->session_count < opts->max_sessions ||
        opts->max_many_sessions <= opts->max_sessions ||
        !sm_access_allows(s->sm, SM_RIGHT_MANY_SESSIONS, s->bare))
        return opts->max_sessions;
    return opts->max_many_sessions;
}

/* Of two with the same resource the newer stays: that need not be the one that comes now. */
static enum stanza_error judge(const struct sm_session *s, const struct sm_session *old)
{
    struct sm_user *user = s->user;

    if (old && s->is_moved && old->since > s->since)
        return STANZA_CONFLICT;
    if (old ? rate_take(&user->conflicts, 1, loop_now(s->sm->loop)) > 0
            : user->session_count >= max_sessions(s))
        return STANZA_RESOURCE_CONSTRAINT;
    return STANZA_ERROR_NONE;
}

static void open_session(struct sm_session *s)
{
    struct sm_user *user = s->user;
    struct sm_session *old = sm_user_session(user, s->resource);
    enum stanza_error refusal = judge(s, old);
    bool is_new = s->state == SM_SESSION_OPENING;

    if (refusal != STANZA_ERROR_NONE) {
        refuse_opening(s, refusal);
        return;
    }
    if (old)
        sm_session_kick(old, STREAM_CONFLICT, "replaced by a new session");
    say_farewells(user, s->resource);
    leave_opening(s);
    s->state = SM_SESSION_OPEN;
    list_append(&user->sessions, &s->node);
    user->session_count++;
    s->sm->session_count++;
    if (is_new)
        s->client->ops->opened(s->client, s, s->full, STANZA_ERROR_NONE, NULL);
    if (s->is_moved)
        sm_move_arrive(s);
}

void sm_session_open_front(struct sm_session *s)
{
    bool is_new = s->state == SM_SESSION_OPENING;

    leave_opening(s);
    s->state = SM_SESSION_OPEN;
    if (is_new) {
        s->client->ops->opened(s->client, s, s->full, STANZA_ERROR_NONE, NULL);
    } else {
        sm_move_arrive(s);
        sm_move_go_on(s->sm);
    }
}

/* The user has been lost since he was granted. */
static void wait_again(struct sm_session *s)
{
    list_remove(&s->node);
    list_append(&s->user->waiting, &s->node);
    sm_user_want(s->user);
}

static void answer_ready(void *ctx)
{
    struct sm *sm = ctx;

    /* Each turn takes the first off the list, which the analyser cannot follow. */
    while (!list_is_empty(&sm->ready)) {
        struct sm_session *s = CONTAINER_OF(sm->ready.next, struct sm_session, node);
        if (s->refusal != STANZA_ERROR_NONE) // NOLINT: see above
            refuse_opening(s, s->refusal);
        else if (s->user->state != SM_USER_OWNED) // NOLINT: see above
            wait_again(s);
        else
            open_session(s);
    }
    sm_move_go_on(sm);
}

void sm_session_ready(struct sm_session *s, enum stanza_error refusal)
{
    s->refusal = refusal;
    list_remove(&s->node);
    list_append(&s->sm->ready, &s->node);
    s->sm->answer.call = answer_ready;
    s->sm->answer.ctx = s->sm;
    loop_defer(s->sm->loop, &s->sm->answer);
}

void sm_session_claim(struct sm_session *s, struct span name)
{
    s->user = sm_user_get(s->sm, name);
    s->user->opening_count++;
    list_remove(&s->node);
    list_append(&s->user->waiting, &s->node);
    sm_user_want(s->user);
}

void sm_session_reopen(struct sm_session *s)
{
    s->state = SM_SESSION_MOVING;
    map_put(&s->sm->openings, client_key(&s->client_address), s);
}

struct sm_session *sm_session_opening(const struct sm *sm, const struct sm_client *c)
{
    const uintptr_t address = (uintptr_t)c;

    return map_get(&sm->openings, client_key(&address));
}

void sm_open(struct sm *sm, struct sm_client *c, struct span name, struct span domain,
             struct span wish)
{
    char prepared[JID_PART_MAX], made[17];
    struct span resource = SPAN_NONE;
    bool is_sound = choose_resource(wish, prepared, made, &resource);
    struct sm_session *s = session_new(sm, c, name, domain, resource);

    map_put(&sm->openings, client_key(&s->client_address), s);
    if (!is_sound) {
        sm_session_ready(s, STANZA_JID_MALFORMED);
        return;
    }
    sm_session_claim(s, name);
}

void sm_open_cancel(struct sm *sm, struct sm_client *c)
{
    struct sm_session *s = sm_session_opening(sm, c);

    if (!s)
        return;
    struct sm_user *user = leave_opening(s);
    if (s->front)
        sm_front_close(s);
    s->client = NULL;
    s->user = NULL;
    s->state = SM_SESSION_CLOSED;
    sm_session_unref(s);
    if (user)
        sm_user_settle(user);
}

void sm_session_kick(struct sm_session *s, enum stream_error e, const char *text)
{
    if (s->is_gone)
        return;
    s->is_gone = true;
    sm_offline_end(s);
    if (s->client)
        s->client->ops->kick(s->client, e, text);
}

void sm_session_detach(struct sm_session *s)
{
    list_remove(&s->node);
    s->user->session_count--;
    s->sm->session_count--;
    s->user = NULL;
}

static void close_here(struct sm_session *s)
{
    struct sm_user *user = s->user;

    list_remove(&s->node);
    user->session_count--;
    s->sm->session_count--;
    s->state = SM_SESSION_CLOSED;
    s->client = NULL;
    s->is_gone = true;
    sm_offline_end(s);
    sm_presence_close(s);
    sm_hooks_gone(s);
    s->user = NULL;
    sm_session_unref(s);
    sm_user_settle(user);
}

/* Served elsewhere, or on the move: then the owner that knew of it is no more, and we speak. */
static void close_away(struct sm_session *s)
{
    struct sm_user *user = leave_opening(s);

    if (s->front)
        sm_front_close(s);
    else
        sm_announce_end(s);
    s->state = SM_SESSION_CLOSED;
    s->client = NULL;
    s->user = NULL;
    sm_session_unref(s);
    if (user)
        sm_user_settle(user);
}

/* What it said last is to go on before it is seen to go. */
static void close_later(struct sm_session *s)
{
    s->client = NULL;
    s->is_gone = true;
    sm_offline_end(s);
}

void sm_session_drained(struct sm_session *s)
{
    if (s->state == SM_SESSION_OPEN && !s->client && !s->filter_lane && !s->unresolved)
        close_here(s);
}

void sm_close(struct sm_session *s)
{
    sm_move_drop(s);
    if (s->filter_lane || s->unresolved)
        close_later(s);
    else if (s->state == SM_SESSION_OPEN && !s->front)
        close_here(s);
    else
        close_away(s);
}

void sm_session_drop_all(struct sm *sm)
{
    struct sm_session *s;
    struct sm_user *user;
    size_t cursor = 0;

    while ((s = map_next(&sm->openings, &cursor)) != NULL) {
        sm_move_drop(s);
        list_remove(&s->node);
        if (s->user)
            s->user->opening_count--;
        if (s->front)
            sm_front_forget(s);
        s->user = NULL;
        sm_session_unref(s);
    }
    cursor = 0;
    while ((user = map_next(&sm->users, &cursor)) != NULL) {
        timer_stop(&user->flush_wait);
        user->flush_session = NULL;
        LIST_FOR_EACH (node, &user->sessions) {
            s = CONTAINER_OF(node, struct sm_session, node);
            sm_move_drop(s);
            sm_session_detach(s);
            sm_presence_forget(s);
            s->state = SM_SESSION_CLOSED;
            s->client = NULL;
            s->is_gone = true;
            sm_session_unref(s);
        }
        user->state = SM_USER_IDLE;
        sm_user_settle(user);
    }
}
