/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_conn_transport - transports laid over sockets: a toy that greets, then flips bits. Like TLS
 * it reads ahead, hands out a record at a time, and may refuse to send.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/unit/ends.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

struct toy {
    int fd;
    bool greeted, wants_write, said_bye, *freed;
    int fail_handshake;
    bool alerts; /* says "A" before it fails */
    char in[16384];
    size_t in_n;
    size_t record; /* recv hands out this much at most */
    int again;     /* every so many sends are refused */
    int sends;
};

static int toy_handshake(void *t)
{
    struct toy *toy = t;
    char c;

    if (toy->fail_handshake) {
        if (toy->alerts && send(toy->fd, "A", 1, MSG_NOSIGNAL) != 1)
            return -errno;
        return toy->fail_handshake;
    }
    if (!toy->greeted) {
        if (send(toy->fd, "T", 1, MSG_NOSIGNAL) != 1)
            return -errno;
        toy->greeted = true;
    }
    ssize_t n = recv(toy->fd, &c, 1, 0);
    if (n < 0)
        return -errno;
    return n == 1 && c == 'T' ? 0 : -EPROTO;
}

static ssize_t toy_recv(void *t, char *p, size_t n)
{
    struct toy *toy = t;

    toy->wants_write = false;
    if (toy->in_n == 0) {
        ssize_t got = recv(toy->fd, toy->in, sizeof(toy->in), 0);
        if (got <= 0)
            return got < 0 ? -errno : 0;
        toy->in_n = (size_t)got;
    }
    n = n < toy->record ? n : toy->record;
    n = n < toy->in_n ? n : toy->in_n;
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(toy->in[i] ^ 0x55);
    toy->in_n -= n;
    memmove(toy->in, toy->in + n, toy->in_n);
    return (ssize_t)n;
}

static ssize_t toy_send(void *t, const char *p, size_t n)
{
    struct toy *toy = t;
    char record[16384];

    if (toy->again && ++toy->sends % toy->again == 0)
        return -EAGAIN;
    n = n < sizeof(record) ? n : sizeof(record);
    for (size_t i = 0; i < n; i++)
        record[i] = (char)(p[i] ^ 0x55);
    ssize_t taken = send(toy->fd, record, n, MSG_NOSIGNAL);
    return taken < 0 ? -errno : taken;
}

static bool toy_wants_write(void *t)
{
    return ((struct toy *)t)->wants_write;
}

static size_t toy_pending(void *t)
{
    return ((struct toy *)t)->in_n;
}

static void toy_bye(void *t)
{
    ((struct toy *)t)->said_bye = true;
}

static const char *toy_reason(void *t)
{
    (void)t;
    return "toy broken";
}

static void toy_free(void *t)
{
    struct toy *toy = t;

    if (toy->freed)
        *toy->freed = true;
    free(toy);
}

static const struct transport_ops toy_ops = {
    .handshake = toy_handshake,
    .recv = toy_recv,
    .send = toy_send,
    .wants_write = toy_wants_write,
    .pending = toy_pending,
    .bye = toy_bye,
    .reason = toy_reason,
    .free = toy_free,
};

static struct toy *toy_new(struct conn *c)
{
    struct toy *toy = mem_zalloc(sizeof(*toy));

    toy->fd = conn_fd(c);
    toy->record = 1000;
    return toy;
}

static void secure(void)
{
    conn_start_transport(ends_client.conn, &toy_ops, toy_new(ends_client.conn));
    conn_start_transport(ends_server.conn, &toy_ops, toy_new(ends_server.conn));
    assert_false(conn_is_secure(ends_client.conn));
    ends_run_until(ends_are_secure);
    assert_true(conn_is_secure(ends_client.conn));
    assert_false(timer_is_running(&ends_client.conn->timer));
}

static void test_transport(void **state)
{
    (void)state;
    ends_join();
    secure();
    assert_non_null(conn_transport(ends_client.conn));
    ends_check_echo();
}

static bool server_secure(void)
{
    return ends_server.secures == 1;
}

/* What was queued before goes out in clear, what is queued later only when secure. */
static void test_transport_upgrade(void **state)
{
    (void)state;
    ends_join();
    conn_send(ends_server.conn, SPAN("proceed"));
    conn_start_transport(ends_server.conn, &toy_ops, toy_new(ends_server.conn));
    conn_send(ends_server.conn, SPAN("hidden"));
    ends_run_bytes(8, 0); /* with the greeting, read in clear */
    ends_expect(&ends_client, "proceedT");
    assert_int_equal(ends_server.secures, 0);
    conn_send(ends_client.conn, SPAN("T"));
    ends_run_until(server_secure);
    assert_int_equal(ends_server.secures, 1);
    ends_run_bytes(14, 0);
    assert_int_equal(ends_client.heard.p[ends_client.heard.head], 'h' ^ 0x55);
    conn_close(ends_client.conn);
    ends_run_until(ends_are_over);
    ends_expect_closed(&ends_server, 0);
}

/* Records held back inside the transport are read although poll shows nothing. */
static void test_transport_many(void **state)
{
    (void)state;
    ends_join();
    secure();
    ((struct toy *)conn_transport(ends_client.conn))->again = 5;
    ends_check_many();
}

