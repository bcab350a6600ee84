/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_loop - timers, deferred calls, work, wakeups and signals, on both makes of loop.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

/* Everything that happens appends its letter here. */
static struct buf seen;

static const char *take_seen(void)
{
    static char text[256];

    snprintf(text, sizeof(text), "%.*s", SPAN_ARG(buf_span(&seen)));
    buf_clear(&seen);
    return text;
}

/* A thing that says its letter when called, then does one more thing. */
struct item {
    char letter;
    struct timer timer;
    struct deferred deferred;
    struct loop *loop;
    void (*then)(struct item *self);
    struct item *other;
    uint64_t at;
    int left;
};

static void item_call(void *ctx)
{
    struct item *it = ctx;

    buf_append_char(&seen, it->letter);
    it->at = loop_now(it->loop);
    if (it->then)
        it->then(it);
}

static void item_start(struct item *it, struct loop *loop, uint64_t ms)
{
    it->loop = loop;
    timer_start(&it->timer, loop, ms, item_call, it);
}

static void item_defer(struct item *it, struct loop *loop)
{
    it->loop = loop;
    it->deferred.call = item_call;
    it->deferred.ctx = it;
    loop_defer(loop, &it->deferred);
}

static void then_stop_other(struct item *self)
{
    timer_stop(&self->other->timer);
    loop_defer_cancel(&self->other->deferred);
}

static void then_restart(struct item *self)
{
    if (--self->left > 0)
        item_start(self, self->loop, 10);
}

static void then_restart_now(struct item *self)
{
    if (--self->left > 0)
        item_start(self, self->loop, 0);
}

static void then_restart_for_ever(struct item *self)
{
    item_start(self, self->loop, 0);
}

static void then_defer_other(struct item *self)
{
    item_defer(self->other, self->loop);
}

static void then_defer_self(struct item *self)
{
    item_defer(self, self->loop);
}

static void then_stop_loop(struct item *self)
{
    loop_stop(self->loop);
}

/* --- timers, virtual time --- */

static void test_timer_order(void **state)
{
    struct loop *loop = loop_new_sim();
    struct item a = {.letter = 'a'}, b = {.letter = 'b'}, c = {.letter = 'c'}, d = {.letter = 'd'};

    (void)state;
    assert_int_equal(loop_now(loop), 1000000);
    item_start(&c, loop, 30);
    item_start(&a, loop, 10);
    item_start(&b, loop, 20);
    item_start(&d, loop, 30); /* as due as c, but started later */
    assert_true(timer_is_running(&d.timer));
    loop_sim_advance(loop, 9);
    assert_string_equal(take_seen(), "");
    loop_sim_advance(loop, 1);
    assert_string_equal(take_seen(), "a");
    assert_false(timer_is_running(&a.timer));
    loop_sim_advance(loop, 1000);
    assert_string_equal(take_seen(), "bcd");
    assert_int_equal(b.at, 1000020);
    assert_int_equal(d.at, 1000030);
    assert_int_equal(loop_now(loop), 1001010);
    assert_true(loop_wall(loop) == 1767225600000 + 1010);
    assert_int_equal(loop_now_us(loop), 1001010000);
    loop_free(&loop);
    assert_null(loop);
}

static void test_timer_move(void **state)
{
    struct loop *loop = loop_new_sim();
    struct item a = {.letter = 'a'}, b = {.letter = 'b'};

    (void)state;
    item_start(&a, loop, 10);
    item_start(&b, loop, 20);
    item_start(&a, loop, 30); /* later */
    loop_sim_advance(loop, 29);
    assert_string_equal(take_seen(), "b");
    item_start(&a, loop, 100);
    item_start(&a, loop, 5); /* later, then earlier again */
    loop_sim_advance(loop, 5);
    assert_string_equal(take_seen(), "a");
    item_start(&a, loop, 50);
    item_start(&b, loop, 60);
    item_start(&b, loop, 40);
    timer_stop(&a.timer);
    timer_stop(&a.timer);
    loop_sim_advance(loop, 1000);
    assert_string_equal(take_seen(), "b");
    assert_int_equal(b.at, 1000074);
    item_start(&a, loop, UINT64_MAX);
    loop_sim_advance(loop, 1000);
    assert_string_equal(take_seen(), "");
    loop_free(&loop);
    assert_false(timer_is_running(&a.timer)); /* the end stops them */
    timer_stop(&a.timer);
}

