/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * settle - the first moments after a start: stanzas wait until those who were here before are back.
 *
 * A router that restarts knows no routes and no claims. What it delivered at once would go to the
 * wrong instance, to the federation, or back. So stanzas for shared domains, and for names of ours
 * that nobody has bound yet, are held until all instances known before are back and have finished
 * claiming, for the configured time at most. The instances' names are kept in a file beside the
 * control socket.
 */
#ifndef ROUTER_SETTLE_H
#define ROUTER_SETTLE_H

#include "base/loop.h"
#include "router/hold.h"

#define SETTLE_QUIET_MS 100
#define SETTLE_STANZAS 10000
#define SETTLE_BYTES (16 * 1024 * 1024)

struct router;

struct settle {
    bool done;
    char *path;           /* of the file, or NULL: nothing is kept */
    char *text;           /* the file's content: one name a line */
    struct hold hold;
    struct timer deadline, quiet;
    struct deferred save;
};

void settle_start(struct router *r);
void settle_free(struct router *r);
/* An instance has come, or has bound or claimed something. */
void settle_activity(struct router *r);
/* A name has been bound: what is held for it can go. */
void settle_retry(struct router *r);
/* The set of instances has changed. */
void settle_instances_changed(struct router *r);

#endif
