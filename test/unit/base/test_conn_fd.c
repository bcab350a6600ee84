/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_conn_fd - connections over real sockets, TCP and Unix, and transports over them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/conn_private.h"
#include "base/listen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* One end of a connection, and what it has been told. */
struct end {
    struct conn *conn; /* NULL after on_close */
    struct buf heard;
    uint64_t bytes, sum;
    int connects, secures, eofs, drains, closes;
    int error;
    char reason[80];
    bool echo, keep;
    struct timer resume;
};

static struct loop *loop;
static struct listener *listener;
static struct end client, server;
static char dir[] = "/tmp/test_conn_fd.XXXXXX";

static void end_on_connect(void *ctx)
{
    ((struct end *)ctx)->connects++;
}

static void end_on_data(void *ctx, struct span bytes)
{
    struct end *e = ctx;

    e->bytes += bytes.n;
    for (size_t i = 0; i < bytes.n; i++)
        e->sum = e->sum * 31 + (unsigned char)bytes.p[i];
    if (e->keep)
        buf_append(&e->heard, bytes);
    if (e->echo)
        conn_send(e->conn, bytes);
}

static void end_on_secure(void *ctx)
{
    ((struct end *)ctx)->secures++;
}

static void end_on_eof(void *ctx)
{
    ((struct end *)ctx)->eofs++;
}

static void end_on_drain(void *ctx)
{
    ((struct end *)ctx)->drains++;
}

static void end_on_close(void *ctx, int error, const char *reason)
{
    struct end *e = ctx;

    e->closes++;
    e->error = error;
    snprintf(e->reason, sizeof(e->reason), "%s", reason ? reason : "");
    e->conn = NULL;
}

static const struct conn_handler handler = {
    .on_connect = end_on_connect,
    .on_data = end_on_data,
    .on_secure = end_on_secure,
    .on_drain = end_on_drain,
    .on_close = end_on_close,
};
static const struct conn_handler handler_eof = {
    .on_connect = end_on_connect,
    .on_data = end_on_data,
    .on_secure = end_on_secure,
    .on_eof = end_on_eof,
    .on_drain = end_on_drain,
    .on_close = end_on_close,
};

static void on_accept(void *ctx, struct conn *c)
{
    (void)ctx;
    assert_null(server.conn);
    server.conn = c;
    conn_set_handler(c, &handler, &server);
}

/* --- running until something is so --- */

static bool (*wanted)(void);
static struct timer tick, give_up;

static void on_check(void *ctx)
{
    (void)ctx;
    if (wanted())
        loop_stop(loop);
    else
        timer_start(&tick, loop, 1, on_check, NULL);
}

static void on_give_up(void *ctx)
{
    (void)ctx;
    fail_msg("waited 20 s in vain");
}

static void run_until(bool (*what)(void))
{
    wanted = what;
    timer_start(&give_up, loop, 20000, on_give_up, NULL);
    timer_start(&tick, loop, 0, on_check, NULL);
    loop_run(loop);
    timer_stop(&tick);
    timer_stop(&give_up);
}

static bool is_joined(void)
{
    return client.connects == 1 && server.conn;
}

static bool is_over(void)
{
    return !client.conn && !server.conn;
}

static bool both_secure(void)
{
    return client.secures == 1 && server.secures == 1;
}

static bool server_secure(void)
{
    return server.secures == 1;
}

static uint64_t wanted_client, wanted_server;

static bool has_bytes(void)
{
    return client.bytes >= wanted_client && server.bytes >= wanted_server;
}

static void run_bytes(uint64_t at_client, uint64_t at_server)
{
    wanted_client = at_client;
    wanted_server = at_server;
    run_until(has_bytes);
    assert_int_equal(client.bytes, at_client);
    assert_int_equal(server.bytes, at_server);
}

/* --- a listener, and two ends joined through it --- */

static struct addr address(const char *text)
{
    struct addr a;

    assert_int_equal(addr_parse(span_of(text), &a), 0);
    return a;
}

