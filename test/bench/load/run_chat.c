/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * run_chat - pairs of users that chat in a closed loop: every user has a window of messages under
 * way to its partner. An operation is a message received.
 *
 * Of the users that log in, opt.active chat; opt.contacts fills their rosters first. With a second
 * host, the odd users live there (s2s). The raw relay is driven the same way, without streams.
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>

#define SETTLE_SECONDS 20
#define SETUP_SECONDS 120

static struct client *clients;
static unsigned active;
static bool is_running;
static unsigned answers;

static const char *address_of(const struct client *c)
{
    static char bare[128];
    if (!opt.bare)
        return c->jid;
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(c->jid, "/"), c->jid);
    return bare;
}

static void send_next(struct client *c)
{
    flow_send(c, address_of(c->partner), c->partner->index);
}

static void on_stanza(struct client *c, struct span stanza)
{
    if (!scan_is(stanza, "message")) {
        if (scan_is(stanza, "stream:error"))
            fail(c, stanza, "stream error");
        return;
    }
    struct client *sender = flow_take(clients, active, c, stanza);
    if (is_running)
        send_next(sender);
}

static bool is_settled(void *ctx)
{
    (void)ctx;
    return flow_is_settled(clients, active);
}

static void on_answer(struct client *c, struct span stanza)
{
    if (scan_is(stanza, "iq") && span_eq(scan_attr(stanza, "id"), SPAN("roster"))) {
        if (!span_eq(scan_attr(stanza, "type"), SPAN("result")))
            fail(c, stanza, "roster item refused");
        answers++;
    }
}

static bool have_answered(void *ctx)
{
    return answers >= *(unsigned *)ctx;
}

/* Gives each chatting user a roster of opt.contacts items. */
static void fill_rosters(void)
{
    for (unsigned n = 0; n < opt.contacts; n++) {
        unsigned wanted = (n + 1) * active;
        for (unsigned i = 0; i < active; i++) {
            clients[i].on_stanza = on_answer;
            buf_printf(&clients[i].out,
                       "<iq type='set' id='roster'><query xmlns='jabber:iq:roster'>"
                       "<item jid='contact%u@%s' name='A contact'><group>Many</group></item>"
                       "</query></iq>",
                       n, opt.host);
            net_mark(&clients[i]);
        }
        net_until(have_answered, &wanted, SETUP_SECONDS, "rosters");
    }
}

static void chat(const char *name)
{
    is_running = true;
    for (unsigned i = 0; i < active; i++)
        for (unsigned w = 0; w < opt.window; w++)
            send_next(&clients[i]);
    figures_measure();
    is_running = false;
    net_until(is_settled, NULL, SETTLE_SECONDS, "the last messages (lost?)");
    figures_add("", "sessions", opt.users);
    figures_print(name);
}

static void prepare(void)
{
    flow_body(opt.body);
    active = opt.active && opt.active < opt.users ? opt.active : opt.users;
    active -= active % 2;
    clients = mem_zalloc(opt.users * sizeof *clients);
    for (unsigned i = 0; i < opt.users; i++) {
        struct client *c = &clients[i];
        login_describe(c, i, opt.first + i, 0);
        if (opt.host2 && i % 2 == 1) {
            c->host = opt.host2;
            c->address = opt.address2;
        }
        c->partner = &clients[i ^ 1];
        c->on_stanza = on_stanza;
        flow_init(c, opt.window);
    }
}

void run_chat(void)
{
    prepare();
    login_all(clients, opt.users);
    if (opt.contacts)
        fill_rosters();
    login_presence_all(clients, opt.users, on_stanza);
    chat(opt.host2 ? "s2s" : "chat");
}

void run_relay(void)
{
    prepare();
    for (unsigned i = 0; i < opt.users; i++) {
        snprintf(clients[i].jid, sizeof clients[i].jid, "u%u@%s/r0", i, opt.host);
        clients[i].is_raw = true;
    }
    login_all(clients, opt.users);
    chat("floor");
}
