/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * contact - the contacts of a user in his owner's memory: who sees his presence, and whose he sees.
 *
 * A part of the profile; the whole items are in the store (roster_store.c).
 */
#include "c2s/sm/sm_private.h"

#include <stdlib.h>

struct sm_contact *sm_contact_find(const struct sm_profile *profile, struct span bare)
{
    return map_get(&profile->contacts, bare);
}

struct sm_contact *sm_contact_put(struct sm_profile *profile, struct span bare)
{
    struct sm_contact *c = sm_contact_find(profile, bare);
    size_t at = span_index(bare, '@');

    if (c)
        return c;
    c = mem_zalloc(sizeof(*c) + bare.n);
    memcpy(c->text, bare.p, bare.n);
    c->bare = span_make(c->text, bare.n);
    c->local = at < bare.n ? span_make(c->text, at) : SPAN_NONE;
    c->domain = at < bare.n ? span_from(c->bare, at + 1) : c->bare;
    map_put(&profile->contacts, c->bare, c);
    return c;
}

void sm_contact_remove(struct sm_profile *profile, struct span bare)
{
    free(map_remove(&profile->contacts, bare));
}

struct sm_contact *sm_contact_next(const struct sm_profile *profile, size_t *cursor)
{
    return map_next(&profile->contacts, cursor);
}

void sm_contacts_free(struct sm_profile *profile)
{
    struct sm_contact *c;
    size_t cursor = 0;

    while ((c = map_next(&profile->contacts, &cursor)) != NULL)
        free(c);
    map_free(&profile->contacts);
}

int sm_contacts_load(struct db *db, int64_t account, struct sm_profile *profile)
{
    struct db_stmt *st =
        db_sql(db, "SELECT jid, subscription, ask FROM roster WHERE account = ?1");
    int got;

    db_bind_int(st, 1, account);
    while ((got = db_step(st)) > 0) {
        struct sm_contact *c = sm_contact_put(profile, db_text(st, 0));
        c->subscription = (unsigned char)db_int(st, 1);
        c->ask = (unsigned char)db_int(st, 2);
    }
    db_reset(st);
    return got;
}

static struct span bare_of(struct span who)
{
    return span_make(who.p, span_index(who, '/'));
}

bool sm_user_is_seen_by(const struct sm_user *user, struct span who)
{
    struct span bare = bare_of(who);
    const struct sm_contact *c = sm_contact_find(user->profile, bare);
    size_t at = span_index(bare, '@');

    if (c && (c->subscription & SM_SUB_FROM))
        return true;
    return at < bare.n && span_eq(span_make(bare.p, at), user->name) &&
           sm_is_local_domain(user->sm, span_from(bare, at + 1));
}

bool sm_account_is_seen_by(struct db *db, struct span name, struct span who)
{
    struct db_stmt *st = db_sql(db, "SELECT 1 FROM roster WHERE account ="
                                    " (SELECT id FROM account WHERE name = ?1)"
                                    " AND jid = ?2 AND (subscription & 2)");
    bool is_seen;

    _Static_assert(SM_SUB_FROM == 2, "the bit in the statement");
    db_bind_text(st, 1, name);
    db_bind_text(st, 2, bare_of(who));
    is_seen = db_step(st) > 0;
    db_reset(st);
    return is_seen;
}
