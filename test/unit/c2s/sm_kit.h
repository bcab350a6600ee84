/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sm_kit - what the tests of the session manager share: a session manager on virtual time with a
 * store in memory, clients that are buffers, and a link that only writes down what it is told.
 *
 * The link's functions are defined here, in place of the real ones: include it once per test.
 */
#ifndef TEST_SM_KIT_H
#define TEST_SM_KIT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/mem.h"
#include "c2s/schema.h"
#include "c2s/sm/sm.h"
#include "xml/parser.h"
#include "xmpp/ns.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* --- a link that writes down --- */

struct link {
    bool is_up, is_full;
    bool is_lazy; /* completions stay with the test */
    struct buf out;  /* stanzas */
    struct buf words; /* claim, release, …: one a line */
    struct link_done pending;
};

bool link_is_up(const struct link *l)
{
    return l->is_up;
}

struct buf *link_begin(struct link *l, struct link_done done)
{
    if (l->is_full) {
        if (done.call)
            done.call(done.ctx, false);
        return NULL;
    }
    if (l->is_lazy && done.call)
        l->pending = done;
    else if (done.call)
        done.call(done.ctx, true);
    return &l->out;
}

void link_end(struct link *l)
{
    (void)l;
}

bool link_send_stanza(struct link *l, const struct stanza *s, const struct stanza_write_opts *opts,
                      struct link_done done)
{
    struct stanza_write_opts o = *opts;
    struct buf *out = link_begin(l, done);
    if (!out)
        return false;
    o.ns = SPAN(NS_COMPONENT);
    stanza_write(out, s, &o);
    return true;
}

static inline void link_word(struct link *l, const char *word, struct span jid)
{
    buf_printf(&l->words, "%s %.*s\n", word, SPAN_ARG(jid));
}

void link_claim(struct link *l, struct span jid)
{
    link_word(l, "claim", jid);
}

void link_claims_begin(struct link *l)
{
    (void)l;
}

void link_claims_add(struct link *l, struct span jid)
{
    link_word(l, "claims", jid);
}

void link_claims_end(struct link *l)
{
    (void)l;
}

void link_release(struct link *l, struct span jid)
{
    link_word(l, "release", jid);
}

void link_released_ok(struct link *l, struct span jid)
{
    link_word(l, "released-ok", jid);
}

struct link *link_new(struct loop *loop, const struct link_opts *opts,
                      const struct link_events *events, void *ctx)
{
    (void)loop, (void)opts, (void)events, (void)ctx;
    return NULL;
}

void link_close(struct link **l, void (*gone)(void *ctx), void *ctx)
{
    (void)l, (void)gone, (void)ctx;
}

/* --- a client that is a buffer --- */

struct kit_client {
    struct sm_client c; /* first */
    struct sm_session *session;
    struct buf out;
    size_t backlog; /* besides what it has not heard yet, if that counts */
    bool counts_unheard;
    bool is_closing, is_held;
    enum stream_error kicked;
    enum stanza_error refused;
    bool is_answered;
    char jid[256];
    int done_count, unsafe_count;
};

static struct buf *kit_begin(struct sm_client *c)
{
    struct kit_client *k = (struct kit_client *)c;
    return k->is_closing ? NULL : &k->out;
}

static void kit_end(struct sm_client *c)
{
    (void)c;
}

static size_t kit_backlog(const struct sm_client *c)
{
    const struct kit_client *k = (const struct kit_client *)c;
    return k->backlog + (k->counts_unheard ? buf_len(&k->out) : 0);
}

static void kit_kick(struct sm_client *c, enum stream_error e, const char *text)
{
    struct kit_client *k = (struct kit_client *)c;
    (void)text;
    k->kicked = e;
    k->is_closing = true;
}

static void kit_opened(struct sm_client *c, struct sm_session *session, struct span full_jid,
                       enum stanza_error e, const char *text)
{
    struct kit_client *k = (struct kit_client *)c;
    (void)text;
    assert_false(k->is_answered);
    k->is_answered = true;
    k->session = session;
    k->refused = e;
    snprintf(k->jid, sizeof(k->jid), "%.*s", SPAN_ARG(full_jid));
}

