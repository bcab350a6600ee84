/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * admin_count - commands that count users, and list them: XEP-0133 4.13 to 4.22.
 *
 * The registered ones are in the store; of those who are online each instance knows its own. A list
 * has no more names than were asked for, and never more than fit into one answer.
 */
#include "c2s/sm/admin/admin.h"

#include <inttypes.h>
#include <stdio.h>

#define LIST_MAX 1000
#define LIST_MAX_BYTES (100u << 10)

/* --- lists ------------------------------------------------------------------------------------ */

/* How many names are wanted, in run->number; false: refused. */
static bool read_max(struct sm_run *run)
{
    const struct span text = sm_run_value(run, "max_items");
    uint64_t n = LIST_MAX;

    if (!span_eq(text, SPAN("none")) && (!span_to_u64(text, LIST_MAX, &n) || n == 0)) {
        sm_run_bad_payload(run);
        return false;
    }
    run->number = (int64_t)n;
    return true;
}

/* Lines: perhaps more than are wanted. total: all that there are. */
static void write_list(struct sm_run *run, const char *var, struct span lines, uint64_t total)
{
    struct span rest = lines;
    int64_t shown = 0;
    char text[80];

    while (rest.n > 0 && shown < run->number && (size_t)(rest.p - lines.p) < LIST_MAX_BYTES) {
        sm_line_take(&rest);
        shown++;
    }
    sm_run_result(run);
    sm_run_result_lines(run, var, NULL, span_make(lines.p, lines.n - rest.n));
    if ((uint64_t)shown == total)
        return;
    snprintf(text, sizeof(text), "Shown: %" PRId64 " of %" PRIu64, shown, total);
    sm_run_note(run, "info", SPAN_NONE, text);
}

/* --- registered ------------------------------------------------------------------------------- */

/* Names that begin with '/' are of accounts that are being removed (erase.c). */
static int count_accounts(struct db *db, struct sm_run *run)
{
    struct db_stmt *st = db_sql(db, "SELECT count(*) FROM account WHERE name NOT GLOB '/*'");
    int got = db_step(st);

    run->at = got > 0 ? (size_t)db_int(st, 0) : 0;
    db_reset(st);
    return got < 0 ? got : STORE_OK;
}

static bool has_failed(struct sm_run *run, int result)
{
    if (result < 0)
        sm_run_refuse(run, STANZA_INTERNAL_SERVER_ERROR, "the storage failed");
    return result < 0;
}

static void on_counted(struct sm_run *run, int result)
{
    if (has_failed(run, result))
        return;
    sm_run_result(run);
    sm_run_result_number(run, "registeredusersnum", "The number of registered users", run->at);
    sm_run_complete(run);
}

void sm_admin_registered_num(struct sm_run *run)
{
    sm_run_store(run, STORE_READ, count_accounts, on_counted);
}

static int list_accounts(struct db *db, struct sm_run *run)
{
    struct db_stmt *st = db_sql(db, "SELECT name FROM account WHERE name NOT GLOB '/*'"
                                    " ORDER BY name LIMIT ?1");
    int got;

    db_bind_int(st, 1, run->number);
    while ((got = db_step(st)) > 0 && buf_len(&run->text) < LIST_MAX_BYTES) {
        buf_append(&run->text, db_text(st, 0));
        buf_append_char(&run->text, '@');
        buf_append(&run->text, run->sm->opts.host);
        buf_append_char(&run->text, '\n');
    }
    db_reset(st);
    return got < 0 ? got : count_accounts(db, run);
}

static void on_listed(struct sm_run *run, int result)
{
    if (has_failed(run, result))
        return;
    write_list(run, "registereduserjids", buf_span(&run->text), run->at);
    sm_run_complete(run);
}

void sm_admin_registered_list(struct sm_run *run)
{
    if (read_max(run))
        sm_run_store(run, STORE_READ, list_accounts, on_listed);
}

/* --- online, active, idle --------------------------------------------------------------------- */

/* What is asked of the instances, and how the answer's field is called. */
struct kind {
    const char *node, *question, *var, *label;
};

static const struct kind kinds[] = {
    {NS_ADMIN "#get-online-users-num", "online", "onlineusersnum", "The number of online users"},
    {NS_ADMIN "#get-active-users-num", "active", "activeusersnum", "The number of active users"},
    {NS_ADMIN "#get-idle-users-num", "idle", "idleusersnum", "The number of idle users"},
    {NS_ADMIN "#get-online-users-list", "online", "onlineuserjids", NULL},
    {NS_ADMIN "#get-active-users-list", "active", "activeuserjids", NULL},
    {NS_ADMIN "#get-idle-users-list", "idle", "idleuserjids", NULL},
};

static const struct kind *kind_of(const struct sm_run *run)
{
    size_t i = 0;

    while (strcmp(run->command->node, kinds[i].node) != 0)
        i++;
    return &kinds[i];
}

static bool is_asked(struct sm_run *run, const struct sm_tally *tally)
{
    if (!tally)
        sm_run_refuse(run, STANZA_RESOURCE_CONSTRAINT, "too much at once");
    else
        sm_admin_note_silent(run, tally);
    return tally != NULL;
}

static void on_num(void *ctx, const struct sm_tally *tally)
{
    struct sm_run *run = ctx;

    if (!is_asked(run, tally))
        return;
    sm_run_result(run);
    sm_run_result_number(run, kind_of(run)->var, kind_of(run)->label, tally->count);
    sm_run_complete(run);
}

static void on_list(void *ctx, const struct sm_tally *tally)
{
    struct sm_run *run = ctx;

    if (!is_asked(run, tally))
        return;
    write_list(run, kind_of(run)->var, buf_span(&tally->names), tally->count);
    sm_run_complete(run);
}

void sm_admin_users_num(struct sm_run *run)
{
    sm_fleet_ask(run->sm, kind_of(run)->question, SPAN_NONE, 0, on_num, run);
}

void sm_admin_users_list(struct sm_run *run)
{
    if (read_max(run))
        sm_fleet_ask(run->sm, kind_of(run)->question, SPAN_NONE, (uint64_t)run->number, on_list,
                     run);
}
