/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * roster_admin - rosters as the administration sees and changes them.
 *
 * A change is one job in the store, whoever owns the user; then his owner, here or at another
 * instance (owner.c), reads the item anew, keeps what has become of it, tells the resources, and
 * lets presence follow. The functions of sm.h are called by c2s/control_roster.c; what a request
 * holds is copied, and its answer comes once.
 */
#include "c2s/sm/contacts/contacts.h"

#include <stdlib.h>

struct request {
    struct sm_job job; /* first */
    struct arena arena;
    struct span name;
    struct sm_roster_item item;
    struct sm_roster_entry wish;
    size_t max_items;
    struct buf text, rows; /* of the list: values one after the other, and where they are */
    struct buf old_name, old_groups, pushed;
    char ver[44];
    void (*each)(void *ctx, const struct sm_roster_entry *entry);
    void (*done)(void *ctx, enum sm_roster_result r);
    void *ctx;
    struct deferred refusal;
};

static const char *const subscriptions[] = {"none", "to", "from", "both"};

static void destroy(struct sm_job *job)
{
    struct request *r = (struct request *)job;

    arena_free(&r->arena);
    buf_free(&r->text);
    buf_free(&r->rows);
    buf_free(&r->old_name);
    buf_free(&r->old_groups);
    buf_free(&r->pushed);
}

static enum sm_roster_result result_of(int result)
{
    return result == STORE_OK              ? SM_ROSTER_DONE
           : result == SM_ROSTER_NO_ACCOUNT ? SM_ROSTER_NO_USER
           : result == SM_ROSTER_NO_ITEM    ? SM_ROSTER_NO_CONTACT
           : result == SM_ROSTER_FULL       ? SM_ROSTER_TOO_BIG
                                            : SM_ROSTER_BUSY;
}

static struct request *request_new(struct sm *sm, struct span name,
                                   void (*done)(void *ctx, enum sm_roster_result r), void *ctx)
{
    struct request *r = mem_zalloc(sizeof(*r));

    r->job.sm = sm;
    r->job.destroy = destroy;
    r->job.bytes = sizeof(*r);
    r->name = arena_span(&r->arena, name);
    r->max_items = sm->opts.max_roster;
    r->done = done;
    r->ctx = ctx;
    return r;
}

static void on_refused(void *ctx)
{
    struct request *r = ctx;
    struct sm *sm = r->job.sm;

    if (!sm->is_closed)
        r->done(r->ctx, SM_ROSTER_BUSY);
    destroy(&r->job);
    free(r);
    sm_unhold(sm);
}

static void submit(struct sm *sm, enum store_kind kind, struct request *r,
                   int (*run)(struct db *db, struct store_job *job))
{
    if (sm_job_submit(sm, kind, &r->job, sm_user_find(sm, r->name), NULL, run))
        return;
    sm_hold(sm);
    r->refusal = (struct deferred){.call = on_refused, .ctx = r};
    loop_defer(sm->loop, &r->refusal);
}

/* --- the list --------------------------------------------------------------------------------- */

struct row {
    size_t at, jid, name, groups; /* lengths */
    unsigned subscription, ask;
};

static int list_run(struct db *db, struct store_job *store_job)
{
    struct request *r = (struct request *)(void *)store_job;
    const int64_t account = sm_account_id(db, r->name);
    struct db_stmt *st = db_sql(db, "SELECT jid, coalesce(name, ''), groups, subscription, ask"
                                    " FROM roster WHERE account = ?1 ORDER BY jid");
    int got;

    if (!account)
        return SM_ROSTER_NO_ACCOUNT;
    db_bind_int(st, 1, account);
    while ((got = db_step(st)) > 0) {
        const struct row row = {buf_len(&r->text),           db_text(st, 0).n,
                                db_text(st, 1).n,            db_text(st, 2).n,
                                (unsigned)db_int(st, 3) & 3, (unsigned)db_int(st, 4)};
        for (int column = 0; column < 3; column++)
            buf_append(&r->text, db_text(st, column));
        buf_append(&r->rows, span_make((const char *)&row, sizeof(row)));
    }
    return got;
}

