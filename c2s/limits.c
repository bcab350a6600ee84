/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "c2s/limits.h"

#include "base/mem.h"

#include <stdlib.h>

/* A penalty is forgotten after this long without another failure, milliseconds. */
#define PENALTY_LIFE (15 * 60 * 1000)
/* Entries without connections (penalties) are swept when there are more than this, and more than
 * twice as many as the last sweep left: a busy server neither forgets penalties nor sweeps at each
 * connection. */
#define SWEEP_AT 4096

struct limits_entry {
    unsigned char group[16];
    size_t group_len;
    uint64_t connections, prelogin;
    uint64_t failed_at;
    unsigned failures;
};

void limits_init(struct limits *l, uint64_t max_prelogin, uint64_t max_connections,
                 uint64_t max_total, uint64_t max_delay_ms)
{
    *l = (struct limits){.max_prelogin = max_prelogin,
                         .max_connections = max_connections,
                         .max_total = max_total,
                         .max_delay_ms = max_delay_ms,
                         .sweep_at = SWEEP_AT};
}

void limits_deinit(struct limits *l)
{
    size_t cursor = 0;
    struct limits_entry *e;
    while ((e = map_next(&l->entries, &cursor)))
        free(e);
    map_free(&l->entries);
}

static struct span key_of(const struct limits_entry *e)
{
    return span_make((const char *)e->group, e->group_len);
}

static bool is_idle(const struct limits_entry *e, uint64_t now_ms)
{
    return e->connections == 0 && (e->failures == 0 || now_ms - e->failed_at > PENALTY_LIFE);
}

static void drop(struct limits *l, struct limits_entry *e)
{
    map_remove(&l->entries, key_of(e));
    free(e);
}

/* A flood of failing addresses: those without a connection go, penalties with them. */
static void sweep(struct limits *l)
{
    size_t cursor = 0;
    struct limits_entry *e;
    while ((e = map_next(&l->entries, &cursor)))
        if (e->connections == 0)
            drop(l, e);
    l->sweep_at = 2 * l->entries.count > SWEEP_AT ? 2 * l->entries.count : SWEEP_AT;
}

static struct limits_entry *find_or_add(struct limits *l, const struct addr *addr)
{
    unsigned char group[16];
    size_t n = addr_group(addr, group);
    struct limits_entry *e = map_get(&l->entries, span_make((const char *)group, n));
    if (e)
        return e;
    if (l->entries.count > l->sweep_at)
        sweep(l);
    e = mem_zalloc(sizeof *e);
    memcpy(e->group, group, n);
    e->group_len = n;
    map_put(&l->entries, key_of(e), e);
    return e;
}

enum limits_verdict limits_connect(struct limits *l, const struct addr *addr,
                                   struct limits_entry **entry_r)
{
    *entry_r = NULL;
    if (l->total >= l->max_total)
        return LIMITS_FULL;
    if (l->max_waiting > 0 && l->waiting >= l->max_waiting)
        return LIMITS_TOO_MANY_WAITING;
    struct limits_entry *e = find_or_add(l, addr);
    if (e->prelogin >= l->max_prelogin)
        return LIMITS_TOO_MANY_PRELOGIN;
    if (e->connections >= l->max_connections)
        return LIMITS_TOO_MANY_CONNECTIONS;
    l->total++;
    l->waiting++;
    e->connections++;
    e->prelogin++;
    *entry_r = e;
    return LIMITS_OK;
}

bool limits_is_stressed(const struct limits *l)
{
    return l->max_waiting > 0 && l->waiting > l->max_waiting / 2;
}

void limits_login(struct limits *l, struct limits_entry *e)
{
    l->waiting--;
    e->prelogin--;
    e->failures = 0;
}

void limits_disconnect(struct limits *l, struct limits_entry *e, bool logged_in, uint64_t now_ms)
{
    l->total--;
    e->connections--;
    if (!logged_in) {
        l->waiting--;
        e->prelogin--;
    }
    if (is_idle(e, now_ms))
        drop(l, e);
}

uint64_t limits_failure(struct limits *l, struct limits_entry *e, uint64_t now_ms)
{
    if (e->failures && now_ms - e->failed_at > PENALTY_LIFE)
        e->failures = 0;
    e->failed_at = now_ms;
    unsigned before = e->failures < 8 ? e->failures++ : e->failures;
    uint64_t delay = before ? 1000ull << (before - 1) : 0;
    return delay < l->max_delay_ms ? delay : l->max_delay_ms;
}
