/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * db_open - opening and closing: the settings that what we promise rests on (no row lost that was
 * reported as committed, hostile files not believed). Called by store.c.
 */
#include "store/db_private.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OPEN_WAIT_MS 60000 /* another process may be migrating */
#define CLOSE_WAIT_MS 2000

/* Another connection holds the database. Polled as the other locks are, with the same end. */
static int on_busy(void *ctx, int nth)
{
    (void)ctx;
    return store_lock_pause((unsigned)nth, STORE_LOCK_WAIT_MS);
}

/* The file must be ours alone from its first moment: its WAL inherits the mode. */
static int create_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    /* One that exists must not be opened and closed: that would drop the locks of other
     * connections in this process. */
    return fd >= 0 || errno == EEXIST ? 0 : -errno;
}

static bool set(sqlite3 *sql, const char *pragma)
{
    return sqlite3_exec(sql, pragma, NULL, NULL, NULL) == SQLITE_OK;
}

/* "PRAGMA journal_mode=WAL" answers with the mode that is in force, whatever was asked for. */
static bool set_wal(sqlite3 *sql)
{
    sqlite3_stmt *st = NULL;
    bool wal = sqlite3_prepare_v2(sql, "PRAGMA journal_mode=WAL", -1, &st, NULL) == SQLITE_OK &&
               sqlite3_step(st) == SQLITE_ROW &&
               strcmp((const char *)sqlite3_column_text(st, 0), "wal") == 0;
    sqlite3_finalize(st);
    return wal;
}

static bool configure(sqlite3 *sql, bool memory, bool exclusive)
{
    sqlite3_extended_result_codes(sql, 1);
    sqlite3_busy_handler(sql, on_busy, NULL);
    sqlite3_db_config(sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(sql, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    return set(sql, "PRAGMA trusted_schema=OFF") && set(sql, "PRAGMA cell_size_check=ON") &&
           set(sql, "PRAGMA mmap_size=0") &&
           (!exclusive || memory || set(sql, "PRAGMA locking_mode=EXCLUSIVE")) &&
           set(sql, "PRAGMA auto_vacuum=INCREMENTAL") && (memory || set_wal(sql)) &&
           set(sql, "PRAGMA synchronous=FULL") && set(sql, "PRAGMA wal_autocheckpoint=0") &&
           set(sql, "PRAGMA journal_size_limit=67108864");
}

static int open_locked(struct db *db, const struct store_opts *opts, bool memory,
                       char error_r[STORE_ERROR_MAX])
{
    const char *path = memory ? ":memory:" : opts->path;
    int error = memory ? 0 : create_file(path);
    if (error < 0) {
        snprintf(error_r, STORE_ERROR_MAX, "%s: %s", path, strerror(-error));
        return -1;
    }
    /* One thread at a time uses it: SQLite's own locks between threads are not wanted. */
    int code = sqlite3_open_v2(path, &db->sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK || !configure(db->sql, memory, opts->exclusive)) {
        snprintf(error_r, STORE_ERROR_MAX, "%s: %s", path, sqlite3_errmsg(db->sql));
        return -1;
    }
    char why[STORE_ERROR_MAX];
    if (db_migrate(db->sql, memory ? NULL : path, opts->migrations, why) < 0) {
        snprintf(error_r, STORE_ERROR_MAX, "%s: %.200s", path, why);
        return -1;
    }
    if (!set(db->sql, "PRAGMA foreign_keys=ON")) {
        snprintf(error_r, STORE_ERROR_MAX, "%s: %s", path, sqlite3_errmsg(db->sql));
        return -1;
    }
    return 0;
}

struct db *db_open(const struct loop *loop, const struct store_opts *opts, bool memory,
                   char error_r[STORE_ERROR_MAX])
{
    struct db *db = mem_zalloc(sizeof(*db));
    db->loop = loop;
    db->lock.fd = -1;
    if (!memory && !opts->exclusive) {
        int error = store_lock_open(&db->lock, opts->path);
        if (!error && !store_lock_checkpoint(&db->lock, OPEN_WAIT_MS))
            error = -ETIMEDOUT;
        if (error) {
            snprintf(error_r, STORE_ERROR_MAX, "%s-lock: %s", opts->path, strerror(-error));
            store_lock_close(&db->lock);
            free(db);
            return NULL;
        }
    }
    int failed = open_locked(db, opts, memory, error_r);
    store_unlock(&db->lock);
    if (failed) {
        db_close(&db);
        return NULL;
    }
    checkpoint_watch(db);
    return db;
}

void db_close(struct db **db_p)
{
    struct db *db = *db_p;
    *db_p = NULL;
    db_statements_free(db);
    /* The last connection takes the whole WAL into the database and removes it. Locked out, it
     * stays for the next who opens the file. */
    if (!store_lock_checkpoint(&db->lock, CLOSE_WAIT_MS))
        sqlite3_db_config(db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (sqlite3_close(db->sql) != SQLITE_OK)
        LOG(LOG_ERROR, "store.close", F_STR("err", sqlite3_errmsg(db->sql)));
    store_unlock(&db->lock);
    store_lock_close(&db->lock);
    free(db);
}
