/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wire_dial - from a server's host to a connection with it: SRV records of xmpp-net, else the host
 * itself at port 5270, or the static way of the settings; and what has happened, for people.
 *
 * Whoever is there proves himself by his key, so any address will do, private ones too.
 */
#include "base/log.h"
#include "net/wire_private.h"

#include <stdio.h>
#include <stdlib.h>

#define PORT 5270

/* --- what has happened ------------------------------------------------------------------------ */

void wire_tell_story(struct wire *w)
{
    if (w->peer && w->is_ours)
        dial_write_story(w->dial, &w->notes, &w->peer->story);
}

void wire_note(struct wire *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    dial_note(&w->notes, format, args);
    va_end(args);
    wire_tell_story(w);
}

/* --- dialling --------------------------------------------------------------------------------- */

static void on_connected(void *ctx, struct conn *c, const struct dial_target *target)
{
    struct wire *w = ctx;
    w->shown[0] = '\0';
    wire_begin_stream(w, c);
    wire_note(w, "connected to %.*s:%u", SPAN_ARG(target->name), target->port);
    stream_start_tls(&w->stream, &tls_transport,
                     tls_client_new(w->net->tls_out, conn_fd(c), span_of(w->domain)));
}

static void on_failed(void *ctx, enum dial_failure why)
{
    static const char *const words[] = {
        [DIAL_NOT_FOUND] = "the DNS knows no such server",
        [DIAL_REFUSED] = "the DNS leads nowhere",
        [DIAL_TIMEOUT] = "it could not be reached",
        [DIAL_EXHAUSTED] = "none of its hosts took the connection",
    };
    struct wire *w = ctx;
    if (!*w->reason)
        snprintf(w->reason, sizeof w->reason, "%s", words[why]);
    wire_report(w);
}

static const struct dial_events events = {.on_connected = on_connected, .on_failed = on_failed};

static void set_route(const struct net_conf *conf, struct span host, struct dial_opts *opts)
{
    for (size_t i = 0; i < conf->route_count; i++)
        if (*conf->routes[i].route && span_eq(span_of(conf->routes[i].name), host))
            addr_split(span_of(conf->routes[i].route), &opts->route_host, &opts->route_port);
}

void wire_start_dial(struct wire *w)
{
    struct net *n = w->net;
    struct dial_opts opts = {
        .direct_service = "xmpp-net",
        .port = PORT,
        .route_is_direct = true,
        .allow_private = true,
        .connect = net_test_connect,
        .connect_ctx = net_test_ctx,
    };
    if (!jid_domain_to_ascii(w->peer->host, w->domain)) {
        snprintf(w->reason, sizeof w->reason, "that is no name of a server");
        loop_defer(n->loop, &w->report);
        return;
    }
    opts.domain = span_of(w->domain);
    set_route(n->conf, w->peer->host, &opts);
    w->dial = dial_start(n->loop, n->resolver, &opts, &events, w);
}
