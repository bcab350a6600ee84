/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The commands of XEP-0133 that say something to users, and what two instances answer together.
 */
#include "sm_commands.h"
#include "sm_two.h"

#define COMPLETED "status='completed'"

/* --- telling ---------------------------------------------------------------------------------- */

#define TEXT(var) "<field var='" var "'><value>Hear &lt;this&gt;</value><value>and that</value>"   \
                  "</field>"
#define BODY "<body>Hear &lt;this&gt;\nand that</body>"

static void announce(void **state)
{
    struct office o = office_open();
    struct kit_client *a = kit_open(o.k, "alice", "prime.test", "a"),
                      *a2 = kit_open(o.k, "alice", "prime.test", "a2"),
                      *b = kit_open(o.k, "bob", "prime.test", "b");
    (void)state;

    kit_say(o.k, a, "<presence/>");
    kit_say(o.k, a2, "<presence/>");
    kit_heard(a), kit_heard(a2);
    EXPECT_IN(execute(&o, ADMIN "announce", TEXT("announcement")),
              "<note type='info'>Users who are told now: 1</note>");
    loop_sim_advance(o.k->loop, 100);
    const char *heard = kit_heard(a);
    EXPECT_IN(heard, "<message to='alice@prime.test' from='prime.test' type='headline'>"
                     "<subject>Announcement</subject>" BODY "</message>");
    assert_null(strstr(heard + 1, "<message"));
    EXPECT(a2, BODY);
    EXPECT_NOTHING(b);
    assert_int_equal(kit_offline_count(o.k, "bob"), 0);
    struct buf big = {0};
    buf_append_z(&big, "<field var='announcement'><value>");
    for (int i = 0; i < 8193; i++)
        buf_append_char(&big, 'x');
    buf_append_z(&big, "</value></field>");
    EXPECT_IN(execute(&o, ADMIN "announce", buf_z(&big)), "<not-acceptable");
    buf_free(&big);
    kit_close(o.k, a), kit_close(o.k, a2), kit_close(o.k, b);
    office_close(&o);
}

/* More than one slice; the last of them is told, too. */
static void announce_to_many(void **state)
{
    enum { USERS = 450 };
    struct office o = office_open();
    struct kit_client *clients[USERS];
    char name[16];
    int told = 0;
    (void)state;

    for (int i = 0; i < USERS; i++) {
        snprintf(name, sizeof(name), "u%d", i);
        clients[i] = kit_open(o.k, name, "prime.test", "r");
        kit_say(o.k, clients[i], "<presence/>");
        kit_heard(clients[i]);
    }
    EXPECT_IN(execute(&o, ADMIN "announce", TEXT("announcement")), "told now: 450</note>");
    for (int i = 0; i < USERS; i++)
        told += buf_len(&clients[i]->out) > 0;
    assert_in_range(told, 1, USERS - 1);
    loop_sim_advance(o.k->loop, 1000);
    for (int i = 0; i < USERS; i++)
        EXPECT(clients[i], BODY);
    execute(&o, ADMIN "announce", TEXT("announcement"));
    for (int i = 0; i < USERS; i++)
        kit_close(o.k, clients[i]);
    office_close(&o);
}

static struct kit_client *come(struct office *o, const char *user)
{
    struct kit_client *c = kit_open(o->k, user, "prime.test", "r");
    kit_say(o->k, c, "<presence/>");
    return c;
}

static void go(struct office *o, struct kit_client *c)
{
    kit_close(o->k, c);
    kit_settle(o->k);
}

static void motd(void **state)
{
    struct office o = office_open();
    struct kit_client *a = come(&o, "alice"), *b;
    (void)state;

    kit_heard(a);
    EXPECT_IN(execute(&o, ADMIN "set-motd", TEXT("motd")), "told now: 1</note>");
    loop_sim_advance(o.k->loop, 100);
    EXPECT(a, "<subject>Message of the day</subject>" BODY "</message>");
    /* once only, wherever */
    go(&o, a);
    a = come(&o, "alice");
    assert_null(strstr(kit_heard(a), BODY));
    /* the boss, who is there but not available, when he is */
    EXPECT_NOTHING(o.boss);
    kit_say(o.k, o.boss, "<presence/>");
    EXPECT(o.boss, BODY);
    kit_say(o.k, o.boss, "<presence type='unavailable'/>");
    kit_say(o.k, o.boss, "<presence/>");
    assert_null(strstr(kit_heard(o.boss), BODY));
    /* who has seen it does not see it mended */
    EXPECT_IN(say_command(&o, o.boss, ADMIN "edit-motd", "", "", ""),
              "<required/><value>Hear &lt;this&gt;</value><value>and that</value></field>");
    EXPECT_IN(execute(&o, ADMIN "edit-motd", FIELD("motd", "mended")), COMPLETED);
    loop_sim_advance(o.k->loop, 100);
    EXPECT_NOTHING(a);
    b = come(&o, "bob");
    EXPECT(b, "<body>mended</body>");
    /* a new one is for all */
    EXPECT_IN(execute(&o, ADMIN "set-motd", FIELD("motd", "new")), "told now: 3</note>");
    loop_sim_advance(o.k->loop, 100);
    EXPECT(a, "<body>new</body>");
    EXPECT(b, "<body>new</body>");
    go(&o, a), go(&o, b);
    office_close(&o);
}

