/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * span - a borrowed view of bytes: pointer and length, never NUL-terminated.
 *
 * Wire data is always a span. A span owns nothing; whoever hands one out says until when it is
 * valid. A span with p == NULL is "absent", a span with n == 0 is "empty": they differ.
 */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct span {
    const char *p;
    size_t n;
};

/* A span of a string literal, also usable in static initialisers. */
#define SPAN(lit) ((struct span){"" lit, sizeof(lit) - 1})
#define SPAN_INIT(lit) {"" lit, sizeof(lit) - 1}
#define SPAN_NONE ((struct span){NULL, 0})
/* For printf: "%.*s", SPAN_ARG(s) */
#define SPAN_ARG(s) (int)(s).n, (s).p ? (s).p : ""

static inline struct span span_of(const char *z)
{
    return (struct span){z, z ? strlen(z) : 0};
}

static inline struct span span_make(const char *p, size_t n)
{
    return (struct span){p, n};
}

static inline bool span_is_none(struct span s)
{
    return s.p == NULL;
}

static inline bool span_is_empty(struct span s)
{
    return s.n == 0;
}

static inline bool span_eq(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* The same, where both are mostly the same literal. */
static inline bool span_is(struct span a, struct span b)
{
    return a.n == b.n && (a.p == b.p || a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool span_eq_case(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

static inline bool span_starts(struct span s, struct span prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool span_ends(struct span s, struct span suffix)
{
    return s.n >= suffix.n &&
           (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

/* The bytes from offset on; offset must not exceed s.n. */
static inline struct span span_from(struct span s, size_t offset)
{
    return (struct span){s.p + offset, s.n - offset};
}

/* Index of the first c, or s.n when there is none. */
static inline size_t span_index(struct span s, char c)
{
    const char *hit = s.n ? memchr(s.p, c, s.n) : NULL;
    return hit ? (size_t)(hit - s.p) : s.n;
}

/* Unsigned decimal without sign or spaces; false when it is none or exceeds max. */
bool span_to_u64(struct span s, uint64_t max, uint64_t *value_r);

#endif
