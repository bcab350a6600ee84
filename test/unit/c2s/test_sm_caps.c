/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Capabilities: the hash of an answer (XEP-0115 5), the cache, and what is believed of whom.
 */
#include "sm_kit.h"

#include "c2s/sm/pep/caps.h"

#define INFO "http://jabber.org/protocol/disco#info"
#define ID(attrs) "<identity " attrs "/>"
#define F(var) "<feature var='" var "'/>"
#define FIELD(var, values) "<field var='" var "'>" values "</field>"
#define V(text) "<value>" text "</value>"
#define X(type, fields)                                                                            \
    "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'>" V(type)         \
    "</field>" fields "</x>"
#define FOUR                                                                                       \
    F(INFO) F("http://jabber.org/protocol/disco#items") F("http://jabber.org/protocol/muc")
#define EXODUS ID("category='client' name='Exodus 0.9.1' type='pc'")
#define PSI                                                                                        \
    ID("xml:lang='en' category='client' name='Psi 0.11' type='pc'")                                \
    ID("xml:lang='el' category='client' name='&#x3a8; 0.11' type='pc'") FOUR                       \
    F("http://jabber.org/protocol/caps")
#define SOFTWARE                                                                                   \
    X("urn:xmpp:dataforms:softwareinfo", FIELD("ip_version", V("ipv4") V("ipv6"))                  \
      FIELD("os", V("Mac")) FIELD("os_version", V("10.5.1")) FIELD("software", V("Psi"))           \
      FIELD("software_version", V("0.11")))

static const struct hash_case {
    const char *inside, *algorithm, *ver;
    bool is_true;
} cases[] = {
    /* the examples of 5.2 and 5.3 */
    {F("http://jabber.org/protocol/caps") EXODUS FOUR, "sha-1", "QgayPKawpkPSDYmwT/WM94uAlu0=",
     true},
    {PSI SOFTWARE, "sha-1", "q07IKJEyjvHSyhy//CH0CxmKi8w=", true},
    {PSI SOFTWARE, "sha-1", "Q07IKJEyjvHSyhy//CH0CxmKi8w=", false},
    {F("http://jabber.org/protocol/caps") EXODUS FOUR, "sha-256", "QgayPKawpkPSDYmwT/WM94uAlu0=",
     false},
    {F("http://jabber.org/protocol/caps") EXODUS FOUR, "md5", "QgayPKawpkPSDYmwT/WM94uAlu0=",
     false},
    /* a form without a hidden FORM_TYPE is passed over */
    {F("http://jabber.org/protocol/caps") EXODUS FOUR
     "<x xmlns='jabber:x:data'>" FIELD("FORM_TYPE", V("a")) "</x>", "sha-1",
     "QgayPKawpkPSDYmwT/WM94uAlu0=", true},
    /* 5.4, 3.3 to 3.6: what could be read in two ways is no answer */
    {F("http://jabber.org/protocol/caps") EXODUS EXODUS FOUR, "sha-1",
     "QgayPKawpkPSDYmwT/WM94uAlu0=", false},
    {F("http://jabber.org/protocol/caps") F("http://jabber.org/protocol/caps") EXODUS FOUR,
     "sha-1", "QgayPKawpkPSDYmwT/WM94uAlu0=", false},
    {PSI SOFTWARE SOFTWARE, "sha-1", "q07IKJEyjvHSyhy//CH0CxmKi8w=", false},
    {PSI "<x xmlns='jabber:x:data'><field var='FORM_TYPE' type='hidden'>" V("a") V("b")
     "</field></x>" SOFTWARE, "sha-1", "q07IKJEyjvHSyhy//CH0CxmKi8w=", false},
    /* the same string, told as one feature where there were several */
    {EXODUS F("http://jabber.org/protocol/caps&lt;" INFO
              "&lt;http://jabber.org/protocol/disco#items&lt;http://jabber.org/protocol/muc"),
     "sha-1", "QgayPKawpkPSDYmwT/WM94uAlu0=", false},
    /* the forms' string moved into an identity */
    {"", "sha-1", "2jmj7l5rSw0yVb/vlWAYkK/YBwk=", true}, /* of nothing */
};

