/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_net_moved - users who have registered elsewhere: what becomes of their accounts, of what is
 * stored for them and of what still comes; and what our users' clients never see of all that.
 */
#include "net_signed.h"

#define BODY "<body>hello</body>"
#define GONE(user, host) "<gone xmlns='" NS_STANZA_ERRORS "'>xmpp:" user "@" host "</gone>"

/* bob registers at beta, after he has done so here. */
static void move(struct kit *k, const char *record)
{
    net_publish(k, "beta.test", "", record);
    net_give_key(k, &key_beta, &key_beta);
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM account WHERE name = ?1", "bob"), 0);
}

/* As move; what the link has heard is forgotten. */
static struct kit *moved(void)
{
    struct kit *k = net_key_kit();
    move(k, net_record("bob", "beta.test", 1000, &key_beta));
    buf_clear(&k->link.out);
    return k;
}

static void say(struct kit *k, const char *name, const char *from, const char *to, const char *type,
                const char *content)
{
    struct buf xml = {0};
    buf_printf(&xml, "<%s xmlns='" NS_COMPONENT "' id='1' from='%s' to='%s'%s%s%s>%s</%s>", name,
               from, to, *type ? " type='" : "", type, *type ? "'" : "", content, name);
    net_hear(k, buf_z(&xml));
    buf_free(&xml);
}

/* --- the account --- */

static void his_sessions_end(void **state)
{
    struct kit *k = net_key_kit();
    struct kit_client *c = kit_come(k, "bob", "r", "<presence/>");
    (void)state;
    move(k, net_record("bob", "beta.test", 1000, &key_beta));
    assert_int_equal(c->kicked, STREAM_NOT_AUTHORIZED);
    assert_int_equal(k->sm->net->counts.moved, 1);
    kit_close(k, c);
    net_free(k);
}

static void at_another_instance_too(void **state)
{
    struct kit *k = net_key_kit();
    (void)state;
    move(k, net_record("bob", "beta.test", 1000, &key_beta));
    EXPECT_LINK(k, "<message type='headline' from='prime.test' to='bob@prime.test'>"
                   "<moved jid='beta.test' ");
    struct kit_client *c = kit_come(k, "alice", "r", "");
    kit_link_say(k,
                 "<message xmlns='" NS_COMPONENT "' type='headline' from='prime.test'"
                 " to='alice@prime.test'><moved jid='beta.test' xmlns='" NS_FRONT "'/></message>");
    assert_int_equal(c->kicked, STREAM_NOT_AUTHORIZED);
    kit_close(k, c);
    net_free(k);
}

static void the_account_is_kept_for_a_month(void **state)
{
    struct kit *k = moved();
    (void)state;
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM account WHERE name GLOB '//*/bob' OR ?1", ""),
                     1);
    sm_erase(k->sm, SPAN_NONE, NULL, NULL);
    loop_sim_advance(k->loop, 60 * 1000);
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM account WHERE name GLOB '//*/bob' OR ?1", ""),
                     1);
    sm_publish_open(k->sm);
    loop_sim_advance(k->loop, 29LL * 24 * 3600 * 1000);
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM account WHERE name GLOB '//*/bob' OR ?1", ""),
                     1);
    loop_sim_advance(k->loop, 2LL * 24 * 3600 * 1000);
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM account WHERE name GLOB '/*' OR ?1", ""), 0);
    net_free(k);
}

static void he_may_come_back(void **state)
{
    struct kit *k = moved();
    (void)state;
    net_account(k, "bob", 2000);
    sm_user_added(k->sm, SPAN("bob"));
    kit_settle(k);
    say(k, "message", "carol@gamma.test/r", "bob@prime.test", "chat", BODY);
    assert_int_equal(kit_offline_count(k, "bob"), 1);
    net_free(k);
}

/* --- what is stored --- */

