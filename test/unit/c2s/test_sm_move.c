/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sessions that go on while their user changes owners.
 */
#include "sm_two.h"

/* The owner dies, and the front has the user then: the same session, where it was. */
static void goes_on_here_when_the_owner_dies(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    struct kit_client *near = open_fronted(&t, "near");
    (void)state;

    say(&t, far, "<presence><priority>3</priority><show>away</show></presence>");
    say(&t, far, "<iq type='get' id='7'><query xmlns='jabber:iq:roster'/></iq>");
    say(&t, near, "<presence><priority>-1</priority></presence>"); /* gets no stored messages */
    say(&t, far, "<presence to='bob@prime.test/b'/>");
    kit_heard(far), kit_heard(near);
    kit_drain(&t.front->link.out);
    /* what was on its way to the owner comes back */
    kit_input(t.front, far, "<message to='alice@net.test/near' id='1'><body>1</body></message>");
    struct buf sent = {0};
    buf_append(&sent, buf_span(&t.front->link.out));
    const char *head = strstr(buf_z(&sent), "from=");
    char back[2048];
    snprintf(back, sizeof(back), "<envelope xmlns='" NS_ROUTER "' type='error'"
             " from='c2s-2.prime.test' to='c2s-1.prime.test'%s", strchr(head, '>'));
    buf_free(&sent);
    kit_parse(t.front, NS_COMPONENT, back);
    sm_link_events.on_envelope(t.front->sm, &t.front->stanza);
    kit_settle(t.front);
    assert_true(far->is_held);
    assert_true(near->is_held);
    int before = far->done_count;
    kit_input(t.front, far, "<message to='alice@net.test/near' id='2'><body>2</body></message>");
    kit_settle(t.front);
    assert_int_equal(far->done_count, before);
    kit_sql(t.front, "INSERT INTO offline (account, stamp, bytes, stanza) SELECT id, 0, 9,"
                     " '<message><body>kept</body></message>' FROM account WHERE name = ?1",
            "alice");
    EXPECT_NOTHING(far);
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(t.front);
    assert_int_equal(far->done_count, before + 1);
    assert_false(far->is_held);
    assert_int_equal(far->kicked, STREAM_ERROR_NONE);
    const char *heard = kit_heard(near);
    EXPECT_IN(heard, "<show>away</show>");
    EXPECT_IN(heard, "<body>1</body></message><message to='alice@net.test/near'"
                     " from='alice@net.test/far' id='2'><body>2</body>");
    assert_null(strstr(heard, "unavailable"));
    heard = kit_heard(far);
    EXPECT_IN(heard, "<body>kept</body>");
    EXPECT_IN(heard, "from='alice@net.test/near'");
    /* it is as it was: pushes, directed presence */
    kit_say(t.front, near, "<iq type='set' id='8'><query xmlns='jabber:iq:roster'>"
                           "<item jid='x@y'/></query></iq>");
    EXPECT(far, "<iq type='set' id='push-");
    kit_drain(&t.front->link.out);
    kit_close(t.front, far);
    EXPECT_LINK(t.front, "<presence to='bob@prime.test/b' from='alice@net.test/far'"
                         " type='unavailable'/>");
    EXPECT(near, "type='unavailable'");
    kit_close(t.front, near), kit_close(t.owner, own);
    end(&t);
}

