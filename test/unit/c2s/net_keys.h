/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * net_keys - real keys for servers of the network: made once, at the start of a test program that
 * needs signatures.
 */
#ifndef TEST_NET_KEYS_H
#define TEST_NET_KEYS_H

#include "net_kit.h"

#include "pgp/key.h"
#include "tls/bridge.h"

/* A server's identity: the files are for [network] cert and key. */
struct net_identity {
    char fingerprint[PGP_FINGERPRINT + 1];
    struct buf packets;
    char cert[32], key[32];
    struct tls_signer *signer;
};

static inline void net_write_file(char path[32], const struct buf *text)
{
    snprintf(path, 32, "/tmp/net_keys.XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, buf_span(text).p, buf_len(text)), buf_len(text));
    close(fd);
}

static inline void net_identity_make(struct net_identity *id, const char *host)
{
    char error[PGP_ERROR_MAX] = "", why[TLS_ERROR_MAX] = "";
    struct buf armoured = {0}, cert = {0}, key = {0};
    struct pgp_secret s = {0};
    crypto_init();
    assert_true(pgp_key_make(span_of(host), 2048, &armoured, error));
    struct pgp_key *pgp = pgp_key_parse(buf_span(&armoured), error);
    assert_non_null(pgp);
    snprintf(id->fingerprint, sizeof(id->fingerprint), "%s", pgp_key_fingerprint(pgp));
    pgp_key_write(pgp, &id->packets);
    assert_true(pgp_secret_read(buf_span(&armoured), &s, error));
    const struct tls_rsa rsa = {.n = buf_span(&s.n),
                                .e = buf_span(&s.e),
                                .d = buf_span(&s.d),
                                .p = buf_span(&s.p),
                                .q = buf_span(&s.q),
                                .u = buf_span(&s.u)};
    assert_true(tls_bridge_make(&rsa, buf_span(&id->packets), pgp_key_uid(pgp, 0), span_of(host),
                                s.created, &cert, &key, why));
    net_write_file(id->cert, &cert);
    net_write_file(id->key, &key);
    id->signer = tls_signer_open(id->key, why);
    assert_non_null(id->signer);
    pgp_secret_wipe(&s);
    pgp_key_free(&pgp);
    buf_wipe(&armoured);
    buf_free(&cert);
    buf_wipe(&key);
}

static inline void net_identity_free(struct net_identity *id)
{
    unlink(id->cert);
    unlink(id->key);
    tls_signer_free(&id->signer);
    buf_free(&id->packets);
}

/* What the server answers to <pubkey/>; valid until the next call. */
static inline const char *net_pubkey(const struct net_identity *id)
{
    static char xml[16384];
    struct buf text = {0};
    base64_encode(&text, buf_span(&id->packets));
    snprintf(xml, sizeof(xml), "<pubkey xmlns='" NS_PUBKEY "'>%s</pubkey>", buf_z(&text));
    buf_free(&text);
    return xml;
}

/* A record that host has signed, as <home/>; valid until the next call. */
static inline const char *net_signed_home(const struct net_identity *id, const char *user,
                                          const char *host, int64_t stamp)
{
    static char xml[4096];
    struct buf text = {0}, signature = {0}, proof = {0};
    server_key_home_text(span_of(user), span_of(host), stamp, &text);
    assert_true(tls_sign(id->signer, buf_span(&text), &signature));
    base64_encode(&proof, buf_span(&signature));
    snprintf(xml, sizeof(xml),
             "<home xmlns='" NS_NETWORK "' user='%s' host='%s' stamp='%lld' proof='%s'/>", user,
             host, (long long)stamp, buf_z(&proof));
    buf_free(&text);
    buf_free(&signature);
    buf_free(&proof);
    return xml;
}

#endif
