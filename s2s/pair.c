/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pair - the life of a pair: when there is a stream for it, when it is tried again, and what the
 * senders are told when there will be none.
 *
 * Called by relay.c (what goes out), in.c and out.c (streams), and the outboxes. A pair is in
 * s->pairs until it has had nothing to do for a while; nobody keeps pointers to one that has
 * neither stream nor question of his.
 *
 * No such server: what waits is bounced at once (remote-server-not-found), and so is what comes in
 * the next minute. It is there, but will not be proved to be itself, or does not want us: the same
 * with remote-server-timeout (RFC 6120 8.3.3.17). All else may heal: what waits stays queued, and
 * it is tried again after 15 s, doubling to 300 s, until the time to live ends.
 */
#include "s2s/pair.h"

#include "base/log.h"
#include "base/mem.h"
#include "s2s/in.h"
#include "s2s/out.h"
#include "s2s/policy.h"
#include "tls/crypto.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"

#include <stdio.h>
#include <stdlib.h>

#define BACKOFF_MIN_MS 15000
#define BACKOFF_MAX_MS 300000
#define REFUSED_MS 60000 /* before one that refused is asked again */
#define AGAIN_MS 1000    /* before the next stream, when the last was good */
#define REST_MS 60000    /* an unused pair is kept */
#define SWEEP_MS 1000
#define KEY_MAX (2 * JID_PART_MAX + 1)

static void on_retry(void *ctx);

/* --- finding ---------------------------------------------------------------------------------- */

static struct span make_key(char out[KEY_MAX], struct span local, struct span remote)
{
    if (local.n > JID_PART_MAX || remote.n > JID_PART_MAX)
        return SPAN_NONE;
    memcpy(out, local.p, local.n);
    out[local.n] = ' ';
    memcpy(out + local.n + 1, remote.p, remote.n);
    return span_make(out, local.n + 1 + remote.n);
}

struct pair *pair_find(const struct s2s *s, struct span local, struct span remote)
{
    char text[KEY_MAX];
    struct span key = make_key(text, local, remote);
    return span_is_none(key) ? NULL : map_get(&s->pairs, key);
}

static bool is_unused(const struct pair *p)
{
    return p->state == PAIR_IDLE && !p->out && !p->in && list_is_empty(&p->questions) &&
           outbox_is_empty(p->outbox);
}

static void pair_free(struct pair *p)
{
    map_remove(&p->s2s->pairs, span_make(p->text, p->local.n + 1 + p->remote.n));
    if (p->out)
        out_abandon(p->out);
    timer_stop(&p->retry);
    timer_stop(&p->barrier);
    timer_stop(&p->ask);
    outbox_close(&p->outbox);
    buf_free(&p->story);
    free(p);
}

/* That it refused is all that is known of it: the DNS has its own memory of that. */
static bool is_memory_only(const struct pair *p)
{
    return p->state == PAIR_WAITING && p->is_refused && !p->out && !p->in &&
           list_is_empty(&p->questions) && outbox_is_empty(p->outbox);
}

/* sweep - room for one more, at the cost of those that are kept for nothing but their next use;
 * else whoever names enough domains that do not exist would keep all others out. When all are in
 * use, the next look is later: it costs as much as there are. */
static bool sweep(struct s2s *s, size_t max)
{
    size_t cursor = 0;
    uint64_t now = loop_now(s->loop);
    if (now < s->sweep_at)
        return false;
    for (struct pair *p; (p = map_next(&s->pairs, &cursor));)
        if (is_unused(p) || is_memory_only(p))
            pair_free(p);
    if (s->pairs.count < max)
        return true;
    s->sweep_at = now + SWEEP_MS;
    return false;
}

static struct pair *get(struct s2s *s, struct span local, struct span remote, size_t max)
{
    char text[KEY_MAX];
    struct span key = make_key(text, local, remote);
    if (span_is_none(key))
        return NULL;
    struct pair *p = map_get(&s->pairs, key);
    if (p)
        return p;
    if (s->pairs.count >= max && !sweep(s, max))
        return NULL;
    p = mem_zalloc(sizeof *p + key.n);
    memcpy(p->text, key.p, key.n);
    p->s2s = s;
    p->local = span_make(p->text, local.n);
    p->remote = span_make(p->text + local.n + 1, remote.n);
    p->last_used = loop_now(s->loop);
    list_init(&p->questions);
    map_put(&s->pairs, span_make(p->text, key.n), p);
    p->outbox = outbox_open(s->outboxes, key, p);
    timer_start(&p->retry, s->loop, REST_MS, on_retry, p);
    return p;
}