static void kit_hold(struct sm_client *c, bool is_held)
{
    struct kit_client *k = (struct kit_client *)c;
    assert_int_not_equal(k->is_held, is_held);
    k->is_held = is_held;
}

static const struct sm_client_ops kit_ops = {kit_begin, kit_end, kit_backlog, kit_kick,
                                             kit_opened, kit_hold};

/* --- the whole --- */

struct kit {
    struct loop *loop;
    struct store *store;
    struct sm *sm;
    struct link link;
    struct stanza stanza;
};

struct kit_job {
    struct store_job job;
    const char *sql;
    struct span name;
    int64_t number;
};

static int kit_sql_run(struct db *db, struct store_job *job)
{
    struct kit_job *j = (struct kit_job *)job;
    struct db_stmt *st = db_sql(db, j->sql);
    db_bind_text(st, 1, j->name);
    if (db_step(st) > 0)
        j->number = db_int(st, 0);
    db_reset(st);
    return STORE_OK;
}

static void kit_sql_done(struct store_job *job, int result)
{
    (void)job;
    assert_int_equal(result, STORE_OK);
}

/* Runs a literal statement whose ?1 is name; returns the first number that it yields. */
static inline int64_t kit_sql(struct kit *k, const char *sql, const char *name)
{
    struct kit_job j = {.sql = sql, .name = span_of(name), .number = -1};
    j.job.run = kit_sql_run;
    j.job.done = kit_sql_done;
    store_submit(k->store, STORE_WRITE, &j.job);
    loop_sim_advance(k->loop, 10);
    return j.number;
}

static inline void kit_account(struct kit *k, const char *name)
{
    kit_sql(k,
            "INSERT INTO account (name, created, iterations, salt_sha1, stored_sha1, server_sha1,"
            " salt_sha256, stored_sha256, server_sha256)"
            " VALUES (?1, 0, 4096, x'00', x'00', x'00', x'00', x'00', x'00')",
            name);
}

static inline int64_t kit_offline_count(struct kit *k, const char *name)
{
    return kit_sql(k,
                   "SELECT count(*) FROM offline WHERE account ="
                   " (SELECT id FROM account WHERE name = ?1)",
                   name);
}

static inline const struct sm_opts *kit_opts(void)
{
    static const struct sm_opts opts = {
        .host = SPAN_INIT("prime.test"),
        .network = SPAN_INIT("net.test"),
        .instance = SPAN_INIT("c2s-1.prime.test"),
        .max_sessions = 3,
        .max_roster = 5,
        .presence_rate = 5,
        .presence_burst = 20,
        .max_offline = 4,
        .max_offline_bytes = 100000,
        .max_blocked = 4,
        .max_backlog = 10000,
        .max_stanza = 262144,
        .max_nodes = 6,
        .max_items = 8,
        .max_item_bytes = 4000,
        .max_pubsub_bytes = 20000,
        .max_push = 3,
        .max_addresses = 6,
        .version = "1.2.3",
    };
    return &opts;
}

static inline struct kit *kit_new(const struct sm_opts *opts)
{
    struct kit *k = mem_zalloc(sizeof(*k));
    const struct store_opts store_opts = {.migrations = c2s_migrations};
    char error[STORE_ERROR_MAX];
    k->loop = loop_new_sim();
    k->store = store_open(k->loop, &store_opts, error);
    assert_non_null(k->store);
    k->sm = sm_new(k->loop, k->store, opts ? opts : kit_opts());
    kit_account(k, "alice");
    kit_account(k, "bob");
    return k;
}

static inline void kit_free(struct kit *k)
{
    if (k->sm)
        sm_free(&k->sm);
    store_close(&k->store);
    loop_free(&k->loop);
    stanza_free(&k->stanza);
    buf_free(&k->link.out);
    buf_free(&k->link.words);
    xml_parser_shared_free();
    free(k);
}

static inline void kit_settle(struct kit *k)
{
    loop_sim_advance(k->loop, 20);
}

static inline struct kit_client *kit_client_new(void)
{
    struct kit_client *c = mem_zalloc(sizeof(*c));
    c->c.ops = &kit_ops;
    return c;
}

