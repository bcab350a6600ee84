/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ends.h"

#include <stdio.h>

struct loop *ends_loop;
struct listener *ends_listener;
struct end ends_client, ends_server;

void ends_on_connect(void *ctx)
{
    ((struct end *)ctx)->connects++;
}

void ends_on_data(void *ctx, struct span bytes)
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

void ends_on_secure(void *ctx)
{
    ((struct end *)ctx)->secures++;
}

static void ends_on_eof(void *ctx)
{
    ((struct end *)ctx)->eofs++;
}

static void ends_on_drain(void *ctx)
{
    ((struct end *)ctx)->drains++;
}

void ends_on_close(void *ctx, int error, const char *reason)
{
    struct end *e = ctx;

    e->closes++;
    e->error = error;
    snprintf(e->reason, sizeof(e->reason), "%s", reason ? reason : "");
    e->conn = NULL;
}

const struct conn_handler ends_handler = {
    .on_connect = ends_on_connect,
    .on_data = ends_on_data,
    .on_secure = ends_on_secure,
    .on_drain = ends_on_drain,
    .on_close = ends_on_close,
};
const struct conn_handler ends_handler_eof = {
    .on_connect = ends_on_connect,
    .on_data = ends_on_data,
    .on_secure = ends_on_secure,
    .on_eof = ends_on_eof,
    .on_drain = ends_on_drain,
    .on_close = ends_on_close,
};

void ends_on_accept(void *ctx, struct conn *c)
{
    (void)ctx;
    assert_null(ends_server.conn);
    ends_server.conn = c;
    conn_set_handler(c, &ends_handler, &ends_server);
}

/* --- running until something is so --- */

static bool (*wanted)(void);
static struct timer tick, give_up;

static void on_check(void *ctx)
{
    (void)ctx;
    if (wanted())
        loop_stop(ends_loop);
    else
        timer_start(&tick, ends_loop, 1, on_check, NULL);
}

static void on_give_up(void *ctx)
{
    (void)ctx;
    fail_msg("waited 20 s in vain");
}

void ends_run_until(bool (*what)(void))
{
    wanted = what;
    timer_start(&give_up, ends_loop, 20000, on_give_up, NULL);
    timer_start(&tick, ends_loop, 0, on_check, NULL);
    loop_run(ends_loop);
    timer_stop(&tick);
    timer_stop(&give_up);
}

bool ends_are_joined(void)
{
    return ends_client.connects == 1 && ends_server.conn;
}

bool ends_are_over(void)
{
    return !ends_client.conn && !ends_server.conn;
}

bool ends_are_secure(void)
{
    return ends_client.secures == 1 && ends_server.secures == 1;
}

static uint64_t wanted_client, wanted_server;

static bool has_bytes(void)
{
    return ends_client.bytes >= wanted_client && ends_server.bytes >= wanted_server;
}

void ends_run_bytes(uint64_t at_client, uint64_t at_server)
{
    wanted_client = at_client;
    wanted_server = at_server;
    ends_run_until(has_bytes);
    assert_int_equal(ends_client.bytes, at_client);
    assert_int_equal(ends_server.bytes, at_server);
}

/* --- a listener, and two ends joined through it --- */

struct addr ends_address(const char *text)
{
    struct addr a;

    assert_int_equal(addr_parse(span_of(text), &a), 0);
    return a;
}

void ends_join_at(const struct addr *at)
{
    int error = 0;

    ends_listener = listener_new(ends_loop, at, NULL, ends_on_accept, NULL, &error);
    assert_int_equal(error, 0);
    ends_client.conn = conn_connect(ends_loop, listener_addr(ends_listener));
    conn_set_handler(ends_client.conn, &ends_handler, &ends_client);
    assert_int_equal(ends_client.connects, 0);
    ends_run_until(ends_are_joined);
}

void ends_join(void)
{
    struct addr at = ends_address("127.0.0.1:0");

    ends_join_at(&at);
}

