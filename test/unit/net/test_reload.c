/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A new configuration: what is refused, and that nothing of it has been taken then.
 */
#include "kit.h"

/* What needs a restart is refused, not ignored. */
static void test_fixed(void **state)
{
    static const char *const fixed[] = {
        "[net]\nlisten = 127.0.0.1:6270\n",  "[net]\ncontrol = /elsewhere\n",
        "[router]\naddress = 127.0.0.1:1\n", "[router]\ntls_ca = /elsewhere\n",
        "[dns]\nresolv_conf = /elsewhere\n", "[dns]\ntrust_anchor = /elsewhere\n",
    };
    (void)state;
    world_start("");
    const struct daemon before = w.a.daemon;
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
        char error[CONF_ERROR_MAX];
        side_load(&w.a, fixed[i]);
        void *conf = (void *)(uintptr_t)w.a.daemon.conf;
        if (net_reload(w.a.net, conf, error) || !strstr(error, " cannot change while running"))
            fail_msg("taken: %s", fixed[i]);
        conf_free(&net_conf_spec, &conf);
    }
    w.a.daemon = before;
    world_end();
}

/* What is refused for its table leaves what is shown to others as it was, too. */
static void test_refused_whole(void **state)
{
    char error[CONF_ERROR_MAX];
    (void)state;
    world_start("");
    struct net *n = w.a.net;
    const struct tls_ctx *in = n->tls_in, *out = n->tls_out;
    const struct servers *servers = n->servers;
    const struct net_conf *conf = n->conf;
    const struct daemon before = w.a.daemon;
    snprintf(n->fingerprint, sizeof n->fingerprint, KEY_A);
    write_table(&w.a, "nonsense\n");
    side_load(&w.a, "");
    void *next = (void *)(uintptr_t)w.a.daemon.conf;
    assert_false(net_reload(n, next, error));
    assert_non_null(strstr(error, w.a.table));
    assert_true(n->tls_in == in && n->tls_out == out && n->servers == servers && n->conf == conf);
    assert_string_equal(n->fingerprint, KEY_A);

    write_table(&w.a, TABLE);
    if (!net_reload(n, next, error))
        fail_msg("%s", error);
    assert_true(n->tls_in != in && n->tls_out != out && n->servers != servers && n->conf == next);
    void *old = (void *)(uintptr_t)before.conf;
    conf_free(&net_conf_spec, &old);
    live(2000);
    expect_up();
    world_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_refused_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
