/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * carbons - copies of a conversation for the user's other clients (XEP-0280): of what one of them
 * sends, and of what the others are not given themselves.
 *
 * Rows of iq.c (enable, disable) and of hooks.c call it. Nothing is kept but a mark on the session,
 * which moves with it (front.c, move.c). The message is written once and put into each copy.
 */
#include "c2s/sm/archive/archive.h"

enum way { SENT, RECEIVED };

/* What a child says about its message. */
enum {
    KEPT_APART = 1, /* its sender wants no copies, or it is one */
    BODY = 2,
    TALK = 4,       /* receipts and the like: of a conversation, with or without words */
    OF_ROOM = 8,    /* <x/> of a room: a private message, or an invitation */
    INVITATION = 16,
};

/* Name none: any. */
static const struct {
    struct span ns, name;
    unsigned mark;
} marks[] = {
    {SPAN_INIT(NS_CARBONS), {NULL, 0}, KEPT_APART},
    {SPAN_INIT(NS_HINTS), SPAN_INIT("no-copy"), KEPT_APART},
    {SPAN_INIT(NS_RECEIPTS), {NULL, 0}, TALK},
    {SPAN_INIT(NS_CHATSTATES), {NULL, 0}, TALK},
    {SPAN_INIT(NS_MARKERS), {NULL, 0}, TALK},
    {SPAN_INIT(NS_CONFERENCE), SPAN_INIT("x"), INVITATION},
    {SPAN_INIT(NS_MUC_USER), SPAN_INIT("x"), OF_ROOM},
};

static unsigned mark_of(const struct stanza *s, uint32_t child)
{
    const struct stanza_node *node = &s->nodes[child];

    if (span_eq(node->ns, stanza_root(s)->ns))
        return span_eq(node->name, SPAN("body")) ? BODY : 0;
    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        if (!span_eq(node->ns, marks[i].ns) ||
            (!span_is_none(marks[i].name) && !span_eq(node->name, marks[i].name)))
            continue;
        if (marks[i].mark == OF_ROOM && stanza_child(s, child, node->ns, SPAN("invite")))
            return INVITATION;
        return marks[i].mark;
    }
    return 0;
}

static unsigned marks_of(const struct stanza *s)
{
    unsigned all = 0;

    for (uint32_t c = stanza_child(s, 0, SPAN_NONE, SPAN_NONE); c;
         c = stanza_next(s, c, SPAN_NONE, SPAN_NONE))
        all |= mark_of(s, c);
    return all;
}

/* The client is, or lets on to be, in the room of that bare JID. */
static bool is_in_room(const struct sm_session *s, struct span room)
{
    struct span address;
    size_t cursor = 0;

    while (!span_is_none(address = sm_presence_next_directed(s, &cursor))) {
        if (address.n > room.n && address.p[room.n] == '/' && span_starts(address, room))
            return true;
    }
    return false;
}

/* A message that the others have a copy of has come back: it went to a bare JID, and to no room. */
static bool is_answer(const struct stanza *s, const struct sm_session *match)
{
    return span_index(s->from, '/') == s->from.n && (!match || !is_in_room(match, s->from));
}

/* XEP-0280 6.1. match: who is given it as its address says, or NULL. */
static bool is_eligible(const struct stanza *s, enum way way, const struct sm_session *match)
{
    const unsigned m = marks_of(s);

    if ((m & KEPT_APART) || span_eq(s->type, SPAN("groupchat")) ||
        span_eq(s->type, SPAN("headline")))
        return false;
    if (span_eq(s->type, SPAN("error")))
        return way == RECEIVED && is_answer(s, match);
    if (way == RECEIVED && (m & OF_ROOM) && !(m & INVITATION) &&
        span_index(s->from, '/') < s->from.n)
        return false; /* the room tells each client that is in it */
    return span_eq(s->type, SPAN("chat")) || (m & (BODY | TALK | INVITATION));
}

/* --- copies ----------------------------------------------------------------------------------- */

