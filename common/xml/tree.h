/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tree - how a stanza's arrays are filled: shared by stanza.c and parser.c, nobody else's business.
 */
#ifndef XML_TREE_H
#define XML_TREE_H

#include "xml/stanza.h"

#define TREE_NS_XML "http://www.w3.org/XML/1998/namespace"
#define TREE_NS_XMLNS "http://www.w3.org/2000/xmlns/"
#define TREE_NS_STREAM "http://etherx.jabber.org/streams"

void tree_grow_nodes(struct stanza *s);
/* Room for n more attributes. */
void tree_reserve_attrs(struct stanza *s, uint32_t n);

/* A blank node, tied to nothing. Pointers to nodes are stale afterwards. */
static inline uint32_t tree_new_node(struct stanza *s)
{
    if (s->node_count == s->node_cap)
        tree_grow_nodes(s);
    s->nodes[s->node_count] = (struct stanza_node){.attrs = s->attr_count};
    return s->node_count++;
}

/* A blank node as the last child of parent; the first node of all is tied to nothing. */
static inline uint32_t tree_append(struct stanza *s, uint32_t parent)
{
    uint32_t node = tree_new_node(s);
    if (node == 0)
        return 0;
    struct stanza_node *p = &s->nodes[parent];
    s->nodes[node].parent = parent;
    if (p->last)
        s->nodes[p->last].next = node;
    else
        p->first = node;
    p->last = node;
    return node;
}

/* Where the value of such an attribute of node 0 is cached, or NULL. */
static inline struct span *tree_cached(struct stanza *s, struct span ns, struct span name)
{
    if (ns.p) {
        bool is_lang = span_eq(name, SPAN("lang")) && span_eq(ns, SPAN(TREE_NS_XML));
        return is_lang ? &s->lang : NULL;
    }
    if (name.n == 2)
        return span_eq(name, SPAN("to")) ? &s->to : span_eq(name, SPAN("id")) ? &s->id : NULL;
    if (name.n == 4)
        return span_eq(name, SPAN("from"))   ? &s->from
               : span_eq(name, SPAN("type")) ? &s->type
                                             : NULL;
    return NULL;
}

/* Caches those of node 0 as its attributes stand. */
static inline void tree_cache_attrs(struct stanza *s)
{
    const struct stanza_node *root = &s->nodes[0];
    for (uint32_t i = root->attrs; i < root->attrs + root->attr_count; i++) {
        struct span *cached = tree_cached(s, s->attrs[i].ns, s->attrs[i].name);
        if (cached)
            *cached = s->attrs[i].value;
    }
}

#endif
