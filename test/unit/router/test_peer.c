/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * XEP-0114 as third-party components use it: headers, handshakes, conflicts, heartbeats. A01-A03,
 * A06, A14 and X34 of the list of hostile inputs.
 */
#include "house.h"

static const char secret_words[] = "bot";

/* --- headers ---------------------------------------------------------------------------------- */

static const struct {
    const char *say, *expect;
} headers[] = {
    {HEAD("nobody.h"), STREAM_ERROR("host-unknown")},
    {HEAD("irc.h.evil"), STREAM_ERROR("host-unknown")},
    {HEAD("@"), STREAM_ERROR("host-unknown")},
    {"<stream:stream xmlns='jabber:component:accept' "
     "xmlns:stream='http://etherx.jabber.org/streams'>",
     STREAM_ERROR("improper-addressing")},
    {"<stream:stream xmlns='jabber:client' to='irc.h' "
     "xmlns:stream='http://etherx.jabber.org/streams'>",
     STREAM_ERROR("invalid-namespace")},
    {"<stream:stream xmlns='jabber:component:accept' to='irc.h' xmlns:stream='urn:x'>",
     STREAM_ERROR("invalid-namespace")},
    {"<!DOCTYPE a>", STREAM_ERROR("restricted-xml")},
    {"hello", "<stream:error>"},
    /* What comes before the handshake is not welcome. */
    {HEAD("irc.h") "<message from='irc.h' to='u@h'/>", STREAM_ERROR("not-authorized")},
    {HEAD("irc.h") "<bind" EXT " name='irc.h'/>", STREAM_ERROR("not-authorized")},
};

static void bad_headers(size_t chunk)
{
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        struct house *h = house_new(chunk, 0);
        struct wire *w = knock(h);
        wire_say(w, headers[i].say);
        assert_non_null(strstr(buf_z(&w->heard), "<stream:stream "));
        wire_expect_end(w, headers[i].expect);
        assert_int_equal(h->router->peer_count, 0);
        house_free(h);
    }
}
AT_ALL_CHUNKS(bad_headers)

/* The ways in which known components begin. */
static const char *const good_headers[] = {
    HEAD("bot.h"),
    "<?xml version='1.0'?>" HEAD("bot.h"),
    "<?xml version='1.0' encoding='UTF-8'?>\n<stream:stream to='bot.h' from='bot.h' "
    "xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'>",
    "<stream:stream to='Bot.H' version='1.0' xml:lang='en' xmlns='jabber:component:accept' "
    "xmlns:stream='http://etherx.jabber.org/streams'>",
};
static const char *const handshakes[] = {
    "<handshake>%s</handshake>",
    "<handshake xmlns='jabber:component:accept'>%s</handshake>",
    "<handshake>%s</handshake>\n",
    "<handshake>%s</handshake><presence from='bot.h' to='irc.h' type='probe'/>",
};

static void good_beginnings(size_t chunk)
{
    for (size_t i = 0; i < ARRAY_LEN(good_headers); i++) {
        struct house *h = house_new(chunk, 0);
        struct wire *irc = join_irc(h), *w = knock(h);
        char digest[41], text[256];
        wire_say(w, good_headers[i]);
        const char *heard = wire_heard(w), *id = strstr(heard, " id='");
        assert_non_null(id);
        assert_non_null(strstr(heard, "from='bot.h'"));
        assert_null(strstr(heard, "version='1.0' "));
        assert_null(strstr(heard, "features"));
        link_handshake(span_make(id + 5, 32), span_of(secret_words), digest);
        for (size_t k = 0; i == 1 && k < 40; k++)
            digest[k] = digest[k] >= 'a' ? (char)(digest[k] - 32) : digest[k];
        buf_clear(&irc->heard);
        wire_say(w, fill(text, sizeof text, handshakes[i], digest));
        wire_expect(w, "<handshake/>");
        if (i == 3) /* traffic in the same segment as the handshake */
            wire_expect(irc, "<presence");
        house_free(h);
    }
}
AT_ALL_CHUNKS(good_beginnings)

/* --- handshakes ------------------------------------------------------------------------------- */

static const char *const bad_digests[] = {
    "", "0", "0123456789abcdef0123456789abcdef0123456", "0123456789abcdef0123456789abcdef012345678",
    "0123456789abcdef0123456789abcdef01234567", "0123456789abcdef0123456789abcdef0123456 ",
};

static void bad_handshakes(size_t chunk)
{
    for (size_t i = 0; i < ARRAY_LEN(bad_digests); i++) {
        struct house *h = house_new(chunk, 0);
        char digest[41];
        struct wire *w = knock(h);
        greet(w, "bot.h", "bot", digest);
        shake(w, bad_digests[i]);
        wire_expect_end(w, STREAM_ERROR("not-authorized"));
        house_free(h);
    }
}
AT_ALL_CHUNKS(bad_handshakes)

