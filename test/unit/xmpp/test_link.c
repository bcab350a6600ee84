/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The component's end of XEP-0114 against a scripted router.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../wire.h"
#include "base/mem.h"
#include "tls/crypto.h"
#include "xml/parser.h"
#include "xmpp/link.h"
#include "xmpp/ns.h"
#include "xmpp/stream.h"

#define HEAD                                                                                       \
    "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "                         \
    "xmlns:stream='http://etherx.jabber.org/streams' id='3BF96D32' from='c.h'>"
#define R "xmlns='http://kontalk.org/extensions/router'"

struct play {
    struct loop *loop;
    struct wire *router; /* of the newest connection */
    struct wire *old;
    size_t chunk;
    struct link *link;
    unsigned connects, ups, downs, stanzas, safe, failed, gone;
    bool refuse;
    bool claim_on_up;
    char claim[256], released[64], route[64];
};

static struct conn *on_connect_wanted(void *ctx)
{
    struct play *p = ctx;
    struct conn *near;
    p->connects++;
    if (p->refuse)
        return NULL;
    p->old = p->router;
    p->router = wire_new(p->loop, p->chunk, &near);
    if (p->old)
        wire_free(&p->old);
    return near;
}

static void on_up(void *ctx)
{
    struct play *p = ctx;
    p->ups++;
    if (!p->claim_on_up)
        return;
    link_claims_begin(p->link);
    link_claims_add(p->link, SPAN("u1@h"));
    link_claims_add(p->link, SPAN("u2@h"));
    link_claims_end(p->link);
}

static void on_down(void *ctx)
{
    struct play *p = ctx;
    p->downs++;
}

static void on_stanza(void *ctx, struct stanza *stanza)
{
    struct play *p = ctx;
    (void)stanza;
    p->stanzas++;
}

static void on_claim(void *ctx, struct span jid, struct span owner)
{
    struct play *p = ctx;
    size_t n = strlen(p->claim);
    snprintf(p->claim + n, sizeof p->claim - n, "%.*s=%.*s;", SPAN_ARG(jid), SPAN_ARG(owner));
}

static void on_released(void *ctx, struct span jid)
{
    struct play *p = ctx;
    snprintf(p->released, sizeof p->released, "%.*s", SPAN_ARG(jid));
    link_released_ok(p->link, jid);
}

static void on_route(void *ctx, struct span name, bool is_up)
{
    struct play *p = ctx;
    snprintf(p->route, sizeof p->route, "%.*s %s", SPAN_ARG(name), is_up ? "up" : "down");
}

static void on_done(void *ctx, bool safe)
{
    struct play *p = ctx;
    if (safe)
        p->safe++;
    else
        p->failed++;
}

static void on_gone(void *ctx)
{
    struct play *p = ctx;
    p->gone++;
}

static const struct link_events events = {
    .on_up = on_up,
    .on_down = on_down,
    .on_stanza = on_stanza,
    .on_claim = on_claim,
    .on_released = on_released,
    .on_route = on_route,
};

static const struct link_bind binds[] = {{.name = {"h", 1}, .shared = true}};

static struct play *play_new(size_t chunk)
{
    struct play *p = mem_zalloc(sizeof *p);
    p->loop = loop_new_sim();
    p->chunk = chunk;
    crypto_simulate(42);
    struct link_opts opts = {
        .name = SPAN("c.h"),
        .secret = SPAN("test"),
        .binds = binds,
        .bind_count = 1,
        .queue_max = 4096,
        .watch = true,
        .connect = on_connect_wanted,
        .connect_ctx = p,
    };
    p->link = link_new(p->loop, &opts, &events, p);
    return p;
}

static void play_free(struct play *p)
{
    if (p->link)
        link_close(&p->link, on_gone, p);
    if (p->router)
        wire_free(&p->router);
    loop_sim_advance(p->loop, 20000);
    assert_int_equal(p->gone, 1);
    loop_free(&p->loop);
    xml_parser_shared_free();
    crypto_simulate(0);
    free(p);
}

