/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control - what kontalkctl may ask the router: info, routes and claims, taps, recordings.
 */
#include "base/control.h"

#include "router/router.h"

#include <stdio.h>

/* --- info ------------------------------------------------------------------------------------- */

static void run_info(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    const struct router *r = ctx;
    (void)args;
    (void)count;
    control_row2(call, SPAN("key"), SPAN("value"));
    control_row2(call, SPAN("version"), SPAN(KONTALK_VERSION));
    control_row_number(call, SPAN("uptime_s"), (loop_now(r->loop) - r->started) / 1000);
    control_row_number(call, SPAN("peers"), r->peer_count);
    control_row_number(call, SPAN("routes"), r->routes.by_name.count);
    control_row_number(call, SPAN("claims"), claims_count(&r->claims));
    control_row2(call, SPAN("settled"), r->settle.done ? SPAN("yes") : SPAN("no"));
    control_row_number(call, SPAN("stanzas"), r->counters.stanzas);
    control_row_number(call, SPAN("envelopes"), r->counters.envelopes);
    control_row_number(call, SPAN("bounced"), r->counters.bounced);
    control_row_number(call, SPAN("dropped"), r->counters.dropped);
    control_row_number(call, SPAN("lost"), r->counters.lost);
    control_ok(call);
}

/* --- lists ------------------------------------------------------------------------------------ */

static void route_row(struct control_call *call, struct span name, const char *kind,
                      const struct peer *p)
{
    control_row(call,
                (const struct span[]){name, span_of(p->component->section), span_of(kind), p->name,
                                      span_of(p->is_internal ? "yes" : "no")},
                5);
}

static void run_routes(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    static const char *const kinds[] = {"exclusive", "shared", "instance"};
    const struct router *r = ctx;
    size_t cursor = 0;
    const struct route *route;
    (void)args;
    (void)count;
    control_row(call,
                (const struct span[]){SPAN("name"), SPAN("component"), SPAN("kind"), SPAN("peer"),
                                      SPAN("internal")},
                5);
    while ((route = routes_next(&r->routes, &cursor)))
        for (size_t i = 0; i < route->count; i++)
            route_row(call, route->name, kinds[route->kind], route->members[i].peer);
    if (r->routes.fallback)
        route_row(call, SPAN("*"), "default", r->routes.fallback);
    control_ok(call);
}

static void run_claims(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    const struct router *r = ctx;
    size_t cursor = 0;
    const struct claim *claim;
    (void)args;
    (void)count;
    control_row2(call, SPAN("jid"), SPAN("owner"));
    while ((claim = claims_next(&r->claims, &cursor)))
        control_row2(call, claim_jid(claim), claim->owner->name);
    control_ok(call);
}

/* route explain JID [FROM]: for the domain itself the sender counts, too. */
static void run_explain(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    struct router *r = ctx;
    struct jid to, from = {.full = SPAN_INIT("")};
    if (!jid_parse(args[0], &to, &r->to_scratch) ||
        (count > 1 && !jid_parse(args[1], &from, &r->from_scratch))) {
        control_error(call, "not an address");
        return;
    }
    struct relay_view v = relay_explain(r, &to, from.full);
    control_row(call,
                (const struct span[]){SPAN("jid"), SPAN("rule"), SPAN("peer"), SPAN("component"),
                                      SPAN("fate")},
                5);
    control_row(call,
                (const struct span[]){to.full, span_of(v.rule), v.peer ? v.peer->name : SPAN(""),
                                      span_of(v.peer ? v.peer->section : ""), span_of(v.fate)},
                5);
    control_ok(call);
}

/* tap [ADDRESS [bodies]]: an empty address is everybody's. */
static void run_tap(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    struct router *r = ctx;
    struct jid jid = {.full = SPAN_INIT("")};
    bool bodies = count > 1 && span_eq(args[1], SPAN("bodies"));
    if ((count > 1 && !bodies) ||
        (count > 0 && args[0].n > 0 && !jid_parse(args[0], &jid, &r->from_scratch)))
        control_error(call, "usage: tap [ADDRESS [bodies]]");
    else
        live_start(r, call, jid.full, bodies);
}

/* record start NAME FILE [bodies] */
static void run_record(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    struct router *r = ctx;
    char text[JID_PART_MAX + 1], path[512], error[CONF_ERROR_MAX];
    struct span name;
    bool bodies = count > 2 && span_eq(args[2], SPAN("bodies"));
    if ((count > 2 && !bodies) || args[1].n >= sizeof path || args[1].p[0] != '/' ||
        !jid_prep_domain(args[0], text, &name)) {
        control_error(call, "usage: record start NAME /ABSOLUTE/FILE [bodies]");
        return;
    }
    snprintf(path, sizeof path, "%.*s", SPAN_ARG(args[1]));
    if (record_start(r, name, path, bodies, error))
        control_ok(call);
    else
        control_error(call, error);
}

static void run_record_stop(void *ctx, struct control_call *call, const struct span *args,
                            size_t count)
{
    char text[JID_PART_MAX + 1];
    struct span name;
    (void)count;
    if (jid_prep_domain(args[0], text, &name) && record_stop(ctx, name))
        control_ok(call);
    else
        control_error(call, "it is not being recorded");
}

static const struct control_command commands[] = {
    {.name = "info", .usage = "info", .run = run_info},
    {.name = "route list", .usage = "route list", .run = run_routes},
    {.name = "route explain",
     .min_args = 1,
     .max_args = 2,
     .usage = "route explain JID [FROM]",
     .run = run_explain},
    {.name = "record start",
     .min_args = 2,
     .max_args = 3,
     .usage = "record start NAME FILE [bodies]",
     .run = run_record},
    {.name = "record stop",
     .min_args = 1,
     .max_args = 1,
     .usage = "record stop NAME",
     .run = run_record_stop},
    {.name = "tap", .max_args = 2, .usage = "tap [ADDRESS [bodies]]", .run = run_tap},
    {.name = "claim list", .usage = "claim list", .run = run_claims},
    {0},
};

bool router_control_start(struct router *r, char error_r[CONF_ERROR_MAX])
{
    int error = 0;
    if (r->conf->control[0] == '\0')
        return true;
    r->control = control_new(r->loop, r->conf->control, commands, r, &error);
    if (!r->control)
        snprintf(error_r, CONF_ERROR_MAX, "control %.200s: %s", r->conf->control,
                 strerror(-error));
    return r->control != NULL;
}
