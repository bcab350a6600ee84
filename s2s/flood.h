/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * flood - how many stanzas one domain elsewhere may send to one user: token buckets in a bounded
 * table.
 */
#ifndef S2S_FLOOD_H
#define S2S_FLOOD_H

#include "s2s/s2s.h"

enum flood_kind { FLOOD_PRESENCE, FLOOD_MESSAGE };

/* Whether one more from remote to that bare address is within the limits. */
bool flood_admits(struct s2s *s, enum flood_kind kind, struct span remote, struct span to);
void flood_free(struct s2s *s);

#endif
