/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * seat - a bound client's place at the session manager: its life, and the ways in and out.
 *
 * bind.c makes one, manage.c gives it to a client that resumes; client.c says when a connection is
 * gone. While neither XEP-0198 nor XEP-0352 is in use, output goes straight to the connection.
 */
#include "c2s/seat.h"

#include "base/log.h"
#include "c2s/c2s.h"

#include <stdlib.h>

/* Stanzas of one client that are not yet in safe hands (being stored, waiting for the router):
 * beyond, it is not read, so that no client fills what all share. */
#define WAITING_MAX 256

static void set_state(struct seat *seat, enum seat_state state)
{
    static const char *const names[] = {"opening", "taken", "hibernating", "ended"};
    LOG(LOG_DEBUG, "seat.state", F_STR("jid", seat->jid ? seat->jid : ""),
        F_STR("from", names[seat->state]), F_STR("to", names[state]));
    seat->state = state;
}

/* --- what the session manager may do to a client ---------------------------------------------- */

static struct seat *seat_of(struct sm_client *sm)
{
    return CONTAINER_OF(sm, struct seat, sm);
}

static struct buf *sm_begin(struct sm_client *sm)
{
    return seat_begin(seat_of(sm));
}

static void sm_end(struct sm_client *sm)
{
    seat_finish(seat_of(sm));
}

/* What is not acknowledged has a bound of its own, with milder ways: none is cut off for it. */
static size_t sm_backlog(const struct sm_client *sm)
{
    const struct seat *seat = (const struct seat *)(const void *)sm;
    size_t n = seat->client ? stream_out_len(&seat->client->stream) : 0;
    size_t max = (size_t)seat->c2s->conf->backlog;
    if (seat->csi)
        n += csi_bytes(seat->csi);
    return seat->manage && n > max ? max : n;
}

static void on_ending(void *ctx)
{
    seat_end(ctx);
}

static void sm_kick(struct sm_client *sm, enum stream_error e, const char *text)
{
    struct seat *seat = seat_of(sm);
    seat->is_over = true;
    if (seat->client)
        stream_error(&seat->client->stream, e, text);
    else
        loop_defer(seat->c2s->loop, &seat->ending);
}

static void sm_opened(struct sm_client *sm, struct sm_session *session, struct span full_jid,
                      enum stanza_error e, const char *text)
{
    struct seat *seat = seat_of(sm);
    struct client *c = seat->client;
    if (e)
        seat_end(seat);
    else
        seat_open(seat, session, full_jid);
    bind_on_opened(c, full_jid, e, text);
}

static void sm_hold_client(struct sm_client *sm, bool is_held)
{
    struct seat *seat = seat_of(sm);
    if (seat->is_held == is_held)
        return;
    seat->is_held = is_held;
    if (seat->client && is_held)
        stream_pause(&seat->client->stream);
    else if (seat->client)
        stream_resume(&seat->client->stream);
}

static const struct sm_client_ops ops = {
    .begin = sm_begin,
    .end = sm_end,
    .backlog = sm_backlog,
    .kick = sm_kick,
    .opened = sm_opened,
    .hold = sm_hold_client,
};

/* --- output ----------------------------------------------------------------------------------- */

bool seat_is_writable(const struct seat *seat)
{
    return seat->client && stream_is_open(&seat->client->stream);
}

/* Until it is known whether a stanza must wait, it is written aside. */
static struct buf *begin_aside(struct seat *seat)
{
    struct buf *aside = &seat->c2s->scratch;
    seat->is_direct = false;
    buf_clear(aside);
    return aside;
}

static struct buf *begin_managed(struct seat *seat)
{
    if (seat->is_over)
        return NULL;
    if (seat->manage && manage_is_overfull(seat->manage)) {
        LOG(LOG_WARN, "client.overfull", F_STR("jid", seat->jid));
        sm_kick(&seat->sm, STREAM_RESOURCE_CONSTRAINT, "too much unacknowledged");
        return NULL;
    }
    if (!seat_is_writable(seat))
        return seat->manage ? begin_aside(seat) : NULL;
    if (seat->csi)
        return begin_aside(seat);
    struct buf *out = stream_out(&seat->client->stream);
    seat->is_direct = true;
    seat->mark = buf_len(out);
    return out;
}

