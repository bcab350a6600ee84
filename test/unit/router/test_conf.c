/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * router.conf: what refuses to start, and who may be what.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "router/conf.h"

#define LONG "0123456789abcdef0123456789abcdef"

static struct router_conf *load(const char *text, mode_t mode, char error_r[CONF_ERROR_MAX])
{
    char path[] = "/tmp/router-conf-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    error_r[0] = '\0';
    struct router_conf *conf = conf_load(&router_conf_spec, path, true, error_r);
    unlink(path);
    return conf;
}

static void drop(struct router_conf *conf)
{
    void *p = conf;
    conf_free(&router_conf_spec, &p);
}

static void refuses(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"[router]\nlisten = 0.0.0.0:5347\n", "set tls_cert"},
        {"[router]\nlisten = 127.0.0.1:5347 192.0.2.1:5347\n", "set tls_cert"},
        {"[router]\ntls_cert = /x\n", "belong together"},
        {"[router]\nqueue = 1K\n", "queue"},
        {"[router]\nfoo = 1\n", "foo"},
        {"[component irc.h]\n", "secret"},
        {"[component irc.h]\nsecret =\n", "secret"},
        {"[component c2s.h]\ninternal = true\nsecret = short\n", "32 characters"},
        {"[component a.h]\nsecret = x\n[component b.h]\nsecret = x\n", "same secret"},
        {"[component IRC.h]\nsecret = x\n", "prepared"},
        {"[component a.h]\nsecret = x\nnames = B.h\n", "prepared"},
        {"[component a.h]\nsecret = x\nnames = a*b*.h\n", "prepared"},
        {"[component a.h]\nsecret = x\nnames = b.*\n", "prepared"},
        {"[component a.h]\nsecret = x\nnames = b.**\n", "prepared"},
        {"[component a.h]\nsecret = x\nnames = ***.h\n", "prepared"},
        {"[component a.h]\nsecret = x\nshared = u@h\n", "prepared"},
        {"[component c2s]\nsecret = x\nnames = ä..h\n", "prepared"},
    };
    char error[CONF_ERROR_MAX];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_null(load(cases[i].text, 0600, error));
        if (!strstr(error, cases[i].error))
            fail_msg("%s\ngave: %s", cases[i].text, error);
    }
    /* The file holds secrets (A11). */
    assert_null(load("[router]\n", 0644, error));
}

static void defaults_and_values(void **state)
{
    char error[CONF_ERROR_MAX];
    (void)state;
    struct router_conf *conf = load("[component irc.h]\nsecret = x\n"
                                    "[component c2s]\nsecret = " LONG
                                    "\nnames = c2s-*.h, c.h, **.n\n"
                                    "shared = h\ninternal = yes\n"
                                    "[component s2s.h]\nsecret = y\ndefault = yes\n",
                                    0600, error);
    assert_non_null(conf);
    assert_int_equal(conf->listen.count, 2);
    assert_int_equal(conf->queue, 16 * 1024 * 1024);
    assert_int_equal(conf->settle, 1000);
    assert_string_equal(conf->tap_file, "");
    assert_int_equal(conf->component_count, 3);
    assert_true(conf_has_default(conf));
    assert_true(conf_has_internal(conf));
    const struct component *c = conf_component(conf, SPAN("c2s"));
    assert_true(c && c->internal && !c->is_default);
    assert_true(component_may_be(c, SPAN("c2s-7.h")) && component_may_be(c, SPAN("c.h")));
    assert_false(component_may_be(c, SPAN("c2s")));
    assert_true(component_may_be(c, SPAN("a.b.n")));
    assert_true(component_may_share(c, SPAN("h")));
    assert_false(component_may_share(c, SPAN("c.h")));
    assert_ptr_equal(conf_component_for(conf, SPAN("irc.h"), NULL),
                     conf_component(conf, SPAN("irc.h")));
    assert_null(conf_component_for(conf, SPAN("h"), NULL));
    assert_true(conf_is_ours(conf, SPAN("h")) && conf_is_ours(conf, SPAN("c2s-9.h")));
    assert_false(conf_is_ours(conf, SPAN("example.org")));
    drop(conf);
}

static void patterns(void **state)
{
    static const struct {
        struct span pattern, name;
        bool matches;
    } cases[] = {
        {SPAN_INIT("a.h"), SPAN_INIT("a.h"), true},
        {SPAN_INIT("a.h"), SPAN_INIT("b.h"), false},
        {SPAN_INIT("*.h"), SPAN_INIT("a.h"), true},
        {SPAN_INIT("*.h"), SPAN_INIT("a.b.h"), false},
        {SPAN_INIT("*.h"), SPAN_INIT(".h"), false},
        {SPAN_INIT("*.h"), SPAN_INIT("h"), false},
        {SPAN_INIT("c2s-*.h"), SPAN_INIT("c2s-1.h"), true},
        {SPAN_INIT("c2s-*.h"), SPAN_INIT("c2s-.h"), false},
        {SPAN_INIT("c2s-*.h"), SPAN_INIT("c2s-1.x.h"), false},
        {SPAN_INIT("c2s-*.h"), SPAN_INIT("c2s-1.h.evil"), false},
        {SPAN_INIT("**.h"), SPAN_INIT("a.b.h"), true},
        {SPAN_INIT("**.h"), SPAN_INIT("a.h"), true},
        {SPAN_INIT("**.h"), SPAN_INIT("h"), false},
        {SPAN_INIT("**.h"), SPAN_INIT("a.h.evil"), false},
        {SPAN_INIT("ab*ba"), SPAN_INIT("aba"), false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (conf_name_matches(cases[i].pattern, cases[i].name) != cases[i].matches)
            fail_msg("%s with %s", cases[i].pattern.p, cases[i].name.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses),
        cmocka_unit_test(defaults_and_values),
        cmocka_unit_test(patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
