/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Presence to contacts and of them: broadcast, probes, its pace, and what an outage leaves of it.
 */
#include "sm_two.h"

/* jid in alice's roster; subscription: 1 to, 2 from, 3 both. */
static void contact(struct kit *k, const char *jid, int subscription)
{
    static const char *const sql[] = {
        [1] = "INSERT INTO roster (account, jid, subscription) SELECT id, ?1, 1 FROM account"
              " WHERE name = 'alice'",
        [2] = "INSERT INTO roster (account, jid, subscription) SELECT id, ?1, 2 FROM account"
              " WHERE name = 'alice'",
        [3] = "INSERT INTO roster (account, jid, subscription) SELECT id, ?1, 3 FROM account"
              " WHERE name = 'alice'",
    };
    kit_sql(k, sql[subscription], jid);
}

/* In bob's. */
static void bobs_contact(struct kit *k, const char *jid)
{
    kit_sql(k,
            "INSERT INTO roster (account, jid, subscription) SELECT id, ?1, 3 FROM account"
            " WHERE name = 'bob'",
            jid);
}

static struct kit_client *owned(struct kit *k, const char *user, const char *resource)
{
    struct kit_client *c = kit_open(k, user, "prime.test", resource);
    char jid[64];
    if (!c->session) {
        snprintf(jid, sizeof(jid), "%s@prime.test", user);
        sm_link_events.on_claim(k->sm, span_of(jid), SPAN_NONE);
        kit_settle(k);
    }
    assert_non_null(c->session);
    kit_drain(&k->link.out);
    return c;
}

static void broadcast_to_local_contacts(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    contact(k, "bob@prime.test", 3);
    bobs_contact(k, "alice@net.test");
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    struct kit_client *b = kit_open(k, "bob", "net.test", "b");
    struct kit_client *mute = kit_open(k, "bob", "prime.test", "mute");
    kit_say(k, b, "<presence><show>chat</show></presence>");
    kit_heard(b);
    EXPECT_NOTHING(a);
    kit_say(k, a, "<presence><show>away</show></presence>");
    EXPECT(b, "<presence to='bob@net.test' from='alice@prime.test/a'><show>away</show></presence>");
    const char *heard = kit_heard(a);
    EXPECT_IN(heard, "<presence to='alice@prime.test/a' from='bob@net.test/b'><show>chat</show>");
    assert_null(strstr(strstr(heard, "bob@net.test/b") + 1, "bob@"));
    /* an update: no probing again */
    kit_say(k, a, "<presence><show>dnd</show></presence>");
    EXPECT(b, "<show>dnd</show>");
    assert_null(strstr(kit_heard(a), "bob@"));
    kit_say(k, a, "<presence type='unavailable'><status>bye</status></presence>");
    EXPECT(b, "type='unavailable'><status>bye</status></presence>");
    kit_say(k, b, "<presence/>");
    kit_heard(b);
    assert_null(strstr(kit_heard(a), "bob@"));
    /* a stream that just ends */
    kit_say(k, a, "<presence/>");
    kit_heard(b);
    kit_close(k, a);
    EXPECT(b, "<presence to='bob@net.test' from='alice@prime.test/a' type='unavailable'/>");
    EXPECT_NOTHING(mute);
    kit_close(k, b);
    kit_close(k, mute);
    kit_free(k);
}

static void broadcast_to_remote_contacts(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    contact(k, "to@else.org", 1);
    contact(k, "from@else.org", 2);
    contact(k, "both@else.org", 3);
    contact(k, "gate.else.org", 3);
    contact(k, "bob@net.test", 3);
    kit_link_up(k);
    struct kit_client *a = owned(k, "alice", "a");
    kit_say(k, a, "<presence><c xmlns='caps'/></presence>");
    const char *sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, "<presence to='from@else.org' from='alice@prime.test/a'><c xmlns='caps'/>"
                    "</presence>");
    EXPECT_IN(sent, "<presence to='both@else.org' from='alice@prime.test/a'><c ");
    EXPECT_IN(sent, "<presence to='gate.else.org' from='alice@prime.test/a'><c ");
    EXPECT_IN(sent, "<presence to='bob@prime.test' from='alice@prime.test/a'><c ");
    EXPECT_IN(sent, "<presence to='to@else.org' from='alice@prime.test/a' type='probe'/>");
    EXPECT_IN(sent, "<presence to='both@else.org' from='alice@prime.test/a' type='probe'/>");
    EXPECT_IN(sent, "<presence to='bob@prime.test' from='alice@prime.test/a' type='probe'/>");
    assert_null(strstr(sent, "to='to@else.org' from='alice@prime.test/a'><c"));
    assert_null(strstr(sent, "to='from@else.org' from='alice@prime.test/a' type='probe'"));
    kit_say(k, a, "<presence><show>xa</show></presence>");
    sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, "to='both@else.org'");
    assert_null(strstr(sent, "probe"));
    kit_close(k, a);
    sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, "<presence to='from@else.org' from='alice@prime.test/a' type='unavailable'/>");
    assert_null(strstr(sent, "'to@else.org'"));
    kit_free(k);
}

