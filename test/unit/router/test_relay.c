/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where stanzas go, what may not pass, and what comes back.
 */
#include "house.h"

/* --- third-party components ------------------------------------------------------------------- */

static const struct {
    const char *say, *expect;
} passes[] = {
    {"<message from='bot.h' to='irc.h'><body>a &lt; b</body></message>",
     "<message to='irc.h' from='bot.h'><body>a &lt; b</body></message>"},
    {"<message from='u@bot.h/r' to='c@irc.h/x'/>", "<message to='c@irc.h/x' from='u@bot.h/r'/>"},
    /* Both namespaces are one; an explicit one does not travel. */
    {"<message xmlns='jabber:client' from='bot.h' to='irc.h'><body>x</body></message>",
     "<message to='irc.h' from='bot.h'><body>x</body></message>"},
    {"<iq xmlns='jabber:component:accept' type='result' id='1' from='bot.h' to='irc.h'/>",
     "<iq to='irc.h' from='bot.h' id='1' type='result'/>"},
    {"<iq type='error' id='1' from='bot.h' to='irc.h'><error xmlns='jabber:client' "
     "type='cancel'/></iq>",
     "<iq to='irc.h' from='bot.h' id='1' type='error'><error type='cancel'/></iq>"},
    /* Addresses leave prepared. */
    {"<message from='BOT.H' to='C@IRC.h/R'/>", "<message to='c@irc.h/R' from='bot.h'/>"},
    /* X29: CDATA arrives as text. */
    {"<message from='bot.h' to='irc.h'><body><![CDATA[<presence/>]]></body></message>",
     "<body>&lt;presence/&gt;</body>"},
    {"<message from='bot.h' to='irc.h' xml:lang='en'/>", "xml:lang='en'"},
};

static void third_party_stanzas_pass(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    struct wire *bot = join_bot(h), *irc = join_irc(h);
    for (size_t i = 0; i < ARRAY_LEN(passes); i++) {
        wire_say(bot, passes[i].say);
        wire_expect(irc, passes[i].expect);
        expect_nothing(bot);
    }
    house_free(h);
}
AT_ALL_CHUNKS(third_party_stanzas_pass)

/* X30: what only looks like an address must not travel. */
static void foreign_attributes_stay(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    struct wire *bot = join_bot(h), *irc = join_irc(h);
    wire_say(bot, "<message xmlns:e='urn:e' e:from='admin@h' e:to='a@h' e:type='x' e:id='9' "
                  "from='bot.h' to='irc.h'/>");
    wire_expect_not(irc, "admin");
    wire_expect_not(irc, "urn:e");
    wire_expect(irc, "<message to='irc.h' from='bot.h'/>");
    house_free(h);
}
AT_ALL_CHUNKS(foreign_attributes_stay)

static const struct {
    const char *say, *expect;
} offences[] = {
    {"<message from='irc.h' to='irc.h'/>", STREAM_ERROR("invalid-from")}, /* A02 */
    {"<message from='u@irc.h' to='irc.h'/>", STREAM_ERROR("invalid-from")},
    {"<message from='evil.bot.h' to='irc.h'/>", STREAM_ERROR("invalid-from")},
    {"<message from='h' to='irc.h'/>", STREAM_ERROR("invalid-from")},
    {"<message from='example.org' to='irc.h'/>", STREAM_ERROR("invalid-from")},
    {"<message from='@bot.h' to='irc.h'/>", STREAM_ERROR("invalid-from")},
    {"<message from='' to='irc.h'/>", STREAM_ERROR("invalid-from")},
    {"<message to='irc.h'/>", STREAM_ERROR("invalid-from")},
    {"<message from='bot.h'/>", STREAM_ERROR("improper-addressing")},
    {"<foo from='bot.h' to='irc.h'/>", STREAM_ERROR("unsupported-stanza-type")},
    {"<handshake/>", STREAM_ERROR("unsupported-stanza-type")},
    {"<message xmlns='jabber:server' from='bot.h' to='irc.h'/>",
     STREAM_ERROR("invalid-namespace")},
    {"<message from='bot.h' to='irc.h'><a></b></message>", STREAM_ERROR("not-well-formed")},
    {"<message from='bot.h' to='irc.h'><!-- x --></message>", STREAM_ERROR("restricted-xml")},
    {"text", "<stream:error>"},
    {"<message from='bot.h' to='irc.h'><body>\xff</body></message>", "<stream:error>"},
};

