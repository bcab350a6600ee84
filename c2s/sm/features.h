/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * features - the part of sm_private.h, which includes it, that is about single features: blocking,
 * carbons, and what accounts keep and the server tells of itself.
 */
#ifndef C2S_SM_FEATURES_H
#define C2S_SM_FEATURES_H

#include "c2s/sm/sm_private.h"

/* --- block.c --- */
bool sm_block_sending(struct sm_in *in);
bool sm_block_receiving(struct sm_in *in, struct sm_user *user);
void sm_block_get(struct sm_in *in, uint32_t payload);
void sm_block_set(struct sm_in *in, uint32_t payload);
/* A part of the profile: another instance has changed the list. */
void sm_block_follow(struct sm_user *user, const struct sm_profile *now);
/* The answer, if there is one, to who is blocked. */
void sm_block_refuse(struct sm_in *in);
/* A message that is refused for an account that nobody owns: not to whom that has blocked. */
void sm_block_refuse_absent(struct sm_in *in);

/* --- block_store.c --- */
/* Whether the user has blocked who (any address): by his JID, his bare JID or his domain. */
bool sm_is_blocked(const struct sm_user *user, struct span who);
/* The same by a list that has been loaded for an account that nobody owns. */
bool sm_profile_blocks(const struct sm_profile *profile, struct span name, struct span who);
/* The same of such an account; in run(). */
bool sm_account_blocks(const struct sm *sm, struct db *db, struct span name, struct span who);
/* False: it is there already, or it was not. */
bool sm_blocked_put(struct sm_profile *profile, struct span jid);
bool sm_blocked_remove(struct sm_profile *profile, struct span jid);
void sm_blocked_free(struct sm_profile *profile);
int sm_blocked_load(struct db *db, int64_t account, struct sm_profile *profile);
enum { SM_BLOCK_NO_ACCOUNT = 1, SM_BLOCK_FULL = -110 /* nothing is changed */ };
int sm_block_add(struct db *db, struct span name, const struct span *jids, size_t n, size_t max);
/* n 0: all */
int sm_block_remove(struct db *db, struct span name, const struct span *jids, size_t n);

/* --- register.c --- */
void sm_register_get(struct sm_in *in, uint32_t payload);
void sm_register_set(struct sm_in *in, uint32_t payload);

/* --- rights.c --- */
/* What others have given to the name of an account that is no more. */
void sm_rights_end(struct sm *sm, struct span name);

/* --- vcard.c --- */
void sm_vcard_get(struct sm_in *in, uint32_t payload);
void sm_vcard_set(struct sm_in *in, uint32_t payload);
/* In run(). The card is the text of <vCard xmlns='vcard-temp'>…</vCard>. */
enum { SM_VCARD_NONE = 1 }; /* or no such account */
int sm_vcard_load(struct db *db, struct span name, struct buf *vcard);
int sm_vcard_save(struct db *db, struct span name, struct span vcard);

/* --- private.c --- see publish.h, too */
void sm_private_get(struct sm_in *in, uint32_t payload);
void sm_private_set(struct sm_in *in, uint32_t payload);

/* --- last.c, extdisco.c, contact_info.c --- */
void sm_last(struct sm_in *in, uint32_t payload);
/* The session, one of its user still, is about to be available no more; its parting words. */
void sm_last_leave(struct sm_session *s, struct span status);
void sm_extdisco_services(struct sm_in *in, uint32_t payload);
void sm_extdisco_credentials(struct sm_in *in, uint32_t payload);
void sm_contact_info_write(const struct sm *sm, struct buf *out);

/* --- commands.c --- a row of hooks.c */
void sm_commands_gone(struct sm_session *s);

/* --- motd.c --- the message of the day: each user gets it once, when he is available */
int sm_motd_load(struct db *db, int64_t account, struct sm_profile *profile);
void sm_motd_available(struct sm_session *s);
/* To a user who is available; false: too much is queued, try again. */
bool sm_motd_give(struct sm_user *user);
/* In run(). The text of the one that is set; 1: there is one. */
int sm_motd_get(struct db *db, struct buf *text);
/* A new one, for all; its number or < 0. */
int64_t sm_motd_set(struct db *db, struct span text);
/* Of the one that is set, for who has not seen it; 1: done, 0: there is none. */
int sm_motd_edit(struct db *db, struct span text);
int sm_motd_delete(struct db *db);

