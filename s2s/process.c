/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * process - a whole s2s but its main(): what it is made of, in the order of making and unmaking.
 */
#include "base/log.h"
#include "base/mem.h"
#include "dns/resolve.h"
#include "s2s/in.h"
#include "s2s/pair.h"
#include "s2s/policy.h"
#include "s2s/schema.h"
#include "tls/crypto.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct conn *(*s2s_test_router)(void *ctx);
struct conn *(*s2s_test_connect)(void *ctx, const struct addr *to);
struct resolver *s2s_test_resolver;
void *s2s_test_ctx;

/* --- TLS -------------------------------------------------------------------------------------- */

/* They take the place of those in *in and *out. */
static bool make_peer_tls(const struct s2s *s, const struct s2s_conf *conf, struct tls_ctx **in,
                          struct tls_ctx **out, char error_r[CONF_ERROR_MAX])
{
    struct tls_ctx_opts opts = {
        .cert_file = conf->cert,
        .key_file = conf->key,
        .ca_file = *conf->ca ? conf->ca : NULL,
        .alpn = SPAN("xmpp-server"),
    };
    return tls_ctx_renew_both(s->loop, &opts, in, out, error_r);
}

static bool make_tls(struct s2s *s, char error_r[CONF_ERROR_MAX])
{
    const struct s2s_conf *conf = s->conf;
    return make_peer_tls(s, conf, &s->tls_in, &s->tls_out, error_r) &&
           component_tls(&conf->router, &s->link_tls, error_r);
}

/* --- making ----------------------------------------------------------------------------------- */

static void make_link(struct s2s *s)
{
    const struct s2s_conf *conf = s->conf;
    s->bind = (struct link_bind){.is_default = true};
    struct link_opts opts = {
        .name = span_of(s->name),
        .binds = &s->bind,
        .bind_count = 1,
        .watch = true,
        .connect = s2s_test_router,
        .connect_ctx = s2s_test_ctx,
    };
    component_link(&conf->router, s->link_tls, &opts);
    s->link = link_new(s->loop, &opts, &relay_events, s);
}

static bool make_resolver(struct s2s *s, char error_r[CONF_ERROR_MAX])
{
    s->resolver = s2s_test_resolver ? s2s_test_resolver
                                    : dns_conf_resolver(&s->conf->dns, s->loop, error_r);
    return s->resolver != NULL;
}

static bool make_store(struct s2s *s, char error_r[CONF_ERROR_MAX])
{
    struct store_opts opts = {
        .path = s->conf->store_path, .migrations = s2s_migrations, .exclusive = true};
    s->store = store_open(s->loop, &opts, error_r);
    return s->store != NULL;
}

struct s2s *s2s_new(struct daemon *d, char error_r[CONF_ERROR_MAX])
{
    const struct s2s_conf *conf = d->conf;
    struct s2s *s = mem_zalloc(sizeof *s);
    s->loop = d->loop;
    s->conf = conf;
    s->instance = d->instance;
    s->host = span_of(mem_strdup_span(span_of(conf->host)));
    s->network = *conf->network ? span_of(mem_strdup_span(span_of(conf->network))) : s->host;
    s->started_ms = loop_now(d->loop);
    list_init(&s->ins);
    if (asprintf(&s->name, "%s.%s", d->instance, conf->host) < 0)
        abort();
    crypto_init();
    crypto_random(s->dialback_secret, sizeof s->dialback_secret);
    if (!policy_load(s, conf, error_r) || !make_tls(s, error_r) || !make_resolver(s, error_r) ||
        !make_store(s, error_r)) {
        s2s_free(&s);
        return NULL;
    }
    struct outbox_opts opts = outbox_conf_opts(&conf->queue);
    s->outboxes = outboxes_new(s->loop, s->store, &opts, &pair_outbox_events, s);
    make_link(s);
    return s;
}

/* --- listening -------------------------------------------------------------------------------- */

static void on_accept(void *ctx, struct conn *c)
{
    in_accept(ctx, c, false);
}

static void on_accept_tls(void *ctx, struct conn *c)
{
    in_accept(ctx, c, true);
}

bool s2s_listen(struct s2s *s, char error_r[CONF_ERROR_MAX])
{
    const struct s2s_conf *conf = s->conf;
    const struct listen_opts opts = {0};
    if (!listeners_open(&s->listeners, s->loop, &conf->listen, &opts, on_accept, s, error_r) ||
        !listeners_open(&s->listeners, s->loop, &conf->listen_tls, &opts, on_accept_tls, s,
                        error_r))
        return false;
    s->control = control_open(s->loop, conf->control, s->instance, s2s_commands, s, error_r);
    if (!s->control)
        return false;
    LOG(LOG_INFO, "s2s.ready", F_STR("name", s->name), F_STR("host", s->conf->host));
    return true;
}

