/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kontalk-c2s - client connections and the session manager. The manual is kontalk-c2s.8.
 */
#include "c2s/c2s.h"

static bool check(const struct daemon *d, char error_r[CONF_ERROR_MAX])
{
    const struct c2s_conf *conf = d->conf;
    struct tls_ctx_opts opts = {.cert_file = conf->cert, .key_file = conf->key};
    struct tls_ctx *tls = tls_ctx_new(&opts, error_r);
    bool is_good = tls != NULL;
    tls_ctx_unref(&tls);
    return is_good;
}

static bool start(struct daemon *d, char error_r[CONF_ERROR_MAX])
{
    struct c2s *c2s = c2s_new(d, error_r);
    d->state = c2s;
    return c2s && c2s_listen(c2s, error_r);
}

static bool reload(struct daemon *d, const void *old, char error_r[CONF_ERROR_MAX])
{
    (void)old;
    return c2s_reload(d->state, d->conf, error_r);
}

static void on_stopped(void *ctx)
{
    daemon_stopped(ctx);
}

static void stop(struct daemon *d)
{
    c2s_stop(d->state, on_stopped, d);
}

static void free_state(struct daemon *d)
{
    struct c2s *c2s = d->state;
    c2s_free(&c2s);
    d->state = NULL;
}

static const struct daemon_spec spec = {
    .name = "c2s",
    .default_instance = "c2s-1",
    .conf = &c2s_conf_spec,
    .secret_conf = true,
    .log_level_offset = offsetof(struct c2s_conf, log_level),
    .check = check,
    .start = start,
    .reload = reload,
    .stop = stop,
    .free = free_state,
};

int main(int argc, char **argv)
{
    return daemon_main(argc, argv, &spec);
}
