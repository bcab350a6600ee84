/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bind - resource binding (RFC 6120 section 7): features, request, the session manager's answer.
 *
 * Called by client.c's rules and by seat.c.
 */
#include "c2s/c2s.h"

#include "base/log.h"
#include "xmpp/iq.h"
#include "xmpp/ns.h"

#include <stdlib.h>

static void answer_bind(struct client *c, struct span jid)
{
    struct buf *out = stream_out(&c->stream);
    iq_write_result_open(out, span_of(c->bind_id), SPAN_NONE, SPAN_NONE);
    xml_raw(out, SPAN("<bind xmlns='" NS_BIND "'><jid>"));
    xml_text(out, jid);
    xml_raw(out, SPAN("</jid></bind>"));
    iq_write_end(out);
    stream_flush(&c->stream);
}

static void refuse_bind(struct client *c, enum stanza_error e, const char *text)
{
    struct buf id = {0};
    xml_value(&id, span_of(c->bind_id));
    stanza_error_write_parts(stream_out(&c->stream), SPAN("iq"), buf_span(&id), SPAN_NONE,
                             SPAN_NONE, e, text);
    stream_flush(&c->stream);
    buf_free(&id);
}

void bind_done(struct client *c)
{
    struct stream *s = &c->stream;
    stream_set_state(s, C2S_BOUND);
    stream_set_deadline(s, 0);
    stream_set_rate(s, (uint64_t)c->c2s->conf->input_rate, (uint64_t)c->c2s->conf->input_burst);
    stream_set_pace(s, (uint64_t)c->c2s->conf->stanza_rate, (uint64_t)c->c2s->conf->stanza_burst);
}

void bind_on_opened(struct client *c, struct span full_jid, enum stanza_error e, const char *text)
{
    struct stream *s = &c->stream;
    if (e) {
        stream_set_state(s, C2S_AUTHED);
        if (stream_is_open(s))
            refuse_bind(c, e, text);
    } else {
        bind_done(c);
        if (stream_is_open(s))
            answer_bind(c, full_jid);
        LOG(LOG_INFO, "client.bound", F_STR("sid", s->id), F_SPAN("jid", full_jid));
    }
    free(c->bind_id);
    c->bind_id = NULL;
    stream_resume(s);
}

/* --- what the client may do ------------------------------------------------------------------- */

void bind_write_features(struct client *c, struct buf *out)
{
    xml_raw(out, SPAN("<bind xmlns='" NS_BIND "'/>"
                      "<session xmlns='" NS_SESSION "'><optional/></session>"));
    xml_raw(out, SPAN("<sm xmlns='" NS_SM "'/><csi xmlns='" NS_CSI "'/>"));
    sm_features(c->c2s->sm, out);
    xml_raw(out, SPAN("<limits xmlns='" NS_STREAM_LIMITS "'><max-bytes>")); /* XEP-0478 */
    buf_append_u64(out, c->c2s->stanza_limits.stanza_bytes);
    xml_raw(out, SPAN("</max-bytes></limits>"));
}

bool bind_has_room(struct client *c)
{
    if (stream_out_len(&c->stream) <= (size_t)c->c2s->conf->backlog)
        return true;
    stream_error(&c->stream, STREAM_RESOURCE_CONSTRAINT, "too much unread");
    return false;
}

void bind_on_iq(struct stream *s, struct stanza *stanza)
{
    struct client *c = client_of(s);
    uint32_t bind = stanza_child(stanza, 0, SPAN(NS_BIND), SPAN("bind"));
    if (!bind_has_room(c))
        return;
    if (!bind) {
        stream_error(s, STREAM_NOT_AUTHORIZED, "bind a resource first");
        return;
    }
    if (!iq_is_valid_request(stanza) || !span_eq(stanza->type, SPAN("set"))) {
        stanza_error_write(stream_out(s), stanza, SPAN(NS_CLIENT), SPAN_NONE, SPAN_NONE,
                           STANZA_BAD_REQUEST, NULL);
        stream_flush(s);
        return;
    }
    uint32_t resource = stanza_child(stanza, bind, SPAN(NS_BIND), SPAN("resource"));
    struct span wanted = resource ? stanza_text(stanza, resource) : SPAN_NONE;
    c->bind_id = mem_strdup_span(stanza->id);
    stream_set_state(s, C2S_BINDING);
    stream_pause(s); /* sm_opened resumes */
    sm_open(c->c2s->sm, &seat_new(c)->sm, span_of(c->user), c->domain,
            wanted.n ? wanted : SPAN_NONE);
}

/* RFC 3921's session request: servers offer it as optional and do nothing (RFC 6121 has none). */
static bool answer_session(struct client *c, const struct stanza *stanza)
{
    if (!span_eq(stanza_root(stanza)->name, SPAN("iq")) ||
        !span_eq(stanza->type, SPAN("set")) || span_is_none(stanza->id) ||
        !stanza_child(stanza, 0, SPAN(NS_SESSION), SPAN("session")))
        return false;
    if (!bind_has_room(c))
        return true;
    struct buf *out = seat_begin(c->seat);
    if (!out)
        return true;
    iq_write_result(out, stanza->id, SPAN_NONE, span_of(c->seat->jid));
    seat_finish(c->seat);
    return true;
}

void bind_on_stanza(struct stream *s, struct stanza *stanza)
{
    struct client *c = client_of(s);
    stream_spend_stanza(s);
    if (answer_session(c, stanza) ||
        (span_eq(stanza->type, SPAN("error")) && stanza_is_error_of_error(stanza)))
        seat_count(c->seat);
    else
        seat_input(c->seat, stanza);
    if (c->c2s->link)
        link_feed(c->c2s->link, &c->feeder, s);
}
