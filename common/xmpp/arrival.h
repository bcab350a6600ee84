/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * arrival - a stanza that another server has sent, before our router gets it: its addresses are
 * prepared, and what only a server of ours may say is taken out. For s2s and net.
 */
#ifndef XMPP_ARRIVAL_H
#define XMPP_ARRIVAL_H

#include "xml/stanza.h"
#include "xmpp/jid.h"

/* Whether a prepared domain is one that servers of ours speak for. */
typedef bool arrival_is_ours(const void *ctx, struct span domain);

/* from and to are those of s, parsed. */
void arrival_prepare(struct stanza *s, const struct jid *from, const struct jid *to,
                     arrival_is_ours *is_ours, const void *ctx);

#endif
