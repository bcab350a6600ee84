/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Queues to other servers: order, the store, and being killed.
 */
#include "outbox_kit.h"

/* --- in memory -------------------------------------------------------------------------------- */

static void test_in_order(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    size_t stanzas, bytes;
    uint64_t age;
    (void)state;
    assert_true(outbox_is_empty(o));
    assert_true(span_eq(outbox_key(o), SPAN("a b")));
    assert_ptr_equal(outbox_owner(o), w);
    put_range(o, 0, 5);
    loop_sim_advance(w->loop, 300);
    outbox_figures(o, &stanzas, &bytes, &age);
    assert_int_equal(stanzas, 5);
    assert_int_equal(bytes, 5);
    assert_int_equal(age, 300);
    take(w, o, 0, 3, false);
    assert_int_equal(outbox_unacked(o), 3);
    assert_false(outbox_acked(o, 4)); /* so many were never sent */
    assert_true(outbox_acked(o, 2));
    assert_int_equal(outbox_unacked(o), 1);
    take(w, o, 3, 5, false);
    assert_true(outbox_acked(o, 3));
    assert_true(outbox_is_empty(o));
    expect_nothing(w, o);
    assert_int_equal(w->ready, 0); /* nobody is told of what he has just put */
    world_free(w);
}

static void test_rewind(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 6);
    take(w, o, 0, 4, false);
    assert_true(outbox_acked(o, 1));
    outbox_rewind(o);
    assert_int_equal(outbox_unacked(o), 0);
    take(w, o, 1, 6, true);
    assert_true(outbox_is_empty(o));
    world_free(w);
}

static void send_next(struct outbox *o, unsigned number)
{
    assert_int_equal(number_of(outbox_next(o)), number);
    outbox_sent(o);
}

/* 2 is the one that the peer cannot bear. */
static void test_doubt(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 5);
    take(w, o, 0, 3, false);
    assert_true(outbox_acked(o, 1));
    assert_false(outbox_doubt(o));
    assert_true(outbox_is_careful(o));
    outbox_rewind(o);
    send_next(o, 1);
    assert_true(span_is_none(outbox_next(o)));
    assert_true(outbox_acked(o, 0));
    assert_true(span_is_none(outbox_next(o)));
    assert_true(outbox_acked(o, 1));
    send_next(o, 2);
    assert_true(outbox_doubt(o));
    outbox_refuse_first(o);
    assert_string_equal(buf_z(&w->expired), "2 ");
    outbox_rewind(o);
    send_next(o, 3); /* one at a time still: there may be more of them */
    assert_true(span_is_none(outbox_next(o)));
    assert_true(outbox_acked(o, 1));
    send_next(o, 4);
    assert_true(outbox_is_careful(o));
    assert_true(outbox_acked(o, 1));
    assert_false(outbox_is_careful(o));
    put_range(o, 5, 8);
    take(w, o, 5, 8, false);
    world_free(w);
}

/* A complaint with nothing under way is about nothing that could be found. */
static void test_doubt_of_nothing(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 2);
    assert_false(outbox_doubt(o));
    assert_false(outbox_is_careful(o));
    take(w, o, 0, 2, true);
    assert_false(outbox_doubt(o));
    assert_false(outbox_is_careful(o));
    put_range(o, 2, 3);
    send_next(o, 2);
    assert_false(outbox_doubt(o)); /* the only one, but the connection may have ended for others */
    assert_true(outbox_is_careful(o));
    outbox_rewind(o);
    assert_false(outbox_doubt(o));
    send_next(o, 2);
    assert_true(outbox_doubt(o));
    world_free(w);
}

/* What is acknowledged within the spill time never sees the store. */
static void test_never_stored(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    uint64_t commits = store_commits(w->store);
    for (unsigned i = 0; i < 100; i++) {
        put_range(o, i, i + 1);
        take(w, o, i, i + 1, false);
        loop_sim_advance(w->loop, 1000);
        assert_true(outbox_acked(o, 1));
    }
    loop_sim_advance(w->loop, 2 * SPILL);
    assert_int_equal(store_commits(w->store), commits);
    world_free(w);
}

