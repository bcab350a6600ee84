/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_dial - from domains to connections, on virtual time: a resolver with zones in memory, and
 * hosts that take a connection, refuse it or stay silent.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "dns/dial_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#define D "peer.example"
#define SRV "_xmpp-server._tcp." D
#define SRVS "_xmpps-server._tcp." D

/* Hosts: who is not here is silent. */
enum manner { SILENT, TAKES, REFUSES };
static struct host {
    char address[ADDR_TEXT_MAX];
    enum manner manner;
} hosts[32];
static size_t host_count;

static struct loop *loop;
static struct resolver *resolver;
/* What happened: "1.2.3.4:5269@50 " for each attempt, with the virtual time. */
static struct buf tries;
static uint64_t began;
static size_t conns_open;

/* One dial, and what it has been told. */
struct caller {
    struct dial *dial;
    struct conn *conn;
    char name[DNS_NAME_MAX + 1], peer[ADDR_TEXT_MAX];
    bool is_direct, is_secure;
    size_t tlsa_count, tlsa_bytes;
    int connects, failures;
    enum dial_failure why;
    uint64_t at;
};

static void host(const char *address, enum manner manner)
{
    snprintf(hosts[host_count].address, sizeof(hosts[0].address), "%s", address);
    hosts[host_count++].manner = manner;
}

static void on_end_close(void *ctx, int error, const char *reason)
{
    (void)ctx;
    (void)error;
    (void)reason;
    conns_open--;
}

static const struct conn_handler end_handler = {.on_close = on_end_close};

static struct conn *connect_host(void *ctx, const struct addr *to)
{
    char text[ADDR_TEXT_MAX];
    enum manner manner = SILENT;
    struct conn *near, *far;

    (void)ctx;
    addr_format(to, text);
    buf_printf(&tries, "%s@%u ", text, (unsigned)(loop_now(loop) - began));
    for (size_t i = 0; i < host_count; i++)
        if (strcmp(hosts[i].address, text) == 0)
            manner = hosts[i].manner;
    if (manner == SILENT)
        return NULL;
    conn_pair_fake(loop, 0, 0, &near, &far);
    conn_set_handler(far, &end_handler, NULL);
    conns_open++;
    if (manner == REFUSES)
        conn_abort(near, -ECONNREFUSED);
    return near;
}

static void on_conn_gone(void *ctx, int error, const char *reason)
{
    struct caller *c = ctx;

    (void)error;
    (void)reason;
    c->conn = NULL;
}

static const struct conn_handler caller_handler = {.on_close = on_conn_gone};

static void on_connected(void *ctx, struct conn *conn, const struct dial_target *target)
{
    struct caller *c = ctx;

    c->conn = conn;
    conn_set_handler(conn, &caller_handler, c);
    c->connects++;
    c->is_direct = target->is_direct_tls;
    c->is_secure = target->is_secure;
    c->tlsa_count = target->tlsa_count;
    c->tlsa_bytes = 0;
    for (size_t i = 0; i < target->tlsa_count; i++)
        c->tlsa_bytes += target->tlsa[i].n;
    snprintf(c->name, sizeof(c->name), "%.*s:%u", SPAN_ARG(target->name), target->port);
    c->at = loop_now(loop) - began;
}

static void on_failed(void *ctx, enum dial_failure why)
{
    struct caller *c = ctx;

    c->failures++;
    c->why = why;
    c->at = loop_now(loop) - began;
}

static const struct dial_events events = {.on_connected = on_connected, .on_failed = on_failed};

static struct dial_opts options(void)
{
    return (struct dial_opts){
        .domain = SPAN(D),
        .service = "xmpp-server",
        .direct_service = "xmpps-server",
        .port = 5269,
        .connect = connect_host,
    };
}

static void start(struct caller *c, const struct dial_opts *opts)
{
    *c = (struct caller){0};
    c->dial = dial_start(loop, resolver, opts, &events, c);
    assert_int_equal(c->connects + c->failures, 0);
}

static void end(struct caller *c)
{
    dial_free(&c->dial);
    if (c->conn)
        conn_abort(c->conn, 0);
    loop_sim_settle(loop);
}