struct buf *seat_begin(struct seat *seat)
{
    if (seat->manage || seat->csi)
        return begin_managed(seat);
    return seat_is_writable(seat) ? stream_out(&seat->client->stream) : NULL;
}

void seat_emit(struct seat *seat, struct span stanza)
{
    bool is_sent = seat_is_writable(seat);
    if (is_sent)
        stream_send(&seat->client->stream, stanza);
    if (seat->manage)
        manage_note(seat->manage, stanza, is_sent);
}

/* What was written may be several stanzas; the output is our own, and sound. */
static void each_stanza(struct seat *seat, struct span bytes,
                        void (*each)(struct seat *seat, struct span stanza))
{
    struct framer f;
    framer_init_stanzas(&f, &framer_limits_link);
    while (bytes.n > 0) {
        enum frame kind;
        size_t n = framer_scan(&f, bytes.p, bytes.n, &kind);
        if (kind != FRAME_STANZA)
            n = bytes.n;
        each(seat, span_make(bytes.p, n));
        bytes = span_from(bytes, n);
    }
}

static void note_sent(struct seat *seat, struct span stanza)
{
    manage_note(seat->manage, stanza, true);
}

static void finish_managed(struct seat *seat)
{
    if (seat->is_direct) {
        struct span all = buf_span(stream_out(&seat->client->stream));
        each_stanza(seat, span_from(all, seat->mark), note_sent);
    } else {
        each_stanza(seat, buf_span(&seat->c2s->scratch), seat->csi ? csi_put : seat_emit);
        buf_clear(&seat->c2s->scratch);
    }
    if (seat->manage && seat_is_writable(seat))
        manage_after_write(seat->manage);
}

void seat_finish(struct seat *seat)
{
    if (seat->manage || seat->csi)
        finish_managed(seat);
    if (seat->client)
        stream_flush(&seat->client->stream);
}

/* --- input ------------------------------------------------------------------------------------ */

static bool is_broadcast_presence(const struct stanza *s)
{
    return span_eq(stanza_root(s)->name, SPAN("presence")) && span_is_none(s->to);
}

void seat_input(struct seat *seat, struct stanza *stanza)
{
    struct stream *s = &seat->client->stream;
    struct link_done done = handled_next(&seat->handled);
    if (is_broadcast_presence(stanza))
        seat->has_left = span_eq(stanza->type, SPAN("unavailable"));
    sm_input(seat->session, stanza, done);
    if (seat->handled.waiting >= WAITING_MAX && !seat->is_throttled && stream_is_open(s)) {
        seat->is_throttled = true;
        stream_pause(s);
    }
}

void seat_count(struct seat *seat)
{
    struct link_done done = handled_next(&seat->handled);
    done.call(done.ctx, true);
}

static void free_if_done(struct seat *seat)
{
    if (seat->state != SEAT_ENDED || handled_is_waiting(&seat->handled))
        return;
    struct c2s *c2s = seat->c2s;
    hibernate_on_freed(seat);
    list_remove(&seat->node);
    c2s->seat_count--;
    free(seat->user);
    free(seat->jid);
    free(seat);
    c2s_client_gone(c2s);
}

static void on_handled(void *ctx)
{
    struct seat *seat = ctx;
    if (seat->state == SEAT_ENDED) {
        hibernate_on_handled(seat);
        free_if_done(seat);
        return;
    }
    if (seat->manage)
        manage_on_handled(seat->manage);
    if (!seat->is_throttled || seat->handled.waiting > WAITING_MAX / 2)
        return;
    seat->is_throttled = false;
    if (seat->client)
        stream_resume(&seat->client->stream);
}

/* --- life ------------------------------------------------------------------------------------- */

