/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pep - each account as a publish-subscribe service (XEP-0163): what pep.c, interest.c and the
 * features that stand on them share. The core is in c2s/sm/pubsub.
 */
#ifndef C2S_SM_PEP_H
#define C2S_SM_PEP_H

#include "c2s/sm/pep/caps.h"
#include "c2s/sm/pubsub/pubsub.h"
#include "c2s/sm/sm_private.h"

#define PEP_MAX_INTERESTED 100000      /* resources whose capabilities are remembered, in all */
#define PEP_MAX_INTERESTED_OF_USER 2000
#define PEP_MAX_QUESTIONS 10000
#define PEP_QUESTION_MS 30000 /* for an answer to disco#info; then another client is asked */
#define PEP_ABSENT_MS 300000  /* what was seen while nobody owned the user is believed so long */

/* A resource, of a contact or of the user himself, that has shown capabilities to a user. */
struct pep_peer {
    struct list_node age;     /* of pep->peers, the oldest first; not if it is his own */
    struct list_node waiting; /* of promised->waiting */
    struct pep_user *user;
    struct caps *promised; /* by its presence; a reference */
    struct caps *own;      /* what it has said instead; NULL: nothing */
    uint64_t since; /* loop time */
    bool is_own;    /* of the user himself */
    bool is_absent; /* seen while nobody owned the user */
    bool is_quiet;  /* is to be sent no last items */
    struct span user_bare; /* as the presence was addressed: events come from there */
    struct span full;
    char text[];
};

struct pep_user {
    struct map peers; /* full JID -> struct pep_peer */
    size_t name_n;
    char name[];
};

struct pep {
    struct map users;      /* name -> struct pep_user */
    struct list_node peers;
    size_t peer_count;
    struct caps_cache caps;
    struct map questions;  /* id -> struct pep_question */
    struct list_node asked; /* the oldest first */
    struct stanza message, question; /* on their way */
};

/* --- interest.c --- */
void sm_interest_init(struct pep *pep);
void sm_interest_free(struct pep *pep);
/* Available presence, with its <c/>, or none. */
struct interest {
    struct span user, user_bare; /* its name, and how it was addressed */
    struct span who;             /* full JID */
    bool is_own, is_absent, is_quiet; /* see struct pep_peer */
};
void sm_interest_note(struct sm *sm, const struct interest *i, const struct stanza *presence);
/* Unavailable; who bare: all of its resources. */
void sm_interest_drop(struct sm *sm, struct span user, struct span who);
void sm_interest_drop_user(struct sm *sm, struct span user);
bool sm_interest_wants(const struct pep_peer *peer, struct span node);
/* One after the other; NULL after the last. */
const struct pep_peer *sm_interest_next(const struct sm *sm, struct span user, size_t *cursor);

/* What has become of the picture in the vCard (avatar.c). */
struct sm_avatar {
    bool is_changed;
    char hash[41]; /* SHA-1, in hex; empty: there is none */
};

/* --- pep.c --- */
struct pep_task {
    struct sm_task task; /* first */
    struct pubsub_ask ask;
    struct sm_avatar avatar;
    struct span user;    /* name of the account */
    struct sm_profile absent; /* its block list, if it need be known without an owner */
};
/* For a request to an account; NULL: refused already. In run() ask.account is to be set. */
struct pep_task *sm_pep_task_new(struct sm_in *in);
/* The answer or the refusal, by run()'s result. */
void sm_pep_answer(struct sm_in *in, const struct pubsub_ask *ask, int result);
void sm_pep_refuse(struct sm_in *in, const struct pubsub_ask *ask, int result);
/* What in asks of the account in->to. False: it is from no address. */
bool sm_pep_ask_init(struct pubsub_ask *ask, const struct sm_in *in);
/* The account itself, without a request. */
void sm_pep_ask_self(struct pubsub_ask *ask, struct sm *sm, struct span service);
/* The name of the account at a bare JID in a domain of ours, else none. */
struct span sm_pep_local_name(const struct sm *sm, struct span bare);

/* --- pep_notify.c --- */
/* What has come of it: on the loop. absent: the account's block list if nobody owns it, or NULL. */
void sm_pep_notify(struct sm *sm, struct span user, const struct pubsub_ask *ask,
                   const struct sm_profile *absent);
/* The last items of the nodes that the peer wants, of the user's; of a user's own resource, also of
 * those of his contacts who are owned here. */
void sm_pep_send_last(struct sm *sm, const struct pep_peer *peer);

/* --- avatar.c --- in run(): after what the account's owner has published, or after the vCard in
 * ask->payload has been stored */
int sm_avatar_published(struct pubsub_ask *ask, struct db *db, struct span user,
                        struct sm_avatar *avatar);
int sm_avatar_from_card(struct pubsub_ask *ask, struct db *db, struct sm_avatar *avatar);
/* Afterwards, on the loop. */
void sm_avatar_show(struct sm *sm, struct span user, const struct sm_avatar *avatar);

/* --- bookmarks.c --- in run() */
/* <storage xmlns='storage:bookmarks'/> with all rooms, and back. */
int sm_bookmarks_write(struct pubsub_ask *ask, struct db *db, struct buf *out);
int sm_bookmarks_take(struct pubsub_ask *ask, struct db *db, uint32_t storage);
/* A request about the old node: it has been run. */
bool sm_bookmarks_run(struct pubsub_ask *ask, struct db *db, int *result_r);
/* After what the account's owner has published. */
int sm_bookmarks_published(struct pubsub_ask *ask, struct db *db);

extern const struct pubsub_contacts sm_pep_contacts;

#endif