static void offences_end_the_stream(size_t chunk)
{
    for (size_t i = 0; i < ARRAY_LEN(offences); i++) {
        struct house *h = house_new(chunk, 0);
        struct wire *bot = join_bot(h), *irc = join_irc(h);
        wire_say(bot, offences[i].say);
        wire_expect_end(bot, offences[i].expect);
        expect_nothing(irc);
        assert_null(routes_find(&h->router->routes, SPAN("bot.h")));
        house_free(h);
    }
}
AT_ALL_CHUNKS(offences_end_the_stream)

/* --- what comes back -------------------------------------------------------------------------- */

static const struct {
    const char *say, *expect; /* the start of what comes back; NULL: nothing */
} bounces[] = {
    {"<iq type='get' id='1' from='%s' to='x@nowhere'><q xmlns='u'/></iq>",
     "<iq"},
    {"<iq type='set' id='1' from='%s' to='x@nowhere'/>", "<iq"},
    {"<iq type='result' id='1' from='%s' to='x@nowhere'/>", NULL},
    {"<iq type='error' id='1' from='%s' to='x@nowhere'/>", NULL},
    {"<message from='%s' to='x@nowhere'/>", "<message"},
    {"<message type='chat' from='%s' to='x@nowhere'><body>b</body></message>", "<message"},
    {"<message type='groupchat' from='%s' to='x@nowhere'/>", "<message"},
    {"<message type='headline' from='%s' to='x@nowhere'/>", NULL},
    {"<message type='error' from='%s' to='x@nowhere'/>", NULL},
    {"<presence from='%s' to='x@nowhere'/>", NULL},
    {"<presence type='unavailable' from='%s' to='x@nowhere'/>", NULL},
    {"<presence type='probe' from='%s' to='x@nowhere'/>", NULL},
    {"<presence type='subscribed' from='%s' to='x@nowhere'/>", NULL},
    {"<presence type='subscribe' from='%s' to='x@nowhere'/>", "<presence"},
};

static void bounce_rules(struct house *h, struct wire *w, const char *from)
{
    for (size_t i = 0; i < ARRAY_LEN(bounces); i++) {
        char text[512], swapped[256];
        fill(text, sizeof text, bounces[i].say, from);
        snprintf(swapped, sizeof swapped, "%s to='%s' from='x@nowhere'%s type='error'>",
                 bounces[i].expect ? bounces[i].expect : "", from,
                 strstr(text, " id='1'") ? " id='1'" : "");
        uint64_t dropped = h->router->counters.dropped;
        wire_say(w, text);
        assert_int_equal(h->router->counters.dropped - dropped, bounces[i].expect ? 0 : 1);
        if (!bounces[i].expect) {
            expect_nothing(w);
            continue;
        }
        const char *heard = wire_heard(w);
        if (!strstr(heard, swapped) || !strstr(heard, STANZA_ERROR("service-unavailable")))
            fail_msg("%s\ngave: %s", text, heard);
    }
}

static void what_comes_back(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    struct wire *bot = join_bot(h), *c2s = join_c2s(h, "c2s-1.h");
    bounce_rules(h, bot, "u@bot.h/r");
    bounce_rules(h, c2s, "u@h/r"); /* the verbatim way must give the same */
    house_free(h);
}
AT_ALL_CHUNKS(what_comes_back)

