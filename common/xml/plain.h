/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * plain - stanzas that have come whole and have nothing uncommon in them, as nearly all: found in
 * one run, without the framer's states. Private to the framer.
 */
#ifndef XML_PLAIN_H
#define XML_PLAIN_H

#include "xml/framer.h"

/*
 * plain_stanza - length of the stanza that begins at p, within f's limits; 0 when it is not all
 * there before stop, or not plain: then the states must look at it, from its beginning. What the
 * framer knows has not changed either way.
 */
size_t plain_stanza(struct framer *f, const char *p, const char *stop);

#endif
