/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * db - SQLite behind one asynchronous door: jobs run on one storage thread, writes are committed
 * in groups, answers come back on the loop.
 *
 * A job's run() gets the database and executes prepared statements; its done() comes on the loop:
 * for reads when run() has returned, for writes when the group that holds them is durable. Jobs
 * run in the order of submission, so a read sees every write submitted before it. If run() of a
 * write returns < 0 its own changes are undone (savepoint) and the others of the group stay.
 * A group is committed at 64 writes, or 5 ms after its first, or when nothing more is queued.
 *
 * WAL, synchronous=FULL, auto-checkpoint off. Several processes may share a file: commits hold a
 * shared flock on FILE-lock, checkpoints an exclusive one (SQLite before 3.51.3 can corrupt a WAL
 * when they overlap). An fsync error ends the process: what is not known to be durable is never
 * acknowledged.
 *
 * Simulated twin: a store on a simulated loop runs its jobs at the end of the tick, on the loop's
 * thread, in a database in memory.
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "base/span.h"

struct loop;
struct store;
struct db;      /* the database, on the storage thread */
struct db_stmt; /* a prepared statement */

struct store_migration {
    int number; /* 1, 2, 3, … in order; the file's user_version is the last one applied */
    const char *sql;
};

struct store_opts {
    const char *path;                         /* ignored on a simulated loop */
    const struct store_migration *migrations; /* ends with sql == NULL */
    bool exclusive;                           /* only this process opens it (s2s, net) */
};

#define STORE_ERROR_MAX 256

/*
 * store_open - opens (mode 0600) and migrates, blocking: before the process serves. All due
 * migrations run in one transaction, after a copy of the file to PATH.before-N. A file of a newer
 * version is refused. NULL with a line in error_r.
 */
struct store *store_open(struct loop *loop, const struct store_opts *opts,
                         char error_r[STORE_ERROR_MAX]);
/* Commits what is queued, blocking, then closes. done() of every job still comes, before return.
 * Not from inside a done(). */
void store_close(struct store **s);

enum store_kind { STORE_READ, STORE_WRITE };

enum store_result {
    STORE_OK = 0,
    STORE_FAILED = -1, /* the database refused (logged); nothing of the job is stored */
    STORE_FULL = -2,   /* disk full */
    /* run() may return its own values > 0 (OK) or < -100 (undo), given to done as they are */
};

/* Embedded in the caller's own struct, which lives until done(). */
struct store_job {
    int (*run)(struct db *db, struct store_job *job);              /* storage thread */
    void (*done)(struct store_job *job, int result);               /* loop */
    struct store_job *next;                                        /* private */
    int result;                                                    /* private */
    enum store_kind kind;                                          /* private */
};

void store_submit(struct store *s, enum store_kind kind, struct store_job *job);
/* Jobs submitted and not yet done: for bounding. */
size_t store_pending(const struct store *s);
/* Groups committed so far: for figures. */
uint64_t store_commits(const struct store *s);

/*
 * store_backup - copies the database, as it is at some moment after the call, to a file of mode
 * 0600 while it is read and written. path is absolute; what is there already stays, and the file is
 * there when it is whole, or never. done comes once, later: error is NULL, or a line that says why
 * there is none. store_close ends one that is under way. False: one is under way already. Not of a
 * database that is opened exclusively.
 */
bool store_backup(struct store *s, const char *path,
                  void (*done)(void *ctx, const char *error, uint64_t bytes), void *ctx);
/* How far the one under way is, in percent. */
int store_backup_percent(const struct store *s);

/* --- in run(), on the storage thread --- */

/* The statement for sql, a literal: prepared once per literal (by its address) and cached. It
 * comes reset and without bindings. Wrong SQL aborts: it is a bug. */
struct db_stmt *db_sql(struct db *db, const char *sql);
void db_bind_int(struct db_stmt *st, int index, int64_t value); /* index from 1 */
void db_bind_text(struct db_stmt *st, int index, struct span text); /* none: NULL; must live until
                                                                       the statement is reset */
void db_bind_blob(struct db_stmt *st, int index, struct span bytes);
/* 1: a row; 0: done; < 0: STORE_FAILED, STORE_FULL, or DB_CONSTRAINT. */
#define DB_CONSTRAINT (-101)
int db_step(struct db_stmt *st);
int64_t db_int(struct db_stmt *st, int column);    /* column from 0 */
struct span db_text(struct db_stmt *st, int column); /* valid until the next step; NULL: none */
struct span db_blob(struct db_stmt *st, int column);
void db_reset(struct db_stmt *st); /* done early with a statement that has rows left */
int64_t db_changes(struct db *db);
/* db_sql + step to the end; the common case of a write without rows. 0 or < 0 as db_step. */
int db_run(struct db_stmt *st);

#endif
