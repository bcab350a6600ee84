/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * person - a client with a mind of its own: a timer, and what the world wants of everybody. Speaks
 * plain XMPP as any client does, and reads what it hears as text, with no help from the code under
 * test.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#define LOGIN_MS 40000 /* who has not come through by then is stuck */

static void on_timer(void *ctx);

static void wait(struct person *p, uint64_t low, uint64_t high)
{
    timer_start(&p->next, world->stage->loop, chance_between(low, high), on_timer, p);
}

static void say(struct person *p, struct span text)
{
    words_say(p->conn, text);
}

/* --- logging in and out ----------------------------------------------------------------------- */

static void open_stream(struct person *p, enum person_state next)
{
    p->state = next;
    words_open(p->conn, STAGE_HOST);
}

static void prove(struct person *p)
{
    p->state = PERSON_PROVING;
    words_prove(p->conn, p->user, STAGE_PASSWORD);
}

static void bind_resource(struct person *p)
{
    p->state = PERSON_BINDING;
    words_bind(p->conn, p->resource);
}

static void resume(struct person *p)
{
    struct buf out = {0};
    p->state = PERSON_BINDING;
    buf_printf(&out, "<resume xmlns='urn:xmpp:sm:3' previd='%s' h='%u'/>", p->managed_id,
               p->handled);
    say(p, buf_span(&out));
    buf_free(&out);
}

static void show(struct person *p, bool is_available)
{
    p->is_available = is_available;
    sim_trace("%s is %s", p->full, is_available ? "available" : "unavailable");
    say(p, is_available ? SPAN("<presence/>") : SPAN("<presence type='unavailable'/>"));
}

static struct c2s *running(size_t number)
{
    return world->stage->c2s[number - 1].c2s;
}

static bool takes_clients(size_t number)
{
    return running(number) && !running(number)->is_stopping;
}

static void connect_to(struct person *p)
{
    static const size_t chunks[] = {0, 0, 0, 1, 2, 3, 7, 61};
    static const struct transport_ops none;
    struct conn *theirs;
    size_t home = p->managed_id[0] ? p->managed_at : p->home;
    size_t number = chance_of(85) ? home : (size_t)chance_between(1, SIM_INSTANCES);
    if (!takes_clients(number))
        number = number % SIM_INSTANCES + 1;
    if (!takes_clients(number)) {
        wait(p, 50, 500);
        return;
    }
    p->at = number;
    conn_pair_fake(world->stage->loop, chunks[chance_below(ARRAY_LEN(chunks))],
                   chance_between(world->profile.link_delay + 1, world->profile.client_delay),
                   &p->conn, &theirs);
    conn_set_handler(p->conn, &person_handler, p);
    client_accept(running(number), theirs, true);
    conn_start_transport(p->conn, &none, NULL);
    sim_trace("%s connects to c2s-%zu", p->full, number);
    open_stream(p, PERSON_OPENING);
    wait(p, LOGIN_MS, LOGIN_MS);
}

static void log_out(struct person *p)
{
    sim_trace("%s logs out", p->full);
    if (chance_of(50) && p->is_available)
        show(p, false);
    p->state = PERSON_LEAVING;
    p->managed_id[0] = '\0';
    say(p, SPAN("</stream:stream>"));
    wait(p, LOGIN_MS, LOGIN_MS);
}

/* --- chatting --------------------------------------------------------------------------------- */

static const struct person *somebody_else(const struct person *p)
{
    const struct person *other;
    do
        other = &world->persons[chance_below(world->person_count)];
    while (strcmp(other->user, p->user) == 0);
    return other;
}

static void send_message(struct person *p, const struct person *to)
{
    struct buf out = {0};
    bool is_full = chance_of(40);
    char bare[80];
    snprintf(bare, sizeof bare, "%s@" STAGE_HOST, to->user);
    const char *address = is_full ? to->full : bare;
    uint32_t number = ledger_send(p, address, is_full);
    buf_printf(&out, "<message to='%s' type='chat' id='m%u'><body>%*u</body></message>", address,
               number, chance_of(5) ? 2000 : 1, number);
    say(p, buf_span(&out));
    buf_free(&out);
}

static void send_some(struct person *p, uint64_t count)
{
    const struct person *to = somebody_else(p);
    for (uint64_t i = 0; i < count; i++) {
        if (chance_of(20))
            to = somebody_else(p);
        send_message(p, to);
    }
}

static void live(struct person *p)
{
    uint64_t roll = chance_below(100);
    if (!p->is_available && roll < 60)
        show(p, true);
    else if (roll < 55)
        send_some(p, 1);
    else if (roll < 72)
        send_some(p, chance_between(2, 14));
    else if (roll < 78)
        log_out(p);
    else if (roll < 82 && world->profile.breaks)
        person_end(p);
    else if (roll < 86 && p->is_available)
        show(p, false);
}

static void on_timer(void *ctx)
{
    struct person *p = ctx;
    wait(p, 1, world->profile.pause);
    if (p->state == PERSON_OFF) {
        if (world->mode != MODE_LEAVE)
            connect_to(p);
    } else if (p->state == PERSON_ON) {
        if (world->mode == MODE_CHAT)
            live(p);
        else if (world->mode == MODE_LEAVE)
            log_out(p);
        else if (!p->is_available)
            show(p, true);
    } else {
        sim_breach(RULE_STUCK, "%s waits for c2s-%zu in state %d, having heard: %.*s", p->full,
                   p->at, p->state, SPAN_ARG(buf_span(&p->heard)));
        person_end(p);
    }
}