#define CHANGED "<message type='headline' from='prime.test' to='boss@prime.test'><changed "        \
                "xmlns='http://kontalk.org/extensions/front'/></message>"

/* His profile, read while he was given it, says that he has not seen it. */
static void motd_is_given_once(void **state)
{
    struct office o = office_open();
    (void)state;

    execute(&o, ADMIN "set-motd", TEXT("motd"));
    kit_parse(o.k, NS_COMPONENT, CHANGED);
    sm_link_events.on_stanza(o.k->sm, &o.k->stanza);
    kit_say(o.k, o.boss, "<presence/>");
    EXPECT(o.boss, BODY);
    kit_say(o.k, o.boss, "<presence type='unavailable'/>");
    kit_say(o.k, o.boss, "<presence/>");
    assert_null(strstr(kit_heard(o.boss), BODY));
    office_close(&o);
}

static void motd_is_deleted(void **state)
{
    struct office o = office_open();
    (void)state;

    EXPECT_IN(number(&o, ADMIN "delete-motd"), COMPLETED);
    EXPECT_IN(execute(&o, ADMIN "edit-motd", FIELD("motd", "first")), "told now: 0</note>");
    EXPECT_IN(number(&o, ADMIN "delete-motd"), COMPLETED);
    kit_say(o.k, o.boss, "<presence/>"); /* he was to get it */
    struct kit_client *a = come(&o, "alice");
    assert_null(strstr(kit_heard(a), "<message"));
    assert_null(strstr(kit_heard(o.boss), "<message"));
    EXPECT_IN(say_command(&o, o.boss, ADMIN "edit-motd", "", "", ""), "<required/></field>");
    /* the next one is another one, for who has seen the first */
    execute(&o, ADMIN "set-motd", FIELD("motd", "second"));
    loop_sim_advance(o.k->loop, 100);
    EXPECT(a, "<body>second</body>");
    kit_sql(o.k, "DELETE FROM account WHERE name = ?1", "alice");
    assert_int_equal(kit_sql(o.k, "SELECT count(*) FROM motd_seen WHERE ?1 = 'x'", "x"), 1);
    go(&o, a);
    office_close(&o);
}

/* --- two instances: alice is at the other ----------------------------------------------------- */

static void kit_word(struct kit *k, const char *xml)
{
    kit_parse(k, NS_COMPONENT, xml);
    sm_link_events.on_envelope(k->sm, &k->stanza);
    kit_settle(k);
}

struct both {
    struct two t;
    struct office o; /* the first instance */
    struct kit_client *alice;
};

