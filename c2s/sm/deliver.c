/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * deliver - the ways out: to a client of ours, to the router, and answers to the sender.
 *
 * The stanza is written straight from its tree into the output it leaves by, once per recipient.
 */
#include "c2s/sm/archive/archive.h"

#include <stdlib.h>

/* A full queue means a client that does not read: it is ended, and others take its messages. */
static struct buf *client_begin(struct sm_session *s)
{
    const struct sm_client_ops *ops;
    struct buf *out;

    if (s->is_gone || !s->client)
        return NULL;
    ops = s->client->ops;
    if (ops->backlog(s->client) > s->sm->opts.max_backlog) {
        LOG(LOG_WARN, "sm.backlog", F_SPAN("jid", s->full));
        sm_session_kick(s, STREAM_RESOURCE_CONSTRAINT, "too much unread");
        return NULL;
    }
    out = ops->begin(s->client);
    if (!out) {
        s->is_gone = true;
        sm_offline_end(s);
    }
    return out;
}

/* A client sees itself in the domain that it logged in to, however it was addressed. */
static struct span to_for(const struct sm_in *in, const struct sm_session *s)
{
    if (span_eq(in->to.domain, s->domain) || span_is_none(in->to.local))
        return in->to.full;
    return jid_is_bare(&in->to) ? s->bare : s->full;
}

/* It learns by what name of its own the message is in its archive. */
static struct span tail_for(const struct sm_in *in, const struct sm_session *s)
{
    struct buf *tail = &in->sm->tail;

    if (!in->archive_id)
        return in->tail;
    buf_clear(tail);
    buf_append(tail, in->tail);
    sm_archive_write_id(tail, s->bare, in->archive_id);
    return buf_span(tail);
}

bool sm_deliver(struct sm_in *in, struct sm_session *s)
{
    struct sm_client *client = s->client;
    struct buf *out;

    if (s->is_full && !span_eq(stanza_root(in->stanza)->name, SPAN("presence")))
        return false;
    out = client_begin(s);
    if (!out)
        return false;
    const size_t from = buf_len(out);
    const struct stanza_write_opts opts = {
        .ns = SPAN(NS_CLIENT),
        .from_ns = stanza_root(in->stanza)->ns,
        .to = to_for(in, s),
        .from = in->stanza->from,
        .tail = tail_for(in, s),
    };
    stanza_write(out, in->stanza, &opts);
    if (sm_has_network(s->sm))
        sm_edge_out(s, out, from);
    if (s->asked)
        sm_asked_answer(s, out, from);
    client->ops->end(client);
    return true;
}

/* --- completions of the link ---
 *
 * The link says "false" both when its queue is full, which is answered to the sender and thereby
 * safe, and when it ends later, which is not. struct sm_wait tells the two apart.
 */
struct sm_wait {
    struct sm *sm;
    struct sm_wait *next; /* in sm->spare_waits */
    struct link_done done;
    bool is_sending;  /* link_send_stanza has not returned */
    bool is_answered; /* called while it had not */
};

static struct sm_wait *wait_take(struct sm *sm)
{
    struct sm_wait *w = sm->spare_waits;

    if (w)
        sm->spare_waits = w->next;
    else
        w = mem_alloc(sizeof(*w));
    *w = (struct sm_wait){.sm = sm, .is_sending = true};
    sm_hold(sm);
    return w;
}

static void wait_return(struct sm_wait *w)
{
    struct sm *sm = w->sm;

    w->next = sm->spare_waits;
    sm->spare_waits = w;
    sm_unhold(sm);
}

void sm_waits_free(struct sm *sm)
{
    while (sm->spare_waits) {
        struct sm_wait *w = sm->spare_waits;
        sm->spare_waits = w->next;
        free(w);
    }
}

static void on_link_done(void *ctx, bool is_safe)
{
    struct sm_wait *w = ctx;

    if (w->is_sending) {
        w->is_answered = true;
        return;
    }
    struct link_done done = w->done;
    wait_return(w);
    sm_done(done, is_safe);
}

static bool send_waiting(struct sm_in *in, const struct stanza_write_opts *opts)
{
    struct sm *sm = in->sm;
    struct sm_wait *w = wait_take(sm);
    const struct link_done done = {on_link_done, w};
    bool is_sent = link_send_stanza(sm->link, in->stanza, opts, done);

    w->is_sending = false;
    if (w->is_answered) {
        wait_return(w);
        return is_sent;
    }
    w->done = sm_in_take_done(in);
    return true;
}

