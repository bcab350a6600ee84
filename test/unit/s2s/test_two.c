/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two whole s2s, a.example and b.example, that talk to each other in virtual time over connections
 * that are slow, come in pieces and break; their routers keep a ledger.
 */
#include "house.h"

#include "s2s/out.h"

struct side {
    const char *host, *address;
    struct daemon daemon;
    struct s2s *s2s;
    struct wire *router;
    unsigned sent, arrived; /* messages: given to its router; come from the other side in order */
    unsigned again;         /* those that came more than once */
    bool is_down;           /* nobody listens */
    bool is_stopped;
};

static struct {
    struct loop *loop;
    struct resolver *resolver;
    struct side a, b;
    size_t chunk;
    uint64_t delay;
    unsigned dials;
    enum tls_peer_verdict verdict;
    bool is_cut;               /* connections end at a byte of chance */
    uint32_t cut_seed;         /* of it */
    unsigned cuts, cut_within; /* and how many did, how many of them in the middle of a stanza */
} w;

static uint32_t lot(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)(*seed >> 8) * below) >> 24);
}

/* --- a connection through somebody who cuts it ------------------------------------------------ */

struct tap {
    struct conn *ends[2];
    size_t left; /* bytes that pass */
    char last;   /* of them */
    unsigned closed;
};

struct tap_end {
    struct tap *tap;
    int side;
};

static void tap_cut(struct tap *t)
{
    for (int i = 0; i < 2; i++)
        if (t->ends[i])
            conn_abort(t->ends[i], 0);
}

static void on_tap_data(void *ctx, struct span bytes)
{
    struct tap_end *e = ctx;
    struct tap *t = e->tap;
    struct conn *other = t->ends[1 - e->side];
    size_t n = bytes.n < t->left ? bytes.n : t->left;
    if (!other || n == 0)
        return;
    conn_send(other, span_make(bytes.p, n));
    t->left -= n;
    t->last = bytes.p[n - 1];
    if (t->left > 0)
        return;
    w.cuts++;
    w.cut_within += t->last != '>';
    conn_close(other); /* what has passed arrives */
    conn_abort(t->ends[e->side], 0);
}

static void on_tap_close(void *ctx, int error, const char *reason)
{
    struct tap_end *e = ctx;
    struct tap *t = e->tap;
    (void)error;
    (void)reason;
    t->ends[e->side] = NULL;
    tap_cut(t);
    free(e);
    if (++t->closed == 2)
        free(t);
}

static const struct conn_handler tap_handler = {.on_data = on_tap_data, .on_close = on_tap_close};

static void tap_take(struct tap *t, int side, struct conn *c)
{
    struct tap_end *e = mem_zalloc(sizeof *e);
    *e = (struct tap_end){.tap = t, .side = side};
    t->ends[side] = c;
    conn_set_handler(c, &tap_handler, e);
}

/* The far end of what near is one end of. */
static struct conn *tap_new(struct conn **near)
{
    struct tap *t = mem_zalloc(sizeof *t);
    struct conn *inner, *outer, *far;
    conn_pair_fake(w.loop, w.chunk, w.delay, near, &inner);
    conn_pair_fake(w.loop, w.chunk, w.delay, &outer, &far);
    t->left = 1 + lot(&w.cut_seed, 16000);
    tap_take(t, 0, inner);
    tap_take(t, 1, outer);
    return far;
}

/* --- the two ---------------------------------------------------------------------------------- */

static enum tls_peer_verdict verdict_of(const struct tls_peer_want *want)
{
    (void)want;
    return w.verdict;
}

static struct conn *to_peer(void *ctx, const struct addr *to)
{
    char text[ADDR_TEXT_MAX];
    struct conn *near, *far;
    (void)ctx;
    addr_format(to, text);
    struct side *side = strncmp(text, w.a.address, strlen(w.a.address)) == 0 ? &w.a : &w.b;
    w.dials++;
    if (w.is_cut)
        far = tap_new(&near);
    else
        conn_pair_fake(w.loop, w.chunk, w.delay, &near, &far);
    if (side->is_down)
        conn_abort(far, 0);
    else
        in_accept(side->s2s, far, false);
    return near;
}

