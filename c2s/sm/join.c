/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * join - one completion for several purposes: a message may have to reach its recipient and two
 * archives before its sender is told that it is safe. Joins are kept for reuse.
 */
#include "c2s/sm/sm_private.h"

#include <stdlib.h>

struct sm_join {
    struct sm *sm;
    struct sm_join *next; /* in sm->spare_joins */
    struct link_done done;
    unsigned parts;
    bool is_safe;
};

static struct sm_join *take(struct sm *sm)
{
    struct sm_join *j = sm->spare_joins;

    if (j)
        sm->spare_joins = j->next;
    else
        j = mem_alloc(sizeof(*j));
    sm_hold(sm);
    return j;
}

static void on_part(void *ctx, bool is_safe)
{
    struct sm_join *j = ctx;
    struct sm *sm = j->sm;

    j->is_safe = j->is_safe && is_safe;
    if (--j->parts > 0)
        return;
    struct link_done done = j->done;
    is_safe = j->is_safe;
    j->next = sm->spare_joins;
    sm->spare_joins = j;
    sm_done(done, is_safe);
    sm_unhold(sm);
}

struct link_done sm_in_split_done(struct sm_in *in)
{
    struct sm_join *j;

    if (!in->done.call)
        return (struct link_done){0};
    if (in->done.call == on_part) {
        j = in->done.ctx;
        j->parts++;
        return in->done;
    }
    j = take(in->sm);
    *j = (struct sm_join){.sm = in->sm, .done = in->done, .parts = 2, .is_safe = true};
    in->done = (struct link_done){on_part, j};
    return in->done;
}

void sm_joins_free(struct sm *sm)
{
    while (sm->spare_joins) {
        struct sm_join *j = sm->spare_joins;
        sm->spare_joins = j->next;
        free(j);
    }
}
