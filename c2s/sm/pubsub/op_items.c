/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * op_items - publishing, retracting and reading items (XEP-0060 6.5, 7.1, 7.2). Rows of request.c
 * call it, on the storage thread.
 */
#include "c2s/sm/pubsub/pubsub_private.h"

#include "xml/writer.h"
#include "xmpp/form.h"

/* A payload is written for where no namespace is in force, so that it declares its own. */
#define NO_NS SPAN(" ")

/* --- publish --- */

/* The one payload of an item, as XML in ask->arena. */
static int read_payload(struct pubsub_op *op, uint32_t item, struct span *payload_r)
{
    struct pubsub_ask *ask = op->ask;
    struct stanza *s = ask->request;
    struct buf xml = {0};
    uint32_t child = stanza_child(s, item, SPAN_NONE, SPAN_NONE);

    if (!child) {
        *payload_r = SPAN("");
        return 0;
    }
    if (stanza_child_count(s, item) > 1)
        return pubsub_ask_refuse(ask, STANZA_BAD_REQUEST, "invalid-payload");
    stanza_write_node(&xml, s, child, NO_NS);
    *payload_r = arena_span(&ask->arena, buf_span(&xml));
    buf_free(&xml);
    if (payload_r->n > ask->limits.max_item_bytes)
        return pubsub_ask_refuse(ask, STANZA_NOT_ACCEPTABLE, "payload-too-big");
    return 0;
}

static int read_item(struct pubsub_op *op, struct pubsub_item *item_r)
{
    struct pubsub_ask *ask = op->ask;
    struct stanza *s = ask->request;
    uint32_t item = stanza_child(s, op->action, SPAN(NS_PUBSUB), SPAN("item"));

    if (!item)
        return pubsub_ask_refuse(ask, STANZA_BAD_REQUEST, "item-required");
    if (stanza_next(s, item, SPAN(NS_PUBSUB), SPAN("item")))
        return pubsub_ask_refuse(ask, STANZA_NOT_ALLOWED, "max-items-exceeded");
    *item_r = (struct pubsub_item){
        .id = stanza_attr(s, item, SPAN("id")),
        .publisher = ask->is_owner ? SPAN("") : ask->who,
        .stamp = ask->now,
    };
    if (item_r->id.n > PUBSUB_NAME_MAX)
        return pubsub_ask_refuse(ask, STANZA_NOT_ACCEPTABLE, NULL);
    if (span_is_empty(item_r->id))
        item_r->id = span_of(ask->spare_id);
    return read_payload(op, item, &item_r->payload);
}

/* What a publisher insists on: XEP-0060 7.1.5. */
static int check_options(struct pubsub_op *op, uint32_t form)
{
    struct pubsub_ask *ask = op->ask;
    struct pubsub_config wanted = op->node.config;
    enum stanza_error e =
        pubsub_config_read(ask->request, form, true, ask->limits.max_items, &wanted);

    if (e == STANZA_CONFLICT || (e == STANZA_ERROR_NONE && op->node.id &&
                                 !pubsub_config_eq(&wanted, &op->node.config)))
        return pubsub_ask_refuse(ask, STANZA_CONFLICT, "precondition-not-met");
    if (e != STANZA_ERROR_NONE)
        return pubsub_ask_refuse(ask, e, NULL);
    op->node.config = wanted;
    return 0;
}

/* The node is made if need be; who asks may publish to it. */
static int prepare_node(struct pubsub_op *op)
{
    struct pubsub_ask *ask = op->ask;
    struct stanza *s = ask->request;
    uint32_t options = stanza_child(s, ask->payload, SPAN(NS_PUBSUB), SPAN("publish-options"));
    uint32_t form = options ? form_find(s, options, SPAN(NS_PUBSUB_OPTIONS)) : 0;
    int result;

    if (op->node.id)
        result = pubsub_require(ask, op->db, &op->node, PUBSUB_MAY_PUBLISH);
    else
        result = ask->is_owner ? 0 : pubsub_ask_refuse(ask, STANZA_FORBIDDEN, NULL);
    if (result < 0)
        return result;
    if (!op->node.id)
        pubsub_config_default(&op->node.config);
    if (form && !form_is_type(s, form, SPAN("cancel")))
        result = check_options(op, form);
    if (result == 0 && !op->node.id) {
        struct pubsub_config config = op->node.config;
        result = pubsub_node_create(ask, op->db, ask->node, &config, &op->node);
    }
    return result;
}

