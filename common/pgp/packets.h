/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * packets - the packets of a transferable key, looked at before librnp sees them (RFC 4880 4.2,
 * 5.5, 11.1): key.c gives it nothing but what is in shape, whatever a peer has sent. Spans are into
 * what was given.
 */
#ifndef PGP_PACKETS_H
#define PGP_PACKETS_H

#include "base/buf.h"

/* Verifying costs time by the size of numbers and the count of signatures. */
#define PGP_PACKETS_MAX 256
#define PGP_NUMBER_BITS_MAX 8192

enum pgp_tag {
    PGP_TAG_SIGNATURE = 2,
    PGP_TAG_SECRET = 5,
    PGP_TAG_PUBLIC = 6,
    PGP_TAG_SECRET_SUBKEY = 7,
    PGP_TAG_USER_ID = 13,
    PGP_TAG_PUBLIC_SUBKEY = 14,
    PGP_TAG_ATTRIBUTE = 17,
};

/* The public numbers of a key's packet, and what lies behind them. */
struct pgp_numbers {
    int64_t created; /* seconds since 1970 */
    bool is_rsa;
    struct span n, e; /* of RSA, without leading zeros */
    struct span rest; /* of RSA: empty, or the secret part */
};

/* One transferable key, public or secret, and nothing else: NULL, and its master key; or what is
 * wrong. */
const char *pgp_packets_check(struct span packets, struct pgp_numbers *master_r);
/* An MPI from the front of rest, without leading zeros. */
bool pgp_packets_number(struct span *rest, struct span *number_r);

/* armour.c: what is in the one block of a text, behind what is in out; false: it is none. */
bool pgp_dearmour(struct span text, struct buf *out);

#endif
