/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * op_nodes - creating, configuring, purging and deleting nodes (XEP-0060 8.1 to 8.5). Rows of
 * request.c call it, on the storage thread.
 */
#include "c2s/sm/pubsub/pubsub_private.h"

#include "xml/writer.h"
#include "xmpp/form.h"

/* The form of <configure/> into c: FORM_TYPE may be missing. */
static int read_config(struct pubsub_op *op, uint32_t configure, struct pubsub_config *c)
{
    struct pubsub_ask *ask = op->ask;
    struct stanza *s = ask->request;
    uint32_t form = configure ? form_find(s, configure, SPAN_NONE) : 0;
    enum stanza_error e;

    if (!form || form_is_type(s, form, SPAN("cancel")))
        return 0;
    e = pubsub_config_read(s, form, false, ask->limits.max_items, c);
    return e == STANZA_ERROR_NONE ? 0 : pubsub_ask_refuse(ask, e, NULL);
}

int pubsub_op_create(struct pubsub_op *op)
{
    struct pubsub_ask *ask = op->ask;
    const bool is_named = !span_is_empty(ask->node);
    struct pubsub_config config;
    int result;

    if (!ask->is_owner)
        return pubsub_ask_refuse(ask, STANZA_FORBIDDEN, NULL);
    if (op->node.id)
        return pubsub_ask_refuse(ask, STANZA_CONFLICT, NULL);
    if (!is_named) /* an instant node */
        ask->node = span_of(ask->spare_id);
    pubsub_config_default(&config);
    result = read_config(op, stanza_child(ask->request, ask->payload, SPAN(NS_PUBSUB),
                                          SPAN("configure")), &config);
    if (result == 0)
        result = pubsub_node_create(ask, op->db, ask->node, &config, &op->node);
    if (result < 0 || is_named)
        return result;
    struct buf *out = pubsub_answer_begin(ask, false);
    xml_raw(out, SPAN("<create"));
    xml_attr(out, "node", ask->node);
    xml_raw(out, SPAN("/>"));
    pubsub_answer_end(ask);
    return 0;
}

int pubsub_op_default(struct pubsub_op *op)
{
    struct pubsub_ask *ask = op->ask;
    const bool is_owner_ns =
        stanza_is(ask->request, ask->payload, SPAN(NS_PUBSUB_OWNER), SPAN_NONE);
    struct pubsub_config config;
    struct buf *out;

    if (!ask->is_owner)
        return pubsub_ask_refuse(ask, STANZA_FORBIDDEN, NULL);
    if (!is_owner_ns)
        return pubsub_refuse_feature(ask, "retrieve-default-sub");
    pubsub_config_default(&config);
    out = pubsub_answer_begin(ask, true);
    xml_raw(out, SPAN("<default>"));
    pubsub_config_write_form(out, &config);
    xml_raw(out, SPAN("</default>"));
    pubsub_answer_end(ask);
    return 0;
}

int pubsub_op_configure_get(struct pubsub_op *op)
{
    struct buf *out = pubsub_answer_begin(op->ask, true);

    xml_raw(out, SPAN("<configure"));
    xml_attr(out, "node", op->node.name);
    xml_raw(out, SPAN(">"));
    pubsub_config_write_form(out, &op->node.config);
    xml_raw(out, SPAN("</configure>"));
    pubsub_answer_end(op->ask);
    return 0;
}

/* XEP-0060 8.2.5 */
static int tell_config(struct pubsub_op *op)
{
    const struct pubsub_config *c = &op->node.config;
    struct pubsub_event *event;

    if (!(c->flags & PUBSUB_DELIVER) || !(c->flags & PUBSUB_TELL_CONFIG))
        return 0;
    event = pubsub_event_begin(op->ask, &op->node);
    xml_raw(&event->xml, SPAN("<configuration"));
    xml_attr(&event->xml, "node", op->node.name);
    if (c->flags & PUBSUB_PAYLOADS) {
        xml_raw(&event->xml, SPAN(">"));
        form_write_begin(&event->xml, "result", SPAN(NS_PUBSUB_CONFIG));
        pubsub_config_write_fields(&event->xml, c, false);
        form_write_end(&event->xml);
        xml_raw(&event->xml, SPAN("</configuration>"));
    } else {
        xml_raw(&event->xml, SPAN("/>"));
    }
    xml_raw(&event->xml, SPAN("</event>"));
    return pubsub_event_end(op->ask, op->db, &op->node, event);
}

