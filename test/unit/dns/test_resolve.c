/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_resolve - both resolvers: the twin on virtual time, libunbound against a name server that
 * runs on a thread of the test, on the loopback.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "nameserver.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "dns/resolve.h"
#include "dns/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct loop *loop;
static struct resolver *resolver;

/* One question and what was answered. */
struct asker {
    struct resolve_query query;
    int answers;
    enum resolve_status status;
    bool is_secure;
    uint32_t ttl;
    size_t count;
    struct buf data; /* all records, in hex, a blank after each */
    struct asker *cancels, *asks;
};
static size_t awaited;

static int compare(const void *a, const void *b)
{
    const struct span *x = a, *y = b;

    return x->n == y->n ? memcmp(x->p, y->p, x->n) : x->n < y->n ? -1 : 1;
}

/* In order: libunbound gives them in turns. */
static void note_data(struct buf *data, const struct resolve_answer *answer)
{
    struct span sorted[64];

    memcpy(sorted, answer->data, answer->count * sizeof(sorted[0]));
    qsort(sorted, answer->count, sizeof(sorted[0]), compare);
    buf_clear(data);
    for (size_t i = 0; i < answer->count; i++) {
        for (size_t j = 0; j < sorted[i].n; j++)
            buf_printf(data, "%02x", (unsigned char)sorted[i].p[j]);
        buf_append_char(data, ' ');
    }
}

static void on_answer(void *ctx, const struct resolve_answer *answer)
{
    struct asker *it = ctx;

    it->answers++;
    it->status = answer->status;
    it->is_secure = answer->is_secure;
    it->ttl = answer->ttl;
    it->count = answer->count;
    if (answer->count)
        note_data(&it->data, answer);
    assert_null(it->query.resolver);
    if (it->cancels)
        resolve_cancel(&it->cancels->query);
    if (--awaited == 0 && !loop_is_sim(loop))
        loop_stop(loop);
}

static void ask(struct asker *it, enum resolve_kind kind, const char *name)
{
    awaited++;
    resolve_ask(resolver, &it->query, kind, span_of(name), on_answer, it);
    assert_int_equal(it->answers, 0);
    assert_non_null(it->query.resolver);
}

/* Asks, waits for the answer; the caller frees data. */
static struct asker answered(enum resolve_kind kind, const char *name)
{
    struct asker it = {0};

    ask(&it, kind, name);
    if (loop_is_sim(loop))
        loop_sim_advance(loop, 60000);
    else
        loop_run(loop);
    assert_int_equal(it.answers, 1);
    return it;
}

static void expect(enum resolve_kind kind, const char *name, enum resolve_status status,
                   const char *data)
{
    struct asker it = answered(kind, name);

    assert_int_equal(it.status, status);
    assert_string_equal(buf_z(&it.data), data);
    buf_free(&it.data);
}

/* --- the twin --- */

static int set_up_sim(void **state)
{
    (void)state;
    awaited = 0;
    loop = loop_new_sim();
    resolver = resolver_new_sim(loop);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    resolver_free(&resolver);
    loop_free(&loop);
    return 0;
}

static void test_twin_answers_from_its_zones(void **state)
{
    (void)state;
    resolver_sim_add(resolver, RESOLVE_A, "a.example", "192.0.2.1", false);
    resolver_sim_add(resolver, RESOLVE_A, "a.example", "192.0.2.2", false);
    resolver_sim_add(resolver, RESOLVE_SRV, "_s._tcp.example", "1 2 5269 a.b.", true);
    resolver_sim_add(resolver, RESOLVE_SRV, "_no._tcp.example", "0 0 0 .", true);
    resolver_sim_add(resolver, RESOLVE_TLSA, "_5269._tcp.a.example", "3 1 1 00ff10", true);
    expect(RESOLVE_A, "a.example", RESOLVE_FOUND, "c0000201 c0000202 ");
    expect(RESOLVE_AAAA, "a.example", RESOLVE_NO_DATA, "");
    expect(RESOLVE_A, "b.example", RESOLVE_NO_NAME, "");
    expect(RESOLVE_SRV, "_s._tcp.example", RESOLVE_FOUND,
           "00010002149501610162"
           "00 ");
    expect(RESOLVE_SRV, "_no._tcp.example", RESOLVE_FOUND, "00000000000000 ");
    expect(RESOLVE_TLSA, "_5269._tcp.a.example", RESOLVE_FOUND, "03010100ff10 ");
    resolver_sim_status(resolver, "a.example", RESOLVE_BOGUS);
    expect(RESOLVE_A, "a.example", RESOLVE_BOGUS, "");
    resolver_sim_clear(resolver, "a.example");
    expect(RESOLVE_A, "a.example", RESOLVE_NO_NAME, "");
    assert_int_equal(resolver_sim_asked(resolver), 8);
}

