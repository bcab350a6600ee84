/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * admin_look - commands that show something of single accounts: XEP-0133 4.8 to 4.10.
 *
 * Who is there is asked of all instances, the rest of the store, which makes the answer.
 */
#include "c2s/sm/admin/admin.h"
#include "c2s/sm/contacts/contacts.h"

#define NO_ACCOUNT "there is no such account"

/* Of several targets the others are shown, and a note says which are not there. */
static void complete(struct sm_run *run, int result)
{
    if (result < 0)
        sm_run_refuse(run, STANZA_INTERNAL_SERVER_ERROR, "the storage failed");
    else if (run->at == 0 && run->target_count == 1)
        sm_run_refuse(run, STANZA_ITEM_NOT_FOUND, NO_ACCOUNT);
    else
        sm_run_complete(run);
}

/* --- get-user-roster -------------------------------------------------------------------------- */

static int write_roster(struct db *db, struct sm_run *run, const struct sm_target *t,
                        struct buf *jids)
{
    struct buf items = {0};
    char ver[44];
    int got = sm_roster_load(db, t->local, SPAN_NONE, &items, ver);

    if (got == SM_ROSTER_NO_ACCOUNT) {
        sm_run_note(run, "error", t->full, NO_ACCOUNT);
    } else if (got >= 0 &&
               buf_len(&run->text) + buf_len(&items) > run->sm->opts.max_stanza / 2) {
        sm_run_note(run, "error", t->full, "this roster is too big for one answer");
        run->at++;
    } else if (got >= 0) {
        xml_raw(&run->text, SPAN("<query xmlns='" NS_ROSTER "'>"));
        buf_append(&run->text, buf_span(&items));
        xml_raw(&run->text, SPAN("</query>"));
        buf_append(jids, t->full);
        buf_append_char(jids, '\n');
        run->at++;
    }
    buf_free(&items);
    return got < 0 ? got : STORE_OK;
}

static int load_rosters(struct db *db, struct sm_run *run)
{
    struct buf jids = {0};
    int result = STORE_OK;

    for (size_t i = 0; i < run->target_count && result >= 0; i++)
        result = write_roster(db, run, &run->targets[i], &jids);
    sm_run_result(run);
    sm_run_result_lines(run, "accountjids", NULL, buf_span(&jids));
    buf_append(&run->result, buf_span(&run->text));
    buf_free(&jids);
    return result;
}

void sm_admin_get_roster(struct sm_run *run)
{
    if (sm_run_targets(run, "accountjids", SM_COMMAND_ACCOUNTS, false))
        sm_run_store(run, STORE_READ, load_rosters, complete);
}

/* --- sessions: run->text has a line each, as census.c writes them ----------------------------- */

/* The resource and the time of the next one that is t's; false: there is none. */
static bool next_session(struct span *lines, const struct sm_target *t, struct span *resource_r,
                         uint64_t *since_r)
{
    while (lines->n > 0) {
        const struct span line = sm_line_take(lines);
        const struct span jid = span_make(line.p, span_index(line, '\t'));
        const size_t slash = span_index(jid, '/');
        if (jid.n < line.n && slash < jid.n &&
            span_eq(span_make(jid.p, span_index(jid, '@')), t->local)) {
            *resource_r = span_from(jid, slash + 1);
            return span_to_u64(span_from(line, jid.n + 1), INT64_MAX, since_r);
        }
    }
    return false;
}

static void ask_sessions(struct sm_run *run,
                         void (*then)(void *ctx, const struct sm_tally *tally))
{
    sm_admin_target_lines(run);
    sm_fleet_ask(run->sm, "sessions", buf_span(&run->text), 0, then, run);
}

/* Keeps what has been found; false: it could not be asked, and that has been answered. */
static bool take_sessions(struct sm_run *run, const struct sm_tally *tally)
{
    if (!tally) {
        sm_run_refuse(run, STANZA_RESOURCE_CONSTRAINT, "too much at once");
        return false;
    }
    buf_clear(&run->text);
    buf_append(&run->text, buf_span(&tally->names));
    sm_admin_note_silent(run, tally);
    return true;
}

