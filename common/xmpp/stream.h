/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stream - the one XML stream engine: RFC 6120 section 4 over a conn.
 *
 * A role (c2s, the router's side of a component, a component's side, s2s, …) is a table: its
 * namespace, its states, its rules (in which states which element goes to which handler), and a few
 * callbacks. The engine does framing, limits, parsing, headers, stream errors, restarts, TLS
 * upgrades, deadlines, pausing and closing, the same for all.
 *
 * The stream is embedded in the role's own struct; it owns its conn from stream_init until
 * on_closed, which comes exactly once, from the loop, and is where the owner frees its struct.
 * Handlers may end the stream (stream_error, stream_close): no further handler is called then,
 * and on_closed comes later.
 */
#ifndef XMPP_STREAM_H
#define XMPP_STREAM_H

#include "base/conn.h"
#include "base/loop.h"
#include "base/rate.h"
#include "xml/framer.h"
#include "xml/parser.h"
#include "xml/writer.h"
#include "xmpp/error.h"

struct stream;

/* In which of the role's states: a mask of STREAM_IN(state). */
#define STREAM_IN(state) (1u << (state))

struct stream_rule {
    uint32_t states;
    const char *ns;   /* NULL: any */
    const char *name; /* NULL: any */
    /* The stanza is valid during the call (stanza_copy keeps it); it may be changed. */
    void (*handle)(struct stream *s, struct stanza *stanza);
};

struct stream_role {
    const char *name;  /* "c2s": the events of its log lines */
    const char *ns;    /* the content namespace, a literal */
    const char *ns2;   /* also accepted on first-level elements (jabber:client of components) */
    /* Optional: further declarations in our headers, as written: "xmlns:db='…'". */
    const char *declares;
    bool is_initiator; /* we open the stream */
    bool has_version;  /* version='1.0' and features (XEP-0114 has neither) */
    /* A frame that does not parse is dropped and logged instead of ending the stream (own links) */
    bool survives_bad_stanza;
    const char *const *state_names;
    const struct stream_rule *rules;
    size_t rule_count;

    /* The peer's header has come and is sound: right root, namespace, version. header's node 0
     * has its attributes. Receiving roles answer with stream_send_header, then features. */
    void (*on_header)(struct stream *s, const struct stanza *header);
    /* Optional: a raw frame before it is parsed; true: done with it. For relays. */
    bool (*on_frame)(struct stream *s, struct span frame);
    /* Optional: whitespace between stanzas. */
    void (*on_space)(struct stream *s);
    /* No rule for this element in this state. NULL: stream error not-authorized for a name that
     * a later state knows, else unsupported-stanza-type (stream_unexpected). */
    void (*on_unexpected)(struct stream *s, struct stanza *stanza);
    /* Optional: TLS is on; the peer's header follows. */
    void (*on_secure)(struct stream *s);
    /* Optional: connected (initiators). Default: nothing; the owner sends its header. */
    void (*on_connect)(struct stream *s);
    /* Optional: the output has drained below the low-water mark. */
    void (*on_drain)(struct stream *s);
    /* Optional: the deadline of stream_set_deadline has passed. Default: connection-timeout. */
    void (*on_deadline)(struct stream *s);
    /* Optional: just before on_closed. What of the output the system has not taken; its first byte
     * is the one after stream_out_taken. */
    void (*on_unsent)(struct stream *s, struct span bytes);
    /* Gone. error is what ended it, ours or the peer's, or NONE. */
    void (*on_closed)(struct stream *s);
};

enum stream_phase {
    STREAM_OPENING, /* a header is expected */
    STREAM_OPEN,    /* stanzas flow */
    STREAM_CLOSING, /* our end tag is sent; the peer's is awaited, at most 5 s */
    STREAM_CLOSED,
};

/* What each stanza touches comes first: with many streams, each cache line is a miss. */
struct stream {
    const struct stream_role *role;
    void *ctx; /* the role's own */
    struct loop *loop;
    struct conn *conn;         /* NULL after on_closed */
    struct xml_parser *parser; /* a private one, or NULL: the shared one of the namespace */
    int state;                 /* the role's; changed by stream_set_state only */
    enum stream_phase phase;
    uint64_t bytes_in, stanzas_in;
    uint64_t budget;   /* bytes that may still come (pre-login limit); 0: no limit */
    struct rate rate;  /* of its input; see stream_set_rate */
    uint16_t paused;   /* count */
    uint16_t allowance; /* stanzas until the clock is looked at again; 0: no limit */
    bool is_held;      /* in is what a pause left, not yet looked at; else the start of a frame */
    bool is_ended;     /* the peer's end tag has come */
    bool is_upgrading; /* TLS has been laid over: nothing may be left of the clear text */
    bool is_restarted; /* the next header has not begun: white space still belongs to the old one */
    bool header_sent;
    bool is_peer_error; /* error is what the peer has sent */
    uint16_t portion;  /* of stanzas: what an allowance is */
    struct rate pace;  /* of stanzas; see stream_set_pace */
    struct buf in; /* an unfinished frame, or what a pause left */
    struct framer framer;

