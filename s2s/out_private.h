/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * out_private - what out.c (life), out_auth.c (negotiation) and out_serve.c (afterwards) share.
 *
 *   (dialling) -> OPENED -> TLS -> SECURED -> EXTERNAL -> AUTHED -> ENABLING -> READY
 *                    \______________/\_________-> DIALBACK ____________/
 */
#ifndef S2S_OUT_PRIVATE_H
#define S2S_OUT_PRIVATE_H

#include "dns/dial.h"
#include "s2s/out.h"
#include "tls/peer.h"
#include "xmpp/handled.h"
#include "xmpp/jid.h"

enum out_state {
    OUT_OPENED,   /* in clear: the peer's header and features are awaited */
    OUT_TLS,      /* <starttls/> is sent */
    OUT_SECURED,  /* TLS: header and features are awaited */
    OUT_EXTERNAL, /* <auth/> is sent */
    OUT_AUTHED,   /* restarted: header and features are awaited */
    OUT_DIALBACK, /* <db:result/> is sent */
    OUT_ENABLING, /* <enable/> is sent */
    OUT_READY,
};

struct out {
    struct s2s *s2s;
    struct pair *pair; /* NULL: nobody waits for it any more */
    struct dial *dial; /* NULL: ready, or over */
    const struct dial_target *target;
    struct stream stream;
    struct link_feeder feeder;           /* waits when the router does not keep up */
    bool has_stream;                     /* between on_connected and on_closed */
    bool has_failed;                     /* by out_fail: it is known why this one is no good */
    bool is_closing;                     /* by out_close: no other target is tried */
    bool has_external, has_bidi, has_sm; /* offered */
    bool is_bidi, is_managed;            /* agreed */
    bool is_challenged;                  /* by SASL, once */
    bool is_proved;                      /* its certificate was good, without a pin */
    char *peer_id;                       /* of its newest header; any length */
    char domain[JID_ASCII_MAX + 1];      /* the remote one, for certificates and the DNS */
    struct handled handled;              /* of what comes in over it */
    enum stanza_error error;             /* why there is none: the weightiest so far */
    char reason[160];
    struct buf notes; /* of this attempt, behind what dial tells */
    struct deferred report;
};

struct out *out_of(struct stream *s);
extern const struct stream_role out_role;

/* --- out.c --- */
void out_note(struct out *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* This connection is no good: the stream ends with se, and the next target is tried. se NONE:
 * in order. e: what that means, NOT_AUTHORIZED for a refusal of either side. */
void out_fail(struct out *o, enum stream_error se, enum stanza_error e, const char *reason);
void out_send_header(struct out *o);
void out_on_ready(struct out *o);

/* For an answer to what the peer says. False: he reads none; the stream has been ended. */
bool out_has_room(struct out *o);

/* --- out_auth.c --- the rules until READY */
void out_on_header(struct stream *s, const struct stanza *header);
void out_on_secure(struct stream *s);
void out_on_features(struct stream *s, struct stanza *stanza);
void out_on_proceed(struct stream *s, struct stanza *stanza);
void out_on_tls_failure(struct stream *s, struct stanza *stanza);
void out_on_challenge(struct stream *s, struct stanza *stanza);
void out_on_success(struct stream *s, struct stanza *stanza);
void out_on_sasl_failure(struct stream *s, struct stanza *stanza);
void out_on_result(struct stream *s, struct stanza *stanza);
void out_on_enabled(struct stream *s, struct stanza *stanza);
void out_on_not_enabled(struct stream *s, struct stanza *stanza);

/* --- out_serve.c --- and those that stanzas and questions need */
void out_on_verify(struct stream *s, struct stanza *stanza);
void out_on_stanza(struct stream *s, struct stanza *stanza);
void out_on_r(struct stream *s, struct stanza *stanza);
void out_on_a(struct stream *s, struct stanza *stanza);

#endif
