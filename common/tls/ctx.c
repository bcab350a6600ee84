/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ctx - loads certificate and key, checks them, and holds what all sessions of an endpoint share.
 * Called by the daemons at start-up and reload; session.c reads the struct. A context never
 * changes once made, so that a reload cannot touch a handshake that is under way.
 */
#include "tls/ctx_private.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* RFC 7525's floor: no version under 1.2, forward secrecy preferred, no renegotiation without
 * RFC 5746. What a GnuTLS priority cannot say (no renegotiation at all) is in session.c. Of what is
 * strong enough, our preference is what costs a login least: X25519 takes half of what P-256 does,
 * and is the one share that most clients bring along; SHA-256 is in the processor. */
#define POLICY                                                                                     \
    "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:"                                               \
    "-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:"                                    \
    "+AES-128-CCM:+AES-256-CCM:+AES-128-CBC:+AES-256-CBC:"                                         \
    "-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:+GROUP-SECP521R1:+GROUP-X448:"     \
    "+GROUP-FFDHE2048:+GROUP-FFDHE3072:+GROUP-FFDHE4096:+GROUP-FFDHE6144:+GROUP-FFDHE8192:"        \
    "%SAFE_RENEGOTIATION:%SERVER_PRECEDENCE"

#define PEM_MAX (1 << 20)

static bool fail(char *error_r, const char *file, const char *why)
{
    snprintf(error_r, TLS_ERROR_MAX, "%s: %s", file, why);
    return false;
}

/*
 * read_file - a whole PEM file. The rights that are checked are those of the very file that is
 * read: nobody can swap it in between.
 */
static bool read_file(const char *path, bool secret, struct buf *out, char *error_r)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return fail(error_r, path, strerror(errno));
    struct stat st;
    bool ok = false;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        fail(error_r, path, "is no regular file");
    else if (secret && (st.st_mode & (S_IRWXO | S_IWGRP)))
        fail(error_r, path, "others may read it, or group may write it; chmod 640 or stricter");
    else if (st.st_size > PEM_MAX)
        fail(error_r, path, "is too large");
    else
        ok = true;

    /* Room for all at once: a buffer that grows would leave parts of a key behind. */
    if (ok)
        buf_reserve(out, (size_t)st.st_size + 4096);
    ssize_t n = 0;
    while (ok) {
        n = read(fd, buf_reserve(out, 4096), 4096);
        if (n <= 0)
            break;
        buf_commit(out, (size_t)n);
        if (buf_len(out) > PEM_MAX)
            ok = fail(error_r, path, "is too large");
    }
    if (ok && n < 0)
        ok = fail(error_r, path, strerror(errno));
    close(fd);
    return ok;
}

/*
 * warn_of_dates - an expired certificate still serves (better than none), but says so. Verifying it
 * against itself leaves the dates as the only thing that can be wrong.
 */
static void warn_of_dates(const struct tls_ctx *ctx, const char *file)
{
    gnutls_datum_t der;
    gnutls_x509_crt_t crt;
    unsigned status = 0;
    if (gnutls_certificate_get_crt_raw(ctx->credentials, 0, 0, &der) < 0 ||
        gnutls_x509_crt_init(&crt) < 0)
        return;
    if (gnutls_x509_crt_import(crt, &der, GNUTLS_X509_FMT_DER) == 0 &&
        gnutls_x509_crt_list_verify(&crt, 1, &crt, 1, NULL, 0, 0, &status) == 0) {
        if (status & GNUTLS_CERT_EXPIRED)
            LOG(LOG_WARN, "tls.certificate.expired", F_STR("file", file));
        else if (status & GNUTLS_CERT_NOT_ACTIVATED)
            LOG(LOG_WARN, "tls.certificate.not-yet-valid", F_STR("file", file));
    }
    gnutls_x509_crt_deinit(crt);
}

static bool load_certificate(struct tls_ctx *ctx, const struct tls_ctx_opts *opts, char *error_r)
{
    struct buf cert = {0}, key = {0};
    bool ok = false;
    if (!opts->key_file) {
        fail(error_r, opts->cert_file, "has no key file");
        goto out;
    }
    if (!read_file(opts->cert_file, false, &cert, error_r) ||
        !read_file(opts->key_file, true, &key, error_r))
        goto out;

    struct span c = buf_span(&cert), k = buf_span(&key);
    gnutls_datum_t cert_pem = {(unsigned char *)c.p, (unsigned)c.n};
    gnutls_datum_t key_pem = {(unsigned char *)k.p, (unsigned)k.n};
    int ret = gnutls_certificate_set_x509_key_mem2(ctx->credentials, &cert_pem, &key_pem,
                                                   GNUTLS_X509_FMT_PEM, NULL, 0);
    if (ret == GNUTLS_E_CERTIFICATE_KEY_MISMATCH) {
        fail(error_r, opts->key_file, "is not the key of the certificate");
    } else if (ret < 0) {
        snprintf(error_r, TLS_ERROR_MAX, "%s, %s: %s", opts->cert_file, opts->key_file,
                 gnutls_strerror(ret));
    } else {
        ctx->has_certificate = true;
        warn_of_dates(ctx, opts->cert_file);
        ok = true;
    }
out:
    buf_free(&cert);
    buf_wipe(&key);
    return ok;
}

