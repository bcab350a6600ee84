/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * link_ext - the words of our extension of XEP-0114 as a component speaks them; router/PROTOCOL.md
 * describes them.
 */
#include "base/log.h"
#include "xmpp/link_private.h"
#include "xmpp/ns.h"

/* --- sending ---------------------------------------------------------------------------------- */

static struct buf *begin(struct link *l, const char *word)
{
    struct buf *out = stream_out(&l->stream);
    xml_raw(out, SPAN("<"));
    buf_append_z(out, word);
    xml_raw(out, SPAN(" xmlns='" NS_ROUTER "' id='"));
    buf_append_u64(out, ++l->next_id);
    xml_raw(out, SPAN("'"));
    return out;
}

static void end(struct link *l, struct buf *out)
{
    xml_raw(out, SPAN("/>"));
    stream_flush(&l->stream);
}

void link_send_binds(struct link *l)
{
    for (size_t i = 0; i < l->opts.bind_count; i++) {
        const struct link_bind *b = &l->opts.binds[i];
        struct buf *out = begin(l, "bind");
        xml_attr(out, "name", b->name);
        if (b->shared)
            xml_raw(out, SPAN(" shared='true'"));
        if (b->is_default)
            xml_raw(out, SPAN(" default='true'"));
        end(l, out);
        l->binds_open++;
    }
    l->last_own_bind = l->next_id;
    if (l->opts.watch)
        end(l, begin(l, "watch"));
}

static void send_name(struct link *l, const char *word, struct span name)
{
    struct buf *out = begin(l, word);
    xml_attr(out, "name", name);
    end(l, out);
}

uint32_t link_bind(struct link *l, struct span name)
{
    send_name(l, "bind", name);
    return l->next_id;
}

void link_unbind(struct link *l, struct span name)
{
    send_name(l, "unbind", name);
}

static void send_about(struct link *l, const char *word, struct span jid)
{
    if (!link_is_up(l))
        return;
    struct buf *out = begin(l, word);
    xml_attr(out, "jid", jid);
    end(l, out);
}

void link_claim(struct link *l, struct span jid)
{
    send_about(l, "claim", jid);
}

void link_release(struct link *l, struct span jid)
{
    send_about(l, "release", jid);
}

void link_released_ok(struct link *l, struct span jid)
{
    send_about(l, "released-ok", jid);
}

/* One element must stay below the link's stanza limit. */
#define CLAIMS_PER_ELEMENT_BYTES (256 * 1024)

void link_claims_begin(struct link *l)
{
    l->is_bulking = false;
}

void link_claims_add(struct link *l, struct span jid)
{
    struct buf *out;
    if (!l->is_bulking) {
        out = begin(l, "claims");
        xml_raw(out, SPAN(">"));
        l->is_bulking = true;
        l->bulk_bytes = 0;
    } else {
        out = stream_out(&l->stream);
    }
    xml_text(out, jid);
    xml_raw(out, SPAN("\n"));
    l->bulk_bytes += jid.n + 1;
    if (l->bulk_bytes > CLAIMS_PER_ELEMENT_BYTES)
        link_claims_end(l);
}

void link_claims_end(struct link *l)
{
    if (!l->is_bulking)
        return;
    l->is_bulking = false;
    xml_raw(stream_out(&l->stream), SPAN("</claims>"));
    stream_flush(&l->stream);
}

/* --- receiving -------------------------------------------------------------------------------- */

/* None: granted. */
static struct span refusal_of(const struct stanza *answer)
{
    if (!span_eq(answer->type, SPAN("error")))
        return SPAN_NONE;
    uint32_t cond = stanza_child(answer, 0, SPAN(NS_STANZA_ERRORS), SPAN_NONE);
    return cond ? answer->nodes[cond].name : SPAN("undefined-condition");
}