static bool list_finish(struct sm_job *job, int result)
{
    struct request *r = (struct request *)job;
    const char *text = buf_span(&r->text).p;
    struct span rows = buf_span(&r->rows);

    if (job->sm->is_closed)
        return true;
    for (; result == STORE_OK && rows.n > 0; rows = span_from(rows, sizeof(struct row))) {
        struct row row;
        memcpy(&row, rows.p, sizeof(row));
        r->each(r->ctx, &(struct sm_roster_entry){
                            .jid = span_make(text + row.at, row.jid),
                            .name = span_make(text + row.at + row.jid, row.name),
                            .groups = span_make(text + row.at + row.jid + row.name, row.groups),
                            .subscription = span_of(subscriptions[row.subscription]),
                            .is_asked = (row.ask & SM_ASK_SUBSCRIBE) != 0,
                        });
    }
    r->done(r->ctx, result_of(result));
    return true;
}

void sm_roster_list(struct sm *sm, struct span user,
                    void (*each)(void *ctx, const struct sm_roster_entry *entry),
                    void (*done)(void *ctx, enum sm_roster_result r), void *ctx)
{
    struct request *r = request_new(sm, user, done, ctx);

    r->each = each;
    r->job.finish = list_finish;
    submit(sm, STORE_READ, r, list_run);
}

/* --- changes ---------------------------------------------------------------------------------- */

/* What is not wished for stays. */
static int keep_old(struct db *db, struct request *r, const struct sm_roster_key *key)
{
    struct db_stmt *st = db_sql(db, "SELECT name, groups FROM roster"
                                    " WHERE account = ?1 AND jid IN (?2, ?3) LIMIT 1");

    db_bind_int(st, 1, key->account);
    db_bind_text(st, 2, key->names.jid);
    db_bind_text(st, 3, key->names.other);
    int got = db_step(st);
    if (got > 0) {
        buf_append(&r->old_name, db_text(st, 0));
        buf_append(&r->old_groups, db_text(st, 1));
    }
    db_reset(st);
    r->item.name = span_is_none(r->wish.name) ? buf_span(&r->old_name) : r->wish.name;
    r->item.groups = span_is_none(r->wish.groups) ? buf_span(&r->old_groups) : r->wish.groups;
    return got;
}

static int put_state(struct db *db, struct request *r, const struct sm_roster_key *key)
{
    struct sm_roster_row row = {0};
    struct buf pushed = {0};
    unsigned state = 0;
    int result = sm_roster_read(db, key, &row);

    while (!span_eq(r->wish.subscription, span_of(subscriptions[state])))
        state++;
    if (result >= 0) {
        state |= row.state & (SM_STATE_ASKED | SM_STATE_APPROVED);
        if (state & SM_STATE_TO)
            state &= ~(unsigned)SM_STATE_ASKED;
        if (state & SM_STATE_FROM)
            state &= ~(unsigned)SM_STATE_APPROVED;
        result = sm_roster_write_state(db, key, &row, state, r->max_items, &pushed);
    }
    buf_free(&pushed);
    buf_free(&row.jid);
    return result;
}

static int change_run(struct db *db, struct store_job *store_job)
{
    struct request *r = (struct request *)(void *)store_job;
    const struct sm_roster_key key = {sm_account_id(db, r->name), r->item.names};
    int result;

    if (!key.account)
        return SM_ROSTER_NO_ACCOUNT;
    if (!r->item.is_removed && (result = keep_old(db, r, &key)) < 0)
        return result;
    result = sm_roster_change(db, r->name, &r->item, r->max_items, &r->pushed, r->ver);
    if (result != STORE_OK || r->item.is_removed || span_is_none(r->wish.subscription))
        return result;
    return put_state(db, r, &key);
}

/* As sm_subscription_end, when the user may be anywhere. */
static void tell_contact(struct sm *sm, const struct request *r)
{
    struct buf bare = {0};

    buf_append(&bare, r->name);
    buf_append_char(&bare, '@');
    buf_append(&bare, sm->opts.host);
    if (r->item.state & (SM_STATE_TO | SM_STATE_ASKED))
        sm_presence_notice(sm, buf_span(&bare), r->item.jid, "unsubscribe");
    if (r->item.state & (SM_STATE_FROM | SM_STATE_REQUESTED))
        sm_presence_notice(sm, buf_span(&bare), r->item.jid, "unsubscribed");
    buf_free(&bare);
}

