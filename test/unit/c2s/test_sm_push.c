/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Notifications for clients that are away (XEP-0357): requests, and who is notified of what.
 */
#include "net_kit.h"
#include "sm_push.h"

/* --- requests --------------------------------------------------------------------------------- */

static void requests_are_checked(void **state)
{
    static const struct {
        const char *payload, *answer;
    } cases[] = {
        {"<enable xmlns='urn:xmpp:push:0' node='n'/>", "bad-request"},
        {"<enable xmlns='urn:xmpp:push:0' jid='@' node='n'/>", "jid-malformed"},
        {"<enable xmlns='urn:xmpp:push:0' jid='' node='n'/>", "jid-malformed"},
        {"<enable xmlns='urn:xmpp:push:0' jid='alice@prime.test' node='n'/>", "not-allowed"},
        {"<enable xmlns='urn:xmpp:push:0' jid='net.test'/>", "not-allowed"},
        {"<enable xmlns='urn:xmpp:push:0' jid='p.test'>" OPTIONS("other") "</enable>",
         "bad-request"},
        {"<disable xmlns='urn:xmpp:push:0'/>", "bad-request"},
        {"<disable xmlns='urn:xmpp:push:0' jid='p.test'/>", "type='result'"},
        {"<enable xmlns='urn:xmpp:push:0' jid='P.Test'/>", "type='result'"},
        {"<enable xmlns='urn:xmpp:push:0' jid='app.prime.test' node='n'/>", "type='result'"},
        {"<enable xmlns='urn:xmpp:push:0' jid='p.test' node='n'>" PUBLISH_OPTIONS "</enable>",
         "type='result'"},
    };
    struct kit *k = kit_new(NULL);
    struct kit_client *a = come(k, "alice", "a", "");
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf xml = {0};
        buf_printf(&xml, "<iq type='set' id='%zu'>%s</iq>", i, cases[i].payload);
        kit_say(k, a, buf_z(&xml));
        EXPECT(a, cases[i].answer);
        buf_free(&xml);
    }
    assert_int_equal(registrations(k), 3);
    kit_say(k, a, "<iq type='get' id='g' to='alice@prime.test'>"
                  "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
    EXPECT(a, "<feature var='urn:xmpp:push:0'/>");
    kit_close(k, a);
    kit_free(k);
}

/* Node, options: not without bounds. */
static void requests_are_bounded(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = come(k, "alice", "a", "");
    struct buf xml = {0};
    (void)state;

    for (int i = 0; i < 2; i++) {
        buf_clear(&xml);
        buf_append_z(&xml, "<iq type='set' id='1'><enable xmlns='urn:xmpp:push:0' jid='p.test'");
        if (i == 0) {
            buf_printf(&xml, " node='%0*d'>", 1025, 1);
        } else {
            buf_append_z(&xml, "><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
                               "<value>http://jabber.org/protocol/pubsub#publish-options</value>"
                               "</field><field var='a'><value>");
            buf_printf(&xml, "%0*d", 8192, 1);
            buf_append_z(&xml, "</value></field></x>");
        }
        buf_append_z(&xml, "</enable></iq>");
        kit_say(k, a, buf_z(&xml));
        EXPECT(a, "not-acceptable");
    }
    buf_free(&xml);
    assert_int_equal(registrations(k), 0);
    kit_close(k, a);
    kit_free(k);
}

/* C02: nobody enables anything for another account. */
static void others_may_not(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = come(k, "alice", "a", "");
    (void)state;

    kit_say(k, a, "<iq type='set' id='1' to='bob@prime.test'>"
                  "<enable xmlns='urn:xmpp:push:0' jid='p.test' node='n'/></iq>");
    EXPECT(a, "type='error'");
    kit_link_up(k);
    kit_link_say(k, "<iq type='set' id='2' from='m@far.test/x' to='alice@prime.test'>"
                    "<enable xmlns='urn:xmpp:push:0' jid='p.test' node='n'/></iq>");
    EXPECT_LINK(k, "forbidden");
    assert_int_equal(registrations(k), 0);
    kit_close(k, a);
    kit_free(k);
}

