/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * transfer - nodes of an account that moves to another server, as XEP-0227 4.10 writes them: their
 * configuration and people in elements of the owner's namespace, their items in the other. Called
 * by the jobs of c2s/sm/pie; nobody is sent an event.
 */
#include "c2s/sm/pubsub/pubsub_private.h"

#include "xml/writer.h"
#include "xmpp/form.h"
#include "xmpp/jid.h"

/* --- out: configuration and people --- */

struct next {
    int64_t after;
    struct pubsub_node node; /* id 0: there is none */
};

static bool take_next(void *ctx, const struct pubsub_node *node)
{
    struct next *n = ctx;

    if (node->id <= n->after)
        return true;
    n->node = *node;
    return false;
}

static void open_element(struct buf *out, const char *name, struct span node)
{
    xml_raw(out, SPAN("<"));
    buf_append_z(out, name);
    xml_attr(out, "node", node);
    xml_raw(out, SPAN(">"));
}

static int write_affiliations(struct db *db, const struct pubsub_node *node, struct buf *out)
{
    struct db_stmt *st = db_sql(db, "SELECT jid, affiliation FROM pubsub_affiliation"
                                    " WHERE node = ?1 ORDER BY jid");
    bool is_any = false;
    int got = 0;

    db_bind_int(st, 1, node->id);
    while ((got = db_step(st)) > 0) {
        if (!is_any)
            open_element(out, "affiliations", node->name);
        is_any = true;
        xml_raw(out, SPAN("<affiliation"));
        xml_attr(out, "jid", db_text(st, 0));
        xml_attr(out, "affiliation",
                 span_of(pubsub_affiliation_name((enum pubsub_affiliation)db_int(st, 1))));
        xml_raw(out, SPAN("/>"));
    }
    if (is_any)
        xml_raw(out, SPAN("</affiliations>\n"));
    return got;
}

static int write_subscriptions(struct db *db, const struct pubsub_node *node, struct buf *out)
{
    struct db_stmt *st =
        db_sql(db, "SELECT jid FROM pubsub_subscription WHERE node = ?1 ORDER BY jid");
    bool is_any = false;
    int got = 0;

    db_bind_int(st, 1, node->id);
    while ((got = db_step(st)) > 0) {
        if (!is_any)
            open_element(out, "subscriptions", node->name);
        is_any = true;
        xml_raw(out, SPAN("<subscription"));
        xml_attr(out, "jid", db_text(st, 0));
        xml_raw(out, SPAN(" subscription='subscribed'/>"));
    }
    if (is_any)
        xml_raw(out, SPAN("</subscriptions>\n"));
    return got;
}

int pubsub_export_node(struct pubsub_ask *ask, struct db *db, struct pubsub_cursor *cursor,
                       struct buf *out)
{
    struct next next = {.after = cursor->node};
    int result = pubsub_node_each(ask, db, take_next, &next);

    if (result < 0 || next.node.id == 0)
        return result;
    cursor->node = next.node.id;
    open_element(out, "configure", next.node.name);
    pubsub_config_write_form(out, &next.node.config);
    xml_raw(out, SPAN("</configure>\n"));
    result = write_affiliations(db, &next.node, out);
    if (result >= 0)
        result = write_subscriptions(db, &next.node, out);
    return result < 0 ? result : 1;
}

/* --- out: items --- */

static void write_item(struct buf *out, struct db_stmt *st)
{
    struct span publisher = db_text(st, 4);

    xml_raw(out, SPAN("<item"));
    xml_attr(out, "id", db_text(st, 3));
    if (publisher.n > 0)
        xml_attr(out, "publisher", publisher);
    xml_raw(out, SPAN(">"));
    buf_append(out, db_text(st, 5));
    xml_raw(out, SPAN("</item>\n"));
}

static void close_items(struct pubsub_cursor *c, struct buf *out)
{
    if (c->is_open)
        xml_raw(out, SPAN("</items>\n"));
    c->is_open = false;
}

