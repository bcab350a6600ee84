/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Resumption (XEP-0198) in a whole c2s: who comes back, when, to what; and where that goes what a
 * client never got.
 */
#include "managed.h"
#include "store/db.h"

#define NOT_FOUND "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"
#define PEER_ERROR                                                                                 \
    "<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
#define PING "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"

static void expect_resumed(struct wire *w, const char *id, unsigned h)
{
    char text[128];
    snprintf(text, sizeof text, "<resumed xmlns='urn:xmpp:sm:3' previd='%s' h='%u'/>", id, h);
    if (!strstr(buf_z(&w->heard), text))
        fail_msg("expected: %s\n   heard: %s", text, buf_z(&w->heard));
}

static void expect_failed(struct wire *w, int64_t h)
{
    char text[128] = "<failed xmlns='urn:xmpp:sm:3'>" NOT_FOUND;
    if (h >= 0)
        snprintf(text, sizeof text, "<failed xmlns='urn:xmpp:sm:3' h='%d'>" NOT_FOUND, (int)h);
    hear_exactly(w, text);
}

/* Romeo's client, which may come back, and Juliet's. */
static struct house *open_two(struct wire **a_r, struct wire **b_r, char id_r[MANAGE_ID_LEN + 1])
{
    struct house *h = house_new("", no_router);
    *a_r = enter(h, ROMEO, "a");
    *b_r = enter(h, JULIET, "b");
    enable(*a_r, id_r);
    return h;
}

/* --- coming back ------------------------------------------------------------------------------ */

/* C22: nothing is lost, doubled or out of order, and nobody has seen him go. */
static void goes_on_exactly(void **state)
{
    char id[MANAGE_ID_LEN + 1];
    (void)state;
    struct house *h = house_new("", no_router);
    struct wire *a = enter(h, ROMEO, "a"), *b = enter(h, JULIET, "b"), *c = enter(h, ROMEO, "c");
    enable(a, id);
    wire_say(a, "<presence/><presence to='juliet@capulet.example/b'/>" PING);
    wire_say(c, "<presence/>");
    wire_heard(b);
    wire_heard(c);
    wire_say(b, TO_ROMEO("1") TO_ROMEO("2"));
    wire_expect(a, "id='2'");
    lose(&a);
    assert_int_equal(hibernating(h), 1);
    wire_say(b, TO_ROMEO("3"));
    wire_say(c, PING);
    loop_sim_advance(h->loop, 600 * 1000 - 1000);
    wire_say(b, "<message to='romeo@capulet.example' id='4'><body>hi</body></message>");
    wire_heard(c);
    loop_sim_advance(h->loop, 1000);

    /* own presence, c's presence, the answer to the ping; then message 1 */
    a = resume(h, ROMEO, id, 4);
    expect_resumed(a, id, 3);
    const char *heard = wire_heard(a);
    assert_int_equal(count_of(heard, "<message "), 3);
    const char *two = strstr(heard, "id='2'"), *three = strstr(heard, "id='3'");
    const char *four = strstr(heard, "id='4'");
    assert_true(two && three && four && two < three && three < four);
    assert_null(strstr(heard, "<delay"));
    assert_non_null(strstr(heard, "<r xmlns='urn:xmpp:sm:3'/>"));
    assert_int_equal(hibernating(h), 0);
    wire_say(a, "<a xmlns='urn:xmpp:sm:3' h='7'/><iq type='get' id='q'>"
                "<ping xmlns='urn:xmpp:ping'/></iq><r xmlns='urn:xmpp:sm:3'/>");
    wire_expect(a, "<a xmlns='urn:xmpp:sm:3' h='4'/>");
    wire_expect_not(b, "unavailable");
    wire_expect_not(c, "unavailable");
    wire_say(b, TO_ROMEO("5"));
    wire_expect(a, "id='5'");
    /* And again. */
    lose(&a);
    a = resume(h, ROMEO, id, 8);
    expect_resumed(a, id, 4);
    wire_expect(a, "id='5'");
    wire_free(&a);
    wire_free(&b);
    wire_free(&c);
    house_free(h);
}

