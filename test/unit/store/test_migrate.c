/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_migrate - versions of a file: fresh, upgraded with a copy, refused, raced for. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/loop.h"
#include "store/db.h"

static const struct store_migration one[] = {
    {1, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT) STRICT;"
        "CREATE TABLE child (t INTEGER NOT NULL REFERENCES t(id) ON DELETE CASCADE) STRICT;"
        "INSERT INTO t VALUES (1, 'old'); INSERT INTO child VALUES (1);"},
    {0, NULL},
};

/* 3 builds t anew: what refers to it must survive. */
#define TWO                                                                                        \
    {                                                                                              \
        2, "ALTER TABLE t ADD COLUMN b TEXT"                                                       \
    }
#define THREE                                                                                      \
    {                                                                                              \
        3, "CREATE TABLE t2 (id INTEGER PRIMARY KEY, a TEXT, b TEXT) STRICT;"                      \
           "INSERT INTO t2 SELECT id, a, 'new' FROM t; DROP TABLE t; ALTER TABLE t2 RENAME TO t"   \
    }

static const struct store_migration three[] = {
    {1, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT) STRICT;"
        "CREATE TABLE child (t INTEGER NOT NULL REFERENCES t(id) ON DELETE CASCADE) STRICT;"
        "INSERT INTO t VALUES (1, 'old'); INSERT INTO child VALUES (1);"},
    TWO,
    THREE,
    {0, NULL},
};

static const struct store_migration broken[] = {
    {1, ""},
    TWO,
    {3, "CREATE TABLE x (a TEXT) STRICT; INSERT INTO nothing VALUES (1)"},
    {0, NULL},
};

static const struct store_migration orphaning[] = {
    {1, ""},
    {2, "INSERT INTO child VALUES (99)"},
    {0, NULL},
};

static char folder[64], path[96], error[STORE_ERROR_MAX];

static bool open_with(const struct store_migration *migrations)
{
    struct loop *loop = loop_new();
    struct store_opts opts = {.path = path, .migrations = migrations};
    error[0] = '\0';
    struct store *s = store_open(loop, &opts, error);
    bool good = s != NULL;
    store_close(&s);
    loop_free(&loop);
    assert_true(good == (error[0] == '\0'));
    return good;
}

/* What a plain connection reads from the file with suffix; -1: nothing. */
static int64_t ask(const char *suffix, const char *query)
{
    char name[128];
    sqlite3 *sql = NULL;
    sqlite3_stmt *st = NULL;
    int64_t value = -1;
    snprintf(name, sizeof(name), "%s%s", path, suffix);
    if (sqlite3_open_v2(name, &sql, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(sql, query, -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        value = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(sql);
    return value;
}

static bool exists(const char *suffix)
{
    char name[128];
    struct stat st;
    snprintf(name, sizeof(name), "%s%s", path, suffix);
    return stat(name, &st) == 0;
}

static void a_fresh_file_gets_all(void **state)
{
    (void)state;
    assert_true(open_with(three));
    assert_int_equal(ask("", "PRAGMA user_version"), 3);
    assert_int_equal(ask("", "SELECT count(*) FROM t WHERE b = 'new'"), 1);
    assert_false(exists(".before-3")); /* there was nothing to keep */
    assert_true(open_with(three));     /* nothing is due */
    assert_int_equal(ask("", "SELECT count(*) FROM t"), 1);
}

static void an_upgrade_keeps_a_copy(void **state)
{
    (void)state;
    assert_true(open_with(one));
    assert_true(open_with(three));
    assert_int_equal(ask("", "PRAGMA user_version"), 3);
    assert_int_equal(ask("", "SELECT count(*) FROM child JOIN t ON t.id = child.t"), 1);
    assert_true(exists(".before-3"));
    assert_false(exists(".before-3.new"));
    assert_int_equal(ask(".before-3", "PRAGMA user_version"), 1);
    assert_int_equal(ask(".before-3", "SELECT count(*) FROM t WHERE a = 'old'"), 1);
    struct stat st;
    char name[128];
    snprintf(name, sizeof(name), "%s.before-3", path);
    assert_int_equal(stat(name, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_newer_file_is_refused(void **state)
{
    (void)state;
    assert_true(open_with(three));
    assert_false(open_with(one));
    assert_non_null(strstr(error, "newer"));
    assert_int_equal(ask("", "PRAGMA user_version"), 3);
}

static void another_ones_file_is_refused(void **state)
{
    (void)state;
    FILE *f = fopen(path, "w");
    fclose(f);
    assert_int_equal(ask("", "SELECT 1"), 1);
    sqlite3 *sql;
    sqlite3_open(path, &sql);
    sqlite3_exec(sql, "CREATE TABLE theirs (a)", NULL, NULL, NULL);
    sqlite3_close(sql);
    assert_false(open_with(one));
    assert_int_equal(ask("", "SELECT count(*) FROM sqlite_schema"), 1);
}

static void a_failing_migration_changes_nothing(void **state)
{
    (void)state;
    assert_true(open_with(one));
    assert_false(open_with(broken));
    assert_non_null(strstr(error, "migration 3"));
    assert_int_equal(ask("", "PRAGMA user_version"), 1);
    assert_int_equal(ask("", "SELECT count(*) FROM sqlite_schema WHERE name = 'x'"), 0);
    assert_false(open_with(orphaning));
    assert_int_equal(ask("", "SELECT count(*) FROM child"), 1);
    assert_true(open_with(three));
}

static void starters_at_once_migrate_once(void **state)
{
    (void)state;
    enum { PROCESSES = 6 };
    assert_true(open_with(one));
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0)
            _exit(open_with(three) ? 0 : 1);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        waitpid(children[i], &status, 0);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    assert_int_equal(ask("", "PRAGMA user_version"), 3);
    assert_int_equal(ask("", "SELECT count(*) FROM t"), 1);
    assert_int_equal(ask(".before-3", "PRAGMA user_version"), 1);
}

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
    snprintf(folder, sizeof(folder), "/tmp/test_migrate.XXXXXX");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_fresh_file_gets_all),
        TEST(an_upgrade_keeps_a_copy),
        TEST(a_newer_file_is_refused),
        TEST(another_ones_file_is_refused),
        TEST(a_failing_migration_changes_nothing),
        TEST(starters_at_once_migrate_once),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