static void test_timer_in_callback(void **state)
{
    struct loop *loop = loop_new_sim();
    struct item b = {.letter = 'b'}, c = {.letter = 'c', .then = then_restart, .left = 3};
    struct item a = {.letter = 'a', .then = then_stop_other, .other = &b};
    struct item d = {.letter = 'd', .then = then_restart_now, .left = 3};

    (void)state;
    item_start(&a, loop, 10);
    item_start(&b, loop, 10); /* stopped by a, in the same tick */
    item_start(&c, loop, 10);
    loop_sim_advance(loop, 100);
    assert_string_equal(take_seen(), "accc");
    assert_int_equal(c.at, 1000030);
    item_start(&d, loop, 0);
    loop_sim_settle(loop);
    assert_string_equal(take_seen(), "ddd");
    loop_free(&loop);
}

/* Many timers moved at random fire when, and in the order that, a plain array says. */
static void test_timer_model(void **state)
{
    enum { COUNT = 200 };
    static struct item items[COUNT];
    uint64_t due[COUNT] = {0}; /* 0: stopped */
    uint32_t random = 12345;
    struct loop *loop = loop_new_sim();

    (void)state;
    memset(items, 0, sizeof(items));
    for (int step = 0; step < 20000; step++) {
        random = random * 1664525 + 1013904223;
        size_t i = (random >> 8) % COUNT;
        uint64_t ms = (random >> 16) % 500 + 1;
        if (random >> 30 == 0) {
            timer_stop(&items[i].timer);
            due[i] = 0;
        } else {
            item_start(&items[i], loop, ms);
            due[i] = loop_now(loop) + ms;
        }
        if (step % 3)
            continue;
        loop_sim_advance(loop, 5);
        for (size_t k = 0; k < COUNT; k++) {
            bool is_due = due[k] != 0 && due[k] <= loop_now(loop);
            if (is_due) {
                assert_int_equal(items[k].at, due[k]);
                due[k] = 0;
            }
            assert_int_equal(timer_is_running(&items[k].timer), due[k] != 0);
        }
    }
    buf_clear(&seen);
    loop_free(&loop);
}

static void test_sim_run(void **state)
{
    struct loop *loop = loop_new_sim();
    struct item a = {.letter = 'a'}, b = {.letter = 'b', .then = then_stop_loop},
                c = {.letter = 'c'};

    (void)state;
    item_start(&a, loop, 3600 * 1000);
    loop_run(loop); /* until nothing is left */
    assert_string_equal(take_seen(), "a");
    assert_int_equal(loop_now(loop), 1000000 + 3600 * 1000);
    item_start(&b, loop, 10);
    item_start(&c, loop, 20);
    loop_run(loop);
    assert_string_equal(take_seen(), "b");
    loop_run(loop);
    assert_string_equal(take_seen(), "c");
    loop_free(&loop);
}

/* --- deferred calls --- */

static void check_deferred(struct loop *loop)
{
    struct item d = {.letter = 'd'};
    struct item c = {.letter = 'c', .then = then_stop_other, .other = &d};
    struct item b = {.letter = 'b'};
    struct item a = {.letter = 'a', .then = then_defer_other, .other = &b};
    struct item e = {.letter = 'e'};
    struct item stop = {.letter = '.', .then = then_stop_loop};

    loop_defer_cancel(&e.deferred); /* never queued */
    item_defer(&a, loop);
    item_defer(&c, loop);
    item_defer(&d, loop); /* taken out by c, while its round runs */
    item_defer(&a, loop); /* queued already */
    item_defer(&e, loop);
    loop_defer_cancel(&e.deferred);
    item_start(&stop, loop, 1);
    loop_run(loop);
    assert_string_equal(take_seen(), "acb.");
    item_defer(&d, loop);
    item_start(&stop, loop, 1);
    loop_run(loop);
    assert_string_equal(take_seen(), "d.");
}

