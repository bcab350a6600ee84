/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_net_asked - a client hears the answer to its request from the address that it has asked, by
 * whatever name of a user that was; and nobody else answers in that name.
 */
#include "net_kit.h"

static void request(struct kit *k, struct kit_client *c, const char *to, const char *id)
{
    char xml[1024];

    snprintf(xml, sizeof(xml), "<iq type='get' id='%s' to='%s'><x xmlns='urn:example:x'/></iq>", id,
             to);
    kit_say(k, c, xml);
}

/* To alice at the other end of the link, whose domain that is. */
static void answer(struct kit *k, const char *from, const char *id, const char *domain)
{
    char xml[1024];

    snprintf(xml, sizeof(xml),
             "<iq xmlns='" NS_COMPONENT "' type='result' id='%s' from='%s' to='alice@%s/r'/>", id,
             from, domain);
    kit_link_say(k, xml);
    kit_settle(k);
}

#define FROM(address) " from='" address "'"

static const struct {
    const char *domain; /* of the client */
    const char *to;     /* whom it asks; romeo is at home at beta.test */
    const char *from;   /* who answers */
    const char *seen;
} cases[] = {
    /* By the address that is shown. */
    {"net.test", "romeo@net.test/R", "romeo@beta.test/R", FROM("romeo@net.test/R")},
    {"prime.test", "romeo@beta.test/R", "romeo@beta.test/R", FROM("romeo@beta.test/R")},
    /* By the other one. */
    {"net.test", "romeo@beta.test/R", "romeo@beta.test/R", FROM("romeo@beta.test/R")},
    {"net.test", "Romeo@Beta.test", "romeo@beta.test", FROM("romeo@beta.test")},
    {"net.test", "romeo@beta.test/&lt;&apos;", "romeo@beta.test/&lt;&apos;",
     FROM("romeo@beta.test/&lt;&apos;")},
    {"prime.test", "romeo@net.test/R", "romeo@beta.test/R", FROM("romeo@net.test/R")},
    {"prime.test", "romeo@net.test", "romeo@beta.test", FROM("romeo@net.test")},
    /* Somebody else, or something else of his. */
    {"prime.test", "romeo@net.test/R", "romeo@evil.test/R", FROM("romeo@evil.test/R")},
    {"net.test", "romeo@beta.test/R", "romeo@evil.test/R", FROM("romeo@evil.test/R")},
    {"prime.test", "romeo@net.test/R", "romeo@beta.test/S", FROM("romeo@beta.test/S")},
    {"prime.test", "romeo@net.test", "romeo@beta.test/R", FROM("romeo@beta.test/R")},
    {"prime.test", "romeo@net.test/R", "romeo@beta.test", FROM("romeo@beta.test")},
    {"prime.test", "romeo@net.test/R", "romeos@beta.test/R", FROM("romeos@beta.test/R")},
    {"prime.test", "romeo@net.test/R", "beta.test", FROM("beta.test")},
};

static void test_from_whom(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct kit *k = net_new(NET_TABLE, NULL);
        struct kit_client *alice = net_come(k, "alice", cases[i].domain, "r");

        net_learn(k, "romeo", "beta.test");
        net_learn(k, "romeos", "beta.test");
        request(k, alice, cases[i].to, "q&lt;1");
        answer(k, cases[i].from, "q&lt;1", cases[i].domain);
        EXPECT(alice, cases[i].seen);
        kit_close(k, alice);
        net_free(k);
    }
}

/* An error is an answer, too; one that has been answered is not answered so again, and requests of
 * others are none of ours. */
static void test_once(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *alice = net_come(k, "alice", "prime.test", "r");

    (void)state;
    net_learn(k, "romeo", "beta.test");
    request(k, alice, "romeo@net.test/R", "1");
    answer(k, "romeo@beta.test/R", "2", "prime.test");
    EXPECT(alice, FROM("romeo@beta.test/R"));
    kit_link_say(k, "<iq xmlns='" NS_COMPONENT "' type='get' id='1' from='romeo@beta.test/R'"
                    " to='alice@prime.test/r'><x xmlns='urn:example:x'/></iq>");
    EXPECT(alice, FROM("romeo@beta.test/R"));
    kit_link_say(k, "<message xmlns='" NS_COMPONENT "' type='error' id='1' from='romeo@beta.test/R'"
                    " to='alice@prime.test/r'><error type='cancel'/></message>");
    EXPECT(alice, FROM("romeo@beta.test/R"));
    kit_link_say(k,
                 "<iq xmlns='" NS_COMPONENT "' type='error' id='1' from='romeo@beta.test/R'"
                 " to='alice@prime.test/r'><error type='cancel'><forbidden xmlns='" NS_STANZA_ERRORS
                 "'/></error></iq>");
    EXPECT(alice, FROM("romeo@net.test/R"));
    answer(k, "romeo@beta.test/R", "1", "prime.test");
    EXPECT(alice, FROM("romeo@beta.test/R"));
    kit_close(k, alice);
    net_free(k);
}

/* Users here, and one's own account, which the server answers for. */
static void test_here(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *alice = net_come(k, "alice", "prime.test", "r");
    struct kit_client *bob = net_come(k, "bob", "net.test", "r");

    (void)state;
    request(k, alice, "bob@net.test/r", "1");
    EXPECT(bob, FROM("alice@net.test/r"));
    kit_say(k, bob, "<iq type='result' id='1' to='alice@net.test/r'/>");
    EXPECT(alice, FROM("bob@net.test/r"));
    kit_say(k, alice,
            "<iq type='get' id='2' to='alice@net.test'>"
            "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
    EXPECT(alice, FROM("alice@net.test"));
    kit_say(k, bob,
            "<iq type='get' id='3' to='bob@prime.test'>"
            "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
    EXPECT(bob, FROM("bob@prime.test"));
    request(k, bob, "alice@prime.test", "4");
    EXPECT(bob, FROM("alice@prime.test"));
    kit_close(k, alice);
    kit_close(k, bob);
    net_free(k);
}

/* Of many without an answer the last few are remembered. */
static void test_many(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *alice = net_come(k, "alice", "prime.test", "r");
    char id[16];

    (void)state;
    net_learn(k, "romeo", "beta.test");
    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof(id), "q%d", i);
        request(k, alice, "romeo@net.test/R", id);
    }
    answer(k, "romeo@beta.test/R", "q99", "prime.test");
    EXPECT(alice, FROM("romeo@net.test/R"));
    answer(k, "romeo@beta.test/R", "q36", "prime.test");
    EXPECT(alice, FROM("romeo@net.test/R"));
    answer(k, "romeo@beta.test/R", "q35", "prime.test");
    EXPECT(alice, FROM("romeo@beta.test/R"));
    kit_close(k, alice);
    net_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_whom),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_here),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
