/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "c2s/limits.h"

static struct addr at(const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(span_of(text), &a), 0);
    return a;
}

static enum limits_verdict connect_from(struct limits *l, const char *text,
                                        struct limits_entry **e)
{
    struct addr a = at(text);
    return limits_connect(l, &a, e);
}

/* R01: one address is held to its share, others are not touched. */
static void limits_prelogin_by_address(void **state)
{
    struct limits l;
    struct limits_entry *a[3], *b;
    (void)state;
    limits_init(&l, 2, 10, 100000, 15000);
    assert_int_equal(connect_from(&l, "192.0.2.1:1", &a[0]), LIMITS_OK);
    assert_int_equal(connect_from(&l, "192.0.2.1:2", &a[1]), LIMITS_OK);
    assert_int_equal(connect_from(&l, "192.0.2.1:3", &a[2]), LIMITS_TOO_MANY_PRELOGIN);
    assert_int_equal(connect_from(&l, "192.0.2.2:1", &b), LIMITS_OK);
    assert_null(a[2]); /* who is refused takes no place */
    limits_login(&l, a[0]);
    assert_int_equal(connect_from(&l, "192.0.2.1:4", &a[2]), LIMITS_OK);
    limits_disconnect(&l, a[0], true, 0);
    limits_disconnect(&l, a[1], false, 0);
    limits_disconnect(&l, a[2], false, 0);
    limits_disconnect(&l, b, false, 0);
    assert_int_equal(l.entries.count, 0);
    limits_deinit(&l);
}

/* R03: a flood of all addresses leaves room for those in earnest. */
static void limits_prelogin_of_all(void **state)
{
    struct limits l;
    struct limits_entry *e[5];
    static const char *const from[] = {"192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1", "192.0.2.4:1",
                                       "192.0.2.5:1"};
    (void)state;
    limits_init(&l, 10, 10, 100000, 15000);
    assert_false(limits_is_stressed(&l));
    l.max_waiting = 4;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(connect_from(&l, from[i], &e[i]), LIMITS_OK);
        assert_true(limits_is_stressed(&l) == (i >= 2));
    }
    assert_int_equal(connect_from(&l, from[4], &e[4]), LIMITS_TOO_MANY_WAITING);
    limits_login(&l, e[0]);
    limits_disconnect(&l, e[1], false, 0);
    assert_false(limits_is_stressed(&l));
    assert_int_equal(connect_from(&l, from[4], &e[4]), LIMITS_OK);
    limits_disconnect(&l, e[0], true, 0);
    for (int i = 2; i < 5; i++)
        limits_disconnect(&l, e[i], false, 0);
    assert_int_equal(l.waiting, 0);
    limits_deinit(&l);
}

/* However many addresses are connected, a penalty outlives its connection. */
static void keeps_penalties_when_busy(void **state)
{
    enum { BUSY = 6000 };
    static struct limits_entry *busy[BUSY];
    struct limits l;
    struct limits_entry *e;
    char text[32];
    (void)state;
    limits_init(&l, 10, 10, 100000, 15000);
    for (int i = 0; i < BUSY; i++) {
        snprintf(text, sizeof text, "10.1.%d.%d:1", i / 250, i % 250);
        connect_from(&l, text, &busy[i]);
    }
    connect_from(&l, "192.0.2.1:1", &e);
    limits_failure(&l, e, 0);
    limits_disconnect(&l, e, false, 0);
    connect_from(&l, "192.0.2.2:1", &e);
    limits_disconnect(&l, e, false, 0);
    connect_from(&l, "192.0.2.1:2", &e);
    assert_int_equal(limits_failure(&l, e, 0), 1000);
    limits_deinit(&l);
}

static void limits_connections(void **state)
{
    struct limits l;
    struct limits_entry *e[3];
    (void)state;
    limits_init(&l, 10, 2, 100000, 15000);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(connect_from(&l, "192.0.2.1:1", &e[i]), LIMITS_OK);
        limits_login(&l, e[i]);
    }
    assert_int_equal(connect_from(&l, "192.0.2.1:1", &e[2]), LIMITS_TOO_MANY_CONNECTIONS);
    limits_deinit(&l);
}

