/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * document - a long document in pieces: see document.h.
 *
 * Each open container has a framer that has seen its start tag: for that, its children are what a
 * stream's stanzas are. What comes next in it is looked at first: an end tag and leaves go to that
 * framer; the start tag of a container goes, completed by the declarations that are in
 * force around it, to a framer of its own, and from then on that one is asked. So nothing reaches a
 * parser that no framer has passed. Leaves are parsed by a parser that knows what their containers
 * have declared.
 */
#include "xml/document.h"

#include "base/buf.h"
#include "base/mem.h"
#include "xml/parser.h"
#include "xml/tree.h"
#include "xml/writer.h"

#include <stdlib.h>

struct level {
    struct framer framer;
    struct xml_parser *parser; /* made for the first leaf */
    struct stanza tag;         /* with all declarations in force */
    struct buf name;           /* as it is spelled */
};

struct xml_document {
    struct framer_limits limits;
    const struct xml_document_ops *ops;
    void *ctx;
    struct level levels[XML_DOCUMENT_LEVELS];
    size_t depth; /* containers that are open */
    struct buf in; /* not yet understood */
    size_t framed; /* bytes of it that the framer has taken already */
    struct stanza leaf;
    struct buf tag;
    uint64_t line;
    bool is_over, is_stopped, in_leaf;
    enum xml_fault fault;
};

/* Not by strchr, for which a NUL is in every set. */
static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* What can be told of the next bytes. */
enum next { NEED_MORE, NEXT, FAILED };

static enum next fail(struct xml_document *d, enum xml_fault fault)
{
    d->fault = fault;
    return FAILED;
}

static enum next ask(struct xml_document *d, bool goes_on)
{
    d->is_stopped = !goes_on;
    return goes_on ? NEXT : FAILED;
}

static void consume(struct xml_document *d, size_t n)
{
    const char *p = buf_span(&d->in).p;

    for (size_t i = 0; i < n; i++)
        d->line += p[i] == '\n';
    buf_consume(&d->in, n);
    d->framed = 0;
}

/* --- start tags of containers ----------------------------------------------------------------- */

/* Bytes of the start tag with its '>'; 0: it has not come whole. */
static size_t tag_length(struct span in)
{
    char quote = '\0';

    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];
        if (quote)
            quote = c == quote ? '\0' : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (c == '>')
            return i + 1;
    }
    return 0;
}

/* From behind '<'. */
static struct span tag_name(struct span in)
{
    size_t n = 1;

    while (n < in.n && !is_space(in.p[n]) && in.p[n] != '/' && in.p[n] != '>')
        n++;
    return span_make(in.p + 1, n - 1);
}

static struct span local_name(struct span name)
{
    size_t colon = span_index(name, ':');

    return colon < name.n ? span_from(name, colon + 1) : name;
}

/* Whether the tag says by itself what that prefix is; one too many is a fault of its own. */
static bool declares(struct span tag, struct span prefix)
{
    struct buf word = {0};
    bool is_found = false;

    buf_append_z(&word, prefix.n ? "xmlns:" : "xmlns");
    buf_append(&word, prefix);
    for (size_t i = 0; !is_found && i + buf_len(&word) < tag.n; i++) {
        struct span rest = span_from(tag, i);
        is_found = is_space(tag.p[i]) && span_starts(span_from(rest, 1), buf_span(&word)) &&
                   (is_space(rest.p[1 + buf_len(&word)]) || rest.p[1 + buf_len(&word)] == '=');
    }
    buf_free(&word);
    return is_found;
}

/* The tag, with what the containers around it have declared. */
static void complete_tag(struct xml_document *d, struct span tag)
{
    struct span name = tag_name(tag);
    const struct stanza *outer = d->depth ? &d->levels[d->depth - 1].tag : NULL;

    buf_clear(&d->tag);
    buf_append(&d->tag, span_make(tag.p, 1 + name.n));
    for (uint32_t i = 0; outer && i < outer->nodes[0].attr_count; i++) {
        const struct stanza_attr *a = &outer->attrs[outer->nodes[0].attrs + i];
        if (!span_eq(a->ns, SPAN(TREE_NS_XMLNS)) || declares(tag, a->name))
            continue;
        buf_append_z(&d->tag, a->name.n ? " xmlns:" : " xmlns");
        buf_append(&d->tag, a->name);
        buf_append_z(&d->tag, "='");
        xml_value(&d->tag, a->value);
        buf_append_z(&d->tag, "'");
    }
    buf_append(&d->tag, span_from(tag, 1 + name.n));
}

