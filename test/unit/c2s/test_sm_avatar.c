/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The picture of an account, by its nodes, its vCard and its presence (XEP-0084, 0153, 0398).
 */
#include "sm_kit.h"

#define PS "http://jabber.org/protocol/pubsub"
#define IQ(type, to, inside) "<iq type='" type "' id='q'" to ">" inside "</iq>"
#define OPEN                                                                                       \
    "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>" PS    \
    "#publish-options</value></field><field var='pubsub#access_model'><value>open</value>"         \
    "</field></x></publish-options>"
#define DATA(id, text, options)                                                                    \
    IQ("set", "", "<pubsub xmlns='" PS "'><publish node='urn:xmpp:avatar:data'><item id='" id      \
       "'><data xmlns='urn:xmpp:avatar:data'>" text "</data></item></publish>" options "</pubsub>")
#define METADATA(id, infos)                                                                        \
    IQ("set", "", "<pubsub xmlns='" PS "'><publish node='urn:xmpp:avatar:metadata'><item id='" id  \
       "'><metadata xmlns='urn:xmpp:avatar:metadata'>" infos "</metadata></item></publish>"        \
       OPEN "</pubsub>")
#define INFO(id) "<info id='" id "' bytes='5' type='image/png'/>"
#define GET_CARD IQ("get", "", "<vCard xmlns='vcard-temp'/>")
#define CARD(inside) IQ("set", "", "<vCard xmlns='vcard-temp'>" inside "</vCard>")
#define GET(node)                                                                                  \
    IQ("get", "", "<pubsub xmlns='" PS "'><items node='urn:xmpp:avatar:" node "'/></pubsub>")

/* "hello" and "world" */
#define HELLO "aGVsbG8="
#define HELLO_HASH "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"
#define WORLD "d29y\n bGQ="
#define WORLD_HASH "7c211433f02071597741e6ff5a8ea34789abbf43"
#define PHOTO(hash) "<x xmlns='vcard-temp:x:update'><photo>" hash "</photo></x>"

static void what_is_published_is_in_the_card(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *b;
    const char *heard;
    (void)state;

    kit_say(k, a, "<presence><show>away</show></presence>");
    assert_null(strstr(kit_heard(a), "x:update"));
    kit_say(k, a, CARD("<FN>A &lt; B</FN>"));
    kit_say(k, a, DATA(HELLO_HASH, HELLO, OPEN));
    kit_heard(a);
    kit_say(k, a, METADATA(HELLO_HASH, "<info id='" HELLO_HASH "' url='http://x/'/>"
                           INFO(HELLO_HASH)));
    /* its presence is shown again, with the hash */
    heard = kit_heard(a);
    EXPECT_IN(heard, "<show>away</show>" PHOTO(HELLO_HASH));
    kit_say(k, a, GET_CARD);
    EXPECT(a, "<vCard xmlns='vcard-temp'><FN>A &lt; B</FN><PHOTO><TYPE>image/png</TYPE><BINVAL>"
              HELLO "</BINVAL></PHOTO></vCard>");
    /* and in whatever follows, of any resource, sent to all or to one */
    b = kit_open(k, "alice", "prime.test", "y");
    kit_say(k, b, "<presence>" PHOTO("other") "</presence>");
    EXPECT(a, PHOTO(HELLO_HASH) "</presence>");
    kit_say(k, b, "<presence to='alice@prime.test/x'/>");
    EXPECT(a, PHOTO(HELLO_HASH) "</presence>");
    kit_say(k, b, "<presence>" PHOTO("") "</presence>");
    assert_null(strstr(kit_heard(a), HELLO_HASH));
    /* the next one takes its place; none */
    kit_heard(a);
    kit_say(k, a, DATA(WORLD_HASH, WORLD, ""));
    kit_say(k, a, METADATA(WORLD_HASH, INFO(WORLD_HASH)));
    kit_say(k, a, GET_CARD);
    heard = kit_heard(a);
    EXPECT_IN(heard, "<BINVAL>d29y\n bGQ=</BINVAL></PHOTO></vCard>");
    assert_null(strstr(heard, HELLO));
    kit_say(k, a, METADATA("none", ""));
    assert_null(strstr(kit_heard(a), "x:update"));
    kit_say(k, a, GET_CARD);
    EXPECT(a, "<vCard xmlns='vcard-temp'><FN>A &lt; B</FN></vCard>");
    kit_close(k, b), kit_close(k, a);
    kit_free(k);
}

