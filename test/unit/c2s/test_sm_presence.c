/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Presence: among a user's own resources, and directed.
 */
#include "sm_kit.h"

static void resources_see_each_other(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    struct kit_client *b = kit_open(k, "alice", "prime.test", "b");
    struct kit_client *mute = kit_open(k, "alice", "prime.test", "mute");
    (void)state;

    kit_say(k, a, "<presence id='p1'><show>away</show><c xmlns='caps' x='&lt;'/></presence>");
    const char *heard = kit_heard(a);
    EXPECT_IN(heard, "<presence to='alice@prime.test/a'");
    EXPECT_IN(heard, "from='alice@prime.test/a'");
    EXPECT_NOTHING(b);
    kit_say(k, b, "<presence><priority>-3</priority></presence>");
    heard = kit_heard(b);
    EXPECT_IN(heard, "from='alice@prime.test/b'");
    EXPECT_IN(heard, "<show>away</show><c xmlns='caps' x='&lt;'/></presence>");
    EXPECT_IN(heard, "id='p1'");
    EXPECT(a, " from='alice@prime.test/b'");
    assert_int_equal(sm_session_priority(b->session), -3);
    /* an update does not bring the others' again */
    kit_say(k, b, "<presence><show>dnd</show></presence>");
    assert_null(strstr(kit_heard(b), "away"));
    EXPECT(a, "<show>dnd</show>");
    kit_say(k, b, "<presence type='unavailable'><status>bye</status></presence>");
    EXPECT(a, "<status>bye</status>");
    kit_heard(b);
    kit_say(k, a, "<presence/>");
    EXPECT_NOTHING(b);
    /* a stream that just ends */
    kit_say(k, b, "<presence/>");
    kit_heard(a);
    kit_close(k, b);
    EXPECT(a, "<presence to='alice@prime.test/a' from='alice@prime.test/b' type='unavailable'/>");
    EXPECT_NOTHING(mute);
    kit_close(k, mute);
    EXPECT_NOTHING(a);
    kit_close(k, a);
    kit_free(k);
}

static void priorities(void **state)
{
    static const struct {
        const char *text;
        int priority;
    } cases[] = {
        {"0", 0},     {"127", 127}, {"-128", -128}, {"+5", 5},   {"128", 0},
        {"-129", 0},  {"", 0},      {"x", 0},       {"-", 0},    {"1 ", 0},
        {"1e3", 0},   {"99999999999999999999", 0},  {"--1", 0},
    };
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char xml[128];
        snprintf(xml, sizeof(xml), "<presence><priority>%s</priority></presence>", cases[i].text);
        kit_say(k, a, xml);
        assert_int_equal(sm_session_priority(a->session), cases[i].priority);
    }
    kit_close(k, a);
    kit_free(k);
}

/* Who was told is told the end, once; who was told the end already is not. */
static void directed_presence_ends(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    struct kit_client *b = kit_open(k, "bob", "prime.test", "b");
    (void)state;

    kit_link_up(k);
    kit_say(k, a, "<presence to='bob@prime.test/b'><show>chat</show></presence>");
    EXPECT(b, "<show>chat</show>");
    kit_say(k, a, "<presence to='room@muc.else/nick'/>");
    kit_say(k, a, "<presence to='room@muc.else/nick'/>");
    kit_say(k, a, "<presence to='old@muc.else/nick'/>");
    kit_say(k, a, "<presence type='unavailable' to='old@muc.else/nick'/>");
    kit_drain(&k->link.out);
    kit_say(k, a, "<presence type='unavailable'/>");
    EXPECT(b, " type='unavailable'");
    const char *sent = kit_drain(&k->link.out);
    const char *first = strstr(sent, "to='room@muc.else/nick'");
    assert_non_null(first);
    EXPECT_IN(sent, " from='alice@prime.test/a'");
    assert_null(strstr(first + 1, "to="));
    assert_null(strstr(sent, "old@"));
    kit_say(k, a, "<presence to='bob@prime.test'/>");
    EXPECT_NOTHING(b); /* to the bare JID: available resources only */
    kit_say(k, a, "<presence to='bob@prime.test/b'/>");
    kit_heard(b);
    kit_close(k, a);
    EXPECT(b, " type='unavailable'/>");
    kit_close(k, b);
    kit_free(k);
}

