/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bounce - what comes back to a sender: error answers to stanzas, returned envelopes.
 *
 * Errors, results and what else must not be answered are dropped and counted (RFC 6120 8.3.1).
 */
#include "base/log.h"
#include "router/router.h"
#include "xml/writer.h"
#include "xmpp/ns.h"

/* Room that an error answer may need: three addresses' worth. */
#define ANSWER_MAX (4 * JID_TEXT_MAX)

static void write_answer(struct buf *out, const struct packet *k, enum stanza_error e,
                         const char *text)
{
    struct starttag tag;
    if (k->tree)
        stanza_error_write(out, k->tree, SPAN(NS_COMPONENT), SPAN_NONE, SPAN_NONE, e, text);
    else if (starttag_scan(k->frame, &tag))
        stanza_error_write_parts(out, tag.name, tag.id, tag.to, tag.from, e, text);
}

/* Beyond a queue's cap, what cannot be answered, and answers themselves, are lost: never without
 * a word. */
static void lose(struct router *r, struct span name, struct span to)
{
    r->counters.lost++;
    LOG(LOG_WARN, "relay.lost", F_SPAN("name", name), F_SPAN("to", to));
}

/* False: the sender does not read, while it sends what must be answered. */
static bool has_room(struct peer *p)
{
    if (!flow_is_full(p, ANSWER_MAX))
        return true;
    lose(p->router, SPAN("answer"), p->name);
    return false;
}

static void show(struct router *r, const struct peer *to, struct span bytes)
{
    if (router_is_tapped(r))
        router_tap(r, SPAN("router"), to->name, bytes);
    if (to->record)
        record_frame(to->record, false, bytes);
}

void bounce_packet(struct router *r, const struct packet *k, enum stanza_error e,
                   const char *text)
{
    LOG(LOG_DEBUG, "relay.bounce", F_SPAN("name", k->name), F_SPAN("type", k->type),
        F_SPAN("to", k->to.domain), F_STR("cond", stanza_error_name(e)));
    if (!stanza_may_answer_error(k->name, k->type)) {
        if (e == STANZA_RESOURCE_CONSTRAINT)
            lose(r, k->name, k->to.domain);
        else
            r->counters.dropped++;
        return;
    }
    r->counters.bounced++;
    if (k->sender && peer_is_up(k->sender)) {
        if (!has_room(k->sender))
            return;
        struct buf *out = stream_out(&k->sender->stream);
        size_t start = buf_len(out);
        write_answer(out, k, e, text);
        stream_flush(&k->sender->stream);
        show(r, k->sender, span_from(buf_span(out), start));
        return;
    }
    struct packet back = {.name = k->name, .type = SPAN("error"), .from = k->to.full};
    struct buf *out = router_scratch(r);
    write_answer(out, k, e, text);
    back.frame = buf_span(out);
    if (jid_parse(k->from, &back.to, &r->back_scratch))
        relay_packet(r, &back);
}

void bounce_envelope(struct peer *p, struct span from, struct span to, struct span frame,
                     enum stanza_error e)
{
    struct router *r = p->router;
    struct starttag tag;
    if (!starttag_scan(frame, &tag) || span_eq(tag.type, SPAN("error"))) {
        r->counters.dropped++;
        return;
    }
    r->counters.bounced++;
    if (!has_room(p))
        return;
    struct buf *out = stream_out(&p->stream);
    size_t start = buf_len(out);
    xml_raw(out, SPAN("<envelope xmlns='" NS_ROUTER "' type='error'"));
    xml_attr(out, "condition", span_of(stanza_error_name(e)));
    xml_attr(out, "from", to);
    xml_attr(out, "to", from);
    xml_raw(out, tag.is_empty ? SPAN("/>") : SPAN(">"));
    buf_append(out, span_from(frame, tag.length));
    stream_flush(&p->stream);
    show(r, p, span_from(buf_span(out), start));
}
