/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * erase - what is left of accounts that are no more.
 *
 * Removing an account only takes its name and its keys away (c2s/accounts.c): the row stays, by a
 * name that nobody can have, "/NUMBER/NAME", and all that hangs on its number with it. The name is
 * free at once, and whoever takes it has another number. A sweep goes through such rows, a slice a
 * job with a pause between two, so that an account with a million messages keeps nobody waiting:
 * first the contacts are told that there is nothing between them and the user any more (as XEP-0077
 * 3.2 wants it), then the big tables are emptied, and at last the row itself goes.
 *
 * A process that ends in between leaves the rest to the next one that starts. What several
 * processes sweep at once goes all the same; a contact may be told twice.
 *
 * Called by sm.c and by the administration. The struct belongs to sm; a job borrows it.
 */
#include "c2s/sm/archive/archive.h"
#include "c2s/sm/contacts/contacts.h"

#include <stdlib.h>

#define FIRST_MS 2000 /* after the start, and for another process that has begun it already */
#define PAUSE_MS 5
#define AGAIN_MS 1000 /* the store has no room */
#define FAILED_MS (60 * 1000)
#define CONTACTS 50   /* told in one slice */

struct sm_erase {
    struct sm *sm;
    struct timer pause;
    bool is_busy; /* a job is under way */
    struct list_node waiters;
    /* The account that is being swept: what has been told, to be removed by the next job. */
    int64_t account;
    struct buf told_item, told_request;
};

struct waiter {
    struct list_node node;
    void (*done)(void *ctx, bool is_whole);
    void *ctx;
    size_t n;
    char name[];
};

struct contact {
    size_t at, n; /* in text */
    unsigned state;
};

struct job {
    struct sm_job job; /* first */
    int64_t account;
    struct buf told_item, told_request;
    /* What came of it. */
    struct buf name; /* of the account that was looked at; empty: there is none */
    struct contact contacts[CONTACTS];
    size_t count;
    struct buf text;
    bool is_gone; /* with its last row */
};

/* --- in run() --------------------------------------------------------------------------------- */

/* '0' follows '/'; "//" are those who have moved (network/moved_store.c). The name behind the
 * second '/' is what he was called. */
static int find(struct db *db, struct job *j)
{
    struct db_stmt *st = db_sql(db, "SELECT id, name FROM account WHERE name >= '/0' AND name < '0'"
                                    " ORDER BY name LIMIT 1");
    int got = db_step(st);

    if (got > 0) {
        int64_t account = db_int(st, 0);
        struct span name = span_from(db_text(st, 1), 1);
        size_t slash = span_index(name, '/');
        buf_append(&j->name, span_from(name, slash < name.n ? slash + 1 : name.n));
        if (account != j->account) {
            j->account = account;
            buf_clear(&j->told_item);
            buf_clear(&j->told_request);
        }
    }
    db_reset(st);
    return got;
}

static void take(struct job *j, struct span jid, unsigned state)
{
    j->contacts[j->count++] = (struct contact){buf_len(&j->text), jid.n, state};
    buf_append(&j->text, jid);
}

static int remove_told(struct db *db, struct db_stmt *st, int64_t account, const struct buf *told)
{
    if (buf_len(told) == 0)
        return STORE_OK;
    db_bind_int(st, 1, account);
    db_bind_text(st, 2, buf_span(told));
    (void)db;
    return db_run(st);
}

/* Those who are told now are removed when they have been: by the next job. */
static int tell_contacts(struct db *db, struct job *j)
{
    int result = remove_told(
        db, db_sql(db, "DELETE FROM roster WHERE account = ?1 AND jid <= ?2"), j->account,
        &j->told_item);
    struct db_stmt *st = db_sql(db, "SELECT jid, subscription, ask FROM roster WHERE account = ?1"
                                    " ORDER BY jid LIMIT ?2");
    int got;

    if (result < 0)
        return result;
    db_bind_int(st, 1, j->account);
    db_bind_int(st, 2, CONTACTS);
    while ((got = db_step(st)) > 0)
        take(j, db_text(st, 0), (unsigned)db_int(st, 1) | (unsigned)db_int(st, 2) << 2);
    return got;
}

