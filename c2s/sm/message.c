/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * message - who gets a message: the table of RFC 6121 section 8.5 (see also 5.2.2).
 *
 * Called by route.c with in->to set; offline.c takes what finds nobody.
 */
#include "c2s/sm/sm_private.h"

enum type { NORMAL, CHAT, HEADLINE, GROUPCHAT, ERROR, TYPES };

/* Who is there, at an address of a user owned here. "Reachable": an available resource whose
 * priority is not negative. */
enum presence_case {
    FULL_MATCH,     /* full JID of a connected resource */
    FULL_REACHABLE, /* full JID of none, but others are reachable */
    FULL_NOBODY,
    BARE_REACHABLE,
    BARE_NOBODY,
    CASES,
};

enum act {
    EXACT,  /* to that resource */
    ALL,    /* to every reachable one */
    STORE,  /* by the rules of offline messages */
    REFUSE, /* service-unavailable */
    DROP,
};

static const unsigned char acts[TYPES][CASES] = {
    /*             full match, reachable, nobody; bare: reachable, nobody */
    [NORMAL]    = {EXACT,      ALL,       STORE,        ALL,       STORE},
    [CHAT]      = {EXACT,      ALL,       STORE,        ALL,       STORE},
    [HEADLINE]  = {EXACT,      DROP,      DROP,         ALL,       DROP},
    [GROUPCHAT] = {EXACT,      REFUSE,    REFUSE,       REFUSE,    REFUSE},
    [ERROR]     = {EXACT,      DROP,      DROP,         DROP,      DROP},
};

/* A type that is none of these counts as normal (RFC 6121 5.2.2). */
static enum type type_of(const struct stanza *s)
{
    static const struct {
        struct span name;
        enum type type;
    } names[] = {
        {SPAN_INIT("chat"), CHAT},
        {SPAN_INIT("groupchat"), GROUPCHAT},
        {SPAN_INIT("headline"), HEADLINE},
        {SPAN_INIT("error"), ERROR},
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (span_eq(s->type, names[i].name))
            return names[i].type;
    }
    return NORMAL;
}

static bool is_storable(enum type type, const struct stanza *s)
{
    return (type == NORMAL || type == CHAT) && sm_offline_rule(s) == SM_OFFLINE_STORE;
}

/*
 * While stored messages are on their way to a session, what comes goes behind them, through the
 * store: it must not overtake (offline.c).
 */
static bool must_queue(const struct sm_in *in, const struct sm_session *s, enum type type)
{
    return s == s->user->flush_session && is_storable(type, in->stanza);
}

static bool send_exact(struct sm_in *in, struct sm_session *s, enum type type)
{
    if (!must_queue(in, s, type))
        return sm_deliver(in, s);
    sm_offline_store(in, s->user->name, s->user);
    return true;
}

static bool send_all(struct sm_in *in, struct sm_user *user, enum type type)
{
    bool is_queued = false, is_sent = false;

    LIST_FOR_EACH (node, &user->sessions) {
        struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (!sm_session_is_eligible(s))
            continue;
        if (must_queue(in, s, type))
            is_queued = true;
        else if (sm_deliver(in, s))
            is_sent = true;
    }
    if (is_queued)
        sm_offline_store(in, user->name, user);
    return is_queued || is_sent;
}

static enum presence_case case_of(const struct sm_in *in, const struct sm_user *user,
                                  struct sm_session **match_r)
{
    *match_r = NULL;
    if (jid_is_bare(&in->to))
        return sm_user_is_reachable(user) ? BARE_REACHABLE : BARE_NOBODY;
    *match_r = sm_user_session(user, in->to.resource);
    if (*match_r && !(*match_r)->is_full)
        return FULL_MATCH;
    return sm_user_is_reachable(user) ? FULL_REACHABLE : FULL_NOBODY;
}

/* Each turn that fails has found that a session is gone: so it ends. */
static void to_user(struct sm_in *in, struct sm_user *user)
{
    const enum type type = type_of(in->stanza);

    for (;;) {
        struct sm_session *match;
        switch (acts[type][case_of(in, user, &match)]) {
        case EXACT:
            if (match && send_exact(in, match, type))
                return;
            break;
        case ALL:
            if (send_all(in, user, type))
                return;
            break;
        case STORE:
            sm_offline_message(in, user->name, user);
            return;
        case REFUSE:
            sm_refuse(in, STANZA_SERVICE_UNAVAILABLE, NULL);
            return;
        case DROP:
            return;
        }
    }
}

/* A user of ours without a session anywhere. */
static void to_absent(struct sm_in *in)
{
    const enum type type = type_of(in->stanza);
    const enum presence_case c = jid_is_bare(&in->to) ? BARE_NOBODY : FULL_NOBODY;

    if (acts[type][c] == STORE)
        sm_offline_message(in, in->to.local, sm_user_find(in->sm, in->to.local));
    else if (acts[type][c] == REFUSE)
        sm_block_refuse_absent(in);
}

void sm_message(struct sm_in *in)
{
    struct sm_user *user;

    switch (sm_in_place(in, &user)) {
    case SM_PLACE_USER:
        if (sm_hooks_receiving(in, user))
            to_user(in, user);
        break;
    case SM_PLACE_ROUTER:
        sm_send_to_router(in);
        break;
    case SM_PLACE_ABSENT:
        if (sm_hooks_absent(in))
            to_absent(in);
        break;
    case SM_PLACE_HOST: /* nobody reads the server's mail */
        sm_refuse(in, STANZA_SERVICE_UNAVAILABLE, NULL);
        break;
    case SM_PLACE_NOWHERE:
        sm_refuse(in, STANZA_ITEM_NOT_FOUND, NULL);
        break;
    }
}
