/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mem - allocation that aborts when there is no memory, and wiping.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include "base/span.h"

void *mem_alloc(size_t n);                     /* uninitialised */
void *mem_zalloc(size_t n);                    /* zeroed */
void *mem_realloc(void *p, size_t n);
char *mem_strndup(const char *p, size_t n);    /* NUL-terminated copy */
char *mem_strdup_span(struct span s);          /* NUL-terminated copy */
void mem_wipe(void *p, size_t n);              /* not optimised away */

/* The struct that holds member, from a pointer to the member. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
