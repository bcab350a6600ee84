/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * outbox_tick - what time does to the queues: what has waited long goes to the store, what has
 * waited too long is given back, rows of what has gone are deleted; and the flush at the end.
 *
 * One timer for all of them, which runs while there is anything in any.
 */
#include "xmpp/outbox_private.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

#define TICK_MS 500

/* --- what has waited too long ---------------------------------------------------------------- */

static bool has_expired(const struct outbox *o, uint64_t seq, int64_t at)
{
    int64_t age = (int64_t)loop_now(o->all->loop) - at;

    return seq < o->give_up_end || age >= (int64_t)o->all->opts.ttl_ms;
}

/* False: none of front any more. */
static bool expire_first(struct outbox *o)
{
    if (o->front.count == 0)
        return false;
    const struct ring_entry *e = ring_at(&o->front, 0);
    if (!has_expired(o, e->seq, e->at))
        return false;
    struct span stanza = ring_bytes(&o->front, 0, 1);
    outbox_drop(o, 1);
    o->all->events->on_expired(o->all->ctx, o, stanza);
    return true;
}

void outbox_refuse_first(struct outbox *o)
{
    if (o->front.count > 0) {
        struct span stanza = ring_bytes(&o->front, 0, 1);
        outbox_drop(o, 1);
        o->all->events->on_expired(o->all->ctx, o, stanza);
    }
}

/* What has been sent is not touched: it will be acknowledged, or given again. */
void outbox_expire(struct outbox *o)
{
    if (o->all->is_loading || o->sent > 0)
        return;
    do {
        while (expire_first(o))
            ;
        if (o->front.count > 0)
            return;
        ring_shrink(&o->front);
        if (o->gap.count > 0 && has_expired(o, o->gap.start, o->gap.at)) {
            outbox_refill(o); /* goes on when it has been read */
            return;
        }
        if (o->gap.count == 0 && o->back.count > 0 &&
            has_expired(o, ring_at(&o->back, 0)->seq, ring_at(&o->back, 0)->at))
            outbox_refill(o);
    } while (o->front.count > 0);
}

/* --- to the store ---------------------------------------------------------------------------- */

static bool is_pressed(const struct outboxes *all)
{
    return all->bytes > all->opts.max_all_bytes / 2;
}

static bool is_spill_due(const struct outbox *o)
{
    const struct outboxes *all = o->all;

    if (all->is_flushing || is_pressed(all) || o->back.count > 0)
        return true;
    int64_t age = (int64_t)loop_now(all->loop) - ring_at(&o->front, o->stored)->at;
    return age >= (int64_t)all->opts.spill_ms;
}

void outbox_spill(struct outbox *o)
{
    if (o->writing || o->all->is_loading || loop_now(o->all->loop) < o->retry_at)
        return;
    if (o->stored == o->front.count && o->back.count == 0)
        return;
    if (is_spill_due(o))
        outbox_write(o);
}

/* evict - memory is short: what is in the store as well, and not on its way, leaves it. */
static void evict(struct outbox *o)
{
    struct outboxes *all = o->all;
    uint32_t count = o->front.count - o->sent;

    if (!is_pressed(all) || o->reading || o->stored < o->front.count || count == 0)
        return;
    const struct ring_entry *first = ring_at(&o->front, o->sent);
    size_t n = buf_len(&o->front.bytes) - o->sent_bytes;
    if (o->gap.count == 0)
        o->gap.end = ring_at(&o->front, o->front.count - 1)->seq + 1;
    o->gap.start = first->seq;
    o->gap.at = first->at;
    o->gap.count += count;
    o->gap.bytes += n;
    ring_truncate(&o->front, o->sent);
    ring_shrink(&o->front);
    o->stored = o->sent;
    all->bytes -= n;
}

static void delete_due(struct outbox *o)
{
    uint64_t end = o->dropped_end < o->stored_end ? o->dropped_end : o->stored_end;

    if (!o->deleting && o->deleted_end < end)
        outbox_delete(o);
}

/* --- ticks ----------------------------------------------------------------------------------- */

static bool is_at_rest(const struct outbox *o)
{
    uint64_t end = o->dropped_end < o->stored_end ? o->dropped_end : o->stored_end;

    return outbox_is_empty(o) && !o->writing && !o->reading && !o->deleting &&
           o->deleted_end >= end && !o->all->is_loading;
}

static void on_tick_of(struct outbox *o)
{
    outbox_expire(o);
    if (o->is_wanted) {
        outbox_refill(o); /* the store may have refused before */
        outbox_check_ready(o);
    }
    outbox_spill(o);
    evict(o);
    delete_due(o);
}

static void on_tick(void *ctx)
{
    struct outboxes *all = ctx;

    if (all->is_loading && !all->is_looking)
        outboxes_load(all);
    /* Each once, whatever on_expired does to the list. */
    for (struct list_node *node = all->busy.next; node != &all->busy; node = all->busy.next) {
        list_remove(node);
        list_append(&all->turn, node);
    }
    while (!list_is_empty(&all->turn)) {
        struct outbox *o = CONTAINER_OF(all->turn.next, struct outbox, node);
        list_remove(&o->node);
        list_append(&all->busy, &o->node);
        on_tick_of(o);
        if (is_at_rest(o))
            outbox_rest(o);
    }
    if (!list_is_empty(&all->busy))
        outboxes_tick_soon(all, false);
}

void outboxes_tick_soon(struct outboxes *all, bool at_once)
{
    if (at_once || !timer_is_running(&all->tick))
        timer_start(&all->tick, all->loop, at_once ? 0 : TICK_MS, on_tick, all);
}

/* --- flush ----------------------------------------------------------------------------------- */

static void on_flush_end(void *ctx)
{
    struct outboxes *all = ctx;

    all->is_flushing = false;
    all->flushed(all->flushed_ctx);
}

void outboxes_check_flushed(struct outboxes *all)
{
    if (!all->is_flushing || all->writes > 0 || all->is_looking)
        return;
    all->flush_end = (struct deferred){.call = on_flush_end, .ctx = all};
    loop_defer(all->loop, &all->flush_end);
}

void outboxes_flush(struct outboxes *all, void (*done)(void *ctx), void *ctx)
{
    all->flushed = done;
    all->flushed_ctx = ctx;
    all->is_flushing = true;
    LIST_FOR_EACH(node, &all->busy)
    {
        struct outbox *o = CONTAINER_OF(node, struct outbox, node);
        o->retry_at = 0;
        outbox_spill(o);
    }
    outboxes_check_flushed(all);
}