/* C22: a second later it is over; how much had been heard is still told. */
static void comes_too_late(void **state)
{
    char id[MANAGE_ID_LEN + 1];
    (void)state;
    struct house *h = house_new("", no_router);
    struct wire *a = enter(h, ROMEO, "a"), *c = enter(h, ROMEO, "c");
    enable(a, id);
    wire_say(a, "<presence/>" PING);
    wire_say(c, "<presence/>");
    wire_heard(c);
    lose(&a);
    loop_sim_advance(h->loop, 601 * 1000);
    wire_expect(c, "<presence to='romeo@capulet.example/c' from='romeo@capulet.example/a' "
                   "type='unavailable'/>");
    a = resume(h, ROMEO, id, 0);
    expect_failed(a, 2);
    /* The stream may be bound instead. */
    wire_say(a, BIND("a"));
    wire_expect(a, "type='result'");
    wire_free(&a);
    wire_free(&c);
    house_free(h);
}

/* C17: an id is worth something to one user only, and whole. */
static void nobody_else_gets_in(void **state)
{
    char id[MANAGE_ID_LEN + 1], part[MANAGE_ID_LEN + 2];
    (void)state;
    struct house *h = house_new("", no_router);
    struct wire *a = enter(h, ROMEO, "a"), *w;
    enable(a, id);
    lose(&a);
    w = resume(h, JULIET, id, 0);
    expect_failed(w, -1);
    say_resume(w, "00000000000000000000000000000000", 0);
    expect_failed(w, -1);
    wire_free(&w);
    w = arrive(h, ROMEO);
    wire_expect(w, "</stream:features>");
    for (size_t n = 0; n <= MANAGE_ID_LEN; n += 31) {
        snprintf(part, sizeof part, "%.*s", (int)n, id);
        say_resume(w, part, 0);
        expect_failed(w, -1);
    }
    snprintf(part, sizeof part, "%s0", id);
    say_resume(w, part, 0);
    expect_failed(w, -1);
    wire_say(w, "<resume xmlns='urn:xmpp:sm:3' h='0'/>");
    expect_failed(w, -1);
    wire_say(w, "<resume xmlns='urn:xmpp:sm:3' previd='x' h='-1'/>");
    wire_expect(w, "<bad-request");
    /* Once bound, nobody resumes. */
    wire_say(w, BIND("b"));
    wire_expect(w, "type='result'");
    say_resume(w, id, 0);
    wire_expect(w, "<unexpected-request");
    assert_int_equal(hibernating(h), 1);
    wire_free(&w);
    house_free(h);
}

/* The same account under another domain has other addresses. */
static void stays_in_its_domain(void **state)
{
    char id[MANAGE_ID_LEN + 1];
    (void)state;
    struct house *h = house_new("[c2s]\nnetwork = verona.example\n", no_router);
    struct wire *a = enter(h, ROMEO, "a");
    enable(a, id);
    lose(&a);
    a = client_new(h);
    wire_say(a, OPEN("verona.example") "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' "
                                       "mechanism='PLAIN'>" ROMEO "</auth>");
    wire_expect(a, "<success");
    wire_say(a, OPEN("verona.example"));
    wire_heard(a);
    say_resume(a, id, 0);
    expect_failed(a, -1);
    wire_free(&a);
    house_free(h);
}

/* C19 for a resume: the session is not touched. */
static void a_wrong_count_changes_nothing(void **state)
{
    char id[MANAGE_ID_LEN + 1];
    struct wire *a, *b;
    (void)state;
    struct house *h = open_two(&a, &b, id);
    wire_say(b, TO_ROMEO("1"));
    lose(&a);
    wire_say(b, TO_ROMEO("2")); /* not sent yet: it cannot have been handled */
    a = resume(h, ROMEO, id, 2);
    wire_expect_end(a, "<handled-count-too-high xmlns='urn:xmpp:sm:3' h='2' send-count='1'/>");
    wire_free(&a);
    a = resume(h, ROMEO, id, 1);
    expect_resumed(a, id, 0);
    wire_expect_not(a, "id='1'");
    wire_expect(a, "id='2'");
    wire_free(&a);
    wire_free(&b);
    house_free(h);
}

