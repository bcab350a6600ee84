/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * quota: hours, addresses, what is given back, and how much is remembered. Time is a number.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "c2s/quota.h"

#include <stdio.h>

#define HOUR ((uint64_t)QUOTA_WINDOW_MS)

static struct addr address(const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(span_of(text), &a), 0);
    return a;
}

static enum quota_verdict take(struct quota *q, const char *from, uint64_t now)
{
    struct addr a = address(from);
    uint64_t wait = 0;
    enum quota_verdict v = quota_take(q, &a, now, &wait);
    assert_int_equal(wait > 0, v != QUOTA_OK);
    assert_true(wait <= HOUR);
    return v;
}

static void give_back(struct quota *q, const char *to, uint64_t taken)
{
    struct addr a = address(to);
    quota_give_back(q, &a, taken);
}

static void an_address_has_its_hour(void **state)
{
    struct quota q;
    struct addr a = address("10.0.0.1:1");
    uint64_t wait = 0, start = 5000;
    (void)state;
    quota_init(&q, 2, 0);
    assert_int_equal(take(&q, "10.0.0.1:1", start), QUOTA_OK);
    assert_int_equal(take(&q, "10.0.0.1:2", start + HOUR / 2), QUOTA_OK);
    assert_int_equal(quota_take(&q, &a, start + HOUR / 2, &wait), QUOTA_ADDRESS);
    assert_int_equal(wait, HOUR / 2);
    assert_int_equal(take(&q, "10.0.0.2:1", start + HOUR / 2), QUOTA_OK);
    assert_int_equal(take(&q, "10.0.0.1:1", start + HOUR - 1), QUOTA_ADDRESS);
    assert_int_equal(take(&q, "10.0.0.1:1", start + HOUR), QUOTA_OK);
    assert_int_equal(take(&q, "10.0.0.1:1", start + HOUR), QUOTA_OK);
    assert_int_equal(take(&q, "10.0.0.1:1", start + HOUR), QUOTA_ADDRESS);
    quota_deinit(&q);
}

static void a_network_of_ipv6_counts_as_one(void **state)
{
    struct quota q;
    (void)state;
    quota_init(&q, 1, 0);
    assert_int_equal(take(&q, "[2001:db8:1:2::1]:1", 0), QUOTA_OK);
    assert_int_equal(take(&q, "[2001:db8:1:2:ffff::2]:1", 0), QUOTA_ADDRESS);
    assert_int_equal(take(&q, "[2001:db8:1:3::1]:1", 0), QUOTA_OK);
    quota_deinit(&q);
}

static void all_together_have_an_hour(void **state)
{
    struct quota q;
    char from[32];
    (void)state;
    quota_init(&q, 2, 5);
    for (int i = 0; i < 5; i++) {
        snprintf(from, sizeof(from), "10.0.0.%d:1", i);
        assert_int_equal(take(&q, from, (uint64_t)i), QUOTA_OK);
    }
    assert_int_equal(take(&q, "10.0.1.1:1", 5), QUOTA_ALL);
    assert_int_equal(take(&q, "10.0.0.1:1", HOUR - 1), QUOTA_ALL);
    assert_int_equal(take(&q, "10.0.1.1:1", HOUR), QUOTA_OK);
    quota_deinit(&q);
}

/* What comes to nothing does not use up the share, but there is an end to it. */
static void tries_have_an_end(void **state)
{
    struct quota q;
    (void)state;
    quota_init(&q, 2, 0);
    for (int i = 0; i < 2 * QUOTA_TRIES; i++) {
        assert_int_equal(take(&q, "10.0.0.1:1", 7), QUOTA_OK);
        give_back(&q, "10.0.0.1:1", 7);
    }
    assert_int_equal(take(&q, "10.0.0.1:1", 8), QUOTA_ADDRESS);
    assert_int_equal(take(&q, "10.0.0.1:1", 7 + HOUR), QUOTA_OK);
    quota_deinit(&q);
}

/* What an earlier hour took is not given back to this one. */
static void nothing_is_given_back_to_another_hour(void **state)
{
    struct quota q;
    (void)state;
    quota_init(&q, 1, 0);
    assert_int_equal(take(&q, "10.0.0.1:1", 1), QUOTA_OK);
    assert_int_equal(take(&q, "10.0.0.1:1", 1 + HOUR), QUOTA_OK);
    give_back(&q, "10.0.0.1:1", 1);
    assert_int_equal(take(&q, "10.0.0.1:1", 2 + HOUR), QUOTA_ADDRESS);
    give_back(&q, "10.9.9.9:1", 1); /* of whom nothing is known */
    quota_deinit(&q);
}

static void no_limit_is_none(void **state)
{
    struct quota q;
    (void)state;
    quota_init(&q, 0, 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(take(&q, "10.0.0.1:1", 0), QUOTA_OK);
    quota_deinit(&q);
}

static void memory_is_bounded(void **state)
{
    struct quota q;
    char from[64];
    (void)state;
    quota_init(&q, 1, 0);
    for (unsigned i = 0; i < 2 * QUOTA_ADDRESSES_MAX; i++) {
        snprintf(from, sizeof(from), "10.%u.%u.%u:1", i >> 16, i >> 8 & 255, i & 255);
        assert_int_equal(take(&q, from, 10 + i / 100), QUOTA_OK);
    }
    assert_true(q.entries.count <= QUOTA_ADDRESSES_MAX);
    assert_int_equal(take(&q, from, 300), QUOTA_ADDRESS); /* the last is remembered */
    assert_int_equal(take(&q, "10.0.0.0:1", 300), QUOTA_OK); /* the first is not */
    /* after an hour, all is forgotten by the next that comes */
    assert_int_equal(take(&q, "10.200.0.0:1", 301 + HOUR), QUOTA_OK);
    assert_int_equal(q.entries.count, 1);
    quota_deinit(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_its_hour),
        cmocka_unit_test(a_network_of_ipv6_counts_as_one),
        cmocka_unit_test(all_together_have_an_hour),
        cmocka_unit_test(tries_have_an_end),
        cmocka_unit_test(nothing_is_given_back_to_another_hour),
        cmocka_unit_test(no_limit_is_none),
        cmocka_unit_test(memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
