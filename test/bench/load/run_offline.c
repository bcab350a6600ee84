/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * run_offline - messages for users who are away. Store: the first half of the users send
 * opt.messages each to the other half, in batches that end with a ping; the stretch ends when every
 * ping has been answered and the server is idle. Flush: the others log in, and the stretch is from
 * their presence to the last message.
 */
#include "load.h"

#include <stdio.h>

#define BATCH 10
#define WAIT_SECONDS 120
#define IDLE_POLL 0.05

static struct client *clients;
static unsigned half;
static unsigned done_count;

static bool are_done(void *ctx)
{
    return done_count >= *(unsigned *)ctx;
}

static void send_batch(struct client *c)
{
    char to[128];
    snprintf(to, sizeof to, "u%u@%s", c->partner->user, c->host);
    for (unsigned i = 0; i < BATCH && c->flow.sent < opt.messages; i++)
        flow_send(c, to, c->partner->index);
    login_ping(c, "batch");
}

static void on_sender(struct client *c, struct span stanza)
{
    if (scan_is(stanza, "message"))
        fail(c, stanza, "a message came back");
    if (!scan_is(stanza, "iq") || !span_eq(scan_attr(stanza, "id"), SPAN("batch")))
        return;
    if (c->flow.sent < opt.messages)
        send_batch(c);
    else
        done_count++;
}

/* Until the server's processes stand still: what they do behind their answers counts, too. */
static void wait_idle(void)
{
    double before, now = figures_cpu();
    do {
        before = now;
        net_for(IDLE_POLL);
        now = figures_cpu();
    } while (now - before > 0.1 * IDLE_POLL);
}

static void on_receiver(struct client *c, struct span stanza)
{
    if (!scan_is(stanza, "message"))
        return;
    struct client *sender = flow_take(clients, 2 * half, c, stanza);
    if (sender->flow.received == opt.messages)
        done_count++;
}

static void store(void)
{
    login_all(clients, half);
    login_presence_all(clients, half, on_sender);
    figures_begin();
    for (unsigned i = 0; i < half; i++)
        send_batch(&clients[i]);
    net_until(are_done, &half, WAIT_SECONDS, "storing");
    wait_idle();
    operations = (uint64_t)half * opt.messages;
    figures_end("store_");
}

static void flush(void)
{
    done_count = 0;
    login_all(clients + half, half);
    figures_begin();
    for (unsigned i = half; i < 2 * half; i++) {
        clients[i].on_stanza = on_receiver;
        net_say(&clients[i], "<presence/>");
    }
    net_until(are_done, &half, WAIT_SECONDS, "stored messages (lost?)");
    wait_idle();
    figures_end("flush_");
}

void run_offline(void)
{
    flow_body(opt.body);
    half = opt.users / 2;
    clients = mem_zalloc(2 * (size_t)half * sizeof *clients);
    for (unsigned i = 0; i < 2 * half; i++) {
        login_describe(&clients[i], i, opt.first + i, 0);
        clients[i].partner = &clients[i < half ? i + half : i - half];
        flow_init(&clients[i], 0);
    }
    store();
    flush();
    figures_print("offline");
}
