/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * in_manage - stream management (XEP-0198) on an incoming stream, without resumption: what the peer
 * has sent is acknowledged when the router has it; what we write on it (XEP-0288) is counted by its
 * pair. Called by in.c's rules.
 */
#include "base/log.h"
#include "s2s/in_private.h"
#include "xmpp/ns.h"

/* Stanzas of one stream that may wait for the router: then the stream waits, too. */
#define WAITING_MAX 256

static void answer_failed(struct in *in, enum stanza_error e)
{
    if (!in_has_room(in))
        return;
    struct buf *out = stream_out(&in->stream);
    xml_raw(out, SPAN("<failed xmlns='" NS_SM "'><"));
    buf_append_z(out, stanza_error_name(e));
    xml_raw(out, SPAN(" xmlns='" NS_STANZA_ERRORS "'/></failed>"));
    stream_flush(&in->stream);
}

static void write_a(void *ctx)
{
    struct in *in = ctx;
    struct stream *s = &in->stream;
    if (in->is_gone || !stream_is_open(s))
        return;
    struct buf *out = stream_out(s);
    xml_raw(out, SPAN("<a xmlns='" NS_SM "' h='"));
    buf_append_u64(out, handled_count(&in->handled));
    xml_raw(out, SPAN("'/>"));
    stream_flush(s);
    in->owes_ack = in->handled.given != in->handled.h;
}

void in_on_enable(struct stream *s, struct stanza *stanza)
{
    struct in *in = in_of(s);
    (void)stanza;
    if (in->has_acks) {
        answer_failed(in, STANZA_UNEXPECTED_REQUEST);
        return;
    }
    in->has_acks = true;
    handled_restart(&in->handled);
    stream_send(s, SPAN("<enabled xmlns='" NS_SM "'/>"));
    in_duplex_give(in);
}

void in_on_r(struct stream *s, struct stanza *stanza)
{
    struct in *in = in_of(s);
    (void)stanza;
    if (!in->has_acks)
        answer_failed(in, STANZA_UNEXPECTED_REQUEST);
    else if (in_has_room(in))
        loop_defer(s->loop, &in->answer);
}

void in_on_a(struct stream *s, struct stanza *stanza)
{
    struct in *in = in_of(s);
    uint64_t h;
    if (!span_to_u64(stanza_attr(stanza, 0, SPAN("h")), UINT32_MAX, &h)) {
        stream_error(s, STREAM_INVALID_XML, "h is no number");
        return;
    }
    struct pair *p =
        in->acks_output ? pair_find(in->s2s, in->carries_local, in->carries_remote) : NULL;
    if (!p || p->in != in) {
        if (h > 0)
            LOG(LOG_DEBUG, "in.ack_of_nothing", F_STR("sid", s->id), F_INT("h", h));
    } else if (!pair_on_ack(p, (uint32_t)h)) {
        stream_error_with(s, STREAM_UNDEFINED_CONDITION, NULL,
                          SPAN("<handled-count-too-high xmlns='" NS_SM "'/>"));
    }
}

/* Resumption, and what is out of order. */
void in_on_other_sm(struct stream *s, struct stanza *stanza)
{
    bool is_resume = span_eq(stanza_root(stanza)->name, SPAN("resume"));
    answer_failed(in_of(s), is_resume && s->state == IN_OPEN ? STANZA_FEATURE_NOT_IMPLEMENTED
                                                             : STANZA_UNEXPECTED_REQUEST);
}

/* --- what the router has taken ---------------------------------------------------------------- */

static void on_handled(void *ctx)
{
    struct in *in = ctx;
    if (in->is_gone) {
        in_release(in);
        return;
    }
    if (in->owes_ack && stream_is_open(&in->stream))
        loop_defer(in->stream.loop, &in->answer);
    if (in->is_throttled && in->handled.waiting <= WAITING_MAX / 2) {
        in->is_throttled = false;
        stream_resume(&in->stream);
    }
}

void in_manage_init(struct in *in)
{
    handled_init(&in->handled, on_handled, in);
    in->answer = (struct deferred){.call = write_a, .ctx = in};
}

struct link_done in_manage_next(struct in *in)
{
    struct link_done done = handled_next(&in->handled);
    if (in->handled.waiting >= WAITING_MAX && !in->is_throttled) {
        in->is_throttled = true;
        stream_pause(&in->stream);
    }
    return done;
}
