/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * targets - the order in which the SRV records of a domain are tried: by priority, and by chance
 * according to their weights within one (RFC 2782), those for TLS from the first byte and those for
 * STARTTLS together (XEP-0368 3).
 */
#ifndef DNS_TARGETS_H
#define DNS_TARGETS_H

#include "dns/resolve.h"
#include "dns/wire.h"

#define TARGETS_MAX 16

struct target {
    uint16_t priority, weight, port;
    bool is_direct; /* TLS from the first byte */
    bool is_secure; /* its record was validated */
    char name[DNS_NAME_MAX + 1];
};

struct targets {
    size_t count;
    struct target list[TARGETS_MAX];
    unsigned dropped; /* records that could not be used, or were too many */
    bool has_refusal; /* a record said that there is no such service: "." */
};

/* Takes the records of an answer (of RESOLVE_FOUND) in; when there are too many, those of the worst
 * priority are dropped. */
void targets_add(struct targets *t, const struct resolve_answer *a, bool is_direct);
/* Puts them in order. Chance is a function of seed. */
void targets_order(struct targets *t, uint64_t seed);

#endif
