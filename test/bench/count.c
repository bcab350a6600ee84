/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * count - does one thing a given number of times, for test/bench/instructions, which counts the
 * instructions of it under callgrind. Whole processes, on simulated connections: no system calls,
 * no TLS, and the same work in every run.
 *
 *   count relay|component|chat|archive|parse|login|KIND-of-WHOM TIMES
 *
 * relay: between two of our own processes; component: between two of others; chat: between two
 * users of one c2s, and archive: the same with both their archives; parse: a message read and
 * written; login: SCRAM-SHA-1, bind, presence. What must not tell whether an account exists is done
 * for one that does and for one that does not: see secretive.
 */
#include "../replay/stage.h"
#include "base/log.h"
#include "base/mem.h"
#include "tls/crypto.h"
#include "xml/framer.h"
#include "xml/parser.h"
#include "xml/writer.h"
#include "xmpp/link.h"

#include <stdio.h>
#include <stdlib.h>

#define HASH_LEN 20
#define BODY                                                                                       \
    "<body>Where be these enemies? Capulet, Montague, see what a scourge is laid upon your hate, " \
    "that heaven finds means</body>"

static struct stage *stage;

static _Noreturn void die(const char *what, struct actor *a)
{
    fprintf(stderr, "count: %s: %s\n", what, a ? buf_z(&a->heard) : "");
    exit(1);
}

static void say(struct actor *a, const char *text)
{
    buf_clear(&a->heard);
    actor_say(a, span_of(text));
}

/* What a has heard between two texts; ends the run when it is not there. */
static struct span between(struct actor *a, const char *before, const char *after)
{
    const char *start = strstr(buf_z(&a->heard), before);
    const char *end = start ? strstr(start + strlen(before), after) : NULL;
    if (!end)
        die(before, a);
    start += strlen(before);
    return span_make(start, (size_t)(end - start));
}

/* Sends text times times; all of it must come out at to. */
static void repeat(struct actor *from, struct actor *to, const char *text, unsigned long times)
{
    for (unsigned long i = 0; i < times; i++) {
        buf_clear(&to->heard);
        actor_say(from, span_of(text));
        if (buf_len(&to->heard) < strlen(text))
            die("a message did not arrive", from);
    }
}

/* --- components ------------------------------------------------------------------------------- */

static struct actor *join(const char *name, const char *secret)
{
    char digest[41], text[200];
    struct actor *a = stage_actor(stage, span_of(name));
    actor_connect_router(a);
    snprintf(text, sizeof text,
             "<stream:stream xmlns='jabber:component:accept' "
             "xmlns:stream='http://etherx.jabber.org/streams' to='%s'>",
             name);
    say(a, text);
    link_handshake(between(a, "id='", "'"), span_of(secret), digest);
    snprintf(text, sizeof text, "<handshake>%s</handshake>", digest);
    say(a, text);
    between(a, "<handshake/", ">");
    return a;
}

static void count_between(const char *one, const char *other, const char *secret,
                          unsigned long times)
{
    char text[400];
    struct actor *a = join(one, secret), *b = join(other, secret);
    snprintf(text, sizeof text, "<message from='%s' to='%s' type='chat' id='m1'>" BODY "</message>",
             one, other);
    repeat(a, b, text, times);
}

static void count_relay(unsigned long times)
{
    count_between("c2s-8." STAGE_HOST, "c2s-9." STAGE_HOST, STAGE_SECRET, times);
}

static void count_component(unsigned long times)
{
    count_between("a." STAGE_HOST, "b." STAGE_HOST, STAGE_THIRD_SECRET, times);
}

/* --- users ------------------------------------------------------------------------------------ */

static void say_header(struct actor *a)
{
    say(a, "<stream:stream xmlns='jabber:client' version='1.0' "
           "xmlns:stream='http://etherx.jabber.org/streams' to='" STAGE_HOST "'>");
    between(a, "<stream:features", "</stream:features>");
}

static void say_sasl(struct actor *a, const char *element, const char *attr, struct span message)
{
    struct buf out = {0};
    buf_printf(&out, "<%s xmlns='urn:ietf:params:xml:ns:xmpp-sasl'%s>", element, attr);
    base64_encode(&out, message);
    buf_printf(&out, "</%s>", element);
    say(a, buf_z(&out));
    buf_free(&out);
}

