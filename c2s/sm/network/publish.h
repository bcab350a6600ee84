/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * publish - what publish.c (when, and to whom) and publish_store.c (what) share.
 */
#ifndef C2S_SM_NETWORK_PUBLISH_H
#define C2S_SM_NETWORK_PUBLISH_H

#include "c2s/sm/network/record.h"

#define PUBLISH_BATCH 100   /* records of one request */
#define PUBLISH_SLICE 256   /* accounts looked at for one */
#define PUBLISH_LEASE 30000 /* ms in which nobody else tells that member */

/* What is to be told to one member next. */
struct publish_batch {
    struct sm *sm;
    struct servers *servers; /* a reference: the table by which it was put together */
    struct arena arena;
    struct span host; /* of the member */
    struct sm_home_record records[PUBLISH_BATCH];
    bool is_unsaved[PUBLISH_BATCH]; /* not in the store as it is here */
    size_t count;
    /* Records of other homes, that hold against an account here. */
    struct sm_home_record lost[PUBLISH_BATCH];
    size_t lost_count;
    bool has_new_former; /* one has become known: he is to be told */
    int64_t account;     /* up to this number, when it has been told */
    bool is_last;        /* nothing follows */
    bool was_whole;      /* it knew already that these are all */
    bool is_nothing;     /* there is nothing to tell it */
    bool can_sign;
    int64_t now;     /* ms since 1970 */
    int64_t busy_ms; /* another instance is telling it, for so long */
    /* Former homes of our users that are told by this, or have become known by its answer. */
    struct publish_former {
        struct span user, host;
    } formers[2 * PUBLISH_BATCH];
    size_t former_count;
};

struct publish_batch *publish_batch_new(struct sm *sm, struct span host);
void publish_batch_free(struct publish_batch **b);
/* False: they are too many. */
bool publish_add_former(struct publish_batch *b, struct span user, struct span host);

/* Each is one job; done(sm, b, result) on the loop, then b is the receiver's again. */
typedef void publish_done(struct sm *sm, struct publish_batch *b, int result);
/* Finds the batch. */
void publish_load(struct publish_batch *b, publish_done *done);
/* Keeps the records that have been signed. */
void publish_save(struct publish_batch *b, publish_done *done);
/* It has been told: the next one begins behind it. */
void publish_told(struct publish_batch *b, publish_done *done);
/* When what has been told is signed by a key that this server has no more, it is to be told anew:
 * then done comes. */
void publish_check_key(struct sm *sm, void (*done)(struct sm *sm));
/* What is known of servers that are no members any more. */
void publish_forget_others(struct sm *sm);

#endif
