/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * push - XEP-0357: clients have their account's server notify a service of theirs while they are
 * away: the requests, and which message is told to whom.
 *
 * Rows of iq.c and hooks.c call it; the transport says whose client is away (sm_set_away) and what
 * it has not got. A registration is notified of what comes for the account, unless the client that
 * enabled it is there: its session is known by the registration's key. All of it happens where the
 * user is owned; fronts pass on what they see (the words "away", "back" and "missed").
 */
#include "c2s/sm/access.h"
#include "c2s/sm/push/push.h"
#include "xml/parser.h"
#include "xmpp/form.h"

#include <stdlib.h>

#define PUBLISH_OPTIONS "http://jabber.org/protocol/pubsub#publish-options"

/* --- requests --------------------------------------------------------------------------------- */

struct change {
    struct sm_task task; /* first */
    bool is_enable;
    struct push_reg reg; /* spans in the request's arena */
    struct buf options;
    int64_t now;
    size_t max;
    struct push_reg *list; /* afterwards */
};

static struct span make_key(struct arena *arena, struct span jid, struct span node)
{
    char *key = arena_bytes(arena, jid.n + 1 + node.n);

    memcpy(key, jid.p, jid.n);
    key[jid.n] = '\n';
    if (node.n)
        memcpy(key + jid.n + 1, node.p, node.n);
    return span_make(key, jid.n + 1 + node.n);
}

/* What payload, <enable/> or <disable/>, names; in the stanza's arena. */
static enum stanza_error read_names(struct stanza *s, uint32_t payload, struct push_reg *reg)
{
    const struct span node = stanza_attr(s, payload, SPAN("node"));
    const struct span service = stanza_attr(s, payload, SPAN("jid"));
    struct jid_scratch scratch;
    struct jid jid;

    if (span_is_none(service))
        return STANZA_BAD_REQUEST;
    if (!jid_parse(service, &jid, &scratch))
        return STANZA_JID_MALFORMED;
    if (node.n > PUSH_MAX_NODE)
        return STANZA_NOT_ACCEPTABLE;
    reg->key = make_key(&s->arena, jid.full, node);
    reg->jid = span_make(reg->key.p, jid.full.n);
    reg->node = span_is_none(node) ? SPAN_NONE : span_from(reg->key, jid.full.n + 1);
    return STANZA_ERROR_NONE;
}

/* An account, or this server, is no such service: it would notify itself. */
static bool is_service(const struct sm *sm, struct span address)
{
    return !sm_is_local_domain(sm, jid_domain_of(address)) ||
           span_index(address, '/') < address.n;
}

static enum stanza_error read_enable(struct change *c, const struct sm_in *in, uint32_t payload)
{
    struct stanza *s = &c->task.request;
    const struct sm_session *session = in->session;
    uint32_t form = form_find(s, payload, SPAN(PUBLISH_OPTIONS));

    if (!sm_access_allows(in->sm, SM_RIGHT_PUSH, session->full) ||
        !sm_access_reaches(in->sm, session->full, jid_domain_of(c->reg.jid)))
        return STANZA_FORBIDDEN;
    if (!is_service(in->sm, c->reg.jid))
        return STANZA_NOT_ALLOWED;
    if (!form && stanza_child(s, payload, SPAN(NS_FORM), SPAN("x")))
        return STANZA_BAD_REQUEST;
    if (form)
        stanza_write_node(&c->options, s, form, SPAN(NS_PUBSUB));
    if (buf_len(&c->options) > PUSH_MAX_OPTIONS)
        return STANZA_NOT_ACCEPTABLE;
    c->reg.options = form ? buf_span(&c->options) : SPAN("");
    c->reg.domain = session->domain;
    if (span_is_none(c->reg.node))
        c->reg.node = SPAN("");
    return STANZA_ERROR_NONE;
}

static int change_run(struct db *db, struct store_job *store_job)
{
    struct change *c = (struct change *)(void *)store_job;
    const int64_t account = sm_account_id(db, c->task.job.user->name);
    int result;

    if (!account)
        return STORE_FAILED;
    result = c->is_enable ? sm_push_put(db, account, &c->reg, c->now, c->max)
                          : sm_push_remove(db, account, c->reg.jid, c->reg.node);
    return result < 0 ? result : sm_push_read(db, account, &c->list);
}

/* NULL: its client has none, or none any more. */
static void set_session_key(struct sm_session *s, struct span key)
{
    free(s->push);
    s->push = span_is_none(key) ? NULL : mem_strdup_span(key);
}

