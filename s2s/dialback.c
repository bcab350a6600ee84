/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dialback - writes the words of server dialback and makes its keys. Called by in.c and out.c for
 * the streams of both directions; keeps nothing, so that any process with the secret can tell
 * whether a key is its own. Our streams declare the prefix in their headers.
 *
 * XEP-0220 2; XEP-0185 for the keys: nobody who knows one learns another, because the domains and
 * the stream's id go into it.
 */
#include "s2s/dialback.h"

#include "tls/crypto.h"
#include "xmpp/ns.h"

void dialback_key(const struct s2s *s, struct span remote, struct span local, struct span stream_id,
                  char key_r[DIALBACK_KEY_LEN + 1])
{
    unsigned char digest[CRYPTO_HASH_MAX];
    char secret[2 * CRYPTO_HASH_MAX + 1];
    struct buf text = {0};

    crypto_digest(CRYPTO_SHA256,
                  span_make((const char *)s->dialback_secret, sizeof s->dialback_secret), digest);
    crypto_hex(span_make((const char *)digest, sizeof digest), secret);
    buf_append(&text, remote);
    buf_append_char(&text, ' ');
    buf_append(&text, local);
    buf_append_char(&text, ' ');
    buf_append(&text, stream_id);
    crypto_hmac(CRYPTO_SHA256, span_of(secret), buf_span(&text), digest);
    crypto_hex(span_make((const char *)digest, sizeof digest), key_r);
    buf_free(&text);
    mem_wipe(secret, sizeof secret);
}

bool dialback_is_key(const struct s2s *s, struct span remote, struct span local,
                     struct span stream_id, struct span key)
{
    char own[DIALBACK_KEY_LEN + 1];
    dialback_key(s, remote, local, stream_id, own);
    bool is_own = crypto_equal(span_make(own, DIALBACK_KEY_LEN), key);
    mem_wipe(own, sizeof own);
    return is_own;
}

/* --- words ------------------------------------------------------------------------------------ */

static void begin(struct buf *out, const char *name, struct span from, struct span to,
                  struct span id, struct span type)
{
    xml_raw(out, SPAN("<db:"));
    buf_append_z(out, name);
    xml_attr(out, "from", from);
    xml_attr(out, "to", to);
    xml_attr(out, "id", id);
    xml_attr(out, "type", type);
}

static void end(struct buf *out, const char *name)
{
    xml_raw(out, SPAN("</db:"));
    buf_append_z(out, name);
    xml_raw(out, SPAN(">"));
}

static void write_word(struct buf *out, const char *name, struct span from, struct span to,
                       struct span id, struct span type, struct span key)
{
    begin(out, name, from, to, id, type);
    if (span_is_empty(key)) {
        xml_raw(out, SPAN("/>"));
        return;
    }
    xml_raw(out, SPAN(">"));
    xml_text(out, key);
    end(out, name);
}

void dialback_write_result(struct buf *out, struct span from, struct span to, struct span type,
                           struct span key)
{
    write_word(out, "result", from, to, SPAN_NONE, type, key);
}

void dialback_write_verify(struct buf *out, struct span from, struct span to, struct span id,
                           struct span type, struct span key)
{
    write_word(out, "verify", from, to, id, type, key);
}

void dialback_write_error(struct buf *out, const char *name, struct span from, struct span to,
                          struct span id, enum stanza_error e)
{
    begin(out, name, from, to, id, SPAN("error"));
    xml_raw(out, SPAN("><error type='"));
    buf_append_z(out, stanza_error_type(e));
    xml_raw(out, SPAN("'><"));
    buf_append_z(out, stanza_error_name(e));
    xml_raw(out, SPAN(" xmlns='" NS_STANZA_ERRORS "'/></error>"));
    end(out, name);
}
