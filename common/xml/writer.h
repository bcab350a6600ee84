/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * writer - stanzas to bytes, always from our own tree or from calls, never by copying input.
 *
 * Escapes & < > " ' in text and attributes, and TAB LF CR in attributes (CR in text) as character
 * references, so that a round trip is exact; writes a namespace declaration where an element's
 * namespace differs from the one in force; namespaced attributes get generated prefixes declared
 * on their element, xml: ones keep it. Each call appends all or, when the buffer has a cap that the
 * whole would exceed, nothing. Escaping can make the output six times its input.
 */
#ifndef XML_WRITER_H
#define XML_WRITER_H

#include "base/buf.h"
#include "xml/stanza.h"

struct stanza_write_opts {
    struct span ns;      /* the namespace in force where it goes: the stream's default namespace */
    struct span from_ns; /* elements of this namespace are written as if in ns (a stanza that came
                            in as jabber:client leaves as jabber:component:accept); none: no
                            change. Only down to the first element of a third namespace: a
                            forwarded stanza stays what it was. */
    /* Attributes of the stanza's element instead of its own; none: keep; empty: leave out. */
    struct span to, from, id, type;
    struct span tail; /* XML to put before the end tag, already escaped (delay, stanza-id) */
};

/* Appends the whole stanza. */
void stanza_write(struct buf *out, const struct stanza *s, const struct stanza_write_opts *opts);
/* Appends the subtree of node, where ns is the default namespace in force. */
void stanza_write_node(struct buf *out, const struct stanza *s, uint32_t node, struct span ns);

/* --- escaping and writing by hand --- */

void xml_text(struct buf *out, struct span text);  /* escaped for text */
void xml_value(struct buf *out, struct span text); /* escaped for an attribute in '…' */
/* " name='value'", escaped; nothing when value is none. */
void xml_attr(struct buf *out, const char *name, struct span value);
/* XML as it stands: for literals. */
static inline void xml_raw(struct buf *out, struct span literal)
{
    buf_append(out, literal);
}

#endif