static bool change_finish(struct sm_job *job, int result)
{
    struct request *r = (struct request *)job;
    struct sm *sm = job->sm;

    if (sm->is_closed)
        return true;
    if (result == STORE_OK) {
        struct sm_user *user = sm_user_owned(sm, r->name);
        if (user)
            sm_roster_refresh(user, r->item.jid);
        else
            sm_owner_tell_of(sm, r->name, "roster", r->item.jid);
        if (r->item.is_removed)
            tell_contact(sm, r);
    }
    r->done(r->ctx, result_of(result));
    return true;
}

static void change(struct sm *sm, struct request *r, struct span contact)
{
    r->item.jid = arena_span(&r->arena, contact);
    r->item.names = sm_names_of(sm, &r->arena, r->item.jid);
    r->job.finish = change_finish;
    submit(sm, STORE_WRITE, r, change_run);
}

void sm_roster_put(struct sm *sm, struct span user, const struct sm_roster_entry *entry,
                   void (*done)(void *ctx, enum sm_roster_result r), void *ctx)
{
    struct request *r = request_new(sm, user, done, ctx);

    r->wish.name = arena_span(&r->arena, entry->name);
    r->wish.groups = arena_span(&r->arena, entry->groups);
    r->wish.subscription = arena_span(&r->arena, entry->subscription);
    change(sm, r, entry->jid);
}

void sm_roster_drop(struct sm *sm, struct span user, struct span contact,
                    void (*done)(void *ctx, enum sm_roster_result r), void *ctx)
{
    struct request *r = request_new(sm, user, done, ctx);

    r->item.is_removed = true;
    change(sm, r, contact);
}

/* --- the owner -------------------------------------------------------------------------------- */

struct refresh {
    struct sm_job job; /* first */
    struct arena arena;
    struct sm_names names;
    struct sm_roster_row row;
    struct buf items;
    char ver[44];
};

static int refresh_run(struct db *db, struct store_job *store_job)
{
    struct refresh *f = (struct refresh *)(void *)store_job;
    const struct sm_roster_key key = {sm_account_id(db, f->job.user->name), f->names};

    return key.account ? sm_roster_show(db, &key, &f->row, &f->items, f->ver)
                       : SM_ROSTER_NO_ACCOUNT;
}

/* Who may see him no more is told while he still counts as a subscriber. */
static void follow(struct sm_user *user, struct refresh *f)
{
    const struct sm_contact *old = sm_contact_find(user->profile, f->names.jid);
    const unsigned before = old ? old->subscription : 0, now = f->row.state & 3;
    struct sm_contact *c;

    if (old && (before & ~now & SM_SUB_FROM))
        sm_broadcast_end_to(user, old->bare);
    sm_roster_push(user, buf_span(&f->items), span_of(f->ver));
    if (!f->row.is_there) {
        sm_contact_remove(user->profile, f->names.jid);
        return;
    }
    c = sm_contact_put(user->profile, buf_span(&f->row.jid));
    c->subscription = (unsigned char)now;
    c->ask = f->row.state >> 2 & 3;
    if (now & ~before & SM_SUB_FROM)
        sm_broadcast_all_to(user, c->bare);
    LIST_FOR_EACH (node, &user->sessions) {
        struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if ((now & ~before & SM_SUB_TO) && s->is_available && !s->is_gone)
            sm_probe_contact(s, c);
    }
}

static bool refresh_finish(struct sm_job *job, int result)
{
    if (result == STORE_OK && job->user->state == SM_USER_OWNED)
        follow(job->user, (struct refresh *)job);
    return true;
}

static void refresh_destroy(struct sm_job *job)
{
    struct refresh *f = (struct refresh *)job;

    arena_free(&f->arena);
    buf_free(&f->row.jid);
    buf_free(&f->items);
}

/* What cannot be read now is read with all the rest, later. */
void sm_roster_refresh(struct sm_user *user, struct span contact)
{
    struct refresh *f = mem_zalloc(sizeof(*f));

    f->names = sm_names_of(user->sm, &f->arena, arena_span(&f->arena, contact));
    f->job.finish = refresh_finish;
    f->job.destroy = refresh_destroy;
    f->job.bytes = sizeof(*f) + 4096;
    if (sm_job_submit(user->sm, STORE_READ, &f->job, user, NULL, refresh_run))
        return;
    refresh_destroy(&f->job);
    free(f);
    sm_profile_reload(user);
}