struct pair *pair_get(struct s2s *s, struct span local, struct span remote)
{
    return get(s, local, remote, (size_t)s->conf->max_pairs);
}

struct pair *pair_get_to_ask(struct s2s *s, struct span local, struct span remote)
{
    return get(s, local, remote, (size_t)s->conf->max_pairs / 2);
}

void pairs_free(struct s2s *s)
{
    size_t cursor = 0;
    for (struct pair *p; (p = map_next(&s->pairs, &cursor));)
        pair_free(p);
    map_free(&s->pairs);
}

/* --- states ----------------------------------------------------------------------------------- */

const char *pair_state_name(enum pair_state state)
{
    static const char *const names[] = {
        [PAIR_IDLE] = "idle",
        [PAIR_CONNECTING] = "connecting",
        [PAIR_READY] = "ready",
        [PAIR_WAITING] = "waiting",
    };
    return names[state];
}

/* wait_ms: until on_retry looks at it again; 0: not at all. */
static void set_state(struct pair *p, enum pair_state state, uint64_t wait_ms)
{
    if (p->state != state)
        LOG(LOG_DEBUG, "pair.state", F_SPAN("local", p->local), F_SPAN("remote", p->remote),
            F_STR("from", pair_state_name(p->state)), F_STR("to", pair_state_name(state)),
            F_INT("ms", wait_ms));
    p->state = state;
    if (wait_ms > 0)
        timer_start(&p->retry, p->s2s->loop, wait_ms, on_retry, p);
    else
        timer_stop(&p->retry);
}

static uint64_t idle_ms(const struct pair *p)
{
    return (uint64_t)p->s2s->conf->idle_time;
}

static void connect_now(struct pair *p)
{
    p->is_refused = false;
    p->last_used = loop_now(p->s2s->loop);
    set_state(p, PAIR_CONNECTING, 0);
    if (!p->out)
        p->out = out_new(p);
}

void pair_reach(struct pair *p)
{
    if (p->out)
        return;
    if (p->state == PAIR_READY)
        p->out = out_new(p); /* its own stream is the other server's, which must not be asked */
    else
        connect_now(p);
}

static bool has_work(const struct pair *p)
{
    return !p->s2s->is_stopping && (!outbox_is_empty(p->outbox) || pair_has_unasked(p));
}

/* No stream serves it now: when is the next? */
static void go_on(struct pair *p)
{
    if (p->is_refused)
        set_state(p, PAIR_WAITING, p->backoff_ms > REFUSED_MS ? p->backoff_ms : REFUSED_MS);
    else if (!has_work(p))
        set_state(p, PAIR_IDLE, REST_MS);
    else if (pair_has_unasked(p))
        set_state(p, PAIR_WAITING, 1);
    else if (p->failures == 0)
        set_state(p, PAIR_WAITING, 1 + crypto_random_below(AGAIN_MS));
    else
        set_state(p, PAIR_WAITING, p->backoff_ms - crypto_random_below(p->backoff_ms / 4));
}

/* Its own stream has not been used for long. What it cannot be is in the middle of something. */
static void check_idle(struct pair *p)
{
    uint64_t unused = loop_now(p->s2s->loop) - p->last_used;
    if (unused < idle_ms(p) || !outbox_is_empty(p->outbox) || !list_is_empty(&p->questions)) {
        set_state(p, PAIR_READY, unused < idle_ms(p) ? idle_ms(p) - unused : idle_ms(p));
        return;
    }
    if (p->out) {
        struct out *o = p->out;
        p->out = NULL;
        out_close(o, STREAM_ERROR_NONE, NULL);
        out_abandon(o);
    }
    if (p->in) {
        set_state(p, PAIR_READY, idle_ms(p));
        return;
    }
    pair_ack_end(p);
    set_state(p, PAIR_IDLE, REST_MS);
}

static void on_retry(void *ctx)
{
    struct pair *p = ctx;
    if (p->state == PAIR_READY)
        check_idle(p);
    else if (p->state == PAIR_WAITING && has_work(p))
        connect_now(p);
    else if (p->state == PAIR_WAITING) {
        p->is_refused = false;
        set_state(p, PAIR_IDLE, REST_MS);
    } else if (is_unused(p))
        pair_free(p);
    else
        set_state(p, p->state, REST_MS);
}

