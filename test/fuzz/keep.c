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
    size_t count;
    struct {
        char *copy, *empty, *refill; /* statements */
    } tables[TABLES_MAX];
};

static char *statement(const char *before, struct span name, const char *after)
{
    struct buf text = {0};
    buf_printf(&text, "%s%.*s%s%.*s", before, SPAN_ARG(name), after, after[0] ? (int)name.n : 0,
               name.p);
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

/* --- copying ---------------------------------------------------------------------------------- */

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
        k->tables[k->count].copy = statement("CREATE TEMP TABLE kept_", name, " AS SELECT * FROM ");
        k->tables[k->count].empty = statement("DELETE FROM ", name, "");
        k->tables[k->count++].refill = statement("INSERT INTO ", name, " SELECT * FROM kept_");
    }
    for (size_t i = 0; !error && i < k->count; i++)
        error = db_run(db_sql(db, k->tables[i].copy));
    return error;
}

struct keep *keep_new(struct loop *loop, struct store *store)
{
    struct keep *k = mem_zalloc(sizeof *k);
    k->loop = loop;
    k->store = store;
    submit(k, run_copy);
    return k;
}

/* --- restoring -------------------------------------------------------------------------------- */

static int run_restore(struct db *db, struct store_job *job)
{
    struct keep *k = CONTAINER_OF(job, struct keep, job);
    int error = 0;
    for (size_t i = 0; !error && i < k->count; i++)
        error = db_run(db_sql(db, k->tables[i].empty));
    for (size_t i = 0; !error && i < k->count; i++)
        error = db_run(db_sql(db, k->tables[i].refill));
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
        free(k->tables[i].empty);
        free(k->tables[i].refill);
    }
    free(k);
}
