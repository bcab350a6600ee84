/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wire - names as they stand in DNS records (RFC 1035 3.1), and as text.
 *
 * Called by targets.c for what strangers' records say, and by the resolver's twin.
 */
#include "dns/wire.h"

#define LABEL_MAX 63

static bool is_host_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool dns_wire_to_name(struct span wire, char *name_r)
{
    size_t at = 0, n = 0;

    if (wire.n == 0 || wire.n > DNS_WIRE_MAX)
        return false;
    for (;;) {
        size_t len = (unsigned char)wire.p[at++];
        if (len == 0)
            break;
        if (len > LABEL_MAX || at + len >= wire.n)
            return false;
        if (n > 0)
            name_r[n++] = '.';
        for (size_t i = 0; i < len; i++, at++) {
            if (!is_host_char((unsigned char)wire.p[at]))
                return false;
            name_r[n++] = lower(wire.p[at]);
        }
    }
    name_r[n] = '\0';
    return at == wire.n;
}

size_t dns_wire_from_name(struct span name, char *wire_r)
{
    size_t n = 0;

    if (span_ends(name, SPAN(".")))
        name.n--;
    if (name.n > DNS_NAME_MAX)
        return 0;
    while (name.n > 0) {
        size_t len = span_index(name, '.');
        if (len == 0 || len > LABEL_MAX)
            return 0;
        wire_r[n++] = (char)len;
        memcpy(wire_r + n, name.p, len);
        n += len;
        name = span_from(name, len < name.n ? len + 1 : len);
    }
    wire_r[n++] = '\0';
    return n;
}
