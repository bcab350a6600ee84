/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * form - data forms (XEP-0004) and result sets (XEP-0059): read from a stanza's tree, written as
 * text. Called by the session manager's features; nothing here allocates or outlives the call.
 */
#ifndef XMPP_FORM_H
#define XMPP_FORM_H

#include "base/buf.h"
#include "xml/stanza.h"

#define NS_FORM "jabber:x:data"
#define NS_RSM "http://jabber.org/protocol/rsm"

/* The <x/> of that FORM_TYPE among the children of node (form_type none: any form); 0: none.
 * Of several the first. A form of type 'cancel' counts as one: see form_is_type. */
uint32_t form_find(struct stanza *s, uint32_t node, struct span form_type);
bool form_is_type(const struct stanza *s, uint32_t form, struct span type); /* "submit", … */
/* The field of that var, 0: none. Its <value/>s: stanza_child(s, field, SPAN(NS_FORM),
 * SPAN("value")), stanza_next. */
uint32_t form_field(const struct stanza *s, uint32_t form, struct span var);
/* Its first value; none when the field or its value is missing. */
struct span form_value(struct stanza *s, uint32_t form, struct span var);
/* XEP-0004 3.3: "1", "true", "0", "false". False: the value is something else (value_r untouched);
 * a missing field leaves *value_r and is true. */
bool form_boolean(struct stanza *s, uint32_t form, struct span var, bool *value_r);

/* type: "form", "submit", "result". form_type may be none. */
void form_write_begin(struct buf *out, const char *type, struct span form_type);
/* type and label may be NULL; value none: a field without a value. All escaped here. */
void form_write_field(struct buf *out, const char *var, const char *type, const char *label,
                      struct span value);
/* A field with several values: begin, values, end. */
void form_write_multi_begin(struct buf *out, const char *var, const char *type, const char *label);
void form_write_value(struct buf *out, struct span value);
void form_write_option(struct buf *out, const char *label, struct span value);
void form_write_multi_end(struct buf *out);
void form_write_end(struct buf *out);

/* What a requester wants of a result set. */
struct rsm {
    bool is_there;    /* a <set/> was given */
    bool has_max, has_index;
    bool is_backward; /* <before/>: the page that ends before it; empty: the last page */
    uint64_t max, index;
    struct span after, before; /* none: not given */
};
/* The <set/> among the children of node. False: it is not well formed (bad-request). */
bool rsm_read(struct stanza *s, uint32_t node, struct rsm *rsm_r);
/* first and last may be none (an empty page); index or count < 0: not told. */
void rsm_write(struct buf *out, struct span first, struct span last, int64_t index, int64_t count);

#endif
