/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ask - questions to other members of the network, and their answers; and which members can be
 * asked.
 *
 * A question goes out in the name HOST/INSTANCE, so that the router gives the answer to the
 * instance that has asked. Its id cannot be guessed, and the answer counts only from whom was
 * asked.
 *
 * A member that has left a question unanswered counts as silent for a moment, so that not everyone
 * who wants to know something waits for it (sm_member_is_silent).
 *
 * Owned by sm->net; a question belongs to this file until it is answered or dropped.
 */
#include "c2s/sm/network/network.h"

#include "tls/crypto.h"
#include "xmpp/iq.h"

#include <stdlib.h>

#define MAX_QUESTIONS 10000
#define MAX_NAMES 10000 /* routes that are no members' (yet): components of others, gateways */
#define SILENT_MS 10000

struct sm_question {
    struct sm *sm;
    struct timer deadline;
    void (*answer)(void *ctx, enum stanza_error e, const struct stanza *result, uint32_t payload);
    void *ctx;
    char id[17];
    size_t n;
    char to[];
};

/* A public route of the router that is not below our host. */
struct member {
    uint64_t silent_until; /* loop time */
    size_t n;
    char name[];
};

struct sm_questions {
    struct map by_id;
    struct map members;
};

static struct sm_questions *questions_of(struct sm *sm)
{
    if (!sm->net->questions)
        sm->net->questions = mem_zalloc(sizeof(*sm->net->questions));
    return sm->net->questions;
}

/* --- who can be asked --- */

static struct member *member_find(const struct sm *sm, struct span host)
{
    return sm_has_network(sm) && sm->net->questions ? map_get(&sm->net->questions->members, host)
                                                    : NULL;
}

bool sm_member_is_reachable(const struct sm *sm, struct span host)
{
    return sm_is_linked(sm) && member_find(sm, host);
}

bool sm_member_is_silent(const struct sm *sm, struct span host)
{
    const struct member *m = member_find(sm, host);

    return m && loop_now(sm->loop) < m->silent_until;
}

static void on_key(void *ctx, const struct server_key *key)
{
    (void)ctx, (void)key;
}

/* Before it is needed: directories tell of a server's users when it is down, too, and nobody
 * believes them without its signature. */
static void want_key(struct sm *sm, struct span host)
{
    if (sm->opts.net.keys_ahead && servers_has_other(sm->net->servers, host))
        sm_server_key_get(sm, host, on_key, NULL);
}

/* A host may be known to the router before it is in the table here: so the others are kept, too. */
void sm_member_on_route(struct sm *sm, struct span name, bool is_up)
{
    struct sm_questions *all;
    struct member *m;

    if (!sm_has_network(sm))
        return;
    all = questions_of(sm);
    if (!is_up) {
        free(map_remove(&all->members, name));
        return;
    }
    if (map_get(&all->members, name) ||
        (all->members.count >= MAX_NAMES && !servers_has_other(sm->net->servers, name)))
        return;
    m = mem_zalloc(sizeof(*m) + name.n);
    m->n = name.n;
    memcpy(m->name, name.p, name.n);
    map_put(&all->members, span_make(m->name, m->n), m);
    if (servers_has_other(sm->net->servers, name)) {
        sm_publish_look(sm);
        want_key(sm, name);
    }
}

static void members_free(struct sm_questions *all)
{
    struct member *m;
    size_t cursor = 0;

    while ((m = map_next(&all->members, &cursor)) != NULL)
        free(m);
    map_free(&all->members);
}

void sm_members_gone(struct sm *sm)
{
    if (sm_has_network(sm) && sm->net->questions)
        members_free(sm->net->questions);
}

/* --- asking --- */

static struct span to_of(const struct sm_question *q)
{
    return span_make(q->to, q->n);
}

static struct span host_of(const struct sm_question *q)
{
    const size_t at = span_index(to_of(q), '@');

    return at < q->n ? span_from(to_of(q), at + 1) : to_of(q);
}

/* Out of the table: nobody else finds it any more. */
static void take(struct sm_question *q)
{
    timer_stop(&q->deadline);
    map_remove(&q->sm->net->questions->by_id, span_of(q->id));
}

static void on_deadline(void *ctx)
{
    struct sm_question *q = ctx;
    struct member *m = member_find(q->sm, host_of(q));

    if (m)
        m->silent_until = loop_now(q->sm->loop) + SILENT_MS;
    LOG(LOG_DEBUG, "network.no_answer", F_SPAN("peer", to_of(q)));
    take(q);
    q->answer(q->ctx, STANZA_REMOTE_SERVER_TIMEOUT, NULL, 0);
    free(q);
}

