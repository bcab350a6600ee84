/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * manage - stream management (XEP-0198): enable, resume, <r/> and <a/>, both ways.
 *
 * Called by client.c's rules and by seat.c for what is written. One timer a client: while stanzas
 * are unacknowledged it says when to ask, then how long to wait for the answer.
 */
#include "c2s/manage.h"

#include "base/log.h"
#include "c2s/c2s.h"
#include "tls/crypto.h"
#include "xmpp/ns.h"

#include <stdlib.h>

#define ASK_EVERY 5          /* stanzas */
#define ASK_AFTER_MS 1000    /* of quiet */
#define ASK_AGAIN_MS 15000   /* when the answer did not cover a stanza more */
#define ANSWER_TIME_MS 60000

/* --- words ------------------------------------------------------------------------------------ */

static void write_number(struct buf *out, struct span name, uint64_t number)
{
    xml_raw(out, name);
    buf_append_u64(out, number);
    xml_raw(out, SPAN("'"));
}

static void write_h(struct buf *out, uint32_t h)
{
    write_number(out, SPAN(" h='"), h);
}

/* h: of a session that is no more; -1: not known. */
static void answer_failed(struct stream *s, enum stanza_error e, int64_t h)
{
    struct client *c = client_of(s);
    if (!bind_has_room(c))
        return;
    struct buf *out = stream_out(s);
    xml_raw(out, SPAN("<failed xmlns='" NS_SM "'"));
    if (h >= 0)
        write_h(out, (uint32_t)h);
    xml_raw(out, SPAN("><"));
    buf_append_z(out, stanza_error_name(e));
    xml_raw(out, SPAN(" xmlns='" NS_STANZA_ERRORS "'/></failed>"));
    stream_flush(s);
}

static bool is_true(struct span value)
{
    return span_eq(value, SPAN("true")) || span_eq(value, SPAN("1"));
}

/* xs:unsignedInt; false: it is none. */
static bool read_h(const struct stanza *stanza, uint32_t *h_r)
{
    uint64_t h;
    if (!span_to_u64(stanza_attr(stanza, 0, SPAN("h")), UINT32_MAX, &h))
        return false;
    *h_r = (uint32_t)h;
    return true;
}

static struct manage *manage_of(struct stream *s)
{
    struct client *c = client_of(s);
    return c->seat ? c->seat->manage : NULL;
}

/* --- what we have sent ------------------------------------------------------------------------ */

static void on_timer(void *ctx);

static void start_timer(struct manage *m, uint64_t ms)
{
    timer_start(&m->timer, m->seat->c2s->loop, ms, on_timer, m);
}

static void ask(struct manage *m)
{
    struct stream *s = &m->seat->client->stream;
    stream_send(s, SPAN("<r xmlns='" NS_SM "'/>"));
    m->is_asking = true;
    m->since_ask = 0;
    start_timer(m, ANSWER_TIME_MS);
}

/* Another connection may take the seat; this one will hardly notice that it is ended. */
static void give_up(struct manage *m)
{
    struct seat *seat = m->seat;
    struct stream *s = &seat->client->stream;
    LOG(LOG_INFO, "client.silent", F_STR("sid", s->id), F_STR("jid", seat->jid),
        F_INT("unacked", m->queue.count));
    seat_on_lost(seat, false);
    stream_error(s, STREAM_CONNECTION_TIMEOUT, "no answer to <r/>");
}

/* What a client says is not seen while it is not read, nor all at once when it is again. */
static bool may_have_answered(const struct stream *s)
{
    return s->paused ||
           (s->resumed_at && loop_now(s->loop) - s->resumed_at < ANSWER_TIME_MS);
}

static void on_timer(void *ctx)
{
    struct manage *m = ctx;
    if (m->queue.count == 0 || !seat_is_writable(m->seat))
        return;
    if (!m->is_asking)
        ask(m);
    else if (may_have_answered(&m->seat->client->stream))
        start_timer(m, ANSWER_TIME_MS);
    else
        give_up(m);
}

static size_t max_count(const struct manage *m)
{
    return (size_t)m->seat->c2s->conf->unacked;
}

