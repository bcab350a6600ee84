/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How fast a stream is read, in bytes, and how fast its stanzas are taken: with a role that counts
 * messages, in virtual time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../wire.h"
#include "base/mem.h"
#include "xmpp/ns.h"
#include "xmpp/stream.h"

#define HEAD                                                                                       \
    "<stream:stream to='h' version='1.0' xmlns='jabber:client' "                                   \
    "xmlns:stream='http://etherx.jabber.org/streams'>"
#define END "</stream:stream>"

struct host {
    struct stream stream;
    struct loop *loop;
    struct wire *wire;
    unsigned messages, closed;
};

static void on_header(struct stream *s, const struct stanza *header)
{
    (void)header;
    stream_send_header(s, &(struct stream_header){.from = SPAN("h")});
}

static void on_message(struct stream *s, struct stanza *stanza)
{
    struct host *h = s->ctx;
    (void)stanza;
    h->messages++;
    stream_spend_stanza(s);
}

static void on_closed(struct stream *s)
{
    struct host *h = s->ctx;
    h->closed++;
}

static const struct stream_rule rules[] = {{STREAM_IN(0), NS_CLIENT, "message", on_message}};
static const char *const states[] = {"open"};
static const struct stream_role role = {
    .name = "test",
    .ns = NS_CLIENT,
    .has_version = true,
    .state_names = states,
    .rules = rules,
    .rule_count = ARRAY_LEN(rules),
    .on_header = on_header,
    .on_closed = on_closed,
};

static struct host *host_new(size_t chunk)
{
    struct host *h = mem_zalloc(sizeof *h);
    struct conn *near;
    h->loop = loop_new_sim();
    h->wire = wire_new(h->loop, chunk, &near);
    stream_init(&h->stream, &role, h->loop, near, h);
    wire_say(h->wire, HEAD);
    wire_expect(h->wire, "<stream:stream");
    return h;
}

static void host_free(struct host *h)
{
    wire_free(&h->wire);
    loop_sim_advance(h->loop, 10000);
    assert_int_equal(h->closed, 1);
    loop_free(&h->loop);
    xml_parser_shared_free();
    free(h);
}

/* Each test below is called once for every chunk size. */
#define AT_ALL_CHUNKS(test)                                                                        \
    static void test##_at_all(void **state)                                                        \
    {                                                                                              \
        (void)state;                                                                               \
        for (size_t i = 0; i < WIRE_CHUNKS; i++)                                                   \
            test(wire_chunks[i]);                                                                  \
    }

static void say_hundred(struct host *h, unsigned times)
{
    static const char text[] = "<message to='a@h'>"
                               "0123456789012345678901234567890123456789"
                               "01234567890123456789012345678901<a/></message>";
    assert_int_equal(sizeof text - 1, 104);
    for (unsigned i = 0; i < times; i++)
        wire_say(h->wire, text);
}

/* Beyond its rate a peer is read later; nothing is lost or refused. */
static void slows_down(size_t chunk)
{
    struct host *h = host_new(chunk);
    say_hundred(h, 100);
    assert_int_equal(h->messages, 100); /* without a limit */
    stream_set_rate(&h->stream, 1040, 2080);
    say_hundred(h, 60);
    assert_in_range(h->messages, 120, 121);
    for (unsigned s = 1; s <= 3; s++) {
        loop_sim_advance(h->loop, 1000);
        assert_in_range(h->messages, 120 + 10 * s, 121 + 10 * s);
    }
    loop_sim_advance(h->loop, 1000);
    assert_int_equal(h->messages, 160);
    assert_true(stream_is_open(&h->stream));
    /* A rest is good for a burst, and for no more than one. */
    loop_sim_advance(h->loop, 100000);
    say_hundred(h, 30);
    assert_in_range(h->messages, 180, 181);
    host_free(h);
}
AT_ALL_CHUNKS(slows_down)

/* The same for stanzas, also when one read brings all of them; the clock is looked at for portions
 * only, which may be overdrawn by one. */
