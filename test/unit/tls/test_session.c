/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session: real handshakes between two of our ends: bytes, versions, names, bindings, ALPN.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"

#include "test/unit/tls/pair.h"

static void both_versions_carry_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct tls_ctx *client = client_with(versions[i], NULL, SPAN_NONE);
        struct pair p;
        char got[32];
        connect_pair(&p, server_ctx, client);
        assert_int_equal(tls_is_13(p.server), i == 1);
        assert_int_equal(tls_is_13(p.client), i == 1);
        assert_non_null(strstr(tls_describe(p.server), i == 1 ? "TLS1.3" : "TLS1.2"));
        assert_string_equal(tls_describe(p.server), tls_describe(p.client));

        assert_int_equal(ops->recv(p.server, got, sizeof(got)), -EAGAIN);
        assert_false(ops->wants_write(p.server));
        assert_int_equal(ops->send(p.client, "to the server", 13), 13);
        assert_int_equal(ops->recv(p.server, got, 6), 6);
        assert_int_equal(ops->pending(p.server), 7);
        assert_int_equal(ops->recv(p.server, got + 6, sizeof(got)), 7);
        assert_memory_equal(got, "to the server", 13);
        assert_int_equal(ops->pending(p.server), 0);
        assert_int_equal(ops->send(p.server, "back", 4), 4);
        assert_int_equal(receive(p.client, got, sizeof(got)), 4);
        assert_memory_equal(got, "back", 4);
        assert_null(ops->reason(p.server));
        close_pair(&p);
        tls_ctx_unref(&client);
    }
}

/* A full socket: the bytes that are repeated after -EAGAIN go out once, and none is missing. */
static void a_slow_reader_loses_nothing(void **state)
{
    (void)state;
    enum { SIZE = 700 * 1000 };
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct tls_ctx *client = client_with(versions[i], NULL, SPAN_NONE);
        struct pair p;
        connect_pair(&p, server_ctx, client);
        int small = 4096;
        setsockopt(p.server_fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
        char *data = mem_alloc(SIZE), *got = mem_alloc(SIZE + 1);
        crypto_simulate(i + 1);
        crypto_random(data, SIZE);
        crypto_simulate(0);
        size_t sent = 0, received = 0, waits = 0;
        while (received < SIZE) {
            ssize_t n = sent < SIZE ? ops->send(p.server, data + sent, SIZE - sent) : 0;
            assert_true(n >= 0 || n == -EAGAIN);
            if (n == -EAGAIN) {
                waits++;
                assert_true(ops->wants_write(p.server));
            } else {
                assert_true(n <= 64 * 1024 + 16384);
                sent += (size_t)n;
            }
            n = ops->recv(p.client, got + received,
                          SIZE + 1 - received < 1000 ? SIZE + 1 - received : 1000);
            assert_true(n > 0 || n == -EAGAIN);
            if (n > 0)
                received += (size_t)n;
        }
        assert_int_equal(sent, SIZE);
        assert_int_equal(received, SIZE);
        assert_true(waits > 10);
        assert_memory_equal(data, got, SIZE);
        free(data);
        free(got);
        close_pair(&p);
        tls_ctx_unref(&client);
    }
}

/* One connection may not keep the loop busy with encrypting, however much the system takes. */
static void a_call_encrypts_a_bounded_amount(void **state)
{
    (void)state;
    enum { SIZE = 1000 * 1000 };
    struct tls_ctx *client = client_with(NULL, NULL, SPAN_NONE);
    struct pair p;
    connect_pair(&p, server_ctx, client);
    char *data = mem_zalloc(SIZE);
    assert_int_equal(ops->send(p.server, data, SIZE), 64 * 1024);
    free(data);
    close_pair(&p);
    tls_ctx_unref(&client);
}

