/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sign - signatures with the keys of bridge certificates: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017
 * 8.2). Called by the session manager for records of where users are at home.
 */
#include "tls/bridge.h"

#include "base/mem.h"

#include <gnutls/abstract.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define BITS_MIN 2048

struct tls_signer {
    gnutls_privkey_t key;
};

static gnutls_datum_t datum(struct span s)
{
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)s.p, (unsigned)s.n};
}

static int load(gnutls_privkey_t key, const char *file)
{
    gnutls_datum_t pem = {NULL, 0};
    int result = gnutls_load_file(file, &pem);
    if (result < 0)
        return result;
    result = gnutls_privkey_import_x509_raw(key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0);
    mem_wipe(pem.data, pem.size);
    gnutls_free(pem.data);
    return result;
}

struct tls_signer *tls_signer_open(const char *key_file, char error_r[TLS_ERROR_MAX])
{
    struct tls_signer *s = mem_zalloc(sizeof *s);
    struct stat st;
    const char *wrong = NULL;
    if (gnutls_privkey_init(&s->key) < 0)
        abort();
    int result = load(s->key, key_file);
    if (result < 0)
        wrong = gnutls_strerror(result);
    else if (stat(key_file, &st) < 0 || st.st_mode & (S_IRWXO | S_IWGRP))
        wrong = "others may read it, or group may write it; chmod 640 or stricter";
    else if (gnutls_privkey_get_pk_algorithm(s->key, NULL) != GNUTLS_PK_RSA)
        wrong = "not an RSA key";
    if (wrong) {
        snprintf(error_r, TLS_ERROR_MAX, "%.150s: %.100s", key_file, wrong);
        tls_signer_free(&s);
    }
    return s;
}

void tls_signer_free(struct tls_signer **s)
{
    if (*s)
        gnutls_privkey_deinit((*s)->key);
    free(*s);
    *s = NULL;
}

bool tls_sign(struct tls_signer *s, struct span text, struct buf *signature)
{
    gnutls_datum_t data = datum(text), made = {NULL, 0};
    bool ok = gnutls_privkey_sign_data2(s->key, GNUTLS_SIGN_RSA_SHA256, 0, &data, &made) == 0 &&
              buf_append(signature, span_make((const char *)made.data, made.size));
    gnutls_free(made.data);
    return ok;
}

bool tls_verify(struct span n, struct span e, struct span text, struct span signature)
{
    gnutls_datum_t modulus = datum(n), exponent = datum(e), data = datum(text),
                   made = datum(signature);
    gnutls_pubkey_t key;
    unsigned bits = 0;
    if (gnutls_pubkey_init(&key) < 0)
        abort();
    bool ok = gnutls_pubkey_import_rsa_raw(key, &modulus, &exponent) == 0 &&
              gnutls_pubkey_get_pk_algorithm(key, &bits) == GNUTLS_PK_RSA && bits >= BITS_MIN &&
              gnutls_pubkey_verify_data2(key, GNUTLS_SIGN_RSA_SHA256, 0, &data, &made) >= 0;
    gnutls_pubkey_deinit(key);
    return ok;
}
