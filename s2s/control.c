/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control - what kontalkctl may ask of an s2s: info, s2s list, s2s close, s2s explain.
 */
#include "base/log.h"
#include "base/mem.h"
#include "s2s/in.h"
#include "s2s/out.h"
#include "s2s/policy.h"
#include "xmpp/jid.h"

#include <stdio.h>

/* --- info ------------------------------------------------------------------------------------- */

static void on_info(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    struct s2s *s = ctx;
    (void)args;
    (void)count;
    control_row2(call, SPAN("key"), SPAN("value"));
    control_row2(call, SPAN("instance"), span_of(s->instance));
    control_row2(call, SPAN("version"), SPAN(KONTALK_VERSION));
    control_row2(call, SPAN("host"), s->host);
    control_row2(call, SPAN("network"), s->network);
    control_row_list(call, SPAN("listen"), &s->conf->listen);
    control_row_list(call, SPAN("listen_tls"), &s->conf->listen_tls);
    control_row2(call, SPAN("cert"), span_of(s->conf->cert));
    control_row2(call, SPAN("link"), s->link && link_is_up(s->link) ? SPAN("up") : SPAN("down"));
    control_row_number(call, SPAN("incoming"), s->in_count);
    control_row_number(call, SPAN("outgoing"), s->out_count);
    control_row_number(call, SPAN("pairs"), s->pairs.count);
    control_row_number(call, SPAN("from_router"), s->counts.from_router);
    control_row_number(call, SPAN("to_router"), s->counts.to_router);
    control_row_number(call, SPAN("sent"), s->counts.sent);
    control_row_number(call, SPAN("bounced"), s->counts.bounced);
    control_row_number(call, SPAN("refused"), s->counts.refused);
    control_row_number(call, SPAN("uptime"), (loop_now(s->loop) - s->started_ms) / 1000);
    control_ok(call);
}

/* --- list ------------------------------------------------------------------------------------- */

static void list_pair(struct control_call *call, const struct pair *p)
{
    size_t stanzas, bytes;
    uint64_t age;
    char rest[128];
    struct buf domains = {0};

    outbox_figures(p->outbox, &stanzas, &bytes, &age);
    snprintf(rest, sizeof rest, "queued %zu (%zu bytes, %llu s)%s%s", stanzas, bytes,
             (unsigned long long)age / 1000, p->has_acks ? ", acknowledged" : "",
             p->in ? ", over its own stream" : "");
    buf_append(&domains, p->local);
    buf_append_char(&domains, '>');
    buf_append(&domains, p->remote);
    const struct span words[] = {
        SPAN("out"), SPAN("-"), buf_span(&domains),
        span_of(p->out ? out_state_name(p->out) : pair_state_name(p->state)), span_of(rest)};
    control_row(call, words, ARRAY_LEN(words));
    buf_free(&domains);
}

static void list_ins(struct control_call *call, const struct s2s *s)
{
    struct buf lines = {0};
    in_list(s, &lines);
    for (struct span rest = buf_span(&lines); !span_is_empty(rest);) {
        struct span words[5] = {SPAN("in")};
        struct span line = span_make(rest.p, span_index(rest, '\n'));
        for (size_t i = 1; i < ARRAY_LEN(words); i++) {
            words[i] = span_make(line.p, span_index(line, '\t'));
            line = span_from(line, words[i].n < line.n ? words[i].n + 1 : line.n);
        }
        control_row(call, words, ARRAY_LEN(words));
        size_t n = span_index(rest, '\n');
        rest = span_from(rest, n < rest.n ? n + 1 : rest.n);
    }
    buf_free(&lines);
}

static void on_list(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    static const struct span columns[] = {SPAN_INIT("direction"), SPAN_INIT("address"),
                                          SPAN_INIT("domains"), SPAN_INIT("state"),
                                          SPAN_INIT("details")};
    struct s2s *s = ctx;
    size_t cursor = 0;
    (void)args;
    (void)count;
    control_row(call, columns, ARRAY_LEN(columns));
    for (struct pair *p; (p = map_next(&s->pairs, &cursor));)
        list_pair(call, p);
    list_ins(call, s);
    control_ok(call);
}

/* --- close ------------------------------------------------------------------------------------ */

static bool parse_domain(struct control_call *call, struct span text, char out[JID_PART_MAX + 1],
                         struct span *domain_r)
{
    char reason[256];
    if (jid_prep_domain(text, out, domain_r))
        return true;
    snprintf(reason, sizeof reason, "%.*s is not a domain name", (int)(text.n < 100 ? text.n : 100),
             text.p);
    control_error(call, reason);
    return false;
}

