/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pair_ack - writing a pair's queue to the stream that serves it, and knowing what has come: by
 * XEP-0198 where the peer speaks it; else by a ping (XEP-0199) after what was written, whose answer
 * (any, also an error) comes when all before it has been handled; else, when a peer does not answer
 * pings, by 60 s without a complaint after the last byte has left, or when memory must go on.
 */
#include "s2s/pair.h"

#include "base/log.h"
#include "s2s/in.h"
#include "s2s/out.h"
#include "tls/crypto.h"
#include "xml/writer.h"
#include "xmpp/ns.h"

#define ASK_EVERY 5       /* stanzas */
#define ASK_WITHIN 50     /* of many at once: if the stream is cut, so many come twice at most */
#define PING_EVERY 100    /* a ping is an answer's work, too */
#define ASK_AFTER_MS 1000 /* of quiet */
#define ANSWER_MS 60000
#define LAST_MS 2000 /* for an answer when we are stopping */

static void on_barrier(void *ctx);

static void start_timer(struct pair *p, uint64_t ms)
{
    timer_start(&p->barrier, p->s2s->loop, ms, on_barrier, p);
}

static struct stream *stream_of(const struct pair *p)
{
    return p->in ? in_stream(p->in) : p->out ? out_stream(p->out) : NULL;
}

struct buf *pair_begin(struct pair *p)
{
    return p->in ? in_begin(p->in) : p->out ? out_begin(p->out) : NULL;
}

void pair_end(struct pair *p)
{
    if (p->in)
        in_end(p->in);
    else
        out_end(p->out);
}

/* --- asking ----------------------------------------------------------------------------------- */

static void write_r(struct buf *out)
{
    xml_raw(out, SPAN("<r xmlns='" NS_SM "'/>"));
}

static void write_ping(struct pair *p, struct buf *out)
{
    crypto_random_hex(p->barrier_id, 16);
    xml_raw(out, SPAN("<iq type='get'"));
    xml_attr(out, "id", span_of(p->barrier_id));
    xml_attr(out, "from", p->local);
    xml_attr(out, "to", p->remote);
    xml_raw(out, SPAN("><ping xmlns='" NS_PING "'/></iq>"));
}

static void ask(struct pair *p, struct buf *out)
{
    struct stream *s = stream_of(p);
    p->is_asking = true;
    p->unasked = 0;
    p->covered = outbox_unacked(p->outbox);
    if (p->has_acks)
        write_r(out);
    else if (!p->is_mute)
        write_ping(p, out);
    p->written_to = stream_out_taken(s) + stream_out_len(s);
    start_timer(p, ANSWER_MS);
}

static uint32_t ask_every(const struct pair *p)
{
    return outbox_is_careful(p->outbox) ? 1 : p->has_acks ? ASK_EVERY : PING_EVERY;
}

void pair_ack_written(struct pair *p, struct buf *out)
{
    if (p->is_asking)
        return;
    if (!p->is_mute && p->unasked >= ask_every(p))
        ask(p, out);
    else if (!timer_is_running(&p->barrier))
        start_timer(p, ASK_AFTER_MS);
}

static void ask_now(struct pair *p)
{
    struct buf *out = pair_begin(p);
    if (!out) {
        start_timer(p, ASK_AFTER_MS); /* it takes nothing more: it will drain, or be closed */
        return;
    }
    ask(p, out);
    pair_end(p);
}