/* --- get-user-lastlogin ----------------------------------------------------------------------- */

/* Of who is not there: as it was kept when he left. 0: not known. */
static int64_t stored_login(struct db *db, int64_t account)
{
    struct db_stmt *st = db_sql(db, "SELECT login FROM last WHERE account = ?1");
    int64_t login = 0;

    db_bind_int(st, 1, account);
    if (db_step(st) > 0)
        login = db_int(st, 0);
    db_reset(st);
    return login;
}

static int64_t newest_session(const struct sm_run *run, const struct sm_target *t)
{
    struct span lines = buf_span(&run->text), resource;
    uint64_t newest = 0, since;

    while (next_session(&lines, t, &resource, &since)) {
        if (since > newest)
            newest = since;
    }
    return (int64_t)newest;
}

static int load_logins(struct db *db, struct sm_run *run)
{
    struct buf jids = {0}, times = {0};

    for (size_t i = 0; i < run->target_count; i++) {
        const struct sm_target *t = &run->targets[i];
        const int64_t account = sm_account_id(db, t->local);
        int64_t login = newest_session(run, t);
        if (!account) {
            sm_run_note(run, "error", t->full, NO_ACCOUNT);
            continue;
        }
        if (!login)
            login = stored_login(db, account);
        run->at++;
        buf_append(&jids, t->full);
        buf_append_char(&jids, '\n');
        if (login)
            sm_time_write(&times, login);
        else
            buf_append_z(&times, "never");
        buf_append_char(&times, '\n');
    }
    sm_run_result(run);
    sm_run_result_lines(run, "accountjids", NULL, buf_span(&jids));
    sm_run_result_lines(run, "lastlogin", "Last login", buf_span(&times));
    buf_free(&jids);
    buf_free(&times);
    return STORE_OK;
}

static void on_logins(void *ctx, const struct sm_tally *tally)
{
    struct sm_run *run = ctx;

    if (take_sessions(run, tally))
        sm_run_store(run, STORE_READ, load_logins, complete);
}

void sm_admin_get_last_login(struct sm_run *run)
{
    if (sm_run_targets(run, "accountjids", SM_COMMAND_ACCOUNTS, false))
        ask_sessions(run, on_logins);
}

/* --- user-stats ------------------------------------------------------------------------------- */

static int load_stats(struct db *db, struct sm_run *run)
{
    const struct sm_target *t = &run->targets[0];
    const int64_t account = sm_account_id(db, t->local);
    struct db_stmt *st = db_sql(db, "SELECT count(*) FROM roster WHERE account = ?1");
    struct span lines = buf_span(&run->text), resource;
    struct buf resources = {0};
    uint64_t since;

    db_bind_int(st, 1, account);
    int got = db_step(st);
    sm_run_result(run);
    sm_run_result_field(run, "accountjid", NULL, t->full);
    sm_run_result_number(run, "rostersize", "Roster size", got > 0 ? (uint64_t)db_int(st, 0) : 0);
    db_reset(st);
    while (next_session(&lines, t, &resource, &since)) {
        buf_append(&resources, resource);
        buf_append_char(&resources, '\n');
    }
    sm_run_result_lines(run, "onlineresources", "Online resources", buf_span(&resources));
    buf_free(&resources);
    run->at = account ? 1 : 0;
    return got < 0 ? got : STORE_OK;
}

static void on_stats(void *ctx, const struct sm_tally *tally)
{
    struct sm_run *run = ctx;

    if (take_sessions(run, tally))
        sm_run_store(run, STORE_READ, load_stats, complete);
}

void sm_admin_user_stats(struct sm_run *run)
{
    if (sm_run_targets(run, "accountjid", 1, false))
        ask_sessions(run, on_stats);
}
