/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dump - a stanza as one line of text, for comparing: {namespace}name[attributes](children).
 * Attributes are sorted, so their order does not matter.
 */
#ifndef TEST_XML_DUMP_H
#define TEST_XML_DUMP_H

#include "base/buf.h"
#include "base/mem.h"
#include "xml/stanza.h"

#include <stdlib.h>

static int dump_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void dump_name(struct buf *out, struct span ns, struct span name)
{
    if (ns.n)
        buf_printf(out, "{%.*s}", SPAN_ARG(ns));
    buf_append(out, name);
}

static void dump_attrs(struct buf *out, const struct stanza *s, const struct stanza_node *n)
{
    char **texts = mem_alloc((n->attr_count + 1) * sizeof(*texts));
    for (uint32_t i = 0; i < n->attr_count; i++) {
        const struct stanza_attr *a = &s->attrs[n->attrs + i];
        struct buf one = {.p = NULL};
        dump_name(&one, a->ns, a->name);
        buf_printf(&one, "=%.*s", SPAN_ARG(a->value));
        texts[i] = mem_strdup_span(buf_span(&one));
        buf_free(&one);
    }
    qsort(texts, n->attr_count, sizeof(*texts), dump_compare);
    for (uint32_t i = 0; i < n->attr_count; i++) {
        buf_append_char(out, i ? ' ' : '[');
        buf_append_z(out, texts[i]);
        free(texts[i]);
    }
    if (n->attr_count)
        buf_append_char(out, ']');
    free(texts);
}

static void dump_node(struct buf *out, const struct stanza *s, uint32_t node)
{
    const struct stanza_node *n = &s->nodes[node];
    if (!n->name.p) {
        buf_printf(out, "\"%.*s\"", SPAN_ARG(n->text));
        return;
    }
    dump_name(out, n->ns, n->name);
    dump_attrs(out, s, n);
    if (!n->first)
        return;
    buf_append_char(out, '(');
    for (uint32_t c = n->first; c; c = s->nodes[c].next) {
        if (c != n->first)
            buf_append_char(out, ' ');
        dump_node(out, s, c);
    }
    buf_append_char(out, ')');
}

/* NUL-terminated, to be freed. */
static inline char *dump_stanza(const struct stanza *s)
{
    struct buf out = {.p = NULL};
    if (s->node_count)
        dump_node(&out, s, 0);
    char *z = mem_strdup_span(buf_span(&out));
    buf_free(&out);
    return z;
}

#endif
