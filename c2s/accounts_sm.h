/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * accounts_sm - the accounts as the session manager has them changed; ctx is a struct accounts.
 */
#ifndef C2S_ACCOUNTS_SM_H
#define C2S_ACCOUNTS_SM_H

#include "c2s/sm/sm.h"

extern const struct sm_account_ops accounts_sm_ops;

#endif
