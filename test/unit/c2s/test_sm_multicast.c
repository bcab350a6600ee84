/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One stanza to many (XEP-0033): who gets a copy, what it tells of the others, who may send it.
 */
#include "sm_two.h"

#define NS "http://jabber.org/protocol/address"
#define LIST(items) "<addresses xmlns='" NS "'>" items "</addresses>"
#define TO(jid) "<address type='to' jid='" jid "'/>"
#define CC(jid) "<address type='cc' jid='" jid "'/>"
#define BCC(jid) "<address type='bcc' jid='" jid "'/>"
#define GOT(type, jid) "<address type='" type "' jid='" jid "' delivered='true'/>"
#define BODY "<body>hi</body>"
#define QUERY "<query xmlns='http://jabber.org/protocol/disco#info'"
#define ITEMS "<query xmlns='http://jabber.org/protocol/disco#items'"

static struct kit_client *come(struct kit *k, const char *user, const char *words)
{
    struct kit_client *c = kit_open(k, user, "prime.test", "r");
    if (!c->session) {
        char bare[64];
        snprintf(bare, sizeof(bare), "%s@prime.test", user);
        sm_link_events.on_claim(k->sm, span_of(bare), SPAN_NONE);
        kit_settle(k);
    }
    assert_non_null(c->session);
    kit_say(k, c, words);
    kit_heard(c);
    return c;
}

static void begin_all(struct kit *k, struct kit_client *at[3])
{
    kit_account(k, "carol");
    at[0] = come(k, "alice", "<presence/>");
    at[1] = come(k, "bob", "<presence/>");
    at[2] = come(k, "carol", "<presence/>");
    kit_drain(&k->link.out);
}

static void end_all(struct kit *k, struct kit_client *at[3])
{
    for (size_t i = 0; i < 3; i++)
        kit_close(k, at[i]);
    kit_free(k);
}

static size_t count(const char *heard, const char *text)
{
    size_t n = 0;
    for (; (heard = strstr(heard, text)) != NULL; heard++)
        n++;
    return n;
}

static const char *link_heard(struct kit *k)
{
    return kit_drain(&k->link.out);
}

/* --- copies ----------------------------------------------------------------------------------- */

/* C01: each copy is from who has sent it. */
static void to_users_here(void **state)
{
    static const char *const services[] = {"prime.test", "net.test", "multicast@prime.test",
                                           "MultiCast@net.test"};
    struct kit *k = kit_new(NULL);
    struct kit_client *at[3];
    (void)state;

    begin_all(k, at);
    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        struct buf xml = {0};
        buf_printf(&xml,
                   "<message to='%s' type='chat' id='m' from='alice@prime.test'>" LIST(
                       TO("bob@prime.test") CC("carol@net.test") "<address type='replyto'"
                       " jid='x@y.test'/><address type='noreply'/>") BODY "</message>",
                   services[i]);
        kit_say(k, at[0], buf_z(&xml));
        buf_free(&xml);
#define EXPECTED                                                                                   \
    LIST(GOT("to", "bob@prime.test") GOT("cc", "carol@net.test")                                   \
             "<address type='replyto' jid='x@y.test'/><address type='noreply'/>") BODY
        EXPECT(at[1], "<message to='bob@prime.test' from='alice@prime.test/r' id='m' type='chat'>"
                      EXPECTED);
        EXPECT(at[2], "<message to='carol@prime.test' from='alice@prime.test/r' id='m' type='chat'>"
                       EXPECTED);
        EXPECT_NOTHING(at[0]);
    }
    assert_int_equal(at[0]->unsafe_count, 0);
    end_all(k, at);
}

static void blind_copies(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *at[3];
    (void)state;

    begin_all(k, at);
    kit_say(k, at[0], "<message to='prime.test'>" LIST(
                          "<address type='bcc' jid='bob@prime.test' desc='B'/>"
                          TO("carol@prime.test") BCC("alice@prime.test")) BODY "</message>");
    EXPECT(at[1], LIST(GOT("to", "carol@prime.test")
                       "<address type='bcc' jid='bob@prime.test' desc='B'/>"));
    EXPECT(at[2], LIST(GOT("to", "carol@prime.test")));
    EXPECT(at[0], LIST(GOT("to", "carol@prime.test") BCC("alice@prime.test")));
    end_all(k, at);
}

