/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The extension, word by word, as PROTOCOL.md gives it.
 */
#include "house.h"

#define OK(word, id) "<" word EXT " id='" id "' type='result'/>"
#define REFUSED(word, id, cond)                                                                    \
    "<" word EXT " id='" id "' type='error'>" STANZA_ERROR(cond) "</" word ">"

/* --- bind ------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *secret, *say, *expect;
} binds[] = {
    {"c2s-1.h", C2S_SECRET, "<bind" EXT " id='1' name='h' shared='true'/>", OK("bind", "1")},
    {"c2s-1.h", C2S_SECRET, "<bind" EXT " id='1' name='H' shared='1'/>", OK("bind", "1")},
    {"c2s-1.h", C2S_SECRET, "<bind" EXT " id='1' name='h'/>", REFUSED("bind", "1", "forbidden")},
    {"c2s-1.h", C2S_SECRET, "<bind" EXT " id='1' name='x' shared='true'/>",
     REFUSED("bind", "1", "forbidden")},
    {"c2s-1.h", C2S_SECRET, "<bind" EXT " id='1' default='true'/>",
     REFUSED("bind", "1", "forbidden")},
    {"c2s-1.h", C2S_SECRET, "<bind" EXT " id='1'/>", REFUSED("bind", "1", "bad-request")},
    {"c2s-1.h", C2S_SECRET, "<bind" EXT " id='1' name=''/>", REFUSED("bind", "1", "bad-request")},
    {"c2s-1.h", C2S_SECRET, "<bind" EXT " id='1' name='..'/>", REFUSED("bind", "1", "bad-request")},
    {"c2s-1.h", C2S_SECRET, "<bind" EXT " id='1' name='c2s-9.h'/>",
     REFUSED("bind", "1", "conflict")}, /* an instance that is here */
    {"s2s.h", S2S_SECRET, "<bind" EXT " id='1' name='' default='true'/>", OK("bind", "1")},
    {"s2s.h", S2S_SECRET, "<bind" EXT " id='1' default='true'/>", OK("bind", "1")},
    {"net.h", NET_SECRET, "<bind" EXT " id='1' name='beta.n'/>", OK("bind", "1")},
    {"net.h", NET_SECRET, "<bind" EXT " id='1' name='a.beta.n'/>",
     REFUSED("bind", "1", "forbidden")},
    {"gate.h", "gate", "<bind" EXT " id='1' name='a.gate.h'/>", OK("bind", "1")},
    {"gate.h", "gate", "<bind" EXT " id='1' name='gate.h'/>", OK("bind", "1")},
    {"gate.h", "gate", "<bind" EXT " id='1' name='h' shared='true'/>",
     REFUSED("bind", "1", "forbidden")},
    {"gate.h", "gate", "<unbind" EXT " id='1' name='gate.h'/>",
     REFUSED("unbind", "1", "bad-request")},
    {"gate.h", "gate", "<unbind" EXT " id='1' name='a.gate.h'/>",
     REFUSED("unbind", "1", "bad-request")},
    /* The rest is for our own processes. */
    {"gate.h", "gate", "<claim" EXT " id='1' jid='u@h'/>",
     "<claim" EXT " id='1' jid='u@h' type='error'>" STANZA_ERROR("forbidden") "</claim>"},
    {"gate.h", "gate", "<claims" EXT " id='1'>u@h</claims>", REFUSED("claims", "1", "forbidden")},
    {"gate.h", "gate", "<watch" EXT " id='1'/>", REFUSED("watch", "1", "forbidden")},
};

static void bind_cases(size_t chunk)
{
    for (size_t i = 0; i < ARRAY_LEN(binds); i++) {
        struct house *h = house_new(chunk, 0);
        join(h, "c2s-9.h", C2S_SECRET);
        struct wire *w = join(h, binds[i].name, binds[i].secret);
        wire_say(w, binds[i].say);
        assert_string_equal(wire_heard(w), binds[i].expect);
        house_free(h);
    }
}
AT_ALL_CHUNKS(bind_cases)

static void bound_names_work_until_unbound(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    struct wire *gate = join(h, "gate.h", "gate"), *irc = join_irc(h);
    wire_say(gate, "<bind" EXT " id='1' name='a.gate.h'/>");
    wire_expect(gate, OK("bind", "1"));
    wire_say(irc, "<message from='irc.h' to='u@a.gate.h' id='in'/>");
    wire_expect(gate, "id='in'");
    wire_say(gate, "<message from='u@a.gate.h' to='irc.h' id='out'/>");
    wire_expect(irc, "id='out'");
    wire_say(gate, "<unbind" EXT " id='2' name='a.gate.h'/>");
    wire_expect(gate, OK("unbind", "2"));
    wire_say(irc, "<message from='irc.h' to='u@a.gate.h' id='in'/>");
    wire_expect(irc, STANZA_ERROR("service-unavailable"));
    wire_say(gate, "<message from='u@a.gate.h' to='irc.h'/>");
    wire_expect_end(gate, STREAM_ERROR("invalid-from"));
    house_free(h);
}
AT_ALL_CHUNKS(bound_names_work_until_unbound)

