/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_listen - listening sockets: sharing a port, Unix files, and the end of descriptors.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/listen.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct loop *loop;
static char dir[] = "/tmp/test_listen.XXXXXX";
static int accepted, wanted;
static struct timer give_up, look;

static void on_accept(void *ctx, struct conn *c)
{
    accepted++;
    if (ctx) {
        conn_close(c);
    } else {
        conn_set_handler(c, NULL, NULL);
        conn_pause(c); /* stays open until loop_free */
    }
}

static void on_give_up(void *ctx)
{
    (void)ctx;
    fail_msg("waited 20 s in vain");
}

static void on_look(void *ctx)
{
    (void)ctx;
    if (accepted >= wanted)
        loop_stop(loop);
    else
        timer_start(&look, loop, 1, on_look, NULL);
}

static void run_until_accepted(int count)
{
    wanted = count;
    timer_start(&give_up, loop, 20000, on_give_up, NULL);
    timer_start(&look, loop, 0, on_look, NULL);
    loop_run(loop);
    timer_stop(&give_up);
    assert_int_equal(accepted, count);
}

static void on_stop(void *ctx)
{
    (void)ctx;
    loop_stop(loop);
}

static void run_for(uint64_t ms)
{
    timer_start(&look, loop, ms, on_stop, NULL);
    loop_run(loop);
}

static struct addr address(const char *text)
{
    struct addr a;

    assert_int_equal(addr_parse(span_of(text), &a), 0);
    return a;
}

static struct addr unix_address(const char *name, char path_r[108])
{
    char text[ADDR_TEXT_MAX];

    snprintf(path_r, 108, "%s/%s", dir, name);
    snprintf(text, sizeof(text), "unix:%s", path_r);
    return address(text);
}

/* A plain, blocking client; -1 when refused. */
static int dial(const struct addr *to)
{
    int fd = socket(to->ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    if (connect(fd, (const struct sockaddr *)&to->ss, to->len) == 0)
        return fd;
    close(fd);
    return -1;
}

static int set_up(void **state)
{
    (void)state;
    loop = loop_new();
    accepted = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(&loop);
    return 0;
}

static void test_tcp(void **state)
{
    static const char *const addresses[] = {"127.0.0.1:0", "[::1]:0"};
    int error;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct addr at = address(addresses[i]);
        struct listener *l = listener_new(loop, &at, NULL, on_accept, loop, &error);
        if (!l && error == -EADDRNOTAVAIL)
            continue; /* a host without IPv6 */
        assert_non_null(l);
        assert_int_equal(error, 0);
        assert_true(addr_port(listener_addr(l)) > 0);
        int fds[100];
        for (int k = 0; k < 100; k++) /* more than one wake-up accepts */
            fds[k] = dial(listener_addr(l));
        accepted = 0;
        run_until_accepted(100);
        for (int k = 0; k < 100; k++)
            close(fds[k]);
        at = *listener_addr(l);
        listener_free(&l);
        assert_null(l);
        assert_int_equal(dial(&at), -1);
    }
}

static void on_accept_look(void *ctx, struct conn *c)
{
    static const struct {
        int level, name, value;
    } want[] = {{IPPROTO_TCP, TCP_NODELAY, 1},    {SOL_SOCKET, SO_KEEPALIVE, 1},
                {IPPROTO_TCP, TCP_KEEPIDLE, 300}, {IPPROTO_TCP, TCP_KEEPINTVL, 20},
                {IPPROTO_TCP, TCP_KEEPCNT, 3},    {IPPROTO_TCP, TCP_USER_TIMEOUT, 60000}};

    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        int value = 0;
        socklen_t len = sizeof(value);
        assert_int_equal(getsockopt(conn_fd(c), want[i].level, want[i].name, &value, &len), 0);
        assert_int_equal(value, want[i].value);
    }
    on_accept(ctx, c);
}

/* A newcomer has the options of its listener. */
static void test_options(void **state)
{
    int error;
    struct addr at = address("127.0.0.1:0");

    (void)state;
    struct listener *l = listener_new(loop, &at, NULL, on_accept_look, loop, &error);
    assert_non_null(l);
    int fd = dial(listener_addr(l));
    run_until_accepted(1);
    close(fd);
    listener_free(&l);
}