    enum stream_error error;  /* what ended it, sent or received */
    const char *close_reason; /* words for the log: transport's reason, "eof", …; or NULL */
    char id[33];              /* random, 128 bits; set by stream_send_header when receiving */
    struct timer deadline;
    struct timer slowed; /* runs while it is not read because of its rate */
    uint64_t resumed_at; /* loop time of the last end of a pause */
    struct deferred resume;
    struct span from;   /* ours, for headers; see stream_set_from */
    uint32_t discarded; /* bytes dropped while closing */
};

/* Takes conn (accepted, or connecting). The role's state starts at 0. */
void stream_init(struct stream *s, const struct stream_role *role, struct loop *loop,
                 struct conn *conn, void *ctx);
void stream_set_limits(struct stream *s, const struct framer_limits *limits);
/* What our headers say in 'from' when stream_header gives none, also in those that precede an
 * error. Lives as long as the stream. */
void stream_set_from(struct stream *s, struct span from);
/* Bytes that the peer may send from now on, all in all, before policy-violation; 0: no limit. */
void stream_set_budget(struct stream *s, uint64_t bytes);

/* Bytes that are read from the peer in a second in the long run, and how many at once after a rest;
 * 0: no limit. Who sends more is read later; nothing is lost. */
void stream_set_rate(struct stream *s, uint64_t per_second, uint64_t burst);

/* The same for stanzas, of which the role says with stream_spend_stanza that it has one. */
void stream_set_pace(struct stream *s, uint64_t per_second, uint64_t burst);
void stream_next_allowance(struct stream *s);
static inline void stream_spend_stanza(struct stream *s)
{
    if (s->allowance && --s->allowance == 0)
        stream_next_allowance(s);
}

/* The one setter of the role's state: logs old and new at debug level. */
void stream_set_state(struct stream *s, int state);
/* (Re)starts the deadline; 0 stops it. Nothing on a closing stream, which has one of its own. */
void stream_set_deadline(struct stream *s, uint64_t ms);

struct stream_header {
    struct span to, from, lang; /* none leaves out */
};
/* Our header. Receiving roles make a fresh random id and send it. */
void stream_send_header(struct stream *s, const struct stream_header *h);

/* --- output --- queued, written at the end of the tick; dropped when closing */
void stream_send(struct stream *s, struct span bytes);
/* The output buffer to write into; follow with stream_flush. Never NULL while not closed. */
struct buf *stream_out(struct stream *s);
void stream_flush(struct stream *s);
size_t stream_out_len(const struct stream *s);
uint64_t stream_out_taken(const struct stream *s); /* bytes that have left so far */
/* message, presence, iq: of an element in the stream's namespace. */
bool stream_is_stanza_name(struct span name);

static inline bool stream_is_open(const struct stream *s)
{
    return s->phase <= STREAM_OPEN;
}

/* --- the course of a stream --- */

/* A new header is expected from the peer on the same connection (after SASL success). */
void stream_restart(struct stream *s);
/* Lays TLS over the connection and restarts. Call it after having sent <proceed/>. If the peer has
 * pipelined anything behind its <starttls/>, the connection is closed (CVE-2011-0411). */
void stream_start_tls(struct stream *s, const struct transport_ops *ops, void *transport);

/* Handlers that must wait: no frame is handled, and nothing read, until the matching resume. */
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);

/* Stream error (RFC 6120 4.9), end tag, close. text may be NULL. Sends our header first if it has
 * not been sent. Does nothing when closing already. */
void stream_error(struct stream *s, enum stream_error e, const char *text);
/* The same, with an element of another namespace in the error: written as it stands. */
void stream_error_with(struct stream *s, enum stream_error e, const char *text, struct span xml);
/* End tag; then waits for the peer's (5 s), then closes. */
void stream_close(struct stream *s);
/* What happens to an element without a rule when the role has no on_unexpected. */
void stream_unexpected(struct stream *s, const struct stanza *stanza);
/* At once, without a word. on_closed follows. */
void stream_abort(struct stream *s);

#endif
