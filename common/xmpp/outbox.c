/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * outbox - the queues themselves; see outbox_private.h for how one is made up.
 *
 * Called by the owner of each destination. A stanza whose destination keeps up is copied once and
 * never sees the store.
 */
#include "xmpp/outbox_private.h"

#include "base/mem.h"

#include <stdlib.h>

/* With fewer unsent stanzas than this in memory, the next slice is read from the store. */
#define READ_AHEAD 64
/* back is written when it holds as much as this, or at the next tick. */
#define BACK_STANZAS 256
#define BACK_BYTES (256 * 1024)

/* --- all ------------------------------------------------------------------------------------- */

struct outboxes *outboxes_new(struct loop *loop, struct store *store,
                              const struct outbox_opts *opts, const struct outbox_events *events,
                              void *ctx)
{
    struct outboxes *all = mem_zalloc(sizeof(*all));

    *all = (struct outboxes){
        .loop = loop, .store = store, .opts = *opts, .events = events, .ctx = ctx};
    list_init(&all->busy);
    list_init(&all->turn);
    list_init(&all->jobs);
    outboxes_load(all);
    return all;
}

struct outbox_opts outbox_conf_opts(const struct outbox_conf *c)
{
    return (struct outbox_opts){
        .max_stanzas = (size_t)c->stanzas,
        .max_bytes = (size_t)c->bytes,
        .max_all_bytes = 16 * (size_t)c->bytes,
        .max_stored = (size_t)c->stored,
        .spill_ms = 5000,
        .ttl_ms = (uint64_t)c->time,
    };
}

void outboxes_set_limits(struct outboxes *all, const struct outbox_opts *opts)
{
    all->opts = *opts;
}

static void outbox_free(struct outbox *o)
{
    if (o->node.next)
        list_remove(&o->node);
    o->all->bytes -= buf_len(&o->front.bytes) + buf_len(&o->back.bytes);
    ring_free(&o->front);
    ring_free(&o->back);
    free(o);
}

void outbox_rest(struct outbox *o)
{
    list_remove(&o->node);
    o->node.next = NULL;
    if (o->owner)
        return;
    map_remove(&o->all->map, o->key);
    outbox_free(o);
}

void outboxes_free(struct outboxes **all_p)
{
    struct outboxes *all = *all_p;
    size_t cursor = 0;
    struct outbox *o;

    if (!all)
        return;
    *all_p = NULL;
    outboxes_drop_jobs(all);
    while ((o = map_next(&all->map, &cursor)))
        outbox_free(o);
    map_free(&all->map);
    timer_stop(&all->tick);
    loop_defer_cancel(&all->flush_end);
    free(all);
}

/* --- one ------------------------------------------------------------------------------------- */

struct outbox *outbox_find_or_add(struct outboxes *all, struct span key)
{
    struct outbox *o = map_get(&all->map, key);

    if (o)
        return o;
    o = mem_zalloc(sizeof(*o) + key.n);
    o->all = all;
    memcpy(o->text, key.p, key.n);
    o->key = span_make(o->text, key.n);
    map_put(&all->map, o->key, o);
    return o;
}

struct outbox *outbox_open(struct outboxes *all, struct span key, void *owner)
{
    struct outbox *o = outbox_find_or_add(all, key);

    o->owner = owner;
    return o;
}

/* Those that nobody holds go at the next tick, if they have nothing in them by then. */
void outbox_close(struct outbox **o_p)
{
    struct outbox *o = *o_p;

    *o_p = NULL;
    if (!o)
        return;
    o->owner = NULL;
    outbox_set_busy(o);
}

void outbox_set_busy(struct outbox *o)
{
    if (o->node.next)
        return;
    list_append(&o->all->busy, &o->node);
    outboxes_tick_soon(o->all, false);
}

struct span outbox_key(const struct outbox *o)
{
    return o->key;
}

void *outbox_owner(const struct outbox *o)
{
    return o->owner;
}

bool outbox_writes_back(const struct outbox *o)
{
    return o->writing && o->writing->is_back;
}

bool outbox_is_empty(const struct outbox *o)
{
    return o->front.count == 0 && o->gap.count == 0 && o->back.count == 0 && !outbox_writes_back(o);
}

/* --- in -------------------------------------------------------------------------------------- */

static bool fits_front(const struct outbox *o, size_t n)
{
    const struct outbox_opts *opts = &o->all->opts;

    if (o->back.count > 0 || o->gap.count > 0 || outbox_writes_back(o))
        return false; /* they are older */
    if (o->front.count == 0)
        return true;
    return o->front.count < opts->max_stanzas && buf_len(&o->front.bytes) + n <= opts->max_bytes &&
           o->all->bytes + n <= opts->max_all_bytes;
}

/* While the store takes what it is given, back is small. */
static bool fits_back(const struct outbox *o, size_t n)
{
    const struct outbox_opts *opts = &o->all->opts;
    size_t waiting = buf_len(&o->back.bytes);

    return waiting + n <= opts->max_bytes && o->gap.bytes + waiting + n <= opts->max_stored;
}

