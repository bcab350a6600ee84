/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * chars - which bytes are characters (XML 1.0 section 2.2, UTF-8), for the framer: private to it.
 */
#ifndef XML_CHARS_H
#define XML_CHARS_H

#include "xml/framer.h"
#include "xml/lanes.h"

static inline bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static inline bool is_high(char c)
{
    return (unsigned char)c >= 0x80;
}

/* Runs over bytes above 0x7F; at a bad one it stops and sets the fault. */
const char *utf8_run(struct framer *f, const char *p, const char *stop);

/* What a name may begin with, as far as a framer cares. */
static inline bool is_name_start(char c)
{
    return (unsigned)((c | 0x20) - 'a') < 26 || c == '_' || c == ':' || is_high(c);
}

/* As skip_chars, from what is neither plain nor a nor b. */
const char *skip_odd_chars(struct framer *f, const char *p, const char *stop, char a, char b);

/*
 * Runs over characters up to the first a or b, which it does not take. Stops early at the end of
 * what there is, and with a fault at what is no character.
 */
LANES_INLINE const char *skip_chars(struct framer *f, const char *p, const char *stop, char a,
                                    char b)
{
    p = lanes_skip_plain(p, stop, a, b);
    return p == stop || *p == a || *p == b ? p : skip_odd_chars(f, p, stop, a, b);
}

#endif
