/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wire_open - from TLS to a link: whose key the other side has, headers, features, and where the
 * last link is taken up again (XEP-0198 5). The rules of wire.c call these.
 *
 * Who has dialled knows whom he wants and looks before he says a word; the other side knows whose
 * key to expect when the header has come. Nothing is offered before that.
 */
#include "base/log.h"
#include "net/wire_private.h"
#include "tls/crypto.h"
#include "xml/writer.h"
#include "xmpp/ns.h"
#include "xmpp/server_key.h"

#include <stdio.h>

/* --- who it is -------------------------------------------------------------------------------- */

static void refuse(struct wire *w, struct span host, const char *expected, const char *why)
{
    char peer[ADDR_TEXT_MAX];
    LOG(LOG_WARN, "wire.refused", F_SPAN("host", host), F_STR("expected", expected),
        F_STR("shown", w->shown), F_STR("reason", why),
        F_STR("peer", addr_format(conn_peer(w->stream.conn), peer)),
        F_STR("by", w->is_ours ? "us" : "it"));
    w->net->counts.refused++;
    wire_note(w, "its key: %s; in the table: %s", *w->shown ? w->shown : "none", expected);
    wire_fail(w, STREAM_NOT_AUTHORIZED, why);
}

/* The key that it has proved to own is the one that the table has for that host. */
static bool prove(struct wire *w, const struct peer *p)
{
    char why[CONF_ERROR_MAX] = "";
    w->shown[0] = '\0';
    if (!server_key_of_peer(conn_transport(w->stream.conn), w->shown, why))
        w->shown[0] = '\0';
    else if (strcasecmp(w->shown, p->fingerprint) == 0)
        return true;
    else
        snprintf(why, sizeof why, "the key, %s, is not the one in the table of servers", w->shown);
    refuse(w, p->host, p->fingerprint, why);
    return false;
}

void wire_on_secure(struct stream *s)
{
    struct wire *w = wire_of(s);
    if (!w->is_ours) {
        stream_set_state(s, WIRE_HEADER);
        return;
    }
    wire_note(w, "%s", tls_describe(conn_transport(s->conn)));
    if (!w->peer || !prove(w, w->peer))
        return;
    stream_set_state(s, WIRE_HEADER);
    stream_send_header(s, &(struct stream_header){.to = w->peer->host});
}

/* --- headers ---------------------------------------------------------------------------------- */

static bool is_domain(struct span text, struct span domain)
{
    char out[JID_PART_MAX + 1];
    struct span prepared;
    return !span_is_empty(text) && jid_prep_domain(text, out, &prepared) &&
           span_eq(prepared, domain);
}

static struct peer *find_claimed(const struct net *n, struct span from)
{
    char out[JID_PART_MAX + 1];
    struct span host;
    return !span_is_empty(from) && jid_prep_domain(from, out, &host) ? peer_find(n, host) : NULL;
}

static void write_features(struct stream *s)
{
    stream_send(s, SPAN("<stream:features><sm xmlns='" NS_SM "'/><link xmlns='" NS_NETWORK "'/>"
                        "</stream:features>"));
}

static void on_their_header(struct wire *w, const struct stanza *header)
{
    struct stream *s = &w->stream;
    if (!is_domain(header->to, w->net->host)) {
        LOG(LOG_WARN, "wire.host_unknown", F_SPAN("from", header->from), F_SPAN("to", header->to));
        wire_fail(w, STREAM_HOST_UNKNOWN, "that is not this server");
        return;
    }
    struct peer *p = find_claimed(w->net, header->from);
    if (!p) {
        refuse(w, header->from, "", "it is not in the table of servers, or disabled");
        return;
    }
    if (!prove(w, p))
        return;
    if (!peer_admits(p, w)) {
        wire_outdo(w);
        return;
    }
    w->peer = p;
    stream_send_header(s, &(struct stream_header){.to = p->host});
    write_features(s);
    stream_set_state(s, WIRE_OFFERED);
}

void wire_on_header(struct stream *s, const struct stanza *header)
{
    struct wire *w = wire_of(s);
    if (!w->is_ours)
        on_their_header(w, header);
    else if (w->peer && !span_is_none(header->from) && !is_domain(header->from, w->peer->host))
        wire_fail(w, STREAM_INVALID_FROM, "its header is another server's");
}

/* --- XEP-0198: who has dialled ---------------------------------------------------------------- */

