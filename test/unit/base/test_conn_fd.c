/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_conn_fd - connections over real sockets, TCP and Unix.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/unit/ends.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static char dir[] = "/tmp/test_conn_fd.XXXXXX";

/* --- bytes --- */

static void test_tcp(void **state)
{
    char text[ADDR_TEXT_MAX];

    (void)state;
    ends_join();
    assert_true(conn_fd(ends_client.conn) >= 0);
    assert_int_equal(conn_peer_uid(ends_client.conn), -1);
    addr_format(conn_peer(ends_server.conn), text);
    assert_int_equal(strncmp(text, "127.0.0.1:", 10), 0);
    ends_check_echo();
}

static void test_unix(void **state)
{
    struct addr at;
    char text[ADDR_TEXT_MAX];

    (void)state;
    snprintf(text, sizeof(text), "unix:%s/s", dir);
    at = ends_address(text);
    ends_join_at(&at);
    assert_true(addr_is_unix(conn_peer(ends_server.conn)));
    assert_int_equal(conn_peer_uid(ends_server.conn), getuid());
    assert_int_equal(conn_peer_uid(ends_client.conn), getuid());
    ends_check_echo();
}

/* A descriptor that somebody else has made; also one that is none. */
static void test_given_fd(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ends_client.conn = conn_new_fd(ends_loop, fds[0], NULL);
    ends_server.conn = conn_new_fd(ends_loop, fds[1], NULL);
    conn_set_handler(ends_client.conn, &ends_handler, &ends_client);
    conn_set_handler(ends_server.conn, &ends_handler, &ends_server);
    assert_true(addr_is_unix(conn_peer(ends_client.conn)));
    ends_check_echo();

    struct end none = {.conn = conn_new_fd(ends_loop, 9999, NULL)};
    conn_set_handler(none.conn, &ends_handler, &none);
    ends_client.conn = ends_server.conn = NULL;
    ends_run_until(ends_are_over);
    assert_int_equal(none.closes, 1);
    assert_true(none.error < 0);
}

/* --- back-pressure --- */

static void test_many(void **state)
{
    (void)state;
    ends_join();
    ends_check_many();
}

/* Nothing taken for 60 s: the deadline is not waited for here, but made to come. */
static void test_stall(void **state)
{
    (void)state;
    ends_join();
    conn_pause(ends_server.conn);
    ends_send_many(ends_client.conn);
    ends_run_until(ends_client_blocked);
    struct timer *t = &ends_client.conn->timer;
    assert_in_range(t->deadline - loop_now(ends_loop), CONN_STALL_MS - 5000, CONN_STALL_MS);
    t->fire(t->ctx);
    conn_resume(ends_server.conn);
    ends_run_until(ends_are_over);
    ends_expect_closed(&ends_client, -ETIMEDOUT);
    assert_int_equal(ends_server.closes, 1);
}

/* --- the end --- */

static bool server_eof(void)
{
    return ends_server.eofs > 0;
}

static void test_half_close(void **state)
{
    (void)state;
    ends_join();
    conn_set_handler(ends_server.conn, &ends_handler_eof, &ends_server);
    conn_send(ends_client.conn, SPAN("question"));
    ends_run_bytes(0, 8);
    assert_int_equal(shutdown(conn_fd(ends_client.conn), SHUT_WR), 0);
    ends_run_until(server_eof);
    conn_send(ends_server.conn, SPAN("answer"));
    ends_run_bytes(6, 8);
    assert_int_equal(ends_server.eofs, 1);
    conn_close(ends_server.conn);
    ends_run_until(ends_are_over);
    ends_expect_closed(&ends_client, 0);
    ends_expect_closed(&ends_server, 0);
}

static void test_close_both(void **state)
{
    (void)state;
    ends_join();
    conn_send(ends_client.conn, SPAN("x"));
    conn_send(ends_server.conn, SPAN("y"));
    conn_close(ends_client.conn);
    conn_close(ends_server.conn);
    ends_run_until(ends_are_over);
    ends_expect_closed(&ends_client, 0);
    ends_expect_closed(&ends_server, 0);
}

/* A peer that closes while the other goes on sending still gets to read what came before. */
static void test_close_under_fire(void **state)
{
    (void)state;
    ends_join();
    ends_send_many(ends_client.conn);
    conn_send(ends_server.conn, SPAN("enough"));
    conn_close(ends_server.conn);
    ends_run_until(ends_are_over);
    ends_expect_closed(&ends_server, 0);
    ends_expect(&ends_client, "enough");
    assert_int_equal(ends_client.closes, 1);
    assert_true(ends_client.error == 0 || ends_client.error == -ECONNRESET ||
                ends_client.error == -EPIPE);
}

static void test_close_deadline(void **state)
{
    (void)state;
    ends_join();
    conn_pause(ends_server.conn);
    ends_send_many(ends_client.conn);
    ends_run_until(ends_client_blocked);
    conn_close(ends_client.conn);
    struct timer *t = &ends_client.conn->timer;
    assert_in_range(t->deadline - loop_now(ends_loop), CONN_CLOSE_MS - 1000, CONN_CLOSE_MS);
    t->fire(t->ctx);
    conn_resume(ends_server.conn);
    ends_run_until(ends_are_over);
    ends_expect_closed(&ends_client, -ETIMEDOUT);
}