static struct conn *to_router(void *ctx)
{
    struct side *side = ctx;
    struct conn *near;
    if (side->router)
        return NULL;
    side->router = wire_new(w.loop, 0, &near);
    return near;
}

static void start(struct side *side, const char *more)
{
    char text[400], error[CONF_ERROR_MAX] = "", path[] = "/tmp/test_s2s.XXXXXX";
    int fd = mkstemp(path);
    snprintf(text, sizeof text,
             "[s2s]\nhost = %s\n[router]\nsecret = 0123456789abcdef0123456789abcdef\n%s",
             side->host, more);
    assert_true(write(fd, text, strlen(text)) > 0);
    close(fd);
    void *conf = conf_load(&s2s_conf_spec, path, true, error);
    unlink(path);
    assert_non_null(conf);
    side->daemon = (struct daemon){.loop = w.loop, .instance = "s2s", .conf = conf};
    s2s_test_ctx = side;
    side->s2s = s2s_new(&side->daemon, error);
    assert_non_null(side->s2s);
    loop_sim_settle(w.loop);
    wire_say(side->router, "<stream:stream xmlns='jabber:component:accept' " NS_STREAMS
                           " id='1' from='s2s'><handshake/><bind " ROUTER " type='result'/>");
    wire_heard(side->router);
}

static void on_stopped(void *ctx)
{
    struct side *side = ctx;
    side->is_stopped = true;
}

static void world_start(const char *more, size_t chunk, uint64_t delay)
{
    static uint64_t seed = 1;
    memset(&w, 0, sizeof w);
    crypto_init();
    crypto_simulate(seed++);
    tls_peer_twin = verdict_of;
    w.chunk = chunk;
    w.delay = delay;
    w.loop = loop_new_sim();
    w.resolver = resolver_new_sim(w.loop);
    resolver_sim_add(w.resolver, RESOLVE_A, "a.example", "8.8.8.8", false);
    resolver_sim_add(w.resolver, RESOLVE_A, "b.example", "8.8.4.4", false);
    s2s_test_router = to_router;
    s2s_test_connect = to_peer;
    s2s_test_resolver = w.resolver;
    w.a = (struct side){.host = "a.example", .address = "8.8.8.8"};
    w.b = (struct side){.host = "b.example", .address = "8.8.4.4"};
    start(&w.a, more);
    start(&w.b, more);
}