/* A contact who was told directly, too, hears the end once. */
static void the_end_is_told_once(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    contact(k, "both@else.org", 3);
    kit_link_up(k);
    struct kit_client *a = owned(k, "alice", "a");
    kit_say(k, a, "<presence to='both@else.org'/>");
    kit_say(k, a, "<presence/>");
    kit_say(k, a, "<presence to='both@else.org'/>");
    kit_drain(&k->link.out);
    kit_say(k, a, "<presence type='unavailable'/>");
    const char *first = strstr(kit_drain(&k->link.out), "to='both@else.org'");
    assert_non_null(first);
    assert_null(strstr(first + 1, "to='both@else.org'"));
    /* nothing is broadcast by who was not available, but whom it told it tells */
    kit_say(k, a, "<presence to='both@else.org'/>");
    kit_drain(&k->link.out);
    kit_close(k, a);
    EXPECT_LINK(k, "<presence to='both@else.org' from='alice@prime.test/a' type='unavailable'/>");
    kit_free(k);
}

#define PROBE(from, to) "<presence type='probe' from='" from "' to='" to "'/>"

static void probes_are_answered(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    contact(k, "from@else.org", 2);
    contact(k, "bob@prime.test", 2);
    kit_link_up(k);
    struct kit_client *a = owned(k, "alice", "a"), *a2 = owned(k, "alice", "a2");
    kit_link_say(k, PROBE("from@else.org/r", "alice@prime.test"));
    EXPECT_LINK(k, "<presence to='from@else.org/r' from='alice@prime.test' type='unavailable'/>");
    kit_say(k, a, "<presence><show>away</show></presence>");
    kit_say(k, a2, "<presence/>");
    kit_heard(a), kit_heard(a2), kit_drain(&k->link.out);
    kit_link_say(k, PROBE("from@else.org/r", "alice@prime.test"));
    const char *sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, "<presence to='from@else.org/r' from='alice@prime.test/a'><show>away</show>");
    EXPECT_IN(sent, "<presence to='from@else.org/r' from='alice@prime.test/a2'/>");
    kit_link_say(k, PROBE("from@else.org", "alice@prime.test/a2"));
    sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, "<presence to='from@else.org' from='alice@prime.test/a2'/>");
    assert_null(strstr(sent, "test/a'"));
    kit_link_say(k, PROBE("from@else.org", "alice@prime.test/gone"));
    EXPECT_LINK(k, "from='alice@prime.test/gone' type='unavailable'/>");
    /* from another instance of ours, in the other domain */
    kit_link_say(k, PROBE("bob@net.test/r", "alice@prime.test"));
    EXPECT_LINK(k, "<presence to='bob@prime.test/r' from='alice@prime.test/a'>");
    EXPECT_NOTHING(a);
    kit_close(k, a);
    kit_close(k, a2);
    kit_free(k);
}

/* C25: a stranger learns nothing: not whether there is such a user, nor whether he is there. */
static void strangers_learn_nothing(void **state)
{
    static const char *const to[] = {"alice@prime.test", "bob@prime.test", "nobody@prime.test"};
    struct kit *k = kit_new(NULL);
    (void)state;

    contact(k, "to@else.org", 1);
    kit_link_up(k);
    struct kit_client *a = owned(k, "alice", "a");
    kit_say(k, a, "<presence/>");
    for (size_t i = 0; i < ARRAY_LEN(to); i++) {
        for (int is_contact = 0; is_contact < 2; is_contact++) {
            char xml[200], answer[200];
            const char *who = is_contact ? "to@else.org" : "stranger@else.org";
            kit_drain(&k->link.out);
            snprintf(xml, sizeof(xml), "<presence type='probe' from='%s/r' to='%s'/>", who, to[i]);
            snprintf(answer, sizeof(answer), "<presence to='%s' from='%s' type='unsubscribed'/>",
                     who, to[i]);
            kit_link_say(k, xml);
            assert_string_equal(kit_drain(&k->link.out), answer);
        }
    }
    kit_heard(a);
    kit_close(k, a);
    kit_free(k);
}

