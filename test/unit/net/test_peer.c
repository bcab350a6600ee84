/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two servers and the link between them: when it is dialled, which of two stays, what happens to
 * messages when it breaks, ends or never comes, and whose names are bound.
 */
#include "kit.h"

/* --- a link ----------------------------------------------------------------------------------- */

static void test_link_comes_up_by_itself(void **state)
{
    (void)state;
    world_start("");
    live(2000);
    expect_up();
    assert_int_equal(w.a.dialled + w.b.dialled, 1);
    assert_string_equal(peer_state_name(peer_at(&w.a)->state), "up");
    live(600000);
    expect_up();
    assert_int_equal(w.a.dialled + w.b.dialled, 1);
    world_end();
}

static void test_messages_both_ways(void **state)
{
    (void)state;
    for (size_t chunk = 0; chunk < 8; chunk++) {
        world_start("");
        w.chunk = chunk;
        w.delay = chunk;
        for (int i = 0; i < 300; i++) {
            send_from(&w.a);
            if (i % 3 == 0)
                send_from(&w.b);
        }
        live(5000);
        expect_all();
        expect_up();
        assert_int_equal(w.a.again + w.b.again, 0);
        assert_int_equal(queued(&w.a) + queued(&w.b), 0);
        assert_int_equal(peer_at(&w.a)->counts.sent, 300);
        assert_int_equal(peer_at(&w.b)->counts.received, 300);
        world_end();
    }
}

static void test_a_message_dials_at_once(void **state)
{
    (void)state;
    world_start("");
    send_from(&w.a);
    loop_sim_settle(w.loop);
    read_ledger(&w.b);
    assert_int_equal(w.b.arrived, 1);
    world_end();
}

/* What may be written by hand: the first "host" of a table of cases, the way there. */
static void test_ways(void **state)
{
    static const struct {
        const char *srv, *conf;
        bool finds;
    } cases[] = {
        {NULL, "", true},
        {"0 0 5299 other.n", "", true},
        {"0 0 0 .", "", false},
        {NULL, "[server beta.n]\nroute = 10.0.0.2:7000\n", true},
        {"0 0 5270 nowhere.n", "[server beta.n]\nroute = beta.n:7000\n", true},
        {"0 0 5270 nowhere.n", "", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        world_prepare();
        resolver_sim_add(w.resolver, RESOLVE_A, "other.n", "10.0.0.2", false);
        if (cases[i].srv)
            resolver_sim_add(w.resolver, RESOLVE_SRV, "_xmpp-net._tcp.beta.n", cases[i].srv, false);
        side_load(&w.a, cases[i].conf);
        side_load(&w.b, "");
        w.a.is_down = true;
        side_start(&w.a);
        side_start(&w.b);
        live(5000);
        if (is_up(&w.a) != cases[i].finds)
            fail_msg("case %zu: %.*s", i, SPAN_ARG(buf_span(&peer_at(&w.a)->story)));
        world_end();
    }
}

/* --- two of them ------------------------------------------------------------------------------ */

/* Both have dialled before either hears of the other; whoever is first. */
static void test_both_dial(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        for (uint64_t delay = 1; delay < 60; delay += 7) {
            world_start("");
            w.delay = delay;
            send_from(first ? &w.a : &w.b);
            send_from(first ? &w.b : &w.a);
            live(3000);
            expect_up();
            expect_all();
            assert_int_equal(w.a.again + w.b.again, 0);
            /* beta.n is smaller: the one that it has opened stays. */
            assert_true(wire_is_ours(peer_at(&w.b)->wire));
            assert_int_equal(w.a.dialled, 1);
            assert_int_equal(w.b.dialled, 1);
            live(30000);
            assert_int_equal(w.a.dialled + w.b.dialled, 2);
            assert_int_equal(w.a.net->wire_count, 1);
            assert_int_equal(w.b.net->wire_count, 1);
            world_end();
        }
    }
}

/* It is dead on the other side, which has started anew. */
static void test_replaced(void **state)
{
    (void)state;
    world_start("");
    live(3000);
    taps_hold();
    side_stop(&w.b);
    side_start(&w.b);
    assert_true(is_up(&w.a));
    send_from(&w.b);
    live(3000);
    expect_up();
    expect_all();
    send_from(&w.a);
    live(1000);
    expect_all();
    world_end();
}

