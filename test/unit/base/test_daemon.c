/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tests of base/daemon: whole processes, steered by signals and watched through the service
 * manager's socket and their log.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- the daemon --- */

struct demo_conf {
    int64_t value;
    int log_level;
};

static const struct conf_key keys[] = {
    {.section = "demo", .name = "value", .type = CONF_INT,
     .offset = offsetof(struct demo_conf, value), .max = 100, .help = "Value"},
    {.section = "demo", .name = "log_level", .type = CONF_ENUM,
     .offset = offsetof(struct demo_conf, log_level), .default_value = "info",
     .choices = log_level_names, .help = "Level"},
    {.name = NULL},
};
static const struct conf_spec conf_spec = {.keys = keys, .size = sizeof(struct demo_conf)};

static int64_t value_of(const struct daemon *d)
{
    return ((const struct demo_conf *)d->conf)->value;
}

/* 13 passes the table, but not this. */
static bool demo_check(const struct daemon *d, char error_r[CONF_ERROR_MAX])
{
    if (value_of(d) == 13)
        snprintf(error_r, CONF_ERROR_MAX, "13 brings bad luck");
    return value_of(d) != 13;
}

static bool demo_start(struct daemon *d, char error_r[CONF_ERROR_MAX])
{
    if (value_of(d) == 99) {
        snprintf(error_r, CONF_ERROR_MAX, "99 cannot start");
        return false;
    }
    d->state = mem_alloc(1);
    return true;
}

static bool demo_reload(struct daemon *d, const void *old, char error_r[CONF_ERROR_MAX])
{
    if (value_of(d) == 77)
        snprintf(error_r, CONF_ERROR_MAX, "77 cannot be reloaded");
    LOG(LOG_INFO, "demo.reload", F_INT("old", ((const struct demo_conf *)old)->value),
        F_INT("new", value_of(d)));
    return value_of(d) != 77;
}

static void demo_stop(struct daemon *d)
{
    LOG(LOG_INFO, "demo.stop", F_INT("value", value_of(d)), F_STR("instance", d->instance));
    if (value_of(d) != 66) /* one that does not come to an end */
        daemon_stopped(d);
}

static void demo_free(struct daemon *d)
{
    free(d->state);
    LOG(LOG_INFO, "demo.free");
}

static const struct daemon_spec spec = {
    .name = "demo",
    .default_instance = "demo-1",
    .conf = &conf_spec,
    .secret_conf = true,
    .log_level_offset = offsetof(struct demo_conf, log_level),
    .check = demo_check,
    .start = demo_start,
    .reload = demo_reload,
    .stop = demo_stop,
    .free = demo_free,
};

/* --- running it --- */

struct fixture {
    char dir[32], conf[64], notify[64];
    int notify_fd;
    pid_t pid;
    int out_fd, err_fd;
    struct buf out, err;
};

static struct fixture *f;

static void write_conf(const char *text)
{
    int fd = open(f->conf, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static int setup(void **state)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct timeval timeout = {.tv_sec = 60};

    (void)state;
    f = mem_zalloc(sizeof(*f));
    snprintf(f->dir, sizeof(f->dir), "/tmp/test-daemon-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->conf, sizeof(f->conf), "%s/demo.conf", f->dir);
    snprintf(f->notify, sizeof(f->notify), "%s/notify", f->dir);
    memcpy(un.sun_path, f->notify, strlen(f->notify));
    f->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->notify_fd, (struct sockaddr *)&un, sizeof(un)), 0);
    setsockopt(f->notify_fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    setenv("NOTIFY_SOCKET", f->notify, 1);
    write_conf("[demo]\nvalue = 1\n");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close(f->notify_fd);
    unlink(f->notify);
    unlink(f->conf);
    rmdir(f->dir);
    buf_free(&f->out);
    buf_free(&f->err);
    free(f);
    return 0;
}

static void child(int out, int err, char **argv)
{
    int argc = 0;

    while (argv[argc])
        argc++;
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    assert_int_equal(chdir(f->dir), 0);
    exit(daemon_main(argc, argv, &spec));
}

static void start(char **argv)
{
    int out[2], err[2];

    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(err, O_CLOEXEC), 0);
    fflush(NULL);
    f->pid = fork();
    assert_true(f->pid >= 0);
    if (f->pid == 0)
        child(out[1], err[1], argv);
    close(out[1]);
    close(err[1]);
    f->out_fd = out[0];
    f->err_fd = err[0];
}

#define START(...) start((char *[]){"kontalk-demo", __VA_ARGS__, NULL})

static void drain(int fd, struct buf *to)
{
    buf_clear(to);
    for (;;) {
        ssize_t n = read(fd, buf_reserve(to, 4096), 4096);
        if (n <= 0)
            break;
        buf_commit(to, (size_t)n);
    }
    close(fd);
}

