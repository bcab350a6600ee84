/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * live - kontalkctl's taps: rows of an answer that goes on until the asker hangs up. Each of them
 * is made by the control command `tap` and ends with its call. Whoever reads too slowly loses rows,
 * and is told how many; the router never waits for him.
 */
#include "base/control.h"
#include "base/log.h"
#include "base/mem.h"
#include "router/redact.h"
#include "router/router.h"
#include "xmpp/ns.h"

#include <stdio.h>
#include <stdlib.h>

#define QUEUE_MAX ((size_t)1 << 20)
#define FRAME_MAX_BYTES ((size_t)64 << 10) /* of a longer stanza only the beginning is shown */

struct live {
    struct list_node node;
    struct router *router;
    struct control_call *call;
    struct span address; /* whose stanzas; owned; none: everybody's */
    bool bodies;
    uint64_t lost;
};

/* --- whose stanza is it? ---------------------------------------------------------------------- */

/* An address is full, or bare with all of its resources, or a domain with all its users. */
static bool concerns(struct span address, struct span jid)
{
    if (span_is_none(jid))
        return false;
    return span_eq(jid, address) || span_eq(jid_bare_of(jid), address) ||
           span_eq(jid_domain_of(jid), address);
}

/* Is it in there, as an attribute, perhaps with a resource? For envelopes, whose insides only our
 * client servers understand. */
static bool mentions(struct span frame, struct span address)
{
    const char *hit;
    while ((hit = memmem(frame.p, frame.n, address.p, address.n))) {
        const char *after = hit + address.n, *end = frame.p + frame.n;
        if (hit > frame.p && strchr("'\"", hit[-1]) && after < end && strchr("'\"/", *after))
            return true;
        frame = span_make(hit + 1, (size_t)(end - hit - 1));
    }
    return false;
}

static bool is_wanted(struct span address, struct span frame)
{
    struct starttag tag;
    if (!starttag_scan(frame, &tag))
        return false;
    if (concerns(address, tag.from) || concerns(address, tag.to))
        return true;
    return span_eq(tag.name, SPAN("envelope")) && mentions(frame, address);
}

/* --- rows ------------------------------------------------------------------------------------- */

static void row(struct live *l, struct span from, struct span to, size_t bytes, struct span text)
{
    char time[24], size[24];
    snprintf(time, sizeof time, "%lld", (long long)loop_wall(l->router->loop));
    snprintf(size, sizeof size, "%zu", bytes);
    control_row(l->call, (const struct span[]){span_of(time), from, to, span_of(size), text}, 5);
}

static void tell_lost(struct live *l)
{
    char text[64];
    snprintf(text, sizeof text, "%llu stanzas lost: read faster, or filter",
             (unsigned long long)l->lost);
    row(l, SPAN("router"), SPAN(""), 0, span_of(text));
    l->lost = 0;
}

static void show(struct live *l, struct span from, struct span to, struct span bytes)
{
    struct buf text = {0};
    if (!span_is_none(l->address) && !span_eq(from, l->address) && !span_eq(to, l->address) &&
        !is_wanted(l->address, bytes))
        return;
    if (control_queued(l->call) > QUEUE_MAX) {
        l->lost++;
        return;
    }
    if (l->lost)
        tell_lost(l);
    redact_line(&text, span_make(bytes.p, bytes.n < FRAME_MAX_BYTES ? bytes.n : FRAME_MAX_BYTES),
                l->bodies);
    row(l, from, to, bytes.n, buf_span(&text));
    buf_free(&text);
}

void live_copy(struct router *r, struct span from, struct span to, struct span bytes)
{
    LIST_FOR_EACH(n, &r->live_taps)
    {
        show(CONTAINER_OF(n, struct live, node), from, to, bytes);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static void end(struct live *l)
{
    LOG(LOG_INFO, "tap.end", F_SPAN("address", l->address));
    list_remove(&l->node);
    control_ok(l->call);
    free((char *)(uintptr_t)l->address.p);
    free(l);
}

static void on_gone(void *ctx)
{
    end(ctx);
}

void live_start(struct router *r, struct control_call *call, struct span address, bool bodies)
{
    static const struct span columns[] = {SPAN_INIT("time"), SPAN_INIT("from"), SPAN_INIT("to"),
                                          SPAN_INIT("bytes"), SPAN_INIT("stanza")};
    struct live *l = mem_zalloc(sizeof *l);
    *l = (struct live){.router = r, .call = call, .bodies = bodies};
    if (!span_is_empty(address))
        l->address = span_of(mem_strdup_span(address));
    list_append(&r->live_taps, &l->node);
    LOG(LOG_WARN, "tap.start", F_SPAN("address", l->address), F_INT("bodies", bodies));
    control_row(call, columns, ARRAY_LEN(columns));
    control_watch(call, on_gone, l);
}

void live_end_all(struct router *r)
{
    LIST_FOR_EACH(n, &r->live_taps)
    {
        end(CONTAINER_OF(n, struct live, node));
    }
}
