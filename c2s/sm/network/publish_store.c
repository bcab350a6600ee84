/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * publish_store - what is to be told to a member next, and how far it has been told: in the store,
 * so that a restart goes on, and so that of all instances only one tells it at a time.
 *
 * Called by publish.c. A batch belongs to the job while that is under way.
 */
#include "c2s/sm/network/publish.h"

#include <stdlib.h>

#define SLICES_MAX 16 /* that hold nothing for that member, one after the other */

struct job {
    struct sm_job job; /* first */
    struct publish_batch *b;
    publish_done *done;
};

/* --- batches ---------------------------------------------------------------------------------- */

struct publish_batch *publish_batch_new(struct sm *sm, struct span host)
{
    struct publish_batch *b = mem_zalloc(sizeof(*b));

    b->sm = sm;
    b->servers = servers_ref(sm->net->servers);
    b->host = arena_span(&b->arena, host);
    b->can_sign = sm->net->signer != NULL;
    return b;
}

void publish_batch_free(struct publish_batch **b_p)
{
    struct publish_batch *b = *b_p;

    if (!b)
        return;
    *b_p = NULL;
    servers_unref(&b->servers);
    arena_free(&b->arena);
    free(b);
}

bool publish_add_former(struct publish_batch *b, struct span user, struct span host)
{
    if (b->former_count == ARRAY_LEN(b->formers))
        return false;
    b->formers[b->former_count++] =
        (struct publish_former){arena_span(&b->arena, user), arena_span(&b->arena, host)};
    return true;
}

static bool finish(struct sm_job *job, int result)
{
    struct job *j = (struct job *)job;

    j->done(job->sm, j->b, result);
    return true;
}

static void start(struct publish_batch *b, publish_done *done,
                  int (*run)(struct db *db, struct store_job *job))
{
    struct job *j = mem_zalloc(sizeof(*j));

    j->b = b;
    j->done = done;
    j->job.bytes = sizeof(*b);
    j->job.finish = finish;
    sm_job_start(b->sm, STORE_WRITE, &j->job, NULL, NULL, run);
}

/* --- loading ---------------------------------------------------------------------------------- */

struct state {
    int64_t account;
    bool is_there; /* it has been told something by the present table */
};

static int load_state(struct db *db, struct publish_batch *b, int64_t now, struct state *s)
{
    struct db_stmt *st =
        db_sql(db, "SELECT servers, account, is_whole, instance, busy_until FROM home_told"
                   " WHERE host = ?1");
    int got;

    db_bind_text(st, 1, b->host);
    got = db_step(st);
    if (got > 0) {
        const int64_t until = db_int(st, 4);
        /* One in the far future is of a clock that was wrong. */
        if (!span_eq(db_text(st, 3), b->sm->opts.instance) && until > now &&
            until <= now + PUBLISH_LEASE)
            b->busy_ms = until - now;
        if (db_int(st, 0) == (int64_t)servers_set(b->servers)) {
            s->is_there = true;
            s->account = db_int(st, 1);
            b->was_whole = db_int(st, 2) != 0;
        }
    }
    db_reset(st);
    return got < 0 ? got : STORE_OK;
}

/* A row of: name, created, and the record that is in the store: host, stamp, proof. */
static void take(struct publish_batch *b, struct db_stmt *st, int column)
{
    const struct span self = b->sm->opts.host, host = db_text(st, column + 2);
    const struct sm_home_record stored = {
        .user = arena_span(&b->arena, db_text(st, column)),
        .host = span_is_none(host) ? host : arena_span(&b->arena, host),
        .stamp = db_int(st, column + 3),
        .proof = arena_span(&b->arena, db_blob(st, column + 4)),
    };
    const int64_t created = db_int(st, column + 1);

    if (!span_is_none(host) && !span_eq(stored.host, self) &&
        sm_record_beats(&stored, self, created)) {
        b->lost[b->lost_count++] = stored;
        return;
    }
    const bool is_own = span_eq(stored.host, self) && stored.stamp == created;
    b->is_unsaved[b->count] = !is_own || (b->can_sign && stored.proof.n == 0);
    b->records[b->count++] = (struct sm_home_record){
        .user = stored.user,
        .host = self,
        .stamp = created,
        .proof = is_own ? stored.proof : SPAN_NONE,
    };
}

static bool is_for(const struct publish_batch *b, struct span user)
{
    const struct server *of[SERVERS_DIRECTORY];
    const size_t n = servers_directory(b->servers, user, of);

    for (size_t i = 0; i < n; i++) {
        if (span_eq(of[i]->host, b->host))
            return true;
    }
    return false;
}

static bool is_full(const struct publish_batch *b)
{
    return b->count == PUBLISH_BATCH || b->lost_count == PUBLISH_BATCH;
}

