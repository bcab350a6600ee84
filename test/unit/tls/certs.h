/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * certs - ECDSA certificates for tests, self-signed or not, made on the spot in a temporary
 * directory.
 */
#ifndef TEST_UNIT_TLS_CERTS_H
#define TEST_UNIT_TLS_CERTS_H

#include <fcntl.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct cert_opts {
    const char *name;  /* files NAME.crt and NAME.key */
    const char *dns;   /* subjectAltName; NULL: none */
    const char *cn;    /* common name; NULL: none */
    long begins, ends; /* seconds from now */
    const char *issuer; /* an earlier one that signs it; NULL: itself */
    bool is_ca;
    bool with_issuer;  /* NAME.crt has the issuer's certificate, too */
    bool is_weak;      /* signed over SHA-1 */
    const char *srv;   /* SRV-ID; NULL: none */
    const char *xmpp;  /* xmppAddr; NULL: none */
    const char *usage; /* OID of an extended key usage; NULL: none */
    const char *as;    /* calls itself like that one; NULL: its own name */
};

static char certs_dir[64];

static inline void certs_begin(void)
{
    snprintf(certs_dir, sizeof(certs_dir), "/tmp/certs-XXXXXX");
    assert_non_null(mkdtemp(certs_dir));
}

/* The path of a file in the directory: one of four buffers in turn. */
static inline const char *certs_path(const char *name, const char *suffix)
{
    static char paths[4][160];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s%s", certs_dir, name, suffix);
    return path;
}

static inline void certs_write(const char *path, const void *p, size_t n, mode_t mode)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, n), (ssize_t)n);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

/* An otherName whose value is a short string of that tag. */
static inline void certs_set_other(gnutls_x509_crt_t crt, const char *oid, char tag,
                                   const char *text)
{
    char der[130] = {tag, (char)strlen(text)};
    assert_true(strlen(text) < 128);
    memcpy(der + 2, text, strlen(text));
    assert_int_equal(gnutls_x509_crt_set_subject_alt_othername(
                         crt, oid, der, (unsigned)strlen(text) + 2, GNUTLS_FSAN_APPEND),
                     0);
}

static inline void certs_set_names(gnutls_x509_crt_t crt, const struct cert_opts *o)
{
    const char *as = o->as ? o->as : o->name;
    gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, 0, as,
                                  (unsigned)strlen(as));
    if (o->cn)
        gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, o->cn,
                                      (unsigned)strlen(o->cn));
    if (o->dns)
        gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, o->dns,
                                             (unsigned)strlen(o->dns), GNUTLS_FSAN_SET);
    if (o->srv)
        certs_set_other(crt, "1.3.6.1.5.5.7.8.7", 0x16, o->srv);
    if (o->xmpp)
        certs_set_other(crt, "1.3.6.1.5.5.7.8.5", 0x0C, o->xmpp);
}

/* What an earlier call has written: its key or, with key NULL, its certificate. */
static inline void certs_read(const char *name, gnutls_x509_crt_t *crt,
                              gnutls_x509_privkey_t *key)
{
    gnutls_datum_t pem;
    assert_int_equal(gnutls_load_file(certs_path(name, key ? ".key" : ".crt"), &pem), 0);
    if (key) {
        assert_int_equal(gnutls_x509_privkey_init(key), 0);
        assert_int_equal(gnutls_x509_privkey_import(*key, &pem, GNUTLS_X509_FMT_PEM), 0);
    } else {
        assert_int_equal(gnutls_x509_crt_init(crt), 0);
        assert_int_equal(gnutls_x509_crt_import(*crt, &pem, GNUTLS_X509_FMT_PEM), 0);
    }
    gnutls_free(pem.data);
}

static inline void certs_sign(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key,
                              const struct cert_opts *o)
{
    gnutls_digest_algorithm_t digest = o->is_weak ? GNUTLS_DIG_SHA1 : GNUTLS_DIG_SHA256;
    gnutls_x509_crt_t issuer;
    gnutls_x509_privkey_t issuer_key;
    if (!o->issuer) {
        assert_int_equal(gnutls_x509_crt_sign2(crt, crt, key, digest, 0), 0);
        return;
    }
    certs_read(o->issuer, &issuer, NULL);
    certs_read(o->issuer, NULL, &issuer_key);
    assert_int_equal(gnutls_x509_crt_sign2(crt, issuer, issuer_key, digest, 0), 0);
    gnutls_x509_crt_deinit(issuer);
    gnutls_x509_privkey_deinit(issuer_key);
}

static inline void certs_write_both(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key,
                                    const struct cert_opts *o)
{
    gnutls_datum_t pem, more = {NULL, 0};
    char text[16384];
    assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem), 0);
    if (o->with_issuer)
        assert_int_equal(gnutls_load_file(certs_path(o->issuer, ".crt"), &more), 0);
    int n = snprintf(text, sizeof(text), "%.*s%.*s", (int)pem.size, (char *)pem.data,
                     (int)more.size, more.data ? (char *)more.data : "");
    certs_write(certs_path(o->name, ".crt"), text, (size_t)n, 0644);
    gnutls_free(pem.data);
    gnutls_free(more.data);
    assert_int_equal(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem), 0);
    certs_write(certs_path(o->name, ".key"), pem.data, pem.size, 0600);
    gnutls_free(pem.data);
}

static inline void certs_make(const struct cert_opts *o)
{
    static unsigned char serial = 1;
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt;
    time_t now = time(NULL);
    assert_int_equal(gnutls_x509_privkey_init(&key), 0);
    assert_int_equal(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, 256, 0), 0);
    assert_int_equal(gnutls_x509_crt_init(&crt), 0);
    gnutls_x509_crt_set_version(crt, 3);
    gnutls_x509_crt_set_serial(crt, &serial, 1);
    serial++;
    gnutls_x509_crt_set_activation_time(crt, now + o->begins);
    gnutls_x509_crt_set_expiration_time(crt, now + o->ends);
    certs_set_names(crt, o);
    if (o->is_ca)
        gnutls_x509_crt_set_basic_constraints(crt, 1, -1);
    if (o->usage)
        assert_int_equal(gnutls_x509_crt_set_key_purpose_oid(crt, o->usage, 0), 0);
    gnutls_x509_crt_set_key(crt, key);
    certs_sign(crt, key, o);
    certs_write_both(crt, key, o);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
}

static inline void certs_end(const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unlink(certs_path(names[i], ".crt"));
        unlink(certs_path(names[i], ".key"));
    }
    rmdir(certs_dir);
}

#endif
