/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * swar - eight bytes at a time: for the inner loops of this room that look for a few byte values.
 *
 * The tests below mark a byte by its top bit. A borrow can only run upwards, so the lowest mark is
 * always exact; words are loaded with their first byte lowest.
 */
#ifndef XML_SWAR_H
#define XML_SWAR_H

#include "base/span.h"

#include <endian.h>

#define SWAR_ONES 0x0101010101010101u
#define SWAR_TOPS 0x8080808080808080u
#define SWAR_ALL(c) (SWAR_ONES * (unsigned char)(c))

static inline uint64_t swar_load(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return le64toh(word);
}

/* Marks the bytes that are those of pattern (a SWAR_ALL). */
static inline uint64_t swar_equal(uint64_t word, uint64_t pattern)
{
    uint64_t x = word ^ pattern;
    return (x - SWAR_ONES) & ~x & SWAR_TOPS;
}

/*
 * Marks the bytes that are a or b (both ASCII, given as SWAR_ALL), below 0x20 or above 0x7F.
 * Bytes above 0x7F are marked by their own top bit, which spares the others a mask.
 */
static inline uint64_t swar_notable(uint64_t word, uint64_t a, uint64_t b)
{
    uint64_t under = word - SWAR_ALL(0x20);
    return (((word ^ a) - SWAR_ONES) | ((word ^ b) - SWAR_ONES) | under | word) & SWAR_TOPS;
}

/* Index of the lowest marked byte; marks must not be 0. */
static inline size_t swar_first(uint64_t marks)
{
    return (size_t)__builtin_ctzll(marks) >> 3;
}

/* The first byte from p on that is a or b, or end. */
static inline const char *swar_find2(const char *p, const char *end, char a, char b)
{
    for (; end - p >= 8; p += 8) {
        uint64_t word = swar_load(p);
        uint64_t marks = swar_equal(word, SWAR_ALL(a)) | swar_equal(word, SWAR_ALL(b));
        if (marks)
            return p + swar_first(marks);
    }
    while (p < end && *p != a && *p != b)
        p++;
    return p;
}

/* The first byte from p on that is a, b, below 0x20 or above 0x7F; or end. */
static inline const char *swar_skip_plain(const char *p, const char *end, char a, char b)
{
    for (; end - p >= 8; p += 8) {
        uint64_t marks = swar_notable(swar_load(p), SWAR_ALL(a), SWAR_ALL(b));
        if (marks)
            return p + swar_first(marks);
    }
    while (p < end && *p != a && *p != b && *p >= 0x20 && (unsigned char)*p < 0x80)
        p++;
    return p;
}

#endif
