/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * XEP-0198 in a whole c2s: what is counted, asked, acknowledged and refused. Hibernation has a test
 * of its own.
 */
#include "managed.h"

#define FAILED(condition)                                                                          \
    "<failed xmlns='urn:xmpp:sm:3'><" condition                                                    \
    " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"
#define R "<r xmlns='urn:xmpp:sm:3'/>"
#define PING "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"

/* --- enabling --------------------------------------------------------------------------------- */

static void is_enabled_once(void **state)
{
    char id[MANAGE_ID_LEN + 1], other[MANAGE_ID_LEN + 1];
    (void)state;
    struct house *h = house_new("", no_router);
    struct wire *a = enter(h, ROMEO, "a"), *b = enter(h, ROMEO, "b");
    enable(a, id);
    enable(b, other);
    assert_int_equal(strspn(id, "0123456789abcdef"), MANAGE_ID_LEN);
    assert_string_not_equal(id, other);
    wire_say(a, "<enable xmlns='urn:xmpp:sm:3'/>");
    hear_exactly(a, FAILED("unexpected-request"));
    wire_say(a, PING);
    wire_expect(a, "type='result'"); /* it goes on */
    wire_free(&a);
    wire_free(&b);
    house_free(h);
}

static void the_client_may_want_less(void **state)
{
    static const struct {
        const char *settings, *said, *heard;
    } cases[] = {
        {"", "<enable xmlns='urn:xmpp:sm:3'/>", "<enabled xmlns='urn:xmpp:sm:3'/>"},
        {"", "<enable xmlns='urn:xmpp:sm:3' resume='false'/>", "<enabled xmlns='urn:xmpp:sm:3'/>"},
        {"", "<enable xmlns='urn:xmpp:sm:3' resume='1'/>", "resume='true' max='600'/>"},
        {"", "<enable xmlns='urn:xmpp:sm:3' resume='1' max='60'/>", "resume='true' max='60'/>"},
        {"", "<enable xmlns='urn:xmpp:sm:3' resume='1' max='0'/>", "resume='true' max='600'/>"},
        {"", "<enable xmlns='urn:xmpp:sm:3' resume='1' max='9999'/>", "resume='true' max='600'/>"},
        {"", "<enable xmlns='urn:xmpp:sm:3' resume='1' max='x'/>", "resume='true' max='600'/>"},
        {"[limits]\nresume = 0\n", "<enable xmlns='urn:xmpp:sm:3' resume='1'/>",
         "<enabled xmlns='urn:xmpp:sm:3'/>"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct house *h = house_new(cases[i].settings, no_router);
        struct wire *w = enter(h, ROMEO, "a");
        wire_say(w, cases[i].said);
        wire_expect(w, cases[i].heard);
        wire_free(&w);
        house_free(h);
    }
}

/* C17: words out of their place. The stream goes on, as XEP-0198 section 6 wishes. */
static void is_refused_out_of_order(void **state)
{
    static const char *const said[] = {
        "<enable xmlns='urn:xmpp:sm:3' resume='true'/>",
        "<resume xmlns='urn:xmpp:sm:3' previd='00000000000000000000000000000000' h='0'/>",
        R,
        "<a xmlns='urn:xmpp:sm:3' h='0'/>",
        "<none xmlns='urn:xmpp:sm:3'/>",
    };
    (void)state;
    struct house *h = house_new("", no_router);
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        struct wire *w = client_new(h);
        wire_say(w, OPEN("capulet.example"));
        wire_expect(w, "</stream:features>");
        wire_say(w, said[i]);
        hear_exactly(w, FAILED("unexpected-request"));
        wire_free(&w);

        w = arrive(h, ROMEO);
        wire_expect(w, "</stream:features>");
        if (i != 1) { /* this is the place for resuming */
            wire_say(w, said[i]);
            hear_exactly(w, FAILED("unexpected-request"));
        }
        wire_free(&w);

        w = enter(h, ROMEO, "a");
        if (i != 0) {
            wire_say(w, said[i]);
            hear_exactly(w, FAILED("unexpected-request"));
        }
        wire_free(&w);
    }
    house_free(h);
}

/* --- what it has sent ------------------------------------------------------------------------- */

