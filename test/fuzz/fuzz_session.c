/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_session - the bytes of a client, a component or another instance against a whole suite.
 *
 * Byte 0: who speaks, and how far he has come (below); byte 1: the size of the pieces in which he
 * does. 0xFF in the bytes lets time pass: the byte after it, in quarters of a second. 0xFE: what
 * follows is said on a new connection, by the same one. Beside him there is a witness, who hears
 * well-formed stanzas only, and is still served at the end; but another instance of ours may do
 * what it likes with users.
 *
 * The suite is used for many inputs, because making one takes a hundred times as long as a session.
 */
#include "fuzz.h"

#include "../replay/stage.h"
#include "base/mem.h"
#include "tls/crypto.h"
#include "xmpp/link.h"
#include "xmpp/ns.h"

#include <stdlib.h>

enum progress {
    IN_CLEAR,
    DIRECT_TLS,
    AUTHENTICATED,
    BOUND,
    AVAILABLE,
    COMPONENT, /* "third" of the stage's router, after its handshake */
    INSTANCE,  /* "c2s-9", likewise */
    PROGRESSES,
};

#define ROUNDS 500 /* inputs for one suite */

#define OPEN                                                                                       \
    "<stream:stream to='" STAGE_HOST "' version='1.0' xmlns='" NS_CLIENT "' "                      \
    "xmlns:stream='" NS_STREAM "'>"

static struct stage *stage;
static unsigned rounds;

static void log_in(struct actor *a, const char *user)
{
    struct buf plain = {0}, out = {0};
    buf_append_char(&plain, '\0');
    buf_append_z(&plain, user);
    buf_append(&plain, span_make("\0" STAGE_PASSWORD, sizeof "\0" STAGE_PASSWORD - 1));
    buf_append_z(&out, OPEN "<auth xmlns='" NS_SASL "' mechanism='PLAIN'>");
    base64_encode(&out, buf_span(&plain));
    buf_append_z(&out, "</auth>");
    actor_say(a, buf_span(&out));
    actor_say(a, SPAN(OPEN));
    buf_free(&plain);
    buf_free(&out);
}

static void bind_resource(struct actor *a)
{
    actor_say(a, SPAN("<iq type='set' id='b'><bind xmlns='" NS_BIND "'><resource>r</resource>"
                      "</bind></iq>"));
}

static bool hears(const struct actor *a, const char *text)
{
    struct span heard = buf_span(&a->heard);
    return memmem(heard.p, heard.n, text, strlen(text)) != NULL;
}

static void join(struct actor *a, const char *name, const char *secret)
{
    char digest[41];
    struct buf out = {0};
    actor_connect_router(a);
    buf_printf(&out,
               "<stream:stream to='%s' xmlns='" NS_COMPONENT "' xmlns:stream='" NS_STREAM "'>",
               name);
    actor_say(a, buf_span(&out));
    const char *id = strstr(buf_z(&a->heard), " id='");
    if (!id)
        fuzz_fail("no header", span_of(name), buf_span(&a->heard));
    link_handshake(span_make(id + 5, 32), span_of(secret), digest);
    buf_clear(&out);
    buf_printf(&out, "<handshake>%s</handshake>", digest);
    actor_say(a, buf_span(&out));
    if (!hears(a, "<handshake/>"))
        fuzz_fail("not let in", span_of(name), buf_span(&a->heard));
    buf_free(&out);
}

static void enter(struct actor *a, const char *user, enum progress progress)
{
    if (progress == COMPONENT)
        join(a, "a." STAGE_HOST, STAGE_THIRD_SECRET);
    else if (progress == INSTANCE)
        join(a, "c2s-9." STAGE_HOST, STAGE_SECRET);
    if (progress >= COMPONENT)
        return;
    actor_connect(a, 1, progress != IN_CLEAR);
    if (progress >= AUTHENTICATED)
        log_in(a, user);
    if (progress >= BOUND)
        bind_resource(a);
    if (progress >= AVAILABLE)
        actor_say(a, SPAN("<presence/>"));
    if (progress >= BOUND && !hears(a, "/r</jid>"))
        fuzz_fail("not let in", span_of(user), buf_span(&a->heard));
}

/* Everybody knows everybody. */
static void befriend(struct actor *a, const char *other)
{
    struct buf out = {0};
    buf_printf(&out,
               "<presence type='subscribe' to='%s@" STAGE_HOST "'/>"
               "<presence type='subscribed' to='%s@" STAGE_HOST "'/>",
               other, other);
    actor_say(a, buf_span(&out));
    buf_free(&out);
}

static void stop_stage(void)
{
    if (stage)
        stage_free(&stage);
}

static void start_stage(void)
{
    stop_stage();
    stage = stage_new(0, NULL, "[limits]\nroster = 20\n");
    stage_add_user(stage, "romeo");
    stage_add_user(stage, "juliet");
    struct actor *witness = stage_actor(stage, SPAN("witness")),
                 *client = stage_actor(stage, SPAN("client"));
    enter(witness, "juliet", AVAILABLE);
    enter(client, "romeo", AVAILABLE);
    befriend(client, "juliet");
    befriend(witness, "romeo");
    actor_break(client);
    rounds = 0;
}

/* The parts of a connection's course, and the waiting between them. */
static void say_all(struct actor *a, struct span in)
{
    while (in.n > 0) {
        bool waits = memchr(in.p, 0xff, in.n);
        actor_say(a, fuzz_part(&in, '\xff'));
        if (waits)
            loop_sim_advance(stage->loop, 250 * (uint64_t)fuzz_byte(&in));
    }
}

static void check_witness(struct actor *w, struct span in)
{
    if (!w->conn)
        fuzz_fail("the witness has lost its connection", in, buf_span(&w->heard));
    actor_say(w, SPAN("<message to='juliet@" STAGE_HOST "/r' id='own'/>"
                      "<iq type='get' id='still' to='" STAGE_HOST "'><ping xmlns='" NS_PING "'/>"
                      "</iq>"));
    if (!hears(w, "id='own'") || !hears(w, "id='still'"))
        fuzz_fail("the witness is not served", in, buf_span(&w->heard));
    buf_clear(&w->heard);
    buf_append_z(&w->heard, OPEN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = fuzz_input(data, n);
    enum progress progress = fuzz_byte(&in) % PROGRESSES;
    size_t chunk = fuzz_byte(&in) % 16;
    if (!stage)
        atexit(stop_stage);
    if (!stage || rounds++ == ROUNDS)
        start_stage();
    struct actor *witness = stage_actor(stage, SPAN("witness")),
                 *client = stage_actor(stage, SPAN("client"));
    struct span all = in, ns = progress >= COMPONENT ? SPAN_NONE : SPAN(NS_CLIENT);
    stage->chunk = 0;
    for (int i = 0; i < 3 && (i == 0 || in.n > 0); i++) {
        stage->chunk = chunk;
        enter(client, "romeo", progress);
        say_all(client, fuzz_part(&in, '\xfe'));
        fuzz_check_speech(buf_span(&client->heard), ns, true);
        actor_break(client);
    }
    fuzz_check_speech(buf_span(&witness->heard), SPAN(NS_CLIENT), true);
    if (progress != INSTANCE)
        check_witness(witness, all);
    else
        stop_stage();
    return 0;
}
