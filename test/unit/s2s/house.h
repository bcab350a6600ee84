/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * house - a whole s2s in virtual time: capulet.example with a scripted router, other servers as
 * wires, a DNS that knows montague.example (and paris.example), certificates by the twin.
 */
#ifndef TEST_S2S_HOUSE_H
#define TEST_S2S_HOUSE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../wire.h"
#include "base/mem.h"
#include "dns/resolve.h"
#include "s2s/in.h"
#include "s2s/pair.h"
#include "s2s/s2s.h"
#include "tls/crypto.h"
#include "tls/peer.h"
#include "xml/parser.h"

#include <stdio.h>
#include <unistd.h>

#define HOST "capulet.example"
#define PEER "montague.example"
#define HOUSE_CONF                                                                                 \
    "[s2s]\nhost = " HOST "\nnetwork = verona.example\n"                                           \
    "[router]\nsecret = 0123456789abcdef0123456789abcdef\n"
#define NS_STREAMS "xmlns:stream='http://etherx.jabber.org/streams'"
#define DECLARED "xmlns='jabber:server' xmlns:db='jabber:server:dialback' " NS_STREAMS
#define OPEN_FROM(from) "<stream:stream to='" HOST "' from='" from "' version='1.0' " DECLARED ">"
#define OPEN OPEN_FROM(PEER)
#define STARTTLS "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define SASL "urn:ietf:params:xml:ns:xmpp-sasl"
#define EXTERNAL "<auth xmlns='" SASL "' mechanism='EXTERNAL'>=</auth>"
#define ENABLE "<enable xmlns='urn:xmpp:sm:3'/>"
#define BIDI "<bidi xmlns='urn:xmpp:bidi'/>"
#define ROUTER "xmlns='http://kontalk.org/extensions/router'"

struct house {
    struct loop *loop;
    struct daemon daemon;
    struct s2s *s2s;
    struct resolver *resolver;
    struct wire *router;     /* the far end of the link; NULL: not there */
    struct wire *dialled;    /* the far end of the stream that s2s has opened last */
    struct list_node former; /* those that it had opened before */
    unsigned dials, stopped;
    bool no_router; /* it cannot be reached */
};

/* --- certificates: of whom the other side's is; NULL: of nobody --- */
static const char *house_proved;

static inline enum tls_peer_verdict house_twin(const struct tls_peer_want *want)
{
    return house_proved && span_eq(want->domain, span_of(house_proved)) ? TLS_PEER_OK
                                                                        : TLS_PEER_SELF_SIGNED;
}

static inline struct s2s_conf *house_conf(const char *more)
{
    char path[] = "/tmp/test_s2s.XXXXXX", error[CONF_ERROR_MAX];
    int fd = mkstemp(path);
    assert_true(dprintf(fd, "%s%s", HOUSE_CONF, more) > 0);
    close(fd);
    struct s2s_conf *conf = conf_load(&s2s_conf_spec, path, true, error);
    unlink(path);
    if (!conf)
        fail_msg("%s", error);
    return conf;
}

static inline struct conn *house_to_router(void *ctx)
{
    struct house *h = ctx;
    struct conn *near;
    if (h->no_router)
        return NULL;
    if (h->router)
        list_append(&h->former, &h->router->node);
    h->router = wire_new(h->loop, 0, &near);
    return near;
}

static inline struct conn *house_to_peer(void *ctx, const struct addr *to)
{
    struct house *h = ctx;
    struct conn *near;
    (void)to;
    h->dials++;
    if (h->dialled)
        list_append(&h->former, &h->dialled->node);
    h->dialled = wire_new(h->loop, 0, &near);
    return near;
}

static inline void house_dns(struct house *h)
{
    resolver_sim_add(h->resolver, RESOLVE_SRV, "_xmpp-server._tcp." PEER, "0 0 5269 xmpp." PEER,
                     false);
    resolver_sim_add(h->resolver, RESOLVE_A, "xmpp." PEER, "8.8.4.4", false);
    resolver_sim_add(h->resolver, RESOLVE_A, "paris.example", "8.8.8.8", false);
}

