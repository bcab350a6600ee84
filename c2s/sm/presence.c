/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * presence - who is available, told to the user's own resources, to his contacts, and to whom he
 * told it himself.
 *
 * One table says what happens to each type of presence, sent and received. RFC 6121 section 4
 * (4.2 initial, 4.3 probes, 4.4 updates, 4.5 unavailable, 4.6 directed), 8.5 (local recipients).
 * contacts.h says who does the parts. Called by route.c.
 */
#include "c2s/sm/contacts/contacts.h"

struct presence_type {
    struct span type; /* empty: available */
    void (*broadcast)(struct sm_in *in); /* from a client, without 'to' */
    void (*send)(struct sm_in *in);      /* from a client, with 'to' */
    /* For a user of ours; NULL: nobody owns him (then only if absent). */
    void (*receive)(struct sm_in *in, struct sm_user *user);
    bool absent;
};

static void on_available(struct sm_in *in);
static void on_unavailable(struct sm_in *in);
static void send_available(struct sm_in *in);
static void send_unavailable(struct sm_in *in);
static void send_subscription(struct sm_in *in);
static void receive(struct sm_in *in, struct sm_user *user);
static void receive_subscription(struct sm_in *in, struct sm_user *user);
static void receive_error(struct sm_in *in, struct sm_user *user);

/* NULL: ignored (RFC 6121 4.3: probes are the servers' own). */
static const struct presence_type presence_types[] = {
    {SPAN_INIT(""),             on_available,   send_available,      receive,              false},
    {SPAN_INIT("unavailable"),  on_unavailable, send_unavailable,    receive,              false},
    {SPAN_INIT("subscribe"),    NULL,           send_subscription,   receive_subscription, true},
    {SPAN_INIT("subscribed"),   NULL,           send_subscription,   receive_subscription, true},
    {SPAN_INIT("unsubscribe"),  NULL,           send_subscription,   receive_subscription, true},
    {SPAN_INIT("unsubscribed"), NULL,           send_subscription,   receive_subscription, true},
    {SPAN_INIT("error"),        NULL,           sm_presence_pass_on, receive_error,        false},
    {SPAN_INIT("probe"),        NULL,           NULL,                sm_probe_answer,      true},
};

static const struct presence_type *type_of(const struct stanza *s)
{
    for (size_t i = 0; i < ARRAY_LEN(presence_types); i++) {
        if (span_eq(s->type, presence_types[i].type))
            return &presence_types[i];
    }
    return NULL;
}

/* --- writing ---------------------------------------------------------------------------------- */

void sm_presence_write(struct sm_session *to, struct span to_jid, struct span presence)
{
    struct sm_out out;
    struct buf *buf = sm_out_begin(to->sm, to, &out);

    xml_raw(buf, SPAN("<presence"));
    xml_attr(buf, "to", to_jid);
    buf_append(buf, presence);
    sm_out_end(&out);
}

void sm_presence_render(const struct sm_in *in, struct buf *out)
{
    const struct stanza_write_opts opts = {
        .ns = SPAN(NS_CLIENT),
        .from_ns = stanza_root(in->stanza)->ns,
        .to = SPAN(""),
        .from = in->stanza->from,
    };

    buf_clear(out);
    stanza_write(out, in->stanza, &opts);
    buf_consume(out, sizeof("<presence") - 1);
}

struct span sm_presence_unavailable(struct sm *sm, struct span from)
{
    struct buf *rendered = &sm->scratch;

    buf_clear(rendered);
    xml_attr(rendered, "from", from);
    xml_raw(rendered, SPAN(" type='unavailable'/>"));
    return buf_span(rendered);
}

void sm_presence_notice(struct sm *sm, struct span from, struct span to, const char *type)
{
    struct stanza *notice = &sm->notice;

    stanza_reset(notice);
    stanza_add(notice, 0, SPAN(NS_CLIENT), SPAN("presence"));
    stanza_set_attr(notice, 0, SPAN("type"), span_of(type));
    notice->from = from;
    sm_send_notice(sm, notice, to);
    stanza_reset(notice);
}

