/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dial_private - the inside of a dial, for dial*.c only.
 *
 * dial.c goes from the domain to its targets, dial_race.c from one target to a connection,
 * dial_story.c notes what happens. One target at a time; its addresses race.
 */
#ifndef DNS_DIAL_PRIVATE_H
#define DNS_DIAL_PRIVATE_H

#include "base/loop.h"
#include "dns/dial.h"
#include "dns/targets.h"

#define DIAL_ADDRESSES_MAX 8 /* of each family of a target */
#define DIAL_TLSA_MAX 16
#define DIAL_STORY_MAX 4096

#define DIAL_ADDRESS_MS 10000 /* until an address is given up */
#define DIAL_RESOLUTION_MS 50 /* that A waits for AAAA (RFC 8305 section 3) */
#define DIAL_ATTEMPT_MS 250   /* between the addresses (section 5) */
#define DIAL_SEARCH_MS 60000  /* from dial_start or dial_next until an event */
/* Connections to one target that the caller is shown: one of each family. */
#define DIAL_SHOWN_MAX 2

enum dial_family { DIAL_V6, DIAL_V4 };

/* One address that is being tried; conn NULL: it never answers, or it is over. */
struct dial_attempt {
    struct dial *dial;
    struct conn *conn;
    struct addr to;
    enum dial_family family;
    struct timer timer;
    uint64_t started;
};

struct dial_addresses {
    struct resolve_query query;
    size_t count, next;
    struct addr list[DIAL_ADDRESSES_MAX];
};

/* What belongs to the target at hand. */
struct dial_race {
    const struct target *target; /* NULL: none */
    struct dial_addresses families[2];
    enum dial_family turn; /* which family comes next */
    struct resolve_query tlsa_query;
    size_t tlsa_count;
    struct span tlsa[DIAL_TLSA_MAX];
    struct buf tlsa_data;
    struct dial_attempt attempts[2 * DIAL_ADDRESSES_MAX];
    size_t attempt_count; /* begun */
    size_t running;
    bool waits_for_v6; /* IPv4 addresses are there first */
    struct timer delay;
    struct dial_attempt *winner; /* connected: with the caller, or waiting for TLSA records */
    bool is_shown;
    unsigned shown_count;
};

struct dial {
    struct loop *loop;
    struct resolver *resolver;
    struct dial_opts opts; /* its texts are those below */
    const struct dial_events *events;
    void *ctx;
    char domain[DNS_NAME_MAX + 1], route_host[DNS_NAME_MAX + 1];
    struct srv_answer {
        struct resolve_query query;
        enum resolve_status status;
        bool is_secure;
    } srv[2]; /* STARTTLS, direct TLS */
    struct targets targets;
    size_t next; /* target */
    struct dial_race race;
    struct deferred step;
    struct timer bound;
    unsigned failed, refused; /* addresses or questions that did not answer; that are guarded */
    bool has_shown;
    struct dial_target shown;
    uint64_t started;
    struct buf story;
    bool story_is_full;
};

/* dial_race.c: begins with a target; dial_target_over or events->on_connected follows. */
void dial_race_begin(struct dial *d, const struct target *t);
/* The connection that was shown was no good. */
void dial_race_go_on(struct dial *d);
/* Lets go of everything but a connection that is with the caller. */
void dial_race_stop(struct dial *d);

/* dial.c: nothing more is to be had of the target. */
void dial_target_over(struct dial *d);

/* dial_story.c: one line, without its end. */
void dial_tell(struct dial *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
