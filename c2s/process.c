/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * process - a whole c2s but its main(): what it is made of, in the order of making and unmaking.
 */
#include "c2s/c2s.h"

#include "base/log.h"
#include "c2s/accounts_sm.h"
#include "c2s/control.h"
#include "c2s/schema.h"
#include "tls/crypto.h"
#include "xmpp/ns.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct conn *(*c2s_test_connect)(void *ctx);
void *c2s_test_connect_ctx;

/* --- TLS -------------------------------------------------------------------------------------- */

static struct tls_ctx *server_tls(struct loop *loop, const struct c2s_conf *conf,
                                  char error_r[CONF_ERROR_MAX])
{
    struct tls_ctx_opts opts = {
        .cert_file = conf->cert, .key_file = conf->key, .alpn = SPAN("xmpp-client")};
    return tls_ctx_make(loop, &opts, error_r);
}

static bool make_tls(struct c2s *c2s, char error_r[CONF_ERROR_MAX])
{
    const struct c2s_conf *conf = c2s->conf;
    c2s->tls = server_tls(c2s->loop, conf, error_r);
    if (!c2s->tls)
        return false;
    return component_tls(&conf->router, &c2s->link_tls, error_r);
}

/* --- link ------------------------------------------------------------------------------------- */

static void make_link(struct c2s *c2s)
{
    const struct c2s_conf *conf = c2s->conf;
    size_t n = 0;
    c2s->binds[n++] = (struct link_bind){.name = c2s->host, .shared = true};
    if (!span_eq(c2s->host, c2s->network))
        c2s->binds[n++] = (struct link_bind){.name = c2s->network, .shared = true};
    struct link_opts opts = {
        .name = span_of(c2s->name),
        .binds = c2s->binds,
        .bind_count = n,
        .watch = true,
        .connect = c2s_test_connect,
        .connect_ctx = c2s_test_connect_ctx,
    };
    component_link(&conf->router, c2s->link_tls, &opts);
    c2s->link = link_new(c2s->loop, &opts, &sm_link_events, c2s->sm);
    sm_set_link(c2s->sm, c2s->link);
}

/* --- making ----------------------------------------------------------------------------------- */

static struct sm_opts sm_options(const struct c2s *c2s, const struct c2s_conf *conf)
{
    return (struct sm_opts){
        .host = c2s->host,
        .network = c2s->network,
        .instance = span_of(c2s->name),
        .max_sessions = (size_t)conf->sessions_per_user,
        .max_many_sessions = (size_t)conf->sessions_of_many,
        .min_password = (size_t)conf->password_min,
        .max_roster = (size_t)conf->roster,
        .presence_rate = (uint64_t)conf->presence_rate,
        .presence_burst = (uint64_t)conf->presence_burst,
        .max_offline = (size_t)conf->offline,
        .max_offline_bytes = (size_t)conf->offline_bytes,
        .offline_days = (unsigned)conf->offline_days,
        .max_blocked = (size_t)conf->blocked,
        .max_backlog = (size_t)conf->backlog,
        .max_stanza = (size_t)conf->stanza,
        .max_nodes = (size_t)conf->nodes,
        .max_items = (size_t)conf->node_items,
        .max_item_bytes = (size_t)conf->item_bytes,
        .max_pubsub_bytes = (size_t)conf->published_bytes,
        .max_push = (size_t)conf->push_services,
        .max_addresses = (size_t)conf->multicast,
        .push_sender = conf->push_sender,
        .push_body = conf->push_body,
        .version = KONTALK_VERSION,
        .externals = conf->services,
        .external_count = conf->service_count,
        .filter = c2s_conf_filter(conf),
        .net = network_options(c2s, conf),
        .rules = conf->rules,
        .rule_count = conf->rule_count,
        .contacts = conf->contacts,
        .archive = conf->archive,
        .archive_rule = (enum sm_archive_rule)conf->archive_default,
        .archive_page = (size_t)conf->archive_page,
        .archive_days = (unsigned)conf->archive_days,
        .archive_messages = (size_t)conf->archive_messages,
    };
}

/* The same for all instances and for ever: a salt that changed would tell that nobody has it. */
static void make_auth_secret(struct c2s *c2s)
{
    static_assert(sizeof c2s->auth_secret == 32, "the length of a SHA-256");
    crypto_hmac(CRYPTO_SHA256, span_of(c2s->conf->router.secret),
                SPAN("salts of users who do not exist"), c2s->auth_secret);
}

