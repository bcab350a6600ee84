/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tests of base/control: both sides over a real socket. The asking side blocks, so it runs on a
 * thread of its own while the loop runs here; nothing is asserted on that thread.
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

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
    char dir[32], path[64];
    struct loop *loop;
    struct control *control;
    struct timer timer;
    struct control_call *slow; /* under way */
    int runs;
    /* what the asking side got */
    int result;
    char error[256];
    struct buf got;
};

static struct fixture *f;

/* --- commands --- */

static void run_echo(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    (void)ctx;
    f->runs++;
    control_row(call, args, count);
    control_ok(call);
}

static void run_count(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    char text[32];
    struct span word;

    (void)ctx;
    (void)args;
    word = span_make(text, (size_t)snprintf(text, sizeof(text), "%zu", count));
    control_row(call, &word, 1);
    control_ok(call);
}

static void run_fail(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    (void)ctx;
    (void)args;
    (void)count;
    control_error(call, "no\tgood\n");
}

static void finish_slow(void *ctx)
{
    struct span word = SPAN_INIT("slow");

    (void)ctx;
    struct control_call *call = f->slow;
    f->slow = NULL;
    control_row(call, &word, 1);
    control_ok(call);
}

static void run_slow(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    (void)ctx;
    (void)args;
    (void)count;
    f->slow = call;
    timer_start(&f->timer, f->loop, 5, finish_slow, NULL);
}

static void run_hang(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    (void)ctx;
    (void)args;
    (void)count;
    f->slow = call;
    loop_stop(f->loop);
}

static void run_many(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    (void)ctx;
    for (int i = 0; i < 20000; i++)
        control_row(call, args, count);
    control_ok(call);
}

static const struct control_command commands[] = {
    {"echo", 0, 100, "echo [WORD ...]", run_echo},
    {"user add", 2, 1000, "user add JID PASSWORD ...", run_count},
    {"user", 0, 9, "user", run_fail},
    {"fail", 0, 0, "fail", run_fail},
    {"slow", 0, 0, "slow", run_slow},
    {"hang", 0, 0, "hang", run_hang},
    {"many", 1, 1, "many WORD", run_many},
    {.name = NULL},
};

/* --- running a blocking function beside the loop --- */

struct beside {
    void (*work)(void);
    struct loop_wakeup *wakeup;
};

static void *beside_thread(void *arg)
{
    struct beside *b = arg;
    b->work();
    loop_wakeup_send(b->wakeup);
    return NULL;
}

static void stop_loop(void *ctx)
{
    loop_stop(ctx);
}

static void run_beside(void (*work)(void))
{
    struct beside b = {work, loop_wakeup_new(f->loop, stop_loop, f->loop)};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, beside_thread, &b), 0);
    loop_run(f->loop);
    pthread_join(thread, NULL);
    loop_wakeup_free(&b.wakeup);
}

static void quiet(void *ctx, struct span line)
{
    (void)ctx;
    (void)line;
}

static int setup(void **state)
{
    int error;

    (void)state;
    log_set_sink(quiet, NULL);
    f = mem_zalloc(sizeof(*f));
    snprintf(f->dir, sizeof(f->dir), "/tmp/test-control-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/x.ctl", f->dir);
    f->loop = loop_new();
    f->control = control_new(f->loop, f->path, commands, NULL, &error);
    assert_non_null(f->control);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    timer_stop(&f->timer);
    control_free(&f->control);
    if (f->slow) /* the asker went, and perhaps the test was faster than the answer */
        control_ok(f->slow);
    assert_int_equal(access(f->path, F_OK), -1); /* the socket's file is gone */
    loop_free(&f->loop);
    rmdir(f->dir);
    buf_free(&f->got);
    free(f);
    log_set_sink(NULL, NULL);
    return 0;
}

/* --- asking --- */

static const struct span *ask_words;
static size_t ask_count;

static void on_row(void *ctx, const struct span *words, size_t count)
{
    (void)ctx;
    for (size_t i = 0; i < count; i++) {
        buf_append_char(&f->got, '<');
        buf_append(&f->got, words[i]);
        buf_append_char(&f->got, '>');
    }
    buf_append_char(&f->got, ';');
}

static void do_ask(void)
{
    f->result = control_ask(f->path, ask_words, ask_count, on_row, NULL, f->error);
}

static void ask(const struct span *words, size_t count)
{
    ask_words = words;
    ask_count = count;
    buf_clear(&f->got);
    run_beside(do_ask);
}

#define ASK(...)                                                                                   \
    ask((const struct span[]){__VA_ARGS__},                                                        \
        sizeof((const struct span[]){__VA_ARGS__}) / sizeof(struct span))

static void assert_echo_works(void)
{
    ASK(SPAN("echo"), SPAN("hi"));
    assert_int_equal(f->result, 0);
    assert_string_equal(buf_z(&f->got), "<hi>;");
}

