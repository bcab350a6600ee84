/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stanza - a flat tree of one element: two arrays and one arena, reused from stanza to stanza.
 *
 * Filled by the parser or by whoever builds a stanza; the strings belong to its arena. The
 * attributes of a node are one slice of the array; a node that gets another attribute when its
 * slice is not the last one has it moved to the end.
 */
#include "xml/stanza.h"

#include "base/mem.h"
#include "xml/tree.h"

#include <stdlib.h>

#define KEEP_BYTES 65536 /* of the arrays, between stanzas */

/* --- memory --- */

void stanza_reset(struct stanza *s)
{
    size_t bytes = s->node_cap * sizeof(*s->nodes) + s->attr_cap * sizeof(*s->attrs);
    if (bytes > KEEP_BYTES) {
        free(s->nodes);
        free(s->attrs);
        s->nodes = NULL;
        s->attrs = NULL;
        s->node_cap = s->attr_cap = 0;
    }
    s->node_count = s->attr_count = 0;
    s->to = s->from = s->id = s->type = s->lang = SPAN_NONE;
    arena_reset(&s->arena);
}

void stanza_free(struct stanza *s)
{
    free(s->nodes);
    free(s->attrs);
    arena_free(&s->arena);
    *s = (struct stanza){.nodes = NULL};
}

static uint32_t grown(uint32_t cap, uint32_t need)
{
    uint32_t to = cap ? cap : 16;
    while (to < need)
        to *= 2;
    return to;
}

void tree_grow_nodes(struct stanza *s)
{
    s->node_cap = grown(s->node_cap, s->node_count + 1);
    s->nodes = mem_realloc(s->nodes, s->node_cap * sizeof(*s->nodes));
}

void tree_reserve_attrs(struct stanza *s, uint32_t n)
{
    if (s->attr_cap - s->attr_count >= n)
        return;
    s->attr_cap = grown(s->attr_cap, s->attr_count + n);
    s->attrs = mem_realloc(s->attrs, s->attr_cap * sizeof(*s->attrs));
}

/* Neighbours mostly share their namespace's bytes: one copy serves a run of them. */
struct ns_copy {
    struct span from, to;
};

static struct span copy_ns(struct arena *a, struct ns_copy *last, struct span ns)
{
    if (ns.p != last->from.p || ns.n != last->from.n)
        *last = (struct ns_copy){ns, arena_span(a, ns)};
    return last->to;
}

/* What has been set aside of the attribute itself stays so. */
static void copy_cached(struct stanza *s, struct span *cached, struct span value)
{
    if (span_is_none(value) != span_is_none(*cached) || !span_eq(*cached, value))
        *cached = arena_span(&s->arena, value);
}

void stanza_copy(struct stanza *to, const struct stanza *from)
{
    stanza_reset(to);
    if (from->node_count == 0)
        return;
    tree_reserve_attrs(to, from->attr_count);
    struct ns_copy last = {SPAN_NONE, SPAN_NONE};
    for (uint32_t i = 0; i < from->node_count; i++) {
        uint32_t node = tree_new_node(to);
        struct stanza_node *n = &to->nodes[node];
        *n = from->nodes[i];
        n->ns = copy_ns(&to->arena, &last, n->ns);
        n->name = arena_span(&to->arena, n->name);
        n->text = arena_span(&to->arena, n->text);
    }
    for (uint32_t i = 0; i < from->attr_count; i++) {
        const struct stanza_attr *a = &from->attrs[i];
        to->attrs[i] =
            (struct stanza_attr){arena_span(&to->arena, a->ns), arena_span(&to->arena, a->name),
                                 arena_span(&to->arena, a->value)};
    }
    to->attr_count = from->attr_count;
    tree_cache_attrs(to);
    copy_cached(to, &to->to, from->to);
    copy_cached(to, &to->from, from->from);
}

