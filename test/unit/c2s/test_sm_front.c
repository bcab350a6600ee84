/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One user, two instances: alice is owned by instance 2, and a client of hers is at instance 1.
 */
#include "sm_two.h"

static void serves_a_client_through_another_instance(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    (void)state;

    assert_string_equal(far->jid, "alice@net.test/far");
    say(&t, far, "<presence><priority>3</priority><c xmlns='caps'/></presence>");
    EXPECT(own, "from='alice@net.test/far'");
    const char *heard = kit_heard(far);
    EXPECT_IN(heard, "<presence to='alice@net.test/far' from='alice@prime.test/own'");
    EXPECT_IN(heard, "<priority>3</priority><c xmlns='caps'/></presence>");
    assert_null(strstr(heard, "extensions/front"));
    kit_say(t.owner, own, "<message to='alice@prime.test/far'><body>a&lt;b</body></message>");
    pump(&t);
    EXPECT(far, "<body>a&lt;b</body></message>");
    say(&t, far, "<iq type='get' id='7'><query xmlns='jabber:iq:roster'/></iq>");
    EXPECT(far, "<query xmlns='jabber:iq:roster' ver='1-0'/></iq>");
    assert_int_equal(far->done_count, 2);
    assert_int_equal(far->unsafe_count, 0);
    /* the same checks as for any other */
    say(&t, far, "<message from='bob@prime.test' to='alice@prime.test/own'/>");
    assert_int_equal(far->kicked, STREAM_INVALID_FROM);
    EXPECT_NOTHING(own);
    kit_close(t.front, far);
    pump(&t);
    EXPECT(own, " from='alice@net.test/far' type='unavailable'");
    assert_int_equal(sm_session_count(t.owner->sm), 1);
    kit_close(t.owner, own);
    end(&t);
}

static void a_conflict_reaches_the_other_instance(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    (void)state;

    struct kit_client *new = kit_open(t.owner, "alice", "prime.test", "far");
    pump(&t);
    assert_non_null(new->session);
    assert_int_equal(far->kicked, STREAM_CONFLICT);
    struct kit_client *third = open_fronted(&t, "3"), *fourth = open_fronted(&t, "4");
    assert_int_equal(fourth->refused, STANZA_RESOURCE_CONSTRAINT);
    kit_close(t.front, far), kit_close(t.front, third), kit_close(t.front, fourth);
    kit_close(t.owner, new), kit_close(t.owner, own);
    end(&t);
}

static void cancelled_while_the_owner_is_asked(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = kit_client_new();
    (void)state;

    sm_open(t.front->sm, &far->c, SPAN("alice"), SPAN("prime.test"), SPAN("far"));
    kit_settle(t.front);
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    sm_open_cancel(t.front->sm, &far->c);
    pump(&t);
    assert_false(far->is_answered);
    assert_int_equal(sm_session_count(t.owner->sm), 1);
    free(far);
    kit_close(t.owner, own);
    end(&t);
}

/* The user's last session there has gone while the front asked: he can be had. */
static void an_owner_who_has_let_go_is_claimed_from(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t);
    (void)state;

    kit_close(t.owner, own);
    struct kit_client *far = open_fronted(&t, "far");
    EXPECT_WORDS(t.front, "claim alice@prime.test\nclaim alice@prime.test\n");
    assert_false(far->is_answered);
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(t.front);
    assert_non_null(far->session);
    kit_close(t.front, far);
    end(&t);
}

/* The router is wrong about the owner: nobody runs in circles. */
static void asking_for_the_owner_ends(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t);
    (void)state;

    kit_close(t.owner, own);
    struct kit_client *far = open_fronted(&t, "far");
    for (int i = 0; i < 3; i++) {
        assert_false(far->is_answered);
        sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
        pump(&t);
    }
    assert_int_equal(far->refused, STANZA_RESOURCE_CONSTRAINT);
    kit_close(t.front, far);
    end(&t);
}

/* The owner goes between its answer and the client's. */
static void lost_while_being_answered(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = kit_client_new();
    (void)state;

    sm_open(t.front->sm, &far->c, SPAN("alice"), SPAN("prime.test"), SPAN("far"));
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    pump_one(t.front, t.owner, t.owner);
    kit_settle(t.owner);
    pump_one(t.owner, t.front, t.owner); /* "opened" */
    t.front->link.is_up = false;
    sm_link_events.on_down(t.front->sm);
    kit_settle(t.front);
    assert_non_null(far->session); /* served alone, as the router is away */
    kit_say(t.front, far, "<presence/>");
    EXPECT(far, "<presence");
    kit_close(t.front, far);
    kit_close(t.owner, own);
    end(&t);
}

