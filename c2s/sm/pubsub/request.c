/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * request - the operations of XEP-0060 in one table: the element that asks for it, who may, and
 * whether its node must be there. All of it runs on the storage thread.
 */
#include "c2s/sm/pubsub/pubsub_private.h"

#include "xml/writer.h"

enum need {
    NO_NODE, /* or any, or none */
    NAMED,   /* the request must name one */
    THERE,   /* and it must be there, and who asks must have the right */
};

struct op_row {
    const char *element;
    bool is_owner_ns, is_set;
    enum need need;
    enum pubsub_right right;
    int (*run)(struct pubsub_op *op);
};

#define READ PUBSUB_MAY_READ
#define OWN PUBSUB_MAY_OWN

static const struct op_row rows[] = {
    {"publish",       false, true,  NAMED,   READ, pubsub_op_publish},
    {"retract",       false, true,  NAMED,   READ, pubsub_op_retract},
    {"items",         false, false, THERE,   READ, pubsub_op_items},
    {"create",        false, true,  NO_NODE, READ, pubsub_op_create},
    {"default",       false, false, NO_NODE, READ, pubsub_op_default},
    {"subscribe",     false, true,  THERE,   READ, pubsub_op_subscribe},
    {"unsubscribe",   false, true,  NAMED,   READ, pubsub_op_unsubscribe},
    {"options",       false, false, NAMED,   READ, pubsub_op_options_get},
    {"options",       false, true,  NAMED,   READ, pubsub_op_options_set},
    {"subscriptions", false, false, NO_NODE, READ, pubsub_op_subscriptions},
    {"affiliations",  false, false, NO_NODE, READ, pubsub_op_affiliations},
    {"configure",     true,  false, THERE,   OWN,  pubsub_op_configure_get},
    {"configure",     true,  true,  THERE,   OWN,  pubsub_op_configure_set},
    {"default",       true,  false, NO_NODE, READ, pubsub_op_default},
    {"delete",        true,  true,  THERE,   OWN,  pubsub_op_delete},
    {"purge",         true,  true,  THERE,   OWN,  pubsub_op_purge},
    {"subscriptions", true,  false, THERE,   OWN,  pubsub_op_node_subscriptions_get},
    {"subscriptions", true,  true,  THERE,   OWN,  pubsub_op_node_subscriptions_set},
    {"affiliations",  true,  false, THERE,   OWN,  pubsub_op_node_affiliations_get},
    {"affiliations",  true,  true,  THERE,   OWN,  pubsub_op_node_affiliations_set},
};

int pubsub_refuse_feature(struct pubsub_ask *ask, const char *feature)
{
    ask->feature = feature;
    return pubsub_ask_refuse(ask, STANZA_FEATURE_NOT_IMPLEMENTED, "unsupported");
}

void pubsub_ask_init(struct pubsub_ask *ask)
{
    *ask = (struct pubsub_ask){0};
    list_init(&ask->events);
}

void pubsub_ask_free(struct pubsub_ask *ask)
{
    while (!list_is_empty(&ask->events))
        pubsub_event_free(CONTAINER_OF(ask->events.next, struct pubsub_event, link));
    buf_free(&ask->answer);
    arena_free(&ask->arena);
}

struct buf *pubsub_answer_begin(struct pubsub_ask *ask, bool is_owner_ns)
{
    if (is_owner_ns)
        xml_raw(&ask->answer, SPAN("<pubsub xmlns='" NS_PUBSUB_OWNER "'>"));
    else
        xml_raw(&ask->answer, SPAN("<pubsub xmlns='" NS_PUBSUB "'>"));
    return &ask->answer;
}

void pubsub_answer_end(struct pubsub_ask *ask)
{
    xml_raw(&ask->answer, SPAN("</pubsub>"));
}

bool pubsub_is_request(const struct stanza *s, uint32_t payload)
{
    return stanza_is(s, payload, SPAN(NS_PUBSUB), SPAN("pubsub")) ||
           stanza_is(s, payload, SPAN(NS_PUBSUB_OWNER), SPAN("pubsub"));
}

/* The first element that is an operation: what accompanies it is no row of the table. */
static const struct op_row *row_of(const struct stanza *s, uint32_t payload, uint32_t *action_r)
{
    const bool is_owner_ns = stanza_is(s, payload, SPAN(NS_PUBSUB_OWNER), SPAN("pubsub"));
    const bool is_set = span_eq(s->type, SPAN("set"));

    for (uint32_t node = stanza_child(s, payload, SPAN_NONE, SPAN_NONE); node;
         node = stanza_next(s, node, SPAN_NONE, SPAN_NONE)) {
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            if (rows[i].is_owner_ns == is_owner_ns && rows[i].is_set == is_set &&
                stanza_is(s, node, s->nodes[payload].ns, span_of(rows[i].element))) {
                *action_r = node;
                return &rows[i];
            }
        }
    }
    return NULL;
}

bool pubsub_is_reading(const struct stanza *s, uint32_t payload)
{
    (void)payload;
    return span_eq(s->type, SPAN("get"));
}

/* An owner's question about a node that is not there tells a stranger nothing. */
static int find_node(struct pubsub_op *op, const struct op_row *row)
{
    struct pubsub_ask *ask = op->ask;
    int got = pubsub_node_find(ask, op->db, ask->node, &op->node);

    if (got < 0 || row->need != THERE)
        return got < 0 ? got : 0;
    if (got > 0)
        return pubsub_require(ask, op->db, &op->node, row->right);
    return pubsub_ask_refuse(ask, row->right == OWN && !ask->is_owner ? STANZA_FORBIDDEN
                                                                  : STANZA_ITEM_NOT_FOUND, NULL);
}

int pubsub_run(struct pubsub_ask *ask, struct db *db)
{
    struct pubsub_op op = {.ask = ask, .db = db};
    const struct op_row *row = row_of(ask->request, ask->payload, &op.action);
    int result = 0;

    if (!row)
        return pubsub_ask_refuse(ask, STANZA_BAD_REQUEST, NULL);
    ask->node = stanza_attr(ask->request, op.action, SPAN("node"));
    if (ask->node.n > PUBSUB_NAME_MAX || span_index(ask->node, '\n') < ask->node.n)
        return pubsub_ask_refuse(ask, STANZA_NOT_ACCEPTABLE, NULL);
    if (span_is_empty(ask->node) && row->need != NO_NODE)
        return pubsub_ask_refuse(ask, STANZA_BAD_REQUEST, "nodeid-required");
    if (!span_is_empty(ask->node))
        result = find_node(&op, row);
    return result < 0 ? result : row->run(&op);
}
