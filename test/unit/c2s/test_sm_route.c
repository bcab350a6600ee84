/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What comes in: true senders, nothing forged, sound iqs, and the way to and from the router.
 */
#include "sm_kit.h"

struct from {
    const char *from;
    bool is_ok;
};

/* C01 */
static void a_client_speaks_for_itself_only(void **state)
{
    static const struct from cases[] = {
        {"alice@prime.test/x", true},     {"alice@prime.test", true},
        {"ALICE@prime.test/x", true},     {"alice@prime.test/y", false},
        {"bob@prime.test/x", false},      {"bob@prime.test", false},
        {"prime.test", false},            {"alice@net.test/x", false},
        {"@@", false},                    {"", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct kit *k = kit_new(NULL);
        struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
        struct kit_client *bob = kit_open(k, "bob", "prime.test", "b");
        char xml[256];
        snprintf(xml, sizeof(xml), "<message from='%s' to='bob@prime.test/b'><body>1</body>"
                                   "</message>", cases[i].from);
        kit_say(k, alice, xml);
        if (cases[i].is_ok) {
            EXPECT(bob, " from='alice@prime.test/x'");
        } else {
            EXPECT_NOTHING(bob);
            assert_int_equal(alice->kicked, STREAM_INVALID_FROM);
        }
        kit_close(k, bob), kit_close(k, alice);
        kit_free(k);
    }
}

/* C06 */
static void what_only_a_server_adds_is_taken_out(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    struct kit_client *bob = kit_open(k, "bob", "prime.test", "b");
    (void)state;

    kit_say(k, alice,
            "<message to='bob@prime.test/b' xmlns:e='urn:evil' e:from='bob@prime.test'>"
            "<stanza-id xmlns='urn:xmpp:sid:0' id='1' by='prime.test'/>"
            "<stanza-id xmlns='urn:xmpp:sid:0' id='2' by='bob@prime.test'/>"
            "<stanza-id xmlns='urn:xmpp:sid:0' id='3' by='bob@net.test'/>"
            "<stanza-id xmlns='urn:xmpp:sid:0' id='4' by='room@muc.else'/>"
            "<delay xmlns='urn:xmpp:delay' from='prime.test' stamp='5'/>"
            "<delay xmlns='urn:xmpp:delay' from='else' stamp='6'/>"
            "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='7'/>"
            "<body>8</body></message>");
    const char *heard = kit_heard(bob);
    assert_null(strstr(heard, "id='1'"));
    assert_null(strstr(heard, "id='2'"));
    assert_null(strstr(heard, "id='3'"));
    EXPECT_IN(heard, "id='4'");
    assert_null(strstr(heard, "stamp='5'"));
    EXPECT_IN(heard, "stamp='6'");
    assert_null(strstr(heard, "occupant-id"));
    assert_null(strstr(heard, "evil"));
    EXPECT_IN(heard, "<body>8</body>");
    /* From elsewhere: a room may name its occupants, but not speak for us. */
    kit_link_say(k, "<message from='room@muc.else/n' to='bob@prime.test/b'>"
                    "<stanza-id xmlns='urn:xmpp:sid:0' id='1' by='bob@prime.test'/>"
                    "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='7'/></message>");
    heard = kit_heard(bob);
    assert_null(strstr(heard, "id='1'"));
    EXPECT_IN(heard, "id='7'");
    kit_close(k, bob), kit_close(k, alice);
    kit_free(k);
}

/* C04, C05: ordinary payload, with the true sender */
static void forged_carbons_and_archive_results_are_payload(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *bob = kit_open(k, "bob", "prime.test", "b");
    (void)state;

    kit_link_say(k, "<message from='eve@else/x' to='bob@prime.test/b'>"
                    "<received xmlns='urn:xmpp:carbons:2'/><result xmlns='urn:xmpp:mam:2'/>"
                    "</message>");
    const char *heard = kit_heard(bob);
    EXPECT_IN(heard, " from='eve@else/x'");
    EXPECT_IN(heard, "urn:xmpp:carbons:2");
    kit_close(k, bob);
    kit_free(k);
}

/* C14, C16, C09 to C11 */
static void bad_stanzas_are_answered(void **state)
{
    static const struct {
        const char *xml, *condition;
    } cases[] = {
        {"<iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>", "<bad-request"},
        {"<iq type='get' id='1'/>", "<bad-request"},
        {"<iq type='set' id='1'><a xmlns='x'/><b xmlns='x'/></iq>", "<bad-request"},
        {"<iq type='xyz' id='1'><a xmlns='x'/></iq>", "<bad-request"},
        {"<iq id='1'><a xmlns='x'/></iq>", "<bad-request"},
        {"<message id='1' to='@prime.test'/>", "<jid-malformed"},
        {"<message id='1' to='bob@'/>", "<jid-malformed"},
        {"<message id='1' to='bob@prime.test/'/>", "<jid-malformed"},
        {"<message id='1' to='b b@prime.test'/>", "<jid-malformed"},
        {"<message id='1' to=''/>", "<jid-malformed"},
        {"<message id='1' type='error' to='@'/>", ""},
        {"<iq id='1' type='result' to='@'/>", ""},
        {"<presence to='@'/>", ""},
    };
    struct kit *k = kit_new(NULL);
    struct kit_client *alice = kit_open(k, "alice", "prime.test", "x");
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        kit_say(k, alice, cases[i].xml);
        if (*cases[i].condition) {
            const char *heard = kit_heard(alice);
            EXPECT_IN(heard, cases[i].condition);
            EXPECT_IN(heard, " to='alice@prime.test/x'");
        } else {
            EXPECT_NOTHING(alice);
        }
    }
    kit_close(k, alice);
    kit_free(k);
}

