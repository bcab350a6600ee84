/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dane - TLSA records (RFC 6698 2.1) and certificates: private to peer.c.
 */
#ifndef TLS_DANE_H
#define TLS_DANE_H

#include "base/span.h"

#include <gnutls/gnutls.h>

enum dane_usage { DANE_PKIX_TA, DANE_PKIX_EE, DANE_TA, DANE_EE };

/* A record as on the wire; false: of a kind that nobody knows, to be passed over (RFC 6698 4.1). */
bool tls_dane_usage(struct span record, enum dane_usage *usage_r);
/* Whether it is of this very certificate (DER), whatever its usage. */
bool tls_dane_matches(struct span record, const gnutls_datum_t *cert);

#endif
