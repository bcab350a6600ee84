/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * in_duplex - an incoming stream that carries our stanzas, too (XEP-0288): asked for by the peer
 * before it is authenticated, given to the pair that was proved first.
 *
 * The peer may turn on XEP-0198 right after that, which changes what of ours it acknowledges: the
 * pair gets the stream only when that is clear, at the first word of the peer or soon.
 */
#include "base/log.h"
#include "s2s/in_private.h"
#include "xmpp/ns.h"

#include <stdlib.h>

#define GIVE_AFTER_MS 1000

void in_on_bidi(struct stream *s, struct stanza *stanza)
{
    struct in *in = in_of(s);
    (void)stanza;
    if (s->state != IN_OPEN && !in_requires_tls(in, in->remote))
        in->wants_duplex = true;
    else
        LOG(LOG_DEBUG, "in.bidi_too_late", F_STR("sid", s->id));
}

static void on_give_soon(void *ctx)
{
    struct in *in = ctx;
    in_duplex_give(in);
    if (!in->is_given && stream_is_open(&in->stream))
        timer_start(&in->give_soon, in->s2s->loop, GIVE_AFTER_MS, on_give_soon, in);
}

void in_duplex_start(struct in *in, struct span local, struct span remote)
{
    if (!in->wants_duplex)
        return;
    in->carries_local = span_make(mem_strdup_span(local), local.n);
    in->carries_remote = span_make(mem_strdup_span(remote), remote.n);
    timer_start(&in->give_soon, in->s2s->loop, GIVE_AFTER_MS, on_give_soon, in);
}

/* After EXTERNAL there is nothing to write to before the new header. */
void in_duplex_give(struct in *in)
{
    struct stream *s = &in->stream;
    if (in->is_given || span_is_none(in->carries_remote) || s->phase != STREAM_OPEN)
        return;
    timer_stop(&in->give_soon);
    in->is_given = true;
    in->acks_output = in->has_acks;
    struct pair *p = pair_get(in->s2s, in->carries_local, in->carries_remote);
    if (p)
        pair_on_ready(p, in);
}

static struct pair *carried(const struct in *in)
{
    if (!in->is_given)
        return NULL;
    struct pair *p = pair_find(in->s2s, in->carries_local, in->carries_remote);
    return p && p->in == in ? p : NULL;
}

void in_duplex_end(struct in *in)
{
    struct stream *s = &in->stream;
    struct pair *p = carried(in);
    timer_stop(&in->give_soon);
    if (p)
        pair_on_lost(p, in, pair_loss_of(s),
                     s->error ? stream_error_name(s->error) : s->close_reason);
    free((void *)(uintptr_t)in->carries_local.p);
    free((void *)(uintptr_t)in->carries_remote.p);
    in->carries_local = in->carries_remote = SPAN_NONE;
}

/* --- for the pair ----------------------------------------------------------------------------- */

struct buf *in_begin(struct in *in)
{
    struct stream *s = &in->stream;
    if (s->state != IN_OPEN || s->phase != STREAM_OPEN ||
        stream_out_len(s) > (size_t)in->s2s->conf->backlog)
        return NULL;
    return stream_out(s);
}

void in_end(struct in *in)
{
    in->last_used = loop_now(in->s2s->loop);
    stream_flush(&in->stream);
}

struct stream *in_stream(struct in *in)
{
    return &in->stream;
}

bool in_has_acks(const struct in *in)
{
    return in->acks_output;
}

/* There is room again. */
void in_on_drain(struct stream *s)
{
    struct pair *p = carried(in_of(s));
    if (p)
        pair_on_drain(p);
}
