/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * replay - plays: text scripts of several streams against a whole suite in this process.
 *
 *   replay FILE.play ...        "ok NAME" or "not ok NAME" for each play and chunk size
 *
 * A play is read line by line; # begins a comment. NAME is an actor; c2s-1 runs from the start.
 *
 *   user NAME ...                       accounts (password "secret")
 *   NAME connects [to c2s-N]            a client's connection under TLS
 *   NAME logs in as USER/RESOURCE [at c2s-N]    connects, opens, SASL PLAIN, binds; hears it all
 *   NAME is component DOMAIN            connects to the router and shakes hands
 *   NAME says TEXT                      \n stands for a line feed
 *   NAME hears TEXT                     the next it heard; "..." stands for anything
 *   NAME hears nothing                  nothing is left that it heard
 *   NAME forgets                        what it heard so far
 *   NAME breaks                         its connection, without a word
 *   NAME is closed                      its connection has ended
 *   router stops | router starts | c2s-N starts
 *   wait MILLISECONDS
 */
#include "stage.h"

#include "base/log.h"
#include "tls/crypto.h"
#include "xmpp/link.h"

#include <stdio.h>
#include <stdlib.h>

static const size_t chunks[] = {0, 1, 2, 3, 7};

struct play {
    struct stage *stage;
    char why[2048]; /* it failed; empty: not yet */
};

static bool fail(struct play *p, const char *what, struct span wanted, struct span heard)
{
    snprintf(p->why, sizeof p->why, "%s\n    wanted: %.*s\n    heard:  %.*s", what,
             wanted.n > 800 ? 800 : (int)wanted.n, wanted.p ? wanted.p : "",
             heard.n > 800 ? 800 : (int)heard.n, heard.p ? heard.p : "");
    return false;
}

/* --- hearing ----------------------------------------------------------------------------------- */

