/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * nodes - what others are shown of an account's nodes: their list and their meta-data (XEP-0060
 * 5.2, 5.4), and the last items that a newcomer is sent. All of it runs on the storage thread.
 */
#include "c2s/sm/pubsub/pubsub_private.h"

#include "xml/writer.h"
#include "xmpp/form.h"
#include "xmpp/ns.h"

struct walk {
    struct pubsub_ask *ask;
    struct db *db;
    bool (*wants)(void *ctx, struct span node);
    void *ctx;
    size_t bytes;
    int result;
};

/* 1: who asks may read it. */
static int may_read(struct walk *w, const struct pubsub_node *node)
{
    struct pubsub_relation r;
    int result = pubsub_relation_read(w->ask, w->db, node, w->ask->who, &r);

    if (result < 0)
        return result;
    return pubsub_check(&node->config, &r, PUBSUB_MAY_READ).error == STANZA_ERROR_NONE;
}

static bool write_disco_item(void *ctx, const struct pubsub_node *node)
{
    struct walk *w = ctx;
    struct buf *out = &w->ask->answer;

    w->result = may_read(w, node);
    if (w->result <= 0)
        return w->result == 0;
    xml_raw(out, SPAN("<item"));
    xml_attr(out, "jid", w->ask->service);
    xml_attr(out, "node", node->name);
    if (node->config.title.n > 0)
        xml_attr(out, "name", node->config.title);
    xml_raw(out, SPAN("/>"));
    return buf_len(out) < w->ask->limits.max_answer;
}

int pubsub_disco_items(struct pubsub_ask *ask, struct db *db)
{
    struct walk w = {.ask = ask, .db = db};
    int result = pubsub_node_each(ask, db, write_disco_item, &w);

    return w.result < 0 ? w.result : result;
}

static void write_meta(struct buf *out, struct pubsub_ask *ask, struct db *db,
                       const struct pubsub_node *node)
{
    struct buf count = {0};

    buf_append_u64(&count, (uint64_t)pubsub_item_count(ask, db, node));
    form_write_begin(out, "result", SPAN(NS_PUBSUB_META));
    pubsub_config_write_fields(out, &node->config, false);
    form_write_field(out, "pubsub#num_items", NULL, NULL, buf_span(&count));
    if (!ask->has_names)
        form_write_field(out, "pubsub#owner", NULL, NULL, ask->service);
    form_write_end(out);
    buf_free(&count);
}

/* A node that who asks may read; else a refusal. */
static int find_readable(struct pubsub_ask *ask, struct db *db, struct span name,
                         struct pubsub_node *node_r)
{
    int got = pubsub_node_find(ask, db, name, node_r);

    if (got == 0)
        return pubsub_ask_refuse(ask, STANZA_ITEM_NOT_FOUND, NULL);
    return got < 0 ? got : pubsub_require(ask, db, node_r, PUBSUB_MAY_READ);
}

int pubsub_disco_node_items(struct pubsub_ask *ask, struct db *db, struct span name)
{
    struct pubsub_node node;
    int got = find_readable(ask, db, name, &node);

    return got < 0 ? got : pubsub_item_write_names(ask, db, &node, &ask->answer);
}

int pubsub_disco_node(struct pubsub_ask *ask, struct db *db, struct span name)
{
    struct pubsub_node node;
    struct buf *out = &ask->answer;
    int got = find_readable(ask, db, name, &node);

    if (got < 0)
        return got;
    xml_raw(out, SPAN("<identity category='pubsub' type='leaf'/><feature var='" NS_PUBSUB "'/>"
                      "<feature var='" NS_DISCO_INFO "'/><feature var='" NS_DISCO_ITEMS "'/>"));
    write_meta(out, ask, db, &node);
    return 0;
}

/* --- last items --- */

static bool take_last(void *ctx, const struct pubsub_node *node)
{
    struct walk *w = ctx;
    struct pubsub_item item;
    struct pubsub_event *event;

    if (node->config.last != PUBSUB_LAST_ON_PRESENCE || !w->wants(w->ctx, node->name))
        return true;
    w->result = may_read(w, node);
    if (w->result <= 0)
        return w->result == 0;
    w->result = pubsub_item_find(w->ask, w->db, node, SPAN_NONE, &item);
    if (w->result <= 0)
        return w->result == 0;
    event = pubsub_event_begin(w->ask, node);
    event->stamp = item.stamp;
    pubsub_event_write_item(event, node, &item);
    w->bytes += buf_len(&event->xml);
    return w->bytes < 4 * w->ask->limits.max_answer;
}

int pubsub_last_items(struct pubsub_ask *ask, struct db *db,
                      bool (*wants)(void *ctx, struct span node), void *ctx)
{
    struct walk w = {.ask = ask, .db = db, .wants = wants, .ctx = ctx};
    int result = pubsub_node_each(ask, db, take_last, &w);

    return w.result < 0 ? w.result : result;
}