/* --- streams ---------------------------------------------------------------------------------- */

void pair_on_ready(struct pair *p, struct in *in)
{
    if (p->state == PAIR_READY) {
        pair_pump(p); /* one is enough; the other is there for questions */
        return;
    }
    p->in = in;
    p->is_refused = false;
    pair_ack_begin(p);
    set_state(p, PAIR_READY, idle_ms(p));
    /* A stream of its own that is under way stays: if both sides gave up theirs for the other's, at
     * the same time, there would be none. Unused, it ends by itself. */
    pair_pump(p);
}

/* What senders are told of it. */
static enum stanza_error told(enum stanza_error e)
{
    return e == STANZA_REMOTE_SERVER_NOT_FOUND ? e : STANZA_REMOTE_SERVER_TIMEOUT;
}

enum stanza_error pair_loss_of(const struct stream *s)
{
    if (!s->error)
        return s->is_ended ? STANZA_ERROR_NONE : STANZA_REMOTE_SERVER_TIMEOUT;
    if (s->is_peer_error && (s->error == STREAM_HOST_UNKNOWN || s->error == STREAM_HOST_GONE))
        return STANZA_REMOTE_SERVER_NOT_FOUND;
    return s->is_peer_error && stream_error_is_complaint(s->error) ? STANZA_POLICY_VIOLATION
                                                                   : STANZA_REMOTE_SERVER_TIMEOUT;
}

/* The peer has ended the stream with a complaint. True: the stanza that it cannot bear has been
 * found, and goes back to its sender. */
static bool doubt(struct pair *p, const char *reason)
{
    if (!outbox_doubt(p->outbox))
        return false;
    LOG(LOG_WARN, "pair.refused_stanza", F_SPAN("local", p->local), F_SPAN("remote", p->remote),
        F_STR("reason", reason ? reason : ""));
    p->last_error = STANZA_NOT_ACCEPTABLE;
    snprintf(p->why, sizeof p->why, "its server ends the stream: %s", reason ? reason : "");
    outbox_refuse_first(p->outbox);
    p->last_error = STANZA_REMOTE_SERVER_TIMEOUT; /* what the others would be told */
    return true;
}

static void note_failure(struct pair *p, enum stanza_error e, const char *reason)
{
    bool is_final = e == STANZA_REMOTE_SERVER_NOT_FOUND || e == STANZA_NOT_AUTHORIZED;

    p->failures++;
    p->backoff_ms = BACKOFF_MIN_MS;
    for (unsigned i = 1; i < p->failures && p->backoff_ms < BACKOFF_MAX_MS; i++)
        p->backoff_ms *= 2;
    if (p->backoff_ms > BACKOFF_MAX_MS)
        p->backoff_ms = BACKOFF_MAX_MS;
    p->last_error = told(e);
    snprintf(p->why, sizeof p->why, "%s", reason ? reason : "");
    LOG(LOG_WARN, "pair.failed", F_SPAN("local", p->local), F_SPAN("remote", p->remote),
        F_STR("cond", stanza_error_name(p->last_error)), F_STR("reason", p->why),
        F_INT("failures", p->failures), F_INT("bounced", is_final));
    if (!is_final)
        return;
    p->is_refused = true;
    outbox_give_up(p->outbox);
}

void pair_on_lost(struct pair *p, struct in *in, enum stanza_error e, const char *reason)
{
    if (in && p->in != in)
        return;
    bool was_serving = p->state == PAIR_READY && p->in == in;
    if (in) {
        p->in = NULL;
    } else {
        p->out = NULL;
        if (e != STANZA_ERROR_NONE)
            p->last_error = told(e); /* those who have asked want to know */
        pair_ask_lost(p, e);
    }
    if (p->state == PAIR_READY && !was_serving)
        return; /* it was there for questions only */
    bool was_good = was_serving && (p->is_proved || outbox_unacked(p->outbox) == 0);
    if (was_serving) {
        if (e == STANZA_POLICY_VIOLATION && doubt(p, reason))
            was_good = true; /* with the next one all may be well */
        pair_ack_end(p);
        outbox_rewind(p->outbox);
    }
    /* One that takes stanzas and ends, again and again, is a failure, too. */
    if (p->s2s->is_stopping)
        p->failures = 0;
    else if (was_serving && !was_good && e == STANZA_ERROR_NONE)
        note_failure(p, STANZA_REMOTE_SERVER_TIMEOUT, "it ended the stream without an answer");
    else if (e != STANZA_ERROR_NONE && (!was_good || e == STANZA_REMOTE_SERVER_NOT_FOUND))
        note_failure(p, e, reason);
    if (p->out)
        set_state(p, PAIR_CONNECTING, 0); /* its own, made for a question, serves it now */
    else
        go_on(p);
    if (p->out && out_begin(p->out))
        pair_on_ready(p, NULL);
}

