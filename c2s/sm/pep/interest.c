/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * interest - which resources want to hear of which nodes of whom: the capabilities that come with
 * presence (XEP-0115), asked for once for each hash, and verified.
 *
 * A peer is made by available presence with capabilities and goes with unavailable presence; of too
 * many elsewhere, the one that came first goes. A peer whose capabilities are not known yet waits
 * in their list; the first of them is asked, and when it does not answer, or its answer does not
 * make the hash, the next one is.
 */
#include "c2s/sm/pep/pep.h"

#include <stdio.h>
#include <stdlib.h>

struct pep_question {
    struct list_node node; /* of pep->asked */
    struct caps *caps;     /* a reference */
    uint64_t at;
    char id[32];
    size_t user_n, full_n;
    char text[]; /* name of the user, full JID of who was asked */
};

void sm_interest_init(struct pep *pep)
{
    list_init(&pep->peers);
    list_init(&pep->asked);
    caps_cache_init(&pep->caps);
}

/* --- peers --- */

static struct pep_user *user_find(const struct pep *pep, struct span name)
{
    return map_get(&pep->users, name);
}

static struct pep_user *user_get(struct pep *pep, struct span name)
{
    struct pep_user *user = user_find(pep, name);

    if (user)
        return user;
    user = mem_zalloc(sizeof(*user) + name.n);
    user->name_n = name.n;
    memcpy(user->name, name.p, name.n);
    map_put(&pep->users, span_make(user->name, name.n), user);
    return user;
}

/* Takes the reference; NULL: none. One who leaves may be the one who was asked: ask the next. */
static void promise(struct pep *pep, struct pep_peer *peer, struct caps *caps)
{
    if (!list_is_empty(&peer->waiting))
        peer->promised->is_asked = false;
    list_remove(&peer->waiting);
    if (peer->promised)
        caps_put(&pep->caps, peer->promised);
    if (peer->own)
        caps_put(&pep->caps, peer->own);
    peer->promised = caps;
    peer->own = NULL;
}

static const struct caps *caps_of_peer(const struct pep_peer *peer)
{
    return peer->own ? peer->own : peer->promised;
}

bool sm_interest_wants(const struct pep_peer *peer, struct span node)
{
    return caps_wants(caps_of_peer(peer), node);
}

static void user_free(struct pep *pep, struct pep_user *user);

/* The user goes with his last peer, unless he is kept. */
static void peer_free(struct pep *pep, struct pep_peer *peer, const struct pep_user *kept)
{
    struct pep_user *user = peer->user;

    map_remove(&user->peers, peer->full);
    list_remove(&peer->age);
    if (!peer->is_own)
        pep->peer_count--;
    promise(pep, peer, NULL);
    free(peer);
    if (user != kept && user->peers.count == 0)
        user_free(pep, user);
}

/* Our clients are as many as they may be; contacts elsewhere could be any number. */
static struct pep_peer *peer_new(struct pep *pep, struct pep_user *user, const struct interest *i)
{
    const struct span full = i->who, bare = i->user_bare;
    struct pep_peer *peer = mem_zalloc(sizeof(*peer) + bare.n + full.n);

    memcpy(peer->text, full.p, full.n);
    memcpy(peer->text + full.n, bare.p, bare.n);
    peer->full = span_make(peer->text, full.n);
    peer->user_bare = span_make(peer->text + full.n, bare.n);
    peer->user = user;
    peer->is_own = i->is_own;
    list_init(&peer->waiting);
    list_init(&peer->age);
    map_put(&user->peers, peer->full, peer);
    if (peer->is_own)
        return peer;
    list_append(&pep->peers, &peer->age);
    if (++pep->peer_count > PEP_MAX_INTERESTED)
        peer_free(pep, CONTAINER_OF(pep->peers.next, struct pep_peer, age), user);
    return peer;
}

static void user_free(struct pep *pep, struct pep_user *user)
{
    struct pep_peer *peer;
    size_t cursor = 0;

    while ((peer = map_next(&user->peers, &cursor)) != NULL)
        peer_free(pep, peer, user);
    map_remove(&pep->users, span_make(user->name, user->name_n));
    map_free(&user->peers);
    free(user);
}

void sm_interest_drop_user(struct sm *sm, struct span name)
{
    struct pep_user *user = user_find(sm->pep, name);

    if (user)
        user_free(sm->pep, user);
}