static void probes_of_who_is_absent(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    bobs_contact(k, "x@else.org");
    bobs_contact(k, "alice@prime.test");
    kit_link_up(k);
    kit_link_say(k, PROBE("x@else.org/r", "bob@prime.test"));
    EXPECT_LINK(k, "<presence to='x@else.org/r' from='bob@prime.test' type='unavailable'/>");
    /* ours take that for granted */
    kit_link_say(k, PROBE("alice@prime.test/r", "bob@prime.test"));
    assert_int_equal(buf_len(&k->link.out), 0);
    kit_free(k);
}

/* C24: to who is blocked, no answer, whoever is there. */
static void who_is_blocked_is_not_answered(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    contact(k, "both@else.org", 3);
    bobs_contact(k, "both@else.org");
    kit_sql(k, "INSERT INTO block (account, jid) SELECT id, ?1 FROM account", "both@else.org");
    kit_link_up(k);
    struct kit_client *a = owned(k, "alice", "a");
    kit_say(k, a, "<presence/>");
    kit_link_say(k, PROBE("both@else.org/r", "alice@prime.test"));
    kit_link_say(k, PROBE("both@else.org/r", "bob@prime.test"));
    kit_link_say(k, "<presence type='subscribe' from='both@else.org' to='bob@prime.test'/>");
    kit_close(k, a);
    assert_null(strstr(kit_drain(&k->link.out), "both@else.org"));
    kit_free(k);
}

static void hiding_and_showing(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    contact(k, "both@else.org", 3);
    contact(k, "to@else.org", 1);
    kit_link_up(k);
    struct kit_client *a = owned(k, "alice", "a");
    kit_say(k, a, "<presence><show>away</show></presence>");
    kit_say(k, a, "<presence to='room@muc.org/n'/>");
#define LIST(verb, jid) "<iq type='set' id='b'><" verb " xmlns='urn:xmpp:blocking'>" \
                        "<item jid='" jid "'/></" verb "></iq>"
    kit_drain(&k->link.out);
    kit_say(k, a, LIST("block", "both@else.org"));
    EXPECT_LINK(k, "<presence to='both@else.org' from='alice@prime.test/a' type='unavailable'/>");
    kit_say(k, a, LIST("block", "both@else.org"));
    kit_say(k, a, "<presence><show>xa</show></presence>");
    assert_int_equal(buf_len(&k->link.out), 0);
    kit_say(k, a, LIST("unblock", "both@else.org"));
    EXPECT_LINK(k, "<presence to='both@else.org' from='alice@prime.test/a'><show>xa</show>");
    kit_say(k, a, LIST("block", "else.org"));
    const char *sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, "to='both@else.org'");
    assert_null(strstr(sent, "to='to@else.org'"));
    kit_say(k, a, "<iq type='set' id='b'><unblock xmlns='urn:xmpp:blocking'/></iq>");
    EXPECT_LINK(k, "<presence to='both@else.org' from='alice@prime.test/a'><show>xa</show>");
    kit_say(k, a, LIST("block", "room@muc.org"));
    EXPECT_LINK(k, "to='room@muc.org/n' from='alice@prime.test/a' type='unavailable'");
    kit_drain(&k->link.out);
    kit_close(k, a);
    assert_null(strstr(kit_drain(&k->link.out), "room@muc.org"));
    kit_free(k);
}

/* C28: what changes 100 times a second is told a few times, and the last of it in the end. */
static void a_flickering_client_is_slowed_down(void **state)
{
    struct kit *k = kit_new(NULL);
    char xml[100];
    int told = 0;
    (void)state;

    contact(k, "both@else.org", 3);
    kit_link_up(k);
    struct kit_client *a = owned(k, "alice", "a");
    a->counts_unheard = false;
    kit_say(k, a, "<presence/>");
    kit_drain(&k->link.out);
    for (int i = 0; i < 1000; i++) { /* ten seconds */
        snprintf(xml, sizeof(xml), i % 3 ? "<presence type='unavailable'/>"
                                         : "<presence><status>s%d</status></presence>", i);
        kit_input(k, a, xml);
        loop_sim_advance(k->loop, 10);
        const char *sent = kit_drain(&k->link.out);
        told += strstr(sent, "to='both@else.org'") != NULL;
    }
    assert_in_range(told, 40, 75); /* 20 at once, then five a second, where there is news */
    kit_input(k, a, "<presence><status>last</status></presence>");
    kit_drain(&k->link.out);
    loop_sim_advance(k->loop, 1000);
    EXPECT_LINK(k, "<status>last</status>");
    loop_sim_advance(k->loop, 10000);
    assert_int_equal(buf_len(&k->link.out), 0);
    assert_int_equal(a->done_count, 1002);
    /* one that waits when the stream ends is not heard of */
    for (int i = 0; i < 50; i++)
        kit_input(k, a, "<presence><status>wait</status></presence>");
    kit_drain(&k->link.out);
    kit_close(k, a);
    assert_null(strstr(kit_drain(&k->link.out), "wait"));
    loop_sim_advance(k->loop, 1000);
    assert_int_equal(buf_len(&k->link.out), 0);
    kit_free(k);
}

