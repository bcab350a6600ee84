/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * buf - growable bytes with an optional hard cap, consumed from the front.
 *
 * A zeroed struct is an empty buffer without a cap. The invariant is head <= tail <= cap; the
 * content is p[head..tail). Pointers into it are valid until the next call that appends or frees.
 * Out of memory aborts the process; every size that a peer drives is capped before it gets here.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/span.h"

struct buf {
    char *p;
    size_t head, tail, cap;
    size_t max; /* bytes of content at most; 0: no limit */
};

static inline size_t buf_len(const struct buf *b)
{
    return b->tail - b->head;
}

static inline struct span buf_span(const struct buf *b)
{
    return (struct span){b->p ? b->p + b->head : "", b->tail - b->head};
}

/* buf_grow - the slow path of buf_reserve; call buf_reserve. */
char *buf_grow(struct buf *b, size_t n);

/*
 * buf_reserve - room for n more bytes after the content; commit them with buf_commit.
 * Returns where to write, or NULL when the cap would be exceeded.
 */
static inline char *buf_reserve(struct buf *b, size_t n)
{
    if (b->cap - b->tail >= n && (b->max == 0 || buf_len(b) + n <= b->max))
        return b->p + b->tail;
    return buf_grow(b, n);
}

static inline void buf_commit(struct buf *b, size_t n)
{
    b->tail += n;
}

/* Appending returns false, and appends nothing, when the cap would be exceeded. */
static inline bool buf_append(struct buf *b, struct span s)
{
    char *to = s.n ? buf_reserve(b, s.n) : (char *)"";
    if (!to)
        return false;
    if (s.n) {
        memcpy(to, s.p, s.n);
        b->tail += s.n;
    }
    return true;
}

static inline bool buf_append_char(struct buf *b, char c)
{
    return buf_append(b, (struct span){&c, 1});
}

bool buf_append_z(struct buf *b, const char *z);
bool buf_append_u64(struct buf *b, uint64_t value);
bool buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Drops n bytes from the front; an emptied buffer starts again at its beginning. */
void buf_consume(struct buf *b, size_t n);
/* Empties it and keeps the memory. */
static inline void buf_clear(struct buf *b)
{
    b->head = b->tail = 0;
}
/* Only the first n bytes stay. */
static inline void buf_truncate(struct buf *b, size_t n)
{
    if (n < buf_len(b))
        b->tail = b->head + n;
}

/* Content becomes a NUL-terminated string (the NUL is not counted); valid as any other pointer. */
const char *buf_z(struct buf *b);
/* Releases the memory; the buffer is empty and usable afterwards, its cap kept. */
void buf_free(struct buf *b);
/* As buf_free, after overwriting the content: for secrets. */
void buf_wipe(struct buf *b);

#endif
