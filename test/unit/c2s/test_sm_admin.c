/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the commands of XEP-0133 do with accounts and sessions, and what they show of them.
 * Announcements and several instances: test_sm_admin_tell.c.
 */
#include "sm_commands.h"

#define COMPLETED "status='completed'"
#define RESULT "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'>"      \
               "<value>http://jabber.org/protocol/admin</value></field>"
#define COUNT_OF "SELECT count(*) FROM account WHERE name = ?1"

/* --- accounts --------------------------------------------------------------------------------- */

static void add_user(void **state)
{
    static const struct {
        const char *fields, *answer;
    } wrong[] = {
        {FIELD("accountjid", "carol@prime.test") FIELD("password", "a")
             FIELD("password-verify", "b"), "<not-acceptable"},
        {FIELD("accountjid", "carol@prime.test") FIELD("password", "a"), "<bad-payload"},
        {FIELD("accountjid", "carol@far.test") FIELD("password", "a")
             FIELD("password-verify", "a"), "<bad-payload"},
        {FIELD("accountjid", "carol@prime.test/x") FIELD("password", "a")
             FIELD("password-verify", "a"), "<bad-payload"},
        {FIELD("accountjid", "prime.test") FIELD("password", "a") FIELD("password-verify", "a"),
         "<bad-payload"},
        {FIELD("accountjid", "c@r@l") FIELD("password", "a") FIELD("password-verify", "a"),
         "<bad-payload"},
        {FIELD("accountjid", "carol@prime.test</value><value>dave@prime.test")
             FIELD("password", "a") FIELD("password-verify", "a"), "<bad-payload"},
        {FIELD("accountjid", "alice@prime.test") FIELD("password", "a")
             FIELD("password-verify", "a"), "<conflict"},
        {FIELD("accountjid", "carol@prime.test") FIELD("password", "&#x2060;")
             FIELD("password-verify", "&#x2060;"), "<not-acceptable"},
    };
    struct office o = office_open();
    const char *node = ADMIN "add-user", *id = id_in(say_command(&o, o.boss, node, "", "", ""));
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        EXPECT_IN(say_command(&o, o.boss, node, id, "", form_of(wrong[i].fields)), wrong[i].answer);
    assert_int_equal(kit_sql(o.k, COUNT_OF, "carol"), 0);
    assert_int_equal(kit_sql(o.k, COUNT_OF, "dave"), 0);
    EXPECT_IN(say_command(&o, o.boss, node, id, "",
                  form_of(FIELD("accountjid", "Carol@net.test") FIELD("password", "a")
                              FIELD("password-verify", "a"))), COMPLETED);
    assert_int_equal(kit_sql(o.k, COUNT_OF, "carol"), 1);
    office_close(&o);
}

static void change_password(void **state)
{
    struct office o = office_open();
    const char *salt = "SELECT length(salt_sha1) FROM account WHERE name = ?1";
    (void)state;

    assert_int_equal(kit_sql(o.k, salt, "alice"), 1);
    EXPECT_IN(execute(&o, ADMIN "change-user-password",
                      FIELD("accountjid", "alice@prime.test") FIELD("password", "new")), COMPLETED);
    assert_int_equal(kit_sql(o.k, salt, "alice"), 16);
    EXPECT_IN(execute(&o, ADMIN "change-user-password",
                      FIELD("accountjid", "nobody@prime.test") FIELD("password", "new")),
              "<item-not-found");
    office_close(&o);
}

