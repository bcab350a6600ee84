/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What of a pair has arrived: by XEP-0198, by pings, or by time.
 */
#include "far.h"

/* --- acknowledgements by XEP-0198 ------------------------------------------------------------- */

static void test_acks(void **state)
{
    struct house *h = house_new("");
    (void)state;
    far_up(h, OFFER_SM);
    assert_true(the_pair(h)->has_acks);
    wire_expect_not(h->dialled, R);
    pass(h, 900);
    wire_expect_not(h->dialled, R);
    pass(h, 200);
    wire_expect(h->dialled, R); /* after a second of quiet */
    assert_int_equal(queued(h), 1);
    wire_say(h->dialled, A("1"));
    assert_int_equal(queued(h), 0);
    for (unsigned i = 1; i < 5; i++)
        send_one(h, i);
    wire_expect_not(h->dialled, R);
    send_one(h, 5);
    wire_expect(h->dialled, R); /* at once after five */
    wire_say(h->dialled, A("3"));
    assert_int_equal(queued(h), 3);
    pass(h, 1100);
    wire_expect(h->dialled, R);
    wire_say(h->dialled, A("6"));
    assert_int_equal(queued(h), 0);
    pass(h, 70000); /* nothing more is asked */
    wire_expect_not(h->dialled, R);
    assert_false(h->dialled->is_closed);
    house_free(h);
}

static void test_resent(void **state)
{
    struct house *h = house_new("");
    (void)state;
    far_up(h, OFFER_SM);
    for (unsigned i = 1; i < 6; i++)
        send_one(h, i);
    expect_messages(h->dialled, 0, 6);
    wire_say(h->dialled, A("2"));
    far_hangs_up(h);
    send_one(h, 6); /* behind those */
    pass(h, 1100);
    far_external(h, "", OFFER_SM);
    expect_messages(h->dialled, 2, 7);
    wire_say(h->dialled, A("5")); /* this stream counts afresh */
    assert_int_equal(queued(h), 0);
    house_free(h);
}

/* Of many that go at once, what has come is known on the way: a cut repeats few of them. */
static void test_asked_within(void **state)
{
    struct house *h = house_new("");
    (void)state;
    house_link(h);
    for (unsigned i = 0; i < 201; i++)
        send_one(h, i);
    far_external(h, "", OFFER_SM);
    const char *heard = wire_heard(h->dialled);
    unsigned asked = 0;
    for (; (heard = strstr(heard, R)); heard++)
        asked++;
    assert_in_range(asked, 4, 5);
    wire_say(h->dialled, A("50"));
    wire_say(h->dialled, A("100"));
    far_hangs_up(h);
    pass(h, 1100);
    far_external(h, "", OFFER_SM);
    expect_messages(h->dialled, 100, 201);
    house_free(h);
}

static void test_ack_of_too_many(void **state)
{
    struct house *h = house_new("");
    (void)state;
    far_up(h, OFFER_SM);
    wire_say(h->dialled, A("2"));
    wire_expect_end(h->dialled, "undefined-condition");
    assert_int_equal(queued(h), 1);
    house_free(h);

    h = house_new("");
    far_up(h, OFFER_SM);
    wire_say(h->dialled, A("many"));
    wire_expect_end(h->dialled, "<stream:error>");
    house_free(h);
}

static void test_silent(void **state)
{
    struct house *h = house_new("");
    (void)state;
    far_up(h, OFFER_SM);
    pass(h, 1100 + 59000);
    assert_false(h->dialled->is_closed);
    pass(h, 5000);
    assert_true(h->dialled->is_closed);
    wire_expect(h->dialled, "connection-timeout");
    assert_int_equal(queued(h), 1);
    expect_no_bounce(h);
    pass(h, 16000);
    far_external(h, "", OFFER_SM);
    expect_messages(h->dialled, 0, 1);
    house_free(h);
}

/* --- acknowledgements by a ping --------------------------------------------------------------- */

/* The id of the ping that the far server has heard. */
static const char *heard_ping(struct house *h)
{
    const char *heard = wire_heard(h->dialled);
    if (!strstr(heard, "<ping xmlns='urn:xmpp:ping'/>"))
        fail_msg("no ping: %s", heard);
    return value_after(heard, "<iq type='get'", "id");
}