/* An envelope that comes back says that the other is gone. */
static void the_death_of_either_is_noticed(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    (void)state;

    kit_drain(&t.front->link.out);
    loop_sim_advance(t.front->loop, 10000);
    EXPECT_LINK(t.front, "<f:alive ");
    owner_dies(&t);
    EXPECT_WORDS(t.front, "claim alice@prime.test\n");
    kit_parse(t.owner, NS_COMPONENT,
              "<envelope xmlns='" NS_ROUTER "' type='error' from='c2s-1.prime.test'"
              " to='c2s-2.prime.test'/>");
    sm_link_events.on_envelope(t.owner->sm, &t.owner->stanza);
    assert_int_equal(sm_session_count(t.owner->sm), 1);
    kit_close(t.front, far);
    assert_int_equal(buf_len(&t.front->link.out), 0);
    loop_sim_advance(t.front->loop, 60000);
    assert_int_equal(buf_len(&t.front->link.out), 0); /* nobody left to ask */
    kit_close(t.owner, own);
    end(&t);
}

/* The owner's link has been away for less than a beat: no envelope has come back. */
static void a_short_absence_of_the_owner_is_told(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    struct kit_client *opening = kit_open(t.front, "alice", "net.test", "more");
    (void)state;

    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    pump_one(t.front, t.owner, t.owner); /* "open", of which the owner says nothing before */
    kit_link_down(t.owner);
    kit_link_up(t.owner);
    kit_drain(&t.front->link.words);
    pump(&t);
    assert_true(far->is_held);
    EXPECT_WORDS(t.front, "claim alice@prime.test\n"); /* one for both */
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    pump(&t);
    assert_non_null(opening->session);
    assert_false(far->is_held);
    say(&t, far, "<message to='alice@prime.test/own'><body>again</body></message>");
    EXPECT(own, "from='alice@net.test/far'><body>again</body>");
    assert_int_equal(sm_session_count(t.owner->sm), 3);
    kit_close(t.front, far), kit_close(t.front, opening);
    kit_close(t.owner, own);
    end(&t);
}

/* The owner is another process now, which knows of nothing. */
static void a_new_owner_of_the_same_name_denies(void **state)
{
    struct two t;
    struct sm_opts opts = *kit_opts();
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    struct kit_client *idle = open_fronted(&t, "idle");
    (void)state;

    kit_close(t.owner, own);
    kit_free(t.owner);
    opts.instance = SPAN("c2s-2.prime.test");
    t.owner = kit_new(&opts);
    kit_link_up(t.owner);
    kit_drain(&t.front->link.words);
    say(&t, far, "<presence/>"); /* comes back */
    assert_true(far->is_held);
    assert_false(idle->is_held);
    loop_sim_advance(t.front->loop, 10000);
    pump(&t);
    assert_true(idle->is_held);
    EXPECT_WORDS(t.front, "claim alice@prime.test\n");
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(t.front);
    EXPECT(far, "<presence to='alice@net.test/far' from='alice@net.test/far'/>");
    assert_int_equal(sm_session_count(t.front->sm), 2);
    kit_close(t.front, far), kit_close(t.front, idle);
    end(&t);
}

/* Instance 1 stores a message in the store of both while it cannot know that alice is at 2. */
static void what_another_has_stored_is_brought(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t);
    (void)state;

    struct kit_client *bob = kit_open(t.front, "bob", "prime.test", "b");
    kit_link_down(t.front);
    kit_say(t.front, bob, "<message to='alice@net.test'><body>1</body></message>");
    assert_int_equal(kit_offline_count(t.front, "alice"), 1);
    /* Each has a store of its own here: what is in one is put into the other. */
    kit_sql(t.owner, "INSERT INTO offline (account, stamp, bytes, stanza) SELECT id, 0, 9,"
                     " '<message><body>1</body></message>' FROM account WHERE name = ?1", "alice");
    EXPECT_NOTHING(own);
    kit_link_up(t.front);
    pump(&t);
    EXPECT(own, "<body>1</body>");
    assert_int_equal(kit_offline_count(t.owner, "alice"), 0);
    /* Nobody else says so. */
    kit_sql(t.owner, "INSERT INTO offline (account, stamp, bytes, stanza) SELECT id, 0, 9,"
                     " '<message><body>2</body></message>' FROM account WHERE name = ?1", "alice");
    kit_link_say(t.owner, "<message from='x@y' to='alice@prime.test' type='headline'>"
                          "<stored xmlns='http://kontalk.org/extensions/front'/></message>");
    assert_null(strstr(kit_heard(own), "<body>2</body>"));
    kit_close(t.front, bob);
    kit_close(t.owner, own);
    end(&t);
}

