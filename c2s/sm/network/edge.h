/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * edge - what the files of the edge share: edge.c decides, edge_wait.c keeps what must wait for a
 * look-up, edge_text.c rewrites addresses in XML.
 */
#ifndef C2S_SM_NETWORK_EDGE_H
#define C2S_SM_NETWORK_EDGE_H

#include "c2s/sm/network/network.h"

/* --- edge_wait.c --- */

/* Something waits to learn where that user is: whatever else is for him goes behind it. */
bool edge_is_waiting(const struct sm *sm, struct span localpart);
/* Keeps the stanza (and its completion) until that is known, or refuses it: too much waits. */
void edge_keep(struct sm_in *in, enum sm_direction direction);
/* The same until it is known whether its sender, who has that localpart, is at home where he says:
 * then it goes on with sm_in_from_link. */
void edge_keep_sender(struct sm_in *in, struct span localpart);
/* The same for sm_edge_address. */
void edge_keep_address(struct sm *sm, struct span localpart,
                       void (*write)(void *ctx, struct span domain), void (*release)(void *ctx),
                       void *ctx);

/* --- edge.c --- */

/* What becomes of a stanza whose recipient is there: true: it goes on, in->to is right. */
bool edge_settle(struct sm_in *in, const struct sm_home *home, struct sm_edge_scratch *scratch);
/* What becomes of one from another server's user, who is at home there: true: it goes on. */
bool edge_settle_sender(struct sm_in *in, const struct sm_home *home);
/* The domain to write to him in; none: nobody can be told. */
struct span edge_domain(const struct sm *sm, const struct sm_home *home);

/* --- edge_text.c --- */

struct edge_map {
    /* An address in that domain may have to be shown otherwise: quick, for each '@'. */
    bool (*concerns)(const void *ctx, struct span domain);
    /* The domain in which it is shown; none: as it is. */
    struct span (*domain_for)(const void *ctx, struct span local, struct span domain);
    const void *ctx;
};
/* In attributes that hold addresses, of the whole elements in text from there on: the domains are
 * replaced. scratch: of the caller, to build in. */
void edge_text_rewrite(struct buf *text, size_t from, const struct edge_map *map,
                       struct buf *scratch);

#endif
