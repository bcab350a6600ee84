/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kontalk-s2s - federation with every other XMPP server. The manual is kontalk-s2s.8.
 */
#include "s2s/s2s.h"
#include "xmpp/service.h"

static void *make(struct daemon *d, char error_r[CONF_ERROR_MAX])
{
    return s2s_new(d, error_r);
}

static bool start_listening(void *s2s, char error_r[CONF_ERROR_MAX])
{
    return s2s_listen(s2s, error_r);
}

static bool reload(void *s2s, const void *conf, char error_r[CONF_ERROR_MAX])
{
    return s2s_reload(s2s, conf, error_r);
}

static void stop(void *s2s, void (*done)(void *ctx), void *ctx)
{
    s2s_stop(s2s, done, ctx);
}

static void free_s2s(void *s2s)
{
    struct s2s *it = s2s;
    s2s_free(&it);
}

int main(int argc, char **argv)
{
    static const struct service service = {
        .name = "s2s",
        .default_instance = "s2s",
        .conf = &s2s_conf_spec,
        .log_level_offset = offsetof(struct s2s_conf, log_level),
        .cert_offset = offsetof(struct s2s_conf, cert),
        .key_offset = offsetof(struct s2s_conf, key),
        .make = make,
        .listen = start_listening,
        .reload = reload,
        .stop = stop,
        .free = free_s2s,
    };
    return service_main(argc, argv, &service);
}
