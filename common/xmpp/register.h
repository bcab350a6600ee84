/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * register - in-band registration (XEP-0077): its query read, plain or as a data form, and the form
 * written. Called by whoever answers it before and after the login; nothing here allocates or
 * outlives the call.
 */
#ifndef XMPP_REGISTER_H
#define XMPP_REGISTER_H

#include "base/buf.h"
#include "xml/stanza.h"

#define NS_REGISTER "jabber:iq:register"
#define NS_REGISTER_FEATURE "http://jabber.org/features/iq-register"

struct register_query {
    bool is_removal;               /* <remove/> */
    bool has_more;                 /* and something besides */
    struct span username, password; /* none: not given; in the stanza */
};

/* query: a <query/> of NS_REGISTER. Of a form and plain fields the form counts. */
void register_read(struct stanza *s, uint32_t query, struct register_query *q_r);
/* A whole <query/> that asks for a name and a password, plain and as a form. */
void register_write_form(struct buf *out, struct span instructions);
/* Characters of a text in UTF-8. */
size_t register_length(struct span text);

#endif