static void default_is_one(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    struct wire *a = join_s2s(h);
    static char *more[] = {"s2s.h", "s2s-2.h"};
    s2s_names[0] = more[0];
    house_components[1].names = (struct conf_list){more, 2};
    struct wire *b = join(h, "s2s-2.h", S2S_SECRET);
    wire_say(b, "<bind" EXT " id='1' default='true'/>");
    wire_expect(b, REFUSED("bind", "1", "conflict"));
    wire_say(a, "<unbind" EXT " id='2' default='true'/>");
    wire_expect(a, OK("unbind", "2"));
    wire_say(b, "<bind" EXT " id='3' default='true'/>");
    wire_expect(b, OK("bind", "3"));
    house_components[1].names = (struct conf_list){s2s_names, 1};
    house_free(h);
}
AT_ALL_CHUNKS(default_is_one)

/* --- shared domains --------------------------------------------------------------------------- */

/* Which of the two has got it: 0 or 1; both or none fails. */
static int who_got(struct wire *a, struct wire *b, const char *text)
{
    bool got_a = strstr(wire_heard(a), text), got_b = strstr(wire_heard(b), text);
    assert_int_not_equal(got_a, got_b);
    return got_b;
}

static void shared_domains(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    struct wire *a = join_c2s(h, "c2s-1.h"), *b = join_c2s(h, "c2s-2.h");
    struct wire *irc = join_irc(h);
    int seen[2] = {0, 0};
    char text[256];
    for (int i = 0; i < 20; i++) {
        /* All resources of a user, and the bare address, go to one member. */
        snprintf(text, sizeof text, "<message from='irc.h/%d' to='user%d@h' id='m'/>", i, i);
        wire_say(irc, text);
        int who = who_got(a, b, "id='m'");
        seen[who]++;
        snprintf(text, sizeof text, "<message from='u%d@irc.h' to='user%d@h/r%d' id='m'/>", i, i,
                 i);
        wire_say(irc, text);
        assert_int_equal(who_got(a, b, "id='m'"), who);
        /* What a sender says to the domain itself goes to one member. */
        snprintf(text, sizeof text, "<iq type='get' from='u%d@irc.h/x' to='h' id='m'/>", i);
        wire_say(irc, text);
        who = who_got(a, b, "id='m'");
        seen[who]++;
        snprintf(text, sizeof text, "<iq type='get' from='u%d@irc.h/y' to='h/any' id='m'/>", i);
        wire_say(irc, text);
        assert_int_equal(who_got(a, b, "id='m'"), who);
    }
    assert_true(seen[0] > 5 && seen[1] > 5);
    wire_say(irc, "<iq type='result' from='irc.h' to='h/c2s-2' id='m'/>");
    assert_int_equal(who_got(a, b, "id='m'"), 1);
    wire_say(irc, "<iq type='result' from='irc.h' to='h/c2s-1' id='m'/>");
    assert_int_equal(who_got(a, b, "id='m'"), 0);
    wire_say(irc, "<iq type='result' from='irc.h' to='c2s-2.h' id='m'/>");
    assert_int_equal(who_got(a, b, "id='m'"), 1);
    wire_free(&b);
    for (int i = 0; i < 4; i++) {
        snprintf(text, sizeof text, "<message from='irc.h' to='user%d@h' id='m'/>", i);
        wire_say(irc, text);
        wire_expect(a, "id='m'");
    }
    house_free(h);
}
AT_ALL_CHUNKS(shared_domains)

/* --- claims ----------------------------------------------------------------------------------- */

