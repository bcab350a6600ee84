/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wire_dial - from a server's host to a connection with it: SRV records of xmpp-net, else the host
 * itself at port 5270, or the static way of the settings; and what has happened, for people.
 *
 * Whoever is there proves himself by his key, so any address will do, private ones too.
 */
#include "base/log.h"
#include "net/wire_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PORT 5270
#define NOTES_MAX 6144 /* with what the dial has told */

/* --- what has happened ------------------------------------------------------------------------ */

void wire_tell_story(struct wire *w)
{
    struct buf *story = w->peer ? &w->peer->story : NULL;
    if (!story || !w->is_ours)
        return;
    buf_clear(story);
    if (w->dial)
        buf_append(story, dial_story(w->dial));
    if (buf_len(story) > 0 && buf_span(story).p[buf_len(story) - 1] != '\n')
        buf_append_char(story, '\n');
    buf_append(story, buf_span(&w->notes));
}

void wire_note(struct wire *w, const char *format, ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (buf_len(&w->notes) < NOTES_MAX) {
        buf_append_z(&w->notes, line);
        buf_append_char(&w->notes, '\n');
    }
    wire_tell_story(w);
}

void wire_end_dial(struct wire *w)
{
    struct buf notes = w->notes;
    if (!w->dial)
        return;
    w->notes = (struct buf){0};
    buf_append(&w->notes, dial_story(w->dial));
    buf_append(&w->notes, buf_span(&notes));
    buf_free(&notes);
    dial_free(&w->dial);
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

/* "HOST:PORT", which the settings have checked. */
static void set_route(const struct net_conf *conf, struct span host, struct dial_opts *opts)
{
    for (size_t i = 0; i < conf->route_count; i++) {
        struct span route = span_of(conf->routes[i].route);
        size_t colon = route.n;
        uint64_t port;
        if (!span_eq(span_of(conf->routes[i].name), host))
            continue;
        while (colon > 0 && route.p[colon - 1] != ':')
            colon--;
        if (colon < 2 || !span_to_u64(span_from(route, colon), UINT16_MAX, &port))
            continue;
        struct span name = span_make(route.p, colon - 1);
        if (name.n > 2 && name.p[0] == '[')
            name = span_make(name.p + 1, name.n - 2);
        opts->route_host = name;
        opts->route_port = (uint16_t)port;
    }
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
