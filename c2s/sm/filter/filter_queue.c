/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * filter_queue - what waits for the filter's verdict, in order and within bounds; see filter.h.
 *
 * Called by filter.c, by user.c when a session moves to another owner, and by session.c: a session
 * that has ended stays with its user until what it said last has gone on.
 */
#include "c2s/sm/filter/filter.h"

#include <stdlib.h>

/* What one lane may take of what may wait in all: the others need room, too. */
#define LANE_SHARE 4

/* --- lanes ------------------------------------------------------------------------------------ */

/* "account LF bare JID of the sender" */
static struct span pair_key(struct sm_filter *f, const struct sm_in *in)
{
    buf_clear(&f->text);
    buf_append(&f->text, in->to.local);
    buf_append_char(&f->text, '\n');
    buf_append(&f->text, jid_bare_of(in->stanza->from));
    return buf_span(&f->text);
}

struct filter_lane *filter_lane_find(struct sm_filter *f, const struct sm_in *in,
                                     enum sm_direction direction)
{
    if (direction == SM_SENDING)
        return in->session->filter_lane;
    return f->lanes.count > 0 ? map_get(&f->lanes, pair_key(f, in)) : NULL;
}

static struct filter_lane *lane_new(struct sm_filter *f, const struct sm_in *in,
                                    enum sm_direction direction)
{
    struct span key = direction == SM_SENDING ? SPAN_NONE : pair_key(f, in);
    struct filter_lane *lane = mem_zalloc(sizeof(*lane) + key.n);

    lane->filter = f;
    list_init(&lane->entries);
    list_append(&f->all, &lane->node);
    if (direction == SM_SENDING) {
        lane->session = in->session;
        in->session->filter_lane = lane;
        return lane;
    }
    memcpy(lane->text, key.p, key.n);
    lane->key = span_make(lane->text, key.n);
    map_put(&f->lanes, lane->key, lane);
    return lane;
}

static void lane_free(struct filter_lane *lane)
{
    if (lane->session)
        lane->session->filter_lane = NULL;
    else
        map_remove(&lane->filter->lanes, lane->key);
    list_remove(&lane->node);
    free(lane);
}

/* What a copy of it takes, about: a stanza that is used again and again has more than it needs. */
static size_t weight_of(const struct stanza *s)
{
    size_t n = sizeof(struct filter_entry) + 2048 + s->node_count * sizeof(struct stanza_node) +
               s->attr_count * sizeof(struct stanza_attr);

    for (uint32_t i = 0; i < s->node_count; i++)
        n += s->nodes[i].text.n + s->nodes[i].name.n;
    for (uint32_t i = 0; i < s->attr_count; i++)
        n += s->attrs[i].value.n + s->attrs[i].name.n;
    return n;
}

bool filter_has_room(const struct sm_filter *f, const struct filter_lane *lane,
                     const struct stanza *s)
{
    const size_t bytes = weight_of(s);

    if (f->count >= f->opts.max_count || f->bytes + bytes > f->opts.max_bytes)
        return false;
    return !lane || (lane->count < (f->opts.max_count + LANE_SHARE - 1) / LANE_SHARE &&
                     lane->bytes + bytes <= f->opts.max_bytes / LANE_SHARE);
}

/* --- entries ---------------------------------------------------------------------------------- */

static void count_bytes(struct filter_entry *e, size_t bytes)
{
    e->lane->bytes += bytes - e->bytes;
    e->lane->filter->bytes += bytes - e->bytes;
    e->bytes = bytes;
}

void filter_weigh(struct filter_entry *e)
{
    count_bytes(e, weight_of(&e->stanza));
}

struct filter_entry *filter_keep(struct sm_filter *f, struct filter_lane *lane, struct sm_in *in,
                                 enum sm_direction direction)
{
    struct filter_entry *e = mem_zalloc(sizeof(*e));

    e->lane = lane ? lane : lane_new(f, in, direction);
    stanza_copy(&e->stanza, in->stanza);
    e->stanza.from = arena_span(&e->stanza.arena, in->stanza->from);
    buf_append(&e->to, in->to.full);
    e->done = sm_in_take_done(in);
    e->sent_id = in->sent_id;
    e->filtered = in->filtered | direction;
    e->is_from_link = in->is_from_link;
    e->is_by_network = in->is_by_network;
    e->session = in->session ? sm_session_ref(in->session) : NULL;
    e->user = direction == SM_RECEIVING ? sm_user_find(f->sm, in->to.local) : NULL;
    if (e->user)
        e->user->jobs++;
    list_append(&e->lane->entries, &e->node);
    e->lane->count++;
    f->count++;
    filter_weigh(e);
    return e;
}

void filter_close_question(struct filter_entry *e)
{
    if (e->id[0])
        map_remove(&e->lane->filter->questions, span_of(e->id));
    e->id[0] = '\0';
    timer_stop(&e->deadline);
}

