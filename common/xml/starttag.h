/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * starttag - the few attributes that a relay needs, read from a stanza's start tag without a tree.
 *
 * For frames of our own processes (they serialise canonically) that have passed a framer. Views
 * into the frame, still escaped: has_entity tells that one of to, from, id, type holds '&' (then
 * parse the frame instead). Prefixed attributes are ignored; a prefixed element name is kept whole
 * in name.
 */
#ifndef XML_STARTTAG_H
#define XML_STARTTAG_H

#include "base/span.h"

struct starttag {
    struct span name, xmlns, to, from, id, type;
    size_t length;   /* bytes up to and with '>' */
    bool is_empty;   /* <x/> */
    bool has_entity;
};

/* False when the frame does not begin with a start tag, or repeats one of the attributes. */
bool starttag_scan(struct span frame, struct starttag *tag_r);

#endif
