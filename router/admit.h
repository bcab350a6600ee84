/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * admit - counts failed handshakes per address, so that secrets cannot be tried in bulk.
 *
 * Called by peer.c. Unix sockets have no address: their failures are answered late instead.
 */
#ifndef ROUTER_ADMIT_H
#define ROUTER_ADMIT_H

#include "base/addr.h"

#define ADMIT_FAILURES 3
#define ADMIT_WINDOW_MS 60000
#define ADMIT_ADDRESSES 256

struct admit {
    struct admit_entry {
        unsigned char group[16];
        uint8_t n;
        uint32_t failures;
        uint64_t since; /* start of its minute */
    } entries[ADMIT_ADDRESSES];
    size_t count;
};

/* False: it has failed too often in this minute. */
bool admit_may_try(const struct admit *a, const struct addr *from, uint64_t now_ms);
/* False: the address is not counted (Unix socket): delay the answer. */
bool admit_failed(struct admit *a, const struct addr *from, uint64_t now_ms);

#endif