static void a_hash_is_checked(void **state)
{
    struct stanza s = {0};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char xml[4096];
        snprintf(xml, sizeof(xml),
                 "<iq type='result' id='1'><query xmlns='" INFO "'>%s</query></iq>",
                 cases[i].inside);
        assert_int_equal(xml_parse_stanza(xml_parser_shared(SPAN(NS_CLIENT)), span_of(xml), &s),
                         XML_OK);
        uint32_t query = stanza_child(&s, 0, SPAN(INFO), SPAN("query"));
        if (caps_is_true(&s, query, span_of(cases[i].algorithm), span_of(cases[i].ver)) !=
            cases[i].is_true)
            fail_msg("case %zu", i);
    }
    stanza_free(&s);
    xml_parser_shared_free();
}

static void the_cache_is_bounded(void **state)
{
    struct caps_cache cache;
    struct caps *first, *unknown;
    (void)state;

    caps_cache_init(&cache);
    first = caps_get(&cache, SPAN("sha-1"), SPAN("first"));
    assert_ptr_equal(caps_get(&cache, SPAN("sha-1"), SPAN("first")), first);
    assert_ptr_not_equal((unknown = caps_get(&cache, SPAN("sha-256"), SPAN("first"))), first);
    caps_put(&cache, unknown); /* nobody knows it, nobody has it */
    assert_int_equal(cache.sets.count, 1);
    first->is_known = true;
    caps_put(&cache, first), caps_put(&cache, first);
    assert_int_equal(cache.idle_count, 1);
    for (int i = 0; i < CAPS_MAX_IDLE + 10; i++) {
        char ver[16];
        snprintf(ver, sizeof(ver), "%d", i);
        struct caps *caps = caps_get(&cache, SPAN("sha-1"), span_of(ver));
        caps->is_known = true;
        caps_put(&cache, caps);
        /* the first stays as long as somebody asks for it */
        if (i % 1000 == 0)
            caps_put(&cache, caps_get(&cache, SPAN("sha-1"), SPAN("first")));
    }
    assert_int_equal(cache.idle_count, CAPS_MAX_IDLE);
    assert_int_equal(cache.sets.count, CAPS_MAX_IDLE);
    first = caps_get(&cache, SPAN("sha-1"), SPAN("first"));
    assert_true(first->is_known);
    caps_put(&cache, first);
    caps_cache_free(&cache);
}

/* --- whom is believed what --- */

#define CAPS(ver)                                                                                  \
    "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='x' ver='" ver "'/>"
/* of client/pc//T with disco#info and n+notify */
#define VER "umWUyCQekcDAAfGil8vi41WZD6o="
#define TRUE_INFO ID("category='client' type='pc' name='T'") F(INFO) F("n+notify")
#define LIE ID("category='client' type='pc' name='T'") F(INFO) F("n+notify") F("m+notify")

static struct kit_client *start(struct kit *k)
{
    struct kit_client *a = kit_client_new();

    kit_sql(k, "INSERT INTO roster (account, jid, subscription) SELECT id, 'r@far.test', 3"
               " FROM account WHERE name = ?1", "alice");
    kit_link_up(k);
    sm_open(k->sm, &a->c, SPAN("alice"), SPAN("prime.test"), SPAN("x"));
    kit_settle(k);
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(k);
    kit_say(k, a, "<presence/>");
    for (int i = 0; i < 2; i++)
        kit_say(k, a, i ? "<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'>"
                          "<publish node='n'><item><e xmlns='u'/></item></publish></pubsub></iq>"
                        : "<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'>"
                          "<publish node='m'><item><e xmlns='u'/></item></publish></pubsub></iq>");
    kit_drain(&k->link.out);
    return a;
}

