/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stream - input side of the engine: bytes → frames → stanzas → the role's rules.
 *
 * What is sent, and how a stream ends, is in stream_out.c.
 */
#include "xmpp/stream.h"

#include "base/log.h"
#include "tls/crypto.h"
#include "xmpp/ns.h"
#include "xmpp/stream_private.h"

/* After our end tag, this much more of the peer's is read and dropped before we close. */
#define DISCARD_MAX (64 * 1024)

/* Stanzas that are handled without a look at the clock. */
#define PORTION_MAX 10

/* One stanza is handled at a time in a process: all streams parse into this one. */
static struct stanza incoming;

/* --- headers ---------------------------------------------------------------------------------- */

/* Ours, too: then the shared parser knows it. */
static bool is_declared(const struct stream_role *role, struct span name, struct span ns)
{
    struct buf text = {0};
    if (!role->declares)
        return false;
    buf_append_z(&text, "xmlns:");
    buf_append(&text, name);
    buf_append_z(&text, "='");
    buf_append(&text, ns);
    buf_append_char(&text, '\'');
    bool is_there = strstr(role->declares, buf_z(&text)) != NULL;
    buf_free(&text);
    return is_there;
}

static bool has_extra_prefixes(const struct stream_role *role, const struct stanza *header)
{
    const struct stanza_node *root = stanza_root(header);
    for (uint32_t i = 0; i < root->attr_count; i++) {
        const struct stanza_attr *a = &header->attrs[root->attrs + i];
        if (span_eq(a->ns, SPAN(NS_XMLNS)) && !span_is_empty(a->name) &&
            !(span_eq(a->name, SPAN("stream")) && span_eq(a->value, SPAN(NS_STREAM))) &&
            !span_eq(a->name, SPAN("xml")) && !is_declared(role, a->name, a->value))
            return true;
    }
    return false;
}

/* check_header - what is wrong with the peer's root element, RFC 6120 4.7 to 4.8; NONE: sound. */
static enum stream_error check_header(const struct stream *s, const struct stanza *header)
{
    const struct stanza_node *root = stanza_root(header);
    if (!span_eq(root->ns, SPAN(NS_STREAM)))
        return STREAM_INVALID_NAMESPACE;
    if (!span_eq(root->name, SPAN("stream")))
        return STREAM_BAD_FORMAT;
    struct span ns = stanza_attr_ns(header, 0, SPAN(NS_XMLNS), SPAN(""));
    if (!span_eq(ns, span_of(s->role->ns)))
        return STREAM_INVALID_NAMESPACE;
    if (s->role->has_version) {
        struct span version = stanza_attr(header, 0, SPAN("version"));
        if (span_is_none(version) || version.n < 3 || version.p[0] < '1' || version.p[0] > '9' ||
            span_index(version, '.') == version.n)
            return STREAM_UNSUPPORTED_VERSION;
    }
    return STREAM_ERROR_NONE;
}

static void on_open_frame(struct stream *s, struct span frame)
{
    enum xml_fault fault = xml_parse_open(frame, &incoming);
    if (fault) {
        stream_fault(s, fault);
        return;
    }
    enum stream_error e = check_header(s, &incoming);
    if (e) {
        stream_error(s, e, NULL);
        return;
    }
    xml_parser_free(&s->parser);
    if (has_extra_prefixes(s->role, &incoming))
        s->parser = xml_parser_new(span_of(s->role->ns), &incoming);
    if (s->role->is_initiator) {
        struct span id = stanza_attr(&incoming, 0, SPAN("id"));
        size_t n = id.n < sizeof s->id - 1 ? id.n : sizeof s->id - 1;
        if (n)
            memcpy(s->id, id.p, n);
        s->id[n] = '\0';
    }
    s->phase = STREAM_OPEN;
    s->role->on_header(s, &incoming);
}

/* --- stanzas ---------------------------------------------------------------------------------- */

static bool names_equal(const char *want, struct span have)
{
    if (!want)
        return true;
    if (have.n > 0 && *want != *have.p)
        return false; /* most differ here, and need no call */
    return strncmp(want, have.p, have.n) == 0 && want[have.n] == '\0';
}

/* The role's content namespace stands for its second one, too. */
static bool ns_equal(const struct stream_role *role, const char *want, struct span have)
{
    if (names_equal(want, have))
        return true;
    return role->ns2 && want && strcmp(want, role->ns) == 0 && names_equal(role->ns2, have);
}

static const struct stream_rule *find_rule(const struct stream_role *role, uint32_t states,
                                           const struct stanza_node *root)
{
    for (size_t i = 0; i < role->rule_count; i++) {
        const struct stream_rule *rule = &role->rules[i];
        if ((rule->states & states) && names_equal(rule->name, root->name) &&
            ns_equal(role, rule->ns, root->ns))
            return rule;
    }
    return NULL;
}

