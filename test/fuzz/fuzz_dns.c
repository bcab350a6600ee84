/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_dns - a domain is dialled, and its DNS answers whatever it likes. Nobody is gone to who may
 * not be, the caller hears one thing at a time, and what is told of it can be shown to people.
 *
 * The input: for each question a status, whether it is signed, a number of records, each with its
 * length; for each connection what becomes of it; for each that is shown what the caller does.
 */
#include "fuzz.h"

#include "dns/dial_private.h"
#include "dns/guard.h"
#include "dns/resolve_private.h"
#include "xml/framer.h"

#include <errno.h>
#include <stdlib.h>

#define TIME_MS 300000

static struct loop *loop;
static struct span in;
static struct dial *dial;
static struct conn *shown;
static bool is_over;

/* --- a resolver that reads its answers off the input --- */

static void ask(struct resolver *r, struct question *q)
{
    (void)r;
    question_ready(q);
}

static void drop(struct resolver *r, struct question *q)
{
    (void)r;
    (void)q;
}

static void answer(struct resolver *r, struct question *q)
{
    struct span data[RESOLVE_RECORDS_MAX];
    uint8_t head = fuzz_byte(&in);
    struct resolve_answer a = {
        .status = (enum resolve_status)(head % 8 < 5 ? head % 8 : RESOLVE_FOUND),
        .is_secure = head & 0x80,
        .data = data,
    };

    (void)r;
    if (a.status == RESOLVE_FOUND)
        a.count = fuzz_byte(&in) % RESOLVE_RECORDS_MAX;
    for (size_t i = 0; i < a.count; i++) {
        size_t n = fuzz_byte(&in);
        data[i] = span_make(in.p, n < in.n ? n : in.n);
        in = span_from(in, data[i].n);
    }
    question_finish(q, &a);
}

static void forget(struct resolver *r)
{
    (void)r;
}

static const struct resolve_backend backend = {
    .ask = ask, .drop = drop, .answer = answer, .flush = forget, .free = forget};

/* --- what it leads to --- */

static struct conn *on_connect(void *ctx, const struct addr *to)
{
    char text[ADDR_TEXT_MAX];
    struct conn *near, *far;
    uint8_t what = fuzz_byte(&in);

    (void)ctx;
    addr_format(to, text);
    if (!guard_is_public(to) || !guard_is_port_sane(addr_port(to)))
        fuzz_fail("gone to where nobody may send us", span_of(text), SPAN(""));
    if (what % 3 == 0)
        return NULL;
    conn_pair_fake(loop, 0, 0, &near, &far);
    conn_set_handler(far, NULL, NULL);
    if (what % 3 == 1)
        conn_abort(near, -ECONNREFUSED);
    return near;
}

static void on_gone(void *ctx, int error, const char *reason)
{
    (void)ctx;
    (void)error;
    (void)reason;
    shown = NULL;
}

static const struct conn_handler shown_handler = {.on_close = on_gone};

static void on_connected(void *ctx, struct conn *c, const struct dial_target *target)
{
    (void)ctx;
    if (shown || is_over)
        fuzz_fail("a connection too many", target->name, SPAN(""));
    if (target->tlsa_count > 0 && !target->is_secure)
        fuzz_fail("TLSA records by an insecure way", target->name, SPAN(""));
    for (size_t i = 0; i < target->tlsa_count; i++)
        if (target->tlsa[i].n > 255)
            fuzz_fail("a TLSA record that nobody gave", target->name, target->tlsa[i]);
    shown = c;
    conn_set_handler(c, &shown_handler, NULL);
}

static void on_failed(void *ctx, enum dial_failure why)
{
    (void)ctx;
    (void)why;
    if (is_over)
        fuzz_fail("failed twice", SPAN(""), SPAN(""));
    is_over = true;
}

static void check_story(struct span story)
{
    if (story.n > DIAL_STORY_MAX || !utf8_check(story))
        fuzz_fail("a story that cannot be told", story, SPAN(""));
    for (size_t i = 0; i < story.n; i++)
        if ((unsigned char)story.p[i] < ' ' && story.p[i] != '\n')
            fuzz_fail("a control in the story", story, SPAN(""));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct dial_events events = {.on_connected = on_connected, .on_failed = on_failed};
    struct resolver resolver = {0};
    struct dial_opts opts = {
        .domain = SPAN("peer.example"),
        .service = "xmpp-server",
        .direct_service = "xmpps-server",
        .port = 5269,
        .want_tlsa = true,
        .connect = on_connect,
    };

    in = fuzz_input(data, n);
    is_over = false;
    loop = loop_new_sim();
    resolver_init(&resolver, loop, &backend);
    dial = dial_start(loop, &resolver, &opts, &events, NULL);
    for (loop_sim_advance(loop, TIME_MS); shown; loop_sim_advance(loop, TIME_MS)) {
        bool is_content = fuzz_byte(&in) % 8 == 1;
        conn_abort(shown, 0);
        loop_sim_settle(loop);
        if (is_content)
            break;
        dial_next(dial);
    }
    check_story(dial_story(dial));
    dial_free(&dial);
    if (!list_is_empty(&resolver.questions))
        fuzz_fail("a question is left", SPAN(""), SPAN(""));
    loop_free(&loop);
    return 0;
}
