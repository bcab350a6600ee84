/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tables of RFC 6121 section 8.5, for messages, presence and iq: who gets what.
 */
#include "sm_kit.h"

/* Bob's resources: 'a' available at 5, 'n' available at -1, 'c' connected only. */
struct row {
    const char *there;  /* which of them are */
    const char *stanza; /* from alice */
    const char *gets;   /* who gets it */
    char answer;        /* 'e': service-unavailable, '-': none */
    int stored;
};

#define MSG(type, to) "<message id='m1' type='" type "' to='" to "'><body>hi</body></message>"
#define BARE "bob@prime.test"
#define NOPE "bob@prime.test/nope"

static const struct row rows[] = {
    /* 8.5.2.1.1: bare, available */
    {"anc", MSG("chat", BARE), "a", '-', 0},
    {"anc", MSG("normal", BARE), "a", '-', 0},
    {"anc", MSG("xyz", BARE), "a", '-', 0},
    {"anc", "<message id='m1' to='" BARE "'><body>hi</body></message>", "a", '-', 0},
    {"anc", MSG("headline", BARE), "a", '-', 0},
    {"anc", MSG("groupchat", BARE), "", 'e', 0},
    {"anc", MSG("error", BARE), "", '-', 0},
    /* 8.5.2.2.1: bare, nobody who takes it */
    {"nc", MSG("chat", BARE), "", '-', 1},
    {"nc", MSG("normal", BARE), "", '-', 1},
    {"nc", MSG("headline", BARE), "", '-', 0},
    {"nc", MSG("groupchat", BARE), "", 'e', 0},
    {"nc", MSG("error", BARE), "", '-', 0},
    {"", MSG("chat", BARE), "", '-', 1},
    {"", MSG("xyz", BARE), "", '-', 1},
    {"", MSG("headline", BARE), "", '-', 0},
    {"", MSG("groupchat", BARE), "", 'e', 0},
    {"", MSG("error", BARE), "", '-', 0},
    /* 8.5.3.1: full, of a connected resource */
    {"anc", MSG("chat", BARE "/a"), "a", '-', 0},
    {"anc", MSG("chat", BARE "/n"), "n", '-', 0},
    {"anc", MSG("chat", BARE "/c"), "c", '-', 0},
    {"anc", MSG("groupchat", BARE "/a"), "a", '-', 0},
    {"anc", MSG("headline", BARE "/n"), "n", '-', 0},
    {"anc", MSG("error", BARE "/c"), "c", '-', 0},
    /* 8.5.3.2.1: full, of none */
    {"anc", MSG("chat", NOPE), "a", '-', 0},
    {"anc", MSG("normal", NOPE), "a", '-', 0},
    {"anc", MSG("headline", NOPE), "", '-', 0},
    {"anc", MSG("groupchat", NOPE), "", 'e', 0},
    {"anc", MSG("error", NOPE), "", '-', 0},
    {"n", MSG("chat", NOPE), "", '-', 1},
    {"", MSG("chat", NOPE), "", '-', 1},
    {"", MSG("groupchat", NOPE), "", 'e', 0},
    /* 8.5.1: no such user */
    {"a", MSG("chat", "nobody@prime.test"), "", 'e', 0},
    {"a", MSG("headline", "nobody@prime.test"), "", '-', 0},
    {"a", MSG("error", "nobody@prime.test"), "", '-', 0},
    /* Either domain is ours */
    {"a", MSG("chat", "bob@net.test"), "a", '-', 0},
    {"a", MSG("chat", "BOB@Prime.TEST"), "a", '-', 0},
    /* The server itself reads no mail */
    {"a", MSG("chat", "prime.test"), "", 'e', 0},
    /* Presence: 8.5.2.1.2 and on */
    {"anc", "<presence to='" BARE "'/>", "an", '-', 0},
    {"anc", "<presence to='" BARE "/c'/>", "c", '-', 0},
    {"anc", "<presence to='" NOPE "'/>", "", '-', 0},
    {"", "<presence to='" BARE "'/>", "", '-', 0},
    {"anc", "<presence type='subscribe' to='" BARE "'/>", "an", '-', 0},
    {"anc", "<presence type='subscribe' to='" BARE "/c'/>", "an", '-', 0},
    {"anc", "<presence type='probe' to='" BARE "'/>", "", '-', 0},
    {"a", "<presence to='nobody@prime.test'/>", "", '-', 0},
    {"anc", "<presence type='xyz' to='" BARE "'/>", "", '-', 0},
    /* iq */
    {"anc", "<iq id='1' type='get' to='" BARE "/c'><q xmlns='x'/></iq>", "c", '-', 0},
    {"anc", "<iq id='1' type='set' to='" BARE "/a'><q xmlns='x'/></iq>", "a", '-', 0},
    {"anc", "<iq id='1' type='result' to='" BARE "/a'/>", "a", '-', 0},
    {"anc", "<iq id='1' type='error' to='" BARE "/a'/>", "a", '-', 0},
    {"anc", "<iq id='1' type='get' to='" NOPE "'><q xmlns='x'/></iq>", "", 'e', 0},
    {"anc", "<iq id='1' type='result' to='" NOPE "'/>", "", '-', 0},
    {"anc", "<iq id='1' type='get' to='" BARE "'><q xmlns='x'/></iq>", "", 'e', 0},
    {"", "<iq id='1' type='get' to='" BARE "'><q xmlns='x'/></iq>", "", 'e', 0},
    {"", "<iq id='1' type='get' to='nobody@prime.test'><q xmlns='x'/></iq>", "", 'e', 0},
    {"", "<iq id='1' type='get' to='" NOPE "'><q xmlns='x'/></iq>", "", 'e', 0},
    {"anc", "<iq id='1' type='result' to='" BARE "'/>", "", '-', 0},
};

