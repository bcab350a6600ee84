/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cert - reads one certificate with GnuTLS. The caller owns what tls_cert_open gives.
 */
#include "tls/cert.h"

#include "base/mem.h"

#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>

#define NAMES_MAX 1000

struct tls_cert {
    gnutls_x509_crt_t crt;
};

struct tls_cert *tls_cert_open(const char *file, char error_r[TLS_ERROR_MAX])
{
    struct tls_cert *cert = mem_zalloc(sizeof(*cert));
    gnutls_datum_t pem = {NULL, 0};

    int result = gnutls_x509_crt_init(&cert->crt);
    if (result == 0)
        result = gnutls_load_file(file, &pem);
    if (result == 0)
        result = gnutls_x509_crt_import(cert->crt, &pem, GNUTLS_X509_FMT_PEM);
    gnutls_free(pem.data);
    if (result == 0)
        return cert;
    snprintf(error_r, TLS_ERROR_MAX, "%.150s: %s", file, gnutls_strerror(result));
    tls_cert_free(&cert);
    return NULL;
}

void tls_cert_free(struct tls_cert **cert)
{
    if (*cert && (*cert)->crt)
        gnutls_x509_crt_deinit((*cert)->crt);
    free(*cert);
    *cert = NULL;
}

void tls_cert_names(const struct tls_cert *cert, struct buf *out)
{
    char name[256];

    for (unsigned i = 0; i < NAMES_MAX; i++) {
        size_t n = sizeof(name);
        int kind = gnutls_x509_crt_get_subject_alt_name(cert->crt, i, name, &n, NULL);
        if (kind == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            break;
        if (kind != GNUTLS_SAN_DNSNAME)
            continue;
        if (buf_len(out))
            buf_append_char(out, ' ');
        buf_append(out, span_make(name, n));
    }
}

bool tls_cert_covers(const struct tls_cert *cert, const char *host)
{
    return gnutls_x509_crt_check_hostname(cert->crt, host) != 0;
}

int64_t tls_cert_begins(const struct tls_cert *cert)
{
    return gnutls_x509_crt_get_activation_time(cert->crt);
}

int64_t tls_cert_ends(const struct tls_cert *cert)
{
    return gnutls_x509_crt_get_expiration_time(cert->crt);
}
