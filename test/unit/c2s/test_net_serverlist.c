/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_net_serverlist - what the host's reserved names say of the network: the list of servers, the
 * server's key, discovery; and that they are there in a network only.
 */
#include "net_kit.h"

#define COMMANDS "http://jabber.org/protocol/commands"
#define EXECUTE(more)                                                                              \
    "<command xmlns='" COMMANDS "' node='serverlist'" more "/>"
#define QUERY "<query xmlns='http://jabber.org/protocol/disco#info'/>"
#define ITEMS "<query xmlns='http://jabber.org/protocol/disco#items'/>"
#define DISABLED "delta.test " NET_FINGERPRINT_DELTA " disabled\n"

static struct kit_client *come(struct kit *k, const char *domain)
{
    struct kit_client *c = kit_open(k, "alice", domain, "r");
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(k);
    assert_non_null(c->session);
    return c;
}

static void ask(struct kit *k, struct kit_client *c, const char *type, const char *to,
                const char *payload)
{
    struct buf xml = {0};
    buf_printf(&xml, "<iq type='%s' id='q' to='%s'>%s</iq>", type, to, payload);
    kit_say(k, c, buf_z(&xml));
    buf_free(&xml);
}

static void test_the_enabled_ones(void **state)
{
    struct kit *k = net_new(NET_TABLE DISABLED, NULL);
    struct kit_client *c = come(k, "prime.test");
    const char *heard;
    (void)state;
    ask(k, c, "set", "network@prime.test", EXECUTE(" action='execute'"));
    heard = kit_heard(c);
    EXPECT_IN(heard, "<iq type='result' id='q' from='network@prime.test'");
    EXPECT_IN(heard, "<command xmlns='" COMMANDS "' node='serverlist' sessionid='");
    EXPECT_IN(heard, "' status='completed'>"
                     "<serverlist xmlns='http://kontalk.org/extensions/serverlist'>"
                     "<item node='beta.test' fingerprint='" NET_FINGERPRINT_BETA "'/>"
                     "<item node='gamma.test' fingerprint='" NET_FINGERPRINT_GAMMA "'/>"
                     "<item node='prime.test' fingerprint=''/></serverlist></command>");
    /* the next table holds from now on */
    net_table(k, DISABLED);
    ask(k, c, "set", "network@prime.test", EXECUTE(""));
    heard = kit_heard(c);
    EXPECT_IN(heard, "<serverlist xmlns='http://kontalk.org/extensions/serverlist'>"
                     "<item node='prime.test'");
    kit_close(k, c);
    net_free(k);
}

static void test_as_addresses_of_the_network(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *c = come(k, "net.test");
    (void)state;
    ask(k, c, "set", "network@net.test", EXECUTE(" action='execute'"));
    EXPECT(c, "<item node='net.test|beta.test' fingerprint='" NET_FINGERPRINT_BETA "'/>");
    kit_close(k, c);
    net_free(k);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *type, *to, *payload, *error;
    } cases[] = {
        {"set", "network@prime.test", "<command xmlns='" COMMANDS "' node='x'/>", "item-not-found"},
        {"set", "network@prime.test", "<command xmlns='" COMMANDS "'/>", "item-not-found"},
        {"set", "network@prime.test", EXECUTE(" action='cancel'"), "bad-request"},
        {"get", "network@prime.test", EXECUTE(""), "service-unavailable"},
        {"set", "probe@prime.test", EXECUTE(""), "service-unavailable"},
        {"set", "network@prime.test/r", EXECUTE(""), "service-unavailable"},
        {"get", "network@prime.test", "<query xmlns='http://jabber.org/protocol/disco#info'"
         " node='x'/>", "item-not-found"},
        {"get", "prime.test", "<pubkey xmlns='urn:xmpp:pubkey:2'/>", "item-not-found"},
        {"get", "alice@prime.test", "<pubkey xmlns='urn:xmpp:pubkey:2'/>", "item-not-found"},
        {"set", "prime.test", "<pubkey xmlns='urn:xmpp:pubkey:2'/>", "not-allowed"},
    };
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *c = come(k, "prime.test");
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ask(k, c, cases[i].type, cases[i].to, cases[i].payload);
        struct buf *out = buf_len(&c->out) ? &c->out : &k->link.out; /* to a user who is not here */
        const char *heard = kit_drain(out);
        if (out == &c->out)
            EXPECT_IN(heard, cases[i].error);
        buf_clear(&c->out);
    }
    kit_say(k, c, "<message to='network@prime.test' id='m'><body>hi</body></message>");
    EXPECT(c, "service-unavailable");
    kit_close(k, c);
    net_free(k);
}

