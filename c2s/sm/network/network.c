/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * network - the room as a whole: opened and closed with the session manager, which domains are its.
 */
#include "c2s/sm/network/record.h"

#include "tls/bridge.h"

#include <stdlib.h>

bool sm_is_member(const struct sm *sm, struct span domain)
{
    const struct servers *members = __atomic_load_n(&sm->members, __ATOMIC_ACQUIRE);

    return members && servers_has(members, domain);
}

bool sm_is_network_domain(const struct sm *sm, struct span domain)
{
    return sm_is_local_domain(sm, domain) || sm_is_member(sm, domain);
}

/* The files have been looked at when the configuration was read: what fails here has changed since.
 * Without them other servers believe this one about its users only when they ask it itself. */
void sm_set_server_key(struct sm *sm, const char *cert, const char *key)
{
    struct sm_net *net = sm->net;
    char error[CONF_ERROR_MAX] = "";
    char why[TLS_ERROR_MAX] = "";

    if (!net || !cert || !*cert || !key || !*key)
        return;
    struct server_key *public = server_key_open(cert, error);
    struct tls_signer *signer = public ? tls_signer_open(key, why) : NULL;
    if (!signer) {
        LOG(LOG_ERROR, "network.no_own_key", F_STR("reason", public ? why : error));
        server_key_free(&public);
        return;
    }
    tls_signer_free(&net->signer);
    server_key_free(&net->key);
    net->key = public;
    net->signer = signer;
    sm_publish_key(sm);
}

void sm_network_set_limits(struct sm *sm, const struct sm_network_opts *opts)
{
    const struct sm_network_opts old = sm->opts.net;

    sm->opts.net = *opts;
    sm->opts.net.servers = old.servers;
    sm->opts.net.cert = old.cert;
    sm->opts.net.key = old.key;
}

void sm_network_open(struct sm *sm)
{
    struct sm_net *net;

    if (!sm->opts.net.servers || span_eq(sm->opts.host, sm->opts.network))
        return;
    net = mem_zalloc(sizeof(*net));
    net->servers = servers_ref(sm->opts.net.servers);
    list_init(&net->key_waits);
    list_init(&net->name_asks);
    list_init(&net->warming);
    sm->net = net;
    sm_set_server_key(sm, sm->opts.net.cert, sm->opts.net.key);
    sm_keys_open(sm);
    sm->members = servers_ref(net->servers);
    sm_edge_open(sm);
    sm_resolver_open(sm);
    sm_publish_open(sm);
}

/* --- another table --- */

/* Behind all that the storage thread does with the old one. */
struct change {
    struct sm_job job; /* first */
    struct servers *old;
};

static int change_run(struct db *db, struct store_job *job)
{
    (void)db, (void)job;
    return STORE_OK;
}

/* What has been read meanwhile may have names by the old one. */
static bool change_finish(struct sm_job *job, int result)
{
    struct change *c = (struct change *)job;
    const struct sm_user *user;
    size_t cursor = 0;

    (void)result;
    servers_unref(&c->old);
    while (!job->sm->is_closed && (user = map_next(&job->sm->users, &cursor)) != NULL) {
        if (user->profile)
            sm_contacts_rename(user->profile);
    }
    return true;
}

static void set_members(struct sm *sm, struct servers *servers)
{
    struct change *c = mem_zalloc(sizeof(*c));

    c->old = sm->members;
    c->job.finish = change_finish;
    __atomic_store_n(&sm->members, servers_ref(servers), __ATOMIC_RELEASE);
    sm_job_start(sm, STORE_WRITE, &c->job, NULL, NULL, change_run);
}

void sm_set_servers(struct sm *sm, struct servers *servers)
{
    if (!sm->net)
        return;
    set_members(sm, servers);
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
    sm_records_close(sm);
    sm_names_close(sm);
    sm_edge_close(sm);
    sm_match_close(sm);
    sm_publish_close(sm);
    sm_resolver_close(sm);
    sm_warm_close(sm);
    sm_keys_close(sm);
    sm_questions_close(sm);
    tls_signer_free(&net->signer);
    server_key_free(&net->key);
    servers_unref(&net->servers);
    buf_free(&net->text);
    free(net->sent);
    sm_said_close(sm);
    free(net);
    sm->net = NULL;
}
