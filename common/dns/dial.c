/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dial - from a domain to its targets (RFC 6120 3.2, XEP-0368), one after the other.
 *
 * Called by s2s/out.c. The caller owns the dial, the dial its questions and the connections that it
 * has not given away yet.
 */
#include "dns/dial_private.h"

#include "dns/guard.h"

#include <stdio.h>
#include <stdlib.h>

enum { SRV_STARTTLS, SRV_DIRECT };

static void conclude(struct dial *d)
{
    enum dial_failure why = DIAL_NOT_FOUND;

    if (d->has_shown)
        why = DIAL_EXHAUSTED;
    else if (d->failed > 0)
        why = DIAL_TIMEOUT;
    else if (d->refused > 0)
        why = DIAL_REFUSED;
    dial_race_stop(d);
    timer_stop(&d->bound);
    d->events->on_failed(d->ctx, why);
}

static void on_bound(void *ctx)
{
    struct dial *d = ctx;

    dial_tell(d, "given up after %d s", DIAL_SEARCH_MS / 1000);
    for (size_t i = 0; i < ARRAY_LEN(d->srv); i++)
        resolve_cancel(&d->srv[i].query);
    d->failed++;
    conclude(d);
}

static void next_target(struct dial *d)
{
    if (d->next == d->targets.count) {
        conclude(d);
        return;
    }
    const struct target *t = &d->targets.list[d->next++];
    dial_tell(d, "target %s:%u, %s%s", t->name, t->port, t->is_direct ? "direct TLS" : "STARTTLS",
              t->is_secure ? ", validated" : "");
    dial_race_begin(d, t);
}

void dial_target_over(struct dial *d)
{
    dial_race_stop(d);
    next_target(d);
}

/* --- SRV records --- */

static void add_single(struct dial *d, const char *name, uint16_t port, bool is_direct,
                       bool is_secure)
{
    struct target *t = &d->targets.list[d->targets.count++];

    *t = (struct target){.port = port, .is_direct = is_direct, .is_secure = is_secure};
    snprintf(t->name, sizeof(t->name), "%s", name);
}

/* There is no SRV record: the domain is its own host. False: it must not be taken for one. */
static bool fall_back(struct dial *d)
{
    const bool is_direct = !d->opts.service && d->opts.direct_service;
    const struct srv_answer *plain = &d->srv[is_direct ? SRV_DIRECT : SRV_STARTTLS];
    const struct srv_answer *direct = &d->srv[SRV_DIRECT];

    if (plain->status == RESOLVE_BOGUS) {
        d->failed++;
        return false;
    }
    if (plain->status == RESOLVE_FOUND && d->targets.has_refusal) {
        dial_tell(d, "%s says that it has no such service", d->domain);
        return false;
    }
    if (plain->status == RESOLVE_FOUND) {
        dial_tell(d, "no SRV record of %s can be used", d->domain);
        d->refused++;
        return false;
    }
    add_single(d, d->domain, d->opts.port, is_direct,
               plain->is_secure && (!d->opts.direct_service || direct->is_secure));
    return true;
}

static void srv_known(struct dial *d)
{
    if (d->srv[SRV_STARTTLS].query.resolver || d->srv[SRV_DIRECT].query.resolver)
        return;
    if (d->targets.dropped > 0)
        dial_tell(d, "%u SRV records passed over", d->targets.dropped);
    if (d->targets.count > 0)
        targets_order(&d->targets, loop_now_us(d->loop) + resolver_asked(d->resolver));
    else if (!fall_back(d)) {
        conclude(d);
        return;
    }
    next_target(d);
}

