/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_sm_roster_admin - rosters changed by the administration: by the owner, for one whom nobody
 * owns, and for one whom another instance owns. */
#include "test/unit/c2s/sm_kit.h"

struct answer {
    int count;
    enum sm_roster_result result;
    struct buf list;
};

static void on_done(void *ctx, enum sm_roster_result r)
{
    struct answer *a = ctx;
    a->count++;
    a->result = r;
}

static void on_entry(void *ctx, const struct sm_roster_entry *e)
{
    struct answer *a = ctx;
    buf_printf(&a->list, "%.*s|%.*s|%.*s|%.*s|%d\n", SPAN_ARG(e->jid), SPAN_ARG(e->name),
               SPAN_ARG(e->groups), SPAN_ARG(e->subscription), e->is_asked);
}

static const char *list(struct kit *k, const char *user)
{
    static struct answer a;
    a.count = 0;
    sm_roster_list(k->sm, span_of(user), on_entry, on_done, &a);
    assert_int_equal(a.count, 0);
    kit_settle(k);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.result, SM_ROSTER_DONE);
    return kit_drain(&a.list);
}

static enum sm_roster_result put(struct kit *k, const char *user, const char *jid, const char *name,
                                 const char *groups, const char *subscription)
{
    struct answer a = {0};
    const struct sm_roster_entry e = {
        .jid = span_of(jid),
        .name = name ? span_of(name) : SPAN_NONE,
        .groups = groups ? span_of(groups) : SPAN_NONE,
        .subscription = subscription ? span_of(subscription) : SPAN_NONE,
    };
    sm_roster_put(k->sm, span_of(user), &e, on_done, &a);
    kit_settle(k);
    assert_int_equal(a.count, 1);
    return a.result;
}

static enum sm_roster_result drop(struct kit *k, const char *user, const char *jid)
{
    struct answer a = {0};
    sm_roster_drop(k->sm, span_of(user), span_of(jid), on_done, &a);
    kit_settle(k);
    assert_int_equal(a.count, 1);
    return a.result;
}

static void an_absent_users_roster(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    assert_int_equal(put(k, "alice", "bob@prime.test", "Bob", "Friends", "both"), SM_ROSTER_DONE);
    assert_string_equal(list(k, "alice"), "bob@prime.test|Bob|Friends|both|0\n");
    /* What is not named stays. */
    assert_int_equal(put(k, "alice", "bob@prime.test", NULL, "Work", NULL), SM_ROSTER_DONE);
    assert_string_equal(list(k, "alice"), "bob@prime.test|Bob|Work|both|0\n");
    assert_int_equal(put(k, "alice", "bob@prime.test", NULL, NULL, "to"), SM_ROSTER_DONE);
    assert_string_equal(list(k, "alice"), "bob@prime.test|Bob|Work|to|0\n");
    /* One of our users is the same in both of our domains. */
    assert_int_equal(put(k, "alice", "bob@net.test", "Robert", NULL, NULL), SM_ROSTER_DONE);
    assert_string_equal(list(k, "alice"), "bob@prime.test|Robert|Work|to|0\n");
    assert_int_equal(put(k, "alice", "new@away.example", NULL, NULL, NULL), SM_ROSTER_DONE);
    assert_string_equal(list(k, "alice"),
                        "bob@prime.test|Robert|Work|to|0\nnew@away.example|||none|0\n");
    assert_int_equal(drop(k, "alice", "bob@prime.test"), SM_ROSTER_DONE);
    assert_int_equal(drop(k, "alice", "bob@prime.test"), SM_ROSTER_NO_CONTACT);
    assert_string_equal(list(k, "alice"), "new@away.example|||none|0\n");
    kit_free(k);
}

static void what_cannot_be(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    assert_int_equal(put(k, "nobody", "bob@prime.test", NULL, NULL, "both"), SM_ROSTER_NO_USER);
    assert_int_equal(drop(k, "nobody", "bob@prime.test"), SM_ROSTER_NO_USER);
    for (int i = 0; i < 5; i++) {
        char jid[32];
        snprintf(jid, sizeof(jid), "c%d@away.example", i);
        assert_int_equal(put(k, "alice", jid, NULL, NULL, NULL), SM_ROSTER_DONE);
    }
    assert_int_equal(put(k, "alice", "c5@away.example", NULL, NULL, NULL), SM_ROSTER_TOO_BIG);
    kit_free(k);
}

