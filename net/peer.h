/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * peer - one other enabled server of the network: what waits for it (a durable queue), the one link
 * that carries it, and when to connect.
 *
 * One link a pair of servers, used in both directions. Whoever has something to say (or finds the
 * other in its table) dials; when both have, the link that the server with the smaller name (bytes
 * of its host) has opened stays, the other ends with <conflict/> and what was on it unacknowledged
 * is sent again on the one that stays.
 */
#ifndef NET_PEER_H
#define NET_PEER_H

#include "net/net.h"
#include "xmpp/handled.h"

enum peer_state {
    PEER_WAITING,    /* no link: again after the back-off (1 s doubling to 60 s, jittered) */
    PEER_CONNECTING, /* dialling, or the stream is not proved yet */
    PEER_UP,         /* a link takes what is queued */
};
const char *peer_state_name(enum peer_state s);

/* What has come from it, over one link and those that resumed it (peer_session.c). */
struct intake {
    struct handled handled;
    struct peer *peer; /* NULL: nothing can resume it any more */
    uint32_t again; /* so many come a second time first: the peer does not know that we have them */
};

struct peer {
    struct net *net;
    struct span host;
    char fingerprint[SERVER_FINGERPRINT + 1];
    enum peer_state state;
    struct outbox *outbox;
    struct wire *wire;     /* the link in use; NULL: none */
    struct wire *dialling; /* one of ours that is not proved yet; NULL: none */
    struct map names;      /* of its components, bound at the router */
    struct timer retry;
    uint64_t backoff_ms;
    unsigned failures; /* in a row */
    unsigned contests; /* links in a row that another one soon took the place of */
    struct buf story;  /* of the last attempt, for `net explain` */
    uint64_t up_since; /* loop time */
    /* XEP-0198, over the links: what our last link with it was, for resumption. */
    char previous[33];     /* its id; empty: none */
    struct intake *intake; /* of theirs, on that one; NULL: none */
    uint32_t acked;        /* of ours: the number of the last that it has */
    uint32_t known;        /* so many that come next it has: they go without being sent */
    uint32_t outstanding;  /* so many behind these have been sent over a link before */
    bool is_refusing;      /* the first of the queue is on its way back: it could not */
    struct {
        uint64_t sent, received;
    } counts;
    char text[];
};

/* --- the table --- */
/* Makes the peers of the table and ends those that are no more in it (their queues come back as
 * remote-server-not-found). At the start, and after a reload of the table. */
void peers_follow(struct net *n);
struct peer *peer_find(const struct net *n, struct span host);
/* The peer to which that domain belongs: its host, or a name below it; NULL: none. */
struct peer *peer_of_domain(const struct net *n, struct span domain);
void peers_close_all(
    struct net *n); /* system-shutdown; what has been sent is asked for a last time */
void peers_free(struct net *n);

/* --- from relay.c --- */
/* What the router gave for it; from is translated (see net.h). Refused ones are bounced. */
void peer_send(struct peer *p, const struct stanza *stanza);
/* A stanza of somebody outside of the network, to user@NETWORK at home there: as a <relay/>. */
void peer_relay(struct peer *p, const struct stanza *stanza);
/* A name of ours has come or gone: the peers are told. */
void peers_tell_name(struct net *n, struct span name, bool is_up);

/* --- from wire.c --- */
/* The stream has proved to be the peer's: false when another one stays (it is to end: conflict). */
bool peer_take(struct peer *p, struct wire *w);
/* It is gone, or our dialling has failed: why in words, for the story. */
void peer_lost(struct peer *p, struct wire *w, const char *why);
void peer_on_drain(struct peer *p);
/* It has so many more of ours; false: never so many were sent. */
bool peer_on_ack(struct peer *p, uint32_t count);
/* It has ended the link with a complaint (peer_lost follows). */
void peer_on_complaint(struct peer *p, const char *why);
/* A component of it. False: the name is not below its host. */
bool peer_on_name(struct peer *p, struct span name, bool is_up);
/* All names that it has not told anew since its link came up go. */
void peer_names_told(struct peer *p);

/* Whether it speaks for that domain: its host, or a name below it that is no other server's. */
bool peer_is_its(const struct peer *p, struct span domain);
/* Whether this stream, which is proved, may become its link (see above). */
bool peer_admits(const struct peer *p, const struct wire *w);
/* How often a link has come to nothing, in a row: then it is not dialled at once. */
unsigned peer_vain(const struct peer *p);
/* Its link, which this one replaces, ends. */
void peer_let_go(struct peer *p);

/* --- peer_session.c --- */
/* Counts begin anew, under that id. */
void peer_session_begin(struct peer *p, struct span id);
/* They go on: it has h of ours. False: that cannot be. */
bool peer_session_resume(struct peer *p, uint32_t h);
bool peer_session_is(const struct peer *p,
                     struct span id); /* that is the one that can be resumed */
void peer_session_forget(struct peer *p);
void peer_session_pause(struct peer *p); /* the link is gone */
/* The next stanza, which the gate has let in: its completion. */
struct link_done peer_next_done(struct peer *p);

/* --- peer_queue.c, peer_names.c, for peer.c --- */
void peer_names_begin(struct peer *p); /* a link is there: it tells them anew */
void peer_names_free(struct peer *p, bool unbind);

/* --- control.c --- */
void peer_close(struct peer *p);   /* `net close`: ends its link; it is dialled again */
void peer_connect(struct peer *p); /* `net explain`: now */

extern const struct outbox_events peer_outbox_events; /* ctx: struct net */

#endif