/* It is not waited for the next tick with this. */
static bool is_back_large(const struct outbox *o)
{
    const struct outbox_opts *opts = &o->all->opts;
    size_t bytes = opts->max_bytes / 2 < BACK_BYTES ? opts->max_bytes / 2 : BACK_BYTES;

    return o->back.count >= BACK_STANZAS || buf_len(&o->back.bytes) > bytes;
}

bool outbox_put(struct outbox *o, struct span stanza)
{
    struct outboxes *all = o->all;
    bool to_front = fits_front(o, stanza.n);

    if (all->bytes + stanza.n > all->opts.max_all_bytes + all->opts.max_all_bytes / 2)
        return false;
    if (!to_front && !fits_back(o, stanza.n))
        return false;
    ring_add(to_front ? &o->front : &o->back, o->next_seq++, (int64_t)loop_now(all->loop), stanza);
    all->bytes += stanza.n;
    outbox_set_busy(o);
    if (is_back_large(o))
        outbox_spill(o);
    return true;
}

/* --- out ------------------------------------------------------------------------------------- */

static bool has_room(const struct outbox *o)
{
    return o->front.count < o->all->opts.max_stanzas &&
           buf_len(&o->front.bytes) < o->all->opts.max_bytes;
}

void outbox_refill(struct outbox *o)
{
    if (o->reading || !has_room(o))
        return;
    if (o->gap.count > 0) {
        outbox_read(o);
    } else if (o->back.count > 0 && !outbox_writes_back(o)) {
        ring_add_from(&o->front, &o->back, 0, o->back.count);
        ring_drop(&o->back, o->back.count);
        ring_shrink(&o->back);
    }
}

void outbox_check_ready(struct outbox *o)
{
    if (!o->is_wanted || o->all->is_loading || !outbox_has_unsent(o))
        return;
    o->is_wanted = false;
    o->all->events->on_ready(o->all->ctx, o);
}

struct span outbox_next(struct outbox *o)
{
    if (o->is_careful && o->sent > 0)
        return SPAN_NONE;
    if (o->all->is_loading) {
        o->is_wanted = true; /* older ones may be in the store */
        return SPAN_NONE;
    }
    if (!outbox_has_unsent(o))
        outbox_refill(o);
    if (!outbox_has_unsent(o)) {
        o->is_wanted = o->gap.count > 0 || o->back.count > 0 || outbox_writes_back(o);
        return SPAN_NONE;
    }
    return span_make(buf_span(&o->front.bytes).p + o->sent_bytes, ring_at(&o->front, o->sent)->n);
}

void outbox_sent(struct outbox *o)
{
    o->sent_bytes += ring_at(&o->front, o->sent)->n;
    o->sent++;
    if (o->gap.count > 0 && o->front.count - o->sent < READ_AHEAD)
        outbox_refill(o);
}

void outbox_drop(struct outbox *o, uint32_t count)
{
    size_t before = buf_len(&o->front.bytes);

    if (count == 0)
        return;
    o->dropped_end = ring_at(&o->front, count - 1)->seq + 1;
    ring_drop(&o->front, count);
    size_t n = before - buf_len(&o->front.bytes);
    o->all->bytes -= n;
    o->sent -= count < o->sent ? count : o->sent;
    o->sent_bytes -= n < o->sent_bytes ? n : o->sent_bytes;
    o->stored -= count < o->stored ? count : o->stored;
}

bool outbox_acked(struct outbox *o, uint32_t count)
{
    if (count > o->sent)
        return false;
    outbox_drop(o, count);
    ring_shrink(&o->front);
    if (outbox_is_empty(o))
        o->is_careful = false;
    if (o->is_wanted) {
        outbox_refill(o);
        outbox_check_ready(o);
    }
    return true;
}

uint32_t outbox_unacked(const struct outbox *o)
{
    return o->sent;
}

bool outbox_doubt(struct outbox *o)
{
    bool is_found = o->is_careful && o->sent == 1;

    if (o->sent > 0)
        o->is_careful = true;
    return is_found;
}

bool outbox_is_careful(const struct outbox *o)
{
    return o->is_careful;
}

void outbox_rewind(struct outbox *o)
{
    o->sent = 0;
    o->sent_bytes = 0;
    o->is_wanted = false;
}

void outbox_give_up(struct outbox *o)
{
    outbox_rewind(o);
    o->give_up_end = o->next_seq;
    outboxes_tick_soon(o->all, true);
}

static int64_t oldest_at(const struct outbox *o)
{
    if (o->front.count > 0)
        return ring_at(&o->front, 0)->at;
    if (o->gap.count > 0)
        return o->gap.at;
    if (outbox_writes_back(o))
        return ring_at(&o->writing->ring, 0)->at;
    return ring_at(&o->back, 0)->at;
}

void outbox_figures(const struct outbox *o, size_t *stanzas_r, size_t *bytes_r, uint64_t *age_r)
{
    const struct ring *written = outbox_writes_back(o) ? &o->writing->ring : NULL;

    *stanzas_r = o->front.count + o->gap.count + o->back.count + (written ? written->count : 0);
    *bytes_r = buf_len(&o->front.bytes) + o->gap.bytes + buf_len(&o->back.bytes) +
               (written ? buf_len(&written->bytes) : 0);
    *age_r = 0;
    if (*stanzas_r > 0)
        *age_r = (uint64_t)((int64_t)loop_now(o->all->loop) - oldest_at(o));
}