/* Accounts that have been removed or set aside have names that begin with '/'. */
static int load_slice(struct db *db, struct publish_batch *b)
{
    struct db_stmt *st =
        db_sql(db, "SELECT a.id, a.name, a.created, h.host, h.stamp, h.proof FROM account a"
                   " LEFT JOIN home h ON h.user = a.name WHERE a.id > ?1 ORDER BY a.id LIMIT ?2");
    size_t rows = 0;
    int got;

    db_bind_int(st, 1, b->account);
    db_bind_int(st, 2, PUBLISH_SLICE);
    while ((got = db_step(st)) > 0 && !is_full(b)) {
        const struct span name = db_text(st, 1);
        rows++;
        b->account = db_int(st, 0);
        if (!span_starts(name, SPAN("/")) && is_for(b, name))
            take(b, st, 1);
    }
    b->is_last = got == 0 && rows < PUBLISH_SLICE;
    db_reset(st);
    return got < 0 ? got : STORE_OK;
}

/* Whose former home it is. */
static int load_formers(struct db *db, struct publish_batch *b)
{
    struct db_stmt *st =
        db_sql(db, "SELECT a.name, a.created, h.host, h.stamp, h.proof FROM home_former f"
                   " JOIN account a ON a.name = f.user LEFT JOIN home h ON h.user = f.user"
                   " WHERE f.host = ?1");
    int got;

    db_bind_text(st, 1, b->host);
    while ((got = db_step(st)) > 0) {
        if (is_full(b) || !publish_add_former(b, db_text(st, 0), b->host)) {
            b->is_last = false;
            break;
        }
        take(b, st, 0);
    }
    db_reset(st);
    return got < 0 ? got : STORE_OK;
}

static int note_load(struct db *db, const struct publish_batch *b, const struct state *s,
                     int64_t busy_until)
{
    struct db_stmt *st =
        db_sql(db, "INSERT INTO home_told (host, servers, account, is_whole, instance, busy_until)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (host) DO UPDATE SET servers = ?2,"
                   " account = ?3, is_whole = ?4, instance = ?5, busy_until = ?6");

    db_bind_text(st, 1, b->host);
    db_bind_int(st, 2, (int64_t)servers_set(b->servers));
    db_bind_int(st, 3, s->account);
    db_bind_int(st, 4, b->was_whole);
    db_bind_text(st, 5, b->sm->opts.instance);
    db_bind_int(st, 6, busy_until);
    return db_run(st);
}

static int load_run(struct db *db, struct store_job *store_job)
{
    struct publish_batch *b = ((struct job *)(void *)store_job)->b;
    const int64_t now = b->now;
    struct state s = {0};
    int result = load_state(db, b, now, &s);

    if (result < 0 || b->busy_ms > 0)
        return result;
    b->account = s.account;
    for (int i = 0; i < SLICES_MAX && result == STORE_OK && !b->is_last && !is_full(b); i++)
        result = load_slice(db, b);
    if (result == STORE_OK)
        result = load_formers(db, b);
    if (result < 0)
        return result;
    b->is_nothing = b->count == 0 && b->is_last && b->was_whole;
    if (!b->is_nothing)
        return note_load(db, b, &s, now + PUBLISH_LEASE);
    if (b->account == s.account)
        return STORE_OK;
    s.account = b->account;
    return note_load(db, b, &s, 0);
}

void publish_load(struct publish_batch *b, publish_done *done)
{
    b->now = loop_wall(b->sm->loop);
    start(b, done, load_run);
}

/* --- keeping ---------------------------------------------------------------------------------- */

static int former_put(struct db *db, struct span user, struct span host)
{
    struct db_stmt *st =
        db_sql(db, "INSERT OR IGNORE INTO home_former (user, host) VALUES (?1, ?2)");

    db_bind_text(st, 1, user);
    db_bind_text(st, 2, host);
    return db_run(st);
}

/* An account may have been set aside meanwhile: then a newer record holds, and stays. */
static int save_run(struct db *db, struct store_job *store_job)
{
    struct publish_batch *b = ((struct job *)(void *)store_job)->b;
    struct buf old = {0};
    int result = STORE_OK;

    for (size_t i = 0; i < b->count && result >= 0; i++) {
        if (!b->is_unsaved[i])
            continue;
        result = sm_record_save(db, &b->records[i], &old);
        if (result > 0 && buf_len(&old) > 0) {
            b->has_new_former = true;
            result = former_put(db, b->records[i].user, buf_span(&old));
        }
    }
    buf_free(&old);
    return result < 0 ? result : STORE_OK;
}

void publish_save(struct publish_batch *b, publish_done *done)
{
    start(b, done, save_run);
}

static int told_formers(struct db *db, struct publish_batch *b)
{
    struct db_stmt *st;
    int result = STORE_OK;

    for (size_t i = 0; i < b->former_count && result >= 0; i++) {
        const struct publish_former *f = &b->formers[i];
        if (!span_eq(f->host, b->host)) {
            b->has_new_former = true;
            result = former_put(db, f->user, f->host);
            continue;
        }
        st = db_sql(db, "DELETE FROM home_former WHERE host = ?1 AND user = ?2");
        db_bind_text(st, 1, f->host);
        db_bind_text(st, 2, f->user);
        result = db_run(st);
    }
    return result;
}

