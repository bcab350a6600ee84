/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * run_fanout - one message that reaches many of a user's connections: to a bare JID with several
 * resources, and carbons (XEP-0280). Operations are deliveries.
 *
 * A sender sends the next message when the present one has reached everybody.
 */
#include "load.h"

#include <stdio.h>

#define SETTLE_SECONDS 20
#define PROBE_SECONDS 1

static struct client *clients;
static unsigned count;
static bool is_running;
static unsigned answers;
static unsigned fan; /* deliveries of each message */

/* What a client expects next from the flow of each user of its pair. */
struct due {
    uint64_t number[2];
};

static void send_next(struct client *sender)
{
    sender->flow.received = 0;
    flow_send(sender, sender->partner->jid, sender->partner->user);
}

/* One delivery of sender's present message; received counts its deliveries. */
static void delivered(struct client *sender, uint64_t number)
{
    flow_stamp(sender, number);
    if (is_measuring)
        operations++;
    if (++sender->flow.received == fan && is_running)
        send_next(sender);
}

static bool is_settled(void *ctx)
{
    (void)ctx;
    for (unsigned i = 0; i < count; i++)
        if (clients[i].flow.sent > 0 && clients[i].flow.received != fan)
            return false;
    return true;
}

static void finish(const char *name)
{
    figures_measure();
    is_running = false;
    net_until(is_settled, NULL, SETTLE_SECONDS, "the last messages (lost?)");
    figures_add("", "fan", fan);
    figures_print(name);
}

/* The message is for c's user or, as a carbon, from c's user; and it is the one that is due. */
static void take(struct client *c, struct span stanza)
{
    if (!scan_is(stanza, "message"))
        return;
    struct note note = flow_note(c, stanza);
    if (note.sender >= count || clients[note.sender].flow.sent == 0)
        fail(c, stanza, "an unknown sender");
    struct client *sender = &clients[note.sender];
    struct due *due = c->extra;
    bool is_own = sender->user == c->user;
    if (is_own && !scan_has(stanza, "urn:xmpp:carbons:2"))
        fail(c, stanza, "misdelivered: it came back to its sender");
    flow_check(c, stanza, &note, is_own ? sender->partner->user : c->user, due->number[is_own]);
    due->number[is_own]++;
    delivered(sender, note.number);
}

static void describe(unsigned index, unsigned user, unsigned resource)
{
    struct client *c = &clients[index];
    login_describe(c, index, opt.first + user, resource);
    c->on_stanza = take;
    c->extra = mem_zalloc(sizeof(struct due));
    flow_init(c, 1);
}

/* --- resources -----------------------------------------------------------------------------------
 */

/* The server may choose another number of resources than all: then the figure would mean nothing.
 */
static void probe(void)
{
    struct client *sender = &clients[0];
    char text[80];
    send_next(sender);
    net_for(PROBE_SECONDS);
    if (sender->flow.received == fan)
        return;
    snprintf(text, sizeof text, "a message to a bare JID reaches %llu of %u resources",
             (unsigned long long)sender->flow.received, fan);
    unsupported(text);
}

void run_resources(void)
{
    unsigned group = 1 + opt.resources, groups = opt.users / 2;
    flow_body(opt.body);
    fan = opt.resources;
    count = groups * group;
    clients = mem_zalloc(count * sizeof *clients);
    for (unsigned i = 0; i < count; i++) {
        unsigned place = i % group;
        describe(i, i / group * 2 + (place > 0), place);
        clients[i].partner = place == 0 ? &clients[i + 1] : NULL;
    }
    login_all(clients, count);
    login_presence_all(clients, count, take);
    for (unsigned i = 0; i < count; i += group) {
        char *jid = clients[i].partner->jid;
        jid[strcspn(jid, "/")] = 0;
    }
    probe();
    is_running = true;
    for (unsigned i = 0; i < count; i += group)
        send_next(&clients[i]);
    finish("resources");
}

/* --- carbons -------------------------------------------------------------------------------------
 */

static void on_answer(struct client *c, struct span stanza)
{
    (void)c;
    if (!scan_is(stanza, "iq") || !span_eq(scan_attr(stanza, "id"), SPAN("carbons")))
        return;
    if (!span_eq(scan_attr(stanza, "type"), SPAN("result")))
        unsupported("the server has no carbons");
    answers++;
}

static bool have_answered(void *ctx)
{
    (void)ctx;
    return answers == count;
}

/* Users of two resources each: the first ones chat, and the second ones see it all. */
void run_carbons(void)
{
    flow_body(opt.body);
    fan = 3;
    count = (opt.users - opt.users % 2) * 2;
    clients = mem_zalloc(count * sizeof *clients);
    for (unsigned i = 0; i < count; i++) {
        describe(i, i / 2, i % 2);
        clients[i].partner = &clients[i ^ 2];
    }
    login_all(clients, count);
    for (unsigned i = 0; i < count; i++) {
        clients[i].on_stanza = on_answer;
        net_say(&clients[i],
                "<iq type='set' id='carbons'><enable xmlns='urn:xmpp:carbons:2'/></iq>");
    }
    net_until(have_answered, NULL, SETTLE_SECONDS, "carbons");
    login_presence_all(clients, count, take);
    is_running = true;
    for (unsigned i = 0; i < count; i += 2)
        send_next(&clients[i]);
    finish("carbons");
}
