/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the certificate of the other side is worth, in both directions: chains, dates, names, uses,
 * pins, TLSA records.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "pair.h"
#include "tls/peer.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>

#define CLIENT_AUTH GNUTLS_KP_TLS_WWW_CLIENT
#define SERVER_AUTH GNUTLS_KP_TLS_WWW_SERVER
#define VALID .begins = -DAY, .ends = DAY
#define OF_ROOT .issuer = "root", VALID
#define PEER "capulet.example"

static const struct cert_opts peers[] = {
    {.name = "root", .is_ca = true, VALID},
    {.name = "far", .is_ca = true, VALID},
    {.name = "middle", .is_ca = true, OF_ROOT},
    {.name = "fine", .dns = PEER, OF_ROOT},
    {.name = "below", .dns = PEER, .issuer = "middle", .with_issuer = true, VALID},
    {.name = "lonely", .dns = PEER, .issuer = "middle", VALID},
    {.name = "far-fine", .dns = PEER, .issuer = "far", .with_issuer = true, VALID},
    {.name = "self", .dns = PEER, VALID},
    {.name = "late", .dns = PEER, .issuer = "root", .begins = -2 * DAY, .ends = -DAY},
    {.name = "early", .dns = PEER, .issuer = "root", .begins = DAY, .ends = 2 * DAY},
    {.name = "cn", .cn = PEER, OF_ROOT},
    {.name = "cn-too", .cn = PEER, .dns = "other.example", OF_ROOT},
    {.name = "cn-in-name", .cn = "CN=" PEER ",", .dns = "other.example", OF_ROOT},
    {.name = "wild", .dns = "*.capulet.example", OF_ROOT},
    {.name = "wild-top", .dns = "*.example", OF_ROOT},
    {.name = "wild-part", .dns = "c*.capulet.example", OF_ROOT},
    {.name = "wild-two", .dns = "*.*.example", OF_ROOT},
    {.name = "upper", .dns = "CAPULET.Example", OF_ROOT},
    {.name = "srv", .srv = "_xmpp-server." PEER, OF_ROOT},
    {.name = "srv-client", .srv = "_xmpp-client." PEER, OF_ROOT},
    {.name = "srv-bare", .srv = PEER, OF_ROOT},
    {.name = "addr", .xmpp = PEER, OF_ROOT},
    {.name = "addr-user", .xmpp = "romeo@" PEER, OF_ROOT},
    {.name = "addr-idn",
     .xmpp = "b\xC3\xBC"
             "cher.example",
     OF_ROOT},
    {.name = "for-clients", .dns = PEER, .usage = CLIENT_AUTH, OF_ROOT},
    {.name = "for-servers", .dns = PEER, .usage = SERVER_AUTH, OF_ROOT},
    {.name = "for-any", .dns = PEER, .usage = GNUTLS_KP_ANY, OF_ROOT},
    {.name = "for-mail", .dns = PEER, .usage = GNUTLS_KP_EMAIL_PROTECTION, OF_ROOT},
    {.name = "weak", .dns = PEER, .is_weak = true, OF_ROOT},
    {.name = "liar", .as = "far", .is_ca = true, VALID},
    {.name = "lied", .dns = PEER, .issuer = "liar", VALID},
    {.name = "leaf-ca", .dns = PEER, .issuer = "fine", .with_issuer = true, VALID},
};

static int set_up(void **state)
{
    pair_setup(state);
    for (size_t i = 0; i < ARRAY_LEN(peers); i++)
        certs_make(&peers[i]);
    return 0;
}

static int tear_down(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        unlink(certs_path(peers[i].name, ".crt"));
        unlink(certs_path(peers[i].name, ".key"));
    }
    return pair_teardown(state);
}

static struct tls_ctx *ctx_of(const char *cert, const char *ca, bool ask)
{
    char error[TLS_ERROR_MAX], crt[160], key[160];
    snprintf(crt, sizeof crt, "%s", certs_path(cert ? cert : "", ".crt"));
    snprintf(key, sizeof key, "%s", certs_path(cert ? cert : "", ".key"));
    struct tls_ctx_opts opts = {.cert_file = cert ? crt : NULL,
                                .key_file = cert ? key : NULL,
                                .ca_file = ca ? certs_path(ca, ".crt") : NULL,
                                .alpn = SPAN("xmpp-server"),
                                .ask_peer = ask,
                                .trust_later = true};
    struct tls_ctx *ctx = tls_ctx_new(&opts, error);
    assert_string_equal(error, "");
    return ctx;
}

