/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * resolve - the one door to the DNS: questions, answered on the loop, never from inside the call.
 *
 * Production asks through libunbound (validating, its cache keeps answers by their TTL and failures
 * for a while); tests and simulations use the twin, whose zones they fill. Names are in ASCII
 * (A-labels), without the last dot.
 */
#ifndef DNS_RESOLVE_H
#define DNS_RESOLVE_H

#include "base/buf.h"

struct loop;
struct resolver;

enum resolve_kind { RESOLVE_A = 1, RESOLVE_AAAA = 28, RESOLVE_SRV = 33, RESOLVE_TLSA = 52 };

enum resolve_status {
    RESOLVE_FOUND,
    RESOLVE_NO_NAME, /* NXDOMAIN: there is nothing of that name */
    RESOLVE_NO_DATA, /* the name exists, with nothing of that kind */
    RESOLVE_BOGUS,   /* DNSSEC says that the answer is a lie */
    RESOLVE_FAILED,  /* no answer in time, or none that could be used */
};
const char *resolve_status_name(enum resolve_status s); /* "nxdomain", … for logs */

/* Valid during the call of done. */
struct resolve_answer {
    enum resolve_status status;
    bool is_secure; /* validated by DNSSEC, the answer that there is none, too */
    uint32_t ttl;   /* seconds */
    size_t count;
    const struct span *data; /* the records' data as on the wire; names in it are not compressed */
};

/* Embedded in the asker's own struct; zeroed: not under way. */
struct resolve_query {
    struct resolver *resolver; /* NULL: not under way */
    void (*done)(void *ctx, const struct resolve_answer *answer);
    void *ctx;
    void *backend; /* private */
};

#define RESOLVE_TIMEOUT_MS 10000 /* of one question, all tries together: then RESOLVE_FAILED */

/* done comes exactly once, unless cancelled. CNAMEs have been followed. */
void resolve_ask(struct resolver *r, struct resolve_query *q, enum resolve_kind kind,
                 struct span name, void (*done)(void *ctx, const struct resolve_answer *answer),
                 void *ctx);
void resolve_cancel(struct resolve_query *q); /* harmless when not under way */

struct resolver_opts {
    const char *resolv_conf;    /* file; NULL or empty: none */
    const char *const *servers; /* "ADDRESS" or "ADDRESS@PORT", NULL at the end; instead of it */
    const char *trust_anchor;   /* file for DNSSEC; NULL or empty: nothing is validated */
    const char *hosts;          /* file as /etc/hosts; NULL or empty: none */
};
#define RESOLVE_ERROR_MAX 256
struct resolver *resolver_new(struct loop *loop, const struct resolver_opts *opts,
                              char error_r[RESOLVE_ERROR_MAX]);
void resolver_free(struct resolver **r);         /* cancels what is under way */
void resolver_flush(struct resolver *r);         /* forgets all answers: at reload */
size_t resolver_asked(const struct resolver *r); /* questions so far */

/* --- the twin: answers at the end of the tick, or after the name's delay --- */
struct resolver *resolver_new_sim(struct loop *loop);
/* One more record; what has none is NXDOMAIN, or NO_DATA when the name has one of another kind.
 * text: an address; SRV: "PRIORITY WEIGHT PORT TARGET"; TLSA: "USAGE SELECTOR MATCHING HEX". */
void resolver_sim_add(struct resolver *r, enum resolve_kind kind, const char *name,
                      const char *text, bool is_secure);
void resolver_sim_clear(struct resolver *r, const char *name);
/* All questions for that name are answered so from now on, whatever there is. */
void resolver_sim_status(struct resolver *r, const char *name, enum resolve_status s);
void resolver_sim_delay(struct resolver *r, const char *name, uint64_t ms);
/* The same for questions of one kind only. */
void resolver_sim_delay_kind(struct resolver *r, const char *name, enum resolve_kind kind,
                             uint64_t ms);
size_t resolver_sim_asked(const struct resolver *r); /* as resolver_asked */

#endif
