/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * in - an incoming stream from the accept to the end: RFC 6120 sections 4 and 5 as rules; the rest
 * of what it does is in in_*.c. The process's list owns it until it closes; then completions of its
 * stanzas may keep its memory.
 */
#include "base/log.h"
#include "s2s/dialback.h"
#include "s2s/in_private.h"
#include "s2s/inbound.h"
#include "s2s/policy.h"
#include "tls/ctx.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"

#include <stdlib.h>

/* Bytes before anything is proved: headers, SASL, a few dozen lines of dialback. */
#define BUDGET 16384

bool in_has_room(struct in *in)
{
    if (stream_out_len(&in->stream) <= (size_t)in->s2s->conf->backlog)
        return true;
    stream_error(&in->stream, STREAM_RESOURCE_CONSTRAINT, "too much unread");
    return false;
}

bool in_requires_tls(const struct in *in, struct span remote)
{
    if (conn_is_secure(in->stream.conn))
        return false;
    if (span_is_none(remote))
        return in->s2s->conf->tls == S2S_TLS_REQUIRED;
    return policy_of(in->s2s, remote).requires_tls;
}

/* While the router is away, its components are not known: what looks like one is taken for one. */
bool in_serves(const struct s2s *s, struct span domain)
{
    return relay_is_ours(s, domain) ||
           (s->link && !link_is_up(s->link) && relay_is_below_host(s, domain));
}

bool in_is_our_name(const struct s2s *s, struct span domain)
{
    return relay_is_ours(s, domain) || relay_is_below_host(s, domain);
}

/* --- headers ---------------------------------------------------------------------------------- */

/* Fixed by the first header that says it: another one later is an attempt (CVE-2018-10847). */
static enum stream_error fix(struct span *name, struct span value)
{
    if (!span_is_none(*name))
        return span_eq(*name, value) ? STREAM_ERROR_NONE : STREAM_NOT_AUTHORIZED;
    *name = span_make(mem_strdup_span(value), value.n);
    return STREAM_ERROR_NONE;
}

static enum stream_error check_to(struct in *in, struct span to)
{
    char out[JID_PART_MAX + 1];
    struct span domain;
    if (span_is_empty(to))
        return STREAM_IMPROPER_ADDRESSING;
    if (!jid_prep_domain(to, out, &domain) || !in_serves(in->s2s, domain))
        return STREAM_HOST_UNKNOWN;
    enum stream_error e = fix(&in->local, domain);
    stream_set_from(&in->stream, in->local);
    return e;
}

/* A server need not say who it is before it proves it. */
static enum stream_error check_from(struct in *in, struct span from)
{
    char out[JID_PART_MAX + 1];
    struct span domain;
    if (span_is_none(from))
        return STREAM_ERROR_NONE;
    if (span_is_empty(from) || !jid_prep_domain(from, out, &domain))
        return STREAM_IMPROPER_ADDRESSING;
    if (in_is_our_name(in->s2s, domain))
        return STREAM_NOT_AUTHORIZED;
    if (policy_of(in->s2s, domain).is_denied)
        return STREAM_POLICY_VIOLATION;
    return fix(&in->remote, domain);
}

static void write_features(struct in *in)
{
    struct stream *s = &in->stream;
    struct buf *out = stream_out(s);
    xml_raw(out, SPAN("<stream:features>"));
    bool must_secure = in_requires_tls(in, in->remote);
    if (s->state == IN_CONNECTED) {
        xml_raw(out, SPAN("<starttls xmlns='" NS_TLS "'>"));
        if (must_secure)
            xml_raw(out, SPAN("<required/>"));
        xml_raw(out, SPAN("</starttls>"));
    }
    if (in_offers_external(in))
        xml_raw(out, SPAN("<mechanisms xmlns='" NS_SASL "'><mechanism>EXTERNAL</mechanism>"
                          "</mechanisms>"));
    if (!must_secure && in_offers_dialback(in))
        xml_raw(out, SPAN("<dialback xmlns='" NS_DIALBACK_FEATURE "'><errors/></dialback>"));
    if (!must_secure && s->state != IN_OPEN)
        xml_raw(out, SPAN("<bidi xmlns='" NS_BIDI_FEATURE "'/>"));
    if (!must_secure) {
        xml_raw(out, SPAN("<sm xmlns='" NS_SM "'/>"
                          "<limits xmlns='" NS_STREAM_LIMITS "'><max-bytes>")); /* XEP-0478 */
        buf_append_u64(out, (uint64_t)in->s2s->conf->stanza);
        xml_raw(out, SPAN("</max-bytes><idle-seconds>"));
        buf_append_u64(out, (uint64_t)in->s2s->conf->idle_time / 1000);
        xml_raw(out, SPAN("</idle-seconds></limits>"));
    }
    xml_raw(out, SPAN("</stream:features>"));
    stream_flush(s);
}