/* After the router's restart another has the claim: whoever is here goes on there. */
static void goes_on_elsewhere_when_the_claim_is_lost(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = kit_open(t.front, "alice", "net.test", "far");
    (void)state;

    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(t.front);
    kit_say(t.front, far, "<presence><priority>3</priority></presence>");
    kit_say(t.front, far, "<iq type='get' id='7'><query xmlns='jabber:iq:roster'/></iq>");
    for (int i = 0; i < 1000; i++) {
        char xml[200];
        snprintf(xml, sizeof(xml), "<presence to='x%d@a.long.name.of.a.host.example'/>", i);
        kit_say(t.front, far, xml);
    }
    kit_heard(far);
    kit_drain(&t.front->link.out);
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    assert_true(far->is_held);
    assert_int_equal(sm_session_count(t.front->sm), 0);
    /* what has been changed here while there were two of them */
    EXPECT_IN(buf_z(&t.front->link.out), "to='alice@prime.test'><changed xmlns=");
    pump(&t);
    assert_false(far->is_held);
    EXPECT(own, "from='alice@net.test/far'><priority>3</priority></presence>");
    EXPECT(far, "from='alice@prime.test/own'");
    say(&t, far, "<message to='alice@prime.test/own'><body>over there</body></message>");
    EXPECT(own, "from='alice@net.test/far'><body>over there</body>");
    kit_say(t.owner, own, "<iq type='set' id='8'><query xmlns='jabber:iq:roster'>"
                          "<item jid='x@y'/></query></iq>");
    pump(&t);
    EXPECT(far, "<iq type='set' id='push-");
    kit_close(t.front, far);
    pump_one(t.front, t.owner, t.owner);
    const char *heard = kit_drain(&t.owner->link.out);
    EXPECT_IN(heard, "<presence to='x0@");
    EXPECT_IN(heard, "<presence to='x999@");
    assert_null(strstr(heard, "<presence to='x0@a.long.name.of.a.host.example'"
                              " from='alice@net.test/far'/>"));
    EXPECT(own, "from='alice@net.test/far' type='unavailable'");
    assert_int_equal(sm_session_count(t.owner->sm), 1);
    kit_close(t.owner, own);
    end(&t);
}

/* Of the user's resources some have died with the owner: that is told, when the others are back. */
static void who_died_with_the_owner_is_told_of(void **state)
{
    for (int is_owned_here = 0; is_owned_here < 2; is_owned_here++) {
        struct two t;
        struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
        struct kit_client *near = open_fronted(&t, "near"), *shy = open_fronted(&t, "shy");
        (void)state;

        assert_null(shy->session); /* too many */
        say(&t, far, "<presence/>");
        say(&t, near, "<presence/>");
        kit_heard(far), kit_heard(near);
        struct kit_client *dead = own;
        if (!is_owned_here) { /* the owner has been started anew */
            kit_link_down(t.owner);
            kit_close(t.owner, own);
            kit_link_up(t.owner);
            own = kit_open(t.owner, "alice", "prime.test", "new");
            sm_link_events.on_claim(t.owner->sm, SPAN("alice@prime.test"), SPAN_NONE);
            kit_settle(t.owner);
            kit_drain(&t.owner->link.out);
        }
        owner_dies(&t);
        sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"),
                                is_owned_here ? SPAN_NONE : SPAN("c2s-2.prime.test"));
        kit_settle(t.front);
        pump(&t);
        loop_sim_advance(t.front->loop, 15000);
        kit_drain(&t.front->link.out); /* "alive" */
        struct kit_client *const both[] = {far, near};
        for (size_t i = 0; i < ARRAY_LEN(both); i++)
            assert_null(strstr(kit_heard(both[i]), "unavailable"));
        loop_sim_advance(t.front->loop, 5000);
        for (size_t i = 0; i < ARRAY_LEN(both); i++) {
            const char *heard = kit_heard(both[i]);
            EXPECT_IN(heard, "<presence type='unavailable' from='alice@prime.test/own'");
            assert_null(strstr(heard + 1, "<presence"));
        }
        kit_close(t.front, far), kit_close(t.front, near), kit_close(t.front, shy);
        pump(&t);
        kit_close(t.owner, is_owned_here ? dead : own);
        end(&t);
    }
}

/* Both had a session of that resource while they could not know: the newer stays. */
static void the_newer_of_two_stays(void **state)
{
    for (int is_newer_there = 0; is_newer_there < 2; is_newer_there++) {
        struct two t;
        struct kit_client *own = begin(&t), *there = NULL;
        (void)state;
        if (!is_newer_there)
            there = kit_open(t.owner, "alice", "prime.test", "far");
        loop_sim_advance(t.owner->loop, 5000);
        loop_sim_advance(t.front->loop, 6000);
        struct kit_client *here = kit_open(t.front, "alice", "prime.test", "far");
        sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN_NONE);
        loop_sim_advance(t.owner->loop, 5000);
        loop_sim_advance(t.front->loop, 5000);
        if (is_newer_there)
            there = kit_open(t.owner, "alice", "prime.test", "far");
        assert_non_null(there->session);
        sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
        pump(&t);
        assert_int_equal(here->kicked, is_newer_there ? STREAM_CONFLICT : STREAM_ERROR_NONE);
        assert_int_equal(there->kicked, is_newer_there ? STREAM_ERROR_NONE : STREAM_CONFLICT);
        assert_false(here->is_held);
        kit_close(t.front, here), kit_close(t.owner, there), kit_close(t.owner, own);
        pump(&t);
        assert_int_equal(sm_session_count(t.owner->sm), 0);
        end(&t);
    }
}

