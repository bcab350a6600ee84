/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A service from its main() to its end, in the test's own process: what is called when, and what
 * -t says about certificates.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/loop.h"
#include "xmpp/service.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct conf {
    char *cert, *key;
    bool is_good;
    int log_level;
};

static const struct conf_key keys[] = {
    {.section = "demo", .name = "cert", .type = CONF_STRING, .offset = offsetof(struct conf, cert),
     .default_value = "", .help = "Certificate"},
    {.section = "demo", .name = "key", .type = CONF_STRING, .offset = offsetof(struct conf, key),
     .default_value = "", .help = "Key"},
    {.section = "demo", .name = "is_good", .type = CONF_BOOL,
     .offset = offsetof(struct conf, is_good), .default_value = "true", .help = "Good"},
    {.section = "demo", .name = "log_level", .type = CONF_ENUM,
     .offset = offsetof(struct conf, log_level), .default_value = "error",
     .choices = log_level_names, .help = "Level"},
    {0},
};
static const struct conf_spec conf_spec = {.keys = keys, .size = sizeof(struct conf)};

static char path[] = "/tmp/service-XXXXXX";

static struct {
    struct daemon *daemon;
    struct timer timer;
    struct buf told;
    bool cannot_listen;
} demo;

static void write_conf(const char *text)
{
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void *make(struct daemon *d, char error_r[CONF_ERROR_MAX])
{
    const struct conf *conf = d->conf;
    demo.daemon = d;
    buf_append_z(&demo.told, conf->is_good ? "make " : "refuse ");
    snprintf(error_r, CONF_ERROR_MAX, "bad");
    return conf->is_good ? &demo : NULL;
}

/* A tick later: a good reload, a bad one, and the end. */
static void live(void *ctx)
{
    char error[CONF_ERROR_MAX];
    (void)ctx;
    assert_true(daemon_reload(error));
    write_conf("[demo]\nis_good = false\n");
    assert_false(daemon_reload(error));
    assert_string_equal(error, "not good");
    write_conf("[demo]\ncert = /nowhere/at/all\n");
    assert_false(daemon_reload(error));
    assert_non_null(strstr(error, "/nowhere/at/all"));
    raise(SIGTERM);
}

static bool start_listening(void *process, char error_r[CONF_ERROR_MAX])
{
    assert_ptr_equal(process, &demo);
    buf_append_z(&demo.told, "listen ");
    snprintf(error_r, CONF_ERROR_MAX, "cannot listen");
    timer_start(&demo.timer, demo.daemon->loop, 0, live, NULL);
    return !demo.cannot_listen;
}

static bool reload(void *process, const void *conf, char error_r[CONF_ERROR_MAX])
{
    assert_ptr_equal(process, &demo);
    buf_append_z(&demo.told, "reload ");
    snprintf(error_r, CONF_ERROR_MAX, "not good");
    return ((const struct conf *)conf)->is_good;
}

static void stop(void *process, void (*done)(void *ctx), void *ctx)
{
    assert_ptr_equal(process, &demo);
    buf_append_z(&demo.told, "stop ");
    done(ctx);
}

static void free_it(void *process)
{
    assert_ptr_equal(process, &demo);
    buf_append_z(&demo.told, "free");
    timer_stop(&demo.timer);
}

static struct service service = {
    .name = "demo",
    .default_instance = "demo-1",
    .conf = &conf_spec,
    .log_level_offset = offsetof(struct conf, log_level),
    .cert_offset = offsetof(struct conf, cert),
    .key_offset = offsetof(struct conf, key),
    .make = make,
    .listen = start_listening,
    .reload = reload,
    .stop = stop,
    .free = free_it,
};

static int run(const char *option)
{
    char *argv[] = {"kontalk-demo", "-c", path, (char *)(uintptr_t)option, NULL};
    buf_clear(&demo.told);
    return service_main(option ? 4 : 3, argv, &service);
}

static void from_start_to_end(void **state)
{
    (void)state;
    service.may_lack_cert = true;
    write_conf("[demo]\n");
    assert_int_equal(run(NULL), 0);
    assert_string_equal(buf_z(&demo.told), "make listen reload reload stop free");
}

static void cannot_start(void **state)
{
    (void)state;
    write_conf("[demo]\nis_good = false\n");
    assert_int_equal(run(NULL), 1);
    assert_string_equal(buf_z(&demo.told), "refuse ");
    write_conf("[demo]\n");
    demo.cannot_listen = true;
    assert_int_equal(run(NULL), 1);
    assert_string_equal(buf_z(&demo.told), "make listen free");
    demo.cannot_listen = false;
}

static void looks_at_the_certificate(void **state)
{
    (void)state;
    service.may_lack_cert = true;
    write_conf("[demo]\n");
    assert_int_equal(run("-t"), 0);
    write_conf("[demo]\ncert = /nowhere/at/all\n");
    assert_int_equal(run("-t"), 1);
    service.may_lack_cert = false;
    write_conf("[demo]\n");
    assert_int_equal(run("-t"), 1);
    assert_string_equal(buf_z(&demo.told), "");
}

static void quiet(void *ctx, struct span line)
{
    (void)ctx;
    (void)line;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_start_to_end),
        cmocka_unit_test(cannot_start),
        cmocka_unit_test(looks_at_the_certificate),
    };
    int fd = mkstemp(path);
    log_set_sink(quiet, NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    close(fd);
    unlink(path);
    buf_free(&demo.told);
    return failed;
}