static void stored_messages_go_back(void **state)
{
    struct kit *k = net_key_kit();
    const char *heard;
    (void)state;
    say(k, "message", "carol@gamma.test/r", "bob@prime.test", "chat", BODY);
    say(k, "message", "alice@prime.test/r", "bob@prime.test", "", "<body>ours</body>");
    say(k, "message", "dave@else.test/r", "bob@prime.test", "", "<body>far</body>");
    assert_int_equal(kit_offline_count(k, "bob"), 3);
    buf_clear(&k->link.out);
    move(k, net_record("bob", "beta.test", 1000, &key_beta));
    kit_settle(k);
    heard = kit_drain(&k->link.out);
    /* a server of the network can send it again */
    EXPECT_IN(heard, "<message to='carol@gamma.test/r' from='bob@prime.test' id='1' type='error'>"
                     "<body>hello</body><error type='cancel'>" GONE(
                         "bob", "beta.test") "<home xmlns='" NS_NETWORK
                                             "' user='bob' host='beta.test' stamp='1000' proof=");
    EXPECT_IN(heard, " type='chat'/></error></message>");
    /* ours goes on, late */
    EXPECT_IN(heard, "to='bob@beta.test' from='alice@prime.test/r' id='1'><body>ours</body>"
                     "<delay xmlns='urn:xmpp:delay' from='prime.test' stamp=");
    /* others learn where he is, and no more */
    EXPECT_IN(heard, "<message to='dave@else.test/r' from='bob@prime.test' id='1' type='error'>"
                     "<error type='cancel'>" GONE("bob", "beta.test") "</error></message>");
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM offline WHERE ?1 = ''", ""), 0);
    net_free(k);
}

#define GONE_TO_CAROL                                                                              \
    "<message to='carol@gamma.test/r' from='bob@prime.test' id='1' type='error'>"                 \
    "<body>hello</body><error type='cancel'>" GONE("bob", "beta.test") "<home "

/* As a client had been shown it, and has never got it: carol is none of ours for that. */
static void senders_are_named_by_their_home(void **state)
{
    struct kit *k = net_key_kit();
    const char *heard;
    (void)state;
    sm_home_learn(k->sm, SPAN("carol"), SPAN("gamma.test"), 1000);
    say(k, "message", "carol@net.test/r", "bob@prime.test", "chat", BODY);
    say(k, "message", "alice@net.test/r", "bob@prime.test", "", "<body>ours</body>");
    assert_int_equal(kit_offline_count(k, "bob"), 2);
    buf_clear(&k->link.out);
    move(k, net_record("bob", "beta.test", 1000, &key_beta));
    kit_settle(k);
    heard = kit_drain(&k->link.out);
    EXPECT_IN(heard, GONE_TO_CAROL);
    EXPECT_IN(heard, "to='bob@beta.test' from='alice@net.test/r' id='1'><body>ours</body>");
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM offline WHERE ?1 = ''", ""), 0);
    say(k, "message", "carol@net.test/r", "bob@prime.test", "chat", BODY);
    EXPECT_LINK(k, GONE_TO_CAROL);
    net_free(k);
}

/* He is being looked for, when the end comes. */
static void the_end_comes_before_the_sender_is_known(void **state)
{
    struct kit *k = net_key_kit();
    (void)state;
    say(k, "message", "carol@net.test", "bob@prime.test", "chat", BODY);
    move(k, net_record("bob", "beta.test", 1000, &key_beta));
    say(k, "message", "carol@net.test", "bob@prime.test", "chat", BODY);
    net_free(k);
}

static void what_the_router_has_not_got_stays(void **state)
{
    struct kit *k = net_key_kit();
    (void)state;
    say(k, "message", "carol@gamma.test/r", "bob@prime.test", "chat", BODY);
    net_publish(k, "beta.test", "", net_record("bob", "beta.test", 1000, &key_beta));
    k->link.is_lazy = true;
    net_give_key(k, &key_beta, &key_beta);
    loop_sim_advance(k->loop, 100);
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM offline WHERE ?1 = ''", ""), 1);
    k->link.pending.call(k->link.pending.ctx, false);
    buf_clear(&k->link.out);
    loop_sim_advance(k->loop, 5100);
    EXPECT_LINK(k, "<body>hello</body><error type='cancel'><gone ");
    k->link.pending.call(k->link.pending.ctx, true);
    kit_settle(k);
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM offline WHERE ?1 = ''", ""), 0);
    net_free(k);
}

