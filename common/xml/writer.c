/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * writer - stanzas to bytes, always from our own tree or from calls, never by copying input.
 *
 * Called by whoever sends a stanza or stores one. Walks the tree by its links, without recursion.
 * If the buffer has a cap that the whole would exceed, nothing is appended.
 */
#include "xml/writer.h"

#include "xml/lanes.h"
#include "xml/tree.h"

/* --- bytes: a cursor in the buffer's free room, committed at the end --- */

struct sink {
    struct buf *out;
    char *at, *end;
    size_t len_before;
    bool is_full;
};

static bool make_room(struct sink *k, size_t n)
{
    struct buf *b = k->out;
    if (k->at)
        b->tail = (size_t)(k->at - b->p);
    char *at = k->is_full ? NULL : buf_reserve(b, n);
    if (!at) {
        k->is_full = true;
        k->end = k->at;
        return false;
    }
    size_t room = b->cap - b->tail;
    if (b->max && room > b->max - buf_len(b))
        room = b->max - buf_len(b);
    k->at = at;
    k->end = at + room;
    return true;
}

/* Where nothing has been written, at and end are NULL: room for nothing. n is more. */
LANES_INLINE bool has_room(struct sink *k, size_t n)
{
    return (size_t)(k->end - k->at) >= n || make_room(k, n);
}

static inline void put(struct sink *k, const char *p, size_t n)
{
    if (n == 0 || !has_room(k, n))
        return;
    memcpy(k->at, p, n);
    k->at += n;
}

#define PUT_LITERAL(k, lit) put(k, lit, sizeof(lit) - 1)

static inline void put_span(struct sink *k, struct span s)
{
    if (s.n)
        put(k, s.p, s.n);
}

LANES_INLINE char *copy_name(char *to, struct span name)
{
    bytes_copy(to, name.p, name.n);
    return to + name.n;
}

static struct sink start(struct buf *out)
{
    return (struct sink){.out = out, .len_before = buf_len(out)};
}

static void finish(struct sink *k)
{
    if (k->is_full)
        k->out->tail = k->out->head + k->len_before;
    else if (k->at)
        k->out->tail = (size_t)(k->at - k->out->p);
}

/* --- escaping --- */

/* What a byte is written as; 0: itself. */
enum { PLAIN, AMP, LT, GT, QUOT, APOS, CR, TAB, LF };

static const struct span entities[] = {
    [AMP] = SPAN_INIT("&amp;"),   [LT] = SPAN_INIT("&lt;"),     [GT] = SPAN_INIT("&gt;"),
    [QUOT] = SPAN_INIT("&quot;"), [APOS] = SPAN_INIT("&apos;"), [CR] = SPAN_INIT("&#13;"),
    [TAB] = SPAN_INIT("&#9;"),    [LF] = SPAN_INIT("&#10;"),
};

static const uint8_t in_text[256] = {
    ['&'] = AMP, ['<'] = LT, ['>'] = GT, ['"'] = QUOT, ['\''] = APOS, ['\r'] = CR,
};
static const uint8_t in_value[256] = {
    ['&'] = AMP,   ['<'] = LT,  ['>'] = GT,   ['"'] = QUOT,
    ['\''] = APOS, ['\r'] = CR, ['\t'] = TAB, ['\n'] = LF,
};

/* What may have to be escaped, and a little more: with a few bits less, two characters are found by
 * one test. */
LANES_INLINE unsigned suspects(lanes v)
{
    return lanes_bits(((v & lanes_all((unsigned char)~0x05)) == lanes_all('"')) | /* and & ' # */
                      ((v | lanes_all(0x02)) == lanes_all('>')) |                 /* and < */
                      ((v & lanes_all(0xE0)) == lanes_all(0)));                   /* controls */
}

/* The same of what is shorter, in two pieces that may overlap. */
LANES_INLINE bool copy_pieces(char *to, const char *p, size_t n)
{
    uint64_t piece[2];
    if (n >= 8) {
        memcpy(&piece[0], p, 8);
        memcpy(&piece[1], p + n - 8, 8);
        memcpy(to, &piece[0], 8);
        memcpy(to + n - 8, &piece[1], 8);
    } else {
        uint32_t half[2];
        memcpy(&half[0], p, 4);
        memcpy(&half[1], p + n - 4, 4);
        memcpy(to, &half[0], 4);
        memcpy(to + n - 4, &half[1], 4);
        piece[0] = piece[1] = (uint64_t)half[1] << 32 | half[0];
    }
    return suspects((lanes)(uint64_t __attribute__((vector_size(LANES)))){piece[0], piece[1]}) == 0;
}

/* Copies to where there is room for n, as far as nothing has to be escaped, or a little less: how
 * much. */