/* C18 */
static void takes_the_place_of_a_living_one(void **state)
{
    char id[MANAGE_ID_LEN + 1];
    struct wire *a, *b;
    (void)state;
    struct house *h = open_two(&a, &b, id);
    wire_say(b, TO_ROMEO("1") TO_ROMEO("2"));
    struct wire *next = resume(h, ROMEO, id, 1);
    expect_resumed(next, id, 0);
    const char *heard = wire_heard(next);
    assert_int_equal(count_of(heard, "<message "), 1);
    assert_non_null(strstr(heard, "id='2'"));
    wire_say(a, TO_ROMEO("9"));
    wire_expect_end(a, "<conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>");
    wire_say(b, TO_ROMEO("3"));
    heard = wire_heard(next);
    assert_int_equal(count_of(heard, "<message "), 1);
    assert_non_null(strstr(heard, "id='3'"));
    wire_say(next, "<presence/><r xmlns='urn:xmpp:sm:3'/>");
    wire_expect(next, "<a xmlns='urn:xmpp:sm:3' h='1'/>");
    wire_free(&a);
    wire_free(&next);
    wire_free(&b);
    house_free(h);
}

/* --- not coming back -------------------------------------------------------------------------- */

/* What was said in good order, or asked for by nobody, waits for nobody. */
static void ends_in_good_order(void **state)
{
    static const char *const said[] = {
        "<enable xmlns='urn:xmpp:sm:3' resume='true'/></stream:stream>",
        "<enable xmlns='urn:xmpp:sm:3' resume='true'/><presence/><presence type='unavailable'/>",
        "<enable xmlns='urn:xmpp:sm:3'/>",
        "<enable xmlns='urn:xmpp:sm:3' resume='true'/><oops/>",
        ("<enable xmlns='urn:xmpp:sm:3' resume='true'/>" PEER_ERROR),
        "",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        struct house *h = house_new("", no_router);
        struct wire *a = enter(h, ROMEO, "a");
        wire_say(a, said[i]);
        lose(&a);
        loop_sim_advance(h->loop, 6000);
        assert_int_equal(hibernating(h), 0);
        assert_int_equal(sm_session_count(h->c2s->sm), 0);
        assert_int_equal(h->c2s->seat_count, 0);
        house_free(h);
    }
}

/* Available once more, or never: that is no farewell. */
static void hibernates_without_presence(void **state)
{
    static const char *const said[] = {
        "", "<presence type='unavailable'/><presence/>",
        "<presence to='juliet@capulet.example' type='unavailable'/>"};
    char id[MANAGE_ID_LEN + 1];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        struct house *h = house_new("", no_router);
        struct wire *a = enter(h, ROMEO, "a");
        enable(a, id);
        wire_say(a, said[i]);
        lose(&a);
        assert_int_equal(hibernating(h), 1);
        house_free(h);
    }
}

static void is_replaced_by_its_own_resource(void **state)
{
    char id[MANAGE_ID_LEN + 1];
    struct wire *a, *b;
    (void)state;
    struct house *h = open_two(&a, &b, id);
    wire_say(a, "<presence/>");
    lose(&a);
    wire_say(b, TO_ROMEO("1"));
    a = arrive(h, ROMEO);
    wire_heard(a);
    wire_say(a, BIND("a"));
    assert_int_equal(hibernating(h), 0);
    wire_expect(a, "<message to='romeo@capulet.example/a' from='juliet@capulet.example/b' id='1'>"
                   "<body>hi</body><delay xmlns='urn:xmpp:delay' from='capulet.example'");
    struct wire *w = resume(h, ROMEO, id, 0);
    expect_failed(w, 1);
    wire_free(&w);
    wire_free(&a);
    wire_free(&b);
    house_free(h);
}