/* --- one look --------------------------------------------------------------------------------- */

struct look {
    struct tls_ctx *here, *there;
    struct pair pair;
    void *session; /* of the one that looks */
};

/* Somebody who trusts root meets a peer with that certificate (NULL: none); as which side? */
static void meet(struct look *l, const char *cert, bool as_server)
{
    int s, c;
    l->here = ctx_of("good", "root", as_server);
    l->there = ctx_of(cert, NULL, false);
    if (as_server)
        open_pair(&l->pair, l->here, false, l->there, SPAN("prime.example"));
    else
        open_pair(&l->pair, l->there, false, l->here, SPAN(PEER));
    shake(&l->pair, &s, &c);
    assert_int_equal(s, 0);
    assert_int_equal(c, 0);
    l->session = as_server ? l->pair.server : l->pair.client;
}

static void part(struct look *l)
{
    close_pair(&l->pair);
    tls_ctx_unref(&l->here);
    tls_ctx_unref(&l->there);
}

static void expect(const char *cert, bool as_server, const struct tls_peer_want *want,
                   enum tls_peer_verdict expected)
{
    struct look l;
    meet(&l, cert, as_server);
    enum tls_peer_verdict v = tls_peer_check(l.session, want);
    if (v != expected)
        fail_msg("%s for %.*s (%s): %s, not %s", cert, SPAN_ARG(want->domain),
                 as_server ? "a client's" : "a server's", tls_peer_verdict_name(v),
                 tls_peer_verdict_name(expected));
    part(&l);
}

static void expect_both(const char *cert, const struct tls_peer_want *want,
                        enum tls_peer_verdict expected)
{
    expect(cert, false, want, expected);
    expect(cert, true, want, expected);
}

/* --- S08, and what T22 says of certificates ------------------------------------------------------
 */

static void judges_certificates(void **state)
{
    static const struct {
        const char *cert, *domain;
        enum tls_peer_verdict verdict;
    } cases[] = {
        {"fine", PEER, TLS_PEER_OK},
        {"below", PEER, TLS_PEER_OK},
        {"lonely", PEER, TLS_PEER_UNTRUSTED},
        {"far-fine", PEER, TLS_PEER_UNTRUSTED},
        {"leaf-ca", PEER, TLS_PEER_UNTRUSTED},
        {"self", PEER, TLS_PEER_SELF_SIGNED},
        {"late", PEER, TLS_PEER_EXPIRED},
        {"early", PEER, TLS_PEER_NOT_YET},
        {"weak", PEER, TLS_PEER_WEAK},
        {"fine", "montague.example", TLS_PEER_WRONG_NAME},
        {"fine", "example", TLS_PEER_WRONG_NAME},
        {"fine", "chat.capulet.example", TLS_PEER_WRONG_NAME},
        {"fine", "", TLS_PEER_WRONG_NAME},
        {"cn", PEER, TLS_PEER_WRONG_NAME},
        {"cn-too", PEER, TLS_PEER_WRONG_NAME},
        {"cn-in-name", PEER, TLS_PEER_WRONG_NAME},
        {"upper", PEER, TLS_PEER_OK},
        {"wild", "chat.capulet.example", TLS_PEER_OK},
        {"wild", PEER, TLS_PEER_WRONG_NAME},
        {"wild", "a.chat.capulet.example", TLS_PEER_WRONG_NAME},
        {"wild", ".capulet.example", TLS_PEER_WRONG_NAME},
        {"wild-top", PEER, TLS_PEER_WRONG_NAME},
        {"wild-part", "chat.capulet.example", TLS_PEER_WRONG_NAME},
        {"wild-two", "chat.capulet.example", TLS_PEER_WRONG_NAME},
        {"srv", PEER, TLS_PEER_OK},
        {"srv", "montague.example", TLS_PEER_WRONG_NAME},
        {"srv-client", PEER, TLS_PEER_WRONG_NAME},
        {"srv-bare", PEER, TLS_PEER_WRONG_NAME},
        {"addr", PEER, TLS_PEER_OK},
        {"addr-user", PEER, TLS_PEER_WRONG_NAME},
        {"addr-idn", "xn--bcher-kva.example", TLS_PEER_OK},
        {"for-servers", PEER, TLS_PEER_OK},
        {"for-any", PEER, TLS_PEER_OK},
        {"for-clients", PEER, TLS_PEER_WRONG_USE},
        {"for-mail", PEER, TLS_PEER_WRONG_USE},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tls_peer_want want = {.domain = span_of(cases[i].domain), .service = "xmpp-server"};
        expect_both(cases[i].cert, &want, cases[i].verdict);
    }
}