void sm_interest_drop(struct sm *sm, struct span name, struct span who)
{
    struct pep_user *user = user_find(sm->pep, name);
    struct pep_peer *peer;
    size_t cursor = 0;

    if (!user)
        return;
    if (span_index(who, '/') < who.n) {
        peer = map_get(&user->peers, who);
        if (peer)
            peer_free(sm->pep, peer, NULL);
        return;
    }
    while ((peer = map_next(&user->peers, &cursor)) != NULL) {
        if (span_eq(jid_bare_of(peer->full), who))
            peer_free(sm->pep, peer, user);
    }
    if (user->peers.count == 0)
        sm_interest_drop_user(sm, name);
}

const struct pep_peer *sm_interest_next(const struct sm *sm, struct span name, size_t *cursor)
{
    const struct pep_user *user = user_find(sm->pep, name);

    return user ? map_next(&user->peers, cursor) : NULL;
}

/* --- questions --- */

static void question_free(struct pep *pep, struct pep_question *q)
{
    map_remove(&pep->questions, span_of(q->id));
    list_remove(&q->node);
    caps_put(&pep->caps, q->caps);
    free(q);
}

static struct pep_question *question_new(struct sm *sm, const struct pep_peer *peer)
{
    struct pep *pep = sm->pep;
    struct span name = span_make(peer->user->name, peer->user->name_n);
    struct pep_question *q;

    if (pep->questions.count >= PEP_MAX_QUESTIONS)
        question_free(pep, CONTAINER_OF(pep->asked.next, struct pep_question, node));
    q = mem_zalloc(sizeof(*q) + name.n + peer->full.n);
    snprintf(q->id, sizeof(q->id), "caps-%llu", (unsigned long long)++sm->serial);
    q->user_n = name.n;
    q->full_n = peer->full.n;
    memcpy(q->text, name.p, name.n);
    memcpy(q->text + name.n, peer->full.p, peer->full.n);
    q->at = loop_now(sm->loop);
    q->caps = caps_get(&pep->caps, caps_algorithm(peer->promised), caps_ver(peer->promised));
    map_put(&pep->questions, span_of(q->id), q);
    list_append(&pep->asked, &q->node);
    return q;
}

/* As from the user, to whom the peer has shown its presence. */
static void ask_peer(struct sm *sm, struct pep_peer *peer)
{
    const struct pep_question *q = question_new(sm, peer);
    struct stanza *s = &sm->pep->question;

    peer->promised->is_asked = true;
    peer->promised->asked_at = q->at;
    stanza_reset(s);
    stanza_add(s, 0, SPAN(NS_CLIENT), SPAN("iq"));
    stanza_set_attr(s, 0, SPAN("type"), SPAN("get"));
    stanza_set_attr(s, 0, SPAN("id"), span_of(q->id));
    stanza_add(s, 0, SPAN(NS_DISCO_INFO), SPAN("query"));
    s->from = peer->user_bare;
    sm_send_notice(sm, s, peer->full);
}

static void ask_next(struct sm *sm, struct caps *caps)
{
    if (!list_is_empty(&caps->waiting))
        ask_peer(sm, CONTAINER_OF(caps->waiting.next, struct pep_peer, waiting));
}

static void on_known(struct sm *sm, struct pep_peer *peer)
{
    list_remove(&peer->waiting);
    if (!peer->is_quiet && buf_len(&caps_of_peer(peer)->nodes) > 0)
        sm_pep_send_last(sm, peer);
}

/* --- answers --- */

static struct pep_peer *asked_peer(const struct pep *pep, const struct pep_question *q)
{
    const struct pep_user *user = user_find(pep, span_make(q->text, q->user_n));
    struct pep_peer *peer =
        user ? map_get(&user->peers, span_make(q->text + q->user_n, q->full_n)) : NULL;

    return peer && peer->promised == q->caps && !peer->own ? peer : NULL;
}

/* What it has said is true of itself at most. */
static void believe_alone(struct sm *sm, struct pep_peer *peer, const struct stanza *s,
                          uint32_t query)
{
    peer->own = caps_private();
    if (query)
        caps_read_nodes(s, query, &peer->own->nodes);
    on_known(sm, peer);
}

