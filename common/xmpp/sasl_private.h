/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sasl_private - what sasl.c and the mechanisms share, and nobody else (but their tests).
 *
 * A mechanism is one row of functions. sasl.c keeps the order of calls: first, credentials,
 * then either work and worked, or final; a mechanism leaves out what it has no use for.
 */
#ifndef XMPP_SASL_PRIVATE_H
#define XMPP_SASL_PRIVATE_H

#include "xmpp/jid.h"
#include "xmpp/sasl.h"

/* The longest message of a client that is looked at. */
#define SASL_MESSAGE_MAX 8192
#define SASL_PASSWORD_MAX 1023
/* Random bytes of a server's nonce, and its text. */
#define SCRAM_NONCE_BYTES 18
#define SCRAM_NONCE_LEN 24
#define SCRAM_CLIENT_NONCE_MAX 256

/* What is due next. */
enum sasl_at {
    SASL_AT_FIRST,       /* the client's first message */
    SASL_AT_CREDENTIALS, /* sasl_credentials */
    SASL_AT_WORK,        /* sasl_work, sasl_worked */
    SASL_AT_FINAL,       /* the client's last message */
    SASL_AT_END,         /* nothing: succeeded or failed */
};

struct sasl_mechanism {
    const char *name;
    enum crypto_hash hash; /* whose keys are used */
    bool plus;             /* binds to the TLS channel */
    bool needs_secure;     /* shows the password to whoever listens */
    /* Each returns what sasl_step and the like return; failures by sasl_fail. */
    enum sasl_result (*first)(struct sasl *s, struct span message);
    enum sasl_result (*credentials)(struct sasl *s, struct buf *out);
    void (*work)(struct sasl *s);
    enum sasl_result (*worked)(struct sasl *s);
    enum sasl_result (*final)(struct sasl *s, struct span message, struct buf *out);
};

struct sasl {
    const struct sasl_mechanism *mechanism;
    struct sasl_opts opts;
    enum sasl_at at;
    enum sasl_failure failure;
    struct span user;       /* prepared; in the arena */
    bool exists;            /* keys are the user's, not fake ones */
    struct scram_keys keys; /* from sasl_credentials on */
    enum crypto_hash hash;  /* of the keys */
    struct arena arena;     /* wiped */
    /* PLAIN */
    struct span password;
    bool verified;
    /* SCRAM */
    char server_nonce[SCRAM_NONCE_LEN + 1];
    struct span nonce;   /* the client's and the server's */
    struct buf binding;  /* what the client's c= must decode to */
    struct buf messages; /* RFC 5802's AuthMessage as it grows */
};

/* Notes why and returns SASL_FAILED. */
enum sasl_result sasl_fail(struct sasl *s, enum sasl_failure failure);
/* Prepares the name that the client gave and keeps it; false: cannot be anyone's. */
bool sasl_set_user(struct sasl *s, struct span name);
/* Whether an authorisation identity may be used: none, or the user's own bare address. */
bool sasl_may_act_as(const struct sasl *s, struct span authzid);

/* --- sasl_plain.c --- */
enum sasl_result sasl_plain_first(struct sasl *s, struct span message);
enum sasl_result sasl_plain_credentials(struct sasl *s, struct buf *out);
void sasl_plain_work(struct sasl *s);
enum sasl_result sasl_plain_worked(struct sasl *s);

/* --- sasl_scram.c --- */
enum sasl_result sasl_scram_first(struct sasl *s, struct span message);
enum sasl_result sasl_scram_credentials(struct sasl *s, struct buf *out);
enum sasl_result sasl_scram_final(struct sasl *s, struct span message, struct buf *out);

/* --- sasl_scram_keys.c --- */
void scram_keys_from_salted(enum crypto_hash h, const unsigned char *salted,
                            struct scram_keys *keys_r);
/* The keys of a user who is not there: the same at each try, different for each hash. */
void scram_keys_fake(enum crypto_hash h, const uint8_t *server_secret, struct span user,
                     uint32_t iterations, struct scram_keys *keys_r);
/* Whether proof (of the hash's length) shows knowledge of the key that stored_key is the hash of.
 */
bool scram_proof_ok(enum crypto_hash h, const uint8_t *stored_key, struct span auth_message,
                    struct span proof);

#endif
