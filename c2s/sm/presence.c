/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * presence - who is available, told to the user's own resources and to whom he told it himself.
 *
 * One table says what happens to each type of presence, sent and received. RFC 6121 section 4
 * (4.2.2 initial, 4.4 updates, 4.5 unavailable, 4.6 directed), 8.5 (local recipients). The rules of
 * section 3 (subscriptions) hang on the same table: its subscription rows carry the stanzas between
 * bare JIDs; the roster is where their state belongs.
 */
#include "c2s/sm/sm_private.h"

#include <stdlib.h>

struct presence_type {
    struct span type; /* empty: available */
    void (*broadcast)(struct sm_in *in); /* from a client, without 'to' */
    void (*send)(struct sm_in *in);      /* from a client, with 'to' */
    void (*receive)(struct sm_in *in, struct sm_user *user); /* for a user owned here */
};

static void on_available(struct sm_in *in);
static void on_unavailable(struct sm_in *in);
static void send_available(struct sm_in *in);
static void send_unavailable(struct sm_in *in);
static void send_subscription(struct sm_in *in);
static void pass_on(struct sm_in *in);
static void receive(struct sm_in *in, struct sm_user *user);
static void receive_subscription(struct sm_in *in, struct sm_user *user);
static void receive_error(struct sm_in *in, struct sm_user *user);

/* NULL: ignored (RFC 6121 4.3: probes are the servers' own; a stranger learns nothing). */
static const struct presence_type presence_types[] = {
    {SPAN_INIT(""),             on_available,   send_available,    receive},
    {SPAN_INIT("unavailable"),  on_unavailable, send_unavailable,  receive},
    {SPAN_INIT("subscribe"),    NULL,           send_subscription, receive_subscription},
    {SPAN_INIT("subscribed"),   NULL,           send_subscription, receive_subscription},
    {SPAN_INIT("unsubscribe"),  NULL,           send_subscription, receive_subscription},
    {SPAN_INIT("unsubscribed"), NULL,           send_subscription, receive_subscription},
    {SPAN_INIT("error"),        NULL,           pass_on,           receive_error},
    {SPAN_INIT("probe"),        NULL,           NULL,              NULL},
};

static const struct presence_type *type_of(const struct stanza *s)
{
    for (size_t i = 0; i < ARRAY_LEN(presence_types); i++) {
        if (span_eq(s->type, presence_types[i].type))
            return &presence_types[i];
    }
    return NULL;
}

/* --- a user's own resources ------------------------------------------------------------------- */

/* presence is rendered from after "<presence": its recipient is put in between. */
static void write_to(struct sm_session *to, struct span presence)
{
    struct sm_out out;
    struct buf *buf = sm_out_begin(to->sm, to, &out);

    xml_raw(buf, SPAN("<presence"));
    xml_attr(buf, "to", to->full);
    buf_append(buf, presence);
    sm_out_end(&out);
}

static void fan_out(const struct sm_user *user, struct span presence)
{
    LIST_FOR_EACH (node, &user->sessions) {
        struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (s->is_available && !s->is_gone)
            write_to(s, presence);
    }
}

static void show_others(struct sm_session *newcomer)
{
    LIST_FOR_EACH (node, &newcomer->user->sessions) {
        struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (s != newcomer && s->is_available && !s->is_gone)
            write_to(newcomer, buf_span(&s->presence));
    }
}

static void render(const struct sm_in *in, struct buf *out)
{
    const struct stanza_write_opts opts = {
        .ns = SPAN(NS_CLIENT),
        .to = SPAN(""),
        .from = in->stanza->from,
    };

    buf_clear(out);
    stanza_write(out, in->stanza, &opts);
    buf_consume(out, sizeof("<presence") - 1);
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
    render(in, &s->presence);
}

/* Who was told by the owner before hears nothing new; who was not, does. */
void sm_presence_resume(struct sm_session *s)
{
    if (!s->is_available || s->is_gone)
        return;
    LIST_FOR_EACH (node, &s->user->sessions) {
        struct sm_session *other = CONTAINER_OF(node, struct sm_session, node);
        if (other != s && other->is_available && !other->is_gone)
            write_to(other, buf_span(&s->presence));
    }
    show_others(s);
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
    if (is_initial) {
        show_others(s);
        sm_hooks_available(s);
    }
    if (sm_session_is_eligible(s) && !was_eligible) {
        s->reachable_since = loop_now(s->sm->loop);
        sm_offline_begin(s);
    } else if (!sm_session_is_eligible(s)) {
        sm_offline_end(s);
    }
}

/* --- directed presence ------------------------------------------------------------------------ */

