/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * key_private - what key.c (keys of others) and key_make.c (our own) share: librnp, one instance a
 * call, which knows nothing but the key in hand.
 */
#ifndef PGP_KEY_PRIVATE_H
#define PGP_KEY_PRIVATE_H

#include "pgp/key.h"
#include "pgp/packets.h"

#include <rnp/rnp.h>
#include <rnp/rnp_err.h>
#include <stdio.h>

struct pgp_rnp {
    rnp_ffi_t ffi;
    FILE *errors; /* where standard error's stream has been meanwhile */
};

/* Between the two, librnp is quiet. */
void pgp_rnp_open(struct pgp_rnp *r);
void pgp_rnp_close(struct pgp_rnp *r);

/* Packets of what is binary or armoured, into out; false with a reason. */
bool pgp_packets_of(struct span data, struct buf *out, char error_r[PGP_ERROR_MAX]);
/* What librnp has written. False: nothing. */
bool pgp_rnp_export(rnp_key_handle_t key, uint32_t flags, struct buf *out);
bool pgp_fail(char error_r[PGP_ERROR_MAX], const char *why);

#endif
