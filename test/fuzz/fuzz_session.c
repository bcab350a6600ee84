/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_session - the bytes of a client, a component or another instance against a whole suite.
 *
 * Byte 0: who speaks, and how far he has come (below); byte 1: the size of the pieces in which he
 * does, if any. 0xFF in the bytes lets time pass, as the byte after it chooses (fuzz_wait). 0xFE:
 * what follows is said on a new connection, by the same one; there 0xFD stands for the id by which
 * his session can be resumed. Beside him there is a witness, who hears well-formed stanzas only,
 * and is still served at the end; but another instance of ours may do what it likes with users.
 *
 * The suite is used for many inputs. After each, nothing of who spoke may be left in memory; what
 * he has stored is taken back, and then the witness logs in anew. Only the clock goes on, and so do
 * the penalty of an address for failed logins and the numbers of rows and pushes.
 */
#include "fuzz.h"
#include "keep.h"

#include "../replay/stage.h"
#include "base/conn_private.h"
#include "base/mem.h"
#include "c2s/hibernate.h"
#include "c2s/sm/sm_private.h"
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

#define ROUNDS 1000 /* inputs for one suite */

#define OPEN                                                                                       \
    "<stream:stream to='" STAGE_HOST "' version='1.0' xmlns='" NS_CLIENT "' "                      \
    "xmlns:stream='" NS_STREAM "'>"
#define BIND "<iq type='set' id='b'><bind xmlns='" NS_BIND "'><resource>r</resource></bind></iq>"

/* What there is of an idle suite. */
struct counts {
    size_t peers, routes, claims, clients, resting, users, sessions, fronts, guests;
};

static struct stage *stage;
static struct actor *witness, *client;
static struct keep *keep;
static struct counts idle;
static uint64_t commits;
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
    buf_free(&plain);
    buf_free(&out);
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
    if (progress == AUTHENTICATED)
        actor_say(a, SPAN(OPEN));
    else if (progress == BOUND)
        actor_say(a, SPAN(OPEN BIND));
    else if (progress == AVAILABLE)
        actor_say(a, SPAN(OPEN BIND "<presence/>"));
    if (progress >= BOUND && !hears(a, "/r</jid>"))
        fuzz_fail("not let in", span_of(user), buf_span(&a->heard));
}

/* --- the suite -------------------------------------------------------------------------------- */

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

static struct counts count(void)
{
    const struct router *r = stage->router;
    const struct c2s *c2s = stage->c2s[0].c2s;
    return (struct counts){.peers = r->peer_count,
                           .routes = r->routes.by_name.count,
                           .claims = claims_count(&r->claims),
                           .clients = c2s->client_count,
                           .resting = c2s->hibernation.seat_count,
                           .users = c2s->sm->users.count,
                           .sessions = c2s->sm->session_count,
                           .fronts = c2s->sm->fronts.count,
                           .guests = c2s->sm->guests.count};
}

static void stop_stage(void)
{
    if (!stage)
        return;
    stage_free(&stage);
    keep_free(&keep);
}

static void start_stage(void)
{
    stop_stage();
    stage = stage_new(0, NULL,
                      "[limits]\nroster = 20\noffline = 20\nblocked = 20\nunacked = 20\n"
                      "resume = 20s\n");
    stage_add_user(stage, "romeo");
    stage_add_user(stage, "juliet");
    witness = stage_actor(stage, SPAN("witness"));
    client = stage_actor(stage, SPAN("client"));
    enter(witness, "juliet", AVAILABLE);
    enter(client, "romeo", AVAILABLE);
    befriend(client, "juliet");
    befriend(witness, "romeo");
    actor_break(client);
    actor_break(witness);
    keep = keep_new(stage->loop, stage->c2s[0].c2s->store, "last");
    enter(witness, "juliet", AVAILABLE);
    commits = store_commits(stage->c2s[0].c2s->store);
    idle = count();
    if (idle.claims != 1 || idle.clients != 1 || idle.users != 1 || idle.sessions != 1)
        fuzz_fail("there is more than the witness", SPAN(""), SPAN(""));
    rounds = 0;
}

