/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_s2s - the bytes of another server against a whole s2s: as who connects to us, and as who is
 * connected to.
 *
 * Byte 0: who speaks, and how far he has come (below); byte 1: the size of the pieces in which he
 * does, if any. 0xFF in the bytes lets time pass, as the byte after it chooses (fuzz_wait). He has
 * a certificate for montague.example, and nobody vouches for him otherwise: whatever he says, no
 * stanza of another domain and none of the router's own words may reach the router. Each input
 * has a process of its own.
 */
#include "end.h"

#include "base/mem.h"
#include "dns/resolve.h"
#include "s2s/in.h"
#include "s2s/pair.h"
#include "s2s/s2s.h"
#include "tls/crypto.h"
#include "tls/peer.h"
#include "xml/parser.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"

enum progress {
    IN_CLEAR,
    IN_TLS,    /* after the features */
    IN_PROVED, /* after EXTERNAL */
    IN_BOTH,   /* likewise, with XEP-0288 */
    FAR,       /* we connect to him */
    FAR_TLS,   /* after his features */
    FAR_READY, /* after EXTERNAL */
    PROGRESSES,
};

#define HOST "capulet.example"
#define PEER "montague.example"
#define DECLARED                                                                                   \
    "xmlns='" NS_SERVER "' xmlns:db='jabber:server:dialback' xmlns:stream='" NS_STREAM "'"
#define OPEN "<stream:stream to='" HOST "' from='" PEER "' version='1.0' " DECLARED ">"
#define ANSWER "<stream:stream from='" PEER "' to='" HOST "' id='f' version='1.0' " DECLARED ">"
#define EXTERNAL "<auth xmlns='" NS_SASL "' mechanism='EXTERNAL'>=</auth>"

static const char settings[] = "[s2s]\nhost = " HOST "\n"
                               "[router]\nsecret = 0123456789abcdef0123456789abcdef\n"
                               "[policy]\ntls = optional\n"
                               "[limits]\nbacklog = 65536\nmax_pairs = 30\n";

/* --- far ends --------------------------------------------------------------------------------- */

static struct loop *loop;
static struct s2s *s2s;
static struct end router, other, spare; /* the link; he who speaks; what else is dialled */

static void say(struct end *e, struct span text)
{
    end_say(e, loop, text);
}

/* --- the process ------------------------------------------------------------------------------ */

static struct s2s_conf *conf;
static struct resolver *resolver;
static bool is_over, is_dialled;

static void check_router(void);

/* This one answers nothing, not even pings, so that the link is new each minute. */
static struct conn *to_router(void *ctx)
{
    (void)ctx;
    if (router.conn)
        return NULL;
    check_router();
    return end_new(&router, loop);
}

static struct conn *to_peer(void *ctx, const struct addr *to)
{
    (void)ctx;
    (void)to;
    if (is_dialled || other.conn)
        return end_new(&spare, loop);
    is_dialled = true;
    return end_new(&other, loop);
}

static enum tls_peer_verdict twin(const struct tls_peer_want *want)
{
    return span_eq(want->domain, SPAN(PEER)) ? TLS_PEER_OK : TLS_PEER_SELF_SIGNED;
}

static void free_settings(void)
{
    void *c = conf;
    conf_free(&s2s_conf_spec, &c);
    xml_parser_shared_free();
}

static void load_settings(void)
{
    conf = end_load_conf(&s2s_conf_spec, settings);
    atexit(free_settings);
}

static void start(void)
{
    char error[CONF_ERROR_MAX] = "";
    loop = loop_new_sim();
    resolver = resolver_new_sim(loop);
    resolver_sim_add(resolver, RESOLVE_A, PEER, "8.8.4.4", false);
    struct daemon d = {.loop = loop, .instance = "s2s", .conf = conf};
    s2s_test_router = to_router;
    s2s_test_connect = to_peer;
    s2s_test_resolver = resolver;
    tls_peer_twin = twin;
    is_over = is_dialled = false;
    s2s = s2s_new(&d, error);
    if (!s2s)
        fuzz_fail("no s2s", span_of(error), SPAN(""));
    loop_sim_advance(loop, 3000);
    say(&router, SPAN("<stream:stream xmlns='" NS_COMPONENT "' xmlns:stream='" NS_STREAM
                      "' id='1' from='s2s." HOST "'><handshake/>"));
    say(&router, SPAN("<bind xmlns='" NS_ROUTER "' type='result'/>"));
    buf_clear(&router.heard);
}

static void on_stopped(void *ctx)
{
    (void)ctx;
    is_over = true;
}

static void stop(void)
{
    s2s_stop(s2s, on_stopped, NULL);
    loop_sim_advance(loop, 20000);
    if (!is_over)
        fuzz_fail("it does not stop", SPAN(""), SPAN(""));
    s2s_free(&s2s);
    end_free(&router, loop);
    end_free(&spare, loop);
    resolver_free(&resolver);
    loop_free(&loop);
}

/* --- how far he has come ---------------------------------------------------------------------- */

static void connect_to_us(enum progress progress)
{
    in_accept(s2s, end_new(&other, loop), progress != IN_CLEAR);
    if (progress == IN_CLEAR)
        return;
    end_secure(&other, loop);
    say(&other, SPAN(OPEN));
    if (progress == IN_BOTH)
        say(&other, SPAN("<bidi xmlns='" NS_BIDI "'/>"));
    if (progress >= IN_PROVED)
        say(&other, SPAN(EXTERNAL OPEN));
}