static void level_end(struct level *l)
{
    xml_parser_free(&l->parser);
    stanza_free(&l->tag);
    buf_free(&l->name);
}

static enum next open_container(struct xml_document *d, size_t n)
{
    struct span tag = span_make(buf_span(&d->in).p, n);
    struct level *l = &d->levels[d->depth];
    struct span whole;
    enum frame frame;
    size_t taken;

    if (d->depth == XML_DOCUMENT_LEVELS)
        return fail(d, XML_TOO_COMPLEX);
    complete_tag(d, tag);
    *l = (struct level){0};
    framer_init(&l->framer, &d->limits);
    whole = buf_span(&d->tag);
    taken = framer_scan(&l->framer, whole.p, whole.n, &frame);
    d->depth++; /* it is freed with the others from here on */
    if (frame != FRAME_OPEN || taken != whole.n)
        return fail(d, l->framer.fault ? (enum xml_fault)l->framer.fault : XML_NOT_WELL_FORMED);
    enum xml_fault fault = xml_parse_open(whole, &l->tag);
    if (fault)
        return fail(d, fault);
    buf_append(&l->name, tag_name(tag));
    consume(d, n);
    return ask(d, d->ops->on_open(d->ctx, d->depth - 1, &l->tag));
}

/* --- the root --------------------------------------------------------------------------------- */

/* A declaration may come first, and white space; each has its end in sight before it is taken. */
static enum next next_prolog(struct xml_document *d)
{
    struct framer f;
    struct span in = buf_span(&d->in);
    size_t from = 0, n;
    enum frame frame;

    static const struct span mark = SPAN_INIT("\xEF\xBB\xBF"); /* of the byte order */
    if (in.n < mark.n && span_starts(mark, in))
        return NEED_MORE;
    if (span_starts(in, mark))
        from = mark.n;
    framer_init(&f, &d->limits);
    n = framer_scan(&f, in.p + from, in.n - from, &frame);
    if (frame == FRAME_SPACE) {
        consume(d, from + n);
        return NEXT;
    }
    if (frame == FRAME_FAULT)
        return fail(d, (enum xml_fault)f.fault);
    if (frame == FRAME_MORE)
        return in.n > d->limits.tag_bytes + 1024 ? fail(d, XML_TOO_COMPLEX) : NEED_MORE;
    if (span_starts(span_from(in, from), SPAN("<?"))) /* whole, as the framer has gone behind it */
        from += span_index(span_from(in, from), '>') + 1;
    while (from < in.n && in.p[from] != '<')
        from++;
    consume(d, from);
    n = tag_length(buf_span(&d->in));
    return n ? open_container(d, n) : fail(d, XML_NOT_WELL_FORMED);
}

/* --- in a container --------------------------------------------------------------------------- */

static enum next close_container(struct xml_document *d, struct span bytes)
{
    struct level *l = &d->levels[d->depth - 1];
    struct span name = span_from(bytes, 2);

    /* The framer has seen that it is an end tag, and not whose. */
    while (name.n > 0 && (is_space(name.p[name.n - 1]) || name.p[name.n - 1] == '>'))
        name.n--;
    if (!span_eq(name, buf_span(&l->name)))
        return fail(d, XML_NOT_WELL_FORMED);
    consume(d, bytes.n);
    bool goes_on = d->ops->on_close(d->ctx, d->depth - 1);
    level_end(l);
    d->depth--;
    d->is_over = d->depth == 0;
    return ask(d, goes_on);
}

static enum next take_leaf(struct xml_document *d, struct span bytes)
{
    struct level *l = &d->levels[d->depth - 1];
    struct span ns = SPAN("");
    enum xml_fault fault;

    for (uint32_t i = 0; i < l->tag.nodes[0].attr_count; i++) {
        const struct stanza_attr *a = &l->tag.attrs[l->tag.nodes[0].attrs + i];
        if (span_eq(a->ns, SPAN(TREE_NS_XMLNS)) && a->name.n == 0)
            ns = a->value;
    }
    if (!l->parser)
        l->parser = xml_parser_new(ns, &l->tag);
    fault = xml_parse_stanza(l->parser, bytes, &d->leaf);
    if (fault)
        return fail(d, fault);
    consume(d, bytes.n);
    d->in_leaf = false;
    return ask(d, d->ops->on_leaf(d->ctx, d->depth, &d->leaf));
}