/* Some things wait for those who have gone, for a while. */
static bool is_idle(void)
{
    static const uint64_t waits[] = {0, CLAIM_FENCE_MS + 1000, 61000};
    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        loop_sim_advance(stage->loop, waits[i]);
        struct counts now = count();
        if (memcmp(&now, &idle, sizeof now) == 0)
            return true;
    }
    return false;
}

/* --- an input --------------------------------------------------------------------------------- */

/* What has been heard of the last session that can be resumed. */
static void note_id(struct buf *id)
{
    const char *enabled = strstr(buf_z(&client->heard), "<enabled");
    const char *at = enabled ? strstr(enabled, " id='") : NULL;
    if (!at)
        return;
    buf_clear(id);
    buf_append(id, span_make(at + 5, strcspn(at + 5, "'")));
}

static void say(struct span text, struct span id)
{
    struct buf out = {0};
    if (!memchr(text.p, 0xfd, text.n)) {
        actor_say(client, text);
        return;
    }
    while (text.n > 0) {
        bool names = memchr(text.p, 0xfd, text.n);
        buf_append(&out, fuzz_part(&text, '\xfd'));
        if (names)
            buf_append(&out, id);
    }
    actor_say(client, buf_span(&out));
    buf_free(&out);
}

/* The parts of a connection's course, and the waiting between them. */
static void say_all(struct span in, struct span id, uint64_t *time_left)
{
    while (in.n > 0) {
        bool waits = memchr(in.p, 0xff, in.n);
        say(fuzz_part(&in, '\xff'), id);
        if (waits)
            loop_sim_advance(stage->loop, fuzz_wait(&in, time_left));
    }
}

static void try_all(struct span in, enum progress progress, size_t chunk)
{
    struct buf id = {0};
    uint64_t time_left = FUZZ_TIME;
    struct span ns = progress >= COMPONENT ? SPAN_NONE : SPAN(NS_CLIENT);
    for (int i = 0; i < 3 && (i == 0 || in.n > 0); i++) {
        enter(client, "romeo", progress);
        if (client->conn)
            client->conn->pair.chunk = chunk < 16 ? chunk : 0;
        say_all(fuzz_part(&in, '\xfe'), buf_span(&id), &time_left);
        fuzz_check_speech(buf_span(&client->heard), ns, true);
        note_id(&id);
        actor_break(client);
    }
    buf_free(&id);
}

/* Only another instance of ours can do harm to the witness. */
static bool is_served(void)
{
    if (!witness->conn)
        return false;
    actor_say(witness, SPAN("<message to='juliet@" STAGE_HOST "/r' id='own'/>"));
    return hears(witness, "id='own'");
}

static void clean_up(void)
{
    struct store *store = stage->c2s[0].c2s->store;
    struct hibernation *h = &stage->c2s[0].c2s->hibernation;
    if (h->record_count > 0) { /* how far those had come that can be resumed no more */
        hibernate_deinit(h);
        hibernate_init(h);
    }
    if (store_commits(store) != commits && keep_differs(keep)) {
        actor_break(witness);
        keep_restore(keep);
        enter(witness, "juliet", AVAILABLE);
    }
    commits = store_commits(store);
    buf_clear(&witness->heard);
    buf_append_z(&witness->heard, OPEN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = fuzz_input(data, n);
    enum progress progress = fuzz_byte(&in) % PROGRESSES;
    size_t chunk = fuzz_byte(&in) % 32;
    if (!stage)
        atexit(stop_stage);
    if (!stage || rounds++ == ROUNDS)
        start_stage();
    crypto_simulate(13);
    try_all(in, progress, chunk);
    bool served = is_served(), left = !is_idle();
    fuzz_check_speech(buf_span(&witness->heard), SPAN(NS_CLIENT), true);
    if (progress != INSTANCE && !served)
        fuzz_fail("the witness is not served", in, buf_span(&witness->heard));
    if (progress != INSTANCE && left)
        fuzz_fail("something is left of who has gone", in, SPAN(""));
    if (served && !left)
        clean_up();
    else
        stop_stage();
    return 0;
}
