/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * server_key - how servers of the network prove who they are: by the OpenPGP key whose fingerprint
 * the table of servers (servers.h) has. On a TLS session by its bridge certificate, elsewhere by
 * signatures of that key.
 */
#ifndef XMPP_SERVER_KEY_H
#define XMPP_SERVER_KEY_H

#include "base/buf.h"
#include "base/conf.h"
#include "xmpp/servers.h"

/* The OpenPGP key of a server, checked. */
struct server_key;
/* Of a bridge certificate (PEM file): our own; or of packets. NULL with a reason: the certificate's
 * key is not the OpenPGP master key, that is not RSA of 2048 bits, what pgp_key_parse refuses. */
struct server_key *server_key_open(const char *cert_file, char error_r[CONF_ERROR_MAX]);
struct server_key *server_key_parse(struct span packets, char error_r[CONF_ERROR_MAX]);
void server_key_free(struct server_key **k);
const char *server_key_fingerprint(const struct server_key *k);
struct span server_key_packets(const struct server_key *k);
bool server_key_verifies(const struct server_key *k, struct span text, struct span signature);

/* The fingerprint of the key that the other side of a TLS session has proved to own; false with a
 * reason for the log. On twins of sessions server_key_twin says it. */
bool server_key_of_peer(void *session, char fingerprint_r[SERVER_FINGERPRINT + 1],
                        char error_r[CONF_ERROR_MAX]);
/* For tests on simulated connections, which have no certificates: the peer's fingerprint into
 * fingerprint_r; NULL: there is none. ctx: the session. */
extern bool (*server_key_twin)(void *session, char fingerprint_r[SERVER_FINGERPRINT + 1]);

/* --- where a user is at home, signed by his home (c2s/NETWORK.md) --- */

/* What is signed: "kontalk home 1\nLOCALPART\nHOST\nSTAMP_MS\n". Into out, which is cleared. */
void server_key_home_text(struct span localpart, struct span host, int64_t stamp_ms,
                          struct buf *out);

#endif
