/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ledger - each message from its sending on, and what is promised of it:
 *
 *   loss        A message is accepted once its completion says "safe". It then comes to one client
 *               of its recipient at least, or an error answer is on its way. Excused are those
 *               lost with a connection or a process that had no one to hand them to: on a
 *               connection that ended (wires.c) unless its client acknowledges what it gets, held
 *               in a router that ended, queued in a link that was closed, on the way to a client
 *               at another instance that was just going. Nothing else is: neither storage nor a
 *               change of owner.
 *   duplicate   No client hears a message twice, nor does one who comes back hear what he has
 *               heard before; but for one that he has not acknowledged and that was taken back.
 *   order       A client hears what another one has sent to one address in the order of sending.
 *               To one address: a bare JID passes by a client that is not available, a full one
 *               does not (RFC 6121 8.5), and may precede what is stored. Left out is also what
 *               changes of owner can disorder today: what one instance stores while it is cut off
 *               or another has the user, what is on its way by the router when the user comes to
 *               the sender's own instance, and what was taken back from a client that went.
 *   refusal     Where nothing has failed, nothing is refused.
 *   completion  Each stanza's completion is called once.
 */
#include "sim.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

struct message {
    size_t from;
    char to[80];
    bool is_full, is_early, is_held, is_again, is_accepted, is_refused, is_heard;
    const char *excuse;
    uint32_t heard; /* bits: by whom */
    const void *guest;
    uint64_t guest_at;
};

struct receipt {
    struct link_done done;
    uint32_t number; /* 0: not a message */
    unsigned calls;
    struct receipt *next;
};

static struct message *messages; /* by number - 1 */
static size_t message_count, message_capacity;
static struct receipt *receipts;

void ledger_clear(void)
{
    free(messages);
    messages = NULL;
    message_count = message_capacity = 0;
    while (receipts) {
        struct receipt *r = receipts;
        receipts = r->next;
        free(r);
    }
}

size_t ledger_count(void)
{
    return message_count;
}

uint32_t number_of(struct span id)
{
    uint64_t number;
    if (id.n < 2 || id.p[0] != 'm' || !span_to_u64(span_from(id, 1), message_count, &number))
        return 0;
    return (uint32_t)number;
}

static struct message *get(uint32_t number)
{
    return number ? &messages[number - 1] : NULL;
}

uint32_t ledger_send(const struct person *from, const char *to, bool is_full)
{
    if (message_count == message_capacity) {
        message_capacity = message_capacity ? 2 * message_capacity : 256;
        messages = mem_realloc(messages, message_capacity * sizeof *messages);
    }
    struct message *m = &messages[message_count++];
    *m = (struct message){.from = from->index, .is_full = is_full};
    snprintf(m->to, sizeof m->to, "%s", to);
    sim_trace("%s sends m%zu to %s", from->full, message_count, to);
    return (uint32_t)message_count;
}

void ledger_receive(struct person *p, uint32_t number)
{
    struct message *m = get(number);
    uint32_t bit = 1u << p->index, *last;
    sim_trace("%s hears m%u", p->full, number);
    if (!m)
        return;
    last = &p->last[m->from][m->is_full];
    m->is_heard = true;
    if ((m->heard & bit) && m->is_again)
        return;
    if (m->heard & bit)
        sim_breach(RULE_DUPLICATE, "%s hears m%u to %s again", p->full, number, m->to);
    else if (number < *last && !m->is_early && !m->is_again)
        sim_breach(RULE_ORDER, "%s hears m%u to %s after m%u", p->full, number, m->to,
                   *last);
    m->heard |= bit;
    if (number > *last && !m->is_early && !m->is_again)
        *last = number;
}

void ledger_refuse(uint32_t number, const char *where)
{
    struct message *m = get(number);
    if (!m)
        return;
    sim_trace("m%u is refused (%s)", number, where);
    m->is_refused = true;
    if (world_is_calm(world))
        sim_breach(RULE_REFUSAL, "m%u to %s is refused (%s) though nothing has failed", number,
                   m->to, where);
}

void ledger_excuse(uint32_t number, const char *where)
{
    struct message *m = get(number);
    if (!m || m->excuse || m->is_refused)
        return;
    m->excuse = where;
    sim_trace("m%u may be lost: %s", number, where);
}

void ledger_early(uint32_t number)
{
    struct message *m = get(number);
    if (m)
        m->is_early = true;
}

void ledger_again(uint32_t number)
{
    struct message *m = get(number);
    if (!m)
        return;
    sim_trace("m%u comes back", number);
    m->is_again = true;
}

void ledger_hold(uint32_t number, bool is_held)
{
    struct message *m = get(number);
    if (m)
        m->is_held = is_held;
}

#define OVERTAKEN_MAX 100

void ledger_overtake(uint32_t number)
{
    const struct message *m = get(number);
    for (uint32_t i = number - 1; m && i > 0 && i + OVERTAKEN_MAX > number; i--) {
        struct message *other = get(i);
        if (other->from == m->from && strcmp(other->to, m->to) == 0 &&
            (other->is_held || wires_carry(i)))
            other->is_early = true;
    }
}

void ledger_to_guest(uint32_t number, const void *guest)
{
    struct message *m = get(number);
    if (!m)
        return;
    m->guest = guest;
    m->guest_at = loop_now(world->stage->loop);
}

void ledger_guest_ends(const void *guest)
{
    uint64_t now = loop_now(world->stage->loop);
    for (size_t i = message_count; i > 0; i--) {
        struct message *m = &messages[i - 1];
        if (m->guest && m->guest_at == now && (!guest || m->guest == guest))
            ledger_excuse((uint32_t)i, "for a client elsewhere that was just going");
    }
}

static void on_done(void *ctx, bool is_safe)
{
    struct receipt *r = ctx;
    struct message *m = get(r->number);
    if (r->calls++ > 0) {
        sim_breach(RULE_COMPLETION, "the completion of m%u comes again", r->number);
        return;
    }
    if (m) {
        sim_trace("m%u is %s", r->number, is_safe ? "accepted" : "not accepted");
        m->is_accepted = is_safe;
    }
    r->done.call(r->done.ctx, is_safe);
}

struct link_done ledger_watch(uint32_t number, struct link_done done)
{
    struct receipt *r = mem_zalloc(sizeof *r);
    *r = (struct receipt){.done = done, .number = number, .next = receipts};
    receipts = r;
    return (struct link_done){on_done, r};
}

void ledger_check(void)
{
    for (size_t i = 0; i < message_count; i++) {
        const struct message *m = &messages[i];
        if (m->is_accepted && !m->is_heard && !m->is_refused && !m->excuse)
            sim_breach(RULE_LOSS, "m%zu of %s to %s never came", i + 1,
                       world->persons[m->from].full, m->to);
    }
}

void ledger_check_completions(void)
{
    for (const struct receipt *r = receipts; r; r = r->next)
        if (r->calls == 0)
            sim_breach(RULE_COMPLETION, "the completion of m%u never came", r->number);
}