static void malformed_and_doubled(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    struct wire *bot = join_bot(h), *irc = join_irc(h);
    struct wire *c2s = join_c2s(h, "c2s-1.h");
    wire_say(bot, "<message from='bot.h' to='@irc.h' id='1'/>");
    wire_expect(bot, STANZA_ERROR("jid-malformed"));
    wire_say(c2s, "<message from='u@h' to='@irc.h' id='1'/>");
    wire_expect(c2s, STANZA_ERROR("jid-malformed"));
    /* An error that answers an error holds two: it would go on for ever. */
    const char *two = "<iq type='error' id='1' from='%s' to='irc.h'><error type='cancel'/>"
                      "<error type='cancel'/></iq>";
    char text[256];
    wire_say(bot, fill(text, sizeof text, two, "bot.h"));
    wire_say(c2s, fill(text, sizeof text, two, "u@h"));
    expect_nothing(irc);
    expect_nothing(bot);
    expect_nothing(c2s);
    assert_int_equal(h->router->counters.dropped, 2);
    house_free(h);
}
AT_ALL_CHUNKS(malformed_and_doubled)

/* --- our own processes ------------------------------------------------------------------------ */

static const char *const verbatim[] = {
    "<message from='u@h/a' to='bot.h'><body>1</body></message>",
    "<message to='bot.h' from='u@h'><x xmlns='urn:x' a=\"'\">&#38;</x></message>",
    "<presence from='h' to='u@bot.h/r'/>",
    "<iq type='get' id='x' from='c2s-1.h' to='bot.h'><q xmlns='u'/></iq>",
    "<message xmlns='jabber:component:accept' from='u@h' to='bot.h'/>",
};

static void own_stanzas_pass_verbatim(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    struct wire *c2s = join_c2s(h, "c2s-1.h"), *bot = join_bot(h);
    for (size_t i = 0; i < ARRAY_LEN(verbatim); i++) {
        wire_say(c2s, verbatim[i]);
        assert_string_equal(wire_heard(bot), verbatim[i]);
    }
    /* With an entity in an address the frame is parsed; the address means the same. */
    wire_say(c2s, "<message from='u@h/a&amp;b' to='bot.h/c&amp;d'/>");
    wire_expect(bot, "<message to='bot.h/c&amp;d' from='u@h/a&amp;b'/>");
    /* One bad stanza is one bad stanza. */
    wire_say(c2s, "<message from='u@h' to='bot.h&amp;'><a></b></message>");
    wire_say(c2s, "<message from='u@h' to='bot.h' id='after'/>");
    wire_expect(bot, "id='after'");
    house_free(h);
}
AT_ALL_CHUNKS(own_stanzas_pass_verbatim)

static void own_offences(size_t chunk)
{
    static const struct {
        const char *say, *expect;
    } cases[] = {
        {"<message from='u@bot.h' to='bot.h'/>", STREAM_ERROR("invalid-from")},
        {"<message from='u@n' to='bot.h'/>", STREAM_ERROR("invalid-from")}, /* not bound */
        {"<message from='u@example.org' to='bot.h'/>", STREAM_ERROR("invalid-from")},
        {"<message to='bot.h'/>", STREAM_ERROR("invalid-from")},
        {"<message from='u@h'/>", STREAM_ERROR("improper-addressing")},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct house *h = house_new(chunk, 0);
        struct wire *bot = join_bot(h), *c2s = join_c2s(h, "c2s-1.h");
        wire_say(c2s, cases[i].say);
        wire_expect_end(c2s, cases[i].expect);
        expect_nothing(bot);
        house_free(h);
    }
}
AT_ALL_CHUNKS(own_offences)

/* --- the default route ------------------------------------------------------------------------ */

