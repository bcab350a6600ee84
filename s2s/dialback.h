/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dialback - keys (XEP-0185) and words (XEP-0220) of server dialback.
 */
#ifndef S2S_DIALBACK_H
#define S2S_DIALBACK_H

#include "s2s/s2s.h"

#define DIALBACK_KEY_LEN 64
#define NS_DIALBACK "jabber:server:dialback"
#define NS_DIALBACK_FEATURE "urn:xmpp:features:dialback"

/* The key that local shows to remote on the stream of that id. */
void dialback_key(const struct s2s *s, struct span remote, struct span local, struct span stream_id,
                  char key_r[DIALBACK_KEY_LEN + 1]);
/* In constant time. */
bool dialback_is_key(const struct s2s *s, struct span remote, struct span local,
                     struct span stream_id, struct span key);
/* <db:result/> and <db:verify/>; type none: a request, with the key. */
void dialback_write_result(struct buf *out, struct span from, struct span to, struct span type,
                           struct span key);
void dialback_write_verify(struct buf *out, struct span from, struct span to, struct span id,
                           struct span type, struct span key);
/* type='error' with that condition (XEP-0220 2.4); name: "result" or "verify". */
void dialback_write_error(struct buf *out, const char *name, struct span from, struct span to,
                          struct span id, enum stanza_error e);

#endif
