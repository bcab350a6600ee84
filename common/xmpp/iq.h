/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * iq - writing answers to IQ requests (RFC 6120 8.2.3).
 */
#ifndef XMPP_IQ_H
#define XMPP_IQ_H

#include "base/buf.h"
#include "xml/stanza.h"

/* A request is get or set with an id and exactly one child element; true when it is. */
bool iq_is_valid_request(const struct stanza *s);
static inline bool iq_is_request(const struct stanza *s)
{
    return span_eq(s->type, SPAN("get")) || span_eq(s->type, SPAN("set"));
}

/* <iq type='result' id=… from=… to=…/>; from and to as given, none leaves the attribute out. */
void iq_write_result(struct buf *out, struct span id, struct span from, struct span to);
/* The same, open: append the payload (raw XML in the stream's namespace), then iq_write_end. */
void iq_write_result_open(struct buf *out, struct span id, struct span from, struct span to);
void iq_write_end(struct buf *out);

#endif
