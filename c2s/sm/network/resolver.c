/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * resolver - where a user is at home: what is known about that, in memory.
 *
 * An entry holds for a time that its kind has (time_of). Of too many the one that was used least
 * recently goes. What lookup.c finds out comes in here; so does what authenticated sources say by
 * themselves (sm_home_learn). The newer record holds, by its signed time.
 *
 * Called by whoever has an address in the network; nothing here asks anybody.
 */
#include "c2s/sm/admin/fleet.h"
#include "c2s/sm/network/resolver.h"

#include <stdlib.h>

#define UNREACHABLE_MS 2000
#define TELLING_MAX 32 /* other instances: beyond it their entries end by themselves */

/* One for each server that was ever named in the table: never freed before the end, so that
 * entries and look-ups can point to it. */
struct host {
    size_t n;
    char name[];
};

struct entry {
    struct list_node age; /* of sm_cache.used, least recently used first */
    uint64_t until;       /* loop time */
    int64_t stamp;
    struct span host;   /* of a struct host; none: not SM_HOME_AT */
    struct span former; /* where he was before; none: not known */
    enum sm_home_kind kind;
    uint32_t n;
    char user[];
};

struct sm_cache {
    struct map entries, hosts;
    struct list_node used;
};

static void entry_free(struct sm_cache *cache, struct entry *e)
{
    map_remove(&cache->entries, span_make(e->user, e->n));
    list_remove(&e->age);
    free(e);
}

static bool is_live(const struct sm *sm, const struct entry *e)
{
    return e && loop_now(sm->loop) < e->until;
}

static struct sm_home home_of(const struct entry *e)
{
    return (struct sm_home){.kind = e->kind, .host = e->host, .stamp = e->stamp};
}

/* An account of this server is asked for again as soon as that nobody has it: other instances make
 * and remove accounts, too, and a look into the store costs little. */
static uint64_t time_of(const struct sm *sm, enum sm_home_kind kind)
{
    if (kind == SM_HOME_AT)
        return sm->opts.net.cache;
    return kind == SM_HOME_UNREACHABLE ? UNREACHABLE_MS : sm->opts.net.negative;
}

struct span sm_cache_host(struct sm *sm, struct span host)
{
    struct map *hosts = &sm->net->cache->hosts;
    struct host *h = map_get(hosts, host);

    if (!h) {
        h = mem_alloc(sizeof(*h) + host.n);
        h->n = host.n;
        memcpy(h->name, host.p, host.n);
        map_put(hosts, span_make(h->name, h->n), h);
    }
    return span_make(h->name, h->n);
}

static struct entry *entry_put(struct sm *sm, struct span user, const struct sm_home *home)
{
    struct sm_cache *cache = sm->net->cache;
    struct entry *e = map_get(&cache->entries, user);

    if (!e) {
        if (cache->entries.count > 0 && cache->entries.count >= sm->opts.net.max_cache)
            entry_free(cache, CONTAINER_OF(cache->used.next, struct entry, age));
        e = mem_zalloc(sizeof(*e) + user.n);
        e->n = (uint32_t)user.n;
        memcpy(e->user, user.p, user.n);
        list_init(&e->age);
        map_put(&cache->entries, span_make(e->user, e->n), e);
    }
    if (e->kind == SM_HOME_AT && !(home->kind == SM_HOME_AT && span_eq(home->host, e->host)))
        e->former = e->host;
    e->kind = home->kind;
    e->host = home->kind == SM_HOME_AT ? sm_cache_host(sm, home->host) : SPAN_NONE;
    e->stamp = home->stamp;
    e->until = loop_now(sm->loop) + time_of(sm, home->kind);
    list_remove(&e->age);
    list_append(&cache->used, &e->age);
    return e;
}

static bool is_somewhere(enum sm_home_kind kind)
{
    return kind == SM_HOME_HERE || kind == SM_HOME_AT;
}

struct sm_home sm_cache_settle(struct sm *sm, struct span localpart, const struct sm_home *found)
{
    const struct entry *e = map_get(&sm->net->cache->entries, localpart);

    if (is_live(sm, e) && is_somewhere(e->kind) &&
        (!is_somewhere(found->kind) || found->stamp < e->stamp))
        return home_of(e);
    return home_of(entry_put(sm, localpart, found));
}

