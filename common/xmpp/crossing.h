/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * crossing - a stanza of another server on its way to our router: enough of it is kept to tell its
 * sender when it has not got there. Of the edges that such stanzas come in by, in s2s and net.
 *
 * The sender is another server's: what he is told goes by the queue for that server, so its owner
 * sends it. In the steady state nothing is allocated for a stanza (crossings are recycled).
 */
#ifndef XMPP_CROSSING_H
#define XMPP_CROSSING_H

#include "xmpp/error.h"
#include "xmpp/link.h"

/* Has the error (in jabber:server, valid during the call) sent to its to. */
typedef void crossing_answer(void *ctx, const struct stanza *error, enum stanza_error e);

/*
 * crossing_begin - the completion for the router's link. from and to are prepared. When it comes,
 * done gets the same; before that, if the router could not take the stanza, answer(ctx) is called
 * with resource-constraint, if the stanza is of a kind that is answered. done.call may be NULL.
 */
struct link_done crossing_begin(const struct stanza *s, struct span from, struct span to,
                                struct link_done done, crossing_answer *answer, void *ctx);
/* The answer to one that does not cross at all; nothing, if it is of a kind that gets none. from
 * and to are those of the answer. */
void crossing_refuse(const struct stanza *s, struct span from, struct span to, enum stanza_error e,
                     crossing_answer *answer, void *ctx);
/* Releases the recycled ones: at the end of a process. */
void crossing_free_spare(void);

#endif
