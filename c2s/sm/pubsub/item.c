/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * item - the table of items: a node's, in the order of publishing. All of it runs on the storage
 * thread. A payload is XML that declares its namespaces, so that it fits into any element.
 */
#include "c2s/sm/pubsub/pubsub_private.h"

#include "xml/writer.h"

/* What is older is there no more, whether or not it has been removed already. */
static int64_t oldest_stamp(const struct pubsub_ask *ask, const struct pubsub_node *node)
{
    return node->config.expire == 0 ? INT64_MIN : ask->now - node->config.expire * 1000;
}

static uint32_t max_of(const struct pubsub_ask *ask, const struct pubsub_node *node)
{
    uint32_t max = node->config.max_items;

    return max < ask->limits.max_items ? max : (uint32_t)ask->limits.max_items;
}

int pubsub_item_trim(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node)
{
    struct db_stmt *st = db_sql(db, "DELETE FROM pubsub_item WHERE node = ?1 AND (stamp < ?2 OR"
                                    " seq NOT IN (SELECT seq FROM pubsub_item WHERE node = ?1"
                                    " ORDER BY seq DESC LIMIT ?3))");

    db_bind_int(st, 1, node->id);
    db_bind_int(st, 2, oldest_stamp(ask, node));
    db_bind_int(st, 3, max_of(ask, node));
    return db_run(st);
}

int pubsub_item_purge(struct db *db, const struct pubsub_node *node)
{
    struct db_stmt *st = db_sql(db, "DELETE FROM pubsub_item WHERE node = ?1");

    db_bind_int(st, 1, node->id);
    return db_run(st);
}

static int64_t bytes_held(struct pubsub_ask *ask, struct db *db)
{
    struct db_stmt *st = db_sql(db, "SELECT coalesce(sum(bytes), 0) FROM pubsub_item WHERE node IN"
                                    " (SELECT id FROM pubsub_node WHERE account = ?1)");
    int64_t n;

    db_bind_int(st, 1, ask->account);
    n = db_step(st) > 0 ? db_int(st, 0) : INT64_MAX;
    db_reset(st);
    return n;
}