/* Its answer comes over the stream that the other server opens. */
static void say_pong_from(struct wire *w, const char *from, const char *type, const char *id)
{
    char text[300];
    snprintf(text, sizeof text, "<iq type='%s' id='%s' from='%s' to='" HOST "'/>", type, id, from);
    wire_say(w, text);
}

static void say_pong(struct wire *w, const char *type, const char *id)
{
    say_pong_from(w, PEER, type, id);
}

static void test_ping(void **state)
{
    static const char *const types[] = {"result", "error"}; /* it has read it, whatever it says */
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct house *h = house_new("");
        far_up(h, "");
        struct wire *back = peer_proved(h, "");
        pass(h, 1100);
        const char *id = heard_ping(h);
        wire_heard(h->router);
        say_pong(back, types[i], "another");
        say_pong_from(back, "juliet@" PEER, types[i], id);
        assert_int_equal(queued(h), 1);
        wire_heard(h->router);
        send_one(h, 1); /* after the ping: not answered by it */
        say_pong(back, types[i], id);
        assert_int_equal(queued(h), 1);
        wire_expect_not(h->router, id); /* it was ours */
        pass(h, 1100);
        say_pong(back, types[i], heard_ping(h));
        assert_int_equal(queued(h), 0);
        pass(h, 5000);
        wire_expect_not(h->dialled, "<ping");
        wire_free(&back);
        house_free(h);
    }
}

static void test_lost_before_the_pong(void **state)
{
    struct house *h = house_new("");
    (void)state;
    far_up(h, "");
    pass(h, 1100);
    heard_ping(h);
    far_hangs_up(h);
    pass(h, 16000);
    far_external(h, "", "");
    expect_messages(h->dialled, 0, 1);
    house_free(h);
}

static void test_no_pong(void **state)
{
    struct house *h = house_new("");
    (void)state;
    far_up(h, "");
    pass(h, 1100 + 59000);
    heard_ping(h);
    assert_int_equal(queued(h), 1);
    pass(h, 2000); /* a minute without a complaint */
    assert_int_equal(queued(h), 0);
    send_one(h, 1);
    pass(h, 50000);
    wire_expect_not(h->dialled, "<ping"); /* it is not asked in vain again */
    assert_int_equal(queued(h), 1);
    pass(h, 15000);
    assert_int_equal(queued(h), 0);
    assert_false(h->dialled->is_closed);
    house_free(h);
}

/* A flood is asked for as it goes; with a peer that never answers it goes on, too. */
static void test_ping_in_a_flood(void **state)
{
    struct house *h = house_new("");
    (void)state;
    far_up(h, "");
    struct wire *back = peer_proved(h, "");
    wire_heard(h->dialled);
    for (unsigned i = 1; i < 100; i++)
        send_one(h, i);
    say_pong(back, "result", heard_ping(h));
    assert_int_equal(queued(h), 0);
    wire_free(&back);
    house_free(h);

    h = house_new("[limits]\nqueue = 100\n");
    far_up(h, "");
    pass(h, 62000);
    assert_true(the_pair(h)->is_mute);
    wire_heard(h->dialled);
    for (unsigned i = 1; i < 500; i++)
        send_one(h, i);
    expect_messages(h->dialled, 1, 500);
    assert_true(queued(h) >= 25 && queued(h) <= 50);
    pass(h, 70000);
    assert_int_equal(queued(h), 0);
    house_free(h);
}

/* A pong that nobody has waited for changes nothing, before a stream as after it. */
static void test_stray_pong(void **state)
{
    struct house *h = house_new("");
    (void)state;
    house_link(h);
    send_one(h, 0);
    struct wire *back = peer_proved(h, "");
    say_pong(back, "result", "");
    assert_int_equal(queued(h), 1);
    wire_free(&back);
    house_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acks),
        cmocka_unit_test(test_resent),
        cmocka_unit_test(test_asked_within),
        cmocka_unit_test(test_ack_of_too_many),
        cmocka_unit_test(test_silent),
        cmocka_unit_test(test_ping),
        cmocka_unit_test(test_lost_before_the_pong),
        cmocka_unit_test(test_no_pong),
        cmocka_unit_test(test_ping_in_a_flood),
        cmocka_unit_test(test_stray_pong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
