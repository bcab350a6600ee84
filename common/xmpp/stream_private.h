/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stream_private - what stream.c (input) and stream_out.c (output, end) share.
 */
#ifndef XMPP_STREAM_PRIVATE_H
#define XMPP_STREAM_PRIVATE_H

#include "xmpp/stream.h"

/* Ends the stream with the error that belongs to an XML fault. */
void stream_fault(struct stream *s, enum xml_fault fault);
/* The peer has sent its end tag, or its end. */
void stream_peer_closed(struct stream *s);

#endif