static void on_header(struct stream *s, const struct stanza *header)
{
    struct in *in = in_of(s);
    enum stream_error e = check_to(in, header->to);
    if (!e)
        e = check_from(in, header->from);
    if (e) {
        LOG(LOG_INFO, "in.refused", F_SPAN("from", header->from), F_SPAN("to", header->to),
            F_STR("cond", stream_error_name(e)));
        stream_error(s, e, NULL);
        return;
    }
    stream_send_header(
        s, &(struct stream_header){.from = in->local, .to = in->remote, .lang = SPAN("en")});
    write_features(in);
    if (s->state == IN_OPEN)
        stream_set_deadline(s, (uint64_t)in->s2s->conf->idle_time);
}

/* --- STARTTLS --------------------------------------------------------------------------------- */

static void on_starttls(struct stream *s, struct stanza *stanza)
{
    (void)stanza;
    in_free_pairs(in_of(s));
    stream_send(s, SPAN("<proceed xmlns='" NS_TLS "'/>"));
    stream_start_tls(s, &tls_transport,
                     tls_server_new(in_of(s)->s2s->tls_in, conn_fd(s->conn), false));
}

static void on_secure(struct stream *s)
{
    stream_set_state(s, IN_SECURED);
}

/* --- stanzas ---------------------------------------------------------------------------------- */

static void set_open_limits(struct in *in, struct span remote)
{
    struct stream *s = &in->stream;
    struct framer_limits limits = framer_limits_server;
    struct s2s_policy policy = policy_of(in->s2s, remote);
    limits.stanza_bytes = (uint32_t)in->s2s->conf->stanza;
    stream_set_limits(s, &limits);
    stream_set_budget(s, 0);
    stream_set_rate(s, policy.rate, policy.burst);
}

void in_open(struct in *in, struct span local, struct span remote)
{
    struct stream *s = &in->stream;
    char peer[ADDR_TEXT_MAX];
    LOG(LOG_INFO, "in.proved", F_STR("sid", s->id), F_SPAN("local", local),
        F_SPAN("remote", remote), F_STR("by", in->is_external ? "external" : "dialback"),
        F_STR("tls", conn_transport(s->conn) ? tls_describe(conn_transport(s->conn)) : ""),
        F_STR("peer", addr_format(conn_peer(s->conn), peer)));
    if (s->state == IN_OPEN)
        return;
    stream_set_state(s, IN_OPEN);
    in->last_used = loop_now(s->loop);
    set_open_limits(in, remote);
    if (!in->is_external) /* else when the new header has come */
        stream_set_deadline(s, (uint64_t)in->s2s->conf->idle_time);
    in_duplex_start(in, local, remote);
}

static void on_stanza(struct stream *s, struct stanza *stanza)
{
    struct in *in = in_of(s);
    in->last_used = loop_now(s->loop);
    in_duplex_give(in);
    inbound_stanza(in->s2s, s, stanza, in_is_proved, in, in_manage_next(in));
    if (in->s2s->link)
        link_feed(in->s2s->link, &in->feeder, s);
}

/* --- what has no rule ------------------------------------------------------------------------- */

