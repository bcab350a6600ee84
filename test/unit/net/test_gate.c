/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a server of the network may say to beta.n once it has proved to be prime.n: whose addresses,
 * what is taken out, what it may pass on, and what ends its stream.
 */
#include "kit.h"

static struct end e;

#define MESSAGE(from, to) "<message from='" from "' to='" to "' id='m'><body>hi</body></message>"
#define RELAY(inner) "<relay xmlns='" NS_NET "'>" inner "</relay>"
#define SERVER "xmlns='jabber:server' "
#define PASSED(from, to)                                                                           \
    RELAY("<message " SERVER "from='" from "' to='" to "'><body>hi</body></message>")

/* prime.n's stream is up; table is that of beta.n. */
static void begin_with(const char *table, const char *conf, size_t chunk)
{
    world_prepare();
    side_load(&w.a, "");
    side_load(&w.b, conf);
    write_table(&w.b, table);
    w.a.is_down = true;
    side_start(&w.b);
    stranger_new(&w.b, &e, chunk);
    say(&e, OPEN("prime.n", "beta.n"));
    say(&e, ENABLE);
    assert_true(is_up(&w.b));
    expect(&e, "<routes xmlns='" NS_NET "'/>");
    heard(&w.b.router);
}

static void begin(void)
{
    begin_with(TABLE "gamma.n " KEY_C " enabled\nsub.prime.n " KEY_C " disabled\n", "", 0);
}

static void finish(void)
{
    end_free(&e);
    world_end();
}

/* --- whose addresses -------------------------------------------------------------------------- */

static void test_addresses(void **state)
{
    static const struct {
        const char *from, *to, *result; /* NULL: the router hears it */
    } cases[] = {
        {"a@prime.n/r", "b@beta.n", NULL},
        {"prime.n", "beta.n", NULL},
        {"prime.n/c2s-1.prime.n", "beta.n", NULL},
        {"a@rooms.prime.n/x", "b@beta.n/y", NULL},
        {"a@prime.n", "room@rooms.beta.n", NULL},
        {"A@PRIME.n", "B@BETA.n", NULL},
        {"a@net.n", "b@beta.n", "invalid-from"},
        {"a@gamma.n", "b@beta.n", "invalid-from"},
        {"a@beta.n", "b@beta.n", "invalid-from"},
        {"a@x.beta.n", "b@beta.n", "invalid-from"},
        {"a@xprime.n", "b@beta.n", "invalid-from"},
        {"a@n", "b@beta.n", "invalid-from"},
        {"a@prime.n.example", "b@beta.n", "invalid-from"},
        {"a@sub.prime.n", "b@beta.n", "invalid-from"}, /* another server's, enabled or not */
        {"a@x.sub.prime.n", "b@beta.n", "invalid-from"},
        {"a@example.org", "b@beta.n", "invalid-from"},
        {"a@gamma.n/@prime.n", "b@beta.n", "invalid-from"},
        {"@prime.n", "b@beta.n", "improper-addressing"},
        {"a@prime.n/", "b@beta.n", "improper-addressing"},
        {"a@prime.n", "b@net.n", "host-unknown"},
        {"a@prime.n", "b@gamma.n", "host-unknown"},
        {"a@prime.n", "b@prime.n", "host-unknown"},
        {"a@prime.n", "b@xbeta.n", "host-unknown"},
        {"a@prime.n", "b@example.org", "host-unknown"},
        {"a@prime.n", "", "improper-addressing"},
        {"", "b@beta.n", "improper-addressing"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[300];
        begin();
        snprintf(text, sizeof text, MESSAGE("%s", "%s"), cases[i].from, cases[i].to);
        say(&e, text);
        if (cases[i].result) {
            expect_error(&e, cases[i].result);
            expect_not(&w.b.router, "<body>");
        } else {
            expect(&w.b.router, "<body>hi</body>");
            say(&e, R);
            expect(&e, "h='1'");
        }
        finish();
    }
}

static void test_no_addresses(void **state)
{
    static const char *const stanzas[] = {"<message to='b@beta.n'/>", "<message from='a@prime.n'/>",
                                          "<iq type='get' id='1'/>", "<presence/>"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(stanzas); i++) {
        begin();
        say(&e, stanzas[i]);
        expect_error(&e, "improper-addressing");
        finish();
    }
}

/* A mistake of somebody there: he is told, and the link lives. */
static void test_mistyped(void **state)
{
    (void)state;
    begin();
    say(&e, "<message id='1' from='a@prime.n/r' to='b c@beta.n'><body>hi</body></message>"
            "<message type='error' from='a@prime.n/r' to='b c@beta.n'/>");
    expect(&e, "<message to='a@prime.n/r' from='beta.n' id='1' type='error'><error type='modify'>"
               "<jid-malformed");
    say(&e, MESSAGE("a@prime.n", "b@beta.n") R);
    expect(&w.b.router, "<body>hi</body>");
    expect(&e, "h='3'");
    finish();
}

/* What is complained of does not count: the sender's queue keeps it. */
static void test_refused_is_not_counted(void **state)
{
    char resume[400];
    (void)state;
    begin();
    snprintf(resume, sizeof resume, "<resume xmlns='urn:xmpp:sm:3' previd='%s' h='0'/>",
             value_after(&e, "<enabled", "id"));
    say(&e, MESSAGE("a@prime.n", "b@beta.n") MESSAGE("a@gamma.n", "b@beta.n"));
    expect_error(&e, "invalid-from");
    end_free(&e);
    stranger_new(&w.b, &e, 0);
    say(&e, OPEN("prime.n", "beta.n"));
    say(&e, resume);
    expect(&e, "<resumed");
    assert_string_equal(value_after(&e, "<resumed", "h"), "1");
    finish();
}

/* --- what may not pass ------------------------------------------------------------------------ */

static void test_stripped(void **state)
{
    static const struct {
        const char *child;
        bool stays;
    } cases[] = {
        {"<stanza-id xmlns='urn:xmpp:sid:0' by='b@beta.n' id='1'/>", false},
        {"<stanza-id xmlns='urn:xmpp:sid:0' by='b@net.n' id='1'/>", false},
        {"<stanza-id xmlns='urn:xmpp:sid:0' by='B@Beta.N' id='1'/>", false},
        {"<stanza-id xmlns='urn:xmpp:sid:0' by='rooms.prime.n' id='1'/>", true},
        {"<origin-id xmlns='urn:xmpp:sid:0' id='1'/>", true},
        {"<delay xmlns='urn:xmpp:delay' from='beta.n' stamp='2026-01-01T00:00:00Z'/>", false},
        {"<delay xmlns='urn:xmpp:delay' from='prime.n' stamp='2026-01-01T00:00:00Z'/>", true},
        {"<via xmlns='" NS_NET "' host='prime.n'/>", false},
        {"<to xmlns='" NS_NET "'/>", false},
        {"<envelope xmlns='http://kontalk.org/extensions/router'/>", false},
        {"<x xmlns='urn:example'/>", true},
    };
    (void)state;
    begin();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[400];
        snprintf(text, sizeof text,
                 "<message from='a@prime.n' to='b@beta.n'>%s<body>%zu</body></message>",
                 cases[i].child, i);
        say(&e, text);
        const char *it = heard(&w.b.router);
        size_t n = strcspn(cases[i].child, " ");
        char tag[40];
        snprintf(tag, sizeof tag, "%.*s", (int)n, cases[i].child);
        assert_non_null(strstr(it, "<body>"));
        if ((strstr(it, tag) != NULL) != cases[i].stays)
            fail_msg("%s\n   heard: %s", cases[i].child, it);
    }
    say(&e, "<message from='a@prime.n' to='b@beta.n' xmlns:q='urn:q' q:from='x'><body>z</body>"
            "</message>");
    expect_not(&w.b.router, "urn:q");
    finish();
}

