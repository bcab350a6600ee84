/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "keep.h"

#include "fuzz.h"

#include "base/loop.h"
#include "base/mem.h"
#include "store/db.h"

#include <stdlib.h>

#define TABLES_MAX 64

struct keep {
    struct loop *loop;
    struct store *store;
    struct store_job job;
    const char *trifle;
    bool differs;
    char *compare; /* all but the trifle; like the others, a statement */
    size_t count;
    struct kept {
        bool is_trifle, was_empty;
        char *copy, *is_empty, *differs, *empty, *refill;
    } tables[TABLES_MAX];
};

/* In the pattern, $ stands for the table's name. */
static char *statement(const char *pattern, struct span name)
{
    struct buf text = {0};
    for (; *pattern; pattern++) {
        if (*pattern == '$')
            buf_append(&text, name);
        else
            buf_append_char(&text, *pattern);
    }
    char *z = mem_strdup_span(buf_span(&text));
    buf_free(&text);
    return z;
}

static void on_done(struct store_job *job, int result)
{
    (void)job;
    if (result < 0)
        fuzz_fail("the database is not kept", SPAN(""), SPAN(""));
}

static void submit(struct keep *k, int (*run)(struct db *db, struct store_job *job))
{
    k->job = (struct store_job){.run = run, .done = on_done};
    store_submit(k->store, STORE_WRITE, &k->job);
    loop_sim_settle(k->loop);
}

static bool is_true(struct db *db, const char *question)
{
    struct db_stmt *st = db_sql(db, question);
    if (db_step(st) != 1)
        fuzz_fail("the database does not answer", span_of(question), SPAN(""));
    return db_int(st, 0);
}

/* --- copying ---------------------------------------------------------------------------------- */

static void make_comparison(struct keep *k)
{
    struct buf text = {0};
    buf_append_z(&text, "SELECT ");
    for (size_t i = 0; i < k->count; i++) {
        const struct kept *t = &k->tables[i];
        if (t->was_empty && !t->is_trifle)
            buf_printf(&text, "NOT (%s) OR ", t->is_empty);
        else if (!t->is_trifle)
            buf_printf(&text, "%s OR ", t->differs);
    }
    buf_append_z(&text, "0");
    k->compare = mem_strdup_span(buf_span(&text));
    buf_free(&text);
}

static int run_copy(struct db *db, struct store_job *job)
{
    struct keep *k = CONTAINER_OF(job, struct keep, job);
    struct db_stmt *names = db_sql(db, "SELECT name FROM sqlite_schema WHERE type = 'table'"
                                       " AND name <> 'account' AND name NOT LIKE 'sqlite%'");
    int error;
    while ((error = db_step(names)) > 0) {
        struct span name = db_text(names, 0);
        if (k->count == TABLES_MAX)
            fuzz_fail("too many tables", name, SPAN(""));
        k->tables[k->count++] = (struct kept){
            .is_trifle = span_eq(name, span_of(k->trifle)),
            .copy = statement("CREATE TEMP TABLE kept_$ AS SELECT * FROM $", name),
            .is_empty = statement("SELECT NOT EXISTS (SELECT 1 FROM $)", name),
            .differs = statement("(SELECT count(*) FROM $) <> (SELECT count(*) FROM kept_$)"
                                 " OR EXISTS (SELECT * FROM $ EXCEPT SELECT * FROM kept_$)",
                                 name),
            .empty = statement("DELETE FROM $", name),
            .refill = statement("INSERT INTO $ SELECT * FROM kept_$", name)};
    }
    for (size_t i = 0; !error && i < k->count; i++) {
        error = db_run(db_sql(db, k->tables[i].copy));
        k->tables[i].was_empty = is_true(db, k->tables[i].is_empty);
    }
    make_comparison(k);
    return error;
}

struct keep *keep_new(struct loop *loop, struct store *store, const char *trifle)
{
    struct keep *k = mem_zalloc(sizeof *k);
    k->loop = loop;
    k->store = store;
    k->trifle = trifle;
    submit(k, run_copy);
    return k;
}

/* --- restoring -------------------------------------------------------------------------------- */

static int restore(struct db *db, const struct kept *t)
{
    int error = db_run(db_sql(db, t->empty));
    return error || t->was_empty ? error : db_run(db_sql(db, t->refill));
}

static int run_compare(struct db *db, struct store_job *job)
{
    struct keep *k = CONTAINER_OF(job, struct keep, job);
    int error = 0;
    k->differs = is_true(db, k->compare);
    for (size_t i = 0; !error && !k->differs && i < k->count; i++)
        if (k->tables[i].is_trifle)
            error = restore(db, &k->tables[i]);
    return error;
}

bool keep_differs(struct keep *k)
{
    submit(k, run_compare);
    return k->differs;
}

/* Rows may go with those of another table: of such tables, all were empty. */
static int run_restore(struct db *db, struct store_job *job)
{
    struct keep *k = CONTAINER_OF(job, struct keep, job);
    int error = 0;
    for (size_t i = 0; !error && i < k->count; i++)
        if (!k->tables[i].was_empty || !is_true(db, k->tables[i].is_empty))
            error = restore(db, &k->tables[i]);
    return error;
}

void keep_restore(struct keep *k)
{
    submit(k, run_restore);
}

void keep_free(struct keep **k_p)
{
    struct keep *k = *k_p;
    *k_p = NULL;
    for (size_t i = 0; i < k->count; i++) {
        free(k->tables[i].copy);
        free(k->tables[i].is_empty);
        free(k->tables[i].differs);
        free(k->tables[i].empty);
        free(k->tables[i].refill);
    }
    free(k->compare);
    free(k);
}
