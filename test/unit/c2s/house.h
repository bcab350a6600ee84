/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * house - a whole c2s in virtual time for the tests of its transport: its router is away unless a
 * test says otherwise; its clients are wires. It has the users romeo and juliet (secret).
 */
#ifndef TEST_HOUSE_H
#define TEST_HOUSE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../wire.h"
#include "base/mem.h"
#include "c2s/c2s.h"
#include "tls/crypto.h"
#include "xml/parser.h"

#include <stdio.h>
#include <unistd.h>

#define CONF                                                                                       \
    "[c2s]\nhost = capulet.example\n"                                                              \
    "[router]\nsecret = 0123456789abcdef0123456789abcdef\n"                                        \
    "[archive]\nenabled = false\n"
#define OPEN(to)                                                                                   \
    "<stream:stream to='" to "' version='1.0' xmlns='jabber:client' "                              \
    "xmlns:stream='http://etherx.jabber.org/streams'>"
#define LOGIN                                                                                      \
    OPEN("capulet.example")                                                                        \
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHNlY3JldA==</auth>"
#define BIND(resource)                                                                             \
    "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>" resource     \
    "</resource></bind></iq>"

struct house {
    struct loop *loop;
    struct daemon daemon;
    struct c2s *c2s;
    struct wire *router; /* the far end of the link, when there is one */
    unsigned stopped;
};

static inline struct c2s_conf *conf_new(const char *more)
{
    char path[] = "/tmp/test_c2s.XXXXXX", error[CONF_ERROR_MAX];
    int fd = mkstemp(path);
    assert_true(dprintf(fd, "%s%s", CONF, more) > 0);
    close(fd);
    struct c2s_conf *conf = conf_load(&c2s_conf_spec, path, true, error);
    unlink(path);
    if (!conf)
        fail_msg("%s", error);
    return conf;
}

static inline void free_conf(void *conf)
{
    conf_free(&c2s_conf_spec, &conf);
}

static inline struct conn *no_router(void *ctx)
{
    (void)ctx;
    return NULL;
}

/* Takes the connection and never says a word. */
static inline struct conn *silent_router(void *ctx)
{
    struct house *h = ctx;
    struct conn *near;
    if (h->router)
        return NULL;
    h->router = wire_new(h->loop, 0, &near);
    return near;
}

static inline void on_done(void *ctx, enum accounts_result r)
{
    (void)ctx;
    assert_int_equal(r, ACCOUNTS_OK);
}

static inline struct house *house_new(const char *more, struct conn *(*connect)(void *))
{
    char error[CONF_ERROR_MAX];
    static uint64_t seed = 7; /* no two processes draw the same */
    struct house *h = mem_zalloc(sizeof *h);
    crypto_init();
    crypto_simulate(seed++);
    h->loop = loop_new_sim();
    h->daemon = (struct daemon){.loop = h->loop, .instance = "c2s-1", .conf = conf_new(more)};
    c2s_test_connect = connect;
    c2s_test_connect_ctx = h;
    h->c2s = c2s_new(&h->daemon, error);
    assert_non_null(h->c2s);
    accounts_add(h->c2s->accounts, SPAN("romeo"), SPAN("secret"), on_done, NULL);
    accounts_add(h->c2s->accounts, SPAN("juliet"), SPAN("secret"), on_done, NULL);
    loop_sim_settle(h->loop);
    return h;
}

static inline void on_stopped(void *ctx)
{
    struct house *h = ctx;
    h->stopped++;
}

static inline void house_free(struct house *h)
{
    if (!h->c2s->is_stopping)
        c2s_stop(h->c2s, on_stopped, h);
    loop_sim_advance(h->loop, 9000); /* the daemon has no patience for more */
    assert_int_equal(h->stopped, 1);
    c2s_free(&h->c2s);
    if (h->router)
        wire_free(&h->router);
    loop_free(&h->loop);
    free_conf(h->daemon.conf);
    xml_parser_shared_free();
    crypto_simulate(0);
    free(h);
}

static inline struct wire *client_new(struct house *h)
{
    static const struct transport_ops none;
    struct conn *near;
    struct wire *w = wire_new(h->loop, 0, &near);
    client_accept(h->c2s, near, true);
    conn_start_transport(w->conn, &none, NULL);
    loop_sim_settle(h->loop);
    return w;
}

static inline struct wire *login(struct house *h)
{
    struct wire *w = client_new(h);
    wire_say(w, LOGIN);
    wire_expect(w, "<success");
    wire_say(w, OPEN("capulet.example"));
    wire_expect(w, "</stream:features>");
    return w;
}

#endif