static void notices_that_there_is_none(void **state)
{
    struct tls_peer_want want = {.domain = SPAN(PEER)};
    unsigned char sha256[32];
    struct look l;
    (void)state;
    meet(&l, NULL, true);
    assert_int_equal(tls_peer_check(l.session, &want), TLS_PEER_NONE);
    assert_false(tls_peer_fingerprint(l.session, sha256));
    part(&l);
    assert_int_equal(tls_peer_check(NULL, &want), TLS_PEER_NONE);
    assert_false(tls_peer_fingerprint(NULL, sha256));
}

/* --- pins ---------------------------------------------------------------------------------------
 */

static void fingerprint_of(const char *name, char hex[65])
{
    gnutls_x509_crt_t crt;
    unsigned char sha256[32];
    size_t n = sizeof sha256;
    certs_read(name, &crt, NULL);
    assert_int_equal(gnutls_x509_crt_get_fingerprint(crt, GNUTLS_DIG_SHA256, sha256, &n), 0);
    crypto_hex(span_make((char *)sha256, n), hex);
    gnutls_x509_crt_deinit(crt);
}

static void holds_to_pins(void **state)
{
    char hex[65], colons[96] = "";
    (void)state;
    fingerprint_of("self", hex);
    for (size_t i = 0; i < 64; i += 2)
        snprintf(colons + strlen(colons), 4, "%s%c%c", i ? ":" : "",
                 hex[i] >= 'a' ? hex[i] - 32 : hex[i], hex[i + 1]);
    struct tls_peer_want want = {.domain = SPAN(PEER), .pin = span_of(hex)};
    expect_both("self", &want, TLS_PEER_OK);
    expect_both("fine", &want, TLS_PEER_WRONG_PIN);
    want.pin = span_of(colons);
    expect_both("self", &want, TLS_PEER_OK);
    want.pin.n -= 1;
    expect_both("self", &want, TLS_PEER_WRONG_PIN);
    want.pin = SPAN(":");
    expect_both("self", &want, TLS_PEER_WRONG_PIN);
    hex[63] = hex[63] == '0' ? '1' : '0';
    want.pin = span_of(hex);
    expect_both("self", &want, TLS_PEER_WRONG_PIN);
}

static void tells_fingerprints(void **state)
{
    unsigned char sha256[32];
    char hex[65], want[65];
    struct look l;
    (void)state;
    meet(&l, "fine", true);
    assert_true(tls_peer_fingerprint(l.session, sha256));
    crypto_hex(span_make((char *)sha256, 32), hex);
    fingerprint_of("fine", want);
    assert_string_equal(hex, want);
    part(&l);
}

/* --- TLSA records -------------------------------------------------------------------------------
 */

/* "USAGE SELECTOR MATCHING" over what that certificate has. */
static void make_record(struct buf *out, const char *head, const char *cert)
{
    gnutls_x509_crt_t crt;
    gnutls_pubkey_t key;
    gnutls_datum_t der;
    unsigned char digest[64];
    certs_read(cert, &crt, NULL);
    assert_int_equal(gnutls_pubkey_init(&key), 0);
    assert_int_equal(gnutls_pubkey_import_x509(key, crt, 0), 0);
    assert_int_equal(head[2] == '1' ? gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &der)
                                    : gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der),
                     0);
    buf_clear(out);
    for (int i = 0; i < 3; i++)
        buf_append_char(out, (char)(head[2 * i] - '0'));
    gnutls_digest_algorithm_t hash = head[4] == '2' ? GNUTLS_DIG_SHA512 : GNUTLS_DIG_SHA256;
    if (head[4] == '0') {
        buf_append(out, span_make((char *)der.data, der.size));
    } else {
        assert_int_equal(gnutls_hash_fast(hash, der.data, der.size, digest), 0);
        buf_append(out, span_make((char *)digest, gnutls_hash_get_len(hash)));
    }
    gnutls_free(der.data);
    gnutls_pubkey_deinit(key);
    gnutls_x509_crt_deinit(crt);
}