static void be_connected_to(enum progress progress)
{
    say(&router,
        SPAN("<message from='b@" HOST "' to='a@" PEER "'><body>1</body></message>"
             "<iq type='get' id='1' from='b@" HOST "' to='a@" PEER "'><q xmlns='q'/></iq>"));
    loop_sim_advance(loop, 1000);
    if (!other.conn)
        fuzz_fail("he is not connected to", SPAN(""), SPAN(""));
    if (progress == FAR)
        return;
    say(&other, SPAN(ANSWER "<stream:features><starttls xmlns='" NS_TLS "'/></stream:features>"
                            "<proceed xmlns='" NS_TLS "'/>"));
    end_secure(&other, loop);
    say(&other, SPAN(ANSWER "<stream:features><mechanisms xmlns='" NS_SASL "'><mechanism>EXTERNAL"
                            "</mechanism></mechanisms><bidi xmlns='" NS_BIDI_FEATURE "'/>"
                            "</stream:features>"));
    if (progress == FAR_READY)
        say(&other, SPAN("<success xmlns='" NS_SASL "'/>" ANSWER
                         "<stream:features><sm xmlns='" NS_SM "'/></stream:features>"
                         "<enabled xmlns='" NS_SM "'/>"));
}

/* --- what must never happen ------------------------------------------------------------------- */

static void check_relayed(struct span frame)
{
    struct stanza s = {0};
    struct jid from;
    static struct jid_scratch scratch;
    if (xml_parse_stanza(xml_parser_shared(SPAN(NS_COMPONENT)), frame, &s))
        fuzz_fail("the router hears what does not parse", frame, SPAN(""));
    if (span_eq(stanza_root(&s)->ns, SPAN(NS_COMPONENT))) {
        if (!jid_parse(s.from, &from, &scratch) || !span_eq(from.domain, SPAN(PEER)) ||
            !relay_is_ours(s2s, jid_domain_of(s.to)))
            fuzz_fail("the router hears of a stranger", frame, SPAN(""));
        if (stanza_child(&s, 0, SPAN(NS_ROUTER), SPAN_NONE))
            fuzz_fail("the router hears its own words", frame, SPAN(""));
    }
    stanza_free(&s);
}

/* Frames by frames; those that follow a header, with its prefixes. */
static void check_speech(struct span heard, struct span ns, void (*check)(struct span frame))
{
    struct framer f;
    enum frame kind = FRAME_MORE;
    struct xml_parser *parser = NULL;
    struct stanza s = {0};
    framer_init(&f, &framer_limits_link);
    if (check && !span_starts(heard, SPAN("<?xml"))) /* the header has been heard before */
        framer_init_stanzas(&f, &framer_limits_link);
    while (heard.n > 0) {
        size_t n = framer_scan(&f, heard.p, heard.n, &kind);
        struct span frame = span_make(heard.p, n);
        heard = span_from(heard, n);
        if (kind == FRAME_FAULT)
            fuzz_fail("what was said cannot be framed", frame, heard);
        if (kind == FRAME_OPEN && !check && xml_parse_open(frame, &s) == XML_OK) {
            xml_parser_free(&parser);
            parser = xml_parser_new(ns, &s);
        } else if (kind == FRAME_STANZA && check) {
            check(frame);
        } else if (kind == FRAME_STANZA && (!parser || xml_parse_stanza(parser, frame, &s))) {
            fuzz_fail("what was said does not parse", frame, SPAN(""));
        }
        if (kind == FRAME_STANZA &&
            (span_starts(frame, SPAN("<success")) || span_starts(frame, SPAN("<proceed")) ||
             span_starts(frame, SPAN("<starttls")) || span_starts(frame, SPAN("<auth")) ||
             span_starts(frame, SPAN("<response"))))
            if (heard.n > 0 && span_starts(heard, SPAN("<?xml")))
                framer_init(&f, &framer_limits_link);
    }
    xml_parser_free(&parser);
    stanza_free(&s);
}

static void check_router(void)
{
    check_speech(buf_span(&router.heard), SPAN_NONE, check_relayed);
}

/* --- an input --------------------------------------------------------------------------------- */

static void say_all(struct span in, size_t chunk)
{
    uint64_t time_left = FUZZ_TIME;
    end_set_chunk(&other, chunk < 16 ? chunk : 0);
    while (in.n > 0) {
        bool waits = memchr(in.p, 0xff, in.n);
        say(&other, fuzz_part(&in, '\xff'));
        if (waits)
            loop_sim_advance(loop, fuzz_wait(&in, &time_left));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = fuzz_input(data, n);
    enum progress progress = fuzz_byte(&in) % PROGRESSES;
    size_t chunk = fuzz_byte(&in) % 32;
    if (!conf)
        load_settings();
    crypto_simulate(13);
    start();
    if (progress < FAR)
        connect_to_us(progress);
    else
        be_connected_to(progress);
    say_all(in, chunk);
    check_speech(buf_span(&other.heard), SPAN(NS_SERVER), NULL);
    check_router();
    end_free(&other, loop);
    loop_sim_advance(loop, 1000);
    if (s2s->in_count > 0)
        fuzz_fail("a stream is left of who has gone", in, SPAN(""));
    stop();
    return 0;
}
