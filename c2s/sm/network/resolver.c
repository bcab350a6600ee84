/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * resolver - where a user is at home.
 */
#include "c2s/sm/network/network.h"

struct sm_home sm_home_peek(const struct sm *sm, struct span localpart)
{
    (void)sm, (void)localpart;
    return (struct sm_home){.kind = SM_HOME_HERE};
}

bool sm_home_ask(struct sm *sm, struct span localpart,
                 void (*call)(void *ctx, const struct sm_home *home), void *ctx)
{
    (void)sm, (void)localpart, (void)call, (void)ctx;
    return false;
}

void sm_home_learn(struct sm *sm, struct span localpart, struct span host, int64_t stamp)
{
    (void)sm, (void)localpart, (void)host, (void)stamp;
}

void sm_home_forget(struct sm *sm, struct span localpart)
{
    (void)sm, (void)localpart;
}

void sm_home_on_account(struct sm *sm, struct span localpart, bool is_there)
{
    (void)sm, (void)localpart, (void)is_there;
}

void sm_resolver_open(struct sm *sm)
{
    (void)sm;
}

void sm_resolver_close(struct sm *sm)
{
    (void)sm;
}

void sm_resolver_follow(struct sm *sm)
{
    (void)sm;
}
