/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * trial - one line of a table of hostile inputs: "WHERE: TEXT => OUTCOME".
 *
 * A new connection of the user mallory, brought to WHERE, says TEXT:
 *
 *   clear    connected without TLS      open     TLS, header and features exchanged
 *   header   the same, header sent      authed   logged in, header and features exchanged
 *   tls      TLS, nothing said yet      bound    has a session mallory/x
 *   negotiated  TLS after STARTTLS
 *
 * OUTCOME is the name of a stream error: this must be all that is heard, the end of the stream
 * must follow, and the connection must end by itself within 5 s. Or it is what is heard, and
 * nothing else; then the stream must be alive and end in order, unless OUTCOME is "closed" (an end
 * without a word) or holds the end of the stream, as with a failure of SASL.
 *
 * After each trial the witness of the play must have heard nothing, and must still be served.
 */
#include "play.h"

#include "text.h"

#include <stdio.h>

#define END "</stream:stream>"

/* --- getting there ---------------------------------------------------------------------------- */

static bool negotiates(struct play *p, struct actor *a)
{
    play_opens(a, SPAN(""));
    play_says(a, SPAN("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"));
    actor_start_tls(a);
    return play_hears(p, a, SPAN("...<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"));
}

static bool gets_to(struct play *p, struct actor *a, struct span where)
{
    static const struct span user = SPAN_INIT("mallory");
    bool in_clear = span_eq(where, SPAN("clear")) || span_eq(where, SPAN("header")) ||
                    span_eq(where, SPAN("negotiated"));
    actor_connect(a, 1, !in_clear);
    if (span_eq(where, SPAN("clear")) || span_eq(where, SPAN("tls")))
        return true;
    if (span_eq(where, SPAN("negotiated")))
        return negotiates(p, a);
    if (span_eq(where, SPAN("header")) || span_eq(where, SPAN("open"))) {
        play_opens(a, SPAN(""));
        return play_hears(p, a, SPAN("...</stream:features>"));
    }
    if (!play_authenticates(p, a, user, SPAN("")))
        return false;
    if (span_eq(where, SPAN("authed")))
        return true;
    if (span_eq(where, SPAN("bound")))
        return play_binds(p, a, SPAN("x"));
    return play_fail(p, "no such place", where, SPAN_NONE);
}

/* --- what comes of it ------------------------------------------------------------------------- */

static bool is_stream_error(struct span outcome)
{
    for (int e = 1; e <= STREAM_UNSUPPORTED_VERSION; e++)
        if (span_eq(outcome, span_of(stream_error_name((enum stream_error)e))))
            return true;
    return false;
}

/* Its own header comes before an error that ends the opening. */
static bool hears_error(struct play *p, struct actor *a, struct span name)
{
    char pattern[256];
    struct span heard = buf_span(&a->heard);
    if (span_starts(heard, SPAN("<?xml")) && !play_hears(p, a, SPAN("<?xml...<stream:stream...>")))
        return false;
    snprintf(
        pattern, sizeof pattern,
        "<stream:error><%.*s xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>...</stream:error>" END,
        SPAN_ARG(name));
    return play_hears(p, a, span_of(pattern));
}

static bool ends_alone(struct play *p, struct actor *a)
{
    loop_sim_advance(p->stage->loop, 5000);
    if (a->conn)
        return play_fail(p, "not closed", SPAN_NONE, buf_span(&a->heard));
    return true;
}

static bool is_alive(struct play *p, struct actor *a)
{
    play_says(a, SPAN(END));
    return play_hears(p, a, SPAN(END)) && ends_alone(p, a);
}

static bool ends(struct play *p, struct actor *a, struct span outcome)
{
    if (span_eq(outcome, SPAN("closed")))
        return ends_alone(p, a) && play_hears(p, a, SPAN("nothing"));
    if (is_stream_error(outcome))
        return hears_error(p, a, outcome) && play_hears(p, a, SPAN("nothing")) && ends_alone(p, a);
    if (!play_hears(p, a, outcome) || !play_hears(p, a, SPAN("nothing")))
        return false;
    return span_ends(outcome, SPAN(END)) ? ends_alone(p, a) : is_alive(p, a);
}

static bool witness_is_well(struct play *p)
{
    struct actor *w = p->witness;
    if (!w)
        return true;
    if (!play_hears(p, w, SPAN("nothing")))
        return false;
    play_says(w, SPAN("<iq type='get' id='well'><ping xmlns='urn:xmpp:ping'/></iq>"));
    return play_hears(p, w, SPAN("<iq type='result' id='well'...>")) &&
           play_hears(p, w, SPAN("nothing"));
}

bool trial_run(struct play *p, struct span line)
{
    struct span where = {line.p, span_index(line, ':')};
    const char *arrow = memmem(line.p, line.n, " => ", 4);
    if (where.n + 2 > line.n || !arrow)
        return play_fail(p, "WHERE: TEXT => OUTCOME is wanted", line, SPAN_NONE);
    struct span text = span_from(line, where.n + 2);
    text.n = (size_t)(arrow - text.p);
    struct span outcome = span_from(line, (size_t)(arrow + 4 - line.p));
    struct actor *a = stage_actor(p->stage, SPAN("mallory"));
    if (!gets_to(p, a, where))
        return false;
    play_says(a, text);
    return ends(p, a, outcome) && witness_is_well(p);
}