static void on_bind(struct stream *s, struct stanza *stanza)
{
    struct link *l = s->ctx;
    struct span cond = refusal_of(stanza);
    uint64_t id;
    if (span_to_u64(stanza->id, UINT32_MAX, &id) && id > l->last_own_bind) {
        if (l->events->on_bound && !l->is_ending)
            l->events->on_bound(l->ctx, (uint32_t)id, cond);
        return;
    }
    if (!span_is_none(cond)) {
        LOG(LOG_ERROR, "link.bind_refused", F_SPAN("name", l->opts.name), F_SPAN("id", stanza->id),
            F_SPAN("cond", cond));
        stream_close(s);
        return;
    }
    if (l->binds_open > 0 && --l->binds_open == 0)
        link_became_up(l);
}

static void on_stanza(struct stream *s, struct stanza *stanza)
{
    struct link *l = s->ctx;
    if (!l->is_ending)
        l->events->on_stanza(l->ctx, stanza);
}

static void on_envelope(struct stream *s, struct stanza *stanza)
{
    struct link *l = s->ctx;
    if (l->events->on_envelope && !l->is_ending)
        l->events->on_envelope(l->ctx, stanza);
}

static void on_route(struct stream *s, struct stanza *stanza)
{
    struct link *l = s->ctx;
    if (l->events->on_route && !l->is_ending)
        l->events->on_route(l->ctx, stanza_attr(stanza, 0, SPAN("name")),
                            span_eq(stanza_attr(stanza, 0, SPAN("state")), SPAN("up")));
}

static void tell_claim(struct link *l, const struct stanza *stanza, uint32_t node)
{
    if (l->events->on_claim && !l->is_ending)
        l->events->on_claim(l->ctx, stanza_attr(stanza, node, SPAN("jid")),
                            stanza_attr(stanza, node, SPAN("owner")));
}

/* A claim that the router cannot serve is a mistake in its configuration: an operator must know,
 * and the user is served meanwhile as if there were no router. */
static void on_claim(struct stream *s, struct stanza *stanza)
{
    if (span_eq(stanza->type, SPAN("error")))
        LOG(LOG_ERROR, "link.claim_refused", F_SPAN("jid", stanza_attr(stanza, 0, SPAN("jid"))));
    tell_claim(s->ctx, stanza, 0);
}

static void on_claims(struct stream *s, struct stanza *stanza)
{
    for (uint32_t c = stanza_child(stanza, 0, SPAN(NS_ROUTER), SPAN("claim")); c;
         c = stanza_next(stanza, c, SPAN(NS_ROUTER), SPAN("claim")))
        tell_claim(s->ctx, stanza, c);
}

static void on_released(struct stream *s, struct stanza *stanza)
{
    struct link *l = s->ctx;
    if (l->events->on_released && !l->is_ending)
        l->events->on_released(l->ctx, stanza_attr(stanza, 0, SPAN("jid")));
}

static void ignore(struct stream *s, struct stanza *stanza)
{
    (void)s;
    (void)stanza;
}

#define BOUND (STREAM_IN(LINK_BINDING) | STREAM_IN(LINK_UP))

const struct stream_rule link_rules[] = {
    {BOUND, NS_COMPONENT, "message", on_stanza},
    {BOUND, NS_COMPONENT, "presence", on_stanza},
    {BOUND, NS_COMPONENT, "iq", on_stanza},
    {BOUND, NS_ROUTER, "envelope", on_envelope},
    {BOUND, NS_ROUTER, "claim", on_claim},
    {BOUND, NS_ROUTER, "claims", on_claims},
    {BOUND, NS_ROUTER, "released", on_released},
    {BOUND, NS_ROUTER, "route", on_route},
    {BOUND, NS_ROUTER, "bind", on_bind},
    {BOUND, NS_ROUTER, NULL, ignore}, /* words of a newer router */
    {STREAM_IN(LINK_HANDSHAKE), NS_COMPONENT, "handshake", link_on_handshake},
};
const size_t link_rule_count = ARRAY_LEN(link_rules);
