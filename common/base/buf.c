/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * buf - growable bytes: the paths that are not inlined. Growing doubles, so that appending is
 * amortised constant; consumed room at the front is reused before memory is asked for.
 */
#include "base/buf.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_MIN_CAP 256

char *buf_grow(struct buf *b, size_t n)
{
    size_t len = buf_len(b);

    if (n > SIZE_MAX / 4 - len)
        return NULL;
    if (b->max && len + n > b->max)
        return NULL;
    /* Sliding pays when at least half is free: then each byte moves at most once per byte read. */
    if (b->head && len + n <= b->cap && len <= b->cap / 2) {
        memmove(b->p, b->p + b->head, len);
        b->head = 0;
        b->tail = len;
        return b->p + len;
    }
    size_t cap = b->cap ? b->cap : BUF_MIN_CAP;
    while (cap < len + n)
        cap *= 2;
    if (cap == b->cap)
        cap *= 2; /* it would fit, but only by sliding too much too often */
    char *p = mem_alloc(cap);
    if (len)
        memcpy(p, b->p + b->head, len);
    free(b->p);
    b->p = p;
    b->cap = cap;
    b->head = 0;
    b->tail = len;
    return p + len;
}

bool buf_append_z(struct buf *b, const char *z)
{
    return buf_append(b, span_of(z));
}

bool buf_append_u64(struct buf *b, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    return buf_append(b, span_make(digits + at, sizeof(digits) - at));
}

bool buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    char small[256];

    va_start(args, format);
    int n = vsnprintf(small, sizeof(small), format, args);
    va_end(args);
    if (n < 0)
        return false;
    if ((size_t)n < sizeof(small))
        return buf_append(b, span_make(small, (size_t)n));
    /* One more byte for vsnprintf's NUL, which is not content and may exceed the cap. */
    if (b->max && buf_len(b) + (size_t)n > b->max)
        return false;
    char *large = mem_alloc((size_t)n + 1);
    va_start(args, format);
    vsnprintf(large, (size_t)n + 1, format, args);
    va_end(args);
    bool fits = buf_append(b, span_make(large, (size_t)n));
    mem_wipe(large, (size_t)n);
    free(large);
    return fits;
}

void buf_consume(struct buf *b, size_t n)
{
    b->head += n;
    if (b->head >= b->tail)
        b->head = b->tail = 0;
}

const char *buf_z(struct buf *b)
{
    if (b->tail == b->cap) {
        size_t max = b->max;
        b->max = 0; /* the NUL is not content */
        buf_grow(b, 1);
        b->max = max;
    }
    b->p[b->tail] = '\0';
    return b->p + b->head;
}

void buf_free(struct buf *b)
{
    free(b->p);
    b->p = NULL;
    b->head = b->tail = b->cap = 0;
}

void buf_wipe(struct buf *b)
{
    mem_wipe(b->p, b->cap);
    buf_free(b);
}
