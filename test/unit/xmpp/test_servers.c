/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * servers: the table read and changed; who is a member; that every server finds the same directory,
 * and that few users move when a server comes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "xmpp/servers.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FP_A "0123456789ABCDEF0123456789ABCDEF01234567"
#define FP_B "89ABCDEF0123456789ABCDEF0123456789ABCDEF"
#define PRIME SPAN("prime.n")

static char directory[64], file[96];

static int set_up(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/servers-XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(file, sizeof file, "%s/servers", directory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char lock[128];
    snprintf(lock, sizeof lock, "%s.lock", file);
    unlink(lock);
    unlink(file);
    assert_int_equal(rmdir(directory), 0); /* nothing is left behind */
    return 0;
}

static void put_file(const char *text)
{
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void assert_file(const char *want)
{
    char text[4096];
    FILE *f = fopen(file, "r");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = 0;
    fclose(f);
    assert_string_equal(text, want);
}

static struct servers *load(struct span self)
{
    char error[CONF_ERROR_MAX] = "";
    struct servers *list = servers_load(file, self, error);
    assert_string_equal(error, "");
    assert_non_null(list);
    return list;
}

/* --- reading
 * -------------------------------------------------------------------------------------- */

static void a_missing_table_is_a_network_of_one(void **state)
{
    (void)state;
    const struct server *out[SERVERS_DIRECTORY];
    struct servers *list = load(PRIME);
    assert_int_equal(servers_count(list), 1);
    assert_int_equal(servers_members(list), 1);
    assert_true(servers_has(list, PRIME));
    assert_false(servers_has_other(list, PRIME));
    assert_string_equal(servers_at(list, 0)->fingerprint, "");
    assert_int_equal(servers_directory(list, SPAN("alice"), out), 1);
    assert_true(out[0]->is_self);
    assert_true(servers_set(list) != 0);
    servers_unref(&list);
    assert_null(list);
}

static void lines_are_servers(void **state)
{
    (void)state;
    put_file("# the network\n\n"
             "prime.n " FP_A " enabled # that is us\n"
             "  gamma.n\t0123456789abcdef0123456789abcdef01234567 disabled\n"
             "beta.n " FP_B " enabled");
    struct servers *list = load(PRIME);
    static const struct {
        struct span host;
        const char *fingerprint;
        bool is_enabled, is_self;
    } want[] = {
        {SPAN_INIT("beta.n"), FP_B, true, false},
        {SPAN_INIT("gamma.n"), FP_A, false, false},
        {SPAN_INIT("prime.n"), FP_A, true, true},
    };
    assert_int_equal(servers_count(list), ARRAY_LEN(want));
    assert_int_equal(servers_members(list), 2);
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        const struct server *s = servers_at(list, i);
        assert_true(span_eq(s->host, want[i].host));
        assert_string_equal(s->fingerprint, want[i].fingerprint);
        assert_int_equal(s->is_enabled, want[i].is_enabled);
        assert_int_equal(s->is_self, want[i].is_self);
        assert_ptr_equal(servers_find(list, want[i].host), s);
        assert_int_equal(servers_has(list, want[i].host), s->is_enabled);
        assert_int_equal(servers_has_other(list, want[i].host), s->is_enabled && !s->is_self);
    }
    assert_null(servers_find(list, SPAN("delta.n")));
    assert_null(servers_find(list, SPAN("beta.nn")));
    assert_null(servers_find(list, SPAN("")));
    assert_false(servers_has(list, SPAN("delta.n")));
    struct servers *same = servers_ref(list);
    servers_unref(&list);
    assert_int_equal(servers_count(same), 3);
    servers_unref(&same);
}

/* Disabled in the table or not: it is always a member of its own network. */
static void one_is_always_a_member_of_ones_own(void **state)
{
    (void)state;
    put_file("prime.n " FP_A " disabled\nbeta.n " FP_B " enabled\n");
    struct servers *list = load(PRIME);
    assert_true(servers_has(list, PRIME));
    assert_int_equal(servers_members(list), 2);
    servers_unref(&list);
}

static void wrong_lines_are_named(void **state)
{
    (void)state;
    static char long_line[1100];
    memset(long_line, 'a', sizeof long_line - 2);
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"a.n " FP_A " enabled\nB.n " FP_A " enabled\n",
         ":2: the host is not a domain name in lower case"},
        {"#\n\nx@a.n " FP_A " enabled\n", ":3: the host is not a domain name in lower case"},
        {"a.n " FP_A "0 enabled\n", ":1: the fingerprint is not 40 hexadecimal digits"},
        {"a.n G123456789ABCDEF0123456789ABCDEF01234567 enabled\n",
         ":1: the fingerprint is not 40 hexadecimal digits"},
        {"a.n\n", ":1: the fingerprint is not 40 hexadecimal digits"},
        {"a.n " FP_A "\n", ":1: neither enabled nor disabled"},
        {"a.n " FP_A " on\n", ":1: neither enabled nor disabled"},
        {"a.n " FP_A " enabled x\n", ":1: something behind the third word"},
        {"a.n " FP_A " enabled\na.n " FP_B " enabled\n", ":2: the host is there already"},
        {long_line, ":1: the line is too long"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char error[CONF_ERROR_MAX] = "", want[CONF_ERROR_MAX];
        put_file(cases[i].text);
        assert_null(servers_load(file, PRIME, error));
        snprintf(want, sizeof want, "%s%s", file, cases[i].why);
        assert_string_equal(error, want);
    }
}