/* What the framer of the container says of the bytes that it has not seen. */
static enum next next_frame(struct xml_document *d)
{
    struct level *l = &d->levels[d->depth - 1];
    struct span in = buf_span(&d->in);
    enum frame frame;

    d->framed += framer_scan(&l->framer, in.p + d->framed, in.n - d->framed, &frame);
    struct span bytes = span_make(in.p, d->framed);
    switch (frame) {
    case FRAME_MORE:
        return NEED_MORE;
    case FRAME_STANZA:
        return take_leaf(d, bytes);
    case FRAME_SPACE:
        consume(d, bytes.n);
        return NEXT;
    case FRAME_CLOSE:
        return close_container(d, bytes);
    case FRAME_OPEN:
    case FRAME_FAULT:
        break;
    }
    return fail(d, l->framer.fault ? (enum xml_fault)l->framer.fault : XML_NOT_WELL_FORMED);
}

/* At the beginning of something: a container is not for the framer of the one around it. */
static enum next next_child(struct xml_document *d)
{
    struct span in = buf_span(&d->in);
    size_t n = 0;

    if (d->in_leaf)
        return next_frame(d);
    while (n < in.n && is_space(in.p[n]))
        n++;
    if (n > 0) {
        consume(d, n);
        return NEXT;
    }
    if (in.p[0] != '<')
        return next_frame(d);
    if (in.n < 2)
        return NEED_MORE;
    if (in.p[1] == '/' || in.p[1] == '!' || in.p[1] == '?')
        return next_frame(d);
    n = tag_length(in);
    if (n == 0)
        return in.n > d->limits.tag_bytes ? fail(d, XML_TOO_COMPLEX) : NEED_MORE;
    d->in_leaf = in.p[n - 2] == '/' ||
                 !d->ops->is_container(d->ctx, d->depth, local_name(tag_name(in)));
    return d->in_leaf ? next_frame(d) : open_container(d, n);
}

/* Behind the root there is white space, and nothing else. */
static enum next next_epilog(struct xml_document *d)
{
    struct span in = buf_span(&d->in);

    for (size_t i = 0; i < in.n; i++) {
        if (!is_space(in.p[i]))
            return fail(d, XML_NOT_WELL_FORMED);
    }
    consume(d, in.n);
    return NEXT;
}

static enum next next(struct xml_document *d)
{
    if (d->is_over)
        return next_epilog(d);
    return d->depth == 0 ? next_prolog(d) : next_child(d);
}

/* --- the door --------------------------------------------------------------------------------- */

struct xml_document *xml_document_new(const struct framer_limits *limits,
                                      const struct xml_document_ops *ops, void *ctx)
{
    struct xml_document *d = mem_zalloc(sizeof(*d));

    d->limits = *limits;
    d->ops = ops;
    d->ctx = ctx;
    d->line = 1;
    return d;
}

void xml_document_free(struct xml_document **d_p)
{
    struct xml_document *d = *d_p;

    if (!d)
        return;
    *d_p = NULL;
    while (d->depth > 0)
        level_end(&d->levels[--d->depth]);
    stanza_free(&d->leaf);
    buf_wipe(&d->in); /* it may hold what is nobody's business */
    buf_wipe(&d->tag);
    free(d);
}

enum xml_document_result xml_document_feed(struct xml_document *d, struct span bytes)
{
    enum next what = NEXT;

    if (d->fault || d->is_stopped)
        return d->fault ? XML_DOCUMENT_FAULT : XML_DOCUMENT_STOPPED;
    buf_append(&d->in, bytes);
    while (what == NEXT && buf_len(&d->in) > 0)
        what = next(d);
    if (what != FAILED)
        return XML_DOCUMENT_OK;
    return d->fault ? XML_DOCUMENT_FAULT : XML_DOCUMENT_STOPPED;
}

bool xml_document_is_whole(const struct xml_document *d)
{
    return d->is_over && !d->fault && !d->is_stopped;
}

enum xml_fault xml_document_fault(const struct xml_document *d)
{
    return d->fault;
}

uint64_t xml_document_line(const struct xml_document *d)
{
    return d->line;
}
