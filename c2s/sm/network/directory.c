/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * directory - what other members ask and tell us about homes (c2s/NETWORK.md): rows of iq.c.
 *
 * A member is believed about its own users: what it says of another's is refused and logged. A
 * record that speaks against an account here must be signed, too. What it says is compared with
 * what we know, in the store; the answer holds what speaks against it: newer records, and the
 * former homes of users who have come to it.
 */
#include "c2s/sm/network/record.h"

#include <stdio.h>
#include <stdlib.h>

#define RECORDS_MAX 100
#define WAITING_MAX 256 /* requests of all members */
#define SIGN_MAX 16     /* of our own, for one answer: each takes a while */

/* The member that asks: none, if it is none. */
static struct span member_of(const struct sm_in *in)
{
    const struct span from = in->stanza->from, domain = jid_domain_of(from);

    if (in->session || !in->is_from_link || jid_bare_of(from).n != domain.n ||
        !servers_has_other(in->sm->net->servers, domain))
        return SPAN_NONE;
    return domain;
}

static bool may_ask(struct sm_in *in)
{
    if (!sm_has_network(in->sm))
        sm_refuse(in, STANZA_SERVICE_UNAVAILABLE, NULL);
    else if (span_is_none(member_of(in)))
        sm_refuse(in, STANZA_FORBIDDEN, "for servers of the network");
    else
        return true;
    return false;
}

int64_t sm_account_created(struct db *db, struct span name)
{
    struct db_stmt *st = db_sql(db, "SELECT created FROM account WHERE name = ?1");
    int64_t created = -1;

    db_bind_text(st, 1, name);
    if (db_step(st) > 0)
        created = db_int(st, 0);
    db_reset(st);
    return created;
}

bool sm_is_directory(const struct servers *list, struct span user)
{
    const struct server *of[SERVERS_DIRECTORY];
    const size_t n = servers_directory(list, user, of);

    for (size_t i = 0; i < n; i++) {
        if (of[i]->is_self)
            return true;
    }
    return false;
}

/* The record of an account of ours, with its proof, if it has been signed. In run(). */
static int own_record(struct db *db, struct span user, struct span host, int64_t created,
                      struct sm_home_record *r, struct buf *text)
{
    int got = sm_record_load(db, user, r, text);

    if (got > 0 && r->stamp == created && span_eq(r->host, host))
        return got;
    sm_record_copy(r, text, &(struct sm_home_record){.user = user, .host = host, .stamp = created});
    return got < 0 ? got : STORE_OK;
}

/* --- a record that has just been signed is kept ----------------------------------------------- */

struct keep {
    struct sm_job job; /* first */
    struct sm_home_record r;
    struct buf text;
};

static int keep_run(struct db *db, struct store_job *job)
{
    struct keep *k = (struct keep *)(void *)job;
    struct buf old = {0};
    int result = sm_record_save(db, &k->r, &old);

    buf_free(&old);
    return result < 0 ? result : STORE_OK;
}

static bool keep_finish(struct sm_job *job, int result)
{
    (void)job, (void)result; /* else it is signed again */
    return true;
}

static void keep_destroy(struct sm_job *job)
{
    buf_free(&((struct keep *)job)->text);
}

static bool must_be_signed(const struct sm *sm, const struct sm_home_record *r)
{
    return r->proof.n == 0 || sm_record_is_stale(sm, r);
}

static void sign(struct sm *sm, struct sm_home_record *r, struct buf *text)
{
    struct keep *k;
    struct buf proof = {0};

    sm_record_sign(sm, r->user, r->stamp, &proof);
    r->proof = buf_span(&proof);
    if (r->proof.n > 0) {
        k = mem_zalloc(sizeof(*k));
        sm_record_copy(&k->r, &k->text, r);
        sm_record_copy(r, text, &k->r);
        k->job.bytes = sizeof(*k) + buf_len(&k->text);
        k->job.finish = keep_finish;
        k->job.destroy = keep_destroy;
        sm_job_start(sm, STORE_WRITE, &k->job, NULL, NULL, keep_run);
    }
    buf_free(&proof);
}

