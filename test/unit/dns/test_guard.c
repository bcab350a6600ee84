/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_guard - where a stranger's DNS may send us.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "dns/guard.h"

#include <stdio.h>

/* S11 */
static void test_addresses(void **state)
{
    static const struct {
        const char *text;
        bool is_public;
    } cases[] = {
        {"8.8.8.8", true},
        {"1.1.1.1", true},
        {"0.0.0.0", false},
        {"0.1.2.3", false},
        {"9.255.255.255", true},
        {"10.0.0.1", false},
        {"10.255.255.255", false},
        {"11.0.0.0", true},
        {"100.63.255.255", true},
        {"100.64.0.1", false},
        {"100.127.255.255", false},
        {"100.128.0.0", true},
        {"127.0.0.1", false},
        {"127.255.255.254", false},
        {"169.254.169.254", false},
        {"172.15.255.255", true},
        {"172.16.0.1", false},
        {"172.31.255.255", false},
        {"172.32.0.0", true},
        {"192.0.0.8", false},
        {"192.0.2.1", false},
        {"192.88.99.1", false},
        {"192.168.1.1", false},
        {"192.167.255.255", true},
        {"198.18.0.1", false},
        {"198.19.255.255", false},
        {"198.20.0.0", true},
        {"198.51.100.7", false},
        {"203.0.113.7", false},
        {"223.255.255.255", true},
        {"224.0.0.1", false},
        {"239.1.2.3", false},
        {"240.0.0.1", false},
        {"255.255.255.255", false},
        {"[2001:4860:4860::8888]", true},
        {"[2a00:1450::1]", true},
        {"[::]", false},
        {"[::1]", false},
        {"[::127.0.0.1]", false},
        {"[::8.8.8.8]", false},
        {"[::ffff:127.0.0.1]", false},
        {"[::ffff:10.0.0.1]", false},
        {"[::ffff:169.254.169.254]", false},
        {"[::ffff:8.8.8.8]", true},
        {"[64:ff9b::10.0.0.1]", false},
        {"[64:ff9b::7f00:1]", false},
        {"[64:ff9b::8.8.8.8]", true},
        {"[64:ff9b:1::8.8.8.8]", false},
        {"[2002:7f00:1::]", false},
        {"[2002:c0a8:101::1]", false},
        {"[2002:808:808::1]", true},
        {"[2001:0:53aa:64c::1]", false},
        {"[2001:10::1]", false},
        {"[2001:db8::1]", false},
        {"[2001:db9::1]", true},
        {"[3fff::1]", false},
        {"[3ffe::1]", false},
        {"[fc00::1]", false},
        {"[fd12:3456::1]", false},
        {"[fe80::1]", false},
        {"[fec0::1]", false},
        {"[ff02::1]", false},
        {"[100::1]", false},
        {"[4000::1]", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[80];
        struct addr a;
        snprintf(text, sizeof(text), "%s:5269", cases[i].text);
        assert_int_equal(addr_parse(span_of(text), &a), 0);
        if (guard_is_public(&a) != cases[i].is_public)
            fail_msg("%s", cases[i].text);
    }
    struct addr path;
    assert_int_equal(addr_parse(SPAN("unix:/run/x"), &path), 0);
    assert_false(guard_is_public(&path));
}

static void test_ports(void **state)
{
    static const uint16_t good[] = {80, 443, 5222, 5223, 5269, 5270, 8080, 15269, 65535};
    static const uint16_t bad[] = {0,   1,    21,   22,   23,   25,   53,   110,  143,  445,
                                   587, 1023, 3306, 5038, 5347, 5432, 6379, 9200, 11211};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!guard_is_port_sane(good[i]))
            fail_msg("%u", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (guard_is_port_sane(bad[i]))
            fail_msg("%u", bad[i]);
}

/* S12 */
static void test_domains(void **state)
{
    static const struct {
        const char *domain;
        bool is_sane;
    } cases[] = {
        {"example.org", true},
        {"chat.example.org", true},
        {"xn--bcher-kva.example", true},
        {"1.2.3.4.example", true},
        {"a.0xg", true},
        {"b\xC3\xBC"
         "cher.example",
         true},
        {"", false},
        {"localhost", false},
        {"LocalHost", false},
        {"a.localhost", false},
        {"localhost.localdomain", false},
        {"example", false},
        {"router", false},
        {"192.0.2.1", false},
        {"127.1", false},
        {"2130706433", false},
        {"0x7f.0.0.0x1", false},
        {"a.0X7F", false},
        {"[::1]", false},
        {"::1", false},
        {"a..b", false},
        {".a.b", false},
        {"a.b.", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (guard_is_domain_sane(span_of(cases[i].domain)) != cases[i].is_sane)
            fail_msg("%s", cases[i].domain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_domains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
