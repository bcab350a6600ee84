/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bind - resource binding (RFC 6120 section 7), and the transport's side of the door to the session
 * manager: its stanzas go in, what it sends goes out, completions move the count of handled ones.
 */
#include "c2s/c2s.h"

#include "base/log.h"
#include "xmpp/iq.h"
#include "xmpp/ns.h"

#include <stdlib.h>

/* Stanzas of one client that are not yet in safe hands (being stored, waiting for the router):
 * beyond, it is not read, so that no client fills what all share. */
#define WAITING_MAX 256

/* --- what the session manager may do to a client ---------------------------------------------- */

static struct client *client_of_sm(struct sm_client *sm)
{
    return CONTAINER_OF(sm, struct client, sm);
}

static struct buf *sm_begin(struct sm_client *sm)
{
    struct client *c = client_of_sm(sm);
    return stream_is_open(&c->stream) ? stream_out(&c->stream) : NULL;
}

static void sm_end(struct sm_client *sm)
{
    stream_flush(&client_of_sm(sm)->stream);
}

static size_t sm_backlog(const struct sm_client *sm)
{
    const struct client *c = (const struct client *)(const void *)sm;
    return stream_out_len(&c->stream);
}

static void sm_kick(struct sm_client *sm, enum stream_error e, const char *text)
{
    stream_error(&client_of_sm(sm)->stream, e, text);
}

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

static void sm_opened(struct sm_client *sm, struct sm_session *session, struct span full_jid,
                      enum stanza_error e, const char *text)
{
    struct client *c = client_of_sm(sm);
    struct stream *s = &c->stream;
    if (e) {
        stream_set_state(s, C2S_AUTHED);
        if (stream_is_open(s))
            refuse_bind(c, e, text);
    } else {
        c->session = session;
        c->jid = mem_strdup_span(full_jid);
        stream_set_state(s, C2S_BOUND);
        stream_set_deadline(s, 0);
        stream_set_rate(s, (uint64_t)c->c2s->conf->input_rate,
                        (uint64_t)c->c2s->conf->input_burst);
        if (stream_is_open(s))
            answer_bind(c, full_jid);
        LOG(LOG_INFO, "client.bound", F_STR("sid", s->id), F_STR("jid", c->jid));
    }
    free(c->bind_id);
    c->bind_id = NULL;
    stream_resume(s);
}

static void sm_hold_client(struct sm_client *sm, bool is_held)
{
    struct stream *s = &client_of_sm(sm)->stream;
    if (is_held)
        stream_pause(s);
    else
        stream_resume(s);
}

static const struct sm_client_ops ops = {
    .begin = sm_begin,
    .end = sm_end,
    .backlog = sm_backlog,
    .kick = sm_kick,
    .opened = sm_opened,
    .hold = sm_hold_client,
};

void bind_init(struct client *c)
{
    c->sm.ops = &ops;
}

/* --- what the client may do ------------------------------------------------------------------- */

void bind_write_features(struct client *c, struct buf *out)
{
    xml_raw(out, SPAN("<bind xmlns='" NS_BIND "'/>"
                      "<session xmlns='" NS_SESSION "'><optional/></session>"));
    sm_features(c->c2s->sm, out);
    xml_raw(out, SPAN("<limits xmlns='" NS_STREAM_LIMITS "'><max-bytes>")); /* XEP-0478 */
    buf_append_u64(out, c->c2s->stanza_limits.stanza_bytes);
    xml_raw(out, SPAN("</max-bytes></limits>"));
}

/* What is answered here is bounded as what the session manager says. */
static bool has_room(struct client *c)
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
    if (!has_room(c))
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
    sm_open(c->c2s->sm, &c->sm, span_of(c->user), c->domain,
            wanted.n ? wanted : SPAN_NONE);
}

/* RFC 3921's session request: servers offer it as optional and do nothing (RFC 6121 has none). */
static bool answer_session(struct client *c, const struct stanza *stanza)
{
    if (!span_eq(stanza_root(stanza)->name, SPAN("iq")) ||
        !span_eq(stanza->type, SPAN("set")) || span_is_none(stanza->id) ||
        !stanza_child(stanza, 0, SPAN(NS_SESSION), SPAN("session")))
        return false;
    if (!has_room(c))
        return true;
    iq_write_result(stream_out(&c->stream), stanza->id, SPAN_NONE, span_of(c->jid));
    stream_flush(&c->stream);
    return true;
}

void bind_on_stanza(struct stream *s, struct stanza *stanza)
{
    struct client *c = client_of(s);
    struct link_done done = handled_next(&c->handled);
    if (answer_session(c, stanza) ||
        (span_eq(stanza->type, SPAN("error")) && stanza_is_error_of_error(stanza)))
        done.call(done.ctx, true);
    else
        sm_input(c->session, stanza, done);
    if (c->handled.waiting >= WAITING_MAX && !c->is_throttled && stream_is_open(s)) {
        c->is_throttled = true;
        stream_pause(s);
    }
}

void bind_on_handled(struct client *c)
{
    if (!c->is_throttled || c->handled.waiting > WAITING_MAX / 2)
        return;
    c->is_throttled = false;
    stream_resume(&c->stream);
}

void bind_close(struct client *c)
{
    if (c->session)
        sm_close(c->session);
    else if (c->stream.state == C2S_BINDING)
        sm_open_cancel(c->c2s->sm, &c->sm);
    c->session = NULL;
}
