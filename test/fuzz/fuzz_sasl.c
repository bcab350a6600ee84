/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_sasl - the messages of a client, after base64, to each mechanism.
 *
 * Byte 0 chooses the mechanism, byte 1 what is known (the bits below). Messages are parted by 0xFF;
 * in them 0x01 stands for the nonce that the server gave and 0x02 for the right proof of what is
 * before it, so that the far end of SCRAM is within reach. Without 0x02, or the password, nobody
 * gets in.
 */
#include "fuzz.h"

#include "base/mem.h"
#include "xmpp/sasl_private.h"

#define IS_SECURE 1
#define HAS_EXPORTER 2
#define HAS_END_POINT 4
#define USER_EXISTS 8
#define ONLY_SHA1 16
#define NO_INITIAL 32
#define SPEAKS_ON 64

#define PASSWORD "pencil"

static const uint8_t secret[32] = "0123456789abcdef0123456789abcde";
static const uint8_t salt[16] = "salt of a user.";

/* What a client knows of the exchange. */
struct course {
    struct sasl *sasl;
    enum crypto_hash hash;
    uint8_t flags;
    struct buf first_bare, server_first;
    bool knows; /* has said the password, or a right proof */
};

/* RFC 5802 3, the client's side: the proof of the client's last message without it. */
static void add_proof(struct course *c, struct buf *message)
{
    unsigned char salted[CRYPTO_HASH_MAX], key[CRYPTO_HASH_MAX], stored[CRYPTO_HASH_MAX],
        signature[CRYPTO_HASH_MAX];
    size_t n = crypto_hash_len(c->hash);
    struct span last = buf_span(message);
    struct buf all = {0};
    if (!span_ends(last, SPAN(",p=")))
        return;
    buf_append(&all, buf_span(&c->first_bare));
    buf_append_char(&all, ',');
    buf_append(&all, buf_span(&c->server_first));
    buf_append_char(&all, ',');
    buf_append(&all, span_make(last.p, last.n - 3));
    crypto_pbkdf2(c->hash, SPAN(PASSWORD), span_make((const char *)salt, sizeof salt), 4096,
                  salted);
    crypto_hmac(c->hash, span_make((char *)salted, n), SPAN("Client Key"), key);
    crypto_digest(c->hash, span_make((char *)key, n), stored);
    crypto_hmac(c->hash, span_make((char *)stored, n), buf_span(&all), signature);
    for (size_t i = 0; i < n; i++)
        key[i] ^= signature[i];
    base64_encode(message, span_make((char *)key, n));
    buf_free(&all);
    c->knows = true;
}

static void add_nonce(struct course *c, struct buf *message)
{
    struct span first = buf_span(&c->server_first);
    if (span_starts(first, SPAN("r=")))
        buf_append(message, span_make(first.p + 2, span_index(first, ',') - 2));
}

/* PLAIN: what follows the last NUL. Many spellings are the same password (SASLprep). */
static void note_password(struct course *c, struct span message)
{
    const char *nul = message.n ? memrchr(message.p, '\0', message.n) : NULL;
    struct buf prepared = {0};
    if (nul && sasl_prep(span_from(message, (size_t)(nul + 1 - message.p)), &prepared) &&
        span_eq(buf_span(&prepared), SPAN(PASSWORD)))
        c->knows = true;
    buf_free(&prepared);
}

static void expand(struct course *c, struct span part, struct buf *message)
{
    for (size_t i = 0; i < part.n; i++) {
        if (part.p[i] == '\x01')
            add_nonce(c, message);
        else if (part.p[i] == '\x02')
            add_proof(c, message);
        else
            buf_append_char(message, part.p[i]);
    }
    struct span whole = buf_span(message);
    note_password(c, whole);
    if (buf_len(&c->server_first) > 0)
        return;
    /* The client's first message without its header: what follows the second comma. */
    size_t comma = span_index(whole, ',');
    struct span rest = comma < whole.n ? span_from(whole, comma + 1) : SPAN("");
    comma = span_index(rest, ',');
    buf_clear(&c->first_bare);
    buf_append(&c->first_bare, comma < rest.n ? span_from(rest, comma + 1) : SPAN(""));
}

