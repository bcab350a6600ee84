/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * link - the connection to the router: connect, handshake, heartbeat, queue. XEP-0114.
 */
#include "xmpp/link.h"

#include "base/conn.h"
#include "base/log.h"
#include "tls/crypto.h"
#include "tls/ctx.h"
#include "xmpp/link_private.h"
#include "xmpp/ns.h"

#include <stdlib.h>

#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 2000
#define HANDSHAKE_MS 10000
/* A sign of life every beat when idle; dead after three beats without one from the router. */
#define BEAT_MS 5000
#define BEATS_UNTIL_DEAD 3
#define QUEUE_DEFAULT (16 * 1024 * 1024)

void link_handshake(struct span stream_id, struct span secret, char digest_r[41])
{
    struct buf text = {0};
    unsigned char sha1[20];
    buf_append(&text, stream_id);
    buf_append(&text, secret);
    crypto_digest(CRYPTO_SHA1, buf_span(&text), sha1);
    crypto_hex(span_make((const char *)sha1, sizeof sha1), digest_r);
    buf_wipe(&text);
    buf_free(&text);
}

/* --- queue ------------------------------------------------------------------------------------ */

static void tell(struct link_done done, bool safe)
{
    if (done.call)
        done.call(done.ctx, safe);
}

static void push_waiting(struct link *l, struct link_done done)
{
    if (!done.call)
        return;
    if (l->waiting_count == l->waiting_cap) {
        l->waiting_cap = l->waiting_cap ? 2 * l->waiting_cap : 64;
        l->waiting = mem_realloc(l->waiting, l->waiting_cap * sizeof *l->waiting);
    }
    l->waiting[l->waiting_count++] = done;
}

/* The completions are taken out first: one of them may send again. */
static void tell_waiting(struct link *l, bool safe)
{
    struct link_done *waiting = l->waiting;
    size_t count = l->waiting_count;
    l->waiting = NULL;
    l->waiting_count = l->waiting_cap = 0;
    for (size_t i = 0; i < count; i++)
        tell(waiting[i], safe);
    free(waiting);
}

bool link_is_up(const struct link *l)
{
    return l->has_stream && l->stream.state == LINK_UP && stream_is_open(&l->stream);
}

static bool has_room(const struct link *l, bool is_up)
{
    size_t queued = is_up ? stream_out_len(&l->stream) : buf_len(&l->pending);
    return !l->is_ending && queued <= l->opts.queue_max;
}

bool link_has_room(const struct link *l)
{
    return has_room(l, link_is_up(l));
}

struct buf *link_begin(struct link *l, struct link_done done)
{
    bool up = link_is_up(l);
    if (!has_room(l, up)) {
        tell(done, false);
        return NULL;
    }
    l->current = done;
    return up ? stream_out(&l->stream) : &l->pending;
}

void link_end(struct link *l)
{
    struct link_done done = l->current;
    l->current = (struct link_done){0};
    if (!link_is_up(l)) {
        push_waiting(l, done);
        return;
    }
    stream_flush(&l->stream);
    tell(done, true);
}

bool link_send_stanza(struct link *l, const struct stanza *s, const struct stanza_write_opts *opts,
                      struct link_done done)
{
    struct buf *out = link_begin(l, done);
    if (!out)
        return false;
    struct stanza_write_opts o = *opts;
    o.ns = SPAN(NS_COMPONENT);
    if (span_is_none(o.from_ns))
        o.from_ns = SPAN(NS_CLIENT);
    stanza_write(out, s, &o);
    link_end(l);
    return true;
}

/* --- connecting ------------------------------------------------------------------------------- */

static void start_connecting(void *ctx);

static void schedule_retry(struct link *l)
{
    unsigned char random;
    crypto_random(&random, 1);
    /* Jitter of ±25 %, so that the instances of a suite don't come back in one moment. */
    uint64_t ms = l->retry_ms * (768 + 2 * (uint64_t)random) / 1024;
    timer_start(&l->retry, l->loop, ms, start_connecting, l);
    l->retry_ms = l->retry_ms * 2 < RETRY_MAX_MS ? l->retry_ms * 2 : RETRY_MAX_MS;
}

static void send_header(struct link *l)
{
    stream_set_state(&l->stream, LINK_HANDSHAKE);
    stream_send_header(&l->stream, &(struct stream_header){.to = l->opts.name});
}

static void on_connect(struct stream *s)
{
    struct link *l = s->ctx;
    if (!l->opts.tls) {
        send_header(l);
        return;
    }
    stream_start_tls(s, &tls_transport,
                     tls_client_new(l->opts.tls, conn_fd(s->conn), l->opts.tls_name));
}

static void on_secure(struct stream *s)
{
    send_header(s->ctx);
}

static void on_header(struct stream *s, const struct stanza *header)
{
    struct link *l = s->ctx;
    char digest[41];
    /* The whole id: the stream keeps as much as ours have. */
    link_handshake(stanza_attr(header, 0, SPAN("id")), l->opts.secret, digest);
    struct buf *out = stream_out(s);
    xml_raw(out, SPAN("<handshake>"));
    buf_append(out, span_make(digest, 40));
    xml_raw(out, SPAN("</handshake>"));
    stream_flush(s);
}

void link_on_handshake(struct stream *s, struct stanza *stanza)
{
    struct link *l = s->ctx;
    (void)stanza;
    stream_set_limits(s, &framer_limits_link);
    stream_set_state(s, LINK_BINDING);
    link_send_binds(l);
    if (l->binds_open == 0)
        link_became_up(l);
}