static void expect_tries(const char *text)
{
    assert_string_equal(buf_z(&tries), text);
    buf_clear(&tries);
}

static void srv(const char *name, const char *text)
{
    resolver_sim_add(resolver, RESOLVE_SRV, name, text, false);
}

static void a(const char *name, const char *text)
{
    resolver_sim_add(resolver, RESOLVE_A, name, text, false);
}

static void aaaa(const char *name, const char *text)
{
    resolver_sim_add(resolver, RESOLVE_AAAA, name, text, false);
}

static int set_up(void **state)
{
    (void)state;
    host_count = 0;
    loop = loop_new_sim();
    resolver = resolver_new_sim(loop);
    began = loop_now(loop);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_sim_settle(loop);
    resolver_free(&resolver);
    loop_free(&loop);
    buf_free(&tries);
    assert_int_equal(conns_open, 0);
    return 0;
}

/* One dial from beginning to end, with nothing to connect to but hosts; then it is freed. */
static struct caller dialled(const struct dial_opts *opts)
{
    struct caller c;

    start(&c, opts);
    loop_sim_advance(loop, 120000);
    assert_int_equal(c.connects + c.failures, 1);
    struct caller copy = c;
    end(&c);
    copy.dial = NULL;
    copy.conn = NULL;
    return copy;
}

/* --- SRV records and what there is without --- */

static void test_first_priority_first(void **state)
{
    struct dial_opts o = options();
    struct caller c;

    (void)state;
    srv(SRV, "20 0 5269 second." D);
    srv(SRV, "10 0 5270 first." D);
    a("first." D, "8.8.8.1");
    a("second." D, "8.8.8.2");
    host("8.8.8.1:5270", TAKES);
    host("8.8.8.2:5269", TAKES);
    c = dialled(&o);
    assert_string_equal(c.name, "first." D ":5270");
    assert_false(c.is_direct);
    assert_int_equal(c.at, 0);
    expect_tries("8.8.8.1:5270@0 ");
}

static void test_both_services_are_one_list(void **state)
{
    struct dial_opts o = options();
    struct caller c;

    (void)state;
    srv(SRV, "10 0 5269 plain." D);
    srv(SRVS, "5 0 443 direct." D);
    a("plain." D, "8.8.8.1");
    a("direct." D, "8.8.8.2");
    host("8.8.8.1:5269", TAKES);
    c = dialled(&o);
    assert_string_equal(c.name, "plain." D ":5269");
    assert_int_equal(c.at, 10000);
    expect_tries("8.8.8.2:443@0 8.8.8.1:5269@10000 ");
    host("8.8.8.2:443", TAKES);
    began = loop_now(loop);
    c = dialled(&o);
    assert_string_equal(c.name, "direct." D ":443");
    assert_true(c.is_direct);
}

static void test_without_records_the_domain_itself(void **state)
{
    struct dial_opts o = options();
    struct caller c;

    (void)state;
    a(D, "8.8.8.1");
    host("8.8.8.1:5269", TAKES);
    c = dialled(&o);
    assert_string_equal(c.name, D ":5269");
    /* Nor when the DNS does not say whether there are any. */
    resolver_sim_status(resolver, SRV, RESOLVE_FAILED);
    c = dialled(&o);
    assert_int_equal(c.connects, 1);
    /* But a lie is no answer. */
    resolver_sim_status(resolver, SRV, RESOLVE_BOGUS);
    c = dialled(&o);
    assert_int_equal(c.failures, 1);
    assert_int_equal(c.why, DIAL_TIMEOUT);
}

static void test_no_such_service(void **state)
{
    struct dial_opts o = options();
    struct caller c;

    (void)state;
    a(D, "8.8.8.1");
    host("8.8.8.1:5269", TAKES);
    srv(SRV, "0 0 0 .");
    c = dialled(&o);
    assert_int_equal(c.why, DIAL_NOT_FOUND);
    expect_tries("");
    /* It may still have the other. */
    srv(SRVS, "0 0 5270 " D);
    host("8.8.8.1:5270", TAKES);
    c = dialled(&o);
    assert_true(c.is_direct);
    /* No direct TLS says nothing of STARTTLS. */
    resolver_sim_clear(resolver, SRV);
    resolver_sim_clear(resolver, SRVS);
    srv(SRVS, "0 0 0 .");
    c = dialled(&o);
    assert_string_equal(c.name, D ":5269");
}

