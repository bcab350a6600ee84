/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session under conn and loop, as the daemons use it: both ends in one loop, over a socket pair.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/loop.h"
#include "base/mem.h"

#include "test/unit/tls/pair.h"

struct end {
    struct loop *loop;
    struct conn *conn;
    struct buf got;
    size_t wanted; /* closes after so many bytes */
    bool secure, closed;
    int error;
    char reason[128];
    struct end *peer;
};

static void on_data(void *ctx, struct span bytes)
{
    struct end *e = ctx;
    assert_false(e->closed);
    buf_append(&e->got, bytes);
    if (e->wanted > 0 && buf_len(&e->got) >= e->wanted)
        conn_close(e->conn);
}

static void on_secure(void *ctx)
{
    struct end *e = ctx;
    e->secure = true;
}

static void on_close(void *ctx, int error, const char *reason)
{
    struct end *e = ctx;
    e->closed = true;
    e->error = error;
    e->conn = NULL;
    snprintf(e->reason, sizeof(e->reason), "%s", reason ? reason : "");
    if (e->peer->closed)
        loop_stop(e->loop);
}

static const struct conn_handler handler = {
    .on_data = on_data, .on_secure = on_secure, .on_close = on_close};

struct both {
    struct loop *loop;
    struct end server, client;
};

static void begin(struct both *b)
{
    int fds[2];
    memset(b, 0, sizeof(*b));
    b->loop = loop_new();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    b->server = (struct end){
        .loop = b->loop, .conn = conn_new_fd(b->loop, fds[0], NULL), .peer = &b->client};
    b->client = (struct end){
        .loop = b->loop, .conn = conn_new_fd(b->loop, fds[1], NULL), .peer = &b->server};
    conn_set_handler(b->server.conn, &handler, &b->server);
    conn_set_handler(b->client.conn, &handler, &b->client);
}

static void secure(struct both *b, bool alpn, struct tls_ctx *client)
{
    struct conn *s = b->server.conn, *c = b->client.conn;
    conn_start_transport(s, &tls_transport, tls_server_new(server_ctx, conn_fd(s), alpn));
    conn_start_transport(c, &tls_transport,
                         tls_client_new(client, conn_fd(c), SPAN("prime.example")));
    tls_ctx_unref(&client);
}

static void finish(struct both *b)
{
    assert_true(b->server.closed && b->client.closed);
    loop_free(&b->loop);
    buf_free(&b->server.got);
    buf_free(&b->client.got);
}

/* Queued before the handshake is over, large, in both directions, to the last byte. */
static void large_transfers_arrive_whole(void **state)
{
    (void)state;
    enum { SIZE = 3 * 1000 * 1000 };
    char *data = mem_alloc(SIZE);
    crypto_random(data, SIZE);
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct both b;
        begin(&b);
        secure(&b, true, client_with(versions[i], NULL, SPAN("xmpp-client")));
        conn_send(b.server.conn, span_make(data, SIZE));
        conn_send(b.client.conn, span_make(data, SIZE / 2));
        conn_close(b.server.conn);
        loop_run(b.loop);
        assert_false(b.server.secure); /* closed in the same tick: nothing may go out in clear */
        assert_int_equal(buf_len(&b.client.got), 0);
        finish(&b);

        begin(&b);
        secure(&b, true, client_with(versions[i], NULL, SPAN("xmpp-client")));
        conn_send(b.server.conn, span_make(data, SIZE));
        conn_send(b.client.conn, span_make(data, SIZE / 2));
        b.client.wanted = SIZE;
        loop_run(b.loop);
        assert_true(b.server.secure && b.client.secure);
        assert_true(span_eq(buf_span(&b.client.got), span_make(data, SIZE)));
        assert_int_equal(b.client.error, 0);
        assert_true(buf_len(&b.server.got) <= SIZE / 2);
        assert_memory_equal(buf_span(&b.server.got).p, data, buf_len(&b.server.got));
        finish(&b);
    }
    free(data);
}

static void a_failed_handshake_names_its_reason(void **state)
{
    (void)state;
    struct both b;
    begin(&b);
    secure(&b, true, client_with(NULL, NULL, SPAN("h2")));
    loop_run(b.loop);
    assert_false(b.server.secure || b.client.secure);
    assert_int_equal(b.client.error, -EPROTO);
    assert_non_null(strstr(b.client.reason, "application protocol"));
    assert_non_null(strstr(b.server.reason, "application protocol"));
    finish(&b);

    begin(&b);
    secure(&b, true, client_with(NULL, certs_path("other", ".crt"), SPAN_NONE));
    loop_run(b.loop);
    assert_string_equal(b.client.reason, "certificate not trusted");
    assert_int_not_equal(b.server.error, 0);
    finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_transfers_arrive_whole),
        cmocka_unit_test(a_failed_handshake_names_its_reason),
    };
    return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}