/* C28: of a thousand contacts each is told so many times, and those who are here are, too. */
static void a_flickering_client_with_many_contacts(void **state)
{
    struct kit *k = kit_new(NULL);
    size_t told = 0, probes = 0;
    (void)state;

    kit_sql(k,
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
            " INSERT INTO roster (account, jid, subscription)"
            " SELECT account.id, 'c' || i || '@else.org', 3 FROM account, n WHERE name = ?1",
            "alice");
    kit_link_up(k);
    struct kit_client *a = owned(k, "alice", "a");
    a->counts_unheard = false;
    kit_say(k, a, "<presence/>");
    kit_drain(&k->link.out);
    for (int i = 0; i < 200; i++) { /* two seconds */
        kit_input(k, a, i % 2 ? "<presence/>" : "<presence type='unavailable'/>");
        loop_sim_advance(k->loop, 10);
        const char *at = buf_len(&k->link.out) ? buf_z(&k->link.out) : "";
        for (; (at = strstr(at, " from='alice@prime.test/a'")); at++) {
            const bool is_probe = strncmp(strchr(at, '\'') + 19, "' type='probe'", 14) == 0;
            *(is_probe ? &probes : &told) += 1;
        }
        buf_clear(&k->link.out);
    }
    assert_in_range(told, 19 * 1000, 31 * 1000); /* 20 at once, then five a second */
    assert_in_range(probes, 1000, 16 * 1000);    /* with those that make him available */
    assert_int_equal(a->done_count, 201);
    kit_close(k, a);
    kit_free(k);
}

/* The owner dies: contacts are asked for what they have said meanwhile, and told nothing. */
static void contacts_do_not_notice_a_move(void **state)
{
    struct two t;
    (void)state;

    struct kit_client *own = begin(&t);
    contact(t.front, "both@else.org", 3);
    struct kit_client *c = open_fronted(&t, "c");
    say(&t, c, "<presence><show>away</show></presence>");
    kit_drain(&t.front->link.out);
    owner_dies(&t);
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(t.front);
    const char *sent = kit_drain(&t.front->link.out);
    EXPECT_IN(sent, "<presence to='both@else.org' from='alice@net.test/c' type='probe'/>");
    assert_null(strstr(sent, "unavailable"));
    assert_null(strstr(sent, "away"));
    say(&t, c, "<presence><show>dnd</show></presence>");
    kit_close(t.front, c);
    EXPECT_LINK(t.front, "<presence to='both@else.org' from='alice@net.test/c' type='unavail");
    kit_close(t.owner, own);
    end(&t);
}

/* Who believes in a subscription that the contact has not granted is shown nothing. */
static void the_contact_decides(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    contact(k, "bob@prime.test", 1);
    struct kit_client *b = kit_open(k, "bob", "prime.test", "b");
    kit_say(k, b, "<presence/>");
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    kit_say(k, a, "<presence/>");
    assert_null(strstr(kit_heard(a), "bob@"));
    kit_close(k, a);
    kit_close(k, b);
    kit_free(k);
}

/* The owner's link is gone: its guest goes on elsewhere, and is not gone for contacts here. */
static void contacts_do_not_notice_a_lost_link(void **state)
{
    static struct sm_opts opts;
    struct two t;
    (void)state;

    opts = *kit_opts();
    opts.instance = SPAN("c2s-2.prime.test");
    t.front = kit_new(NULL);
    t.owner = kit_new(&opts);
    contact(t.owner, "bob@prime.test", 3);
    kit_link_up(t.front);
    kit_link_up(t.owner);
    struct kit_client *own = owned(t.owner, "alice", "own"), *b = owned(t.owner, "bob", "b");
    kit_say(t.owner, b, "<presence/>");
    struct kit_client *far = open_fronted(&t, "far");
    say(&t, far, "<presence><show>away</show></presence>");
    EXPECT(b, "from='alice@net.test/far'><show>away</show>");
    kit_link_down(t.owner);
    EXPECT_NOTHING(b);
    kit_close(t.front, far);
    kit_close(t.owner, own);
    kit_close(t.owner, b);
    end(&t);
}

