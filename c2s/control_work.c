/* SPDX-License-Identifier: GPL-3.0-or-later */
/* control_work - requests of kontalkctl that take their time: see control.h. */
#include "c2s/control.h"

#include <stdlib.h>

#define BEAT_MS 5000

static void on_beat(void *ctx)
{
    struct control_work *w = ctx;

    const uint64_t seconds = (loop_now(w->c2s->loop) - w->since) / 1000;

    control_row_number(w->call, SPAN("progress"), w->progress ? w->progress(w) : seconds);
    timer_start(&w->beat, w->c2s->loop, BEAT_MS, on_beat, w);
}

void control_work_begin(struct control_work *w, struct c2s *c2s, struct control_call *call)
{
    w->c2s = c2s;
    w->call = call;
    w->since = loop_now(c2s->loop);
    list_append(&c2s->works, &w->node);
    control_row2(call, SPAN("key"), SPAN("value"));
    timer_start(&w->beat, c2s->loop, BEAT_MS, on_beat, w);
}

void control_work_end(struct control_work *w, const char *error)
{
    if (error)
        control_error(w->call, error);
    else
        control_ok(w->call);
    timer_stop(&w->beat);
    list_remove(&w->node);
    if (w->destroy)
        w->destroy(w);
    free(w);
}

void control_works_drop(struct c2s *c2s)
{
    LIST_FOR_EACH (node, &c2s->works)
        control_work_end(CONTAINER_OF(node, struct control_work, node), "the process is stopping");
}