static void the_right_digits_and_more(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    char digest[41], longer[43];
    struct wire *w = knock(h);
    greet(w, "bot.h", "bot", digest);
    snprintf(longer, sizeof longer, "%s0", digest);
    shake(w, longer);
    wire_expect_end(w, STREAM_ERROR("not-authorized"));
    house_free(h);
}
AT_ALL_CHUNKS(the_right_digits_and_more)

/* Another component's secret does not open this one's name, whatever its class. */
static void rights_hang_on_the_secret(size_t chunk)
{
    static const struct {
        const char *name, *secret;
    } cases[] = {
        {"bot.h", "irc"}, {"c2s-1.h", S2S_SECRET}, {"s2s.h", C2S_SECRET}, {"irc.h", NET_SECRET}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct house *h = house_new(chunk, 0);
        struct wire *w = try_join(h, cases[i].name, cases[i].secret);
        wire_expect_end(w, STREAM_ERROR("not-authorized"));
        house_free(h);
    }
}
AT_ALL_CHUNKS(rights_hang_on_the_secret)

static void replay_is_refused(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    char first[41], second[41];
    struct wire *a = knock(h), *b = knock(h);
    greet(a, "bot.h", "bot", first);
    shake(a, first);
    wire_expect(a, "<handshake/>");
    greet(b, "bot.h", "bot", second);
    assert_string_not_equal(first, second);
    shake(b, first);
    wire_expect_end(b, STREAM_ERROR("not-authorized"));
    house_free(h);
}
AT_ALL_CHUNKS(replay_is_refused)

static void failures_are_counted(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    struct wire *w;
    for (int i = 0; i < ADMIT_FAILURES; i++) {
        w = try_join(h, "bot.h", "wrong");
        wire_expect(w, STREAM_ERROR("not-authorized"));
        wire_free(&w);
    }
    w = knock(h);
    loop_sim_settle(h->loop);
    wire_expect_end(w, STREAM_ERROR("policy-violation"));
    wire_free(&w);
    loop_sim_advance(h->loop, ADMIT_WINDOW_MS);
    w = join_bot(h);
    house_free(h);
}
AT_ALL_CHUNKS(failures_are_counted)

/* A frame that is too big for strangers (A01: 1 MiB of digits); a line that never ends (A06). */
static void floods_before_login(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    struct wire *w = knock(h);
    struct buf flood = {0};
    char digest[41];
    greet(w, "bot.h", "bot", digest);
    buf_append(&flood, SPAN("<handshake>"));
    for (int i = 0; i < 65536; i++)
        buf_append(&flood, SPAN("0123456789abcdef"));
    wire_say_span(w, buf_span(&flood));
    wire_expect_end(w, STREAM_ERROR("policy-violation"));
    buf_free(&flood);
    house_free(h);
}
AT_ALL_CHUNKS(floods_before_login)

static void silence_before_login(void **state)
{
    struct house *h = house_new(0, 0);
    struct wire *mute = knock(h), *half = knock(h);
    char digest[41];
    (void)state;
    greet(half, "bot.h", "bot", digest);
    loop_sim_advance(h->loop, 9900);
    assert_int_equal(h->router->peer_count, 2);
    loop_sim_advance(h->loop, 200);
    wire_expect_end(mute, STREAM_ERROR("connection-timeout"));
    wire_expect_end(half, STREAM_ERROR("connection-timeout"));
    house_free(h);
}

/* --- conflicts -------------------------------------------------------------------------------- */

static void newcomers_meet_a_conflict(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    struct wire *a = join_bot(h), *b = try_join(h, "bot.h", "bot");
    struct wire *irc = join_irc(h);
    wire_expect_end(b, STREAM_ERROR("conflict"));
    wire_say(irc, "<message from='irc.h' to='bot.h' id='1'/>");
    wire_expect(a, "id='1'");
    wire_free(&b);
    /* The name is free as soon as its holder has gone. */
    wire_say(a, "</stream:stream>");
    b = join_bot(h);
    house_free(h);
}
AT_ALL_CHUNKS(newcomers_meet_a_conflict)

/* One of our own that has been silent beyond its heartbeat gives way. */
static void the_dead_give_way(void **state)
{
    struct house *h = house_new(0, 0);
    struct wire *a = join(h, "net.h", NET_SECRET), *b;
    (void)state;
    loop_sim_advance(h->loop, 2600); /* the handshake itself was a sign of life */
    loop_sim_advance(h->loop, 7500);
    b = join(h, "net.h", NET_SECRET);
    wire_expect_end(a, STREAM_ERROR("conflict"));
    wire_say(b, " ");
    loop_sim_advance(h->loop, 2600);
    wire_free(&a);
    a = try_join(h, "net.h", NET_SECRET);
    wire_expect_end(a, STREAM_ERROR("conflict"));
    house_free(h);
}

/* --- heartbeat -------------------------------------------------------------------------------- */

