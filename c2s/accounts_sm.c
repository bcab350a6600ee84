/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * accounts_sm - the session manager's way to the accounts: results become conditions of stanza
 * errors. Given to it by process.c; each call is one of accounts.h, with what it takes to answer.
 */
#include "c2s/accounts_sm.h"

#include "base/mem.h"
#include "c2s/accounts.h"

#include <stdlib.h>

static enum stanza_error error_of(enum accounts_result r)
{
    switch (r) {
    case ACCOUNTS_OK:
        return STANZA_ERROR_NONE;
    case ACCOUNTS_EXISTS:
        return STANZA_CONFLICT;
    case ACCOUNTS_UNKNOWN:
        return STANZA_ITEM_NOT_FOUND;
    case ACCOUNTS_BAD_PASSWORD:
        return STANZA_NOT_ACCEPTABLE;
    case ACCOUNTS_FAILED:
        break;
    }
    return STANZA_INTERNAL_SERVER_ERROR;
}

static struct sm_account_answer *keep(struct sm_account_answer answer)
{
    struct sm_account_answer *kept = mem_alloc(sizeof *kept);
    *kept = answer;
    return kept;
}

static void on_done(void *ctx, enum accounts_result r)
{
    struct sm_account_answer answer = *(struct sm_account_answer *)ctx;
    free(ctx);
    answer.done(answer.ctx, error_of(r), r == ACCOUNTS_OK ? NULL : accounts_result_text(r));
}

static void add(void *ctx, struct span name, struct span password,
                struct sm_account_answer answer)
{
    accounts_add(ctx, name, password, on_done, keep(answer));
}

static void set_password(void *ctx, struct span name, struct span password,
                         struct sm_account_answer answer)
{
    accounts_set_password(ctx, name, password, on_done, keep(answer));
}

static void remove_account(void *ctx, struct span name, struct sm_account_answer answer)
{
    accounts_delete(ctx, name, on_done, keep(answer));
}

const struct sm_account_ops accounts_sm_ops = {
    .add = add,
    .set_password = set_password,
    .remove = remove_account,
};
