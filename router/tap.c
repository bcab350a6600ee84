/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tap - copies of what passes the router, appended to a file, for debugging ([tap] of router.conf).
 *
 * One line a stanza: time, from whom, to whom, bytes, the stanza. Unless bodies are wanted, each
 * text is replaced by its length: "<body>[12]</body>".
 */
#include "router/redact.h"
#include "router/router.h"
#include "router/trace.h"

#include <stdio.h>
#include <stdlib.h>

struct tap {
    struct trace trace;
    bool bodies;
};

struct tap *tap_new(struct loop *loop, const char *path, bool bodies, uint64_t size_max,
                    char error_r[CONF_ERROR_MAX])
{
    char why[CONF_ERROR_MAX];
    struct tap *t = mem_zalloc(sizeof *t);
    t->bodies = bodies;
    if (!trace_open(&t->trace, loop, SPAN("tap"), path, TRACE_APPEND, size_max, why)) {
        snprintf(error_r, CONF_ERROR_MAX, "tap: %.*s", CONF_ERROR_MAX - 6, why);
        free(t);
        return NULL;
    }
    return t;
}

void tap_free(struct tap **tap)
{
    struct tap *t = *tap;
    *tap = NULL;
    if (!t)
        return;
    trace_close(&t->trace);
    free(t);
}

void tap_copy(struct tap *t, struct span from, struct span to, struct span bytes)
{
    struct buf *out = trace_begin(&t->trace);
    if (!out)
        return;
    buf_printf(out, "%lld %.*s > %.*s %zu ", (long long)loop_wall(t->trace.loop), SPAN_ARG(from),
               SPAN_ARG(to), bytes.n);
    redact_line(out, bytes, t->bodies);
    trace_end(&t->trace);
}
