/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * router - the parts put together: listeners, TLS, tap, control, start, reload and stop.
 *
 * Called by main.c; tests call it with fake connections instead of listeners.
 */
#include "router/router.h"

#include "base/control.h"
#include "base/listen.h"
#include "base/log.h"
#include "base/mem.h"
#include "tls/ctx.h"

#include <stdio.h>
#include <stdlib.h>

/* --- parts ------------------------------------------------------------------------------------ */

static bool load_tls(const struct router_conf *conf, struct tls_ctx **tls_r,
                     char error_r[CONF_ERROR_MAX])
{
    char reason[TLS_ERROR_MAX];
    *tls_r = NULL;
    if (conf->tls_cert[0] == '\0')
        return true;
    *tls_r = tls_ctx_new(
        &(struct tls_ctx_opts){.cert_file = conf->tls_cert, .key_file = conf->tls_key}, reason);
    if (!*tls_r)
        snprintf(error_r, CONF_ERROR_MAX, "%s", reason);
    return *tls_r != NULL;
}

static bool open_tap(struct loop *loop, const struct router_conf *conf, struct tap **tap_r,
                     char error_r[CONF_ERROR_MAX])
{
    *tap_r = NULL;
    if (conf->tap_file[0] == '\0')
        return true;
    *tap_r = tap_new(loop, conf->tap_file, conf->tap_bodies, (uint64_t)conf->tap_size, error_r);
    return *tap_r != NULL;
}

struct router *router_new(struct loop *loop, const struct router_conf *conf,
                          char error_r[CONF_ERROR_MAX])
{
    struct router *r = mem_zalloc(sizeof *r);
    r->loop = loop;
    r->conf = conf;
    r->started = loop_now(loop);
    list_init(&r->peers);
    list_init(&r->live_taps);
    list_init(&r->records);
    claims_init(&r->claims, loop, &ext_claims_events, r);
    if (!load_tls(conf, &r->tls, error_r) || !open_tap(loop, conf, &r->tap, error_r)) {
        router_free(&r);
        return NULL;
    }
    settle_start(r);
    return r;
}

/* --- listeners -------------------------------------------------------------------------------- */

void router_accept(struct router *r, struct conn *conn)
{
    peer_new(r, conn, r->tls && !addr_is_unix(conn_peer(conn)));
}

static void on_accept(void *ctx, struct conn *conn)
{
    router_accept(ctx, conn);
}

static bool open_listener(struct router *r, const char *text, char error_r[CONF_ERROR_MAX])
{
    struct addr at;
    int error = addr_parse(span_of(text), &at);
    struct listener *l = NULL;
    if (!error)
        l = listener_new(r->loop, &at, &(struct listen_opts){.unix_mode = 0600}, on_accept, r,
                         &error);
    if (!l) {
        snprintf(error_r, CONF_ERROR_MAX, "listen %.200s: %s", text, strerror(-error));
        return false;
    }
    r->listeners[r->listener_count++] = l;
    LOG(LOG_INFO, "router.listen", F_STR("at", text), F_INT("tls", r->tls && !addr_is_unix(&at)));
    return true;
}

bool router_listen(struct router *r, char error_r[CONF_ERROR_MAX])
{
    const struct conf_list *listen = &r->conf->listen;
    r->listeners = mem_zalloc((listen->count ? listen->count : 1) * sizeof(struct listener *));
    for (size_t i = 0; i < listen->count; i++)
        if (!open_listener(r, listen->items[i], error_r))
            return false;
    return router_control_start(r, error_r);
}

static void close_listeners(struct router *r)
{
    while (r->listener_count > 0)
        listener_free(&r->listeners[--r->listener_count]);
    free(r->listeners);
    r->listeners = NULL;
}

/* --- reload ----------------------------------------------------------------------------------- */

static void take_route(struct peer *p, struct route *route)
{
    char text[JID_PART_MAX];
    struct span name = {text, route->name.n}; /* the route may go */
    bool shared = route->kind == ROUTE_SHARED;
    memcpy(text, route->name.p, name.n);
    peer_unbind(p, route);
    if (shared)
        claims_forget(&p->router->claims, p, name);
    LOG(LOG_INFO, "route.taken", F_SPAN("name", name), F_SPAN("peer", p->name));
}

