/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_db - statements, jobs and groups, on libuv's loop and on the simulated one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/unit/store/jobs.h"

/* The tests that must hold on both loops run through this. */
static void on_both(void (*test)(struct loop *loop, struct store *s))
{
    struct loop *sim = loop_new_sim(), *uv = loop_new();
    struct store *s = open_at(sim, NULL);
    test(sim, s);
    store_close(&s);
    assert_null(s);
    s = open_at(uv, path);
    test(uv, s);
    store_close(&s);
    loop_free(&sim);
    loop_free(&uv);
}

/* --- on both loops --- */

static void values(struct loop *loop, struct store *s);

static int run_values(struct db *db, struct store_job *job)
{
    (void)job;
    struct db_stmt *st = db_sql(db, "INSERT INTO t (id, a, b) VALUES (?, ?, ?)");
    db_bind_int(st, 1, INT64_MIN);
    db_bind_text(st, 2, SPAN(""));
    db_bind_blob(st, 3, SPAN("\0x\0"));
    assert_int_equal(db_step(st), 0);
    assert_int_equal(db_changes(db), 1);
    /* Bound anew without a reset: the step to the end was one. */
    db_bind_int(st, 1, 7);
    db_bind_text(st, 2, SPAN_NONE);
    db_bind_blob(st, 3, SPAN(""));
    assert_int_equal(db_run(st), 0);
    /* db_sql gives it without bindings. */
    st = db_sql(db, "INSERT INTO t (id, a, b) VALUES (?, ?, ?)");
    db_bind_int(st, 1, 8);
    assert_int_equal(db_run(st), 0);

    st = db_sql(db, "SELECT id, a, b FROM t ORDER BY id");
    assert_int_equal(db_step(st), 1);
    assert_true(db_int(st, 0) == INT64_MIN);
    assert_true(!span_is_none(db_text(st, 1)) && span_is_empty(db_text(st, 1)));
    assert_true(span_eq(db_blob(st, 2), SPAN("\0x\0")));
    assert_int_equal(db_step(st), 1);
    assert_true(span_is_none(db_text(st, 1)));
    assert_true(!span_is_none(db_blob(st, 2)) && span_is_empty(db_blob(st, 2)));
    assert_int_equal(db_step(st), 1);
    assert_true(span_is_none(db_blob(st, 2)));
    assert_int_equal(db_step(st), 0);
    db_reset(st);

    st = db_sql(db, "INSERT INTO t (id) VALUES (7)");
    assert_int_equal(db_run(st), DB_CONSTRAINT);
    st = db_sql(db, "INSERT INTO child (t) VALUES (99)");
    assert_int_equal(db_run(st), DB_CONSTRAINT); /* foreign keys are on */
    return 3;
}

static void values(struct loop *loop, struct store *s)
{
    struct job j = job_make(run_values, 0);
    run_jobs(loop, s, &j, 1, STORE_WRITE);
    assert_int_equal(j.result, 3); /* a job's own value > 0 */
    assert_int_equal(count_rows(loop, s), 3);
}

static void values_come_back(void **state)
{
    (void)state;
    on_both(values);
}

static void order(struct loop *loop, struct store *s)
{
    int seen[200], n = 0;
    struct job jobs[200], reads[200];
    size_t left = 400;
    for (int i = 0; i < 200; i++) {
        jobs[i] = job_make(run_insert, i + 1);
        reads[i] = job_make(run_count, i + 1);
        jobs[i].order = seen;
        jobs[i].order_n = &n;
        jobs[i].left = reads[i].left = &left;
        jobs[i].loop = reads[i].loop = loop;
        store_submit(s, STORE_WRITE, &jobs[i].job);
        store_submit(s, STORE_READ, &reads[i].job);
    }
    if (loop_is_sim(loop))
        loop_sim_settle(loop);
    else
        loop_run(loop);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(seen[i], i + 1);
        assert_int_equal(reads[i].seen, i + 1); /* what was submitted before, no more */
    }
}

static void jobs_run_in_order(void **state)
{
    (void)state;
    on_both(order);
}

