/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Answers that go on until the asker hangs up, or wait for something; rows of names and values; and
 * the one request that every process knows.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/control.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct loop *loop;
static struct control *control;
static struct control_call *watched;
static struct timer timer;
static char directory[] = "/tmp/control-watch-XXXXXX";
static char path[64];
static int gone;
static unsigned looks;

static void stop(void *ctx)
{
    loop_stop(ctx);
}

static void on_gone(void *ctx)
{
    gone++;
    control_ok(ctx);
    watched = NULL;
    loop_stop(loop);
}

static void run_watch(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    (void)ctx, (void)args, (void)count;
    watched = call;
    control_watch(call, on_gone, call);
    control_row(call, &SPAN("first"), 1);
    timer_start(&timer, loop, 1, stop, loop); /* the row is written by then */
}

static bool is_under_way(void *ctx, struct span name)
{
    assert_ptr_equal(ctx, &looks);
    assert_true(span_eq(name, SPAN("it")));
    return ++looks < 3;
}

static void tell_looks(void *ctx, struct control_call *call, struct span name)
{
    assert_ptr_equal(ctx, &looks);
    control_row_number(call, name, looks);
    control_ok(call);
    timer_start(&timer, loop, 1, stop, loop);
}

static void run_wait(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    static const struct control_waiting what = {is_under_way, tell_looks};
    char name[] = "it";
    (void)ctx, (void)args, (void)count;
    control_wait(call, loop, &what, &looks, span_of(name));
    name[0] = 'x';
}

static void run_rows(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    char *items[] = {"127.0.0.1:1", "[::1]:1"};
    (void)ctx, (void)args, (void)count;
    control_row2(call, SPAN("name"), SPAN("value"));
    control_row_number(call, SPAN("most"), UINT64_MAX);
    control_row_list(call, SPAN("two"), &(struct conf_list){items, 2});
    control_row_list(call, SPAN("none"), &(struct conf_list){NULL, 0});
    control_row_lines(call, SPAN("line"), SPAN("one\n\nthree\n"));
    control_row_lines(call, SPAN("open"), SPAN("end"));
    control_row_lines(call, SPAN("empty"), SPAN(""));
    control_ok(call);
    timer_start(&timer, loop, 1, stop, loop);
}

static const struct control_command commands[] = {
    {"watch", 0, 0, "watch", run_watch},
    {"wait", 0, 0, "wait", run_wait},
    {"rows", 0, 0, "rows", run_rows},
    {.name = NULL},
};

static void quiet(void *ctx, struct span line)
{
    (void)ctx, (void)line;
}

static int connect_and_say(const char *text)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    assert_int_equal(send(fd, text, strlen(text), 0), (ssize_t)strlen(text));
    return fd;
}

static void assert_heard(int fd, const char *expected)
{
    char text[256];
    ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
    assert_true(n > 0);
    text[n] = '\0';
    assert_string_equal(text, expected);
}

static int setup(void **state)
{
    int error;

    (void)state;
    log_set_sink(quiet, NULL);
    loop = loop_new();
    control = control_new(loop, path, commands, NULL, &error);
    assert_non_null(control);
    gone = 0;
    looks = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    timer_stop(&timer);
    control_free(&control);
    loop_free(&loop);
    log_set_sink(NULL, NULL);
    return 0;
}

static void hanging_up_is_told_once(void **state)
{
    int fd = connect_and_say("watch\n");

    (void)state;
    loop_run(loop);
    assert_heard(fd, "first\n");
    assert_int_equal(control_queued(watched), 0);
    assert_int_equal(gone, 0);
    close(fd);
    loop_run(loop); /* on_gone stops it */
    assert_int_equal(gone, 1);
}

static void what_is_not_read_is_counted(void **state)
{
    int fd = connect_and_say("watch\n");
    char word[1024];

    (void)state;
    loop_run(loop);
    memset(word, 'x', sizeof(word));
    for (int i = 0; i < 1024; i++)
        control_row(watched, &(struct span){word, sizeof(word)}, 1);
    assert_true(control_queued(watched) >= sizeof(word) * 1024);
    timer_start(&timer, loop, 1, stop, loop);
    loop_run(loop); /* the system's buffer takes some */
    assert_in_range(control_queued(watched), 1, sizeof(word) * 1024);
    control_ok(watched); /* ended from this side: nobody is told */
    close(fd);
    timer_start(&timer, loop, 10, stop, loop);
    loop_run(loop);
    assert_int_equal(gone, 0);
}

static void two_watches_on_one_connection(void **state)
{
    int fd = connect_and_say("watch\nwatch\n");

    (void)state;
    loop_run(loop);
    assert_heard(fd, "first\n");
    control_ok(watched); /* the second request has waited */
    loop_run(loop);
    assert_heard(fd, ".ok\nfirst\n");
    close(fd);
    loop_run(loop);
    assert_int_equal(gone, 1);
}

static void reload_needs_a_daemon(void **state)
{
    int fd = connect_and_say("reload\nwatch\n");

    (void)state;
    loop_run(loop);
    assert_heard(fd, ".error\tnot running\nfirst\n");
    close(fd);
    loop_run(loop);
}

static void waits_until_it_is_over(void **state)
{
    int fd = connect_and_say("wait\n");

    (void)state;
    loop_run(loop);
    assert_heard(fd, "it\t3\n.ok\n");
    assert_int_equal(send(fd, "wait\n", 5, 0), 5); /* what is over is told at once */
    loop_run(loop);
    assert_heard(fd, "it\t4\n.ok\n");
    close(fd);
}

static void names_and_values_are_rows(void **state)
{
    int fd = connect_and_say("rows\n");

    (void)state;
    loop_run(loop);
    assert_heard(fd, "name\tvalue\nmost\t18446744073709551615\n"
                     "two\t127.0.0.1:1 [::1]:1\nnone\t\n"
                     "line\tone\nline\t\nline\tthree\nopen\tend\n.ok\n");
    close(fd);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(hanging_up_is_told_once),
        TEST(what_is_not_read_is_counted),
        TEST(two_watches_on_one_connection),
        TEST(reload_needs_a_daemon),
        TEST(waits_until_it_is_over),
        TEST(names_and_values_are_rows),
    };
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/x.ctl", directory);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(directory);
    return failed;
}
