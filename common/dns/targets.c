/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * targets - SRV records, read and put in order.
 *
 * Called by dial.c. Weights share load among the hosts of one domain, they protect nothing: the
 * chance is a small generator's, seeded by the caller.
 */
#include "dns/targets.h"

#define SRV_HEAD 6

static uint16_t get_u16(const char *p)
{
    return (uint16_t)((unsigned char)p[0] << 8 | (unsigned char)p[1]);
}

static void insert(struct targets *t, const struct target *it)
{
    size_t i = t->count;

    if (t->count == TARGETS_MAX) {
        t->dropped++;
        if (t->list[TARGETS_MAX - 1].priority <= it->priority)
            return;
        i--;
    } else {
        t->count++;
    }
    for (; i > 0 && t->list[i - 1].priority > it->priority; i--)
        t->list[i] = t->list[i - 1];
    t->list[i] = *it;
}

void targets_add(struct targets *t, const struct resolve_answer *a, bool is_direct)
{
    for (size_t i = 0; i < a->count; i++) {
        struct span data = a->data[i];
        struct target it = {.is_direct = is_direct, .is_secure = a->is_secure};

        if (data.n <= SRV_HEAD || !dns_wire_to_name(span_from(data, SRV_HEAD), it.name)) {
            t->dropped++;
            continue;
        }
        it.priority = get_u16(data.p);
        it.weight = get_u16(data.p + 2);
        it.port = get_u16(data.p + 4);
        if (it.name[0] == '\0')
            t->has_refusal = true;
        else if (it.port == 0)
            t->dropped++;
        else
            insert(t, &it);
    }
}

/* splitmix64 */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Which of list[0..n) comes next: weight 0 has a chance only of the value 0 itself, as the RFC has
 * it by putting these first. */
static size_t choose(const struct target *list, size_t n, uint64_t *state)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += list[i].weight;
    uint64_t value = draw(state) % (sum + 1);
    if (value == 0) {
        size_t zeros = 0;
        for (size_t i = 0; i < n; i++)
            zeros += list[i].weight == 0;
        if (zeros > 0) {
            size_t nth = (size_t)(draw(state) % zeros);
            for (size_t i = 0; i < n; i++)
                if (list[i].weight == 0 && nth-- == 0)
                    return i;
        }
    }
    uint64_t running = 0;
    for (size_t i = 0; i < n; i++) {
        running += list[i].weight;
        if (running >= value)
            return i;
    }
    return 0;
}

void targets_order(struct targets *t, uint64_t seed)
{
    for (size_t i = 0; i < t->count; i++) {
        size_t n = 1;
        while (i + n < t->count && t->list[i + n].priority == t->list[i].priority)
            n++;
        size_t hit = i + choose(t->list + i, n, &seed);
        struct target it = t->list[hit];
        t->list[hit] = t->list[i];
        t->list[i] = it;
    }
}
