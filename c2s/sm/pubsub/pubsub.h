/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pubsub - publish-subscribe (XEP-0060) on the tables of one database: nodes, items, affiliations,
 * subscriptions, and what their owner may say about them.
 *
 * It knows no sessions, no presence and no sockets. A caller fills a struct pubsub_ask, runs it on
 * the storage thread, and sends what has come of it: an answer or a refusal, and events with the
 * list of those who may hear them. Each request is decided in one go, so that what it was allowed
 * by cannot change before it has been done.
 *
 * A node belongs to an account; who that account's contacts are is asked of the caller
 * (pubsub_contacts), so that a service without contacts can use the same core.
 */
#ifndef C2S_SM_PUBSUB_H
#define C2S_SM_PUBSUB_H

#include "base/buf.h"
#include "base/list.h"
#include "store/db.h"
#include "xml/stanza.h"
#include "xmpp/error.h"
#include "xmpp/ns.h"

#define NS_PUBSUB_OWNER NS_PUBSUB "#owner"
#define NS_PUBSUB_EVENT NS_PUBSUB "#event"
#define NS_PUBSUB_ERRORS NS_PUBSUB "#errors"
#define NS_PUBSUB_CONFIG NS_PUBSUB "#node_config"
#define NS_PUBSUB_OPTIONS NS_PUBSUB "#publish-options"
#define NS_PUBSUB_META NS_PUBSUB "#meta-data"
#define NS_PUBSUB_SUBSCRIBE NS_PUBSUB "#subscribe_options"

#define PUBSUB_NAME_MAX 1023 /* bytes of a node's name, and of an item's */
#define PUBSUB_TEXT_MAX 1023 /* of a title, a description, a type */
#define PUBSUB_GROUPS_MAX 4096
#define PUBSUB_ITEMS_MAX UINT32_MAX /* the value "max" */
#define PUBSUB_EXPIRE_MAX (10ll * 366 * 86400)

/* --- what a node is like (config.c) --- the numbers are in the store: add, never change */

enum pubsub_access { PUBSUB_OPEN, PUBSUB_PRESENCE, PUBSUB_ROSTER, PUBSUB_WHITELIST };
enum pubsub_publish { PUBSUB_BY_PUBLISHERS, PUBSUB_BY_SUBSCRIBERS, PUBSUB_BY_ALL };
enum pubsub_last { PUBSUB_LAST_NEVER, PUBSUB_LAST_ON_SUB, PUBSUB_LAST_ON_PRESENCE };
enum {
    PUBSUB_PERSIST = 1,
    PUBSUB_DELIVER = 2,
    PUBSUB_PAYLOADS = 4,
    PUBSUB_TELL_CONFIG = 8,
    PUBSUB_TELL_DELETE = 16,
    PUBSUB_TELL_RETRACT = 32,
    PUBSUB_SUBSCRIBE = 64, /* others may subscribe */
};

struct pubsub_config {
    unsigned char access, publish, last;
    bool is_normal;     /* type of the messages: normal, not headline */
    unsigned flags;     /* PUBSUB_PERSIST, ... */
    uint32_t max_items; /* PUBSUB_ITEMS_MAX: as many as there may be */
    int64_t expire;     /* seconds that an item is kept; 0: for ever */
    struct span title, description, type;
    struct span groups; /* of the roster, separated by LF */
};

/* Of a node that is made by publishing to it, or without a word about it (XEP-0163). */
void pubsub_config_default(struct pubsub_config *c);
/* The fields of a form into c; spans into the stanza, or its arena. Fields that are not about nodes
 * are refused (is_strict) or passed over. */
enum stanza_error pubsub_config_read(struct stanza *s, uint32_t form, bool is_strict,
                                     size_t max_items, struct pubsub_config *c);
bool pubsub_config_eq(const struct pubsub_config *a, const struct pubsub_config *b);
/* The owner's form, with labels and choices. */
void pubsub_config_write_form(struct buf *out, const struct pubsub_config *c);
/* Fields of a form; not is_form: values only, of what others may know. */
void pubsub_config_write_fields(struct buf *out, const struct pubsub_config *c, bool is_form);

