/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The filter: what it is asked about, and what becomes of its verdicts, and of answers that are
 * hostile, late, or none.
 */
#include "sm_filter.h"

static void passes(void **state)
{
    struct kit *k = filter_kit(filter_opts());
    struct kit_client *a = filter_come(k, "alice", "a"), *b = filter_come(k, "bob", "b");
    (void)state;

    say_waiting(k, a, "<message to='Bob@prime.test/b' id='1' xml:lang='de'><body>&lt;hi</body>"
                      "<x xmlns='urn:x'/></message>");
    EXPECT_NOTHING(b);
    const struct questions *q = asked(k, 1);
    EXPECT_IN(q->text, " from='c2s-1.prime.test' to='filter.test'>"
                       "<filter xmlns='http://kontalk.org/extensions/filter' direction='sending'>"
                       "<message xmlns='jabber:client'");
    EXPECT_IN(q->text, " to='bob@prime.test/b'");
    EXPECT_IN(q->text, " from='alice@prime.test/a'");
    EXPECT_IN(q->text, " xml:lang='de'");
    EXPECT_IN(q->text, "<body>&lt;hi</body><x xmlns='urn:x'/></message></filter></iq>");
    answer(k, q->ids[0], PASS);
    EXPECT(b, "<body>&lt;hi</body>");
    assert_int_equal(a->done_count, 2);
    assert_int_equal(a->unsafe_count, 0);
    asked(k, 0); /* not once more as it came */
    /* to others elsewhere */
    say_waiting(k, a, "<iq type='get' to='far.test' id='2'><ping xmlns='urn:xmpp:ping'/></iq>");
    answer_one(k, PASS);
    EXPECT_LINK(k, "<iq to='far.test' from='alice@prime.test/a' id='2' type='get'>");
    kit_close(k, a), kit_close(k, b);
    kit_free(k);
}

static void from_elsewhere(void **state)
{
    struct kit *k = filter_kit(filter_opts());
    struct kit_client *b = filter_come(k, "bob", "b");
    (void)state;

    kit_link_say(k, "<message from='eve@far.test/x' to='bob@net.test' id='1'><body>1</body>"
                    "</message>");
    const struct questions *q = asked(k, 1);
    EXPECT_IN(q->text, "direction='receiving'><message xmlns='jabber:client'");
    EXPECT_NOTHING(b);
    answer(k, q->ids[0], PASS);
    EXPECT(b, "<body>1</body>");
    kit_link_say(k, "<presence from='eve@far.test/x' to='bob@prime.test/b'/>");
    answer_one(k, DROP(""));
    EXPECT_NOTHING(b);
    assert_string_equal(kit_drain(&k->link.out), ""); /* presence is not answered */
    kit_link_say(k, "<iq type='get' from='eve@far.test/x' to='bob@prime.test/b' id='2'>"
                    "<q xmlns='x'/></iq>");
    answer_one(k, "<drop xmlns='" NS_FILTER "' silent='true'/>");
    EXPECT_LINK(k, "<iq to='eve@far.test/x' from='bob@prime.test/b' id='2' type='error'>"
                   "<error type='cancel'><service-unavailable");
    EXPECT_NOTHING(b);
    /* of another instance's users: that one has asked */
    kit_link_say(k, "<message from='alice@prime.test/x' to='bob@prime.test'><body>2</body>"
                    "</message>");
    asked(k, 0);
    EXPECT(b, "<body>2</body>");
    kit_close(k, b);
    kit_free(k);
}

/* Nobody owns him: what would be stored is asked about, too, and whom he has blocked gets the same
 * answers as when he is there. */
