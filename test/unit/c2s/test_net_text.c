/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is written to a client has addresses in the domain that it has opened: in attributes, of
 * whatever element, and nowhere else.
 */
#include "net_kit.h"

#include "c2s/sm/network/edge.h"

/* As a client of the network's domain sees it; of the host's, romeo is at beta, carol is here. */
static const struct {
    const char *in, *network, *host;
} cases[] = {
    {"<message from='romeo@beta.test/R' to='alice@net.test/r'><body>hi</body></message>",
     "<message from='romeo@net.test/R' to='alice@net.test/r'><body>hi</body></message>",
     "<message from='romeo@beta.test/R' to='alice@prime.test/r'><body>hi</body></message>"},
    {"<message from='romeo@net.test/R'/>", "<message from='romeo@net.test/R'/>",
     "<message from='romeo@beta.test/R'/>"},
    /* nobody knows where he is */
    {"<message from='dave@net.test'/>", "<message from='dave@net.test'/>",
     "<message from='dave@net.test'/>"},
    {"<message from='dave@gamma.test'/>", "<message from='dave@net.test'/>",
     "<message from='dave@gamma.test'/>"},
    /* foreign domains, and those that only look like it */
    {"<message from='romeo@else.example'/>", "<message from='romeo@else.example'/>",
     "<message from='romeo@else.example'/>"},
    {"<message from='romeo@sub.beta.test'/>", "<message from='romeo@sub.beta.test'/>",
     "<message from='romeo@sub.beta.test'/>"},
    {"<message from='romeo@beta.test.example'/>", "<message from='romeo@beta.test.example'/>",
     "<message from='romeo@beta.test.example'/>"},
    {"<message from='romeo@beta.testing/beta.test'/>",
     "<message from='romeo@beta.testing/beta.test'/>",
     "<message from='romeo@beta.testing/beta.test'/>"},
    {"<message from='rooms.beta.test/romeo@beta.test'/>",
     "<message from='rooms.beta.test/romeo@beta.test'/>",
     "<message from='rooms.beta.test/romeo@beta.test'/>"},
    {"<message from='beta.test'/>", "<message from='beta.test'/>", "<message from='beta.test'/>"},
    {"<message from='@beta.test'/>", "<message from='@beta.test'/>",
     "<message from='@beta.test'/>"},
    {"<message from='a@b@beta.test'/>", "<message from='a@b@beta.test'/>",
     "<message from='a@b@beta.test'/>"},
    {"<message from='a&amp;b@beta.test'/>", "<message from='a&amp;b@beta.test'/>",
     "<message from='a&amp;b@beta.test'/>"},
    /* resources stay, whatever is in them */
    {"<message from='romeo@beta.test/x@beta.test'/>",
     "<message from='romeo@net.test/x@beta.test'/>",
     "<message from='romeo@beta.test/x@beta.test'/>"},
    {"<message from=\"romeo@beta.test/it's &lt;\" id='1'/>",
     "<message from=\"romeo@net.test/it's &lt;\" id='1'/>",
     "<message from=\"romeo@beta.test/it's &lt;\" id='1'/>"},
    /* text is nobody's business */
    {"<body>romeo@beta.test and carol@net.test, from='romeo@beta.test' &lt;a "
     "jid='romeo@beta.test'></body>",
     "<body>romeo@beta.test and carol@net.test, from='romeo@beta.test' &lt;a "
     "jid='romeo@beta.test'></body>",
     "<body>romeo@beta.test and carol@net.test, from='romeo@beta.test' &lt;a "
     "jid='romeo@beta.test'></body>"},
    {"<a from='romeo@beta.test'>romeo@beta.test<b/>carol@beta.test</a><c jid='carol@net.test'/>",
     "<a from='romeo@net.test'>romeo@beta.test<b/>carol@beta.test</a><c jid='carol@net.test'/>",
     "<a from='romeo@beta.test'>romeo@beta.test<b/>carol@beta.test</a><c jid='carol@prime.test'/>"},
    /* attributes that hold no addresses */
    {"<item id='romeo@beta.test' name='carol@net.test' xmlns:from='romeo@beta.test'/>",
     "<item id='romeo@beta.test' name='carol@net.test' xmlns:from='romeo@beta.test'/>",
     "<item id='romeo@beta.test' name='carol@net.test' xmlns:from='romeo@beta.test'/>"},
    /* payloads: roster, block list, XEP-0033, carbons, the archive, publishers, ids, delays */
    {"<iq><query xmlns='jabber:iq:roster'><item jid='romeo@beta.test' name='Romeo'/>"
     "<item jid='carol@prime.test'/></query></iq>",
     "<iq><query xmlns='jabber:iq:roster'><item jid='romeo@net.test' name='Romeo'/>"
     "<item jid='carol@net.test'/></query></iq>",
     "<iq><query xmlns='jabber:iq:roster'><item jid='romeo@beta.test' name='Romeo'/>"
     "<item jid='carol@prime.test'/></query></iq>"},
    {"<m><sent><forwarded><delay from='romeo@beta.test' stamp='x'/><message to='carol@net.test'>"
     "<stanza-id by='carol@prime.test' id='7'/></message></forwarded></sent></m>",
     "<m><sent><forwarded><delay from='romeo@net.test' stamp='x'/><message to='carol@net.test'>"
     "<stanza-id by='carol@net.test' id='7'/></message></forwarded></sent></m>",
     "<m><sent><forwarded><delay from='romeo@beta.test' stamp='x'/><message to='carol@prime.test'>"
     "<stanza-id by='carol@prime.test' id='7'/></message></forwarded></sent></m>"},
    {"<i publisher='romeo@beta.test' with='romeo@beta.test' initiator='romeo@beta.test/a'"
     " responder = 'carol@prime.test'\n/>",
     "<i publisher='romeo@net.test' with='romeo@net.test' initiator='romeo@net.test/a' responder = "
     "'carol@net.test'\n/>",
     "<i publisher='romeo@beta.test' with='romeo@beta.test' initiator='romeo@beta.test/a'"
     " responder = 'carol@prime.test'\n/>"},
    /* two stanzas */
    {"<a from='romeo@beta.test'/><b to='romeo@beta.test'/>",
     "<a from='romeo@net.test'/><b to='romeo@net.test'/>",
     "<a from='romeo@beta.test'/><b to='romeo@beta.test'/>"},
    {"", "", ""},
};

