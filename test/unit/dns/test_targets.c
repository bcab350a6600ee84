/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_targets - the order of SRV records, and records that are none.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "dns/targets.h"

#include <stdio.h>

/* Records as they come from the DNS: priority, weight, port, name. */
struct records {
    struct buf bytes[64];
    struct span data[64];
    size_t count;
};

static void put(struct records *r, unsigned priority, unsigned weight, unsigned port,
                const char *name)
{
    char wire[6 + DNS_WIRE_MAX] = {(char)(priority >> 8), (char)priority,    (char)(weight >> 8),
                                   (char)weight,          (char)(port >> 8), (char)port};
    size_t n = dns_wire_from_name(span_of(name), wire + 6);

    assert_true(n > 0);
    buf_append(&r->bytes[r->count], span_make(wire, 6 + n));
    r->data[r->count] = buf_span(&r->bytes[r->count]);
    r->count++;
}

static struct targets read_records(struct records *r)
{
    struct targets t = {0};
    struct resolve_answer a = {.status = RESOLVE_FOUND, .data = r->data, .count = r->count};

    targets_add(&t, &a, false);
    return t;
}

static void done(struct records *r)
{
    for (size_t i = 0; i < r->count; i++)
        buf_free(&r->bytes[i]);
    *r = (struct records){0};
}

/* How often each of three hosts comes first in 10,000 draws. */
static void count_firsts(struct records *r, unsigned firsts[3])
{
    for (int i = 0; i < 3; i++)
        firsts[i] = 0;
    for (uint64_t seed = 0; seed < 10000; seed++) {
        struct targets t = read_records(r);
        targets_order(&t, seed);
        assert_int_equal(t.count, r->count);
        firsts[t.list[0].name[0] - 'a']++;
    }
}

static void test_weights_are_chances(void **state)
{
    struct records r = {0};
    unsigned firsts[3];

    (void)state;
    put(&r, 10, 60, 1, "a.example");
    put(&r, 10, 30, 1, "b.example");
    put(&r, 10, 10, 1, "c.example");
    count_firsts(&r, firsts);
    assert_in_range(firsts[0], 5600, 6400);
    assert_in_range(firsts[1], 2600, 3400);
    assert_in_range(firsts[2], 700, 1300);
    done(&r);
    /* None has a weight: each has the same chance. */
    put(&r, 10, 0, 1, "a.example");
    put(&r, 10, 0, 1, "b.example");
    put(&r, 10, 0, 1, "c.example");
    count_firsts(&r, firsts);
    for (int i = 0; i < 3; i++)
        assert_in_range(firsts[i], 2900, 3800);
    done(&r);
    /* Weight 0 beside others: hardly ever, but not never. */
    put(&r, 10, 50, 1, "a.example");
    put(&r, 10, 50, 1, "b.example");
    put(&r, 10, 0, 1, "c.example");
    count_firsts(&r, firsts);
    assert_in_range(firsts[2], 1, 400);
    done(&r);
}

static void test_priorities_come_first(void **state)
{
    struct records r = {0};

    (void)state;
    put(&r, 30, 65535, 1, "c.example");
    put(&r, 10, 1, 1, "a.example");
    put(&r, 20, 65535, 1, "b.example");
    put(&r, 65535, 65535, 1, "e.example");
    put(&r, 256, 65535, 1, "d.example");
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct targets t = read_records(&r);
        targets_order(&t, seed);
        for (size_t i = 0; i < 5; i++)
            assert_int_equal(t.list[i].name[0], 'a' + (int)i);
    }
    done(&r);
}

static void test_every_one_is_there_once(void **state)
{
    struct records r = {0};
    char name[32];

    (void)state;
    for (unsigned i = 0; i < TARGETS_MAX; i++) {
        snprintf(name, sizeof(name), "%c.example", 'a' + i);
        put(&r, 10 + i / 4, i % 3, 1, name);
    }
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct targets t = read_records(&r);
        unsigned seen = 0;
        targets_order(&t, seed);
        for (size_t i = 0; i < t.count; i++) {
            seen |= 1u << (t.list[i].name[0] - 'a');
            assert_true(i == 0 || t.list[i].priority >= t.list[i - 1].priority);
        }
        assert_int_equal(seen, 0xffff);
    }
    done(&r);
}

