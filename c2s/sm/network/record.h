/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * record - what directory.c, publish.c and moved.c share of records beside network.h.
 */
#ifndef C2S_SM_NETWORK_RECORD_H
#define C2S_SM_NETWORK_RECORD_H

#include "c2s/sm/network/network.h"

#define SM_KEY_WAITS_MAX 1000 /* for keys, of moves that are told to us */

/* r holds against one of that host and stamp: it is newer. */
bool sm_record_beats(const struct sm_home_record *r, struct span host, int64_t stamp);
/* Its stamp is not in the future. */
bool sm_record_is_sound(const struct sm *sm, const struct sm_home_record *r);
/* A prepared localpart. */
bool sm_record_is_user(struct span name);
/* A copy with its spans in text, which is cleared first. */
void sm_record_copy(struct sm_home_record *to, struct buf *text, const struct sm_home_record *from);
/* <home/> with the type of a refused stanza; none: without. */
void sm_record_write_with(struct buf *out, const struct sm_home_record *r, struct span type);
/* key is its host's; NULL: no. */
bool sm_record_is_signed(const struct sm_home_record *r, const struct server_key *key);
/* Of ours: signed by a key that this server had before. */
bool sm_record_is_stale(const struct sm *sm, const struct sm_home_record *r);
/* As sm_server_key_get, but done always comes: with NULL when the room is closed. */
void sm_record_key(struct sm *sm, struct span host,
                   void (*done)(void *ctx, const struct server_key *key), void *ctx);

/* --- directory.c --- what it looks at, for lookup.c, too */
/* When our own user of that name registered, ms since 1970; < 0: there is none. In run(). */
int64_t sm_account_created(struct db *db, struct span name);
/* This server is one of the user's directory. */
bool sm_is_directory(const struct servers *list, struct span user);
/* Every other member has told us of all of its users, by that table. In run(). */
bool sm_has_heard_all(struct db *db, const struct servers *list);

/* A record that speaks against one of our own accounts: when it is verified, the account is set
 * aside. */
void sm_moved_judge(struct sm *sm, const struct sm_home_record *r);

/* --- said.c --- */

/* The event is to be logged: of whom it has not been yet, or for another cause. */
bool sm_is_news(struct sm *sm, const char *event, struct span whom, struct span cause);
/* When it comes again it is news. */
void sm_is_over(struct sm *sm, const char *event, struct span whom);
void sm_said_close(struct sm *sm);

/* --- moved_send.c --- */

/* The address at his home, with the resource of the old one. */
void sm_moved_address(struct buf *out, const struct sm_home_record *r, struct span old);
/* s goes to where its recipient is at home now, for one of ours who has sent it, with the XML tail
 * behind its content. Takes done. False: the link takes nothing; done has been called. */
bool sm_moved_pass_on(struct sm *sm, const struct stanza *s, const struct sm_home_record *r,
                      struct span tail, struct link_done done);
/* The error <gone/> that answers s, for a stream of that namespace; is_member: its sender is of the
 * network, and gets the record. */
void sm_moved_write_gone(const struct sm *sm, struct buf *out, struct span ns,
                         const struct stanza *s, const struct sm_home_record *r, bool is_member);
bool sm_moved_is_local(const struct sm *sm, struct span address);
/* from is in the network's domain, and nobody whom this instance serves: as what a client has been
 * shown, and never got, has it. Where he is must be asked; sm_moved_name makes from his address
 * there. */
bool sm_moved_is_unnamed(const struct sm *sm, struct span from);
void sm_moved_name(const struct sm *sm, struct stanza *s, struct span domain);
bool sm_moved_is_member(const struct sm *sm, struct span address);

/* --- moved_sent.c --- */

/* What is of that name may have been of that type, and be refused with a record. */
bool sm_moved_is_type(const struct stanza *s, struct span type);
/* The error is about something that its recipient has sent to its sender, which counts once. */
bool sm_moved_take(struct sm *sm, const struct stanza *error, struct span type);

/* --- moved_store.c --- */

/* An account that is set aside is called "//MS/NUMBER/NAME": no name has a '/'. MS: when it was. */
int sm_moved_set_aside(struct db *db, struct span name, int64_t now);
/* Goes through what is stored for users who have moved: it goes back to its senders. */
void sm_moved_look(struct sm *sm);

#endif
