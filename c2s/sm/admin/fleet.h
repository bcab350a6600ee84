/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fleet - the instances that share this host, and questions to all of them: each knows the users
 * whom it owns, and nobody else's.
 *
 * Each writes its name into the store when its link comes up. A question goes to all of these in
 * envelopes; who is gone is found out by the envelope that comes back, and forgotten.
 *
 *   <ask id question number>text</ask>  ->       <- <answer id count>names</answer>
 */
#ifndef C2S_SM_FLEET_H
#define C2S_SM_FLEET_H

#include "c2s/sm/sm_private.h"

/* What has been found: by one instance, then by all. */
struct sm_tally {
    uint64_t count;
    struct buf names; /* each ended by LF: as many as were asked for and have room */
    size_t silent;    /* instances that did not answer in time */
};

/* The first line of text, and its LF, taken off. */
static inline struct span sm_line_take(struct span *text)
{
    const size_t n = span_index(*text, '\n');
    const struct span line = span_make(text->p, n);

    *text = span_from(*text, n < text->n ? n + 1 : n);
    return line;
}

#define SM_TALLY_BYTES (100u << 10) /* of the names of one instance */

struct sm_fleet_question {
    struct span word;
    void (*answer)(struct sm *sm, struct span text, uint64_t number, struct sm_tally *tally);
};
extern const struct sm_fleet_question sm_fleet_questions[]; /* census.c */
extern const size_t sm_fleet_question_count;

/* then comes once, later, perhaps after sm_free: tally NULL when it could not be asked at all
 * (too much at once). The text holds no control characters but LF. */
void sm_fleet_ask(struct sm *sm, const char *word, struct span text, uint64_t number,
                  void (*then)(void *ctx, const struct sm_tally *tally), void *ctx);

void sm_fleet_on_up(struct sm *sm);
/* Words of envelope.c. */
void sm_fleet_on_ask(struct sm *sm, struct span from, struct stanza *e, uint32_t node);
void sm_fleet_on_answer(struct sm *sm, struct span from, struct stanza *e, uint32_t node);
/* Our question has come back: that instance is no more. */
void sm_fleet_on_returned(struct sm *sm, struct span from, struct stanza *e, uint32_t node);
void sm_fleet_close(struct sm *sm); /* for sm_free */

#endif
