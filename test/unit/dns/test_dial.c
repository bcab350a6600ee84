/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_dial - from domains to targets, and what becomes of it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "dial_kit.h"

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

/* A service that knows TLS from the first byte alone: nothing else is asked for, nor tried. */
static void test_direct_only(void **state)
{
    struct dial_opts o = options();
    struct caller c;

    (void)state;
    o.service = NULL;
    o.direct_service = "xmpps-server";
    o.port = 5270;
    a(D, "8.8.8.1");
    host("8.8.8.1:5270", TAKES);
    c = dialled(&o);
    assert_true(c.is_direct);
    assert_string_equal(c.name, D ":5270");
    srv(SRVS, "0 0 443 direct." D);
    a("direct." D, "8.8.8.2");
    host("8.8.8.2:443", TAKES);
    c = dialled(&o);
    assert_string_equal(c.name, "direct." D ":443");
    /* There it says that it has none; or somebody says so who lies. */
    resolver_sim_clear(resolver, SRVS);
    srv(SRVS, "0 0 0 .");
    assert_int_equal(dialled(&o).why, DIAL_NOT_FOUND);
    resolver_sim_clear(resolver, SRVS);
    resolver_sim_status(resolver, SRVS, RESOLVE_BOGUS);
    assert_int_equal(dialled(&o).why, DIAL_TIMEOUT);
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

/* --- where nobody sends us: S11, S12 --- */

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

/* A host that did not speak to us is not asked again at its next address of the same kind. */
static void test_next_is_of_the_other_family(void **state)
{
    struct dial_opts o = options();
    struct caller c;

    (void)state;
    a(D, "8.8.8.1");
    a(D, "8.8.8.2");
    host("8.8.8.1:5269", TAKES);
    host("8.8.8.2:5269", TAKES);
    start(&c, &o);
    loop_sim_settle(loop);
    conn_abort(c.conn, 0);
    dial_next(c.dial);
    loop_sim_advance(loop, 100000);
    assert_int_equal(c.connects, 1);
    assert_int_equal(c.why, DIAL_EXHAUSTED);
    expect_tries("8.8.8.1:5269@0 ");
    end(&c);
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

static void note(struct buf *notes, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void note(struct buf *notes, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    dial_note(notes, format, args);
    va_end(args);
}

/* What is told of the connections stands behind the story, also when the dial is no more. */
static void test_notes(void **state)
{
    struct buf notes = {0}, story = {0}, whole = {0};
    struct dial_opts o = options();
    struct caller c;
    (void)state;
    note(&notes, "up to %d", 7);
    dial_write_story(NULL, &notes, &story);
    assert_string_equal(buf_z(&story), "up to 7\n");
    start(&c, &o);
    loop_sim_advance(loop, 1000);
    assert_true(dial_story(c.dial).n > 0);
    buf_append(&whole, dial_story(c.dial));
    buf_append(&whole, SPAN("up to 7\n"));
    dial_write_story(c.dial, &notes, &story);
    assert_string_equal(buf_z(&story), buf_z(&whole));
    dial_end(&c.dial, &notes);
    assert_null(c.dial);
    assert_string_equal(buf_z(&notes), buf_z(&whole));
    dial_end(&c.dial, &notes); /* without one they stay */
    assert_string_equal(buf_z(&notes), buf_z(&whole));
    for (int i = 0; i < 1000; i++)
        note(&notes, "%0200d", i);
    assert_in_range(buf_len(&notes), 6000, 7000);
    end(&c);
    buf_free(&notes);
    buf_free(&story);
    buf_free(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_first_priority_first),
        T(test_both_services_are_one_list),
        T(test_without_records_the_domain_itself),
        T(test_no_such_service),
        T(test_direct_only),
        T(test_dead_first_target),
        T(test_private_addresses_are_not_gone_to),
        T(test_ports_of_others_are_not_gone_to),
        T(test_names_of_nobody),
        T(test_static_route),
        T(test_failures_are_told_apart),
        T(test_dns_that_is_silent),
        T(test_the_whole_is_bounded),
        T(test_next_is_of_the_other_family),
        T(test_next),
        T(test_a_thousand_silent_delay_nobody),
        T(test_story),
        T(test_notes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
