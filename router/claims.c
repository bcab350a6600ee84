/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * claims - the table of owned users and the fences in it.
 *
 * A claim is one small allocation; a fence exists only while a user changes hands. No stanza is
 * lost or handled by two owners: the table changes only here, in the order of the router's input.
 */
#include "router/claims.h"

#include "base/log.h"

#include <stdlib.h>

#define WAITERS_MAX 256

struct waiter {
    struct peer *peer;
    uint8_t id_len;
    char id[CLAIM_ID_MAX];
};

struct fence {
    struct list_node node; /* in claims->fences */
    struct claims *claims;
    struct claim *claim;
    struct timer timer;
    struct hold hold;
    struct waiter *waiters;
    size_t waiter_count;
};

static struct span waiter_id(const struct waiter *w)
{
    return w->id_len ? span_make(w->id, w->id_len) : SPAN_NONE;
}

/* --- fences ----------------------------------------------------------------------------------- */

static void fence_free(struct fence *f)
{
    list_remove(&f->node);
    timer_stop(&f->timer);
    hold_clear(&f->hold);
    free(f->waiters);
    free(f);
}

/*
 * end_fence - the first who waits becomes the owner and gets what was held; if nobody waits, the
 * user is unclaimed again. The fence is out of the tables before anybody is told.
 */
static void end_fence(struct fence *f)
{
    struct claims *c = f->claims;
    struct claim *claim = f->claim;
    list_remove(&f->node);
    claim->fence = NULL;
    if (f->waiter_count == 0) {
        map_remove(&c->by_jid, claim_jid(claim));
        free(claim);
    } else {
        claim->owner = f->waiters[0].peer;
        for (size_t i = 0; i < f->waiter_count; i++)
            c->events->on_claim(c->ctx, f->waiters[i].peer, waiter_id(&f->waiters[i]),
                                claim_jid(claim), f->waiters[0].peer);
    }
    struct held *held;
    while ((held = hold_take(&f->hold))) {
        c->events->on_held(c->ctx, held);
        free(held);
    }
    fence_free(f);
}

static void on_timeout(void *ctx)
{
    struct fence *f = ctx;
    LOG(LOG_WARN, "claims.release_timeout", F_SPAN("jid", claim_jid(f->claim)),
        F_INT("held", f->hold.count));
    end_fence(f);
}

static enum claim_result wait_for_fence(struct fence *f, struct peer *peer, struct span id)
{
    struct waiter *w = NULL;
    for (size_t i = 0; i < f->waiter_count; i++)
        if (f->waiters[i].peer == peer)
            w = &f->waiters[i];
    if (!w) {
        if (f->waiter_count == WAITERS_MAX)
            return CLAIM_FULL;
        f->waiters = mem_realloc(f->waiters, (f->waiter_count + 1) * sizeof *f->waiters);
        w = &f->waiters[f->waiter_count++];
    }
    w->peer = peer;
    w->id_len = (uint8_t)(id.n < CLAIM_ID_MAX ? id.n : CLAIM_ID_MAX);
    if (w->id_len)
        memcpy(w->id, id.p, w->id_len);
    return CLAIM_WAITING;
}

static void forget_waiter(struct fence *f, const struct peer *peer)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->waiter_count; i++)
        if (f->waiters[i].peer != peer)
            f->waiters[kept++] = f->waiters[i];
    f->waiter_count = kept;
}

/* --- claims ----------------------------------------------------------------------------------- */

void claims_init(struct claims *c, struct loop *loop, const struct claims_events *events,
                 void *ctx)
{
    *c = (struct claims){.loop = loop, .events = events, .ctx = ctx};
    list_init(&c->fences);
}

void claims_free(struct claims *c)
{
    size_t cursor = 0;
    struct claim *claim;
    while ((claim = map_next(&c->by_jid, &cursor))) {
        if (claim->fence)
            fence_free(claim->fence);
        free(claim);
    }
    map_free(&c->by_jid);
}

struct claim *claims_find(const struct claims *c, struct span jid)
{
    return map_get(&c->by_jid, jid);
}

struct claim *claims_next(const struct claims *c, size_t *cursor)
{
    return map_next(&c->by_jid, cursor);
}

enum claim_result claims_add(struct claims *c, struct span jid, struct peer *peer, struct span id)
{
    struct claim *claim = claims_find(c, jid);
    if (claim && claim->fence)
        return wait_for_fence(claim->fence, peer, id);
    if (claim)
        return claim->owner == peer ? CLAIM_GRANTED : CLAIM_REFUSED;
    if (claims_count(c) >= CLAIMS_MAX)
        return CLAIM_FULL;
    claim = mem_alloc(sizeof *claim + jid.n);
    claim->owner = peer;
    claim->fence = NULL;
    claim->n = (uint32_t)jid.n;
    memcpy(claim->text, jid.p, jid.n);
    map_put(&c->by_jid, claim_jid(claim), claim);
    return CLAIM_GRANTED;
}

bool claims_release(struct claims *c, struct span jid, const struct peer *peer)
{
    struct claim *claim = claims_find(c, jid);
    if (!claim || claim->owner != peer)
        return false;
    if (claim->fence)
        return true;
    struct fence *f = mem_zalloc(sizeof *f);
    f->claims = c;
    f->claim = claim;
    claim->fence = f;
    list_append(&c->fences, &f->node);
    timer_start(&f->timer, c->loop, CLAIM_FENCE_MS, on_timeout, f);
    return true;
}

bool claims_released_ok(struct claims *c, struct span jid, const struct peer *peer)
{
    struct claim *claim = claims_find(c, jid);
    if (!claim || !claim->fence || claim->owner != peer)
        return false;
    end_fence(claim->fence);
    return true;
}

bool claim_hold(struct claim *claim, struct span from, struct span to, struct span frame)
{
    return hold_add(&claim->fence->hold, from, to, frame, CLAIM_HOLD_STANZAS, CLAIM_HOLD_BYTES);
}

/* --- the end of a peer ------------------------------------------------------------------------ */

static bool concerns(const struct claim *claim, struct span domain)
{
    if (span_is_none(domain))
        return true;
    struct span jid = claim_jid(claim);
    return span_eq(span_from(jid, span_index(jid, '@') + 1), domain);
}

static struct fence *find_fence(const struct claims *c, const struct peer *owner,
                                struct span domain)
{
    for (const struct list_node *n = c->fences.next; n != &c->fences; n = n->next) {
        struct fence *f = CONTAINER_OF(n, struct fence, node);
        if (f->claim->owner == owner && concerns(f->claim, domain))
            return f;
    }
    return NULL;
}

void claims_forget(struct claims *c, const struct peer *peer, struct span domain)
{
    LIST_FOR_EACH(n, &c->fences)
    {
        struct fence *f = CONTAINER_OF(n, struct fence, node);
        if (concerns(f->claim, domain))
            forget_waiter(f, peer);
    }
    size_t cursor = 0;
    struct claim *claim;
    while ((claim = map_next(&c->by_jid, &cursor))) {
        if (claim->owner != peer || claim->fence || !concerns(claim, domain))
            continue;
        map_remove(&c->by_jid, claim_jid(claim));
        free(claim);
    }
    /* What is told may end other peers, and with them other fences: look again after each. */
    struct fence *f;
    while ((f = find_fence(c, peer, domain)))
        end_fence(f);
}
