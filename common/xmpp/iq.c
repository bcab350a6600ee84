/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * iq - what an IQ request must be, and its answers (RFC 6120 8.2.3). Called by the handlers of
 * requests; appends to the caller's buffer.
 */
#include "xmpp/iq.h"

#include "xml/writer.h"

bool iq_is_valid_request(const struct stanza *s)
{
    return span_eq(stanza_root(s)->name, SPAN("iq")) && iq_is_request(s) && !span_is_empty(s->id) &&
           stanza_child_count(s, 0) == 1;
}

static void write_start(struct buf *out, struct span id, struct span from, struct span to)
{
    xml_raw(out, SPAN("<iq type='result'"));
    xml_attr(out, "id", id);
    xml_attr(out, "from", from);
    xml_attr(out, "to", to);
}

void iq_write_result(struct buf *out, struct span id, struct span from, struct span to)
{
    write_start(out, id, from, to);
    xml_raw(out, SPAN("/>"));
}

void iq_write_result_open(struct buf *out, struct span id, struct span from, struct span to)
{
    write_start(out, id, from, to);
    xml_raw(out, SPAN(">"));
}

void iq_write_end(struct buf *out)
{
    xml_raw(out, SPAN("</iq>"));
}