static void claims_decide(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    struct wire *a = join_c2s(h, "c2s-1.h"), *b = join_c2s(h, "c2s-2.h");
    struct wire *irc = join_irc(h);
    char text[256];
    for (int i = 0; i < 8; i++) {
        snprintf(text, sizeof text, "<claim" EXT " id='7' jid='user%d@h'/>", i);
        wire_say(b, text);
        assert_string_equal(wire_heard(b), text); /* granted: as it was asked */
        wire_say(a, text);
        snprintf(text, sizeof text, "<claim" EXT " id='7' jid='user%d@h' owner='c2s-2.h'/>", i);
        assert_string_equal(wire_heard(a), text);
        snprintf(text, sizeof text, "<message from='irc.h' to='user%d@h/r' id='m'/>", i);
        wire_say(irc, text);
        wire_expect(b, "id='m'");
        expect_nothing(a);
    }
    assert_int_equal(claims_count(&h->router->claims), 8);
    wire_free(&b);
    assert_int_equal(claims_count(&h->router->claims), 0);
    wire_say(irc, "<message from='irc.h' to='user1@h/r' id='m'/>");
    wire_expect(a, "id='m'");
    house_free(h);
}
AT_ALL_CHUNKS(claims_decide)

/* Whoever leaves a shared domain owns nobody there any more. */
static void unbinding_drops_claims(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    struct wire *a = join_c2s(h, "c2s-1.h"), *b = join_c2s(h, "c2s-2.h");
    struct wire *irc = join_irc(h);
    wire_say(a, "<claims" EXT ">u@h\nv@h</claims><unbind" EXT " id='2' name='h'/>");
    wire_expect(a, OK("unbind", "2"));
    assert_int_equal(claims_count(&h->router->claims), 0);
    wire_say(irc, "<message from='irc.h' to='u@h' id='m'/><message from='irc.h' to='h/c2s-1'/>");
    wire_expect(b, "to='h/c2s-1'");
    expect_nothing(a);
    house_free(h);
}
AT_ALL_CHUNKS(unbinding_drops_claims)

static void bad_claims(size_t chunk)
{
    static const struct {
        const char *jid, *cond;
    } cases[] = {
        {"u@x", "forbidden"},     {"u@n", "forbidden"},     {"u@irc.h", "forbidden"},
        {"h", "bad-request"},     {"u@h/r", "bad-request"}, {"@h", "bad-request"},
        {"", "bad-request"},
    };
    struct house *h = house_new(chunk, 0);
    struct wire *a = join_c2s(h, "c2s-1.h");
    char text[256];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(text, sizeof text, "<claim" EXT " id='1' jid='%s'/>", cases[i].jid);
        wire_say(a, text);
        snprintf(text, sizeof text,
                 "<claim" EXT " id='1' jid='%s' type='error'><%s xmlns='" NS_STANZA_ERRORS
                 "'/></claim>",
                 cases[i].jid, cases[i].cond);
        assert_string_equal(wire_heard(a), text);
    }
    wire_say(a, "<release" EXT " id='1' jid='u@h'/>");
    wire_expect(a, STANZA_ERROR("item-not-found"));
    wire_say(a, "<released-ok" EXT " jid='u@h'/><nak" EXT "/>");
    expect_nothing(a);
    assert_int_equal(claims_count(&h->router->claims), 0);
    house_free(h);
}
AT_ALL_CHUNKS(bad_claims)

static void bulk_claims(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    struct wire *a = join_c2s(h, "c2s-1.h"), *b = join_c2s(h, "c2s-2.h");
    wire_say(a, "<claims" EXT " id='1'>u@h\nv@h\nW@h\n</claims>");
    assert_string_equal(wire_heard(a), "<claims" EXT " id='1'></claims>");
    wire_say(b, "<claims" EXT " id='2'>x@h\nv@h\n@@\nw@h</claims>");
    assert_string_equal(wire_heard(b), "<claims" EXT " id='2'><claim jid='v@h' owner='c2s-1.h'/>"
                                       "<claim jid='w@h' owner='c2s-1.h'/></claims>");
    assert_int_equal(claims_count(&h->router->claims), 4);
    wire_say(b, "<claims" EXT " id='3'/>");
    assert_string_equal(wire_heard(b), "<claims" EXT " id='3'></claims>");
    /* In a fence: refused for now, granted when its turn has come. */
    wire_say(a, "<release" EXT " id='4' jid='u@h'/>");
    wire_say(b, "<claims" EXT " id='5'>u@h</claims>");
    wire_expect(b, "<claim jid='u@h' owner='c2s-1.h'/>");
    wire_say(a, "<released-ok" EXT " jid='u@h'/>");
    assert_string_equal(wire_heard(b), "<claim" EXT " jid='u@h'/>");
    house_free(h);
}
AT_ALL_CHUNKS(bulk_claims)

