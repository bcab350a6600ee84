/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * network - the room as a whole: opened and closed with the session manager, which domains are its.
 */
#include "c2s/sm/network/network.h"

#include "tls/bridge.h"

#include <stdlib.h>

bool sm_is_member(const struct sm *sm, struct span domain)
{
    return sm_has_network(sm) && servers_has(sm->net->servers, domain);
}

bool sm_is_network_domain(const struct sm *sm, struct span domain)
{
    return span_eq(domain, sm->opts.network) || sm_is_member(sm, domain);
}

/* The files have been looked at when the configuration was read: what fails here has changed since.
 * Without them other servers believe this one about its users only when they ask it itself. */
static void open_key(struct sm *sm)
{
    const struct sm_network_opts *opts = &sm->opts.net;
    struct sm_net *net = sm->net;
    char error[CONF_ERROR_MAX] = "";
    char why[TLS_ERROR_MAX] = "";

    if (!opts->cert || !*opts->cert || !opts->key || !*opts->key)
        return;
    net->key = server_key_open(opts->cert, error);
    if (net->key)
        net->signer = tls_signer_open(opts->key, why);
    if (!net->signer) {
        LOG(LOG_ERROR, "network.no_own_key", F_STR("reason", net->key ? why : error));
        server_key_free(&net->key);
    }
}

void sm_network_open(struct sm *sm)
{
    struct sm_net *net;

    if (!sm->opts.net.servers || span_eq(sm->opts.host, sm->opts.network))
        return;
    net = mem_zalloc(sizeof(*net));
    net->servers = servers_ref(sm->opts.net.servers);
    sm->net = net;
    open_key(sm);
    sm_keys_open(sm);
    sm_resolver_open(sm);
    sm_publish_open(sm);
}

void sm_set_servers(struct sm *sm, struct servers *servers)
{
    if (!sm->net)
        return;
    servers_ref(servers);
    servers_unref(&sm->net->servers);
    sm->net->servers = servers;
    sm_keys_follow(sm);
    sm_resolver_follow(sm);
    sm_publish_look(sm);
}

void sm_network_close(struct sm *sm)
{
    struct sm_net *net = sm->net;

    if (!net)
        return;
    sm_match_close(sm);
    sm_publish_close(sm);
    sm_resolver_close(sm);
    sm_keys_close(sm);
    sm_questions_close(sm);
    tls_signer_free(&net->signer);
    server_key_free(&net->key);
    servers_unref(&net->servers);
    free(net);
    sm->net = NULL;
}