static size_t max_bytes(const struct manage *m)
{
    return (size_t)m->seat->c2s->conf->unacked_bytes;
}

/* Full: no more messages. Those who are told keep them from now on, so this is exact. */
static void check_full(struct manage *m)
{
    size_t bytes = buf_len(&m->queue.bytes);
    bool is_full = m->is_full
                       ? m->queue.count > max_count(m) / 2 || bytes > max_bytes(m) / 2
                       : m->queue.count >= max_count(m) || bytes >= max_bytes(m);
    if (is_full == m->is_full)
        return;
    m->is_full = is_full;
    LOG(LOG_DEBUG, "client.full", F_STR("jid", m->seat->jid), F_INT("full", is_full));
    sm_set_full(m->seat->session, is_full);
}

bool manage_is_overfull(const struct manage *m)
{
    return m->queue.count >= 2 * max_count(m) || buf_len(&m->queue.bytes) >= 2 * max_bytes(m);
}

void manage_note(struct manage *m, struct span stanza, bool is_sent)
{
    unacked_add(&m->queue, stanza, loop_now(m->seat->c2s->loop), is_sent);
    if (is_sent)
        m->since_ask++;
    check_full(m);
}

void manage_after_write(struct manage *m)
{
    if (m->is_asking)
        return;
    if (m->since_ask >= ASK_EVERY)
        ask(m);
    else if (m->since_ask > 0 && !timer_is_running(&m->timer))
        start_timer(m, ASK_AFTER_MS);
}

static void refuse_count(struct stream *s, const struct manage *m, uint32_t h)
{
    struct buf app = {0};
    xml_raw(&app, SPAN("<handled-count-too-high xmlns='" NS_SM "'"));
    write_h(&app, h);
    write_number(&app, SPAN(" send-count='"),
                 m->queue.acked + m->queue.count - m->queue.unsent);
    xml_raw(&app, SPAN("/>"));
    stream_error_with(s, STREAM_UNDEFINED_CONDITION, NULL, buf_span(&app));
    buf_free(&app);
}

void manage_on_a(struct stream *s, struct stanza *stanza)
{
    struct manage *m = manage_of(s);
    uint32_t h, before;
    if (!m) {
        manage_on_other(s, stanza);
        return;
    }
    before = m->queue.acked;
    if (!read_h(stanza, &h)) {
        stream_error(s, STREAM_INVALID_XML, "h is no number");
        return;
    }
    if (!unacked_ack(&m->queue, h)) {
        refuse_count(s, m, h);
        return;
    }
    m->is_asking = false;
    if (m->queue.count == 0)
        timer_stop(&m->timer);
    else if (m->since_ask >= ASK_EVERY)
        ask(m);
    else
        start_timer(m, h != before || m->since_ask > 0 ? ASK_AFTER_MS : ASK_AGAIN_MS);
    check_full(m);
}

/* --- what we have received -------------------------------------------------------------------- */

static void write_a(void *ctx)
{
    struct manage *m = ctx;
    struct seat *seat = m->seat;
    if (!seat_is_writable(seat))
        return;
    struct stream *s = &seat->client->stream;
    struct buf *out = stream_out(s);
    xml_raw(out, SPAN("<a xmlns='" NS_SM "'"));
    write_h(out, handled_count(&seat->handled));
    xml_raw(out, SPAN("/>"));
    stream_flush(s);
    m->is_owed = seat->handled.given != seat->handled.h;
}

void manage_on_r(struct stream *s, struct stanza *stanza)
{
    struct manage *m = manage_of(s);
    if (!m)
        manage_on_other(s, stanza);
    else if (stream_out_len(s) <= (size_t)m->seat->c2s->conf->backlog + 2 * max_bytes(m))
        loop_defer(s->loop, &m->answer);
}

void manage_on_handled(struct manage *m)
{
    if (m->is_owed)
        loop_defer(m->seat->c2s->loop, &m->answer);
}

/* --- enable and resume ------------------------------------------------------------------------ */