static void set_keys(enum crypto_hash h, struct scram_keys *keys)
{
    if (!scram_keys_derive(h, SPAN(PASSWORD), 4096, salt, keys))
        fuzz_fail("no keys", SPAN(PASSWORD), SPAN(""));
}

static enum sasl_result look_up(struct course *c, struct buf *out)
{
    struct sasl_credentials known = {.exists = c->flags & USER_EXISTS};
    struct span name = sasl_username(c->sasl);
    if (name.n == 0 || name.n > JID_PART_MAX)
        fuzz_fail("a name of no good length", name, SPAN(""));
    set_keys(CRYPTO_SHA1, &known.sha1);
    if (!(c->flags & ONLY_SHA1))
        set_keys(CRYPTO_SHA256, &known.sha256);
    return sasl_credentials(c->sasl, &known, out);
}

/* One message of the client and what follows from it. */
static enum sasl_result step(struct course *c, struct span message, struct buf *out)
{
    enum sasl_result r = sasl_step(c->sasl, message, out);
    while (r == SASL_CREDENTIALS_WANTED || r == SASL_WORK_WANTED) {
        if (r == SASL_CREDENTIALS_WANTED) {
            r = look_up(c, out);
        } else {
            sasl_work(c->sasl);
            r = sasl_worked(c->sasl, out);
        }
    }
    if ((r == SASL_FAILED) != (sasl_failure(c->sasl) != SASL_FAILURE_NONE))
        fuzz_fail("a failure without a reason, or the reverse", message, SPAN(""));
    if (r == SASL_SUCCESS && !(c->knows && c->flags & USER_EXISTS))
        fuzz_fail("got in without knowing the password", message, sasl_username(c->sasl));
    return r;
}

static void converse(struct course *c, struct span in)
{
    enum sasl_result r = SASL_CHALLENGE;
    struct buf out = {0};
    if (c->flags & NO_INITIAL)
        r = step(c, SPAN_NONE, &out);
    for (int i = 0; r == SASL_CHALLENGE && i < 6; i++) {
        struct buf message = {0};
        buf_clear(&out);
        expand(c, fuzz_part(&in, '\xff'), &message);
        r = step(c, buf_span(&message), &out);
        if (buf_len(&c->server_first) == 0)
            buf_append(&c->server_first, buf_span(&out));
        buf_free(&message);
    }
    /* The end is the end. */
    if (c->flags & SPEAKS_ON && sasl_step(c->sasl, SPAN("n,,n=u,r=1"), &out) != SASL_FAILED)
        fuzz_fail("it goes on after the end", SPAN(""), SPAN(""));
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const names[] = {"PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256",
                                        "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"};
    struct span in = fuzz_input(data, n);
    const char *name = names[fuzz_byte(&in) % ARRAY_LEN(names)];
    struct course c = {.flags = fuzz_byte(&in)};
    struct sasl_opts opts = {.domain = SPAN("h.example"),
                             .secure = c.flags & IS_SECURE,
                             .iterations = 4096,
                             .server_secret = secret,
                             .cb_exporter = c.flags & HAS_EXPORTER ? SPAN("exported") : SPAN(""),
                             .cb_end_point = c.flags & HAS_END_POINT ? SPAN("hashed") : SPAN("")};
    enum sasl_failure failure = SASL_FAILURE_NONE;
    crypto_simulate(7);
    c.hash = strstr(name, "256") ? CRYPTO_SHA256 : CRYPTO_SHA1;
    c.sasl = sasl_new(&opts, span_of(name), &failure);
    if (!c.sasl && failure != SASL_INVALID_MECHANISM)
        fuzz_fail("refused for another reason", span_of(name), SPAN(""));
    if (c.sasl) {
        converse(&c, in);
        sasl_free(&c.sasl);
    }
    buf_free(&c.first_bare);
    buf_free(&c.server_first);
    crypto_simulate(0);
    return 0;
}