/* A connection of one's own, for what control_ask would never send. */
static int raw_connect(void)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct timeval timeout = {.tv_sec = 20};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(un.sun_path, f->path, strlen(f->path));
    if (connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    return fd;
}

/* Everything up to the end of the stream. */
static void raw_receive(int fd)
{
    char bytes[4096];

    for (ssize_t n; (n = recv(fd, bytes, sizeof(bytes), 0)) > 0;)
        buf_append(&f->got, span_make(bytes, (size_t)n));
    close(fd);
}

static const char *raw_text;

static void do_raw(void)
{
    int fd = raw_connect();
    send(fd, raw_text, strlen(raw_text), MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    raw_receive(fd);
}

static void raw(const char *text)
{
    raw_text = text;
    buf_clear(&f->got);
    run_beside(do_raw);
}

/* --- tests --- */

static void test_words_arrive_as_sent(void **state)
{
    (void)state;
    ASK(SPAN("echo"), SPAN("a b"), SPAN(""), SPAN("t\tn\nr\rb\\"), SPAN("\\t"), SPAN(""));
    assert_int_equal(f->result, 0);
    assert_string_equal(buf_z(&f->got), "<a b><><t\tn\nr\rb\\><\\t><>;");
    ASK(SPAN("echo"), SPAN(".ok"), SPAN(".")); /* a row that looks like the end */
    assert_string_equal(buf_z(&f->got), "<.ok><.>;");
    ASK(SPAN("echo"));
    assert_string_equal(buf_z(&f->got), ";");
}

static void test_wire_form(void **state)
{
    (void)state;
    raw("echo\ta\\tb\tc\nfail\n");
    assert_string_equal(buf_z(&f->got), "a\\tb\tc\n.ok\n.error\tno\\tgood\\n\n");
}

static void test_refusals(void **state)
{
    (void)state;
    ASK(SPAN("fail"));
    assert_int_equal(f->result, 1);
    assert_string_equal(f->error, "no\tgood\n");
    ASK(SPAN("user"), SPAN("add"), SPAN("x"));
    assert_int_equal(f->result, 1);
    assert_string_equal(f->error, "usage: user add JID PASSWORD ...");
    ASK(SPAN("user"), SPAN("list")); /* the shorter name, with a word */
    assert_string_equal(f->error, "no\tgood\n");
    ASK(SPAN("useradd"));
    assert_int_equal(f->result, 1);
    assert_string_equal(f->error, "no such command");
    assert_echo_works();
}

static void test_many_words(void **state)
{
    static struct span words[1200];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        words[i] = SPAN("w");
    words[0] = SPAN("user");
    words[1] = SPAN("add");
    ask(words, 1002);
    assert_int_equal(f->result, 0);
    assert_string_equal(buf_z(&f->got), "<1000>;");
    ask(words, 1200);
    assert_int_equal(f->result, 1);
}

static void test_large_answer(void **state)
{
    (void)state;
    ASK(SPAN("many"), SPAN("0123456789012345678901234567890123456789"));
    assert_int_equal(f->result, 0);
    assert_int_equal(buf_len(&f->got), 20000 * 43);
}

static void test_answers_in_order(void **state)
{
    (void)state;
    raw("echo\t1\nslow\necho\t2\nslow\nslow\necho\t3\n");
    assert_string_equal(buf_z(&f->got),
                        "1\n.ok\nslow\n.ok\n2\n.ok\nslow\n.ok\nslow\n.ok\n3\n.ok\n");
}

static void test_garbage(void **state)
{
    static const char *const cases[] = {
        "\n",      "\t\t\t\n", "\x01\x02\xff\xfe\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "\\\n",    "echo", /* no line at all */
        "echo\\\n"         /* an escape without its letter */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        raw(cases[i]); /* returns: the connection was closed */
        assert_null(strstr(buf_z(&f->got), ".ok"));
    }
    assert_int_equal(f->runs, 0);
    assert_echo_works();
}

static size_t sent;

static void do_endless_line(void)
{
    static char block[65536];
    int fd = raw_connect();

    memset(block, 'x', sizeof(block));
    for (sent = 0; sent < (size_t)1 << 30;) {
        ssize_t n = send(fd, block, sizeof(block), MSG_NOSIGNAL);
        if (n <= 0)
            break;
        sent += (size_t)n;
    }
    close(fd);
}

static void test_endless_line(void **state)
{
    (void)state;
    run_beside(do_endless_line);
    assert_true(sent < 4 << 20);
    assert_echo_works();
}

static int held[64];
static size_t held_open;

static void do_hold(void)
{
    char byte;

    for (size_t i = 0; i < ARRAY_LEN(held); i++) {
        held[i] = raw_connect();
        send(held[i], "ech", 3, MSG_NOSIGNAL);
    }
    /* Those over the limit are closed at once: the last one is. */
    recv(held[ARRAY_LEN(held) - 1], &byte, 1, 0);
    held_open = 0;
    for (size_t i = 0; i < ARRAY_LEN(held); i++)
        held_open += recv(held[i], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
    for (size_t i = 1; i < ARRAY_LEN(held); i++)
        close(held[i]);
}

static void test_half_open_peers(void **state)
{
    (void)state;
    run_beside(do_hold);
    assert_int_equal(held_open, 32);
    assert_echo_works(); /* one of them is still there */
    close(held[0]);
}

static void do_ask_and_go(void)
{
    int fd = raw_connect();
    send(fd, "slow\nslow\n", 10, MSG_NOSIGNAL);
    close(fd);
}

static void test_asker_gone(void **state)
{
    (void)state;
    run_beside(do_ask_and_go);
    for (int i = 0; i < 3; i++)
        assert_echo_works();
}

static void do_hang(void)
{
    f->result = control_ask(f->path, &SPAN("hang"), 1, NULL, NULL, f->error);
}

/* The call outlives the socket and the connection. */
static void test_freed_during_call(void **state)
{
    struct beside b = {do_hang, loop_wakeup_new(f->loop, stop_loop, f->loop)};
    pthread_t thread;

    (void)state;
    pthread_create(&thread, NULL, beside_thread, &b);
    loop_run(f->loop); /* run_hang stops it */
    assert_non_null(f->slow);
    control_free(&f->control);
    loop_run(f->loop); /* until the asker has seen the end */
    pthread_join(thread, NULL);
    loop_wakeup_free(&b.wakeup);
    assert_int_equal(f->result, -ECONNRESET);
    control_row(f->slow, &SPAN("late"), 1);
    control_ok(f->slow);
    f->slow = NULL;
}

/* Longer than a line may be, yet a line. */
static void test_long_line(void **state)
{
    struct buf text = {0};

    (void)state;
    buf_append_z(&text, "echo\t");
    while (buf_len(&text) < 66000)
        buf_append_char(&text, 'x');
    buf_append_char(&text, '\n');
    raw(buf_z(&text));
    assert_int_equal(buf_len(&f->got), 0);
    assert_int_equal(f->runs, 0);
    buf_free(&text);
}

static void test_private(void **state)
{
    struct stat st;
    int error = 0;

    (void)state;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_null(control_new(f->loop, f->path, commands, NULL, &error));
    assert_int_equal(error, -EADDRINUSE);
    assert_null(control_new(f->loop, "/nonexistent/x.ctl", commands, NULL, &error));
    assert_int_equal(error, -ENOENT);
}

static void do_ask_as_nobody(void)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        char byte;
        int fd = setgid(65534) == 0 && setuid(65534) == 0 ? raw_connect() : -1;
        if (fd < 0)
            _exit(3);
        send(fd, "echo\thi\n", 8, MSG_NOSIGNAL);
        _exit(recv(fd, &byte, 1, 0) > 0 ? 1 : 0);
    }
    waitpid(pid, &status, 0);
    f->result = WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static void test_other_uid(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    chmod(f->dir, 0755);
    chmod(f->path, 0666); /* even then */
    run_beside(do_ask_as_nobody);
    assert_int_equal(f->result, 0);
    assert_int_equal(f->runs, 0);
    assert_echo_works();
}

static void test_unreachable(void **state)
{
    char error[256], path[256];

    (void)state;
    assert_int_equal(control_ask("/nonexistent/x.ctl", &SPAN("a"), 1, NULL, NULL, error), -ENOENT);
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(control_ask(path, &SPAN("a"), 1, NULL, NULL, error), -ENAMETOOLONG);
}

static void test_split(void **state)
{
    char line[] = "a\\tb\t\\.c\t\td";
    struct span words[8];

    (void)state;
    assert_int_equal(control_split(line, strlen(line), words, 8), 4);
    assert_true(span_eq(words[0], SPAN("a\tb")));
    assert_true(span_eq(words[1], SPAN(".c")));
    assert_true(span_eq(words[2], SPAN("")));
    assert_true(span_eq(words[3], SPAN("d")));
    char again[] = "a\tb\tc";
    assert_int_equal(control_split(again, strlen(again), words, 2), 2);
    assert_int_equal(control_split(again, 0, words, 2), 0);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_words_arrive_as_sent),
        TEST(test_wire_form),
        TEST(test_refusals),
        TEST(test_many_words),
        TEST(test_large_answer),
        TEST(test_answers_in_order),
        TEST(test_garbage),
        TEST(test_endless_line),
        TEST(test_long_line),
        TEST(test_half_open_peers),
        TEST(test_asker_gone),
        TEST(test_freed_during_call),
        TEST(test_private),
        TEST(test_other_uid),
        cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