static void on_account(void *ctx, struct span user)
{
    const struct c2s *c2s = ctx;
    if (c2s->sm)
        sm_user_added(c2s->sm, user);
}

struct c2s *c2s_new(struct daemon *d, char error_r[CONF_ERROR_MAX])
{
    const struct c2s_conf *conf = d->conf;
    struct c2s *c2s = mem_zalloc(sizeof *c2s);
    c2s->loop = d->loop;
    c2s->conf = conf;
    c2s->instance = d->instance;
    c2s->host = span_of(mem_strdup_span(span_of(conf->host)));
    c2s->network = *conf->network ? span_of(mem_strdup_span(span_of(conf->network))) : c2s->host;
    c2s->started_ms = loop_now(d->loop);
    list_init(&c2s->clients);
    list_init(&c2s->seats);
    list_init(&c2s->works);
    list_init(&c2s->imports);
    hibernate_init(&c2s->hibernation);
    if (asprintf(&c2s->name, "%s.%s", d->instance, conf->host) < 0)
        abort();
    crypto_init();
    make_auth_secret(c2s);
    c2s->stanza_limits = framer_limits_client;
    c2s->stanza_limits.stanza_bytes = (uint32_t)conf->stanza;
    limits_init(&c2s->limits, (uint64_t)conf->prelogin_per_address,
                (uint64_t)conf->connections_per_address, (uint64_t)conf->max_connections,
                (uint64_t)conf->failure_delay);
    c2s->limits.max_waiting = (uint64_t)conf->prelogin;
    quota_init(&c2s->registrations, (uint64_t)conf->register_per_address,
               (uint64_t)conf->register_per_hour);
    struct store_opts store = {.path = conf->store_path, .migrations = c2s_migrations};
    if (!network_load(c2s, conf, error_r) || !make_tls(c2s, error_r) ||
        !(c2s->store = store_open(d->loop, &store, error_r))) {
        c2s_free(&c2s);
        return NULL;
    }
    c2s->accounts = accounts_new(d->loop, c2s->store, (uint32_t)conf->auth_iterations);
    struct sm_opts opts = sm_options(c2s, conf);
    c2s->sm = sm_new(c2s->loop, c2s->store, &opts);
    sm_set_accounts(c2s->sm, &accounts_sm_ops, c2s->accounts);
    accounts_on_added(c2s->accounts, on_account, c2s);
    make_link(c2s);
    return c2s;
}

/* --- listening -------------------------------------------------------------------------------- */

static void on_accept(void *ctx, struct conn *c)
{
    client_accept(ctx, c, false);
}

static void on_accept_tls(void *ctx, struct conn *c)
{
    client_accept(ctx, c, true);
}

bool c2s_listen(struct c2s *c2s, char error_r[CONF_ERROR_MAX])
{
    const struct c2s_conf *conf = c2s->conf;
    const struct listen_opts opts = {.reuseport = true};
    if (!listeners_open(&c2s->listeners, c2s->loop, &conf->listen, &opts, on_accept, c2s,
                        error_r) ||
        !listeners_open(&c2s->listeners, c2s->loop, &conf->listen_tls, &opts, on_accept_tls, c2s,
                        error_r))
        return false;
    c2s->control =
        control_open(c2s->loop, conf->control, c2s->instance, c2s_commands, c2s, error_r);
    if (!c2s->control)
        return false;
    LOG(LOG_INFO, "c2s.ready", F_STR("name", c2s->name), F_STR("host", c2s->conf->host));
    return true;
}

/* --- reload ----------------------------------------------------------------------------------- */

bool c2s_reload(struct c2s *c2s, const struct c2s_conf *conf, char error_r[CONF_ERROR_MAX])
{
    if (!conf_may_follow(&c2s_conf_spec, c2s->conf, conf, error_r))
        return false;
    struct tls_ctx *tls = server_tls(c2s->loop, conf, error_r);
    if (!tls || !network_load(c2s, conf, error_r)) {
        tls_ctx_unref(&tls);
        return false;
    }
    tls_ctx_unref(&c2s->tls);
    c2s->tls = tls;
    c2s->conf = conf;
    c2s->limits.max_prelogin = (uint64_t)conf->prelogin_per_address;
    c2s->limits.max_connections = (uint64_t)conf->connections_per_address;
    c2s->limits.max_total = (uint64_t)conf->max_connections;
    c2s->limits.max_waiting = (uint64_t)conf->prelogin;
    c2s->limits.max_delay_ms = (uint64_t)conf->failure_delay;
    c2s->registrations.max_each = (uint64_t)conf->register_per_address;
    c2s->registrations.max_all = (uint64_t)conf->register_per_hour;
    c2s->stanza_limits.stanza_bytes = (uint32_t)conf->stanza;
    struct sm_opts opts = sm_options(c2s, conf);
    sm_set_limits(c2s->sm, &opts);
    network_tell(c2s);
    accounts_set_iterations(c2s->accounts, (uint32_t)conf->auth_iterations);
    return true;
}

