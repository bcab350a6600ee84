/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * router - what the files of the router share: the router, a peer (one connected component), a
 * packet (one stanza under way).
 *
 *   main.c      the process            peer.c      one component's stream: handshake, stanzas
 *   router.c    parts and listeners    ext.c       the words of our extension
 *   conf.c      router.conf            relay.c     decides and forwards; bounce.c: what comes back
 *   routes.c    domain → peers         flow.c      back-pressure
 *   claims.c    user → owner           settle.c    the first second after a start
 *   hold.c      stanzas kept back      admit.c     failed handshakes per address
 *   unsent.c    what a dead one was not sent
 *   control.c   for kontalkctl         tap.c       copies for debugging, into a file
 *   live.c      copies for kontalkctl  redact.c    what of a stanza is shown
 *   record.c    one component's traffic, to be replayed
 *   trace.c     the files of tap.c and record.c
 */
#ifndef ROUTER_ROUTER_H
#define ROUTER_ROUTER_H

#include "router/admit.h"
#include "router/claims.h"
#include "router/conf.h"
#include "router/routes.h"
#include "router/settle.h"
#include "xml/starttag.h"
#include "xmpp/error.h"
#include "xmpp/jid.h"
#include "xmpp/stream.h"

struct control;
struct control_call;
struct listener;
struct record;
struct router;
struct tap;
struct tls_ctx;

enum peer_state { PEER_HANDSHAKE, PEER_REFUSED, PEER_READY, PEER_STATES };

struct peer {
    struct stream stream;
    struct router *router;
    struct list_node node;             /* in router->peers */
    const struct component *component; /* its rights, once READY; follows reloads */
    char *section;                     /* component's, owned: it outlives a reload */
    struct span name;                  /* the handshake name, prepared; owned */
    char address[ADDR_TEXT_MAX];
    struct addr addr;
    bool is_up;                 /* its name is bound */
    bool is_internal, watches;
    bool sent;                  /* something since the last beat */
    size_t bound, bound_shared; /* routes that it has, all and shared */
    const struct route *from_route; /* the last one that a `from` was checked with, or NULL */
    /* heartbeat */
    struct timer beat;
    uint64_t beat_bytes_in;
    unsigned beats, silent_beats;
    /* flow */
    struct peer *waits_for;     /* not read, because this one is slow */
    struct list_node flow_node; /* in waits_for->feeders */
    struct list_node feeders;
    struct timer flow_timer;
    bool flow_spent;            /* its feeders have waited long enough for now */
    struct record *record;      /* where its traffic is written, or NULL */
    struct buf marks;           /* where stanzas begin in what waits for it; unsent.c */
};

struct counters {
    uint64_t stanzas, bounced, dropped, lost, envelopes;
};

struct router {
    struct loop *loop;
    const struct router_conf *conf;
    struct routes routes;
    struct claims claims;
    struct settle settle;
    struct admit admit;
    struct tap *tap;            /* NULL: none */
    struct list_node live_taps; /* of kontalkctl */
    struct list_node records;
    struct control *control;
    struct tls_ctx *tls; /* NULL: the TCP listeners speak in clear */
    struct listener **listeners;
    size_t listener_count;
    struct list_node peers;
    size_t peer_count;
    struct counters counters;
    struct jid_scratch from_scratch, to_scratch, back_scratch;
    struct buf scratch; /* a stanza being written that no output takes directly */
    uint64_t started;
    bool is_stopping;
    void (*on_stopped)(void *ctx);
    void *on_stopped_ctx;
};

/* The scratch buffer, empty. A stanza as big as they come does not stay in memory. */
static inline struct buf *router_scratch(struct router *r)
{
    if (r->scratch.cap > 64 * 1024)
        buf_free(&r->scratch);
    buf_clear(&r->scratch);
    return &r->scratch;
}

/* --- router.c --------------------------------------------------------------------------------- */

/* conf is borrowed, until router_reload or router_free. NULL: reason in error_r. */
struct router *router_new(struct loop *loop, const struct router_conf *conf,
                          char error_r[CONF_ERROR_MAX]);
/* Opens the listeners and the control socket. */
bool router_listen(struct router *r, char error_r[CONF_ERROR_MAX]);
bool router_reload(struct router *r, const struct router_conf *conf, char error_r[CONF_ERROR_MAX]);
/* Ends all streams with system-shutdown; on_stopped follows when all have gone. */
void router_stop(struct router *r, void (*on_stopped)(void *ctx), void *ctx);
void router_free(struct router **r);
/* A component has connected (listeners; tests with fakes). */
void router_accept(struct router *r, struct conn *conn);
/* A peer's memory may go. */
void router_peer_closed(struct peer *p);

/* --- peer.c ----------------------------------------------------------------------------------- */