static void test_dead_first_target(void **state)
{
    struct dial_opts o = options();
    struct caller c;

    (void)state;
    srv(SRV, "1 0 5269 none." D);
    srv(SRV, "2 0 5269 refuses." D);
    srv(SRV, "3 0 5269 silent." D);
    srv(SRV, "4 0 5269 takes." D);
    a("refuses." D, "8.8.8.1");
    a("silent." D, "8.8.8.2");
    a("takes." D, "8.8.8.3");
    host("8.8.8.1:5269", REFUSES);
    host("8.8.8.3:5269", TAKES);
    c = dialled(&o);
    assert_string_equal(c.name, "takes." D ":5269");
    expect_tries("8.8.8.1:5269@0 8.8.8.2:5269@0 8.8.8.3:5269@10000 ");
}

/* --- addresses --- */

static void test_families_take_turns(void **state)
{
    struct dial_opts o = options();
    struct caller c;

    (void)state;
    a(D, "8.8.8.1");
    a(D, "8.8.8.2");
    aaaa(D, "2a00::1");
    aaaa(D, "2a00::2");
    host("8.8.8.2:5269", TAKES);
    c = dialled(&o);
    assert_int_equal(c.at, 750);
    expect_tries("[2a00::1]:5269@0 8.8.8.1:5269@250 [2a00::2]:5269@500 8.8.8.2:5269@750 ");
    /* A refusal needs no waiting. */
    host("[2a00::1]:5269", REFUSES);
    host("8.8.8.1:5269", REFUSES);
    began = loop_now(loop);
    c = dialled(&o);
    assert_int_equal(c.at, 250);
    expect_tries("[2a00::1]:5269@0 8.8.8.1:5269@0 [2a00::2]:5269@0 8.8.8.2:5269@250 ");
}

static void test_only_ipv6(void **state)
{
    struct dial_opts o = options();
    struct caller c;

    (void)state;
    aaaa(D, "2a00::1");
    host("[2a00::1]:5269", TAKES);
    c = dialled(&o);
    assert_int_equal(c.connects, 1);
    expect_tries("[2a00::1]:5269@0 ");
}

static void test_late_ipv6_is_waited_for(void **state)
{
    struct dial_opts o = options();
    struct caller c;

    (void)state;
    a(D, "8.8.8.1");
    aaaa(D, "2a00::1");
    host("8.8.8.1:5269", TAKES);
    host("[2a00::1]:5269", TAKES);
    resolver_sim_delay_kind(resolver, D, RESOLVE_AAAA, 30);
    c = dialled(&o);
    assert_int_equal(c.at, 30);
    expect_tries("[2a00::1]:5269@30 ");
    /* But not for long. */
    resolver_sim_delay_kind(resolver, D, RESOLVE_AAAA, 3000);
    began = loop_now(loop);
    c = dialled(&o);
    assert_int_equal(c.at, DIAL_RESOLUTION_MS);
    expect_tries("8.8.8.1:5269@50 ");
    /* IPv6 alone waits for nobody. */
    resolver_sim_delay_kind(resolver, D, RESOLVE_A, 3000);
    began = loop_now(loop);
    c = dialled(&o);
    assert_int_equal(c.at, 0);
    expect_tries("[2a00::1]:5269@0 ");
    /* One that comes while the others are silent is tried, too. */
    host_count = 0;
    host("8.8.8.1:5269", TAKES);
    began = loop_now(loop);
    c = dialled(&o);
    assert_int_equal(c.at, 3000);
    expect_tries("[2a00::1]:5269@0 8.8.8.1:5269@3000 ");
}

