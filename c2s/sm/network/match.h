/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * match - the roster match: which addresses of a phone book are users of the network. What its
 * files share.
 *
 *   match.c       requests of our clients and of other members; what the store here says; answers
 *   match_ask.c   what the other members say, in rounds
 *   match_quota.c how many addresses an account may ask for
 *
 * An address is asked of at most the member that is its home, or said to be; else of one that is
 * its directory, which names the home; else of all. In a round each member is asked once, for all
 * addresses together: so the number of questions follows that of the members, not of the addresses.
 *
 * Whether somebody has blocked who asks is decided at his home, and looks as if he did not exist.
 * What a member says of its own users counts; what it says of others' homes is a hint whom to ask.
 */
#ifndef C2S_SM_NETWORK_MATCH_H
#define C2S_SM_NETWORK_MATCH_H

#include "c2s/sm/network/network.h"

#define MATCH_ROUNDS 4
#define MATCH_MAX 200      /* under way at once */
#define MATCH_MAX_OWN 5    /* of one account */
#define MATCH_ACCOUNTS 10000 /* whose quota is remembered */

struct match_name {
    struct span user; /* localpart */
    struct span home; /* where he is (is_user), or said to be; none: nobody has said */
    struct span not_at; /* that member is said to be his home, and denies it */
    bool is_user, is_settled;
    bool is_directory_asked, is_all_asked;
    int64_t stamp; /* of his record, when he is here; 0: none */
};

struct match {
    struct sm *sm;
    struct list_node node;      /* of sm_matches.all */
    struct sm_session *session; /* who asks; NULL: another member does */
    struct servers *servers;
    struct arena arena;
    struct span id, from, to; /* of the request */
    struct span asker;        /* bare; none: a member that names nobody */
    struct match_name *names;
    size_t count;
    size_t looked;   /* of them, in the store */
    bool is_complete; /* we know all of whom we are a directory of */
    unsigned round;
    struct list_node asks; /* questions of this round */
};

struct sm_matches {
    struct list_node all;
    size_t count;
    struct map quotas;          /* localpart -> struct quota */
    struct list_node quota_age; /* the one that has been used longest ago first */
};

struct sm_matches *sm_matches_of(struct sm *sm);

/* --- match.c --- */
void match_answer(struct match *m); /* to who has asked; frees it */

/* --- match_ask.c --- */
void match_ask_others(struct match *m); /* match_answer follows */
void match_ask_drop(struct match *m);

/* --- match_quota.c --- */
/* 0, or in how many ms it may ask for so many more. */
uint64_t match_quota_take(struct sm *sm, struct span user, size_t count);
void match_quota_free(struct sm_matches *all);

#endif
