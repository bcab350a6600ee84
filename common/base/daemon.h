/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * daemon - the main() of every process: arguments, configuration, log, signals, run, orderly stop.
 *
 *   kontalk-NAME [-c FILE] [-i INSTANCE] [-t] [--defaults] [--version] [--help]
 *
 * Foreground always; the log goes to standard error. SIGTERM and SIGINT stop in order, SIGHUP
 * reloads (a configuration that does not load is refused, the old one stays). sd_notify when
 * NOTIFY_SOCKET is set: READY=1, RELOADING=1, STOPPING=1. Exit status: 0 after an orderly stop or a
 * good -t, 1 when it cannot start, 2 for wrong arguments.
 */
#ifndef BASE_DAEMON_H
#define BASE_DAEMON_H

#include "base/conf.h"

struct loop;

struct daemon {
    struct loop *loop;
    const char *instance;  /* -i, or the process's default */
    const char *conf_path; /* absolute */
    void *conf;            /* the struct of spec->conf */
    void *state;           /* the process's own; set by start */
};

struct daemon_spec {
    const char *name;             /* "router" */
    const char *default_instance; /* "router", "c2s-1" */
    const struct conf_spec *conf;
    bool secret_conf;       /* the file holds secrets: permissions are checked */
    size_t log_level_offset; /* in the struct: an int, CONF_ENUM over log_level_names */
    /* Checks what -t should find beyond the file itself (certificates, paths); may be NULL. */
    bool (*check)(const struct daemon *d, char error_r[CONF_ERROR_MAX]);
    /* Starts serving; false with a reason: the process ends with status 1. */
    bool (*start)(struct daemon *d, char error_r[CONF_ERROR_MAX]);
    /* d->conf is the new one; false with a reason: the caller puts the old one back. */
    bool (*reload)(struct daemon *d, const void *old, char error_r[CONF_ERROR_MAX]);
    /* Begins an orderly stop; calls daemon_stopped(d) when done (10 s at most, then it ends). */
    void (*stop)(struct daemon *d);
    /* Frees d->state; the loop has ended. Not called when d->state is NULL, nor when a stop has not
     * come to its end. */
    void (*free)(struct daemon *d);
};

extern const char *const log_level_names[]; /* error warn info debug, NULL */

int daemon_main(int argc, char **argv, const struct daemon_spec *spec);
void daemon_stopped(struct daemon *d);
/* Does what SIGHUP does, in the process that daemon_main runs; false with the reason. */
bool daemon_reload(char error_r[CONF_ERROR_MAX]);

#endif
