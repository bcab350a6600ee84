/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * archive_absent - a message for a user whom nobody owns: what he wants archived is in the store
 * only, so the job that stores it for him (offline.c, who owns this) archives it, too.
 */
#include "c2s/sm/archive/archive.h"

#include <stdlib.h>

struct sm_archive_absent {
    const struct sm *sm; /* what is read of it never changes */
    int64_t id, account;
    struct buf text;
    struct sm_archive_peer peer;
};

struct sm_archive_absent *sm_archive_absent_new(const struct sm_in *in)
{
    struct sm_archive_absent *a;

    if (!in->sm->opts.archive || in->is_again || !sm_archive_is_worth(in->stanza))
        return NULL;
    a = mem_zalloc(sizeof(*a));
    a->sm = in->sm;
    if (!sm_archive_peer_of(in->sm, in->stanza->from, &a->text, &a->peer)) {
        sm_archive_absent_free(a);
        return NULL;
    }
    a->id = sm_archive_new_id(in->sm);
    return a;
}

void sm_archive_absent_free(struct sm_archive_absent *a)
{
    if (!a)
        return;
    buf_free(&a->text);
    free(a);
}

struct asker {
    struct db *db;
    int64_t account;
};

static bool is_contact(void *ctx, struct span bare)
{
    const struct asker *asker = ctx;
    struct db_stmt *st =
        db_sql(asker->db, "SELECT 1 FROM roster WHERE account = ?1 AND jid = ?2");
    bool is_there;

    db_bind_int(st, 1, asker->account);
    db_bind_text(st, 2, bare);
    is_there = db_step(st) > 0;
    db_reset(st);
    return is_there;
}

int64_t sm_archive_absent_id(struct db *db, struct sm_archive_absent *a, struct span name)
{
    struct asker asker = {db, sm_account_id(db, name)};
    struct sm_archive_prefs *prefs;
    bool is_wanted;

    a->account = asker.account;
    if (!a->account)
        return 0;
    prefs = sm_archive_prefs_read(db, a->account);
    is_wanted = sm_archive_is_wanted(a->sm, prefs, &a->peer, is_contact, &asker);
    sm_archive_prefs_drop(prefs);
    return is_wanted ? a->id : 0;
}

int sm_archive_absent_store(struct db *db, const struct sm_archive_absent *a, struct span stanza)
{
    return sm_archive_insert(db, a->account, a->id, &a->peer, stanza);
}
