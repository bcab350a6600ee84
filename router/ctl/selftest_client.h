/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * selftest_client - an XMPP client of libstrophe, as far as the self-test needs one. Like any
 * client it sees the suite from outside; libstrophe is used nowhere else in the suite.
 */
#ifndef CTL_SELFTEST_CLIENT_H
#define CTL_SELFTEST_CLIENT_H

#include "base/span.h"

#include <strophe.h>

enum client_tls { CLIENT_PLAIN, CLIENT_STARTTLS, CLIENT_DIRECT_TLS };

struct client {
    xmpp_ctx_t *ctx;
    xmpp_conn_t *conn;
    enum client_tls tls;
    enum { CLIENT_NEW, CLIENT_CONNECTING, CLIENT_ONLINE, CLIENT_GONE } state;
    bool echoes;       /* sends every message back to where it came from */
    char received[64]; /* the body of the last message */
    char fault[256];   /* why it cannot go on; empty: it can */
};

/* Loads the certificate that all clients trust from now on; false with a reason. */
bool client_trust(const char *file, char reason_r[256]);
void client_trust_end(void);

/* Starts to log in; follow it with xmpp_run_once until the state is not CLIENT_CONNECTING. */
void client_start(struct client *c, xmpp_ctx_t *ctx, const char *jid, const char *password,
                  const char *address, uint16_t port, enum client_tls tls);
void client_send(struct client *c, const char *to, const char *body);
/* The address that the server gave it; valid while it is online. */
const char *client_jid(const struct client *c);
void client_stop(struct client *c); /* begins to log out */
void client_free(struct client *c);

#endif
