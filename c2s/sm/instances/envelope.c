/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * envelope - talk between two instances about sessions whose client is at one and whose user is
 * owned by the other.
 *
 * Each word is one element of NS_FRONT in an envelope of the router's extension:
 *
 *   front (has the client)                         guest.c at the owner (has the user)
 *   <open id jid/>                              -> sm_open
 *                        <opened id [error]/>   <-
 *   <input id>stanza</input>                    -> sm_input
 *         <output id [away]>stanzas…</output>   <- away: it is known here that the client is
 *                      <kick id condition/>     <-
 *               <lost id>[stanza]</lost>        <- there is no such session any more, and it may
 *                                                  go on elsewhere; the stanza of an <input/>
 *   <undelivered id stamp>stanza</undelivered>  -> sm_undelivered; also what came in an <output/>
 *                                                  for a client that was no more
 *   <full id/>, <room id/>                      -> sm_set_full
 *   <close id/>                                 -> sm_close
 *   <alive/> both ways: an envelope to an instance that is gone comes back with type='error' and
 *   what it held; one that was away and has forgotten us answers <gone/>
 *
 * A session that was open elsewhere before (move.c) brings its state along:
 *
 *   <open id jid age was interested          age: milliseconds since the binding; was: its former
 *         carbons blocklist>                 id; 'true' when it gets roster pushes, carbons, the
 *     <presence/></open>                     list of the blocked; the presence only when it is
 *                                            available
 *   <directed id><to jid/>…</directed>       who got directed presence, any number of times
 *   <claimed/> to oneself, behind the claims that are made when the link is back
 *   <ask/>, <answer/>: see fleet.h
 */
#include "c2s/sm/admin/fleet.h"

#include <stdlib.h>

#define BEAT_MS 10000

/* --- peers --- */

struct sm_peer {
    size_t users; /* fronts and guests that go by it */
    size_t n;
    char name[];
};

struct span sm_peer_name(const struct sm_peer *peer)
{
    return span_make(peer->name, peer->n);
}

static void beat(void *ctx)
{
    struct sm *sm = ctx;
    struct sm_peer *peer;
    size_t cursor = 0;

    while ((peer = map_next(&sm->peers, &cursor)) != NULL) {
        struct buf *out = sm_envelope_begin(sm, peer, "alive", SPAN_NONE, (struct link_done){0});
        if (out)
            sm_envelope_end(sm, out);
    }
    if (sm->peers.count > 0)
        timer_start(&sm->peer_beat, sm->loop, BEAT_MS, beat, sm);
}

struct sm_peer *sm_peer_get(struct sm *sm, struct span name)
{
    struct sm_peer *peer = map_get(&sm->peers, name);

    if (!peer) {
        peer = mem_zalloc(sizeof(*peer) + name.n);
        memcpy(peer->name, name.p, name.n);
        peer->n = name.n;
        map_put(&sm->peers, sm_peer_name(peer), peer);
        if (!timer_is_running(&sm->peer_beat))
            timer_start(&sm->peer_beat, sm->loop, BEAT_MS, beat, sm);
    }
    peer->users++;
    return peer;
}

void sm_peer_put(struct sm *sm, struct sm_peer *peer)
{
    if (--peer->users > 0)
        return;
    map_remove(&sm->peers, sm_peer_name(peer));
    free(peer);
}

/* --- writing --- */

struct buf *sm_envelope_begin(struct sm *sm, const struct sm_peer *to, const char *word,
                              struct span id, struct link_done done)
{
    struct buf *out = sm->link ? link_begin(sm->link, done) : NULL;

    if (!sm->link)
        sm_done(done, false);
    if (!out)
        return NULL;
    xml_raw(out, SPAN("<envelope xmlns='" NS_ROUTER "'"));
    xml_attr(out, "from", sm->opts.instance);
    xml_attr(out, "to", sm_peer_name(to));
    xml_raw(out, SPAN("><f:"));
    buf_append_z(out, word);
    xml_raw(out, SPAN(" xmlns:f='" NS_FRONT "' xmlns='" NS_CLIENT "'"));
    xml_attr(out, "id", id);
    return out;
}

static void close_word(struct sm *sm, struct buf *out)
{
    xml_raw(out, SPAN("</envelope>"));
    link_end(sm->link);
}

void sm_envelope_end(struct sm *sm, struct buf *out)
{
    xml_raw(out, SPAN("/>"));
    close_word(sm, out);
}