/* Without recursion. */
void stanza_copy_node(struct stanza *to, const struct stanza *from, uint32_t node)
{
    uint32_t at = node, up = 0;

    stanza_reset(to);
    for (;;) {
        const struct stanza_node *n = &from->nodes[at];
        uint32_t made = 0;
        if (span_is_none(n->name)) {
            stanza_add_text(to, up, n->text);
        } else {
            made = stanza_add(to, up, n->ns, n->name);
            for (uint32_t i = n->attrs; i < n->attrs + n->attr_count; i++)
                stanza_set_attr_ns(to, made, from->attrs[i].ns, from->attrs[i].name,
                                   from->attrs[i].value);
        }
        if (n->first) {
            up = made;
            at = n->first;
            continue;
        }
        while (at != node && !from->nodes[at].next) {
            at = from->nodes[at].parent;
            up = to->nodes[up].parent;
        }
        if (at == node)
            return;
        at = from->nodes[at].next;
    }
}

/* --- reading --- */

bool stanza_is(const struct stanza *s, uint32_t node, struct span ns, struct span name)
{
    if (node >= s->node_count || !s->nodes[node].name.p)
        return false;
    const struct stanza_node *n = &s->nodes[node];
    return (!name.p || span_eq(n->name, name)) && (!ns.p || span_eq(n->ns, ns));
}

static uint32_t find_from(const struct stanza *s, uint32_t node, struct span ns, struct span name)
{
    while (node && !stanza_is(s, node, ns, name))
        node = s->nodes[node].next;
    return node;
}

uint32_t stanza_child(const struct stanza *s, uint32_t node, struct span ns, struct span name)
{
    return node < s->node_count ? find_from(s, s->nodes[node].first, ns, name) : 0;
}

uint32_t stanza_next(const struct stanza *s, uint32_t child, struct span ns, struct span name)
{
    return child < s->node_count ? find_from(s, s->nodes[child].next, ns, name) : 0;
}

uint32_t stanza_child_count(const struct stanza *s, uint32_t node)
{
    uint32_t count = 0;
    if (node >= s->node_count)
        return 0;
    for (uint32_t c = s->nodes[node].first; c; c = s->nodes[c].next)
        count += s->nodes[c].name.p != NULL;
    return count;
}

static bool same_ns(struct span a, struct span b)
{
    return (a.p == NULL) == (b.p == NULL) && span_eq(a, b);
}

static struct stanza_attr *find_attr(const struct stanza *s, uint32_t node, struct span ns,
                                     struct span name)
{
    if (node >= s->node_count)
        return NULL;
    const struct stanza_node *n = &s->nodes[node];
    for (uint32_t i = n->attrs; i < n->attrs + n->attr_count; i++) {
        if (span_eq(s->attrs[i].name, name) && same_ns(s->attrs[i].ns, ns))
            return &s->attrs[i];
    }
    return NULL;
}

struct span stanza_attr(const struct stanza *s, uint32_t node, struct span name)
{
    return stanza_attr_ns(s, node, SPAN_NONE, name);
}

struct span stanza_attr_ns(const struct stanza *s, uint32_t node, struct span ns, struct span name)
{
    const struct stanza_attr *a = find_attr(s, node, ns, name);
    return a ? a->value : SPAN_NONE;
}

struct span stanza_text(struct stanza *s, uint32_t node)
{
    struct span only = SPAN("");
    size_t total = 0;
    unsigned pieces = 0;
    if (node >= s->node_count)
        return only;
    for (uint32_t c = s->nodes[node].first; c; c = s->nodes[c].next) {
        if (s->nodes[c].name.p)
            continue;
        only = s->nodes[c].text;
        total += only.n;
        pieces++;
    }
    if (pieces <= 1)
        return only;
    char *joined = arena_bytes(&s->arena, total + 1), *at = joined;
    for (uint32_t c = s->nodes[node].first; c; c = s->nodes[c].next) {
        struct span piece = s->nodes[c].text;
        if (!s->nodes[c].name.p && piece.n) {
            memcpy(at, piece.p, piece.n);
            at += piece.n;
        }
    }
    return span_make(joined, total);
}