static void what_has_been_delivered(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *at[3];
    (void)state;

    begin_all(k, at);
    kit_say(k, at[0], "<message to='prime.test'>" LIST(
                          GOT("to", "bob@prime.test") TO("carol@prime.test")
                          CC("Carol@prime.test")) BODY "</message>");
    EXPECT_NOTHING(at[1]);
    assert_int_equal(count(kit_heard(at[2]), "<message "), 1);
    end_all(k, at);
}

/* As anything that the sender says to them: stored, blocked, refused, archived. */
static void each_by_its_own_rules(void **state)
{
    struct sm_opts opts = *kit_opts();
    struct kit_client *at[3];
    (void)state;

    opts.archive = true;
    opts.archive_rule = SM_ARCHIVE_ALWAYS;
    opts.archive_page = 10;
    struct kit *k = kit_new(&opts);
    begin_all(k, at);
    kit_say(k, at[2], "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'>"
                      "<item jid='alice@prime.test'/></block></iq>");
    kit_heard(at[2]);
    kit_say(k, at[1], "<presence type='unavailable'/>");
    kit_heard(at[0]);
    kit_say(k, at[0], "<message to='prime.test' id='m'>" LIST(
                          TO("bob@prime.test") TO("carol@prime.test") TO("nobody@prime.test"))
                          BODY "</message>");
    assert_int_equal(kit_offline_count(k, "bob"), 1);
    EXPECT_NOTHING(at[2]);
    const char *heard = kit_heard(at[0]);
    assert_int_equal(count(heard, "service-unavailable"), 2);
    EXPECT_IN(heard, "from='carol@prime.test'");
    EXPECT_IN(heard, "from='nobody@prime.test'");
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM archive WHERE account ="
                                " (SELECT id FROM account WHERE name = ?1)", "alice"), 3);
    end_all(k, at);
}

static void presence(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *at[3];
    (void)state;

    begin_all(k, at);
    kit_say(k, at[0], "<presence to='prime.test'>" LIST(BCC("bob@prime.test")
                                                        BCC("carol@prime.test")) "</presence>");
    EXPECT(at[1], "<presence to='bob@prime.test'");
    EXPECT(at[2], LIST(BCC("carol@prime.test")));
    /* and its end, by itself */
    kit_say(k, at[0], "<presence type='unavailable'/>");
    EXPECT(at[1], "type='unavailable'");
    EXPECT(at[2], "type='unavailable'");
    end_all(k, at);
}

/* --- safe when all are ------------------------------------------------------------------------ */

static void safe_when_all_are(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *at[3];
    (void)state;

    kit_link_up(k);
    begin_all(k, at);
    k->link.is_lazy = true;
    int before = at[0]->done_count;
    kit_input(k, at[0], "<message to='prime.test'>" LIST(TO("bob@prime.test") TO("x@far.test"))
                        BODY "</message>");
    kit_settle(k);
    assert_int_equal(at[0]->done_count, before);
    k->link.pending.call(k->link.pending.ctx, true);
    assert_int_equal(at[0]->done_count, before + 1);
    assert_int_equal(at[0]->unsafe_count, 0);
    k->link.is_lazy = false;
    end_all(k, at);
}

/* --- refusals --------------------------------------------------------------------------------- */