static void paces_stanzas(size_t chunk)
{
    struct host *h = host_new(chunk);
    stream_set_pace(&h->stream, 20, 60);
    struct buf all = {0};
    for (int i = 0; i < 120; i++)
        buf_append_z(&all, "<message to='a@h'/>");
    wire_say_span(h->wire, buf_span(&all));
    assert_in_range(h->messages, 60, 64);
    for (unsigned s = 1; s <= 2; s++) {
        loop_sim_advance(h->loop, 1000);
        assert_in_range(h->messages, 56 + 20 * s, 64 + 20 * s);
    }
    loop_sim_advance(h->loop, 1100);
    assert_int_equal(h->messages, 120);
    loop_sim_advance(h->loop, 100000);
    wire_say_span(h->wire, buf_span(&all));
    assert_in_range(h->messages, 180, 188);
    /* It can be told to go meanwhile. */
    stream_error(&h->stream, STREAM_POLICY_VIOLATION, NULL);
    wire_say(h->wire, END);
    wire_expect_end(h->wire, "<policy-violation");
    buf_free(&all);
    host_free(h);
}
AT_ALL_CHUNKS(paces_stanzas)

/* Both limits at once: each holds. */
static void paces_and_slows_down(void **state)
{
    (void)state;
    struct host *h = host_new(0);
    stream_set_pace(&h->stream, 20, 20);
    stream_set_rate(&h->stream, 1040, 1040); /* 10 messages */
    say_hundred(h, 200);
    loop_sim_advance(h->loop, 3000);
    assert_in_range(h->messages, 40, 42);
    stream_set_rate(&h->stream, 1040 * 10, 1040); /* now the other one is the narrower */
    unsigned before = h->messages;
    loop_sim_advance(h->loop, 3000);
    assert_in_range(h->messages - before, 60, 84);
    host_free(h);
}

/* No limit, and odd ones. */
static void paces_by_what_is_set(void **state)
{
    static const struct {
        uint64_t per_second, burst;
        unsigned at_once;
    } cases[] = {{0, 1, 100}, {10, 1, 1}, {10, 30, 30}, {1000000, 1000000, 100}, {100, 3, 3}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct host *h = host_new(0);
                stream_set_pace(&h->stream, cases[i].per_second, cases[i].burst);
        for (int n = 0; n < 100; n++)
            wire_say(h->wire, "<message to='a@h'/>");
        assert_in_range(h->messages, cases[i].at_once, cases[i].at_once + 10);
        host_free(h);
    }
}

/* Neither an unfinished stanza nor white space gets round it, and its end is seen in time. */
static void slows_down_whatever_comes(size_t chunk)
{
    struct host *h = host_new(chunk);
    stream_set_rate(&h->stream, 1000, 1000);
    wire_say(h->wire, "<message to='a@h'><body>");
    for (int i = 0; i < 30; i++)
        wire_say(h->wire, "12345678901234567890123456789012345678901234567890");
    wire_say(h->wire, "</body></message>");
    assert_int_equal(h->messages, 0);
    loop_sim_advance(h->loop, 700);
    assert_int_equal(h->messages, 1);
    uint64_t before = h->stream.bytes_in;
    for (int i = 0; i < 100; i++)
        wire_say(h->wire, "                                                  ");
    loop_sim_advance(h->loop, 1000);
    assert_in_range(h->stream.bytes_in - before, 900, 1200);
    /* Whoever is slowed down can be told to go, and can go. */
    stream_error(&h->stream, STREAM_POLICY_VIOLATION, NULL);
    wire_say(h->wire, END);
    wire_expect_end(h->wire, "<policy-violation");
    host_free(h);
}
AT_ALL_CHUNKS(slows_down_whatever_comes)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slows_down_at_all),
        cmocka_unit_test(slows_down_whatever_comes_at_all),
        cmocka_unit_test(paces_stanzas_at_all),
        cmocka_unit_test(paces_and_slows_down),
        cmocka_unit_test(paces_by_what_is_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