int pubsub_item_store(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                      const struct pubsub_item *item)
{
    struct db_stmt *st;
    int result = pubsub_item_remove(db, node, item->id, SPAN_NONE);

    if (result < 0 || max_of(ask, node) == 0)
        return result < 0 ? result : 0;
    st = db_sql(db, "INSERT INTO pubsub_item (node, id, publisher, stamp, bytes, payload)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
    db_bind_int(st, 1, node->id);
    db_bind_text(st, 2, item->id);
    db_bind_text(st, 3, item->publisher);
    db_bind_int(st, 4, item->stamp);
    db_bind_int(st, 5, (int64_t)(item->id.n + item->payload.n));
    db_bind_text(st, 6, item->payload);
    result = db_run(st);
    if (result == 0)
        result = pubsub_item_trim(ask, db, node);
    if (result < 0)
        return result;
    ask->is_changed = true;
    if (bytes_held(ask, db) > (int64_t)ask->limits.max_bytes)
        return pubsub_ask_refuse(ask, STANZA_RESOURCE_CONSTRAINT, NULL);
    return 0;
}

int pubsub_item_remove(struct db *db, const struct pubsub_node *node, struct span id,
                       struct span publisher)
{
    struct db_stmt *st = db_sql(db, "DELETE FROM pubsub_item WHERE node = ?1 AND id = ?2"
                                    " AND (?3 IS NULL OR publisher = ?3)");
    int result;

    db_bind_int(st, 1, node->id);
    db_bind_text(st, 2, id);
    db_bind_text(st, 3, publisher);
    result = db_run(st);
    return result < 0 ? result : (int)db_changes(db);
}

int pubsub_item_find(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                     struct span id, struct pubsub_item *item_r)
{
    struct db_stmt *st =
        db_sql(db, "SELECT id, publisher, payload, stamp FROM pubsub_item WHERE node = ?1"
                   " AND (?2 IS NULL OR id = ?2) AND stamp >= ?3 ORDER BY seq DESC LIMIT 1");
    int got;

    db_bind_int(st, 1, node->id);
    db_bind_text(st, 2, id);
    db_bind_int(st, 3, oldest_stamp(ask, node));
    got = db_step(st);
    if (got > 0) {
        *item_r = (struct pubsub_item){
            .id = arena_span(&ask->arena, db_text(st, 0)),
            .publisher = arena_span(&ask->arena, db_text(st, 1)),
            .payload = arena_span(&ask->arena, db_text(st, 2)),
            .stamp = db_int(st, 3),
        };
    }
    db_reset(st);
    return got;
}

int64_t pubsub_item_count(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node)
{
    struct db_stmt *st =
        db_sql(db, "SELECT count(*) FROM pubsub_item WHERE node = ?1 AND stamp >= ?2");
    int64_t n = 0;

    db_bind_int(st, 1, node->id);
    db_bind_int(st, 2, oldest_stamp(ask, node));
    if (db_step(st) > 0)
        n = db_int(st, 0);
    db_reset(st);
    return n;
}

void pubsub_item_write(struct buf *out, const struct pubsub_item *item, bool has_payload)
{
    xml_raw(out, SPAN("<item"));
    xml_attr(out, "id", item->id);
    if (item->publisher.n > 0)
        xml_attr(out, "publisher", item->publisher);
    if (has_payload && item->payload.n > 0) {
        xml_raw(out, SPAN(">"));
        buf_append(out, item->payload);
        xml_raw(out, SPAN("</item>"));
    } else {
        xml_raw(out, SPAN("/>"));
    }
}

int pubsub_item_write_names(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                            struct buf *out)
{
    struct db_stmt *st =
        db_sql(db, "SELECT id FROM pubsub_item WHERE node = ?1 AND stamp >= ?2 ORDER BY seq");
    int got;

    db_bind_int(st, 1, node->id);
    db_bind_int(st, 2, oldest_stamp(ask, node));
    while ((got = db_step(st)) > 0 && buf_len(out) < ask->limits.max_answer) {
        xml_raw(out, SPAN("<item"));
        xml_attr(out, "jid", ask->service);
        xml_attr(out, "name", db_text(st, 0));
        xml_raw(out, SPAN("/>"));
    }
    db_reset(st);
    return got < 0 ? got : 0;
}

int pubsub_items_each(struct pubsub_ask *ask, struct db *db, struct span node,
                      void (*take)(void *ctx, struct span id, struct span payload), void *ctx)
{
    struct pubsub_node found;
    struct db_stmt *st;
    int got = pubsub_node_find(ask, db, node, &found);

    if (got <= 0)
        return got;
    st = db_sql(db, "SELECT id, payload FROM pubsub_item WHERE node = ?1 AND stamp >= ?2"
                    " ORDER BY seq");
    db_bind_int(st, 1, found.id);
    db_bind_int(st, 2, oldest_stamp(ask, &found));
    while ((got = db_step(st)) > 0)
        take(ctx, db_text(st, 0), db_text(st, 1));
    db_reset(st);
    return got;
}

/* --- pages --- */

/* 1: *seq_r is the item's number. */
static int seq_of(struct db *db, const struct pubsub_node *node, struct span id, int64_t *seq_r)
{
    struct db_stmt *st = db_sql(db, "SELECT seq FROM pubsub_item WHERE node = ?1 AND id = ?2");
    int got;

    db_bind_int(st, 1, node->id);
    db_bind_text(st, 2, id);
    got = db_step(st);
    if (got > 0)
        *seq_r = db_int(st, 0);
    db_reset(st);
    return got;
}

/* The numbers that the page is between, exclusive. */
struct range {
    int64_t after, before;
};

/* How many fit, by number and by bytes; one always does. */
struct room {
    uint64_t items;
    size_t bytes;
};

static bool takes(struct room *room, size_t bytes, bool is_first)
{
    if (room->items == 0 || (!is_first && bytes > room->bytes))
        return false;
    room->items--;
    room->bytes -= bytes < room->bytes ? bytes : room->bytes;
    return true;
}

/* For the newest: raises range->after to what does not fit any more. */
static int narrow(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                  struct room room, struct range *range)
{
    struct db_stmt *st =
        db_sql(db, "SELECT seq, bytes FROM pubsub_item WHERE node = ?1 AND seq > ?2 AND seq < ?3"
                   " AND stamp >= ?4 ORDER BY seq DESC");
    bool is_first = true;
    int got;

    db_bind_int(st, 1, node->id);
    db_bind_int(st, 2, range->after);
    db_bind_int(st, 3, range->before);
    db_bind_int(st, 4, oldest_stamp(ask, node));
    while ((got = db_step(st)) > 0) {
        if (!takes(&room, (size_t)db_int(st, 1), is_first)) {
            range->after = db_int(st, 0);
            break;
        }
        is_first = false;
    }
    db_reset(st);
    return got < 0 ? got : 0;
}

static int write_range(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                       struct room room, const struct range *range, struct pubsub_page *page,
                       struct buf *out)
{
    struct db_stmt *st =
        db_sql(db, "SELECT id, publisher, payload, bytes FROM pubsub_item WHERE node = ?1"
                   " AND seq > ?2 AND seq < ?3 AND stamp >= ?4 ORDER BY seq");
    int got;

    db_bind_int(st, 1, node->id);
    db_bind_int(st, 2, range->after);
    db_bind_int(st, 3, range->before);
    db_bind_int(st, 4, oldest_stamp(ask, node));
    while ((got = db_step(st)) > 0) {
        struct pubsub_item item = {
            .id = db_text(st, 0), .publisher = db_text(st, 1), .payload = db_text(st, 2)};
        if (!takes(&room, (size_t)db_int(st, 3), span_is_none(page->first_r)))
            break;
        pubsub_item_write(out, &item, true);
        page->last_r = arena_span(&ask->arena, item.id);
        if (span_is_none(page->first_r))
            page->first_r = page->last_r;
    }
    db_reset(st);
    return got < 0 ? got : 0;
}

static int64_t index_of(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                        struct span id)
{
    struct db_stmt *st =
        db_sql(db, "SELECT count(*) FROM pubsub_item WHERE node = ?1 AND stamp >= ?3 AND seq <"
                   " (SELECT seq FROM pubsub_item WHERE node = ?1 AND id = ?2)");
    int64_t n;

    db_bind_int(st, 1, node->id);
    db_bind_text(st, 2, id);
    db_bind_int(st, 3, oldest_stamp(ask, node));
    n = db_step(st) > 0 ? db_int(st, 0) : -1;
    db_reset(st);
    return n;
}

int pubsub_item_write_page(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                           struct pubsub_page *page, struct buf *out)
{
    struct range range = {INT64_MIN, INT64_MAX};
    struct room room = {page->max, ask->limits.max_answer};
    int result = 1;

    page->first_r = page->last_r = SPAN_NONE;
    page->index_r = -1;
    if (!span_is_empty(page->after))
        result = seq_of(db, node, page->after, &range.after);
    if (result > 0 && !span_is_empty(page->before))
        result = seq_of(db, node, page->before, &range.before);
    if (result <= 0)
        return result < 0 ? result : 1;
    result = page->is_newest ? narrow(ask, db, node, room, &range) : 0;
    if (result == 0)
        result = write_range(ask, db, node, room, &range, page, out);
    if (result == 0 && !span_is_none(page->first_r))
        page->index_r = index_of(ask, db, node, page->first_r);
    return result;
}
