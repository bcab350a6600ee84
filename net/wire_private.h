/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wire_private - what the files of a link's stream share.
 *
 *   wire.c        its life: roles, rules, accept, the end   wire_dial.c   from a host to a
 * connection wire_open.c   proof, headers, features, XEP-0198        wire_serve.c  stanzas and
 * words wire_ack.c    acknowledgements, heartbeats              wire_limits.c connections by
 * address
 *
 *   ours:   (dialling) -> SECURING -> HEADER -> ASKED -> UP
 *   theirs:               SECURING -> HEADER -> OFFERED -> UP
 */
#ifndef NET_WIRE_PRIVATE_H
#define NET_WIRE_PRIVATE_H

#include "dns/dial.h"
#include "net/wire.h"
#include "xmpp/jid.h"

enum wire_state {
    WIRE_SECURING, /* TLS; who has dialled looks at the other's key behind it */
    WIRE_HEADER,   /* the peer's header is awaited: of ours with features */
    WIRE_OFFERED,  /* it is the peer: <enable/> or <resume/> is awaited */
    WIRE_ASKED,    /* <enabled/>, <resumed/> or <failed/> is awaited */
    WIRE_UP,
};

struct wire {
    struct stream stream;
    struct link_feeder feeder; /* waits when the router does not keep up */
    struct net *net;
    struct peer *peer;     /* NULL: not proved yet, or it has let go */
    struct list_node node; /* of net->wires */
    struct dial *dial;     /* ours, until it is up; NULL: none */
    bool is_ours;
    bool has_stream;   /* between stream_init and on_closed */
    bool is_closing;   /* by us: no other target is tried */
    bool is_outdone;   /* it ends for the sake of another: no failure */
    bool is_throttled; /* too much of it waits for the router */
    bool owes_ack;     /* an <r/> was answered with less than has come */
    bool is_asking;    /* <r/> is under way */
    bool is_last;      /* for the last time: we are stopping */
    uint32_t unasked;  /* stanzas written since the last <r/> */
    uint64_t asked_at; /* loop time */
    struct timer ask, beat;
    unsigned silent; /* heartbeats */
    uint64_t heard;  /* bytes that had come by the last one */
    struct deferred answer, report;
    char shown[SERVER_FINGERPRINT +
               1];                  /* the fingerprint of the key that the other side has proved */
    char domain[JID_ASCII_MAX + 1]; /* of its host, for the DNS */
    char reason[160];               /* why it is no good */
    struct buf notes;               /* of this attempt, behind what dial tells */
};

static inline struct wire *wire_of(struct stream *s)
{
    return s->ctx;
}

/* --- wire.c --- */
/* A stream on that connection begins. */
void wire_begin_stream(struct wire *w, struct conn *c);
/* It is no good: why in words, for log and story. e NONE: it ends in order. */
void wire_fail(struct wire *w, enum stream_error e, const char *why);
/* Nothing will come of it: the peer is told, and it is no more. It has no stream. */
void wire_report(struct wire *w);

/* --- wire_dial.c --- */
void wire_start_dial(struct wire *w);
void wire_note(struct wire *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What `net explain` tells of the attempt. */
void wire_tell_story(struct wire *w);

/* --- wire_open.c --- the rules until it is up */
void wire_on_secure(struct stream *s);
void wire_on_header(struct stream *s, const struct stanza *header);
void wire_on_features(struct stream *s, struct stanza *stanza);
void wire_on_enable(struct stream *s, struct stanza *stanza);
void wire_on_resume(struct stream *s, struct stanza *stanza);
void wire_on_enabled(struct stream *s, struct stanza *stanza);
void wire_on_resumed(struct stream *s, struct stanza *stanza);
void wire_on_failed(struct stream *s, struct stanza *stanza);

/* --- wire_serve.c --- and those behind it */
void wire_serve(struct wire *w); /* it is up */
void wire_on_stanza(struct stream *s, struct stanza *stanza);
void wire_on_relay(struct stream *s, struct stanza *stanza);
void wire_on_route(struct stream *s, struct stanza *stanza);
void wire_on_routes(struct stream *s, struct stanza *stanza);
void wire_on_other_word(struct stream *s, struct stanza *stanza);

/* --- wire_ack.c --- acknowledgements and heartbeats */
void wire_ack_begin(struct wire *w);
void wire_ack_end(struct wire *w);
void wire_write_a(struct wire *w);
void wire_on_r(struct stream *s, struct stanza *stanza);
void wire_on_a(struct stream *s, struct stanza *stanza);

/* --- wire_limits.c --- */
/* NULL, or the limit that one more connection like w exceeds: its key in the configuration. */
const char *wire_limit(const struct wire *w);

#endif
