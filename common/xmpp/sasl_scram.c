/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sasl_scram - SCRAM-SHA-1 and -256, with and without channel binding: RFC 5802, RFC 7677; bindings
 * tls-exporter (RFC 9266) and tls-server-end-point (RFC 5929). Called by sasl.c.
 *
 *   C: n,,n=user,r=CNONCE                     gs2 header, then client-first-message-bare
 *   S: r=CNONCE+SNONCE,s=SALT,i=ITERATIONS
 *   C: c=biws,r=CNONCE+SNONCE,p=PROOF
 *   S: v=SIGNATURE
 *
 * Attributes come in this order and no other. A user who does not exist is answered alike, with
 * fake keys, and fails at the proof.
 */
#include "xmpp/sasl_private.h"

#include "base/mem.h"

#define PROOF_TEXT_MAX 64
/* The base64 of a header with the longest names and of the binding's data. */
#define BINDING_TEXT_MAX SASL_MESSAGE_MAX

/* take_field - the bytes up to the next comma; rest becomes none after the last. False: no more. */
static bool take_field(struct span *rest, struct span *field_r)
{
    if (span_is_none(*rest))
        return false;
    size_t comma = span_index(*rest, ',');
    *field_r = span_make(rest->p, comma);
    *rest = comma < rest->n ? span_from(*rest, comma + 1) : SPAN_NONE;
    return true;
}

/* The next field must be "name=value", value not empty. */
static bool take_value(struct span *rest, char name, struct span *value_r)
{
    struct span field;
    if (!take_field(rest, &field) || field.n < 3 || field.p[0] != name || field.p[1] != '=')
        return false;
    *value_r = span_from(field, 2);
    return true;
}

/* Extensions that a client may add are ignored, but m= says that ignoring one would be wrong. */
static bool skip_extensions(struct span rest)
{
    struct span field;
    while (take_field(&rest, &field)) {
        char name = field.n >= 3 ? (char)(field.p[0] | 0x20) : '\0';
        if (name < 'a' || name > 'z' || field.p[1] != '=' || field.p[0] == 'm' ||
            span_index(field, '\0') < field.n)
            return false;
    }
    return true;
}

/* saslname: "=2C" is a comma, "=3D" an equals sign, and no other "=" may stand in it. */
static bool unescape(struct arena *a, struct span text, struct span *name_r)
{
    char *to = arena_bytes(a, text.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '\0')
            return false;
        if (c == '=') {
            struct span code = span_make(text.p + i, text.n - i < 3 ? text.n - i : 3);
            if (span_eq(code, SPAN("=2C")))
                c = ',';
            else if (span_eq(code, SPAN("=3D")))
                c = '=';
            else
                return false;
            i += 2;
        }
        to[n++] = c;
    }
    *name_r = span_make(to, n);
    return true;
}

static bool is_nonce(struct span nonce)
{
    for (size_t i = 0; i < nonce.n; i++) {
        if (nonce.p[i] < 0x21 || nonce.p[i] > 0x7e)
            return false;
    }
    return nonce.n <= SCRAM_CLIENT_NONCE_MAX;
}

/* The binding that a client's p= names: none when it is unknown or the connection lacks it. */
static struct span binding_named(const struct sasl *s, struct span name)
{
    if (span_eq(name, SPAN("tls-exporter")) && s->opts.cb_exporter.n > 0)
        return s->opts.cb_exporter;
    if (span_eq(name, SPAN("tls-server-end-point")) && s->opts.cb_end_point.n > 0)
        return s->opts.cb_end_point;
    return SPAN_NONE;
}

/* check_flag - the gs2-cbind-flag against the mechanism that the client chose. */
static enum sasl_failure check_flag(const struct sasl *s, struct span flag, struct span *data_r)
{
    *data_r = SPAN_NONE;
    if (span_starts(flag, SPAN("p="))) {
        /* Only a -PLUS mechanism binds (RFC 5802 6). */
        if (!s->mechanism->plus)
            return SASL_MALFORMED_REQUEST;
        *data_r = binding_named(s, span_from(flag, 2));
        return span_is_none(*data_r) ? SASL_MALFORMED_REQUEST : SASL_FAILURE_NONE;
    }
    if (s->mechanism->plus)
        return SASL_MALFORMED_REQUEST;
    if (span_eq(flag, SPAN("y"))) {
        /* The client could bind and believes that we cannot. If we can, someone has taken the
         * -PLUS mechanisms out of our offer. */
        bool can = s->opts.cb_exporter.n > 0 || s->opts.cb_end_point.n > 0;
        return can ? SASL_NOT_AUTHORIZED : SASL_FAILURE_NONE;
    }
    return span_eq(flag, SPAN("n")) ? SASL_FAILURE_NONE : SASL_MALFORMED_REQUEST;
}

enum sasl_result sasl_scram_first(struct sasl *s, struct span message)
{
    struct span rest = message, flag, authz, data, name, nonce, user, authzid = SPAN_NONE;
    if (!take_field(&rest, &flag) || !take_field(&rest, &authz) || span_is_none(rest))
        return sasl_fail(s, SASL_MALFORMED_REQUEST);
    enum sasl_failure failure = check_flag(s, flag, &data);
    if (failure != SASL_FAILURE_NONE)
        return sasl_fail(s, failure);
    struct span header = span_make(message.p, (size_t)(rest.p - message.p)), bare = rest;