/* alice has opened the network's domain, carol the host's. */
struct two {
    struct kit *k;
    struct kit_client *network, *host;
};

static struct kit_client *come(struct kit *k, const char *user, const char *domain)
{
    struct kit_client *c = kit_open(k, user, domain, "r");
    char bare[64];

    snprintf(bare, sizeof(bare), "%s@prime.test", user);
    sm_link_events.on_claim(k->sm, span_of(bare), SPAN_NONE);
    kit_settle(k);
    assert_non_null(c->session);
    kit_say(k, c, "<presence/>");
    buf_clear(&c->out);
    return c;
}

static struct two two_new(void)
{
    struct kit *k = net_new(NET_TABLE, NULL);
    struct two t = {.k = k};

    kit_account(k, "carol");
    t.network = come(k, "alice", "net.test");
    t.host = come(k, "carol", "prime.test");
    net_learn(k, "romeo", "beta.test");
    buf_clear(&k->link.out);
    return t;
}

static void two_free(struct two *t)
{
    kit_close(t->k, t->network);
    kit_close(t->k, t->host);
    net_free(t->k);
}

/* In a buffer that has something before it, which stays. */
static void test_cases(void **state)
{
    struct two t = two_new();
    static const char before[] = "<x from='romeo@beta.test'/>romeo@net.test";

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int is_host = 0; is_host < 2; is_host++) {
            struct buf out = {0};
            buf_append_z(&out, "consumed");
            buf_consume(&out, 4);
            buf_append_z(&out, before);
            size_t from = buf_len(&out);
            buf_append_z(&out, cases[i].in);
            sm_edge_out(is_host ? t.host->session : t.network->session, &out, from);
            assert_string_equal(buf_z(&out) + from, is_host ? cases[i].host : cases[i].network);
            assert_memory_equal(buf_z(&out) + 4, before, sizeof(before) - 1);
            sm_edge_out(is_host ? t.host->session : t.network->session, &out, from);
            assert_string_equal(buf_z(&out) + from, is_host ? cases[i].host : cases[i].network);
            buf_free(&out);
        }
    }
    two_free(&t);
}

/* However it is cut off, nothing but addresses is changed, and nothing is read behind it. */
static void test_cut_off(void **state)
{
    struct two t = two_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t n = 0; n < strlen(cases[i].in); n++) {
            struct buf out = {0};
            char *copy = mem_alloc(n + 1);
            memcpy(copy, cases[i].in, n);
            buf_append(&out, span_make(copy, n));
            sm_edge_out(t.network->session, &out, 0);
            assert_true(buf_len(&out) <= n);
            buf_free(&out);
            free(copy);
        }
    }
    two_free(&t);
}

static void test_many_in_text(void **state)
{
    struct two t = two_new();
    struct buf out = {0}, wanted = {0};

    (void)state;
    buf_append_z(&out, "<message from='romeo@beta.test'><body>");
    buf_append_z(&wanted, "<message from='romeo@net.test'><body>");
    for (int i = 0; i < 200000; i++) {
        buf_append_z(&out, "x@beta.test ");
        buf_append_z(&wanted, "x@beta.test ");
    }
    buf_append_z(&out, "</body><y jid='romeo@beta.test'/></message>");
    buf_append_z(&wanted, "</body><y jid='romeo@net.test'/></message>");
    sm_edge_out(t.network->session, &out, 0);
    assert_string_equal(buf_z(&out), buf_z(&wanted));
    buf_free(&out);
    buf_free(&wanted);
    two_free(&t);
}

/* --- what clients are written --- */

static void test_delivered_message(void **state)
{
    struct two t = two_new();
    const char *heard;

    (void)state;
    kit_link_say(t.k,
                 "<message xmlns='" NS_COMPONENT "' from='romeo@beta.test/R'"
                 " to='alice@prime.test' type='chat'><body>at romeo@beta.test</body></message>");
    heard = kit_heard(t.network);
    EXPECT_IN(heard, "from='romeo@net.test/R'");
    EXPECT_IN(heard, "to='alice@net.test'");
    EXPECT_IN(heard, "<body>at romeo@beta.test</body>");
    kit_say(t.k, t.host, "<message to='alice@prime.test/r'><body>x</body></message>");
    EXPECT(t.network, "from='carol@net.test/r'");
    kit_say(t.k, t.network, "<message to='carol@net.test/r'><body>y</body></message>");
    heard = kit_heard(t.host);
    EXPECT_IN(heard, "from='alice@prime.test/r'");
    EXPECT_IN(heard, "to='carol@prime.test/r'");
    two_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_many_in_text),
        cmocka_unit_test(test_delivered_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
