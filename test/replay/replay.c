/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * replay - plays: text scripts of several streams against a whole suite in this process.
 *
 *   replay FILE.play ...        "ok NAME" or "not ok NAME" for each play and chunk size
 *
 * A play is read line by line; # begins a comment. NAME is an actor; c2s-1 runs from the start.
 * TEXT has escapes: see text.h.
 *
 *   with c2s|router SECTION KEY = VALUE a setting; before anything else
 *   user NAME ...                       accounts (password "secret")
 *   NAME connects [in clear] [to c2s-N] a client's connection, under TLS if nothing else is said
 *   NAME starts TLS                     after STARTTLS
 *   NAME opens [DOMAIN]                 sends a stream header; hears nothing by itself
 *   NAME logs in as USER[@DOMAIN]/RESOURCE [at c2s-N]
 *                                       connects, opens, SASL PLAIN, binds; hears it all
 *   NAME is managed                     asks for resumable stream management, hears the answer
 *   NAME resumes H [at c2s-N]           connects, SASL PLAIN, resumes after H stanzas
 *   NAME is component DOMAIN            connects to the router and shakes hands
 *   NAME says TEXT
 *   NAME hears TEXT                     the next it heard; "..." stands for anything
 *   NAME hears nothing                  nothing is left that it heard
 *   NAME forgets                        what it heard so far
 *   NAME is deaf | NAME listens         reads nothing | reads again
 *   NAME breaks                         its connection, without a word
 *   NAME is closed | NAME is connected  its connection has ended, or not
 *   router stops | router starts
 *   c2s-N starts | stops | dies         dies: without a word to anybody
 *   c2s-N is cut off | is joined        loses the router, finds it again
 *   wait MILLISECONDS
 *   witness NAME                        looks on at each trial
 *   try WHERE: TEXT => OUTCOME          somebody of no good says TEXT (see trial.c)
 *   bounce N: NAME and NAME: TEXT       two who return all that they hear (see bounce.c)
 */
#include "play.h"

#include "base/log.h"
#include "text.h"
#include "tls/crypto.h"
#include "xmpp/link.h"

#include <stdio.h>
#include <stdlib.h>

static const size_t chunks[] = {0, 1, 2, 3, 7};

/* --- hearing ---------------------------------------------------------------------------------- */

bool play_fail(struct play *p, const char *what, struct span wanted, struct span heard)
{
    snprintf(p->why, sizeof p->why, "%s\n    wanted: %.*s\n    heard:  %.*s", what,
             wanted.n > 800 ? 800 : (int)wanted.n, wanted.p ? wanted.p : "",
             heard.n > 800 ? 800 : (int)heard.n, heard.p ? heard.p : "");
    return false;
}

/* Whitespace between stanzas is a heartbeat, not speech. */
static void skip_space(struct actor *a)
{
    struct span s = buf_span(&a->heard);
    size_t n = 0;
    while (n < s.n && (s.p[n] == ' ' || s.p[n] == '\n'))
        n++;
    buf_consume(&a->heard, n);
}

bool play_hears(struct play *p, struct actor *a, struct span text)
{
    skip_space(a);
    struct span heard = buf_span(&a->heard);
    if (span_eq(text, SPAN("nothing")))
        return heard.n == 0 ? true : play_fail(p, "heard something", text, heard);
    struct buf pattern = {0};
    text_expand(&pattern, text);
    long n = text_match(heard, buf_span(&pattern));
    if (n < 0)
        play_fail(p, "not heard", buf_span(&pattern), heard);
    else
        buf_consume(&a->heard, (size_t)n);
    buf_free(&pattern);
    return n >= 0;
}

/* --- speaking --------------------------------------------------------------------------------- */

void play_says(struct actor *a, struct span text)
{
    struct buf out = {0};
    text_expand(&out, text);
    actor_say(a, buf_span(&out));
    buf_free(&out);
}

