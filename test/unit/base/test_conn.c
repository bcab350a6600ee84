/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_conn - the behaviour of connections, shown on fake pairs and virtual time.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/conn.h"
#include "base/loop.h"

#include <errno.h>

enum deed { NOTHING, CLOSE, ABORT, CLOSE_OTHER, ABORT_OTHER };

/* One end of a connection, and what it has been told. */
struct end {
    struct conn *conn; /* NULL after on_close */
    struct end *other;
    struct buf heard;
    size_t largest; /* piece */
    int datas, secures, eofs, drains, closes;
    int error;
    bool echo, in_call;
    enum deed on_data, on_secure, on_eof, on_drain; /* what it does then */
};

static void end_do(struct end *e, enum deed deed)
{
    struct conn *target = deed == CLOSE_OTHER || deed == ABORT_OTHER ? e->other->conn : e->conn;

    if (deed == NOTHING || !target)
        return;
    if (deed == CLOSE || deed == CLOSE_OTHER)
        conn_close(target);
    else
        conn_abort(target, -ECANCELED);
}

static void end_on_data(void *ctx, struct span bytes)
{
    struct end *e = ctx;

    assert_true(e->conn && !conn_is_closing(e->conn) && !e->in_call);
    e->datas++;
    if (bytes.n > e->largest)
        e->largest = bytes.n;
    buf_append(&e->heard, bytes);
    e->in_call = true; /* no handler is called from inside a conn call */
    if (e->echo)
        conn_send(e->conn, bytes);
    end_do(e, e->on_data);
    e->in_call = false;
}

static void end_on_secure(void *ctx)
{
    struct end *e = ctx;

    assert_true(conn_is_secure(e->conn));
    e->secures++;
    end_do(e, e->on_secure);
}

static void end_on_eof(void *ctx)
{
    struct end *e = ctx;

    e->eofs++;
    end_do(e, e->on_eof);
}

static void end_on_drain(void *ctx)
{
    struct end *e = ctx;

    e->drains++;
    end_do(e, e->on_drain);
}

static void end_on_close(void *ctx, int error, const char *reason)
{
    struct end *e = ctx;

    (void)reason;
    assert_false(e->in_call);
    e->closes++;
    e->error = error;
    e->conn = NULL;
}

static const struct conn_handler handler = {
    .on_data = end_on_data,
    .on_secure = end_on_secure,
    .on_drain = end_on_drain,
    .on_close = end_on_close,
};
static const struct conn_handler handler_eof = {
    .on_data = end_on_data,
    .on_secure = end_on_secure,
    .on_eof = end_on_eof,
    .on_drain = end_on_drain,
    .on_close = end_on_close,
};

static struct loop *loop;
static struct end a, b;

static void pair(size_t chunk, uint64_t delay_ms)
{
    buf_free(&a.heard);
    buf_free(&b.heard);
    a = (struct end){.other = &b};
    b = (struct end){.other = &a};
    conn_pair_fake(loop, chunk, delay_ms, &a.conn, &b.conn);
    conn_set_handler(a.conn, &handler, &a);
    conn_set_handler(b.conn, &handler, &b);
}

