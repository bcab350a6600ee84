/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_store - files: several connections and processes, kill -9, a full and a failing disk. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "test/unit/store/jobs.h"

static void close_brings_everything(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct store *s = open_at(loop, path);
    struct job jobs[300], last = job_make(run_insert, 1000);
    for (int i = 0; i < 300; i++) {
        jobs[i] = job_make(run_insert, i + 1);
        jobs[i].store = s;
        store_submit(s, STORE_WRITE, &jobs[i].job);
    }
    jobs[299].then = &last;
    store_close(&s);
    for (int i = 0; i < 300; i++)
        assert_int_equal(jobs[i].result, 0);
    assert_int_equal(last.result, 0);
    s = open_at(loop, path);
    assert_int_equal(count_rows(loop, s), 301);
    store_close(&s);
    loop_free(&loop);
}

static bool exists(const char *suffix, struct stat *st)
{
    char name[128];
    snprintf(name, sizeof(name), "%s%s", path, suffix);
    return stat(name, st) == 0;
}

static void the_file_is_ours_alone(void **state)
{
    (void)state;
    struct stat st;
    struct loop *loop = loop_new();
    struct store *s = open_at(loop, path);
    struct job j = job_make(run_insert, 1);
    run_jobs(loop, s, &j, 1, STORE_WRITE);
    static const char *const suffixes[] = {"", "-wal", "-shm", "-lock"};
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        assert_true(exists(suffixes[i], &st));
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    store_close(&s);
    assert_false(exists("-wal", &st)); /* the last one leaves a whole file */
    loop_free(&loop);
}

static void exclusive_needs_no_lock(void **state)
{
    (void)state;
    struct stat st;
    char error[STORE_ERROR_MAX];
    struct loop *loop = loop_new();
    struct store_opts opts = {.path = path, .migrations = migrations, .exclusive = true};
    struct store *s = store_open(loop, &opts, error);
    assert_non_null(s);
    struct job j = job_make(run_insert, 1);
    run_jobs(loop, s, &j, 1, STORE_WRITE);
    assert_false(exists("-lock", &st));
    assert_false(exists("-shm", &st));
    store_close(&s);
    s = open_at(loop, path);
    assert_int_equal(count_rows(loop, s), 1);
    store_close(&s);
    loop_free(&loop);
}

static void what_cannot_be_opened_says_why(void **state)
{
    (void)state;
    char error[STORE_ERROR_MAX] = "";
    struct loop *loop = loop_new();
    struct store_opts opts = {.path = "/nonexistent/x.db", .migrations = migrations};
    assert_null(store_open(loop, &opts, error));
    assert_non_null(strstr(error, "/nonexistent/x.db"));
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is not a database, whatever its name", f);
    fclose(f);
    opts.path = path;
    assert_null(store_open(loop, &opts, error));
    assert_non_null(strstr(error, "not a database"));
    loop_free(&loop);
}

/* Much more than a checkpoint's worth, so that the WAL goes back while it is in use. */
static int run_big(struct db *db, struct store_job *base)
{
    static const char block[65536];
    struct job *j = CONTAINER_OF(base, struct job, job);
    struct db_stmt *st = db_sql(db, "INSERT INTO t (id, b) VALUES (?, ?)");
    db_bind_int(st, 1, j->number);
    db_bind_blob(st, 2, span_make(block, sizeof(block)));
    return db_run(st);
}

static void the_wal_does_not_grow_for_ever(void **state)
{
    (void)state;
    struct stat st;
    struct loop *loop = loop_new();
    struct store *s = open_at(loop, path);
    enum { JOBS = 1000 }; /* 17,000 pages */
    struct job *jobs = calloc(JOBS, sizeof(*jobs));
    for (int i = 0; i < JOBS; i++)
        jobs[i] = job_make(run_big, i + 1);
    run_jobs(loop, s, jobs, JOBS, STORE_WRITE);
    assert_true(exists("-wal", &st));
    assert_true(st.st_size < 6500 * 4120);
    assert_int_equal(count_rows(loop, s), JOBS);
    store_close(&s);
    free(jobs);
    loop_free(&loop);
}

