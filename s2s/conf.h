/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conf - the settings of kontalk-s2s: etc/s2s.conf.
 */
#ifndef S2S_CONF_H
#define S2S_CONF_H

#include "dns/conf.h"
#include "xmpp/component.h"
#include "xmpp/outbox.h"

enum s2s_tls { S2S_TLS_REQUIRED, S2S_TLS_OPTIONAL };
enum s2s_auth { S2S_AUTH_CERTIFICATE, S2S_AUTH_DIALBACK };

/* [domain NAME]: what differs for one domain. Unset texts are empty, unset enums S2S_UNSET. */
struct s2s_domain {
    char *name;     /* "example.org" or "*.example.org" */
    int tls, auth;  /* enum + 1; S2S_UNSET */
    int private;    /* the same for false, true */
    char *pin;      /* SHA-256 of its certificate */
    char *route;    /* "HOST:PORT" */
    bool route_tls; /* TLS from the first byte there */
    bool deny;
    int64_t rate, burst; /* 0: that of [policy] */
};
#define S2S_UNSET 0

struct s2s_conf {
    char *host, *network;
    struct conf_list also; /* further domains that we speak for */
    struct conf_list listen, listen_tls;
    char *cert, *key, *ca;
    char *servers; /* the table of the network's */
    char *control;
    int log_level;

    struct component_conf router;

    char *store_path;

    struct dns_conf dns;
    bool dane;

    int tls, auth; /* enums */
    bool private;
    char *deny_file;
    int64_t rate, burst; /* bytes a second read from one stream; at once */
    struct s2s_domain *domains;
    size_t domain_count;

    int64_t stanza, negotiation_time, idle_time, connections_per_address, max_connections;
    int64_t max_pairs, pairs_per_stream;
    struct outbox_conf queue;
    int64_t backlog;                       /* bytes queued to one stream */
    int64_t presence_rate, presence_burst; /* to one recipient, a second */
};

extern const struct conf_spec s2s_conf_spec;

#endif
