/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * house - a whole router on a simulated loop, and components on fake connections, for the tests of
 * this folder. Everything is static: each test is a program of its own.
 */
#ifndef TEST_ROUTER_HOUSE_H
#define TEST_ROUTER_HOUSE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "../wire.h"
#include "base/log.h"
#include "base/mem.h"
#include "router/router.h"
#include "xml/parser.h"
#include "xmpp/link.h"
#include "xmpp/ns.h"

#define HEAD(to)                                                                                   \
    "<stream:stream xmlns='jabber:component:accept' "                                              \
    "xmlns:stream='http://etherx.jabber.org/streams' to='" to "'>"
#define STREAM_ERROR(cond) "<" cond " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
#define STANZA_ERROR(cond) "<" cond " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
#define EXT " xmlns='" NS_ROUTER "'"

#define C2S_SECRET "c2s-0123456789abcdef0123456789ab"
#define S2S_SECRET "s2s-0123456789abcdef0123456789ab"
#define NET_SECRET "net-0123456789abcdef0123456789ab"

static char *c2s_names[] = {"c2s-*.h"}, *c2s_shared[] = {"h", "n"};
static char *s2s_names[] = {"s2s.h"};
static char *net_names[] = {"net.h", "*.n"};
static char *gate_names[] = {"gate.h", "*.gate.h"};
static struct component house_components[] = {
    {.section = "c2s", .secret = C2S_SECRET, .names = {c2s_names, 1}, .shared = {c2s_shared, 2},
     .internal = true},
    {.section = "s2s", .secret = S2S_SECRET, .names = {s2s_names, 1}, .is_default = true,
     .internal = true},
    {.section = "net", .secret = NET_SECRET, .names = {net_names, 2}, .internal = true},
    {.section = "irc.h", .secret = "irc"},
    {.section = "bot.h", .secret = "bot"},
    {.section = "gate", .secret = "gate", .names = {gate_names, 2}},
};

struct house {
    struct loop *loop;
    struct router_conf conf;
    struct router *router;
    struct list_node wires; /* those that are still there at the end */
    size_t chunk;
};

static inline void house_start(struct house *h)
{
    char error[CONF_ERROR_MAX] = "";
    h->router = router_new(h->loop, &h->conf, error);
    if (!h->router)
        fail_msg("%s", error);
}

/* settle: milliseconds to wait after the start; most tests want none. */
static inline struct house *house_new(size_t chunk, int64_t settle)
{
    struct house *h = mem_zalloc(sizeof *h);
    log_threshold = LOG_ERROR;
    h->loop = loop_new_sim();
    h->chunk = chunk;
    list_init(&h->wires);
    h->conf = (struct router_conf){
        .control = "",
        .tls_cert = "",
        .tls_key = "",
        .tap_file = "",
        .queue = 64 * 1024,
        .settle = settle,
        .components = house_components,
        .component_count = ARRAY_LEN(house_components),
    };
    house_start(h);
    return h;
}

/* With all who are connected. */
static inline void house_free(struct house *h)
{
    while (!list_is_empty(&h->wires)) {
        struct wire *w = CONTAINER_OF(h->wires.next, struct wire, node);
        wire_free(&w);
    }
    router_free(&h->router);
    loop_sim_settle(h->loop);
    loop_free(&h->loop);
    xml_parser_shared_free();
    free(h);
}

/* A connection that has said nothing yet. The house has it; wire_free ends it before. */
static inline struct wire *knock(struct house *h)
{
    struct conn *near;
    struct wire *w = wire_new(h->loop, h->chunk, &near);
    router_accept(h->router, near);
    list_append(&h->wires, &w->node);
    return w;
}

/* Says the header and gives the digest that answers the router's. */
static inline void greet(struct wire *w, const char *name, const char *secret, char digest_r[41])
{
    char text[512];
    snprintf(text, sizeof text, "%s%s'>",
             "<stream:stream xmlns='jabber:component:accept' "
             "xmlns:stream='http://etherx.jabber.org/streams' to='",
             name);
    wire_say(w, text);
    const char *id = strstr(wire_heard(w), " id='");
    assert_non_null(id);
    link_handshake(span_make(id + 5, 32), span_of(secret), digest_r);
}

static inline void shake(struct wire *w, const char *digest)
{
    char text[256];
    snprintf(text, sizeof text, "<handshake>%s</handshake>", digest);
    wire_say(w, text);
}

static inline struct wire *try_join(struct house *h, const char *name, const char *secret)
{
    char digest[41];
    struct wire *w = knock(h);
    greet(w, name, secret, digest);
    shake(w, digest);
    return w;
}

static inline struct wire *join(struct house *h, const char *name, const char *secret)
{
    struct wire *w = try_join(h, name, secret);
    wire_expect(w, "<handshake/>");
    return w;
}

static inline struct wire *join_bot(struct house *h)
{
    return join(h, "bot.h", "bot");
}

static inline struct wire *join_irc(struct house *h)
{
    return join(h, "irc.h", "irc");
}

/* A client server that shares h. */
static inline struct wire *join_c2s(struct house *h, const char *name)
{
    struct wire *w = join(h, name, C2S_SECRET);
    wire_say(w, "<bind" EXT " id='b' name='h' shared='true'/>");
    wire_expect(w, "<bind" EXT " id='b' type='result'/>");
    return w;
}

static inline struct wire *join_s2s(struct house *h)
{
    struct wire *w = join(h, "s2s.h", S2S_SECRET);
    wire_say(w, "<bind" EXT " id='d' name='' default='true'/>");
    wire_expect(w, "<bind" EXT " id='d' type='result'/>");
    return w;
}

/* The template with value in place of its %s. */
static inline const char *fill(char *text_r, size_t size, const char *template, const char *value)
{
    const char *at = strstr(template, "%s");
    assert_non_null(at);
    snprintf(text_r, size, "%.*s%s%s", (int)(at - template), template, value, at + 2);
    return text_r;
}

static inline void expect_nothing(struct wire *w)
{
    assert_string_equal(wire_heard(w), "");
}

/* Each test is run at every chunk size: TEST(name) in the list of tests. */
#define AT_ALL_CHUNKS(test)                                                                        \
    static void test##_at_all(void **state)                                                        \
    {                                                                                              \
        (void)state;                                                                               \
        for (size_t chunk_at = 0; chunk_at < WIRE_CHUNKS; chunk_at++)                              \
            test(wire_chunks[chunk_at]);                                                           \
    }

#endif
