/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * meter - what the network costs: questions between session managers, and what goes over the links
 * between servers. wraps.c calls.
 */
#include "rings.h"

struct meter meter;

void meter_clear(void)
{
    meter = (struct meter){0};
}

/* Elements at the top are not told from those inside them: nothing here carries a stanza in
 * another. */
static uint64_t count(struct span bytes, struct span mark)
{
    uint64_t n = 0;
    const char *at;
    while (bytes.n > mark.n && (at = memmem(bytes.p, bytes.n, mark.p, mark.n))) {
        bytes = span_from(bytes, (size_t)(at - bytes.p) + mark.n);
        n++;
    }
    return n;
}

void meter_link(struct span bytes)
{
    meter.bytes += bytes.n;
    meter.messages += count(bytes, SPAN("<message "));
    meter.presences += count(bytes, SPAN("<presence "));
    meter.iqs += count(bytes, SPAN("<iq "));
    meter.words += count(bytes, SPAN("<r ")) + count(bytes, SPAN("<a "));
}

void meter_question(bool is_set, struct span payload)
{
    if (span_starts(payload, SPAN("<homes")) && is_set)
        meter.sets++;
    else if (span_starts(payload, SPAN("<home ")))
        meter.gets++;
    else if (span_starts(payload, SPAN("<query")))
        meter.queries++;
    else
        meter.other_questions++;
}
