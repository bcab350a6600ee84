/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * group - runs jobs and collects writes into one transaction, so that many share one fsync. Called
 * by store.c; hands jobs back through db->finish when their results are final.
 *
 * Each write runs in a savepoint of its own: its failure undoes its own changes only. A group that
 * cannot be committed fails as a whole.
 */
#include "store/db_private.h"

#include "base/loop.h"

#define GROUP_WRITES_MAX 64
#define GROUP_US_MAX 5000

static void finish_one(struct db *db, struct store_job *job, int result)
{
    struct job_list one = {0};
    job->result = result;
    job_list_append(&one, job);
    db->finish(db->finish_ctx, one);
}

/* The transaction is over: its jobs get their results; those of the good ones become error's. */
static void group_finish(struct db *db, int error)
{
    struct job_list jobs = db->group_jobs;
    db->group_jobs = (struct job_list){0};
    db->group_open = false;
    db->group_writes = 0;
    store_unlock(&db->lock);
    if (error)
        for (struct store_job *job = jobs.first; job; job = job->next)
            if (job->result >= 0)
                job->result = error;
    if (jobs.first)
        db->finish(db->finish_ctx, jobs);
}

static int group_begin(struct db *db)
{
    if (!store_lock_commit(&db->lock))
        return db_result(db, SQLITE_BUSY, "lock");
    int error = db_exec(db, "BEGIN IMMEDIATE");
    store_lock_begun(&db->lock);
    if (error) {
        store_unlock(&db->lock);
        return error;
    }
    db->group_open = true;
    db->group_since = loop_now_us(db->loop);
    return 0;
}

static void group_commit(struct db *db)
{
    int error = db_exec(db, "COMMIT");
    if (error && !sqlite3_get_autocommit(db->sql))
        db_exec(db, "ROLLBACK");
    if (!error)
        __atomic_add_fetch(&db->commits, 1, __ATOMIC_RELAXED);
    group_finish(db, error);
    checkpoint_busy(db);
}

static int call_run(struct db *db, struct store_job *job)
{
    db_job_begin(db, job->kind);
    int result = job->run(db, job);
    db_job_end(db);
    /* A job that overlooked what the database refused has not done what it thinks. */
    return db->error ? db->error : result;
}

/* The job's part of the transaction; its result, < 0 when it is undone. */
static int run_in_savepoint(struct db *db, struct store_job *job)
{
    int error = db_exec(db, "SAVEPOINT job");
    if (error)
        return error;
    int result = call_run(db, job);
    if (sqlite3_get_autocommit(db->sql))
        return result; /* undone with all the others, see run_write */
    error = 0;
    if (result < 0)
        error = db_exec(db, "ROLLBACK TO job");
    if (!error)
        error = db_exec(db, "RELEASE job");
    if (error && result >= 0)
        result = error;
    if (error && !sqlite3_get_autocommit(db->sql))
        db_exec(db, "ROLLBACK"); /* neither in nor out: better none than a half */
    return result;
}

static void run_write(struct db *db, struct store_job *job)
{
    int error = db->group_open ? 0 : group_begin(db);
    if (error) {
        finish_one(db, job, error);
        return;
    }
    job->result = run_in_savepoint(db, job);
    job_list_append(&db->group_jobs, job);
    db->group_writes++;
    /* On some errors (disk full, I/O) SQLite rolls the whole transaction back. */
    if (sqlite3_get_autocommit(db->sql))
        group_finish(db, job->result < 0 && job->result >= STORE_FULL ? job->result : STORE_FAILED);
}

static void run_read(struct db *db, struct store_job *job)
{
    /* Outside a group, in a transaction of its own: all its statements see the same state. */
    bool own = !db->group_open;
    int error = own ? db_exec(db, "BEGIN") : 0;
    int result = error ? error : call_run(db, job);
    if (own && !sqlite3_get_autocommit(db->sql))
        db_exec(db, "COMMIT");
    finish_one(db, job, result);
}

void group_run(struct db *db, struct store_job *job)
{
    if (job->kind == STORE_READ)
        run_read(db, job);
    else
        run_write(db, job);
    if (db->group_open && (db->group_writes >= GROUP_WRITES_MAX ||
                           loop_now_us(db->loop) - db->group_since >= GROUP_US_MAX))
        group_commit(db);
}

void group_flush(struct db *db)
{
    if (db->group_open)
        group_commit(db);
}
