/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * resolver - what resolver.c (what is known) and lookup.c (what is being asked) share
 * (and lookup_local.c, what is in the store).
 */
#ifndef C2S_SM_NETWORK_RESOLVER_H
#define C2S_SM_NETWORK_RESOLVER_H

#include "c2s/sm/network/network.h"

#define HOME_AHEAD_MS 600000 /* a record may be so far in our future, and no further */

/* Of a look-up: into the cache, unless something newer has come there meanwhile. Returns what holds
 * now. host: a member's, for SM_HOME_AT. */
struct sm_home sm_cache_settle(struct sm *sm, struct span localpart, const struct sm_home *found);
/* That name, kept until sm_resolver_close. */
struct span sm_cache_host(struct sm *sm, struct span host);

/* --- lookup_local.c --- */
/* What the store here says: kind UNKNOWN: others must be asked. done once, never from inside, not
 * after sm_free. False: too much is queued for the store. */
bool sm_lookup_local(struct sm *sm, struct span user,
                     void (*done)(void *ctx, const struct sm_home *home), void *ctx);

/* --- lookup.c --- */
/* An account has come or gone: what the look-up of it finds is not kept. */
void sm_lookup_outdate(struct sm *sm, struct span localpart);
/* Without a word to those who wait. */
void sm_lookups_close(struct sm *sm);

#endif
