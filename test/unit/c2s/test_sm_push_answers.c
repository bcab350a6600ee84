/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Notifications on their way (XEP-0357): how often, what services answer, and two instances.
 */
#include "sm_push.h"

/* --- how often -------------------------------------------------------------------------------- */

static void one_at_a_time(void **state)
{
    struct sm_opts opts = *kit_opts();
    (void)state;

    opts.max_offline = 1000;
    struct kit *k = away(&opts);
    from_afar(k, ">" BODY);
    const char *out = expect_pushes(k, 1);
    char *first = mem_strdup_span(span_of(out));
    from_afar(k, ">" BODY);
    from_afar(k, ">" BODY);
    expect_pushes(k, 0);
    succeed(k, first);
    out = expect_pushes(k, 1);
    EXPECT_IN(out, SUMMARY("2", ""));
    /* a service that says nothing holds up the next for a while */
    from_afar(k, ">" BODY);
    expect_pushes(k, 0);
    loop_sim_advance(k->loop, 30000);
    EXPECT_IN(expect_pushes(k, 1), SUMMARY("1", ""));
    /* C07: its first word, late, is not about this one */
    from_afar(k, ">" BODY);
    succeed(k, first);
    expect_pushes(k, 0);
    free(first);
    kit_free(k);
}

static void not_too_fast(void **state)
{
    struct sm_opts opts = *kit_opts();
    size_t pushes = 0, messages = 200;
    (void)state;

    opts.max_offline = 1000;
    struct kit *k = away(&opts);
    for (size_t i = 0; i < messages; i++) { /* 4 s and more */
        from_afar(k, ">" BODY);
        const char *out = kit_drain(&k->link.out);
        if (!strstr(out, "<notification "))
            continue;
        pushes++;
        succeed(k, out);
    }
    assert_true(pushes >= 5 && pushes <= 15);
    kit_free(k);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void final_errors_disable(void **state)
{
    static const char *const finals[] = {
        ERROR("cancel", "item-not-found"), ERROR("auth", "forbidden"), ERROR("cancel", "gone"),
        ERROR("auth", "not-authorized"), ERROR("cancel", "conflict"),
    };
    (void)state;

    for (size_t i = 0; i < sizeof(finals) / sizeof(finals[0]); i++) {
        struct kit *k = away(NULL);
        from_afar(k, ">" BODY);
        const char *out = expect_pushes(k, 1);
        answer(k, out, "push.far.test", "alice@prime.test", "error", finals[i]);
        assert_int_equal(registrations(k), 0);
        next_day(k);
        kit_drain(&k->link.out);
        from_afar(k, ">" BODY);
        expect_pushes(k, 0);
        kit_free(k);
    }
}

/* C07 */
static void nobody_else_may_answer(void **state)
{
    struct kit *k = away(NULL);
    (void)state;

    from_afar(k, ">" BODY);
    char *out = mem_strdup_span(span_of(expect_pushes(k, 1)));
    answer(k, out, "evil.test", "alice@prime.test", "error", ERROR("cancel", "gone"));
    answer(k, out, "push.far.test", "bob@prime.test", "error", ERROR("cancel", "gone"));
    answer(k, out, "push.far.test/x", "alice@prime.test", "error", ERROR("cancel", "gone"));
    assert_int_equal(registrations(k), 1);
    assert_string_equal(kit_drain(&k->link.out), "");
    answer(k, out, "push.far.test", "alice@prime.test", "error", ERROR("cancel", "gone"));
    assert_int_equal(registrations(k), 0);
    free(out);
    kit_free(k);
}

static void fail_for_now(struct kit *k, const char *out)
{
    answer(k, out, "push.far.test", "alice@prime.test", "error",
           ERROR("cancel", "service-unavailable"));
}

static int64_t failures(struct kit *k)
{
    return kit_sql(k, "SELECT failures FROM push WHERE ?1 IS NOT NULL", "");
}

static void temporary_errors(void **state)
{
    struct kit *k = away(NULL);
    uint64_t wait = 10000;
    (void)state;

    from_afar(k, ">" BODY);
    for (int i = 1; i <= 25; i++) {
        const char *out = kit_drain(&k->link.out);
        assert_int_equal(count(out, "<notification "), 1);
        fail_for_now(k, out);
        if (i == 25)
            break;
        assert_int_equal(failures(k), i);
        if (i == 2) { /* what comes meanwhile waits, too */
            from_afar(k, ">" BODY);
            expect_pushes(k, 0);
        }
        loop_sim_advance(k->loop, wait - 1000);
        expect_pushes(k, 0);
        loop_sim_advance(k->loop, 2000);
        wait = wait < 1800000 ? wait * 2 : 3600000;
    }
    assert_int_equal(registrations(k), 0);
    kit_free(k);
}

static void it_works_again(void **state)
{
    struct kit *k = away(NULL);
    (void)state;

    from_afar(k, ">" BODY);
    fail_for_now(k, expect_pushes(k, 1));
    loop_sim_advance(k->loop, 11000);
    succeed(k, expect_pushes(k, 1));
    assert_int_equal(failures(k), 0);
    next_day(k);
    expect_pushes(k, 0);
    kit_free(k);
}

/* Disabled while the next attempt waits: there is none. */
static void no_attempt_once_disabled(void **state)
{
    struct kit *k = away(NULL);
    (void)state;

    from_afar(k, ">" BODY);
    fail_for_now(k, expect_pushes(k, 1));
    kit_sql(k, "DELETE FROM push WHERE ?1 IS NOT NULL", "");
    loop_sim_advance(k->loop, 100000);
    expect_pushes(k, 0);
    kit_free(k);
}

/* The client has been there since it was sent: there is nothing to try again. */
static void no_attempt_for_nothing(void **state)
{
    struct kit *k = linked(NULL);
    struct kit_client *a = come(k, "alice", "phone", ENABLE("push.far.test", "n1"));
    (void)state;

    kit_say(k, a, "<presence/>");
    kit_drain(&k->link.out);
    sm_set_away(a->session, true);
    from_afar(k, ">" BODY);
    char *out = mem_strdup_span(span_of(expect_pushes(k, 1)));
    sm_set_away(a->session, false);
    sm_set_away(a->session, true);
    fail_for_now(k, out);
    next_day(k);
    expect_pushes(k, 0);
    free(out);
    kit_close(k, a);
    kit_free(k);
}

/* The owner's memory follows, and a client that is back needs nothing. */
static void errors_and_the_owner(void **state)
{
    struct kit *k = linked(NULL);
    struct kit_client *a = come(k, "alice", "phone", ENABLE("push.far.test", "n1"));
    (void)state;

    kit_say(k, a, "<presence/>");
    kit_drain(&k->link.out);
    sm_set_away(a->session, true);
    from_afar(k, ">" BODY);
    fail_for_now(k, expect_pushes(k, 1));
    sm_set_away(a->session, false);
    next_day(k);
    expect_pushes(k, 0);
    sm_set_away(a->session, true);
    from_afar(k, ">" BODY);
    answer(k, expect_pushes(k, 1), "push.far.test", "alice@prime.test", "error",
           ERROR("cancel", "gone"));
    from_afar(k, ">" BODY);
    expect_pushes(k, 0);
    assert_int_equal(registrations(k), 0);
    kit_close(k, a);
    kit_free(k);
}

/* Sent by another instance for him while he was absent. */
static void a_stray_answer(void **state)
{
    struct kit *k = linked(NULL);
    struct kit_client *a = come(k, "alice", "phone", ENABLE("push.far.test", "n1"));
    (void)state;

    kit_link_say(k, "<iq type='error' from='push.far.test' to='alice@prime.test' id='notify-1-77'>"
                    ERROR("wait", "resource-constraint") "</iq>");
    kit_link_say(k, "<iq type='error' from='evil.test' to='alice@prime.test' id='notify-1-77'>"
                    ERROR("cancel", "gone") "</iq>");
    kit_link_say(k, "<iq type='error' from='push.far.test' to='alice@prime.test' id='notify-9-7'>"
                    ERROR("cancel", "gone") "</iq>");
    assert_int_equal(registrations(k), 1);
    kit_link_say(k, "<iq type='error' from='push.far.test' to='alice@prime.test' id='notify-1-77'>"
                    ERROR("cancel", "gone") "</iq>");
    assert_int_equal(registrations(k), 0);
    EXPECT_NOTHING(a);
    kit_close(k, a);
    kit_free(k);
}

static void the_link_is_away(void **state)
{
    struct kit *k = linked(NULL);
    struct kit_client *a = come(k, "alice", "phone", ENABLE("push.far.test", "n1"));
    struct kit_client *b = come(k, "bob", "b", "");
    (void)state;

    kit_say(k, a, "<presence/>");
    sm_set_away(a->session, true);
    kit_link_down(k);
    kit_drain(&k->link.out);
    kit_say(k, b, "<message to='alice@prime.test'>" BODY "</message>");
    expect_pushes(k, 0);
    kit_link_up(k);
    loop_sim_advance(k->loop, 11000);
    expect_pushes(k, 1);
    kit_close(k, b);
    kit_close(k, a);
    kit_free(k);
}

/* --- two instances ---------------------------------------------------------------------------- */

static void by_way_of_a_front(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *c = open_fronted(&t, "phone");
    (void)state;

    say(&t, c, ENABLE("push.far.test", "n1"));
    EXPECT(c, "type='result'");
    say(&t, c, "<presence/>");
    kit_drain(&t.owner->link.out);
    sm_set_away(c->session, true);
    sm_missed(c->session, SPAN("<message from='x@y.test'>" BODY "</message>"));
    assert_true(pump_one(t.front, t.owner, t.owner));
    kit_settle(t.owner);
    succeed(t.owner, expect_pushes(t.owner, 1));
    from_afar(t.owner, ">" BODY);
    succeed(t.owner, expect_pushes(t.owner, 1));
    sm_set_away(c->session, false);
    assert_true(pump_one(t.front, t.owner, t.owner));
    from_afar(t.owner, ">" BODY);
    expect_pushes(t.owner, 0);
    kit_close(t.front, c);
    kit_close(t.owner, own);
    end(&t);
}

/* A message has left its owner when the word comes that the client is away. */
static void what_crosses_is_missed(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *c = open_fronted(&t, "phone");
    (void)state;

    say(&t, c, ENABLE("push.far.test", "n1"));
    say(&t, c, "<presence/>");
    kit_drain(&t.owner->link.out);
    sm_set_away(c->session, true);
    from_afar(t.owner, ">" BODY);
    assert_null(strstr(buf_z(&t.owner->link.out), "xmpp:push"));
    assert_true(pump_one(t.owner, t.front, t.owner));
    assert_true(pump_one(t.front, t.owner, t.owner));
    kit_settle(t.owner);
    succeed(t.owner, expect_pushes(t.owner, 1));
    /* From now on the owner tells, and says that it has. */
    from_afar(t.owner, ">" BODY);
    assert_non_null(strstr(expect_pushes(t.owner, 1), " away='true'>"));
    kit_close(t.front, c);
    kit_close(t.owner, own);
    end(&t);
}

static void insert(struct kit *k)
{
    kit_sql(k, "INSERT INTO push (account, jid, node, domain, options, stamp)"
               " SELECT id, 'push.far.test', 'n1', 'net.test', '', 0 FROM account WHERE name = ?1",
            "alice");
}

/* Its owner dies while it is away: its own instance knows what it has enabled, and that it is
 * away. */
static void it_moves_here(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *c = open_fronted(&t, "phone");
    struct kit *k = t.front;
    (void)state;

    say(&t, c, ENABLE("push.far.test", "n1"));
    say(&t, c, "<presence/>");
    sm_set_away(c->session, true);
    pump(&t);
    kit_drain(&k->link.out);
    insert(k);
    owner_dies(&t);
    sm_link_events.on_claim(k->sm, SPAN("alice@prime.test"), SPAN_NONE);
    kit_settle(k);
    kit_drain(&k->link.out);
    from_afar(k, ">" BODY);
    expect_pushes(k, 1);
    next_day(k);
    sm_set_away(c->session, false);
    from_afar(k, ">" BODY);
    expect_pushes(k, 0);
    kit_close(t.front, c);
    kit_close(t.owner, own);
    end(&t);
}

/* Another instance becomes its owner, and is told. */
static void it_moves_there(void **state)
{
    struct two t;
    struct kit_client *own = begin(&t), *c;
    (void)state;

    insert(t.owner);
    kit_link_say(t.owner, "<message type='headline' from='prime.test' to='alice@prime.test'>"
                          "<changed xmlns='http://kontalk.org/extensions/front'/></message>");
    c = come(t.front, "alice", "phone", ENABLE("push.far.test", "n1"));
    kit_say(t.front, c, "<presence/>");
    sm_set_away(c->session, true);
    sm_link_events.on_claim(t.front->sm, SPAN("alice@prime.test"), SPAN("c2s-2.prime.test"));
    kit_settle(t.front);
    pump(&t);
    from_afar(t.owner, ">" BODY);
    succeed(t.owner, expect_pushes(t.owner, 1));
    pump(&t);
    sm_set_away(c->session, false);
    pump(&t);
    from_afar(t.owner, ">" BODY);
    expect_pushes(t.owner, 0);
    pump(&t);
    kit_close(t.front, c);
    pump(&t);
    kit_close(t.owner, own);
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_at_a_time),
        cmocka_unit_test(not_too_fast),
        cmocka_unit_test(final_errors_disable),
        cmocka_unit_test(nobody_else_may_answer),
        cmocka_unit_test(temporary_errors),
        cmocka_unit_test(it_works_again),
        cmocka_unit_test(no_attempt_once_disabled),
        cmocka_unit_test(no_attempt_for_nothing),
        cmocka_unit_test(errors_and_the_owner),
        cmocka_unit_test(a_stray_answer),
        cmocka_unit_test(the_link_is_away),
        cmocka_unit_test(by_way_of_a_front),
        cmocka_unit_test(what_crosses_is_missed),
        cmocka_unit_test(it_moves_here),
        cmocka_unit_test(it_moves_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