/* What is not open to all, and what is not what its name says, stays out of the card. */
static void not_all_is_for_the_card(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    (void)state;

    kit_say(k, a, DATA(HELLO_HASH, HELLO, ""));
    kit_say(k, a, METADATA(HELLO_HASH, INFO(HELLO_HASH)));
    kit_heard(a);
    kit_say(k, a, GET_CARD);
    EXPECT(a, "<item-not-found");
    kit_say(k, a, IQ("set", "", "<pubsub xmlns='" PS "#owner'><delete node='urn:xmpp:avatar:data'/>"
                                "</pubsub>"));
    kit_say(k, a, DATA(WORLD_HASH, HELLO, OPEN));
    kit_say(k, a, METADATA(WORLD_HASH, INFO(WORLD_HASH)));
    kit_say(k, a, DATA(HELLO_HASH, "no base64!", ""));
    kit_say(k, a, METADATA(HELLO_HASH, INFO(HELLO_HASH)));
    kit_heard(a);
    kit_say(k, a, GET_CARD);
    EXPECT(a, "<item-not-found");
    kit_close(k, a);
    kit_free(k);
}

static void the_card_is_published(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    (void)state;

    kit_say(k, a, "<presence/>");
    kit_heard(a);
    kit_say(k, a, CARD("<PHOTO><TYPE>image/jpeg</TYPE><BINVAL>" WORLD "</BINVAL></PHOTO>"));
    EXPECT(a, PHOTO(WORLD_HASH));
    kit_say(k, a, GET("data"));
    EXPECT(a, "<item id='" WORLD_HASH "'><data xmlns='urn:xmpp:avatar:data'>");
    kit_say(k, a, GET("metadata"));
    EXPECT(a, "<info bytes='5' id='" WORLD_HASH "' type='image/jpeg'/>");
    /* kept for the next time */
    kit_close(k, a);
    a = kit_open(k, "alice", "prime.test", "x");
    kit_say(k, a, "<presence/>");
    EXPECT(a, PHOTO(WORLD_HASH));
    kit_say(k, a, CARD("<FN>A</FN>"));
    kit_heard(a);
    kit_say(k, a, GET("metadata"));
    EXPECT(a, "<metadata xmlns='urn:xmpp:avatar:metadata'/></item>");
    kit_say(k, a, "<presence/>");
    assert_null(strstr(kit_heard(a), "x:update"));
    kit_close(k, a);
    kit_free(k);
}

/* Presence that waits for its turn (C28) is the client's last word: the old one does not take its
 * place, for all that the picture has changed. */
static void presence_that_waits_is_not_replaced(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "x");
    (void)state;

    kit_say(k, a, DATA(HELLO_HASH, HELLO, OPEN));
    for (int i = 0; i < 30; i++)
        kit_input(k, a, "<presence/>");
    kit_input(k, a, "<presence type='unavailable'/>");
    assert_int_equal(sm_session_priority(a->session), 0);
    kit_say(k, a, METADATA(HELLO_HASH, INFO(HELLO_HASH)));
    loop_sim_advance(k->loop, 2000);
    assert_int_equal(sm_session_priority(a->session), INT_MIN);
    kit_close(k, a);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_published_is_in_the_card),
        cmocka_unit_test(not_all_is_for_the_card),
        cmocka_unit_test(the_card_is_published),
        cmocka_unit_test(presence_that_waits_is_not_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
