/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kontalk-router - where the processes of the suite and all other components meet.
 *
 *   kontalk-router [-c FILE] [-t] [--defaults] [--version] [--help]
 *
 * Settings: /etc/kontalk/router.conf. See kontalk-router(8), and PROTOCOL.md for what it speaks
 * beyond XEP-0114.
 */
#include "base/daemon.h"
#include "base/log.h"
#include "router/router.h"
#include "tls/crypto.h"
#include "tls/ctx.h"
#include "xml/parser.h"

static bool start(struct daemon *d, char error_r[CONF_ERROR_MAX])
{
    struct router *r = router_new(d->loop, d->conf, error_r);
    d->state = r;
    return r && router_listen(r, error_r);
}

static bool reload(struct daemon *d, const void *old, char error_r[CONF_ERROR_MAX])
{
    (void)old;
    return router_reload(d->state, d->conf, error_r);
}

static void on_stopped(void *ctx)
{
    daemon_stopped(ctx);
}

static void stop(struct daemon *d)
{
    router_stop(d->state, on_stopped, d);
}

static void free_state(struct daemon *d)
{
    struct router *r = d->state;
    router_free(&r);
    d->state = NULL;
    xml_parser_shared_free();
}

/* -t: what the file names must be usable, too. */
static bool check(const struct daemon *d, char error_r[CONF_ERROR_MAX])
{
    const struct router_conf *conf = d->conf;
    if (conf->tls_cert[0] == '\0')
        return true;
    struct tls_ctx *tls = tls_ctx_new(
        &(struct tls_ctx_opts){.cert_file = conf->tls_cert, .key_file = conf->tls_key}, error_r);
    bool good = tls != NULL;
    tls_ctx_unref(&tls);
    return good;
}

static const struct daemon_spec spec = {
    .name = "router",
    .default_instance = "router",
    .conf = &router_conf_spec,
    .secret_conf = true,
    .log_level_offset = offsetof(struct router_conf, log_level),
    .check = check,
    .start = start,
    .reload = reload,
    .stop = stop,
    .free = free_state,
};

int main(int argc, char **argv)
{
    crypto_init();
    return daemon_main(argc, argv, &spec);
}