static bool question_write(const struct sm_question *q, bool is_set, struct span payload)
{
    struct sm *sm = q->sm;
    struct sm_out out;
    struct buf *buf = sm_out_begin(sm, NULL, &out);
    const bool is_written = out.is_link;

    xml_raw(buf, is_set ? SPAN("<iq type='set'") : SPAN("<iq type='get'"));
    xml_attr(buf, "id", span_of(q->id));
    xml_raw(buf, SPAN(" from='"));
    xml_value(buf, sm->opts.host);
    xml_raw(buf, SPAN("/"));
    xml_value(buf, sm->opts.instance);
    xml_raw(buf, SPAN("'"));
    xml_attr(buf, "to", to_of(q));
    xml_raw(buf, SPAN(">"));
    xml_raw(buf, payload);
    xml_raw(buf, SPAN("</iq>"));
    sm_out_end(&out);
    return is_written;
}

size_t sm_question_room(const struct sm *sm)
{
    const size_t asked = sm->net->questions ? sm->net->questions->by_id.count : 0;

    return sm_is_linked(sm) && asked < MAX_QUESTIONS ? MAX_QUESTIONS - asked : 0;
}

struct sm_question *sm_question_ask(struct sm *sm, struct span to, bool is_set, struct span payload,
                                    uint64_t deadline,
                                    void (*answer)(void *ctx, enum stanza_error e,
                                                   const struct stanza *result, uint32_t payload),
                                    void *ctx)
{
    struct sm_question *q;

    if (!sm_has_network(sm) || sm_question_room(sm) == 0)
        return NULL;
    q = mem_zalloc(sizeof(*q) + to.n);
    q->sm = sm;
    q->answer = answer;
    q->ctx = ctx;
    q->n = to.n;
    memcpy(q->to, to.p, to.n);
    crypto_random_hex(q->id, 8);
    if (!question_write(q, is_set, payload)) {
        free(q);
        return NULL;
    }
    map_put(&questions_of(sm)->by_id, span_of(q->id), q);
    timer_start(&q->deadline, sm->loop, deadline, on_deadline, q);
    return q;
}

void sm_question_drop(struct sm_question **q)
{
    if (!*q)
        return;
    take(*q);
    free(*q);
    *q = NULL;
}

/* --- answers --- */

static enum stanza_error error_of(const struct stanza *s)
{
    uint32_t error = stanza_child(s, 0, SPAN_NONE, SPAN("error"));
    uint32_t condition = error ? stanza_child(s, error, SPAN(NS_STANZA_ERRORS), SPAN_NONE) : 0;
    enum stanza_error e =
        condition ? stanza_error_parse(s->nodes[condition].name) : STANZA_ERROR_NONE;

    return e ? e : STANZA_UNDEFINED_CONDITION;
}

static bool is_from_asked(const struct sm_question *q, struct span from)
{
    struct jid_scratch scratch;
    struct jid jid;

    return jid_parse(from, &jid, &scratch) && span_eq(jid.full, to_of(q));
}

bool sm_question_answer(struct sm_in *in)
{
    struct sm *sm = in->sm;
    const struct stanza *s = in->stanza;
    struct sm_question *q;
    struct member *m;

    if (!in->is_from_link || !sm_has_network(sm) || !sm->net->questions ||
        !span_is_none(in->to.local))
        return false;
    q = map_get(&sm->net->questions->by_id, s->id);
    if (!q || !is_from_asked(q, s->from))
        return false;
    m = member_find(sm, host_of(q));
    if (m)
        m->silent_until = 0;
    take(q);
    want_key(sm, host_of(q)); /* it is there, and may not have been before */
    if (span_eq(s->type, SPAN("result")))
        q->answer(q->ctx, STANZA_ERROR_NONE, s, stanza_child(s, 0, SPAN_NONE, SPAN_NONE));
    else
        q->answer(q->ctx, error_of(s), s, 0);
    free(q);
    return true;
}

void sm_questions_close(struct sm *sm)
{
    struct sm_questions *all = sm->net->questions;
    struct sm_question *q;
    size_t cursor = 0;

    if (!all)
        return;
    while ((q = map_next(&all->by_id, &cursor)) != NULL) {
        timer_stop(&q->deadline);
        free(q);
    }
    map_free(&all->by_id);
    members_free(all);
    free(all);
    sm->net->questions = NULL;
}
