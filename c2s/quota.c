/* SPDX-License-Identifier: GPL-3.0-or-later */
/* quota: see quota.h. Called by register.c; process.c owns the one of registration. */
#include "c2s/quota.h"

#include <stdlib.h>

struct entry {
    struct list_node node; /* of by_age */
    struct quota_count count;
    size_t group_len;
    unsigned char group[16];
};

static struct span key_of(const struct entry *e)
{
    return span_make((const char *)e->group, e->group_len);
}

static void drop(struct quota *q, struct entry *e)
{
    list_remove(&e->node);
    map_remove(&q->entries, key_of(e));
    free(e);
}

void quota_init(struct quota *q, uint64_t max_each, uint64_t max_all)
{
    *q = (struct quota){.max_each = max_each, .max_all = max_all};
    list_init(&q->by_age);
}

void quota_deinit(struct quota *q)
{
    LIST_FOR_EACH(node, &q->by_age)
        drop(q, CONTAINER_OF(node, struct entry, node));
    map_free(&q->entries);
}

static bool is_over(const struct quota_count *count, uint64_t now_ms)
{
    return count->tries == 0 || now_ms - count->since >= QUOTA_WINDOW_MS;
}

static bool is_spent(const struct quota_count *count, uint64_t max)
{
    return max > 0 && (count->used >= max || count->tries >= max * QUOTA_TRIES);
}

static uint64_t rest_of(const struct quota_count *count, uint64_t now_ms)
{
    return count->since + QUOTA_WINDOW_MS - now_ms;
}

/* Those whose hour is over are at the front. */
static void make_room(struct quota *q, uint64_t now_ms)
{
    LIST_FOR_EACH(node, &q->by_age) {
        struct entry *e = CONTAINER_OF(node, struct entry, node);
        if (!is_over(&e->count, now_ms) && q->entries.count < QUOTA_ADDRESSES_MAX)
            return;
        drop(q, e);
    }
}

static struct entry *find_or_add(struct quota *q, const struct addr *addr, uint64_t now_ms)
{
    unsigned char group[16];
    size_t n = addr_group(addr, group);
    struct entry *e = map_get(&q->entries, span_make((const char *)group, n));

    if (e)
        return e;
    e = mem_zalloc(sizeof *e);
    memcpy(e->group, group, n);
    e->group_len = n;
    e->count.since = now_ms;
    list_append(&q->by_age, &e->node);
    map_put(&q->entries, key_of(e), e);
    return e;
}

enum quota_verdict quota_take(struct quota *q, const struct addr *addr, uint64_t now_ms,
                              uint64_t *wait_ms_r)
{
    make_room(q, now_ms);
    if (is_over(&q->all, now_ms))
        q->all = (struct quota_count){.since = now_ms};
    if (is_spent(&q->all, q->max_all)) {
        *wait_ms_r = rest_of(&q->all, now_ms);
        return QUOTA_ALL;
    }
    struct entry *e = find_or_add(q, addr, now_ms);
    if (is_spent(&e->count, q->max_each)) {
        *wait_ms_r = rest_of(&e->count, now_ms);
        return QUOTA_ADDRESS;
    }
    e->count.used++;
    e->count.tries++;
    q->all.used++;
    q->all.tries++;
    return QUOTA_OK;
}

static void give_back(struct quota_count *count, uint64_t taken_ms)
{
    if (count->used > 0 && taken_ms >= count->since)
        count->used--;
}

void quota_give_back(struct quota *q, const struct addr *addr, uint64_t taken_ms)
{
    unsigned char group[16];
    size_t n = addr_group(addr, group);
    struct entry *e = map_get(&q->entries, span_make((const char *)group, n));

    if (e)
        give_back(&e->count, taken_ms);
    give_back(&q->all, taken_ms);
}