int pubsub_export_items(struct pubsub_ask *ask, struct db *db, struct pubsub_cursor *c, size_t max,
                        struct buf *out)
{
    struct db_stmt *st =
        db_sql(db, "SELECT n.id, n.name, i.seq, i.id, i.publisher, i.payload"
                   " FROM pubsub_node n LEFT JOIN pubsub_item i ON i.node = n.id"
                   " WHERE n.account = ?1 AND (n.id > ?2 OR (n.id = ?2 AND i.seq > ?3))"
                   " ORDER BY n.id, i.seq");
    int got = 0;

    db_bind_int(st, 1, ask->account);
    db_bind_int(st, 2, c->node);
    db_bind_int(st, 3, c->seq);
    while (buf_len(out) < max && (got = db_step(st)) > 0) {
        if (db_int(st, 0) != c->node) {
            close_items(c, out);
            open_element(out, "items", db_text(st, 1));
            c->is_open = true;
        }
        c->node = db_int(st, 0);
        c->seq = db_int(st, 2);
        if (!span_is_none(db_text(st, 3)))
            write_item(out, st);
    }
    if (buf_len(out) >= max) {
        db_reset(st);
        return 1;
    }
    close_items(c, out);
    return got;
}

/* --- in --- */

struct taking {
    struct pubsub_ask *ask;
    struct db *db;
    struct stanza *s;
    struct pubsub_node node; /* id 0: not there */
    size_t taken, refused;
};

/* What was refused has changed nothing: the others may still be good. */
static int count(struct taking *t, int result)
{
    if (result >= 0)
        t->taken++;
    else if (result == PUBSUB_REFUSED)
        t->refused++;
    return result == PUBSUB_REFUSED ? 0 : result;
}

static int make_node(struct taking *t, const struct pubsub_config *config)
{
    struct span name = t->node.name;

    return pubsub_node_create(t->ask, t->db, name, config, &t->node);
}

/* Values that are none are as if they had not been set: other servers have other ones. */
static int take_configure(struct taking *t, uint32_t element)
{
    uint32_t form = stanza_child(t->s, element, SPAN(NS_FORM), SPAN("x"));
    struct pubsub_config config;

    if (t->node.id)
        return 0;
    pubsub_config_default(&config);
    config.max_items = PUBSUB_ITEMS_MAX; /* what has come is kept, unless that is forbidden */
    if (form && pubsub_config_read(t->s, form, false, PUBSUB_ITEMS_MAX, &config) !=
                    STANZA_ERROR_NONE) {
        t->refused++;
        pubsub_config_default(&config);
        config.access = PUBSUB_WHITELIST; /* rather too little than too much */
    }
    return count(t, make_node(t, &config));
}

static bool read_jid(struct taking *t, uint32_t node, struct span attr, bool is_full_good,
                     struct span *jid_r)
{
    struct jid_scratch scratch;
    struct jid jid;

    if (!jid_parse(stanza_attr(t->s, node, attr), &jid, &scratch))
        return false;
    *jid_r = pubsub_stored_jid(t->ask,
                               arena_span(&t->ask->arena, is_full_good ? jid.full : jid.bare));
    return true;
}

static int take_affiliation(struct taking *t, uint32_t person)
{
    enum pubsub_affiliation a;
    struct pubsub_relation r;
    struct span jid;

    if (!read_jid(t, person, SPAN("jid"), false, &jid) ||
        !pubsub_affiliation_parse(stanza_attr(t->s, person, SPAN("affiliation")), &a))
        return count(t, PUBSUB_REFUSED);
    if (span_eq(jid, t->ask->who))
        return 0; /* the account owns its nodes anyway */
    int result = pubsub_relation_read(t->ask, t->db, &t->node, jid, &r);
    if (result < 0 || r.affiliation != PUBSUB_NONE || a == PUBSUB_NONE)
        return result < 0 ? result : 0;
    return count(t, pubsub_affiliation_set(t->ask, t->db, &t->node, jid, a));
}

