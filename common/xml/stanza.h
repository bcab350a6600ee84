/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stanza - a flat tree of one element: two arrays and one arena, reused from stanza to stanza.
 *
 * Nodes are numbers; node 0 is the stanza's own element; 0 as a child or sibling means none.
 * Spans in it are valid until the next stanza_reset (or parse into it) or stanza_free.
 * No recursion anywhere: depth is bounded by the framer.
 */
#ifndef XML_STANZA_H
#define XML_STANZA_H

#include "base/arena.h"

struct stanza_attr {
    struct span ns; /* none for plain attributes; "http://www.w3.org/XML/1998/namespace" for xml: */
    struct span name, value;
};

struct stanza_node {
    struct span ns, name;          /* elements; name is none for text */
    struct span text;              /* text nodes: unescaped */
    uint32_t parent, next;         /* sibling */
    uint32_t first, last;          /* children */
    uint32_t attrs, attr_count;    /* slice of stanza.attrs */
};

struct stanza {
    struct stanza_node *nodes;
    struct stanza_attr *attrs;
    uint32_t node_count, node_cap, attr_count, attr_cap;
    struct arena arena;
    /* Plain attributes of node 0, cached by the parser and stanza_set_attr; none when absent. */
    struct span to, from, id, type, lang;
};

/* A zeroed struct is an empty stanza. reset keeps the memory (up to 64 KiB), free releases it. */
void stanza_reset(struct stanza *s);
void stanza_free(struct stanza *s);
/* to becomes a deep copy of from, also of what its from and to have been set to without their
 * attributes; to is reset first. */
void stanza_copy(struct stanza *to, const struct stanza *from);
/* to becomes a deep copy of what node holds, as a stanza of its own. */
void stanza_copy_node(struct stanza *to, const struct stanza *from, uint32_t node);

/* --- reading --- */

static inline const struct stanza_node *stanza_root(const struct stanza *s)
{
    return &s->nodes[0];
}
bool stanza_is(const struct stanza *s, uint32_t node, struct span ns, struct span name);
/* First child element of node with that name; ns or name none = any. 0 when there is none. */
uint32_t stanza_child(const struct stanza *s, uint32_t node, struct span ns, struct span name);
/* The next such sibling after child; 0 at the end. */
uint32_t stanza_next(const struct stanza *s, uint32_t child, struct span ns, struct span name);
/* Number of child elements (text does not count). */
uint32_t stanza_child_count(const struct stanza *s, uint32_t node);
/* Value of a plain attribute, none when absent. */
struct span stanza_attr(const struct stanza *s, uint32_t node, struct span name);
struct span stanza_attr_ns(const struct stanza *s, uint32_t node, struct span ns, struct span name);
/* The text directly in node: a view when it is one piece, else joined in the arena. */
struct span stanza_text(struct stanza *s, uint32_t node);

/* --- building --- strings are copied into the arena */

/* A new last child of parent; on an empty stanza, node 0 (parent is ignored). ns none: the
 * parent's. */
uint32_t stanza_add(struct stanza *s, uint32_t parent, struct span ns, struct span name);
void stanza_add_text(struct stanza *s, uint32_t parent, struct span text);
/* Sets or replaces a plain attribute; value none removes it. */
void stanza_set_attr(struct stanza *s, uint32_t node, struct span name, struct span value);
void stanza_set_attr_ns(struct stanza *s, uint32_t node, struct span ns, struct span name,
                        struct span value);
/* Takes a child (with what it holds) out of the tree; its memory stays until reset. stanza_next
 * still goes on from it, so a loop may remove what it finds. */
void stanza_remove(struct stanza *s, uint32_t node);
/* Removes namespaced attributes of node 0 but xml:lang (e:from and the like must not travel). */
void stanza_strip_foreign_attrs(struct stanza *s);

#endif