static struct both both_open(void)
{
    static struct sm_opts other;
    struct both both = {.o = office_open()};
    other = *kit_opts();
    other.instance = SPAN("c2s-2.prime.test");
    both.t.front = both.o.k;
    both.t.owner = kit_new(&other);
    kit_link_up(both.t.front);
    kit_link_up(both.t.owner);
    kit_settle(both.t.owner);
    both.alice = kit_open(both.t.owner, "alice", "prime.test", "far");
    sm_link_events.on_claim(both.t.owner->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(both.t.owner);
    kit_say(both.t.owner, both.alice, "<presence/>");
    kit_heard(both.alice);
    kit_sql(both.t.front, "INSERT INTO instance (name) VALUES (?1)", "c2s-2.prime.test");
    kit_drain(&both.t.front->link.out);
    kit_drain(&both.t.owner->link.out);
    return both;
}

static void both_close(struct both *both)
{
    kit_close(both->t.owner, both->alice);
    kit_free(both->t.owner);
    office_close(&both->o);
}

static const char *begin_at_both(struct both *both, const char *node, const char *fields)
{
    struct kit *k = both->t.front;
    const char *id = "";
    if (*fields)
        id = id_in(say_command(&both->o, both->o.boss, node, "", "", ""));
    kit_input(k, both->o.boss, command_of(node, id, "", *fields ? form_of(fields) : ""));
    kit_settle(k);
    return kit_drain(&both->o.boss->out);
}

static const char *execute_at_both(struct both *both, const char *node, const char *fields)
{
    assert_string_equal(begin_at_both(both, node, fields), "");
    pump(&both->t);
    return kit_heard(both->o.boss);
}

static void of_two_instances(void **state)
{
    struct both both = both_open();
    (void)state;

    EXPECT_IN(execute_at_both(&both, ADMIN "get-online-users-num", ""), "<value>2</value>");
    const char *heard =
        execute_at_both(&both, ADMIN "get-online-users-list", FIELD("max_items", "none"));
    EXPECT_IN(heard, "<value>boss@prime.test</value><value>alice@prime.test</value></field></x>"
                     "</command>");
    EXPECT_IN(execute_at_both(&both, ADMIN "get-online-users-list", FIELD("max_items", "1")),
              "Shown: 1 of 2");
    EXPECT_IN(execute_at_both(&both, ADMIN "user-stats", FIELD("accountjid", "alice@prime.test")),
              "<value>far</value>");
    EXPECT_IN(execute_at_both(&both, ADMIN "announce", TEXT("announcement")), "told now: 1</note>");
    loop_sim_advance(both.t.owner->loop, 100);
    EXPECT(both.alice, "type='headline'");
    EXPECT_IN(execute_at_both(&both, ADMIN "end-user-session", JIDS(V("alice@prime.test"))),
              "Sessions ended: 1");
    assert_true(both.alice->is_closing);
    both_close(&both);
}

/* The store is shared; here it is two. */
static void motd_of_two_instances(void **state)
{
    struct both both = both_open();
    (void)state;

    kit_sql(both.t.owner, "INSERT INTO motd (text) VALUES (?1)", "shared");
    execute_at_both(&both, ADMIN "set-motd", FIELD("motd", "shared"));
    loop_sim_advance(both.t.owner->loop, 100);
    EXPECT(both.alice, "<body>shared</body>");
    both_close(&both);
}

/* It crashed: its envelope comes back, and it is asked no more. */
static void one_is_gone(void **state)
{
    struct both both = both_open();
    struct buf back = {0};
    (void)state;

    assert_string_equal(begin_at_both(&both, ADMIN "get-online-users-num", ""), "");
    const char *sent = kit_drain(&both.t.front->link.out);
    EXPECT_IN(sent, "to='c2s-2.prime.test'><f:ask");
    buf_printf(&back, "<envelope xmlns='" NS_ROUTER "' type='error' from='c2s-2.prime.test'"
                      " to='c2s-1.prime.test'>%s", strstr(sent, "<f:ask"));
    kit_word(both.t.front, buf_z(&back));
    const char *heard = kit_heard(both.o.boss);
    EXPECT_IN(heard, "<value>1</value>");
    assert_null(strstr(heard, "<note"));
    EXPECT_IN(begin_at_both(&both, ADMIN "get-online-users-num", ""), "<value>1</value>");
    buf_free(&back);
    both_close(&both);
}

/* Others' answers, those to nothing, and those that come twice count for nothing. */
static void wrong_answers(void **state)
{
    struct both both = both_open();
    struct buf word = {0};
    char id[24];
    (void)state;

    assert_string_equal(begin_at_both(&both, ADMIN "get-online-users-num", ""), "");
    const char *sent = kit_drain(&both.t.front->link.out);
    snprintf(id, sizeof(id), "%.*s", (int)strcspn(strstr(sent, " id='") + 5, "'"),
             strstr(sent, " id='") + 5);
#define ANSWER "<envelope xmlns='" NS_ROUTER "' from='%s' to='c2s-1.prime.test'><f:answer "        \
               "xmlns:f='http://kontalk.org/extensions/front' id='%s' count='%s'/></envelope>"
    buf_printf(&word, ANSWER, "c2s-3.prime.test", id, "7");
    kit_word(both.t.front, buf_z(&word));
    buf_clear(&word);
    buf_printf(&word, ANSWER, "c2s-2.prime.test", "no", "7");
    kit_word(both.t.front, buf_z(&word));
    EXPECT_NOTHING(both.o.boss);
    buf_clear(&word);
    buf_printf(&word, ANSWER, "c2s-2.prime.test", id, "many");
    kit_word(both.t.front, buf_z(&word));
    EXPECT(both.o.boss, "<value>1</value>");
    kit_word(both.t.front, buf_z(&word));
    EXPECT_NOTHING(both.o.boss);
    kit_word(both.t.front, "<envelope xmlns='" NS_ROUTER "' from='c2s-2.prime.test' "
                           "to='c2s-1.prime.test'><f:ask "
                           "xmlns:f='http://kontalk.org/extensions/front' id='1' "
                           "question='what'/></envelope>");
    buf_free(&word);
    both_close(&both);
}

static void one_is_silent(void **state)
{
    struct both both = both_open();
    (void)state;

    assert_string_equal(begin_at_both(&both, ADMIN "get-online-users-num", ""), "");
    loop_sim_advance(both.t.front->loop, 1900);
    EXPECT_NOTHING(both.o.boss);
    loop_sim_advance(both.t.front->loop, 200);
    const char *heard = kit_heard(both.o.boss);
    EXPECT_IN(heard, "<value>1</value>");
    EXPECT_IN(heard, "<note type='warn'>Not all instances have answered");
    /* the process ends while one is asked */
    assert_string_equal(begin_at_both(&both, ADMIN "get-online-users-num", ""), "");
    kit_input(both.t.front, both.o.boss, command_of(ADMIN "get-online-users-num", "", "", ""));
    both_close(&both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(announce),
        cmocka_unit_test(announce_to_many),
        cmocka_unit_test(motd),
        cmocka_unit_test(motd_is_given_once),
        cmocka_unit_test(motd_is_deleted),
        cmocka_unit_test(of_two_instances),
        cmocka_unit_test(motd_of_two_instances),
        cmocka_unit_test(one_is_gone),
        cmocka_unit_test(wrong_answers),
        cmocka_unit_test(one_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
