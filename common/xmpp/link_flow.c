/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * link_flow - back-pressure: who feeds a link faster than the router reads waits for it.
 *
 * Else the queue of the link would be full of what one stream has sent, and all others of the
 * process would be refused. Called by whoever takes stanzas from a stream and gives them to the
 * link; let go by link.c when the queue is below a quarter of its bound, or the router has gone:
 * then the queue is for what comes while it is away, and bounded for each stream by what is safe.
 */
#include "base/conn.h"
#include "xmpp/link_private.h"

void link_feed(struct link *l, struct link_feeder *f, struct stream *s)
{
    if (f->stream || !link_is_up(l) || stream_out_len(&l->stream) <= l->opts.queue_max / 2 ||
        !stream_is_open(s))
        return;
    f->stream = s;
    list_append(&l->feeders, &f->node);
    stream_pause(s);
}

void link_feed_end(struct link_feeder *f)
{
    if (!f->stream)
        return;
    list_remove(&f->node);
    f->stream = NULL;
}

void link_let_go(struct link *l)
{
    while (!list_is_empty(&l->feeders)) {
        struct link_feeder *f = CONTAINER_OF(l->feeders.next, struct link_feeder, node);
        struct stream *s = f->stream;
        link_feed_end(f);
        stream_resume(s);
    }
}
