/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * jobs - what the tests of this room share: a table, jobs on it, a folder for files. Included after
 * cmocka.h, by one source of a program each.
 */
#ifndef TEST_STORE_JOBS_H
#define TEST_STORE_JOBS_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "store/db.h"

static const struct store_migration migrations[] = {
    {1, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE, b BLOB) STRICT;"
        "CREATE TABLE child (t INTEGER NOT NULL REFERENCES t(id) ON DELETE CASCADE) STRICT;"},
    {0, NULL},
};

static char folder[64], path[96];

static struct store *open_at(struct loop *loop, const char *file)
{
    char error[STORE_ERROR_MAX];
    struct store_opts opts = {.path = file, .migrations = migrations};
    struct store *s = store_open(loop, &opts, error);
    if (!s)
        print_error("%s\n", error);
    assert_non_null(s);
    return s;
}

/* --- a job of every kind that the tests need --- */

enum { NOT_DONE = 12345 };

struct job {
    struct store_job job;
    struct loop *loop; /* to stop when all have come */
    struct store *store;
    size_t *left;
    int number;
    int give; /* what run() returns after its insert; 0: what the insert gave */
    int result;
    int64_t seen; /* rows that a read saw */
    int *order, *order_n;
    struct job *then; /* submitted by done() */
};

static int insert_number(struct db *db, int number)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "row %d", number);
    struct db_stmt *st = db_sql(db, "INSERT INTO t (id, a) VALUES (?, ?)");
    db_bind_int(st, 1, number);
    db_bind_text(st, 2, span_make(text, (size_t)n));
    return db_run(st);
}

static int run_insert(struct db *db, struct store_job *base)
{
    struct job *j = CONTAINER_OF(base, struct job, job);
    int result = insert_number(db, j->number);
    return j->give ? j->give : result;
}

static int run_count(struct db *db, struct store_job *base)
{
    struct job *j = CONTAINER_OF(base, struct job, job);
    struct db_stmt *st = db_sql(db, "SELECT count(*) FROM t");
    int result = db_step(st);
    j->seen = result == 1 ? db_int(st, 0) : -1;
    return 0; /* the statement is left open: the room's business */
}

static void on_done(struct store_job *base, int result)
{
    struct job *j = CONTAINER_OF(base, struct job, job);
    assert_int_equal(j->result, NOT_DONE);
    j->result = result;
    if (j->order)
        j->order[(*j->order_n)++] = j->number;
    if (j->then)
        store_submit(j->store, STORE_WRITE, &j->then->job);
    if (j->left && --*j->left == 0)
        loop_stop(j->loop);
}

static struct job job_make(int (*run)(struct db *, struct store_job *), int number)
{
    return (struct job){.job = {.run = run, .done = on_done}, .number = number, .result = NOT_DONE};
}

static int64_t count_rows(struct loop *loop, struct store *s)
{
    struct job j = job_make(run_count, 0);
    size_t left = 1;
    j.loop = loop;
    j.left = &left;
    store_submit(s, STORE_READ, &j.job);
    if (loop_is_sim(loop))
        loop_sim_settle(loop);
    else
        loop_run(loop);
    assert_int_equal(j.result, 0);
    return j.seen;
}

/* Submits n jobs and runs the loop until all have come. */
static void run_jobs(struct loop *loop, struct store *s, struct job *jobs, size_t n,
                     enum store_kind kind)
{
    size_t left = n;
    for (size_t i = 0; i < n; i++) {
        jobs[i].loop = loop;
        jobs[i].store = s;
        jobs[i].left = &left;
        store_submit(s, kind, &jobs[i].job);
    }
    assert_int_equal(store_pending(s), n);
    if (loop_is_sim(loop))
        loop_sim_settle(loop);
    else
        loop_run(loop);
    assert_int_equal(left, 0);
    assert_int_equal(store_pending(s), 0);
}

static void no_line(void *ctx, struct span line)
{
    (void)ctx;
    (void)line;
}

/* --- a file of its own for each test --- */

static int fresh(void **state)
{
    static int number;
    (void)state;
    snprintf(path, sizeof(path), "%s/%d.db", folder, ++number);
    return 0;
}

static int folder_make(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/test_store.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int folder_remove(void **state)
{
    (void)state;
    char command[96];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

#define TEST(t) cmocka_unit_test_setup(t, fresh)

#endif
