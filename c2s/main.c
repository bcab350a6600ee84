/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kontalk-c2s - client connections and the session manager. The manual is kontalk-c2s.8.
 */
#include "c2s/c2s.h"
#include "xmpp/service.h"

static void *make(struct daemon *d, char error_r[CONF_ERROR_MAX])
{
    return c2s_new(d, error_r);
}

static bool start_listening(void *c2s, char error_r[CONF_ERROR_MAX])
{
    return c2s_listen(c2s, error_r);
}

static bool reload(void *c2s, const void *conf, char error_r[CONF_ERROR_MAX])
{
    return c2s_reload(c2s, conf, error_r);
}

static void stop(void *c2s, void (*done)(void *ctx), void *ctx)
{
    c2s_stop(c2s, done, ctx);
}

static void free_c2s(void *c2s)
{
    struct c2s *it = c2s;
    c2s_free(&it);
}

int main(int argc, char **argv)
{
    static const struct service service = {
        .name = "c2s",
        .default_instance = "c2s-1",
        .conf = &c2s_conf_spec,
        .log_level_offset = offsetof(struct c2s_conf, log_level),
        .cert_offset = offsetof(struct c2s_conf, cert),
        .key_offset = offsetof(struct c2s_conf, key),
        .make = make,
        .listen = start_listening,
        .reload = reload,
        .stop = stop,
        .free = free_c2s,
    };
    return service_main(argc, argv, &service);
}
