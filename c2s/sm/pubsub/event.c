/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * event - what has happened to a node, and who may hear of it (XEP-0060 7.1.2, 8, XEP-0163 4.3).
 * All of it runs on the storage thread; whoever has asked sends it afterwards.
 */
#include "c2s/sm/pubsub/pubsub_private.h"

#include "xml/writer.h"

#include <stdlib.h>

struct pubsub_event *pubsub_event_new(struct pubsub_ask *ask, struct span node)
{
    struct pubsub_event *event = mem_zalloc(sizeof(*event));

    list_append(&ask->events, &event->link);
    event->service = ask->service;
    event->node = node;
    return event;
}

struct pubsub_event *pubsub_event_begin(struct pubsub_ask *ask, const struct pubsub_node *node)
{
    struct pubsub_event *event = pubsub_event_new(ask, node->name);

    event->is_normal = node->config.is_normal;
    xml_raw(&event->xml, SPAN("<event xmlns='" NS_PUBSUB_EVENT "'>"));
    return event;
}

void pubsub_event_free(struct pubsub_event *event)
{
    list_remove(&event->link);
    buf_free(&event->xml);
    buf_free(&event->subscribers);
    buf_free(&event->people);
    buf_free(&event->denied);
    free(event);
}

static void add_jid(struct buf *list, struct span jid)
{
    buf_append(list, jid);
    buf_append_char(list, '\n');
}

/* --- who may hear of it --- */

/* Subscriptions whose access has ended (a contact no more) are passed over. */
static int list_subscribers(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                            struct buf *list)
{
    struct db_stmt *st = db_sql(db, "SELECT jid FROM pubsub_subscription WHERE node = ?1"
                                    " AND delivers ORDER BY jid");
    int got;

    db_bind_int(st, 1, node->id);
    while ((got = db_step(st)) > 0) {
        struct span jid = db_text(st, 0);
        struct pubsub_relation r;
        got = pubsub_relation_read(ask, db, node, span_make(jid.p, span_index(jid, '/')), &r);
        if (got < 0)
            break;
        if (pubsub_check(&node->config, &r, PUBSUB_MAY_READ).error == STANZA_ERROR_NONE)
            add_jid(list, jid);
    }
    db_reset(st);
    return got;
}

/* Those whose affiliation alone lets them in, or (is_denied) throws them out. */
static int list_affiliated(struct db *db, const struct pubsub_node *node, bool is_denied,
                           struct buf *list)
{
    struct db_stmt *st = db_sql(db, "SELECT jid, affiliation FROM pubsub_affiliation"
                                    " WHERE node = ?1 ORDER BY jid");
    int got;

    db_bind_int(st, 1, node->id);
    while ((got = db_step(st)) > 0) {
        enum pubsub_affiliation a = (enum pubsub_affiliation)db_int(st, 1);
        if (is_denied == (a == PUBSUB_OUTCAST || a == PUBSUB_PUBLISH_ONLY))
            add_jid(list, db_text(st, 0));
    }
    db_reset(st);
    return got;
}

struct gather {
    struct pubsub_ask *ask;
    struct db *db;
    const struct pubsub_node *node;
    struct buf *list;
};

static void take_contact(void *ctx, const struct pubsub_contact *contact)
{
    struct gather *g = ctx;
    struct pubsub_relation r = {.sees_presence = true};

    r.is_in_group = pubsub_is_in_groups(g->node->config.groups, contact->groups);
    if (pubsub_check(&g->node->config, &r, PUBSUB_MAY_READ).error == STANZA_ERROR_NONE)
        add_jid(g->list, pubsub_stored_jid(g->ask, contact->jid));
}

/* An outcast among the contacts: his affiliation comes before. */
static void drop_denied(struct buf *list, struct span denied)
{
    struct buf kept = {0};
    struct span rest = buf_span(list), jid;

    while (!span_is_none(jid = pubsub_next_jid(&rest))) {
        struct span others = denied, other;
        while (!span_is_none(other = pubsub_next_jid(&others)) && !span_eq(other, jid))
            ;
        if (span_is_none(other))
            add_jid(&kept, jid);
    }
    buf_free(list);
    *list = kept;
}

static int list_people(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                       struct pubsub_event *event)
{
    struct gather g = {ask, db, node, &event->people};
    int result = 0;

    event->is_open = node->config.access == PUBSUB_OPEN;
    if (ask->contacts && node->config.access != PUBSUB_WHITELIST)
        result = ask->contacts->each(db, ask->account, take_contact, &g);
    if (result >= 0)
        result = list_affiliated(db, node, true, &event->denied);
    if (result >= 0 && buf_len(&event->denied) > 0)
        drop_denied(&event->people, buf_span(&event->denied));
    return result < 0 ? result : list_affiliated(db, node, false, &event->people);
}

int pubsub_event_end(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                     struct pubsub_event *event)
{
    int result = list_subscribers(ask, db, node, &event->subscribers);

    return result < 0 ? result : list_people(ask, db, node, event);
}

/* --- of items --- */

static void open_items(struct buf *out, struct span node)
{
    xml_raw(out, SPAN("<items"));
    xml_attr(out, "node", node);
    xml_raw(out, SPAN(">"));
}

void pubsub_event_write_item(struct pubsub_event *event, const struct pubsub_node *node,
                             const struct pubsub_item *item)
{
    open_items(&event->xml, node->name);
    pubsub_item_write(&event->xml, item, node->config.flags & PUBSUB_PAYLOADS);
    xml_raw(&event->xml, SPAN("</items></event>"));
}

int pubsub_event_item(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                      const struct pubsub_item *item)
{
    struct pubsub_event *event;

    if (!(node->config.flags & PUBSUB_DELIVER))
        return 0;
    event = pubsub_event_begin(ask, node);
    pubsub_event_write_item(event, node, item);
    return pubsub_event_end(ask, db, node, event);
}

int pubsub_event_retract(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                         struct span id)
{
    struct pubsub_event *event;

    if (!(node->config.flags & PUBSUB_DELIVER))
        return 0;
    event = pubsub_event_begin(ask, node);
    open_items(&event->xml, node->name);
    xml_raw(&event->xml, SPAN("<retract"));
    xml_attr(&event->xml, "id", id);
    xml_raw(&event->xml, SPAN("/></items></event>"));
    return pubsub_event_end(ask, db, node, event);
}
