/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * match_quota - how many addresses an account may ask for: so many a day, at once or bit by bit, so
 * that nobody goes through all the numbers there are. For the account, whatever its sessions do.
 *
 * Kept by whoever owns the user, in memory. When too many accounts have asked, the one that did
 * longest ago is forgotten: its quota has grown back most.
 */
#include "c2s/sm/network/match.h"

#include <stdlib.h>

/* A bucket that is filled in a day: its clock (base/rate.h) goes slower by as much as a day is
 * longer than a second. */
#define SLOWER (24 * 3600)

struct quota {
    struct list_node age;
    struct rate rate;
    bool is_told; /* in the log, that it is used up */
    size_t n;
    char user[];
};

static void quota_free(struct sm_matches *all, struct quota *q)
{
    map_remove(&all->quotas, span_make(q->user, q->n));
    list_remove(&q->age);
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

uint64_t match_quota_take(struct sm *sm, struct span user, size_t count)
{
    struct quota *q = quota_of(sm, user);
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