static void obeys_records(void **state)
{
    static const struct {
        const char *record, *of, *cert, *domain, *target;
        enum tls_peer_verdict verdict;
    } cases[] = {
        /* DANE-EE: the certificate itself, whoever has signed it, whatever it says */
        {"3 0 0", "self", "self", PEER, "", TLS_PEER_OK},
        {"3 0 1", "self", "self", PEER, "", TLS_PEER_OK},
        {"3 0 2", "self", "self", PEER, "", TLS_PEER_OK},
        {"3 1 0", "self", "self", PEER, "", TLS_PEER_OK},
        {"3 1 1", "self", "self", PEER, "", TLS_PEER_OK},
        {"3 1 2", "self", "self", PEER, "", TLS_PEER_OK},
        {"3 1 1", "late", "late", "montague.example", "", TLS_PEER_OK},
        {"3 1 1", "fine", "self", PEER, "", TLS_PEER_WRONG_TLSA},
        {"3 1 1", "self", "fine", PEER, "", TLS_PEER_WRONG_TLSA},
        {"3 1 1", "root", "fine", PEER, "", TLS_PEER_WRONG_TLSA},
        /* DANE-TA: an authority of the domain's own, which has sent its certificate along */
        {"2 0 1", "far", "far-fine", PEER, "", TLS_PEER_OK},
        {"2 1 1", "far", "far-fine", PEER, "", TLS_PEER_OK},
        {"2 1 2", "far", "far-fine", "other.example", PEER, TLS_PEER_OK},
        {"2 1 1", "far", "far-fine", "other.example", "host.example", TLS_PEER_WRONG_NAME},
        {"2 1 1", "far", "fine", PEER, "", TLS_PEER_WRONG_TLSA},
        {"2 1 1", "middle", "below", PEER, "", TLS_PEER_OK},
        {"2 0 1", "root", "below", PEER, "", TLS_PEER_OK},
        {"2 1 1", "fine", "fine", PEER, "", TLS_PEER_WRONG_TLSA},
        {"2 1 1", "fine", "leaf-ca", PEER, "", TLS_PEER_UNTRUSTED},
        /* PKIX-EE and PKIX-TA: both that record and the authorities that we know */
        {"1 1 1", "fine", "fine", PEER, "", TLS_PEER_OK},
        {"1 1 1", "self", "self", PEER, "", TLS_PEER_SELF_SIGNED},
        {"1 1 1", "fine", "fine", "other.example", PEER, TLS_PEER_WRONG_NAME},
        {"1 1 1", "fine", "below", PEER, "", TLS_PEER_WRONG_TLSA},
        {"0 1 1", "root", "fine", PEER, "", TLS_PEER_OK},
        {"0 0 1", "middle", "below", PEER, "", TLS_PEER_OK},
        {"0 1 1", "far", "far-fine", PEER, "", TLS_PEER_UNTRUSTED},
        {"0 1 1", "middle", "fine", PEER, "", TLS_PEER_WRONG_TLSA},
    };
    struct buf record = {0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        make_record(&record, cases[i].record, cases[i].of);
        struct span tlsa = buf_span(&record);
        struct tls_peer_want want = {.domain = span_of(cases[i].domain),
                                     .service = "xmpp-server",
                                     .tlsa = &tlsa,
                                     .tlsa_count = 1,
                                     .tlsa_name = span_of(cases[i].target)};
        expect(cases[i].cert, false, &want, cases[i].verdict);
    }
    buf_free(&record);
}