LANES_INLINE size_t copy_plain(char *to, const char *p, size_t n)
{
    size_t i = 0;
    if (n >= LANES) {
        while (i < n) {
            size_t at = n - i >= LANES ? i : n - LANES;
            lanes v = lanes_load(p + at);
            if (suspects(v))
                return i;
            memcpy(to + at, &v, LANES);
            i = at + LANES;
        }
    } else if (n >= 4) {
        i = copy_pieces(to, p, n) ? n : 0;
    } else {
        for (; i < n && !in_value[(unsigned char)p[i]]; i++)
            to[i] = p[i];
    }
    return i;
}

static void put_odd(struct sink *k, const char *p, const char *end, const uint8_t *table)
{
    while (p < end) {
        const char *run = p;
        while (p < end && !table[(unsigned char)*p] && p - run < LANES)
            p++;
        put(k, run, (size_t)(p - run));
        if (p < end && table[(unsigned char)*p])
            put_span(k, entities[table[(unsigned char)*p++]]);
        /* Behind the odd one the rest may be plain. */
        size_t left = (size_t)(end - p);
        if (left >= LANES && has_room(k, left)) {
            size_t n = copy_plain(k->at, p, left);
            k->at += n;
            p += n;
        }
    }
}

static void put_escaped(struct sink *k, struct span s, const uint8_t *table)
{
    if (s.n == 0 || !has_room(k, s.n))
        return;
    size_t n = copy_plain(k->at, s.p, s.n);
    k->at += n;
    if (n < s.n)
        put_odd(k, s.p + n, s.p + s.n, table);
}

static void put_attr(struct sink *k, struct span name, struct span value)
{
    if (!has_room(k, name.n + value.n + sizeof(" =''") - 1))
        return;
    *k->at++ = ' '; // NOLINT: see has_room
    k->at = copy_name(k->at, name);
    memcpy(k->at, "='", 2);
    k->at += 2;
    size_t n = copy_plain(k->at, value.p, value.n);
    k->at += n;
    if (n < value.n)
        put_odd(k, value.p + n, value.p + value.n, in_value);
    PUT_LITERAL(k, "'");
}

void xml_text(struct buf *out, struct span text)
{
    struct sink k = start(out);
    put_escaped(&k, text, in_text);
    finish(&k);
}

void xml_value(struct buf *out, struct span text)
{
    struct sink k = start(out);
    put_escaped(&k, text, in_value);
    finish(&k);
}

void xml_attr(struct buf *out, const char *name, struct span value)
{
    if (!value.p)
        return;
    struct sink k = start(out);
    put_attr(&k, span_of(name), value);
    finish(&k);
}

/* --- attributes --- */

static void put_number(struct sink *k, uint32_t n)
{
    char digits[10];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    put(k, digits + at, sizeof(digits) - at);
}

/*
 * put_foreign_attr - the attribute i of node, which has a namespace. Its prefix is "a" and the
 * number of the node's first attribute of that namespace, which declares it.
 */
static void put_foreign_attr(struct sink *k, const struct stanza *s, const struct stanza_node *n,
                             uint32_t i)
{
    const struct stanza_attr *attrs = s->attrs + n->attrs, *a = &attrs[i];
    if (span_eq(a->ns, SPAN(TREE_NS_XMLNS)))
        return; /* a stream header's: declarations are made afresh */
    if (span_eq(a->ns, SPAN(TREE_NS_XML))) {
        PUT_LITERAL(k, " xml:");
    } else {
        uint32_t first = 0;
        while (!attrs[first].ns.p || !span_eq(attrs[first].ns, a->ns))
            first++;
        if (first == i) {
            PUT_LITERAL(k, " xmlns:a");
            put_number(k, first);
            PUT_LITERAL(k, "='");
            put_escaped(k, a->ns, in_value);
            PUT_LITERAL(k, "'");
        }
        PUT_LITERAL(k, " a");
        put_number(k, first);
        PUT_LITERAL(k, ":");
    }
    put_span(k, a->name);
    PUT_LITERAL(k, "='");
    put_escaped(k, a->value, in_value);
    PUT_LITERAL(k, "'");
}

static bool is_address_attr(struct span name)
{
    if (name.n == 2)
        return span_eq(name, SPAN("to")) || span_eq(name, SPAN("id"));
    return name.n == 4 && (span_eq(name, SPAN("from")) || span_eq(name, SPAN("type")));
}

