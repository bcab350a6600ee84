/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * op_subscribe - what a subscriber does: subscribing, unsubscribing, his options, and lists of his
 * subscriptions and affiliations (XEP-0060 5.6, 5.7, 6.1 to 6.3). Rows of request.c call it, on the
 * storage thread.
 *
 * A JID has at most one subscription to a node, so there are no subids.
 */
#include "c2s/sm/pubsub/pubsub_private.h"

#include "xml/writer.h"
#include "xmpp/form.h"
#include "xmpp/jid.h"

/* The jid of the request, which must be who asks, bare or that resource; else <invalid-jid/>. */
static int read_jid(struct pubsub_op *op, struct span *jid_r)
{
    struct pubsub_ask *ask = op->ask;
    struct span text = stanza_attr(ask->request, op->action, SPAN("jid"));
    struct jid_scratch scratch;
    struct jid jid;

    if (span_is_none(text))
        return pubsub_ask_refuse(ask, STANZA_BAD_REQUEST, "jid-required");
    if (!jid_parse(text, &jid, &scratch))
        return pubsub_ask_refuse(ask, STANZA_BAD_REQUEST, "invalid-jid");
    *jid_r = pubsub_stored_jid(ask, arena_span(&ask->arena, jid.full));
    if (!span_eq(*jid_r, ask->who) && !span_eq(*jid_r, ask->who_full))
        return pubsub_ask_refuse(ask, STANZA_BAD_REQUEST, "invalid-jid");
    return 0;
}

static void write_subscription(struct buf *out, struct span node, struct span jid,
                               const char *state)
{
    xml_raw(out, SPAN("<subscription"));
    xml_attr(out, "node", node);
    xml_attr(out, "jid", jid);
    xml_attr(out, "subscription", span_of(state));
    xml_raw(out, SPAN("/>"));
}

/* The submitted options; pubsub#deliver is the one there is. */
static int read_options(struct pubsub_op *op, uint32_t options, bool *delivers_r)
{
    struct stanza *s = op->ask->request;
    uint32_t form = options ? form_find(s, options, SPAN_NONE) : 0;

    if (form && !form_is_type(s, form, SPAN("cancel")) &&
        !form_boolean(s, form, SPAN("pubsub#deliver"), delivers_r))
        return pubsub_ask_refuse(op->ask, STANZA_BAD_REQUEST, "invalid-options");
    return 0;
}

/* XEP-0060 6.1.7: the last item goes to a new subscriber, and to nobody else. */
static int send_last(struct pubsub_op *op, struct span jid)
{
    struct pubsub_item item;
    struct pubsub_event *event;
    int got;

    if (op->node.config.last == PUBSUB_LAST_NEVER)
        return 0;
    got = pubsub_item_find(op->ask, op->db, &op->node, SPAN_NONE, &item);
    if (got <= 0)
        return got;
    event = pubsub_event_begin(op->ask, &op->node);
    event->is_to_subscribers_only = true;
    buf_append(&event->subscribers, jid);
    buf_append_char(&event->subscribers, '\n');
    event->stamp = item.stamp;
    pubsub_event_write_item(event, &op->node, &item);
    return 0;
}

int pubsub_op_subscribe(struct pubsub_op *op)
{
    struct pubsub_ask *ask = op->ask;
    struct stanza *s = ask->request;
    bool delivers = true;
    struct span jid = SPAN_NONE;
    int result = read_jid(op, &jid), was;

    if (result == 0 && !(op->node.config.flags & PUBSUB_SUBSCRIBE))
        result = pubsub_require(ask, op->db, &op->node, PUBSUB_MAY_OWN);
    if (result < 0 && ask->refusal.error == STANZA_FORBIDDEN)
        return pubsub_ask_refuse(ask, STANZA_NOT_ALLOWED, NULL);
    if (result < 0)
        return result;
    was = pubsub_subscription_find(op->db, &op->node, jid, &delivers);
    if (was < 0)
        return was;
    result = read_options(op, stanza_child(s, ask->payload, SPAN(NS_PUBSUB), SPAN("options")),
                          &delivers);
    if (result == 0)
        result = pubsub_subscription_set(ask, op->db, &op->node, jid, delivers);
    if (result < 0)
        return result;
    write_subscription(pubsub_answer_begin(ask, false), ask->node, jid, "subscribed");
    pubsub_answer_end(ask);
    return was ? 0 : send_last(op, jid);
}

/* A node that is not there has no subscriber: who may not know of it is told the same. */
static int find_subscription(struct pubsub_op *op, struct span *jid_r, bool *delivers_r)
{
    struct pubsub_ask *ask = op->ask;
    int result = read_jid(op, jid_r);

    if (result < 0)
        return result;
    if (!span_is_none(stanza_attr(ask->request, op->action, SPAN("subid"))))
        return pubsub_ask_refuse(ask, STANZA_NOT_ACCEPTABLE, "invalid-subid");
    if (!op->node.id)
        return pubsub_ask_refuse(ask, STANZA_ITEM_NOT_FOUND, NULL);
    result = pubsub_subscription_find(op->db, &op->node, *jid_r, delivers_r);
    if (result != 0)
        return result;
    return pubsub_ask_refuse(ask, STANZA_UNEXPECTED_REQUEST, "not-subscribed");
}

