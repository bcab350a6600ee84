/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * peer - judges the certificate of the other side after the handshake. Called by s2s for streams of
 * both directions, once a stream and domain; nothing outlives a call.
 *
 * RFC 5280 6 by GnuTLS with the trust of the session's context, RFC 9525 by names.c, RFC 6698 and
 * RFC 7671 here, with dane.c to compare.
 */
#include "tls/peer.h"

#include "tls/ctx_private.h"
#include "tls/dane.h"
#include "tls/names.h"

#include <gnutls/x509.h>

#define CHAIN_MAX 16
#define SHA256_LEN 32

enum tls_peer_verdict (*tls_peer_twin)(const struct tls_peer_want *want);

struct chain {
    gnutls_session_t session;
    const gnutls_datum_t *raw;
    gnutls_x509_crt_t crt[CHAIN_MAX];
    unsigned count;
    const struct tls_peer_want *want;
};

const char *tls_peer_verdict_name(enum tls_peer_verdict v)
{
    static const char *const names[] = {
        [TLS_PEER_OK] = "ok",
        [TLS_PEER_NONE] = "no certificate",
        [TLS_PEER_UNTRUSTED] = "not trusted",
        [TLS_PEER_SELF_SIGNED] = "self-signed",
        [TLS_PEER_EXPIRED] = "expired",
        [TLS_PEER_NOT_YET] = "not yet valid",
        [TLS_PEER_WRONG_NAME] = "of another name",
        [TLS_PEER_WRONG_USE] = "not for servers",
        [TLS_PEER_WEAK] = "weak algorithm",
        [TLS_PEER_WRONG_PIN] = "not the pinned one",
        [TLS_PEER_WRONG_TLSA] = "not the one in the DNS",
    };
    return names[v];
}

/* --- the chain -------------------------------------------------------------------------------- */

static void chain_free(struct chain *c)
{
    for (unsigned i = 0; i < c->count; i++)
        gnutls_x509_crt_deinit(c->crt[i]);
    c->count = 0;
}

/* What lies behind one that cannot be read is left out. */
static bool chain_read(struct chain *c, gnutls_session_t session, const struct tls_peer_want *want)
{
    unsigned there = 0;
    *c = (struct chain){.session = session, .want = want};
    if (!session || gnutls_certificate_type_get2(session, GNUTLS_CTYPE_PEERS) != GNUTLS_CRT_X509)
        return false;
    c->raw = gnutls_certificate_get_peers(session, &there);
    for (unsigned i = 0; c->raw && i < there && i < CHAIN_MAX; i++) {
        if (gnutls_x509_crt_init(&c->crt[i]) < 0)
            break;
        c->count++;
        if (gnutls_x509_crt_import(c->crt[i], &c->raw[i], GNUTLS_X509_FMT_DER) < 0) {
            gnutls_x509_crt_deinit(c->crt[--c->count]);
            break;
        }
    }
    return c->count > 0;
}

/* --- who vouches for it ----------------------------------------------------------------------- */

/* serverAuth, in both directions; anyExtendedKeyUsage and no such extension at all count as it. */
static gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                        .data = (unsigned char *)GNUTLS_KP_TLS_WWW_SERVER};

static bool is_self_signed(const struct chain *c)
{
    return gnutls_x509_crt_check_issuer(c->crt[0], c->crt[0]) != 0;
}

