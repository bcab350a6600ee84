/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gate - what a peer may say: it speaks for its own host and the names below it, to ours; what only
 * our own servers may add is taken out; relayed stanzas are of somebody outside of the network.
 */
#ifndef NET_GATE_H
#define NET_GATE_H

#include "net/peer.h"

/* A stanza of the peer, for the router, with its next completion (peer_next_done). False: it counts
 * for nothing, and the stream has been ended: from is not the peer's (invalid-from), no from or to
 * (improper-addressing), to is not ours (host-unknown). */
bool gate_stanza(struct peer *p, struct stream *s, struct stanza *stanza);
/* <relay/>: its one child, from outside of the network (or a name below the peer's host), to
 * user@NETWORK. False as above, and (resource-constraint) when the router can take neither it nor
 * an answer to its sender: then the peer keeps it. */
bool gate_relay(struct peer *p, struct stream *s, struct stanza *relay);
void gate_free(void); /* what it keeps for its next stanzas: at the end of a process */

#endif
