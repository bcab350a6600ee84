/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * user - users with sessions here, and who owns them: the claim on their bare JID at the router.
 *
 *   IDLE -> CLAIMING -> LOADING -> OWNED -> RELEASING -> RELEASED -> (gone, or CLAIMING again)
 *
 * Without a router nobody is asked for a claim. A user who lost his claim to another
 * instance while the link was away is LOST until what was ending here has ended: his other sessions
 * move to the new owner (move.c).
 */
#include "c2s/sm/sm_private.h"

#include <stdlib.h>

/* Two clients that throw each other out for ever are slowed down to this. */
#define CONFLICTS_PER_SECOND 1
#define CONFLICTS_BURST 30

static const char *const state_names[] = {
    [SM_USER_IDLE] = "idle",           [SM_USER_CLAIMING] = "claiming",
    [SM_USER_LOADING] = "loading",     [SM_USER_OWNED] = "owned",
    [SM_USER_LOST] = "lost",           [SM_USER_RELEASING] = "releasing",
    [SM_USER_RELEASED] = "released",
};

static void set_state(struct sm_user *user, enum sm_user_state state)
{
    LOG(LOG_DEBUG, "sm.user_state", F_SPAN("user", user->bare),
        F_STR("old", state_names[user->state]), F_STR("new", state_names[state]));
    user->state = state;
}

struct sm_user *sm_user_find(const struct sm *sm, struct span name)
{
    return map_get(&sm->users, name);
}

struct sm_user *sm_user_owned(const struct sm *sm, struct span name)
{
    struct sm_user *user = map_get(&sm->users, name);

    return user && user->state == SM_USER_OWNED ? user : NULL;
}

struct sm_user *sm_user_get(struct sm *sm, struct span name)
{
    struct sm_user *user = map_get(&sm->users, name);
    struct span host = sm->opts.host;

    if (user)
        return user;
    user = mem_zalloc(sizeof(*user) + name.n + 1 + host.n);
    memcpy(user->text, name.p, name.n);
    user->text[name.n] = '@';
    memcpy(user->text + name.n + 1, host.p, host.n);
    user->name = span_make(user->text, name.n);
    user->bare = span_make(user->text, name.n + 1 + host.n);
    user->sm = sm;
    list_init(&user->sessions);
    list_init(&user->waiting);
    list_init(&user->announcing);
    rate_init(&user->conflicts, CONFLICTS_PER_SECOND, CONFLICTS_BURST, loop_now(sm->loop));
    map_put(&sm->users, user->name, user);
    return user;
}

struct sm_session *sm_user_session(const struct sm_user *user, struct span resource)
{
    LIST_FOR_EACH (node, &user->sessions) {
        struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (!s->is_gone && span_eq(s->resource, resource))
            return s;
    }
    return NULL;
}

bool sm_user_is_reachable(const struct sm_user *user)
{
    LIST_FOR_EACH (node, &user->sessions) {
        if (sm_session_is_eligible(CONTAINER_OF(node, struct sm_session, node)))
            return true;
    }
    return false;
}

static void answer_waiting(struct sm_user *user, enum stanza_error refusal);

/* Their farewells are said while his contacts are known; who has his name next has others. */
static void end_sessions(struct sm_user *user, const char *text)
{
    LIST_FOR_EACH (node, &user->sessions) {
        struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        sm_session_kick(s, STREAM_NOT_AUTHORIZED, text);
        if (user->profile)
            sm_presence_close(s);
    }
    answer_waiting(user, STANZA_NOT_AUTHORIZED);
    sm_profile_reload(user);
}

void sm_user_end_sessions(struct sm_user *user)
{
    end_sessions(user, "account deleted");
}

void sm_user_end_moved(struct sm_user *user, struct span host)
{
    char text[SM_MOVED_TEXT];

    end_sessions(user, sm_moved_text(host, text));
}

