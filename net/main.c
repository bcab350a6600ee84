/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kontalk-net - links to the other servers of the network. The manual is kontalk-net.8.
 */
#include "net/net.h"
#include "xmpp/service.h"

static void *make(struct daemon *d, char error_r[CONF_ERROR_MAX])
{
    return net_new(d, error_r);
}

static bool start_listening(void *net, char error_r[CONF_ERROR_MAX])
{
    return net_listen(net, error_r);
}

static bool reload(void *net, const void *conf, char error_r[CONF_ERROR_MAX])
{
    return net_reload(net, conf, error_r);
}

static void stop(void *net, void (*done)(void *ctx), void *ctx)
{
    net_stop(net, done, ctx);
}

static void free_net(void *net)
{
    struct net *it = net;
    net_free(&it);
}

int main(int argc, char **argv)
{
    static const struct service service = {
        .name = "net",
        .default_instance = "net",
        .conf = &net_conf_spec,
        .log_level_offset = offsetof(struct net_conf, log_level),
        .cert_offset = offsetof(struct net_conf, cert),
        .key_offset = offsetof(struct net_conf, key),
        .make = make,
        .listen = start_listening,
        .reload = reload,
        .stop = stop,
        .free = free_net,
    };
    return service_main(argc, argv, &service);
}
