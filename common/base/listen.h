/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * listen - a listening socket that hands out connections.
 *
 * The last descriptors are left to the process, but for newcomers at a Unix socket. When they run
 * out (EMFILE) a reserve descriptor is used to accept and close the newcomer and accepting pauses
 * for 100 ms, so that the loop never spins.
 */
#ifndef BASE_LISTEN_H
#define BASE_LISTEN_H

#include "base/conf.h"
#include "base/conn.h"

struct listener;

struct listen_opts {
    bool reuseport;     /* several processes share the port */
    unsigned unix_mode; /* permissions of a Unix socket; 0: 0600 */
};

/* on_accept gets a new connection and owns it. Returns NULL with a negative errno in *error_r.
 * A stale Unix socket (nobody answers) is replaced; a live one gives -EADDRINUSE. */
struct listener *listener_new(struct loop *loop, const struct addr *at,
                              const struct listen_opts *opts,
                              void (*on_accept)(void *ctx, struct conn *c), void *ctx,
                              int *error_r);
void listener_free(struct listener **l); /* closes, removes a Unix socket's file */
/* With the port that the system chose. */
const struct addr *listener_addr(const struct listener *l);

/* All of a process, zeroed at first. */
struct listeners {
    struct listener **all;
    size_t count;
};
/* More of them: at each address of a setting. One of a family that this machine does not have is
 * passed over, with a line in the log; any other that cannot be opened is a reason to stop: false.
 */
bool listeners_open(struct listeners *ls, struct loop *loop, const struct conf_list *addresses,
                    const struct listen_opts *opts, void (*on_accept)(void *ctx, struct conn *c),
                    void *ctx, char error_r[CONF_ERROR_MAX]);
void listeners_close(struct listeners *ls);

#endif