static void for_who_is_away(void **state)
{
    struct kit *k = filter_kit(filter_opts());
    (void)state;

    kit_sql(k, "INSERT INTO block (account, jid) SELECT id, 'eve@far.test' FROM account"
               " WHERE name = ?1", "bob");
    kit_link_say(k, "<message from='joe@far.test/x' to='bob@prime.test' id='1'><body>1</body>"
                    "</message>");
    assert_int_equal(kit_offline_count(k, "bob"), 0);
    answer_one(k, PASS);
    kit_drain(&k->link.out);
    assert_int_equal(kit_offline_count(k, "bob"), 1);
    kit_link_say(k, "<message from='joe@far.test/x' to='bob@prime.test' id='2'><body>2</body>"
                    "</message>");
    answer_one(k, DROP(CONDITION("forbidden")));
    EXPECT_LINK(k, "<forbidden");
    kit_link_say(k, "<message from='eve@far.test/x' to='bob@prime.test' id='3'><body>3</body>"
                    "</message>");
    answer_one(k, DROP(CONDITION("forbidden")));
    EXPECT_LINK(k, "<service-unavailable");
    kit_link_say(k, "<iq type='get' from='eve@far.test/x' to='bob@prime.test' id='4'>"
                    "<vCard xmlns='vcard-temp'/></iq>");
    answer_one(k, DROP(CONDITION("forbidden")));
    EXPECT_LINK(k, "<service-unavailable");
    kit_link_say(k, "<presence type='subscribe' from='joe@far.test' to='bob@prime.test'/>");
    answer_one(k, DROP(""));
    EXPECT_LINK(k, "<presence to='joe@far.test' from='bob@prime.test' type='error'>");
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM roster_request WHERE ?1 != ''", "x"), 0);
    assert_int_equal(kit_offline_count(k, "bob"), 1);
    kit_free(k);
}

struct drop {
    const char *verdict, *answer; /* NULL: none */
};

static const struct drop drops[] = {
    {DROP(""), "<error type='modify'><policy-violation"},
    {DROP(CONDITION("not-allowed")), "<error type='cancel'><not-allowed"},
    {DROP(CONDITION("who-knows")), "<policy-violation"},
    {DROP(CONDITION("forbidden") "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no &lt;word"
          "</text>"), "no &lt;word</text>"},
    {"<drop xmlns='" NS_FILTER "' silent='true'>" CONDITION("forbidden") "</drop>", NULL},
    {"<drop xmlns='" NS_FILTER "' silent='false'/>", "<policy-violation"},
};

static void drops_with_a_reason(void **state)
{
    struct kit *k = filter_kit(filter_opts());
    struct kit_client *a = filter_come(k, "alice", "a"), *b = filter_come(k, "bob", "b");
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(drops); i++) {
        int before = a->done_count;
        say_waiting(k, a, TO_BOB("1"));
        answer_one(k, drops[i].verdict);
        assert_int_equal(a->done_count, before + 1);
        if (drops[i].answer)
            EXPECT(a, drops[i].answer);
        else
            EXPECT_NOTHING(a);
        EXPECT_NOTHING(b);
    }
    say_waiting(k, a, "<presence to='bob@prime.test/b'/>");
    answer_one(k, DROP(""));
    EXPECT(a, " type='error'"); /* it knows that nobody was told */
    kit_close(k, a);
    EXPECT_NOTHING(b);
    kit_close(k, b);
    kit_free(k);
}

/* Who waits for an answer gets one. */
static void answers_become_errors(void **state)
{
    struct kit *k = filter_kit(filter_opts());
    struct kit_client *a = filter_come(k, "alice", "a"), *b = filter_come(k, "bob", "b");
    (void)state;

    say_waiting(k, a, "<iq type='result' to='bob@prime.test/b' id='q'><secret xmlns='x'/></iq>");
    answer_one(k, DROP(""));
    const char *heard = kit_heard(b);
    EXPECT_IN(heard, "type='error'");
    EXPECT_IN(heard, "id='q'");
    EXPECT_IN(heard, "from='alice@prime.test/a'");
    EXPECT_IN(heard, "<service-unavailable");
    assert_null(strstr(heard, "secret"));
    EXPECT_NOTHING(a);
    say_waiting(k, a, "<iq type='result' to='x@far.test/b' id='q'><secret xmlns='x'/></iq>");
    loop_sim_advance(k->loop, DEADLINE);
    heard = kit_drain(&k->link.out);
    EXPECT_IN(heard, "<iq to='x@far.test/b' from='alice@prime.test/a' id='q' type='error'>"
                     "<error type='cancel'><service-unavailable");
    kit_close(k, a), kit_close(k, b);
    kit_free(k);
}