/* --- the store -------------------------------------------------------------------------------- */

static void test_spills_after_time(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 10);
    take(w, o, 0, 4, false); /* sent is not yet safe */
    loop_sim_advance(w->loop, SPILL - 100);
    assert_int_equal(rows(w), 0);
    loop_sim_advance(w->loop, TICK + 100);
    assert_int_equal(rows(w), 10);
    kill_and_start(w, true);
    assert_int_equal(w->ready, 1);
    assert_true(span_eq(outbox_key(w->readied), SPAN("a b")));
    assert_null(outbox_owner(w->readied));
    o = open_key(w, "a b");
    take(w, o, 0, 10, true);
    loop_sim_advance(w->loop, 2 * TICK);
    assert_int_equal(rows(w), 0);
    kill_and_start(w, true);
    assert_int_equal(w->ready, 0);
    world_free(w);
}

/* They leave the store in the order of their acknowledgement, in few jobs. */
static void test_acked_leave_the_store(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 100);
    loop_sim_advance(w->loop, SPILL + TICK);
    take(w, o, 0, 60, false);
    assert_true(outbox_acked(o, 40));
    uint64_t commits = store_commits(w->store);
    loop_sim_advance(w->loop, 2 * TICK);
    assert_int_equal(store_commits(w->store), commits + 1);
    assert_int_equal(rows(w), 60);
    kill_and_start(w, true);
    o = open_key(w, "a b");
    take(w, o, 40, 100, true);
    world_free(w);
}

static void test_beyond_memory(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    size_t stanzas, bytes;
    uint64_t age;
    (void)state;
    put_range(o, 0, 5000);
    outbox_figures(o, &stanzas, &bytes, &age);
    assert_int_equal(stanzas, 5000);
    loop_sim_advance(w->loop, 2 * TICK);
    outbox_figures(o, &stanzas, &bytes, &age);
    assert_int_equal(stanzas, 5000);
    assert_int_equal(rows(w), 5000); /* full: nobody waits for the time to pass */
    take(w, o, 0, 1500, true);
    put_range(o, 5000, 5500); /* behind what is in the store */
    take(w, o, 1500, 5500, true);
    assert_true(outbox_is_empty(o));
    loop_sim_advance(w->loop, 2 * TICK);
    assert_int_equal(rows(w), 0);
    /* As before all that. */
    put_range(o, 5500, 5600);
    take(w, o, 5500, 5600, true);
    world_free(w);
}

/* The peer takes what it gets and acknowledges late. */
static void test_beyond_memory_unacked(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 3000);
    take(w, o, 0, 1000, false);
    expect_nothing(w, o); /* memory is full of what has been sent */
    assert_true(outbox_acked(o, 1000));
    take(w, o, 1000, 1500, false);
    outbox_rewind(o);
    take(w, o, 1000, 3000, true);
    assert_true(outbox_is_empty(o));
    world_free(w);
}

/* What is just being written to the store is older than what has come since. */
static void test_while_writing(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 1000);
    loop_sim_advance(w->loop, SPILL + TICK);
    put_range(o, 1000, 1300);
    take(w, o, 0, 1000, true);
    take(w, o, 1000, 1300, true);
    assert_true(outbox_is_empty(o));
    world_free(w);
}

static void test_killed_in_the_middle(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 4000);
    loop_sim_advance(w->loop, SPILL + TICK);
    take(w, o, 0, 2500, true);
    loop_sim_advance(w->loop, 2 * TICK);
    kill_and_start(w, true);
    o = open_key(w, "a b");
    put_range(o, 4000, 4100);
    take(w, o, 2500, 4100, true);
    world_free(w);
}

