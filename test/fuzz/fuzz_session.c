/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_session - the bytes of a client against a whole suite.
 *
 * Byte 0: how far the client has come (below); byte 1: the size of the pieces in which it speaks.
 * 0xFF in the bytes lets time pass: the byte after it, in quarters of a second. 0xFE: what follows
 * is said on a new connection, by the same user. Beside the client there is a witness, who hears
 * well-formed stanzas only, and is still served at the end.
 *
 * The suite is used for many inputs, because making one takes a hundred times as long as a session.
 */
#include "fuzz.h"

#include "../replay/stage.h"
#include "base/mem.h"
#include "tls/crypto.h"
#include "xmpp/ns.h"

#include <stdlib.h>

enum progress { IN_CLEAR, DIRECT_TLS, AUTHENTICATED, BOUND, AVAILABLE, PROGRESSES };

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

static void enter(struct actor *a, const char *user, enum progress progress)
{
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

static void check_speech(struct actor *a, bool is_open)
{
    fuzz_check_speech(buf_span(&a->heard), SPAN(NS_CLIENT), is_open);
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
    struct span all = in;
    stage->chunk = 0;
    for (int i = 0; i < 3 && (i == 0 || in.n > 0); i++) {
        stage->chunk = chunk;
        enter(client, "romeo", progress);
        say_all(client, fuzz_part(&in, '\xfe'));
        check_speech(client, true);
        actor_break(client);
    }
    check_speech(witness, true);
    check_witness(witness, all);
    return 0;
}