#define MESSAGE(attrs, inner) "<message xmlns='jabber:client' " attrs ">" inner "</message>"
#define ADDRESSES "from='alice@prime.test/a' to='bob@prime.test/b'"

struct edit {
    const char *sent, *verdict, *heard; /* NULL: a failure */
};

#define SENT "<message to='bob@prime.test/b' id='1' type='chat'><body>darn</body></message>"
#define ASKED "<iq type='get' to='bob@prime.test/b' id='1'><q xmlns='x'/></iq>"

static const struct edit edits[] = {
    {SENT, EDIT(MESSAGE(ADDRESSES " id='1' type='chat'", "<body>nice</body><y xmlns='y'/>")),
     "<body>nice</body><y xmlns='y'/>"},
    {SENT, EDIT(MESSAGE(ADDRESSES " id='1' type='headline'", "<body>n</body>")), "headline"},
    {SENT, EDIT(MESSAGE(ADDRESSES " id='1' xml:lang='en'", "<body>n</body>")), "xml:lang='en'"},
    {SENT, EDIT(MESSAGE(ADDRESSES " id='1' type='error'", "")), NULL},
    {SENT, EDIT(MESSAGE(ADDRESSES " id='2' type='chat'", "")), NULL},
    {SENT, EDIT(MESSAGE(ADDRESSES " type='chat'", "")), NULL},
    {SENT, EDIT(MESSAGE("from='boss@prime.test/a' to='bob@prime.test/b' id='1'", "")), NULL},
    {SENT, EDIT(MESSAGE("from='alice@prime.test/a' to='eve@prime.test/b' id='1'", "")), NULL},
    {SENT, EDIT(MESSAGE("id='1'", "")), NULL},
    {SENT, EDIT("<presence xmlns='jabber:client' " ADDRESSES " id='1'/>"), NULL},
    {SENT, EDIT("<message xmlns='jabber:server' " ADDRESSES " id='1'/>"), NULL},
    {SENT, EDIT(""), NULL},
    {SENT, EDIT(MESSAGE(ADDRESSES " id='1'", "") MESSAGE(ADDRESSES " id='1'", "")), NULL},
    {SENT, EDIT(MESSAGE(ADDRESSES " id='1'", "")) PASS, NULL},
    {SENT, "<burn xmlns='" NS_FILTER "'/>", NULL},
    {SENT, "<pass xmlns='urn:other'/>", NULL},
    {SENT, "", NULL},
    {ASKED, EDIT("<iq xmlns='jabber:client' " ADDRESSES " type='get' id='1'><r xmlns='x'/></iq>"),
     "<r xmlns='x'/>"},
    {ASKED, EDIT("<iq xmlns='jabber:client' " ADDRESSES " type='set' id='1'><q xmlns='x'/></iq>"),
     NULL},
    {ASKED, EDIT("<iq xmlns='jabber:client' " ADDRESSES " type='get' id='1'/>"), NULL},
    {"<presence to='bob@prime.test/b'/>",
     EDIT("<presence xmlns='jabber:client' " ADDRESSES "><show>dnd</show></presence>"),
     "<show>dnd</show>"},
    {"<presence to='bob@prime.test/b'/>",
     EDIT("<presence xmlns='jabber:client' " ADDRESSES " type='subscribe'/>"), NULL},
};

static void edits_what_may_be(void **state)
{
    struct kit *k = filter_kit(filter_opts());
    struct kit_client *a = filter_come(k, "alice", "a"), *b = filter_come(k, "bob", "b");
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
        say_waiting(k, a, edits[i].sent);
        answer_one(k, edits[i].verdict);
        if (edits[i].heard) {
            EXPECT_NOTHING(a);
            EXPECT(b, edits[i].heard);
        } else {
            EXPECT(a, "<resource-constraint");
            EXPECT_NOTHING(b);
        }
    }
    kit_close(k, a), kit_close(k, b);
    kit_free(k);
}