static inline struct house *house_new(const char *more)
{
    char error[CONF_ERROR_MAX] = "";
    static uint64_t seed = 11;
    struct house *h = mem_zalloc(sizeof *h);
    crypto_init();
    crypto_simulate(seed++);
    house_proved = NULL;
    tls_peer_twin = house_twin;
    list_init(&h->former);
    h->loop = loop_new_sim();
    h->resolver = resolver_new_sim(h->loop);
    house_dns(h);
    h->daemon = (struct daemon){.loop = h->loop, .instance = "s2s", .conf = house_conf(more)};
    s2s_test_router = house_to_router;
    s2s_test_connect = house_to_peer;
    s2s_test_resolver = h->resolver;
    s2s_test_ctx = h;
    h->s2s = s2s_new(&h->daemon, error);
    if (!h->s2s)
        fail_msg("%s", error);
    loop_sim_settle(h->loop);
    return h;
}

/* The router takes the link, and knows of a room's service. */
static inline void house_link(struct house *h)
{
    loop_sim_advance(h->loop, 3000);
    wire_say(h->router, "<stream:stream xmlns='jabber:component:accept' " NS_STREAMS
                        " id='1' from='s2s." HOST "'><handshake/>");
    wire_say(h->router, "<bind " ROUTER " type='result'/>"
                        "<route " ROUTER " name='chat." HOST "' state='up'/>");
    wire_heard(h->router);
}

static inline void house_on_stopped(void *ctx)
{
    struct house *h = ctx;
    h->stopped++;
}

static inline void house_free(struct house *h)
{
    struct conf_spec const *spec = &s2s_conf_spec;
    void *conf = (void *)(uintptr_t)h->daemon.conf;
    if (!h->s2s->is_stopping)
        s2s_stop(h->s2s, house_on_stopped, h);
    loop_sim_advance(h->loop, 20000);
    assert_int_equal(h->stopped, 1);
    s2s_free(&h->s2s);
    if (h->router)
        wire_free(&h->router);
    if (h->dialled)
        wire_free(&h->dialled);
    while (!list_is_empty(&h->former)) {
        struct wire *w = CONTAINER_OF(h->former.next, struct wire, node);
        wire_free(&w);
    }
    resolver_free(&h->resolver);
    loop_free(&h->loop);
    conf_free(spec, &conf);
    xml_parser_shared_free();
    crypto_simulate(0);
    tls_peer_twin = NULL;
    free(h);
}

/* --- other servers ---------------------------------------------------------------------------- */

static inline void house_secure(struct wire *w)
{
    static const struct transport_ops none;
    conn_start_transport(w->conn, &none, NULL);
    loop_sim_settle(w->loop);
}

/* One that connects, in pieces of chunk bytes. */
static inline struct wire *peer_new(struct house *h, size_t chunk, bool direct_tls)
{
    struct conn *near;
    struct wire *w = wire_new(h->loop, chunk, &near);
    in_accept(h->s2s, near, direct_tls);
    if (direct_tls)
        house_secure(w);
    return w;
}

/* ... and has said its header over TLS. */
static inline struct wire *peer_secure(struct house *h)
{
    struct wire *w = peer_new(h, 0, true);
    wire_say(w, OPEN);
    return w;
}

/* ... and is PEER by its certificate. */
static inline struct wire *peer_proved(struct house *h, const char *before)
{
    house_proved = PEER;
    struct wire *w = peer_secure(h);
    wire_say(w, before);
    wire_say(w, EXTERNAL);
    wire_expect(w, "<success");
    wire_say(w, OPEN);
    wire_expect(w, "</stream:features>");
    return w;
}

/* PEER's own server, which s2s has dialled, up to its features over TLS. Its stream's id is far. */
static inline void far_accepts(struct house *h)
{
    assert_non_null(h->dialled);
    wire_say(h->dialled,
             "<stream:stream from='" PEER "' to='" HOST "' id='far0' version='1.0' " DECLARED
             "><stream:features>" STARTTLS "</stream:features>");
    wire_expect(h->dialled, "<starttls");
    wire_say(h->dialled, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    house_secure(h->dialled);
    wire_say(h->dialled,
             "<stream:stream from='" PEER "' to='" HOST "' id='far' version='1.0' " DECLARED
             "><stream:features><dialback xmlns='urn:xmpp:features:dialback'><errors/>"
             "</dialback></stream:features>");
}

/* The value of an attribute in what was heard last with that in front of it; static. */
static inline const char *value_after(const char *heard, const char *front, const char *name)
{
    static char value[256];
    char want[80];
    const char *at = strstr(heard, front);
    snprintf(want, sizeof want, " %s='", name);
    at = at ? strstr(at, want) : NULL;
    if (!at)
        fail_msg("no %s after %s in: %s", name, front, heard);
    at += strlen(want);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "'"), at);
    return value;
}

#endif
