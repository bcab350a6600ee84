/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * link_private - what link.c (the connection), link_ext.c (the extension's words) and link_flow.c
 * (back-pressure) share.
 */
#ifndef XMPP_LINK_PRIVATE_H
#define XMPP_LINK_PRIVATE_H

#include "xmpp/link.h"
#include "xmpp/stream.h"

enum link_state { LINK_CONNECTING, LINK_HANDSHAKE, LINK_BINDING, LINK_UP };

struct link {
    struct loop *loop;
    struct link_opts opts; /* the strings are ours */
    const struct link_events *events;
    void *ctx;
    struct stream stream;
    bool has_stream;  /* from conn_connect to on_closed */
    bool is_ending;   /* link_close was called */
    bool is_bulking;  /* between link_claims_begin and _end */
    size_t bulk_bytes;         /* of the <claims/> under way */
    size_t binds_open;         /* answers to those of opts awaited */
    uint32_t last_own_bind;    /* the id of the last of these; later ones are link_bind's */
    uint32_t next_id;
    uint64_t retry_ms;
    struct timer retry, beat;
    uint64_t beat_bytes_in; /* at the last beat */
    unsigned silent_beats;
    struct buf pending;        /* stanzas for a router that is away */
    struct link_done *waiting; /* their completions */
    size_t waiting_count, waiting_cap;
    struct link_done current;  /* of the stanza between begin and end */
    struct list_node feeders;  /* that wait for the router */
    struct deferred free;
    void (*gone)(void *ctx); /* given to link_close */
    void *gone_ctx;
};

#define LINK_ROLE_STATES 4
extern const struct stream_rule link_rules[];
extern const size_t link_rule_count;

/* link.c, for the rules in link_ext.c */
void link_on_handshake(struct stream *s, struct stanza *stanza);
void link_became_up(struct link *l);

/* link_flow.c: all that wait are read again. */
void link_let_go(struct link *l);

/* link_ext.c */
void link_send_binds(struct link *l);

#endif
