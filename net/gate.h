/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gate - what a peer may say: it speaks for its own host and the names below it, to ours; what only
 * our own servers may add is taken out; relayed stanzas are of somebody outside of the network.
 */
#ifndef NET_GATE_H
#define NET_GATE_H

#include "net/peer.h"

/* A stanza of the peer, for the router. Takes done. False: the stream has been ended: from is not
 * the peer's (invalid-from), no from or to (improper-addressing), to is not ours (host-unknown). */
bool gate_stanza(struct peer *p, struct stream *s, struct stanza *stanza, struct link_done done);
/* <relay/>: its one child, from outside of the network (or a name below the peer's host), to
 * user@NETWORK. Takes done. False as above. */
bool gate_relay(struct peer *p, struct stream *s, struct stanza *relay, struct link_done done);

#endif
