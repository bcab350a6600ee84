/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bridge - reads certificates that carry an OpenPGP key, of a file or of the other side of a
 * session. Called through server_key (xmpp); bridge_make.c makes them. RFC 5280 4.2: the extension
 * is not critical, its value is a BIT STRING (X.690 8.6).
 */
#include "tls/bridge.h"

#include "tls/ctx_private.h"

#include <gnutls/x509.h>
#include <stdio.h>

/* Tag, a length of up to three bytes behind its first, the count of unused bits. */
#define BITS_TAG 0x03
#define FILE_MAX (256 * 1024)

static bool fail(char error_r[TLS_ERROR_MAX], const char *why)
{
    snprintf(error_r, TLS_ERROR_MAX, "%s", why);
    return false;
}

static struct span without_zeros(const gnutls_datum_t *d)
{
    struct span s = span_make((const char *)d->data, d->size);
    while (s.n > 0 && s.p[0] == 0)
        s = span_from(s, 1);
    return s;
}

static bool read_rsa(gnutls_x509_crt_t crt, struct tls_bridge *b)
{
    gnutls_datum_t n = {NULL, 0}, e = {NULL, 0};
    bool ok = gnutls_x509_crt_get_pk_rsa_raw(crt, &n, &e) == 0;
    if (ok) {
        buf_append(&b->n, without_zeros(&n));
        buf_append(&b->e, without_zeros(&e));
    }
    gnutls_free(n.data);
    gnutls_free(e.data);
    return ok;
}

/* The bits of a DER BIT STRING that has no unused ones and nothing behind it. */
static bool read_bits(const gnutls_datum_t *der, struct span *bits_r)
{
    const unsigned char *p = der->data;
    size_t at = 2, n;
    if (der->size < 3 || p[0] != BITS_TAG)
        return false;
    n = p[1];
    if (n & 0x80) {
        size_t bytes = n & 0x7f;
        if (bytes == 0 || bytes > 3 || der->size < 2 + bytes)
            return false;
        for (n = 0; at < 2 + bytes; at++)
            n = n << 8 | p[at];
    }
    if (n < 1 || der->size - at != n || p[at] != 0)
        return false;
    *bits_r = span_make((const char *)p + at + 1, n - 1);
    return true;
}

static const char *read_openpgp(gnutls_x509_crt_t crt, struct tls_bridge *b)
{
    gnutls_datum_t der = {NULL, 0};
    unsigned critical;
    struct span bits;
    const char *wrong = NULL;
    if (gnutls_x509_crt_get_extension_by_oid2(crt, TLS_BRIDGE_OID, 0, &der, &critical) < 0)
        return "the certificate has no OpenPGP key in it";
    if (read_bits(&der, &bits))
        buf_append(&b->openpgp, bits);
    else
        wrong = "the certificate's OpenPGP key is not a BIT STRING";
    gnutls_free(der.data);
    return wrong;
}

static bool read_with(const gnutls_datum_t *data, gnutls_x509_crt_fmt_t format,
                      struct tls_bridge *b, char error_r[TLS_ERROR_MAX])
{
    gnutls_x509_crt_t crt;
    const char *wrong;
    *b = (struct tls_bridge){0};
    if (gnutls_x509_crt_init(&crt) < 0)
        return fail(error_r, "no memory");
    if (gnutls_x509_crt_import(crt, data, format) < 0)
        wrong = "not a certificate";
    else if (!read_rsa(crt, b))
        wrong = "the certificate's key is not RSA";
    else
        wrong = read_openpgp(crt, b);
    gnutls_x509_crt_deinit(crt);
    if (!wrong)
        return true;
    tls_bridge_free(b);
    return fail(error_r, wrong);
}

bool tls_bridge_read(struct span der, struct tls_bridge *b_r, char error_r[TLS_ERROR_MAX])
{
    gnutls_datum_t data = {(unsigned char *)(uintptr_t)der.p, (unsigned)der.n};
    *b_r = (struct tls_bridge){0};
    if (der.n > FILE_MAX)
        return fail(error_r, "the certificate is too large");
    return read_with(&data, GNUTLS_X509_FMT_DER, b_r, error_r);
}

bool tls_bridge_open(const char *file, struct tls_bridge *b_r, char error_r[TLS_ERROR_MAX])
{
    gnutls_datum_t pem = {NULL, 0};
    char why[TLS_ERROR_MAX];
    int result = gnutls_load_file(file, &pem);
    *b_r = (struct tls_bridge){0};
    if (result < 0) {
        snprintf(error_r, TLS_ERROR_MAX, "%.150s: %s", file, gnutls_strerror(result));
        return false;
    }
    bool ok = read_with(&pem, GNUTLS_X509_FMT_PEM, b_r, why);
    gnutls_free(pem.data);
    if (!ok)
        snprintf(error_r, TLS_ERROR_MAX, "%.150s: %.100s", file, why);
    return ok;
}

bool tls_bridge_of_peer(void *session, struct tls_bridge *b_r, char error_r[TLS_ERROR_MAX])
{
    gnutls_session_t library = session ? tls_session_library(session) : NULL;
    const gnutls_datum_t *chain = NULL;
    unsigned count = 0;
    *b_r = (struct tls_bridge){0};
    if (library && gnutls_certificate_type_get2(library, GNUTLS_CTYPE_PEERS) == GNUTLS_CRT_X509)
        chain = gnutls_certificate_get_peers(library, &count);
    if (!chain || count == 0)
        return fail(error_r, "the peer has shown no certificate");
    return tls_bridge_read(span_make((const char *)chain[0].data, chain[0].size), b_r, error_r);
}

void tls_bridge_free(struct tls_bridge *b)
{
    buf_free(&b->n);
    buf_free(&b->e);
    buf_free(&b->openpgp);
}