static void come(struct kit *k, struct kit_client *bob[], const char *there)
{
    const char *names[] = {"a", "n", "c"};
    for (int i = 0; i < 3; i++) {
        if (!strchr(there, *names[i]))
            continue;
        bob[i] = kit_open(k, "bob", "prime.test", names[i]);
        assert_non_null(bob[i]->session);
        if (i < 2)
            kit_say(k, bob[i],
                    i ? "<presence><priority>-1</priority></presence>"
                      : "<presence><priority>5</priority></presence>");
    }
    for (int i = 0; i < 3; i++)
        if (bob[i])
            kit_heard(bob[i]);
}

static void check_row(const struct row *row)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *bob[3] = {NULL};
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    char gets[4] = "";

    come(k, bob, row->there);
    kit_say(k, alice, row->stanza);
    assert_int_equal(alice->unsafe_count, 0);
    for (int i = 0; i < 3; i++) {
        const char *heard = bob[i] ? kit_heard(bob[i]) : "";
        if (*heard)
            strncat(gets, &"anc"[i], 1);
        if (*heard)
            EXPECT_IN(heard, strstr(row->stanza, "subscribe") ? " from='alice@prime.test'"
                                                              : " from='alice@prime.test/x'");
    }
    if (strcmp(gets, row->gets) != 0)
        print_error("with [%s]: %s\n", row->there, row->stanza);
    assert_string_equal(gets, row->gets);
    if (row->answer == 'e')
        EXPECT(alice, "<service-unavailable");
    else
        EXPECT_NOTHING(alice);
    assert_int_equal(kit_offline_count(k, "bob"), row->stored);
    for (int i = 0; i < 3; i++)
        if (bob[i])
            kit_close(k, bob[i]);
    kit_close(k, alice);
    kit_free(k);
}

static void follows_the_tables_of_section_8(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        check_row(&rows[i]);
    }
}

static void goes_to_every_reachable_resource(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *b1 = kit_open(k, "bob", "prime.test", "1");
    struct kit_client *b2 = kit_open(k, "bob", "net.test", "2");
    (void)state;

    kit_say(k, b1, "<presence/>");
    kit_say(k, b2, "<presence><priority>7</priority></presence>");
    kit_heard(b1), kit_heard(b2);
    kit_say(k, alice, MSG("chat", BARE));
    EXPECT(b1, " to='bob@prime.test'");
    /* who logged in to the network's domain sees himself there */
    EXPECT(b2, " to='bob@net.test'");
    kit_close(k, b1), kit_close(k, b2), kit_close(k, alice);
    kit_free(k);
}

/* A client that reads nothing is ended, and its message is kept. */
static void a_full_backlog_sends_it_to_the_store(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *bob = kit_open(k, "bob", "prime.test", "a");
    (void)state;

    kit_say(k, bob, "<presence/>");
    kit_heard(bob);
    bob->backlog = 10001;
    kit_say(k, alice, MSG("chat", BARE "/a"));
    assert_int_equal(bob->kicked, STREAM_RESOURCE_CONSTRAINT);
    EXPECT_NOTHING(bob);
    EXPECT_NOTHING(alice);
    assert_int_equal(kit_offline_count(k, "bob"), 1);
    kit_close(k, bob), kit_close(k, alice);
    kit_free(k);
}

static void a_closing_client_counts_as_gone(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *b1 = kit_open(k, "bob", "prime.test", "1");
    struct kit_client *b2 = kit_open(k, "bob", "prime.test", "2");
    (void)state;

    kit_say(k, b1, "<presence/>"), kit_say(k, b2, "<presence/>");
    kit_heard(b1), kit_heard(b2);
    b1->is_closing = true;
    kit_say(k, alice, MSG("chat", BARE "/1"));
    EXPECT(b2, "<body>hi</body>");
    b2->is_closing = true;
    kit_say(k, alice, MSG("chat", BARE));
    assert_int_equal(kit_offline_count(k, "bob"), 1);
    kit_close(k, b1), kit_close(k, b2), kit_close(k, alice);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_tables_of_section_8),
        cmocka_unit_test(goes_to_every_reachable_resource),
        cmocka_unit_test(a_full_backlog_sends_it_to_the_store),
        cmocka_unit_test(a_closing_client_counts_as_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
