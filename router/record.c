/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * record - the traffic of one component, written to a file for `kontalkctl replay`.
 *
 * Begun and ended by kontalkctl (control.c), kept in router->records; it waits for the component of
 * its name to connect, or begins with the one that is there. One line each: seconds since the
 * start, ">" from the component or "<" for it, the frame; or "up" and "down". The file grows to the
 * bound of [tap] at most.
 */
#include "base/log.h"
#include "base/mem.h"
#include "router/redact.h"
#include "router/router.h"
#include "router/trace.h"

#include <stdio.h>
#include <stdlib.h>

struct record {
    struct list_node node;
    struct router *router;
    struct span name; /* of the component; owned */
    struct trace trace;
    bool bodies;
    uint64_t start_us;
    size_t mark; /* where a frame in the output begins that is being written */
};

/* --- what is written -------------------------------------------------------------------------- */

static void add_line(struct record *rec, const char *what, struct span frame)
{
    struct buf *out = trace_begin(&rec->trace);
    if (!out)
        return;
    uint64_t us = loop_now_us(rec->router->loop) - rec->start_us;
    buf_printf(out, "%llu.%06llu %s", (unsigned long long)(us / 1000000),
               (unsigned long long)(us % 1000000), what);
    if (frame.n) {
        buf_append_char(out, ' ');
        redact_line(out, frame, rec->bodies);
    }
    trace_end(&rec->trace);
}

void record_frame(struct record *rec, bool is_from_it, struct span frame)
{
    add_line(rec, is_from_it ? ">" : "<", frame);
}

void record_begin(struct record *rec, const struct buf *out)
{
    rec->mark = buf_len(out);
}

void record_end(struct record *rec, const struct buf *out)
{
    record_frame(rec, false, span_from(buf_span(out), rec->mark));
}

static struct record *find(struct router *r, struct span name)
{
    LIST_FOR_EACH(n, &r->records)
    {
        struct record *rec = CONTAINER_OF(n, struct record, node);
        if (span_eq(rec->name, name))
            return rec;
    }
    return NULL;
}

void record_peer_up(struct peer *p)
{
    p->record = find(p->router, p->name);
    if (p->record)
        add_line(p->record, "up", SPAN_NONE);
}

void record_peer_down(struct peer *p)
{
    if (p->record)
        add_line(p->record, "down", SPAN_NONE);
    p->record = NULL;
}

/* --- start and stop --------------------------------------------------------------------------- */

static void record_free(struct record *rec)
{
    free((char *)(uintptr_t)rec->name.p);
    free(rec);
}

bool record_start(struct router *r, struct span name, const char *path, bool bodies,
                  char error_r[CONF_ERROR_MAX])
{
    if (find(r, name)) {
        snprintf(error_r, CONF_ERROR_MAX, "it is being recorded already");
        return false;
    }
    struct record *rec = mem_zalloc(sizeof *rec);
    *rec = (struct record){.router = r,
                           .name = span_of(mem_strdup_span(name)),
                           .bodies = bodies,
                           .start_us = loop_now_us(r->loop)};
    if (!trace_open(&rec->trace, r->loop, rec->name, path, TRACE_NEW,
                    (uint64_t)r->conf->tap_size, error_r)) {
        record_free(rec);
        return false;
    }
    buf_printf(trace_begin(&rec->trace), "# kontalk-record 1 %.*s %s", SPAN_ARG(name),
               bodies ? "bodies" : "no-bodies");
    trace_end(&rec->trace);
    list_append(&r->records, &rec->node);
    LOG(LOG_WARN, "record.start", F_SPAN("name", name), F_INT("bodies", bodies));
    LIST_FOR_EACH(n, &r->peers)
    {
        struct peer *p = CONTAINER_OF(n, struct peer, node);
        if (p->is_up && span_eq(p->name, name))
            p->record = rec;
    }
    return true;
}

static void end(struct record *rec)
{
    LIST_FOR_EACH(n, &rec->router->peers)
    {
        struct peer *p = CONTAINER_OF(n, struct peer, node);
        if (p->record == rec)
            p->record = NULL;
    }
    LOG(LOG_INFO, "record.end", F_SPAN("name", rec->name), F_INT("bytes", rec->trace.size));
    trace_close(&rec->trace);
    list_remove(&rec->node);
    record_free(rec);
}

bool record_stop(struct router *r, struct span name)
{
    struct record *rec = find(r, name);
    if (rec)
        end(rec);
    return rec != NULL;
}

void record_stop_all(struct router *r)
{
    LIST_FOR_EACH(n, &r->records)
    {
        end(CONTAINER_OF(n, struct record, node));
    }
}
