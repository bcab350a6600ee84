/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * flow - back-pressure: whoever feeds a slow peer is not read until that peer has caught up.
 *
 * Beyond half of its queue's cap, a peer's feeders pause; below a quarter they go on. Beyond the
 * cap relay.c bounces. Peers that share a domain (our client servers) never pause: all users of
 * theirs would wait because one component is slow. Nobody pauses for himself, nor for longer than
 * FLOW_WAIT_MS: two components that feed each other would wait for ever.
 */
#include "base/log.h"
#include "router/router.h"

#define FLOW_WAIT_MS 10000

static void stop_waiting(struct peer *p)
{
    list_remove(&p->flow_node);
    p->waits_for = NULL;
    p->silent_beats = 0;
    stream_resume(&p->stream);
}

static void let_all_go(struct peer *to)
{
    timer_stop(&to->flow_timer);
    while (!list_is_empty(&to->feeders))
        stop_waiting(CONTAINER_OF(to->feeders.next, struct peer, flow_node));
}

static void on_wait_over(void *ctx)
{
    struct peer *to = ctx;
    LOG(LOG_WARN, "flow.slow", F_SPAN("name", to->name),
        F_INT("queued", stream_out_len(&to->stream)));
    to->flow_spent = true;
    let_all_go(to);
}

void flow_queued(struct peer *to, struct peer *sender, size_t queued)
{
    if (!to->is_internal)
        unsent_mark(to, queued);
    if (queued <= (size_t)to->router->conf->queue / 2 || !sender || sender == to)
        return;
    if (sender->waits_for || sender->bound_shared > 0 || to->flow_spent)
        return;
    LOG(LOG_DEBUG, "flow.pause", F_SPAN("name", sender->name), F_SPAN("slow", to->name));
    sender->waits_for = to;
    list_append(&to->feeders, &sender->flow_node);
    stream_pause(&sender->stream);
    if (!timer_is_running(&to->flow_timer))
        timer_start(&to->flow_timer, to->router->loop, FLOW_WAIT_MS, on_wait_over, to);
}

void flow_drained(struct peer *to)
{
    to->flow_spent = false;
    let_all_go(to);
}

void flow_forget(struct peer *p)
{
    if (p->waits_for)
        stop_waiting(p);
    let_all_go(p);
}
