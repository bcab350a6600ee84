/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kit - two whole nets in virtual time, prime.n and beta.n (which is the smaller), each with a
 * scripted router that keeps a ledger; a DNS that knows both; connections through somebody who can
 * cut or hold them; and strangers that a test speaks for.
 */
#ifndef TEST_NET_KIT_H
#define TEST_NET_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "dns/resolve.h"
#include "net/peer.h"
#include "net/wire_private.h"
#include "tls/crypto.h"
#include "xml/parser.h"
#include "xmpp/server_key.h"

#include <stdio.h>
#include <unistd.h>

#define NS_STREAMS "xmlns:stream='http://etherx.jabber.org/streams'"
#define NS_NET "http://kontalk.org/extensions/network"
#define ROUTER "xmlns='http://kontalk.org/extensions/router'"
#define KEY_A "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define KEY_B "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
#define KEY_C "CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC"
#define TABLE "prime.n " KEY_A " enabled\nbeta.n " KEY_B " enabled\n"
#define OPEN(from, to)                                                                             \
    "<stream:stream xmlns='jabber:server' " NS_STREAMS " version='1.0' from='" from "' to='" to "'>"
#define ANSWER(from, to)                                                                           \
    "<stream:stream xmlns='jabber:server' " NS_STREAMS " version='1.0' id='s1' from='" from        \
    "' to='" to "'>"
#define FEATURES                                                                                   \
    "<stream:features><sm xmlns='urn:xmpp:sm:3'/><link xmlns='" NS_NET "'/></stream:features>"
#define ENABLE "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
#define A(h) "<a xmlns='urn:xmpp:sm:3' h='" h "'/>"
#define R "<r xmlns='urn:xmpp:sm:3'/>"

/* The far end of a connection, in the hands of a test. */
struct end {
    struct conn *conn; /* NULL: closed */
    struct buf heard;
    size_t read; /* of what was heard, by a test */
};

struct tap {
    struct list_node node;
    struct conn *ends[2]; /* who has dialled; the other */
    struct side *to;
    size_t left;  /* bytes that pass; 0: no limit */
    bool is_held; /* what comes goes nowhere */
    struct tap_end {
        struct tap *tap;
        int at;
    } sides[2];
};

struct side {
    const char *host, *address, *key;
    const char *sees; /* the other's key, as far as this one can tell; NULL: none */
    char table[40];
    struct daemon daemon;
    struct net *net;
    struct end router;
    unsigned sent, arrived; /* messages: given to its router; come from the other side in order */
    unsigned again;         /* those that came more than once */
    unsigned dialled;       /* connections to it */
    bool is_down;           /* nobody listens */
    bool is_stopped, has_no_router, keeps_ledger;
};

static struct {
    struct loop *loop;
    struct resolver *resolver;
    struct side a, b;
    struct list_node taps;
    size_t chunk;
    uint64_t delay;
    struct side *mute; /* what it says to the other is lost */
    uint32_t cut_seed; /* 0: none; connections end at a byte of chance */
    unsigned cuts;
} w;

/* --- ends ------------------------------------------------------------------------------------- */

static inline void end_on_data(void *ctx, struct span bytes)
{
    struct end *e = ctx;
    buf_append(&e->heard, bytes);
}

static inline void end_on_close(void *ctx, int error, const char *reason)
{
    struct end *e = ctx;
    (void)error;
    (void)reason;
    e->conn = NULL;
}

static const struct conn_handler end_handler = {.on_data = end_on_data, .on_close = end_on_close};

static inline struct conn *end_new(struct end *e, size_t chunk)
{
    struct conn *near;
    *e = (struct end){0};
    conn_pair_fake(w.loop, chunk, 0, &e->conn, &near);
    conn_set_handler(e->conn, &end_handler, e);
    return near;
}

static inline void end_free(struct end *e)
{
    if (e->conn)
        conn_abort(e->conn, 0);
    loop_sim_settle(w.loop);
    buf_free(&e->heard);
    *e = (struct end){0};
}

static inline void say(struct end *e, const char *text)
{
    if (e->conn)
        conn_send(e->conn, span_of(text));
    loop_sim_settle(w.loop);
}

/* What it has heard since the last call. */
static inline const char *heard(struct end *e)
{
    const char *all = buf_len(&e->heard) > 0 ? buf_z(&e->heard) : "";
    size_t from = e->read;
    e->read = buf_len(&e->heard);
    return all + from;
}

