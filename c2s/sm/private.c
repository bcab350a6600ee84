/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * private - XEP-0049: elements that clients keep for themselves in their account, one of each
 * name. Rows of iq.c call it; the elements are in the store only.
 */
#include "c2s/sm/sm_private.h"

#include <stdlib.h>

#define ELEMENTS_MAX 100          /* of an account */
#define BYTES_MAX (512u << 10)    /* of them all */
#define NAME_MAX_BYTES 1024       /* of a namespace and a name together */

enum { PRIVATE_NO_ACCOUNT = 1, PRIVATE_NONE = 2 };

struct element {
    struct span ns, name; /* in the request's arena */
    size_t at, n;         /* in text */
};

struct access {
    struct sm_task task; /* first */
    struct buf text;
    struct element *elements; /* in the request's arena */
    size_t count;
};

/* --- in run() --- */

static int load(struct db *db, int64_t account, const struct element *e, struct buf *text)
{
    struct db_stmt *st = db_sql(
        db, "SELECT element FROM private WHERE account = ?1 AND ns = ?2 AND name = ?3");

    db_bind_int(st, 1, account);
    db_bind_text(st, 2, e->ns);
    db_bind_text(st, 3, e->name);
    int got = db_step(st);
    if (got > 0)
        buf_append(text, db_text(st, 0));
    db_reset(st);
    if (got < 0)
        return got;
    return got > 0 ? STORE_OK : PRIVATE_NONE;
}

static int save(struct db *db, int64_t account, const struct element *e, const struct buf *text)
{
    struct db_stmt *st =
        db_sql(db, "INSERT INTO private (account, ns, name, bytes, element)"
                   " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (account, ns, name)"
                   " DO UPDATE SET bytes = excluded.bytes, element = excluded.element");

    db_bind_int(st, 1, account);
    db_bind_text(st, 2, e->ns);
    db_bind_text(st, 3, e->name);
    db_bind_int(st, 4, (int64_t)e->n);
    db_bind_text(st, 5, span_make(buf_span(text).p + e->at, e->n));
    return db_run(st);
}

static int check_room(struct db *db, int64_t account)
{
    struct db_stmt *st =
        db_sql(db, "SELECT count(*), coalesce(sum(bytes), 0) FROM private WHERE account = ?1");

    db_bind_int(st, 1, account);
    int got = db_step(st);
    bool has_room = got > 0 && db_int(st, 0) <= ELEMENTS_MAX && db_int(st, 1) <= BYTES_MAX;
    db_reset(st);
    if (got <= 0)
        return STORE_FAILED;
    return has_room ? STORE_OK : SM_PRIVATE_FULL;
}

int sm_private_load(struct db *db, int64_t account, struct span ns, struct span name,
                    struct buf *text)
{
    const struct element e = {.ns = ns, .name = name};

    return load(db, account, &e, text);
}

int sm_private_save(struct db *db, int64_t account, struct span ns, struct span name,
                    struct span text)
{
    const struct element e = {.ns = ns, .name = name, .n = text.n};
    struct buf copy = {0};
    int result;

    buf_append(&copy, text);
    result = save(db, account, &e, &copy);
    buf_free(&copy);
    return result == STORE_OK ? check_room(db, account) : result;
}

static int get_run(struct db *db, struct store_job *job)
{
    struct access *a = (struct access *)(void *)job;
    const int64_t account = sm_account_id(db, a->task.job.user->name);

    return account ? load(db, account, &a->elements[0], &a->text) : PRIVATE_NO_ACCOUNT;
}

static int set_run(struct db *db, struct store_job *job)
{
    const struct access *a = (const struct access *)(void *)job;
    const int64_t account = sm_account_id(db, a->task.job.user->name);
    int result = STORE_OK;

    if (!account)
        return PRIVATE_NO_ACCOUNT;
    for (size_t i = 0; i < a->count && result == STORE_OK; i++)
        result = save(db, account, &a->elements[i], &a->text);
    return result == STORE_OK ? check_room(db, account) : result;
}

/* --- requests --- */

static void access_free(struct sm_task *task)
{
    buf_free(&((struct access *)task)->text);
}