/* The resource comes; true: it is asked what it can do, by *id. */
static bool come(struct kit *k, const char *resource, const char *caps, char id[32])
{
    char xml[512];
    const char *out, *at;

    snprintf(xml, sizeof(xml), "<presence from='r@far.test/%s' to='alice@prime.test'>%s</presence>",
             resource, caps);
    kit_link_say(k, xml);
    out = kit_drain(&k->link.out);
    at = strstr(out, "id='caps-");
    if (!at)
        return false;
    snprintf(id, 32, "%.*s", (int)strcspn(at + 4, "'"), at + 4);
    return true;
}

/* What follows from its answer. */
static const char *answer(struct kit *k, const char *resource, const char *id, const char *info)
{
    char xml[1024];

    snprintf(xml, sizeof(xml), "<iq type='%s' from='r@far.test/%s' to='alice@prime.test' id='%s'>"
             "<query xmlns='" INFO "'>%s</query></iq>", info ? "result" : "error", resource, id,
             info ? info : "");
    kit_link_say(k, xml);
    return kit_drain(&k->link.out);
}

static void a_lie_is_believed_of_the_liar_only(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = start(k);
    char id[32], next[32];
    const char *out, *at;
    (void)state;

    assert_true(come(k, "liar", CAPS(VER), id));
    assert_false(come(k, "good", CAPS(VER), next)); /* one question is enough */
    out = answer(k, "liar", id, LIE);
    EXPECT_IN(out, "node='m'"); /* to the liar, who has said so */
    assert_null(strstr(out, "<message to='r@far.test/good'"));
    /* and the next one is asked */
    at = strstr(out, "<iq to='r@far.test/good'");
    assert_non_null(at);
    at = strstr(at, "id='caps-") + 4;
    snprintf(next, sizeof(next), "%.*s", (int)strcspn(at, "'"), at);
    out = answer(k, "good", next, TRUE_INFO);
    EXPECT_IN(out, "<message to='r@far.test/good'");
    assert_null(strstr(out, "node='m'"));
    assert_null(strstr(out, "liar"));
    /* from now on it is known; the liar keeps his word */
    assert_false(come(k, "third", CAPS(VER), id));
    assert_false(come(k, "liar", CAPS(VER), id));
    kit_close(k, a);
    sm_set_link(k->sm, NULL);
    kit_free(k);
}

static void an_error_and_silence_let_others_speak(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = start(k);
    char id[32], next[32];
    const char *out;
    (void)state;

    assert_true(come(k, "silent", CAPS(VER), id));
    loop_sim_advance(k->loop, 31000);
    assert_true(come(k, "error", CAPS(VER), next));
    out = answer(k, "error", next, NULL);
    EXPECT_IN(out, "<iq to='r@far.test/silent'"); /* it waits still */
    /* its first answer is late, and good */
    out = answer(k, "silent", id, TRUE_INFO);
    EXPECT_IN(out, "<message to='r@far.test/silent'");
    assert_null(strstr(out, "r@far.test/error"));
    kit_close(k, a);
    sm_set_link(k->sm, NULL);
    kit_free(k);
}

static void one_who_leaves_lets_the_next_speak(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = start(k);
    char id[32];
    (void)state;

    assert_true(come(k, "first", CAPS(VER), id));
    assert_false(come(k, "second", CAPS(VER), id));
    kit_link_say(k, "<presence from='r@far.test/first' to='alice@prime.test' type='unavailable'/>");
    kit_drain(&k->link.out);
    assert_true(come(k, "third", CAPS(VER), id));
    EXPECT_IN(answer(k, "third", id, TRUE_INFO), "<message to='r@far.test/second'");
    kit_close(k, a);
    sm_set_link(k->sm, NULL);
    kit_free(k);
}

/* C07: by the right id, but from others: another client of his, another user, another domain; or to
 * another account than had asked. */
