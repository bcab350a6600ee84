/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dial_race - from one target to a connection: A and AAAA asked for together, addresses tried with
 * a head start each, families in turn, the first that takes us wins (RFC 8305).
 *
 * Called by dial.c. TLSA records are asked for meanwhile; who wins waits for them.
 */
#include "dns/dial_private.h"

#include "dns/guard.h"

#include <netinet/in.h>
#include <stdio.h>

static void step(struct dial *d);

/* --- the attempts --- */

static void attempt_end(struct dial_attempt *at)
{
    struct conn *c = at->conn;

    timer_stop(&at->timer);
    at->conn = NULL;
    if (!c)
        return;
    conn_set_handler(c, NULL, NULL);
    conn_abort(c, 0);
}

static void attempt_failed(struct dial_attempt *at, const char *reason)
{
    struct dial *d = at->dial;
    char text[ADDR_TEXT_MAX];

    dial_tell(d, "%s: %s", addr_format(&at->to, text), reason);
    d->failed++;
    d->race.running--;
    if (d->race.winner == at)
        d->race.winner = NULL;
    timer_stop(&d->race.delay); /* the next need not wait */
    step(d);
}

static void on_silence(void *ctx)
{
    struct dial_attempt *at = ctx;

    attempt_end(at);
    attempt_failed(at, "no answer");
}

static void on_conn_close(void *ctx, int error, const char *reason)
{
    struct dial_attempt *at = ctx;

    timer_stop(&at->timer);
    at->conn = NULL;
    if (!reason || !*reason)
        reason = error < 0 ? strerrordesc_np(-error) : "closed";
    attempt_failed(at, reason ? reason : "failed");
}

/* Shows the winner to the caller. Nothing may follow: the dial may be gone. */
static void show(struct dial *d)
{
    struct dial_race *r = &d->race;
    struct dial_attempt *at = r->winner;
    struct conn *c = at->conn;

    at->conn = NULL;
    r->running--;
    r->is_shown = d->has_shown = true;
    r->shown_count++;
    d->shown = (struct dial_target){
        .name = span_of(r->target->name),
        .port = r->target->port,
        .is_direct_tls = r->target->is_direct,
        .is_secure = r->target->is_secure,
        .tlsa = r->tlsa,
        .tlsa_count = r->tlsa_count,
    };
    timer_stop(&d->bound);
    conn_set_handler(c, NULL, NULL);
    conn_resume(c);
    d->events->on_connected(d->ctx, c, &d->shown);
}

static void attempt_connected(struct dial_attempt *at)
{
    struct dial *d = at->dial;
    char text[ADDR_TEXT_MAX];

    timer_stop(&at->timer);
    dial_tell(d, "%s: connected after %u ms", addr_format(&at->to, text),
              (unsigned)(loop_now(d->loop) - at->started));
    d->race.winner = at;
    conn_pause(at->conn);
    timer_stop(&d->race.delay);
    for (size_t i = 0; i < d->race.attempt_count; i++) {
        struct dial_attempt *other = &d->race.attempts[i];
        if (other == at || (!other->conn && !timer_is_running(&other->timer)))
            continue;
        attempt_end(other);
        d->race.running--;
    }
    step(d);
}

static void on_conn_connect(void *ctx)
{
    attempt_connected(ctx);
}

static void on_fake_connected(void *ctx)
{
    attempt_connected(ctx);
}

static const struct conn_handler attempt_handler = {
    .on_connect = on_conn_connect,
    .on_close = on_conn_close,
};

static void attempt_begin(struct dial *d, const struct addr *to, enum dial_family family)
{
    struct dial_attempt *at = &d->race.attempts[d->race.attempt_count++];

    *at =
        (struct dial_attempt){.dial = d, .to = *to, .family = family, .started = loop_now(d->loop)};
    d->race.running++;
    timer_start(&at->timer, d->loop, DIAL_ADDRESS_MS, on_silence, at);
    at->conn =
        d->opts.connect ? d->opts.connect(d->opts.connect_ctx, to) : conn_connect(d->loop, to);
    if (!at->conn)
        return; /* a test's: never answers */
    conn_set_handler(at->conn, &attempt_handler, at);
    /* A pair in memory is connected already, and says nothing of it. */
    if (conn_fd(at->conn) < 0 && !conn_is_closing(at->conn))
        timer_start(&at->timer, d->loop, 0, on_fake_connected, at);
}

