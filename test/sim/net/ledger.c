/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ledger - each message from its writing to its end, and what must be true of that.
 */
#include "rings.h"

#include "base/mem.h"

#include <stdlib.h>

/* What a process that is killed may not have made durable yet; what came from a component, which is
 * acknowledged nothing, may also be waiting for a look-up. */
#define IN_HAND_MS 8000
#define LOOK_UP_MS 30000

struct message {
    const struct person *from, *to;
    uint64_t passed_at;          /* when it was seen last on a connection */
    const struct site *last[2];  /* and between which servers that was */
    const struct site *homes[2]; /* of both, when it was written */
    bool is_accepted, is_heard, is_refused, is_answered, is_excused;
};

static struct message *messages;
static size_t message_count, message_room;
static struct ledger_figures figures;

static struct message *get(uint32_t number)
{
    return number > 0 && number <= message_count ? &messages[number - 1] : NULL;
}

void ledger_clear(void)
{
    free(messages);
    messages = NULL;
    message_count = message_room = 0;
    figures = (struct ledger_figures){0};
}

/* The server of one of them asks where the other is at home. */
static void count_asking(const struct site *site, const struct person *person)
{
    if (person->is_gate || person->home == site || ring->has_asked[site->index][person->index])
        return;
    ring->has_asked[site->index][person->index] = true;
    ring->asked_count++;
}

uint32_t ledger_send(const struct person *from, const struct person *to)
{
    if (message_count == message_room) {
        message_room = message_room ? 2 * message_room : 256;
        messages = mem_realloc(messages, message_room * sizeof *messages);
    }
    messages[message_count++] = (struct message){
        .from = from,
        .to = to,
        .passed_at = loop_now(ring->loop),
        .homes = {from->home, to->home},
    };
    figures.sent++;
    count_asking(from->home, to);
    count_asking(to->home, from);
    ring_trace("m%zu: %s writes to %s", message_count, from->user, to->user);
    return (uint32_t)message_count;
}

void ledger_accept(uint32_t number)
{
    struct message *m = get(number);
    if (m)
        m->is_accepted = true;
}

/* As the one who has opened his stream to that domain is to see the other. */
static void check_address(const struct person *p, const struct message *m, uint32_t number,
                          struct span from)
{
    size_t at = span_index(from, '@');
    struct span domain = at < from.n ? span_from(from, at + 1) : SPAN_NONE;
    struct span name = span_make(from.p, at);
    domain.n = span_index(domain, '/');
    if (p->is_gate)
        return;
    if (m->from->is_gate) {
        if (!span_eq(domain, span_of(m->from->domain)))
            ring_breach(RULE_ADDRESS, "m%u of %s comes from %.*s", number, m->from->domain,
                        SPAN_ARG(from));
        return;
    }
    if (!span_eq(name, span_of(m->from->user)))
        ring_breach(RULE_ADDRESS, "m%u of %s comes from %.*s", number, m->from->user,
                    SPAN_ARG(from));
    else if (p->sees_network != span_eq(domain, SPAN(RING_NETWORK)))
        ring_breach(RULE_ADDRESS, "%s, of the %s, hears from %.*s", p->user,
                    p->sees_network ? "network" : "host", SPAN_ARG(from));
}

void ledger_receive(const struct person *p, uint32_t number, struct span from)
{
    struct message *m = get(number);
    struct person *who = p->is_gate ? &ring->gates[p->home->index] : &ring->persons[p->index];
    if (!m) {
        ring_breach(RULE_STRANGER, "%s hears what nobody has written", p->user);
        return;
    }
    ring_trace("m%u: %s hears it", number, p->user);
    if (m->to != p)
        ring_breach(RULE_STRANGER, "m%u to %s is heard by %s", number, m->to->user, p->user);
    check_address(p, m, number, from);
    if (m->is_heard) {
        figures.repeated++;
        if (!ring->has_failed)
            ring_breach(RULE_DUPLICATE, "m%u to %s comes again", number, p->user);
    } else {
        figures.received++;
    }
    /* To one's two addresses a component's messages take different ways. */
    if (!ring->has_failed && !m->from->is_gate && who->last[m->from->index] > number)
        ring_breach(RULE_ORDER, "m%u to %s comes after m%u", number, p->user,
                    who->last[m->from->index]);
    who->last[m->from->index] = number;
    m->is_heard = true;
}

void ledger_refuse(uint32_t number, struct span error)
{
    struct message *m = get(number);
    if (!m)
        return;
    ring_trace("m%u: is refused: %.*s", number, SPAN_ARG(error));
    if (!ring->has_failed)
        ring_breach(RULE_REFUSAL, "m%u of %s to %s is refused: %.*s", number, m->from->user,
                    m->to->user, SPAN_ARG(error));
    figures.refused++;
    m->is_refused = true;
}

void ledger_pass(uint32_t number, const struct site *a, const struct site *b)
{
    struct message *m = get(number);
    if (!m)
        return;
    m->passed_at = loop_now(ring->loop);
    m->last[0] = a;
    m->last[1] = b;
}

void ledger_answer(uint32_t number)
{
    struct message *m = get(number);
    if (m)
        m->is_answered = true;
}

/* Where it was seen last may be one of the ends of its way, too: between a client and his server,
 * or inside of one, no servers are named. */
static bool is_at(const struct message *m, const struct site *s)
{
    return m->last[0] == s || m->last[1] == s || m->homes[0] == s || m->homes[1] == s ||
           m->to->home == s;
}

void ledger_kill(const struct site *s)
{
    uint64_t now = loop_now(ring->loop);
    for (size_t i = 0; i < message_count; i++) {
        struct message *m = &messages[i];
        uint64_t in_hand = m->from->is_gate ? LOOK_UP_MS : IN_HAND_MS;
        if (m->is_heard || m->is_refused || !is_at(m, s) || m->passed_at + in_hand < now)
            continue;
        ring_trace("m%zu: may be lost with %s", i + 1, s->host);
        m->is_excused = true;
        figures.excused++;
    }
}

void ledger_cut_off(const struct person *gate)
{
    uint64_t now = loop_now(ring->loop);
    for (size_t i = 0; i < message_count; i++) {
        struct message *m = &messages[i];
        if ((m->from == gate || m->to == gate) && !m->is_heard && !m->is_refused &&
            m->passed_at + IN_HAND_MS >= now)
            m->is_excused = true;
    }
}

static bool is_open(const struct message *m)
{
    return m->is_accepted && !m->is_heard && !m->is_refused && !m->is_answered && !m->is_excused;
}

size_t ledger_open(void)
{
    size_t n = 0;
    for (size_t i = 0; i < message_count; i++)
        n += is_open(&messages[i]);
    return n;
}

void ledger_check(void)
{
    for (size_t i = 0; i < message_count; i++) {
        const struct message *m = &messages[i];
        if (is_open(m))
            ring_breach(RULE_LOSS, "m%zu of %s to %s never came", i + 1, m->from->user,
                        m->to->user);
    }
}

struct ledger_figures ledger_figures(void)
{
    return figures;
}
