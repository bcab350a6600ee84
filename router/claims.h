/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * claims - who owns which user of a shared domain: bare JID → peer; and the fence that keeps
 * everything for a user back while one owner finishes and the next one has not begun.
 *
 * Called by ext.c (the words) and relay.c (look-up, once per stanza). The caller has checked that
 * the peer may claim in the domain. PROTOCOL.md describes the exchange.
 */
#ifndef ROUTER_CLAIMS_H
#define ROUTER_CLAIMS_H

#include "base/loop.h"
#include "base/map.h"
#include "router/hold.h"

/* The next owner does not wait longer than this for the former one. */
#define CLAIM_FENCE_MS 5000
#define CLAIM_HOLD_STANZAS 1000
#define CLAIM_HOLD_BYTES (16 * 1024 * 1024)
#define CLAIM_ID_MAX 64
#define CLAIMS_MAX (4 * 1024 * 1024)

struct fence;
struct peer;

struct claim {
    struct peer *owner;
    struct fence *fence; /* not NULL: the owner has released it, stanzas are held */
    uint32_t n;
    char text[];
};

struct claims_events {
    /* The answer to a claim that had to wait; owner is peer itself when it is granted. */
    void (*on_claim)(void *ctx, struct peer *peer, struct span id, struct span jid,
                     struct peer *owner);
    /* The fence has gone: deliver it now. held is freed afterwards. */
    void (*on_held)(void *ctx, const struct held *held);
};

struct claims {
    struct map by_jid;
    struct list_node fences;
    struct loop *loop;
    const struct claims_events *events;
    void *ctx;
};

void claims_init(struct claims *c, struct loop *loop, const struct claims_events *events,
                 void *ctx);
void claims_free(struct claims *c); /* no event follows */

enum claim_result {
    CLAIM_GRANTED,
    CLAIM_REFUSED, /* claims_find tells the owner */
    CLAIM_WAITING, /* on_claim follows */
    CLAIM_FULL,
};

/* id: for the answer when it has to wait, CLAIM_ID_MAX bytes at most. */
enum claim_result claims_add(struct claims *c, struct span jid, struct peer *peer, struct span id);
struct claim *claims_find(const struct claims *c, struct span jid); /* NULL: unclaimed */
static inline struct span claim_jid(const struct claim *claim)
{
    return span_make(claim->text, claim->n);
}
/* The owner lets go: from now on stanzas are held. False: peer is not its owner. */
bool claims_release(struct claims *c, struct span jid, const struct peer *peer);
/* The former owner has finished: the next one's turn. False: nothing was waiting for peer. */
bool claims_released_ok(struct claims *c, struct span jid, const struct peer *peer);
/* False: too much is held already. */
bool claim_hold(struct claim *claim, struct span from, struct span to, struct span frame);
/* Peer has gone, from everywhere or (domain not none) from that domain. */
void claims_forget(struct claims *c, const struct peer *peer, struct span domain);
static inline size_t claims_count(const struct claims *c)
{
    return c->by_jid.count;
}
struct claim *claims_next(const struct claims *c, size_t *cursor);

#endif
