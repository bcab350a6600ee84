/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * outbox - what waits to go to other servers: for each destination a queue of written stanzas, in
 * order, kept until the destination has acknowledged them, the newest part in memory, the rest in
 * the store.
 *
 * A stanza goes to the store when it has waited for 5 s, when the memory of its queue is full, or
 * when the process stops; so a process that is killed loses nothing that was accepted longer ago.
 * What is in the store is read back a slice at a time. What has waited longer than its time to live
 * is given back once, to be answered with an error. Used by s2s and net.
 */
#ifndef XMPP_OUTBOX_H
#define XMPP_OUTBOX_H

#include "base/buf.h"

struct loop;
struct outbox;   /* one destination */
struct outboxes; /* all of a process */
struct store;

struct outbox_opts {
    size_t max_stanzas;   /* in memory, of one destination: 1,000 */
    size_t max_bytes;     /* in memory, of one destination: 4 MiB */
    size_t max_all_bytes; /* in memory, of all: 64 MiB */
    size_t max_stored;    /* bytes in the store, of one destination: 100 MiB */
    uint64_t spill_ms;    /* 5,000 */
    uint64_t ttl_ms;      /* 3,600,000 */
};

/* What a process lets its operator set of them, embedded in its struct of settings. */
struct outbox_conf {
    int64_t stanzas, bytes, stored; /* of one destination */
    int64_t time;                   /* ms to live */
};
struct outbox_opts outbox_conf_opts(const struct outbox_conf *c);

struct outbox_events {
    /* There is something to send, where outbox_next had nothing or an owner is missing: read back
     * from the store, or found in it at the start. Not for outbox_put: who puts knows. */
    void (*on_ready)(void *ctx, struct outbox *o);
    /* It has waited too long: nobody will try any more. stanza: valid during the call. */
    void (*on_expired)(void *ctx, struct outbox *o, struct span stanza);
};

/* The migration that the outbox needs, for the table of its process: SQL, a literal. */
extern const char outbox_schema[];

/* store is borrowed. Destinations with something in the store get on_ready, soon. */
struct outboxes *outboxes_new(struct loop *loop, struct store *store,
                              const struct outbox_opts *opts, const struct outbox_events *events,
                              void *ctx);
void outboxes_set_limits(struct outboxes *all, const struct outbox_opts *opts);
/* Writes all that is in memory to the store; done(ctx) when it is durable. */
void outboxes_flush(struct outboxes *all, void (*done)(void *ctx), void *ctx);
void outboxes_free(struct outboxes **all);

/* The queue for that key (made if need be; lives while it is not empty or has an owner). */
struct outbox *outbox_open(struct outboxes *all, struct span key, void *owner);
void outbox_close(struct outbox **o); /* the owner is gone; what is in it stays */
struct span outbox_key(const struct outbox *o);
void *outbox_owner(const struct outbox *o); /* NULL: none */

/* A copy of the stanza, as it is to be sent. False: it is full, nothing was taken. */
bool outbox_put(struct outbox *o, struct span stanza);
/* The oldest that has not been sent; none: nothing, or it is being read (on_ready follows), or one
 * at a time is enough (outbox_doubt). Valid until the next call. */
struct span outbox_next(struct outbox *o);
void outbox_sent(struct outbox *o); /* the one that outbox_next gave */
/* The peer has so many more of those sent, the oldest first: they go. False: never so many. */
bool outbox_acked(struct outbox *o, uint32_t count);
/* Sent and not acknowledged. */
uint32_t outbox_unacked(const struct outbox *o);
/* The connection is gone: what was sent and not acknowledged will be given again, first. */
void outbox_rewind(struct outbox *o);
/*
 * The peer has ended the connection with a complaint. What it complains of is one of those that it
 * has not acknowledged; sent again as before, it would end the next connection, too, and hold up
 * all that is behind it. So from now on outbox_next gives them one at a time, each when the one
 * before is acknowledged, until nothing is left. The one that ends a connection that way has found
 * itself: true, and its owner may refuse it (outbox_refuse_first).
 */
bool outbox_doubt(struct outbox *o);
/* One at a time: whoever has sent one had better ask for its acknowledgement. */
bool outbox_is_careful(const struct outbox *o);
/* The oldest, sent or not, is given to on_expired now: it cannot be delivered. */
void outbox_refuse_first(struct outbox *o);
/* All of it is given to on_expired, now or soon: there is no such destination. */
void outbox_give_up(struct outbox *o);
bool outbox_is_empty(const struct outbox *o);
/* For figures: all of it, also in the store; the age of the oldest in ms. */
void outbox_figures(const struct outbox *o, size_t *stanzas_r, size_t *bytes_r, uint64_t *age_r);

#endif
