/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bridge: certificates with an OpenPGP key in them, made and read again, from files and from
 * sessions whose both sides show one; what is no such certificate; signatures.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "test/unit/tls/pair.h"
#include "tls/bridge.h"

#define CREATED 1700000000
#define ALPN SPAN("xmpp-net")

struct numbers {
    gnutls_datum_t n, e, d, p, q, u;
};
static struct numbers own, weak;

static struct span as_span(const gnutls_datum_t *d)
{
    return span_make((const char *)d->data, d->size);
}

static void numbers_make(struct numbers *k, unsigned bits)
{
    gnutls_x509_privkey_t key;
    assert_int_equal(gnutls_x509_privkey_init(&key), 0);
    assert_int_equal(gnutls_x509_privkey_generate(key, GNUTLS_PK_RSA, bits, 0), 0);
    assert_int_equal(
        gnutls_x509_privkey_export_rsa_raw(key, &k->n, &k->e, &k->d, &k->p, &k->q, &k->u), 0);
    gnutls_x509_privkey_deinit(key);
}

static void numbers_free(struct numbers *k)
{
    gnutls_datum_t *const all[] = {&k->n, &k->e, &k->d, &k->p, &k->q, &k->u};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        gnutls_free(all[i]->data);
}

static struct tls_rsa rsa_of(const struct numbers *k)
{
    return (struct tls_rsa){.n = as_span(&k->n),
                            .e = as_span(&k->e),
                            .d = as_span(&k->d),
                            .p = as_span(&k->p),
                            .q = as_span(&k->q),
                            .u = as_span(&k->u)};
}

/* NAME.crt and NAME.key, with openpgp in it. */
static void make(const char *name, const struct numbers *k, struct span openpgp)
{
    char error[TLS_ERROR_MAX] = "";
    struct buf cert = {0}, key = {0};
    struct tls_rsa rsa = rsa_of(k);
    bool ok = tls_bridge_make(&rsa, openpgp, SPAN("Server of prime.example"), SPAN("prime.example"),
                              CREATED, &cert, &key, error);
    assert_string_equal(error, "");
    assert_true(ok);
    certs_write(certs_path(name, ".crt"), buf_span(&cert).p, buf_len(&cert), 0644);
    certs_write(certs_path(name, ".key"), buf_span(&key).p, buf_len(&key), 0600);
    buf_free(&cert);
    buf_wipe(&key);
}

static int set_up(void **state)
{
    pair_setup(state);
    numbers_make(&own, 2048);
    numbers_make(&weak, 1024);
    make("bridge", &own, SPAN("an OpenPGP key"));
    return 0;
}

static int tear_down(void **state)
{
    const char *const names[] = {"bridge", "weak", "sized"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        unlink(certs_path(names[i], ".crt"));
        unlink(certs_path(names[i], ".key"));
    }
    numbers_free(&own);
    numbers_free(&weak);
    return pair_teardown(state);
}

/* --- files
 * ---------------------------------------------------------------------------------------- */

static void assert_bridge(const struct tls_bridge *b, struct span openpgp)
{
    struct span n = as_span(&own.n);
    if (n.p[0] == 0)
        n = span_from(n, 1);
    assert_true(span_eq(buf_span(&b->n), n));
    assert_true(span_eq(buf_span(&b->e), SPAN("\x01\x00\x01")));
    assert_true(span_eq(buf_span(&b->openpgp), openpgp));
}

static void what_is_made_is_read(void **state)
{
    (void)state;
    /* The lengths at which DER changes how it writes them. */
    static const size_t sizes[] = {0, 1, 126, 127, 128, 254, 255, 256, 1800, 65534, 65535, 65536};
    char error[TLS_ERROR_MAX] = "";
    struct tls_bridge b;
    char *bytes = mem_alloc(70000);
    memset(bytes, 'k', 70000);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        make("sized", &own, span_make(bytes, sizes[i]));
        assert_true(tls_bridge_open(certs_path("sized", ".crt"), &b, error));
        assert_bridge(&b, span_make(bytes, sizes[i]));
        tls_bridge_free(&b);
    }
    free(bytes);
}

static void a_certificate_is_of_its_key_and_host(void **state)
{
    (void)state;
    gnutls_x509_crt_t crt;
    gnutls_datum_t dn;
    unsigned status = 0, critical = 1;
    gnutls_datum_t extension;
    certs_read("bridge", &crt, NULL);
    assert_true(gnutls_x509_crt_check_hostname(crt, "prime.example"));
    assert_int_equal(gnutls_x509_crt_get_activation_time(crt), CREATED);
    assert_true(gnutls_x509_crt_get_expiration_time(crt) - CREATED > 19L * 365 * DAY);
    assert_int_equal(gnutls_x509_crt_get_dn3(crt, &dn, 0), 0);
    assert_string_equal((char *)dn.data, "CN=Server of prime.example,O=OpenPGP to X.509 Bridge");
    assert_int_equal(gnutls_x509_crt_list_verify(&crt, 1, &crt, 1, NULL, 0,
                                                 GNUTLS_VERIFY_DISABLE_CA_SIGN, &status),
                     0);
    assert_int_equal(status, 0);
    assert_int_equal(
        gnutls_x509_crt_get_extension_by_oid2(crt, "2.25.5270240710", 0, &extension, &critical), 0);
    assert_int_equal(critical, 0);
    gnutls_free(extension.data);
    gnutls_free(dn.data);
    gnutls_x509_crt_deinit(crt);
}