static void test_twin_says_what_is_signed(void **state)
{
    struct asker it;

    (void)state;
    resolver_sim_add(resolver, RESOLVE_A, "signed.example", "192.0.2.1", true);
    resolver_sim_add(resolver, RESOLVE_A, "plain.example", "192.0.2.1", false);
    it = answered(RESOLVE_A, "signed.example");
    assert_true(it.is_secure);
    buf_free(&it.data);
    it = answered(RESOLVE_AAAA, "signed.example");
    assert_true(it.is_secure);
    it = answered(RESOLVE_A, "plain.example");
    assert_false(it.is_secure);
    buf_free(&it.data);
}

static void test_a_question_has_ten_seconds(void **state)
{
    struct asker slow = {0}, slower = {0};

    (void)state;
    resolver_sim_add(resolver, RESOLVE_A, "slow.example", "192.0.2.1", false);
    resolver_sim_add(resolver, RESOLVE_A, "slower.example", "192.0.2.1", false);
    resolver_sim_delay(resolver, "slow.example", RESOLVE_TIMEOUT_MS - 1);
    resolver_sim_delay(resolver, "slower.example", RESOLVE_TIMEOUT_MS + 1);
    ask(&slow, RESOLVE_A, "slow.example");
    ask(&slower, RESOLVE_A, "slower.example");
    loop_sim_advance(loop, RESOLVE_TIMEOUT_MS - 2);
    assert_int_equal(slow.answers + slower.answers, 0);
    loop_sim_advance(loop, 1);
    assert_int_equal(slow.status, RESOLVE_FOUND);
    assert_int_equal(slow.answers, 1);
    loop_sim_advance(loop, 1);
    assert_int_equal(slower.status, RESOLVE_FAILED);
    loop_sim_advance(loop, 60000);
    assert_int_equal(slower.answers, 1);
    buf_free(&slow.data);
}

static void check_cancel(void)
{
    struct asker first = {0}, second = {0}, third = {0};

    resolve_cancel(&first.query); /* never asked */
    ask(&first, RESOLVE_A, "first.example");
    ask(&second, RESOLVE_A, "second.example");
    ask(&third, RESOLVE_A, "silent.example");
    resolve_cancel(&first.query);
    resolve_cancel(&first.query);
    second.cancels = &third;
    awaited = 1;
    if (loop_is_sim(loop))
        loop_sim_advance(loop, 60000);
    else
        loop_run(loop);
    assert_int_equal(first.answers, 0);
    assert_int_equal(second.answers, 1);
    assert_int_equal(third.answers, 0);
    /* What is under way at the end is forgotten. */
    ask(&first, RESOLVE_A, "silent.example");
    ask(&third, RESOLVE_A, "third.example");
    resolver_free(&resolver);
    assert_null(first.query.resolver);
    assert_int_equal(first.answers + third.answers, 0);
    buf_free(&second.data);
}

static void test_twin_forgets_what_is_cancelled(void **state)
{
    (void)state;
    resolver_sim_delay(resolver, "silent.example", 5000);
    check_cancel();
}

static void check_bad_names(void)
{
    char longest[DNS_NAME_MAX + 2];

    memset(longest, 'a', sizeof(longest));
    for (size_t i = 50; i < sizeof(longest) - 3; i += 51)
        longest[i] = '.';
    longest[sizeof(longest) - 1] = '\0';
    expect(RESOLVE_A, longest, RESOLVE_FAILED, "");
    expect(RESOLVE_A, "", RESOLVE_FAILED, "");
    struct asker it = {0};
    awaited++;
    resolve_ask(resolver, &it.query, RESOLVE_A, SPAN("a\0b.example"), on_answer, &it);
    if (loop_is_sim(loop))
        loop_sim_settle(loop);
    else
        loop_run(loop);
    assert_int_equal(it.status, RESOLVE_FAILED);
}

