/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * check - what its files share: check.c looks at files, check_running.c at certificates' use, ports
 * and processes, check_network.c at what makes this a server of a network.
 */
#ifndef CTL_CHECK_H
#define CTL_CHECK_H

#include "router/conf.h"
#include "router/ctl/ctl.h"
#include "router/ctl/part.h"

enum finding { OK, NOTE, PROBLEM };

struct check {
    const struct ctl *ctl;
    struct table table;
    struct router_conf *router; /* NULL: it cannot be read */
    /* NULL: there is none, or it cannot be read. */
    struct ctl_edge_conf *c2s;
    struct ctl_edge_conf *s2s, *net; /* nor one without a secret: it is not set up */
    size_t problems;
};

/* One row: what was looked at, and what was found or is to be done. */
void check_add(struct check *c, enum finding kind, const char *subject, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void check_certificates(struct check *c);
void check_running(struct check *c);
void check_network(struct check *c);

#endif