static void on_srv(struct dial *d, const struct resolve_answer *a, bool is_direct)
{
    struct srv_answer *it = &d->srv[is_direct ? SRV_DIRECT : SRV_STARTTLS];
    const char *service = is_direct ? d->opts.direct_service : d->opts.service;

    it->status = a->status;
    it->is_secure = a->is_secure;
    if (a->status == RESOLVE_FOUND) {
        dial_tell(d, "SRV _%s._tcp.%s: %zu%s", service, d->domain, a->count,
                  a->is_secure ? ", validated" : "");
        bool had_refusal = d->targets.has_refusal;
        targets_add(&d->targets, a, is_direct);
        /* That there is no direct TLS says nothing of the other way. */
        if (is_direct && d->opts.service)
            d->targets.has_refusal = had_refusal;
    } else {
        dial_tell(d, "SRV _%s._tcp.%s: %s", service, d->domain, resolve_status_name(a->status));
    }
    srv_known(d);
}

static void on_plain_srv(void *ctx, const struct resolve_answer *a)
{
    on_srv(ctx, a, false);
}

static void on_direct_srv(void *ctx, const struct resolve_answer *a)
{
    on_srv(ctx, a, true);
}

static void ask_srv(struct dial *d, size_t which, const char *service,
                    void (*done)(void *ctx, const struct resolve_answer *a))
{
    char name[DNS_NAME_MAX + 80];

    d->srv[which].status = RESOLVE_NO_DATA;
    if (!service)
        return;
    int n = snprintf(name, sizeof(name), "_%.60s._tcp.%s", service, d->domain);
    resolve_ask(d->resolver, &d->srv[which].query, RESOLVE_SRV, span_make(name, (size_t)n), done,
                d);
}

static void begin(void *ctx)
{
    struct dial *d = ctx;

    if (d->route_host[0]) {
        dial_tell(d, "static route to %s:%u", d->route_host, d->opts.route_port);
        add_single(d, d->route_host, d->opts.route_port, d->opts.route_is_direct, false);
        next_target(d);
        return;
    }
    if (!guard_is_domain_sane(span_of(d->domain))) {
        dial_tell(d, "%s is not the name of a server elsewhere", d->domain);
        d->refused++;
        conclude(d);
        return;
    }
    ask_srv(d, SRV_STARTTLS, d->opts.service, on_plain_srv);
    ask_srv(d, SRV_DIRECT, d->opts.direct_service, on_direct_srv);
    if (!d->opts.service && !d->opts.direct_service)
        srv_known(d);
}

static void go_on(void *ctx)
{
    dial_race_go_on(ctx);
}

/* --- public --- */

static void copy_name(char to[DNS_NAME_MAX + 1], struct span name)
{
    if (name.n <= DNS_NAME_MAX && name.n > 0)
        memcpy(to, name.p, name.n);
}

struct dial *dial_start(struct loop *loop, struct resolver *r, const struct dial_opts *opts,
                        const struct dial_events *events, void *ctx)
{
    struct dial *d = mem_zalloc(sizeof(*d));

    d->loop = loop;
    d->resolver = r;
    d->opts = *opts;
    d->events = events;
    d->ctx = ctx;
    d->started = loop_now(loop);
    d->story.max = DIAL_STORY_MAX;
    /* One that is too long stays empty, and is refused as such. */
    copy_name(d->domain, opts->domain);
    copy_name(d->route_host, opts->route_host);
    d->step.call = begin;
    d->step.ctx = d;
    loop_defer(loop, &d->step);
    timer_start(&d->bound, loop, DIAL_SEARCH_MS, on_bound, d);
    return d;
}

void dial_next(struct dial *d)
{
    d->step.call = go_on;
    loop_defer(d->loop, &d->step);
    timer_start(&d->bound, d->loop, DIAL_SEARCH_MS, on_bound, d);
}

void dial_free(struct dial **d_p)
{
    struct dial *d = *d_p;

    if (!d)
        return;
    *d_p = NULL;
    dial_race_stop(d);
    for (size_t i = 0; i < ARRAY_LEN(d->srv); i++)
        resolve_cancel(&d->srv[i].query);
    loop_defer_cancel(&d->step);
    timer_stop(&d->bound);
    buf_free(&d->story);
    free(d);
}
