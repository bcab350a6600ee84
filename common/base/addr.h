/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * addr - socket addresses: parsing from the configuration, printing, grouping of peers.
 */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include "base/span.h"

#include <sys/socket.h>

#define ADDR_TEXT_MAX 128

struct addr {
    struct sockaddr_storage ss;
    socklen_t len;
};

/*
 * addr_parse - "127.0.0.1:5347", "[::1]:5347", "unix:/run/kontalk/router.sock". Numeric only: no
 * name look-up. Returns 0 or -EINVAL.
 */
int addr_parse(struct span text, struct addr *addr_r);
/* Writes it as addr_parse reads it, NUL-terminated; returns text_r. */
const char *addr_format(const struct addr *a, char text_r[ADDR_TEXT_MAX]);
bool addr_is_unix(const struct addr *a);
bool addr_is_loopback(const struct addr *a); /* a Unix socket counts as loopback */
uint16_t addr_port(const struct addr *a);    /* 0 for Unix sockets */
/*
 * addr_group - the bytes that identify the peer for limits: the whole IPv4 address, the /64 of an
 * IPv6 address (v4-mapped ones count as IPv4), nothing for Unix sockets. Returns their number.
 */
size_t addr_group(const struct addr *a, unsigned char group_r[16]);

/* "HOST:PORT" or "[IPv6]:PORT" in its parts, of which the host may be a name; false: it is none. */
bool addr_split(struct span text, struct span *host_r, uint16_t *port_r);

#endif