struct seat *seat_new(struct client *c)
{
    struct seat *seat = mem_zalloc(sizeof *seat);
    seat->sm.ops = &ops;
    seat->c2s = c->c2s;
    seat->client = c;
    seat->user = mem_strdup_span(span_of(c->user));
    seat->domain = c->domain;
    seat->ending = (struct deferred){.call = on_ending, .ctx = seat};
    handled_init(&seat->handled, on_handled, seat);
    list_append(&c->c2s->seats, &seat->node);
    c->c2s->seat_count++;
    c->seat = seat;
    return seat;
}

void seat_open(struct seat *seat, struct sm_session *session, struct span full_jid)
{
    seat->session = session;
    seat->jid = mem_strdup_span(full_jid);
    set_state(seat, SEAT_TAKEN);
}

void seat_detach(struct seat *seat)
{
    if (!seat->client)
        return;
    seat->client->seat = NULL;
    seat->client = NULL;
    if (seat->manage)
        manage_pause(seat->manage);
}

void seat_give(struct seat *seat, struct client *c)
{
    struct client *old = seat->client;
    seat_detach(seat);
    if (old)
        stream_error(&old->stream, STREAM_CONFLICT, "resumed by another connection");
    if (seat->state == SEAT_HIBERNATING) {
        hibernate_stop(seat);
        sm_set_away(seat->session, false);
    }
    seat->client = c;
    c->seat = seat;
    set_state(seat, SEAT_TAKEN);
    if (seat->is_held)
        stream_pause(&c->stream);
    if (seat->is_throttled)
        stream_pause(&c->stream);
}

static bool may_hibernate(const struct seat *seat)
{
    return seat->state == SEAT_TAKEN && seat->manage && manage_may_resume(seat->manage) &&
           !seat->is_over && !seat->has_left && !seat->c2s->is_stopping;
}

static void tell_missed(struct seat *seat)
{
    const struct unacked *q = &seat->manage->queue;
    struct span stanza;
    uint32_t i = 0;
    size_t at = 0;
    sm_set_away(seat->session, true);
    while (unacked_next(q, &i, &at, &stanza))
        sm_missed(seat->session, stanza);
}

/* By its own stream error, or the client's, it has ended as well. */
void seat_on_lost(struct seat *seat, bool in_good_order)
{
    bool is_lost = !in_good_order && may_hibernate(seat);
    seat_detach(seat);
    if (!is_lost) {
        seat_end(seat);
        return;
    }
    set_state(seat, SEAT_HIBERNATING);
    if (!seat->csi)
        csi_begin(seat);
    tell_missed(seat);
    LOG(LOG_INFO, "client.hibernates", F_STR("jid", seat->jid),
        F_INT("unacked", seat->manage->queue.count));
    hibernate_begin(seat);
}

static void give_back(struct seat *seat)
{
    struct unacked *q = &seat->manage->queue;
    struct loop *loop = seat->c2s->loop;
    int64_t start = loop_wall(loop) - (int64_t)loop_now(loop);
    struct span stanza;
    uint64_t at;
    for (; unacked_first(q, &stanza, &at); unacked_drop_first(q))
        sm_undelivered(seat->session, stanza, start + (int64_t)at);
}

void seat_end(struct seat *seat)
{
    if (seat->state == SEAT_ENDED)
        return;
    bool is_opening = seat->state == SEAT_OPENING;
    loop_defer_cancel(&seat->ending);
    seat->is_over = true;
    seat_detach(seat);
    csi_free(&seat->csi);
    if (seat->manage) {
        if (seat->state == SEAT_HIBERNATING)
            hibernate_stop(seat);
        give_back(seat);
        hibernate_forget(seat);
        manage_free(&seat->manage);
    }
    if (is_opening)
        sm_open_cancel(seat->c2s->sm, &seat->sm);
    else
        sm_close(seat->session);
    seat->session = NULL;
    set_state(seat, SEAT_ENDED);
    free_if_done(seat);
}