static void delete_users(void **state)
{
    struct office o = office_open();
    struct kit_client *a = kit_open(o.k, "alice", "prime.test", "a");
    (void)state;

    /* one that cannot be ours: nothing is done */
    EXPECT_IN(execute(&o, ADMIN "delete-user",
                      JIDS(V("bob@prime.test") V("alice@far.test"))), "<bad-payload");
    assert_int_equal(kit_sql(o.k, COUNT_OF, "bob"), 1);
    const char *heard = execute(
        &o, ADMIN "delete-user",
        JIDS(V("nobody@prime.test") V("alice@prime.test") V("bob@net.test")));
    EXPECT_IN(heard, COMPLETED);
    EXPECT_IN(heard, "<note type='error'>nobody@prime.test: there is no such account</note>");
    assert_int_equal(kit_sql(o.k, COUNT_OF, "alice"), 0);
    assert_int_equal(kit_sql(o.k, COUNT_OF, "bob"), 0);
    assert_int_equal(a->kicked, STREAM_NOT_AUTHORIZED);
    kit_close(o.k, a);
    office_close(&o);
}

static void too_many_accounts(void **state)
{
    struct office o = office_open();
    struct buf fields = {0};
    (void)state;

    buf_append_z(&fields, "<field var='accountjids'>");
    for (int i = 0; i < 101; i++)
        buf_printf(&fields, "<value>u%d@prime.test</value>", i);
    buf_append_z(&fields, "</field>");
    EXPECT_IN(execute(&o, ADMIN "end-user-session", buf_z(&fields)), "<bad-payload");
    buf_free(&fields);
    office_close(&o);
}

static void end_sessions(void **state)
{
    struct office o = office_open();
    struct kit_client *a = kit_open(o.k, "alice", "prime.test", "a"),
                      *b = kit_open(o.k, "alice", "net.test", "b"),
                      *c = kit_open(o.k, "alice", "prime.test", "c");
    (void)state;

    EXPECT_IN(execute(&o, ADMIN "end-user-session", JIDS(V("alice@prime.test/b"))),
              "<note type='info'>Sessions ended: 1</note>");
    assert_int_equal(b->kicked, STREAM_POLICY_VIOLATION);
    assert_false(a->is_closing || c->is_closing);
    EXPECT_IN(execute(&o, ADMIN "end-user-session",
                      JIDS(V("bob@prime.test") V("alice@net.test"))), "Sessions ended: 2");
    assert_true(a->is_closing && c->is_closing);
    assert_false(o.boss->is_closing);
    /* they are not there any more, although their streams are */
    EXPECT_IN(number(&o, ADMIN "get-online-users-num"), "<value>1</value>");
    EXPECT_IN(number(&o, ADMIN "get-idle-users-num"), "<value>1</value>");
    kit_close(o.k, a), kit_close(o.k, b), kit_close(o.k, c);
    office_close(&o);
}

/* --- looking ---------------------------------------------------------------------------------- */

#define ITEM(jid) "<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='" jid          \
                  "' name='N'><group>G</group></item></query></iq>"

static void roster(void **state)
{
    struct office o = office_open();
    struct kit_client *a = kit_open(o.k, "alice", "prime.test", "a");
    (void)state;

    kit_say(o.k, a, ITEM("x@far.test"));
    const char *heard = execute(&o, ADMIN "get-user-roster",
                                JIDS(V("alice@prime.test") V("nobody@prime.test")));
    EXPECT_IN(heard, RESULT "<field var='accountjids'><value>alice@prime.test</value></field>"
                            "<query xmlns='jabber:iq:roster'><item jid='x@far.test' name='N'"
                            " subscription='none'><group>G</group></item></query></x>");
    EXPECT_IN(heard, "<note type='error'>nobody@prime.test: there is no such account</note>");
    EXPECT_IN(execute(&o, ADMIN "get-user-roster", JIDS(V("nobody@prime.test"))),
              "<item-not-found");
    EXPECT_IN(execute(&o, ADMIN "get-user-roster", JIDS(V("bob@prime.test"))),
              "<query xmlns='jabber:iq:roster'></query>");
    kit_close(o.k, a);
    office_close(&o);
}

