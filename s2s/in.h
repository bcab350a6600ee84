/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * in - a stream that another server opens: STARTTLS or direct TLS, SASL EXTERNAL by its certificate
 * (XEP-0178), dialback (XEP-0220, several pairs on one stream), XEP-0198, XEP-0288.
 */
#ifndef S2S_IN_H
#define S2S_IN_H

#include "s2s/s2s.h"

/* A new connection; takes c. */
void in_accept(struct s2s *s, struct conn *c, bool direct_tls);
/* system-shutdown to all. */
void in_close_all(struct s2s *s);
/* Those that are authenticated for that domain: `s2s close`. Returns how many. */
size_t in_close_domain(struct s2s *s, struct span domain);
/* Those that the rules, as a reload has made them, would not have let come this far: ended. */
void in_enforce(struct s2s *s);
/* One line for each into out, four words separated by tabs: the peer's address, the pairs that it
 * is authenticated for ("LOCAL<REMOTE, …"), its state, and the rest (TLS, by what it was proved,
 * counts); for `s2s list`. */
void in_list(const struct s2s *s, struct buf *out);

/* For the pair whose output it carries (XEP-0288): as out_begin. It carries one pair at most: the
 * first that was proved on it. */
struct buf *in_begin(struct in *in);
void in_end(struct in *in);
struct stream *in_stream(struct in *in);
/* The peer has asked for XEP-0198 before the stream was given to its pair: it acknowledges what we
 * write, too. */
bool in_has_acks(const struct in *in);
/* All that incoming stanzas have left in memory: at the end of the process. */
void in_free_addresses(struct s2s *s);

#endif