static void many_go_back(void **state)
{
    struct sm_opts opts = net_key_opts();
    opts.max_offline = 1000;
    struct kit *k = net_new(net_key_table, &opts);
    (void)state;
    for (int i = 0; i < 100; i++)
        say(k, "message", "carol@gamma.test/r", "bob@prime.test", "chat", BODY);
    move(k, net_record("bob", "beta.test", 1000, &key_beta));
    loop_sim_advance(k->loop, 500);
    assert_int_equal(k->sm->net->counts.gone, 100);
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM offline WHERE ?1 = ''", ""), 0);
    net_free(k);
}

static void requests_go_back(void **state)
{
    struct kit *k = net_key_kit();
    const char *heard;
    (void)state;
    say(k, "presence", "carol@gamma.test", "bob@prime.test", "subscribe", "<status>hi</status>");
    say(k, "presence", "alice@prime.test", "bob@prime.test", "subscribe", "");
    buf_clear(&k->link.out);
    move(k, net_record("bob", "beta.test", 1000, &key_beta));
    kit_settle(k);
    heard = kit_drain(&k->link.out);
    EXPECT_IN(heard, "<presence to='carol@gamma.test' from='bob@prime.test'");
    EXPECT_IN(heard, "<status>hi</status><error type='cancel'>" GONE("bob", "beta.test"));
    EXPECT_IN(heard, " type='subscribe'/></error></presence>");
    EXPECT_IN(heard, "to='bob@beta.test' from='alice@prime.test'");
    assert_int_equal(kit_sql(k, "SELECT count(*) FROM roster_request WHERE ?1 = ''", ""), 0);
    net_free(k);
}

static void the_end_may_come_meanwhile(void **state)
{
    struct kit *k = net_key_kit();
    (void)state;
    say(k, "message", "carol@gamma.test/r", "bob@prime.test", "chat", BODY);
    net_publish(k, "beta.test", "", net_record("bob", "beta.test", 1000, &key_beta));
    k->link.is_lazy = true;
    net_give_key(k, &key_beta, &key_beta);
    loop_sim_advance(k->loop, 100);
    struct link_done done = k->link.pending;
    sm_free(&k->sm);
    done.call(done.ctx, false);
    kit_settle(k);
    net_free(k);
}

/* --- what still comes --- */

static void what_comes_for_him_goes_back(void **state)
{
    static const struct {
        const char *name, *from, *type, *content, *answer;
    } cases[] = {
        {"message", "carol@gamma.test/r", "chat", BODY,
         BODY "<error type='cancel'>" GONE("bob", "beta.test")},
        {"message", "carol@gamma.test/r", "", BODY, " type='normal'/></error></message>"},
        {"message", "carol@gamma.test/r", "groupchat", BODY, " type='groupchat'/></error>"},
        {"iq", "carol@gamma.test/r", "get", "<vCard xmlns='vcard-temp'/>", " type='get'/></error>"},
        {"iq", "carol@gamma.test/r", "get", "<ping xmlns='urn:xmpp:ping'/>", "<gone "},
        {"presence", "carol@gamma.test", "subscribe", "", " type='subscribe'/></error></presence>"},
        {"presence", "carol@gamma.test", "unsubscribe", "", " type='unsubscribe'/></error>"},
        {"presence", "carol@gamma.test/r", "probe", "", " type='probe'/></error></presence>"},
        {"message", "dave@else.test/r", "chat", BODY,
         GONE("bob", "beta.test") "</error></message>"},
        {"presence", "dave@else.test", "subscribe", "", GONE("bob", "beta.test") "</error>"},
        {"presence", "dave@else.test", "probe", "", "type='unsubscribed'"},
        {"iq", "dave@else.test/r", "get", "<vCard xmlns='vcard-temp'/>", "<service-unavailable "},
    };
    struct kit *k = moved();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_clear(&k->link.out);
        say(k, cases[i].name, cases[i].from, "bob@prime.test", cases[i].type, cases[i].content);
        EXPECT_LINK(k, cases[i].answer);
    }
    /* never an answer to an error */
    buf_clear(&k->link.out);
    say(k, "message", "carol@gamma.test/r", "bob@prime.test", "error", BODY);
    say(k, "presence", "carol@gamma.test/r", "bob@prime.test", "", "");
    say(k, "iq", "carol@gamma.test/r", "bob@prime.test/r", "result", "");
    assert_int_equal(buf_len(&k->link.out), 0);
    net_free(k);
}

