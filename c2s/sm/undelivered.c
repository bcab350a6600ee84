/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * undelivered - what a client never got, though it was written to it or kept for it, and clients
 * that take no more messages for a while: the transport tells (stream management, XEP-0198).
 *
 * An undelivered stanza is handled once more, as one for a resource that is gone (RFC 6121 8.5):
 * messages go to the user's other resources, or into the store with their first time; requests are
 * answered by an error; presence, and copies of what others have, are dropped. Where another
 * instance owns the user, it does this (envelope.c: the words); if none can be told, messages are
 * stored here. Nothing outlives a call.
 */
#include "c2s/sm/sm_private.h"

#include "xml/parser.h"

#include <time.h>

/* No link is silent for longer. */
#define WAY_MS 15000

/* --- again ------------------------------------------------------------------------------------ */

/* "2026-01-01T00:00:00.000Z", as sm_time_write has it. */
static bool read_stamp(struct span text, int64_t *wall_r)
{
    struct tm tm = {0};
    char z[32];
    uint64_t ms;

    if (text.n != 24)
        return false;
    memcpy(z, text.p, text.n);
    z[text.n] = '\0';
    const char *end = strptime(z, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!end || !span_to_u64(span_make(text.p + 20, 3), 999, &ms))
        return false;
    *wall_r = (int64_t)timegm(&tm) * 1000 + (int64_t)ms;
    return true;
}

/* A message that had come late already keeps the time of its first coming, said once. */
static void take_delay(struct sm_in *in)
{
    struct stanza *s = in->stanza;

    for (uint32_t next, node = stanza_root(s)->first; node; node = next) {
        next = s->nodes[node].next;
        if (!span_eq(s->nodes[node].name, SPAN("delay")) ||
            !span_eq(s->nodes[node].ns, SPAN(NS_DELAY)) ||
            !sm_is_local_domain(in->sm, stanza_attr(s, node, SPAN("from"))))
            continue;
        if (read_stamp(stanza_attr(s, node, SPAN("stamp")), &in->stamp))
            stanza_remove(s, node);
    }
}

static void write_delay(const struct sm_in *in, struct buf *out)
{
    xml_raw(out, SPAN("<delay xmlns='" NS_DELAY "'"));
    xml_attr(out, "from", in->sm->opts.host);
    xml_raw(out, SPAN(" stamp='"));
    sm_time_write(out, in->stamp);
    xml_raw(out, SPAN("'/>"));
}

/* Of a message that another resource has got itself, or an answer to what only this one asked. */
static bool is_copy(const struct stanza *s)
{
    return sm_is_carbon(s) || stanza_child(s, 0, SPAN(NS_MAM), SPAN("result"));
}

/* What went to the bare JID went to all who were reachable then, and copies to who wanted them: one
 * of these still is. */
static bool others_have_it(const struct sm_in *in, int64_t way_ms)
{
    const struct sm_user *user = sm_user_owned(in->sm, in->to.local);
    int64_t age = loop_wall(in->sm->loop) - in->stamp + way_ms;

    if (!user || age < 0)
        return false;
    LIST_FOR_EACH (node, &user->sessions) {
        const struct sm_session *s = CONTAINER_OF(node, struct sm_session, node);
        if (sm_session_is_eligible(s) &&
            s->reachable_since + (uint64_t)age < loop_now(in->sm->loop) &&
            (jid_is_bare(&in->to) || sm_carbons_has(s, in->stanza)))
            return true;
    }
    return false;
}

/* Nobody else is asked about a user in the host's domain: if he is not ours, it is stored. */
static void stay_here(struct sm_in *in)
{
    in->to.domain = in->sm->opts.host;
    in->to.resource = SPAN_NONE;
    in->to.full = in->to.bare;
}

static void message_again(struct sm_in *in, int64_t way_ms)
{
    struct buf delay = {0};

    take_delay(in);
    if (is_copy(in->stanza) || others_have_it(in, way_ms))
        return;
    if (!sm_user_owned(in->sm, in->to.local))
        stay_here(in);
    write_delay(in, &delay);
    in->tail = buf_span(&delay);
    sm_message(in);
    buf_free(&delay);
}

/* s: whose client never got it, or NULL. way_ms: it may have been under way for so long before
 * stamp. */