static void fences_hold(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    struct wire *a = join_c2s(h, "c2s-1.h"), *b = join_c2s(h, "c2s-2.h");
    struct wire *irc = join_irc(h), *s2s = join_s2s(h);
    wire_say(a, "<claim" EXT " id='1' jid='u@h'/>");
    wire_heard(a);
    wire_say(a, "<release" EXT " id='2' jid='u@h'/>");
    assert_string_equal(wire_heard(a), "<released" EXT " id='2' jid='u@h'/>");
    wire_say(irc, "<message from='irc.h' to='u@h' id='m1'><body>&lt;1&gt;</body></message>");
    wire_say(b, "<claim" EXT " id='3' jid='u@h'/>");
    wire_say(s2s, "<message from='x@y' to='u@h/r' id='m2'><body>2</body></message>");
    wire_say(irc, "<message from='irc.h' to='v@h' id='other'/>");
    who_got(a, b, "id='other'");
    expect_nothing(a);
    expect_nothing(b);
    wire_say(a, "<released-ok" EXT " id='9' jid='u@h'/>");
    assert_string_equal(wire_heard(b),
                        "<claim" EXT " id='3' jid='u@h'/>"
                        "<message to='u@h' from='irc.h' id='m1'><body>&lt;1&gt;</body></message>"
                        "<message from='x@y' to='u@h/r' id='m2'><body>2</body></message>");
    expect_nothing(a);
    house_free(h);
}
AT_ALL_CHUNKS(fences_hold)

static void owner_dies_in_its_fence(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    struct wire *a = join_c2s(h, "c2s-1.h"), *b = join_c2s(h, "c2s-2.h");
    struct wire *irc = join_irc(h);
    wire_say(a, "<claim" EXT " id='1' jid='u@h'/><release" EXT " id='2' jid='u@h'/>");
    wire_say(irc, "<message from='irc.h' to='u@h' id='m1'/>");
    wire_say(b, "<claim" EXT " id='3' jid='u@h'/>");
    wire_free(&a);
    assert_string_equal(wire_heard(b), "<claim" EXT " id='3' jid='u@h'/>"
                                       "<message to='u@h' from='irc.h' id='m1'/>");
    house_free(h);
}
AT_ALL_CHUNKS(owner_dies_in_its_fence)

/* What is held beyond the bound comes back; what is held when nobody is left, too. */
static void fences_are_bounded(void **state)
{
    struct house *h = house_new(0, 0);
    struct wire *a = join_c2s(h, "c2s-1.h"), *irc = join_irc(h);
    (void)state;
    wire_say(a, "<claim" EXT " id='1' jid='u@h'/><release" EXT " id='2' jid='u@h'/>");
    for (int i = 0; i < CLAIM_HOLD_STANZAS; i++)
        wire_say(irc, "<message from='irc.h' to='u@h' id='m1'/>");
    expect_nothing(irc);
    wire_say(irc, "<message from='irc.h' to='u@h' id='m2'/>");
    wire_expect(irc, STANZA_ERROR("resource-constraint"));
    wire_free(&a);
    const char *heard = wire_heard(irc);
    int bounced = 0;
    for (const char *at = heard; (at = strstr(at, STANZA_ERROR("service-unavailable"))); at++)
        bounced++;
    /* Answers, too, stop at the cap of who does not read; here all but those fit. */
    assert_int_equal(bounced + (int)h->router->counters.lost, CLAIM_HOLD_STANZAS);
    house_free(h);
}

/* --- watching --------------------------------------------------------------------------------- */

static void watching(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    struct wire *a = join_c2s(h, "c2s-1.h"), *irc = join_irc(h);
    wire_say(a, "<watch" EXT " id='1'/>");
    const char *heard = wire_heard(a);
    assert_non_null(strstr(heard, "<route" EXT " name='irc.h' state='up'/>"));
    assert_non_null(strstr(heard, "<route" EXT " name='h' state='up'/>"));
    assert_null(strstr(heard, "c2s-1.h"));
    struct wire *b = join_c2s(h, "c2s-2.h"); /* neither its name nor a second binding of h */
    struct wire *s2s = join_s2s(h);          /* nor the default route */
    expect_nothing(a);
    struct wire *bot = join_bot(h);
    assert_string_equal(wire_heard(a), "<route" EXT " name='bot.h' state='up'/>");
    wire_free(&bot);
    assert_string_equal(wire_heard(a), "<route" EXT " name='bot.h' state='down'/>");
    wire_free(&b);
    wire_free(&s2s);
    expect_nothing(a);
    wire_say(irc, "</stream:stream>");
    wire_expect(a, "<route" EXT " name='irc.h' state='down'/>");
    house_free(h);
}
AT_ALL_CHUNKS(watching)