static void the_resources_are_told(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *b = kit_open(k, "bob", "prime.test", "y");
    (void)state;

    kit_say(k, a, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
    kit_say(k, a, "<presence/>");
    kit_say(k, b, "<presence><status>here</status></presence>");
    kit_heard(a), kit_heard(b);
    assert_int_equal(put(k, "bob", "alice@prime.test", NULL, NULL, "from"), SM_ROSTER_DONE);
    EXPECT(a, "here"); /* bob's presence is shown to her */
    assert_int_equal(put(k, "alice", "bob@prime.test", "Bob", NULL, "both"), SM_ROSTER_DONE);
    const char *heard = kit_heard(a);
    EXPECT_IN(heard, "<item jid='bob@prime.test' name='Bob' subscription='both'>");
    EXPECT_IN(heard, "here"); /* and she asks for it */
    EXPECT(b, "from='alice@prime.test/x'");

    /* It is in her owner's memory, too: her presence goes to him, then no more. */
    kit_say(k, a, "<presence><show>away</show></presence>");
    EXPECT(b, "<show>away</show>");
    assert_int_equal(drop(k, "alice", "bob@prime.test"), SM_ROSTER_DONE);
    EXPECT(a, "<item jid='bob@prime.test' subscription='remove'/>");
    heard = kit_heard(b);
    EXPECT_IN(heard, "type='unavailable'");
    kit_say(k, a, "<presence/>");
    EXPECT_NOTHING(b);
    assert_string_equal(list(k, "bob"), "alice@prime.test|||none|0\n");
    kit_close(k, a), kit_close(k, b);
    kit_free(k);
}

/* Another instance has changed it. */
static void the_owner_learns_of_it(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    kit_link_up(k);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(k);
    kit_say(k, a, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
    kit_say(k, a, "<presence/>");
    kit_heard(a), kit_drain(&k->link.out);
    kit_sql(k, "INSERT INTO roster (account, jid, subscription)"
               " SELECT id, 'far@away.example', 3 FROM account WHERE name = ?1", "alice");
    kit_link_say(k, "<message type='headline' from='prime.test' to='alice@prime.test'>"
                    "<roster jid='far@away.example'"
                    " xmlns='http://kontalk.org/extensions/front'/></message>");
    EXPECT(a, "<item jid='far@away.example' subscription='both'>");
    const char *link = kit_drain(&k->link.out);
    EXPECT_IN(link, "<presence to='far@away.example' from='alice@prime.test/x'");
    EXPECT_IN(link, "type='probe'");

    /* Of whom we do not own, the owner is told. */
    assert_int_equal(put(k, "bob", "far@away.example", NULL, NULL, "to"), SM_ROSTER_DONE);
    EXPECT_LINK(k, "to='bob@prime.test'><roster jid='far@away.example'");
    /* Only the host may say so. */
    kit_link_say(k, "<message type='headline' from='evil.example' to='alice@prime.test'>"
                    "<roster jid='x@y' xmlns='http://kontalk.org/extensions/front'/></message>");
    assert_null(strstr(kit_heard(a), "<query"));
    kit_close(k, a);
    kit_free(k);
}

static void the_end_answers_nobody(void **state)
{
    struct kit *k = kit_new(NULL);
    struct answer a = {0};
    (void)state;

    sm_roster_drop(k->sm, SPAN("alice"), SPAN("x@y"), on_done, &a);
    sm_roster_list(k->sm, SPAN("alice"), on_entry, on_done, &a);
    kit_free(k);
    assert_int_equal(a.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_absent_users_roster), cmocka_unit_test(what_cannot_be),
        cmocka_unit_test(the_resources_are_told), cmocka_unit_test(the_owner_learns_of_it),
        cmocka_unit_test(the_end_answers_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