int pubsub_op_unsubscribe(struct pubsub_op *op)
{
    struct span jid = SPAN_NONE;
    int result = find_subscription(op, &jid, NULL);

    if (result < 0)
        return result;
    result = pubsub_subscription_remove(op->db, &op->node, jid);
    if (result < 0)
        return result;
    write_subscription(pubsub_answer_begin(op->ask, false), op->ask->node, jid, "none");
    pubsub_answer_end(op->ask);
    return 0;
}

int pubsub_op_options_get(struct pubsub_op *op)
{
    bool delivers = true;
    struct span jid = SPAN_NONE;
    struct buf *out;
    int result = find_subscription(op, &jid, &delivers);

    if (result < 0)
        return result;
    out = pubsub_answer_begin(op->ask, false);
    xml_raw(out, SPAN("<options"));
    xml_attr(out, "node", op->ask->node);
    xml_attr(out, "jid", jid);
    xml_raw(out, SPAN(">"));
    form_write_begin(out, "form", SPAN(NS_PUBSUB_SUBSCRIBE));
    form_write_field(out, "pubsub#deliver", "boolean", "Events are sent",
                     delivers ? SPAN("1") : SPAN("0"));
    form_write_end(out);
    xml_raw(out, SPAN("</options>"));
    pubsub_answer_end(op->ask);
    return 0;
}

int pubsub_op_options_set(struct pubsub_op *op)
{
    bool delivers = true;
    struct span jid = SPAN_NONE;
    int result = find_subscription(op, &jid, &delivers);

    if (result >= 0)
        result = read_options(op, op->action, &delivers);
    return result < 0 ? result
                      : pubsub_subscription_set(op->ask, op->db, &op->node, jid, delivers);
}

/* --- what is mine --- */

static int list_mine(struct pubsub_op *op, struct db_stmt *st, struct buf *out)
{
    struct pubsub_ask *ask = op->ask;
    int got;

    db_bind_int(st, 1, ask->account);
    db_bind_text(st, 2, ask->who);
    db_bind_text(st, 3, span_is_empty(ask->node) ? SPAN_NONE : ask->node);
    while ((got = db_step(st)) > 0 && buf_len(out) < ask->limits.max_answer) {
        if (db_int(st, 2) < 0) {
            write_subscription(out, db_text(st, 0), db_text(st, 1), "subscribed");
            continue;
        }
        xml_raw(out, SPAN("<affiliation"));
        xml_attr(out, "node", db_text(st, 0));
        xml_attr(out, "affiliation",
                 span_of(pubsub_affiliation_name((enum pubsub_affiliation)db_int(st, 2))));
        xml_raw(out, SPAN("/>"));
    }
    db_reset(st);
    return got < 0 ? got : 0;
}

int pubsub_op_subscriptions(struct pubsub_op *op)
{
    struct db_stmt *st = db_sql(
        op->db, "SELECT n.name, s.jid, -1 FROM pubsub_node n JOIN pubsub_subscription s"
                " ON s.node = n.id WHERE n.account = ?1"
                " AND (s.jid = ?2 OR (s.jid >= ?2 || '/' AND s.jid < ?2 || '0'))"
                " AND (?3 IS NULL OR n.name = ?3) ORDER BY n.id");
    struct buf *out = pubsub_answer_begin(op->ask, false);
    int result;

    xml_raw(out, SPAN("<subscriptions>"));
    result = list_mine(op, st, out);
    xml_raw(out, SPAN("</subscriptions>"));
    pubsub_answer_end(op->ask);
    return result;
}

/* The account owns every node of its own. */
int pubsub_op_affiliations(struct pubsub_op *op)
{
    struct buf *out = pubsub_answer_begin(op->ask, false);
    struct db_stmt *st;
    int result;

    if (op->ask->is_owner)
        st = db_sql(op->db, "SELECT name, NULL, 5 FROM pubsub_node WHERE account = ?1"
                            " AND ?2 IS NOT NULL AND (?3 IS NULL OR name = ?3) ORDER BY id");
    else
        st = db_sql(op->db, "SELECT n.name, NULL, a.affiliation FROM pubsub_node n"
                            " JOIN pubsub_affiliation a ON a.node = n.id WHERE n.account = ?1"
                            " AND a.jid = ?2 AND (?3 IS NULL OR n.name = ?3) ORDER BY n.id");
    _Static_assert(PUBSUB_OWNER == 5, "the number in the statement");
    xml_raw(out, SPAN("<affiliations>"));
    result = list_mine(op, st, out);
    xml_raw(out, SPAN("</affiliations>"));
    pubsub_answer_end(op->ask);
    return result;
}
