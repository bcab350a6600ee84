/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * roster_store - the tables of rosters. All of it runs on the storage thread; roster.c's jobs call
 * it. The version of a roster is "account-number": the number grows with each change, and a name
 * that is registered again has another account, so no old version of a client fits by chance.
 */
#include "c2s/sm/sm_private.h"

#include <inttypes.h>
#include <stdio.h>

enum { SUBSCRIPTION_TO = 1, SUBSCRIPTION_FROM = 2, ASK_SUBSCRIBE = 1, ASK_APPROVED = 2 };

static int64_t version_of(struct db *db, int64_t account)
{
    struct db_stmt *st = db_sql(db, "SELECT version FROM roster_version WHERE account = ?1");
    int64_t version = 0;

    db_bind_int(st, 1, account);
    if (db_step(st) > 0)
        version = db_int(st, 0);
    db_reset(st);
    return version;
}

static void write_version(struct db *db, int64_t account, char ver_r[44])
{
    snprintf(ver_r, 44, "%" PRId64 "-%" PRId64, account, version_of(db, account));
}

static int raise_version(struct db *db, int64_t account)
{
    struct db_stmt *st =
        db_sql(db, "INSERT INTO roster_version (account, version) VALUES (?1, 1)"
                   " ON CONFLICT (account) DO UPDATE SET version = version + 1");

    db_bind_int(st, 1, account);
    return db_run(st);
}

static void write_groups(struct buf *out, struct span groups)
{
    while (groups.n > 0) {
        size_t n = span_index(groups, '\n');
        xml_raw(out, SPAN("<group>"));
        xml_text(out, span_make(groups.p, n));
        xml_raw(out, SPAN("</group>"));
        groups = span_from(groups, n < groups.n ? n + 1 : n);
    }
}

/* A row of: jid, name, subscription, ask, groups */
static void write_item(struct buf *out, struct db_stmt *st)
{
    static const char *const words[] = {"none", "to", "from", "both"};
    int64_t ask = db_int(st, 3);
    struct span name = db_text(st, 1);

    xml_raw(out, SPAN("<item"));
    xml_attr(out, "jid", db_text(st, 0));
    if (name.n > 0)
        xml_attr(out, "name", name);
    xml_attr(out, "subscription",
             span_of(words[db_int(st, 2) & (SUBSCRIPTION_TO | SUBSCRIPTION_FROM)]));
    if (ask & ASK_SUBSCRIBE)
        xml_raw(out, SPAN(" ask='subscribe'"));
    if (ask & ASK_APPROVED)
        xml_raw(out, SPAN(" approved='true'"));
    xml_raw(out, SPAN(">"));
    write_groups(out, db_text(st, 4));
    xml_raw(out, SPAN("</item>"));
}

static int write_rows(struct buf *out, struct db_stmt *st)
{
    int got;

    while ((got = db_step(st)) > 0)
        write_item(out, st);
    db_reset(st);
    return got;
}

int sm_roster_load(struct db *db, struct span user, struct span ver, struct buf *items,
                   char ver_r[44])
{
    int64_t account = sm_account_id(db, user);

    if (!account)
        return SM_ROSTER_NO_ACCOUNT;
    write_version(db, account, ver_r);
    if (span_eq(ver, span_of(ver_r)))
        return SM_ROSTER_SAME;
    struct db_stmt *st = db_sql(db, "SELECT jid, name, subscription, ask, groups FROM roster"
                                    " WHERE account = ?1 ORDER BY jid");
    db_bind_int(st, 1, account);
    return write_rows(items, st);
}

static bool has_item(struct db *db, int64_t account, struct span jid)
{
    struct db_stmt *st = db_sql(db, "SELECT 1 FROM roster WHERE account = ?1 AND jid = ?2");

    db_bind_int(st, 1, account);
    db_bind_text(st, 2, jid);
    bool has_item = db_step(st) > 0;
    db_reset(st);
    return has_item;
}

static bool is_full(struct db *db, int64_t account, size_t max_items)
{
    struct db_stmt *st = db_sql(db, "SELECT count(*) FROM roster WHERE account = ?1");

    db_bind_int(st, 1, account);
    bool is_full = db_step(st) <= 0 || (size_t)db_int(st, 0) >= max_items;
    db_reset(st);
    return is_full;
}

static int remove_item(struct db *db, int64_t account, struct span jid, struct buf *items)
{
    struct db_stmt *st = db_sql(db, "DELETE FROM roster WHERE account = ?1 AND jid = ?2");

    db_bind_int(st, 1, account);
    db_bind_text(st, 2, jid);
    int result = db_run(st);
    if (result < 0)
        return result;
    if (db_changes(db) == 0)
        return SM_ROSTER_NO_ITEM;
    xml_raw(items, SPAN("<item"));
    xml_attr(items, "jid", jid);
    xml_raw(items, SPAN(" subscription='remove'/>"));
    return STORE_OK;
}

/* Name and groups are the client's; subscription and ask stay as they are. */
static int put_item(struct db *db, int64_t account, const struct sm_roster_item *item,
                    struct buf *items)
{
    struct db_stmt *st = db_sql(db, "INSERT INTO roster (account, jid, name, groups)"
                                    " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (account, jid)"
                                    " DO UPDATE SET name = ?3, groups = ?4");

    db_bind_int(st, 1, account);
    db_bind_text(st, 2, item->jid);
    db_bind_text(st, 3, item->name);
    db_bind_text(st, 4, item->groups);
    int result = db_run(st);
    if (result < 0)
        return result;
    st = db_sql(db, "SELECT jid, name, subscription, ask, groups FROM roster"
                    " WHERE account = ?1 AND jid = ?2");
    db_bind_int(st, 1, account);
    db_bind_text(st, 2, item->jid);
    return write_rows(items, st);
}

int sm_roster_change(struct db *db, struct span user, const struct sm_roster_item *item,
                     size_t max_items, struct buf *items, char ver_r[44])
{
    int64_t account = sm_account_id(db, user);
    int result;

    if (!account)
        return SM_ROSTER_NO_ACCOUNT;
    if (item->is_removed)
        result = remove_item(db, account, item->jid, items);
    else if (!has_item(db, account, item->jid) && is_full(db, account, max_items))
        result = SM_ROSTER_FULL;
    else
        result = put_item(db, account, item, items);
    if (result != STORE_OK)
        return result;
    result = raise_version(db, account);
    write_version(db, account, ver_r);
    return result;
}
