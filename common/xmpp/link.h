/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * link - a component's end of XEP-0114, for our own processes: connects to the router for ever,
 * handshake, heartbeat, bounded queue, completions, and the words of our extension.
 *
 * The link reconnects after 0.1 to 2 s (doubling, jittered). After each (re)connection it binds the
 * names it was given, tells on_up (its owner claims its users again), then sends what has queued.
 */
#ifndef XMPP_LINK_H
#define XMPP_LINK_H

#include "base/addr.h"
#include "base/list.h"
#include "xml/stanza.h"
#include "xml/writer.h"

struct conn;
struct link;
struct loop;
struct stream;
struct tls_ctx;

/* SHA-1 of stream id and secret, in lower-case hex (XEP-0114 3): 40 digits and a NUL. */
void link_handshake(struct span stream_id, struct span secret, char digest_r[41]);

struct link_bind {
    struct span name;
    bool shared, is_default;
};

struct link_opts {
    struct addr router;
    struct span name;       /* the handshake name: "c2s-1.prime.kontalk.net" */
    struct span secret;
    const struct link_bind *binds; /* lives as long as the link */
    size_t bind_count;
    size_t queue_max;       /* bytes held while the router is away; default 16 MiB when 0 */
    bool watch;             /* on_route is wanted */
    struct tls_ctx *tls;    /* over TCP to another host: TLS; NULL: none. Borrowed. */
    struct span tls_name;   /* what the router's certificate must name */
    /* For tests: makes the connection instead of conn_connect(router); NULL result: try later. */
    struct conn *(*connect)(void *connect_ctx);
    void *connect_ctx;
};

struct link_events {
    /* All binds have been granted. */
    void (*on_up)(void *ctx);
    void (*on_down)(void *ctx);
    /* A stanza for us; valid during the call, may be changed. */
    void (*on_stanza)(void *ctx, struct stanza *stanza);
    /* An envelope for us: by from's process, to (an address here), holding one element: stanza's
     * node 0 is the envelope. Optional. */
    void (*on_envelope)(void *ctx, struct stanza *envelope);
    /* The answer to link_bind: cond is none when the name is ours now, else why not. Optional. */
    void (*on_bound)(void *ctx, uint32_t id, struct span cond);
    /* A public route came or went (watch). Optional. */
    void (*on_route)(void *ctx, struct span name, bool is_up);
    /* Answer to link_claim: owner is none when it is granted to us, else the instance that has it.
     * Also called for each refusal of a bulk claim. */
    void (*on_claim)(void *ctx, struct span jid, struct span owner);
    /* The router has stopped sending for jid: finish what has come, then link_released_ok. */
    void (*on_released)(void *ctx, struct span jid);
};

struct link *link_new(struct loop *loop, const struct link_opts *opts,
                      const struct link_events *events, void *ctx);
/* Closes in order: what is queued is sent first if the router is there. No event follows; stanzas
 * that wait for a router that is away are given up (done: false). gone(ctx) is called when nothing
 * of it is left, never from inside the call; it may be NULL. */
void link_close(struct link **l, void (*gone)(void *ctx), void *ctx);
bool link_is_up(const struct link *l);

/*
 * What becomes of a stanza that was sent: exactly one call, safe = true once its destination side
 * has taken responsibility for it (until custody acknowledgements exist: once the connection to
 * the router has taken it), false when it could not be queued or the link ended before.
 * call NULL: nobody waits.
 */
struct link_done {
    void (*call)(void *ctx, bool safe);
    void *ctx;
};

/*
 * link_begin/link_end - write one stanza (default namespace jabber:component:accept, with from and
 * to) straight into the output. link_begin returns NULL when the queue is full: then done has
 * been called with false and there is no link_end.
 */
struct buf *link_begin(struct link *l, struct link_done done);
void link_end(struct link *l);
/* Whether link_begin would take one: for who can leave it with its sender otherwise. */
bool link_has_room(const struct link *l);
/* The same for a tree: opts->ns is ignored, from_ns none means jabber:client. False: queue full,
 * done called with false. */
bool link_send_stanza(struct link *l, const struct stanza *s, const struct stanza_write_opts *opts,
                      struct link_done done);

/* --- back-pressure --- */

/* Embedded, zeroed, by whoever owns a stream whose stanzas become the link's. */
struct link_feeder {
    struct list_node node;
    struct stream *stream; /* NULL unless it waits */
};
/* After a stanza of s: while more than half of queue_max waits for a router that is there, s is not
 * read (stream_pause). */
void link_feed(struct link *l, struct link_feeder *f, struct stream *s);
/* The stream has closed. */
void link_feed_end(struct link_feeder *f);

/* --- the extension --- */
/* One more name, as long as this connection to the router lasts: asked for in on_up and later,
 * while the link is up. The number that on_bound has. */
uint32_t link_bind(struct link *l, struct span name);
void link_unbind(struct link *l, struct span name);
void link_claim(struct link *l, struct span jid);
/* Bulk: begin, any number of adds, end; in on_up only. */
void link_claims_begin(struct link *l);
void link_claims_add(struct link *l, struct span jid);
void link_claims_end(struct link *l);
void link_release(struct link *l, struct span jid);
void link_released_ok(struct link *l, struct span jid);

#endif