/* Somebody else with the same host and key takes its place, again and again: they do so more and
 * more rarely, and whoever reads the log hears of it. */
static void test_contested(void **state)
{
    (void)state;
    world_start("");
    live(3000);
    for (int i = 0; i < 600; i++) {
        if (is_up(&w.b))
            peer_let_go(peer_at(&w.b));
        if (i % 50 == 0)
            send_from(&w.a);
        live(200);
    }
    assert_in_range(w.a.dialled + w.b.dialled, 5, 25);
    live(120000);
    expect_up();
    expect_all();
    /* When it was quiet for a while all is as before. */
    peer_let_go(peer_at(&w.b));
    live(3000);
    expect_up();
    world_end();
}

static void test_heartbeat(void **state)
{
    (void)state;
    world_start("[limits]\nheartbeat = 10s\n");
    live(3000);
    expect_up();
    live(100000);
    assert_int_equal(w.a.dialled + w.b.dialled, 1);
    taps_hold();
    send_from(&w.a);
    live(25000);
    assert_int_equal(w.b.arrived, 0);
    live(30000);
    expect_up();
    expect_all();
    assert_int_equal(w.a.again + w.b.again, 0);
    world_end();
}

/* --- breaks ----------------------------------------------------------------------------------- */

/* Nothing is lost, and nothing comes twice, wherever the connections break. */
static void test_cuts(void **state)
{
    unsigned cuts = 0;
    (void)state;
    for (uint32_t seed = 1; seed <= 40; seed++) {
        world_start("");
        w.cut_seed = seed;
        w.chunk = seed % 3 ? 0 : 61;
        w.delay = seed % 5;
        for (int round = 0; round < 120; round++) {
            for (int i = 0; i < 10; i++) {
                send_from(&w.a);
                if (i % 2)
                    send_from(&w.b);
            }
            live(100 + 50 * (seed % 7));
        }
        cuts += w.cuts;
        w.cut_seed = 0;
        live(120000);
        taps_cut();
        live(5000);
        expect_up();
        expect_all();
        assert_int_equal(w.a.again + w.b.again, 0);
        assert_int_equal(queued(&w.a) + queued(&w.b), 0);
        world_end();
    }
    assert_true(cuts > 300);
}

/* What the router had not taken when the link broke does not come twice either. */
static void test_cut_before_the_router(void **state)
{
    (void)state;
    world_start("");
    live(2000);
    w.b.has_no_router = true;
    conn_abort(w.b.router.conn, 0);
    loop_sim_settle(w.loop);
    for (int i = 0; i < 20; i++)
        send_from(&w.a);
    loop_sim_advance(w.loop, 3000);
    assert_int_equal(queued(&w.a), 20);
    taps_cut();
    loop_sim_advance(w.loop, 3000);
    assert_true(is_up(&w.a));
    for (int i = 0; i < 5; i++)
        send_from(&w.a);
    loop_sim_advance(w.loop, 1000);
    assert_int_equal(queued(&w.a), 25);
    w.b.has_no_router = false;
    loop_sim_advance(w.loop, 3000);
    link_up(&w.b);
    live(5000);
    expect_all();
    assert_int_equal(w.b.again, 0);
    assert_int_equal(queued(&w.a), 0);
    world_end();
}

/* Many wait for a router that is away: the link waits, and is not taken for dead. */
static void test_throttled(void **state)
{
    (void)state;
    world_start("[limits]\nheartbeat = 5s\n");
    live(2000);
    w.b.has_no_router = true;
    conn_abort(w.b.router.conn, 0);
    loop_sim_settle(w.loop);
    for (int i = 0; i < 1000; i++)
        send_from(&w.a);
    for (int i = 0; i < 12; i++)
        pass(4000); /* what is not read for a minute ends by itself */
    assert_true(is_up(&w.a));
    assert_int_equal(w.a.dialled + w.b.dialled, 1);
    assert_true(peer_at(&w.b)->intake->handled.waiting <= 256);
    w.b.has_no_router = false;
    loop_sim_advance(w.loop, 3000);
    link_up(&w.b);
    live(10000);
    expect_all();
    assert_int_equal(w.b.again, 0);
    world_end();
}

