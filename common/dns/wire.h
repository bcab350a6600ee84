/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wire - names as they stand in DNS records, and as text.
 */
#ifndef DNS_WIRE_H
#define DNS_WIRE_H

#include "base/span.h"

#define DNS_NAME_MAX 253
#define DNS_WIRE_MAX 255

/*
 * dns_wire_to_name - the text of an uncompressed name that fills wire to its end, in lower case and
 * without the last dot, into name_r (DNS_NAME_MAX + 1 bytes, NUL-terminated). The root is "".
 * False: malformed, or no host name (other than letters, digits, '-' and '_').
 */
bool dns_wire_to_name(struct span wire, char *name_r);
/* The other way round, into wire_r (DNS_WIRE_MAX bytes); "." is the root. 0: it cannot be one. */
size_t dns_wire_from_name(struct span name, char *wire_r);

#endif
