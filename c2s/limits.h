/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * limits - what one address may do: connections, connections that have not logged in, and how long
 * the answer to its failed logins is delayed; and how many connections there may be of all.
 *
 * An address is an IPv4 address or an IPv6 /64 (addr_group). Entries live while they hold a
 * connection or a penalty; a bound keeps a flood of addresses from growing the table.
 */
#ifndef C2S_LIMITS_H
#define C2S_LIMITS_H

#include "base/addr.h"
#include "base/map.h"

struct limits_entry;

struct limits {
    struct map entries;
    uint64_t max_prelogin, max_connections; /* of one address */
    uint64_t max_total, total;
    uint64_t max_waiting, waiting; /* connections of all that have not logged in; max 0: any */
    uint64_t max_delay_ms;
    size_t sweep_at; /* entries at which those without a connection go */
};

enum limits_verdict {
    LIMITS_OK,
    LIMITS_TOO_MANY_PRELOGIN,
    LIMITS_TOO_MANY_CONNECTIONS,
    LIMITS_FULL,
    LIMITS_TOO_MANY_WAITING,
};

void limits_init(struct limits *l, uint64_t max_prelogin, uint64_t max_connections,
                 uint64_t max_total, uint64_t max_delay_ms);
void limits_deinit(struct limits *l);

/* A new connection from addr; *entry_r is what the other calls take, or NULL unless LIMITS_OK: who
 * is refused is not counted. */
enum limits_verdict limits_connect(struct limits *l, const struct addr *addr,
                                   struct limits_entry **entry_r);
/* So many have not logged in that newcomers get little time for it: a flood of them then takes up
 * few places, and a client in earnest needs less. */
bool limits_is_stressed(const struct limits *l);
/* It has logged in: no longer counts as pre-login; its address's penalty is forgotten. */
void limits_login(struct limits *l, struct limits_entry *e);
/* It is gone. logged_in: limits_login has been called for it. now_ms: loop_now. */
void limits_disconnect(struct limits *l, struct limits_entry *e, bool logged_in, uint64_t now_ms);
/* A login failed: how many milliseconds to hold back the answer: 0, 1,000, 2,000, 4,000, … */
uint64_t limits_failure(struct limits *l, struct limits_entry *e, uint64_t now_ms);

#endif
