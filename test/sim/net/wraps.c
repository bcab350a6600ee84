/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wraps - where the code under test is looked at, and what is cheap here: databases that outlive
 * their process, keys that are no keys, and what passes on connections.
 */
#include "wraps.h"

#include "base/conn_private.h"
#include "base/mem.h"
#include "c2s/sm/network/network.h"
#include "rings.h"
#include "tls/bridge.h"
#include "tls/crypto.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

/* --- databases: in memory, one for each process, for as long as its server is there ----------- */

#define STORE_FLAGS (SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI)

static char store_name[96];

void wraps_use_store(const struct site *s, int which)
{
    snprintf(store_name, sizeof store_name, "file:/rings-%zu-%d?vfs=memdb", s->index, which);
}

WRAP(int, sqlite3_open_v2, (const char *path, sqlite3 **sql_r, int flags, const char *vfs))
{
    (void)path;
    return __real_sqlite3_open_v2(store_name, sql_r, STORE_FLAGS | flags, vfs);
}

void wraps_open_stores(struct site *s)
{
    for (int which = 0; which < 2; which++) {
        sqlite3 *sql;
        wraps_use_store(s, which);
        if (__real_sqlite3_open_v2(store_name, &sql, STORE_FLAGS, NULL) != SQLITE_OK)
            abort();
        s->keepers[which] = sql;
    }
}

void wraps_close_stores(struct site *s)
{
    for (int which = 0; which < 2; which++)
        sqlite3_close(s->keepers[which]);
}

