/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * c2s - what the files of the client side share: the process, and one connected client.
 *
 *   main.c     start, reload, stop          client.c  a client's stream: rules, headers, features
 *   auth.c     SASL                         bind.c    resource binding, the door to the SM
 *   limits.c   per address                  control.c what kontalkctl asks
 *   accounts.c names and keys               accounts_sm.c the same for the session manager
 *   seat.c     a bound client's place at the SM, which may outlive his connection
 *   manage.c   XEP-0198                     unacked.c what a client has not acknowledged
 *   register.c XEP-0077 before a login      quota.c   how often one may
 *   network.c  the servers of the network
 *   hibernate.c clients who may come back   csi.c     XEP-0352
 */
#ifndef C2S_C2S_H
#define C2S_C2S_H

#include "base/control.h"
#include "base/daemon.h"
#include "base/listen.h"
#include "c2s/accounts.h"
#include "c2s/conf.h"
#include "c2s/csi.h"
#include "c2s/hibernate.h"
#include "c2s/limits.h"
#include "c2s/manage.h"
#include "c2s/quota.h"
#include "c2s/seat.h"
#include "tls/ctx.h"
#include "xmpp/link.h"
#include "xmpp/servers.h"
#include "xmpp/stream.h"

struct c2s {
    struct loop *loop;
    const struct c2s_conf *conf;
    const char *instance;       /* "c2s-1" */
    char *name;                 /* at the router: "c2s-1.prime.kontalk.net" */
    struct span host, network;  /* ours: a reload does not change them */
    struct framer_limits stanza_limits;
    uint8_t auth_secret[32];    /* fake salts of unknown users are derived from it */
    struct tls_ctx *tls, *link_tls;
    struct store *store;
    struct servers *servers;    /* of the network; NULL: there is none */
    struct accounts *accounts;
    struct sm *sm;
    struct link *link;
    struct link_bind binds[2];
    struct control *control;
    struct list_node works;     /* requests of it that take their time (control.h) */
    struct list_node imports;   /* accounts that are being imported (control_pie.c) */
    size_t import_count;
    struct limits limits;
    struct quota registrations;
    struct listeners listeners;
    struct list_node clients;
    size_t client_count; /* with those that are only held */
    size_t stream_count; /* without */
    struct list_node seats;
    size_t seat_count;   /* with those that are only waiting for completions */
    struct hibernation hibernation;
    struct buf scratch;  /* a stanza that may have to wait */
    uint64_t started_ms;
    bool is_stopping, is_link_gone;
    struct timer stop_wait;
    struct deferred finish;
    void (*on_stopped)(void *ctx); /* after c2s_stop */
    void *stopped_ctx;
};

enum c2s_state {
    C2S_CONNECTED,      /* in clear text */
    C2S_SECURED,        /* may log in */
    C2S_REGISTERING,    /* an account is being made */
    C2S_AUTHENTICATING, /* a SASL exchange is under way */
    C2S_AUTHED,         /* must bind */
    C2S_BINDING,        /* the session manager has been asked */
    C2S_BOUND,
};

struct auth; /* auth.c: exists from the connection to the login */

struct client {
    struct stream stream;
    struct c2s *c2s;
    struct list_node node;
    struct limits_entry *address; /* NULL: refused */
    struct auth *auth;
    char *user;          /* localpart, once authenticated */
    struct span domain;  /* host or network: the one the first header named; none before */
    char *bind_id;       /* of the iq that waits for the session manager */
    struct link_feeder feeder; /* waits when the router does not keep up */
    struct seat *seat;   /* once bound or resumed; NULL again when another connection has it */
    unsigned holds;      /* answers that are still to come from threads and the store */
    bool has_registered; /* an account, on this connection */
    bool is_gone;        /* the stream has closed: freed when holds are none */
};

/* --- client.c --- */

/* A new connection; direct_tls: TLS from the first byte. Takes c. */
void client_accept(struct c2s *c2s, struct conn *c, bool direct_tls);
struct client *client_of(struct stream *s);
/* Somebody else will come back to the client: its memory stays until as many releases. */
void client_hold(struct client *c);
/* False when the client went away meanwhile: it may be freed, touch it no more. */
bool client_release(struct client *c);

/* A word before its time, or one that is none. */
void client_on_unexpected(struct stream *s, struct stanza *stanza);
/* Whether a name and a password may be said on it as it is. */
bool client_is_safe(const struct client *c);

/* --- register.c --- */
void register_write_feature(const struct client *c, struct buf *out);
/* An iq before the login. */
void register_on_iq(struct stream *s, struct stanza *stanza);

/* --- auth.c --- */
struct auth *auth_new(struct client *c);
void auth_free(struct auth **a);
void auth_write_features(struct client *c, struct buf *out);
void auth_on_auth(struct stream *s, struct stanza *stanza);
void auth_on_response(struct stream *s, struct stanza *stanza);
void auth_on_abort(struct stream *s, struct stanza *stanza);

/* --- bind.c --- */
void bind_write_features(struct client *c, struct buf *out);
void bind_on_iq(struct stream *s, struct stanza *stanza);
/* A stanza of a bound client. */
void bind_on_stanza(struct stream *s, struct stanza *stanza);
/* The answer of the session manager to the seat's opening. */
void bind_on_opened(struct client *c, struct span full_jid, enum stanza_error e, const char *text);
/* The client has a session: by binding, or by resuming one. */
void bind_done(struct client *c);
/* What is answered by the transport itself is bounded as what the session manager says; false: too
 * much is unread, the stream ends. */
bool bind_has_room(struct client *c);

/* --- process.c --- everything but main(): tests hold a whole c2s in one process */

/* Starts serving; what it needs of d: loop, conf, instance. */
struct c2s *c2s_new(struct daemon *d, char error_r[CONF_ERROR_MAX]);
/* Opens the listening sockets and the control socket; not for simulated loops. */
bool c2s_listen(struct c2s *c2s, char error_r[CONF_ERROR_MAX]);
bool c2s_reload(struct c2s *c2s, const struct c2s_conf *conf, char error_r[CONF_ERROR_MAX]);
/* Ends all streams (system-shutdown), the link and the store, then calls done(ctx). */
void c2s_stop(struct c2s *c2s, void (*done)(void *ctx), void *ctx);
void c2s_free(struct c2s **c2s);
/* A client's stream is gone, or all of it: perhaps the last that a stop waits for. */
void c2s_client_gone(struct c2s *c2s);
/* For tests: the router is reached by this instead of a socket; set before c2s_new. */
extern struct conn *(*c2s_test_connect)(void *ctx);
extern void *c2s_test_connect_ctx;

/* --- network.c --- */

/* Reads the table of the network's servers, and whether the key of this one can be used; what was
 * in force stays when not. */
bool network_load(struct c2s *c2s, const struct c2s_conf *conf, char error_r[CONF_ERROR_MAX]);
/* Gives a session manager that runs what has been loaded, and the key as it is now. */
void network_tell(struct c2s *c2s);
/* Both, on demand. */
bool network_reload(struct c2s *c2s, char error_r[CONF_ERROR_MAX]);
struct sm_network_opts network_options(const struct c2s *c2s, const struct c2s_conf *conf);

/* --- control.c --- */
extern const struct control_command c2s_commands[];

#endif
