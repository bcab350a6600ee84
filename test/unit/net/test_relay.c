/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What prime.n passes on to beta.n for somebody outside of the network, while beta's router is away
 * and no more may wait for it: it stays with prime until beta can take it, or its time is over.
 */
#include "kit.h"

#define ENVELOPE                                                                                   \
    "<envelope " ROUTER " from='c2s-1.prime.n' to='beta.n'>"                                       \
    "<message xmlns='jabber:component:accept' from='x@example.org/r' to='y@net.n' id='p'>"         \
    "<body>passed</body></message></envelope>"

/* 18 MB from prime's users wait at beta, and a stanza of somebody else's at prime. */
static void begin(const char *conf)
{
    struct buf big = {0};
    world_start(conf);
    live(2000);
    expect_up();
    w.b.has_no_router = true;
    conn_abort(w.b.router.conn, 0);
    loop_sim_settle(w.loop);
    buf_append_z(&big, "<message from='x@prime.n' to='y@beta.n'><body>");
    for (int i = 0; i < 1500000; i++)
        buf_append_char(&big, 'x');
    buf_append_z(&big, "</body></message>");
    for (int i = 0; i < 12; i++) {
        say(&w.a.router, buf_z(&big));
        loop_sim_advance(w.loop, 100);
    }
    buf_free(&big);
    assert_int_equal(peer_at(&w.b)->intake->handled.waiting, 12);
    say(&w.a.router, ENVELOPE);
    pass(20000);
    assert_int_equal(queued(&w.a), 13);
    expect_not(&w.a.router, "type='error'");
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;
    while ((text = strstr(text, what))) {
        n++;
        text++;
    }
    return n;
}

static void test_waits(void **state)
{
    (void)state;
    begin("[limits]\nqueue_bytes = 64M\n");
    w.b.has_no_router = false;
    pass(3000);
    link_up(&w.b);
    pass(70000);
    expect_up();
    const char *all = buf_z(&w.b.router.heard);
    assert_int_equal(count(all, "<body>xxx"), 12);
    assert_int_equal(count(all, "<body>passed</body><via "), 1);
    assert_int_equal(queued(&w.a), 0);
    world_end();
}

static void test_expires(void **state)
{
    (void)state;
    begin("[limits]\nqueue_bytes = 64M\nqueue_time = 60s\n");
    pass(60000);
    expect(&w.a.router, "<message to='x@example.org/r' from='y@net.n' id='p' type='error'>"
                        "<error type='wait'><remote-server-timeout");
    assert_int_equal(queued(&w.a), 0);
    world_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_expires),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