/* without_addresses: those that stanza_write_opts can replace are written already. */
static void put_attrs(struct sink *k, const struct stanza *s, uint32_t node, bool without_addresses)
{
    const struct stanza_node *n = &s->nodes[node];
    for (uint32_t i = 0; i < n->attr_count; i++) {
        const struct stanza_attr *a = &s->attrs[n->attrs + i];
        if (a->ns.p)
            put_foreign_attr(k, s, n, i);
        else if (!without_addresses || !is_address_attr(a->name))
            put_attr(k, a->name, a->value);
    }
}

/* An address of the stanza's element, unless replaced by another, or by nothing (empty). */
static void put_address(struct sink *k, struct span name, struct span own, struct span other)
{
    if (other.p ? other.n > 0 : own.p != NULL)
        put_attr(k, name, other.p ? other : own);
}

/* --- the tree --- */

#define NONE UINT32_MAX

struct walk {
    struct sink sink;
    const struct stanza *s;
    struct span ns, from_ns;
    /* The open element that left both namespaces, with all its ancestors still in them; or NONE. */
    uint32_t outside;
};

/*
 * put_namespace - declares the element's namespace if another is in force. From the top downwards,
 * as long as elements are of ns or from_ns, ns is in force; below the first of another namespace
 * each element is written as what it is.
 */
static void put_namespace(struct walk *w, uint32_t node)
{
    const struct stanza_node *n = &w->s->nodes[node];
    if (w->outside != NONE) {
        if (span_eq(n->ns, w->s->nodes[n->parent].ns))
            return;
    } else {
        if (span_is(n->ns, w->ns) || (w->from_ns.p && span_eq(n->ns, w->from_ns)))
            return;
        w->outside = node;
    }
    put_attr(&w->sink, SPAN("xmlns"), n->ns);
}

static inline void put_start(struct sink *k, struct span name)
{
    if (!has_room(k, name.n + 1))
        return;
    *k->at++ = '<'; // NOLINT: see has_room
    k->at = copy_name(k->at, name);
}

static void end_element(struct walk *w, uint32_t node)
{
    struct sink *k = &w->sink;
    struct span name = w->s->nodes[node].name;
    if (has_room(k, name.n + sizeof("</>") - 1)) {
        memcpy(k->at, "</", 2);
        k->at = copy_name(k->at + 2, name);
        *k->at++ = '>';
    }
    if (w->outside == node)
        w->outside = NONE;
}

/* Writes what is below top: all up to its end tag. */
static void put_children(struct walk *w, uint32_t top)
{
    const struct stanza_node *nodes = w->s->nodes;
    uint32_t node = nodes[top].first;
    while (node) {
        const struct stanza_node *n = &nodes[node];
        if (!n->name.p) {
            put_escaped(&w->sink, n->text, in_text);
        } else {
            put_start(&w->sink, n->name);
            put_namespace(w, node);
            put_attrs(&w->sink, w->s, node, false);
            if (n->first) {
                PUT_LITERAL(&w->sink, ">");
                node = n->first;
                continue;
            }
            PUT_LITERAL(&w->sink, "/>");
            if (w->outside == node)
                w->outside = NONE;
        }
        while (!nodes[node].next) {
            node = nodes[node].parent;
            if (node == top)
                return;
            end_element(w, node);
        }
        node = nodes[node].next;
    }
}

static void put_top(struct walk *w, uint32_t top, const struct stanza_write_opts *opts)
{
    const struct stanza *s = w->s;
    struct sink *k = &w->sink;
    put_start(k, s->nodes[top].name);
    put_namespace(w, top);
    if (opts) {
        put_address(k, SPAN("to"), s->to, opts->to);
        put_address(k, SPAN("from"), s->from, opts->from);
        put_address(k, SPAN("id"), s->id, opts->id);
        put_address(k, SPAN("type"), s->type, opts->type);
    }
    put_attrs(k, s, top, opts != NULL);
    if (!s->nodes[top].first && (!opts || !opts->tail.n)) {
        PUT_LITERAL(k, "/>");
        return;
    }
    PUT_LITERAL(k, ">");
    put_children(w, top);
    if (opts)
        put_span(k, opts->tail);
    end_element(w, top);
}

void stanza_write(struct buf *out, const struct stanza *s, const struct stanza_write_opts *opts)
{
    if (s->node_count == 0)
        return;
    struct walk w = {start(out), s, opts->ns, opts->from_ns, NONE};
    put_top(&w, 0, opts);
    finish(&w.sink);
}

void stanza_write_node(struct buf *out, const struct stanza *s, uint32_t node, struct span ns)
{
    if (node >= s->node_count)
        return;
    struct walk w = {start(out), s, ns, SPAN_NONE, NONE};
    if (s->nodes[node].name.p)
        put_top(&w, node, NULL);
    else
        put_escaped(&w.sink, s->nodes[node].text, in_text);
    finish(&w.sink);
}
