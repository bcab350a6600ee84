/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * person - a client that does what it is told. Speaks plain XMPP, with acknowledgements (XEP-0198)
 * and without resumption, and reads what it hears as text, with no help from the code under test.
 */
#include "rings.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define LOGIN_MS 60000 /* who has not come through by then is stuck */

static const struct conn_handler person_handler;
static void on_timer(void *ctx);

static void wait(struct person *p, uint64_t ms)
{
    timer_start(&p->next, ring->loop, ms, on_timer, p);
}

static void say(struct person *p, struct span text)
{
    words_say(p->conn, text);
}

/* --- logging in ------------------------------------------------------------------------------- */

static void open_stream(struct person *p, enum person_state next)
{
    p->state = next;
    words_open(p->conn, p->sees_network ? RING_NETWORK : p->home->host);
}

static void prove(struct person *p)
{
    p->state = PERSON_PROVING;
    words_prove(p->conn, p->user, RING_PASSWORD);
}

static void connect_home(struct person *p)
{
    static const struct transport_ops none;
    struct conn *theirs;
    conn_pair_fake(ring->loop, 0, 1 + chance_below(10), &p->conn, &theirs);
    conn_set_handler(p->conn, &person_handler, p);
    if (!site_take_client(p->home, theirs)) {
        conn_set_handler(p->conn, NULL, NULL);
        conn_abort(p->conn, 0);
        conn_abort(theirs, 0);
        p->conn = NULL;
        wait(p, chance_between(200, 2000));
        return;
    }
    conn_start_transport(p->conn, &none, NULL);
    open_stream(p, PERSON_OPENING);
    wait(p, LOGIN_MS);
}

static void on_timer(void *ctx)
{
    struct person *p = ctx;
    if (p->state == PERSON_OFF && p->is_wanted) {
        connect_home(p);
    } else if (p->state != PERSON_OFF && p->state != PERSON_ON) {
        ring_breach(RULE_STUCK, "%s waits for %s in state %d, having heard: %.*s", p->user,
                    p->home->host, p->state, SPAN_ARG(buf_span(&p->heard)));
        person_break(p);
    }
}

void person_come(struct person *p)
{
    p->is_wanted = true;
    if (p->state == PERSON_OFF)
        wait(p, chance_between(1, 500));
}

void person_go(struct person *p)
{
    p->is_wanted = false;
    if (p->state == PERSON_ON)
        say(p, SPAN("</stream:stream>"));
    else
        person_break(p);
}

void person_break(struct person *p)
{
    if (p->conn)
        conn_abort(p->conn, 0);
}

/* --- what he says ----------------------------------------------------------------------------- */

/* Remembers what his server is to acknowledge. */
static void say_stanza(struct person *p, struct span text, uint32_t number)
{
    if (p->state != PERSON_ON)
        return;
    if (p->pending_count == p->pending_room) {
        p->pending_room = p->pending_room ? 2 * p->pending_room : 16;
        p->pending = mem_realloc(p->pending, p->pending_room * sizeof *p->pending);
    }
    p->pending[p->pending_count++] = number;
    p->sent++;
    say(p, text);
    if (p->sent - p->asked >= 3 || number > 0) {
        p->asked = p->sent;
        say(p, SPAN("<r xmlns='urn:xmpp:sm:3'/>"));
    }
}

void person_show(struct person *p)
{
    say_stanza(p, SPAN("<presence/>"), 0);
}

void person_write(struct person *p, const struct person *to, bool by_host)
{
    struct buf out = {0};
    if (p->state != PERSON_ON)
        return;
    uint32_t number = ledger_send(p, to);
    buf_printf(&out, "<message to='%s@%s' type='chat' id='m%u'><body>%*u</body></message>",
               to->user,
               to->is_gate ? to->domain
               : by_host   ? to->home->host
                           : RING_NETWORK,
               number, 60, number);
    say_stanza(p, buf_span(&out), number);
    buf_free(&out);
}

static void say_presence(struct person *p, const char *type, struct span to)
{
    struct buf out = {0};
    buf_printf(&out, "<presence type='%s' to='%.*s'/>", type, SPAN_ARG(to));
    say_stanza(p, buf_span(&out), 0);
    buf_free(&out);
}

void person_befriend(struct person *p, const struct person *to)
{
    char address[80];
    snprintf(address, sizeof address, "%s@" RING_NETWORK, to->user);
    say_presence(p, "subscribe", span_of(address));
}

/* --- what he hears ---------------------------------------------------------------------------- */

static void on_acknowledged(struct person *p, struct span text)
{
    uint64_t h = 0;
    if (!span_to_u64(words_attribute(text, "h"), UINT32_MAX, &h) || h > p->sent)
        ring_breach(RULE_STUCK, "%s is acknowledged %.*s", p->user, SPAN_ARG(text));
    size_t done = h > p->acked ? (size_t)(h - p->acked) : 0;
    for (size_t i = 0; i < done && i < p->pending_count; i++)
        ledger_accept(p->pending[i]);
    done = done < p->pending_count ? done : p->pending_count;
    memmove(p->pending, p->pending + done, (p->pending_count - done) * sizeof *p->pending);
    p->pending_count -= done;
    p->acked = (uint32_t)h;
}

static uint32_t number_of(struct span id)
{
    uint64_t n = 0;
    return id.n > 1 && id.p[0] == 'm' && span_to_u64(span_from(id, 1), UINT32_MAX, &n) ? (uint32_t)n
                                                                                       : 0;
}

