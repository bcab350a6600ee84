/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "xmpp/handled.h"

static unsigned changes;

static void on_change(void *ctx)
{
    (void)ctx;
    changes++;
}

static void finish(struct link_done d, bool safe)
{
    d.call(d.ctx, safe);
}

static void counts_in_order(void **state)
{
    struct handled h;
    (void)state;
    handled_init(&h, on_change, NULL);
    for (uint32_t i = 1; i <= 5; i++) {
        finish(handled_next(&h), true);
        assert_int_equal(h.h, i);
    }
    assert_false(handled_is_waiting(&h));
    handled_free_tokens();
}

/* h never passes a stanza that is not yet safe, whatever comes back before it. */
static void waits_for_the_first(void **state)
{
    struct handled h;
    (void)state;
    handled_init(&h, on_change, NULL);
    struct link_done a = handled_next(&h), b = handled_next(&h), c = handled_next(&h);
    finish(c, true);
    assert_int_equal(h.h, 0);
    finish(a, true);
    assert_int_equal(h.h, 1);
    assert_true(handled_is_waiting(&h));
    finish(b, false); /* refused: the sender has its error, so it is dealt with */
    assert_int_equal(h.h, 3);
    assert_false(handled_is_waiting(&h));
    struct link_done d = handled_next(&h);
    finish(d, true);
    assert_int_equal(h.h, 4);
    handled_free_tokens();
}

/* XEP-0198: the count begins when it is asked for; what is under way then is none of it. */
static void begins_anew(void **state)
{
    struct handled h;
    (void)state;
    handled_init(&h, on_change, NULL);
    finish(handled_next(&h), true);
    struct link_done a = handled_next(&h), b = handled_next(&h);
    handled_restart(&h);
    struct link_done c = handled_next(&h);
    assert_int_equal(handled_count(&h), 0);
    finish(c, true);
    finish(a, true);
    assert_int_equal(handled_count(&h), 0);
    finish(b, true);
    assert_int_equal(handled_count(&h), 1);
    assert_int_equal(h.given, h.h);
    finish(handled_next(&h), true);
    assert_int_equal(handled_count(&h), 2);
    handled_restart(&h);
    assert_int_equal(handled_count(&h), 0);
    handled_free_tokens();
}

static void wraps(void **state)
{
    struct handled h;
    (void)state;
    handled_init(&h, on_change, NULL);
    h.h = UINT32_MAX;
    finish(handled_next(&h), true);
    assert_int_equal(h.h, 0);
    handled_free_tokens();
}

static void tells_each_change(void **state)
{
    struct handled h;
    (void)state;
    handled_init(&h, on_change, NULL);
    changes = 0;
    finish(handled_next(&h), true);
    finish(handled_next(&h), true);
    assert_int_equal(changes, 2);
    handled_free_tokens();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_in_order),
        cmocka_unit_test(waits_for_the_first),
        cmocka_unit_test(begins_anew),
        cmocka_unit_test(wraps),
        cmocka_unit_test(tells_each_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