/* A certificate that comes along says nothing: it must have signed, not only be called so. */
static void is_not_fooled_by_company(void **state)
{
    char chain[200], text[16384];
    struct buf record = {0};
    gnutls_datum_t lied, far;
    (void)state;
    assert_int_equal(gnutls_load_file(certs_path("lied", ".crt"), &lied), 0);
    assert_int_equal(gnutls_load_file(certs_path("far", ".crt"), &far), 0);
    int n =
        snprintf(text, sizeof text, "%.*s%.*s", (int)lied.size, lied.data, (int)far.size, far.data);
    snprintf(chain, sizeof chain, "%s", certs_path("lied", ".crt"));
    certs_write(chain, text, (size_t)n, 0644);
    make_record(&record, "2 1 1", "far");
    struct span tlsa = buf_span(&record);
    struct tls_peer_want want = {.domain = SPAN(PEER), .tlsa = &tlsa, .tlsa_count = 1};
    expect("lied", false, &want, TLS_PEER_UNTRUSTED);
    gnutls_free(lied.data);
    gnutls_free(far.data);
    buf_free(&record);
}

/* One of several is enough; what nobody knows is passed over, and alone it decides nothing. */
static void passes_over_unknown_records(void **state)
{
    struct buf good = {0}, bad = {0};
    (void)state;
    make_record(&good, "3 1 1", "self");
    make_record(&bad, "3 1 1", "fine");
    struct span records[] = {SPAN("\x09\x01\x01"
                                  "0123456789abcdef0123456789abcdef"),
                             SPAN("\x03\x01\x07"
                                  "0123456789abcdef0123456789abcdef"),
                             SPAN("\x03\x01\x01short"),
                             SPAN(""),
                             SPAN("\x03\x01\x01"),
                             buf_span(&bad),
                             buf_span(&good)};
    struct tls_peer_want want = {.domain = SPAN(PEER), .tlsa = records, .tlsa_count = 7};
    expect("self", false, &want, TLS_PEER_OK);
    want.tlsa_count = 6;
    expect("self", false, &want, TLS_PEER_WRONG_TLSA);
    want.tlsa_count = 5;
    expect("self", false, &want, TLS_PEER_SELF_SIGNED);
    expect("fine", false, &want, TLS_PEER_OK);
    buf_free(&good);
    buf_free(&bad);
}

/* --- the twin ------------------------------------------------------------------------------------
 */

static enum tls_peer_verdict twin(const struct tls_peer_want *want)
{
    return span_eq(want->domain, SPAN(PEER)) ? TLS_PEER_OK : TLS_PEER_EXPIRED;
}

static void asks_the_twin(void **state)
{
    struct tls_ctx *ctx = tls_ctx_twin();
    void *session = tls_client_new(ctx, -1, SPAN(PEER));
    struct tls_peer_want want = {.domain = SPAN("montague.example")};
    (void)state;
    assert_int_equal(tls_peer_check(session, &want), TLS_PEER_OK);
    tls_peer_twin = twin;
    assert_int_equal(tls_peer_check(session, &want), TLS_PEER_EXPIRED);
    want.domain = SPAN(PEER);
    assert_int_equal(tls_peer_check(session, &want), TLS_PEER_OK);
    tls_peer_twin = NULL;
    ops->free(session);
    tls_ctx_unref(&ctx);
}

/* A context of both directions may load what the system trusts. */
static void loads_a_bundle(void **state)
{
    char error[TLS_ERROR_MAX], path[200];
    gnutls_datum_t pem;
    struct buf all = {0};
    (void)state;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(gnutls_load_file(certs_path(i % 2 ? "root" : "far", ".crt"), &pem), 0);
        buf_append(&all, SPAN("# a comment\n"));
        buf_append(&all, span_make((char *)pem.data, pem.size));
        gnutls_free(pem.data);
    }
    snprintf(path, sizeof path, "%s", certs_path("bundle", ".crt"));
    certs_write(path, buf_span(&all).p, buf_len(&all), 0644);
    struct tls_ctx *ctx =
        tls_ctx_new(&(struct tls_ctx_opts){.ca_file = path, .trust_later = true}, error);
    assert_non_null(ctx);
    tls_ctx_unref(&ctx);
    unlink(path);
    buf_free(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_certificates),
        cmocka_unit_test(notices_that_there_is_none),
        cmocka_unit_test(holds_to_pins),
        cmocka_unit_test(tells_fingerprints),
        cmocka_unit_test(obeys_records),
        cmocka_unit_test(is_not_fooled_by_company),
        cmocka_unit_test(passes_over_unknown_records),
        cmocka_unit_test(asks_the_twin),
        cmocka_unit_test(loads_a_bundle),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
