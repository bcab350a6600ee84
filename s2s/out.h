/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * out - a stream that we open to another server for one pair: dialled (dns/dial.h), TLS, then SASL
 * EXTERNAL (XEP-0178) or dialback (XEP-0220), XEP-0198 without resumption, XEP-0288 when offered.
 */
#ifndef S2S_OUT_H
#define S2S_OUT_H

#include "s2s/pair.h"

struct out *out_new(struct pair *p); /* starts to dial; pair_on_ready or pair_on_lost follows */
/* Ends it: e NONE closes in order. pair_on_lost follows unless the pair lets go of it first. */
void out_close(struct out *o, enum stream_error e, const char *text);
/* Whether the rules, as a reload has made them, would have let it come this far. */
bool out_is_allowed(const struct out *o);
/* The pair is no more: what is left of the stream ends by itself. */
void out_abandon(struct out *o);
/* Writes to the stream: NULL while it cannot take more (not authenticated, backlog over 4 MiB). */
struct buf *out_begin(struct out *o);
void out_end(struct out *o);
/* Questions may be asked now (features have come). */
bool out_can_ask(const struct out *o);
void out_ask(struct out *o, const struct pair_question *q); /* writes the <db:verify/> */
bool out_has_acks(const struct out *o);                     /* XEP-0198 is on */
const char *out_state_name(const struct out *o);
struct stream *out_stream(struct out *o); /* NULL while dialling */

#endif
