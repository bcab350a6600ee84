/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * XEP-0352 in a whole c2s: what an inactive client is spared, and that nothing else is lost or
 * changes its order.
 */
#include "managed.h"

#define INACTIVE "<inactive xmlns='urn:xmpp:csi:0'/>"
#define ACTIVE "<active xmlns='urn:xmpp:csi:0'/>"
#define CHATSTATES "xmlns='http://jabber.org/protocol/chatstates'"

static void say_presence(struct wire *w, unsigned number)
{
    say_number(w, "<presence to='romeo@capulet.example/a'><status>#</status></presence>", number);
}

/* With and without stream management it is the same. */
static void each_way(void (*run)(struct house *h, struct wire *a, struct wire *b, struct wire *c))
{
    static const char *const first[] = {"", "<enable xmlns='urn:xmpp:sm:3'/>",
                                        "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"};
    for (size_t i = 0; i < ARRAY_LEN(first); i++) {
        struct house *h = house_new("", no_router);
        struct wire *a = enter(h, ROMEO, "a"), *b = enter(h, JULIET, "b");
        struct wire *c = enter(h, JULIET, "c");
        wire_say(a, first[i]);
        wire_say(a, INACTIVE);
        wire_heard(a);
        run(h, a, b, c);
        wire_free(&a);
        wire_free(&b);
        wire_free(&c);
        house_free(h);
    }
}

/* Between all of it may be questions of stream management. */
static void hear_stanzas(struct wire *w, const char *text)
{
    struct buf kept = {0};
    const char *heard = wire_heard(w), *r;
    while ((r = strstr(heard, "<r xmlns='urn:xmpp:sm:3'/>")) != NULL) {
        buf_append(&kept, span_make(heard, (size_t)(r - heard)));
        heard = r + strlen("<r xmlns='urn:xmpp:sm:3'/>");
    }
    buf_append_z(&kept, heard);
    if (strcmp(buf_z(&kept), text) != 0)
        fail_msg("expected: %s\n   heard: %s", text, buf_z(&kept));
    buf_free(&kept);
}

#define FROM(who) "<presence to='romeo@capulet.example/a' from='juliet@capulet.example/" who "'>"
#define STATUS(who, number) FROM(who) "<status>" number "</status></presence>"

static void only_the_latest(struct house *h, struct wire *a, struct wire *b, struct wire *c)
{
    say_presence(b, 1);
    say_presence(c, 2);
    say_presence(b, 3);
    say_presence(b, 4);
    loop_sim_advance(h->loop, 30000);
    hear_stanzas(a, "");
    wire_say(a, ACTIVE);
    hear_stanzas(a, STATUS("c", "2") STATUS("b", "4"));
    say_presence(b, 5);
    hear_stanzas(a, STATUS("b", "5"));
    /* Said twice, it means the same. */
    wire_say(a, INACTIVE INACTIVE);
    wire_say(b, "<presence to='romeo@capulet.example/a' type='unavailable'/>");
    hear_stanzas(a, "");
    wire_say(a, ACTIVE ACTIVE);
    wire_expect(a, "type='unavailable'");
}

static void presence_waits_for_its_latest(void **state)
{
    (void)state;
    each_way(only_the_latest);
}

#define MESSAGE_B "<message to='romeo@capulet.example/a' from='juliet@capulet.example/b'"

