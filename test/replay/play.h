/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * play - what the files of the play runner share: a play under way, and its simplest acts. Each act
 * answers whether the play goes on; if not, it has said why.
 */
#ifndef TEST_PLAY_H
#define TEST_PLAY_H

#include "stage.h"

struct play {
    struct stage *stage; /* NULL until the first line that needs it */
    size_t chunk;
    struct buf c2s, router; /* settings */
    struct actor *witness;  /* NULL: none */
    char why[2048];         /* it failed; empty: not yet */
};

bool play_fail(struct play *p, const char *what, struct span wanted, struct span heard);
bool play_hears(struct play *p, struct actor *a, struct span text);
void play_says(struct actor *a, struct span text);
void play_opens(struct actor *a, struct span domain); /* empty: the host */
/* PLAIN with the stage's password, and the header after it. */
bool play_authenticates(struct play *p, struct actor *a, struct span user, struct span domain);
bool play_binds(struct play *p, struct actor *a, struct span resource);
/* Takes words, and the blank behind them, off the line if it begins with them. */
bool play_take_words(struct span *line, struct span words);

/* managed.c: asks for resumption; comes back with so many stanzas handled, and hears nothing yet */
bool managed_begin(struct play *p, struct actor *a);
bool managed_resume(struct play *p, struct actor *a, struct span h, size_t number);

/* trial.c: "WHERE: TEXT => OUTCOME" */
bool trial_run(struct play *p, struct span line);
/* bounce.c: "N: A and B: TEXT" */
bool bounce_run(struct play *p, struct span line);

#endif