static void test_for_the_network_only(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    (void)state;
    kit_link_say(k, "<iq type='set' id='1' from='x@far.test/r' to='network@prime.test'>"
                    EXECUTE("") "</iq>");
    EXPECT_LINK(k, "<forbidden");
    kit_link_say(k, "<iq type='set' id='2' from='beta.test' to='network@prime.test'>"
                    EXECUTE("") "</iq>");
    EXPECT_LINK(k, "<item node='gamma.test'");
    net_free(k);
}

static void test_discovery(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *c = come(k, "net.test");
    (void)state;
    ask(k, c, "get", "net.test", ITEMS);
    EXPECT(c, "<item jid='multicast@net.test'/>"
              "<item jid='probe@net.test' node='http://kontalk.org/extensions/roster#probe'/>"
              "<item jid='network@net.test'/>");
    ask(k, c, "get", "probe@net.test", QUERY);
    EXPECT(c, "<feature var='http://kontalk.org/extensions/roster#probe'/>");
    ask(k, c, "get", "probe@net.test", "<query xmlns='http://jabber.org/protocol/disco#info'"
                                        " node='http://kontalk.org/extensions/roster#probe'/>");
    EXPECT(c, "' node='http://kontalk.org/extensions/roster#probe'><identity category='directory'");
    ask(k, c, "get", "network@net.test", QUERY);
    EXPECT(c, "<feature var='" COMMANDS "'/>");
    ask(k, c, "get", "network@net.test", "<query xmlns='http://jabber.org/protocol/disco#items'"
                                          " node='" COMMANDS "'/>");
    EXPECT(c, "<item jid='network@net.test' node='serverlist' name='List of servers'/>");
    ask(k, c, "get", "network@net.test", ITEMS);
    EXPECT(c, "#items'></query>");
    kit_close(k, c);
    net_free(k);
}

/* Who has opened the network's domain sees whose service answers. */
static void test_services_of_others(void **state)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct kit_client *c = come(k, "net.test");
    (void)state;
    ask(k, c, "get", "probe@beta.test", "<query xmlns='" NS_KONTALK_ROSTER "'/>");
    EXPECT_LINK(k, "to='probe@beta.test' from='alice@net.test/r'");
    kit_link_say(k, "<iq type='error' id='q' from='probe@beta.test' to='alice@prime.test/r'>"
                    "<error type='auth'><forbidden xmlns='" NS_STANZA_ERRORS "'/></error></iq>");
    EXPECT(c, "from='probe@beta.test'");
    kit_close(k, c);
    net_free(k);
}

/* The names are taken, but there is nothing at them. */
static void test_no_network(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *c;
    (void)state;
    assert_true(sm_is_reserved(SPAN("probe")));
    assert_true(sm_is_reserved(SPAN("network")));
    assert_true(sm_is_reserved(SPAN("multicast")));
    assert_false(sm_is_reserved(SPAN("probes")));
    c = kit_come(k, "alice", "r", "");
    ask(k, c, "set", "network@prime.test", EXECUTE(""));
    EXPECT(c, "service-unavailable");
    ask(k, c, "get", "prime.test", ITEMS);
    const char *heard = kit_heard(c);
    EXPECT_IN(heard, "multicast@prime.test");
    assert_null(strstr(heard, "probe@"));
    kit_close(k, c);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_enabled_ones),
        cmocka_unit_test(test_as_addresses_of_the_network),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_for_the_network_only),
        cmocka_unit_test(test_discovery),
        cmocka_unit_test(test_services_of_others),
        cmocka_unit_test(test_no_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