static void in_order(struct house *h, struct wire *a, struct wire *b, struct wire *c)
{
    static const struct {
        const char *said, *heard;
    } important[] = {
        {"<message to='romeo@capulet.example/a' id='1'><body>1</body></message>",
         MESSAGE_B " id='1'><body>1</body></message>"},
        {"<message to='romeo@capulet.example/a' id='2'><body>1</body><composing " CHATSTATES
         "/></message>",
         MESSAGE_B " id='2'><body>1</body><composing " CHATSTATES "/></message>"},
        {"<message to='romeo@capulet.example/a' id='3'><composing " CHATSTATES
         "/><x xmlns='y'/></message>",
         MESSAGE_B " id='3'><composing " CHATSTATES "/><x xmlns='y'/></message>"},
        {"<message to='romeo@capulet.example/a' id='4'/>", MESSAGE_B " id='4'/>"},
        {"<iq type='get' to='romeo@capulet.example/a' id='5'><x xmlns='y'/></iq>",
         "<iq to='romeo@capulet.example/a' from='juliet@capulet.example/b' id='5' type='get'>"
         "<x xmlns='y'/></iq>"},
    };
    struct buf wanted = {0};
    (void)h;
    for (size_t i = 0; i < ARRAY_LEN(important); i++) {
        say_presence(c, 1);
        say_presence(c, 2);
        wire_say(b, important[i].said);
        buf_clear(&wanted);
        buf_printf(&wanted, "%s%s", STATUS("c", "2"), important[i].heard);
        hear_stanzas(a, buf_z(&wanted));
    }
    say_presence(c, 3);
    hear_stanzas(a, "");
    /* Its own question: what is held comes before the answer. */
    wire_say(a, "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
    hear_stanzas(a, STATUS("c", "3") "<iq type='result' id='p' to='romeo@capulet.example/a'/>");
    buf_free(&wanted);
}

static void what_matters_comes_at_once(void **state)
{
    (void)state;
    each_way(in_order);
}

static void dropped(struct house *h, struct wire *a, struct wire *b, struct wire *c)
{
    (void)h, (void)c;
    say_presence(c, 1);
    wire_say(b, "<message to='romeo@capulet.example/a' type='chat'><composing " CHATSTATES
                "/></message>");
    wire_say(b, "<message to='romeo@capulet.example/a' type='chat'><paused " CHATSTATES
                "/><thread>t</thread><no-store xmlns='urn:xmpp:hints'/></message>");
    hear_stanzas(a, "");
    wire_say(a, ACTIVE);
    hear_stanzas(a, STATUS("c", "1"));
    wire_say(b, "<message to='romeo@capulet.example/a'><active " CHATSTATES "/></message>");
    hear_stanzas(a, MESSAGE_B "><active " CHATSTATES "/></message>");
}

static void who_types_is_not_told(void **state)
{
    (void)state;
    each_way(dropped);
}

/* As many as can be: the oldest go out. Held by one sender, it is one. */
static void what_is_held_is_bounded(void **state)
{
    struct buf big = {0};
    (void)state;
    struct house *h = house_new("[limits]\ninput_rate = 0\nstanza_rate = 0\n", no_router);
    struct wire *a = enter(h, ROMEO, "a"), *b = enter(h, JULIET, "b");
    wire_say(a, INACTIVE);
    struct seat *seat = seat_of_romeo(h);
    buf_printf(&big, "<presence to='romeo@capulet.example/a'><status>%04000d</status></presence>",
               1);
    for (int i = 0; i < 1000; i++)
        wire_say(b, buf_z(&big));
    hear_exactly(a, "");
    assert_in_range(csi_bytes(seat->csi), 4000, 140000);
    char one[160];
    for (unsigned i = 0; i < 1500; i++) {
        int n = snprintf(one, sizeof one, "<presence from='%u@x'/>", i);
        csi_put(seat, span_make(one, (size_t)n));
        assert_in_range(csi_bytes(seat->csi), 0, 140000);
    }
    loop_sim_settle(h->loop);
    const char *heard = wire_heard(a);
    assert_in_range(count_of(heard, "<presence "), 1000, 1100);
    wire_say(a, ACTIVE);
    heard = wire_heard(a);
    assert_non_null(strstr(heard, "<presence from='1499@x'/>"));
    wire_free(&a);
    wire_free(&b);
    buf_free(&big);
    house_free(h);
}

/* A stanza that asks something of the user is no news of who is there. */
static void questions_are_not_held(void **state)
{
    (void)state;
    struct house *h = house_new("", no_router);
    struct wire *a = enter(h, ROMEO, "a");
    wire_say(a, INACTIVE);
    struct seat *seat = seat_of_romeo(h);
    csi_put(seat, SPAN("<presence from='x@y'/>"));
    csi_put(seat, SPAN("<presence from='z@y' type='subscribe'/>"));
    csi_put(seat, SPAN("<presence/>")); /* from nobody */
    stream_flush(&seat->client->stream);
    loop_sim_settle(h->loop);
    hear_exactly(a, "<presence from='x@y'/><presence from='z@y' type='subscribe'/><presence/>");
    wire_free(&a);
    house_free(h);
}

/* Who is away is treated as inactive; who comes back is active (XEP-0352 section 5.1). */
static void a_client_that_is_away_is_inactive(void **state)
{
    char id[MANAGE_ID_LEN + 1];
    (void)state;
    struct house *h = house_new("", no_router);
    struct wire *a = enter(h, ROMEO, "a"), *b = enter(h, JULIET, "b"), *c = enter(h, JULIET, "c");
    enable(a, id);
    wire_say(a, INACTIVE);
    say_presence(b, 1);
    lose(&a);
    say_presence(b, 2);
    say_presence(c, 3);
    wire_say(b, "<message to='romeo@capulet.example/a'><composing " CHATSTATES "/></message>");
    say_presence(b, 4);
    a = resume(h, ROMEO, id, 0);
    const char *heard = wire_heard(a);
    assert_null(strstr(heard, "composing"));
    assert_int_equal(count_of(heard, "<presence "), 2);
    assert_non_null(strstr(heard, STATUS("c", "3") STATUS("b", "4")));
    say_presence(b, 5);
    hear_stanzas(a, STATUS("b", "5"));
    wire_say(a, "<a xmlns='urn:xmpp:sm:3' h='3'/>");
    assert_false(a->is_closed);
    assert_int_equal(seat_of_romeo(h)->manage->queue.count, 0);
    wire_free(&a);
    wire_free(&b);
    wire_free(&c);
    house_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(presence_waits_for_its_latest),
        cmocka_unit_test(what_matters_comes_at_once),
        cmocka_unit_test(who_types_is_not_told),
        cmocka_unit_test(what_is_held_is_bounded),
        cmocka_unit_test(questions_are_not_held),
        cmocka_unit_test(a_client_that_is_away_is_inactive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