/* The last one to be enabled stays; the same again is the same. */
static void a_user_has_so_many(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = come(k, "alice", "a", ENABLE("p.test", "1"));
    (void)state;

    kit_say(k, a, ENABLE("p.test", "2"));
    kit_say(k, a, ENABLE("p.test", "3"));
    kit_say(k, a, ENABLE("p.test", "1"));
    assert_int_equal(registrations(k), 3);
    kit_say(k, a, ENABLE("p.test", "4"));
    assert_int_equal(registrations(k), 3);
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM push WHERE node = ?1", "2"), 0);
    kit_say(k, a, DISABLE("jid='p.test' node='3'"));
    assert_int_equal(registrations(k), 2);
    kit_say(k, a, ENABLE("q.test", "4"));
    kit_say(k, a, DISABLE("jid='p.test'"));
    assert_int_equal(registrations(k), 1);
    kit_close(k, a);
    kit_free(k);
}

/* --- messages --------------------------------------------------------------------------------- */

static void absent(void **state)
{
    struct kit *k = away(NULL);
    (void)state;

    from_afar(k, "id='1' type='chat'>" BODY);
    const char *out = expect_pushes(k, 1);
    EXPECT_IN(out, "<iq to='push.far.test' from='alice@prime.test' id='notify-");
    EXPECT_IN(out, "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='n1'><item>"
                   "<notification xmlns='urn:xmpp:push:0'>" SUMMARY("1", "") "</notification>"
                   "</item></publish></pubsub></iq>");
    assert_int_equal(kit_offline_count(k, "alice"), 1);
    succeed(k, out);
    assert_string_equal(kit_drain(&k->link.out), "");
    kit_free(k);
}

/* What cannot be stored is refused, and nobody is woken for it. */
static void not_for_what_is_refused(void **state)
{
    struct sm_opts opts = *kit_opts();
    (void)state;

    opts.max_offline = 0;
    struct kit *k = away(&opts);
    from_afar(k, "id='1' type='chat'>" BODY);
    EXPECT_IN(expect_pushes(k, 0), "service-unavailable");
    kit_free(k);
}

static void what_is_worth_it(void **state)
{
    static const struct {
        const char *rest;
        size_t pushes;
    } cases[] = {
        {"type='chat'>" BODY, 1},
        {">" BODY, 1},
        {"><body/>", 0},
        {"><body></body><body xml:lang='de'>ja</body>", 1},
        {"type='headline'>" BODY, 0},
        {"type='error'>" BODY, 0},
        {"type='groupchat'>" BODY, 0},
        {"><composing xmlns='http://jabber.org/protocol/chatstates'/>", 0},
        {"><received xmlns='urn:xmpp:receipts' id='1'/>", 0},
        {"><displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>", 0},
        {"><subject>s</subject>", 0},
        {">" BODY "<no-store xmlns='urn:xmpp:hints'/>", 0},
        {"><encrypted xmlns='eu.siacs.conversations.axolotl'><payload>x</payload></encrypted>", 1},
        {"><encrypted xmlns='urn:xmpp:omemo:2'><payload>x</payload></encrypted>", 1},
        {"><encrypted xmlns='eu.siacs.conversations.axolotl'><header/></encrypted>"
         "<encryption xmlns='urn:xmpp:eme:0'/><store xmlns='urn:xmpp:hints'/>", 0},
        {"><encryption xmlns='urn:xmpp:eme:0' namespace='x'/>", 1},
        {"><openpgp xmlns='urn:xmpp:openpgp:0'>x</openpgp>", 1},
        {"><e2e xmlns='urn:ietf:params:xml:ns:xmpp-e2e'>x</e2e>", 1},
        {"><propose xmlns='urn:xmpp:jingle-message:0' id='c'/><store xmlns='urn:xmpp:hints'/>", 1},
        {"><accept xmlns='urn:xmpp:jingle-message:0' id='c'/><store xmlns='urn:xmpp:hints'/>", 0},
        {"><x xmlns='jabber:x:conference' jid='r@rooms.test'/>", 1},
        {"><sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
         "<message xmlns='jabber:client'>" BODY "</message></forwarded></sent>", 0},
    };
    struct sm_opts opts = *kit_opts();
    (void)state;

    opts.max_offline = 1000;
    struct kit *k = away(&opts);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        from_afar(k, cases[i].rest);
        const char *out = kit_drain(&k->link.out);
        if (count(out, "<notification ") != cases[i].pushes)
            fail_msg("%s: %s", cases[i].rest, out);
        if (cases[i].pushes)
            succeed(k, out);
        next_day(k);
        kit_drain(&k->link.out);
    }
    kit_free(k);
}

