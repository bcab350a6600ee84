/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * chars - UTF-8 as a strict automaton: no overlong form, surrogate, value above U+10FFFF, U+FFFE or
 * U+FFFF. Called by the framer; a sequence that a chunk cuts goes on in the next.
 */
#include "xml/chars.h"

/* One byte of a sequence of several; false when it cannot stand there. */
static bool utf8_step(struct framer *f, unsigned char c)
{
    if (f->utf8_left == 0) {
        if (c < 0xC2 || c > 0xF4)
            return false;
        f->utf8_left = c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
        f->code_point = c & (0x3Fu >> f->utf8_left);
        f->utf8_state = c; /* narrows the next byte */
        return true;
    }
    unsigned char low = 0x80, high = 0xBF;
    switch (f->utf8_state) {
    case 0xE0:
        low = 0xA0; /* below: overlong */
        break;
    case 0xED:
        high = 0x9F; /* above: surrogates */
        break;
    case 0xF0:
        low = 0x90;
        break;
    case 0xF4:
        high = 0x8F; /* above: beyond U+10FFFF */
        break;
    }
    if (c < low || c > high)
        return false;
    f->utf8_state = 0;
    f->code_point = f->code_point << 6 | (c & 0x3F);
    return --f->utf8_left > 0 || (f->code_point != 0xFFFE && f->code_point != 0xFFFF);
}

/* Length of the whole and plainly valid sequence at p, 0 when it needs a closer look. */
static size_t utf8_easy(const char *at)
{
    const unsigned char *p = (const unsigned char *)at;
    if ((p[1] & 0xC0) != 0x80)
        return 0;
    if (p[0] >= 0xC2 && p[0] <= 0xDF)
        return 2;
    if (p[0] > 0xE0 && p[0] < 0xEF && p[0] != 0xED && (p[2] & 0xC0) == 0x80)
        return 3;
    return 0;
}

const char *utf8_run(struct framer *f, const char *p, const char *stop)
{
    while (p < stop && (is_high(*p) || f->utf8_left)) {
        size_t n = f->utf8_left == 0 && stop - p >= 3 ? utf8_easy(p) : 0;
        if (n) {
            p += n;
            continue;
        }
        if (!utf8_step(f, (unsigned char)*p)) {
            f->fault = XML_NOT_WELL_FORMED;
            return p;
        }
        p++;
    }
    return p;
}

const char *skip_odd_chars(struct framer *f, const char *p, const char *stop, char a, char b)
{
    for (;;) {
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
        p = lanes_skip_plain(p, stop, a, b);
        if (p == stop || *p == a || *p == b)
            return p;
    }
}

bool utf8_check(struct span s)
{
    struct framer f = {.fault = XML_OK};
    const char *p = s.p, *end = s.p + s.n;
    while (p < end && !f.fault) {
        p = skip_chars(&f, p, end, '\n', '\n');
        if (p < end && !f.fault)
            p++;
    }
    return !f.fault && f.utf8_left == 0;
}