static void an_end_is_an_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct tls_ctx *client = client_with(versions[i], NULL, SPAN_NONE);
        struct pair p;
        char got[8];
        connect_pair(&p, server_ctx, client);
        ops->bye(p.client);
        assert_int_equal(ops->recv(p.server, got, sizeof(got)), 0);
        ops->bye(p.server);
        assert_int_equal(receive(p.client, got, sizeof(got)), 0);
        close_pair(&p);

        /* without close_notify */
        connect_pair(&p, server_ctx, client);
        shutdown(p.client_fd, SHUT_RDWR);
        assert_int_equal(ops->recv(p.server, got, sizeof(got)), 0);
        ssize_t n = 0;
        for (int k = 0; k < 4 && n >= 0; k++)
            n = ops->send(p.server, "into nothing", 12);
        assert_true(n < 0 && n != -EAGAIN);
        assert_non_null(ops->reason(p.server));
        close_pair(&p);
        tls_ctx_unref(&client);
    }
}

/* --- what is negotiated --- */

static void channel_bindings_agree(void **state)
{
    (void)state;
    unsigned char before[64] = {0};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct tls_ctx *client = client_with(versions[i], NULL, SPAN_NONE);
        struct pair p;
        unsigned char s[64], c[64];
        open_pair(&p, server_ctx, false, client, SPAN_NONE);
        assert_int_equal(tls_channel_binding(p.server, TLS_BINDING_EXPORTER, s), 0);
        assert_int_equal(tls_channel_binding(p.server, TLS_BINDING_SERVER_END_POINT, s), 0);
        assert_string_equal(tls_describe(p.server), "no TLS");
        close_pair(&p);

        connect_pair(&p, server_ctx, client);
        assert_int_equal(tls_channel_binding(p.server, TLS_BINDING_EXPORTER, s), 32);
        assert_int_equal(tls_channel_binding(p.client, TLS_BINDING_EXPORTER, c), 32);
        assert_memory_equal(s, c, 32);
        assert_memory_not_equal(s, before, 32); /* another connection's */
        memcpy(before, s, 32);

        assert_int_equal(tls_channel_binding(p.server, TLS_BINDING_SERVER_END_POINT, s), 32);
        assert_int_equal(tls_channel_binding(p.client, TLS_BINDING_SERVER_END_POINT, c), 32);
        assert_memory_equal(s, c, 32);
        close_pair(&p);
        tls_ctx_unref(&client);
    }
}

/* tls-server-end-point is the hash of the certificate's DER (RFC 5929 4.1). */
static void the_end_point_is_the_certificate(void **state)
{
    (void)state;
    gnutls_datum_t pem, der;
    unsigned char expected[32], s[64];
    assert_int_equal(gnutls_load_file(certs_path("good", ".crt"), &pem), 0);
    assert_int_equal(gnutls_pem_base64_decode2("CERTIFICATE", &pem, &der), 0);
    crypto_digest(CRYPTO_SHA256, span_make((char *)der.data, der.size), expected);
    gnutls_free(pem.data);
    gnutls_free(der.data);

    struct tls_ctx *client = client_with(NULL, NULL, SPAN_NONE);
    struct pair p;
    connect_pair(&p, server_ctx, client);
    assert_int_equal(tls_channel_binding(p.server, TLS_BINDING_SERVER_END_POINT, s), 32);
    assert_memory_equal(s, expected, 32);
    close_pair(&p);
    tls_ctx_unref(&client);
}

/* RFC 9266 4.2 */
static void no_exporter_without_extended_master_secret(void **state)
{
    (void)state;
    struct tls_ctx *client = client_with(ONLY_12 ":%NO_SESSION_HASH", NULL, SPAN_NONE);
    struct pair p;
    unsigned char s[64];
    connect_pair(&p, server_ctx, client);
    assert_int_equal(tls_channel_binding(p.server, TLS_BINDING_EXPORTER, s), 0);
    assert_int_equal(tls_channel_binding(p.server, TLS_BINDING_SERVER_END_POINT, s), 32);
    close_pair(&p);
    tls_ctx_unref(&client);
}

static const struct {
    bool required;
    struct span client;
    bool works, chosen;
} alpn_cases[] = {
    {true, {NULL, 0}, true, false},
    {true, SPAN_INIT("xmpp-client"), true, true},
    {true, SPAN_INIT("xmpp-server"), false, false},
    {true, SPAN_INIT("h2"), false, false},
    {false, {NULL, 0}, true, false},
    {false, SPAN_INIT("xmpp-client"), true, true},
    {false, SPAN_INIT("h2"), true, false},
};