/* --- who may do what (access.c) --- */

enum pubsub_affiliation { /* in the store */
    PUBSUB_NONE,
    PUBSUB_OUTCAST,
    PUBSUB_MEMBER,
    PUBSUB_PUBLISH_ONLY,
    PUBSUB_PUBLISHER,
    PUBSUB_OWNER,
};

enum pubsub_right { PUBSUB_MAY_READ, PUBSUB_MAY_PUBLISH, PUBSUB_MAY_OWN };

struct pubsub_relation {
    enum pubsub_affiliation affiliation;
    bool sees_presence;
    bool is_in_group;   /* one of the node's */
    bool is_subscribed; /* to the node */
};

struct pubsub_refusal {
    enum stanza_error error; /* NONE: allowed */
    const char *condition;   /* of NS_PUBSUB_ERRORS, or NULL */
};

struct pubsub_refusal pubsub_check(const struct pubsub_config *c, const struct pubsub_relation *r,
                                   enum pubsub_right right);
const char *pubsub_affiliation_name(enum pubsub_affiliation a);
/* False: there is none of that name. */
bool pubsub_affiliation_parse(struct span name, enum pubsub_affiliation *a_r);

/* --- one request --- */

struct pubsub_limits {
    size_t max_nodes;      /* of one account */
    size_t max_items;      /* of one node */
    size_t max_item_bytes;
    size_t max_bytes;      /* of all items of one account */
    size_t max_people;     /* affiliations of one node, and subscriptions */
    size_t max_answer;     /* bytes of items in one answer */
};

struct pubsub_contact {
    bool sees_presence;
    struct span jid;    /* bare */
    struct span groups; /* separated by LF */
};

/* The ways to write the bare JID of one person; none: there are fewer. */
#define PUBSUB_NAMES 3
struct pubsub_names {
    struct span jids[PUBSUB_NAMES];
    struct span stored; /* one of them: how he is written from now on */
};

/* In run(). */
struct pubsub_contacts {
    /* False: who (bare) is none. The spans are in the arena. */
    bool (*find)(const void *ctx, struct db *db, int64_t account, struct span who,
                 struct arena *arena, struct pubsub_contact *contact_r);
    /* Those who see his presence. */
    int (*each)(struct db *db, int64_t account,
                void (*take)(void *ctx, const struct pubsub_contact *contact), void *ctx);
    void (*names)(const void *ctx, struct arena *arena, struct span who,
                  struct pubsub_names *names_r);
};

/* Something that has happened to a node: a message for who is in its lists. */
struct pubsub_event {
    struct list_node link; /* of ask->events */
    struct span service;   /* bare JID that it comes from */
    struct span node;
    struct buf xml;         /* <event/> and its content */
    struct buf subscribers; /* JIDs that have subscribed and may hear of it, each ended by LF */
    struct buf people;      /* bare JIDs of contacts and others who may, each ended by LF */
    struct buf denied;      /* and of those who may not, where others may, too: */
    bool is_open;
    bool is_to_subscribers_only; /* nobody else is told, nor is the owner */
    bool is_normal;
    int64_t stamp; /* ms since 1970, of what has happened before; 0: now */
};

struct pubsub_ask {
    /* Filled by the caller; the spans live as long. */
    struct stanza *request; /* an iq */
    uint32_t payload;       /* its child */
    int64_t account;        /* 0: there is none, which looks like one without nodes */
    struct span service;    /* bare JID that the events come from */
    struct span who;        /* bare JID that asks, prepared, as it is stored */
    struct span who_full;
    bool is_owner;          /* who is the account itself */
    bool has_names;         /* the service has several, by who asks: none is told in text */
    int64_t now;            /* ms since 1970 */
    struct pubsub_limits limits;
    const struct pubsub_contacts *contacts;
    const void *contacts_ctx;
    char spare_id[33];      /* for an item without one */
    /* What comes of it. */
    struct pubsub_refusal refusal;
    const char *feature;    /* of the condition <unsupported/> */
    struct buf answer;      /* the payload of the result; empty: none */
    struct list_node events;
    struct span node;       /* that it was about */
    struct arena arena;     /* holds what has been read from the store */
    bool is_changed;        /* nodes or items of the account are not what they were */
};

