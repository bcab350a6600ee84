/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wire: reading ahead and gathering, by itself and below a session.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tls/wire.h"

#include "test/unit/tls/pair.h"

struct ends {
    struct tls_wire wire;
    int peer;
};

static void open_ends(struct ends *e)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    *e = (struct ends){.wire.fd = fds[0], .peer = fds[1]};
}

static void close_ends(struct ends *e)
{
    tls_wire_free(&e->wire);
    close(e->wire.fd);
    close(e->peer);
}

static void say(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void pulls_to(struct ends *e, size_t n, const char *want)
{
    char got[16];
    ssize_t taken = tls_wire_pull(&e->wire, got, n);
    assert_int_equal(taken, (ssize_t)strlen(want));
    assert_memory_equal(got, want, strlen(want));
}

static void reads_ahead(void **state)
{
    (void)state;
    struct ends e;
    char got[16];
    open_ends(&e);
    assert_int_equal(tls_wire_pull(&e.wire, got, 5), -1);
    assert_int_equal(errno, EAGAIN);
    say(e.peer, "headrest");
    pulls_to(&e, 4, "head");
    assert_int_equal(recv(e.wire.fd, got, sizeof(got), 0), -1); /* it has it all */
    assert_int_equal(tls_wire_pending(&e.wire), 4);
    pulls_to(&e, 9, "rest");
    assert_int_equal(tls_wire_pending(&e.wire), 0);
    close(e.peer);
    assert_int_equal(tls_wire_pull(&e.wire, got, 5), 0);
    e.peer = -1;
    close_ends(&e);
}

static void keeps_what_is_its_own(void **state)
{
    (void)state;
    struct ends a, b;
    open_ends(&a);
    open_ends(&b);
    say(a.peer, "one two three");
    say(b.peer, "four");
    pulls_to(&a, 4, "one ");
    tls_wire_keep(&a.wire);
    pulls_to(&b, 2, "fo");
    tls_wire_keep(&b.wire);
    assert_int_equal(tls_wire_pending(&a.wire), 9);
    assert_int_equal(tls_wire_pending(&b.wire), 2);
    pulls_to(&a, 4, "two ");
    tls_wire_keep(&a.wire);
    say(a.peer, " five");
    pulls_to(&b, 9, "ur");
    pulls_to(&a, 16, "three");
    pulls_to(&a, 16, " five");
    close_ends(&a);
    close_ends(&b);
}

static void gathers_until_flushed(void **state)
{
    (void)state;
    struct ends e;
    char got[16];
    open_ends(&e);
    e.wire.gathers = true;
    assert_int_equal(tls_wire_push(&e.wire, "one ", 4), 4);
    assert_int_equal(tls_wire_push(&e.wire, "two", 3), 3);
    assert_int_equal(recv(e.peer, got, sizeof(got), 0), -1);
    assert_int_equal(tls_wire_flush(&e.wire), 0);
    assert_int_equal(recv(e.peer, got, sizeof(got), 0), 7);
    assert_memory_equal(got, "one two", 7);
    assert_int_equal(tls_wire_flush(&e.wire), 0);
    e.wire.gathers = false;
    assert_int_equal(tls_wire_push(&e.wire, "three", 5), 5);
    assert_int_equal(recv(e.peer, got, sizeof(got), 0), 5);
    close_ends(&e);
}

/* More than the socket takes: the order stays, and nobody else's bytes are among it. */
static void waits_for_room(void **state)
{
    (void)state;
    static char large[1 << 20], got[1 << 20];
    struct ends e, other;
    open_ends(&e);
    open_ends(&other);
    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = (char)(i * 7 + i / 251);
    e.wire.gathers = other.wire.gathers = true;
    tls_wire_push(&e.wire, large, sizeof(large) - 10);
    assert_int_equal(tls_wire_flush(&e.wire), -EAGAIN);
    tls_wire_push(&other.wire, "other", 5);
    assert_int_equal(tls_wire_flush(&other.wire), 0);
    tls_wire_push(&e.wire, large + sizeof(large) - 10, 10);
    size_t have = 0;
    for (int result = -EAGAIN; result == -EAGAIN;) {
        ssize_t n;
        result = tls_wire_flush(&e.wire);
        while ((n = recv(e.peer, got + have, sizeof(got) - have, 0)) > 0)
            have += (size_t)n;
    }
    assert_int_equal(have, sizeof(large));
    assert_memory_equal(got, large, sizeof(large));
    close_ends(&e);
    close_ends(&other);
}

static void tells_of_a_broken_socket(void **state)
{
    (void)state;
    struct ends e;
    open_ends(&e);
    close(e.peer);
    e.wire.gathers = true;
    tls_wire_push(&e.wire, "one", 3);
    assert_int_equal(tls_wire_flush(&e.wire), -EPIPE);
    assert_int_equal(tls_wire_flush(&e.wire), 0); /* nothing is left of it */
    e.peer = -1;
    close_ends(&e);
}

/* --- below a session --- */

static void records_come_together(void **state)
{
    (void)state;
    static char got[64 * 1024];
    struct tls_ctx *client = client_with(ONLY_13, NULL, SPAN_NONE);
    struct pair p;
    connect_pair(&p, server_ctx, client);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ops->send(p.client, "<a/>", 4), 4);
    assert_int_equal(ops->recv(p.server, got, sizeof(got)), 12);
    assert_memory_equal(got, "<a/><a/><a/>", 12);
    assert_int_equal(ops->pending(p.server), 0);
    close_pair(&p);
    tls_ctx_unref(&client);
}