static void others_do_not_answer_for_it(void **state)
{
    static const char *const wrong[][2] = {
        {"r@far.test/other", "alice@prime.test"}, {"r@far.test", "alice@prime.test"},
        {"x@far.test/r", "alice@prime.test"},     {"r@evil.test/r", "alice@prime.test"},
        {"far.test", "alice@prime.test"},         {"r@far.test/r", "bob@prime.test"},
        {"r@far.test/r", "prime.test"},
    };
    struct kit *k = kit_new(NULL);
    struct kit_client *a = start(k);
    char id[32], xml[1024];
    (void)state;

    assert_true(come(k, "r", CAPS(VER), id));
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        for (int is_error = 0; is_error < 2; is_error++) {
            snprintf(xml, sizeof(xml), "<iq type='%s' from='%s' to='%s' id='%s'><query xmlns='" INFO
                     "'>%s</query></iq>", is_error ? "error" : "result", wrong[i][0], wrong[i][1],
                     id, TRUE_INFO);
            kit_link_say(k, xml);
            assert_string_equal(kit_drain(&k->link.out), "");
        }
    }
    EXPECT_IN(answer(k, "r", id, TRUE_INFO), "<message to='r@far.test/r'");
    assert_string_equal(answer(k, "r", id, TRUE_INFO), ""); /* and once */
    kit_close(k, a);
    sm_set_link(k->sm, NULL);
    kit_free(k);
}

/* No hash, an algorithm that we do not know, too long a hash, answers to nothing. */
static void what_cannot_be_checked_is_not_shared(void **state)
{
    static const char *const strange[] = {
        "", "<c xmlns='http://jabber.org/protocol/caps' node='x' ver='1.0'/>",
        "<c xmlns='http://jabber.org/protocol/caps' node='x' hash='' ver=''/>",
        "<c xmlns='http://jabber.org/protocol/caps' node='x' hash='a&#10;b' ver='c'/>",
    };
    struct kit *k = kit_new(NULL);
    struct kit_client *a = start(k);
    char id[32], xml[512];
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(strange); i++)
        assert_false(come(k, "r", strange[i], id));
    snprintf(xml, sizeof(xml), "<c xmlns='http://jabber.org/protocol/caps' node='x' hash='sha-1'"
             " ver='%0200d'/>", 0);
    assert_false(come(k, "r", xml, id));
    assert_string_equal(answer(k, "r", "caps-1", TRUE_INFO), "");
    snprintf(xml, sizeof(xml), "<c xmlns='http://jabber.org/protocol/caps' node='x' hash='sha-512'"
             " ver='v'/>");
    assert_true(come(k, "r1", xml, id));
    EXPECT_IN(answer(k, "r1", id, TRUE_INFO), "<message to='r@far.test/r1'");
    assert_true(come(k, "r2", xml, id));
    kit_close(k, a);
    sm_set_link(k->sm, NULL);
    kit_free(k);
}

/* A client that shows ever new hashes is one peer; of ever new resources, a bound is kept. */
static void a_flood_is_bounded(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = start(k);
    char caps[256], id[32], name[16];
    (void)state;

    for (int i = 0; i < 300; i++) {
        snprintf(caps, sizeof(caps), "<c xmlns='http://jabber.org/protocol/caps' node='x'"
                 " hash='sha-1' ver='%d'/>", i);
        assert_true(come(k, "one", caps, id));
    }
    for (int i = 0; i < 2100; i++) {
        snprintf(name, sizeof(name), "r%d", i);
        if (!come(k, name, CAPS(VER), id))
            continue;
        assert_true(i < 2000);
    }
    kit_close(k, a);
    sm_set_link(k->sm, NULL);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hash_is_checked),
        cmocka_unit_test(the_cache_is_bounded),
        cmocka_unit_test(a_lie_is_believed_of_the_liar_only),
        cmocka_unit_test(an_error_and_silence_let_others_speak),
        cmocka_unit_test(one_who_leaves_lets_the_next_speak),
        cmocka_unit_test(others_do_not_answer_for_it),
        cmocka_unit_test(what_cannot_be_checked_is_not_shared),
        cmocka_unit_test(a_flood_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
