/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * multicast - one message or presence to many (XEP-0033): the service at the host itself and at
 * multicast@host.
 *
 * services.c calls it, before anything else looks at the stanza. Each copy goes on as if its sender
 * had sent it to that address alone: archived, blocked, refused. To a domain that is such a service
 * itself (multicast_peer.c) all of its copies of a message go as one; presence does not, so that
 * who was told of it can be told of its end. Senders elsewhere reach our own users only: their
 * servers' one copy for us.
 *
 * Users of a network of servers are recipients at their homes, and those of one home are a group;
 * who must be looked up is waited for, a little (multicast_wait.c).
 */
#include "c2s/sm/access.h"
#include "c2s/sm/multicast.h"

struct recipient {
    uint32_t node;    /* its <address/> */
    struct span jid;  /* prepared, in the stanza's arena; of a network user: at his home */
    struct span was;  /* as it is written, when that is another one; else none */
    struct span domain;
    bool is_bcc;
    bool is_done;
};

struct post {
    struct sm_in *in;
    struct stanza *stanza;
    struct span from;
    uint32_t list; /* <addresses/> */
    struct recipient *recipients;
    size_t count;
    struct span *unknown; /* localparts: their homes must be asked for */
    size_t unknown_count;
    bool is_message;
};

/* --- reading ---------------------------------------------------------------------------------- */

static bool is_service(const struct sm *sm, const struct jid *to)
{
    return jid_is_bare(to) && sm_is_local_domain(sm, to->domain) &&
           (span_is_none(to->local) || span_eq(to->local, SPAN(SM_MULTICAST)));
}

static bool is_delivered(const struct stanza *s, uint32_t node)
{
    const struct span value = stanza_attr(s, node, SPAN("delivered"));

    return span_eq(value, SPAN("true")) || span_eq(value, SPAN("1"));
}

static bool is_bcc(const struct stanza *s, uint32_t node)
{
    return span_eq(stanza_attr(s, node, SPAN("type")), SPAN("bcc"));
}

static bool is_to_someone(const struct stanza *s, uint32_t node)
{
    const struct span type = stanza_attr(s, node, SPAN("type"));

    return span_eq(type, SPAN("to")) || span_eq(type, SPAN("cc")) || span_eq(type, SPAN("bcc"));
}

static bool is_known(const struct post *p, struct span jid)
{
    for (size_t i = 0; i < p->count; i++) {
        if (span_eq(p->recipients[i].jid, jid))
            return true;
    }
    return false;
}

/* Not round in a circle, and not out again by the way that it came in: other servers of the network
 * have found out who is here. */
static bool is_forbidden(const struct post *p, const struct jid *jid)
{
    const struct sm *sm = p->in->sm;

    if (is_service(sm, jid))
        return true;
    if (p->in->session)
        return false;
    return sm_is_member(sm, jid_domain_of(p->from)) ? !span_eq(jid->domain, sm->opts.host)
                                                    : !sm_is_local_domain(sm, jid->domain);
}

/* A user of the network is sent to at his home, if that is known. */
static void find_home(struct post *p, struct recipient *r, const struct jid *jid)
{
    struct sm *sm = p->in->sm;
    struct sm_home home;
    struct buf text = {0};

    if (!sm_has_network(sm) || !p->in->session || span_is_none(jid->local) ||
        !sm_is_local_domain(sm, jid->domain))
        return;
    home = sm_home_peek(sm, jid->local);
    if (home.kind == SM_HOME_UNKNOWN)
        p->unknown[p->unknown_count++] = arena_span(&p->stanza->arena, jid->local);
    if (home.kind != SM_HOME_AT)
        return;
    buf_append(&text, jid->local);
    buf_append_char(&text, '@');
    buf_append(&text, home.host);
    buf_append(&text, span_from(jid->full, jid->bare.n));
    r->was = stanza_attr(p->stanza, r->node, SPAN("jid"));
    r->jid = arena_span(&p->stanza->arena, buf_span(&text));
    r->domain = jid_domain_of(r->jid);
    buf_free(&text);
}

static enum stanza_error read_one(struct post *p, uint32_t node)
{
    struct stanza *s = p->stanza;
    struct jid_scratch scratch;
    struct jid jid;

    if (!is_to_someone(s, node) || is_delivered(s, node))
        return STANZA_ERROR_NONE;
    if (!jid_parse(stanza_attr(s, node, SPAN("jid")), &jid, &scratch) ||
        !span_is_none(stanza_attr(s, node, SPAN("uri"))))
        return STANZA_JID_MALFORMED;
    if (is_forbidden(p, &jid))
        return STANZA_FORBIDDEN;
    if (is_known(p, jid.full))
        return STANZA_ERROR_NONE;
    struct recipient *r = &p->recipients[p->count++];
    *r = (struct recipient){
        .node = node,
        .jid = arena_span(&s->arena, jid.full),
        .is_bcc = is_bcc(s, node),
    };
    r->domain = jid_domain_of(r->jid);
    find_home(p, r, &jid);
    return STANZA_ERROR_NONE;
}

