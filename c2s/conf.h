/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conf - the settings of kontalk-c2s: etc/c2s.conf.
 */
#ifndef C2S_CONF_H
#define C2S_CONF_H

#include "c2s/sm/sm.h"
#include "xmpp/component.h"

enum c2s_tls { C2S_TLS_REQUIRED, C2S_TLS_OPTIONAL };

struct c2s_conf {
    char *host, *network;
    struct conf_list listen, listen_tls;
    int tls; /* enum c2s_tls */
    char *cert, *key;
    char *control;
    int log_level;

    struct component_conf router;

    char *store_path;

    int64_t auth_iterations;

    char *servers, *server_cert, *server_key; /* [network]; cert empty: no key of its own */
    int64_t home_cache, home_negative, home_entries, home_deadline, probe_deadline;
    int64_t match_deadline, match_items, match_daily, max_homes;

    bool archive, push_sender, push_body;
    int archive_default; /* enum sm_archive_rule */
    int64_t archive_days, archive_messages, archive_page;

    bool registration;
    int64_t register_per_address, register_per_hour;
    int64_t name_min, name_max, password_min;
    struct conf_list reserved;

    int64_t prelogin_bytes, login_time, prelogin, prelogin_per_address, connections_per_address;
    int64_t max_connections, failure_delay, input_rate, input_burst, stanza_rate, stanza_burst;
    int64_t sessions_per_user, sessions_of_many, stanza, roster, offline, offline_bytes;
    int64_t offline_days, backlog, blocked;
    int64_t presence_rate, presence_burst;
    int64_t nodes, node_items, item_bytes, published_bytes, push_services, multicast;
    int64_t unacked, unacked_bytes, resume, hibernating_per_user;

    char *filter; /* empty: none */
    struct conf_list filter_stanzas, filter_directions;
    int64_t filter_deadline, filter_waiting, filter_waiting_bytes;
    int filter_on_failure; /* 0: pass, 1: refuse */
    bool filter_twice;

    struct sm_rule *rules;
    size_t rule_count;

    struct conf_list contacts[SM_CONTACT_KINDS];
    struct sm_external *services;
    size_t service_count;
};

extern const struct conf_spec c2s_conf_spec;

/* The settings of [network] but the table; borrows. */
struct sm_network_opts c2s_conf_network(const struct c2s_conf *conf);
/* The settings of [filter]; borrows. */
struct sm_filter_opts c2s_conf_filter(const struct c2s_conf *conf);

#endif
