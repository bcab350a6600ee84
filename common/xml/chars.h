/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * chars - which bytes are characters (XML 1.0 section 2.2, UTF-8), for the framer: private to it.
 */
#ifndef XML_CHARS_H
#define XML_CHARS_H

#include "xml/framer.h"
#include "xml/swar.h"

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

/*
 * Runs over characters up to the first a or b, which it does not take. Stops early at the end of
 * what there is, and with a fault at what is no character.
 */
static inline const char *skip_chars(struct framer *f, const char *p, const char *stop, char a,
                                     char b)
{
    for (;;) {
        p = swar_skip_plain(p, stop, a, b);
        if (p == stop || *p == a || *p == b)
            return p;
        if (is_high(*p)) {
            p = utf8_run(f, p, stop);
            if (f->fault)
                return p;
        } else if (is_space(*p)) {
            p++;
        } else {
            f->fault = XML_NOT_WELL_FORMED;
            return p;
        }
    }
}

#endif
