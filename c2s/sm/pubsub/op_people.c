/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * op_people - what an owner does about others: the subscriptions and the affiliations of a node
 * (XEP-0060 8.8, 8.9). Rows of request.c call it, on the storage thread.
 */
#include "c2s/sm/pubsub/pubsub_private.h"

#include "xml/writer.h"
#include "xmpp/jid.h"

static void open_list(struct buf *out, const char *list, struct span node)
{
    xml_raw(out, SPAN("<"));
    buf_append_z(out, list);
    xml_attr(out, "node", node);
    xml_raw(out, SPAN(">"));
}

static void write_person(struct buf *out, const char *what, struct span jid, const char *state)
{
    xml_raw(out, SPAN("<"));
    buf_append_z(out, what);
    xml_attr(out, "jid", jid);
    xml_attr(out, what, span_of(state));
    xml_raw(out, SPAN("/>"));
}

int pubsub_op_node_subscriptions_get(struct pubsub_op *op)
{
    struct db_stmt *st = db_sql(op->db, "SELECT jid FROM pubsub_subscription WHERE node = ?1"
                                        " ORDER BY jid");
    struct buf *out = pubsub_answer_begin(op->ask, true);
    int got;

    open_list(out, "subscriptions", op->node.name);
    db_bind_int(st, 1, op->node.id);
    while ((got = db_step(st)) > 0 && buf_len(out) < op->ask->limits.max_answer)
        write_person(out, "subscription", db_text(st, 0), "subscribed");
    db_reset(st);
    xml_raw(out, SPAN("</subscriptions>"));
    pubsub_answer_end(op->ask);
    return got < 0 ? got : 0;
}

int pubsub_op_node_affiliations_get(struct pubsub_op *op)
{
    struct db_stmt *st = db_sql(op->db, "SELECT jid, affiliation FROM pubsub_affiliation"
                                        " WHERE node = ?1 ORDER BY jid");
    struct buf *out = pubsub_answer_begin(op->ask, true);
    int got;

    open_list(out, "affiliations", op->node.name);
    write_person(out, "affiliation", op->ask->service, pubsub_affiliation_name(PUBSUB_OWNER));
    db_bind_int(st, 1, op->node.id);
    while ((got = db_step(st)) > 0 && buf_len(out) < op->ask->limits.max_answer)
        write_person(out, "affiliation", db_text(st, 0),
                     pubsub_affiliation_name((enum pubsub_affiliation)db_int(st, 1)));
    db_reset(st);
    xml_raw(out, SPAN("</affiliations>"));
    pubsub_answer_end(op->ask);
    return got < 0 ? got : 0;
}

/* Each element of that name, in one request: all of them, or none. */
static int each_person(struct pubsub_op *op, struct span name,
                       int (*set)(struct pubsub_op *op, struct span jid, struct span value))
{
    struct pubsub_ask *ask = op->ask;
    struct stanza *s = ask->request;
    size_t count = 0;
    int result = 0;

    for (uint32_t node = stanza_child(s, op->action, SPAN(NS_PUBSUB_OWNER), name);
         node && result == 0; node = stanza_next(s, node, SPAN(NS_PUBSUB_OWNER), name)) {
        struct jid_scratch scratch;
        struct jid jid;
        if (!jid_parse(stanza_attr(s, node, SPAN("jid")), &jid, &scratch))
            return pubsub_ask_refuse(ask, STANZA_JID_MALFORMED, NULL);
        if (count++ == ask->limits.max_people)
            return pubsub_ask_refuse(ask, STANZA_RESOURCE_CONSTRAINT, NULL);
        result = set(op, pubsub_stored_jid(ask, arena_span(&ask->arena, jid.full)),
                     stanza_attr(s, node, name));
    }
    return result;
}

/* XEP-0060 8.8.4: the subscriber hears of it. */
static void tell_subscriber(struct pubsub_op *op, struct span jid, const char *state)
{
    struct pubsub_event *event = pubsub_event_begin(op->ask, &op->node);

    event->is_to_subscribers_only = true;
    buf_append(&event->subscribers, jid);
    buf_append_char(&event->subscribers, '\n');
    xml_raw(&event->xml, SPAN("<subscription"));
    xml_attr(&event->xml, "node", op->node.name);
    xml_attr(&event->xml, "jid", jid);
    xml_attr(&event->xml, "subscription", span_of(state));
    xml_raw(&event->xml, SPAN("/></event>"));
}

static int set_subscription(struct pubsub_op *op, struct span jid, struct span value)
{
    struct pubsub_ask *ask = op->ask;
    bool delivers = true;
    int was = pubsub_subscription_find(op->db, &op->node, jid, &delivers), result;

    if (was < 0)
        return was;
    if (span_eq(value, SPAN("none"))) {
        result = pubsub_subscription_remove(op->db, &op->node, jid);
        if (result > 0)
            tell_subscriber(op, jid, "none");
        return result < 0 ? result : 0;
    }
    if (!span_eq(value, SPAN("subscribed")))
        return pubsub_ask_refuse(ask, STANZA_NOT_ACCEPTABLE, NULL);
    result = pubsub_subscription_set(ask, op->db, &op->node, jid, delivers);
    if (result == 0 && !was)
        tell_subscriber(op, jid, "subscribed");
    return result;
}

int pubsub_op_node_subscriptions_set(struct pubsub_op *op)
{
    return each_person(op, SPAN("subscription"), set_subscription);
}

/* The account stays the owner of what it owns. */
static int set_affiliation(struct pubsub_op *op, struct span jid, struct span value)
{
    struct pubsub_ask *ask = op->ask;
    enum pubsub_affiliation a;

    if (span_index(jid, '/') < jid.n || !pubsub_affiliation_parse(value, &a))
        return pubsub_ask_refuse(ask, STANZA_BAD_REQUEST, NULL);
    if (span_eq(jid, pubsub_stored_jid(ask, ask->service))) {
        if (a == PUBSUB_OWNER)
            return 0;
        return pubsub_ask_refuse(ask, STANZA_NOT_ACCEPTABLE, NULL);
    }
    return pubsub_affiliation_set(ask, op->db, &op->node, jid, a);
}

int pubsub_op_node_affiliations_set(struct pubsub_op *op)
{
    int result = each_person(op, SPAN("affiliation"), set_affiliation);

    return result < 0 ? result : pubsub_subscription_prune(op->ask, op->db, &op->node);
}