static bool is_content_ns(struct span ns)
{
    return span_eq(ns, SPAN(NS_CLIENT)) || span_eq(ns, SPAN(NS_SERVER)) ||
           span_eq(ns, SPAN(NS_COMPONENT));
}

bool stream_is_stanza_name(struct span name)
{
    return span_eq(name, SPAN("message")) || span_eq(name, SPAN("presence")) ||
           span_eq(name, SPAN("iq"));
}

void stream_unexpected(struct stream *s, const struct stanza *stanza)
{
    const struct stanza_node *root = stanza_root(stanza);
    const struct stream_role *role = s->role;
    if (is_content_ns(root->ns) && !ns_equal(role, role->ns, root->ns))
        stream_error(s, STREAM_INVALID_NAMESPACE, NULL);
    else if (is_content_ns(root->ns) && !stream_is_stanza_name(root->name))
        stream_error(s, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
    else if (find_rule(role, UINT32_MAX, root))
        stream_error(s, STREAM_NOT_AUTHORIZED, NULL);
    else
        stream_error(s, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
}

/* The peer has ended the stream with an error: it is logged, not answered (RFC 6120 4.9.1.1). */
static void on_peer_error(struct stream *s, struct stanza *stanza)
{
    uint32_t child = stanza_child(stanza, 0, SPAN(NS_STREAM_ERRORS), SPAN_NONE);
    struct span name = child ? stanza->nodes[child].name : SPAN("undefined-condition");
    s->error = stream_error_parse(name);
    s->is_peer_error = true;
    uint32_t text = stanza_child(stanza, 0, SPAN(NS_STREAM_ERRORS), SPAN("text"));
    LOG(LOG_INFO, "stream.peer_error", F_STR("role", s->role->name), F_STR("sid", s->id),
        F_SPAN("cond", name), F_SPAN("text", text ? stanza_text(stanza, text) : SPAN("")));
    stream_close(s);
}

static void on_stanza_frame(struct stream *s, struct span frame)
{
    const struct stream_role *role = s->role;
    s->stanzas_in++;
    if (role->on_frame && role->on_frame(s, frame))
        return;
    struct xml_parser *parser =
        s->parser ? s->parser : xml_parser_shared_with(span_of(role->ns), role->declares);
    enum xml_fault fault = xml_parse_stanza(parser, frame, &incoming);
    if (fault) {
        if (!role->survives_bad_stanza)
            stream_fault(s, fault);
        else
            LOG(LOG_ERROR, "stream.bad_stanza", F_STR("role", role->name), F_STR("sid", s->id),
                F_STR("fault", xml_fault_name(fault)), F_INT("bytes", frame.n));
        return;
    }
    const struct stanza_node *root = stanza_root(&incoming);
    if (span_eq(root->name, SPAN("error")) && span_eq(root->ns, SPAN(NS_STREAM))) {
        on_peer_error(s, &incoming);
        return;
    }
    const struct stream_rule *rule = find_rule(role, STREAM_IN(s->state), root);
    if (rule)
        rule->handle(s, &incoming);
    else if (role->on_unexpected)
        role->on_unexpected(s, &incoming);
    else
        stream_unexpected(s, &incoming);
}

/* --- frames ----------------------------------------------------------------------------------- */

static void on_frame(struct stream *s, enum frame frame, struct span bytes)
{
    switch (frame) {
    case FRAME_OPEN:
        on_open_frame(s, bytes);
        break;
    case FRAME_STANZA:
        on_stanza_frame(s, bytes);
        break;
    case FRAME_SPACE:
        if (s->role->on_space)
            s->role->on_space(s);
        break;
    case FRAME_CLOSE:
        s->is_ended = true;
        stream_peer_closed(s);
        break;
    case FRAME_FAULT:
        stream_fault(s, (enum xml_fault)s->framer.fault);
        break;
    case FRAME_MORE:
        break;
    }
}

static bool spend_budget(struct stream *s, size_t n)
{
    if (!s->budget)
        return true;
    if (n < s->budget) {
        s->budget -= n;
        return true;
    }
    stream_error(s, STREAM_POLICY_VIOLATION, "too many bytes before login");
    return false;
}

static struct span skip_space(struct span s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t' || s.p[0] == '\n' || s.p[0] == '\r'))
        s = span_from(s, 1);
    return s;
}

/* skip_old_space - takes what some clients send behind the element that restarts a stream (a line
 * feed): an XML declaration may not follow it. Returns what is left; none when that is too much. */
static struct span skip_old_space(struct stream *s, struct span bytes)
{
    struct span rest = skip_space(bytes);
    s->is_restarted = span_is_empty(rest);
    return spend_budget(s, bytes.n - rest.n) ? rest : SPAN_NONE;
}

/* Whatever has come behind the element that asked for TLS was not protected by it: it must not
 * act, and a client that sends it is broken or attacked (CVE-2011-0411). */
static void check_upgrade(struct stream *s, struct span rest)
{
    if (!s->is_upgrading)
        return;
    s->is_upgrading = false;
    if (!span_is_empty(skip_space(rest))) {
        LOG(LOG_WARN, "stream.starttls_injection", F_STR("role", s->role->name),
            F_STR("sid", s->id), F_INT("bytes", rest.n));
        stream_abort(s);
    }
}

/* The frame lies in s->in, and its handler may pause: what follows it must go into a buffer of its
 * own. */
static void on_own_frame(struct stream *s, enum frame kind)
{
    struct buf held = s->in;
    s->in = (struct buf){0};
    on_frame(s, kind, buf_span(&held));
    buf_free(&held);
}

static void process(struct stream *s, struct span bytes)
{
    while (bytes.n > 0 && stream_is_open(s)) {
        if (s->paused) {
            buf_append(&s->in, bytes);
            s->is_held = true;
            return;
        }
        if (s->is_restarted) {
            bytes = skip_old_space(s, bytes);
            continue;
        }
        enum frame kind;
        size_t took = framer_scan(&s->framer, bytes.p, bytes.n, &kind);
        struct span frame = {bytes.p, took};
        bytes = span_from(bytes, took);
        if (kind == FRAME_MORE || buf_len(&s->in) > 0) {
            buf_append(&s->in, frame);
            frame = buf_span(&s->in);
        }
        if (!spend_budget(s, took) || kind == FRAME_MORE)
            break;
        if (buf_len(&s->in) > 0)
            on_own_frame(s, kind);
        else
            on_frame(s, kind, frame);
        check_upgrade(s, bytes);
    }
}

/* While closing, only the peer's end tag (or end) still matters. */
static void discard(struct stream *s, struct span bytes)
{
    s->discarded += (uint32_t)bytes.n;
    while (bytes.n > 0 && s->framer.fault == XML_OK) {
        enum frame kind;
        size_t took = framer_scan(&s->framer, bytes.p, bytes.n, &kind);
        if (kind == FRAME_CLOSE) {
            s->is_ended = true;
            stream_peer_closed(s);
            return;
        }
        bytes = span_from(bytes, took);
    }
    if (s->discarded > DISCARD_MAX)
        conn_close(s->conn);
}

static void on_slowed_enough(void *ctx)
{
    stream_resume(ctx);
}

/* Nothing more is handled or read until what came too fast is made up for. */
static void slow_down(struct stream *s, uint64_t wait_ms)
{
    if (wait_ms == 0 || !stream_is_open(s) || timer_is_running(&s->slowed))
        return;
    LOG(LOG_DEBUG, "stream.slowed", F_STR("role", s->role->name), F_STR("sid", s->id),
        F_INT("ms", wait_ms));
    stream_pause(s);
    timer_start(&s->slowed, s->loop, wait_ms, on_slowed_enough, s);
}

/* In portions, each paid for in advance, so that the clock is not looked at for every stanza. */
void stream_next_allowance(struct stream *s)
{
    s->allowance = s->portion;
    slow_down(s, rate_charge(&s->pace, s->portion, loop_now(s->loop)));
}

/* --- the connection's events ------------------------------------------------------------------ */

static void on_data(void *ctx, struct span bytes)
{
    struct stream *s = ctx;
    s->bytes_in += bytes.n;
    if (s->phase == STREAM_CLOSING)
        discard(s, bytes);
    else if (s->is_held)
        buf_append(&s->in, bytes); /* its turn comes after what a pause left */
    else
        process(s, bytes);
    if (s->rate.per_second)
        slow_down(s, rate_charge(&s->rate, bytes.n, loop_now(s->loop)));
}

static void on_resume(void *ctx)
{
    struct stream *s = ctx;
    if (s->paused || !stream_is_open(s))
        return;
    struct buf held = s->in;
    s->in = (struct buf){0};
    s->is_held = false;
    process(s, buf_span(&held));
    buf_free(&held);
}

static void on_connect(void *ctx)
{
    struct stream *s = ctx;
    if (s->role->on_connect)
        s->role->on_connect(s);
}

static void on_secure(void *ctx)
{
    struct stream *s = ctx;
    if (s->role->on_secure)
        s->role->on_secure(s);
}

static void on_eof(void *ctx)
{
    struct stream *s = ctx;
    if (stream_is_open(s) && !s->close_reason)
        s->close_reason = "eof";
    stream_peer_closed(s);
}

static void on_drain(void *ctx)
{
    struct stream *s = ctx;
    if (s->role->on_drain)
        s->role->on_drain(s);
}

static void on_close(void *ctx, int error, const char *reason)
{
    struct stream *s = ctx;
    if (!s->close_reason)
        s->close_reason = reason ? reason : error < 0 ? strerror(-error) : NULL;
    s->phase = STREAM_CLOSED;
    if (s->role->on_unsent)
        s->role->on_unsent(s, conn_unsent(s->conn));
    s->conn = NULL;
    timer_stop(&s->deadline);
    timer_stop(&s->slowed);
    loop_defer_cancel(&s->resume);
    buf_free(&s->in);
    xml_parser_free(&s->parser);
    s->role->on_closed(s);
}

static const struct conn_handler stream_conn_handler = {
    .on_connect = on_connect,
    .on_data = on_data,
    .on_secure = on_secure,
    .on_eof = on_eof,
    .on_drain = on_drain,
    .on_close = on_close,
};

/* --- set-up ----------------------------------------------------------------------------------- */

void stream_init(struct stream *s, const struct stream_role *role, struct loop *loop,
                 struct conn *conn, void *ctx)
{
    *s = (struct stream){
        .role = role, .ctx = ctx, .loop = loop, .conn = conn, .phase = STREAM_OPENING};
    s->resume.call = on_resume;
    s->resume.ctx = s;
    framer_init(&s->framer, &framer_limits_prelogin);
    conn_set_handler(conn, &stream_conn_handler, s);
}

void stream_set_limits(struct stream *s, const struct framer_limits *limits)
{
    framer_set_limits(&s->framer, limits);
}

void stream_set_from(struct stream *s, struct span from)
{
    s->from = from;
}

void stream_set_budget(struct stream *s, uint64_t bytes)
{
    s->budget = bytes;
}

void stream_set_rate(struct stream *s, uint64_t per_second, uint64_t burst)
{
    rate_init(&s->rate, per_second, burst, loop_now(s->loop));
}

void stream_set_pace(struct stream *s, uint64_t per_second, uint64_t burst)
{
    uint64_t portion = per_second / 5 < burst ? per_second / 5 : burst;
    s->portion = (uint16_t)(portion > PORTION_MAX ? PORTION_MAX : portion < 1 ? 1 : portion);
    s->allowance = per_second ? s->portion : 0;
    rate_init(&s->pace, per_second, burst, loop_now(s->loop));
    rate_charge(&s->pace, s->portion, loop_now(s->loop));
}

void stream_set_state(struct stream *s, int state)
{
    if (s->state == state)
        return;
    LOG(LOG_DEBUG, "stream.state", F_STR("role", s->role->name), F_STR("sid", s->id),
        F_STR("from", s->role->state_names[s->state]), F_STR("to", s->role->state_names[state]));
    s->state = state;
}

static void on_deadline(void *ctx)
{
    struct stream *s = ctx;
    if (s->phase == STREAM_CLOSING)
        conn_close(s->conn);
    else if (s->role->on_deadline)
        s->role->on_deadline(s);
    else
        stream_error(s, STREAM_CONNECTION_TIMEOUT, NULL);
}

void stream_set_deadline(struct stream *s, uint64_t ms)
{
    if (!stream_is_open(s))
        return;
    if (ms == 0)
        timer_stop(&s->deadline);
    else
        timer_start(&s->deadline, s->loop, ms, on_deadline, s);
}

void stream_restart(struct stream *s)
{
    if (!stream_is_open(s))
        return;
    struct framer_limits limits = s->framer.limits;
    framer_init(&s->framer, &limits);
    s->phase = STREAM_OPENING;
    s->header_sent = false;
    s->is_restarted = true;
}

void stream_start_tls(struct stream *s, const struct transport_ops *ops, void *transport)
{
    stream_restart(s);
    /* Before any byte has come there is nothing to check: direct TLS. */
    s->is_upgrading = s->is_restarted = s->bytes_in > 0;
    conn_start_transport(s->conn, ops, transport);
}

void stream_pause(struct stream *s)
{
    if (s->paused++ == 0 && s->conn)
        conn_pause(s->conn);
}

void stream_resume(struct stream *s)
{
    if (s->paused == 0 || --s->paused > 0 || !s->conn)
        return;
    s->resumed_at = loop_now(s->loop);
    conn_resume(s->conn);
    if (s->is_held)
        loop_defer(s->loop, &s->resume);
}
