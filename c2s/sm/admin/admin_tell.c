/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * admin_tell - commands that say something to users: announcements and the message of the day,
 * XEP-0133 4.23 to 4.26. What the texts hold is not logged.
 */
#include "c2s/sm/admin/admin.h"

#include <inttypes.h>
#include <stdio.h>

static void on_told(void *ctx, const struct sm_tally *tally)
{
    struct sm_run *run = ctx;
    char text[64];

    if (!tally) {
        sm_run_refuse(run, STANZA_RESOURCE_CONSTRAINT, "too much at once");
        return;
    }
    snprintf(text, sizeof(text), "Users who are told now: %" PRIu64, tally->count);
    sm_run_note(run, "info", SPAN_NONE, text);
    sm_admin_note_silent(run, tally);
    sm_run_complete(run);
}

void sm_admin_announce(struct sm_run *run)
{
    if (sm_run_text(run, "announcement", SM_ANNOUNCEMENT_MAX))
        sm_fleet_ask(run->sm, "tell", buf_span(&run->text), 0, on_told, run);
}

/* --- the message of the day ------------------------------------------------------------------- */

static bool has_failed(struct sm_run *run, int result)
{
    if (result < 0)
        sm_run_refuse(run, STANZA_INTERNAL_SERVER_ERROR, "the storage failed");
    return result < 0;
}

static int set_motd(struct db *db, struct sm_run *run)
{
    run->number = sm_motd_set(db, buf_span(&run->text));
    return run->number < 0 ? (int)run->number : STORE_OK;
}

/* An edited one goes to those only who have not seen it. */
static void on_set(struct sm_run *run, int result)
{
    if (has_failed(run, result))
        return;
    if (run->number > 0)
        sm_fleet_ask(run->sm, "motd", SPAN_NONE, (uint64_t)run->number, on_told, run);
    else
        sm_run_complete(run);
}

void sm_admin_set_motd(struct sm_run *run)
{
    if (sm_run_text(run, "motd", SM_ANNOUNCEMENT_MAX))
        sm_run_store(run, STORE_WRITE, set_motd, on_set);
}

static int get_motd(struct db *db, struct sm_run *run)
{
    return sm_motd_get(db, &run->text);
}

static void on_got(struct sm_run *run, int result)
{
    if (!has_failed(run, result))
        sm_run_ask(run, buf_span(&run->text));
}

void sm_admin_ask_motd(struct sm_run *run)
{
    sm_run_store(run, STORE_READ, get_motd, on_got);
}

static int edit_motd(struct db *db, struct sm_run *run)
{
    const int result = sm_motd_edit(db, buf_span(&run->text));

    run->number = 0;
    return result == 0 ? set_motd(db, run) : result;
}

void sm_admin_edit_motd(struct sm_run *run)
{
    if (sm_run_text(run, "motd", SM_ANNOUNCEMENT_MAX))
        sm_run_store(run, STORE_WRITE, edit_motd, on_set);
}

static int delete_motd(struct db *db, struct sm_run *run)
{
    (void)run;
    return sm_motd_delete(db);
}

static void on_deleted(struct sm_run *run, int result)
{
    if (!has_failed(run, result))
        sm_run_complete(run);
}

void sm_admin_delete_motd(struct sm_run *run)
{
    sm_run_store(run, STORE_WRITE, delete_motd, on_deleted);
}
