/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * db_private - what the files of this room share. Everything here is used by one thread at a time:
 * the storage thread, or, before it runs, after it has ended and on a simulated loop, the loop's.
 */
#ifndef STORE_DB_PRIVATE_H
#define STORE_DB_PRIVATE_H

#include "store/db.h"

#include <sqlite3.h>

/* --- lock.c: who may commit, who may checkpoint, between processes --- */

struct store_lock {
    int fd; /* of PATH-lock; -1: the file is opened by this process only, nothing is locked */
};

#define STORE_LOCK_WAIT_MS 10000 /* for a commit: then the job fails, as with a locked database */

/* Opens, or makes, PATH-lock; 0 or a negative errno. */
int store_lock_open(struct store_lock *l, const char *path);
void store_lock_close(struct store_lock *l);
/* Before BEGIN: no checkpoint runs from here to store_unlock; waits for its turn. */
bool store_lock_commit(struct store_lock *l);
/* BEGIN has succeeded (or failed): the next process may queue. */
void store_lock_begun(struct store_lock *l);
/* No commit and no other checkpoint runs from here to store_unlock. wait_ms 0: only if free. */
bool store_lock_checkpoint(struct store_lock *l, unsigned wait_ms);
void store_unlock(struct store_lock *l);
/* The nth step (from 0) of waiting for about wait_ms; false: long enough. */
bool store_lock_pause(unsigned nth, unsigned wait_ms);

/* --- the database --- */

struct db_stmt {
    struct db *db;
    const char *sql;
    sqlite3_stmt *stmt;   /* NULL: it could not be prepared, for a reason that is no bug */
    bool in_use;          /* by the job that runs */
    struct db_stmt *next; /* of those in use */
};

/* Jobs in order, linked by their next. */
struct job_list {
    struct store_job *first, *last;
};

struct db {
    sqlite3 *sql;
    const struct loop *loop; /* its clock */
    struct store_lock lock;

    /* db.c: statements, keyed by the address of their text */
    struct db_stmt **slots;
    size_t slot_count, stmt_count;
    struct db_stmt *in_use;
    enum store_kind kind; /* of the job that runs */
    int error;            /* what the database refused to it first: STORE_FAILED, STORE_FULL */

    /* group.c: the transaction that collects writes */
    bool group_open;
    size_t group_writes;
    uint64_t group_since; /* loop_now_us */
    struct job_list group_jobs;
    uint64_t commits; /* atomic: read by the loop's thread */
    void (*finish)(void *ctx, struct job_list jobs); /* their results are final */
    void *finish_ctx;

    /* checkpoint.c: pages in the WAL by the last commit, and how many call for a checkpoint */
    int wal_pages, wal_due;
};

/* backup.c: *slot is the backup under way, NULL when there is none */
struct store_backup;
struct store_backup_opts {
    const char *path;
    const char *refusal; /* it cannot be: done() says this; NULL: it can */
    void (*done)(void *ctx, const char *error, uint64_t bytes);
    void *ctx;
};
/* from: the database's path; NULL: own is copied, at once. */
void store_backup_start(struct store_backup **slot, struct loop *loop, const char *from,
                        sqlite3 *own, const struct store_backup_opts *opts);
int store_backup_done_percent(const struct store_backup *b);
void store_backup_cancel(struct store_backup **slot); /* blocks for one step; calls done() */

/* db_open.c. NULL with a line in error_r. memory: a database in memory. */
struct db *db_open(const struct loop *loop, const struct store_opts *opts, bool memory,
                   char error_r[STORE_ERROR_MAX]);
void db_close(struct db **db);

/* migrate.c: 0, or -1 with a line in error_r. path NULL: in memory. */
int db_migrate(sqlite3 *sql, const char *path, const struct store_migration *migrations,
               char error_r[STORE_ERROR_MAX]);
int store_sync_folder_of(const char *path); /* 0 or a negative errno */

/* db.c */
int db_exec(struct db *db, const char *sql); /* a literal without rows; 0 or < 0 as db_step */
void db_job_begin(struct db *db, enum store_kind kind);
void db_job_end(struct db *db); /* resets what the job used */
void db_statements_free(struct db *db);
/* The result for an SQLite code, logged; a failed fsync ends the process. */
int db_result(struct db *db, int code, const char *doing);

/* group.c */
void group_run(struct db *db, struct store_job *job);
void group_flush(struct db *db); /* nothing more is queued: commits */

/* checkpoint.c */
void checkpoint_watch(struct db *db);
void checkpoint_busy(struct db *db); /* after a commit: only when the WAL has grown too long */
void checkpoint_idle(struct db *db);

static inline void job_list_append(struct job_list *l, struct store_job *job)
{
    job->next = NULL;
    if (l->last)
        l->last->next = job;
    else
        l->first = job;
    l->last = job;
}

static inline void job_list_join(struct job_list *l, struct job_list more)
{
    if (!more.first)
        return;
    if (l->last)
        l->last->next = more.first;
    else
        l->first = more.first;
    l->last = more.last;
}

#endif