/* Only the front's link was away: the owner has not noticed, and keeps one session of it. */
static void comes_back_to_its_owner(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    (void)state;

    say(&t, far, "<presence><show>dnd</show></presence>");
    kit_heard(own), kit_heard(far);
    kit_link_down(t.front);
    assert_false(far->is_held); /* served alone */
    kit_say(t.front, far, "<presence><show>xa</show></presence>");
    kit_heard(far);
    kit_drain(&t.front->link.out);
    kit_link_up(t.front);
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    pump(&t);
    assert_int_equal(far->kicked, STREAM_ERROR_NONE);
    assert_int_equal(sm_session_count(t.owner->sm), 2);
    const char *heard = kit_heard(own);
    EXPECT_IN(heard, "<show>xa</show>");
    assert_null(strstr(heard, "unavailable"));
    EXPECT(far, "from='alice@prime.test/own'");
    kit_close(t.front, far), kit_close(t.owner, own);
    pump(&t);
    end(&t);
}

static void what_is_said_on_the_move_is_bounded(void **state)
{
    static char xml[50000];
    struct two t;
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    int i = 0;
    (void)state;

    say(&t, far, "<presence to='bob@prime.test/b'/>");
    owner_dies(&t);
    size_t n = (size_t)snprintf(xml, sizeof(xml), "<message to='bob@prime.test'><body>");
    memset(xml + n, 'x', 40000);
    snprintf(xml + n + 40000, sizeof(xml) - n - 40000, "</body></message>");
    int before = far->done_count;
    for (i = 0; i < 100 && buf_len(&far->out) == 0; i++)
        kit_input(t.front, far, xml);
    assert_in_range(i, 5, 50);
    EXPECT(far, "<resource-constraint ");
    assert_int_equal(far->done_count, before + 1);
    /* it goes: its completions come, and who was told of it hears that from us */
    kit_drain(&t.front->link.out);
    sm_close(far->session);
    assert_int_equal(far->done_count, before + i);
    EXPECT_LINK(t.front, "<presence to='bob@prime.test/b' from='alice@net.test/far'"
                         " type='unavailable'/>");
    far->session = NULL;
    kit_settle(t.front);
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN_NONE);
    EXPECT_WORDS(t.front, "claim alice@prime.test\nrelease alice@prime.test\n");
    kit_close(t.front, far), kit_close(t.owner, own);
    end(&t);
}

/* Nobody will have it: the client is sent away after all. */
static void a_move_that_fails(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    (void)state;

    kit_close(t.owner, own);
    own = NULL;
    kit_link_down(t.owner), kit_link_up(t.owner);
    pump(&t);
    assert_true(far->is_held);
    kit_input(t.front, far, "<presence/>");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(far->kicked, STREAM_ERROR_NONE);
        sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
        pump(&t);
    }
    assert_int_equal(far->kicked, STREAM_RESET);
    assert_int_equal(far->unsafe_count, 1);
    kit_close(t.front, far);
    end(&t);
}

static void freed_on_the_move(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    struct kit_client *sent = open_fronted(&t, "sent");
    (void)state;

    owner_dies(&t);
    kit_input(t.front, far, "<presence/>");
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    kit_input(t.front, sent, "<presence/>");
    sm_free(&t.front->sm);
    assert_int_equal(far->unsafe_count + sent->unsafe_count, 2);
    buf_free(&far->out), buf_free(&sent->out);
    free(far), free(sent);
    kit_close(t.owner, own);
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_on_here_when_the_owner_dies),
        cmocka_unit_test(goes_on_elsewhere_when_the_claim_is_lost),
        cmocka_unit_test(who_died_with_the_owner_is_told_of),
        cmocka_unit_test(the_newer_of_two_stays),
        cmocka_unit_test(comes_back_to_its_owner),
        cmocka_unit_test(what_is_said_on_the_move_is_bounded),
        cmocka_unit_test(a_move_that_fails),
        cmocka_unit_test(freed_on_the_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
