/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * routes - the table of domains, and rendezvous hashing over the members of a shared one.
 */
#include "router/routes.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>

static int span_order(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

struct peer *route_pick(const struct route *route, struct span key)
{
    const struct route_member *best = &route->members[0];
    if (route->count == 1)
        return best->peer;
    uint64_t key_hash = hash_span(key), best_hash = hash_mix(key_hash ^ best->hash);
    for (size_t i = 1; i < route->count; i++) {
        const struct route_member *m = &route->members[i];
        uint64_t h = hash_mix(key_hash ^ m->hash);
        if (h > best_hash || (h == best_hash && span_order(m->name, best->name) > 0)) {
            best = m;
            best_hash = h;
        }
    }
    return best->peer;
}

struct peer *route_instance(const struct route *route, struct span resource)
{
    struct span id = {resource.p, span_index(resource, '/')};
    if (span_is_empty(id))
        return NULL;
    for (size_t i = 0; i < route->count; i++) {
        struct span name = route->members[i].name;
        struct span label = {name.p, span_index(name, '.')};
        if (span_eq(id, name) || span_eq(id, label))
            return route->members[i].peer;
    }
    return NULL;
}

/* --- table ------------------------------------------------------------------------------------ */

static struct route_member *find_member(const struct route *route, const struct peer *peer)
{
    for (size_t i = 0; i < route->count; i++)
        if (route->members[i].peer == peer)
            return &route->members[i];
    return NULL;
}

bool route_has(const struct route *route, const struct peer *peer)
{
    return find_member(route, peer) != NULL;
}

static struct route *route_new(struct span name, enum route_kind kind)
{
    struct route *route = mem_zalloc(sizeof *route + name.n);
    memcpy(route->text, name.p, name.n);
    route->name = span_make(route->text, name.n);
    route->kind = kind;
    return route;
}

static void route_free(struct route *route)
{
    free(route->members);
    free(route);
}

struct route *routes_bind(struct routes *r, struct span name, enum route_kind kind,
                          struct peer *peer, struct span member_name)
{
    struct route *route = map_get(&r->by_name, name);
    if (route) {
        if (find_member(route, peer))
            return route;
        if (route->kind != ROUTE_SHARED || kind != ROUTE_SHARED)
            return NULL;
    } else {
        route = route_new(name, kind);
        map_put(&r->by_name, route->name, route);
    }
    if (route->count == route->cap) {
        route->cap = route->cap ? 2 * route->cap : 1;
        route->members = mem_realloc(route->members, route->cap * sizeof *route->members);
    }
    route->members[route->count++] =
        (struct route_member){.peer = peer, .name = member_name, .hash = hash_span(member_name)};
    return route;
}

bool routes_unbind(struct routes *r, struct span name, const struct peer *peer, bool *gone_r)
{
    struct route *route = map_get(&r->by_name, name);
    struct route_member *m = route ? find_member(route, peer) : NULL;
    *gone_r = false;
    if (!m)
        return false;
    *m = route->members[--route->count];
    if (route->count == 0) {
        map_remove(&r->by_name, route->name);
        route_free(route);
        *gone_r = true;
    }
    return true;
}

struct route *routes_find(const struct routes *r, struct span name)
{
    return map_get(&r->by_name, name);
}

struct route *routes_next(const struct routes *r, size_t *cursor)
{
    return map_next(&r->by_name, cursor);
}

void routes_free(struct routes *r)
{
    size_t cursor = 0;
    struct route *route;
    while ((route = map_next(&r->by_name, &cursor)))
        route_free(route);
    map_free(&r->by_name);
}
