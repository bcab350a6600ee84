/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Questions for the dialback of others, and pairs over streams that the other server has opened.
 */
#include "far.h"

/* --- questions (XEP-0220) --------------------------------------------------------------------- */

struct asker {
    struct pair_question q;
    unsigned count;
    enum pair_answer answer;
};

static void on_answer(void *ctx, enum pair_answer answer)
{
    struct asker *a = ctx;
    a->count++;
    a->answer = answer;
}

static void ask(struct house *h, struct asker *a, const char *domain, const char *id)
{
    *a = (struct asker){.q = {.done = on_answer, .ctx = a}};
    snprintf(a->q.id, sizeof a->q.id, "%s", id);
    snprintf(a->q.key, sizeof a->q.key, "key-%s", id);
    struct pair *p = pair_get(h->s2s, SPAN(HOST), span_of(domain));
    assert_non_null(p);
    pair_ask(p, &a->q);
    assert_int_equal(a->count, 0); /* never from inside */
    loop_sim_settle(h->loop);
}

#define VERIFY(id, type) "<db:verify from='" PEER "' to='" HOST "' id='" id "' type='" type "'/>"
#define VERIFY_ASKED(id)                                                                           \
    "<db:verify from='" HOST "' to='" PEER "' id='" id "'>key-" id "</db:verify>"

static void test_question(void **state)
{
    static const struct {
        const char *word;
        enum pair_answer answer;
    } cases[] = {
        {VERIFY("s1", "valid"), PAIR_VALID},
        {VERIFY("s1", "invalid"), PAIR_INVALID},
        {VERIFY("s1", "error"), PAIR_NOT_THERE},
        {VERIFY("s1", "VALID"), PAIR_NOT_THERE},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct house *h = house_new(ANY_AUTH);
        struct asker a;
        house_link(h);
        ask(h, &a, PEER, "s1");
        assert_int_equal(h->dials, 1);
        wire_expect_not(h->dialled, "db:verify");
        far_secure(h);
        wire_say(h->dialled, FAR_OPEN("far1") FEATURES(OFFER_DIALBACK));
        wire_expect(h->dialled, VERIFY_ASKED("s1"));
        assert_int_equal(a.count, 0);
        wire_say(h->dialled, cases[i].word);
        assert_int_equal(a.count, 1);
        assert_int_equal(a.answer, cases[i].answer);
        wire_say(h->dialled, cases[i].word); /* nobody asks any more */
        assert_int_equal(a.count, 1);
        house_free(h);
    }
}

/* Over a stream that is there, several at a time, answered in any order; others' do not count. */
static void test_questions(void **state)
{
    struct house *h = house_new("");
    struct asker a, b;
    (void)state;
    far_up(h, OFFER_SM);
    ask(h, &a, PEER, "s1");
    ask(h, &b, PEER, "s2");
    const char *heard = wire_heard(h->dialled);
    const char *first = strstr(heard, VERIFY_ASKED("s1"));
    assert_non_null(first);
    assert_null(strstr(first + 1, VERIFY_ASKED("s1")));
    assert_non_null(strstr(first, VERIFY_ASKED("s2")));
    wire_say(h->dialled, VERIFY("s3", "valid"));
    wire_say(h->dialled, "<db:verify from='paris.example' to='" HOST "' id='s1' type='valid'/>");
    wire_say(h->dialled, "<db:verify from='" PEER "' to='verona.example' id='s1' type='valid'/>");
    assert_int_equal(a.count + b.count, 0);
    wire_say(h->dialled, VERIFY("s2", "valid") VERIFY("s1", "invalid"));
    assert_int_equal(a.count, 1);
    assert_int_equal(a.answer, PAIR_INVALID);
    assert_int_equal(b.count, 1);
    assert_int_equal(b.answer, PAIR_VALID);
    assert_int_equal(h->dials, 1);
    house_free(h);
}

static void test_question_without_answer(void **state)
{
    struct house *h = house_new("");
    struct asker a, b;
    (void)state;
    far_up(h, OFFER_SM);
    wire_say(h->dialled, A("1"));
    ask(h, &a, PEER, "s1");
    pass(h, 29000);
    ask(h, &b, PEER, "s2");
    assert_int_equal(a.count, 0);
    pass(h, 1500);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.answer, PAIR_NOT_THERE);
    assert_int_equal(b.count, 0);
    far_hangs_up(h); /* its answer can come no more */
    assert_int_equal(b.count, 1);
    assert_int_equal(b.answer, PAIR_NOT_THERE);
    house_free(h);
}

static void test_question_to_nobody(void **state)
{
    static const char *const domains[] = {GONE, HOST, "verona.example", "denied.example"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
        struct house *h = house_new("[domain denied.example]\ndeny = true\n");
        struct asker a;
        house_link(h);
        ask(h, &a, domains[i], "s1");
        pass(h, 1000);
        assert_int_equal(a.count, 1);
        assert_int_equal(a.answer, PAIR_NOT_THERE);
        assert_int_equal(h->dials, 0);
        house_free(h);
    }
}

/* The stream is closed by hand before it could be asked: on the next one. */
static void test_question_asked_again(void **state)
{
    struct house *h = house_new(ANY_AUTH);
    struct asker a;
    (void)state;
    house_link(h);
    ask(h, &a, PEER, "s1");
    pair_close(the_pair(h));
    pass(h, 6000);
    assert_int_equal(a.count, 0);
    assert_int_equal(h->dials, 2);
    far_secure(h);
    wire_say(h->dialled, FAR_OPEN("far1") FEATURES(OFFER_DIALBACK));
    wire_expect(h->dialled, VERIFY_ASKED("s1"));
    house_free(h);
}

