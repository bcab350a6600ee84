/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * quota - how many times in an hour one address, and all of them together, may do something that
 * leaves something behind: in-band registration.
 *
 * An address is an IPv4 address or an IPv6 /64 (addr_group). Its hour begins with its first try.
 * What came to nothing is given back, but not for ever: of tries there may be a few times as many,
 * so that names cannot be found out by asking. The addresses that are remembered are bounded: of
 * too many, the one whose hour began first is forgotten.
 */
#ifndef C2S_QUOTA_H
#define C2S_QUOTA_H

#include "base/addr.h"
#include "base/list.h"
#include "base/map.h"

#define QUOTA_WINDOW_MS (60 * 60 * 1000)
#define QUOTA_TRIES 5 /* for each time that it may come to something */
#define QUOTA_ADDRESSES_MAX 10000

struct quota_count {
    uint64_t since; /* loop time: the hour's beginning */
    uint64_t used, tries;
};

struct quota {
    uint64_t max_each, max_all; /* 0: no limit */
    struct quota_count all;
    struct map entries;
    struct list_node by_age; /* the hour that began first comes first */
};

enum quota_verdict { QUOTA_OK, QUOTA_ADDRESS, QUOTA_ALL };

void quota_init(struct quota *q, uint64_t max_each, uint64_t max_all);
void quota_deinit(struct quota *q);

/* Takes one, or says who has had enough, and for how long. now_ms: loop_now. */
enum quota_verdict quota_take(struct quota *q, const struct addr *addr, uint64_t now_ms,
                              uint64_t *wait_ms_r);
/* What was taken at that time came to nothing: it counts as a try only. */
void quota_give_back(struct quota *q, const struct addr *addr, uint64_t taken_ms);

#endif
