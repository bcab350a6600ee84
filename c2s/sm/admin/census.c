/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * census - what this instance answers of the users whom it owns, to itself and the others: the
 * questions of fleet.c, in one table. admin_*.c ask them.
 */
#include "c2s/sm/admin/admin.h"
#include "c2s/sm/admin/fleet.h"

#include <inttypes.h>

static bool is_online(const struct sm_user *user)
{
    LIST_FOR_EACH (node, &user->sessions) {
        if (!CONTAINER_OF(node, struct sm_session, node)->is_gone)
            return true;
    }
    return false;
}

/* As its last presence says. A status cannot hold the words: its text is escaped. */
static bool is_away(const struct sm_session *s)
{
    static const struct span words[] = {
        SPAN_INIT("<show>away</show>"),
        SPAN_INIT("<show>xa</show>"),
    };
    const struct span presence = buf_span(&s->presence);

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (memmem(presence.p, presence.n, words[i].p, words[i].n))
            return true;
    }
    return false;
}

/* XEP-0133 leaves it to the service: available somewhere, and not away there. */
static bool is_active(const struct sm_user *user)
{
    LIST_FOR_EACH (node, &user->sessions) {
        const struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (!s->is_gone && s->is_available && !is_away(s))
            return true;
    }
    return false;
}

static bool is_idle(const struct sm_user *user)
{
    return is_online(user) && !is_active(user);
}

static struct sm_user *next_owned(const struct sm *sm, size_t *cursor)
{
    struct sm_user *user;

    while ((user = map_next(&sm->users, cursor)) != NULL) {
        if (user->state == SM_USER_OWNED)
            return user;
    }
    return NULL;
}

/* number: names that are wanted at most */
static void count_users(struct sm *sm, uint64_t number, struct sm_tally *tally,
                        bool (*is_one)(const struct sm_user *user))
{
    const struct sm_user *user;
    size_t cursor = 0;

    while ((user = next_owned(sm, &cursor)) != NULL) {
        if (!is_one(user))
            continue;
        if (tally->count++ < number && buf_len(&tally->names) < SM_TALLY_BYTES) {
            buf_append(&tally->names, user->bare);
            buf_append_char(&tally->names, '\n');
        }
    }
}

static void answer_online(struct sm *sm, struct span text, uint64_t number, struct sm_tally *tally)
{
    (void)text;
    count_users(sm, number, tally, is_online);
}

static void answer_active(struct sm *sm, struct span text, uint64_t number, struct sm_tally *tally)
{
    (void)text;
    count_users(sm, number, tally, is_active);
}

static void answer_idle(struct sm *sm, struct span text, uint64_t number, struct sm_tally *tally)
{
    (void)text;
    count_users(sm, number, tally, is_idle);
}

/* --- sessions of single users: text has their JIDs, separated by LF --------------------------- */

/* Those of a full JID are one at most. */
static void each_session(struct sm *sm, struct span text, struct sm_tally *tally,
                         void (*act)(struct sm_session *s, struct sm_tally *tally))
{
    while (text.n > 0) {
        const struct span jid = sm_line_take(&text);
        const struct span bare = jid_bare_of(jid);
        const struct span resource = bare.n < jid.n ? span_from(jid, bare.n + 1) : SPAN_NONE;
        struct sm_user *user = sm_user_owned(sm, span_make(jid.p, span_index(jid, '@')));
        if (!user)
            continue;
        LIST_FOR_EACH (node, &user->sessions) {
            struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
            if (!s->is_gone && (span_is_none(resource) || span_eq(resource, s->resource)))
                act(s, tally);
        }
    }
}

/* A line: its full JID in the host's domain, a tab, and when it was bound, in ms since 1970. */
static void describe(struct sm_session *s, struct sm_tally *tally)
{
    const struct sm *sm = s->sm;
    const int64_t since = loop_wall(sm->loop) - (int64_t)(loop_now(sm->loop) - s->since);

    tally->count++;
    if (buf_len(&tally->names) >= SM_TALLY_BYTES)
        return;
    buf_append(&tally->names, s->user->bare);
    buf_append_char(&tally->names, '/');
    buf_append(&tally->names, s->resource);
    buf_printf(&tally->names, "\t%" PRId64 "\n", since);
}

static void answer_sessions(struct sm *sm, struct span text, uint64_t number,
                            struct sm_tally *tally)
{
    (void)number;
    each_session(sm, text, tally, describe);
}

static void end_session(struct sm_session *s, struct sm_tally *tally)
{
    tally->count++;
    sm_session_kick(s, STREAM_POLICY_VIOLATION, "ended by an administrator");
}

static void answer_end(struct sm *sm, struct span text, uint64_t number, struct sm_tally *tally)
{
    (void)number;
    each_session(sm, text, tally, end_session);
}

/* An account of that name has been made or removed elsewhere (network/resolver.c). */
static void answer_account(struct sm *sm, struct span text, uint64_t number,
                           struct sm_tally *tally)
{
    (void)number, (void)tally;
    sm_home_forget(sm, text);
}

const struct sm_fleet_question sm_fleet_questions[] = {
    {SPAN_INIT("online"), answer_online},     {SPAN_INIT("active"), answer_active},
    {SPAN_INIT("idle"), answer_idle},         {SPAN_INIT("sessions"), answer_sessions},
    {SPAN_INIT("end"), answer_end},           {SPAN_INIT("tell"), sm_tell_all},
    {SPAN_INIT("motd"), sm_tell_motd},        {SPAN_INIT("account"), answer_account},
};
const size_t sm_fleet_question_count = ARRAY_LEN(sm_fleet_questions);
