/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * outbox_private - what the files of the outbox share.
 *
 *   outbox.c        the queues           outbox_tick.c   time: what expires, spills, is deleted
 *   outbox_ring.c   stanzas in memory    outbox_store.c  jobs of the store
 *
 * Stanzas are numbered in the order in which they came. Of each queue the oldest are in memory
 * (front): sent ones, then unsent ones. When front is full, newer ones go through memory (back) to
 * the store, and are read back in slices when front has room: between front and back there may be
 * a gap, which is in the store only. What is in the store is always older than what is not: of
 * front its first `stored` entries are there, too, and back is written only when all of front is.
 */
#ifndef XMPP_OUTBOX_PRIVATE_H
#define XMPP_OUTBOX_PRIVATE_H

#include "base/list.h"
#include "base/loop.h"
#include "base/map.h"
#include "store/db.h"
#include "xmpp/outbox.h"

/* --- outbox_ring.c --- */

struct ring_entry {
    uint64_t seq;
    int64_t at; /* loop time; below 0: before this process began */
    size_t n;
};

/* Stanzas, oldest first: their bytes in one buffer, the rest in a ring. Zeroed: empty. */
struct ring {
    struct buf bytes;
    struct ring_entry *entries;
    uint32_t first, count, cap; /* cap: a power of 2, or 0 */
};

static inline struct ring_entry *ring_at(const struct ring *r, uint32_t i)
{
    return &r->entries[(r->first + i) & (r->cap - 1)];
}

void ring_add(struct ring *r, uint64_t seq, int64_t at, struct span stanza);
/* The bytes of entries [from, to), which lie behind one another. */
struct span ring_bytes(const struct ring *r, uint32_t from, uint32_t to);
/* Adds [from, to) of another. */
void ring_add_from(struct ring *r, const struct ring *other, uint32_t from, uint32_t to);
/* The oldest count go. Their bytes stay where they are until the next ring_add or ring_shrink. */
void ring_drop(struct ring *r, uint32_t count);
/* Only the oldest count stay. */
void ring_truncate(struct ring *r, uint32_t count);
/* An empty one holds little. */
void ring_shrink(struct ring *r);
void ring_free(struct ring *r);

/* --- outbox.c --- */

/* Of the store; owns all that its run() touches. */
struct outbox_job {
    struct store_job job;
    struct list_node node; /* of all->jobs */
    struct outboxes *all;  /* NULL: nobody waits for it any more */
    struct outbox *o;
    struct ring ring;    /* what is written, or has been read */
    bool is_back;        /* ring was back's, and is in no other place */
    uint64_t start, end; /* numbers: rows to read, or to delete before end */
    int64_t wall;        /* what makes loop time wall time */
    struct buf found;    /* load: one struct found and its key for each destination */
    struct span key;
    char text[];
};

struct outbox {
    struct outboxes *all;
    void *owner;
    struct ring front, back;
    uint32_t sent, stored; /* how many of front, from its start */
    size_t sent_bytes;
    struct {
        uint64_t start, end; /* numbers of what is in it, and of the next */
        int64_t at;          /* the first of it is not older */
        size_t count, bytes;
    } gap;
    uint64_t next_seq;
    uint64_t stored_end;  /* all rows in the store are before this */
    uint64_t dropped_end; /* all before this are done with */
    uint64_t deleted_end; /* and their rows are gone, before this */
    uint64_t give_up_end;
    uint64_t retry_at; /* after the store has refused */
    struct outbox_job *writing, *reading, *deleting;
    bool is_careful;       /* outbox_doubt: one at a time */
    bool is_wanted;        /* outbox_next gave nothing, but there is something: on_ready is owed */
    struct list_node node; /* of all->busy, while there is anything in it or to be done for it */
    struct span key;
    char text[];
};

struct outboxes {
    struct loop *loop;
    struct store *store;
    struct outbox_opts opts;
    const struct outbox_events *events;
    void *ctx;
    struct map map;
    struct list_node busy, jobs;
    struct list_node turn; /* those of busy that this tick has yet to look at */
    struct timer tick;
    size_t bytes;    /* in memory */
    bool is_loading; /* what is in the store is not known yet */
    bool is_looking; /* but will be soon */
    bool is_flushing;
    size_t writes; /* under way */
    void (*flushed)(void *ctx);
    void *flushed_ctx;
    struct deferred flush_end;
};

struct outbox *outbox_find_or_add(struct outboxes *all, struct span key);
/* It has work for the ticks. */
void outbox_set_busy(struct outbox *o);
/* It has none, for now; without an owner it is no more. */
void outbox_rest(struct outbox *o);
/* More into front, if there is room and more. */
void outbox_refill(struct outbox *o);
/* on_ready, if it is owed and there is something. */
void outbox_check_ready(struct outbox *o);
/* The oldest count are done with. */
void outbox_drop(struct outbox *o, uint32_t count);
bool outbox_writes_back(const struct outbox *o);
static inline bool outbox_has_unsent(const struct outbox *o)
{
    return o->sent < o->front.count;
}

/* --- outbox_tick.c --- */

void outboxes_tick_soon(struct outboxes *all, bool at_once);
/* Gives what has waited too long to on_expired. */
void outbox_expire(struct outbox *o);
/* Writes what is due, if nothing is being written. */
void outbox_spill(struct outbox *o);
/* A write has ended: perhaps the last of a flush. */
void outboxes_check_flushed(struct outboxes *all);

/* --- outbox_store.c --- */

void outboxes_load(struct outboxes *all);
void outbox_write(struct outbox *o); /* what of front is not stored yet, else back */
void outbox_read(struct outbox *o);  /* a slice of the gap */
void outbox_delete(struct outbox *o);
void outboxes_drop_jobs(struct outboxes *all); /* their answers are not wanted any more */

#endif