static void test_deferred(void **state)
{
    struct loop *sim = loop_new_sim(), *uv = loop_new();

    (void)state;
    assert_true(loop_is_sim(sim));
    assert_null(loop_uv(sim));
    assert_false(loop_is_sim(uv));
    assert_non_null(loop_uv(uv));
    check_deferred(sim);
    check_deferred(uv);
    loop_free(&sim);
    loop_free(&uv);
}

/* The tick in which the loop is stopped is finished; stopped before, it does not run at all. */
static void test_stop(void **state)
{
    struct loop *loop = loop_new();
    struct item d = {.letter = 'd'};
    struct item a = {.letter = 'a', .then = then_defer_other, .other = &d};
    struct item stop = {.letter = '.', .then = then_stop_loop};

    (void)state;
    item_start(&stop, loop, 0);
    item_start(&a, loop, 0);
    loop_run(loop);
    assert_string_equal(take_seen(), ".ad");
    loop_stop(loop);
    item_start(&a, loop, 0);
    loop_run(loop);
    assert_string_equal(take_seen(), "");
    item_start(&stop, loop, 1);
    loop_run(loop);
    assert_string_equal(take_seen(), "ad.");
    loop_free(&loop);
}

/* A call that defers itself for ever takes turns with the rest of the loop. */
static void test_deferred_endless(void **state)
{
    struct loop *loop = loop_new();
    struct item a = {.letter = 'a', .then = then_defer_self};
    struct item stop = {.letter = '.', .then = then_stop_loop};

    (void)state;
    item_defer(&a, loop);
    item_start(&stop, loop, 2);
    loop_run(loop);
    struct span all = buf_span(&seen);
    assert_true(span_index(all, '.') > 64 && span_index(all, '.') < all.n);
    loop_defer_cancel(&a.deferred);
    buf_free(&seen);
    loop_free(&loop);
}

/* So does a timer that starts itself anew without a delay. */
static void test_timer_endless(void **state)
{
    struct loop *loop = loop_new();
    struct item b = {.letter = 'b'};
    struct item a = {.letter = 'a', .then = then_restart_for_ever};
    struct item stop = {.letter = '.', .then = then_stop_loop};

    (void)state;
    item_start(&a, loop, 0);
    item_defer(&b, loop);
    item_start(&stop, loop, 2);
    loop_run(loop);
    struct span all = buf_span(&seen);
    assert_true(span_index(all, 'b') < 3);
    assert_true(span_index(all, '.') < all.n);
    buf_free(&seen);
    loop_free(&loop);
}

static void test_uv_timers(void **state)
{
    struct loop *loop = loop_new();
    struct item a = {.letter = 'a'}, b = {.letter = 'b'}, c = {.letter = 'c'};
    struct item stop = {.letter = '.', .then = then_stop_loop};
    uint64_t begin_us = loop_now_us(loop), begin = loop_now(loop);

    (void)state;
    item_start(&stop, loop, 12);
    item_start(&c, loop, 9);
    item_start(&a, loop, 3);
    item_start(&b, loop, 1);
    item_start(&b, loop, 6);
    loop_run(loop);
    assert_string_equal(take_seen(), "abc.");
    assert_true(a.at >= begin + 3 && b.at >= begin + 6 && c.at >= begin + 9);
    assert_true(loop_now_us(loop) - begin_us >= 11000);
    assert_true(loop_wall(loop) > 1700000000000);
    loop_free(&loop);
}

/* --- work, wakeups, signals --- */

struct job {
    struct loop *loop;
    pthread_t worker;
    int worked, done;
};

static void job_work(void *arg)
{
    struct job *job = arg;

    job->worker = pthread_self();
    job->worked++;
}

static void job_done(void *arg)
{
    struct job *job = arg;

    assert_int_equal(job->worked, 1);
    job->done++;
    if (loop_work_pending(job->loop) == 0)
        loop_stop(job->loop);
}