static void come_up(struct play *p)
{
    loop_sim_advance(p->loop, 0);
    wire_expect(p->router, "to='c.h'");
    wire_say(p->router, HEAD);
    wire_expect(p->router, "<handshake>");
    wire_say(p->router, "<handshake/>");
    wire_expect(p->router, "<bind " R " id='1' name='h' shared='true'/><watch " R " id='2'/>");
    wire_say(p->router, "<bind " R " type='result' id='1'/>");
}

static bool send_message(struct play *p, const char *id)
{
    struct buf *out = link_begin(p->link, (struct link_done){on_done, p});
    if (!out)
        return false;
    buf_printf(out, "<message to='x@y' from='u@h' id='%s'/>", id);
    link_end(p->link);
    loop_sim_settle(p->loop);
    return true;
}

#define AT_ALL_CHUNKS(test)                                                                        \
    static void test##_at_all(void **state)                                                        \
    {                                                                                              \
        (void)state;                                                                               \
        for (size_t i = 0; i < WIRE_CHUNKS; i++)                                                   \
            test(wire_chunks[i]);                                                                  \
    }

/* The example of XEP-0114: id 3BF96D32, secret test. */
static void handshake_digest(void **state)
{
    char digest[41];
    (void)state;
    link_handshake(SPAN("3BF96D32"), SPAN("test"), digest);
    assert_string_equal(digest, "aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e");
}

/* Other makes of router have longer ids than ours. */
static void handshake_of_a_long_id(void **state)
{
#define LONG_ID "2f7d9a7e-94f4-4c0c-9b0b-1c2f6f0f2d11-and-a-half"
    char digest[41];
    (void)state;
    struct play *p = play_new(0);
    loop_sim_advance(p->loop, 0);
    wire_say(p->router, "<stream:stream xmlns='jabber:component:accept' from='c.h' id='" LONG_ID
                        "' xmlns:stream='http://etherx.jabber.org/streams'>");
    link_handshake(SPAN(LONG_ID), SPAN("test"), digest);
    wire_expect(p->router, digest);
    play_free(p);
}

static void comes_up_and_relays(size_t chunk)
{
    struct play *p = play_new(chunk);
    come_up(p);
    assert_int_equal(p->ups, 1);
    assert_true(link_is_up(p->link));
    assert_true(send_message(p, "m1"));
    wire_expect(p->router, "<message to='x@y' from='u@h' id='m1'/>");
    assert_int_equal(p->safe, 1);
    wire_say(p->router, "<message to='u@h' from='x@y'/><iq xmlns='jabber:client' to='h' "
                        "from='x@y' type='get' id='1'/>");
    assert_int_equal(p->stanzas, 2);
    play_free(p);
}
AT_ALL_CHUNKS(comes_up_and_relays)

/* What is sent while the router is away waits, in order, bounded; each has its one completion. */
static void queues_while_away(size_t chunk)
{
    struct play *p = play_new(chunk);
    assert_true(send_message(p, "m1"));
    assert_true(send_message(p, "m2"));
    assert_int_equal(p->safe, 0);
    p->claim_on_up = true;
    come_up(p);
    wire_expect(p->router, "<claims " R " id='3'>u1@h\nu2@h\n</claims>"
                           "<message to='x@y' from='u@h' id='m1'/>"
                           "<message to='x@y' from='u@h' id='m2'/>");
    assert_int_equal(p->safe, 2);
    play_free(p);
}
AT_ALL_CHUNKS(queues_while_away)

static void full_queue_refuses(void **state)
{
    struct play *p = play_new(0);
    unsigned sent = 0;
    (void)state;
    while (send_message(p, "m"))
        sent++;
    assert_true(sent > 50 && sent < 150);
    assert_int_equal(p->failed, 1);
    link_close(&p->link, on_gone, p);
    assert_int_equal(p->failed, 1 + sent);
    play_free(p);
}