static void test_too_many_addresses(void **state)
{
    struct dial_opts o = options();
    struct caller c;
    char text[40];
    size_t tried = 0;

    (void)state;
    for (int i = 1; i <= 20; i++) {
        snprintf(text, sizeof(text), "8.8.8.%d", i);
        a(D, text);
        snprintf(text, sizeof(text), "2a00::%d", i);
        aaaa(D, text);
    }
    c = dialled(&o);
    assert_int_equal(c.why, DIAL_TIMEOUT);
    for (const char *p = buf_z(&tries); (p = strchr(p, '@')); p++)
        tried++;
    assert_int_equal(tried, 2 * DIAL_ADDRESSES_MAX);
    /* The last begins at 3,750 ms and has its 10 s. */
    assert_int_equal(c.at, 13750);
}

/* --- where nobody sends us --- */

static void test_private_addresses_are_not_gone_to(void **state)
{
    static const char *const bad[] = {"127.0.0.1",      "10.0.0.1",    "169.254.169.254",
                                      "100.64.0.1",     "::1",         "::ffff:127.0.0.1",
                                      "fc00::1",        "fe80::1",     "64:ff9b::7f00:1",
                                      "2002:7f00:1::1", "192.168.0.1", "0.0.0.0"};
    struct dial_opts o = options();
    struct caller c;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        resolver_sim_clear(resolver, D);
        if (strchr(bad[i], ':'))
            aaaa(D, bad[i]);
        else
            a(D, bad[i]);
        c = dialled(&o);
        assert_int_equal(c.failures, 1);
        assert_int_equal(c.why, DIAL_REFUSED);
        expect_tries("");
    }
    /* One good one is enough. */
    a(D, "8.8.8.1");
    host("8.8.8.1:5269", TAKES);
    c = dialled(&o);
    assert_int_equal(c.connects, 1);
    /* Where they are allowed, they are as good as others. */
    o.allow_private = true;
    resolver_sim_clear(resolver, D);
    a(D, "127.0.0.1");
    host("127.0.0.1:5269", TAKES);
    c = dialled(&o);
    assert_int_equal(c.connects, 1);
}

static void test_ports_of_others_are_not_gone_to(void **state)
{
    static const char *const bad[] = {"22", "25", "53", "5347", "6379"};
    struct dial_opts o = options();
    struct caller c;
    char text[80];

    (void)state;
    a(D, "8.8.8.1");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        resolver_sim_clear(resolver, SRV);
        snprintf(text, sizeof(text), "1 1 %s " D, bad[i]);
        srv(SRV, text);
        c = dialled(&o);
        assert_int_equal(c.why, DIAL_REFUSED);
        expect_tries("");
    }
    srv(SRV, "2 0 5269 " D);
    host("8.8.8.1:5269", TAKES);
    c = dialled(&o);
    assert_string_equal(c.name, D ":5269");
}

static void test_names_of_nobody(void **state)
{
    static const char *const bad[] = {"localhost", "example", "192.0.2.1", "[::1]", "a.localhost"};
    struct dial_opts o = options();
    struct caller c;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        size_t asked = resolver_asked(resolver);
        o.domain = span_of(bad[i]);
        c = dialled(&o);
        assert_int_equal(c.why, DIAL_REFUSED);
        assert_int_equal(resolver_asked(resolver), asked);
    }
    /* A name that is too long for the DNS. */
    char longest[300];
    memset(longest, 'a', sizeof(longest));
    o.domain = span_make(longest, sizeof(longest));
    c = dialled(&o);
    assert_int_equal(c.why, DIAL_REFUSED);
}

static void test_static_route(void **state)
{
    struct dial_opts o = options();
    struct caller c;

    (void)state;
    srv(SRV, "1 0 5269 elsewhere." D);
    o.domain = SPAN("localhost");
    o.route_host = SPAN("127.0.0.1");
    o.route_port = 22;
    o.route_is_direct = true;
    host("127.0.0.1:22", TAKES);
    c = dialled(&o);
    assert_true(c.is_direct);
    assert_int_equal(resolver_asked(resolver), 0);
    o.route_host = SPAN("::1");
    host("[::1]:22", TAKES);
    assert_int_equal(dialled(&o).connects, 1);
    o.route_host = SPAN("[::1]");
    assert_int_equal(dialled(&o).connects, 1);
    o.route_host = SPAN("gate.example");
    a("gate.example", "10.0.0.1");
    host("10.0.0.1:22", TAKES);
    c = dialled(&o);
    assert_string_equal(c.name, "gate.example:22");
    assert_int_equal(resolver_asked(resolver), 2);
}

