/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * intern - remembers, during one parse, which namespace has been copied into the arena already.
 *
 * The XML library interns namespace names, so their addresses identify them. Without this a long
 * name declared once and used by every element would be copied thousands of times.
 */
#ifndef XML_INTERN_H
#define XML_INTERN_H

#include "base/arena.h"

struct intern_slot {
    const void *key;
    uint32_t round; /* the slot is empty when it is not of this round */
    struct span copy;
};

struct intern {
    struct intern_slot *slots;
    uint32_t capacity, count, round;
};

/* Forgets everything; a zeroed struct is empty, too. */
void intern_reset(struct intern *t);
void intern_free(struct intern *t);
/* The arena's copy of the NUL-terminated z, made at the first call with this address. */
struct span intern_get(struct intern *t, struct arena *a, const char *z);

#endif
