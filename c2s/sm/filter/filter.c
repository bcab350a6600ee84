/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * filter - a component of the operator's is asked about stanzas before they go on: let through,
 * refused, or changed ([filter] in the configuration, c2s/FILTER.md).
 *
 * Rows of hooks.c call it: for what a client of ours sends, and for what comes to an account of
 * ours, owned here or by nobody. Without a filter that costs one look at a pointer. The question
 * comes from this instance's own name, so that the answer comes to this process. Nothing is lost
 * when no answer comes: the configuration says whether stanzas then pass or are refused.
 */
#include "c2s/sm/filter/filter.h"

#include "tls/crypto.h"

#include <stdio.h>
#include <stdlib.h>

/* Of a question: an answer that holds it once more passes any component's limits at the router. */
#define QUESTION_BYTES 500000
#define QUESTION_DEPTH 60
#define REPORT_MS 10000

/* --- failures --------------------------------------------------------------------------------- */

static void on_report(void *ctx);

static void report(struct sm_filter *f)
{
    const uint64_t *n = f->failures;

    LOG(LOG_WARN, "sm.filter_failed", F_SPAN("component", buf_span(&f->component)),
        F_STR("stanzas", f->opts.refuses ? "refused" : "passed"), F_INT("late", n[FILTER_LATE]),
        F_INT("error", n[FILTER_REFUSED]), F_INT("bad", n[FILTER_BAD]),
        F_INT("away", n[FILTER_AWAY]), F_INT("full", n[FILTER_FULL]), F_INT("big", n[FILTER_BIG]));
    memset(f->failures, 0, sizeof(f->failures));
    timer_start(&f->report, f->sm->loop, REPORT_MS, on_report, f);
}

static void on_report(void *ctx)
{
    struct sm_filter *f = ctx;

    for (size_t i = 0; i < FILTER_CAUSES; i++) {
        if (f->failures[i] > 0) {
            report(f);
            return;
        }
    }
}

/* The first is told at once, what follows by numbers. */
static void count_failure(struct sm_filter *f, enum filter_cause cause)
{
    f->failures[cause]++;
    if (!timer_is_running(&f->report))
        report(f);
}

#define REASON "cannot be checked at the moment"

void filter_fail(struct sm_filter *f, struct filter_entry *e, enum filter_cause cause)
{
    count_failure(f, cause);
    filter_close_question(e);
    e->verdict = f->opts.refuses ? FILTER_DROP : FILTER_PASS;
    e->error = STANZA_RESOURCE_CONSTRAINT;
    e->reason = REASON;
}

/* --- which stanzas ---------------------------------------------------------------------------- */

static unsigned kind_of(const struct stanza *s)
{
    const struct span name = stanza_root(s)->name;

    if (span_eq(name, SPAN("message")))
        return SM_FILTER_MESSAGE;
    return span_eq(name, SPAN("presence")) ? SM_FILTER_PRESENCE : SM_FILTER_IQ;
}

static bool is_iq(const struct stanza *s)
{
    return span_eq(stanza_root(s)->name, SPAN("iq"));
}

/* To the server, or to the sender's own account: nobody else's affair. */
static bool is_between_us(const struct sm_in *in)
{
    const struct sm *sm = in->sm;

    if (!is_iq(in->stanza) || !in->session || !jid_is_bare(&in->to))
        return false;
    if (span_is_none(in->to.local))
        return sm_is_local_domain(sm, in->to.domain) || span_eq(in->to.domain, sm->opts.instance);
    return in->session->user && sm_in_user(in) == in->session->user;
}

/* Made by the server, or asked about when one of our users sent it, here or at another instance. */
static bool is_known(const struct sm_filter *f, const struct sm_in *in)
{
    const struct span from = in->stanza->from;

    if (!in->session && !in->is_from_link)
        return true;
    if (sm_is_local_domain(f->sm, from))
        return true;
    if (f->opts.is_twice || !(f->opts.directions & SM_SENDING))
        return false;
    return in->session || sm_is_local_domain(f->sm, jid_domain_of(from));
}

