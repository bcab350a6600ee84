/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * in_limits - how many incoming connections there may be of one address and of all. Called by in.c
 * at both ends of a connection; an entry lives as long as it has one.
 */
#include "s2s/in_private.h"

#include <stdlib.h>

struct in_address {
    unsigned char group[16];
    size_t group_len;
    uint64_t connections;
};

static struct span key_of(const struct in_address *a)
{
    return span_make((const char *)a->group, a->group_len);
}

const char *in_limits_connect(struct s2s *s, const struct addr *peer, struct in_address **r)
{
    struct in_address key = {.connections = 1};
    if (s->in_count > (size_t)s->conf->max_connections)
        return "max_connections";
    key.group_len = addr_group(peer, key.group);
    struct in_address *a = map_get(&s->addresses, key_of(&key));
    if (!a) {
        a = mem_alloc(sizeof *a);
        *a = key;
        map_put(&s->addresses, key_of(a), a);
    } else if (a->connections >= (uint64_t)s->conf->connections_per_address) {
        return "connections_per_address";
    } else {
        a->connections++;
    }
    *r = a;
    return NULL;
}

void in_limits_disconnect(struct s2s *s, struct in_address **address)
{
    struct in_address *a = *address;
    *address = NULL;
    if (!a || --a->connections > 0)
        return;
    map_remove(&s->addresses, key_of(a));
    free(a);
}