int wraps_count(const struct site *s, int which, const char *sql)
{
    sqlite3_stmt *st;
    int count = -1;
    if (sqlite3_prepare_v2(s->keepers[which], sql, -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        count = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return count;
}

/* Slow by design; here only the same must come of the same. */
WRAP(void, crypto_pbkdf2,
     (enum crypto_hash h, struct span password, struct span salt, uint32_t iterations,
      unsigned char *out_r))
{
    __real_crypto_pbkdf2(h, password, salt, iterations > 1 ? 1 : iterations, out_r);
}

/* --- keys: a fingerprint and nothing else; its signatures are digests ------------------------- */

struct server_key {
    char fingerprint[SERVER_FINGERPRINT + 1];
};

static bool read_key(const char *file, char fingerprint_r[SERVER_FINGERPRINT + 1])
{
    FILE *f = fopen(file, "re");
    bool is_read = f && fgets(fingerprint_r, SERVER_FINGERPRINT + 1, f);
    if (f)
        fclose(f);
    return is_read;
}

static void sign(const char *fingerprint, struct span text, unsigned char out[CRYPTO_HASH_MAX])
{
    crypto_hmac(CRYPTO_SHA256, span_of(fingerprint), text, out);
}

WRAP(struct server_key *, server_key_open, (const char *file, char error_r[CONF_ERROR_MAX]))
{
    struct server_key *k = mem_zalloc(sizeof *k);
    if (read_key(file, k->fingerprint))
        return k;
    snprintf(error_r, CONF_ERROR_MAX, "%s: no key", file);
    free(k);
    return NULL;
}

WRAP(struct server_key *, server_key_parse, (struct span packets, char error_r[CONF_ERROR_MAX]))
{
    struct server_key *k = mem_zalloc(sizeof *k);
    if (packets.n == SERVER_FINGERPRINT) {
        memcpy(k->fingerprint, packets.p, packets.n);
        return k;
    }
    snprintf(error_r, CONF_ERROR_MAX, "no key");
    free(k);
    return NULL;
}

WRAP(void, server_key_free, (struct server_key * *k))
{
    free(*k);
    *k = NULL;
}

WRAP(const char *, server_key_fingerprint, (const struct server_key *k))
{
    return k->fingerprint;
}

WRAP(struct span, server_key_packets, (const struct server_key *k))
{
    return span_of(k->fingerprint);
}

WRAP(bool, server_key_verifies,
     (const struct server_key *k, struct span text, struct span signature))
{
    unsigned char digest[CRYPTO_HASH_MAX];
    sign(k->fingerprint, text, digest);
    return span_eq(signature, span_make((const char *)digest, sizeof digest));
}

WRAP(struct tls_signer *, tls_signer_open, (const char *file, char error_r[TLS_ERROR_MAX]))
{
    struct server_key *k = mem_zalloc(sizeof *k);
    if (read_key(file, k->fingerprint))
        return (struct tls_signer *)(void *)k;
    snprintf(error_r, TLS_ERROR_MAX, "%s: no key", file);
    free(k);
    return NULL;
}

WRAP(void, tls_signer_free, (struct tls_signer * *s))
{
    free(*s);
    *s = NULL;
}

WRAP(bool, tls_sign, (struct tls_signer * s, struct span text, struct buf *signature))
{
    const struct server_key *k = (const void *)s;
    unsigned char digest[CRYPTO_HASH_MAX];
    sign(k->fingerprint, text, digest);
    buf_append(signature, span_make((const char *)digest, sizeof digest));
    return true;
}

/* On virtual time a c2s signs nothing, for there are no keys: here are. */
WRAP(struct sm *, sm_new, (struct loop * loop, struct store *store, const struct sm_opts *opts))
{
    char cert[96], key[96];
    struct sm_opts changed = *opts;
    for (size_t i = 0; i < ring->site_count; i++) {
        const struct site *s = &ring->sites[i];
        if (!span_eq(opts->host, span_of(s->host)))
            continue;
        snprintf(cert, sizeof cert, "%s/cert.pem", s->folder);
        snprintf(key, sizeof key, "%s/key.pem", s->folder);
        changed.net.cert = cert;
        changed.net.key = key;
    }
    return __real_sm_new(loop, store, &changed);
}

/* --- connections ------------------------------------------------------------------------------ */

/* The messages whose ids stand in what is sent; whoever is told of an error may have gone. */
static void note_messages(struct span bytes, const struct site *a, const struct site *b)
{
    static const struct span mark = SPAN_INIT(" id='m");
    const char *at;
    while (bytes.n > mark.n && (at = memmem(bytes.p, bytes.n, mark.p, mark.n))) {
        uint64_t number = 0;
        bytes = span_from(bytes, (size_t)(at - bytes.p) + mark.n);
        struct span digits = span_make(bytes.p, span_index(bytes, '\''));
        if (digits.n == bytes.n || !span_to_u64(digits, UINT32_MAX, &number))
            continue;
        ledger_pass((uint32_t)number, a, b);
        if (memmem(bytes.p, span_index(bytes, '>'), "type='error'", 12))
            ledger_answer((uint32_t)number);
    }
}

WRAP(void, conn_fake_tick, (struct conn * c))
{
    if (buf_len(&c->out) > 0) {
        const struct site *other = NULL, *site = links_end(c, &other);
        if (site)
            meter_link(buf_span(&c->out));
        if (ring_is_traced && getenv("SIM_WIRE"))
            ring_trace("%s>%s %.*s", site ? site->host : "", other ? other->host : "",
                       SPAN_ARG(buf_span(&c->out)));
        note_messages(buf_span(&c->out), site, other);
    }
    __real_conn_fake_tick(c);
}

WRAP(void, conn_fake_destroy, (struct conn * c))
{
    links_forget(c);
    __real_conn_fake_destroy(c);
}

/* --- questions -------------------------------------------------------------------------------- */

WRAP(struct sm_question *, sm_question_ask,
     (struct sm * sm, struct span to, bool is_set, struct span payload, uint64_t deadline,
      void (*answer)(void *ctx, enum stanza_error e, const struct stanza *result, uint32_t payload),
      void *ctx))
{
    struct sm_question *q = __real_sm_question_ask(sm, to, is_set, payload, deadline, answer, ctx);
    if (q) {
        meter_question(is_set, payload);
        ring_trace("%.*s asks %.*s: %.*s", SPAN_ARG(sm->opts.host), SPAN_ARG(to),
                   (int)(payload.n < 120 ? payload.n : 120), payload.p);
    }
    return q;
}