/* --- who comes next --- */

static struct addr *next_address(struct dial_race *r, enum dial_family *family_r)
{
    for (int i = 0; i < 2; i++) {
        enum dial_family f = i == 0 ? r->turn : 1 - r->turn;
        if (r->families[f].next == r->families[f].count)
            continue;
        r->turn = 1 - f;
        *family_r = f;
        return &r->families[f].list[r->families[f].next++];
    }
    return NULL;
}

static void on_delay(void *ctx)
{
    struct dial *d = ctx;

    d->race.waits_for_v6 = false;
    step(d);
}

/* Does what can be done now. The dial may be gone afterwards. */
static void step(struct dial *d)
{
    struct dial_race *r = &d->race;
    enum dial_family family;
    struct addr *to;

    if (r->is_shown)
        return;
    if (r->winner) {
        if (!r->tlsa_query.resolver)
            show(d);
        return;
    }
    if (timer_is_running(&r->delay))
        return;
    if ((to = next_address(r, &family))) {
        timer_start(&r->delay, d->loop, DIAL_ATTEMPT_MS, on_delay, d);
        attempt_begin(d, to, family);
        return;
    }
    if (r->running == 0 && !r->families[DIAL_V4].query.resolver &&
        !r->families[DIAL_V6].query.resolver)
        dial_target_over(d);
}

/* --- addresses --- */

static bool is_allowed(const struct dial *d, const struct addr *a)
{
    return d->route_host[0] || d->opts.allow_private || guard_is_public(a);
}

static void add_address(struct dial *d, enum dial_family family, const struct addr *a)
{
    struct dial_addresses *f = &d->race.families[family];
    char text[ADDR_TEXT_MAX];

    if (f->count == DIAL_ADDRESSES_MAX)
        return;
    if (is_allowed(d, a)) {
        f->list[f->count++] = *a;
        return;
    }
    d->refused++;
    dial_tell(d, "%s: not gone to, it is no public address", addr_format(a, text));
}

static bool make_address(enum dial_family family, struct span data, uint16_t port,
                         struct addr *addr_r)
{
    struct sockaddr_in *in4 = (struct sockaddr_in *)&addr_r->ss;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&addr_r->ss;

    memset(addr_r, 0, sizeof(*addr_r));
    if (family == DIAL_V4 && data.n == sizeof(in4->sin_addr)) {
        in4->sin_family = AF_INET;
        in4->sin_port = htons(port);
        memcpy(&in4->sin_addr, data.p, data.n);
        addr_r->len = sizeof(*in4);
        return true;
    }
    if (family == DIAL_V6 && data.n == sizeof(in6->sin6_addr)) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        memcpy(&in6->sin6_addr, data.p, data.n);
        addr_r->len = sizeof(*in6);
        return true;
    }
    return false;
}

static void on_addresses(struct dial *d, enum dial_family family, const struct resolve_answer *a)
{
    struct dial_race *r = &d->race;
    const char *kind = family == DIAL_V6 ? "AAAA" : "A";
    struct addr addr;

    if (a->status == RESOLVE_FOUND)
        dial_tell(d, "%s %s: %zu%s", kind, r->target->name, a->count,
                  a->is_secure ? ", validated" : "");
    else
        dial_tell(d, "%s %s: %s", kind, r->target->name, resolve_status_name(a->status));
    if (a->status == RESOLVE_FAILED || a->status == RESOLVE_BOGUS)
        d->failed++;
    for (size_t i = 0; a->status == RESOLVE_FOUND && i < a->count; i++)
        if (make_address(family, a->data[i], r->target->port, &addr))
            add_address(d, family, &addr);
    if (r->is_shown || r->winner)
        return;
    if (family == DIAL_V4 && r->families[DIAL_V6].query.resolver) {
        r->waits_for_v6 = true;
        timer_start(&r->delay, d->loop, DIAL_RESOLUTION_MS, on_delay, d);
        return;
    }
    if (r->waits_for_v6) {
        r->waits_for_v6 = false;
        timer_stop(&r->delay);
    }
    step(d);
}

static void on_aaaa(void *ctx, const struct resolve_answer *a)
{
    on_addresses(ctx, DIAL_V6, a);
}

static void on_a(void *ctx, const struct resolve_answer *a)
{
    on_addresses(ctx, DIAL_V4, a);
}