/* It may not speak for the server, nor make more than others can take. */
static void an_edit_is_looked_at(void **state)
{
    struct sm_opts *opts = filter_opts();
    opts->max_stanza = 2000;
    struct kit *k = filter_kit(opts);
    struct kit_client *a = filter_come(k, "alice", "a"), *b = filter_come(k, "bob", "b");
    char verdict[6000];
    (void)state;

    say_waiting(k, a, SENT);
    answer_one(k, EDIT(MESSAGE(ADDRESSES " id='1' xmlns:e='urn:e' e:from='x@y'",
                               "<body>n</body>"
                               "<stanza-id xmlns='urn:xmpp:sid:0' by='bob@prime.test' id='f'/>"
                               "<delay xmlns='urn:xmpp:delay' from='prime.test' stamp='x'/>")));
    const char *heard = kit_heard(b);
    EXPECT_IN(heard, "<body>n</body></message>");
    assert_null(strstr(heard, "x@y"));
    say_waiting(k, a, SENT);
    snprintf(verdict, sizeof(verdict),
             EDIT(MESSAGE(ADDRESSES " id='1'", "<body>%03000d</body>")), 1);
    answer_one(k, verdict);
    EXPECT_NOTHING(b);
    EXPECT(a, "<resource-constraint");
    kit_close(k, a), kit_close(k, b);
    kit_free(k);
}

static void no_answer(void **state)
{
    struct sm_opts *opts = filter_opts();
    (void)state;

    for (int refuses = 0; refuses < 2; refuses++) {
        opts->filter.refuses = refuses;
        struct kit *k = filter_kit(opts);
        struct kit_client *a = filter_come(k, "alice", "a"), *b = filter_come(k, "bob", "b");
        say_waiting(k, a, TO_BOB("1"));
        loop_sim_advance(k->loop, DEADLINE - 21);
        assert_int_equal(a->done_count, 1);
        loop_sim_advance(k->loop, 1);
        assert_int_equal(a->done_count, 2);
        assert_int_equal(a->unsafe_count, 0);
        if (refuses) {
            EXPECT(a, "<error type='wait'><resource-constraint");
            EXPECT_NOTHING(b);
        } else {
            EXPECT_NOTHING(a);
            EXPECT(b, "<body>1</body>");
        }
        answer_one(k, DROP("")); /* too late */
        EXPECT_NOTHING(a);
        /* the router has no way to it */
        say_waiting(k, a, TO_BOB("2"));
        answer_as(k, FILTER, "error", asked(k, 1)->ids[0],
                  "<error type='cancel'>" CONDITION("service-unavailable") "</error>");
        EXPECT(refuses ? a : b, refuses ? "<resource-constraint" : "<body>2</body>");
        /* its name goes */
        say_waiting(k, a, TO_BOB("3"));
        sm_link_events.on_route(k->sm, SPAN("other.test"), false);
        assert_int_equal(a->done_count, 3);
        sm_link_events.on_route(k->sm, SPAN(FILTER), false);
        EXPECT(refuses ? a : b, refuses ? "<resource-constraint" : "<body>3</body>");
        /* the router goes, and is away */
        say_waiting(k, a, TO_BOB("4"));
        kit_link_down(k);
        EXPECT(refuses ? a : b, refuses ? "<resource-constraint" : "<body>4</body>");
        kit_say(k, a, TO_BOB("5"));
        EXPECT(refuses ? a : b, refuses ? "<resource-constraint" : "<body>5</body>");
        kit_close(k, a), kit_close(k, b);
        kit_free(k);
    }
}

/* C07: of others, of none, and twice. */
static void hostile_answers(void **state)
{
    struct kit *k = filter_kit(filter_opts());
    struct kit_client *a = filter_come(k, "alice", "a"), *b = filter_come(k, "bob", "b");
    char id[64], xml[600];
    (void)state;

    say_waiting(k, a, TO_BOB("1"));
    memcpy(id, asked(k, 1)->ids[0], sizeof(id));
    answer_as(k, "eve@far.test", "result", id, PASS);
    answer_as(k, FILTER "/x", "result", id, PASS);
    answer_as(k, "u@" FILTER, "result", id, PASS);
    answer_as(k, "not a jid@@", "result", id, PASS);
    answer(k, "filter-0000000000000000-1", PASS);
    snprintf(xml, sizeof(xml),
             "<iq type='result' from='bob@prime.test/b' to='c2s-1.prime.test' id='%s'>" PASS
             "</iq>", id);
    kit_say(k, b, xml);
    EXPECT_NOTHING(b);
    assert_int_equal(a->done_count, 1);
    answer(k, id, PASS);
    EXPECT(b, "<body>1</body>");
    assert_int_equal(a->done_count, 2);
    answer(k, id, PASS);
    answer(k, id, DROP(""));
    EXPECT_NOTHING(b);
    EXPECT_NOTHING(a);
    assert_int_equal(a->done_count, 2);
    kit_close(k, a), kit_close(k, b);
    kit_free(k);
}

