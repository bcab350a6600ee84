/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load - what the files of the load generator share.
 *
 * One thread, one epoll. A client is one connection: of a user's resource, or of a component. The
 * splitter gives whole stanzas to its on_stanza; what handlers write is sent when the read that
 * caused it has been handled. Messages carry numbers (flow.c): one that is lost, doubled, out of
 * order or at the wrong address ends the run with status 1.
 *
 *   main.c     options, scenarios, statuses         login.c    streams, SCRAM, bind, components
 *   net.c      sockets, TLS, output                 flow.c     numbered messages, windows
 *   scan.c     stanzas out of bytes                 figures.c  CPU, memory, latency, the result
 *   run_*.c    the scenarios
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "base/buf.h"
#include "base/mem.h"
#include "tls/crypto.h"

#include <gnutls/gnutls.h>

enum status {
    STATUS_OK,
    STATUS_FAILED, /* lost, doubled, out of order, misdelivered, refused by the server */
    STATUS_USAGE,
    STATUS_BUSY,        /* the generator itself used too much: the figures mean nothing */
    STATUS_UNSUPPORTED, /* the server says that it cannot do this */
};

struct options {
    const char *host, *address, *password, *mechanism;
    const char *host2, *address2; /* the other server of s2s; NULL: there is none */
    uint16_t port, port2, component_port[2]; /* port2 0: as port */
    const char *component[2], *secret[2];
    unsigned users, first, window, body, contacts, resources, messages, concurrency, active;
    double seconds, warm, share;
    bool tls, bare, allow_busy;
    const char *pids;
};

extern struct options opt;

enum phase {
    PHASE_HEADER,    /* the first features */
    PHASE_STARTTLS,  /* <proceed/> */
    PHASE_HANDSHAKE, /* TLS */
    PHASE_SECURED,   /* features over TLS */
    PHASE_CHALLENGE, /* SCRAM's server-first */
    PHASE_SUCCESS,
    PHASE_RESTARTED, /* the last features */
    PHASE_BIND,
    PHASE_SESSION, /* the legacy session, where it is not optional */
    PHASE_READY,
    PHASE_CLOSED,
};

/* Where the splitter is in bytes that hold no whole stanza yet. */
struct scan {
    size_t at;
    unsigned depth;
    bool in_stream;    /* the stream's header has passed */
    bool wants_header; /* it is given as if it were a stanza: a component needs its id */
};

/* One direction between two clients: numbers and the times at which they were sent. */
struct flow {
    uint64_t sent, received;
    uint64_t *stamps; /* of the last window numbers; NULL: no latencies */
    unsigned window;
};

struct client {
    int fd;
    enum phase phase;
    bool is_component, is_raw, needs_session, is_dirty, wants_write;
    const char *secret; /* a component's */
    gnutls_session_t tls;
    struct scan scan;
    struct buf in, out;
    unsigned index;          /* among the clients of the run */
    unsigned user, resource; /* u<user>@host/r<resource> */
    const char *host, *address;
    char jid[128];       /* full; a component's name */
    struct login *login; /* while logging in */
    struct flow flow;    /* of the messages that this client sends */
    struct client *partner;
    void (*on_stanza)(struct client *c, struct span stanza); /* once logged in */
    void (*on_ready)(struct client *c);                      /* NULL: nothing */
    void (*on_closed)(struct client *c);                     /* NULL: a closing ends the run */
    void *extra;                                             /* a scenario's own */
};

/* --- main.c --- */