/* It says who is of the network. */
static void one_that_everybody_may_write_is_none(void **state)
{
    (void)state;
    char error[CONF_ERROR_MAX] = "";
    put_file("beta.n " FP_A " enabled\n");
    assert_int_equal(chmod(file, 0666), 0);
    assert_null(servers_load(file, PRIME, error));
    assert_non_null(strstr(error, "/servers: everybody may write it"));
    assert_false(servers_change(file, SERVERS_DISABLE, SPAN("beta.n"), SPAN_NONE, error));
    assert_int_equal(chmod(file, 0664), 0);
    struct servers *list = servers_load(file, PRIME, error);
    assert_non_null(list);
    servers_unref(&list);
}

static void what_cannot_be_read_is_no_table(void **state)
{
    (void)state;
    char error[CONF_ERROR_MAX] = "";
    assert_null(servers_load(directory, PRIME, error));
    assert_non_null(strstr(error, directory));
    assert_null(servers_load("/dev/null/servers", PRIME, error));
}

/* --- the directory
 * -------------------------------------------------------------------------------- */

static void put_many(size_t count)
{
    FILE *f = fopen(file, "w");
    for (size_t i = 0; i < count; i++)
        fprintf(f, "s%zu.n " FP_A " enabled\n", i);
    fclose(f);
}

static struct span user(char text[32], size_t i)
{
    return span_make(text, (size_t)snprintf(text, 32, "user%zu", i));
}

static void every_server_finds_the_same_directory(void **state)
{
    (void)state;
    char text[32], host[32];
    put_many(20);
    struct servers *first = load(SPAN("s0.n"));
    for (size_t k = 1; k < 20; k++) {
        snprintf(host, sizeof host, "s%zu.n", k);
        struct servers *other = load(span_of(host));
        assert_true(servers_set(first) == servers_set(other));
        for (size_t i = 0; i < 200; i++) {
            const struct server *a[SERVERS_DIRECTORY], *b[SERVERS_DIRECTORY];
            assert_int_equal(servers_directory(first, user(text, i), a), 2);
            assert_int_equal(servers_directory(other, user(text, i), b), 2);
            assert_true(span_eq(a[0]->host, b[0]->host) && span_eq(a[1]->host, b[1]->host));
            assert_false(span_eq(a[0]->host, a[1]->host));
        }
        servers_unref(&other);
    }
    servers_unref(&first);
}

/* Of 4000 users each of 20 servers records 2 in 20. */
static void the_load_is_even(void **state)
{
    (void)state;
    char text[32];
    size_t counts[20] = {0};
    put_many(20);
    struct servers *list = load(SPAN("s0.n"));
    for (size_t i = 0; i < 4000; i++) {
        const struct server *out[SERVERS_DIRECTORY];
        servers_directory(list, user(text, i), out);
        for (size_t k = 0; k < SERVERS_DIRECTORY; k++)
            counts[out[k] - servers_at(list, 0)]++;
    }
    for (size_t i = 0; i < 20; i++)
        assert_in_range(counts[i], 300, 500);
    servers_unref(&list);
}

static bool is_among(const struct server *s, const struct server *const *in)
{
    return span_eq(s->host, in[0]->host) || span_eq(s->host, in[1]->host);
}

/* Of the two places of a user one in (N+1)/2 goes to the new server, and nothing moves between old
 * ones. */