static void roster_too_big(void **state)
{
    struct sm_opts opts = office_opts();
    struct office o = office_open();
    (void)state;

    opts.max_stanza = 100;
    sm_set_limits(o.k->sm, &opts);
    kit_sql(o.k, "INSERT INTO roster (account, jid) SELECT id, 'somebody@far.test' FROM account"
                 " WHERE name = ?1", "alice");
    const char *heard = execute(&o, ADMIN "get-user-roster", JIDS(V("alice@prime.test")));
    EXPECT_IN(heard, COMPLETED);
    EXPECT_IN(heard, "<note type='error'>alice@prime.test: this roster is too big");
    office_close(&o);
}

static void last_login(void **state)
{
    struct office o = office_open();
    struct kit_client *a;
    (void)state;

    loop_sim_advance(o.k->loop, 60000 - loop_now(o.k->loop) % 60000);
    const char *heard = execute(&o, ADMIN "get-user-lastlogin",
                                JIDS(V("alice@prime.test") V("nobody@prime.test")));
    EXPECT_IN(heard, "<field var='accountjids'><value>alice@prime.test</value></field>"
                     "<field var='lastlogin' label='Last login'><value>never</value></field>");
    EXPECT_IN(heard, "nobody@prime.test: there is no such account");
    a = kit_open(o.k, "alice", "prime.test", "a");
    char first[64], second[64];
    heard = execute(&o, ADMIN "get-user-lastlogin", JIDS(V("alice@prime.test")));
    EXPECT_IN(heard, "<value>2026-01-01T00:");
    snprintf(first, sizeof(first), "%.37s", strstr(heard, "<value>2026-"));
    /* it stays when he leaves, and is not the time of leaving */
    kit_say(o.k, a, "<presence/>");
    loop_sim_advance(o.k->loop, 90000);
    kit_close(o.k, a);
    heard = execute(&o, ADMIN "get-user-lastlogin", JIDS(V("alice@net.test")));
    snprintf(second, sizeof(second), "%.37s", strstr(heard, "<value>2026-"));
    assert_string_equal(first, second);
    EXPECT_IN(execute(&o, ADMIN "get-user-lastlogin", JIDS(V("nobody@prime.test"))),
              "<item-not-found");
    office_close(&o);
}

static void statistics(void **state)
{
    struct office o = office_open();
    struct kit_client *a = kit_open(o.k, "alice", "prime.test", "a &amp; b"),
                      *b = kit_open(o.k, "alice", "prime.test", "b");
    (void)state;

    kit_say(o.k, a, ITEM("x@far.test"));
    const char *heard = execute(&o, ADMIN "user-stats", FIELD("accountjid", "alice@prime.test"));
    EXPECT_IN(heard, "<field var='rostersize' label='Roster size'><value>1</value></field>"
                     "<field var='onlineresources' label='Online resources'>"
                     "<value>a &amp;amp; b</value><value>b</value></field></x>");
    EXPECT_IN(execute(&o, ADMIN "user-stats", FIELD("accountjid", "bob@prime.test")),
              "<value>0</value></field><field var='onlineresources' label='Online resources'>"
              "</field>");
    EXPECT_IN(execute(&o, ADMIN "user-stats", FIELD("accountjid", "nobody@prime.test")),
              "<item-not-found");
    kit_close(o.k, a), kit_close(o.k, b);
    office_close(&o);
}

/* --- counting --------------------------------------------------------------------------------- */