void peer_new(struct router *r, struct conn *conn, bool with_tls);
/* Takes its name, routes and claims away; the stream ends on its own. Harmless when done. */
void peer_down(struct peer *p);
static inline bool peer_is_up(const struct peer *p)
{
    return p->is_up && p->stream.phase <= STREAM_OPEN;
}
/* It has the default route, or passes on: domains that are nobody's here may be its senders'. */
bool peer_speaks_for_others(const struct peer *p);
/* May it send from that (prepared) domain? */
bool peer_may_send_from(struct peer *p, struct span domain);
/* Ends its stream, and takes everything away at once. */
void peer_error(struct peer *p, enum stream_error e, const char *text);
/* Gives it a (prepared) name. False: somebody else who is alive has it. settle_retry follows. */
bool peer_bind(struct peer *p, struct span name, enum route_kind kind);
void peer_unbind(struct peer *p, struct route *route);
/* A holder that has gone, or has been silent beyond its heartbeat, gives way; false: it lives. */
bool peer_evict_dead(struct peer *holder);
extern const struct stream_rule peer_rules[];
extern const size_t peer_rule_count;

/* --- ext.c ------------------------------------------------------------------------------------ */

extern const struct claims_events ext_claims_events;
void ext_bind(struct stream *s, struct stanza *stanza);
void ext_unbind(struct stream *s, struct stanza *stanza);
void ext_claim(struct stream *s, struct stanza *stanza);
void ext_claims(struct stream *s, struct stanza *stanza);
void ext_release(struct stream *s, struct stanza *stanza);
void ext_released_ok(struct stream *s, struct stanza *stanza);
void ext_watch(struct stream *s, struct stanza *stanza);
void ext_unknown(struct stream *s, struct stanza *stanza);
/* Tells the watchers that a public route has come or gone. */
void ext_announce(struct router *r, const struct route *route, bool is_up);

/* --- relay.c, bounce.c ------------------------------------------------------------------------ */

/* A stanza under way: either bytes as they are sent, or a tree to be written. */
struct packet {
    struct peer *sender;    /* NULL: it was held, and may have outlived its sender */
    struct span name, type; /* "message", …; type may be none */
    struct span from;       /* prepared */
    struct jid to;
    struct span frame;
    const struct stanza *tree;
};

/* What would become of a stanza: which rule decides, for whom (NULL: nobody), and what then. */
struct relay_view {
    const char *rule, *fate;
    const struct peer *peer;
};
struct relay_view relay_explain(struct router *r, const struct jid *to, struct span from);

/* Decides and delivers, holds or bounces. */
void relay_packet(struct router *r, const struct packet *k);
/* A raw frame of an internal peer; false: it must be parsed first. */
bool relay_frame(struct peer *p, const struct starttag *tag, struct span frame);
/* A parsed stanza of any peer. */
void relay_stanza(struct stream *s, struct stanza *stanza);
void relay_envelope_stanza(struct stream *s, struct stanza *envelope);
void relay_held(struct router *r, const struct held *held);

/* Sends the error answer to a packet, when it may be answered. */
void bounce_packet(struct router *r, const struct packet *k, enum stanza_error e,
                   const char *text);
/* The envelope goes back to its sender with type='error'. */
void bounce_envelope(struct peer *p, struct span from, struct span to, struct span frame,
                     enum stanza_error e);

/* --- flow.c ----------------------------------------------------------------------------------- */

/* Bytes for `to` have been queued for sender; queued is what waited before. */
void flow_queued(struct peer *to, struct peer *sender, size_t queued);
void flow_drained(struct peer *to);
void flow_forget(struct peer *p);
static inline bool flow_is_full(const struct peer *to, size_t more)
{
    return stream_out_len(&to->stream) + more > (size_t)to->router->conf->queue;
}

/* --- unsent.c --------------------------------------------------------------------------------- */

/* A stanza has been queued for to, behind so many bytes. */
void unsent_mark(struct peer *to, size_t queued);
/* stream_role.on_unsent */
void unsent_return(struct stream *s, struct span bytes);

/* --- control.c, live.c, tap.c --------------------------------------------------------------- */

bool router_control_start(struct router *r, char error_r[CONF_ERROR_MAX]);

/* Shows the caller what passes, until he hangs up; address (prepared) empty: all of it. */
void live_start(struct router *r, struct control_call *call, struct span address, bool bodies);
void live_end_all(struct router *r);
void live_copy(struct router *r, struct span from, struct span to, struct span bytes);

/* One component's traffic into a new file; it may connect later. False with a reason. */
bool record_start(struct router *r, struct span name, const char *path, bool bodies,
                  char error_r[CONF_ERROR_MAX]);
bool record_stop(struct router *r, struct span name); /* false: it was not recorded */
void record_stop_all(struct router *r);
/* Its name is bound; it has gone. */
void record_peer_up(struct peer *p);
void record_peer_down(struct peer *p);
void record_frame(struct record *rec, bool is_from_it, struct span frame);
/* The same for a frame that is written into its output piece by piece. */
void record_begin(struct record *rec, const struct buf *out);
void record_end(struct record *rec, const struct buf *out);

struct tap *tap_new(struct loop *loop, const char *path, bool bodies, uint64_t size_max,
                    char error_r[CONF_ERROR_MAX]);
void tap_free(struct tap **t);
/* from and to are names of peers. */
void tap_copy(struct tap *t, struct span from, struct span to, struct span bytes);

static inline bool router_is_tapped(const struct router *r)
{
    return r->tap || !list_is_empty(&r->live_taps);
}
static inline void router_tap(struct router *r, struct span from, struct span to,
                              struct span bytes)
{
    if (r->tap)
        tap_copy(r->tap, from, to, bytes);
    live_copy(r, from, to, bytes);
}

#endif