static void counts_from_the_beginning(void **state)
{
    char id[MANAGE_ID_LEN + 1];
    (void)state;
    struct house *h = house_new("", no_router);
    struct wire *w = enter(h, ROMEO, "a");
    wire_say(w, PING PING);
    wire_heard(w);
    enable(w, id);
    wire_say(w, R);
    hear_exactly(w, "<a xmlns='urn:xmpp:sm:3' h='0'/>");
    wire_say(w, PING "<presence/>" PING R);
    wire_expect(w, "<a xmlns='urn:xmpp:sm:3' h='3'/>");
    /* What is answered by an error has been dealt with, and the session lives (C23). */
    wire_say(w, "<iq type='get' id='1'/><iq type='get' id='2'><x xmlns='y'/></iq>"
                "<message to='@'/><iq type='set' to='capulet.example' id='3'>"
                "<query xmlns='jabber:iq:roster'><item/></query></iq>" R);
    const char *heard = wire_heard(w);
    assert_int_equal(count_of(heard, "type='error'"), 4);
    assert_non_null(strstr(heard, "<a xmlns='urn:xmpp:sm:3' h='7'/>"));
    wire_say(w, PING);
    wire_expect(w, "type='result'");
    wire_free(&w);
    house_free(h);
}

/* Answered at once with what is safe; the rest is told when it is. */
static void acknowledges_what_is_safe(void **state)
{
    char id[MANAGE_ID_LEN + 1];
    (void)state;
    struct house *h = house_new("", no_router);
    struct wire *w = enter(h, ROMEO, "a");
    enable(w, id);
    struct link_done slow = handled_next(&seat_of_romeo(h)->handled);
    wire_say(w, "<presence/>" R);
    wire_expect(w, "<a xmlns='urn:xmpp:sm:3' h='0'/>");
    slow.call(slow.ctx, true);
    loop_sim_settle(h->loop);
    hear_exactly(w, "<a xmlns='urn:xmpp:sm:3' h='2'/>");
    wire_say(w, "<iq type='result' id='1'/>");
    loop_sim_advance(h->loop, 500);
    wire_expect_not(w, "<a "); /* nobody has asked */
    wire_free(&w);
    house_free(h);
}

/* What was under way when the count began is none of it. */
static void counts_nothing_from_before(void **state)
{
    char id[MANAGE_ID_LEN + 1];
    (void)state;
    struct house *h = house_new("", no_router);
    struct wire *w = enter(h, ROMEO, "a");
    struct link_done slow = handled_next(&seat_of_romeo(h)->handled);
    wire_say(w, PING);
    enable(w, id);
    wire_say(w, PING R);
    wire_expect(w, "<a xmlns='urn:xmpp:sm:3' h='0'/>");
    slow.call(slow.ctx, true);
    loop_sim_settle(h->loop);
    hear_exactly(w, "<a xmlns='urn:xmpp:sm:3' h='1'/>");
    wire_free(&w);
    house_free(h);
}

/* C20 */
static void a_flood_of_questions_gets_few_answers(void **state)
{
    char id[MANAGE_ID_LEN + 1];
    struct buf flood = {0};
    (void)state;
    struct house *h = house_new("", no_router);
    struct wire *w = enter(h, ROMEO, "a");
    enable(w, id);
    for (int i = 0; i < 10000; i++)
        buf_append(&flood, SPAN(R));
    wire_say(w, buf_z(&flood));
    loop_sim_advance(h->loop, 20000); /* it is read no faster than its rate */
    size_t answers = count_of(wire_heard(w), "<a ");
    assert_in_range(answers, 1, 30);
    assert_false(w->is_closed);
    buf_free(&flood);
    wire_free(&w);
    house_free(h);
}

/* --- what we have sent ------------------------------------------------------------------------ */

static void asks_after_some_or_a_while(void **state)
{
    char id[MANAGE_ID_LEN + 1];
    (void)state;
    struct house *h = house_new("", no_router);
    struct wire *a = enter(h, ROMEO, "a"), *b = enter(h, JULIET, "b");
    enable(a, id);
    wire_say(b, TO_ROMEO("1") TO_ROMEO("2") TO_ROMEO("3") TO_ROMEO("4"));
    wire_expect_not(a, R);
    wire_say(b, TO_ROMEO("5"));
    assert_int_equal(count_of(wire_heard(a), R), 1);
    wire_say(b, TO_ROMEO("6") TO_ROMEO("7") TO_ROMEO("8") TO_ROMEO("9") TO_ROMEO("10"));
    wire_expect_not(a, R); /* one question at a time */
    wire_say(a, "<a xmlns='urn:xmpp:sm:3' h='5'/>");
    assert_int_equal(count_of(wire_heard(a), R), 1);
    wire_say(a, "<a xmlns='urn:xmpp:sm:3' h='10'/>");
    loop_sim_advance(h->loop, 120000);
    hear_exactly(a, "");
    wire_say(b, TO_ROMEO("11"));
    loop_sim_advance(h->loop, 999);
    wire_expect_not(a, R);
    loop_sim_advance(h->loop, 1);
    wire_expect(a, R);
    /* An answer that covers nothing more is not asked for every second. */
    wire_say(a, "<a xmlns='urn:xmpp:sm:3' h='10'/>");
    loop_sim_advance(h->loop, 10000);
    hear_exactly(a, "");
    loop_sim_advance(h->loop, 5000);
    hear_exactly(a, R);
    wire_free(&a);
    wire_free(&b);
    house_free(h);
}