static void directed_presence_is_bounded(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    char xml[64];
    (void)state;

    kit_link_up(k);
    for (int i = 0; i < 1000; i++) {
        snprintf(xml, sizeof(xml), "<presence to='r%d@muc.else/n'/>", i);
        kit_input(k, a, xml);
    }
    EXPECT_NOTHING(a);
    kit_drain(&k->link.out);
    kit_say(k, a, "<presence to='one@muc.else/more'/>");
    EXPECT(a, "<resource-constraint");
    assert_int_equal(buf_len(&k->link.out), 0);
    kit_say(k, a, "<presence to='r7@muc.else/n'/>");
    EXPECT_LINK(k, "r7@muc.else/n");
    kit_close(k, a);
    kit_free(k);
}

static void subscriptions_are_between_bare_jids(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "a");
    (void)state;

    kit_link_up(k);
    kit_say(k, a, "<presence type='subscribe' to='x@else.org/y'/>");
    const char *sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, " to='x@else.org'");
    EXPECT_IN(sent, " from='alice@prime.test'");
    kit_say(k, a, "<presence type='probe' to='x@else.org'/>");
    kit_say(k, a, "<presence type='subscribe'/>");
    assert_int_equal(buf_len(&k->link.out), 0);
    kit_close(k, a);
    kit_free(k);
}

/* S18: 100,000 strangers show themselves, all at once. Whom the user knows is heard all the same,
 * and what he gets, and what is kept of it, stays small. */
static void a_flood_of_strangers(void **state)
{
    struct kit *k = kit_new(NULL);
    char xml[200];
    (void)state;

    kit_sql(k, "INSERT INTO roster (account, jid, subscription) SELECT id, 'bob@far.test', 3"
               " FROM account WHERE name = ?1", "alice");
    kit_link_up(k);
    struct kit_client *a = kit_come(k, "alice", "a", "<presence/>");
    kit_say(k, a, "<presence to='room@muc.test/alice'/>");
    buf_clear(&a->out), buf_clear(&k->link.out);
    for (int i = 0; i < 100000; i++) {
        snprintf(xml, sizeof(xml), "<presence from='x%d@bad.test/y' to='alice@prime.test%s'/>", i,
                 i % 2 ? "/a" : "");
        kit_parse(k, NS_COMPONENT, xml);
        sm_link_events.on_stanza(k->sm, &k->stanza);
    }
    assert_in_range(buf_len(&a->out), 1000, 20000);
    assert_int_equal(a->kicked, STREAM_ERROR_NONE);
    assert_string_equal(kit_drain(&k->link.out), "");
    kit_heard(a);
    kit_parse(k, NS_COMPONENT, "<presence from='bob@far.test/b' to='alice@prime.test'/>");
    sm_link_events.on_stanza(k->sm, &k->stanza);
    EXPECT(a, "from='bob@far.test/b'");
    for (int i = 0; i < 1000; i++) { /* who is in a room is there because of him */
        snprintf(xml, sizeof(xml), "<presence from='room@muc.test/n%d' to='alice@prime.test/a'/>",
                 i);
        kit_parse(k, NS_COMPONENT, xml);
        sm_link_events.on_stanza(k->sm, &k->stanza);
        assert_non_null(strstr(kit_heard(a), "room@muc.test/n"));
    }
    kit_parse(k, NS_COMPONENT, "<presence from='y@bad.test' to='alice@prime.test'/>");
    sm_link_events.on_stanza(k->sm, &k->stanza);
    EXPECT_NOTHING(a);
    loop_sim_advance(k->loop, 1000);
    kit_link_say(k, "<presence from='y@bad.test' to='alice@prime.test'/>");
    EXPECT(a, "from='y@bad.test'");
    kit_link_say(k, "<presence from='y@bad.test' to='alice@prime.test' type='subscribe'/>");
    EXPECT(a, "type='subscribe'");
    kit_close(k, a);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resources_see_each_other),
        cmocka_unit_test(priorities),
        cmocka_unit_test(directed_presence_ends),
        cmocka_unit_test(directed_presence_is_bounded),
        cmocka_unit_test(a_flood_of_strangers),
        cmocka_unit_test(subscriptions_are_between_bare_jids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
