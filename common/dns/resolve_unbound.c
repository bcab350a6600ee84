/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * resolve_unbound - the resolver of production: libunbound, which works on a thread of its own,
 * validates, and keeps answers (RFC 2308: also that there is none) by their TTL.
 *
 * The thread tells of results through a pipe, which the loop watches; everything else happens on
 * the loop. Forgetting the cache is beginning with a new context.
 */
#include "base/log.h"
#include "base/loop_watch.h"
#include "dns/resolve_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <unbound.h>

/* Questions of many domains at once wait for dead servers side by side: each needs a socket. */
static const char *const settings[][2] = {
    {"outgoing-range:", "4096"},
    {"num-queries-per-thread:", "4096"},
    /* A forwarder that is silent about some domains is asked about the others all the same. */
    {"infra-keep-probing:", "yes"},
    {"infra-host-ttl:", "30"},
    {"cache-max-ttl:", "86400"},
    {"cache-max-negative-ttl:", "60"},
    {"msg-cache-size:", "4m"},
    {"rrset-cache-size:", "8m"},
    {"edns-buffer-size:", "1232"},
    /* The resolver of this host, and those of a test. */
    {"do-not-query-localhost:", "no"},
    {"hide-identity:", "yes"},
    {"harden-below-nxdomain:", "yes"},
};

/* The thread is told of questions through a pipe, too: one that is full blocks who writes. So after
 * a burst the rest waits, and goes out at 16,000 a second. */
#define TURN_MS 2
#define TURN_QUESTIONS 32

struct unbound {
    struct resolver base;
    struct list_node waiting; /* questions */
    struct timer turn;
    size_t turn_left;
    struct ub_ctx *ctx;
    struct loop_watch *watch;
    struct resolve_query trial;
    char *resolv_conf, *trust_anchor, *hosts;
    char **servers; /* NULL at the end */
};

/* --- answers --- */

/* In ub_process, where libunbound is in the middle of something: only takes note. */
static void on_result(void *ctx, int err, struct ub_result *result)
{
    struct question *q = ctx;

    q->id = 0;
    q->result = err ? NULL : result;
    if (err && result)
        ub_resolve_free(result);
    question_ready(q);
}

static enum resolve_status status_of(const struct ub_result *u)
{
    if (u->bogus)
        return RESOLVE_BOGUS;
    if (u->havedata)
        return RESOLVE_FOUND;
    if (u->nxdomain)
        return RESOLVE_NO_NAME;
    return u->rcode == 0 ? RESOLVE_NO_DATA : RESOLVE_FAILED;
}

static void unbound_answer(struct resolver *r, struct question *q)
{
    struct ub_result *u = q->result;
    struct resolve_answer a = {.status = RESOLVE_FAILED};
    struct span data[RESOLVE_RECORDS_MAX];

    (void)r;
    q->result = NULL;
    if (u) {
        a.status = status_of(u);
        a.is_secure = u->secure && !u->bogus;
        a.ttl = u->ttl > 0 ? (uint32_t)u->ttl : 0;
        a.data = data;
    }
    if (a.status == RESOLVE_FOUND)
        for (; a.count < RESOLVE_RECORDS_MAX && u->data[a.count]; a.count++)
            data[a.count] = span_make(u->data[a.count], (size_t)u->len[a.count]);
    question_finish(q, &a);
    ub_resolve_free(u);
}

static void on_readable(void *ctx)
{
    struct unbound *u = ctx;

    ub_process(u->ctx);
}

/* --- questions --- */

static void submit(struct unbound *u, struct question *q)
{
    int err = UB_INITFAIL;

    if (u->ctx)
        err = ub_resolve_async(u->ctx, q->name, (int)q->kind, 1, q, on_result, &q->id);
    if (err) {
        LOG(LOG_WARN, "dns.failed", F_STR("name", q->name), F_STR("reason", ub_strerror(err)));
        q->id = 0;
        question_ready(q);
    }
}

static void on_turn(void *ctx)
{
    struct unbound *u = ctx;

    u->turn_left = TURN_QUESTIONS;
    for (; u->turn_left > 0 && !list_is_empty(&u->waiting); u->turn_left--) {
        struct question *q = CONTAINER_OF(u->waiting.next, struct question, turn);
        list_remove(&q->turn);
        submit(u, q);
    }
    if (u->turn_left < TURN_QUESTIONS)
        timer_start(&u->turn, u->base.loop, TURN_MS, on_turn, u);
}

static void unbound_ask(struct resolver *r, struct question *q)
{
    struct unbound *u = (struct unbound *)r;

    list_append(&u->waiting, &q->turn);
    if (!timer_is_running(&u->turn))
        on_turn(u);
    else if (u->turn_left > 0) {
        u->turn_left--;
        list_remove(&q->turn);
        submit(u, q);
    }
}

static void unbound_drop(struct resolver *r, struct question *q)
{
    struct unbound *u = (struct unbound *)r;

    if (q->id && u->ctx)
        ub_cancel(u->ctx, q->id);
    q->id = 0;
    if (q->turn.next)
        list_remove(&q->turn);
    ub_resolve_free(q->result);
    q->result = NULL;
}

/* --- contexts --- */

/* Files are read by libunbound with the first question only: whether they can be is asked now. */
static bool can_read(const char *what, const char *path, char error_r[RESOLVE_ERROR_MAX])
{
    FILE *f = fopen(path, "re");

    if (f) {
        fclose(f);
        return true;
    }
    snprintf(error_r, RESOLVE_ERROR_MAX, "%s %.150s: %m", what, path);
    return false;
}

static bool is_set(const char *text)
{
    return text && *text;
}

