/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * multicast - one stanza to many (XEP-0033): what multicast.c and multicast_peer.c share.
 */
#ifndef C2S_SM_MULTICAST_H
#define C2S_SM_MULTICAST_H

#include "c2s/sm/sm_private.h"

#define MULTICAST_MAX_PEERS 1000 /* domains that have been asked */

/* --- multicast_peer.c --- */
/* The domain is known to be a multicast service; if nothing is known, it is asked. */
bool sm_multicast_has_service(struct sm *sm, struct span domain);

#endif
