/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Queues to other servers: what time and size do to them, and whole lives drawn from a seed.
 */
#include "outbox_kit.h"

/* --- time to live ----------------------------------------------------------------------------- */

static void expect_expired(struct world *w, unsigned from, unsigned to)
{
    struct buf want = {0};
    for (unsigned i = from; i < to; i++)
        buf_printf(&want, "%u ", i);
    assert_int_equal(w->expired_count, to - from);
    assert_true(span_eq(buf_span(&w->expired), buf_span(&want)));
    buf_free(&want);
    buf_clear(&w->expired);
    w->expired_count = 0;
}

static void test_expires(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 10);
    loop_sim_advance(w->loop, HOUR / 2);
    put_range(o, 10, 20);
    loop_sim_advance(w->loop, HOUR / 2 - TICK);
    assert_int_equal(w->expired_count, 0);
    loop_sim_advance(w->loop, 3 * TICK);
    expect_expired(w, 0, 10);
    assert_int_equal(rows(w), 10);
    take(w, o, 10, 20, true);
    loop_sim_advance(w->loop, HOUR);
    assert_int_equal(w->expired_count, 0);
    world_free(w);
}

/* Also those that are in the store only, and those of an earlier life of the process. */
static void test_expires_in_the_store(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 3000);
    loop_sim_advance(w->loop, HOUR / 2);
    kill_and_start(w, true);
    loop_sim_advance(w->loop, HOUR / 2 - TICK);
    assert_int_equal(w->expired_count, 0);
    loop_sim_advance(w->loop, 20 * TICK);
    expect_expired(w, 0, 3000);
    assert_int_equal(rows(w), 0);
    world_free(w);
}

/* What is on its way is not given back: the answer to it may be, too. */
static void test_sent_does_not_expire(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 3);
    take(w, o, 0, 2, false);
    loop_sim_advance(w->loop, HOUR + 2 * TICK);
    assert_int_equal(w->expired_count, 0);
    outbox_rewind(o);
    loop_sim_advance(w->loop, 2 * TICK);
    expect_expired(w, 0, 3);
    world_free(w);
}

static void test_give_up(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 2600);
    loop_sim_advance(w->loop, 2 * TICK);
    take(w, o, 0, 5, false);
    outbox_give_up(o);
    put_range(o, 2600, 2610); /* they came after it */
    assert_int_equal(w->expired_count, 0);
    loop_sim_advance(w->loop, 20 * TICK);
    expect_expired(w, 0, 2600);
    take(w, o, 2600, 2610, true);
    world_free(w);
}

static void test_give_up_while_loading(void **state)
{
    struct world *w = world_new();
    (void)state;
    put_range(open_key(w, "a b"), 0, 5);
    loop_sim_advance(w->loop, SPILL + TICK);
    kill_and_start(w, false);
    struct outbox *o = open_key(w, "a b");
    put_range(o, 5, 8);
    outbox_give_up(o);
    loop_sim_advance(w->loop, 4 * TICK);
    expect_expired(w, 0, 8);
    world_free(w);
}

/* --- bounds ----------------------------------------------------------------------------------- */

static void test_full(void **state)
{
    struct world *w = world_new();
    (void)state;
    w->opts.max_stanzas = 10;
    w->opts.max_stored = 1000;
    outboxes_set_limits(w->all, &w->opts);
    struct outbox *o = open_key(w, "a b");
    char text[100];
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 20; i++)
        assert_true(outbox_put(o, span_make(text, sizeof text)));
    loop_sim_advance(w->loop, 4 * TICK);
    assert_false(outbox_put(o, span_make(text, sizeof text)));
    for (int i = 0; i < 5; i++) { /* room comes back */
        assert_false(span_is_none(outbox_next(o)));
        outbox_sent(o);
    }
    assert_true(outbox_acked(o, 5));
    outbox_next(o);
    loop_sim_advance(w->loop, 2 * TICK);
    while (!span_is_none(outbox_next(o)))
        outbox_sent(o);
    outbox_acked(o, outbox_unacked(o));
    outbox_next(o);
    loop_sim_advance(w->loop, 2 * TICK);
    assert_true(outbox_put(o, span_make(text, sizeof text)));
    world_free(w);
}

static void test_memory_of_all(void **state)
{
    enum { MANY = 1000, EACH = 20 };
    struct world *w = world_new();
    char key[24];
    (void)state;
    w->opts.max_all_bytes = MANY * EACH / 2; /* of one to four bytes each */
    outboxes_set_limits(w->all, &w->opts);
    for (unsigned round = 0; round < EACH; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            snprintf(key, sizeof key, "a b%u", i);
            assert_true(put(open_key(w, key), i * EACH + round));
        }
        loop_sim_advance(w->loop, TICK);
    }
    kill_and_start(w, true);
    assert_int_equal(w->ready, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "a b%u", i);
        take(w, open_key(w, key), i * EACH, i * EACH + EACH - 1, true);
    }
    world_free(w);
}

