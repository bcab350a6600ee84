/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * db - prepared statements, as the run() of jobs uses them, and what SQLite's codes mean to us.
 *
 * Statements are prepared once and kept; their cache is keyed by the address of the literal. What a
 * job has used is reset when it returns: no statement of it stays open over a commit.
 */
#include "store/db_private.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <unistd.h>

static _Noreturn void bug(const struct db *db, const char *what, const char *sql)
{
    LOG(LOG_ERROR, "store.bug", F_STR("what", what), F_STR("sql", sql),
        F_STR("err", sqlite3_errmsg(db->sql)));
    abort();
}

int db_result(struct db *db, int code, const char *doing)
{
    int primary = code & 0xFF;
    if (primary == SQLITE_OK || primary == SQLITE_DONE)
        return 0;
    if (primary == SQLITE_CONSTRAINT)
        return DB_CONSTRAINT;
    LOG(LOG_ERROR, "store.failed", F_STR("doing", doing), F_INT("code", code),
        F_STR("err", sqlite3_errstr(code)));
    /* What a failed fsync leaves on the disk nobody knows, and a second one would lie: start
     * again with what is really there. */
    if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC) {
        LOG(LOG_ERROR, "store.fsync", F_STR("err", "the disk did not take what was written"));
        _exit(EXIT_FAILURE);
    }
    if (primary == SQLITE_NOMEM)
        abort();
    if (primary == SQLITE_MISUSE)
        bug(db, "misuse", doing);
    int result = primary == SQLITE_FULL ? STORE_FULL : STORE_FAILED;
    if (!db->error)
        db->error = result;
    return result;
}

/* --- the cache --- */

static size_t slot_of(const struct db *db, const char *sql)
{
    size_t i = (size_t)(((uintptr_t)sql * 0x9E3779B97F4A7C15u) >> 32);
    for (i &= db->slot_count - 1; db->slots[i] && db->slots[i]->sql != sql;)
        i = (i + 1) & (db->slot_count - 1);
    return i;
}

static void cache_grow(struct db *db)
{
    struct db_stmt **old = db->slots;
    size_t old_count = db->slot_count;
    db->slot_count = old_count ? old_count * 2 : 64;
    db->slots = mem_zalloc(db->slot_count * sizeof(*db->slots));
    for (size_t i = 0; i < old_count; i++)
        if (old[i])
            db->slots[slot_of(db, old[i]->sql)] = old[i];
    free(old);
}

static struct db_stmt *cache_get(struct db *db, const char *sql)
{
    if (db->stmt_count * 2 >= db->slot_count)
        cache_grow(db);
    size_t slot = slot_of(db, sql);
    if (!db->slots[slot]) {
        db->slots[slot] = mem_zalloc(sizeof(struct db_stmt));
        *db->slots[slot] = (struct db_stmt){.db = db, .sql = sql};
        db->stmt_count++;
    }
    struct db_stmt *st = db->slots[slot];
    if (!st->stmt) {
        int code = sqlite3_prepare_v3(db->sql, sql, -1, SQLITE_PREPARE_PERSISTENT, &st->stmt, NULL);
        if (code == SQLITE_ERROR)
            bug(db, "wrong sql", sql);
        if (code != SQLITE_OK)
            db_result(db, code, sql);
    }
    return st;
}

void db_statements_free(struct db *db)
{
    for (size_t i = 0; i < db->slot_count; i++) {
        if (!db->slots[i])
            continue;
        sqlite3_finalize(db->slots[i]->stmt);
        free(db->slots[i]);
    }
    free(db->slots);
    db->slots = NULL;
    db->slot_count = db->stmt_count = 0;
}

/* --- around a job --- */

void db_job_begin(struct db *db, enum store_kind kind)
{
    db->kind = kind;
    db->error = 0;
}

void db_job_end(struct db *db)
{
    while (db->in_use) {
        struct db_stmt *st = db->in_use;
        db->in_use = st->next;
        st->in_use = false;
        sqlite3_reset(st->stmt);
        sqlite3_clear_bindings(st->stmt); /* they borrow from the job */
    }
}

int db_exec(struct db *db, const char *sql)
{
    struct db_stmt *st = cache_get(db, sql);
    int code = st->stmt ? sqlite3_step(st->stmt) : SQLITE_ERROR;
    sqlite3_reset(st->stmt);
    return db_result(db, code, sql);
}

/* --- for run() --- */

struct db_stmt *db_sql(struct db *db, const char *sql)
{
    struct db_stmt *st = cache_get(db, sql);
    if (!st->in_use) {
        st->in_use = true;
        st->next = db->in_use;
        db->in_use = st;
    } else {
        sqlite3_reset(st->stmt);
        sqlite3_clear_bindings(st->stmt);
    }
    /* It would be outside every group, and lost on a power cut or a failure of the next one. */
    if (db->kind == STORE_READ && st->stmt && !sqlite3_stmt_readonly(st->stmt))
        bug(db, "a read writes", sql);
    return st;
}

static void check_bind(struct db_stmt *st, int code)
{
    if (code == SQLITE_OK)
        return;
    if (code != SQLITE_TOOBIG && code != SQLITE_NOMEM)
        bug(st->db, "wrong binding", st->sql);
    db_result(st->db, code, st->sql);
}

void db_bind_int(struct db_stmt *st, int index, int64_t value)
{
    if (st->stmt)
        check_bind(st, sqlite3_bind_int64(st->stmt, index, value));
}

void db_bind_text(struct db_stmt *st, int index, struct span text)
{
    if (st->stmt)
        check_bind(
            st, sqlite3_bind_text64(st->stmt, index, text.p, text.n, SQLITE_STATIC, SQLITE_UTF8));
}

void db_bind_blob(struct db_stmt *st, int index, struct span bytes)
{
    if (st->stmt)
        check_bind(st, sqlite3_bind_blob64(st->stmt, index, bytes.p, bytes.n, SQLITE_STATIC));
}

int db_step(struct db_stmt *st)
{
    if (!st->stmt)
        return STORE_FAILED;
    int code = sqlite3_step(st->stmt);
    if (code == SQLITE_ROW)
        return 1;
    sqlite3_reset(st->stmt);
    return db_result(st->db, code, st->sql);
}

int64_t db_int(struct db_stmt *st, int column)
{
    return sqlite3_column_int64(st->stmt, column);
}

struct span db_text(struct db_stmt *st, int column)
{
    const unsigned char *p = sqlite3_column_text(st->stmt, column);
    if (!p)
        return SPAN_NONE;
    return span_make((const char *)p, (size_t)sqlite3_column_bytes(st->stmt, column));
}

struct span db_blob(struct db_stmt *st, int column)
{
    if (sqlite3_column_type(st->stmt, column) == SQLITE_NULL)
        return SPAN_NONE;
    const void *p = sqlite3_column_blob(st->stmt, column);
    /* SQLite has no address for an empty one. */
    return span_make(p ? p : "", (size_t)sqlite3_column_bytes(st->stmt, column));
}

void db_reset(struct db_stmt *st)
{
    sqlite3_reset(st->stmt);
}

int64_t db_changes(struct db *db)
{
    return sqlite3_changes64(db->sql);
}

int db_run(struct db_stmt *st)
{
    int result;
    while ((result = db_step(st)) == 1)
        ;
    return result;
}