static inline void expect(struct end *e, const char *text)
{
    const char *it = heard(e);
    if (!strstr(it, text))
        fail_msg("expected %s\n   heard: %s", text, it);
}

static inline void expect_not(struct end *e, const char *text)
{
    const char *it = heard(e);
    if (strstr(it, text))
        fail_msg("not expected %s\n   heard: %s", text, it);
}

static inline void expect_error(struct end *e, const char *condition)
{
    char text[100];
    const char *it = heard(e);
    snprintf(text, sizeof text, "<stream:error><%s ", condition);
    if (!strstr(it, text) || !strstr(it, "</stream:stream>"))
        fail_msg("expected %s\n   heard: %s", text, it);
}

/* The value of an attribute in what has ever been heard with that in front of it; static. */
static inline const char *value_after(struct end *e, const char *front, const char *name)
{
    static char value[256];
    char want[80];
    const char *at = strstr(buf_z(&e->heard), front);
    snprintf(want, sizeof want, " %s='", name);
    at = at ? strstr(at, want) : NULL;
    if (!at)
        fail_msg("no %s after %s in: %s", name, front, buf_z(&e->heard));
    at += strlen(want);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "'"), at);
    return value;
}

/* --- taps ------------------------------------------------------------------------------------- */

static inline void tap_cut(struct tap *t)
{
    for (int i = 0; i < 2; i++)
        if (t->ends[i])
            conn_abort(t->ends[i], 0);
}

static inline void tap_on_data(void *ctx, struct span bytes)
{
    struct tap_end *e = ctx;
    struct tap *t = e->tap;
    struct conn *other = t->ends[1 - e->at];
    struct side *speaker = e->at == 1 ? t->to : t->to == &w.a ? &w.b : &w.a;
    if (!other || t->is_held || w.mute == speaker)
        return;
    size_t n = t->left > 0 && bytes.n > t->left ? t->left : bytes.n;
    conn_send(other, span_make(bytes.p, n));
    if (t->left == 0)
        return;
    t->left -= n;
    if (t->left > 0)
        return;
    w.cuts++;
    conn_close(other); /* what has passed arrives */
    conn_abort(t->ends[e->at], 0);
}

static inline void tap_on_close(void *ctx, int error, const char *reason)
{
    struct tap_end *e = ctx;
    struct tap *t = e->tap;
    (void)error;
    (void)reason;
    t->ends[e->at] = NULL;
    if (t->ends[1 - e->at]) {
        if (!t->is_held)
            conn_close(t->ends[1 - e->at]);
        return;
    }
    list_remove(&t->node);
    free(t);
}

static const struct conn_handler tap_handler = {.on_data = tap_on_data, .on_close = tap_on_close};

static inline uint32_t lot(uint32_t below)
{
    w.cut_seed = w.cut_seed * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)(w.cut_seed >> 8) * below) >> 24);
}

/* The far end of what near is one end of. */
static inline struct conn *tap_new(struct side *to, struct conn **near)
{
    struct tap *t = mem_zalloc(sizeof *t);
    struct conn *far;
    conn_pair_fake(w.loop, w.chunk, w.delay, near, &t->ends[0]);
    conn_pair_fake(w.loop, w.chunk, w.delay, &t->ends[1], &far);
    t->to = to;
    t->left = w.cut_seed ? 1 + lot(16000) : 0;
    for (int i = 0; i < 2; i++) {
        t->sides[i] = (struct tap_end){t, i};
        conn_set_handler(t->ends[i], &tap_handler, &t->sides[i]);
    }
    list_append(&w.taps, &t->node);
    return far;
}

static inline void taps_cut(void)
{
    LIST_FOR_EACH(node, &w.taps)
    {
        tap_cut(CONTAINER_OF(node, struct tap, node));
    }
    loop_sim_settle(w.loop);
}

/* Connections that are there now are dead, and nobody notices. */
static inline void taps_hold(void)
{
    LIST_FOR_EACH(node, &w.taps)
    {
        CONTAINER_OF(node, struct tap, node)->is_held = true;
    }
}

/* --- the two ---------------------------------------------------------------------------------- */

static inline bool has_session(const struct side *side, const void *session)
{
    if (!side->net)
        return false;
    LIST_FOR_EACH(node, &side->net->wires)
    {
        struct wire *it = CONTAINER_OF(node, struct wire, node);
        if (it->has_stream && conn_transport(it->stream.conn) == session)
            return true;
    }
    return false;
}

