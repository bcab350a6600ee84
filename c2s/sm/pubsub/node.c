/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * node - the table of nodes. All of it runs on the storage thread.
 */
#include "c2s/sm/pubsub/pubsub_private.h"

#define COLUMNS                                                                                    \
    "id, created, name, access, publish, last, is_normal, flags, max_items, expire, title,"        \
    " description, type, groups"

static void read_row(struct pubsub_ask *ask, struct db_stmt *st, struct pubsub_node *node_r)
{
    struct arena *arena = &ask->arena;

    *node_r = (struct pubsub_node){
        .id = db_int(st, 0),
        .created = db_int(st, 1),
        .name = arena_span(arena, db_text(st, 2)),
        .config = {
            .access = (unsigned char)db_int(st, 3),
            .publish = (unsigned char)db_int(st, 4),
            .last = (unsigned char)db_int(st, 5),
            .is_normal = db_int(st, 6) != 0,
            .flags = (unsigned)db_int(st, 7),
            .max_items = (uint32_t)db_int(st, 8),
            .expire = db_int(st, 9),
            .title = arena_span(arena, db_text(st, 10)),
            .description = arena_span(arena, db_text(st, 11)),
            .type = arena_span(arena, db_text(st, 12)),
            .groups = arena_span(arena, db_text(st, 13)),
        },
    };
}

int pubsub_node_find(struct pubsub_ask *ask, struct db *db, struct span name,
                     struct pubsub_node *node_r)
{
    struct db_stmt *st =
        db_sql(db, "SELECT " COLUMNS " FROM pubsub_node WHERE account = ?1 AND name = ?2");
    int got;

    *node_r = (struct pubsub_node){.name = name};
    db_bind_int(st, 1, ask->account);
    db_bind_text(st, 2, name);
    got = db_step(st);
    if (got > 0)
        read_row(ask, st, node_r);
    db_reset(st);
    return got;
}

int pubsub_node_each(struct pubsub_ask *ask, struct db *db,
                     bool (*take)(void *ctx, const struct pubsub_node *node), void *ctx)
{
    struct db_stmt *st =
        db_sql(db, "SELECT " COLUMNS " FROM pubsub_node WHERE account = ?1 ORDER BY id");
    int got;

    db_bind_int(st, 1, ask->account);
    while ((got = db_step(st)) > 0) {
        struct pubsub_node node;
        read_row(ask, st, &node);
        if (!take(ctx, &node)) {
            got = 0;
            break;
        }
    }
    db_reset(st);
    return got;
}

static int64_t count(struct pubsub_ask *ask, struct db *db)
{
    struct db_stmt *st = db_sql(db, "SELECT count(*) FROM pubsub_node WHERE account = ?1");
    int64_t n;

    db_bind_int(st, 1, ask->account);
    n = db_step(st) > 0 ? db_int(st, 0) : INT64_MAX;
    db_reset(st);
    return n;
}

static void bind_config(struct db_stmt *st, const struct pubsub_config *c)
{
    db_bind_int(st, 1, c->access);
    db_bind_int(st, 2, c->publish);
    db_bind_int(st, 3, c->last);
    db_bind_int(st, 4, c->is_normal);
    db_bind_int(st, 5, c->flags);
    db_bind_int(st, 6, c->max_items);
    db_bind_int(st, 7, c->expire);
    db_bind_text(st, 8, c->title);
    db_bind_text(st, 9, c->description);
    db_bind_text(st, 10, c->type);
    db_bind_text(st, 11, c->groups);
}

int pubsub_node_create(struct pubsub_ask *ask, struct db *db, struct span name,
                       const struct pubsub_config *config, struct pubsub_node *node_r)
{
    struct db_stmt *st;
    int result;

    if (!ask->account)
        return pubsub_ask_refuse(ask, STANZA_FORBIDDEN, NULL);
    if (count(ask, db) >= (int64_t)ask->limits.max_nodes)
        return pubsub_ask_refuse(ask, STANZA_RESOURCE_CONSTRAINT, NULL);
    st = db_sql(db, "INSERT INTO pubsub_node (access, publish, last, is_normal, flags, max_items,"
                    " expire, title, description, type, groups, account, name, created)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)");
    bind_config(st, config);
    db_bind_int(st, 12, ask->account);
    db_bind_text(st, 13, name);
    db_bind_int(st, 14, ask->now);
    result = db_run(st);
    if (result < 0)
        return result;
    ask->is_changed = true;
    result = pubsub_node_find(ask, db, name, node_r);
    return result == 0 ? STORE_FAILED : result < 0 ? result : 0;
}

int pubsub_node_configure(struct db *db, const struct pubsub_node *node)
{
    struct db_stmt *st =
        db_sql(db, "UPDATE pubsub_node SET access = ?1, publish = ?2, last = ?3, is_normal = ?4,"
                   " flags = ?5, max_items = ?6, expire = ?7, title = ?8, description = ?9,"
                   " type = ?10, groups = ?11 WHERE id = ?12");

    bind_config(st, &node->config);
    db_bind_int(st, 12, node->id);
    return db_run(st);
}

int pubsub_node_delete(struct db *db, const struct pubsub_node *node)
{
    struct db_stmt *st = db_sql(db, "DELETE FROM pubsub_node WHERE id = ?1");

    db_bind_int(st, 1, node->id);
    return db_run(st);
}