/* --- several connections --- */

static void two_stores_lose_nothing(void **state)
{
    (void)state;
    enum { ROWS = 1000 };
    struct loop *loop = loop_new();
    struct store *a = open_at(loop, path), *b = open_at(loop, path);
    struct job *jobs = calloc(2 * ROWS, sizeof(*jobs));
    size_t left = 2 * ROWS;
    for (int i = 0; i < 2 * ROWS; i++) {
        jobs[i] = job_make(run_insert, i + 1);
        jobs[i].loop = loop;
        jobs[i].left = &left;
        store_submit(i % 2 ? a : b, STORE_WRITE, &jobs[i].job);
    }
    loop_run(loop);
    for (int i = 0; i < 2 * ROWS; i++)
        assert_int_equal(jobs[i].result, 0);
    assert_int_equal(count_rows(loop, a), 2 * ROWS);
    assert_int_equal(count_rows(loop, b), 2 * ROWS);
    store_close(&a);
    assert_int_equal(count_rows(loop, b), 2 * ROWS);
    store_close(&b);
    free(jobs);
    loop_free(&loop);
}

/* --- processes --- */

struct writer {
    struct job job;
    int out;
    struct store *store;
};

static void on_written(struct store_job *base, int result)
{
    struct writer *w = CONTAINER_OF(CONTAINER_OF(base, struct job, job), struct writer, job);
    if (result != 0 || write(w->out, &w->job.number, sizeof(int)) != sizeof(int))
        _exit(9);
    w->job.number += 16;
    store_submit(w->store, STORE_WRITE, base);
}

/* Sixteen writers that never end, each reporting what done() said is safe. */
static _Noreturn void child_writes(int out)
{
    char error[STORE_ERROR_MAX];
    static struct writer writers[16];
    struct loop *loop = loop_new();
    struct store_opts opts = {.path = path, .migrations = migrations};
    struct store *s = store_open(loop, &opts, error);
    if (!s)
        _exit(8);
    for (int i = 0; i < 16; i++) {
        writers[i].job = job_make(run_insert, i + 1);
        writers[i].job.job.done = on_written;
        writers[i].out = out;
        writers[i].store = s;
        store_submit(s, STORE_WRITE, &writers[i].job.job);
    }
    loop_run(loop);
    _exit(7);
}

static int run_has(struct db *db, struct store_job *base)
{
    struct job *j = CONTAINER_OF(base, struct job, job);
    struct db_stmt *st = db_sql(db, "SELECT count(*) FROM t WHERE id = ?");
    db_bind_int(st, 1, j->number);
    int result = db_step(st);
    j->seen = result == 1 ? db_int(st, 0) : -1;
    return 0;
}

static void a_killed_process_keeps_its_word(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        int fds[2], status, number;
        assert_int_equal(pipe(fds), 0);
        pid_t child = fork();
        if (child == 0) {
            close(fds[0]);
            child_writes(fds[1]);
        }
        close(fds[1]);
        static int numbers[1 << 20];
        size_t n = 0;
        for (int i = 0; i < 500 + round * 333; i++) {
            assert_int_equal(read(fds[0], &number, sizeof(number)), sizeof(number));
            numbers[n++] = number;
        }
        kill(child, SIGKILL);
        while (read(fds[0], &number, sizeof(number)) == (ssize_t)sizeof(number))
            numbers[n++] = number;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        close(fds[0]);

        struct loop *loop = loop_new();
        struct store *s = open_at(loop, path);
        for (size_t i = 0; i < n; i++) {
            struct job j = job_make(run_has, numbers[i]);
            run_jobs(loop, s, &j, 1, STORE_READ);
            assert_int_equal(j.seen, 1);
        }
        store_close(&s);
        loop_free(&loop);
        unlink(path);
    }
}