static enum stanza_error read_all(struct post *p)
{
    struct stanza *s = p->stanza;
    const size_t max = p->in->sm->opts.max_addresses;
    enum stanza_error e = STANZA_ERROR_NONE;

    if (stanza_child_count(s, p->list) > max)
        return STANZA_NOT_ACCEPTABLE;
    p->recipients = arena_alloc(&s->arena, (max + 1) * sizeof(*p->recipients));
    p->unknown = arena_alloc(&s->arena, (max + 1) * sizeof(*p->unknown));
    for (uint32_t a = stanza_child(s, p->list, SPAN(NS_ADDRESS), SPAN("address")); a && !e;
         a = stanza_next(s, a, SPAN(NS_ADDRESS), SPAN("address")))
        e = read_one(p, a);
    return e == STANZA_ERROR_NONE && p->count == 0 ? STANZA_BAD_REQUEST : e;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* What nearly all get: nobody's bcc, and all marked as delivered. */
static void mark_all(struct post *p)
{
    struct stanza *s = p->stanza;

    for (uint32_t a = stanza_child(s, p->list, SPAN(NS_ADDRESS), SPAN("address")); a;
         a = stanza_next(s, a, SPAN(NS_ADDRESS), SPAN("address"))) {
        if (is_bcc(s, a))
            stanza_remove(s, a);
        else if (is_to_someone(s, a))
            stanza_set_attr(s, a, SPAN("delivered"), SPAN("true"));
    }
}

/* The address of one who is to be seen by himself, or by his server, only. */
static uint32_t add_bcc(struct post *p, const struct recipient *r)
{
    static const struct span names[] = {SPAN_INIT("type"), SPAN_INIT("jid"), SPAN_INIT("node"),
                                        SPAN_INIT("desc")};
    struct stanza *s = p->stanza;
    uint32_t a = stanza_add(s, p->list, SPAN(NS_ADDRESS), SPAN("address"));

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct span value = stanza_attr(s, r->node, names[i]);
        if (!span_is_none(value))
            stanza_set_attr(s, a, names[i], value);
    }
    return a;
}

static struct sm_in copy_for(struct post *p, struct span jid, struct jid_scratch *scratch)
{
    struct sm_in *in = p->in;
    struct sm_in copy = {
        .sm = in->sm,
        .session = in->session,
        .stanza = p->stanza,
        .done = sm_in_split_done(in),
    };

    stanza_set_attr(p->stanza, 0, SPAN("to"), jid);
    p->stanza->from = p->from;
    jid_parse(jid, &copy.to, scratch);
    copy.is_from_link = in->is_from_link;
    copy.is_relayed = in->is_relayed;
    return copy;
}

/* Where another instance may own the user, the router is asked who does. */
static void pass_on(struct post *p, struct sm_in *copy)
{
    copy->is_from_link &= sm_in_user(copy) != NULL;
    if (p->is_message)
        sm_message(copy);
    else
        sm_presence(copy);
}

static bool may_go(struct sm_in *copy)
{
    return !copy->session || sm_hooks_sending(copy);
}

/* Who is at home elsewhere, or must be looked up. */
static bool is_settled(struct sm_in *copy, struct sm_edge_scratch *scratch)
{
    const enum sm_direction direction = copy->session ? SM_SENDING : SM_RECEIVING;

    return !sm_has_network(copy->sm) || sm_edge_in(copy, direction, scratch);
}

static void send_one(struct post *p, struct recipient *r)
{
    struct jid_scratch scratch SM_HOT;
    struct sm_edge_scratch edge SM_HOT;
    struct sm_in copy = copy_for(p, r->jid, &scratch);
    uint32_t bcc = r->is_bcc ? add_bcc(p, r) : 0;

    if (is_settled(&copy, &edge) && may_go(&copy))
        pass_on(p, &copy);
    sm_done(copy.done, true);
    if (bcc)
        stanza_remove(p->stanza, bcc);
    r->is_done = true;
}

/* --- one copy for all of a domain ------------------------------------------------------------- */

