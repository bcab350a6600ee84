/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * inbound - stanzas that another server sends us: from and to must be what the stream has proved
 * (RFC 6120 4.9.3.10, 8.1), what only a server of ours may say is taken out, floods are slowed;
 * then the router gets them. For streams of both directions.
 */
#ifndef S2S_INBOUND_H
#define S2S_INBOUND_H

#include "s2s/s2s.h"

/* Whether the stream may speak for remote to local. */
typedef bool (*inbound_proof)(void *ctx, struct span local, struct span remote);

/* Takes done. False: the stream has been ended (invalid-from, improper-addressing, host-unknown).
 */
bool inbound_stanza(struct s2s *s, struct stream *stream, struct stanza *stanza,
                    inbound_proof proof, void *ctx, struct link_done done);

#endif
