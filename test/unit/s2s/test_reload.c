/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A new configuration while streams are up: what it does not allow ends, the rest lives.
 */
#include "far.h"

#include "s2s/out.h"
#include "s2s/policy.h"
#include "test/unit/tls/certs.h"

#define DENIED "[domain " PEER "]\ndeny = true\n"
#define PINNED                                                                                     \
    "[domain " PEER "]\npin = "                                                                    \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"

/* As the certificates of PEER and paris.example are, a pin fits none. */
static enum tls_peer_verdict pinning_twin(const struct tls_peer_want *want)
{
    return !span_is_empty(want->pin) ? TLS_PEER_WRONG_PIN
           : house_proved            ? TLS_PEER_OK
                                     : TLS_PEER_SELF_SIGNED;
}

static void reload(struct house *h, const char *more)
{
    char error[CONF_ERROR_MAX] = "";
    void *old = (void *)(uintptr_t)h->daemon.conf;
    struct s2s_conf *conf = house_conf(more);
    if (!s2s_reload(h->s2s, conf, error))
        fail_msg("%s", error);
    h->daemon.conf = conf;
    conf_free(&s2s_conf_spec, &old);
    loop_sim_settle(h->loop);
}

/* Both directions with PEER, each on a stream of its own; one message is not acknowledged. */
static struct house *house_with_streams(struct wire **in_r)
{
    struct house *h = house_new(ANY_AUTH);
    tls_peer_twin = pinning_twin;
    far_up(h, OFFER_SM);
    expect_messages(h->dialled, 0, 1);
    *in_r = peer_proved(h, "");
    wire_heard(*in_r);
    return h;
}

static void expect_alive(struct wire *w)
{
    assert_false(w->is_closed);
    wire_expect_not(w, "</stream:stream>");
}

static void test_nothing_new(void **state)
{
    struct wire *in;
    struct house *h = house_with_streams(&in);
    (void)state;
    reload(h, ANY_AUTH "[domain paris.example]\ndeny = true\n");
    expect_alive(h->dialled);
    expect_alive(in);
    wire_free(&in);
    house_free(h);
}

static void test_denied(void **state)
{
    struct wire *in;
    struct house *h = house_with_streams(&in);
    (void)state;
    reload(h, ANY_AUTH DENIED);
    wire_expect(in, "policy-violation");
    wire_expect(h->dialled, "policy-violation");
    pass(h, 3000);
    expect_bounce(h, "<remote-server-not-found");
    assert_true(in->is_closed);
    assert_int_equal(h->dials, 1);
    assert_int_equal(queued(h), 0);
    send_one(h, 1);
    expect_bounce(h, "<remote-server-not-found");
    reload(h, ANY_AUTH); /* and allowed again */
    send_one(h, 2);
    expect_no_bounce(h);
    assert_int_equal(h->dials, 2);
    far_external(h, "", "");
    expect_messages(h->dialled, 2, 3);
    wire_free(&in);
    house_free(h);
}

/* Also by the file, whose change alone is a reason to reload; a bad one changes nothing. */
static void test_deny_file(void **state)
{
    char path[] = "/tmp/test_deny.XXXXXX", more[200], error[CONF_ERROR_MAX] = "";
    struct wire *in;
    struct house *h = house_with_streams(&in);
    int fd = mkstemp(path);
    (void)state;
    snprintf(more, sizeof more, "[policy]\nauth = dialback\ndeny_file = %s\n", path);
    reload(h, more);
    expect_alive(in);
    assert_int_equal(write(fd, "not a domain\n", 13), 13);
    void *conf = house_conf(more);
    assert_false(s2s_reload(h->s2s, conf, error));
    assert_non_null(strstr(error, ":1: is not a domain name"));
    conf_free(&s2s_conf_spec, &conf);
    expect_alive(in);
    assert_int_equal(pwrite(fd, "*.example   \n", 13, 0), 13);
    reload(h, more);
    wire_expect(in, "policy-violation");
    wire_expect(h->dialled, "policy-violation");
    close(fd);
    unlink(path);
    wire_free(&in);
    house_free(h);
}

/* What waits for the next attempt does not wait for it, nor what is on its way. */
static void test_denied_while_waiting(void **state)
{
    (void)state;
    for (int is_dialling = 0; is_dialling < 2; is_dialling++) {
        struct house *h = house_new(ANY_AUTH);
        house_link(h);
        send_one(h, 0);
        if (!is_dialling)
            far_hangs_up(h);
        assert_int_equal(the_pair(h)->state, is_dialling ? PAIR_CONNECTING : PAIR_WAITING);
        reload(h, ANY_AUTH DENIED);
        pass(h, is_dialling ? 3000 : 1000); /* the other side ends its stream, too */
        expect_bounce(h, "<remote-server-not-found");
        assert_int_equal(h->dials, 1);
        house_free(h);
    }
}