/* Somebody else's item is replaced by an owner only. */
static int check_publisher(struct pubsub_op *op, const struct pubsub_item *item)
{
    struct pubsub_item old;
    int got = pubsub_item_find(op->ask, op->db, &op->node, item->id, &old);

    if (got <= 0 || span_eq(old.publisher, item->publisher))
        return got < 0 ? got : 0;
    return pubsub_require(op->ask, op->db, &op->node, PUBSUB_MAY_OWN);
}

static int put(struct pubsub_op *op, const struct pubsub_item *item)
{
    int result = 0;

    if (op->node.config.flags & PUBSUB_PERSIST)
        result = check_publisher(op, item);
    if (result == 0 && (op->node.config.flags & PUBSUB_PERSIST))
        result = pubsub_item_store(op->ask, op->db, &op->node, item);
    return result < 0 ? result : pubsub_event_item(op->ask, op->db, &op->node, item);
}

int pubsub_op_publish(struct pubsub_op *op)
{
    struct pubsub_ask *ask = op->ask;
    struct pubsub_item item = {0};
    struct buf *out;
    int result = prepare_node(op);

    if (result == 0)
        result = read_item(op, &item);
    if (result == 0 && item.payload.n == 0 && (op->node.config.flags & PUBSUB_PERSIST))
        result = pubsub_ask_refuse(ask, STANZA_BAD_REQUEST, "payload-required");
    if (result == 0)
        result = put(op, &item);
    if (result < 0)
        return result;
    out = pubsub_answer_begin(ask, false);
    xml_raw(out, SPAN("<publish"));
    xml_attr(out, "node", ask->node);
    xml_raw(out, SPAN("><item"));
    xml_attr(out, "id", item.id);
    xml_raw(out, SPAN("/></publish>"));
    pubsub_answer_end(ask);
    return 0;
}

int pubsub_item_put(struct pubsub_ask *ask, struct db *db, struct span node, struct span id,
                    struct span payload, const struct pubsub_config *config)
{
    struct pubsub_op op = {.ask = ask, .db = db};
    struct pubsub_item item = {.id = id, .payload = payload, .publisher = SPAN(""),
                               .stamp = ask->now};
    struct pubsub_config c;
    int got = pubsub_node_find(ask, db, node, &op.node);

    pubsub_config_default(&c);
    if (got == 0)
        got = pubsub_node_create(ask, db, node, config ? config : &c, &op.node);
    return got < 0 ? got : put(&op, &item);
}

int pubsub_item_get(struct pubsub_ask *ask, struct db *db, struct span node, struct span id,
                    struct span *payload_r, bool *is_open_r)
{
    struct pubsub_node found;
    struct pubsub_item item;
    int got = pubsub_node_find(ask, db, node, &found);

    if (got > 0)
        got = pubsub_item_find(ask, db, &found, id, &item);
    if (got <= 0)
        return got;
    *payload_r = item.payload;
    *is_open_r = found.config.access == PUBSUB_OPEN;
    return 1;
}

/* --- retract --- */

static int retract(struct pubsub_op *op, struct span id, bool is_told)
{
    struct pubsub_ask *ask = op->ask;
    struct pubsub_relation r;
    int result = pubsub_relation_read(ask, op->db, &op->node, ask->who, &r);
    bool is_any = r.affiliation == PUBSUB_OWNER;

    if (result < 0)
        return result;
    result = pubsub_item_remove(op->db, &op->node, id, is_any ? SPAN_NONE : ask->who);
    if (result < 0)
        return result;
    if (result == 0)
        return pubsub_ask_refuse(ask, STANZA_ITEM_NOT_FOUND, NULL);
    ask->is_changed = true;
    return is_told ? pubsub_event_retract(ask, op->db, &op->node, id) : 0;
}

int pubsub_op_retract(struct pubsub_op *op)
{
    struct pubsub_ask *ask = op->ask;
    struct stanza *s = ask->request;
    struct span notify = stanza_attr(s, op->action, SPAN("notify"));
    uint32_t item = stanza_child(s, op->action, SPAN(NS_PUBSUB), SPAN("item"));
    struct span id = item ? stanza_attr(s, item, SPAN("id")) : SPAN_NONE;
    bool is_told = span_eq(notify, SPAN("1")) || span_eq(notify, SPAN("true"));
    int result;

    if (span_is_empty(id))
        return pubsub_ask_refuse(ask, STANZA_BAD_REQUEST, "item-required");
    if (!op->node.id)
        return pubsub_ask_refuse(
            ask, ask->is_owner ? STANZA_ITEM_NOT_FOUND : STANZA_FORBIDDEN, NULL);
    result = pubsub_require(ask, op->db, &op->node, PUBSUB_MAY_PUBLISH);
    if (result < 0)
        return result;
    if (span_is_none(notify))
        is_told = op->node.config.flags & PUBSUB_TELL_RETRACT;
    return retract(op, id, is_told);
}

