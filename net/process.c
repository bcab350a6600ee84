/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * process - a whole net but its main(): what it is made of, in the order of making and unmaking.
 */
#include "base/log.h"
#include "base/mem.h"
#include "dns/resolve.h"
#include "net/schema.h"
#include "net/wire.h"
#include "tls/crypto.h"
#include "xmpp/server_key.h"

#include <stdio.h>
#include <stdlib.h>

struct conn *(*net_test_router)(void *ctx);
struct conn *(*net_test_connect)(void *ctx, const struct addr *to);
struct resolver *net_test_resolver;
void *net_test_ctx;

/* --- what a reload brings --------------------------------------------------------------------- */

/* All that can fail, made beside what is in force: taken as a whole, or not at all. */
struct fresh {
    struct tls_ctx *tls_in, *tls_out;
    char fingerprint[SERVER_FINGERPRINT + 1]; /* of our own key */
    struct servers *servers;
};

/* In a simulation there is no certificate to read the fingerprint of. */
static bool make_peer_tls(const struct net *n, const struct net_conf *conf, struct fresh *f,
                          char error_r[CONF_ERROR_MAX])
{
    struct tls_ctx_opts opts = {
        .cert_file = conf->cert,
        .key_file = conf->key,
        .priority = TLS_ONLY_13,
        .alpn = SPAN("xmpp-net"),
    };
    struct server_key *key = NULL;
    if (!loop_is_sim(n->loop) && !(key = server_key_open(conf->cert, error_r)))
        return false;
    if (key)
        snprintf(f->fingerprint, sizeof f->fingerprint, "%s", server_key_fingerprint(key));
    server_key_free(&key);
    return tls_ctx_renew_both(n->loop, &opts, &f->tls_in, &f->tls_out, error_r);
}

/* The others believe what their tables say of us: when ours says otherwise, somebody has erred. */
static void look_at_self(const struct net *n)
{
    const struct server *self = servers_find(n->servers, n->host);
    if (self && *self->fingerprint && *n->fingerprint &&
        strcmp(self->fingerprint, n->fingerprint) != 0)
        LOG(LOG_ERROR, "net.own_fingerprint", F_STR("table", self->fingerprint),
            F_STR("key", n->fingerprint));
}

static void take_servers(struct net *n, struct servers *list)
{
    servers_unref(&n->servers);
    n->servers = list;
    look_at_self(n);
    LOG(LOG_INFO, "net.servers", F_INT("members", servers_members(n->servers)));
}

static bool take_fresh(struct net *n, const struct net_conf *conf, char error_r[CONF_ERROR_MAX])
{
    struct fresh f = {0};
    if (!make_peer_tls(n, conf, &f, error_r) ||
        !(f.servers = servers_load(conf->servers, n->host, error_r))) {
        tls_ctx_unref(&f.tls_in);
        tls_ctx_unref(&f.tls_out);
        return false;
    }
    tls_ctx_unref(&n->tls_in);
    tls_ctx_unref(&n->tls_out);
    n->tls_in = f.tls_in;
    n->tls_out = f.tls_out;
    memcpy(n->fingerprint, f.fingerprint, sizeof n->fingerprint);
    take_servers(n, f.servers);
    return true;
}

bool net_reload_servers(struct net *n, char error_r[CONF_ERROR_MAX])
{
    struct servers *list = servers_load(n->conf->servers, n->host, error_r);
    if (!list)
        return false;
    take_servers(n, list);
    if (!n->is_stopping)
        peers_follow(n);
    return true;
}

/* --- making ----------------------------------------------------------------------------------- */

static void make_link(struct net *n)
{
    const struct net_conf *conf = n->conf;
    struct link_opts opts = {
        .name = span_of(n->name),
        .watch = true,
        .connect = net_test_router,
        .connect_ctx = net_test_ctx,
    };
    component_link(&conf->router, n->link_tls, &opts);
    n->link = link_new(n->loop, &opts, &relay_events, n);
}

static bool make_resolver(struct net *n, char error_r[CONF_ERROR_MAX])
{
    n->resolver = net_test_resolver ? net_test_resolver
                                    : dns_conf_resolver(&n->conf->dns, n->loop, error_r);
    return n->resolver != NULL;
}

static bool make_store(struct net *n, char error_r[CONF_ERROR_MAX])
{
    struct store_opts opts = {
        .path = n->conf->store_path, .migrations = net_migrations, .exclusive = true};
    n->store = store_open(n->loop, &opts, error_r);
    return n->store != NULL;
}