struct directed {
    size_t n;
    char address[];
};

bool sm_presence_remember_directed(struct sm_session *s, struct span address)
{
    if (map_get(&s->directed, address))
        return true;
    if (s->directed.count >= SM_MAX_DIRECTED)
        return false;
    struct directed *d = mem_alloc(sizeof(*d) + address.n);
    d->n = address.n;
    memcpy(d->address, address.p, address.n);
    map_put(&s->directed, span_make(d->address, d->n), d);
    return true;
}

struct span sm_presence_next_directed(const struct sm_session *s, size_t *cursor)
{
    const struct directed *d = map_next(&s->directed, cursor);

    return d ? span_make(d->address, d->n) : SPAN_NONE;
}

static void forget(struct sm_session *s, struct span address)
{
    free(map_remove(&s->directed, address));
}

void sm_presence_forget_directed(struct sm_session *s)
{
    struct directed *d;
    size_t cursor = 0;

    while ((d = map_next(&s->directed, &cursor)) != NULL)
        free(d);
    map_free(&s->directed);
    s->directed = (struct map){0};
}

void sm_presence_forget(struct sm_session *s)
{
    sm_presence_forget_directed(s);
    s->is_available = false;
    buf_free(&s->presence);
}

/* Unavailable presence of our own making. */
void sm_presence_end_directed(struct sm_session *s)
{
    struct stanza *notice = &s->sm->notice;
    struct directed *d;
    size_t cursor = 0;

    if (s->directed.count == 0)
        return;
    stanza_reset(notice);
    stanza_add(notice, 0, SPAN(NS_CLIENT), SPAN("presence"));
    stanza_set_attr(notice, 0, SPAN("type"), SPAN("unavailable"));
    notice->from = s->full;
    while ((d = map_next(&s->directed, &cursor)) != NULL)
        sm_send_notice(s->sm, notice, span_make(d->address, d->n));
    stanza_reset(notice);
    sm_presence_forget_directed(s);
}

/* Both ways of going: told (the stanza is rendered already), or the stream has just ended. */
static void go(struct sm_session *s, struct span presence, struct span status)
{
    bool was_available = s->is_available;

    sm_presence_end_directed(s);
    if (was_available) {
        fan_out(s->user, presence);
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
    render(in, rendered);
    status = stanza_child(in->stanza, 0, stanza_root(in->stanza)->ns, SPAN("status"));
    go(s, buf_span(rendered), status ? stanza_text(in->stanza, status) : SPAN_NONE);
}

void sm_presence_close(struct sm_session *s)
{
    struct buf *rendered = &s->sm->scratch;

    buf_clear(rendered);
    xml_attr(rendered, "from", s->full);
    xml_raw(rendered, SPAN(" type='unavailable'/>"));
    go(s, buf_span(rendered), SPAN_NONE);
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
            forget(s, in->to.full);
    }
}

/* --- between addresses ------------------------------------------------------------------------ */

static void pass_on(struct sm_in *in)
{
    const struct presence_type *type = type_of(in->stanza);
    struct sm_user *user;

    switch (sm_in_place(in, &user)) {
    case SM_PLACE_USER:
        if (type->receive && sm_hooks_receiving(in, user))
            type->receive(in, user);
        break;
    case SM_PLACE_ROUTER:
        sm_send_to_router(in);
        break;
    case SM_PLACE_HOST:
    case SM_PLACE_ABSENT: /* RFC 6121 8.5.1, 8.5.2.2.2: ignored */
    case SM_PLACE_NOWHERE:
        break;
    }
}

static void send_available(struct sm_in *in)
{
    if (sm_presence_remember_directed(in->session, in->to.full))
        pass_on(in);
    else
        sm_refuse_always(in, STANZA_RESOURCE_CONSTRAINT, "directed presence to too many");
}

static void send_unavailable(struct sm_in *in)
{
    forget(in->session, in->to.full);
    pass_on(in);
}

/* RFC 6121 3.1.2: between bare JIDs, whatever the client has put in. */
static void send_subscription(struct sm_in *in)
{
    in->stanza->from = in->session->bare;
    in->to.full = in->to.bare;
    in->to.resource = SPAN_NONE;
    pass_on(in);
}

static void to_available(struct sm_in *in, const struct sm_user *user)
{
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
    to_available(in, user);
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

    if (type && type->broadcast)
        type->broadcast(in);
}

void sm_presence(struct sm_in *in)
{
    const struct presence_type *type = type_of(in->stanza);

    if (!type)
        return;
    if (!in->session)
        pass_on(in);
    else if (type->send)
        type->send(in);
}