/* A component that has not used the extension is sent stanzas and nothing else. */
static void plain_components_hear_stanzas_only(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    struct wire *irc = join_irc(h), *a = join_c2s(h, "c2s-1.h");
    struct wire *bot = join_bot(h), *s2s = join_s2s(h);
    wire_say(a, "<claim" EXT " id='1' jid='u@h'/><watch" EXT "/>");
    wire_free(&s2s);
    wire_free(&bot);
    wire_free(&a);
    expect_nothing(irc);
    house_free(h);
}
AT_ALL_CHUNKS(plain_components_hear_stanzas_only)

/* --- envelopes -------------------------------------------------------------------------------- */

static void envelopes(size_t chunk)
{
    struct house *h = house_new(chunk, 0);
    struct wire *a = join_c2s(h, "c2s-1.h"), *b = join_c2s(h, "c2s-2.h");
    struct wire *irc = join_irc(h);
#define INNER "<message from='x@y' to='u@h/r'><body>&lt;</body></message></envelope>"
    static const char sent[] = "<envelope" EXT " to='c2s-2.h' from='c2s-1.h'>" INNER;
    wire_say(a, sent);
    assert_string_equal(wire_heard(b), sent);
    expect_nothing(a);
    static const char *const lost[] = {"c2s-3.h", "h", "irc.h", "example.org"};
    for (size_t i = 0; i < ARRAY_LEN(lost); i++) {
        char text[512], expected[512];
        snprintf(text, sizeof text, "<envelope" EXT " to='%s' from='c2s-1.h'>" INNER, lost[i]);
        snprintf(expected, sizeof expected,
                 "<envelope" EXT
                 " type='error' condition='service-unavailable' from='%s' to='c2s-1.h'>" INNER,
                 lost[i]);
        wire_say(a, text);
        assert_string_equal(wire_heard(a), expected);
    }
    /* A returned envelope is not returned. */
    wire_say(a, "<envelope" EXT " type='error' to='c2s-3.h' from='c2s-1.h'>" INNER);
    expect_nothing(a);
    /* With an entity in its tag it goes through the parser. */
    wire_say(a, "<envelope" EXT " to='c2s-2.h/a&amp;b' from='c2s-1.h'>" INNER);
    wire_expect(b, "<body>&lt;</body></message></envelope>");
    /* Third-party components have no envelopes; nobody sends in another's name. */
    wire_say(irc, "<envelope" EXT " to='c2s-2.h' from='irc.h'>" INNER);
    expect_nothing(b);
    wire_say(a, "<envelope" EXT " to='c2s-2.h' from='c2s-2.h'>" INNER);
    expect_nothing(b);
    wire_expect_end(a, STREAM_ERROR("invalid-from"));
    house_free(h);
}
AT_ALL_CHUNKS(envelopes)

/* What an envelope says is believed by its reader: only those who share domains talk so. */
static void envelopes_of_others(size_t chunk)
{
    static const char *const names[][2] = {{"net.h", NET_SECRET}, {"s2s.h", S2S_SECRET}};
    struct house *h = house_new(chunk, 0);
    struct wire *c2s = join_c2s(h, "c2s-1.h");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char text[512];
        struct wire *w = join(h, names[i][0], names[i][1]);
        wire_say(w, fill(text, sizeof text, "<envelope" EXT " to='c2s-1.h' from='%s'>" INNER,
                         names[i][0]));
        wire_expect(w, " condition='service-unavailable'");
        expect_nothing(c2s);
        wire_say(c2s, fill(text, sizeof text, "<envelope" EXT " to='%s' from='c2s-1.h'>" INNER,
                           names[i][0]));
        wire_expect(c2s, " condition='service-unavailable'");
        expect_nothing(w);
        wire_free(&w);
    }
    house_free(h);
}
AT_ALL_CHUNKS(envelopes_of_others)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bind_cases_at_all),
        cmocka_unit_test(bound_names_work_until_unbound_at_all),
        cmocka_unit_test(default_is_one_at_all),
        cmocka_unit_test(shared_domains_at_all),
        cmocka_unit_test(claims_decide_at_all),
        cmocka_unit_test(unbinding_drops_claims_at_all),
        cmocka_unit_test(bad_claims_at_all),
        cmocka_unit_test(bulk_claims_at_all),
        cmocka_unit_test(fences_hold_at_all),
        cmocka_unit_test(owner_dies_in_its_fence_at_all),
        cmocka_unit_test(fences_are_bounded),
        cmocka_unit_test(watching_at_all),
        cmocka_unit_test(plain_components_hear_stanzas_only_at_all),
        cmocka_unit_test(envelopes_at_all),
        cmocka_unit_test(envelopes_of_others_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
