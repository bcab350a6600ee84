/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_net - the bytes of another server of the network against a whole net, once it has proved to
 * be prime.n: as who has dialled us, and as who is dialled.
 *
 * Byte 0: who speaks, and how far he has come (below); byte 1: the size of the pieces in which he
 * does, if any. 0xFF in the bytes lets time pass, as the byte after it chooses (fuzz_wait); 0xFE
 * cuts the connection, and he comes back to resume. Whatever he says, the router hears no stanza of
 * another member or of ours, none of the router's own words, and no name but those below his.
 */
#include "end.h"

#include "base/mem.h"
#include "dns/resolve.h"
#include "net/peer.h"
#include "net/wire.h"
#include "tls/crypto.h"
#include "xml/parser.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"
#include "xmpp/server_key.h"

enum progress {
    IN_TLS,    /* before his header */
    IN_PROVED, /* after it */
    IN_UP,
    FAR_TLS, /* we have dialled him */
    FAR_UP,
    PROGRESSES,
};

#define HOST "beta.n"
#define PEER "prime.n"
#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define DECLARED "xmlns='" NS_SERVER "' xmlns:stream='" NS_STREAM "' version='1.0'"
#define OPEN "<stream:stream to='" HOST "' from='" PEER "' " DECLARED ">"
#define ANSWER "<stream:stream from='" PEER "' to='" HOST "' id='f' " DECLARED ">"
#define FEATURES                                                                                   \
    "<stream:features><sm xmlns='" NS_SM "'/><link xmlns='" NS_NETWORK "'/></stream:features>"

static const char settings[] = "[net]\nhost = " HOST "\nnetwork = net.n\nservers = %s\n"
                               "[router]\nsecret = 0123456789abcdef0123456789abcdef\n"
                               "[store]\npath = :memory:\n[limits]\nbacklog = 65536\n";
static const char table[] = PEER " " KEY " enabled\n" HOST " " KEY " enabled\n"
                                 "gamma.n BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB disabled\n";

/* --- far ends --------------------------------------------------------------------------------- */

static struct loop *loop;
static struct net *net;
static struct end router, other, spare; /* the link; he who speaks; what else is dialled */
static size_t chunk;

static void say(struct end *e, struct span text)
{
    end_say(e, loop, text);
}

/* --- the process ------------------------------------------------------------------------------ */

static struct net_conf *conf;
static char servers[] = "/tmp/fuzz_net.XXXXXX";
static struct resolver *resolver;
static bool is_over, is_dialled;

static void check_router(void);

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

static bool twin(void *session, char fingerprint_r[SERVER_FINGERPRINT + 1])
{
    (void)session;
    memcpy(fingerprint_r, KEY, SERVER_FINGERPRINT + 1);
    return true;
}

static void free_settings(void)
{
    void *c = conf;
    conf_free(&net_conf_spec, &c);
    unlink(servers);
    xml_parser_shared_free();
}

static void load_settings(void)
{
    char text[sizeof settings + sizeof servers];
    end_write_file(servers, table);
    snprintf(text, sizeof text, settings, servers);
    conf = end_load_conf(&net_conf_spec, text);
    atexit(free_settings);
}

static void start(void)
{
    char error[CONF_ERROR_MAX] = "";
    loop = loop_new_sim();
    resolver = resolver_new_sim(loop);
    resolver_sim_add(resolver, RESOLVE_A, PEER, "10.0.0.1", false);
    struct daemon d = {.loop = loop, .instance = "net", .conf = conf};
    net_test_router = to_router;
    net_test_connect = to_peer;
    net_test_resolver = resolver;
    server_key_twin = twin;
    is_over = is_dialled = false;
    net = net_new(&d, error);
    if (!net)
        fuzz_fail("no net", span_of(error), SPAN(""));
    loop_sim_settle(loop);
    say(&router, SPAN("<stream:stream xmlns='" NS_COMPONENT "' xmlns:stream='" NS_STREAM
                      "' id='1' from='net." HOST "'><handshake/>"));
    say(&router, SPAN("<route xmlns='" NS_ROUTER "' name='rooms." HOST "' state='up'/>"
                      "<message from='b@" HOST "' to='a@" PEER "'><body>1</body></message>"
                      "<iq type='get' id='1' from='b@" HOST "' to='a@" PEER "'>"
                      "<q xmlns='q'/></iq>"));
}

static void on_stopped(void *ctx)
{
    (void)ctx;
    is_over = true;
}

static void stop(void)
{
    net_stop(net, on_stopped, NULL);
    loop_sim_advance(loop, 20000);
    if (!is_over)
        fuzz_fail("it does not stop", SPAN(""), SPAN(""));
    net_free(&net);
    end_free(&router, loop);
    end_free(&spare, loop);
    resolver_free(&resolver);
    loop_free(&loop);
}

/* --- how far he has come ---------------------------------------------------------------------- */

static void connect_to_us(enum progress progress)
{
    is_dialled = true; /* what is dialled meanwhile is not his */
    wire_accept(net, end_new(&other, loop));
    end_secure(&other, loop);
    if (progress >= IN_PROVED)
        say(&other, SPAN(OPEN));
    if (progress == IN_UP)
        say(&other, SPAN("<enable xmlns='" NS_SM "' resume='true'/>"));
}

