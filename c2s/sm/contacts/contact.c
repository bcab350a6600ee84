/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * contact - the contacts of a user in his owner's memory: who sees his presence, and whose he sees.
 *
 * A part of the profile; the whole items are in the store (roster_store.c). A user of the network
 * has an address in its domain and at each of its hosts: he is found by any of them.
 */
#include "c2s/sm/contacts/contacts.h"

#include <stdlib.h>

/* --- names --- */

static bool is_network_user(const struct sm *sm, struct span local, struct span domain)
{
    return !span_is_none(local) && sm_is_network_domain(sm, domain);
}

static struct span local_of(struct span bare)
{
    size_t at = span_index(bare, '@');

    return at < bare.n ? span_make(bare.p, at) : SPAN_NONE;
}

static struct span join(char *text, struct span local, struct span domain)
{
    memcpy(text, local.p, local.n);
    text[local.n] = '@';
    memcpy(text + local.n + 1, domain.p, domain.n);
    return span_make(text, local.n + 1 + domain.n);
}

/* Without the host's own domain being longer than a domain may be, it always fits. */
struct span sm_name_of(const struct sm *sm, struct span bare, char text[JID_TEXT_MAX])
{
    struct span local = local_of(bare), host = sm->opts.host, domain = jid_domain_of(bare);

    if (span_eq(domain, host) || !is_network_user(sm, local, domain) ||
        local.n + 1 + host.n > JID_TEXT_MAX)
        return bare;
    return join(text, local, host);
}

struct sm_names sm_names_of(const struct sm *sm, struct arena *arena, struct span bare)
{
    struct span local = local_of(bare), host = sm->opts.host, network = sm->opts.network;
    const struct span domain = jid_domain_of(bare);
    struct sm_names names = {.jid = bare, .stored = bare};

    if (!is_network_user(sm, local, domain) || span_eq(host, network))
        return names;
    names.jid = join(arena_bytes(arena, local.n + 1 + host.n), local, host);
    names.other = join(arena_bytes(arena, local.n + 1 + network.n), local, network);
    if (!sm_is_local_domain(sm, domain))
        names.given = bare;
    if (sm_has_members(sm) && !span_eq(domain, host))
        names.stored = names.other;
    return names;
}

struct span sm_stored_jid(const struct sm *sm, struct span jid, char text[JID_TEXT_MAX])
{
    const struct span bare = jid_bare_of(jid), local = local_of(bare);
    const struct span resource = span_from(jid, bare.n), network = sm->opts.network;
    struct span stored;

    if (!sm_has_members(sm) || !is_network_user(sm, local, jid_domain_of(bare)) ||
        local.n + 1 + network.n + resource.n > JID_TEXT_MAX)
        return jid;
    stored = join(text, local, network);
    if (resource.n > 0)
        memcpy(text + stored.n, resource.p, resource.n);
    return span_make(text, stored.n + resource.n);
}

bool sm_user_is(const struct sm_user *user, struct span local, struct span domain)
{
    return span_eq(local, user->name) && sm_is_network_domain(user->sm, domain);
}

/* --- in memory --- */

struct sm_contact *sm_contact_find(const struct sm_profile *profile, struct span bare)
{
    char text[JID_TEXT_MAX] SM_HOT;

    return map_get(&profile->contacts, sm_name_of(profile->sm, bare, text));
}

struct sm_contact *sm_contact_put(struct sm_profile *profile, struct span bare)
{
    char text[JID_TEXT_MAX] SM_HOT;
    struct span key = sm_name_of(profile->sm, bare, text);
    struct sm_contact *c = map_get(&profile->contacts, key);
    size_t at = span_index(bare, '@');

