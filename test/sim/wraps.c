/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wraps.h"

#include "base/conn_private.h"
#include "c2s/sm/sm_private.h"
#include "sim.h"
#include "xmpp/link_private.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

/* WRAP(type, name, (parameters)): the real one is __real_name, the one here __wrap_name. */
#define WRAP(type, name, parameters)                                                               \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters

enum plant planted;

static bool hits(enum plant plant, unsigned percent)
{
    return planted == plant && chance_of(percent);
}

/* --- cheap and shared ------------------------------------------------------------------------- */

#define STORE_NAME "file:/sim?vfs=memdb"
#define STORE_FLAGS (SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI)

static sqlite3 *keeper; /* the database lives as long as this */

WRAP(int, sqlite3_open_v2, (const char *path, sqlite3 **sql_r, int flags, const char *vfs))
{
    (void)path;
    return __real_sqlite3_open_v2(STORE_NAME, sql_r, STORE_FLAGS | flags, vfs);
}

void wraps_open_store(void)
{
    if (__real_sqlite3_open_v2(STORE_NAME, &keeper, STORE_FLAGS, NULL) != SQLITE_OK)
        abort();
}

void wraps_close_store(void)
{
    sqlite3_close(keeper);
    keeper = NULL;
}

int wraps_stored(void)
{
    sqlite3_stmt *st;
    int count = -1;
    if (sqlite3_prepare_v2(keeper, "SELECT count(*) FROM offline", -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        count = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return count;
}

/* Who is there already stays. */
WRAP(void, accounts_add,
     (struct accounts *a, struct span user, struct span password,
      void (*done)(void *ctx, enum accounts_result r), void *ctx))
{
    char sql[80];
    sqlite3_stmt *st;
    snprintf(sql, sizeof sql, "SELECT 1 FROM account WHERE name = '%.*s'", SPAN_ARG(user));
    bool is_there = sqlite3_prepare_v2(keeper, sql, -1, &st, NULL) == SQLITE_OK &&
                    sqlite3_step(st) == SQLITE_ROW;
    sqlite3_finalize(st);
    if (!is_there)
        __real_accounts_add(a, user, password, done, ctx);
}

/* Slow by design; here only the same must come of the same. */
WRAP(void, crypto_pbkdf2,
     (enum crypto_hash h, struct span password, struct span salt, uint32_t iterations,
      unsigned char *out_r))
{
    __real_crypto_pbkdf2(h, password, salt, iterations > 1 ? 1 : iterations, out_r);
}

/* --- connections ------------------------------------------------------------------------------ */

/* The stage knows of no delay: those are links. */
WRAP(void, conn_pair_fake,
     (struct loop *loop, size_t chunk, uint64_t delay_ms, struct conn **a_r, struct conn **b_r))
{
    static const size_t chunks[] = {0, 0, 0, 1, 7, 100};
    if (delay_ms == 0 && world) {
        delay_ms = chance_between(0, world->profile.link_delay);
        chunk = chunks[chance_below(ARRAY_LEN(chunks))];
    }
    __real_conn_pair_fake(loop, chunk, delay_ms, a_r, b_r);
}

WRAP(void, conn_fake_tick, (struct conn *c))
{
    wires_sending(c);
    __real_conn_fake_tick(c);
}

WRAP(void, conn_fake_stop, (struct conn *c))
{
    wires_ending(c);
    __real_conn_fake_stop(c);
}

WRAP(void, conn_fake_destroy, (struct conn *c))
{
    wires_gone(c);
    if (!hits(PLANT_LEAK, 10))
        __real_conn_fake_destroy(c);
}

/* --- the router ------------------------------------------------------------------------------- */

WRAP(bool, relay_frame, (struct peer *p, const struct starttag *tag, struct span frame))
{
    wires_taken_bytes(p->stream.conn, frame);
    return __real_relay_frame(p, tag, frame);
}

static void held(void *ctx, uint32_t number)
{
    ledger_hold(number, ctx != NULL);
}

WRAP(bool, hold_add,
     (struct hold *h, struct span from, struct span to, struct span frame, size_t count_max,
      size_t bytes_max))
{
    numbers_in(frame, held, h);
    return __real_hold_add(h, from, to, frame, count_max, bytes_max);
}

WRAP(struct held *, hold_take, (struct hold *h))
{
    struct held *first = __real_hold_take(h);
    if (first)
        numbers_in(first->frame, held, NULL);
    return first;
}

WRAP(void, hold_clear, (struct hold *h))
{
    for (const struct held *one = h->first; one; one = one->next)
        wires_excuse(one->frame, "held in a router that ended");
    __real_hold_clear(h);
}

WRAP(enum claim_result, claims_add,
     (struct claims *c, struct span jid, struct peer *peer, struct span id))
{
    enum claim_result r = __real_claims_add(c, jid, peer, id);
    return r == CLAIM_REFUSED && hits(PLANT_SHARE, 50) ? CLAIM_GRANTED : r;
}

/* --- the link --------------------------------------------------------------------------------- */

WRAP(void, link_close, (struct link **l, void (*gone)(void *ctx), void *ctx))
{
    wires_excuse(buf_span(&(*l)->pending), "queued in a link that was closed");
    __real_link_close(l, gone, ctx);
}

WRAP(void, link_claim, (struct link *l, struct span jid))
{
    if (!hits(PLANT_HANG, 20))
        __real_link_claim(l, jid);
}

WRAP(bool, link_send_stanza,
     (struct link *l, const struct stanza *s, const struct stanza_write_opts *opts,
      struct link_done done))
{
    if (done.call && hits(PLANT_SILENCE, 5))
        done = (struct link_done){0};
    return __real_link_send_stanza(l, s, opts, done);
}

/* --- the session manager ---------------------------------------------------------------------- */

static uint32_t number_of_stanza(const struct stanza *s)
{
    return span_eq(stanza_root(s)->name, SPAN("message")) ? number_of(s->id) : 0;
}

static const struct conn *link_conn(const struct sm *sm)
{
    return sm->link ? sm->link->stream.conn : NULL;
}

WRAP(void, sm_input, (struct sm_session *session, struct stanza *stanza, struct link_done done))
{
    uint32_t number = number_of_stanza(stanza);
    if (done.call)
        done = ledger_watch(number, done);
    __real_sm_input(session, stanza, done);
    if (done.call && hits(PLANT_ECHO, 2))
        done.call(done.ctx, true);
}

/* From one client to another without the router. */
static void by_shortcut(const struct sm_in *in)
{
    if (in->session && !in->is_from_link)
        ledger_overtake(number_of_stanza(in->stanza));
}

WRAP(bool, sm_deliver, (struct sm_in *in, struct sm_session *s))
{
    uint32_t number = number_of_stanza(in->stanza);
    if (number && hits(PLANT_DROP, 5))
        return true;
    if (number && hits(PLANT_TWICE, 5))
        __real_sm_deliver(in, s);
    by_shortcut(in);
    if (!sm_session_is_eligible(s))
        ledger_early(number);
    if (s->client && sm_is_guest(s->client))
        ledger_to_guest(number, s->client);
    if (number)
        sim_trace("m%u is written for %.*s", number, SPAN_ARG(s->full));
    return __real_sm_deliver(in, s);
}

static bool is_owned_elsewhere(const struct sm *sm, struct span name)
{
    for (size_t i = 0; i < SIM_INSTANCES; i++) {
        const struct c2s *c2s = world->stage->c2s[i].c2s;
        if (c2s && c2s->sm && c2s->sm != sm && sm_user_owned(c2s->sm, name))
            return true;
    }
    return false;
}

/* Who is cut off cannot tell the owner that he has stored something, and who has it in hand when
 * the user comes elsewhere tells him too late. */
WRAP(void, sm_offline_message, (struct sm_in *in, struct span name, struct sm_user *user))
{
    if (!sm_is_linked(in->sm) || is_owned_elsewhere(in->sm, name))
        ledger_early(number_of_stanza(in->stanza));
    by_shortcut(in);
    __real_sm_offline_message(in, name, user);
}

WRAP(void, sm_on_link_stanza, (void *ctx, struct stanza *stanza))
{
    const struct sm *sm = ctx;
    uint32_t number = number_of_stanza(stanza);
    wires_taken(link_conn(sm), number);
    if (number)
        sim_trace("m%u comes to %.*s", number, SPAN_ARG(sm->opts.instance));
    __real_sm_on_link_stanza(ctx, stanza);
}

WRAP(void, sm_user_on_link_up, (struct sm *sm))
{
    sim_trace("%.*s is linked", SPAN_ARG(sm->opts.instance));
    __real_sm_user_on_link_up(sm);
}

WRAP(void, sm_user_on_link_down, (struct sm *sm))
{
    sim_trace("%.*s is not linked any more", SPAN_ARG(sm->opts.instance));
    __real_sm_user_on_link_down(sm);
}

static void each_message(const struct stanza *s, void (*call)(void *ctx, uint32_t number),
                         void *ctx)
{
    for (uint32_t i = 0; i < s->node_count; i++) {
        uint32_t number = span_eq(s->nodes[i].name, SPAN("message"))
                              ? number_of(stanza_attr(s, i, SPAN("id")))
                              : 0;
        if (number)
            call(ctx, number);
    }
}

static void taken(void *ctx, uint32_t number)
{
    wires_taken(ctx, number);
}

static void came_back(void *ctx, uint32_t number)
{
    (void)ctx;
    ledger_excuse(number, "for an instance that has gone");
}

WRAP(void, sm_envelope, (struct sm *sm, struct stanza *envelope))
{
    each_message(envelope, taken, (void *)(uintptr_t)link_conn(sm));
    if (span_eq(envelope->type, SPAN("error")) &&
        stanza_child(envelope, 0, SPAN(NS_FRONT), SPAN("output")))
        each_message(envelope, came_back, NULL);
    __real_sm_envelope(sm, envelope);
}

static void comes_back(void *ctx, uint32_t number)
{
    (void)ctx;
    ledger_again(number);
}

/* A front begins with its session. */
static bool takes_output(const struct sm *sm, struct span id)
{
    struct sm_session **f = map_get(&sm->fronts, id);
    if (!f || !(*f)->client || (*f)->is_gone)
        return false;
    const struct seat *seat = (const struct seat *)(const void *)(*f)->client;
    return seat->manage || seat_is_writable(seat);
}

WRAP(void, sm_undelivered, (struct sm_session *session, struct span stanza, int64_t stamp_ms))
{
    numbers_in(stanza, comes_back, NULL);
    if (hits(PLANT_NEGLECT, 30))
        return;
    __real_sm_undelivered(session, stanza, stamp_ms);
}

WRAP(void, sm_front_output, (struct sm *sm, struct span from, struct stanza *e, uint32_t node))
{
    if (!takes_output(sm, stanza_attr(e, node, SPAN("id"))))
        each_message(e, comes_back, NULL);
    __real_sm_front_output(sm, from, e, node);
}

WRAP(void, sm_guest_close, (struct sm *sm, struct span from, struct stanza *e, uint32_t node))
{
    struct buf key = {0};
    struct span id = stanza_attr(e, node, SPAN("id"));
    if (hits(PLANT_LINGER, 50))
        return;
    buf_printf(&key, "%.*s/%.*s", SPAN_ARG(from), SPAN_ARG(id));
    const void *guest = map_get(&sm->guests, buf_span(&key));
    buf_free(&key);
    if (guest)
        ledger_guest_ends(guest);
    __real_sm_guest_close(sm, from, e, node);
}

WRAP(void, sm_guest_peer_down, (struct sm *sm, struct span instance))
{
    if (planted == PLANT_LINGER && !span_is_none(instance))
        return; /* else the heartbeat would mend it */
    ledger_guest_ends(NULL);
    __real_sm_guest_peer_down(sm, instance);
}

/* --- storage ---------------------------------------------------------------------------------- */

static void trace_stored(void *ctx, uint32_t number)
{
    const struct span *name = ctx;
    sim_trace("m%u is stored for %.*s", number, SPAN_ARG(*name));
}

WRAP(int, sm_offline_insert,
     (struct db *db, struct span name, int64_t stamp, struct span stanza,
      const struct sm_offline_limits *limits))
{
    if (sim_is_traced)
        numbers_in(stanza, trace_stored, &name);
    if (hits(PLANT_FORGET, 10))
        return STORE_OK;
    if (hits(PLANT_REFUSE, 10))
        return SM_OFFLINE_LIMIT;
    return __real_sm_offline_insert(db, name, stamp, stanza, limits);
}

WRAP(int, sm_offline_load, (struct db *db, struct span name, struct sm_offline_batch *batch))
{
    int r = __real_sm_offline_load(db, name, batch);
    struct sm_offline_row *rows = batch->rows;
    for (size_t i = 0; planted == PLANT_SHUFFLE && i < batch->count / 2; i++) {
        struct sm_offline_row *a = &rows[i], *b = &rows[batch->count - 1 - i], swap = *a;
        *a = (struct sm_offline_row){a->id, b->stamp, b->offset, b->n, b->archive_id};
        *b = (struct sm_offline_row){b->id, swap.stamp, swap.offset, swap.n, swap.archive_id};
    }
    return r;
}

/* --- refusals --------------------------------------------------------------------------------- */

WRAP(void, stanza_error_write,
     (struct buf *out, const struct stanza *s, struct span ns, struct span from, struct span to,
      enum stanza_error e, const char *text))
{
    ledger_refuse(number_of_stanza(s), stanza_error_name(e));
    __real_stanza_error_write(out, s, ns, from, to, e, text);
}

WRAP(void, stanza_error_write_parts,
     (struct buf *out, struct span name, struct span id, struct span from, struct span to,
      enum stanza_error e, const char *text))
{
    if (span_eq(name, SPAN("message")))
        ledger_refuse(number_of(id), stanza_error_name(e));
    __real_stanza_error_write_parts(out, name, id, from, to, e, text);
}
