/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * roster_store - the tables of rosters. All of it runs on the storage thread; the jobs of
 * roster.c and subscribe.c call it.
 *
 * The version of a roster is "account-number": the number grows with each change, and a name that
 * is registered again has another account, so no old version of a client fits by chance.
 */
#include "c2s/sm/contacts/contacts.h"

#include <inttypes.h>
#include <stdio.h>

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

static unsigned state_of(int64_t subscription, int64_t ask)
{
    return ((unsigned)subscription & 3) | ((unsigned)ask & 3) << 2;
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
    const unsigned state = state_of(db_int(st, 2), db_int(st, 3));
    struct span name = db_text(st, 1);

    xml_raw(out, SPAN("<item"));
    xml_attr(out, "jid", db_text(st, 0));
    if (name.n > 0)
        xml_attr(out, "name", name);
    xml_attr(out, "subscription",
             span_of(words[state & (SM_STATE_TO | SM_STATE_FROM)]));
    if (state & SM_STATE_ASKED)
        xml_raw(out, SPAN(" ask='subscribe'"));
    if (state & SM_STATE_APPROVED)
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

int sm_roster_read(struct db *db, const struct sm_roster_key *key, struct sm_roster_row *row)
{
    struct db_stmt *st = db_sql(db, "SELECT jid, subscription, ask FROM roster"
                                    " WHERE account = ?1 AND jid IN (?2, ?3, ?4) LIMIT 1");
    int got;

    db_bind_int(st, 1, key->account);
    db_bind_text(st, 2, key->names.jid);
    db_bind_text(st, 3, key->names.other);
    db_bind_text(st, 4, key->names.given);
    got = db_step(st);
    row->is_there = got > 0;
    row->state = got > 0 ? state_of(db_int(st, 1), db_int(st, 2)) : 0;
    buf_clear(&row->jid);
    if (got > 0)
        buf_append(&row->jid, db_text(st, 0));
    db_reset(st);
    return got < 0 ? got : STORE_OK;
}

static bool is_full(struct db *db, int64_t account, size_t max_items)
{
    struct db_stmt *st = db_sql(db, "SELECT count(*) FROM roster WHERE account = ?1");

    db_bind_int(st, 1, account);
    bool is_full = db_step(st) <= 0 || (size_t)db_int(st, 0) >= max_items;
    db_reset(st);
    return is_full;
}

static void write_removed(struct buf *items, struct span jid)
{
    xml_raw(items, SPAN("<item"));
    xml_attr(items, "jid", jid);
    xml_raw(items, SPAN(" subscription='remove'/>"));
}

static int remove_item(struct db *db, int64_t account, struct span jid, struct buf *items)
{
    struct db_stmt *st = db_sql(db, "DELETE FROM roster WHERE account = ?1 AND jid = ?2");

    db_bind_int(st, 1, account);
    db_bind_text(st, 2, jid);
    int result = db_run(st);
    if (result >= 0)
        write_removed(items, jid);
    return result;
}

static int show_item(struct db *db, int64_t account, struct span jid, struct buf *items)
{
    struct db_stmt *st = db_sql(db, "SELECT jid, name, subscription, ask, groups FROM roster"
                                    " WHERE account = ?1 AND jid = ?2");

    db_bind_int(st, 1, account);
    db_bind_text(st, 2, jid);
    return write_rows(items, st);
}

/* Name and groups are the client's; subscription and ask stay as they are. */
static int put_item(struct db *db, int64_t account, struct span jid,
                    const struct sm_roster_item *item, struct buf *items)
{
    struct db_stmt *st = db_sql(db, "INSERT INTO roster (account, jid, name, groups)"
                                    " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (account, jid)"
                                    " DO UPDATE SET name = ?3, groups = ?4");

    db_bind_int(st, 1, account);
    db_bind_text(st, 2, jid);
    db_bind_text(st, 3, item->name);
    db_bind_text(st, 4, item->groups);
    int result = db_run(st);
    return result < 0 ? result : show_item(db, account, jid, items);
}

int sm_roster_write_state(struct db *db, const struct sm_roster_key *key,
                          const struct sm_roster_row *row, unsigned state, size_t max_items,
                          struct buf *items)
{
    if (!row->is_there && is_full(db, key->account, max_items))
        return SM_ROSTER_FULL;
    struct db_stmt *st = db_sql(db, "INSERT INTO roster (account, jid, subscription, ask)"
                                    " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (account, jid)"
                                    " DO UPDATE SET subscription = ?3, ask = ?4");
    db_bind_int(st, 1, key->account);
    db_bind_text(st, 2, buf_span(&row->jid));
    db_bind_int(st, 3, state & 3);
    db_bind_int(st, 4, state >> 2 & 3);
    int result = db_run(st);
    return result < 0 ? result : show_item(db, key->account, buf_span(&row->jid), items);
}

int sm_roster_show(struct db *db, const struct sm_roster_key *key, struct sm_roster_row *row,
                   struct buf *items, char ver_r[44])
{
    int result = sm_roster_read(db, key, row);

    if (result < 0)
        return result;
    write_version(db, key->account, ver_r);
    if (row->is_there)
        return show_item(db, key->account, buf_span(&row->jid), items);
    write_removed(items, key->names.jid);
    return STORE_OK;
}

int sm_roster_new_version(struct db *db, int64_t account, char ver_r[44])
{
    int result = raise_version(db, account);

    write_version(db, account, ver_r);
    return result;
}

/* The contact may be there under its other name. What waits for an answer goes with the item. */
static int change(struct db *db, const struct sm_roster_key *key, struct sm_roster_item *item,
                  struct sm_roster_row *row, size_t max_items, struct buf *items)
{
    int result = sm_roster_read(db, key, row);

    if (result < 0)
        return result;
    if (!row->is_there && item->is_removed)
        return SM_ROSTER_NO_ITEM;
    if (!row->is_there && is_full(db, key->account, max_items))
        return SM_ROSTER_FULL;
    if (!row->is_there)
        buf_append(&row->jid, item->names.stored);
    if (!item->is_removed)
        return put_item(db, key->account, buf_span(&row->jid), item, items);
    item->state = row->state;
    if (sm_request_exists(db, key)) {
        item->state |= SM_STATE_REQUESTED;
        if ((result = sm_request_remove(db, key)) < 0)
            return result;
    }
    return remove_item(db, key->account, buf_span(&row->jid), items);
}

int sm_roster_change(struct db *db, struct span user, struct sm_roster_item *item,
                     size_t max_items, struct buf *items, char ver_r[44])
{
    struct sm_roster_row row = {0};
    const struct sm_roster_key key = {sm_account_id(db, user), item->names};
    int result = SM_ROSTER_NO_ACCOUNT;

    if (key.account)
        result = change(db, &key, item, &row, max_items, items);
    buf_free(&row.jid);
    return result == STORE_OK ? sm_roster_new_version(db, key.account, ver_r) : result;
}