/* --- a user's own resources ------------------------------------------------------------------- */

static void fan_out(const struct sm_user *user, struct span presence)
{
    LIST_FOR_EACH (node, &user->sessions) {
        struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (s->is_available && !s->is_gone)
            sm_presence_write(s, s->full, presence);
    }
}

static void show_others(struct sm_session *newcomer)
{
    LIST_FOR_EACH (node, &newcomer->user->sessions) {
        struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (s != newcomer && s->is_available && !s->is_gone)
            sm_presence_write(newcomer, newcomer->full, buf_span(&s->presence));
    }
}

/* RFC 6121 4.7.2.3: -128 to 127; what is none counts as 0. */
static int priority_of(struct stanza *s)
{
    uint32_t node = stanza_child(s, 0, stanza_root(s)->ns, SPAN("priority"));
    struct span text = node ? stanza_text(s, node) : SPAN("0");
    bool is_negative = text.n > 0 && text.p[0] == '-';
    uint64_t value;

    if (is_negative || (text.n > 0 && text.p[0] == '+'))
        text = span_from(text, 1);
    if (!span_to_u64(text, is_negative ? 128 : 127, &value))
        return 0;
    return is_negative ? -(int)value : (int)value;
}

static void keep(struct sm_in *in)
{
    struct sm_session *s = in->session;

    s->priority = priority_of(in->stanza);
    s->is_available = true;
    sm_presence_render(in, &s->presence);
}

/* Who was told by the owner before hears nothing new; who was not, does. What contacts have said
 * while nobody was the owner is asked for. */
void sm_presence_resume(struct sm_session *s)
{
    if (!s->is_available || s->is_gone)
        return;
    LIST_FOR_EACH (node, &s->user->sessions) {
        struct sm_session *other = CONTAINER_OF(node, struct sm_session, node);
        if (other != s && other->is_available && !other->is_gone)
            sm_presence_write(other, other->full, buf_span(&s->presence));
    }
    show_others(s);
    sm_probe_contacts(s);
    s->reachable_since = loop_now(s->sm->loop);
    if (sm_session_is_eligible(s))
        sm_offline_begin(s);
}

static void on_available(struct sm_in *in)
{
    struct sm_session *s = in->session;
    bool is_initial = !s->is_available, was_eligible = sm_session_is_eligible(s);

    keep(in);
    fan_out(s->user, buf_span(&s->presence));
    sm_broadcast(s, buf_span(&s->presence));
    if (is_initial) {
        show_others(s);
        sm_probe_contacts(s);
        sm_requests_show(s);
        sm_hooks_available(s);
    }
    if (sm_session_is_eligible(s) && !was_eligible) {
        s->reachable_since = loop_now(s->sm->loop);
        sm_offline_begin(s);
    } else if (!sm_session_is_eligible(s)) {
        sm_offline_end(s);
    }
}

/* --- going ------------------------------------------------------------------------------------ */

void sm_presence_forget(struct sm_session *s)
{
    sm_presence_forget_directed(s);
    sm_pace_forget(s);
    s->is_available = false;
    buf_free(&s->presence);
}

/* Both ways of going: told (the stanza is rendered already), or the stream has just ended. One that
 * goes on elsewhere is not gone for the contacts. */
static void go(struct sm_session *s, struct span presence, struct span status)
{
    bool was_available = s->is_available;

    sm_presence_end_directed(s);
    if (was_available) {
        fan_out(s->user, presence);
        if (!s->is_moved)
            sm_broadcast(s, presence);
        sm_last_leave(s, status);
    }
    sm_presence_forget(s);
}

static void on_unavailable(struct sm_in *in)
{
    struct sm_session *s = in->session;
    struct buf *rendered = &in->sm->scratch;
    uint32_t status;

    sm_offline_end(s);
    sm_presence_render(in, rendered);
    status = stanza_child(in->stanza, 0, stanza_root(in->stanza)->ns, SPAN("status"));
    go(s, buf_span(rendered), status ? stanza_text(in->stanza, status) : SPAN_NONE);
}

