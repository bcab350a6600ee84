/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * in_dialback - server dialback on incoming streams (XEP-0220), both of its parts there.
 *
 * <db:result/>: the peer shows a key and says that it is a domain. That domain's server is asked,
 * on a stream of ours (pair_ask), whether the key is its own; each pair of domains for itself. A
 * certificate that proves the domain saves the question (XEP-0344).
 * <db:verify/>: another server has been shown a key in our name, and asks us; nobody need be
 * authenticated for that.
 * Answers to questions that we did not ask here are passed over (CVE-2012-3525).
 */
#include "base/log.h"
#include "s2s/dialback.h"
#include "s2s/in_private.h"
#include "s2s/policy.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"

#include <stdlib.h>

/* A pin is a certificate that must be there, too. */
bool in_needs_certificate(const struct s2s_policy *policy)
{
    return policy->requires_cert || !span_is_empty(policy->pin);
}

bool in_offers_dialback(const struct in *in)
{
    if (!span_is_none(in->remote)) {
        struct s2s_policy policy = policy_of(in->s2s, in->remote);
        return !in_needs_certificate(&policy);
    }
    return in->s2s->conf->auth == S2S_AUTH_DIALBACK;
}

/* --- the pairs of a stream -------------------------------------------------------------------- */

static struct in_pair *find_pair(const struct in *in, struct span local, struct span remote)
{
    LIST_FOR_EACH(node, &in->pairs)
    {
        struct in_pair *p = CONTAINER_OF(node, struct in_pair, node);
        if (span_eq(p->remote, remote) && span_eq(p->local, local))
            return p;
    }
    return NULL;
}

static struct in_pair *add_pair(struct in *in, struct span local, struct span remote)
{
    struct in_pair *p = mem_zalloc(sizeof *p + local.n + remote.n);
    memcpy(p->text, local.p, local.n);
    memcpy(p->text + local.n, remote.p, remote.n);
    p->local = span_make(p->text, local.n);
    p->remote = span_make(p->text + local.n, remote.n);
    p->in = in;
    list_append(&in->pairs, &p->node);
    in->pair_count++;
    return p;
}

static void drop_pair(struct in_pair *p)
{
    if (!p->is_proved)
        pair_unask(&p->question);
    list_remove(&p->node);
    p->in->pair_count--;
    free(p);
}

void in_free_pairs(struct in *in)
{
    LIST_FOR_EACH(node, &in->pairs)
    drop_pair(CONTAINER_OF(node, struct in_pair, node));
}