static int take_subscription(struct taking *t, uint32_t person)
{
    struct span state = stanza_attr(t->s, person, SPAN("subscription")), jid;

    if (!read_jid(t, person, SPAN("jid"), true, &jid))
        return count(t, PUBSUB_REFUSED);
    if (!span_is_none(state) && !span_eq(state, SPAN("subscribed")))
        return 0;
    int got = pubsub_subscription_find(t->db, &t->node, jid, NULL);
    if (got != 0)
        return got < 0 ? got : 0;
    return count(t, pubsub_subscription_set(t->ask, t->db, &t->node, jid, true));
}

static int take_item(struct taking *t, uint32_t element)
{
    uint32_t child = stanza_child(t->s, element, SPAN_NONE, SPAN_NONE);
    struct pubsub_item item = {.id = stanza_attr(t->s, element, SPAN("id")),
                               .publisher = SPAN(""), .stamp = t->ask->now}, old;
    struct span publisher;
    struct buf payload = {0};
    int result;

    if (span_is_empty(item.id) || item.id.n > PUBSUB_NAME_MAX)
        return count(t, PUBSUB_REFUSED);
    result = pubsub_item_find(t->ask, t->db, &t->node, item.id, &old);
    if (result != 0)
        return result < 0 ? result : 0;
    if (read_jid(t, element, SPAN("publisher"), false, &publisher) &&
        !span_eq(publisher, t->ask->who))
        item.publisher = publisher;
    if (child)
        stanza_write_node(&payload, t->s, child, SPAN(""));
    item.payload = buf_span(&payload);
    result = item.payload.n > t->ask->limits.max_item_bytes
                 ? PUBSUB_REFUSED
                 : pubsub_item_store(t->ask, t->db, &t->node, &item);
    buf_free(&payload);
    if (result == PUBSUB_REFUSED && pubsub_item_remove(t->db, &t->node, item.id, SPAN_NONE) < 0)
        result = STORE_FAILED;
    return count(t, result);
}

static int take_items(struct taking *t, uint32_t item)
{
    struct pubsub_config config;

    if (!t->node.id) {
        pubsub_config_default(&config);
        config.max_items = PUBSUB_ITEMS_MAX;
        config.access = PUBSUB_WHITELIST; /* nobody has said that others may read it */
        int result = make_node(t, &config);
        if (result < 0)
            return count(t, result);
    }
    return take_item(t, item);
}

static const struct {
    struct span name, child;
    int (*take)(struct taking *t, uint32_t node); /* of each child, or of the element itself */
} kinds[] = {
    {SPAN_INIT("configure"), SPAN_INIT(""), take_configure},
    {SPAN_INIT("affiliations"), SPAN_INIT("affiliation"), take_affiliation},
    {SPAN_INIT("subscriptions"), SPAN_INIT("subscription"), take_subscription},
    {SPAN_INIT("items"), SPAN_INIT("item"), take_items},
};

static int take_kind(struct taking *t, size_t kind, uint32_t element)
{
    bool needs_node = kind == 1 || kind == 2;
    int result = 0;

    if (kinds[kind].child.n == 0)
        return kinds[kind].take(t, element);
    for (uint32_t c = stanza_child(t->s, element, SPAN_NONE, kinds[kind].child); c && result >= 0;
         c = stanza_next(t->s, c, SPAN_NONE, kinds[kind].child))
        result = needs_node && !t->node.id ? count(t, PUBSUB_REFUSED) : kinds[kind].take(t, c);
    return result;
}

int pubsub_import(struct pubsub_ask *ask, struct db *db, struct stanza *s, uint32_t element,
                  size_t *taken_r, size_t *refused_r)
{
    struct taking t = {.ask = ask, .db = db, .s = s};
    struct span name = stanza_attr(s, element, SPAN("node"));
    int result = 0;

    if (span_is_empty(name) || name.n > PUBSUB_NAME_MAX)
        t.refused++;
    else
        result = pubsub_node_find(ask, db, name, &t.node);
    for (size_t i = 0; i < ARRAY_LEN(kinds) && t.refused == 0 && result >= 0; i++) {
        if (span_eq(s->nodes[element].name, kinds[i].name)) {
            result = take_kind(&t, i, element);
            break;
        }
    }
    *taken_r += t.taken;
    *refused_r += t.refused;
    return result < 0 ? result : 0;
}