static inline struct kit_client *kit_open(struct kit *k, const char *user, const char *domain,
                                          const char *resource)
{
    struct kit_client *c = kit_client_new();
    sm_open(k->sm, &c->c, span_of(user), span_of(domain), span_of(resource));
    assert_false(c->is_answered);
    kit_settle(k);
    return c;
}

static inline void kit_close(struct kit *k, struct kit_client *c)
{
    if (c->session)
        sm_close(c->session);
    kit_settle(k);
    buf_free(&c->out);
    free(c);
}

static void kit_on_done(void *ctx, bool is_safe)
{
    struct kit_client *c = ctx;
    c->done_count++;
    if (!is_safe)
        c->unsafe_count++;
}

static inline void kit_parse(struct kit *k, const char *ns, const char *xml)
{
    struct xml_parser *p = xml_parser_shared(span_of(ns));
    assert_int_equal(xml_parse_stanza(p, span_of(xml), &k->stanza), XML_OK);
}

/* Gives the client's stanza in, without letting anything else happen. */
static inline void kit_input(struct kit *k, struct kit_client *c, const char *xml)
{
    kit_parse(k, NS_CLIENT, xml);
    sm_input(c->session, &k->stanza, (struct link_done){kit_on_done, c});
}

/* The same, and all that follows; its completion must have come, once. */
static inline void kit_say(struct kit *k, struct kit_client *c, const char *xml)
{
    int before = c->done_count;
    kit_input(k, c, xml);
    kit_settle(k);
    assert_int_equal(c->done_count, before + 1);
}

/* A client of a user who is claimed, if there is a router, has said words and heard what follows.
 */
static inline struct kit_client *kit_come(struct kit *k, const char *user, const char *resource,
                                          const char *words)
{
    struct kit_client *c = kit_open(k, user, "prime.test", resource);
    if (k->link.is_up && !c->session) {
        char bare[64];
        snprintf(bare, sizeof(bare), "%s@prime.test", user);
        sm_link_events.on_claim(k->sm, span_of(bare), SPAN_NONE);
        kit_settle(k);
    }
    assert_non_null(c->session);
    if (*words)
        kit_say(k, c, words);
    buf_clear(&c->out);
    return c;
}

/* From the router. */
static inline void kit_link_say(struct kit *k, const char *xml)
{
    kit_parse(k, NS_COMPONENT, xml);
    sm_link_events.on_stanza(k->sm, &k->stanza);
    kit_settle(k);
}

static inline const char *kit_drain(struct buf *b)
{
    static char kept[1 << 20];
    snprintf(kept, sizeof(kept), "%s", buf_len(b) ? buf_z(b) : "");
    buf_clear(b);
    return kept;
}

/* What the client got since the last call. */
static inline const char *kit_heard(struct kit_client *c)
{
    return kit_drain(&c->out);
}

static inline void kit_expect_in(const char *heard, const char *text, const char *file, int line)
{
    if (!strstr(heard, text)) {
        print_error("expected \"%s\" in \"%s\"\n", text, heard);
        _fail(file, line);
    }
}

#define EXPECT_IN(heard, text) kit_expect_in(heard, text, __FILE__, __LINE__)
/* What is heard holds text; the second form: nothing at all was heard. */
#define EXPECT(client, text) kit_expect_in(kit_heard(client), text, __FILE__, __LINE__)
#define EXPECT_NOTHING(client) assert_string_equal(kit_heard(client), "")
#define EXPECT_LINK(k, text) kit_expect_in(kit_drain(&(k)->link.out), text, __FILE__, __LINE__)
#define EXPECT_WORDS(k, text) assert_string_equal(kit_drain(&(k)->link.words), text)

/* Sets the link, up. */
static inline void kit_link_up(struct kit *k)
{
    k->link.is_up = true;
    sm_set_link(k->sm, &k->link);
    sm_link_events.on_up(k->sm);
}

static inline void kit_link_down(struct kit *k)
{
    k->link.is_up = false;
    sm_link_events.on_down(k->sm);
    kit_settle(k);
}

#endif