/* Collects what it said; returns its exit status. */
static int finish(void)
{
    int status;

    drain(f->out_fd, &f->out);
    drain(f->err_fd, &f->err);
    assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void assert_notified(const char *want)
{
    char got[256];
    ssize_t n = recv(f->notify_fd, got, sizeof(got) - 1, 0);

    assert_true(n > 0);
    got[n] = '\0';
    assert_int_equal(strncmp(got, want, strlen(want)), 0);
}

static void reload_with(const char *conf)
{
    write_conf(conf);
    kill(f->pid, SIGHUP);
    assert_notified("RELOADING=1\nMONOTONIC_USEC=");
    assert_notified("READY=1");
}

#define assert_said(text) assert_non_null(strstr(buf_z(&f->err), text))
#define assert_not_said(text) assert_null(strstr(buf_z(&f->err), text))

/* --- tests --- */

static void test_arguments(void **state)
{
    (void)state;
    START("--version");
    assert_int_equal(finish(), 0);
    assert_string_equal(buf_z(&f->out), "kontalk-demo " KONTALK_VERSION "\n");
    START("--help");
    assert_int_equal(finish(), 0);
    assert_int_equal(strncmp(buf_z(&f->out), "usage: kontalk-demo [-c FILE]", 29), 0);
    START("--defaults");
    assert_int_equal(finish(), 0);
    assert_non_null(strstr(buf_z(&f->out), "log_level = info\n"));
    START("--nonsense");
    assert_int_equal(finish(), 2);
    START("word");
    assert_int_equal(finish(), 2);
    START("-c");
    assert_int_equal(finish(), 2);
    START("-i", "../x");
    assert_int_equal(finish(), 2);
}

static void test_check_only(void **state)
{
    char want[128];

    (void)state;
    START("-t", "-c", "demo.conf"); /* relative to its directory */
    assert_int_equal(finish(), 0);
    snprintf(want, sizeof(want), "%s: ok\n", f->conf);
    assert_string_equal(buf_z(&f->out), want);
    assert_string_equal(buf_z(&f->err), "");
    write_conf("[demo]\nvalue = 101\n");
    START("-t", "-c", f->conf);
    assert_int_equal(finish(), 1);
    snprintf(want, sizeof(want), "%s:2: value must be a number from 0 to 100\n", f->conf);
    assert_string_equal(buf_z(&f->err), want);
    assert_string_equal(buf_z(&f->out), "");
    write_conf("[demo]\nvalue = 13\n");
    START("-t", "-c", f->conf);
    assert_int_equal(finish(), 1);
    assert_string_equal(buf_z(&f->err), "13 brings bad luck\n");
    chmod(f->conf, 0644);
    START("-t", "-c", f->conf);
    assert_int_equal(finish(), 1);
    assert_said("everybody may read it");
}

static void test_orderly_life(void **state)
{
    (void)state;
    START("-c", f->conf, "-i", "demo-7");
    assert_notified("READY=1");
    kill(f->pid, SIGTERM);
    assert_notified("STOPPING=1");
    assert_int_equal(finish(), 0);
    assert_said("proc=demo-7 ev=daemon.start");
    assert_said("ev=demo.stop value=1 instance=demo-7");
    assert_said("ev=demo.free");
    assert_said("ev=daemon.end forced=0");
}

static void test_interrupt(void **state)
{
    (void)state;
    START("-c", f->conf);
    assert_notified("READY=1");
    kill(f->pid, SIGINT);
    assert_int_equal(finish(), 0);
    assert_said("instance=demo-1");
}

/* A process that hangs in its stop ends at the second signal (and after 10 s by itself). */
static void test_second_signal(void **state)
{
    (void)state;
    write_conf("[demo]\nvalue = 66\n");
    START("-c", f->conf);
    assert_notified("READY=1");
    kill(f->pid, SIGTERM);
    assert_notified("STOPPING=1");
    kill(f->pid, SIGTERM);
    assert_int_equal(finish(), 1);
    assert_not_said("ev=daemon.stop.late");
    assert_not_said("ev=demo.free"); /* threads may still come back to what would be freed */
    assert_said("ev=daemon.end forced=1");
}

static void test_cannot_start(void **state)
{
    (void)state;
    write_conf("[demo]\nvalue = 99\n");
    START("-c", f->conf);
    assert_int_equal(finish(), 1);
    assert_said("lvl=error proc=demo-1 ev=daemon.start.failed err=\"99 cannot start\"");
    assert_not_said("ev=demo.free"); /* there was no state */
    START("-c", "/nonexistent/demo.conf");
    assert_int_equal(finish(), 1);
    assert_said("/nonexistent/demo.conf: cannot be opened");
}

static void test_reload(void **state)
{
    (void)state;
    START("-c", "demo.conf");
    assert_notified("READY=1");
    reload_with("[demo]\nvalue = 2\n");
    reload_with("[demo]\nvalue = 3\nlog_level = error\n");
    reload_with("[demo]\nvalue = 4\n");
    kill(f->pid, SIGTERM);
    assert_int_equal(finish(), 0);
    assert_said("ev=demo.reload old=1 new=2");
    assert_said("ev=demo.reload old=2 new=3"); /* logged before the level changed */
    assert_not_said("old=3 new=4");            /* and not while it was error */
    assert_said("ev=demo.stop value=4");
}

/* A bad configuration is refused, whoever finds the fault, and the old one stays. */
static void test_bad_reload_keeps_the_old(void **state)
{
    (void)state;
    START("-c", f->conf);
    assert_notified("READY=1");
    reload_with("[demo]\nvalue = many\n");
    reload_with("[demo]\nvalue = 13\n");
    reload_with("[demo]\nvalue = 77\nlog_level = error\n");
    unlink(f->conf);
    kill(f->pid, SIGHUP);
    assert_notified("RELOADING=1");
    assert_notified("READY=1");
    kill(f->pid, SIGTERM);
    assert_int_equal(finish(), 0);
    assert_said("lvl=error proc=demo-1 ev=daemon.reload.refused");
    assert_said("value must be a number");
    assert_said("13 brings bad luck");
    assert_said("77 cannot be reloaded");
    assert_said("cannot be opened");
    assert_said("ev=demo.stop value=1");
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_arguments),     TEST(test_check_only),
        TEST(test_orderly_life),  TEST(test_interrupt),
        TEST(test_second_signal), TEST(test_cannot_start),
        TEST(test_reload),        TEST(test_bad_reload_keeps_the_old),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