static inline bool key_seen(void *session, char fingerprint_r[SERVER_FINGERPRINT + 1])
{
    const char *key = has_session(&w.a, session) ? w.a.sees : w.b.sees;
    if (key)
        memcpy(fingerprint_r, key, SERVER_FINGERPRINT + 1);
    return key;
}

static inline struct conn *to_peer(void *ctx, const struct addr *to)
{
    char text[ADDR_TEXT_MAX];
    struct conn *near, *far;
    (void)ctx;
    addr_format(to, text);
    struct side *side = strncmp(text, w.a.address, strlen(w.a.address)) == 0 ? &w.a : &w.b;
    assert_int_equal(strncmp(text, side->address, strlen(side->address)), 0);
    side->dialled++;
    far = tap_new(side, &near);
    if (side->is_down || !side->net)
        conn_abort(far, 0);
    else
        wire_accept(side->net, far);
    return near;
}

static inline struct conn *to_router(void *ctx)
{
    struct side *side = ctx;
    if (side->router.conn || side->has_no_router)
        return NULL;
    buf_free(&side->router.heard);
    return end_new(&side->router, 0);
}

/* The router grants what is asked for. */
static inline void grant(struct side *side)
{
    char answer[200];
    const char *at = buf_z(&side->router.heard);
    static const char question[] = "<bind " ROUTER " id='";
    while ((at = strstr(at, question))) {
        at += sizeof question - 1;
        snprintf(answer, sizeof answer, "<bind " ROUTER " type='result' id='%.*s'/>",
                 (int)strcspn(at, "'"), at);
        conn_send(side->router.conn, span_of(answer));
    }
}

static inline void link_up(struct side *side)
{
    if (!side->router.conn)
        return;
    say(&side->router, "<stream:stream xmlns='jabber:component:accept' " NS_STREAMS
                       " id='1' from='net'><handshake/>");
    grant(side);
    loop_sim_settle(w.loop);
}

