/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * archive_store - the table of archived messages. All of it runs on the storage thread, in the jobs
 * of the archive's other files.
 *
 * A page is found in an index alone, from either end, whatever the size of the archive; only the
 * messages that are sent are read. The exception is a search for one resource of a peer, whose rows
 * must be looked at: it is done in steps.
 */
#include "c2s/sm/archive/archive.h"

int sm_archive_insert(struct db *db, int64_t account, int64_t id,
                      const struct sm_archive_peer *peer, struct span stanza)
{
    struct db_stmt *st = db_sql(db, "INSERT INTO archive (account, id, peer, resource, stanza)"
                                    " VALUES (?1, ?2, ?3, ?4, ?5)");

    db_bind_int(st, 1, account);
    db_bind_int(st, 2, id);
    db_bind_text(st, 3, peer->bare);
    db_bind_text(st, 4, peer->resource);
    db_bind_text(st, 5, stanza);
    return db_run(st);
}

/* --- removing --- */

/* Rows are appended: the oldest of all accounts are the first ones of the table. */
#define DELETE_OLDEST                                                                              \
    "DELETE FROM archive WHERE id < ?1"                                                            \
    " AND rowid IN (SELECT rowid FROM archive ORDER BY rowid LIMIT 500)"
#define DELETE_OLDEST_OF                                                                           \
    "DELETE FROM archive WHERE rowid IN"                                                           \
    " (SELECT rowid FROM archive INDEXED BY archive_account"                                       \
    " WHERE account = ?2 AND id < ?1 ORDER BY id LIMIT 500)"

int64_t sm_archive_delete(struct db *db, int64_t account, int64_t id_end)
{
    struct db_stmt *st = account ? db_sql(db, DELETE_OLDEST_OF) : db_sql(db, DELETE_OLDEST);
    int result;

    _Static_assert(SM_ARCHIVE_SLICE == 500, "the limit in the statements");
    db_bind_int(st, 1, id_end);
    if (account)
        db_bind_int(st, 2, account);
    result = db_run(st);
    return result < 0 ? result : db_changes(db);
}

int64_t sm_archive_excess(struct db *db, int64_t account, size_t messages)
{
    struct db_stmt *st = db_sql(db, "SELECT id FROM archive INDEXED BY archive_account"
                                    " WHERE account = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2");
    int64_t id = 0;

    db_bind_int(st, 1, account);
    db_bind_int(st, 2, (int64_t)messages);
    if (db_step(st) > 0)
        id = db_int(st, 0);
    db_reset(st);
    return id;
}

/* --- finding --- */

#define OF_ALL                                                                                     \
    " FROM archive INDEXED BY archive_account WHERE account = ?1 AND id BETWEEN ?2 AND ?3"
#define OF_PEER                                                                                    \
    " FROM archive INDEXED BY archive_peer"                                                        \
    " WHERE account = ?1 AND id BETWEEN ?2 AND ?3 AND peer = ?4"

static struct db_stmt *walk_stmt(struct db *db, const struct sm_archive_range *range,
                                 bool is_backward)
{
    if (span_is_none(range->peer.bare))
        return is_backward ? db_sql(db, "SELECT id" OF_ALL " ORDER BY id DESC")
                           : db_sql(db, "SELECT id" OF_ALL " ORDER BY id");
    if (span_is_none(range->peer.resource))
        return is_backward ? db_sql(db, "SELECT id" OF_PEER " ORDER BY id DESC")
                           : db_sql(db, "SELECT id" OF_PEER " ORDER BY id");
    return is_backward ? db_sql(db, "SELECT id, resource" OF_PEER " ORDER BY id DESC")
                       : db_sql(db, "SELECT id, resource" OF_PEER " ORDER BY id");
}

static void bind_range(struct db_stmt *st, const struct sm_archive_range *range)
{
    db_bind_int(st, 1, range->account);
    db_bind_int(st, 2, range->first);
    db_bind_int(st, 3, range->last);
    if (!span_is_none(range->peer.bare))
        db_bind_text(st, 4, range->peer.bare);
}

static bool is_of(const struct sm_archive_range *range, struct db_stmt *st)
{
    return span_is_none(range->peer.resource) || span_eq(db_text(st, 1), range->peer.resource);
}

bool sm_archive_walk(struct db *db, struct sm_archive_range *range, bool is_backward,
                     size_t max_steps, bool (*take)(void *ctx, int64_t id), void *ctx)
{
    struct db_stmt *st = walk_stmt(db, range, is_backward);
    bool is_over = true;

    bind_range(st, range);
    for (size_t steps = 0; db_step(st) > 0; steps++) {
        int64_t id = db_int(st, 0);
        if (steps == max_steps) {
            *(is_backward ? &range->last : &range->first) = id;
            is_over = false;
            break;
        }
        if (is_of(range, st) && !take(ctx, id))
            break;
    }
    db_reset(st);
    return is_over;
}

#define COUNT(what) "SELECT count(*) FROM (SELECT 1" what " LIMIT ?5)"

size_t sm_archive_count(struct db *db, const struct sm_archive_range *range, size_t max)
{
    struct db_stmt *st = span_is_none(range->peer.bare) ? db_sql(db, COUNT(OF_ALL))
                                                        : db_sql(db, COUNT(OF_PEER));
    size_t count = 0;

    bind_range(st, range);
    db_bind_int(st, 5, (int64_t)max + 1);
    if (db_step(st) > 0)
        count = (size_t)db_int(st, 0);
    db_reset(st);
    return count;
}

/* --- one message --- */

bool sm_archive_has(struct db *db, int64_t account, int64_t id)
{
    struct db_stmt *st = db_sql(db, "SELECT 1 FROM archive WHERE account = ?1 AND id = ?2");
    bool is_there;

    db_bind_int(st, 1, account);
    db_bind_int(st, 2, id);
    is_there = db_step(st) > 0;
    db_reset(st);
    return is_there;
}

bool sm_archive_is_in(struct db *db, const struct sm_archive_range *range, int64_t id)
{
    struct db_stmt *st =
        db_sql(db, "SELECT peer, resource FROM archive WHERE account = ?1 AND id = ?2");
    bool is_in = id >= range->first && id <= range->last;

    db_bind_int(st, 1, range->account);
    db_bind_int(st, 2, id);
    is_in = is_in && db_step(st) > 0 &&
            (span_is_none(range->peer.bare) || span_eq(db_text(st, 0), range->peer.bare)) &&
            is_of(range, st);
    db_reset(st);
    return is_in;
}

bool sm_archive_load(struct db *db, int64_t account, int64_t id, struct buf *text)
{
    struct db_stmt *st = db_sql(db, "SELECT stanza FROM archive WHERE account = ?1 AND id = ?2");
    bool is_there;

    db_bind_int(st, 1, account);
    db_bind_int(st, 2, id);
    is_there = db_step(st) > 0;
    if (is_there)
        buf_append(text, db_text(st, 0));
    db_reset(st);
    return is_there;
}