static void beat(void *ctx)
{
    struct link *l = ctx;
    if (l->stream.bytes_in != l->beat_bytes_in)
        l->silent_beats = 0;
    else
        l->silent_beats++;
    l->beat_bytes_in = l->stream.bytes_in;
    if (l->silent_beats >= BEATS_UNTIL_DEAD) {
        l->stream.close_reason = "router silent";
        stream_abort(&l->stream);
        return;
    }
    stream_send(&l->stream, SPAN(" "));
    timer_start(&l->beat, l->loop, BEAT_MS, beat, l);
}

void link_became_up(struct link *l)
{
    stream_set_state(&l->stream, LINK_UP);
    stream_set_deadline(&l->stream, 0);
    l->retry_ms = RETRY_MIN_MS;
    l->silent_beats = 0;
    l->beat_bytes_in = l->stream.bytes_in;
    timer_start(&l->beat, l->loop, BEAT_MS, beat, l);
    LOG(LOG_INFO, "link.up", F_SPAN("name", l->opts.name), F_INT("queued", buf_len(&l->pending)));
    if (l->events->on_up)
        l->events->on_up(l->ctx);
    stream_send(&l->stream, buf_span(&l->pending));
    buf_free(&l->pending);
    tell_waiting(l, true);
}

static void free_link(struct link *l)
{
    if (l->gone)
        l->gone(l->gone_ctx);
    free((void *)(uintptr_t)l->opts.name.p);
    mem_wipe((void *)(uintptr_t)l->opts.secret.p, l->opts.secret.n);
    free((void *)(uintptr_t)l->opts.secret.p);
    free((void *)(uintptr_t)l->opts.tls_name.p);
    free(l);
}

static void on_drain(struct stream *s)
{
    link_let_go(s->ctx);
}

static void on_closed(struct stream *s)
{
    struct link *l = s->ctx;
    bool was_up = s->state == LINK_UP;
    l->has_stream = false;
    link_let_go(l);
    timer_stop(&l->beat);
    if (l->is_ending) {
        free_link(l);
        return;
    }
    LOG(was_up ? LOG_WARN : LOG_INFO, "link.down", F_SPAN("name", l->opts.name),
        F_STR("was", s->role->state_names[s->state]),
        F_STR("cond", s->error ? stream_error_name(s->error) : ""),
        F_STR("reason", s->close_reason ? s->close_reason : ""));
    if (was_up && l->events->on_down)
        l->events->on_down(l->ctx);
    schedule_retry(l);
}

static const char *const state_names[LINK_ROLE_STATES] = {"connecting", "handshake", "binding",
                                                          "up"};

static const struct stream_role *link_role(void)
{
    static struct stream_role role = {
        .name = "link",
        .ns = NS_COMPONENT,
        .ns2 = NS_CLIENT,
        .is_initiator = true,
        .survives_bad_stanza = true,
        .state_names = state_names,
        .rules = link_rules,
        .on_connect = on_connect,
        .on_secure = on_secure,
        .on_header = on_header,
        .on_drain = on_drain,
        .on_closed = on_closed,
    };
    role.rule_count = link_rule_count;
    return &role;
}

static void attach(struct link *l, struct conn *c)
{
    l->has_stream = true;
    l->binds_open = 0;
    l->next_id = 0;
    stream_init(&l->stream, link_role(), l->loop, c, l);
    conn_set_low_water(c, l->opts.queue_max / 4);
    stream_set_deadline(&l->stream, HANDSHAKE_MS);
}

static void start_connecting(void *ctx)
{
    struct link *l = ctx;
    struct conn *c = l->opts.connect ? l->opts.connect(l->opts.connect_ctx)
                                     : conn_connect(l->loop, &l->opts.router);
    if (!c) {
        schedule_retry(l);
        return;
    }
    attach(l, c);
    if (l->opts.connect)
        on_connect(&l->stream); /* such a connection is made already */
}

/* --- life ------------------------------------------------------------------------------------- */

struct link *link_new(struct loop *loop, const struct link_opts *opts,
                      const struct link_events *events, void *ctx)
{
    struct link *l = mem_zalloc(sizeof *l);
    l->loop = loop;
    l->opts = *opts;
    l->opts.name = span_of(mem_strdup_span(opts->name));
    l->opts.secret = span_of(mem_strdup_span(opts->secret));
    l->opts.tls_name = span_of(mem_strdup_span(opts->tls_name));
    if (!l->opts.queue_max)
        l->opts.queue_max = QUEUE_DEFAULT;
    l->events = events;
    l->ctx = ctx;
    l->retry_ms = RETRY_MIN_MS;
    list_init(&l->feeders);
    timer_start(&l->retry, loop, 0, start_connecting, l);
    return l;
}

static void on_free(void *ctx)
{
    free_link(ctx);
}

void link_close(struct link **link, void (*gone)(void *ctx), void *ctx)
{
    struct link *l = *link;
    *link = NULL;
    l->gone = gone;
    l->gone_ctx = ctx;
    l->is_ending = true;
    timer_stop(&l->retry);
    timer_stop(&l->beat);
    link_let_go(l);
    buf_free(&l->pending);
    tell_waiting(l, false);
    if (!l->has_stream) {
        l->free = (struct deferred){.call = on_free, .ctx = l};
        loop_defer(l->loop, &l->free);
    } else if (l->stream.state == LINK_CONNECTING) {
        stream_abort(&l->stream);
    } else {
        stream_close(&l->stream);
    }
}