static void refusals(void **state)
{
    static const struct {
        const char *list, *error;
    } cases[] = {
        {LIST(TO("bob@prime.test") "<address type='to' uri='sip:a@b.test'/>"), "jid-malformed"},
        {LIST(TO("bob@prime.test") "<address type='to' uri='sip:a@b.test' jid='a@b.test'/>"),
         "jid-malformed"},
        {LIST(TO("bob@prime.test") TO("@")), "jid-malformed"},
        {LIST("<address type='cc' desc='x'/>"), "jid-malformed"},
        {LIST(TO("bob@prime.test") TO("prime.test")), "forbidden"},
        {LIST(TO("bob@prime.test") BCC("multicast@net.test")), "forbidden"},
        {LIST(TO("bob@prime.test") TO("1@a") TO("2@a") TO("3@a") TO("4@a") TO("5@a") TO("6@a")),
         "not-acceptable"},
        {LIST(""), "bad-request"},
        {LIST("<address type='noreply'/>"), "bad-request"},
        {LIST(GOT("to", "bob@prime.test")), "bad-request"},
        {"", "bad-request"},
    };
    static const char *const kinds[] = {"message", "presence"};
    struct kit *k = kit_new(NULL);
    struct kit_client *at[3];
    (void)state;

    begin_all(k, at);
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf xml = {0};
        buf_printf(&xml, "<%s to='multicast@prime.test' id='m'>%s</%s>", kinds[i % 2],
                   cases[i / 2].list, kinds[i % 2]);
        kit_say(k, at[0], buf_z(&xml));
        EXPECT(at[0], cases[i / 2].error);
        EXPECT_NOTHING(at[1]);
        buf_free(&xml);
    }
    /* an error is no message to many, nor answered */
    kit_say(k, at[0], "<message to='prime.test' type='error'>" LIST(TO("bob@prime.test"))
                      "</message>");
    EXPECT_NOTHING(at[0]);
    EXPECT_NOTHING(at[1]);
    /* without addresses the host is itself */
    kit_say(k, at[0], "<message to='prime.test'>" BODY "</message>");
    EXPECT(at[0], "service-unavailable");
    end_all(k, at);
}

/* An address is a list to a host's user, or to anybody else: no business of the host's. */
static void addressed_to_one(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *at[3];
    (void)state;

    begin_all(k, at);
    kit_say(k, at[0], "<message to='bob@prime.test'>" LIST(TO("carol@prime.test")) BODY
                      "</message>");
    EXPECT(at[1], LIST(TO("carol@prime.test")));
    EXPECT_NOTHING(at[2]);
    end_all(k, at);
}

static void not_without_the_right(void **state)
{
    char *words[] = {"deny", "alice@prime.test", "allow", "local"};
    struct sm_rule rule = {.name = "multicast", .words = {.items = words, .count = 4}};
    struct sm_opts opts = *kit_opts();
    struct kit_client *at[3];
    (void)state;

    opts.rules = &rule;
    opts.rule_count = 1;
    struct kit *k = kit_new(&opts);
    begin_all(k, at);
    kit_say(k, at[0], "<message to='prime.test' id='m'>" LIST(TO("bob@prime.test")) BODY
                      "</message>");
    EXPECT(at[0], "forbidden");
    EXPECT_NOTHING(at[1]);
    kit_say(k, at[1], "<message to='prime.test' id='m'>" LIST(TO("alice@prime.test")) BODY
                      "</message>");
    EXPECT(at[0], BODY);
    end_all(k, at);
}

/* --- the link --------------------------------------------------------------------------------- */

/* A server elsewhere gives us its copy for all of ours; it has nothing sent elsewhere by us. */
static void senders_elsewhere(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *at[3];
    (void)state;

    kit_link_up(k);
    begin_all(k, at);
    kit_link_say(k, "<message from='x@far.test/r' to='prime.test' id='m'>" LIST(
                        GOT("to", "y@far.test") TO("bob@prime.test") BCC("carol@net.test")) BODY
                    "</message>");
    EXPECT(at[1], LIST(GOT("to", "y@far.test") GOT("to", "bob@prime.test")) BODY);
    EXPECT(at[2], LIST(GOT("to", "y@far.test") GOT("to", "bob@prime.test")
                       BCC("carol@net.test")) BODY);
    assert_string_equal(link_heard(k), "");
    kit_link_say(k, "<message from='x@far.test/r' to='multicast@prime.test' id='m'>" LIST(
                        TO("bob@prime.test") TO("z@other.test")) BODY "</message>");
    EXPECT_LINK(k, "forbidden");
    EXPECT_NOTHING(at[1]);
    /* users whom another instance may own: the router knows */
    kit_link_say(k, "<message from='x@far.test/r' to='prime.test' id='m'>" LIST(
                        TO("bob@prime.test") TO("dora@prime.test")) BODY "</message>");
    EXPECT(at[1], BODY);
    EXPECT_LINK(k, "<message to='dora@prime.test' from='x@far.test/r' id='m'>");
    /* an ordinary message, as one of our own that a service elsewhere has sent on */
    kit_link_say(k, "<message from='x@far.test/r' to='bob@prime.test' id='m'>" LIST(
                        GOT("to", "bob@prime.test")) BODY "</message>");
    EXPECT(at[1], LIST(GOT("to", "bob@prime.test")) BODY);
    end_all(k, at);
}

