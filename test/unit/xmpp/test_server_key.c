/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * server_key: a certificate proves an OpenPGP key only when both are one; whose key a peer has;
 * what it signs; the twin.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "pgp/key.h"
#include "test/unit/pgp/keys.h"
#include "test/unit/tls/pair.h"
#include "tls/bridge.h"
#include "xmpp/server_key.h"

#define BITS 2048

struct identity {
    struct pgp_secret secret;
    struct buf packets;
    char fingerprint[PGP_FINGERPRINT + 1];
};
static struct identity prime, beta;

static void identity_make(struct identity *i, struct span uid)
{
    char error[PGP_ERROR_MAX] = "";
    struct buf armoured = {0};
    assert_true(pgp_key_make(uid, BITS, &armoured, error));
    assert_true(pgp_secret_read(buf_span(&armoured), &i->secret, error));
    struct pgp_key *k = pgp_key_parse(buf_span(&armoured), error);
    assert_non_null(k);
    pgp_key_write(k, &i->packets);
    memcpy(i->fingerprint, pgp_key_fingerprint(k), sizeof i->fingerprint);
    pgp_key_free(&k);
    buf_wipe(&armoured);
}

static void identity_free(struct identity *i)
{
    pgp_secret_wipe(&i->secret);
    buf_free(&i->packets);
}

/* NAME.crt and NAME.key: the key of who, with those packets in it. */
static void make(const char *name, const struct identity *who, struct span packets)
{
    char error[TLS_ERROR_MAX] = "";
    struct buf cert = {0}, key = {0};
    const struct pgp_secret *s = &who->secret;
    struct tls_rsa rsa = {.n = buf_span(&s->n),
                          .e = buf_span(&s->e),
                          .d = buf_span(&s->d),
                          .p = buf_span(&s->p),
                          .q = buf_span(&s->q),
                          .u = buf_span(&s->u)};
    bool ok = tls_bridge_make(&rsa, packets, SPAN("x"), SPAN("prime.example"), s->created, &cert,
                              &key, error);
    assert_string_equal(error, "");
    assert_true(ok);
    certs_write(certs_path(name, ".crt"), buf_span(&cert).p, buf_len(&cert), 0644);
    certs_write(certs_path(name, ".key"), buf_span(&key).p, buf_len(&key), 0600);
    buf_free(&cert);
    buf_wipe(&key);
}

static int set_up(void **state)
{
    struct buf eddsa = {0}, revoked = {0}, weak = {0};
    pair_setup(state);
    identity_make(&prime, SPAN("prime"));
    identity_make(&beta, SPAN("beta"));
    keys_make(&(struct keys_opts){.algorithm = "EDDSA"}, &eddsa);
    keys_make(&(struct keys_opts){.is_revoked = true}, &revoked);
    keys_make(&(struct keys_opts){.made = 0}, &weak);
    make("own", &prime, buf_span(&prime.packets));
    make("stolen", &beta, buf_span(&prime.packets));
    make("ededdsa", &prime, buf_span(&eddsa));
    make("revoked", &prime, buf_span(&revoked));
    make("weak", &prime, buf_span(&weak));
    make("empty", &prime, SPAN(""));
    make("garbage", &prime, SPAN("garbage"));
    buf_free(&eddsa);
    buf_free(&revoked);
    buf_free(&weak);
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"own",  "stolen", "ededdsa", "revoked",
                                        "weak", "empty",  "garbage"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        unlink(certs_path(names[i], ".crt"));
        unlink(certs_path(names[i], ".key"));
    }
    identity_free(&prime);
    identity_free(&beta);
    return pair_teardown(state);
}

/* --- certificates
 * --------------------------------------------------------------------------------- */

static const struct {
    const char *name, *why; /* NULL: taken */
} cases[] = {
    {"own", NULL},
    {"stolen", "the certificate's key is not the OpenPGP master key in it"},
    {"ededdsa", "the OpenPGP master key is not RSA"},
    {"revoked", "the key is revoked"},
    {"weak", "the OpenPGP master key has fewer than 2048 bits"},
    {"empty", "no key"},
    {"garbage", "neither a binary key nor an armoured one"},
    {"good", "the certificate's key is not RSA"}, /* ECDSA, and no bridge */
};

