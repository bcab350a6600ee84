/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * s2s - federation: what its files share.
 *
 *   main.c      start, reload, stop       process.c  what an s2s is made of
 *   conf.c      s2s.conf                  policy.c   what holds for one domain
 *   relay.c     the router's link: what comes from it, what goes to it, bounces
 *   pair.c      (one of our domains, a domain elsewhere): its queue, and what serves it
 *   out.c       a stream that we open     in.c       a stream that another server opens
 *   inbound.c   stanzas of others: whose they may be, before they reach the router
 *   flood.c     how many of them to one user
 *   dialback.c  XEP-0220                  control.c  what kontalkctl asks
 *   schema.c    the queue's database
 *
 * From us to them: router -> relay -> pair -> outbox -> out (or a bidirectional in) -> peer.
 * From them to us: peer -> in (or a bidirectional out) -> inbound -> relay -> router.
 *
 * All domains in these structs are prepared, as they stand in JIDs (U-labels where there are any).
 */
#ifndef S2S_S2S_H
#define S2S_S2S_H

#include "base/control.h"
#include "base/daemon.h"
#include "base/list.h"
#include "base/listen.h"
#include "base/map.h"
#include "s2s/conf.h"
#include "tls/ctx.h"
#include "xml/stanza.h"
#include "xmpp/error.h"
#include "xmpp/link.h"
#include "xmpp/outbox.h"
#include "xmpp/servers.h"
#include "xmpp/stream.h"

struct flood;
struct in;
struct out;
struct pair;
struct resolver;
struct s2s_policy;

struct s2s {
    struct loop *loop;
    const struct s2s_conf *conf;
    const char *instance;      /* "s2s" */
    char *name;                /* at the router: "s2s.prime.kontalk.net" */
    struct span host, network; /* ours; network equal to host when there is none */
    struct tls_ctx *tls_in, *tls_out, *link_tls;
    struct store *store;
    struct outboxes *outboxes;
    struct resolver *resolver;
    struct link *link;
    struct link_bind bind;
    struct control *control;
    struct map denied;          /* policy.c: domains of the deny file */
    struct servers *servers;    /* policy.c: of the network; NULL: there is none */
    struct map names;           /* relay.c: public routes of the router, under host */
    struct map pairs;           /* pair.c: "LOCAL REMOTE" -> struct pair */
    uint64_t sweep_at;          /* pair.c: loop time */
    struct map addresses;       /* in.c: connections by address */
    struct list_node ins;       /* in.c */
    struct flood *flood;        /* flood.c; NULL: nothing has come yet */
    size_t in_count, out_count; /* streams that are there; s2s_stream_gone after each that ends */
    struct listeners listeners;
    uint8_t dialback_secret[32]; /* new at each start (XEP-0185) */
    uint64_t started_ms;
    bool is_stopping, is_flushing;
    void (*on_stopped)(void *ctx);
    void *stopped_ctx;
    struct deferred finish;
    struct timer stop_wait;
    struct buf scratch;
    struct {
        uint64_t from_router, to_router, sent, bounced, refused;
    } counts;
};

/* --- process.c --- everything but main(): tests hold a whole s2s in one process */
struct s2s *s2s_new(struct daemon *d, char error_r[CONF_ERROR_MAX]);
bool s2s_listen(struct s2s *s, char error_r[CONF_ERROR_MAX]);
bool s2s_reload(struct s2s *s, const struct s2s_conf *conf, char error_r[CONF_ERROR_MAX]);
/* Reads the table of the network's servers anew. */
bool s2s_reload_servers(struct s2s *s, char error_r[CONF_ERROR_MAX]);
/* Ends all streams (system-shutdown), writes the queues to the store, then calls done(ctx). */
void s2s_stop(struct s2s *s, void (*done)(void *ctx), void *ctx);
void s2s_free(struct s2s **s);
/* A stream has gone: perhaps the last that a stop waits for. */
void s2s_stream_gone(struct s2s *s);
/* For tests: the router, other servers and the DNS are reached by these; set before s2s_new. */
extern struct conn *(*s2s_test_router)(void *ctx);
extern struct conn *(*s2s_test_connect)(void *ctx, const struct addr *to);
extern struct resolver *s2s_test_resolver;
extern void *s2s_test_ctx;

/* --- relay.c --- */
extern const struct link_events relay_events; /* ctx: struct s2s */
/* A domain that we speak for: host, network, one of [s2s] also, or a public route of the router
 * under host. */
bool relay_is_ours(const struct s2s *s, struct span domain);
/* Under host: one of our components, whether it is there or not. */
bool relay_is_below_host(const struct s2s *s, struct span domain);
/* To the router: from, to and what it may carry have been checked. done: exactly once; false: it
 * could not be queued (the caller answers resource-constraint). */
void relay_to_router(struct s2s *s, const struct stanza *stanza, struct link_done done);
/* A stanza of ours (as it was to be sent, in jabber:server) will not reach its destination: the
 * error goes to its sender, where RFC 6120 allows one (never for errors, S14). */
void relay_bounce(struct s2s *s, struct span stanza, enum stanza_error e, const char *text);
void relay_free(struct s2s *s);

/* --- control.c --- */
extern const struct control_command s2s_commands[];

#endif
