/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bridge_make - certificates that carry an OpenPGP key, made of the numbers of that key. Called by
 * kontalkctl and by tests.
 */
#include "tls/bridge.h"

#include "base/mem.h"
#include "tls/crypto.h"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>

#define VALID_S (20LL * 365 * 24 * 3600)
#define ORGANISATION "OpenPGP to X.509 Bridge"
#define CN_MAX 64 /* RFC 5280 A.1, ub-common-name */

static gnutls_datum_t datum(struct span s)
{
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)s.p, (unsigned)s.n};
}

/* --- the extension ---------------------------------------------------------------------------- */

/* DER: tag, length, no unused bits, the bytes. */
static void write_bits(struct buf *out, struct span bits)
{
    size_t n = bits.n + 1;
    int bytes = n < 0x80 ? 0 : n <= 0xff ? 1 : n <= 0xffff ? 2 : 3;
    buf_append_char(out, 0x03);
    buf_append_char(out, (char)(bytes ? 0x80 | bytes : (int)n));
    for (int i = bytes - 1; i >= 0; i--)
        buf_append_char(out, (char)(n >> 8 * i & 0xff));
    buf_append_char(out, 0);
    buf_append(out, bits);
}

static int set_openpgp(gnutls_x509_crt_t crt, struct span openpgp)
{
    struct buf der = {0};
    write_bits(&der, openpgp);
    struct span s = buf_span(&der);
    int result = gnutls_x509_crt_set_extension_by_oid(crt, TLS_BRIDGE_OID, s.p, s.n, 0);
    buf_free(&der);
    return result;
}

/* --- the certificate -------------------------------------------------------------------------- */

static int import_key(gnutls_x509_privkey_t key, const struct tls_rsa *rsa)
{
    gnutls_datum_t n = datum(rsa->n), e = datum(rsa->e), d = datum(rsa->d), p = datum(rsa->p),
                   q = datum(rsa->q), u = datum(rsa->u);
    return gnutls_x509_privkey_import_rsa_raw2(key, &n, &e, &d, &p, &q, &u, NULL, NULL);
}

static int set_names(gnutls_x509_crt_t crt, struct span uid, struct span host)
{
    unsigned cn = (unsigned)(uid.n < CN_MAX ? uid.n : CN_MAX);
    int result = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, 0,
                                               ORGANISATION, sizeof ORGANISATION - 1);
    if (result == 0)
        result = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, uid.p, cn);
    if (result == 0)
        result = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, host.p,
                                                      (unsigned)host.n, GNUTLS_FSAN_SET);
    return result;
}

static int set_use(gnutls_x509_crt_t crt, int64_t created)
{
    unsigned char serial[16];
    crypto_random(serial, sizeof serial);
    serial[0] = (serial[0] & 0x3f) | 0x40; /* positive, and not shortened */
    int result = gnutls_x509_crt_set_version(crt, 3);
    if (result == 0)
        result = gnutls_x509_crt_set_serial(crt, serial, sizeof serial);
    if (result == 0)
        result = gnutls_x509_crt_set_activation_time(crt, (time_t)created);
    if (result == 0)
        result = gnutls_x509_crt_set_expiration_time(crt, (time_t)(created + VALID_S));
    if (result == 0)
        result = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
    if (result == 0)
        result = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE |
                                                        GNUTLS_KEY_KEY_ENCIPHERMENT);
    return result;
}

static int fill(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, struct span openpgp,
                struct span uid, struct span host, int64_t created)
{
    int result = set_use(crt, created);
    if (result == 0)
        result = set_names(crt, uid, host);
    if (result == 0)
        result = set_openpgp(crt, openpgp);
    if (result == 0)
        result = gnutls_x509_crt_set_key(crt, key);
    if (result == 0)
        result = gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
    return result;
}

static int export_both(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, struct buf *cert_pem,
                       struct buf *key_pem)
{
    gnutls_datum_t cert = {NULL, 0}, secret = {NULL, 0};
    int result = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &cert);
    if (result == 0)
        result = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL,
                                                   GNUTLS_PKCS_PLAIN, &secret);
    if (result == 0) {
        buf_append(cert_pem, span_make((const char *)cert.data, cert.size));
        buf_reserve(key_pem, secret.size + 1);
        buf_append(key_pem, span_make((const char *)secret.data, secret.size));
    }
    if (secret.data)
        mem_wipe(secret.data, secret.size);
    gnutls_free(secret.data);
    gnutls_free(cert.data);
    return result;
}

bool tls_bridge_make(const struct tls_rsa *rsa, struct span openpgp, struct span uid,
                     struct span host, int64_t created, struct buf *cert_pem, struct buf *key_pem,
                     char error_r[TLS_ERROR_MAX])
{
    gnutls_x509_crt_t crt;
    gnutls_x509_privkey_t key;
    if (gnutls_x509_crt_init(&crt) < 0 || gnutls_x509_privkey_init(&key) < 0)
        abort();
    int result = import_key(key, rsa);
    if (result == 0)
        result = fill(crt, key, openpgp, uid, host, created);
    if (result == 0)
        result = export_both(crt, key, cert_pem, key_pem);
    gnutls_x509_privkey_deinit(key);
    gnutls_x509_crt_deinit(crt);
    if (result < 0)
        snprintf(error_r, TLS_ERROR_MAX, "the certificate cannot be made: %s",
                 gnutls_strerror(result));
    return result == 0;
}