/* user@network is user@host inside: the claim at the router is on the host's form. */
static struct span internal_to(const struct sm_in *in, char *text)
{
    const struct span host = in->sm->opts.host;
    const struct jid *to = &in->to;
    size_t n = 0;

    if (span_is_none(to->local) || !span_eq(to->domain, in->sm->opts.network) ||
        to->local.n + host.n + to->resource.n + 2 > JID_TEXT_MAX)
        return to->full;
    memcpy(text, to->local.p, to->local.n);
    n += to->local.n;
    text[n++] = '@';
    memcpy(text + n, host.p, host.n);
    n += host.n;
    if (!jid_is_bare(to)) {
        text[n++] = '/';
        memcpy(text + n, to->resource.p, to->resource.n);
        n += to->resource.n;
    }
    return span_make(text, n);
}

void sm_send_to_router(struct sm_in *in)
{
    char text[JID_TEXT_MAX] SM_HOT;
    struct sm *sm = in->sm;
    const struct span to = internal_to(in, text);
    const struct stanza_write_opts opts = {
        .ns = SPAN(NS_COMPONENT),
        .from_ns = stanza_root(in->stanza)->ns,
        .to = to,
        .from = in->stanza->from,
        /* Who is outside expects the answer of the name that he has used. */
        .tail = in->is_from_link && to.p == text ? SPAN("<to xmlns='" NS_NETWORK "'/>")
                                                 : SPAN_NONE,
    };
    bool is_sent;

    if (sm_has_network(sm))
        sm_moved_note(sm, in->stanza, in->stanza->type, opts.from, to);
    if (!sm->link)
        is_sent = false;
    else if (in->done.call)
        is_sent = send_waiting(in, &opts);
    else
        is_sent = link_send_stanza(sm->link, in->stanza, &opts, (struct link_done){0});
    if (!is_sent)
        sm_refuse(in, STANZA_RESOURCE_CONSTRAINT, "no route at the moment");
}

/* --- answers --- */

struct buf *sm_out_begin(struct sm *sm, struct sm_session *session, struct sm_out *out_r)
{
    *out_r = (struct sm_out){.sm = sm, .ns = SPAN(NS_CLIENT)};
    if (session) {
        out_r->client = session->client;
        out_r->session = session;
        out_r->buf = client_begin(session);
    } else if (sm->link) {
        out_r->ns = SPAN(NS_COMPONENT);
        out_r->buf = link_begin(sm->link, (struct link_done){0});
        out_r->is_link = out_r->buf != NULL;
    }
    if (!out_r->buf) {
        out_r->client = NULL;
        out_r->buf = &sm->nowhere;
    }
    out_r->from = buf_len(out_r->buf);
    return out_r->buf;
}

struct buf *sm_out_begin_to(struct sm *sm, struct span full, struct sm_out *out_r)
{
    size_t at = span_index(full, '@'), slash = span_index(full, '/');

    if (at < slash && slash < full.n &&
        sm_is_local_domain(sm, span_make(full.p + at + 1, slash - at - 1))) {
        const struct sm_user *user = sm_user_owned(sm, span_make(full.p, at));
        struct sm_session *s = user ? sm_user_session(user, span_from(full, slash + 1)) : NULL;
        if (s)
            return sm_out_begin(sm, s, out_r);
    }
    return sm_out_begin(sm, NULL, out_r);
}

void sm_out_end(struct sm_out *out)
{
    if (out->client && sm_has_network(out->sm))
        sm_edge_out(out->session, out->buf, out->from);
    if (out->client && out->session->asked)
        sm_asked_answer(out->session, out->buf, out->from);
    if (out->client)
        out->client->ops->end(out->client);
    else if (out->is_link)
        link_end(out->sm->link);
    else
        buf_clear(&out->sm->nowhere);
}

void sm_refuse_always(struct sm_in *in, enum stanza_error e, const char *text)
{
    const struct stanza *s = in->stanza;
    struct sm_out out;

    if (!in->session && !in->is_from_link)
        return;
    struct buf *buf = in->is_again ? sm_out_begin_to(in->sm, s->from, &out)
                                   : sm_out_begin(in->sm, in->session, &out);
    stanza_error_write(buf, s, out.ns, s->to, s->from, e, text);
    sm_out_end(&out);
}

void sm_refuse(struct sm_in *in, enum stanza_error e, const char *text)
{
    if (stanza_may_answer_error(stanza_root(in->stanza)->name, in->stanza->type))
        sm_refuse_always(in, e, text);
}
