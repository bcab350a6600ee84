/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * peer_queue - what waits for another server: into its queue, from there to its link in order, out
 * of it when it is acknowledged, back to its sender when it has waited too long or cannot be taken.
 *
 * Called by relay.c (what goes out), the streams, and the outboxes.
 */
#include "base/log.h"
#include "net/peer.h"
#include "net/wire.h"
#include "xml/writer.h"
#include "xmpp/ns.h"

/* --- in --------------------------------------------------------------------------------------- */

static void put(struct peer *p)
{
    struct net *n = p->net;
    struct span text = buf_span(&n->scratch);
    if (!outbox_put(p->outbox, text)) {
        relay_bounce(n, text, STANZA_RESOURCE_CONSTRAINT, "too much is waiting for that server");
        return;
    }
    if (p->wire)
        peer_on_drain(p);
    else if (peer_vain(p) == 0)
        peer_connect(p);
}

static const struct stanza_write_opts as_server = {.ns = SPAN_INIT(NS_SERVER),
                                                   .from_ns = SPAN_INIT(NS_COMPONENT)};

void peer_send(struct peer *p, const struct stanza *stanza)
{
    buf_clear(&p->net->scratch);
    stanza_write(&p->net->scratch, stanza, &as_server);
    put(p);
}

/* The prefix leaves the stream's namespace to what is inside, whatever that of the envelope was. */
void peer_relay(struct peer *p, const struct stanza *stanza)
{
    const struct stanza_write_opts opts = {.ns = SPAN(NS_SERVER),
                                           .from_ns = stanza_root(stanza)->ns};
    struct buf *out = &p->net->scratch;
    buf_clear(out);
    xml_raw(out, SPAN("<n:relay xmlns:n='" NS_NETWORK "'>"));
    stanza_write(out, stanza, &opts);
    xml_raw(out, SPAN("</n:relay>"));
    put(p);
}

void peers_tell_name(struct net *n, struct span name, bool is_up)
{
    size_t cursor = 0;
    for (struct peer *p; (p = map_next(&n->peers, &cursor));)
        if (p->wire)
            wire_tell_name(p->wire, name, is_up);
}

/* --- out -------------------------------------------------------------------------------------- */

void peer_on_drain(struct peer *p)
{
    struct net *n = p->net;
    if (!p->wire || n->is_stopping)
        return;
    for (struct span stanza; !span_is_none(stanza = outbox_next(p->outbox));) {
        if (p->known > 0) {
            outbox_sent(p->outbox);
            outbox_acked(p->outbox, 1);
            p->known--;
            continue;
        }
        struct buf *out = wire_begin(p->wire);
        if (!out)
            return; /* goes on when it drains */
        buf_append(out, stanza);
        outbox_sent(p->outbox);
        p->outstanding -= p->outstanding > 0;
        p->counts.sent++;
        n->counts.sent++;
        wire_end(p->wire, true);
    }
}

bool peer_on_ack(struct peer *p, uint32_t count)
{
    if (!outbox_acked(p->outbox, count))
        return false;
    p->acked += count;
    if (count > 0)
        p->failures = 0;
    return true;
}

/* What it cannot bear is found after a while, and goes back to its sender. */
void peer_on_complaint(struct peer *p, const char *why)
{
    if (!outbox_doubt(p->outbox))
        return;
    LOG(LOG_WARN, "peer.refused_stanza", F_SPAN("host", p->host), F_STR("reason", why));
    peer_session_pause(p);
    p->is_refusing = true;
    outbox_refuse_first(p->outbox);
    p->is_refusing = false;
}

/* --- back ------------------------------------------------------------------------------------- */

static void on_outbox_ready(void *ctx, struct outbox *o)
{
    struct net *n = ctx;
    struct peer *p = outbox_owner(o);
    if (!p && !peer_find(n, outbox_key(o)))
        outbox_give_up(o); /* of a server that has left the table while we were down */
    else if (p && p->wire)
        peer_on_drain(p);
}

/* One that has been sent goes, and its number with it. On a link, where the peer may be about to
 * pass over that number, the counts begin anew. */
static void forget_number(struct peer *p)
{
    if (p->outstanding == 0)
        return;
    p->outstanding--;
    if (p->is_refusing)
        return; /* it has not counted it */
    p->acked++;
    if (!p->wire)
        return;
    wire_cut(p->wire, STREAM_RESET, "stanzas have waited too long to go on");
    peer_session_forget(p);
}

static void on_outbox_expired(void *ctx, struct outbox *o, struct span stanza)
{
    struct net *n = ctx;
    struct peer *p = outbox_owner(o);
    if (p && p->known > 0) {
        p->known--; /* it has arrived */
        return;
    }
    if (p)
        forget_number(p);
    if (p && p->is_refusing)
        relay_bounce(n, stanza, STANZA_NOT_ACCEPTABLE, "its server ends the link because of it");
    else
        relay_bounce(n, stanza,
                     p || peer_find(n, outbox_key(o)) ? STANZA_REMOTE_SERVER_TIMEOUT
                                                      : STANZA_REMOTE_SERVER_NOT_FOUND,
                     NULL);
}

const struct outbox_events peer_outbox_events = {
    .on_ready = on_outbox_ready,
    .on_expired = on_outbox_expired,
};