static void hearts_beat(void **state)
{
    struct house *h = house_new(0, 0);
    struct wire *own = join(h, "net.h", NET_SECRET), *bot = join_bot(h);
    (void)state;
    for (int i = 0; i < 12; i++) {
        loop_sim_advance(h->loop, 5000);
        assert_string_equal(wire_heard(own), " ");
        wire_say(own, " ");
    }
    assert_string_equal(wire_heard(bot), "  "); /* each 30 s, and no answer is asked for */
    loop_sim_advance(h->loop, 12000);
    assert_false(own->is_closed);
    loop_sim_advance(h->loop, 5500); /* 15 s at most, after the last beat that heard it */
    wire_expect_end(own, STREAM_ERROR("connection-timeout"));
    assert_false(bot->is_closed);
    assert_null(routes_find(&h->router->routes, SPAN("net.h")));
    house_free(h);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void on_stopped(void *ctx)
{
    ++*(int *)ctx;
}

static void stops_in_order(void **state)
{
    struct house *h = house_new(0, 0);
    struct wire *bot = join_bot(h), *irc = join_irc(h);
    int stopped = 0;
    (void)state;
    router_stop(h->router, on_stopped, &stopped);
    loop_sim_settle(h->loop);
    assert_int_equal(stopped, 0);
    wire_expect(bot, STREAM_ERROR("system-shutdown"));
    wire_expect_end(irc, STREAM_ERROR("system-shutdown"));
    assert_int_equal(stopped, 1);
    house_free(h);
}

/* A reload takes away what is no longer configured, and nothing else. */
static void reloads(void **state)
{
    struct house *h = house_new(0, 0);
    struct wire *bot = join_bot(h), *irc = join_irc(h);
    struct component kept[] = {{.section = "irc.h", .secret = "new"}};
    struct router_conf conf = h->conf;
    char error[CONF_ERROR_MAX];
    (void)state;
    conf.components = kept;
    conf.component_count = 1;
    assert_true(router_reload(h->router, &conf, error));
    loop_sim_settle(h->loop);
    wire_expect_end(bot, STREAM_ERROR("not-authorized"));
    wire_say(irc, "<iq type='get' from='irc.h' to='bot.h' id='1'/>");
    wire_expect(irc, STANZA_ERROR("service-unavailable"));
    house_free(h);
}

/* Who stays keeps only what his section still allows. */
static void a_reload_trims_rights(void **state)
{
    struct house *h = house_new(0, 0);
    struct wire *c2s = join_c2s(h, "c2s-1.h"), *s2s = join_s2s(h);
    struct wire *gate = join(h, "gate.h", "gate");
    struct component fewer[] = {house_components[0], house_components[1], house_components[5]};
    struct router_conf conf = h->conf;
    char error[CONF_ERROR_MAX];
    (void)state;
    wire_say(c2s, "<bind" EXT " name='n' shared='true'/><claims" EXT ">u@h\nu@n</claims>");
    wire_say(gate, "<bind" EXT " name='a.gate.h'/>");
    fewer[0].shared.count = 1;
    fewer[1].is_default = false;
    fewer[2].names.count = 1;
    conf.components = fewer;
    conf.component_count = ARRAY_LEN(fewer);
    wire_heard(gate);
    assert_true(router_reload(h->router, &conf, error));
    loop_sim_settle(h->loop);
    assert_int_equal(claims_count(&h->router->claims), 1);
    assert_null(h->router->routes.fallback);
    wire_say(gate, "<iq type='get' id='1' from='gate.h' to='u@h'/>");
    wire_expect(c2s, "id='1'");
    wire_say(gate, "<iq type='get' id='2' from='gate.h' to='u@n'/>"
                   "<iq type='get' id='3' from='gate.h' to='v@example.org'/>");
    wire_expect(gate, STANZA_ERROR("service-unavailable"));
    wire_say(gate, "<iq type='get' id='4' from='a.gate.h' to='u@h'/>");
    wire_expect_end(gate, STREAM_ERROR("invalid-from"));
    expect_nothing(s2s);
    house_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_headers_at_all),
        cmocka_unit_test(good_beginnings_at_all),
        cmocka_unit_test(bad_handshakes_at_all),
        cmocka_unit_test(the_right_digits_and_more_at_all),
        cmocka_unit_test(rights_hang_on_the_secret_at_all),
        cmocka_unit_test(replay_is_refused_at_all),
        cmocka_unit_test(failures_are_counted_at_all),
        cmocka_unit_test(floods_before_login_at_all),
        cmocka_unit_test(silence_before_login),
        cmocka_unit_test(newcomers_meet_a_conflict_at_all),
        cmocka_unit_test(the_dead_give_way),
        cmocka_unit_test(hearts_beat),
        cmocka_unit_test(stops_in_order),
        cmocka_unit_test(reloads),
        cmocka_unit_test(a_reload_trims_rights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
