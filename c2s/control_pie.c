/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control_pie - accounts to and from files of XEP-0227, for kontalkctl, which reads and writes the
 * files: `user export` answers with the pieces of a document; `import user` begins one account of
 * one, `import text` and `import store` bring what belongs to it, `import end` ends it.
 *
 * What is being imported is known by a token that only the asker has. It is forgotten when he says
 * nothing more for a while; what has been stored stays.
 */
#include "c2s/control.h"

#include "base/log.h"
#include "tls/crypto.h"

#include <stdio.h>
#include <stdlib.h>

#define PIECE_BYTES 16384 /* of a row */

/* --- export --- */

struct export {
    struct control_work work; /* first */
    struct sm_export *export;
    uint64_t bytes;
};

static void on_piece(void *ctx, struct span xml)
{
    struct export *e = ctx;

    e->bytes += xml.n;
    while (xml.n > 0) {
        struct span piece = span_make(xml.p, xml.n < PIECE_BYTES ? xml.n : PIECE_BYTES);
        control_row2(e->work.call, SPAN("xml"), piece);
        xml = span_from(xml, piece.n);
    }
}

static size_t queued(void *ctx)
{
    const struct export *e = ctx;
    return control_queued(e->work.call);
}

static void on_exported(void *ctx, enum sm_pie_result r, uint64_t users)
{
    struct export *e = ctx;

    control_row_number(e->work.call, SPAN("users"), users);
    control_work_end(&e->work, r == SM_PIE_NO_USER  ? "there is no such account"
                               : r == SM_PIE_FAILED ? "the storage failed, or nobody listens"
                                                    : NULL);
}

static void on_gone(void *ctx)
{
    struct export *e = ctx;
    sm_export_stop(e->export);
}

static uint64_t exported(const struct control_work *w)
{
    return ((const struct export *)w)->bytes >> 20;
}

void control_user_export(void *ctx, struct control_call *call, const struct span *args,
                         size_t count)
{
    static const struct sm_export_ops ops = {on_piece, queued, on_exported};
    struct c2s *c2s = ctx;
    struct jid jid = {0};
    struct jid_scratch scratch;

    if (count > 0 && !control_user(c2s, call, args[0], &jid, &scratch))
        return;
    struct export *e = mem_zalloc(sizeof(*e));
    e->work.progress = exported;
    control_work_begin(&e->work, c2s, call);
    LOG(LOG_INFO, "user.export", F_SPAN("user", count > 0 ? jid.local : SPAN("*")));
    e->export = sm_export(c2s->sm, count > 0 ? jid.local : SPAN_NONE, &ops, e);
    control_watch(call, on_gone, e);
}

/* --- import --- */

#define IMPORTS_MAX 8
#define IMPORT_IDLE_MS 300000
#define IMPORT_TEXT_MAX (4u << 20)
#define TOKEN_LEN 32

struct import {
    struct list_node node; /* of c2s->imports */
    struct c2s *c2s;
    char token[TOKEN_LEN + 1];
    char *user;
    struct buf text;
    struct timer idle;
    bool may_set_keys;  /* the account was made for this, without a password */
    bool has_password, has_keys, has_sha1_only;
    bool is_busy;       /* a request about it is under way */
};

static void import_free(struct import *i)
{
    timer_stop(&i->idle);
    list_remove(&i->node);
    i->c2s->import_count--;
    buf_wipe(&i->text);
    free(i->user);
    free(i);
}

static void on_idle(void *ctx)
{
    struct import *i = ctx;

    if (i->is_busy)
        timer_start(&i->idle, i->c2s->loop, IMPORT_IDLE_MS, on_idle, i);
    else
        import_free(i);
}

static struct import *import_new(struct c2s *c2s, struct span user)
{
    struct import *i = mem_zalloc(sizeof(*i));

    i->c2s = c2s;
    i->user = mem_strdup_span(user);
    i->text.max = IMPORT_TEXT_MAX;
    crypto_random_hex(i->token, TOKEN_LEN / 2);
    list_append(&c2s->imports, &i->node);
    c2s->import_count++;
    timer_start(&i->idle, c2s->loop, IMPORT_IDLE_MS, on_idle, i);
    return i;
}

/* NULL: there is none of that token, or it is busy; the call has been answered. */
static struct import *find_import(struct c2s *c2s, struct control_call *call, struct span token)
{
    LIST_FOR_EACH (node, &c2s->imports) {
        struct import *i = CONTAINER_OF(node, struct import, node);
        if (!crypto_equal(span_of(i->token), token) || i->is_busy)
            continue;
        timer_start(&i->idle, c2s->loop, IMPORT_IDLE_MS, on_idle, i);
        return i;
    }
    control_error(call, "no such import is under way");
    return NULL;
}

void control_imports_drop(struct c2s *c2s)
{
    LIST_FOR_EACH (node, &c2s->imports)
        import_free(CONTAINER_OF(node, struct import, node));
}

/* --- its account --- */

struct begin {
    struct control_work work; /* first */
    char *user, *password;    /* password NULL: none */
    bool is_merging, is_replacing;
};

static void begin_destroy(struct control_work *w)
{
    struct begin *b = (struct begin *)w;

    if (b->password)
        mem_wipe(b->password, strlen(b->password));
    free(b->password);
    free(b->user);
}

