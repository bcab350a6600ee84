/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * import_archive - stored messages and archives, out of elements of XEP-0227. All of it runs on the
 * storage thread. What is there already, the same message of the same time, stays.
 *
 * An archive that comes from a server of ours keeps its numbers, so that clients find again what
 * they have seen. Others get numbers of their times: the order stays.
 */
#include "c2s/sm/pie/pie.h"

#define MESSAGE_MAX_BYTES (512u << 10)

/* --- both ------------------------------------------------------------------------------------- */

static bool is_own(const struct pie_import *im, struct span address)
{
    struct span bare = jid_bare_of(address);
    size_t at = span_index(bare, '@');

    return at < bare.n && span_eq(span_make(bare.p, at), im->user) &&
           sm_is_local_domain(im->job.sm, span_from(bare, at + 1));
}

/* The message as it is kept: for a client. False: it is too big. */
static bool render(struct pie_import *im, uint32_t message)
{
    buf_clear(&im->text);
    stanza_write_node(&im->text, &im->stanza, message, SPAN(NS_CLIENT));
    return buf_len(&im->text) <= MESSAGE_MAX_BYTES;
}

static bool read_stamp(const struct stanza *s, uint32_t delay, int64_t *stamp_r)
{
    return sm_time_read(stanza_attr(s, delay, SPAN("stamp")), stamp_r) && *stamp_r >= 0 &&
           *stamp_r <= SM_ARCHIVE_MAX_TIME;
}

/* --- archives --------------------------------------------------------------------------------- */

/* 1: such a message of that millisecond is there. */
static int is_archived(struct pie_import *im, struct db *db, int64_t stamp)
{
    struct db_stmt *st = db_sql(db, "SELECT 1 FROM archive INDEXED BY archive_account"
                                    " WHERE account = ?1 AND id BETWEEN ?2 AND ?3"
                                    " AND stanza = ?4 LIMIT 1");

    db_bind_int(st, 1, im->account);
    db_bind_int(st, 2, stamp << SM_ARCHIVE_TIME_SHIFT);
    db_bind_int(st, 3, ((stamp + 1) << SM_ARCHIVE_TIME_SHIFT) - 1);
    db_bind_text(st, 4, buf_span(&im->text));
    return pie_found(st);
}

/* Behind the others of its millisecond; 0: the store has failed. */
static int64_t new_id(struct pie_import *im, struct db *db, int64_t stamp)
{
    struct db_stmt *st = db_sql(db, "SELECT coalesce(max(id) + 1, ?2) FROM archive"
                                    " INDEXED BY archive_account"
                                    " WHERE account = ?1 AND id BETWEEN ?2 AND ?3");
    int64_t id = 0;

    db_bind_int(st, 1, im->account);
    db_bind_int(st, 2, stamp << SM_ARCHIVE_TIME_SHIFT);
    db_bind_int(st, 3, ((stamp + 1) << SM_ARCHIVE_TIME_SHIFT) - 1);
    if (db_step(st) > 0)
        id = db_int(st, 0);
    db_reset(st);
    return id;
}

/* The number that it had, if that is one of ours and fits its time; else 0. */
static int64_t old_id(struct span text, int64_t stamp)
{
    int64_t id;

    return sm_archive_id_read(text, &id) && sm_archive_time_of(id) == stamp ? id : 0;
}

static int store_archived(struct pie_import *im, struct db *db, uint32_t message, int64_t stamp,
                          int64_t id)
{
    struct stanza *s = &im->stanza;
    struct span from = stanza_attr(s, message, SPAN("from"));
    struct span to = stanza_attr(s, message, SPAN("to"));
    struct span other = !span_is_none(from) && !is_own(im, from) ? from : to;
    struct sm_archive_peer peer;
    struct buf text = {0};
    int result;

    if (span_is_none(other))
        other = buf_span(&im->bare); /* to himself */
    if (!id)
        id = new_id(im, db, stamp);
    if (!id || !sm_archive_peer_of(im->job.sm, other, &text, &peer)) {
        buf_free(&text);
        return id ? PIE_REFUSED : STORE_FAILED;
    }
    result = sm_archive_insert(db, im->account, id, &peer, buf_span(&im->text));
    buf_free(&text);
    return result < 0 ? result : 1;
}