static void on_feeding_closed(struct stream *s)
{
    struct link_feeder *f = s->ctx;
    link_feed_end(f);
}

static const struct stream_role feeder_role = {
    .name = "feeder", .ns = NS_CLIENT, .on_closed = on_feeding_closed};

/* A stream that gives the link a stanza for each that it reads, until it is not read. */
struct feeding {
    struct wire *far;
    struct stream stream;
    struct link_feeder feeder;
};

static void feed(struct play *p, struct feeding *f)
{
    struct conn *near;
    if (!f->far) {
        f->far = wire_new(p->loop, 0, &near);
        stream_init(&f->stream, &feeder_role, p->loop, near, &f->feeder);
    }
    while (!f->stream.paused && send_message(p, "m"))
        link_feed(p->link, &f->feeder, &f->stream);
}

static void feed_end(struct feeding *f)
{
    stream_abort(&f->stream);
    wire_free(&f->far);
    assert_null(f->feeder.stream);
}

/* Beyond half of the queue nobody is read who would fill it; below a quarter they are again. There
 * is room between for what others say. */
static void feeders_wait_for_a_slow_router(void **state)
{
    struct play *p = play_new(0);
    struct feeding one = {0}, two = {0};
    (void)state;
    come_up(p);
    conn_pause(p->router->conn);
    feed(p, &one);
    assert_int_equal(one.stream.paused, 1);
    unsigned sent = p->safe;
    assert_true(send_message(p, "m"));
    link_feed(p->link, &one.feeder, &one.stream); /* of what had been read before */
    assert_int_equal(one.stream.paused, 1);
    feed(p, &two);
    assert_int_equal(p->safe, sent + 2);
    assert_int_equal(p->failed, 0);
    conn_resume(p->router->conn);
    loop_sim_settle(p->loop);
    assert_int_equal(one.stream.paused + two.stream.paused, 0);
    assert_int_equal(p->failed, 0);
    feed_end(&one);
    feed_end(&two);
    play_free(p);
}

/* A router that goes lets all go: what comes then waits for it, or is refused. */
static void feeders_do_not_wait_for_a_router_that_is_away(void **state)
{
    struct play *p = play_new(0);
    struct feeding one = {0}, two = {0};
    (void)state;
    come_up(p);
    conn_pause(p->router->conn);
    feed(p, &one);
    feed(p, &two);
    feed_end(&two);
    assert_int_equal(one.stream.paused, 1);
    p->refuse = true;
    conn_abort(p->router->conn, 0);
    loop_sim_settle(p->loop);
    assert_int_equal(p->downs, 1);
    assert_int_equal(one.stream.paused, 0);
    feed(p, &one);
    assert_int_equal(one.stream.paused, 0);
    assert_int_equal(p->failed, 1);
    feed_end(&one);
    play_free(p);
}

static void reconnects_for_ever(void **state)
{
    struct play *p = play_new(0);
    (void)state;
    p->refuse = true;
    loop_sim_advance(p->loop, 60000);
    /* 0.1 s doubling to 2 s, with jitter */
    assert_true(p->connects >= 24 && p->connects <= 48);
    p->refuse = false;
    loop_sim_advance(p->loop, 2600);
    come_up(p);
    assert_int_equal(p->ups, 1);
    wire_free(&p->router);
    assert_int_equal(p->downs, 1);
    loop_sim_advance(p->loop, 200);
    come_up(p);
    assert_int_equal(p->ups, 2);
    play_free(p);
}

static void refused_bind_comes_back(void **state)
{
    struct play *p = play_new(0);
    (void)state;
    loop_sim_advance(p->loop, 0);
    wire_say(p->router, HEAD "<handshake/><bind " R " type='error' id='1'><conflict "
                             "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></bind>");
    wire_expect(p->router, "</stream:stream>");
    assert_int_equal(p->ups, 0);
    loop_sim_advance(p->loop, 8000);
    assert_true(p->connects >= 2);
    play_free(p);
}