/* The query's children; their text, too, when it is to be kept. */
static enum stanza_error read_elements(struct access *a, bool is_kept)
{
    struct stanza *s = &a->task.request;
    uint32_t query = stanza_child(s, 0, SPAN(NS_PRIVATE), SPAN("query"));

    a->elements = arena_alloc(&s->arena, stanza_child_count(s, query) * sizeof(*a->elements));
    for (uint32_t c = stanza_child(s, query, SPAN_NONE, SPAN_NONE); c;
         c = stanza_next(s, c, SPAN_NONE, SPAN_NONE)) {
        const struct stanza_node *node = &s->nodes[c];
        struct element e = {.ns = node->ns, .name = node->name, .at = buf_len(&a->text)};
        if (span_is_empty(e.ns) || span_eq(e.ns, SPAN(NS_PRIVATE)) ||
            span_eq(e.ns, SPAN(NS_CLIENT)) || e.ns.n + e.name.n > NAME_MAX_BYTES)
            return STANZA_NOT_ACCEPTABLE;
        if (is_kept)
            stanza_write_node(&a->text, s, c, SPAN(NS_CLIENT));
        e.n = buf_len(&a->text) - e.at;
        a->elements[a->count++] = e;
    }
    if (a->count == 0 || (!is_kept && a->count > 1))
        return STANZA_BAD_REQUEST;
    return a->count > ELEMENTS_MAX ? STANZA_RESOURCE_CONSTRAINT : STANZA_ERROR_NONE;
}

/* NULL: it has been refused. */
static struct access *access_new(struct sm_in *in, bool is_set)
{
    struct access *a = mem_zalloc(sizeof(*a));
    enum stanza_error e;

    stanza_copy(&a->task.request, in->stanza);
    a->task.destroy = access_free;
    e = read_elements(a, is_set);
    if (e == STANZA_ERROR_NONE) {
        a->task.job.bytes = buf_len(&a->text) + arena_held(&a->task.request.arena);
        return a;
    }
    access_free(&a->task);
    stanza_free(&a->task.request);
    free(a);
    sm_refuse(in, e, NULL);
    return NULL;
}

/* What has never been kept is there, and empty (XEP-0049 3.1). */
static void get_done(struct sm_task *task, struct sm_in *in, int result)
{
    const struct access *a = (const struct access *)task;
    const struct element *e = &a->elements[0];
    struct sm_out out;

    if (result != STORE_OK && result != PRIVATE_NONE) {
        sm_refuse(in, STANZA_INTERNAL_SERVER_ERROR, NULL);
        return;
    }
    struct buf *buf = sm_iq_open(in, &out);
    xml_raw(buf, SPAN("<query xmlns='" NS_PRIVATE "'>"));
    if (result == STORE_OK) {
        buf_append(buf, buf_span(&a->text));
    } else {
        xml_raw(buf, SPAN("<"));
        buf_append(buf, e->name);
        xml_attr(buf, "xmlns", e->ns);
        xml_raw(buf, SPAN("/>"));
    }
    xml_raw(buf, SPAN("</query>"));
    sm_iq_close(&out);
}

void sm_private_get(struct sm_in *in, uint32_t payload)
{
    struct access *a = sm_bookmarks_private(in, payload) ? NULL : access_new(in, false);

    if (a)
        sm_task_submit(in, STORE_READ, &a->task, get_run, get_done);
}

static void set_done(struct sm_task *task, struct sm_in *in, int result)
{
    (void)task;
    if (result == STORE_OK)
        sm_iq_empty_result(in);
    else if (result == SM_PRIVATE_FULL)
        sm_refuse(in, STANZA_RESOURCE_CONSTRAINT, "no room for more");
    else
        sm_refuse(in, STANZA_INTERNAL_SERVER_ERROR, NULL);
}

void sm_private_set(struct sm_in *in, uint32_t payload)
{
    struct access *a = sm_bookmarks_private(in, payload) ? NULL : access_new(in, true);

    if (a)
        sm_task_submit(in, STORE_WRITE, &a->task, set_run, set_done);
}
