/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tests of base/map, the larger ones against a plain array as model.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/map.h"
#include "base/mem.h"

#include <stdio.h>

#define MODEL 4000

struct item {
    char name[16];
    bool present;
};

static struct item items[MODEL];

static struct span name_of(const struct item *item)
{
    return span_of(item->name);
}

static int make_items(void **state)
{
    (void)state;
    for (size_t i = 0; i < MODEL; i++) {
        snprintf(items[i].name, sizeof(items[i].name), "user%zu", i);
        items[i].present = false;
    }
    return 0;
}

/* The hash that a table of its own keeps for key. */
static uint32_t hash_of(struct span key)
{
    struct map m = {0};
    int value;
    uint32_t hash = 0;

    map_put(&m, key, &value);
    for (size_t i = 0; i < m.capacity; i++)
        if (m.slots[i].value)
            hash = m.slots[i].hash;
    map_free(&m);
    return hash;
}

/* The lower half of SipHash-1-3 of no bytes and of 00..0e under the seed's keys, computed apart
 * from this code. */
static void test_hash(void **state)
{
    static const char bytes[] = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e";

    (void)state;
    map_seed(1);
    assert_int_equal(hash_of(SPAN("")), 0x218dae00);
    assert_int_equal(hash_of(span_make(bytes, 15)), 0xd877246e);
    uint32_t before = hash_of(SPAN("a"));
    map_seed(2);
    assert_int_not_equal(hash_of(SPAN("a")), before);
}

static void test_put_get_remove(void **state)
{
    struct map m = {0};
    char key1[] = "key", key2[] = "key";
    int one, two;

    (void)state;
    assert_null(map_get(&m, SPAN("key")));
    assert_null(map_remove(&m, SPAN("key")));
    assert_null(map_put(&m, span_of(key1), &one));
    assert_ptr_equal(map_get(&m, SPAN("key")), &one);
    assert_ptr_equal(map_put(&m, span_of(key2), &two), &one);
    key1[0] = 'x'; /* the replaced value's key is gone with it */
    assert_ptr_equal(map_get(&m, SPAN("key")), &two);
    assert_int_equal(m.count, 1);
    assert_null(map_get(&m, SPAN("ke")));
    assert_null(map_put(&m, SPAN(""), &one));
    assert_ptr_equal(map_get(&m, SPAN("")), &one);
    assert_ptr_equal(map_remove(&m, SPAN("key")), &two);
    assert_null(map_get(&m, SPAN("key")));
    assert_int_equal(m.count, 1);
    map_free(&m);
}

static void assert_same_as_model(const struct map *m)
{
    size_t count = 0, walked = 0, used = 0, cursor = 0;

    for (size_t i = 0; i < MODEL; i++) {
        void *want = items[i].present ? &items[i] : NULL;
        assert_ptr_equal(map_get(m, name_of(&items[i])), want);
        count += items[i].present;
    }
    for (struct item *item; (item = map_next(m, &cursor)); walked++)
        assert_true(item->present);
    assert_int_equal(m->count, count);
    assert_int_equal(walked, count);
    for (size_t i = 0; i < m->capacity; i++)
        used += m->slots[i].hash != 0;
    assert_int_equal(m->used, used);
    assert_true(used < m->capacity || m->capacity == 0);
}

static void test_against_model(void **state)
{
    struct map m = {0};
    uint64_t random = 88172645463325252;

    (void)state;
    for (int round = 0; round < 200000; round++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        /* Phases that mostly fill and phases that mostly empty. */
        bool put = (random >> 32) % 100 < ((round / 20000) % 2 ? 20u : 80u);
        struct item *item = &items[random % MODEL];
        void *was = item->present ? item : NULL;
        assert_ptr_equal(put ? map_put(&m, name_of(item), item) : map_remove(&m, name_of(item)),
                         was);
        item->present = put;
        if (round % 10007 == 0)
            assert_same_as_model(&m);
    }
    assert_same_as_model(&m);
    map_free(&m);
    assert_null(map_get(&m, SPAN("user1")));
}

static void test_removal_while_walking(void **state)
{
    struct map m = {0};
    size_t cursor = 0, seen = 0;

    (void)state;
    for (size_t i = 0; i < MODEL; i++)
        map_put(&m, name_of(&items[i]), &items[i]);
    for (struct item *item; (item = map_next(&m, &cursor)); seen++)
        assert_ptr_equal(map_remove(&m, name_of(item)), item);
    assert_int_equal(seen, MODEL);
    assert_int_equal(m.count, 0);
    assert_int_equal(m.capacity, 0); /* a large table that is empty is given back */
}

/* One entry that comes and goes must not fill the table with tombstones, nor make it grow. */
static void test_churn(void **state)
{
    struct map m = {0};

    (void)state;
    for (size_t i = 0; i < 10; i++)
        map_put(&m, name_of(&items[i]), &items[i]);
    for (int round = 0; round < 100; round++) {
        for (size_t i = 10; i < MODEL; i++) {
            map_put(&m, name_of(&items[i]), &items[i]);
            map_remove(&m, name_of(&items[i]));
        }
    }
    assert_int_equal(m.count, 10);
    assert_true(m.capacity <= 64);
    map_free(&m);
}

static void test_shrinks(void **state)
{
    struct map m = {0};

    (void)state;
    for (size_t i = 0; i < MODEL; i++)
        map_put(&m, name_of(&items[i]), &items[i]);
    for (size_t i = 20; i < MODEL; i++)
        map_remove(&m, name_of(&items[i]));
    map_put(&m, name_of(&items[30]), &items[30]);
    assert_true(m.capacity <= 64);
    for (size_t i = 0; i < 20; i++)
        assert_ptr_equal(map_get(&m, name_of(&items[i])), &items[i]);
    map_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_put_get_remove),
        cmocka_unit_test_setup(test_against_model, make_items),
        cmocka_unit_test_setup(test_removal_while_walking, make_items),
        cmocka_unit_test_setup(test_churn, make_items),
        cmocka_unit_test_setup(test_shrinks, make_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
