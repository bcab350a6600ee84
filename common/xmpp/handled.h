/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * handled - which of the stanzas that a stream has brought are in safe hands, counted in the order
 * of their arrival. Of all the stream daemons whose peers speak XEP-0198.
 *
 * Completions may come in any order and much later; h, the number that XEP-0198 acknowledges,
 * passes a stanza only when it and all before it are done. Nothing is allocated for a stanza in
 * the steady state (tokens are recycled).
 */
#ifndef XMPP_HANDLED_H
#define XMPP_HANDLED_H

#include "xmpp/link.h"

struct handled_token;

struct handled {
    uint32_t h;       /* modulo 2^32, as in XEP-0198 */
    uint32_t given;   /* how many there have been: h when all are done */
    uint32_t before;  /* of those before the count began, not yet done; h is behind 0 by them */
    uint32_t waiting; /* tokens given out and not yet done */
    struct handled_token *first, *last;
    /* Called after h has risen, or the last token came back; may free the owner. */
    void (*on_change)(void *ctx);
    void *ctx;
};

void handled_init(struct handled *h, void (*on_change)(void *ctx), void *ctx);
/* The completion of the next stanza: to be called exactly once. */
struct link_done handled_next(struct handled *h);
/* Counts from zero: what is under way already does not count. */
void handled_restart(struct handled *h);
/* What to acknowledge. */
static inline uint32_t handled_count(const struct handled *h)
{
    return h->before > 0 ? 0 : h->h;
}
/* True while completions are owed: the owner's memory must stay. */
static inline bool handled_is_waiting(const struct handled *h)
{
    return h->waiting > 0;
}
/* Releases the recycled tokens: at the end of a process. */
void handled_free_tokens(void);

#endif