static int take_result(struct pie_import *im, struct db *db, uint32_t result)
{
    struct stanza *s = &im->stanza;
    uint32_t forwarded = stanza_child(s, result, SPAN(NS_FORWARD), SPAN("forwarded"));
    uint32_t delay = forwarded ? stanza_child(s, forwarded, SPAN(NS_DELAY), SPAN("delay")) : 0;
    uint32_t message = forwarded ? stanza_child(s, forwarded, SPAN(NS_CLIENT), SPAN("message")) : 0;
    int64_t stamp, id;
    int got;

    if (!delay || !message || !read_stamp(s, delay, &stamp) || !render(im, message))
        return PIE_REFUSED;
    if (stamp < im->oldest)
        return PIE_REFUSED; /* it would be removed at once */
    id = old_id(stanza_attr(s, result, SPAN("id")), stamp);
    got = id && sm_archive_has(db, im->account, id) ? 1 : is_archived(im, db, stamp);
    if (got != 0)
        return got < 0 ? got : 0;
    return store_archived(im, db, message, stamp, id);
}

int pie_import_archive(struct pie_import *im, struct db *db)
{
    int result = 0;

    for (uint32_t r = stanza_child(&im->stanza, 0, SPAN(NS_MAM), SPAN("result")); r && result >= 0;
         r = stanza_next(&im->stanza, r, SPAN(NS_MAM), SPAN("result")))
        result = pie_count(im, take_result(im, db, r),
                           "an archived message, malformed or too old");
    return result;
}

/* --- stored messages -------------------------------------------------------------------------- */

/* When it was accepted here, or there; our own note of that is not kept twice. */
static int64_t take_delay(struct pie_import *im, uint32_t message)
{
    struct stanza *s = &im->stanza;
    int64_t stamp = im->now, any;

    for (uint32_t d = stanza_child(s, message, SPAN(NS_DELAY), SPAN("delay")); d;
         d = stanza_next(s, d, SPAN(NS_DELAY), SPAN("delay"))) {
        if (!read_stamp(s, d, &any))
            continue;
        stamp = any < im->now ? any : im->now; /* one of the future would never be old enough */
        if (sm_is_local_domain(im->job.sm, stanza_attr(s, d, SPAN("from"))))
            stanza_remove(s, d);
    }
    return stamp;
}

/* What it is in his archive, in place of the element that says so; 0: nothing. */
static int64_t take_archive_id(struct pie_import *im, struct db *db, uint32_t message)
{
    struct stanza *s = &im->stanza;
    int64_t id, found = 0;

    for (uint32_t i = stanza_child(s, message, SPAN(NS_STANZA_ID), SPAN("stanza-id")); i;
         i = stanza_next(s, i, SPAN(NS_STANZA_ID), SPAN("stanza-id"))) {
        if (!is_own(im, stanza_attr(s, i, SPAN("by"))))
            continue;
        if (sm_archive_id_read(stanza_attr(s, i, SPAN("id")), &id))
            found = id;
        stanza_remove(s, i);
    }
    (void)db;
    return found;
}

/* 1: the same message of the same time waits for him. */
static int is_stored(struct pie_import *im, struct db *db, int64_t stamp)
{
    struct db_stmt *st = db_sql(db, "SELECT 1 FROM offline WHERE account = ?1 AND stamp = ?2"
                                    " AND stanza = ?3 LIMIT 1");

    db_bind_int(st, 1, im->account);
    db_bind_int(st, 2, stamp);
    db_bind_text(st, 3, buf_span(&im->text));
    return pie_found(st);
}

static int take_message(struct pie_import *im, struct db *db, uint32_t message)
{
    const struct sm_opts *opts = &im->job.sm->opts;
    const struct sm_offline_limits limits = {opts->max_offline, opts->max_offline_bytes};
    int64_t stamp = take_delay(im, message), id = take_archive_id(im, db, message);
    int result;

    if (!render(im, message))
        return PIE_REFUSED;
    if ((result = is_stored(im, db, stamp)) != 0)
        return result < 0 ? result : 0;
    result = sm_offline_insert(db, im->user, stamp, buf_span(&im->text), &limits);
    if (result == STORE_OK && id)
        result = sm_offline_set_archived(db, id);
    return result < 0 ? result : result > 0 ? PIE_REFUSED : 1;
}

int pie_import_offline(struct pie_import *im, struct db *db)
{
    struct stanza *s = &im->stanza;
    int result = 0;

    for (uint32_t m = stanza_child(s, 0, SPAN_NONE, SPAN("message")); m && result >= 0;
         m = stanza_next(s, m, SPAN_NONE, SPAN("message")))
        result = span_eq(s->nodes[m].ns, SPAN(NS_CLIENT))
                     ? pie_count(im, take_message(im, db, m), "a stored message")
                     : pie_count(im, PIE_REFUSED, "a stored message");
    return result;
}
