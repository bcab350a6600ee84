/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * part - the connecting side of XEP-0114 over the stream engine, without a parser: frames are
 * handed on as they come.
 */
#include "router/ctl/part.h"

#include "base/mem.h"
#include "router/conf.h"
#include "tls/ctx.h"
#include "xmpp/jid.h"
#include "xmpp/link.h"
#include "xmpp/ns.h"

#include <stdio.h>
#include <stdlib.h>

#define HANDSHAKE_MS 10000

enum part_state { PART_HANDSHAKE, PART_UP, PART_STATES };

/* --- router.conf ------------------------------------------------------------------------------ */

struct router_conf *ctl_router_conf(const struct ctl *ctl, char error_r[CTL_ERROR_MAX])
{
    char *path = ctl_join(ctl->directory, "router.conf");
    struct router_conf *conf = conf_load(&router_conf_spec, path, true, error_r);

    free(path);
    return conf;
}

const char *ctl_secret_of(const struct ctl *ctl, const struct router_conf *conf, const char *name,
                          char name_r[1024], char error_r[CTL_ERROR_MAX])
{
    char text[JID_PART_MAX + 1];
    struct span prepared;
    const struct component *c = NULL;

    if (jid_prep_domain(span_of(name), text, &prepared))
        c = conf_component_for(conf, prepared, NULL);
    if (!c) {
        snprintf(error_r, CTL_ERROR_MAX,
                 "%.200s/router.conf has no section for %.100s: add [component %.100s] with a "
                 "secret, then kontalkctl reload",
                 ctl->directory, name, name);
        return NULL;
    }
    snprintf(name_r, 1024, "%.*s", SPAN_ARG(prepared));
    return c->secret;
}

/* The router's address: its Unix socket if it has one. */
static bool router_address(const struct router_conf *conf, struct addr *at_r,
                           char error_r[CTL_ERROR_MAX])
{
    bool found = false;

    for (size_t i = 0; i < conf->listen.count; i++) {
        struct addr at;
        if (addr_parse(span_of(conf->listen.items[i]), &at) != 0 || (found && !addr_is_unix(&at)))
            continue;
        *at_r = at;
        found = true;
        if (addr_is_unix(&at))
            break;
    }
    if (!found)
        snprintf(error_r, CTL_ERROR_MAX, "router.conf: no address in listen");
    return found;
}

/* --- the stream ------------------------------------------------------------------------------- */

static void on_connect(struct stream *s)
{
    struct part *p = s->ctx;

    if (p->tls)
        stream_start_tls(s, &tls_transport,
                         tls_client_new(p->tls, conn_fd(s->conn), SPAN_NONE));
    else
        stream_send_header(s, &(struct stream_header){.to = span_of(p->name)});
}

static void on_secure(struct stream *s)
{
    struct part *p = s->ctx;
    stream_send_header(s, &(struct stream_header){.to = span_of(p->name)});
}

static void on_header(struct stream *s, const struct stanza *header)
{
    struct part *p = s->ctx;
    char digest[41];

    link_handshake(stanza_attr(header, 0, SPAN("id")), span_of(p->secret), digest);
    stream_send(s, SPAN("<handshake>"));
    stream_send(s, span_of(digest));
    stream_send(s, SPAN("</handshake>"));
}

static void on_handshake(struct stream *s, struct stanza *stanza)
{
    struct part *p = s->ctx;

    (void)stanza;
    stream_set_state(s, PART_UP);
    stream_set_deadline(s, 0);
    stream_set_limits(s, &framer_limits_link);
    p->events->on_up(p->ctx);
}

/* Stream errors are the engine's business. */
static bool on_frame(struct stream *s, struct span frame)
{
    struct part *p = s->ctx;

    if (s->state != PART_UP || span_starts(frame, SPAN("<stream:")))
        return false;
    p->events->on_frame(p->ctx, frame);
    return true;
}

static void on_closed(struct stream *s)
{
    struct part *p = s->ctx;
    char reason[256] = "";

    if (!p->is_closing && s->error == STREAM_CONFLICT)
        snprintf(reason, sizeof(reason), "%s is connected already (conflict)", p->name);
    else if (!p->is_closing)
        snprintf(reason, sizeof(reason), "the router ended the stream: %s",
                 s->error          ? stream_error_name(s->error)
                 : s->close_reason ? s->close_reason
                                   : "connection lost, or nobody listens");
    p->events->on_end(p->ctx, reason);
}

static const struct stream_rule rules[] = {
    {STREAM_IN(PART_HANDSHAKE), NS_COMPONENT, "handshake", on_handshake},
};
static const char *const state_names[PART_STATES] = {"handshake", "up"};
static const struct stream_role role = {
    .name = "part",
    .ns = NS_COMPONENT,
    .ns2 = NS_CLIENT,
    .is_initiator = true,
    .survives_bad_stanza = true,
    .state_names = state_names,
    .rules = rules,
    .rule_count = ARRAY_LEN(rules),
    .on_connect = on_connect,
    .on_secure = on_secure,
    .on_header = on_header,
    .on_frame = on_frame,
    .on_closed = on_closed,
};

/* --- life ------------------------------------------------------------------------------------- */

bool part_start(struct part *p, const struct ctl *ctl, struct loop *loop, const char *name,
                const struct part_events *events, void *ctx, char error_r[CTL_ERROR_MAX])
{
    char prepared[1024];
    struct addr at;
    const char *secret = NULL;
    struct router_conf *conf = ctl_router_conf(ctl, error_r);

    *p = (struct part){.events = events, .ctx = ctx};
    if (conf && router_address(conf, &at, error_r))
        secret = ctl_secret_of(ctl, conf, name, prepared, error_r);
    if (secret) {
        p->name = mem_strdup_span(span_of(prepared));
        p->secret = mem_strdup_span(span_of(secret));
        /* It is this machine's own router: the name in its certificate says nothing more. */
        if (conf->tls_cert[0] && !addr_is_unix(&at))
            p->tls = tls_ctx_new(&(struct tls_ctx_opts){.cert_file = NULL}, error_r);
        stream_init(&p->stream, &role, loop, conn_connect(loop, &at), p);
        stream_set_deadline(&p->stream, HANDSHAKE_MS);
    }
    if (conf)
        conf_free(&router_conf_spec, (void **)&conf);
    return secret != NULL;
}

void part_send(struct part *p, struct span bytes)
{
    stream_send(&p->stream, bytes);
}

void part_close(struct part *p)
{
    p->is_closing = true;
    stream_close(&p->stream);
}

void part_free(struct part *p)
{
    if (p->secret)
        mem_wipe(p->secret, strlen(p->secret));
    free(p->secret);
    free(p->name);
    tls_ctx_unref(&p->tls);
}
