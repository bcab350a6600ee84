/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_net_keys - the keys of the servers: whose word counts for them, and how long they are kept.
 */
#include "net_keys.h"

static struct net_identity prime, beta, other;

struct wanted {
    int count;
    char fingerprint[PGP_FINGERPRINT + 1]; /* of the key that was given; "": none */
};

static void on_key(void *ctx, const struct server_key *key)
{
    struct wanted *w = ctx;
    w->count++;
    snprintf(w->fingerprint, sizeof(w->fingerprint), "%s", key ? server_key_fingerprint(key) : "");
}

static void want(struct kit *k, const char *host, struct wanted *w)
{
    *w = (struct wanted){0};
    sm_server_key_get(k->sm, span_of(host), on_key, w);
    assert_int_equal(w->count, 0);
    kit_settle(k);
}

static const char *table(const char *fingerprint)
{
    static char text[256];
    snprintf(text, sizeof(text),
             "beta.test %s enabled\ngamma.test " NET_FINGERPRINT_GAMMA " enabled\n", fingerprint);
    return text;
}

static struct kit *begin(void)
{
    struct sm_opts opts = net_opts(NULL);
    opts.net.cert = prime.cert;
    opts.net.key = prime.key;
    return net_new(table(beta.fingerprint), &opts);
}

static void expect_key(const struct wanted *w, const char *fingerprint)
{
    assert_int_equal(w->count, 1);
    assert_string_equal(w->fingerprint, fingerprint);
}

static void test_own(void **state)
{
    (void)state;
    struct kit *k = begin();
    struct wanted w;
    want(k, "prime.test", &w);
    expect_key(&w, prime.fingerprint);
    assert_int_equal(buf_len(&k->link.out), 0);
    net_free(k);
}

static void test_asked_once_and_kept(void **state)
{
    (void)state;
    struct kit *k = begin();
    struct wanted a, b;
    want(k, "beta.test", &a);
    want(k, "beta.test", &b);
    net_answer(k, "beta.test", net_pubkey(&beta));
    expect_key(&a, beta.fingerprint);
    expect_key(&b, beta.fingerprint);
    want(k, "beta.test", &a);
    expect_key(&a, beta.fingerprint);
    EXPECT_NOT_ASKED(k, "beta.test");
    net_free(k);
}

static void test_not_the_tables(void **state)
{
    (void)state;
    const char *const answers[] = {net_pubkey(&other),
                                   "<pubkey xmlns='" NS_PUBKEY "'>%%%</pubkey>",
                                   "<pubkey xmlns='" NS_PUBKEY "'>AAAA</pubkey>",
                                   "<pubkey xmlns='" NS_PUBKEY "'/>",
                                   "<key/>",
                                   ""};
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct kit *k = begin();
        struct wanted w;
        want(k, "beta.test", &w);
        net_answer(k, "beta.test", answers[i]);
        expect_key(&w, "");
        want(k, "beta.test", &w); /* not asked again for a moment */
        expect_key(&w, "");
        EXPECT_NOT_ASKED(k, "beta.test");
        loop_sim_advance(k->loop, 10000);
        want(k, "beta.test", &w);
        net_answer(k, "beta.test", net_pubkey(&beta));
        expect_key(&w, beta.fingerprint);
        net_free(k);
    }
}

static void test_no_answer(void **state)
{
    (void)state;
    struct kit *k = begin();
    struct wanted w;
    want(k, "beta.test", &w);
    loop_sim_advance(k->loop, 5000);
    expect_key(&w, "");
    net_free(k);
}

static void test_not_asked(void **state)
{
    (void)state;
    static const char *const hosts[] = {"elsewhere.test", "net.test", "x.beta.test"};
    struct kit *k = begin();
    struct wanted w;
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        want(k, hosts[i], &w);
        expect_key(&w, "");
    }
    assert_int_equal(buf_len(&k->link.out), 0);
    kit_link_down(k);
    want(k, "beta.test", &w);
    expect_key(&w, "");
    net_free(k);
}

/* The table says which key: from the moment on that it says another. */
static void test_another_fingerprint(void **state)
{
    (void)state;
    struct kit *k = begin();
    struct wanted w;
    want(k, "beta.test", &w);
    net_answer(k, "beta.test", net_pubkey(&beta));
    net_table(k, table(other.fingerprint));
    want(k, "beta.test", &w);
    assert_int_equal(w.count, 0);
    net_answer(k, "beta.test", net_pubkey(&other));
    expect_key(&w, other.fingerprint);
    net_table(k, "gamma.test " NET_FINGERPRINT_GAMMA " enabled\n");
    want(k, "beta.test", &w);
    expect_key(&w, "");
    net_free(k);
}

