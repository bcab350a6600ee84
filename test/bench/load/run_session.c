/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * run_session - what sessions cost: logins (connect, TLS, SASL, bind, presence, one ping that shows
 * that all of it has been handled) with a number of them under way at a time, each ended with its
 * stream; and the memory of idle sessions.
 */
#include "load.h"

#define CLOSE_SECONDS 20
#define IDLE_SECONDS 2

static struct client *clients; /* of run_login: those that can serve again, linked by extra */
static unsigned next_user, open_count;
static bool is_running;

/* --- logins --------------------------------------------------------------------------------------
 */

static void log_in(void);

/* A server may take its time with the end of a stream: the next login does not wait for it. */
static void on_login_stanza(struct client *c, struct span stanza)
{
    if (!scan_is(stanza, "iq") || !span_eq(scan_attr(stanza, "id"), SPAN("login")))
        return;
    flow_stamp(c, 0);
    if (is_measuring)
        operations++;
    net_say(c, "</stream:stream>");
    if (is_running)
        log_in();
}

static void on_login_ready(struct client *c)
{
    net_say(c, "<presence/>");
    login_ping(c, "login");
}

/* The server has answered the end of the stream. */
static void on_login_closed(struct client *c)
{
    if (c->login)
        fail(c, SPAN_NONE, "the server closed the connection");
    open_count--;
    c->extra = clients;
    clients = c;
}

/* Clients whose streams have ended serve again, but not before what came with their last event has
 * been handled: epoll may still name them. */
static void log_in(void)
{
    struct client *c = clients;
    uint64_t *stamps = c ? c->flow.stamps : mem_zalloc(sizeof *stamps);
    if (c)
        clients = c->extra;
    else
        c = mem_alloc(sizeof *c);
    login_describe(c, 0, opt.first + next_user++ % opt.users, 0);
    c->flow = (struct flow){.stamps = stamps, .window = 1};
    stamps[0] = now_ns;
    c->on_stanza = on_login_stanza;
    c->on_ready = on_login_ready;
    c->on_closed = on_login_closed;
    open_count++;
    login_start(c);
}

static bool are_closed(void *ctx)
{
    (void)ctx;
    return open_count == 0;
}

static bool has_seen_all(void *ctx)
{
    (void)ctx;
    return next_user >= opt.users + opt.concurrency;
}

void run_login(void)
{
    is_running = true;
    for (unsigned i = 0; i < opt.concurrency; i++)
        log_in();
    /* each user once: from then on the generator knows what SCRAM makes of the passwords */
    net_until(has_seen_all, NULL, 120, "the first logins");
    figures_measure();
    is_running = false;
    net_until(are_closed, NULL, CLOSE_SECONDS, "the ends of the last streams");
    figures_print("login");
}

/* --- idle sessions -------------------------------------------------------------------------------
 */

static void on_idle(struct client *c, struct span stanza)
{
    if (scan_is(stanza, "stream:error"))
        fail(c, stanza, "stream error");
}

/* The slope between a fifth of the sessions and all of them: what a server has of its own, and what
 * its first logins make it load, does not count. */
void run_idle(void)
{
    unsigned some = opt.users / 5;
    clients = mem_zalloc(opt.users * sizeof *clients);
    for (unsigned i = 0; i < opt.users; i++) {
        login_describe(&clients[i], i, opt.first + i, 0);
        clients[i].on_stanza = on_idle;
    }
    login_all(clients, some);
    login_presence_all(clients, some, on_idle);
    net_for(IDLE_SECONDS);
    double before = figures_pss_kib();
    login_all(clients + some, opt.users - some);
    login_presence_all(clients + some, opt.users - some, on_idle);
    net_for(IDLE_SECONDS);
    double after = figures_pss_kib();
    figures_add("", "sessions", opt.users);
    figures_add("", "pss_kib", after);
    figures_add("", "kib_per_session", (after - before) / (opt.users - some));
    figures_print("idle");
}