static void what_is_too_long_is_not_sent_back(void **state)
{
    struct kit *k = moved();
    struct buf body = {0};
    const char *heard;
    (void)state;
    buf_append_z(&body, "<body>");
    for (int i = 0; i < 50000; i++)
        buf_append_z(&body, "long ");
    buf_append_z(&body, "</body>");
    say(k, "message", "carol@gamma.test/r", "bob@prime.test", "chat", buf_z(&body));
    heard = kit_drain(&k->link.out);
    EXPECT_IN(heard, " type='error'><error type='cancel'>" GONE("bob", "beta.test") "<home ");
    assert_null(strstr(heard, " type='chat'"));
    buf_free(&body);
    net_free(k);
}

static void who_never_was_is_as_before(void **state)
{
    struct kit *k = moved();
    (void)state;
    say(k, "message", "carol@gamma.test/r", "nobody@prime.test", "chat", BODY);
    EXPECT_LINK(k, "<service-unavailable ");
    say(k, "presence", "carol@gamma.test", "nobody@prime.test", "subscribe", "");
    EXPECT_LINK(k, "type='unsubscribed'");
    say(k, "presence", "carol@gamma.test", "alice@prime.test", "probe", "");
    EXPECT_LINK(k, "type='unsubscribed'");
    say(k, "iq", "carol@gamma.test/r", "nobody@prime.test", "get", "<vCard xmlns='vcard-temp'/>");
    EXPECT_LINK(k, "<service-unavailable ");
    net_free(k);
}

static void what_ours_send_goes_to_his_new_home(void **state)
{
    struct kit *k = moved();
    (void)state;
    struct kit_client *c = kit_come(k, "alice", "r", "");
    sm_home_forget(k->sm, SPAN("bob")); /* as another instance would not know */
    say(k, "message", "alice@prime.test/r", "bob@prime.test", "chat", BODY);
    EXPECT_LINK(k, "to='bob@beta.test' from='alice@prime.test/r' id='1' type='chat'>" BODY);
    EXPECT_NOTHING(c);
    kit_close(k, c);
    net_free(k);
}

/* His server may take part again: subscriptions to him stay. */
static void his_server_is_no_member_now(void **state)
{
    static const struct {
        const char *name, *from, *type, *content, *answer;
    } cases[] = {
        {"message", "alice@prime.test/r", "chat", BODY, "<remote-server-not-found "},
        {"message", "dave@else.test/r", "chat", BODY, "<remote-server-not-found "},
        {"iq", "alice@prime.test/r", "get", "<vCard xmlns='vcard-temp'/>",
         "<remote-server-not-found "},
        {"iq", "dave@else.test/r", "get", "<vCard xmlns='vcard-temp'/>", "<service-unavailable "},
        {"message", "carol@gamma.test/r", "chat", BODY, GONE("bob", "beta.test")},
    };
    struct kit *k = moved();
    (void)state;
    net_table(k, "beta.test " NET_FINGERPRINT_BETA " disabled\n"
                 "gamma.test " NET_FINGERPRINT_GAMMA " enabled\n");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_clear(&k->link.out);
        say(k, cases[i].name, cases[i].from, "bob@prime.test", cases[i].type, cases[i].content);
        EXPECT_LINK(k, cases[i].answer);
    }
    buf_clear(&k->link.out);
    say(k, "presence", "alice@prime.test", "bob@prime.test", "probe", "");
    assert_null(strstr(buf_z(&k->link.out), "unsubscribed"));
    net_free(k);
}

/* --- our user has written to somebody who has moved --- */