static void no_to_means_oneself(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "1");
    (void)state;

    kit_say(k, a, "<presence/>");
    kit_heard(a);
    kit_say(k, a, "<message><body>1</body></message>");
    EXPECT(a, "<body>1</body>");
    kit_say(k, a, "<iq type='get' id='7'><ping xmlns='urn:xmpp:ping'/></iq>");
    EXPECT(a, "<iq type='result' id='7' to='alice@prime.test/1'/>");
    kit_close(k, a);
    kit_free(k);
}

static void what_is_not_here_goes_to_the_router(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "1");
    (void)state;

    kit_link_up(k);
    kit_say(k, a, "<message to='X@Else.org/r'><body>1</body></message>");
    EXPECT_LINK(k, " to='x@else.org/r'");
    /* our own, but of nobody here: in the host's form, by which users are claimed */
    kit_say(k, a, "<message to='bob@net.test/r'><body>1</body></message>");
    const char *sent = kit_drain(&k->link.out);
    EXPECT_IN(sent, " to='bob@prime.test/r'");
    EXPECT_IN(sent, " from='alice@prime.test/1'");
    assert_null(strstr(sent, "jabber:client"));
    /* it comes back: nobody has him */
    kit_link_say(k, "<message type='chat' from='alice@prime.test/1' to='bob@prime.test'>"
                    "<body>1</body></message>");
    assert_int_equal(kit_offline_count(k, "bob"), 1);
    kit_link_say(k, "<message id='9' type='chat' from='alice@prime.test/1' to='zoe@prime.test'>"
                    "<body>1</body></message>");
    EXPECT(a, "<service-unavailable"); /* the sender is ours: straight to her */
    kit_link_say(k, "<message id='9' type='chat' from='eve@else.org/1' to='zoe@prime.test'>"
                    "<body>1</body></message>");
    EXPECT_LINK(k, "<message to='eve@else.org/1' from='zoe@prime.test' id='9' type='error'>");
    kit_link_say(k, "<iq id='9' type='get' from='eve@else.org/1' to='bob@prime.test/r'>"
                    "<ping xmlns='urn:xmpp:ping'/></iq>");
    EXPECT_LINK(k, "<service-unavailable");
    kit_link_say(k, "<iq id='9' type='get' from='eve@else.org/1' to='prime.test'>"
                    "<ping xmlns='urn:xmpp:ping'/></iq>");
    EXPECT_LINK(k, "<iq type='result' id='9' from='prime.test' to='eve@else.org/1'/>");
    /* the network's form is passed on once, and only then handled */
    kit_link_say(k, "<message type='chat' from='eve@else.org/1' to='bob@net.test'>"
                    "<body>2</body></message>");
    EXPECT_LINK(k, " to='bob@prime.test'");
    assert_int_equal(kit_offline_count(k, "bob"), 1);
    /* not ours at all: not sent in a circle */
    kit_link_say(k, "<presence from='eve@else.org/1' to='x@third.org'/>");
    assert_int_equal(buf_len(&k->link.out), 0);
    kit_close(k, a);
    kit_free(k);
}