/* --- TLSA records --- */

static void keep_tlsa(struct dial_race *r, const struct resolve_answer *a)
{
    size_t at = 0;

    for (size_t i = 0; i < a->count && i < DIAL_TLSA_MAX; i++) {
        buf_append(&r->tlsa_data, a->data[i]);
        r->tlsa[r->tlsa_count++].n = a->data[i].n;
    }
    /* Only now does the buffer stay where it is. */
    for (size_t i = 0; i < r->tlsa_count; at += r->tlsa[i++].n)
        r->tlsa[i].p = buf_span(&r->tlsa_data).p + at;
}

static void on_tlsa(void *ctx, const struct resolve_answer *a)
{
    struct dial *d = ctx;
    struct dial_race *r = &d->race;

    dial_tell(d, "TLSA _%u._tcp.%s: %s%s", r->target->port, r->target->name,
              resolve_status_name(a->status), a->is_secure ? ", validated" : "");
    if (a->status == RESOLVE_BOGUS || a->status == RESOLVE_FAILED) {
        /* Going on without would let whoever suppresses the answer choose the certificate. */
        d->failed++;
        dial_target_over(d);
        return;
    }
    if (a->status == RESOLVE_FOUND && a->is_secure)
        keep_tlsa(r, a);
    step(d);
}

static void ask_tlsa(struct dial *d, const struct target *t)
{
    char name[DNS_NAME_MAX + 32];

    if (!d->opts.want_tlsa || !t->is_secure)
        return;
    int n = snprintf(name, sizeof(name), "_%u._tcp.%s", t->port, t->name);
    resolve_ask(d->resolver, &d->race.tlsa_query, RESOLVE_TLSA, span_make(name, (size_t)n), on_tlsa,
                d);
}

/* --- begin, go on, stop --- */

/* A static route may be an address. */
static bool take_literal(struct dial *d, const struct target *t)
{
    char text[DNS_NAME_MAX + 32];
    bool is_v6 = strchr(t->name, ':') != NULL && t->name[0] != '[';
    struct addr a;

    if (!d->route_host[0])
        return false;
    int n = snprintf(text, sizeof(text), is_v6 ? "[%s]:%u" : "%s:%u", t->name, t->port);
    if (addr_parse(span_make(text, (size_t)n), &a) != 0 || addr_is_unix(&a))
        return false;
    add_address(d, a.ss.ss_family == AF_INET6 ? DIAL_V6 : DIAL_V4, &a);
    return true;
}

void dial_race_begin(struct dial *d, const struct target *t)
{
    struct dial_race *r = &d->race;
    struct span name = span_make(t->name, strlen(t->name));

    r->target = t;
    r->turn = DIAL_V6;
    if (!d->route_host[0] && !d->opts.allow_private && !guard_is_port_sane(t->port)) {
        d->refused++;
        dial_tell(d, "%s:%u: not gone to, the port is of another service", t->name, t->port);
        dial_target_over(d);
        return;
    }
    if (take_literal(d, t)) {
        step(d);
        return;
    }
    resolve_ask(d->resolver, &r->families[DIAL_V6].query, RESOLVE_AAAA, name, on_aaaa, d);
    resolve_ask(d->resolver, &r->families[DIAL_V4].query, RESOLVE_A, name, on_a, d);
    ask_tlsa(d, t);
}

void dial_race_go_on(struct dial *d)
{
    struct dial_race *r = &d->race;

    if (r->winner) {
        /* What does not speak to us over one family may over the other, seldom at the next
         * address of the same. */
        struct dial_addresses *same = &r->families[r->winner->family];
        same->next = same->count;
        resolve_cancel(&same->query);
        r->winner = NULL;
        r->is_shown = false;
    }
    if (r->shown_count >= DIAL_SHOWN_MAX)
        dial_target_over(d);
    else
        step(d);
}

void dial_race_stop(struct dial *d)
{
    struct dial_race *r = &d->race;

    for (size_t i = 0; i < r->attempt_count; i++)
        attempt_end(&r->attempts[i]);
    timer_stop(&r->delay);
    resolve_cancel(&r->families[DIAL_V6].query);
    resolve_cancel(&r->families[DIAL_V4].query);
    resolve_cancel(&r->tlsa_query);
    buf_free(&r->tlsa_data);
    *r = (struct dial_race){0};
}
