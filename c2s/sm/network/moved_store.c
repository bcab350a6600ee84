/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * moved_store - accounts that are set aside because their users have moved: what is stored for them
 * goes back to its senders, and after a month they go for good.
 *
 * A slice at a time: some messages, or requests, are loaded and answered, and removed from the
 * store when the router has all of the answers. A process that ends in between leaves the rest to
 * the next one. Called by moved.c and publish.c (every minute); timer and state are in sm->net.
 */
#include "c2s/sm/network/record.h"

#include "xml/parser.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define KEEP_MS (30LL * 24 * 3600 * 1000)
#define ROWS 32
#define ROW_BYTES (1u << 20)
#define AGAIN_MS 5000

int sm_moved_set_aside(struct db *db, struct span name, int64_t now)
{
    struct db_stmt *st =
        db_sql(db, "UPDATE account SET name = '//' || ?2 || '/' || id || '/' || name"
                   " WHERE name = ?1");

    db_bind_text(st, 1, name);
    db_bind_int(st, 2, now);
    return db_run(st);
}

/* --- a slice ---------------------------------------------------------------------------------- */

struct row {
    int64_t id, stamp; /* of a message */
    size_t jid, jid_n; /* in text: of a request */
    size_t at, n;      /* in text: the stanza, or what follows "<presence" */
};

struct slice {
    struct sm *sm;
    int64_t account; /* 0: nothing is left to do */
    int64_t now;
    struct sm_home_record r; /* user is empty: unknown */
    struct buf record, text;
    struct row rows[ROWS];
    size_t count;
    bool is_requests, is_erased;
    /* The answers on their way. */
    size_t open;
    bool is_failed;
};

struct job {
    struct sm_job job; /* first */
    struct slice *slice;
};

static void slice_free(struct slice *s)
{
    buf_free(&s->record);
    buf_free(&s->text);
    free(s);
}

static void start(struct slice *s, enum store_kind kind,
                  int (*run)(struct db *db, struct store_job *job),
                  bool (*finish)(struct sm_job *job, int result))
{
    struct job *j = mem_zalloc(sizeof(*j));

    j->slice = s;
    j->job.bytes = sizeof(*s) + ROW_BYTES;
    j->job.finish = finish;
    sm_job_start(s->sm, kind, &j->job, NULL, NULL, run);
}

/* --- loading ---------------------------------------------------------------------------------- */

/* What the user was called, behind the third '/' more. */
static struct span name_of(struct span text)
{
    for (int i = 0; i < 4; i++) {
        const size_t slash = span_index(text, '/');
        text = span_from(text, slash < text.n ? slash + 1 : text.n);
    }
    return text;
}

/* Too old: they become removed ones, without a word to the contacts, who have him elsewhere. */
static int expire(struct db *db, struct slice *s)
{
    struct db_stmt *st =
        db_sql(db, "SELECT id FROM account WHERE name >= '//' AND name < ?1 ORDER BY name LIMIT 1");
    const int64_t keep = KEEP_MS;
    char before[32];
    int64_t id = 0;
    int result;

    snprintf(before, sizeof(before), "//%" PRId64, s->now > keep ? s->now - keep : 0);
    db_bind_text(st, 1, span_of(before));
    if (db_step(st) > 0)
        id = db_int(st, 0);
    db_reset(st);
    if (!id)
        return STORE_OK;
    s->is_erased = true;
    st = db_sql(db, "DELETE FROM roster WHERE account = ?1");
    db_bind_int(st, 1, id);
    result = db_run(st);
    if (result < 0)
        return result;
    st = db_sql(db, "UPDATE account SET name = '/' || id || '/' || id WHERE id = ?1");
    db_bind_int(st, 1, id);
    return db_run(st);
}

static int find(struct db *db, struct slice *s)
{
    struct db_stmt *st =
        db_sql(db, "SELECT id, name FROM account WHERE name >= '//' AND name < '/0' AND"
                   " (EXISTS (SELECT 1 FROM offline WHERE offline.account = account.id) OR"
                   " EXISTS (SELECT 1 FROM roster_request q WHERE q.account = account.id))"
                   " ORDER BY name LIMIT 1");
    struct buf name = {0};
    int got = db_step(st);

    if (got > 0) {
        s->account = db_int(st, 0);
        buf_append(&name, name_of(db_text(st, 1)));
    }
    db_reset(st);
    if (got > 0)
        got = sm_record_load(db, buf_span(&name), &s->r, &s->record);
    buf_free(&name);
    return got < 0 ? got : STORE_OK;
}

static struct row *row_add(struct slice *s, struct span text)
{
    struct row *row = &s->rows[s->count++];

