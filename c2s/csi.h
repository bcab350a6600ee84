/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * csi - what is held back from a client that nobody is looking at: XEP-0352, and clients that are
 * away (hibernating).
 *
 * Of each address the latest presence is held; messages that say nothing but chat states are
 * dropped; before anything else, what is held goes out, in its order.
 */
#ifndef C2S_CSI_H
#define C2S_CSI_H

#include "base/span.h"

struct csi;
struct seat;
struct stanza;
struct stream;

/* Handlers of the client's rules. */
void csi_on_inactive(struct stream *s, struct stanza *stanza);
void csi_on_active(struct stream *s, struct stanza *stanza);

/* From now on, until csi_end, stanzas for the seat go through csi_put. */
void csi_begin(struct seat *seat);
void csi_put(struct seat *seat, struct span stanza);
/* What is held goes out (seat_emit). */
void csi_flush(struct seat *seat);
void csi_end(struct seat *seat);
/* Without a word. */
void csi_free(struct csi **csi);
size_t csi_bytes(const struct csi *csi);

#endif
