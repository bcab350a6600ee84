/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * text - what a line of a play means: its escapes, and how what was heard is compared with it.
 *
 *   \n \t \r \s \\    line feed, tab, return, space, backslash
 *   \xHH              one byte
 *   \*N{TEXT}         TEXT N times
 *   \#                inside of one: the number of the round, from 0
 *   \b{TEXT}          TEXT in base64
 */
#ifndef TEST_TEXT_H
#define TEST_TEXT_H

#include "base/buf.h"

void text_expand(struct buf *out, struct span text);
/* How many bytes of heard the pattern covers, or -1. "..." is the shortest run that fits. */
long text_match(struct span heard, struct span pattern);

#endif
