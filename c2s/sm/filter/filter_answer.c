/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * filter_answer - what the filter says about a stanza: <pass/>, <drop/> or <edit/>, in an iq of
 * type result (c2s/FILTER.md). What is anything else, or changes what the server must rely on, is a
 * failure.
 *
 * Called by filter.c with an answer from the filter itself.
 */
#include "c2s/sm/filter/filter.h"

#include "xmpp/iq.h"

#define REASON_BYTES 255

/* --- drop ------------------------------------------------------------------------------------- */

/* NUL-terminated, in the entry's arena; cut between characters. */
static const char *copy_reason(struct filter_entry *e, struct span text)
{
    char *copy;

    if (span_is_empty(text))
        return NULL;
    if (text.n > REASON_BYTES) {
        text.n = REASON_BYTES;
        while (text.n > 0 && ((unsigned char)text.p[text.n] & 0xC0) == 0x80)
            text.n--;
    }
    copy = arena_bytes(&e->stanza.arena, text.n + 1);
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return copy;
}

/* A condition that we do not know must not let it through. */
static void read_drop(struct filter_entry *e, struct stanza *s, uint32_t drop)
{
    struct span silent = stanza_attr(s, drop, SPAN("silent"));

    e->verdict = FILTER_DROP;
    e->error = STANZA_ERROR_NONE;
    if (span_eq(silent, SPAN("true")) || span_eq(silent, SPAN("1")))
        return;
    for (uint32_t c = stanza_child(s, drop, SPAN(NS_STANZA_ERRORS), SPAN_NONE); c;
         c = stanza_next(s, c, SPAN(NS_STANZA_ERRORS), SPAN_NONE)) {
        if (span_eq(s->nodes[c].name, SPAN("text")))
            e->reason = copy_reason(e, stanza_text(s, c));
        else if (e->error == STANZA_ERROR_NONE)
            e->error = stanza_error_parse(s->nodes[c].name);
    }
    if (e->error == STANZA_ERROR_NONE)
        e->error = STANZA_POLICY_VIOLATION;
}

/* --- edit ------------------------------------------------------------------------------------- */

static bool is_same(struct span a, struct span b)
{
    return span_is_none(a) == span_is_none(b) && span_eq(a, b);
}

/* A message may become one of another type, but for errors: who is told of them, and whether they
 * are answered, is decided by their being such. */
static bool keeps_type(const struct stanza *old, const struct stanza *s)
{
    if (span_eq(stanza_root(old)->name, SPAN("message")))
        return span_eq(old->type, SPAN("error")) == span_eq(s->type, SPAN("error"));
    return is_same(old->type, s->type);
}

static bool is_sound(const struct filter_entry *e, const struct stanza *s)
{
    const struct stanza *old = &e->stanza;

    return span_eq(stanza_root(s)->name, stanza_root(old)->name) && is_same(s->id, old->id) &&
           span_eq(s->to, buf_span(&e->to)) && span_eq(s->from, old->from) && keeps_type(old, s) &&
           (!iq_is_request(s) || iq_is_valid_request(s));
}

static bool is_small(struct sm_filter *f, const struct stanza *s)
{
    buf_clear(&f->text);
    stanza_write_node(&f->text, s, 0, SPAN(NS_CLIENT));
    return buf_len(&f->text) <= f->sm->opts.max_stanza;
}

static bool read_edit(struct sm_filter *f, struct filter_entry *e, const struct stanza *s,
                      uint32_t edit)
{
    uint32_t child = stanza_child(s, edit, SPAN(NS_CLIENT), SPAN_NONE);
    struct stanza fresh = {0};
    struct sm_in in = {.sm = f->sm, .stanza = &fresh, .is_from_link = e->is_from_link};
    bool is_good;

    if (!child || stanza_child_count(s, edit) != 1)
        return false;
    stanza_copy_node(&fresh, s, child);
    sm_in_strip(&in);
    is_good = is_sound(e, &fresh) && is_small(f, &fresh);
    if (is_good) {
        struct stanza old = e->stanza;
        e->stanza = fresh;
        fresh = old;
        e->verdict = FILTER_PASS;
        filter_weigh(e);
    }
    stanza_free(&fresh);
    return is_good;
}

/* --- the answer ------------------------------------------------------------------------------- */

void filter_read_answer(struct sm_filter *f, struct filter_entry *e, struct stanza *s)
{
    uint32_t child = stanza_child(s, 0, SPAN(NS_FILTER), SPAN_NONE);
    const struct span word = child ? s->nodes[child].name : SPAN_NONE;
    bool is_read = stanza_child_count(s, 0) == 1;

    if (is_read && span_eq(word, SPAN("pass")))
        e->verdict = FILTER_PASS;
    else if (is_read && span_eq(word, SPAN("drop")))
        read_drop(e, s, child);
    else
        is_read = is_read && span_eq(word, SPAN("edit")) && read_edit(f, e, s, child);
    if (is_read)
        filter_close_question(e);
    else
        filter_fail(f, e, FILTER_BAD);
}
