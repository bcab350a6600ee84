/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guard - addresses, ports and names that a stranger's DNS may not send us to.
 *
 * Called by dial.c, by what refuses domains before they are looked up, and nowhere to trust: an
 * address that passes is only one that everybody can reach. The tables are IANA's registries of
 * special-purpose addresses (RFC 6890).
 */
#include "dns/guard.h"

#include <netinet/in.h>

struct prefix {
    unsigned char bytes[16];
    uint8_t bits;
};

static const struct prefix special_v4[] = {
    {{0}, 8},             /* this network */
    {{10}, 8},            /* private, RFC 1918 */
    {{100, 64}, 10},      /* shared by carriers, RFC 6598 */
    {{127}, 8},           /* loopback */
    {{169, 254}, 16},     /* link-local; where clouds keep their secrets */
    {{172, 16}, 12},      /* private */
    {{192, 0, 0}, 24},    /* protocol assignments */
    {{192, 0, 2}, 24},    /* documentation */
    {{192, 31, 196}, 24}, /* AS112 */
    {{192, 52, 193}, 24}, /* AMT */
    {{192, 88, 99}, 24},  /* 6to4 relays */
    {{192, 168}, 16},     /* private */
    {{192, 175, 48}, 24}, /* AS112 */
    {{198, 18}, 15},      /* benchmarks */
    {{198, 51, 100}, 24}, /* documentation */
    {{203, 0, 113}, 24},  /* documentation */
    {{224}, 4},           /* multicast */
    {{240}, 4},           /* reserved, broadcast */
};

/* Only 2000::/3 is given out to the public at all; these are special within it. */
static const struct prefix global_v6 = {{0x20}, 3};
static const struct prefix special_v6[] = {
    {{0x20, 0x01, 0x00, 0x00}, 23}, /* protocol assignments; Teredo, ORCHID among them */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x26, 0x20, 0x00, 0x4f, 0x80, 0x00}, 48}, /* AS112 */
    {{0x3f, 0xfe}, 16},                         /* the old 6bone */
    {{0x3f, 0xff}, 20},                         /* documentation */
};

/* IPv6 prefixes that hold an IPv4 address, from byte `at`. */
static const struct coat {
    struct prefix prefix;
    uint8_t at;
} coats[] = {
    {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96}, 12}, /* mapped */
    {{{0x00, 0x64, 0xff, 0x9b}, 96}, 12},                   /* NAT64, RFC 6052 */
    {{{0x20, 0x02}, 16}, 2},                                /* 6to4 */
};

static bool is_in(const unsigned char *a, const struct prefix *p)
{
    size_t whole = p->bits / 8;
    unsigned rest = p->bits % 8;

    if (memcmp(a, p->bytes, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ p->bytes[whole]) >> (8 - rest)) == 0;
}

static bool is_public_v4(const unsigned char *a)
{
    for (size_t i = 0; i < sizeof(special_v4) / sizeof(special_v4[0]); i++)
        if (is_in(a, &special_v4[i]))
            return false;
    return true;
}

static bool is_public_v6(const unsigned char *a)
{
    for (size_t i = 0; i < sizeof(coats) / sizeof(coats[0]); i++)
        if (is_in(a, &coats[i].prefix))
            return is_public_v4(a + coats[i].at);
    if (!is_in(a, &global_v6))
        return false;
    for (size_t i = 0; i < sizeof(special_v6) / sizeof(special_v6[0]); i++)
        if (is_in(a, &special_v6[i]))
            return false;
    return true;
}

bool guard_is_public(const struct addr *a)
{
    if (a->ss.ss_family == AF_INET) {
        const struct sockaddr_in *in4 = (const struct sockaddr_in *)&a->ss;
        return is_public_v4((const unsigned char *)&in4->sin_addr);
    }
    if (a->ss.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->ss;
        return is_public_v6(in6->sin6_addr.s6_addr);
    }
    return false;
}

bool guard_is_port_sane(uint16_t port)
{
    /* Of services that take a line of text for an order, or are for their own host only. Below 1024
     * only those of the web, which servers behind one address share with it. */
    static const uint16_t bad[] = {1080, 1433, 1521,  2049,  2375,  2376,  2379,  3128, 3306,
                                   3389, 4369, 5038,  5347,  5432,  5433,  5672,  5984, 5985,
                                   5986, 6000, 6379,  6443,  6667,  8086,  8125,  9000, 9090,
                                   9200, 9300, 10250, 11211, 15672, 25672, 27017, 50070};

    if (port < 1024)
        return port == 80 || port == 443;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (port == bad[i])
            return false;
    return true;
}

static bool is_digits(struct span label)
{
    for (size_t i = 0; i < label.n; i++)
        if (label.p[i] < '0' || label.p[i] > '9')
            return false;
    return label.n > 0;
}

/* As inet_aton takes them: 0x7f.1 and 2130706433 are addresses, too. */
static bool is_number(struct span label)
{
    if (is_digits(label))
        return true;
    if (label.n < 2 || label.p[0] != '0' || (label.p[1] | 0x20) != 'x')
        return false;
    for (size_t i = 2; i < label.n; i++)
        if (!memchr("0123456789abcdefABCDEF", label.p[i], 22))
            return false;
    return true;
}

bool guard_is_domain_sane(struct span domain)
{
    struct span last = domain;
    size_t labels = 1;

    if (domain.n == 0 || domain.p[0] == '[' || memchr(domain.p, ':', domain.n))
        return false;
    for (size_t dot; (dot = span_index(last, '.')) < last.n; labels++) {
        if (dot == 0)
            return false;
        last = span_from(last, dot + 1);
    }
    return labels >= 2 && last.n > 0 && !is_number(last) &&
           !span_eq_case(last, SPAN("localhost")) && !span_eq_case(last, SPAN("localdomain"));
}
