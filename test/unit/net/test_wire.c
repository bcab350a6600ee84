/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stream of a link, step by step, with a test on the other side: who is taken for whom, as he
 * who dials and as he who is dialled; headers, XEP-0198, limits, ends.
 */
#include "kit.h"

static struct end e;

static void begin(const char *table, const char *conf)
{
    world_prepare();
    side_load(&w.a, "");
    side_load(&w.b, conf);
    write_table(&w.b, table);
    w.a.is_down = true;
    side_start(&w.b);
}

static void finish(void)
{
    end_free(&e);
    world_end();
}

static void stranger(void)
{
    stranger_new(&w.b, &e, 0);
}

static void again(void)
{
    end_free(&e);
    stranger();
}

/* --- who it is: we are dialled ---------------------------------------------------------------- */

static void test_who_dials(void **state)
{
    static const struct {
        const char *sees, *header, *result; /* NULL: it may go on */
    } cases[] = {
        {KEY_A, OPEN("prime.n", "beta.n"), NULL},
        {KEY_A, OPEN("PRIME.n", "BETA.n"), NULL},
        {KEY_C, OPEN("prime.n", "beta.n"), "not-authorized"},
        {NULL, OPEN("prime.n", "beta.n"), "not-authorized"},
        {KEY_A, OPEN("gamma.n", "beta.n"), "not-authorized"}, /* prime's key is not gamma's */
        {KEY_C, OPEN("off.n", "beta.n"), "not-authorized"},   /* disabled */
        {KEY_A, OPEN("unknown.n", "beta.n"), "not-authorized"},
        {KEY_B, OPEN("beta.n", "beta.n"), "not-authorized"}, /* ourselves */
        {KEY_A, OPEN("x.prime.n", "beta.n"), "not-authorized"},
        {KEY_A, OPEN("", "beta.n"), "not-authorized"},
        {KEY_A, OPEN("a@prime.n", "beta.n"), "not-authorized"},
        {KEY_A, "<stream:stream xmlns='jabber:server' " NS_STREAMS " version='1.0' to='beta.n'>",
         "not-authorized"},
        {KEY_A, OPEN("prime.n", "gamma.n"), "host-unknown"},
        {KEY_A, OPEN("prime.n", "net.n"), "host-unknown"},
        {KEY_A, OPEN("prime.n", "x.beta.n"), "host-unknown"},
        {KEY_A, OPEN("prime.n", ""), "host-unknown"},
        {KEY_A, "<stream:stream xmlns='jabber:server' " NS_STREAMS " version='1.0' from='prime.n'>",
         "host-unknown"},
        {KEY_A, "<stream:stream xmlns='jabber:server' " NS_STREAMS " from='prime.n' to='beta.n'>",
         "unsupported-version"},
        {KEY_A,
         "<stream:stream xmlns='jabber:client' " NS_STREAMS " version='1.0' from='prime.n' "
         "to='beta.n'>",
         "invalid-namespace"},
        {KEY_A, "<message from='a@prime.n' to='b@beta.n'/>", "bad-format"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin(TABLE "gamma.n " KEY_C " enabled\noff.n " KEY_C " disabled\n", "");
        w.b.sees = cases[i].sees;
        stranger();
        say(&e, cases[i].header);
        if (cases[i].result) {
            expect_error(&e, cases[i].result);
            assert_null(peer_at(&w.b)->wire);
            pass(8000);
            assert_null(e.conn);
        } else {
            expect(&e, FEATURES);
            say(&e, ENABLE);
            assert_true(is_up(&w.b));
        }
        finish();
    }
}

/* Pieces of any size. */
static void test_chunks(void **state)
{
    static const size_t chunks[] = {1, 2, 3, 7, 0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
        begin(TABLE, "");
        stranger_new(&w.b, &e, chunks[i]);
        say(&e, "<?xml version='1.0'?>" OPEN("prime.n", "beta.n") ENABLE
            "<message from='a@prime.n' to='b@beta.n'><body>0</body></message>" R);
        expect(&w.b.router, "<body>0</body>");
        expect(&e, A("1"));
        finish();
    }
}

/* Before it has been proved nobody is listened to. */
static void test_too_early(void **state)
{
    static const char *const words[] = {
        "<message from='a@prime.n' to='b@beta.n'/>",
        A("0"),
        R,
        "<relay xmlns='" NS_NET "'/>",
        "<route xmlns='" NS_NET "' name='x.prime.n' state='up'/>",
        "<enabled xmlns='urn:xmpp:sm:3'/>",
        "<stream:features/>",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        begin(TABLE, "");
        stranger();
        say(&e, OPEN("prime.n", "beta.n"));
        say(&e, words[i]);
        expect(&e, "<stream:error><not-authorized");
        finish();
    }
}

static void test_limits(void **state)
{
    struct end many[3];
    (void)state;
    begin(TABLE, "[limits]\nconnections_per_address = 2\nnegotiation_time = 10s\n");
    for (int i = 0; i < 3; i++)
        stranger_new(&w.b, &many[i], 0);
    assert_non_null(many[1].conn);
    assert_null(many[2].conn);
    say(&many[0], OPEN("prime.n", "beta.n"));
    pass(11000);
    expect(&many[0], "<stream:error><connection-timeout");
    pass(8000);
    assert_null(many[0].conn);
    assert_null(many[1].conn);
    /* One that is proved does not count. */
    stranger();
    say(&e, OPEN("prime.n", "beta.n"));
    say(&e, ENABLE);
    for (int i = 0; i < 3; i++) {
        end_free(&many[i]);
        stranger_new(&w.b, &many[i], 0);
    }
    assert_non_null(many[1].conn);
    assert_null(many[2].conn);
    assert_true(is_up(&w.b));
    for (int i = 0; i < 3; i++)
        end_free(&many[i]);
    finish();
}

/* A server that is proved has one link, and no more connections than others besides. */
static void test_limit_of_one_server(void **state)
{
    struct end many[3];
    (void)state;
    begin(TABLE, "[limits]\nconnections_per_address = 2\n");
    for (int i = 0; i < 3; i++) {
        stranger_new(&w.b, &many[i], 0);
        if (i < 2) {
            say(&many[i], OPEN("prime.n", "beta.n"));
            expect(&many[i], FEATURES);
        }
    }
    assert_non_null(many[1].conn);
    assert_null(many[2].conn);
    for (int i = 0; i < 3; i++)
        end_free(&many[i]);
    finish();
}

static void test_budget(void **state)
{
    (void)state;
    begin(TABLE, "");
    stranger();
    say(&e, OPEN("prime.n", "beta.n"));
    for (int i = 0; i < 20000; i++)
        say(&e, " ");
    expect_error(&e, "policy-violation");
    finish();
}

/* --- who it is: we dial ----------------------------------------------------------------------- */

static struct conn *to_far(void *ctx, const struct addr *to)
{
    static const struct transport_ops none;
    (void)ctx;
    (void)to;
    if (e.conn)
        return NULL;
    end_free(&e);
    struct conn *near = end_new(&e, 0);
    conn_start_transport(e.conn, &none, NULL);
    return near;
}

static void begin_far(const char *sees)
{
    begin(TABLE, "");
    end_free(&e);
    net_test_connect = to_far;
    w.b.sees = sees;
    peer_connect(peer_at(&w.b));
    loop_sim_settle(w.loop);
}

static void finish_far(void)
{
    net_test_connect = to_peer;
    finish();
}

static void test_whom_we_dial(void **state)
{
    static const struct {
        const char *sees, *says, *result; /* NULL: it is up */
    } cases[] = {
        {KEY_A, ANSWER("prime.n", "beta.n") FEATURES "<enabled xmlns='urn:xmpp:sm:3' id='q'/>",
         NULL},
        {KEY_A, ANSWER("prime.n", "beta.n") FEATURES "<enabled xmlns='urn:xmpp:sm:3'/>", NULL},
        {KEY_C, "", "not-authorized"},
        {NULL, "", "not-authorized"},
        {KEY_A, ANSWER("gamma.n", "beta.n"), "invalid-from"},
        {KEY_A, ANSWER("prime.n", "beta.n") "<stream:features/>", "unsupported-feature"},
        {KEY_A,
         ANSWER("prime.n", "beta.n") "<stream:features><sm xmlns='urn:xmpp:sm:3'/>"
                                     "</stream:features>",
         "unsupported-feature"},
        {KEY_A, ANSWER("prime.n", "beta.n") FEATURES "<failed xmlns='urn:xmpp:sm:3'/>",
         "unsupported-feature"},
        {KEY_A,
         ANSWER("prime.n", "beta.n") FEATURES "<resumed xmlns='urn:xmpp:sm:3' previd='x' h='0'/>",
         "undefined-condition"},
        {KEY_A, ANSWER("prime.n", "beta.n") ENABLE, "not-authorized"},
        {KEY_A, ANSWER("prime.n", "beta.n") FEATURES FEATURES, "not-authorized"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin_far(cases[i].sees);
        say(&e, cases[i].says);
        if (cases[i].result) {
            expect_error(&e, cases[i].result);
            assert_null(peer_at(&w.b)->wire);
        } else {
            assert_true(is_up(&w.b));
            expect(&e, "<routes xmlns='" NS_NET "'/>");
        }
        finish_far();
    }
}

/* We have said our header, and ours is the smaller name: theirs ends before it is offered
 * anything. */
static void test_conflict(void **state)
{
    struct end second;
    (void)state;
    begin_far(KEY_A);
    stranger_new(&w.b, &second, 0);
    say(&second, OPEN("prime.n", "beta.n"));
    expect_error(&second, "conflict");
    say(&e, ANSWER("prime.n", "beta.n") FEATURES "<enabled xmlns='urn:xmpp:sm:3' id='q'/>");
    assert_true(is_up(&w.b));
    end_free(&second);
    finish_far();
}

/* Nothing of ours is said to who has not proved to be the one. */
static void test_nothing_is_said_to_others(void **state)
{
    (void)state;
    begin_far(KEY_C);
    expect_not(&e, "to='prime.n'");
    /* And `net explain` says whose key it is. */
    assert_non_null(
        strstr(buf_z(&peer_at(&w.b)->story), "its key: " KEY_C "; in the table: " KEY_A));
    finish_far();
}

/* --- XEP-0198 --------------------------------------------------------------------------------- */

static void send_many(unsigned from, unsigned to)
{
    char text[200];
    for (unsigned i = from; i < to; i++) {
        snprintf(text, sizeof text,
                 "<message from='b@beta.n' to='a@prime.n'><body>%u</body></message>", i);
        say(&w.b.router, text);
    }
}

/* In order, each once, and no others. */
static void expect_bodies(unsigned from, unsigned to)
{
    const char *it = heard(&e), *at = it;
    char body[30];
    for (unsigned i = from; i < to; i++) {
        snprintf(body, sizeof body, "<body>%u</body>", i);
        at = strstr(at, body);
        if (!at)
            fail_msg("no %s in: %s", body, it);
        at++;
    }
    if (strstr(at, "<body>"))
        fail_msg("more than %u: %s", to, it);
}

static void resume(const char *h)
{
    char text[400], id[64];
    snprintf(id, sizeof id, "%s", peer_at(&w.b)->previous);
    snprintf(text, sizeof text, "<resume xmlns='urn:xmpp:sm:3' previd='%s' h='%s'/>", id, h);
    again();
    say(&e, OPEN("prime.n", "beta.n"));
    heard(&e);
    say(&e, text);
}

static void test_resume(void **state)
{
    (void)state;
    begin(TABLE, "");
    stranger();
    say(&e, OPEN("prime.n", "beta.n"));
    say(&e, ENABLE);
    send_many(0, 10);
    expect_bodies(0, 10);
    say(&e, A("4"));
    assert_int_equal(queued(&w.b), 6);
    resume("7");
    assert_true(is_up(&w.b));
    expect_bodies(7, 10);
    assert_int_equal(queued(&w.b), 3);
    send_many(10, 12);
    expect_bodies(10, 12);
    say(&e, A("11"));
    assert_int_equal(queued(&w.b), 1);
    /* The same word again: it has not heard our answer. */
    resume("11");
    expect_bodies(11, 12);
    say(&e, A("12"));
    assert_int_equal(queued(&w.b), 0);
    /* What was sent again counts once. */
    send_many(12, 13);
    resume("14");
    expect(&e, "<failed");
    finish();
}

/* So many were never sent, or what it speaks of is unknown: it begins anew. */
static void test_no_resume(void **state)
{
    static const char *const hs[] = {"4", "11", "4294967295"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hs); i++) {
        begin(TABLE, "");
        stranger();
        say(&e, OPEN("prime.n", "beta.n"));
        say(&e, ENABLE);
        send_many(0, 10);
        say(&e, A("5"));
        resume(hs[i]);
        expect(&e, "<failed xmlns='urn:xmpp:sm:3'><item-not-found");
        assert_null(peer_at(&w.b)->wire);
        say(&e, ENABLE);
        assert_true(is_up(&w.b));
        expect_bodies(5, 10);
        say(&e, A("5"));
        assert_int_equal(queued(&w.b), 0);
        finish();
    }
}

static void test_failed(void **state)
{
    (void)state;
    begin_far(KEY_A);
    say(&e, ANSWER("prime.n", "beta.n") FEATURES "<enabled xmlns='urn:xmpp:sm:3' id='q'/>");
    send_many(0, 3);
    conn_abort(e.conn, 0);
    loop_sim_settle(w.loop);
    pass(2000);
    say(&e, ANSWER("prime.n", "beta.n") FEATURES);
    expect(&e, "<resume xmlns='urn:xmpp:sm:3' previd='q' h='0'/>");
    say(&e, "<failed xmlns='urn:xmpp:sm:3'><item-not-found "
            "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>");
    expect(&e, ENABLE);
    say(&e, "<enabled xmlns='urn:xmpp:sm:3' id='p'/>");
    expect_bodies(0, 3);
    finish_far();
}

/* Not for each stanza, and not never. */
static void test_asking(void **state)
{
    (void)state;
    begin(TABLE, "");
    stranger();
    say(&e, OPEN("prime.n", "beta.n"));
    say(&e, ENABLE);
    heard(&e);
    send_many(0, 1);
    expect_not(&e, R);
    pass(1500);
    expect(&e, R);
    send_many(1, 9);
    expect_not(&e, R);
    say(&e, A("1"));
    expect_not(&e, R);
    send_many(9, 10);
    expect(&e, R);
    finish();
}

/* It ends the link with a complaint of what we have sent: that goes back, the rest goes on. */
static void test_poison(void **state)
{
    (void)state;
    begin(TABLE, "");
    stranger();
    say(&e, OPEN("prime.n", "beta.n"));
    say(&e, ENABLE);
    send_many(0, 4);
    char end[] = "<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                 "</stream:error></stream:stream>";
    say(&e, end);
    resume("2");
    expect_bodies(2, 3); /* one at a time */
    say(&e, end);
    end_free(&e);
    expect(&w.b.router, "<not-acceptable");
    resume("2");
    expect_bodies(3, 4);
    say(&e, A("3"));
    assert_int_equal(queued(&w.b), 0);
    send_many(4, 6);
    expect_bodies(4, 6);
    finish();
}

/* --- ends ------------------------------------------------------------------------------------- */

static void test_stop(void **state)
{
    (void)state;
    begin(TABLE, "");
    stranger();
    say(&e, OPEN("prime.n", "beta.n"));
    say(&e, ENABLE "<message from='a@prime.n' to='b@beta.n'/>");
    send_many(0, 1);
    heard(&e);
    net_stop(w.b.net, on_stopped, &w.b);
    loop_sim_settle(w.loop);
    const char *it = heard(&e);
    assert_non_null(strstr(it, R));
    assert_null(strstr(it, "</stream:stream>"));
    say(&e, A("1"));
    expect(&e, A("1") "<stream:error><system-shutdown");
    say(&e, "</stream:stream>");
    loop_sim_advance(w.loop, 5000);
    assert_true(w.b.is_stopped);
    net_free(&w.b.net);
    end_free(&w.b.router);
    finish();
}

static void test_close(void **state)
{
    (void)state;
    begin(TABLE, "");
    stranger();
    say(&e, OPEN("prime.n", "beta.n"));
    say(&e, ENABLE);
    struct buf how = {0};
    wire_describe(peer_at(&w.b)->wire, &how);
    assert_non_null(strstr(buf_z(&how), "opened by it, up"));
    buf_free(&how);
    peer_close(peer_at(&w.b));
    loop_sim_settle(w.loop);
    expect(&e, "</stream:stream>");
    say(&e, "</stream:stream>");
    loop_sim_settle(w.loop);
    assert_null(e.conn);
    assert_null(peer_at(&w.b)->wire);
    finish();
}

/* --- figures ---------------------------------------------------------------------------------- */

static void test_space_is_a_sign_of_life(void **state)
{
    (void)state;
    begin(TABLE, "[limits]\nheartbeat = 10s\n");
    stranger();
    say(&e, OPEN("prime.n", "beta.n"));
    say(&e, ENABLE);
    heard(&e);
    for (int i = 0; i < 20; i++) {
        pass(9000);
        say(&e, " ");
    }
    expect_not(&e, R);
    assert_true(is_up(&w.b));
    pass(55000);
    expect(&e, R R R "<stream:error><connection-timeout");
    assert_null(peer_at(&w.b)->wire);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_dials),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_too_early),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_limit_of_one_server),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_whom_we_dial),
        cmocka_unit_test(test_conflict),
        cmocka_unit_test(test_nothing_is_said_to_others),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_no_resume),
        cmocka_unit_test(test_failed),
        cmocka_unit_test(test_asking),
        cmocka_unit_test(test_poison),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_space_is_a_sign_of_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
