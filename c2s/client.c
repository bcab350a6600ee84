/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * client - a client's stream from the accept to the end: RFC 6120 sections 4 to 7, as rules.
 */
#include "c2s/c2s.h"

#include "base/log.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"

#include <stdlib.h>

#define STRESS_LOGIN_MS 5000

struct client *client_of(struct stream *s)
{
    return s->ctx;
}

/* --- headers and features --------------------------------------------------------------------- */

/* check_to - which of our domains the client wants; fixed for good by its first header. */
static enum stream_error check_to(struct client *c, struct span to)
{
    char out[JID_PART_MAX + 1];
    struct span domain;
    if (span_is_none(to) || span_is_empty(to))
        return STREAM_IMPROPER_ADDRESSING;
    if (!jid_prep_domain(to, out, &domain))
        return STREAM_HOST_UNKNOWN;
    struct c2s *c2s = c->c2s;
    struct span ours = span_eq(domain, c2s->host)      ? c2s->host
                       : span_eq(domain, c2s->network) ? c2s->network
                                                       : SPAN_NONE;
    if (span_is_none(ours))
        return STREAM_HOST_UNKNOWN;
    if (!span_is_none(c->domain) && !span_eq(c->domain, ours))
        return STREAM_NOT_AUTHORIZED; /* CVE-2018-10847: the host changed on a restart */
    c->domain = ours;
    stream_set_from(&c->stream, ours);
    return STREAM_ERROR_NONE;
}

/* After login a 'from' must be the user himself (RFC 6120 4.7.1). */
static bool is_own_from(const struct client *c, struct span from)
{
    struct jid jid;
    struct jid_scratch scratch;
    if (span_is_none(from) || !c->user)
        return true;
    return jid_parse(from, &jid, &scratch) && span_eq(jid.local, span_of(c->user)) &&
           span_eq(jid.domain, c->domain);
}

static bool tls_is_required(const struct client *c)
{
    return c->c2s->conf->tls == C2S_TLS_REQUIRED;
}

bool client_is_safe(const struct client *c)
{
    return c->stream.state != C2S_CONNECTED || !tls_is_required(c);
}

static void write_features(struct client *c)
{
    struct buf *out = stream_out(&c->stream);
    xml_raw(out, SPAN("<stream:features>"));
    if (c->stream.state == C2S_CONNECTED) {
        xml_raw(out, SPAN("<starttls xmlns='" NS_TLS "'>"));
        if (tls_is_required(c))
            xml_raw(out, SPAN("<required/>"));
        xml_raw(out, SPAN("</starttls>"));
    }
    if (c->stream.state == C2S_AUTHED) {
        bind_write_features(c, out);
    } else if (client_is_safe(c)) {
        auth_write_features(c, out);
        register_write_feature(c, out);
    }
    xml_raw(out, SPAN("</stream:features>"));
    stream_flush(&c->stream);
}

static void on_header(struct stream *s, const struct stanza *header)
{
    struct client *c = client_of(s);
    enum stream_error e = check_to(c, header->to);
    if (!e && !is_own_from(c, header->from))
        e = STREAM_NOT_AUTHORIZED;
    if (e) {
        stream_error(s, e, NULL);
        return;
    }
    struct stream_header h = {.from = c->domain, .lang = SPAN("en")};
    if (c->user)
        h.to = header->from;
    stream_send_header(s, &h);
    write_features(c);
}

/* --- STARTTLS --------------------------------------------------------------------------------- */

static void on_starttls(struct stream *s, struct stanza *stanza)
{
    struct client *c = client_of(s);
    (void)stanza;
    stream_send(s, SPAN("<proceed xmlns='" NS_TLS "'/>"));
    stream_start_tls(s, &tls_transport, tls_server_new(c->c2s->tls, conn_fd(s->conn), false));
}

static void on_secure(struct stream *s)
{
    stream_set_state(s, C2S_SECURED);
}

/* --- what has no rule ------------------------------------------------------------------------- */