static void what_is_no_bridge_is_refused(void **state)
{
    (void)state;
    char error[TLS_ERROR_MAX], want[TLS_ERROR_MAX];
    struct tls_bridge b;
    assert_false(tls_bridge_open(certs_path("good", ".crt"), &b, error));
    snprintf(want, sizeof want, "%s: the certificate's key is not RSA", certs_path("good", ".crt"));
    assert_string_equal(error, want);
    assert_false(tls_bridge_open(certs_path("good", ".key"), &b, error));
    assert_non_null(strstr(error, ": not a certificate"));
    assert_false(tls_bridge_open("/nowhere/server.pem", &b, error));
    assert_non_null(strstr(error, "/nowhere/server.pem: "));
    assert_false(tls_bridge_read(SPAN("\x30\x03\x02\x01\x01"), &b, error));
    assert_string_equal(error, "not a certificate");
    assert_false(tls_bridge_read(span_make("", 300000), &b, error));
    assert_string_equal(error, "the certificate is too large");
    tls_bridge_free(&b);
}

/* What stands in the place of the BIT STRING. */
static void extensions_out_of_shape_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct span der;
        const char *why;
    } cases[] = {
        {SPAN_INIT("\x03\x02\0x"), NULL},
        {SPAN_INIT("\x03\x81\x02\0x"), NULL},
        {SPAN_INIT("\x04\x02\0x"), "the certificate's OpenPGP key is not a BIT STRING"},
        {SPAN_INIT("\x03\x03\0x"), "the certificate's OpenPGP key is not a BIT STRING"},
        {SPAN_INIT("\x03\x01\0x"), "the certificate's OpenPGP key is not a BIT STRING"},
        {SPAN_INIT("\x03\x02\x01x"), "the certificate's OpenPGP key is not a BIT STRING"},
        {SPAN_INIT("\x03\x80\0"), "the certificate's OpenPGP key is not a BIT STRING"},
        {SPAN_INIT("\x03\x84\0\0\0\x02\0x"), "the certificate's OpenPGP key is not a BIT STRING"},
        {SPAN_INIT("\x03\x82\xff"), "the certificate's OpenPGP key is not a BIT STRING"},
        {SPAN_INIT("\x03\x00\x00"), "the certificate's OpenPGP key is not a BIT STRING"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        gnutls_x509_crt_t crt;
        gnutls_x509_privkey_t key;
        gnutls_datum_t der;
        struct tls_bridge b;
        char error[TLS_ERROR_MAX] = "";
        certs_read("bridge", &crt, NULL);
        certs_read("bridge", NULL, &key);
        assert_int_equal(gnutls_x509_crt_set_extension_by_oid(crt, TLS_BRIDGE_OID, cases[i].der.p,
                                                              cases[i].der.n, 0),
                         0);
        assert_int_equal(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0), 0);
        assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der), 0);
        assert_int_equal(tls_bridge_read(as_span(&der), &b, error), cases[i].why == NULL);
        assert_string_equal(error, cases[i].why ? cases[i].why : "");
        tls_bridge_free(&b);
        gnutls_free(der.data);
        gnutls_x509_privkey_deinit(key);
        gnutls_x509_crt_deinit(crt);
    }
}

/* --- sessions
 * ------------------------------------------------------------------------------------- */

static struct tls_ctx *net_ctx(const char *cert, const char *priority)
{
    char error[TLS_ERROR_MAX];
    struct tls_ctx_opts opts = {.cert_file = cert ? certs_path(cert, ".crt") : NULL,
                                .key_file = cert ? certs_path(cert, ".key") : NULL,
                                .priority = priority,
                                .alpn = ALPN,
                                .ask_peer = true,
                                .trust_later = true};
    struct tls_ctx *ctx = tls_ctx_new(&opts, error);
    assert_string_equal(error, "");
    return ctx;
}

/* To send and read something completes the handshake of 1.3 at the client's and server's side. */
static void both_sides_see_each_others(void **state)
{
    (void)state;
    char error[TLS_ERROR_MAX];
    struct tls_bridge b;
    struct pair p;
    int s, c;
    struct tls_ctx *server = net_ctx("bridge", TLS_ONLY_13),
                   *client = net_ctx("bridge", TLS_ONLY_13);
    open_pair(&p, server, true, client, SPAN("prime.example"));
    assert_false(tls_bridge_of_peer(p.client, &b, error));
    shake(&p, &s, &c);
    assert_int_equal(s, 0);
    assert_int_equal(c, 0);
    assert_true(tls_is_13(p.server));
    assert_true(tls_bridge_of_peer(p.server, &b, error));
    assert_bridge(&b, SPAN("an OpenPGP key"));
    tls_bridge_free(&b);
    assert_true(tls_bridge_of_peer(p.client, &b, error));
    assert_bridge(&b, SPAN("an OpenPGP key"));
    tls_bridge_free(&b);
    close_pair(&p);
    tls_ctx_unref(&server);
    tls_ctx_unref(&client);
}

