/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * peer - the other servers of the table: which there are, when each is dialled, and which of two
 * streams is its link.
 *
 * Called by process.c (the table), relay.c and the streams. n->peers owns them; a peer knows the
 * streams that are its link (wire) or may become it (dialling), both of which free themselves.
 * Their queues are in peer_queue.c, the counts of XEP-0198 in peer_session.c.
 */
#include "net/peer.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/gate.h"
#include "net/wire.h"
#include "tls/crypto.h"

#include <stdlib.h>

#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS 60000
/* The first try, and the one after a link that was good: who will have the last word when both dial
 * is the first to dial. */
#define SOON_MS 100
#define LATER_MS 600
#define SPREAD_MS 400
#define GOOD_MS 10000  /* a link that lasts for less is a failure */
#define CONTESTS_MAX 3 /* both have dialled, one has started anew: what is more is no chance */

static void on_retry(void *ctx);

/* --- names ------------------------------------------------------------------------------------ */

const char *peer_state_name(enum peer_state state)
{
    static const char *const names[] = {
        [PEER_WAITING] = "waiting",
        [PEER_CONNECTING] = "connecting",
        [PEER_UP] = "up",
    };
    return names[state];
}

struct peer *peer_find(const struct net *n, struct span host)
{
    return map_get(&n->peers, host);
}

/* What is behind the first dot; none: nothing. */
static struct span parent(struct span domain)
{
    size_t dot = span_index(domain, '.');
    return dot < domain.n ? span_from(domain, dot + 1) : SPAN_NONE;
}

struct peer *peer_of_domain(const struct net *n, struct span domain)
{
    for (struct span d = domain; !span_is_none(d); d = parent(d)) {
        struct peer *p = peer_find(n, d);
        if (p)
            return p;
    }
    return NULL;
}

/* Another server's name may lie below: then what is there is that one's, enabled or not. */
bool peer_is_its(const struct peer *p, struct span domain)
{
    for (struct span d = domain; !span_is_none(d); d = parent(d)) {
        if (span_eq(d, p->host))
            return true;
        if (servers_find(p->net->servers, d))
            return false;
    }
    return false;
}

/* By bytes. */
static bool is_ours_smaller(const struct peer *p)
{
    struct span a = p->net->host, b = p->host;
    int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return c ? c < 0 : a.n < b.n;
}

/* --- when to dial ----------------------------------------------------------------------------- */

static void set_state(struct peer *p, enum peer_state state)
{
    if (p->state != state)
        LOG(LOG_DEBUG, "peer.state", F_SPAN("host", p->host),
            F_STR("from", peer_state_name(p->state)), F_STR("to", peer_state_name(state)));
    p->state = state;
}

unsigned peer_vain(const struct peer *p)
{
    unsigned contests = p->contests > CONTESTS_MAX ? p->contests - CONTESTS_MAX : 0;
    return p->failures > contests ? p->failures : contests;
}

static void schedule(struct peer *p)
{
    unsigned times = peer_vain(p);
    set_state(p, PEER_WAITING);
    if (p->net->is_stopping)
        return;
    if (times == 0) {
        p->backoff_ms = (is_ours_smaller(p) ? SOON_MS : LATER_MS) + crypto_random_below(SPREAD_MS);
    } else {
        uint64_t ms = BACKOFF_MIN_MS;
        for (unsigned i = 1; i < times && ms < BACKOFF_MAX_MS; i++)
            ms *= 2;
        ms = ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
        p->backoff_ms = ms - crypto_random_below(ms / 4);
    }
    timer_start(&p->retry, p->net->loop, p->backoff_ms, on_retry, p);
}

static void dial(struct peer *p)
{
    if (p->net->is_stopping || p->wire || p->dialling)
        return;
    timer_stop(&p->retry);
    set_state(p, PEER_CONNECTING);
    p->dialling = wire_dial(p);
}

static void on_retry(void *ctx)
{
    dial(ctx);
}

void peer_connect(struct peer *p)
{
    dial(p);
}

/* --- the table -------------------------------------------------------------------------------- */

static struct peer *peer_new(struct net *n, const struct server *s)
{
    struct peer *p = mem_zalloc(sizeof *p + s->host.n);
    memcpy(p->text, s->host.p, s->host.n);
    memcpy(p->fingerprint, s->fingerprint, sizeof p->fingerprint);
    p->net = n;
    p->host = span_make(p->text, s->host.n);
    map_put(&n->peers, p->host, p);
    p->outbox = outbox_open(n->outboxes, p->host, p);
    relay_bind(n, p->host);
    LOG(LOG_INFO, "peer.known", F_SPAN("host", p->host), F_STR("fingerprint", p->fingerprint));
    schedule(p);
    return p;
}

/* is_end: of the process; else of the peer alone, whose names and queue go. */
static void peer_free(struct peer *p, bool is_end)
{
    struct net *n = p->net;
    map_remove(&n->peers, p->host);
    wires_drop(n, p, "it is not in the table any more");
    timer_stop(&p->retry);
    peer_names_free(p, !is_end);
    if (!is_end) {
        LOG(LOG_INFO, "peer.gone", F_SPAN("host", p->host));
        relay_unbind(n, p->host);
        outbox_give_up(p->outbox);
    }
    outbox_close(&p->outbox);
    peer_session_forget(p);
    buf_free(&p->story);
    free(p);
}