/* It is judged by the table that there is when the answer comes. */
static void test_another_fingerprint_meanwhile(void **state)
{
    (void)state;
    struct kit *k = begin();
    struct wanted w;
    want(k, "beta.test", &w);
    net_table(k, table(other.fingerprint));
    net_answer(k, "beta.test", net_pubkey(&beta));
    expect_key(&w, "");
    net_free(k);
}

static void test_freed_while_it_is_asked_for(void **state)
{
    (void)state;
    struct kit *k = begin();
    struct wanted a, b = {0};
    want(k, "beta.test", &a);
    sm_server_key_get(k->sm, SPAN("prime.test"), on_key, &b);
    sm_free(&k->sm);
    loop_sim_advance(k->loop, 10000);
    assert_int_equal(a.count, 0);
    assert_int_equal(b.count, 0);
    net_free(k);
}

/* Second hand, with the signature of the user's home. */
static void test_signed_record_is_believed(void **state)
{
    (void)state;
    static const struct {
        const char *of; /* what has been signed */
        int64_t stamp;
        bool is_good;
    } cases[] = {{NULL, 1000, true}, {"another", 1000, false}, {NULL, 1001, false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct kit *k = begin();
        const char *user = net_user(k, "gamma.test", "beta.test", 0);
        char xml[4096], signed_by[4096];
        struct net_asker a = {0};
        net_ask(k, user, &a);
        snprintf(
            signed_by, sizeof(signed_by), "%s",
            net_signed_home(&beta, cases[i].of ? cases[i].of : user, "beta.test", cases[i].stamp));
        snprintf(xml, sizeof(xml),
                 "<home xmlns='" NS_NETWORK "' user='%s' host='beta.test' stamp='1000' %s", user,
                 strstr(signed_by, "proof="));
        net_answer(k, "gamma.test", xml);
        assert_int_equal(a.count, 0);
        char id[64];
        snprintf(id, sizeof(id), "%s", net_asked(k, "beta.test", "<pubkey"));
        net_reply(k, "result", id, "beta.test", net_pubkey(&beta));
        kit_settle(k);
        if (!cases[i].is_good) { /* beta itself is asked next */
            assert_int_equal(a.count, 0);
            net_answer(k, "beta.test", net_home(user, NULL, 0, true));
        }
        assert_int_equal(a.count, 1);
        assert_int_equal(a.home.kind, cases[i].is_good ? SM_HOME_AT : SM_HOME_NOBODY);
        assert_string_equal(a.host, cases[i].is_good ? "beta.test" : "");
        net_free(k);
    }
}

/* A user whose account here has gone: our own signature is of the past. */
static void test_own_record_is_not_believed(void **state)
{
    (void)state;
    struct kit *k = begin();
    const char *user = net_user(k, "gamma.test", "beta.test", 0);
    struct net_asker a = {0};
    net_ask(k, user, &a);
    net_answer(k, "gamma.test", net_signed_home(&prime, user, "prime.test", 1000));
    assert_int_equal(a.count, 0);
    net_answer(k, "beta.test", net_home(user, NULL, 0, true));
    assert_int_equal(a.count, 1);
    assert_int_equal(a.home.kind, SM_HOME_NOBODY);
    net_free(k);
}

static int make_all(void **state)
{
    (void)state;
    net_identity_make(&prime, "prime.test");
    net_identity_make(&beta, "beta.test");
    net_identity_make(&other, "beta.test");
    return 0;
}

static int free_all(void **state)
{
    (void)state;
    net_identity_free(&prime);
    net_identity_free(&beta);
    net_identity_free(&other);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own),
        cmocka_unit_test(test_asked_once_and_kept),
        cmocka_unit_test(test_not_the_tables),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_not_asked),
        cmocka_unit_test(test_another_fingerprint),
        cmocka_unit_test(test_another_fingerprint_meanwhile),
        cmocka_unit_test(test_freed_while_it_is_asked_for),
        cmocka_unit_test(test_signed_record_is_believed),
        cmocka_unit_test(test_own_record_is_not_believed),
    };
    return cmocka_run_group_tests(tests, make_all, free_all);
}