/* What its section does not allow any more. */
static void trim_routes(struct peer *p)
{
    struct routes *routes = &p->router->routes;
    const struct component *c = p->component;
    struct route *route;
    size_t cursor = 0;
    while ((route = routes_next(routes, &cursor)))
        if (route_has(route, p) && !(route->kind == ROUTE_SHARED
                                         ? component_may_share(c, route->name)
                                         : component_may_be(c, route->name)))
            take_route(p, route);
    if (routes->fallback == p && !c->is_default)
        routes->fallback = NULL;
}

/* Rights follow the section of the same name; whose section has gone, goes. */
static void renew_rights(struct router *r)
{
    LIST_FOR_EACH(n, &r->peers)
    {
        struct peer *p = CONTAINER_OF(n, struct peer, node);
        if (!p->component)
            continue;
        const struct component *c = conf_component(r->conf, span_of(p->section));
        bool stays = c && c->internal == p->is_internal && component_may_be(c, p->name);
        p->component = c;
        if (p->is_up && !stays)
            peer_error(p, STREAM_NOT_AUTHORIZED, "no longer configured");
        else if (p->is_up)
            trim_routes(p);
    }
}

/* A listener's kind does not change while it is open: clear text stays so, TLS stays on. */
static bool may_follow(const struct router *r, const struct router_conf *conf,
                       char error_r[CONF_ERROR_MAX])
{
    if (!conf_may_follow(&router_conf_spec, r->conf, conf, error_r))
        return false;
    bool is_same = (conf->tls_cert[0] != '\0') == (r->tls != NULL);
    if (!is_same)
        snprintf(error_r, CONF_ERROR_MAX, "tls_cert: switching TLS needs a restart");
    return is_same;
}

bool router_reload(struct router *r, const struct router_conf *conf, char error_r[CONF_ERROR_MAX])
{
    struct tls_ctx *tls;
    struct tap *tap;
    if (!may_follow(r, conf, error_r) || !load_tls(conf, &tls, error_r))
        return false;
    if (!open_tap(r->loop, conf, &tap, error_r)) {
        tls_ctx_unref(&tls);
        return false;
    }
    tls_ctx_unref(&r->tls);
    tap_free(&r->tap);
    r->tls = tls;
    r->tap = tap;
    r->conf = conf;
    renew_rights(r);
    return true;
}

/* --- end -------------------------------------------------------------------------------------- */

static void free_peer(struct peer *p)
{
    list_remove(&p->node);
    p->router->peer_count--;
    free((char *)(uintptr_t)p->name.p);
    free(p->section);
    buf_free(&p->marks);
    free(p);
}

static void check_stopped(struct router *r)
{
    if (!r->is_stopping || r->peer_count > 0 || !r->on_stopped)
        return;
    void (*on_stopped)(void *ctx) = r->on_stopped;
    r->on_stopped = NULL;
    on_stopped(r->on_stopped_ctx);
}

void router_peer_closed(struct peer *p)
{
    struct router *r = p->router;
    free_peer(p);
    check_stopped(r);
}

void router_stop(struct router *r, void (*on_stopped)(void *ctx), void *ctx)
{
    r->is_stopping = true;
    r->on_stopped = on_stopped;
    r->on_stopped_ctx = ctx;
    close_listeners(r);
    live_end_all(r);
    LIST_FOR_EACH(n, &r->peers)
    {
        struct peer *p = CONTAINER_OF(n, struct peer, node);
        stream_error(&p->stream, STREAM_SYSTEM_SHUTDOWN, NULL);
    }
    check_stopped(r);
}

/* A peer whose stream has not come to its end in time. */
static void drop_peer(struct peer *p)
{
    struct stream *s = &p->stream;
    peer_down(p);
    timer_stop(&s->deadline);
    loop_defer_cancel(&s->resume);
    buf_free(&s->in);
    xml_parser_free(&s->parser);
    conn_set_handler(s->conn, NULL, NULL);
    conn_abort(s->conn, 0);
    free_peer(p);
}

void router_free(struct router **router)
{
    struct router *r = *router;
    *router = NULL;
    if (!r)
        return;
    r->is_stopping = true;
    r->on_stopped = NULL;
    close_listeners(r);
    live_end_all(r);
    control_free(&r->control);
    record_stop_all(r);
    LIST_FOR_EACH(n, &r->peers)
    {
        drop_peer(CONTAINER_OF(n, struct peer, node));
    }
    settle_free(r);
    claims_free(&r->claims);
    routes_free(&r->routes);
    tap_free(&r->tap);
    tls_ctx_unref(&r->tls);
    buf_free(&r->scratch);
    free(r);
}
