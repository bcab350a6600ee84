/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * routes - which peer a domain leads to.
 *
 * Called by ext.c and peer.c (bind, unbind) and relay.c (look-up, once per stanza). A peer is only
 * a pointer here. The spans and pointers handed out are valid until the next bind or unbind.
 */
#ifndef ROUTER_ROUTES_H
#define ROUTER_ROUTES_H

#include "base/map.h"

struct peer;

enum route_kind {
    ROUTE_EXCLUSIVE, /* one peer has it */
    ROUTE_SHARED,    /* any number have it together */
    ROUTE_INSTANCE,  /* exclusive, and hidden: the handshake name of one of our own processes */
};

struct route_member {
    struct peer *peer;
    struct span name; /* the peer's handshake name; lives as long as the peer is bound */
    uint64_t hash;
};

struct route {
    enum route_kind kind;
    struct route_member *members; /* never empty */
    size_t count, cap;
    struct span name;
    char text[];
};

struct routes {
    struct map by_name;
    struct peer *fallback; /* who has the default route, or NULL */
};

void routes_free(struct routes *r);

/* Adds peer to the route, which is made when it is new. NULL: somebody else has it (conflict).
 * A peer that has it already just gets it. */
struct route *routes_bind(struct routes *r, struct span name, enum route_kind kind,
                          struct peer *peer, struct span member_name);
/* Takes peer out; *gone_r: it was the last one, the route is no more. False: it was not in it. */
bool routes_unbind(struct routes *r, struct span name, const struct peer *peer, bool *gone_r);
struct route *routes_find(const struct routes *r, struct span name); /* NULL: none */
/* Walks all routes: *cursor starts at 0; NULL at the end. */
struct route *routes_next(const struct routes *r, size_t *cursor);

bool route_has(const struct route *route, const struct peer *peer);
/* Rendezvous hashing: the member that has the highest hash with key. When a member goes, only the
 * keys that were its own move. The answer does not depend on order, process or time. */
struct peer *route_pick(const struct route *route, struct span key);
/* The member that a resource of the shared domain names: its instance name, the first label of it
 * ("c2s-1"), or either with "/…" behind; NULL: none. */
struct peer *route_instance(const struct route *route, struct span resource);

#endif
