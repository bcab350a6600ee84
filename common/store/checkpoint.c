/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * checkpoint - when the WAL goes back into the database. Called by group.c after commits and by the
 * storage thread when it has nothing to do.
 *
 * A passive checkpoint costs milliseconds of a busy disk: it is done at 1,000 pages if nobody
 * waits, and at 4,000 whoever waits. What other processes have written counts, too.
 */
#include "store/db_private.h"

#include "base/log.h"

#define PAGES_DUE 1000
#define PAGES_OVERDUE 3000 /* beyond what is due */

static int on_commit(void *ctx, sqlite3 *sql, const char *name, int pages)
{
    struct db *db = ctx;
    (void)sql;
    (void)name;
    db->wal_pages = pages;
    return SQLITE_OK;
}

void checkpoint_watch(struct db *db)
{
    db->wal_due = PAGES_DUE;
    sqlite3_wal_hook(db->sql, on_commit, db);
}

static void checkpoint(struct db *db, unsigned wait_ms)
{
    int in_wal = 0, copied = 0;
    /* A locked-out or unfinished one (readers hold old pages) is tried again when the WAL has
     * grown by as much once more. */
    db->wal_due = db->wal_pages + PAGES_DUE;
    if (!store_lock_checkpoint(&db->lock, wait_ms))
        return;
    int code =
        sqlite3_wal_checkpoint_v2(db->sql, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_wal, &copied);
    store_unlock(&db->lock);
    if (code != SQLITE_OK && code != SQLITE_BUSY)
        db_result(db, code, "checkpoint");
    LOG(LOG_DEBUG, "store.checkpoint", F_INT("pages", in_wal), F_INT("copied", copied));
    if (code == SQLITE_OK && in_wal == copied) {
        db->wal_pages = 0;
        db->wal_due = PAGES_DUE;
    }
}

void checkpoint_busy(struct db *db)
{
    if (db->wal_pages >= db->wal_due + PAGES_OVERDUE)
        checkpoint(db, STORE_LOCK_WAIT_MS);
}

void checkpoint_idle(struct db *db)
{
    if (db->wal_pages >= db->wal_due)
        checkpoint(db, 0);
}
