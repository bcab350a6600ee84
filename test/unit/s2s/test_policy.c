/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * s2s.conf and the deny file: what refuses to start, and what holds for which domain.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "s2s/policy.h"
#include "s2s/s2s.h"

#define BASE                                                                                       \
    "[s2s]\nhost = prime.example\nnetwork = net.example\n"                                         \
    "[router]\nsecret = 0123456789abcdef0123456789abcdef\n"
#define PIN "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"

static void write_file(char *path, const char *text)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_true(dprintf(fd, "%s", text) >= 0);
    close(fd);
}

static struct s2s_conf *load(const char *more, char error_r[CONF_ERROR_MAX])
{
    char path[] = "/tmp/test_s2s.XXXXXX", text[4096];
    snprintf(text, sizeof text, "%s%s", BASE, more);
    write_file(path, text);
    error_r[0] = '\0';
    struct s2s_conf *conf = conf_load(&s2s_conf_spec, path, true, error_r);
    unlink(path);
    return conf;
}

static void drop(struct s2s_conf *conf)
{
    void *p = conf;
    conf_free(&s2s_conf_spec, &p);
}

static void refuses_wrong_settings(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"[s2s]\nalso = Example.org\n", "[s2s] also"},
        {"[policy]\nauth = password\n", "auth"},
        {"[policy]\nrate = 100\n", "[policy] rate"},
        {"[domain example.org]\npin = 00:11\n", "[domain example.org] pin"},
        {"[domain example.org]\npin = " PIN "0\n", "pin"},
        {"[domain example.org]\nroute = 192.0.2.1\n", "route is not HOST:PORT"},
        {"[domain example.org]\nroute = 192.0.2.1:0\n", "route is not HOST:PORT"},
        {"[domain example.org]\nroute = :5269\n", "route is not HOST:PORT"},
        {"[domain example.org]\nroute = h:65536\n", "route is not HOST:PORT"},
        {"[domain example.org]\nroute_tls = true\n", "route_tls without route"},
        {"[domain Example.org]\n", "not a domain name in lower case"},
        {"[domain *.*.org]\n", "not a domain name"},
        {"[domain example.org]\ntls = never\n", "tls"},
        {"[limits]\nqueue = 1\n", "queue"},
        {"[router]\naddress = 192.0.2.1:5347\n", "set tls = true"},
        {"[s2s]\nfoo = 1\n", "foo"},
    };
    char error[CONF_ERROR_MAX];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_null(load(cases[i].text, error));
        if (!strstr(error, cases[i].error))
            fail_msg("%s\ngave: %s", cases[i].text, error);
    }
}

static void splits_routes(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } cases[] = {
        {"host.example:5269", "host.example", 5269},
        {"192.0.2.1:1", "192.0.2.1", 1},
        {"[2001:db8::1]:65535", "2001:db8::1", 65535},
    };
    struct span host;
    uint16_t port;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(addr_split(span_of(cases[i].text), &host, &port));
        assert_true(span_is(host, span_of(cases[i].host)));
        assert_int_equal(port, cases[i].port);
    }
    assert_false(addr_split(SPAN("[]:1"), &host, &port));
    assert_false(addr_split(SPAN("[::1:1"), &host, &port));
    assert_false(addr_split(SPAN(""), &host, &port));
}

static void the_closest_section_decides(void **state)
{
    char error[CONF_ERROR_MAX];
    struct s2s s = {0};
    (void)state;
    struct s2s_conf *conf = load("[policy]\ntls = optional\nprivate = true\nrate = 8K\n"
                                 "[domain example.org]\ntls = required\npin = " PIN "\n"
                                 "[domain *.example.org]\nauth = certificate\nprivate = false\n"
                                 "[domain *.b.example.org]\nroute = h.example:5270\n"
                                 "route_tls = true\nburst = 5K\nrate = 6K\n"
                                 "[domain bad.example.org]\ndeny = true\n",
                                 error);
    assert_non_null(conf);
    s.conf = conf;

    struct s2s_policy p = policy_of(&s, SPAN("other.example"));
    assert_false(p.requires_tls || p.requires_cert || p.is_denied);
    assert_true(p.allows_private && span_is_none(p.pin) && span_is_none(p.route_host));
    assert_int_equal(p.rate, 8192);
    assert_string_equal(p.section, "policy");

    p = policy_of(&s, SPAN("example.org"));
    assert_true(p.requires_tls && !p.requires_cert && p.allows_private);
    assert_true(span_is(p.pin, SPAN(PIN)));
    assert_string_equal(p.section, "example.org");

    p = policy_of(&s, SPAN("a.example.org"));
    assert_true(!p.requires_tls && p.requires_cert && !p.allows_private && span_is_none(p.pin));

    p = policy_of(&s, SPAN("a.b.example.org"));
    assert_true(span_is(p.route_host, SPAN("h.example")) && p.route_is_direct);
    assert_int_equal(p.route_port, 5270);
    assert_int_equal(p.rate, 6144);
    assert_int_equal(p.burst, 5120);
    assert_false(p.requires_cert); /* sections do not add up */

    assert_true(policy_of(&s, SPAN("bad.example.org")).is_denied);
    assert_false(policy_of(&s, SPAN("a.bad.example.org")).is_denied);
    assert_string_equal(policy_of(&s, SPAN("notexample.org")).section, "policy");
    drop(conf);
}