/* C19 */
static void refuses_numbers_that_cannot_be(void **state)
{
    static const struct {
        const char *attr, *heard;
    } cases[] = {
        {"h='2'", "<undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                  "<handled-count-too-high xmlns='urn:xmpp:sm:3' h='2' send-count='1'/>"
                  "</stream:error></stream:stream>"},
        {"h='4294967295'", "<handled-count-too-high"},
        {"h='-1'", "<invalid-xml"},
        {"h=''", "<invalid-xml"},
        {"h='4294967296'", "<invalid-xml"},
        {"h='one'", "<invalid-xml"},
        {"", "<invalid-xml"},
    };
    char id[MANAGE_ID_LEN + 1], said[128];
    (void)state;
    struct house *h = house_new("", no_router);
    struct wire *b = enter(h, JULIET, "b");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct wire *a = enter(h, ROMEO, "a");
        enable(a, id);
        wire_say(b, "<iq type='get' id='1' to='romeo@capulet.example/a'><x xmlns='y'/></iq>");
        wire_expect(a, "<x xmlns='y'/>");
        snprintf(said, sizeof said, "<a xmlns='urn:xmpp:sm:3' %s/>", cases[i].attr);
        wire_say(a, said);
        wire_expect_end(a, cases[i].heard);
        wire_free(&a);
    }
    wire_free(&b);
    house_free(h);
}

/* C19: 2^32 is 0, on both sides. */
static void counts_wrap(void **state)
{
    char id[MANAGE_ID_LEN + 1];
    (void)state;
    struct house *h = house_new("", no_router);
    struct wire *a = enter(h, ROMEO, "a"), *b = enter(h, JULIET, "b");
    enable(a, id);
    struct seat *seat = seat_of_romeo(h);
    seat->manage->queue.acked = UINT32_MAX - 1;
    seat->handled.h = seat->handled.given = UINT32_MAX;
    wire_say(b, TO_ROMEO("1") TO_ROMEO("2") TO_ROMEO("3"));
    wire_say(a, "<a xmlns='urn:xmpp:sm:3' h='4294967295'/>");
    assert_int_equal(seat->manage->queue.count, 2);
    wire_say(a, "<a xmlns='urn:xmpp:sm:3' h='1'/>");
    assert_int_equal(seat->manage->queue.count, 0);
    wire_heard(a);
    wire_say(a, "<presence/>" R);
    wire_expect(a, "<a xmlns='urn:xmpp:sm:3' h='0'/>");
    wire_free(&a);
    wire_free(&b);
    house_free(h);
}

/* --- who does not acknowledge ----------------------------------------------------------------- */

/* Deaf for a minute, with resumption or without. */
static void who_does_not_answer_is_given_up(void **state)
{
    char id[MANAGE_ID_LEN + 1];
    (void)state;
    struct house *h = house_new("", no_router);
    struct wire *a = enter(h, ROMEO, "a"), *b = enter(h, JULIET, "b");
    struct wire *c = enter(h, ROMEO, "c");
    enable(a, id);
    wire_say(c, "<enable xmlns='urn:xmpp:sm:3'/>");
    wire_expect(c, "<enabled");
    wire_say(b, TO_ROMEO("1"));
    wire_say(b, "<message to='romeo@capulet.example/c' id='2'><body>2</body></message>");
    loop_sim_advance(h->loop, 60999);
    assert_false(a->is_closed || c->is_closed);
    loop_sim_advance(h->loop, 1);
    wire_expect_end(a, "<connection-timeout");
    wire_expect_end(c, "<connection-timeout");
    assert_int_equal(hibernating(h), 1);
    wire_free(&a);
    a = resume(h, ROMEO, id, 0);
    wire_expect(a, "id='1'><body>hi</body></message>" R);
    wire_free(&a);
    wire_free(&b);
    wire_free(&c);
    house_free(h);
}

/* What it has said may not have been read yet when the time for its answer is over. */
static void who_is_not_read_is_not_silent(void **state)
{
    char id[MANAGE_ID_LEN + 1];
    (void)state;
    struct house *h = house_new("", no_router);
    struct wire *a = enter(h, ROMEO, "a"), *b = enter(h, JULIET, "b");
    enable(a, id);
    wire_say(b, TO_ROMEO("1"));
    loop_sim_advance(h->loop, 2000);
    struct stream *s = &seat_of_romeo(h)->client->stream;
    stream_pause(s);
    loop_sim_advance(h->loop, 58999);
    stream_resume(s);
    loop_sim_advance(h->loop, 1);
    assert_false(a->is_closed);
    loop_sim_advance(h->loop, 59999);
    assert_false(a->is_closed);
    loop_sim_advance(h->loop, 1);
    wire_expect_end(a, "<connection-timeout");
    wire_free(&a);
    wire_free(&b);
    house_free(h);
}

