/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * log_text - values made harmless for one line of text: for the log and for terminals.
 */
#ifndef BASE_LOG_TEXT_H
#define BASE_LOG_TEXT_H

#include "base/span.h"

/* Text in a fixed array; full: something did not fit, and nothing is added any more. */
struct log_text {
    char *p;
    size_t n, max;
    bool full;
};

/* As it is: for text of our own. */
void log_text_raw(struct log_text *t, struct span s);
/*
 * Bare when it consists of harmless ASCII, else in double quotes with everything escaped that
 * could end the line or the quotes, move a terminal's cursor or turn the direction of writing.
 * Only the first 512 bytes; then "..." follows.
 */
void log_text_value(struct log_text *t, struct span s);
/* The escaping alone, without quotes and without a limit. */
void log_text_escape(struct log_text *t, struct span s);

#endif
