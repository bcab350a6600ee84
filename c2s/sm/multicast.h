/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * multicast - one stanza to many (XEP-0033): what multicast.c, multicast_peer.c and
 * multicast_wait.c share.
 */
#ifndef C2S_SM_MULTICAST_H
#define C2S_SM_MULTICAST_H

#include "c2s/sm/sm_private.h"

#define MULTICAST_MAX_PEERS 1000 /* domains that have been asked */
#define MULTICAST_WAIT_MS 2000   /* for recipients who are being looked up */

struct sm_multicast {
    struct map domains;     /* multicast_peer.c */
    struct list_node peers;
    struct list_node waits; /* multicast_wait.c */
    size_t wait_bytes;
};
struct sm_multicast *sm_multicast_of(struct sm *sm);

/* --- multicast.c --- */
/* One that has waited; whoever is not found now goes on by himself. */
void sm_multicast_go_on(struct sm_in *in);

/* --- multicast_peer.c --- */
/* The domain is known to be a multicast service; if nothing is known, it is asked. */
bool sm_multicast_has_service(struct sm *sm, struct span domain);

/* --- multicast_wait.c --- */
/* The stanza of a client is kept, and those that it sends after it, until all who are not known
 * have been looked up, but not longer than MULTICAST_WAIT_MS; false: it need not be. */
bool sm_multicast_wait(struct sm_in *in, const struct span *unknown, size_t count);
void sm_multicast_waits_free(struct sm_multicast *m);

#endif