static void join_at(const struct addr *at)
{
    int error = 0;

    listener = listener_new(loop, at, NULL, on_accept, NULL, &error);
    assert_int_equal(error, 0);
    client.conn = conn_connect(loop, listener_addr(listener));
    conn_set_handler(client.conn, &handler, &client);
    assert_int_equal(client.connects, 0);
    run_until(is_joined);
}

static void join(void)
{
    struct addr at = address("127.0.0.1:0");

    join_at(&at);
}

static int set_up(void **state)
{
    (void)state;
    loop = loop_new();
    client = (struct end){.keep = true};
    server = (struct end){.keep = true};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    listener_free(&listener);
    loop_free(&loop);
    buf_free(&client.heard);
    buf_free(&server.heard);
    return 0;
}

static void expect(struct end *e, const char *text)
{
    assert_string_equal(buf_z(&e->heard), text);
    buf_clear(&e->heard);
}

static void expect_closed(const struct end *e, int error)
{
    assert_int_equal(e->closes, 1);
    assert_int_equal(e->error, error);
}

/* --- bytes --- */

static void check_echo(void)
{
    server.echo = true;
    conn_send(client.conn, SPAN("hello "));
    conn_send(client.conn, SPAN("world"));
    run_bytes(11, 11);
    expect(&server, "hello world");
    expect(&client, "hello world");
    /* An idle connection holds no buffer. */
    assert_null(client.conn->out.p);
    assert_null(server.conn->out.p);
    assert_int_equal(conn_out_len(client.conn), 0);
    server.echo = false;
    conn_send(client.conn, SPAN("last"));
    conn_close(client.conn);
    assert_int_equal(client.closes, 0);
    run_until(is_over);
    expect(&server, "last");
    expect_closed(&client, 0);
    expect_closed(&server, 0);
    assert_string_equal(server.reason, "eof");
}

static void test_tcp(void **state)
{
    char text[ADDR_TEXT_MAX];

    (void)state;
    join();
    assert_true(conn_fd(client.conn) >= 0);
    assert_int_equal(conn_peer_uid(client.conn), -1);
    addr_format(conn_peer(server.conn), text);
    assert_int_equal(strncmp(text, "127.0.0.1:", 10), 0);
    check_echo();
}

static void test_unix(void **state)
{
    struct addr at;
    char text[ADDR_TEXT_MAX];

    (void)state;
    snprintf(text, sizeof(text), "unix:%s/s", dir);
    at = address(text);
    join_at(&at);
    assert_true(addr_is_unix(conn_peer(server.conn)));
    assert_int_equal(conn_peer_uid(server.conn), getuid());
    assert_int_equal(conn_peer_uid(client.conn), getuid());
    check_echo();
}

/* A descriptor that somebody else has made; also one that is none. */
static void test_given_fd(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    client.conn = conn_new_fd(loop, fds[0], NULL);
    server.conn = conn_new_fd(loop, fds[1], NULL);
    conn_set_handler(client.conn, &handler, &client);
    conn_set_handler(server.conn, &handler, &server);
    assert_true(addr_is_unix(conn_peer(client.conn)));
    check_echo();

    struct end none = {.conn = conn_new_fd(loop, 9999, NULL)};
    conn_set_handler(none.conn, &handler, &none);
    client.conn = server.conn = NULL;
    run_until(is_over);
    assert_int_equal(none.closes, 1);
    assert_true(none.error < 0);
}

/* --- back-pressure --- */

#define MANY (10 * 1024 * 1024)

static uint64_t sent_sum;

/* Bytes that tell when one is lost, doubled or swapped. */
static void send_many(struct conn *c)
{
    char block[4096];
    uint32_t random = 1;

    sent_sum = 0;
    for (int i = 0; i < MANY / 4096; i++) {
        for (size_t k = 0; k < sizeof(block); k++) {
            random = random * 1664525 + 1013904223;
            block[k] = (char)(random >> 24);
            sent_sum = sent_sum * 31 + (unsigned char)block[k];
        }
        conn_send(c, span_make(block, sizeof(block)));
    }
}

