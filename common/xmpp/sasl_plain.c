/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sasl_plain - PLAIN (RFC 4616): the password itself, checked against the SCRAM-SHA-256 keys (of
 * who has none, the SCRAM-SHA-1 keys), as passwords are not stored. Called by sasl.c. The slow part
 * runs on a work thread, for users who do not exist as well.
 */
#include "xmpp/sasl_private.h"

#include "base/mem.h"

/* message = [authzid] NUL authcid NUL passwd */
enum sasl_result sasl_plain_first(struct sasl *s, struct span message)
{
    size_t first = span_index(message, '\0');
    if (first == message.n)
        return sasl_fail(s, SASL_MALFORMED_REQUEST);
    struct span authzid = span_make(message.p, first), rest = span_from(message, first + 1);
    size_t second = span_index(rest, '\0');
    if (second == rest.n)
        return sasl_fail(s, SASL_MALFORMED_REQUEST);
    struct span authcid = span_make(rest.p, second), password = span_from(rest, second + 1);
    if (span_is_empty(authcid) || span_is_empty(password) ||
        span_index(password, '\0') < password.n)
        return sasl_fail(s, SASL_MALFORMED_REQUEST);

    /* Too long for anybody's: not worth a derivation. */
    if (password.n > SASL_PASSWORD_MAX || !sasl_set_user(s, authcid))
        return sasl_fail(s, SASL_NOT_AUTHORIZED);
    if (!sasl_may_act_as(s, authzid))
        return sasl_fail(s, SASL_INVALID_AUTHZID);
    s->password = arena_span(&s->arena, password);
    return SASL_CREDENTIALS_WANTED;
}

enum sasl_result sasl_plain_credentials(struct sasl *s, struct buf *out)
{
    (void)s;
    (void)out;
    return SASL_WORK_WANTED;
}

void sasl_plain_work(struct sasl *s)
{
    struct scram_keys derived;
    struct span salt = span_make((const char *)s->keys.salt, s->keys.salt_len);
    bool ok = scram_keys_derive_salted(s->hash, s->password, s->keys.iterations, salt, &derived);
    size_t n = crypto_hash_len(s->hash);
    s->verified = ok && crypto_equal(span_make((const char *)derived.stored_key, n),
                                     span_make((const char *)s->keys.stored_key, n));
    mem_wipe(&derived, sizeof(derived));
}

enum sasl_result sasl_plain_worked(struct sasl *s)
{
    return s->verified && s->exists ? SASL_SUCCESS : sasl_fail(s, SASL_NOT_AUTHORIZED);
}