static void take_answer(struct sm *sm, struct pep_question *q, struct stanza *s)
{
    struct caps *caps = q->caps;
    struct pep_peer *peer = asked_peer(sm->pep, q);
    uint32_t query = span_eq(s->type, SPAN("result"))
                         ? stanza_child(s, 0, SPAN(NS_DISCO_INFO), SPAN("query")) : 0;

    if (caps->is_known)
        return;
    if (query && caps_is_true(s, query, caps_algorithm(caps), caps_ver(caps))) {
        caps_read_nodes(s, query, &caps->nodes);
        caps->is_known = true;
        while (!list_is_empty(&caps->waiting))
            on_known(sm, CONTAINER_OF(caps->waiting.next, struct pep_peer, waiting));
        return;
    }
    LOG(LOG_DEBUG, "sm.caps_wrong", F_SPAN("from", s->from));
    caps->is_asked = false;
    if (peer)
        believe_alone(sm, peer, s, query);
    ask_next(sm, caps);
}

void sm_interest_answer(struct sm_in *in)
{
    struct sm *sm = in->sm;
    struct pep_question *q = map_get(&sm->pep->questions, in->stanza->id);
    struct jid_scratch scratch;
    struct jid from;

    if (!q || !jid_parse(in->stanza->from, &from, &scratch) ||
        !span_eq(from.full, span_make(q->text + q->user_n, q->full_n)) ||
        !span_eq(in->to.local, span_make(q->text, q->user_n)))
        return;
    take_answer(sm, q, in->stanza);
    question_free(sm->pep, q);
}

/* --- presence --- */

/* The set that the presence promises; NULL: none that could be asked for. */
static struct caps *caps_of(struct pep *pep, const struct stanza *s)
{
    uint32_t c = stanza_child(s, 0, SPAN(NS_CAPS), SPAN("c"));
    struct span hash = c ? stanza_attr(s, c, SPAN("hash")) : SPAN_NONE;
    struct span ver = c ? stanza_attr(s, c, SPAN("ver")) : SPAN_NONE;

    if (span_is_empty(hash) || span_is_empty(ver) || hash.n > CAPS_MAX_VER ||
        ver.n > CAPS_MAX_VER || span_index(hash, '\n') < hash.n)
        return NULL;
    return caps_get(&pep->caps, hash, ver);
}

static bool is_old(const struct sm *sm, const struct pep_peer *peer)
{
    return peer->is_absent && loop_now(sm->loop) - peer->since > PEP_ABSENT_MS;
}

static struct pep_peer *peer_get(struct sm *sm, const struct interest *i)
{
    struct pep_user *user = user_get(sm->pep, i->user);
    struct pep_peer *peer = map_get(&user->peers, i->who);

    if (!peer && (i->is_own || user->peers.count < PEP_MAX_INTERESTED_OF_USER))
        peer = peer_new(sm->pep, user, i);
    return peer;
}

/* A peer that is known with the same set has been sent the last items already. */
void sm_interest_note(struct sm *sm, const struct interest *i, const struct stanza *presence)
{
    struct caps *caps = caps_of(sm->pep, presence);
    struct pep_peer *peer;

    if (!caps) {
        sm_interest_drop(sm, i->user, i->who);
        return;
    }
    peer = peer_get(sm, i);
    if (!peer || (peer->promised == caps && !is_old(sm, peer))) {
        caps_put(&sm->pep->caps, caps);
        return;
    }
    promise(sm->pep, peer, caps);
    peer->since = loop_now(sm->loop);
    peer->is_absent = i->is_absent;
    peer->is_quiet = i->is_quiet;
    if (caps->is_known) {
        on_known(sm, peer);
        return;
    }
    list_append(&caps->waiting, &peer->waiting);
    if (!caps->is_asked || peer->since - caps->asked_at > PEP_QUESTION_MS)
        ask_peer(sm, peer);
}

void sm_interest_free(struct pep *pep)
{
    struct pep_user *user;
    size_t cursor = 0;

    while (!list_is_empty(&pep->asked))
        question_free(pep, CONTAINER_OF(pep->asked.next, struct pep_question, node));
    while ((user = map_next(&pep->users, &cursor)) != NULL)
        user_free(pep, user);
    map_free(&pep->users);
    map_free(&pep->questions);
    caps_cache_free(&pep->caps);
    stanza_free(&pep->message);
    stanza_free(&pep->question);
}
