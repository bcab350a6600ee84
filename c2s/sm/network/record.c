/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * record - where a user is at home: as it is kept in the store, told to other servers, signed and
 * verified (c2s/NETWORK.md).
 *
 * Of two records of a user the newer one holds; of two of the same moment the one whose host is
 * smaller, so that all servers agree. Called by directory.c, publish.c, moved.c and lookup.c. Who
 * waits for the key of a server is kept in sm->net until it is there, and is told before the room
 * is closed.
 */
#include "c2s/sm/network/record.h"

#include "tls/bridge.h"
#include "tls/crypto.h"

#include <stdlib.h>

#define FUTURE_MS (10 * 60 * 1000)
#define PROOF_MAX 1024 /* bytes of a signature */

/* --- which one holds --- */

bool sm_record_beats(const struct sm_home_record *r, struct span host, int64_t stamp)
{
    if (r->stamp != stamp)
        return r->stamp > stamp;
    const size_t n = r->host.n < host.n ? r->host.n : host.n;
    const int order = n ? memcmp(r->host.p, host.p, n) : 0;
    return order != 0 ? order < 0 : r->host.n < host.n;
}

bool sm_record_is_sound(const struct sm *sm, const struct sm_home_record *r)
{
    return r->stamp >= 0 && r->stamp <= loop_wall(sm->loop) + FUTURE_MS;
}

/* --- in the store, in run() ------------------------------------------------------------------- */

int sm_record_load(struct db *db, struct span user, struct sm_home_record *r, struct buf *text)
{
    struct db_stmt *st = db_sql(db, "SELECT host, stamp, proof FROM home WHERE user = ?1");
    struct span host, proof;
    int got;

    buf_clear(text);
    db_bind_text(st, 1, user);
    got = db_step(st);
    if (got > 0) {
        host = db_text(st, 0);
        proof = db_blob(st, 2);
        buf_append(text, user);
        buf_append(text, host);
        buf_append(text, proof);
        const char *p = buf_span(text).p;
        *r = (struct sm_home_record){
            .user = span_make(p, user.n),
            .host = span_make(p + user.n, host.n),
            .stamp = db_int(st, 1),
            .proof = span_make(p + user.n + host.n, proof.n),
        };
    }
    db_reset(st);
    return got;
}

static int put(struct db *db, const struct sm_home_record *r)
{
    struct db_stmt *st =
        db_sql(db, "INSERT INTO home (user, host, stamp, proof) VALUES (?1, ?2, ?3, ?4)"
                   " ON CONFLICT (user) DO UPDATE SET host = ?2, stamp = ?3, proof = ?4,"
                   " former = CASE host WHEN ?2 THEN former ELSE host END");

    db_bind_text(st, 1, r->user);
    db_bind_text(st, 2, r->host);
    db_bind_int(st, 3, r->stamp);
    db_bind_blob(st, 4, r->proof.n ? r->proof : SPAN(""));
    return db_run(st);
}

int sm_record_save(struct db *db, const struct sm_home_record *r, struct buf *old_host)
{
    struct sm_home_record old;
    struct buf text = {0};
    int result = sm_record_load(db, r->user, &old, &text);

    buf_clear(old_host);
    if (result > 0 && !span_eq(old.host, r->host))
        buf_append(old_host, old.host);
    if (result > 0 && old.stamp == r->stamp && span_eq(old.host, r->host)) {
        result = r->proof.n > 0 && !span_eq(r->proof, old.proof) ? put(db, r) : STORE_OK;
        result = result < 0 ? result : 1;
    } else if (result > 0 && !sm_record_beats(r, old.host, old.stamp)) {
        result = 0;
    } else if (result >= 0) {
        result = put(db, r);
        result = result < 0 ? result : 1;
    }
    buf_free(&text);
    return result;
}

/* --- on the wire ------------------------------------------------------------------------------ */

void sm_record_write_with(struct buf *out, const struct sm_home_record *r, struct span type)
{
    xml_raw(out, SPAN("<home xmlns='" NS_NETWORK "'"));
    xml_attr(out, "user", r->user);
    xml_attr(out, "host", r->host);
    xml_raw(out, SPAN(" stamp='"));
    buf_append_u64(out, (uint64_t)r->stamp);
    xml_raw(out, SPAN("'"));
    if (r->proof.n > 0) {
        xml_raw(out, SPAN(" proof='"));
        base64_encode(out, r->proof);
        xml_raw(out, SPAN("'"));
    }
    xml_attr(out, "type", type);
    xml_raw(out, SPAN("/>"));
}

void sm_record_write(struct buf *out, const struct sm_home_record *r)
{
    sm_record_write_with(out, r, SPAN_NONE);
}

bool sm_record_is_user(struct span name)
{
    char text[JID_PART_MAX];
    struct span prepared;

    return !span_is_none(name) && jid_prep_local(name, text, &prepared) && span_eq(name, prepared);
}