/* --- get -------------------------------------------------------------------------------------- */

struct get {
    struct sm_task task; /* first */
    struct servers *servers;
    struct span user, host;  /* in the request's arena; ours */
    struct sm_home_record r; /* none: user is empty */
    struct buf text;
    bool is_own, is_complete;
};

bool sm_has_heard_all(struct db *db, const struct servers *list)
{
    struct db_stmt *st = db_sql(db, "SELECT 1 FROM home_heard WHERE host = ?1 AND servers = ?2");
    const int64_t set = (int64_t)servers_set(list);

    for (size_t i = 0; i < servers_count(list); i++) {
        const struct server *s = servers_at(list, i);
        if (s->is_self || !s->is_enabled)
            continue;
        db_bind_text(st, 1, s->host);
        db_bind_int(st, 2, set);
        int got = db_step(st);
        db_reset(st);
        if (got <= 0)
            return false;
    }
    return true;
}

static int get_run(struct db *db, struct store_job *job)
{
    struct get *g = (struct get *)(void *)job;
    const int64_t created = sm_account_created(db, g->user);
    int result;

    if (created >= 0) {
        g->is_own = true;
        return own_record(db, g->user, g->host, created, &g->r, &g->text);
    }
    result = sm_record_load(db, g->user, &g->r, &g->text);
    if (result > 0 && servers_has_other(g->servers, g->r.host))
        return STORE_OK;
    g->r = (struct sm_home_record){0};
    g->is_complete = sm_is_directory(g->servers, g->user) && sm_has_heard_all(db, g->servers);
    return result < 0 ? result : STORE_OK;
}

static void get_done(struct sm_task *task, struct sm_in *in, int result)
{
    struct get *g = (struct get *)task;
    struct sm_out out;

    if (result < 0 || !sm_has_network(in->sm)) {
        sm_refuse(in, STANZA_RESOURCE_CONSTRAINT, NULL);
        return;
    }
    if (g->is_own && must_be_signed(in->sm, &g->r))
        sign(in->sm, &g->r, &g->text);
    struct buf *buf = sm_iq_open(in, &out);
    if (g->r.user.n > 0) {
        sm_record_write(buf, &g->r);
    } else {
        xml_raw(buf, SPAN("<home xmlns='" NS_NETWORK "'"));
        xml_attr(buf, "user", g->user);
        xml_attr(buf, "complete", g->is_complete ? SPAN("true") : SPAN("false"));
        xml_raw(buf, SPAN("/>"));
    }
    sm_iq_close(&out);
}

static void get_destroy(struct sm_task *task)
{
    struct get *g = (struct get *)task;

    servers_unref(&g->servers);
    buf_free(&g->text);
}

void sm_home_get(struct sm_in *in, uint32_t payload)
{
    const struct span user = stanza_attr(in->stanza, payload, SPAN("user"));
    struct get *g;

    if (!may_ask(in))
        return;
    if (!sm_record_is_user(user)) {
        sm_refuse(in, STANZA_BAD_REQUEST, "no user");
        return;
    }
    g = mem_zalloc(sizeof(*g));
    stanza_copy(&g->task.request, in->stanza);
    g->user = arena_span(&g->task.request.arena, user);
    g->host = arena_span(&g->task.request.arena, in->sm->opts.host);
    g->servers = servers_ref(in->sm->net->servers);
    g->task.destroy = get_destroy;
    sm_task_submit(in, STORE_READ, &g->task, get_run, get_done);
}

/* --- set -------------------------------------------------------------------------------------- */

