/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Back-pressure: who waits for a slow component, and what happens beyond the cap (64 KiB here).
 */
#include "house.h"

/* A message of some 1,000 bytes. */
static void say_big(struct wire *w, const char *from, const char *to, int times)
{
    char text[1200], body[960];
    memset(body, 'x', sizeof body - 1);
    body[sizeof body - 1] = '\0';
    snprintf(text, sizeof text, "<message from='%s' to='%s'><body>%s</body></message>", from, to,
             body);
    for (int i = 0; i < times; i++)
        wire_say(w, text);
}

static struct peer *peer_of(struct house *h, const char *name)
{
    return routes_find(&h->router->routes, span_of(name))->members[0].peer;
}

static int count(const char *heard, const char *text)
{
    int n = 0;
    for (const char *at = heard; (at = strstr(at, text)); at++)
        n++;
    return n;
}

static void feeders_wait(void **state)
{
    struct house *h = house_new(0, 0);
    struct wire *bot = join_bot(h), *irc = join_irc(h);
    struct wire *s2s = join_s2s(h);
    (void)state;
    conn_pause(bot->conn);
    say_big(irc, "irc.h", "bot.h", 33);
    assert_null(peer_of(h, "irc.h")->waits_for);
    say_big(irc, "irc.h", "bot.h", 2);
    assert_ptr_equal(peer_of(h, "irc.h")->waits_for, peer_of(h, "bot.h"));
    say_big(s2s, "x@y", "bot.h", 2);
    assert_ptr_equal(peer_of(h, "s2s.h")->waits_for, peer_of(h, "bot.h"));
    /* What is said meanwhile stays where it is, and nothing comes back. */
    say_big(irc, "irc.h", "bot.h", 200);
    assert_true(stream_out_len(&peer_of(h, "bot.h")->stream) < 40 * 1024);
    expect_nothing(irc);
    /* The slow one does not block others. */
    struct wire *c2s = join_c2s(h, "c2s-1.h");
    wire_say(c2s, "<message from='u@h' to='irc.h' id='1'/>");
    wire_expect(irc, "id='1'");
    conn_resume(bot->conn);
    loop_sim_settle(h->loop);
    assert_int_equal(count(wire_heard(bot), "<message"), 33 + 2 + 2 + 200);
    assert_null(peer_of(h, "irc.h")->waits_for);
    assert_null(peer_of(h, "s2s.h")->waits_for);
    assert_int_equal(h->router->counters.bounced, 0);
    house_free(h);
}

/* A client server is never kept waiting; beyond the cap its stanzas come back. */
static void client_servers_never_wait(void **state)
{
    struct house *h = house_new(0, 0);
    struct wire *bot = join_bot(h), *c2s = join_c2s(h, "c2s-1.h");
    (void)state;
    conn_pause(bot->conn);
    say_big(c2s, "u@h", "bot.h", 100);
    const char *heard = wire_heard(c2s);
    int bounced = count(heard, "<resource-constraint ");
    assert_in_range(bounced, 30, 45);
    assert_int_equal(count(heard, "type='wait'"), bounced);
    wire_say(c2s, "<presence from='u@h' to='bot.h'/><message from='u@h' to='c2s-1.h' id='1'/>");
    wire_expect(c2s, "id='1'");
    assert_true(stream_out_len(&peer_of(h, "bot.h")->stream) <= 64 * 1024);
    conn_resume(bot->conn);
    loop_sim_settle(h->loop);
    assert_int_equal(count(wire_heard(bot), "<message"), 100 - bounced);
    house_free(h);
}

/* Nobody waits for ever: after ten seconds the rest comes back. */
static void waiting_ends(void **state)
{
    struct house *h = house_new(0, 0);
    struct wire *bot = join_bot(h), *irc = join_irc(h);
    (void)state;
    conn_pause(bot->conn);
    say_big(irc, "irc.h", "bot.h", 100);
    assert_non_null(peer_of(h, "irc.h")->waits_for);
    loop_sim_advance(h->loop, 9900);
    assert_non_null(peer_of(h, "irc.h")->waits_for);
    loop_sim_advance(h->loop, 200);
    assert_null(peer_of(h, "irc.h")->waits_for);
    int bounced = count(wire_heard(irc), "<resource-constraint ");
    assert_in_range(bounced, 30, 45);
    conn_resume(bot->conn);
    loop_sim_settle(h->loop);
    assert_int_equal(count(wire_heard(bot), "<message"), 100 - bounced);
    /* And once it has caught up, it is waited for again. */
    conn_pause(bot->conn);
    say_big(irc, "irc.h", "bot.h", 40);
    assert_non_null(peer_of(h, "irc.h")->waits_for);
    house_free(h);
}

/* Whoever waits goes on when the slow one dies, and may itself die while it waits. */
static void deaths(void **state)
{
    struct house *h = house_new(0, 0);
    struct wire *bot = join_bot(h), *irc = join_irc(h);
    struct wire *gate = join(h, "gate.h", "gate");
    (void)state;
    conn_pause(bot->conn);
    say_big(irc, "irc.h", "bot.h", 50);
    say_big(gate, "gate.h", "bot.h", 50);
    assert_non_null(peer_of(h, "irc.h")->waits_for);
    assert_non_null(peer_of(h, "gate.h")->waits_for);
    wire_free(&gate);
    wire_free(&bot);
    assert_null(peer_of(h, "irc.h")->waits_for);
    wire_say(irc, "<message from='irc.h' to='bot.h' id='1'/>");
    wire_expect(irc, STANZA_ERROR("service-unavailable"));
    house_free(h);
}