static bool is_host(struct span name)
{
    char text[JID_PART_MAX];
    struct span prepared;

    return !span_is_none(name) && jid_prep_domain(name, text, &prepared) && span_eq(name, prepared);
}

bool sm_record_read(const struct stanza *s, uint32_t node, struct sm_home_record *r,
                    struct buf *scratch)
{
    const struct span proof = stanza_attr(s, node, SPAN("proof"));
    uint64_t stamp;

    if (!stanza_is(s, node, SPAN(NS_NETWORK), SPAN("home")))
        return false;
    *r = (struct sm_home_record){
        .user = stanza_attr(s, node, SPAN("user")),
        .host = stanza_attr(s, node, SPAN("host")),
    };
    buf_clear(scratch);
    if (!sm_record_is_user(r->user) || !is_host(r->host) ||
        !span_to_u64(stanza_attr(s, node, SPAN("stamp")), INT64_MAX, &stamp))
        return false;
    r->stamp = (int64_t)stamp;
    if (proof.n / 4 * 3 > PROOF_MAX || (proof.n > 0 && !base64_decode(scratch, proof)))
        return false;
    r->proof = buf_len(scratch) > 0 ? buf_span(scratch) : SPAN_NONE;
    return true;
}

/* --- signatures ------------------------------------------------------------------------------- */

void sm_record_sign(struct sm *sm, struct span user, int64_t stamp, struct buf *proof)
{
    struct buf text = {0};

    buf_clear(proof);
    if (!sm->net->signer)
        return;
    server_key_home_text(user, sm->opts.host, stamp, &text);
    if (!tls_sign(sm->net->signer, buf_span(&text), proof)) {
        LOG(LOG_ERROR, "network.sign_failed", F_SPAN("user", user));
        buf_clear(proof);
    }
    buf_free(&text);
}

bool sm_record_is_signed(const struct sm_home_record *r, const struct server_key *key)
{
    struct buf text = {0};
    bool is_good;

    if (!key || r->proof.n == 0)
        return false;
    server_key_home_text(r->user, r->host, r->stamp, &text);
    is_good = server_key_verifies(key, buf_span(&text), r->proof);
    buf_free(&text);
    return is_good;
}

bool sm_record_is_stale(const struct sm *sm, const struct sm_home_record *r)
{
    return sm->net->key && r->proof.n > 0 && !sm_record_is_signed(r, sm->net->key);
}

/* --- keys that are waited for ----------------------------------------------------------------- */

struct key_wait {
    struct sm *sm;
    struct list_node node; /* in net->key_waits */
    void (*done)(void *ctx, const struct server_key *key);
    void *ctx;
};

static void on_key(void *ctx, const struct server_key *key)
{
    struct key_wait *w = ctx;

    list_remove(&w->node);
    w->sm->net->key_wait_count--;
    w->done(w->ctx, key);
    free(w);
}

void sm_record_key(struct sm *sm, struct span host,
                   void (*done)(void *ctx, const struct server_key *key), void *ctx)
{
    struct key_wait *w = mem_zalloc(sizeof(*w));

    w->sm = sm;
    w->done = done;
    w->ctx = ctx;
    sm->net->key_wait_count++;
    list_append(&sm->net->key_waits, &w->node);
    sm_server_key_get(sm, host, on_key, w);
}

struct verify {
    struct sm *sm;
    struct sm_home_record r; /* into text */
    struct buf text;
    void (*done)(void *ctx, bool is_good);
    void *ctx;
};

static void verify_end(void *ctx, const struct server_key *key)
{
    struct verify *v = ctx;
    const bool is_good = sm_record_is_sound(v->sm, &v->r) && sm_record_is_signed(&v->r, key);

    v->done(v->ctx, is_good);
    buf_free(&v->text);
    free(v);
}

void sm_record_copy(struct sm_home_record *to, struct buf *text, const struct sm_home_record *from)
{
    const char *p;

    buf_clear(text);
    buf_append(text, from->user);
    buf_append(text, from->host);
    buf_append(text, from->proof);
    p = buf_span(text).p;
    *to = (struct sm_home_record){
        .user = span_make(p, from->user.n),
        .host = span_make(p + from->user.n, from->host.n),
        .stamp = from->stamp,
        .proof = span_make(p + from->user.n + from->host.n, from->proof.n),
    };
}

void sm_record_verify(struct sm *sm, const struct sm_home_record *r,
                      void (*done)(void *ctx, bool is_good), void *ctx)
{
    struct verify *v = mem_zalloc(sizeof(*v));

    v->sm = sm;
    sm_record_copy(&v->r, &v->text, r);
    v->done = done;
    v->ctx = ctx;
    sm_record_key(sm, v->r.host, verify_end, v);
}

void sm_records_close(struct sm *sm)
{
    while (!list_is_empty(&sm->net->key_waits))
        on_key(CONTAINER_OF(sm->net->key_waits.next, struct key_wait, node), NULL);
}