/* --- listening -------------------------------------------------------------------------------- */

static void on_message(struct person *p, struct span text)
{
    struct span tag = words_tag(text);
    uint32_t number = number_of(words_attribute(tag, "id"));
    wires_taken(p->conn, number);
    if (span_eq(words_attribute(tag, "type"), SPAN("error")))
        ledger_refuse(number, "heard by its sender");
    else
        ledger_receive(p, number);
}

static void on_bound(struct person *p, struct span text)
{
    if (memmem(text.p, text.n, "type='error'", 12)) {
        sim_trace("%s is refused a session", p->full);
        log_out(p);
        return;
    }
    p->state = PERSON_ON;
    p->session++;
    p->is_available = false;
    p->managed_id[0] = '\0';
    sim_trace("%s is bound at c2s-%zu", p->full, p->at);
    if (p->is_managed)
        say(p, SPAN("<enable xmlns='urn:xmpp:sm:3' resume='true'/>"));
    wait(p, 1, world->profile.pause);
}

static void on_enabled(struct person *p, struct span text)
{
    struct span id = words_attribute(text, "id");
    snprintf(p->managed_id, sizeof p->managed_id, "%.*s", SPAN_ARG(id));
    p->managed_at = p->at;
    p->handled = 0;
}

/* What was under way to the server when the connection ended may be lost: he says it again. */
static void on_resumed(struct person *p)
{
    sim_trace("%s resumes at c2s-%zu", p->full, p->at);
    p->state = PERSON_ON;
    show(p, p->was_available);
    wait(p, 1, world->profile.pause);
}

static void on_not_resumed(struct person *p)
{
    sim_trace("%s cannot resume at c2s-%zu", p->full, p->at);
    p->managed_id[0] = '\0';
    if (p->state == PERSON_BINDING)
        bind_resource(p);
}

/* Words of stream management. */
static bool listen_managed(struct person *p, struct span *heard)
{
    struct span text;
    if (words_take(heard, "<r ", "</r>", &text))
        words_acknowledge(p->conn, p->handled);
    else if (words_take(heard, "<enabled", "</enabled>", &text))
        on_enabled(p, text);
    else if (words_take(heard, "<resumed", "</resumed>", &text))
        on_resumed(p);
    else if (words_take(heard, "<failed", "</failed>", &text))
        on_not_resumed(p);
    else
        return false;
    return true;
}

/* False: the rest is not whole yet. */
static bool listen_on(void *ctx, struct span *heard)
{
    struct person *p = ctx;
    struct span text;
    if (words_take(heard, "<message", "</message>", &text)) {
        p->handled++;
        on_message(p, text);
    } else if (words_take(heard, "<iq", "</iq>", &text)) {
        p->handled++;
        if (p->state == PERSON_BINDING)
            on_bound(p, text);
    } else if (words_take(heard, "<presence", "</presence>", &text)) {
        p->handled++;
    } else if (words_take(heard, "<?xml", "?>", &text) || listen_managed(p, heard)) {
        return true;
    } else if (words_take(heard, "<stream:error", "</stream:error>", &text)) {
        sim_trace("%s hears %.*s", p->full, SPAN_ARG(text));
    } else if (words_take(heard, "<stream:stream", ">", &text) ||
               words_take(heard, "<stream:features", "</stream:features>", &text)) {
        if (span_starts(text, SPAN("<stream:features")) && p->state == PERSON_OPENING)
            prove(p);
        else if (span_starts(text, SPAN("<stream:features")) && p->state == PERSON_REOPENING) {
            if (p->managed_id[0] && chance_of(80))
                resume(p);
            else
                bind_resource(p);
        }
    } else if (words_take(heard, "<success", "</success>", &text)) {
        open_stream(p, PERSON_REOPENING);
    } else if (span_starts(*heard, SPAN("</stream:stream>"))) {
        if (p->state != PERSON_LEAVING)
            say(p, SPAN("</stream:stream>"));
        conn_close(p->conn);
        *heard = span_from(*heard, heard->n);
    } else {
        return false;
    }
    return true;
}

static void on_data(void *ctx, struct span bytes)
{
    struct person *p = ctx;
    words_hear(&p->heard, bytes, listen_on, p);
}

static void on_close(void *ctx, int error, const char *reason)
{
    struct person *p = ctx;
    (void)error;
    sim_trace("%s is off%s%s", p->full, reason ? ": " : "", reason ? reason : "");
    if (p->state == PERSON_ON)
        p->was_available = p->is_available;
    p->conn = NULL;
    p->state = PERSON_OFF;
    p->is_available = false;
    buf_free(&p->heard);
    wait(p, 10, 1500);
}

const struct conn_handler person_handler = {.on_data = on_data, .on_close = on_close};

/* --- life ------------------------------------------------------------------------------------- */

void person_start(struct person *p)
{
    snprintf(p->full, sizeof p->full, "%s@" STAGE_HOST "/%s", p->user, p->resource);
    wait(p, 1, 500);
}

void person_end(struct person *p)
{
    if (!p->conn)
        return;
    sim_trace("%s loses the connection", p->full);
    conn_abort(p->conn, 0);
    timer_stop(&p->next);
}
