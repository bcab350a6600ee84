/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * filter - what the files of the filter share: a component that is asked about stanzas before they
 * go on (c2s/FILTER.md has the words).
 *
 * filter.c looks at stanzas and asks; filter_answer.c reads what is answered, filter_drop.c tells
 * the sender; filter_queue.c keeps what waits. A stanza that waits is an entry of a lane, and lanes
 * keep the order: each session has one for all that it sends (session->filter_lane), and each pair
 * of a sender and an account of ours one for what comes (filter->lanes). Whatever follows a stanza
 * that waits goes behind it, asked about or not. An entry leaves its lane when it is the first and
 * decided.
 *
 * Who owns what: struct sm its filter (NULL: none is set), that its lanes, a lane its entries; an
 * entry holds the sender's session, and the account that it is for.
 */
#ifndef C2S_SM_FILTER_H
#define C2S_SM_FILTER_H

#include "c2s/sm/sm_private.h"

#define NS_FILTER "http://kontalk.org/extensions/filter"

/* Why there was no verdict. */
enum filter_cause {
    FILTER_LATE,    /* no answer by the deadline */
    FILTER_REFUSED, /* it has answered with an error: its own, or the router's */
    FILTER_BAD,     /* with something that is no verdict, or changed what must stay */
    FILTER_AWAY,    /* it, or the router, is not there */
    FILTER_FULL,    /* too much waits already */
    FILTER_BIG,     /* the stanza is too big to be sent to and fro */
    FILTER_CAUSES,
};

enum filter_verdict {
    FILTER_ASKED, /* none yet */
    FILTER_PASS,  /* goes on as it is by now */
    FILTER_DROP,
};

struct filter_lane {
    struct list_node node; /* of filter->all */
    struct sm_filter *filter;
    struct list_node entries;
    size_t count, bytes;
    struct sm_session *session; /* whose it is, of what is sent; else NULL */
    bool is_releasing;
    struct span key; /* in filter->lanes; none for a session's */
    char text[];
};

struct filter_entry {
    struct list_node node; /* of its lane */
    struct filter_lane *lane;
    struct sm_session *session; /* as of struct sm_in; held */
    struct sm_user *user;       /* the account that it is for, if anything is known of it; held */
    struct stanza stanza;
    struct buf to; /* in->to, or empty */
    struct link_done done;
    int64_t sent_id;
    unsigned filtered;
    bool is_from_link, is_by_network;
    enum filter_verdict verdict;
    enum stanza_error error; /* of FILTER_DROP; NONE: without a word */
    const char *reason;      /* or NULL; a literal, or in the stanza's arena */
    struct timer deadline;
    size_t bytes;
    char id[40]; /* of the question; empty: none is open */
};

struct sm_filter {
    struct sm *sm;
    struct sm_filter_opts opts;
    struct buf component; /* opts.component */
    struct map questions; /* id -> entry */
    struct map lanes;     /* of pairs */
    struct list_node all; /* lanes */
    size_t count, bytes;
    struct buf text;           /* scratch: a stanza being written */
    struct stanza replacement; /* for an answer that is not let through */
    char salt[17];             /* of the ids */
    uint64_t serial;
    uint64_t failures[FILTER_CAUSES]; /* not logged yet */
    struct timer report;
};

/* --- filter.c --- */
/* No verdict has come: counts it, and decides by the configuration. */
void filter_fail(struct sm_filter *f, struct filter_entry *e, enum filter_cause cause);

/* --- filter_drop.c --- */
/* It is not let through: the sender gets the error (NONE: nothing, if that can be). True: something
 * goes on in its place. */
bool filter_drop(struct sm_filter *f, struct sm_in *in, enum sm_direction direction,
                 enum stanza_error e, const char *reason);

/* --- filter_answer.c --- */
void filter_read_answer(struct sm_filter *f, struct filter_entry *e, struct stanza *answer);

/* --- filter_queue.c --- */
/* NULL: nothing waits there. */
struct filter_lane *filter_lane_find(struct sm_filter *f, const struct sm_in *in,
                                     enum sm_direction direction);
/* Whether it may wait, too. */
bool filter_has_room(const struct sm_filter *f, const struct filter_lane *lane,
                     const struct stanza *s);
/* A copy at the end of the lane (NULL: it is made), undecided; takes the completion. */
struct filter_entry *filter_keep(struct sm_filter *f, struct filter_lane *lane, struct sm_in *in,
                                 enum sm_direction direction);
/* There are no questions about it any more. */
void filter_close_question(struct filter_entry *e);
/* Counts what its stanza takes by now. */
void filter_weigh(struct filter_entry *e);
/* Those at the front that are decided leave; the lane may be gone afterwards. */
void filter_release(struct filter_lane *lane);
/* All of it is decided, as failed if need be, and leaves. */
void filter_flush(struct filter_lane *lane, enum filter_cause cause);
/* All that waits; is_off: there is no filter any more, everything passes. */
void filter_flush_all(struct sm_filter *f, bool is_off);
void filter_forget_all(struct sm_filter *f); /* for sm_free: without a word */

#endif