bool in_is_proved(void *ctx, struct span local, struct span remote)
{
    const struct in *in = ctx;
    if (in->is_external && span_eq(remote, in->remote))
        return true;
    const struct in_pair *p = find_pair(in, local, remote);
    return p && p->is_proved;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void answer_valid(struct in_pair *p)
{
    struct in *in = p->in;
    struct stream *s = &in->stream;
    p->is_proved = true;
    dialback_write_result(stream_out(s), p->local, p->remote, SPAN("valid"), SPAN_NONE);
    stream_flush(s);
    in_open(in, p->local, p->remote);
}

static void answer_error(struct in *in, struct span local, struct span remote, enum stanza_error e)
{
    struct stream *s = &in->stream;
    LOG(LOG_INFO, "in.dialback_refused", F_STR("sid", s->id), F_SPAN("local", local),
        F_SPAN("remote", remote), F_STR("cond", stanza_error_name(e)));
    in->refusals++;
    dialback_write_error(stream_out(s), "result", local, remote, SPAN_NONE, e);
    stream_flush(s);
}

/* XEP-0220 2.2.1: where nothing else is proved, a lie ends the stream. */
static void answer_invalid(struct in_pair *p)
{
    struct in *in = p->in;
    struct stream *s = &in->stream;
    char peer[ADDR_TEXT_MAX];
    LOG(LOG_WARN, "in.dialback_invalid", F_STR("sid", s->id), F_SPAN("local", p->local),
        F_SPAN("remote", p->remote), F_STR("peer", addr_format(conn_peer(s->conn), peer)));
    if (s->state == IN_OPEN || in->pair_count > 1) {
        answer_error(in, p->local, p->remote, STANZA_FORBIDDEN);
        return;
    }
    dialback_write_result(stream_out(s), p->local, p->remote, SPAN("invalid"), SPAN_NONE);
    stream_flush(s);
    stream_error(s, STREAM_NOT_AUTHORIZED, "the key is not of that domain");
}

static enum stanza_error reason_of(const struct in_pair *p)
{
    const struct pair *reverse = pair_find(p->in->s2s, p->local, p->remote);
    return reverse && reverse->last_error ? reverse->last_error : STANZA_REMOTE_SERVER_TIMEOUT;
}

static void on_answer(void *ctx, enum pair_answer answer)
{
    struct in_pair *p = ctx;
    struct in *in = p->in;
    if (!stream_is_open(&in->stream))
        return;
    if (answer == PAIR_VALID) {
        answer_valid(p);
        return;
    }
    if (answer == PAIR_INVALID)
        answer_invalid(p);
    else
        answer_error(in, p->local, p->remote, reason_of(p));
    drop_pair(p);
}

/* --- <db:result/> ----------------------------------------------------------------------------- */

struct names {
    struct span local, remote;
    char local_text[JID_PART_MAX + 1], remote_text[JID_PART_MAX + 1];
};

static bool read_names(const struct stanza *stanza, struct names *n)
{
    return !span_is_empty(stanza->from) && !span_is_empty(stanza->to) &&
           jid_prep_domain(stanza->from, n->remote_text, &n->remote) &&
           jid_prep_domain(stanza->to, n->local_text, &n->local);
}

/* The pair of the peer's own server is asked: its domain's, not the stream's. */
static void ask(struct in_pair *p, struct span key)
{
    struct in *in = p->in;
    struct pair_question *q = &p->question;
    struct pair *reverse = pair_get_to_ask(in->s2s, p->local, p->remote);
    if (!reverse) {
        answer_error(in, p->local, p->remote, STANZA_RESOURCE_CONSTRAINT);
        drop_pair(p);
        return;
    }
    memcpy(q->id, in->stream.id, strlen(in->stream.id) + 1);
    memcpy(q->key, key.p, key.n);
    q->key[key.n] = '\0';
    q->done = on_answer;
    q->ctx = p;
    pair_ask(reverse, q);
}

/* What forbids the claim before anybody is asked. */
static enum stream_error check_claim(const struct in *in, const struct names *n, struct span key)
{
    if (span_is_empty(key) || key.n >= sizeof((struct pair_question *)0)->key)
        return STREAM_BAD_FORMAT;
    if (in_is_our_name(in->s2s, n->remote))
        return STREAM_NOT_AUTHORIZED;
    if (in_requires_tls(in, n->remote))
        return STREAM_POLICY_VIOLATION;
    return STREAM_ERROR_NONE;
}

static void claim(struct in *in, const struct names *n, struct span key)
{
    struct s2s_policy policy = policy_of(in->s2s, n->remote);
    struct in_pair *p = find_pair(in, n->local, n->remote);
    if (p && p->is_proved) {
        answer_valid(p);
    } else if (p) {
        LOG(LOG_DEBUG, "in.dialback_again", F_STR("sid", in->stream.id),
            F_SPAN("remote", n->remote));
    } else if (in->pair_count + in->refusals >= (size_t)in->s2s->conf->pairs_per_stream) {
        stream_error(&in->stream, STREAM_POLICY_VIOLATION, "too many domains on one stream");
    } else if (!in_serves(in->s2s, n->local)) {
        answer_error(in, n->local, n->remote, STANZA_ITEM_NOT_FOUND);
    } else if (policy.is_denied) {
        answer_error(in, n->local, n->remote, STANZA_POLICY_VIOLATION);
    } else if (in_certificate(in, n->remote) == TLS_PEER_OK) {
        answer_valid(add_pair(in, n->local, n->remote));
    } else if (in_needs_certificate(&policy)) {
        answer_error(in, n->local, n->remote, STANZA_POLICY_VIOLATION);
    } else {
        ask(add_pair(in, n->local, n->remote), key);
    }
}

static void pass_over(struct stream *s, const struct stanza *stanza)
{
    char peer[ADDR_TEXT_MAX];
    LOG(LOG_WARN, "in.dialback_unsolicited", F_STR("sid", s->id), F_SPAN("from", stanza->from),
        F_SPAN("to", stanza->to), F_SPAN("type", stanza->type),
        F_STR("peer", addr_format(conn_peer(s->conn), peer)));
}

void in_on_result(struct stream *s, struct stanza *stanza)
{
    struct in *in = in_of(s);
    struct names n;
    if (!in_has_room(in))
        return;
    if (!span_is_none(stanza->type)) {
        pass_over(s, stanza);
        return;
    }
    if (!read_names(stanza, &n)) {
        stream_error(s, STREAM_IMPROPER_ADDRESSING, NULL);
        return;
    }
    struct span key = stanza_text(stanza, 0);
    enum stream_error e = check_claim(in, &n, key);
    if (e)
        stream_error(s, e, e == STREAM_POLICY_VIOLATION ? "TLS is required" : NULL);
    else
        claim(in, &n, key);
}

/* --- <db:verify/> ----------------------------------------------------------------------------- */

void in_on_verify(struct stream *s, struct stanza *stanza)
{
    struct in *in = in_of(s);
    struct names n;
    if (!in_has_room(in))
        return;
    if (!span_is_none(stanza->type)) {
        pass_over(s, stanza);
        return;
    }
    if (!read_names(stanza, &n) || span_is_empty(stanza->id)) {
        stream_error(s, STREAM_IMPROPER_ADDRESSING, NULL);
        return;
    }
    if (in_requires_tls(in, n.remote)) {
        stream_error(s, STREAM_POLICY_VIOLATION, "TLS is required");
        return;
    }
    struct buf *out = stream_out(s);
    if (!in_serves(in->s2s, n.local)) {
        dialback_write_error(out, "verify", n.local, n.remote, stanza->id, STANZA_ITEM_NOT_FOUND);
    } else {
        bool is_own =
            dialback_is_key(in->s2s, n.remote, n.local, stanza->id, stanza_text(stanza, 0));
        LOG(LOG_DEBUG, "in.dialback_asked", F_STR("sid", s->id), F_SPAN("local", n.local),
            F_SPAN("remote", n.remote), F_INT("valid", is_own));
        dialback_write_verify(out, n.local, n.remote, stanza->id,
                              is_own ? SPAN("valid") : SPAN("invalid"), SPAN_NONE);
    }
    stream_flush(s);
}
