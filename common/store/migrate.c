/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * migrate - brings a file's tables to the version that this program knows. Called by db_open.c,
 * which keeps other processes out meanwhile.
 */
#include "store/db_private.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int refuse(char error_r[STORE_ERROR_MAX], const char *doing, const char *why)
{
    snprintf(error_r, STORE_ERROR_MAX, "%s: %s", doing, why);
    return -1;
}

/* The first number that a query yields; -1 when it cannot be asked. */
static int64_t ask(sqlite3 *sql, const char *query)
{
    sqlite3_stmt *st = NULL;
    int64_t value = -1;
    if (sqlite3_prepare_v2(sql, query, -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        value = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return value;
}

int store_sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? mem_strndup(path, (size_t)(slash - path) + 1) : mem_strndup(".", 1);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd < 0 || fsync(fd) < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    free(folder);
    return error;
}

static int copy_pages(sqlite3 *sql, const char *path)
{
    sqlite3 *to = NULL;
    int code = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE, NULL);
    if (code == SQLITE_OK) {
        sqlite3_backup *backup = sqlite3_backup_init(to, "main", sql, "main");
        if (backup)
            sqlite3_backup_step(backup, -1);
        code = backup ? sqlite3_backup_finish(backup) : sqlite3_errcode(to);
    }
    sqlite3_close(to);
    return code;
}

/* A copy as PATH.before-NUMBER, whole and on the disk, or not there at all. */
static int keep_copy(sqlite3 *sql, const char *path, int number, char error_r[STORE_ERROR_MAX])
{
    size_t n = strlen(path) + 32;
    char *name = mem_alloc(n), *unfinished = mem_alloc(n);
    int result = -1;
    snprintf(name, n, "%s.before-%d", path, number);
    snprintf(unfinished, n, "%s.before-%d.new", path, number);
    unlink(unfinished); /* of an attempt that was cut short */
    int fd = open(unfinished, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        refuse(error_r, unfinished, strerror(errno));
        goto out;
    }
    close(fd);
    int code = copy_pages(sql, unfinished);
    if (code != SQLITE_OK) {
        refuse(error_r, unfinished, sqlite3_errstr(code));
        unlink(unfinished);
        goto out;
    }
    if (rename(unfinished, name) < 0 || store_sync_folder_of(path) < 0) {
        refuse(error_r, name, strerror(errno));
        goto out;
    }
    result = 0;
out:
    free(name);
    free(unfinished);
    return result;
}

static int apply(sqlite3 *sql, const struct store_migration *m, char error_r[STORE_ERROR_MAX])
{
    char doing[32], version[48];
    snprintf(doing, sizeof(doing), "migration %d", m->number);
    snprintf(version, sizeof(version), "PRAGMA user_version=%d", m->number);
    if (sqlite3_exec(sql, m->sql, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(sql, version, NULL, NULL, NULL) != SQLITE_OK)
        return refuse(error_r, doing, sqlite3_errmsg(sql));
    return 0;
}

/* All that is due, or nothing. Foreign keys are off here (a table may be built anew, and dropping
 * the old one must not delete what refers to it) and checked at the end. */
static int apply_all(sqlite3 *sql, const struct store_migration *due, char error_r[STORE_ERROR_MAX])
{
    if (sqlite3_exec(sql, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return refuse(error_r, "migration", sqlite3_errmsg(sql));
    for (; due->sql; due++)
        if (apply(sql, due, error_r) < 0)
            goto undo;
    if (ask(sql, "SELECT count(*) FROM pragma_foreign_key_check") != 0) {
        refuse(error_r, "migration", "rows without what they refer to");
        goto undo;
    }
    if (sqlite3_exec(sql, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    refuse(error_r, "migration", sqlite3_errmsg(sql));
undo:
    if (!sqlite3_get_autocommit(sql))
        sqlite3_exec(sql, "ROLLBACK", NULL, NULL, NULL);
    return -1;
}

int db_migrate(sqlite3 *sql, const char *path, const struct store_migration *migrations,
               char error_r[STORE_ERROR_MAX])
{
    int64_t version = ask(sql, "PRAGMA user_version");
    int64_t tables = ask(sql, "SELECT count(*) FROM sqlite_schema");
    if (version < 0 || tables < 0)
        return refuse(error_r, "version", sqlite3_errmsg(sql));
    int last = 0;
    const struct store_migration *due = NULL;
    for (const struct store_migration *m = migrations; m->sql; m++) {
        last = m->number;
        if (!due && m->number > version)
            due = m;
    }
    if (version > last)
        return refuse(error_r, "version", "made by a newer program");
    if (!due)
        return 0;
    if (version == 0 && tables > 0)
        return refuse(error_r, "version", "a database of something else");
    if (path && version > 0 && keep_copy(sql, path, last, error_r) < 0)
        return -1;
    return apply_all(sql, due, error_r);
}