bool pair_ack_last(struct pair *p)
{
    if (p->state != PAIR_READY || p->in || !p->has_acks || p->is_last ||
        outbox_unacked(p->outbox) == 0)
        return false;
    p->is_last = true;
    ask_now(p);
    start_timer(p, LAST_MS);
    return true;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void on_progress(struct pair *p)
{
    p->is_proved = true;
    p->failures = 0;
    p->last_error = STANZA_ERROR_NONE;
    p->why[0] = '\0';
}

/* An answer has come, or none is needed: the rest is asked for later. */
static void answered(struct pair *p)
{
    p->is_asking = false;
    if (p->s2s->is_stopping) {
        if (outbox_unacked(p->outbox) == 0)
            pair_close(p); /* else they may still be on their way */
        return;
    }
    timer_stop(&p->barrier);
    if (outbox_unacked(p->outbox) > 0)
        start_timer(p, ASK_AFTER_MS);
    pair_pump(p);
}

bool pair_on_ack(struct pair *p, uint32_t h)
{
    uint32_t count = h - p->acked;
    if (p->state != PAIR_READY)
        return true; /* of a stream that serves it no more */
    if (!outbox_acked(p->outbox, count))
        return false;
    p->acked = h;
    if (count > 0)
        on_progress(p);
    answered(p);
    return true;
}

static void on_covered(struct pair *p)
{
    uint32_t unacked = outbox_unacked(p->outbox);
    outbox_acked(p->outbox, p->covered < unacked ? p->covered : unacked);
    p->covered = 0;
    on_progress(p);
    answered(p);
}

bool pair_on_answer(struct pair *p, const struct stanza *stanza)
{
    struct span from = stanza->from;
    if (!*p->barrier_id || !span_eq(stanza->id, span_of(p->barrier_id)) ||
        span_index(from, '@') < from.n || span_index(from, '/') < from.n)
        return false;
    p->is_mute = false;
    if (p->state == PAIR_READY && p->is_asking && !p->has_acks)
        on_covered(p);
    return true;
}

static void on_silence(struct pair *p)
{
    if (p->has_acks) {
        LOG(LOG_WARN, "pair.silent", F_SPAN("local", p->local), F_SPAN("remote", p->remote),
            F_INT("unacked", outbox_unacked(p->outbox)));
        stream_error(stream_of(p), STREAM_CONNECTION_TIMEOUT, "no answer to <r/>");
        return;
    }
    if (stream_out_taken(stream_of(p)) < p->written_to) {
        start_timer(p, ANSWER_MS); /* not even sent */
        return;
    }
    p->is_mute = true;
    on_covered(p);
}

static void on_barrier(void *ctx)
{
    struct pair *p = ctx;
    if (p->state != PAIR_READY || outbox_unacked(p->outbox) == 0)
        return;
    if (p->s2s->is_stopping)
        pair_close(p);
    else if (p->is_asking)
        on_silence(p);
    else
        ask_now(p);
}

/* --- a stream's time -------------------------------------------------------------------------- */

void pair_ack_begin(struct pair *p)
{
    pair_ack_end(p);
    p->has_acks = p->in ? in_has_acks(p->in) : out_has_acks(p->out);
}

void pair_ack_end(struct pair *p)
{
    timer_stop(&p->barrier);
    p->has_acks = p->is_asking = p->is_mute = p->is_proved = false;
    p->acked = p->unasked = p->covered = 0;
    p->barrier_id[0] = '\0';
}

/* What a mute peer has got nobody will ever know: it does not hold up what follows. */
static void make_room(struct pair *p)
{
    uint32_t unacked = outbox_unacked(p->outbox);
    if (p->is_mute && unacked >= (uint32_t)p->s2s->conf->queue.stanzas / 2)
        outbox_acked(p->outbox, unacked / 2);
}

void pair_pump(struct pair *p)
{
    size_t backlog = (size_t)p->s2s->conf->backlog;
    struct buf *out = NULL;
    if (p->state != PAIR_READY || p->s2s->is_stopping)
        return;
    make_room(p);
    for (struct span stanza; !span_is_none(stanza = outbox_next(p->outbox));) {
        if (!out && !(out = pair_begin(p)))
            return; /* goes on when it drains */
        buf_append(out, stanza);
        outbox_sent(p->outbox);
        p->unasked++;
        p->s2s->counts.sent++;
        if (p->has_acks && p->unasked % ASK_WITHIN == 0)
            write_r(out);
        if (buf_len(out) > backlog)
            break;
    }
    if (!out)
        return;
    p->last_used = loop_now(p->s2s->loop);
    pair_ack_written(p, out);
    pair_end(p);
}
