/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tests of base/span.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"

static void test_compare(void **state)
{
    (void)state;
    assert_true(span_eq(SPAN("ab"), SPAN("ab")));
    assert_false(span_eq(SPAN("ab"), SPAN("aB")));
    assert_false(span_eq(SPAN("ab"), SPAN("abc")));
    assert_true(span_eq(SPAN_NONE, SPAN("")));
    assert_true(span_eq_case(SPAN("aB"), SPAN("Ab")));
    assert_true(span_starts(SPAN("abc"), SPAN("ab")));
    assert_false(span_starts(SPAN("a"), SPAN("ab")));
    assert_true(span_ends(SPAN("abc"), SPAN("bc")));
    assert_true(span_ends(SPAN("abc"), SPAN("")));
    assert_false(span_ends(SPAN("c"), SPAN("bc")));
}

static void test_absent_is_not_empty(void **state)
{
    (void)state;
    assert_true(span_is_none(SPAN_NONE));
    assert_true(span_is_empty(SPAN_NONE));
    assert_false(span_is_none(SPAN("")));
    assert_true(span_is_empty(SPAN("")));
    assert_true(span_is_none(span_of(NULL)));
}

static void test_index(void **state)
{
    (void)state;
    assert_int_equal(span_index(SPAN("abc"), 'c'), 2);
    assert_int_equal(span_index(SPAN("abc"), 'x'), 3);
    assert_int_equal(span_index(SPAN_NONE, 'x'), 0);
}

static void test_numbers(void **state)
{
    static const struct {
        const char *text;
        uint64_t max, value;
        bool good;
    } cases[] = {
        {"0", 10, 0, true},
        {"10", 10, 10, true},
        {"11", 10, 0, false},
        {"007", 10, 7, true},
        {"", 10, 0, false},
        {"-1", 10, 0, false},
        {"+1", 10, 0, false},
        {" 1", 10, 0, false},
        {"1 ", 10, 0, false},
        {"1x", 10, 0, false},
        {"18446744073709551615", UINT64_MAX, UINT64_MAX, true},
        {"18446744073709551616", UINT64_MAX, 0, false},
        {"99999999999999999999999", UINT64_MAX, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t value = 0;
        assert_int_equal(span_to_u64(span_of(cases[i].text), cases[i].max, &value), cases[i].good);
        assert_int_equal(value, cases[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_absent_is_not_empty),
        cmocka_unit_test(test_index),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
