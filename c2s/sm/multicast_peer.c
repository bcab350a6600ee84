/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * multicast_peer - which domains elsewhere are multicast services themselves (XEP-0033 2): asked
 * once by disco#info, when a message goes to several there, and remembered for a while.
 *
 * That message does not wait for the answer, so that what its sender says next does not overtake
 * it. Of too many domains the one that was asked first is forgotten.
 */
#include "c2s/sm/multicast.h"

#include "tls/crypto.h"

#include <stdlib.h>

#define YES_MS (12 * 3600 * 1000)
#define NO_MS (3600 * 1000)
#define ASKED_MS (60 * 1000)

enum peer_state { ASKED, YES, NO };

struct peer {
    struct list_node age; /* of sm_multicast.peers, asked first first */
    enum peer_state state;
    uint64_t at; /* loop time of asking, or of the answer */
    char id[17];
    size_t n;
    char domain[];
};

struct sm_multicast *sm_multicast_of(struct sm *sm)
{
    if (!sm->multicast) {
        sm->multicast = mem_zalloc(sizeof(*sm->multicast));
        list_init(&sm->multicast->peers);
        list_init(&sm->multicast->waits);
    }
    return sm->multicast;
}

static void peer_free(struct sm_multicast *m, struct peer *p)
{
    map_remove(&m->domains, span_make(p->domain, p->n));
    list_remove(&p->age);
    free(p);
}

void sm_multicast_close(struct sm *sm)
{
    struct sm_multicast *m = sm->multicast;

    if (!m)
        return;
    sm_multicast_waits_free(m);
    while (!list_is_empty(&m->peers))
        peer_free(m, CONTAINER_OF(m->peers.next, struct peer, age));
    map_free(&m->domains);
    free(m);
    sm->multicast = NULL;
}

static bool is_fresh(const struct sm *sm, const struct peer *p)
{
    static const uint64_t ages[] = {[ASKED] = ASKED_MS, [YES] = YES_MS, [NO] = NO_MS};

    return loop_now(sm->loop) - p->at < ages[p->state];
}

static struct peer *peer_new(struct sm *sm, struct span domain)
{
    struct sm_multicast *m = sm->multicast;
    struct peer *p = mem_zalloc(sizeof(*p) + domain.n);

    if (m->domains.count >= MULTICAST_MAX_PEERS)
        peer_free(m, CONTAINER_OF(m->peers.next, struct peer, age));
    p->n = domain.n;
    memcpy(p->domain, domain.p, domain.n);
    p->at = loop_now(sm->loop);
    crypto_random_hex(p->id, 8);
    map_put(&m->domains, span_make(p->domain, p->n), p);
    list_append(&m->peers, &p->age);
    return p;
}

/* The instance is named, so that the router gives the answer to us. */
static void ask(struct sm *sm, const struct peer *p)
{
    struct sm_out out;
    struct buf *buf = sm_out_begin(sm, NULL, &out);

    xml_raw(buf, SPAN("<iq type='get'"));
    xml_attr(buf, "id", span_of(p->id));
    xml_raw(buf, SPAN(" from='"));
    xml_value(buf, sm->opts.host);
    xml_raw(buf, SPAN("/"));
    xml_value(buf, sm->opts.instance);
    xml_raw(buf, SPAN("'"));
    xml_attr(buf, "to", span_make(p->domain, p->n));
    xml_raw(buf, SPAN("><query xmlns='" NS_DISCO_INFO "'/></iq>"));
    sm_out_end(&out);
}

bool sm_multicast_has_service(struct sm *sm, struct span domain)
{
    struct peer *p;

    if (sm_is_member(sm, domain)) /* as we are */
        return true;
    p = map_get(&sm_multicast_of(sm)->domains, domain);
    if (p && is_fresh(sm, p))
        return p->state == YES;
    if (p)
        peer_free(sm->multicast, p);
    if (sm_is_linked(sm))
        ask(sm, peer_new(sm, domain));
    return false;
}

static bool says_yes(const struct stanza *s)
{
    uint32_t query = span_eq(s->type, SPAN("result"))
                         ? stanza_child(s, 0, SPAN(NS_DISCO_INFO), SPAN("query")) : 0;
    uint32_t f = query ? stanza_child(s, query, SPAN(NS_DISCO_INFO), SPAN("feature")) : 0;

    while (f && !span_eq(stanza_attr(s, f, SPAN("var")), SPAN(NS_ADDRESS)))
        f = stanza_next(s, f, SPAN(NS_DISCO_INFO), SPAN("feature"));
    return f != 0;
}

bool sm_multicast_answer(struct sm_in *in)
{
    struct sm *sm = in->sm;
    struct jid_scratch scratch;
    struct peer *p;
    struct jid from;

    if (!sm->multicast || !span_is_none(in->to.local) ||
        !jid_parse(in->stanza->from, &from, &scratch))
        return false;
    p = map_get(&sm->multicast->domains, from.full);
    if (!p || p->state != ASKED || !span_eq(in->stanza->id, span_of(p->id)))
        return false;
    p->state = says_yes(in->stanza) ? YES : NO;
    p->at = loop_now(sm->loop);
    return true;
}
