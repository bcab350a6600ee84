/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Ad-hoc commands as such (XEP-0050): who may, the course of an execution, its end by time and by
 * number, and errors. What each command does: test_sm_admin.c.
 */
#include "sm_commands.h"

#include "base/log.h"

#define ANNOUNCE ADMIN "announce"
#define OWN "http://kontalk.org/extensions/commands#end-sessions"
#define WORDS FIELD("announcement", "hear, hear")
#define COMPLETED "status='completed'"
#define MINUTES(n) ((n) * 60 * 1000)

/* --- who -------------------------------------------------------------------------------------- */

#define LIST "<query xmlns='http://jabber.org/protocol/disco#items' node='" COMMANDS "'/>"
#define INFO(node) "<query xmlns='http://jabber.org/protocol/disco#info' node='" node "'/>"
#define GET(payload) "<iq type='get' id='d' to='prime.test'>" payload "</iq>"

static void disco(void **state)
{
    struct office o = office_open();
    struct kit_client *a = kit_open(o.k, "alice", "prime.test", "a");
    (void)state;

    kit_say(o.k, a, GET("<query xmlns='http://jabber.org/protocol/disco#info'/>"));
    EXPECT(a, "<feature var='" COMMANDS "'/>");
    kit_say(o.k, a, GET(LIST));
    EXPECT(a, "<query xmlns='http://jabber.org/protocol/disco#items' node='" COMMANDS "'><item "
              "jid='prime.test' node='" OWN "' name='End Other Sessions of Mine'/></query>");
    kit_say(o.k, a, GET(INFO(ANNOUNCE)));
    EXPECT(a, "<forbidden");
    kit_say(o.k, a, GET(INFO(COMMANDS)));
    EXPECT(a, "<identity category='automation' type='command-list'");
    kit_say(o.k, a, GET(INFO("other")));
    EXPECT(a, "<item-not-found");

    kit_say(o.k, o.boss, GET(LIST));
    EXPECT(o.boss, "<item jid='prime.test' node='" ANNOUNCE "' name='Send Announcement");
    kit_say(o.k, o.boss, GET(INFO(ANNOUNCE)));
    const char *heard = kit_heard(o.boss);
    EXPECT_IN(heard, "<identity category='automation' type='command-node' name='Send Ann");
    EXPECT_IN(heard, "<feature var='" COMMANDS "'/><feature var='jabber:x:data'/>");
    kit_say(o.k, o.boss,
            GET("<query xmlns='http://jabber.org/protocol/disco#items' node='" ANNOUNCE "'/>"));
    EXPECT(o.boss, "node='" ANNOUNCE "'></query>");
    kit_close(o.k, a);
    office_close(&o);
}

#define FAR(from, id) "<iq type='set' id='f' from='" from "' to='prime.test'><command xmlns='"     \
                      COMMANDS "' node='" ANNOUNCE "'" id "/></iq>"

/* A13 */
static void others_are_forbidden(void **state)
{
    static const char *const strangers[] = {
        FAR("boss@far.test/desk", ""),         /* the name of the administrator elsewhere */
        FAR("boss.prime.test", ""),            /* components */
        FAR("boss@bot.prime.test/desk", ""),
        FAR("prime.test.far.test", ""),
        FAR("boss@prime.test.far.test", ""),
        FAR("remote@far.test.example/x", ""),
        FAR("far.test/remote@far.test", ""),
        FAR("x@far.test/remote@far.test", ""),
    };
    struct office o = office_open();
    struct kit_client *a = kit_open(o.k, "alice", "prime.test", "boss@prime.test");
    (void)state;

    EXPECT_IN(say_command(&o, a, ANNOUNCE, "", "execute", ""), "<forbidden");
    EXPECT_IN(say_command(&o, a, ANNOUNCE, "", "complete", form_of(WORDS)), "<forbidden");
    EXPECT_IN(say_command(&o, a, ADMIN "restart", "", "", ""), "<forbidden");
    kit_say(o.k, a, "<iq type='set' id='c' from='boss@prime.test/desk' to='prime.test'><command "
                    "xmlns='" COMMANDS "' node='" ANNOUNCE "'/></iq>");
    assert_int_equal(a->kicked, STREAM_INVALID_FROM);
    kit_link_up(o.k);
    for (size_t i = 0; i < ARRAY_LEN(strangers); i++) {
        kit_drain(&o.k->link.out);
        kit_link_say(o.k, strangers[i]);
        EXPECT_LINK(o.k, "<forbidden");
    }
    /* with the number of an execution that is under way, too */
    const char *id = id_in(say_command(&o, o.boss, ANNOUNCE, "", "", ""));
    struct buf xml = {0};
    buf_printf(&xml, FAR("boss@far.test/desk", " sessionid='%s' action='cancel'"), id);
    kit_link_say(o.k, buf_z(&xml));
    EXPECT_LINK(o.k, "<forbidden");
    buf_free(&xml);
    EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, id, "complete", form_of(WORDS)), COMPLETED);
    kit_close(o.k, a);
    office_close(&o);
}