/* A message has asked for it. */
static void be_connected_to(enum progress progress)
{
    if (!other.conn)
        fuzz_fail("he is not dialled", SPAN(""), SPAN(""));
    end_secure(&other, loop);
    if (progress == FAR_UP)
        say(&other, SPAN(ANSWER FEATURES "<enabled xmlns='" NS_SM "' id='p'/>"));
}

/* --- what must never happen ------------------------------------------------------------------- */

static bool is_his(struct span domain)
{
    return span_eq(domain, SPAN(PEER)) || span_ends(domain, SPAN("." PEER));
}

static bool is_ours(struct span domain)
{
    return span_eq(domain, SPAN(HOST)) || span_ends(domain, SPAN("." HOST));
}

static bool is_fine(const struct stanza *s, struct span from, struct span to)
{
    uint32_t via = stanza_child(s, 0, SPAN(NS_NETWORK), SPAN("via"));
    if (stanza_child(s, 0, SPAN(NS_ROUTER), SPAN_NONE))
        return false;
    if (!via) /* our own errors come back to whoever is ours */
        return (is_his(from) || span_eq(s->type, SPAN("error"))) && is_ours(to);
    return span_eq(stanza_attr(s, via, SPAN("host")), SPAN(PEER)) && !is_ours(from) &&
           !span_eq(from, SPAN(PEER)) && !span_eq(from, SPAN("net.n")) &&
           (is_ours(to) || span_eq(to, SPAN("net.n"))) &&
           !stanza_next(s, via, SPAN(NS_NETWORK), SPAN("via"));
}

static void check_relayed(struct span frame)
{
    struct stanza s = {0};
    struct jid from;
    static struct jid_scratch scratch;
    if (xml_parse_stanza(xml_parser_shared(SPAN(NS_COMPONENT)), frame, &s))
        fuzz_fail("the router hears what does not parse", frame, SPAN(""));
    const struct stanza_node *root = stanza_root(&s);
    if (span_eq(root->ns, SPAN(NS_COMPONENT)) && !span_eq(root->name, SPAN("handshake")) &&
        (!jid_parse(s.from, &from, &scratch) || !is_fine(&s, from.domain, jid_domain_of(s.to))))
        fuzz_fail("the router hears of a stranger", frame, SPAN(""));
    if (span_eq(root->name, SPAN("bind")) && !is_his(stanza_attr(&s, 0, SPAN("name"))))
        fuzz_fail("a name is bound that is not his", frame, SPAN(""));
    stanza_free(&s);
}

static void check_router(void)
{
    struct span heard = buf_span(&router.heard);
    struct framer f;
    enum frame kind;
    framer_init(&f, &framer_limits_link);
    while (heard.n > 0) {
        size_t n = framer_scan(&f, heard.p, heard.n, &kind);
        if (kind == FRAME_FAULT)
            fuzz_fail("what was said cannot be framed", heard, SPAN(""));
        if (kind == FRAME_STANZA)
            check_relayed(span_make(heard.p, n));
        heard = span_from(heard, n);
    }
}

/* --- an input --------------------------------------------------------------------------------- */

static void come_back(void)
{
    char text[200];
    struct peer *p = peer_find(net, SPAN(PEER));
    fuzz_check_speech(buf_span(&other.heard), SPAN(NS_SERVER), true);
    if (other.conn)
        conn_abort(other.conn, 0);
    loop_sim_settle(loop);
    connect_to_us(IN_PROVED);
    int n = snprintf(text, sizeof text, "<resume xmlns='" NS_SM "' previd='%s' h='%u'/>",
                     p->previous, p->acked);
    say(&other, span_make(text, (size_t)n));
    end_set_chunk(&other, chunk);
}

static void say_all(struct span in)
{
    uint64_t time_left = FUZZ_TIME;
    end_set_chunk(&other, chunk);
    while (in.n > 0) {
        size_t n = 0;
        while (n < in.n && (unsigned char)in.p[n] < 0xfe)
            n++;
        say(&other, span_make(in.p, n));
        in = span_from(in, n);
        if (in.n == 0)
            return;
        bool cuts = (unsigned char)in.p[0] == 0xfe;
        in = span_from(in, 1);
        if (cuts)
            come_back();
        else
            loop_sim_advance(loop, fuzz_wait(&in, &time_left));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = fuzz_input(data, n);
    enum progress progress = fuzz_byte(&in) % PROGRESSES;
    chunk = fuzz_byte(&in) % 32;
    chunk = chunk < 16 ? chunk : 0;
    if (!conf)
        load_settings();
    crypto_simulate(13);
    start();
    if (progress < FAR_TLS)
        connect_to_us(progress);
    else
        be_connected_to(progress);
    say_all(in);
    fuzz_check_speech(buf_span(&other.heard), SPAN(NS_SERVER), true);
    check_router();
    end_free(&other, loop);
    stop();
    return 0;
}