static void what_settings_let_it_say(void **state)
{
    struct sm_opts opts = *kit_opts();
    char text[1200];
    (void)state;

    opts.push_sender = opts.push_body = true;
    struct kit *k = away(&opts);
    from_afar(k, "><body>one &amp; two</body>");
    const char *out = expect_pushes(k, 1);
    EXPECT_IN(out, SUMMARY("1", "<field var='last-message-sender'><value>carol@far.test/x</value>"
                                "</field><field var='last-message-body'><value>one &amp; two"
                                "</value></field>"));
    succeed(k, out);
    /* not what stands in for encrypted words */
    from_afar(k, ">" BODY "<encryption xmlns='urn:xmpp:eme:0' namespace='x'/>");
    out = expect_pushes(k, 1);
    assert_null(strstr(out, "last-message-body"));
    EXPECT_IN(out, "last-message-sender");
    succeed(k, out);
    /* nor half a character */
    snprintf(text, sizeof(text), "><body>%0*d\xc3\xa4</body>", 1023, 1);
    from_afar(k, text);
    EXPECT_IN(expect_pushes(k, 1), "00001</value>");
    kit_free(k);
}

/* In a network, the sender is written as the client that is away would see him. */
static void senders_are_as_the_client_sees_them(void **state)
{
    static const struct {
        const char *domain, *from, *shown;
    } cases[] = {
        {"net.test", "carol@beta.test/x", "carol@net.test/x"},
        {"prime.test", "carol@beta.test/x", "carol@beta.test/x"},
        {"net.test", "carol@far.test/x", "carol@far.test/x"},
        {"net.test", "bob@prime.test/r", "bob@net.test/r"},
        {"prime.test", "bob@net.test/r", "bob@prime.test/r"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sm_opts opts = net_opts(NULL);
        char xml[512];
        opts.push_sender = true;
        struct kit *k = net_new(NET_TABLE, &opts);
        net_learn(k, "carol", "beta.test");
        struct kit_client *a = kit_open(k, "alice", cases[i].domain, "phone");
        if (!a->session) {
            sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN_NONE);
            kit_settle(k);
        }
        kit_say(k, a, ENABLE("push.far.test", "n1"));
        kit_close(k, a);
        sm_link_events.on_released(k->sm, SPAN("alice@prime.test"));
        kit_settle(k);
        kit_drain(&k->link.out);
        snprintf(xml, sizeof(xml), "<message from='%s' to='alice@prime.test'>" BODY "</message>",
                 cases[i].from);
        kit_link_say(k, xml);
        snprintf(xml, sizeof(xml), "<field var='last-message-sender'><value>%s</value></field>",
                 cases[i].shown);
        EXPECT_IN(expect_pushes(k, 1), xml);
        net_free(k);
    }
}

static void options_and_domain_are_kept(void **state)
{
    struct kit *k = linked(NULL);
    struct kit_client *a = kit_open(k, "alice", "net.test", "a");
    (void)state;

    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(k);
    kit_say(k, a, "<iq type='set' id='1'><enable xmlns='urn:xmpp:push:0' jid='push.far.test'>"
                  PUBLISH_OPTIONS "</enable></iq>");
    kit_close(k, a);
    kit_drain(&k->link.out);
    from_afar(k, ">" BODY);
    const char *out = expect_pushes(k, 1);
    EXPECT_IN(out, "<iq to='push.far.test' from='alice@net.test'");
    EXPECT_IN(out, "<publish><item>");
    EXPECT_IN(out, "</publish><publish-options>" PUBLISH_OPTIONS "</publish-options></pubsub>");
    kit_free(k);
}

