/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * service - from a process's table to the one of base/daemon.
 */
#include "xmpp/service.h"

#include "tls/crypto.h"
#include "tls/ctx.h"
#include "xml/parser.h"

static const struct service *served; /* one for each program */

static const char *text_at(const struct daemon *d, size_t offset)
{
    const void *field = (const char *)d->conf + offset;
    return *(char *const *)field;
}

static bool check(const struct daemon *d, char error_r[CONF_ERROR_MAX])
{
    struct tls_ctx_opts opts = {.cert_file = text_at(d, served->cert_offset),
                                .key_file = text_at(d, served->key_offset)};
    if (served->may_lack_cert && opts.cert_file[0] == '\0')
        return true;
    struct tls_ctx *tls = tls_ctx_new(&opts, error_r);
    bool is_good = tls != NULL;
    tls_ctx_unref(&tls);
    return is_good;
}

static bool start(struct daemon *d, char error_r[CONF_ERROR_MAX])
{
    d->state = served->make(d, error_r);
    return d->state && served->listen(d->state, error_r);
}

static bool reload(struct daemon *d, const void *old, char error_r[CONF_ERROR_MAX])
{
    (void)old;
    return served->reload(d->state, d->conf, error_r);
}

static void on_stopped(void *ctx)
{
    daemon_stopped(ctx);
}

static void stop(struct daemon *d)
{
    served->stop(d->state, on_stopped, d);
}

static void free_state(struct daemon *d)
{
    served->free(d->state);
    d->state = NULL;
    xml_parser_shared_free();
}

int service_main(int argc, char **argv, const struct service *service)
{
    const struct daemon_spec spec = {
        .name = service->name,
        .default_instance = service->default_instance,
        .conf = service->conf,
        .secret_conf = true,
        .log_level_offset = service->log_level_offset,
        .check = check,
        .start = start,
        .reload = reload,
        .stop = stop,
        .free = free_state,
    };
    served = service;
    crypto_init();
    return daemon_main(argc, argv, &spec);
}