/* --- what becomes of it --- */

static void test_failures_are_told_apart(void **state)
{
    static const struct {
        enum resolve_status status;
        enum dial_failure why;
    } cases[] = {
        {RESOLVE_NO_NAME, DIAL_NOT_FOUND},
        {RESOLVE_NO_DATA, DIAL_NOT_FOUND},
        {RESOLVE_FAILED, DIAL_TIMEOUT},
        {RESOLVE_BOGUS, DIAL_TIMEOUT},
    };
    struct dial_opts o = options();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        resolver_sim_status(resolver, D, cases[i].status);
        assert_int_equal(dialled(&o).why, cases[i].why);
    }
    resolver_sim_clear(resolver, D);
    a(D, "8.8.8.1");
    host("8.8.8.1:5269", REFUSES);
    assert_int_equal(dialled(&o).why, DIAL_TIMEOUT);
}

static void test_dns_that_is_silent(void **state)
{
    struct dial_opts o = options();
    struct caller c;

    (void)state;
    resolver_sim_delay(resolver, SRV, 3600000);
    resolver_sim_delay(resolver, SRVS, 3600000);
    resolver_sim_delay(resolver, D, 3600000);
    c = dialled(&o);
    assert_int_equal(c.why, DIAL_TIMEOUT);
    assert_int_equal(c.at, 20000);
}

static void test_the_whole_is_bounded(void **state)
{
    struct dial_opts o = options();
    struct caller c;
    char text[80];

    (void)state;
    for (int i = 1; i <= 16; i++) {
        snprintf(text, sizeof(text), "%d 0 5269 h%d." D, i, i);
        srv(SRV, text);
        snprintf(text, sizeof(text), "h%d." D, i);
        a(text, "8.8.8.1");
    }
    c = dialled(&o);
    assert_int_equal(c.why, DIAL_TIMEOUT);
    assert_int_equal(c.at, DIAL_SEARCH_MS);
}

/* The caller is not content: what is left comes next, one of each family for each target. */
static void test_next(void **state)
{
    struct dial_opts o = options();
    struct caller c;
    static const char *const order[] = {"one." D ":5269", "one." D ":5269", "two." D ":5269"};

    (void)state;
    srv(SRV, "1 0 5269 one." D);
    srv(SRV, "2 0 5269 two." D);
    a("one." D, "8.8.8.1");
    a("one." D, "8.8.8.2");
    aaaa("one." D, "2a00::1");
    aaaa("one." D, "2a00::2");
    a("two." D, "8.8.8.3");
    host("8.8.8.1:5269", TAKES);
    host("8.8.8.2:5269", TAKES);
    host("8.8.8.3:5269", TAKES);
    host("[2a00::1]:5269", TAKES);
    host("[2a00::2]:5269", TAKES);
    start(&c, &o);
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        loop_sim_advance(loop, 100000); /* the caller may take its time */
        assert_int_equal(c.connects, i + 1);
        assert_int_equal(c.failures, 0);
        assert_string_equal(c.name, order[i]);
        conn_abort(c.conn, 0);
        dial_next(c.dial);
    }
    loop_sim_advance(loop, 100000);
    assert_int_equal(c.failures, 1);
    assert_int_equal(c.why, DIAL_EXHAUSTED);
    end(&c);
}

/* --- DANE --- */