/* A reset connection: what came before the reset is read, then the error told. */
static void test_reset(void **state)
{
    struct linger now = {.l_onoff = 1};

    (void)state;
    for (int paused = 0; paused < 2; paused++) {
        ends_join();
        if (paused)
            conn_pause(ends_server.conn);
        conn_send(ends_client.conn, SPAN("why"));
        conn_flush_soon(ends_client.conn);
        setsockopt(conn_fd(ends_client.conn), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        timer_start(&ends_server.resume, ends_loop, 10, ends_on_resume, &ends_server);
        if (!paused)
            timer_stop(&ends_server.resume);
        conn_fd_tick(ends_client.conn); /* writes */
        conn_abort(ends_client.conn, -ECANCELED);
        ends_run_until(ends_are_over);
        ends_expect_closed(&ends_client, -ECANCELED);
        ends_expect_closed(&ends_server, -ECONNRESET);
        assert_string_equal(ends_server.reason, "Connection reset by peer");
        ends_tear_down(NULL);
        ends_set_up(NULL);
    }
}

static void closing_on_connect(void *ctx)
{
    conn_close(((struct end *)ctx)->conn);
}

static void aborting_on_data(void *ctx, struct span bytes)
{
    (void)bytes;
    conn_abort(((struct end *)ctx)->conn, -EPROTO);
}

static void test_close_in_callbacks(void **state)
{
    static const struct conn_handler first = {.on_connect = closing_on_connect,
                                              .on_close = ends_on_close};
    static const struct conn_handler second = {.on_data = aborting_on_data,
                                               .on_close = ends_on_close};
    struct addr at = ends_address("127.0.0.1:0");
    int error;

    (void)state;
    ends_join();
    conn_set_handler(ends_server.conn, &second, &ends_server);
    conn_send(ends_client.conn, SPAN("x"));
    ends_run_until(ends_are_over);
    ends_expect_closed(&ends_server, -EPROTO);
    listener_free(&ends_listener);
    ends_client = ends_server = (struct end){0};
    ends_listener = listener_new(ends_loop, &at, NULL, ends_on_accept, NULL, &error);
    ends_client.conn = conn_connect(ends_loop, listener_addr(ends_listener));
    conn_set_handler(ends_client.conn, &first, &ends_client);
    ends_run_until(ends_are_over);
    ends_expect_closed(&ends_client, 0);
}

static bool client_gone(void)
{
    return !ends_client.conn;
}

static void test_refused(void **state)
{
    static const struct {
        const char *to;
        int error;
    } cases[] = {
        {"127.0.0.1:1", -ECONNREFUSED},
        {"[::1]:1", -ECONNREFUSED},
        {"unix:/nonexistent/socket", -ENOENT},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct addr to = ends_address(cases[i].to);
        ends_client = (struct end){.conn = conn_connect(ends_loop, &to)};
        conn_set_handler(ends_client.conn, &ends_handler, &ends_client);
        conn_send(ends_client.conn, SPAN("unheard"));
        assert_int_equal(ends_client.closes, 0);
        ends_run_until(client_gone);
        assert_int_equal(ends_client.connects, 0);
        assert_int_equal(ends_client.closes, 1);
        /* A host without IPv6 has another word for it. */
        assert_true(ends_client.error == cases[i].error || ends_client.error == -EADDRNOTAVAIL);
    }
}

/* No network in virtual time: told as any other failure. */
static void test_no_network(void **state)
{
    struct addr to = ends_address("127.0.0.1:1");
    struct loop *sim = loop_new_sim();

    (void)state;
    ends_client.conn = conn_connect(sim, &to);
    conn_set_handler(ends_client.conn, &ends_handler, &ends_client);
    assert_int_equal(ends_client.closes, 0);
    loop_sim_settle(sim);
    ends_expect_closed(&ends_client, -ENETUNREACH);
    loop_free(&sim);
}

static void test_close_connecting(void **state)
{
    struct addr at = ends_address("127.0.0.1:0");
    int error;

    (void)state;
    ends_listener = listener_new(ends_loop, &at, NULL, ends_on_accept, NULL, &error);
    ends_client.conn = conn_connect(ends_loop, listener_addr(ends_listener));
    conn_set_handler(ends_client.conn, &ends_handler, &ends_client);
    conn_send(ends_client.conn, SPAN("unheard"));
    conn_close(ends_client.conn);
    ends_run_until(client_gone);
    ends_expect_closed(&ends_client, 0);
    assert_int_equal(ends_client.connects, 0);
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, ends_set_up, ends_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_tcp),
        CASE(test_unix),
        CASE(test_given_fd),
        CASE(test_many),
        CASE(test_stall),
        CASE(test_half_close),
        CASE(test_close_both),
        CASE(test_close_under_fire),
        CASE(test_close_deadline),
        CASE(test_reset),
        CASE(test_close_in_callbacks),
        CASE(test_refused),
        CASE(test_no_network),
        CASE(test_close_connecting),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