/* An administrator elsewhere; his address may be spelled in another way. */
static void by_the_link(void **state)
{
    struct office o = office_open();
    struct buf xml = {0};
    (void)state;

    kit_link_up(o.k);
    kit_drain(&o.k->link.out);
    kit_link_say(o.k, FAR("Remote@far.test/x", ""));
    const char *heard = kit_drain(&o.k->link.out);
    EXPECT_IN(heard, "type='result'");
    EXPECT_IN(heard, "to='Remote@far.test/x'");
    buf_printf(&xml, "<iq type='set' id='f' from='remote@far.test/x' to='prime.test'><command "
                     "xmlns='" COMMANDS "' node='" ANNOUNCE "' sessionid='%s'>%s</command></iq>",
               id_in(heard), form_of(WORDS));
    kit_link_say(o.k, buf_z(&xml));
    EXPECT_LINK(o.k, COMPLETED);
    buf_free(&xml);
    office_close(&o);
}

static void a_right_may_be_taken_away(void **state)
{
    struct office o = office_open();
    const char *id = id_in(say_command(&o, o.boss, ANNOUNCE, "", "", ""));
    (void)state;

    sm_set_limits(o.k->sm, kit_opts());
    EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, id, "complete", form_of(WORDS)), "<forbidden");
    kit_say(o.k, o.boss, GET(LIST));
    assert_null(strstr(kit_heard(o.boss), ADMIN));
    office_close(&o);
}

/* --- the course of an execution --------------------------------------------------------------- */

static void form(void **state)
{
    struct office o = office_open();
    const char *heard = say_command(&o, o.boss, ANNOUNCE, "", "", "");
    (void)state;

    EXPECT_IN(heard, "<iq type='result' id='c' from='prime.test' to='boss@prime.test/desk'>"
                     "<command xmlns='" COMMANDS "' node='" ANNOUNCE "' sessionid='");
    EXPECT_IN(heard, "status='executing' xml:lang='en'><actions execute='complete'><next/>"
                     "<complete/></actions><x xmlns='jabber:x:data' type='form'><title>");
    EXPECT_IN(heard, "<field var='FORM_TYPE' type='hidden'>"
                     "<value>http://jabber.org/protocol/admin</value></field>"
                     "<field var='announcement' type='text-multi' label='Announcement'>"
                     "<required/></field></x></command></iq>");
    office_close(&o);
}

static void every_way_forward(void **state)
{
    static const char *const actions[] = {"", "execute", "next", "complete"};
    struct office o = office_open();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        const char *id = id_in(say_command(&o, o.boss, ANNOUNCE, "", "", ""));
        const char *heard = say_command(&o, o.boss, ANNOUNCE, id, actions[i], form_of(WORDS));
        EXPECT_IN(heard, COMPLETED);
        EXPECT_IN(heard, id);
        /* it is over */
        heard = say_command(&o, o.boss, ANNOUNCE, id, actions[i], form_of(WORDS));
        EXPECT_IN(heard, "<error type='cancel'><not-allowed");
        EXPECT_IN(heard, "<session-expired xmlns='" COMMANDS "'/>");
    }
    office_close(&o);
}

static void cancel(void **state)
{
    struct office o = office_open();
    const char *id = id_in(say_command(&o, o.boss, ANNOUNCE, "", "", ""));
    (void)state;

    EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, id, "cancel", ""), "status='canceled'");
    EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, id, "cancel", ""), "<session-expired");
    EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, id, "complete", form_of(WORDS)),
              "<session-expired");
    office_close(&o);
}