/* Before the store has been looked at, nothing is given: older ones may be in it. */
static void test_put_while_loading(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 10);
    loop_sim_advance(w->loop, SPILL + TICK);
    kill_and_start(w, false);
    o = open_key(w, "a b");
    struct outbox *other = open_key(w, "a c");
    put_range(o, 10, 20);
    put_range(other, 100, 105);
    assert_true(span_is_none(outbox_next(o)));
    assert_true(span_is_none(outbox_next(other)));
    loop_sim_settle(w->loop);
    assert_int_equal(w->ready, 2);
    take(w, o, 0, 20, false);
    take(w, other, 100, 105, true);
    outbox_rewind(o);
    loop_sim_advance(w->loop, SPILL + TICK); /* the numbers of the new ones fit behind the old */
    assert_int_equal(rows(w), 20);
    kill_and_start(w, true);
    take(w, open_key(w, "a b"), 0, 20, true);
    world_free(w);
}

/* More of them than fit the first part of memory. */
static void test_put_much_while_loading(void **state)
{
    struct world *w = world_new();
    (void)state;
    put_range(open_key(w, "a b"), 0, 10);
    loop_sim_advance(w->loop, SPILL + TICK);
    kill_and_start(w, false);
    struct outbox *o = open_key(w, "a b");
    put_range(o, 10, 2500);
    take(w, o, 0, 2500, true);
    assert_true(outbox_is_empty(o));
    world_free(w);
}

/* --- a store that fails for a while ----------------------------------------------------------- */

/* Reading any row fails, and so does deleting. */
static void break_reads(struct world *w)
{
    sql(w, STORE_WRITE, "ALTER TABLE outbox RENAME TO aside");
    sql(w, STORE_WRITE,
        "CREATE VIEW outbox AS SELECT key, abs(-9223372036854775807 - 1) AS seq, at, stanza"
        " FROM aside");
    sql(w, STORE_WRITE,
        "CREATE TRIGGER into_view INSTEAD OF INSERT ON outbox BEGIN"
        " INSERT INTO aside (key, seq, at, stanza) VALUES (new.key, new.seq, new.at, new.stanza);"
        " END");
    sql(w, STORE_WRITE,
        "CREATE TRIGGER from_view INSTEAD OF DELETE ON outbox BEGIN"
        " DELETE FROM aside WHERE key = old.key AND seq = old.seq; END");
}

static void mend_reads(struct world *w)
{
    sql(w, STORE_WRITE, "DROP VIEW outbox");
    sql(w, STORE_WRITE, "ALTER TABLE aside RENAME TO outbox");
}

static void test_load_fails(void **state)
{
    struct world *w = world_new();
    (void)state;
    put_range(open_key(w, "a b"), 0, 10);
    loop_sim_advance(w->loop, SPILL + TICK);
    break_reads(w);
    kill_and_start(w, true);
    struct outbox *o = open_key(w, "a b");
    put_range(o, 10, 12);
    loop_sim_advance(w->loop, 10 * TICK);
    assert_true(span_is_none(outbox_next(o)));
    mend_reads(w);
    loop_sim_advance(w->loop, 2 * TICK);
    take(w, o, 0, 12, true);
    world_free(w);
}

/* ... and a stop is not held up. */
static void on_flushed(void *ctx);
static void test_load_fails_until_the_end(void **state)
{
    struct world *w = world_new();
    (void)state;
    put_range(open_key(w, "a b"), 0, 10);
    loop_sim_advance(w->loop, SPILL + TICK);
    break_reads(w);
    kill_and_start(w, true);
    outboxes_flush(w->all, on_flushed, w);
    loop_sim_advance(w->loop, TICK);
    assert_int_equal(w->flushed, 1);
    mend_reads(w);
    world_free(w);
}

