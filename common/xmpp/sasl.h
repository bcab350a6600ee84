/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sasl - the server side of SASL (RFC 4422), one file per mechanism, one table of mechanisms.
 *
 * The exchange is driven by its caller: sasl_step takes a decoded message of the client and says
 * what is due: a challenge, credentials (the caller looks them up, asynchronously, and calls
 * sasl_credentials), work for a thread (the caller runs sasl_work there, then sasl_worked), success
 * or a failure. Nothing here blocks, touches sockets, or knows XML.
 *
 * SCRAM: RFC 5802, RFC 7677; channel bindings RFC 5929, RFC 9266. PLAIN: RFC 4616.
 * Unknown and disabled users are indistinguishable: fake keys are derived from a server key.
 */
#ifndef XMPP_SASL_H
#define XMPP_SASL_H

#include "base/arena.h"
#include "base/buf.h"
#include "tls/crypto.h"

/* Ours have 16 bytes; those of accounts that come from elsewhere may be longer, or shorter. */
#define SCRAM_SALT_MAX 64

/* What a password is kept as: RFC 5803. */
struct scram_keys {
    uint32_t iterations;
    uint8_t salt_len;
    uint8_t salt[SCRAM_SALT_MAX];
    uint8_t stored_key[CRYPTO_HASH_MAX], server_key[CRYPTO_HASH_MAX];
};

/* Slow (PBKDF2): only on a work thread. The password is prepared (SASLprep); false when it
 * can't be. */
bool scram_keys_derive(enum crypto_hash h, struct span password, uint32_t iterations,
                       const uint8_t salt[16], struct scram_keys *keys_r);
/* The same with a salt of any length up to SCRAM_SALT_MAX. */
bool scram_keys_derive_salted(enum crypto_hash h, struct span password, uint32_t iterations,
                              struct span salt, struct scram_keys *keys_r);
/* SASLprep (RFC 4013) of a password into out, which is wiped by the caller; false: prohibited. */
bool sasl_prep(struct span password, struct buf *out);

struct sasl_credentials {
    bool exists; /* false: the others are ignored, fake ones are used */
    /* Each with a salt of its own: fake ones differ, too. iterations 0: no such keys. */
    struct scram_keys sha1, sha256;
};

#define SASL_FAILURES(X)                                                                           \
    X(ABORTED, "aborted")                                                                          \
    X(ACCOUNT_DISABLED, "account-disabled")                                                        \
    X(CREDENTIALS_EXPIRED, "credentials-expired")                                                  \
    X(ENCRYPTION_REQUIRED, "encryption-required")                                                  \
    X(INCORRECT_ENCODING, "incorrect-encoding")                                                    \
    X(INVALID_AUTHZID, "invalid-authzid")                                                          \
    X(INVALID_MECHANISM, "invalid-mechanism")                                                      \
    X(MALFORMED_REQUEST, "malformed-request")                                                      \
    X(MECHANISM_TOO_WEAK, "mechanism-too-weak")                                                    \
    X(NOT_AUTHORIZED, "not-authorized")                                                            \
    X(TEMPORARY_AUTH_FAILURE, "temporary-auth-failure")

enum sasl_failure {
    SASL_FAILURE_NONE,
#define X(name, element) SASL_##name,
    SASL_FAILURES(X)
#undef X
};
const char *sasl_failure_name(enum sasl_failure f); /* RFC 6120 6.5 */

struct sasl_opts {
    struct span domain;         /* the host of the stream: authzids must be in it */
    bool secure;                /* TLS (or allowed without): PLAIN may be offered */
    uint32_t iterations;        /* shown for unknown users: as registration uses */
    const uint8_t *server_secret; /* 32 bytes: fake salts are derived from it */
    /* Channel bindings of the connection; lengths 0 when not available */
    struct span cb_exporter, cb_end_point;
};

struct sasl; /* one exchange */

/* The mechanisms to offer with these options, best first, as <mechanism/> elements' texts;
 * returns their number. What is not offered is refused. */
size_t sasl_offers(const struct sasl_opts *opts, const char *names_r[8]);

enum sasl_result {
    SASL_CHALLENGE,   /* send out */
    SASL_CREDENTIALS_WANTED, /* look up sasl_username, then sasl_credentials */
    SASL_WORK_WANTED, /* run sasl_work on a thread, then sasl_worked */
    SASL_SUCCESS,     /* out holds the additional data, perhaps empty */
    SASL_FAILED,      /* sasl_failure says why */
};

/* NULL with SASL_INVALID_MECHANISM in *failure_r when it is not on offer. opts is copied, the
 * spans in it must live as long as the exchange. */
struct sasl *sasl_new(const struct sasl_opts *opts, struct span mechanism,
                      enum sasl_failure *failure_r);
void sasl_free(struct sasl **s); /* wipes */

/* message none: the client sent no initial response, an empty challenge is due; empty: it sent one
 * without content, which no mechanism here takes. */
enum sasl_result sasl_step(struct sasl *s, struct span message, struct buf *out);
enum sasl_result sasl_credentials(struct sasl *s, const struct sasl_credentials *c,
                                  struct buf *out);
void sasl_work(struct sasl *s); /* on a thread */
enum sasl_result sasl_worked(struct sasl *s, struct buf *out);

struct span sasl_username(const struct sasl *s); /* prepared localpart */
enum sasl_failure sasl_failure(const struct sasl *s);
const char *sasl_mechanism(const struct sasl *s);

#endif
