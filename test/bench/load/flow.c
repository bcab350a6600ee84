/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * flow - numbered messages. The body says who sent it, who must receive it and which of the
 * sender's messages it is, so that nothing can be lost, doubled, reordered or go to the wrong
 * client unseen.
 */
#include "load.h"

#include <stdio.h>

static struct buf padding;

void flow_body(unsigned length)
{
    buf_clear(&padding);
    /* the numbers in front take some twelve bytes */
    while (buf_len(&padding) + 12 < length)
        buf_append_char(&padding, 'x');
}

void flow_init(struct client *c, unsigned window)
{
    c->flow = (struct flow){.window = window};
    if (window > 0)
        c->flow.stamps = mem_zalloc(window * sizeof *c->flow.stamps);
}

void flow_send(struct client *from, const char *to, unsigned receiver)
{
    struct flow *f = &from->flow;
    struct buf *out = &from->out;
    buf_append(out, SPAN("<message type='chat' to='"));
    buf_append_z(out, to);
    if (from->is_component) {
        buf_append(out, SPAN("' from='"));
        buf_append_z(out, from->jid);
    }
    buf_append(out, SPAN("' id='m"));
    buf_append_u64(out, f->sent);
    buf_append(out, SPAN("'><body>"));
    buf_append_u64(out, from->index);
    buf_append_char(out, ' ');
    buf_append_u64(out, receiver);
    buf_append_char(out, ' ');
    buf_append_u64(out, f->sent);
    buf_append_char(out, ' ');
    buf_append(out, buf_span(&padding));
    buf_append(out, SPAN("</body></message>"));
    if (f->stamps)
        f->stamps[f->sent % f->window] = now_ns;
    f->sent++;
    net_mark(from);
}

static bool take_number(struct span *s, uint64_t *value_r)
{
    size_t n = span_index(*s, ' ');
    if (!span_to_u64(span_make(s->p, n), UINT64_MAX, value_r))
        return false;
    *s = span_from(*s, n < s->n ? n + 1 : n);
    return true;
}

struct note flow_note(const struct client *c, struct span stanza)
{
    struct note note;
    struct span body = scan_text(stanza, "body");
    if (span_is_none(body) || !take_number(&body, &note.sender) ||
        !take_number(&body, &note.receiver) || !take_number(&body, &note.number))
        fail(c, stanza, "an unexpected stanza");
    return note;
}

void flow_check(const struct client *c, struct span stanza, const struct note *note,
                uint64_t receiver, uint64_t expected)
{
    if (note->receiver != receiver)
        fail(c, stanza, "misdelivered: for client %llu, came to %llu",
             (unsigned long long)note->receiver, (unsigned long long)receiver);
    if (note->number != expected)
        fail(c, stanza, "%s: number %llu from client %llu, %llu was due",
             note->number < expected ? "doubled or reordered" : "lost or reordered",
             (unsigned long long)note->number, (unsigned long long)note->sender,
             (unsigned long long)expected);
}

void flow_stamp(const struct client *sender, uint64_t number)
{
    if (is_measuring && sender->flow.stamps)
        figures_latency(now_ns - sender->flow.stamps[number % sender->flow.window]);
}

struct client *flow_take(struct client *clients, unsigned count, struct client *receiver,
                         struct span stanza)
{
    struct note note = flow_note(receiver, stanza);
    if (note.sender >= count)
        fail(receiver, stanza, "an unknown sender");
    struct client *sender = &clients[note.sender];
    flow_check(receiver, stanza, &note, receiver->index, sender->flow.received);
    flow_stamp(sender, note.number);
    sender->flow.received++;
    if (is_measuring)
        operations++;
    return sender;
}

bool flow_is_settled(const struct client *clients, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (clients[i].flow.sent != clients[i].flow.received)
            return false;
    return true;
}
