/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conf - the settings of kontalk-net: etc/net.conf.
 */
#ifndef NET_CONF_H
#define NET_CONF_H

#include "dns/conf.h"
#include "xmpp/component.h"
#include "xmpp/outbox.h"

/* [server NAME]: a static way to one. */
struct net_server {
    char *name;
    char *route; /* "HOST:PORT" */
};

struct net_conf {
    char *host, *network;
    struct conf_list listen;
    char *cert, *key; /* made by `kontalkctl server init` */
    char *servers;    /* the table */
    char *control;
    int log_level;

    struct component_conf router;
    char *store_path;
    struct dns_conf dns;

    bool relay; /* what peers pass on for others is taken */
    struct net_server *routes;
    size_t route_count;

    int64_t stanza, negotiation_time, heartbeat, connections_per_address, max_connections;
    int64_t rate, burst; /* bytes a second read from one link; at once */
    struct outbox_conf queue;
    int64_t backlog; /* bytes queued to one link */
};

extern const struct conf_spec net_conf_spec;

#endif