static void a_client_without_certificate_is_known_as_such(void **state)
{
    (void)state;
    char error[TLS_ERROR_MAX];
    struct tls_bridge b;
    struct pair p;
    struct tls_ctx *server = net_ctx("bridge", TLS_ONLY_13), *client = net_ctx(NULL, TLS_ONLY_13);
    connect_pair(&p, server, client);
    assert_false(tls_bridge_of_peer(p.server, &b, error));
    assert_string_equal(error, "the peer has shown no certificate");
    assert_false(tls_bridge_of_peer(NULL, &b, error));
    close_pair(&p);
    tls_ctx_unref(&server);
    tls_ctx_unref(&client);
}

static void only_13_is_spoken(void **state)
{
    (void)state;
    struct pair p;
    int s, c;
    struct tls_ctx *server = net_ctx("bridge", TLS_ONLY_13), *client = net_ctx("bridge", ONLY_12);
    open_pair(&p, server, true, client, SPAN("prime.example"));
    shake(&p, &s, &c);
    assert_true(s < 0 && s != -EAGAIN);
    close_pair(&p);
    tls_ctx_unref(&server);
    tls_ctx_unref(&client);
}

/* --- signatures
 * ----------------------------------------------------------------------------------- */

static void what_is_signed_is_verified(void **state)
{
    (void)state;
    char error[TLS_ERROR_MAX] = "";
    struct buf signature = {0};
    struct span n = as_span(&own.n), e = as_span(&own.e);
    struct tls_signer *s = tls_signer_open(certs_path("bridge", ".key"), error);
    assert_non_null(s);
    assert_true(tls_sign(s, SPAN("a text"), &signature));
    assert_int_equal(buf_len(&signature), 256);
    assert_true(tls_verify(n, e, SPAN("a text"), buf_span(&signature)));
    assert_false(tls_verify(n, e, SPAN("a text "), buf_span(&signature)));
    assert_false(tls_verify(n, e, SPAN("a text"), SPAN("")));
    assert_false(tls_verify(n, e, SPAN("a text"), span_from(buf_span(&signature), 1)));
    assert_false(tls_verify(as_span(&own.d), e, SPAN("a text"), buf_span(&signature)));
    assert_false(tls_verify(SPAN(""), e, SPAN("a text"), buf_span(&signature)));
    assert_false(tls_verify(n, SPAN(""), SPAN("a text"), buf_span(&signature)));
    assert_false(tls_verify(n, SPAN("\x01"), SPAN("a text"), buf_span(&signature)));
    signature.p[signature.head + 7] ^= 1;
    assert_false(tls_verify(n, e, SPAN("a text"), buf_span(&signature)));
    buf_free(&signature);
    tls_signer_free(&s);
}

static void short_keys_verify_nothing(void **state)
{
    (void)state;
    char error[TLS_ERROR_MAX] = "";
    struct buf signature = {0};
    make("weak", &weak, SPAN("k"));
    struct tls_signer *s = tls_signer_open(certs_path("weak", ".key"), error);
    assert_true(tls_sign(s, SPAN("a text"), &signature));
    assert_false(
        tls_verify(as_span(&weak.n), as_span(&weak.e), SPAN("a text"), buf_span(&signature)));
    buf_free(&signature);
    tls_signer_free(&s);
}

static void keys_that_cannot_sign_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *suffix;
        mode_t mode;
        const char *why;
    } cases[] = {
        {"good", ".key", 0600, ": not an RSA key"},
        {"bridge", ".key", 0644, ": others may read it"},
        {"bridge", ".crt", 0600, ": "},
        {"nobody", ".key", 0600, ": "},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char error[TLS_ERROR_MAX] = "";
        const char *file = certs_path(cases[i].name, cases[i].suffix);
        chmod(file, cases[i].mode);
        assert_null(tls_signer_open(file, error));
        assert_non_null(strstr(error, cases[i].why));
        assert_non_null(strstr(error, file));
    }
    chmod(certs_path("bridge", ".key"), 0600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_made_is_read),
        cmocka_unit_test(a_certificate_is_of_its_key_and_host),
        cmocka_unit_test(what_is_no_bridge_is_refused),
        cmocka_unit_test(extensions_out_of_shape_are_refused),
        cmocka_unit_test(both_sides_see_each_others),
        cmocka_unit_test(a_client_without_certificate_is_known_as_such),
        cmocka_unit_test(only_13_is_spoken),
        cmocka_unit_test(what_is_signed_is_verified),
        cmocka_unit_test(short_keys_verify_nothing),
        cmocka_unit_test(keys_that_cannot_sign_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
