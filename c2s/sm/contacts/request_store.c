/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * request_store - the table of subscription requests that a user has not answered: RFC 6121 3.1.3.
 *
 * One a sender, and so many an account. All of it runs on the storage thread, called by the jobs
 * of roster.c, subscribe.c and requests.c, and by the profile's. Our own users are kept by their
 * address in the host's domain. A stanza is kept from after "<presence", without its 'to'.
 */
#include "c2s/sm/contacts/contacts.h"

#define REQUESTS_MAX 1000 /* of one account */

bool sm_request_exists(struct db *db, const struct sm_roster_key *key)
{
    struct db_stmt *st =
        db_sql(db, "SELECT 1 FROM roster_request WHERE account = ?1 AND jid = ?2");

    db_bind_int(st, 1, key->account);
    db_bind_text(st, 2, key->names.jid);
    bool is_there = db_step(st) > 0;
    db_reset(st);
    return is_there;
}

static bool is_full(struct db *db, int64_t account)
{
    struct db_stmt *st = db_sql(db, "SELECT count(*) FROM roster_request WHERE account = ?1");

    db_bind_int(st, 1, account);
    bool is_full = db_step(st) <= 0 || db_int(st, 0) >= REQUESTS_MAX;
    db_reset(st);
    return is_full;
}

int sm_request_put(struct db *db, const struct sm_roster_key *key, int64_t stamp,
                   struct span stanza)
{
    if (is_full(db, key->account))
        return SM_ROSTER_FULL;
    struct db_stmt *st = db_sql(db, "INSERT INTO roster_request (account, jid, stamp, stanza)"
                                    " VALUES (?1, ?2, ?3, ?4)");
    db_bind_int(st, 1, key->account);
    db_bind_text(st, 2, key->names.jid);
    db_bind_int(st, 3, stamp);
    db_bind_text(st, 4, stanza);
    return db_run(st);
}

int sm_request_remove(struct db *db, const struct sm_roster_key *key)
{
    struct db_stmt *st = db_sql(db, "DELETE FROM roster_request WHERE account = ?1 AND jid = ?2");

    db_bind_int(st, 1, key->account);
    db_bind_text(st, 2, key->names.jid);
    return db_run(st);
}

int sm_requests_load(struct db *db, int64_t account, struct sm_profile *profile)
{
    struct db_stmt *st = db_sql(db, "SELECT 1 FROM roster_request WHERE account = ?1 LIMIT 1");
    int got;

    db_bind_int(st, 1, account);
    got = db_step(st);
    profile->has_requests = got > 0;
    db_reset(st);
    return got < 0 ? got : STORE_OK;
}

int sm_request_list(struct db *db, int64_t account, struct sm_request_batch *batch)
{
    struct db_stmt *st = db_sql(db, "SELECT jid, stanza FROM roster_request"
                                    " WHERE account = ?1 AND jid > ?2 ORDER BY jid LIMIT ?3");
    int got;

    db_bind_int(st, 1, account);
    db_bind_text(st, 2, buf_span(&batch->last));
    db_bind_int(st, 3, SM_REQUESTS_BATCH);
    batch->count = 0;
    while ((got = db_step(st)) > 0) {
        struct span stanza = db_text(st, 1);
        batch->sizes[batch->count++] = stanza.n;
        buf_append(&batch->text, stanza);
        if (batch->count == SM_REQUESTS_BATCH)
            break;
    }
    if (batch->count == SM_REQUESTS_BATCH) {
        struct buf last = {0};
        buf_append(&last, db_text(st, 0));
        buf_free(&batch->last);
        batch->last = last;
    }
    db_reset(st);
    return got < 0 ? got : STORE_OK;
}