static void test_unask(void **state)
{
    struct house *h = house_new("");
    struct asker a;
    (void)state;
    far_up(h, OFFER_SM);
    ask(h, &a, PEER, "s1");
    pair_unask(&a.q);
    pair_unask(&a.q);
    wire_say(h->dialled, VERIFY("s1", "valid"));
    pass(h, 31000);
    assert_int_equal(a.count, 0);
    house_free(h);
}

/* The server that we could not reach is at our door: it is worth a try. */
static void test_question_while_waiting(void **state)
{
    struct house *h = house_new(ANY_AUTH);
    struct asker a;
    (void)state;
    house_link(h);
    send_one(h, 0);
    far_hangs_up(h);
    assert_int_equal(the_pair(h)->state, PAIR_WAITING);
    ask(h, &a, PEER, "s1");
    assert_int_equal(h->dials, 2);
    far_hangs_up(h);
    assert_int_equal(a.count, 1);
    assert_int_equal(the_pair(h)->failures, 2);
    house_free(h);
}

/* What is asked in the answer to the last question is no trouble. */
struct chain {
    struct asker a, b;
    struct house *h;
};

static void on_chain(void *ctx, enum pair_answer answer)
{
    struct chain *c = ctx;
    on_answer(&c->a, answer);
    c->b = (struct asker){.q = {.done = on_answer, .ctx = &c->b, .id = "s2", .key = "key-s2"}};
    pair_ask(pair_get(c->h->s2s, SPAN(HOST), SPAN(PEER)), &c->b.q);
}

static void test_question_in_answer(void **state)
{
    struct chain c = {.h = house_new(ANY_AUTH)};
    (void)state;
    house_link(c.h);
    c.a.q = (struct pair_question){.done = on_chain, .ctx = &c, .id = "s1", .key = "key-s1"};
    pair_ask(pair_get(c.h->s2s, SPAN(HOST), SPAN(PEER)), &c.a.q);
    loop_sim_settle(c.h->loop);
    far_hangs_up(c.h);
    assert_int_equal(c.a.count, 1);
    assert_int_equal(c.b.count, 0);
    pass(c.h, 100);
    assert_int_equal(c.h->dials, 2);
    far_secure(c.h);
    wire_say(c.h->dialled, FAR_OPEN("far1") FEATURES(OFFER_DIALBACK) VERIFY("s2", "valid"));
    assert_int_equal(c.b.count, 1);
    assert_int_equal(c.b.answer, PAIR_VALID);
    house_free(c.h);
}

/* --- the other server's stream (XEP-0288) ----------------------------------------------------- */

static void test_over_theirs(void **state)
{
    struct house *h = house_new("");
    (void)state;
    house_link(h);
    struct wire *back = peer_proved(h, BIDI);
    wire_say(back, ENABLE);
    pass(h, 1100);
    wire_heard(back);
    send_one(h, 0);
    send_one(h, 1);
    assert_int_equal(h->dials, 0);
    assert_ptr_equal(the_pair(h)->out, NULL);
    expect_messages(back, 0, 2);
    pass(h, 1100);
    wire_expect(back, R);
    wire_say(back, A("1"));
    assert_int_equal(queued(h), 1);
    conn_abort(back->conn, 0); /* the rest goes by a stream of ours */
    pass(h, 1100);
    assert_int_equal(h->dials, 1);
    far_external(h, "", "");
    expect_messages(h->dialled, 1, 2);
    wire_free(&back);
    house_free(h);
}

/* It comes while we dial: it is faster. */
static void test_over_theirs_meanwhile(void **state)
{
    struct house *h = house_new("");
    (void)state;
    house_link(h);
    send_one(h, 0);
    assert_int_equal(h->dials, 1);
    struct wire *back = peer_proved(h, BIDI);
    wire_say(back, ENABLE);
    pass(h, 1100);
    expect_messages(back, 0, 1);
    wire_free(&back);
    house_free(h);
}

/* A question is never asked over it; the stream made for that takes over when it ends. */
static void test_question_beside_theirs(void **state)
{
    struct house *h = house_new("");
    struct asker a;
    (void)state;
    house_link(h);
    struct wire *back = peer_proved(h, BIDI);
    wire_say(back, ENABLE);
    pass(h, 1100);
    wire_heard(back);
    ask(h, &a, PEER, "s1");
    assert_int_equal(h->dials, 1);
    far_external(h, "", OFFER_SM);
    wire_expect(h->dialled, VERIFY_ASKED("s1"));
    wire_say(h->dialled, VERIFY("s1", "valid"));
    assert_int_equal(a.count, 1);
    send_one(h, 0);
    expect_messages(back, 0, 1);
    wire_say(h->dialled, A("1")); /* that is not what it has got */
    conn_abort(back->conn, 0);
    loop_sim_settle(h->loop);
    assert_int_equal(h->dials, 1);
    expect_messages(h->dialled, 0, 1);
    wire_say(h->dialled, A("1"));
    assert_int_equal(queued(h), 0);
    wire_free(&back);
    house_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_question),
        cmocka_unit_test(test_questions),
        cmocka_unit_test(test_question_without_answer),
        cmocka_unit_test(test_question_to_nobody),
        cmocka_unit_test(test_question_asked_again),
        cmocka_unit_test(test_unask),
        cmocka_unit_test(test_question_while_waiting),
        cmocka_unit_test(test_question_in_answer),
        cmocka_unit_test(test_over_theirs),
        cmocka_unit_test(test_over_theirs_meanwhile),
        cmocka_unit_test(test_question_beside_theirs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