/* --- unmaking --------------------------------------------------------------------------------- */

/*
 * The streams end first, then the link, once what clients are held for has been answered: by the
 * store always, by the router only if it is there. What is stored last is stored: only then is the
 * process done.
 */
#define STOP_WAIT_MS 1000

static void finish(void *ctx)
{
    struct c2s *c2s = ctx;
    sm_free(&c2s->sm);
    accounts_free(&c2s->accounts);
    store_close(&c2s->store);
    control_works_drop(c2s);
    control_imports_drop(c2s);
    LOG(LOG_INFO, "c2s.stopped", F_STR("name", c2s->name));
    c2s->on_stopped(c2s->stopped_ctx);
}

static void on_link_gone(void *ctx)
{
    struct c2s *c2s = ctx;
    c2s->is_link_gone = true;
    c2s_client_gone(c2s);
}

static void close_link(void *ctx)
{
    struct c2s *c2s = ctx;
    timer_stop(&c2s->stop_wait);
    sm_set_link(c2s->sm, NULL);
    link_close(&c2s->link, on_link_gone, c2s);
}

void c2s_client_gone(struct c2s *c2s)
{
    if (!c2s->is_stopping || c2s->stream_count > 0)
        return;
    bool is_empty = c2s->client_count == 0 && c2s->seat_count == 0;
    if (c2s->link && is_empty)
        close_link(c2s);
    else if (c2s->link && !timer_is_running(&c2s->stop_wait))
        timer_start(&c2s->stop_wait, c2s->loop, STOP_WAIT_MS, close_link, c2s);
    else if (c2s->is_link_gone && is_empty)
        loop_defer(c2s->loop, &c2s->finish); /* the store may be calling just now */
}

static void stop_listening(struct c2s *c2s)
{
    listeners_close(&c2s->listeners);
    if (c2s->control)
        control_free(&c2s->control);
}

void c2s_stop(struct c2s *c2s, void (*done)(void *ctx), void *ctx)
{
    c2s->is_stopping = true;
    c2s->finish = (struct deferred){.call = finish, .ctx = c2s};
    c2s->on_stopped = done;
    c2s->stopped_ctx = ctx;
    stop_listening(c2s);
    hibernate_end_all(c2s);
    LIST_FOR_EACH(node, &c2s->clients)
    {
        struct client *c = CONTAINER_OF(node, struct client, node);
        if (!c->is_gone)
            stream_error(&c->stream, STREAM_SYSTEM_SHUTDOWN, NULL);
    }
    c2s_client_gone(c2s);
}

void c2s_free(struct c2s **c2s_ptr)
{
    struct c2s *c2s = *c2s_ptr;
    if (!c2s)
        return;
    *c2s_ptr = NULL;
    stop_listening(c2s);
    if (c2s->link) { /* never served: it could not start */
        sm_set_link(c2s->sm, NULL);
        link_close(&c2s->link, NULL, NULL);
    }
    if (c2s->sm)
        sm_free(&c2s->sm);
    if (c2s->accounts)
        accounts_free(&c2s->accounts);
    if (c2s->store)
        store_close(&c2s->store);
    control_works_drop(c2s);
    control_imports_drop(c2s);
    tls_ctx_unref(&c2s->tls);
    servers_unref(&c2s->servers);
    tls_ctx_unref(&c2s->link_tls);
    limits_deinit(&c2s->limits);
    quota_deinit(&c2s->registrations);
    hibernate_deinit(&c2s->hibernation);
    buf_free(&c2s->scratch);
    handled_free_tokens();
    if (c2s->network.p != c2s->host.p)
        free((void *)(uintptr_t)c2s->network.p);
    free((void *)(uintptr_t)c2s->host.p);
    free(c2s->name);
    mem_wipe(c2s->auth_secret, sizeof c2s->auth_secret);
    free(c2s);
}