static bool names(const struct push_reg *names, struct span key)
{
    return span_is_none(names->node)
               ? key.n > names->jid.n && span_starts(key, names->jid) &&
                     key.p[names->jid.n] == '\n'
               : span_eq(key, names->key);
}

static void note_change(struct sm_session *s, const struct push_reg *reg, bool is_enable)
{
    if (is_enable)
        set_session_key(s, reg->key);
    else if (s->push && names(reg, span_of(s->push)))
        set_session_key(s, SPAN_NONE);
}

/* The client that enables it is there: what still waits is for nobody. */
static void forget_waiting(struct sm *sm, struct span name, const struct change *c)
{
    const struct push_reg *reg = c->is_enable ? sm_push_find_key(c->list, c->reg.key) : NULL;

    if (reg)
        sm_push_forget(sm, name, reg->id);
}

static void change_done(struct sm_task *task, struct sm_in *in, int result)
{
    struct change *c = (struct change *)task;

    if (result < 0) {
        sm_refuse(in, result == STORE_FULL ? STANZA_RESOURCE_CONSTRAINT
                                           : STANZA_INTERNAL_SERVER_ERROR, NULL);
        return;
    }
    if (in->session)
        note_change(in->session, &c->reg, c->is_enable);
    sm_iq_empty_result(in);
    forget_waiting(in->sm, task->job.user->name, c);
    sm_push_update(in->sm, task->job.user->name, &c->list);
}

static void change_destroy(struct sm_task *task)
{
    struct change *c = (struct change *)task;

    buf_free(&c->options);
    sm_push_list_free(&c->list);
}

void sm_push_set(struct sm_in *in, uint32_t payload)
{
    struct change *c = mem_zalloc(sizeof(*c));
    enum stanza_error e;

    stanza_copy(&c->task.request, in->stanza);
    c->is_enable = span_eq(in->stanza->nodes[payload].name, SPAN("enable"));
    c->now = loop_wall(in->sm->loop);
    c->max = in->sm->opts.max_push;
    c->task.destroy = change_destroy;
    e = read_names(&c->task.request, payload, &c->reg);
    if (e == STANZA_ERROR_NONE && c->is_enable)
        e = read_enable(c, in, payload);
    if (e != STANZA_ERROR_NONE) {
        change_destroy(&c->task);
        stanza_free(&c->task.request);
        free(c);
        sm_refuse(in, e, NULL);
        return;
    }
    c->task.job.bytes = arena_held(&c->task.request.arena) + buf_len(&c->options);
    sm_task_submit(in, STORE_WRITE, &c->task, change_run, change_done);
}

void sm_push_note_request(struct sm_session *s, const struct stanza *stanza)
{
    struct stanza copy = {0};
    struct push_reg reg = {0};
    uint32_t payload;

    if (!span_eq(stanza->type, SPAN("set")) || !stanza_child(stanza, 0, SPAN(NS_PUSH), SPAN_NONE))
        return;
    stanza_copy(&copy, stanza);
    payload = stanza_child(&copy, 0, SPAN(NS_PUSH), SPAN_NONE);
    if (read_names(&copy, payload, &reg) == STANZA_ERROR_NONE)
        note_change(s, &reg, span_eq(copy.nodes[payload].name, SPAN("enable")));
    stanza_free(&copy);
}

/* --- whose client is there -------------------------------------------------------------------- */

enum client {
    GONE, /* without a session */
    AWAY, /* its session waits for it, or for room */
    HERE,
};

/* Of several clients that have enabled the same, one that is there is enough. */
static enum client client_of(const struct sm_user *user, const struct push_reg *reg,
                             struct sm_session **session_r)
{
    enum client found = GONE;

    *session_r = NULL;
    LIST_FOR_EACH (node, &user->sessions) {
        struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (!s->push || s->is_gone || !span_eq(span_of(s->push), reg->key))
            continue;
        if (!s->is_away && !s->is_full)
            return HERE;
        *session_r = s;
        found = AWAY;
    }
    return found;
}

bool sm_push_has_client(const struct sm_user *user, const struct push_reg *reg)
{
    struct sm_session *s;

    return client_of(user, reg, &s) == HERE;
}

static bool is_receiver(const struct sm_in *in, const struct sm_session *s)
{
    if (jid_is_bare(&in->to))
        return sm_session_is_eligible(s);
    return span_eq(in->to.resource, s->resource);
}

/* --- messages --------------------------------------------------------------------------------- */