static void say(struct end *e, const char *text)
{
    conn_send(e->conn, span_of(text));
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

static int set_up(void **state)
{
    (void)state;
    loop = loop_new_sim();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(&loop);
    buf_free(&a.heard);
    buf_free(&b.heard);
    return 0;
}

/* --- bytes --- */

static void test_echo(void **state)
{
    static const size_t chunks[] = {1, 2, 3, 7, 0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
        pair(chunks[i], 0);
        b.echo = true;
        say(&a, "hello ");
        say(&a, "world");
        assert_int_equal(b.datas, 0); /* not before the end of the tick */
        assert_int_equal(conn_out_len(a.conn), 11);
        loop_sim_settle(loop);
        expect(&b, "hello world");
        expect(&a, "hello world");
        assert_int_equal(conn_out_len(a.conn), 0);
        assert_int_equal(b.largest, chunks[i] ? chunks[i] : 11);
        assert_int_equal(b.datas, chunks[i] ? (11 + chunks[i] - 1) / chunks[i] : 1);
        conn_close(a.conn);
        loop_sim_settle(loop);
        expect_closed(&a, 0);
        expect_closed(&b, 0);
    }
}

static void test_delay(void **state)
{
    (void)state;
    pair(0, 50);
    say(&a, "one");
    loop_sim_advance(loop, 20);
    say(&a, "two");
    conn_close(a.conn);
    loop_sim_advance(loop, 29);
    expect(&b, "");
    loop_sim_advance(loop, 1);
    expect(&b, "one");
    loop_sim_advance(loop, 19);
    assert_int_equal(b.closes, 0);
    loop_sim_advance(loop, 1);
    expect(&b, "two");
    expect_closed(&b, 0); /* the end comes after the bytes */
    expect_closed(&a, 0);
}

static void test_facts(void **state)
{
    char text[ADDR_TEXT_MAX];

    (void)state;
    pair(0, 0);
    assert_string_equal(addr_format(conn_peer(a.conn), text), "127.0.0.1:0");
    assert_int_equal(conn_fd(a.conn), -1);
    assert_int_equal(conn_peer_uid(a.conn), -1);
    assert_null(conn_transport(a.conn));
    assert_false(conn_is_secure(a.conn));
    assert_false(conn_is_closing(a.conn));
    buf_append_z(conn_out(a.conn), "direct");
    conn_flush_soon(a.conn);
    loop_sim_settle(loop);
    expect(&b, "direct");
}

/* --- back-pressure --- */

static void test_pause(void **state)
{
    (void)state;
    pair(0, 0);
    conn_pause(b.conn);
    conn_pause(b.conn);
    say(&a, "wait");
    loop_sim_settle(loop);
    expect(&b, "");
    assert_int_equal(conn_out_len(a.conn), 4);
    conn_resume(b.conn);
    loop_sim_settle(loop);
    expect(&b, "");
    conn_resume(b.conn);
    expect(&b, ""); /* never from inside the call */
    loop_sim_settle(loop);
    expect(&b, "wait");
    assert_int_equal(conn_out_len(a.conn), 0);
}

static void pause_self(void *ctx, struct span bytes)
{
    end_on_data(ctx, bytes);
    conn_pause(((struct end *)ctx)->conn);
}

static void test_pause_inside(void **state)
{
    static const struct conn_handler pausing = {.on_data = pause_self, .on_close = end_on_close};

    (void)state;
    pair(2, 0);
    conn_set_handler(b.conn, &pausing, &b);
    say(&a, "abcde");
    loop_sim_settle(loop);
    expect(&b, "ab");
    conn_resume(b.conn);
    loop_sim_settle(loop);
    expect(&b, "cd");
    conn_close(a.conn);
    loop_sim_settle(loop);
    assert_int_equal(b.closes + a.closes, 0);
    conn_resume(b.conn);
    loop_sim_settle(loop);
    expect(&b, "e");
    expect_closed(&a, 0);
    assert_int_equal(b.closes, 0); /* paused: the end has to wait, too */
    conn_resume(b.conn);
    loop_sim_settle(loop);
    expect_closed(&b, 0);
}

static void test_drain(void **state)
{
    (void)state;
    pair(4, 0);
    conn_set_low_water(a.conn, 8);
    say(&a, "12345678");
    loop_sim_settle(loop);
    assert_int_equal(a.drains, 0); /* never above */
    say(&a, "123456789");
    loop_sim_settle(loop);
    assert_int_equal(a.drains, 1); /* above, and gone in one tick */
    conn_pause(b.conn);
    say(&a, "123456789");
    loop_sim_settle(loop);
    assert_int_equal(a.drains, 1);
    conn_resume(b.conn);
    loop_sim_settle(loop);
    assert_int_equal(a.drains, 2);
}

static void test_stall(void **state)
{
    (void)state;
    pair(1, 0);
    conn_pause(b.conn);
    say(&a, "xy");
    loop_sim_advance(loop, 59000);
    conn_resume(b.conn);
    loop_sim_settle(loop);
    conn_pause(b.conn);
    say(&a, "z");
    loop_sim_advance(loop, 59999);
    assert_int_equal(a.closes, 0);
    loop_sim_advance(loop, 1);
    expect_closed(&a, -ETIMEDOUT);
    conn_resume(b.conn);
    loop_sim_settle(loop);
    expect(&b, "xy");
    expect_closed(&b, 0);
    assert_int_equal(loop_now(loop), 1000000 + 59000 + 60000);
}

/* --- the end --- */

static void test_close(void **state)
{
    (void)state;
    pair(3, 0);
    say(&a, "last words");
    conn_close(a.conn);
    conn_close(a.conn);
    assert_true(conn_is_closing(a.conn));
    say(&a, "ignored");
    buf_append_z(conn_out(a.conn), "ignored");
    conn_flush_soon(a.conn);
    say(&b, "unheard");
    assert_int_equal(a.closes, 0);
    loop_sim_settle(loop);
    expect(&b, "last words");
    expect(&a, "");
    expect_closed(&a, 0);
    expect_closed(&b, 0);
}

static void test_close_both(void **state)
{
    (void)state;
    pair(0, 10);
    say(&a, "from a");
    say(&b, "from b");
    conn_close(a.conn);
    conn_close(b.conn);
    loop_sim_advance(loop, 10);
    expect_closed(&a, 0);
    expect_closed(&b, 0);
}

static void test_close_deadline(void **state)
{
    (void)state;
    pair(0, 0);
    conn_pause(b.conn);
    say(&a, "nobody reads this");
    conn_close(a.conn);
    loop_sim_advance(loop, 4999);
    assert_int_equal(a.closes, 0);
    loop_sim_advance(loop, 1);
    expect_closed(&a, -ETIMEDOUT);
    conn_resume(b.conn);
    loop_sim_settle(loop);
    expect(&b, "");
    expect_closed(&b, 0);
}

static void test_abort(void **state)
{
    (void)state;
    pair(0, 0);
    say(&a, "dropped");
    conn_abort(a.conn, -ECANCELED);
    conn_abort(a.conn, -EPIPE);
    conn_close(a.conn);
    assert_int_equal(a.closes, 0);
    assert_int_equal(conn_out_len(a.conn), 0);
    loop_sim_settle(loop);
    expect_closed(&a, -ECANCELED);
    expect_closed(&b, 0);
    expect(&b, "");
}

static void test_eof(void **state)
{
    (void)state;
    pair(0, 0);
    conn_set_handler(b.conn, &handler_eof, &b);
    say(&a, "bye");
    conn_close(a.conn);
    loop_sim_settle(loop);
    expect(&b, "bye");
    assert_int_equal(b.eofs, 1);
    assert_int_equal(b.closes, 0);
    say(&b, "into the void");
    loop_sim_settle(loop);
    assert_int_equal(conn_out_len(b.conn), 0);
    assert_int_equal(b.eofs, 1);
    conn_close(b.conn);
    loop_sim_settle(loop);
    expect_closed(&b, 0);
}

/* Whatever a handler does to either end, each end is told of its end exactly once. */
static void test_close_in_callbacks(void **state)
{
    (void)state;
    for (int where = 0; where < 8; where++) {
        for (int deed = CLOSE; deed <= ABORT_OTHER; deed++) {
            pair(where % 2 ? 2 : 0, 0);
            conn_set_handler(b.conn, &handler_eof, &b);
            conn_set_low_water(a.conn, 3);
            b.on_data = where / 2 == 0 ? deed : NOTHING;
            a.on_drain = where / 2 == 1 ? deed : NOTHING;
            b.on_eof = where / 2 == 2 ? deed : NOTHING;
            b.on_secure = where / 2 == 3 ? deed : NOTHING;
            b.echo = true;
            say(&a, "bytes");
            conn_start_transport(b.conn, &(const struct transport_ops){0}, NULL);
            loop_sim_settle(loop);
            if (b.on_eof != NOTHING)
                conn_close(a.conn);
            loop_sim_settle(loop);
            if (a.conn)
                conn_close(a.conn);
            if (b.conn)
                conn_close(b.conn);
            loop_sim_settle(loop);
            assert_int_equal(a.closes, 1);
            assert_int_equal(b.closes, 1);
        }
    }
}

static void test_detach(void **state)
{
    (void)state;
    pair(0, 0);
    conn_set_handler(a.conn, NULL, NULL);
    say(&b, "to nobody");
    loop_sim_settle(loop);
    say(&a, "still sent");
    conn_close(a.conn);
    loop_sim_settle(loop);
    expect(&b, "still sent");
    assert_int_equal(a.closes, 0);
    expect_closed(&b, 0);
}

/* The end of the loop ends connections without a word; of those closed before it still tells. */
static void test_loop_free(void **state)
{
    (void)state;
    pair(0, 10);
    say(&a, "never arrives");
    loop_sim_settle(loop);
    conn_abort(b.conn, -EIO);
    loop_free(&loop);
    assert_int_equal(b.closes, 1);
    assert_int_equal(a.closes, 0);
    loop = loop_new_sim();
    pair(0, 0);
    loop_free(&loop);
    assert_int_equal(a.closes + b.closes, 0);
}

/* --- transports on fakes --- */

static void count_free(void *t)
{
    ++*(int *)t;
}

static void test_transport(void **state)
{
    static const struct transport_ops ops = {.free = count_free};
    int freed = 0;

    (void)state;
    pair(0, 0);
    say(&a, "proceed");
    conn_start_transport(a.conn, &ops, &freed);
    assert_ptr_equal(conn_transport(a.conn), &freed);
    say(&a, "after");
    assert_false(conn_is_secure(a.conn));
    loop_sim_settle(loop);
    assert_true(conn_is_secure(a.conn));
    assert_false(conn_is_secure(b.conn));
    assert_int_equal(a.secures, 1);
    assert_int_equal(b.secures, 0);
    expect(&b, "proceedafter");
    say(&b, "hidden");
    conn_start_transport(b.conn, &(const struct transport_ops){0}, NULL);
    loop_sim_settle(loop);
    assert_int_equal(b.secures, 1);
    expect(&a, "hidden");
    loop_sim_advance(loop, 100000); /* no deadline is left behind */
    assert_int_equal(a.closes + b.closes + freed, 0);
    conn_close(a.conn);
    loop_sim_settle(loop);
    expect_closed(&a, 0);
    assert_int_equal(freed, 1);
}

static void expect_secure_first(void *ctx, struct span bytes)
{
    assert_true(conn_is_secure(((struct end *)ctx)->conn));
    end_on_data(ctx, bytes);
}

/* Bytes that come in the tick in which the transport starts are given after on_secure. */
static void test_transport_order(void **state)
{
    static const struct conn_handler ordered = {
        .on_data = expect_secure_first, .on_secure = end_on_secure, .on_close = end_on_close};

    (void)state;
    pair(0, 0);
    conn_set_handler(b.conn, &ordered, &b);
    say(&a, "early");
    conn_start_transport(b.conn, &(const struct transport_ops){0}, NULL);
    loop_sim_settle(loop);
    expect(&b, "early");
    conn_close(b.conn);
    loop_sim_settle(loop);
    expect_closed(&a, 0);
}

static void stopping_on_data(void *ctx, struct span bytes)
{
    end_on_data(ctx, bytes);
    if (a.heard.tail == 5)
        loop_stop(loop);
}

static void on_give_up(void *ctx)
{
    (void)ctx;
    fail_msg("waited 20 s in vain");
}

/* Fakes also work on libuv's loop. */
static void test_on_uv(void **state)
{
    static const struct conn_handler stopping = {.on_data = stopping_on_data,
                                                 .on_close = end_on_close};
    struct timer give_up = {0};

    (void)state;
    loop_free(&loop);
    loop = loop_new();
    pair(1, 1);
    conn_set_handler(a.conn, &stopping, &a);
    b.echo = true;
    say(&a, "hello");
    timer_start(&give_up, loop, 20000, on_give_up, NULL);
    loop_run(loop);
    timer_stop(&give_up);
    expect(&a, "hello");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_echo),
        CASE(test_delay),
        CASE(test_facts),
        CASE(test_pause),
        CASE(test_pause_inside),
        CASE(test_drain),
        CASE(test_stall),
        CASE(test_close),
        CASE(test_close_both),
        CASE(test_close_deadline),
        CASE(test_abort),
        CASE(test_eof),
        CASE(test_close_in_callbacks),
        CASE(test_detach),
        CASE(test_loop_free),
        CASE(test_transport),
        CASE(test_transport_order),
        CASE(test_on_uv),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
