/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tests of base/rate.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rate.h"

static void test_burst_then_rate(void **state)
{
    struct rate r;
    uint64_t now = 5000, taken = 0;

    (void)state;
    rate_init(&r, 10, 3, now);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rate_take(&r, 1, now), 0);
    assert_int_equal(rate_take(&r, 1, now), 100);
    assert_int_equal(rate_take(&r, 1, now + 60), 40);
    for (; now < 15000; now++)
        taken += rate_take(&r, 1, now) == 0;
    assert_in_range(taken, 99, 100);
}

/* A large take is let through once; then its whole size has to be waited for. */
static void test_debt(void **state)
{
    struct rate r;

    (void)state;
    rate_init(&r, 1000, 1000, 0);
    assert_int_equal(rate_take(&r, 5000, 0), 0);
    uint64_t wait = rate_take(&r, 1, 0);
    assert_int_equal(wait, 4001);
    assert_true(rate_take(&r, 1, wait - 1) > 0);
    assert_int_equal(rate_take(&r, 1, wait), 0);
}

static void test_waiting_as_told_suffices(void **state)
{
    struct rate r;
    uint64_t now = 0;

    (void)state;
    for (uint64_t per_second = 1; per_second < 5000; per_second = per_second * 3 + 1) {
        rate_init(&r, per_second, 2, now);
        for (uint64_t i = 0; i < 50; i++) {
            uint64_t wait = rate_take(&r, i % 7 + 1, now);
            now += wait;
            if (wait)
                assert_int_equal(rate_take(&r, i % 7 + 1, now), 0);
        }
    }
}

/* What has happened already is charged whether or not there is room for it. */
static void test_charge(void **state)
{
    struct rate r;

    (void)state;
    rate_init(&r, 1000, 500, 0);
    assert_int_equal(rate_charge(&r, 500, 0), 0);
    assert_int_equal(rate_charge(&r, 100, 0), 100);
    assert_int_equal(rate_charge(&r, 50, 40), 110);
    assert_int_equal(rate_charge(&r, 0, 100), 50);
    assert_true(rate_take(&r, 1, 149) > 0);
    assert_int_equal(rate_charge(&r, 0, 150), 0);
    assert_int_equal(rate_charge(&r, 500, 10000), 0); /* no more than the burst is saved */
    assert_int_equal(rate_charge(&r, 1, 10000), 1);
    /* In however small pieces, what is let through is the rate. */
    rate_init(&r, 16384, 100, 0);
    uint64_t now = 0, taken = 0;
    for (; now < 1000; taken++)
        now += rate_charge(&r, 1, now);
    assert_in_range(taken, 16460, 16500);
    rate_init(&r, 0, 0, 0);
    assert_int_equal(rate_charge(&r, UINT64_MAX, 0), 0);
}

static void test_limits(void **state)
{
    struct rate r;

    (void)state;
    rate_init(&r, 0, 0, 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(rate_take(&r, UINT64_MAX, 0), 0);
    rate_init(&r, 1, 1, 0);
    assert_int_equal(rate_take(&r, 1, UINT64_MAX / 2), 0); /* a long rest fills the bucket once */
    assert_int_equal(rate_take(&r, 1, UINT64_MAX / 2), 1000);
    rate_init(&r, 1000000, 1, 0);
    assert_int_equal(rate_take(&r, UINT64_MAX, 0), 0);
    assert_true(rate_take(&r, 1, 1) > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_then_rate),
        cmocka_unit_test(test_debt),
        cmocka_unit_test(test_waiting_as_told_suffices),
        cmocka_unit_test(test_charge),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