struct net *net_new(struct daemon *d, char error_r[CONF_ERROR_MAX])
{
    const struct net_conf *conf = d->conf;
    struct net *n = mem_zalloc(sizeof *n);
    n->loop = d->loop;
    n->conf = conf;
    n->instance = d->instance;
    n->host = span_of(mem_strdup_span(span_of(conf->host)));
    n->network = span_of(mem_strdup_span(span_of(conf->network)));
    n->started_ms = loop_now(d->loop);
    list_init(&n->wires);
    if (asprintf(&n->name, "%s.%s", d->instance, conf->host) < 0)
        abort();
    crypto_init();
    if (!take_fresh(n, conf, error_r) || !component_tls(&conf->router, &n->link_tls, error_r) ||
        !make_resolver(n, error_r) || !make_store(n, error_r)) {
        net_free(&n);
        return NULL;
    }
    struct outbox_opts opts = outbox_conf_opts(&conf->queue);
    n->outboxes = outboxes_new(n->loop, n->store, &opts, &peer_outbox_events, n);
    make_link(n);
    peers_follow(n);
    return n;
}

/* --- listening -------------------------------------------------------------------------------- */

static void on_accept(void *ctx, struct conn *c)
{
    wire_accept(ctx, c);
}

bool net_listen(struct net *n, char error_r[CONF_ERROR_MAX])
{
    const struct net_conf *conf = n->conf;
    const struct listen_opts opts = {0};
    if (!listeners_open(&n->listeners, n->loop, &conf->listen, &opts, on_accept, n, error_r))
        return false;
    n->control = control_open(n->loop, conf->control, n->instance, net_commands, n, error_r);
    if (!n->control)
        return false;
    LOG(LOG_INFO, "net.ready", F_STR("name", n->name), F_STR("host", conf->host),
        F_STR("network", conf->network), F_STR("fingerprint", n->fingerprint));
    return true;
}

/* --- reload ----------------------------------------------------------------------------------- */

bool net_reload(struct net *n, const struct net_conf *conf, char error_r[CONF_ERROR_MAX])
{
    if (!conf_may_follow(&net_conf_spec, n->conf, conf, error_r))
        return false;
    if (!take_fresh(n, conf, error_r))
        return false;
    n->conf = conf;
    struct outbox_opts opts = outbox_conf_opts(&conf->queue);
    outboxes_set_limits(n->outboxes, &opts);
    resolver_flush(n->resolver);
    if (!n->is_stopping)
        peers_follow(n);
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
    struct net *n = ctx;
    LOG(LOG_INFO, "net.stopped", F_STR("name", n->name));
    n->on_stopped(n->stopped_ctx);
}

static void on_link_gone(void *ctx)
{
    struct net *n = ctx;
    loop_defer(n->loop, &n->finish);
}

static void on_flushed(void *ctx)
{
    struct net *n = ctx;
    link_close(&n->link, on_link_gone, n);
}

static void on_streams_ended(void *ctx)
{
    struct net *n = ctx;
    timer_stop(&n->stop_wait);
    n->is_flushing = true;
    outboxes_flush(n->outboxes, on_flushed, n);
}

/* Whoever reads no more does not keep us: the ends of the streams come all the same. */
static void on_waited(void *ctx)
{
    struct net *n = ctx;
    wires_abort_all(n);
    net_wire_gone(n);
}

void net_wire_gone(struct net *n)
{
    if (n->is_stopping && !n->is_flushing && n->wire_count == 0)
        on_streams_ended(n);
}

static void stop_listening(struct net *n)
{
    listeners_close(&n->listeners);
    if (n->control)
        control_free(&n->control);
}

void net_stop(struct net *n, void (*done)(void *ctx), void *ctx)
{
    n->is_stopping = true;
    n->finish = (struct deferred){.call = finish, .ctx = n};
    n->on_stopped = done;
    n->stopped_ctx = ctx;
    stop_listening(n);
    timer_start(&n->stop_wait, n->loop, STOP_WAIT_MS, on_waited, n);
    peers_close_all(n);
    wires_close_all(n);
    net_wire_gone(n);
}

void net_free(struct net **n_ptr)
{
    struct net *n = *n_ptr;
    if (!n)
        return;
    *n_ptr = NULL;
    stop_listening(n);
    timer_stop(&n->stop_wait);
    if (n->link) /* never served: it could not start */
        link_close(&n->link, NULL, NULL);
    peers_free(n);
    if (n->outboxes)
        outboxes_free(&n->outboxes);
    if (n->store)
        store_close(&n->store);
    if (n->resolver && n->resolver != net_test_resolver)
        resolver_free(&n->resolver);
    relay_free(n);
    servers_unref(&n->servers);
    tls_ctx_unref(&n->tls_in);
    tls_ctx_unref(&n->tls_out);
    tls_ctx_unref(&n->link_tls);
    buf_free(&n->scratch);
    free((void *)(uintptr_t)n->network.p);
    free((void *)(uintptr_t)n->host.p);
    free(n->name);
    free(n);
}
