/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sasl - the table of mechanisms, what is on offer, and the order of calls of one exchange. Called
 * by the side of a stream that authenticates clients, which owns the exchange (RFC 4422,
 * RFC 6120 6).
 */
#include "xmpp/sasl_private.h"

#include "base/mem.h"

#include <stdlib.h>

#define SCRAM(title, h, binds)                                                                     \
    {                                                                                              \
        .name = (title), .hash = (h), .plus = (binds), .first = sasl_scram_first,                  \
        .credentials = sasl_scram_credentials, .final = sasl_scram_final,                          \
    }

/* Best first; ends with name == NULL. */
static const struct sasl_mechanism mechanisms[] = {
    SCRAM("SCRAM-SHA-256-PLUS", CRYPTO_SHA256, true),
    SCRAM("SCRAM-SHA-1-PLUS", CRYPTO_SHA1, true),
    SCRAM("SCRAM-SHA-256", CRYPTO_SHA256, false),
    SCRAM("SCRAM-SHA-1", CRYPTO_SHA1, false),
    {
        .name = "PLAIN",
        .hash = CRYPTO_SHA256,
        .needs_secure = true,
        .first = sasl_plain_first,
        .credentials = sasl_plain_credentials,
        .work = sasl_plain_work,
        .worked = sasl_plain_worked,
    },
    {.name = NULL},
};

/* One rule for what is shown and what is taken: nothing can be used that is not on offer. */
static bool is_offered(const struct sasl_mechanism *m, const struct sasl_opts *opts)
{
    if (m->needs_secure && !opts->secure)
        return false;
    return !m->plus || opts->cb_exporter.n > 0 || opts->cb_end_point.n > 0;
}

size_t sasl_offers(const struct sasl_opts *opts, const char *names_r[8])
{
    size_t count = 0;
    for (const struct sasl_mechanism *m = mechanisms; m->name; m++) {
        if (is_offered(m, opts))
            names_r[count++] = m->name;
    }
    return count;
}

struct sasl *sasl_new(const struct sasl_opts *opts, struct span mechanism,
                      enum sasl_failure *failure_r)
{
    const struct sasl_mechanism *m = mechanisms;
    while (m->name && !(span_eq(mechanism, span_of(m->name)) && is_offered(m, opts)))
        m++;
    if (!m->name) {
        *failure_r = SASL_INVALID_MECHANISM;
        return NULL;
    }
    *failure_r = SASL_FAILURE_NONE;
    struct sasl *s = mem_zalloc(sizeof(*s));
    s->mechanism = m;
    s->opts = *opts;

    char random[SCRAM_NONCE_BYTES];
    struct buf text = {0};
    crypto_random(random, sizeof(random));
    base64_encode(&text, span_make(random, sizeof(random)));
    memcpy(s->server_nonce, buf_span(&text).p, SCRAM_NONCE_LEN);
    buf_free(&text);
    return s;
}

void sasl_free(struct sasl **s)
{
    struct sasl *gone = *s;
    *s = NULL;
    if (!gone)
        return;
    arena_wipe(&gone->arena);
    buf_wipe(&gone->binding);
    buf_wipe(&gone->messages);
    mem_wipe(gone, sizeof(*gone));
    free(gone);
}

/* Where an exchange is after a mechanism has answered. */
static enum sasl_result moved(struct sasl *s, enum sasl_result result)
{
    static const enum sasl_at next[] = {
        [SASL_CHALLENGE] = SASL_AT_FINAL,  [SASL_CREDENTIALS_WANTED] = SASL_AT_CREDENTIALS,
        [SASL_WORK_WANTED] = SASL_AT_WORK, [SASL_SUCCESS] = SASL_AT_END,
        [SASL_FAILED] = SASL_AT_END,
    };
    s->at = next[result];
    return result;
}

enum sasl_result sasl_step(struct sasl *s, struct span message, struct buf *out)
{
    bool is_first = s->at == SASL_AT_FIRST;
    if (is_first && span_is_none(message))
        return SASL_CHALLENGE; /* an empty one: go on (RFC 4422 3) */
    if (!is_first && s->at != SASL_AT_FINAL)
        return moved(s, sasl_fail(s, SASL_NOT_AUTHORIZED));
    if (span_is_empty(message) || message.n > SASL_MESSAGE_MAX)
        return moved(s, sasl_fail(s, SASL_MALFORMED_REQUEST));
    return moved(s,
                 is_first ? s->mechanism->first(s, message) : s->mechanism->final(s, message, out));
}

enum sasl_result sasl_credentials(struct sasl *s, const struct sasl_credentials *c, struct buf *out)
{
    if (s->at != SASL_AT_CREDENTIALS)
        return moved(s, sasl_fail(s, SASL_NOT_AUTHORIZED));
    enum crypto_hash h = s->mechanism->hash;
    /* An account from elsewhere may have the keys of one hash only: a password fits either. */
    if (s->mechanism->work && c->exists && c->sha256.iterations == 0 && c->sha1.iterations > 0)
        h = CRYPTO_SHA1;
    const struct scram_keys *keys = h == CRYPTO_SHA1 ? &c->sha1 : &c->sha256;
    s->hash = h;
    /* The fake ones are made for everyone, so that the time does not tell. */
    scram_keys_fake(h, s->opts.server_secret, s->user, s->opts.iterations, &s->keys);
    s->exists = c->exists && keys->iterations > 0;
    if (s->exists)
        s->keys = *keys;
    return moved(s, s->mechanism->credentials(s, out));
}

void sasl_work(struct sasl *s)
{
    if (s->at == SASL_AT_WORK)
        s->mechanism->work(s);
}

enum sasl_result sasl_worked(struct sasl *s, struct buf *out)
{
    (void)out; /* no mechanism with work has anything to add to its success */
    if (s->at != SASL_AT_WORK)
        return moved(s, sasl_fail(s, SASL_NOT_AUTHORIZED));
    return moved(s, s->mechanism->worked(s));
}

struct span sasl_username(const struct sasl *s)
{
    return s->user;
}

enum sasl_failure sasl_failure(const struct sasl *s)
{
    return s->failure;
}

const char *sasl_mechanism(const struct sasl *s)
{
    return s->mechanism->name;
}

const char *sasl_failure_name(enum sasl_failure f)
{
    static const char *const names[] = {[SASL_FAILURE_NONE] = "",
#define X(name, element) [SASL_##name] = element,
                                        SASL_FAILURES(X)
#undef X
    };
    return names[f];
}

/* --- for the mechanisms --- */

enum sasl_result sasl_fail(struct sasl *s, enum sasl_failure failure)
{
    s->failure = failure;
    return SASL_FAILED;
}

bool sasl_set_user(struct sasl *s, struct span name)
{
    char prepared[JID_PART_MAX + 1];
    struct span user;
    if (name.n > JID_PART_MAX || !jid_prep_local(name, prepared, &user))
        return false;
    s->user = arena_span(&s->arena, user);
    return true;
}

bool sasl_may_act_as(const struct sasl *s, struct span authzid)
{
    if (span_is_empty(authzid))
        return true;
    struct jid_scratch scratch;
    struct jid jid;
    return jid_parse(authzid, &jid, &scratch) && jid_is_bare(&jid) && span_eq(jid.local, s->user) &&
           span_eq(jid.domain, s->opts.domain);
}
