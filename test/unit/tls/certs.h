/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * certs - self-signed ECDSA certificates for tests, made on the spot in a temporary directory.
 */
#ifndef TEST_UNIT_TLS_CERTS_H
#define TEST_UNIT_TLS_CERTS_H

#include <fcntl.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct cert_opts {
    const char *name;  /* files NAME.crt and NAME.key */
    const char *dns;   /* subjectAltName; NULL: none */
    const char *cn;    /* common name; NULL: none */
    long begins, ends; /* seconds from now */
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

static inline void certs_make(const struct cert_opts *o)
{
    static unsigned char serial = 1;
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt;
    gnutls_datum_t pem;
    time_t now = time(NULL);
    assert_int_equal(gnutls_x509_privkey_init(&key), 0);
    assert_int_equal(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, 256, 0), 0);
    assert_int_equal(gnutls_x509_crt_init(&crt), 0);
    gnutls_x509_crt_set_version(crt, 3);
    gnutls_x509_crt_set_serial(crt, &serial, 1);
    serial++;
    gnutls_x509_crt_set_activation_time(crt, now + o->begins);
    gnutls_x509_crt_set_expiration_time(crt, now + o->ends);
    gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, 0, o->name,
                                  (unsigned)strlen(o->name));
    if (o->cn)
        gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, o->cn,
                                      (unsigned)strlen(o->cn));
    if (o->dns)
        gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, o->dns,
                                             (unsigned)strlen(o->dns), GNUTLS_FSAN_SET);
    gnutls_x509_crt_set_key(crt, key);
    assert_int_equal(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0), 0);

    assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem), 0);
    certs_write(certs_path(o->name, ".crt"), pem.data, pem.size, 0644);
    gnutls_free(pem.data);
    assert_int_equal(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem), 0);
    certs_write(certs_path(o->name, ".key"), pem.data, pem.size, 0600);
    gnutls_free(pem.data);
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