static int told_run(struct db *db, struct store_job *store_job)
{
    struct publish_batch *b = ((struct job *)(void *)store_job)->b;
    const struct state s = {.account = b->account};
    int result = told_formers(db, b);

    b->was_whole |= b->is_last;
    return result < 0 ? result : note_load(db, b, &s, b->is_last ? 0 : b->now + PUBLISH_LEASE);
}

void publish_told(struct publish_batch *b, publish_done *done)
{
    b->now = loop_wall(b->sm->loop);
    start(b, done, told_run);
}

/* --- another key of ours ---------------------------------------------------------------------- */

struct check {
    struct sm_job job; /* first */
    struct sm_home_record r;
    struct buf text;
    void (*done)(struct sm *sm);
};

static void check_destroy(struct sm_job *job)
{
    buf_free(&((struct check *)job)->text);
}

static int retell_run(struct db *db, struct store_job *job)
{
    (void)job;
    return db_run(db_sql(db, "DELETE FROM home_told"));
}

static bool retell_finish(struct sm_job *job, int result)
{
    if (result >= 0 && !job->sm->is_closed)
        ((struct check *)job)->done(job->sm);
    return true;
}

/* The first that is told of: when that is of the present key, all are, or are being told. */
static int check_run(struct db *db, struct store_job *job)
{
    struct check *c = (struct check *)(void *)job;
    struct db_stmt *st =
        db_sql(db, "SELECT h.user, h.host, h.stamp, h.proof FROM account a"
                   " JOIN home h ON h.user = a.name AND h.stamp = a.created"
                   " WHERE h.host = ?1 AND length(h.proof) > 0 ORDER BY a.id LIMIT 1");
    int got;

    db_bind_text(st, 1, c->r.host);
    got = db_step(st);
    if (got > 0)
        sm_record_copy(&c->r, &c->text,
                       &(struct sm_home_record){.user = db_text(st, 0),
                                                .host = db_text(st, 1),
                                                .stamp = db_int(st, 2),
                                                .proof = db_blob(st, 3)});
    db_reset(st);
    return got < 0 ? got : STORE_OK;
}

static bool check_finish(struct sm_job *job, int result)
{
    const struct check *c = (struct check *)job;
    struct sm *sm = job->sm;
    struct check *again;

    if (result < 0 || sm->is_closed || !sm_has_network(sm) || !sm_record_is_stale(sm, &c->r))
        return true;
    LOG(LOG_INFO, "network.another_key",
        F_STR("fingerprint", server_key_fingerprint(sm->net->key)));
    again = mem_zalloc(sizeof(*again));
    again->done = c->done;
    again->job.bytes = sizeof(*again);
    again->job.finish = retell_finish;
    sm_job_start(sm, STORE_WRITE, &again->job, NULL, NULL, retell_run);
    return true;
}

void publish_check_key(struct sm *sm, void (*done)(struct sm *sm))
{
    struct check *c = mem_zalloc(sizeof(*c));

    c->r.host = sm->opts.host;
    c->done = done;
    c->job.bytes = sizeof(*c);
    c->job.finish = check_finish;
    c->job.destroy = check_destroy;
    sm_job_start(sm, STORE_READ, &c->job, NULL, NULL, check_run);
}

/* --- servers that are no members any more ----------------------------------------------------- */

struct forget {
    struct sm_job job; /* first */
    struct servers *servers;
};

static int forget_run(struct db *db, struct store_job *job)
{
    struct forget *f = (struct forget *)(void *)job;
    struct db_stmt *st = db_sql(db, "SELECT host FROM home_told UNION SELECT host FROM home_heard");
    struct buf gone = {0};
    int result;

    while ((result = db_step(st)) > 0) {
        if (!servers_has_other(f->servers, db_text(st, 0))) {
            buf_append(&gone, db_text(st, 0));
            buf_append_char(&gone, '\n');
        }
    }
    db_reset(st);
    for (struct span rest = buf_span(&gone); rest.n > 0 && result >= 0;) {
        const struct span host = span_make(rest.p, span_index(rest, '\n'));
        st = db_sql(db, "DELETE FROM home_told WHERE host = ?1");
        db_bind_text(st, 1, host);
        result = db_run(st);
        st = db_sql(db, "DELETE FROM home_heard WHERE host = ?1");
        db_bind_text(st, 1, host);
        if (result >= 0)
            result = db_run(st);
        rest = span_from(rest, host.n + 1);
    }
    buf_free(&gone);
    return result;
}

static bool forget_finish(struct sm_job *job, int result)
{
    (void)result;
    servers_unref(&((struct forget *)job)->servers);
    return true;
}

void publish_forget_others(struct sm *sm)
{
    struct forget *f = mem_zalloc(sizeof(*f));

    f->servers = servers_ref(sm->net->servers);
    f->job.bytes = sizeof(*f);
    f->job.finish = forget_finish;
    sm_job_start(sm, STORE_WRITE, &f->job, NULL, NULL, forget_run);
}