static void a_certificate_and_its_key_must_be_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char error[CONF_ERROR_MAX] = "", want[CONF_ERROR_MAX] = "";
        const char *file = certs_path(cases[i].name, ".crt");
        struct server_key *k = server_key_open(file, error);
        if (cases[i].why)
            snprintf(want, sizeof want, "%s: %s", file, cases[i].why);
        assert_string_equal(error, want);
        assert_int_equal(k == NULL, cases[i].why != NULL);
        if (k) {
            assert_string_equal(server_key_fingerprint(k), prime.fingerprint);
            assert_true(span_eq(server_key_packets(k), buf_span(&prime.packets)));
        }
        server_key_free(&k);
    }
}

static struct tls_ctx *ctx_of(const char *cert)
{
    char error[TLS_ERROR_MAX];
    struct tls_ctx_opts opts = {.cert_file = certs_path(cert, ".crt"),
                                .key_file = certs_path(cert, ".key"),
                                .priority = TLS_ONLY_13,
                                .alpn = SPAN("xmpp-net"),
                                .ask_peer = true,
                                .trust_later = true};
    struct tls_ctx *ctx = tls_ctx_new(&opts, error);
    assert_string_equal(error, "");
    return ctx;
}

/* Each at both ends: as the client's certificate and as the server's. */
static void a_peer_has_its_own_key_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tls_ctx *theirs = ctx_of(cases[i].name), *ours = ctx_of("own");
        for (int is_client = 0; is_client < 2; is_client++) {
            char error[CONF_ERROR_MAX] = "", fingerprint[SERVER_FINGERPRINT + 1] = "";
            struct pair p;
            connect_pair(&p, is_client ? ours : theirs, is_client ? theirs : ours);
            void *at = is_client ? p.server : p.client;
            assert_int_equal(server_key_of_peer(at, fingerprint, error), cases[i].why == NULL);
            assert_string_equal(error, cases[i].why ? cases[i].why : "");
            assert_string_equal(fingerprint, cases[i].why ? "" : prime.fingerprint);
            close_pair(&p);
        }
        tls_ctx_unref(&theirs);
        tls_ctx_unref(&ours);
    }
}

static bool twin(void *session, char fingerprint_r[SERVER_FINGERPRINT + 1])
{
    if (!session)
        return false;
    memcpy(fingerprint_r, beta.fingerprint, SERVER_FINGERPRINT + 1);
    return true;
}

static void twins_say_what_the_test_says(void **state)
{
    (void)state;
    char error[CONF_ERROR_MAX] = "", fingerprint[SERVER_FINGERPRINT + 1] = "";
    int session;
    assert_false(server_key_of_peer(NULL, fingerprint, error));
    assert_string_equal(error, "the peer has shown no certificate");
    server_key_twin = twin;
    assert_true(server_key_of_peer(&session, fingerprint, error));
    assert_string_equal(fingerprint, beta.fingerprint);
    assert_false(server_key_of_peer(NULL, fingerprint, error));
    server_key_twin = NULL;
}

/* --- signatures
 * ----------------------------------------------------------------------------------- */

static void homes_are_signed_by_their_server(void **state)
{
    (void)state;
    char error[CONF_ERROR_MAX] = "";
    struct buf text = {0}, other = {0}, signature = {0};
    struct tls_signer *s = tls_signer_open(certs_path("own", ".key"), error);
    struct server_key *k = server_key_parse(buf_span(&prime.packets), error);
    struct server_key *k2 = server_key_parse(buf_span(&beta.packets), error);
    assert_true(s && k && k2);
    server_key_home_text(SPAN("alice"), SPAN("prime.example"), 1700000000123, &text);
    assert_true(
        span_eq(buf_span(&text), SPAN("kontalk home 1\nalice\nprime.example\n1700000000123\n")));
    assert_true(tls_sign(s, buf_span(&text), &signature));
    assert_true(server_key_verifies(k, buf_span(&text), buf_span(&signature)));
    assert_false(server_key_verifies(k2, buf_span(&text), buf_span(&signature)));
    server_key_home_text(SPAN("alice"), SPAN("prime.example"), 1700000000124, &other);
    assert_false(server_key_verifies(k, buf_span(&other), buf_span(&signature)));
    server_key_free(&k);
    server_key_free(&k2);
    tls_signer_free(&s);
    buf_free(&text);
    buf_free(&other);
    buf_free(&signature);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_and_its_key_must_be_one),
        cmocka_unit_test(a_peer_has_its_own_key_only),
        cmocka_unit_test(twins_say_what_the_test_says),
        cmocka_unit_test(homes_are_signed_by_their_server),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
