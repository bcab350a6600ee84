/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A component with relays = true: it passes on what comes from outside, and only that.
 */
#include "house.h"

#define FAR_SECRET "far-0123456789abcdef0123456789ab"

static char *far_names[] = {"far.h", "**.far"};
static struct component far = {.section = "far", .secret = FAR_SECRET, .names = {far_names, 2},
                               .internal = true, .relays = true};

/* The components of the house, and this one. */
static struct house *house_with_far(size_t chunk)
{
    static struct component all[ARRAY_LEN(house_components) + 1];
    struct house *h = house_new(chunk, 0);
    memcpy(all, house_components, sizeof house_components);
    all[ARRAY_LEN(house_components)] = far;
    h->conf.components = all;
    h->conf.component_count = ARRAY_LEN(all);
    return h;
}

static struct wire *join_far(struct house *h)
{
    struct wire *w = join(h, "far.h", FAR_SECRET);
    wire_say(w, "<bind" EXT " id='b' name='beta.far'/><bind" EXT " id='c' name='rooms.beta.far'/>");
    wire_expect(w, "<bind" EXT " id='c' type='result'/>");
    return w;
}

static struct wire *join_both(struct house *h)
{
    struct wire *w = join_c2s(h, "c2s-1.h");
    wire_say(w, "<bind" EXT " id='n' name='n' shared='true'/>");
    wire_expect(w, "<bind" EXT " id='n' type='result'/>");
    return w;
}

static void it_speaks_for_its_names_and_for_strangers(size_t chunk)
{
    struct house *h = house_with_far(chunk);
    struct wire *c2s = join_both(h), *w = join_far(h);
    wire_say(w, "<message from='u@beta.far' to='u@h' id='1'/>");
    wire_expect(c2s, "id='1'");
    wire_say(w, "<message from='rooms.beta.far/x' to='u@h' id='2'/>");
    wire_expect(c2s, "id='2'");
    wire_say(w, "<message from='juliet@example.org/b' to='u@n' id='3'/>");
    wire_expect(c2s, "<message from='juliet@example.org/b' to='u@n' id='3'/>");
    /* What could not be passed on comes back from the domain that is shared. */
    wire_say(w, "<message type='error' from='u@n' to='u@h' id='4'/>");
    wire_expect(c2s, "id='4'");
    /* From a name that it may bind, and has not: it has gone, what came from it may be late. */
    wire_say(w, "<message from='late.beta.far/x' to='u@h' id='late'/>");
    wire_expect(c2s, "id='late'");
    wire_say(c2s, "<message from='u@h' to='v@beta.far' id='5'/>");
    wire_expect(w, "id='5'");
    house_free(h);
}
AT_ALL_CHUNKS(it_speaks_for_its_names_and_for_strangers)

static void it_speaks_for_nobody_else(size_t chunk)
{
    static const char *const lies[] = {
        "<message from='u@h' to='u@h'/>",                /* a domain of others */
        "<message from='u@n' to='u@h'/>",                /* no error */
        "<message type='error' from='bot.h' to='u@h'/>", /* a component that is here */
        "<message from='irc.h' to='u@h'/>",              /* one that may come */
        "<message from='u@H' to='u@h'/>",
        "<message from='IRC.h' to='u@h'/>",
    };
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        struct house *h = house_with_far(chunk);
        struct wire *c2s = join_both(h), *bot = join_bot(h), *w = join_far(h);
        wire_say(w, lies[i]);
        wire_expect_end(w, STREAM_ERROR("invalid-from"));
        expect_nothing(c2s);
        expect_nothing(bot);
        house_free(h);
    }
}
AT_ALL_CHUNKS(it_speaks_for_nobody_else)

/* Who shares a domain gives back what came by another name of a user, and nothing else. */
static void a_member_hands_over(size_t chunk)
{
    struct house *h = house_with_far(chunk);
    struct wire *c2s = join_both(h);
    wire_say(c2s, "<message from='juliet@example.org/b' to='u@h' id='1'/>");
    wire_expect(c2s, "<message to='u@h' from='juliet@example.org/b' id='1'/>");
    wire_say(c2s, "<message from='juliet@example.org/b' to='bot.h' id='2'/>");
    wire_expect_end(c2s, STREAM_ERROR("invalid-from"));
    house_free(h);
}
AT_ALL_CHUNKS(a_member_hands_over)

#define INNER "<message from='juliet@example.org' to='v@n'><body>&lt;</body></message></envelope>"

/* It is sent envelopes for the names that it holds, and has none of its own. */
static void it_is_sent_envelopes(size_t chunk)
{
    struct house *h = house_with_far(chunk);
    struct wire *c2s = join_both(h), *w = join_far(h);
    wire_say(c2s, "<envelope" EXT " to='beta.far' from='c2s-1.h'>" INNER);
    assert_string_equal(wire_heard(w), "<envelope" EXT " to='beta.far' from='c2s-1.h'>" INNER);
    wire_say(c2s, "<envelope" EXT " to='gamma.far' from='c2s-1.h'>" INNER);
    wire_expect(c2s, "condition='service-unavailable'");
    wire_say(w, "<envelope" EXT " to='c2s-1.h' from='beta.far'>" INNER);
    wire_expect(w, "condition='service-unavailable'");
    expect_nothing(c2s);
    house_free(h);
}
AT_ALL_CHUNKS(it_is_sent_envelopes)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_speaks_for_its_names_and_for_strangers_at_all),
        cmocka_unit_test(it_speaks_for_nobody_else_at_all),
        cmocka_unit_test(a_member_hands_over_at_all),
        cmocka_unit_test(it_is_sent_envelopes_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