static void isolated(struct loop *loop, struct store *s)
{
    struct job jobs[6];
    for (int i = 0; i < 6; i++)
        jobs[i] = job_make(run_insert, i + 1);
    jobs[1].number = 1;  /* breaks a constraint */
    jobs[2].give = -200; /* changes its mind after the insert */
    jobs[3].give = STORE_FAILED;
    jobs[4].give = 17;
    run_jobs(loop, s, jobs, 6, STORE_WRITE);
    assert_int_equal(jobs[0].result, 0);
    assert_int_equal(jobs[1].result, DB_CONSTRAINT);
    assert_int_equal(jobs[2].result, -200);
    assert_int_equal(jobs[3].result, STORE_FAILED);
    assert_int_equal(jobs[4].result, 17);
    assert_int_equal(jobs[5].result, 0);
    assert_int_equal(count_rows(loop, s), 3);
}

static void a_failing_job_stands_alone(void **state)
{
    (void)state;
    on_both(isolated);
}

/* Inserts, then takes no notice that the database has refused something. */
static int run_careless(struct db *db, struct store_job *base)
{
    struct job *j = CONTAINER_OF(base, struct job, job);
    insert_number(db, j->number);
    assert_int_equal(db_run(db_sql(db, "INSERT INTO t (b) VALUES (zeroblob(2000000000))")),
                     STORE_FAILED);
    return 0;
}

static void careless(struct loop *loop, struct store *s)
{
    struct job jobs[2] = {job_make(run_careless, 1), job_make(run_insert, 2)};
    log_set_sink(no_line, NULL);
    run_jobs(loop, s, jobs, 2, STORE_WRITE);
    log_set_sink(NULL, NULL);
    assert_int_equal(jobs[0].result, STORE_FAILED);
    assert_int_equal(jobs[1].result, 0);
    assert_int_equal(count_rows(loop, s), 1);
}

static void a_refusal_cannot_be_overlooked(void **state)
{
    (void)state;
    on_both(careless);
}

static void chained(struct loop *loop, struct store *s)
{
    struct job second = job_make(run_insert, 2), first = job_make(run_insert, 1);
    size_t left = 2;
    first.then = &second;
    first.store = s;
    first.left = second.left = &left;
    first.loop = second.loop = loop;
    store_submit(s, STORE_WRITE, &first.job);
    if (loop_is_sim(loop))
        loop_sim_settle(loop);
    else
        loop_run(loop);
    assert_int_equal(second.result, 0);
    assert_int_equal(count_rows(loop, s), 2);
}

static void done_may_submit(void **state)
{
    (void)state;
    on_both(chained);
}

static void sim_is_asynchronous(void **state)
{
    (void)state;
    struct loop *loop = loop_new_sim();
    struct store *s = open_at(loop, NULL);
    struct job j = job_make(run_insert, 1);
    store_submit(s, STORE_WRITE, &j.job);
    assert_int_equal(j.result, NOT_DONE);
    assert_int_equal(store_pending(s), 1);
    loop_sim_settle(loop);
    assert_int_equal(j.result, 0);
    store_close(&s);
    loop_free(&loop);
}

/* --- groups --- */

static void writes_share_commits(void **state)
{
    (void)state;
    struct loop *loop = loop_new_sim();
    struct store *s = open_at(loop, NULL);
    struct job *jobs = calloc(500, sizeof(*jobs));
    for (int i = 0; i < 500; i++)
        jobs[i] = job_make(run_insert, i + 1);
    run_jobs(loop, s, jobs, 1, STORE_WRITE);
    assert_int_equal(store_commits(s), 1); /* a lone one does not wait */
    run_jobs(loop, s, jobs + 1, 64, STORE_WRITE);
    uint64_t full = store_commits(s);
    assert_in_range(full, 2, 8); /* 5 ms may pass on a busy machine */
    run_jobs(loop, s, jobs + 65, 435, STORE_WRITE);
    assert_in_range(store_commits(s), full + 7, full + 100);
    uint64_t before = store_commits(s);
    struct job read = job_make(run_count, 0);
    run_jobs(loop, s, &read, 1, STORE_READ);
    assert_int_equal(store_commits(s), before);
    store_close(&s);
    free(jobs);
    loop_free(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(values_come_back),
        TEST(jobs_run_in_order),
        TEST(a_failing_job_stands_alone),
        TEST(a_refusal_cannot_be_overlooked),
        TEST(done_may_submit),
        TEST(sim_is_asynchronous),
        TEST(writes_share_commits),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