static void on_close(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    struct s2s *s = ctx;
    char out[JID_PART_MAX + 1];
    struct span domain;
    size_t cursor = 0, closed = 0;
    (void)count;
    if (!parse_domain(call, args[0], out, &domain))
        return;
    for (struct pair *p; (p = map_next(&s->pairs, &cursor));) {
        if (!span_eq(p->remote, domain) || (!p->out && !p->in))
            continue;
        pair_close(p);
        closed++;
    }
    closed += in_close_domain(s, domain);
    LOG(LOG_INFO, "s2s.close", F_SPAN("domain", domain), F_INT("streams", closed));
    control_row2(call, SPAN("domain"), SPAN("closed"));
    control_row_number(call, domain, closed);
    control_ok(call);
}

/* --- explain ---------------------------------------------------------------------------------- */

static void explain_policy(struct control_call *call, const struct s2s *s, struct span domain)
{
    struct s2s_policy p = policy_of(s, domain);
    control_row2(call, SPAN("rule"), span_of(p.section));
    struct span asks =
        p.is_denied       ? SPAN("denied")
        : p.requires_cert ? SPAN("TLS, and a certificate for the domain")
        : p.requires_tls  ? SPAN("TLS; a certificate for the domain, or dialback")
                          : SPAN("TLS or clear text; a certificate for the domain, or dialback");
    control_row2(call, SPAN("policy"), asks);
    if (!span_is_none(p.pin))
        control_row2(call, SPAN("pin"), p.pin);
    if (!span_is_none(p.route_host))
        control_row2(call, SPAN("route"), p.route_host);
}

static void explain_pair(struct control_call *call, const struct pair *p)
{
    control_row2(call, SPAN("from"), p->local);
    control_row2(call, SPAN("state"), span_of(pair_state_name(p->state)));
    if (p->last_error)
        control_row2(call, SPAN("last error"), span_of(stanza_error_name(p->last_error)));
    if (p->failures > 0)
        control_row_number(call, SPAN("failures in a row"), p->failures);
    control_row_lines(call, SPAN("attempt"), buf_span(&p->story));
}

static bool is_under_way(void *ctx, struct span domain)
{
    const struct s2s *s = ctx;
    size_t cursor = 0;
    for (struct pair *p; (p = map_next(&s->pairs, &cursor));)
        if (span_eq(p->remote, domain) && p->state == PAIR_CONNECTING)
            return true;
    return false;
}

static void explain(void *ctx, struct control_call *call, struct span domain)
{
    const struct s2s *s = ctx;
    size_t cursor = 0;
    control_row2(call, SPAN("key"), SPAN("value"));
    control_row2(call, SPAN("domain"), domain);
    explain_policy(call, s, domain);
    for (struct pair *p; (p = map_next(&s->pairs, &cursor));)
        if (span_eq(p->remote, domain))
            explain_pair(call, p);
    control_ok(call);
}

static void on_explain(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    static const struct control_waiting attempt = {is_under_way, explain};
    struct s2s *s = ctx;
    char out[JID_PART_MAX + 1];
    struct span domain;
    (void)count;
    if (!parse_domain(call, args[0], out, &domain))
        return;
    if (relay_is_ours(s, domain)) {
        control_error(call, "that is a domain of ours");
        return;
    }
    if (!policy_of(s, domain).is_denied && !pair_find(s, s->host, domain)) {
        struct pair *p = pair_get(s, s->host, domain);
        if (p)
            pair_connect(p);
    }
    control_wait(call, s->loop, &attempt, s, domain);
}

/* --- the table of the network's servers ------------------------------------------------------- */

static void on_servers(void *ctx, struct control_call *call, const struct span *args, size_t count)
{
    struct s2s *s = ctx;
    char error[CONF_ERROR_MAX];
    (void)args;
    (void)count;
    if (!s2s_reload_servers(s, error)) {
        LOG(LOG_ERROR, "s2s.servers_refused", F_STR("reason", error));
        control_error(call, error);
        return;
    }
    control_row2(call, SPAN("key"), SPAN("value"));
    control_row_number(call, SPAN("members"), s->servers ? servers_members(s->servers) : 1);
    control_ok(call);
}

const struct control_command s2s_commands[] = {
    {"info", 0, 0, "info", on_info},
    {"s2s list", 0, 0, "s2s list", on_list},
    {"s2s close", 1, 1, "s2s close DOMAIN", on_close},
    {"s2s explain", 1, 1, "s2s explain DOMAIN", on_explain},
    {"servers reload", 0, 0, "servers reload", on_servers},
    {.name = NULL},
};