/* Out of its lane, which stays. */
static void take_out(struct filter_entry *e)
{
    filter_close_question(e);
    count_bytes(e, 0);
    list_remove(&e->node);
    e->lane->count--;
    e->lane->filter->count--;
}

static void entry_free(struct filter_entry *e)
{
    struct sm_session *session = e->session;
    struct sm_user *user = e->user;

    stanza_free(&e->stanza);
    buf_free(&e->to);
    free(e);
    if (session)
        sm_session_unref(session);
    if (user) {
        user->jobs--;
        sm_user_settle(user);
    }
}

/* --- going on --------------------------------------------------------------------------------- */

/* As it was when it was stopped; whose account it is for may have changed meanwhile, which the way
 * that it takes from here finds out. */
static void go_on(struct sm_filter *f, struct filter_entry *e)
{
    const enum sm_direction direction = e->lane->session ? SM_SENDING : SM_RECEIVING;
    struct sm_in in = {
        .sm = f->sm,
        .session = e->session,
        .stanza = &e->stanza,
        .done = e->done,
        .is_from_link = e->is_from_link,
        .is_by_network = e->is_by_network,
        .sent_id = e->sent_id,
        .filtered = e->filtered,
    };
    struct jid_scratch scratch SM_HOT;

    take_out(e);
    if (buf_len(&e->to) > 0)
        jid_parse(buf_span(&e->to), &in.to, &scratch);
    if (e->verdict == FILTER_PASS || filter_drop(f, &in, direction, e->error, e->reason))
        sm_in_go_on(&in, direction);
    sm_done(in.done, true);
    entry_free(e);
}

static struct filter_entry *first_of(const struct filter_lane *lane)
{
    return list_is_empty(&lane->entries)
               ? NULL
               : CONTAINER_OF(lane->entries.next, struct filter_entry, node);
}

static bool is_ready(const struct filter_lane *lane)
{
    const struct filter_entry *e = first_of(lane);

    return e && e->verdict != FILTER_ASKED;
}

void filter_release(struct filter_lane *lane)
{
    if (lane->is_releasing)
        return;
    lane->is_releasing = true;
    while (is_ready(lane))
        go_on(lane->filter, first_of(lane));
    lane->is_releasing = false;
    if (first_of(lane))
        return;
    struct sm_session *s = lane->session;
    lane_free(lane);
    if (s)
        sm_session_drained(s); /* it may have waited for this to end */
}

void filter_flush(struct filter_lane *lane, enum filter_cause cause)
{
    LIST_FOR_EACH(node, &lane->entries)
    {
        struct filter_entry *e = CONTAINER_OF(node, struct filter_entry, node);
        if (e->verdict == FILTER_ASKED)
            filter_fail(lane->filter, e, cause);
    }
    filter_release(lane);
}

static struct filter_lane *next_ready(const struct sm_filter *f)
{
    LIST_FOR_EACH(node, &f->all)
    {
        struct filter_lane *lane = CONTAINER_OF(node, struct filter_lane, node);
        if (is_ready(lane) && !lane->is_releasing)
            return lane;
    }
    return NULL;
}

/* All are decided first: what goes on may end lanes, and begin others. */
void filter_flush_all(struct sm_filter *f, bool is_off)
{
    struct filter_entry *e;
    struct filter_lane *lane;
    size_t cursor = 0;

    while ((e = map_next(&f->questions, &cursor)) != NULL) {
        if (is_off) {
            filter_close_question(e);
            e->verdict = FILTER_PASS;
        } else {
            filter_fail(f, e, FILTER_AWAY);
        }
    }
    while ((lane = next_ready(f)) != NULL)
        filter_release(lane);
}

void filter_forget_all(struct sm_filter *f)
{
    while (!list_is_empty(&f->all)) {
        struct filter_lane *lane = CONTAINER_OF(f->all.next, struct filter_lane, node);
        struct filter_entry *e;
        while ((e = first_of(lane)) != NULL) {
            struct link_done done = e->done;
            take_out(e);
            entry_free(e);
            sm_done(done, false);
        }
        lane_free(lane);
    }
}

/* --- a session that moves --------------------------------------------------------------------- */

/* What it was refused it hears from here; the rest is asked about where it goes. */
void sm_filter_give_back(struct sm_session *s, void (*take)(struct sm_session *s, struct stanza *st,
                                                            struct link_done done))
{
    struct filter_lane *lane = s->filter_lane;
    struct filter_entry *e;

    if (!lane)
        return;
    while ((e = first_of(lane)) != NULL) {
        if (e->verdict == FILTER_DROP) {
            go_on(lane->filter, e);
            continue;
        }
        struct link_done done = e->done;
        take_out(e);
        take(s, &e->stanza, done);
        entry_free(e);
    }
    lane_free(lane);
}