static const char *const unasked[] = {
    "<message to='" FILTER "'><body>x</body></message>",
    "<message to='u@" FILTER "/y'><body>x</body></message>",
    "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
    "<iq type='get' id='1' to='alice@net.test'><ping xmlns='urn:xmpp:ping'/></iq>",
    "<iq type='get' id='1' to='prime.test'><ping xmlns='urn:xmpp:ping'/></iq>",
    "<iq type='get' id='1' to='net.test'><ping xmlns='urn:xmpp:ping'/></iq>",
    "<presence/>",
};

static void not_asked_about(void **state)
{
    struct kit *k = filter_kit(filter_opts());
    struct kit_client *a = filter_come(k, "alice", "a");
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(unasked); i++) {
        kit_say(k, a, unasked[i]);
        asked(k, 0);
    }
    kit_heard(a);
    kit_link_say(k, "<message from='" FILTER "' to='alice@prime.test'><body>1</body></message>");
    EXPECT(a, "<body>1<");
    kit_link_say(k, "<message from='prime.test' to='alice@prime.test'><body>2</body></message>");
    EXPECT(a, "<body>2<");
    asked(k, 0);
    kit_close(k, a);
    kit_free(k);
}

static void directions_and_kinds(void **state)
{
    struct sm_opts *opts = filter_opts();
    (void)state;

    opts->filter.kinds = SM_FILTER_IQ;
    opts->filter.directions = SM_RECEIVING;
    struct kit *k = filter_kit(opts);
    struct kit_client *a = filter_come(k, "alice", "a"), *b = filter_come(k, "bob", "b");
    kit_say(k, a, TO_BOB("1"));
    kit_say(k, a, "<iq type='get' to='far.test' id='1'><q xmlns='x'/></iq>");
    asked(k, 0);
    kit_heard(b);
    say_waiting(k, a, "<iq type='get' to='bob@prime.test/b' id='1'><q xmlns='x'/></iq>");
    const struct questions *q = asked(k, 1);
    EXPECT_IN(q->text, "direction='receiving'");
    answer(k, q->ids[0], PASS);
    EXPECT(b, "<q xmlns='x'/>");
    opts->filter.directions = SM_SENDING | SM_RECEIVING;
    opts->filter.is_twice = true;
    sm_set_limits(k->sm, opts);
    say_waiting(k, a, "<iq type='get' to='bob@prime.test/b' id='2'><q xmlns='x'/></iq>");
    q = asked(k, 1);
    EXPECT_IN(q->text, "direction='sending'");
    answer(k, q->ids[0], PASS);
    EXPECT_NOTHING(b);
    q = asked(k, 1);
    EXPECT_IN(q->text, "direction='receiving'");
    assert_int_equal(a->done_count, 4);
    answer(k, q->ids[0], DROP(CONDITION("forbidden")));
    EXPECT(a, "<forbidden");
    EXPECT_NOTHING(b);
    assert_int_equal(a->done_count, 5);
    kit_close(k, a), kit_close(k, b);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes),
        cmocka_unit_test(from_elsewhere),
        cmocka_unit_test(for_who_is_away),
        cmocka_unit_test(drops_with_a_reason),
        cmocka_unit_test(answers_become_errors),
        cmocka_unit_test(edits_what_may_be),
        cmocka_unit_test(an_edit_is_looked_at),
        cmocka_unit_test(no_answer),
        cmocka_unit_test(hostile_answers),
        cmocka_unit_test(not_asked_about),
        cmocka_unit_test(directions_and_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