/* Whoever sends to himself does not wait for himself. */
static void not_for_himself(void **state)
{
    struct house *h = house_new(0, 0);
    struct wire *bot = join_bot(h);
    (void)state;
    conn_pause(bot->conn);
    say_big(bot, "bot.h", "bot.h", 100);
    assert_null(peer_of(h, "bot.h")->waits_for);
    conn_resume(bot->conn);
    loop_sim_settle(h->loop);
    const char *heard = wire_heard(bot);
    assert_int_equal(count(heard, "</body>") + (int)h->router->counters.bounced, 100);
    house_free(h);
}

/* One of our own that is kept waiting is not taken for dead meanwhile. */
static void waiting_is_not_death(void **state)
{
    struct house *h = house_new(0, 0);
    struct wire *bot = join_bot(h), *s2s = join_s2s(h);
    (void)state;
    for (int i = 0; i < 3; i++) {
        conn_pause(bot->conn);
        say_big(s2s, "x@y", "bot.h", 40);
        assert_non_null(peer_of(h, "s2s.h")->waits_for);
        loop_sim_advance(h->loop, 9900);
        struct wire *thief = try_join(h, "s2s.h", S2S_SECRET);
        wire_expect(thief, STREAM_ERROR("conflict"));
        wire_free(&thief);
        conn_resume(bot->conn);
        loop_sim_settle(h->loop);
    }
    assert_false(s2s->is_closed);
    house_free(h);
}

/* Whoever asks and asks but does not read is ended. */
static void askers_who_do_not_read(void **state)
{
    struct house *h = house_new(0, 0);
    struct wire *gate = join(h, "gate.h", "gate"), *irc = join_irc(h);
    (void)state;
    conn_pause(gate->conn);
    for (int i = 0; i < 1000; i++)
        wire_say(gate, "<bind" EXT " id='1' name='no'/>");
    wire_say(irc, "<message from='irc.h' to='gate.h' id='1'/>");
    wire_expect(irc, STANZA_ERROR("service-unavailable"));
    conn_resume(gate->conn);
    loop_sim_settle(h->loop);
    wire_expect_end(gate, STREAM_ERROR("resource-constraint"));
    house_free(h);
}

/* Reads no further than the first piece. */
static void read_once(void *ctx, struct span bytes)
{
    struct wire *w = ctx;
    (void)bytes;
    conn_pause(w->conn);
}

static void forget(void *ctx, int error, const char *reason)
{
    struct wire *w = ctx;
    (void)error;
    (void)reason;
    w->conn = NULL;
}

/* What was queued for one that is gone comes back, but for what had begun to leave. */
static void what_was_not_sent_comes_back(void **state)
{
    const struct conn_handler reads_once = {.on_data = read_once, .on_close = forget};
    const size_t chunks[] = {0, 700};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
        struct house *h = house_new(chunks[i], 0);
        struct wire *bot = join_bot(h), *irc = join_irc(h);
        bool is_cut = chunks[i] > 0;
        /* Some have arrived well; their places are forgotten. */
        say_big(irc, "irc.h", "bot.h", 3);
        assert_int_equal(count(wire_heard(bot), "<message"), 3);
        if (is_cut)
            conn_set_handler(bot->conn, &reads_once, bot);
        else
            conn_pause(bot->conn);
        say_big(irc, "irc.h", "bot.h", 5);
        wire_say(irc, "<iq type='result' from='irc.h' to='bot.h' id='not answered'/>"
                      "<iq type='get' from='irc.h/&amp;' to='bot.h/&lt;' id='&apos;'><q/></iq>");
        say_big(irc, "irc.h", "bot.h", 10);
        expect_nothing(irc);
        uint64_t lost = h->router->counters.lost;
        /* It does not read for a minute. */
        loop_sim_advance(h->loop, 61000);
        const char *heard = wire_heard(irc);
        assert_int_equal(count(heard, STANZA_ERROR("service-unavailable")), is_cut ? 15 : 16);
        assert_non_null(strstr(heard, "to='irc.h/&amp;' from='bot.h/&lt;' id='&apos;'"));
        assert_null(strstr(heard, "not answered"));
        assert_int_equal(h->router->counters.lost - lost, is_cut ? 1 : 0);
        house_free(h);
    }
}

/* Who is only slow, his queue full of stanzas, is still answered. */
static void the_slow_are_answered(void **state)
{
    struct house *h = house_new(0, 0);
    struct wire *slow = join_c2s(h, "c2s-1.h"), *other = join_c2s(h, "c2s-2.h");
    (void)state;
    wire_say(slow, "<watch" EXT "/><claim" EXT " jid='u@h'/>");
    wire_heard(slow);
    conn_pause(slow->conn);
    say_big(other, "v@h", "u@h", 100);
    wire_expect(other, "<resource-constraint ");
    for (int i = 0; i < 50; i++)
        wire_say(slow, "<claim" EXT " jid='w@h'/>");
    join_irc(h);
    conn_resume(slow->conn);
    loop_sim_settle(h->loop);
    const char *heard = wire_heard(slow);
    assert_int_equal(count(heard, "<claim "), 50);
    assert_int_equal(count(heard, "<route "), 1);
    assert_false(slow->is_closed);
    house_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(feeders_wait),
        cmocka_unit_test(client_servers_never_wait),
        cmocka_unit_test(waiting_ends),
        cmocka_unit_test(deaths),
        cmocka_unit_test(not_for_himself),
        cmocka_unit_test(waiting_is_not_death),
        cmocka_unit_test(askers_who_do_not_read),
        cmocka_unit_test(the_slow_are_answered),
        cmocka_unit_test(what_was_not_sent_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