static bool load_trust(struct tls_ctx *ctx, const char *file, char *error_r)
{
    struct buf ca = {0};
    bool ok = read_file(file, false, &ca, error_r);
    if (ok) {
        struct span s = buf_span(&ca);
        gnutls_datum_t pem = {(unsigned char *)s.p, (unsigned)s.n};
        int count =
            gnutls_certificate_set_x509_trust_mem(ctx->credentials, &pem, GNUTLS_X509_FMT_PEM);
        if (count <= 0)
            ok = fail(error_r, file, "holds no certificate");
    }
    buf_free(&ca);
    return ok;
}

static bool set_policy(struct tls_ctx *ctx, const char *priority, char *error_r)
{
    const char *at = NULL;
    if (!priority)
        priority = POLICY;
    if (gnutls_priority_init(&ctx->priority, priority, &at) == 0)
        return true;
    snprintf(error_r, TLS_ERROR_MAX, "TLS priority: wrong at \"%.200s\"", at ? at : priority);
    return false;
}

struct tls_ctx *tls_ctx_new(const struct tls_ctx_opts *opts, char error_r[TLS_ERROR_MAX])
{
    struct tls_ctx *ctx = mem_zalloc(sizeof(*ctx));
    ctx->refs = 1;
    error_r[0] = '\0';
    if (gnutls_certificate_allocate_credentials(&ctx->credentials) < 0 ||
        gnutls_session_ticket_key_generate(&ctx->ticket_key) < 0)
        abort();
    if (!set_policy(ctx, opts->priority, error_r) ||
        (opts->cert_file && !load_certificate(ctx, opts, error_r)) ||
        (opts->ca_file && !load_trust(ctx, opts->ca_file, error_r))) {
        tls_ctx_unref(&ctx);
        return NULL;
    }
    ctx->verifies = opts->ca_file && !opts->trust_later;
    ctx->asks_peer = opts->ask_peer;
    if (opts->alpn.n > 0) {
        ctx->alpn.data = (unsigned char *)mem_strdup_span(opts->alpn);
        ctx->alpn.size = (unsigned)opts->alpn.n;
    }
    return ctx;
}

struct tls_ctx *tls_ctx_twin(void)
{
    struct tls_ctx *ctx = mem_zalloc(sizeof(*ctx));
    ctx->refs = 1;
    ctx->is_twin = true;
    return ctx;
}

struct tls_ctx *tls_ctx_make(const struct loop *loop, const struct tls_ctx_opts *opts,
                             char error_r[TLS_ERROR_MAX])
{
    return loop_is_sim(loop) ? tls_ctx_twin() : tls_ctx_new(opts, error_r);
}

bool tls_ctx_renew_both(const struct loop *loop, const struct tls_ctx_opts *opts,
                        struct tls_ctx **in, struct tls_ctx **out, char error_r[TLS_ERROR_MAX])
{
    struct tls_ctx_opts each = *opts;
    each.trust_later = true;
    struct tls_ctx *new_out = tls_ctx_make(loop, &each, error_r);
    each.ask_peer = true;
    struct tls_ctx *new_in = new_out ? tls_ctx_make(loop, &each, error_r) : NULL;
    if (!new_in) {
        tls_ctx_unref(&new_out);
        return false;
    }
    tls_ctx_unref(in);
    tls_ctx_unref(out);
    *in = new_in;
    *out = new_out;
    return true;
}

struct tls_ctx *tls_ctx_ref(struct tls_ctx *ctx)
{
    ctx->refs++;
    return ctx;
}

void tls_ctx_unref(struct tls_ctx **ctx)
{
    struct tls_ctx *c = *ctx;
    *ctx = NULL;
    if (!c || --c->refs > 0)
        return;
    if (c->credentials)
        gnutls_certificate_free_credentials(c->credentials);
    if (c->priority)
        gnutls_priority_deinit(c->priority);
    if (c->ticket_key.data)
        gnutls_memset(c->ticket_key.data, 0, c->ticket_key.size);
    gnutls_free(c->ticket_key.data);
    free(c->alpn.data);
    free(c);
}