static bool is_due(const struct sm_filter *f, const struct sm_in *in, enum sm_direction direction)
{
    const struct span domain = jid_domain_of(buf_span(&f->component));

    if (!(f->opts.directions & direction) || !(f->opts.kinds & kind_of(in->stanza)) || in->is_again)
        return false;
    if (direction == SM_SENDING ? span_is_none(in->stanza->to) : is_known(f, in))
        return false;
    return !span_eq(in->to.domain, domain) && !span_eq(jid_domain_of(in->stanza->from), domain) &&
           !is_between_us(in);
}

/* --- asking ----------------------------------------------------------------------------------- */

static size_t depth_of(const struct stanza *s)
{
    size_t deepest = 0;

    for (uint32_t i = 0; i < s->node_count; i++) {
        size_t depth = 1;
        for (uint32_t up = i; up; up = s->nodes[up].parent)
            depth++;
        if (depth > deepest)
            deepest = depth;
    }
    return deepest;
}

/* The stanza as jabber:client has it, in f->text. */
static bool render(struct sm_filter *f, const struct sm_in *in)
{
    const struct stanza_write_opts opts = {
        .ns = SPAN(NS_CLIENT),
        .from_ns = stanza_root(in->stanza)->ns,
        .to = in->to.full,
        .from = in->stanza->from,
    };

    buf_clear(&f->text);
    stanza_write(&f->text, in->stanza, &opts);
    return buf_len(&f->text) <= QUESTION_BYTES && depth_of(in->stanza) <= QUESTION_DEPTH;
}

static void write_question(struct sm_filter *f, struct buf *out, const struct filter_entry *e,
                           enum sm_direction direction)
{
    const struct span name = stanza_root(&e->stanza)->name;

    xml_raw(out, SPAN("<iq type='set'"));
    xml_attr(out, "id", span_of(e->id));
    xml_attr(out, "from", f->sm->opts.instance);
    xml_attr(out, "to", buf_span(&f->component));
    xml_raw(out, SPAN("><filter xmlns='" NS_FILTER "'"));
    xml_attr(out, "direction", direction == SM_SENDING ? SPAN("sending") : SPAN("receiving"));
    xml_raw(out, SPAN("><"));
    xml_raw(out, name);
    xml_raw(out, SPAN(" xmlns='" NS_CLIENT "'"));
    buf_append(out, span_from(buf_span(&f->text), 1 + name.n));
    xml_raw(out, SPAN("</filter></iq>"));
}

static void on_deadline(void *ctx)
{
    struct filter_entry *e = ctx;

    filter_fail(e->lane->filter, e, FILTER_LATE);
    filter_release(e->lane);
}

/* What is in f->text. */
static void ask(struct sm_filter *f, struct filter_entry *e, enum sm_direction direction)
{
    struct sm *sm = f->sm;
    struct buf *out = sm_is_linked(sm) ? link_begin(sm->link, (struct link_done){0}) : NULL;

    if (!out) {
        filter_fail(f, e, FILTER_AWAY);
        return;
    }
    snprintf(e->id, sizeof(e->id), "filter-%s-%llu", f->salt, (unsigned long long)++f->serial);
    write_question(f, out, e, direction);
    link_end(sm->link);
    map_put(&f->questions, span_of(e->id), e);
    timer_start(&e->deadline, sm->loop, f->opts.deadline, on_deadline, e);
}

/* No room, or no way to ask, with nothing before it that waits. */
static bool fail_now(struct sm_filter *f, struct sm_in *in, enum sm_direction direction,
                     enum filter_cause cause)
{
    count_failure(f, cause);
    return !f->opts.refuses || filter_drop(f, in, direction, STANZA_RESOURCE_CONSTRAINT, REASON);
}

/* When there is no room, those before it have to go first: it must not overtake. */
static bool without_room(struct sm_filter *f, struct filter_lane *lane, struct sm_in *in,
                         enum sm_direction direction, bool is_asked)
{
    if (lane && !(is_asked && f->opts.refuses))
        filter_flush(lane, FILTER_FULL);
    return !is_asked || fail_now(f, in, direction, FILTER_FULL);
}

