/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dial - from a domain to a connection: SRV records of both kinds (RFC 6120 3.2, XEP-0368, RFC 2782
 * weights), A and AAAA, Happy Eyeballs (RFC 8305), one address after the other until one takes us.
 *
 * The caller says whether a connection was any good: dial_next goes on with the targets that are
 * left. Addresses and ports that a stranger's DNS must not send us to (guard.h) are passed over.
 */
#ifndef DNS_DIAL_H
#define DNS_DIAL_H

#include "base/conn.h"
#include "dns/resolve.h"

#include <stdarg.h>

struct dial;

/* Where a connection leads. Valid until dial_next or dial_free. */
struct dial_target {
    struct span name; /* of the SRV target, or the domain itself: A-labels */
    uint16_t port;
    bool is_direct_tls; /* TLS from the first byte */
    bool is_secure;     /* the way from the domain to this name is validated by DNSSEC (RFC 7673) */
    /* TLSA records of _PORT._tcp.NAME, when asked for and validated; else count 0. */
    const struct span *tlsa;
    size_t tlsa_count;
};

struct dial_opts {
    struct span domain;         /* A-labels, lower case: jid_domain_to_ascii */
    const char *service;        /* "xmpp-server"; NULL: no SRV records are asked for */
    const char *direct_service; /* "xmpps-server"; NULL: without. Alone: a service that has no other
                                   way, so the port without SRV records is one for TLS, too */
    uint16_t port;              /* without SRV records: 5269 */
    /* A static way, which asks for no SRV record and is not guarded: HOST (name or address). */
    struct span route_host; /* none: by the DNS */
    uint16_t route_port;
    bool route_is_direct;
    bool allow_private; /* loopback, link-local and private addresses too, and any port */
    bool want_tlsa;
    /* For tests: makes the connections instead of conn_connect. */
    struct conn *(*connect)(void *ctx, const struct addr *to);
    void *connect_ctx;
};

enum dial_failure {
    DIAL_NOT_FOUND, /* no such domain, no usable address, or it says that it has no such service */
    DIAL_REFUSED,   /* all that there is are addresses or ports that we do not go to */
    DIAL_TIMEOUT,   /* nobody answered, or the DNS did not */
    DIAL_EXHAUSTED, /* after dial_next: that was the last one */
};

struct dial_events {
    /* Connected; the receiver owns c. */
    void (*on_connected)(void *ctx, struct conn *c, const struct dial_target *target);
    /* No target is left. The dial may be freed in it. */
    void (*on_failed)(void *ctx, enum dial_failure why);
};

/* Events never come from inside a call. domain is copied. */
struct dial *dial_start(struct loop *loop, struct resolver *r, const struct dial_opts *opts,
                        const struct dial_events *events, void *ctx);
/* The connection that on_connected gave was no good (refused TLS, no stream): the next target. */
void dial_next(struct dial *d);
void dial_free(struct dial **d); /* also in the middle: nothing follows */
/* What has happened so far, one line each, for people: what the DNS said, which addresses were
 * tried and what they did. Bounded. */
struct span dial_story(const struct dial *d);

/* Who tries the connections has notes of his own about them, a line each: bounded. */
void dial_note(struct buf *notes, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* The story, and the notes behind it, take the place of what is in out; d NULL: the notes alone. */
void dial_write_story(const struct dial *d, const struct buf *notes, struct buf *out);
/* No other target is wanted: it is freed, if there is one, and its story goes before the notes. */
void dial_end(struct dial **d, struct buf *notes);

#endif
