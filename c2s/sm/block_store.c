/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * block_store - block lists in the store, and what an entry blocks (XEP-0191 2).
 *
 * block.c's jobs and profile.c call it, on the storage thread, and whoever handles something for an
 * account that nobody owns. sm_is_blocked, of one who is owned here, runs on the loop.
 */
#include "c2s/sm/sm_private.h"

#include <stdlib.h>

/* --- what blocks an address ------------------------------------------------------------------- */

/* Entries that would: its own, its bare JID's, its domain's; of a network user, who is one in all
 * its domains, the first two in the host's and in the network's domain as well. */
#define ENTRIES_MAX 7

struct entries {
    struct span items[ENTRIES_MAX];
    size_t count;
    struct jid_scratch scratch;
    char other[2][JID_TEXT_MAX];
};

static void add(struct entries *e, struct span item)
{
    e->items[e->count++] = item;
}

static void add_other_domain(struct entries *e, const struct jid *jid, struct span domain,
                             char other[JID_TEXT_MAX])
{
    size_t n = jid->local.n + 1 + domain.n;
    size_t rest = jid->full.n - jid->bare.n; /* "/resource" */

    if (n + rest > JID_TEXT_MAX || span_eq(jid->domain, domain))
        return;
    memcpy(other, jid->local.p, jid->local.n);
    other[jid->local.n] = '@';
    memcpy(other + jid->local.n + 1, domain.p, domain.n);
    if (rest)
        memcpy(other + n, jid->full.p + jid->bare.n, rest);
    add(e, span_make(other, n));
    if (rest)
        add(e, span_make(other, n + rest));
}

/* False: nothing blocks it: it is none, or an address of the user himself. */
static bool read_entries(const struct sm *sm, struct span name, struct span who, struct entries *e)
{
    const struct span host = sm->opts.host, network = sm->opts.network;
    struct jid jid;

    e->count = 0;
    if (!jid_parse(who, &jid, &e->scratch))
        return false;
    bool is_local = !span_is_none(jid.local) && sm_is_local_domain(sm, jid.domain);
    bool is_network = !span_is_none(jid.local) && sm_is_network_domain(sm, jid.domain);
    if (is_local && span_eq(jid.local, name))
        return false;
    add(e, jid.full);
    if (!jid_is_bare(&jid))
        add(e, jid.bare);
    if (!span_is_none(jid.local))
        add(e, jid.domain);
    if (is_network && !span_eq(host, network)) {
        add_other_domain(e, &jid, network, e->other[0]);
        add_other_domain(e, &jid, host, e->other[1]);
    }
    return true;
}

bool sm_is_blocked(const struct sm_user *user, struct span who)
{
    return user->profile && sm_profile_blocks(user->profile, user->name, who);
}

bool sm_profile_blocks(const struct sm_profile *profile, struct span name, struct span who)
{
    struct entries e SM_HOT;

    if (profile->blocked.count == 0 || !read_entries(profile->sm, name, who, &e))
        return false;
    for (size_t i = 0; i < e.count; i++) {
        if (map_get(&profile->blocked, e.items[i]))
            return true;
    }
    return false;
}

bool sm_account_blocks(const struct sm *sm, struct db *db, struct span name, struct span who)
{
    struct entries e SM_HOT;
    bool is_blocked;

    if (!read_entries(sm, name, who, &e))
        return false;
    struct db_stmt *st = db_sql(db, "SELECT 1 FROM block WHERE account ="
                                    " (SELECT id FROM account WHERE name = ?1)"
                                    " AND jid IN (?2, ?3, ?4, ?5, ?6, ?7, ?8)");
    _Static_assert(ENTRIES_MAX == 7, "the parameters of the statement");
    db_bind_text(st, 1, name);
    for (size_t i = 0; i < e.count; i++)
        db_bind_text(st, (int)(2 + i), e.items[i]);
    is_blocked = db_step(st) > 0;
    db_reset(st);
    return is_blocked;
}

/* --- the list in memory ----------------------------------------------------------------------- */

bool sm_blocked_put(struct sm_profile *profile, struct span jid)
{
    struct sm_blocked *b;

    if (map_get(&profile->blocked, jid))
        return false;
    b = mem_alloc(sizeof(*b) + jid.n);
    b->n = jid.n;
    memcpy(b->jid, jid.p, jid.n);
    map_put(&profile->blocked, span_make(b->jid, b->n), b);
    return true;
}

bool sm_blocked_remove(struct sm_profile *profile, struct span jid)
{
    struct sm_blocked *b = map_remove(&profile->blocked, jid);

    free(b);
    return b != NULL;
}

void sm_blocked_free(struct sm_profile *profile)
{
    struct sm_blocked *b;
    size_t cursor = 0;

    while ((b = map_next(&profile->blocked, &cursor)) != NULL)
        free(b);
    map_free(&profile->blocked);
    profile->blocked = (struct map){0};
}

int sm_blocked_load(struct db *db, int64_t account, struct sm_profile *profile)
{
    struct db_stmt *st = db_sql(db, "SELECT jid FROM block WHERE account = ?1");
    int got;

    db_bind_int(st, 1, account);
    while ((got = db_step(st)) > 0)
        sm_blocked_put(profile, db_text(st, 0));
    db_reset(st);
    return got;
}

/* --- changes ---------------------------------------------------------------------------------- */

static int count(struct db *db, int64_t account, size_t *count_r)
{
    struct db_stmt *st = db_sql(db, "SELECT count(*) FROM block WHERE account = ?1");

    db_bind_int(st, 1, account);
    int got = db_step(st);
    *count_r = got > 0 ? (size_t)db_int(st, 0) : 0;
    db_reset(st);
    return got > 0 ? STORE_OK : STORE_FAILED;
}

int sm_block_add(struct db *db, struct span name, const struct span *jids, size_t n, size_t max)
{
    const int64_t account = sm_account_id(db, name);
    size_t total;
    int result = STORE_OK;

    if (!account)
        return SM_BLOCK_NO_ACCOUNT;
    for (size_t i = 0; i < n && result == STORE_OK; i++) {
        struct db_stmt *st =
            db_sql(db, "INSERT OR IGNORE INTO block (account, jid) VALUES (?1, ?2)");
        db_bind_int(st, 1, account);
        db_bind_text(st, 2, jids[i]);
        result = db_run(st);
    }
    if (result == STORE_OK)
        result = count(db, account, &total);
    if (result == STORE_OK && total > max)
        return SM_BLOCK_FULL;
    return result;
}

static int remove_one(struct db *db, int64_t account, struct span jid)
{
    struct db_stmt *st = db_sql(db, "DELETE FROM block WHERE account = ?1 AND jid = ?2");

    db_bind_int(st, 1, account);
    db_bind_text(st, 2, jid);
    return db_run(st);
}

int sm_block_remove(struct db *db, struct span name, const struct span *jids, size_t n)
{
    const int64_t account = sm_account_id(db, name);
    int result = STORE_OK;

    if (n == 0) {
        struct db_stmt *st = db_sql(db, "DELETE FROM block WHERE account = ?1");
        db_bind_int(st, 1, account);
        return db_run(st);
    }
    for (size_t i = 0; i < n && result == STORE_OK; i++)
        result = remove_one(db, account, jids[i]);
    return result;
}
