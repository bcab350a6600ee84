/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * daemon - from main() to the loop and back: the order of starting, reloading and stopping.
 */
#include "base/daemon.h"

#include "base/daemon_private.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/map.h"
#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define STOP_MS 10000

const char *const log_level_names[] = {"error", "warn", "info", "debug", NULL};

/* The whole process; its first member is what the daemon sees. */
struct process {
    struct daemon d;
    const struct daemon_spec *spec;
    struct timer stop_timer;
    bool stopping, forced;
};

static struct process *running; /* one for each program: where daemon_reload is heard */

static struct process *process_of(struct daemon *d)
{
    return CONTAINER_OF(d, struct process, d);
}

static void apply_log_level(const struct process *p)
{
    const void *field = (const char *)p->d.conf + p->spec->log_level_offset;
    log_threshold = (enum log_level)(*(const int *)field);
}

/* --- stopping --- */

void daemon_stopped(struct daemon *d)
{
    timer_stop(&process_of(d)->stop_timer);
    loop_stop(d->loop);
}

static void on_stop_late(void *ctx)
{
    struct process *p = ctx;

    LOG(LOG_WARN, "daemon.stop.late", F_INT("ms", STOP_MS));
    p->forced = true;
    loop_stop(p->d.loop);
}

static void on_stop_signal(void *ctx, int signum)
{
    struct process *p = ctx;

    if (p->stopping) { /* the operator does not want to wait */
        p->forced = true;
        loop_stop(p->d.loop);
        return;
    }
    p->stopping = true;
    LOG(LOG_INFO, "daemon.stop", F_INT("signal", signum));
    daemon_notify("STOPPING=1");
    timer_start(&p->stop_timer, p->d.loop, STOP_MS, on_stop_late, p);
    if (p->spec->stop)
        p->spec->stop(&p->d);
    else
        daemon_stopped(&p->d);
}

/* --- reloading --- */

/* Takes the new configuration or puts the old one back; whichever loses is freed. */
static bool swap_conf(struct process *p, void *fresh, char error[CONF_ERROR_MAX])
{
    void *old = p->d.conf;

    p->d.conf = fresh;
    bool good = (!p->spec->check || p->spec->check(&p->d, error)) &&
                (!p->spec->reload || p->spec->reload(&p->d, old, error));
    if (!good) {
        p->d.conf = old;
        conf_free(p->spec->conf, &fresh);
        return false;
    }
    conf_free(p->spec->conf, &old);
    apply_log_level(p);
    return true;
}

bool daemon_reload(char error_r[CONF_ERROR_MAX])
{
    struct process *p = running;
    char reloading[64];

    error_r[0] = '\0';
    if (!p || p->stopping) {
        snprintf(error_r, CONF_ERROR_MAX, "not running");
        return false;
    }
    snprintf(reloading, sizeof(reloading), "RELOADING=1\nMONOTONIC_USEC=%llu",
             (unsigned long long)loop_now_us(p->d.loop));
    daemon_notify(reloading);
    void *fresh = conf_load(p->spec->conf, p->d.conf_path, p->spec->secret_conf, error_r);
    bool good = fresh && swap_conf(p, fresh, error_r);
    if (good)
        LOG(LOG_INFO, "daemon.reload", F_STR("file", p->d.conf_path));
    else
        LOG(LOG_ERROR, "daemon.reload.refused", F_STR("err", error_r));
    daemon_notify("READY=1");
    return good;
}

static void on_reload_signal(void *ctx, int signum)
{
    char error[CONF_ERROR_MAX];

    (void)ctx;
    (void)signum;
    daemon_reload(error);
}

/* --- starting --- */

/* The kernel's random bytes for this process; the first half is the stack protector's. */
static void seed_maps(void)
{
    const char *random = (const char *)getauxval(AT_RANDOM); // NOLINT: an address by contract
    uint64_t seed;

    if (random) {
        memcpy(&seed, random + 8, sizeof(seed));
        map_seed(seed);
    }
}

/* As many descriptors as the system gives: sessions need one each. */
static void raise_limits(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static void prepare(const struct process *p)
{
    signal(SIGPIPE, SIG_IGN);
    umask(0077);
    raise_limits();
    seed_maps();
    log_set_process(p->d.instance);
    apply_log_level(p);
    if (geteuid() == 0)
        LOG(LOG_WARN, "daemon.root",
            F_SPAN("hint", SPAN("an account of its own is safer than root")));
}

static int run(struct process *p)
{
    char error[CONF_ERROR_MAX] = "";

    prepare(p);
    p->d.loop = loop_new();
    running = p;
    loop_on_signal(p->d.loop, SIGTERM, on_stop_signal, p);
    loop_on_signal(p->d.loop, SIGINT, on_stop_signal, p);
    loop_on_signal(p->d.loop, SIGHUP, on_reload_signal, p);
    bool started = p->spec->start(&p->d, error);
    if (started) {
        LOG(LOG_INFO, "daemon.start", F_SPAN("version", SPAN(KONTALK_VERSION)),
            F_INT("pid", getpid()), F_STR("conf", p->d.conf_path));
        daemon_notify("READY=1");
        loop_run(p->d.loop);
    } else {
        LOG(LOG_ERROR, "daemon.start.failed", F_STR("err", error));
    }
    if (p->forced) {
        /* Cut short, streams, jobs and threads still refer to each other: nothing is freed. What
         * has been acknowledged is stored. */
        LOG(LOG_WARN, "daemon.end", F_INT("forced", 1));
        _exit(EXIT_FAILURE);
    }
    running = NULL;
    timer_stop(&p->stop_timer);
    if (p->spec->free && p->d.state)
        p->spec->free(&p->d);
    loop_free(&p->d.loop);
    if (started)
        LOG(LOG_INFO, "daemon.end", F_INT("forced", 0));
    return started ? 0 : 1;
}

/* -t: the verdict, for people and scripts. */
static int check(struct process *p)
{
    char error[CONF_ERROR_MAX] = "";

    if (p->spec->check && !p->spec->check(&p->d, error)) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    printf("%s: ok\n", p->d.conf_path);
    return 0;
}

int daemon_main(int argc, char **argv, const struct daemon_spec *spec)
{
    struct process p = {.spec = spec};
    struct daemon_args args;
    char error[CONF_ERROR_MAX];
    int status = daemon_args_read(argc, argv, spec, &args);

    if (status >= 0)
        return status;
    p.d.instance = args.instance;
    p.d.conf_path = args.conf_path;
    p.d.conf = conf_load(spec->conf, args.conf_path, spec->secret_conf, error);
    if (!p.d.conf) {
        fprintf(stderr, "%s\n", error);
        status = 1;
    } else {
        status = args.test_only ? check(&p) : run(&p);
        conf_free(spec->conf, &p.d.conf);
    }
    free(args.conf_path);
    return status;
}
