/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control_wait - answers that wait until something has come to its end. It is looked at again and
 * again: so nothing that it is about needs to know of the asker, or may not go in the meantime.
 */
#include "base/control.h"

#include "base/loop.h"
#include "base/mem.h"

#include <stdlib.h>

#define LOOK_MS 50
#define WAIT_MS 25000 /* the asker's patience is 30 s */

struct control_wait {
    struct control_call *call;
    const struct control_waiting *what;
    void *ctx;
    struct loop *loop;
    struct timer look;
    uint64_t until;
    size_t n;
    char name[];
};

static void look(void *ctx)
{
    struct control_wait *w = ctx;
    struct span name = span_make(w->name, w->n);
    if (w->what->is_under_way(w->ctx, name) && loop_now(w->loop) < w->until) {
        timer_start(&w->look, w->loop, LOOK_MS, look, w);
        return;
    }
    w->what->answer(w->ctx, w->call, name);
    free(w);
}

void control_wait(struct control_call *call, struct loop *loop, const struct control_waiting *what,
                  void *ctx, struct span name)
{
    struct control_wait *w = mem_zalloc(sizeof *w + name.n);
    w->call = call;
    w->what = what;
    w->ctx = ctx;
    w->loop = loop;
    w->until = loop_now(loop) + WAIT_MS;
    w->n = name.n;
    memcpy(w->name, name.p, name.n);
    look(w);
}
