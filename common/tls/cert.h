/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cert - what a certificate says, for the operator's tool; a TLS endpoint only loads it (ctx.h).
 */
#ifndef TLS_CERT_H
#define TLS_CERT_H

#include "tls/ctx.h"

struct tls_cert;

/* The first certificate of a PEM file; NULL with a reason. */
struct tls_cert *tls_cert_open(const char *file, char error_r[TLS_ERROR_MAX]);
void tls_cert_free(struct tls_cert **cert);
/* The DNS names that it is for, separated by blanks. */
void tls_cert_names(const struct tls_cert *cert, struct buf *out);
bool tls_cert_covers(const struct tls_cert *cert, const char *host);
/* Seconds since 1970. */
int64_t tls_cert_begins(const struct tls_cert *cert);
int64_t tls_cert_ends(const struct tls_cert *cert);

#endif