static void test_shared_port(void **state)
{
    const struct listen_opts shared = {.reuseport = true};
    struct addr at = address("127.0.0.1:0");
    int error;

    (void)state;
    struct listener *first = listener_new(loop, &at, &shared, on_accept, NULL, &error);
    at = *listener_addr(first);
    struct listener *second = listener_new(loop, &at, &shared, on_accept, NULL, &error);
    assert_non_null(second);
    assert_null(listener_new(loop, &at, NULL, on_accept, NULL, &error));
    assert_int_equal(error, -EADDRINUSE);
    listener_free(&first);
    int fd = dial(&at);
    run_until_accepted(1);
    close(fd);
    listener_free(&second);
    listener_free(&second);
}

/* "[::]" leaves the same port of IPv4 to another listener. */
static void test_v6_only(void **state)
{
    struct addr v6 = address("[::]:0");
    char text[ADDR_TEXT_MAX];
    int error;

    (void)state;
    struct listener *l = listener_new(loop, &v6, NULL, on_accept, NULL, &error);
    if (!l)
        skip(); /* a host without IPv6 */
    snprintf(text, sizeof(text), "127.0.0.1:%u", addr_port(listener_addr(l)));
    struct addr v4 = address(text);
    assert_int_equal(dial(&v4), -1);
    listener_free(&l);
}

static void test_errors(void **state)
{
    static const struct {
        const char *at;
        int error;
    } cases[] = {
        {"192.0.2.1:0", -EADDRNOTAVAIL},
        {"unix:/nonexistent/socket", -ENOENT},
        {"unix:/dev/null", -EADDRINUSE}, /* no socket: never removed */
    };
    struct loop *sim = loop_new_sim();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct addr at = address(cases[i].at);
        int error = 0;
        assert_null(listener_new(loop, &at, NULL, on_accept, NULL, &error));
        assert_int_equal(error, cases[i].error);
        assert_null(listener_new(sim, &at, NULL, on_accept, NULL, &error));
        assert_int_equal(error, -ENETUNREACH);
    }
    assert_int_equal(access("/dev/null", F_OK), 0);
    loop_free(&sim);
}

/* --- Unix sockets --- */

static void test_unix(void **state)
{
    static const unsigned modes[] = {0, 0600, 0660, 0666};
    char path[108];
    struct addr at = unix_address("s", path);
    struct stat st;
    int error;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        const struct listen_opts opts = {.unix_mode = modes[i]};
        struct listener *l = listener_new(loop, &at, &opts, on_accept, loop, &error);
        assert_int_equal(error, 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, modes[i] ? modes[i] : 0600);
        assert_null(listener_new(loop, &at, NULL, on_accept, NULL, &error));
        assert_int_equal(error, -EADDRINUSE);
        int fd = dial(&at);
        assert_true(fd >= 0);
        /* The probe of the second listener is accepted, too. */
        accepted = 0;
        run_until_accepted(2);
        close(fd);
        listener_free(&l);
        assert_int_equal(access(path, F_OK), -1);
    }
}

/* A file that a dead process has left is replaced. */
static void test_unix_stale(void **state)
{
    char path[108];
    struct addr at = unix_address("stale", path);
    int error, fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&at.ss, at.len), 0);
    close(fd);
    assert_int_equal(access(path, F_OK), 0);
    struct listener *l = listener_new(loop, &at, NULL, on_accept, NULL, &error);
    assert_non_null(l);
    fd = dial(&at);
    assert_true(fd >= 0);
    close(fd);
    listener_free(&l);
}

/* What another process has put in the place of our file is not removed. */
static void test_unix_not_ours(void **state)
{
    char path[108];
    struct addr at = unix_address("theirs", path);
    int error;

    (void)state;
    struct listener *l = listener_new(loop, &at, NULL, on_accept, NULL, &error);
    char kept[120];
    snprintf(kept, sizeof(kept), "%s.old", path);
    assert_int_equal(rename(path, kept), 0); /* so that its inode is not used again */
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    listener_free(&l);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(kept), 0);
}