/* They count as sessions, have a bound of their own, and end with the account. */
static void there_are_not_too_many(void **state)
{
    static const char *const resources[] = {"a", "b", "c"};
    char id[3][MANAGE_ID_LEN + 1];
    (void)state;
    struct house *h =
        house_new("[limits]\nhibernating_per_user = 2\nsessions_per_user = 3\n", no_router);
    struct wire *w[3], *b = enter(h, JULIET, "b");
    for (size_t i = 0; i < 3; i++) {
        w[i] = enter(h, ROMEO, resources[i]);
        enable(w[i], id[i]);
    }
    lose(&w[1]);
    lose(&w[2]);
    assert_int_equal(hibernating(h), 2);
    wire_say(b, "<message to='romeo@capulet.example/b' id='1'><body>1</body></message>");
    struct wire *more = arrive(h, ROMEO);
    wire_say(more, BIND("d"));
    wire_expect(more, "<resource-constraint");
    wire_free(&more);
    lose(&w[0]); /* the oldest goes: b */
    assert_int_equal(hibernating(h), 2);
    w[1] = resume(h, ROMEO, id[1], 0);
    expect_failed(w[1], 0);
    wire_free(&w[1]);
    w[2] = resume(h, ROMEO, id[2], 0);
    expect_resumed(w[2], id[2], 0);
    wire_say(w[2], "<presence/>");
    loop_sim_advance(h->loop, 100);
    wire_expect(w[2], " id='1'");
    sm_user_deleted(h->c2s->sm, SPAN("romeo"));
    loop_sim_settle(h->loop);
    assert_int_equal(hibernating(h), 0);
    wire_expect_end(w[2], "<not-authorized");
    assert_int_equal(sm_session_count(h->c2s->sm), 1);
    wire_free(&w[2]);
    wire_free(&b);
    house_free(h);
}

/* Those that have ended are remembered for a while, and not without end. */
static void few_are_remembered(void **state)
{
    char id[6][MANAGE_ID_LEN + 1];
    (void)state;
    struct house *h = house_new("", no_router);
    for (size_t i = 0; i < ARRAY_LEN(id); i++) {
        struct wire *w = enter(h, ROMEO, "a");
        enable(w, id[i]);
        wire_say(w, "<presence/></stream:stream>");
        wire_free(&w);
    }
    assert_int_equal(h->c2s->hibernation.record_count, 4);
    struct wire *w = resume(h, ROMEO, id[0], 0);
    expect_failed(w, -1);
    say_resume(w, id[5], 0);
    expect_failed(w, 1);
    wire_free(&w);
    house_free(h);
}

/* --- what it never got ------------------------------------------------------------------------ */

static void expect_stored(struct house *h, const char *text)
{
    struct wire *w = enter(h, ROMEO, "later");
    wire_say(w, "<presence/>");
    loop_sim_advance(h->loop, 100);
    wire_expect(w, text);
    wire_say(w, "</stream:stream>");
    wire_free(&w);
    loop_sim_advance(h->loop, 6000);
}

static void messages_are_kept_with_their_time(void **state)
{
    char id[MANAGE_ID_LEN + 1];
    struct wire *a, *b;
    (void)state;
    struct house *h = open_two(&a, &b, id);
    wire_say(a, "<presence/>");
    wire_say(b, TO_ROMEO("1")); /* at midnight, 2026-01-01 */
    lose(&a);
    loop_sim_advance(h->loop, 60000);
    wire_say(b, "<message to='romeo@capulet.example' id='2'><body>hi</body></message>");
    wire_say(b, "<presence to='romeo@capulet.example/a'/>");
    wire_say(b, "<message to='romeo@capulet.example/a' type='headline' id='3'>"
                "<body>news</body></message>");
    wire_say(b, "<iq type='get' to='romeo@capulet.example/a' id='4'><x xmlns='y'/></iq>");
    wire_expect_not(b, "id='4'");
    loop_sim_advance(h->loop, 600000);
    wire_expect(b, "<iq to='juliet@capulet.example/b' from='romeo@capulet.example/a' id='4' "
                   "type='error'><error type='cancel'><service-unavailable");
    struct wire *w = enter(h, ROMEO, "w");
    wire_say(w, "<presence/>");
    loop_sim_advance(h->loop, 100);
    const char *heard = wire_heard(w);
    assert_int_equal(count_of(heard, "<message "), 2);
    assert_int_equal(count_of(heard, "<delay "), 2);
    const char *one = strstr(heard, " id='1'"), *two = strstr(heard, " id='2'");
    assert_true(one && two && one < two);
    assert_non_null(strstr(one, "stamp='2026-01-01T00:00:0"));
    assert_non_null(strstr(two, "stamp='2026-01-01T00:01:0"));
    /* Late once more, and still of that time, said once. */
    enable(w, id);
    lose(&w);
    loop_sim_advance(h->loop, 700000);
    wire_free(&b);
    house_free(h);
}