struct entry {
    struct sm_home_record r; /* in the request's arena */
    bool is_signed, is_directory;
    bool is_unproved; /* signed, but by whom is not known: its key could not be had */
    /* What came of it. */
    bool is_moved;                /* one of our users has gone there */
    bool is_known;                /* it is recorded */
    bool is_own;                  /* the answer is about an account here */
    struct sm_home_record answer; /* user is empty: none */
    struct buf text;
};

struct set {
    struct sm_task task; /* first */
    struct entry *entries;
    size_t count;
    struct span peer, host; /* in the request's arena; ours */
    int64_t servers;        /* of last='true' */
    bool is_last;
    const char *not_yet; /* why some are to be told again; NULL: none is */
    int64_t max, room;   /* users of the peer that may be recorded here; so many more */
    bool is_full;        /* there was none for some */
};

enum { SET_UNPROVED = -200 }; /* nothing of it is kept: it is to be told again */

static int set_against_account(struct db *db, struct set *set, struct entry *e, int64_t created)
{
    if (!sm_record_beats(&e->r, set->host, created)) {
        e->is_own = true;
        return own_record(db, e->r.user, set->host, created, &e->answer, &e->text);
    }
    e->is_moved = e->is_signed;
    return e->is_unproved ? SET_UNPROVED : STORE_OK;
}

/* Where the user was at home before he was there, as the publisher may not know; and whether he
 * still is there is the former home's to say. */
static int former_answer(struct db *db, struct set *set, struct entry *e)
{
    struct db_stmt *st =
        db_sql(db, "SELECT former FROM home WHERE user = ?1 AND former <> '' AND former <> ?2");
    int got;

    db_bind_text(st, 1, e->r.user);
    db_bind_text(st, 2, set->host);
    got = db_step(st);
    if (got > 0)
        sm_record_copy(&e->answer, &e->text,
                       &(struct sm_home_record){.user = e->r.user, .host = db_text(st, 0)});
    db_reset(st);
    return got < 0 ? got : STORE_OK;
}

static int set_one(struct db *db, struct set *set, struct entry *e)
{
    const int64_t created = sm_account_created(db, e->r.user);
    struct buf old_host = {0};
    int got, result;

    if (created >= 0)
        return set_against_account(db, set, e, created);
    got = sm_record_load(db, e->r.user, &e->answer, &e->text);
    if (got == 0 && e->is_directory && set->room <= 0) {
        set->is_full = true;
        return STORE_OK;
    }
    if (got == 0 && e->is_directory)
        set->room--;
    if (got > 0 || e->is_directory)
        result = sm_record_save(db, &e->r, &old_host);
    else
        result = got;
    buf_free(&old_host);
    e->is_known = result > 0;
    if (result == 0 && got > 0 && !span_eq(e->answer.host, e->r.host) &&
        !span_eq(e->answer.host, set->host))
        return STORE_OK; /* an older one: it hears of the one that holds */
    e->answer = (struct sm_home_record){0};
    return result > 0 ? former_answer(db, set, e) : result;
}

/* A limit on what a server that invents users can put here. Users that are known already may come
 * to it: they take no room that is not taken. */
static int set_room(struct db *db, struct set *set)
{
    struct db_stmt *st = db_sql(db, "SELECT homes FROM home_count WHERE host = ?1");
    int got;

    db_bind_text(st, 1, set->peer);
    got = db_step(st);
    set->room = got > 0 ? set->max - db_int(st, 0) : set->max;
    set->is_full = false;
    db_reset(st);
    return got < 0 ? got : STORE_OK;
}

/* Whether the peer has told us of all: what is not recorded is not known to be nobody. */
static int set_heard(struct db *db, const struct set *set)
{
    struct db_stmt *st;

    if (set->not_yet || set->is_full) {
        st = db_sql(db, "DELETE FROM home_heard WHERE host = ?1");
    } else if (set->is_last) {
        st = db_sql(db, "INSERT INTO home_heard (host, servers) VALUES (?1, ?2)"
                        " ON CONFLICT (host) DO UPDATE SET servers = ?2");
        db_bind_int(st, 2, set->servers);
    } else {
        return STORE_OK;
    }
    db_bind_text(st, 1, set->peer);
    return db_run(st);
}