/* Each as if it went alone, but that it does not. False: none is left. */
static bool clear_way(struct post *p, struct span domain)
{
    bool is_any = false;

    for (size_t i = 0; i < p->count; i++) {
        struct recipient *r = &p->recipients[i];
        struct jid_scratch scratch SM_HOT;
        if (r->is_done || !span_eq(r->domain, domain))
            continue;
        struct sm_in copy = copy_for(p, r->jid, &scratch);
        uint32_t bcc = r->is_bcc ? add_bcc(p, r) : 0;
        r->is_done = !may_go(&copy);
        is_any |= !r->is_done;
        sm_done(copy.done, true);
        if (bcc)
            stanza_remove(p->stanza, bcc);
    }
    return is_any;
}

/* That server is to send it to whom it knows by its own name for him. */
static void unmark(struct post *p, struct recipient *r)
{
    if (r->is_bcc)
        r->node = add_bcc(p, r);
    else
        stanza_set_attr(p->stanza, r->node, SPAN("delivered"), SPAN_NONE);
    if (!span_is_none(r->was))
        stanza_set_attr(p->stanza, r->node, SPAN("jid"), r->jid);
}

static void mark(struct post *p, struct recipient *r)
{
    if (r->is_bcc)
        stanza_remove(p->stanza, r->node);
    else
        stanza_set_attr(p->stanza, r->node, SPAN("delivered"), SPAN("true"));
    if (!span_is_none(r->was))
        stanza_set_attr(p->stanza, r->node, SPAN("jid"), r->was);
    r->is_done = true;
}

static void send_group(struct post *p, struct span domain)
{
    struct jid_scratch scratch SM_HOT;

    if (!clear_way(p, domain))
        return;
    for (size_t i = 0; i < p->count; i++) {
        if (p->recipients[i].is_done || !span_eq(p->recipients[i].domain, domain))
            continue;
        unmark(p, &p->recipients[i]);
        if (sm_has_network(p->in->sm))
            sm_moved_note(p->in->sm, p->stanza, p->stanza->type, p->from, p->recipients[i].jid);
    }
    struct sm_in copy = copy_for(p, domain, &scratch);
    pass_on(p, &copy);
    sm_done(copy.done, true);
    for (size_t i = 0; i < p->count; i++) {
        if (!p->recipients[i].is_done && span_eq(p->recipients[i].domain, domain))
            mark(p, &p->recipients[i]);
    }
}

/* There are others in its domain who are to get it, and that does the rest by itself. */
static bool is_grouped(const struct post *p, const struct recipient *r)
{
    if (!p->is_message || sm_is_local_domain(p->in->sm, r->domain))
        return false;
    for (size_t i = 0; i < p->count; i++) {
        const struct recipient *other = &p->recipients[i];
        if (other != r && !other->is_done && span_eq(other->domain, r->domain))
            return sm_multicast_has_service(p->in->sm, r->domain);
    }
    return false;
}

static void send_all(struct post *p)
{
    mark_all(p);
    for (size_t i = 0; i < p->count; i++) {
        struct recipient *r = &p->recipients[i];
        if (r->is_done)
            continue;
        if (is_grouped(p, r))
            send_group(p, r->domain);
        else
            send_one(p, r);
    }
}

/* --- requests --------------------------------------------------------------------------------- */

static void refuse(struct sm_in *in, enum stanza_error e)
{
    if (in->session)
        sm_refuse_always(in, e, NULL); /* presence, too: nobody else can tell him */
    else
        sm_refuse(in, e, NULL);
}

static void serve(struct sm_in *in, uint32_t list, bool may_wait)
{
    struct stanza *s = in->stanza;
    struct post p = {
        .in = in,
        .stanza = s,
        .from = s->from,
        .list = list,
        .is_message = span_eq(stanza_root(s)->name, SPAN("message")),
    };
    enum stanza_error e;

    if (span_eq(s->type, SPAN("error")))
        return;
    if (in->session && !sm_access_allows(in->sm, SM_RIGHT_MULTICAST, s->from))
        e = STANZA_FORBIDDEN;
    else
        e = list ? read_all(&p) : STANZA_BAD_REQUEST;
    if (e != STANZA_ERROR_NONE)
        refuse(in, e);
    else if (!may_wait || !p.is_message || !sm_multicast_wait(in, p.unknown, p.unknown_count))
        send_all(&p);
}

static uint32_t list_of(const struct sm_in *in)
{
    return stanza_child(in->stanza, 0, SPAN(NS_ADDRESS), SPAN("addresses"));
}

void sm_multicast_go_on(struct sm_in *in)
{
    serve(in, list_of(in), false);
}

void sm_multicast_serve(struct sm_in *in)
{
    serve(in, list_of(in), true);
}

bool sm_multicast_to_host(struct sm_in *in)
{
    uint32_t list;

    if (span_eq(stanza_root(in->stanza)->name, SPAN("iq")) || !is_service(in->sm, &in->to))
        return true;
    list = list_of(in);
    if (list)
        serve(in, list, true);
    return list == 0;
}