static void alpn_is_ours_or_none(void **state)
{
    (void)state;
    for (size_t v = 0; v < ARRAY_LEN(versions); v++) {
        for (size_t i = 0; i < ARRAY_LEN(alpn_cases); i++) {
            struct tls_ctx *client = client_with(versions[v], NULL, alpn_cases[i].client);
            struct pair p;
            int s, c;
            open_pair(&p, server_ctx, alpn_cases[i].required, client, SPAN("prime.example"));
            shake(&p, &s, &c);
            if (alpn_cases[i].works) {
                assert_int_equal(s, 0);
                assert_int_equal(c, 0);
            } else {
                assert_int_equal(s, -EPROTO);
                assert_int_equal(c, -EPROTO);
                assert_non_null(strstr(ops->reason(p.client), "application protocol"));
                assert_non_null(ops->reason(p.server));
            }
            close_pair(&p);
            tls_ctx_unref(&client);
        }
    }
}

static void old_versions_and_ciphers_are_refused(void **state)
{
    (void)state;
    static const char *const weak[] = {
        "NORMAL:-VERS-ALL:+VERS-TLS1.0",
        "NORMAL:-VERS-ALL:+VERS-TLS1.1",
        "NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0:+SHA1",
        ONLY_12 ":-CIPHER-ALL:+3DES-CBC",
        ONLY_12 ":-CIPHER-ALL:+ARCFOUR-128",
        ONLY_12 ":-CIPHER-ALL:+NULL",
        ONLY_12 ":-KX-ALL:+ANON-ECDH",
    };
    for (size_t i = 0; i < ARRAY_LEN(weak); i++) {
        struct tls_ctx *client = client_with(weak[i], NULL, SPAN_NONE);
        struct pair p;
        int s, c;
        open_pair(&p, server_ctx, false, client, SPAN_NONE);
        shake(&p, &s, &c);
        assert_true(s < 0 && c < 0);
        /* A library that is built without a version says so itself and sends nothing. */
        if (s != -EAGAIN)
            assert_non_null(ops->reason(p.server));
        close_pair(&p);
        tls_ctx_unref(&client);
    }
}

/* --- verification by a client --- */

static const struct {
    const char *server, *ca;
    struct span name;
    const char *reason; /* NULL: accepted */
} verify_cases[] = {
    {"good", "good", SPAN_INIT("prime.example"), NULL},
    {"good", "good", {NULL, 0}, NULL},
    {"good", NULL, SPAN_INIT("elsewhere.example"), NULL},
    {"good", "good", SPAN_INIT("elsewhere.example"), "certificate of another name"},
    {"good", "other", SPAN_INIT("prime.example"), "certificate not trusted"},
    {"expired", "expired", SPAN_INIT("prime.example"), "certificate expired"},
    {"cn-only", "cn-only", SPAN_INIT("prime.example"), "certificate of another name"},
};

static void a_client_verifies_what_it_is_told_to(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(verify_cases); i++) {
        struct tls_ctx *server = server_with(verify_cases[i].server);
        const char *ca = verify_cases[i].ca;
        struct tls_ctx *client = client_with(NULL, ca ? certs_path(ca, ".crt") : NULL, SPAN_NONE);
        struct pair p;
        int s, c;
        open_pair(&p, server, false, client, verify_cases[i].name);
        shake(&p, &s, &c);
        if (verify_cases[i].reason) {
            assert_int_equal(c, -EPROTO);
            assert_string_equal(ops->reason(p.client), verify_cases[i].reason);
        } else {
            assert_int_equal(s, 0);
            assert_int_equal(c, 0);
        }
        close_pair(&p);
        tls_ctx_unref(&client);
        tls_ctx_unref(&server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_versions_carry_bytes),
        cmocka_unit_test(a_slow_reader_loses_nothing),
        cmocka_unit_test(a_call_encrypts_a_bounded_amount),
        cmocka_unit_test(an_end_is_an_end),
        cmocka_unit_test(channel_bindings_agree),
        cmocka_unit_test(the_end_point_is_the_certificate),
        cmocka_unit_test(no_exporter_without_extended_master_secret),
        cmocka_unit_test(alpn_is_ours_or_none),
        cmocka_unit_test(old_versions_and_ciphers_are_refused),
        cmocka_unit_test(a_client_verifies_what_it_is_told_to),
    };
    return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}