/* A restart: what was on its way may come twice, but nothing is lost. */
static void test_restart(void **state)
{
    (void)state;
    for (int which = 0; which < 2; which++) {
        world_start("");
        live(2000);
        struct side *side = which ? &w.a : &w.b;
        side->keeps_ledger = true;
        for (int i = 0; i < 30; i++)
            send_from(which ? &w.b : &w.a);
        side_stop(side);
        for (int i = 0; i < 30; i++)
            send_from(which ? &w.b : &w.a);
        live(3000);
        side_start(side);
        live(70000);
        expect_up();
        expect_all();
        assert_int_equal(w.a.again + w.b.again, 0); /* the end was in order */
        world_end();
    }
}

/* --- no link ---------------------------------------------------------------------------------- */

static void test_waits_and_expires(void **state)
{
    (void)state;
    world_start("[limits]\nqueue_time = 60s\n");
    w.b.is_down = w.a.is_down = true;
    taps_cut();
    live(2000);
    send_from(&w.a);
    pass(50000);
    expect_not(&w.a.router, "type='error'");
    assert_int_equal(queued(&w.a), 1);
    pass(15000);
    expect(&w.a.router, "<remote-server-timeout");
    assert_int_equal(queued(&w.a), 0);
    w.b.is_down = w.a.is_down = false;
    w.a.sent = 0;
    send_from(&w.a);
    live(70000);
    expect_up();
    expect_all();
    world_end();
}

/* Some that had been sent wait too long; the link that follows loses none of the others. known: the
 * peer has had them, and only its acknowledgements were lost. */
static void test_expires_between_links(void **state)
{
    (void)state;
    for (int known = 0; known < 2; known++) {
        world_start("[limits]\nqueue_time = 60s\nheartbeat = 1h\n");
        live(2000);
        expect_up();
        w.mute = known ? &w.b : &w.a;
        for (int i = 0; i < 3; i++)
            send_from(&w.a);
        pass(30000);
        w.a.is_down = w.b.is_down = true;
        taps_cut();
        w.mute = NULL;
        for (int i = 0; i < 3; i++)
            send_from(&w.a);
        pass(40000);
        expect(&w.a.router, "<remote-server-timeout");
        w.a.is_down = w.b.is_down = false;
        assert_int_equal(queued(&w.a), 3);
        peer_connect(peer_at(&w.a));
        pass(5000);
        expect_up();
        send_from(&w.a);
        pass(2000);
        const char *got = heard(&w.b.router);
        for (char body[] = "<body>3</body>"; body[6] < '7'; body[6]++)
            if (!strstr(got, body) || strstr(strstr(got, body) + 1, body))
                fail_msg("%d: %s not once in: %s", known, body, got);
        assert_int_equal(queued(&w.a), 0);
        world_end();
    }
}

/* Of some that the peer has had, the older ones have waited too long: the others do not come twice.
 */
static void test_expires_in_part(void **state)
{
    (void)state;
    world_start("[limits]\nqueue_time = 60s\nheartbeat = 1h\n");
    live(2000);
    w.mute = &w.b;
    send_from(&w.a);
    send_from(&w.a);
    live(30000);
    send_from(&w.a);
    send_from(&w.a);
    live(5000);
    w.a.is_down = w.b.is_down = true;
    taps_cut();
    w.mute = NULL;
    live(30000);
    assert_int_equal(queued(&w.a), 2);
    w.a.is_down = w.b.is_down = false;
    peer_connect(peer_at(&w.a));
    send_from(&w.a);
    live(3000);
    expect_up();
    expect_all();
    assert_int_equal(w.b.again, 0);
    assert_int_equal(queued(&w.a), 0);
    world_end();
}

static void test_backoff(void **state)
{
    (void)state;
    world_start("");
    w.b.is_down = w.a.is_down = true;
    taps_cut();
    live(600000);
    /* 1, 2, 4, ... 60 s */
    assert_in_range(w.b.dialled, 12, 24);
    assert_in_range(w.a.dialled, 12, 24);
    assert_true(peer_at(&w.a)->backoff_ms <= 60000);
    assert_non_null(strstr(buf_z(&peer_at(&w.a)->story), "10.0.0.2:5270"));
    w.b.is_down = w.a.is_down = false;
    live(61000);
    expect_up();
    world_end();
}

static void test_full(void **state)
{
    (void)state;
    world_start("[limits]\nqueue = 5\nqueue_bytes = 65536\nqueue_stored = 0\n");
    w.b.is_down = w.a.is_down = true;
    taps_cut();
    live(2000);
    for (int i = 0; i < 5; i++)
        send_from(&w.a);
    pass(1000);
    expect_not(&w.a.router, "type='error'");
    for (int i = 0; i < 5; i++)
        send_from(&w.a);
    expect(&w.a.router, "<resource-constraint");
    world_end();
}

