/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * asked - who answers a request is whom the client has asked (RFC 6120 8.1.2.1, 8.2.3): clients
 * drop the answer of anybody else. A user of the network is shown by one address only (edge.c); who
 * has asked him by another one is answered from that one.
 *
 * Called by route.c and deliver.c. A session remembers the last few such requests, as they are
 * written to a client: escaped. An answer is its request's by the id and by who the user is.
 */
#include "c2s/sm/network/network.h"

#include "xml/starttag.h"
#include "xmpp/iq.h"

#include <stdlib.h>

#define ASKED_MAX 16
#define ASKED_BYTES 1024 /* what is longer is answered from where the client sees him */

struct asked {
    size_t id, local, domain, rest; /* lengths; rest: "/resource", or nothing */
    char text[];                    /* these, one after the other */
};

struct sm_asked {
    unsigned next;
    struct asked *last[ASKED_MAX]; /* a ring; NULL: none */
};

static struct span part(const struct asked *a, size_t at, size_t n)
{
    return span_make(a->text + at, n);
}

static struct asked *asked_new(struct span id, const struct jid *to)
{
    struct buf text = {0};
    struct asked *a = NULL;

    xml_value(&text, id);
    const size_t id_n = buf_len(&text);
    xml_value(&text, to->full);
    if (buf_len(&text) <= ASKED_BYTES) {
        a = mem_alloc(sizeof(*a) + buf_len(&text));
        *a = (struct asked){.id = id_n, .local = to->local.n, .domain = to->domain.n};
        a->rest = buf_len(&text) - id_n - to->local.n - 1 - to->domain.n;
        memcpy(a->text, buf_span(&text).p, buf_len(&text));
    }
    buf_free(&text);
    return a;
}

/* No localpart, and no domain, has a character that is escaped. */
void sm_asked_note(const struct sm_in *in)
{
    struct sm_session *s = in->session;
    const struct span network = in->sm->opts.network;

    if (!s || span_eq(in->to.domain, s->domain) || span_is_none(in->to.local) ||
        !iq_is_request(in->stanza) || sm_is_reserved(in->to.local) ||
        !(span_eq(in->to.domain, network) ||
          (span_eq(s->domain, network) && sm_is_member(in->sm, in->to.domain))))
        return;
    struct asked *a = asked_new(in->stanza->id, &in->to);
    if (!a)
        return;
    if (!s->asked)
        s->asked = mem_zalloc(sizeof(*s->asked));
    struct asked **place = &s->asked->last[s->asked->next++ % ASKED_MAX];
    free(*place);
    *place = a;
}

/* The domain of the address that a is about, in from, where the client sees it; none: it is
 * somebody else's. */
static struct span domain_in(const struct sm_session *s, const struct asked *a, struct span from)
{
    const struct sm *sm = s->sm;
    const struct span rest = part(a, a->id + a->local + 1 + a->domain, a->rest);

    if (!span_starts(from, part(a, a->id, a->local + 1)))
        return SPAN_NONE;
    const struct span domain = span_from(from, a->local + 1);
    const size_t n = span_index(domain, '/');
    const struct span seen = span_eq(s->domain, sm->opts.network)
                                 ? sm->opts.network
                                 : sm_edge_peek(sm, part(a, a->id, a->local));
    const bool is_his =
        span_eq(span_from(domain, n), rest) && n > 0 && span_eq(span_make(domain.p, n), seen);
    return is_his ? span_make(domain.p, n) : SPAN_NONE;
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
    struct starttag tag;

    if (!starttag_scan(span_from(buf_span(out), from), &tag) || !span_eq(tag.name, SPAN("iq")) ||
        !(span_eq(tag.type, SPAN("result")) || span_eq(tag.type, SPAN("error"))))
        return;
    for (size_t i = 0; i < ASKED_MAX; i++) {
        struct asked *a = s->asked->last[i];
        if (!a || !span_eq(tag.id, part(a, 0, a->id)))
            continue;
        const struct span domain = domain_in(s, a, tag.from);
        if (span_is_none(domain))
            continue;
        replace(out, domain, part(a, a->id + a->local + 1, a->domain), &s->sm->net->text);
        s->asked->last[i] = NULL;
        free(a);
        return;
    }
}

void sm_asked_free(struct sm_session *s)
{
    for (size_t i = 0; s->asked && i < ASKED_MAX; i++)
        free(s->asked->last[i]);
    free(s->asked);
    s->asked = NULL;
}