/* Nobody can tell whose link is away: he looks himself when it is back. */
static void what_was_stored_while_away_is_brought(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t);
    (void)state;

    kit_link_down(t.owner);
    kit_sql(t.owner, "INSERT INTO offline (account, stamp, bytes, stanza) SELECT id, 0, 9,"
                     " '<message><body>1</body></message>' FROM account WHERE name = ?1", "alice");
    EXPECT_NOTHING(own);
    kit_link_up(t.owner);
    kit_settle(t.owner);
    EXPECT_LINK(t.owner, "<f:claimed ");
    EXPECT_NOTHING(own); /* not before the router knows of the claims: somebody may still store */
    const char *const from[] = {"c2s-1.prime.test", "c2s-2.prime.test"};
    for (size_t i = 0; i < ARRAY_LEN(from); i++) {
        char text[300];
        snprintf(text, sizeof text,
                 "<envelope xmlns='" NS_ROUTER "' from='%s' to='c2s-2.prime.test'>"
                 "<claimed xmlns='http://kontalk.org/extensions/front'/></envelope>", from[i]);
        kit_parse(t.owner, NS_COMPONENT, text);
        sm_link_events.on_envelope(t.owner->sm, &t.owner->stanza);
        kit_settle(t.owner);
        if (i == 0)
            EXPECT_NOTHING(own);
    }
    EXPECT(own, "<body>1</body>");
    assert_int_equal(kit_offline_count(t.owner, "alice"), 0);
    kit_close(t.owner, own);
    end(&t);
}

static void deleting_the_user_ends_it(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    (void)state;

    sm_user_deleted(t.front->sm, SPAN("bob"));
    assert_int_equal(far->kicked, STREAM_ERROR_NONE);
    sm_user_deleted(t.front->sm, SPAN("alice"));
    assert_int_equal(far->kicked, STREAM_NOT_AUTHORIZED);
    kit_close(t.front, far);
    pump(&t);
    assert_int_equal(sm_session_count(t.owner->sm), 1);
    assert_int_equal(own->kicked, STREAM_NOT_AUTHORIZED); /* told by whoever deleted her */
    kit_close(t.owner, own);
    end(&t);
}

static void words_about_unknown_sessions(void **state)
{
    static const char *const words[] = {
        "<f:output id='x'><message/></f:output>", "<f:kick id='x' condition='conflict'/>",
        "<f:opened id='x'/>",                     "<f:input id='x'><message/></f:input>",
        "<f:close id='x'/>",                      "<f:alive/>",
        "<f:open id='x' jid='alice@prime.test'/>", "<f:open/>", "<f:nonsense/>", "",
    };
    struct two t;
    struct kit_client *own = begin(&t);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        char xml[512];
        snprintf(xml, sizeof(xml),
                 "<envelope xmlns='" NS_ROUTER "' from='c2s-1.prime.test' to='c2s-2.prime.test'"
                 " xmlns:f='http://kontalk.org/extensions/front'>%s</envelope>", words[i]);
        kit_parse(t.owner, NS_COMPONENT, xml);
        sm_link_events.on_envelope(t.owner->sm, &t.owner->stanza);
        kit_settle(t.owner);
    }
    EXPECT_LINK(t.owner, "<f:close ");
    assert_int_equal(sm_session_count(t.owner->sm), 1);
    kit_close(t.owner, own);
    end(&t);
}

static void freed_with_fronts_and_guests(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *far = open_fronted(&t, "far");
    struct kit_client *opening = kit_open(t.front, "alice", "net.test", "more");
    (void)state;

    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    sm_free(&t.front->sm);
    sm_free(&t.owner->sm);
    buf_free(&own->out), buf_free(&far->out);
    free(own), free(far), free(opening);
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_a_client_through_another_instance),
        cmocka_unit_test(a_conflict_reaches_the_other_instance),
        cmocka_unit_test(cancelled_while_the_owner_is_asked),
        cmocka_unit_test(an_owner_who_has_let_go_is_claimed_from),
        cmocka_unit_test(asking_for_the_owner_ends),
        cmocka_unit_test(lost_while_being_answered),
        cmocka_unit_test(the_death_of_either_is_noticed),
        cmocka_unit_test(a_short_absence_of_the_owner_is_told),
        cmocka_unit_test(a_new_owner_of_the_same_name_denies),
        cmocka_unit_test(what_another_has_stored_is_brought),
        cmocka_unit_test(what_was_stored_while_away_is_brought),
        cmocka_unit_test(deleting_the_user_ends_it),
        cmocka_unit_test(words_about_unknown_sessions),
        cmocka_unit_test(freed_with_fronts_and_guests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
