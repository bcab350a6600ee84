/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * people - who stands how to a node: affiliations, subscriptions, and the contacts of its account.
 * All of it runs on the storage thread.
 */
#include "c2s/sm/pubsub/pubsub_private.h"

static struct span bare_of(struct span jid)
{
    return span_make(jid.p, span_index(jid, '/'));
}

struct span pubsub_next_jid(struct span *list)
{
    size_t n = span_index(*list, '\n');
    struct span jid = span_make(list->p, n);

    if (n == list->n)
        return SPAN_NONE;
    *list = span_from(*list, n + 1);
    return jid;
}

/* Both are lists with LF between. */
bool pubsub_is_in_groups(struct span groups, struct span of_contact)
{
    while (of_contact.n > 0) {
        size_t n = span_index(of_contact, '\n');
        for (struct span rest = groups; rest.n > 0;) {
            size_t m = span_index(rest, '\n');
            if (span_eq(span_make(rest.p, m), span_make(of_contact.p, n)))
                return true;
            rest = span_from(rest, m < rest.n ? m + 1 : m);
        }
        of_contact = span_from(of_contact, n < of_contact.n ? n + 1 : n);
    }
    return false;
}

static struct pubsub_names names_of(struct pubsub_ask *ask, struct span who)
{
    struct pubsub_names names = {.jids = {who}, .stored = who};

    if (ask->contacts)
        ask->contacts->names(ask->contacts_ctx, &ask->arena, who, &names);
    return names;
}

struct span pubsub_stored_jid(struct pubsub_ask *ask, struct span jid)
{
    const struct span bare = bare_of(jid), stored = names_of(ask, bare).stored;
    char *text;

    if (span_eq(stored, bare))
        return jid;
    text = arena_bytes(&ask->arena, stored.n + jid.n - bare.n);
    memcpy(text, stored.p, stored.n);
    memcpy(text + stored.n, jid.p + bare.n, jid.n - bare.n);
    return span_make(text, stored.n + jid.n - bare.n);
}

/* Who cannot be looked up is let in nowhere. as_r: by which of his names he is in the list; NULL:
 * no matter. */
static enum pubsub_affiliation affiliation_of(struct db *db, const struct pubsub_node *node,
                                              const struct pubsub_names *names, struct span *as_r)
{
    struct db_stmt *st = db_sql(db, "SELECT affiliation, jid FROM pubsub_affiliation"
                                    " WHERE node = ?1 AND jid IN (?2, ?3, ?4)");
    enum pubsub_affiliation a = PUBSUB_NONE;
    int got;

    db_bind_int(st, 1, node->id);
    _Static_assert(PUBSUB_NAMES == 3, "the parameters of the statement");
    for (int i = 0; i < PUBSUB_NAMES; i++)
        db_bind_text(st, 2 + i, names->jids[i]);
    got = db_step(st);
    if (got != 0)
        a = got < 0 ? PUBSUB_OUTCAST : (enum pubsub_affiliation)db_int(st, 0);
    for (size_t i = 0; as_r && got > 0 && i < PUBSUB_NAMES; i++) {
        if (span_eq(names->jids[i], db_text(st, 1)))
            *as_r = names->jids[i];
    }
    db_reset(st);
    return a;
}

/* With the bare JID, or with any resource of it. */
static int is_subscribed_as(struct db *db, const struct pubsub_node *node, struct span who)
{
    struct db_stmt *st = db_sql(db, "SELECT 1 FROM pubsub_subscription WHERE node = ?1 AND"
                                    " (jid = ?2 OR (jid >= ?2 || '/' AND jid < ?2 || '0'))");
    int got;

    db_bind_int(st, 1, node->id);
    db_bind_text(st, 2, who);
    got = db_step(st);
    db_reset(st);
    return got;
}

static int is_subscribed(struct db *db, const struct pubsub_node *node,
                         const struct pubsub_names *names)
{
    int got = 0;

    for (size_t i = 0; i < PUBSUB_NAMES && got == 0; i++) {
        if (!span_is_none(names->jids[i]))
            got = is_subscribed_as(db, node, names->jids[i]);
    }
    return got;
}

int pubsub_relation_read(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                         struct span who, struct pubsub_relation *r)
{
    struct pubsub_contact contact;
    int got;

    *r = (struct pubsub_relation){.affiliation = PUBSUB_OWNER};
    if (span_eq(who, ask->service) || (ask->is_owner && span_eq(who, ask->who)))
        return 0;
    const struct pubsub_names names = names_of(ask, who);
    r->affiliation = affiliation_of(db, node, &names, NULL);
    got = is_subscribed(db, node, &names);
    if (got < 0)
        return got;
    r->is_subscribed = got > 0;
    if (ask->contacts && ask->contacts->find(ask->contacts_ctx, db, ask->account, who, &ask->arena,
                                             &contact)) {
        r->sees_presence = contact.sees_presence;
        r->is_in_group = pubsub_is_in_groups(node->config.groups, contact.groups);
    }
    return 0;
}