static void few_users_move_when_a_server_comes(void **state)
{
    (void)state;
    char text[32];
    size_t moved = 0;
    put_many(20);
    struct servers *before = load(SPAN("s0.n"));
    put_many(21);
    struct servers *after = load(SPAN("s0.n"));
    assert_true(servers_set(before) != servers_set(after));
    for (size_t i = 0; i < 4000; i++) {
        const struct server *a[SERVERS_DIRECTORY], *b[SERVERS_DIRECTORY];
        servers_directory(before, user(text, i), a);
        servers_directory(after, user(text, i), b);
        for (size_t k = 0; k < SERVERS_DIRECTORY; k++) {
            bool is_new = span_eq(b[k]->host, SPAN("s20.n"));
            moved += is_new;
            assert_true(is_new || is_among(b[k], a));
        }
    }
    assert_in_range(moved, 300, 460); /* 4000 * 2 / 21 = 381 */
    servers_unref(&before);
    servers_unref(&after);
}

static void disabled_servers_record_nobody(void **state)
{
    (void)state;
    char text[32];
    put_file("a.n " FP_A " enabled\nb.n " FP_A " disabled\nc.n " FP_A " enabled\n");
    struct servers *list = load(SPAN("a.n"));
    uint64_t set = servers_set(list);
    for (size_t i = 0; i < 100; i++) {
        const struct server *out[SERVERS_DIRECTORY];
        assert_int_equal(servers_directory(list, user(text, i), out), 2);
        assert_false(span_eq(out[0]->host, SPAN("b.n")) || span_eq(out[1]->host, SPAN("b.n")));
    }
    servers_unref(&list);
    put_file("c.n " FP_B " enabled\n"); /* neither order nor keys make another set */
    list = load(SPAN("a.n"));
    assert_true(servers_set(list) == set);
    servers_unref(&list);
}

/* --- changes
 * -------------------------------------------------------------------------------------- */

static const char *change(enum servers_change what, const char *host, const char *fingerprint)
{
    static char error[CONF_ERROR_MAX];
    error[0] = 0;
    bool ok = servers_change(file, what, span_of(host), span_of(fingerprint), error);
    assert_int_equal(ok, error[0] == 0);
    return error;
}

static void changes_keep_what_else_is_there(void **state)
{
    (void)state;
    struct stat st;
    assert_string_equal(change(SERVERS_ADD, "beta.n", FP_B), "");
    assert_file("beta.n " FP_B " enabled\n");
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    put_file("# ours\nbeta.n   " FP_B " enabled # of Bea\n\ngamma.n " FP_A " disabled");
    assert_string_equal(change(SERVERS_DISABLE, "beta.n", NULL), "");
    assert_string_equal(change(SERVERS_ENABLE, "gamma.n", NULL), "");
    assert_string_equal(change(SERVERS_ENABLE, "gamma.n", NULL), "");
    assert_string_equal(
        change(SERVERS_ADD, "alpha.n", "0123 4567 89ab cdef 0123  4567 89ab cdef 0123 4567"), "");
    assert_file("# ours\nbeta.n   " FP_B " disabled # of Bea\n\ngamma.n " FP_A " enabled\n"
                "alpha.n " FP_A " enabled\n");
    assert_string_equal(change(SERVERS_REMOVE, "beta.n", NULL), "");
    assert_file("# ours\n\ngamma.n " FP_A " enabled\nalpha.n " FP_A " enabled\n");
}

static void changes_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const char table[] = "beta.n " FP_B " enabled\n# gamma.n\n";
    static const struct {
        enum servers_change what;
        const char *host, *fingerprint, *why;
    } cases[] = {
        {SERVERS_ADD, "beta.n", FP_A, "beta.n is in the table already: remove it first"},
        {SERVERS_ADD, "Beta.n", FP_A, "Beta.n is not a domain name in lower case"},
        {SERVERS_ADD, "", FP_A, " is not a domain name in lower case"},
        {SERVERS_ADD, "x y", FP_A, "x y is not a domain name in lower case"},
        {SERVERS_ADD, "x\ny", FP_A, "x\ny is not a domain name in lower case"},
        {SERVERS_ADD, "a.n", "0123", "the fingerprint is not 40 hexadecimal digits"},
        {SERVERS_ADD, "a.n", FP_A "0", "the fingerprint is not 40 hexadecimal digits"},
        {SERVERS_ADD, "a.n", NULL, "the fingerprint is not 40 hexadecimal digits"},
        {SERVERS_REMOVE, "gamma.n", NULL, "gamma.n is not in the table"},
        {SERVERS_ENABLE, "gamma.n", NULL, "gamma.n is not in the table"},
        {SERVERS_DISABLE, "", NULL, " is not in the table"},
    };
    put_file(table);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(change(cases[i].what, cases[i].host, cases[i].fingerprint),
                            cases[i].why);
    assert_file(table);
    put_file("what is this\n");
    assert_non_null(strstr(change(SERVERS_ADD, "a.n", FP_A), ":1: the fingerprint is not"));
    assert_file("what is this\n");
}