    *row = (struct row){.at = buf_len(&s->text), .n = text.n};
    buf_append(&s->text, text);
    return row;
}

static bool is_full(const struct slice *s)
{
    return s->count == ROWS || buf_len(&s->text) >= ROW_BYTES;
}

static int load_messages(struct db *db, struct slice *s)
{
    struct db_stmt *st =
        db_sql(db, "SELECT id, stamp, stanza FROM offline WHERE account = ?1 ORDER BY id");
    int got = 0;

    db_bind_int(st, 1, s->account);
    while (!is_full(s) && (got = db_step(st)) > 0) {
        struct row *row = row_add(s, db_text(st, 2));
        row->id = db_int(st, 0);
        row->stamp = db_int(st, 1);
    }
    db_reset(st);
    return got < 0 ? got : STORE_OK;
}

static int load_requests(struct db *db, struct slice *s)
{
    struct db_stmt *st =
        db_sql(db, "SELECT jid, stanza FROM roster_request WHERE account = ?1 ORDER BY jid");
    int got = 0;

    s->is_requests = true;
    db_bind_int(st, 1, s->account);
    while (!is_full(s) && (got = db_step(st)) > 0) {
        struct row *row = row_add(s, db_text(st, 1));
        row->jid = buf_len(&s->text);
        row->jid_n = db_text(st, 0).n;
        buf_append(&s->text, db_text(st, 0));
    }
    db_reset(st);
    return got < 0 ? got : STORE_OK;
}

static int load_run(struct db *db, struct store_job *job)
{
    struct slice *s = ((struct job *)(void *)job)->slice;
    int result = expire(db, s);

    if (result == STORE_OK)
        result = find(db, s);
    if (result == STORE_OK && s->account)
        result = load_messages(db, s);
    if (result == STORE_OK && s->account && s->count == 0)
        result = load_requests(db, s);
    return result;
}

/* --- removing what has been answered ---------------------------------------------------------- */

static int remove_run(struct db *db, struct store_job *job)
{
    const struct slice *s = ((struct job *)(void *)job)->slice;
    struct db_stmt *st;
    int result = STORE_OK;

    for (size_t i = 0; i < s->count && result >= 0; i++) {
        const struct row *row = &s->rows[i];
        st = s->is_requests
                 ? db_sql(db, "DELETE FROM roster_request WHERE account = ?1 AND jid = ?2")
                 : db_sql(db, "DELETE FROM offline WHERE account = ?1 AND id = ?2");
        db_bind_int(st, 1, s->account);
        if (s->is_requests)
            db_bind_text(st, 2, span_make(buf_span(&s->text).p + row->jid, row->jid_n));
        else
            db_bind_int(st, 2, row->id);
        result = db_run(st);
    }
    return result;
}

static void on_wait(void *ctx);

/* The slice is over: the next one now, or later. */
static void over(struct slice *s, bool is_good)
{
    struct sm *sm = s->sm;

    if (!sm->is_closed && sm_has_network(sm)) {
        sm->net->is_moving = false;
        if (!is_good)
            timer_start(&sm->net->moved_wait, sm->loop, AGAIN_MS, on_wait, sm);
        else if (s->account || s->is_erased)
            sm_moved_look(sm);
        if (is_good && s->is_erased)
            sm_erase_look(sm);
    }
    slice_free(s);
}

static bool remove_finish(struct sm_job *job, int result)
{
    over(((struct job *)job)->slice, result >= 0);
    return true;
}

/* --- answering -------------------------------------------------------------------------------- */

static void answered(struct slice *s)
{
    struct sm *sm = s->sm;

    if (--s->open > 0)
        return;
    if (s->is_failed || sm->is_closed)
        over(s, false);
    else
        start(s, STORE_WRITE, remove_run, remove_finish);
    sm_unhold(sm);
}

static void on_answered(void *ctx, bool is_safe)
{
    struct slice *s = ctx;

    s->is_failed |= !is_safe;
    answered(s);
}

/* When it had come, for whom it comes late. */
static void write_delay(const struct slice *s, const struct row *row, struct buf *out)
{
    xml_raw(out, SPAN("<delay xmlns='" NS_DELAY "'"));
    xml_attr(out, "from", s->sm->opts.host);
    xml_raw(out, SPAN(" stamp='"));
    sm_time_write(out, row->stamp);
    xml_raw(out, SPAN("'/>"));
}

static void answer_unknown(struct slice *s, const struct stanza *stanza, struct link_done done)
{
    struct buf *out = link_begin(s->sm->link, done);

    if (!out)
        return;
    stanza_error_write(out, stanza, SPAN(NS_COMPONENT), SPAN_NONE, SPAN_NONE,
                       STANZA_SERVICE_UNAVAILABLE, NULL);
    link_end(s->sm->link);
}