void sm_presence_close(struct sm_session *s)
{
    sm_pace_forget(s);
    go(s, sm_presence_unavailable(s->sm, s->full), SPAN_NONE);
}

/* The rules are the owner's: this only follows what comes of them. */
void sm_presence_note(struct sm_in *in)
{
    struct sm_session *s = in->session;
    bool is_available = span_is_empty(in->stanza->type);
    struct jid_scratch scratch;

    if (!is_available && !span_eq(in->stanza->type, SPAN("unavailable")))
        return;
    if (span_is_none(in->stanza->to)) {
        if (is_available)
            keep(in);
        else
            sm_presence_forget(s);
    } else if (jid_parse(in->stanza->to, &in->to, &scratch)) {
        if (is_available)
            sm_presence_remember_directed(s, in->to.full);
        else
            sm_directed_forget(s, in->to.full);
    }
}

/* --- between addresses ------------------------------------------------------------------------ */

void sm_presence_pass_on(struct sm_in *in)
{
    const struct presence_type *type = type_of(in->stanza);
    struct sm_user *user;

    switch (sm_in_place(in, &user)) {
    case SM_PLACE_USER:
        if (sm_hooks_receiving(in, user))
            type->receive(in, user);
        break;
    case SM_PLACE_ROUTER:
        sm_send_to_router(in);
        break;
    case SM_PLACE_ABSENT:
        if (type->absent && sm_hooks_absent(in))
            type->receive(in, NULL);
        break;
    case SM_PLACE_HOST: /* RFC 6121 8.5.1, 8.5.2.2.2: ignored */
    case SM_PLACE_NOWHERE:
        break;
    }
}

static void send_available(struct sm_in *in)
{
    if (sm_presence_remember_directed(in->session, in->to.full))
        sm_presence_pass_on(in);
    else
        sm_refuse_always(in, STANZA_RESOURCE_CONSTRAINT, "directed presence to too many");
}

static void send_unavailable(struct sm_in *in)
{
    sm_directed_forget(in->session, in->to.full);
    sm_presence_pass_on(in);
}

/* RFC 6121 3.1.2: between bare JIDs, whatever the client has put in. */
static void send_subscription(struct sm_in *in)
{
    in->stanza->from = in->session->bare;
    in->to.full = in->to.bare;
    in->to.resource = SPAN_NONE;
    sm_subscribe_out(in);
}

static void to_available(struct sm_in *in, struct sm_user *user)
{
    if (user->subscribing > 0) {
        struct buf rendered = {0};
        sm_presence_render(in, &rendered);
        sm_broadcast_to_user(user, buf_span(&rendered));
        buf_free(&rendered);
        return;
    }
    LIST_FOR_EACH (node, &user->sessions) {
        struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (s->is_available)
            sm_deliver(in, s);
    }
}

static void receive(struct sm_in *in, struct sm_user *user)
{
    struct sm_session *match;

    if (jid_is_bare(&in->to)) {
        to_available(in, user);
        return;
    }
    match = sm_user_session(user, in->to.resource);
    if (match)
        sm_deliver(in, match);
}

static void receive_subscription(struct sm_in *in, struct sm_user *user)
{
    in->to.full = in->to.bare;
    in->to.resource = SPAN_NONE;
    sm_subscribe_in(in, user);
}

/* About what one resource has sent: nobody else's business. */
static void receive_error(struct sm_in *in, struct sm_user *user)
{
    if (!jid_is_bare(&in->to))
        receive(in, user);
}

void sm_presence_broadcast(struct sm_in *in)
{
    const struct presence_type *type = type_of(in->stanza);

    if (type && type->broadcast && !sm_pace_defers(in))
        type->broadcast(in);
}

void sm_presence(struct sm_in *in)
{
    const struct presence_type *type = type_of(in->stanza);

    if (!type)
        return;
    if (!in->session)
        sm_presence_pass_on(in);
    else if (type->send)
        type->send(in);
}