void pubsub_ask_init(struct pubsub_ask *ask);
void pubsub_ask_free(struct pubsub_ask *ask);

/* True: the payload is one of ours (of either namespace). */
bool pubsub_is_request(const struct stanza *s, uint32_t payload);
/* On the storage thread, in a job's run(), whose result it is: what was refused has changed
 * nothing. */
int pubsub_run(struct pubsub_ask *ask, struct db *db);
/* run()'s result when ask->refusal says why. */
#define PUBSUB_REFUSED (-1000)
/* The request can be served by a reading job. */
bool pubsub_is_reading(const struct stanza *s, uint32_t payload);

/* --- for features that stand on it, in run() --- */

/* XEP-0030: <item/>s of the nodes that who may read, in ask->answer. */
int pubsub_disco_items(struct pubsub_ask *ask, struct db *db);
/* Identity, features and meta-data of a node. */
int pubsub_disco_node(struct pubsub_ask *ask, struct db *db, struct span node);
/* Its items' names. */
int pubsub_disco_node_items(struct pubsub_ask *ask, struct db *db, struct span node);
/* The last items of the nodes that are wanted, as an event each: only of nodes that send them on
 * presence and that who may read. */
int pubsub_last_items(struct pubsub_ask *ask, struct db *db,
                      bool (*wants)(void *ctx, struct span node), void *ctx);
/* 1: an item's payload, in ask->arena; id none: of the last one. is_open_r: anyone may read it. */
int pubsub_item_get(struct pubsub_ask *ask, struct db *db, struct span node, struct span id,
                    struct span *payload_r, bool *is_open_r);
/* Every item of a node, in order; the spans are valid during the call. */
int pubsub_items_each(struct pubsub_ask *ask, struct db *db, struct span node,
                      void (*take)(void *ctx, struct span id, struct span payload), void *ctx);
/* Publishes as the account itself, with its event; config: of the node if it must be made, NULL:
 * the default. payload: XML that declares its namespaces. */
int pubsub_item_put(struct pubsub_ask *ask, struct db *db, struct span node, struct span id,
                    struct span payload, const struct pubsub_config *config);
int pubsub_item_drop(struct pubsub_ask *ask, struct db *db, struct span node, struct span id);
/* From now on only its affiliates may read it, if it is there. */
int pubsub_node_close(struct pubsub_ask *ask, struct db *db, struct span node);
/* --- for accounts that move (transfer.c), in run(); XEP-0227 4.10 --- */

/* Where an export stands; zeroed: at the beginning. */
struct pubsub_cursor {
    int64_t node, seq;
    bool is_open; /* <items> */
};
/* The next node's <configure/>, <affiliations/> and <subscriptions/>. 1: there was one. */
int pubsub_export_node(struct pubsub_ask *ask, struct db *db, struct pubsub_cursor *cursor,
                       struct buf *out);
/* <items/> of all nodes, until out has max bytes. 1: there may be more. */
int pubsub_export_items(struct pubsub_ask *ask, struct db *db, struct pubsub_cursor *cursor,
                        size_t max, struct buf *out);
/* Such an element of s (configure, affiliations, subscriptions or items); what is there already
 * stays as it is. taken_r: nodes, people or items that have been taken; refused_r: that cannot be
 * (too many, too big, or malformed). 0, or < 0: the store has failed. */
int pubsub_import(struct pubsub_ask *ask, struct db *db, struct stanza *s, uint32_t element,
                  size_t *taken_r, size_t *refused_r);

/* An event that is written by the caller: nobody but the account's owner hears of it. */
struct pubsub_event *pubsub_event_new(struct pubsub_ask *ask, struct span node);
static inline int pubsub_ask_refuse(struct pubsub_ask *ask, enum stanza_error e,
                                    const char *condition)
{
    ask->refusal = (struct pubsub_refusal){e, condition};
    return PUBSUB_REFUSED;
}
/* Every jid of a list "jid LF jid LF"; none at the end. */
struct span pubsub_next_jid(struct span *list);

#endif
