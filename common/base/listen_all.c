/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * listen_all - all the addresses of a setting: opened when a process starts, closed when it stops.
 */
#include "base/listen.h"

#include "base/conf.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

bool listeners_open(struct listeners *ls, struct loop *loop, const struct conf_list *addresses,
                    const struct listen_opts *opts, void (*on_accept)(void *ctx, struct conn *c),
                    void *ctx, char error_r[CONF_ERROR_MAX])
{
    size_t room = ls->count + addresses->count;
    if (room > 0)
        ls->all = mem_realloc(ls->all, room * sizeof(struct listener *));
    for (size_t i = 0; i < addresses->count; i++) {
        struct addr at;
        int error = addr_parse(span_of(addresses->items[i]), &at);
        struct listener *l = error ? NULL : listener_new(loop, &at, opts, on_accept, ctx, &error);
        if (!l && error == -EAFNOSUPPORT) {
            LOG(LOG_WARN, "listen.no_family", F_STR("addr", addresses->items[i]));
            continue;
        }
        if (!l) {
            snprintf(error_r, CONF_ERROR_MAX, "cannot listen at %.200s: %s", addresses->items[i],
                     strerror(-error));
            return false;
        }
        ls->all[ls->count++] = l;
    }
    return true;
}

void listeners_close(struct listeners *ls)
{
    for (size_t i = 0; i < ls->count; i++)
        listener_free(&ls->all[i]);
    free(ls->all);
    *ls = (struct listeners){0};
}