static void silent_router_is_dead(void **state)
{
    struct play *p = play_new(0);
    (void)state;
    come_up(p);
    loop_sim_advance(p->loop, 14000);
    assert_int_equal(p->downs, 0);
    loop_sim_advance(p->loop, 2000);
    assert_int_equal(p->downs, 1);
    play_free(p);
}

static void beating_router_lives(void **state)
{
    struct play *p = play_new(0);
    (void)state;
    come_up(p);
    for (int i = 0; i < 20; i++) {
        loop_sim_advance(p->loop, 5000);
        wire_say(p->router, " ");
        wire_expect(p->router, " "); /* and we beat, too */
    }
    assert_int_equal(p->downs, 0);
    play_free(p);
}

static void speaks_the_extension(size_t chunk)
{
    struct play *p = play_new(chunk);
    come_up(p);
    link_claim(p->link, SPAN("u@h"));
    loop_sim_settle(p->loop);
    wire_expect(p->router, "<claim " R " id='3' jid='u@h'/>");
    wire_say(p->router, "<claim " R " id='3' jid='u@h'/>");
    assert_string_equal(p->claim, "u@h=;");
    wire_say(p->router, "<claims " R " id='4'><claim jid='v@h' owner='d.h'/></claims>");
    assert_string_equal(p->claim, "u@h=;v@h=d.h;");
    link_release(p->link, SPAN("u@h"));
    loop_sim_settle(p->loop);
    wire_expect(p->router, "<release " R " id='4' jid='u@h'/>");
    wire_say(p->router, "<released " R " id='4' jid='u@h'/>");
    assert_string_equal(p->released, "u@h");
    wire_expect(p->router, "<released-ok " R " id='5' jid='u@h'/>");
    wire_say(p->router, "<route " R " name='irc.h' state='up'/><novelty " R "/>");
    assert_string_equal(p->route, "irc.h up");
    assert_true(link_is_up(p->link));
    play_free(p);
}
AT_ALL_CHUNKS(speaks_the_extension)

/* X16, X10 on a link: the one bad stanza is dropped, its neighbours and the link are not. */
static void survives_a_bad_stanza(size_t chunk)
{
    struct play *p = play_new(chunk);
    come_up(p);
    wire_say(p->router, "<message to='u@h' from='a@b'/>"
                        "<message to='u@h' from='a@b'><x:y/></message>"
                        "<message to='u@h' from='a@b'/>");
    assert_int_equal(p->stanzas, 2);
    assert_true(link_is_up(p->link));
    play_free(p);
}
AT_ALL_CHUNKS(survives_a_bad_stanza)

static void closes_in_order(size_t chunk)
{
    struct play *p = play_new(chunk);
    come_up(p);
    assert_true(send_message(p, "last"));
    link_close(&p->link, on_gone, p);
    loop_sim_settle(p->loop);
    wire_expect(p->router, "id='last'/></stream:stream>");
    wire_say(p->router, "</stream:stream>");
    loop_sim_advance(p->loop, 100);
    assert_int_equal(p->gone, 1);
    play_free(p);
}
AT_ALL_CHUNKS(closes_in_order)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_digest),
        cmocka_unit_test(handshake_of_a_long_id),
        cmocka_unit_test(comes_up_and_relays_at_all),
        cmocka_unit_test(queues_while_away_at_all),
        cmocka_unit_test(full_queue_refuses),
        cmocka_unit_test(feeders_wait_for_a_slow_router),
        cmocka_unit_test(feeders_do_not_wait_for_a_router_that_is_away),
        cmocka_unit_test(reconnects_for_ever),
        cmocka_unit_test(refused_bind_comes_back),
        cmocka_unit_test(silent_router_is_dead),
        cmocka_unit_test(beating_router_lives),
        cmocka_unit_test(speaks_the_extension_at_all),
        cmocka_unit_test(survives_a_bad_stanza_at_all),
        cmocka_unit_test(closes_in_order_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