static void a_full_table_takes_no_more(void **state)
{
    (void)state;
    put_many(SERVERS_MAX);
    assert_non_null(strstr(change(SERVERS_ADD, "a.n", FP_A), ":1001: too many servers"));
    struct servers *list = load(SPAN("s0.n"));
    assert_int_equal(servers_count(list), SERVERS_MAX);
    servers_unref(&list);
}

/* Two administrators at once: nothing is lost. */
static void changes_wait_for_each_other(void **state)
{
    (void)state;
    enum { WRITERS = 4, EACH = 10 };
    for (int w = 0; w < WRITERS; w++) {
        if (fork() != 0)
            continue;
        char host[32], error[CONF_ERROR_MAX];
        bool ok = true;
        for (int i = 0; i < EACH; i++) {
            snprintf(host, sizeof host, "w%d-%d.n", w, i);
            ok = servers_change(file, SERVERS_ADD, span_of(host), SPAN(FP_A), error) && ok;
        }
        _exit(ok ? 0 : 1);
    }
    for (int w = 0; w < WRITERS; w++) {
        int status = -1;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    struct servers *list = load(PRIME);
    assert_int_equal(servers_count(list), WRITERS * EACH + 1);
    servers_unref(&list);
}

static void lines_of_another_table_are_taken_as_a_whole(void **state)
{
    (void)state;
    static const char table[] = "beta.n " FP_B " disabled\n";
    static const struct {
        const char *lines;
        bool replace;
        const char *why, *after; /* why NULL: taken */
        size_t added, replaced, same;
    } cases[] = {
        {"a.n " FP_A "\n# b\nc.n " FP_B " disabled", false, NULL,
         "beta.n " FP_B " disabled\na.n " FP_A " enabled\nc.n " FP_B " disabled\n", 2, 0, 0},
        {"beta.n " FP_B " enabled\n", false, NULL, table, 0, 0, 1},
        {"a.n " FP_A "\nbeta.n " FP_A "\n", false,
         "line 2: beta.n has another fingerprint in the table (--replace takes it)", table, 1, 0,
         0},
        {"beta.n " FP_A "\n", true, NULL, "beta.n " FP_A " disabled\n", 0, 1, 0},
        {"a.n " FP_A "\na.n " FP_B "\n", false,
         "line 2: a.n has another fingerprint in the table (--replace takes it)", table, 1, 0, 0},
        {"a.n " FP_A " perhaps\n", false, "line 1: neither enabled nor disabled", table, 0, 0, 0},
        {"a.n " FP_A " enabled too\n", false, "line 1: neither enabled nor disabled", table, 0, 0,
         0},
        {"\nA.n " FP_A "\n", false, "line 2: A.n is not a domain name in lower case", table, 0, 0,
         0},
        {"a.n 12\n", false, "line 1: the fingerprint is not 40 hexadecimal digits", table, 0, 0, 0},
        {"", false, NULL, table, 0, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char error[CONF_ERROR_MAX] = "";
        struct servers_imported r;
        put_file(table);
        bool ok = servers_import(file, span_of(cases[i].lines), cases[i].replace, &r, error);
        assert_string_equal(error, cases[i].why ? cases[i].why : "");
        assert_int_equal(ok, cases[i].why == NULL);
        assert_file(cases[i].after);
        assert_int_equal(r.added, cases[i].added);
        assert_int_equal(r.replaced, cases[i].replaced);
        assert_int_equal(r.same, cases[i].same);
    }
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(a_missing_table_is_a_network_of_one),
        EACH(lines_are_servers),
        EACH(one_is_always_a_member_of_ones_own),
        EACH(wrong_lines_are_named),
        EACH(one_that_everybody_may_write_is_none),
        EACH(what_cannot_be_read_is_no_table),
        EACH(every_server_finds_the_same_directory),
        EACH(the_load_is_even),
        EACH(few_users_move_when_a_server_comes),
        EACH(disabled_servers_record_nobody),
        EACH(changes_keep_what_else_is_there),
        EACH(changes_that_cannot_be_are_refused),
        EACH(a_full_table_takes_no_more),
        EACH(changes_wait_for_each_other),
        EACH(lines_of_another_table_are_taken_as_a_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
