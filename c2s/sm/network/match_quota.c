/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * match_quota - how many addresses an account may ask for: so many a day, at once or bit by bit, so
 * that nobody goes through all the numbers there are. For the account, whatever its sessions do,
 * and in whatever way it asks: to be shown where somebody is at home tells as much as a match.
 *
 * Kept by whoever owns the user, in memory. When too many accounts have asked, the one that did
 * longest ago is forgotten: its quota has grown back most. Who has been shown to it lately costs
 * nothing again: a number of each is kept, whose place another one's may take.
 */
#include "c2s/sm/network/match.h"
#include "c2s/sm/contacts/contacts.h"

#include <stdlib.h>

/* A bucket that is filled in a day: its clock (base/rate.h) goes slower by as much as a day is
 * longer than a second. */
#define SLOWER (24 * 3600)

#define SHOWN_SLOTS 1024

struct quota {
    struct list_node age;
    struct rate rate;
    bool is_told;    /* in the log, that it is used up */
    uint32_t *shown; /* NULL: nobody yet */
    size_t n;
    char user[];
};

static void quota_free(struct sm_matches *all, struct quota *q)
{
    map_remove(&all->quotas, span_make(q->user, q->n));
    list_remove(&q->age);
    free(q->shown);
    free(q);
}

void match_quota_free(struct sm_matches *all)
{
    while (!list_is_empty(&all->quota_age))
        quota_free(all, CONTAINER_OF(all->quota_age.next, struct quota, age));
    map_free(&all->quotas);
}

static struct quota *quota_of(struct sm *sm, struct span user)
{
    struct sm_matches *all = sm_matches_of(sm);
    struct quota *q = map_get(&all->quotas, user);
    const uint64_t daily = sm->opts.net.match_daily;

    if (q) {
        list_remove(&q->age);
    } else {
        if (all->quotas.count >= MATCH_ACCOUNTS)
            quota_free(all, CONTAINER_OF(all->quota_age.next, struct quota, age));
        q = mem_zalloc(sizeof(*q) + user.n);
        q->n = user.n;
        memcpy(q->user, user.p, user.n);
        rate_init(&q->rate, daily, daily, loop_now(sm->loop) / SLOWER);
        map_put(&all->quotas, span_make(q->user, q->n), q);
    }
    list_append(&all->quota_age, &q->age);
    return q;
}

/* All or nothing: a bucket would go into debt for the rest. */
static uint64_t wait_for(struct quota *q, uint64_t count, uint64_t now)
{
    const uint64_t wait = rate_take(&q->rate, 0, now); /* fills it */
    const uint64_t wanted = count * 1000;

    if (q->rate.per_second == 0 || wanted <= q->rate.tokens_milli)
        return 0;
    return wait ? wait : (wanted - q->rate.tokens_milli) / q->rate.per_second + 1;
}

static uint64_t take(struct sm *sm, struct quota *q, struct span user, size_t count)
{
    const uint64_t now = loop_now(sm->loop) / SLOWER;
    const uint64_t wait = wait_for(q, count, now);

    if (wait && !q->is_told)
        LOG(LOG_WARN, "network.match_limit", F_SPAN("user", user),
            F_INT("daily", sm->opts.net.match_daily));
    q->is_told = wait != 0;
    if (!wait)
        rate_charge(&q->rate, count, now);
    return wait * SLOWER;
}

uint64_t match_quota_take(struct sm *sm, struct span user, size_t count)
{
    return take(sm, quota_of(sm, user), user, count);
}

/* --- who is shown ----------------------------------------------------------------------------- */

/* Who has a subscription with the user has made himself known to him. */
static bool is_known(const struct sm_user *user, struct span localpart)
{
    const struct span host = user->sm->opts.host;
    char text[JID_TEXT_MAX] SM_HOT;
    const struct sm_contact *c;

    if (span_eq(localpart, user->name))
        return true;
    if (!user->profile || localpart.n + 1 + host.n > sizeof(text))
        return false;
    memcpy(text, localpart.p, localpart.n);
    text[localpart.n] = '@';
    memcpy(text + localpart.n + 1, host.p, host.n);
    c = sm_contact_find(user->profile, span_make(text, localpart.n + 1 + host.n));
    return c && c->subscription;
}

/* The same is charged for who is there and for who is not. */
bool sm_match_may_show(const struct sm_session *s, struct span localpart)
{
    struct sm *sm = s->sm;
    const struct span user = span_make(s->bare.p, span_index(s->bare, '@'));
    const uint64_t hash = map_hash(localpart);
    const uint32_t number = (uint32_t)(hash >> 32) | 1;
    struct quota *q;
    uint32_t *slot;

    if (sm->is_closed || servers_members(sm->net->servers) == 1 ||
        (s->user && is_known(s->user, localpart)))
        return true;
    q = quota_of(sm, user);
    if (!q->shown)
        q->shown = mem_zalloc(SHOWN_SLOTS * sizeof(*q->shown));
    slot = &q->shown[hash % SHOWN_SLOTS];
    if (*slot == number)
        return true;
    if (take(sm, q, user, 1) > 0)
        return false;
    *slot = number;
    return true;
}