static void the_default_route(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    struct wire *c2s = join_c2s(h, "c2s-1.h"), *s2s = join_s2s(h), *bot = join_bot(h);
    wire_say(c2s, "<message from='u@h' to='v@example.org' id='1'/>");
    wire_expect(s2s, "id='1'");
    wire_say(bot, "<message from='bot.h' to='v@example.org' id='2'/>");
    wire_expect(s2s, "id='2'");
    wire_say(s2s, "<message from='v@example.org' to='u@h' id='3'/>");
    wire_expect(c2s, "id='3'");
    wire_say(s2s, "<message from='v@example.net' to='bot.h' id='4'/>");
    wire_expect(bot, "id='4'");
    /* No open relay. */
    wire_say(s2s, "<message from='v@example.org' to='w@example.net' id='5'/>");
    wire_expect(s2s, STANZA_ERROR("service-unavailable"));
    /* A name of ours that is away does not leave to the federation... */
    wire_say(c2s, "<message from='u@h' to='irc.h' id='6'/>");
    wire_expect(c2s, STANZA_ERROR("service-unavailable"));
    expect_nothing(s2s);
    /* ...nor can the federation speak for it, nor for one that is here. */
    wire_say(s2s, "<message from='irc.h' to='u@h' id='7'/>");
    wire_expect_end(s2s, STREAM_ERROR("invalid-from"));
    wire_free(&s2s);
    s2s = join_s2s(h);
    wire_say(s2s, "<message from='u@h' to='bot.h' id='8'/>");
    wire_expect_end(s2s, STREAM_ERROR("invalid-from"));
    wire_expect_not(bot, "id='8'");
    house_free(h);
}
AT_ALL_CHUNKS(the_default_route)

/* What faces the federation speaks for every name but ours, in whatever letters. */
static void the_default_route_in_capitals(size_t chunk)
{
    static const char *const ours[] = {"u@H", "u@h.", "IRC.h", "u@H/x", "u@\xEF\xBD\x88"};
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        char text[256];
        struct house *h = house_new(chunk, 0);
        struct wire *c2s = join_c2s(h, "c2s-1.h"), *s2s = join_s2s(h);
        wire_say(s2s, "<message from='v@Example.org/R' to='u@h' id='1'/>");
        wire_expect(c2s, "from='v@example.org/R'");
        wire_say(s2s, fill(text, sizeof text, "<message from='%s' to='u@h'/>", ours[i]));
        wire_expect_end(s2s, STREAM_ERROR("invalid-from"));
        expect_nothing(c2s);
        house_free(h);
    }
}
AT_ALL_CHUNKS(the_default_route_in_capitals)

/* --- ends ------------------------------------------------------------------------------------- */

/* A stream that has ended with an error is still there until the other side closes, too. */
static void nothing_is_written_to_the_dying(void **state)
{
    struct house *h = house_new(0, 0);
    struct wire *bot = join_bot(h), *irc = join_irc(h);
    (void)state;
    wire_say(bot, "no element");
    assert_int_equal(h->router->peer_count, 2);
    wire_say(irc, "<iq type='get' id='1' from='irc.h' to='bot.h'/>");
    wire_expect(irc, STANZA_ERROR("service-unavailable"));
    wire_expect_not(bot, "<iq");
    join_bot(h); /* again */
    house_free(h);
}

/* The same with a member of a shared domain, while a user of it is changing hands. */
static void the_dying_own_nobody(void **state)
{
    struct house *h = house_new(0, 0);
    struct wire *a = join_c2s(h, "c2s-1.h"), *b = join_c2s(h, "c2s-2.h");
    struct wire *irc = join_irc(h);
    (void)state;
    wire_say(a, "<claims" EXT ">u@h\nv@h</claims><release" EXT " jid='u@h'/>");
    wire_say(irc, "<message from='irc.h' to='U@h' id='1'/>");
    wire_say(a, "no element");
    wire_say(irc, "<message from='IRC.h' to='V@H/x' id='2'/>");
    assert_string_equal(wire_heard(b), "<message to='u@h' from='irc.h' id='1'/>"
                                       "<message to='v@h/x' from='irc.h' id='2'/>");
    assert_int_equal(claims_count(&h->router->claims), 0);
    house_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(third_party_stanzas_pass_at_all),
        cmocka_unit_test(foreign_attributes_stay_at_all),
        cmocka_unit_test(offences_end_the_stream_at_all),
        cmocka_unit_test(what_comes_back_at_all),
        cmocka_unit_test(malformed_and_doubled_at_all),
        cmocka_unit_test(own_stanzas_pass_verbatim_at_all),
        cmocka_unit_test(own_offences_at_all),
        cmocka_unit_test(the_default_route_at_all),
        cmocka_unit_test(the_default_route_in_capitals_at_all),
        cmocka_unit_test(nothing_is_written_to_the_dying),
        cmocka_unit_test(the_dying_own_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