/* Also without resumption, and of a stream that ends in good order. */
static void a_plain_end_gives_back_too(void **state)
{
    static const char *const ends[] = {"", "</stream:stream>"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct house *h = house_new("", no_router);
        struct wire *a = enter(h, ROMEO, "a"), *b = enter(h, JULIET, "b");
        wire_say(a, "<presence/><enable xmlns='urn:xmpp:sm:3'/>");
        wire_say(b, TO_ROMEO("1") TO_ROMEO("2"));
        wire_say(a, "<a xmlns='urn:xmpp:sm:3' h='1'/>");
        wire_say(a, ends[i]);
        wire_free(&a);
        loop_sim_advance(h->loop, 6000);
        expect_stored(h, " id='2'><body>hi</body><delay ");
        wire_free(&b);
        house_free(h);
    }
}

/* What came late already keeps its first time, said once. */
static void late_twice_is_told_once(void **state)
{
    (void)state;
    struct house *h = house_new("", no_router);
    struct wire *a, *b = enter(h, JULIET, "b");
    wire_say(b, TO_ROMEO("1"));
    for (int i = 0; i < 3; i++) {
        loop_sim_advance(h->loop, 60000);
        a = enter(h, ROMEO, "a");
        wire_say(a, "<enable xmlns='urn:xmpp:sm:3'/><presence/>");
        loop_sim_advance(h->loop, 100);
        const char *heard = wire_heard(a);
        assert_int_equal(count_of(heard, "<delay "), 1);
        assert_non_null(strstr(heard, "stamp='2026-01-01T00:00:0"));
        wire_free(&a);
        loop_sim_advance(h->loop, 100);
    }
    wire_free(&b);
    house_free(h);
}

/* Another resource gets what it has not got yet, and nothing twice. */
static void others_get_what_they_have_not(void **state)
{
    char id[MANAGE_ID_LEN + 1];
    (void)state;
    struct house *h = house_new("", no_router);
    struct wire *a = enter(h, ROMEO, "a"), *b = enter(h, JULIET, "b"), *c = enter(h, ROMEO, "c");
    enable(a, id);
    wire_say(a, "<presence/>");
    wire_say(b, "<message to='romeo@capulet.example' id='1'><body>1</body></message>");
    loop_sim_advance(h->loop, 10);
    wire_say(c, "<presence/>");
    loop_sim_advance(h->loop, 10);
    wire_say(b, "<message to='romeo@capulet.example' id='2'><body>2</body></message>");
    wire_say(b, "<message to='romeo@capulet.example/a' id='3'><body>3</body></message>");
    wire_expect(c, " id='2'");
    lose(&a);
    wire_say(b, "<message to='romeo@capulet.example' id='4'><body>4</body></message>");
    wire_expect(c, " id='4'");
    loop_sim_advance(h->loop, 601000);
    const char *heard = wire_heard(c);
    assert_int_equal(count_of(heard, "<message "), 2);
    assert_non_null(strstr(heard, " id='1'><body>1</body><delay xmlns='urn:xmpp:delay' "
                                  "from='capulet.example' stamp='2026-01-01T00:00:0"));
    assert_non_null(strstr(heard, " id='3'><body>3</body><delay "));
    wire_free(&b);
    wire_free(&c);
    house_free(h);
}

struct count {
    struct store_job job; /* first */
    int64_t number;
};

static int count_run(struct db *db, struct store_job *job)
{
    struct db_stmt *st = db_sql(db, "SELECT count(*) FROM offline");
    if (db_step(st) > 0)
        ((struct count *)(void *)job)->number = db_int(st, 0);
    db_reset(st);
    return STORE_OK;
}