/* carol, at from, has moved, as that record says. */
static void error_comes(struct kit *k, const char *from, const char *record, const char *type)
{
    struct buf xml = {0};
    buf_printf(&xml,
               "<message xmlns='" NS_COMPONENT "' id='1' type='error' from='%s'"
               " to='alice@prime.test/r'><body>hi</body><error type='cancel'>"
               "<gone xmlns='" NS_STANZA_ERRORS "'>xmpp:carol@gamma.test</gone>"
               "%.*s type='%s'/></error></message>",
               from, (int)strlen(record) - 2, record, type);
    kit_link_say(k, buf_z(&xml));
    buf_free(&xml);
}

/* alice has written to him there before; what the link has heard of it is forgotten. */
static void alice_wrote(struct kit *k, struct kit_client *c, const char *to, const char *type)
{
    struct buf xml = {0};
    buf_printf(&xml, "<message id='1' type='%s' to='%s'><body>hi</body></message>", type, to);
    kit_say(k, c, buf_z(&xml));
    buf_free(&xml);
    kit_settle(k);
    buf_clear(&k->link.out);
}

static void it_is_sent_again(void **state)
{
    struct kit *k = net_key_kit();
    struct kit_client *c = kit_come(k, "alice", "r", "<presence/>");
    const char *record = net_record("carol", "gamma.test", 1000, &key_gamma);
    (void)state;
    alice_wrote(k, c, "carol@beta.test", "chat");
    alice_wrote(k, c, "carol@beta.test", "normal");
    error_comes(k, "carol@beta.test", record, "chat");
    net_give_key(k, &key_gamma, &key_gamma);
    kit_settle(k);
    EXPECT_LINK(k, "<message to='carol@gamma.test' from='alice@prime.test/r' id='1' type='chat'>"
                   "<body>hi</body></message>");
    EXPECT_NOTHING(c);
    assert_int_equal(sm_home_peek(k->sm, SPAN("carol")).kind, SM_HOME_AT);
    /* what had been sent as well before */
    error_comes(k, "carol@beta.test", record, "normal");
    kit_settle(k);
    EXPECT_LINK(k, "<body>hi</body></message>");
    EXPECT_NOTHING(c);
    kit_close(k, c);
    net_free(k);
}

/* What another server puts into our users' mouths. */
static void what_was_never_sent_is_not_sent_again(void **state)
{
    struct kit *k = net_key_kit();
    struct kit_client *c = kit_come(k, "alice", "r", "<presence/>");
    const char *record = net_record("carol", "gamma.test", 1000, &key_gamma);
    static const char *const types[] = {"chat", "groupchat", "chat"};
    (void)state;
    sm_home_learn(k->sm, SPAN("carol"), SPAN("gamma.test"), 1000);
    alice_wrote(k, c, "carol@beta.test", "normal");
    alice_wrote(k, c, "dave@beta.test", "chat");
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        error_comes(k, "carol@beta.test", record, types[i]);
        kit_settle(k);
        EXPECT(c, "<body>hi</body><error ");
        assert_null(strstr(buf_len(&k->link.out) ? buf_z(&k->link.out) : "", "<message "));
    }
    kit_close(k, c);
    net_free(k);
}

/* Once. */
static void what_was_sent_once_is_sent_again_once(void **state)
{
    struct kit *k = net_key_kit();
    struct kit_client *c = kit_come(k, "alice", "r", "<presence/>");
    const char *record = net_record("carol", "gamma.test", 1000, &key_gamma);
    (void)state;
    alice_wrote(k, c, "carol@beta.test", "chat");
    error_comes(k, "carol@beta.test", record, "chat");
    net_give_key(k, &key_gamma, &key_gamma);
    kit_settle(k);
    EXPECT_LINK(k, "<body>hi</body></message>");
    error_comes(k, "carol@beta.test", record, "chat");
    kit_settle(k);
    EXPECT(c, "<body>hi</body><error ");
    kit_close(k, c);
    net_free(k);
}

static void on_key(void *ctx, const struct server_key *key)
{
    (void)ctx;
    assert_non_null(key);
}

