/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * service - what the main() of every process of the suite has in common, over base/daemon: the
 * cryptography is made ready, -t looks at the certificate, the process is made, listens, is
 * reloaded, stopped and freed. A main.c is a table.
 */
#ifndef XMPP_SERVICE_H
#define XMPP_SERVICE_H

#include "base/daemon.h"

struct service {
    const char *name;             /* "router" */
    const char *default_instance; /* "router", "c2s-1" */
    const struct conf_spec *conf; /* its file holds secrets */
    size_t log_level_offset;
    size_t cert_offset, key_offset; /* char *: what it shows to those who connect */
    bool may_lack_cert;             /* cert may be empty: then there is none */

    /* The process; NULL with a reason. It borrows what d has. */
    void *(*make)(struct daemon *d, char error_r[CONF_ERROR_MAX]);
    bool (*listen)(void *process, char error_r[CONF_ERROR_MAX]);
    /* conf is the new one; false with a reason, and nothing has changed. */
    bool (*reload)(void *process, const void *conf, char error_r[CONF_ERROR_MAX]);
    /* Begins an orderly stop; done(ctx) when it is over. */
    void (*stop)(void *process, void (*done)(void *ctx), void *ctx);
    void (*free)(void *process);
};

int service_main(int argc, char **argv, const struct service *service);

#endif
