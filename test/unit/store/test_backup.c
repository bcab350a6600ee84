/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_backup - a copy that is whole while two connections write, or that is not there. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "test/unit/store/jobs.h"

struct outcome {
    struct loop *loop;
    char error[STORE_ERROR_MAX];
    uint64_t bytes;
    int count;
};

static void on_backup(void *ctx, const char *error, uint64_t bytes)
{
    struct outcome *o = ctx;
    o->count++;
    o->bytes = bytes;
    snprintf(o->error, sizeof(o->error), "%s", error ? error : "");
    if (o->loop)
        loop_stop(o->loop);
}

static const char *copy_path(void)
{
    static char name[128];
    snprintf(name, sizeof(name), "%s.copy", path);
    return name;
}

static bool exists(const char *name, const char *suffix)
{
    char whole[160];
    snprintf(whole, sizeof(whole), "%s%s", name, suffix);
    return access(whole, F_OK) == 0;
}

/* The first column of the first row, as text. */
static const char *ask(const char *file, const char *query)
{
    static char text[128];
    sqlite3 *db;
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_open_v2(file, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, query, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    snprintf(text, sizeof(text), "%s", (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    sqlite3_close(db);
    return text;
}

static void fill(struct loop *loop, struct store *s, int from, int n)
{
    struct job *jobs = mem_zalloc((size_t)n * sizeof(*jobs));
    for (int i = 0; i < n; i++)
        jobs[i] = job_make(run_insert, from + i);
    run_jobs(loop, s, jobs, (size_t)n, STORE_WRITE);
    free(jobs);
}

/* A row that fills pages, so that copying takes many steps. */
static int run_insert_big(struct db *db, struct store_job *base)
{
    struct job *j = CONTAINER_OF(base, struct job, job);
    struct db_stmt *st = db_sql(db, "INSERT INTO t (id, b) VALUES (?1, zeroblob(2000000))");
    db_bind_int(st, 1, j->number);
    return db_run(st);
}

/* One who writes for as long as the copy takes: a row a commit, the numbers without a gap. */
struct writer {
    struct job job;
    struct store *store;
    const struct outcome *outcome;
    int next;
};

static void write_next(struct writer *w);

static void on_written(struct store_job *base, int result)
{
    struct writer *w = CONTAINER_OF(CONTAINER_OF(base, struct job, job), struct writer, job);
    assert_int_equal(result, 0);
    if (w->outcome->count == 0)
        write_next(w);
}

static void write_next(struct writer *w)
{
    w->job = job_make(run_insert, w->next);
    w->next += 2;
    w->job.job.done = on_written;
    store_submit(w->store, STORE_WRITE, &w->job.job);
}

static void a_copy_is_whole_while_two_write(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct store *s = open_at(loop, path), *other = open_at(loop, path);
    struct job big[20];
    for (int i = 0; i < 20; i++)
        big[i] = job_make(run_insert_big, i + 1);
    run_jobs(loop, s, big, 20, STORE_WRITE);

    struct outcome o = {.loop = loop};
    struct writer a = {.store = s, .outcome = &o, .next = 1000};
    struct writer b = {.store = other, .outcome = &o, .next = 1001};
    write_next(&a);
    write_next(&b);
    assert_true(store_backup(s, copy_path(), on_backup, &o));
    assert_false(store_backup(s, copy_path(), on_backup, &o)); /* one at a time */
    loop_run(loop);
    assert_int_equal(o.count, 1);
    assert_string_equal(o.error, "");
    assert_true(a.next > 1002 && b.next > 1003); /* neither was kept waiting for the end */
    store_close(&other);
    store_close(&s);
    loop_free(&loop);

    struct stat st;
    assert_int_equal(stat(copy_path(), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, o.bytes);
    assert_false(exists(copy_path(), ".unfinished"));
    assert_string_equal(ask(copy_path(), "PRAGMA integrity_check"), "ok");
    assert_string_equal(ask(copy_path(), "SELECT count(*) FROM t WHERE id < 1000"), "20");
    assert_string_equal(ask(copy_path(), "PRAGMA user_version"), "1");
    /* Of each writer's rows it has the first ones: one moment's. */
    assert_string_equal(ask(copy_path(), "SELECT count(*) FROM t AS x WHERE id >= 1002 AND NOT"
                                         " EXISTS (SELECT 1 FROM t WHERE id = x.id - 2)"), "0");
}

static void a_copy_can_be_opened_again(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct store *s = open_at(loop, path);
    struct outcome o = {.loop = loop};
    fill(loop, s, 1, 50);
    assert_true(store_backup(s, copy_path(), on_backup, &o));
    loop_run(loop);
    store_close(&s);
    s = open_at(loop, copy_path());
    assert_int_equal(count_rows(loop, s), 50);
    store_close(&s);
    loop_free(&loop);
}

static void what_is_there_stays(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct store *s = open_at(loop, path);
    struct outcome o = {.loop = loop};
    FILE *file = fopen(copy_path(), "w");
    fputs("mine", file);
    fclose(file);
    assert_true(store_backup(s, copy_path(), on_backup, &o));
    loop_run(loop);
    assert_non_null(strstr(o.error, "File exists"));
    struct stat st;
    assert_int_equal(stat(copy_path(), &st), 0);
    assert_int_equal(st.st_size, 4);

    o = (struct outcome){.loop = loop};
    assert_true(store_backup(s, "/nowhere/at/all", on_backup, &o));
    loop_run(loop);
    assert_non_null(strstr(o.error, "/nowhere/at/all"));
    o = (struct outcome){.loop = loop};
    assert_true(store_backup(s, "relative", on_backup, &o));
    assert_int_equal(o.count, 0); /* never from inside the call */
    loop_run(loop);
    assert_non_null(strstr(o.error, "absolute"));
    store_close(&s);
    loop_free(&loop);
}

static void the_end_ends_it(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct store *s = open_at(loop, path);
    struct outcome o = {0};
    struct job big[20];
    for (int i = 0; i < 20; i++)
        big[i] = job_make(run_insert_big, i + 1);
    run_jobs(loop, s, big, 20, STORE_WRITE);
    assert_true(store_backup(s, copy_path(), on_backup, &o));
    store_close(&s);
    assert_int_equal(o.count, 1);
    assert_string_not_equal(o.error, "");
    assert_false(exists(copy_path(), ""));
    assert_false(exists(copy_path(), ".unfinished"));
    loop_free(&loop);
}

static void the_twin_copies_its_memory(void **state)
{
    (void)state;
    struct loop *loop = loop_new_sim();
    struct store *s = open_at(loop, path);
    struct outcome o = {0};
    fill(loop, s, 1, 10);
    assert_true(store_backup(s, copy_path(), on_backup, &o));
    assert_int_equal(o.count, 0);
    loop_sim_settle(loop);
    assert_int_equal(o.count, 1);
    assert_string_equal(o.error, "");
    assert_string_equal(ask(copy_path(), "SELECT count(*) FROM t"), "10");
    store_close(&s);
    loop_free(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_copy_is_whole_while_two_write), TEST(a_copy_can_be_opened_again),
        TEST(what_is_there_stays),             TEST(the_end_ends_it),
        TEST(the_twin_copies_its_memory),
    };
    log_set_sink(no_line, NULL);
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