/* --- whose client is there -------------------------------------------------------------------- */

static void not_while_its_client_is_there(void **state)
{
    struct kit *k = linked(NULL);
    struct kit_client *phone = come(k, "alice", "phone", ENABLE("push.far.test", "n1"));
    struct kit_client *desk = come(k, "alice", "desk", "<presence/>");
    (void)state;

    kit_say(k, phone, "<presence/>");
    from_afar(k, ">" BODY);
    expect_pushes(k, 0);
    /* it takes nothing more for a while */
    sm_set_full(phone->session, true);
    from_afar(k, ">" BODY);
    succeed(k, expect_pushes(k, 1));
    sm_set_full(phone->session, false);
    /* gone: the other is there, and the first is told all the same */
    kit_close(k, phone);
    kit_drain(&k->link.out);
    from_afar(k, ">" BODY);
    succeed(k, expect_pushes(k, 1));
    EXPECT(desk, BODY);
    /* of what goes through others' hands it is not told */
    from_afar(k, "type='groupchat'>" BODY);
    from_afar(k, "><no-store xmlns='urn:xmpp:hints'/>" BODY);
    expect_pushes(k, 0);
    kit_close(k, desk);
    kit_free(k);
}

static void a_client_that_may_come_back(void **state)
{
    struct kit *k = linked(NULL);
    struct kit_client *a = come(k, "alice", "phone", ENABLE("push.far.test", "n1"));
    struct kit_client *b = come(k, "alice", "tab", ENABLE("push.far.test", "n2"));
    (void)state;

    kit_say(k, a, "<presence/>");
    kit_say(k, b, "<presence/>");
    kit_drain(&k->link.out);
    sm_set_away(a->session, true);
    from_afar(k, ">" BODY);
    const char *out = expect_pushes(k, 1);
    EXPECT_IN(out, "node='n1'");
    succeed(k, out);
    EXPECT(a, BODY);
    /* a room's message for it alone */
    kit_link_say(k, "<message from='r@rooms.test/x' to='alice@prime.test/phone' type='groupchat'>"
                    BODY "</message>");
    succeed(k, expect_pushes(k, 1));
    kit_link_say(k, "<message from='r@rooms.test/x' to='alice@prime.test/tab' type='groupchat'>"
                    BODY "</message>");
    expect_pushes(k, 0);
    sm_set_away(a->session, false);
    from_afar(k, ">" BODY);
    expect_pushes(k, 0);
    kit_close(k, b);
    kit_close(k, a);
    kit_free(k);
}

static void what_it_has_not_acknowledged(void **state)
{
    static const char *const not[] = {
        "<iq type='get' id='1'/>",
        "<message><active xmlns='http://jabber.org/protocol/chatstates'/></message>",
        "<message to='alice@prime.test/phone' from='alice@prime.test'>"
        "<sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
        "<message xmlns='jabber:client'>" BODY "</message></forwarded></sent></message>",
    };
    static const char *const yes[] = {
        "<message from='x@y.test'>" BODY "</message>",
        "<message to='alice@prime.test/phone' from='alice@prime.test'>"
        "<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
        "<message xmlns='jabber:client'>" BODY "</message></forwarded></received></message>",
    };
    struct kit *k = linked(NULL);
    struct kit_client *a = come(k, "alice", "phone", ENABLE("push.far.test", "n1"));
    struct kit_client *b = come(k, "bob", "b", "");
    (void)state;

    kit_drain(&k->link.out);
    sm_set_away(a->session, true);
    sm_set_away(b->session, true);
    sm_missed(b->session, span_of(yes[0])); /* has enabled nothing */
    for (size_t i = 0; i < sizeof(not) / sizeof(not[0]); i++)
        sm_missed(a->session, span_of(not[i]));
    kit_settle(k);
    expect_pushes(k, 0);
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        sm_missed(a->session, span_of(yes[i]));
        kit_settle(k);
        succeed(k, expect_pushes(k, 1));
    }
    /* It never came back: what it has been told of is stored without a word. */
    sm_undelivered(a->session, span_of("<message to='alice@prime.test/phone' from='x@y.test'>" BODY
                                       "</message>"), loop_wall(k->loop));
    kit_settle(k);
    expect_pushes(k, 0);
    kit_close(k, b);
    kit_close(k, a);
    assert_int_equal(kit_offline_count(k, "alice"), 1);
    kit_free(k);
}

