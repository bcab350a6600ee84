/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wire_limits - how many connections there may be that are no link, of one address and of all: most
 * have not proved whose they are, and who has could open more of them. Links are one a server.
 * Called by wire.c at the accept.
 */
#include "net/wire_private.h"

static bool is_no_link(const struct wire *w)
{
    return w->has_stream && !w->is_ours && !(w->peer && w->peer->wire == w);
}

const char *wire_limit(const struct wire *w)
{
    const struct net_conf *conf = w->net->conf;
    unsigned char mine[16], other[16];
    size_t n = addr_group(conn_peer(w->stream.conn), mine);
    int64_t all = 0, here = 0;
    LIST_FOR_EACH(node, &w->net->wires)
    {
        const struct wire *it = CONTAINER_OF(node, struct wire, node);
        if (!is_no_link(it))
            continue;
        all++;
        if (addr_group(conn_peer(it->stream.conn), other) == n && memcmp(mine, other, n) == 0)
            here++;
    }
    return all > conf->max_connections            ? "max_connections"
           : here > conf->connections_per_address ? "connections_per_address"
                                                  : NULL;
}