static void user_free(struct sm_user *user)
{
    timer_stop(&user->flush_wait);
    list_remove(&user->announcing);
    map_remove(&user->sm->users, user->name);
    sm_interest_drop_user(user->sm, user->name);
    sm_profile_free(&user->profile);
    free(user);
}

static void answer_waiting(struct sm_user *user, enum stanza_error refusal)
{
    while (!list_is_empty(&user->waiting))
        sm_session_ready(CONTAINER_OF(user->waiting.next, struct sm_session, node), refusal);
}

/* The openings that waited for the claim can be answered once the profile is there. */
static void grant(struct sm_user *user)
{
    set_state(user, SM_USER_LOADING);
    if (!sm_profile_load(user))
        answer_waiting(user, STANZA_RESOURCE_CONSTRAINT);
}

/* Without a profile he is served to nobody: the openings, refused, end his ownership. */
void sm_user_loaded(struct sm_user *user, bool is_read)
{
    if (is_read) {
        sm_interest_drop_user(user->sm, user->name); /* another may have owned him meanwhile */
        set_state(user, SM_USER_OWNED);
    }
    answer_waiting(user, is_read ? STANZA_ERROR_NONE : STANZA_RESOURCE_CONSTRAINT);
}

static void claim(struct sm_user *user)
{
    if (sm_is_linked(user->sm)) {
        set_state(user, SM_USER_CLAIMING);
        link_claim(user->sm->link, user->bare);
    } else {
        grant(user);
    }
}

void sm_user_want(struct sm_user *user)
{
    if (user->state == SM_USER_IDLE)
        claim(user);
    else if (user->state == SM_USER_OWNED)
        answer_waiting(user, STANZA_ERROR_NONE);
}

static bool is_ours(const struct sm_user *user)
{
    return user->state == SM_USER_OWNED || user->state == SM_USER_LOADING;
}

static void on_empty(struct sm_user *user)
{
    if (is_ours(user) && sm_is_linked(user->sm)) {
        set_state(user, SM_USER_RELEASING);
        link_release(user->sm->link, user->bare);
    } else if (is_ours(user) || user->state == SM_USER_LOST) {
        set_state(user, SM_USER_IDLE);
    }
}

void sm_user_settle(struct sm_user *user)
{
    if (user->session_count == 0) {
        /* An opening that waits behind a lost claim asks anew, once the old sessions are gone. */
        if (user->opening_count == 0 || user->state == SM_USER_LOST)
            on_empty(user);
    }
    if (user->state == SM_USER_RELEASED && user->jobs == 0) {
        link_released_ok(user->sm->link, user->bare);
        set_state(user, SM_USER_IDLE);
    }
    if (user->state != SM_USER_IDLE)
        return;
    if (!list_is_empty(&user->waiting))
        claim(user);
    else if (user->opening_count == 0 && user->jobs == 0)
        user_free(user);
}

static struct sm_user *user_of_bare(const struct sm *sm, struct span bare)
{
    struct sm_user *user = map_get(&sm->users, span_make(bare.p, span_index(bare, '@')));

    return user && span_eq(user->bare, bare) ? user : NULL;
}

/* None is offered stored messages while the others leave. */
static void move_sessions(struct sm_user *user, struct span owner)
{
    user->flush_session = NULL;
    timer_stop(&user->flush_wait);
    LIST_FOR_EACH (node, &user->sessions) {
        struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (s->is_gone)
            continue;
        sm_filter_give_back(s, sm_is_guest(s->client) ? sm_guest_return : sm_move_input);
        sm_edge_give_back(s, sm_is_guest(s->client) ? sm_guest_return : sm_move_input);
        sm_multicast_give_back(s, sm_is_guest(s->client) ? sm_guest_return : sm_move_input);
        sm_session_detach(s);
        if (sm_is_guest(s->client)) {
            sm_guest_lose(s->client);
            s->state = SM_SESSION_CLOSED;
            s->client = NULL;
            s->is_gone = true;
            sm_session_unref(s);
        } else {
            sm_move_begin(s);
            sm_front_open(s, owner);
        }
    }
}