/* --- building --- */

uint32_t stanza_add(struct stanza *s, uint32_t parent, struct span ns, struct span name)
{
    struct span inherited = s->node_count ? s->nodes[parent].ns : SPAN("");
    uint32_t node = tree_append(s, parent);
    s->nodes[node].ns = ns.p ? arena_span(&s->arena, ns) : inherited;
    s->nodes[node].name = arena_span(&s->arena, name);
    return node;
}

void stanza_add_text(struct stanza *s, uint32_t parent, struct span text)
{
    if (text.n == 0)
        return;
    uint32_t node = tree_append(s, parent);
    s->nodes[node].text = arena_span(&s->arena, text);
}

/* Room for one more attribute at the end of node's slice. */
static struct stanza_attr *append_attr(struct stanza *s, uint32_t node)
{
    struct stanza_node *n = &s->nodes[node];
    if (n->attrs + n->attr_count != s->attr_count) {
        tree_reserve_attrs(s, n->attr_count + 1);
        if (n->attr_count)
            memcpy(&s->attrs[s->attr_count], &s->attrs[n->attrs],
                   n->attr_count * sizeof(*s->attrs));
        n->attrs = s->attr_count;
        s->attr_count += n->attr_count;
    } else {
        tree_reserve_attrs(s, 1);
    }
    n->attr_count++;
    return &s->attrs[s->attr_count++];
}

static void remove_attr(struct stanza *s, uint32_t node, struct stanza_attr *a)
{
    struct stanza_node *n = &s->nodes[node];
    struct stanza_attr *end = &s->attrs[n->attrs + n->attr_count];
    memmove(a, a + 1, (size_t)(end - (a + 1)) * sizeof(*a));
    n->attr_count--;
}

void stanza_set_attr(struct stanza *s, uint32_t node, struct span name, struct span value)
{
    stanza_set_attr_ns(s, node, SPAN_NONE, name, value);
}

void stanza_set_attr_ns(struct stanza *s, uint32_t node, struct span ns, struct span name,
                        struct span value)
{
    struct stanza_attr *a = find_attr(s, node, ns, name);
    struct span *cached = node == 0 ? tree_cached(s, ns, name) : NULL;
    struct span copy = arena_span(&s->arena, value);
    if (cached)
        *cached = copy;
    if (a && !value.p) {
        remove_attr(s, node, a);
    } else if (a) {
        a->value = copy;
    } else if (value.p) {
        struct span own_name = arena_span(&s->arena, name);
        struct span own_ns = arena_span(&s->arena, ns);
        *append_attr(s, node) = (struct stanza_attr){own_ns, own_name, copy};
    }
}

void stanza_remove(struct stanza *s, uint32_t node)
{
    if (node == 0 || node >= s->node_count)
        return;
    struct stanza_node *parent = &s->nodes[s->nodes[node].parent];
    uint32_t before = 0, at = parent->first;
    while (at && at != node) {
        before = at;
        at = s->nodes[at].next;
    }
    if (!at)
        return; /* out already */
    if (before)
        s->nodes[before].next = s->nodes[node].next;
    else
        parent->first = s->nodes[node].next;
    if (parent->last == node)
        parent->last = before;
}

void stanza_strip_foreign_attrs(struct stanza *s)
{
    if (s->node_count == 0)
        return;
    struct stanza_node *root = &s->nodes[0];
    struct stanza_attr *attrs = s->attrs + root->attrs;
    uint32_t kept = 0;
    while (kept < root->attr_count && !attrs[kept].ns.p)
        kept++; /* mostly all of them */
    for (uint32_t i = kept; i < root->attr_count; i++) {
        struct stanza_attr a = attrs[i];
        if (!a.ns.p || (span_eq(a.ns, SPAN(TREE_NS_XML)) && span_eq(a.name, SPAN("lang"))))
            attrs[kept++] = a;
    }
    root->attr_count = kept;
}
