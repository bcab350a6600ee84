/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * publish - what the rest of the session manager calls of publish-subscribe and of what stands on
 * it. A part of sm_private.h, which includes it; the insides are in pep.h.
 */
#ifndef C2S_SM_PUBLISH_H
#define C2S_SM_PUBLISH_H

/* --- pep.c --- */
void sm_pep_init(struct sm *sm);
void sm_pep_free(struct sm *sm);
void sm_pubsub(struct sm_in *in, uint32_t payload); /* row of iq.c */

/* --- pep_disco.c --- a question about an account's nodes */
void sm_pep_disco_node(struct sm_in *in, uint32_t payload);
void sm_pep_disco_items(struct sm_in *in, uint32_t payload);
void sm_pep_each_feature(void (*each)(void *ctx, const char *feature), void *ctx);

/* --- pep_presence.c --- */
void sm_pep_own_presence(struct sm_in *in); /* of a client of ours, to all; before it is sent */
bool sm_pep_receiving(struct sm_in *in, struct sm_user *user);
void sm_pep_absent(struct sm_in *in); /* by the link, to one whom nobody owns here */
void sm_pep_gone(struct sm_session *s);
void sm_pep_resumed(struct sm_session *s); /* a session that was available elsewhere */

/* --- interest.c --- */
/* An answer to the server or an account: to a question about capabilities? */
void sm_interest_answer(struct sm_in *in);
void sm_interest_drop_user(struct sm *sm, struct span user);

/* --- avatar.c --- */
int sm_avatar_load(struct db *db, int64_t account, struct sm_profile *profile);
/* Puts the picture's hash into presence of a client of ours. */
void sm_avatar_stamp(struct sm_in *in);
bool sm_avatar_sending(struct sm_in *in);

/* --- bookmarks.c --- */
/* A query of private XML; false: it is about something else. */
bool sm_bookmarks_private(struct sm_in *in, uint32_t query);

/* --- private.c --- an element, in run() */
enum { SM_PRIVATE_FULL = -110 }; /* nothing is changed */
int sm_private_load(struct db *db, int64_t account, struct span ns, struct span name,
                    struct buf *text);
int sm_private_save(struct db *db, int64_t account, struct span ns, struct span name,
                    struct span text);

#endif