uint32_t person_message_number(struct span text)
{
    return number_of(words_attribute(words_tag(text), "id"));
}

static void on_message(struct person *p, struct span text)
{
    struct span tag = words_tag(text);
    uint32_t number = person_message_number(text);
    const char *error = memmem(text.p, text.n, "<error", 6);
    if (number == 0)
        return;
    if (span_eq(words_attribute(tag, "type"), SPAN("error")))
        ledger_refuse(number, error ? span_from(text, (size_t)(error - text.p)) : SPAN_NONE);
    else
        ledger_receive(p, number, words_attribute(tag, "from"));
}

static void on_presence(struct person *p, struct span text)
{
    struct span tag = words_tag(text);
    struct span type = words_attribute(tag, "type"), from = words_attribute(tag, "from");
    p->presences++;
    if (span_eq(type, SPAN("subscribe")))
        say_presence(p, "subscribed", from);
    size_t at = span_index(from, '@');
    const struct person *who = person_of(span_make(from.p, at));
    if (!who || span_eq(type, SPAN("error")))
        return;
    struct span domain = at < from.n ? span_from(from, at + 1) : SPAN_NONE;
    domain.n = span_index(domain, '/');
    if (p->sees_network != span_eq(domain, SPAN(RING_NETWORK)))
        ring_breach(RULE_ADDRESS, "%s, of the %s, sees presence of %.*s", p->user,
                    p->sees_network ? "network" : "host", SPAN_ARG(from));
    if (span_is_none(type))
        p->known_count++;
}

static void on_bound(struct person *p, struct span text)
{
    if (memmem(text.p, text.n, "type='error'", 12)) {
        ring_trace("%s is refused a session", p->user);
        person_break(p);
        return;
    }
    p->state = PERSON_ON;
    p->session++;
    timer_stop(&p->next);
    ring_trace("%s is bound at %s", p->user, p->home->host);
    p->sent = p->acked = p->handled = p->asked = 0;
    p->pending_count = 0;
    say(p, SPAN("<enable xmlns='urn:xmpp:sm:3'/>"));
    person_show(p);
}

static void on_features(struct person *p)
{
    if (p->state == PERSON_OPENING) {
        prove(p);
    } else if (p->state == PERSON_REOPENING) {
        p->state = PERSON_BINDING;
        words_bind(p->conn, "r");
    }
}

static bool listen_stanza(struct person *p, struct span *heard)
{
    struct span text;
    if (words_take(heard, "<message", "</message>", &text)) {
        p->handled++;
        on_message(p, text);
    } else if (words_take(heard, "<presence", "</presence>", &text)) {
        p->handled++;
        on_presence(p, text);
    } else if (words_take(heard, "<iq", "</iq>", &text)) {
        p->handled++;
        if (p->state == PERSON_BINDING)
            on_bound(p, text);
    } else {
        return false;
    }
    return true;
}

/* False: the rest is not whole yet. */
static bool listen_on(void *ctx, struct span *heard)
{
    struct person *p = ctx;
    struct span text;
    if (listen_stanza(p, heard))
        return true;
    if (words_take(heard, "<r ", "</r>", &text)) {
        words_acknowledge(p->conn, p->handled);
    } else if (words_take(heard, "<a ", "</a>", &text)) {
        on_acknowledged(p, text);
    } else if (words_take(heard, "<enabled", "</enabled>", &text)) {
        p->handled = 0;
    } else if (words_take(heard, "<stream:features", "</stream:features>", &text)) {
        on_features(p);
    } else if (words_take(heard, "<success", "</success>", &text)) {
        open_stream(p, PERSON_REOPENING);
    } else if (words_take(heard, "<stream:error", "</stream:error>", &text) ||
               words_take(heard, "<failure", "</failure>", &text)) {
        ring_trace("%s hears %.*s", p->user, SPAN_ARG(text));
    } else if (span_starts(*heard, SPAN("</stream:stream>"))) {
        if (p->is_wanted)
            say(p, SPAN("</stream:stream>"));
        conn_close(p->conn);
        *heard = span_from(*heard, heard->n);
    } else {
        return words_take(heard, "<?xml", "?>", &text) ||
               words_take(heard, "<stream:stream", ">", &text);
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
    ring_trace("%s is off%s%s", p->user, reason ? ": " : "", reason ? reason : "");
    p->conn = NULL;
    p->state = PERSON_OFF;
    p->pending_count = 0;
    buf_free(&p->heard);
    wait(p, chance_between(100, 1500));
}

static const struct conn_handler person_handler = {.on_data = on_data, .on_close = on_close};

/* --- life ------------------------------------------------------------------------------------- */

void person_make(struct person *p, size_t index, struct site *home)
{
    *p = (struct person){.index = index, .home = home};
    snprintf(p->user, sizeof p->user, "u%zu", index);
    p->sees_network = chance_of(60);
}

void person_drop(struct person *p)
{
    timer_stop(&p->next);
    if (p->conn) {
        conn_set_handler(p->conn, NULL, NULL);
        conn_abort(p->conn, 0);
    }
    buf_free(&p->heard);
    free(p->pending);
    p->pending = NULL;
}

struct person *person_of(struct span user)
{
    uint64_t n = 0;
    if (user.n < 2 || user.p[0] != 'u' ||
        !span_to_u64(span_from(user, 1), ring->person_count - 1, &n))
        return NULL;
    return &ring->persons[n];
}