static void count_done(struct store_job *job, int result)
{
    (void)job;
    assert_int_equal(result, STORE_OK);
}

static int64_t stored(struct house *h)
{
    struct count c = {.job = {.run = count_run, .done = count_done}, .number = -1};
    store_submit(h->c2s->store, STORE_READ, &c.job);
    loop_sim_advance(h->loop, 50);
    return c.number;
}

/* The process ends: what hibernates and what is connected give back before the store closes. */
static void the_end_of_the_process_loses_nothing(void **state)
{
    char id[MANAGE_ID_LEN + 1];
    (void)state;
    struct house *h = house_new("", no_router);
    struct wire *a = enter(h, ROMEO, "a"), *b = enter(h, JULIET, "b"), *c = enter(h, ROMEO, "c");
    enable(a, id);
    enable(c, id);
    lose(&a);
    wire_say(b, TO_ROMEO("1"));
    wire_say(b, "<message to='romeo@capulet.example/c' id='2'><body>2</body></message>");
    c2s_stop(h->c2s, on_stopped, h);
    assert_int_equal(hibernating(h), 0);
    assert_int_equal(h->c2s->seat_count, 2);
    loop_sim_settle(h->loop);
    wire_expect(c, "<system-shutdown");
    wire_say(c, "</stream:stream>");
    wire_free(&c);
    assert_int_equal(h->c2s->seat_count, 1);
    assert_int_equal(stored(h), 2);
    wire_free(&b);
    house_free(h);
}

/* --- notifications (XEP-0357) ----------------------------------------------------------------- */

/* The service is a client here. It hears of what was not acknowledged, and of what comes while he
 * is away; an inactive client (XEP-0352) is not away. */
static void a_push_service_is_told(void **state)
{
    char id[MANAGE_ID_LEN + 1];
    struct wire *a, *b;
    (void)state;
    struct house *h = open_two(&a, &b, id);
    wire_say(a, "<iq type='set' id='e'><enable xmlns='urn:xmpp:push:0'"
                " jid='juliet@capulet.example/b' node='n'/></iq><presence/>");
    wire_expect(a, "id='e'");
    wire_say(a, "<inactive xmlns='urn:xmpp:csi:0'/>");
    wire_say(b, TO_ROMEO("1") TO_ROMEO("2"));
    wire_expect(a, "id='2'");
    assert_null(strstr(wire_heard(b), "<notification "));
    lose(&a);
    loop_sim_advance(h->loop, 100);
    wire_expect(b, "<field var='message-count'><value>1</value>"); /* and one that waits */
    loop_sim_advance(h->loop, 40000);
    wire_expect(b, "<field var='message-count'><value>1</value>");
    wire_heard(b);
    a = resume(h, ROMEO, id, 0);
    wire_expect(a, "id='2'");
    wire_say(b, TO_ROMEO("3"));
    wire_expect(a, "id='3'");
    assert_null(strstr(wire_heard(b), "<notification "));
    wire_free(&a);
    wire_free(&b);
    house_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_on_exactly),
        cmocka_unit_test(comes_too_late),
        cmocka_unit_test(nobody_else_gets_in),
        cmocka_unit_test(stays_in_its_domain),
        cmocka_unit_test(a_wrong_count_changes_nothing),
        cmocka_unit_test(takes_the_place_of_a_living_one),
        cmocka_unit_test(ends_in_good_order),
        cmocka_unit_test(hibernates_without_presence),
        cmocka_unit_test(is_replaced_by_its_own_resource),
        cmocka_unit_test(there_are_not_too_many),
        cmocka_unit_test(few_are_remembered),
        cmocka_unit_test(messages_are_kept_with_their_time),
        cmocka_unit_test(a_plain_end_gives_back_too),
        cmocka_unit_test(late_twice_is_told_once),
        cmocka_unit_test(others_get_what_they_have_not),
        cmocka_unit_test(the_end_of_the_process_loses_nothing),
        cmocka_unit_test(a_push_service_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