/* Writes rows [first, first + n) in one process; exit status 0 when all were done. */
static pid_t fork_writer(int first, int n)
{
    pid_t child = fork();
    if (child)
        return child;
    char error[STORE_ERROR_MAX];
    struct loop *loop = loop_new();
    struct store_opts opts = {.path = path, .migrations = migrations};
    struct store *s = store_open(loop, &opts, error);
    if (!s)
        _exit(8);
    struct job *jobs = calloc((size_t)n, sizeof(*jobs));
    for (int i = 0; i < n; i++)
        jobs[i] = job_make(run_insert, first + i);
    run_jobs(loop, s, jobs, (size_t)n, STORE_WRITE);
    for (int i = 0; i < n; i++)
        if (jobs[i].result != 0)
            _exit(7);
    store_close(&s);
    _exit(0);
}

static void processes_that_start_at_once_share(void **state)
{
    (void)state;
    enum { PROCESSES = 4, ROWS = 1000 };
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++)
        children[i] = fork_writer(1 + i * ROWS, ROWS);
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        waitpid(children[i], &status, 0);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    struct loop *loop = loop_new();
    struct store *s = open_at(loop, path);
    assert_int_equal(count_rows(loop, s), PROCESSES * ROWS);
    store_close(&s);
    loop_free(&loop);
}

/* A disk that takes no more: what did not fit is refused, and heals when there is room. */
static void a_full_disk_is_told(void **state)
{
    (void)state;
    enum { JOBS = 40 };
    struct rlimit old, small;
    struct loop *loop = loop_new();
    struct store *s = open_at(loop, path);
    struct job good = job_make(run_insert, 1), jobs[JOBS], later = job_make(run_big, 5000);
    run_jobs(loop, s, &good, 1, STORE_WRITE);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 256 * 1024;
    log_set_sink(no_line, NULL);
    setrlimit(RLIMIT_FSIZE, &small);
    for (int i = 0; i < JOBS; i++)
        jobs[i] = job_make(run_big, i + 2);
    run_jobs(loop, s, jobs, JOBS, STORE_WRITE);
    setrlimit(RLIMIT_FSIZE, &old);
    log_set_sink(NULL, NULL);
    int64_t stored = 1, refused = 0;
    for (int i = 0; i < JOBS; i++)
        *(jobs[i].result == 0 ? &stored : &refused) += 1;
    assert_true(refused > 0);
    assert_int_equal(count_rows(loop, s), stored);
    run_jobs(loop, s, &later, 1, STORE_WRITE);
    assert_int_equal(later.result, 0);
    assert_int_equal(count_rows(loop, s), stored + 1);
    store_close(&s);
    loop_free(&loop);
}

/* --- the disk's own failure: fdatasync and fsync of this program fail on demand --- */

static bool sync_fails;

int fdatasync(int fd);
int fdatasync(int fd)
{
    (void)fd;
    if (sync_fails) {
        errno = EIO;
        return -1;
    }
    return 0;
}

int fsync(int fd);
int fsync(int fd)
{
    return fdatasync(fd);
}

static void a_failed_fsync_ends_the_process(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct loop *loop = loop_new();
        struct store *s = open_at(loop, path);
        struct job j = job_make(run_insert, 1);
        log_set_sink(no_line, NULL);
        sync_fails = true;
        run_jobs(loop, s, &j, 1, STORE_WRITE);
        _exit(0); /* it was told that the row is safe, or not, and lives on */
    }
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_FAILURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(close_brings_everything),
        TEST(the_file_is_ours_alone),
        TEST(exclusive_needs_no_lock),
        TEST(what_cannot_be_opened_says_why),
        TEST(the_wal_does_not_grow_for_ever),
        TEST(two_stores_lose_nothing),
        TEST(a_killed_process_keeps_its_word),
        TEST(processes_that_start_at_once_share),
        TEST(a_full_disk_is_told),
        TEST(a_failed_fsync_ends_the_process),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