static void registered(void **state)
{
    struct office o = office_open();
    (void)state;

    kit_account(o.k, "/7/gone"); /* as one that is being removed */
    EXPECT_IN(number(&o, ADMIN "get-registered-users-num"),
              RESULT "<field var='registeredusersnum' label='The number of registered users'>"
                     "<value>3</value></field></x></command>");
    EXPECT_IN(say_command(&o, o.boss, ADMIN "get-registered-users-list", "", "", ""),
              "<field var='max_items' type='list-single' label='Maximum number of items to show'>"
              "<required/><option label='25'><value>25</value></option>");
    const char *heard = execute(&o, ADMIN "get-registered-users-list", FIELD("max_items", "none"));
    EXPECT_IN(heard, RESULT "<field var='registereduserjids'><value>alice@prime.test</value>"
                            "<value>bob@prime.test</value><value>boss@prime.test</value></field>"
                            "</x></command>");
    heard = execute(&o, ADMIN "get-registered-users-list", FIELD("max_items", "2"));
    EXPECT_IN(heard, "<value>bob@prime.test</value></field></x>"
                     "<note type='info'>Shown: 2 of 3</note>");
    static const char *const wrong[] = {
        FIELD("max_items", "0"), FIELD("max_items", "-1"), FIELD("max_items", "many"),
        FIELD("max_items", "1001"), FIELD("max_items", "99999999999999999999"),
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        EXPECT_IN(execute(&o, ADMIN "get-registered-users-list", wrong[i]), "<bad-payload");
    office_close(&o);
}

static void a_long_list(void **state)
{
    struct office o = office_open();
    (void)state;

    kit_sql(o.k, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)"
                 " INSERT INTO account SELECT NULL, ?1 || i, 0, 1, x'', x'', x'', x'', x'', x''"
                 " FROM n", "u");
    EXPECT_IN(execute(&o, ADMIN "get-registered-users-list", FIELD("max_items", "none")),
              "<note type='info'>Shown: 1000 of 1503</note>");
    office_close(&o);
}

static void online(void **state)
{
    struct office o = office_open();
    struct kit_client *a = kit_open(o.k, "alice", "prime.test", "a"),
                      *b = kit_open(o.k, "bob", "prime.test", "b"),
                      *b2 = kit_open(o.k, "bob", "prime.test", "b2");
    (void)state;

    kit_say(o.k, a, "<presence><show>away</show><status>&lt;show&gt;</status></presence>");
    kit_say(o.k, b, "<presence><show>xa</show></presence>");
    kit_say(o.k, b2, "<presence><show>dnd</show><status>&lt;show&gt;away&lt;/show&gt;</status>"
                     "</presence>");
    EXPECT_IN(number(&o, ADMIN "get-online-users-num"),
              "<field var='onlineusersnum' label='The number of online users'><value>3</value>");
    EXPECT_IN(number(&o, ADMIN "get-active-users-num"),
              "<field var='activeusersnum' label='The number of active users'><value>1</value>");
    EXPECT_IN(number(&o, ADMIN "get-idle-users-num"),
              "<field var='idleusersnum' label='The number of idle users'><value>2</value>");
    EXPECT_IN(execute(&o, ADMIN "get-active-users-list", FIELD("max_items", "25")),
              "<field var='activeuserjids'><value>bob@prime.test</value></field></x></command>");
    const char *heard = execute(&o, ADMIN "get-idle-users-list", FIELD("max_items", "25"));
    EXPECT_IN(heard, "<field var='idleuserjids'>");
    EXPECT_IN(heard, "<value>alice@prime.test</value>");
    EXPECT_IN(heard, "<value>boss@prime.test</value>");
    EXPECT_IN(execute(&o, ADMIN "get-online-users-list", FIELD("max_items", "1")),
              "<note type='info'>Shown: 1 of 3</note>");
    kit_close(o.k, a), kit_close(o.k, b), kit_close(o.k, b2);
    EXPECT_IN(number(&o, ADMIN "get-online-users-num"), "<value>1</value>");
    office_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add_user),
        cmocka_unit_test(change_password),
        cmocka_unit_test(delete_users),
        cmocka_unit_test(too_many_accounts),
        cmocka_unit_test(end_sessions),
        cmocka_unit_test(roster),
        cmocka_unit_test(roster_too_big),
        cmocka_unit_test(last_login),
        cmocka_unit_test(statistics),
        cmocka_unit_test(registered),
        cmocka_unit_test(a_long_list),
        cmocka_unit_test(online),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