#define OPEN_FORMAT                                                                                \
    "<stream:stream to='%.*s' version='1.0' xmlns='jabber:client' "                                \
    "xmlns:stream='http://etherx.jabber.org/streams'>"

void play_opens(struct actor *a, struct span domain)
{
    struct buf out = {0};
    if (span_is_empty(domain))
        domain = SPAN(STAGE_HOST);
    buf_printf(&out, OPEN_FORMAT, SPAN_ARG(domain));
    actor_say(a, buf_span(&out));
    buf_free(&out);
}

bool play_authenticates(struct play *p, struct actor *a, struct span user, struct span domain)
{
    struct buf out = {0}, plain = {0};
    play_opens(a, domain);
    buf_append_char(&plain, '\0');
    buf_append(&plain, user);
    buf_append(&plain, span_make("\0" STAGE_PASSWORD, sizeof "\0" STAGE_PASSWORD - 1));
    buf_append_z(&out, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>");
    base64_encode(&out, buf_span(&plain));
    buf_append_z(&out, "</auth>");
    actor_say(a, buf_span(&out));
    buf_free(&out);
    buf_free(&plain);
    play_opens(a, domain);
    return play_hears(p, a, SPAN("...</stream:features><success...</stream:features>"));
}

bool play_binds(struct play *p, struct actor *a, struct span resource)
{
    struct buf out = {0};
    buf_printf(&out,
               "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
               "<resource>%.*s</resource></bind></iq>",
               SPAN_ARG(resource));
    actor_say(a, buf_span(&out));
    buf_free(&out);
    return play_hears(p, a, SPAN("<iq type='result' id='bind'>...</iq>"));
}

static bool logs_in(struct play *p, struct actor *a, struct span as, size_t number)
{
    struct span bare = {as.p, span_index(as, '/')};
    if (bare.n == as.n)
        return play_fail(p, "USER/RESOURCE is wanted", as, SPAN_NONE);
    struct span user = {bare.p, span_index(bare, '@')};
    struct span domain = user.n < bare.n ? span_from(bare, user.n + 1) : SPAN("");
    if (!actor_connect(a, number, true))
        return play_fail(p, "no such c2s", as, SPAN_NONE);
    snprintf(a->user, sizeof a->user, "%.*s", SPAN_ARG(user));
    return play_authenticates(p, a, user, domain) && play_binds(p, a, span_from(as, bare.n + 1));
}

static bool becomes_component(struct play *p, struct actor *a, struct span domain)
{
    char digest[41];
    struct buf out = {0};
    if (!actor_connect_router(a))
        return play_fail(p, "the router is not running", domain, SPAN_NONE);
    buf_printf(&out,
               "<stream:stream to='%.*s' xmlns='jabber:component:accept' "
               "xmlns:stream='http://etherx.jabber.org/streams'>",
               SPAN_ARG(domain));
    actor_say(a, buf_span(&out));
    struct span heard = buf_span(&a->heard);
    const char *id = heard.n ? memmem(heard.p, heard.n, " id='", 5) : NULL;
    if (!id) {
        buf_free(&out);
        return play_fail(p, "no stream id", domain, heard);
    }
    struct span sid = span_from(heard, (size_t)(id + 5 - heard.p));
    sid.n = span_index(sid, '\'');
    link_handshake(sid, SPAN(STAGE_THIRD_SECRET), digest);
    buf_clear(&out);
    buf_printf(&out, "<handshake>%s</handshake>", digest);
    actor_say(a, buf_span(&out));
    buf_free(&out);
    return play_hears(p, a, SPAN("...<handshake/>"));
}

/* --- lines of actors -------------------------------------------------------------------------- */

bool play_take_words(struct span *line, struct span words)
{
    if (!span_starts(*line, words) || (line->n > words.n && line->p[words.n] != ' '))
        return false;
    *line = span_from(*line, line->n > words.n ? words.n + 1 : words.n);
    return true;
}

static struct span next_word(struct span *line)
{
    struct span word = {line->p, span_index(*line, ' ')};
    *line = span_from(*line, word.n < line->n ? word.n + 1 : word.n);
    return word;
}

/* "c2s-N", or 1 when nothing is left. */
static size_t instance_number(struct span text)
{
    uint64_t n = 1;
    if (text.n > 4)
        span_to_u64(span_from(text, 4), STAGE_INSTANCES, &n);
    return (size_t)n;
}

static bool connects(struct play *p, struct actor *a, struct span line)
{
    bool in_clear = play_take_words(&line, SPAN("in clear"));
    play_take_words(&line, SPAN("to"));
    return actor_connect(a, instance_number(line), !in_clear) ||
           play_fail(p, "no such c2s", line, SPAN_NONE);
}

static bool is_connected(struct play *p, struct actor *a, bool is_wanted)
{
    if ((a->conn != NULL) == is_wanted)
        return true;
    return play_fail(p, a->conn ? "not closed" : "closed", SPAN_NONE, buf_span(&a->heard));
}

/* What needs no more than the actor. */
static bool acts_simply(struct play *p, struct actor *a, struct span line)
{
    if (play_take_words(&line, SPAN("forgets")))
        buf_clear(&a->heard);
    else if (play_take_words(&line, SPAN("breaks")))
        actor_break(a);
    else if (play_take_words(&line, SPAN("starts TLS")))
        actor_start_tls(a);
    else if (play_take_words(&line, SPAN("is deaf")))
        actor_be_deaf(a, true);
    else if (play_take_words(&line, SPAN("listens")))
        actor_be_deaf(a, false);
    else
        return play_fail(p, "not understood", line, SPAN_NONE);
    return true;
}

static bool acts(struct play *p, struct actor *a, struct span line)
{
    if (play_take_words(&line, SPAN("says"))) {
        play_says(a, line);
        return true;
    }
    if (play_take_words(&line, SPAN("opens"))) {
        play_opens(a, line);
        return true;
    }
    if (play_take_words(&line, SPAN("hears")))
        return play_hears(p, a, line);
    if (play_take_words(&line, SPAN("is closed")))
        return is_connected(p, a, false);
    if (play_take_words(&line, SPAN("is connected")))
        return is_connected(p, a, true);
    if (play_take_words(&line, SPAN("is component")))
        return becomes_component(p, a, line);
    if (play_take_words(&line, SPAN("is managed")))
        return managed_begin(p, a);
    if (play_take_words(&line, SPAN("resumes"))) {
        struct span h = next_word(&line);
        play_take_words(&line, SPAN("at"));
        return managed_resume(p, a, h, instance_number(line));
    }
    if (play_take_words(&line, SPAN("connects")))
        return connects(p, a, line);
    if (play_take_words(&line, SPAN("logs in as"))) {
        struct span as = next_word(&line);
        play_take_words(&line, SPAN("at"));
        return logs_in(p, a, as, instance_number(line));
    }
    return acts_simply(p, a, line);
}

/* --- lines of the stage ----------------------------------------------------------------------- */

static bool adds_setting(struct play *p, struct span line)
{
    struct buf *settings = play_take_words(&line, SPAN("router")) ? &p->router : &p->c2s;
    play_take_words(&line, SPAN("c2s"));
    struct span section = next_word(&line);
    buf_printf(settings, "[%.*s]\n%.*s\n", SPAN_ARG(section), SPAN_ARG(line));
    return p->stage ? play_fail(p, "too late", line, SPAN_NONE) : true;
}

static bool moves_instance(struct play *p, size_t number, struct span how)
{
    struct stage *s = p->stage;
    if (span_eq(how, SPAN("starts")))
        stage_start_c2s(s, number);
    else if (span_eq(how, SPAN("stops")))
        stage_stop_c2s(s, number);
    else if (span_eq(how, SPAN("dies")))
        stage_kill_c2s(s, number);
    else if (span_eq(how, SPAN("is cut off")))
        stage_cut_off_c2s(s, number, true);
    else if (span_eq(how, SPAN("is joined")))
        stage_cut_off_c2s(s, number, false);
    else
        return play_fail(p, "not understood", how, SPAN_NONE);
    return true;
}

static void add_users(struct stage *s, struct span names)
{
    while (names.n > 0) {
        char name[64];
        struct span user = next_word(&names);
        snprintf(name, sizeof name, "%.*s", SPAN_ARG(user));
        stage_add_user(s, name);
    }
}

/* Messages are compared as they come: without ids of an archive, unless the play has one. */
static void set_stage(struct play *p)
{
    if (!strstr(buf_z(&p->c2s), "[archive]"))
        buf_append_z(&p->c2s, "[archive]\nenabled = false\n");
    p->stage = stage_new(p->chunk, buf_len(&p->router) ? buf_z(&p->router) : NULL,
                         buf_z(&p->c2s));
}

static bool run_line(struct play *p, struct span line)
{
    if (line.n == 0 || line.p[0] == '#')
        return true;
    struct span word = next_word(&line);
    if (span_eq(word, SPAN("with")))
        return adds_setting(p, line);
    if (!p->stage)
        set_stage(p);
    struct stage *s = p->stage;
    if (span_eq(word, SPAN("try")))
        return trial_run(p, line);
    if (span_eq(word, SPAN("bounce")))
        return bounce_run(p, line);
    if (span_starts(word, SPAN("c2s-")))
        return moves_instance(p, instance_number(word), line);
    if (span_eq(word, SPAN("user"))) {
        add_users(s, line);
    } else if (span_eq(word, SPAN("witness"))) {
        p->witness = stage_actor(s, line);
    } else if (span_eq(word, SPAN("wait"))) {
        uint64_t ms = 0;
        span_to_u64(line, 10000000, &ms);
        loop_sim_advance(s->loop, ms);
    } else if (span_eq(word, SPAN("router")) && span_eq(line, SPAN("stops"))) {
        stage_stop_router(s);
    } else if (span_eq(word, SPAN("router")) && span_eq(line, SPAN("starts"))) {
        stage_start_router(s);
        loop_sim_advance(s->loop, 3000);
    } else {
        return acts(p, stage_actor(s, word), line);
    }
    return true;
}

/* --- files ------------------------------------------------------------------------------------ */

static bool run_play(const char *path, size_t chunk)
{
    char *line = NULL;
    size_t cap = 0, number = 0;
    ssize_t n;
    struct play p = {.chunk = chunk};
    FILE *f = fopen(path, "r");
    if (!f) {
        printf("not ok %s\n", path);
        return false;
    }
    bool is_good = true;
    while (is_good && (n = getline(&line, &cap, f)) > 0) {
        number++;
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == ' '))
            n--;
        is_good = run_line(&p, span_make(line, (size_t)n));
    }
    fclose(f);
    free(line);
    if (p.stage)
        stage_free(&p.stage);
    buf_free(&p.c2s);
    buf_free(&p.router);
    printf("%s %s (pieces of %zu)\n", is_good ? "ok" : "not ok", path, chunk);
    if (!is_good)
        printf("%s:%zu: %s\n", path, number, p.why);
    fflush(stdout);
    return is_good;
}

static void no_log(void *ctx, struct span line)
{
    (void)ctx;
    (void)line;
}

int main(int argc, char **argv)
{
    bool is_good = true;
    if (!getenv("PLAY_LOG"))
        log_set_sink(no_log, NULL);
    for (int i = 1; i < argc; i++)
        for (size_t c = 0; c < ARRAY_LEN(chunks); c++)
            is_good = run_play(argv[i], chunks[c]) && is_good;
    return is_good ? 0 : 1;
}
