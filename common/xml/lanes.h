/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lanes - sixteen bytes at a time: for the inner loops of this room that look for a few byte values
 * in text. Each is inlined for its values; the few bytes before an end go one by one.
 *
 * The compiler's vectors, on any processor; where there is SSE2, one instruction gathers the marks.
 */
#ifndef XML_LANES_H
#define XML_LANES_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define LANES 16
#define LANES_INLINE static inline __attribute__((always_inline))

typedef unsigned char lanes __attribute__((vector_size(LANES)));
typedef signed char lane_marks __attribute__((vector_size(LANES))); /* 0 or -1 */

LANES_INLINE lanes lanes_load(const char *p)
{
    lanes v;
    memcpy(&v, p, sizeof(v));
    return v;
}

LANES_INLINE lanes lanes_all(unsigned char c)
{
    return (lanes){0} + c;
}

/* Marks what is below 0x20 or above 0x7F. */
LANES_INLINE lane_marks lanes_odd(lanes v)
{
    return (lane_marks)v < (lane_marks)lanes_all(0x20);
}

/* One bit a mark, that of the first byte lowest. */
LANES_INLINE unsigned lanes_bits(lane_marks m)
{
#ifdef __SSE2__
    return (unsigned)_mm_movemask_epi8((__m128i)m);
#else
    uint64_t half[2];
    memcpy(half, &m, sizeof(half));
    for (int i = 0; i < 2; i++)
        half[i] = ((le64toh(half[i]) & 0x8080808080808080u) >> 7) * 0x0102040810204080u >> 56;
    return (unsigned)(half[0] | half[1] << 8);
#endif
}

LANES_INLINE size_t lanes_first(unsigned bits)
{
    return (size_t)__builtin_ctz(bits);
}

/* A copy that is short nearly always: two moves that may overlap are cheaper than a call. */
LANES_INLINE void bytes_copy(char *to, const char *p, size_t n)
{
    if (n >= 4 && n <= 8) {
        uint32_t first, last;
        memcpy(&first, p, 4);
        memcpy(&last, p + n - 4, 4);
        memcpy(to, &first, 4);
        memcpy(to + n - 4, &last, 4);
    } else if (n < 4) {
        for (size_t i = 0; i < n; i++)
            to[i] = p[i];
    } else {
        memcpy(to, p, n);
    }
}

/* --- runs --- each stops at the first byte that it looks for, or at end */

/* What lanes_... below do, byte by byte: for what is shorter than LANES. */
const char *bytes_find2(const char *p, const char *end, char a, char b);
const char *bytes_skip_plain(const char *p, const char *end, char a, char b);
const char *bytes_skip_names(const char *p, const char *end);

/* a or b. */
LANES_INLINE const char *lanes_find2(const char *p, const char *end, char a, char b)
{
    for (; end - p >= LANES; p += LANES) {
        lanes v = lanes_load(p);
        unsigned bits =
            lanes_bits((v == lanes_all((unsigned char)a)) | (v == lanes_all((unsigned char)b)));
        if (bits)
            return p + lanes_first(bits);
    }
    return bytes_find2(p, end, a, b);
}

/* a, b, below 0x20 or above 0x7F. */
LANES_INLINE const char *lanes_skip_plain(const char *p, const char *end, char a, char b)
{
    for (; end - p >= LANES; p += LANES) {
        lanes v = lanes_load(p);
        unsigned bits = lanes_bits((v == lanes_all((unsigned char)a)) |
                                   (v == lanes_all((unsigned char)b)) | lanes_odd(v));
        if (bits)
            return p + lanes_first(bits);
    }
    return bytes_skip_plain(p, end, a, b);
}

/* What in a tag is no part of names and what lies between: quotes, '/', '<', '>', below 0x20 or
 * above 0x7F. */
LANES_INLINE unsigned lanes_tag_marks(const char *p)
{
    lanes v = lanes_load(p);
    return lanes_bits((v == lanes_all('"')) | (v == lanes_all('\'')) | (v == lanes_all('/')) |
                      ((v | lanes_all(0x02)) == lanes_all('>')) | /* or '<' */
                      lanes_odd(v));
}

/* The first of these; what lies between begin and p can be read, too, and is not looked at. */
LANES_INLINE const char *lanes_skip_names(const char *begin, const char *p, const char *end)
{
    for (; end - p >= LANES; p += LANES) {
        unsigned bits = lanes_tag_marks(p);
        if (bits)
            return p + lanes_first(bits);
    }
    if (end - begin < LANES)
        return bytes_skip_names(p, end);
    unsigned bits = lanes_tag_marks(end - LANES) >> (LANES - (end - p));
    return bits ? p + lanes_first(bits) : end;
}

#endif
