/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * offline_store - the table of stored messages. All of it runs on the storage thread; offline.c's
 * jobs call it.
 */
#include "c2s/sm/sm_private.h"

static bool has_room(struct db *db, int64_t account, size_t n,
                     const struct sm_offline_limits *limits)
{
    struct db_stmt *st =
        db_sql(db, "SELECT count(*), coalesce(sum(bytes), 0) FROM offline WHERE account = ?1");
    bool has_room = false;

    db_bind_int(st, 1, account);
    if (db_step(st) > 0)
        has_room = (size_t)db_int(st, 0) < limits->messages &&
                   (size_t)db_int(st, 1) + n <= limits->bytes;
    db_reset(st);
    return has_room;
}

int sm_offline_insert(struct db *db, struct span name, int64_t stamp, struct span stanza,
                      const struct sm_offline_limits *limits)
{
    int64_t account = sm_account_id(db, name);

    if (!account)
        return SM_OFFLINE_NO_ACCOUNT;
    if (!has_room(db, account, stanza.n, limits))
        return SM_OFFLINE_LIMIT;
    struct db_stmt *st = db_sql(
        db, "INSERT INTO offline (account, stamp, bytes, stanza) VALUES (?1, ?2, ?3, ?4)");
    db_bind_int(st, 1, account);
    db_bind_int(st, 2, stamp);
    db_bind_int(st, 3, (int64_t)stanza.n);
    db_bind_text(st, 4, stanza);
    return db_run(st);
}

int sm_offline_set_archived(struct db *db, int64_t archive_id)
{
    struct db_stmt *st =
        db_sql(db, "UPDATE offline SET archive_id = ?1 WHERE id = last_insert_rowid()");

    db_bind_int(st, 1, archive_id);
    return db_run(st);
}

int sm_offline_load(struct db *db, struct span name, struct sm_offline_batch *batch)
{
    struct db_stmt *st = db_sql(db, "SELECT id, stamp, stanza, archive_id FROM offline"
                                    " WHERE account = ?1 ORDER BY id LIMIT 65");
    int got;

    _Static_assert(SM_OFFLINE_BATCH == 64, "the limit is one more, to see whether there is more");
    db_bind_int(st, 1, sm_account_id(db, name));
    while ((got = db_step(st)) > 0) {
        struct span stanza = db_text(st, 2);
        if (batch->count == SM_OFFLINE_BATCH || buf_len(&batch->text) >= SM_OFFLINE_BATCH_BYTES) {
            batch->has_more = true;
            break;
        }
        batch->rows[batch->count++] = (struct sm_offline_row){
            .id = db_int(st, 0), .stamp = db_int(st, 1), .archive_id = db_int(st, 3),
            .offset = buf_len(&batch->text), .n = stanza.n};
        buf_append(&batch->text, stanza);
    }
    db_reset(st);
    return got < 0 ? got : STORE_OK;
}

int sm_offline_delete(struct db *db, struct span name, int64_t last_id)
{
    struct db_stmt *st = db_sql(db, "DELETE FROM offline WHERE account = ?1 AND id <= ?2");

    db_bind_int(st, 1, sm_account_id(db, name));
    db_bind_int(st, 2, last_id);
    return db_run(st);
}

/* Numbers follow the times of storing, so the oldest are the first; what has been imported, or
 * given back by a client, may say that it is older, and waits until it is among them. */
int64_t sm_offline_remove_old(struct db *db, int64_t before)
{
    struct db_stmt *st = db_sql(db, "DELETE FROM offline WHERE stamp < ?1 AND id IN"
                                    " (SELECT id FROM offline ORDER BY id LIMIT 200)");
    int result;

    db_bind_int(st, 1, before);
    result = db_run(st);
    return result < 0 ? result : db_changes(db);
}