static void test_read_fails(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 10);
    loop_sim_advance(w->loop, SPILL + TICK);
    kill_and_start(w, false);
    loop_sim_settle(w->loop);
    kill_and_start(w, true);
    o = open_key(w, "a b");
    take(w, o, 0, 10, false);
    outbox_rewind(o);
    put_range(o, 10, 3000);
    loop_sim_advance(w->loop, 4 * TICK);
    break_reads(w);
    take(w, o, 0, 1000, true);
    assert_true(span_is_none(outbox_next(o)));
    loop_sim_advance(w->loop, 10 * TICK);
    assert_true(span_is_none(outbox_next(o)));
    mend_reads(w);
    loop_sim_advance(w->loop, 2 * TICK);
    take(w, o, 1000, 3000, true);
    world_free(w);
}

static void test_delete_fails(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 10);
    loop_sim_advance(w->loop, SPILL + TICK);
    sql(w, STORE_WRITE,
        "CREATE TRIGGER stay BEFORE DELETE ON outbox BEGIN SELECT RAISE(ABORT, 'no'); END");
    take(w, o, 0, 10, true);
    outbox_close(&o);
    loop_sim_advance(w->loop, 10 * TICK);
    assert_int_equal(rows(w), 10);
    sql(w, STORE_WRITE, "DROP TRIGGER stay");
    loop_sim_advance(w->loop, 2 * TICK);
    assert_int_equal(rows(w), 0);
    world_free(w);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void on_flushed(void *ctx)
{
    struct world *w = ctx;
    w->flushed++;
}

static void test_flush(void **state)
{
    struct world *w = world_new();
    struct outbox *a = open_key(w, "a b"), *b = open_key(w, "a c");
    (void)state;
    put_range(a, 0, 2500);
    put_range(b, 0, 3);
    take(w, b, 0, 1, false);
    outboxes_flush(w->all, on_flushed, w);
    assert_int_equal(w->flushed, 0);
    loop_sim_settle(w->loop);
    assert_int_equal(w->flushed, 1);
    kill_and_start(w, true);
    assert_int_equal(w->ready, 2);
    take(w, open_key(w, "a b"), 0, 2500, true);
    take(w, open_key(w, "a c"), 0, 3, true);
    world_free(w);
}

static void test_flush_of_nothing(void **state)
{
    struct world *w = world_new();
    (void)state;
    outboxes_flush(w->all, on_flushed, w);
    loop_sim_settle(w->loop);
    assert_int_equal(w->flushed, 1);
    kill_and_start(w, false); /* while the store is being looked at, too */
    put_range(open_key(w, "a b"), 0, 3);
    outboxes_flush(w->all, on_flushed, w);
    loop_sim_settle(w->loop);
    assert_int_equal(w->flushed, 2);
    assert_int_equal(rows(w), 3);
    world_free(w);
}

/* --- owners ----------------------------------------------------------------------------------- */

static void test_without_owner(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 3);
    outbox_close(&o);
    assert_null(o);
    loop_sim_advance(w->loop, 2 * TICK);
    o = open_key(w, "a b");
    take(w, o, 0, 3, true);
    outbox_close(&o);
    loop_sim_advance(w->loop, 2 * TICK); /* gone: a leak otherwise */
    o = open_key(w, "a b");
    assert_true(outbox_is_empty(o));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_rewind),
        cmocka_unit_test(test_doubt),
        cmocka_unit_test(test_doubt_of_nothing),
        cmocka_unit_test(test_never_stored),
        cmocka_unit_test(test_spills_after_time),
        cmocka_unit_test(test_acked_leave_the_store),
        cmocka_unit_test(test_beyond_memory),
        cmocka_unit_test(test_beyond_memory_unacked),
        cmocka_unit_test(test_while_writing),
        cmocka_unit_test(test_killed_in_the_middle),
        cmocka_unit_test(test_put_while_loading),
        cmocka_unit_test(test_put_much_while_loading),
        cmocka_unit_test(test_load_fails),
        cmocka_unit_test(test_load_fails_until_the_end),
        cmocka_unit_test(test_read_fails),
        cmocka_unit_test(test_delete_fails),
        cmocka_unit_test(test_flush),
        cmocka_unit_test(test_flush_of_nothing),
        cmocka_unit_test(test_without_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