static int tell_requesters(struct db *db, struct job *j)
{
    int result = remove_told(
        db, db_sql(db, "DELETE FROM roster_request WHERE account = ?1 AND jid <= ?2"), j->account,
        &j->told_request);
    struct db_stmt *st = db_sql(db, "SELECT jid FROM roster_request WHERE account = ?1"
                                    " ORDER BY jid LIMIT ?2");
    int got;

    if (result < 0)
        return result;
    db_bind_int(st, 1, j->account);
    db_bind_int(st, 2, CONTACTS);
    while ((got = db_step(st)) > 0)
        take(j, db_text(st, 0), SM_STATE_REQUESTED);
    return got;
}

/* One slice of what may be much; what is little goes with the account's row. */
static int64_t remove_slice(struct db *db, int64_t account)
{
    static const char *const slices[] = {
        "DELETE FROM archive WHERE rowid IN (SELECT rowid FROM archive"
        " INDEXED BY archive_account WHERE account = ?1 LIMIT 500)",
        "DELETE FROM offline WHERE id IN (SELECT id FROM offline WHERE account = ?1 LIMIT 500)",
        "DELETE FROM pubsub_item WHERE seq IN (SELECT i.seq FROM pubsub_node n JOIN pubsub_item i"
        " ON i.node = n.id WHERE n.account = ?1 LIMIT 50)",
    };

    for (size_t i = 0; i < ARRAY_LEN(slices); i++) {
        struct db_stmt *st = db_sql(db, slices[i]);
        db_bind_int(st, 1, account);
        int result = db_run(st);
        if (result < 0 || db_changes(db) > 0)
            return result < 0 ? result : db_changes(db);
    }
    return 0;
}

static int remove_row(struct db *db, struct job *j)
{
    struct db_stmt *st = db_sql(db, "DELETE FROM account WHERE id = ?1");

    db_bind_int(st, 1, j->account);
    j->is_gone = true;
    return db_run(st);
}

static int run(struct db *db, struct store_job *store_job)
{
    struct job *j = (struct job *)(void *)store_job;
    int result = find(db, j);
    int64_t removed;

    if (result <= 0)
        return result;
    result = tell_contacts(db, j);
    if (result >= 0 && j->count == 0)
        result = tell_requesters(db, j);
    if (result < 0 || j->count > 0)
        return result < 0 ? result : STORE_OK;
    removed = remove_slice(db, j->account);
    if (removed != 0)
        return removed < 0 ? (int)removed : STORE_OK;
    return remove_row(db, j);
}

/* --- on the loop ------------------------------------------------------------------------------ */

static void sweep(void *ctx);

static void wait(struct sm_erase *e, uint64_t ms)
{
    timer_start(&e->pause, e->sm->loop, ms, sweep, e);
}

/* name none: all of them */
static void answer(struct sm_erase *e, struct span name, bool is_whole)
{
    LIST_FOR_EACH (node, &e->waiters) {
        struct waiter *w = CONTAINER_OF(node, struct waiter, node);
        if (!span_is_none(name) && !span_eq(span_make(w->name, w->n), name))
            continue;
        list_remove(&w->node);
        w->done(w->ctx, is_whole);
        free(w);
    }
}

/* RFC 6121 2.5.2, as for a contact that the user himself removes. */
static void tell(struct sm *sm, struct job *j)
{
    struct buf bare = {0};

    buf_append(&bare, buf_span(&j->name));
    buf_append_char(&bare, '@');
    buf_append(&bare, sm->opts.host);
    for (size_t i = 0; i < j->count; i++) {
        const struct contact *c = &j->contacts[i];
        struct span jid = span_make(buf_span(&j->text).p + c->at, c->n);
        if (c->state & (SM_STATE_TO | SM_STATE_ASKED))
            sm_presence_notice(sm, buf_span(&bare), jid, "unsubscribe");
        if (c->state & (SM_STATE_FROM | SM_STATE_REQUESTED))
            sm_presence_notice(sm, buf_span(&bare), jid, "unsubscribed");
    }
    buf_free(&bare);
}