static void on_resume(void *ctx)
{
    conn_resume(((struct end *)ctx)->conn);
}

static void pausing_on_data(void *ctx, struct span bytes)
{
    struct end *e = ctx;

    end_on_data(e, bytes);
    if (e->bytes % 7 < 2 && !timer_is_running(&e->resume)) {
        conn_pause(e->conn);
        timer_start(&e->resume, loop, e->bytes % 3, on_resume, e);
    }
}

static const struct conn_handler pausing = {
    .on_data = pausing_on_data, .on_secure = end_on_secure, .on_close = end_on_close};

/* Paused, and no longer woken by the input that waits. */
static bool server_rests(void)
{
    return server.conn->events == 0;
}

static bool client_blocked(void)
{
    return client.conn->blocked;
}

static void check_many(void)
{
    conn_set_handler(server.conn, &pausing, &server);
    server.keep = false;
    conn_pause(server.conn);
    send_many(client.conn);
    run_until(client_blocked);
    run_until(server_rests);
    assert_in_range(conn_out_len(client.conn), 1, MANY);
    assert_int_equal(server.bytes, 0);
    assert_int_equal(client.drains, 0);
    assert_true(timer_is_running(&client.conn->timer)); /* the stall's */
    conn_resume(server.conn);
    run_bytes(0, MANY);
    assert_true(server.sum == sent_sum);
    assert_int_equal(client.drains, 1);
    assert_false(timer_is_running(&client.conn->timer));
    assert_null(client.conn->out.p);
    timer_stop(&server.resume);
}

static void test_many(void **state)
{
    (void)state;
    join();
    check_many();
}

/* Nothing taken for 60 s: the deadline is not waited for here, but made to come. */
static void test_stall(void **state)
{
    (void)state;
    join();
    conn_pause(server.conn);
    send_many(client.conn);
    run_until(client_blocked);
    struct timer *t = &client.conn->timer;
    assert_in_range(t->deadline - loop_now(loop), CONN_STALL_MS - 5000, CONN_STALL_MS);
    t->fire(t->ctx);
    conn_resume(server.conn);
    run_until(is_over);
    expect_closed(&client, -ETIMEDOUT);
    assert_int_equal(server.closes, 1);
}

/* --- the end --- */

static bool server_eof(void)
{
    return server.eofs > 0;
}

static void test_half_close(void **state)
{
    (void)state;
    join();
    conn_set_handler(server.conn, &handler_eof, &server);
    conn_send(client.conn, SPAN("question"));
    run_bytes(0, 8);
    assert_int_equal(shutdown(conn_fd(client.conn), SHUT_WR), 0);
    run_until(server_eof);
    conn_send(server.conn, SPAN("answer"));
    run_bytes(6, 8);
    assert_int_equal(server.eofs, 1);
    conn_close(server.conn);
    run_until(is_over);
    expect_closed(&client, 0);
    expect_closed(&server, 0);
}

static void test_close_both(void **state)
{
    (void)state;
    join();
    conn_send(client.conn, SPAN("x"));
    conn_send(server.conn, SPAN("y"));
    conn_close(client.conn);
    conn_close(server.conn);
    run_until(is_over);
    expect_closed(&client, 0);
    expect_closed(&server, 0);
}

/* A peer that closes while the other goes on sending still gets to read what came before. */
static void test_close_under_fire(void **state)
{
    (void)state;
    join();
    send_many(client.conn);
    conn_send(server.conn, SPAN("enough"));
    conn_close(server.conn);
    run_until(is_over);
    expect_closed(&server, 0);
    expect(&client, "enough");
    assert_int_equal(client.closes, 1);
    assert_true(client.error == 0 || client.error == -ECONNRESET || client.error == -EPIPE);
}

