/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control - what kontalkctl may ask of a net: info, net list, net close, net explain, servers
 * reload.
 */
#include "base/log.h"
#include "base/mem.h"
#include "net/wire.h"

#include <stdio.h>

/* --- info ------------------------------------------------------------------------------------- */

static void on_info(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    struct net *n = ctx;
    (void)args;
    (void)count;
    control_row2(call, SPAN("key"), SPAN("value"));
    control_row2(call, SPAN("instance"), span_of(n->instance));
    control_row2(call, SPAN("version"), SPAN(KONTALK_VERSION));
    control_row2(call, SPAN("host"), n->host);
    control_row2(call, SPAN("network"), n->network);
    control_row2(call, SPAN("fingerprint"), span_of(n->fingerprint));
    control_row_list(call, SPAN("listen"), &n->conf->listen);
    control_row2(call, SPAN("cert"), span_of(n->conf->cert));
    control_row2(call, SPAN("servers"), span_of(n->conf->servers));
    control_row2(call, SPAN("link"), n->link && link_is_up(n->link) ? SPAN("up") : SPAN("down"));
    control_row_number(call, SPAN("members"), servers_members(n->servers));
    control_row_number(call, SPAN("streams"), n->wire_count);
    control_row_number(call, SPAN("from_router"), n->counts.from_router);
    control_row_number(call, SPAN("to_router"), n->counts.to_router);
    control_row_number(call, SPAN("sent"), n->counts.sent);
    control_row_number(call, SPAN("bounced"), n->counts.bounced);
    control_row_number(call, SPAN("refused"), n->counts.refused);
    control_row_number(call, SPAN("uptime"), (loop_now(n->loop) - n->started_ms) / 1000);
    control_ok(call);
}

/* --- list ------------------------------------------------------------------------------------- */

static void list_peer(struct control_call *call, const struct peer *p)
{
    struct buf how = {0}, names = {0};
    size_t stanzas, bytes;
    uint64_t age;
    char queued[80], counts[80];
    if (p->wire)
        wire_describe(p->wire, &how);
    outbox_figures(p->outbox, &stanzas, &bytes, &age);
    snprintf(queued, sizeof queued, "%zu (%zu bytes, %llu s)", stanzas, bytes,
             (unsigned long long)age / 1000);
    snprintf(counts, sizeof counts, "%llu out, %llu in", (unsigned long long)p->counts.sent,
             (unsigned long long)p->counts.received);
    buf_printf(&names, "%zu", p->names.count);
    const struct span words[] = {p->host,           span_of(peer_state_name(p->state)),
                                 buf_span(&how),    span_of(queued),
                                 span_of(counts),   buf_span(&names)};
    control_row(call, words, ARRAY_LEN(words));
    buf_free(&how);
    buf_free(&names);
}

static void on_list(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    static const struct span columns[] = {SPAN_INIT("server"), SPAN_INIT("state"),
                                          SPAN_INIT("link"),   SPAN_INIT("queued"),
                                          SPAN_INIT("stanzas"), SPAN_INIT("components")};
    struct net *n = ctx;
    size_t cursor = 0;
    (void)args;
    (void)count;
    control_row(call, columns, ARRAY_LEN(columns));
    for (struct peer *p; (p = map_next(&n->peers, &cursor));)
        list_peer(call, p);
    control_ok(call);
}

/* --- close, explain --------------------------------------------------------------------------- */

static struct peer *named(struct net *n, struct control_call *call, struct span host)
{
    struct peer *p = peer_find(n, host);
    char reason[256];
    if (p)
        return p;
    const struct server *s = servers_find(n->servers, host);
    snprintf(reason, sizeof reason, "%.*s is %s", (int)(host.n < 150 ? host.n : 150), host.p,
             !s            ? "not in the table of servers"
             : s->is_self  ? "this server"
                           : "disabled");
    control_error(call, reason);
    return NULL;
}

static void on_close(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    struct net *n = ctx;
    struct peer *p = named(n, call, args[0]);
    (void)count;
    if (!p)
        return;
    bool was_up = p->wire != NULL;
    peer_close(p);
    LOG(LOG_INFO, "net.close", F_SPAN("server", p->host));
    control_row2(call, SPAN("server"), SPAN("closed"));
    control_row_number(call, p->host, was_up);
    control_ok(call);
}

static bool is_under_way(void *ctx, struct span host)
{
    const struct peer *p = peer_find(ctx, host);
    return p && p->state == PEER_CONNECTING;
}

static void explain(void *ctx, struct control_call *call, struct span host)
{
    const struct peer *p = peer_find(ctx, host);
    struct buf how = {0};
    control_row2(call, SPAN("key"), SPAN("value"));
    control_row2(call, SPAN("server"), host);
    control_row2(call, SPAN("state"), p ? span_of(peer_state_name(p->state)) : SPAN("removed"));
    if (p) {
        control_row2(call, SPAN("fingerprint"), span_of(p->fingerprint));
        if (p->wire)
            wire_describe(p->wire, &how);
        if (buf_len(&how) > 0)
            control_row2(call, SPAN("link"), buf_span(&how));
        if (p->failures > 0)
            control_row_number(call, SPAN("failures in a row"), p->failures);
        control_row_lines(call, SPAN("attempt"), buf_span(&p->story));
    }
    control_ok(call);
    buf_free(&how);
}

static void on_explain(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    static const struct control_waiting attempt = {is_under_way, explain};
    struct net *n = ctx;
    struct peer *p = named(n, call, args[0]);
    (void)count;
    if (!p)
        return;
    if (p->state == PEER_WAITING)
        peer_connect(p);
    control_wait(call, n->loop, &attempt, n, p->host);
}

/* --- the table -------------------------------------------------------------------------------- */

static void on_servers(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    struct net *n = ctx;
    char error[CONF_ERROR_MAX];
    (void)args;
    (void)count;
    if (!net_reload_servers(n, error)) {
        LOG(LOG_ERROR, "net.servers_refused", F_STR("reason", error));
        control_error(call, error);
        return;
    }
    control_row2(call, SPAN("key"), SPAN("value"));
    control_row_number(call, SPAN("members"), servers_members(n->servers));
    control_ok(call);
}

const struct control_command net_commands[] = {
    {"info", 0, 0, "info", on_info},
    {"net list", 0, 0, "net list", on_list},
    {"net close", 1, 1, "net close SERVER", on_close},
    {"net explain", 1, 1, "net explain SERVER", on_explain},
    {"servers reload", 0, 0, "servers reload", on_servers},
    {.name = NULL},
};