/* --- out of descriptors (R02) --- */

static int full_lines;

static void count_full(void *ctx, struct span line)
{
    (void)ctx;
    if (memmem(line.p, line.n, "listen.full", 11))
        full_lines++;
}

static uint64_t cpu_us(void)
{
    struct rusage use;

    getrusage(RUSAGE_SELF, &use);
    return (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

#define WAITING 20

static void test_no_descriptors(void **state)
{
    struct addr at = address("127.0.0.1:0");
    struct rlimit old, low;
    int error, waiting[WAITING], turned_away = 0;
    char c;

    (void)state;
    full_lines = 0;
    log_set_sink(count_full, NULL);
    struct listener *l = listener_new(loop, &at, NULL, on_accept, NULL, &error);
    for (int i = 0; i < WAITING; i++)
        waiting[i] = dial(listener_addr(l)); /* in the backlog, not yet accepted */
    int lowest_free = dup(0);
    close(lowest_free);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)lowest_free;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);

    uint64_t cpu = cpu_us(), begin = loop_now(loop);
    run_for(250); /* rounds: at once, and after each pause */
    cpu = cpu_us() - cpu;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(accepted, 0);
    assert_int_equal(full_lines, 1);
    assert_true(cpu < 150000); /* it waits instead of spinning */
    for (int i = 0; i < WAITING; i++)
        turned_away += recv(waiting[i], &c, 1, MSG_DONTWAIT) == 0;
    /* One a round; under valgrind two, as its accept closes what it refuses. */
    assert_in_range(turned_away, 2, 2 * ((loop_now(loop) - begin) / 100 + 1));

    run_until_accepted(WAITING - turned_away);
    for (int i = 0; i < WAITING; i++)
        close(waiting[i]);
    log_set_sink(NULL, NULL);
    listener_free(&l);
}

/* Newcomers do not get the last ones: the process itself must still connect and open files. */
static void test_spares_descriptors(void **state)
{
    struct addr at = address("127.0.0.1:0");
    struct rlimit old, low;
    int error, waiting[WAITING], own[10];

    (void)state;
    log_set_sink(count_full, NULL);
    int lowest_free = dup(0);
    close(lowest_free);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)lowest_free + 48;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    struct listener *l = listener_new(loop, &at, NULL, on_accept, NULL, &error);
    for (int i = 0; i < WAITING; i++)
        waiting[i] = dial(listener_addr(l));
    run_for(250);
    assert_in_range(accepted, 1, WAITING - 1);
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        assert_true((own[i] = dup(0)) >= 0);
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        close(own[i]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    for (int i = 0; i < WAITING; i++)
        close(waiting[i]);
    log_set_sink(NULL, NULL);
    listener_free(&l);
}

/* --- freeing --- */

static void free_listener(void *ctx, struct conn *c)
{
    accepted++;
    conn_close(c);
    listener_free(ctx);
}

static void test_free_inside(void **state)
{
    struct addr at = address("127.0.0.1:0");
    struct listener *l;
    int error;

    (void)state;
    l = listener_new(loop, &at, NULL, free_listener, &l, &error);
    int first = dial(listener_addr(l)), second = dial(listener_addr(l));
    run_until_accepted(1);
    assert_null(l);
    close(first);
    close(second);
    /* One that nobody frees goes with the loop, and its file. */
    char path[108];
    at = unix_address("left", path);
    assert_non_null(listener_new(loop, &at, NULL, on_accept, NULL, &error));
    loop_free(&loop);
    assert_int_equal(access(path, F_OK), -1);
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_tcp),
        CASE(test_options),
        CASE(test_shared_port),
        CASE(test_v6_only),
        CASE(test_errors),
        CASE(test_unix),
        CASE(test_unix_stale),
        CASE(test_unix_not_ours),
        CASE(test_no_descriptors),
        CASE(test_spares_descriptors),
        CASE(test_free_inside),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