static void test_close_deadline(void **state)
{
    (void)state;
    join();
    conn_pause(server.conn);
    send_many(client.conn);
    run_until(client_blocked);
    conn_close(client.conn);
    struct timer *t = &client.conn->timer;
    assert_in_range(t->deadline - loop_now(loop), CONN_CLOSE_MS - 1000, CONN_CLOSE_MS);
    t->fire(t->ctx);
    conn_resume(server.conn);
    run_until(is_over);
    expect_closed(&client, -ETIMEDOUT);
}

/* A reset connection: what came before the reset is read, then the error told. */
static void test_reset(void **state)
{
    struct linger now = {.l_onoff = 1};

    (void)state;
    for (int paused = 0; paused < 2; paused++) {
        join();
        if (paused)
            conn_pause(server.conn);
        conn_send(client.conn, SPAN("why"));
        conn_flush_soon(client.conn);
        setsockopt(conn_fd(client.conn), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        timer_start(&server.resume, loop, 10, on_resume, &server);
        if (!paused)
            timer_stop(&server.resume);
        conn_fd_tick(client.conn); /* writes */
        conn_abort(client.conn, -ECANCELED);
        run_until(is_over);
        expect_closed(&client, -ECANCELED);
        expect_closed(&server, -ECONNRESET);
        assert_string_equal(server.reason, "Connection reset by peer");
        tear_down(NULL);
        set_up(NULL);
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
                                              .on_close = end_on_close};
    static const struct conn_handler second = {.on_data = aborting_on_data,
                                               .on_close = end_on_close};
    struct addr at = address("127.0.0.1:0");
    int error;

    (void)state;
    join();
    conn_set_handler(server.conn, &second, &server);
    conn_send(client.conn, SPAN("x"));
    run_until(is_over);
    expect_closed(&server, -EPROTO);
    listener_free(&listener);
    client = server = (struct end){0};
    listener = listener_new(loop, &at, NULL, on_accept, NULL, &error);
    client.conn = conn_connect(loop, listener_addr(listener));
    conn_set_handler(client.conn, &first, &client);
    run_until(is_over);
    expect_closed(&client, 0);
}

static bool client_gone(void)
{
    return !client.conn;
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
        struct addr to = address(cases[i].to);
        client = (struct end){.conn = conn_connect(loop, &to)};
        conn_set_handler(client.conn, &handler, &client);
        conn_send(client.conn, SPAN("unheard"));
        assert_int_equal(client.closes, 0);
        run_until(client_gone);
        assert_int_equal(client.connects, 0);
        assert_int_equal(client.closes, 1);
        /* A host without IPv6 has another word for it. */
        assert_true(client.error == cases[i].error || client.error == -EADDRNOTAVAIL);
    }
}

static void test_close_connecting(void **state)
{
    struct addr at = address("127.0.0.1:0");
    int error;

    (void)state;
    listener = listener_new(loop, &at, NULL, on_accept, NULL, &error);
    client.conn = conn_connect(loop, listener_addr(listener));
    conn_set_handler(client.conn, &handler, &client);
    conn_send(client.conn, SPAN("unheard"));
    conn_close(client.conn);
    run_until(client_gone);
    expect_closed(&client, 0);
    assert_int_equal(client.connects, 0);
}

/* --- transports: a toy that greets, then flips bits; it reads ahead as TLS does --- */

struct toy {
    int fd;
    bool greeted, wants_write, said_bye, *freed;
    int fail_handshake;
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

    if (toy->fail_handshake)
        return toy->fail_handshake;
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
    conn_start_transport(client.conn, &toy_ops, toy_new(client.conn));
    conn_start_transport(server.conn, &toy_ops, toy_new(server.conn));
    assert_false(conn_is_secure(client.conn));
    run_until(both_secure);
    assert_true(conn_is_secure(client.conn));
    assert_false(timer_is_running(&client.conn->timer));
}

static void test_transport(void **state)
{
    (void)state;
    join();
    secure();
    assert_non_null(conn_transport(client.conn));
    check_echo();
}

