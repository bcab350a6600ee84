/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * admit - a small fixed table: looked at per connection, not per stanza.
 */
#include "router/admit.h"

static const struct admit_entry *find(const struct admit *a, const unsigned char group[16],
                                      size_t n)
{
    for (size_t i = 0; i < a->count; i++)
        if (a->entries[i].n == n && memcmp(a->entries[i].group, group, n) == 0)
            return &a->entries[i];
    return NULL;
}

bool admit_may_try(const struct admit *a, const struct addr *from, uint64_t now_ms)
{
    unsigned char group[16];
    size_t n = addr_group(from, group);
    const struct admit_entry *e = n ? find(a, group, n) : NULL;
    return !e || e->failures < ADMIT_FAILURES || now_ms - e->since >= ADMIT_WINDOW_MS;
}

/* A free entry, or the one whose minute began first. */
static struct admit_entry *take_entry(struct admit *a)
{
    if (a->count < ADMIT_ADDRESSES)
        return &a->entries[a->count++];
    struct admit_entry *oldest = &a->entries[0];
    for (size_t i = 1; i < a->count; i++)
        if (a->entries[i].since < oldest->since)
            oldest = &a->entries[i];
    return oldest;
}

bool admit_failed(struct admit *a, const struct addr *from, uint64_t now_ms)
{
    unsigned char group[16] = {0};
    size_t n = addr_group(from, group);
    if (n == 0)
        return false;
    struct admit_entry *e = (struct admit_entry *)(uintptr_t)find(a, group, n);
    if (!e || now_ms - e->since >= ADMIT_WINDOW_MS) {
        e = e ? e : take_entry(a);
        *e = (struct admit_entry){.n = (uint8_t)n, .since = now_ms};
        memcpy(e->group, group, sizeof e->group);
    }
    e->failures++;
    return true;
}
