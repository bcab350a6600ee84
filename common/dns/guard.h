/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guard - where a stranger's domain may send us: not to ourselves and not into private networks,
 * whatever his DNS says (server-side request forgery).
 */
#ifndef DNS_GUARD_H
#define DNS_GUARD_H

#include "base/addr.h"

/* A public unicast address: not loopback, link-local, private (RFC 1918, RFC 6598, RFC 4193),
 * documentation, multicast, unspecified, and none of those in an IPv6 coat (mapped, NAT64, 6to4,
 * Teredo). */
bool guard_is_public(const struct addr *a);
/* Not a port of a service that speaks no XMPP and takes orders from the network (22, 25, 5347, …).
 */
bool guard_is_port_sane(uint16_t port);
/* A name that can be another server's: at least two labels, no IP address, not localhost. */
bool guard_is_domain_sane(struct span domain);

#endif
