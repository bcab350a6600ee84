/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session: clients that misbehave, what is resumed and what is not, and what a session costs.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"

#include "test/unit/tls/pair.h"

#include <malloc.h>

static void noise_is_no_handshake(void **state)
{
    (void)state;
    static const struct span noise[] = {
        SPAN_INIT("<?xml version='1.0'?><stream:stream to='prime.example'>"),
        SPAN_INIT("GET / HTTP/1.1\r\n\r\n"),
        SPAN_INIT("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\x00\x00"),
        SPAN_INIT("\x16\x03\x01\xff\xff\x01\xff\xff\xff"),
        SPAN_INIT("\x17\x03\x03\x00\x04"
                  "data"),
        SPAN_INIT("\x15\x03\x03\x00\x02\x02\x28"), /* a fatal alert */
        SPAN_INIT("\0\0\0\0\0\0\0\0"),
    };
    for (size_t i = 0; i < ARRAY_LEN(noise); i++) {
        struct pair p;
        open_pair(&p, server_ctx, false, NULL, SPAN_NONE);
        assert_int_equal(ops->handshake(p.server), -EAGAIN);
        assert_int_equal(write(p.client_fd, noise[i].p, noise[i].n), (ssize_t)noise[i].n);
        shutdown(p.client_fd, SHUT_WR);
        int ret = ops->handshake(p.server);
        assert_true(ret == -EPROTO || ret == -ECONNRESET);
        assert_non_null(ops->reason(p.server));
        ops->bye(p.server);
        close_pair(&p);
    }
}

static void renegotiation_ends_the_session(void **state)
{
    (void)state;
    struct raw r;
    char got[16];
    raw_open(&r, ONLY_12, 0);
    raw_shake(&r);
    assert_int_equal(gnutls_record_send(r.session, "before", 6), 6);
    assert_int_equal(ops->recv(r.pair.server, got, sizeof(got)), 6);
    assert_int_equal(gnutls_handshake(r.session), GNUTLS_E_AGAIN);
    assert_int_equal(ops->recv(r.pair.server, got, sizeof(got)), -EPROTO);
    assert_string_equal(ops->reason(r.pair.server), "renegotiation refused");
    assert_int_equal(gnutls_handshake(r.session), GNUTLS_E_WARNING_ALERT_RECEIVED);
    assert_int_equal(gnutls_alert_get(r.session), GNUTLS_A_NO_RENEGOTIATION);
    raw_close(&r);
}

static void a_flood_of_key_updates_ends_the_session(void **state)
{
    (void)state;
    struct raw r;
    char got[16];
    raw_open(&r, ONLY_13, 0);
    raw_shake(&r);
    assert_int_equal(gnutls_session_key_update(r.session, GNUTLS_KU_PEER), 0);
    assert_int_equal(gnutls_record_send(r.session, "one is fine", 11), 11);
    assert_int_equal(receive(r.pair.server, got, sizeof(got)), 11);
    assert_int_equal(ops->send(r.pair.server, "answer", 6), 6);
    ssize_t ret = GNUTLS_E_AGAIN;
    for (int i = 0; i < 4 && ret == GNUTLS_E_AGAIN; i++)
        ret = gnutls_record_recv(r.session, got, sizeof(got));
    assert_int_equal(ret, 6);

    ret = -EAGAIN;
    int updates = 0;
    for (; updates < 100 && ret == -EAGAIN; updates++) {
        if (gnutls_session_key_update(r.session, 0) < 0)
            break;
        ret = ops->recv(r.pair.server, got, sizeof(got));
    }
    assert_int_equal(ret, -EPROTO);
    assert_true(updates < 20);
    assert_non_null(ops->reason(r.pair.server));
    raw_close(&r);
}

static void a_flood_of_warnings_ends_the_session(void **state)
{
    (void)state;
    struct raw r;
    char got[16];
    raw_open(&r, ONLY_12, 0);
    raw_shake(&r);
    gnutls_alert_send(r.session, GNUTLS_AL_WARNING, GNUTLS_A_USER_CANCELED);
    gnutls_record_send(r.session, "one is fine", 11);
    assert_int_equal(ops->recv(r.pair.server, got, sizeof(got)), 11);
    for (int i = 0; i < 100; i++)
        gnutls_alert_send(r.session, GNUTLS_AL_WARNING, GNUTLS_A_USER_CANCELED);
    assert_int_equal(ops->recv(r.pair.server, got, sizeof(got)), -EPROTO);
    raw_close(&r);
}

/* --- resumption --- */

