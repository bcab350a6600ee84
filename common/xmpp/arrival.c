/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "xmpp/arrival.h"

#include "xmpp/ns.h"

/* In any spelling: who reads it may prepare it first. */
static bool is_our_address(struct span who, arrival_is_ours *is_ours, const void *ctx)
{
    static struct jid_scratch scratch; /* too large to be cleared each time */
    struct jid jid;
    return !span_is_empty(who) && jid_parse(who, &jid, &scratch) && is_ours(ctx, jid.domain);
}

/* Who reads these trusts them as a server's of ours; the words between servers and the router's are
 * for our processes. */
static bool is_server_owned(const struct stanza *s, uint32_t node, arrival_is_ours *is_ours,
                            const void *ctx)
{
    struct span ns = s->nodes[node].ns, name = s->nodes[node].name;
    if (span_eq(ns, SPAN(NS_STANZA_ID)))
        return span_eq(name, SPAN("stanza-id")) &&
               is_our_address(stanza_attr(s, node, SPAN("by")), is_ours, ctx);
    if (span_eq(ns, SPAN(NS_DELAY)))
        return is_our_address(stanza_attr(s, node, SPAN("from")), is_ours, ctx);
    if (span_eq(ns, SPAN(NS_NETWORK)))
        return span_eq(name, SPAN("via")) || span_eq(name, SPAN("to"));
    return span_eq(ns, SPAN(NS_ROUTER));
}

static void set_prepared(struct stanza *s, struct span name, struct span old, struct span new)
{
    if (!span_eq(old, new))
        stanza_set_attr(s, 0, name, new);
}

void arrival_prepare(struct stanza *s, const struct jid *from, const struct jid *to,
                     arrival_is_ours *is_ours, const void *ctx)
{
    stanza_strip_foreign_attrs(s);
    for (uint32_t next, node = stanza_root(s)->first; node; node = next) {
        next = s->nodes[node].next;
        if (!span_is_none(s->nodes[node].name) && is_server_owned(s, node, is_ours, ctx))
            stanza_remove(s, node);
    }
    set_prepared(s, SPAN("from"), s->from, from->full);
    set_prepared(s, SPAN("to"), s->to, to->full);
}
