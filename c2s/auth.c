/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * auth - SASL on a client's stream (RFC 6120 section 6): carries messages between the stream and
 * the mechanisms, looks up keys, sends slow work to threads, slows down guessers.
 */
#include "c2s/c2s.h"

#include "base/log.h"
#include "xmpp/ns.h"
#include "xmpp/sasl.h"

#include <stdlib.h>

/* Failed attempts on one connection before it is closed (RFC 6120 6.4.5: 2 to 5). */
#define FAILURES_MAX 5
/* Password checks that wait for a thread; beyond, clients are told to come back. */
#define WORK_MAX 64

struct auth {
    struct client *client;
    struct sasl *sasl;
    unsigned failures;
    enum sasl_failure failure; /* the answer that is held back */
    struct timer delay;
    uint8_t exporter[64], end_point[64];
    size_t exporter_len, end_point_len;
    bool bindings_known;
};

struct auth *auth_new(struct client *c)
{
    struct auth *a = mem_zalloc(sizeof *a);
    a->client = c;
    return a;
}

void auth_free(struct auth **auth)
{
    struct auth *a = *auth;
    if (!a)
        return;
    *auth = NULL;
    timer_stop(&a->delay);
    sasl_free(&a->sasl);
    mem_wipe(a, sizeof *a);
    free(a);
}

/* --- what is offered -------------------------------------------------------------------------- */

/* Channel bindings are computed once per connection, when first needed. */
static struct sasl_opts options(struct auth *a)
{
    struct client *c = a->client;
    void *tls = conn_transport(c->stream.conn);
    if (tls && !a->bindings_known) {
        a->bindings_known = true;
        if (tls_is_13(tls))
            a->exporter_len = tls_channel_binding(tls, TLS_BINDING_EXPORTER, a->exporter);
        a->end_point_len = tls_channel_binding(tls, TLS_BINDING_SERVER_END_POINT, a->end_point);
    }
    return (struct sasl_opts){
        .domain = c->domain,
        .secure = c->stream.state == C2S_SECURED || conn_is_secure(c->stream.conn),
        .iterations = (uint32_t)c->c2s->conf->auth_iterations,
        .server_secret = c->c2s->auth_secret,
        .cb_exporter = span_make((const char *)a->exporter, a->exporter_len),
        .cb_end_point = span_make((const char *)a->end_point, a->end_point_len),
    };
}

void auth_write_features(struct client *c, struct buf *out)
{
    const char *names[8];
    struct sasl_opts opts = options(c->auth);
    size_t n = sasl_offers(&opts, names);
    xml_raw(out, SPAN("<mechanisms xmlns='" NS_SASL "'>"));
    for (size_t i = 0; i < n; i++) {
        xml_raw(out, SPAN("<mechanism>"));
        buf_append_z(out, names[i]);
        xml_raw(out, SPAN("</mechanism>"));
    }
    xml_raw(out, SPAN("</mechanisms>"));
    if (opts.cb_exporter.n + opts.cb_end_point.n == 0)
        return;
    xml_raw(out, SPAN("<sasl-channel-binding xmlns='" NS_SASL_CB "'>")); /* XEP-0440 */
    if (opts.cb_exporter.n)
        xml_raw(out, SPAN("<channel-binding type='tls-exporter'/>"));
    if (opts.cb_end_point.n)
        xml_raw(out, SPAN("<channel-binding type='tls-server-end-point'/>"));
    xml_raw(out, SPAN("</sasl-channel-binding>"));
}

/* --- answers ---------------------------------------------------------------------------------- */

static void send_payload(struct stream *s, struct span open, struct buf *payload, bool always,
                         struct span close)
{
    struct buf *out = stream_out(s);
    xml_raw(out, open);
    if (buf_len(payload) > 0)
        base64_encode(out, buf_span(payload));
    else if (always)
        xml_raw(out, SPAN("="));
    xml_raw(out, close);
    stream_flush(s);
}

static void send_failure(void *ctx)
{
    struct auth *a = ctx;
    struct stream *s = &a->client->stream;
    if (!stream_is_open(s))
        return;
    struct buf *out = stream_out(s);
    xml_raw(out, SPAN("<failure xmlns='" NS_SASL "'><"));
    buf_append_z(out, sasl_failure_name(a->failure));
    xml_raw(out, SPAN("/></failure>"));
    stream_flush(s);
    if (a->failures >= FAILURES_MAX)
        stream_error(s, STREAM_POLICY_VIOLATION, "too many failed logins");
    stream_resume(s);
}

/* failed - ends the exchange; each wrong password makes the next answer come later. */
static void failed(struct auth *a, enum sasl_failure failure)
{
    struct client *c = a->client;
    struct stream *s = &c->stream;
    bool is_secure = conn_is_secure(s->conn);
    char peer[ADDR_TEXT_MAX];
    LOG(LOG_INFO, "auth.failed", F_STR("sid", s->id),
        F_STR("mech", a->sasl ? sasl_mechanism(a->sasl) : ""),
        F_SPAN("user", a->sasl ? sasl_username(a->sasl) : SPAN("")),
        F_STR("cond", sasl_failure_name(failure)),
        F_STR("peer", addr_format(conn_peer(s->conn), peer)));
    bool guessed = a->sasl && !span_is_empty(sasl_username(a->sasl));
    sasl_free(&a->sasl);
    stream_set_state(s, is_secure ? C2S_SECURED : C2S_CONNECTED);
    a->failure = failure;
    a->failures++;
    uint64_t ms = 0;
    /* No user yet: the channel binding was refused, nothing was guessed. */
    if (failure == SASL_NOT_AUTHORIZED && guessed)
        ms = limits_failure(&c->c2s->limits, c->address, loop_now(s->loop));
    stream_pause(s); /* send_failure resumes */
    if (ms == 0)
        send_failure(a);
    else
        timer_start(&a->delay, s->loop, ms, send_failure, a);
}

