/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A router that is there but slow: no stream is read, of those that bring stanzas, until it has
 * caught up, and nothing is refused.
 */
#include "far.h"

/* w says much more than may wait for the router, which has stalled and then goes on. */
static void expect_waiting(struct house *h, struct wire *w)
{
    struct buf big = {0};
    buf_append_z(&big, "<message from='juliet@" PEER "' to='romeo@" HOST "' id='big'><body>");
    for (int i = 0; i < 200000; i++)
        buf_append_char(&big, 'x');
    buf_append_z(&big, "</body></message>");
    wire_heard(w);
    wire_heard(h->router);
    conn_pause(h->router->conn);
    for (int i = 0; i < 100; i++)
        wire_say_span(w, buf_span(&big));
    assert_true(conn_out_len(w->conn) > 0);
    conn_resume(h->router->conn);
    loop_sim_settle(h->loop);
    assert_int_equal(conn_out_len(w->conn), 0);
    assert_true(buf_len(&h->router->heard) > 100 * 200000);
    wire_expect_not(w, "resource-constraint");
    buf_free(&big);
}

static void test_theirs(void **state)
{
    struct house *h = house_new("[policy]\nrate = 0\n");
    (void)state;
    house_link(h);
    struct wire *w = peer_proved(h, "");
    expect_waiting(h, w);
    wire_free(&w);
    house_free(h);
}

/* One that we have opened, and that carries both ways. */
static void test_ours(void **state)
{
    struct house *h = house_new("[policy]\nrate = 0\n");
    (void)state;
    house_link(h);
    send_one(h, 0);
    far_external(h, OFFER_BIDI, "");
    expect_waiting(h, h->dialled);
    house_free(h);
}

/* One that ends while it waits is forgotten. */
static void test_ends(void **state)
{
    struct house *h = house_new("[policy]\nrate = 0\n");
    (void)state;
    house_link(h);
    struct wire *w = peer_proved(h, "");
    conn_pause(h->router->conn);
    char *big = mem_alloc(200000);
    memset(big, 'x', 200000);
    for (int i = 0; i < 100; i++) {
        wire_say(w, "<message from='juliet@" PEER "' to='romeo@" HOST "'><body>");
        wire_say_span(w, span_make(big, 200000));
        wire_say(w, "</body></message>");
    }
    free(big);
    assert_true(conn_out_len(w->conn) > 0);
    in_close_all(h->s2s);
    wire_free(&w);
    assert_int_equal(h->s2s->in_count, 0);
    conn_resume(h->router->conn);
    loop_sim_settle(h->loop);
    house_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_theirs),
        cmocka_unit_test(test_ours),
        cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
