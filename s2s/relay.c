/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * relay - the router's side of federation: what it gives goes to the pairs, what the pairs' streams
 * bring goes to it, and what cannot be delivered goes back to its sender.
 *
 * RFC 6120 10.4 (remote domains), 8.3.1 (what is answered). Nothing outlives a call.
 */
#include "base/log.h"
#include "base/mem.h"
#include "s2s/pair.h"
#include "s2s/policy.h"
#include "xml/parser.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"

#include <stdlib.h>

/* --- whom we speak for ------------------------------------------------------------------------ */

struct name {
    size_t n;
    char text[];
};

bool relay_is_below_host(const struct s2s *s, struct span domain)
{
    return domain.n > s->host.n + 1 && span_ends(domain, s->host) &&
           domain.p[domain.n - s->host.n - 1] == '.';
}

bool relay_is_ours(const struct s2s *s, struct span domain)
{
    if (span_eq(domain, s->host) || span_eq(domain, s->network))
        return true;
    for (size_t i = 0; i < s->conf->also.count; i++)
        if (span_is(domain, span_of(s->conf->also.items[i])))
            return true;
    return map_get(&s->names, domain) != NULL;
}

/* Components come and go; the names of other servers of the network are not ours to speak for. */
static void on_route(void *ctx, struct span name, bool is_up)
{
    struct s2s *s = ctx;
    if (!relay_is_below_host(s, name))
        return;
    if (!is_up) {
        free(map_remove(&s->names, name));
        return;
    }
    struct name *n = mem_alloc(sizeof *n + name.n);
    n->n = name.n;
    memcpy(n->text, name.p, name.n);
    free(map_put(&s->names, span_make(n->text, n->n), n));
}

/* The router tells them all again when it is back. */
static void forget_names(struct s2s *s)
{
    size_t cursor = 0;
    for (struct name *n; (n = map_next(&s->names, &cursor));)
        free(n);
    map_free(&s->names);
    s->names = (struct map){0};
}

void relay_free(struct s2s *s)
{
    forget_names(s);
}

/* --- back to the sender ----------------------------------------------------------------------- */

static void answer(struct s2s *s, const struct stanza *stanza, enum stanza_error e,
                   const char *text)
{
    struct span name = stanza_root(stanza)->name;
    if (!stanza_may_answer_error(name, stanza->type) || stanza_is_error_of_error(stanza))
        return;
    struct buf *out = s->link ? link_begin(s->link, (struct link_done){0}) : NULL;
    if (!out) { /* the router has been away for long */
        LOG(LOG_ERROR, "relay.untold", F_SPAN("to", stanza->from), F_SPAN("about", stanza->to),
            F_STR("cond", stanza_error_name(e)));
        return;
    }
    s->counts.bounced++;
    stanza_error_write(out, stanza, SPAN(NS_COMPONENT), stanza->to, stanza->from, e, text);
    link_end(s->link);
}

void relay_bounce(struct s2s *s, struct span stanza, enum stanza_error e, const char *text)
{
    struct stanza tree = {0};
    if (xml_parse_stanza(xml_parser_shared(SPAN(NS_SERVER)), stanza, &tree) == XML_OK)
        answer(s, &tree, e, text);
    stanza_free(&tree);
}

/* --- from the router -------------------------------------------------------------------------- */

/* The pair for a domain that has none yet: looked at once, not at each stanza; a reload looks again
 * (pairs_enforce). NULL: the stanza has been refused. */
static struct pair *admit(struct s2s *s, const struct stanza *stanza, struct span local,
                          struct span remote)
{
    if (relay_is_ours(s, remote) || relay_is_below_host(s, remote) ||
        policy_of(s, remote).is_denied) {
        s->counts.refused++;
        answer(s, stanza, STANZA_REMOTE_SERVER_NOT_FOUND, NULL);
        return NULL;
    }
    struct pair *p = pair_get(s, local, remote);
    if (!p) {
        LOG(LOG_WARN, "relay.too_many_pairs", F_SPAN("remote", remote));
        answer(s, stanza, STANZA_RESOURCE_CONSTRAINT, "too many domains");
    }
    return p;
}

static void on_stanza(void *ctx, struct stanza *stanza)
{
    static struct jid_scratch from_scratch, to_scratch; /* too large to be cleared each time */
    struct s2s *s = ctx;
    struct jid from, to;

    s->counts.from_router++;
    if (!jid_parse(stanza->from, &from, &from_scratch) ||
        !jid_parse(stanza->to, &to, &to_scratch)) {
        LOG(LOG_WARN, "relay.malformed", F_SPAN("from", stanza->from), F_SPAN("to", stanza->to));
        answer(s, stanza, STANZA_JID_MALFORMED, NULL);
        return;
    }
    if (s->is_stopping) {
        s->counts.refused++;
        answer(s, stanza, STANZA_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    struct pair *p = pair_find(s, from.domain, to.domain);
    if (p || (p = admit(s, stanza, from.domain, to.domain)))
        pair_send(p, stanza);
}

static void on_up(void *ctx)
{
    struct s2s *s = ctx;
    LOG(LOG_INFO, "s2s.link_up", F_STR("name", s->name));
}

static void on_down(void *ctx)
{
    struct s2s *s = ctx;
    forget_names(s);
    LOG(LOG_WARN, "s2s.link_down", F_STR("name", s->name));
}

const struct link_events relay_events = {
    .on_up = on_up,
    .on_down = on_down,
    .on_stanza = on_stanza,
    .on_route = on_route,
};

/* --- to the router ---------------------------------------------------------------------------- */

void relay_to_router(struct s2s *s, const struct stanza *stanza, struct link_done done)
{
    s->counts.to_router++;
    if (!s->link) {
        if (done.call)
            done.call(done.ctx, false);
        return;
    }
    link_send_stanza(s->link, stanza, &(struct stanza_write_opts){.from_ns = SPAN(NS_SERVER)},
                     done);
}
