/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * server_key - holds a bridge certificate (tls) against the OpenPGP key in it (pgp): only together
 * do they prove who a server is. The handshake has proved that the peer has the certificate's key;
 * here is proved that this is the OpenPGP master key, whose fingerprint the table knows.
 *
 * Called by net on links, by the session manager for signatures, by kontalkctl.
 */
#include "xmpp/server_key.h"

#include "base/mem.h"
#include "pgp/key.h"
#include "tls/bridge.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define BYTES_MIN (2048 / 8)

struct server_key {
    struct pgp_key *pgp; /* RSA */
    struct buf packets;
};

bool (*server_key_twin)(void *session, char fingerprint_r[SERVER_FINGERPRINT + 1]);

static_assert(SERVER_FINGERPRINT == PGP_FINGERPRINT, "the table's fingerprints are OpenPGP's");

static void fail(char error_r[CONF_ERROR_MAX], const char *what, const char *why)
{
    snprintf(error_r, CONF_ERROR_MAX, "%.200s%s%.250s", what, *what ? ": " : "", why);
}

/* --- keys ------------------------------------------------------------------------------------- */

struct server_key *server_key_parse(struct span packets, char error_r[CONF_ERROR_MAX])
{
    char why[PGP_ERROR_MAX];
    struct span n, e;
    struct pgp_key *pgp = pgp_key_parse(packets, why);
    if (!pgp) {
        fail(error_r, "", why);
        return NULL;
    }
    bool is_rsa = pgp_key_rsa(pgp, &n, &e);
    if (!is_rsa || n.n < BYTES_MIN) {
        fail(error_r, "",
             is_rsa ? "the OpenPGP master key has fewer than 2048 bits"
                    : "the OpenPGP master key is not RSA");
        pgp_key_free(&pgp);
        return NULL;
    }
    struct server_key *k = mem_zalloc(sizeof *k);
    k->pgp = pgp;
    pgp_key_write(pgp, &k->packets);
    return k;
}

/* Of a certificate, which is freed. */
static struct server_key *key_of(struct tls_bridge *b, const char *file,
                                 char error_r[CONF_ERROR_MAX])
{
    char why[CONF_ERROR_MAX];
    struct span n, e;
    struct server_key *k = server_key_parse(buf_span(&b->openpgp), why);
    if (k && (!pgp_key_rsa(k->pgp, &n, &e) || !span_eq(n, buf_span(&b->n)) ||
              !span_eq(e, buf_span(&b->e)))) {
        fail(why, "", "the certificate's key is not the OpenPGP master key in it");
        server_key_free(&k);
    }
    if (!k)
        fail(error_r, file, why);
    tls_bridge_free(b);
    return k;
}

struct server_key *server_key_open(const char *cert_file, char error_r[CONF_ERROR_MAX])
{
    struct tls_bridge b;
    char why[TLS_ERROR_MAX];
    if (tls_bridge_open(cert_file, &b, why))
        return key_of(&b, cert_file, error_r);
    fail(error_r, "", why);
    return NULL;
}

void server_key_free(struct server_key **key)
{
    struct server_key *k = *key;
    *key = NULL;
    if (!k)
        return;
    pgp_key_free(&k->pgp);
    buf_free(&k->packets);
    free(k);
}

const char *server_key_fingerprint(const struct server_key *k)
{
    return pgp_key_fingerprint(k->pgp);
}

struct span server_key_packets(const struct server_key *k)
{
    return buf_span(&k->packets);
}

bool server_key_verifies(const struct server_key *k, struct span text, struct span signature)
{
    struct span n, e;
    return pgp_key_rsa(k->pgp, &n, &e) && tls_verify(n, e, text, signature);
}

/* --- peers ------------------------------------------------------------------------------------ */

bool server_key_of_peer(void *session, char fingerprint_r[SERVER_FINGERPRINT + 1],
                        char error_r[CONF_ERROR_MAX])
{
    struct tls_bridge b;
    char why[TLS_ERROR_MAX];
    if (server_key_twin) {
        bool is_there = server_key_twin(session, fingerprint_r);
        if (!is_there)
            fail(error_r, "", "the peer has shown no certificate");
        return is_there;
    }
    if (!tls_bridge_of_peer(session, &b, why)) {
        fail(error_r, "", why);
        return false;
    }
    struct server_key *k = key_of(&b, "", error_r);
    if (!k)
        return false;
    memcpy(fingerprint_r, server_key_fingerprint(k), SERVER_FINGERPRINT + 1);
    server_key_free(&k);
    return true;
}

void server_key_home_text(struct span localpart, struct span host, int64_t stamp_ms,
                          struct buf *out)
{
    buf_clear(out);
    buf_printf(out, "kontalk home 1\n%.*s\n%.*s\n%" PRId64 "\n", SPAN_ARG(localpart),
               SPAN_ARG(host), stamp_ms);
}