static void test_transport_fails(void **state)
{
    bool freed = false;

    (void)state;
    ends_join();
    struct toy *toy = toy_new(ends_server.conn);
    toy->fail_handshake = -EPROTO;
    toy->freed = &freed;
    conn_start_transport(ends_server.conn, &toy_ops, toy);
    conn_send(ends_server.conn, SPAN("never in clear"));
    ends_run_until(ends_are_over);
    ends_expect_closed(&ends_server, -EPROTO);
    assert_string_equal(ends_server.reason, "toy broken");
    assert_true(freed);
    ends_expect(&ends_client, "");
}

static void fail_with_alert(void)
{
    ends_join();
    struct toy *toy = toy_new(ends_server.conn);
    toy->fail_handshake = -EPROTO;
    toy->alerts = true;
    ends_client.keep = true;
    conn_send(ends_client.conn, SPAN("what the transport never reads"));
    conn_start_transport(ends_server.conn, &toy_ops, toy);
}

/* A peer that goes on talking hears why it failed, not that the connection was reset. */
static void test_transport_fails_aloud(void **state)
{
    (void)state;
    ends_client.echo = true;
    fail_with_alert();
    ends_run_until(ends_are_over);
    ends_expect_closed(&ends_server, -EPROTO);
    assert_string_equal(ends_server.reason, "toy broken");
    ends_expect_closed(&ends_client, 0);
    assert_int_equal(ends_client.bytes, 1);
}

static bool server_has_failed(void)
{
    return !ends_server.conn || ends_server.conn->state == CONN_CLOSING;
}

/* But not for long. */
static void test_transport_fails_soon(void **state)
{
    (void)state;
    fail_with_alert();
    conn_pause(ends_client.conn); /* never sees the end */
    ends_run_until(server_has_failed);
    assert_non_null(ends_server.conn);
    struct timer *t = &ends_server.conn->timer;
    assert_in_range(t->deadline - loop_now(ends_loop), 1, 2000);
    t->fire(t->ctx);
    conn_resume(ends_client.conn);
    ends_run_until(ends_are_over);
    ends_expect_closed(&ends_server, -EPROTO);
}

static void test_transport_deadline(void **state)
{
    (void)state;
    ends_join();
    conn_start_transport(ends_server.conn, &toy_ops, toy_new(ends_server.conn));
    ends_run_bytes(1, 0); /* its greeting, which nobody answers */
    struct timer *t = &ends_server.conn->timer;
    assert_in_range(t->deadline - loop_now(ends_loop), CONN_HANDSHAKE_MS - 5000, CONN_HANDSHAKE_MS);
    t->fire(t->ctx);
    ends_run_until(ends_are_over);
    ends_expect_closed(&ends_server, -ETIMEDOUT);
}

/* Closing in the middle of a handshake sends nothing that was meant to be hidden. */
static void test_transport_close_early(void **state)
{
    (void)state;
    ends_join();
    conn_send(ends_server.conn, SPAN("clear"));
    conn_start_transport(ends_server.conn, &toy_ops, toy_new(ends_server.conn));
    conn_send(ends_server.conn, SPAN("hidden"));
    conn_close(ends_server.conn);
    ends_run_until(ends_are_over);
    ends_expect(&ends_client, "clear");
    ends_expect_closed(&ends_server, 0);
}

static void on_accept_secure(void *ctx, struct conn *c)
{
    ends_on_accept(ctx, c);
    conn_start_transport(c, &toy_ops, toy_new(c));
}

/* Laid over while connecting: the handshake follows the connect. */
static void test_transport_connecting(void **state)
{
    struct addr at = ends_address("127.0.0.1:0");
    int error;

    (void)state;
    ends_listener = listener_new(ends_loop, &at, NULL, on_accept_secure, NULL, &error);
    ends_client.conn = conn_connect(ends_loop, listener_addr(ends_listener));
    conn_set_handler(ends_client.conn, &ends_handler, &ends_client);
    conn_start_transport(ends_client.conn, &toy_ops, toy_new(ends_client.conn));
    conn_send(ends_client.conn, SPAN("hidden"));
    ends_run_until(ends_are_secure);
    assert_int_equal(ends_client.connects, 1);
    ends_run_bytes(0, 6);
    ends_expect(&ends_server, "hidden");
}

static void test_transport_pause(void **state)
{
    (void)state;
    ends_join();
    secure();
    conn_set_handler(ends_server.conn, &ends_pausing, &ends_server);
    ((struct toy *)conn_transport(ends_server.conn))->record = 1;
    conn_send(ends_client.conn, SPAN("one byte at a time, with pauses"));
    ends_run_bytes(0, 31);
    ends_expect(&ends_server, "one byte at a time, with pauses");
    timer_stop(&ends_server.resume);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, ends_set_up, ends_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_transport),
        CASE(test_transport_upgrade),
        CASE(test_transport_many),
        CASE(test_transport_fails),
        CASE(test_transport_fails_aloud),
        CASE(test_transport_fails_soon),
        CASE(test_transport_deadline),
        CASE(test_transport_close_early),
        CASE(test_transport_connecting),
        CASE(test_transport_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