static void test_tlsa_comes_with_the_connection(void **state)
{
    struct dial_opts o = options();
    struct caller c;

    (void)state;
    o.want_tlsa = true;
    resolver_sim_add(resolver, RESOLVE_SRV, SRV, "1 0 5269 one." D, true);
    a("one." D, "8.8.8.1");
    host("8.8.8.1:5269", TAKES);
    resolver_sim_add(resolver, RESOLVE_TLSA, "_5269._tcp.one." D, "3 1 1 00112233", true);
    resolver_sim_add(resolver, RESOLVE_TLSA, "_5269._tcp.one." D, "2 0 1 0011", true);
    resolver_sim_delay(resolver, "_5269._tcp.one." D, 300);
    c = dialled(&o);
    assert_int_equal(c.at, 300);
    assert_true(c.is_secure);
    assert_int_equal(c.tlsa_count, 2);
    assert_int_equal(c.tlsa_bytes, 7 + 5);
    /* None is none, securely. */
    resolver_sim_clear(resolver, "_5269._tcp.one." D);
    c = dialled(&o);
    assert_int_equal(c.connects, 1);
    assert_int_equal(c.tlsa_count, 0);
    /* Not signed: as if there were none. */
    resolver_sim_add(resolver, RESOLVE_TLSA, "_5269._tcp.one." D, "3 1 1 00112233", false);
    assert_int_equal(dialled(&o).tlsa_count, 0);
    /* Suppressed: not that host. */
    resolver_sim_status(resolver, "_5269._tcp.one." D, RESOLVE_FAILED);
    assert_int_equal(dialled(&o).why, DIAL_TIMEOUT);
    resolver_sim_status(resolver, "_5269._tcp.one." D, RESOLVE_BOGUS);
    assert_int_equal(dialled(&o).why, DIAL_TIMEOUT);
    o.want_tlsa = false;
    assert_int_equal(dialled(&o).connects, 1);
}

static void test_no_tlsa_by_an_insecure_way(void **state)
{
    struct dial_opts o = options();
    struct caller c;

    (void)state;
    o.want_tlsa = true;
    srv(SRV, "1 0 5269 one." D);
    a("one." D, "8.8.8.1");
    host("8.8.8.1:5269", TAKES);
    resolver_sim_add(resolver, RESOLVE_TLSA, "_5269._tcp.one." D, "3 1 1 00112233", true);
    c = dialled(&o);
    assert_int_equal(c.tlsa_count, 0);
    assert_false(c.is_secure);
    assert_int_equal(resolver_asked(resolver), 4);
}

/* --- letting go --- */

/* Freed after any number of milliseconds, nothing follows and nothing is left. */
static void test_free_at_any_time(void **state)
{
    struct dial_opts o = options();

    (void)state;
    o.want_tlsa = true;
    resolver_sim_add(resolver, RESOLVE_SRV, SRV, "1 0 5269 one." D, true);
    resolver_sim_add(resolver, RESOLVE_SRV, SRV, "2 0 5269 two." D, true);
    resolver_sim_delay(resolver, SRV, 20);
    a("one." D, "8.8.8.1");
    a("one." D, "8.8.8.2");
    aaaa("one." D, "2a00::1");
    resolver_sim_delay(resolver, "one." D, 20);
    resolver_sim_delay(resolver, "_5269._tcp.one." D, 900);
    a("two." D, "8.8.8.3");
    host("8.8.8.2:5269", TAKES);
    for (uint64_t ms = 0; ms < 1000; ms += 10) {
        struct caller c;
        start(&c, &o);
        if (ms > 0)
            loop_sim_advance(loop, ms);
        end(&c);
        int told = c.connects + c.failures;
        loop_sim_advance(loop, 60000);
        assert_int_equal(c.connects + c.failures, told);
    }
    dial_free(&(struct dial *){NULL});
}

static void free_in_event(void *ctx, struct conn *conn, const struct dial_target *target)
{
    struct caller *c = ctx;

    on_connected(ctx, conn, target);
    dial_free(&c->dial);
}

static void free_in_failure(void *ctx, enum dial_failure why)
{
    struct caller *c = ctx;

    on_failed(ctx, why);
    dial_free(&c->dial);
}

static void test_free_in_an_event(void **state)
{
    static const struct dial_events freeing = {.on_connected = free_in_event,
                                               .on_failed = free_in_failure};
    struct dial_opts o = options();
    struct caller c = {0};

    (void)state;
    a(D, "8.8.8.1");
    host("8.8.8.1:5269", TAKES);
    c.dial = dial_start(loop, resolver, &o, &freeing, &c);
    loop_sim_advance(loop, 60000);
    assert_int_equal(c.connects, 1);
    assert_null(c.dial);
    end(&c);
    static const struct {
        const char *name;
        enum resolve_status status;
    } ways[] = {{D, RESOLVE_NO_NAME}, {SRV, RESOLVE_BOGUS}, {SRV, RESOLVE_FAILED}};
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        resolver_sim_status(resolver, ways[i].name, ways[i].status);
        c = (struct caller){0};
        c.dial = dial_start(loop, resolver, &o, &freeing, &c);
        loop_sim_advance(loop, 60000);
        assert_int_equal(c.failures, 1);
        assert_null(c.dial);
    }
}