void client_on_unexpected(struct stream *s, struct stanza *stanza)
{
    struct client *c = client_of(s);
    struct span ns = stanza_root(stanza)->ns;
    if (span_eq(ns, SPAN(NS_TLS))) {
        stream_send(s, SPAN("<failure xmlns='" NS_TLS "'/>"));
        stream_close(s); /* RFC 6120 5.4.2.2 */
    } else if (span_eq(ns, SPAN(NS_COMPRESS))) {
        stream_error(s, STREAM_UNSUPPORTED_FEATURE, "compression is not offered");
    } else if (s->state == C2S_CONNECTED && tls_is_required(c) && span_eq(ns, SPAN(NS_CLIENT))) {
        stream_error(s, STREAM_POLICY_VIOLATION, "TLS is required");
    } else {
        stream_unexpected(s, stanza);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static void on_deadline(struct stream *s)
{
    stream_error(s, STREAM_CONNECTION_TIMEOUT, "the time to log in has passed");
}

static void free_if_unheld(struct client *c)
{
    if (!c->is_gone || c->holds > 0)
        return;
    struct c2s *c2s = c->c2s;
    list_remove(&c->node);
    c2s->client_count--;
    auth_free(&c->auth);
    free(c->user);
    free(c->bind_id);
    free(c);
    c2s_client_gone(c2s);
}

void client_hold(struct client *c)
{
    c->holds++;
}

bool client_release(struct client *c)
{
    bool is_there = !c->is_gone && stream_is_open(&c->stream);
    c->holds--;
    free_if_unheld(c);
    return is_there;
}

static void on_closed(struct stream *s)
{
    struct client *c = client_of(s);
    struct c2s *c2s = c->c2s;
    const char *jid = c->seat && c->seat->jid ? c->seat->jid : "";
    LOG(LOG_INFO, "client.closed", F_STR("sid", s->id), F_STR("jid", jid),
        F_STR("cond", s->error ? stream_error_name(s->error) : ""),
        F_STR("reason", s->close_reason ? s->close_reason : ""), F_INT("bytes", s->bytes_in),
        F_INT("stanzas", s->stanzas_in));
    if (c->seat)
        seat_on_lost(c->seat, s->is_ended || s->error);
    if (c->address)
        limits_disconnect(&c2s->limits, c->address, c->user != NULL, loop_now(s->loop));
    link_feed_end(&c->feeder);
    c->is_gone = true;
    c2s->stream_count--;
    free_if_unheld(c);
    c2s_client_gone(c2s);
}

#define BEFORE_LOGIN (STREAM_IN(C2S_CONNECTED) | STREAM_IN(C2S_SECURED))

static const struct stream_rule rules[] = {
    {STREAM_IN(C2S_BOUND), NS_CLIENT, "message", bind_on_stanza},
    {STREAM_IN(C2S_BOUND), NS_CLIENT, "presence", bind_on_stanza},
    {STREAM_IN(C2S_BOUND), NS_CLIENT, "iq", bind_on_stanza},
    {STREAM_IN(C2S_CONNECTED), NS_TLS, "starttls", on_starttls},
    {BEFORE_LOGIN, NS_SASL, "auth", auth_on_auth},
    {STREAM_IN(C2S_AUTHENTICATING), NS_SASL, "response", auth_on_response},
    {STREAM_IN(C2S_AUTHENTICATING), NS_SASL, "abort", auth_on_abort},
    {BEFORE_LOGIN, NS_CLIENT, "iq", register_on_iq},
    {STREAM_IN(C2S_AUTHED), NS_CLIENT, "iq", bind_on_iq},
    {STREAM_IN(C2S_BOUND), NS_SM, "r", manage_on_r},
    {STREAM_IN(C2S_BOUND), NS_SM, "a", manage_on_a},
    {STREAM_IN(C2S_BOUND), NS_SM, "enable", manage_on_enable},
    {STREAM_IN(C2S_AUTHED), NS_SM, "resume", manage_on_resume},
    {UINT32_MAX, NS_SM, NULL, manage_on_other},
    {STREAM_IN(C2S_BOUND), NS_CSI, "inactive", csi_on_inactive},
    {STREAM_IN(C2S_BOUND), NS_CSI, "active", csi_on_active},
};

static const char *const state_names[] = {"connected", "secured", "registering", "authenticating",
                                          "authed",    "binding", "bound"};

static const struct stream_role role = {
    .name = "c2s",
    .ns = NS_CLIENT,
    .has_version = true,
    .state_names = state_names,
    .rules = rules,
    .rule_count = ARRAY_LEN(rules),
    .on_header = on_header,
    .on_unexpected = client_on_unexpected,
    .on_secure = on_secure,
    .on_deadline = on_deadline,
    .on_closed = on_closed,
};

static void refuse(struct client *c, enum limits_verdict verdict, bool direct_tls)
{
    static const char *const names[] = {
        [LIMITS_TOO_MANY_PRELOGIN] = "prelogin_per_address",
        [LIMITS_TOO_MANY_CONNECTIONS] = "connections_per_address",
        [LIMITS_FULL] = "max_connections",
        [LIMITS_TOO_MANY_WAITING] = "prelogin",
    };
    char peer[ADDR_TEXT_MAX];
    LOG(LOG_WARN, "client.refused", F_STR("peer", addr_format(conn_peer(c->stream.conn), peer)),
        F_STR("limit", names[verdict]));
    if (direct_tls)
        stream_abort(&c->stream);
    else
        stream_error(&c->stream, STREAM_RESOURCE_CONSTRAINT,
                     verdict == LIMITS_FULL || verdict == LIMITS_TOO_MANY_WAITING
                         ? "the server is full"
                         : "too many connections from your address");
}

/* Milliseconds from now; see limits_is_stressed. */
static uint64_t login_time(const struct c2s *c2s)
{
    uint64_t time = (uint64_t)c2s->conf->login_time;
    return limits_is_stressed(&c2s->limits) && time > STRESS_LOGIN_MS ? STRESS_LOGIN_MS : time;
}

void client_accept(struct c2s *c2s, struct conn *conn, bool direct_tls)
{
    struct client *c = mem_zalloc(sizeof *c);
    c->c2s = c2s;
    list_append(&c2s->clients, &c->node);
    c2s->client_count++;
    stream_init(&c->stream, &role, c2s->loop, conn, c);
    stream_set_from(&c->stream, c2s->host); /* until the client has named the one that it wants */
    c2s->stream_count++;
    enum limits_verdict verdict = limits_connect(&c2s->limits, conn_peer(conn), &c->address);
    if (verdict != LIMITS_OK) {
        refuse(c, verdict, direct_tls);
        return;
    }
    c->auth = auth_new(c);
    stream_set_budget(&c->stream, (uint64_t)c2s->conf->prelogin_bytes);
    stream_set_deadline(&c->stream, login_time(c2s));
    if (direct_tls)
        stream_start_tls(&c->stream, &tls_transport,
                         tls_server_new(c2s->tls, conn_fd(conn), true));
}