static void expect_messages(struct wire *w, unsigned first, unsigned last)
{
    char text[64];
    const char *heard = wire_heard(w);
    for (unsigned i = first; i <= last; i++) {
        snprintf(text, sizeof text, " id='%u'", i);
        heard = strstr(heard, text);
        if (!heard)
            fail_msg("%u is missing, or out of order", i);
    }
    assert_null(strstr(heard + 1, " id='"));
}

/* C21: one that never acknowledges is sent so many; the rest is stored, and brought in order. */
static void a_full_queue_leaves_the_rest_to_the_store(void **state)
{
    char id[MANAGE_ID_LEN + 1];
    (void)state;
    struct house *h =
        house_new("[limits]\nunacked = 50\ninput_rate = 0\nstanza_rate = 0\n", no_router);
    struct wire *a = enter(h, ROMEO, "a"), *b = enter(h, JULIET, "b");
    enable(a, id);
    wire_say(a, "<presence/>");
    wire_say(a, "<a xmlns='urn:xmpp:sm:3' h='1'/>");
    wire_heard(a);
    for (unsigned i = 1; i <= 300; i++)
        say_number(b,
                   i % 2 ? "<message to='romeo@capulet.example/a' id='#'><body>.</body></message>"
                         : "<message to='romeo@capulet.example' id='#'><body>.</body></message>",
                   i);
    loop_sim_advance(h->loop, 100);
    expect_messages(a, 1, 50);
    assert_int_equal(seat_of_romeo(h)->manage->queue.count, 50);
    /* Its own questions are answered all the same; others' are not passed on. */
    wire_say(a, PING);
    wire_expect(a, "type='result' id='p'");
    wire_say(b, "<iq type='get' id='q' to='romeo@capulet.example/a'><x xmlns='y'/></iq>");
    wire_expect(b, "<service-unavailable");
    unsigned acked = 1;
    for (unsigned next = 51; next <= 300;) {
        acked += seat_of_romeo(h)->manage->queue.count;
        say_number(a, "<a xmlns='urn:xmpp:sm:3' h='#'/>", acked);
        loop_sim_advance(h->loop, 500);
        unsigned count = seat_of_romeo(h)->manage->queue.count;
        assert_in_range(count, 1, 50);
        expect_messages(a, next, next + count - 1);
        next += count;
    }
    wire_free(&a);
    wire_free(&b);
    house_free(h);
}

/* By bytes as well; and answers to itself have a bound, too. */
static void queues_are_bounded(void **state)
{
    char id[MANAGE_ID_LEN + 1];
    struct buf big = {0};
    (void)state;
    struct house *h =
        house_new("[limits]\nunacked = 50\nunacked_bytes = 65536\ninput_rate = 0\n"
                  "stanza_rate = 0\n", no_router);
    struct wire *a = enter(h, ROMEO, "a"), *b = enter(h, JULIET, "b");
    enable(a, id);
    buf_printf(&big, "<message to='romeo@capulet.example/a'><body>%020000d</body></message>", 1);
    for (int i = 0; i < 10; i++)
        wire_say(b, buf_z(&big));
    assert_int_equal(seat_of_romeo(h)->manage->queue.count, 4);
    for (int i = 0; i < 200 && !a->is_closed; i++)
        wire_say(a, PING);
    wire_expect_end(a, "<resource-constraint");
    wire_free(&a);
    wire_free(&b);
    buf_free(&big);
    house_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_enabled_once),
        cmocka_unit_test(the_client_may_want_less),
        cmocka_unit_test(is_refused_out_of_order),
        cmocka_unit_test(counts_from_the_beginning),
        cmocka_unit_test(acknowledges_what_is_safe),
        cmocka_unit_test(counts_nothing_from_before),
        cmocka_unit_test(a_flood_of_questions_gets_few_answers),
        cmocka_unit_test(asks_after_some_or_a_while),
        cmocka_unit_test(refuses_numbers_that_cannot_be),
        cmocka_unit_test(counts_wrap),
        cmocka_unit_test(who_does_not_answer_is_given_up),
        cmocka_unit_test(who_is_not_read_is_not_silent),
        cmocka_unit_test(a_full_queue_leaves_the_rest_to_the_store),
        cmocka_unit_test(queues_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
