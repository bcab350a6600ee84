/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * asked - who answers is whom the client has written to (RFC 6120 8.1.2.1, 8.2.3): clients drop the
 * answer of anybody else. A user of the network is shown by one address only (edge.c); who has
 * written to him by another one gets the answers from that one: of requests, and the errors of
 * messages and presence. So nobody hears from an error where somebody is at home, either; what is
 * no more remembered, too, has its price (match_quota.c).
 *
 * Called by route.c and deliver.c. A session remembers the last few such stanzas. An answer is
 * theirs by the id and by who the user is, as these are written to a client: escaped.
 */
#include "c2s/sm/network/resolver.h"

#include "xml/starttag.h"
#include "xmpp/iq.h"

#include <stdlib.h>

#define ASKED_MAX 64

struct asked {
    uint64_t number;    /* a hash of what the answer has */
    struct span domain; /* that the client has written; none: nothing is remembered here */
};

struct ring {
    unsigned next;
    struct asked last[ASKED_MAX];
};

/* Messages do not push requests out. */
struct sm_asked {
    struct ring requests, others;
};

static struct ring *ring_of(struct sm_asked *asked, struct span name)
{
    return span_eq(name, SPAN("iq")) ? &asked->requests : &asked->others;
}

/* rest: "/resource", or nothing. */
static uint64_t number_of(struct span name, struct span id, struct span local, struct span rest)
{
    const uint64_t parts[] = {map_hash(name), map_hash(id), map_hash(local), map_hash(rest)};

    return map_hash(span_make((const char *)parts, sizeof(parts)));
}

/* No localpart, and no domain, has a character that is escaped. */
static uint64_t number_at(const struct sm_in *in)
{
    const struct jid *to = &in->to;
    struct buf *text = &in->sm->net->text;
    uint64_t number;
    size_t id_n;

    buf_clear(text);
    xml_value(text, in->stanza->id);
    id_n = buf_len(text);
    xml_value(text, span_from(to->full, to->local.n + 1 + to->domain.n));
    number = number_of(stanza_root(in->stanza)->name, span_make(buf_span(text).p, id_n), to->local,
                       span_from(buf_span(text), id_n));
    buf_clear(text);
    return number;
}

static bool may_be_answered(const struct stanza *s)
{
    return span_eq(stanza_root(s)->name, SPAN("iq")) ? iq_is_request(s)
                                                     : !span_eq(s->type, SPAN("error"));
}

void sm_asked_note(const struct sm_in *in)
{
    struct sm_session *s = in->session;
    const struct span network = in->sm->opts.network;

    if (!s || span_eq(in->to.domain, s->domain) || span_is_none(in->to.local) ||
        !may_be_answered(in->stanza) || sm_is_reserved(in->to.local) ||
        !(span_eq(in->to.domain, network) ||
          (span_eq(s->domain, network) && sm_is_member(in->sm, in->to.domain))))
        return;
    if (!s->asked)
        s->asked = mem_zalloc(sizeof(*s->asked));
    struct ring *ring = ring_of(s->asked, stanza_root(in->stanza)->name);
    ring->last[ring->next++ % ASKED_MAX] = (struct asked){
        .number = number_at(in),
        .domain = sm_cache_host(in->sm, in->to.domain),
    };
}

static bool is_answer(const struct starttag *tag)
{
    return span_eq(tag->type, SPAN("error")) ||
           (span_eq(tag->type, SPAN("result")) && span_eq(tag->name, SPAN("iq")));
}

/* Of a contact, who has another address in the roster; but servers say so of strangers, too. */
static bool is_denial(const struct starttag *tag)
{
    return span_eq(tag->type, SPAN("unsubscribed"));
}

/* A request is answered once; of a message or presence several errors may come. */
static struct span written(struct ring *ring, uint64_t number, bool is_once)
{
    for (size_t i = 0; i < ASKED_MAX; i++) {
        struct asked *a = &ring->last[i];
        const struct span domain = a->domain;
        if (span_is_none(domain) || a->number != number)
            continue;
        if (is_once)
            a->domain = SPAN_NONE;
        return domain;
    }
    return SPAN_NONE;
}

static void replace(struct buf *out, struct span old, struct span new, struct buf *scratch)
{
    const size_t at = (size_t)(old.p - buf_span(out).p);

    buf_clear(scratch);
    buf_append(scratch, new);
    buf_append(scratch, span_from(buf_span(out), at + old.n));
    buf_truncate(out, at);
    buf_append(out, buf_span(scratch));
    buf_clear(scratch);
}

void sm_asked_answer(struct sm_session *s, struct buf *out, size_t from)
{
    const struct sm *sm = s->sm;
    struct starttag tag;

    if (sm->is_closed || !starttag_scan(span_from(buf_span(out), from), &tag) ||
        (!is_answer(&tag) && !is_denial(&tag)))
        return;
    const size_t at = span_index(tag.from, '@'), slash = span_index(tag.from, '/');
    if (at >= slash)
        return;
    const struct span local = span_make(tag.from.p, at);
    const struct span old = span_make(tag.from.p + at + 1, slash - at - 1);
    if (sm_is_reserved(local) || !sm_is_network_domain(sm, old))
        return;
    struct span new = SPAN_NONE;
    if (is_answer(&tag))
        new = written(ring_of(s->asked, tag.name),
                      number_of(tag.name, tag.id, local, span_from(tag.from, slash)),
                      span_eq(tag.name, SPAN("iq")));
    if (span_is_none(new) && span_eq(s->domain, sm->opts.host) && span_eq(old, sm->opts.host) &&
        !sm_match_may_show(s, local))
        new = sm->opts.network;
    if (!span_is_none(new) && !span_eq(new, old))
        replace(out, old, new, &s->sm->net->text);
}

void sm_asked_free(struct sm_session *s)
{
    free(s->asked);
    s->asked = NULL;
}
