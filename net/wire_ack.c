/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wire_ack - XEP-0198 on a link that is up, both ways, and its heartbeats, which are the same
 * question: <r/> after some stanzas or some quiet, <a/> when the router has what came.
 */
#include "base/log.h"
#include "net/wire_private.h"
#include "xml/writer.h"
#include "xmpp/ns.h"

#define ASK_EVERY 5       /* stanzas */
#define ASK_WITHIN 50     /* of many at once */
#define ASK_AFTER_MS 1000 /* of quiet */
#define ANSWER_MS 60000
#define LAST_MS 2000 /* for an answer when we are stopping */
#define SILENT_MAX 3 /* heartbeats */

static void on_ask(void *ctx);
static void on_beat(void *ctx);

/* --- of theirs -------------------------------------------------------------------------------- */

void wire_write_a(struct wire *w)
{
    struct handled *h = &w->peer->intake->handled;
    struct buf *out = stream_out(&w->stream);
    xml_raw(out, SPAN("<a xmlns='" NS_SM "' h='"));
    buf_append_u64(out, handled_count(h));
    xml_raw(out, SPAN("'/>"));
    stream_flush(&w->stream);
    w->owes_ack = h->given != h->h;
}

static void on_answer(void *ctx)
{
    struct wire *w = ctx;
    if (w->peer && stream_is_open(&w->stream))
        wire_write_a(w);
}

/* What we send of our own accord may fill the backlog; as much again is left for answers. */
void wire_on_r(struct stream *s, struct stanza *stanza)
{
    struct wire *w = wire_of(s);
    (void)stanza;
    if (stream_out_len(s) > 2 * (size_t)w->net->conf->backlog)
        wire_fail(w, STREAM_RESOURCE_CONSTRAINT, "too much unread");
    else
        loop_defer(s->loop, &w->answer);
}

/* --- of ours ---------------------------------------------------------------------------------- */

static void write_r(struct wire *w)
{
    xml_raw(stream_out(&w->stream), SPAN("<r xmlns='" NS_SM "'/>"));
    stream_flush(&w->stream);
}

static void ask(struct wire *w)
{
    w->is_asking = true;
    w->unasked = 0;
    w->asked_at = loop_now(w->net->loop);
    timer_stop(&w->ask);
    write_r(w);
}

void wire_end(struct wire *w, bool is_counted)
{
    stream_flush(&w->stream);
    if (!is_counted)
        return;
    w->unasked++;
    if (w->is_asking) {
        if (w->unasked % ASK_WITHIN == 0)
            write_r(w);
    } else if (w->unasked >= (outbox_is_careful(w->peer->outbox) ? 1 : ASK_EVERY)) {
        ask(w);
    } else if (!timer_is_running(&w->ask)) {
        timer_start(&w->ask, w->net->loop, ASK_AFTER_MS, on_ask, w);
    }
}

bool wire_ask_last(struct wire *w)
{
    if (w->stream.state != WIRE_UP || w->stream.phase != STREAM_OPEN || !w->peer ||
        outbox_unacked(w->peer->outbox) == 0)
        return false;
    w->is_last = true;
    ask(w);
    timer_start(&w->ask, w->net->loop, LAST_MS, on_ask, w);
    return true;
}

static void on_ask(void *ctx)
{
    struct wire *w = ctx;
    if (!stream_is_open(&w->stream))
        return;
    if (w->is_last)
        wire_close(w, STREAM_SYSTEM_SHUTDOWN, NULL);
    else if (outbox_unacked(w->peer->outbox) > 0)
        ask(w);
}

void wire_on_a(struct stream *s, struct stanza *stanza)
{
    struct wire *w = wire_of(s);
    struct peer *p = w->peer;
    uint64_t h;
    if (!span_to_u64(stanza_attr(stanza, 0, SPAN("h")), UINT32_MAX, &h)) {
        wire_fail(w, STREAM_BAD_FORMAT, "h is no number");
        return;
    }
    if (!peer_on_ack(p, (uint32_t)h - p->acked)) {
        stream_error_with(s, STREAM_UNDEFINED_CONDITION, NULL,
                          SPAN("<handled-count-too-high xmlns='" NS_SM "'/>"));
        return;
    }
    w->is_asking = false;
    bool is_more = outbox_unacked(p->outbox) > 0;
    if (w->is_last) {
        if (!is_more)
            wire_close(w, STREAM_SYSTEM_SHUTDOWN, NULL);
        return; /* else they may still be on their way */
    }
    if (is_more && !timer_is_running(&w->ask))
        timer_start(&w->ask, w->net->loop, ASK_AFTER_MS, on_ask, w);
    peer_on_drain(p);
}

/* --- heartbeats ------------------------------------------------------------------------------- */

static void die(struct wire *w, const char *why)
{
    LOG(LOG_WARN, "wire.dead", F_SPAN("host", w->peer->host), F_STR("sid", w->stream.id),
        F_STR("reason", why), F_INT("unacked", outbox_unacked(w->peer->outbox)));
    wire_cut(w, STREAM_CONNECTION_TIMEOUT, why);
}

static void start_beat(struct wire *w)
{
    timer_start(&w->beat, w->net->loop, (uint64_t)w->net->conf->heartbeat, on_beat, w);
}

/* While it is not read, nothing is heard: the peer is told that we are here. */
static void on_beat(void *ctx)
{
    struct wire *w = ctx;
    struct stream *s = &w->stream;
    bool is_heard = s->bytes_in != w->heard || s->paused;
    w->heard = s->bytes_in;
    w->silent = is_heard ? 0 : w->silent + 1;
    if (!stream_is_open(s))
        return;
    if (w->silent > SILENT_MAX) {
        die(w, "nothing has been heard of it");
        return;
    }
    if (w->is_asking && !s->paused && loop_now(w->net->loop) - w->asked_at > ANSWER_MS) {
        die(w, "no answer to <r/>");
        return;
    }
    if (s->paused)
        wire_write_a(w);
    else if (w->silent > 0)
        write_r(w);
    start_beat(w);
}

/* --- a link's time ---------------------------------------------------------------------------- */

void wire_ack_begin(struct wire *w)
{
    w->answer = (struct deferred){.call = on_answer, .ctx = w};
    w->heard = w->stream.bytes_in;
    start_beat(w);
}

void wire_ack_end(struct wire *w)
{
    timer_stop(&w->ask);
    timer_stop(&w->beat);
    loop_defer_cancel(&w->answer);
}
