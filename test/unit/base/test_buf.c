/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tests of base/buf: content is what was appended, in order, whatever the growing and sliding.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"

#include <stdlib.h>

static void assert_content(const struct buf *b, const char *want)
{
    assert_true(span_eq(buf_span(b), span_of(want)));
}

static void test_append(void **state)
{
    struct buf b = {0};

    (void)state;
    assert_content(&b, "");
    assert_true(buf_append(&b, SPAN_NONE));
    assert_true(buf_append_z(&b, "n="));
    assert_true(buf_append_u64(&b, 0));
    assert_true(buf_append_char(&b, ' '));
    assert_true(buf_append_u64(&b, UINT64_MAX));
    assert_true(buf_printf(&b, " %s%d", "x", -7));
    assert_content(&b, "n=0 18446744073709551615 x-7");
    buf_consume(&b, 4);
    assert_content(&b, "18446744073709551615 x-7");
    assert_string_equal(buf_z(&b), "18446744073709551615 x-7");
    buf_free(&b);
    assert_content(&b, "");
}

static void test_cap_refuses_whole_appends(void **state)
{
    struct buf b = {.max = 10};

    (void)state;
    assert_true(buf_append_z(&b, "12345678"));
    assert_false(buf_append_z(&b, "abc"));
    assert_false(buf_printf(&b, "%s", "abc"));
    assert_null(buf_reserve(&b, 3));
    assert_content(&b, "12345678");
    assert_true(buf_append_z(&b, "90"));
    assert_string_equal(buf_z(&b), "1234567890");
    buf_consume(&b, 1);
    assert_true(buf_append_char(&b, 'x'));
    assert_false(buf_append_char(&b, 'y'));
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_free(&b);
    assert_int_equal(b.max, 10);
}

static void test_long_printf(void **state)
{
    struct buf b = {0};
    char text[1000];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_true(buf_printf(&b, "%s!", text));
    assert_int_equal(buf_len(&b), sizeof(text));
    assert_int_equal(b.p[b.tail - 1], '!');
    struct buf small = {.max = 500};
    assert_false(buf_printf(&small, "%s", text));
    assert_int_equal(buf_len(&small), 0);
    buf_free(&small);
    buf_free(&b);
}

/* A queue of steady length must not grow, and must not lose a byte. */
static void test_queue(void **state)
{
    struct buf b = {0};
    unsigned char in = 0, out = 0;
    size_t cap = 0;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t n = 1 + (size_t)(round * 7919) % 97;
        char *to = buf_reserve(&b, n);
        assert_non_null(to);
        for (size_t i = 0; i < n; i++)
            to[i] = (char)in++;
        buf_commit(&b, n);
        size_t take = buf_len(&b) > 200 ? buf_len(&b) - 100 : 0;
        struct span s = buf_span(&b);
        for (size_t i = 0; i < take; i++)
            assert_int_equal((unsigned char)s.p[i], out++);
        buf_consume(&b, take);
        if (round == 10000)
            cap = b.cap;
    }
    assert_int_equal(b.cap, cap);
    assert_true(cap <= 1024);
    buf_free(&b);
}

static void test_z_keeps_content(void **state)
{
    struct buf b = {0};

    (void)state;
    for (int i = 0; i < 256; i++)
        buf_append_char(&b, 'a');
    assert_int_equal(b.tail, b.cap); /* no room for the NUL */
    assert_int_equal(strlen(buf_z(&b)), 256);
    assert_int_equal(buf_len(&b), 256);
    buf_wipe(&b);
    assert_null(b.p);
    assert_string_equal(buf_z(&b), "");
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append),          cmocka_unit_test(test_cap_refuses_whole_appends),
        cmocka_unit_test(test_long_printf),     cmocka_unit_test(test_queue),
        cmocka_unit_test(test_z_keeps_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
