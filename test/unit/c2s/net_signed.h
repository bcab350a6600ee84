/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * net_signed - what the tests of records share: servers of the network that have keys, made once
 * for each test binary, and what they sign.
 */
#ifndef TEST_NET_SIGNED_H
#define TEST_NET_SIGNED_H

#include "net_kit.h"

#include "pgp/key.h"
#include "tls/bridge.h"

struct net_key {
    const char *host;
    char fingerprint[PGP_FINGERPRINT + 1];
    char cert[32], key[32]; /* files */
    struct buf packets;
    struct tls_signer *signer;
};
static struct net_key key_prime = {.host = "prime.test"}, key_beta = {.host = "beta.test"},
                      key_gamma = {.host = "gamma.test"};
static char net_key_table[512];

static inline void net_key_file(char path[32], struct buf *text)
{
    snprintf(path, 32, "/tmp/net_keys.XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, buf_span(text).p, buf_len(text)), buf_len(text));
    close(fd);
    buf_free(text);
}

static inline void net_key_make(struct net_key *k)
{
    char error[TLS_ERROR_MAX] = "";
    struct buf armoured = {0}, cert = {0}, pem = {0};
    struct pgp_secret s;
    assert_true(pgp_key_make(span_of(k->host), 2048, &armoured, error));
    assert_true(pgp_secret_read(buf_span(&armoured), &s, error));
    struct pgp_key *pgp = pgp_key_parse(buf_span(&armoured), error);
    assert_non_null(pgp);
    pgp_key_write(pgp, &k->packets);
    memcpy(k->fingerprint, pgp_key_fingerprint(pgp), sizeof(k->fingerprint));
    pgp_key_free(&pgp);
    const struct tls_rsa rsa = {.n = buf_span(&s.n),
                                .e = buf_span(&s.e),
                                .d = buf_span(&s.d),
                                .p = buf_span(&s.p),
                                .q = buf_span(&s.q),
                                .u = buf_span(&s.u)};
    assert_true(tls_bridge_make(&rsa, buf_span(&k->packets), span_of(k->host), span_of(k->host),
                                s.created, &cert, &pem, error));
    net_key_file(k->cert, &cert);
    net_key_file(k->key, &pem);
    pgp_secret_wipe(&s);
    buf_wipe(&armoured);
    k->signer = tls_signer_open(k->key, error);
    assert_non_null(k->signer);
}

static inline int net_keys_set_up(void **state)
{
    (void)state;
    net_key_make(&key_prime);
    net_key_make(&key_beta);
    net_key_make(&key_gamma);
    snprintf(net_key_table, sizeof(net_key_table), "beta.test %s enabled\ngamma.test %s enabled\n",
             key_beta.fingerprint, key_gamma.fingerprint);
    return 0;
}

static inline int net_keys_tear_down(void **state)
{
    struct net_key *const all[] = {&key_prime, &key_beta, &key_gamma};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        unlink(all[i]->cert);
        unlink(all[i]->key);
        buf_free(&all[i]->packets);
        tls_signer_free(&all[i]->signer);
    }
    return 0;
}

static inline struct sm_opts net_key_opts(void)
{
    struct sm_opts opts = net_opts(NULL);
    opts.net.cert = key_prime.cert;
    opts.net.key = key_prime.key;
    return opts;
}

/* With its own key, in a network of beta and gamma. */
static inline struct kit *net_key_kit(void)
{
    const struct sm_opts opts = net_key_opts();
    return net_new(net_key_table, &opts);
}

/* A record, as signed by that server; NULL: not signed. */
static inline const char *net_record(const char *user, const char *host, int64_t stamp,
                                     const struct net_key *by)
{
    static char kept[4][1024];
    static size_t at;
    char *xml = kept[at++ % 4];
    struct buf text = {0}, signature = {0}, proof = {0};
    if (by) {
        server_key_home_text(span_of(user), span_of(host), stamp, &text);
        assert_true(tls_sign(by->signer, buf_span(&text), &signature));
        base64_encode(&proof, buf_span(&signature));
    }
    snprintf(xml, sizeof(kept[0]),
             "<home xmlns='" NS_NETWORK "' user='%s' host='%s' stamp='%lld'%s%.*s%s/>", user, host,
             (long long)stamp, by ? " proof='" : "", SPAN_ARG(buf_span(&proof)), by ? "'" : "");
    buf_free(&text);
    buf_free(&signature);
    buf_free(&proof);
    return xml;
}

/* Prime asks that server for its key, and gets that one. */
static inline void net_give_key(struct kit *k, const struct net_key *of, const struct net_key *key)
{
    struct buf xml = {0};
    char id[64];
    xml_raw(&xml, SPAN("<pubkey xmlns='" NS_PUBKEY "'>"));
    base64_encode(&xml, buf_span(&key->packets));
    xml_raw(&xml, SPAN("</pubkey>"));
    snprintf(id, sizeof(id), "%s", net_asked(k, of->host, "<pubkey"));
    if (!id[0])
        fail_msg("%s has not been asked for its key", of->host);
    net_reply(k, "result", id, of->host, buf_z(&xml));
    buf_free(&xml);
}

/* A question of another server to prime. */
static inline void net_question(struct kit *k, const char *from, const char *type,
                                const char *payload)
{
    struct buf xml = {0};
    buf_printf(&xml,
               "<iq xmlns='" NS_COMPONENT "' type='%s' id='q' from='%s' to='prime.test'>%s</iq>",
               type, from, payload);
    kit_link_say(k, buf_z(&xml));
    buf_free(&xml);
}

/* Beta publishes those records; what else is among the attributes of <homes/>. */
static inline void net_publish(struct kit *k, const char *from, const char *attrs,
                               const char *records)
{
    struct buf xml = {0};
    buf_printf(&xml, "<homes xmlns='" NS_NETWORK "'%s>%s</homes>", attrs, records);
    net_question(k, from, "set", buf_z(&xml));
    buf_free(&xml);
}

/* Who is kept as being at home at that host: 1 or 0. */
static inline int64_t net_is_recorded(struct kit *k, const char *user, const char *host)
{
    char name[256];
    snprintf(name, sizeof(name), "%s@%s", user, host);
    return kit_sql(k, "SELECT count(*) FROM home WHERE user || '@' || host = ?1", name);
}

/* An account that was made at that time. */
static inline void net_account(struct kit *k, const char *name, int64_t created)
{
    char text[256];
    kit_account(k, name);
    snprintf(text, sizeof(text), "%lld/%s", (long long)created, name);
    kit_sql(k,
            "UPDATE account SET created = CAST(substr(?1, 1, instr(?1, '/') - 1) AS INTEGER)"
            " WHERE name = substr(?1, instr(?1, '/') + 1)",
            text);
}

#endif
