/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * run_component - the router: one component sends to another (an operation is a message received);
 * and clients send to a component that answers each message (an operation is the round trip).
 */
#include "load.h"

#include <stdio.h>

#define SETTLE_SECONDS 20

static struct client *clients;
static unsigned count;
static struct client components[2];
static bool is_running;

static bool is_settled(void *ctx)
{
    (void)ctx;
    return flow_is_settled(clients, count);
}

static void finish(const char *name)
{
    figures_measure();
    is_running = false;
    net_until(is_settled, NULL, SETTLE_SECONDS, "the last messages (lost?)");
    figures_print(name);
}

/* --- component to component ----------------------------------------------------------------------
 */

static void on_one_way(struct client *c, struct span stanza)
{
    if (!scan_is(stanza, "message"))
        return;
    struct client *sender = flow_take(clients, count, c, stanza);
    if (is_running)
        flow_send(sender, c->jid, c->index);
}

static void connect_components(unsigned wanted, void (*on_stanza)(struct client *, struct span))
{
    for (unsigned i = 0; i < wanted; i++) {
        login_describe(&components[i], i, 0, 0);
        components[i].on_stanza = on_stanza;
        flow_init(&components[i], opt.window);
        login_component(&components[i], i);
    }
    login_all(components, wanted);
}

void run_component(void)
{
    flow_body(opt.body);
    connect_components(2, on_one_way);
    clients = components;
    count = 2;
    is_running = true;
    for (unsigned w = 0; w < opt.window; w++)
        flow_send(&components[0], components[1].jid, 1);
    finish("component");
}

/* --- client to component to client ---------------------------------------------------------------
 */

/* The component sends the body back to whom it came from. */
static void on_request(struct client *c, struct span stanza)
{
    struct span from = scan_attr(stanza, "from"), body = scan_text(stanza, "body");
    if (!scan_is(stanza, "message"))
        return;
    if (span_is_none(from) || span_is_none(body))
        fail(c, stanza, "an unexpected stanza");
    buf_append(&c->out, SPAN("<message type='chat' from='"));
    buf_append_z(&c->out, c->jid);
    buf_append(&c->out, SPAN("' to='"));
    buf_append(&c->out, from);
    buf_append(&c->out, SPAN("'><body>"));
    buf_append(&c->out, body);
    buf_append(&c->out, SPAN("</body></message>"));
    net_mark(c);
}

static void on_echo(struct client *c, struct span stanza)
{
    if (!scan_is(stanza, "message"))
        return;
    flow_take(clients, count, c, stanza);
    if (is_running)
        flow_send(c, components[0].jid, c->index);
}

void run_echo(void)
{
    flow_body(opt.body);
    count = opt.users;
    clients = mem_zalloc(count * sizeof *clients);
    for (unsigned i = 0; i < count; i++) {
        login_describe(&clients[i], i, opt.first + i, 0);
        flow_init(&clients[i], opt.window);
    }
    connect_components(1, on_request);
    login_all(clients, count);
    login_presence_all(clients, count, on_echo);
    is_running = true;
    for (unsigned i = 0; i < count; i++)
        for (unsigned w = 0; w < opt.window; w++)
            flow_send(&clients[i], components[0].jid, i);
    finish("echo");
}
