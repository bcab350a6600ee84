/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * addr - socket addresses: text to sockaddr and back, and the part that identifies a peer.
 *
 * Called by conn, listen and whoever reads addresses from a configuration. Never looks a name up.
 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

static_assert(ADDR_TEXT_MAX > sizeof(((struct sockaddr_un *)0)->sun_path) + 5, "a path fits");

static const struct sockaddr_in *as_in4(const struct addr *a)
{
    return (const struct sockaddr_in *)&a->ss;
}

static const struct sockaddr_in6 *as_in6(const struct addr *a)
{
    return (const struct sockaddr_in6 *)&a->ss;
}

static const struct sockaddr_un *as_un(const struct addr *a)
{
    return (const struct sockaddr_un *)&a->ss;
}

static int parse_unix(struct span path, struct addr *addr_r)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&addr_r->ss;

    if (path.n == 0 || path.n >= sizeof(un->sun_path) || path.p[0] != '/' ||
        memchr(path.p, '\0', path.n))
        return -EINVAL;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path.p, path.n);
    addr_r->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.n + 1);
    return 0;
}

static int parse_inet(struct span host, uint16_t port, bool is_v6, struct addr *addr_r)
{
    char text[INET6_ADDRSTRLEN];

    if (host.n == 0 || host.n >= sizeof(text) || memchr(host.p, '\0', host.n))
        return -EINVAL;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    if (is_v6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&addr_r->ss;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        addr_r->len = sizeof(*in6);
        return inet_pton(AF_INET6, text, &in6->sin6_addr) == 1 ? 0 : -EINVAL;
    }
    struct sockaddr_in *in4 = (struct sockaddr_in *)&addr_r->ss;
    in4->sin_family = AF_INET;
    in4->sin_port = htons(port);
    addr_r->len = sizeof(*in4);
    return inet_pton(AF_INET, text, &in4->sin_addr) == 1 ? 0 : -EINVAL;
}

int addr_parse(struct span text, struct addr *addr_r)
{
    memset(addr_r, 0, sizeof(*addr_r));
    if (span_starts(text, SPAN("unix:")))
        return parse_unix(span_from(text, 5), addr_r);

    const char *colon = text.n ? memrchr(text.p, ':', text.n) : NULL;
    uint64_t port;
    if (!colon)
        return -EINVAL;
    struct span host = {text.p, (size_t)(colon - text.p)};
    if (!span_to_u64(span_from(text, host.n + 1), UINT16_MAX, &port))
        return -EINVAL;
    if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        return parse_inet(span_make(host.p + 1, host.n - 2), (uint16_t)port, true, addr_r);
    return parse_inet(host, (uint16_t)port, false, addr_r);
}

const char *addr_format(const struct addr *a, char text_r[ADDR_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN] = "";

    switch (a->ss.ss_family) {
    case AF_UNIX: {
        /* The kernel hands out unnamed addresses without any path bytes. */
        size_t head = offsetof(struct sockaddr_un, sun_path);
        size_t n = a->len > head ? a->len - head : 0;
        snprintf(text_r, ADDR_TEXT_MAX, "unix:%.*s", (int)strnlen(as_un(a)->sun_path, n),
                 as_un(a)->sun_path);
        break;
    }
    case AF_INET:
        inet_ntop(AF_INET, &as_in4(a)->sin_addr, host, sizeof(host));
        snprintf(text_r, ADDR_TEXT_MAX, "%s:%u", host, addr_port(a));
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &as_in6(a)->sin6_addr, host, sizeof(host));
        snprintf(text_r, ADDR_TEXT_MAX, "[%s]:%u", host, addr_port(a));
        break;
    default:
        snprintf(text_r, ADDR_TEXT_MAX, "none");
    }
    return text_r;
}

bool addr_is_unix(const struct addr *a)
{
    return a->ss.ss_family == AF_UNIX;
}

/* The IPv4 address of a, also when it is mapped into IPv6; NULL when it is none. */
static const unsigned char *v4_bytes(const struct addr *a)
{
    if (a->ss.ss_family == AF_INET)
        return (const unsigned char *)&as_in4(a)->sin_addr;
    if (a->ss.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&as_in6(a)->sin6_addr))
        return as_in6(a)->sin6_addr.s6_addr + 12;
    return NULL;
}

bool addr_is_loopback(const struct addr *a)
{
    const unsigned char *v4 = v4_bytes(a);

    if (v4)
        return v4[0] == 127;
    if (a->ss.ss_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&as_in6(a)->sin6_addr);
    return addr_is_unix(a);
}

uint16_t addr_port(const struct addr *a)
{
    switch (a->ss.ss_family) {
    case AF_INET:
        return ntohs(as_in4(a)->sin_port);
    case AF_INET6:
        return ntohs(as_in6(a)->sin6_port);
    default:
        return 0;
    }
}

size_t addr_group(const struct addr *a, unsigned char group_r[16])
{
    const unsigned char *v4 = v4_bytes(a);

    if (v4) {
        memcpy(group_r, v4, 4);
        return 4;
    }
    if (a->ss.ss_family == AF_INET6) {
        memcpy(group_r, as_in6(a)->sin6_addr.s6_addr, 8);
        return 8;
    }
    return 0;
}

bool addr_split(struct span text, struct span *host_r, uint16_t *port_r)
{
    size_t colon = text.n;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == ':')
            colon = i;
    uint64_t port;
    if (colon == text.n || colon == 0 || !span_to_u64(span_from(text, colon + 1), 65535, &port) ||
        port == 0)
        return false;
    struct span host = span_make(text.p, colon);
    if (host.p[0] == '[') { /* [::1]:5269 */
        if (host.n < 3 || host.p[host.n - 1] != ']')
            return false;
        host = span_make(host.p + 1, host.n - 2);
    }
    *host_r = host;
    *port_r = (uint16_t)port;
    return true;
}