/* --- many --- */

#define MANY 1000

static void test_a_thousand_silent_delay_nobody(void **state)
{
    static struct caller many[MANY];
    struct dial_opts o = options();
    struct caller good;
    char domain[64], name[128];

    (void)state;
    for (int i = 0; i < MANY; i++) {
        snprintf(domain, sizeof(domain), "d%d.example", i);
        snprintf(name, sizeof(name), "_xmpp-server._tcp.%s", domain);
        resolver_sim_delay(resolver, name, 3600000);
        resolver_sim_delay(resolver, domain, 3600000);
        o.domain = span_of(domain);
        start(&many[i], &o);
    }
    a(D, "8.8.8.1");
    host("8.8.8.1:5269", TAKES);
    o.domain = SPAN(D);
    start(&good, &o);
    loop_sim_settle(loop);
    assert_int_equal(good.connects, 1);
    assert_int_equal(good.at, 0);
    loop_sim_advance(loop, 60000);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(many[i].failures, 1);
        assert_int_equal(many[i].why, DIAL_TIMEOUT);
        end(&many[i]);
    }
    end(&good);
}

static void test_story(void **state)
{
    struct dial_opts o = options();
    struct caller c;
    char text[80];

    (void)state;
    srv(SRV, "1 0 5269 one." D);
    a("one." D, "8.8.8.1");
    a("one." D, "10.0.0.1");
    host("8.8.8.1:5269", REFUSES);
    start(&c, &o);
    loop_sim_advance(loop, 1000);
    assert_int_equal(c.failures, 1);
    static const char *const says[] = {
        "SRV _xmpp-server._tcp." D ": 1",  "SRV _xmpps-server._tcp." D ": nxdomain",
        "target one." D ":5269, STARTTLS", "AAAA one." D ": nodata",
        "10.0.0.1:5269: not gone to",      "8.8.8.1:5269: Connection refused",
    };
    struct buf story = {0};
    buf_append(&story, dial_story(c.dial));
    for (size_t i = 0; i < ARRAY_LEN(says); i++)
        if (!strstr(buf_z(&story), says[i]))
            fail_msg("%s is not in:\n%s", says[i], buf_z(&story));
    buf_free(&story);
    end(&c);
    /* However much happens, it stays short. */
    for (int i = 2; i <= 16; i++) {
        snprintf(text, sizeof(text), "%d 0 5269 one." D, i);
        srv(SRV, text);
        snprintf(text, sizeof(text), "8.8.8.%d", i);
        a("one." D, text);
        snprintf(text, sizeof(text), "8.8.8.%d:5269", i);
        host(text, REFUSES);
    }
    start(&c, &o);
    loop_sim_advance(loop, 1000);
    assert_int_equal(c.failures, 1);
    assert_in_range(dial_story(c.dial).n, 3000, DIAL_STORY_MAX);
    assert_true(span_ends(dial_story(c.dial), SPAN("...\n")));
    end(&c);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_first_priority_first),
        T(test_both_services_are_one_list),
        T(test_without_records_the_domain_itself),
        T(test_no_such_service),
        T(test_dead_first_target),
        T(test_families_take_turns),
        T(test_only_ipv6),
        T(test_late_ipv6_is_waited_for),
        T(test_too_many_addresses),
        T(test_private_addresses_are_not_gone_to),
        T(test_ports_of_others_are_not_gone_to),
        T(test_names_of_nobody),
        T(test_static_route),
        T(test_failures_are_told_apart),
        T(test_dns_that_is_silent),
        T(test_the_whole_is_bounded),
        T(test_next),
        T(test_tlsa_comes_with_the_connection),
        T(test_no_tlsa_by_an_insecure_way),
        T(test_free_at_any_time),
        T(test_free_in_an_event),
        T(test_a_thousand_silent_delay_nobody),
        T(test_story),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