int pubsub_require(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                   enum pubsub_right right)
{
    struct pubsub_relation r;
    int result = pubsub_relation_read(ask, db, node, ask->who, &r);

    if (result < 0)
        return result;
    ask->refusal = pubsub_check(&node->config, &r, right);
    return ask->refusal.error == STANZA_ERROR_NONE ? 0 : PUBSUB_REFUSED;
}

/* --- affiliations --- */

static int is_full(struct pubsub_ask *ask, struct db_stmt *st, const struct pubsub_node *node)
{
    int64_t n;

    db_bind_int(st, 1, node->id);
    n = db_step(st) > 0 ? db_int(st, 0) : INT64_MAX;
    db_reset(st);
    return n >= (int64_t)ask->limits.max_people;
}

int pubsub_affiliation_set(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                           struct span jid, enum pubsub_affiliation a)
{
    const struct pubsub_names names = names_of(ask, jid);
    struct span as = names.stored;
    const enum pubsub_affiliation was = affiliation_of(db, node, &names, &as);
    struct db_stmt *st;

    if (a == PUBSUB_NONE) {
        st = db_sql(db, "DELETE FROM pubsub_affiliation WHERE node = ?1 AND jid = ?2");
    } else {
        st = db_sql(db, "SELECT count(*) FROM pubsub_affiliation WHERE node = ?1");
        if (is_full(ask, st, node) && was == PUBSUB_NONE)
            return pubsub_ask_refuse(ask, STANZA_RESOURCE_CONSTRAINT, NULL);
        st = db_sql(db, "INSERT INTO pubsub_affiliation (node, jid, affiliation)"
                        " VALUES (?1, ?2, ?3) ON CONFLICT (node, jid)"
                        " DO UPDATE SET affiliation = ?3");
        db_bind_int(st, 3, a);
    }
    db_bind_int(st, 1, node->id);
    db_bind_text(st, 2, as);
    return db_run(st);
}

/* --- subscriptions --- */

int pubsub_subscription_find(struct db *db, const struct pubsub_node *node, struct span jid,
                             bool *delivers_r)
{
    struct db_stmt *st =
        db_sql(db, "SELECT delivers FROM pubsub_subscription WHERE node = ?1 AND jid = ?2");
    int got;

    db_bind_int(st, 1, node->id);
    db_bind_text(st, 2, jid);
    got = db_step(st);
    if (got > 0 && delivers_r)
        *delivers_r = db_int(st, 0) != 0;
    db_reset(st);
    return got;
}

int pubsub_subscription_set(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                            struct span jid, bool delivers)
{
    struct db_stmt *st =
        db_sql(db, "SELECT count(*) FROM pubsub_subscription WHERE node = ?1");

    if (is_full(ask, st, node) && pubsub_subscription_find(db, node, jid, NULL) <= 0)
        return pubsub_ask_refuse(ask, STANZA_POLICY_VIOLATION, "too-many-subscriptions");
    st = db_sql(db, "INSERT INTO pubsub_subscription (node, jid, delivers) VALUES (?1, ?2, ?3)"
                    " ON CONFLICT (node, jid) DO UPDATE SET delivers = ?3");
    db_bind_int(st, 1, node->id);
    db_bind_text(st, 2, jid);
    db_bind_int(st, 3, delivers);
    return db_run(st);
}

int pubsub_subscription_remove(struct db *db, const struct pubsub_node *node, struct span jid)
{
    struct db_stmt *st =
        db_sql(db, "DELETE FROM pubsub_subscription WHERE node = ?1 AND jid = ?2");
    int result;

    db_bind_int(st, 1, node->id);
    db_bind_text(st, 2, jid);
    result = db_run(st);
    return result < 0 ? result : (int)db_changes(db);
}

static int has_lost_access(struct pubsub_ask *ask, struct db *db, const struct pubsub_node *node,
                           struct span jid)
{
    struct pubsub_relation r;
    int result = pubsub_relation_read(ask, db, node, bare_of(jid), &r);

    if (result < 0)
        return result;
    return pubsub_check(&node->config, &r, PUBSUB_MAY_READ).error != STANZA_ERROR_NONE;
}

int pubsub_subscription_prune(struct pubsub_ask *ask, struct db *db,
                              const struct pubsub_node *node)
{
    struct db_stmt *st = db_sql(db, "SELECT jid FROM pubsub_subscription WHERE node = ?1");
    struct buf lost = {0};
    struct span rest, jid;
    int got;

    db_bind_int(st, 1, node->id);
    while ((got = db_step(st)) > 0) {
        int result = has_lost_access(ask, db, node, db_text(st, 0));
        if (result > 0) {
            buf_append(&lost, db_text(st, 0));
            buf_append_char(&lost, '\n');
        }
    }
    db_reset(st);
    rest = buf_span(&lost);
    while (got >= 0 && !span_is_none(jid = pubsub_next_jid(&rest)))
        got = pubsub_subscription_remove(db, node, jid);
    buf_free(&lost);
    return got < 0 ? got : 0;
}
