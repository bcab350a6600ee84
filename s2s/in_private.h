/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * in_private - what the files of an incoming stream share.
 *
 *   in.c           its life: rules, headers, features    in_auth.c    certificates, SASL EXTERNAL
 *   in_dialback.c  <db:result/> and <db:verify/>         in_manage.c  XEP-0198
 *   in_duplex.c    XEP-0288                              in_limits.c  connections by address
 *
 *   CONNECTED -> SECURED <-> CHALLENGED
 *       |          |             |
 *       +--------> OPEN <--------+      once somebody's domain is proved; there is no way back
 */
#ifndef S2S_IN_PRIVATE_H
#define S2S_IN_PRIVATE_H

#include "s2s/in.h"
#include "s2s/pair.h"
#include "tls/peer.h"
#include "xmpp/handled.h"

enum in_state {
    IN_CONNECTED,  /* in clear text, nothing proved */
    IN_SECURED,    /* TLS, nothing proved */
    IN_CHALLENGED, /* EXTERNAL without its first message, which is awaited */
    IN_OPEN,       /* stanzas between domains that are proved are taken */
};

/* A domain elsewhere that says so on this stream, and the one of ours that it says it to. */
struct in_pair {
    struct list_node node; /* of in->pairs */
    struct in *in;
    struct span local, remote;
    bool is_proved;
    struct pair_question question; /* under way unless is_proved */
    char text[];
};

struct in_address;
struct s2s_policy;

struct in {
    struct stream stream;
    struct s2s *s2s;
    struct list_node node;      /* of s2s->ins */
    struct in_address *address; /* NULL: refused */
    struct span local, remote;  /* as the headers name them; none before; owned */
    bool is_external;           /* remote is proved by EXTERNAL */
    bool knows_verdict;
    enum tls_peer_verdict verdict; /* of its certificate for remote */
    unsigned failures;             /* of SASL */
    struct list_node pairs;        /* of struct in_pair */
    size_t pair_count;
    unsigned refusals; /* of dialback: they count as pairs */

    struct handled handled;
    bool has_acks, owes_ack; /* XEP-0198 */
    struct deferred answer;
    bool is_throttled;
    struct link_feeder feeder; /* waits when the router does not keep up */

    bool wants_duplex, is_given;               /* XEP-0288: asked for; given to its pair */
    bool acks_output;                          /* has_acks when it was given */
    struct span carries_local, carries_remote; /* the first pair that was proved; owned */
    struct timer give_soon;

    uint64_t last_used; /* loop time of the last stanza */
    bool is_gone;       /* the stream has closed: freed when no completion is owed */
};

static inline struct in *in_of(struct stream *s)
{
    return s->ctx;
}

/* False: too much is unread; the stream has been ended. */
bool in_has_room(struct in *in);
/* remote is proved, to local: stanzas may come. */
void in_open(struct in *in, struct span local, struct span remote);
/* Whether a stanza from remote to local is its own to send (inbound_proof; ctx: struct in). */
bool in_is_proved(void *ctx, struct span local, struct span remote);
/* A domain that we take streams for. */
bool in_serves(const struct s2s *s, struct span domain);
/* A domain that nobody else can be. */
bool in_is_our_name(const struct s2s *s, struct span domain);
/* Frees it, unless completions are owed. Its stream has closed. */
void in_release(struct in *in);
/* Whether TLS must be there before that domain may say a word; none: one that is not named. */
bool in_requires_tls(const struct in *in, struct span remote);

/* --- in_auth.c --- */
/* Of the peer's certificate for that domain; TLS_PEER_NONE without TLS. */
enum tls_peer_verdict in_certificate(const struct in *in, struct span remote);
/* EXTERNAL can be offered: the certificate proves what the header says. */
bool in_offers_external(struct in *in);
void in_on_auth(struct stream *s, struct stanza *stanza);
void in_on_response(struct stream *s, struct stanza *stanza);
void in_on_abort(struct stream *s, struct stanza *stanza);

/* --- in_dialback.c --- */
/* A certificate must prove it: dialback is not enough. */
bool in_needs_certificate(const struct s2s_policy *policy);
bool in_offers_dialback(const struct in *in);
void in_on_result(struct stream *s, struct stanza *stanza);
void in_on_verify(struct stream *s, struct stanza *stanza);
/* Also when the stream begins anew: what was said on the old one is void. */
void in_free_pairs(struct in *in);

/* --- in_manage.c --- */
void in_manage_init(struct in *in);
/* The completion of the next stanza; the stream waits when too many are owed. */
struct link_done in_manage_next(struct in *in);
void in_on_enable(struct stream *s, struct stanza *stanza);
void in_on_r(struct stream *s, struct stanza *stanza);
void in_on_a(struct stream *s, struct stanza *stanza);
void in_on_other_sm(struct stream *s, struct stanza *stanza);

/* --- in_duplex.c --- */
void in_on_bidi(struct stream *s, struct stanza *stanza);
/* The first pair has been proved. */
void in_duplex_start(struct in *in, struct span local, struct span remote);
/* What might have changed how its output is counted has come, or not: its pair may have it. */
void in_duplex_give(struct in *in);
void in_duplex_end(struct in *in);
void in_on_drain(struct stream *s);

/* --- in_limits.c --- */
/* NULL, or the limit that would be exceeded: its key in the configuration. */
const char *in_limits_connect(struct s2s *s, const struct addr *peer, struct in_address **r);
void in_limits_disconnect(struct s2s *s, struct in_address **address);

#endif