static enum tls_peer_verdict verdict_of(const struct chain *c, unsigned status)
{
    static const struct {
        unsigned flags;
        enum tls_peer_verdict verdict;
    } rows[] = {
        {GNUTLS_CERT_REVOKED, TLS_PEER_UNTRUSTED},
        {GNUTLS_CERT_SIGNATURE_FAILURE, TLS_PEER_UNTRUSTED},
        {GNUTLS_CERT_INSECURE_ALGORITHM, TLS_PEER_WEAK},
        {GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA, TLS_PEER_UNTRUSTED},
        {GNUTLS_CERT_EXPIRED, TLS_PEER_EXPIRED},
        {GNUTLS_CERT_NOT_ACTIVATED, TLS_PEER_NOT_YET},
        {GNUTLS_CERT_PURPOSE_MISMATCH, TLS_PEER_WRONG_USE},
    };
    if (status == 0)
        return TLS_PEER_OK;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!(status & rows[i].flags))
            continue;
        bool is_alone = status & GNUTLS_CERT_SIGNER_NOT_FOUND && is_self_signed(c);
        return is_alone && rows[i].verdict == TLS_PEER_UNTRUSTED ? TLS_PEER_SELF_SIGNED
                                                                 : rows[i].verdict;
    }
    return TLS_PEER_UNTRUSTED;
}

static bool has_name(const struct chain *c, struct span domain)
{
    return !span_is_empty(domain) && tls_names_cover(c->crt[0], domain, c->want->service);
}

/* By the authorities of the configuration. */
static enum tls_peer_verdict check_pkix(const struct chain *c)
{
    unsigned status = 0;
    if (gnutls_certificate_verify_peers(c->session, &purpose, 1, &status) < 0)
        return TLS_PEER_UNTRUSTED;
    enum tls_peer_verdict v = verdict_of(c, status);
    if (v == TLS_PEER_OK && !has_name(c, c->want->domain))
        v = TLS_PEER_WRONG_NAME;
    return v;
}

/* --- DANE ------------------------------------------------------------------------------------- */

/* Whether the chain descends from that certificate, by signatures; it may be none of its own. */
static enum tls_peer_verdict check_below(const struct chain *c, gnutls_x509_crt_t anchor)
{
    gnutls_x509_trust_list_t list;
    gnutls_x509_crt_t copy;
    gnutls_datum_t der = {NULL, 0};
    unsigned status = GNUTLS_CERT_INVALID;
    if (gnutls_x509_trust_list_init(&list, 0) < 0)
        return TLS_PEER_UNTRUSTED;
    bool ok = gnutls_x509_crt_init(&copy) == 0;
    if (ok && gnutls_x509_crt_export2(anchor, GNUTLS_X509_FMT_DER, &der) == 0 &&
        gnutls_x509_crt_import(copy, &der, GNUTLS_X509_FMT_DER) == 0 &&
        gnutls_x509_trust_list_add_cas(list, &copy, 1, 0) == 1)
        copy = NULL; /* the list's own from now on */
    if (ok && !copy) {
        gnutls_x509_crt_t crts[CHAIN_MAX];
        memcpy(crts, c->crt, sizeof crts);
        if (gnutls_x509_trust_list_verify_crt2(list, crts, c->count, &purpose, 1, 0, &status,
                                               NULL) < 0)
            status = GNUTLS_CERT_INVALID;
    } else if (ok) {
        gnutls_x509_crt_deinit(copy);
    }
    gnutls_free(der.data);
    gnutls_x509_trust_list_deinit(list, 1);
    return verdict_of(c, status);
}

/* One that the peer has not sent, as roots are not: the record may be of it all the same. */
static enum tls_peer_verdict check_below_root(const struct chain *c, struct span record)
{
    gnutls_certificate_credentials_t credentials;
    gnutls_x509_crt_t root;
    gnutls_datum_t der = {NULL, 0};
    enum tls_peer_verdict v = TLS_PEER_WRONG_TLSA;
    if (gnutls_credentials_get(c->session, GNUTLS_CRD_CERTIFICATE, (void **)&credentials) < 0 ||
        gnutls_certificate_get_issuer(credentials, c->crt[c->count - 1], &root,
                                      GNUTLS_TL_GET_COPY) < 0)
        return v;
    if (gnutls_x509_crt_export2(root, GNUTLS_X509_FMT_DER, &der) == 0 &&
        tls_dane_matches(record, &der))
        v = check_below(c, root);
    gnutls_free(der.data);
    gnutls_x509_crt_deinit(root);
    return v;
}