bool sm_push_receiving(struct sm_in *in, struct sm_user *user)
{
    enum push_worth worth;
    struct push_note note;

    if (!user->profile->push || in->is_again ||
        (worth = sm_push_worth(in->stanza, 0)) == PUSH_NOTHING)
        return true;
    note = sm_push_note_of(in->sm, in->stanza, 0);
    for (const struct push_reg *reg = user->profile->push; reg; reg = reg->next) {
        struct sm_session *s;
        enum client client = client_of(user, reg, &s);
        if (client == HERE ||
            (worth == PUSH_RECEIVER && !(client == AWAY && is_receiver(in, s))))
            continue;
        sm_push_send(in->sm, user->name, reg, &note);
    }
    return true;
}

/* The message that a carbon is a copy of; 0: it is none. */
static uint32_t message_in(const struct stanza *s)
{
    uint32_t carbon = stanza_child(s, 0, SPAN(NS_CARBONS), SPAN("received"));
    uint32_t forwarded = carbon ? stanza_child(s, carbon, SPAN(NS_FORWARD), SPAN("forwarded")) : 0;

    return forwarded ? stanza_child(s, forwarded, SPAN(NS_CLIENT), SPAN("message")) : 0;
}

/* A message for the session's client, which has not got it. */
static void missed(struct sm_session *s, struct stanza *stanza)
{
    const uint32_t message = message_in(stanza);
    const struct push_reg *reg = NULL;
    struct push_note note;

    if (s->push && s->user && s->user->profile)
        reg = sm_push_find_key(s->user->profile->push, span_of(s->push));
    if (!reg || sm_push_worth(stanza, message) == PUSH_NOTHING ||
        sm_push_has_client(s->user, reg))
        return;
    note = sm_push_note_of(s->sm, stanza, message);
    sm_push_send(s->sm, s->user->name, reg, &note);
}

void sm_push_undelivered(struct sm_session *s, struct stanza *stanza)
{
    if (s->push && !s->is_away) /* of the others it has been told when they came */
        missed(s, stanza);
}

void sm_missed(struct sm_session *s, struct span bytes)
{
    struct stanza stanza = {0};
    struct buf *out;

    if (!s->push || !span_starts(bytes, SPAN("<message")))
        return;
    if (s->front) {
        out = sm_front_begin(s, "missed");
        if (out) {
            xml_raw(out, SPAN(">"));
            buf_append(out, bytes);
            sm_envelope_end_with(s->sm, out, "missed");
        }
        return;
    }
    if (xml_parse_stanza(xml_parser_shared(SPAN(NS_CLIENT)), bytes, &stanza) == XML_OK)
        missed(s, &stanza);
    stanza_free(&stanza);
}

/* --- clients that go and come ----------------------------------------------------------------- */

static void set_away(struct sm_session *s, bool is_away)
{
    const struct push_reg *reg = NULL;

    s->is_away = is_away;
    if (!is_away && s->push && s->user && s->user->profile)
        reg = sm_push_find_key(s->user->profile->push, span_of(s->push));
    if (reg)
        sm_push_forget(s->sm, s->user->name, reg->id);
}

static void say(struct sm_session *s, const char *word)
{
    struct buf *out = sm_front_begin(s, word);

    if (out)
        sm_envelope_end(s->sm, out);
}

void sm_set_away(struct sm_session *s, bool is_away)
{
    set_away(s, is_away);
    say(s, is_away ? "away" : "back");
}

void sm_push_tell(struct sm_session *s)
{
    if (s->is_away)
        say(s, "away");
}

void sm_push_drop_session(struct sm_session *s)
{
    set_session_key(s, SPAN_NONE);
}

void sm_push_take_key(struct sm_session *s, struct span key)
{
    if (!span_is_none(key) && key.n <= JID_TEXT_MAX + 1 + PUSH_MAX_NODE)
        set_session_key(s, key);
}

void sm_away_word(struct sm *sm, struct span from, struct stanza *e, uint32_t node)
{
    struct sm_session *s = sm_guest_session(sm, from, e, node);

    if (s) {
        sm_guest_flush(s); /* what was written before does not say that he is away */
        set_away(s, span_eq(e->nodes[node].name, SPAN("away")));
    }
}

void sm_missed_word(struct sm *sm, struct span from, struct stanza *e, uint32_t node)
{
    struct sm_session *s = sm_guest_session(sm, from, e, node);

    if (s && sm_envelope_content(sm, e, node))
        missed(s, &sm->content);
}