void pair_close(struct pair *p)
{
    if (p->s2s->is_stopping && pair_ack_last(p))
        return;
    p->failures = 0;
    p->is_proved = true; /* that it ends is no failure of it */
    if (p->out)
        out_close(p->out, p->s2s->is_stopping ? STREAM_SYSTEM_SHUTDOWN : STREAM_ERROR_NONE, NULL);
}

void pair_connect(struct pair *p)
{
    if (p->state == PAIR_IDLE || p->state == PAIR_WAITING)
        connect_now(p);
}

static void enforce(struct pair *p)
{
    bool is_denied = policy_of(p->s2s, p->remote).is_denied;
    if (p->out && !out_is_allowed(p->out))
        out_close(p->out, is_denied ? STREAM_POLICY_VIOLATION : STREAM_RESET,
                  "the configuration has changed");
    else if (is_denied && p->state == PAIR_WAITING && !p->is_refused)
        connect_now(p); /* which fails at once, for good */
    else if (!is_denied && p->state == PAIR_WAITING && p->is_refused) {
        p->is_refused = false; /* under the new rules it may be otherwise */
        set_state(p, PAIR_IDLE, REST_MS);
    }
}

void pairs_enforce(struct s2s *s)
{
    size_t cursor = 0;
    for (struct pair *p; (p = map_next(&s->pairs, &cursor));)
        enforce(p);
}

/* --- stanzas ---------------------------------------------------------------------------------- */

static void bounce(struct pair *p, struct span stanza)
{
    enum stanza_error e = p->last_error ? p->last_error : STANZA_REMOTE_SERVER_TIMEOUT;
    relay_bounce(p->s2s, stanza, e, *p->why ? p->why : NULL);
}

void pair_send(struct pair *p, const struct stanza *stanza)
{
    const struct stanza_write_opts opts = {.ns = SPAN(NS_SERVER), .from_ns = SPAN(NS_COMPONENT)};
    struct s2s *s = p->s2s;

    buf_clear(&s->scratch);
    stanza_write(&s->scratch, stanza, &opts);
    struct span text = buf_span(&s->scratch);
    if (p->is_refused) {
        bounce(p, text);
        return;
    }
    if (!outbox_put(p->outbox, text)) {
        relay_bounce(s, text, STANZA_RESOURCE_CONSTRAINT, "too much is waiting for that server");
        return;
    }
    if (p->state == PAIR_READY)
        pair_pump(p);
    else if (p->state == PAIR_IDLE && !s->is_stopping)
        connect_now(p);
}

void pair_on_drain(struct pair *p)
{
    pair_pump(p);
}

/* The first after a start, for all that was in the store: not all in the same moment. */
static void on_outbox_ready(void *ctx, struct outbox *o)
{
    struct s2s *s = ctx;
    struct pair *p = outbox_owner(o);
    struct span key = outbox_key(o);
    size_t space = span_index(key, ' ');
    if (!p && space < key.n)
        p = pair_get(s, span_make(key.p, space), span_from(key, space + 1));
    if (!p)
        return;
    if (p->state == PAIR_READY)
        pair_pump(p);
    else if (p->state == PAIR_IDLE && !s->is_stopping)
        set_state(p, PAIR_WAITING, 1 + crypto_random_below(AGAIN_MS));
}

static void on_outbox_expired(void *ctx, struct outbox *o, struct span stanza)
{
    struct pair *p = outbox_owner(o);
    if (p)
        bounce(p, stanza);
    else
        relay_bounce(ctx, stanza, STANZA_REMOTE_SERVER_TIMEOUT, NULL);
}

const struct outbox_events pair_outbox_events = {
    .on_ready = on_outbox_ready,
    .on_expired = on_outbox_expired,
};