static void handle_again(struct sm *sm, struct sm_session *s, struct stanza *stanza, int64_t stamp,
                         int64_t way_ms)
{
    struct jid_scratch scratch;
    struct sm_in in = {
        .sm = sm,
        .stanza = stanza,
        .is_from_link = true, /* it is here that it ends */
        .is_again = true,
        .stamp = stamp,
    };
    const struct span name = stanza_root(stanza)->name;

    if (span_is_empty(stanza->from) || !jid_parse(stanza->to, &in.to, &scratch) ||
        span_is_none(in.to.local))
        return; /* of our own making, for this client only */
    if (s && span_eq(name, SPAN("message")))
        sm_push_undelivered(s, stanza);
    if (span_eq(name, SPAN("message")))
        message_again(&in, way_ms);
    else if (span_eq(name, SPAN("iq")) && !span_eq(stanza->from, in.to.bare))
        sm_refuse(&in, STANZA_SERVICE_UNAVAILABLE, NULL);
}

/* --- where the user is owned elsewhere --- */

static void write_stamp(struct buf *out, int64_t stamp)
{
    xml_raw(out, SPAN(" stamp='"));
    buf_append_u64(out, (uint64_t)stamp);
    xml_raw(out, SPAN("'>"));
}

static bool tell_owner(struct sm_session *s, struct span bytes, int64_t stamp)
{
    struct buf *out = sm_front_begin(s, "undelivered");

    if (!out)
        return false;
    write_stamp(out, stamp);
    buf_append(out, bytes);
    sm_envelope_end_with(s->sm, out, "undelivered");
    return true;
}

/* It counts no more, and what is stored goes to others. */
static void leave(struct sm_session *s)
{
    if (s->is_gone)
        return;
    s->is_gone = true;
    sm_offline_end(s);
}

void sm_undelivered(struct sm_session *s, struct span bytes, int64_t stamp_ms)
{
    struct stanza stanza = {0};

    leave(s);
    if (s->front && tell_owner(s, bytes, stamp_ms))
        return;
    if (xml_parse_stanza(xml_parser_shared(SPAN(NS_CLIENT)), bytes, &stanza) == XML_OK)
        handle_again(s->sm, s, &stanza, stamp_ms, 0);
    stanza_free(&stanza);
}

void sm_undelivered_output(struct sm *sm, struct span owner, const struct stanza *e, uint32_t node)
{
    struct sm_peer *peer = sm_peer_get(sm, owner);
    struct span id = stanza_attr(e, node, SPAN("id"));

    for (uint32_t c = stanza_child(e, node, SPAN(NS_CLIENT), SPAN_NONE); c;
         c = stanza_next(e, c, SPAN(NS_CLIENT), SPAN_NONE)) {
        if (span_eq(e->nodes[c].name, SPAN("presence")))
            continue;
        struct buf *out = sm_envelope_begin(sm, peer, "undelivered", id, (struct link_done){0});
        if (!out)
            break;
        write_stamp(out, loop_wall(sm->loop));
        stanza_write_node(out, e, c, SPAN(NS_CLIENT));
        sm_envelope_end_with(sm, out, "undelivered");
    }
    sm_peer_put(sm, peer);
}

void sm_undelivered_word(struct sm *sm, struct span from, struct stanza *e, uint32_t node)
{
    struct sm_session *s = sm_guest_session(sm, from, e, node);
    uint64_t stamp;

    if (s)
        leave(s);
    if (span_to_u64(stanza_attr(e, node, SPAN("stamp")), INT64_MAX, &stamp) &&
        sm_envelope_content(sm, e, node))
        handle_again(sm, s, &sm->content, (int64_t)stamp, WAY_MS);
}

/* --- full ------------------------------------------------------------------------------------- */

void sm_full_tell(struct sm_session *s)
{
    struct buf *out = s->is_full ? sm_front_begin(s, "full") : NULL;

    if (out)
        sm_envelope_end(s->sm, out);
}

static void set_full(struct sm_session *s, bool is_full)
{
    s->is_full = is_full;
    if (is_full)
        sm_offline_end(s);
    else if (s->user && s->state == SM_SESSION_OPEN && sm_session_is_eligible(s))
        sm_offline_begin(s);
}

void sm_set_full(struct sm_session *s, bool is_full)
{
    struct buf *out;

    if (s->is_full == is_full)
        return;
    set_full(s, is_full);
    out = sm_front_begin(s, is_full ? "full" : "room");
    if (out)
        sm_envelope_end(s->sm, out);
}

void sm_full_word(struct sm *sm, struct span from, struct stanza *e, uint32_t node)
{
    struct sm_session *s = sm_guest_session(sm, from, e, node);

    if (s)
        set_full(s, true);
}

void sm_room_word(struct sm *sm, struct span from, struct stanza *e, uint32_t node)
{
    struct sm_session *s = sm_guest_session(sm, from, e, node);

    if (s)
        set_full(s, false);
}