static void succeeded(struct auth *a, struct buf *payload)
{
    struct client *c = a->client;
    struct stream *s = &c->stream;
    char peer[ADDR_TEXT_MAX];
    c->user = mem_strdup_span(sasl_username(a->sasl));
    LOG(LOG_INFO, "auth.ok", F_STR("sid", s->id), F_STR("user", c->user),
        F_STR("mech", sasl_mechanism(a->sasl)),
        F_STR("tls", conn_transport(s->conn) ? tls_describe(conn_transport(s->conn)) : ""),
        F_STR("peer", addr_format(conn_peer(s->conn), peer)));
    limits_login(&c->c2s->limits, c->address);
    send_payload(s, SPAN("<success xmlns='" NS_SASL "'>"), payload, false, SPAN("</success>"));
    auth_free(&c->auth);
    stream_set_budget(s, 0);
    stream_set_limits(s, &c->c2s->stanza_limits);
    stream_set_state(s, C2S_AUTHED);
    stream_restart(s);
}

/* --- the exchange ----------------------------------------------------------------------------- */

static void proceed(struct auth *a, enum sasl_result result, struct buf *payload);

static void on_credentials(void *ctx, enum accounts_result r, const struct sasl_credentials *found)
{
    struct client *c = ctx;
    struct sasl_credentials none = {.exists = false};
    if (!client_release(c))
        return;
    struct auth *a = c->auth;
    if (r != ACCOUNTS_OK && r != ACCOUNTS_UNKNOWN) {
        failed(a, SASL_TEMPORARY_AUTH_FAILURE);
    } else {
        struct buf payload = {0};
        proceed(a, sasl_credentials(a->sasl, found ? found : &none, &payload), &payload);
        buf_wipe(&payload);
        buf_free(&payload);
    }
    stream_resume(&c->stream);
}

/* The work outlives the connection when it must: sasl is freed with the client, which is held. */
static void work(void *arg)
{
    struct client *c = arg;
    sasl_work(c->auth->sasl);
}

static void on_worked(void *arg)
{
    struct client *c = arg;
    if (!client_release(c))
        return;
    struct buf payload = {0};
    proceed(c->auth, sasl_worked(c->auth->sasl, &payload), &payload);
    buf_wipe(&payload);
    buf_free(&payload);
    stream_resume(&c->stream);
}

static void start_work(struct auth *a)
{
    struct client *c = a->client;
    if (loop_work_pending(c->stream.loop) >= WORK_MAX) {
        failed(a, SASL_TEMPORARY_AUTH_FAILURE);
        return;
    }
    client_hold(c);
    stream_pause(&c->stream);
    loop_work(c->stream.loop, work, on_worked, c);
}

static void proceed(struct auth *a, enum sasl_result result, struct buf *payload)
{
    struct client *c = a->client;
    switch (result) {
    case SASL_CHALLENGE:
        send_payload(&c->stream, SPAN("<challenge xmlns='" NS_SASL "'>"), payload, true,
                     SPAN("</challenge>"));
        break;
    case SASL_CREDENTIALS_WANTED:
        client_hold(c);
        stream_pause(&c->stream);
        accounts_credentials(c->c2s->accounts, sasl_username(a->sasl), on_credentials, c);
        break;
    case SASL_WORK_WANTED:
        start_work(a);
        break;
    case SASL_SUCCESS:
        succeeded(a, payload);
        break;
    case SASL_FAILED:
        failed(a, sasl_failure(a->sasl));
        break;
    }
}

/* step - one message of the client, base64 as RFC 6120 6.4.2 has it ("=" is an empty one). */
static void step(struct auth *a, struct span text, bool is_initial)
{
    struct buf message = {0}, payload = {0};
    struct span given = SPAN_NONE;
    if (span_eq(text, SPAN("="))) {
        given = SPAN("");
    } else if (text.n > 0) {
        if (!base64_decode(&message, text)) {
            failed(a, SASL_INCORRECT_ENCODING);
            goto out;
        }
        given = buf_span(&message);
    } else if (!is_initial) {
        given = SPAN("");
    }
    proceed(a, sasl_step(a->sasl, given, &payload), &payload);
out:
    buf_wipe(&message);
    buf_free(&message);
    buf_wipe(&payload);
    buf_free(&payload);
}

void auth_on_auth(struct stream *s, struct stanza *stanza)
{
    struct client *c = client_of(s);
    struct auth *a = c->auth;
    enum sasl_failure failure;
    if (s->state == C2S_CONNECTED && c->c2s->conf->tls == C2S_TLS_REQUIRED) {
        failed(a, SASL_ENCRYPTION_REQUIRED);
        return;
    }
    struct sasl_opts opts = options(a);
    a->sasl = sasl_new(&opts, stanza_attr(stanza, 0, SPAN("mechanism")), &failure);
    if (!a->sasl) {
        failed(a, failure);
        return;
    }
    stream_set_state(s, C2S_AUTHENTICATING);
    step(a, stanza_text(stanza, 0), true);
}

void auth_on_response(struct stream *s, struct stanza *stanza)
{
    step(client_of(s)->auth, stanza_text(stanza, 0), false);
}

void auth_on_abort(struct stream *s, struct stanza *stanza)
{
    (void)stanza;
    failed(client_of(s)->auth, SASL_ABORTED);
}
