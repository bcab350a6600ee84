/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dns/conf.h"

#include "base/mem.h"

#include <stdlib.h>

struct resolver *dns_conf_resolver(const struct dns_conf *conf, struct loop *loop,
                                   char error_r[CONF_ERROR_MAX])
{
    struct resolver_opts opts = {
        .resolv_conf = conf->resolv_conf,
        .trust_anchor = conf->trust_anchor,
        .hosts = conf->hosts,
    };
    /* The configuration's list does not end with NULL. */
    const char **servers = mem_zalloc((conf->servers.count + 1) * sizeof *servers);
    for (size_t i = 0; i < conf->servers.count; i++)
        servers[i] = conf->servers.items[i];
    if (conf->servers.count > 0) {
        opts.servers = servers;
        opts.resolv_conf = NULL;
    }
    struct resolver *r = resolver_new(loop, &opts, error_r);
    free(servers);
    return r;
}