static int set_run(struct db *db, struct store_job *job)
{
    struct set *set = (struct set *)(void *)job;
    int result = set_room(db, set);

    for (size_t i = 0; i < set->count && result >= 0; i++)
        result = set_one(db, set, &set->entries[i]);
    return result < 0 ? result : set_heard(db, set);
}

static void set_answer(struct set *set, struct sm_in *in)
{
    struct sm_out out;
    struct buf *buf = sm_iq_open(in, &out);
    size_t signed_now = 0;

    xml_raw(buf, SPAN("<homes xmlns='" NS_NETWORK "'>"));
    for (size_t i = 0; i < set->count; i++) {
        struct entry *e = &set->entries[i];
        if (e->answer.user.n == 0)
            continue;
        if (e->is_own && must_be_signed(in->sm, &e->answer) && signed_now++ < SIGN_MAX)
            sign(in->sm, &e->answer, &e->text);
        sm_record_write(buf, &e->answer);
    }
    xml_raw(buf, SPAN("</homes>"));
    sm_iq_close(&out);
}

static void log_room(struct sm *sm, const struct set *set)
{
    char limit[24];

    snprintf(limit, sizeof(limit), "%lld", (long long)set->max);
    if (!set->is_full && set->room > 0)
        sm_is_over(sm, "too_many_homes", set->peer);
    else if (set->is_full && sm_is_news(sm, "too_many_homes", set->peer, span_of(limit)))
        LOG(LOG_WARN, "network.too_many_homes", F_SPAN("peer", set->peer), F_INT("max", set->max));
}

static void set_done(struct sm_task *task, struct sm_in *in, int result)
{
    struct set *set = (struct set *)task;

    if (result < 0 || !sm_has_network(in->sm)) {
        sm_refuse(in, STANZA_RESOURCE_CONSTRAINT,
                  result == SET_UNPROVED ? "your key cannot be had at the moment" : NULL);
        return;
    }
    for (size_t i = 0; i < set->count; i++) {
        const struct entry *e = &set->entries[i];
        if (e->is_moved)
            sm_moved_away(in->sm, &e->r);
        else if (e->is_known)
            sm_home_learn(in->sm, e->r.user, e->r.host, e->r.stamp);
    }
    log_room(in->sm, set);
    if (set->not_yet)
        sm_refuse(in, STANZA_NOT_ACCEPTABLE, set->not_yet);
    else if (set->is_full)
        sm_refuse(in, STANZA_RESOURCE_CONSTRAINT,
                  "no more of your users are recorded here ([network] max_homes)");
    else
        set_answer(set, in);
}

static void set_destroy(struct sm_task *task)
{
    struct set *set = (struct set *)task;

    for (size_t i = 0; i < set->count; i++)
        buf_free(&set->entries[i].text);
    free(set->entries);
}

/* Why a record is not taken; NULL: it is. When its sender's clock or key is right it will be: until
 * then who has told us of all has not. */
static const char *fault_of(const struct sm *sm, struct set *set, struct entry *e,
                            const struct server_key *key)
{
    if (!span_eq(e->r.host, set->peer))
        return "another server's user";
    if (!sm_record_is_sound(sm, &e->r))
        return set->not_yet = "a time in the future";
    e->is_signed = sm_record_is_signed(&e->r, key);
    if (e->r.proof.n > 0 && key && !e->is_signed)
        return set->not_yet = "not signed by its home";
    e->is_unproved = e->r.proof.n > 0 && !key;
    if (!e->is_signed)
        e->r.proof = SPAN_NONE; /* to us it says so itself */
    return NULL;
}