/* All addresses together fill the house; who leaves makes room. */
static void limits_all_connections(void **state)
{
    struct limits l;
    struct limits_entry *a, *b, *c;
    (void)state;
    limits_init(&l, 10, 10, 2, 15000);
    assert_int_equal(connect_from(&l, "192.0.2.1:1", &a), LIMITS_OK);
    assert_int_equal(connect_from(&l, "192.0.2.2:1", &b), LIMITS_OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(connect_from(&l, "192.0.2.3:1", &c), LIMITS_FULL);
    assert_null(c);
    assert_int_equal(l.entries.count, 2);
    limits_login(&l, a);
    limits_disconnect(&l, a, true, 0);
    assert_int_equal(connect_from(&l, "192.0.2.3:1", &c), LIMITS_OK);
    assert_int_equal(connect_from(&l, "192.0.2.4:1", &a), LIMITS_FULL);
    l.max_total = 3; /* a reload */
    assert_int_equal(connect_from(&l, "192.0.2.4:1", &a), LIMITS_OK);
    limits_deinit(&l);
}

/* One IPv6 customer has a /64. */
static void groups_ipv6_by_64(void **state)
{
    struct limits l;
    struct limits_entry *e;
    (void)state;
    limits_init(&l, 1, 10, 100000, 15000);
    assert_int_equal(connect_from(&l, "[2001:db8:0:1::1]:1", &e), LIMITS_OK);
    assert_int_equal(connect_from(&l, "[2001:db8:0:1:ffff::2]:1", &e), LIMITS_TOO_MANY_PRELOGIN);
    assert_int_equal(connect_from(&l, "[2001:db8:0:2::1]:1", &e), LIMITS_OK);
    limits_deinit(&l);
}

static void delays_grow_and_are_forgotten(void **state)
{
    static const uint64_t expected[] = {0, 1000, 2000, 4000, 8000, 15000, 15000, 15000, 15000,
                                        15000};
    struct limits l;
    struct limits_entry *e;
    (void)state;
    limits_init(&l, 10, 10, 100000, 15000);
    connect_from(&l, "192.0.2.1:1", &e);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_int_equal(limits_failure(&l, e, 1000), expected[i]);
    /* the penalty outlives the connection */
    limits_disconnect(&l, e, false, 1000);
    connect_from(&l, "192.0.2.1:1", &e);
    assert_int_equal(limits_failure(&l, e, 1000), 15000);
    /* a login ends it, and so does time */
    limits_login(&l, e);
    assert_int_equal(limits_failure(&l, e, 1000), 0);
    assert_int_equal(limits_failure(&l, e, 2000), 1000);
    assert_int_equal(limits_failure(&l, e, 2000 + 16 * 60 * 1000), 0);
    limits_deinit(&l);
}

/* 100,000 failing addresses do not fill the memory. */
static void flood_of_addresses_is_bounded(void **state)
{
    struct limits l;
    (void)state;
    limits_init(&l, 10, 10, 100000, 15000);
    for (unsigned i = 0; i < 100000; i++) {
        struct limits_entry *e;
        char text[32];
        snprintf(text, sizeof text, "10.%u.%u.%u:1", i >> 16, i >> 8 & 255, i & 255);
        connect_from(&l, text, &e);
        limits_failure(&l, e, 1000);
        limits_disconnect(&l, e, false, 1000);
    }
    assert_true(l.entries.count < 5000);
    limits_deinit(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_prelogin_by_address),
        cmocka_unit_test(limits_prelogin_of_all),
        cmocka_unit_test(keeps_penalties_when_busy),
        cmocka_unit_test(limits_connections),
        cmocka_unit_test(limits_all_connections),
        cmocka_unit_test(groups_ipv6_by_64),
        cmocka_unit_test(delays_grow_and_are_forgotten),
        cmocka_unit_test(flood_of_addresses_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