static void say_to_far(struct kit *k, struct kit_client *c)
{
    kit_say(k, c, "<message to='prime.test' id='m'>" LIST(
                      TO("a@far.test") CC("b@far.test") BCC("c@far.test") BCC("x@net.test")
                      TO("d@other.test")) BODY "</message>");
}

/* The id of the question to far.test in what has gone out. */
static void find_question(const char *out, char id_r[17])
{
    const char *id = strstr(out, "<iq type='get' id='");
    assert_non_null(id);
    snprintf(id_r, 17, "%s", id + strlen("<iq type='get' id='"));
    EXPECT_IN(out, "from='prime.test/c2s-1.prime.test' to='far.test'>" QUERY "/></iq>");
}

static void answer(struct kit *k, const char *from, const char *id, const char *query)
{
    struct buf xml = {0};
    buf_printf(&xml, "<iq type='result' from='%s' to='prime.test/c2s-1.prime.test' id='%s'>%s</iq>",
               from, id, query);
    kit_link_say(k, buf_z(&xml));
    buf_free(&xml);
}

#define YES QUERY "><feature var='x'/><feature var='" NS "'/></query>"
#define SINGLES_MARKED                                                                             \
    GOT("to", "a@far.test") GOT("cc", "b@far.test") GOT("to", "d@other.test")

static void expect_singles(const char *out)
{
    assert_int_equal(count(out, "<message "), 4 + 1); /* and to a user of ours */
    EXPECT_IN(out, "<message to='a@far.test' from='alice@prime.test/r' id='m'>");
    EXPECT_IN(out, "<message to='b@far.test' from='alice@prime.test/r' id='m'>");
    EXPECT_IN(out, "<message to='c@far.test' from='alice@prime.test/r' id='m'>");
    EXPECT_IN(out, LIST(SINGLES_MARKED BCC("c@far.test")) BODY);
    EXPECT_IN(out, "to='d@other.test' from='alice@prime.test/r' id='m'>" LIST(SINGLES_MARKED));
}

static void one_copy_for_a_service(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *at[3];
    char id[17];
    (void)state;

    kit_link_up(k);
    begin_all(k, at);
    say_to_far(k, at[0]);
    const char *out = link_heard(k);
    expect_singles(out);
    find_question(out, id);
    assert_null(strstr(out, "to='other.test'")); /* of one address only nobody is asked */
    /* C07: others' answers, and other ones, are none */
    answer(k, "other.test", id, YES);
    answer(k, "far.test", "0123456789abcdef", YES);
    say_to_far(k, at[0]);
    out = link_heard(k);
    expect_singles(out);
    assert_null(strstr(out, "<iq")); /* asked once */
    answer(k, "far.test", id, YES);
    say_to_far(k, at[0]);
    out = link_heard(k);
    assert_int_equal(count(out, "<message "), 3);
    EXPECT_IN(out, "<message to='far.test' from='alice@prime.test/r' id='m'>" LIST(
                       TO("a@far.test") CC("b@far.test") GOT("to", "d@other.test")
                       BCC("c@far.test")) BODY);
    EXPECT_IN(out, "to='d@other.test' from='alice@prime.test/r' id='m'>" LIST(SINGLES_MARKED) BODY);
    EXPECT_IN(out, LIST(SINGLES_MARKED BCC("x@net.test")) BODY);
    /* presence is told to each */
    kit_say(k, at[0], "<presence to='prime.test'>" LIST(TO("a@far.test") TO("b@far.test"))
                      "</presence>");
    assert_int_equal(count(link_heard(k), "<presence "), 2);
    /* one who is blocked is left out */
    kit_say(k, at[0], "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'>"
                      "<item jid='a@far.test'/></block></iq>");
    kit_heard(at[0]);
    link_heard(k);
    say_to_far(k, at[0]);
    EXPECT_LINK(k, "<message to='far.test' from='alice@prime.test/r' id='m'>" LIST(
                       GOT("to", "a@far.test") CC("b@far.test") GOT("to", "d@other.test")
                       BCC("c@far.test")) BODY);
    EXPECT(at[0], "not-acceptable");
    /* after half a day it is asked again */
    loop_sim_advance(k->loop, 13 * 3600 * 1000);
    link_heard(k);
    say_to_far(k, at[0]);
    find_question(link_heard(k), id);
    assert_int_equal(at[0]->unsafe_count, 0);
    end_all(k, at);
}