static bool failed(const char *what, const char *value, int err, char error_r[RESOLVE_ERROR_MAX])
{
    if (err)
        snprintf(error_r, RESOLVE_ERROR_MAX, "%s %.120s: %s", what, value, ub_strerror(err));
    return err != 0;
}

static bool configure(const struct unbound *u, struct ub_ctx *ctx, char error_r[RESOLVE_ERROR_MAX])
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (failed("DNS setting", settings[i][0],
                   ub_ctx_set_option(ctx, settings[i][0], settings[i][1]), error_r))
            return false;
    for (char **s = u->servers; *s; s++)
        if (failed("DNS server", *s, ub_ctx_set_fwd(ctx, *s), error_r))
            return false;
    if (!u->servers[0] && is_set(u->resolv_conf) &&
        (!can_read("DNS servers of", u->resolv_conf, error_r) ||
         failed("DNS servers of", u->resolv_conf, ub_ctx_resolvconf(ctx, u->resolv_conf), error_r)))
        return false;
    if (is_set(u->hosts) && (!can_read("hosts file", u->hosts, error_r) ||
                             failed("hosts file", u->hosts, ub_ctx_hosts(ctx, u->hosts), error_r)))
        return false;
    if (is_set(u->trust_anchor) && (!can_read("trust anchor", u->trust_anchor, error_r) ||
                                    failed("trust anchor", u->trust_anchor,
                                           ub_ctx_add_ta_file(ctx, u->trust_anchor), error_r)))
        return false;
    /* The library says itself that there is nothing below "test."; the servers are to say it:
     * people try networks out there. What is wrong in a file is found out by the first call that
     * needs all of it: this is one. */
    return !failed("DNS", "settings", ub_ctx_zone_remove(ctx, "test."), error_r);
}

static bool context_begin(struct unbound *u, char error_r[RESOLVE_ERROR_MAX])
{
    struct ub_ctx *ctx = ub_ctx_create();

    if (!ctx) {
        snprintf(error_r, RESOLVE_ERROR_MAX, "DNS: no memory or no random numbers");
        return false;
    }
    ub_ctx_debugout(ctx, NULL);
    ub_ctx_async(ctx, 1);
    if (!configure(u, ctx, error_r)) {
        ub_ctx_delete(ctx);
        return false;
    }
    u->watch = loop_watch_new(u->base.loop, ub_fd(ctx), on_readable, u);
    if (!u->watch) {
        snprintf(error_r, RESOLVE_ERROR_MAX, "DNS: this loop watches no descriptor");
        ub_ctx_delete(ctx);
        return false;
    }
    u->ctx = ctx;
    return true;
}

static void context_end(struct unbound *u)
{
    loop_watch_free(&u->watch);
    ub_ctx_delete(u->ctx);
    u->ctx = NULL;
}

static void unbound_flush(struct resolver *r)
{
    struct unbound *u = (struct unbound *)r;
    char error[RESOLVE_ERROR_MAX];

    /* With the context go its questions: they are asked anew. */
    context_end(u);
    if (!context_begin(u, error))
        LOG(LOG_ERROR, "dns.no_resolver", F_STR("reason", error));
    LIST_FOR_EACH(node, &r->questions)
    {
        struct question *q = CONTAINER_OF(node, struct question, node);
        if (q->id)
            unbound_ask(r, q);
    }
}

static void unbound_free(struct resolver *r)
{
    struct unbound *u = (struct unbound *)r;

    timer_stop(&u->turn);
    if (u->ctx)
        context_end(u);
    for (char **s = u->servers; *s; s++)
        free(*s);
    free(u->servers);
    free(u->resolv_conf);
    free(u->trust_anchor);
    free(u->hosts);
    free(u);
}

/* Many a forwarder drops what DNSSEC needs: then every answer is a lie, and no domain is found. */
static void on_trial(void *ctx, const struct resolve_answer *a)
{
    (void)ctx;
    if (a->status == RESOLVE_BOGUS)
        LOG(LOG_WARN, "dns.no_dnssec",
            F_STR("reason", "the DNS servers do not pass on what proves answers: nothing is found"),
            F_STR("hint", "other servers, or an empty trust_anchor, in [dns]"));
}

static void try_dnssec(struct unbound *u)
{
    if (is_set(u->trust_anchor))
        resolve_ask(&u->base, &u->trial, RESOLVE_A, SPAN("."), on_trial, u);
}

static const struct resolve_backend unbound_backend = {
    .ask = unbound_ask,
    .drop = unbound_drop,
    .answer = unbound_answer,
    .flush = unbound_flush,
    .free = unbound_free,
};

static char *copy(const char *text)
{
    return text ? mem_strdup_span(span_of(text)) : NULL;
}

struct resolver *resolver_new(struct loop *loop, const struct resolver_opts *opts,
                              char error_r[RESOLVE_ERROR_MAX])
{
    struct unbound *u = mem_zalloc(sizeof(*u));
    size_t count = 0;

    resolver_init(&u->base, loop, &unbound_backend);
    list_init(&u->waiting);
    u->resolv_conf = copy(opts->resolv_conf);
    u->trust_anchor = copy(opts->trust_anchor);
    u->hosts = copy(opts->hosts);
    while (opts->servers && opts->servers[count])
        count++;
    u->servers = mem_zalloc((count + 1) * sizeof(*u->servers));
    for (size_t i = 0; i < count; i++)
        u->servers[i] = copy(opts->servers[i]);
    if (context_begin(u, error_r)) {
        try_dnssec(u);
        return &u->base;
    }
    unbound_free(&u->base);
    return NULL;
}