/* The owner dies and then the client goes, before there is another owner. */
static void who_leaves_on_the_move_is_gone(void **state)
{
    struct two t;
    (void)state;

    struct kit_client *own = begin(&t);
    contact(t.front, "both@else.org", 3);
    contact(t.front, "to@else.org", 1);
    contact(t.front, "blocked@else.org", 3);
    kit_sql(t.front, "INSERT INTO block (account, jid) SELECT id, ?1 FROM account",
            "blocked@else.org");
    struct kit_client *c = open_fronted(&t, "c");
    say(&t, c, "<presence/>");
    owner_dies(&t);
    kit_drain(&t.front->link.out);
    kit_close(t.front, c);
    const char *sent = kit_drain(&t.front->link.out);
    EXPECT_IN(sent, "<presence to='both@else.org' from='alice@net.test/c' type='unavailable'/>");
    assert_null(strstr(sent, "'to@else.org'"));
    assert_null(strstr(sent, "'blocked@else.org'"));
    kit_close(t.owner, own);
    end(&t);
}

/* Hands the words to ourselves back, as the router does. */
static void return_words(struct kit *k)
{
    kit_parse(k, NS_COMPONENT,
              "<envelope xmlns='" NS_ROUTER "' from='c2s-1.prime.test' to='c2s-1.prime.test'>"
              "<f:claimed xmlns:f='http://kontalk.org/extensions/front' xmlns='jabber:client'/>"
              "</envelope>");
    sm_link_events.on_envelope(k->sm, &k->stanza);
}

/* The router was away: what could not be told and heard is told and asked for, elsewhere only. */
static void presence_is_told_again_after_an_outage(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    contact(k, "both@else.org", 3);
    contact(k, "bob@prime.test", 3);
    bobs_contact(k, "alice@prime.test");
    kit_link_up(k);
    struct kit_client *a = owned(k, "alice", "a"), *b = owned(k, "bob", "b");
    struct kit_client *mute = owned(k, "alice", "mute");
    kit_say(k, a, "<presence/>");
    kit_say(k, b, "<presence/>");
    kit_link_down(k);
    kit_say(k, a, "<presence><show>away</show></presence>");
    kit_heard(a), kit_heard(b), kit_drain(&k->link.out);
    k->link.is_up = true;
    sm_link_events.on_up(k->sm);
    return_words(k);
    loop_sim_advance(k->loop, 100);
    const char *sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, "<presence to='both@else.org' from='alice@prime.test/a'><show>away</show>");
    EXPECT_IN(sent, "<presence to='both@else.org' from='alice@prime.test/a' type='probe'/>");
    assert_null(strstr(sent, "to='bob@"));
    assert_null(strstr(sent, "mute"));
    EXPECT_NOTHING(a);
    EXPECT_NOTHING(b);
    /* down again before it is done; and who is gone by then is not announced */
    return_words(k);
    kit_link_down(k);
    kit_close(k, a);
    kit_close(k, mute);
    kit_drain(&k->link.out);
    loop_sim_advance(k->loop, 100);
    assert_int_equal(buf_len(&k->link.out), 0);
    kit_close(k, b);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broadcast_to_local_contacts),
        cmocka_unit_test(broadcast_to_remote_contacts),
        cmocka_unit_test(the_end_is_told_once),
        cmocka_unit_test(probes_are_answered),
        cmocka_unit_test(strangers_learn_nothing),
        cmocka_unit_test(probes_of_who_is_absent),
        cmocka_unit_test(who_is_blocked_is_not_answered),
        cmocka_unit_test(hiding_and_showing),
        cmocka_unit_test(a_flickering_client_is_slowed_down),
        cmocka_unit_test(a_flickering_client_with_many_contacts),
        cmocka_unit_test(contacts_do_not_notice_a_move),
        cmocka_unit_test(the_contact_decides),
        cmocka_unit_test(who_leaves_on_the_move_is_gone),
        cmocka_unit_test(presence_is_told_again_after_an_outage),
        cmocka_unit_test(contacts_do_not_notice_a_lost_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