static void the_deny_file(void **state)
{
    char path[] = "/tmp/test_deny.XXXXXX", more[256], error[CONF_ERROR_MAX];
    struct s2s s = {0};
    (void)state;
    write_file(path, "# nobody\nSpam.example\n\n  *.evil.example   # all of them\n");
    snprintf(more, sizeof more, "[policy]\ndeny_file = %s\n[domain fine.evil.example]\n", path);
    struct s2s_conf *conf = load(more, error);
    assert_non_null(conf);
    s.conf = conf;
    assert_true(policy_load(&s, conf, error));
    static const struct {
        const char *domain;
        bool is_denied;
    } cases[] = {
        {"spam.example", true},     {"a.spam.example", false},   {"a.evil.example", true},
        {"a.b.evil.example", true}, {"fine.evil.example", true}, {"evil.example", false},
        {"notevil.example", false}, {"example", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (policy_of(&s, span_of(cases[i].domain)).is_denied != cases[i].is_denied)
            fail_msg("%s", cases[i].domain);

    /* A bad one is refused with its line, and the old one stays. */
    FILE *file = fopen(path, "w");
    fputs("ok.example\nno domain\n", file);
    fclose(file);
    assert_false(policy_load(&s, conf, error));
    assert_non_null(strstr(error, ":2: is not a domain name"));
    assert_true(policy_of(&s, SPAN("spam.example")).is_denied);

    unlink(path);
    assert_false(policy_load(&s, conf, error));
    assert_non_null(strstr(error, "No such file"));
    policy_free(&s);
    drop(conf);
}

/* They prove who they are to kontalk-net, by keys; here a certificate would do. */
static void servers_of_the_network_are_not_federated_with(void **state)
{
    char path[] = "/tmp/test_servers.XXXXXX", more[256], error[CONF_ERROR_MAX];
    struct s2s s = {.host = SPAN("prime.example"), .network = SPAN("net.example")};
    (void)state;
    write_file(path, "beta.example 0123456789ABCDEF0123456789ABCDEF01234567 enabled\n"
                     "gamma.example 1123456789ABCDEF0123456789ABCDEF01234567 disabled\n"
                     "prime.example 2123456789ABCDEF0123456789ABCDEF01234567 enabled\n");
    snprintf(more, sizeof more, "[s2s]\nservers = %s\n[domain beta.example]\ndeny = false\n", path);
    struct s2s_conf *conf = load(more, error);
    assert_non_null(conf);
    s.conf = conf;
    assert_true(policy_load(&s, conf, error));
    assert_true(policy_of(&s, SPAN("beta.example")).is_denied);
    assert_true(policy_of(&s, SPAN("rooms.beta.example")).is_denied);
    assert_false(policy_of(&s, SPAN("gamma.example")).is_denied);
    assert_false(policy_of(&s, SPAN("example")).is_denied);
    assert_false(policy_of(&s, SPAN("notbeta.example")).is_denied);

    FILE *file = fopen(path, "a");
    fputs("delta.example nothing enabled\n", file);
    fclose(file);
    assert_false(policy_load_servers(&s, conf, error));
    assert_non_null(strstr(error, ":4: the fingerprint"));
    assert_true(policy_of(&s, SPAN("beta.example")).is_denied);

    unlink(path);
    assert_true(policy_load_servers(&s, conf, error)); /* no table: nobody */
    assert_false(policy_of(&s, SPAN("beta.example")).is_denied);
    policy_free(&s);
    drop(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_wrong_settings),
        cmocka_unit_test(splits_routes),
        cmocka_unit_test(the_closest_section_decides),
        cmocka_unit_test(the_deny_file),
        cmocka_unit_test(servers_of_the_network_are_not_federated_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