/* What its router has heard since: in order, or what has come before. */
static void read_ledger(struct side *side)
{
    const char *at = wire_heard(side->router);
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

static void live(struct side *side)
{
    if (!side->router)
        return;
    wire_say(side->router, " ");
    read_ledger(side);
}

static void pass(uint64_t ms)
{
    while (ms > 0) {
        uint64_t step = ms < 4000 ? ms : 4000;
        loop_sim_advance(w.loop, step);
        live(&w.a);
        live(&w.b);
        ms -= step;
    }
}

static void send_from(struct side *from, struct side *to)
{
    char text[200];
    snprintf(text, sizeof text, "<message from='x@%s' to='y@%s' id='m'><body>%u</body></message>",
             from->host, to->host, from->sent++);
    wire_say(from->router, text);
}

static struct pair *pair_of(struct side *side)
{
    struct side *other = side == &w.a ? &w.b : &w.a;
    return pair_find(side->s2s, span_of(side->host), span_of(other->host));
}

static bool is_queue_empty(struct side *side)
{
    struct pair *p = pair_of(side);
    return !p || outbox_is_empty(p->outbox);
}

static void side_end(struct side *side)
{
    void *conf = (void *)(uintptr_t)side->daemon.conf;
    s2s_stop(side->s2s, on_stopped, side);
    pass(20000);
    assert_true(side->is_stopped);
    s2s_free(&side->s2s);
    conf_free(&s2s_conf_spec, &conf);
    loop_sim_settle(w.loop);
    wire_free(&side->router);
}

static void world_end(void)
{
    w.a.is_down = w.b.is_down = true;
    side_end(&w.a);
    side_end(&w.b);
    resolver_free(&w.resolver);
    loop_free(&w.loop);
    xml_parser_shared_free();
    crypto_simulate(0);
    tls_peer_twin = NULL;
}

static void expect_all(void)
{
    assert_int_equal(w.b.arrived, w.a.sent);
    assert_int_equal(w.a.arrived, w.b.sent);
    assert_true(is_queue_empty(&w.a));
    assert_true(is_queue_empty(&w.b));
}

/* --- both ways -------------------------------------------------------------------------------- */

#define ANY_AUTH "[policy]\nauth = dialback\n"

static void test_certificates(void **state)
{
    (void)state;
    for (size_t i = 0; i < WIRE_CHUNKS; i++) {
        world_start("", wire_chunks[i], 20);
        w.verdict = TLS_PEER_OK;
        for (int n = 0; n < 5; n++)
            send_from(&w.a, &w.b);
        pass(3000);
        for (int n = 0; n < 5; n++)
            send_from(&w.b, &w.a);
        pass(5000);
        expect_all();
        assert_int_equal(w.dials, 1); /* both over the one stream */
        assert_int_equal(w.a.again + w.b.again, 0);
        world_end();
    }
}

static void test_dialback(void **state)
{
    (void)state;
    for (size_t i = 0; i < WIRE_CHUNKS; i++) {
        world_start(ANY_AUTH, wire_chunks[i], 20);
        w.verdict = TLS_PEER_SELF_SIGNED;
        for (int n = 0; n < 5; n++)
            send_from(&w.a, &w.b);
        pass(3000);
        for (int n = 0; n < 5; n++)
            send_from(&w.b, &w.a);
        pass(8000);
        expect_all();
        assert_int_equal(w.dials, 2); /* the second to ask */
        assert_int_equal(w.a.again + w.b.again, 0);
        world_end();
    }
}

/* Nobody's certificate, and that is not enough. */
static void test_neither(void **state)
{
    (void)state;
    world_start("[policy]\nauth = certificate\n", 0, 0);
    w.verdict = TLS_PEER_EXPIRED;
    send_from(&w.a, &w.b);
    pass(10000);
    assert_int_equal(w.b.arrived, 0);
    assert_true(is_queue_empty(&w.a)); /* the sender knows */
    world_end();
}

/* Both begin in the same moment. */
static void test_together(void **state)
{
    (void)state;
    for (int dialback = 0; dialback < 2; dialback++)
        for (uint64_t delay = 0; delay < 200; delay += 65) {
            world_start(dialback ? ANY_AUTH : "", 0, delay);
            w.verdict = dialback ? TLS_PEER_SELF_SIGNED : TLS_PEER_OK;
            for (int n = 0; n < 20; n++) {
                send_from(&w.a, &w.b);
                send_from(&w.b, &w.a);
            }
            pass(12000);
            expect_all();
            assert_int_equal(w.a.again + w.b.again, 0);
            assert_true(w.dials <= 2);
            world_end();
        }
}

/* S13: a stranger's DNS sends us to ourselves, and to somebody else: nobody is fooled, the sender
 * is told, and once is enough. */
static void test_led_astray(void **state)
{
    static const char *const addresses[] = {"8.8.8.8", "8.8.4.4"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
        world_start(ANY_AUTH, 0, 10);
        w.verdict = TLS_PEER_SELF_SIGNED;
        resolver_sim_add(w.resolver, RESOLVE_A, "astray.example", addresses[i], false);
        wire_say(w.a.router, "<message from='x@a.example' to='y@astray.example' id='m'/>");
        loop_sim_advance(w.loop, 4000);
        wire_expect(w.a.router, "<remote-server-not-found");
        pass(30000);
        assert_int_equal(w.dials, 1);
        assert_int_equal(w.a.s2s->in_count + w.b.s2s->in_count, 0);
        world_end();
    }
}

/* --- trouble ---------------------------------------------------------------------------------- */

/* A connection breaks, whatever is on its way on it. */
static void cut(struct side *side)
{
    struct pair *p = pair_of(side);
    struct stream *s = !p ? NULL : p->out ? out_stream(p->out) : p->in ? in_stream(p->in) : NULL;
    if (s)
        stream_abort(s);
}

static void storm(uint32_t seed)
{
    bool dialback = lot(&seed, 2);
    world_start(dialback ? ANY_AUTH : "", wire_chunks[lot(&seed, WIRE_CHUNKS)], lot(&seed, 100));
    w.verdict = dialback ? TLS_PEER_SELF_SIGNED : TLS_PEER_OK;
    for (int step = 0; step < 200; step++) {
        switch (lot(&seed, 8)) {
        case 0:
            cut(lot(&seed, 2) ? &w.a : &w.b);
            break;
        case 1:
            pass(lot(&seed, 3000));
            break;
        case 2:
            w.b.is_down = lot(&seed, 4) == 0;
            break;
        case 3:
            pass(lot(&seed, 20));
            break;
        default:
            if (lot(&seed, 2))
                send_from(&w.a, &w.b);
            else
                send_from(&w.b, &w.a);
        }
    }
    w.b.is_down = false;
    for (int i = 0; i < 100 && (!is_queue_empty(&w.a) || !is_queue_empty(&w.b)); i++)
        pass(10000);
    expect_all();
    world_end();
}

static void test_storms(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 40; seed++)
        storm(seed);
}

