/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_loop_watch - a pipe in the place of a library's descriptor.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/loop.h"
#include "base/loop_watch.h"

#include <unistd.h>

static struct loop *loop;
static struct loop_watch *watch;
static int calls, left, ends[2];

static void on_readable(void *ctx)
{
    char c;

    assert_ptr_equal(ctx, &calls);
    assert_int_equal(read(ends[0], &c, 1), 1);
    calls++;
    if (--left == 0) {
        loop_watch_free(&watch);
        assert_null(watch);
        loop_stop(loop);
    }
}

static void test_until_it_is_freed(void **state)
{
    (void)state;
    loop = loop_new();
    assert_int_equal(pipe(ends), 0);
    watch = loop_watch_new(loop, ends[0], on_readable, &calls);
    assert_non_null(watch);
    /* What is left unread is told of again; what comes after the end, not. */
    left = 3;
    assert_int_equal(write(ends[1], "abcd", 4), 4);
    loop_run(loop);
    assert_int_equal(calls, 3);
    loop_watch_free(&watch); /* nothing */
    loop_free(&loop);
    assert_int_equal(calls, 3);
    close(ends[0]);
    close(ends[1]);
}

static void test_what_cannot_be_watched(void **state)
{
    (void)state;
    loop = loop_new();
    assert_null(loop_watch_new(loop, -1, on_readable, NULL));
    loop_free(&loop);
    loop = loop_new_sim();
    assert_null(loop_watch_new(loop, 0, on_readable, NULL));
    loop_free(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_until_it_is_freed),
        cmocka_unit_test(test_what_cannot_be_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
