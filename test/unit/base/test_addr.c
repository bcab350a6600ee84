/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_addr - socket addresses in text, and what limits count by.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/addr.h"
#include "base/mem.h"

#include <errno.h>
#include <sys/un.h>

static const struct {
    const char *text;
    const char *printed; /* NULL: as text */
    bool is_unix, is_loopback;
    uint16_t port;
    size_t group_n;
    const char *group;
} good[] = {
    {"127.0.0.1:5347", NULL, false, true, 5347, 4, "\x7f\0\0\1"},
    {"127.9.9.9:0", NULL, false, true, 0, 4, "\x7f\x09\x09\x09"},
    {"192.0.2.7:65535", NULL, false, false, 65535, 4, "\xc0\0\2\7"},
    {"0.0.0.0:5222", NULL, false, false, 5222, 4, "\0\0\0\0"},
    {"[::1]:5269", NULL, false, true, 5269, 8, "\0\0\0\0\0\0\0\0"},
    {"[::]:5222", NULL, false, false, 5222, 8, "\0\0\0\0\0\0\0\0"},
    {"[2001:db8:1:2:3:4:5:6]:1", NULL, false, false, 1, 8, "\x20\x01\x0d\xb8\0\1\0\2"},
    {"[2001:DB8::1]:1", "[2001:db8::1]:1", false, false, 1, 8, "\x20\x01\x0d\xb8\0\0\0\0"},
    {"[::ffff:127.0.0.1]:7", NULL, false, true, 7, 4, "\x7f\0\0\1"},
    {"[::ffff:192.0.2.7]:7", NULL, false, false, 7, 4, "\xc0\0\2\7"},
    {"unix:/run/kontalk/router.sock", NULL, true, true, 0, 0, ""},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct addr a;
        char text[ADDR_TEXT_MAX];
        unsigned char group[16];

        assert_int_equal(addr_parse(span_of(good[i].text), &a), 0);
        assert_string_equal(addr_format(&a, text),
                            good[i].printed ? good[i].printed : good[i].text);
        assert_int_equal(addr_is_unix(&a), good[i].is_unix);
        assert_int_equal(addr_is_loopback(&a), good[i].is_loopback);
        assert_int_equal(addr_port(&a), good[i].port);
        assert_int_equal(addr_group(&a, group), good[i].group_n);
        assert_memory_equal(group, good[i].group, good[i].group_n);
    }
}

static void test_bad(void **state)
{
    static const char *const bad[] = {
        "",
        ":",
        "5222",
        ":5222",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1: 1",
        "127.0.0.1:1x",
        "127.1:5222",
        "localhost:5222",
        "::1:5222",
        "[::1]",
        "[::1]5222",
        "[]:5222",
        "[:5222",
        "[127.0.0.1]:1",
        "[::1%lo]:1",
        "[::g]:1",
        "unix:",
        "unix:relative",
        "256.0.0.1:1",
        "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc]:1",
    };
    struct addr a;
    char path[128] = "unix:/";

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(addr_parse(span_of(bad[i]), &a), -EINVAL);
    assert_int_equal(addr_parse(SPAN_NONE, &a), -EINVAL);
    assert_int_equal(addr_parse(SPAN("unix:/a\0b"), &a), -EINVAL);
    assert_int_equal(addr_parse(SPAN("127.0.0.1\0:1"), &a), -EINVAL);

    /* The longest path that fits has 107 bytes. */
    memset(path + 6, 'x', 107);
    assert_int_equal(addr_parse(span_make(path, 5 + 107), &a), 0);
    char text[ADDR_TEXT_MAX];
    assert_int_equal(strlen(addr_format(&a, text)), 5 + 107);
    assert_int_equal(addr_parse(span_make(path, 5 + 108), &a), -EINVAL);
}

/* As accept() returns it for a peer that has not bound its socket. */
static void test_unnamed_unix(void **state)
{
    struct addr a = {.len = sizeof(sa_family_t)};
    char text[ADDR_TEXT_MAX];
    unsigned char group[16];

    (void)state;
    a.ss.ss_family = AF_UNIX;
    memset((char *)&a.ss + sizeof(sa_family_t), 'x', 20);
    assert_string_equal(addr_format(&a, text), "unix:");
    assert_true(addr_is_loopback(&a));
    assert_int_equal(addr_group(&a, group), 0);

    struct addr none = {0};
    assert_string_equal(addr_format(&none, text), "none");
    assert_false(addr_is_loopback(&none));
    assert_int_equal(addr_group(&none, group), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_unnamed_unix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