static void test_too_many_lose_the_worst(void **state)
{
    struct records r = {0};

    (void)state;
    for (unsigned i = 0; i < 40; i++)
        put(&r, 1000 - i, 0, i + 1, "a.example");
    struct targets t = read_records(&r);
    assert_int_equal(t.count, TARGETS_MAX);
    assert_int_equal(t.dropped, 40 - TARGETS_MAX);
    for (size_t i = 0; i < TARGETS_MAX; i++)
        assert_int_equal(t.list[i].priority, 961 + i);
    done(&r);
}

static void test_bad_records_are_passed_over(void **state)
{
    static const struct {
        struct span data;
        unsigned dropped, count;
        bool refuses;
    } cases[] = {
        {SPAN_INIT("\0\1\0\1\x14\x95\1a\0"), 0, 1, false},
        {SPAN_INIT("\0\1\0\1\x14\x95\1A\2_b\0"), 0, 1, false},
        {SPAN_INIT("\0\0\0\0\0\0\0"), 0, 0, true},
        {SPAN_INIT("\0\1\0\1\0\0\1a\0"), 1, 0, false}, /* port 0 */
        {SPAN_INIT(""), 1, 0, false},
        {SPAN_INIT("\0\1\0\1\x14\x95"), 1, 0, false},
        {SPAN_INIT("\0\1\0\1\x14\x95\1a"), 1, 0, false},    /* no end */
        {SPAN_INIT("\0\1\0\1\x14\x95\5a\0"), 1, 0, false},  /* longer than the record */
        {SPAN_INIT("\0\1\0\1\x14\x95\1a\0x"), 1, 0, false}, /* more after the end */
        {SPAN_INIT("\0\1\0\1\x14\x95\1\n\0"), 1, 0, false},
        {SPAN_INIT("\0\1\0\1\x14\x95\3a.b\0"), 1, 0, false},
        {SPAN_INIT("\0\1\0\1\x14\x95\3a b\0"), 1, 0, false},
        {SPAN_INIT("\0\1\0\1\x14\x95\xc0\x0c"), 1, 0, false}, /* compressed */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct targets t = {0};
        struct resolve_answer a = {.data = &cases[i].data, .count = 1, .is_secure = true};
        targets_add(&t, &a, true);
        if (t.dropped != cases[i].dropped || t.count != cases[i].count ||
            t.has_refusal != cases[i].refuses)
            fail_msg("case %zu", i);
        if (t.count) {
            assert_true(t.list[0].is_direct && t.list[0].is_secure);
            assert_int_equal(t.list[0].port, 5269);
            assert_int_equal(t.list[0].name[0], 'a');
        }
    }
}

static void test_names_and_back(void **state)
{
    static const struct {
        const char *name;
        size_t n; /* 0: none */
    } cases[] = {
        {"a.example", 11},
        {"a.example.", 11},
        {".", 1},
        {"", 1},
        {"a..b", 0},
        {".a", 0},
        {"a234567890123456789012345678901234567890123456789012345678901234.x", 0},
        {"a23456789012345678901234567890123456789012345678901234567890123.x", 67},
    };
    char wire[DNS_WIRE_MAX], name[DNS_NAME_MAX + 1];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = dns_wire_from_name(span_of(cases[i].name), wire);
        assert_int_equal(n, cases[i].n);
        if (n == 0)
            continue;
        assert_true(dns_wire_to_name(span_make(wire, n), name));
        assert_int_equal(strncmp(name, cases[i].name, strlen(name)), 0);
    }
    /* The longest there is. */
    memset(wire, 'a', sizeof(wire));
    for (size_t i = 0; i < 254; i += 62)
        wire[i] = i + 62 < 254 ? 61 : (char)(254 - i - 1);
    wire[254] = '\0';
    assert_true(dns_wire_to_name(span_make(wire, 255), name));
    assert_int_equal(strlen(name), DNS_NAME_MAX);
    assert_int_equal(dns_wire_from_name(span_of(name), wire), 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights_are_chances),
        cmocka_unit_test(test_priorities_come_first),
        cmocka_unit_test(test_every_one_is_there_once),
        cmocka_unit_test(test_too_many_lose_the_worst),
        cmocka_unit_test(test_bad_records_are_passed_over),
        cmocka_unit_test(test_names_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