/* Each of these is an error as any other. */
static void what_is_not_believed_reaches_the_client(void **state)
{
    struct kit *k = net_key_kit();
    struct kit_client *c = kit_come(k, "alice", "r", "<presence/>");
    const char *good = net_record("carol", "gamma.test", 1000, &key_gamma);
    const struct {
        const char *from, *record, *type;
    } cases[] = {
        {"carol@beta.test", net_record("carol", "gamma.test", 1000, &key_beta), "chat"},
        {"carol@beta.test", net_record("carol", "gamma.test", 1000, NULL), "chat"},
        {"carol@beta.test", net_record("dave", "gamma.test", 1000, &key_gamma), "chat"},
        {"carol@beta.test", net_record("carol", "evil.test", 1000, &key_gamma), "chat"},
        {"carol@gamma.test", good, "chat"},
        {"carol@evil.test", good, "chat"},
        {"carol@beta.test", good, "error"},
        {"carol@beta.test", good, "get"},
    };
    (void)state;
    sm_server_key_get(k->sm, SPAN("gamma.test"), on_key, NULL);
    net_give_key(k, &key_gamma, &key_gamma);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        alice_wrote(k, c, cases[i].from, "chat");
        error_comes(k, cases[i].from, cases[i].record, cases[i].type);
        kit_settle(k);
        EXPECT(c, "<body>hi</body><error ");
        assert_null(strstr(buf_len(&k->link.out) ? buf_z(&k->link.out) : "", "<message "));
    }
    kit_close(k, c);
    net_free(k);
}

static void it_ends(void **state)
{
    struct kit *k = net_key_kit();
    struct kit_client *c = kit_come(k, "alice", "r", "<presence/>");
    (void)state;
    sm_home_learn(k->sm, SPAN("carol"), SPAN("gamma.test"), 2000);
    alice_wrote(k, c, "carol@gamma.test", "chat");
    /* an old record, which sends him back to where he was */
    error_comes(k, "carol@gamma.test", net_record("carol", "beta.test", 1000, &key_beta), "chat");
    net_give_key(k, &key_beta, &key_beta);
    kit_settle(k);
    EXPECT(c, "<body>hi</body><error ");
    kit_close(k, c);
    net_free(k);
}

static void clients_send_no_records(void **state)
{
    struct kit *k = net_key_kit();
    struct kit_client *c = kit_come(k, "alice", "r", "");
    const char *heard;
    (void)state;
    net_learn(k, "carol", "beta.test");
    kit_say(k, c,
            "<message type='error' to='carol@net.test/r'><body>forged</body>"
            "<error type='cancel'><gone xmlns='" NS_STANZA_ERRORS "'/>"
            "<home xmlns='" NS_NETWORK "' user='alice' host='gamma.test' stamp='1'"
            " type='chat'/></error></message>");
    heard = kit_drain(&k->link.out);
    EXPECT_IN(heard, "<body>forged</body>");
    assert_null(strstr(heard, "<home"));
    kit_close(k, c);
    net_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(his_sessions_end),
        cmocka_unit_test(at_another_instance_too),
        cmocka_unit_test(the_account_is_kept_for_a_month),
        cmocka_unit_test(he_may_come_back),
        cmocka_unit_test(stored_messages_go_back),
        cmocka_unit_test(senders_are_named_by_their_home),
        cmocka_unit_test(the_end_comes_before_the_sender_is_known),
        cmocka_unit_test(what_the_router_has_not_got_stays),
        cmocka_unit_test(many_go_back),
        cmocka_unit_test(requests_go_back),
        cmocka_unit_test(the_end_may_come_meanwhile),
        cmocka_unit_test(what_comes_for_him_goes_back),
        cmocka_unit_test(what_is_too_long_is_not_sent_back),
        cmocka_unit_test(who_never_was_is_as_before),
        cmocka_unit_test(what_ours_send_goes_to_his_new_home),
        cmocka_unit_test(his_server_is_no_member_now),
        cmocka_unit_test(it_is_sent_again),
        cmocka_unit_test(what_was_never_sent_is_not_sent_again),
        cmocka_unit_test(what_was_sent_once_is_sent_again_once),
        cmocka_unit_test(what_is_not_believed_reaches_the_client),
        cmocka_unit_test(it_ends),
        cmocka_unit_test(clients_send_no_records),
    };
    return cmocka_run_group_tests(tests, net_keys_set_up, net_keys_tear_down);
}