int pubsub_op_configure_set(struct pubsub_op *op)
{
    struct pubsub_ask *ask = op->ask;
    uint32_t form = form_find(ask->request, op->action, SPAN_NONE);
    int result;

    if (!form)
        return pubsub_ask_refuse(ask, STANZA_BAD_REQUEST, NULL);
    if (form_is_type(ask->request, form, SPAN("cancel")))
        return 0;
    result = read_config(op, op->action, &op->node.config);
    if (result == 0)
        result = pubsub_node_configure(op->db, &op->node);
    if (result == 0 && !(op->node.config.flags & PUBSUB_PERSIST))
        result = pubsub_item_purge(op->db, &op->node);
    if (result == 0)
        result = pubsub_item_trim(ask, op->db, &op->node);
    if (result == 0)
        result = pubsub_subscription_prune(ask, op->db, &op->node);
    ask->is_changed = true;
    return result < 0 ? result : tell_config(op);
}

int pubsub_node_close(struct pubsub_ask *ask, struct db *db, struct span name)
{
    struct pubsub_node node;
    int result = pubsub_node_find(ask, db, name, &node);

    if (result <= 0 || node.config.access == PUBSUB_WHITELIST)
        return result < 0 ? result : 0;
    node.config.access = PUBSUB_WHITELIST;
    result = pubsub_node_configure(db, &node);
    return result < 0 ? result : pubsub_subscription_prune(ask, db, &node);
}

/* An event without content: <purge node=/>, <delete node=/> */
static int tell(struct pubsub_op *op, const char *what, struct span uri)
{
    struct pubsub_event *event = pubsub_event_begin(op->ask, &op->node);

    xml_raw(&event->xml, SPAN("<"));
    buf_append_z(&event->xml, what);
    xml_attr(&event->xml, "node", op->node.name);
    if (span_is_empty(uri)) {
        xml_raw(&event->xml, SPAN("/>"));
    } else {
        xml_raw(&event->xml, SPAN("><redirect"));
        xml_attr(&event->xml, "uri", uri);
        xml_raw(&event->xml, SPAN("/></"));
        buf_append_z(&event->xml, what);
        xml_raw(&event->xml, SPAN(">"));
    }
    xml_raw(&event->xml, SPAN("</event>"));
    return pubsub_event_end(op->ask, op->db, &op->node, event);
}

int pubsub_op_purge(struct pubsub_op *op)
{
    const unsigned flags = op->node.config.flags;
    int result;

    if (!(flags & PUBSUB_PERSIST))
        return pubsub_refuse_feature(op->ask, "persistent-items");
    result = pubsub_item_purge(op->db, &op->node);
    op->ask->is_changed = true;
    if (result < 0 || !(flags & PUBSUB_DELIVER) || !(flags & PUBSUB_TELL_RETRACT))
        return result;
    return tell(op, "purge", SPAN_NONE);
}

/* Who may hear of it is looked up while it is still there. */
int pubsub_op_delete(struct pubsub_op *op)
{
    const unsigned flags = op->node.config.flags;
    struct stanza *s = op->ask->request;
    uint32_t redirect = stanza_child(s, op->action, SPAN(NS_PUBSUB_OWNER), SPAN("redirect"));
    struct span uri = redirect ? stanza_attr(s, redirect, SPAN("uri")) : SPAN_NONE;
    int result = 0;

    if (uri.n > PUBSUB_TEXT_MAX)
        return pubsub_ask_refuse(op->ask, STANZA_NOT_ACCEPTABLE, NULL);
    if ((flags & PUBSUB_DELIVER) && (flags & PUBSUB_TELL_DELETE))
        result = tell(op, "delete", uri);
    op->ask->is_changed = true;
    return result < 0 ? result : pubsub_node_delete(op->db, &op->node);
}
