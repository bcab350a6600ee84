/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * edge_text - addresses in XML that is about to be written to a client: the domains of some are
 * replaced, in attributes that hold addresses, and nowhere else.
 *
 * Called by edge.c with what our own writers have made: no comments, no CDATA, '<' only where a tag
 * begins. A look for '@' before a domain that matters comes first: most stanzas have none, and then
 * nothing is parsed. Of the rest, only the tags that have one are.
 */
#include "c2s/sm/network/edge.h"

/* Attributes whose value is an address, in whatever element. */
static const struct span names[] = {
    SPAN_INIT("from"), SPAN_INIT("to"),        SPAN_INIT("jid"),       SPAN_INIT("by"),
    SPAN_INIT("with"), SPAN_INIT("publisher"), SPAN_INIT("initiator"), SPAN_INIT("responder"),
};

struct pass {
    const struct edge_map *map;
    struct span text;
    struct buf *out; /* what has been changed, up to copied */
    size_t copied;
};

static bool ends_domain(char c)
{
    return c == '\'' || c == '"' || c == '/' || c == '<' || c == '>' || c == '&' || c == '@' ||
           (unsigned char)c <= ' ';
}

static struct span domain_at(struct span text, size_t at)
{
    size_t end = at;

    while (end < text.n && !ends_domain(text.p[end]))
        end++;
    return span_make(text.p + at, end - at);
}

/* The next '@' before a domain that matters; text.n: there is none. */
static size_t next_candidate(const struct pass *p, size_t at)
{
    while (at < p->text.n) {
        const char *found = memchr(p->text.p + at, '@', p->text.n - at);
        if (!found)
            break;
        at = (size_t)(found - p->text.p) + 1;
        if (p->map->concerns(p->map->ctx, domain_at(p->text, at)))
            return at - 1;
    }
    return p->text.n;
}

static bool is_address_attr(struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (span_eq(name, names[i]))
            return true;
    }
    return false;
}

static void replace(struct pass *p, struct span old, struct span domain)
{
    const size_t at = (size_t)(old.p - p->text.p);

    buf_append(p->out, span_make(p->text.p + p->copied, at - p->copied));
    buf_append(p->out, domain);
    p->copied = at + old.n;
}

/* A value that is local@domain, with a resource or without. */
static void look_at(struct pass *p, struct span value)
{
    const size_t at = span_index(value, '@'), slash = span_index(value, '/');

    if (at == 0 || at >= slash || span_index(value, '&') < at)
        return;
    const struct span domain = span_make(value.p + at + 1, slash - at - 1);
    if (!p->map->concerns(p->map->ctx, domain))
        return;
    const struct span shown = p->map->domain_for(p->map->ctx, span_make(value.p, at), domain);
    if (!span_is_none(shown) && !span_eq(shown, domain))
        replace(p, domain, shown);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The tag that begins there; returns where it ends. */
static size_t each_attr(struct pass *p, size_t at)
{
    const struct span text = p->text;

    while (at < text.n && text.p[at] != '>' && !is_blank(text.p[at]))
        at++;
    for (;;) {
        while (at < text.n && is_blank(text.p[at]))
            at++;
        const size_t name = at;
        while (at < text.n && text.p[at] != '=' && text.p[at] != '>' && !is_blank(text.p[at]))
            at++;
        const size_t name_end = at;
        while (at < text.n && text.p[at] != '\'' && text.p[at] != '"' && text.p[at] != '>')
            at++;
        if (at >= text.n || text.p[at] == '>')
            return at < text.n ? at + 1 : at;
        const size_t value = at + 1;
        const size_t n = span_index(span_from(text, value), text.p[at]);
        if (is_address_attr(span_make(text.p + name, name_end - name)))
            look_at(p, span_make(text.p + value, n));
        at = value + n < text.n ? value + n + 1 : text.n;
    }
}

/* The '@' there: its tag is done, or the text that it is in is passed by; returns how far. *done:
 * the end of the last tag that was looked at. */
static size_t pass_by(struct pass *p, size_t at, size_t *done)
{
    const char *tag = memrchr(p->text.p + *done, '<', at - *done);

    if (tag) {
        *done = each_attr(p, (size_t)(tag - p->text.p));
        if (*done > at)
            return *done;
    }
    return at + span_index(span_from(p->text, at), '<');
}

void edge_text_rewrite(struct buf *text, size_t from, const struct edge_map *map,
                       struct buf *scratch)
{
    struct pass p = {.map = map, .text = span_from(buf_span(text), from), .out = scratch};
    size_t at = next_candidate(&p, 0), done = 0;

    if (at == p.text.n)
        return;
    buf_clear(scratch);
    while (at < p.text.n)
        at = next_candidate(&p, pass_by(&p, at, &done));
    if (p.copied == 0)
        return;
    buf_append(scratch, span_from(p.text, p.copied));
    buf_truncate(text, from);
    buf_append(text, buf_span(scratch));
    buf_clear(scratch);
}
