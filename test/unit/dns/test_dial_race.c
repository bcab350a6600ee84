/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_dial_race - from a target to a connection: addresses, TLSA records, and letting go.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "dial_kit.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_families_take_turns),
        T(test_only_ipv6),
        T(test_late_ipv6_is_waited_for),
        T(test_too_many_addresses),
        T(test_tlsa_comes_with_the_connection),
        T(test_no_tlsa_by_an_insecure_way),
        T(test_free_at_any_time),
        T(test_free_in_an_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
