/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * daemon_private - what the files of daemon share; nobody else includes it.
 */
#ifndef BASE_DAEMON_PRIVATE_H
#define BASE_DAEMON_PRIVATE_H

#include "base/daemon.h"

struct daemon_args {
    const char *instance; /* borrowed from argv or the spec */
    char *conf_path;      /* absolute; the caller frees it */
    bool test_only;
};

/* Returns -1 to go on, else the exit status: help and the like have been printed. */
int daemon_args_read(int argc, char **argv, const struct daemon_spec *spec,
                     struct daemon_args *args_r);

/* Tells the service manager (sd_notify's protocol), if there is one. */
void daemon_notify(const char *state);

#endif