/* The last one of the slice: up to it they have been told. */
static void note_told(struct sm_erase *e, struct job *j)
{
    const struct contact *last = j->count ? &j->contacts[j->count - 1] : NULL;

    e->account = j->account;
    buf_clear(&e->told_item);
    buf_clear(&e->told_request);
    if (last)
        buf_append(last->state & SM_STATE_REQUESTED ? &e->told_request : &e->told_item,
                   span_make(buf_span(&j->text).p + last->at, last->n));
}

static bool finish(struct sm_job *job, int result)
{
    struct job *j = (struct job *)job;
    struct sm *sm = job->sm;
    struct sm_erase *e = sm->erase;

    if (sm->is_closed)
        return true;
    e->is_busy = false;
    if (result < 0) {
        LOG(LOG_WARN, "sm.erase_failed", F_INT("account", j->account));
        answer(e, SPAN_NONE, false);
        wait(e, FAILED_MS);
        return true;
    }
    tell(sm, j);
    note_told(e, j);
    if (j->is_gone) {
        LOG(LOG_INFO, "sm.erased", F_SPAN("user", buf_span(&j->name)));
        answer(e, buf_span(&j->name), true);
    }
    if (buf_len(&j->name) > 0)
        wait(e, PAUSE_MS);
    else
        answer(e, SPAN_NONE, true);
    return true;
}

static void destroy(struct sm_job *job)
{
    struct job *j = (struct job *)job;

    buf_free(&j->told_item);
    buf_free(&j->told_request);
    buf_free(&j->name);
    buf_free(&j->text);
}

static void sweep(void *ctx)
{
    struct sm_erase *e = ctx;
    struct job *j = mem_zalloc(sizeof(*j));

    j->account = e->account;
    buf_append(&j->told_item, buf_span(&e->told_item));
    buf_append(&j->told_request, buf_span(&e->told_request));
    j->job.finish = finish;
    j->job.destroy = destroy;
    j->job.bytes = sizeof(*j);
    j->job.is_foreign = true; /* it is never in a hurry */
    e->is_busy = sm_job_submit(e->sm, STORE_WRITE, &j->job, NULL, NULL, run);
    if (e->is_busy)
        return;
    destroy(&j->job);
    free(j);
    wait(e, AGAIN_MS);
}

void sm_erase_look(struct sm *sm)
{
    if (!sm->erase->is_busy && !timer_is_running(&sm->erase->pause))
        wait(sm->erase, FIRST_MS);
}

void sm_erase(struct sm *sm, struct span name, void (*done)(void *ctx, bool is_whole), void *ctx)
{
    struct sm_erase *e = sm->erase;

    if (done) {
        struct waiter *w = mem_alloc(sizeof(*w) + name.n);
        *w = (struct waiter){.done = done, .ctx = ctx, .n = name.n};
        memcpy(w->name, name.p, name.n);
        list_append(&e->waiters, &w->node);
    }
    sm_archive_flush(sm);
    if (!e->is_busy)
        wait(e, 0);
}

void sm_erase_open(struct sm *sm)
{
    sm->erase = mem_zalloc(sizeof(*sm->erase));
    sm->erase->sm = sm;
    list_init(&sm->erase->waiters);
    sm_erase_look(sm);
}

void sm_erase_close(struct sm *sm)
{
    struct sm_erase *e = sm->erase;

    timer_stop(&e->pause);
    LIST_FOR_EACH (node, &e->waiters)
        free(CONTAINER_OF(node, struct waiter, node));
    buf_free(&e->told_item);
    buf_free(&e->told_request);
    free(e);
    sm->erase = NULL;
}