#define PATIENT "[limits]\nqueue_time = 7d\n"

/* Connections end at any byte, of stanzas too: all arrives, in order; what was not acknowledged
 * comes again, whole. */
static void test_cuts(void **state)
{
    unsigned cuts = 0, within = 0;
    (void)state;
    for (uint32_t round = 1; cuts < 200; round++) {
        uint32_t seed = round;
        bool dialback = round % 2;
        world_start(dialback ? ANY_AUTH PATIENT : PATIENT, wire_chunks[round % WIRE_CHUNKS],
                    round % 40);
        w.verdict = dialback ? TLS_PEER_SELF_SIGNED : TLS_PEER_OK;
        w.is_cut = true;
        w.cut_seed = round;
        for (unsigned step = 0; step < 300; step++) {
            send_from(&w.a, &w.b);
            if (step % 3 == 0)
                send_from(&w.b, &w.a);
            pass(lot(&seed, 2) ? lot(&seed, 30) : lot(&seed, 2000));
        }
        w.is_cut = false; /* else a queue that is longer than what passes would never pass */
        for (int i = 0; i < 100 && (!is_queue_empty(&w.a) || !is_queue_empty(&w.b)); i++)
            pass(10000);
        expect_all();
        cuts += w.cuts;
        within += w.cut_within;
        world_end();
    }
    assert_true(within > cuts / 2);
}

/* One side stops in order again and again while the other sends. */
static void test_restarts(void **state)
{
    (void)state;
    world_start("", 7, 10);
    for (int round = 0; round < 10; round++) {
        for (int n = 0; n < 30; n++) {
            send_from(&w.a, &w.b);
            pass(n);
        }
        w.b.is_down = true;
        side_end(&w.b);
        w.b.is_stopped = false;
        start(&w.b, "");
        w.b.is_down = false;
    }
    for (int i = 0; i < 100 && !is_queue_empty(&w.a); i++)
        pass(10000);
    expect_all();
    world_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificates), cmocka_unit_test(test_dialback),
        cmocka_unit_test(test_neither),      cmocka_unit_test(test_together),
        cmocka_unit_test(test_storms),       cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_led_astray),   cmocka_unit_test(test_restarts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