/* It is who the table says: a link by another key is somebody else's. */
static void update(struct peer *p, const struct server *s)
{
    if (memcmp(p->fingerprint, s->fingerprint, sizeof p->fingerprint) == 0)
        return;
    LOG(LOG_INFO, "peer.key", F_SPAN("host", p->host), F_STR("fingerprint", s->fingerprint));
    memcpy(p->fingerprint, s->fingerprint, sizeof p->fingerprint);
    p->failures = 0;
    wires_drop(p->net, p, "its key in the table has changed");
    if (p->wire)
        peer_session_pause(p);
    p->wire = p->dialling = NULL;
    schedule(p);
}

void peers_follow(struct net *n)
{
    size_t cursor = 0;
    for (struct peer *p; (p = map_next(&n->peers, &cursor));)
        if (!servers_has_other(n->servers, p->host))
            peer_free(p, false);
    for (size_t i = 0; i < servers_count(n->servers); i++) {
        const struct server *s = servers_at(n->servers, i);
        if (s->is_self || !s->is_enabled)
            continue;
        struct peer *p = peer_find(n, s->host);
        if (p)
            update(p, s);
        else
            peer_new(n, s);
    }
}

void peers_free(struct net *n)
{
    size_t cursor = 0;
    for (struct peer *p; (p = map_next(&n->peers, &cursor));)
        peer_free(p, true);
    map_free(&n->peers);
    gate_free();
    handled_free_tokens();
}

/* --- streams ---------------------------------------------------------------------------------- */

/* What both have dialled, the server with the smaller name has chosen: that is known to both as
 * soon as it has said its header. A link that is there already is dead on the other side, else it
 * would not dial. */
bool peer_admits(const struct peer *p, const struct wire *w)
{
    if (p->net->is_stopping)
        return false;
    if (wire_is_ours(w))
        return p->dialling == w && !p->wire;
    return !(p->dialling && wire_has_spoken(p->dialling) && is_ours_smaller(p));
}

/* Another has taken the place of its link. */
static void contest(struct peer *p)
{
    p->contests = loop_now(p->net->loop) - p->up_since < GOOD_MS ? p->contests + 1 : 0;
    if (p->contests == CONTESTS_MAX + 1)
        LOG(LOG_WARN, "peer.contested", F_SPAN("host", p->host),
            F_STR("hint", "two servers of one host, with one key?"));
}

void peer_let_go(struct peer *p)
{
    struct wire *old = p->wire;
    if (!old)
        return;
    p->wire = NULL;
    contest(p);
    LOG(LOG_INFO, "peer.replaced", F_SPAN("host", p->host));
    peer_session_pause(p);
    wire_outdo(old);
    schedule(p);
}

bool peer_take(struct peer *p, struct wire *w)
{
    if (!peer_admits(p, w))
        return false;
    peer_let_go(p);
    if (p->dialling && p->dialling != w)
        wire_outdo(p->dialling);
    p->dialling = NULL;
    p->wire = w;
    p->up_since = loop_now(p->net->loop);
    timer_stop(&p->retry);
    set_state(p, PEER_UP);
    peer_names_begin(p);
    return true;
}

static void on_failure(struct peer *p, const char *why)
{
    p->failures++;
    schedule(p);
    LOG(p->failures == 1 ? LOG_WARN : LOG_INFO, "peer.failed", F_SPAN("host", p->host),
        F_STR("reason", why ? why : ""), F_INT("failures", p->failures),
        F_INT("again_ms", p->backoff_ms));
}

void peer_lost(struct peer *p, struct wire *w, const char *why)
{
    uint64_t lasted = loop_now(p->net->loop) - p->up_since;
    if (w == p->dialling) {
        p->dialling = NULL;
        lasted = 0;
    } else if (w == p->wire) {
        p->wire = NULL;
        peer_session_pause(p);
        if (wire_is_outdone(w))
            contest(p);
    } else {
        return;
    }
    if (p->wire || p->dialling)
        return;
    if (lasted < GOOD_MS && !wire_is_outdone(w)) {
        on_failure(p, why);
        return;
    }
    LOG(wire_is_outdone(w) ? LOG_INFO : LOG_WARN, "peer.lost", F_SPAN("host", p->host),
        F_STR("reason", why ? why : ""));
    p->failures = 0;
    schedule(p);
}

void peer_close(struct peer *p)
{
    if (p->wire)
        wire_close(p->wire, STREAM_ERROR_NONE, NULL);
    else if (p->dialling)
        wire_close(p->dialling, STREAM_ERROR_NONE, NULL);
}

void peers_close_all(struct net *n)
{
    size_t cursor = 0;
    for (struct peer *p; (p = map_next(&n->peers, &cursor));) {
        timer_stop(&p->retry);
        if (p->dialling)
            wire_close(p->dialling, STREAM_SYSTEM_SHUTDOWN, NULL);
        if (p->wire && !wire_ask_last(p->wire))
            wire_close(p->wire, STREAM_SYSTEM_SHUTDOWN, NULL);
    }
}
