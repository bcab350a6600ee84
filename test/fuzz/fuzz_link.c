/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_link - XEP-0114 and our extension of it: the bytes of a component against a whole router,
 * and the bytes of a router against our own end of a link.
 *
 * Byte 0: the side (below); byte 1: the size of the pieces. 0xFF in the bytes lets time pass, as
 * the byte after it chooses (fuzz_wait). Beside the component that misbehaves there is one that
 * hears well-formed stanzas only, and is still served at the end.
 *
 * The router and that witness are used for many inputs. After each the router must have forgotten
 * all of it (but failed handshakes, which are cleared), so that only the clock goes on.
 */
#include "end.h"

#include "base/loop.h"
#include "base/mem.h"
#include "router/router.h"
#include "tls/crypto.h"
#include "xmpp/link.h"
#include "xmpp/ns.h"

#include <stdlib.h>

enum side {
    STRANGER,    /* to the router, from its first byte */
    THIRD_PARTY, /* a component after its handshake */
    INTERNAL,    /* one of our own processes after its handshake */
    ROUTER,      /* to a link, from its first byte */
    ROUTER_UP,   /* to a link that is up */
    SIDES,
};

#define ROUNDS 1000 /* inputs for one router */

#define SECRET "0123456789abcdef0123456789abcdef"
#define HEAD                                                                                       \
    "<stream:stream xmlns='" NS_COMPONENT "' xmlns:stream='" NS_STREAM "' id='1' from='c.h' to='"

static char *shared[] = {"h", "n"}, *names[] = {"c*.h", "*.n"}, *gates[] = {"gate.h", "*.gate.h"};
static struct component components[] = {
    {.section = "c2s", .secret = SECRET, .names = {names, 2}, .shared = {shared, 2},
     .internal = true, .is_default = true},
    {.section = "irc.h", .secret = "irc", .is_default = true},
    {.section = "gate", .secret = "gate", .names = {gates, 2}},
};
static const struct router_conf conf = {
    .control = "", .tls_cert = "", .tls_key = "", .tap_file = "", .queue = 64 * 1024,
    .components = components, .component_count = ARRAY_LEN(components)};

/* --- a far end -------------------------------------------------------------------------------- */

/* In pieces of at most chunk bytes. */
static void say_all(struct loop *loop, struct end *e, size_t chunk, struct span in)
{
    uint64_t time_left = FUZZ_TIME;
    end_set_chunk(e, chunk);
    while (in.n > 0) {
        bool waits = memchr(in.p, 0xff, in.n);
        end_say(e, loop, fuzz_part(&in, '\xff'));
        if (waits)
            loop_sim_advance(loop, fuzz_wait(&in, &time_left));
    }
}

/* --- a component against the router ----------------------------------------------------------- */

static struct loop *loop;
static struct router *router;
static struct end witness;
static size_t routes; /* of the witness */
static unsigned rounds;

static void knock(struct end *e)
{
    router_accept(router, end_new(e, loop));
}

static void join(struct end *e, const char *name, const char *secret)
{
    char digest[41];
    struct buf text = {0};
    buf_printf(&text, HEAD "%s'>", name);
    end_say(e, loop, buf_span(&text));
    const char *id = strstr(buf_z(&e->heard), " id='");
    if (!id)
        fuzz_fail("no header", buf_span(&e->heard), SPAN(""));
    link_handshake(span_make(id + 5, 32), span_of(secret), digest);
    buf_clear(&text);
    buf_printf(&text, "<handshake>%s</handshake>", digest);
    end_say(e, loop, buf_span(&text));
    buf_free(&text);
}

static bool hears(const struct end *e, struct span text)
{
    struct span heard = buf_span(&e->heard);
    return memmem(heard.p, heard.n, text.p, text.n) != NULL;
}

/* One that has shaken hands, and holds h when it is one of ours. */
static void enter(struct end *e, enum side side)
{
    if (side == THIRD_PARTY)
        join(e, "irc.h", "irc");
    if (side != INTERNAL)
        return;
    join(e, "c9.h", SECRET);
    end_say(e, loop, SPAN("<bind xmlns='" NS_ROUTER "' id='b' name='h' shared='true'/>"));
}

/* What the witness hears from now on, behind a header. */
static void listen_anew(void)
{
    buf_clear(&witness.heard);
    buf_append_z(&witness.heard, HEAD "'>");
}

static void stop_router(void)
{
    if (!router)
        return;
    end_free(&witness, loop);
    router_free(&router);
    loop_sim_settle(loop);
    loop_free(&loop);
}

static void start_router(void)
{
    char error[CONF_ERROR_MAX];
    stop_router();
    rounds = 0;
    loop = loop_new_sim();
    router = router_new(loop, &conf, error);
    knock(&witness);
    join(&witness, "gate.h", "gate");
    if (!hears(&witness, SPAN("<handshake/>")))
        fuzz_fail("the witness is not let in", buf_span(&witness.heard), SPAN(""));
    routes = router->routes.by_name.count;
    listen_anew();
}