    if (authz.n > 0 && !(authz.n >= 3 && span_starts(authz, SPAN("a=")) &&
                         unescape(&s->arena, span_from(authz, 2), &authzid)))
        return sasl_fail(s, SASL_MALFORMED_REQUEST);
    if (!take_value(&rest, 'n', &name) || !unescape(&s->arena, name, &user) ||
        !take_value(&rest, 'r', &nonce) || !is_nonce(nonce) || !skip_extensions(rest))
        return sasl_fail(s, SASL_MALFORMED_REQUEST);
    if (!sasl_set_user(s, user))
        return sasl_fail(s, SASL_NOT_AUTHORIZED);
    if (!sasl_may_act_as(s, authzid))
        return sasl_fail(s, SASL_INVALID_AUTHZID);

    char *both = arena_bytes(&s->arena, nonce.n + SCRAM_NONCE_LEN);
    memcpy(both, nonce.p, nonce.n);
    memcpy(both + nonce.n, s->server_nonce, SCRAM_NONCE_LEN);
    s->nonce = span_make(both, nonce.n + SCRAM_NONCE_LEN);
    buf_append(&s->binding, header);
    buf_append(&s->binding, data);
    buf_append(&s->messages, bare);
    buf_append_char(&s->messages, ',');
    return SASL_CREDENTIALS_WANTED;
}

enum sasl_result sasl_scram_credentials(struct sasl *s, struct buf *out)
{
    size_t start = buf_len(&s->messages);
    buf_append_z(&s->messages, "r=");
    buf_append(&s->messages, s->nonce);
    buf_append_z(&s->messages, ",s=");
    base64_encode(&s->messages, span_make((const char *)s->keys.salt, s->keys.salt_len));
    buf_append_z(&s->messages, ",i=");
    buf_append_u64(&s->messages, s->keys.iterations);
    buf_append(out, span_from(buf_span(&s->messages), start));
    buf_append_char(&s->messages, ',');
    return SASL_CHALLENGE;
}

/* Whether text is the base64 of what this client must have bound to. */
static enum sasl_failure check_binding(struct sasl *s, struct span text)
{
    struct buf decoded = {.max = BINDING_TEXT_MAX};
    enum sasl_failure failure = SASL_FAILURE_NONE;
    if (!base64_decode(&decoded, text))
        failure = SASL_MALFORMED_REQUEST;
    else if (!crypto_equal(buf_span(&decoded), buf_span(&s->binding)))
        failure = SASL_NOT_AUTHORIZED;
    buf_free(&decoded);
    return failure;
}

static enum sasl_failure check_proof(struct sasl *s, struct span text)
{
    struct buf proof = {.max = PROOF_TEXT_MAX};
    enum sasl_failure failure = SASL_FAILURE_NONE;
    if (!base64_decode(&proof, text)) {
        failure = SASL_MALFORMED_REQUEST;
    } else {
        bool ok = scram_proof_ok(s->mechanism->hash, s->keys.stored_key, buf_span(&s->messages),
                                 buf_span(&proof));
        if (!ok || !s->exists)
            failure = SASL_NOT_AUTHORIZED;
    }
    buf_wipe(&proof);
    return failure;
}

/* The proof is the last field, and everything before it is signed. */
static bool split_proof(struct span message, struct span *signed_r, struct span *proof_r)
{
    size_t i = message.n;
    while (i > 0 && message.p[i - 1] != ',')
        i--;
    struct span last = span_from(message, i);
    if (i == 0 || last.n < 3 || !span_starts(last, SPAN("p=")))
        return false;
    *signed_r = span_make(message.p, i - 1);
    *proof_r = span_from(last, 2);
    return true;
}

enum sasl_result sasl_scram_final(struct sasl *s, struct span message, struct buf *out)
{
    struct span without_proof, proof, rest, binding, nonce;
    if (!split_proof(message, &without_proof, &proof))
        return sasl_fail(s, SASL_MALFORMED_REQUEST);
    rest = without_proof;
    if (!take_value(&rest, 'c', &binding) || !take_value(&rest, 'r', &nonce) ||
        !skip_extensions(rest))
        return sasl_fail(s, SASL_MALFORMED_REQUEST);

    enum sasl_failure failure = check_binding(s, binding);
    if (failure == SASL_FAILURE_NONE && !crypto_equal(nonce, s->nonce))
        failure = SASL_NOT_AUTHORIZED;
    if (failure == SASL_FAILURE_NONE) {
        buf_append(&s->messages, without_proof);
        failure = check_proof(s, proof);
    }
    if (failure != SASL_FAILURE_NONE)
        return sasl_fail(s, failure);

    unsigned char signature[CRYPTO_HASH_MAX];
    size_t n = crypto_hash_len(s->mechanism->hash);
    crypto_hmac(s->mechanism->hash, span_make((const char *)s->keys.server_key, n),
                buf_span(&s->messages), signature);
    buf_append_z(out, "v=");
    base64_encode(out, span_make((const char *)signature, n));
    return SASL_SUCCESS;
}