static void test_twin_refuses_bad_names(void **state)
{
    (void)state;
    check_bad_names();
}

/* --- libunbound --- */

static int set_up_unbound(void **state)
{
    char server[40], error[RESOLVE_ERROR_MAX] = "";
    const char *servers[] = {server, NULL};
    struct resolver_opts opts = {.servers = servers};

    (void)state;
    awaited = 0;
    snprintf(server, sizeof(server), "127.0.0.1@%u", nameserver_start());
    loop = loop_new();
    resolver = resolver_new(loop, &opts, error);
    assert_string_equal(error, "");
    return 0;
}

static int tear_down_unbound(void **state)
{
    tear_down(state);
    nameserver_stop();
    return 0;
}

static void test_unbound_asks_the_server(void **state)
{
    (void)state;
    expect(RESOLVE_A, "some.example", RESOLVE_FOUND, "c0000201 c0000202 ");
    expect(RESOLVE_AAAA, "some.example", RESOLVE_FOUND,
           "20010db8000000000000000000000001 20010db8000000000000000000000002 ");
    expect(RESOLVE_TLSA, "_5269._tcp.some.example", RESOLVE_FOUND, "030101aa 030101bb ");
    expect(RESOLVE_A, "none.example", RESOLVE_NO_NAME, "");
    expect(RESOLVE_A, "empty.example", RESOLVE_NO_DATA, "");
    expect(RESOLVE_A, "alias.example", RESOLVE_FOUND, "c0000201 c0000202 ");
}

static void test_unbound_gives_names_in_full(void **state)
{
    struct asker it;

    (void)state;
    /* 1 2 5269 host1.example: the server wrote a pointer for "example". */
    it = answered(RESOLVE_SRV, "_xmpp-server._tcp.example");
    assert_int_equal(it.count, 2);
    assert_non_null(strstr(buf_z(&it.data), "00010002149505686f737431076578616d706c6500 "));
    assert_int_equal(it.ttl, 60);
    assert_false(it.is_secure);
    buf_free(&it.data);
}

static void test_unbound_keeps_answers(void **state)
{
    (void)state;
    expect(RESOLVE_A, "some.example", RESOLVE_FOUND, "c0000201 c0000202 ");
    expect(RESOLVE_A, "none.example", RESOLVE_NO_NAME, "");
    unsigned asked = nameserver_asked();
    expect(RESOLVE_A, "none.example", RESOLVE_NO_NAME, "");
    struct asker it = answered(RESOLVE_A, "some.example");
    assert_int_equal(it.count, 2);
    buf_free(&it.data);
    assert_int_equal(nameserver_asked(), asked);
    resolver_flush(resolver);
    it = answered(RESOLVE_A, "some.example");
    assert_int_equal(it.count, 2);
    buf_free(&it.data);
    assert_true(nameserver_asked() > asked);
}

static void test_unbound_says_that_it_failed(void **state)
{
    (void)state;
    expect(RESOLVE_A, "broken.example", RESOLVE_FAILED, "");
}

static void test_unbound_forgets_what_is_cancelled(void **state)
{
    (void)state;
    check_cancel();
}

static void test_unbound_refuses_bad_names(void **state)
{
    (void)state;
    check_bad_names();
}

/* What is under way when the cache is forgotten is asked anew. */
static void test_unbound_flushes_under_way(void **state)
{
    struct asker a = {0}, b = {0};

    (void)state;
    ask(&a, RESOLVE_A, "some.example");
    ask(&b, RESOLVE_A, "none.example");
    resolver_flush(resolver);
    loop_run(loop);
    assert_int_equal(a.answers + b.answers, 2);
    assert_int_equal(a.status, RESOLVE_FOUND);
    assert_int_equal(b.status, RESOLVE_NO_NAME);
    buf_free(&a.data);
}

#define SILENT 1500