/* message is rendered from after "<message" to its end. */
static void write_copy(struct sm_session *s, enum way way, struct span type, struct span message)
{
    struct sm_out out;
    struct buf *buf = sm_out_begin(s->sm, s, &out);
    const struct span name = way == SENT ? SPAN("sent") : SPAN("received");

    xml_raw(buf, SPAN("<message"));
    xml_attr(buf, "to", s->full);
    xml_attr(buf, "from", s->bare);
    xml_attr(buf, "type", type);
    xml_raw(buf, SPAN("><"));
    xml_raw(buf, name);
    xml_raw(buf, SPAN(" xmlns='" NS_CARBONS "'><forwarded xmlns='" NS_FORWARD "'>"
                      "<message xmlns='" NS_CLIENT "'"));
    buf_append(buf, message);
    xml_raw(buf, SPAN("</forwarded></"));
    xml_raw(buf, name);
    xml_raw(buf, SPAN("></message>"));
    sm_out_end(&out);
}

/* bare: of the account, as the clients know it that are to read the copy. */
static struct span render(const struct sm_in *in, enum way way, struct span bare)
{
    const int64_t id = way == SENT ? in->sent_id : in->archive_id;
    struct buf *out = &in->sm->scratch, *tail = &in->sm->tail;
    struct stanza_write_opts opts = {
        .ns = SPAN(NS_CLIENT),
        .from_ns = stanza_root(in->stanza)->ns,
        .to = in->to.full,
        .from = in->stanza->from,
    };

    buf_clear(tail);
    if (id)
        sm_archive_write_id(tail, bare, id);
    opts.tail = buf_span(tail);
    buf_clear(out);
    stanza_write(out, in->stanza, &opts);
    return span_from(buf_span(out), sizeof("<message") - 1);
}

/* Whether s is to have a copy of what goes to match or, when that is NULL, to all reachable. */
static bool is_due(const struct sm_in *in, enum way way, const struct sm_session *s,
                   const struct sm_session *match)
{
    if (!s->has_carbons || s->is_gone || s->is_full || s == in->session || s == match)
        return false;
    return way == SENT || match || !sm_session_is_eligible(s);
}

static void copy_all(struct sm_in *in, struct sm_user *user, enum way way,
                     const struct sm_session *match)
{
    struct span message = SPAN_NONE, bare = SPAN_NONE;

    LIST_FOR_EACH (node, &user->sessions) {
        struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (!is_due(in, way, s, match))
            continue;
        if (span_is_none(message) && !is_eligible(in->stanza, way, match))
            return;
        if (span_is_none(message) || !span_eq(bare, s->bare)) {
            bare = s->bare;
            message = render(in, way, bare);
        }
        write_copy(s, way, in->stanza->type, message);
    }
}

/* Nearly every stanza ends here: this costs next to nothing. */
static bool may_be_due(const struct sm_in *in, const struct sm_user *user)
{
    LIST_FOR_EACH (node, &user->sessions) {
        if (CONTAINER_OF(node, struct sm_session, node)->has_carbons)
            return span_eq(stanza_root(in->stanza)->name, SPAN("message"));
    }
    return false;
}

/* What goes to the user's own account is seen when it arrives there. */
bool sm_carbons_sending(struct sm_in *in)
{
    struct sm_user *user = in->session->user;

    if (may_be_due(in, user) &&
        !(sm_is_local_domain(in->sm, in->to.domain) && span_eq(in->to.local, user->name)))
        copy_all(in, user, SENT, NULL);
    return true;
}

bool sm_carbons_receiving(struct sm_in *in, struct sm_user *user)
{
    struct sm_session *match = NULL;

    if (!may_be_due(in, user) || in->is_again)
        return true;
    if (!jid_is_bare(&in->to))
        match = sm_user_session(user, in->to.resource);
    if (match && match->is_full)
        match = NULL;
    if (match || !span_eq(in->stanza->type, SPAN("error")))
        copy_all(in, user, RECEIVED, match);
    return true;
}

bool sm_carbons_has(const struct sm_session *s, const struct stanza *message)
{
    return s->has_carbons && is_eligible(message, RECEIVED, NULL);
}

bool sm_is_carbon(const struct stanza *s)
{
    return stanza_child(s, 0, SPAN(NS_CARBONS), SPAN("received")) ||
           stanza_child(s, 0, SPAN(NS_CARBONS), SPAN("sent"));
}

/* --- requests --------------------------------------------------------------------------------- */

void sm_carbons_set(struct sm_in *in, uint32_t payload)
{
    in->session->has_carbons = span_eq(in->stanza->nodes[payload].name, SPAN("enable"));
    sm_iq_empty_result(in);
}