/* False: it waits, or has been refused. What has waited here already goes on. */
static bool look(struct sm_in *in, enum sm_direction direction)
{
    struct sm_filter *f = in->sm->filter;
    struct filter_lane *lane;
    struct filter_entry *e;
    bool is_asked, is_big;

    if (in->filtered & direction)
        return true;
    lane = filter_lane_find(f, in, direction);
    is_asked = is_due(f, in, direction);
    if (!is_asked && !lane)
        return true;
    if (is_asked && !lane && !sm_is_linked(in->sm))
        return fail_now(f, in, direction, FILTER_AWAY);
    if (!filter_has_room(f, lane, in->stanza))
        return without_room(f, lane, in, direction, is_asked);
    is_big = is_asked && !render(f, in);
    if (is_big && !lane)
        return fail_now(f, in, direction, FILTER_BIG);
    e = filter_keep(f, lane, in, direction);
    if (!is_asked)
        e->verdict = FILTER_PASS;
    else if (is_big)
        filter_fail(f, e, FILTER_BIG);
    else
        ask(f, e, direction);
    filter_release(e->lane); /* the link may have taken nothing */
    return false;
}

bool sm_filter_sending(struct sm_in *in)
{
    return !in->sm->filter || look(in, SM_SENDING);
}

bool sm_filter_receiving(struct sm_in *in, struct sm_user *user)
{
    (void)user;
    return !in->sm->filter || look(in, SM_RECEIVING);
}

bool sm_filter_absent(struct sm_in *in)
{
    return !in->sm->filter || look(in, SM_RECEIVING);
}

bool sm_filter_own(struct sm_in *in)
{
    return !in->session->filter_lane || look(in, SM_SENDING);
}

/* --- answers, and what happens to the filter -------------------------------------------------- */

bool sm_filter_answer(const struct sm_in *in)
{
    struct sm_filter *f = in->sm->filter;
    struct filter_entry *e = f ? map_get(&f->questions, in->stanza->id) : NULL;
    struct jid_scratch scratch SM_HOT;
    struct jid from;

    if (!e || !in->is_from_link || !jid_parse(in->stanza->from, &from, &scratch) ||
        !span_eq(from.full, buf_span(&f->component)))
        return false;
    if (span_eq(in->stanza->type, SPAN("error")))
        filter_fail(f, e, FILTER_REFUSED);
    else
        filter_read_answer(f, e, in->stanza);
    filter_release(e->lane);
    return true;
}

void sm_filter_away(struct sm *sm)
{
    if (sm->filter)
        filter_flush_all(sm->filter, false);
}

void sm_filter_on_route(struct sm *sm, struct span name, bool is_up)
{
    struct sm_filter *f = sm->filter;

    if (f && !is_up && span_eq(name, jid_domain_of(buf_span(&f->component))))
        filter_flush_all(f, false);
}

static struct sm_filter *filter_new(struct sm *sm)
{
    struct sm_filter *f = mem_zalloc(sizeof(*f));

    f->sm = sm;
    list_init(&f->all);
    crypto_random_hex(f->salt, 8);
    return f;
}

static void filter_free(struct sm_filter **f_p)
{
    struct sm_filter *f = *f_p;

    *f_p = NULL;
    timer_stop(&f->report);
    map_free(&f->questions);
    map_free(&f->lanes);
    buf_free(&f->component);
    buf_free(&f->text);
    stanza_free(&f->replacement);
    free(f);
}

void sm_filter_set(struct sm *sm, const struct sm_filter_opts *opts)
{
    struct sm_filter *f = sm->filter;

    if (span_is_empty(opts->component)) {
        if (!f)
            return;
        f->opts.directions = 0;
        filter_flush_all(f, true);
        filter_free(&sm->filter);
        return;
    }
    if (!f)
        f = sm->filter = filter_new(sm);
    bool is_other = !span_eq(buf_span(&f->component), opts->component);
    f->opts = *opts;
    if (!is_other)
        return;
    filter_flush_all(f, false); /* the one that was asked is none any more */
    buf_clear(&f->component);
    buf_append(&f->component, opts->component);
}

void sm_filter_free(struct sm *sm)
{
    if (!sm->filter)
        return;
    filter_forget_all(sm->filter);
    filter_free(&sm->filter);
}