struct sm_home sm_home_peek(const struct sm *sm, struct span localpart)
{
    struct sm_net *net = sm->net;
    struct entry *e;

    if (!net || servers_members(net->servers) == 1)
        return (struct sm_home){.kind = SM_HOME_HERE};
    net->counts.peeks++;
    if (sm_user_owned(sm, localpart))
        return (struct sm_home){.kind = SM_HOME_HERE};
    e = map_get(&net->cache->entries, localpart);
    if (!is_live(sm, e))
        return (struct sm_home){.kind = SM_HOME_UNKNOWN};
    net->counts.cached++;
    list_remove(&e->age);
    list_append(&net->cache->used, &e->age);
    return home_of(e);
}

void sm_home_learn(struct sm *sm, struct span localpart, struct span host, int64_t stamp)
{
    struct sm_home home = {.kind = SM_HOME_AT, .host = host, .stamp = stamp};
    const struct entry *e;

    if (!sm_is_member(sm, host) || stamp > loop_wall(sm->loop) + HOME_AHEAD_MS)
        return;
    e = map_get(&sm->net->cache->entries, localpart);
    if (is_live(sm, e) && is_somewhere(e->kind) && stamp < e->stamp)
        return;
    if (span_eq(host, sm->opts.host))
        sm_home_forget(sm, localpart); /* the accounts say whether he is */
    else
        entry_put(sm, localpart, &home);
}

void sm_home_seen(struct sm *sm, struct span from)
{
    const struct sm_home home = {.kind = SM_HOME_HERE};
    const size_t at = span_index(from, '@');
    const struct span local = span_make(from.p, at);

    if (at < from.n && jid_bare_of(from).n < from.n &&
        sm_home_peek(sm, local).kind == SM_HOME_UNKNOWN)
        entry_put(sm, local, &home);
}

bool sm_home_was(const struct sm *sm, struct span localpart, struct span host)
{
    const struct entry *e = map_get(&sm->net->cache->entries, localpart);

    return e && !span_is_none(e->former) && span_eq(e->former, host);
}

void sm_home_forget(struct sm *sm, struct span localpart)
{
    struct entry *e = sm_has_network(sm) ? map_get(&sm->net->cache->entries, localpart) : NULL;

    if (e)
        entry_free(sm->net->cache, e);
}

static void on_told(void *ctx, const struct sm_tally *tally)
{
    (void)ctx, (void)tally;
}

/* This instance forgets it with the others: the next who asks sees it in the store. */
void sm_home_on_account(struct sm *sm, struct span localpart, bool is_there)
{
    (void)is_there;
    if (!sm_has_network(sm))
        return;
    sm_lookup_outdate(sm, localpart);
    sm_home_forget(sm, localpart);
    if (sm_is_linked(sm) && sm->poll_count < TELLING_MAX)
        sm_fleet_ask(sm, "account", localpart, 0, on_told, NULL);
}

void sm_resolver_open(struct sm *sm)
{
    sm->net->cache = mem_zalloc(sizeof(*sm->net->cache));
    list_init(&sm->net->cache->used);
}

/* Who was nobody's may be a new member's; whose home is no member any more is nobody's. */
void sm_resolver_follow(struct sm *sm)
{
    struct sm_cache *cache = sm->net->cache;
    struct entry *e;
    size_t cursor = 0;

    while ((e = map_next(&cache->entries, &cursor)) != NULL) {
        if (!is_somewhere(e->kind) || (e->kind == SM_HOME_AT && !sm_is_member(sm, e->host)))
            entry_free(cache, e);
    }
}

void sm_resolver_close(struct sm *sm)
{
    struct sm_cache *cache = sm->net->cache;
    struct entry *e;
    struct host *h;
    size_t cursor = 0;

    sm_lookups_close(sm);
    while ((e = map_next(&cache->entries, &cursor)) != NULL)
        entry_free(cache, e);
    for (cursor = 0; (h = map_next(&cache->hosts, &cursor)) != NULL;)
        free(h);
    map_free(&cache->entries);
    map_free(&cache->hosts);
    free(cache);
    sm->net->cache = NULL;
}
