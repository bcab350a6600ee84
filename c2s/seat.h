/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * seat - a bound client's place at the session manager. It outlives the client's connection when
 * the client may resume (XEP-0198): then it hibernates, and the next connection takes it over.
 *
 *   OPENING -> TAKEN <-> HIBERNATING
 *              any   -> ENDED          freed when no completion of its stanzas is owed any more
 *
 * What the session manager writes comes through here: to the connection at once, into the queue of
 * what is not acknowledged (manage.c), or, while the client is away or inactive, through what is
 * held back for it (csi.c).
 */
#ifndef C2S_SEAT_H
#define C2S_SEAT_H

#include "base/list.h"
#include "base/loop.h"
#include "c2s/sm/sm.h"
#include "xmpp/handled.h"

struct c2s;
struct client;
struct csi;
struct manage;
struct hibernate_record;

enum seat_state { SEAT_OPENING, SEAT_TAKEN, SEAT_HIBERNATING, SEAT_ENDED };

struct seat {
    struct sm_client sm; /* first: the session manager knows this part only */
    struct c2s *c2s;
    struct list_node node;      /* of c2s->seats */
    enum seat_state state;
    struct client *client;      /* NULL: hibernating, or ended */
    struct sm_session *session; /* NULL: opening, or ended */
    char *user;                 /* localpart */
    struct span domain;         /* host or network */
    char *jid;                  /* the full JID; NULL: opening */
    struct handled handled;
    struct manage *manage;      /* NULL: XEP-0198 is off */
    struct csi *csi;            /* NULL: nothing is held back */
    struct hibernate_record *record; /* ended: what is remembered of it, or NULL */
    struct deferred ending;
    size_t mark;                /* where in the output the stanza being written begins */
    bool is_direct;             /* it is written to the connection */
    bool is_throttled;          /* not read until more of its stanzas are in safe hands */
    bool is_held;               /* not read until its session has moved */
    bool has_left;              /* it said that it is unavailable */
    bool is_over;               /* kicked: it ends with the connection */
};

struct seat *seat_new(struct client *c);
/* The session is open. */
void seat_open(struct seat *seat, struct sm_session *session, struct span full_jid);
/* Takes the seat from whoever has it (who is told: conflict), for a client that resumes. */
void seat_give(struct seat *seat, struct client *c);
/* Nobody has it any more; it is not ended. */
void seat_detach(struct seat *seat);
/* The client's connection is gone; in good order: it has ended its stream. */
void seat_on_lost(struct seat *seat, bool in_good_order);
/* What the client has not acknowledged goes back, then the session is closed. */
void seat_end(struct seat *seat);

/* A stanza of the client. */
void seat_input(struct seat *seat, struct stanza *stanza);
/* One that the transport has answered. */
void seat_count(struct seat *seat);

/* --- output --- stanzas, as sm_client_ops has it: begin, append, end */
struct buf *seat_begin(struct seat *seat);
void seat_finish(struct seat *seat);
/* A whole stanza, now: nothing holds it back. */
void seat_emit(struct seat *seat, struct span stanza);
/* Whether there is a connection that takes output. */
bool seat_is_writable(const struct seat *seat);

#endif