static void a_full_link_is_answered(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "1");
    (void)state;

    kit_link_up(k);
    k->link.is_full = true;
    kit_say(k, a, "<message id='5' to='x@else.org'><body>1</body></message>");
    EXPECT(a, "<error type='wait'><resource-constraint");
    kit_say(k, a, "<presence to='x@else.org'/>");
    kit_say(k, a, "<iq type='result' id='5' to='x@else.org'/>");
    EXPECT_NOTHING(a);
    assert_int_equal(a->unsafe_count, 0);
    kit_close(k, a);
    kit_free(k);
}

/* The link's completion is the client's, whatever ends first. */
static void completions_of_the_link_are_passed_on(void **state)
{
    struct kit *k = kit_new(NULL);
    struct kit_client *a = kit_open(k, "alice", "prime.test", "1");
    (void)state;

    kit_link_up(k);
    k->link.is_lazy = true;
    kit_input(k, a, "<message id='5' to='x@else.org'><body>1</body></message>");
    kit_settle(k);
    assert_int_equal(a->done_count, 0);
    k->link.pending.call(k->link.pending.ctx, true);
    assert_int_equal(a->done_count, 1);
    kit_input(k, a, "<message id='6' to='x@else.org'><body>1</body></message>");
    sm_close(a->session);
    a->session = NULL;
    sm_set_link(k->sm, NULL);
    sm_free(&k->sm);
    k->link.pending.call(k->link.pending.ctx, false);
    assert_int_equal(a->done_count, 2);
    assert_int_equal(a->unsafe_count, 1);
    kit_close(k, a);
    kit_free(k);
}

static void garbage_from_the_link_is_dropped(void **state)
{
    struct kit *k = kit_new(NULL);
    (void)state;

    kit_link_up(k);
    kit_link_say(k, "<message to='bob@prime.test'><body>1</body></message>");
    kit_link_say(k, "<message from='x@y'><body>1</body></message>");
    kit_link_say(k, "<message from='x@y' to='@@@'><body>1</body></message>");
    kit_link_say(k, "<other from='x@y' to='bob@prime.test'/>");
    assert_int_equal(buf_len(&k->link.out), 0);
    assert_int_equal(kit_offline_count(k, "bob"), 0);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_speaks_for_itself_only),
        cmocka_unit_test(what_only_a_server_adds_is_taken_out),
        cmocka_unit_test(forged_carbons_and_archive_results_are_payload),
        cmocka_unit_test(bad_stanzas_are_answered),
        cmocka_unit_test(no_to_means_oneself),
        cmocka_unit_test(what_is_not_here_goes_to_the_router),
        cmocka_unit_test(a_full_link_is_answered),
        cmocka_unit_test(completions_of_the_link_are_passed_on),
        cmocka_unit_test(garbage_from_the_link_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