/* Ends the run: what happened, at whom, with which stanza. */
_Noreturn void fail(const struct client *c, struct span stanza, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
_Noreturn void unsupported(const char *what);

/* --- net.c --- */

extern uint64_t now_ns; /* as of the last wake-up or read */

uint64_t net_clock(void);
void net_init(void);
void net_connect(struct client *c, uint16_t port);
void net_close(struct client *c);
void net_start_tls(struct client *c);
/* What is in c->out goes out when the present read has been handled. */
void net_mark(struct client *c);
void net_say(struct client *c, const char *text);
/* One wait and the handling of all that came. */
void net_turn(int timeout_ms);
/* Turns until condition(ctx) holds; fails with what after seconds. */
void net_until(bool (*condition)(void *ctx), void *ctx, double seconds, const char *what);
void net_for(double seconds);

/* --- scan.c --- */

/* The next whole stanza of bytes[s->at...): 1 and it, 0 when more is needed, -1 at the end of the
 * stream. *start_r is where what is still needed begins. */
int scan_next(struct scan *s, struct span bytes, size_t *start_r, struct span *stanza_r);
/* An attribute of the stanza's start tag; none when it is not there. */
struct span scan_attr(struct span stanza, const char *name);
bool scan_is(struct span stanza, const char *element);
bool scan_has(struct span stanza, const char *text);
/* What stands between <element> or <element …> and the next tag. */
struct span scan_text(struct span stanza, const char *element);

/* --- login.c --- */

/* Connects and logs in; on_ready follows. is_raw (the raw relay): no stream, no login. */
void login_start(struct client *c);
void login_component(struct client *c, unsigned which);
void login_stanza(struct client *c, struct span stanza);
void login_handshaken(struct client *c);
/* A fresh client for a user's resource; what a former run left in *c is overwritten. */
void login_describe(struct client *c, unsigned index, unsigned user, unsigned resource);
/* Logs count clients in, a moderate number at a time, and waits for all. */
void login_all(struct client *clients, unsigned count);
/* Sends presence for all and waits until the server has handled it, without looking at what comes
 * meanwhile; then handler gets what comes. */
void login_presence_all(struct client *clients, unsigned count,
                        void (*handler)(struct client *c, struct span stanza));
/* Sends a ping to the client's own server; its answer has this id. */
void login_ping(struct client *c, const char *id);

/* --- flow.c --- */

struct note {
    uint64_t sender, receiver, number;
};

void flow_body(unsigned length); /* of all messages from now on */
/* window 0: latencies are not wanted. */
void flow_init(struct client *c, unsigned window);
/* Queues the next message of from's flow to the address to; receiver is who must get it. */
void flow_send(struct client *from, const char *to, unsigned receiver);
/* What a message says of itself; fails when it says nothing. */
struct note flow_note(const struct client *c, struct span stanza);
/* Fails unless the note is for receiver and has the number expected. */
void flow_check(const struct client *c, struct span stanza, const struct note *note,
                uint64_t receiver, uint64_t expected);
void flow_stamp(const struct client *sender, uint64_t number);
/* Checks that stanza is the next message of sender's flow and for receiver; latency counts. */
struct client *flow_take(struct client *clients, unsigned count, struct client *receiver,
                         struct span stanza);
/* Whether every message of the flows has been received. */
bool flow_is_settled(const struct client *clients, unsigned count);

/* --- figures.c --- */

extern bool is_measuring;   /* operations count */
extern uint64_t operations; /* counted since the start of the measuring */

void figures_latency(uint64_t ns);
double figures_pss_kib(void);
double figures_cpu(void); /* seconds of the server's processes */
/* A measured stretch, whose figures become members of the result; prefix: of their names. */
void figures_begin(void);
void figures_end(const char *prefix);
/* The stretch of a closed loop that is running already: opt.warm, then opt.seconds. */
void figures_measure(void);
void figures_add(const char *prefix, const char *key, double value);
/* The result, once everything has been checked. Ends the run when the generator was too busy. */
void figures_print(const char *scenario);
/* Sleeps when the generator uses more than opt.share of a core. */
void figures_pace(void);

/* --- run_*.c --- */

void run_chat(void);
void run_login(void);
void run_presence(void);
void run_resources(void);
void run_carbons(void);
void run_component(void);
void run_echo(void);
void run_offline(void);
void run_idle(void);
void run_relay(void);

#endif
