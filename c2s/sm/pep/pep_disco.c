/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pep_disco - what disco shows of an account's nodes (XEP-0060 5, XEP-0163 6). Called by disco.c.
 */
#include "c2s/sm/pep/pep.h"

static const char *const features[] = {
    "access-open", "access-presence", "access-roster", "access-whitelist", "auto-create",
    "auto-subscribe", "config-node", "config-node-max", "create-and-configure", "create-nodes",
    "delete-items", "delete-nodes", "filtered-notifications", "instant-nodes", "item-ids",
    "last-published", "manage-subscriptions", "member-affiliation", "meta-data",
    "modify-affiliations", "multi-items", "outcast-affiliation", "persistent-items",
    "presence-notifications", "publish", "publish-only-affiliation", "publish-options",
    "publisher-affiliation", "purge-nodes", "retract-items", "retrieve-affiliations",
    "retrieve-default", "retrieve-items", "retrieve-subscriptions", "rsm", "subscribe",
    "subscription-options",
};

void sm_pep_each_feature(void (*each)(void *ctx, const char *feature), void *ctx)
{
    struct buf name = {0};

    each(ctx, NS_PUBSUB);
    each(ctx, "urn:xmpp:pep-vcard-conversion:0");
    each(ctx, "urn:xmpp:bookmarks:1#compat");
    each(ctx, "urn:xmpp:bookmarks-conversion:0");
    for (size_t i = 0; i < ARRAY_LEN(features); i++) {
        buf_clear(&name);
        buf_append_z(&name, NS_PUBSUB "#");
        buf_append_z(&name, features[i]);
        each(ctx, buf_z(&name));
    }
    buf_free(&name);
}

static void write_query(struct sm_in *in, const char *ns, struct span node, const struct buf *items,
                        bool has_resources)
{
    struct sm_out out;
    struct buf *buf = sm_iq_open(in, &out);

    xml_raw(buf, SPAN("<query"));
    xml_attr(buf, "xmlns", span_of(ns));
    if (!span_is_empty(node))
        xml_attr(buf, "node", node);
    xml_raw(buf, SPAN(">"));
    if (has_resources && sm_in_user(in))
        sm_disco_write_resources(sm_in_user(in), buf);
    buf_append(buf, buf_span(items));
    xml_raw(buf, SPAN("</query>"));
    sm_iq_close(&out);
}

/* --- a node --- */

static int info_run(struct db *db, struct store_job *store_job)
{
    struct pep_task *t = (struct pep_task *)(void *)store_job;

    t->ask.account = sm_account_id(db, t->user);
    return pubsub_disco_node(&t->ask, db, t->ask.node);
}

static void info_done(struct sm_task *task, struct sm_in *in, int result)
{
    struct pep_task *t = (struct pep_task *)task;

    if (result < 0)
        sm_pep_refuse(in, &t->ask, result);
    else
        write_query(in, NS_DISCO_INFO, t->ask.node, &t->ask.answer, false);
}

void sm_pep_disco_node(struct sm_in *in, uint32_t payload)
{
    struct pep_task *t = sm_pep_task_new(in);

    (void)payload;
    if (!t)
        return;
    t->ask.node = stanza_attr(t->ask.request, t->ask.payload, SPAN("node"));
    sm_task_submit(in, STORE_READ, &t->task, info_run, info_done);
}

/* --- lists --- */

static int items_run(struct db *db, struct store_job *store_job)
{
    struct pep_task *t = (struct pep_task *)(void *)store_job;

    t->ask.account = sm_account_id(db, t->user);
    if (span_is_empty(t->ask.node))
        return pubsub_disco_items(&t->ask, db);
    return pubsub_disco_node_items(&t->ask, db, t->ask.node);
}

static void items_done(struct sm_task *task, struct sm_in *in, int result)
{
    struct pep_task *t = (struct pep_task *)task;

    if (result < 0)
        sm_pep_refuse(in, &t->ask, result);
    else
        write_query(in, NS_DISCO_ITEMS, t->ask.node, &t->ask.answer, span_is_empty(t->ask.node));
}

void sm_pep_disco_items(struct sm_in *in, uint32_t payload)
{
    struct pep_task *t = sm_pep_task_new(in);

    (void)payload;
    if (!t)
        return;
    t->ask.node = stanza_attr(t->ask.request, t->ask.payload, SPAN("node"));
    sm_task_submit(in, STORE_READ, &t->task, items_run, items_done);
}
