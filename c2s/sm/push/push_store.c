/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * push_store - registrations with push services in the store, and as a list in memory.
 *
 * The storage thread runs what takes a struct db, in the jobs of push*.c and profile.c; a list
 * belongs to who has it read: the profile of a user that is owned here, or a job.
 */
#include "c2s/sm/push/push.h"

#include <stdlib.h>

/* --- lists ------------------------------------------------------------------------------------ */

static char *put(char *p, struct span part)
{
    if (part.n)
        memcpy(p, part.p, part.n);
    return p + part.n;
}

static struct push_reg *reg_new(struct span jid, struct span node, struct span domain,
                                struct span options)
{
    const size_t key_n = jid.n + 1 + node.n;
    struct push_reg *reg = mem_zalloc(sizeof(*reg) + key_n + domain.n + options.n);
    char *text = (char *)(reg + 1), *p = put(text, jid);

    *p++ = '\n';
    p = put(p, node);
    reg->key = span_make(text, key_n);
    reg->jid = span_make(text, jid.n);
    reg->node = span_from(reg->key, jid.n + 1);
    reg->domain = span_make(p, domain.n);
    p = put(p, domain);
    reg->options = span_make(p, options.n);
    put(p, options);
    return reg;
}

struct push_reg *sm_push_copy(const struct push_reg *reg)
{
    struct push_reg *copy = reg_new(reg->jid, reg->node, reg->domain, reg->options);

    copy->id = reg->id;
    copy->failures = reg->failures;
    return copy;
}

void sm_push_list_free(struct push_reg **list)
{
    while (*list) {
        struct push_reg *reg = *list;
        *list = reg->next;
        free(reg);
    }
}

struct push_reg *sm_push_find_id(struct push_reg *list, int64_t id)
{
    while (list && list->id != id)
        list = list->next;
    return list;
}

struct push_reg *sm_push_find_key(struct push_reg *list, struct span key)
{
    while (list && !span_eq(list->key, key))
        list = list->next;
    return list;
}

void sm_push_profile_free(struct sm_profile *profile)
{
    sm_push_list_free(&profile->push);
}

/* --- the table -------------------------------------------------------------------------------- */

int sm_push_read(struct db *db, int64_t account, struct push_reg **list)
{
    struct db_stmt *st = db_sql(db, "SELECT id, jid, node, domain, options, failures FROM push"
                                    " WHERE account = ?1 ORDER BY stamp DESC, id DESC");
    int got;

    while (*list)
        list = &(*list)->next;
    db_bind_int(st, 1, account);
    while ((got = db_step(st)) > 0) {
        *list = reg_new(db_text(st, 1), db_text(st, 2), db_text(st, 3), db_text(st, 4));
        (*list)->id = db_int(st, 0);
        (*list)->failures = db_int(st, 5);
        list = &(*list)->next;
    }
    db_reset(st);
    return got;
}

int sm_push_load(struct db *db, int64_t account, struct sm_profile *profile)
{
    return sm_push_read(db, account, &profile->push);
}

int sm_push_put(struct db *db, int64_t account, const struct push_reg *reg, int64_t now,
                size_t max)
{
    struct db_stmt *st =
        db_sql(db, "INSERT INTO push (account, jid, node, domain, options, stamp)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (account, jid, node) DO UPDATE"
                   " SET domain = ?4, options = ?5, stamp = ?6, failures = 0");
    int result;

    db_bind_int(st, 1, account);
    db_bind_text(st, 2, reg->jid);
    db_bind_text(st, 3, reg->node);
    db_bind_text(st, 4, reg->domain);
    db_bind_text(st, 5, reg->options);
    db_bind_int(st, 6, now);
    result = db_run(st);
    if (result < 0)
        return result;
    st = db_sql(db, "DELETE FROM push WHERE id IN (SELECT id FROM push WHERE account = ?1"
                    " ORDER BY stamp DESC, id DESC LIMIT -1 OFFSET ?2)");
    db_bind_int(st, 1, account);
    db_bind_int(st, 2, (int64_t)max);
    return db_run(st);
}

int sm_push_remove(struct db *db, int64_t account, struct span jid, struct span node)
{
    struct db_stmt *st = db_sql(
        db, "DELETE FROM push WHERE account = ?1 AND jid = ?2 AND (?3 IS NULL OR node = ?3)");

    db_bind_int(st, 1, account);
    db_bind_text(st, 2, jid);
    db_bind_text(st, 3, node);
    return db_run(st);
}

int sm_push_remove_id(struct db *db, int64_t account, int64_t id)
{
    struct db_stmt *st = db_sql(db, "DELETE FROM push WHERE account = ?1 AND id = ?2");

    db_bind_int(st, 1, account);
    db_bind_int(st, 2, id);
    return db_run(st);
}

int sm_push_set_failures(struct db *db, int64_t account, int64_t id, int64_t failures)
{
    struct db_stmt *st =
        db_sql(db, "UPDATE push SET failures = ?3 WHERE account = ?1 AND id = ?2");

    db_bind_int(st, 1, account);
    db_bind_int(st, 2, id);
    db_bind_int(st, 3, failures);
    return db_run(st);
}