static void test_error_of_error(void **state)
{
    (void)state;
    begin();
    say(&e, "<message type='error' from='a@prime.n' to='b@beta.n'><error type='wait'/>"
            "<error type='wait'/></message>" R);
    expect_not(&w.b.router, "<message");
    expect(&e, "h='1'");
    finish();
}

/* --- what is passed on ------------------------------------------------------------------------ */

static void test_relay(void **state)
{
    static const struct {
        const char *text, *result; /* NULL: the router hears it */
    } cases[] = {
        {PASSED("x@example.org/r", "b@net.n"), NULL},
        {PASSED("x@example.org", "b@beta.n"), NULL},
        {PASSED("room@rooms.prime.n/nick", "b@net.n/res"), NULL},
        {"<n:relay xmlns:n='" NS_NET "'><message from='x@example.org' to='b@net.n'><body>hi</body>"
         "</message></n:relay>",
         NULL},
        {PASSED("a@prime.n", "b@net.n"), "invalid-from"},
        {PASSED("a@net.n", "b@net.n"), "invalid-from"},
        {PASSED("a@gamma.n", "b@net.n"), "invalid-from"},
        {PASSED("a@rooms.gamma.n", "b@net.n"), "invalid-from"},
        {PASSED("a@sub.prime.n", "b@net.n"), "invalid-from"},
        {PASSED("a@beta.n", "b@net.n"), "invalid-from"},
        {PASSED("a@rooms.beta.n", "b@net.n"), "invalid-from"},
        {PASSED("x@example.org", "net.n"), "host-unknown"},
        {PASSED("x@example.org", "b@gamma.n"), "host-unknown"},
        {PASSED("x@example.org", "b@example.org"), "host-unknown"},
        {PASSED("x@example.org", ""), "improper-addressing"},
        {PASSED("", "b@net.n"), "improper-addressing"},
        {PASSED("@", "b@net.n"), "improper-addressing"},
        {RELAY(""), "bad-format"},
        {RELAY("text"), "bad-format"},
        {RELAY("<message from='x@example.org' to='b@net.n'/>"), "bad-format"}, /* in NS_NET */
        {RELAY("<other " SERVER "from='x@example.org' to='b@net.n'/>"), "bad-format"},
        {RELAY("<message " SERVER "from='x@example.org' to='b@net.n'/>"
               "<message " SERVER "from='x@example.org' to='b@net.n'/>"),
         "bad-format"},
        {RELAY(PASSED("x@example.org", "b@net.n")), "bad-format"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin();
        say(&e, cases[i].text);
        if (cases[i].result) {
            expect_error(&e, cases[i].result);
            expect_not(&w.b.router, "<body>");
        } else {
            expect(&w.b.router,
                   "<body>hi</body><via xmlns='" NS_NET "' host='prime.n'/></message>");
            say(&e, R);
            expect(&e, "h='1'");
        }
        finish();
    }
}

/* Nobody else's word of having passed it on comes through, nor what is a server's of ours. */
static void test_relay_strips(void **state)
{
    (void)state;
    begin();
    say(&e, RELAY("<message " SERVER "from='x@example.org' to='b@net.n'><via xmlns='" NS_NET
                  "' host='q'/><stanza-id xmlns='urn:xmpp:sid:0' by='b@net.n' id='1'/></message>"));
    const char *it = heard(&w.b.router);
    assert_null(strstr(it, "'q'"));
    assert_null(strstr(it, "stanza-id"));
    assert_non_null(strstr(it, "host='prime.n'"));
    finish();
}

static void test_no_relay(void **state)
{
    (void)state;
    begin_with(TABLE, "[policy]\nrelay = false\n", 0);
    say(&e, PASSED("x@example.org", "b@net.n") R);
    const char *it = heard(&w.b.router);
    assert_null(strstr(it, "<body>"));
    assert_non_null(strstr(it, "type='error'"));
    assert_non_null(strstr(it, "to='x@example.org'"));
    expect(&e, "h='1'");
    finish();
}

/* --- the router is full ----------------------------------------------------------------------- */

/* 21 MB */
static void say_much(void)
{
    struct buf big = {0};
    buf_append_z(&big, "<message from='a@prime.n' to='b@beta.n' id='big'><body>");
    for (int i = 0; i < 1500000; i++)
        buf_append_char(&big, 'x');
    buf_append_z(&big, "</body></message>");
    for (int i = 0; i < 14; i++)
        say(&e, buf_z(&big));
    buf_free(&big);
}

static void begin_full(const char *conf)
{
    begin_with(TABLE, conf, 0);
    w.b.has_no_router = true;
    conn_abort(w.b.router.conn, 0);
    loop_sim_settle(w.loop);
    say_much();
}

static void test_no_room(void **state)
{
    (void)state;
    begin_full("");
    expect(&e, "<message to='a@prime.n' from='b@beta.n' id='big' type='error'><error type='wait'>"
               "<resource-constraint");
    finish();
}

/* Somebody of the peer's is told by the link, and it lives. */
static void test_no_room_to_pass_on(void **state)
{
    (void)state;
    begin_full("");
    heard(&e);
    say(&e, RELAY("<message " SERVER "from='room@rooms.prime.n/x' to='b@net.n/r' id='p'/>"));
    expect(&e, "<message to='room@rooms.prime.n/x' from='b@beta.n/r' id='p' type='error'>"
               "<error type='wait'><resource-constraint");
    assert_true(is_up(&w.b));
    finish();
}

/* The way back to others leads by the router: what it cannot take has not been taken, whatever it
 * is, and whether it would be passed on. It comes again. */
static void test_no_room_outside(void **state)
{
    static const char *const confs[] = {"", "[policy]\nrelay = false\n"};
    static const char *const stanzas[] = {
        PASSED("x@example.org", "b@net.n"),
        RELAY("<iq " SERVER "type='result' from='x@example.org' to='b@net.n' id='i'/>"),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(confs) * ARRAY_LEN(stanzas); i++) {
        const char *stanza = stanzas[i % ARRAY_LEN(stanzas)];
        char resume[400];
        bool is_answer = i % ARRAY_LEN(stanzas) == 1, is_taken = i < ARRAY_LEN(stanzas);
        begin_full(confs[i / ARRAY_LEN(stanzas)]);
        snprintf(resume, sizeof resume, "<resume xmlns='urn:xmpp:sm:3' previd='%s' h='0'/>",
                 value_after(&e, "<enabled", "id"));
        say(&e, stanza);
        expect_error(&e, "resource-constraint");
        end_free(&e);
        w.b.has_no_router = false;
        pass(3000);
        link_up(&w.b);
        pass(100);
        heard(&w.b.router);
        stranger_new(&w.b, &e, 0);
        say(&e, OPEN("prime.n", "beta.n"));
        say(&e, resume);
        expect(&e, "<resumed");
        assert_string_equal(value_after(&e, "<resumed", "h"), "14");
        say(&e, stanza);
        const char *it = heard(&w.b.router);
        assert_int_equal(strstr(it, "<via xmlns='" NS_NET "' host='prime.n'/>") != NULL, is_taken);
        assert_int_equal(strstr(it, "to='x@example.org'") != NULL, !is_taken && !is_answer);
        say(&e, R);
        expect(&e, "h='15'");
        finish();
    }
}

/* While it is there, but slow, the link waits: nothing is refused. */
static void test_slow_router(void **state)
{
    (void)state;
    begin_with(TABLE, "", 0);
    buf_clear(&w.b.router.heard);
    conn_pause(w.b.router.conn);
    say_much();
    assert_true(conn_out_len(e.conn) > 0);
    conn_resume(w.b.router.conn);
    loop_sim_settle(w.loop);
    assert_int_equal(conn_out_len(e.conn), 0);
    assert_true(buf_len(&w.b.router.heard) > 14 * 1500000);
    assert_null(strstr(buf_z(&e.heard), "type='error'"));
    finish();
}

/* --- words ------------------------------------------------------------------------------------ */

#define WORD(name, state) "<route xmlns='" NS_NET "' name='" name "' state='" state "'/>"

static void test_words(void **state)
{
    static const struct {
        const char *text, *result; /* NULL: it lives */
    } cases[] = {
        {WORD("rooms.prime.n", "up"), NULL},
        {WORD("rooms.prime.n", "down"), NULL},
        {"<route xmlns='" NS_NET "' name='rooms.prime.n' state='up' other='x'><x/></route>", NULL},
        {"<routes xmlns='" NS_NET "'/>", NULL},
        {"<news xmlns='" NS_NET "'/>", NULL}, /* of a later version */
        {WORD("prime.n", "up"), "invalid-from"},
        {WORD("beta.n", "up"), "invalid-from"},
        {WORD("rooms.beta.n", "up"), "invalid-from"},
        {WORD("gamma.n", "up"), "invalid-from"},
        {WORD("sub.prime.n", "up"), "invalid-from"},
        {WORD("net.n", "up"), "invalid-from"},
        {WORD("example.org", "up"), "invalid-from"},
        {WORD("", "up"), "bad-format"},
        {WORD("rooms.prime.n", "sideways"), "bad-format"},
        {"<route xmlns='" NS_NET "'/>", "bad-format"},
        {A("1"), "undefined-condition"},
        {A("4294967295"), "undefined-condition"},
        {A("x"), "bad-format"},
        {"<a xmlns='urn:xmpp:sm:3'/>", "bad-format"},
        {A("0") A("0"), NULL},
        {ENABLE, "not-authorized"},
        {"<x xmlns='urn:example'/>", "unsupported-stanza-type"},
        {"<message xmlns='jabber:client' from='a@prime.n' to='b@beta.n'/>", "invalid-namespace"},
        {"<!-- x -->", "restricted-xml"},
        {"<message from='a@prime.n' to='b@beta.n'><a></b></message>", "not-well-formed"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin();
        say(&e, cases[i].text);
        if (cases[i].result) {
            expect_error(&e, cases[i].result);
        } else {
            expect_not(&e, "<stream:error>");
            assert_true(is_up(&w.b));
        }
        finish();
    }
}

static void test_many_names(void **state)
{
    (void)state;
    begin();
    for (int i = 0; i < 1100; i++) {
        char text[120];
        snprintf(text, sizeof text, WORD("c%d.prime.n", "up"), i);
        say(&e, text);
    }
    assert_int_equal(peer_at(&w.b)->names.count, 1000);
    assert_true(is_up(&w.b));
    say(&e, "<routes xmlns='" NS_NET "'/>");
    assert_int_equal(peer_at(&w.b)->names.count, 1000);
    retable(&w.b, "gamma.n " KEY_C " enabled\n");
    expect(&w.b.router, "name='c7.prime.n'/>");
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),   cmocka_unit_test(test_no_addresses),
        cmocka_unit_test(test_mistyped),    cmocka_unit_test(test_refused_is_not_counted),
        cmocka_unit_test(test_stripped),    cmocka_unit_test(test_error_of_error),
        cmocka_unit_test(test_relay),       cmocka_unit_test(test_relay_strips),
        cmocka_unit_test(test_no_relay),    cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_words),       cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_slow_router), cmocka_unit_test(test_no_room_to_pass_on),
        cmocka_unit_test(test_no_room_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
