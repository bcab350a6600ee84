/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * jid_prep - the slow path of jid.c: parts that are not plain ASCII in their final form. Text is 1
 * to JID_PART_MAX bytes of anything; the result is in out (JID_PART_MAX bytes), never a view of
 * text. False: it cannot be such a part.
 */
#ifndef XMPP_JID_PREP_H
#define XMPP_JID_PREP_H

#include "xmpp/jid.h"

#define JID_LABEL_MAX 63 /* octets of a domain's label in its ASCII form */

bool jid_prep_local_slow(struct span text, char *out, struct span *part_r);
bool jid_prep_domain_slow(struct span text, char *out, struct span *part_r);
bool jid_prep_resource_slow(struct span text, char *out, struct span *part_r);

#endif