/* --- the table -------------------------------------------------------------------------------- */

static void test_table(void **state)
{
    (void)state;
    world_start("");
    live(2000);
    expect_up();
    retable(&w.a, "prime.n " KEY_A " enabled\nbeta.n " KEY_B " disabled\n");
    assert_null(peer_find(w.a.net, SPAN("beta.n")));
    expect(&w.a.router, "<unbind " ROUTER);
    live(3000);
    assert_false(is_up(&w.b));
    assert_string_not_equal(buf_z(&peer_at(&w.b)->story), "");
    retable(&w.a, TABLE);
    grant(&w.a);
    send_from(&w.a);
    live(70000);
    expect_up();
    expect_all();
    world_end();
}

static void test_removed_while_waiting(void **state)
{
    (void)state;
    world_start("");
    w.b.is_down = w.a.is_down = true;
    taps_cut();
    live(2000);
    send_from(&w.a);
    retable(&w.a, "");
    pass(2000);
    expect(&w.a.router, "<remote-server-not-found");
    world_end();
}

/* The key changes while the link is there: it is another server. */
static void test_new_key(void **state)
{
    (void)state;
    world_start("");
    live(2000);
    retable(&w.a, "beta.n " KEY_C " enabled\n");
    live(20000);
    assert_false(is_up(&w.a));
    assert_false(is_up(&w.b));
    w.a.sees = KEY_C;
    send_from(&w.a);
    live(70000);
    expect_up();
    expect_all();
    world_end();
}

/* --- names ------------------------------------------------------------------------------------ */

#define ROUTE(name, state) "<route " ROUTER " name='" name "' state='" state "'/>"

static bool is_bound(struct side *side, const char *name)
{
    return map_get(&peer_at(side)->names, span_of(name)) != NULL;
}

static void test_names(void **state)
{
    (void)state;
    world_start("");
    say(&w.b.router, ROUTE("rooms.beta.n", "up") ROUTE("elsewhere.example", "up"));
    live(2000);
    expect_up();
    assert_true(is_bound(&w.a, "rooms.beta.n"));
    assert_false(is_bound(&w.a, "elsewhere.example"));
    assert_non_null(strstr(buf_z(&w.a.router.heard), "name='rooms.beta.n'"));
    say(&w.b.router, ROUTE("bot.beta.n", "up"));
    live(100);
    assert_true(is_bound(&w.a, "bot.beta.n"));
    say(&w.b.router, ROUTE("rooms.beta.n", "down"));
    live(100);
    assert_false(is_bound(&w.a, "rooms.beta.n"));
    assert_non_null(strstr(buf_z(&w.a.router.heard), "<unbind " ROUTER));

    /* Without a link they stay; what is gone by the next one goes then. */
    w.b.is_down = w.a.is_down = true;
    taps_cut();
    live(3000);
    assert_true(is_bound(&w.a, "bot.beta.n"));
    say(&w.a.router, "<message from='x@prime.n' to='bot.beta.n'><body>0</body></message>");
    assert_int_equal(queued(&w.a), 1);
    say(&w.b.router, ROUTE("bot.beta.n", "down") ROUTE("new.beta.n", "up"));
    w.b.is_down = w.a.is_down = false;
    live(20000);
    expect_up();
    assert_false(is_bound(&w.a, "bot.beta.n"));
    assert_true(is_bound(&w.a, "new.beta.n"));
    assert_int_equal(queued(&w.a), 0);
    world_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_link_comes_up_by_itself),
        cmocka_unit_test(test_messages_both_ways),
        cmocka_unit_test(test_a_message_dials_at_once),
        cmocka_unit_test(test_ways),
        cmocka_unit_test(test_both_dial),
        cmocka_unit_test(test_replaced),
        cmocka_unit_test(test_contested),
        cmocka_unit_test(test_heartbeat),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_cut_before_the_router),
        cmocka_unit_test(test_throttled),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_waits_and_expires),
        cmocka_unit_test(test_expires_between_links),
        cmocka_unit_test(test_expires_in_part),
        cmocka_unit_test(test_backoff),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_removed_while_waiting),
        cmocka_unit_test(test_new_key),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
