/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kontalk-router - where the processes of the suite and all other components meet.
 *
 *   kontalk-router [-c FILE] [-t] [--defaults] [--version] [--help]
 *
 * Settings: /etc/kontalk/router.conf. See kontalk-router(8), and PROTOCOL.md for what it speaks
 * beyond XEP-0114.
 */
#include "router/router.h"
#include "xmpp/service.h"

static void *make(struct daemon *d, char error_r[CONF_ERROR_MAX])
{
    return router_new(d->loop, d->conf, error_r);
}

static bool start_listening(void *router, char error_r[CONF_ERROR_MAX])
{
    return router_listen(router, error_r);
}

static bool reload(void *router, const void *conf, char error_r[CONF_ERROR_MAX])
{
    return router_reload(router, conf, error_r);
}

static void stop(void *router, void (*done)(void *ctx), void *ctx)
{
    router_stop(router, done, ctx);
}

static void free_router(void *router)
{
    struct router *r = router;
    router_free(&r);
}

int main(int argc, char **argv)
{
    static const struct service service = {
        .name = "router",
        .default_instance = "router",
        .conf = &router_conf_spec,
        .log_level_offset = offsetof(struct router_conf, log_level),
        .cert_offset = offsetof(struct router_conf, tls_cert),
        .key_offset = offsetof(struct router_conf, tls_key),
        .may_lack_cert = true,
        .make = make,
        .listen = start_listening,
        .reload = reload,
        .stop = stop,
        .free = free_router,
    };
    return service_main(argc, argv, &service);
}
