/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dial_kit - a dial on virtual time, for the tests of dial: a resolver with zones in memory, hosts
 * that take a connection, refuse it or stay silent, and a caller who notes what he is told.
 */
#ifndef TEST_DNS_DIAL_KIT_H
#define TEST_DNS_DIAL_KIT_H

#include "base/mem.h"
#include "dns/dial_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#define D "peer.example"
#define SRV "_xmpp-server._tcp." D
#define SRVS "_xmpps-server._tcp." D

/* Hosts: who is not here is silent. */
enum manner { SILENT, TAKES, REFUSES };
static struct host {
    char address[ADDR_TEXT_MAX];
    enum manner manner;
} hosts[32];
static size_t host_count;

static struct loop *loop;
static struct resolver *resolver;
/* What happened: "1.2.3.4:5269@50 " for each attempt, with the virtual time. */
static struct buf tries;
static uint64_t began;
static size_t conns_open;

/* One dial, and what it has been told. */
struct caller {
    struct dial *dial;
    struct conn *conn;
    char name[DNS_NAME_MAX + 1], peer[ADDR_TEXT_MAX];
    bool is_direct, is_secure;
    size_t tlsa_count, tlsa_bytes;
    int connects, failures;
    enum dial_failure why;
    uint64_t at;
};

static inline void host(const char *address, enum manner manner)
{
    snprintf(hosts[host_count].address, sizeof(hosts[0].address), "%s", address);
    hosts[host_count++].manner = manner;
}

static inline void on_end_close(void *ctx, int error, const char *reason)
{
    (void)ctx;
    (void)error;
    (void)reason;
    conns_open--;
}

static const struct conn_handler end_handler = {.on_close = on_end_close};

static struct conn *connect_host(void *ctx, const struct addr *to)
{
    char text[ADDR_TEXT_MAX];
    enum manner manner = SILENT;
    struct conn *near, *far;

    (void)ctx;
    addr_format(to, text);
    buf_printf(&tries, "%s@%u ", text, (unsigned)(loop_now(loop) - began));
    for (size_t i = 0; i < host_count; i++)
        if (strcmp(hosts[i].address, text) == 0)
            manner = hosts[i].manner;
    if (manner == SILENT)
        return NULL;
    conn_pair_fake(loop, 0, 0, &near, &far);
    conn_set_handler(far, &end_handler, NULL);
    conns_open++;
    if (manner == REFUSES)
        conn_abort(near, -ECONNREFUSED);
    return near;
}

static inline void on_conn_gone(void *ctx, int error, const char *reason)
{
    struct caller *c = ctx;

    (void)error;
    (void)reason;
    c->conn = NULL;
}

static const struct conn_handler caller_handler = {.on_close = on_conn_gone};

static inline void on_connected(void *ctx, struct conn *conn, const struct dial_target *target)
{
    struct caller *c = ctx;

    c->conn = conn;
    conn_set_handler(conn, &caller_handler, c);
    c->connects++;
    c->is_direct = target->is_direct_tls;
    c->is_secure = target->is_secure;
    c->tlsa_count = target->tlsa_count;
    c->tlsa_bytes = 0;
    for (size_t i = 0; i < target->tlsa_count; i++)
        c->tlsa_bytes += target->tlsa[i].n;
    snprintf(c->name, sizeof(c->name), "%.*s:%u", SPAN_ARG(target->name), target->port);
    c->at = loop_now(loop) - began;
}

static inline void on_failed(void *ctx, enum dial_failure why)
{
    struct caller *c = ctx;

    c->failures++;
    c->why = why;
    c->at = loop_now(loop) - began;
}

static const struct dial_events events = {.on_connected = on_connected, .on_failed = on_failed};

static struct dial_opts options(void)
{
    return (struct dial_opts){
        .domain = SPAN(D),
        .service = "xmpp-server",
        .direct_service = "xmpps-server",
        .port = 5269,
        .connect = connect_host,
    };
}

static inline void start(struct caller *c, const struct dial_opts *opts)
{
    *c = (struct caller){0};
    c->dial = dial_start(loop, resolver, opts, &events, c);
    assert_int_equal(c->connects + c->failures, 0);
}

static inline void end(struct caller *c)
{
    dial_free(&c->dial);
    if (c->conn)
        conn_abort(c->conn, 0);
    loop_sim_settle(loop);
}

static inline void expect_tries(const char *text)
{
    assert_string_equal(buf_z(&tries), text);
    buf_clear(&tries);
}

static inline void srv(const char *name, const char *text)
{
    resolver_sim_add(resolver, RESOLVE_SRV, name, text, false);
}

static inline void a(const char *name, const char *text)
{
    resolver_sim_add(resolver, RESOLVE_A, name, text, false);
}

static inline void aaaa(const char *name, const char *text)
{
    resolver_sim_add(resolver, RESOLVE_AAAA, name, text, false);
}

static inline int set_up(void **state)
{
    (void)state;
    host_count = 0;
    loop = loop_new_sim();
    resolver = resolver_new_sim(loop);
    began = loop_now(loop);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    loop_sim_settle(loop);
    resolver_free(&resolver);
    loop_free(&loop);
    buf_free(&tries);
    assert_int_equal(conns_open, 0);
    return 0;
}

/* One dial from beginning to end, with nothing to connect to but hosts; then it is freed. */
static struct caller dialled(const struct dial_opts *opts)
{
    struct caller c;

    start(&c, opts);
    loop_sim_advance(loop, 120000);
    assert_int_equal(c.connects + c.failures, 1);
    struct caller copy = c;
    end(&c);
    copy.dial = NULL;
    copy.conn = NULL;
    return copy;
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
