/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tests of base/arena.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/mem.h"

static void test_pieces_do_not_overlap(void **state)
{
    struct arena a = {0};
    unsigned char *pieces[400];
    size_t sizes[400];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        sizes[i] = 1 + i * 37 % 1000;
        pieces[i] = i % 2 ? arena_alloc(&a, sizes[i]) : (unsigned char *)arena_bytes(&a, sizes[i]);
        if (i % 2)
            assert_int_equal((uintptr_t)pieces[i] % 8, 0);
        memset(pieces[i], (int)i & 0xff, sizes[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(pieces[i][k], i & 0xff);
    arena_free(&a);
    assert_null(a.first);
}

static void test_text(void **state)
{
    struct arena a = {0};

    (void)state;
    assert_true(span_is_none(arena_span(&a, SPAN_NONE)));
    struct span empty = arena_span(&a, SPAN(""));
    assert_false(span_is_none(empty));
    assert_int_equal(empty.n, 0);
    assert_true(span_eq(arena_span(&a, SPAN("xyz")), SPAN("xyz")));
    arena_free(&a);
}

static void test_steady_state_reuses_memory(void **state)
{
    struct arena a = {0};

    (void)state;
    char *first = arena_bytes(&a, 100);
    char *second = arena_bytes(&a, 10000);
    for (int i = 0; i < 10; i++) {
        arena_reset(&a);
        assert_ptr_equal(arena_bytes(&a, 100), first);
        assert_ptr_equal(arena_bytes(&a, 10000), second);
    }
    arena_free(&a);
}

/* What one large stanza needed must not stay for ever. */
static void test_reset_gives_back(void **state)
{
    struct arena a = {0};

    (void)state;
    char *first = arena_bytes(&a, 10);
    for (int i = 0; i < 40; i++)
        arena_alloc(&a, 10000);
    assert_true(arena_held(&a) >= 400000);
    arena_reset(&a);
    assert_true(arena_held(&a) <= 4096);
    assert_ptr_equal(arena_bytes(&a, 10), first);
    arena_free(&a);

    arena_bytes(&a, 1 << 20); /* huge from the start */
    arena_reset(&a);
    assert_null(a.first);
    assert_true(span_eq(arena_span(&a, SPAN("again")), SPAN("again")));
    arena_wipe(&a);
    assert_null(a.first);
    arena_reset(&a);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_do_not_overlap),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_steady_state_reuses_memory),
        cmocka_unit_test(test_reset_gives_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