static void set_read(struct sm *sm, struct set *set, const struct server_key *key)
{
    struct stanza *s = &set->task.request;
    const uint32_t homes = stanza_child(s, 0, SPAN(NS_NETWORK), SPAN("homes"));
    struct span ns = SPAN(NS_NETWORK), home = SPAN("home");
    struct buf proof = {0};
    size_t refused = 0;

    for (uint32_t c = stanza_child(s, homes, ns, home); c; c = stanza_next(s, c, ns, home)) {
        struct entry *e = &set->entries[set->count];
        const char *fault = "not well-formed";
        *e = (struct entry){0};
        if (sm_record_read(s, c, &e->r, &proof))
            fault = fault_of(sm, set, e, key);
        if (fault) {
            if (refused++ == 0)
                LOG(LOG_WARN, "network.record_refused", F_SPAN("peer", set->peer),
                    F_SPAN("user", stanza_attr(s, c, SPAN("user"))), F_STR("reason", fault));
            continue;
        }
        e->r.proof = arena_span(&s->arena, e->r.proof);
        e->is_directory = sm_is_directory(sm->net->servers, e->r.user);
        set->count++;
    }
    if (refused > 1)
        LOG(LOG_WARN, "network.records_refused", F_SPAN("peer", set->peer),
            F_INT("count", refused));
    buf_free(&proof);
}

/* A request that waits for the key of who has sent it. */
struct waiting {
    struct sm *sm;
    struct stanza request;
    size_t count;
};

static void on_key(void *ctx, const struct server_key *key)
{
    struct waiting *w = ctx;
    struct sm_in in = {.sm = w->sm, .stanza = &w->request, .is_from_link = true};
    struct jid_scratch scratch SM_HOT;
    struct set *set;

    if (!w->sm->is_closed && jid_parse(w->request.to, &in.to, &scratch)) {
        const uint32_t homes = stanza_child(&w->request, 0, SPAN(NS_NETWORK), SPAN("homes"));
        uint64_t servers = 0;
        set = mem_zalloc(sizeof(*set));
        stanza_copy(&set->task.request, &w->request);
        set->entries = mem_zalloc((w->count + 1) * sizeof(*set->entries));
        set->peer = arena_span(&set->task.request.arena, jid_domain_of(w->request.from));
        set->host = arena_span(&set->task.request.arena, w->sm->opts.host);
        set->is_last =
            span_eq(stanza_attr(&w->request, homes, SPAN("last")), SPAN("true")) &&
            span_to_u64(stanza_attr(&w->request, homes, SPAN("servers")), UINT64_MAX, &servers);
        set->servers = (int64_t)servers;
        set->max = (int64_t)w->sm->opts.net.max_homes;
        set->task.destroy = set_destroy;
        set->task.job.bytes = w->count * sizeof(*set->entries);
        set_read(w->sm, set, key);
        sm_task_submit(&in, STORE_WRITE, &set->task, set_run, set_done);
    }
    stanza_free(&w->request);
    free(w);
}

void sm_homes_set(struct sm_in *in, uint32_t payload)
{
    const size_t count = stanza_child_count(in->stanza, payload);
    struct waiting *w;

    if (!may_ask(in))
        return;
    if (count > RECORDS_MAX) {
        LOG(LOG_WARN, "network.too_many_records", F_SPAN("peer", member_of(in)),
            F_INT("count", count));
        sm_refuse(in, STANZA_NOT_ACCEPTABLE, "up to 100 records at once");
        return;
    }
    if (in->sm->net->key_wait_count >= WAITING_MAX) {
        sm_refuse(in, STANZA_RESOURCE_CONSTRAINT, "too much at once");
        return;
    }
    w = mem_zalloc(sizeof(*w));
    w->sm = in->sm;
    w->count = count;
    stanza_copy(&w->request, in->stanza);
    w->request.from = arena_span(&w->request.arena, in->stanza->from);
    sm_record_key(in->sm, member_of(in), on_key, w);
}
