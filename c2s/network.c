/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * network - what the session manager is given of the network: the table of its servers, and the key
 * with which this one signs. Called by process.c and control.c.
 */
#include "c2s/c2s.h"

#include "base/log.h"
#include "tls/bridge.h"
#include "xmpp/server_key.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static bool has_key(const struct c2s_conf *conf)
{
    return access(conf->server_cert, F_OK) == 0 || errno != ENOENT;
}

static bool is_pair(struct tls_signer *signer, const struct server_key *key)
{
    const struct span text = SPAN("kontalk");
    struct buf signature = {0};
    bool ok = tls_sign(signer, text, &signature) &&
              server_key_verifies(key, text, buf_span(&signature));
    buf_free(&signature);
    return ok;
}

/* That it can be read, and is the certificate's, here where it can be refused: what another key
 * signs is believed nowhere. */
static bool check_key(const struct c2s_conf *conf, char error_r[CONF_ERROR_MAX])
{
    struct server_key *key = server_key_open(conf->server_cert, error_r);
    struct tls_signer *signer = key ? tls_signer_open(conf->server_key, error_r) : NULL;
    bool ok = signer && is_pair(signer, key);
    if (signer && !ok)
        snprintf(error_r, CONF_ERROR_MAX, "%.150s is not the key of %.150s", conf->server_key,
                 conf->server_cert);
    tls_signer_free(&signer);
    server_key_free(&key);
    return ok;
}

bool network_load(struct c2s *c2s, const struct c2s_conf *conf, char error_r[CONF_ERROR_MAX])
{
    if (span_eq(c2s->host, c2s->network))
        return true;
    if (!loop_is_sim(c2s->loop) && has_key(conf) && !check_key(conf, error_r))
        return false;
    struct servers *list = servers_load(conf->servers, c2s->host, error_r);
    if (!list)
        return false;
    servers_unref(&c2s->servers);
    c2s->servers = list;
    return true;
}

/* Without a key, nothing that this server says of its users is signed. */
struct sm_network_opts network_options(const struct c2s *c2s, const struct c2s_conf *conf)
{
    struct sm_network_opts opts = c2s_conf_network(conf);
    opts.servers = c2s->servers;
    opts.keys_ahead = !loop_is_sim(c2s->loop); /* in a simulation nobody has one */
    if (!c2s->servers || loop_is_sim(c2s->loop))
        opts.cert = opts.key = NULL;
    else if (!has_key(conf)) {
        LOG(LOG_WARN, "c2s.no_server_key", F_STR("file", opts.cert));
        opts.cert = opts.key = NULL;
    }
    return opts;
}

void network_tell(struct c2s *c2s)
{
    if (!c2s->servers)
        return;
    struct sm_network_opts opts = network_options(c2s, c2s->conf);
    sm_set_server_key(c2s->sm, opts.cert, opts.key);
    sm_set_servers(c2s->sm, c2s->servers);
}

bool network_reload(struct c2s *c2s, char error_r[CONF_ERROR_MAX])
{
    if (!network_load(c2s, c2s->conf, error_r))
        return false;
    network_tell(c2s);
    return true;
}
