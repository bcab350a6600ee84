/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * names - whom a certificate is for (RFC 9525, RFC 6120 13.7.1): private to peer.c.
 */
#ifndef TLS_NAMES_H
#define TLS_NAMES_H

#include "base/span.h"

#include <gnutls/x509.h>

/* Whether one of its subjectAltNames is that domain: a DNS-ID, an SRV-ID of that service, or an
 * xmppAddr. domain: A-labels, lower case. */
bool tls_names_cover(gnutls_x509_crt_t crt, struct span domain, const char *service);

#endif
