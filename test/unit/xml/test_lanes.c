/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lanes: each run finds, at every length and place, what a look at one byte after the other finds.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "xml/lanes.h"

#include <stdlib.h>

#define LENGTH_MAX 40

static bool ends_value(unsigned char c)
{
    return c == '\'' || c == '<';
}

static bool ends_plain(unsigned char c)
{
    return ends_value(c) || c < 0x20 || c > 0x7F;
}

static bool ends_names(unsigned char c)
{
    return c < 0x20 || c > 0x7F || strchr("\"'/<>", c);
}

static const char *find(const char *p, const char *end)
{
    return lanes_find2(p, end, '\'', '<');
}

static const char *skip_plain(const char *p, const char *end)
{
    return lanes_skip_plain(p, end, '\'', '<');
}

static const char *skip_names(const char *p, const char *end)
{
    return lanes_skip_names(p, p, end);
}

/* The byte c at each place of each length; what lies behind the end must not be looked at. */
static void try_byte(const char *(*run)(const char *, const char *), unsigned char c, bool ends)
{
    for (size_t n = 1; n < LENGTH_MAX; n++) {
        for (size_t at = 0; at < n; at++) {
            char *p = mem_alloc(n);
            memset(p, 'x', n);
            p[at] = (char)c;
            assert_ptr_equal(run(p, p + n), ends ? p + at : p + n);
            p[n - 1] = '<';
            assert_ptr_equal(run(p, p + n), ends && at < n - 1 ? p + at : p + n - 1);
            free(p);
        }
    }
}

static void test_runs(void **state)
{
    static const struct {
        const char *(*run)(const char *, const char *);
        bool (*ends)(unsigned char c);
    } cases[] = {{find, ends_value}, {skip_plain, ends_plain}, {skip_names, ends_names}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (unsigned c = 0; c < 256; c++)
            try_byte(cases[i].run, (unsigned char)c, cases[i].ends((unsigned char)c));
        const char *empty = "<";
        assert_ptr_equal(cases[i].run(empty, empty), empty);
    }
}

/* The last bytes are looked at together with those before them, which may be anything. */
static void test_names_behind_others(void **state)
{
    (void)state;
    for (size_t before = 0; before < LENGTH_MAX; before++) {
        for (size_t n = 0; n < LENGTH_MAX; n++) {
            char *p = mem_alloc(before + n + 1);
            memset(p, '<', before);
            memset(p + before, 'x', n);
            const char *at = p + before, *end = at + n;
            assert_ptr_equal(lanes_skip_names(p, at, end), end);
            if (n > 0) {
                p[before + n / 2] = '>';
                assert_ptr_equal(lanes_skip_names(p, at, end), at + n / 2);
            }
            free(p);
        }
    }
}

static void test_copy(void **state)
{
    (void)state;
    for (size_t n = 0; n < LENGTH_MAX; n++) {
        char *from = mem_alloc(n + 1), *to = mem_alloc(n + 1);
        for (size_t i = 0; i < n; i++)
            from[i] = (char)('a' + i);
        to[n] = '!';
        bytes_copy(to, from, n);
        assert_memory_equal(to, from, n);
        assert_int_equal(to[n], '!');
        free(from);
        free(to);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_names_behind_others),
        cmocka_unit_test(test_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