static void wrong_requests(void **state)
{
    static const struct {
        const char *node, *action, *answer;
    } first[] = {
        {"", "", "<bad-request"},
        {"nothing", "", "<item-not-found"},
        {ADMIN "restart", "", "<feature-not-implemented"},
        {ANNOUNCE, "jump", "<malformed-action xmlns='" COMMANDS "'/>"},
        {ANNOUNCE, "EXECUTE", "<malformed-action"},
        {ANNOUNCE, "cancel", "<bad-action"},
        {ANNOUNCE, "prev", "<bad-action"},
        {ANNOUNCE, "next", "<bad-action"},
        {ANNOUNCE, "complete", "<bad-action"},
    };
    struct office o = office_open();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(first); i++) {
        const char *heard = say_command(&o, o.boss, first[i].node, "", first[i].action, "");
        EXPECT_IN(heard, first[i].answer);
        EXPECT_IN(heard, "id='c' type='error'><command xmlns='" COMMANDS "'");
        EXPECT_IN(heard, "/><error type='");
    }
    kit_say(o.k, o.boss, "<iq type='get' id='c' to='prime.test'><command xmlns='" COMMANDS "' "
                         "node='" ANNOUNCE "'/></iq>");
    EXPECT(o.boss, "<not-allowed");
    const char *id = id_in(say_command(&o, o.boss, ANNOUNCE, "", "", ""));
    EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, id, "prev", ""),
              "/><error type='modify'><bad-request");
    EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, id, "prev", ""), "<bad-action");
    EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, id, "jump", ""), "<malformed-action");
    EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, id, "", form_of(WORDS)), COMPLETED);
    office_close(&o);
}

static void wrong_ids(void **state)
{
    struct office o = office_open();
    struct kit_client *other = kit_open(o.k, "boss", "prime.test", "sofa");
    const char *id = id_in(say_command(&o, o.boss, ANNOUNCE, "", "", ""));
    char bent[64];
    (void)state;

    /* of another command, of another resource, made up, cut, and changed */
    EXPECT_IN(say_command(&o, o.boss, ADMIN "set-motd", id, "", ""),
              "<bad-sessionid xmlns='" COMMANDS);
    EXPECT_IN(say_command(&o, other, ANNOUNCE, id, "cancel", ""), "<bad-sessionid");
    EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, "x", "", ""), "<bad-sessionid");
    snprintf(bent, sizeof(bent), "%.47s", id);
    EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, bent, "", ""), "<bad-sessionid");
    for (size_t i = 0; i < 48; i += 16) {
        snprintf(bent, sizeof(bent), "%s", id);
        bent[i] = bent[i] == '0' ? '1' : '0';
        EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, bent, "", ""), "<bad-sessionid");
    }
    kit_say(o.k, o.boss, "<iq type='set' id='c' to='prime.test'><command xmlns='" COMMANDS "' "
                         "node='" ANNOUNCE "' sessionid=''/></iq>");
    EXPECT(o.boss, "<bad-sessionid");
    EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, id, "", form_of(WORDS)), COMPLETED);
    kit_close(o.k, other);
    office_close(&o);
}

/* What is wrong can be mended. */
static void wrong_forms(void **state)
{
    static const char *const forms[] = {
        "",
        "<x xmlns='jabber:x:data' type='submit'/>",
        "<x xmlns='jabber:x:data' type='cancel'/>",
        "<x xmlns='jabber:x:data' type='submit'>" FIELD("other", "x") "</x>",
        "<x xmlns='jabber:x:data' type='submit'>" FIELD("announcement", "") "</x>",
        "<x xmlns='jabber:x:data' type='submit'><field var='announcement'/></x>",
        "<x xmlns='jabber:x:data' type='submit'>" FIELD("FORM_TYPE", "urn:other") WORDS "</x>",
        "<x xmlns='urn:other' type='submit'>" WORDS "</x>",
    };
    struct office o = office_open();
    const char *id = id_in(say_command(&o, o.boss, ANNOUNCE, "", "", ""));
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, id, "complete", forms[i]),
                  "<bad-payload xmlns='" COMMANDS "'/>");
    EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, id, "complete",
                  "<x xmlns='jabber:x:data' type='submit'>" WORDS "</x>"), COMPLETED);
    office_close(&o);
}

/* --- bounds ----------------------------------------------------------------------------------- */

static void expiry(void **state)
{
    struct office o = office_open();
    const char *first = id_in(say_command(&o, o.boss, ANNOUNCE, "", "", ""));
    (void)state;

    loop_sim_advance(o.k->loop, MINUTES(6));
    const char *second = id_in(say_command(&o, o.boss, ANNOUNCE, "", "", ""));
    loop_sim_advance(o.k->loop, MINUTES(5));
    EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, first, "", form_of(WORDS)), "<session-expired");
    /* it lives again */
    EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, second, "", ""), "<bad-payload");
    loop_sim_advance(o.k->loop, MINUTES(9));
    EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, second, "", form_of(WORDS)), COMPLETED);
    const char *third = id_in(say_command(&o, o.boss, ANNOUNCE, "", "", ""));
    loop_sim_advance(o.k->loop, MINUTES(10));
    EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, third, "cancel", ""), "<session-expired");
    office_close(&o);
}