/* The way is good, but not for certain enough: it is looked at again from the start. */
static void test_stricter(void **state)
{
    static const char *const rules[] = {PINNED, "[domain " PEER "]\nauth = certificate\n"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        char more[300];
        struct house *h = house_new(ANY_AUTH);
        tls_peer_twin = pinning_twin;
        house_link(h);
        send_one(h, 0);
        far_accepts(h);
        wire_say(h->dialled, RESULT("valid"));
        expect_messages(h->dialled, 0, 1);
        struct wire *other = peer_new(h, 0, true);
        house_proved = "paris.example";
        wire_say(other, OPEN_FROM("paris.example"));
        wire_say(other, EXTERNAL);
        wire_say(other, OPEN_FROM("paris.example"));
        wire_expect(other, "<success");
        house_proved = NULL;
        snprintf(more, sizeof more, ANY_AUTH "%s", rules[i]);
        reload(h, more);
        wire_expect(h->dialled, "<reset ");
        expect_alive(other);
        pass(h, 30000);
        expect_no_bounce(h);
        assert_true(h->dials > 1); /* what was not acknowledged is to go again */
        assert_int_equal(queued(h), 1);
        wire_free(&other);
        house_free(h);
    }
}

static void test_stricter_for_who_comes(void **state)
{
    struct wire *in;
    struct house *h = house_with_streams(&in);
    (void)state;
    reload(h, ANY_AUTH PINNED);
    wire_expect(in, "<reset ");
    wire_expect(h->dialled, "<reset ");
    wire_free(&in);
    house_free(h);
}

/* What needs a restart is refused, not ignored. */
static void test_fixed(void **state)
{
    static const char *const fixed[] = {
        "[s2s]\nlisten = 127.0.0.1:6269\n",  "[s2s]\nlisten_tls = 127.0.0.1:6270\n",
        "[s2s]\ncontrol = /elsewhere\n",     "[store]\npath = /elsewhere\n",
        "[router]\naddress = 127.0.0.1:1\n", "[router]\ntls_name = r.example\n",
        "[dns]\nservers = 127.0.0.1\n",      "[dns]\nhosts = /elsewhere\n",
    };
    struct house *h = house_new("");
    char error[CONF_ERROR_MAX];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
        void *conf = house_conf(fixed[i]);
        if (s2s_reload(h->s2s, conf, error) || !strstr(error, " cannot change while running"))
            fail_msg("taken: %s", fixed[i]);
        conf_free(&s2s_conf_spec, &conf);
    }
    house_free(h);
}

/* Certificates are real here, and so is the loop. */
static struct s2s_conf *conf_with_files(const char *cert, const char *more)
{
    char text[1024];
    snprintf(text, sizeof text,
             "[store]\npath = %s/s2s.db\n[s2s]\nservers = %s/servers\ncert = %s\nkey = %s\n"
             "ca = %s\n%s",
             certs_dir, certs_dir, cert, certs_path("good", ".key"),
             certs_path("good", ".crt"), more);
    return house_conf(text);
}

/* What is refused for one file has not been taken by halves, whichever file it is. */
static void test_refused_whole(void **state)
{
    char error[CONF_ERROR_MAX] = "", more[300];
    (void)state;
    certs_begin();
    certs_make(&(struct cert_opts){.name = "good", .dns = HOST, .ends = 3600});
    certs_write(certs_path("deny", ""), PEER "\n", strlen(PEER "\n"), 0600);
    snprintf(more, sizeof more, "[policy]\ndeny_file = %s\n", certs_path("deny", ""));
    void *conf = conf_with_files(certs_path("good", ".crt"), "");
    struct daemon daemon = {.loop = loop_new(), .instance = "s2s", .conf = conf};
    s2s_test_resolver = resolver_new_sim(daemon.loop);
    struct s2s *s = s2s_new(&daemon, error);
    if (!s)
        fail_msg("%s", error);
    struct tls_ctx *in = s->tls_in, *out = s->tls_out;
    struct servers *servers = s->servers;

    void *no_cert = conf_with_files(certs_path("none", ".crt"), more);
    assert_false(s2s_reload(s, no_cert, error));
    assert_non_null(strstr(error, "none.crt"));
    assert_false(policy_of(s, SPAN(PEER)).is_denied);
    assert_ptr_equal(s->servers, servers);

    certs_write(certs_path("servers", ""), "nonsense\n", 9, 0600);
    void *no_table = conf_with_files(certs_path("good", ".crt"), more);
    assert_false(s2s_reload(s, no_table, error));
    assert_non_null(strstr(error, "servers"));
    assert_false(policy_of(s, SPAN(PEER)).is_denied);
    assert_true(s->tls_in == in && s->tls_out == out && s->servers == servers);

    certs_write(certs_path("servers", ""), "", 0, 0600);
    void *good = conf_with_files(certs_path("good", ".crt"), more);
    if (!s2s_reload(s, good, error))
        fail_msg("%s", error);
    assert_true(policy_of(s, SPAN(PEER)).is_denied);
    assert_true(s->tls_in != in && s->tls_out != out && s->servers != servers);

    s2s_free(&s);
    resolver_free(&s2s_test_resolver);
    loop_free(&daemon.loop);
    conf_free(&s2s_conf_spec, &conf);
    conf_free(&s2s_conf_spec, &no_cert);
    conf_free(&s2s_conf_spec, &no_table);
    conf_free(&s2s_conf_spec, &good);
    unlink(certs_path("s2s", ".db"));
    unlink(certs_path("servers", ""));
    unlink(certs_path("deny", ""));
    certs_end((const char *const[]){"good"}, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_whole),
        cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_nothing_new), cmocka_unit_test(test_denied),
        cmocka_unit_test(test_deny_file),   cmocka_unit_test(test_denied_while_waiting),
        cmocka_unit_test(test_stricter),    cmocka_unit_test(test_stricter_for_who_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