static inline void write_table(struct side *side, const char *text)
{
    FILE *f = fopen(side->table, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static inline void retable(struct side *side, const char *text)
{
    char error[CONF_ERROR_MAX] = "";
    write_table(side, text);
    if (!net_reload_servers(side->net, error))
        fail_msg("%s", error);
    loop_sim_settle(w.loop);
}

static inline void side_load(struct side *side, const char *more)
{
    char text[600], error[CONF_ERROR_MAX] = "", path[] = "/tmp/test_net.XXXXXX";
    int fd = mkstemp(path);
    snprintf(text, sizeof text,
             "[net]\nhost = %s\nnetwork = net.n\nservers = %s\n"
             "[router]\nsecret = 0123456789abcdef0123456789abcdef\n[store]\npath = :memory:\n%s",
             side->host, side->table, more);
    assert_true(write(fd, text, strlen(text)) > 0);
    close(fd);
    void *conf = conf_load(&net_conf_spec, path, true, error);
    unlink(path);
    if (!conf)
        fail_msg("%s", error);
    side->daemon = (struct daemon){.loop = w.loop, .instance = "net", .conf = conf};
}

static inline void side_start(struct side *side)
{
    char error[CONF_ERROR_MAX] = "";
    side->is_stopped = false;
    net_test_ctx = side;
    side->net = net_new(&side->daemon, error);
    if (!side->net)
        fail_msg("%s", error);
    loop_sim_settle(w.loop);
    link_up(side);
}

/* What its router has heard since: in order, or what has come before. */
static inline void read_ledger(struct side *side)
{
    const char *at = heard(&side->router);
    while ((at = strstr(at, "<body>"))) {
        unsigned n = (unsigned)strtoul(at + 6, NULL, 10);
        if (n > side->arrived)
            fail_msg("%s: %u before %u", side->host, n, side->arrived);
        if (n == side->arrived)
            side->arrived++;
        else
            side->again++;
        at++;
    }
}

static inline void on_stopped(void *ctx)
{
    struct side *side = ctx;
    side->is_stopped = true;
}

static inline void side_stop(struct side *side)
{
    net_stop(side->net, on_stopped, side);
    for (int i = 0; i < 40 && !side->is_stopped; i++)
        loop_sim_advance(w.loop, 500);
    assert_true(side->is_stopped);
    net_free(&side->net);
    if (side->keeps_ledger)
        read_ledger(side);
    end_free(&side->router);
}

static inline void world_prepare(void)
{
    static uint64_t seed = 1;
    memset(&w, 0, sizeof w);
    crypto_init();
    crypto_simulate(seed++);
    server_key_twin = key_seen;
    list_init(&w.taps);
    w.loop = loop_new_sim();
    w.resolver = resolver_new_sim(w.loop);
    resolver_sim_add(w.resolver, RESOLVE_A, "prime.n", "10.0.0.1", false);
    resolver_sim_add(w.resolver, RESOLVE_A, "beta.n", "10.0.0.2", false);
    net_test_router = to_router;
    net_test_connect = to_peer;
    net_test_resolver = w.resolver;
    w.a = (struct side){.host = "prime.n", .address = "10.0.0.1", .key = KEY_A, .sees = KEY_B};
    w.b = (struct side){.host = "beta.n", .address = "10.0.0.2", .key = KEY_B, .sees = KEY_A};
    snprintf(w.a.table, sizeof w.a.table, "/tmp/test_net.a.%d", getpid());
    snprintf(w.b.table, sizeof w.b.table, "/tmp/test_net.b.%d", getpid());
    write_table(&w.a, TABLE);
    write_table(&w.b, TABLE);
}

static inline void world_start(const char *more)
{
    world_prepare();
    side_load(&w.a, more);
    side_load(&w.b, more);
    side_start(&w.a);
    side_start(&w.b);
}

static inline void world_end(void)
{
    struct side *sides[] = {&w.a, &w.b};
    for (int i = 0; i < 2; i++) {
        void *conf = (void *)(uintptr_t)sides[i]->daemon.conf;
        if (sides[i]->net)
            side_stop(sides[i]);
        conf_free(&net_conf_spec, &conf);
        unlink(sides[i]->table);
    }
    taps_cut();
    resolver_free(&w.resolver);
    loop_free(&w.loop);
    xml_parser_shared_free();
    crypto_simulate(0);
    server_key_twin = NULL;
}

/* --- time and messages ------------------------------------------------------------------------ */

/* Time passes; the routers stay alive. What they hear is for the test. */
static inline void pass(uint64_t ms)
{
    while (ms > 0) {
        uint64_t step = ms < 4000 ? ms : 4000;
        loop_sim_advance(w.loop, step);
        say(&w.a.router, " ");
        say(&w.b.router, " ");
        ms -= step;
    }
}

static inline void live(uint64_t ms)
{
    while (ms > 0) {
        uint64_t step = ms < 1000 ? ms : 1000;
        pass(step);
        if (w.a.router.conn)
            read_ledger(&w.a);
        if (w.b.router.conn)
            read_ledger(&w.b);
        ms -= step;
    }
}

static inline void send_from(struct side *from)
{
    char text[200];
    struct side *to = from == &w.a ? &w.b : &w.a;
    snprintf(text, sizeof text, "<message from='x@%s' to='y@%s' id='m%u'><body>%u</body></message>",
             from->host, to->host, from->sent, from->sent);
    from->sent++;
    say(&from->router, text);
}

static inline struct peer *peer_at(struct side *side)
{
    struct peer *p = peer_find(side->net, span_of((side == &w.a ? &w.b : &w.a)->host));
    assert_non_null(p);
    return p;
}

static inline bool is_up(struct side *side)
{
    struct peer *p = peer_find(side->net, span_of((side == &w.a ? &w.b : &w.a)->host));
    return p && p->state == PEER_UP && p->wire && p->wire->stream.state == WIRE_UP;
}

static inline void expect_up(void)
{
    assert_true(is_up(&w.a));
    assert_true(is_up(&w.b));
    /* The same: one has opened it. */
    assert_int_not_equal(wire_is_ours(peer_at(&w.a)->wire), wire_is_ours(peer_at(&w.b)->wire));
}

static inline void expect_all(void)
{
    assert_int_equal(w.b.arrived, w.a.sent);
    assert_int_equal(w.a.arrived, w.b.sent);
}

static inline size_t queued(struct side *side)
{
    size_t stanzas, bytes;
    uint64_t age;
    outbox_figures(peer_at(side)->outbox, &stanzas, &bytes, &age);
    return stanzas;
}

/* --- strangers -------------------------------------------------------------------------------- */

/* Somebody connects to us: with the key that it sees, in pieces of chunk bytes. */
static inline void stranger_new(struct side *to, struct end *e, size_t chunk)
{
    static const struct transport_ops none;
    wire_accept(to->net, end_new(e, chunk));
    conn_start_transport(e->conn, &none, NULL);
    loop_sim_settle(w.loop);
}

#endif