/* --- reload ----------------------------------------------------------------------------------- */

bool s2s_reload(struct s2s *s, const struct s2s_conf *conf, char error_r[CONF_ERROR_MAX])
{
    if (!conf_may_follow(&s2s_conf_spec, s->conf, conf, error_r))
        return false;
    struct tls_ctx *in = NULL, *out = NULL;
    if (!make_peer_tls(s, conf, &in, &out, error_r))
        return false;
    if (!policy_load(s, conf, error_r)) { /* takes the policy: nothing may fail after it */
        tls_ctx_unref(&in);
        tls_ctx_unref(&out);
        return false;
    }
    tls_ctx_unref(&s->tls_in);
    tls_ctx_unref(&s->tls_out);
    s->tls_in = in;
    s->tls_out = out;
    s->conf = conf;
    struct outbox_opts opts = outbox_conf_opts(&conf->queue);
    outboxes_set_limits(s->outboxes, &opts);
    resolver_flush(s->resolver);
    in_enforce(s);
    pairs_enforce(s);
    return true;
}

bool s2s_reload_servers(struct s2s *s, char error_r[CONF_ERROR_MAX])
{
    if (!policy_load_servers(s, s->conf, error_r))
        return false;
    in_enforce(s);
    pairs_enforce(s);
    return true;
}

/* --- unmaking --------------------------------------------------------------------------------- */

/*
 * The streams end first; then what has not gone is written to the store, from which the next start
 * sends it; then the link, over which bounces may still be leaving.
 */
#define STOP_WAIT_MS 5000

static void finish(void *ctx)
{
    struct s2s *s = ctx;
    LOG(LOG_INFO, "s2s.stopped", F_STR("name", s->name));
    s->on_stopped(s->stopped_ctx);
}

static void on_link_gone(void *ctx)
{
    struct s2s *s = ctx;
    loop_defer(s->loop, &s->finish);
}

static void on_flushed(void *ctx)
{
    struct s2s *s = ctx;
    link_close(&s->link, on_link_gone, s);
}

static void on_streams_ended(void *ctx)
{
    struct s2s *s = ctx;
    timer_stop(&s->stop_wait);
    s->is_flushing = true;
    outboxes_flush(s->outboxes, on_flushed, s);
}

void s2s_stream_gone(struct s2s *s)
{
    if (s->is_stopping && !s->is_flushing && s->in_count + s->out_count == 0)
        on_streams_ended(s);
}

static void stop_listening(struct s2s *s)
{
    listeners_close(&s->listeners);
    if (s->control)
        control_free(&s->control);
}

void s2s_stop(struct s2s *s, void (*done)(void *ctx), void *ctx)
{
    size_t cursor = 0;
    s->is_stopping = true;
    s->finish = (struct deferred){.call = finish, .ctx = s};
    s->on_stopped = done;
    s->stopped_ctx = ctx;
    stop_listening(s);
    timer_start(&s->stop_wait, s->loop, STOP_WAIT_MS, on_streams_ended, s);
    in_close_all(s);
    for (struct pair *p; (p = map_next(&s->pairs, &cursor));)
        pair_close(p);
    s2s_stream_gone(s);
}

void s2s_free(struct s2s **s_ptr)
{
    struct s2s *s = *s_ptr;
    if (!s)
        return;
    *s_ptr = NULL;
    stop_listening(s);
    timer_stop(&s->stop_wait);
    if (s->link) /* never served: it could not start */
        link_close(&s->link, NULL, NULL);
    pairs_free(s);
    if (s->outboxes)
        outboxes_free(&s->outboxes);
    if (s->store)
        store_close(&s->store);
    if (s->resolver && s->resolver != s2s_test_resolver)
        resolver_free(&s->resolver);
    relay_free(s);
    policy_free(s);
    in_free_addresses(s);
    tls_ctx_unref(&s->tls_in);
    tls_ctx_unref(&s->tls_out);
    tls_ctx_unref(&s->link_tls);
    buf_free(&s->scratch);
    if (s->network.p != s->host.p)
        free((void *)(uintptr_t)s->network.p);
    free((void *)(uintptr_t)s->host.p);
    free(s->name);
    mem_wipe(s->dialback_secret, sizeof s->dialback_secret);
    free(s);
}
