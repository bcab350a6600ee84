/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bounce - a line of a play: "bounce N: A and B: TEXT". A says TEXT, and then both return each
 * stanza that they hear as bad programs do, errors as well: the addresses exchanged, type='error',
 * one more <error/> behind what is there. C15: it must come to its end after N of them at most;
 * whatever happens, after 100,000.
 */
#include "play.h"

#include "text.h"
#include "xml/framer.h"
#include "xml/starttag.h"

#include <stdio.h>

#define HOPS_MAX 100000
#define ERROR                                                                                      \
    "<error type='cancel'>"                                                                        \
    "<undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"

/* Users of the host need not say who they are; a component must. */
static bool is_component(struct span jid)
{
    return !span_eq(jid_domain_of(jid), SPAN(STAGE_HOST)) &&
           !span_eq(jid_domain_of(jid), SPAN(STAGE_NETWORK));
}

static void write_return(struct buf *out, struct span frame)
{
    struct starttag tag;
    if (!starttag_scan(frame, &tag))
        return;
    struct span inside = span_from(frame, tag.length);
    if (tag.is_empty)
        inside = SPAN("");
    else
        inside.n -= tag.name.n + 3; /* </name> */
    buf_printf(out, "<%.*s type='error' to='%.*s'", SPAN_ARG(tag.name), SPAN_ARG(tag.from));
    if (is_component(tag.to))
        buf_printf(out, " from='%.*s'", SPAN_ARG(tag.to));
    if (!span_is_none(tag.id))
        buf_printf(out, " id='%.*s'", SPAN_ARG(tag.id));
    buf_printf(out, ">%.*s" ERROR "</%.*s>", SPAN_ARG(inside), SPAN_ARG(tag.name));
}

/* How many stanzas it has heard and returned. */
static size_t returns(struct actor *a)
{
    struct framer framer;
    struct buf heard = a->heard, out = {0};
    struct span rest = buf_span(&heard);
    enum frame frame;
    size_t count = 0;
    a->heard = (struct buf){0};
    framer_init_stanzas(&framer, &framer_limits_link);
    while (rest.n > 0) {
        size_t n = framer_scan(&framer, rest.p, rest.n, &frame);
        if (frame != FRAME_STANZA && frame != FRAME_SPACE)
            break; /* the end of the stream */
        if (frame == FRAME_STANZA) {
            write_return(&out, span_make(rest.p, n));
            count++;
        }
        rest = span_from(rest, n);
    }
    actor_say(a, buf_span(&out));
    buf_free(&heard);
    buf_free(&out);
    return count;
}

bool bounce_run(struct play *p, struct span line)
{
    char why[80];
    uint64_t most = 0;
    struct span number = {line.p, span_index(line, ':')};
    line = span_from(line, number.n + 2);
    struct span names = {line.p, span_index(line, ':')};
    struct span text = span_from(line, names.n + 2);
    struct span first = {names.p, span_index(names, ' ')};
    struct actor *a = stage_actor(p->stage, first);
    struct actor *b = stage_actor(p->stage, span_from(names, first.n + sizeof " and " - 1));
    size_t hops = 0, now = 1;
    span_to_u64(number, HOPS_MAX, &most);
    buf_clear(&a->heard);
    buf_clear(&b->heard);
    play_says(a, text);
    while (now > 0 && hops < HOPS_MAX) {
        now = returns(a) + returns(b);
        hops += now;
        if (now == 0) { /* something may take its time */
            loop_sim_advance(p->stage->loop, 1000);
            now = buf_len(&a->heard) + buf_len(&b->heard);
        }
    }
    if (hops <= most && a->conn && b->conn)
        return true;
    snprintf(why, sizeof why, "%zu stanzas returned%s", hops,
             a->conn && b->conn ? "" : ", and a stream has ended");
    return play_fail(p, why, number, SPAN_NONE);
}
