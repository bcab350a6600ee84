/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sasl_scram_keys - from a password to what is stored of it (RFC 5802 3, RFC 5803), SASLprep, and
 * the keys of users who do not exist. Called by the mechanisms, and by whoever sets passwords. Pure
 * functions: safe on any thread.
 */
#include "xmpp/sasl_private.h"

#include "base/mem.h"

#include <stringprep.h>

/* Normalisation lengthens some characters; what grows beyond this is refused. */
#define PREPARED_MAX 4096

bool sasl_prep(struct span password, struct buf *out)
{
    bool ascii = true;
    for (size_t i = 0; i < password.n; i++) {
        unsigned char c = (unsigned char)password.p[i];
        if (c < 0x20 || c == 0x7f)
            return false;
        ascii = ascii && c < 0x80;
    }
    if (span_is_empty(password) || password.n > SASL_PASSWORD_MAX)
        return false;
    if (ascii)
        return buf_append(out, password);

    char text[PREPARED_MAX];
    memcpy(text, password.p, password.n);
    text[password.n] = '\0';
    /* libidn refuses what is no UTF-8. Unassigned code points, too: another version's tables
     * might map them, and the password would be another one. */
    bool ok = stringprep(text, sizeof(text), STRINGPREP_NO_UNASSIGNED, stringprep_saslprep) ==
              STRINGPREP_OK;
    struct span prepared = span_of(ok ? text : "");
    ok = prepared.n > 0 && buf_append(out, prepared);
    mem_wipe(text, sizeof(text));
    return ok;
}

static struct span bytes(const void *p, size_t n)
{
    return span_make(p, n);
}

void scram_keys_from_salted(enum crypto_hash h, const unsigned char *salted,
                            struct scram_keys *keys_r)
{
    size_t n = crypto_hash_len(h);
    unsigned char client_key[CRYPTO_HASH_MAX];
    crypto_hmac(h, bytes(salted, n), SPAN("Client Key"), client_key);
    crypto_digest(h, bytes(client_key, n), keys_r->stored_key);
    crypto_hmac(h, bytes(salted, n), SPAN("Server Key"), keys_r->server_key);
    mem_wipe(client_key, sizeof(client_key));
}

bool scram_keys_derive_salted(enum crypto_hash h, struct span password, uint32_t iterations,
                              struct span salt, struct scram_keys *keys_r)
{
    /* Room for all at once: a buffer that grows would leave parts of a password behind. */
    struct buf prepared = {0};
    buf_reserve(&prepared, PREPARED_MAX);
    bool ok = iterations > 0 && salt.n <= SCRAM_SALT_MAX && sasl_prep(password, &prepared);
    if (ok) {
        unsigned char salted[CRYPTO_HASH_MAX];
        crypto_pbkdf2(h, buf_span(&prepared), salt, iterations, salted);
        memset(keys_r, 0, sizeof(*keys_r));
        keys_r->iterations = iterations;
        keys_r->salt_len = (uint8_t)salt.n;
        memcpy(keys_r->salt, salt.p, salt.n);
        scram_keys_from_salted(h, salted, keys_r);
        mem_wipe(salted, sizeof(salted));
    }
    buf_wipe(&prepared);
    return ok;
}

bool scram_keys_derive(enum crypto_hash h, struct span password, uint32_t iterations,
                       const uint8_t salt[16], struct scram_keys *keys_r)
{
    return scram_keys_derive_salted(h, password, iterations, bytes(salt, 16), keys_r);
}

void scram_keys_fake(enum crypto_hash h, const uint8_t *server_secret, struct span user,
                     uint32_t iterations, struct scram_keys *keys_r)
{
    /* The label keeps the salts of the two hashes apart, as a real user's are. */
    struct span label = h == CRYPTO_SHA1 ? SPAN("SCRAM-SHA-1 ") : SPAN("SCRAM-SHA-256 ");
    char text[16 + JID_PART_MAX];
    memcpy(text, label.p, label.n);
    memcpy(text + label.n, user.p, user.n);

    unsigned char digest[CRYPTO_HASH_MAX];
    crypto_hmac(CRYPTO_SHA256, bytes(server_secret, 32), bytes(text, label.n + user.n), digest);
    memset(keys_r, 0, sizeof(*keys_r));
    keys_r->iterations = iterations;
    keys_r->salt_len = 16;
    memcpy(keys_r->salt, digest, keys_r->salt_len);
    /* Nothing is known to hash to these. */
    crypto_hmac(CRYPTO_SHA256, bytes(server_secret, 32), bytes(digest, sizeof(digest)),
                keys_r->stored_key);
    crypto_hmac(CRYPTO_SHA256, bytes(server_secret, 32),
                bytes(keys_r->stored_key, sizeof(keys_r->stored_key)), keys_r->server_key);
}

bool scram_proof_ok(enum crypto_hash h, const uint8_t *stored_key, struct span auth_message,
                    struct span proof)
{
    size_t n = crypto_hash_len(h);
    unsigned char key[CRYPTO_HASH_MAX], hashed[CRYPTO_HASH_MAX];
    if (proof.n != n)
        return false;
    crypto_hmac(h, bytes(stored_key, n), auth_message, key);
    for (size_t i = 0; i < n; i++)
        key[i] ^= (unsigned char)proof.p[i];
    crypto_digest(h, bytes(key, n), hashed);
    bool ok = crypto_equal(bytes(hashed, n), bytes(stored_key, n));
    mem_wipe(key, sizeof(key));
    return ok;
}