static void of_one_user(void **state)
{
    struct office o = office_open();
    char ids[11][64];
    (void)state;

    for (size_t i = 0; i < 11; i++)
        snprintf(ids[i], sizeof(ids[i]), "%s",
                 id_in(say_command(&o, o.boss, ANNOUNCE, "", "", "")));
    EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, ids[0], "", form_of(WORDS)), "<session-expired");
    for (size_t i = 1; i < 11; i++)
        EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, ids[i], "", form_of(WORDS)), COMPLETED);
    office_close(&o);
}

static void of_all_users(void **state)
{
    static char allow[] = "allow", all[] = "all", name[] = "administer";
    char *words[] = {allow, all};
    const struct sm_rule rule = {.name = name, .words = {.items = words, .count = 2}};
    struct office o = office_open();
    struct sm_opts opts = *kit_opts();
    struct buf xml = {0};
    (void)state;

    opts.rules = &rule;
    opts.rule_count = 1;
    sm_set_limits(o.k->sm, &opts);
    kit_link_up(o.k);
    for (int i = 0; i < 1000; i++) {
        buf_clear(&xml);
        buf_printf(&xml, FAR("u%d@far.test/x", ""), i / 10);
        kit_parse(o.k, NS_COMPONENT, buf_z(&xml));
        sm_link_events.on_stanza(o.k->sm, &o.k->stanza);
        EXPECT_LINK(o.k, "status='executing'");
        if (i == 498 || i == 499) /* half of them are for administrators only */
            EXPECT_IN(say_command(&o, o.boss, OWN, "", "", ""),
                      i == 498 ? COMPLETED : "<resource-constraint");
    }
    EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, "", "", ""), "<resource-constraint");
    loop_sim_advance(o.k->loop, MINUTES(11));
    EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, "", "", ""), "status='executing'");
    buf_free(&xml);
    office_close(&o);
}

/* While it runs, the same form does nothing more. */
static void twice_at_once(void **state)
{
    struct office o = office_open();
    const char *node = ADMIN "add-user", *id = id_in(say_command(&o, o.boss, node, "", "", ""));
    const char *fields = FIELD("accountjid", "carol@prime.test") FIELD("password", "secret")
        FIELD("password-verify", "secret");
    (void)state;

    kit_input(o.k, o.boss, command_of(node, id, "complete", form_of(fields)));
    kit_input(o.k, o.boss, command_of(node, id, "complete", form_of(fields)));
    kit_input(o.k, o.boss, command_of(node, id, "cancel", ""));
    EXPECT(o.boss, "<bad-action");
    kit_settle(o.k);
    EXPECT(o.boss, COMPLETED);
    assert_int_equal(o.boss->done_count, 4);
    office_close(&o);
}

/* His forms go with him, and nobody else's. */
static void who_goes(void **state)
{
    struct office o = office_open();
    struct kit_client *sofa = kit_open(o.k, "boss", "prime.test", "sofa");
    const char *id = id_in(say_command(&o, sofa, ANNOUNCE, "", "", "")),
               *other = id_in(say_command(&o, o.boss, ANNOUNCE, "", "", ""));
    (void)state;

    kit_close(o.k, sofa);
    sofa = kit_open(o.k, "boss", "prime.test", "sofa");
    EXPECT_IN(say_command(&o, sofa, ANNOUNCE, id, "", form_of(WORDS)), "<session-expired");
    EXPECT_IN(say_command(&o, o.boss, ANNOUNCE, other, "", form_of(WORDS)), COMPLETED);
    kit_close(o.k, sofa);
    office_close(&o);
}

/* Nothing is left behind by who goes, or by the end of all. */
static void ends(void **state)
{
    struct office o = office_open();
    struct kit_client *gone = kit_open(o.k, "boss", "prime.test", "gone");
    const char *fields = FIELD("accountjid", "carol@prime.test") FIELD("password", "secret")
        FIELD("password-verify", "secret");
    const char *id = id_in(say_command(&o, gone, ADMIN "add-user", "", "", ""));
    (void)state;

    kit_input(o.k, gone, command_of(ADMIN "add-user", id, "complete", form_of(fields)));
    sm_close(gone->session);
    gone->session = NULL;
    kit_settle(o.k);
    assert_int_equal(gone->done_count, 2);
    assert_string_equal(kit_heard(gone), "");
    assert_int_equal(kit_sql(o.k, "SELECT count(*) FROM account WHERE name = ?1", "carol"), 1);
    kit_close(o.k, gone);
    say_command(&o, o.boss, ANNOUNCE, "", "", "");
    id = id_in(say_command(&o, o.boss, ADMIN "change-user-password", "", "", ""));
    kit_input(o.k, o.boss,
              command_of(ADMIN "change-user-password", id, "complete",
                         form_of(FIELD("accountjid", "carol@prime.test") FIELD("password", "x"))));
    kit_input(o.k, o.boss, command_of(ADMIN "get-online-users-num", "", "", ""));
    office_close(&o);
}