/* The client's proof (RFC 5802 3); one user's salted password is made once. */
static void append_proof(struct buf *final, struct span auth, struct span salt, uint32_t rounds)
{
    static unsigned char salted[HASH_LEN];
    static bool is_made;
    unsigned char key[HASH_LEN], stored[HASH_LEN], proof[HASH_LEN];
    if (!is_made)
        crypto_pbkdf2(CRYPTO_SHA1, SPAN(STAGE_PASSWORD), salt, rounds, salted);
    is_made = true;
    crypto_hmac(CRYPTO_SHA1, span_make((char *)salted, HASH_LEN), SPAN("Client Key"), key);
    crypto_digest(CRYPTO_SHA1, span_make((char *)key, HASH_LEN), stored);
    crypto_hmac(CRYPTO_SHA1, span_make((char *)stored, HASH_LEN), auth, proof);
    for (int i = 0; i < HASH_LEN; i++)
        proof[i] ^= key[i];
    buf_append_z(final, ",p=");
    base64_encode(final, span_make((char *)proof, HASH_LEN));
}

static bool authenticate(struct actor *a, const char *user)
{
    struct buf auth = {0}, first = {0}, challenge = {0}, salt = {0}, final = {0};
    buf_printf(&auth, "n=%s,r=0123456789abcdef", user);
    buf_printf(&first, "n,,%s", buf_z(&auth));
    say_sasl(a, "auth", " mechanism='SCRAM-SHA-1'", buf_span(&first));
    between(a, "<challenge", "</challenge>");
    if (!base64_decode(&challenge, between(a, "xmpp-sasl'>", "<")))
        die("challenge", a);
    const char *s = strstr(buf_z(&challenge), ",s="), *i = s ? strstr(s, ",i=") : NULL;
    if (!i || !base64_decode(&salt, span_make(s + 3, (size_t)(i - s - 3))))
        die("challenge", a);
    buf_printf(&final, "c=biws,%.*s", (int)(s - buf_z(&challenge)), buf_z(&challenge));
    buf_printf(&auth, ",%s,%s", buf_z(&challenge), buf_z(&final));
    append_proof(&final, buf_span(&auth), buf_span(&salt), (uint32_t)strtoul(i + 3, NULL, 10));
    say_sasl(a, "response", "", buf_span(&final));
    bool good = strstr(buf_z(&a->heard), "<success") != NULL;
    buf_free(&auth);
    buf_free(&first);
    buf_free(&challenge);
    buf_free(&salt);
    buf_free(&final);
    return good;
}

static struct actor *log_in(const char *user)
{
    struct actor *a = stage_actor(stage, span_of(user));
    actor_connect(a, 1, false);
    say_header(a);
    if (!authenticate(a, user))
        die("login", a);
    say_header(a);
    say(a, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
           "<resource>r</resource></bind></iq>");
    between(a, "<jid>", "</jid>");
    say(a, "<presence/>");
    return a;
}

static void count_chat(unsigned long times)
{
    stage_add_user(stage, "romeo");
    struct actor *romeo = log_in("romeo");
    repeat(romeo, romeo,
           "<message to='romeo@" STAGE_HOST "/r' type='chat' id='m1'>" BODY "</message>", times);
}

static void count_login(unsigned long times)
{
    stage_add_user(stage, "romeo");
    for (unsigned long i = 0; i < times; i++) {
        struct actor *a = log_in("romeo");
        say(a, "</stream:stream>");
        actor_break(a);
    }
}

/* --- what must not tell who has an account ---------------------------------------------------- */

/* On a connection of its own, as the number of attempts is limited. */
static void fail_plain(const char *user)
{
    struct buf message = {0};
    struct actor *a = stage_actor(stage, SPAN("guest"));
    actor_connect(a, 1, true);
    say_header(a);
    buf_append_char(&message, '\0');
    buf_append_z(&message, user);
    buf_append(&message, SPAN("\0wrong!"));
    say_sasl(a, "auth", " mechanism='PLAIN'", buf_span(&message));
    between(a, "<failure", "<not-authorized/></failure>");
    actor_break(a);
    buf_free(&message);
}

