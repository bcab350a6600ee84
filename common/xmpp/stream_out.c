/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stream_out - output side of the engine: headers, stanzas, errors, and the ways a stream ends.
 */
#include "xmpp/stream.h"

#include "base/log.h"
#include "tls/crypto.h"
#include "xmpp/ns.h"
#include "xmpp/stream_private.h"

/* How long the peer has to end its side after we have ended ours (RFC 6120 4.4), milliseconds. */
#define CLOSE_TIMEOUT 5000
#define CLOSE_TIMEOUT_AFTER_ERROR 2000

static const struct span end_tag = SPAN_INIT("</stream:stream>");

void stream_send_header(struct stream *s, const struct stream_header *h)
{
    struct buf *out = conn_out(s->conn);
    xml_raw(out, SPAN("<?xml version='1.0'?><stream:stream xmlns='"));
    buf_append_z(out, s->role->ns);
    xml_raw(out, SPAN("' xmlns:stream='" NS_STREAM "'"));
    if (s->role->declares) {
        buf_append_char(out, ' ');
        buf_append_z(out, s->role->declares);
    }
    if (!s->role->is_initiator) {
        crypto_random_hex(s->id, 16);
        xml_attr(out, "id", span_of(s->id));
    }
    xml_attr(out, "from", span_is_none(h->from) ? s->from : h->from);
    xml_attr(out, "to", h->to);
    if (s->role->has_version)
        xml_raw(out, SPAN(" version='1.0'"));
    xml_attr(out, "xml:lang", h->lang);
    xml_raw(out, SPAN(">"));
    s->header_sent = true;
    conn_flush_soon(s->conn);
}

void stream_send(struct stream *s, struct span bytes)
{
    if (stream_is_open(s))
        conn_send(s->conn, bytes);
}

struct buf *stream_out(struct stream *s)
{
    return conn_out(s->conn);
}

void stream_flush(struct stream *s)
{
    conn_flush_soon(s->conn);
}

size_t stream_out_len(const struct stream *s)
{
    return s->conn ? conn_out_len(s->conn) : 0;
}

uint64_t stream_out_taken(const struct stream *s)
{
    return s->conn ? conn_taken(s->conn) : 0;
}

/* --- ends ------------------------------------------------------------------------------------- */

static void start_closing(struct stream *s, uint64_t timeout)
{
    conn_send(s->conn, end_tag);
    stream_set_deadline(s, timeout);
    s->phase = STREAM_CLOSING;
    /* A paused stream must still see the peer's end. */
    if (s->paused) {
        s->paused = 0;
        conn_resume(s->conn);
    }
    buf_free(&s->in);
}

/* app: an element of urn:xmpp:errors, or NULL; xml: one of another namespace, or none. */
static void end_with_error(struct stream *s, enum stream_error e, const char *text,
                           const char *app, struct span xml)
{
    static const struct span end = SPAN_INIT("</stream:error>");

    if (!stream_is_open(s))
        return;
    s->error = e;
    char peer[ADDR_TEXT_MAX];
    LOG(LOG_INFO, "stream.error", F_STR("role", s->role->name), F_STR("sid", s->id),
        F_STR("cond", stream_error_name(e)), F_STR("text", text ? text : ""),
        F_STR("peer", addr_format(conn_peer(s->conn), peer)));
    if (!s->header_sent)
        stream_send_header(s, &(struct stream_header){0});
    struct buf out = {0};
    stream_error_write(&out, e, text, app);
    if (!span_is_none(xml)) {
        out.tail -= end.n;
        buf_append(&out, xml);
        buf_append(&out, end);
    }
    conn_send(s->conn, buf_span(&out));
    buf_free(&out);
    start_closing(s, CLOSE_TIMEOUT_AFTER_ERROR);
}

void stream_error(struct stream *s, enum stream_error e, const char *text)
{
    end_with_error(s, e, text, NULL, SPAN_NONE);
}

void stream_error_with(struct stream *s, enum stream_error e, const char *text, struct span xml)
{
    end_with_error(s, e, text, NULL, xml);
}

void stream_fault(struct stream *s, enum xml_fault fault)
{
    end_with_error(s, stream_error_of_fault(fault), NULL,
                   fault == XML_TOO_BIG ? "stanza-too-big" : NULL, SPAN_NONE);
}

void stream_close(struct stream *s)
{
    if (!stream_is_open(s))
        return;
    if (!s->header_sent)
        conn_close(s->conn); /* nothing has been said yet: no end tag either */
    else
        start_closing(s, CLOSE_TIMEOUT);
}

void stream_peer_closed(struct stream *s)
{
    if (stream_is_open(s) && s->header_sent)
        start_closing(s, CLOSE_TIMEOUT);
    s->phase = STREAM_CLOSING;
    conn_close(s->conn);
}

void stream_abort(struct stream *s)
{
    if (s->phase == STREAM_CLOSED)
        return;
    s->phase = STREAM_CLOSING;
    conn_abort(s->conn, 0);
}