/* Another instance has the claim: it serves his sessions, we pass on. */
static void refused(struct sm_user *user, struct span owner)
{
    LOG(LOG_INFO, "sm.owned_elsewhere", F_SPAN("user", user->bare), F_SPAN("owner", owner));
    if (user->state == SM_USER_CLAIMING || user->state == SM_USER_LOADING) {
        set_state(user, SM_USER_IDLE);
        while (!list_is_empty(&user->waiting)) {
            struct sm_session *s = CONTAINER_OF(user->waiting.next, struct sm_session, node);
            list_remove(&s->node);
            s->user = NULL;
            user->opening_count--;
            if (sm_is_guest(s->client)) /* its front asks the new owner */
                sm_session_ready(s, SM_NOT_OWNER);
            else
                sm_front_open(s, owner);
        }
    } else if (user->state == SM_USER_OWNED) {
        set_state(user, SM_USER_LOST);
        move_sessions(user, owner);
        sm_owner_tell(user->sm, user->name, "changed"); /* while he was ours as well */
    }
    sm_user_settle(user);
}

/* A bulk claim that met a release is refused at first, and granted when that is over. */
static void granted(struct sm *sm, struct sm_user *user, struct span jid)
{
    if (!user || user->state == SM_USER_IDLE) {
        if (sm_is_linked(sm))
            link_release(sm->link, jid); /* nobody here needs it any more: let others have it */
    } else if (user->state == SM_USER_CLAIMING || user->state == SM_USER_LOST) {
        grant(user);
        sm_user_settle(user); /* the openings may have been cancelled */
    }
}

void sm_user_on_claim(struct sm *sm, struct span jid, struct span owner)
{
    struct sm_user *user = user_of_bare(sm, jid);

    if (span_is_none(owner) || span_eq(owner, sm->opts.instance))
        granted(sm, user, jid);
    else if (user)
        refused(user, owner);
}

void sm_user_on_released(struct sm *sm, struct span jid)
{
    struct sm_user *user = user_of_bare(sm, jid);

    if (user && user->state == SM_USER_RELEASING) {
        set_state(user, SM_USER_RELEASED);
        sm_user_settle(user);
    } else if (sm_is_linked(sm)) {
        link_released_ok(sm->link, jid);
    }
}

/* All claims are void with the connection: we serve alone what we have. */
void sm_user_on_link_down(struct sm *sm)
{
    struct sm_user *user;
    size_t cursor = 0;

    while ((user = map_next(&sm->users, &cursor)) != NULL) {
        if (user->state == SM_USER_CLAIMING)
            grant(user);
        else if (user->state == SM_USER_RELEASING || user->state == SM_USER_RELEASED)
            set_state(user, SM_USER_IDLE);
        sm_user_settle(user); /* may free this one, which the walk allows */
    }
}

void sm_user_on_link_up(struct sm *sm)
{
    struct sm_user *user;
    size_t cursor = 0;
    bool is_any = false;

    link_claims_begin(sm->link);
    while ((user = map_next(&sm->users, &cursor)) != NULL) {
        if (!is_ours(user))
            continue;
        link_claims_add(sm->link, user->bare);
        is_any = true;
    }
    link_claims_end(sm->link);
    if (is_any)
        sm_envelope_to_self(sm);
}

/* What others could not send us they have stored, or done to his roster, nor could they tell us;
 * from now on they can. Presence has been lost both ways. */
void sm_user_on_claims_made(struct sm *sm)
{
    struct sm_user *user;
    size_t cursor = 0;

    while ((user = map_next(&sm->users, &cursor)) != NULL) {
        if (user->state != SM_USER_OWNED)
            continue;
        sm_profile_reload(user);
        sm_offline_look(user);
        sm_announce(user);
    }
}