int pubsub_item_drop(struct pubsub_ask *ask, struct db *db, struct span node, struct span id)
{
    struct pubsub_node found;
    int got = pubsub_node_find(ask, db, node, &found);

    if (got > 0)
        got = pubsub_item_remove(db, &found, id, SPAN_NONE);
    if (got <= 0)
        return got;
    ask->is_changed = true;
    return pubsub_event_retract(ask, db, &found, id);
}

/* --- items --- */

static int write_named(struct pubsub_op *op, struct buf *out)
{
    struct pubsub_ask *ask = op->ask;
    struct stanza *s = ask->request;
    const size_t limit = ask->limits.max_answer;
    bool is_any = false;

    for (uint32_t node = stanza_child(s, op->action, SPAN(NS_PUBSUB), SPAN("item")); node;
         node = stanza_next(s, node, SPAN(NS_PUBSUB), SPAN("item"))) {
        struct span id = stanza_attr(s, node, SPAN("id"));
        struct pubsub_item item;
        int got = pubsub_item_find(ask, op->db, &op->node, span_is_none(id) ? SPAN("") : id,
                                   &item);
        if (got < 0)
            return got;
        if (got == 0)
            continue;
        if (is_any && buf_len(out) + item.payload.n > limit)
            break;
        is_any = true;
        pubsub_item_write(out, &item, true);
    }
    return 0;
}

static int read_page(struct pubsub_op *op, struct rsm *rsm, struct pubsub_page *page_r)
{
    struct pubsub_ask *ask = op->ask;
    struct stanza *s = ask->request;
    struct span max = stanza_attr(s, op->action, SPAN("max_items"));

    *page_r = (struct pubsub_page){.max = UINT64_MAX, .is_newest = true};
    if (!rsm_read(s, ask->payload, rsm))
        return pubsub_ask_refuse(ask, STANZA_BAD_REQUEST, NULL);
    if (rsm->is_there) {
        page_r->after = rsm->after;
        page_r->before = rsm->before;
        page_r->is_newest = rsm->is_backward;
        if (rsm->has_max)
            page_r->max = rsm->max;
    }
    uint64_t n;
    if (!span_is_none(max) && !span_eq(max, SPAN("max"))) {
        if (!span_to_u64(max, UINT32_MAX, &n))
            return pubsub_ask_refuse(ask, STANZA_BAD_REQUEST, NULL);
        if (n < page_r->max)
            page_r->max = n;
    }
    return 0;
}

static int write_page(struct pubsub_op *op, struct buf *out, const struct rsm *rsm,
                      struct pubsub_page *page)
{
    int result = pubsub_item_write_page(op->ask, op->db, &op->node, page, out);

    if (result > 0)
        return pubsub_ask_refuse(op->ask, STANZA_ITEM_NOT_FOUND, NULL);
    xml_raw(out, SPAN("</items>"));
    if (result == 0 && rsm->is_there)
        rsm_write(out, page->first_r, page->last_r, page->index_r,
                  pubsub_item_count(op->ask, op->db, &op->node));
    return result;
}

int pubsub_op_items(struct pubsub_op *op)
{
    struct pubsub_ask *ask = op->ask;
    struct pubsub_page page;
    struct rsm rsm;
    struct buf *out;
    int result = read_page(op, &rsm, &page);

    if (result < 0)
        return result;
    out = pubsub_answer_begin(ask, false);
    xml_raw(out, SPAN("<items"));
    xml_attr(out, "node", ask->node);
    xml_raw(out, SPAN(">"));
    if (stanza_child(ask->request, op->action, SPAN(NS_PUBSUB), SPAN("item"))) {
        result = write_named(op, out);
        xml_raw(out, SPAN("</items>"));
    } else {
        result = write_page(op, out, &rsm, &page);
    }
    pubsub_answer_end(ask);
    return result;
}
