/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * admin_users - commands that change accounts, and end sessions: XEP-0133 4.1, 4.2, 4.5, 4.7.
 *
 * Accounts are changed by whoever keeps them (struct sm_account_ops of sm.h). A command about
 * several accounts goes through them one after the other, and notes which could not be changed.
 */
#include "c2s/sm/admin/admin.h"

#include "tls/crypto.h"

#include <inttypes.h>
#include <stdio.h>

static void on_changed(void *ctx, enum stanza_error e, const char *text)
{
    struct sm_run *run = ctx;

    if (e != STANZA_ERROR_NONE)
        sm_run_refuse(run, e, text);
    else
        sm_run_complete(run);
}

static struct sm_account_answer answer_to(struct sm_run *run)
{
    return (struct sm_account_answer){on_changed, run};
}

/* False: the process is ending. */
static bool has_accounts(struct sm_run *run)
{
    if (run->sm->accounts)
        return true;
    sm_run_refuse(run, STANZA_SERVICE_UNAVAILABLE, NULL);
    return false;
}

void sm_admin_add_user(struct sm_run *run)
{
    const struct span password = sm_run_value(run, "password");
    const struct sm *sm = run->sm;

    if (!crypto_equal(password, sm_run_value(run, "password-verify"))) {
        sm_run_refuse(run, STANZA_NOT_ACCEPTABLE, "the passwords differ");
        return;
    }
    if (has_accounts(run) && sm_run_targets(run, "accountjid", 1, false))
        sm->accounts->add(sm->accounts_ctx, run->targets[0].local, password, answer_to(run));
}

void sm_admin_change_password(struct sm_run *run)
{
    const struct sm *sm = run->sm;

    if (has_accounts(run) && sm_run_targets(run, "accountjid", 1, false))
        sm->accounts->set_password(sm->accounts_ctx, run->targets[0].local,
                                   sm_run_value(run, "password"), answer_to(run));
}

/* --- delete-user --- */

static void delete_next(struct sm_run *run);

/* His sessions end whether or not the account was found: another instance may have removed it. */
static void on_deleted(void *ctx, enum stanza_error e, const char *text)
{
    struct sm_run *run = ctx;
    const struct sm_target *t = &run->targets[run->at++];

    if (!run->sm->is_closed)
        sm_user_deleted(run->sm, t->local);
    if (e != STANZA_ERROR_NONE)
        sm_run_note(run, "error", t->full, text);
    delete_next(run);
}

static void delete_next(struct sm_run *run)
{
    const struct sm *sm = run->sm;

    if (run->at == run->target_count)
        sm_run_complete(run);
    else if (has_accounts(run))
        sm->accounts->remove(sm->accounts_ctx, run->targets[run->at].local,
                             (struct sm_account_answer){on_deleted, run});
}

void sm_admin_delete_users(struct sm_run *run)
{
    if (sm_run_targets(run, "accountjids", SM_COMMAND_ACCOUNTS, false))
        delete_next(run);
}

/* --- end-user-session --- */

static void on_ended(void *ctx, const struct sm_tally *tally)
{
    struct sm_run *run = ctx;
    char text[64];

    if (!tally) {
        sm_run_refuse(run, STANZA_RESOURCE_CONSTRAINT, "too much at once");
        return;
    }
    snprintf(text, sizeof(text), "Sessions ended: %" PRIu64, tally->count);
    sm_run_note(run, "info", SPAN_NONE, text);
    sm_admin_note_silent(run, tally);
    sm_run_complete(run);
}

void sm_admin_end_sessions(struct sm_run *run)
{
    if (!sm_run_targets(run, "accountjids", SM_COMMAND_ACCOUNTS, true))
        return;
    sm_admin_target_lines(run);
    sm_fleet_ask(run->sm, "end", buf_span(&run->text), 0, on_ended, run);
}