/* --- what every user has --------------------------------------------------------------------- */

#define CHOSEN(values) "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>"     \
                       "http://kontalk.org/extensions/commands</value></field><field "             \
                       "var='resources'>" values "</field></x>"

static void own_sessions(void **state)
{
    struct office o = office_open();
    struct kit_client *a = kit_open(o.k, "alice", "prime.test", "a"),
                      *b = kit_open(o.k, "alice", "net.test", "b &"),
                      *c = kit_open(o.k, "alice", "prime.test", "c"),
                      *bob = kit_open(o.k, "bob", "prime.test", "c");
    (void)state;

    const char *heard = say_command(&o, a, OWN, "", "", "");
    EXPECT_IN(heard, "<field var='FORM_TYPE' type='hidden'>"
                     "<value>http://kontalk.org/extensions/commands</value></field>"
                     "<field var='resources' type='list-multi' label='Sessions'><required/>"
                     "<option label='b &amp;'><value>b &amp;</value></option>"
                     "<option label='c'><value>c</value></option></field>");
    EXPECT_IN(say_command(&o, a, OWN, id_in(heard), "",
                          CHOSEN("<value>b &amp;</value><value>a</value><value>x</value>")),
              "<note type='info'>Sessions ended: 1</note>");
    assert_true(b->is_closing);
    assert_false(a->is_closing || c->is_closing || bob->is_closing);
    EXPECT_IN(say_command(&o, bob, OWN, "", "", ""), "You have no other sessions.");
    kit_link_up(o.k);
    kit_drain(&o.k->link.out);
    kit_link_say(o.k, "<iq type='set' id='f' from='alice@far.test/x' to='prime.test'><command "
                      "xmlns='" COMMANDS "' node='" OWN "'/></iq>");
    EXPECT_LINK(o.k, "<forbidden");
    kit_close(o.k, a), kit_close(o.k, b), kit_close(o.k, c), kit_close(o.k, bob);
    office_close(&o);
}

/* --- the log ---------------------------------------------------------------------------------- */

static void keep_line(void *ctx, struct span line)
{
    buf_append(ctx, line);
    buf_append_char(ctx, '\n');
}

/* A13: who and what, but no password. */
static void uses_are_logged(void **state)
{
    struct office o = office_open();
    struct kit_client *a = kit_open(o.k, "alice", "prime.test", "a");
    struct buf lines = {0};
    (void)state;

    log_set_sink(keep_line, &lines);
    execute(&o, ADMIN "change-user-password",
            FIELD("accountjid", "bob@prime.test") FIELD("password", "s3cret"));
    say_command(&o, a, ANNOUNCE, "", "", "");
    log_set_sink(NULL, NULL);
    const char *log = buf_z(&lines);
    EXPECT_IN(log, "ev=command.run by=boss@prime.test/desk command=\"Change User Password\"");
    EXPECT_IN(log, "ev=command.account by=boss@prime.test/desk command=\"Change User Password\""
                   " account=bob@prime.test");
    EXPECT_IN(log, "ev=command.forbidden by=alice@prime.test/a command=\"Send Announcement");
    assert_null(strstr(log, "s3cret"));
    buf_free(&lines);
    kit_close(o.k, a);
    office_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(disco),
        cmocka_unit_test(others_are_forbidden),
        cmocka_unit_test(by_the_link),
        cmocka_unit_test(a_right_may_be_taken_away),
        cmocka_unit_test(form),
        cmocka_unit_test(every_way_forward),
        cmocka_unit_test(cancel),
        cmocka_unit_test(wrong_requests),
        cmocka_unit_test(wrong_ids),
        cmocka_unit_test(wrong_forms),
        cmocka_unit_test(expiry),
        cmocka_unit_test(of_one_user),
        cmocka_unit_test(of_all_users),
        cmocka_unit_test(twice_at_once),
        cmocka_unit_test(who_goes),
        cmocka_unit_test(ends),
        cmocka_unit_test(own_sessions),
        cmocka_unit_test(uses_are_logged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
