/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wire - the stream of a link to another server: TLS 1.3 from the first byte, both sides prove
 * their OpenPGP keys (xmpp/server_key.h), then one bidirectional stream with XEP-0198. PROTOCOL.md
 * has the words.
 */
#ifndef NET_WIRE_H
#define NET_WIRE_H

#include "net/peer.h"

/* A new connection from somebody; takes c. */
void wire_accept(struct net *n, struct conn *c);
/* Dials the peer; peer_take or peer_lost follows. */
struct wire *wire_dial(struct peer *p);
/* Ends it: e NONE closes in order. peer_lost follows, unless the peer has let go of it. */
void wire_close(struct wire *w, enum stream_error e, const char *text);
/* The same, and it is over for the peer at once: peer_lost comes in it. */
void wire_cut(struct wire *w, enum stream_error e, const char *why);
/* The peer is no more, or has another: what is left of the stream ends by itself. */
void wire_abandon(struct wire *w);
/* We have opened it. */
bool wire_is_ours(const struct wire *w);
/* Writes a stanza or one of our words to it: NULL while it cannot take more. */
struct buf *wire_begin(struct wire *w);
/* is_counted: a stanza of XEP-0198; an acknowledgement is asked for by and by. */
void wire_end(struct wire *w, bool is_counted);
/* <route name state/>: a name of ours has come or gone. */
void wire_tell_name(struct wire *w, struct span name, bool is_up);
/* What the peer has not acknowledged is asked for a last time; false: nothing to wait for. */
bool wire_ask_last(struct wire *w);
/* Ours, and it has said its header: it may be the other side's choice by now. */
bool wire_has_spoken(const struct wire *w);
/* It has ended for the sake of another: that is no failure. */
bool wire_is_outdone(const struct wire *w);
/* There is another, or will be: it ends with conflict, and its peer has let go of it. */
void wire_outdo(struct wire *w);
/* What is proved to be this peer's, or dialled for it, ends: it is not in the table as it was. */
void wires_drop(struct net *n, struct peer *p, const char *why);
/* The router has taken more of what has come over it. */
void wire_on_handled(struct wire *w);
/* For `net list`: "peer address", TLS, whose it is. */
void wire_describe(const struct wire *w, struct buf *out);
void wires_close_all(struct net *n);        /* those that are nobody's, too */
void wires_abort_all(struct net *n);        /* those that have not ended in time; they end soon */

#endif
