/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * name - whether a name is free in the whole network: who registers it anew would take it away from
 * the user who has it elsewhere (c2s/NETWORK.md). Asked before people make accounts by themselves;
 * an administrator, who may move somebody, is not asked.
 */
#include "c2s/sm/network/network.h"

#include <stdlib.h>

struct name_ask {
    struct list_node node; /* in net->name_asks */
    void (*call)(void *ctx, enum sm_name_state state);
    void *ctx;
};

static void answer(struct name_ask *a, enum sm_name_state state)
{
    list_remove(&a->node);
    a->call(a->ctx, state);
    free(a);
}

/* Of one who is here, whoever makes the account sees it. */
static void on_home(void *ctx, const struct sm_home *home)
{
    if (home->kind == SM_HOME_HERE || home->kind == SM_HOME_NOBODY)
        answer(ctx, SM_NAME_FREE);
    else
        answer(ctx, home->kind == SM_HOME_AT ? SM_NAME_TAKEN : SM_NAME_UNCERTAIN);
}

enum sm_name_state sm_name_ask(struct sm *sm, struct span name,
                               void (*call)(void *ctx, enum sm_name_state state), void *ctx)
{
    struct name_ask *a;

    if (!sm_has_network(sm) || servers_members(sm->net->servers) == 1)
        return SM_NAME_FREE;
    a = mem_zalloc(sizeof(*a));
    a->call = call;
    a->ctx = ctx;
    if (!sm_home_ask(sm, name, on_home, a)) {
        free(a);
        return SM_NAME_UNCERTAIN;
    }
    list_append(&sm->net->name_asks, &a->node);
    return SM_NAME_ASKED;
}

void sm_names_close(struct sm *sm)
{
    while (!list_is_empty(&sm->net->name_asks))
        answer(CONTAINER_OF(sm->net->name_asks.next, struct name_ask, node), SM_NAME_UNCERTAIN);
}