    if (c)
        return c;
    c = mem_zalloc(sizeof(*c) + bare.n + key.n);
    memcpy(c->text, bare.p, bare.n);
    memcpy(c->text + bare.n, key.p, key.n);
    c->bare = span_make(c->text, bare.n);
    c->key = span_make(c->text + bare.n, key.n);
    c->local = at < bare.n ? span_make(c->text, at) : SPAN_NONE;
    c->domain = at < bare.n ? span_from(c->bare, at + 1) : c->bare;
    map_put(&profile->contacts, c->key, c);
    return c;
}

void sm_contact_remove(struct sm_profile *profile, struct span bare)
{
    char text[JID_TEXT_MAX] SM_HOT;

    free(map_remove(&profile->contacts, sm_name_of(profile->sm, bare, text)));
}

struct sm_contact *sm_contact_next(const struct sm_profile *profile, size_t *cursor)
{
    return map_next(&profile->contacts, cursor);
}

void sm_contacts_rename(struct sm_profile *profile)
{
    struct map old = profile->contacts;
    struct sm_contact *c;
    size_t cursor = 0;

    profile->contacts = (struct map){0};
    while ((c = map_next(&old, &cursor)) != NULL) {
        struct sm_contact *now = sm_contact_put(profile, c->bare);
        now->subscription |= c->subscription;
        now->ask |= c->ask;
        free(c);
    }
    map_free(&old);
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

/* --- what another instance has changed --- */

/* Of more at once, clients learn when they ask for their roster again. */
#define FOLLOWED_MAX 100

static bool is_same(const struct sm_contact *a, const struct sm_contact *b)
{
    return a && b && a->subscription == b->subscription && a->ask == b->ask;
}

static void follow(struct sm_user *user, const struct sm_contact *old, const struct sm_contact *now)
{
    const unsigned before = old ? old->subscription : 0, after = now ? now->subscription : 0;
    const struct span bare = now ? now->bare : old->bare;

    if (before & ~after & SM_SUB_FROM)
        sm_broadcast_end_to(user, bare);
    else if (after & ~before & SM_SUB_FROM)
        sm_broadcast_all_to(user, bare);
    sm_roster_refresh(user, bare);
}

void sm_contacts_follow(struct sm_user *user, const struct sm_profile *now)
{
    const struct sm_profile *old = user->profile;
    const struct sm_contact *c;
    size_t cursor = 0, count = 0;

    while (count < FOLLOWED_MAX && (c = sm_contact_next(now, &cursor)) != NULL) {
        const struct sm_contact *before = map_get(&old->contacts, c->key);
        if (is_same(before, c))
            continue;
        follow(user, before, c);
        count++;
    }
    cursor = 0;
    while (count < FOLLOWED_MAX && (c = sm_contact_next(old, &cursor)) != NULL) {
        if (map_get(&now->contacts, c->key))
            continue;
        follow(user, c, NULL);
        count++;
    }
}

/* --- who may see what --- */

bool sm_user_is_seen_by(const struct sm_user *user, struct span who)
{
    struct span bare = jid_bare_of(who);
    const struct sm_contact *c = sm_contact_find(user->profile, bare);

    if (c && (c->subscription & SM_SUB_FROM))
        return true;
    return span_eq(local_of(bare), user->name) &&
           sm_is_local_domain(user->sm, jid_domain_of(bare)); /* no other host speaks for him */
}

bool sm_account_is_seen_by_any(struct db *db, struct span name, const struct sm_names *who)
{
    struct db_stmt *st = db_sql(db, "SELECT 1 FROM roster WHERE account ="
                                    " (SELECT id FROM account WHERE name = ?1)"
                                    " AND jid IN (?2, ?3, ?4) AND (subscription & 2)");
    bool is_seen;

    _Static_assert(SM_SUB_FROM == 2, "the bit in the statement");
    db_bind_text(st, 1, name);
    db_bind_text(st, 2, who->jid);
    db_bind_text(st, 3, who->other);
    db_bind_text(st, 4, who->given);
    is_seen = db_step(st) > 0;
    db_reset(st);
    return is_seen;
}