static void test_work(void **state)
{
    struct loop *loops[] = {loop_new_sim(), loop_new()};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct job jobs[10] = {0};
        for (int k = 0; k < 10; k++) {
            jobs[k].loop = loops[i];
            loop_work(loops[i], job_work, job_done, &jobs[k]);
        }
        assert_int_equal(loop_work_pending(loops[i]), 10);
        assert_int_equal(jobs[0].done, 0);
        loop_run(loops[i]);
        for (int k = 0; k < 10; k++) {
            assert_int_equal(jobs[k].done, 1);
            assert_int_equal(!pthread_equal(jobs[k].worker, pthread_self()), i);
        }
        assert_int_equal(loop_work_pending(loops[i]), 0);
        loop_free(&loops[i]);
    }
}

struct bell {
    struct loop *loop;
    struct loop_wakeup *wakeup;
    int rung;
};

static void on_bell(void *ctx)
{
    struct bell *bell = ctx;

    bell->rung++;
    loop_stop(bell->loop);
}

static void *ring(void *ctx)
{
    loop_wakeup_send(ctx);
    return NULL;
}

static void test_wakeup(void **state)
{
    struct bell bell = {.loop = loop_new()};
    pthread_t thread;

    (void)state;
    bell.wakeup = loop_wakeup_new(bell.loop, on_bell, &bell);
    assert_int_equal(pthread_create(&thread, NULL, ring, bell.wakeup), 0);
    loop_run(bell.loop);
    pthread_join(thread, NULL);
    assert_int_equal(bell.rung, 1);
    loop_wakeup_free(&bell.wakeup);
    assert_null(bell.wakeup);
    loop_wakeup_free(&bell.wakeup);
    bell.wakeup = loop_wakeup_new(bell.loop, on_bell, &bell); /* left to loop_free */
    loop_free(&bell.loop);

    bell = (struct bell){.loop = loop_new_sim()};
    bell.wakeup = loop_wakeup_new(bell.loop, on_bell, &bell);
    loop_wakeup_send(bell.wakeup);
    loop_wakeup_send(bell.wakeup);
    assert_int_equal(bell.rung, 0);
    loop_sim_settle(bell.loop);
    assert_int_equal(bell.rung, 1);
    loop_wakeup_send(bell.wakeup);
    loop_wakeup_free(&bell.wakeup);
    loop_sim_settle(bell.loop);
    assert_int_equal(bell.rung, 1);
    loop_free(&bell.loop);
}

static void on_usr1(void *ctx, int signum)
{
    struct loop *loop = ctx;

    buf_append_char(&seen, signum == SIGUSR1 ? 'u' : '?');
    loop_stop(loop);
}

static void test_signal(void **state)
{
    struct loop *loop = loop_new();

    (void)state;
    loop_on_signal(loop, SIGUSR1, on_usr1, loop);
    raise(SIGUSR1);
    loop_run(loop);
    assert_string_equal(take_seen(), "u");
    loop_free(&loop);
}

/* What is under way when the loop is freed comes to its end. */
static void test_free_finishes(void **state)
{
    struct loop *loops[] = {loop_new_sim(), loop_new()};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct item b = {.letter = 'b'};
        struct item a = {.letter = 'a', .then = then_defer_other, .other = &b};
        struct item t = {.letter = 't'};
        struct job job = {.loop = loops[i]};

        item_defer(&a, loops[i]);
        item_start(&t, loops[i], 0);
        loop_work(loops[i], job_work, job_done, &job);
        loop_free(&loops[i]);
        assert_string_equal(take_seen(), "ab");
        assert_int_equal(job.done, 1);
        assert_false(timer_is_running(&t.timer));
    }
    loop_free(&loops[0]);
}

static int free_seen(void **state)
{
    (void)state;
    buf_free(&seen);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timer_order),
        cmocka_unit_test(test_timer_move),
        cmocka_unit_test(test_timer_in_callback),
        cmocka_unit_test(test_timer_model),
        cmocka_unit_test(test_sim_run),
        cmocka_unit_test(test_deferred),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_deferred_endless),
        cmocka_unit_test(test_timer_endless),
        cmocka_unit_test(test_uv_timers),
        cmocka_unit_test(test_work),
        cmocka_unit_test(test_wakeup),
        cmocka_unit_test(test_signal),
        cmocka_unit_test(test_free_finishes),
    };
    return cmocka_run_group_tests(tests, NULL, free_seen);
}