static void ask(struct wire *w)
{
    struct peer *p = w->peer;
    struct buf *out = stream_out(&w->stream);
    if (peer_session_is(p, span_of(p->previous))) {
        xml_raw(out, SPAN("<resume xmlns='" NS_SM "'"));
        xml_attr(out, "previd", span_of(p->previous));
        xml_raw(out, SPAN(" h='"));
        buf_append_u64(out, handled_count(&p->intake->handled));
        xml_raw(out, SPAN("'/>"));
    } else {
        xml_raw(out, SPAN("<enable xmlns='" NS_SM "' resume='true'/>"));
    }
    stream_flush(&w->stream);
    stream_set_state(&w->stream, WIRE_ASKED);
}

void wire_on_features(struct stream *s, struct stanza *stanza)
{
    struct wire *w = wire_of(s);
    if (!stanza_child(stanza, 0, SPAN(NS_SM), SPAN("sm")) ||
        !stanza_child(stanza, 0, SPAN(NS_NETWORK), SPAN("link")))
        wire_fail(w, STREAM_UNSUPPORTED_FEATURE, "it offers no link");
    else if (w->peer)
        ask(w);
}

/* False: another stays, and this one ends. */
static bool take(struct wire *w)
{
    if (w->peer && peer_take(w->peer, w))
        return true;
    wire_outdo(w);
    return false;
}

void wire_on_enabled(struct stream *s, struct stanza *stanza)
{
    struct wire *w = wire_of(s);
    if (!take(w))
        return;
    peer_session_begin(w->peer, stanza_attr(stanza, 0, SPAN("id")));
    wire_serve(w);
}

static bool read_h(struct stream *s, const struct stanza *stanza, uint32_t *h_r)
{
    uint64_t h;
    if (!span_to_u64(stanza_attr(stanza, 0, SPAN("h")), UINT32_MAX, &h)) {
        wire_fail(wire_of(s), STREAM_BAD_FORMAT, "h is no number");
        return false;
    }
    *h_r = (uint32_t)h;
    return true;
}

void wire_on_resumed(struct stream *s, struct stanza *stanza)
{
    struct wire *w = wire_of(s);
    struct peer *p = w->peer;
    uint32_t h;
    if (!read_h(s, stanza, &h))
        return;
    if (!p || !peer_session_is(p, stanza_attr(stanza, 0, SPAN("previd"))) ||
        !peer_session_resume(p, h)) {
        if (p)
            peer_session_forget(p);
        w->is_outdone = true; /* the next one begins anew, at once */
        wire_fail(w, STREAM_UNDEFINED_CONDITION, "it resumes something else");
        return;
    }
    if (take(w))
        wire_serve(w);
}

/* Its memory of the last link is gone: what it has of ours is not known either. */
void wire_on_failed(struct stream *s, struct stanza *stanza)
{
    struct wire *w = wire_of(s);
    (void)stanza;
    if (!w->peer || !*w->peer->previous) {
        wire_fail(w, STREAM_UNSUPPORTED_FEATURE, "it counts no stanzas");
        return;
    }
    peer_session_forget(w->peer);
    ask(w);
}

/* --- and the other side ----------------------------------------------------------------------- */

void wire_on_enable(struct stream *s, struct stanza *stanza)
{
    struct wire *w = wire_of(s);
    char id[33];
    (void)stanza;
    if (!take(w))
        return;
    crypto_random_hex(id, 16);
    peer_session_begin(w->peer, span_of(id));
    struct buf *out = stream_out(s);
    xml_raw(out, SPAN("<enabled xmlns='" NS_SM "' resume='true'"));
    xml_attr(out, "id", span_of(id));
    xml_raw(out, SPAN("/>"));
    wire_serve(w);
}

static void write_resumed(struct wire *w)
{
    struct peer *p = w->peer;
    struct buf *out = stream_out(&w->stream);
    xml_raw(out, SPAN("<resumed xmlns='" NS_SM "'"));
    xml_attr(out, "previd", span_of(p->previous));
    xml_raw(out, SPAN(" h='"));
    buf_append_u64(out, handled_count(&p->intake->handled));
    xml_raw(out, SPAN("'/>"));
}

void wire_on_resume(struct stream *s, struct stanza *stanza)
{
    struct wire *w = wire_of(s);
    struct peer *p = w->peer;
    uint32_t h;
    if (!read_h(s, stanza, &h))
        return;
    if (!p || !peer_admits(p, w)) {
        wire_outdo(w);
        return;
    }
    peer_let_go(p); /* what it had sent is counted now */
    if (peer_session_is(p, stanza_attr(stanza, 0, SPAN("previd"))) && peer_session_resume(p, h)) {
        peer_take(p, w);
        write_resumed(w);
        wire_serve(w);
        return;
    }
    peer_session_forget(p);
    stream_send(s, SPAN("<failed xmlns='" NS_SM "'><item-not-found xmlns='" NS_STANZA_ERRORS
                        "'/></failed>"));
}
