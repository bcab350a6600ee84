/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pair - one of our domains and one elsewhere: what goes from the one to the other is in its queue,
 * and goes in order over the one stream that serves it: one that we open (out.c), or one that the
 * other server has opened and that both use (XEP-0288).
 */
#ifndef S2S_PAIR_H
#define S2S_PAIR_H

#include "s2s/s2s.h"

enum pair_state {
    PAIR_IDLE,       /* nothing to send, no stream */
    PAIR_CONNECTING, /* a stream of ours is on its way to being authenticated */
    PAIR_READY,      /* a stream takes what is queued */
    PAIR_WAITING,    /* it failed: again after the back-off (15 s doubling to 300 s, jittered) */
};

/* What another server is asked about somebody who claims to be in its domain (XEP-0220 2.1.2). */
enum pair_answer { PAIR_VALID, PAIR_INVALID, PAIR_NOT_THERE /* no connection, timeout, error */ };
struct pair_question {
    struct list_node node; /* of pair->questions; zeroed: not under way */
    struct pair *pair;
    char id[65]; /* of the stream on which the key was shown */
    char key[129];
    bool is_sent;
    void (*done)(void *ctx, enum pair_answer answer);
    void *ctx;
    uint64_t deadline; /* private: loop time */
};

struct pair {
    struct s2s *s2s;
    struct span local, remote;
    enum pair_state state;
    struct outbox *outbox;
    struct out *out; /* NULL: none */
    struct in *in;   /* the bidirectional stream that serves it instead; NULL: none */
    struct list_node questions;
    struct timer retry, barrier;
    uint64_t backoff_ms;
    unsigned failures;            /* in a row */
    enum stanza_error last_error; /* of the last failure: what bounces say */
    struct buf story;             /* of the last attempt, for `s2s explain` */
    uint64_t last_used;           /* loop time */
    bool has_acks;                /* its stream speaks XEP-0198 */
    bool is_asking;               /* <r/> or a ping is under way */
    char barrier_id[33]; /* of the ping that proves that what was sent before has come (no 0198) */
    struct timer ask;    /* the deadline of the first question */
    bool is_refused;     /* waiting, and nothing is queued meanwhile: it is bounced at once */
    bool is_proved;      /* something has been acknowledged on this stream */
    bool is_last;        /* <r/> has been sent for the last time: we are stopping */
    bool is_mute;        /* this stream's peer does not answer pings */
    uint32_t acked;      /* the peer's h */
    uint32_t unasked;    /* written since the last <r/> */
    uint32_t covered;    /* how many the ping under way answers for */
    uint64_t written_to; /* and the last byte of these */
    char why[160];       /* last_error in words */
    char text[];
};

/* Makes it if need be; NULL: too many pairs. */
struct pair *pair_get(struct s2s *s, struct span local, struct span remote);
/* The same for what anybody can make us ask: half of the room is left to our own people. */
struct pair *pair_get_to_ask(struct s2s *s, struct span local, struct span remote);
struct pair *pair_find(const struct s2s *s, struct span local, struct span remote);
/* What the router gave for a domain elsewhere. Refused ones are bounced. */
void pair_send(struct pair *p, const struct stanza *stanza);
/* A stream for the pair is authenticated, or gone: in NULL means its own out stream. */
void pair_on_ready(struct pair *p, struct in *in);
void pair_on_lost(struct pair *p, struct in *in, enum stanza_error e, const char *reason);
/* What the end of a stream that served a pair means, for pair_on_lost: POLICY_VIOLATION when the
 * peer has complained of what we have written. */
enum stanza_error pair_loss_of(const struct stream *s);
/* The stream takes more again. */
void pair_on_drain(struct pair *p);
/* The peer has acknowledged h stanzas of this stream since it began, modulo 2^32; false: never so
 * many were sent. */
bool pair_on_ack(struct pair *p, uint32_t h);
/* An iq result or error from remote to local; true: it answers our ping, and is done with. */
bool pair_on_answer(struct pair *p, const struct stanza *stanza);
/* Asks the server of remote whether the key is its own, on the stream of the pair, which is opened
 * if need be and need not be authenticated for it. done comes exactly once (30 s at most), never
 * from inside the call, unless pair_unask. */
void pair_ask(struct pair *p, struct pair_question *q);
void pair_unask(struct pair_question *q);
/* For out.c: questions may be asked now; one has been answered (false: nobody has asked that). */
void pair_on_askable(struct pair *p);
bool pair_on_verified(struct pair *p, struct span id, enum pair_answer answer);
/* `s2s close`: ends its stream; what is queued stays, and is tried again unless we are stopping. */
void pair_close(struct pair *p);
/* After a reload: streams that the rules do not allow any more end, and what waits for a domain
 * that is denied now comes back; what has refused is asked anew. */
void pairs_enforce(struct s2s *s);
/* `s2s explain`: opens its stream although nothing is queued, or tries again now. */
void pair_connect(struct pair *p);

/* --- pair_ack.c, for pair.c --- */

/* Whether what was written has come is asked now (out: the stream's output) or soon. */
void pair_ack_written(struct pair *p, struct buf *out);
void pair_ack_begin(struct pair *p); /* a stream begins to serve it */
void pair_ack_end(struct pair *p);
/* The output of the stream that serves it; NULL: it takes nothing now. */
struct buf *pair_begin(struct pair *p);
void pair_end(struct pair *p);
/* Writes what is queued to it. */
void pair_pump(struct pair *p);

/* We are stopping: what has been sent is asked for a last time. False: there is nothing to wait
 * for; else pair_close follows. */
bool pair_ack_last(struct pair *p);

/* --- pair_ask.c, for pair.c --- */

/* The out stream is gone. Those who can still hope for another stay. */
void pair_ask_lost(struct pair *p, enum stanza_error e);
bool pair_has_unasked(const struct pair *p);
/* Connects for a question: whatever the back-off says, for the other server has just called. */
void pair_reach(struct pair *p);

const char *pair_state_name(enum pair_state s);
/* Events of the outboxes (ctx: struct s2s); of pairs that are in the store only, too. */
extern const struct outbox_events pair_outbox_events;
void pairs_free(struct s2s *s);

#endif