static void add_account(struct begin *b);

static void on_old_removed(void *ctx, enum accounts_result r)
{
    struct begin *b = ctx;
    struct c2s *c2s = b->work.c2s;

    if (r == ACCOUNTS_OK && c2s->sm) {
        sm_user_deleted(c2s->sm, span_of(b->user));
        sm_erase(c2s->sm, span_of(b->user), NULL, NULL);
    }
    if ((r == ACCOUNTS_OK || r == ACCOUNTS_UNKNOWN) && c2s->accounts)
        add_account(b);
    else
        control_work_end(&b->work, accounts_result_text(r));
}

static void on_added(void *ctx, enum accounts_result r)
{
    struct begin *b = ctx;
    bool is_known = r == ACCOUNTS_EXISTS && b->is_merging;

    if (r != ACCOUNTS_OK && !is_known) {
        control_work_end(&b->work, accounts_result_text(r));
        return;
    }
    struct import *i = import_new(b->work.c2s, span_of(b->user));
    i->has_password = b->password || is_known;
    i->may_set_keys = !i->has_password;
    LOG(LOG_INFO, "user.import", F_STR("user", b->user), F_INT("known", is_known));
    control_row2(b->work.call, SPAN("token"), span_of(i->token));
    control_row2(b->work.call, SPAN("merged"), is_known ? SPAN("yes") : SPAN("no"));
    control_work_end(&b->work, NULL);
}

static void add_account(struct begin *b)
{
    struct accounts *accounts = b->work.c2s->accounts;

    if (b->password)
        accounts_add(accounts, span_of(b->user), span_of(b->password), on_added, b);
    else
        accounts_add_without_password(accounts, span_of(b->user), on_added, b);
}

/* args: new, merge or replace; JID; perhaps a password */
void control_import_user(void *ctx, struct control_call *call, const struct span *args,
                         size_t count)
{
    struct c2s *c2s = ctx;
    struct jid jid;
    struct jid_scratch scratch;

    if (!control_user(c2s, call, args[1], &jid, &scratch))
        return;
    if (c2s->import_count >= IMPORTS_MAX) {
        control_error(call, "too many imports are under way");
        return;
    }
    struct begin *b = mem_zalloc(sizeof(*b));
    b->work.destroy = begin_destroy;
    b->user = mem_strdup_span(jid.local);
    b->password = count > 2 ? mem_strdup_span(args[2]) : NULL;
    b->is_merging = span_eq(args[0], SPAN("merge"));
    b->is_replacing = span_eq(args[0], SPAN("replace"));
    control_work_begin(&b->work, c2s, call);
    if (b->is_replacing)
        accounts_delete(c2s->accounts, jid.local, on_old_removed, b);
    else
        add_account(b);
}

/* --- what belongs to it --- */

void control_import_text(void *ctx, struct control_call *call, const struct span *args,
                         size_t count)
{
    struct import *i = find_import(ctx, call, args[0]);

    (void)count;
    if (!i)
        return;
    if (buf_append(&i->text, args[1]))
        control_ok(call);
    else
        control_error(call, "too much at once");
}

struct storing {
    struct control_work work; /* first */
    struct import *import;
};

static void on_stored(void *ctx, enum sm_pie_result r, const struct sm_import_figures *f)
{
    struct storing *s = ctx;
    struct control_call *call = s->work.call;

    s->import->is_busy = false;
    s->import->has_keys = s->import->has_keys || f->has_keys;
    if (f->has_keys)
        s->import->has_sha1_only = f->has_sha1_only;
    control_row_number(call, SPAN("taken"), f->taken);
    control_row_number(call, SPAN("known"), f->known);
    control_row_number(call, SPAN("refused"), f->refused);
    control_row_number(call, SPAN("ignored"), f->ignored);
    if (f->example[0])
        control_row2(call, SPAN("example"), span_of(f->example));
    control_work_end(&s->work, r == SM_PIE_NO_USER  ? "the account has been removed meanwhile"
                               : r == SM_PIE_FAILED ? "the storage failed, or is too busy"
                                                    : NULL);
}

void control_import_store(void *ctx, struct control_call *call, const struct span *args,
                          size_t count)
{
    struct c2s *c2s = ctx;
    struct import *i = find_import(c2s, call, args[0]);

    (void)count;
    if (!i)
        return;
    struct storing *s = mem_zalloc(sizeof(*s));
    s->import = i;
    i->is_busy = true;
    control_work_begin(&s->work, c2s, call);
    sm_import(c2s->sm, span_of(i->user), buf_span(&i->text), i->may_set_keys, on_stored, s);
    buf_clear(&i->text);
}

void control_import_end(void *ctx, struct control_call *call, const struct span *args,
                        size_t count)
{
    struct c2s *c2s = ctx;
    struct import *i = find_import(c2s, call, args[0]);

    (void)count;
    if (!i)
        return;
    sm_import_end(c2s->sm, span_of(i->user));
    control_row2(call, SPAN("key"), SPAN("value"));
    control_row2(call, SPAN("login"),
                 i->has_password     ? SPAN("password")
                 : i->has_sha1_only ? SPAN("sha-1")
                 : i->has_keys      ? SPAN("keys")
                                    : SPAN("none"));
    import_free(i);
    control_ok(call);
}
