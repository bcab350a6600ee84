/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pubsub_private - what the files of the pubsub core share. All of it is for the storage thread.
 *
 * Functions that return int: >= 0 as said, < 0 the store's failure or PUBSUB_REFUSED, to be passed
 * up as it is.
 */
#ifndef C2S_SM_PUBSUB_PRIVATE_H
#define C2S_SM_PUBSUB_PRIVATE_H

#include "c2s/sm/pubsub/pubsub.h"

#include "base/mem.h"

struct pubsub_node {
    int64_t id, created;
    struct span name;
    struct pubsub_config config;
};

/* feature-not-implemented with <unsupported feature=/> */
int pubsub_refuse_feature(struct pubsub_ask *ask, const char *feature);

/* --- node.c --- */
/* 1: it is there; its spans are in ask->arena. */
int pubsub_node_find(struct pubsub_ask *ask, struct db *db, struct span name,
                     struct pubsub_node *node_r);
int pubsub_node_create(struct pubsub_ask *ask, struct db *db, struct span name,
                       const struct pubsub_config *config, struct pubsub_node *node_r);
int pubsub_node_configure(struct db *db, const struct pubsub_node *node);
int pubsub_node_delete(struct db *db, const struct pubsub_node *node);
/* Until take says false. */
int pubsub_node_each(struct pubsub_ask *ask, struct db *db,
                     bool (*take)(void *ctx, const struct pubsub_node *node), void *ctx);

/* --- item.c --- */
struct pubsub_item {
    struct span id, payload;
    struct span publisher; /* bare JID; empty: the account */
    int64_t stamp;
};
/* Stores it, replacing one of the same id, and lets the oldest go where they are too many. */
int pubsub_item_store(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                      const struct pubsub_item *item);
/* How many there were; publisher none: whoever has published it. */
int pubsub_item_remove(struct db *db, const struct pubsub_node *node, struct span id,
                       struct span publisher);
/* 1: it is there; id none: the last one. Spans in ask->arena. */
int pubsub_item_find(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                     struct span id, struct pubsub_item *item_r);
int pubsub_item_trim(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node);
int pubsub_item_purge(struct db *db, const struct pubsub_node *node);
int64_t pubsub_item_count(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node);

/* A page of items: the oldest of those after "after", or the newest of those before "before". */
struct pubsub_page {
    struct span after, before; /* ids; none: no bound */
    uint64_t max;              /* items */
    bool is_newest;            /* the end of what there is */
    struct span first_r, last_r;
    int64_t index_r;           /* of the first one */
};
/* Writes <item/>s; 0: done, 1: there is no such bound. */
int pubsub_item_write_page(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                           struct pubsub_page *page, struct buf *out);
/* <item jid= name=/>s for disco. */
int pubsub_item_write_names(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                            struct buf *out);
void pubsub_item_write(struct buf *out, const struct pubsub_item *item, bool has_payload);

/* --- people.c --- */
int pubsub_relation_read(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                         struct span who, struct pubsub_relation *r);
/* A JID (bare or full) as it is stored: in the arena, or as it is. */
struct span pubsub_stored_jid(struct pubsub_ask *ask, struct span jid);
/* The right of who asks; PUBSUB_REFUSED where he has none. */
int pubsub_require(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                   enum pubsub_right right);
bool pubsub_is_in_groups(struct span groups, struct span of_contact);
int pubsub_affiliation_set(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                           struct span jid, enum pubsub_affiliation a);
/* 1: it is there. */
int pubsub_subscription_find(struct db *db, const struct pubsub_node *node, struct span jid,
                             bool *delivers_r);
int pubsub_subscription_set(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                            struct span jid, bool delivers);
/* How many there were. */
int pubsub_subscription_remove(struct db *db, const struct pubsub_node *node, struct span jid);
/* Those who have lost access (a new configuration, a new affiliation) are no subscribers any
 * more. */
int pubsub_subscription_prune(struct pubsub_ask *ask, struct db *db,
                              const struct pubsub_node *node);

/* --- event.c --- */
/* A new event, <event> open; the end makes its lists, when </event> has been written. */
struct pubsub_event *pubsub_event_begin(struct pubsub_ask *ask, const struct pubsub_node *node);
int pubsub_event_end(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                     struct pubsub_event *event);
/* <items><item/></items></event> */
void pubsub_event_write_item(struct pubsub_event *event, const struct pubsub_node *node,
                             const struct pubsub_item *item);
/* An event of the item, where the node delivers. */
int pubsub_event_item(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                      const struct pubsub_item *item);
int pubsub_event_retract(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                         struct span id);
void pubsub_event_free(struct pubsub_event *event);

/* --- operations: rows of request.c --- action: the element that says what to do */
struct pubsub_op {
    struct pubsub_ask *ask;
    struct db *db;
    uint32_t action;
    struct pubsub_node node; /* id 0: not asked for by the row, or not there */
};
int pubsub_op_publish(struct pubsub_op *op);
int pubsub_op_retract(struct pubsub_op *op);
int pubsub_op_items(struct pubsub_op *op);
int pubsub_op_create(struct pubsub_op *op);
int pubsub_op_configure_get(struct pubsub_op *op);
int pubsub_op_configure_set(struct pubsub_op *op);
int pubsub_op_default(struct pubsub_op *op);
int pubsub_op_delete(struct pubsub_op *op);
int pubsub_op_purge(struct pubsub_op *op);
int pubsub_op_subscribe(struct pubsub_op *op);
int pubsub_op_unsubscribe(struct pubsub_op *op);
int pubsub_op_options_get(struct pubsub_op *op);
int pubsub_op_options_set(struct pubsub_op *op);
int pubsub_op_subscriptions(struct pubsub_op *op);
int pubsub_op_affiliations(struct pubsub_op *op);
int pubsub_op_node_subscriptions_get(struct pubsub_op *op);
int pubsub_op_node_subscriptions_set(struct pubsub_op *op);
int pubsub_op_node_affiliations_get(struct pubsub_op *op);
int pubsub_op_node_affiliations_set(struct pubsub_op *op);

/* <pubsub xmlns=> of the answer, and its end. */
struct buf *pubsub_answer_begin(struct pubsub_ask *ask, bool is_owner_ns);
void pubsub_answer_end(struct pubsub_ask *ask);

#endif