/* Data that lies behind a new key is told of by no poll any more. */
static void a_new_key_hides_no_data(void **state)
{
    (void)state;
    static char got[64 * 1024];
    struct raw r;
    raw_open(&r, ONLY_13, 0);
    raw_shake(&r);
    assert_int_equal(gnutls_session_key_update(r.session, 0), 0);
    assert_int_equal(gnutls_record_send(r.session, "<a/>", 4), 4);
    assert_int_equal(ops->recv(r.pair.server, got, sizeof(got)), 4);
    raw_close(&r);
}

static void an_end_comes_behind_its_data(void **state)
{
    (void)state;
    static char got[64 * 1024];
    struct tls_ctx *client = client_with(ONLY_13, NULL, SPAN_NONE);
    struct pair p;
    connect_pair(&p, server_ctx, client);
    assert_int_equal(ops->send(p.client, "<a/>", 4), 4);
    ops->bye(p.client);
    assert_int_equal(ops->recv(p.server, got, sizeof(got)), 4);
    assert_true(ops->pending(p.server) > 0);
    assert_int_equal(ops->recv(p.server, got, sizeof(got)), 0);
    close_pair(&p);
    tls_ctx_unref(&client);
}

static void a_fault_comes_behind_data(void **state)
{
    (void)state;
    static char got[64 * 1024];
    struct tls_ctx *client = client_with(ONLY_13, NULL, SPAN_NONE);
    struct pair p;
    connect_pair(&p, server_ctx, client);
    assert_int_equal(ops->send(p.client, "<a/>", 4), 4);
    assert_int_equal(write(p.client_fd, "\x17\x03\x03\0\x18what nobody encrypted...", 29), 29);
    assert_int_equal(ops->recv(p.server, got, sizeof(got)), 4);
    assert_true(ops->pending(p.server) > 0);
    assert_int_equal(ops->recv(p.server, got, sizeof(got)), -EPROTO);
    assert_non_null(ops->reason(p.server));
    close_pair(&p);
    tls_ctx_unref(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_ahead),
        cmocka_unit_test(keeps_what_is_its_own),
        cmocka_unit_test(gathers_until_flushed),
        cmocka_unit_test(waits_for_room),
        cmocka_unit_test(tells_of_a_broken_socket),
        cmocka_unit_test(records_come_together),
        cmocka_unit_test(a_new_key_hides_no_data),
        cmocka_unit_test(an_end_comes_behind_its_data),
        cmocka_unit_test(a_fault_comes_behind_data),
    };
    return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}