/* --- tell.c --- */
void sm_tell_close(struct sm *sm); /* for sm_free */

/* --- carbons.c --- */
bool sm_carbons_sending(struct sm_in *in);
bool sm_carbons_receiving(struct sm_in *in, struct sm_user *user);
void sm_carbons_set(struct sm_in *in, uint32_t payload);
bool sm_is_carbon(const struct stanza *s);
/* The session has, or had, a copy of such a message to another one. */
bool sm_carbons_has(const struct sm_session *s, const struct stanza *message);

/* --- push.c --- */
bool sm_push_receiving(struct sm_in *in, struct sm_user *user);
void sm_push_set(struct sm_in *in, uint32_t payload);
/* What a fronted client asks, for when it is opened again. */
void sm_push_note_request(struct sm_session *s, const struct stanza *iq);
void sm_push_take_key(struct sm_session *s, struct span key);
void sm_push_drop_session(struct sm_session *s);
/* The owner, if this is a front, of a client that is away. */
void sm_push_tell(struct sm_session *s);
/* The session, one of its user still, ends, and its client has never got that message. */
void sm_push_undelivered(struct sm_session *s, struct stanza *message);
/* The words of fronts: see envelope.c. */
void sm_away_word(struct sm *sm, struct span from, struct stanza *e, uint32_t node);
void sm_missed_word(struct sm *sm, struct span from, struct stanza *e, uint32_t node);

/* --- push_store.c --- */
int sm_push_load(struct db *db, int64_t account, struct sm_profile *profile);
void sm_push_profile_free(struct sm_profile *profile);

/* --- push_send.c --- */
/* An answer to an account: false: to no notification. */
bool sm_push_answer(struct sm_in *in);
void sm_push_close(struct sm *sm);

/* --- push_absent.c --- */
struct sm_push_absent;
struct sm_push_absent *sm_push_absent_new(const struct sm_in *in); /* NULL: nobody is told */
void sm_push_absent_free(struct sm_push_absent *a);
void sm_push_absent_read(struct db *db, struct sm_push_absent *a, struct span name); /* in run() */
void sm_push_absent_send(struct sm *sm, const struct sm_push_absent *a, struct span name);

/* --- services.c --- names of the host that are no accounts' */
/* A stanza of a client, or from the link, with its recipient. False: it was for a service. */
bool sm_services_sending(struct sm_in *in);
void sm_services_write_items(const struct sm_in *in, struct buf *out); /* for disco */

/* --- multicast.c --- */
/* What comes for the service's own name, but requests. */
void sm_multicast_serve(struct sm_in *in);
/* What comes for the host. False: it was for the service. */
bool sm_multicast_to_host(struct sm_in *in);

/* --- multicast_wait.c --- */
/* What the session has sent to many and waits for look-ups: each is given to take, none is kept. */
void sm_multicast_give_back(struct sm_session *s, void (*take)(struct sm_session *s,
                                                               struct stanza *st,
                                                               struct link_done done));

/* --- multicast_peer.c --- */
/* An answer to the server; false: to another question. */
bool sm_multicast_answer(struct sm_in *in);
void sm_multicast_close(struct sm *sm);

/* --- strangers.c --- */
bool sm_strangers_receiving(struct sm_in *in, struct sm_user *user);

/* --- filter.c, filter_queue.c --- a component that is asked about stanzas */
bool sm_filter_sending(struct sm_in *in); /* hooks */
bool sm_filter_receiving(struct sm_in *in, struct sm_user *user);
bool sm_filter_absent(struct sm_in *in);
/* A stanza of a client without a recipient. False: it waits behind what the client has sent. */
bool sm_filter_own(struct sm_in *in);
bool sm_filter_answer(const struct sm_in *in); /* false: it is none */
void sm_filter_set(struct sm *sm, const struct sm_filter_opts *opts);
/* The router is, or the way to it will be, no more. */
void sm_filter_away(struct sm *sm);
void sm_filter_on_route(struct sm *sm, struct span name, bool is_up);
/* The session, one of its user still, is to move: what waits of it, in order. */
void sm_filter_give_back(struct sm_session *s, void (*take)(struct sm_session *s, struct stanza *st,
                                                            struct link_done done));
void sm_filter_free(struct sm *sm); /* for sm_free: without a word */

#endif