int ends_set_up(void **state)
{
    (void)state;
    ends_loop = loop_new();
    ends_client = (struct end){.keep = true};
    ends_server = (struct end){.keep = true};
    return 0;
}

int ends_tear_down(void **state)
{
    (void)state;
    listener_free(&ends_listener);
    loop_free(&ends_loop);
    buf_free(&ends_client.heard);
    buf_free(&ends_server.heard);
    return 0;
}

void ends_expect(struct end *e, const char *text)
{
    assert_string_equal(buf_z(&e->heard), text);
    buf_clear(&e->heard);
}

void ends_expect_closed(const struct end *e, int error)
{
    assert_int_equal(e->closes, 1);
    assert_int_equal(e->error, error);
}

/* --- checks that several tests share --- */

void ends_check_echo(void)
{
    ends_server.echo = true;
    conn_send(ends_client.conn, SPAN("hello "));
    conn_send(ends_client.conn, SPAN("world"));
    ends_run_bytes(11, 11);
    ends_expect(&ends_server, "hello world");
    ends_expect(&ends_client, "hello world");
    /* An idle connection holds no buffer. */
    assert_null(ends_client.conn->out.p);
    assert_null(ends_server.conn->out.p);
    assert_int_equal(conn_out_len(ends_client.conn), 0);
    ends_server.echo = false;
    conn_send(ends_client.conn, SPAN("last"));
    conn_close(ends_client.conn);
    assert_int_equal(ends_client.closes, 0);
    ends_run_until(ends_are_over);
    ends_expect(&ends_server, "last");
    ends_expect_closed(&ends_client, 0);
    ends_expect_closed(&ends_server, 0);
    assert_string_equal(ends_server.reason, "eof");
}

static uint64_t sent_sum;

/* Bytes that tell when one is lost, doubled or swapped. */
void ends_send_many(struct conn *c)
{
    char block[4096];
    uint32_t random = 1;

    sent_sum = 0;
    for (int i = 0; i < ENDS_MANY / 4096; i++) {
        for (size_t k = 0; k < sizeof(block); k++) {
            random = random * 1664525 + 1013904223;
            block[k] = (char)(random >> 24);
            sent_sum = sent_sum * 31 + (unsigned char)block[k];
        }
        conn_send(c, span_make(block, sizeof(block)));
    }
}

void ends_on_resume(void *ctx)
{
    conn_resume(((struct end *)ctx)->conn);
}

static void pausing_on_data(void *ctx, struct span bytes)
{
    struct end *e = ctx;

    ends_on_data(e, bytes);
    if (e->bytes % 7 < 2 && !timer_is_running(&e->resume)) {
        conn_pause(e->conn);
        timer_start(&e->resume, ends_loop, e->bytes % 3, ends_on_resume, e);
    }
}

const struct conn_handler ends_pausing = {
    .on_data = pausing_on_data, .on_secure = ends_on_secure, .on_close = ends_on_close};

/* Paused, and no longer woken by the input that waits. */
static bool server_rests(void)
{
    return ends_server.conn->events == 0;
}

bool ends_client_blocked(void)
{
    return ends_client.conn->blocked;
}

void ends_check_many(void)
{
    conn_set_handler(ends_server.conn, &ends_pausing, &ends_server);
    ends_server.keep = false;
    conn_pause(ends_server.conn);
    ends_send_many(ends_client.conn);
    ends_run_until(ends_client_blocked);
    ends_run_until(server_rests);
    assert_in_range(conn_out_len(ends_client.conn), 1, ENDS_MANY);
    assert_int_equal(ends_server.bytes, 0);
    assert_int_equal(ends_client.drains, 0);
    assert_true(timer_is_running(&ends_client.conn->timer)); /* the stall's */
    conn_resume(ends_server.conn);
    ends_run_bytes(0, ENDS_MANY);
    assert_true(ends_server.sum == sent_sum);
    assert_int_equal(ends_client.drains, 1);
    assert_false(timer_is_running(&ends_client.conn->timer));
    assert_null(ends_client.conn->out.p);
    timer_stop(&ends_server.resume);
}