/* Domains whose servers say nothing, all at once, keep nobody else from being found. */
static void test_unbound_waits_for_many_at_once(void **state)
{
    static struct asker silent[SILENT];
    struct asker good = {0};
    char name[64];

    (void)state;
    for (size_t i = 0; i < SILENT; i++) {
        snprintf(name, sizeof(name), "silent.%zu.example", i);
        silent[i] = (struct asker){0};
        ask(&silent[i], RESOLVE_SRV, name);
    }
    for (int i = 0; i < 20; i++) {
        awaited = 1;
        good = (struct asker){0};
        snprintf(name, sizeof(name), "good%d.example", i);
        ask(&good, RESOLVE_A, name);
        awaited = 1;
        loop_run(loop);
        assert_int_equal(good.status, RESOLVE_FOUND);
        buf_free(&good.data);
    }
    for (size_t i = 0; i < SILENT; i++) {
        assert_int_equal(silent[i].answers, 0);
        resolve_cancel(&silent[i].query);
    }
}

static int warnings;

static void on_line(void *ctx, struct span line)
{
    (void)ctx;
    warnings += memmem(line.p, line.n, "dns.no_dnssec", 13) != NULL;
}

/* This server knows no signatures: with the root's key everything is a lie, and that is said. */
static void test_unbound_without_signatures(void **state)
{
    char server[40], error[RESOLVE_ERROR_MAX] = "";
    const char *servers[] = {server, NULL};
    struct resolver_opts opts = {.servers = servers, .trust_anchor = "/usr/share/dns/root.key"};

    (void)state;
    resolver_free(&resolver);
    snprintf(server, sizeof(server), "127.0.0.1@%u", nameserver.port);
    log_set_sink(on_line, NULL);
    resolver = resolver_new(loop, &opts, error);
    assert_string_equal(error, "");
    expect(RESOLVE_A, "some.example", RESOLVE_BOGUS, "");
    log_set_sink(NULL, NULL);
    assert_int_equal(warnings, 1);
}

/* --- what is refused at the start --- */

static void test_bad_settings_are_refused(void **state)
{
    static const char *const bad_server[] = {"ns.example", NULL};
    char bad_file[] = "/tmp/kontalk-anchor-XXXXXX";
    int fd = mkstemp(bad_file);
    const struct {
        struct resolver_opts opts;
        const char *says;
    } cases[] = {
        {{.servers = bad_server}, "DNS server ns.example"},
        {{.resolv_conf = "/nonexistent/resolv.conf"}, "/nonexistent/resolv.conf: No such file"},
        {{.hosts = "/nonexistent/hosts"}, "hosts file /nonexistent/hosts"},
        {{.trust_anchor = "/nonexistent/key"}, "trust anchor /nonexistent/key"},
        {{.trust_anchor = bad_file}, "DNS settings"},
    };
    char error[RESOLVE_ERROR_MAX];

    (void)state;
    assert_true(fd >= 0 && write(fd, "nonsense\n", 9) == 9);
    close(fd);
    loop = loop_new();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        error[0] = '\0';
        assert_null(resolver_new(loop, &cases[i].opts, error));
        if (!strstr(error, cases[i].says))
            fail_msg("case %zu says: %s", i, error);
    }
    loop_free(&loop);
    unlink(bad_file);
    /* Virtual time has no network. */
    loop = loop_new_sim();
    assert_null(resolver_new(loop, &(struct resolver_opts){0}, error));
    loop_free(&loop);
}

int main(void)
{
#define SIM(name) cmocka_unit_test_setup_teardown(name, set_up_sim, tear_down)
#define UB(name) cmocka_unit_test_setup_teardown(name, set_up_unbound, tear_down_unbound)
    const struct CMUnitTest tests[] = {
        SIM(test_twin_answers_from_its_zones),   SIM(test_twin_says_what_is_signed),
        SIM(test_a_question_has_ten_seconds),    SIM(test_twin_forgets_what_is_cancelled),
        SIM(test_twin_refuses_bad_names),        UB(test_unbound_asks_the_server),
        UB(test_unbound_gives_names_in_full),    UB(test_unbound_keeps_answers),
        UB(test_unbound_says_that_it_failed),    UB(test_unbound_forgets_what_is_cancelled),
        UB(test_unbound_refuses_bad_names),      UB(test_unbound_flushes_under_way),
        UB(test_unbound_waits_for_many_at_once),
        UB(test_unbound_without_signatures), cmocka_unit_test(test_bad_settings_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
