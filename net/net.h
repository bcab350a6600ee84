/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * net - links to the other servers of the network: what its files share. net/PROTOCOL.md has the
 * words on the wire.
 *
 *   main.c     start, reload, stop        process.c  what a net is made of
 *   conf.c     net.conf                   control.c  what kontalkctl asks
 *   relay.c    the router's link: what comes from it, what goes to it, bounces, names
 *   peer.c     one other server: its queue, its one link, when to connect (peer_*.c)
 *   wire.c     the stream of a link: both directions, whoever has dialled (wire_*.c)
 *   gate.c     what a peer may say: whose addresses
 *   schema.c   the queue's database
 *
 * From us to them: router -> relay -> peer -> outbox -> wire.
 * From them to us: wire -> gate -> relay -> router.
 *
 * Users travel as user@HOME: what our clients send as user@NETWORK leaves as user@HOST (ours), and
 * whom it is for has been found out by the session manager before.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include "base/control.h"
#include "base/daemon.h"
#include "base/list.h"
#include "base/listen.h"
#include "base/map.h"
#include "net/conf.h"
#include "tls/ctx.h"
#include "xml/stanza.h"
#include "xmpp/error.h"
#include "xmpp/jid.h"
#include "xmpp/link.h"
#include "xmpp/outbox.h"
#include "xmpp/servers.h"
#include "xmpp/stream.h"

struct peer;
struct resolver;
struct wire;

struct net {
    struct loop *loop;
    const struct net_conf *conf;
    const char *instance;      /* "net" */
    char *name;                /* at the router: "net.prime.kontalk.net" */
    struct span host, network; /* ours; network equal to host when there is none */
    char fingerprint[SERVER_FINGERPRINT + 1]; /* of our own key */
    struct servers *servers;
    struct tls_ctx *tls_in, *tls_out, *link_tls;
    struct store *store;
    struct outboxes *outboxes;
    struct resolver *resolver;
    struct link *link;
    struct control *control;
    struct map names;          /* relay.c: the router's public routes under host: peers are told */
    struct map bindings;       /* relay.c: names that we hold, or want to hold, at the router */
    struct map peers;          /* peer.c: host -> struct peer, of all enabled others */
    struct list_node wires;    /* wire.c: all streams */
    size_t wire_count;         /* net_wire_gone after each that ends */
    struct listeners listeners;
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

/* --- process.c --- everything but main(): tests hold a whole net in one process */
struct net *net_new(struct daemon *d, char error_r[CONF_ERROR_MAX]);
bool net_listen(struct net *n, char error_r[CONF_ERROR_MAX]);
bool net_reload(struct net *n, const struct net_conf *conf, char error_r[CONF_ERROR_MAX]);
/* Reads the table of servers anew, and has peers come and go by it. */
bool net_reload_servers(struct net *n, char error_r[CONF_ERROR_MAX]);
/* Ends all streams (system-shutdown), writes the queues to the store, then calls done(ctx). */
void net_stop(struct net *n, void (*done)(void *ctx), void *ctx);
void net_free(struct net **n);
void net_wire_gone(struct net *n);
/* For tests: the router, other servers and the DNS are reached by these; set before net_new. */
extern struct conn *(*net_test_router)(void *ctx);
extern struct conn *(*net_test_connect)(void *ctx, const struct addr *to);
extern struct resolver *net_test_resolver;
extern void *net_test_ctx;

/* --- relay.c --- */
extern const struct link_events relay_events; /* ctx: struct net */
/* Our host, or a name below it. */
bool relay_is_ours(const struct net *n, struct span domain);
/* To the router: from, to and what it may carry have been checked. done: exactly once; false: it
 * could not be queued (the caller answers resource-constraint). */
void relay_to_router(struct net *n, const struct stanza *stanza, struct link_done done);
/* False: relay_to_router could not queue anything now. */
bool relay_has_room(const struct net *n);
/* One that a peer passes on for somebody outside of the network: it gets <via xmlns=NS_NETWORK
 * host='PEER'/>, so that it is not passed on again. */
void relay_relayed(struct net *n, struct span peer, const struct stanza *stanza,
                   struct link_done done);
/* Who the sender is to other servers: user@NETWORK and NETWORK are ours at our host. Into text. */
struct span relay_from(const struct net *n, const struct jid *from, char text[JID_TEXT_MAX]);
/* A stanza of ours (as it was to be sent, in jabber:server; or a whole <relay/>) will not reach its
 * destination: the error goes to its sender, where RFC 6120 allows one. */
void relay_bounce(struct net *n, struct span stanza, enum stanza_error e, const char *text);
/* The names that this peer is reached by come and go at the router: its host, as long as it is in
 * the table; names of its components (below its host), as it tells them. */
void relay_bind(struct net *n, struct span name);
void relay_unbind(struct net *n, struct span name);
/* Each public name under our host, for a peer whose link is there. */
void relay_each_name(const struct net *n, void (*each)(void *ctx, struct span name), void *ctx);
void relay_free(struct net *n);

/* --- control.c --- */
extern const struct control_command net_commands[];

#endif
