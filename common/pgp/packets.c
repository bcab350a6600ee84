/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * packets - walks over the packets of a key. Called by key.c and key_make.c; allocates nothing.
 */
#include "pgp/packets.h"

#define VERSION 4
/* Of the RSA exponents in use 65537 is the largest; long ones make verifying slow. */
#define EXPONENT_BYTES_MAX 4

enum { ALG_RSA = 1, ALG_RSA_ENCRYPT = 2, ALG_RSA_SIGN = 3, ALG_ELGAMAL = 16, ALG_DSA = 17 };

static unsigned byte(struct span s, size_t i)
{
    return (unsigned char)s.p[i];
}

static bool take(struct span *rest, size_t n, struct span *out_r)
{
    if (rest->n < n)
        return false;
    *out_r = span_make(rest->p, n);
    *rest = span_from(*rest, n);
    return true;
}

static bool take_length(struct span *rest, size_t bytes, size_t *n_r)
{
    struct span s;
    if (!take(rest, bytes, &s))
        return false;
    *n_r = 0;
    for (size_t i = 0; i < bytes; i++)
        *n_r = *n_r << 8 | byte(s, i);
    return true;
}

/* The lengths of the new format; partial ones are not for keys (RFC 4880 4.2.2.4). */
static bool take_new_length(struct span *rest, size_t *n_r)
{
    size_t first, second;
    if (!take_length(rest, 1, &first) || (first >= 224 && first < 255))
        return false;
    if (first < 192) {
        *n_r = first;
        return true;
    }
    if (first == 255)
        return take_length(rest, 4, n_r);
    if (!take_length(rest, 1, &second))
        return false;
    *n_r = ((first - 192) << 8) + second + 192;
    return true;
}

static bool take_packet(struct span *rest, unsigned *tag_r, struct span *body_r)
{
    size_t head, n;
    if (!take_length(rest, 1, &head) || !(head & 0x80))
        return false;
    if (head & 0x40) {
        *tag_r = head & 0x3f;
        return take_new_length(rest, &n) && take(rest, n, body_r);
    }
    *tag_r = head >> 2 & 0x0f;
    /* Type 3 is of no stated length. */
    return (head & 3) != 3 && take_length(rest, (size_t)1 << (head & 3), &n) &&
           take(rest, n, body_r);
}

bool pgp_packets_number(struct span *rest, struct span *number_r)
{
    size_t bits;
    if (!take_length(rest, 2, &bits) || bits > PGP_NUMBER_BITS_MAX ||
        !take(rest, (bits + 7) / 8, number_r))
        return false;
    while (number_r->n > 0 && number_r->p[0] == 0)
        *number_r = span_from(*number_r, 1);
    return true;
}

static bool read_rsa(struct pgp_numbers *k)
{
    return pgp_packets_number(&k->rest, &k->n) && pgp_packets_number(&k->rest, &k->e) &&
           k->n.n > 0 && k->e.n > 0 && k->e.n <= EXPONENT_BYTES_MAX;
}

/* DSA p q g y, Elgamal p g y. */
static bool has_numbers(struct span rest, unsigned count)
{
    struct span number;
    while (count > 0 && pgp_packets_number(&rest, &number))
        count--;
    return count == 0;
}

static const char *read_key(struct span body, struct pgp_numbers *k)
{
    size_t version, created, algorithm;
    *k = (struct pgp_numbers){.rest = body};
    if (!take_length(&k->rest, 1, &version))
        return "a key without content";
    if (version != VERSION)
        return "the key is not of version 4";
    if (!take_length(&k->rest, 4, &created) || !take_length(&k->rest, 1, &algorithm))
        return "a key that is cut off";
    k->created = (int64_t)created;
    switch (algorithm) {
    case ALG_RSA:
    case ALG_RSA_ENCRYPT:
    case ALG_RSA_SIGN:
        k->is_rsa = true;
        return read_rsa(k) ? NULL : "an RSA key with numbers out of range";
    case ALG_DSA:
        return has_numbers(k->rest, 4) ? NULL : "a DSA key with numbers out of range";
    case ALG_ELGAMAL:
        return has_numbers(k->rest, 3) ? NULL : "an Elgamal key with numbers out of range";
    default: /* curves, whose sizes are given */
        return NULL;
    }
}

static const char *check_packet(unsigned tag, struct span body, bool is_first,
                                struct pgp_numbers *master_r)
{
    struct pgp_numbers subkey;
    switch (tag) {
    case PGP_TAG_PUBLIC:
    case PGP_TAG_SECRET:
        return is_first ? read_key(body, master_r) : "more than one key";
    case PGP_TAG_PUBLIC_SUBKEY:
    case PGP_TAG_SECRET_SUBKEY:
        return is_first ? "a subkey without its master key" : read_key(body, &subkey);
    case PGP_TAG_SIGNATURE:
    case PGP_TAG_USER_ID:
    case PGP_TAG_ATTRIBUTE:
        return is_first ? "it does not begin with a key" : NULL;
    default:
        return "a packet that is not of a key";
    }
}

const char *pgp_packets_check(struct span packets, struct pgp_numbers *master_r)
{
    const char *wrong = packets.n == 0 ? "no key" : NULL;
    for (size_t i = 0; !wrong && packets.n > 0; i++) {
        unsigned tag;
        struct span body;
        if (i == PGP_PACKETS_MAX)
            wrong = "too many packets";
        else if (!take_packet(&packets, &tag, &body))
            wrong = "not a sequence of OpenPGP packets, or cut off";
        else
            wrong = check_packet(tag, body, i == 0, master_r);
    }
    return wrong;
}