static void services_that_are_none(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *at[3];
    char id[17];
    (void)state;

    kit_link_up(k);
    begin_all(k, at);
    say_to_far(k, at[0]);
    find_question(link_heard(k), id);
    answer(k, "far.test", id, QUERY "><feature var='x'/></query>");
    say_to_far(k, at[0]);
    const char *out = link_heard(k);
    expect_singles(out);
    assert_null(strstr(out, "<iq"));
    /* too many: the first is forgotten */
    for (int i = 0; i < 1000; i++) {
        struct buf xml = {0};
        buf_printf(&xml, "<message to='prime.test'>" LIST("<address type='to' jid='a@n%d.test'/>"
                                                          "<address type='to' jid='b@n%d.test'/>")
                         "</message>", i, i);
        kit_say(k, at[0], buf_z(&xml));
        buf_free(&xml);
        assert_int_equal(count(link_heard(k), "<iq"), 1);
    }
    say_to_far(k, at[0]);
    find_question(link_heard(k), id);
    end_all(k, at);
}

/* --- discovery -------------------------------------------------------------------------------- */

static void discovery(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *at[3];
    (void)state;

    kit_link_up(k);
    begin_all(k, at);
    kit_say(k, at[0], "<iq type='get' id='1' to='prime.test'>" QUERY "/></iq>");
    EXPECT(at[0], "<feature var='" NS "'/>");
    kit_say(k, at[0], "<iq type='get' id='2' to='net.test'>" ITEMS "/></iq>");
    EXPECT(at[0], "<item jid='multicast@net.test'/>");
    kit_say(k, at[0], "<iq type='get' id='3' to='multicast@net.test'>" QUERY "/></iq>");
    EXPECT(at[0], "<feature var='" NS "'/>");
    kit_say(k, at[0], "<iq type='get' id='4' to='multicast@net.test'>" ITEMS "/></iq>");
    EXPECT(at[0], "type='result'");
    kit_say(k, at[0], "<iq type='get' id='5' to='multicast@net.test'><vCard xmlns='vcard-temp'/>"
                      "</iq>");
    EXPECT(at[0], "service-unavailable");
    kit_link_say(k, "<iq type='get' id='6' from='x@far.test' to='multicast@prime.test'>" QUERY
                    "/></iq>");
    EXPECT_LINK(k, "<feature var='" NS "'/>");
    end_all(k, at);
}

/* The client is at another instance than its user's owner. */
static void by_way_of_a_front(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *c = open_fronted(&t, "phone");
    (void)state;

    say(&t, c, "<presence/>");
    kit_heard(own);
    say(&t, c, "<message to='net.test'>" LIST(TO("alice@net.test/phone")
                                               TO("alice@prime.test/own")) BODY "</message>");
    EXPECT(own, BODY);
    EXPECT(c, BODY);
    kit_close(t.front, c);
    kit_close(t.owner, own);
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_users_here),
        cmocka_unit_test(blind_copies),
        cmocka_unit_test(what_has_been_delivered),
        cmocka_unit_test(each_by_its_own_rules),
        cmocka_unit_test(presence),
        cmocka_unit_test(safe_when_all_are),
        cmocka_unit_test(refusals),
        cmocka_unit_test(addressed_to_one),
        cmocka_unit_test(not_without_the_right),
        cmocka_unit_test(senders_elsewhere),
        cmocka_unit_test(one_copy_for_a_service),
        cmocka_unit_test(services_that_are_none),
        cmocka_unit_test(discovery),
        cmocka_unit_test(by_way_of_a_front),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
