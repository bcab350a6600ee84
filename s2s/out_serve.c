/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * out_serve - what comes over a stream of ours once it is there: answers to dialback questions,
 * acknowledgements, and stanzas, where both directions use it (XEP-0288).
 *
 * The rules of out.c call these.
 */
#include "s2s/out_private.h"

#include "base/log.h"
#include "s2s/dialback.h"
#include "s2s/inbound.h"
#include "xmpp/ns.h"

/* --- questions -------------------------------------------------------------------------------- */

void out_ask(struct out *o, const struct pair_question *q)
{
    dialback_write_verify(stream_out(&o->stream), o->pair->local, o->pair->remote, span_of(q->id),
                          SPAN_NONE, span_of(q->key));
    stream_flush(&o->stream);
}

static enum pair_answer read_answer(struct span type)
{
    return span_eq(type, SPAN("valid"))     ? PAIR_VALID
           : span_eq(type, SPAN("invalid")) ? PAIR_INVALID
                                            : PAIR_NOT_THERE;
}

/* Only what was asked here, of this server, has an answer (S04, S05). */
void out_on_verify(struct stream *s, struct stanza *stanza)
{
    struct out *o = out_of(s);
    if (span_is_none(stanza->type)) {
        if (!out_has_room(o))
            return;
        dialback_write_error(stream_out(s), "verify", stanza->to, stanza->from, stanza->id,
                             STANZA_NOT_ALLOWED); /* that is asked on a stream of its own */
        stream_flush(s);
        return;
    }
    if (!span_eq(stanza->from, o->pair->remote) || !span_eq(stanza->to, o->pair->local) ||
        !pair_on_verified(o->pair, stanza->id, read_answer(stanza->type)))
        LOG(LOG_WARN, "out.unasked_verify", F_SPAN("remote", o->pair->remote),
            F_SPAN("from", stanza->from), F_SPAN("to", stanza->to), F_SPAN("id", stanza->id));
}

/* --- stanzas ---------------------------------------------------------------------------------- */

static bool is_proved(void *ctx, struct span local, struct span remote)
{
    const struct out *o = ctx;
    return o->pair && span_eq(local, o->pair->local) && span_eq(remote, o->pair->remote);
}

void out_on_stanza(struct stream *s, struct stanza *stanza)
{
    struct out *o = out_of(s);
    if (!o->is_bidi) {
        stream_error(s, STREAM_NOT_AUTHORIZED, "this stream is ours to write to");
        return;
    }
    o->pair->last_used = loop_now(s->loop);
    inbound_stanza(o->s2s, s, stanza, is_proved, o, handled_next(&o->handled));
    if (o->s2s->link)
        link_feed(o->s2s->link, &o->feeder, s);
}

/* --- XEP-0198 --------------------------------------------------------------------------------- */

void out_on_r(struct stream *s, struct stanza *stanza)
{
    struct out *o = out_of(s);
    (void)stanza;
    if (!out_has_room(o))
        return;
    struct buf *out = stream_out(s);
    xml_raw(out, SPAN("<a xmlns='" NS_SM "' h='"));
    buf_append_u64(out, handled_count(&o->handled));
    xml_raw(out, SPAN("'/>"));
    stream_flush(s);
}

void out_on_a(struct stream *s, struct stanza *stanza)
{
    struct pair *p = out_of(s)->pair;
    uint64_t h;
    if (!span_to_u64(stanza_attr(stanza, 0, SPAN("h")), UINT32_MAX, &h))
        stream_error(s, STREAM_BAD_FORMAT, "h is no number");
    else if (p->has_acks && !p->in && !pair_on_ack(p, (uint32_t)h))
        stream_error(s, STREAM_UNDEFINED_CONDITION, "so many stanzas were never sent");
}