/* Memory runs short while the queue is being sent: order stays. */
static void test_evicted(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    put_range(o, 0, 900);
    take(w, o, 0, 100, false);
    w->opts.max_all_bytes = 2000;
    outboxes_set_limits(w->all, &w->opts);
    loop_sim_advance(w->loop, 5 * TICK);
    assert_int_equal(rows(w), 900);
    assert_true(outbox_acked(o, 50));
    outbox_rewind(o);
    put_range(o, 900, 910);
    take(w, o, 50, 910, true);
    assert_true(outbox_is_empty(o));
    world_free(w);
}

static void test_too_much_for_all(void **state)
{
    struct world *w = world_new();
    struct outbox *o = open_key(w, "a b");
    (void)state;
    sql(w, STORE_WRITE,
        "CREATE TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'full'); END");
    w->opts.max_stanzas = 10;
    w->opts.max_bytes = 100;
    outboxes_set_limits(w->all, &w->opts);
    unsigned taken = 0;
    while (put(o, taken)) {
        taken++;
        assert_true(taken < 1000);
        loop_sim_advance(w->loop, 100); /* the store takes nothing: memory has an end */
    }
    sql(w, STORE_WRITE, "DROP TRIGGER full");
    loop_sim_advance(w->loop, 4000); /* it heals */
    assert_int_equal(rows(w), taken);
    take(w, o, 0, taken, true);
    world_free(w);
}

/* --- all of it -------------------------------------------------------------------------------- */

static uint32_t lot(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)(*seed >> 8) * below) >> 24);
}

struct model {
    unsigned accepted, acked, next; /* numbers: [acked, accepted) are in it; next is sent next */
    uint64_t at[20000];
};

static void random_send(struct outbox *o, struct model *m, unsigned count)
{
    for (struct span s; count-- > 0 && !span_is_none(s = outbox_next(o));) {
        assert_int_equal(number_of(s), m->next);
        m->next++;
        outbox_sent(o);
    }
}

/* What was old enough is there; what is there is in order, without a gap but at the end. */
static void random_kill(struct world *w, struct model *m, struct outbox **o)
{
    uint64_t now = loop_now(w->loop);
    kill_and_start(w, true);
    *o = open_key(w, "a b");
    struct span s = outbox_next(*o);
    if (span_is_none(s)) {
        for (unsigned i = m->acked; i < m->accepted; i++)
            assert_true(now - m->at[i] <= SPILL + TICK);
        m->acked = m->next = m->accepted;
        return;
    }
    unsigned first = number_of(s), last;
    assert_true(first <= m->acked); /* what was acknowledged just now may come again */
    size_t stanzas, bytes;
    uint64_t age;
    outbox_figures(*o, &stanzas, &bytes, &age);
    last = first + (unsigned)stanzas;
    assert_true(last <= m->accepted);
    for (unsigned i = last; i < m->accepted; i++)
        assert_true(now - m->at[i] <= SPILL + TICK);
    m->acked = m->next = first;
    m->accepted = last;
}

static void random_life(uint32_t seed)
{
    struct world *w = world_new();
    struct model *m = mem_zalloc(sizeof *m);
    w->opts.max_stanzas = 1 + lot(&seed, 40);
    w->opts.max_bytes = 20 + lot(&seed, 200);
    w->opts.max_all_bytes = 100 + lot(&seed, 1000);
    outboxes_set_limits(w->all, &w->opts);
    struct outbox *o = open_key(w, "a b");
    for (int step = 0; step < 600; step++) {
        switch (lot(&seed, 9)) {
        case 0:
        case 1:
        case 2:
            for (unsigned n = lot(&seed, 60); n > 0 && put(o, m->accepted); n--)
                m->at[m->accepted++] = loop_now(w->loop);
            break;
        case 3:
        case 4:
            random_send(o, m, lot(&seed, 80));
            break;
        case 5: {
            unsigned n = lot(&seed, outbox_unacked(o) + 1);
            assert_true(outbox_acked(o, n));
            m->acked += n;
            break;
        }
        case 6:
            outbox_rewind(o);
            m->next = m->acked;
            break;
        case 7:
            loop_sim_advance(w->loop, lot(&seed, 2000));
            break;
        default:
            if (lot(&seed, 6) == 0)
                random_kill(w, m, &o);
            else
                loop_sim_settle(w->loop);
        }
    }
    outbox_rewind(o);
    take(w, o, m->acked, m->accepted, true);
    assert_true(outbox_is_empty(o));
    loop_sim_advance(w->loop, 2 * TICK);
    assert_int_equal(rows(w), 0);
    free(m);
    world_free(w);
}

static void test_random_lives(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 60; seed++)
        random_life(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expires),
        cmocka_unit_test(test_expires_in_the_store),
        cmocka_unit_test(test_sent_does_not_expire),
        cmocka_unit_test(test_give_up),
        cmocka_unit_test(test_give_up_while_loading),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_memory_of_all),
        cmocka_unit_test(test_evicted),
        cmocka_unit_test(test_too_much_for_all),
        cmocka_unit_test(test_random_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