/* The connection of one that cannot come back breaks. */
static void what_was_lost_on_the_way(void **state)
{
    struct kit *k = linked(NULL);
    struct kit_client *a = come(k, "alice", "phone", ENABLE("push.far.test", "n1"));
    (void)state;

    kit_drain(&k->link.out);
    sm_undelivered(a->session, span_of("<message to='alice@prime.test/phone' from='x@y.test'>" BODY
                                       "</message>"), loop_wall(k->loop));
    kit_settle(k);
    expect_pushes(k, 1);
    kit_close(k, a);
    kit_free(k);
}

/* Two sessions with the same registration: an old one that waits does not count. */
static void one_registration_two_sessions(void **state)
{
    struct kit *k = linked(NULL);
    struct kit_client *old = come(k, "alice", "1", ENABLE("push.far.test", "n1"));
    struct kit_client *new = come(k, "alice", "2", ENABLE("push.far.test", "n1"));
    (void)state;

    kit_say(k, old, "<presence/>");
    kit_say(k, new, "<presence/>");
    kit_drain(&k->link.out);
    sm_set_away(old->session, true);
    sm_missed(old->session, SPAN("<message from='x@y.test'>" BODY "</message>"));
    from_afar(k, ">" BODY);
    expect_pushes(k, 0);
    sm_set_away(new->session, true);
    from_afar(k, ">" BODY);
    expect_pushes(k, 1);
    kit_close(k, new);
    kit_close(k, old);
    kit_free(k);
}

static void disabled(void **state)
{
    struct kit *k = linked(NULL);
    struct kit_client *a = come(k, "alice", "phone", ENABLE("push.far.test", "n1"));
    (void)state;

    kit_say(k, a, "<presence/>");
    kit_say(k, a, DISABLE("jid='push.far.test'"));
    kit_drain(&k->link.out);
    sm_set_away(a->session, true);
    from_afar(k, ">" BODY);
    expect_pushes(k, 0);
    kit_close(k, a);
    from_afar(k, ">" BODY);
    expect_pushes(k, 0);
    kit_free(k);
}

static void not_of_who_is_blocked(void **state)
{
    struct kit *k = linked(NULL);
    struct kit_client *a = come(k, "alice", "phone", ENABLE("push.far.test", "n1"));
    (void)state;

    kit_say(k, a, "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'>"
                  "<item jid='carol@far.test'/></block></iq>");
    sm_set_away(a->session, true);
    kit_drain(&k->link.out);
    from_afar(k, ">" BODY);
    expect_pushes(k, 0);
    kit_close(k, a);
    from_afar(k, ">" BODY);
    expect_pushes(k, 0);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_checked),
        cmocka_unit_test(requests_are_bounded),
        cmocka_unit_test(others_may_not),
        cmocka_unit_test(a_user_has_so_many),
        cmocka_unit_test(absent),
        cmocka_unit_test(not_for_what_is_refused),
        cmocka_unit_test(what_is_worth_it),
        cmocka_unit_test(what_settings_let_it_say),
        cmocka_unit_test(senders_are_as_the_client_sees_them),
        cmocka_unit_test(options_and_domain_are_kept),
        cmocka_unit_test(not_while_its_client_is_there),
        cmocka_unit_test(a_client_that_may_come_back),
        cmocka_unit_test(what_it_has_not_acknowledged),
        cmocka_unit_test(what_was_lost_on_the_way),
        cmocka_unit_test(one_registration_two_sessions),
        cmocka_unit_test(disabled),
        cmocka_unit_test(not_of_who_is_blocked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