/* The proof is made of another salt than the user's: of the first one that it saw. */
static void fail_scram(const char *user)
{
    struct actor *a = stage_actor(stage, SPAN("guest"));
    actor_connect(a, 1, true);
    say_header(a);
    if (authenticate(a, user))
        die("a wrong proof was accepted", a);
    between(a, "<failure", "<not-authorized/></failure>");
    actor_break(a);
}

static void ask(const char *user)
{
    char text[200];
    struct actor *a = stage_actor(stage, SPAN("mercutio"));
    if (!a->conn)
        log_in("mercutio");
    snprintf(text, sizeof text,
             "<iq type='get' to='%s@" STAGE_HOST "' id='1'><query xmlns='jabber:iq:version'/></iq>",
             user);
    say(a, text);
    between(a, "<service-unavailable", ">");
}

static void probe(const char *user)
{
    char text[200];
    struct actor *a = stage_actor(stage, SPAN("mercutio"));
    if (!a->conn)
        log_in("mercutio");
    snprintf(text, sizeof text, "<presence type='probe' to='%s@" STAGE_HOST "'/>", user);
    say(a, text); /* a stranger may be answered or not; only not one way and the other */
}

static const struct {
    const char *name;
    void (*act)(const char *user);
} secretive[] = {{"plain", fail_plain}, {"scram", fail_scram}, {"iq", ask}, {"probe", probe}};

/* KIND-of-somebody, who is not online, or KIND-of-nobody. */
static bool count_secretive(const char *what, unsigned long times)
{
    const char *of = strstr(what, "-of-");
    for (size_t i = 0; of && i < ARRAY_LEN(secretive); i++) {
        if (!span_eq(span_make(what, (size_t)(of - what)), span_of(secretive[i].name)))
            continue;
        const char *user = strcmp(of, "-of-nobody") == 0 ? "benvolia" : "benvolio";
        stage_add_user(stage, "benvolio");
        stage_add_user(stage, "mercutio");
        log_in("mercutio");
        for (unsigned long n = 0; n < times; n++)
            secretive[i].act(user);
        return true;
    }
    return false;
}

/* --- XML -------------------------------------------------------------------------------------- */

static void count_parse(unsigned long times)
{
    static const char text[] =
        "<message to='juliet@" STAGE_HOST "/r' type='chat' id='m1'>" BODY "</message>";
    struct stanza stanza = {0};
    struct buf out = {0};
    struct framer framer;
    enum frame frame;
    const struct stanza_write_opts opts = {.ns = SPAN("jabber:client")};
    framer_init_stanzas(&framer, &framer_limits_client);
    for (unsigned long i = 0; i < times; i++) {
        size_t n = framer_scan(&framer, text, sizeof text - 1, &frame);
        buf_clear(&out);
        if (frame != FRAME_STANZA || xml_parse_stanza(xml_parser_shared(SPAN("jabber:client")),
                                                      span_make(text, n), &stanza) != XML_OK)
            die("parse", NULL);
        stanza_write(&out, &stanza, &opts);
    }
    stanza_free(&stanza);
    buf_free(&out);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(unsigned long times);
    } kinds[] = {{"relay", count_relay},
                 {"component", count_component},
                 {"chat", count_chat},
                 {"archive", count_chat},
                 {"parse", count_parse},
                 {"login", count_login}};
    unsigned long times = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    bool done = false;
    log_threshold = LOG_ERROR;
    char settings[200];
    snprintf(settings, sizeof settings,
             "[c2s]\ntls = optional\n[limits]\ninput_rate = 0\nstanza_rate = 0\n"
             "failure_delay = 0ms\n"
             "[archive]\nenabled = %s\n",
             argc == 3 && strcmp(argv[1], "archive") == 0 ? "true" : "false");
    stage = stage_new(0, NULL, settings);
    for (size_t i = 0; times && !done && i < ARRAY_LEN(kinds); i++) {
        if (strcmp(argv[1], kinds[i].name) != 0)
            continue;
        kinds[i].run(times);
        done = true;
    }
    done = done || (times && count_secretive(argv[1], times));
    stage_free(&stage);
    if (!done)
        fprintf(stderr,
                "usage: count relay|component|chat|archive|parse|login|KIND-of-WHOM TIMES\n");
    return done ? 0 : 2;
}
