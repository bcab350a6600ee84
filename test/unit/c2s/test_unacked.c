/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "c2s/unacked.h"

#include <stdio.h>

static void add(struct unacked *q, unsigned number, bool is_sent)
{
    char text[32];
    snprintf(text, sizeof text, "<m id='%u'/>", number);
    unacked_add(q, span_of(text), number, is_sent);
}

static void expect_first(const struct unacked *q, unsigned number)
{
    char text[32];
    struct span stanza;
    uint64_t at;
    snprintf(text, sizeof text, "<m id='%u'/>", number);
    assert_true(unacked_first(q, &stanza, &at));
    assert_true(span_eq(stanza, span_of(text)));
    assert_int_equal(at, number);
}

/* The ring turns round and grows while it does. */
static void keeps_the_order(void **state)
{
    struct unacked q = {0};
    unsigned next = 1, first = 1;
    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        for (unsigned i = 0; i < 7 + round % 5; i++)
            add(&q, next++, true);
        for (unsigned i = 0; i < 5 + round % 7 && first < next; i++) {
            expect_first(&q, first++);
            unacked_drop_first(&q);
        }
        assert_int_equal(q.count, next - first);
    }
    while (first < next) {
        expect_first(&q, first++);
        unacked_drop_first(&q);
    }
    struct span stanza;
    uint64_t at;
    assert_false(unacked_first(&q, &stanza, &at));
    unacked_drop_first(&q);
    assert_int_equal(buf_len(&q.bytes), 0);
    unacked_free(&q);
}

static void shows_all(void **state)
{
    struct unacked q = {0};
    struct span stanza;
    uint32_t i = 0, seen = 0;
    size_t at = 0;
    (void)state;
    for (unsigned n = 1; n <= 40; n++)
        add(&q, n, n < 20);
    for (unsigned n = 1; n <= 15; n++)
        unacked_drop_first(&q);
    while (unacked_next(&q, &i, &at, &stanza)) {
        char text[32];
        snprintf(text, sizeof text, "<m id='%u'/>", 16 + seen++);
        assert_true(span_eq(stanza, span_of(text)));
    }
    assert_int_equal(seen, 25);
    expect_first(&q, 16);
    unacked_free(&q);
}

static void acknowledges_what_was_sent(void **state)
{
    struct unacked q = {0};
    (void)state;
    assert_true(unacked_ack(&q, 0));
    assert_false(unacked_ack(&q, 1));
    for (unsigned i = 1; i <= 5; i++)
        add(&q, i, i <= 3);
    assert_true(unacked_ack(&q, 2));
    expect_first(&q, 3);
    assert_true(unacked_ack(&q, 2)); /* again */
    assert_false(unacked_ack(&q, 1)); /* back */
    assert_false(unacked_ack(&q, 4)); /* not sent yet */
    assert_true(span_eq(unacked_send_all(&q), SPAN("<m id='3'/><m id='4'/><m id='5'/>")));
    assert_true(unacked_ack(&q, 5));
    assert_int_equal(q.count, 0);
    unacked_free(&q);
}

static void wraps(void **state)
{
    struct unacked q = {.acked = UINT32_MAX - 1};
    (void)state;
    for (unsigned i = 1; i <= 4; i++)
        add(&q, i, true);
    assert_false(unacked_ack(&q, 3));
    assert_true(unacked_ack(&q, 0));
    expect_first(&q, 3);
    assert_true(unacked_ack(&q, 2));
    assert_int_equal(q.count, 0);
    unacked_free(&q);
}

/* What is given back one by one may have been kept, not sent. */
static void forgets_what_was_not_sent(void **state)
{
    struct unacked q = {0};
    (void)state;
    add(&q, 1, true);
    add(&q, 2, false);
    unacked_drop_first(&q);
    assert_int_equal(q.unsent, 1);
    unacked_drop_first(&q);
    assert_int_equal(q.unsent, 0);
    unacked_free(&q);
}

static void an_empty_one_holds_little(void **state)
{
    struct unacked q = {0};
    (void)state;
    for (unsigned i = 0; i < 10000; i++)
        add(&q, i, true);
    assert_true(unacked_ack(&q, 10000));
    assert_in_range(q.bytes.cap, 0, 4096);
    assert_in_range(q.cap, 0, 16);
    add(&q, 7, true);
    expect_first(&q, 7);
    unacked_free(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_order),
        cmocka_unit_test(shows_all),
        cmocka_unit_test(acknowledges_what_was_sent),
        cmocka_unit_test(wraps),
        cmocka_unit_test(forgets_what_was_not_sent),
        cmocka_unit_test(an_empty_one_holds_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