void sm_envelope_end_with(struct sm *sm, struct buf *out, const char *word)
{
    xml_raw(out, SPAN("</f:"));
    buf_append_z(out, word);
    xml_raw(out, SPAN(">"));
    close_word(sm, out);
}

void sm_envelope_to_self(struct sm *sm)
{
    struct sm_peer *self = sm_peer_get(sm, sm->opts.instance);
    struct buf *out = sm_envelope_begin(sm, self, "claimed", SPAN_NONE, (struct link_done){0});
    if (out)
        sm_envelope_end(sm, out);
    sm_peer_put(sm, self);
}

/* --- reading --- */

bool sm_envelope_content(struct sm *sm, const struct stanza *envelope, uint32_t node)
{
    uint32_t child = stanza_child(envelope, node, SPAN(NS_CLIENT), SPAN_NONE);

    if (child)
        stanza_copy_node(&sm->content, envelope, child);
    return child != 0;
}

/* By one of whom we know nothing: what he has with us, we have lost. */
static void on_alive(struct sm *sm, struct span from, struct stanza *envelope, uint32_t node)
{
    (void)envelope, (void)node;
    if (map_get(&sm->peers, from))
        return;
    struct sm_peer *peer = sm_peer_get(sm, from);
    struct buf *out = sm_envelope_begin(sm, peer, "gone", SPAN_NONE, (struct link_done){0});
    if (out)
        sm_envelope_end(sm, out);
    sm_peer_put(sm, peer);
}

static void on_gone(struct sm *sm, struct span from, struct stanza *envelope, uint32_t node)
{
    (void)envelope, (void)node;
    sm_front_peer_down(sm, from);
    sm_guest_peer_down(sm, from);
}

/* An envelope of ours is back. */
static void on_returned(struct sm *sm, struct span from, struct stanza *envelope, uint32_t node)
{
    on_gone(sm, from, envelope, node);
    if (node && span_eq(envelope->nodes[node].name, SPAN("ask")))
        sm_fleet_on_returned(sm, from, envelope, node);
    if (node && span_eq(envelope->nodes[node].name, SPAN("input")) &&
        sm_envelope_content(sm, envelope, node))
        sm_move_on_returned(sm, stanza_attr(envelope, node, SPAN("id")));
}

static void on_claimed(struct sm *sm, struct span from, struct stanza *envelope, uint32_t node)
{
    (void)envelope, (void)node;
    if (span_eq(from, sm->opts.instance))
        sm_user_on_claims_made(sm);
}

static const struct {
    struct span word;
    void (*handle)(struct sm *sm, struct span from, struct stanza *envelope, uint32_t node);
} words[] = {
    {SPAN_INIT("open"), sm_guest_open},     {SPAN_INIT("input"), sm_guest_input},
    {SPAN_INIT("close"), sm_guest_close},   {SPAN_INIT("opened"), sm_front_on_opened},
    {SPAN_INIT("output"), sm_front_output}, {SPAN_INIT("kick"), sm_front_kick},
    {SPAN_INIT("lost"), sm_front_on_lost},  {SPAN_INIT("directed"), sm_guest_directed},
    {SPAN_INIT("alive"), on_alive},         {SPAN_INIT("gone"), on_gone},
    {SPAN_INIT("claimed"), on_claimed},     {SPAN_INIT("undelivered"), sm_undelivered_word},
    {SPAN_INIT("full"), sm_full_word},      {SPAN_INIT("room"), sm_room_word},
    {SPAN_INIT("away"), sm_away_word},      {SPAN_INIT("back"), sm_away_word},
    {SPAN_INIT("missed"), sm_missed_word},
    {SPAN_INIT("ask"), sm_fleet_on_ask},    {SPAN_INIT("answer"), sm_fleet_on_answer},
};

void sm_envelope(struct sm *sm, struct stanza *envelope)
{
    struct span from = stanza_attr(envelope, 0, SPAN("from"));
    uint32_t node = stanza_child(envelope, 0, SPAN(NS_FRONT), SPAN_NONE);

    if (span_is_empty(from))
        return; /* without a name it would concern all of them */
    if (span_eq(envelope->type, SPAN("error"))) {
        on_returned(sm, from, envelope, node);
        if (!node)
            sm_edge_on_returned(sm, envelope);
        return;
    }
    for (size_t i = 0; node && i < ARRAY_LEN(words); i++) {
        if (span_eq(envelope->nodes[node].name, words[i].word)) {
            words[i].handle(sm, from, envelope, node);
            return;
        }
    }
}