static void answer(struct slice *s, const struct row *row, const struct stanza *stanza)
{
    struct sm *sm = s->sm;
    const struct link_done done = {on_answered, s};
    struct buf delay = {0};

    s->open++;
    if (s->r.user.n == 0) {
        answer_unknown(s, stanza, done);
    } else if (sm_moved_is_local(sm, stanza->from) &&
               servers_has_other(sm->net->servers, s->r.host)) {
        if (!s->is_requests)
            write_delay(s, row, &delay);
        sm_moved_pass_on(sm, stanza, &s->r, buf_span(&delay), done);
    } else {
        struct buf *out = link_begin(sm->link, done);
        if (out) {
            sm->net->counts.gone++;
            sm_moved_write_gone(sm, out, SPAN(NS_COMPONENT), stanza, &s->r,
                                sm_moved_is_member(sm, stanza->from));
            link_end(sm->link);
        }
    }
    buf_free(&delay);
}

/* A request is kept without its beginning, and without an addressee. */
static void row_text(const struct slice *s, const struct row *row, struct buf *out)
{
    const struct span text = span_make(buf_span(&s->text).p + row->at, row->n);

    buf_clear(out);
    if (!s->is_requests) {
        buf_append(out, text);
        return;
    }
    xml_raw(out, SPAN("<presence to='"));
    xml_value(out, s->r.user);
    xml_raw(out, SPAN("@"));
    xml_value(out, s->sm->opts.host);
    xml_raw(out, SPAN("'"));
    buf_append(out, text);
}

static bool row_read(const struct slice *s, const struct row *row, struct stanza *stanza)
{
    struct buf text = {0};
    bool is_good;

    row_text(s, row, &text);
    is_good =
        xml_parse_stanza(xml_parser_shared(SPAN(NS_CLIENT)), buf_span(&text), stanza) == XML_OK &&
        !span_is_empty(stanza->from);
    buf_free(&text);
    return is_good;
}

/* A row of which it is not known yet who has sent it. */
struct unnamed {
    struct slice *slice;
    const struct row *row;
    bool is_told;
};

static void on_sender(void *ctx, struct span domain)
{
    struct unnamed *u = ctx;
    struct slice *s = u->slice;
    struct stanza stanza = {0};

    u->is_told = true;
    if (!sm_is_linked(s->sm)) {
        s->is_failed = true;
    } else if (row_read(s, u->row, &stanza)) {
        sm_moved_name(s->sm, &stanza, domain);
        answer(s, u->row, &stanza);
    }
    stanza_free(&stanza);
}

static void unnamed_free(void *ctx)
{
    struct unnamed *u = ctx;
    struct slice *s = u->slice;

    if (!u->is_told && !s->sm->is_closed)
        on_sender(u, s->sm->opts.host);
    free(u);
    answered(s);
}

static void name_sender(struct slice *s, const struct row *row, struct span from)
{
    struct unnamed *u = mem_zalloc(sizeof(*u));

    u->slice = s;
    u->row = row;
    s->open++;
    sm_edge_address(s->sm, span_make(from.p, span_index(from, '@')), on_sender, unnamed_free, u);
}

static void answer_all(struct slice *s)
{
    struct stanza stanza = {0};

    sm_hold(s->sm);
    s->open = 1; /* until all are on their way */
    for (size_t i = 0; i < s->count; i++) {
        if (!row_read(s, &s->rows[i], &stanza))
            LOG(LOG_WARN, "network.stored_unreadable", F_INT("account", s->account));
        else if (sm_moved_is_unnamed(s->sm, stanza.from))
            name_sender(s, &s->rows[i], stanza.from);
        else
            answer(s, &s->rows[i], &stanza);
    }
    stanza_free(&stanza);
    answered(s);
}

static bool load_finish(struct sm_job *job, int result)
{
    struct slice *s = ((struct job *)job)->slice;
    struct sm *sm = job->sm;

    if (sm->is_closed || result < 0 || (s->account && !sm_is_linked(sm)))
        over(s, false);
    else if (s->account)
        answer_all(s);
    else
        over(s, true);
    return true;
}

static void on_wait(void *ctx)
{
    sm_moved_look(ctx);
}

void sm_moved_look(struct sm *sm)
{
    struct slice *s;

    if (sm->net->is_moving || timer_is_running(&sm->net->moved_wait))
        return;
    s = mem_zalloc(sizeof(*s));
    s->sm = sm;
    s->now = loop_wall(sm->loop);
    sm->net->is_moving = true;
    start(s, STORE_WRITE, load_run, load_finish);
}