static enum tls_peer_verdict check_anchor(const struct chain *c, struct span record)
{
    for (unsigned i = 1; i < c->count; i++)
        if (tls_dane_matches(record, &c->raw[i]))
            return check_below(c, c->crt[i]);
    return check_below_root(c, record);
}

/* RFC 7673 4: with validated records, the target's name is as good as the domain's. */
static enum tls_peer_verdict check_record(const struct chain *c, struct span record,
                                          enum dane_usage usage)
{
    enum tls_peer_verdict v;
    switch (usage) {
    case DANE_EE: /* neither names nor dates count (RFC 7671 5.1) */
        return tls_dane_matches(record, &c->raw[0]) ? TLS_PEER_OK : TLS_PEER_WRONG_TLSA;
    case DANE_PKIX_EE:
        return tls_dane_matches(record, &c->raw[0]) ? check_pkix(c) : TLS_PEER_WRONG_TLSA;
    case DANE_PKIX_TA:
        v = check_anchor(c, record);
        return v == TLS_PEER_OK ? check_pkix(c) : v;
    case DANE_TA:
        v = check_anchor(c, record);
        if (v == TLS_PEER_OK && !has_name(c, c->want->domain) && !has_name(c, c->want->tlsa_name))
            v = TLS_PEER_WRONG_NAME;
        return v;
    }
    return TLS_PEER_WRONG_TLSA;
}

/* One record that is content is enough. False: there is none that can be used. */
static bool check_dane(const struct chain *c, enum tls_peer_verdict *verdict_r)
{
    bool is_usable = false;
    *verdict_r = TLS_PEER_WRONG_TLSA;
    for (size_t i = 0; i < c->want->tlsa_count && *verdict_r != TLS_PEER_OK; i++) {
        enum dane_usage usage;
        if (!tls_dane_usage(c->want->tlsa[i], &usage))
            continue;
        is_usable = true;
        enum tls_peer_verdict v = check_record(c, c->want->tlsa[i], usage);
        if (v != TLS_PEER_WRONG_TLSA)
            *verdict_r = v;
    }
    return is_usable;
}

/* --- pins ------------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool is_pinned(struct span pin, const unsigned char sha256[SHA256_LEN])
{
    size_t digits = 0;
    for (size_t i = 0; i < pin.n; i++) {
        if (pin.p[i] == ':')
            continue;
        if (digits == (size_t)2 * SHA256_LEN)
            return false;
        int want = digits % 2 ? sha256[digits / 2] & 15 : sha256[digits / 2] >> 4;
        if (hex_digit(pin.p[i]) != want)
            return false;
        digits++;
    }
    return digits == (size_t)2 * SHA256_LEN;
}

/* --- the door --------------------------------------------------------------------------------- */

bool tls_peer_fingerprint(void *session, unsigned char sha256_r[32])
{
    gnutls_session_t library = tls_session_library(session);
    unsigned count = 0;
    size_t n = SHA256_LEN;
    const gnutls_datum_t *raw = library ? gnutls_certificate_get_peers(library, &count) : NULL;
    return raw && count > 0 && gnutls_fingerprint(GNUTLS_DIG_SHA256, &raw[0], sha256_r, &n) == 0;
}

enum tls_peer_verdict tls_peer_check(void *session, const struct tls_peer_want *want)
{
    if (!session)
        return TLS_PEER_NONE;
    gnutls_session_t library = tls_session_library(session);
    if (!library)
        return tls_peer_twin ? tls_peer_twin(want) : TLS_PEER_OK;
    struct chain chain;
    if (!chain_read(&chain, library, want))
        return TLS_PEER_NONE;
    enum tls_peer_verdict v;
    unsigned char sha256[SHA256_LEN];
    if (!span_is_empty(want->pin))
        v = tls_peer_fingerprint(session, sha256) && is_pinned(want->pin, sha256)
                ? TLS_PEER_OK
                : TLS_PEER_WRONG_PIN;
    else if (want->tlsa_count == 0 || !check_dane(&chain, &v))
        v = check_pkix(&chain);
    chain_free(&chain);
    return v;
}