/* What was queued before goes out in clear, what is queued later only when secure. */
static void test_transport_upgrade(void **state)
{
    (void)state;
    join();
    conn_send(server.conn, SPAN("proceed"));
    conn_start_transport(server.conn, &toy_ops, toy_new(server.conn));
    conn_send(server.conn, SPAN("hidden"));
    run_bytes(8, 0); /* with the greeting, read in clear */
    expect(&client, "proceedT");
    assert_int_equal(server.secures, 0);
    conn_send(client.conn, SPAN("T"));
    run_until(server_secure);
    assert_int_equal(server.secures, 1);
    run_bytes(14, 0);
    assert_int_equal(client.heard.p[client.heard.head], 'h' ^ 0x55);
    conn_close(client.conn);
    run_until(is_over);
    expect_closed(&server, 0);
}

/* Records held back inside the transport are read although poll shows nothing. */
static void test_transport_many(void **state)
{
    (void)state;
    join();
    secure();
    ((struct toy *)conn_transport(client.conn))->again = 5;
    check_many();
}

static void test_transport_fails(void **state)
{
    bool freed = false;

    (void)state;
    join();
    struct toy *toy = toy_new(server.conn);
    toy->fail_handshake = -EPROTO;
    toy->freed = &freed;
    conn_start_transport(server.conn, &toy_ops, toy);
    conn_send(server.conn, SPAN("never in clear"));
    run_until(is_over);
    expect_closed(&server, -EPROTO);
    assert_string_equal(server.reason, "toy broken");
    assert_true(freed);
    expect(&client, "");
}

static void test_transport_deadline(void **state)
{
    (void)state;
    join();
    conn_start_transport(server.conn, &toy_ops, toy_new(server.conn));
    run_bytes(1, 0); /* its greeting, which nobody answers */
    struct timer *t = &server.conn->timer;
    assert_in_range(t->deadline - loop_now(loop), CONN_HANDSHAKE_MS - 5000, CONN_HANDSHAKE_MS);
    t->fire(t->ctx);
    run_until(is_over);
    expect_closed(&server, -ETIMEDOUT);
}

/* Closing in the middle of a handshake sends nothing that was meant to be hidden. */
static void test_transport_close_early(void **state)
{
    (void)state;
    join();
    conn_send(server.conn, SPAN("clear"));
    conn_start_transport(server.conn, &toy_ops, toy_new(server.conn));
    conn_send(server.conn, SPAN("hidden"));
    conn_close(server.conn);
    run_until(is_over);
    expect(&client, "clear");
    expect_closed(&server, 0);
}

static void on_accept_secure(void *ctx, struct conn *c)
{
    on_accept(ctx, c);
    conn_start_transport(c, &toy_ops, toy_new(c));
}

/* Laid over while connecting: the handshake follows the connect. */
static void test_transport_connecting(void **state)
{
    struct addr at = address("127.0.0.1:0");
    int error;

    (void)state;
    listener = listener_new(loop, &at, NULL, on_accept_secure, NULL, &error);
    client.conn = conn_connect(loop, listener_addr(listener));
    conn_set_handler(client.conn, &handler, &client);
    conn_start_transport(client.conn, &toy_ops, toy_new(client.conn));
    conn_send(client.conn, SPAN("hidden"));
    run_until(both_secure);
    assert_int_equal(client.connects, 1);
    run_bytes(0, 6);
    expect(&server, "hidden");
}

static void test_transport_pause(void **state)
{
    (void)state;
    join();
    secure();
    conn_set_handler(server.conn, &pausing, &server);
    ((struct toy *)conn_transport(server.conn))->record = 1;
    conn_send(client.conn, SPAN("one byte at a time, with pauses"));
    run_bytes(0, 31);
    expect(&server, "one byte at a time, with pauses");
    timer_stop(&server.resume);
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

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

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
        CASE(test_close_connecting),
        CASE(test_transport),
        CASE(test_transport_upgrade),
        CASE(test_transport_many),
        CASE(test_transport_fails),
        CASE(test_transport_deadline),
        CASE(test_transport_close_early),
        CASE(test_transport_connecting),
        CASE(test_transport_pause),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
