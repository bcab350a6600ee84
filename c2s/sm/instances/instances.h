/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * instances - the part of sm_private.h, which includes it, that is about users whose sessions are
 * at several instances: words between these, fronts, guests, and sessions that move.
 */
#ifndef C2S_SM_INSTANCES_H
#define C2S_SM_INSTANCES_H

#include "c2s/sm/sm_private.h"

/* --- envelope.c --- words between two instances */
#define NS_FRONT "http://kontalk.org/extensions/front"
struct sm_peer; /* another instance */
struct sm_peer *sm_peer_get(struct sm *sm, struct span name);
void sm_peer_put(struct sm *sm, struct sm_peer *peer);
struct span sm_peer_name(const struct sm_peer *peer);
void sm_envelope(struct sm *sm, struct stanza *envelope);
/* Comes back by the router when that has read all that we have said before. */
void sm_envelope_to_self(struct sm *sm);
/* An envelope holding <f:word id=, open for attributes; then one of the ends. NULL: the link takes
 * nothing (done has been called). */
struct buf *sm_envelope_begin(struct sm *sm, const struct sm_peer *to, const char *word,
                              struct span id, struct link_done done);
void sm_envelope_end(struct sm *sm, struct buf *out); /* without content */
/* After '>' and content in jabber:client. */
void sm_envelope_end_with(struct sm *sm, struct buf *out, const char *word);
/* The stanza in node, in sm->content; false: there is none. */
bool sm_envelope_content(struct sm *sm, const struct stanza *envelope, uint32_t node);

/* Answer to an opening: who owns the user must be asked anew. */
#define SM_NOT_OWNER STANZA_GONE

/* --- front.c --- clients here whose user another instance owns */
void sm_front_open(struct sm_session *s, struct span owner);
void sm_front_input(struct sm_session *s, struct stanza *stanza, struct link_done done);
void sm_front_close(struct sm_session *s);
void sm_front_forget(struct sm_session *s); /* without a word */
/* The other instance is gone, or (none) our link is. */
void sm_front_peer_down(struct sm *sm, struct span instance);
/* He has no account here any more; text says why. */
void sm_front_user_ended(struct sm *sm, struct span name, const char *text);
void sm_front_drop_all(struct sm *sm); /* for sm_free: without a word */
void sm_front_on_opened(struct sm *sm, struct span from, struct stanza *e, uint32_t node);
void sm_front_output(struct sm *sm, struct span from, struct stanza *e, uint32_t node);
void sm_front_kick(struct sm *sm, struct span from, struct stanza *e, uint32_t node);
/* An open word about this front to its owner; NULL: there is none, or no link to it. */
struct buf *sm_front_begin(struct sm_session *s, const char *word);
void sm_front_on_lost(struct sm *sm, struct span from, struct stanza *e, uint32_t node);

/* --- move.c --- a session that goes on while its user changes owners */
void sm_move_note(struct sm_session *s, struct stanza *stanza); /* a fronted client says that */
void sm_move_begin(struct sm_session *s);
/* It has been opened; what it has said goes on when its fellows, too, have been. */
void sm_move_arrive(struct sm_session *s);
void sm_move_go_on(struct sm *sm);
void sm_move_fail(struct sm_session *s, enum stanza_error e);
void sm_move_input(struct sm_session *s, struct stanza *stanza, struct link_done done);
void sm_move_drop(struct sm_session *s); /* what has been held, and the id that it had */
/* The front with that id has lost its owner. */
void sm_move_set_was(struct sm_session *s, struct span id);
/* sm->content, which the session of that id had sent to an owner that was none, is back. */
void sm_move_on_returned(struct sm *sm, struct span id);

/* --- fellows.c --- the user's other resources, as a fronted client knows them */
/* The client is about to be given the stanza in node. */
void sm_fellows_note(struct sm_session *s, const struct stanza *e, uint32_t node);
void sm_fellows_miss(struct sm_session *s); /* their owner is gone: are they? */
void sm_fellows_wait(struct sm_session *s); /* who is alive will be seen soon */
void sm_fellows_free(struct sm_session *s);

/* --- guest.c --- clients of other instances whose user is owned here */
bool sm_is_guest(const struct sm_client *c);
/* Of the client that the word is about; NULL: there is none. */
struct sm_session *sm_guest_session(struct sm *sm, struct span from, const struct stanza *e,
                                    uint32_t node);
/* What has been written goes to it now. */
void sm_guest_flush(struct sm_session *s);
void sm_guest_peer_down(struct sm *sm, struct span instance);
/* The user's claim is lost: the front asks who has it. The session is free to go. */
void sm_guest_lose(struct sm_client *c);
/* What it has said, and is to say to the next owner. */
void sm_guest_return(struct sm_session *s, struct stanza *stanza, struct link_done done);
void sm_guest_open(struct sm *sm, struct span from, struct stanza *e, uint32_t node);
void sm_guest_input(struct sm *sm, struct span from, struct stanza *e, uint32_t node);
void sm_guest_close(struct sm *sm, struct span from, struct stanza *e, uint32_t node);
void sm_guest_directed(struct sm *sm, struct span from, struct stanza *e, uint32_t node);

#endif
