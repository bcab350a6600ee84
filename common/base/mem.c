/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mem - allocation that aborts when there is no memory. Every size that a peer drives is capped
 * by the caller, so that running out is never a peer's doing.
 */
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static _Noreturn void out_of_memory(size_t n)
{
    fprintf(stderr, "out of memory: %zu bytes wanted\n", n);
    abort();
}

void *mem_alloc(size_t n)
{
    void *p = malloc(n ? n : 1);
    if (!p)
        out_of_memory(n);
    return p;
}

void *mem_zalloc(size_t n)
{
    void *p = calloc(1, n ? n : 1);
    if (!p)
        out_of_memory(n);
    return p;
}

void *mem_realloc(void *p, size_t n)
{
    void *q = realloc(p, n ? n : 1);
    if (!q)
        out_of_memory(n);
    return q;
}

char *mem_strndup(const char *p, size_t n)
{
    char *z = mem_alloc(n + 1);
    if (n)
        memcpy(z, p, n);
    z[n] = '\0';
    return z;
}

char *mem_strdup_span(struct span s)
{
    return mem_strndup(s.p, s.n);
}

void mem_wipe(void *p, size_t n)
{
    if (n)
        explicit_bzero(p, n);
}