/* How many bytes of heard the pattern covers, or -1. "..." is the shortest run that fits. */
static long match(struct span heard, struct span pattern)
{
    size_t at = 0;
    bool is_gap = false;
    while (pattern.n > 0) {
        const char *dots = memmem(pattern.p, pattern.n, "...", 3);
        struct span piece = {pattern.p, dots ? (size_t)(dots - pattern.p) : pattern.n};
        struct span rest = span_from(heard, at);
        const char *hit = piece.n == 0 ? rest.p
                          : is_gap     ? memmem(rest.p, rest.n, piece.p, piece.n)
                          : span_starts(rest, piece) ? rest.p
                                                     : NULL;
        if (!hit)
            return -1;
        at = (size_t)(hit - heard.p) + piece.n;
        pattern = span_from(pattern, piece.n + (dots ? 3 : 0));
        is_gap = dots != NULL;
    }
    return (long)at;
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

static bool hears(struct play *p, struct actor *a, struct span text)
{
    skip_space(a);
    struct span heard = buf_span(&a->heard);
    if (span_eq(text, SPAN("nothing")))
        return heard.n == 0 ? true : fail(p, "heard something", text, heard);
    long n = match(heard, text);
    if (n < 0)
        return fail(p, "not heard", text, heard);
    buf_consume(&a->heard, (size_t)n);
    return true;
}

/* --- speaking ---------------------------------------------------------------------------------- */

static void says(struct actor *a, struct span text)
{
    struct buf out = {0};
    for (size_t i = 0; i < text.n; i++) {
        bool is_escape = text.p[i] == '\\' && i + 1 < text.n && text.p[i + 1] == 'n';
        buf_append_char(&out, is_escape ? '\n' : text.p[i]);
        i += is_escape;
    }
    actor_say(a, buf_span(&out));
    buf_free(&out);
}

#define OPEN                                                                                       \
    "<stream:stream to='" STAGE_HOST "' version='1.0' xmlns='jabber:client' "                      \
    "xmlns:stream='http://etherx.jabber.org/streams'>"

static bool logs_in(struct play *p, struct actor *a, struct span as, size_t number)
{
    struct span user = {as.p, span_index(as, '/')};
    if (user.n == as.n)
        return fail(p, "USER/RESOURCE is wanted", as, SPAN_NONE);
    struct span resource = span_from(as, user.n + 1);
    struct buf out = {0}, plain = {0};
    if (!actor_connect(a, number))
        return fail(p, "no such c2s", as, SPAN_NONE);
    buf_append_char(&plain, '\0');
    buf_append(&plain, user);
    buf_append(&plain, span_make("\0" STAGE_PASSWORD, sizeof "\0" STAGE_PASSWORD - 1));
    buf_append_z(&out, OPEN "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>");
    base64_encode(&out, buf_span(&plain));
    buf_append_z(&out, "</auth>");
    actor_say(a, buf_span(&out));
    buf_clear(&out);
    buf_printf(&out,
               OPEN "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                    "<resource>%.*s</resource></bind></iq>",
               SPAN_ARG(resource));
    actor_say(a, buf_span(&out));
    buf_free(&out);
    buf_free(&plain);
    if (!hears(p, a, SPAN("...</stream:features><success...</stream:features><iq type='result' "
                          "id='bind'>...</iq>")))
        return false;
    return true;
}

static bool becomes_component(struct play *p, struct actor *a, struct span domain)
{
    char digest[41];
    struct buf out = {0};
    if (!actor_connect_router(a))
        return fail(p, "the router is not running", domain, SPAN_NONE);
    buf_printf(&out,
               "<stream:stream to='%.*s' xmlns='jabber:component:accept' "
               "xmlns:stream='http://etherx.jabber.org/streams'>",
               SPAN_ARG(domain));
    actor_say(a, buf_span(&out));
    struct span heard = buf_span(&a->heard);
    const char *id = heard.n ? memmem(heard.p, heard.n, " id='", 5) : NULL;
    if (!id)
        return fail(p, "no stream id", domain, heard);
    struct span sid = span_from(heard, (size_t)(id + 5 - heard.p));
    sid.n = span_index(sid, '\'');
    link_handshake(sid, SPAN("third-party"), digest);
    buf_clear(&out);
    buf_printf(&out, "<handshake>%s</handshake>", digest);
    actor_say(a, buf_span(&out));
    buf_free(&out);
    return hears(p, a, SPAN("...<handshake/>"));
}

/* --- lines ------------------------------------------------------------------------------------- */

static bool take_word(struct span *line, struct span word)
{
    if (!span_starts(*line, word) || (line->n > word.n && line->p[word.n] != ' '))
        return false;
    *line = span_from(*line, line->n > word.n ? word.n + 1 : word.n);
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

static bool acts(struct play *p, struct actor *a, struct span line)
{
    if (take_word(&line, SPAN("says"))) {
        says(a, line);
        return true;
    }
    if (take_word(&line, SPAN("hears")))
        return hears(p, a, line);
    if (take_word(&line, SPAN("forgets"))) {
        buf_clear(&a->heard);
        return true;
    }
    if (take_word(&line, SPAN("breaks"))) {
        actor_break(a);
        return true;
    }
    if (take_word(&line, SPAN("is closed")))
        return a->conn ? fail(p, "not closed", line, buf_span(&a->heard)) : true;
    if (take_word(&line, SPAN("is component")))
        return becomes_component(p, a, line);
    if (take_word(&line, SPAN("connects"))) {
        take_word(&line, SPAN("to"));
        return actor_connect(a, instance_number(line)) || fail(p, "no such c2s", line, SPAN_NONE);
    }
    if (take_word(&line, SPAN("logs in as"))) {
        struct span as = next_word(&line);
        take_word(&line, SPAN("at"));
        return logs_in(p, a, as, instance_number(line));
    }
    return fail(p, "not understood", line, SPAN_NONE);
}

static bool run_line(struct play *p, struct span line)
{
    struct stage *s = p->stage;
    if (line.n == 0 || line.p[0] == '#')
        return true;
    struct span word = next_word(&line);
    if (span_eq(word, SPAN("user"))) {
        while (line.n > 0) {
            char name[64];
            struct span user = next_word(&line);
            snprintf(name, sizeof name, "%.*s", SPAN_ARG(user));
            stage_add_user(s, name);
        }
    } else if (span_eq(word, SPAN("wait"))) {
        uint64_t ms = 0;
        span_to_u64(line, 10000000, &ms);
        loop_sim_advance(s->loop, ms);
    } else if (span_eq(word, SPAN("router")) && span_eq(line, SPAN("stops"))) {
        stage_stop_router(s);
    } else if (span_eq(word, SPAN("router")) && span_eq(line, SPAN("starts"))) {
        stage_start_router(s);
        loop_sim_advance(s->loop, 3000);
    } else if (span_starts(word, SPAN("c2s-")) && span_eq(line, SPAN("starts"))) {
        stage_start_c2s(s, instance_number(word));
    } else {
        return acts(p, stage_actor(s, word), line);
    }
    return true;
}

/* --- files ------------------------------------------------------------------------------------- */

static bool run_play(const char *path, size_t chunk)
{
    char *line = NULL;
    size_t cap = 0, number = 0;
    ssize_t n;
    struct play p = {0};
    FILE *f = fopen(path, "r");
    if (!f) {
        printf("not ok %s\n", path);
        return false;
    }
    p.stage = stage_new(chunk);
    bool is_good = true;
    while (is_good && (n = getline(&line, &cap, f)) > 0) {
        number++;
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == ' '))
            n--;
        is_good = run_line(&p, span_make(line, (size_t)n));
    }
    fclose(f);
    free(line);
    stage_free(&p.stage);
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