static void tickets_resume_within_a_context(void **state)
{
    (void)state;
    struct tls_ctx *reloaded = server_with("good"), *kept = server_ctx;
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        gnutls_datum_t data;
        struct raw r;
        char got[8];
        raw_open(&r, versions[i], 0);
        raw_shake(&r);
        assert_int_equal(gnutls_record_recv(r.session, got, sizeof(got)), GNUTLS_E_AGAIN);
        assert_int_equal(gnutls_session_get_data2(r.session, &data), 0);
        raw_close(&r);

        raw_open(&r, versions[i], 0);
        gnutls_session_set_data(r.session, data.data, data.size);
        raw_shake(&r);
        assert_true(gnutls_session_is_resumed(r.session));
        raw_close(&r);

        server_ctx = reloaded;
        raw_open(&r, versions[i], 0);
        gnutls_session_set_data(r.session, data.data, data.size);
        raw_shake(&r);
        assert_false(gnutls_session_is_resumed(r.session));
        raw_close(&r);
        server_ctx = kept;
        gnutls_free(data.data);
    }
    tls_ctx_unref(&reloaded);
}

/* What could be played again by anyone must never be read. */
static void early_data_is_not_taken(void **state)
{
    (void)state;
    gnutls_datum_t data;
    struct raw r;
    char got[16];
    raw_open(&r, ONLY_13, GNUTLS_ENABLE_EARLY_DATA);
    raw_shake(&r);
    gnutls_record_recv(r.session, got, sizeof(got));
    assert_int_equal(gnutls_session_get_data2(r.session, &data), 0);
    raw_close(&r);

    raw_open(&r, ONLY_13, GNUTLS_ENABLE_EARLY_DATA);
    gnutls_session_set_data(r.session, data.data, data.size);
    gnutls_free(data.data);
    assert_int_equal(gnutls_record_send_early_data(r.session, "early", 5), 0);
    raw_shake(&r);
    assert_true(gnutls_session_is_resumed(r.session));
    assert_int_equal(gnutls_session_get_flags(r.session) & GNUTLS_SFLAGS_EARLY_DATA, 0);
    assert_int_equal(ops->recv(r.pair.server, got, sizeof(got)), -EAGAIN);
    assert_int_equal(gnutls_record_send(r.session, "in time", 7), 7);
    assert_int_equal(receive(r.pair.server, got, sizeof(got)), 7);
    assert_memory_equal(got, "in time", 7);
    raw_close(&r);
}

/* --- lifetimes and sizes --- */

static void a_session_outlives_the_reload(void **state)
{
    (void)state;
    struct tls_ctx *server = server_with("other"), *client = client_with(NULL, NULL, SPAN_NONE);
    struct pair p;
    int s, c;
    open_pair(&p, server, false, client, SPAN_NONE);
    tls_ctx_unref(&server);
    tls_ctx_unref(&client);
    shake(&p, &s, &c);
    assert_int_equal(s, 0);
    assert_int_equal(c, 0);
    close_pair(&p);
}

/* Names that nobody has heard of get the one certificate and leave nothing behind. */
static void unknown_names_cost_no_memory(void **state)
{
    (void)state;
    struct tls_ctx *client = client_with(NULL, NULL, SPAN_NONE);
    size_t before = 0;
    for (int i = 0; i < 120; i++) {
        char name[32];
        struct pair p;
        int s, c;
        snprintf(name, sizeof(name), "unknown-%d.example", i);
        open_pair(&p, server_ctx, false, client, span_of(name));
        shake(&p, &s, &c);
        assert_int_equal(s, 0);
        close_pair(&p);
        if (i == 20)
            before = mallinfo2().uordblks;
    }
    assert_true(mallinfo2().uordblks <= before + 4096);
    tls_ctx_unref(&client);
}

/* An idle session after a handshake and a little talk, server side alone. */
static void an_idle_session_is_small(void **state)
{
    (void)state;
    enum { COUNT = 40 };
    static struct raw r[COUNT];
    size_t all = 0;
    for (int i = 0; i < COUNT; i++) {
        char got[16];
        raw_open(&r[i], ONLY_13, 0);
        raw_shake(&r[i]);
        gnutls_record_send(r[i].session, "hello", 5);
        assert_int_equal(ops->recv(r[i].pair.server, got, sizeof(got)), 5);
        assert_int_equal(ops->recv(r[i].pair.server, got, sizeof(got)), -EAGAIN);
        assert_int_equal(ops->send(r[i].pair.server, "hello", 5), 5);
    }
    for (int i = 0; i < COUNT; i++) {
        size_t with = mallinfo2().uordblks;
        ops->free(r[i].pair.server);
        r[i].pair.server = NULL;
        all += with - mallinfo2().uordblks;
        raw_close(&r[i]);
    }
    assert_true(all / COUNT < 20 * 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_is_no_handshake),
        cmocka_unit_test(renegotiation_ends_the_session),
        cmocka_unit_test(a_flood_of_key_updates_ends_the_session),
        cmocka_unit_test(a_flood_of_warnings_ends_the_session),
        cmocka_unit_test(tickets_resume_within_a_context),
        cmocka_unit_test(early_data_is_not_taken),
        cmocka_unit_test(a_session_outlives_the_reload),
        cmocka_unit_test(unknown_names_cost_no_memory),
        cmocka_unit_test(an_idle_session_is_small),
    };
    return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}
