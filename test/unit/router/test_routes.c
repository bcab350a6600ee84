/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Routes: who may join a name, and rendezvous hashing.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/mem.h"
#include "router/routes.h"

/* Peers are only pointers here. */
static char places[8];
#define PEER(i) ((struct peer *)(void *)&places[i])
static const struct span names[] = {SPAN_INIT("c2s-1.h"), SPAN_INIT("c2s-2.h"),
                                    SPAN_INIT("c2s-3.h"), SPAN_INIT("c2s-4.h")};

static void binds_by_kind(void **state)
{
    static const struct {
        enum route_kind first, second;
        bool joins;
    } cases[] = {
        {ROUTE_EXCLUSIVE, ROUTE_EXCLUSIVE, false}, {ROUTE_EXCLUSIVE, ROUTE_SHARED, false},
        {ROUTE_SHARED, ROUTE_EXCLUSIVE, false},    {ROUTE_SHARED, ROUTE_SHARED, true},
        {ROUTE_INSTANCE, ROUTE_EXCLUSIVE, false},  {ROUTE_INSTANCE, ROUTE_SHARED, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct routes r = {0};
        assert_non_null(routes_bind(&r, SPAN("h"), cases[i].first, PEER(0), names[0]));
        assert_non_null(routes_bind(&r, SPAN("h"), cases[i].first, PEER(0), names[0]));
        struct route *route = routes_bind(&r, SPAN("h"), cases[i].second, PEER(1), names[1]);
        assert_int_equal(route != NULL, cases[i].joins);
        assert_int_equal(routes_find(&r, SPAN("h"))->count, cases[i].joins ? 2 : 1);
        routes_free(&r);
    }
}

static void unbinds(void **state)
{
    struct routes r = {0};
    bool gone = true;
    (void)state;
    routes_bind(&r, SPAN("h"), ROUTE_SHARED, PEER(0), names[0]);
    routes_bind(&r, SPAN("h"), ROUTE_SHARED, PEER(1), names[1]);
    assert_false(routes_unbind(&r, SPAN("h"), PEER(2), &gone));
    assert_false(routes_unbind(&r, SPAN("g"), PEER(0), &gone));
    assert_true(routes_unbind(&r, SPAN("h"), PEER(0), &gone));
    assert_false(gone);
    assert_ptr_equal(route_pick(routes_find(&r, SPAN("h")), SPAN("u@h")), PEER(1));
    assert_true(routes_unbind(&r, SPAN("h"), PEER(1), &gone));
    assert_true(gone);
    assert_null(routes_find(&r, SPAN("h")));
    routes_free(&r);
}

#define KEYS 4000

static struct span key(size_t i, char text[32])
{
    snprintf(text, 32, "user%zu@h", i);
    return span_of(text);
}

static void removal_moves_only_own_keys(void **state)
{
    struct routes r = {0};
    struct peer *before[KEYS];
    size_t moved = 0, shares[4] = {0};
    char text[32];
    bool gone;
    (void)state;
    for (size_t i = 0; i < 4; i++)
        routes_bind(&r, SPAN("h"), ROUTE_SHARED, PEER(i), names[i]);
    const struct route *route = routes_find(&r, SPAN("h"));
    for (size_t i = 0; i < KEYS; i++) {
        before[i] = route_pick(route, key(i, text));
        shares[(char *)(void *)before[i] - places]++;
    }
    for (size_t i = 0; i < 4; i++)
        assert_in_range(shares[i], KEYS / 4 * 85 / 100, KEYS / 4 * 115 / 100);
    routes_unbind(&r, SPAN("h"), PEER(1), &gone);
    for (size_t i = 0; i < KEYS; i++) {
        struct peer *now = route_pick(route, key(i, text));
        moved += now != before[i];
        assert_true(before[i] == PEER(1) ? now != PEER(1) : now == before[i]);
    }
    assert_int_equal(moved, shares[1]);
    routes_bind(&r, SPAN("h"), ROUTE_SHARED, PEER(1), names[1]);
    for (size_t i = 0; i < KEYS; i++)
        assert_ptr_equal(route_pick(route, key(i, text)), before[i]);
    routes_free(&r);
}

/* The order of binding must not matter: it differs after every restart. */
static void order_does_not_matter(void **state)
{
    struct routes up = {0}, down = {0};
    char text[32];
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        routes_bind(&up, SPAN("h"), ROUTE_SHARED, PEER(i), names[i]);
        routes_bind(&down, SPAN("h"), ROUTE_SHARED, PEER(3 - i), names[3 - i]);
    }
    for (size_t i = 0; i < KEYS; i++)
        assert_ptr_equal(route_pick(routes_find(&up, SPAN("h")), key(i, text)),
                         route_pick(routes_find(&down, SPAN("h")), key(i, text)));
    routes_free(&up);
    routes_free(&down);
}

static void resources_name_instances(void **state)
{
    static const struct {
        struct span resource;
        int peer;
    } cases[] = {
        {SPAN_INIT("c2s-1"), 0},      {SPAN_INIT("c2s-2"), 1},     {SPAN_INIT("c2s-2.h"), 1},
        {SPAN_INIT("c2s-2/iq-7"), 1}, {SPAN_INIT("c2s-2.h/x"), 1}, {SPAN_INIT("c2s-"), -1},
        {SPAN_INIT("c2s-22"), -1},    {SPAN_INIT("/c2s-1"), -1},   {SPAN_INIT("c2s-3"), -1},
    };
    struct routes r = {0};
    (void)state;
    routes_bind(&r, SPAN("h"), ROUTE_SHARED, PEER(0), names[0]);
    routes_bind(&r, SPAN("h"), ROUTE_SHARED, PEER(1), names[1]);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_ptr_equal(route_instance(routes_find(&r, SPAN("h")), cases[i].resource),
                         cases[i].peer < 0 ? NULL : PEER(cases[i].peer));
    routes_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binds_by_kind),
        cmocka_unit_test(unbinds),
        cmocka_unit_test(removal_moves_only_own_keys),
        cmocka_unit_test(order_does_not_matter),
        cmocka_unit_test(resources_name_instances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