static void on_unexpected(struct stream *s, struct stanza *stanza)
{
    struct in *in = in_of(s);
    struct span ns = stanza_root(stanza)->ns;
    if (span_eq(ns, SPAN(NS_TLS))) {
        stream_send(s, SPAN("<failure xmlns='" NS_TLS "'/>"));
        stream_close(s); /* RFC 6120 5.4.2.2 */
    } else if (span_eq(ns, SPAN(NS_COMPRESS))) {
        stream_error(s, STREAM_UNSUPPORTED_FEATURE, "compression is not offered");
    } else if (span_eq(ns, SPAN(NS_SERVER)) && in_requires_tls(in, in->remote)) {
        stream_error(s, STREAM_POLICY_VIOLATION, "TLS is required");
    } else {
        stream_unexpected(s, stanza);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

/* Before the stream is open, all of the negotiation; then, what is left of an idle time. */
static void on_deadline(struct stream *s)
{
    struct in *in = in_of(s);
    uint64_t idle_ms = loop_now(s->loop) - in->last_used;
    uint64_t max_ms = (uint64_t)in->s2s->conf->idle_time;
    if (s->state != IN_OPEN || s->phase != STREAM_OPEN) {
        stream_error(s, STREAM_CONNECTION_TIMEOUT, "the time to authenticate has passed");
    } else if (idle_ms >= max_ms) {
        LOG(LOG_DEBUG, "in.idle", F_STR("sid", s->id), F_SPAN("remote", in->remote));
        stream_close(s);
    } else {
        stream_set_deadline(s, max_ms - idle_ms);
    }
}

void in_release(struct in *in)
{
    if (handled_is_waiting(&in->handled))
        return;
    free((void *)(uintptr_t)in->local.p);
    free((void *)(uintptr_t)in->remote.p);
    free(in);
}

static void on_closed(struct stream *s)
{
    struct in *in = in_of(s);
    struct s2s *s2s = in->s2s;
    LOG(LOG_INFO, "in.closed", F_STR("sid", s->id), F_SPAN("local", in->local),
        F_SPAN("remote", in->remote), F_STR("cond", s->error ? stream_error_name(s->error) : ""),
        F_STR("reason", s->close_reason ? s->close_reason : ""), F_INT("bytes", s->bytes_in),
        F_INT("stanzas", s->stanzas_in));
    in->is_gone = true;
    link_feed_end(&in->feeder);
    loop_defer_cancel(&in->answer);
    in_free_pairs(in);
    in_duplex_end(in);
    in_limits_disconnect(s2s, &in->address);
    list_remove(&in->node);
    s2s->in_count--;
    in_release(in);
    s2s_stream_gone(s2s);
}

#define UNPROVED (STREAM_IN(IN_CONNECTED) | STREAM_IN(IN_SECURED))
#define DIALBACK (UNPROVED | STREAM_IN(IN_OPEN))

static const struct stream_rule rules[] = {
    {STREAM_IN(IN_OPEN), NS_SERVER, "message", on_stanza},
    {STREAM_IN(IN_OPEN), NS_SERVER, "presence", on_stanza},
    {STREAM_IN(IN_OPEN), NS_SERVER, "iq", on_stanza},
    {STREAM_IN(IN_OPEN), NS_SM, "r", in_on_r},
    {STREAM_IN(IN_OPEN), NS_SM, "a", in_on_a},
    {STREAM_IN(IN_OPEN), NS_SM, "enable", in_on_enable},
    {UINT32_MAX, NS_SM, NULL, in_on_other_sm},
    {DIALBACK, NS_DIALBACK, "result", in_on_result},
    {DIALBACK, NS_DIALBACK, "verify", in_on_verify},
    {STREAM_IN(IN_CONNECTED), NS_TLS, "starttls", on_starttls},
    {UNPROVED, NS_SASL, "auth", in_on_auth},
    {STREAM_IN(IN_CHALLENGED), NS_SASL, "response", in_on_response},
    {STREAM_IN(IN_CHALLENGED), NS_SASL, "abort", in_on_abort},
    {DIALBACK, NS_BIDI, "bidi", in_on_bidi},
};

static const char *const state_names[] = {"connected", "secured", "challenged", "open"};

static const struct stream_role role = {
    .name = "s2s.in",
    .ns = NS_SERVER,
    .declares = "xmlns:db='" NS_DIALBACK "'",
    .has_version = true,
    .state_names = state_names,
    .rules = rules,
    .rule_count = ARRAY_LEN(rules),
    .on_header = on_header,
    .on_unexpected = on_unexpected,
    .on_secure = on_secure,
    .on_drain = in_on_drain,
    .on_deadline = on_deadline,
    .on_closed = on_closed,
};

static void refuse(struct in *in, const char *limit, bool direct_tls)
{
    char peer[ADDR_TEXT_MAX];
    LOG(LOG_WARN, "in.too_many", F_STR("limit", limit),
        F_STR("peer", addr_format(conn_peer(in->stream.conn), peer)));
    if (direct_tls)
        stream_abort(&in->stream);
    else
        stream_error(&in->stream, STREAM_RESOURCE_CONSTRAINT, "too many connections");
}

void in_accept(struct s2s *s, struct conn *c, bool direct_tls)
{
    struct in *in = mem_zalloc(sizeof *in);
    in->s2s = s;
    list_init(&in->pairs);
    list_append(&s->ins, &in->node);
    s->in_count++;
    in_manage_init(in);
    stream_init(&in->stream, &role, s->loop, c, in);
    stream_set_from(&in->stream, s->host);
    const char *limit = in_limits_connect(s, conn_peer(c), &in->address);
    if (limit) {
        refuse(in, limit, direct_tls);
        return;
    }
    stream_set_budget(&in->stream, BUDGET);
    stream_set_rate(&in->stream, (uint64_t)s->conf->rate, (uint64_t)s->conf->burst);
    stream_set_deadline(&in->stream, (uint64_t)s->conf->negotiation_time);
    if (direct_tls)
        stream_start_tls(&in->stream, &tls_transport, tls_server_new(s->tls_in, conn_fd(c), true));
}

void in_close_all(struct s2s *s)
{
    LIST_FOR_EACH(node, &s->ins)
    {
        struct in *in = CONTAINER_OF(node, struct in, node);
        stream_error(&in->stream, STREAM_SYSTEM_SHUTDOWN, NULL);
    }
}