static bool is_clean(void)
{
    return router->peer_count == 1 && router->routes.by_name.count == routes &&
           !router->routes.fallback && claims_count(&router->claims) == 0 &&
           list_is_empty(&router->claims.fences);
}

static void check_clean(struct span in)
{
    if (!is_clean())
        loop_sim_advance(loop, CLAIM_FENCE_MS + 1000);
    if (!is_clean())
        fuzz_fail("the router keeps something of who has gone", in, SPAN(""));
    router->admit.count = 0;
}

static void try_router(struct span in, enum side side, size_t chunk)
{
    struct end bad = {0};
    if (!router || rounds++ == ROUNDS)
        start_router();
    crypto_simulate(11);
    knock(&bad);
    enter(&bad, side);
    say_all(loop, &bad, chunk, in);
    end_say(&witness, loop, SPAN("<message from='gate.h' to='gate.h' id='own'/>"));
    if (!hears(&witness, SPAN("id='own'")))
        fuzz_fail("the witness is not served", in, buf_span(&witness.heard));
    struct span ns = side == INTERNAL ? SPAN_NONE : SPAN(NS_COMPONENT);
    fuzz_check_speech(buf_span(&bad.heard), ns, true);
    end_free(&bad, loop);
    fuzz_check_speech(buf_span(&witness.heard), ns, true);
    listen_anew();
    check_clean(in);
}

/* --- a router against a link ------------------------------------------------------------------ */

struct ours {
    struct loop *loop;
    struct end far;
    struct link *link;
    size_t done, sent;
    bool is_gone, refuses;
};

static struct conn *on_connect_wanted(void *ctx)
{
    struct ours *o = ctx;
    if (o->refuses || o->far.conn)
        return NULL;
    o->refuses = true; /* once is enough */
    return end_new(&o->far, o->loop);
}

static void on_done(void *ctx, bool safe)
{
    struct ours *o = ctx;
    (void)safe;
    o->done++;
}

static void send_back(struct ours *o, const struct stanza *s)
{
    o->sent++;
    link_send_stanza(o->link, s, &(struct stanza_write_opts){.to = s->from, .from = s->to},
                     (struct link_done){on_done, o});
}

static void on_stanza(void *ctx, struct stanza *stanza)
{
    send_back(ctx, stanza);
}

static void on_up(void *ctx)
{
    struct ours *o = ctx;
    link_claims_begin(o->link);
    link_claims_add(o->link, SPAN("u@h"));
    link_claims_end(o->link);
}

static void on_claim(void *ctx, struct span jid, struct span owner)
{
    struct ours *o = ctx;
    (void)owner;
    link_release(o->link, jid);
}

static void on_released(void *ctx, struct span jid)
{
    struct ours *o = ctx;
    link_released_ok(o->link, jid);
}

static void on_route(void *ctx, struct span name, bool is_up)
{
    struct ours *o = ctx;
    if (is_up)
        link_claim(o->link, name);
}

static const struct link_events events = {.on_up = on_up,
                                          .on_stanza = on_stanza,
                                          .on_envelope = on_stanza,
                                          .on_claim = on_claim,
                                          .on_released = on_released,
                                          .on_route = on_route};

static void on_gone(void *ctx)
{
    struct ours *o = ctx;
    o->is_gone = true;
}

static void try_link(struct span in, enum side side, size_t chunk)
{
    static const struct link_bind binds[] = {{.name = SPAN_INIT("h"), .shared = true}};
    crypto_simulate(11);
    struct ours o = {.loop = loop_new_sim()};
    struct link_opts opts = {.name = SPAN("c.h"),
                             .secret = SPAN("test"),
                             .binds = binds,
                             .bind_count = 1,
                             .queue_max = 4096,
                             .watch = true,
                             .connect = on_connect_wanted,
                             .connect_ctx = &o};
    o.link = link_new(o.loop, &opts, &events, &o);
    loop_sim_settle(o.loop);
    if (side == ROUTER_UP)
        end_say(&o.far, o.loop,
                SPAN(HEAD "'><handshake/><bind xmlns='" NS_ROUTER "' id='1' type='result'/>"));
    if (side == ROUTER_UP && !link_is_up(o.link))
        fuzz_fail("the link is not up", buf_span(&o.far.heard), SPAN(""));
    say_all(o.loop, &o.far, chunk, in);
    fuzz_check_speech(buf_span(&o.far.heard), SPAN(NS_COMPONENT), true);
    link_close(&o.link, on_gone, &o);
    end_free(&o.far, o.loop);
    loop_sim_advance(o.loop, 10000);
    if (!o.is_gone || o.done != o.sent)
        fuzz_fail("the link leaves something behind", in, SPAN(""));
    loop_free(&o.loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = fuzz_input(data, n);
    enum side side = fuzz_byte(&in) % SIDES;
    size_t chunk = fuzz_byte(&in) % 16;
    if (!router)
        atexit(stop_router);
    if (side < ROUTER)
        try_router(in, side, chunk);
    else
        try_link(in, side, chunk);
    crypto_simulate(0);
    return 0;
}