/* The client's wish, in seconds, within our bound. */
static uint32_t resume_time(const struct c2s *c2s, const struct stanza *stanza)
{
    uint64_t wish, max_ms = (uint64_t)c2s->conf->resume;
    if (span_to_u64(stanza_attr(stanza, 0, SPAN("max")), UINT32_MAX, &wish) && wish > 0 &&
        wish * 1000 < max_ms)
        max_ms = wish * 1000;
    return (uint32_t)max_ms;
}

static void write_enabled(const struct manage *m, struct buf *out)
{
    xml_raw(out, SPAN("<enabled xmlns='" NS_SM "'"));
    if (manage_may_resume(m)) {
        xml_attr(out, "id", span_of(m->id));
        xml_raw(out, SPAN(" resume='true'"));
        write_number(out, SPAN(" max='"), m->max_ms / 1000);
    }
    xml_raw(out, SPAN("/>"));
}

void manage_on_enable(struct stream *s, struct stanza *stanza)
{
    struct client *c = client_of(s);
    struct seat *seat = c->seat;
    if (!seat || seat->manage) {
        manage_on_other(s, stanza);
        return;
    }
    struct manage *m = mem_zalloc(sizeof *m);
    m->seat = seat;
    m->answer = (struct deferred){.call = write_a, .ctx = m};
    list_init(&m->nest_node);
    list_init(&m->rest_node);
    seat->manage = m;
    handled_restart(&seat->handled);
    m->max_ms = resume_time(c->c2s, stanza);
    if (is_true(stanza_attr(stanza, 0, SPAN("resume"))) && m->max_ms >= 1000) {
        crypto_random_hex(m->id, MANAGE_ID_LEN / 2);
        hibernate_register(seat);
    }
    write_enabled(m, stream_out(s));
    stream_flush(s);
}

static void write_resumed(const struct manage *m, struct buf *out)
{
    xml_raw(out, SPAN("<resumed xmlns='" NS_SM "'"));
    xml_attr(out, "previd", span_of(m->id));
    write_h(out, handled_count(&m->seat->handled));
    xml_raw(out, SPAN("/>"));
}

/* What was not acknowledged, what has come since, and what has been held back. */
static void go_on(struct seat *seat)
{
    struct manage *m = seat->manage;
    struct stream *s = &seat->client->stream;
    write_resumed(m, stream_out(s));
    stream_send(s, unacked_send_all(&m->queue));
    m->is_owed = false;
    if (seat->csi)
        csi_end(seat);
    if (m->queue.count > 0)
        ask(m);
    stream_flush(s);
    check_full(m);
}

void manage_on_resume(struct stream *s, struct stanza *stanza)
{
    struct client *c = client_of(s);
    bool is_known;
    uint32_t h, their_h;
    if (!read_h(stanza, &h)) {
        answer_failed(s, STANZA_BAD_REQUEST, -1);
        return;
    }
    struct seat *seat =
        hibernate_find(c, stanza_attr(stanza, 0, SPAN("previd")), &their_h, &is_known);
    if (!seat) {
        answer_failed(s, STANZA_ITEM_NOT_FOUND, is_known ? (int64_t)their_h : -1);
        return;
    }
    if (!unacked_ack(&seat->manage->queue, h)) {
        refuse_count(s, seat->manage, h);
        return;
    }
    seat_give(seat, c);
    bind_done(c);
    LOG(LOG_INFO, "client.resumed", F_STR("sid", s->id), F_STR("jid", seat->jid),
        F_INT("unacked", seat->manage->queue.count));
    go_on(seat);
}

/* Out of order: before login or binding, twice, or not known. */
void manage_on_other(struct stream *s, struct stanza *stanza)
{
    (void)stanza;
    answer_failed(s, STANZA_UNEXPECTED_REQUEST, -1);
}

/* --- life ------------------------------------------------------------------------------------- */

void manage_pause(struct manage *m)
{
    timer_stop(&m->timer);
    loop_defer_cancel(&m->answer);
    m->is_asking = false;
    m->since_ask = 0;
}

void manage_free(struct manage **m_ptr)
{
    struct manage *m = *m_ptr;
    *m_ptr = NULL;
    manage_pause(m);
    unacked_free(&m->queue);
    free(m);
}
